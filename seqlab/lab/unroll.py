"""One cell, many steps: the same weights read a text, character by character.

The network is untrained: its weights are drawn at random, and so is the vector of every character,
which depends on nothing but the character and the seed. What is seen is what the cell itself does:
its state changes at every step, its weights do not, and a letter changed early in the text is
forgotten, or is not.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

from seqlab.book import gru, lstm, rnn
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import clean, count, number
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput, Check, Question, Result, Seed, Watch, fitted_slope, one_of, require
from seqlab.locale import N_, _, ngettext

Floats = NDArray[np.float64]
Cell = Literal["rnn", "lstm", "gru"]

CELLS = {"rnn": N_("tanh RNN"), "lstm": "LSTM", "gru": "GRU"}
STATES_IN_JSON = 2000  # steps
_PAGES: dict[str, Any] = {"rnn": rnn, "lstm": lstm, "gru": gru}
_BLOCKS = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}  # side by side in W_x and W_h
_CANDIDATE = {"rnn": 0, "lstm": 2, "gru": 2}  # the block that does what the tanh RNN does
_EQUATIONS = {
    "rnn": "hₜ = tanh(xₜ Wₓ + hₜ₋₁ Wₕ + b)",
    "lstm": "cₜ = f ⊙ cₜ₋₁ + i ⊙ g    hₜ = o ⊙ tanh(cₜ)",
    "gru": "hₜ = (1 − z) ⊙ n + z ⊙ hₜ₋₁",
}
_FORMULAS = {"rnn": "2d² + d", "lstm": "8d² + 4d", "gru": "6d² + 6d"}
_KERNEL = 3
_CHECKSUM_BYTES = 2e9  # to be summed in one run at the most: beyond, not every step is checked
_TALLEST, _WIDEST = 16, 8  # rows of a picture, columns of a cell in it
_ROUNDING = 1e-12  # below this share of the first distance nothing is fitted


@dataclass(frozen=True)
class Memory:
    """How far apart two texts that differ in one character leave the state of a cell.

    `distance` is ‖h_t − h'_t‖, a number a step: exactly 0 before the change. `left` is the last
    distance as a share of that right after the change; `rate` the factor per step, fitted by least
    squares to the logarithms for as long as rounding does not disturb them; `half_life` what
    follows, in characters; `merged` the character (from 1) from which on the two states are equal
    to the last bit. They are null where there is no such number.
    """

    cell: str
    distance: Floats
    left: float | None
    rate: float | None
    half_life: float | None
    merged: int | None


@dataclass(frozen=True)
class Parameters:
    """How many numbers must be learned: at this length, and at others (`by_length`).

    The cell shares its weights over time; `own_weights_per_step` counts a network with a cell of
    its own for every step; `convolution` has kernel 3 and the same widths, and shares over space.
    All read vectors of width d and give vectors of width d; these vectors are not counted. In the
    formulas T is the length.
    """

    cell: int
    own_weights_per_step: int
    convolution: int
    formulas: dict[str, str]
    lengths: list[int]
    by_length: dict[str, list[int]]


@dataclass(frozen=True)
class Unroll(Result):
    """What the cell did with `text`, and with `other`, in which one character is changed.

    `change` counts characters (code points) from 1. `states` (t, d) are those of `text`, in JSON
    the first 2,000 at the most, whereas `distance` has all `length` steps; `left`, `rate`,
    `half_life` and `merged` say what became of it, as in :class:`Memory`; `compared` is the tanh
    RNN on the same two texts, where the cell is another. `checksums` are the different CRC-32 of
    all parameters that were seen while the text was read, at `checksum_readings` of its steps.
    `moved` counts the steps that changed the state. Not in JSON: `trace`, all the states, and what
    else only the pictures need.
    """

    text: str
    other: str
    change: int
    cell: str
    hidden: int
    radius: float
    forget_bias: float
    seed: int
    length: int
    parameters: Parameters
    checksums: list[str]
    checksum_readings: int
    moved: int
    left: float | None
    rate: float | None
    half_life: float | None
    merged: int | None
    distance: Floats
    compared: Memory | None
    states: Floats
    trace: Floats = field(metadata={"json": False})
    cell_trace: Floats | None = field(metadata={"json": False})  # the LSTM's c, (t, d)
    watched: Floats = field(metadata={"json": False})  # two weights, read at every step (t, 2)
    readings: list[str] = field(metadata={"json": False})  # first checksum to last
    W_x: Floats = field(metadata={"json": False})
    W_h: Floats = field(metadata={"json": False})

    @property
    def memory(self) -> Memory:
        """The distance and what is said of it, in one."""
        return Memory(self.cell, self.distance, self.left, self.rate, self.half_life, self.merged)


def run(
    text: Annotated[
        str,
        typer.Argument(metavar="TEXT", help=N_("What the cell reads; - is standard input.")),
    ] = "hello world",
    *,
    cell: Annotated[Cell, typer.Option(help=N_("The cell."))] = "rnn",
    hidden: Annotated[int, typer.Option(min=1, max=1024, help=N_("Width of the state."))] = 16,
    change: Annotated[
        int, typer.Option(min=1, help=N_("The character, from 1, that a second text has changed."))
    ] = 1,
    to: Annotated[
        str | None, typer.Option(metavar="X", help=N_("What it becomes; by default x, or else o."))
    ] = None,
    radius: Annotated[
        float, typer.Option(help=N_("Spectral radius of the recurrent weights; try 3."))
    ] = 0.9,
    forget_bias: Annotated[
        float, typer.Option(help=N_("Bias of the LSTM's forget gate; 5 remembers longer."))
    ] = 1.0,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Unroll:
    """Let one cell read `text`, and the same text with one character changed, side by side.

    The weights are the page's `init`, and W_h is then scaled: for the tanh RNN to spectral radius
    `radius` exactly, for the gated cells so that a block has variance ρ²/d, whose radius is ρ up
    to fluctuations (the circular law).

    Raises:
        BadInput: no text, a change that is none, or a number out of range.
    """
    require(hidden, "hidden", 1, 1024)
    require(radius, "radius", 0.0, 100.0)
    require(forget_bias, "forget-bias", -100.0, 100.0)
    require(seed, "seed", 0)
    one_of(cell, "cell", CELLS)
    other = _changed(text, change, to)
    pair, table = _inputs(text, other, hidden, seed)
    network = _Network(cell, hidden, radius, forget_bias, seed)

    jobs = [network] if cell == "rnn" else [network, _Network("rnn", hidden, radius, 0.0, seed)]
    told = _teller(watch, len(jobs), len(text))
    record = _Record(network, pair, table)
    record.read(lambda done: told(0, done, cell))
    compared = None
    if len(jobs) > 1:
        apart = np.empty(len(text))
        for k, state in enumerate(jobs[1].states(pair, table)):
            apart[k] = _distance(state.h)
            told(1, k, "rnn")
        compared = _memory("rnn", apart, change)

    found = _memory(cell, record.distance, change)
    before = np.vstack([np.zeros((1, hidden)), record.trace[:-1]])
    return Unroll(
        text=text,
        other=other,
        change=change,
        cell=cell,
        hidden=hidden,
        radius=radius,
        forget_bias=forget_bias,
        seed=seed,
        length=len(text),
        parameters=_parameters(cell, hidden, sum(a.size for a in record.p), len(text)),
        checksums=list(dict.fromkeys(record.readings)),
        checksum_readings=len(record.readings),
        moved=int((record.trace != before).any(axis=1).sum()),
        left=found.left,
        rate=found.rate,
        half_life=found.half_life,
        merged=found.merged,
        distance=record.distance,
        compared=compared,
        states=record.trace[:STATES_IN_JSON],
        trace=record.trace,
        cell_trace=record.cell_trace,
        watched=record.watched,
        readings=record.readings,
        W_x=record.p.W_x,
        W_h=record.p.W_h,
    )


# The two texts


def _changed(text: str, change: int, to: str | None) -> str:
    """The second text."""
    if not text:
        example = 'seqlab unroll "hello world"'
        raise BadInput(_("the text is empty"), _("at least one character"), example)
    if not 1 <= change <= len(text):
        n = len(text)
        wanted = ngettext("1: the text has {n} character", "1 to {n}: so long is the text", n)
        raise BadInput(f"--change {change}", wanted.format(n=n), f"--change {n}")
    here = text[change - 1]
    default = "o" if here == "x" else "x"
    if to is None:
        to = default
    if len(to) != 1:
        found = ngettext("{n} character", "{n} characters", len(to)).format(n=len(to))
        wanted = _("exactly one (a Unicode code point)")
        raise BadInput(f"--to {to[:12]!r}: {found}", wanted, f"--to {default}")
    if to == here:
        wanted = _("another than character {n} of the text, which it is already")
        raise BadInput(f"--to {to!r}", wanted.format(n=change), f"--to {default}")
    return text[: change - 1] + to + text[change:]


def _inputs(text: str, other: str, width: int, seed: int) -> tuple[NDArray[np.intp], Floats]:
    """Both texts as rows of a table (t, 2), and the table: a random vector for every character."""
    codes = np.stack([_codes(text), _codes(other)], axis=1)
    known, rows = np.unique(codes, return_inverse=True)
    drawn = (np.random.default_rng([seed, code]).normal(size=width) for code in known.tolist())
    return rows.reshape(codes.shape), np.stack(list(drawn))


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


# The cell


@dataclass(frozen=True)
class _Network:
    cell: str
    hidden: int
    radius: float
    forget_bias: float
    seed: int

    def draw(self) -> Any:
        """The page's parameters, with W_h scaled to the radius."""
        d, rng = self.hidden, np.random.default_rng(self.seed)
        if self.cell == "lstm":
            p = lstm.init(rng, d, d, self.forget_bias)
        else:
            p = _PAGES[self.cell].init(rng, d, d)
        if self.cell == "rnn":
            scale = self.radius / np.abs(np.linalg.eigvals(p.W_h)).max()
        else:
            scale = self.radius * math.sqrt(3)  # U(-1/√d, 1/√d) has variance 1/3d
        return p._replace(W_h=scale * p.W_h)

    def states(self, pair: NDArray[np.intp], table: Floats, p: Any = None) -> Iterator[Any]:
        """The states of both texts (2, d) after each character."""
        p = self.draw() if p is None else p
        page = _PAGES[self.cell]
        state = page.initial_state(p, 2)
        for rows in pair:
            state = page.step(p, state, table[rows])
            yield state


