"""When does an LSTM hold, and when does it let go? Its gates at work, step by step.

A small LSTM learns to keep a state over noise: the value that was set last (latch), whether a
quotation is open (quotes), how many brackets are (depth). Then it reads a sequence, yours if you
like, and shows its forget, input and output gates and its cell at every symbol.

What the forget gates let through from step to step, multiplied, is the highway on which the
gradient goes back in time. Beside it stands the gradient as it is, ∂c_T/∂c_t, whose other ways lead
through h and through all the gates. Several networks are trained, each on draws of its own.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Group, RenderableType

from seqlab.book import lstm
from seqlab.book.lstm import LSTM
from seqlab.book.ops import Array
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import number, percent
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.panels import Beside
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
    one_of,
    require,
    series,
)
from seqlab.locale import N_, _, ngettext
from seqlab.tasks.states import DEEPEST, EVENTS, TASKS, Task, events, without_memory

Floats = NDArray[np.float64]
Tokens = NDArray[np.int64]
TaskName = Literal["latch", "quotes", "depth"]

EXAMPLES = {
    "latch": ". SET-a , . : . , RESET . , : . SET-b . , : . . , : . , . : , . : .",
    "quotes": 'he said "go" and "no" or "wait',
    "depth": "a(b(c(d(e(f)g)h)i)j)k(lm(nop",
}
_TRY = {"latch": "SET-a . , RESET .", "quotes": 'he said "go"', "depth": "a(b(c)d)"}
_HIDDEN = {"latch": 2, "quotes": 3, "depth": 8}  # with more units several share the work
_ALPHABETS = {
    "latch": N_("SET-a, SET-b, RESET and the noise . , : with spaces between"),
    "quotes": N_('letters a to z, spaces and "'),
    "depth": N_("letters a to z and ( )"),
}
_LENGTH = 30  # of the sequences that are trained on
_LONGEST = 200  # of a sequence of the user's
_HELD_OUT = 128  # sequences that no network is trained on
_MEASUREMENTS = 12  # of a whole training
_STEPS, _SEEDS = 300, 3
_QUICK_STEPS, _QUICK_SEEDS = 200, 1
_CLIP = 1.0
_SHOWN = 3  # units on the first screen
_LEARNED = 0.95  # the share of right answers from which on it counts as learned
_APART = 0.05  # by less two shares hardly differ
_HOLDS, _LETS_GO = 0.8, 0.4  # the shares of a cell that a gate keeps at least, and at most
_COUNTS = 0.9  # the correlation from which on a cell counts
_ACCOUNTS = 1.1  # a factor up to which the product of forget gates is the gradient
_BETTER = 0.05  # by how much more than chance is right where anything is remembered
_CHECKED = 50  # steps, at the most, after which a network is compared with the oracle


# The network: an LSTM, and the state read off its output


class Net(NamedTuple):
    """The parameters: c symbols, d units, k states."""

    cell: LSTM
    W: Array  # (d, k)
    b: Array  # (k,)


def init(rng: np.random.Generator, c: int, d: int, k: int, forget_bias: float) -> Net:
    """The page's parameters, and a readout of variance 1/d without bias."""
    cell = lstm.init(rng, c, d, forget_bias)
    return Net(cell, rng.normal(0.0, 1 / math.sqrt(d), (d, k)), np.zeros(k))


def scores(p: Net, h: Array) -> Array:
    """The scores of every state from the outputs h: (..., d) -> (..., k)."""
    return h @ p.W + p.b


# What is measured


@dataclass(frozen=True)
class Network:
    """What one network does; the text apart, on sequences that it was not trained on.

    `accuracy` is the share of steps whose state it names rightly. `kept`, by event, is the share
    of a unit's cell that the forget gate lets stay in a step, Σ f |c_{t-1}| / Σ |c_{t-1}|. `told`,
    a number a unit, says how much a cell tells of the state: the size of its correlation with the
    depth, or the correlation ratio (the root of the share of the cell's variance that lies between
    the states). `unit` is the one that tells most, from 0.

    On the text, at each step t: `highway` is the product of that unit's forget gates after t, and
    `gradient` is |∂c_T/∂c_t| of the unit as measured, through h and all gates; `whole` is the norm
    of the whole Jacobian, ‖∂c_T/∂c_t‖ / √d. At the last step all three are 1.
    """

    accuracy: float
    kept: dict[str, Floats]
    told: Floats
    unit: int
    highway: Floats
    gradient: Floats
    whole: Floats


