"""What does it cost to pass all through one vector? Attention looks back, and shows where.

Two networks learn to rewrite a sequence: both read it with an LSTM and write with another. In one
of them all that was read must pass through a single vector (Sutskever et al. 2014). In the other
every output has a mean of all inputs besides, weighted for it alone (Bahdanau et al. 2015): its
weights are an alignment of what is written with what was read.

The task is dates, in six forms, into that of ISO; or digits to copy, reverse or sort. Measured on
days held out of the training, or on digits drawn anew: how much is right, and how often the largest
weight lies on an input that the output needs.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import trees
from seqlab.book import seq2seq
from seqlab.book.ops import Array
from seqlab.book.seq2seq import Kind, Output, Seq2Seq
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import number, percent
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import (
    BadInput,
    Check,
    Device,
    Question,
    Quick,
    Seed,
    Series,
    Stopped,
    Trained,
    Watch,
    diverged,
    one_of,
    require,
    series,
)
from seqlab.locale import N_, _, ngettext
from seqlab.tasks import rewrite
from seqlab.tasks.rewrite import Batch

Floats = NDArray[np.float64]
Task = Literal["dates", "reverse", "copy", "sort"]
Score = Literal["dot", "additive"]
Measure = Literal["exact", "symbols"]
Who = Literal["with", "without"]  # attention

WHO: tuple[Who, ...] = ("with", "without")
MEASURES: tuple[Measure, ...] = ("exact", "symbols")

_EMBEDDING = 32  # numbers for a symbol
_CLIP = 1.0  # of the gradient's norm
_LONGEST_TEXT = 40
_DATES = 200  # of the test
_SEQUENCES = 200  # of the test, of each length
_LENGTHS = 8  # of the test, about: to one and a half of the longest trained
_FAR = 3  # cells to either side that the table of alignments shows
_GAP = 5.0  # points: less than this is called no gap
_CHECKED = 50  # steps, at the most, after which networks are compared with the oracle


class _Defaults(NamedTuple):
    """What is taken where nothing is asked for; `quick` likewise with --quick."""

    text: str
    length: int | None
    train_steps: int
    seeds: int
    quick: tuple[int, int]  # steps, seeds
    measurements: int  # of a whole training, besides the one before it


_DEFAULTS = {
    "dates": _Defaults("3 May 1999", None, 140, 3, (100, 1), 7),
    "digits": _Defaults("314159265358", 20, 400, 3, (300, 1), 2),
}


# What is measured


@dataclass(frozen=True)
class Written:
    """What one network makes of the text, and its weights (outputs, inputs) if it has attention."""

    who: Who
    network: int
    text: str
    alignment: Floats | None


@dataclass(frozen=True)
class Align(Trained):
    """How much comes out right, with attention and through one vector.

    `against` says what the numbers stand against, `x`: steps of training, for dates, or lengths of
    sequences, after the training. `symbols` and `exact` are the shares of right symbols and of
    outputs without a mistake, written greedily, (seeds, len(x)) with and without attention;
    `accuracy` is the median over the seeds of that one of them which `measure` names, by x. The
    two networks of a row got the same batches. `chance` is what guessing reaches.

    `alignment` (outputs, inputs) is that of the first network with attention on `text`; `written`
    holds what all of them made of it, `truth` what is right, if that is known, and `form` the form
    of a date if it is one of those trained. `hits`, of each network with attention, is the share of
    outputs whose largest weight lies on an input that they need, `hits_chance` that of a weight
    anywhere; `shifts` how often it lies so many cells to the right of the nearest of them.

    `steps` and `losses`, in nats a symbol, are those of the trainings when they were measured last;
    null for one that Ctrl-C left unmeasured, or that has no loss yet.
    """

    task: Task
    text: str
    attention: Score
    one_way: bool
    hidden: int
    length: int
    train_steps: int
    seeds: int
    batch: int
    lr: float
    quick: bool
    seed: int
    device: str
    parameters: dict[Who, int]
    against: Literal["step", "length"]
    x: list[int]
    measure: Measure
    accuracy: dict[Who, dict[str, float]]
    symbols: dict[Who, Floats]
    exact: dict[Who, Floats]
    chance: dict[str, Floats]
    series: list[Series]
    truth: str | None
    form: str | None
    alignment: Floats | None
    written: list[Written]
    hits: Floats
    hits_chance: float
    shifts: dict[str, Floats]
    steps: dict[Who, list[int | None]]
    losses: dict[Who, list[float]]


def run(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT",
            help=N_("A date to rewrite, or digits for the other tasks; - is standard input."),
        ),
    ] = None,
    *,
    task: Annotated[
        Task, typer.Option(help=N_("Dates into ISO's form; or what to do with digits."))
    ] = "dates",
    attention: Annotated[
        Score, typer.Option(help=N_("Scores: dot is Luong's general form, additive Bahdanau's."))
    ] = "dot",
    one_way: Annotated[
        bool, typer.Option("--one-way", help=N_("Read from left to right only, not both ways."))
    ] = False,
    hidden: Annotated[int, typer.Option(min=1, max=256, help=N_("Width of each LSTM."))] = 64,
    length: Annotated[
        int | None,
        typer.Option(
            min=2, max=30, help=N_("The longest sequence of digits trained on; by default 20.")
        ),
    ] = None,
    train_steps: Annotated[
        int | None,
        typer.Option(
            min=1, max=2000, help=N_("Steps of training; by default 140 for dates, else 400.")
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=5, help=N_("Networks of each kind; by default 3.")),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=128, help=N_("Sequences in a step."))] = 64,
    lr: Annotated[float, typer.Option(help=N_("Learning rate of Adam."))] = 8e-3,
    quick: Quick = False,
    device: Device = "auto",
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Align:
    """Train networks with and without attention to rewrite sequences, and compare them.

    A date in `text` is not trained on; other days are held out for the tests, a tenth of them.

    Raises:
        BadInput: an option out of range, a text with other symbols or too long, no such device.
    """
    o = _chosen(
        text, task=task, attention=attention, one_way=one_way, hidden=hidden, length=length,
        train_steps=train_steps, seeds=seeds, batch=batch, lr=lr, quick=quick, seed=seed,
    )  # fmt: skip
    return _train(o, device, watch or (lambda done, doing, view=None: None))


# The options


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart, in force: nothing is left open."""

    text: str
    task: Task
    attention: Score
    one_way: bool
    hidden: int
    length: int | None  # None for dates
    train_steps: int
    seeds: int
    batch: int
    lr: float
    quick: bool
    seed: int

    @property
    def symbols(self) -> tuple[str, str]:
        """Those of the input and those of the output."""
        if self.task == "dates":
            return rewrite.ALPHABET, rewrite.ISO
        return rewrite.DIGITS, rewrite.DIGITS

    @property
    def read(self) -> str:
        """The text as the networks read it."""
        return self.text.lower() if self.task == "dates" else self.text

    def kind(self, who: Who) -> Kind:
        """The attention of a network."""
        return self.attention if who == "with" else "none"

    def measured(self) -> list[int]:
        """The steps after which networks are measured."""
        times = _defaults(self.task).measurements
        every = max(1, round(self.train_steps / times))
        return sorted({*range(0, self.train_steps, every), self.train_steps})

    def lengths(self) -> list[int]:
        """Of the sequences of digits that are tested, some longer than any trained on."""
        assert self.length is not None
        last = self.length * 3 // 2
        every = max(1, round(last / _LENGTHS))
        return sorted({*range(every, last, every), self.length, last})

    def x(self) -> list[int]:
        """What the numbers stand against."""
        return self.measured() if self.task == "dates" else self.lengths()


