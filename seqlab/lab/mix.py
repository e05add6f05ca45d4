"""What does each half of a Mixer mix? Nudge one number, and see which numbers answer.

A picture is a table, a row for every patch, its token, and a column for every channel. A Mixer runs
one small network down its columns and another along its rows (Tolstikhin et al. 2021, eq. 1). Which
entries answer a nudge is measured, and beside it the same for self-attention and for convolutions.

With --train, Mixers learn handwritten digits whole and without one of their halves, and read their
patches in another order: from the first step on, or only when they are tested.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import trees
from seqlab.book import attention, conv, mixer, vit
from seqlab.book.attention import MultiHead
from seqlab.book.mixer import Mixer
from seqlab.book.ops import Array, cast
from seqlab.book.transformer import FeedForward, Norm
from seqlab.figures.curves import Curves, Line
from seqlab.figures.flow import Arrow, Box, Flow
from seqlab.figures.glyphs import count, number
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
)
from seqlab.locale import N_, _, ngettext
from seqlab.tasks import digits

Floats = NDArray[np.float64]
Order = NDArray[np.int64]
Without = Literal["", "token", "channel"]

STEPS = ("token", "channel", "both", "attention", "depthwise", "convolution")
NETWORKS = ("both", "no_token", "no_channel", "reordered")

_NUDGE = 1.0  # what is added to one entry
_KERNEL = 3  # side of the convolutions
_PATCH = 16  # pixels of a patch of a picture file, to a side
_MOST_TOKENS, _MOST_CHANNELS, _MOST_HIDDEN, _MOST_BLOCKS = 256, 128, 256, 8
_MEASUREMENTS = 20  # of a training, besides the one before it
_MOST_WORK = 2e12  # multiply-adds forward in all networks: some ten minutes
_MOST_NUMBERS = 2**25  # inside the networks in one step: 400 megabytes with their gradients
_FOLLOWS = 1e-9  # differences below it are rounding
_UNITS = 20  # columns of the learned W_1 that are shown


# The steps


class Drawn(NamedTuple):
    """Parameters at random: the blocks of a Mixer, and the layers that it is compared with."""

    blocks: tuple[mixer.Block, ...]
    attention: MultiHead  # of one head
    depthwise: Array  # (d, 1, 3, 3): a kernel for every channel
    depthwise_bias: Array  # (d,)
    kernel: Array  # (d, d, 3, 3): every channel from all channels
    bias: Array  # (d,)


def draw(seed: int, n: int, d: int, hidden: int, blocks: int) -> Drawn:
    """Weights of variance 1 / fan-in, no biases."""
    mixing, attending, convolving = (np.random.default_rng([seed, k]) for k in (1, 2, 3))
    near = 1 / _KERNEL
    return Drawn(
        tuple(mixer.init_block(mixing, n, d, hidden, hidden) for _block in range(blocks)),
        attention.init(attending, d),
        convolving.normal(0.0, near, (d, 1, _KERNEL, _KERNEL)),
        np.zeros(d),
        convolving.normal(0.0, near / math.sqrt(d), (d, d, _KERNEL, _KERNEL)),
        np.zeros(d),
    )


def apply(p: Drawn, step: str, x: Array, columns: int) -> Array:
    """One of STEPS to the table x (n, d) -> (n, d); the tokens lie in a grid of so many columns.

    "token", "channel", "attention" and the convolutions are these layers alone; "both" is all
    blocks of the Mixer, with their layer norms and what bypasses them.
    """
    if step == "token":
        return mixer.mix_tokens(p.blocks[0].token, x)
    if step == "channel":
        return mixer.mix_channels(p.blocks[0].channel, x)
    if step == "attention":
        return attention.multi_head(p.attention, x, x, h=1)[0]
    if step == "depthwise":  # the convolution whose kernel has nothing for the other channels
        own = cast(np.eye(x.shape[1])[:, :, None, None], like=p.depthwise)
        return _convolve(p.depthwise * own, p.depthwise_bias, x, columns)
    if step == "convolution":
        return _convolve(p.kernel, p.bias, x, columns)
    for block in p.blocks:
        x = mixer.block(block, x)[1]
    return x


def _convolve(kernel: Array, bias: Array, x: Array, columns: int) -> Array:
    """The convolution of the grid of tokens, zeros around it; (n, d) -> (n, d)."""
    grid = x.T.reshape(1, x.shape[1], -1, columns)
    return conv.conv2d(grid, kernel, bias, padding=_KERNEL // 2).reshape(x.shape[1], -1).T


def parameters(p: Drawn, step: str) -> int:
    """How many parameters a step has."""
    parts = {
        "token": p.blocks[0].token,
        "channel": p.blocks[0].channel,
        "both": p.blocks,
        "attention": p.attention,
        "depthwise": (p.depthwise, p.depthwise_bias),
        "convolution": (p.kernel, p.bias),
    }
    return trees.count(parts[step])


def without(p: Mixer, patches: Array, part: Without = "") -> Array:
    """Patches (..., n, c p p) -> scores (..., k), where every block lacks one of its halves.

    Y = X + f_channel(LN(X)) without the token's, Y = X + f_token(LN(X)ᵀ)ᵀ without the channel's.
    """
    x = patches @ p.E + p.b
    for block in p.blocks:
        if part != "token":
            x = x + mixer.mix_tokens(block.token, mixer.norm(block.norm_1, x))
        if part != "channel":
            x = x + mixer.mix_channels(block.channel, mixer.norm(block.norm_2, x))
    return vit.classify(p.head, mixer.represent(p, x))


def reordered(p: Mixer, order: Order) -> Mixer:
    """The Mixer that does with the patches x[order] what p does with x.

    The rows of W_1 of its token networks, and what they put out, are in that order too.
    """
    blocks = []
    for block in p.blocks:
        f = block.token
        moved = f._replace(W_1=f.W_1[order], W_2=f.W_2[:, order], b_2=f.b_2[order])
        blocks.append(block._replace(token=moved))
    return p._replace(blocks=tuple(blocks))


# What is measured


@dataclass(frozen=True)
class Influence:
    """|change| of every entry of the output, (tokens, channels), when one of the input is nudged.

    `token` and `channel` are those of the two networks of the first block alone, `both` of all
    blocks whole. `normed` is that of token mixing behind its layer norm, which reads a whole row;
    `attention` and the convolutions, `depthwise` and of all channels, stand alone too.
    """

    token: Floats
    channel: Floats
    both: Floats
    normed: Floats
    attention: Floats
    depthwise: Floats
    convolution: Floats


@dataclass(frozen=True)
class Step:
    """One way of mixing.

    `answers` entries change when one is nudged. `tokens` tells how far it is from putting out its
    tokens in reverse order when it reads them so: the root mean square of that difference against
    that of the output; `channels` the same for the order of the channels. 0: it follows the order.
    `fits_more` is whether the same parameters take a row of patches more.
    """

    name: str
    parameters: int
    answers: int
    tokens: float
    channels: float
    fits_more: bool


@dataclass(frozen=True)
class Source:
    """The picture whose patches are the tokens: upright size in pixels, Pillow's mode."""

    path: str | None
    width: int
    height: int
    mode: str
    notes: list[str]


