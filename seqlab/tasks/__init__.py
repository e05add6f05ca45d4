"""The tasks that experiments train on: batches drawn from a NumPy generator, as many as asked.

Here those of tokens that more than one kind of course needs; beside it, a module for each family
that has a world of its own. Every task says what guessing would reach: its chance level.
"""

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]


def repeats(
    rng: np.random.Generator, b: int, t: int, v: int, periods: tuple[int, int]
) -> tuple[Tokens, Tokens]:
    """Sequences (b, t) that repeat, of v symbols, and their periods (b,).

    A period is drawn from `periods`, both ends included; within it no symbol comes twice. What
    comes next can be known from the first symbol on that has been there before, by finding where:
    unless all periods are the same, no fixed distance leads back.
    """
    low, high = periods
    if not 1 <= low <= high <= v:
        raise ValueError(f"a period holds each symbol once: {low} to {high} of {v}")
    period = rng.integers(low, high + 1, b)
    symbols = rng.permuted(np.tile(np.arange(v), (b, 1)), axis=1)
    return np.take_along_axis(symbols, np.arange(t) % period[:, None], axis=1), period


def order(rng: np.random.Generator, b: int, t: int, v: int) -> tuple[Tokens, Tokens]:
    """Sequences (b, t) that hold A and B once each, and which of the two comes first (b,).

    Of v tokens A is number 0, B number 1, and all others fill the row. The answer is 0 or 1
    likewise, each half of the time. What is in a sequence says nothing about it: only the places
    of A and B do.
    """
    if t < 2 or v < 3:
        raise ValueError(f"no room for A, B and others: rows of {t}, of {v} tokens")
    tokens = rng.integers(2, v, (b, t))
    places = rng.permuted(np.tile(np.arange(t), (b, 1)), axis=1)[:, :2]  # of A, of B
    np.put_along_axis(tokens, places, np.array([0, 1]), axis=1)
    return tokens, (places[:, 1] < places[:, 0]).astype(np.int64)
