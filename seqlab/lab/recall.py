"""Who still remembers a symbol L steps later? Recurrent cells and attention on one task.

A sequence begins with a symbol; L distractors follow; then the network must name the symbol. Every
network is trained on that, at each lag L alone or, with --mixed-lags, at all lags at once. The
widths are such that all have about as many parameters.

Before any of it, the gradient is measured that leads from the state at the end to the symbol at the
beginning: what training has to go by. How well it foretells who will learn is computed, too.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from itertools import product
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import trees
from seqlab.book import attention, gru, lstm, rnn, transformer
from seqlab.book.ops import UNDRAWN, Array, Generator
from seqlab.book.transformer import Block, Norm, Style
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import count, number
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
    diverged,
    require,
    series,
    some_of,
)
from seqlab.locale import N_, _, listed, ngettext
from seqlab.tasks import memory

Floats = NDArray[np.float64]
Tokens = NDArray[np.int64]
Scores = dict[str, dict[int, list[float]]]  # model -> lag -> a number a network

SYMBOLS, DISTRACTORS = 8, 8
CHANCE = 1 / SYMBOLS

_LAGS, _SEEDS, _STEPS = "2,10,20,50,100", 2, 350
_QUICK_LAGS, _QUICK_SEEDS = "2,10,30", 1
_LONGEST, _MOST_LAGS, _MOST_SEEDS = 500, 10, 10
_MOST_WORK = 5e7  # fifty times the default: see _Options.work
_NARROWEST, _UNLIKE = 4, 0.25  # the least width; and how far parameters may differ, as a share
_CLIP = 1.0
_TESTED = 256  # sequences at each lag on which networks are tested
_PROBES = 8  # sequences at each lag on which the gradient is taken
_SOLVED, _IN_A_ROW = 0.05, 20  # nats; batches
_REPORT = 10  # steps
_REMEMBERS = 0.9  # the share of right answers from which on a network has learned
_ENOUGH = 5  # networks that learned, and that did not, to judge a forecast by
_FORGETS = (1 + CHANCE) / 2  # and the one, halfway from chance, below which it has not


# The networks: a body that ends in one vector, and a readout


class Reader(NamedTuple):
    """The parameters of one attention block over embedded tokens."""

    embed: Array  # (c, d)
    positions: Array  # (t, d), for t tokens at the most
    block: Block
    norm: Norm


class Network(NamedTuple):
    """The parameters; c kinds of tokens, d wide, k symbols to name."""

    body: Any  # RNN, LSTM, GRU or Reader
    W: Array  # (d, k)
    b: Array  # (k,)


class Model(NamedTuple):
    """How a network of one name begins; `make`(rng, c, d, longest lag) makes its body.

    Models of one family differ in nothing but how they begin: of gated cells in the biases, of the
    RNN in W_h. Dashed in the figures are those that begin with a long memory.
    """

    name: str
    family: str
    make: Callable[[Generator, int, int, int], Any]
    ink: str
    dashed: bool = False


def _orthogonal(rng: Generator, c: int, d: int, _longest: int) -> rnn.RNN:
    """The usual start, W_h apart."""
    usual = rnn.init(rng, c, d)
    return usual._replace(W_h=rnn.orthogonal(rng, c, d).W_h)


def _reader(rng: Generator, c: int, d: int, longest: int) -> Reader:
    """A pre-norm block of one head, embeddings and learned positions from N(0, 0.3²).

    From N(0, 1) one network of six had not learned lag 100 after 400 steps, from these all had
    after 220.
    """
    embed, positions = rng.normal(0.0, 0.3, (c, d)), rng.normal(0.0, 0.3, (longest + 1, d))
    block = transformer.init(rng, d, 2 * d)
    return Reader(embed, positions, block, transformer.init_norm(d, like=embed))


MODELS = {
    "rnn": Model(N_("tanh RNN"), "rnn", lambda rng, c, d, lag: rnn.init(rng, c, d), "rnn"),
    "orthogonal": Model(N_("orthogonal RNN"), "rnn", _orthogonal, "rnn", True),
    "lstm-0": Model(  # which needs an ink of its own beside the usual LSTM
        N_("LSTM bias 0"), "lstm", lambda rng, c, d, lag: lstm.init(rng, c, d), "mixer"
    ),
    "lstm-1": Model(
        N_("LSTM bias 1"), "lstm", lambda rng, c, d, lag: lstm.init(rng, c, d, 1.0), "lstm"
    ),
    "lstm-chrono": Model(
        N_("LSTM chrono"), "lstm", lambda rng, c, d, lag: lstm.chrono(rng, c, d, 2 * lag), "lstm",
        True,
    ),
    "gru": Model(N_("GRU"), "gru", lambda rng, c, d, lag: gru.init(rng, c, d), "gru"),
    "gru-chrono": Model(
        N_("GRU chrono"), "gru", lambda rng, c, d, lag: gru.chrono(rng, c, d, 2 * lag), "gru", True
    ),
    "attention": Model(N_("attention block"), "attention", _reader, "attention"),
}  # fmt: skip
_DEFAULT = "rnn,orthogonal,lstm-0,lstm-1,lstm-chrono,gru-chrono,attention"
_FAMILIES = {"rnn": "rnn", "lstm": "lstm-0", "gru": "gru", "attention": "attention"}  # one of each
_STYLE = Style(h=1, pre_norm=True)


def init(rng: Generator, model: str, d: int, longest: int) -> Network:
    """A network d wide for lags up to `longest`; the readout from U(-1/√d, 1/√d), as in torch.

    The readout is drawn first: it does not depend on how much the body draws.
    """
    k = 1 / math.sqrt(d)
    W, b = rng.uniform(-k, k, (d, SYMBOLS)), rng.uniform(-k, k, (SYMBOLS,))
    return Network(MODELS[model].make(rng, SYMBOLS + DISTRACTORS, d, longest), W, b)


def width(family: str, parameters: int, longest: int) -> int:
    """The width at which a network of `family` comes nearest to so many parameters."""

    def miss(d: int) -> int:
        return abs(trees.count(init(UNDRAWN, _FAMILIES[family], d, longest)) - parameters)

    d = 1
    while miss(d + 1) < miss(d):
        d += 1
    return d


def one_hot(tokens: Tokens) -> Floats:
    """Tokens (b, t) as inputs (t, b, c), time first."""
    return np.eye(SYMBOLS + DISTRACTORS)[tokens.T]


def last(body: Any, xs: Array) -> Array:
    """What is known at the end: inputs (t, b, c), tensors -> (b, d).

    That is h_t of a cell; of a reader, the last token after its block, where it alone asks.
    """
    if not isinstance(body, Reader):
        from seqlab import train

        return train.unroll(body, xs)[0][-1]
    x = xs.swapaxes(0, 1) @ body.embed + body.positions[: len(xs)]
    p, end = body.block, x[:, -1:]
    y = transformer.norm(p.norm_1, x, _STYLE)
    end = end + attention.multi_head(p.attention, y[:, -1:], y, _STYLE.h)[0]
    y = transformer.norm(p.norm_2, end, _STYLE)
    end = end + transformer.feed_forward(p.feed_forward, y, _STYLE.activation)
    return transformer.norm(body.norm, end[:, 0], _STYLE)


def scores(p: Network, xs: Array) -> Array:
    """The scores of every symbol: inputs (t, b, c) -> (b, k)."""
    return last(p.body, xs) @ p.W + p.b


# The gradient from the end to the beginning


def jacobians(body: Any, xs: Floats) -> tuple[Floats, Floats]:
    """∂h_T/∂x of the first input and of the last, each (b, d, c), for inputs (t, b, c).

    Of a cell by the backward steps of its page, which carry all d unit vectors at once; of a reader
    by torch.
    """
    if isinstance(body, Reader):
        return _autograd(body, xs, last)
    page: Any = {rnn.RNN: rnn, lstm.LSTM: lstm, gru.GRU: gru}[type(body)]
    b, d = xs.shape[1], body.W_h.shape[0]
    states = page.unroll(body, xs[:, :, None], page.initial_state(body, b, 1))
    dh = np.broadcast_to(np.eye(d), (b, d, d))
    dc, found = np.zeros_like(dh), []
    for t in range(len(xs), 0, -1):
        if page is lstm:
            da, dh, dc = lstm.backward(body, states[t - 1], states[t], dh, dc)
        else:
            da, dh = page.backward(body, states[t - 1], states[t], dh)
        if t in (1, len(xs)):
            found.append((da[0] if page is gru else da) @ body.W_x.T)
    return found[-1], found[0]


def _autograd(
    body: Any, xs: Floats, function: Callable[[Any, Array], Array]
) -> tuple[Floats, Floats]:
    """`jacobians` of function(body, xs) by torch, in float64."""
    import torch

    from seqlab import train

    inputs = torch.tensor(xs, requires_grad=True)
    out = function(train.trainable(body, dtype=torch.float64), inputs)
    rows = [torch.autograd.grad(h.sum(), inputs, retain_graph=True)[0] for h in out.T]
    found = torch.stack(rows, dim=2).numpy()  # (t, b, d, c); rows of a batch are independent
    return found[0], found[-1]


# What is measured


@dataclass(frozen=True)
class Forecast:
    """How well the gradient before training tells which networks will learn, and which not.

    Of `learned` networks that did (at least 90 % right) and `failed` that did not: `pairs` is the
    share of all pairs of one and one in which the one that learned had the larger gradient (0.5 is
    no forecast), `by_lag` the share in which it had the shorter lag. `threshold` is the gradient
    that, chosen afterwards, divides them best, `right` the share of networks on their right side.
    """

    learned: int
    failed: int
    pairs: float
    by_lag: float
    threshold: float
    right: float


@dataclass(frozen=True)
class Recall(Trained):
    """Accuracy of every model at every lag, and the gradients before training, a number a network.

    `accuracy` is the share of 256 sequences, drawn apart from those of training, whose symbol is
    named (the shortest recur there: at lag 2 there are but 512); null where a network was not
    trained to the end, 0 where it diverged, which happened to `diverged` of them. `gradients` are
    ‖∂h_T/∂x_{T-L}‖ of the symbol, L steps back, divided by ‖∂h_T/∂x_T‖ of the last input (Frobenius
    norms; the median of 8 sequences). `trained` is the number of steps until the training ended: it
    does before `train_steps` where the loss has been below 0.05 nats for 20 batches in a row. With
    mixed lags a network has as many steps and batches for each lag, and one entry for all.
    """

    lags: str
    models: str
    mixed_lags: bool
    seeds: int
    train_steps: int
    hidden: int
    batch: int
    lr: float
    device: str
    quick: bool
    seed: int
    chance: float
    parameters: dict[str, int]
    widths: dict[str, int]
    accuracy: Scores
    gradients: Scores
    trained: Scores
    diverged: int
    forecast: Forecast | None
    series: list[Series]

    def at(self, lag: int) -> dict[str, Floats]:
        """The accuracies at `lag` of the models that have any."""
        found = {m: np.array(by_lag[lag]) for m, by_lag in self.accuracy.items()}
        known = {m: values[~np.isnan(values)] for m, values in found.items()}
        return {m: values for m, values in known.items() if values.size}

    def reach(self, model: str) -> int | None:
        """The longest lag up to which every network has learned; null if not even the shortest."""
        reached = None
        for lag, values in self.accuracy[model].items():
            if not min(values) >= _REMEMBERS or np.isnan(values).any():
                break
            reached = lag
        return reached


def run(
    *,
    lags: Annotated[
        str | None,
        typer.Option(
            help=N_(
                "How many steps later, with commas between; by default 2,10,20,50,100; 2,10,30 if"
                " quick."
            )
        ),
    ] = None,
    models: Annotated[
        str,
        typer.Option(
            help=N_(
                "Of rnn, orthogonal, lstm-0, lstm-1, lstm-chrono, gru, gru-chrono, attention; with"
                " commas between."
            )
        ),
    ] = _DEFAULT,
    mixed_lags: Annotated[
        bool,
        typer.Option("--mixed-lags", help=N_("Train each network on all lags at once.")),
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=10, help=N_("Networks of each kind; by default 2, 1 if quick.")),
    ] = None,
    train_steps: Annotated[
        int, typer.Option(min=1, max=5000, help=N_("Steps of training for each lag, at the most."))
    ] = _STEPS,
    hidden: Annotated[
        int,
        typer.Option(
            min=_NARROWEST, max=64, help=N_("Units of the LSTM; the others match its size.")
        ),
    ] = 24,
    batch: Annotated[int, typer.Option(min=1, max=256, help=N_("Sequences in a step."))] = 32,
    lr: Annotated[float, typer.Option(help=N_("Learning rate of Adam."))] = 3e-3,
    device: Device = "auto",
    quick: Quick = False,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Recall:
    """Train every model at every lag to name the symbol that came first, `seeds` networks each.

    Chrono initialisation (Tallec & Ollivier 2018) is told to expect twice the longest lag.

    Raises:
        BadInput: an unknown model, an option out of range, more work than a class waits for.
    """
    o = _Options(
        lags=lags, models=models, mixed_lags=mixed_lags, seeds=seeds, train_steps=train_steps,
        hidden=hidden, batch=batch, lr=lr, quick=quick, seed=seed,
    ).checked()  # fmt: skip
    return _measure(o, device, watch or (lambda done, doing, view=None: None))


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart; None until `checked` fills it in."""

    lags: Any
    models: Any
    mixed_lags: bool
    seeds: Any
    train_steps: int
    hidden: int
    batch: int
    lr: float
    quick: bool
    seed: int

    def checked(self) -> "_Options":
        """These options with nothing left open; or BadInput."""
        default, seeds = (_QUICK_LAGS, _QUICK_SEEDS) if self.quick else (_LAGS, _SEEDS)
        filled = replace(
            self,
            lags=_lags(default if self.lags is None else self.lags),
            models=",".join(some_of(self.models, "models", MODELS)),
            seeds=seeds if self.seeds is None else self.seeds,
        )
        require(filled.seeds, "seeds", 1, _MOST_SEEDS)
        require(filled.train_steps, "train-steps", 1, 5000)
        require(filled.hidden, "hidden", _NARROWEST, 64)
        require(filled.batch, "batch", 1, 256)
        require(filled.lr, "lr", 0.0, 1.0)
        require(filled.seed, "seed", 0)
        if filled.work > _MOST_WORK:
            times = number(filled.work / _MOST_WORK)
            raise BadInput(
                _("{n} times more work than can be waited for").format(n=times),
                _("fewer or shorter --lags, fewer --models or --seeds, or fewer steps"),
                f"--train-steps {max(1, int(filled.train_steps * _MOST_WORK / filled.work))}",
            )
        if not filled.comparable:
            enough = (n for n in range(self.hidden + 1, 65) if replace(filled, hidden=n).comparable)
            raise BadInput(
                f"--hidden {self.hidden}",
                _("sizes at which all models have about as many parameters"),
                f"--hidden {next(enough)}",
            )
        return filled

    @property
    def comparable(self) -> bool:
        """Whether all models are wide enough, and as large as the LSTM or nearly."""
        size = self._size("lstm-0", self.hidden)
        unlike = (abs(n - size) / size for n in self.parameters.values())
        return min(self.widths.values()) >= _NARROWEST and max(unlike) <= _UNLIKE

    @property
    def work(self) -> float:
        """Tokens that are read one after the other; each counts more in a large network."""
        tokens = sum(lag + 1 for lag in self.each_lag) * len(self.each_model)
        large = max(1.0, self.batch * self.hidden**2 / (32 * 24**2))
        return float(tokens * self.seeds * self.train_steps * large)

    @cached_property
    def each_lag(self) -> list[int]:
        return [int(lag) for lag in self.lags.split(",")]

    @cached_property
    def each_model(self) -> list[str]:
        return str(self.models).split(",")

    @cached_property
    def widths(self) -> dict[str, int]:
        """--hidden is that of the LSTM; the others come as near as they can to its size."""
        size = self._size("lstm-0", self.hidden)
        by_family = {
            family: self.hidden if family == "lstm" else width(family, size, self.each_lag[-1])
            for family in dict.fromkeys(MODELS[model].family for model in self.each_model)
        }
        return {model: by_family[MODELS[model].family] for model in self.each_model}

    @cached_property
    def parameters(self) -> dict[str, int]:
        return {m: self._size(_FAMILIES[MODELS[m].family], d) for m, d in self.widths.items()}

    def _size(self, model: str, d: int) -> int:
        return trees.count(init(UNDRAWN, model, d, self.each_lag[-1]))

    def network(self, model: str, i: int) -> Network:
        """Network i of a model before training: the same at every lag.

        One family, one stream: of one number, LSTMs and GRUs differ in nothing but their biases,
        the two RNNs in nothing but W_h.
        """
        stream = list(_FAMILIES).index(MODELS[model].family)
        rng = np.random.default_rng([self.seed, 0, stream, i])
        return init(rng, model, self.widths[model], self.each_lag[-1])

    def batches(self, lags: Sequence[int], i: int) -> Iterator[tuple[Tokens, Tokens]]:
        """What networks number i are trained on, whatever their model, each at one of `lags`."""
        rng = np.random.default_rng([self.seed, 1, i, *lags])
        while True:
            yield self.sequences(rng, self.batch, int(rng.choice(lags)))

    def tested_on(self, lag: int) -> tuple[Tokens, Tokens]:
        """What all networks are tested on, drawn apart from what they are trained on.

        The shortest are seen there all the same: of lag 2 there are but 512, of lag 10 some 10¹⁰.
        """
        return self.sequences(np.random.default_rng([self.seed, 2, lag]), _TESTED, lag)

    def probes(self, lag: int) -> Tokens:
        """The sequences on which the gradient is taken."""
        return self.sequences(np.random.default_rng([self.seed, 3, lag]), _PROBES, lag)[0]

    @staticmethod
    def sequences(rng: Generator, b: int, lag: int) -> tuple[Tokens, Tokens]:
        return memory.recall(rng, b, lag, SYMBOLS, DISTRACTORS)


