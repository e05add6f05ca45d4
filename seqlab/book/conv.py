"""The convolution of neural networks (LeCun et al. 1989), and a network of a few of them.

    x ← max over 2 × 2 of relu(weight * x + bias)        a layer

It is a cross-correlation: the kernel is not flipped. A classifier reads all numbers of the last
layer, place by place; or their mean over the places, to which it is all one where something is.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from einops import rearrange, reduce

from seqlab.book.ops import UNDRAWN, Array, Generator, concatenate, relu, zeros
from seqlab.book.vit import Head, classify

# conv2d below, or a library's own: (x, weight, bias, stride, padding) -> y
Convolution: TypeAlias = Callable[[Array, Array, Array, int, int], Array]


class Config(NamedTuple):
    """Sizes of a network."""

    image: int = 8  # pixels
    c: int = 1
    widths: tuple[int, ...] = (32, 48)  # channels of each layer
    k: int = 3  # side of the kernels, an odd number of pixels
    classes: int = 10
    mean: bool = False  # the classifier reads the mean over all places

    @property
    def side(self) -> int:
        """Pixels a side of what the last layer returns."""
        return self.image >> len(self.widths)


class Layer(NamedTuple):
    """The parameters of a convolution."""

    weight: Array  # (d, c, k, k)
    bias: Array  # (d,)


class CNN(NamedTuple):
    """The parameters."""

    layers: tuple[Layer, ...]
    head: Head


def init(config: Config, rng: Generator = UNDRAWN) -> CNN:
    """Weights of variance 2 / fan-in (He et al. 2015, eq. 10), no biases; a head of 0."""
    layers, c = [], config.c
    for d in config.widths:
        fan_in = c * config.k**2
        weight = rng.normal(0.0, math.sqrt(2 / fan_in), (d, c, config.k, config.k))
        layers.append(Layer(weight, zeros((d,), like=weight)))
        c = d
    W = zeros((c if config.mean else c * config.side**2, config.classes), like=weight)
    return CNN(tuple(layers), Head(W, zeros((config.classes,), like=W)))


def pad(x: Array, k: int) -> Array:
    """Put k zeros on every side of the last two axes: (..., n1, n2) -> (..., n1 + 2k, n2 + 2k)."""
    row = zeros((*x.shape[:-2], k, x.shape[-1]), like=x)
    x = concatenate([row, x, row], axis=-2)
    column = zeros((*x.shape[:-1], k), like=x)
    return concatenate([column, x, column], axis=-1)


def conv2d(x: Array, weight: Array, bias: Array, stride: int = 1, padding: int = 0) -> Array:
    """y[:, i, j] = bias + Σ_uv weight[:, :, u, v] x[:, i·stride + u, j·stride + v].

    Goodfellow et al. 2016, eq. 9.8, as a sum over the few offsets u, v of the kernel, for all
    places i, j at once. Sizes n1 and n2 in pixels:
    x (b, c, n1, n2), weight (d, c, p1, p2), bias (d,) -> y (b, d, n1, n2).
    """
    x = rearrange(pad(x, padding), "b c n1 n2 -> b n1 n2 c")
    (_, n1, n2, _), (_, _, p1, p2) = x.shape, weight.shape
    if n1 < p1 or n2 < p2:
        raise ValueError(f"a {p1} × {p2} kernel does not fit into {n1} × {n2} pixels")
    y = bias
    for u in range(p1):
        for v in range(p2):
            seen = x[:, u : n1 - p1 + 1 + u : stride, v : n2 - p2 + 1 + v : stride]
            y = y + seen @ weight[:, :, u, v].mT  # (b, n1, n2, c) @ (c, d)
    return rearrange(y, "b n1 n2 d -> b d n1 n2")


def pool(x: Array, p: int = 2) -> Array:
    """The largest number in every square of side p: (b, c, n1 p, n2 p) -> (b, c, n1, n2).

    A row or a column that is left over at the end is not read.
    """
    n1, n2 = (n // p * p for n in x.shape[-2:])
    return reduce(x[..., :n1, :n2], "b c (n1 p1) (n2 p2) -> b c n1 n2", "max", p1=p, p2=p)


def read(p: CNN, x: Array, convolve: Convolution = conv2d) -> list[Array]:
    """Pictures (b, c, n1, n2) -> what every layer returns, each of half the side of the last."""
    maps = [x]
    for layer in p.layers:
        padding = layer.weight.shape[-1] // 2  # as many pixels out as in
        y = convolve(maps[-1], layer.weight, layer.bias, 1, padding)
        maps.append(pool(relu(y)))
    return maps


def represent(x: Array, config: Config) -> Array:
    """What the classifier reads: (b, d, n1, n2) -> (b, d n1 n2), or the mean (b, d)."""
    return x.mean((-2, -1)) if config.mean else rearrange(x, "b d n1 n2 -> b (d n1 n2)")


def scores(p: CNN, x: Array, config: Config, convolve: Convolution = conv2d) -> Array:
    """Pictures (b, c, n1, n2) -> the scores of the classes (b, k)."""
    return classify(p.head, represent(read(p, x, convolve)[-1], config))
