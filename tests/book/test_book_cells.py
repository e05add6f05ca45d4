"""The three cells, forward and backward, against torch.nn and its autograd."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from seqlab.book import gru, lstm, rnn

T, B, C, D, S = 6, 4, 3, 5, 2  # all different: a transposed matrix cannot pass
CELLS = [rnn, lstm, gru]
each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__.split(".")[-1])


def kind(cell: Any) -> Any:
    """The type of a cell's parameters: rnn -> RNN."""
    return getattr(cell, cell.__name__.split(".")[-1].upper())


def parameters(cell: Any, draw: Any) -> Any:
    return kind(cell)(*(draw(*w.shape) for w in cell.init(np.random.default_rng(0), C, D)))


def first_state(cell: Any, p: Any, draw: Any, *leading: int) -> Any:
    """Random h_0 (and c_0), and gates that are not numbers: no step may read those of the last."""
    zeros = cell.initial_state(p, *leading)
    drawn = {name: draw(*leading, D) for name in ("h", "c") if hasattr(zeros, name)}
    return type(zeros)(*(np.nan * z for z in zeros))._replace(**drawn)


def tracked(tree: Any) -> Any:
    """A NamedTuple of NumPy arrays as torch tensors with gradients."""
    return type(tree)(*(torch.tensor(a, requires_grad=True) for a in tree))


class Oracle:
    """torch.nn.RNN, LSTM or GRU with our parameters, run once; then its gradients in our layout."""

    def __init__(self, cell: Any, p: Any, xs: Any, state: Any) -> None:
        self.kind = kind(cell)
        self.net = getattr(torch.nn, self.kind.__name__)(C, D, dtype=torch.tensor(xs).dtype)
        # Where we have one bias torch has two: a random share of ours goes to each.
        b_x, b_h = p[2:] if len(p) == 4 else (0.3 * p.b, 0.7 * p.b)
        for ours, theirs in zip((p.W_x.T, p.W_h.T, b_x, b_h), self.net.parameters(), strict=True):
            theirs.data = torch.tensor(ours)
        self.xs = torch.tensor(xs, requires_grad=True)
        self.first = [torch.tensor(a[None], requires_grad=True) for a in carried(state)]
        hidden = tuple(self.first) if len(self.first) == 2 else self.first[0]
        self.hs, self.last = self.net(self.xs, hidden)

    def gradients(self, dhs: Any) -> tuple[Any, ...]:
        """Gradients of Σ dhs · hs: the parameters, xs, h_0 (and c_0)."""
        (self.hs * torch.tensor(dhs)).sum().backward()
        W_x, W_h, b_x, b_h = (w.grad for w in self.net.parameters())
        biases = [b_x, b_h] if len(self.kind._fields) == 4 else [b_x]
        return self.kind(W_x.T, W_h.T, *biases), self.xs.grad, *(a.grad[0] for a in self.first)


def carried(state: Any) -> list[Any]:
    """What goes on to the next step: h, and c if there is one."""
    return [getattr(state, name) for name in ("h", "c") if hasattr(state, name)]


@pytest.fixture
def problem(cell, draw):
    """Parameters, inputs, first state, and the loss's gradient at every h."""
    p = parameters(cell, draw)
    return p, draw(T, B, C), first_state(cell, p, draw, B), draw(T, B, D)


@each_cell
def test_unroll_equals_torch_nn(cell, problem, close):
    p, xs, state, _ = problem
    oracle = Oracle(cell, p, xs, state)
    states = cell.unroll(p, xs, state)
    assert len(states) == T + 1
    assert states[0] is state
    close(np.stack([state.h for state in states[1:]]), oracle.hs)
    last = oracle.last if isinstance(oracle.last, tuple) else (oracle.last,)
    for ours, theirs in zip(carried(states[-1]), last, strict=True):
        close(ours, theirs[0])


