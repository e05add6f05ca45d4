"""Positions as sines and cosines.

PE(pos + k) is PE(pos) with every pair rotated by an angle that depends on k and on the pair, not on
pos: the reason for which the authors chose them.
"""

from seqlab.book.ops import Array, arange, concatenate, cos, sin, stack


def sinusoidal(t: int, d: int) -> Array:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(same) (Vaswani et al. 2017, §3.5).

    -> (t, d), a NumPy array. Sine and cosine alternate as in the paper; much code puts all sines
    first.
    """
    if d % 2:
        raise ValueError(f"sines and cosines come in pairs: the width must be even, not {d}")
    angle = arange(t)[:, None] * 10000.0 ** (-2 * arange(d // 2) / d)  # (t, d / 2)
    return stack([sin(angle), cos(angle)], axis=-1).reshape(t, d)


def grid_sinusoidal(rows: int, columns: int, d: int) -> Array:
    """Half the width for the row, half for the column (He et al. 2022; Chen et al. 2021).

    -> (rows · columns, d), row by row as patches are. The order within d is ours: the authors' code
    has the column first, and all sines before the cosines.
    """
    if d % 4:
        raise ValueError(f"two halves of pairs: the width must be a multiple of 4, not {d}")
    row = sinusoidal(rows, d // 2).repeat(columns, axis=0)  # 0 0 0 1 1 1
    column = sinusoidal(columns, d // 2)
    return concatenate([row, concatenate([column] * rows, axis=0)])
