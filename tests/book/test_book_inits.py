"""How recurrent cells may begin: orthogonal matrices, and biases that open the gates."""

import numpy as np
import pytest

from seqlab.book import gru, lstm, rnn

C, D = 3, 7


@pytest.mark.parametrize("d", [1, 2, 7, 80])
def test_orthogonal_is_orthogonal(d: int) -> None:
    p = rnn.orthogonal(np.random.default_rng(0), C, d)
    np.testing.assert_allclose(p.W_h @ p.W_h.T, np.eye(d), atol=1e-12)
    assert p.W_x.shape == (C, d) and p.b.shape == (d,)
    assert max(np.abs(p.W_x).max(), np.abs(p.b).max()) <= 1 / np.sqrt(d)


def test_orthogonal_matrices_are_drawn_evenly() -> None:
    """Rotations and reflections alike; every entry of mean 0 and variance 1/d."""
    rng = np.random.default_rng(0)
    drawn = np.array([rnn.orthogonal(rng, 1, 2).W_h for _i in range(4000)])
    assert np.mean(np.linalg.det(drawn) > 0) == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.05)
    np.testing.assert_allclose((drawn**2).mean(0), 0.5, atol=0.03)


def test_chrono_sets_biases_and_nothing_else() -> None:
    plain, p = (f(np.random.default_rng(0), C, D) for f in (lstm.init, chrono_lstm))
    np.testing.assert_array_equal(p.W_x, plain.W_x)
    np.testing.assert_array_equal(p.W_h, plain.W_h)
    np.testing.assert_array_equal(p.b[2 * D :], plain.b[2 * D :])
    np.testing.assert_array_equal(p.b[:D], -p.b[D : 2 * D])
    plain, q = (f(np.random.default_rng(0), C, D) for f in (gru.init, chrono_gru))
    rest = np.r_[0:D, 2 * D : 3 * D]
    np.testing.assert_array_equal(q.W_h, plain.W_h)
    for ours, theirs in ((q.b_x, plain.b_x), (q.b_h, plain.b_h)):
        np.testing.assert_array_equal(ours[rest], theirs[rest])
    assert not q.b_h[D : 2 * D].any()


def chrono_lstm(rng: np.random.Generator, c: int, d: int) -> lstm.LSTM:
    return lstm.chrono(rng, c, d, 100)


def chrono_gru(rng: np.random.Generator, c: int, d: int) -> gru.GRU:
    return gru.chrono(rng, c, d, 100)


def test_a_gate_remembers_from_two_steps_to_the_longest_lag() -> None:
    rng = np.random.default_rng(0)
    forget = lstm.chrono(rng, 1, 5000, 100).b[5000:10000]
    update = gru.chrono(rng, 1, 5000, 100).b_x[5000:10000]
    for bias in (forget, update):
        steps = 1 / (1 - 1 / (1 + np.exp(-bias)))  # the gate alone: the weights are not asked
        assert 2 <= steps.min() < 2.5 and 99 < steps.max() <= 100
        assert np.mean(steps) == pytest.approx(51, abs=1.5)  # uniform


def test_a_cell_without_weights_decays_as_its_gate_says() -> None:
    """Half-life and memory are those of the docstrings: c_t = σ(b_f)ᵗ c_0."""
    p = lstm.chrono(np.random.default_rng(1), C, D, 50)
    p = p._replace(W_x=0 * p.W_x, W_h=0 * p.W_h, b=np.where(np.arange(4 * D) // D == 2, 0, p.b))
    first = lstm.initial_state(p)._replace(c=np.ones(D))
    states = lstm.unroll(p, np.zeros((9, C)), first)
    u = np.exp(p.b[D : 2 * D])
    np.testing.assert_allclose(states[-1].c, (u / (1 + u)) ** 9, rtol=1e-12)
