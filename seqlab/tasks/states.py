"""Sequences with something to remember: what is held, whether a quotation is open, how deep.

Every token may change a state, and the state after every token is to be named. Most tokens are
noise, which changes nothing: the state must be kept over them.

    latch    SET-a . , RESET : SET-b    what is held: nothing, a or b
    quotes   he said "go on" and        whether a quotation is open
    depth    a(b(cd)e)f                 how many brackets are open
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqlab.tasks import Tokens

Names = NDArray[np.str_]

DEEPEST = 5  # brackets that are open at a time
_LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
_EVENT = 0.12  # the share of the latch's tokens that are no noise: a value is held for long
_QUOTE = 0.15
_BRACKET = 0.45  # opening and closing ones together


class Task(NamedTuple):
    """A task: its symbols, the states they lead through, and how sequences of it are drawn.

    Symbols and states are numbers, which count from 0 in the order of their names. State 0 is that
    of the beginning, in which nothing is held. The first `marks` symbols can change the state, the
    others are noise; those in `release` undo what was written.
    """

    symbols: tuple[str, ...]
    marks: int
    release: tuple[int, ...]
    states: tuple[str, ...]
    counts: bool  # the states are numbers, of which neighbours are alike
    draw: Callable[[np.random.Generator, int, int], Tokens]  # (rng, b, t) -> (b, t)
    follow: Callable[[Tokens], Tokens]  # tokens (..., t) -> the state after each (..., t)
    separator: str  # between the symbols of a text


def draw_latch(rng: np.random.Generator, b: int, t: int) -> Tokens:
    """Noise, and now and then SET-a, SET-b or RESET, each as often as the others."""
    noise, marks = rng.integers(3, 6, (b, t)), rng.integers(0, 3, (b, t))
    return np.where(rng.random((b, t)) < _EVENT, marks, noise)


def follow_latch(tokens: Tokens) -> Tokens:
    """What was set last, unless it was reset: 0 nothing, 1 a, 2 b."""
    places = np.where(tokens < 3, np.arange(tokens.shape[-1]), -1)
    last = np.maximum.accumulate(places, axis=-1)  # where the last mark stands; -1 before any
    mark = np.take_along_axis(tokens, np.maximum(last, 0), axis=-1)
    return np.where(last < 0, 0, np.array([1, 2, 0, 0, 0, 0])[mark])


def draw_quotes(rng: np.random.Generator, b: int, t: int) -> Tokens:
    """Letters and spaces, and now and then a quotation mark."""
    noise = rng.integers(1, len(_LETTERS) + 2, (b, t))
    return np.where(rng.random((b, t)) < _QUOTE, 0, noise)


def follow_quotes(tokens: Tokens) -> Tokens:
    """1 from an opening quotation mark on, 0 from the closing one on."""
    return np.cumsum(tokens == 0, axis=-1) % 2


def draw_depth(rng: np.random.Generator, b: int, t: int) -> Tokens:
    """Letters and brackets, as many opened as closed in the long run, never deeper than DEEPEST.

    Where none is open a bracket opens, and where DEEPEST are, it closes.
    """
    tokens = rng.integers(2, len(_LETTERS) + 2, (b, t))
    brackets, closing = rng.random((b, t)) < _BRACKET, rng.random((b, t)) < 0.5
    depth = np.zeros(b, np.int64)
    for k in range(t):
        closes = (depth == DEEPEST) | (closing[:, k] & (depth > 0))
        tokens[:, k] = np.where(brackets[:, k], closes, tokens[:, k])
        depth += np.where(brackets[:, k], 1 - 2 * closes, 0)
    return tokens


def follow_depth(tokens: Tokens) -> Tokens:
    """How many brackets are open; below 0 where one closes that none opened."""
    return np.cumsum(np.where(tokens == 0, 1, np.where(tokens == 1, -1, 0)), axis=-1)


TASKS = {
    "latch": Task(
        ("SET-a", "SET-b", "RESET", ".", ",", ":"), 3, (2,), ("-", "a", "b"), False,
        draw_latch, follow_latch, " ",
    ),
    "quotes": Task(
        ('"', " ", *_LETTERS), 1, (0,), ("-", "q"), False, draw_quotes, follow_quotes, "",
    ),
    "depth": Task(
        ("(", ")", *_LETTERS), 2, (1,), tuple(map(str, range(DEEPEST + 1))), True,
        draw_depth, follow_depth, "",
    ),
}  # fmt: skip

EVENTS = ("hold", "write", "release", "idle")


def events(task: Task, tokens: Tokens, states: Tokens) -> Names:
    """What every token of (..., t) asks of the memory, by name: one of EVENTS.

    "hold": noise while something is held; "write": a mark that something is to be remembered;
    "release": one that undoes it; "idle": there is nothing to hold, and nothing to let go.
    """
    before = np.concatenate([np.zeros_like(states[..., :1]), states[..., :-1]], axis=-1)
    mark = tokens < task.marks
    release = np.isin(tokens, task.release) & (before > states)
    write = mark & ~release & (states > 0)
    hold = ~mark & (states > 0)
    return np.select([hold, write, release], EVENTS[:3], EVENTS[3])


def without_memory(tokens: Tokens, states: Tokens) -> float:
    """The share of right answers of whoever knows the present token only, and guesses the best."""
    right = sum(np.bincount(states[tokens == token]).max() for token in np.unique(tokens))
    return float(right) / tokens.size
