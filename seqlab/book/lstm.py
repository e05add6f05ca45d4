"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers et al. 2000.

    i, f, o = σ(x_t W_x + h_{t-1} W_h + b)    g = tanh(likewise)
    c_t = f ⊙ c_{t-1} + i ⊙ g                  h_t = o ⊙ tanh(c_t)

These are equations 7 to 11 of Graves 2013 without the peepholes, which are rarely used today.
Vectors are rows here, x W, where the papers write W x. The four blocks stand side by side in one
matrix, in torch's order i, f, g, o. torch has two biases and adds them; one says the same.

Shapes: x (..., c), everything in a state (..., d). For many models at once every parameter gets a
leading axis, the bias as (..., 1, 4d).
"""

import math
from typing import NamedTuple

from seqlab.book.ops import Array, Generator, concatenate, sigmoid, split, stack, tanh, zeros
from seqlab.book.rnn import over_time


class LSTM(NamedTuple):
    """The parameters, each in four blocks: i, f, g, o."""

    W_x: Array  # (c, 4d)
    W_h: Array  # (d, 4d)
    b: Array  # (4d,)


class State(NamedTuple):
    """What one step leaves behind: output and cell, and the gates that made them."""

    h: Array  # (..., d)
    c: Array  # (..., d)
    i: Array  # (..., d) input gate
    f: Array  # (..., d) forget gate
    g: Array  # (..., d) what is offered to the cell
    o: Array  # (..., d) output gate


def init(rng: Generator, c: int, d: int, forget_bias: float = 0.0) -> LSTM:
    """Parameters from U(-1/√d, 1/√d), as in torch; `forget_bias` is added to the f block of b.

    1 is the usual choice (Jozefowicz et al. 2015): gates that start open let the gradient through.
    """
    k = 1 / math.sqrt(d)
    p = LSTM(*(rng.uniform(-k, k, shape) for shape in [(c, 4 * d), (d, 4 * d), (4 * d,)]))
    p.b[d : 2 * d] += forget_bias
    return p


def chrono(rng: Generator, c: int, d: int, longest: int) -> LSTM:
    """As `init`, with the biases b_f = log u, b_i = -b_f, u from U(1, longest - 1).

    (Tallec & Ollivier 2018, eq. 16.) A gate that rests at f = σ(b_f) remembers for about
    1 / (1 - f) = 1 + u steps: from 2 to `longest`, the longest lag that one expects.
    """
    p = init(rng, c, d)
    for j, u in enumerate(rng.uniform(1, longest - 1, (d,))):
        p.b[j], p.b[d + j] = -math.log(u), math.log(u)
    return p


def initial_state(p: LSTM, *leading: int) -> State:
    """h_0 = c_0 = 0, of shape (*leading, d); its gates, which made nothing, are 0 too."""
    shape = (*leading, p.W_h.shape[-2])
    return State(*(zeros(shape, like=p.W_h) for _ in State._fields))


def step(p: LSTM, prev: State, x: Array) -> State:
    """One step (Graves 2013, eq. 7 to 11, no peepholes); x (..., c) -> everything (..., d)."""
    i, f, g, o = split(x @ p.W_x + prev.h @ p.W_h + p.b, 4)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = f * prev.c + i * g
    return State(o * tanh(c), c, i, f, g, o)


def cell_gradient(state: State, dh: Array, dc: Array) -> Array:
    """All of ∂L/∂c_t: what comes along the cell, and what comes down from h_t = o ⊙ tanh(c_t)."""
    tanh_c = tanh(state.c)
    return dc + dh * state.o * (1 - tanh_c * tanh_c)


def backward(
    p: LSTM, prev: State, state: State, dh: Array, dc: Array
) -> tuple[Array, Array, Array]:
    """∂L/∂a (..., 4d) before the gates, ∂L/∂h_{t-1} and ∂L/∂c_{t-1} (Greff et al. 2017, §II-B).

    dh and dc (..., d) come from step t + 1 and from the loss. From c_t to c_{t-1} there is no
    matrix and no slope, only f.
    """
    h, _, i, f, g, o = state
    dc = cell_gradient(state, dh, dc)
    da = concatenate(
        [
            dc * g * i * (1 - i),  # i
            dc * prev.c * f * (1 - f),  # f
            dc * i * (1 - g * g),  # g
            dh * h * (1 - o),  # o: ∂h/∂o times o is h
        ]
    )
    return da, da @ p.W_h.mT, dc * f


def gradients(x: Array, h_prev: Array, da: Array) -> LSTM:
    """∂L/∂W_x, ∂L/∂W_h and ∂L/∂b, summed over the batch (Greff et al. 2017, §II-B).

    x (..., b, c), h_prev (..., b, d), da (..., b, 4d). Leading axes stay: they
    are the models.
    """
    return LSTM(
        W_x=x.mT @ da,
        W_h=h_prev.mT @ da,
        b=da.sum(-2, keepdims=da.ndim > 2),  # (4d,), but (..., 1, 4d) for many models
    )


def unroll(p: LSTM, xs: Array, state: State) -> list[State]:
    """The states 0 to t, from state 0 and the inputs xs (t, ..., b, c)."""
    states = [state]
    for x in xs:
        states.append(step(p, states[-1], x))
    return states


def bptt(p: LSTM, xs: Array, states: list[State], dhs: Array) -> tuple[LSTM, Array, Array, Array]:
    """Backpropagation through time: the gradients of the parameters, of xs, of h_0 and of c_0.

    xs (t, ..., b, c); the t + 1 states of `unroll`; dhs (t, ..., b, d), what the loss alone says
    about each h_t.
    """
    das, dh, dc = [], 0.0, 0.0  # nothing comes from beyond the last step
    for prev, state, dh_t in reversed(list(zip(states[:-1], states[1:], dhs, strict=True))):
        da, dh, dc = backward(p, prev, state, dh + dh_t, dc)
        das.append(da)
    da = stack(das[::-1])
    before = stack([state.h for state in states[:-1]])
    return gradients(over_time(xs), over_time(before), over_time(da)), da @ p.W_x.mT, dh, dc


def highway(states: list[State]) -> Array:
    """∏ f_k over the steps k after t, for every t from 0 to the last: (t + 1, ..., d).

    It is what ∂c_T/∂c_t would be if nothing flowed through h; with f = 1 the constant error
    carousel of Hochreiter & Schmidhuber 1997, §3.2. At the last step it is 1.
    """
    product = 1 + 0 * states[-1].f
    products = [product]
    for state in reversed(states[1:]):
        product = product * state.f
        products.append(product)
    return stack(products[::-1])


def cell_gradients(p: LSTM, states: list[State], dc: Array) -> Array:
    """∂L/∂c_t for every t from 0 to the last, of an L with ∂L/∂c_T = dc: (t + 1, ..., d).

    All of it: along the cell, and through every h on the way. For dc the identity, and states
    (1, d), it is the whole Jacobian ∂c_T/∂c_t, (t + 1, d, d): rows are units of c_T.
    """
    grads, dh = [dc], 0 * dc
    for state, prev in zip(states[:0:-1], states[-2::-1], strict=True):
        _, dh, dc = backward(p, prev, state, dh, dc)
        grads.append(cell_gradient(prev, dh, dc))
    grads[-1] = dc  # h_0 is given, not made of c_0
    return stack(grads[::-1])