def _lags(text: str | Sequence[int]) -> str:
    """The lags in order, each once, with commas between; or BadInput."""
    words = text.split(",") if isinstance(text, str) else [str(lag) for lag in text]
    found = set()
    for word in words:
        if not (word.strip().isascii() and word.strip().isdigit() and len(word.strip()) < 10):
            expected = _("whole numbers with commas between")
            raise BadInput(f"--lags {word.strip() or repr(word)}", expected, f"--lags {_LAGS}")
        require(int(word), "lags", 1, _LONGEST)
        found.add(int(word))
    if not 1 <= len(found) <= _MOST_LAGS:
        wrong = ngettext("{n} lag", "{n} lags", len(found)).format(n=len(found))
        raise BadInput(wrong, _("from {low} to {high} of them").format(low=1, high=_MOST_LAGS))
    return ",".join(map(str, sorted(found)))


# Training


class _Job(NamedTuple):
    """One network to be trained, on one lag or on several."""

    model: str
    lags: tuple[int, ...]
    i: int

    @property
    def work(self) -> int:
        """What its training costs, as far as its lag tells."""
        return sum(lag + 1 for lag in self.lags)


class _Learned(NamedTuple):
    """What became of a network: its accuracy at each lag, after so many steps."""

    accuracy: dict[int, float]
    steps: int
    diverged: bool


