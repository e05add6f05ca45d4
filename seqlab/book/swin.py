"""The Swin Transformer (Liu et al. 2021): attention in windows that shift from block to block.

    block l        ẑ = W-MSA(LN(z)) + z,     z = FFN(LN(ẑ)) + ẑ
    block l + 1    the same with SW-MSA: the windows shifted by half of their side      (eq. 3)

    Attention(Q, K, V) = softmax(Q Kᵀ / √(d/h) + B) V                                  (eq. 4)

with h heads: the paper's d in eq. 4 is the width of a head, d / h on this page.

Between stages 2 × 2 patches are merged into one. Attention costs by the number of windows, hence
linearly in the number of patches, where global attention costs by its square (eq. 1 and 2).

Shapes: a grid of patches is (..., n1, n2, d); its windows are (..., w, M², d), w of them, M patches
a side. The grid must hold whole windows; the authors' code pads it where it does not.
"""

import math
from typing import NamedTuple

from einops import rearrange

from seqlab.book import attention, transformer
from seqlab.book.attention import MultiHead
from seqlab.book.ops import UNDRAWN, Array, Generator, arange, concatenate, roll, zeros
from seqlab.book.transformer import FeedForward, Norm, Style
from seqlab.book.vit import Head, classify, patchify


class Config(NamedTuple):
    """Sizes of a Swin Transformer; by default those of Swin-T."""

    image: int = 224  # pixels
    p: int = 4
    c: int = 3
    d: int = 96  # in the first stage; it doubles with every merging
    depths: tuple[int, ...] = (2, 2, 6, 2)  # blocks of each stage
    heads: tuple[int, ...] = (3, 6, 12, 24)  # of each stage
    window: int = 7  # M
    ratio: int = 4  # width inside the feed-forward network, by that of the stage
    classes: int = 1000

    def grid(self, stage: int) -> int:
        """Patches a side of the picture in a stage."""
        return self.image // (self.p << stage)

    def width(self, stage: int) -> int:
        """Channels in a stage."""
        return self.d << stage

    def side(self, stage: int) -> int:
        """M in a stage: no window is larger than the grid."""
        return min(self.window, self.grid(stage))


class Block(NamedTuple):
    """The parameters of one block."""

    norm_1: Norm
    attention: MultiHead
    table: Array  # ((2M - 1)², h), relative position biases
    norm_2: Norm
    feed_forward: FeedForward


class Merging(NamedTuple):
    """The parameters of patch merging."""

    norm: Norm  # (4d,)
    W: Array  # (4d, 2d)


class Stage(NamedTuple):
    """The parameters of a stage; the last one merges no more."""

    blocks: tuple[Block, ...]
    merging: Merging | None


class Swin(NamedTuple):
    """The parameters."""

    E: Array  # (c·p·p, d)
    b: Array  # (d,)
    norm_0: Norm  # of the projected patches
    stages: tuple[Stage, ...]
    norm: Norm
    head: Head


def init(config: Config, rng: Generator = UNDRAWN) -> Swin:
    """Weights of variance 1 / fan-in, biases B of deviation 0.02; without a generator all is 0."""
    fan_in, last = config.c * config.p**2, len(config.depths) - 1
    E = rng.normal(0.0, 1 / math.sqrt(fan_in), (fan_in, config.d))
    stages = []
    for i, (depth, h) in enumerate(zip(config.depths, config.heads, strict=True)):
        d, M = config.width(i), config.side(i)
        blocks = tuple(init_block(rng, d, h, M, config.ratio * d) for _block in range(depth))
        W = rng.normal(0.0, 1 / math.sqrt(4 * d), (4 * d, 2 * d)) if i < last else None
        merging = None if W is None else Merging(transformer.init_norm(4 * d, like=E), W)
        stages.append(Stage(blocks, merging))
    d = config.width(last)
    head = Head(zeros((d, config.classes), like=E), zeros((config.classes,), like=E))
    norms = [transformer.init_norm(width, like=E) for width in (config.d, d)]
    return Swin(E, zeros((config.d,), like=E), norms[0], tuple(stages), norms[1], head)


def init_block(rng: Generator, d: int, h: int, M: int, m: int) -> Block:
    """One block of width d, with windows of side M; its feed-forward network is m wide."""
    p = transformer.init(rng, d, m)
    table = rng.normal(0.0, 0.02, ((2 * M - 1) ** 2, h))
    return Block(p.norm_1, p.attention, table, p.norm_2, p.feed_forward)


# Windows


def windows(x: Array, M: int) -> Array:
    """Cut the grid into windows, row by row: (..., n1, n2, d) -> (..., w, M², d)."""
    return rearrange(x, "... (n1 p1) (n2 p2) d -> ... (n1 n2) (p1 p2) d", p1=M, p2=M)