@dataclass(frozen=True)
class Network:
    """One kind of Mixer, trained once a seed.

    Shares of the test digits that it gets right, one a seed: `accuracy` with the patches in the
    order it was trained on, `at_test` in another. NaN (JSON: null) where a network diverged.
    """

    name: str
    parameters: int
    accuracy: list[float]
    at_test: list[float]


@dataclass(frozen=True)
class Permutation:
    """Patches in another order: `order` has, for every seed, which patch comes when.

    Shares that are right, one a seed: `fixed`, trained and tested in that order; `at_test`, trained
    in the usual order and tested in that one; `restored`, tested so with the token networks in that
    order too. `restored_error` is the largest difference of its scores, in float64, to those
    before, against the largest score.
    """

    order: list[list[int]]
    fixed: list[float]
    at_test: list[float]
    restored: list[float]
    restored_error: float


@dataclass(frozen=True)
class Alike:
    """Correlations, over hidden units, of what training added to two patches' weights in W_1.

    Their mean over patches that share a side, and over all others. NaN (JSON: null) where there are
    none to correlate.
    """

    beside: float
    elsewhere: float


@dataclass(frozen=True)
class Training:
    """What came of training: the networks, and the orders of the patches.

    `step` is the last one measured, for every seed. `token_weights` (tokens, hidden) is W_1 of the
    first token network of the first Mixer, of which training added `token_change`.
    """

    step: list[int]
    networks: list[Network]
    permutation: Permutation
    token_weights: Floats
    token_change: Floats
    alike: Alike

    def network(self, name: str) -> Network:
        """The networks called so."""
        return next(network for network in self.networks if network.name == name)


@dataclass(frozen=True)
class Mix(Trained):
    """Who answers whom in a table of tokens × channels, and what came of training.

    Token and channel of `at`, which is nudged by `nudge`, are counted from 1. `x`, `u` and `y` are
    the tables before the first block, after its token mixing, and after all blocks; `leak` is the
    share of token mixing's squared change that lies outside the nudged column once the layer norm
    is before it. What concerns training is null without.
    """

    image: Source | None
    tokens: int
    channels: int
    hidden: int
    blocks: int
    train: bool
    images: int | None
    seeds: int | None
    train_steps: int | None
    batch: int | None
    lr: float | None
    quick: bool
    device: str
    seed: int
    grid: list[int]
    at: list[int]
    nudge: float
    influence: Influence
    leak: float
    shared_error: float
    steps: list[Step]
    x: Floats
    u: Floats
    y: Floats
    training: Training | None
    series: list[Series]
    pixels: NDArray[np.uint8] | None = field(metadata={"json": False})

    def step(self, name: str) -> Step:
        """The way of mixing called so."""
        return next(step for step in self.steps if step.name == name)