@dataclass(frozen=True)
class Gates(Trained):
    """Gates over time, in the first of the networks, on `text`; and what all networks do.

    `gates` and `cell` are [unit][time]; `truth` and `predictions` name the state after each of the
    `tokens`. `chance` is the share of right answers of one who knows the present symbol only.
    `since` is the step, from 1, to which the road back is followed: where the state last changed,
    or for depth the first. `series` are the curves: of the first network, but `accuracy` of all,
    over the `steps` of training that were done.
    """

    task: str
    text: str
    hidden: int
    forget_bias: float
    train_steps: int
    seeds: int
    batch: int
    lr: float
    quick: bool
    seed: int
    device: str
    parameters: int
    steps: int
    loss: list[float]
    chance: float
    tokens: list[str]
    truth: list[str]
    predictions: list[str]
    since: int
    gates: dict[str, Floats]
    cell: Floats
    networks: list[Network]
    series: list[Series]


def run(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT",
            help=N_("What the LSTM reads, in the task's symbols; - is standard input."),
        ),
    ] = None,
    *,
    task: Annotated[
        TaskName,
        typer.Option(help=N_("What is to be remembered: a value, open quotes, open brackets.")),
    ] = "latch",
    hidden: Annotated[
        int | None,
        typer.Option(min=1, max=64, help=N_("Units of the LSTM; by default 2, 3 or 8 by task.")),
    ] = None,
    forget_bias: Annotated[
        float, typer.Option(help=N_("Bias of the forget gates before training; try -2."))
    ] = 2.5,
    train_steps: Annotated[
        int | None,
        typer.Option(min=1, max=5000, help=N_("Steps of training; by default 300, 200 if quick.")),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=16, help=N_("Networks to train; by default 3, 1 if quick.")),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=256, help=N_("Sequences in a step."))] = 32,
    lr: Annotated[float, typer.Option(help=N_("Learning rate of Adam."))] = 0.04,
    device: Device = "auto",
    quick: Quick = False,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Gates:
    """Train LSTMs to keep a state over noise, and record every gate while they read `text`.

    The forget bias is 2.5 where 1 is usual: with 1 the latch answers as well, but by cells that
    lose more while they hold (7 to 25 % a step, against 2 to 18, in nine networks each).

    Raises:
        BadInput: an option out of range, a text that is none of the task's, no such device.
    """
    o = _Options(
        task, text, hidden, forget_bias, train_steps, seeds, batch, lr, quick, seed
    ).checked()
    return _train(o, device, watch or (lambda done, doing, view=None: None))


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart; None until `checked` fills it in."""

    task: str = "latch"
    text: Any = None
    hidden: Any = None
    forget_bias: float = 2.5
    train_steps: Any = None
    seeds: Any = None
    batch: int = 32
    lr: float = 0.04
    quick: bool = False
    seed: int = 0

    def checked(self) -> "_Options":
        """These options with nothing left open; or BadInput."""
        one_of(self.task, "task", TASKS)
        steps, seeds = (_QUICK_STEPS, _QUICK_SEEDS) if self.quick else (_STEPS, _SEEDS)
        filled = replace(
            self,
            text=EXAMPLES[self.task] if self.text is None else self.text,
            hidden=_HIDDEN[self.task] if self.hidden is None else self.hidden,
            train_steps=steps if self.train_steps is None else self.train_steps,
            seeds=seeds if self.seeds is None else self.seeds,
        )
        require(filled.hidden, "hidden", 1, 64)
        require(filled.forget_bias, "forget-bias", -100.0, 100.0)
        require(filled.train_steps, "train-steps", 1, 5000)
        require(filled.seeds, "seeds", 1, 16)
        require(filled.batch, "batch", 1, 256)
        require(filled.lr, "lr", 0.0, 1.0)
        require(filled.seed, "seed", 0)
        tokens = read(filled.task, filled.text)
        symbols = [filled.world.symbols[i] for i in tokens]
        return replace(filled, text=filled.world.separator.join(symbols))

    @property
    def world(self) -> Task:
        return TASKS[self.task]

    def network(self, i: int) -> Net:
        """Network i before training."""
        rng = np.random.default_rng([self.seed, 0, i])
        c, k = len(self.world.symbols), len(self.world.states)
        return init(rng, c, self.hidden, k, self.forget_bias)


def read(name: str, text: str) -> Tokens:
    """The symbols of `text`, as numbers; or BadInput, which names the task's alphabet."""
    task = TASKS[name]
    words = text.split() if task.separator else list(text)
    alphabet = _(_ALPHABETS[name])
    if not words:
        raise BadInput(_("the text is empty"), alphabet, f"'{_TRY[name]}'")
    if len(words) > _LONGEST:
        found = ngettext("{n} symbol", "{n} symbols", len(words)).format(n=len(words))
        raise BadInput(found, _("at most {high}").format(high=_LONGEST))
    for word in words:
        if word not in task.symbols:
            raise BadInput(f"{word[:12]!r} (--task {name})", alphabet, _fitting(text, name))
    tokens = np.array([task.symbols.index(word) for word in words])
    states = task.follow(tokens)
    if states.min() < 0:
        place = int(np.argmax(states < 0)) + 1
        wrong = _("the ) at place {n}").format(n=place)
        raise BadInput(wrong, _("an opening bracket before each closing one"))
    if states.max() >= len(task.states):
        wrong = _("{n} brackets open at a time").format(n=int(states.max()))
        expected = _("at most {high}").format(high=DEEPEST)
        raise BadInput(wrong, expected)
    return tokens


