"""The Vision Transformer (Dosovitskiy et al. 2020).

An image is a sequence of patches, and a Transformer's encoder reads it:

    z_0 = [x_class; x_1 E; x_2 E; ...; x_n E] + E_pos        (eq. 1)
    z_l = block_l(z_{l-1}), pre-norm                         (eq. 2 and 3)
    y   = LN(z_L^0), of the class token                      (eq. 4)

Or without a class token: y is the mean of LN(z_L) over the patches (appendix D.3). And without
E_pos, or with sines and cosines instead of it, the patches being numbered row by row (D.4).
"""

import math
from typing import Literal, NamedTuple

from einops import rearrange

from seqlab.book import positions, transformer
from seqlab.book.ops import UNDRAWN, Array, Generator, broadcast_to, cast, concatenate, zeros
from seqlab.book.transformer import Block, Norm, Style, Trace

Positions = Literal["learned", "sinusoidal", "none"]  # what E_pos is


class Config(NamedTuple):
    """Sizes of a ViT; by default those of ViT-B/16. More of them stand at the end of the page."""

    image: int = 224  # pixels
    p: int = 16
    c: int = 3
    d: int = 768
    layers: int = 12
    h: int = 12
    m: int = 3072  # width inside the feed-forward network
    classes: int = 1000
    class_token: bool = True
    positions: Positions = "learned"

    @property
    def n(self) -> int:
        """Patches of a picture."""
        return (self.image // self.p) ** 2

    @property
    def style(self) -> Style:
        """Pre-norm; ε is that of the authors' code."""
        return Style(h=self.h, pre_norm=True, eps=1e-6)


class Embedding(NamedTuple):
    """The parameters of eq. 1."""

    E: Array  # (c·p·p, d)
    b: Array  # (d,), not in the paper's equation but in its code
    cls: Array | None  # (d,)
    pos: Array | None  # (n + 1, d), (n, d) without a class token; None where it is not learned


class ViT(NamedTuple):
    """The parameters."""

    embedding: Embedding
    blocks: tuple[Block, ...]
    norm: Norm


class Head(NamedTuple):
    """The parameters of a classifier of k classes."""

    W: Array  # (d, k)
    b: Array  # (k,)


class Classifier(NamedTuple):
    """A ViT with its head."""

    vit: ViT
    head: Head


def init(config: Config, rng: Generator = UNDRAWN) -> Classifier:
    """Weights of variance 1 / fan-in, no biases, a head of 0, from which the authors fine-tune.

    Without a generator everything is 0: `trees.count(vit.init(Config()))` costs nothing.
    """
    d = config.d
    embedding = init_embedding(rng, config.c, config.p, config.n, d, config.class_token)
    if config.positions != "learned":
        embedding = embedding._replace(pos=None)
    blocks = tuple(transformer.init(rng, d, config.m) for _layer in range(config.layers))
    W = zeros((d, config.classes), like=embedding.E)
    head = Head(W, zeros((config.classes,), like=W))
    return Classifier(ViT(embedding, blocks, transformer.init_norm(d, like=W)), head)


def init_embedding(
    rng: Generator, c: int, p: int, n: int, d: int, class_token: bool = True
) -> Embedding:
    """For n patches of side p: E of variance 1 / fan-in, pos of deviation 0.02, as the authors."""
    fan_in = c * p * p
    E = rng.normal(0.0, 1 / math.sqrt(fan_in), (fan_in, d))
    pos = rng.normal(0.0, 0.02, (n + class_token, d))
    cls = zeros((d,), like=E) if class_token else None
    return Embedding(E, b=zeros((d,), like=E), cls=cls, pos=pos)


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


def embed(q: Embedding, patches: Array, by: Positions = "learned") -> Array:
    """z_0 = [x_class; x_1 E; ...; x_n E] + E_pos (eq. 1); (..., n, c p p) -> (..., n + 1, d)."""
    x = project(q, patches)
    x = x if q.cls is None else prepend_class(q, x)
    if by == "sinusoidal":
        return x + cast(positions.sinusoidal(*x.shape[-2:]), like=x)
    return x if by == "none" else x + q.pos


def read(q: ViT, patches: Array, style: Style, by: Positions = "learned") -> Trace:
    """Patches (..., n, c p p) -> the states (..., n + 1, d) and weights of all layers."""
    return transformer.encode(q.blocks, embed(q.embedding, patches, by), style)


def represent(q: ViT, x: Array, style: Style) -> Array:
    """The picture in one vector, LN(z_L^0) (eq. 4); the last state (..., n + 1, d) -> (..., d).

    Without a class token it is the mean over the patches.
    """
    if q.embedding.cls is None:
        return transformer.norm(q.norm, x, style).mean(-2)
    return transformer.norm(q.norm, x[..., 0, :], style)


def classify(q: Head, y: Array) -> Array:
    """Scores of the classes, y W + b; (..., d) -> (..., k)."""
    return y @ q.W + q.b


def scores(q: Classifier, x: Array, config: Config) -> Array:
    """Pictures (..., c, n1 p, n2 p) -> the scores of the classes (..., k)."""
    states = read(q.vit, patchify(x, config.p), config.style, config.positions).states
    return classify(q.head, represent(q.vit, states[-1], config.style))


# Dosovitskiy et al. 2020, table 1; S is of Touvron et al. 2021, table 1
S_16 = Config(d=384, h=6, m=1536)
B_16 = Config()
L_16 = Config(d=1024, layers=24, h=16, m=4096)
