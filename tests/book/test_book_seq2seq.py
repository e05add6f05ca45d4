"""The encoder-decoder against torch.nn: one sequence at a time, unpadded, outputs and gradients."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqlab import train, trees
from seqlab.book import seq2seq
from seqlab.book.seq2seq import Bahdanau, Luong

V, W, C, D, S, T = 7, 5, 4, 6, 6, 3  # no two sizes of one array are alike, but for S and D
LENGTHS = np.array([6, 1, 4])
KINDS = ["none", "dot", "additive"]

pytestmark = pytest.mark.filterwarnings("ignore:.*RNN module weights.*")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["both ways", "one way"])
def both_ways(request):
    return request.param


def network(draw, kind, both_ways):
    """A network all of whose parameters are redrawn: biases too."""
    p = seq2seq.init(np.random.default_rng(0), V, W, C, D, kind, both_ways)
    return trees.convert(lambda leaf: draw(*leaf.shape), p)


def sequences(seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, V, (3, S)), rng.integers(0, W + 1, (3, T))


def tensors(p):
    return trees.convert(lambda x: torch.tensor(x, requires_grad=True), p)


def copied(module, cell, suffix):
    """The parameters of a cell into a module of torch.nn; what is left is a bias of zero."""
    with torch.no_grad():
        for name, value in (
            ("weight_ih", cell.W_x.T), ("weight_hh", cell.W_h.T), ("bias_ih", cell.b),
            ("bias_hh", torch.zeros_like(cell.b)),
        ):  # fmt: skip
            getattr(module, name + suffix).copy_(value)


class Oracle:
    """torch.nn's modules with the page's parameters, and the gradients in the page's shapes."""

    def __init__(self, p):
        self.p = tensors(p)
        encoder, decoder = self.p
        both = encoder.backward is not None
        dtype = encoder.embed.dtype
        self.reader = torch.nn.LSTM(C, D, bidirectional=both, dtype=dtype)
        self.writer = torch.nn.LSTMCell(decoder.cell.W_x.shape[0], D, dtype=dtype)
        self.cells = [(self.reader, encoder.forward, "_l0"), (self.writer, decoder.cell, "")]
        if both:
            self.cells.append((self.reader, encoder.backward, "_l0_reverse"))
        for module, cell, suffix in self.cells:
            copied(module, cell, suffix)

    def __call__(self, xs, lengths, ys):
        rows = [self.single(x[:n], y) for x, n, y in zip(xs, lengths, ys)]
        scores = torch.stack([scores for scores, _weights in rows])
        if rows[0][1] is None:
            return scores, None
        return scores, torch.stack([F.pad(w, (0, xs.shape[1] - w.shape[1])) for _s, w in rows])

    def single(self, x, y):
        """One sequence x (s,) without padding: scores (t, w), weights (t, s)."""
        encoder, decoder = self.p
        h, (last, _c) = self.reader(F.embedding(torch.tensor(x), encoder.embed))
        first = F.linear(last.flatten(), decoder.W_z.T, decoder.b_z)
        s, c, a = torch.tanh(first), first, decoder.attention
        scores, weights = [], []
        for symbol in y:
            before = decoder.embed[int(symbol)]
            if isinstance(a, Bahdanau):
                e = [torch.dot(a.v, torch.tanh(a.W_a.T @ s + a.U_a.T @ h_s)) for h_s in h]
                weights.append(F.softmax(torch.stack(e), 0))
                context = sum(w * h_s for w, h_s in zip(weights[-1], h))
                before = torch.cat([before, context])
            s, c = self.writer(before, (s, c))
            out = s
            if isinstance(a, Luong):
                e = [torch.dot(s, a.W_a @ h_s) for h_s in h]
                weights.append(F.softmax(torch.stack(e), 0))
                context = sum(w * h_s for w, h_s in zip(weights[-1], h))
            if a is not None:
                out = torch.tanh(a.W_c.T @ torch.cat([context, s]))
            scores.append(F.linear(out, decoder.W_y.T, decoder.b_y))
        return torch.stack(scores), torch.stack(weights) if weights else None

    def gradients(self):
        """By the names of the page's parameters."""
        found = {name: leaf.grad for name, leaf in trees.leaves(self.p)}
        for (module, _cell, suffix), name in zip(
            self.cells, ("encoder.forward", "decoder.cell", "encoder.backward")
        ):
            for ours, theirs in (("W_x", "weight_ih"), ("W_h", "weight_hh"), ("b", "bias_ih")):
                grad = getattr(module, theirs + suffix).grad
                found[f"{name}.{ours}"] = grad.T if grad.ndim == 2 else grad
        return found


def test_teacher_forcing(draw, close, kind, both_ways):
    p, (xs, ys) = network(draw, kind, both_ways), sequences()
    oracle = Oracle(p)
    scores, weights = oracle(xs, LENGTHS, ys)
    plain = seq2seq.teach(p, xs, LENGTHS, ys)
    close(plain.scores, scores)
    direction = torch.tensor(draw(*scores.shape))
    (scores * direction).sum().backward()
    expected = oracle.gradients()
    for unroll in (seq2seq.unroll, train.unroll):  # the page's, and torch's fused kernel
        q = tensors(p)
        output = seq2seq.teach(q, xs, LENGTHS, ys, unroll)
        close(output.scores, scores)
        assert (output.weights is None) == (weights is None) == (kind == "none")
        if weights is not None:
            close(output.weights, weights)
            close(plain.weights, weights)
        (output.scores * direction).sum().backward()
        for name, leaf in trees.leaves(q):
            close(leaf.grad, expected[name])
            assert leaf.grad.abs().max() > 0, name


