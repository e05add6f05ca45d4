"""The Vision Transformer (Dosovitskiy et al. 2020).

An image is a sequence of patches, and a Transformer's encoder reads it:

    z_0 = [x_class; x_1 E; x_2 E; ...; x_n E] + E_pos        (eq. 1)
    z_l = block_l(z_{l-1}), pre-norm                         (eq. 2 and 3)
    y   = LN(z_L^0), of the class token                      (eq. 4)
"""

import math
from typing import NamedTuple

from einops import rearrange

from seqlab.book import transformer
from seqlab.book.ops import Array, Generator, broadcast_to, concatenate, zeros
from seqlab.book.transformer import Block, Norm, Style, Trace


class Embedding(NamedTuple):
    """The parameters of eq. 1."""

    E: Array  # (c·p·p, d)
    b: Array  # (d,), not in the paper's equation but in its code
    cls: Array  # (d,)
    pos: Array  # (n + 1, d)


class ViT(NamedTuple):
    """The parameters."""

    embedding: Embedding
    blocks: tuple[Block, ...]
    norm: Norm


class Head(NamedTuple):
    """The parameters of a classifier of k classes."""

    W: Array  # (d, k)
    b: Array  # (k,)


def init(rng: Generator, c: int, p: int, n: int, d: int) -> Embedding:
    """For n patches of side p: E of variance 1 / fan-in, pos of deviation 0.02, as the authors."""
    fan_in = c * p * p
    E = rng.normal(0.0, 1 / math.sqrt(fan_in), (fan_in, d))
    pos = rng.normal(0.0, 0.02, (n + 1, d))
    return Embedding(E, b=zeros((d,), like=E), cls=zeros((d,), like=E), pos=pos)


def patchify(x: Array, p: int) -> Array:
    """Cut images into squares of side p, row by row: (..., c, n1 p, n2 p) -> (..., n1 n2, c p p).

    A patch is flattened channel first, as the weights of a convolution are.
    """
    return rearrange(x, "... c (n1 p1) (n2 p2) -> ... (n1 n2) (c p1 p2)", p1=p, p2=p)


def unpatchify(patches: Array, p: int, n1: int, n2: int) -> Array:
    """The inverse: (..., n1 n2, c p p) -> (..., c, n1 p, n2 p)."""
    pattern = "... (n1 n2) (c p1 p2) -> ... c (n1 p1) (n2 p2)"
    return rearrange(patches, pattern, n1=n1, n2=n2, p1=p, p2=p)


def project(q: Embedding, patches: Array) -> Array:
    """Every patch by the same matrix, x E + b; (..., n, c p p) -> (..., n, d)."""
    return patches @ q.E + q.b


def as_kernel(E: Array, c: int, p: int) -> Array:
    """The projection seen as a convolution of stride p: (c p p, d) -> (d, c, p, p)."""
    return rearrange(E, "(c p1 p2) d -> d c p1 p2", c=c, p1=p, p2=p)


def prepend_class(q: Embedding, x: Array) -> Array:
    """[x_class; x]: a learned token, to gather the answer; (..., n, d) -> (..., n + 1, d)."""
    cls = broadcast_to(q.cls, (*x.shape[:-2], 1, x.shape[-1]))
    return concatenate([cls, x], axis=-2)


def embed(q: Embedding, patches: Array) -> Array:
    """z_0 = [x_class; x_1 E; ...; x_n E] + E_pos (eq. 1); (..., n, c p p) -> (..., n + 1, d)."""
    return prepend_class(q, project(q, patches)) + q.pos


def read(q: ViT, patches: Array, style: Style) -> Trace:
    """Patches (..., n, c p p) -> the states (..., n + 1, d) and weights of all layers."""
    return transformer.encode(q.blocks, embed(q.embedding, patches), style)


def represent(q: ViT, x: Array, style: Style) -> Array:
    """The picture in one vector, LN(z_L^0) (eq. 4); the last state (..., n + 1, d) -> (..., d)."""
    return transformer.norm(q.norm, x[..., 0, :], style)


def classify(q: Head, y: Array) -> Array:
    """Scores of the classes, y W + b; (..., d) -> (..., k)."""
    return y @ q.W + q.b
