"""Lookups: every key once, every value twice, an answer that no part of the picture betrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tasks import lookup


def cells(image: np.ndarray) -> list[np.ndarray]:
    """The nine cells of a picture (1, 12, 12), row by row."""
    return [image[0, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] for i in range(3) for j in range(3)]


def read(cell: np.ndarray) -> tuple[int, int | None]:
    """A cell's key and value, by eye: which upper pixel, which lower column is inked."""
    (key,) = np.flatnonzero(cell[:2])
    columns = [j for j in range(4) if cell[2, j] == cell[3, j] == 1]
    assert cell[2:].sum() == 2 * len(columns) and len(columns) < 2
    return int(key), columns[0] if columns else None


@given(seed=st.integers(0, 2**32), b=st.integers(1, 20))
def test_pictures_are_read_as_they_are_meant(seed: int, b: int) -> None:
    drawn = lookup.draw(np.random.default_rng(seed), b)
    assert drawn.images.shape == (b, 1, 12, 12) and drawn.images.dtype == np.float32
    assert set(np.unique(drawn.images)) == {0, 1} and drawn.labels.dtype == np.int64
    for image, label, asking, answering in zip(*drawn, strict=True):
        found = [read(cell) for cell in cells(image)]
        question, value = found.pop(asking)
        assert value is None
        assert sorted(key for key, _value in found) == list(range(8))
        values = [value for _key, value in found if value is not None]
        assert sorted(values) == [0, 0, 1, 1, 2, 2, 3, 3]
        assert dict(found)[question] == label
        assert read(cells(image)[answering]) == (question, label) and answering != asking


def test_no_place_and_no_single_cell_tells_the_answer() -> None:
    """At every pixel, ink comes with each answer equally often: guessing reaches one in four."""
    n = 20_000
    drawn = lookup.draw(np.random.default_rng(0), n)
    error = 5 * np.sqrt(0.25 / (n / 4))
    ink = [drawn.images[drawn.labels == k].mean(axis=0) for k in range(4)]
    for k in range(4):
        assert abs((drawn.labels == k).mean() - lookup.CHANCE) < error
        np.testing.assert_allclose(ink[k], np.mean(ink, axis=0), atol=error)
    for places in (drawn.asking, drawn.answering):
        np.testing.assert_allclose(np.bincount(places, minlength=9) / n, 1 / 9, atol=error)


def test_what_asks_stands_beside_what_answers_no_more_often_than_elsewhere() -> None:
    drawn = lookup.draw(np.random.default_rng(1), 20_000)
    pairs = np.zeros((9, 9))
    np.add.at(pairs, (drawn.asking, drawn.answering), 1 / 20_000)
    np.testing.assert_allclose(pairs, (1 - np.eye(9)) / 72, atol=0.004)


@pytest.mark.parametrize("b", [0, 1])
def test_any_number_of_pictures(b: int) -> None:
    assert len(lookup.draw(np.random.default_rng(0), b).images) == b