@each_cell
def test_bptt_by_hand_equals_torch_autograd(cell, problem, close):
    p, xs, state, dhs = problem
    grads, *others = cell.bptt(p, xs, cell.unroll(p, xs, state), dhs)
    oracle_grads, *oracle_others = Oracle(cell, p, xs, state).gradients(dhs)
    assert isinstance(grads, kind(cell))
    for ours, theirs in zip([*grads, *others], [*oracle_grads, *oracle_others], strict=True):
        close(ours, theirs)


@each_cell
def test_autograd_through_the_page_equals_torch_nn(cell, problem, close):
    p, xs, state, dhs = problem
    oracle_grads, *oracle_others = Oracle(cell, p, xs, state).gradients(dhs)
    p, xs, state = tracked(p), torch.tensor(xs, requires_grad=True), tracked(state)
    hs = torch.stack([state.h for state in cell.unroll(p, xs, state)[1:]])
    (hs * torch.tensor(dhs)).sum().backward()
    ours = [*p, xs, *carried(state)]
    for leaf, theirs in zip(ours, [*oracle_grads, *oracle_others], strict=True):
        close(leaf.grad, theirs)


@each_cell
def test_bptt_by_hand_runs_on_tensors(cell, problem, close):
    p, xs, state, dhs = problem
    expected = cell.bptt(p, xs, cell.unroll(p, xs, state), dhs)
    p, state = (type(tree)(*map(torch.tensor, tree)) for tree in (p, state))
    xs, dhs = torch.tensor(xs), torch.tensor(dhs)
    grads, *others = cell.bptt(p, xs, cell.unroll(p, xs, state), dhs)
    for ours, theirs in zip([*grads, *others], [*expected[0], *expected[1:]], strict=True):
        close(ours, theirs)


@each_cell
def test_a_leading_axis_of_models_equals_a_loop(cell, draw, close):
    models = [parameters(cell, draw) for _ in range(S)]
    matrices = [np.stack([p[k] for p in models]) for k in (0, 1)]
    biases = [np.stack(b)[:, None] for b in list(zip(*models, strict=True))[2:]]
    p = kind(cell)(*matrices, *biases)
    xs, dhs = draw(T, S, B, C), draw(T, S, B, D)
    state = first_state(cell, p, draw, S, B)
    together = cell.bptt(p, xs, cell.unroll(p, xs, state), dhs)
    for s, model in enumerate(models):
        own = type(state)(*(a[s] for a in state))
        states = cell.unroll(model, xs[:, s], own)
        grads, dxs, *firsts = cell.bptt(model, xs[:, s], states, dhs[:, s])
        for all_models, one in zip(together[0], grads, strict=True):
            close(all_models[s].reshape(one.shape), one)
        close(together[1][:, s], dxs)
        for all_models, one in zip(together[2:], firsts, strict=True):
            close(all_models[s], one)
    for grad, w in zip(together[0], p, strict=True):
        assert grad.shape == w.shape


@each_cell
def test_a_step_needs_no_batch(cell, problem, close):
    p, xs, state, _ = problem
    alone = cell.step(p, type(state)(*(a[0] for a in state)), xs[0, 0])
    for ours, batched in zip(alone, cell.step(p, state, xs[0]), strict=True):
        close(ours, batched[0])


@each_cell
def test_initial_state_is_zero_and_its_arrays_are_separate(cell, problem, dtype):
    state = cell.initial_state(problem[0], S, B)
    assert len({id(a) for a in state}) == len(state)
    for a in state:
        assert (a.shape, a.dtype) == ((S, B, D), dtype)
        assert not a.any()
    tensors = cell.initial_state(tracked(problem[0]), B)
    assert all(isinstance(a, torch.Tensor) and a.shape == (B, D) for a in tensors)


@each_cell
def test_bptt_refuses_gradients_of_the_wrong_length(cell, problem):
    p, xs, state, dhs = problem
    with pytest.raises(ValueError, match="zip"):
        cell.bptt(p, xs, cell.unroll(p, xs, state), dhs[1:])


