"""Handwritten digits: 1,797 scans of 8 × 8 pixels (Alpaydin & Kaynak 1998; see data/digits)."""

from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CLASSES = 10
CHANCE = 1 / CLASSES
SIDE = 8  # pixels
TESTS = 397  # scans that no network is trained on: 1,400 are left
MOST = 1400


class Digits(NamedTuple):
    """Pictures and what they show."""

    images: NDArray[np.float32]  # (b, 1, 8, 8), from 0, paper, to 1, ink
    labels: NDArray[np.int64]  # (b,)


def load() -> Digits:
    """All 1,797 scans, in the order of the source."""
    with (files("seqlab") / "data" / "digits" / "digits.npz").open("rb") as file:
        content = np.load(file, allow_pickle=False)
        images = content["images"].astype(np.float32)[:, None] / 16
        return Digits(images, content["labels"].astype(np.int64))


def split(rng: np.random.Generator, n: int) -> tuple[Digits, Digits]:
    """Scans to train on, n of them, and 397 others to test with, drawn at random.

    The same generator gives the same test whatever n is, and the smaller training sets are parts
    of the larger ones.
    """
    if not 1 <= n <= MOST:
        raise ValueError(f"1 to {MOST} scans to train on, not {n}")
    images, labels = load()
    order = rng.permutation(len(labels))
    training, tests = order[TESTS : TESTS + n], order[:TESTS]
    return Digits(images[training], labels[training]), Digits(images[tests], labels[tests])


def batch(rng: np.random.Generator, digits: Digits, b: int) -> Digits:
    """Some of the scans, b of them, with replacement."""
    chosen = rng.integers(0, len(digits.labels), b)
    return Digits(digits.images[chosen], digits.labels[chosen])