def _learn(o: _Options, device: Any, job: _Job) -> Iterator[int | _Learned]:
    """Train one network and test it; on the way, the number of steps done."""
    import torch

    from seqlab import train

    p = train.trainable(o.network(job.model, job.i), device)
    batches = o.batches(job.lags, job.i)

    def tensor(x: Any) -> Array:
        dtype = torch.float32 if x.dtype == np.float64 else torch.int64
        return torch.as_tensor(x, dtype=dtype, device=device)

    def loss(_step: int) -> Array:
        tokens, symbol = next(batches)
        return torch.nn.functional.cross_entropy(scores(p, tensor(one_hot(tokens))), tensor(symbol))

    steps, solved, value = o.train_steps * len(job.lags), 0, math.nan
    done = 0
    for step, value in train.fit(p, loss, steps=steps, lr=o.lr, clip=_CLIP):
        done = step + 1
        solved = solved + 1 if value < _SOLVED else 0
        if solved >= _IN_A_ROW * len(job.lags) or not math.isfinite(value):
            break
        if done % _REPORT == 0:
            yield done
    diverged = not math.isfinite(value)
    accuracy = dict.fromkeys(job.lags, 0.0)  # which it stays where nothing can be named
    for lag in [] if diverged else job.lags:
        tokens, symbol = o.tested_on(lag)
        with torch.no_grad():
            named = scores(p, tensor(one_hot(tokens))).argmax(-1).cpu().numpy()
        accuracy[lag] = float(np.mean(named == symbol))
    yield _Learned(accuracy, done, diverged)


