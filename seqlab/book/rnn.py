"""The recurrent network (Elman 1990) and backpropagation through time.

Rumelhart et al. 1986 unfold the network over time; Werbos 1990 spells the procedure out.

    h_t = φ(x_t W_x + h_{t-1} W_h + b)

φ is tanh, or the identity for the linear network, in which vanishing and exploding are exact.
Equation numbers are those of Goodfellow et al. 2016, whose matrices act from the left, ours from
the right.

Shapes: x (..., c) and h (..., d). For many models at once every parameter gets a leading axis, the
bias as (..., 1, d).
"""

import math
from typing import NamedTuple

from einops import rearrange

from seqlab.book.ops import Array, Generator, Verb, stack, tanh, zeros


class RNN(NamedTuple):
    """The parameters."""

    W_x: Array  # (c, d)
    W_h: Array  # (d, d)
    b: Array  # (d,)


class State(NamedTuple):
    """What one step leaves behind."""

    h: Array  # (..., d)


class Activation(NamedTuple):
    """φ, and its slope φ'(a) written in h = φ(a), which is what the way forward keeps."""

    phi: Verb
    slope: Verb


TANH = Activation(tanh, lambda h: 1 - h * h)
LINEAR = Activation(lambda a: a, lambda h: 1)


def init(rng: Generator, c: int, d: int) -> RNN:
    """Parameters from U(-1/√d, 1/√d), as in torch, which however has two biases and adds them."""
    k = 1 / math.sqrt(d)
    return RNN(*(rng.uniform(-k, k, shape) for shape in [(c, d), (d, d), (d,)]))


def orthogonal(rng: Generator, c: int, d: int) -> RNN:
    """As `init`, with W_h drawn uniformly from the orthogonal matrices (Saxe et al. 2014, §3).

    All its singular values are 1: by itself it neither shrinks nor stretches what passes through.
    Gram and Schmidt make it, out of Gaussian rows.
    """
    rows: list[Array] = []
    for row in rng.normal(0.0, 1.0, (d, d)):
        for earlier in rows:
            row = row - (row @ earlier) * earlier
        rows.append(row / math.sqrt(row @ row))
    return init(rng, c, d)._replace(W_h=stack(rows))


def initial_state(p: RNN, *leading: int) -> State:
    """h_0 = 0, of shape (*leading, d)."""
    return State(zeros((*leading, p.W_h.shape[-1]), like=p.W_h))


def step(p: RNN, prev: State, x: Array, activation: Activation = TANH) -> State:
    """h_t = φ(x_t W_x + h_{t-1} W_h + b) (eq. 10.8, 10.9); x (..., c) -> h (..., d)."""
    return State(activation.phi(x @ p.W_x + prev.h @ p.W_h + p.b))


def backward(
    p: RNN, prev: State, state: State, dh: Array, activation: Activation = TANH
) -> tuple[Array, Array]:
    """∂L/∂a_t = φ'(a_t) ⊙ ∂L/∂h_t and ∂L/∂h_{t-1} = ∂L/∂a_t W_hᵀ (eq. 10.21); all (..., d).

    Every step back multiplies by diag(φ') W_hᵀ: this product vanishes or explodes (Pascanu et al.
    2013, eq. 5). `prev` is for the sake of the gated cells, which need it.
    """
    da = dh * activation.slope(state.h)
    return da, da @ p.W_h.mT


def gradients(x: Array, h_prev: Array, da: Array) -> RNN:
    """∂L/∂W_x, ∂L/∂W_h and ∂L/∂b, summed over the batch (eq. 10.23, 10.25 to 10.28).

    x (..., b, c), h_prev and da (..., b, d). Leading axes stay: they are the models.
    """
    return RNN(
        W_x=x.mT @ da,
        W_h=h_prev.mT @ da,
        b=da.sum(-2, keepdims=da.ndim > 2),  # (d,), but (..., 1, d) for many models
    )


def unroll(p: RNN, xs: Array, state: State, activation: Activation = TANH) -> list[State]:
    """The states 0 to t, from state 0 and the inputs xs (t, ..., b, c)."""
    states = [state]
    for x in xs:
        states.append(step(p, states[-1], x, activation))
    return states


def bptt(
    p: RNN,
    xs: Array,
    states: list[State],
    dhs: Array,
    activation: Activation = TANH,
) -> tuple[RNN, Array, Array]:
    """Backpropagation through time: the gradients of the parameters, of xs and of h_0.

    xs (t, ..., b, c); the t + 1 states of `unroll`; dhs (t, ..., b, d), what the loss alone says
    about each h_t.
    """
    das, dh = [], 0.0  # nothing comes from beyond the last step
    for prev, state, dh_t in reversed(list(zip(states[:-1], states[1:], dhs, strict=True))):
        da, dh = backward(p, prev, state, dh + dh_t, activation)
        das.append(da)
    da = stack(das[::-1])
    before = stack([state.h for state in states[:-1]])
    return gradients(over_time(xs), over_time(before), over_time(da)), da @ p.W_x.mT, dh


def over_time(x: Array) -> Array:
    """All steps in one batch: (t, ..., b, d) -> (..., t b, d).

    A shared parameter has the sum over the steps for its gradient, as it has that over the batch.
    """
    return rearrange(x, "t ... b d -> ... (t b) d")
