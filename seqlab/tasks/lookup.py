"""Look it up: a picture of nine cells, of which one asks and the others hold the answers.

A cell has 4 × 4 pixels. Its upper half is a key: one of eight pixels is inked. Its lower half is a
value: one of four columns is inked. Eight cells have a key each, two of them every value; the ninth
has a key alone and asks for the value of the cell with the same key.

    . # . .   key 1         . # . .   the question:
    . . . .                 . . . .   which value has key 1?
    . . # .   value 2       . . . .
    . . # .                 . . . .

What any one cell holds says nothing about the answer, and neither does any place in the picture: it
takes the question together with other cells, best of all the one that matches.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CELL, GRID = 4, 3  # pixels a side of a cell, cells a side of the picture
SIDE = CELL * GRID
KEYS, VALUES = 8, 4
CHANCE = 1 / VALUES


class Lookups(NamedTuple):
    """Pictures, and the values that they ask for.

    `asking` and `answering` are the places of the two cells, counted row by row from 0.
    """

    images: NDArray[np.float32]  # (b, 1, 12, 12), 0 or 1
    labels: NDArray[np.int64]  # (b,)
    asking: NDArray[np.int64]  # (b,)
    answering: NDArray[np.int64]  # (b,)


def draw(rng: np.random.Generator, b: int) -> Lookups:
    """So many pictures: the places of all cells, the values, and what is asked are drawn."""
    content = rng.permuted(np.tile(np.arange(KEYS + 1), (b, 1)), axis=1)  # KEYS is who asks
    asked = rng.integers(0, KEYS, b)
    values = rng.permuted(np.tile(np.arange(KEYS) % VALUES, (b, 1)), axis=1)  # by key
    asking = (content == KEYS).argmax(axis=1)
    answering = (content == asked[:, None]).argmax(axis=1)
    keys = np.where(content == KEYS, asked[:, None], content)
    cells = np.zeros((b, KEYS + 1, CELL, CELL), np.float32)
    cells[:, :, : CELL // 2] = np.eye(KEYS)[keys].reshape(b, KEYS + 1, CELL // 2, CELL)
    rows = np.arange(b)
    cells[:, :, CELL // 2 :] = np.eye(VALUES)[values[rows[:, None], keys]][:, :, None]
    cells[rows, asking, CELL // 2 :] = 0
    images = cells.reshape(b, GRID, GRID, CELL, CELL).swapaxes(2, 3).reshape(b, 1, SIDE, SIDE)
    return Lookups(images, values[rows, asked], asking, answering)