def test_greedy_is_teacher_forcing_by_its_own_hand(draw, close, kind, both_ways):
    p, (xs, _ys) = network(draw, kind, both_ways), sequences()
    ys, output = seq2seq.greedy(p, xs, LENGTHS, T)
    assert ys.shape == (3, T) and ys.max() < W
    np.testing.assert_array_equal(ys, output.scores.argmax(-1))
    before = np.concatenate([np.full((3, 1), W), ys[:, :-1]], axis=1)  # W is the start
    taught = seq2seq.teach(p, xs, LENGTHS, before)
    close(output.scores, taught.scores)
    if kind != "none":
        close(output.weights, taught.weights)
    in_torch, fused = seq2seq.greedy(tensors(p), xs, LENGTHS, T, train.unroll)
    np.testing.assert_array_equal(ys, in_torch.numpy())
    close(fused.scores, output.scores)


def test_nothing_depends_on_the_padding(draw, kind, both_ways):
    p, (xs, ys) = network(draw, kind, both_ways), sequences()
    there = np.arange(S) < LENGTHS[:, None]
    expected = seq2seq.teach(p, xs, LENGTHS, ys)
    other = seq2seq.teach(p, np.where(there, xs, (xs + 1) % V), LENGTHS, ys)
    np.testing.assert_array_equal(expected.scores, other.scores)
    wider = np.pad(xs, ((0, 0), (0, 2)))
    np.testing.assert_allclose(
        seq2seq.teach(p, wider, LENGTHS, ys).scores, expected.scores, rtol=1e-4, atol=1e-5
    )
    if expected.weights is not None:
        np.testing.assert_array_equal(expected.weights[~np.repeat(there[:, None], T, 1)], 0)
        np.testing.assert_allclose(expected.weights.sum(-1), 1, rtol=1e-5)


def test_turned_back_to_front_within_the_lengths():
    x = np.arange(12).reshape(2, 6)
    found = seq2seq.turned(x, np.array([4, 6]))
    assert found.tolist() == [[3, 2, 1, 0, 4, 5], [11, 10, 9, 8, 7, 6]]
    np.testing.assert_array_equal(seq2seq.turned(found, np.array([4, 6])), x)


def test_everything_passes_through_one_vector_without_attention(draw):
    """Other annotations change nothing, another z does; with attention they do."""
    xs, ys = sequences()
    for kind in ("none", "dot", "additive"):
        p = network(draw, kind, True)
        memory = seq2seq.encode(p.encoder, xs, LENGTHS)
        written = []
        for changed in (memory, memory._replace(h=memory.h + 1, keys=memory.h + 1)):
            ready, state = seq2seq.begin(p.decoder, changed)
            written.append(seq2seq.step(p.decoder, ready, state, ys[:, 0])[1].scores)
        assert np.array_equal(*written) == (kind == "none")
        ready, other = seq2seq.begin(p.decoder, memory._replace(z=memory.z + 1))
        assert not np.array_equal(
            seq2seq.step(p.decoder, ready, other, ys[:, 0])[1].scores, written[0]
        )


def test_first_values_are_as_the_page_says(kind, both_ways):
    p = seq2seq.init(np.random.default_rng(0), 400, 300, 50, 64, kind, both_ways)
    m = 128 if both_ways else 64
    assert p.encoder.embed.shape == (400, 50) and p.decoder.embed.shape == (301, 50)
    assert np.std(p.encoder.embed) == pytest.approx(1, abs=0.03)
    assert np.std(p.decoder.W_z) == pytest.approx(m**-0.5, rel=0.05)
    assert not p.decoder.b_y.any() and not p.decoder.b_z.any()
    cells = [p.encoder.forward, p.decoder.cell, *([p.encoder.backward] if both_ways else [])]
    assert len({float(cell.W_h[0, 0]) for cell in cells}) == len(cells)  # each its own draw
    for cell in cells:
        assert np.mean(cell.b[64:128]) == pytest.approx(1, abs=0.1)
        assert np.mean(cell.b[:64]) == pytest.approx(0, abs=0.1)
    assert (p.encoder.backward is None) != both_ways
    a = p.decoder.attention
    if isinstance(a, Luong):
        assert np.std(a.W_a) == pytest.approx((64 * m) ** -0.5, rel=0.05)
    elif isinstance(a, Bahdanau):
        assert np.std(a.U_a) == pytest.approx(4 * m**-0.5, rel=0.05)
        assert p.decoder.cell.W_x.shape == (50 + m, 256)
    assert (a is None) == (kind == "none")


def test_the_fast_way_has_the_same_arguments():
    names = [list(inspect.signature(f).parameters) for f in (seq2seq.unroll, train.unroll)]
    assert names[0] == names[1]