class _Record:
    """Reads the texts and keeps what is wanted of every step."""

    def __init__(self, network: _Network, pair: NDArray[np.intp], table: Floats) -> None:
        self.network, self.pair, self.table = network, pair, table
        self.p = network.draw()
        t, d = len(pair), network.hidden
        self.trace: Floats = np.empty((t, d))
        self.cell_trace: Floats | None = np.empty((t, d)) if network.cell == "lstm" else None
        self.distance: Floats = np.empty(t)
        self.readings: list[str] = []
        order = np.argsort(_block(self.p.W_h, network.cell), axis=None)
        at = order[[-1, len(order) // 4]]  # the largest, and a negative one
        self._at = np.unravel_index(at, (d, d))
        self.watched: Floats = np.empty((t, len(at)))

    def read(self, tell: Callable[[int], None]) -> None:
        """Go through the texts once."""
        t = len(self.pair)
        every = math.ceil(t * sum(a.nbytes for a in self.p) / _CHECKSUM_BYTES)
        weights = _block(self.p.W_h, self.network.cell)
        for k, state in enumerate(self.network.states(self.pair, self.table, self.p)):
            self.trace[k] = state.h[0]
            if self.cell_trace is not None:
                self.cell_trace[k] = state.c[0]
            self.distance[k] = _distance(state.h)
            self.watched[k] = weights[self._at]
            if k % every == 0 or k == t - 1:
                self.readings.append(_checksum(self.p))
            tell(k)


def _block(W: Floats, cell: str) -> Floats:
    """The block of W that makes the tanh RNN's h, the LSTM's g, the GRU's n: (.., d)."""
    d, i = W.shape[1] // len(_BLOCKS[cell]), _CANDIDATE[cell]
    return W[:, i * d : (i + 1) * d]


def _checksum(p: Sequence[Floats]) -> str:
    """CRC-32 of the bytes of all parameters."""
    crc = 0
    for array in p:
        crc = zlib.crc32(array.data, crc)
    return f"{crc:08x}"


def _distance(h: Floats) -> float:
    gap = h[0] - h[1]
    return math.sqrt(gap @ gap)


def _teller(watch: Watch | None, jobs: int, steps: int) -> Callable[[int, int, str], None]:
    """What is called at every step, and tells `watch` of a few."""

    def tell(job: int, done: int, cell: str) -> None:
        if watch is not None and done % 512 == 0:
            watch((job + done / steps) / jobs, _(CELLS[cell]))

    return tell


# What is measured


def _memory(cell: str, distance: Floats, change: int) -> Memory:
    after = distance[change - 1 :]
    if after[0] == 0:
        return Memory(cell, distance, None, None, None, None)
    share = after / after[0]
    small = np.flatnonzero(share <= _ROUNDING)
    fitted = np.log(share[: small[0] if small.size else len(share)])
    rate = None
    if len(fitted) > 1:
        rate = math.exp(fitted_slope(fitted))
    elif len(share) > 1:
        rate = 0.0  # gone in one step
    half_life = None
    if rate is not None and rate < 1 - 1e-9 and share[-1] < 0.5:  # else it has not been seen
        half_life = math.log(2) / -math.log(rate) if rate > 0 else 0.0
    last = change + int(np.flatnonzero(after)[-1])  # the last character with a difference, from 1
    merged = last + 1 if last < len(distance) else None
    return Memory(cell, distance, float(share[-1]), rate, half_life, merged)


def _parameters(cell: str, d: int, own: int, length: int) -> Parameters:
    convolution = _KERNEL * d * d + d
    lengths = sorted({1, 10, 100, 1000, 10_000, length, 10 * length, 100 * length})
    formula = _FORMULAS[cell]
    return Parameters(
        cell=own,
        own_weights_per_step=own * length,
        convolution=convolution,
        formulas={
            "cell": formula,
            "own_weights_per_step": f"T ({formula})",
            "convolution": f"{_KERNEL}d² + d",
        },
        lengths=lengths,
        by_length={
            "cell": [own] * len(lengths),
            "own_weights_per_step": [own * n for n in lengths],
            "convolution": [convolution] * len(lengths),
        },
    )


# The oracle


def check(
    text: str = "hello world",
    *,
    cell: Cell = "rnn",
    hidden: int = 16,
    change: int = 1,
    to: str | None = None,
    radius: float = 0.9,
    forget_bias: float = 1.0,
    seed: int = 0,
) -> list[Check]:
    """Every step of both texts by torch.nn's own RNN, LSTM or GRU with the same weights.

    torch starts each step from the page's state before it, so that a chaotic cell, which blows up
    the last bit of any difference, can be compared too; that all steps agree and the first starts
    from 0 is the whole recurrence. The error is the largest ‖h − h'‖ / ‖h'‖ (LSTM: and of c).
    """
    pair, table = _inputs(text, _changed(text, change, to), hidden, seed)
    network = _Network(cell, hidden, radius, forget_bias, seed)
    p, error, chunk = network.draw(), 0.0, []
    before = _PAGES[cell].initial_state(p, 2)
    for k, state in enumerate(network.states(pair, table, p)):
        chunk.append((before, state))
        before = state
        if len(chunk) == 2048 or k == len(pair) - 1:
            rows = pair[k + 1 - len(chunk) : k + 1].ravel()
            error = float(np.maximum(error, _compare(cell, p, table[rows], chunk)))
            chunk = []
    name = _("{cell}: every state, by the page and by torch.nn.{module}").format(
        cell=_(CELLS[cell]), module=cell.upper()
    )
    return [Check(name, error, 1e-9)]


def _compare(cell: str, p: Any, xs: Floats, chunk: Sequence[tuple[Any, Any]]) -> float:
    """The largest relative error of steps that start from given states."""
    import torch

    d = p.W_h.shape[0]
    kind: Any = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    module = kind(d, d, dtype=torch.float64)
    carried = ("h", "c") if cell == "lstm" else ("h",)
    biases = (p.b_x, p.b_h) if cell == "gru" else (p.b, np.zeros_like(p.b))
    with torch.no_grad():
        for name, value in zip(
            ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
            (p.W_x.T, p.W_h.T, *biases),
        ):
            getattr(module, name).copy_(torch.tensor(value))
        old, new = (
            {n: np.concatenate([getattr(s[i], n) for s in chunk]) for n in carried} for i in (0, 1)
        )
        start = [torch.tensor(value)[None] for value in old.values()]
        _out, end = module(torch.tensor(xs)[None], tuple(start) if cell == "lstm" else start[0])
    worst = 0.0
    for ours, theirs in zip(new.values(), end if cell == "lstm" else (end,)):
        oracle = theirs[0].numpy()
        size = np.linalg.norm(oracle, axis=1)
        difference = np.linalg.norm(ours - oracle, axis=1)
        largest = (difference / np.where(size > 0, size, 1.0)).max()
        worst = float(np.maximum(worst, largest))  # which, unlike max(), does not lose a NaN
    return worst


# The screen


def show(result: Unroll, detail: bool = False) -> RenderableType:
    """The weights, once; the state after every character; the memory, and the price of sharing."""
    title = Title(_("One cell, many steps: what does it carry along?"), _EQUATIONS[result.cell])
    parts: list[RenderableType] = [
        title,
        Beside(_weights(result), _Reading(result), left_width=35),
        Panels([_fading(result), _prices(result)], min_width=46),
    ]
    if detail:
        parts += _details(result)
    return Group(*parts)


def _weights(result: Unroll) -> RenderableType:
    """A picture of the recurrent weights, its rows beside the units that they make."""
    blocks = _BLOCKS[result.cell]
    name = f"Wₕ {blocks[_CANDIDATE[result.cell]]}" if len(blocks) > 1 else "Wₕ"
    picture = Heatmap(
        _block(result.W_h, result.cell).T,
        rows=_unit_names(result.hidden),
        row_axis=_("to unit"),
        column_axis=_("from unit ({name})").format(name=name),
        colours="diverging",
        numbers=False,
        max_height=_TALLEST,
        cell_width=2,
    )
    head = _("One cell: {n} weights").format(n=count(result.parameters.cell))
    applied = ngettext("Applied {n} time →", "Applied {n} times →", result.length)
    origin = _("Random and untrained, ρ = {rho}").format(rho=f"{result.radius:g}")
    return Group(Title(head), picture, Note(applied.format(n=count(result.length))), Note(origin))


def _unit_names(d: int) -> list[str]:
    return [str(i + 1).rjust(len(str(d))) for i in range(d)]


class _Reading:
    """The state after every character, and below each column the weights that made it."""

    def __init__(self, result: Unroll) -> None:
        self.result = result

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(44, options.max_width), options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        result = self.result
        room = _room(result, options.max_width)
        by = math.ceil(result.length / room)
        across = _("one column a character →")
        if by > 1:
            across = _("{n} characters, {by} to a column →").format(
                n=count(result.length), by=count(by)
            )
        heat = _heat(result, result.trace, options.max_width)
        yield Title(_("Its state h at each step"), across)
        if not heat.columns:
            yield Text()  # so that the rows stand beside those of the weights
        yield heat
        first, last = result.readings[0], result.readings[-1]
        yield Title(_("Its weights at each step"), f"CRC-32 {first} … {last}")
        watched = result.watched[::by].T
        fits = result.checksum_readings == result.length and room // result.length >= 5
        yield Heatmap(
            watched,
            rows=["w".rjust(len(str(result.hidden)))] * len(watched),
            columns=[reading[:4] for reading in result.readings] if fits else (),
            colours="diverging",
            numbers=False,
            bar=False,
            cell_width=_WIDEST,
        )


class _Trace:
    """A state over time in whatever width there is."""

    def __init__(self, result: Unroll, values: Floats) -> None:
        self.result, self.values = result, values

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _heat(self.result, self.values, options.max_width)


def _heat(result: Unroll, values: Floats, width: int) -> Heatmap:
    """A state over time, the characters across the top where each has a column."""
    room = _room(result, width)
    labels = _labels(result.text) if result.length <= room else []
    if max(map(cell_len, labels), default=0) > max(1, room // result.length):
        labels = []
    return Heatmap(
        values.T,
        rows=_unit_names(result.hidden),
        columns=labels,
        colours="diverging",
        numbers=False,
        max_height=_TALLEST,
        cell_width=_WIDEST,
    )


def _room(result: Unroll, width: int) -> int:
    """The columns that the names of the units leave to the characters."""
    return max(1, width - len(str(result.hidden)) - 1)


def _labels(text: str) -> list[str]:
    """Each character as it can stand alone: marks on a circle, what has no looks as a dot."""
    labels = []
    for character in text:
        shown = clean(character)
        if not shown:
            shown = clean("◌" + character)
            shown = "·" if shown == "◌" else shown
        labels.append(shown)
    return labels


def _spelled(character: str) -> str:
    """A character within a sentence; its number where it has no looks."""
    if character == " ":
        return _("a space")
    visible = clean(character) == character and character.strip() and cell_len(character) > 0
    return character if visible else f"U+{ord(character):04X}"


def _fading(result: Unroll) -> tuple[str, RenderableType]:
    """The distance between the two texts' states."""
    here, there = (_spelled(text[result.change - 1]) for text in (result.text, result.other))
    title = _("Gap ‖h − h′‖ (1 at first), character {n}: {there} for {here}").format(
        n=count(result.change), here=here, there=there
    )
    t = np.arange(1, result.length + 1)
    lines, low, high = [], 1.0, 1.0
    for memory in (result.memory, result.compared):
        if memory is not None:
            first = memory.distance[result.change - 1]
            y = memory.distance / first if first > 0 else memory.distance
            name = _(CELLS[memory.cell]) if result.compared is not None else ""
            lines.append(Line(name, t, y, key=memory.cell, dashed=memory is result.compared))
            low, high = min(low, np.min(y[y > 0], initial=1.0)), max(high, np.max(y))
    curves = Curves(
        lines,
        x_label=_("character t"),
        y_scale="log",
        x_range=(1, max(4, result.length)),
        y_range=(10.0 ** min(-1, math.floor(math.log10(low))), 10.0 ** math.ceil(math.log10(high))),
        height=6,
        legend="right" if result.compared is not None else "none",
    )
    return title, curves


def _prices(result: Unroll) -> tuple[str, RenderableType]:
    """The parameters at this length, at ten and at a hundred times as much."""
    prices, rows = result.parameters, []
    names = {
        "cell": _("this cell"),
        "own_weights_per_step": _("own W at each step"),
        "convolution": _("convolution, k = 3"),
    }
    heads = {n: _amount(n) for n in (result.length * k for k in (1, 10, 100))}
    heads[result.length] = f"T = {heads[result.length]}"
    widest = {n: max(len(head), len(_amount(n * prices.cell))) for n, head in heads.items()}
    shown = list(heads)[: 3 if sum(widest.values()) <= 22 else 2]  # what half a screen can hold
    at = [prices.lengths.index(n) for n in shown]
    for key, name in names.items():
        rows.append([name, *(_amount(prices.by_length[key][i]) for i in at)])
    columns: list[Column | str] = [Column("", "left"), *(heads[n] for n in shown)]
    table = Table(columns, rows, keys=[result.cell, "linear", "cnn"])
    f = prices.formulas
    note = _("{cell}; T ({cell}); {conv}; d = {d}").format(
        cell=f["cell"], conv=f["convolution"], d=result.hidden
    )
    return _("Parameters for a text of T characters"), Group(table, Note(note))


def _amount(n: int) -> str:
    return count(n) if n < 1e8 else number(n, 3)


def _details(result: Unroll) -> list[RenderableType]:
    prices = result.parameters
    t = np.array(prices.lengths)
    lines = [
        Line(name, t, np.array(prices.by_length[key]), key=ink, dashed=ink == "cnn")
        for key, name, ink in (
            ("own_weights_per_step", _("own W at each step"), "linear"),
            ("cell", _(CELLS[result.cell]), result.cell),
            ("convolution", _("convolution, k = 3"), "cnn"),
        )
    ]
    growth = Curves(
        lines, x_label=_("characters"), y_label=_("parameters"), x_scale="log", y_scale="log"
    )
    parts: list[RenderableType] = [growth]
    if result.cell_trace is not None:
        parts += [Title(_("The LSTM's cell c")), _Trace(result, result.cell_trace)]
    blocks = _BLOCKS[result.cell]
    for name, W in (("Wₓ", result.W_x), ("Wₕ", result.W_h)):
        pictures = [
            (
                f"{name} {block}" if len(blocks) > 1 else name,
                Heatmap(part.T, colours="diverging", numbers=False, max_height=16, cell_width=2),
            )
            for block, part in zip(blocks, np.split(W, len(blocks), axis=1))
        ]
        parts.append(Panels(pictures, min_width=22))
    return parts


# The sentences


def takeaways(result: Unroll) -> list[str]:
    """What this run showed: every number and every verdict is computed from the run."""
    sentences = [_sharing(result), _price(result), _remembering(result)]
    if result.compared is not None:
        sentences.append(_comparison(result.memory, result.compared))
    return [s for s in sentences if s]


def _sharing(result: Unroll) -> str:
    numbers = {
        "moved": count(result.moved),
        "steps": count(result.length),
        "crc": result.checksums[0],
        "kinds": count(len(result.checksums)),
        "readings": count(result.checksum_readings),
    }
    state = ngettext(
        "The state changed in {moved} of {steps} step",
        "The state changed in {moved} of {steps} steps",
        result.length,
    )
    if len(result.checksums) > 1:
        weights = _(", and the weights changed too: {kinds} checksums.")
    elif result.checksum_readings == result.length:
        weights = _(", the weights in none (CRC-32 {crc} at each).")
    else:
        weights = _(", the weights in none (CRC-32 {crc} at all {readings} readings).")
    return (state + weights).format(**numbers)


def _price(result: Unroll) -> str:
    prices = result.parameters
    numbers = {
        "cell": count(prices.cell),
        "own": count(prices.own_weights_per_step),
        "ten": count(10 * prices.own_weights_per_step),
        "conv": count(prices.convolution),
    }
    if result.length == 1:
        text = _(
            "For one character sharing saves nothing ({own} numbers either way); for ten, own"
            " weights at each step would be {ten}, and the cell still {cell}."
        )
    else:
        text = _(
            "Own weights at each step would be {own} numbers, and {ten} for ten times the text; the"
            " cell keeps {cell}: it shares over time as a convolution ({conv}) over space."
        )
    return text.format(**numbers)


def _remembering(result: Unroll) -> str:
    """Whether the states of the two texts drift back together, and how fast."""
    rest = result.length - result.change
    numbers = {
        "change": count(result.change),
        "left": "" if result.left is None else number(result.left),
        "life": "" if result.half_life is None else number(result.half_life),
        "merged": count(result.merged or 0),
        "on": ngettext("{n} character on", "{n} characters on", rest).format(n=count(rest)),
    }
    if result.left is None:
        text = _("Changing character {change} leaves the state as it was, to the last bit.")
    elif rest == 0:
        text = _("The changed character is the last: nothing follows in which it could fade.")
    elif result.merged is not None and not result.half_life:
        text = _("Forgotten at once: from character {merged} on both states agree to the last bit.")
    elif result.merged is not None:
        text = _(
            "Forgotten: from character {merged} on both states agree to the last bit (half-life"
            " {life} characters)."
        )
    elif result.left < 0.1 and result.half_life is not None:
        text = _(
            "The states drift together: the gap halves every {life} characters; {on}, {left} is"
            " left."
        )
    elif result.left < 0.9:
        text = _(
            "The changed character still shows: {on}, {left} of the gap between the states is left."
        )
    else:
        text = _("The states stay apart: {on}, the gap is {left} times what it was at first.")
    return text.format(**numbers)


def _comparison(memory: Memory, plain: Memory) -> str:
    """A gated cell against the tanh RNN on the same two texts."""
    if memory.left is None or plain.left is None or memory.rate is None:  # too short to say
        return ""
    name = _(CELLS[memory.cell])
    if memory.half_life is None or plain.half_life is None or not plain.half_life:
        text = _("The gap at the end, as a share of the first: {cell} {left}, tanh RNN {plain}.")
        return text.format(cell=name, left=number(memory.left), plain=number(plain.left))
    ratio = memory.half_life / plain.half_life
    numbers = {
        "cell": name,
        "ratio": number(ratio),
        "ours": number(memory.half_life),
        "plain": number(plain.half_life),
    }
    if ratio > 1.05:
        text = _("The {cell} remembers {ratio} times as long as the tanh RNN: half-life {ours}")
    elif ratio < 0.95:
        text = _("The {cell} forgets faster than the tanh RNN: half-life {ours}")
    else:
        text = _("The {cell} remembers no longer than the tanh RNN: half-life {ours}")
    return (text + _(" against {plain} characters.")).format(**numbers)


def question(result: Unroll) -> Question:
    """What is left of the changed letter? The bins are fixed, the right one is found."""
    left = 0.0 if result.left is None else result.left
    rest = result.length - result.change
    choices = [
        _("all of the difference, or more"),
        _("between a tenth and all of it"),
        _("between a millionth and a tenth"),
        _("less than a millionth"),
    ]
    answer = 0 if left >= 1 else 1 if left >= 0.1 else 2 if left >= 1e-6 else 3
    text = ngettext(
        "Two texts differ in one character, {n} character before the end. How much of the"
        " difference between the states of the {cell} is left at the end?",
        "Two texts differ in one character, {n} characters before the end. How much of the"
        " difference between the states of the {cell} is left at the end?",
        rest,
    ).format(n=count(rest), cell=_(CELLS[result.cell]))
    return Question(text, choices, answer, _remembering(result))
