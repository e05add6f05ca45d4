"""The multilayer perceptron (Rumelhart et al. 1986): it knows nothing of pictures or of order.

    x ← relu(x W + b)        a layer

All numbers of a picture go in as one vector; were its pixels permuted, the network would not know.
"""

import math
from typing import NamedTuple

from einops import rearrange

from seqlab.book.ops import UNDRAWN, Array, Generator, relu, zeros
from seqlab.book.vit import Head, classify


class Config(NamedTuple):
    """Sizes of a network."""

    image: int = 8  # pixels
    c: int = 1
    widths: tuple[int, ...] = (128, 64)
    classes: int = 10


class Layer(NamedTuple):
    """The parameters of a layer."""

    W: Array  # (c, d)
    b: Array  # (d,)


class MLP(NamedTuple):
    """The parameters."""

    layers: tuple[Layer, ...]
    head: Head


def init(config: Config, rng: Generator = UNDRAWN) -> MLP:
    """Weights of variance 2 / fan-in (He et al. 2015, eq. 10), no biases; a head of 0."""
    layers, c = [], config.c * config.image**2
    for d in config.widths:
        W = rng.normal(0.0, math.sqrt(2 / c), (c, d))
        layers.append(Layer(W, zeros((d,), like=W)))
        c = d
    head = zeros((c, config.classes), like=W)
    return MLP(tuple(layers), Head(head, zeros((config.classes,), like=W)))


def read(p: MLP, x: Array) -> list[Array]:
    """Vectors (..., c) -> what every layer returns, (..., d), the input first."""
    states = [x]
    for layer in p.layers:
        states.append(relu(states[-1] @ layer.W + layer.b))
    return states


def scores(p: MLP, x: Array) -> Array:
    """Pictures (b, c, n1, n2) -> the scores of the classes (b, k)."""
    return classify(p.head, read(p, rearrange(x, "b c n1 n2 -> b (c n1 n2)"))[-1])
