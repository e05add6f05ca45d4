"""GPT-2: a Transformer that reads from left to right and foretells (Radford et al. 2019).

    z_0 = E[tokens] + P;   z_l = block_l(z_{l-1}), causal;   p(next) = softmax(LN(z_L) Eᵀ)

Pre-norm blocks, one more norm at the top, and the embedding used twice ("tied"). Where `pos` is
None positions come from `style.rotate` instead, as in most models since.
"""

from typing import NamedTuple

from seqlab.book import transformer
from seqlab.book.attention import causal_mask
from seqlab.book.ops import Array, Generator, gelu
from seqlab.book.transformer import Block, Norm, Style, Trace


class GPT(NamedTuple):
    """The parameters; v tokens in the vocabulary."""

    embed: Array  # (v, d)
    pos: Array | None  # (longest, d)
    blocks: tuple[Block, ...]
    norm: Norm


def gelu_tanh(x: Array) -> Array:
    """GPT-2's GELU, the tanh form."""
    return gelu(x, approximate=True)


def init(rng: Generator, v: int, d: int, m: int, layers: int, longest: int | None = None) -> GPT:
    """Embeddings of deviation 0.02, as the authors; without `longest` no learned positions."""
    embed = rng.normal(0.0, 0.02, (v, d))
    pos = None if longest is None else rng.normal(0.0, 0.02, (longest, d))
    blocks = tuple(transformer.init(rng, d, m) for _ in range(layers))
    return GPT(embed, pos, blocks, transformer.init_norm(d, like=embed))


def embed(p: GPT, tokens: Array) -> Array:
    """E[tokens] + P; numbers (..., t) -> (..., t, d)."""
    x = p.embed[tokens]
    return x if p.pos is None else x + p.pos[: x.shape[-2]]


def read(p: GPT, tokens: Array, style: Style) -> Trace:
    """Token numbers (..., t) -> the states (..., t, d) and weights of all layers."""
    return transformer.encode(p.blocks, embed(p, tokens), style, causal_mask(tokens.shape[-1]))


def logits(p: GPT, x: Array, style: Style) -> Array:
    """LN(x) Eᵀ, the scores of every next token: the last state (..., t, d) -> (..., t, v)."""
    return transformer.norm(p.norm, x, style) @ p.embed.mT