def _fitting(text: str, name: str) -> str:
    """What to try with a text that is not of the task: another, or an example."""
    for other, task in TASKS.items():
        words = text.split() if task.separator else list(text)
        if other != name and all(word in task.symbols for word in words):
            return f"--task {other}"
    return f"'{_TRY[name]}'"


# Training


class _Learner:
    """All networks while they learn, each on its own batches; stacked, for one optimiser."""

    def __init__(self, o: _Options, device: Any) -> None:
        import torch

        from seqlab import train, trees

        self.o, self.device = o, device
        self.p = train.trainable(trees.stack([o.network(i) for i in range(o.seeds)]), device)
        self.batches = [np.random.default_rng([o.seed, 1, i]) for i in range(o.seeds)]
        self.one_hot = torch.eye(len(o.world.symbols), device=device)

    def fit(self) -> Iterator[tuple[int, Any]]:
        """One step after the other: (step, loss of every network)."""
        from seqlab import train

        return train.fit(self.p, self.loss, steps=self.o.train_steps, lr=self.o.lr, clip=_CLIP)

    def loss(self, step: int) -> Array:
        """The loss of every network on its next batch, (m,): cross-entropy in nats a step."""
        import torch

        return torch.stack([self._loss(i) for i in range(self.o.seeds)])

    def _loss(self, i: int) -> Array:
        import torch

        from seqlab import train, trees

        tokens = self.o.world.draw(self.batches[i], self.o.batch, _LENGTH)
        states = self.o.world.follow(tokens)
        p: Net = trees.pick(self.p, i)
        xs = self.one_hot[torch.as_tensor(tokens.T, device=self.device)]
        hs, _last = train.unroll(p.cell, xs)
        right = torch.as_tensor(states.T, device=self.device)
        return torch.nn.functional.cross_entropy(scores(p, hs).flatten(0, 1), right.flatten())

    def networks(self) -> list[Net]:
        """The networks as they are now, in float64, which is what measurements are made in."""
        from seqlab import train, trees

        now = trees.convert(lambda leaf: leaf.astype(np.float64), train.trained(self.p))
        return [trees.pick(now, i) for i in range(self.o.seeds)]


def _train(o: _Options, device_name: str, watch: Watch) -> Gates:
    """Train the networks; measure them on the way, and at the end."""
    watch(0.0, _("loading torch"))
    from seqlab import train, trees

    device = train.device(device_name)
    learner, exam = _Learner(o, device), _Examiner(o)
    every = max(1, round(o.train_steps / _MEASUREMENTS))
    view: Callable[[], RenderableType] | None = None
    course: list[tuple[int, list[float]]] = []  # steps, and the accuracy of every network

    def measure(done: int, losses: Any) -> Gates:
        networks = learner.networks()
        seen = [(exam.read(p, exam.tokens), exam.read(p, exam.text[None])) for p in networks]
        found = [exam.network(p, *each) for p, each in zip(networks, seen, strict=True)]
        course.append((done, [n.accuracy for n in found]))
        return Gates(
            **asdict(o), device=device.type, parameters=trees.count(networks[0]), steps=done,
            loss=np.asarray(losses, float).tolist(), chance=exam.chance, since=exam.since,
            **exam.pictures(seen[0][1]), networks=found,
            series=[exam.accuracies(course), *exam.curves(found[0], *seen[0])],
        )  # fmt: skip

    for step, losses in learner.fit():
        done = step + 1
        if done % every == 0 or done == o.train_steps:
            result = measure(done, losses)
            view = partial(show, result)
        doing = _("step {step} of {steps}").format(step=done, steps=o.train_steps)
        try:
            watch(done / o.train_steps, doing, view)
        except Stopped:
            if result.steps < done:  # what is shown is the networks as they are now
                result = measure(done, losses)
            return replace(result, stopped=True)
    return result


# Measuring