def run(
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE",
            help=N_("A picture file, whose patches are the tokens; without, random numbers."),
        ),
    ] = None,
    *,
    tokens: Annotated[
        int, typer.Option(min=2, max=_MOST_TOKENS, help=N_("Tokens, or patches: rows."))
    ] = 16,
    channels: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=_MOST_CHANNELS,
            help=N_("Channels of each token: columns; by default 8, with --train 32."),
        ),
    ] = None,
    hidden: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MOST_HIDDEN,
            help=N_("Width inside both networks; by default 32, with --train 64."),
        ),
    ] = None,
    blocks: Annotated[
        int, typer.Option(min=1, max=_MOST_BLOCKS, help=N_("Blocks, one after the other."))
    ] = 1,
    train: Annotated[
        bool, typer.Option("--train", help=N_("Train Mixers on handwritten digits."))
    ] = False,
    images: Annotated[
        int | None,
        typer.Option(min=1, max=digits.MOST, help=N_("Digits to train on; by default all 1400.")),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=16, help=N_("Networks trained of each kind; by default 3.")),
    ] = None,
    train_steps: Annotated[
        int | None, typer.Option(min=1, max=5000, help=N_("Steps of training; by default 400."))
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=256, help=N_("Digits in a step; by default 64."))
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help=N_("Learning rate of AdamW; by default 0.003."))
    ] = None,
    quick: Quick = False,
    device: Device = "auto",
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Mix:
    """Nudge one entry of a table of tokens × channels, and measure which entries of it answer.

    The table is drawn at random, or comes from the patches of a picture by a random projection. To
    train, the tokens are the patches of a digit of 8 × 8 pixels, 4, 16 or 64 of them.

    Raises:
        BadInput: no readable picture, an option out of range or without the one it belongs to, no
            such device, a training that would take hours.
    """
    o = _Options(
        tokens, channels, hidden, blocks, train, images, seeds, train_steps, batch, lr, quick, seed
    ).checked()
    if image is not None and train:
        raise BadInput(
            _("a picture with --train"), _("only one of them: digits are trained"), "--train"
        )
    result = _untrained(o, device, image)
    return _train(o, result, watch or (lambda done, doing, view=None: None)) if train else result


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, picture and device apart."""

    tokens: int = 16
    channels: int | None = None
    hidden: int | None = None
    blocks: int = 1
    train: bool = False
    images: int | None = None
    seeds: int | None = None
    train_steps: int | None = None
    batch: int | None = None
    lr: float | None = None
    quick: bool = False
    seed: int = 0

    def checked(self) -> "_Options":
        """These options, those left out filled in; or BadInput."""
        require(self.tokens, "tokens", 2, _MOST_TOKENS)
        require(self.blocks, "blocks", 1, _MOST_BLOCKS)
        require(self.seed, "seed", 0)
        defaults: dict[str, Any] = {"channels": 8, "hidden": 32}
        if self.train:
            defaults = {
                "channels": 32, "hidden": 64, "images": digits.MOST, "batch": 64, "lr": 3e-3,
                "seeds": 1 if self.quick else 3, "train_steps": 100 if self.quick else 400,
            }  # fmt: skip
        elif self.quick:
            raise BadInput("--quick", _("--train, to which it belongs"), "--train --quick")
        given = {name: value for name, value in asdict(self).items() if value is not None}
        o = replace(self, **{k: v for k, v in defaults.items() if k not in given})
        highest = {
            "channels": _MOST_CHANNELS, "hidden": _MOST_HIDDEN, "images": digits.MOST,
            "seeds": 16, "train_steps": 5000, "batch": 256, "lr": 1.0,
        }  # fmt: skip
        for name, high in highest.items():
            value = getattr(o, name)
            if name not in defaults and value is not None:
                option = f"--{name.replace('_', '-')} {value}"
                raise BadInput(option, _("--train, to which it belongs"), f"--train {option}")
            if value is not None:
                lowest = {"channels": 2, "lr": 0.0}.get(name, 1)
                require(value, name, lowest, high)
        if self.train:
            o.affordable()
        return o

    def affordable(self) -> None:
        """Refuse tokens that are no grid of a digit's patches, and what would take hours."""
        if self.tokens not in (4, 16, 64):
            raise BadInput(
                f"--train --tokens {self.tokens}",
                _("4, 16 or 64, the patches of a digit of 8 × 8 pixels"),
                "--train --tokens 16",
            )
        assert self.hidden and self.batch and self.train_steps and self.seeds
        inside = self.batch * self.blocks * self.hidden * (self.tokens + self.d)
        if inside > _MOST_NUMBERS:
            raise BadInput(
                _("{n} numbers inside the network in a step").format(n=count(inside)),
                _("at most {most}").format(most=count(_MOST_NUMBERS)),
                _("a smaller --batch or --hidden"),
            )
        work = 4 * self.batch * self.blocks * self.hidden * self.tokens * self.d
        work *= self.train_steps * self.seeds * len(NETWORKS)
        if work > _MOST_WORK:
            raise BadInput(
                _("a training of {n} multiply-adds").format(n=number(work)),
                _("at most {most}").format(most=number(_MOST_WORK)),
                _("fewer --train-steps or a smaller --hidden"),
            )

    @property
    def d(self) -> int:
        """The channels, which are known by now."""
        assert self.channels is not None
        return self.channels

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the patches: as near to a square as their number allows."""
        rows = next(r for r in range(math.isqrt(self.tokens), 0, -1) if self.tokens % r == 0)
        return rows, self.tokens // rows

    def drawn(self) -> Drawn:
        """The parameters of all steps."""
        assert self.hidden is not None
        return draw(self.seed, self.tokens, self.d, self.hidden, self.blocks)

    def order(self, which: int) -> Order:
        """The other order of the patches for a seed: any but the usual one."""
        rng = np.random.default_rng([self.seed, 8, which])
        order = usual = np.arange(self.tokens)
        while (order == usual).all():
            order = rng.permutation(self.tokens)
        return order

    @property
    def config(self) -> mixer.Config:
        """The Mixer that is trained."""
        assert self.hidden is not None
        p = digits.SIDE // math.isqrt(self.tokens)
        return mixer.Config(
            image=digits.SIDE, p=p, c=1, d=self.d, layers=self.blocks, token=self.hidden,
            channel=self.hidden, classes=digits.CLASSES,
        )  # fmt: skip


# Without training


def _untrained(o: _Options, device: str, image: str | None) -> Mix:
    """All that needs no training."""
    (rows, columns), p = o.grid, o.drawn()
    source, pixels, x = _table(o, image)
    token, channel = (rows - 1) // 2 * columns + (columns - 1) // 2, (o.d - 1) // 3
    first = p.blocks[0]

    def normed(x: Floats) -> Floats:
        return np.asarray(mixer.mix_tokens(first.token, mixer.norm(first.norm_1, x)))

    def answers(f: Callable[[Floats], Floats]) -> Floats:
        nudged = x.copy()
        nudged[token, channel] += _NUDGE
        return np.abs(f(nudged) - f(x))

    steps = {name: partial(_step, p, name, columns) for name in STEPS}
    found = Influence(
        **{name: answers(f) for name, f in steps.items()},
        normed=answers(normed),
    )
    squares = found.normed**2
    more = np.random.default_rng([o.seed, 4]).normal(size=(o.tokens + columns, o.d))
    measured = [
        Step(
            name,
            parameters(p, name),
            int(np.count_nonzero(getattr(found, name))),
            _relative(f(x[::-1]), f(x)[::-1]),
            _relative(f(x[:, ::-1]), f(x)[:, ::-1]),
            _fits(f, more),
        )
        for name, f in steps.items()
    ]
    return Mix(
        **asdict(o), device=device, image=source, grid=[rows, columns],
        at=[token + 1, channel + 1], nudge=_NUDGE, influence=found,
        leak=float(1 - squares[:, channel].sum() / squares.sum()),
        shared_error=float(np.abs(steps["token"](x[:, ::-1]) - steps["token"](x)[:, ::-1]).max()),
        steps=measured, x=x, u=x + normed(x), y=steps["both"](x), training=None, series=[],
        pixels=pixels,
    )  # fmt: skip


def _step(p: Drawn, name: str, columns: int, x: Floats) -> Floats:
    """`apply`, as a function of the table."""
    return np.asarray(apply(p, name, x, columns))


def _relative(found: Floats, expected: Floats) -> float:
    """The root mean square of the difference, against that of what was expected."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def _fits(f: Callable[[Floats], Floats], x: Floats) -> bool:
    """Whether f takes a table of this size."""
    try:
        f(x)
    except ValueError:  # of a product of matrices whose sides differ
        return False
    return True


