"""The tasks, by what they promise of every batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab import tasks


@given(
    st.integers(0, 99), st.integers(0, 4), st.integers(0, 30), st.integers(1, 12),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
)  # fmt: skip
def test_repeats(seed: int, b: int, t: int, v: int, periods: tuple[int, int]) -> None:
    low, high = min(*periods, v), min(max(periods), v)
    tokens, period = tasks.repeats(np.random.default_rng(seed), b, t, v, (low, high))
    assert tokens.shape == (b, t) and period.shape == (b,)
    assert np.all((tokens >= 0) & (tokens < v)) and np.all((low <= period) & (period <= high))
    for row, n in zip(tokens.tolist(), period.tolist(), strict=True):
        assert len(set(row[:n])) == len(row[:n])
        assert row[n:] == row[: max(0, t - n)]


def test_repeats_draws_every_period_and_every_order_alike() -> None:
    tokens, period = tasks.repeats(np.random.default_rng(0), 12000, 3, 3, (2, 3))
    assert np.mean(period == 2) == pytest.approx(0.5, abs=0.02)
    firsts, counts = np.unique(tokens[period == 3], axis=0, return_counts=True)
    assert len(firsts) == 6 and np.all(np.abs(counts / counts.sum() - 1 / 6) < 0.02)


@pytest.mark.parametrize("periods", [(0, 3), (4, 3), (2, 6)])
def test_repeats_refuses_periods_that_cannot_be(periods: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="each symbol once"):
        tasks.repeats(np.random.default_rng(0), 1, 8, 5, periods)


@given(st.integers(0, 99), st.integers(0, 4), st.integers(2, 20), st.integers(3, 9))
def test_order(seed: int, b: int, t: int, v: int) -> None:
    tokens, first = tasks.order(np.random.default_rng(seed), b, t, v)
    assert tokens.shape == (b, t) and first.shape == (b,)
    assert np.all((tokens >= 0) & (tokens < v))
    for row, answer in zip(tokens.tolist(), first.tolist(), strict=True):
        assert row.count(0) == row.count(1) == 1
        assert answer == int(row.index(1) < row.index(0))


def test_order_is_even_and_every_pair_of_places_comes() -> None:
    tokens, first = tasks.order(np.random.default_rng(0), 12000, 4, 5)
    assert np.mean(first) == pytest.approx(0.5, abs=0.02)
    pairs = np.stack([np.argmax(tokens == 0, 1), np.argmax(tokens == 1, 1)], 1)
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    assert len(found) == 12 and np.all(np.abs(counts / counts.sum() - 1 / 12) < 0.01)
    others = tokens[tokens > 1]
    assert sorted(set(others.tolist())) == [2, 3, 4]


@pytest.mark.parametrize(("t", "v"), [(1, 5), (4, 2)])
def test_order_refuses_rows_without_room(t: int, v: int) -> None:
    with pytest.raises(ValueError, match="no room"):
        tasks.order(np.random.default_rng(0), 1, t, v)
