"""The MLP-Mixer (Tolstikhin et al. 2021): no attention, only the same small network, twice.

    U = X + f_token(LN(X)ᵀ)ᵀ      down the columns: one channel of all patches
    Y = U + f_channel(LN(U))      along the rows: all channels of one patch      (eq. 1)

f(x) = GELU(x W_1 + b_1) W_2 + b_2; a transpose is all that the two lines differ in. f_token is as
wide as there are patches, which fixes their number; and it is one and the same for all channels.

Shapes: n patches, d channels, X (..., n, d).
"""

import math
from typing import NamedTuple

from seqlab.book import transformer
from seqlab.book.ops import UNDRAWN, Array, Generator, gelu, layer_norm, zeros
from seqlab.book.transformer import FeedForward, Norm
from seqlab.book.vit import Head, classify, patchify

EPS = 1e-6  # of the layer norms, as in the authors' code


class Config(NamedTuple):
    """Sizes of a Mixer; by default those of Mixer-B/16."""

    image: int = 224  # pixels
    p: int = 16
    c: int = 3
    d: int = 768
    layers: int = 12
    token: int = 384  # width inside the token-mixing network
    channel: int = 3072  # width inside the channel-mixing network
    classes: int = 1000

    @property
    def n(self) -> int:
        """Patches of a picture."""
        return (self.image // self.p) ** 2


class Block(NamedTuple):
    """The parameters of one layer."""

    norm_1: Norm
    token: FeedForward  # for n numbers: W_1 (n, token)
    norm_2: Norm
    channel: FeedForward  # for d numbers: W_1 (d, channel)


class Mixer(NamedTuple):
    """The parameters; there are no positions, for f_token knows every patch by its place."""

    E: Array  # (c·p·p, d)
    b: Array  # (d,)
    blocks: tuple[Block, ...]
    norm: Norm
    head: Head


def init(config: Config, rng: Generator = UNDRAWN) -> Mixer:
    """Weights of variance 1 / fan-in, no biases, a head of 0; without a generator all is 0."""
    fan_in, d = config.c * config.p**2, config.d
    E = rng.normal(0.0, 1 / math.sqrt(fan_in), (fan_in, d))
    blocks = tuple(
        init_block(rng, config.n, d, config.token, config.channel)
        for _layer in range(config.layers)
    )
    head = Head(zeros((d, config.classes), like=E), zeros((config.classes,), like=E))
    return Mixer(E, zeros((d,), like=E), blocks, transformer.init_norm(d, like=E), head)


def init_block(rng: Generator, n: int, d: int, token: int, channel: int) -> Block:
    """One layer for n patches of d channels; its two networks are `token` and `channel` wide."""
    f_token = transformer.init_feed_forward(rng, n, token)
    f_channel = transformer.init_feed_forward(rng, d, channel)
    norms = [transformer.init_norm(d, like=f_token.W_1) for _norm in range(2)]
    return Block(norms[0], f_token, norms[1], f_channel)


def norm(p: Norm, x: Array) -> Array:
    """LN(x) over the channels; (..., n, d) -> (..., n, d)."""
    return layer_norm(x, p.weight, p.bias, EPS)


def mix_tokens(p: FeedForward, x: Array) -> Array:
    """f_token(Xᵀ)ᵀ: every channel by the same network of all patches; (..., n, d) -> same."""
    return transformer.feed_forward(p, x.mT, gelu).mT


def mix_channels(p: FeedForward, x: Array) -> Array:
    """f_channel(X): every patch by the same network of all channels; (..., n, d) -> same."""
    return transformer.feed_forward(p, x, gelu)


def block(p: Block, x: Array) -> tuple[Array, Array]:
    """U and Y of eq. 1; X (..., n, d) -> two of the same."""
    u = x + mix_tokens(p.token, norm(p.norm_1, x))
    return u, u + mix_channels(p.channel, norm(p.norm_2, u))


def read(p: Mixer, patches: Array) -> list[Array]:
    """Patches (..., n, c p p) -> the states (..., n, d): the projection, then every block's Y."""
    states = [patches @ p.E + p.b]
    for layer in p.blocks:
        states.append(block(layer, states[-1])[1])
    return states


def represent(p: Mixer, x: Array) -> Array:
    """The picture in one vector: LN, then the mean over patches; (..., n, d) -> (..., d)."""
    return norm(p.norm, x).mean(-2)


def scores(p: Mixer, x: Array, config: Config) -> Array:
    """Pictures (..., c, n1 p, n2 p) -> the scores of the classes (..., k)."""
    return classify(p.head, represent(p, read(p, patchify(x, config.p))[-1]))


# Tolstikhin et al. 2021, table 1
S_16 = Config(d=512, layers=8, token=256, channel=2048)
B_16 = Config()
