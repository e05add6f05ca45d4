"""The verbs that the pages are written in, for NumPy arrays and torch tensors alike.

Both libraries share most names, so a verb is usually one line that picks the library. torch is
found, never imported: whoever made the tensor has imported it already. Where torch has a fused
function the verb calls it, because a composition of small steps trains up to 2.2 times slower.

What both libraries spell alike needs no verb: `@`, arithmetic, slices, and `.mT`, the transpose of
the last two axes.
"""

import math
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

# A NumPy array or a torch tensor. No type names both without importing torch, hence Any.
Array: TypeAlias = Any
Verb: TypeAlias = Callable[[Array], Array]
Generator: TypeAlias = "np.random.Generator"  # quoted, for NumPy loads np.random only when asked


def _library(x: Array) -> Any:
    """The module x belongs to: torch for a tensor, NumPy for all else."""
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", ())  # another thread may be in the middle of importing torch
    return torch if isinstance(x, tensor) else np


# Element by element


def tanh(x: Array) -> Array:
    """Hyperbolic tangent; x of any shape."""
    return _library(x).tanh(x)


def sin(x: Array) -> Array:
    """Sine; x of any shape."""
    return _library(x).sin(x)


def cos(x: Array) -> Array:
    """Cosine; x of any shape."""
    return _library(x).cos(x)


def relu(x: Array) -> Array:
    """max(x, 0); x of any shape."""
    library = _library(x)
    return library.relu(x) if library is not np else np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + e⁻ˣ); x of any shape."""
    library = _library(x)
    if library is not np:
        return library.sigmoid(x)
    with np.errstate(over="ignore"):  # e⁻ˣ may overflow to ∞: then 1/∞ = 0 is the right answer
        return 1 / (1 + np.exp(-x))


def gelu(x: Array, approximate: bool = False) -> Array:
    """GELU, x Φ(x), or GPT-2's tanh form of it (Hendrycks & Gimpel 2016, §2); x of any shape."""
    library = _library(x)
    if library is not np:
        return library.nn.functional.gelu(x, approximate="tanh" if approximate else "none")
    if approximate:
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)))
    return x / 2 * (1 + _erf(x / math.sqrt(2)))


_NODES = 2048  # to the unit
_EDGE = 6  # 1 - erf(6) is 2e-17: beyond, float64 knows only ±1


@cache
def _erf_nodes() -> tuple[Array, Array, Array]:
    """Nodes x₀ from -6 to 6, with erf and its slope 2/√π exp(-x₀²) there."""
    x0 = np.arange(-_EDGE * _NODES, _EDGE * _NODES + 1) / _NODES
    erf = np.array([math.erf(x) for x in x0.tolist()])
    return x0, erf, 2 / math.sqrt(math.pi) * np.exp(-x0 * x0)


def _erf(x: Array) -> Array:
    """The error function, by its Taylor series about the nearest node, to 1e-15.

    NumPy has none, and math.erf on each of 200 × 768 numbers takes 16 ms; this takes 2. A node is
    at most 1/4096 away, so the first term left out, of order δ⁴, is below 1e-15.
    """
    x0, erf, slope = _erf_nodes()
    clipped = np.fmin(np.fmax(x, -_EDGE), _EDGE)  # NaN too, which has no nearest node
    nearest = np.rint(clipped * _NODES).astype(int) + _EDGE * _NODES
    a, δ = x0[nearest], clipped - x0[nearest]
    series = δ * (1 - δ * (a - δ * (2 * a * a - 1) / 3))
    return (erf[nearest] + slope[nearest] * series).astype(x.dtype)


# Along an axis


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(xᵢ) / Σⱼ exp(xⱼ) along the axis; x of any shape."""
    library = _library(x)
    if library is not np:
        return library.softmax(x, axis)
    with np.errstate(invalid="ignore"):  # nothing but -∞ has no softmax: NaN, as in torch
        e = np.exp(x - x.max(axis, keepdims=True))  # the largest exponent is 0: nothing overflows
    return e / e.sum(axis, keepdims=True)


def layer_norm(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """(x - μ) / √(σ² + ε) · weight + bias over the last axis (Ba et al. 2016, eq. 4).

    x (..., d), weight (d,), bias (d,). σ² divides by d, not d - 1, and ε stands under the root.
    """
    library = _library(x)
    if library is not np:
        return library.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, eps)
    x = x - x.mean(-1, keepdims=True)
    variance = (x * x).mean(-1, keepdims=True)
    return x / np.sqrt(variance + eps) * weight + bias


# Shapes


def where(condition: Array, x: Array, y: Array) -> Array:
    """Take x where the condition holds, y elsewhere; the three broadcast."""
    library = _library(x)
    if library is not np:  # a mask made of positions is a NumPy array even then
        condition = library.as_tensor(condition, device=x.device)
    return library.where(condition, x, y)


def concatenate(xs: Sequence[Array], axis: int = -1) -> Array:
    """The arrays one after the other along an axis they have."""
    return _library(xs[0]).concatenate(xs, axis)


def stack(xs: Sequence[Array], axis: int = 0) -> Array:
    """The arrays one after the other along a new axis."""
    return _library(xs[0]).stack(xs, axis)


def roll(x: Array, shifts: Sequence[int], axes: Sequence[int]) -> Array:
    """Move everything by `shifts` along `axes`; what leaves at one end comes in at the other."""
    library = _library(x)
    if library is not np:
        return library.roll(x, tuple(shifts), tuple(axes))
    return np.roll(x, tuple(shifts), tuple(axes))


def split(x: Array, k: int) -> list[Array]:
    """The last axis in k equal parts: (..., k d) -> k times (..., d)."""
    d, rest = divmod(x.shape[-1], k)
    if rest:
        raise ValueError(f"cannot split an axis of {x.shape[-1]} into {k} equal parts")
    return [x[..., i * d : (i + 1) * d] for i in range(k)]


def broadcast_to(x: Array, shape: Sequence[int]) -> Array:
    """Repeat x, without a copy, to fill the shape."""
    return _library(x).broadcast_to(x, shape)


# Out of nothing


class _Undrawn:
    """A generator that draws zeros only: they cost neither time nor memory until they are used."""

    def normal(self, _mean: float, _deviation: float, shape: Sequence[int]) -> Array:
        return np.zeros(shape)

    def uniform(self, _low: float, _high: float, shape: Sequence[int]) -> Array:
        return np.zeros(shape)


UNDRAWN: Generator = _Undrawn()  # type: ignore[assignment]


def zeros(shape: Sequence[int], like: Array) -> Array:
    """Zeros of the library, dtype and device of `like`."""
    library = _library(like)
    if library is not np:
        return like.new_zeros(shape)
    return np.zeros(shape, like.dtype)


def arange(n: int) -> Array:
    """0, 1, ..., n - 1 as a NumPy array: nothing here says that it should be another's."""
    return np.arange(n)


def identity(n: int) -> Array:
    """The n × n identity matrix, as a NumPy array."""
    return np.eye(n)


def cast(x: Array, like: Array) -> Array:
    """x, a NumPy array, in the library, dtype and device of `like`."""
    library = _library(like)
    if library is not np:
        return library.as_tensor(x, dtype=like.dtype, device=like.device)
    return x.astype(like.dtype, copy=False)
