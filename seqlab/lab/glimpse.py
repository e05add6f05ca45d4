"""Look everywhere at once, or at one place? Soft attention against hard, at the same task.

A picture has nine regions, one of them marked: what does the marked one hold? Soft attention reads
the mean of all regions, weighted. Hard attention reads a single one, chosen at random by the
weights; a choice has no derivative, and what replaces it (REINFORCE, a baseline, the other looks, a
softmax in its stead) is noisy or biased (Xu et al. 2015).

Measured: how fast each learns, where it looks, how many regions it reads, and its gradients while
the network stands still: how much of them is noise, and whether their mean is the true gradient.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from einops import rearrange
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab.book import hard
from seqlab.book.ops import Array, relu, softmax
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
    require,
    series,
    some_of,
)
from seqlab.locale import N_, _, listed, ngettext, sentences
from seqlab.tasks import regions as task

Floats = NDArray[np.float64]
Single = NDArray[np.float32]

_AXES = 16  # numbers that describe a region
_MEASUREMENTS = 24  # of accuracy, besides the one before training
_HELD_OUT = 128  # pictures for each network that none is trained on
_LOOKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)  # at each picture: of so many, mean gradients
_CHUNK = 32  # of them at a time: what fits a cache takes half the time
_MOST_WORK = 6e8  # thirty times the default: see _Options.work
_GOOD = 0.9  # accuracy that counts as having learned
_BIASED = 0.05  # the share of the exact gradient's length from which on an error counts as bias
_BUDGET = {False: (16, 240), True: (4, 160)}  # (seeds, steps of training), with --quick or without
_SMALL = (0.1, 0.25)  # the first scores and answers, against weights of variance 1 / fan-in


class Method(NamedTuple):
    """A way to train: its name, the architecture whose colour it takes, what it reads of n."""

    name: str
    ink: str
    hard: bool
    training: str  # "all", "one" or "samples"


METHODS = {
    "soft": Method(N_("soft"), "attention", False, "all"),
    "exact": Method(N_("exact sum"), "linear", True, "all"),
    "reinforce": Method(N_("REINFORCE"), "rnn", True, "one"),
    "baseline": Method(N_("baseline"), "vit", True, "one"),
    "leave-one-out": Method(N_("leave one out"), "gru", True, "samples"),
    "straight-through": Method(N_("straight-through"), "lstm", True, "one"),
}
_DRAWN = ("reinforce", "baseline", "leave-one-out", "straight-through")  # gradients that are random


# The network: where to look, and what is there


class Network(NamedTuple):
    """The parameters of m networks, side by side."""

    W: Array  # (m, d, h), of the scorer
    b: Array  # (m, 1, h)
    v: Array  # (m, h, 1)
    C: Array  # (m, d, c), of the reader
    c: Array  # (m, 1, c)


def init(rng: np.random.Generator, m: int, d: int, h: int, contents: int) -> Network:
    """Weights of variance 1 / fan-in, but those of scores and answers smaller; no biases.

    With answers four times as large at first, one network in sixteen learns to avoid the marked
    region before it can read, by every method, and may stay there.
    """
    scores, answers = _SMALL
    return Network(
        W=rng.normal(0.0, 1 / math.sqrt(d), (m, d, h)),
        b=np.zeros((m, 1, h)),
        v=rng.normal(0.0, scores / math.sqrt(h), (m, h, 1)),
        C=rng.normal(0.0, answers / math.sqrt(d), (m, d, contents)),
        c=np.zeros((m, 1, contents)),
    )


def score(p: Network, x: Array) -> Array:
    """eᵢ = relu(xᵢ W + b) v, every region by itself: (m, b, n, d) -> (m, b, n)."""
    hidden = relu(rearrange(x, "m b n d -> m (b n) d") @ p.W + p.b)
    e = (hidden * p.v.mT).sum(-1)  # products with a single column, hidden @ v, take twice as long
    return rearrange(e, "m (b n) -> m b n", n=x.shape[-2])


def read(p: Network, z: Array) -> Array:
    """The scores of the answers, z C + c: (..., m, b, d) -> (..., m, b, c)."""
    return z @ p.C + p.c


def loss_of(answers: Array, right: Array) -> Array:
    """-log p(y): (..., c), and the right ones one-hot (..., c) -> (...), in nats."""
    return answers.logsumexp(-1) - (answers * right).sum(-1)


def slopes(p: Network, answers: Array, right: Array, x: Array) -> Array:
    """∂ℓ/∂wᵢ = xᵢ · ∂ℓ/∂z: answers (..., m, b, c), x (m, b, n, d) -> (..., m, b, n)."""
    dz = (softmax(answers) - right) @ p.C.mT
    return (x * dz[..., None, :]).sum(-1)


# What is measured


@dataclass(frozen=True)
class Ends:
    """A number before training and after: medians, and those of every network, (seeds,).

    NaN is what cannot be told: straight-through's noise where the draws' mean is noise itself, all
    where the exact gradient is 0, and the end of a run that was stopped before it was measured.
    """

    start: float
    end: float
    starts: Floats
    ends: Floats


@dataclass(frozen=True)
class Gradient:
    """What one step's gradient of the scorer's parameters is made of, at fixed parameters.

    All are of one batch, over what chance the looks leave. `noise` is √(trace of the covariance)
    over the norm of the expected gradient; `bias` is how far that lies from the exact gradient of
    hard attention, over the norm of the latter. Both are sums over all possible looks; those of
    straight-through are estimates by `draws` gradients, whose mean has the standard error `error`,
    as a share of the exact gradient's norm too.
    """

    name: str
    draws: int
    noise: Ends
    bias: Ends
    error: Ends


@dataclass(frozen=True)
class Looks:
    """Where one network looks: its weights on the example, (regions,), and the marked one's share.

    Before training, after `early` steps of the Result, and at the end. `shares`, (3, seeds), are
    the means over pictures held out.
    """

    name: str
    before: Floats
    early: Floats
    after: Floats
    shares: Floats


@dataclass(frozen=True)
class Reads:
    """Regions that the reader is given for a picture. The scorer sees all of them always.

    `backward` counts those whose contents the gradient needs: straight-through, which reads one,
    asks of all what they would have changed.
    """

    name: str
    training: int
    backward: int
    test: int


@dataclass(frozen=True)
class Learned:
    """Steps until a network is right 90 % of the time, (seeds,); NaN where it never was.

    `accuracy`, (seeds,), is that of the end.
    """

    name: str
    steps: Floats
    accuracy: Floats


@dataclass(frozen=True)
class Glimpse(Trained):
    """Learning curves, gradients and looks of all methods.

    The series of a method's own name is its accuracy on pictures held out, over steps of training;
    the one with ": cosine" behind it is that of the mean of x gradients with the exact one, before
    training. `step` is the last one, `early` the one at which the first method's median network was
    right 90 % of the time (or the last). All methods begin with the same parameters and see the
    same pictures. `marked` is the region of the example that is marked, counted from 0.
    """

    regions: int
    contents: int
    noise: float
    methods: list[str]
    samples: int
    temperature: float
    hidden: int
    seeds: int
    train_steps: int
    batch: int
    lr: float
    seed: int
    quick: bool
    device: str
    step: int
    chance: float
    random_look: float
    parameters: int
    series: list[Series]
    learned: list[Learned]
    gradients: list[Gradient]
    looks: list[Looks]
    early: int
    reads: list[Reads]
    marked: int


def run(
    *,
    regions: Annotated[
        int, typer.Option(min=2, max=25, help=N_("Regions of a picture; one is marked."))
    ] = 9,
    contents: Annotated[
        int, typer.Option(min=2, max=15, help=N_("What a region may hold: so many answers."))
    ] = 8,
    noise: Annotated[
        float, typer.Option(help=N_("Deviation of the noise; contents and mark have length 2."))
    ] = 0.3,
    methods: Annotated[
        str,
        typer.Option(
            help=N_(
                "Which methods, of soft, exact, reinforce, baseline, leave-one-out,"
                " straight-through; with commas between."
            )
        ),
    ] = "soft,exact,reinforce,baseline,leave-one-out,straight-through",
    samples: Annotated[
        int, typer.Option(min=2, max=16, help=N_("Looks of leave-one-out at each picture."))
    ] = 4,
    temperature: Annotated[
        float, typer.Option(help=N_("Of straight-through's softmax: the lower, the harder."))
    ] = 1.0,
    hidden: Annotated[int, typer.Option(min=1, max=64, help=N_("Width of the scorer."))] = 32,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=32, help=N_("Networks for each method; by default 16, with --quick 4.")
        ),
    ] = None,
    train_steps: Annotated[
        int | None,
        typer.Option(
            min=1, max=3000, help=N_("Steps of training; by default 240, with --quick 160.")
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=128, help=N_("Pictures in a step."))] = 32,
    lr: Annotated[float, typer.Option(help=N_("Learning rate of Adam."))] = 1e-2,
    device: Device = "auto",
    quick: Quick = False,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Glimpse:
    """Train the same networks by every method, and measure the methods' gradients.

    Raises:
        BadInput: an option out of range, a method that is not known, no such device, more work
            than a class waits for.
    """
    o = _Options(
        regions, contents, noise, methods, samples, temperature, hidden, seeds, train_steps, batch,
        lr, quick, seed,
    )  # fmt: skip
    return _train(o.checked(), device, watch or (lambda done, doing, view=None: None))


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart."""

    regions: int = 9
    contents: int = 8
    noise: float = 0.3
    methods: str | Sequence[str] = tuple(METHODS)
    samples: int = 4
    temperature: float = 1.0
    hidden: int = 32
    seeds: int | None = None
    train_steps: int | None = None
    batch: int = 32
    lr: float = 1e-2
    quick: bool = False
    seed: int = 0

    def checked(self) -> "_Options":
        """These options, what was left open filled in; or BadInput."""
        seeds, steps = _BUDGET[bool(self.quick)]
        asked = some_of(self.methods, "methods", METHODS)
        o = replace(
            self,
            methods=[name for name in METHODS if name in asked],
            seeds=seeds if self.seeds is None else self.seeds,
            train_steps=steps if self.train_steps is None else self.train_steps,
        )
        require(o.regions, "regions", 2, 25)
        require(o.contents, "contents", 2, _AXES - 1)
        require(o.noise, "noise", 0.0, 10.0)
        require(o.samples, "samples", 2, 16)
        require(o.temperature, "temperature", 0.05, 20.0)
        require(o.hidden, "hidden", 1, 64)
        require(o.m, "seeds", 1, 32)
        require(o.steps, "train-steps", 1, 3000)
        require(o.batch, "batch", 1, 128)
        require(o.lr, "lr", 0.0, 1.0)
        require(o.seed, "seed", 0)
        if o.work > _MOST_WORK:
            raise BadInput(
                _("{n} times more work than can be waited for").format(
                    n=number(o.work / _MOST_WORK)
                ),
                _("smaller --regions, --batch, --seeds, --hidden or --samples, or fewer steps"),
            )
        return o

    @property
    def work(self) -> float:
        """Regions that are weighed: in training, where a wide scorer counts more, and by draws."""
        looks = [_looks_of(self, name) for name in self.methods]
        training = self.steps * sum(looks) * max(1.0, self.hidden / 32)
        draws = _LOOKS[-1] * sum(name in _DRAWN for name in self.methods)
        return self.m * self.batch * self.regions * (training + draws)

    @property
    def m(self) -> int:
        """Networks side by side."""
        assert self.seeds is not None
        return self.seeds

    @property
    def steps(self) -> int:
        assert self.train_steps is not None
        return self.train_steps

    def rng(self, stream: str, method: str = "") -> np.random.Generator:
        """A stream of random numbers of its own for each purpose, whatever else is asked for."""
        streams = ("axes", "network", "batches", "held out", "probe", "training", "draws")
        which = list(METHODS).index(method) if method else 0
        return np.random.default_rng([self.seed, streams.index(stream), which])

    def gumbel(self, rng: np.random.Generator, method: str, *leading: int) -> Single | None:
        """Gumbel numbers (*leading, m, b, n), for leave-one-out (k, *leading, m, b, n).

        None for the methods that draw nothing.
        """
        if method not in _DRAWN:
            return None
        shape = (*leading, self.m, self.batch, self.regions)
        if method == "leave-one-out":
            shape = (self.samples, *shape)
        exponential = rng.standard_exponential(shape, dtype=np.float32)  # -log u of uniform u
        return -np.log(np.maximum(exponential, np.float32(1e-30)))  # float32 draws 0 at times


