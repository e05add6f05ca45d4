"""What does a transformer see of a picture? A sentence: one token for every patch.

The picture is cut into squares; each is flattened, multiplied by one and the same matrix, and set
in a row behind a class token, with its position added (Dosovitskiy et al. 2020, eq. 1). Nothing is
trained here: the projection is drawn at random, or is the picture's own principal components.
"""

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from seqlab import images, trees
from seqlab.book import conv, positions, vit
from seqlab.figures.flow import Arrow, Box, Flow
from seqlab.figures.glyphs import count, number
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.palette import sequential
from seqlab.figures.panels import Beside
from seqlab.figures.picture import Picture
from seqlab.figures.prose import Note, Takeaways, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput, Check, Question, Result, Seed, Watch, one_of, require
from seqlab.locale import N_, _, listed, ngettext

Floats = NDArray[np.float64]
Projection = Literal["random", "pca"]
Positions = Literal["2d", "1d", "random"]

_CHANNELS = 3
_LARGEST_SIDE, _LARGEST_PATCH = 2048, 512
_MOST_TOKENS = 2**14
_MOST_NUMBERS = 2**24  # in one array: 128 megabytes
_SCREEN, _PROJECTED_WIDTH = 40, 100  # rows and columns that a projector shows
_PROJECTED, _LOWEST = 23, 8  # rows of the figure where the screen is narrower, and at the least
_WIDEST = 300  # columns of the picture with numbers, as of any screen
_WIDEST_CUT = 60  # columns of the picture beside its tokens
_MOST_WORK = 2**33  # multiply-adds of the singular values: some seconds
_MOST_CONVOLVED = 2**27  # multiply-adds of the convolution: beyond, its first rows only
_BAND = 2**16  # numbers that the convolution sums at a time
_COMPARED = (8, 16, 32)  # patch sides whose cost is told besides the chosen one
_KINDS = {
    "2d": N_("2d: sines of its row and of its column, fixed as in MoCo v3 and MAE"),
    "1d": N_("1d: sines of its place in the sequence, fixed as in Vaswani et al. 2017"),
    "random": N_("random: N(0, 0.02²), with which a ViT begins"),
}


@dataclass(frozen=True)
class Source:
    """The file: `path` is null for the built-in sample; size in pixels, upright; Pillow's mode."""

    path: str | None
    width: int
    height: int
    mode: str


@dataclass(frozen=True)
class Cost:
    """What the attention of one layer, its MLP left out, costs at this patch side.

    All null where the side does not divide the picture.

    `scores` is (N + 1)², one number for every pair of tokens. Multiply-adds at width D: q, k, v and
    the output need `macs_projections` = 4 (N + 1) D², scores and weighted sum `macs_attention` =
    2 (N + 1)² D.
    """

    patch: int
    grid: list[int] | None
    sequence: int | None
    scores: int | None
    macs_projections: int | None
    macs_attention: int | None

    @property
    def macs(self) -> int:
        """Both together."""
        return (self.macs_projections or 0) + (self.macs_attention or 0)


@dataclass(frozen=True)
class Likeness:
    """Cosines between the position embedding of patch `patch` and those of all, in the grid.

    `beside` is their mean over the (up to four) patches that share a side with it, `elsewhere` over
    all others; null where there are none. A vector of zeros has no cosine: null (NaN).
    """

    patch: int
    row: int
    column: int
    cosines: Floats
    beside: float | None
    elsewhere: float | None


@dataclass(frozen=True)
class Rebuilt:
    """The picture from `dim` principal components a patch.

    `rank` is the number of components that carry anything, `variance_kept` a share of 1 (null if
    all patches are equal), `rmse` in grey levels of 255, over all pixels and channels.
    """

    rank: int
    variance_kept: float | None
    rmse: float
    pixels: images.Bytes = field(metadata={"json": False})


@dataclass(frozen=True)
class Patchify(Result):
    """A picture as tokens.

    `size` is one number for a square, else [height, width]; `grid` is [rows, columns], `sequence`
    counts the class token too. `round_trip` is the largest difference between the picture and the
    one put together again from its patches; `convolution` that between the tokens and a strided
    convolution of the picture, over the first `convolved` patches (all, unless that takes long).
    `first` holds the first eight numbers of [CLS] and of the first three tokens of z₀. `fitting`
    says how the picture was brought to size.
    """

    image: Source
    notes: list[str]
    fitting: str
    size: int | list[int]
    patch: int
    grid: list[int]
    tokens: int
    patch_values: int
    dim: int
    sequence: int
    projection: Projection
    positions: Positions
    order: bool
    seed: int
    parameters: int
    round_trip: float
    convolution: float
    convolved: int
    rebuilt: Rebuilt | None
    likeness: Likeness
    cost: list[Cost]
    first: Floats
    pixels: images.Bytes = field(metadata={"json": False})
    embedded: Floats = field(metadata={"json": False})  # [x_cls; x₁E; ...; x_N E]: (N + 1, D)
    pos: Floats = field(metadata={"json": False})  # E_pos: (N + 1, D)


