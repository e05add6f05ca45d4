"""The tasks with a state: rules by hand, what is drawn, and what guessing reaches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tasks import states
from seqlab.tasks.states import DEEPEST, EVENTS, TASKS, events, without_memory

each_task = pytest.mark.parametrize("name", TASKS)


def by_hand(name: str, words: list[str]) -> list[str]:
    """The state after each symbol, by the rule as one would say it."""
    state, out = "-" if name != "depth" else "0", []
    for word in words:
        if name == "latch":
            state = {"SET-a": "a", "SET-b": "b", "RESET": "-"}.get(word, state)
        elif name == "quotes" and word == '"':
            state = "-" if state == "q" else "q"
        elif name == "depth":
            state = str(int(state) + (word == "(") - (word == ")"))
        out.append(state)
    return out


def named(name: str, row: np.ndarray) -> list[str]:
    return [TASKS[name].symbols[i] for i in row]


@each_task
@given(seed=st.integers(0, 999), b=st.integers(1, 4), t=st.integers(1, 40))
def test_states_follow_the_rule(name: str, seed: int, b: int, t: int) -> None:
    task = TASKS[name]
    tokens = task.draw(np.random.default_rng(seed), b, t)
    assert tokens.shape == (b, t) and tokens.min() >= 0 and tokens.max() < len(task.symbols)
    truth = task.follow(tokens)
    for row, right in zip(tokens, truth, strict=True):
        assert [task.states[i] for i in right] == by_hand(name, named(name, row))
        np.testing.assert_array_equal(task.follow(row), right)  # one sequence alone, too


@given(text=st.text(alphabet='ab "', min_size=1))
def test_quotes_of_any_text(text: str) -> None:
    tokens = np.array([TASKS["quotes"].symbols.index(c) for c in text])
    found = TASKS["quotes"].follow(tokens)
    assert found.tolist() == [text[: i + 1].count('"') % 2 for i in range(len(text))]


def test_depth_stays_within_its_limits_and_uses_them_all() -> None:
    tokens = TASKS["depth"].draw(np.random.default_rng(0), 500, 30)
    truth = TASKS["depth"].follow(tokens)
    assert truth.min() == 0 and truth.max() == DEEPEST
    assert np.bincount(truth.ravel()).min() > 0.03 * truth.size
    brackets = np.mean(tokens < 2)
    assert brackets == pytest.approx(states._BRACKET, abs=0.02)
    assert TASKS["depth"].follow(np.array([1, 1, 0])).tolist() == [-1, -2, -1]  # none was open


def test_marks_come_as_often_as_they_should() -> None:
    tokens = TASKS["latch"].draw(np.random.default_rng(0), 1000, 30)
    shares = np.bincount(tokens.ravel()) / tokens.size
    np.testing.assert_allclose(shares[:3], states._EVENT / 3, atol=0.004)
    np.testing.assert_allclose(shares[3:], (1 - states._EVENT) / 3, atol=0.01)
    quotes = TASKS["quotes"].draw(np.random.default_rng(0), 1000, 30)
    assert np.mean(quotes == 0) == pytest.approx(states._QUOTE, abs=0.01)
    noise = np.bincount(quotes[quotes > 0]) / np.sum(quotes > 0)
    np.testing.assert_allclose(noise[1:], 1 / 27, atol=0.01)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("latch", ". SET-a . SET-b : RESET RESET ,", "i w h w h r i i"),
        ("latch", "SET-b SET-b SET-a RESET .", "w w w r i"),
        ("quotes", 'a"b c"d', "i w h h h r i"),
        ("depth", "a(b(c)d)e", "i w h w h r h r i"),
    ],
)
def test_what_every_symbol_asks_of_the_memory(name: str, text: str, expected: str) -> None:
    task = TASKS[name]
    words = text.split() if task.separator else list(text)
    tokens = np.array([task.symbols.index(word) for word in words])
    found = events(task, tokens, task.follow(tokens))
    initials = {event[0]: event for event in EVENTS}
    assert found.tolist() == [initials[i] for i in expected.split()]
    both = np.stack([tokens, tokens[::-1]])  # of many sequences at once, too
    assert events(task, both, task.follow(both))[0].tolist() == found.tolist()


@each_task
def test_without_memory_one_guesses(name: str) -> None:
    task = TASKS[name]
    tokens = task.draw(np.random.default_rng(1), 400, 30)
    truth = task.follow(tokens)
    found = without_memory(tokens, truth)
    right = 0
    for token in set(tokens.ravel().tolist()):
        seen = truth[tokens == token].tolist()
        right += max(seen.count(k) for k in range(len(task.states)))
    assert found == pytest.approx(right / tokens.size, abs=1e-12)
    assert 0.3 < found < 0.65  # far from what a memory can do