def _table(o: _Options, image: str | None) -> tuple[Source | None, Any, Floats]:
    """What is known of the picture, its pixels, and the table X (n, d); X at random without one."""
    rng = np.random.default_rng([o.seed, 0])
    if image is None:
        return None, None, rng.normal(size=(o.tokens, o.d))
    from seqlab import images  # Pillow, for which a table at random need not wait

    rows, columns = o.grid
    height, width = rows * _PATCH, columns * _PATCH
    photo = images.read(image, max(height, width))
    pixels = images.fitted(photo.pixels, height, width, "crop")
    patches = vit.patchify(np.moveaxis(pixels, 2, 0) / 127.5 - 1, _PATCH)
    embedding = vit.init_embedding(rng, 3, _PATCH, o.tokens, o.d)
    source = Source(photo.path, photo.width, photo.height, photo.mode, photo.notes)
    return source, pixels, np.asarray(vit.project(embedding, patches))


# Training


class _Moment(NamedTuple):
    """One seed's networks after `step` steps.

    Shares of the test digits, by network; `restored` and `error` of the whole Mixer, tested in the
    other order with its token networks in that order; W_1 of its first block.
    """

    step: int
    accuracy: dict[str, float]
    at_test: dict[str, float]
    restored: float
    error: float
    weights: Floats


class _Networks:
    """The networks of one seed: the same first weights, the same digits in the same batches."""

    def __init__(self, o: _Options, which: int, device: Any) -> None:
        import torch

        from seqlab import train

        assert o.images is not None
        self.o, self.device = o, device
        drawing, first = (np.random.default_rng([o.seed, k, which]) for k in (5, 6))
        seen, unseen = digits.split(drawing, o.images)
        p = mixer.init(o.config, first)
        self.networks = {name: train.trainable(p, device) for name in NETWORKS}
        self.batches = {name: np.random.default_rng([o.seed, 7, which]) for name in NETWORKS}
        self.order = o.order(which)
        self.seen, self.labels = (
            torch.as_tensor(vit.patchify(seen.images, o.config.p), device=device),
            torch.as_tensor(seen.labels, device=device),
        )
        self.unseen = torch.as_tensor(vit.patchify(unseen.images, o.config.p), device=device)
        self.answers = torch.as_tensor(unseen.labels, device=device)

    def learn(self) -> Iterator[_Moment]:
        """Train all, side by side; what they can before, on the way, and at the end."""
        from seqlab import train

        o = self.o
        assert o.train_steps is not None and o.lr is not None and o.batch is not None
        every = max(1, round(o.train_steps / _MEASUREMENTS))
        fits = [
            train.fit_labels(
                p, partial(self.scores, name), self.seen, self.labels, self.batches[name],
                batch=o.batch, steps=o.train_steps, lr=o.lr, weight_decay=0.01, schedule="cosine",
            )
            for name, p in self.networks.items()
        ]  # fmt: skip
        yield self.moment(0)
        for step in range(1, o.train_steps + 1):
            for fit in fits:
                next(fit)
            if step % every == 0 or step == o.train_steps:
                yield self.moment(step)

    def scores(self, name: str, x: Array, moved: bool = False) -> Array:
        """What a network says of patches (b, n, d), or of the same in the order unknown to it."""
        return without(self.networks[name], self.patches(x, name, moved), _lacks(name))

    def patches(self, x: Array, name: str, moved: bool = False) -> Array:
        """The patches as a network reads them, or in the order that it does not know."""
        return x[:, self.order] if (name == "reordered") != moved else x

    def moment(self, step: int) -> _Moment:
        """What the networks can now."""
        import torch

        from seqlab import train

        with torch.no_grad():
            accuracy, at_test = (
                {
                    name: train.share_right(self.scores(name, self.unseen, moved), self.answers)
                    for name in self.networks
                }
                for moved in (False, True)
            )
            # in float64, where a difference can be told from rounding; and so on the CPU
            whole = trees.convert(lambda x: x.detach().cpu().double(), self.networks["both"])
            patches = self.unseen.cpu().double()
            usual = without(whole, patches)
            again = without(reordered(whole, self.order), patches[:, self.order])
        largest = float(usual.abs().max()) or 1.0  # before training all scores are 0
        return _Moment(
            step,
            accuracy,
            at_test,
            train.share_right(again, self.answers.cpu()),
            float((again - usual).abs().max()) / largest,
            whole.blocks[0].token.W_1.numpy(),
        )


def _lacks(name: str) -> Without:
    """What a network goes without."""
    return "token" if name == "no_token" else "channel" if name == "no_channel" else ""