def unwindows(x: Array, M: int, n1: int, n2: int) -> Array:
    """The inverse: (..., w, M², d) -> (..., n1, n2, d)."""
    pattern = "... (n1 n2) (p1 p2) d -> ... (n1 p1) (n2 p2) d"
    return rearrange(x, pattern, p1=M, p2=M, n1=n1 // M, n2=n2 // M)


def shift(x: Array, k: int) -> Array:
    """The cyclic shift by k patches up and to the left (§3.2); k < 0 undoes it."""
    return roll(x, (-k, -k), (-3, -2))


def regions(n1: int, n2: int, M: int, k: int) -> Array:
    """Which patches of the shifted grid were neighbours before: (n1, n2), numbered from 0.

    The shift brings what left at one edge to the other; a window there holds up to four pieces that
    do not belong together (figure 4).
    """

    def pieces(n: int) -> Array:  # windows but the last, the rest of the last, what came around
        return (arange(n) >= n - M) * 1 + (arange(n) >= n - k) * 1

    return 3 * pieces(n1)[:, None] + pieces(n2)[None, :]


def shift_mask(n1: int, n2: int, M: int, k: int) -> Array:
    """True where two patches of a window are of one region: (w, M², M²)."""
    region = windows(regions(n1, n2, M, k)[:, :, None], M)[..., 0]
    return region[:, :, None] == region[:, None, :]


def relative_index(M: int) -> Array:
    """The row of the table for each query and key of a window: (M², M²).

    Offsets run from -(M - 1) to M - 1 on either axis: (2M - 1)² pairs of them.
    """
    side = arange(M)
    rows, columns = (x.reshape(-1) for x in (side[:, None] + 0 * side, side + 0 * side[:, None]))
    down, across = (x[:, None] - x[None, :] + M - 1 for x in (rows, columns))
    return down * (2 * M - 1) + across


def window_attention(
    p: Block, x: Array, M: int, h: int, mask: Array | None = None
) -> tuple[Array, Array]:
    """softmax(Q Kᵀ / √(d/h) + B) V in every window (eq. 4), and the weights (..., w, h, M², M²).

    x (..., w, M², d) -> the same shape.
    """
    bias = rearrange(p.table[relative_index(M)], "t s h -> h t s")
    return attention.multi_head(p.attention, x, x, h, mask, bias=bias)


def global_macs(n: int, d: int) -> int:
    """Multiply-adds of attention among all n patches, 4nd² + 2n²d (eq. 1: n is hw, d is C)."""
    return 4 * n * d**2 + 2 * n**2 * d


def window_macs(n: int, d: int, M: int) -> int:
    """Multiply-adds of attention in windows of M × M of the n patches, 4nd² + 2M²nd (eq. 2)."""
    return 4 * n * d**2 + 2 * M**2 * n * d


# The model


def block(p: Block, x: Array, M: int, k: int, style: Style) -> tuple[Array, Array]:
    """One block (eq. 3), windows shifted by k; x (..., n1, n2, d) -> same, and the weights.

    The weights, (..., w, h, M², M²), are those of the windows of the shifted grid.
    """
    n1, n2 = x.shape[-3:-1]
    mask = shift_mask(n1, n2, M, k) if k else None

    def attend(x: Array) -> tuple[Array, Array]:
        y, weights = window_attention(p, windows(shift(x, k) if k else x, M), M, style.h, mask)
        y = unwindows(y, M, n1, n2)
        return shift(y, -k) if k else y, weights

    def think(x: Array) -> tuple[Array, None]:
        return transformer.feed_forward(p.feed_forward, x, style.activation), None

    x, weights = transformer.sublayer(p.norm_1, x, attend, style)
    x, _ = transformer.sublayer(p.norm_2, x, think, style)
    return x, weights


def merge(p: Merging, x: Array, style: Style) -> Array:
    """2 × 2 patches side by side in one, then halved (§3.1): (..., n1, n2, d) -> (..., 2d).

    Their order is (0, 0), (1, 0), (0, 1), (1, 1): row and column within the four.
    """
    four = [x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
    return transformer.norm(p.norm, concatenate(four), style) @ p.W


class Trace(NamedTuple):
    """What the stages did."""

    states: list[Array]  # (..., n1, n2, d): the embedded patches, then the output of every block
    weights: list[Array]  # (..., w, h, M², M²) of every block
    shifts: list[int]  # k of every block


def embed(p: Swin, x: Array, config: Config) -> Array:
    """Pictures (..., c, n1 p, n2 p) -> LN(patches E + b) on their grid (..., n1, n2, d)."""
    n1 = x.shape[-2] // config.p
    y = transformer.norm(p.norm_0, patchify(x, config.p) @ p.E + p.b, _style(1))
    return rearrange(y, "... (n1 n2) d -> ... n1 n2 d", n1=n1)


def read(p: Swin, x: Array, config: Config) -> Trace:
    """Pictures (..., c, n1 p, n2 p) through all stages, every block's output kept."""
    trace = Trace([embed(p, x, config)], [], [])
    z = trace.states[0]
    for stage, h in zip(p.stages, config.heads, strict=True):
        M = min(config.window, *z.shape[-3:-1])
        for i, layer in enumerate(stage.blocks):
            k = M // 2 if i % 2 and min(z.shape[-3:-1]) > M else 0  # one window: nothing to shift
            z, weights = block(layer, z, M, k, _style(h))
            trace.states.append(z)
            trace.weights.append(weights)
            trace.shifts.append(k)
        if stage.merging is not None:
            z = merge(stage.merging, z, _style(h))
    return trace


def represent(p: Swin, x: Array) -> Array:
    """The picture in one vector: LN, then the mean over patches; (..., n1, n2, d) -> (..., d)."""
    return transformer.norm(p.norm, x, _style(1)).mean((-3, -2))


def scores(p: Swin, x: Array, config: Config) -> Array:
    """Pictures (..., c, n1 p, n2 p) -> the scores of the classes (..., k)."""
    return classify(p.head, represent(p, read(p, x, config).states[-1]))


def _style(h: int) -> Style:
    return Style(h=h, pre_norm=True, eps=1e-5)


# Liu et al. 2021, §3.3
T = Config()
S = Config(depths=(2, 2, 18, 2))
B = Config(d=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32))