def _defaults(task: Task) -> _Defaults:
    return _DEFAULTS["dates" if task == "dates" else "digits"]


def _chosen(
    text: str | None = None,
    *,
    task: Task = "dates",
    attention: Score = "dot",
    length: int | None = None,
    train_steps: int | None = None,
    seeds: int | None = None,
    quick: bool = False,
    hidden: int = 64,
    batch: int = 64,
    lr: float = 8e-3,
    seed: int = 0,
    one_way: bool = False,
) -> _Options:
    """The options with what was left open filled in; or BadInput."""
    one_of(task, "task", get_args(Task))
    one_of(attention, "attention", get_args(Score))
    default = _defaults(task)
    default_steps, default_seeds = default.quick if quick else (default.train_steps, default.seeds)
    o = _Options(
        text=default.text if text is None else text,
        length=default.length if length is None else length,
        train_steps=default_steps if train_steps is None else train_steps,
        seeds=default_seeds if seeds is None else seeds,
        task=task, attention=attention, one_way=one_way, hidden=hidden, batch=batch, lr=lr,
        quick=quick, seed=seed,
    )  # fmt: skip
    require(o.hidden, "hidden", 1, 256)
    require(o.train_steps, "train-steps", 1, 2000)
    require(o.seeds, "seeds", 1, 5)
    require(o.batch, "batch", 1, 128)
    require(o.lr, "lr", 0.0, 1.0)
    require(o.seed, "seed", 0)
    if o.length is not None:
        require(o.length, "length", 2, 30)
        if task == "dates":
            raise BadInput(f"--length {length}", _("a task that has lengths"), "--task reverse")
    _check_text(o)
    return o


def _check_text(o: _Options) -> None:
    """Refuse a text that networks of the task cannot read."""
    alphabet = o.symbols[0]
    strange = next((character for character in o.read if character not in alphabet), None)
    if strange is not None:
        raise BadInput(
            _("the text has {character}").format(character=repr(strange)),
            _("the symbols of the task: {alphabet}").format(alphabet=alphabet.strip()),
            f"'{_defaults(o.task).text}'",
        )
    if not 1 <= len(o.read) <= _LONGEST_TEXT:
        symbols = ngettext("a text of {n} symbol", "a text of {n} symbols", len(o.read))
        raise BadInput(
            symbols.format(n=len(o.read)),
            _("from {low} to {high}").format(low=1, high=_LONGEST_TEXT),
            f"'{_defaults(o.task).text}'",
        )