def _train(o: _Options, result: Mix, watch: Watch) -> Mix:
    """Train the networks, each seed in a process of its own, and put together what they report."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    assert o.seeds is not None and o.train_steps is not None
    device = train.device(result.device)
    result = replace(result, device=device.type)
    moments: dict[int, list[_Moment]] = {}
    begun: dict[int, list[_Moment]] = {}  # of the seeds that have done a step
    everything = o.train_steps * o.seeds
    stopped = False
    try:
        for which, moment in train.side_by_side(
            lambda job: _Networks(o, job, device).learn(), range(o.seeds), device=device
        ):
            moments.setdefault(which, []).append(moment)
            begun = {k: list(v) for k, v in sorted(moments.items()) if v[-1].step}
            done = sum(each[-1].step for each in begun.values())
            doing = _("step {step} of {steps}: {accuracy} right").format(
                step=done, steps=everything, accuracy=_percent(moment.accuracy["both"])
            )
            view = partial(_shown_so_far, o, result, begun) if begun else None
            watch(done / everything, doing, view)
    except Stopped:
        stopped = True
    return replace(_gathered(o, result, begun), stopped=stopped)


def _shown_so_far(o: _Options, result: Mix, moments: dict[int, list[_Moment]]) -> RenderableType:
    """The figure of the moment."""
    return show(_gathered(o, result, moments))


def _gathered(o: _Options, result: Mix, moments: dict[int, list[_Moment]]) -> Mix:
    """The result with what the networks of these seeds reported."""
    last = [each[-1] for each in moments.values()]
    sizes = _sizes(o)
    networks = [
        Network(
            name, sizes[name], [m.accuracy[name] for m in last], [m.at_test[name] for m in last]
        )
        for name in NETWORKS
    ]
    whole, fixed = networks[0], networks[-1]
    first = next(iter(moments.values()))
    change = first[-1].weights - first[0].weights
    training = Training(
        [m.step for m in last],
        networks,
        Permutation(
            [o.order(which).tolist() for which in moments], fixed.accuracy, whole.at_test,
            [m.restored for m in last], max(m.error for m in last),
        ),
        first[-1].weights,
        change,
        Alike(*_neighbours(change, *o.grid)),
    )  # fmt: skip
    return replace(result, training=training, series=_courses(o, moments))


def _courses(o: _Options, moments: dict[int, list[_Moment]]) -> list[Series]:
    """Accuracy against the steps, for every network, over the seeds; NaN where none got so far."""
    steps = sorted({m.step for each in moments.values() for m in each})
    curves = []
    for name in NETWORKS:
        runs = np.full((len(moments), len(steps)), np.nan)
        for row, each in zip(runs, moments.values()):
            row[[steps.index(m.step) for m in each]] = [m.accuracy[name] for m in each]
        curves.append(series(name, steps, runs, chance=digits.CHANCE))
    return curves


def _sizes(o: _Options) -> dict[str, int]:
    """The parameters of every network: a half that is left out is not counted."""
    p = mixer.init(o.config)
    whole = trees.count(p)
    token = sum(trees.count((block.norm_1, block.token)) for block in p.blocks)
    channel = sum(trees.count((block.norm_2, block.channel)) for block in p.blocks)
    return dict(zip(NETWORKS, (whole, whole - token, whole - channel, whole)))


def _neighbours(weights: Floats, rows: int, columns: int) -> tuple[float, float]:
    """Mean correlation of two rows, one a patch: of those that share a side, of all others."""
    n = rows * columns
    if weights.shape[1] < 2:
        return math.nan, math.nan
    y, x = np.divmod(np.arange(n), columns)
    apart = abs(y[:, None] - y) + abs(x[:, None] - x)
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = np.asarray(np.corrcoef(weights))
    beside, others = alike[apart == 1], alike[apart > 1]
    return float(beside.mean()), float(others.mean())


# The oracle


def check(image: str | None = None, *, device: str = "auto", **options: Any) -> list[Check]:
    """The same in torch's own functions, in float64: what comes out, and the gradients.

    Without --train every step on this table, all its parameters drawn at random, so that no bias
    is 0; with it the whole Mixer of the first seed, trained once more. Errors are relative to the
    largest number of each.
    """
    import torch

    o = _Options(**options).checked()
    if o.train:
        return _check_trained(o, device)
    rng = np.random.default_rng([o.seed, 9])
    drawn = trees.convert(lambda w: w + rng.normal(0.0, 0.3, w.shape), o.drawn())
    x, columns = _table(o, image)[2], o.grid[1]
    dy = torch.as_tensor(rng.normal(size=x.shape))

    def output(f: Callable[..., Array], step: str, q: Any) -> tuple[Array, Array]:
        y = f(q[0], step, q[1], columns)
        return y, (y * dy).sum()

    checks = []
    for step in STEPS:
        ours, theirs = partial(output, apply, step), partial(output, _in_torch, step)
        checks += _compared(_name(step, o.blocks), ours, theirs, (drawn, x))
    return checks


def _check_trained(o: _Options, device: str) -> list[Check]:
    import torch

    from seqlab import train

    first = _Networks(o, 0, train.device(device))
    for _moment in first.learn():
        pass
    patches, right = first.unseen.cpu().double(), torch.as_tensor(first.answers)

    def output(f: Callable[..., Array], p: Mixer) -> tuple[Array, Array]:
        scores = f(p, patches)
        return scores, torch.nn.functional.cross_entropy(scores, right)

    ours, theirs = partial(output, without), partial(output, _mixer_in_torch)
    return _compared(_("trained Mixer"), ours, theirs, train.trained(first.networks["both"]))


def _compared(
    name: str,
    ours: Callable[[Any], tuple[Array, Array]],
    theirs: Callable[[Any], tuple[Array, Array]],
    tree: Any,
) -> list[Check]:
    """Two functions of a tree -> (output, a scalar of it): outputs, and gradients by its leaves."""
    import torch

    from seqlab import train

    found = []
    for function in (ours, theirs):
        p = train.trainable(tree, dtype=torch.float64)
        y, loss = function(p)
        loss.backward()
        gradients = [
            leaf.grad.flatten() for _name, leaf in trees.leaves(p) if leaf.grad is not None
        ]
        found.append((y.detach().numpy(), torch.cat(gradients).numpy()))
    names = (_("{name} and torch"), _("{name}: gradients and torch"))
    return [
        Check(
            pattern.format(name=name),
            float(np.max(np.abs(mine - other)) / np.max(np.abs(other))),
            1e-9,
        )
        for pattern, mine, other in zip(names, *found, strict=True)
    ]


def _in_torch(p: Drawn, step: str, x: Array, columns: int) -> Array:
    """`apply` in torch's functions."""
    import torch.nn.functional as F

    if step == "token":
        return _tokens_in_torch(p.blocks[0].token, x[None])[0]
    if step == "channel":
        return _channels_in_torch(p.blocks[0].channel, x)
    if step == "attention":
        a = p.attention
        q, k, v = F.linear(x, a.W_q.T, a.b_q), F.linear(x, a.W_k.T, a.b_k), x @ a.W_v + a.b_v
        return F.linear(F.scaled_dot_product_attention(q, k, v), a.W_o.T, a.b_o)
    if step == "both":
        for block in p.blocks:
            x = _block_in_torch(block, x[None])[0]
        return x
    n, d = x.shape
    grid = x.T.reshape(1, d, n // columns, columns)
    if step == "depthwise":
        y = F.conv2d(grid, p.depthwise, p.depthwise_bias, padding="same", groups=d)
    else:
        y = F.conv2d(grid, p.kernel, p.bias, padding="same")
    return y.flatten(2)[0].T


def _tokens_in_torch(f: FeedForward, x: Array) -> Array:
    """Token mixing without a transpose: convolutions of kernel 1 whose channels are the tokens."""
    import torch.nn.functional as F

    inside = F.gelu(F.conv1d(x, f.W_1.T[:, :, None], f.b_1))
    return F.conv1d(inside, f.W_2.T[:, :, None], f.b_2)


def _channels_in_torch(f: FeedForward, x: Array) -> Array:
    import torch.nn.functional as F

    return F.linear(F.gelu(F.linear(x, f.W_1.T, f.b_1)), f.W_2.T, f.b_2)


def _norm_in_torch(p: Norm, x: Array) -> Array:
    import torch.nn.functional as F

    return F.layer_norm(x, x.shape[-1:], p.weight, p.bias, 1e-6)


def _block_in_torch(p: mixer.Block, x: Array) -> Array:
    x = x + _tokens_in_torch(p.token, _norm_in_torch(p.norm_1, x))
    return x + _channels_in_torch(p.channel, _norm_in_torch(p.norm_2, x))


def _mixer_in_torch(p: Mixer, patches: Array) -> Array:
    import torch.nn.functional as F

    x = F.linear(patches, p.E.T, p.b)
    for block in p.blocks:
        x = _block_in_torch(block, x)
    return F.linear(_norm_in_torch(p.norm, x).mean(1), p.head.W.T, p.head.b)


# The screen

_EQUATION = "U = X + f_token(LN(X)ᵀ)ᵀ   Y = U + f_channel(LN(U))"
_STEPS = {
    "token": N_("token mixing"),
    "channel": N_("channel mixing"),
    "both": N_("Mixer"),
    "normed": N_("LN, token mixing"),
    "attention": N_("self-attention"),
    "depthwise": N_("3×3 depth-wise"),
    "convolution": N_("3×3 convolution"),
}
_NETWORKS = {
    "both": N_("both halves"),
    "no_token": N_("without token mixing"),
    "no_channel": N_("without channel mixing"),
    "reordered": N_("both, another order"),
}
_SHOWN = ("token", "channel", "both", "attention", "depthwise")  # on the first screen
_KEYS = {"attention": "attention", "depthwise": "cnn", "convolution": "cnn"}  # for the colours


def show(result: Mix, detail: bool = False) -> RenderableType:
    """Who answers whom; or, where networks were trained, what each half is worth to them."""
    parts: list[RenderableType] = []
    if result.training is not None:
        parts += [Title(_("What is each half of a Mixer worth?"), _EQUATION)]
        parts += _learned(result, result.training)
    if result.training is None or detail:
        parts += [Title(_("What does each half of a Mixer mix?"), _EQUATION)]
        parts += _influences(result, detail)
    if detail:
        parts += _details(result)
    return Group(*parts)


def _influences(result: Mix, detail: bool) -> list[RenderableType]:
    """The way through a block, who answers on it, and the numbers of every step."""
    remark = _(
        "Token {t}, channel {c} nudged by {by:g}: log₁₀ |change|, a dot where exactly 0. Random"
        " weights; LN in the Mixer only: behind it {leak} of token mixing's change, squared, leaves"
        " the column."
    ).format(t=result.at[0], c=result.at[1], by=result.nudge, leak=_percent(result.leak))
    table: RenderableType = _table_of_steps(result, STEPS if detail else _SHOWN)
    if result.pixels is not None:
        from seqlab.figures.picture import Picture

        picture = Picture(
            result.pixels, grid=(result.grid[0], result.grid[1]), numbers=False, max_width=14,
            max_height=8, highlight=result.at[0],
        )  # fmt: skip
        table = Beside(picture, table, left_width=18)
    if result.image is not None and result.image.notes:  # what had to be done to read it
        remark = f"{remark} ({'; '.join(result.image.notes)})"
    return [_flow(result), Note(remark), _pictures(result, _SHOWN), table]


def _flow(result: Mix) -> Flow:
    """The shapes on the way through the first block: the table is turned, and turned back."""
    n, d, hidden = result.tokens, result.channels, result.hidden
    return Flow(
        [
            Box("X", f"{n}×{d}", key="mixer"),
            Arrow("ᵀ"),
            Box("Xᵀ", f"{d}×{n}"),
            Arrow("W₁"),
            Box("GELU", f"{d}×{hidden}"),
            Arrow("W₂"),
            Box("f_token", f"{d}×{n}"),
            Arrow("ᵀ, + X"),
            Box("U", f"{n}×{d}", key="mixer"),
            Arrow("W₁"),
            Box("GELU", f"{n}×{hidden}"),
            Arrow("W₂, + U"),
            Box("Y", f"{n}×{d}", key="mixer"),
        ]
    )


def _pictures(result: Mix, names: Sequence[str]) -> Panels:
    """Influences on one scale: logarithms, a dot where nothing changes at all."""
    matrices = [getattr(result.influence, name) for name in names]
    with np.errstate(divide="ignore"):
        logs = [np.where(m > 0, np.log10(m), np.nan) for m in matrices]
    known = np.concatenate([m[np.isfinite(m)] for m in logs])
    low, high = (float(known.min()), float(known.max())) if known.size else (-1.0, 0.0)
    # the smallest change must not look like none where shades begin with a blank
    limits = (low - max(0.3 * (high - low), 0.1), high)
    panels = [
        (_name(name, result.blocks), _map(result, values, limits=limits, bar=i == 0))
        for i, (name, values) in enumerate(zip(names, logs))
    ]
    return Panels(panels, min_width=18, gap=1)


def _map(result: Mix, values: Floats, **options: Any) -> Heatmap:
    """Numbers for every token and channel."""
    return Heatmap(
        values,
        rows=[str(t + 1) for t in range(result.tokens)],
        columns=[str(c + 1) for c in range(result.channels)],
        row_axis=_("token"),
        column_axis=_("channel"),
        numbers=False,
        max_height=16,
        cell_width=4,
        **options,
    )


def _name(step: str, blocks: int) -> str:
    """A step as it is called on the screen."""
    if step == "both":
        return ngettext("Mixer, {n} block", "Mixer, {n} blocks", blocks).format(n=blocks)
    return _(_STEPS[step])


def _table_of_steps(result: Mix, names: Sequence[str]) -> Table:
    """These steps in numbers."""
    entries = result.tokens * result.channels
    steps = [result.step(name) for name in names]
    rows = [
        [
            _name(s.name, result.blocks),
            f"{count(s.answers)} / {count(entries)}",
            count(s.parameters),
            _follows(s.tokens),
            _follows(s.channels),
            _("fit") if s.fits_more else _("do not fit"),
        ]
        for s in steps
    ]
    columns: list[Column | str] = [
        Column(_("what mixes"), "left"),
        _("answers"),
        _("parameters"),
        _("tokens reversed"),
        _("channels reversed"),
        _("{n} tokens").format(n=result.tokens + result.grid[1]),
    ]
    return Table(columns, rows, keys=[_KEYS.get(s.name, "mixer") for s in steps])


def _follows(error: float) -> str:
    return _("follows") if error < _FOLLOWS else _("off by {x}").format(x=number(error))


def _learned(result: Mix, training: Training) -> list[RenderableType]:
    """The course of the training, its end in numbers, and what a token network looks at."""
    note = _(
        "{images} digits to learn from, {tests} to test; {n} patches of {p} × {p}, {d} channels,"
        " {blocks}, {hidden} wide inside"
    ).format(
        images=result.images,
        tests=digits.TESTS,
        n=result.tokens,
        p=digits.SIDE // result.grid[0],
        d=result.channels,
        blocks=ngettext("{n} block", "{n} blocks", result.blocks).format(n=result.blocks),
        hidden=result.hidden,
    )
    return [Note(note), _curves(result), _table_of_networks(training), *_units(result, training)]


def _curves(result: Mix) -> Curves:
    """Accuracy on the test digits against the steps; bands from the lowest seed to the highest."""
    end = result.train_steps or 1
    chance = Line(_("chance"), [0, end], [digits.CHANCE] * 2, key="theory", dashed=True)
    lines = [
        Line(
            _(_NETWORKS[s.name]), s.x, s.median, s.low, s.high,
            key="mixer" if s.name == "both" else s.name, dashed=s.name == "reordered",
        )
        for s in result.series
    ]  # fmt: skip
    return Curves(
        [chance, *lines], x_label=_("steps of training"), y_label=_("share right"), height=8,
        x_range=(0, end), y_range=(0, 1),
    )  # fmt: skip


def _table_of_networks(training: Training) -> Table:
    """What every network can: with its patches in the order that it knows, and in another."""
    rows = [
        [_(_NETWORKS[n.name]), count(n.parameters), _spread(n.accuracy), _spread(n.at_test)]
        for n in training.networks
    ]
    alike = _("both, token network reordered too")
    rows.insert(1, [alike, rows[0][1], "", _spread(training.permutation.restored)])
    columns: list[Column | str] = [
        Column(_("network"), "left"),
        _("parameters"),
        _("right, order as trained"),
        _("right, other order"),
    ]
    return Table(columns, rows, keys=["mixer"])


def _units(result: Mix, training: Training) -> list[RenderableType]:
    """What was learned in columns of W_1, as pictures of the patches."""
    added, alike = np.nan_to_num(training.token_change), training.alike
    most = _UNITS if result.grid[0] <= 4 else _UNITS // 4  # large ones take more room
    chosen = np.argsort(-np.linalg.norm(added, axis=0), kind="stable")[:most]
    limit = float(np.abs(added).max()) or 1.0
    pictures = [
        Heatmap(
            added[:, i].reshape(result.grid), colours="diverging", limits=(-limit, limit),
            numbers=False, cell_width=2, bar=False,
        )
        for i in chosen
    ]  # fmt: skip
    title = _("What training added to W₁ of the first token network, a weight for every patch")
    text = _(
        "{n} of {all} columns; correlation of what two patches gained: {beside} side by side,"
        " {elsewhere} elsewhere"
    ).format(
        n=len(chosen),
        all=added.shape[1],
        beside=_signed(alike.beside),
        elsewhere=_signed(alike.elsewhere),
    )
    panels = Panels([("", each) for each in pictures], min_width=2 * result.grid[1], gap=2)
    return [Title(title), panels, Note(text)]


def _details(result: Mix) -> list[RenderableType]:
    """The influences left out, and the tables themselves."""
    titles = ("X", _("U of the first block"), _("Y of the last block"))
    tables = [
        (title, _map(result, values, colours="diverging"))
        for title, values in zip(titles, (result.x, result.u, result.y))
    ]
    return [_pictures(result, ("normed", "convolution")), Panels(tables, min_width=30)]


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}".replace("-", "−")


