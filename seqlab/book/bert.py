"""BERT: a Transformer encoder that reads in both directions (Devlin et al. 2019).

    z_0 = LN(E[tokens] + S[segments] + P);   z_l = block_l(z_{l-1}), post-norm

RoBERTa has one segment, DistilBERT none at all (`segment` is None then); the pooler, where there
is one, reads the first token, [CLS], for tasks on whole sentences.
"""

from typing import NamedTuple

from seqlab.book import transformer
from seqlab.book.ops import Array, tanh
from seqlab.book.transformer import Block, Norm, Style, Trace


class BERT(NamedTuple):
    """The parameters; v tokens in the vocabulary."""

    embed: Array  # (v, d)
    pos: Array  # (longest, d)
    segment: Array | None  # (2, d)
    norm: Norm
    blocks: tuple[Block, ...]


class Pooler(NamedTuple):
    """The parameters of the pooler."""

    W: Array  # (d, d)
    b: Array  # (d,)


def embed(p: BERT, tokens: Array, segments: Array | None, style: Style) -> Array:
    """LN(E[tokens] + S[segments] + P); numbers (..., t) -> (..., t, d). Segments are 0 if None."""
    x = p.embed[tokens] + p.pos[: tokens.shape[-1]]
    if p.segment is not None:
        x = x + (p.segment[0] if segments is None else p.segment[segments])
    return transformer.norm(p.norm, x, style)


def read(
    p: BERT,
    tokens: Array,
    style: Style,
    segments: Array | None = None,
    padding: Array | None = None,
) -> Trace:
    """Token numbers (..., t) -> the states (..., t, d) and weights of all layers.

    `padding`, (..., t), is False where a token only fills the row: no query looks there.
    """
    mask = None if padding is None else padding[..., None, :]
    return transformer.encode(p.blocks, embed(p, tokens, segments, style), style, mask)


def pool(p: Pooler, x: Array) -> Array:
    """tanh(x_[CLS] W + b); the last state (..., t, d) -> (..., d)."""
    return tanh(x[..., 0, :] @ p.W + p.b)