def _measure(o: _Options, device_name: str, watch: Watch) -> Recall:
    """The gradients, then the trainings, side by side; as each ends, the result so far is shown."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    device = train.device(device_name)
    gradients = {model: _gradients(o, model) for model in o.each_model}
    lags = [tuple(o.each_lag)] if o.mixed_lags else [(lag,) for lag in o.each_lag]
    jobs = [_Job(m, some, i) for some, m, i in product(lags, o.each_model, range(o.seeds))]
    learned: dict[_Job, _Learned] = {}
    shares = [0.0] * len(jobs)
    result = _result(o, device.type, gradients, jobs, learned)
    view: Callable[[], RenderableType] | None = None
    try:
        work = partial(_learn, o, device)
        for at, item in train.side_by_side(work, jobs, device=device):
            job = jobs[at]
            if isinstance(item, _Learned):
                learned[job], shares[at] = item, 1.0
                result = _result(o, device.type, gradients, jobs, learned)
                view = partial(show, result)
            else:
                shares[at] = item / (o.train_steps * len(job.lags))
            total = sum(job.work for job in jobs)
            done = sum(share * job.work for share, job in zip(shares, jobs, strict=True)) / total
            watch(min(done, 1.0), _doing(job, len(learned), len(jobs)), view)
    except Stopped:
        return replace(result, stopped=True)
    return result


def _doing(job: _Job, done: int, all_of_them: int) -> str:
    text = _("{model}, lag {lag}; {done} of {all} networks trained")
    lag = "–".join(dict.fromkeys([str(job.lags[0]), str(job.lags[-1])]))
    return text.format(model=_(MODELS[job.model].name), lag=lag, done=done, all=all_of_them)


def _gradients(o: _Options, model: str) -> dict[int, list[float]]:
    """How much of the gradient is left at each lag, before training, in each network of a model."""
    found: dict[int, list[float]] = {lag: [] for lag in o.each_lag}
    for i in range(o.seeds):
        body = o.network(model, i).body
        for lag in o.each_lag:
            first, final = jacobians(body, one_hot(o.probes(lag)))
            left = np.linalg.norm(first, axis=(1, 2)) / np.linalg.norm(final, axis=(1, 2))
            found[lag].append(float(np.median(left)))
    return found


def _result(
    o: _Options, device: str, gradients: Scores, jobs: list[_Job], learned: dict[_Job, _Learned]
) -> Recall:
    """The result of the trainings that have ended."""
    accuracy: Scores = {m: {lag: [math.nan] * o.seeds for lag in o.each_lag} for m in o.each_model}
    trained: Scores = {m: {lag: [math.nan] * o.seeds for lag in o.each_lag} for m in o.each_model}
    for job, found in learned.items():
        for lag in job.lags:
            accuracy[job.model][lag][job.i] = found.accuracy[lag]
            trained[job.model][lag][job.i] = found.steps
    options = {field.name: getattr(o, field.name) for field in fields(o)}
    return Recall(
        **options, device=device, chance=CHANCE,
        parameters=o.parameters, widths=o.widths,
        accuracy=accuracy, gradients=gradients, trained=trained,
        diverged=sum(found.diverged for found in learned.values()),
        forecast=_forecast(accuracy, gradients), series=_series(accuracy, gradients),
    )  # fmt: skip


def _series(accuracy: Scores, gradients: Scores) -> list[Series]:
    """Both of every model against the lag."""
    found = []
    for name, by_model, chance in (("accuracy", accuracy, CHANCE), ("gradient", gradients, None)):
        for model, by_lag in by_model.items():
            runs = np.array(list(by_lag.values())).T  # (networks, lags)
            found.append(series(f"{name} {model}", list(by_lag), runs, chance))
    return found


def _forecast(accuracy: Scores, gradients: Scores) -> Forecast | None:
    """What the gradients foretold; nothing where all networks learned, or none."""
    seen = [
        (share >= _REMEMBERS, gradient, lag)
        for model, by_lag in accuracy.items()
        for lag, shares in by_lag.items()
        for share, gradient in zip(shares, gradients[model][lag], strict=True)
        if not math.isnan(share)
    ]
    good = [x for x in seen if x[0]]
    bad = [x for x in seen if not x[0]]
    if not good or not bad:
        return None

    def larger(pairs: list[tuple[float, float]]) -> float:
        return float(np.mean([0.5 * (1 + np.sign(a - b)) for a, b in pairs]))

    each = sorted(gradient for _learned, gradient, _lag in seen)
    right = [(sum((g >= cut) == learned for learned, g, _lag in seen), cut) for cut in each]
    best, threshold = max(right)
    return Forecast(
        learned=len(good),
        failed=len(bad),
        pairs=larger([(g[1], b[1]) for g in good for b in bad]),
        by_lag=larger([(b[2], g[2]) for g in good for b in bad]),
        threshold=threshold,
        right=best / len(seen),
    )


# The oracle


def check(
    *,
    lags: str | None = None,
    models: str = _DEFAULT,
    mixed_lags: bool = False,
    seeds: int | None = None,
    train_steps: int = _STEPS,
    hidden: int = 24,
    batch: int = 32,
    lr: float = 3e-3,
    device: str = "auto",
    quick: bool = False,
    seed: int = 0,
) -> list[Check]:
    """The networks of number 0 before training, against torch in float64 on the CPU.

    The gradients over the longest lag: of cells by their pages' backward steps against autograd
    through torch.nn, of the block against autograd through torch's functions. And the gradients of
    the loss by all parameters, of cells through the steps of their pages. Errors are relative to
    the largest number.
    """
    o = _Options(
        lags=lags, models=models, mixed_lags=mixed_lags, seeds=seeds, train_steps=train_steps,
        hidden=hidden, batch=batch, lr=lr, quick=quick, seed=seed,
    ).checked()  # fmt: skip
    checks = []
    for model in o.each_model:
        p, lag = o.network(model, 0), o.each_lag[-1]
        xs = one_hot(o.probes(lag))
        back = zip(jacobians(p.body, xs), _autograd(p.body, xs, _in_torch), strict=True)
        error = float(np.max([_error(ours, theirs) for ours, theirs in back]))
        name = _(MODELS[model].name)
        text = _("{model}: gradient over {lag} steps and torch").format(model=name, lag=lag)
        checks.append(Check(text, error, 1e-9))
        tokens, symbol = next(o.batches(o.each_lag[:1], 0))
        ours, theirs = (_of_loss(p, tokens, symbol, f) for f in (_in_pages, _in_torch))
        text = _("{model}: gradients of the loss and torch").format(model=name)
        checks.append(Check(text, _error(ours, theirs), 1e-9))
    return checks


def _error(ours: Floats, theirs: Floats) -> float:
    """The largest difference, relative to the largest number; an oracle of zeros says nothing."""
    size = float(np.max(np.abs(theirs)))
    return float(np.max(np.abs(ours - theirs))) / size if size else math.inf


def _of_loss(
    p: Network, tokens: Tokens, symbol: Tokens, function: Callable[[Any, Array], Array]
) -> Floats:
    """The gradients of the loss by all parameters, one after the other."""
    import torch

    from seqlab import train

    q = train.trainable(p, dtype=torch.float64)
    out = function(q.body, torch.tensor(one_hot(tokens))) @ q.W + q.b
    loss: Any = torch.nn.functional.cross_entropy(out, torch.tensor(symbol))
    loss.backward()
    found = torch.cat([leaf.grad.flatten() for _name, leaf in trees.leaves(q)])
    return np.asarray(found.numpy())


def _in_pages(body: Any, xs: Array) -> Array:
    """`last` step by step, as the pages have it."""
    if isinstance(body, Reader):
        return last(body, xs)
    page: Any = {rnn.RNN: rnn, lstm.LSTM: lstm, gru.GRU: gru}[type(body)]
    return page.unroll(body, xs, page.initial_state(body, xs.shape[1]))[-1].h


def _in_torch(body: Any, xs: Array) -> Array:
    """`last` by torch.nn's cells, the block in torch's functions."""
    import torch
    import torch.nn.functional as F

    if not isinstance(body, Reader):
        (c, d), kind = (len(body.W_x), len(body.W_h)), type(body).__name__
        cell = getattr(torch.nn, kind)(c, d, dtype=torch.float64)
        biases = body[2:] if kind == "GRU" else (body.b, torch.zeros_like(body.b))
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        values = (body.W_x.T, body.W_h.T, *biases)
        weights = dict(zip(names, values, strict=True))
        return torch.func.functional_call(cell, weights, (xs,))[0][-1]
    x = F.linear(xs.transpose(0, 1), body.embed.T) + body.positions[: len(xs)]
    block, d = body.block, body.embed.shape[1]

    def normed(p: Norm, x: Array) -> Array:
        return F.layer_norm(x, (d,), p.weight, p.bias, _STYLE.eps)

    y, a, ff = normed(block.norm_1, x), block.attention, block.feed_forward
    q, k, v = (F.linear(y, W.T, b) for W, b in ((a.W_q, a.b_q), (a.W_k, a.b_k), (a.W_v, a.b_v)))
    x = x + F.linear(F.scaled_dot_product_attention(q, k, v), a.W_o.T, a.b_o)
    y = F.gelu(F.linear(normed(block.norm_2, x), ff.W_1.T, ff.b_1))
    return normed(body.norm, (x + F.linear(y, ff.W_2.T, ff.b_2))[:, -1])


# The screen


def show(result: Recall, detail: bool = False) -> RenderableType:
    """Accuracy against the lag; below it the same in numbers, and the gradients before training."""
    title = Title(
        _("Who still remembers a symbol L steps later?"),
        "∂hₜ/∂hₜ₋ₗ = ∂hₜ/∂hₜ₋₁ · … · ∂hₜ₋ₗ₊₁/∂hₜ₋ₗ",
    )
    below = Beside(_table(result), _gradient_curves(result), left_width=_table_width(result))
    parts: list[RenderableType] = [title, Note(_about(result)), _curves(result), below]
    if detail:
        parts += _details(result)
    return Group(*parts)


def _about(result: Recall) -> str:
    """The task, the networks and their training."""
    how = (
        _("trained on all lags at once, {steps} steps for each at the most")
        if result.mixed_lags
        else _("trained at each lag alone, {steps} steps at the most")
    ).format(steps=result.train_steps)
    text = _("One of {v} symbols, then L distractors: which was it? {networks}, {how}.")
    networks = ngettext(
        "{n} network each, of {low} to {high} parameters",
        "{n} networks each, of {low} to {high} parameters",
        result.seeds,
    ).format(
        n=result.seeds,
        low=count(min(result.parameters.values())),
        high=count(max(result.parameters.values())),
    )
    return text.format(v=SYMBOLS, networks=networks, how=how)


def _lines(result: Recall, what: str) -> list[Line]:
    """The median of every model; bands of seven would hide each other."""
    found = {s.name: s for s in result.series}
    lines = []
    for model in result.accuracy:
        s, m = found[f"{what} {model}"], MODELS[model]
        line = Line(_(m.name), s.x, s.median, key=m.ink, dashed=m.dashed, marked=len(s.x) <= 12)
        lines.append(line)
    return lines


def _curves(result: Recall) -> Curves:
    """Accuracy, and chance."""
    lags = [int(lag) for lag in result.lags.split(",")]
    chance = Line(_("chance"), lags, [result.chance] * len(lags), key="theory", dashed=True)
    return Curves(
        [chance, *_lines(result, "accuracy")], x_label=_("lag L (steps)"),
        y_label=_("share of symbols named"), height=10, y_range=(0, 1),
    )  # fmt: skip


def _gradient_curves(result: Recall) -> Curves:
    """What is left of the gradient, before training."""
    return Curves(
        _lines(result, "gradient"), x_label=_("lag L (steps)"),
        y_label=_("gradient before training"), y_scale="log", height=8, legend="none",
    )  # fmt: skip


def _table(result: Recall) -> Table:
    """Accuracy in percent: from the worst network to the best."""
    rows = [
        [_(MODELS[model].name), *(_range(shares) for shares in by_lag.values())]
        for model, by_lag in result.accuracy.items()
    ]
    head: Column | str = Column(_("% right at lag"), "left")
    return Table(
        [head, *result.lags.split(",")], rows, keys=[MODELS[model].ink for model in result.accuracy]
    )


def _table_width(result: Recall) -> int:
    """Columns for the table: all that it asks for, up to where the gradients need theirs."""
    return min(64, 18 + 9 * len(result.lags.split(",")))


def _range(shares: Sequence[float]) -> str:
    """Of the networks that are trained: 12–100, or one number where they agree."""
    known = sorted(share for share in shares if not math.isnan(share))
    ends = [_whole(share) for share in (known[:1] + known[-1:])]
    return "–".join(dict.fromkeys(ends)) or "-"


def _details(result: Recall) -> list[RenderableType]:
    """Sizes; of every network its accuracies and steps; of every model the median gradients."""
    keys = [MODELS[model].ink for model in result.accuracy]
    sizes = [
        [_(MODELS[model].name), count(result.parameters[model]), str(result.widths[model])]
        for model in result.accuracy
    ]
    tables: list[RenderableType] = [
        Table([Column(_("model"), "left"), _("parameters"), _("width")], sizes, keys=keys)
    ]

    def table(head: str, by_model: Scores, spelled: Callable[[list[float]], str]) -> None:
        rows = [
            [_(MODELS[model].name), *(spelled(values) for values in by_lag.values())]
            for model, by_lag in by_model.items()
        ]
        columns: list[Column | str] = [Column(head, "left"), *result.lags.split(",")]
        tables.append(Table(columns, rows, keys=keys))

    def middle(values: list[float]) -> str:
        return number(float(np.median(values)))

    def each(spelled: Callable[[float], str]) -> Callable[[list[float]], str]:
        return lambda values: " ".join("-" if math.isnan(x) else spelled(x) for x in values)

    table(_("% right, each network"), result.accuracy, each(_whole))
    table(_("steps of training"), result.trained, each(lambda steps: f"{steps:.0f}"))
    table(_("gradient before training"), result.gradients, middle)
    return tables


def _whole(share: float) -> str:
    """A share in whole percent, where 100 is said only of all."""
    return f"{min(100 * share, 99.0) if share < 1 else 100:.0f}"


def _percent(share: float) -> str:
    """A share in percent; chance has a half, and only all is 100 %."""
    exact = share == CHANCE or 0.99 < share < 1
    return number(100 * share, 3 if exact else 2) + " %"


# The sentences


def takeaways(result: Recall) -> list[str]:
    """What this run showed: who remembers, what an LSTM's bias does, what the gradient foretold."""
    sentences = diverged(result.diverged)
    lags = [lag for lag in map(int, result.lags.split(",")) if result.at(lag)]
    if lags:
        sentences.append(_who_said(result, lags[-1]))
        sentences += _lstm_said(result)
        sentences += _mixed_said(result, lags[-1]) if result.mixed_lags else []
        sentences += _forecast_said(result)
    return sentences