class _Reading(NamedTuple):
    """What a network does with sequences, all (b, t, d) but the scores (b, t, k)."""

    states: list[lstm.State]  # those of the page, (b, d), from 0
    f: Floats
    c: Floats
    before: Floats  # c_{t-1}
    scores: Floats


class _Examiner:
    """Measures networks, always on the same sequences, which are in no batch, and on the text."""

    def __init__(self, o: _Options) -> None:
        self.o, self.task = o, o.world
        self.tokens = self.task.draw(np.random.default_rng([o.seed, 2]), _HELD_OUT, _LENGTH)
        self.truth = self.task.follow(self.tokens)
        self.events = events(self.task, self.tokens, self.truth)
        self.chance = without_memory(self.tokens, self.truth)
        self.text = read(o.task, o.text)
        self.text_truth = self.task.follow(self.text)
        self.since = _since(self.task, self.text, self.text_truth)

    def read(self, p: Net, tokens: Tokens) -> _Reading:
        """Let a network read tokens (b, t)."""
        xs = np.eye(len(self.task.symbols))[tokens.T]
        states = lstm.unroll(p.cell, xs, lstm.initial_state(p.cell, len(tokens)))
        f, c, h = (
            np.stack([getattr(state, name) for state in states], axis=1) for name in ("f", "c", "h")
        )
        return _Reading(states, f[:, 1:], c[:, 1:], c[:, :-1], scores(p, h[:, 1:]))

    def network(self, p: Net, seen: _Reading, text: _Reading) -> Network:
        """What a network does with the sequences held out, and the road back through the text."""
        told = np.array([self.tells(seen.c[..., unit]) for unit in range(self.o.hidden)])
        unit = int(np.argmax(np.nan_to_num(told)))
        jacobians = lstm.cell_gradients(p.cell, text.states, np.eye(self.o.hidden))[1:]
        right = (seen.scores.argmax(-1) == self.truth).mean()
        return Network(
            accuracy=float(right) if np.isfinite(seen.scores).all() else math.nan,
            kept={name: kept(seen.f, seen.before, self.events == name) for name in EVENTS},
            told=told,
            unit=unit,
            highway=lstm.highway(text.states)[1:, 0, unit],
            gradient=np.abs(jacobians[:, unit, unit]),
            whole=np.linalg.norm(jacobians, axis=(1, 2)) / math.sqrt(self.o.hidden),
        )

    def tells(self, c: Floats) -> float:
        """How much one unit's cell (b, t) tells of the state: see `Network.told`."""
        if self.task.counts:
            return abs(correlation(c, self.truth))
        return correlation(c, self.means(c)[self.truth])

    def means(self, c: Floats) -> Floats:
        """The mean of a unit's cell (b, t) in every state, (k,)."""
        return np.array([c[self.truth == k].mean() for k in range(len(self.task.states))])

    def pictures(self, text: _Reading) -> dict[str, Any]:
        """The fields of the result that show one network on the text."""

        def over_time(name: str) -> Floats:
            return np.stack([getattr(state, name)[0] for state in text.states[1:]], axis=1)

        names = self.task.states
        return {
            "tokens": [self.task.symbols[i] for i in self.text],
            "truth": [names[i] for i in self.text_truth],
            "predictions": [names[i] for i in text.scores[0].argmax(-1)],
            "gates": {"forget": over_time("f"), "input": over_time("i"), "output": over_time("o")},
            "cell": over_time("c"),
        }

    def curves(self, found: Network, seen: _Reading, text: _Reading) -> list[Series]:
        """The road back through the text, and the cell that tells most beside the true state.

        For a task of numbers the cell is scaled, by least squares on the sequences held out, to
        the number that it tells; for others the state is drawn as the mean of the cell in it.
        """
        steps = np.arange(1, len(self.text) + 1)
        cell, c = text.c[0, :, found.unit], seen.c[..., found.unit]
        if self.task.counts:
            state = self.text_truth.astype(float)
            cell = scaled(cell, c, self.truth.astype(float))
        else:
            state = self.means(c)[self.text_truth]
        drawn = {
            "highway": found.highway, "gradient": found.gradient, "whole": found.whole,
            "cell": cell, "state": state,
        }  # fmt: skip
        return [series(name, steps, [values]) for name, values in drawn.items()]

    def accuracies(self, course: Sequence[tuple[int, list[float]]]) -> Series:
        """The accuracy of all networks over the steps of training."""
        steps, runs = [step for step, _found in course], [found for _step, found in course]
        return series("accuracy", steps, np.transpose(runs), chance=self.chance)


