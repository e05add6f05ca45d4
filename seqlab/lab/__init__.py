"""The laboratory: one experiment a module, and what all experiments have in common.

An experiment is a module with

- a frozen dataclass derived from :class:`Result`: plain data, with units and seeds, enough to
  redraw everything;
- `run(**options)`: computes and never prints; its signature is the command's, and a last parameter
  `watch`, if it has one, is told how far it got;
- `show(result, detail)`: figures, as one Rich renderable;
- `takeaways(result)`: sentences computed from the numbers;
- `question(result)`: a multiple-choice question whose right answer is computed from the numbers;
- `check(**options)`, optional: the same computation by an independent oracle.

    >>> from seqlab.lab import vanish
    >>> vanish.run(steps=50).curves[0].rate
"""

import numbers
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Protocol

import typer
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.jupyter import JupyterMixin

from seqlab.locale import N_, _, listed, ngettext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Seed = Annotated[int, typer.Option("--seed", min=0, help=N_("Seed of everything drawn at random."))]

Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    typer.Option(
        "--device", help=N_("Where to train; auto takes a GPU of CUDA where there is one.")
    ),
]

Quick = Annotated[
    bool, typer.Option("--quick", help=N_("A smaller run: rougher numbers in less time."))
]


class Stopped(KeyboardInterrupt):
    """Ctrl-C in a training that has something to show: end it, and return what there is so far."""


class Watch(Protocol):
    """Told the share that is done, from 0 to 1, what is being done, and what can be seen of it.

    `view` makes the figure of the moment; it is called when it is drawn, which may be never. From
    the first view on there is something to show, and Ctrl-C no longer ends the run at once: the
    next call raises :class:`Stopped`, which a training catches to return what it has.
    """

    def __call__(
        self, done: float, doing: str, view: Callable[[], RenderableType] | None = None, /
    ) -> None: ...


class BadInput(ValueError):
    """What a user asked for cannot be had: what was wrong, what was expected, what to try.

    Where nothing in particular was expected, `expected` is empty.
    """

    def __init__(self, wrong: str, expected: str, hint: str = "") -> None:
        self.wrong, self.expected, self.hint = wrong, expected, hint
        if hint:
            pattern = _("{wrong}: expected {expected}; try {hint}")
        else:
            pattern = _("{wrong}: expected {expected}")
        if not expected:
            pattern = _("{wrong}; try {hint}")
        super().__init__(pattern.format(wrong=wrong, expected=expected, hint=hint))

    def __reduce__(self) -> tuple[type["BadInput"], tuple[str, str, str]]:
        return BadInput, (self.wrong, self.expected, self.hint)  # on its way between processes


class Check(NamedTuple):
    """One comparison with an oracle: the largest error found, and the largest one allowed."""

    name: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance


class Question(NamedTuple):
    """A multiple-choice question; `answer` is the index of the right choice, `why` the reason."""

    text: str
    choices: Sequence[str]
    answer: int
    why: str


@dataclass(frozen=True)
class Result(JupyterMixin):
    """What an experiment measured. It shows itself on a Rich console and in a notebook."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from seqlab.figures.prose import Takeaways

        experiment = sys.modules[type(self).__module__]
        yield experiment.show(self)
        yield Takeaways(experiment.takeaways(self))


@dataclass(frozen=True)
class Trained(Result):
    """What an experiment measured on networks that it trained.

    `stopped` is true where Ctrl-C ended the training early: the numbers are those of that moment.
    """

    stopped: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Series:
    """A curve over several runs: at each x the median of them, the lowest and the highest.

    `chance` is what guessing would reach, where guessing is possible.
    """

    name: str
    x: "NDArray[np.float64]"
    median: "NDArray[np.float64]"
    low: "NDArray[np.float64]"
    high: "NDArray[np.float64]"
    chance: float | None = None


def series(name: str, x: "ArrayLike", runs: "ArrayLike", chance: float | None = None) -> Series:
    """The series of `runs`, (runs, len(x)); NaN at an x where no run has a number."""
    import numpy as np  # here, for the help must not wait for it

    values = np.asarray(runs, float)
    known = ~np.isnan(values).all(axis=0)
    median, low, high = (np.full(values.shape[1], np.nan) for _summary in range(3))
    median[known] = np.nanmedian(values[:, known], axis=0)
    low[known] = np.nanmin(values[:, known], axis=0)
    high[known] = np.nanmax(values[:, known], axis=0)
    return Series(name, np.asarray(x, float), median, low, high, chance)


def require(value: float, name: str, low: float, high: float | None = None) -> None:
    """Refuse what is no number from `low` to `high` (NaN too), naming the option as a command does.

    Where `low` is an int a whole number is required.
    """
    wrong = f"--{name.replace('_', '-')} {value}"
    kind = numbers.Integral if isinstance(low, int) else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind):
        raise BadInput(wrong, _("a whole number") if isinstance(low, int) else _("a number"))
    if not (value >= low and (high is None or value <= high)):
        pattern = _("a number from {low} to {high}") if high is not None else _("at least {low}")
        limits = pattern.format(low=f"{low:g}", high="" if high is None else f"{high:g}")
        raise BadInput(wrong, limits)


def one_of(value: str, name: str, known: Collection[str]) -> None:
    """Refuse what is none of the `known` words, naming the option as a command does."""
    if value not in known:
        close = get_close_matches(str(value), known, n=1)
        expected = _("one of {names}").format(names=listed(known))
        raise BadInput(f"--{name} {value}", expected, *(f"--{name} {word}" for word in close))


def some_of(words: str | Sequence[str], name: str, known: Collection[str]) -> list[str]:
    """The words of a list with commas, each once, in their order: some of the `known` ones."""
    parts = words.split(",") if isinstance(words, str) else words
    found = [part.strip().lower() for part in parts if part.strip()]
    for word in found:
        one_of(word, name, known)
    if not found:
        raise BadInput(f"--{name} ''", _("at least one of {all}").format(all=listed(known)))
    return list(dict.fromkeys(found))


def diverged(networks: int) -> list[str]:
    """What is to be said of so many networks whose loss became infinite or NaN; of none nothing."""
    text = ngettext(
        "{n} network diverged: its loss is no number. Try a smaller --lr.",
        "{n} networks diverged: their loss is no number. Try a smaller --lr.",
        networks,
    )
    return [text.format(n=networks)] if networks else []


def fitted_slope(values: "NDArray[np.float64]") -> float:
    """The least-squares slope of `values`, two at least, over 0, 1, 2, ...: the change per step."""
    import numpy as np  # here, for the help must not wait for it

    k = np.arange(len(values)) - (len(values) - 1) / 2
    return float((k * (values - values.mean())).sum() / (k * k).sum())
