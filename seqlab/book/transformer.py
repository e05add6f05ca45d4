"""The Transformer: attention and a small network, in turns (Vaswani et al. 2017, §3).

    post-norm   x ← LN(x + f(x))        as published: BERT
    pre-norm    x ← x + f(LN(x))        easier to train when deep (Xiong et al. 2020): GPT-2, ViT

f is attention, then the feed-forward network. What stands around the blocks (embeddings, heads) is
on the pages of the models: bert.py, gpt.py, vit.py.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from seqlab.book import attention
from seqlab.book.attention import MultiHead
from seqlab.book.ops import Array, Generator, Verb, gelu, layer_norm, zeros


class Norm(NamedTuple):
    """The parameters of a layer norm."""

    weight: Array  # (d,)
    bias: Array  # (d,)


class FeedForward(NamedTuple):
    """The parameters of the feed-forward network, m wide inside."""

    W_1: Array  # (d, m)
    b_1: Array  # (m,)
    W_2: Array  # (m, d)
    b_2: Array  # (d,)


class Block(NamedTuple):
    """The parameters of an encoder block; with a causal mask, of GPT's decoder block."""

    attention: MultiHead
    norm_1: Norm
    feed_forward: FeedForward
    norm_2: Norm


class DecoderBlock(NamedTuple):
    """The parameters of a decoder block, which asks the encoder too."""

    attention: MultiHead
    norm_1: Norm
    cross: MultiHead
    norm_2: Norm
    feed_forward: FeedForward
    norm_3: Norm


class Style(NamedTuple):
    """What the members of the family differ in, their parameters apart."""

    h: int  # heads
    pre_norm: bool
    eps: float = 1e-5  # of the layer norms
    activation: Verb = gelu
    rotate: Verb | None = None  # applied to queries and keys in every layer: positions.rotary


class Trace(NamedTuple):
    """What a stack of blocks did, from the bottom up."""

    states: list[Array]  # (..., t, d): the input, then the output of every block
    weights: list[Array]  # (..., h, t, s): the attention of every block


def init(rng: Generator, d: int, m: int) -> Block:
    """Weights of variance 1 / fan-in; no biases; norms that only normalise."""
    ff = init_feed_forward(rng, d, m)
    return Block(attention.init(rng, d), init_norm(d, like=ff.W_1), ff, init_norm(d, like=ff.W_1))


def init_feed_forward(rng: Generator, d: int, m: int) -> FeedForward:
    """Weights of variance 1 / fan-in; no biases."""
    W_1 = rng.normal(0.0, 1 / math.sqrt(d), (d, m))
    W_2 = rng.normal(0.0, 1 / math.sqrt(m), (m, d))
    return FeedForward(W_1, zeros((m,), like=W_1), W_2, zeros((d,), like=W_2))


def init_norm(d: int, like: Array) -> Norm:
    """A layer norm that only normalises."""
    return Norm(zeros((d,), like) + 1, zeros((d,), like))


def norm(p: Norm, x: Array, style: Style) -> Array:
    """LN(x); (..., d) -> (..., d)."""
    return layer_norm(x, p.weight, p.bias, style.eps)


def feed_forward(p: FeedForward, x: Array, activation: Verb) -> Array:
    """φ(x W_1 + b_1) W_2 + b_2, token by token (Vaswani et al. 2017, eq. 2: φ is ReLU)."""
    return activation(x @ p.W_1 + p.b_1) @ p.W_2 + p.b_2


def sublayer(
    p: Norm, x: Array, f: Callable[[Array], tuple[Array, Array]], style: Style
) -> tuple[Array, Array]:
    """Either x + f(LN(x)) or LN(x + f(x)), and what else f returns: its attention weights."""
    if style.pre_norm:
        y, weights = f(norm(p, x, style))
        return x + y, weights
    y, weights = f(x)
    return norm(p, x + y, style), weights


def block(
    p: Block, x: Array, style: Style, mask: Array | None = None, bias: Array | None = None
) -> tuple[Array, Array]:
    """One encoder block: (..., t, d) -> (..., t, d), and the attention weights (..., h, t, t)."""

    def attend(x: Array) -> tuple[Array, Array]:
        return attention.multi_head(p.attention, x, x, style.h, mask, style.rotate, bias)

    def think(x: Array) -> tuple[Array, None]:
        return feed_forward(p.feed_forward, x, style.activation), None

    x, weights = sublayer(p.norm_1, x, attend, style)
    x, _ = sublayer(p.norm_2, x, think, style)
    return x, weights


def decoder_block(
    p: DecoderBlock,
    x: Array,
    memory: Array,
    style: Style,
    mask: Array | None = None,
    memory_mask: Array | None = None,
) -> tuple[Array, Array, Array]:
    """One decoder block: x (..., t, d) asks itself, then the encoder's memory (..., s, d).

    -> (..., t, d), and the weights of self-attention (..., h, t, t) and cross-attention
    (..., h, t, s). `mask` is the causal one as a rule.
    """

    def attend(x: Array) -> tuple[Array, Array]:
        return attention.multi_head(p.attention, x, x, style.h, mask, style.rotate)

    def ask(x: Array) -> tuple[Array, Array]:
        return attention.multi_head(p.cross, x, memory, style.h, memory_mask)

    def think(x: Array) -> tuple[Array, None]:
        return feed_forward(p.feed_forward, x, style.activation), None

    x, weights = sublayer(p.norm_1, x, attend, style)
    x, cross_weights = sublayer(p.norm_2, x, ask, style)
    x, _ = sublayer(p.norm_3, x, think, style)
    return x, weights, cross_weights


def encode(
    blocks: Sequence[Block],
    x: Array,
    style: Style,
    mask: Array | None = None,
    bias: Array | None = None,
) -> Trace:
    """A stack of blocks, every intermediate kept; x (..., t, d)."""
    trace = Trace([x], [])
    for p in blocks:
        x, weights = block(p, x, style, mask, bias)
        trace.states.append(x)
        trace.weights.append(weights)
    return trace
