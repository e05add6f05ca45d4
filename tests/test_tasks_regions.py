"""Pictures of regions, by what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tasks import regions


@given(st.integers(0, 99), st.integers(1, 3), st.integers(1, 12))
def test_axes_are_orthonormal(seed: int, m: int, d: int) -> None:
    axes = regions.axes(np.random.default_rng(seed), m, d)
    assert axes.shape == (m, d, d) and axes.dtype == np.float32
    np.testing.assert_allclose(axes @ axes.mT, np.tile(np.eye(d), (m, 1, 1)), atol=1e-5)


def test_axes_point_everywhere() -> None:
    """QR alone would leave the signs of the first row to LAPACK."""
    axes = regions.axes(np.random.default_rng(0), 4000, 3)
    assert np.all(np.abs(axes.mean(axis=0)) < 0.05)


@given(
    st.integers(0, 99), st.integers(1, 3), st.integers(0, 4), st.integers(1, 9), st.integers(1, 7)
)
def test_a_picture_without_noise_can_be_read(
    seed: int, m: int, b: int, n: int, contents: int
) -> None:
    rng = np.random.default_rng(seed)
    axes = regions.axes(rng, m, 8)
    x, answer, place = regions.marked(rng, axes, b, n, contents, 0.0)
    assert x.shape == (m, b, n, 8) and answer.shape == place.shape == (m, b)
    assert x.dtype == np.float32
    for i in range(m):
        seen = x[i] @ axes[i].T  # (b, n, axes): what lies along each axis
        for j in range(b):
            expected = np.zeros((n, 8))
            expected[place[i, j], contents] = 2
            assert 0 <= place[i, j] < n and 0 <= answer[i, j] < contents
            assert np.argmax(seen[j, place[i, j], :contents]) == answer[i, j]
            along = np.argmax(seen[j, :, :contents], axis=-1)
            expected[np.arange(n), along] = 2
            np.testing.assert_allclose(seen[j], expected, atol=1e-5)


def test_noise_has_its_deviation_and_changes_nothing_else() -> None:
    axes = regions.axes(np.random.default_rng(0), 2, 8)
    clean = regions.marked(np.random.default_rng(1), axes, 500, 5, 4, 0.0)
    noisy = regions.marked(np.random.default_rng(1), axes, 500, 5, 4, 0.7)
    np.testing.assert_array_equal(clean[1], noisy[1])
    np.testing.assert_array_equal(clean[2], noisy[2])
    rest = noisy[0] - clean[0]
    assert rest.std() == pytest.approx(0.7, rel=0.01) and abs(rest.mean()) < 0.01


def test_chance_and_a_random_look() -> None:
    """Every answer and place is as likely; the others' contents say nothing about the answer."""
    axes = regions.axes(np.random.default_rng(0), 1, 5)
    x, answer, place = regions.marked(np.random.default_rng(1), axes, 20000, 3, 4, 0.0)
    content = np.argmax((x[0] @ axes[0].T)[..., :4], axis=-1)
    assert np.allclose(np.bincount(answer[0]) / 20000, regions.chance(4), atol=0.015)
    assert np.allclose(np.bincount(place[0]) / 20000, 1 / 3, atol=0.015)
    assert np.mean(content[:, 0] == answer[0]) == pytest.approx(
        regions.random_look(3, 4), abs=0.015
    )
    assert regions.random_look(3, 4) == pytest.approx(0.5)
    elsewhere = content[np.arange(20000), (place[0] + 1) % 3]
    assert np.mean(elsewhere == answer[0]) == pytest.approx(0.25, abs=0.015)


@pytest.mark.parametrize(("n", "contents"), [(0, 3), (4, 0), (4, 8)])
def test_what_has_no_room_is_refused(n: int, contents: int) -> None:
    axes = regions.axes(np.random.default_rng(0), 1, 8)
    with pytest.raises(ValueError, match="no room"):
        regions.marked(np.random.default_rng(0), axes, 1, n, contents, 0.1)
