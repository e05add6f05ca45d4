"""Sinusoidal positions against the paper's formula in plain Python."""

import math

import numpy as np
import pytest

from seqlab.book.positions import grid_sinusoidal, sinusoidal


def angle(pos: int, j: int, d: int) -> float:
    return float(pos / math.pow(10000.0, 2 * (j // 2) / d))


@pytest.mark.parametrize(("t", "d"), [(1, 2), (7, 6), (200, 64)])
def test_sinusoidal_is_the_formula(t, d):
    oracle = [
        [(math.cos if j % 2 else math.sin)(angle(pos, j, d)) for j in range(d)] for pos in range(t)
    ]
    ours = sinusoidal(t, d)
    assert ours.shape == (t, d)
    np.testing.assert_allclose(ours, oracle, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [1, 5, 31])
def test_a_shift_is_a_rotation_that_does_not_depend_on_the_position(k):
    t, d = 40, 8
    table = sinusoidal(t + k, d)
    for j in range(0, d, 2):
        sin, cos = math.sin(angle(k, j, d)), math.cos(angle(k, j, d))
        rotated = table[:t, j : j + 2] @ np.array([[cos, -sin], [sin, cos]])
        np.testing.assert_allclose(table[k:, j : j + 2], rotated, rtol=0, atol=1e-12)


def test_grid_has_the_row_in_one_half_and_the_column_in_the_other():
    rows, columns, d = 3, 5, 8
    ours = grid_sinusoidal(rows, columns, d)
    assert ours.shape == (rows * columns, d)
    for row in range(rows):
        for column in range(columns):
            oracle = [
                (math.cos if j % 2 else math.sin)(angle(pos, j, d // 2))
                for pos in (row, column)
                for j in range(d // 2)
            ]
            np.testing.assert_allclose(ours[row * columns + column], oracle, rtol=0, atol=1e-12)


def test_widths_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="even, not 7"):
        sinusoidal(4, 7)
    with pytest.raises(ValueError, match="multiple of 4, not 6"):
        grid_sinusoidal(2, 2, 6)