def kept(f: Floats, before: Floats, where: NDArray[np.bool_]) -> Floats:
    """The share of a unit's cell that stays, Σ f |c_{t-1}| / Σ |c_{t-1}| over the steps `where`.

    f and before (b, t, d), where (b, t) -> (d,); NaN for a unit that holds nothing there. Weighted
    by what is there to be kept, because a gate of an empty cell is neither open nor shut.
    """
    there = np.abs(before[where])
    with np.errstate(invalid="ignore"):
        return np.asarray((f[where] * there).sum(0) / there.sum(0))


def correlation(x: Floats, y: Floats | Tokens) -> float:
    """Pearson's correlation of two arrays of one shape; 0 where one of them is constant."""
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    return float((x * y).sum()) / size if size else 0.0


def scaled(values: Floats, x: Floats, y: Floats) -> Floats:
    """The line a · values + b, by the a and b that bring a · x + b closest to y (least squares)."""
    spread = float(((x - x.mean()) ** 2).sum())
    a = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else 0.0
    return np.asarray(a * (values - x.mean()) + y.mean())


def _since(task: Task, tokens: Tokens, states: Tokens) -> int:
    """The step, from 1, that the state at the end comes from.

    A number of brackets comes from all of them, so from the first step; other states from their
    last change before the last step, or the first step where there is none.
    """
    before = np.concatenate([[0], states[:-1]])
    changes = np.flatnonzero((states != before) & (np.arange(len(tokens)) < len(tokens) - 1))
    return 1 if task.counts or not len(changes) else int(changes[-1]) + 1


# The oracle


def check(*, device: str = "auto", **options: Any) -> list[Check]:
    """The first network, after 50 steps at the most, by torch.nn and autograd in float64.

    Its scores on the text, the gradients of their cross-entropy by all parameters, which are ours
    by the page's backpropagation through time, and ∂c_T/∂c_t. Errors are relative to the largest
    number of each.
    """
    from seqlab import train

    o = _Options(**options).checked()
    o = replace(o, train_steps=min(o.train_steps, _CHECKED), seeds=1)
    learner = _Learner(o, train.device(device))
    for _step in learner.fit():
        pass
    p, tokens = learner.networks()[0], read(o.task, o.text)
    names = (
        _("scores and torch.nn.LSTM"),
        _("gradients by hand and autograd"),
        _("∂c_T/∂c_t and autograd"),
    )
    truth = o.world.follow(tokens)
    ours, theirs = _by_the_page(p, tokens, truth), _by_torch(p, tokens, truth)
    return [
        Check(name, float(np.max(np.abs(a - b)) / np.max(np.abs(b))), 1e-9)
        for name, a, b in zip(names, ours, theirs, strict=True)
    ]


def _by_the_page(p: Net, tokens: Tokens, truth: Tokens) -> tuple[Floats, Floats, Floats]:
    """Scores (t, k), gradients of the mean cross-entropy, Jacobians (t, d, d)."""
    c, k = p.cell.W_x.shape[0], len(p.b)
    xs = np.eye(c)[tokens][:, None]  # (t, 1, c)
    states = lstm.unroll(p.cell, xs, lstm.initial_state(p.cell, 1))
    hs = np.stack([state.h for state in states[1:]])  # (t, 1, d)
    logits = scores(p, hs)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    error = (shares - np.eye(k)[truth][:, None]) / len(tokens)  # ∂L/∂scores, (t, 1, k)
    grads, _dxs, _dh, _dc = lstm.bptt(p.cell, xs, states, error @ p.W.T)
    readout = [(hs.mT @ error).sum(0), error.sum((0, 1))]
    flat = np.concatenate([g.ravel() for g in [*grads, *readout]])
    d = p.cell.W_h.shape[0]
    return logits[:, 0], flat, lstm.cell_gradients(p.cell, states, np.eye(d))[1:]


def _by_torch(p: Net, tokens: Tokens, truth: Tokens) -> tuple[Floats, Floats, Floats]:
    """The same by torch.nn.LSTM and autograd; the Jacobians cell by cell, with its own equations.

    torch.nn.LSTMCell computes c_t and h_t in one, so that no gradient by c_t passes through h_t.
    """
    import torch
    import torch.nn.functional as F

    W_x, W_h, b, W, b_out = leaves = [
        torch.tensor(x, requires_grad=True) for x in (*p.cell, p.W, p.b)
    ]
    xs = F.one_hot(torch.as_tensor(tokens), W_x.shape[0]).double()
    d = W_h.shape[0]
    net = torch.nn.LSTM(W_x.shape[0], d, dtype=torch.float64)
    weights = dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"), (W_x.T, W_h.T, b)))
    weights["bias_hh_l0"] = torch.zeros_like(b)
    hs, _last = torch.func.functional_call(net, weights, xs)
    logits = hs @ W + b_out
    F.cross_entropy(logits, torch.as_tensor(truth)).backward()  # type: ignore[no-untyped-call]
    flat = torch.cat([leaf.grad.flatten() for leaf in leaves if leaf.grad is not None])

    h = c = torch.zeros(d, dtype=torch.float64)
    cells = []
    for x in xs:
        i, f, g, o = F.linear(torch.cat([x, h]), torch.cat([W_x, W_h]).T, b).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        cells.append(c)
    rows = [torch.autograd.grad(cells[-1][u], cells, retain_graph=True) for u in range(d)]
    jacobians = torch.stack([torch.stack(row) for row in rows], dim=1)
    return logits.detach().numpy(), flat.numpy(), jacobians.numpy()