# Learning


class _Pictures(NamedTuple):
    """Regions (m, b, n, d), the right answers one-hot (m, b, c), the marked ones one-hot."""

    x: Array
    right: Array
    marked: Array  # (m, b, n)


class _World:
    """Where the pictures come from."""

    def __init__(self, o: _Options, device: Any) -> None:
        self.o, self.device = o, device
        self.axes = task.axes(o.rng("axes"), o.m, _AXES)

    def pictures(self, rng: np.random.Generator, b: int) -> _Pictures:
        import torch

        o = self.o
        x, answer, place = task.marked(rng, self.axes, b, o.regions, o.contents, o.noise)
        right = np.eye(o.contents, dtype=np.float32)[answer]
        marked = np.eye(o.regions, dtype=np.float32)[place]
        return _Pictures(*(torch.as_tensor(a, device=self.device) for a in (x, right, marked)))


class _Learner:
    """m networks that learn by one method."""

    def __init__(self, o: _Options, method: str, p: Network, device: Any) -> None:
        from seqlab import train

        self.o, self.method, self.device = o, method, device
        self.p = train.trainable(p, device)
        self.rng = o.rng("training", method)
        # Before any loss is known: that of an answer at random. 0 is REINFORCE without a baseline.
        start = math.log(o.contents) if method == "baseline" else 0.0
        self.baseline: Array | float = start
        self.pictures: _Pictures | None = None  # of the next step

    def fit(self) -> Any:
        """One step after the other, on the pictures that were put down before each."""
        from seqlab import train

        return train.fit(self.p, self.loss, steps=self.o.steps, lr=self.o.lr)

    def loss(self, step: int) -> Array:
        """What has the method's gradient, (m,); its value has no meaning."""
        import torch

        assert self.pictures is not None
        drawn = self.o.gumbel(self.rng, self.method)
        g = None if drawn is None else torch.as_tensor(drawn, device=self.device)
        surrogate, loss = step_of(
            self.method, self.p, self.pictures, g, self.baseline, self.o.temperature
        )
        if self.method == "baseline":
            self.baseline = hard.moving_average(self.baseline, loss.mean(-1, keepdim=True))
        return surrogate


