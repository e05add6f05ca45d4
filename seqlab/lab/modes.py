"""What can one recurrent cell be wired to do? Four wirings, each trained on the task of its shape.

A picture goes in and its caption comes out (one to many); a film, and what happens in it (many to
one); a film, and the move of every frame (many to many, aligned); a film, and the list of its
moves, which is shorter (sequence to sequence: one LSTM reads, another one speaks).

The equations are the same throughout; only the arrows differ: which cells read, which cells speak.
A word is never fed back to the next cell, so that the arrows drawn are all there are. An answer
counts as right where every word of it is.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from einops import rearrange
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab.book import lstm, seq2seq
from seqlab.book.lstm import LSTM
from seqlab.book.ops import Array, concatenate, tanh, zeros
from seqlab.book.seq2seq import State, Unroll
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import number, percent
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.figures.wiring import Cell, Wiring
from seqlab.lab import (
    Check,
    Device,
    Question,
    Quick,
    Seed,
    Series,
    Stopped,
    Trained,
    Watch,
    one_of,
    require,
    series,
)
from seqlab.locale import N_, _, listed, ngettext
from seqlab.tasks import film

Floats = NDArray[np.float64]
Words = NDArray[np.int64]

_FORGET = 3.0  # forget bias: with 1 one seq2seq network in six stays below 95 %
_GOOD = 0.95  # of the answers right: by this a network has learned its task
_MEASUREMENTS = 25  # of a training, besides the one before it
_REPORT = 5  # steps after which a training is heard of, at the latest: Ctrl-C waits for that
_HELD_OUT = 500  # films that no network is trained on
_MISSES = 3  # wrong answers that are kept, of which two are shown
_DECIMALS = 3  # of the brightness of a pixel that is kept
_CHECKED_STEPS = 20  # of training before torch looks at a network: no parameter is then as drawn
_NETWORK, _BATCHES, _EXAM = range(3)  # streams of random numbers


class Mode(NamedTuple):
    """A wiring: a film of `task` is read by the first cells, a frame each; who speaks?

    The cells from `first` on, one word each. Where `apart`, the cells that speak have parameters of
    their own: the encoder and the decoder of Sutskever et al. 2014.
    """

    task: film.Task
    first: int
    name: str
    title: str
    apart: bool = False

    @property
    def cells(self) -> int:
        return max(self.task.frames, self.first + self.task.length)


MODES: dict[str, Mode] = {
    "one-to-many": Mode(
        film.CAPTION, 0, N_("one to many"), N_("one to many: a picture → its caption")
    ),
    "many-to-one": Mode(
        film.ACTION, film.ACTION.frames - 1, N_("many to one"),
        N_("many to one: a film → what happens"),
    ),
    "aligned": Mode(
        film.LABEL, 0, N_("aligned"), N_("many to many, aligned: every frame → its move")
    ),
    "seq2seq": Mode(
        film.MOVE, film.MOVE.frames, N_("seq2seq"),
        N_("many to many, sequence to sequence: a film → the list of its moves"), apart=True,
    ),
}  # fmt: skip


# The network


class Network(NamedTuple):
    """The parameters; p pixels, v words."""

    W_x: Array  # (p, d)
    b_x: Array  # (d,)
    cell: LSTM  # reads c = d
    speaker: LSTM | None  # of the cells that only speak, where they have their own
    W_y: Array  # (d, v)
    b_y: Array  # (v,)


def init(rng: np.random.Generator, mode: Mode, d: int) -> Network:
    """Weights of variance 1 / fan-in, no biases; LSTMs as on their page, with forget bias 3."""
    p, v = mode.task.side**2, len(mode.task.words)
    return Network(
        W_x=rng.normal(0, 1 / math.sqrt(p), (p, d)),
        b_x=np.zeros(d),
        cell=lstm.init(rng, d, d, forget_bias=_FORGET),
        speaker=lstm.init(rng, 1, d, forget_bias=_FORGET) if mode.apart else None,
        W_y=rng.normal(0, 1 / math.sqrt(d), (d, v)),
        b_y=np.zeros(v),
    )


def scores(p: Network, mode: Mode, frames: Array, unroll: Unroll) -> Array:
    """Films (b, frames, side, side) -> scores of the words (b, words, v).

    x_t = tanh(W_x · frame_t) where a cell reads, and 0 where it does not; y_t = W_y · h_t.
    `unroll` steps through the cells, as :func:`seqlab.book.seq2seq.unroll` does.
    """
    x = tanh(rearrange(frames, "b t y x -> t b (y x)") @ p.W_x + p.b_x)
    t, b, d = x.shape
    nothing = (mode.cells - t, b)
    if p.speaker is None:
        h, _last = unroll(p.cell, concatenate([x, zeros((*nothing, d), like=x)], 0), None)
    else:
        read, last = unroll(p.cell, x, None)
        # a kernel wants an input of one number at least
        spoken, _last = unroll(p.speaker, zeros((*nothing, 1), like=x), last)
        h = concatenate([read, spoken], 0)
    y = h[mode.first : mode.first + mode.task.length] @ p.W_y + p.b_y
    return rearrange(y, "t b v -> b t v")


def cut(unroll: Unroll) -> Unroll:
    """The same without the arrows between the cells: each begins with a state of zero."""

    def each_alone(p: LSTM, xs: Array, _start: State | None) -> tuple[Array, State]:
        h, last = unroll(p, rearrange(xs, "t b c -> 1 (t b) c"), None)
        return rearrange(h, "1 (t b) d -> t b d", t=len(xs)), last  # of every cell, for nobody

    return each_alone


# What is measured


@dataclass(frozen=True)
class Example:
    """A film that was never trained on, what the first network says of it, and the truth.

    `frames` (frames, side, side), brightness from 0 to 1.
    """

    frames: Floats
    said: list[str]
    truth: list[str]


@dataclass(frozen=True)
class Learned:
    """What the networks of one wiring can do, as shares of the films held out, answered wholly.

    `accuracy` is the median of `accuracies`, one a network; `cut` is that with the arrows between
    the cells cut, after training; `chance` is that of always giving the most frequent answer.
    `steps` were made by each network; `learned` counts those until 95 % were right, null where they
    never were. `losses` in nats a word; `misses` counts wrong answers, of which the first network's
    first ones are `missed`. `seconds` are those of the CPU, a network.
    """

    accuracy: float
    accuracies: list[float]
    cut: float
    cuts: list[float]
    chance: float
    steps: list[int]
    learned: list[int | None]
    losses: list[float]
    misses: list[int]
    parameters: int
    reads: int
    speaks: int
    example: Example
    missed: list[Example]
    seconds: float


@dataclass(frozen=True)
class Modes(Trained):
    """Each wiring by its name, and `series`: accuracy against steps of training."""

    mode: str
    train_steps: int
    seeds: int
    hidden: int
    batch: int
    lr: float
    quick: bool
    seed: int
    device: str
    tests: int
    modes: dict[str, Learned]
    series: list[Series]


def run(
    *,
    mode: Annotated[
        Literal["all", "one-to-many", "many-to-one", "aligned", "seq2seq"],
        typer.Option(
            metavar="MODE",
            help=N_("all, or one of one-to-many, many-to-one, aligned and seq2seq."),
        ),
    ] = "all",
    train_steps: Annotated[
        int | None,
        typer.Option(min=1, max=2000, help=N_("Steps of training; 400, or 300 with --quick.")),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=10, help=N_("Networks trained of each wiring; 2, or 1 with --quick.")
        ),
    ] = None,
    hidden: Annotated[int, typer.Option(min=2, max=128, help=N_("Width of the state."))] = 64,
    batch: Annotated[int, typer.Option(min=1, max=256, help=N_("Films in a step."))] = 32,
    lr: Annotated[float, typer.Option(help=N_("Learning rate of Adam, at its highest."))] = 1e-2,
    quick: Quick = False,
    device: Device = "auto",
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Modes:
    """Train networks of each wiring on its task, and measure on the way how many answers are right.

    Raises:
        BadInput: an option out of range, an unknown wiring, no such device.
    """
    o = _Options(
        mode=mode,
        train_steps=(300 if quick else 400) if train_steps is None else train_steps,
        seeds=(1 if quick else 2) if seeds is None else seeds,
        hidden=hidden,
        batch=batch,
        lr=lr,
        seed=seed,
    )
    o.require()
    return _train(o, quick, device, watch or (lambda done, doing, view=None: None))


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart."""

    mode: str
    train_steps: int
    seeds: int
    hidden: int
    batch: int
    lr: float
    seed: int

    def require(self) -> None:
        """Refuse what cannot be run."""
        one_of(self.mode, "mode", ["all", *MODES])
        require(self.train_steps, "train-steps", 1, 2000)
        require(self.seeds, "seeds", 1, 10)
        require(self.hidden, "hidden", 2, 128)
        require(self.batch, "batch", 1, 256)
        require(self.lr, "lr", 0.0, 1.0)
        require(self.seed, "seed", 0)

    @property
    def modes(self) -> list[str]:
        return list(MODES) if self.mode == "all" else [self.mode]

    def rng(self, mode: str, s: int, stream: int) -> np.random.Generator:
        """The generator of one purpose of network s of a wiring."""
        return np.random.default_rng([self.seed, list(MODES).index(mode), s, stream])


