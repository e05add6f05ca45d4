"""What does each half of a Mixer mix? Nudge one number, and see which numbers answer.

A picture is a table, a row for every patch, its token, and a column for every channel. A Mixer runs
one small network down its columns and another along its rows (Tolstikhin et al. 2021, eq. 1). Which
entries answer a nudge is measured, and beside it the same for self-attention and for convolutions.

With --train, Mixers learn handwritten digits whole and without one of their halves, and read their
patches in another order: from the first step on, or only when they are tested.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import trees
from seqlab.book import attention, conv, mixer, vit
from seqlab.book.attention import MultiHead
from seqlab.book.ops import Array, cast
from seqlab.figures.flow import Arrow, Box, Flow
from seqlab.figures.glyphs import count
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
    Trained,
    Watch,
    mixing,
    require,
)
from seqlab.lab.mixing import EQUATION, ROUNDING, Recipe, Training, compared, percent, scale
from seqlab.locale import N_, _, listed, ngettext
from seqlab.tasks import digits

Floats = NDArray[np.float64]

STEPS = ("token", "channel", "both", "attention", "depthwise", "convolution")

_NUDGE = 1.0  # what is added to one entry
_KERNEL = 3  # side of the convolutions
_PATCH = 16  # pixels of a patch of a picture file, to a side
_MOST_TOKENS, _MOST_CHANNELS, _MOST_HIDDEN, _MOST_BLOCKS = 256, 128, 256, 8
_MOST_ENTRIES = 2048  # of the table: the JSON document has ten of it
_ORDERS = 5  # of the tokens and of the channels that are tried
_ROWS, _COLUMNS = 16, 8  # of the table that are drawn
_APART = 6  # patches on a side that can be drawn apart beside the table of steps


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
    tokens in another order when it reads them so: the root mean square of that difference against
    that of the output, the largest of several random orders; `channels` the same for the order of
    the channels. 0: it follows any order. `fits_more` is whether the same parameters take a row of
    patches more.
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
    return _trained(o, result, watch or (lambda done, doing, view=None: None)) if train else result


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
            if value is not None and name != "lr":
                require(value, name, 2 if name == "channels" else 1, high)
        if o.lr is not None and not 0 < o.lr <= highest["lr"]:
            raise BadInput(f"--lr {o.lr}", _("a number above 0, at most 1"), "--lr 0.003")
        if o.tokens * o.d > _MOST_ENTRIES:
            raise BadInput(
                f"--tokens {o.tokens} --channels {o.d}",
                _("at most {most} numbers together").format(most=count(_MOST_ENTRIES)),
                f"--channels {_MOST_ENTRIES // o.tokens}",
            )
        if self.train:
            o.recipe().affordable()
        return o

    def recipe(self) -> Recipe:
        """What is trained, when all is filled in."""
        return Recipe(*(getattr(self, name) for name in Recipe._fields))

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


# Without training


def _untrained(o: _Options, device: str, image: str | None) -> Mix:
    """All that needs no training."""
    (rows, columns), p = o.grid, o.drawn()
    source, pixels, x = _table(o, image)
    token, channel = (rows - 1) // 2 * columns + (columns - 1) // 2, min(2, (o.d - 1) // 3)
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
    reading = np.random.default_rng([o.seed, 10])
    of_tokens, of_channels = (
        [mixing.another_order(reading, n) for _time in range(_ORDERS)] for n in x.shape
    )
    measured = [
        Step(
            name,
            parameters(p, name),
            int(np.count_nonzero(getattr(found, name))),
            max(_relative(f(x[order]), f(x)[order]) for order in of_tokens),
            max(_relative(f(x[:, order]), f(x)[:, order]) for order in of_channels),
            _fits(f, more),
        )
        for name, f in steps.items()
    ]
    return Mix(
        **asdict(o), device=device, image=source, grid=[rows, columns],
        at=[token + 1, channel + 1], nudge=_NUDGE, influence=found,
        leak=float(1 - squares[:, channel].sum() / squares.sum()),
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
    if columns > 4 * rows:
        side = math.isqrt(o.tokens)
        raise BadInput(
            f"--tokens {o.tokens}",
            _("patches in a grid; these lie in a strip of {rows} × {columns}").format(
                rows=rows, columns=columns
            ),
            f"--tokens {side * (side + 1)}",
        )
    height, width = rows * _PATCH, columns * _PATCH
    try:
        photo = images.read(image, max(height, width))
    except BadInput as problem:
        if problem.hint != _("no file at all, for the sample picture"):
            raise
        hint = _("no file at all, for random numbers")
        raise BadInput(problem.wrong, problem.expected, hint) from problem
    pixels = images.fitted(photo.pixels, height, width, "crop")
    patches = vit.patchify(np.moveaxis(pixels, 2, 0) / 127.5 - 1, _PATCH)
    embedding = vit.init_embedding(rng, 3, _PATCH, o.tokens, o.d)
    source = Source(photo.path, photo.width, photo.height, photo.mode, photo.notes)
    return source, pixels, np.asarray(vit.project(embedding, patches))


def _trained(o: _Options, result: Mix, watch: Watch) -> Mix:
    """The result, and what came of training."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    device = train.device(result.device)
    training, courses, stopped = mixing.learn(o.recipe(), device, watch)
    return replace(result, device=device.type, training=training, series=courses, stopped=stopped)


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
        return mixing.check(o.recipe(), device)
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
        checks += compared(_name(step, o.blocks), ours, theirs, (drawn, x))
    return checks