@each_cell
def test_init_is_uniform_and_repeats_with_its_seed(cell):
    p, again = (cell.init(np.random.default_rng(7), 40, 100) for _ in range(2))
    for w, same in zip(p, again, strict=True):
        np.testing.assert_array_equal(w, same)
        assert 0.09 < np.abs(w).max() <= 0.1
        np.testing.assert_allclose(w.std(), 0.1 / np.sqrt(3), rtol=0.15)
    blocks = {rnn: 1, lstm: 4, gru: 3}[cell]
    biases = [(100 * blocks,)] * (len(p) - 2)
    assert [w.shape for w in p] == [(40, 100 * blocks), (100, 100 * blocks), *biases]


def test_forget_bias_moves_the_forget_block_only():
    plain, moved = (lstm.init(np.random.default_rng(1), C, D, f) for f in (0.0, 2.5))
    np.testing.assert_allclose(moved.b - plain.b, np.repeat([0, 2.5, 0, 0], D), atol=1e-15)
    np.testing.assert_array_equal(moved.W_h, plain.W_h)


def test_without_weights_an_lstm_forgets_by_its_forget_bias_alone():
    """∂c_t / ∂c_{t-1} = σ(b_f) exactly: a half-life of 14 steps at b_f = 3."""
    zero = lstm.LSTM(np.zeros((C, 4 * D)), np.zeros((D, 4 * D)), np.repeat([0.0, 3.0, 0.0, 0.0], D))
    state = lstm.initial_state(zero, 1)
    after = lstm.step(zero, state, np.ones((1, C)))
    _, dh, dc = lstm.backward(zero, state, after, np.zeros((1, D)), np.ones((1, D)))
    np.testing.assert_allclose(dc, 1 / (1 + np.exp(-3.0)), rtol=1e-14)
    assert not dh.any()


def test_lstm_backward_takes_the_gradient_of_the_cell(draw, close):
    p, x, dh, dc = parameters(lstm, draw), draw(B, C), draw(B, D), draw(B, D)
    prev = first_state(lstm, p, draw, B)
    net = torch.nn.LSTMCell(C, D, dtype=torch.tensor(x).dtype)
    shares = (p.W_x.T, p.W_h.T, 2 * p.b, -p.b)
    for ours, theirs in zip(shares, net.parameters(), strict=True):
        theirs.data = torch.tensor(ours)
    h, c = (torch.tensor(a, requires_grad=True) for a in (prev.h, prev.c))
    h_next, c_next = net(torch.tensor(x), (h, c))
    (h_next * torch.tensor(dh) + c_next * torch.tensor(dc)).sum().backward()
    _, dh_prev, dc_prev = lstm.backward(p, prev, lstm.step(p, prev, x), dh, dc)
    close(dh_prev, h.grad)
    close(dc_prev, c.grad)


def test_highway_is_the_product_of_the_forget_gates_after(draw, close):
    p, xs = parameters(lstm, draw), draw(T, B, C)
    states = lstm.unroll(p, xs, first_state(lstm, p, draw, B))
    found = lstm.highway(states)
    assert found.shape == (T + 1, B, D)
    for t in range(T + 1):
        gates = [state.f for state in states[t + 1 :]]
        close(found[t], np.prod(np.stack([np.ones_like(states[1].f), *gates]), axis=0))


def test_cell_gradients_are_those_of_autograd(draw, close):
    """∂c_T/∂c_t whole: in torch, every c_t on the way is a tensor that h_t is made of."""
    p, xs = parameters(lstm, draw), draw(T, 1, C)
    first = first_state(lstm, p, draw, 1)
    states = lstm.unroll(p, xs, first)
    jacobians = lstm.cell_gradients(p, states, np.eye(D, dtype=xs.dtype))

    W_x, W_h, b = (torch.tensor(a) for a in p)
    h, c = torch.tensor(first.h[0]), torch.tensor(first.c[0], requires_grad=True)
    cells = [c]
    for x in torch.tensor(xs[:, 0]):
        i, f, g, o = (b + x @ W_x + h @ W_h).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        cells.append(c)
    for unit in range(D):
        for ours, theirs in zip(
            jacobians, torch.autograd.grad(c[unit], cells, retain_graph=True), strict=True
        ):
            close(ours[unit], theirs)

    weights = draw(B, D)  # one row for each of many sequences: ∂(c_T · w)/∂c_t
    many = lstm.unroll(p, np.repeat(xs, B, 1), lstm.State(*(np.repeat(a, B, 0) for a in first)))
    close(lstm.cell_gradients(p, many, weights), weights @ jacobians)


