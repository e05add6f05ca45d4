"""A world of small grey pictures and films, with words for what is to be seen in them.

Four tasks, one for each way to wire a recurrent network: what stands where in a picture, what a
spot of light does in a film, which way it came to every frame, and which moves it made one after
the other. Spots are soft and stand between pixels too: hardly any film comes twice, and a move of
one pixel changes many numbers. With dots of one pixel the same networks learn much more slowly.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.int64]

END = "end"
SPOT = 0.9  # the deviation of a spot, in pixels
_PICTURE, _FRAME = 12, 8  # pixels along the side of a picture, and of a frame of a film
_LOW, _HIGH = 0.5, _FRAME - 1.5  # where the middle of a spot may be

SHAPES, SIZES = ("square", "ring", "cross"), ("small", "big")
PLACES = {  # (y, x) of its middle
    ("top", "left"): (3.0, 3.0),
    ("top", "right"): (3.0, 8.0),
    ("bottom", "left"): (8.0, 3.0),
    ("bottom", "right"): (8.0, 8.0),
    ("centre",): (5.5, 5.5),
}
_RADII = np.array([2.0, 3.2])  # of a small and of a big shape, in pixels

ACTIONS = {  # (y, x) of the spot in every frame
    "stays": [(0, 0)] * 5,
    "falls": [(-2, 0), (-1, 0), (0, 0), (1, 0), (2, 0)],
    "jumps": [(1, 0), (-0.5, 0), (-1.5, 0), (-0.5, 0), (1, 0)],
    "shakes": [(0, 0), (0, 1.5), (0, -1.5), (0, 1.5), (0, -1.5)],
    "circles": [(-1.5, 0), (0, 1.5), (1.5, 0), (0, -1.5), (-1.5, 0)],
    "grows": [(0, 0)] * 5,
}
_GROWTH = 1 + np.arange(5) / 4  # of the spot that grows, from frame to frame

DIRECTIONS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}  # (y, x)
_STEPS = np.array(list(DIRECTIONS.values()), float)
_GOES_ON = 6.0  # how much likelier a wandering spot is to go on than to take one other direction
_MOVES, _SHORTEST = 3, 2  # moves in a film, at the most; frames that a move takes, at the least


class Batch(NamedTuple):
    """Films, and what is to be said of each, as numbers of words; filled up with 0."""

    frames: Floats  # (b, frames, side, side), brightness from 0 to 1
    answers: Words  # (b, words)


class Task(NamedTuple):
    """How films are drawn, and what can be said of them."""

    draw: Callable[[np.random.Generator, int], Batch]
    words: tuple[str, ...]  # the vocabulary; if answers differ in length, its first word is END
    frames: int  # of each film
    side: int  # pixels
    length: int  # words of the longest answer, END included

    def counted(self, answers: Words) -> NDArray[np.bool_]:
        """Which words (b, words) belong to an answer: those up to its end."""
        if self.words[0] != END:
            return np.ones(answers.shape, bool)
        ends_before = np.cumsum(answers == 0, axis=1) - (answers == 0)
        return np.asarray(ends_before == 0)

    def spell(self, answer: Sequence[int]) -> list[str]:
        """The words of these numbers."""
        return [self.words[i] for i in answer]


def captions(rng: np.random.Generator, b: int) -> Batch:
    """Pictures of one shape, and "a big ring top left end": 30 captions, all equally likely."""
    size, shape = rng.integers(len(SIZES), size=b), rng.integers(len(SHAPES), size=b)
    place = rng.integers(len(PLACES), size=b)
    centre = np.array(list(PLACES.values()))[place] + rng.uniform(-0.3, 0.3, (b, 2))
    radius = _RADII[size] * rng.uniform(0.95, 1.05, b)
    names = list(PLACES)
    number = {word: i for i, word in enumerate(CAPTION.words)}
    answers = np.zeros((b, CAPTION.length), np.int64)  # what stays 0 is END
    for answer, s, k, at in zip(answers, size, shape, place):
        words = ("a", SIZES[s], SHAPES[k], *names[at])
        answer[: len(words)] = [number[word] for word in words]
    return Batch(_shapes(shape, centre, radius)[:, None], answers)


def actions(rng: np.random.Generator, b: int) -> Batch:
    """Films of a spot that does one of six things, all equally likely."""
    action = rng.integers(len(ACTIONS), size=b)
    offsets = np.array(list(ACTIONS.values()), float)[action]  # (b, frames, 2)
    grows = action == list(ACTIONS).index("grows")
    deviations = SPOT * np.where(grows[:, None], _GROWTH, 1.0)
    return Batch(_spots(_inside(rng, offsets), deviations), action[:, None])


def labels(rng: np.random.Generator, b: int) -> Batch:
    """Films of a spot that wanders, and for every frame the direction from which it came."""
    places = [rng.uniform(_LOW, _HIGH, (b, 2))]
    direction = rng.integers(len(_STEPS), size=b)
    said = [np.zeros(b, np.int64)]
    each = np.arange(b)
    for _frame in range(LABEL.frames - 1):
        next_places = places[-1][:, None] + _STEPS  # (b, directions, 2)
        weight = ((next_places >= _LOW) & (next_places <= _HIGH)).all(-1).astype(float)
        weight[each, direction] *= _GOES_ON
        share = np.cumsum(weight, axis=1) / weight.sum(1, keepdims=True)
        direction = (rng.random((b, 1)) >= share).sum(1)
        places.append(next_places[each, direction])
        said.append(direction + 1)
    return Batch(_spots(np.stack(places, 1), SPOT), np.stack(said, 1))


def moves(rng: np.random.Generator, b: int) -> Batch:
    """Films of a spot that makes one to three moves, and the list of them: "up left end".

    Each goes in another direction than the one before. How many frames it takes is not told.
    """
    number = rng.integers(1, _MOVES + 1, (b, 1))
    made = np.arange(_MOVES) < number  # (b, moves)
    turns = rng.integers(1, len(_STEPS), (b, _MOVES))
    turns[:, 0] = rng.integers(len(_STEPS), size=b)
    direction = np.cumsum(turns, axis=1) % len(_STEPS)
    steps = MOVE.frames - 1
    spare = rng.multinomial(steps - _SHORTEST * number[:, 0], made / number)
    ends = np.cumsum(_SHORTEST * made + spare, axis=1)  # the step before which a move is over
    which = (np.arange(steps)[:, None] >= ends[:, None]).sum(-1)  # (b, steps)
    way = np.cumsum(_STEPS[np.take_along_axis(direction, which, 1)], axis=1)
    offsets = np.concatenate([np.zeros((b, 1, 2)), way], axis=1)
    answers = np.pad(np.where(made, direction + 1, 0), ((0, 0), (0, 1)))
    return Batch(_spots(_inside(rng, offsets), SPOT), answers)


CAPTION = Task(
    captions, (END, "a", *SIZES, *SHAPES, "top", "bottom", "left", "right", "centre"),
    frames=1, side=_PICTURE, length=6,
)  # fmt: skip
ACTION = Task(actions, tuple(ACTIONS), frames=5, side=_FRAME, length=1)
LABEL = Task(labels, ("start", *DIRECTIONS), frames=10, side=_FRAME, length=10)
MOVE = Task(moves, (END, *DIRECTIONS), frames=7, side=_FRAME, length=_MOVES + 1)


def _inside(rng: np.random.Generator, offsets: Floats) -> Floats:
    """A way (b, frames, 2), moved so that all of it lies inside: to any such place, equally."""
    low, high = _LOW - offsets.min(1), _HIGH - offsets.max(1)
    return np.asarray(offsets + (low + (high - low) * rng.random(low.shape))[:, None])


def _spots(places: Floats, deviation: Floats | float) -> Floats:
    """Spots of light at (y, x), (b, frames, 2) -> films (b, frames, side, side)."""
    scale = np.broadcast_to(deviation, places.shape[:2])[..., None, None]
    square = ((np.arange(_FRAME) - places[..., None]) / scale) ** 2  # (b, frames, 2, side)
    return np.asarray(np.exp(-0.5 * (square[:, :, 0, :, None] + square[:, :, 1, None, :])))


def _shapes(shape: Words, centre: Floats, radius: Floats) -> Floats:
    """Shapes (b,) around centres (b, 2) -> pictures (b, side, side), soft at their edges."""
    y, x = np.abs(np.mgrid[:_PICTURE, :_PICTURE][:, None] - centre.T[:, :, None, None])
    r = radius[:, None, None]
    square = r - np.maximum(y, x)  # how far inside its edge a pixel lies
    ring = 0.8 - np.abs(np.hypot(y, x) - r + 0.3)
    cross = np.minimum(square, 0.6 - np.minimum(y, x))
    inside = np.stack([square, ring, cross])[shape, np.arange(len(shape))]
    return np.clip(inside + 0.5, 0, 1)