class _Job(NamedTuple):
    """A network to train: number s of its wiring."""

    mode: str
    s: int


class _Moment(NamedTuple):
    """A network after `step` steps: see :class:`Learned`. Answers are numbers of words."""

    step: int
    loss: float
    accuracy: float
    cut: float
    said: Words  # of the example
    misses: int
    missed: list[tuple[int, Words]]  # which of the films held out, and what is said of them
    seconds: float


class _Exam:
    """The films held out, the same for all networks of a wiring."""

    def __init__(self, o: _Options, mode: str) -> None:
        self.mode = MODES[mode]
        self.films = self.mode.task.draw(o.rng(mode, 0, _EXAM), _HELD_OUT)
        self.counted = self.mode.task.counted(self.films.answers)
        # shown is one with the most to say; of these that with the most contrast, in space and time
        contrast = sum(np.abs(np.diff(self.films.frames, axis=k)).sum((1, 2, 3)) for k in (1, 2, 3))
        self.shown = int(np.lexsort((-contrast, -self.counted.sum(1)))[0])

    @property
    def chance(self) -> float:
        """The share of the most frequent answer."""
        counts = np.unique(self.films.answers, axis=0, return_counts=True)[1]
        return float(counts.max() / _HELD_OUT)

    def wrong(self, answers: Words) -> Words:
        """Which answers (b, words) differ from the truth in any word that counts."""
        return np.flatnonzero(((answers != self.films.answers) & self.counted).any(1))

    def example(self, i: int, answer: Words) -> Example:
        """Film i with an answer to it."""
        count = int(self.counted[i].sum())
        spell = self.mode.task.spell
        frames = np.round(self.films.frames[i], _DECIMALS)
        truth = self.films.answers[i, :count].tolist()
        return Example(frames, spell(answer[:count].tolist()), spell(truth))


