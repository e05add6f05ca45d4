"""Questions whose answers are computed: an experiment is run with options drawn at random.

What a question is about is drawn too, but not evenly: half of a quiz on a topic is about earlier
topics of the course, in between, because what is asked again after a while is kept (spacing;
Cepeda et al. 2006, Psychol. Bull. 132, 354).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seqlab import calls, catalogue, topics
from seqlab.lab import BadInput, Question, Watch
from seqlab.locale import _, listed

Generator = np.random.Generator

_TEXTS = ("the fox ran home", "hello world", "to be or not to be", "a very long story")
_SENTENCES = (
    "the king had a daughter and the king loved the daughter",
    "the old man and the sea",
    "a fox saw a crow and the crow saw the fox",
    "once upon a time there lived a poor woodcutter",
)


def _one(rng: Generator, *values: object) -> str:
    return str(values[int(rng.integers(len(values)))])


def _unroll(rng: Generator) -> list[str]:
    text = _one(rng, *_TEXTS)
    change = str(rng.integers(1, len(text) + 1))
    words = ["--cell", _one(rng, "rnn", "lstm", "gru"), "--change", change, "--to", "z"]
    return [text, *words, "--radius", _one(rng, 0.5, 0.9, 1.5, 3)]


def _vanish(rng: Generator) -> list[str]:
    cell = _one(rng, "linear", "rnn", "lstm", "gru")
    options = {"linear": ["--radius", _one(rng, 0.5, 0.9, 1, 1.1)]}
    options |= {"rnn": ["--radius", _one(rng, 0.5, 0.9, 1.1, 1.5)]}
    options |= {"lstm": ["--forget-bias", _one(rng, 0, 1, 3, 5)]}
    return ["--cells", cell, "--steps", _one(rng, 5, 10, 20, 50, 100), *options.get(cell, [])]


def _attend(rng: Generator) -> list[str]:
    head = ["--layer", _one(rng, *range(4)), "--head", _one(rng, *range(8))]
    return [_one(rng, *_SENTENCES), *head]


def _position(rng: Generator) -> list[str]:
    encodings = _one(rng, "none", "learned", "sinusoidal", "rope", "alibi", "causal")
    return ["--no-train", "--encodings", encodings]


def _cost(rng: Generator) -> list[str]:
    rival, d = _one(rng, "rnn", "lstm", "gru", "conv"), _one(rng, 32, 64, 128, 256, 512)
    layers = _one(rng, f"attention,{rival}", f"attention,{rival}", rival)
    return ["--no-measure", "--layers", layers, "--d-model", d]


def _patchify(rng: Generator) -> list[str]:
    return ["--patch", _one(rng, 7, 8, 14, 16, 28), "--size", _one(rng, 112, 224, 448)]


def _reach(rng: Generator) -> list[str]:
    model = _one(rng, "rnn", "causal", "attention", "window", "shifted", "conv")
    return ["--models", model, "--tokens", _one(rng, *range(6, 17)), "--kernel", _one(rng, 3, 5)]


def _windows(rng: Generator) -> list[str]:
    stage, at = _one(rng, 2, 3), str(rng.integers(196))
    return ["--size", _one(rng, 224, 448), "--stage", stage, "--at", at]


def _mix(rng: Generator) -> list[str]:
    return ["--tokens", _one(rng, 4, 9, 16, 25), "--channels", _one(rng, 4, 8, 12)]


def _quick(_rng: Generator) -> list[str]:
    return ["--quick"]


Draw = Callable[[Generator], list[str]]

INSTANT: dict[str, Draw] = {
    "unroll": _unroll, "vanish": _vanish, "attend": _attend, "position": _position, "cost": _cost,
    "patchify": _patchify, "reach": _reach, "windows": _windows, "mix": _mix,
}  # fmt: skip
TRAINED: dict[str, Draw] = {
    "gates": _quick, "recall": _quick, "align": _quick, "glimpse": _quick, "induct": _quick,
    "classify": _quick,
}  # fmt: skip
# The experiment that asks about a page of the book
_ABOUT = {
    "rnn": "unroll", "lstm": "vanish", "gru": "vanish", "attention": "attend", "gpt": "attend",
    "bert": "attend", "positions": "position", "transformer": "cost", "vit": "patchify",
    "conv": "reach", "swin": "windows", "mixer": "mix", "seq2seq": "align", "hard": "glimpse",
    "mlp": "classify",
}  # fmt: skip
MOST = 50


class Asked(NamedTuple):
    """A question of a quiz, and the run that answers it."""

    experiment: str
    command: str
    question: Question


def quiz(
    rng: Generator, number: int, topic: str | None, trained: bool, watch: Watch
) -> Iterator[Asked]:
    """So many questions, each computed when it is asked for."""
    drawn = INSTANT | (TRAINED if trained else {})
    for name in plan(rng, number, topic, list(drawn)):
        words = drawn[name](rng)
        call = calls.parse([name, *words, "--seed", str(rng.integers(1000))])
        yield Asked(name, call.command, call.question(call.result(watch)))


def plan(rng: Generator, number: int, topic: str | None, names: Sequence[str]) -> list[str]:
    """The experiments that the questions are about, in the order in which they are asked.

    Without a topic all of them, in turn, begun anew when all were had. With one, every other
    question is about it, and those between are about experiments earlier in the course.

    Raises:
        BadInput: there are no questions about the topic.
    """
    course = [e.name for e in catalogue.EXPERIMENTS if e.name in names]
    if topic is None:
        rounds = -(-number // len(course))
        return [str(name) for _r in range(rounds) for name in rng.permutation(course)][:number]
    name = _experiment(topic, course)
    earlier = course[: course.index(name)] or [name]
    between = [str(n) for _round in range(number) for n in rng.permutation(earlier)]
    return [name if i % 2 == 0 else between[i // 2] for i in range(number)]


def _experiment(topic: str, course: Sequence[str]) -> str:
    """The experiment of `course` that asks about a topic.

    Raises:
        BadInput: there is none.
    """
    pages = [page for page, name in _ABOUT.items() if name in course]
    expected = _("one of {names}").format(names=listed([*course, *pages]))
    try:
        found = topics.find(topic)
    except BadInput as problem:  # it names the topics that can be explained
        raise BadInput(problem.wrong, expected, problem.hint) from None
    name = _ABOUT.get(found, found)
    if name in course:
        return name
    if name in TRAINED:
        raise BadInput(f"--topic {topic}", expected, "--trained")
    hint = f"'seqlab {name} --predict'" if catalogue.find(name) else f"'seqlab explain {name}'"
    raise BadInput(_("no questions about {name}").format(name=name), expected, hint)
