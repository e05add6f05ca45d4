"""Attention: look back at everything, and weigh it (Bahdanau et al. 2015; Vaswani et al. 2017).

    Attention(Q, K, V) = softmax(Q Kᵀ / √d) V        (Vaswani et al. 2017, eq. 1)

Shapes: queries (..., t, d), keys and values (..., s, d). A mask is True where a query may look, and
has the shape of the weights, (..., t, s), or one that broadcasts to it. Every function returns the
weights too, for they are what one wants to see.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from einops import rearrange

from seqlab.book.ops import (
    Array,
    Generator,
    Verb,
    arange,
    cast,
    identity,
    softmax,
    tanh,
    where,
    zeros,
)


class MultiHead(NamedTuple):
    """The parameters of multi-head attention; the heads lie side by side in the columns."""

    W_q: Array  # (d, d)
    W_k: Array  # (d, d)
    W_v: Array  # (d, d)
    W_o: Array  # (d, d)
    b_q: Array  # (d,), which the paper does not have, but BERT, GPT-2 and ViT do
    b_k: Array  # (d,)
    b_v: Array  # (d,)
    b_o: Array  # (d,)


class Additive(NamedTuple):
    """The parameters of additive attention."""

    W: Array  # (d, d), for the query
    U: Array  # (d, d), for the keys
    v: Array  # (d,)


def init(rng: Generator, d: int) -> MultiHead:
    """Weights from U(-√(3/d), √(3/d)), of variance 1 / fan-in; no biases."""
    k = math.sqrt(3 / d)
    weights = [rng.uniform(-k, k, (d, d)) for _ in range(4)]
    return MultiHead(*weights, *(zeros((d,), like=weights[0]) for _ in range(4)))


def causal_mask(t: int) -> Array:
    """True where the key is not later than the query: (t, t), a NumPy array."""
    return arange(t)[:, None] >= arange(t)[None, :]


def attend(scores: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """softmax(scores) v and the weights; scores (..., t, s), v (..., s, d) -> (..., t, d).

    A score of minus infinity gives weight 0 exactly. A query that may look nowhere gets NaN: it has
    no answer.
    """
    if mask is not None:
        scores = where(mask, scores, -math.inf)
    weights = softmax(scores)
    return weights @ v, weights


def scores(q: Array, k: Array) -> Array:
    """Q Kᵀ / √d; (..., t, d), (..., s, d) -> (..., t, s).

    q·k has variance d where q and k have variance 1 each (footnote 4): hence the √d.
    """
    return q / math.sqrt(q.shape[-1]) @ k.mT  # dividing the smaller of the two arrays


def dot_product(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """Scaled dot-product attention (Vaswani et al. 2017, eq. 1)."""
    return attend(scores(q, k), v, mask)


def additive(
    p: Additive, q: Array, k: Array, v: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    """Scores vᵀ tanh(W q + U k) (Bahdanau et al. 2015, appendix A.1.2); shapes as above."""
    scores = tanh((q @ p.W)[..., :, None, :] + (k @ p.U)[..., None, :, :]) @ p.v
    return attend(scores, v, mask)


def split_heads(x: Array, h: int) -> Array:
    """(..., t, h d) -> (..., h, t, d): each head gets its own columns."""
    return rearrange(x, "... t (h d) -> ... h t d", h=h)


def join_heads(x: Array) -> Array:
    """The inverse: (..., h, t, d) -> (..., t, h d)."""
    return rearrange(x, "... h t d -> ... t (h d)")


def project(p: MultiHead, x: Array, source: Array, h: int) -> tuple[Array, Array, Array]:
    """Queries of x (..., t, d), keys and values of source (..., s, d), each (..., h, t or s, d)."""
    q = split_heads(x @ p.W_q + p.b_q, h)
    k = split_heads(source @ p.W_k + p.b_k, h)
    v = split_heads(source @ p.W_v + p.b_v, h)
    return q, k, v


def multi_head(
    p: MultiHead,
    x: Array,
    source: Array,
    h: int,
    mask: Array | None = None,
    rotate: Verb | None = None,
    bias: Array | None = None,
) -> tuple[Array, Array]:
    """[head_1; ...; head_h] W_o (Vaswani et al. 2017, §3.2.2), and the weights (..., h, t, s).

    x (..., t, d) asks, source (..., s, d) answers; self-attention is x is source. The scale is that
    of a head's width, not of d. The mask, (..., t, s), is that of all heads. `rotate` turns queries
    and keys by their positions, `bias`, (h, t, s), is added to the scores: see positions.py.
    """
    q, k, v = project(p, x, source, h)
    if rotate is not None:
        q, k = rotate(q), rotate(k)
    a = scores(q, k)
    if bias is not None:
        a = a + cast(bias, like=a)
    heads, weights = attend(a, v, None if mask is None else mask[..., None, :, :])
    return join_heads(heads) @ p.W_o + p.b_o, weights


def rollout(weights: Sequence[Array]) -> Array:
    """How much of each input token is in each output: attention through all layers.

    R = A_L ... A_1 with A_l = (W_l + 1) / 2, W_l the mean of the layer's heads, 1 for the residual
    connection (Abnar & Zuidema 2020, eq. 1). Weights (..., h, t, t) of each layer, the lowest
    first -> (..., t, t), rows of sum 1.
    """
    R = None
    for layer in weights:
        mean = layer.mean(-3)
        A = (mean + cast(identity(mean.shape[-1]), like=mean)) / 2
        R = A if R is None else A @ R
    return R