def _who_said(result: Recall, lag: int) -> str:
    """Who remembers over the longest lag, who does not, and who does sometimes."""
    patterns = {
        "remembers": _("at least {low} right: {models}"),
        "seed": _("it depends on the seed: {ranges}"),
        "partly": _("in part: {ranges}"),
        "forgets": _("at most {high} right (chance: {chance}): {models}"),
    }
    at, parts = result.at(lag), []
    for fate, pattern in patterns.items():
        found = {
            _(MODELS[model].name): shares for model, shares in at.items() if _fate(shares) == fate
        }
        if not found:
            continue
        low = min(shares.min() for shares in found.values())
        high = max(shares.max() for shares in found.values())
        ranges = [
            _("{model} {low} to {high}").format(
                model=name, low=_percent(shares.min()), high=_percent(shares.max())
            )
            for name, shares in found.items()
        ]
        if low == 1:
            pattern = _("{low} right: {models}")
        parts.append(
            pattern.format(
                low=_percent(low), high=_percent(high), chance=_percent(result.chance),
                models=listed(found), ranges=_(", ").join(ranges),
            )
        )  # fmt: skip
    text = ngettext(
        "{n} step after the symbol, {parts}.", "{n} steps after the symbol, {parts}.", lag
    )
    return text.format(n=lag, parts=_("; ").join(parts))