def _spread(shares: Sequence[float]) -> str:
    """The median of the seeds, and from which to which they reach."""
    if any(math.isnan(share) for share in shares):
        return "–"
    middle = _percent(float(np.median(shares)))
    if len(shares) == 1:
        return middle
    return f"{middle} ({100 * min(shares):.1f}–{100 * max(shares):.1f})"


# The sentences

_REACHES = {
    "entry": N_("itself alone"),
    "column": N_("its column"),
    "row": N_("its row"),
    "all": N_("all"),
    "some": N_("neither row nor column"),
}


def takeaways(result: Mix) -> list[str]:
    """Who answers whom, what is shared, and what is fixed; or what each half is worth."""
    if result.training is None:
        return [_answered(result), _shared(result), _fixed(result)]
    training = result.training
    broken = _diverged(training)
    if broken:
        text = ngettext(
            "{n} network diverged: its scores are no numbers. Try a smaller --lr.",
            "{n} networks diverged: their scores are no numbers. Try a smaller --lr.",
            broken,
        )
        return [text.format(n=broken)]
    return [_worth(training), _fixed_order(training), _other_order(training)]


def _diverged(training: Training) -> int:
    """How many networks have no scores any more."""
    return sum(math.isnan(share) for n in training.networks for share in n.accuracy)