# The screen

_QUESTION = N_("When does an LSTM hold, and when does it let go?")
_EQUATION = "cₜ = f ⊙ cₜ₋₁ + i ⊙ g     ∂c_T/∂cₜ = ∏ f + …"
_TASKS = {
    "latch": N_("holds the value set last"),
    "quotes": N_("knows if a quotation is open"),
    "depth": N_("counts open brackets"),
}
_GATES = {"forget": N_("forget"), "input": N_("input"), "output": N_("output")}
_WHEN = {  # what the events are called, by task
    "latch": {
        "hold": N_("at noise while a value is held"),
        "write": N_("when a value is set"),
        "release": N_("at RESET"),
    },
    "quotes": {
        "hold": N_("at a letter of a quotation"),
        "write": N_("at an opening quotation mark"),
        "release": N_("at a closing quotation mark"),
    },
    "depth": {
        "hold": N_("at a letter within brackets"),
        "write": N_("at an opening bracket"),
        "release": N_("at a closing bracket"),
    },
}


def show(result: Gates, detail: bool = False) -> RenderableType:
    """The gates and the cell over time; the road back, and the cell beside the state."""
    title = Title(_(_QUESTION), _EQUATION)
    about = _("{task}: an LSTM of {units} {does}; {steps} of training, network 1 of {seeds}")
    note = about.format(
        task=result.task,
        units=ngettext("{n} unit", "{n} units", result.hidden).format(n=result.hidden),
        does=_(_TASKS[result.task]),
        steps=ngettext("{n} step", "{n} steps", result.steps).format(n=result.steps),
        seeds=result.seeds,
    )
    shown = _shown(result)
    curves = Beside(_road(result), _cell_curve(result), left_width=49)
    parts: list[RenderableType] = [title, Note(note), *_over_time(result, shown), curves]
    if detail:
        if len(shown) < result.hidden:
            parts += _over_time(result, list(range(result.hidden)))
        parts += [Beside(_road(result, detail), _course(result), left_width=49), _units(result)]
    return Group(*parts)


def _shown(result: Gates) -> list[int]:
    """The units of the first screen: those whose cells tell most, in their order."""
    told = np.nan_to_num(result.networks[0].told)
    return sorted(np.argsort(-told, kind="stable")[:_SHOWN].tolist())


def _over_time(result: Gates, units: list[int]) -> list[RenderableType]:
    """The gates of these units under the symbols, and under them tanh c with what is answered."""
    names = [f"{_(gate)} {u + 1}" for gate in _GATES.values() for u in units]
    cells = [f"tanh c {u + 1}" for u in units]
    widest = max(map(cell_len, names + cells))  # both under each other, so labels as wide
    answers = [
        said if said == true else f"{said}!"
        for said, true in zip(result.predictions, result.truth, strict=True)
    ]
    gates = Heatmap(
        np.concatenate([result.gates[gate][units] for gate in _GATES]),
        rows=[" " * (widest - cell_len(name)) + name for name in names],
        columns=result.tokens, limits=(0.0, 1.0), numbers=False, cell_width=3, max_height=200,
    )  # fmt: skip
    cell = Heatmap(
        np.tanh(result.cell[units]),
        rows=[" " * (widest - cell_len(name)) + name for name in cells],
        columns=answers, column_axis=_("what it answers (! is wrong)"), limits=(-1.0, 1.0),
        colours="diverging", numbers=False, cell_width=3, max_height=200,
    )  # fmt: skip
    return [gates, cell]


def _line(result: Gates, key: str, name: str, ink: str, dashed: bool = False) -> Line:
    """A curve of the result, under the name of the screen."""
    s = next(s for s in result.series if s.name == key)
    return Line(name, s.x, s.median, s.low, s.high, key=ink, dashed=dashed)