def _fate(shares: Floats) -> str:
    """A verdict where all networks of a model agree."""
    if shares.min() >= _REMEMBERS:
        return "remembers"
    if shares.max() >= _REMEMBERS:
        return "seed"
    return "forgets" if shares.max() < _FORGETS else "partly"


def _lstm_said(result: Recall) -> list[str]:
    """How far LSTMs reach that differ in nothing but their biases at the start."""
    biases = {"lstm-0": _("forget bias 0"), "lstm-1": _("forget bias 1"), "lstm-chrono": "chrono"}
    told = [m for m in biases if m in result.accuracy]
    if len(told) < 2 or any(np.isnan(list(result.accuracy[m].values())).any() for m in told):
        return []
    reaches = [result.reach(m) for m in told]
    if len(set(reaches)) == 1:
        if reaches[0] is None:
            text = _("With none of {biases} does the LSTM learn lag {lag} in every network.")
        else:
            text = _("With each of {biases} the LSTM learns up to lag {lag} in every network.")
        lag = next(iter(result.accuracy[told[0]])) if reaches[0] is None else reaches[0]
        return [text.format(lag=lag, biases=listed(biases[m] for m in told))]
    parts = [
        _("{bias} no lag").format(bias=biases[m])
        if reach is None
        else _("{bias} up to lag {lag}").format(bias=biases[m], lag=reach)
        for m, reach in zip(told, reaches, strict=True)
    ]
    text = _("The same LSTM but for its bias at the start learns in every network: {parts}.")
    hint = "" if result.mixed_lags else _(" Try --mixed-lags.")
    return [text.format(parts=listed(parts)) + hint]