# Training and testing


class _Job(NamedTuple):
    """One network to train: with or without attention, and which of the seeds, from 0."""

    who: Who
    network: int


class _Moment(NamedTuple):
    """One measurement of a network."""

    symbols: Floats  # (tests,), shares of right symbols
    exact: Floats  # (tests,), shares of outputs without a mistake
    written: str
    alignment: Floats | None
    shifts: dict[int, float]  # empty without attention


class _News(NamedTuple):
    """What a training tells: after how many steps, the loss of the last batch, a measurement."""

    step: int
    loss: float
    moment: _Moment | None


class _Exam:
    """Tests networks, always on the same sequences.

    No network is trained on the days of the dates. Digits are drawn by another generator than those
    of the training: sequences of many digits are hardly ever the same, short ones are.
    """

    def __init__(self, o: _Options) -> None:
        self.o = o
        rng = np.random.default_rng([o.seed, 0])
        if o.task == "dates":
            read = rewrite.date_read(o.read)
            self.form = read and read[1]
            self.days, unknown = rewrite.days(rng, read and read[0])
            self.tests = [rewrite.dates(rng, _DATES, unknown)]
            self.aligned = self.tests[0]
            self.truth = read and read[0].isoformat()
            self.chances = [rewrite.dates_chance()] * len(o.x())
        else:
            self.form = None
            self.tests = [rewrite.digits(rng, _SEQUENCES, t, o.task) for t in o.lengths()]
            self.aligned = self.tests[o.lengths().index(o.length or 0)]
            asked = rewrite.rewritten(rewrite.numbered(o.symbols[0], o.read)[None], o.task)
            self.truth = rewrite.spelled(o.symbols[1], asked.target[0])
            self.chances = [rewrite.digits_chance(t, o.task) for t in o.lengths()]

    def drawn(self, rng: np.random.Generator) -> Batch:
        """A batch to train on; digits of one random length."""
        o = self.o
        if o.task == "dates":
            return rewrite.dates(rng, o.batch, self.days)
        assert o.length is not None
        return rewrite.digits(rng, o.batch, int(rng.integers(1, o.length + 1)), o.task)

    def moment(self, p: Seq2Seq) -> _Moment:
        """What a network can."""
        rights, shifts = [], {}
        for test in self.tests:
            ys, weights = _greedy(p, test.source, test.lengths, test.target.shape[1])
            rights.append(ys == test.target)
            if test is self.aligned and weights is not None:
                shifts = alignment_of(weights, test.places)
        text = rewrite.numbered(self.o.symbols[0], self.o.read)[None]
        outputs = rewrite.ISO_LENGTH if self.o.task == "dates" else text.shape[1]
        ys, weights = _greedy(p, text, np.array([text.shape[1]]), outputs)
        return _Moment(
            symbols=np.array([right.mean() for right in rights]),
            exact=np.array([right.all(1).mean() for right in rights]),
            written=rewrite.spelled(self.o.symbols[1], ys[0]),
            alignment=None if weights is None else weights[0],
            shifts=shifts,
        )

    @property
    def hits_chance(self) -> float:
        """The share of hits of a weight that lies anywhere."""
        places, lengths = self.aligned.places, self.aligned.lengths
        return float((places.sum(-1) / lengths[:, None])[places.any(-1)].mean())


def _greedy(
    p: Seq2Seq, source: NDArray[np.int64], lengths: NDArray[np.int64], t: int
) -> tuple[NDArray[np.int64], Floats | None]:
    """What a network writes (b, t), and its weights (b, t, s)."""
    import torch

    from seqlab import train

    with torch.no_grad():
        ys, output = seq2seq.greedy(p, source, lengths, t, train.unroll)
    weights = None if output.weights is None else output.weights.cpu().numpy().astype(np.float64)
    return ys.cpu().numpy(), weights


def alignment_of(weights: Floats, places: NDArray[np.bool_]) -> dict[int, float]:
    """Where the largest of the weights (b, t, s) lies, seen from the places (b, t, s) needed.

    The share of outputs, of those that need anything, for which it lies so many cells to the right
    of the nearest place that they need, the left one of two; at 0 it lies on such a place.
    """
    best, cells = weights.argmax(-1), np.arange(places.shape[-1])
    distances = np.where(places, np.abs(cells - best[..., None]), len(cells))
    off = (best - distances.argmin(-1))[places.any(-1)]
    return {int(n): float((off == n).mean()) for n in range(1 - len(cells), len(cells))}


def _new(o: _Options, job: _Job) -> Seq2Seq:
    """An untrained network."""
    rng = np.random.default_rng([o.seed, 1, job.network, WHO.index(job.who)])
    v, w = map(len, o.symbols)
    return seq2seq.init(rng, v, w, _EMBEDDING, o.hidden, o.kind(job.who), not o.one_way)


def loss_of(output: Output, target: NDArray[np.int64]) -> Array:
    """The mean cross-entropy of the right symbols (b, t), in nats."""
    import torch

    right = torch.as_tensor(target.copy(), device=output.scores.device)
    return torch.nn.functional.cross_entropy(output.scores.flatten(0, 1), right.flatten())


