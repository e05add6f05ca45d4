"""The tasks of memory, by what they promise of every batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tasks import memory


@given(
    st.integers(0, 99), st.integers(0, 5), st.integers(1, 30), st.integers(2, 9), st.integers(1, 9)
)
def test_recall(seed: int, b: int, lag: int, v: int, others: int) -> None:
    tokens, symbol = memory.recall(np.random.default_rng(seed), b, lag, v, others)
    assert tokens.shape == (b, lag + 1) and symbol.shape == (b,)
    assert tokens.dtype == symbol.dtype == np.int64
    np.testing.assert_array_equal(tokens[:, 0], symbol)
    assert np.all((symbol >= 0) & (symbol < v))
    assert np.all((tokens[:, 1:] >= v) & (tokens[:, 1:] < v + others))


def test_recall_is_even_and_its_distractors_say_nothing() -> None:
    tokens, symbol = memory.recall(np.random.default_rng(0), 24000, 2, 4, 3)
    for place in (1, 2):
        together = np.zeros((4, 3))
        np.add.at(together, (symbol, tokens[:, place] - 4), 1)
        np.testing.assert_allclose(together / together.sum(), 1 / 12, atol=0.006)


def test_guessing_reaches_chance() -> None:
    """The best guess from all that follows the symbol: the commonest answer to each sequence."""
    tokens, symbol = memory.recall(np.random.default_rng(1), 20000, 1, 5, 3)
    seen = np.zeros((3, 5))
    np.add.at(seen, (tokens[:, 1] - 5, symbol), 1)
    assert seen.max(1).sum() / seen.sum() == pytest.approx(1 / 5, abs=0.02)


@pytest.mark.parametrize(("lag", "v", "others"), [(0, 8, 8), (3, 1, 8), (3, 8, 0)])
def test_recall_refuses_what_needs_no_memory(lag: int, v: int, others: int) -> None:
    with pytest.raises(ValueError, match="nothing to remember"):
        memory.recall(np.random.default_rng(0), 1, lag, v, others)