def step_of(
    method: str, p: Network, pictures: _Pictures, g: Array | None, baseline: Array | float, τ: float
) -> tuple[Array, Array]:
    """A surrogate loss (m,), and the mean over looks of the losses (m, b).

    The reader learns by the losses of what it reads. The scorer's part of the surrogate is e · δ,
    with δ as the page has it, held fixed: its gradient by e is δ.
    """
    x, right, _marked = pictures
    e = score(p, x)
    scores = e.detach()
    weights = softmax(scores)
    if method == "exact":
        answers = rearrange(
            read(p, rearrange(x, "m b n d -> m (b n) d")), "m (b n) c -> m b n c", n=x.shape[-2]
        )
        losses = loss_of(answers, right[:, :, None])  # (m, b, n)
        δ = hard.through_softmax(weights, losses.detach())
        loss = (weights * losses).sum(-1)
        return (loss + (e * δ).sum(-1)).mean(-1), loss.detach()
    chosen = weights if method == "soft" else hard.choose(scores, g)
    answers = read(p, hard.look(chosen, x))
    losses = loss_of(answers, right)
    by_slope = method in ("soft", "straight-through")
    known = slopes(p, answers, right, x).detach() if by_slope else losses.detach()
    δ = estimate(method, scores, chosen, g, known, baseline, τ)
    loss = losses.mean(0) if method == "leave-one-out" else losses
    return (loss + (e * δ).sum(-1)).mean(-1), loss.detach()


def estimate(
    method: str, scores: Array, chosen: Array, g: Array | None, known: Array,
    baseline: Array | float, τ: float,
) -> Array:  # fmt: skip
    """∂L/∂e by a method that reads, (..., m, b, n).

    `known` is what was learned by reading: the slopes (..., m, b, n) for soft and straight-through,
    the losses (..., m, b) for the others.
    """
    weights = softmax(scores)
    if method == "soft":
        return hard.through_softmax(weights, known)
    if method == "straight-through":
        return hard.straight_through(scores, g, known, τ)
    if method == "leave-one-out":
        return hard.leave_one_out(weights, chosen, known)
    return hard.reinforce(weights, chosen, known, baseline)


# Measuring


class _Exam:
    """Measures networks, always on the same pictures, which are in no batch."""

    def __init__(self, world: _World) -> None:
        self.pictures = world.pictures(world.o.rng("held out"), _HELD_OUT)
        self.marked = int(self.pictures.marked[0, 0].argmax())

    def look(self, method: str, p: Network) -> tuple[Floats, Floats, Floats]:
        """How often the answer is right, (m,), and where the networks look.

        That is: the first network's weights on its first picture, (n,), and those of the marked
        regions, (m,). A hard method reads the region with the highest score. The accuracy of a
        network that no longer answers with numbers is NaN.
        """
        import torch

        x, right, marked = self.pictures
        with torch.no_grad():
            e = score(p, x)
            weights = softmax(e)
            answers = read(
                p, hard.look(hard.choose(e, 0.0) if METHODS[method].hard else weights, x)
            )
            hit = (answers.argmax(-1) == right.argmax(-1)).double().mean(-1)
            hit[~answers.isfinite().all(-1).all(-1)] = math.nan
            share = (weights * marked).sum(-1).mean(-1)
        return _numbers(hit), _numbers(weights[0, 0]), _numbers(share)


class _Estimate(NamedTuple):
    """A gradient's noise, bias and that one's error, (m,) each: see `Gradient`.

    `cosines`, (len(_LOOKS), m), are those of the means over so many looks; NaN where one gradient
    alone takes more; nothing where they were not asked for.
    """

    noise: Floats
    bias: Floats
    error: Floats
    cosines: Floats


