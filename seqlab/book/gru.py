"""The gated recurrent unit (Cho et al. 2014, eq. 5 to 8), in torch's form.

    r, z = σ(x_t W_x + b_x + h_{t-1} W_h + b_h)
    n = tanh(x_t W_x + b_x + r ⊙ (h_{t-1} W_h + b_h))
    h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}

Cho et al. reset before the product, (r ⊙ h_{t-1}) W_h. Here the reset comes after it, so that one
product serves all three blocks and trained weights from torch fit. It is also why there are two
biases: r scales the second.

Shapes: x (..., c), everything in a state (..., d). For many models at once every parameter gets a
leading axis, the biases as (..., 1, 3d).
"""

import math
from typing import NamedTuple

from seqlab.book.ops import Array, Generator, concatenate, sigmoid, split, stack, tanh, zeros
from seqlab.book.rnn import over_time


class GRU(NamedTuple):
    """The parameters, each in three blocks: r, z, n."""

    W_x: Array  # (c, 3d)
    W_h: Array  # (d, 3d)
    b_x: Array  # (3d,)
    b_h: Array  # (3d,)


class State(NamedTuple):
    """What one step leaves behind: output, gates, and the candidate with its recurrent part."""

    h: Array  # (..., d)
    r: Array  # (..., d) reset gate
    z: Array  # (..., d) update gate: 1 keeps the old state
    n: Array  # (..., d) candidate
    u: Array  # (..., d) h_{t-1} W_h + b_h of block n, before the reset


def init(rng: Generator, c: int, d: int) -> GRU:
    """Parameters from U(-1/√d, 1/√d), as in torch."""
    k = 1 / math.sqrt(d)
    shapes = [(c, 3 * d), (d, 3 * d), (3 * d,), (3 * d,)]
    return GRU(*(rng.uniform(-k, k, shape) for shape in shapes))


def chrono(rng: Generator, c: int, d: int, longest: int) -> GRU:
    """As `init`, with the bias log u of the update gate in b_x, 0 in b_h, u from U(1, longest - 1).

    (Tallec & Ollivier 2018, §2, whose gate is our 1 - z.) A gate that rests at z remembers for
    about 1 / (1 - z) = 1 + u steps: from 2 to `longest`, the longest lag that one expects.
    """
    p = init(rng, c, d)
    for j, u in enumerate(rng.uniform(1, longest - 1, (d,))):
        p.b_x[d + j], p.b_h[d + j] = math.log(u), 0.0
    return p


def initial_state(p: GRU, *leading: int) -> State:
    """h_0 = 0, of shape (*leading, d); its gates, which made nothing, are 0 too."""
    shape = (*leading, p.W_h.shape[-2])
    return State(*(zeros(shape, like=p.W_h) for _ in State._fields))


def step(p: GRU, prev: State, x: Array) -> State:
    """One step (Cho et al. 2014, eq. 5 to 8, reset after the product); x (..., c) -> (..., d)."""
    x_r, x_z, x_n = split(x @ p.W_x + p.b_x, 3)
    h_r, h_z, u = split(prev.h @ p.W_h + p.b_h, 3)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = tanh(x_n + r * u)
    return State((1 - z) * n + z * prev.h, r, z, n, u)


def backward(p: GRU, prev: State, state: State, dh: Array) -> tuple[tuple[Array, Array], Array]:
    """(∂L/∂(x W_x + b_x), ∂L/∂(h_{t-1} W_h + b_h)), each (..., 3d), and ∂L/∂h_{t-1} (..., d).

    The two differ in block n only, where r stands between them. dh (..., d) comes from step t + 1
    and from the loss.
    """
    _, r, z, n, u = state
    da_n = dh * (1 - z) * (1 - n * n)
    da_z = dh * (prev.h - n) * z * (1 - z)
    da_r = da_n * u * r * (1 - r)
    da_x = concatenate([da_r, da_z, da_n])
    da_h = concatenate([da_r, da_z, da_n * r])
    return (da_x, da_h), dh * z + da_h @ p.W_h.mT


def gradients(x: Array, h_prev: Array, da: tuple[Array, Array]) -> GRU:
    """The gradients of the four parameters, summed over the batch.

    x (..., b, c), h_prev (..., b, d), both parts of da (..., b, 3d). Leading axes stay:
    they are the models.
    """
    da_x, da_h = da
    many = da_x.ndim > 2  # then biases are (..., 1, 3d), else (3d,)
    return GRU(
        W_x=x.mT @ da_x,
        W_h=h_prev.mT @ da_h,
        b_x=da_x.sum(-2, keepdims=many),
        b_h=da_h.sum(-2, keepdims=many),
    )


def unroll(p: GRU, xs: Array, state: State) -> list[State]:
    """The states 0 to t, from state 0 and the inputs xs (t, ..., b, c)."""
    states = [state]
    for x in xs:
        states.append(step(p, states[-1], x))
    return states


def bptt(p: GRU, xs: Array, states: list[State], dhs: Array) -> tuple[GRU, Array, Array]:
    """Backpropagation through time: the gradients of the parameters, of xs and of h_0.

    xs (t, ..., b, c); the t + 1 states of `unroll`; dhs (t, ..., b, d), what the loss alone says
    about each h_t.
    """
    das, dh = [], 0.0  # nothing comes from beyond the last step
    for prev, state, dh_t in reversed(list(zip(states[:-1], states[1:], dhs, strict=True))):
        da, dh = backward(p, prev, state, dh + dh_t)
        das.append(da)
    da_x, da_h = (stack(part[::-1]) for part in zip(*das, strict=True))
    before = stack([state.h for state in states[:-1]])
    both = over_time(da_x), over_time(da_h)
    return gradients(over_time(xs), over_time(before), both), da_x @ p.W_x.mT, dh