def _reach(matrix: Floats, at: Sequence[int]) -> str:
    """Which entries changed: one of _REACHES."""
    token, channel = at[0] - 1, at[1] - 1
    for name, where in (
        ("all", np.s_[:, :]), ("column", np.s_[:, channel]), ("row", np.s_[token, :]),
        ("entry", np.s_[token, channel]),
    ):  # fmt: skip
        expected = np.zeros(matrix.shape, bool)
        expected[where] = True
        if ((matrix > 0) == expected).all():
            return name
    return "some"


def _answered(result: Mix) -> str:
    """Which entries answer, and how many they are."""
    names = ("token", "channel", "both")
    reach = {
        name: f"{_(_REACHES[_reach(getattr(result.influence, name), result.at)])}"
        f" ({count(result.step(name).answers)})"
        for name in names
    }
    return _(
        "Token mixing answers in {token}, channel mixing in {channel}, the Mixer in {both}."
    ).format(**reach)


def _shared(result: Mix) -> str:
    """Whether token mixing does the same to all channels, and depth-wise convolution too."""
    own, other = result.step("token").channels, result.step("depthwise").channels
    if own >= _FOLLOWS:
        return _(
            "Token mixing is not the same for all channels: with the channels reversed it is off by"
            " {x}."
        ).format(x=number(own))
    if other < _FOLLOWS:
        return _(
            "Token mixing and this depth-wise convolution treat all {d} channels alike: with the"
            " channels reversed both put out the same, reversed."
        ).format(d=result.channels)
    return _(
        "Token mixing is one network for all {d} channels: reverse them and it puts out the same,"
        " reversed (to {e}). Depth-wise convolution has a kernel for each: it is off by {x}."
    ).format(d=result.channels, e=number(result.shared_error), x=number(other))