def run(
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE", help=N_("A picture file; without, a sample that seqlab draws.")
        ),
    ] = None,
    *,
    patch: Annotated[
        int, typer.Option(min=1, max=_LARGEST_PATCH, help=N_("Side of a patch, in pixels."))
    ] = 16,
    size: Annotated[
        str,
        typer.Option(
            metavar="N|WxH|own",
            help=N_("Pixels that the picture is brought to: 224, 320x192, or its own."),
        ),
    ] = "224",
    fit: Annotated[
        images.Fit,
        typer.Option(
            help=N_("How: scale and keep the middle, ignore the proportions, or fill up with grey.")
        ),
    ] = "crop",
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest", help=N_("If the patch does not divide the size, take the nearest it does.")
        ),
    ] = False,
    dim: Annotated[int, typer.Option(min=1, max=4096, help=N_("Width D of a token."))] = 64,
    projection: Annotated[
        Projection,
        typer.Option(help=N_("E drawn at random, or the patches' own principal components.")),
    ] = "random",
    positions: Annotated[
        Positions,
        typer.Option(help=N_("E_pos: sines of row and column, sines in sequence, or random.")),
    ] = "2d",
    at: Annotated[
        int | None,
        typer.Option(
            metavar="N", help=N_("Patch whose position is compared with all; else a middle one.")
        ),
    ] = None,
    order: Annotated[
        bool, typer.Option("--order", help=N_("Draw the picture large, with every token's number."))
    ] = False,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Patchify:
    """Turn a picture into the sequence that a Vision Transformer reads.

    Pixels are scaled to −1 .. 1 before they are projected. `size` is a number for a square, or
    WIDTHxHEIGHT, or "own" for the picture's own size.

    Raises:
        BadInput: no readable picture, a size that the patch does not divide, a number out of range.
    """
    require(patch, "patch", 1, _LARGEST_PATCH)
    require(dim, "dim", 1, 4096)
    require(seed, "seed", 0)
    one_of(fit, "fit", ("crop", "stretch", "pad"))
    one_of(projection, "projection", ("random", "pca"))
    one_of(positions, "positions", _KINDS)
    tell = watch or (lambda done, doing: None)
    _affordable(1, _CHANNELS * patch * patch, dim, "random")  # whatever the size
    wanted = _size(str(size))
    if wanted is not None:
        wanted = _divisible(wanted, patch, nearest)
    photo = images.sample() if image is None else images.read(image, wanted and max(wanted))
    if wanted is None:
        own = photo.pixels.shape[:2]
        if max(own) > _LARGEST_SIDE:
            raise BadInput(
                f"--size own: {photo.width} × {photo.height}",
                _("at most {n} pixels a side").format(n=_LARGEST_SIDE),
                "--size 1024",
            )
        wanted = _divisible((own[0], own[1]), patch, nearest)
    height, width = wanted
    rows, columns = height // patch, width // patch
    n, values = rows * columns, _CHANNELS * patch * patch
    _affordable(n, values, dim, projection)
    looked_at = (rows // 2) * columns + columns // 3 + 1 if at is None else at
    if not 1 <= looked_at <= n:
        raise BadInput(f"--at {at}", _("the number of a patch, 1 to {n}").format(n=n))

    tell(0.1, _("cutting and projecting"))
    pixels = images.fitted(photo.pixels, height, width, fit)
    x = np.moveaxis(pixels, 2, 0) / 127.5 - 1  # (c, n1 p, n2 p)
    patches = vit.patchify(x, patch)
    whole = vit.unpatchify(patches, patch, rows, columns)
    drawn, rebuilt = _parameters(patches, rows, columns, patch, dim, projection, positions, seed)
    projected = vit.project(drawn, patches)
    z, pos = vit.embed(drawn, patches), np.asarray(drawn.pos)
    tell(0.5, _("convolving"))
    some = min(rows, max(1, _MOST_CONVOLVED // (columns * values * dim)))
    convolved = _convolved(drawn, x[:, : some * patch], patch)
    return Patchify(
        image=Source(photo.path, photo.width, photo.height, photo.mode),
        notes=[*photo.notes, *_shortened(positions, dim)],
        fitting=_fitting(photo, height, width, fit),
        size=height if height == width else [height, width],
        patch=patch,
        grid=[rows, columns],
        tokens=n,
        patch_values=values,
        dim=dim,
        sequence=len(z),
        projection=projection,
        positions=positions,
        order=order,
        seed=seed,
        parameters=trees.count(drawn),
        round_trip=float(np.abs(whole - x).max()),
        convolution=float(np.abs(convolved - projected[: len(convolved)]).max()),
        convolved=len(convolved),
        rebuilt=rebuilt,
        likeness=_likeness(pos[1:], rows, columns, looked_at),
        cost=[_cost(height, width, p, dim) for p in sorted({*_COMPARED, patch})],
        first=z[:4, :8],
        pixels=pixels,
        embedded=vit.prepend_class(drawn, projected),
        pos=pos,
    )


# What may be asked for


def _size(text: str) -> tuple[int, int] | None:
    """(height, width) of "224" or "320x192"; None for "own"."""
    if text.strip().lower() == "own":
        return None
    found = re.fullmatch(r"\s*([0-9]{1,6})(?:\s*[x×X]\s*([0-9]{1,6}))?\s*", text)
    if found is None:
        raise BadInput(
            f"--size {text}", _("a number, WIDTHxHEIGHT, or own"), "--size 224, --size 320x192"
        )
    width, height = int(found[1]), int(found[2] or found[1])
    if min(width, height) < 1 or max(width, height) > _LARGEST_SIDE:
        raise BadInput(
            f"--size {text}", _("from 1 to {n} pixels a side").format(n=_LARGEST_SIDE), "--size 224"
        )
    return height, width


def _divisible(size: tuple[int, int], patch: int, nearest: bool) -> tuple[int, int]:
    """The size, if the patch divides it; the nearest such size, if that is asked for."""
    if all(side % patch == 0 for side in size):
        return size
    most = _LARGEST_SIDE // patch * patch
    best = tuple(min(most, max(patch, (side + patch // 2) // patch * patch)) for side in size)
    if nearest:
        return best[0], best[1]
    sides = " × ".join(str(side) for side in reversed(size))
    offers = []
    for side in dict.fromkeys(reversed(size)):
        below = side // patch * patch
        offers += [m for m in (below, below + patch) if 0 < m <= most and side % patch]
    raise BadInput(
        _("--size {size} cannot be cut into patches of {patch}").format(size=sides, patch=patch),
        _("multiples of {patch} such as {sizes}").format(
            patch=patch, sizes=listed(map(str, sorted(set(offers))))
        ),
        _("--nearest, for {size}").format(size="x".join(str(side) for side in reversed(best))),
    )


def _affordable(n: int, values: int, dim: int, projection: Projection) -> None:
    if n > _MOST_TOKENS:
        raise BadInput(
            _("{n} patches").format(n=count(n)),
            _("at most {most}").format(most=count(_MOST_TOKENS)),
            _("a larger --patch or a smaller --size"),
        )
    needed = max(n, values) * dim
    if needed > _MOST_NUMBERS:
        raise BadInput(
            _("--dim {dim} needs arrays of {n} numbers").format(dim=dim, n=count(needed)),
            _("at most {most}").format(most=count(_MOST_NUMBERS)),
            _("a smaller --dim"),
        )
    if projection == "pca" and min(n, values) ** 2 * max(n, values) > _MOST_WORK:
        raise BadInput(
            _("the principal components of {n} patches of {k} values take too long").format(
                n=count(n), k=count(values)
            ),
            _("at most {most} multiply-adds for N × P²C, squared on its shorter side").format(
                most=number(_MOST_WORK)
            ),
            _("a smaller --size"),
        )


def _fitting(photo: images.Photo, height: int, width: int, fit: images.Fit) -> str:
    """How the picture was brought to size, in words."""
    if (photo.height, photo.width) == (height, width):
        return _("as it is")
    inner = images.within(photo.pixels.shape[:2], height, width)
    if photo.width * height == photo.height * width or (fit == "pad" and inner == (height, width)):
        return _("scaled to {w} × {h}").format(w=width, h=height)
    if fit == "stretch":
        return _("stretched to {w} × {h}").format(w=width, h=height)
    if fit == "pad":
        return _("scaled to fit {w} × {h}, the rest grey").format(w=width, h=height)
    return _("scaled to cover {w} × {h}, its middle kept").format(w=width, h=height)


def _shortened(kind: Positions, dim: int) -> list[str]:
    """The remark that a width needs which sines and cosines do not fill."""
    whole = {"2d": 4, "1d": 2, "random": 1}[kind]
    if dim % whole == 0:
        return []
    return [_("E_pos of width {whole} cut to {d}").format(whole=-(-dim // whole) * whole, d=dim)]


# The parameters of eq. 1


def _parameters(
    patches: Floats,
    rows: int,
    columns: int,
    patch: int,
    dim: int,
    projection: Projection,
    kind: Positions,
    seed: int,
) -> tuple[vit.Embedding, Rebuilt | None]:
    """E, b, the class token and the positions; for principal components what they keep."""
    n, values = patches.shape
    rebuilt = None
    if projection == "random" or kind == "random":
        drawn = vit.init_embedding(np.random.default_rng(seed), _CHANNELS, patch, n, dim)
    else:
        drawn = vit.Embedding(
            np.zeros((values, dim)), np.zeros(dim), np.zeros(dim), np.zeros((n + 1, dim))
        )
    if projection == "pca":
        E, b, rank, kept = _components(patches, dim)
        drawn = drawn._replace(E=E, b=b)
        again = _mean(patches) + vit.project(drawn, patches) @ E.T
        rmse = 127.5 * float(np.sqrt(np.mean((again - patches) ** 2)))
        picture = vit.unpatchify(again, patch, rows, columns) * 127.5 + 127.5
        shown = np.rint(np.clip(np.moveaxis(picture, 0, 2), 0, 255)).astype(np.uint8)
        rebuilt = Rebuilt(rank, kept, rmse, shown)
    if kind == "2d":  # the class token is nowhere: zeros, as in MAE
        grid = positions.grid_sinusoidal(rows, columns, -(-dim // 4) * 4)[:, :dim]
        drawn = drawn._replace(pos=np.concatenate([np.zeros((1, dim)), grid]))
    elif kind == "1d":
        drawn = drawn._replace(pos=positions.sinusoidal(n + 1, dim + dim % 2)[:, :dim])
    return drawn, rebuilt


def _mean(patches: Floats) -> Floats:
    """The mean patch; of patches that are all the same exactly that one, without rounding."""
    same = bool((patches == patches[0]).all())
    return patches[0] if same else np.asarray(patches.mean(axis=0))


def _components(patches: Floats, dim: int) -> tuple[Floats, Floats, int, float | None]:
    """The first principal components as E, b that centres, their number, the variance they keep.

    Patches span at most min(N − 1, P²C) directions: columns of E beyond these stay zero. The sign
    of a component is free; the largest of its weights is made positive.
    """
    n, values = patches.shape
    mean = _mean(patches)
    centred = patches - mean
    if n > values:  # the triangle of a QR has the same singular values, and fewer rows
        centred = np.asarray(np.linalg.qr(centred, mode="r"))
    _u, s, vt = np.linalg.svd(centred, full_matrices=False)
    rounding = float(np.linalg.norm(patches)) * max(n, values) * np.finfo(float).eps
    carrying = int((s > rounding).sum())
    rank = min(dim, carrying)
    top = vt[:rank]
    peaks = np.abs(top).argmax(axis=1)
    signs = np.sign(top[np.arange(rank), peaks])
    E = np.zeros((values, dim))
    E[:, :rank] = (top * signs[:, None]).T
    total = float((s * s).sum())
    kept = float((s[:rank] ** 2).sum()) / total if carrying else None
    return E, -mean @ E, rank, kept


def _convolved(q: vit.Embedding, x: Floats, patch: int) -> Floats:
    """The tokens by a convolution whose stride is as large as its kernel; x (c, n1 p, n2 p).

    Some rows of patches at a time: sums over all the kernel's offsets should stay in cache.
    """
    kernel, (_c, height, width) = vit.as_kernel(q.E, x.shape[0], patch), x.shape
    step = patch * max(1, _BAND // (width // patch * len(kernel)))
    bands = [x[None, :, top : top + step] for top in range(0, height, step)]
    found = [conv.conv2d(band, kernel, q.b, stride=patch)[0] for band in bands]
    return np.concatenate([y.reshape(len(kernel), -1).T for y in found])


def _likeness(pos: Floats, rows: int, columns: int, patch: int) -> Likeness:
    row, column = divmod(patch - 1, columns)
    unit = _unit(pos)
    cosines = (unit @ unit[patch - 1]).reshape(rows, columns)
    y, x = np.indices((rows, columns))
    steps = np.abs(y - row) + np.abs(x - column)
    known = np.isfinite(cosines)
    beside, elsewhere = cosines[known & (steps == 1)], cosines[known & (steps > 1)]
    return Likeness(
        patch,
        row + 1,
        column + 1,
        cosines,
        float(beside.mean()) if beside.size else None,
        float(elsewhere.mean()) if elsewhere.size else None,
    )


def _unit(vectors: Floats) -> Floats:
    """Rows of length 1; NaN for a row of zeros, which points nowhere."""
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    out = np.full_like(vectors, np.nan)
    return np.asarray(np.divide(vectors, lengths, out=out, where=lengths > 0))


def _cost(height: int, width: int, patch: int, dim: int) -> Cost:
    if height % patch or width % patch:
        return Cost(patch, None, None, None, None, None)
    rows, columns = height // patch, width // patch
    n = rows * columns + 1
    return Cost(patch, [rows, columns], n, n * n, 4 * n * dim**2, 2 * n * n * dim)


# The oracle


def check(**options: Any) -> list[Check]:
    """Projection and convolution against torch's, on this picture and on coloured noise."""
    import torch

    result = run(**options)
    patch, dim, seed = result.patch, result.dim, result.seed
    rng = np.random.default_rng([seed, 1])
    noise = rng.normal(size=(_CHANNELS, 2 * patch, 3 * patch))
    checks = []
    for name, x in (
        (_("this picture"), np.moveaxis(result.pixels, 2, 0) / 127.5 - 1),
        (_("coloured noise of 2 × 3 patches"), noise),
    ):
        rows, columns = x.shape[1] // patch, x.shape[2] // patch
        patches = vit.patchify(x, patch)
        q, _rebuilt = _parameters(
            patches, rows, columns, patch, dim, result.projection, result.positions, seed
        )
        q = q._replace(b=q.b + rng.normal(size=dim), cls=rng.normal(size=dim))  # no zero hides
        kernel = torch.tensor(np.ascontiguousarray(q.E.T)).reshape(dim, _CHANNELS, patch, patch)
        y = torch.nn.functional.conv2d(
            torch.tensor(x)[None], kernel, torch.tensor(q.b), stride=patch
        )
        tokens = y.flatten(2).transpose(1, 2)
        z = torch.cat([torch.tensor(q.cls)[None, None], tokens], 1) + torch.tensor(q.pos)
        whole = vit.unpatchify(patches, patch, rows, columns)
        for what, ours, theirs, tolerance in (
            (_("patches × E and torch's conv2d"), vit.project(q, patches), tokens[0], 1e-9),
            (_("the page's convolution and torch's"), _convolved(q, x, patch), tokens[0], 1e-9),
            (_("z₀ and torch's"), vit.embed(q, patches), z[0], 1e-9),
            (_("the picture from its patches"), whole, x, 0.0),
        ):
            error = float(np.abs(ours - np.asarray(theirs)).max())
            checks.append(Check(f"{what}, {name}", error, tolerance))
    return checks


# The screen


class _Screen:
    """A figure, and what stands above and below it: the figure takes the rows that they leave.

    `figure` draws itself into as many rows as it is told, if it can.
    """

    def __init__(
        self,
        result: Patchify,
        above: list[RenderableType],
        figure: Callable[[int], RenderableType],
        below: list[RenderableType],
    ) -> None:
        self.result, self.above, self.figure, self.below = result, above, figure, below

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        def height(*parts: RenderableType) -> int:
            return len(console.render_lines(Group(*parts), options.update(height=None), pad=False))

        drawn = self.figure(_PROJECTED)
        if options.max_width >= _PROJECTED_WIDTH:
            footer = 1 + _typed(self.result) // options.max_width
            words = Takeaways(takeaways(self.result))
            room = _SCREEN - min(footer, 4) - height(*self.above, *self.below, words)
            asked = room if self.result.order else min(room, _PROJECTED)
            for _attempt in range(4):
                drawn = self.figure(asked)
                excess = height(drawn) - room
                if excess <= 0 or asked <= _LOWEST:
                    break
                asked = max(_LOWEST, asked - excess)
        yield Group(*self.above, drawn, *self.below)


def _typed(result: Patchify) -> int:
    """About how long the command is, which the footer repeats."""
    options = (
        (8, result.order), (17, result.projection == "pca"), (19, result.positions != "2d"),
        (11, result.patch != 16), (11, result.dim != 64), (16, result.size != 224),
        (14, result.size != 224), (7, result.seed != 0),
    )  # fmt: skip
    return 30 + len(result.image.path or "") + sum(length for length, given in options if given)


def show(result: Patchify, detail: bool = False) -> RenderableType:
    """The picture in patches beside the tokens they became, and what attention will cost."""
    equation = "z₀ = [x_cls; x₁E; x₂E; …; x_N E] + E_pos"
    if result.rebuilt is not None:
        equation = "z₀ = [x_cls; (x₁ − m)E; …; (x_N − m)E] + E_pos"
    above: list[RenderableType] = [Title(_("What does a transformer see of a picture?"), equation)]
    if result.image.path is not None or result.notes:
        above.append(Note(_facts(result)))
    above.append(_flow(result))
    below: list[RenderableType] = []
    if result.rebuilt is not None:
        below.append(Note(_("m is the mean patch; it and E come from this very picture.")))
    plain = result.order or result.rebuilt is not None
    below.append(Note(_cost_line(result)) if plain and not detail else _costs(result))

    def figure(rows: int) -> RenderableType:
        if result.order:
            return _numbered(result, rows, detail)
        if result.rebuilt is not None:
            strips = Beside(_strips(result, 4, bar=False), _alike(result), left_width=48)
            return Group(_originals(result, result.rebuilt, min(22, rows - 1)), strips)
        heading = Title(_("+ E_pos: which positions are alike?"))
        right = Group(_strips(result, min(11, max(3, rows - 12))), heading, _alike(result))
        return Beside(_cut(result, min(22, rows - 1)), right)

    if not detail:
        return _Screen(result, above, figure, below)
    return Group(*above, figure(61), *below, *_details(result))


def _flow(result: Patchify) -> Flow:
    rows, columns = result.pixels.shape[:2]
    p = result.patch
    below = [_("picture"), f"{p}×{p}×{_CHANNELS}", _("tokens"), _("the sentence z₀")]
    if result.order:  # every line is the picture's
        below = [""] * 4
    return Flow(
        [
            Box("H×W×C", f"{rows}×{columns}×{_CHANNELS}", below[0]),
            Arrow(_("cut")),
            Box("N×(P²C)", f"{result.tokens}×{result.patch_values}", below[1]),
            Arrow("− m, × E" if result.rebuilt else "× E"),
            Box("N×D", f"{result.tokens}×{result.dim}", below[2], key="vit"),
            Arrow("[CLS], + E_pos"),
            Box("(N+1)×D", f"{result.sequence}×{result.dim}", below[3], key="vit"),
        ]
    )


def _facts(result: Patchify) -> str:
    """Which picture this is, and what was done to it."""
    image = result.image
    name = _("sample picture")
    if image.path is not None:
        name = os.path.basename(image.path)
        name = name if len(name) <= 32 else f"{name[:20]}…{name[-11:]}"
    size = f"{image.width} × {image.height} {image.mode}"
    return "; ".join([f"{name}, {size}", result.fitting, *result.notes])


def _heading(result: Patchify) -> str:
    rows, columns = result.grid
    return ngettext("{rows} × {columns} patch", "{rows} × {columns} patches", result.tokens).format(
        rows=rows, columns=columns
    )


def _cut(result: Patchify, tall: int) -> RenderableType:
    """The picture with its grid; the patch whose position is looked at has a frame."""
    rows, columns = result.grid
    head = _heading(result)
    if 2 * rows + 1 > 2 * tall or 2 * columns + 1 > _WIDEST_CUT:
        remark = _("{head}: too many to be drawn apart").format(head=head)
        return Group(Note(remark), Picture(result.pixels, max_width=_WIDEST_CUT, max_height=tall))
    return Picture(
        result.pixels,
        grid=(rows, columns),
        max_width=_WIDEST_CUT,
        max_height=tall,
        numbers=False,
        title=head,
        highlight=result.likeness.patch,
    )


def _numbered(result: Patchify, tall: int, detail: bool) -> RenderableType:
    """The picture, as large as it takes for every token's number to be read, if there is room."""
    rows, columns = result.grid
    digits = max(2, len(str(result.tokens)))
    needed = len(str(result.tokens - columns + 1)) + 1 + columns * (digits + 1) + 1
    if detail:
        tall = max(30, rows * (digits + 1) + 2)  # as high as it takes
        remark = _("no room for the numbers: --width {width} shows them")
    else:
        remark = _("no room for the numbers: --detail --width {width} shows them")
    return Picture(
        result.pixels,
        grid=(rows, columns),
        numbers=True,
        max_width=_WIDEST,
        max_height=tall - 1,
        title=_("The order of the tokens: row by row, from the upper left"),
        highlight=result.likeness.patch,
        unnumbered=remark.format(width=needed)
        if needed <= _WIDEST
        else _("no room for the numbers: a larger --patch shows them"),
    )


def _originals(result: Patchify, rebuilt: Rebuilt, tall: int) -> RenderableType:
    """The picture, and beside it what is left of it in D numbers a patch."""
    if rebuilt.rank:
        title = _("rebuilt from {d} of {k} numbers: RMSE {e} of 255").format(
            d=rebuilt.rank, k=result.patch_values, e=number(rebuilt.rmse)
        )
    else:
        title = _("rebuilt from m alone: exact")
    again = Picture(rebuilt.pixels, max_width=_WIDEST_CUT, max_height=tall, title=title)
    cut = _cut(result, tall)
    if 3 * result.grid[0] + 1 > 2 * tall or 3 * result.grid[1] + 1 > _WIDEST_CUT:
        # tiles of one pixel compare badly: both whole
        cut = Picture(result.pixels, max_width=_WIDEST_CUT, max_height=tall, title=_heading(result))
    return Beside(cut, again)


def _strips(result: Patchify, most: int, bar: bool = True) -> RenderableType:
    """The first tokens and the last: the patch, its number, and the values it became."""
    n = result.tokens
    head = list(range(1, n + 1)) if n <= most else list(range(1, most - 1))
    tail = [] if n <= most else [n]
    labels = ["[CLS]", *map(str, head)]
    values = [result.embedded[0], *(result.embedded[i] for i in head)]
    if tail:
        labels += ["…", str(n)]
        values += [np.full(result.dim, np.nan), result.embedded[n]]
    strips = _signed(np.stack(values), labels, result.embedded[1:], bar)
    stack: list[RenderableType] = [Text(""), _thumbnails(result, head)]
    if tail:
        stack += [Text(""), _thumbnails(result, tail)]
    title = ngettext(
        "[CLS] and {n} token of {d} numbers", "[CLS] and {n} tokens of {d} numbers", n
    ).format(n=count(n), d=result.dim)
    return Group(Title(title), Beside(Group(*stack), strips, left_width=4, gap=1))


def _signed(values: Floats, labels: list[str], scale: Floats, bar: bool = True) -> Heatmap:
    """Rows of signed values; but for the largest 2 % of those in `scale`, all fit the colours."""
    sizes = np.sort(np.abs(scale), axis=None)
    limit = float(sizes[int(0.98 * sizes.size)]) or float(sizes[-1]) or 1.0
    return Heatmap(
        values,
        rows=labels,
        colours="diverging",
        limits=(-limit, limit),
        numbers=False,
        cell_width=3,
        bar=bar,
    )


def _thumbnails(result: Patchify, numbers: Sequence[int]) -> Picture:
    """Patches one below the other, each as wide as four characters and as high as one."""
    p, columns = result.patch, result.grid[1]
    tiles = []
    for i in numbers:
        row, column = divmod(i - 1, columns)
        tile = result.pixels[row * p : (row + 1) * p, column * p : (column + 1) * p]
        tiles.append(images.fitted(tile, 2, 4, "stretch"))
    return Picture(np.concatenate(tiles), max_width=4, max_height=len(numbers))


def _alike(result: Patchify) -> RenderableType:
    """How alike the positions are: one patch against all others, in the picture's grid."""
    found = result.likeness
    numbers = {"patch": found.patch, "row": found.row, "column": found.column}
    if result.tokens == 1:
        return Note(_("One patch: there is no other position to compare with."))
    others = np.delete(found.cosines.reshape(-1), found.patch - 1)
    others = others[np.isfinite(others)]
    if not others.size:
        text = _("E_pos of patch {patch} has no cosine: it is all zeros, or all others are.")
        return Note(text.format(**numbers))
    low, high = float(others.min()), float(others.max())
    spread = max(high - low, 1e-12)
    share = np.clip(np.nan_to_num((found.cosines - low) / spread, nan=0.0), 0, 1)
    share[found.row - 1, found.column - 1] = 1.0
    text = _(
        "E_pos of patch {patch} (row {row}, column {column}) against the others: cosine {low} dark"
        " to {high} bright. {kind}. ViT learns its own (Dosovitskiy et al. 2020)."
    ).format(low=_cosine(low), high=_cosine(high), kind=_kind(result), **numbers)
    pixels = sequential(share)
    if np.isnan(found.cosines).any():
        pixels[np.isnan(found.cosines)] = images.PADDING
        text = _("{text} Grey: all zeros, no cosine.").format(text=text)
    return Beside(Picture(pixels, max_width=15, max_height=7), Note(text))


def _kind(result: Patchify) -> str:
    """What E_pos is."""
    if result.positions == "2d" and result.dim <= 2:
        text = _("2d, but of its row only: a width of {d} has no room for the column")
        return text.format(d=result.dim)
    return _(_KINDS[result.positions])


def _cosine(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _costs(result: Patchify) -> Table:
    rows, keys = [], []
    own = next(c for c in result.cost if c.patch == result.patch)
    for c in result.cost:
        side = f"{c.patch} × {c.patch}"
        keys.append("vit" if c is own else "")
        if c.grid is None or c.sequence is None or c.scores is None:
            rows.append([side, _("no divisor"), "", "", "", ""])
            continue
        rows.append(
            [
                side,
                f"{c.grid[0]} × {c.grid[1]}",
                count(c.sequence),
                count(c.scores),
                _millions(c.macs),
                _times(c.macs / own.macs),
            ]
        )
    headers = [
        _("grid"),
        _("tokens N + 1"),
        _("attention scores (N+1)²"),
        _("attention, MACs (D = {d})").format(d=result.dim),
        _("against {p}").format(p=result.patch),
    ]
    return Table([Column(_("patch"), "left"), *headers], rows, keys=keys)


def _cost_line(result: Patchify) -> str:
    """The scores of attention at every patch side that divides the picture, in one line."""
    each = [
        _("{p} × {p}: {scores}").format(p=c.patch, scores=count(c.scores))
        for c in result.cost
        if c.scores is not None
    ]
    return _("attention scores (N+1)² in patches of {all}").format(all=_("; ").join(each))


def _millions(macs: int) -> str:
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if macs >= size:
            return f"{number(macs / size, 3)} {unit}"
    return str(macs)


def _times(ratio: float) -> str:
    return f"{number(ratio, 2 if ratio < 100 else 3)} ×"


def _details(result: Patchify) -> list[RenderableType]:
    """What was measured besides, the parts of z₀ one by one, and how alike all positions are."""
    q = _(
        "E, b, [CLS] and E_pos: {n} parameters. [CLS] begins as zeros: it will be learned."
    ).format(n=count(result.parameters))
    trip = _(
        "Patches put together again: largest difference {trip}. Convolution of kernel {p} and"
        " stride {p} against the tokens: {conv}."
    ).format(trip=number(result.round_trip), p=result.patch, conv=number(result.convolution))
    parts: list[RenderableType] = [Note(_facts(result)), Note(q), Note(trip)]
    shown = min(result.sequence, 12)
    labels = ["[CLS]", *map(str, range(1, shown))]
    z = result.embedded + result.pos
    for name, values in (
        (_("E_pos, the first rows"), result.pos),
        (_("z₀ = tokens + E_pos, the first rows"), z),
    ):
        parts += [Title(name), _signed(values[:shown], labels, values[:shown])]
    title = _("cosine of the position of patch {n} with all others").format(n=result.likeness.patch)
    parts += [Title(title), Heatmap(result.likeness.cosines, max_height=32, cell_width=5)]
    return parts


# The sentences


def takeaways(result: Patchify) -> list[str]:
    """What became of this picture, what attention will cost, and what the projection is."""
    if result.order:  # what became of the picture stands in the flow
        sentences = [_apart(result) or _sentence(result)]
    elif result.rebuilt is not None:
        sentences = [_kept(result, result.rebuilt), _halved(result)]
    else:
        sentences = [_sentence(result), _halved(result)]
    sentences.append(_is_convolution(result))
    return [s for s in sentences if s]


def _sentence(result: Patchify) -> str:
    numbers = {
        "n": count(result.tokens),
        "k": count(result.patch_values),
        "d": count(result.dim),
        "m": count(result.sequence),
    }
    if result.tokens == 1:
        return _(
            "One patch of {k} values became one token of {d}: attention has only it and [CLS] to"
            " weigh."
        ).format(**numbers)
    return _(
        "The picture is a sentence now: {n} patches of {k} values became tokens of {d}; with [CLS]"
        " {m}."
    ).format(**numbers)


def _apart(result: Patchify) -> str:
    """Neighbours in the picture against neighbours in the sequence."""
    rows, columns = result.grid
    if result.tokens == 1:
        return ""
    if rows == 1 or columns == 1:
        return _("All patches lie in one line: neighbours there are neighbours in the sequence.")
    unit = _unit(result.pos[1:])
    touching = float(unit[0] @ unit[columns])
    unit = unit[np.isfinite(unit).all(axis=1)]
    n, total, own = len(unit), unit.sum(axis=0), float((unit * unit).sum())
    if math.isnan(touching):
        text = _(
            "Patches 1 and {below} touch, yet stand {columns} places apart; one of their E_pos is"
            " all zeros, which has no cosine."
        )
        return text.format(below=columns + 1, columns=columns)
    return _(
        "Patches 1 and {below} touch, yet stand {columns} places apart: cosine of their E_pos"
        " {touching}, of any two {any}."
    ).format(
        below=columns + 1,
        columns=columns,
        touching=_cosine(touching),
        any=_cosine((float(total @ total) - own) / (n * (n - 1))),
    )


def _halving(result: Patchify) -> tuple[Cost, Cost, bool] | None:
    """The cost here, that of half the patch side (else of twice), and whether it is half."""
    height, width = result.pixels.shape[:2]
    here = _cost(height, width, result.patch, result.dim)
    for side, half in ((result.patch // 2, True), (2 * result.patch, False)):
        if side >= 1 and not (half and result.patch % 2):
            other = _cost(height, width, side, result.dim)
            if other.grid is not None:
                return here, other, half
    return None


def _halved(result: Patchify) -> str:
    found = _halving(result)
    if found is None:
        return ""
    here, other, half = found
    large, small = (other, here) if half else (here, other)
    assert large.sequence and small.sequence and large.scores and small.scores
    text = (
        _(
            "Half the patch side, {p}: {tokens} × the tokens, {scores} × the scores, {macs} × the"
            " work of its attention."
        )
        if half
        else _(
            "Twice the patch side, {p}: the tokens fall to 1/{tokens}, the scores to 1/{scores},"
            " the work of its attention to 1/{macs}."
        )
    )
    return text.format(
        p=other.patch,
        tokens=number(large.sequence / small.sequence),
        scores=number(large.scores / small.scores),
        macs=number(large.macs / small.macs),
    )


def _is_convolution(result: Patchify) -> str:
    numbers = {"p": result.patch, "e": number(result.convolution), "n": count(result.convolved)}
    if result.convolution > 1e-9:
        return _(
            "Projection and convolution of kernel {p}, stride {p} differ by {e}: more than rounding"
            " explains."
        ).format(**numbers)
    if result.rebuilt is not None:
        numbers["x"] = "(x − m) E"
    else:
        numbers["x"] = "x E"
    if result.convolved < result.tokens:
        return _(
            "{x} is a convolution of kernel {p} and stride {p}: computed both ways for the first"
            " {n} patches, they differ by {e}."
        ).format(**numbers)
    return _(
        "{x} is a convolution of kernel {p} and stride {p}: computed both ways, they differ by {e}."
    ).format(**numbers)


def _kept(result: Patchify, rebuilt: Rebuilt) -> str:
    numbers = {
        "d": result.dim,
        "k": result.patch_values,
        "rank": rebuilt.rank,
        "n": count(result.tokens),
        "e": number(rebuilt.rmse),
        "left": _percent(rebuilt.variance_kept or 0.0),
    }
    if result.tokens == 1:
        return _("One patch is its own mean: m alone is the picture, and E has nothing to keep.")
    if rebuilt.variance_kept is None:
        return _("All {n} patches are alike: their mean m alone is the picture, exactly.").format(
            **numbers
        )
    if rebuilt.rmse < 1e-6:
        return ngettext(
            "{rank} component is all there is in {n} patches: the picture comes back whole, RMSE"
            " {e} of 255.",
            "{rank} components are all there is in {n} patches: the picture comes back whole, RMSE"
            " {e} of 255.",
            rebuilt.rank,
        ).format(**numbers)
    return ngettext(
        "{d} number a patch, not {k}, and one basis for all keep {left} of the variance: RMSE {e}"
        " of 255.",
        "{d} numbers a patch, not {k}, and one basis for all keep {left} of the variance: RMSE {e}"
        " of 255.",
        result.dim,
    ).format(**numbers)


def _percent(share: float) -> str:
    """A share of 1 that never rounds up to the whole."""
    digits = 0 if share < 0.99 else 1 if share < 0.999 else 2
    scale = 10**digits
    return f"{math.floor(share * 100 * scale) / scale:.{digits}f} %"


def question(result: Patchify) -> Question:
    """What halving the patch side costs; where that cannot be asked, the number of tokens."""
    found = _halving(result)
    if found is not None and found[2]:
        here, half, _is_half = found
        assert here.scores and half.scores
        ratio = half.scores / here.scores
        text = _(
            "Patches of {half} × {half} pixels instead of {p} × {p}: how many times as many"
            " attention scores?"
        ).format(half=half.patch, p=result.patch)
        choices = [_("as many"), _("about twice"), _("about 4 times")]
        choices += [_("about {n} times").format(n=n) for n in (number(ratio), 64)]
        return Question(text, choices, 3, _halved(result))
    height, width = result.pixels.shape[:2]
    right = result.sequence
    wrong = [result.patch_values, height * width, right + 1, 2 * right, right - 1]
    several = sorted({right, *[w for w in dict.fromkeys(wrong) if w != right][:3]})
    text = _(
        "A picture of {w} × {h} pixels in patches of {p} × {p}: how many tokens does the"
        " transformer read?"
    ).format(w=width, h=height, p=result.patch)
    return Question(text, [count(c) for c in several], several.index(right), _sentence(result))
