"""The digits that ship: all there, as the source has them, and divided without overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tasks import digits


def test_all_scans_are_there() -> None:
    images, labels = digits.load()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1
    np.testing.assert_array_equal(images * 16, np.rint(images * 16))
    # as the source counts them: 178 zeros, 182 ones, ...
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert labels[:10].tolist() == list(range(10))


def test_the_first_scan_is_a_zero_to_the_eye() -> None:
    rows = ["".join(" .:*#"[int(4 * ink)] for ink in row) for row in digits.load().images[0, 0]]
    assert rows == [
        "  .*:   ",
        "  **:*. ",
        "  *  :: ",
        " .*  :: ",
        " .:  :: ",
        " .:  *. ",
        "  *.:*  ",
        "  .*:   ",
    ]


@given(seed=st.integers(0, 99), few=st.integers(1, 1400), more=st.integers(0, 1400))
def test_nothing_is_trained_on_that_is_tested(seed: int, few: int, more: int) -> None:
    more = max(few, more)
    train, test = digits.split(np.random.default_rng(seed), few)
    wider, again = digits.split(np.random.default_rng(seed), more)
    np.testing.assert_array_equal(test.labels, again.labels)
    np.testing.assert_array_equal(train.images, wider.images[:few])
    assert len(train.labels) == few and len(test.labels) == digits.TESTS
    if few == digits.MOST:
        together = np.concatenate([train.labels, test.labels])
        assert np.bincount(together).tolist() == np.bincount(digits.load().labels).tolist()


@pytest.mark.parametrize("n", [0, -1, 1401])
def test_there_are_only_so_many(n: int) -> None:
    with pytest.raises(ValueError, match=r"1 to 1400 scans to train on, not"):
        digits.split(np.random.default_rng(0), n)


def test_a_batch_keeps_pictures_and_labels_together() -> None:
    train, _test = digits.split(np.random.default_rng(0), 100)
    found = digits.batch(np.random.default_rng(1), train, 64)
    known = {image.tobytes(): label for image, label in zip(*train, strict=True)}
    assert [known[image.tobytes()] for image in found.images] == found.labels.tolist()