def _fixed(result: Mix) -> str:
    """Which steps depend on the number of tokens."""
    more = result.tokens + result.grid[1]
    tight = [_(_STEPS[s.name]) for s in result.steps if not s.fits_more]
    if not tight:
        return _("Every step takes {more} tokens as well as {n}.").format(
            more=more, n=result.tokens
        )
    return _(
        "W₁ of f_token has {n} rows, one a token: {tight} cannot take {more}, the other {k} steps"
        " can."
    ).format(n=result.tokens, more=more, tight=", ".join(tight), k=len(result.steps) - len(tight))


def _worth(training: Training) -> str:
    """What is lost without either half."""
    whole = training.network("both").accuracy
    token, channel = (training.network(name).accuracy for name in ("no_token", "no_channel"))
    return _(
        "{whole} right. Without token mixing {token}, {lost_token}; without channel mixing"
        " {channel}, {lost_channel}."
    ).format(
        whole=_percent(float(np.median(whole))),
        token=_percent(float(np.median(token))),
        channel=_percent(float(np.median(channel))),
        lost_token=_difference(whole, token),
        lost_channel=_difference(whole, channel),
    )


def _fixed_order(training: Training) -> str:
    """What an order costs that is fixed before training."""
    fixed = training.permutation.fixed
    return _("Patches in another order from the first step on: {share}, {difference}.").format(
        share=_percent(float(np.median(fixed))),
        difference=_difference(training.network("both").accuracy, fixed),
    )


def _other_order(training: Training) -> str:
    """What an order costs that comes only at the test, and whether it can be undone."""
    found, whole = training.permutation, training.network("both").accuracy
    text = _(
        "In another order for the test alone: {share}, {difference}. With the token network's W₁"
        " and W₂ in that order too: {restored}, scores to {e} as before."
    )
    return text.format(
        share=_percent(float(np.median(found.at_test))),
        difference=_difference(whole, found.at_test),
        restored=_percent(float(np.median(found.restored))),
        e=number(found.restored_error),
    )


def _difference(more: Sequence[float], fewer: Sequence[float]) -> str:
    """By how many points `fewer` is less, seed by seed: a verdict only where all seeds agree."""
    lost = 100 * (np.asarray(more) - np.asarray(fewer))
    low, high = float(lost.min()), float(lost.max())
    if low == high == 0:
        return _("just as many")
    if low <= 0 <= high:
        return _("{gain} points more to {loss} less: it depends on the seed").format(
            gain=f"{abs(low):.1f}", loss=f"{high:.1f}"
        )
    near, far = (f"{points:.1f}" for points in sorted((abs(low), abs(high))))
    span = near if near == far else f"{near}–{far}"
    text = _("{span} points less") if low > 0 else _("{span} points more")
    if len(lost) == 1:
        return _("{points} (one seed)").format(points=text.format(span=span))
    return _("{points} with each of {n} seeds").format(points=text.format(span=span), n=len(lost))


def question(result: Mix) -> Question:
    """Which entries token mixing reaches; where networks were trained, which half is worth more."""
    if result.training is not None and not _diverged(result.training):
        return _which_half(result.training)
    answers = {"entry": 0, "row": 1, "column": 2, "all": 3}
    reach = _reach(result.influence.token, result.at)
    token, channel = result.at
    text = _(
        "One number of a table of tokens × channels is nudged: channel {c} of token {t}. Which"
        " numbers does the token-mixing network answer with?"
    ).format(t=token, c=channel)
    choices = [
        _("channel {c} of token {t} alone"),
        _("all channels of token {t}"),
        _("channel {c} of all tokens"),
        _("all channels of all tokens"),
        _("some others"),
    ]
    return Question(
        text,
        [choice.format(t=token, c=channel) for choice in choices],
        answers.get(reach, 4),
        _answered(result),
    )


def _which_half(training: Training) -> Question:
    losses = [
        100 * (np.asarray(training.network("both").accuracy) - np.asarray(n.accuracy))
        for n in (training.network("no_token"), training.network("no_channel"))
    ]
    gap = losses[0] - losses[1]
    answer = 0 if (gap > 0).all() else 1 if (gap < 0).all() else 2
    return Question(
        _("A Mixer is trained without one of its halves. Which is missed more?"),
        [_("token mixing"), _("channel mixing"), _("it depends on the seed")],
        answer,
        _worth(training),
    )
