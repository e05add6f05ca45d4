"""How does attention know which token came first? Positions, taken apart and put to the test.

Attention weighs a set: it does not see where a token stands. Every way to tell it is drawn here,
its algebra measured on networks as yet untrained, and then a small Transformer is trained with each
of them to say which of A and B came first, on short rows, and tested on longer ones.
"""

import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import tasks
from seqlab.book import attention, positions, transformer
from seqlab.book.attention import causal_mask
from seqlab.book.ops import Array, Verb, cast
from seqlab.book.transformer import Block, Norm, Style, Trace
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import number
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.panels import Panels
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import (
    BadInput,
    Check,
    Device,
    Question,
    Seed,
    Stopped,
    Trained,
    Watch,
    require,
    some_of,
)
from seqlab.locale import N_, _, listed, ngettext

Floats = NDArray[np.float64]

ENCODINGS = {
    "none": N_("no positions"),
    "learned": N_("learned"),
    "sinusoidal": N_("sinusoidal"),
    "rope": "RoPE",
    "alibi": "ALiBi",
    "causal": N_("causal mask alone"),
}
# None of these is an architecture: they borrow the inks of some that do not appear here.
_INKS = {
    "none": "linear", "learned": "mixer", "sinusoidal": "cnn", "rope": "attention",
    "alibi": "vit", "causal": "gru",
}  # fmt: skip

_SYMBOLS = 10  # A, B, and eight others
_END = _SYMBOLS  # the class token, which closes the row
_BATCH, _RATE, _BETAS = 32, 1e-2, (0.9, 0.98)  # found by trial: all but "none" learn in 150 steps
_TESTS = 200  # rows of each length, the same for all networks
_GOOD = 0.9  # of the rows right: by this an encoding holds at a length
_DATA, _LENGTHS, _EXAM, _SHUFFLES = 100, 101, 102, 103  # streams of random numbers
_PERMUTATIONS = 20
_EXACT = 1e-9  # what is smaller is rounding
_CHECKED_STEPS = 20  # of training before torch looks at a network: no parameter is then as drawn
_WORKERS = 4  # threads at the most
_NUMBERS = 2**24  # attention weights in memory at a time


@dataclass(frozen=True)
class Code:
    """What an encoding looks like, from position 0 to the longest tested.

    Sinusoidal and learned: the table itself (positions, d), where it is learned that of the first
    network, after its training if `trained`. RoPE: the vector (1, 0, 1, 0, ...) as turned at each
    position (positions, d / h). ALiBi: the bias of the first head, of query and key (positions,
    positions).
    """

    encoding: str
    trained: bool
    values: Floats


@dataclass(frozen=True)
class Shift:
    """The largest |PE(p + k) - PE(p) M_k| over all positions p and dimensions."""

    k: int
    error: float


@dataclass(frozen=True)
class Product:
    """A product of two tokens against their distance k = 0, 1, 2, ..., divided by √d as a score.

    `of` is "positions" where only the encoding is multiplied (PE(p)·PE(p + k), a vector of ones
    turned by RoPE, ALiBi's bias), and "layer" for what the first head of the first layer computes,
    untrained, for the same token at both places. `mean`, `low`, `high` are over all p.
    """

    encoding: str
    of: str
    head: int
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Algebra:
    """What an untrained network makes of order, in float64.

    `permuted`: the tokens are permuted (20 times), the outputs permuted back: the largest
    difference. `moved`: the same token at two places, both moved together: the largest difference
    between scores of the first layer at the same distance, over all places to the longest tested.
    """

    encoding: str
    permuted: float
    moved: float


@dataclass(frozen=True)
class Training:
    """What the networks with one encoding learned.

    `accuracy` (seeds, lengths) is the share of right answers; `loss` (steps,) in nats, the mean of
    all seeds. `holds` is the longest tested length up to which every seed answers at least 90 % of
    every tested length (null: not even the shortest). `parameters` are those of one network.
    Several encodings train at a time, so that their `seconds` overlap.
    """

    encoding: str
    accuracy: Floats
    loss: list[float]
    holds: int | None
    parameters: int
    seconds: float

    @property
    def worst(self) -> Floats:
        """The share of right answers of the worst seed, by length."""
        return np.asarray(self.accuracy.min(axis=0))


@dataclass(frozen=True)
class Position(Trained):
    """Pictures and algebra of each encoding, and how networks trained with it answer.

    Lengths count the tokens without the class token. Those up to `length` were trained, from
    `shortest` on. `lengths` are the tested ones, with `tests` rows each.
    """

    encodings: list[str]
    length: int
    beyond: int
    steps: int
    seeds: int
    d_model: int
    layers: int
    heads: int
    seed: int
    device: str | None
    shortest: int
    lengths: list[int]
    tests: int
    codes: list[Code]
    shift: list[Shift]
    products: list[Product]
    algebra: list[Algebra]
    training: list[Training]

    def trained(self, encoding: str) -> Training | None:
        """What was learned with `encoding`, if it was trained."""
        return next((t for t in self.training if t.encoding == encoding), None)

    def at(self, length: int) -> int:
        """The index of the tested length nearest to `length`."""
        return int(np.argmin(np.abs(np.array(self.lengths) - length)))