def _course(job: _Job, o: _Options, device: Any) -> Iterator[_Moment | int]:
    """Train one network; measure it before, on the way and at the end; between, tell the step."""
    import torch

    from seqlab import train

    started = time.process_time()
    mode, exam = MODES[job.mode], _Exam(o, job.mode)
    p = train.trainable(init(o.rng(*job, _NETWORK), mode, o.hidden), device)
    frames = _tensor(exam.films.frames, p)

    @torch.no_grad()
    def answers(unroll: Unroll) -> Words:
        found: Words = scores(p, mode, frames, unroll).argmax(-1).cpu().numpy()
        return found

    def moment(step: int, loss: float) -> _Moment:
        said = answers(train.unroll)
        wrong = exam.wrong(said)
        return _Moment(
            step=step,
            loss=loss,
            accuracy=1 - len(wrong) / _HELD_OUT,
            cut=1 - len(exam.wrong(answers(cut(train.unroll)))) / _HELD_OUT,
            said=said[exam.shown],
            misses=len(wrong),
            missed=[(int(i), said[i]) for i in wrong[:_MISSES]],
            seconds=time.process_time() - started,
        )

    every = max(1, round(o.train_steps / _MEASUREMENTS))
    yield moment(0, math.nan)
    for step, loss in _fit(p, mode, o, o.rng(*job, _BATCHES)):
        done = step + 1
        if done % every == 0 or done == o.train_steps:
            yield moment(done, loss)
        elif done % _REPORT == 0:
            yield done