def _mixed_said(result: Recall, lag: int) -> list[str]:
    """Trained on all lags at once: who remembers although no gradient came from there."""
    remember = [m for m, shares in result.at(lag).items() if _fate(shares) == "remembers"]
    left = {m: float(np.median(result.gradients[m][lag])) for m in remember}
    if not left:
        known = result.at(lag).values()
        text = (
            _("Trained on all lags at once, no model learns lag {lag} in every network.")
            if any(shares.max() >= _REMEMBERS for shares in known)
            else _("Trained on all lags at once, no network learns lag {lag}.")
        )
        return [text.format(lag=lag)]
    faintest = min(left, key=left.__getitem__)
    text = _(
        "Trained on all lags at once, the {model} remembers over {lag} steps, from where {left} of"
        " its gradient came before training."
    )
    return [text.format(model=_(MODELS[faintest].name), lag=lag, left=number(left[faintest]))]


def _forecast_said(result: Recall) -> list[str]:
    """How well the gradients told beforehand who would learn."""
    f = result.forecast
    if f is None:
        return []
    right, most = round(f.right * (f.learned + f.failed)), max(f.learned, f.failed)
    if min(f.learned, f.failed) < _ENOUGH:
        verdict = _("Whether the gradient before training foretells it, too few outcomes tell")
    elif f.pairs < 0.7:
        verdict = _("The gradient before training does not foretell it")
    elif f.pairs <= f.by_lag:
        verdict = _("The gradient before training foretells it no better than the lag")
    elif f.pairs >= 0.9 and right > most:
        verdict = _("The gradient before training nearly foretells it")
    else:
        verdict = _("The gradient before training tells something of it")
    text = _(
        "{verdict}: of a network that learned and one that did not, the first had the larger one in"
        " {pairs} of all pairs (the shorter lag in {by_lag}); cut at {threshold}, it is right for"
        " {right} of {all} (guessing the commoner outcome for all: {most})."
    )
    numbers = {
        "verdict": verdict, "pairs": _percent(f.pairs), "by_lag": _percent(f.by_lag),
        "threshold": number(f.threshold), "right": right, "most": most,
        "all": f.learned + f.failed,
    }  # fmt: skip
    return [text.format(**numbers)]


def question(result: Recall) -> Question:
    """How far back an LSTM remembers, or the first model of those that were asked for."""
    model = "lstm-1" if "lstm-1" in result.accuracy else next(iter(result.accuracy))
    lags = [int(lag) for lag in result.lags.split(",")]
    reach = result.reach(model)
    choices = [_("not even {lag} steps").format(lag=lags[0])]
    choices += [ngettext("{n} step", "{n} steps", lag).format(n=lag) for lag in lags]
    text = _("Up to which lag does the {model} learn to name the symbol, in every network?")
    found = listed(
        _("{share} at {lag}").format(share=_percent(float(np.median(shares))), lag=lag)
        for lag in lags
        if (shares := result.at(lag).get(model)) is not None
    )
    return Question(
        text=text.format(model=_(MODELS[model].name)),
        choices=choices,
        answer=0 if reach is None else 1 + lags.index(reach),
        why=_("Its median accuracy: {found}.").format(found=found),
    )