def _road(result: Gates, detail: bool = False) -> Curves:
    """The product of forget gates beside the gradient; in detail also the whole Jacobian."""
    n = result.networks[0].unit + 1
    lines = [
        _line(result, "highway", _("∏ f of unit {n}").format(n=n), "theory", True),
        _line(result, "gradient", _("measured"), "lstm"),
    ]
    if detail:
        lines.append(_line(result, "whole", _("whole Jacobian, norm / √d"), "gru"))
    return Curves(
        lines, x_label=_("step t"), y_label=_("∂c_T/∂cₜ of unit {n}").format(n=n), y_scale="log",
        height=10 if detail else 6, legend="below",
    )  # fmt: skip


def _cell_curve(result: Gates) -> Curves:
    """The cell that tells most, beside the state."""
    n = result.networks[0].unit + 1
    counts = TASKS[result.task].counts
    label = _("brackets open") if counts else _("c of unit {n}")
    state = _("depth") if counts else _("its mean in this state")
    cell = _("c of unit {n}, scaled") if counts else _("c of unit {n}")
    lines = [
        _line(result, "state", state, "theory", True),
        _line(result, "cell", cell.format(n=n), "lstm"),
    ]
    return Curves(lines, x_label=_("step t"), y_label=label.format(n=n), height=6, legend="below")


def _course(result: Gates) -> Curves:
    """Accuracy while training, of all networks."""
    s = next(s for s in result.series if s.name == "accuracy")
    chance = np.full(len(s.x), result.chance)
    lines = [
        Line(_("without memory"), s.x, chance, key="theory", dashed=True),
        _line(result, "accuracy", _("accuracy"), "lstm"),
    ]
    return Curves(
        lines, x_label=_("steps of training"), y_label=_("accuracy (all networks)"), height=10,
        y_range=(0, 1), legend="below",
    )  # fmt: skip


def _units(result: Gates) -> Table:
    """What every unit of every network keeps."""
    rows = [
        [
            _("network {n} unit {unit}").format(n=i + 1, unit=u + 1),
            number(float(n.told[u])),
            *(percent(float(n.kept[event][u])) for event in EVENTS),
        ]
        for i, n in enumerate(result.networks)
        for u in range(result.hidden)
    ]
    told = _("correlation with depth") if TASKS[result.task].counts else _("tells the state")
    headers = [told, _("keeps while holding"), _("when written"), _("when let go"), _("when idle")]
    return Table([Column(_("unit"), "left"), *headers], rows)


# The sentences


def _numbers(values: Sequence[float]) -> str:
    """Numbers, their range where they differ."""
    low, high = number(min(values)), number(max(values))
    return low if low == high else _("{low} to {high}").format(low=low, high=high)


def takeaways(result: Gates) -> list[str]:
    """What this run showed: the memory, the gate that holds, and the road back."""
    lost = sum(not math.isfinite(n.accuracy) for n in result.networks)
    if lost:
        text = _("Training diverged in {n} of {m}: there is no number left. Try a smaller --lr.")
        return [text.format(n=lost, m=_networks(result.seeds))]
    sentences = [_memory_said(result)]
    sentences.append(_count_said(result) if TASKS[result.task].counts else _gate_said(result))
    if len(result.tokens) > 1:
        sentences.append(_road_said(result))
    return sentences


def _networks(n: int) -> str:
    return ngettext("{n} network", "{n} networks", n).format(n=n)


def _memory_said(result: Gates) -> str:
    """Whether the state was learned, and what can be had without memory."""
    right = [n.accuracy for n in result.networks]
    if min(right) >= _LEARNED:
        text = _("It remembers: {right} of the states of new sequences are right")
    elif max(right) < result.chance + _BETTER:
        text = _("It has not learned to remember: {right} of the states are right")
    elif max(right) < _LEARNED and min(right) >= result.chance + _BETTER:
        text = _("It remembers in part: {right} of the states of new sequences are right")
    else:
        text = _("How much it remembers depends on the network: {right} of the states are right")
    text += _(" ({networks}); the present symbol alone tells {chance}.")
    return text.format(
        right=percent(*right), networks=_networks(len(right)), chance=percent(result.chance)
    )


def _kept(result: Gates, event: str) -> list[float]:
    """What the unit that tells most keeps of its cell, a number a network."""
    return [float(n.kept[event][n.unit]) for n in result.networks]


def _kept_said(result: Gates) -> str:
    """What it keeps at every event."""
    hold, write, release = (
        (percent(*_kept(result, event)), _(when)) for event, when in _WHEN[result.task].items()
    )
    text = _("{hold} {holding}, {write} {writing}, {release} {releasing}")
    return text.format(
        hold=hold[0], holding=hold[1], write=write[0], writing=write[1],
        release=release[0], releasing=release[1],
    )  # fmt: skip


def _stays_open(result: Gates) -> bool:
    """Whether it keeps at least 80 % at every event, in every network."""
    return all(share >= _HOLDS for event in _WHEN[result.task] for share in _kept(result, event))