class _Probe:
    """Measures gradients at fixed parameters, always of the same batch, in float64."""

    def __init__(self, world: _World) -> None:
        self.o, self.device = world.o, world.device
        pictures = world.pictures(self.o.rng("probe"), self.o.batch)
        self.pictures = _Pictures(*(a.double() for a in pictures))

    def still(self, p: Network) -> "_Still":
        """These networks, before the batch."""
        return _Still(Network(*(leaf.detach().double() for leaf in p)), self.pictures)

    def estimate(
        self, method: str, still: "_Still", baseline: Array | float, tell: Callable[[], None],
        cosines: bool = False,
    ) -> _Estimate:  # fmt: skip
        """What the gradients of a method are like; `cosines` only where they are asked for."""
        none = np.zeros(self.o.m)
        if method not in _DRAWN:
            δ = still.soft() if method == "soft" else still.exact
            every = np.tile(still.cosine(δ), (len(_LOOKS), 1))
            return _Estimate(none, still.bias(δ), none, every)
        if method == "straight-through":
            draws = self.draw(method, still, baseline, tell)
            return _Estimate(draws.noise(), draws.bias(), draws.error(), np.array(draws.cosines))
        mean, trace = enumerated(still, _looks_of(self.o, method), baseline)
        noted = self.draw(method, still, baseline, tell).cosines if cosines else []
        return _Estimate(still.noise(trace, still.exact), still.bias(mean), none, np.array(noted))

    def draw(
        self, method: str, still: "_Still", baseline: Array | float, tell: Callable[[], None]
    ) -> "_Draws":
        """Many gradients of the same batch; `tell` is called on the way."""
        import torch

        k, τ = _looks_of(self.o, method), self.o.temperature
        draws, rng = _Draws(still), self.o.rng("draws", method)
        for looks in _LOOKS:
            while count := min(max(1, _CHUNK // k), looks // k - draws.count):
                tell()
                g = torch.as_tensor(self.o.gumbel(rng, method, count), device=self.device).double()
                chosen = hard.choose(still.scores, g)
                known = (chosen * still.losses).sum(-1)
                if method == "straight-through":
                    known = (chosen[..., None, :] @ still.slopes)[..., 0, :]
                draws.add(estimate(method, still.scores, chosen, g, known, baseline, τ))
            draws.note()
        return draws


class _Still:
    """Networks that stand still before one batch: what every possible look would bring."""

    def __init__(self, p: Network, pictures: _Pictures) -> None:
        x, right = pictures.x, pictures.right[:, :, None]
        self.p, self.pictures = p, pictures
        # ∂eᵢ/∂(W, b, v) = (xᵢ ⊗ s, s, hidden), s = v where hidden > 0: kept as these factors
        self.hidden = relu(x @ p.W[:, None] + p.b[:, None])  # (m, b, n, h)
        self.s = (self.hidden > 0) * p.v.mT[:, None]
        self.gram = (x @ x.mT + 1) * (self.s @ self.s.mT) + self.hidden @ self.hidden.mT
        self.scores = score(p, x)
        self.weights = softmax(self.scores)
        answers = x @ p.C[:, None] + p.c[:, None]  # (m, b, n, c)
        self.losses = loss_of(answers, right)  # (m, b, n)
        # by every weight (the last axis) where a region (the one before) has been read
        self.slopes = (softmax(answers) - right) @ p.C.mT[:, None] @ x.mT
        self.exact = hard.through_softmax(self.weights, self.losses)  # ∂L/∂e
        self.truth = self.gradient(self.exact)

    def soft(self) -> Array:
        """∂L/∂e of soft attention, whose loss is another."""
        answers = read(self.p, hard.look(self.weights, self.pictures.x))
        known = slopes(self.p, answers, self.pictures.right, self.pictures.x)
        return hard.through_softmax(self.weights, known)

    def gradient(self, δ: Array) -> Array:
        """∂L/∂(W, b, v), of the mean over the batch: ∂L/∂e (m, b, n) -> (m, parameters)."""
        import torch

        x, by_hidden, hidden = (
            rearrange(a, "m b n d -> m (b n) d")
            for a in (self.pictures.x, δ[..., None] * self.s, δ[..., None] * self.hidden)
        )
        by_W = (x.mT @ by_hidden).flatten(1)
        return torch.cat([by_W, by_hidden.sum(1), hidden.sum(1)], dim=1) / δ.shape[1]

    def squares(self, δ: Array) -> Array:
        """The squared norm of each picture's part of the gradient: (k, m, b, n) -> (k, m, b)."""
        by_picture = rearrange(δ, "k m b n -> m b k n") / δ.shape[2]
        return rearrange((by_picture @ self.gram * by_picture).sum(-1), "m b k -> k m b")

    def cosine(self, δ: Array) -> Floats:
        """That of the angle between a gradient and the exact one, (m,); of nothing, NaN."""
        g = self.gradient(δ)
        return _numbers((g * self.truth).sum(-1) / (g.norm(dim=-1) * self.truth.norm(dim=-1)))

    def bias(self, δ: Array) -> Floats:
        """How far an expected gradient lies from the exact one, in lengths of that, (m,)."""
        return _numbers((self.gradient(δ) - self.truth).norm(dim=-1) / self.truth.norm(dim=-1))

    def noise(self, trace: Array, mean: Array) -> Floats:
        """Noise-to-signal (m,): trace of the covariance (m,), expected ∂L/∂e (m, b, n)."""
        return _numbers(trace.clamp(min=0).sqrt() / self.gradient(mean).norm(dim=-1))


def enumerated(still: _Still, k: int, baseline: Array | float) -> tuple[Array, Array]:
    """The expected ∂L/∂e (m, b, n), and the trace of the gradient's covariance (m,), without draws.

    Of REINFORCE where k is 1, of leave-one-out with k looks otherwise. All pictures' looks are
    drawn by themselves, so that their covariances add up. Leave-one-out is a mean over all pairs of
    looks (a U-statistic), with the variance of Hoeffding 1948, eq. 5.13:

        2 / (k (k - 1)) (2 (k - 2) ζ₁ + ζ₂)

    ζ₂ the variance over pairs, ζ₁ that of the mean over one of the two.
    """
    import torch

    n = still.weights.shape[-1]
    place = torch.eye(n, dtype=still.weights.dtype, device=still.weights.device)[:, None, None]
    probability = rearrange(still.weights, "m b n -> n m b")
    paid = rearrange(still.losses, "m b n -> n m b")

    def mean(δ: Array) -> Array:
        return (probability[..., None] * δ).sum(0)

    def trace(squares: Array, center: Array) -> Array:
        """From the mean of the squares, (m, b): less the square of the mean."""
        return (squares - still.squares(center[None])[0]).sum(-1)

    if k == 1:
        δ = hard.reinforce(still.weights, place, paid, baseline)  # (n, m, b, n)
        center = mean(δ)
        return center, trace((probability * still.squares(δ)).sum(0), center)
    halves, squares = [], 0.0
    for s in range(n):  # the first of two looks
        chosen = torch.stack([place[s].expand_as(place), place])
        δ = hard.leave_one_out(
            still.weights, chosen, torch.stack([paid[s].expand_as(paid), paid])
        )  # of all second ones: (n, m, b, n)
        halves.append(mean(δ))
        squares = squares + probability[s] * (probability * still.squares(δ)).sum(0)
    half = torch.stack(halves)
    center = mean(half)
    ζ1 = trace((probability * still.squares(half)).sum(0), center)
    ζ2 = trace(squares, center)
    return center, 2 / (k * (k - 1)) * (2 * (k - 2) * ζ1 + ζ2)


class _Draws:
    """The moments of a batch's gradient, from draws of ∂L/∂e."""

    def __init__(self, still: _Still) -> None:
        self.still = still
        self.total, self.square, self.count = 0.0, 0.0, 0
        self.cosines: list[Floats] = []  # of the mean, whenever it was noted

    def add(self, δ: Array) -> None:
        """More draws, (count, m, b, n)."""
        self.total = self.total + δ.sum(0)
        self.square = self.square + self.still.squares(δ).sum((0, 2))
        self.count += len(δ)

    def note(self) -> None:
        """Write down the mean's cosine with the exact gradient; NaN before the first draw."""
        nothing = np.full(len(self.still.truth), math.nan)
        self.cosines.append(self.still.cosine(self.mean) if self.count else nothing)

    @property
    def mean(self) -> Array:
        return self.total / self.count

    @property
    def trace(self) -> Array:
        """Of the covariance of the gradient, (m,): pictures are drawn by themselves, and add up."""
        center = self.still.squares(self.mean[None]).sum((0, 2))
        return (self.square - self.count * center) / (self.count - 1)

    def noise(self) -> Floats:
        """Noise-to-signal, (m,); what noise adds to the length of the mean is taken off."""
        signal = self.still.gradient(self.mean).square().sum(-1) - self.trace / self.count
        return _numbers((self.trace / signal).sqrt())

    def bias(self) -> Floats:
        """As of `_Still.bias`; what noise adds to the distance is taken off."""
        truth = self.still.truth
        away = (self.still.gradient(self.mean) - truth).square().sum(-1) - self.trace / self.count
        return _numbers(away.clamp(min=0).sqrt() / truth.norm(dim=-1))

    def error(self) -> Floats:
        """The standard error of the mean, in lengths of the exact gradient, (m,)."""
        return _numbers((self.trace / self.count).sqrt() / self.still.truth.norm(dim=-1))


def _numbers(x: Array) -> Floats:
    return np.asarray(x.detach().cpu().numpy(), np.float64)


def _train(o: _Options, device_name: str, watch: Watch) -> Glimpse:
    """Train by all methods side by side, a step of each at a time; measure on the way."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    device = train.device(device_name)
    world = _World(o, device)
    exam, probe = _Exam(world), _Probe(world)
    p = init(o.rng("network"), o.m, _AXES, o.hidden, o.contents)
    learners = [_Learner(o, name, p, device) for name in o.methods]
    record = _Record(o, device.type, exam, probe, learners)
    record.begin(lambda: watch(0.0, _("measuring gradients")))
    trainings = [learner.fit() for learner in learners]
    batches = o.rng("batches")
    every = max(1, round(o.steps / _MEASUREMENTS))
    view, stopped = None, False
    for step in range(1, o.steps + 1):
        pictures = world.pictures(batches, o.batch)
        for learner, training in zip(learners, trainings, strict=True):
            learner.pictures = pictures
            next(training)
        if step % every == 0 or step == o.steps:
            record.measure(step)
            view = partial(show, record.result())
        doing = _("step {step} of {steps}").format(step=step, steps=o.steps)
        try:
            watch(step / o.steps, doing, view)
        except Stopped:
            record.measure(step)
            stopped = True
            break
    try:
        record.finish(lambda: watch(step / o.steps, _("measuring gradients"), view))
    except Stopped:
        stopped = True
    return replace(record.result(), stopped=stopped)


class _Record:
    """What is known of the training so far."""

    def __init__(
        self, o: _Options, device: str, exam: _Exam, probe: _Probe, learners: list[_Learner]
    ) -> None:
        self.o, self.device, self.exam, self.probe = o, device, exam, probe
        self.learners = learners
        self.steps: list[int] = []
        self.accuracy: dict[str, list[Floats]] = {name: [] for name in o.methods}
        self.looks: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in o.methods}
        self.before: dict[str, _Estimate] = {}
        self.after: dict[str, _Estimate] = {}

    def begin(self, tell: Callable[[], None]) -> None:
        """The gradients before training: all methods begin with the same parameters."""
        still = self.probe.still(self.learners[0].p)
        for x in self.learners:
            self.before[x.method] = self.probe.estimate(x.method, still, x.baseline, tell, True)
        self.cosines = [
            series(f"{name}: cosine", _LOOKS, self.before[name].cosines.T) for name in self.before
        ]
        self.measure(0)

    def finish(self, tell: Callable[[], None]) -> None:
        """The gradients of now, every method's at its own parameters."""
        for x in self.learners:
            tell()
            still = self.probe.still(x.p)
            self.after[x.method] = self.probe.estimate(x.method, still, x.baseline, tell)

    def measure(self, step: int) -> None:
        """What the networks can after `step` steps, and where they look."""
        if step in self.steps:
            return
        self.steps.append(step)
        for x in self.learners:
            accuracy, weights, share = self.exam.look(x.method, x.p)
            self.accuracy[x.method].append(accuracy)
            self.looks[x.method].append((weights, share))

    def result(self) -> Glimpse:
        """What there is so far; gradients that are not measured yet are NaN."""
        o, chance = self.o, task.chance(self.o.contents)
        runs = {name: np.array(a).T for name, a in self.accuracy.items()}  # (m, steps)
        curves = [series(name, self.steps, runs[name], chance) for name in o.methods]
        good = np.array([c.median for c in curves]).max(axis=0) >= _GOOD
        early = int(good.argmax()) if good.any() else len(self.steps) - 1
        options = asdict(o) | {"methods": list(o.methods)}
        return Glimpse(
            **options, device=self.device, step=self.steps[-1], chance=chance,
            random_look=task.random_look(o.regions, o.contents),
            parameters=sum(leaf[0].numel() for leaf in self.learners[0].p),
            series=curves + self.cosines,
            learned=[self.learned(name, runs[name]) for name in o.methods],
            gradients=[self.gradient(name) for name in o.methods],
            looks=[self.looked(name, early) for name in o.methods], early=self.steps[early],
            reads=[_reads(o, name) for name in o.methods],
            marked=self.exam.marked,
        )  # fmt: skip

    def learned(self, name: str, runs: Floats) -> Learned:
        """When each network was first right often enough: runs (m, steps)."""
        good = runs >= _GOOD
        first = np.array(self.steps, float)[good.argmax(axis=1)]
        return Learned(name, np.where(good.any(axis=1), first, math.nan), runs[:, -1])

    def gradient(self, name: str) -> Gradient:
        draws = _LOOKS[-1] // _looks_of(self.o, name) if name in _DRAWN else 1
        nothing = np.full(self.o.m, math.nan)

        def ends(which: str) -> Ends:
            starts = getattr(self.before[name], which)
            return _ends(starts, getattr(self.after.get(name), which, nothing))

        return Gradient(name, draws, ends("noise"), ends("bias"), ends("error"))

    def looked(self, name: str, early: int) -> Looks:
        moments = [self.looks[name][i] for i in (0, early, -1)]
        before, then, after = (weights for weights, _share in moments)
        return Looks(name, before, then, after, np.array([share for _w, share in moments]))


def _ends(starts: Floats, ends: Floats) -> Ends:
    return Ends(_median(starts), _median(ends), starts, ends)


def _median(values: Floats) -> float:
    """Of the networks that have a number."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else math.nan


def _looks_of(o: _Options, method: str) -> int:
    """How many looks at a picture one random gradient takes."""
    return o.samples if method == "leave-one-out" else 1


def _reads(o: _Options, name: str) -> Reads:
    """What a method reads."""
    method = METHODS[name]
    training = {"all": o.regions, "one": 1, "samples": o.samples}[method.training]
    backward = o.regions if name == "straight-through" else training
    return Reads(name, training, backward, 1 if method.hard else o.regions)


# The oracle


def check(
    *,
    regions: int = 9,
    contents: int = 8,
    noise: float = 0.3,
    methods: str | Sequence[str] = tuple(METHODS),
    samples: int = 4,
    temperature: float = 1.0,
    hidden: int = 32,
    seeds: int | None = None,
    train_steps: int | None = None,
    batch: int = 32,
    lr: float = 1e-2,
    device: str = "auto",
    quick: bool = False,
    seed: int = 0,
) -> list[Check]:
    """The step of every method by torch's autograd alone, in float64 on the CPU.

    Of networks all of whose parameters are drawn at random: the gradients by all parameters, and
    REINFORCE and leave-one-out, summed over all looks, against the slope of the expected loss. The
    errors are relative to the largest number of each.
    """
    import torch

    from seqlab import train

    o = _Options(
        regions, contents, noise, methods, samples, temperature, hidden, seeds, train_steps, batch,
        lr, quick, seed,
    ).checked()  # fmt: skip
    train.device(device)
    pictures = _Pictures(*(a.double() for a in _World(o, "cpu").pictures(o.rng("probe"), o.batch)))
    rng = o.rng("network")
    shapes = [leaf.shape for leaf in init(rng, o.m, _AXES, o.hidden, o.contents)]
    redrawn = Network(*(rng.normal(0.0, 0.3, shape) for shape in shapes))
    found = []
    for name in o.methods:
        drawn = o.gumbel(o.rng("draws", name), name)
        g = None if drawn is None else torch.as_tensor(drawn).double()
        gradients = []
        for function in (step_of, _in_torch):
            p = train.trainable(redrawn, dtype=torch.float64)
            loss = function(name, p, pictures, g, 0.7, o.temperature)[0].sum()
            gradients.append(torch.cat([x.flatten() for x in torch.autograd.grad(loss, p)]))
        found.append(_compared(_("gradients of {name} and torch"), name, *gradients))
    still = _Still(Network(*(torch.as_tensor(leaf) for leaf in redrawn)), pictures)
    scores = still.scores.clone().requires_grad_()
    expected = (torch.softmax(scores, -1) * still.losses).sum()
    (truth,) = torch.autograd.grad(expected, scores)
    for name in [n for n in ("reinforce", "leave-one-out") if n in o.methods]:
        mean, _trace = enumerated(still, _looks_of(o, name), 0.7)
        found.append(_compared(_("{name}, all looks, and the expected loss"), name, mean, truth))
    return found


def _compared(pattern: str, name: str, ours: Array, theirs: Array) -> Check:
    error = (ours - theirs).abs().max() / theirs.abs().max()
    return Check(pattern.format(name=_(METHODS[name].name)), float(error), 1e-9)


def _in_torch(
    method: str, p: Network, pictures: _Pictures, g: Array, baseline: float, τ: float
) -> tuple[Array, None]:
    """`step_of` as it is usually written: autograd, log-probabilities and detached tricks."""
    import torch
    import torch.nn.functional as F

    x, right, _marked = pictures
    m, b, n, _d = x.shape
    hidden = F.relu(torch.einsum("mbnd,mdh->mbnh", x, p.W) + p.b[:, :, None])
    e = torch.einsum("mbnh,mhi->mbni", hidden, p.v)[..., 0]

    def paid(weights: Array) -> Array:
        """Cross-entropies (..., m, b) of what is read with weights (..., m, b, n)."""
        z = torch.einsum("...mbn,mbnd->...mbd", weights, x)
        logits = torch.einsum("...mbd,mdc->...mbc", z, p.C) + p.c
        target = right.argmax(-1).expand(logits.shape[:-1])
        return F.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none").reshape(
            target.shape
        )

    if method == "soft":
        return paid(F.softmax(e, -1)).mean(-1), None
    if method == "exact":
        every = torch.eye(n, dtype=x.dtype)[:, None, None].expand(n, m, b, n)
        return (F.softmax(e, -1).movedim(-1, 0) * paid(every)).sum(0).mean(-1), None
    place = (e + g).argmax(-1)
    one_hot = F.one_hot(place, n).to(x.dtype)
    if method == "straight-through":
        y = F.softmax((e + g) / τ, -1)
        return paid(one_hot + y - y.detach()).mean(-1), None
    losses = paid(one_hot)
    log_p = F.log_softmax(e, -1).expand(one_hot.shape).gather(-1, place[..., None])[..., 0]
    if method == "leave-one-out":
        k = len(losses)
        reward = torch.stack([losses[i] - (losses.sum(0) - losses[i]) / (k - 1) for i in range(k)])
        return (losses + reward.detach() * log_p).mean(0).mean(-1), None
    # without a baseline in the estimator of that name too, for the step was given one
    return (losses + (losses - baseline).detach() * log_p).mean(-1), None


# The screen


def _name(method: str) -> str:
    return _(METHODS[method].name)


def show(result: Glimpse, detail: bool = False) -> RenderableType:
    """The learning curves beside what the gradients are made of, and where the networks look."""
    title = Title(_("Look everywhere, or at one place?"), "z = Σᵢ αᵢ xᵢ  |  z = xₛ, s ~ α")
    about = _(
        "{regions} regions, one marked: which of {contents} contents does it hold? A guess is right"
        " {chance} of the time, a random look {random}. {networks} by each method, with the same"
        " start and the same pictures."
    ).format(
        regions=result.regions, contents=result.contents, chance=percent(result.chance),
        random=percent(result.random_look), networks=_networks(result),
    )  # fmt: skip
    first = Beside(_curves(result), _table(result), left_width=53)
    parts: list[RenderableType] = [title, Note(about), first, *_looks(result)]
    if detail:
        parts += [_cosines(result), _course(result)]
    return Group(*parts)


def _curves(result: Glimpse) -> Curves:
    """Accuracy against the steps, the median network and the range of all."""
    lines = [
        Line(_("a random look"), [0, result.train_steps], [result.random_look] * 2,
             key="theory", dashed=True)
    ]  # fmt: skip
    for name, s in reversed(list(zip(result.methods, result.series))):
        ink = METHODS[name].ink
        lines.append(Line(_name(name), s.x, s.median, s.low, s.high, key=ink))
    return Curves(
        lines, x_label=_("steps of training"), y_label=_("right, on pictures held out"), height=9,
        x_range=(0, result.train_steps), y_range=(0, 1), legend="below",
    )  # fmt: skip


def _table(result: Glimpse) -> RenderableType:
    """Noise and bias of the gradients, and what is read."""
    columns: list[Column | str] = [
        Column(_("method"), "left"), _("noise before"), _("after"), _("reads / at test"),
    ]  # fmt: skip
    rows = []
    for gradient, reads in zip(result.gradients, result.reads, strict=True):
        training = str(reads.training)
        if reads.backward > reads.training:
            training += f" ({reads.backward})"
        rows.append([
            _name(gradient.name), _short(gradient.noise.start), _short(gradient.noise.end),
            f"{training} / {reads.test}",
        ])  # fmt: skip
    keys = [METHODS[name].ink for name in result.methods]
    note = _("noise: of one step's gradient, over its signal")
    if any(reads.backward > reads.training for reads in result.reads):
        note = _("{note}; ({n}): read for the gradient").format(note=note, n=result.regions)
    return Group(Table(columns, rows, keys=keys), Note(note))


def _short(value: float) -> str:
    """A ratio; what rounding leaves of 0 is 0."""
    return "0" if abs(value) < 1e-9 else number(value)


def _looks(result: Glimpse) -> list[RenderableType]:
    """The weights on one picture, when the first method has learned."""
    across = math.ceil(math.sqrt(result.regions))
    down = math.ceil(result.regions / across)
    row, column = divmod(result.marked, across)

    def grid(weights: Floats) -> Heatmap:
        cells = np.full(down * across, math.nan)
        cells[: result.regions] = weights
        return Heatmap(
            cells.reshape(down, across), rows=["→" if i == row else "" for i in range(down)],
            columns=["↓" if i == column else "" for i in range(across)], limits=(0.0, 1.0),
            bar=False, cell_width=5,
        )  # fmt: skip

    panels: list[tuple[str, RenderableType]] = []
    for looks in result.looks:
        start, early, _end = (_share(float(share.mean())) for share in looks.shares)
        if not panels:  # they all begin alike
            panels.append((_("at first {share}").format(share=start), grid(looks.before)))
        panels.append((f"{_name(looks.name)} {early}", grid(looks.early)))
    note = ngettext(
        "Where they look after {n} step (arrows: the mark), and the mark's share in all pictures",
        "Where they look after {n} steps (arrows: the mark), and the mark's share in all pictures",
        result.early,
    ).format(n=result.early)
    return [Note(note), Panels(panels, min_width=24, gap=1)]


def _cosines(result: Glimpse) -> Curves:
    """How near the mean of many gradients comes to the exact one."""
    lines = []
    for name, s in zip(result.methods, result.series[len(result.methods) :], strict=True):
        lines.append(Line(_name(name), s.x, s.median, s.low, s.high, key=METHODS[name].ink))
    return Curves(
        lines, x_label=_("looks at every picture, averaged, before training"), x_scale="log",
        y_label=_("cosine with the exact gradient of hard attention"), height=12,
        y_range=(-0.5, 1.0),
    )  # fmt: skip


def _course(result: Glimpse) -> Table:
    """The rest of the numbers, medians."""
    headers = [
        _("steps to 90 %"), _("right, end"), _("on the mark, end"), _("bias before"),
        _("bias after"),
    ]  # fmt: skip
    rows = []
    for learned, looks, gradient in zip(
        result.learned, result.looks, result.gradients, strict=True
    ):
        steps = _median_steps(learned)
        rows.append([
            _name(learned.name), "-" if math.isinf(steps) else f"{steps:g}",
            percent(float(np.median(learned.accuracy))), _share(float(looks.shares[2].mean())),
            _within(gradient.bias.start, gradient.error.start),
            _within(gradient.bias.end, gradient.error.end),
        ])  # fmt: skip
    keys = [METHODS[name].ink for name in result.methods]
    return Table([Column(_("method"), "left"), *headers], rows, keys=keys)


def _within(bias: float, error: float) -> str:
    return _short(bias) + (f" ± {number(error)}" if error > 0 else "")


def _share(value: float) -> str:
    """A share with two decimals, without the zero before the point."""
    return f"{value:.2f}".removeprefix("0")


# The sentences


def takeaways(result: Glimpse) -> list[str]:
    """What this run showed: who learned when, how noisy the gradients are, and which are biased."""
    lost = [_name(x.name) for x in result.learned if np.isnan(x.accuracy).any()]
    if lost:
        text = _("The training diverged ({names}): answers are no numbers. Try a smaller --lr.")
        return [text.format(names=listed(lost))]
    said = [_learning_said(result), _noise_said(result), _bias_said(result)]
    return [sentence for sentence in said if sentence]


def _median_steps(learned: Learned) -> float:
    """The median network's steps; infinite where it never got there."""
    return float(np.median(np.nan_to_num(learned.steps, nan=math.inf)))


def _learning_said(result: Glimpse) -> str:
    """Steps of the median network, fastest first; soft against REINFORCE network by network."""
    by_steps = sorted(result.learned, key=_median_steps)
    there = [x for x in by_steps if math.isfinite(_median_steps(x))]
    missing = [x for x in by_steps if x not in there]
    parts = []
    if there:
        steps = listed(f"{_name(x.name)} {_median_steps(x):g}" for x in there)
        parts.append(
            _("The median network is right 90 % of the time after so many steps: {steps}.").format(
                steps=steps
            )
        )
    if missing:
        accuracy = listed(
            f"{_name(x.name)} {percent(float(np.median(x.accuracy)))}" for x in missing
        )
        parts.append(
            _("Not there by step {step}: {accuracy}.").format(step=result.step, accuracy=accuracy)
        )
    found = {x.name: np.nan_to_num(x.steps, nan=math.inf) for x in result.learned}
    if {"soft", "reinforce"} <= set(found):
        before = int((found["soft"] < found["reinforce"]).sum())
        text = _("Soft is there before REINFORCE in {count} of {networks}.")
        parts.append(text.format(count=before, networks=_networks(result)))
    return sentences(parts)


def _networks(result: Glimpse) -> str:
    return ngettext("{n} network", "{n} networks", result.seeds).format(n=result.seeds)


def _of(result: Glimpse, hits: NDArray[np.bool_]) -> str:
    """How many networks, of those that have a number."""
    if len(hits) == result.seeds:
        return _("{count} of {networks}").format(count=hits.sum(), networks=_networks(result))
    text = _("{count} of the {known} networks whose exact gradient is not 0")
    return text.format(count=hits.sum(), known=len(hits))


def _noise_said(result: Glimpse) -> str:
    """How much of a random gradient is noise, before and after; and whether a baseline helps."""
    noise = {g.name: g.noise for g in result.gradients if g.name in _DRAWN}
    if not {"reinforce", "baseline"} <= set(noise):
        known = [f"{_name(n)} {number(x.start)}" for n, x in noise.items() if x.start >= 0]
        text = _("Noise over signal of one step's gradient, at first: {numbers}.")
        return text.format(numbers=listed(known)) if known else ""
    parts = []
    for when, pattern in (
        ("starts", _("At first REINFORCE's gradient has {plain} times as much noise as signal, with"
                     " a baseline {less} (less in {count}).")),
        ("ends", _("In the end, each at its own parameters: {plain} and {less} (less in"
                   " {count}).")),
    ):  # fmt: skip
        plain, less = (getattr(noise[name], when) for name in ("reinforce", "baseline"))
        both = np.isfinite(plain) & np.isfinite(less)
        if both.any():
            parts.append(pattern.format(
                plain=number(np.median(plain[both])), less=number(np.median(less[both])),
                count=_of(result, (less < plain)[both]),
            ))  # fmt: skip
    return sentences(parts)


def _bias_said(result: Glimpse) -> str:
    """Whether straight-through errs in the mean: told where the draws' own error lets it be."""
    gradients = [g for g in result.gradients if g.name == "straight-through"]
    known = np.array([np.isfinite(g.bias.starts) for g in gradients]).ravel()
    if not known.any():
        return ""
    bias, error = gradients[0].bias.starts[known], gradients[0].error.starts[known]
    biased, fair = bias - error >= _BIASED, bias + error < _BIASED
    if biased.all():
        text = _(
            "Straight-through is biased, whatever the number of looks: at first, in {count}, its"
            " expected gradient misses the exact one by 5 % of its length or more (median {bias}"
            " ± {error})."
        )
    elif fair.all():
        text = _(
            "Here straight-through is hardly biased: at first, in {count}, its expected gradient"
            " misses the exact one by less than 5 % of its length (median {bias} ± {error})."
        )
    elif (biased | fair).all():
        text = _(
            "Whether straight-through is biased depends on the network: at first its expected"
            " gradient misses the exact one by {low} to {high} of its length (± {error}), by 5 % or"
            " more in {biased}."
        )
    else:
        text = _(
            "Whether straight-through is biased, {draws} looks cannot tell in {unsure}: the"
            " mean gradient misses the exact one by {low} to {high} of its length (± {error})."
        )
    return text.format(
        bias=percent(float(np.median(bias))), error=percent(float(np.median(error))),
        low=percent(float(bias.min())), high=percent(float(bias.max())),
        count=_of(result, biased | fair), unsure=_of(result, ~(biased | fair)),
        biased=_of(result, biased),
        draws=gradients[0].draws,
    )  # fmt: skip


def question(result: Glimpse) -> Question:
    """Whose gradient is the noisiest; where too few are random, how many regions are read."""
    drawn = [g for g in result.gradients if g.name in _DRAWN and not math.isnan(g.noise.start)]
    if len(drawn) > 1:
        most = int(np.argmax([g.noise.start for g in drawn]))
        return Question(
            text=_("Before training: in whose gradient is there most noise for its signal?"),
            choices=[_name(g.name) for g in drawn],
            answer=most,
            why=_("Noise over signal: {numbers}.").format(
                numbers=listed(f"{_name(g.name)} {number(g.noise.start)}" for g in drawn)
            ),
        )
    reads = result.reads[0]
    return Question(
        text=_("How many of {n} regions does {name} read for an answer, once trained?").format(
            n=result.regions, name=_name(reads.name)
        ),
        choices=["1", str(result.regions)],
        answer=int(reads.test > 1),
        why=_("It reads {count}; its scores, though, are made from all of them.").format(
            count=reads.test
        ),
    )