def _in_torch(p: Drawn, step: str, x: Array, columns: int) -> Array:
    """`apply` in torch's functions."""
    import torch.nn.functional as F

    if step == "token":
        return mixing.tokens_in_torch(p.blocks[0].token, x[None])[0]
    if step == "channel":
        return mixing.channels_in_torch(p.blocks[0].channel, x)
    if step == "attention":
        a = p.attention
        q, k, v = F.linear(x, a.W_q.T, a.b_q), F.linear(x, a.W_k.T, a.b_k), x @ a.W_v + a.b_v
        return F.linear(F.scaled_dot_product_attention(q, k, v), a.W_o.T, a.b_o)
    if step == "both":
        for block in p.blocks:
            x = mixing.block_in_torch(block, x[None])[0]
        return x
    n, d = x.shape
    grid = x.T.reshape(1, d, n // columns, columns)
    if step == "depthwise":
        y = F.conv2d(grid, p.depthwise, p.depthwise_bias, padding="same", groups=d)
    else:
        y = F.conv2d(grid, p.kernel, p.bias, padding="same")
    return y.flatten(2)[0].T


# The screen

_STEPS = {
    "token": N_("token mixing"),
    "channel": N_("channel mixing"),
    "both": N_("Mixer"),
    "normed": N_("LN, token mixing"),
    "attention": N_("self-attention"),
    "depthwise": N_("3×3 depth-wise"),
    "convolution": N_("3×3 convolution"),
}
_SHOWN = ("token", "channel", "both", "attention", "depthwise")  # on the first screen
_KEYS = {"attention": "attention", "depthwise": "cnn", "convolution": "cnn"}  # for the colours


def show(result: Mix, detail: bool = False) -> RenderableType:
    """Who answers whom; or, where networks were trained, what each half is worth to them."""
    parts: list[RenderableType] = []
    if result.training is not None:
        recipe = Recipe(*(getattr(result, name) for name in Recipe._fields))
        parts.append(mixing.show(recipe, result.training, result.series))
    if result.training is None or detail:
        parts += [Title(_("What does each half of a Mixer mix?"), EQUATION)]
        parts += _influences(result, detail)
    if detail:
        parts += _details(result)
    return Group(*parts)


def _influences(result: Mix, detail: bool) -> list[RenderableType]:
    """The way through a block, who answers on it, and the numbers of every step."""
    (rows, columns), (token, channel) = result.grid, result.at
    remark = _(
        "Random weights; channel {c} of token {t} nudged by {by:g}; dots: no change."
    ).format(c=channel, t=token, by=result.nudge)
    if result.tokens > _ROWS:
        remark += _(" Drawn: the {n} nearest tokens.").format(n=_ROWS)
    if result.channels > _COLUMNS:
        remark += _(" Drawn: the first {n} channels.").format(n=_COLUMNS)
    notes = [Note(remark)]
    table: RenderableType = _table_of_steps(result, STEPS if detail else _SHOWN)
    if result.image is not None and result.pixels is not None:
        from seqlab.figures.picture import Picture

        notes.insert(0, Note(_source(result, result.image)))
        apart = columns <= _APART
        picture = Picture(
            result.pixels, grid=(rows, columns) if apart else None, numbers=False, max_width=16,
            max_height=8, highlight=token if apart else None,
        )  # fmt: skip
        table = Beside(picture, table, left_width=18)
    flow = [_flow(result)] if detail or result.image is None else []
    reach = _("grid of {rows} × {columns}: 3×3 reaches {reached}").format(
        rows=rows,
        columns=columns,
        reached=_runs(np.flatnonzero(result.influence.depthwise.any(axis=1)) + 1),
    )
    return [*flow, *notes, *_pictures(result, _SHOWN, reach), table]


def _source(result: Mix, image: Source) -> str:
    """How the picture becomes the table."""
    text = _(
        "A picture of {w} × {h} pixels, its middle scaled to {width} × {height}. A random matrix"
        " turns the {all} numbers of each patch of {p} × {p} into its {d} channels."
    ).format(
        w=image.width,
        h=image.height,
        width=result.grid[1] * _PATCH,
        height=result.grid[0] * _PATCH,
        all=3 * _PATCH**2,
        p=_PATCH,
        d=result.channels,
    )
    if result.grid[1] <= _APART:
        text += _(" Framed: token {t}.").format(t=result.at[0])
    if image.notes:  # what had to be done to read it
        text += f" ({'; '.join(image.notes)})"
    return text


def _runs(numbers: NDArray[np.int64]) -> str:
    """Ascending whole numbers, those that follow each other as one: 1–3, 5."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return listed(f"{r[0]}–{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in runs)


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
            Arrow("W₂ ᵀ +X"),
            Box("U", f"{n}×{d}", key="mixer"),
            Arrow("W₁"),
            Box("GELU", f"{n}×{hidden}"),
            Arrow("W₂ +U"),
            Box("Y", f"{n}×{d}", key="mixer"),
        ]
    )


def _pictures(result: Mix, names: Sequence[str], remark: str = "") -> list[RenderableType]:
    """Influences on one scale: logarithms, a dot where nothing changes at all."""
    rows = _drawn_tokens(result)
    with np.errstate(divide="ignore"):
        logs = [np.log10(getattr(result.influence, name)[rows, :_COLUMNS]) for name in names]
    known = np.concatenate([m[np.isfinite(m)] for m in logs])
    low, high = (float(known.min()), float(known.max())) if known.size else (-1.0, 0.0)
    # the smallest change must not look like none where shades begin with a blank
    limits = (low - max(0.3 * (high - low), 0.1), high)
    panels = [
        (_name(name, result.blocks), _map(result, np.where(m > -np.inf, m, np.nan), limits=limits))
        for name, m in zip(names, logs)
    ]
    bar = scale(_("log₁₀ |change|"), low, high, remark, limits=limits)
    return [Panels(panels, min_width=18, gap=1), bar]


def _drawn_tokens(result: Mix) -> NDArray[np.int64]:
    """The tokens that are drawn: those nearest to the nudged one in the grid, in their order."""
    y, x = np.divmod(np.arange(result.tokens), result.grid[1])
    at = result.at[0] - 1
    away = (y - y[at]) ** 2 + (x - x[at]) ** 2
    return np.sort(np.argsort(away, kind="stable")[:_ROWS])


def _map(result: Mix, values: Floats, **options: Any) -> Heatmap:
    """Numbers for the tokens and channels that are drawn."""
    return Heatmap(
        values,
        rows=[str(t + 1) for t in _drawn_tokens(result)],
        columns=[str(c + 1) for c in range(values.shape[1])],
        numbers=False,
        bar=False,
        cell_width=2,
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
            f"{count(s.answers)}/{count(entries)}",
            count(s.parameters),
            _follows(s.tokens),
            _follows(s.channels),
            _("yes") if s.fits_more else _("no"),
        ]
        for s in steps
    ]
    columns: list[Column | str] = [
        Column(_("what mixes"), "left"),
        _("answers"),
        _("parameters"),
        _("tokens permuted"),
        _("channels permuted"),
        _("takes {n} tokens").format(n=result.tokens + result.grid[1]),
    ]
    return Table(columns, rows, keys=[_KEYS.get(s.name, "mixer") for s in steps])


def _follows(error: float) -> str:
    return _("follows") if error < ROUNDING else _("off by {x}").format(x=_share(error))


def _share(error: float) -> str:
    """How far off, in percent of what was put out."""
    return f"{100 * error:.0f} %"


def _details(result: Mix) -> list[RenderableType]:
    """The influences left out, and the tables themselves."""
    rows, tables = _drawn_tokens(result), (result.x, result.u, result.y)
    drawn = [table[rows, :_COLUMNS] for table in tables]
    limit = max(float(np.abs(table).max()) for table in drawn)
    titles = ("X", _("U of the first block"), _("Y of the last block"))
    maps = [
        (title, _map(result, table, colours="diverging", limits=(-limit, limit)))
        for title, table in zip(titles, drawn)
    ]
    return [
        *_pictures(result, ("normed", "convolution")),
        Panels(maps, min_width=18, gap=1),
        scale("", -limit, limit, colours="diverging"),
    ]


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
    if result.training is not None:
        return mixing.takeaways(result.training)
    return [_answered(result), _shared(result), _bound(result)]


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
    """Which entries answer, how many they are, and what the layer norm makes of it."""
    names = ("token", "channel", "both")
    reach = {
        name: _("{reach} ({n})").format(
            reach=_(_REACHES[_reach(getattr(result.influence, name), result.at)]),
            n=count(result.step(name).answers),
        )
        for name in names
    }
    return _(
        "Without LN token mixing answers in {token}, channel mixing in {channel}; the Mixer in"
        " {both}. Behind LN {leak} of token mixing's change (sum of squares) is in other columns."
    ).format(**reach, leak=percent(result.leak))


def _shared(result: Mix) -> str:
    """Whether token mixing does the same to all channels, and depth-wise convolution too."""
    own, other = result.step("token").channels, result.step("depthwise").channels
    if own >= ROUNDING:
        return _(
            "Token mixing is not the same for all channels: in another order of them it is off by"
            " {x} (root mean square)."
        ).format(x=_share(own))
    exactly = _("exactly") if own == 0 else _("but for rounding")
    if other < ROUNDING:
        return _(
            "Token mixing and this depth-wise convolution treat all {d} channels alike: in {k}"
            " random orders of them both put out the same in that order, {exactly}."
        ).format(d=result.channels, k=_ORDERS, exactly=exactly)
    return _(
        "Token mixing is one network for all {d} channels: in {k} random orders of them it puts out"
        " the same in that order, {exactly}; depth-wise, a kernel each, is off by {x} (root mean"
        " square)."
    ).format(d=result.channels, k=_ORDERS, exactly=exactly, x=_share(other))


def _bound(result: Mix) -> str:
    """What of the steps on the screen depends on the number and the order of the tokens."""
    n, more = result.tokens, result.tokens + result.grid[1]
    shown = [result.step(name) for name in _SHOWN]
    tight = listed(_(_STEPS[s.name]) for s in shown if not s.fits_more)
    token, attention = result.step("token"), result.step("attention")
    size = _("Every step takes {more} tokens as well as {n}")
    if tight:
        size = _("W₁ of f_token has {n} rows, one a token: {tight} cannot take {more}")
    orders = _("in another order of the tokens token mixing is off by {x}, self-attention by {y}")
    if token.tokens < ROUNDING:
        orders = _("token mixing follows any order of the tokens")
    elif attention.tokens < ROUNDING:
        orders = _(
            "in another order of the tokens token mixing is off by {x}, self-attention follows it"
        )
    return _("{size}; {orders}.").format(
        size=size.format(n=n, more=more, tight=tight),
        orders=orders.format(x=_share(token.tokens), y=_share(attention.tokens)),
    )


def question(result: Mix) -> Question:
    """Which entries token mixing reaches; where networks were trained, which half is worth more."""
    if result.training is not None and not result.training.diverged:
        return mixing.question(result.training)
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
