"""What do windows save, and what do they cut off? Swin's attention on a picture.

Attention within windows costs by the number of patches, global attention by its square (Liu et al.
2021, eq. 1 and 2). But nothing leaves a window: what one patch changes is measured after a block
with windows, after another one, and after one whose windows are shifted. The blocks are those of
the book with random weights; nothing is trained here.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageColor
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from seqlab import images, trees
from seqlab.book import attention, swin, transformer
from seqlab.book.ops import UNDRAWN
from seqlab.book.transformer import Style
from seqlab.figures import palette
from seqlab.figures.flow import Arrow, Box, Flow
from seqlab.figures.glyphs import count, fit, number, shorten
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.panels import Panels
from seqlab.figures.picture import Picture
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput, Check, Question, Result, Seed, require
from seqlab.locale import N_, _, listed, sentences

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_STAGES = 4
_CHANNELS = 3
_WIDTH = 32  # of the blocks that are run, one head: who reaches whom does not depend on it
_GREY_LEVEL = 1 / 127.5  # pixels lie in -1 .. 1
_LARGEST_SIDE, _LARGEST_SWEPT, _LARGEST_PATCH, _LARGEST_WINDOW = 1024, 4096, 16, 32
_SWEPT = (224, 384, 512)
_MOST_SIZES = 6
_MOST_PATCHES, _MOST_WEIGHTS = 2**14, 2**21  # of the stage that is run
_PANEL = 32  # columns of a picture: three stand side by side on a projector's 100
_LEAST_WINDOW = 2  # columns of a window, below which its picture says nothing
_DARK = 0.28  # brightness of what did not change
_TINT = 0.65  # share of its region's colour in a patch
_CHECKED = 28  # patches a side at the most where torch lets all attend to all
_LINE = -1  # instead of a patch
_NUDGED, _OUTLINE = "#ff3c3c", "#ff40ff"
_BAR, _LONGEST_BAR = 5, 24  # columns: in the table on a screen of 100, and anywhere


@dataclass(frozen=True)
class Source:
    """The file: `path` is null for the built-in sample; size in pixels, upright; Pillow's mode."""

    path: str | None
    width: int
    height: int
    mode: str


@dataclass(frozen=True)
class Shape:
    """A stage: `grid` × `grid` patches of `width` numbers, in `windows` windows of side `window`.

    `shift` is how many patches every other block shifts its windows: none where there is only one.
    """

    stage: int
    grid: int
    width: int
    window: int
    windows: int
    shift: int


@dataclass(frozen=True)
class Reach:
    """What one patch of `Windows.at`, a grey level brighter, changes by the end of `blocks`.

    `change` is by how much every patch's output moves, against how much that patch's embedding
    did (Euclidean lengths); `inside` and `outside` are the largest ones in that patch's window of
    the first block and elsewhere. Zero is exactly zero: `changed` counts the patches where it is
    not, `windows` the windows of the last block, as they lie on the picture, that hold them.
    """

    blocks: str
    changed: int
    windows: int
    inside: float
    outside: float
    change: Floats


@dataclass(frozen=True)
class Picked:
    """Window `Windows.pick` of the shifted grid.

    `regions` (M, M) numbers its patches by the piece of the picture they belong to. `crossing` is
    the share of attention between different pieces that there would be without the mask, `left`
    what the mask leaves.
    """

    pieces: int
    crossing: float
    left: float
    regions: Integers
    free: Floats = field(metadata={"json": False})  # weights without the mask: (M², M²)
    masked: Floats = field(metadata={"json": False})  # and with it

    @property
    def mask(self) -> Booleans:
        """True where two patches are of one piece: (M², M²)."""
        return _mask(self.regions.reshape(-1))


@dataclass(frozen=True)
class Windows(Result):
    """Windows on a picture: what they cost, and who reaches whom.

    `macs` has multiply-adds of the matrix products of one block's attention, "global" (eq. 1), in
    "window"s (eq. 2), and in windows of the "padded" grid, each [side of `sides`][stage]; `whole`
    says where windows fill the grid, as eq. 2 assumes. `flow` has both blocks with windows, the
    second one's shifted, and those without the mask, last; without a shift the last three are one.
    Patches are counted from 1, row by row, and so are windows. `regions` numbers the patches of the
    shifted grid by the piece of the picture they belong to, `mixed` counts windows with several.
    `attention` are the weights of patch `at` in its (M, M) window, before and after the shift. The
    blocks that were run have `block_width` channels and one head.
    """

    image: Source
    notes: list[str]
    size: int
    window: int
    stage: int
    patch: int
    dim: int
    at: int
    pick: int
    seed: int
    block_width: int
    shapes: list[Shape]
    sides: list[int]
    macs: dict[str, list[list[int]]]
    whole: list[list[bool]]
    flow: list[Reach]
    regions: Integers
    mixed: int
    picked: Picked
    attention: dict[str, Floats]
    pixels: images.Bytes = field(metadata={"json": False})

    @property
    def image_size(self) -> str:
        """The sides, as the option takes them."""
        return ",".join(map(str, self.sides))

    @property
    def shape(self) -> Shape:
        """The stage that is drawn and run."""
        return self.shapes[self.stage - 1]

    @property
    def place(self) -> tuple[int, int]:
        """Row and column of patch `at`, from 0."""
        row, column = divmod(self.at - 1, self.shape.grid)
        return row, column

    def ratio(self, size: int, stage: int) -> float:
        """How many times the products of windows, padding included, global attention takes."""
        i = self.sides.index(size)
        return self.macs["global"][i][stage - 1] / self.macs["padded"][i][stage - 1]