def started(target: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """What stands before each of the right symbols (b, t): the start, then the one before."""
    first = np.full((len(target), 1), start)
    return np.concatenate([first, target[:, :-1]], axis=1)


def _learn(o: _Options, exam: _Exam, device: Any, job: _Job) -> Iterator[tuple[Seq2Seq, _News]]:
    """Train a network; both of one number get the same batches."""
    from seqlab import train

    p = train.trainable(_new(o, job), device)
    batches = np.random.default_rng([o.seed, 2, job.network])
    measured = set(o.measured())

    def loss(step: int) -> Array:
        x = exam.drawn(batches)
        ys = started(x.target, len(o.symbols[1]))
        return loss_of(seq2seq.teach(p, x.source, x.lengths, ys, train.unroll), x.target)

    yield p, _News(0, math.nan, exam.moment(p))
    course = train.fit(p, loss, steps=o.train_steps, lr=o.lr, schedule="cosine", clip=_CLIP)
    for step, value in course:
        done = step + 1
        yield p, _News(done, value, exam.moment(p) if done in measured else None)


class _Course:
    """All that is known of the trainings so far."""

    def __init__(self, o: _Options, exam: _Exam, device: str) -> None:
        self.o, self.exam, self.device, self.x = o, exam, device, o.x()
        shape = (o.seeds, len(self.x))
        self.symbols = {who: np.full(shape, np.nan) for who in WHO}
        self.exact = {who: np.full(shape, np.nan) for who in WHO}
        self.steps = {who: [0] * o.seeds for who in WHO}  # of the newest news
        self.last: dict[_Job, _News] = {}  # the newest with a measurement
        self.parameters = {who: trees.count(_new(o, _Job(who, 0))) for who in WHO}

    def add(self, job: _Job, news: _News) -> None:
        """Note what a training tells."""
        who, network, moment = job.who, job.network, news.moment
        self.steps[who][network] = news.step
        if moment is None:
            return
        self.last[job] = news
        columns = slice(None)  # all lengths, or the step
        if self.o.task == "dates":
            columns = slice(self.x.index(news.step), self.x.index(news.step) + 1)
        self.symbols[who][network, columns] = moment.symbols
        self.exact[who][network, columns] = moment.exact

    def done(self) -> float:
        """The share of all steps."""
        return sum(map(sum, self.steps.values())) / (2 * self.o.seeds * self.o.train_steps)

    def result(self, stopped: bool = False) -> Align:
        """The numbers so far."""
        o, x, dates = self.o, self.x, self.o.task == "dates"
        measure: Measure = "exact" if dates else "symbols"
        shares = {"exact": self.exact, "symbols": self.symbols}
        chance = {name: np.array([getattr(c, name) for c in self.exam.chances]) for name in shares}
        curves = {
            (name, who): series(f"{name}, {who} attention", x, shares[name][who])
            for name in shares
            for who in WHO
        }
        guessed = [series(f"{name}, chance", x, chance[name][None]) for name in shares]
        jobs = {who: [_Job(who, network) for network in range(o.seeds)] for who in WHO}
        last = {who: [self.last.get(job) for job in jobs[who]] for who in WHO}
        moments = [
            (job, news.moment)
            for who in WHO
            for job, news in zip(jobs[who], last[who])
            if news is not None and news.moment is not None
        ]
        looking = [moment for job, moment in moments if job.who == "with"]
        return Align(
            **asdict(o),
            device=self.device,
            parameters=self.parameters,
            against="step" if dates else "length",
            x=x,
            measure=measure,
            accuracy={
                who: {str(at): float(y) for at, y in zip(x, curves[measure, who].median)}
                for who in WHO
            },
            symbols={who: runs.copy() for who, runs in self.symbols.items()},
            exact={who: runs.copy() for who, runs in self.exact.items()},
            chance=chance,
            series=[*curves.values(), *guessed],
            truth=self.exam.truth,
            form=self.exam.form,
            alignment=looking[0].alignment if looking else None,
            written=[Written(*job, m.written, m.alignment) for job, m in moments],
            hits=np.array([moment.shifts[0] for moment in looking]),
            hits_chance=self.exam.hits_chance,
            shifts={
                f"{cells:+d}" if cells else "0": np.array([m.shifts[cells] for m in looking])
                for cells in (looking[0].shifts if looking else ())
            },
            steps={who: [news and news.step for news in last[who]] for who in WHO},
            losses={who: [news.loss if news else math.nan for news in last[who]] for who in WHO},
            stopped=stopped,
        )


def _train(o: _Options, device_name: str, watch: Watch) -> Align:
    """Train all networks, as many at a time as there are cores, and put their news together."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    device = train.device(device_name)
    exam = _Exam(o)
    course = _Course(o, exam, device.type)
    jobs = [_Job(who, network) for network in range(o.seeds) for who in WHO]

    def work(job: _Job) -> Iterator[_News]:
        return (news for _p, news in _learn(o, exam, device, job))

    view = None
    for i, news in train.side_by_side(work, jobs, device=device):
        course.add(jobs[i], news)
        if news.moment is not None:
            view = partial(show, course.result())
        doing = _("{who}, network {network}: step {step} of {steps}").format(
            who=_(_NAMES[jobs[i].who]), network=jobs[i].network + 1, step=news.step,
            steps=o.train_steps,
        )  # fmt: skip
        try:
            watch(course.done(), doing, view)
        except Stopped:
            return course.result(stopped=True)
    return course.result()


# The oracle


def check(text: str | None = None, *, device: str = "auto", **options: Any) -> list[Check]:
    """Both networks of the first seed, after 50 steps at the most, in torch.nn and float64.

    Scores, weights, and the gradients of the loss by all parameters, on inputs of the test; the
    errors are relative to the largest number of each.
    """
    from seqlab import train

    o = _chosen(text, **options)
    o = replace(o, train_steps=min(o.train_steps, _CHECKED))
    exam = _Exam(o)
    found = []
    for who in WHO:
        for p, _news in _learn(o, exam, train.device(device), _Job(who, 0)):
            learned = p
        errors = _compared(train.trained(learned), exam.aligned)
        found += [
            Check(name.format(who=_(_NAMES[who])), error, 1e-9)
            for name, error in zip(
                (_("{who}: scores and torch"), _("{who}: gradients and torch")), errors
            )
        ]
    return found


def _compared(learned: Seq2Seq, test: Batch) -> list[float]:
    """The largest error of scores (with the weights), and of gradients."""
    import torch

    from seqlab import train

    some = slice(0, 16)
    xs, lengths, target = test.source[some], test.lengths[some], test.target[some]
    ys = started(target, len(learned.decoder.embed) - 1)
    outputs, gradients = [], []
    for function in (seq2seq.teach, _in_torch):
        p = train.trainable(learned, dtype=torch.float64)
        output = function(p, xs, lengths, ys)
        loss_of(output, target).backward()
        seen = [x.detach().flatten() for x in output if x is not None]
        outputs.append(torch.cat(seen))
        gradients.append(torch.cat([leaf.grad.flatten() for _name, leaf in trees.leaves(p)]))
    return [
        float((ours - theirs).abs().max() / theirs.abs().max())
        for ours, theirs in (outputs, gradients)
    ]


def _in_torch(
    p: Seq2Seq, xs: NDArray[np.int64], lengths: NDArray[np.int64], ys: NDArray[np.int64]
) -> Output:
    """`seq2seq.teach` by torch.nn's LSTM on packed sequences, LSTMCell, and torch's functions."""
    import torch
    import torch.nn.functional as F
    from torch.func import functional_call
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    def weights(cell: Any, suffix: str) -> dict[str, Array]:
        zero = torch.zeros_like(cell.b)
        parts = {"weight_ih": cell.W_x.T, "weight_hh": cell.W_h.T, "bias_ih": cell.b}
        return {name + suffix: part for name, part in (parts | {"bias_hh": zero}).items()}

    encoder, decoder = p
    c, d = encoder.forward.W_x.shape[0], encoder.forward.W_h.shape[0]
    named = weights(encoder.forward, "_l0")
    if encoder.backward is not None:
        named |= weights(encoder.backward, "_l0_reverse")
    both = encoder.backward is not None
    reader = torch.nn.LSTM(c, d, batch_first=True, bidirectional=both, dtype=torch.float64)
    x = F.embedding(torch.as_tensor(xs), encoder.embed)
    packed = pack_padded_sequence(x, torch.as_tensor(lengths), True, enforce_sorted=False)
    read, (last, _cell) = functional_call(reader, named, (packed,))
    h = pad_packed_sequence(read, batch_first=True, total_length=xs.shape[1])[0]
    first = F.linear(torch.cat(list(last), -1), decoder.W_z.T, decoder.b_z)
    state = torch.tanh(first), first
    writer = torch.nn.LSTMCell(decoder.cell.W_x.shape[0], d, dtype=torch.float64)
    padding = torch.arange(xs.shape[1]) >= torch.as_tensor(lengths)[:, None]
    a, scores, seen = decoder.attention, [], []

    def context(score: Array) -> Array:
        seen.append(F.softmax(score.masked_fill(padding, -torch.inf), -1))
        return torch.einsum("bs,bsm->bm", seen[-1], h)

    for y in torch.as_tensor(ys).T:
        x = F.embedding(y, decoder.embed)
        if isinstance(a, seq2seq.Bahdanau):
            asked = F.linear(state[0], a.W_a.T)[:, None] + F.linear(h, a.U_a.T)
            found = context(torch.tanh(asked) @ a.v)
            x = torch.cat([x, found], -1)
        state = functional_call(writer, weights(decoder.cell, ""), (x, state))
        out = state[0]
        if isinstance(a, seq2seq.Luong):
            found = context(torch.einsum("bd,dm,bsm->bs", state[0], a.W_a, h))
        if a is not None:
            out = torch.tanh(F.linear(torch.cat([found, out], -1), a.W_c.T))
        scores.append(F.linear(out, decoder.W_y.T, decoder.b_y))
    return Output(torch.stack(scores, 1), torch.stack(seen, 1) if seen else None)


# The screen

_NAMES = {"with": N_("with attention"), "without": N_("one vector")}
_KEYS = {"with": "attention", "without": "lstm"}
_EQUATIONS = {
    "dot": "cₜ = Σₛ αₜₛ hₛ   αₜ = softmaxₛ(sₜ Wₐ hₛ)",
    "additive": "cₜ = Σₛ αₜₛ hₛ   αₜ = softmaxₛ(v·tanh(sₜ₋₁ Wₐ + hₛ Uₐ))",
}
_TASKS = {
    "dates": N_("dates in {n} forms → ISO"),
    "reverse": N_("digits, back to front"),
    "copy": N_("digits, copied"),
    "sort": N_("digits, sorted"),
}


def show(result: Align, detail: bool = False) -> RenderableType:
    """How much is right, and beside it what the outputs of one network look at; then numbers."""
    title = Title(
        _("What if all that was read must fit into one vector?"), _EQUATIONS[result.attention]
    )
    figures: RenderableType = _curves(result, result.measure)
    if result.alignment is not None:
        first = next(w for w in result.written if w.alignment is not None)
        figures = Beside(figures, _map(result, first), left_width=52)
    parts: list[RenderableType] = [title, Note(_about(result)), figures, _table(result)]
    if detail:
        other: Measure = "symbols" if result.measure == "exact" else "exact"
        panels = [
            (_("network {n}").format(n=w.network + 1), _map(result, w))
            for w in result.written
            if w.alignment is not None
        ]
        parts += [
            _curves(result, other), Panels(panels, min_width=44), _texts(result), _shifts(result),
        ]  # fmt: skip
    return Group(*parts)


def _about(result: Align) -> str:
    """What was trained, in a line."""
    ways = _("read one way") if result.one_way else _("read both ways")
    pattern = _("{task}; LSTM {hidden} wide, {ways}; {steps}, {seeds}")
    seeds = ngettext("{n} network of each kind", "{n} networks of each kind", result.seeds)
    return pattern.format(
        task=_(_TASKS[result.task]).format(n=len(rewrite.FORMS)),
        hidden=result.hidden,
        ways=ways,
        steps=_steps([*result.steps["with"], *result.steps["without"]]),
        seeds=seeds.format(n=result.seeds),
    )


def _steps(reached: Iterable[int | None]) -> str:
    """How long was trained: the fewest steps and the most, of the networks that were measured."""
    known = [step for step in reached if step is not None]
    low, high = min(known), max(known)
    if low < high:
        return _("{low} to {high} steps").format(low=low, high=high)
    return ngettext("{n} step", "{n} steps", high).format(n=high)


def _curves(result: Align, measure: Measure) -> Curves:
    """What is right with and without attention, against steps or lengths; what chance reaches."""
    chance = result.chance[measure]
    lines = []
    if chance.max() > 0.01:  # else it is the axis
        lines.append(Line(_("chance"), result.x, chance, key="theory", dashed=True))
    names = {f"{measure}, {who} attention": who for who in WHO}
    for s in reversed(result.series):
        if s.name in names:
            who = names[s.name]
            name = _(_NAMES[who])
            lines.append(Line(name, s.x, s.median, s.low, s.high, key=_KEYS[who]))
    y_labels = {"exact": _("without a mistake (share)"), "symbols": _("right symbols (share)")}
    x_label = _("steps of training")
    if result.against == "length":
        x_label = _("length (trained: 1 to {n})").format(n=result.length)
    return Curves(
        lines, x_label=x_label, y_label=y_labels[measure], height=13, y_range=(0, 1),
        x_range=(0, max(result.x)), legend="below",
    )  # fmt: skip


def _map(result: Align, written: Written) -> Heatmap:
    """What one network looked at while it wrote: outputs down, inputs across."""
    read = result.text.lower() if result.task == "dates" else result.text
    return Heatmap(
        written.alignment if written.alignment is not None else np.zeros((0, 0)),
        rows=list(written.text), columns=list(read.replace(" ", "␣")), row_axis=_("written"),
        column_axis=_("read"), limits=(0.0, 1.0), numbers=False, max_height=_LONGEST_TEXT,
        cell_width=4 if len(read) <= 10 else 3 if len(read) <= 14 else 2,
    )  # fmt: skip


def _table(result: Align) -> Table:
    """One line for each kind of network: what it wrote, what is right, where it looks."""
    columns = [Column("", "left"), Column(_("writes"), "left")]
    places = [-1] if result.against == "step" else _told_lengths(result)
    if result.against == "step":
        columns += [Column(_("without a mistake")), Column(_("right symbols"))]
    else:
        columns += [
            Column(_("length {n}: symbols (all)").format(n=result.x[place])) for place in places
        ]
    columns += [Column(_("looks where needed")), Column(_("parameters"))]
    rows = []
    for who in WHO:
        texts = [w.text for w in result.written if w.who == who]
        cells = []
        for place in places:
            exact, symbols = (
                percent(_median(_now(result, who, measure, place))) for measure in MEASURES
            )
            cells += [exact, symbols] if result.against == "step" else [f"{symbols} ({exact})"]
        looks = (
            percent(float(np.median(result.hits))) if who == "with" and len(result.hits) else "-"
        )
        rows.append(
            [_(_NAMES[who]), texts[0] if texts else "-", *cells, looks,
             f"{result.parameters[who]:,}"]
        )  # fmt: skip
    blank = [""] * (len(columns) - 2)
    rows.append([_("truth"), result.truth or _("unknown"), *blank])
    return Table(columns, rows, keys=[*_KEYS.values(), "theory"])


def _told_lengths(result: Align) -> list[int]:
    """Lengths for the table, as places in `x`: about half the longest trained, that, the last."""
    assert result.length is not None
    half = min(result.x, key=lambda n: abs(2 * n - (result.length or 0)))
    return [result.x.index(n) for n in sorted({half, result.length, result.x[-1]})]


def _now(result: Align, who: Who, measure: Measure, place: int) -> Floats:
    """What each network reaches, (seeds,): at the newest step, or at a length after all of them."""
    runs = (result.exact if measure == "exact" else result.symbols)[who]
    if result.against == "length":
        return runs[:, place]
    return np.array([run[~np.isnan(run)][-1] if (~np.isnan(run)).any() else np.nan for run in runs])


def _median(values: Floats) -> float:
    """The median of those that are numbers; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else math.nan


def _texts(result: Align) -> Table:
    """What all networks make of the text."""
    rows = [
        [_(_NAMES[w.who]), str(w.network + 1), w.text, number(result.losses[w.who][w.network], 2)]
        for w in result.written
    ]
    numbers = Column(_("network")), Column(_("writes"), "left"), Column(_("loss (nats)"))
    return Table([Column("", "left"), *numbers], rows)


def _shifts(result: Align) -> Table:
    """Where the largest weight lies, seen from the nearest input that is needed."""
    near = [cells for cells in result.shifts if abs(int(cells)) <= _FAR]
    rows = [
        [_("network {n}").format(n=i + 1), percent(hits)]
        + [percent(float(result.shifts[cells][i])) for cells in near]
        for i, hits in enumerate(result.hits)
    ]
    first = Column(_("cells to the right"), "left")
    return Table([first, Column(_("looks where needed")), *map(Column, near)], rows)


# The sentences


def takeaways(result: Align) -> list[str]:
    """What this run showed: the gap, where attention looks, and what became of the text."""
    lost = sum(
        not math.isfinite(loss)
        for who in WHO
        for step, loss in zip(result.steps[who], result.losses[who])
        if step  # before the first there is no loss
    )
    if lost:
        return diverged(lost)
    sentences = list(dict.fromkeys(_gap_said(result, place) for place in _said_places(result)))
    if len(result.hits):
        sentences.append(_alignment_said(result))
    if result.task == "dates":
        sentences.append(_text_said(result))
    return sentences


def _said_places(result: Align) -> list[int]:
    """Where the gap is told: at the newest step, or at the longest lengths trained and tested."""
    return [-1] if result.length is None else [result.x.index(result.length), -1]


class _Pairs(NamedTuple):
    """The pairs of networks, with and without attention, of which both had the same training."""

    steps: list[int]  # of each
    shares: dict[Who, Floats]  # (pairs,)


def _pairs(result: Align, place: int) -> _Pairs:
    """Those that can be compared: after the newest step at which both were measured.

    Dates keep the measurements of all steps, digits only the newest: there, Ctrl-C may have left
    the two of a pair at different ones.
    """
    runs: dict[Who, Floats] = result.exact if result.measure == "exact" else result.symbols
    steps, found = [], []
    for n in range(result.seeds):
        if result.length is None:
            (there,) = (~np.isnan(runs["with"][n] + runs["without"][n])).nonzero()
            column = int(there[-1]) if there.size else None
            step = None if column is None else result.x[column]
        else:
            column, step = place, result.steps["with"][n]
            if step != result.steps["without"][n]:
                step = None
        if column is not None and step is not None:
            steps.append(step)
            found.append([runs[who][n, column] for who in WHO])
    table = np.array(found).reshape(-1, 2)
    return _Pairs(steps, {who: table[:, i] for i, who in enumerate(WHO)})


def _gap_said(result: Align, place: int) -> str:
    """What is right with and without attention, and whether all pairs of networks agree on it."""
    steps, shares = _pairs(result, place)
    if not steps:
        return _("There is no pair of networks, with attention and without, to compare yet.")
    if result.length is None:
        where = _("Of dates that no network was trained on, after {steps}")
    elif place == -1:
        where = _("At length {n}, longer than any trained on")
    else:
        where = _("At length {n}, the longest trained on, after {steps}")
    chance = float(result.chance[result.measure][place])
    patterns = {
        "exact": _("{where}, attention gets {a} without a mistake, one vector {b}"),
        "symbols": _("{where}, attention gets {a} of the symbols right, one vector {b}"),
    }
    numbers = patterns[result.measure].format(
        where=where.format(n=result.x[place], steps=_steps(steps)),
        a=percent(float(np.median(shares["with"]))),
        b=percent(float(np.median(shares["without"]))),
    )
    points = 100 * (shares["with"] - shares["without"])
    low, high = points.min(), points.max()
    if max(shares["with"].max(), shares["without"].max()) < chance + _GAP / 100:
        verdict = _("{numbers}: neither is better than guessing by {limit} points.")
    elif low >= _GAP:
        verdict = _("{numbers}: {gap} points more with attention.")
    elif high <= -_GAP:
        verdict = _("{numbers}: {gap} points less with attention.")
        low, high = -high, -low
    elif np.abs(points).max() < _GAP:
        verdict = _("{numbers}: no gap of {limit} points between them.")
    else:
        verdict = _(
            "{numbers}: whether attention is {limit} points ahead depends on the network:"
            " {gap} points."
        )
    return verdict.format(numbers=numbers, gap=_span(low, high), limit=f"{_GAP:g}")


def _span(low: float, high: float) -> str:
    """The least and the largest of some numbers; one of them if they look alike."""
    first, last = number(low, 2), number(high, 2)
    return first if first == last else _("{low} to {high}").format(low=first, high=last)


def _alignment_said(result: Align) -> str:
    """How often the largest weight lies where it is needed, and if beside it, where."""
    numbers = _(
        "The largest weight of an output lies on an input that it needs in {hits} of all cases"
        " (by chance: {chance})"
    ).format(hits=percent(float(np.median(result.hits))), chance=percent(result.hits_chance))
    most = [
        max(result.shifts, key=lambda cells: result.shifts[cells][network])
        for network in range(len(result.hits))
    ]
    low, high = (pick(map(int, most)) for pick in (min, max))
    if low < high:
        text = _(
            "{numbers}; where it lies most often depends on the network: {low} to {high} cells to"
            " the right of the nearest."
        )
        return text.format(numbers=numbers, low=low, high=high)
    if low == 0:
        shapes = {
            "reverse": _("{numbers}: that is the anti-diagonal of a test sequence."),
            "copy": _("{numbers}: that is the diagonal of a test sequence."),
        }
        text = shapes.get(result.task, _("{numbers}."))
    elif low > 0:
        text = ngettext(
            "{numbers}; most often, in {share}, it is {n} cell to the right of the nearest.",
            "{numbers}; most often, in {share}, it is {n} cells to the right of the nearest.",
            low,
        )
    else:
        text = ngettext(
            "{numbers}; most often, in {share}, it is {n} cell to the left of the nearest.",
            "{numbers}; most often, in {share}, it is {n} cells to the left of the nearest.",
            -low,
        )
    share = percent(float(np.median(result.shifts[most[0]])))
    return text.format(numbers=numbers, share=share, n=abs(low))


def _text_said(result: Align) -> str:
    """How many networks write the date of the text, or what they make of it."""
    texts = {who: [w.text for w in result.written if w.who == who] for who in WHO}
    if result.truth is None:
        return _(
            "“{text}” is no date in a form that was trained on: with attention it becomes {a},"
            " through one vector {b}."
        ).format(
            text=result.text,
            a=" · ".join(dict.fromkeys(texts["with"])) or "-",
            b=" · ".join(dict.fromkeys(texts["without"])) or "-",
        )
    right = {who: sum(text == result.truth for text in texts[who]) for who in WHO}
    sentence = _(
        "“{text}” becomes {truth} with attention in {a} of {m} networks, through one vector in {b}"
        " of {n}."
    ).format(
        text=result.text, truth=result.truth, a=right["with"], m=len(texts["with"]),
        b=right["without"], n=len(texts["without"]),
    )  # fmt: skip
    first, last = rewrite.FIRST.isoformat(), rewrite.LAST.isoformat()
    if not first <= result.truth <= last:
        sentence += _(" Such a year was never trained on: {low} to {high} were.").format(
            low=rewrite.FIRST.year, high=rewrite.LAST.year
        )
    return sentence


def question(result: Align) -> Question:
    """How much a network without attention gets right, at the end or at the longest trained."""
    place = _said_places(result)[0]
    who: Who = "without" if any(w.who == "without" for w in result.written) else "with"
    share = _median(_now(result, who, result.measure, place))
    if result.length is None:
        text = _("How many of 100 unseen dates does this network write without a mistake: {who}?")
    else:
        text = _("How many of 100 digits are right at length {n}, the longest trained on: {who}?")
    why = _("{share} are right; {other}: {rest}.")
    other: Who = "with" if who == "without" else "without"
    return Question(
        text=text.format(n=result.length, who=_(_NAMES[who])),
        choices=[_("fewer than 25"), _("25 to 49"), _("50 to 74"), _("75 or more")],
        answer=min(3, int(4 * share)),
        why=why.format(
            share=percent(share),
            other=_(_NAMES[other]),
            rest=percent(_median(_now(result, other, result.measure, place))),
        ),
    )
