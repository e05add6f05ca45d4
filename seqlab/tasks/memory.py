"""Tasks of memory: what came long ago must be said now."""

import numpy as np

from seqlab.tasks import Tokens


def recall(
    rng: np.random.Generator, b: int, lag: int, v: int, others: int
) -> tuple[Tokens, Tokens]:
    """Sequences (b, lag + 1), and the symbol (b,) that each began with, `lag` steps ago.

    The symbol is one of v, numbered from 0; all that follows is of `others` more tokens, numbered
    from v, and says nothing about it. Chance is 1 / v.
    """
    if lag < 1 or v < 2 or others < 1:
        raise ValueError(f"nothing to remember: lag {lag}, {v} symbols, {others} others")
    symbol = rng.integers(0, v, b)
    return np.column_stack([symbol, rng.integers(v, v + others, (b, lag))]), symbol