def run(
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE", help=N_("A picture file; without, a sample that seqlab draws.")
        ),
    ] = None,
    *,
    window: Annotated[
        int, typer.Option(min=1, max=_LARGEST_WINDOW, help=N_("Side M of a window, in patches."))
    ] = 7,
    size: Annotated[
        int,
        typer.Option(
            min=8, max=_LARGEST_SIDE, help=N_("Side that the picture is brought to, in pixels.")
        ),
    ] = 224,
    stage: Annotated[
        int, typer.Option(min=1, max=_STAGES, help=N_("Stage that is drawn and run, 1 to 4."))
    ] = 2,
    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help=N_("Sides for which the work is counted too; without, 224, 384 and 512."),
        ),
    ] = None,
    patch: Annotated[
        int,
        typer.Option(min=1, max=_LARGEST_PATCH, help=N_("Side of a patch in stage 1, in pixels.")),
    ] = 4,
    dim: Annotated[
        int, typer.Option(min=1, max=4096, help=N_("Width C of stage 1; every merging doubles it."))
    ] = 96,
    at: Annotated[
        int | None,
        typer.Option(metavar="N", help=N_("Patch that is nudged; without, one near the middle.")),
    ] = None,
    pick: Annotated[
        int | None,
        typer.Option(
            metavar="N", help=N_("Shifted window whose mask --detail explains; else the last.")
        ),
    ] = None,
    seed: Seed = 0,
) -> Windows:
    """Cut a picture into windows, count what they save, and measure what they cut off.

    The picture's middle square is brought to `size`. Of stage 2 and beyond the patches are those
    of the picture at that stage's coarseness, not what a trained stage 1 would make of them.

    Raises:
        BadInput: no readable picture, a size without whole windows, a number out of range.
    """
    for name, value, low, high in (
        ("window", window, 1, _LARGEST_WINDOW),
        ("size", size, 8, _LARGEST_SIDE),
        ("stage", stage, 1, _STAGES),
        ("patch", patch, 1, _LARGEST_PATCH),
        ("dim", dim, 1, 4096),
    ):
        require(value, name, low, high)
    require(seed, "seed", 0)
    _require_whole(size, patch, window)
    swept = sorted({size, *_sizes(image_size, patch)})
    shapes = _shapes(swin.Config(image=size, p=patch, d=dim, window=window))
    shape = shapes[stage - 1]
    _affordable(shapes, stage)
    n = shape.grid
    nudged = _one_of(at, "at", n * n, max(0, n // 2 - 2) * n + n // 3 + 1)
    picked = _one_of(pick, "pick", shape.windows, shape.windows)

    photo = images.sample() if image is None else images.read(image, size)
    pixels = images.fitted(photo.pixels, size, size, "crop")
    config = _one_stage(size, patch << (stage - 1), shape.window)
    p = swin.init(config, np.random.default_rng(seed))
    x = np.moveaxis(pixels, 2, 0) / 127.5 - 1  # (c, n p, n p)
    trace = swin.read(p, x, config)
    regions = _regions(shape)
    pieces = swin.windows(regions[:, :, None], shape.window)[..., 0]  # (w, M²)
    sweep = [_shapes(swin.Config(image=side, p=patch, d=dim, window=window)) for side in swept]
    return Windows(
        image=Source(photo.path, photo.width, photo.height, photo.mode),
        notes=list(photo.notes),
        size=size,
        window=window,
        stage=stage,
        patch=patch,
        dim=dim,
        at=nudged,
        pick=picked,
        seed=seed,
        block_width=_WIDTH,
        shapes=shapes,
        sides=swept,
        macs={
            "global": [[swin.global_macs(s.grid**2, s.width) for s in each] for each in sweep],
            "window": [
                [swin.window_macs(s.grid**2, s.width, s.window) for s in each] for each in sweep
            ],
            "padded": [
                [swin.window_macs(_padded(s) ** 2, s.width, s.window) for s in each]
                for each in sweep
            ],
        },
        whole=[[s.grid % s.window == 0 for s in each] for each in sweep],
        flow=_flow(p, x, config, trace, nudged),
        regions=regions,
        mixed=sum(len(set(each)) > 1 for each in pieces.tolist()),
        picked=_picked(p, trace, shape, pieces[picked - 1], picked),
        attention=_looks(trace, shape, nudged),
        pixels=pixels,
    )


# What may be asked for


def _fits(size: int, patch: int, window: int) -> bool:
    """Whether all four stages have whole patches and whole windows."""
    if size % (patch << (_STAGES - 1)):
        return False
    grids = [size // (patch << i) for i in range(_STAGES)]
    return all(grid % min(window, grid) == 0 for grid in grids)


def _require_whole(size: int, patch: int, window: int) -> None:
    """Refuse a picture that does not fit, offering the nearest sizes and windows that do."""
    if _fits(size, patch, window):
        return
    step = patch << (_STAGES - 1)
    sides = [s for s in range(step, _LARGEST_SIDE + 1, step) if _fits(s, patch, window)]
    near = sorted(sides, key=lambda s: abs(s - size))[:3]
    fitting = [M for M in range(2, _LARGEST_WINDOW + 1) if _fits(size, patch, M)]
    below, above = ([M for M in fitting if sign * (M - window) > 0] for sign in (-1, 1))
    if size % step:
        wrong = _("--size {size} cannot be halved to whole patches of {patch} in 4 stages")
    else:
        wrong = _("--size {size} with patches of {patch} has no whole windows of {M} in 4 stages")
    raise BadInput(
        wrong.format(size=size, patch=patch, M=window),
        _("sizes such as {sizes}").format(sizes=listed(map(str, sorted(near)))),
        ", ".join([f"--size {near[0]}", *(f"--window {M}" for M in (*below[-1:], *above[:1]))]),
    )


def _sizes(text: str | Sequence[int] | None, patch: int) -> list[int]:
    """The sides of "224,384": multiples of the last stage's patch, so that all stages have some."""
    step = patch << (_STAGES - 1)
    if text is None:
        return [side for side in _SWEPT if side % step == 0]
    given = text.split(",") if isinstance(text, str) else [str(n) for n in text]
    words = [word.strip() for word in given if word.strip()]
    sides = set()
    most = _LARGEST_SWEPT // step * step
    hint = f"--image-size {step * (224 // step or 1)},{step * (512 // step or 2)}"
    for word in words:
        digits = word.lstrip("0")
        side = int(digits) if digits.isdecimal() and len(digits) <= len(str(most)) else 0
        if not 0 < side <= most or side % step:
            expected = _("multiples of {step} up to {most}").format(step=step, most=most)
            raise BadInput(f"--image-size {shorten(word, 20)}", expected, hint)
        sides.add(side)
    if not 1 <= len(sides) <= _MOST_SIZES:
        wrong = f"--image-size: {len(sides)}"
        raise BadInput(wrong, _("1 to {n} sizes").format(n=_MOST_SIZES), hint)
    return sorted(sides)


def _one_of(chosen: int | None, name: str, most: int, usual: int) -> int:
    """The patch or window that was chosen, else the usual one, which is offered instead."""
    try:
        require(usual if chosen is None else chosen, name, 1, most)
    except BadInput as refused:
        raise BadInput(refused.wrong, refused.expected, f"--{name} {usual}") from None
    return usual if chosen is None else chosen


def _affordable(shapes: Sequence[Shape], stage: int) -> None:
    """Refuse to run what would take gigabytes or minutes."""

    def weights(shape: Shape) -> int:
        return shape.grid**2 * shape.window**2

    small = [s for s in shapes if s.grid**2 <= _MOST_PATCHES and weights(s) <= _MOST_WEIGHTS]
    shape = shapes[stage - 1]
    if shape not in small:
        wrong = _("stage {stage} has {n} patches and {w} attention weights").format(
            stage=stage, n=count(shape.grid**2), w=count(weights(shape))
        )
        most = _("at most {n} and {w}").format(n=count(_MOST_PATCHES), w=count(_MOST_WEIGHTS))
        hint = f"--stage {small[0].stage}" if small else _("a smaller --size or --window")
        raise BadInput(wrong, most, hint)


# The stages


def _shapes(config: swin.Config) -> list[Shape]:
    shapes = []
    for i in range(_STAGES):
        grid, M = config.grid(i), config.side(i)
        several = M // 2 if grid > M else 0
        shapes.append(Shape(i + 1, grid, config.width(i), M, (grid // M) ** 2, several))
    return shapes


def _padded(shape: Shape) -> int:
    """Side of the grid, filled up to whole windows."""
    return -(-shape.grid // shape.window) * shape.window


def _one_stage(size: int, patch: int, window: int) -> swin.Config:
    """A Swin of a single stage: a block with windows, then one with shifted windows."""
    return swin.Config(
        image=size, p=patch, d=_WIDTH, depths=(2,), heads=(1,), window=window, classes=1
    )


_STYLE = Style(h=1, pre_norm=True)  # of that stage's blocks


# What was measured


def _flow(p: swin.Swin, x: Floats, config: swin.Config, trace: swin.Trace, at: int) -> list[Reach]:
    """Patch `at` of the picture x (c, n p, n p) a grey level brighter: what changes, and where."""
    n, M, side = config.grid(0), config.window, config.p
    row, column = divmod(at - 1, n)
    own = np.zeros((n, n), bool)
    own[row // M * M : (row // M + 1) * M, column // M * M : (column // M + 1) * M] = True
    brighter = x.copy()
    brighter[:, row * side : (row + 1) * side, column * side : (column + 1) * side] += _GREY_LEVEL
    nudged = swin.read(p, brighter, config)
    embedded, first, second = (b - a for a, b in zip(trace.states, nudged.states, strict=True))
    k = trace.shifts[1]

    def unmasked(k: int) -> Floats:
        """What the second block makes of the nudge if it rolls the grid by k and masks nothing."""
        block = p.stages[0].blocks[1]
        rolled = (swin.shift(each.states[1], k) for each in (trace, nudged))
        before, after = (swin.block(block, z, M, 0, _STYLE)[0] for z in rolled)
        return np.asarray(swin.shift(after - before, -k))

    def reach(blocks: str, difference: Floats, k: int = 0) -> Reach:
        change = np.linalg.norm(difference, axis=-1) / np.linalg.norm(embedded)
        places = (np.argwhere(change > 0) - k) // M  # window of the last block, row and column
        return Reach(
            blocks,
            changed=len(places),
            windows=len(set(map(tuple, places.tolist()))),
            inside=float(change[own].max()),
            outside=float(change[~own].max(initial=0.0)),
            change=change,
        )

    shifted = ("W-MSA, SW-MSA", "W-MSA, SW-MSA without mask") if k else ("W-MSA, W-MSA",) * 2
    return [
        reach("W-MSA", first),
        reach("W-MSA, W-MSA", unmasked(0)),
        reach(shifted[0], second, k),
        reach(shifted[1], unmasked(k), k),
    ]


def _regions(shape: Shape) -> Integers:
    """The pieces of the shifted grid; without a shift it is one."""
    n = shape.grid
    none = np.zeros((n, n), int)
    return np.asarray(swin.regions(n, n, shape.window, shape.shift)) if shape.shift else none


def _mask(regions: Integers) -> Booleans:
    """True where two patches are of one region, (M²,) -> (M², M²)."""
    return np.asarray(regions[:, None] == regions[None, :])


def _picked(p: swin.Swin, trace: swin.Trace, shape: Shape, regions: Integers, pick: int) -> Picked:
    """Window `pick` of the second block, regions (M²,): its attention, masked and not."""
    M, mask = shape.window, _mask(regions)
    block = p.stages[0].blocks[1]
    z = transformer.norm(block.norm_1, trace.states[1], _STYLE)
    own = swin.windows(swin.shift(z, shape.shift), M)[pick - 1 : pick]  # (1, M², d)
    _y, free = swin.window_attention(block, own, M, _STYLE.h)
    masked = trace.weights[1][pick - 1, 0]
    return Picked(
        pieces=len(set(regions.tolist())),
        crossing=float((free[0, 0] * ~mask).sum() / M**2),
        left=float((masked * ~mask).sum() / M**2),
        regions=np.asarray(regions).reshape(M, M),
        free=np.asarray(free[0, 0]),
        masked=np.asarray(masked),
    )


def _looks(trace: swin.Trace, shape: Shape, at: int) -> dict[str, Floats]:
    """The attention weights of one patch in its window, before and after the shift: (M, M)."""
    n, M = shape.grid, shape.window
    found = {}
    for name, i in (("before", 0), ("after", 1)):
        row, column = ((place - trace.shifts[i]) % n for place in divmod(at - 1, n))
        window = row // M * (n // M) + column // M
        query = row % M * M + column % M
        found[name] = np.asarray(trace.weights[i][window, 0, query]).reshape(M, M)
    return found


# The oracle


def check(**options: Any) -> list[Check]:
    """Both blocks against global attention in torch that is told who may look at whom.

    The oracle knows neither roll nor windows nor regions: every patch attends to all, with −∞
    where rows or columns lie in different windows of the shifted lattice. Windows and patches are
    fewer where all to all would be too much. And the multiply-adds of eq. 1 and 2 against those
    that torch counts.
    """
    import torch

    result = run(**options)
    shape, rng = result.shape, np.random.default_rng([result.seed, 1])
    config = _one_stage(result.size, result.patch << (result.stage - 1), shape.window)
    drawn = swin.init(config, np.random.default_rng(result.seed))
    M = min(shape.window, _CHECKED // 2)
    few = M * min(shape.grid // M, _CHECKED // M)
    tokens = swin.embed(drawn, np.moveaxis(result.pixels, 2, 0) / 127.5 - 1, config)[:few, :few]
    noise = rng.normal(size=(2 * M, 3 * M, _WIDTH))
    blocks = {"W-MSA": 0, **({"SW-MSA": M // 2} if shape.shift else {})}
    checks = []
    for name, z in (
        (_("{n} × {n} patches of this picture").format(n=few), tokens),
        (_("noise on 2 × 3 windows"), noise),
    ):
        for what, k in blocks.items():
            p = swin.init_block(rng, _WIDTH, 2, M, 2 * _WIDTH)
            p = trees.convert(lambda w: rng.normal(0, 0.3, w.shape), p)  # no zero hides
            errors = _against_torch(torch, p, z, M, k, rng)
            checks += [
                Check(f"{what}, M = {M}, {about}, {name}", error, 1e-9)
                for about, error in zip((_("outputs"), _("gradients")), errors, strict=True)
            ]
    return checks + _counted(torch, result)


def _against_torch(
    torch: Any, block: swin.Block, z: Floats, M: int, k: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The largest difference of outputs, and of gradients by input and parameters."""
    style = Style(h=2, pre_norm=True)

    def tensor(w: Floats) -> Any:
        return torch.tensor(np.ascontiguousarray(w), requires_grad=True)

    ours, theirs = ((trees.convert(tensor, block), tensor(z)) for _side in "ab")
    y = swin.block(*ours, M, k, style)[0]
    expected = _oracle(torch, *theirs, M, k, style.h)
    dy = torch.tensor(rng.normal(size=z.shape))
    for out in (y, expected):
        (out * dy).sum().backward()
    pairs = zip(
        [ours[1], *(w for _name, w in trees.leaves(ours[0]))],
        [theirs[1], *(w for _name, w in trees.leaves(theirs[0]))],
        strict=True,
    )
    numpy = np.asarray(swin.block(block, z, M, k, style)[0])  # the page on arrays, as it was run
    outputs = np.abs(numpy - expected.detach().numpy()).max()
    return float(outputs), max(float((a.grad - b.grad).abs().max()) for a, b in pairs)


def _oracle(torch: Any, p: swin.Block, x: Any, M: int, k: int, h: int) -> Any:
    """A pre-norm block of global attention; patches see those of their window of the lattice."""
    F = torch.nn.functional
    n1, n2, d = x.shape
    rows, columns = (grid.flatten() for grid in torch.meshgrid(
        torch.arange(n1), torch.arange(n2), indexing="ij"
    ))  # fmt: skip
    together = torch.ones(n1 * n2, n1 * n2, dtype=torch.bool)
    row = 0
    for places in (rows, columns):
        window = (places - k).div(M, rounding_mode="floor")
        together &= window[:, None] == window[None, :]
        offset = (places[:, None] - places[None, :] + M - 1).clamp(0, 2 * M - 2)
        row = row * (2 * M - 1) + offset
    bias = p.table[row].permute(2, 0, 1).masked_fill(~together, -math.inf)

    def norm(q: transformer.Norm, y: Any) -> Any:
        return F.layer_norm(y, (d,), q.weight, q.bias, 1e-5)

    a, y = p.attention, norm(p.norm_1, x.reshape(n1 * n2, d))
    q, key, v = (
        F.linear(y, W.T, b).reshape(n1 * n2, h, d // h).transpose(0, 1)
        for W, b in ((a.W_q, a.b_q), (a.W_k, a.b_k), (a.W_v, a.b_v))
    )
    heads = F.scaled_dot_product_attention(q[None], key[None], v[None], attn_mask=bias[None])[0]
    z = x.reshape(n1 * n2, d) + F.linear(heads.transpose(0, 1).reshape(-1, d), a.W_o.T, a.b_o)
    f = p.feed_forward
    inner = F.gelu(F.linear(norm(p.norm_2, z), f.W_1.T, f.b_1))
    return (z + F.linear(inner, f.W_2.T, f.b_2)).reshape(n1, n2, d)


def _counted(torch: Any, result: Windows) -> list[Check]:
    """Eq. 1 and 2 against the products that torch counts, at the picture's own size."""
    from torch.utils.flop_counter import FlopCounterMode

    i = result.sides.index(result.size)
    worst = {"global": 0, "window": 0}
    for s in result.shapes:
        shapes = {"global": (1, s.grid**2, s.width), "window": (s.windows, s.window**2, s.width)}
        drawn = attention.init(UNDRAWN, s.width)
        weights = trees.convert(lambda w: torch.empty(w.shape, device="meta"), drawn)
        for kind, sizes in shapes.items():
            x = torch.empty(sizes, device="meta")  # shapes without numbers: nothing is computed
            with FlopCounterMode(display=False) as counter:
                attention.multi_head(weights, x, x, 1)
            counted = counter.get_total_flops() // 2  # torch counts multiply and add apart
            error = abs(counted - result.macs[kind][i][s.stage - 1])
            worst[kind] = max(worst[kind], error)
    return [
        Check(_("eq. {n}, multiply-adds that torch counts").format(n=n), worst[kind], 0.0)
        for n, kind in ((1, "global"), (2, "window"))
    ]


# The screen


class _Cut:
    """The patches of a grid as pixels, with lines between windows; without colours as characters.

    Args:
        colours: (n, n, 3) from 0 to 255, one colour a patch.
        signs: (n, n) characters, what stands for a patch where there are no colours.
        M: side of a window.
        shift: where the first line stands, or 0: behind M patches.
        marked: (row, column) of a patch that stands out.
        outlined: (n, n) is true inside a line that shows on any photo; characters go without.
    """

    def __init__(
        self,
        colours: Floats,
        signs: Sequence[Sequence[str]],
        M: int,
        shift: int,
        marked: tuple[int, int],
        outlined: Booleans,
    ) -> None:
        self.colours, self.signs, self.n = colours, signs, len(colours)
        self.M, self.shift, self.marked, self.outlined = M, shift, marked, outlined

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = min(_PANEL, options.max_width)
        windows = self.n // self.M
        lined = _lined(windows, room)
        columns = self._places(room, lined)
        if palette.half_blocks(console, options):
            pixels = np.asarray(self.colours[np.ix_(columns, columns)])
            line = np.array(columns) == _LINE
            pixels[line] = pixels[:, line] = palette.rgb(console, palette.INKS["swin"])
            at = tuple(_nearest(columns, place) for place in self.marked)
            pixels[_around(self.outlined, columns)] = ImageColor.getrgb(_OUTLINE)
            pixels[at] = ImageColor.getrgb(_NUDGED)
            yield Picture(pixels.astype(np.uint8), max_width=room, max_height=_PANEL)
            return
        rows = self._places(room // 2, lined)
        drawn = [[self._sign(row, column) for column in columns] for row in rows]
        drawn[_nearest(rows, self.marked[0])][_nearest(columns, self.marked[1])] = "X"
        for signs in drawn:
            yield Text(fit("".join(signs), options.ascii_only))

    def _sign(self, row: int, column: int) -> str:
        if row == _LINE:
            return "┼" if column == _LINE else "─"
        return "│" if column == _LINE else self.signs[row][column]

    def _places(self, room: int, lined: bool) -> list[int]:
        """Which patch is drawn at each of about `room` pixels, or a line between windows.

        A patch has several pixels, or a pixel the middle one of several patches.
        """
        windows, M = self.n // self.M, self.M
        side = max(1, room // windows - 1)  # pixels of a window: shifted ones have as many lines
        cuts = list(range(self.shift or M, self.n, M))
        if not lined:
            M, side, cuts = self.n, min(room, self.n), []
        elif side > M:
            side -= side % M
        places: list[int] = []
        for start, stop in pairwise([0, *cuts, self.n]):
            if start:
                places.append(_LINE)
            first, last = (int(place * side / M + 0.5) for place in (start, stop))
            drawn = max(1, last - first)
            places += [start + int((j + 0.5) * (stop - start) / drawn) for j in range(drawn)]
        return places


def _lined(windows: int, room: int) -> bool:
    """Whether so many windows a side can be told apart by lines in `room` pixels."""
    return room >= (_LEAST_WINDOW + 1) * windows


def _nearest(places: Sequence[int], patch: int) -> int:
    """Where a patch is drawn, or where its nearest neighbour is if it was left out."""
    drawn = [i for i, place in enumerate(places) if place != _LINE]
    return min(drawn, key=lambda i: abs(places[i] - patch))


def _around(inside: Booleans, places: Sequence[int]) -> Booleans:
    """The pixels around the patches (n, n) that are inside; a line between two of them is too."""
    beside = [
        [place] if place != _LINE else [places[i - 1], places[i + 1]]
        for i, place in enumerate(places)
    ]
    left, right = ([patches[side] for patches in beside] for side in (0, -1))
    within = np.all([inside[np.ix_(a, b)] for a in (left, right) for b in (left, right)], axis=0)
    nearest = np.array([_nearest(places, patch) for patch in range(len(inside))])
    within[tuple(nearest[axis] for axis in np.nonzero(inside))] = True  # if they were left out too
    n, wide = len(places), np.pad(within, 1)
    near = np.any([wide[i : i + n, j : j + n] for i in range(3) for j in range(3)], axis=0)
    return np.asarray(near & ~within)


class _Legend:
    """What bright and tinted patches mean, or the signs that stand for them without colours."""

    def __init__(self, coloured: str, plain: str) -> None:
        self.coloured, self.plain = coloured, plain

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Note(self.coloured if palette.half_blocks(console, options) else self.plain)


class _Pictures:
    """The pictures of the blocks; the one without a shift is among them where there is room."""

    def __init__(self, result: Windows) -> None:
        self.result = result

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first, again, *rest = _panels(self.result)
        wide = not rest or options.max_width >= 4 * (_PANEL + 2) - 2
        yield Panels([first, again, *rest] if wide else [first, *rest], min_width=24)


class _Costs:
    """The table of what attention costs; the wider the console, the longer its bars."""

    def __init__(self, result: Windows) -> None:
        self.result = result

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        spare = max(0, options.max_width - 104) // len(self.result.sides)
        yield _costs(self.result, min(_BAR + spare, _LONGEST_BAR))


def show(result: Windows, detail: bool = False) -> RenderableType:
    """What a nudge reaches, in windows and in shifted ones, and what attention costs."""
    equation = "4hwC² + 2(hw)²C → 4hwC² + 2M²hwC"
    parts: list[RenderableType] = [
        Title(_("What do windows save, and what do they cut off?"), equation)
    ]
    if result.image.path is not None or result.notes:
        parts.append(Note(_facts(result)))
    parts += [_Pictures(result), _legend(result), _Costs(result), Note(_units(result))]
    if detail:
        parts += [_stages(result), *_steps(result)]
    return Group(*parts)


def _facts(result: Windows) -> str:
    image = result.image
    name = _("sample picture") if image.path is None else os.path.basename(image.path)
    name = name if len(name) <= 32 else f"{name[:20]}…{name[-11:]}"
    middle = _("its middle as {n} × {n}")
    if min(image.width, image.height) < result.size:
        middle = _("its middle enlarged to {n} × {n}")
    size = f"{name}, {image.width} × {image.height}"
    return "; ".join([size, middle.format(n=result.size), *result.notes])


def _panels(result: Windows) -> list[tuple[str, RenderableType]]:
    """What each block's windows let through, and the grid as the second block computes it."""
    first, again, second, _unmasked = result.flow
    n, M, k = result.shape.grid, result.shape.window, result.shape.shift
    panels: list[tuple[str, RenderableType]] = [
        (_("1 W-MSA: {n} changed").format(n=count(first.changed)), _reached(result, first)),
        (_("2 W-MSA: {n} changed").format(n=count(again.changed)), _reached(result, again)),
    ]
    if not k:
        return panels
    pieces = len(set(result.regions.reshape(-1).tolist()))
    row, column = (M * i for i in divmod(result.pick - 1, n // M))
    picked = np.zeros((n, n), bool)
    picked[row : row + M, column : column + M] = True
    rolled = _rolled(result, _tinted(result), picked)
    title = _("2 SW-MSA: {n} changed").format(n=count(second.changed))
    return [
        *panels,
        (title, _reached(result, second, k)),
        (_("rolled by {k}: {n} pieces").format(k=k, n=pieces), rolled),
    ]


def _patches(result: Windows) -> Floats:
    """The mean colour of every patch: (n, n, 3)."""
    small = Image.fromarray(result.pixels).resize((result.shape.grid,) * 2, Image.Resampling.BOX)
    return np.asarray(small, float)


def _reached(result: Windows, reach: Reach, shift: int = 0) -> _Cut:
    """The picture, dark where nothing changed."""
    changed = reach.change > 0
    colours = _patches(result) * np.where(changed, 1, _DARK)[..., None]
    signs = [["█" if there else "·" for there in row] for row in changed.tolist()]
    return _Cut(colours, signs, result.shape.window, shift, result.place, changed)


def _rolled(result: Windows, colours: Floats, outlined: Booleans) -> _Cut:
    """The grid that block 2 computes, in these colours, and where the nudged patch is in it."""
    row, column = ((place - result.shape.shift) % result.shape.grid for place in result.place)
    signs = [[str(i) for i in row] for row in result.regions.tolist()]
    return _Cut(colours, signs, result.shape.window, 0, (row, column), outlined)


def _tinted(result: Windows) -> Floats:
    """The shifted grid, patches of every piece but the first in a colour of their own."""
    inks = palette.inks([str(i) for i in range(9)])
    colours = np.array([ImageColor.getrgb(ink.dark) for ink in inks], float)
    share = np.where(result.regions == 0, 0, _TINT)[..., None]
    rolled = np.asarray(swin.shift(_patches(result), result.shape.shift))
    return np.asarray((1 - share) * rolled + share * colours[result.regions])


def _legend(result: Windows) -> _Legend:
    coloured = [
        _(
            "Outlined: what changes when patch {at} of stage {stage} (red) is a grey level"
            " brighter; random weights, {d} channels."
        )
    ]
    plain = [
        _(
            "█: what changes when patch {at} of stage {stage} (X) is a grey level brighter; random"
            " weights, {d} channels."
        )
    ]
    if result.shape.shift:
        coloured.append(
            _("Tinted: pieces that share a window but are no neighbours; outlined: window {pick}.")
        )
        plain.append(_("1 to 8: pieces that share a window but are no neighbours."))
    side = result.shape.grid // result.shape.window
    numbers = {"at": result.at, "stage": result.stage, "d": result.block_width, "n": side}
    numbers["pick"] = result.pick
    for texts in (coloured, plain):
        if not _lined(side, _PANEL):
            texts.append(_("{n} × {n} windows: too many for lines between them."))
    return _Legend(*(sentences(texts).format(**numbers) for texts in (coloured, plain)))


def _stages(result: Windows) -> Flow:
    """The shapes of the picture on its way through the stages."""
    steps: list[Box | Arrow] = [
        Box(_("picture"), f"{result.size}×{result.size}×{_CHANNELS}"),
        Arrow(_("cut")),
    ]
    for shape in result.shapes:
        if shape.stage > 1:
            steps.append(Arrow(_("merge")))
        key = "swin" if shape.stage == result.stage else ""
        title = _("stage {n}").format(n=shape.stage)
        steps.append(Box(title, f"{shape.grid}×{shape.grid}×{shape.width}", key=key))
    return Flow(steps)


def _costs(result: Windows, length: int) -> Table:
    """Global attention and attention in windows: the products of each stage, and how they grow.

    The ratios have bars, the longest of them of `length` columns.
    """
    i = result.sides.index(result.size)
    most = max(result.ratio(side, s.stage) for side in result.sides for s in result.shapes)
    rows = []
    for shape in result.shapes:
        M, stage = shape.window, shape.stage
        work = [_giga(result.macs[kind][i][stage - 1]) for kind in ("global", "window")]
        ratios = [result.ratio(side, stage) for side in result.sides]
        times = [f"{'█' * round(x / most * length):{length}} {number(x, 3):>4} ×" for x in ratios]
        grid = f"{shape.grid}×{shape.grid}×{shape.width}"
        rows.append([str(stage), grid, f"{shape.windows} · {M}×{M}", *work, *times])
    ratios_at = [_("ratio at {n}").format(n=side) for side in result.sides]
    heads = ["h×w×C", _("windows M×M"), _("global"), _("in windows"), *ratios_at]
    keys = ["swin" if s.stage == result.stage else "" for s in result.shapes]
    return Table([Column(_("stage"), "left"), *heads], rows, keys=keys)


def _giga(macs: int) -> str:
    """Multiply-adds in billions."""
    return f"{macs / 1e9:.3f}" if macs >= 1e6 else number(macs / 1e9)


def _units(result: Windows) -> str:
    """What the table counts, and where grids had to be filled up to whole windows."""
    text = _(
        "Billion multiply-adds of the matrix products in a block's attention at {size}, as eq. 1"
        " and 2 count; not of softmax, B, mask, norms, FFN."
    ).format(size=result.size)
    sides = zip(result.sides, result.whole, strict=True)
    broken = [i for i, (_side, whole) in enumerate(sides) if not all(whole)]
    if not broken:
        return text
    work = result.macs
    bare = [number(work["global"][i][0] / work["window"][i][0], 3) for i in broken]
    padded = _(
        "At {sides} padding to whole windows counts, projections included, as in transformers;"
        " unpadded stage 1 has {ratios}."
    ).format(
        sides=listed(str(result.sides[i]) for i in broken),
        ratios=listed(f"{ratio} ×" for ratio in bare),
    )
    return f"{text} {padded}"


def _steps(result: Windows) -> list[RenderableType]:
    """What the second block does without the shift, and one window's mask, step by step."""
    parts: list[RenderableType] = []
    if result.shape.shift:
        _first, again, *_rest = _panels(result)
        nothing = np.zeros_like(result.regions, bool)
        patches = np.asarray(swin.shift(_patches(result), result.shape.shift))
        bare = _rolled(result, patches, nothing)
        numbered = _rolled(result, _coloured(result.regions), nothing)
        panels = [(_("the picture, rolled"), bare), (_("its pieces, 0 to 8"), numbered)]
        parts.append(Panels([again, *panels], min_width=24))
        parts += _mask_steps(result)
    row, column = result.place
    title = _("Attention of patch {at} (row {row}, column {column}) in its window, random weights")
    parts.append(Title(title.format(at=result.at, row=row + 1, column=column + 1)))
    looks = [(_("before the shift"), result.attention["before"])]
    if result.shape.shift:
        looks.append((_("after the shift"), result.attention["after"]))
    return [*parts, Panels([(t, Heatmap(w, cell_width=4)) for t, w in looks], min_width=32)]


def _coloured(regions: Integers) -> Floats:
    """Each region in a shade of its own."""
    return palette.sequential(np.asarray(regions, float) / 8).astype(float)


def _mask_steps(result: Windows) -> list[RenderableType]:
    """The picked window: its pieces, its mask, and its attention without and with it."""
    found, M = result.picked, result.shape.window
    title = _("The mask of window {pick} of the shifted grid, step by step")
    steps = _(
        "1: the window's {n} patches, each with the number of its piece. 2: row a query, column a"
        " key; bright where both are of one piece. 3: softmax(Q Kᵀ / √(d/h) + B), d/h the width of"
        " a head, as it is: {crossing} crosses between pieces. 4: with −∞ where the mask is dark:"
        " {left} crosses. Bright as the root of the weight."
    ).format(n=M * M, crossing=_percent(found.crossing), left=_percent(found.left))
    top = float(max(found.free.max(), found.masked.max()))
    shades = [found.mask.astype(float), found.free / top, found.masked / top]
    pictures = [
        Picture(palette.sequential(np.sqrt(each)), max_width=49, max_height=25) for each in shades
    ]
    regions = Heatmap(found.regions, limits=(0, 8), cell_width=6, bar=False, max_height=32)
    titles = [_("1 pieces"), _("2 mask"), _("3 weights without it"), _("4 weights with it")]
    panels: list[tuple[str, RenderableType]] = list(zip(titles, [regions, *pictures], strict=True))
    heading = Title(title.format(pick=result.pick))
    return [heading, Panels(panels, min_width=24, columns=2), Note(steps)]


# The sentences


def takeaways(result: Windows) -> list[str]:
    """How far a nudge gets with windows, what the mask holds back, and what the windows save."""
    return [_boundary(result), *_held_back(result), _saved(result)]


def _boundary(result: Windows) -> str:
    """Where the nudge stops, with the shift and without."""
    first, again, second, unmasked = result.flow
    shape = result.shape
    if shape.windows == 1:
        reached = _(
            "Stage {stage} is one window of {M} × {M}: {a} of {n} patches change at once; nothing"
            " needs to shift."
        )
    elif not shape.shift:
        reached = _(
            "The nudge reaches {a} of {n} patches after W-MSA. Windows of {M} × {M} have no half to"
            " shift by: block 2 leaves it at {c}."
        )
    else:
        reached = _(
            "The nudge reaches {a} of {n} patches after W-MSA, {b} after another (--detail);"
            " outside its window the change is {outside}. If block 2 shifts its windows by {k}, it"
            " reaches {c}, the {w} shifted windows that its own overlaps; without the mask {e}."
        )
    return reached.format(
        a=count(first.changed),
        b=count(again.changed),
        c=count(second.changed),
        e=count(unmasked.changed),
        n=count(shape.grid**2),
        outside=number(max(first.outside, again.outside)),
        k=shape.shift,
        M=shape.window,
        stage=shape.stage,
        w=second.windows,
    )


def _held_back(result: Windows) -> list[str]:
    """What would cross between pieces that were no neighbours."""
    found, shape = result.picked, result.shape
    if not shape.shift:
        return []
    mixed = _("Rolled, {mixed} of {n} windows hold pieces that are no neighbours.").format(
        mixed=result.mixed, n=shape.windows
    )
    if found.pieces == 1:
        text = _(
            "Window {pick} (row {row}, column {column}) holds one piece: its mask hides nothing."
        )
    else:
        text = _(
            "In window {pick} (row {row}, column {column}) {crossing} of attention (random weights)"
            " crosses between its {pieces} pieces without the mask, {left} with it."
        )
    row, column = divmod(result.pick - 1, shape.grid // shape.window)
    own = text.format(
        pick=result.pick,
        row=row + 1,
        column=column + 1,
        pieces=found.pieces,
        crossing=_percent(found.crossing),
        left=_percent(found.left),
    )
    return [f"{mixed} {own}"]


def _percent(share: float) -> str:
    """A share of 1: zero only if it is."""
    return "0" if share == 0 else f"{number(100 * share)} %"


def _saved(result: Windows) -> str:
    """Global attention against windows, how both grow, and where windows take more."""
    small, large = result.sides[0], result.sides[-1]
    own, last = (result.ratio(result.size, stage) for stage in (1, _STAGES))
    if own == 1:
        text = _(
            "At {size} a window is all of stage 1: its matrix products are those of global"
            " attention."
        )
    else:
        text = _(
            "At {size} global attention's matrix products take {own} × the multiply-adds of"
            " windows' in stage 1, {last} × in stage 4."
        )
    told = [text.format(size=result.size, own=number(own, 3), last=number(last, 3))]
    if small != large:
        grown = {kind: work[-1][0] / work[0][0] for kind, work in result.macs.items()}
        text = _(
            "From {small} to {large}, with {n} × the patches, stage 1 takes {g} × globally, {w} ×"
            " in windows."
        )
        patches, g, w = (large / small) ** 2, grown["global"], grown["padded"]
        shares = {"n": number(patches, 3), "g": number(g, 3), "w": number(w, 3)}
        told.append(text.format(small=small, large=large, **shares))
    dearer = []
    for stage in range(1, _STAGES + 1):
        sides = listed(str(s) for s in result.sides if result.ratio(s, stage) < 1)
        if sides:
            dearer.append(_("in stage {stage} at {sides}").format(stage=stage, sides=sides))
    if dearer:
        text = _("Padded windows take more than global attention {places}.")
        told.append(text.format(places=_("; ").join(dearer)))
    return sentences(told)


def question(result: Windows) -> Question:
    """How many patches one patch reaches in two blocks."""
    shape, right = result.shape, result.flow[2].changed
    M, n = shape.window, shape.grid**2
    others = [k for k in (M**2, 4 * M**2, n, 2 * M**2, 2 * M - 1, 1, 0) if k <= n and k != right]
    several = sorted([right, *list(dict.fromkeys(others))[:3]])
    text = _(
        "Attention in windows of {M} × {M} patches, in the next block shifted by {k}. Of {n}"
        " patches the one in row {row}, column {column} is nudged: how many change after both"
        " blocks?"
    )
    if not shape.shift:
        text = _(
            "Two blocks of attention in windows of {M} × {M} patches, without shift. Of {n} patches"
            " the one in row {row}, column {column} is nudged: how many change after both blocks?"
        )
    row, column = result.place
    text = text.format(M=M, k=shape.shift, n=count(n), row=row + 1, column=column + 1)
    return Question(text, [count(n) for n in several], several.index(right), _boundary(result))