def test_without_a_way_through_h_the_highway_is_all(draw, close):
    p, xs = parameters(lstm, draw)._replace(W_h=draw(D, 4 * D) * 0), draw(T, 1, C)
    states = lstm.unroll(p, xs, first_state(lstm, p, draw, 1))
    jacobians = lstm.cell_gradients(p, states, np.eye(D, dtype=xs.dtype))
    close(np.diagonal(jacobians, axis1=1, axis2=2).copy(), lstm.highway(states)[:, 0])
    assert np.count_nonzero(jacobians[0]) == D


def test_lstm_gates_bear_their_names(draw, close):
    p, x = parameters(lstm, draw), draw(B, C)
    prev = first_state(lstm, p, draw, B)
    state = lstm.step(p, prev, x)
    a = torch.tensor(x @ p.W_x + prev.h @ p.W_h + p.b)
    i, f, g, o = a.unflatten(-1, (4, D)).unbind(-2)
    close(state.i, i.sigmoid())
    close(state.f, f.sigmoid())
    close(state.g, g.tanh())
    close(state.o, o.sigmoid())


def test_gru_gates_bear_their_names(draw, close):
    p, x = parameters(gru, draw), draw(B, C)
    prev = first_state(gru, p, draw, B)
    state = gru.step(p, prev, x)
    from_x = torch.tensor(x @ p.W_x + p.b_x).unflatten(-1, (3, D)).unbind(-2)
    from_h = torch.tensor(prev.h @ p.W_h + p.b_h).unflatten(-1, (3, D)).unbind(-2)
    r = (from_x[0] + from_h[0]).sigmoid()
    close(state.r, r)
    close(state.z, (from_x[1] + from_h[1]).sigmoid())
    close(state.u, from_h[2])
    close(state.n, (from_x[2] + r * from_h[2]).tanh())


def test_linear_network_equals_plain_torch(draw, close):
    p, xs, dhs = parameters(rnn, draw), draw(T, B, C), draw(T, B, D)
    state = rnn.State(draw(B, D))
    states = rnn.unroll(p, xs, state, rnn.LINEAR)
    grads, dxs, dh = rnn.bptt(p, xs, states, dhs, rnn.LINEAR)

    leaves = [torch.tensor(a, requires_grad=True) for a in (*p, xs, state.h)]
    W_x, W_h, b, inputs, h = leaves
    loss = torch.tensor(0.0)
    for x, weight, ours in zip(inputs, torch.tensor(dhs), states[1:], strict=True):
        h = torch.addmm(torch.addmm(b, x, W_x), h, W_h)
        close(ours.h, h)
        loss = loss + (h * weight).sum()
    loss.backward()
    for ours, leaf in zip([*grads, dxs, dh], leaves, strict=True):
        close(ours, leaf.grad)


def test_linear_gradient_shrinks_by_the_radius_exactly():
    """With W_h = ρ · orthogonal, ‖∂L/∂h‖ falls by ρ a step (facts of the course, measured)."""
    rng = np.random.default_rng(0)
    orthogonal, _ = np.linalg.qr(rng.normal(size=(D, D)))
    p = rnn.init(rng, C, D)._replace(W_h=0.9 * orthogonal)
    states = rnn.unroll(p, rng.normal(size=(T, 1, C)), rnn.initial_state(p, 1), rnn.LINEAR)
    dh = rng.normal(size=(1, D))
    for prev, state in pairwise(states):
        _, dh_prev = rnn.backward(p, prev, state, dh, rnn.LINEAR)
        np.testing.assert_allclose(np.linalg.norm(dh_prev) / np.linalg.norm(dh), 0.9, rtol=1e-13)
        dh = dh_prev