def run(
    *,
    encodings: Annotated[
        str,
        typer.Option(
            help=N_(
                "Which encodings, of none, learned, sinusoidal, rope, alibi, causal; with commas"
                " between."
            )
        ),
    ] = "none,learned,sinusoidal,rope,alibi,causal",
    length: Annotated[
        int, typer.Option(min=3, max=128, help=N_("The longest row that is trained, in tokens."))
    ] = 12,
    beyond: Annotated[
        int, typer.Option(min=3, max=512, help=N_("The longest row that is tested."))
    ] = 48,
    train: Annotated[
        bool, typer.Option("--train/--no-train", help=N_("Train, or only draw and calculate."))
    ] = True,
    steps: Annotated[int, typer.Option(min=1, max=10000, help=N_("Steps of training."))] = 150,
    seeds: Annotated[
        int, typer.Option(min=1, max=32, help=N_("Networks trained with each encoding."))
    ] = 3,
    d_model: Annotated[int, typer.Option(min=2, max=256, help=N_("Width of the networks."))] = 32,
    layers: Annotated[int, typer.Option(min=1, max=4, help=N_("Blocks of each network."))] = 2,
    heads: Annotated[int, typer.Option(min=1, max=8, help=N_("Heads in each block."))] = 4,
    device: Device = "auto",
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Position:
    """Draw each encoding, measure its algebra, and train networks to say which of A and B is first.

    A row holds A and B once each among other symbols, and a class token at its end, where the
    answer is read: a causal mask lets the last token see all, and only the last. Rows of training
    are as long as chance will have it, from `length` / 2 to `length`. The seeds of one encoding are
    trained side by side; all encodings see the same rows. "causal" has no positions either, only
    the mask; the others have none, so that ALiBi, causal in its paper, looks both ways here.

    Learned positions have a row for every length that is tested. Those beyond `length` no training
    has touched: they are as they were drawn.

    Raises:
        BadInput: an option out of range, an unknown encoding, a width that cannot be shared out, no
            such device.
    """
    names = some_of(encodings, "encodings", ENCODINGS)
    o = _Options(names, length, beyond, steps, seeds, d_model, layers, heads, seed)
    o.require()
    tables = {}
    training: list[Training] = []
    used, stopped = None, False
    if train:
        trainer = _Trainer(o, device, watch)
        used = trainer.device.type
        training = trainer.all()
        tables, stopped = trainer.tables, trainer.stopped
    t = beyond + 1
    return Position(
        **{**asdict(o), "encodings": names},
        device=used,
        shortest=o.shortest,
        lengths=o.lengths,
        tests=_TESTS,
        codes=[code for name in names for code in _codes(o, name, tables.get(name))],
        shift=[Shift(k, _shift_error(k, t, d_model)) for k in sorted({1, length, beyond})],
        products=[product for name in names for product in _products(o, name)],
        algebra=[Algebra(name, _permuted(o, name), _moved(o, name)) for name in names],
        training=training,
        stopped=stopped,
    )


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart."""

    encodings: list[str]
    length: int
    beyond: int
    steps: int
    seeds: int
    d_model: int
    layers: int
    heads: int
    seed: int

    def require(self) -> None:
        """Refuse what cannot be run."""
        require(self.length, "length", 3, 128)
        require(self.beyond, "beyond", 3, 512)
        require(self.steps, "steps", 1, 10000)
        require(self.seeds, "seeds", 1, 32)
        require(self.d_model, "d-model", 2, 256)
        require(self.layers, "layers", 1, 4)
        require(self.heads, "heads", 1, 8)
        require(self.seed, "seed", 0)
        if self.beyond < self.length:
            raise BadInput(
                f"--beyond {self.beyond}",
                _("at least --length, which is {length}").format(length=self.length),
                f"--beyond {4 * self.length}",
            )
        pairs, rest = divmod(self.d_model, 2 * self.heads)
        if rest:
            raise BadInput(
                f"--d-model {self.d_model} --heads {self.heads}",
                _("an even width for each head, because RoPE turns pairs"),
                f"--d-model {2 * self.heads * max(1, pairs)}",
            )

    @property
    def shortest(self) -> int:
        """The shortest row of training."""
        return max(2, self.length // 2)

    @property
    def lengths(self) -> list[int]:
        """What is tested: five lengths inside the trained ones, then six at equal ratios."""
        inside = np.linspace(self.shortest, self.length, 5)
        outside = np.geomspace(self.length, self.beyond, 7)
        return sorted({round(t) for t in (*inside.tolist(), *outside.tolist())})

    def network(self, encoding: str, s: int) -> "Reader":
        """Network number s, drawn; the same in every company."""
        rng = np.random.default_rng([self.seed, s, list(ENCODINGS).index(encoding)])
        longest = self.beyond + 1 if encoding == "learned" else None
        return init(rng, self.d_model, self.layers, longest)


# The network


class Reader(NamedTuple):
    """The parameters of a Transformer that reads a row and answers 0 or 1; v symbols."""

    embed: Array  # (v, d)
    pos: Array | None  # (longest, d), where positions are learned
    blocks: tuple[Block, ...]
    norm: Norm
    W: Array  # (d, 2)


def init(rng: np.random.Generator, d: int, layers: int, longest: int | None) -> Reader:
    """Embeddings of deviation 1, positions, where there are any, of half that: by trial.

    The hidden layers are twice as wide as the others.
    """
    embed = rng.normal(size=(_SYMBOLS + 1, d))
    pos = None if longest is None else rng.normal(0, 0.5, (longest, d))
    blocks = tuple(transformer.init(rng, d, 2 * d) for _layer in range(layers))
    W = rng.normal(0, 1 / math.sqrt(d), (d, 2))
    return Reader(embed, pos, blocks, transformer.init_norm(d, like=embed), W)


def embed(p: Reader, tokens: Array, encoding: str) -> Array:
    """E[tokens], and the position where it is added: (..., t) -> (..., t, d)."""
    x = p.embed[tokens]
    t, d = x.shape[-2:]
    if encoding == "learned":
        assert p.pos is not None
        return x + p.pos[:t]
    if encoding == "sinusoidal":
        return x + cast(positions.sinusoidal(t, d), like=x)
    return x


def style(encoding: str, h: int) -> Style:
    """Pre-norm blocks of h heads, which turn queries and keys where that is the encoding."""
    return Style(h, pre_norm=True, rotate=positions.rotary if encoding == "rope" else None)


def read(p: Reader, tokens: Array, encoding: str, h: int) -> Trace:
    """Token numbers (..., t) -> the states (..., t, d) and weights of all layers."""
    t = tokens.shape[-1]
    mask = causal_mask(t) if encoding == "causal" else None
    bias = positions.alibi(t, h) if encoding == "alibi" else None
    return transformer.encode(p.blocks, embed(p, tokens, encoding), style(encoding, h), mask, bias)


def answer(p: Reader, tokens: Array, encoding: str, h: int) -> Array:
    """The scores of "A first" and "B first", read at the last token: (..., t) -> (..., 2)."""
    last = read(p, tokens, encoding, h).states[-1][..., -1, :]
    return transformer.norm(p.norm, last, style(encoding, h)) @ p.W


def _closed(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows (..., t) with the class token at their end, (..., t + 1)."""
    return np.concatenate([tokens, np.full((*tokens.shape[:-1], 1), _END)], axis=-1)


# What needs no training


def _shift_error(k: int, t: int, d: int) -> float:
    PE = positions.sinusoidal(t + k, d)
    return float(np.abs(PE[k:] - PE[:t] @ positions.shift(k, d)).max())


def _permuted(o: _Options, encoding: str) -> float:
    """How far the outputs of permuted tokens are from the permuted outputs; the end stays."""
    p = o.network(encoding, 0)
    rng = np.random.default_rng([o.seed, _SHUFFLES])
    tokens = _closed(tasks.order(rng, 1, o.length, _SYMBOLS)[0])[0]
    outputs = read(p, tokens, encoding, o.heads).states[-1]
    differences = []
    for _shuffle in range(_PERMUTATIONS):
        order = np.append(rng.permutation(o.length), o.length)
        shuffled = read(p, tokens[order], encoding, o.heads).states[-1]
        differences.append(np.abs(shuffled - outputs[order]).max())
    return float(np.max(differences))


def _scores(o: _Options, encoding: str) -> Floats:
    """The first layer's scores of one token with itself, everywhere: (h, t, t)."""
    p = o.network(encoding, 0)
    block, kind = p.blocks[0], style(encoding, o.heads)
    x = transformer.norm(block.norm_1, embed(p, np.zeros(o.beyond + 1, int), encoding), kind)
    q, k, _v = attention.project(block.attention, x, x, o.heads)
    if kind.rotate is not None:
        q, k = kind.rotate(q), kind.rotate(k)
    bias = positions.alibi(o.beyond + 1, o.heads) if encoding == "alibi" else 0.0
    return np.asarray(attention.scores(q, k) + bias)


def _moved(o: _Options, encoding: str) -> float:
    """The largest range of scores along a diagonal, which is one distance in one direction."""
    scores = _scores(o, encoding)
    ranges = [np.ptp(np.diagonal(scores, k, 1, 2), -1).max() for k in range(-o.beyond, o.beyond)]
    return float(np.max(ranges))


def _products(o: _Options, encoding: str) -> Iterator[Product]:
    t = o.beyond + 1
    if encoding == "alibi":
        for head, bias in enumerate(positions.alibi(t, o.heads)):
            yield _against_distance(bias, encoding, "positions", head)
        return
    if encoding not in ("sinusoidal", "rope"):
        return
    if encoding == "sinusoidal":
        vectors = positions.sinusoidal(t, o.d_model)
    else:
        vectors = positions.rotary(np.ones((t, o.d_model // o.heads)))
    yield _against_distance(attention.scores(vectors, vectors), encoding, "positions", 0)
    yield _against_distance(_scores(o, encoding)[0], encoding, "layer", 0)


def _against_distance(scores: Floats, encoding: str, of: str, head: int) -> Product:
    """Scores (t, s) by how far back the key lies."""
    diagonals = [np.diagonal(scores, -k) for k in range(len(scores))]
    mean, low, high = (np.array([f(d) for d in diagonals]) for f in (np.mean, np.min, np.max))
    return Product(encoding, of, head, mean, low, high)


def _codes(o: _Options, encoding: str, table: Floats | None) -> Iterator[Code]:
    t = o.beyond + 1
    if encoding == "learned":
        yield Code(encoding, table is not None, table if table is not None else _drawn(o))
    elif encoding == "sinusoidal":
        yield Code(encoding, False, positions.sinusoidal(t, o.d_model))
    elif encoding == "rope":
        vectors = np.zeros((t, o.d_model // o.heads))
        vectors[:, 0::2] = 1
        yield Code(encoding, False, positions.rotary(vectors))
    elif encoding == "alibi":
        yield Code(encoding, False, positions.alibi(t, o.heads)[0])


def _drawn(o: _Options) -> Floats:
    """The learned positions of the first network before training."""
    return np.asarray(o.network("learned", 0).pos)


# Training


class _Trainer:
    """Trains all seeds of an encoding side by side, and examines them."""

    def __init__(self, o: _Options, device: str, watch: Watch | None) -> None:
        self.o = o
        self.watch = watch or (lambda done, doing, view=None: None)
        self.watch(0.0, _("loading torch"))
        from seqlab import train

        self.device = train.device(device)
        self.losses: dict[str, list[float]] = {name: [] for name in o.encodings}
        self.tables: dict[str, Floats] = {}
        self.stopped = self.failed = False

    def all(self) -> list[Training]:
        """Every encoding, several at a time: torch leaves room for another thread.

        Each draws from generators of its own, so that nothing depends on how the threads meet.
        """
        workers = min(len(self.o.encodings), os.cpu_count() or 1, _WORKERS)
        with ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(self.train, name) for name in self.o.encodings]
            try:
                while True:
                    found = wait(jobs, timeout=0.1, return_when=FIRST_EXCEPTION)
                    ready = [job.result() for job in found.done]  # raises what was raised there
                    if len(ready) == len(jobs):
                        return [job.result() for job in jobs]
                    try:
                        self.report()
                    except Stopped:  # every network is then tested as it is
                        self.stopped = True
            except BaseException:  # the threads are not to go on for their own sake
                self.failed = True
                for job in jobs:
                    job.cancel()
                raise

    def report(self) -> None:
        """Tell how far all of them are, and show their losses."""
        steps = sum(map(len, self.losses.values()))
        past = {name: list(losses) for name, losses in self.losses.items()}
        doing = _("step {step} of {steps}").format(
            step=max(map(len, past.values())), steps=self.o.steps
        )
        self.watch(steps / (self.o.steps * len(past)), doing, partial(_losses, past))

    def train(self, encoding: str) -> Training:
        """Train, then test at every length."""
        from seqlab import trees

        o = self.o
        started = time.perf_counter()
        p = self.fit(encoding, o.steps)
        accuracy = self.examine(p, encoding)
        if encoding == "learned":
            assert p.pos is not None
            self.tables[encoding] = p.pos[0].detach().cpu().numpy().astype(float)
        return Training(
            encoding=encoding,
            accuracy=accuracy,
            loss=self.losses[encoding],
            holds=_holds(accuracy, o.lengths),
            parameters=trees.count(p) // o.seeds,
            seconds=time.perf_counter() - started,
        )

    def fit(self, encoding: str, steps: int) -> Reader:
        """Parameters of all seeds, one behind the other on a first axis, after `steps` steps."""
        import torch.nn.functional as F

        from seqlab import train, trees

        o = self.o
        networks = [o.network(encoding, s) for s in range(o.seeds)]
        p = train.trainable(trees.stack(networks), self.device)
        model = self.model(p, encoding)
        lengths = np.random.default_rng([o.seed, _LENGTHS])
        data = [np.random.default_rng([o.seed, s, _DATA]) for s in range(o.seeds)]

        def loss(step: int) -> Array:
            t = int(lengths.integers(o.shortest, o.length + 1))
            rows = [tasks.order(rng, _BATCH, t, _SYMBOLS) for rng in data]
            scores = model(self.tensor(_closed(np.stack([tokens for tokens, _first in rows]))))
            firsts = self.tensor(np.stack([first for _tokens, first in rows]))
            # the sum over seeds: each descends its own mean, as if it were alone
            return o.seeds * F.cross_entropy(scores.flatten(0, 1), firsts.flatten())

        descent = train.fit(
            p, loss, steps=steps, lr=_RATE, betas=_BETAS, warmup=max(1, steps // 6),
            schedule="cosine",
        )  # fmt: skip
        for _step, value in descent:
            self.losses[encoding].append(value / o.seeds)
            if self.failed:
                raise RuntimeError("the training of another encoding was stopped")
            if self.stopped:
                break
        return p

    def examine(self, p: Reader, encoding: str) -> Floats:
        """The share of right answers, (seeds, lengths)."""
        import torch

        o = self.o
        model = self.model(p, encoding)
        rng = np.random.default_rng([o.seed, _EXAM])
        shares = []
        for t in o.lengths:
            tokens, firsts = tasks.order(rng, _TESTS, t, _SYMBOLS)
            at_once = max(1, _NUMBERS // (o.seeds * o.heads * (t + 1) ** 2))
            answers = []
            with torch.no_grad():
                for start in range(0, _TESTS, at_once):
                    rows = self.tensor(_closed(tokens[start : start + at_once]))
                    scores = model(rows.expand(o.seeds, *rows.shape))
                    answers.append(scores.argmax(-1).cpu().numpy())
            shares.append((np.concatenate(answers, axis=1) == firsts).mean(axis=1))
        return np.stack(shares, axis=1)

    def model(self, p: Reader, encoding: str) -> Verb:
        """The page's function for one network, mapped over the first axis of parameters and rows.

        That is a third cheaper than one network after the other.
        """
        import torch

        from seqlab import trees

        axes = trees.convert(lambda leaf: 0, p)
        one = partial(answer, encoding=encoding, h=self.o.heads)
        return partial(torch.func.vmap(one, in_dims=(axes, 0)), p)

    def tensor(self, x: NDArray[np.int64]) -> Array:
        import torch

        return torch.from_numpy(x).to(self.device)


def _holds(accuracy: Floats, lengths: Sequence[int]) -> int | None:
    """The last of the lengths before any seed falls below what counts as good."""
    good = np.logical_and.accumulate(accuracy.min(axis=0) >= _GOOD)
    return lengths[int(good.sum()) - 1] if good[0] else None


# The oracle


def check(
    *,
    encodings: str = "none,learned,sinusoidal,rope,alibi,causal",
    length: int = 12,
    beyond: int = 48,
    train: bool = True,
    steps: int = 150,
    seeds: int = 3,
    d_model: int = 32,
    layers: int = 2,
    heads: int = 4,
    device: str = "auto",
    seed: int = 0,
) -> list[Check]:
    """The same networks in torch's own functions, and M_k as the exponential of a matrix.

    Networks are trained for some steps (with `train`), so that no parameter is as it was drawn;
    then both compute their answers in float64, from the same parameters.
    """
    import torch

    from seqlab import train as training
    from seqlab import trees

    names = some_of(encodings, "encodings", ENCODINGS)
    o = _Options(names, length, beyond, steps, seeds, d_model, layers, heads, seed)
    o.require()
    errors = [_against_exponential(shift_by, d_model) for shift_by in (1, length, beyond)]
    checks = [Check(_("M_k and the exponential of k A"), float(np.max(errors)), 1e-9)]
    trainer = _Trainer(o, device, None)
    tokens = _closed(tasks.order(np.random.default_rng(seed), 16, length, _SYMBOLS)[0])
    for name in names:
        if train:
            stacked = training.trained(trainer.fit(name, min(steps, _CHECKED_STEPS)))
        else:
            stacked = trees.stack([o.network(name, s) for s in range(seeds)])
        differences = []
        for s in range(seeds):
            p = trees.convert(partial(_one, s), stacked)
            oracle = _in_torch(trees.convert(torch.tensor, p), torch.tensor(tokens), name, heads)
            differences.append(np.abs(answer(p, tokens, name, heads) - oracle.numpy()).max())
        text = _("{name}: answers of the page and of torch").format(name=_(ENCODINGS[name]))
        checks.append(Check(text, float(np.max(differences)), 1e-9))
    return checks


def _one(s: int, leaf: Array) -> Floats:
    """Network number s out of a stacked leaf, in float64."""
    return np.asarray(leaf[s], np.float64)


def _against_exponential(k: int, d: int) -> float:
    """M_k turns by k times the angle of one step: it is exp(k A), A the rate of turning."""
    import torch

    A = torch.zeros(d, d, dtype=torch.float64)
    for i in range(0, d, 2):
        speed = 10000.0 ** (-i / d)
        A[i, i + 1], A[i + 1, i] = -speed, speed
    return float(np.abs(positions.shift(k, d) - torch.linalg.matrix_exp(k * A).numpy()).max())


def _in_torch(p: Any, tokens: Array, encoding: str, h: int) -> Array:
    """The answers, from torch's own layer norm, attention and GELU; positions as complex turns."""
    import torch
    import torch.nn.functional as F

    t, d = tokens.shape[-1], p.embed.shape[-1]
    place = torch.arange(t, dtype=torch.float64)

    def turns(width: int) -> Array:  # e^{i p ω}: (t, width / 2), complex
        speed = torch.exp(-math.log(10000.0) / width * place.new_tensor(range(0, width, 2)))
        angle = place[:, None] * speed
        return torch.polar(torch.ones_like(angle), angle)

    def heads(x: Array, W: Array, b: Array) -> Array:
        return F.linear(x, W.T, b).view(*x.shape[:-1], h, d // h).transpose(-3, -2)

    def turned(x: Array) -> Array:
        if encoding != "rope":
            return x
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * turns(x.shape[-1])).flatten(-2)

    bias = None
    if encoding == "alibi":
        slopes = torch.tensor([2.0 ** (-8 * (i + 1) / h) for i in range(h)], dtype=torch.float64)
        bias = -slopes[:, None, None] * torch.cdist(place[:, None], place[:, None], p=1.0)
    x = F.embedding(tokens, p.embed)
    if encoding == "learned":
        x = x + p.pos[:t]
    if encoding == "sinusoidal":
        x = x + torch.view_as_real(turns(d)).flip(-1).flatten(-2)
    for block in p.blocks:
        y = F.layer_norm(x, (d,), *block.norm_1)
        a, ff = block.attention, block.feed_forward
        z = F.scaled_dot_product_attention(
            turned(heads(y, a.W_q, a.b_q)), turned(heads(y, a.W_k, a.b_k)),
            heads(y, a.W_v, a.b_v), attn_mask=bias, is_causal=encoding == "causal",
        )  # fmt: skip
        x = x + F.linear(z.transpose(-3, -2).flatten(-2), a.W_o.T, a.b_o)
        y = F.layer_norm(x, (d,), *block.norm_2)
        x = x + F.linear(F.gelu(F.linear(y, ff.W_1.T, ff.b_1)), ff.W_2.T, ff.b_2)
    return F.linear(F.layer_norm(x[:, -1], (d,), *p.norm), p.W.T)


# The screen


def show(result: Position, detail: bool = False) -> RenderableType:
    """Accuracy against length, a table, products against distance; heatmaps of the encodings."""
    parts: list[RenderableType] = [_title(result)]
    if result.training:
        parts += [Note(_task(result)), _curves(result)]
    elif not detail:
        parts += _heatmaps(result, rows=8)
    meaning = _(
        "permuted: the outputs of permuted tokens, permuted back; moved: the score of a pair, moved"
    )
    parts += [_table(result), Note(meaning)]
    if result.products and (result.training or detail):
        parts += _products_drawn(result, height=4 if result.training and not detail else 8)
    if detail:
        parts.append(_shifted(result))
        parts += _heatmaps(result, rows=result.beyond + 1)
        if result.training:
            parts += [_seeds(result), _losses({t.encoding: t.loss for t in result.training})]
    return Group(*parts)


def _task(result: Position) -> str:
    text = ngettext(
        "A and B among others, at {low} to {high} tokens: which is first? {n} network each.",
        "A and B among others, at {low} to {high} tokens: which is first? Mean and range of {n}"
        " networks.",
        result.seeds,
    )
    return text.format(low=result.shortest, high=result.length, n=result.seeds)


def _curves(result: Position) -> Curves:
    """Accuracy in % against length, and where the trained lengths end."""
    lines = [
        Line(
            _(ENCODINGS[t.encoding]), result.lengths, 100 * t.accuracy.mean(axis=0),
            100 * t.accuracy.min(axis=0), 100 * t.accuracy.max(axis=0), key=_INKS[t.encoding],
        )
        for t in result.training
    ]  # fmt: skip
    lowest = min(40.0, *(float(100 * t.worst.min()) for t in result.training))
    end = Line(_("longest trained"), [result.length] * 2, [lowest, 100], key="theory", dashed=True)
    return Curves(
        [end, *lines], y_label=_("right answers in %, against tokens (chance is 50)"),
        height=9, y_range=(lowest, 100),
    )  # fmt: skip


def _table(result: Position) -> Table:
    """A row an encoding: what the algebra says, and accuracy at three lengths."""
    at = sorted({result.at(t) for t in (result.length, 2 * result.length, result.beyond)})
    headers: list[Column | str] = [
        Column(_("encoding"), "left"),
        _("permuted: off by"),
        _("moved: off by"),
    ]
    if result.training:
        headers += [_("% at {t}").format(t=result.lengths[i]) for i in at]
    rows = []
    for algebra in result.algebra:
        row = [_(ENCODINGS[algebra.encoding]), number(algebra.permuted), number(algebra.moved)]
        training = result.trained(algebra.encoding)
        if training is not None:
            row += [_percent(training.accuracy[:, i]) for i in at]
        rows.append(row)
    return Table(headers, rows, keys=[_INKS[name] for name in result.encodings])


def _percent(shares: Floats) -> str:
    """The mean, and the range over seeds where there is one: 91 (88–95)."""
    mean, low, high = (f"{100 * float(f(shares)):.0f}" for f in (np.mean, np.min, np.max))
    return mean if low == high else f"{mean} ({low}–{high})"


def _products_drawn(result: Position, height: int) -> list[RenderableType]:
    """Products against distance, a panel an encoding."""
    titles = {
        "sinusoidal": "PE(p)·PE(p+k) / √d",
        "rope": "RoPE: q Rₚ · q Rₚ₊ₖ / √d",
        "alibi": _("ALiBi: −m k, a line a head"),
    }
    k = np.arange(result.beyond + 1)
    panels: list[tuple[str, RenderableType]] = []
    for name in result.encodings:
        found = [p for p in result.products if p.encoding == name]
        lines = [
            Line("", k, p.mean, p.low, p.high, key="linear" if p.of == "layer" else _INKS[name])
            for p in reversed(found)  # the positions alone lie above
        ]
        if lines:
            plot = Curves(lines, x_label=_("distance k"), height=height, legend="none")
            panels.append((titles[name], plot))
    drawn: list[RenderableType] = [Panels(panels, min_width=28)]
    if any(p.of == "layer" for p in result.products):
        text = _("Second line: one token at both places, through an untrained layer; range over p")
        drawn.append(Note(text))
    return drawn


def _title(result: Position) -> Title:
    """The question, and the shift that sinusoids allow, with what rounding leaves of it."""
    equation = "softmax(Q Kᵀ / √d) V"
    if any(a.encoding == "sinusoidal" for a in result.algebra):
        equation = _("PE(p+k) = PE(p) Mₖ to {error}").format(error=_shift_said(result))
    return Title(_("How does attention know which token came first?"), equation)


def _shift_said(result: Position) -> str:
    return number(float(np.max([s.error for s in result.shift])))


def _shifted(result: Position) -> Note:
    text = _("PE(p+k) = PE(p) Mₖ to within {error}, for k = {ks} and every p up to {beyond}.")
    ks = listed(str(s.k) for s in result.shift)
    return Note(text.format(error=_shift_said(result), ks=ks, beyond=result.beyond))


def _heatmaps(result: Position, rows: int) -> list[RenderableType]:
    """Position down, dimension across; the first `rows` positions, none of them averaged away."""
    panels: list[tuple[str, RenderableType]] = []
    for code in result.codes:
        signed = code.encoding != "alibi"
        values = code.values[:rows] if signed else code.values[:rows, : 4 * rows]
        labels = [str(i) if i % 4 == 0 else "" for i in range(len(values))]
        figure = Heatmap(
            values, rows=labels, numbers=False, max_height=rows, cell_width=2,
            row_axis=_("position") if signed else _("query"),
            column_axis=_("dimension") if signed else _("key"),
            colours="diverging" if signed else "sequential",
        )  # fmt: skip
        panels.append((_coded(result, code), figure))
    return [Panels(panels, min_width=36)] if panels else []


def _coded(result: Position, code: Code) -> str:
    """The title of its picture."""
    if code.encoding == "learned" and code.trained:
        return _("learned, trained to position {t}").format(t=result.length)
    titles = {
        "learned": _("learned, as drawn before training"),
        "sinusoidal": _("sinusoidal"),
        "rope": _("RoPE: (1, 0, 1, 0, …) turned"),
        "alibi": _("ALiBi: the bias of head 1"),
    }
    return titles[code.encoding]


def _seeds(result: Position) -> Table:
    """Accuracy of every network at every length."""
    rows, keys = [], []
    for training in result.training:
        for s, shares in enumerate(training.accuracy):
            name = f"{_(ENCODINGS[training.encoding])} {s + 1}"
            rows.append([name, *(f"{100 * share:.0f}" for share in shares)])
            keys.append(_INKS[training.encoding])
    return Table([Column(_("% right at"), "left"), *map(str, result.lengths)], rows, keys=keys)


def _losses(losses: dict[str, list[float]]) -> Curves:
    """Loss against step: what is seen while networks train."""
    lines = []
    for name, values in losses.items():
        if not values:
            continue
        size = min(10, len(values))
        smooth = np.convolve(values, np.ones(size) / size, "valid")
        steps = np.arange(len(smooth)) + size
        lines.append(Line(_(ENCODINGS[name]), steps, smooth, key=_INKS[name]))
    label = _("loss (nats), mean of ten steps")
    return Curves(lines, x_label=_("step"), y_label=label, height=8)


# The sentences


def takeaways(result: Position) -> list[str]:
    """What this run showed; a verdict on training is one on the worst of all seeds."""
    if not result.training:
        return [*_order_said(result), *_distance_said(result)]
    sentences = []
    none, causal = result.trained("none"), result.trained("causal")
    if none is not None:
        sentences.append(_blind(none, result))
    if causal is not None:
        sentences.append(_mask_said(causal, result))
    others = [t for t in result.training if t.encoding not in ("none", "causal")]
    if others:
        sentences.append(_reach_said(others, result))
    return sentences


def _names(encodings: Sequence[str]) -> str:
    return listed(_(ENCODINGS[name]) for name in encodings)


def _blind(none: Training, result: Position) -> str:
    """Without positions: what is answered, and what a permutation does."""
    shares = none.accuracy[:, result.at(result.length)]
    spread = 4 * math.sqrt(0.25 / result.tests)  # of guesses: four standard errors
    if float(np.abs(shares - 0.5).max()) <= spread:
        text = _("Without positions it is guessing: {mean} % right at {t} tokens{range};")
    else:
        text = _("Without positions it is not guessing: {mean} % right at {t} tokens{range};")
    error = next(a.permuted for a in result.algebra if a.encoding == "none")
    if error < _EXACT:
        text += _(" permuted tokens give the same outputs, permuted, to within {error}.")
    else:
        text += _(" permuted tokens change the outputs by {error}.")
    return text.format(
        mean=f"{100 * float(shares.mean()):.0f}",
        t=result.length,
        range=_range(shares),
        error=number(error),
    )


def _range(shares: Floats) -> str:
    """From which to which share the seeds reach; nothing where they agree."""
    low, high = (f"{100 * float(f(shares)):.0f}" for f in (np.min, np.max))
    if low == high:
        return ""
    pattern = _(" ({low} to {high} in {n} networks)")
    return pattern.format(low=low, high=high, n=len(shares))


def _mask_said(causal: Training, result: Position) -> str:
    """Whether a mask can stand for positions: in every seed, or in how many."""
    at = result.at(result.length)
    good = int((causal.accuracy[:, : at + 1].min(axis=1) >= _GOOD).sum())
    numbers = {
        "t": result.length, "n": result.seeds, "good": good, "last": result.beyond,
        "worst": f"{100 * float(causal.worst[: at + 1].min()):.0f}",
        "far": f"{100 * float(causal.worst[-1]):.0f}",
    }  # fmt: skip
    if good == result.seeds and result.beyond > result.length:
        text = _(
            "A causal mask alone, without positions, is enough: at worst {worst} % up to {t}"
            " tokens, {far} % at {last}."
        )
    elif good == result.seeds:
        text = _(
            "A causal mask alone, without positions, is enough: at worst {worst} % up to {t}"
            " tokens."
        )
    elif good == 0:
        text = _("A causal mask alone is not enough here: at worst {worst} % up to {t} tokens.")
    else:
        text = _("A causal mask alone is enough in {good} of {n} networks, up to {t} tokens.")
    return text.format(**numbers)


def _reach_said(trained: Sequence[Training], result: Position) -> str:
    """How far every seed answers well; the farthest first."""
    groups: dict[int, list[str]] = {}
    for t in trained:
        groups.setdefault(t.holds or 0, []).append(t.encoding)
    parts = []
    for holds in sorted(groups, reverse=True):
        names = _names(groups[holds])
        if holds == 0:
            text = _("{names} at no length")
        elif holds == result.beyond:
            text = _("{names} to {t}, the longest tested")
        else:
            text = _("{names} to {t}")
        parts.append(text.format(names=names, t=holds))
    text = ngettext(
        "Trained to {length} tokens, the network answers 90 % and more: {parts}.",
        "Trained to {length} tokens, each of {n} networks answers 90 % and more: {parts}.",
        result.seeds,
    )
    return text.format(length=result.length, n=result.seeds, parts=_("; ").join(parts))


def _order_said(result: Position) -> list[str]:
    """Which untrained networks see an order at all."""
    blind = [a for a in result.algebra if a.permuted < _EXACT]
    seeing = [a for a in result.algebra if a.permuted >= _EXACT]
    sentences = []
    if blind:
        text = _("{names}: permuted tokens give the same outputs, permuted, to within {error}.")
        worst = float(np.max([a.permuted for a in blind]))
        names = _names([a.encoding for a in blind])
        sentences.append(_upper(text.format(names=names, error=number(worst))))
    if seeing:
        least = min(seeing, key=lambda a: a.permuted)
        text = _("With {names} the outputs differ, by {least} at the least ({which}).")
        if len(seeing) == 1:
            text = _("With {names} the outputs differ, by {least}.")
        sentences.append(
            text.format(
                names=_names([a.encoding for a in seeing]),
                least=number(least.permuted),
                which=_(ENCODINGS[least.encoding]),
            )
        )
    return sentences


def _distance_said(result: Position) -> list[str]:
    """Which untrained layers see the distance only, and which the place besides."""
    relative = [a for a in result.algebra if a.moved < _EXACT and a.encoding in ("rope", "alibi")]
    absolute = [a for a in result.algebra if a.moved >= _EXACT]
    if not (relative and absolute):
        return []
    text = _(
        "Moving two like tokens together changes their score by up to {error} with {relative}, by"
        " up to {least} with {absolute}."
    )
    return [
        text.format(
            error=number(float(np.max([a.moved for a in relative]))),
            relative=_names([a.encoding for a in relative]),
            least=number(float(np.max([a.moved for a in absolute]))),
            absolute=_names([a.encoding for a in absolute]),
        )
    ]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def question(result: Position) -> Question:
    """Which answers best on the longest rows? Where none is best, what a permutation does."""
    shares = {t.encoding: float(t.accuracy[:, -1].mean()) for t in result.training}
    if shares:
        best = max(shares, key=shares.__getitem__)
        names = [name for name in shares if name == best or shares[name] <= shares[best] - 0.05]
        if len(names) > 1 and shares[best] >= 0.6:
            text = _("Trained to {length} tokens: which answers best at {beyond}?")
            told = _("; ").join(f"{_(ENCODINGS[n])} {100 * shares[n]:.0f} %" for n in names)
            return Question(
                text.format(length=result.length, beyond=result.beyond),
                [_(ENCODINGS[name]) for name in names],
                names.index(best),
                _("Right answers at {beyond} tokens: {told}.").format(
                    beyond=result.beyond, told=told
                ),
            )
    first = result.algebra[0]
    choices = [
        _("the same outputs, permuted likewise"),
        _("outputs that differ in more than their order"),
    ]
    text = _("{name}: the tokens are permuted before the first layer. What comes out?")
    why = _("The outputs, permuted back, differ by {error}.").format(error=number(first.permuted))
    name = _upper(_(ENCODINGS[first.encoding]))
    return Question(text.format(name=name), choices, int(first.permuted >= _EXACT), why)