def _fit(
    p: Network, mode: Mode, o: _Options, rng: np.random.Generator
) -> Iterator[tuple[int, float]]:
    """One step after the other: (step, loss of its batch)."""
    from seqlab import train

    def loss(step: int) -> Array:
        films = mode.task.draw(rng, o.batch)
        return _loss(scores(p, mode, _tensor(films.frames, p), train.unroll), mode, films)

    return train.fit(
        p, loss, steps=o.train_steps, lr=o.lr, warmup=max(1, o.train_steps // 10),
        schedule="cosine", clip=1.0,
    )  # fmt: skip


def _tensor(frames: Floats, p: Network) -> Array:
    """Films as a tensor like the parameters."""
    return p.W_x.new_tensor(frames)


def _loss(y: Array, mode: Mode, films: film.Batch) -> Array:
    """The mean cross-entropy of the words that count, in nats; scores y (b, words, v)."""
    import torch

    counted = torch.as_tensor(mode.task.counted(films.answers), device=y.device)
    truth = torch.as_tensor(films.answers, device=y.device)
    return torch.nn.functional.cross_entropy(y[counted], truth[counted])


def _train(o: _Options, quick: bool, device_name: str, watch: Watch) -> Modes:
    """Train all networks, several at a time, and tell how they are doing."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    device = train.device(device_name)
    exams = {mode: _Exam(o, mode) for mode in o.modes}
    # the longest first, so that no core waits long for another at the end
    jobs = [_Job(mode, s) for s in range(o.seeds) for mode in reversed(o.modes)]
    courses: dict[_Job, list[_Moment]] = {job: [] for job in jobs}
    steps = [0] * len(jobs)

    def result(stopped: bool = False) -> Modes:
        begun: dict[str, list[list[_Moment]]] = {mode: [] for mode in o.modes}
        for (mode, _s), moments in courses.items():
            if moments:
                begun[mode].append(list(moments))
        begun = {mode: found for mode, found in begun.items() if found}
        return Modes(
            mode=o.mode, train_steps=o.train_steps, seeds=o.seeds, hidden=o.hidden,
            batch=o.batch, lr=o.lr, quick=quick, seed=o.seed, device=device.type,
            tests=_HELD_OUT, stopped=stopped,
            modes={mode: _learned(o, exams[mode], found) for mode, found in begun.items()},
            series=[_series(mode, found, exams[mode].chance) for mode, found in begun.items()],
        )  # fmt: skip

    work = partial(_course, o=o, device=device)
    for i, news in train.side_by_side(work, jobs, device=device):
        course = courses[jobs[i]]
        if isinstance(news, _Moment):
            course.append(news)
            view = partial(show, result())
        steps[i] = news.step if isinstance(news, _Moment) else news
        text = _("{mode}, network {n} of {seeds}: step {step} of {steps}, {accuracy} right")
        doing = text.format(
            mode=_(MODES[jobs[i].mode].name), n=jobs[i].s + 1, seeds=o.seeds, step=steps[i],
            steps=o.train_steps, accuracy=percent(course[-1].accuracy),
        )  # fmt: skip
        try:
            watch(sum(steps) / (len(jobs) * o.train_steps), doing, view)
        except Stopped:
            return result(stopped=True)
    return result()


def _learned(o: _Options, exam: _Exam, courses: Sequence[Sequence[_Moment]]) -> Learned:
    """The last moments of all networks of a wiring together."""
    from seqlab import trees

    last, mode = [moments[-1] for moments in courses], exam.mode
    return Learned(
        accuracy=float(np.median([m.accuracy for m in last])),
        accuracies=[m.accuracy for m in last],
        cut=float(np.median([m.cut for m in last])),
        cuts=[m.cut for m in last],
        chance=exam.chance,
        steps=[m.step for m in last],
        learned=[next((m.step for m in c if m.accuracy >= _GOOD), None) for c in courses],
        losses=[m.loss for m in last],
        misses=[m.misses for m in last],
        parameters=trees.count(init(np.random.default_rng(0), mode, o.hidden)),
        reads=mode.task.frames,
        speaks=mode.task.length,
        example=exam.example(exam.shown, last[0].said),
        missed=[exam.example(i, answer) for i, answer in last[0].missed],
        seconds=float(np.mean([m.seconds for m in last])),
    )


def _series(mode: str, courses: Sequence[Sequence[_Moment]], chance: float) -> Series:
    """Accuracy against steps; of a network that has not come so far, nothing."""
    longest = max(courses, key=len)
    runs = np.full((len(courses), len(longest)), np.nan)
    for row, moments in zip(runs, courses):
        row[: len(moments)] = [m.accuracy for m in moments]
    return series(mode, [m.step for m in longest], runs, chance)


# The oracle


def check(
    *,
    mode: str = "all",
    train_steps: int | None = None,
    hidden: int = 64,
    batch: int = 32,
    lr: float = 1e-2,
    seed: int = 0,
    **_others: object,
) -> list[Check]:
    """The first network of each wiring after a few steps: the page's equations, and torch's own.

    The scores of the words, and the gradients of the loss by all parameters, in float64 on the CPU;
    the errors are relative to the largest number of each.
    """
    import torch

    from seqlab import train, trees

    few = min(_CHECKED_STEPS, _CHECKED_STEPS if train_steps is None else train_steps)
    o = _Options(mode, few, 1, hidden, batch, lr, seed)
    o.require()
    checks = []
    for name in o.modes:
        kind = MODES[name]
        p = train.trainable(init(o.rng(name, 0, _NETWORK), kind, hidden))
        for _step in _fit(p, kind, o, o.rng(name, 0, _BATCHES)):
            pass
        films = kind.task.draw(o.rng(name, 0, _EXAM), batch)
        found = []
        for function in (partial(scores, unroll=seq2seq.unroll), _in_torch):
            q = train.trainable(train.trained(p), dtype=torch.float64)
            y = function(q, kind, _tensor(films.frames, q))
            _loss(y, kind, films).backward()
            gradients = torch.cat([leaf.grad.flatten() for _name, leaf in trees.leaves(q)])
            found.append((y.detach().numpy(), gradients.numpy()))
        names = (_("{mode}: scores and torch"), _("{mode}: gradients of the loss and torch"))
        for text, ours, theirs in zip(names, *found, strict=True):
            error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
            checks.append(Check(text.format(mode=_(kind.name)), error, 1e-9))
    return checks


def _in_torch(p: Network, mode: Mode, frames: Array) -> Array:
    """`scores` cell by cell in torch's functions."""
    import torch
    import torch.nn.functional as F

    b, t = frames.shape[:2]
    h, c = frames.new_zeros(2, b, p.b_x.shape[0])
    said = []
    for i in range(mode.cells):
        cell = p.speaker if p.speaker is not None and i >= t else p.cell
        x = frames.new_zeros(b, cell.W_x.shape[0])
        if i < t:
            x = torch.tanh(F.linear(frames[:, i].flatten(1), p.W_x.T, p.b_x))
        h, c = torch.lstm_cell(x, (h, c), cell.W_x.T, cell.W_h.T, cell.b, torch.zeros_like(cell.b))
        if i >= mode.first:
            said.append(F.linear(h, p.W_y.T, p.b_y))
    return torch.stack(said, 1)


# The screen

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_HALF = 48  # columns of a wiring that stands beside another


def show(result: Modes, detail: bool = False) -> RenderableType:
    """Every wiring with a film that was held out, and what the network says of it."""
    title = Title(
        _("What can one recurrent cell be wired to do?"),
        "hₜ = LSTM(hₜ₋₁, xₜ)   yₜ = softmax(hₜ W)",
    )
    parts: list[RenderableType] = [title]
    single = result.mode != "all"
    beside: list[tuple[str, RenderableType]] = []
    below: list[tuple[str, RenderableType]] = []
    for name, learned in result.modes.items():
        titled = f"{_(MODES[name].title)} · {percent(learned.accuracy)}"
        panel = titled, _wiring(name, learned.example, zoom=2 if single else 1)
        (beside if MODES[name].cells <= 6 else below).append(panel)
    if beside:
        parts.append(Panels(beside, min_width=_HALF))
    parts += [Panels([panel]) for panel in below]
    if single or detail:
        parts += _missed(result)
    if (single and not any(learned.missed for learned in result.modes.values())) or detail:
        parts.append(Beside(_curves(result), _table(result), left_width=50))
    if detail:
        parts.append(Note(_about(result)))
    return Group(*parts)


def _wiring(name: str, example: Example, zoom: int = 1) -> Wiring:
    """A wiring with a film below it and the words said above it; cells behind the end are left out.

    Cells are called h, and s where they have parameters of their own.
    """
    mode = MODES[name]
    cells = []
    for t in range(max(mode.task.frames, mode.first + len(example.said))):
        own = mode.apart and t >= mode.first
        label = f"s{t - mode.first + 1}" if own else f"h{t + 1}"
        j = t - mode.first
        speaks = 0 <= j < len(example.said)
        cells.append(
            Cell(
                label=label.translate(_SUBSCRIPTS),
                reads=example.frames[t] if t < mode.task.frames else None,
                says=example.said[j] if speaks else "",
                truth=example.truth[j] if speaks else "",
                key="lstm",
            )
        )
    return Wiring(cells, said=_("says"), truth=_("true"), zoom=zoom)


def _missed(result: Modes) -> Iterator[RenderableType]:
    """Films held out that the first network of each wiring answers wrongly."""
    for name, learned in result.modes.items():
        shown = learned.example.frames
        others = [x for x in learned.missed if not np.array_equal(x.frames, shown)][:2]
        if others:
            title = _("{mode}: wrong, of those held out").format(mode=_(MODES[name].name))
            panels = [(title, _wiring(name, example)) for example in others]
            width = _HALF if MODES[name].cells <= 6 else 10**6
            yield Panels(panels, min_width=width)


def _curves(result: Modes) -> Curves:
    """Accuracy against the steps of training, the spread over the networks as a band."""
    lines = [
        Line(_(MODES[s.name].name), s.x, 100 * s.median, 100 * s.low, 100 * s.high)
        for s in result.series
    ]
    return Curves(
        lines, x_label=_("steps of training"), y_label=_("% of whole answers right"), height=7,
        x_range=(0, result.train_steps), y_range=(0, 100), legend="below",
    )  # fmt: skip


def _table(result: Modes) -> Table:
    """What was measured of each wiring."""
    rows = [
        [
            _(MODES[name].name), percent(x.accuracy), percent(x.cut), percent(x.chance),
            _steps(x.learned), f"{x.parameters:,}", f"{number(x.seconds)} s",
        ]
        for name, x in result.modes.items()
    ]  # fmt: skip
    headers = (
        _("accuracy"), _("arrows cut"), _("chance"), _("steps to 95 %"),
        _("parameters"), _("CPU time"),
    )  # fmt: skip
    return Table([Column(_("wiring"), "left"), *headers], rows)


def _steps(learned: Sequence[int | None]) -> str:
    """The steps until 95 % were right, their range; where a network never was, a dash."""
    known = [steps for steps in learned if steps is not None]
    if len(known) < len(learned):
        return "-"
    return "–".join(dict.fromkeys([str(min(known)), str(max(known))]))


def _about(result: Modes) -> str:
    """How all this was trained."""
    text = ngettext(
        "{n} network of each wiring, state of {d}; every step {batch} new films.",
        "{n} networks of each wiring, state of {d}; every step {batch} new films.",
        result.seeds,
    )
    return text.format(n=result.seeds, d=result.hidden, batch=result.batch)


# The sentences


def takeaways(result: Modes) -> list[str]:
    """What this run showed; a verdict holds for every network."""
    lost = [
        name
        for name, x in result.modes.items()
        if any(step and not math.isfinite(loss) for step, loss in zip(x.steps, x.losses))
    ]
    if lost:
        text = _("The training diverged: the loss is no number ({modes}). Try a smaller --lr.")
        return [text.format(modes=_names(lost))]
    return [_right_said(result), *_cut_said(result), _missed_said(result)]


def _names(modes: Sequence[str]) -> str:
    return listed(_(MODES[name].name) for name in modes)


def _right_said(result: Modes) -> str:
    """How many answers are right, and where that is not enough."""
    each = listed(
        f"{_(MODES[name].name)} {percent(x.accuracy)}" for name, x in result.modes.items()
    )
    text = ngettext(
        "Whole answers right, of {tests} held out: {each}.",
        "Whole answers right, of {tests} held out: {each} (median of {n} networks).",
        result.seeds,
    ).format(tests=result.tests, each=each, n=result.seeds)
    none = [n for n, x in result.modes.items() if max(x.accuracies) < _GOOD]
    some = [n for n, x in result.modes.items() if min(x.accuracies) < _GOOD <= max(x.accuracies)]
    if len(none) == len(result.modes):
        text += _(" No network reaches 95 %.")
    elif none:
        text += _(" Below 95 % in every network: {modes}.").format(modes=_names(none))
    if some:
        depends = _(" It depends on the network whether it is 95 %: {modes}.")
        text += depends.format(modes=_names(some))
    return text


def _cut_said(result: Modes) -> list[str]:
    """What is left without the arrows between the cells, of what every network has learned."""
    learned = {n: x for n, x in result.modes.items() if min(x.accuracies) >= _GOOD}
    if not learned:
        chance = percent(max(x.chance for x in result.modes.values()))
        text = _("Always the same answer would be right in {chance} at most.")
        return [text.format(chance=chance)]
    # of how many networks half is left
    halves = {n: np.mean(2 * np.array(x.cuts) >= x.accuracies) for n, x in learned.items()}
    kept = [n for n, share in halves.items() if share == 1]
    some = [n for n, share in halves.items() if 0 < share < 1]
    left = {n: f"{_(MODES[n].name)} {percent(*x.cuts)}" for n, x in learned.items()}
    if kept or some:
        half = _(
            "Arrows between the cells cut after training: half of what was right or more still is,"
            " in {each}."
        )
        whether = _(
            "Arrows between the cells cut after training: whether half of what was right still is"
            " depends on the network: {each}."
        )
        return [
            text.format(each=listed(left[n] for n in names))
            for names, text in ((kept, half), (some, whether))
            if names
        ]
    some_right = [left[n] for n, x in learned.items() if max(x.cuts) > 0]
    if len(some_right) < len(left):
        some_right.append(_("all others 0 %") if some_right else "0 %")
    text = _("Arrows between the cells cut after training, right are: {each}.")
    return [text.format(each=listed(some_right))]


def _missed_said(result: Modes) -> str:
    """How many answers of the first networks are wrong, with one of them."""
    worst = max(result.modes, key=lambda name: result.modes[name].misses[0])
    if not result.modes[worst].missed:
        text = _(
            "No answer of the first network is wrong, of {tests}: there is no failure to be shown."
        )
        return text.format(tests=result.tests)
    example = result.modes[worst].missed[0]
    each = listed(
        f"{_(MODES[n].name)} {x.misses[0]}" for n, x in result.modes.items() if x.misses[0]
    )
    text = _("Wrong answers of the first network: {each}; one is “{said}” for “{truth}”.")
    said, truth = " ".join(example.said), " ".join(example.truth)
    return text.format(each=each, said=said, truth=truth)


def question(result: Modes) -> Question:
    """Which wiring learns most slowly, in every network; or else what is read before a word."""
    steps = {name: x.learned for name, x in result.modes.items()}
    for name, slow in steps.items():
        others = [n for other, found in steps.items() if other != name for n in found]
        if others and all(m is not None and n is not None and m > n for m in slow for n in others):
            told = listed(f"{_(MODES[n].name)} {_steps(found)}" for n, found in steps.items())
            return Question(
                _("Which wiring takes the most steps until 95 % of its answers are right?"),
                [_(MODES[n].name) for n in steps],
                list(steps).index(name),
                _("Steps until 95 % were right: {told}.").format(told=told),
            )
    name = next(iter(result.modes))
    mode = MODES[name]
    read = min(mode.first + 1, mode.task.frames)
    choices = sorted({0, 1, mode.task.frames, mode.cells})
    return Question(
        _("{title}. How many pictures has it read when it says its first word?").format(
            title=_(mode.title)
        ),
        [str(n) for n in choices],
        choices.index(read),
        ngettext(
            "Cell {first} says the first word; the first cell alone reads a picture.",
            "Cell {first} says the first word; the first {frames} cells read a picture each.",
            mode.task.frames,
        ).format(first=mode.first + 1, frames=mode.task.frames),
    )