def _gate_said(result: Gates) -> str:
    """Whether the forget gate of the unit that tells most holds and lets go."""
    good = [(n.kept["hold"] >= _HOLDS) & (n.kept["release"] <= _LETS_GO) for n in result.networks]
    both = sum(bool(units[n.unit]) for units, n in zip(good, result.networks, strict=True))
    if both == result.seeds:
        verdict = _("The forget gate holds and lets go")
    elif both:
        text = _("Whether the forget gate holds and lets go depends on the network ({n} of {m})")
        verdict = text.format(n=both, m=_networks(result.seeds))
    elif _stays_open(result):
        verdict = _("The forget gate stays open")
    else:
        verdict = _("The forget gate does not both hold and let go")
    text = _(
        "{verdict}: the unit that tells the state best keeps of its cell {kept}. Units that hold"
        " (at least 80 %) and let go (at most 40 %): {good} of {all}."
    )
    return text.format(
        verdict=verdict, kept=_kept_said(result), good=int(np.sum(good)), all=np.size(good)
    )


def _count_said(result: Gates) -> str:
    """Whether one cell counts, and whether its forget gate lets it."""
    told = [float(n.told[n.unit]) for n in result.networks]
    good = sum(r >= _COUNTS for r in told)
    if good == len(told):
        verdict = _("A single cell counts")
    elif good:
        text = _("Whether a single cell counts depends on the network ({n} of {m})")
        verdict = text.format(n=good, m=_networks(len(told)))
    else:
        verdict = _("No single cell counts")
    text = _(
        "{verdict}: the best unit's correlation with the depth is {told}. {gate}: it keeps {kept}."
    )
    gate = _("Its forget gate stays open") if _stays_open(result) else _("Its forget gate")
    return text.format(verdict=verdict, told=_numbers(told), gate=gate, kept=_kept_said(result))


def _road_said(result: Gates) -> str:
    """Whether the product of forget gates is the gradient, back to where the state comes from."""
    at = result.since - 1
    products = [float(n.highway[at]) for n in result.networks]
    gradients = [float(n.gradient[at]) for n in result.networks]
    more = [g > _ACCOUNTS * f for f, g in zip(products, gradients, strict=True)]
    less = [f > _ACCOUNTS * g for f, g in zip(products, gradients, strict=True)]
    if not any(more + less):
        verdict = _("The forget gates alone account for the gradient")
    elif all(more):
        verdict = _("More gradient comes back than the forget gates let through")
    elif all(less):
        verdict = _("Less gradient comes back than the forget gates let through")
    else:
        verdict = _("How much the forget gates account for depends on the network")
        verdict += _(" (more comes back in {more}, less in {less} of {m})").format(
            more=sum(more), less=sum(less), m=_networks(len(more))
        )
    text = _(
        "{verdict}: from the end back to step {step} ({symbol}) their product is {product},"
        " ∂c_T/∂cₜ as measured {gradient}."
    )
    said = text.format(
        verdict=verdict, step=result.since, symbol=result.tokens[at].replace(" ", _("space")),
        product=_numbers(products), gradient=_numbers(gradients),
    )  # fmt: skip
    if at == 0:
        return said
    further = _(" A step further back they are {product} and {gradient}.")
    return said + further.format(
        product=_numbers([float(n.highway[at - 1]) for n in result.networks]),
        gradient=_numbers([float(n.gradient[at - 1]) for n in result.networks]),
    )


def question(result: Gates) -> Question:
    """When the forget gate of the unit that tells most keeps least, or else most."""
    when = [_(name) for name in _WHEN[result.task].values()]
    shares = np.array([_kept(result, event) for event in _WHEN[result.task]])  # (event, network)
    least, most = _outstanding(-shares), _outstanding(shares)
    if least is not None:
        text = _("Of the cell that tells the state best: when does the forget gate keep least?")
    else:
        text = _("Of the cell that tells the state best: when does the forget gate keep most?")
    found = most if least is None else least
    return Question(
        text=text,
        choices=[*when, _("it depends on the network, or hardly differs")],
        answer=len(when) if found is None else found,
        why=_("It keeps {kept} ({networks}).").format(
            kept=_kept_said(result), networks=_networks(result.seeds)
        ),
    )


def _outstanding(shares: Floats) -> int | None:
    """The row that is the largest in every column, clearly; None where none is."""
    known = np.nan_to_num(shares, nan=-2.0)
    second, first = np.sort(known, axis=0)[-2:]
    rows = set(known.argmax(axis=0).tolist())
    return rows.pop() if len(rows) == 1 and (first - second >= _APART).all() else None
