"""Positions against the papers' formulas in plain Python, and against transformers' functions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.gptj import modeling_gptj as gptj
from transformers.models.llama import modeling_llama as llama
from transformers.models.roformer.modeling_roformer import RoFormerSelfAttention

from seqlab.book import attention
from seqlab.book.positions import alibi, angles, grid_sinusoidal, rotary, shift, sinusoidal


def angle(pos: int, j: int, d: int) -> float:
    return float(pos / math.pow(10000.0, 2 * (j // 2) / d))


@pytest.mark.parametrize(("t", "d"), [(1, 2), (7, 6), (200, 64)])
def test_sinusoidal_is_the_formula(t, d):
    oracle = [
        [(math.cos if j % 2 else math.sin)(angle(pos, j, d)) for j in range(d)] for pos in range(t)
    ]
    ours = sinusoidal(t, d)
    assert ours.shape == (t, d)
    np.testing.assert_allclose(ours, oracle, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [1, 5, 31])
def test_a_shift_is_a_rotation_that_does_not_depend_on_the_position(k):
    t, d = 40, 8
    table = sinusoidal(t + k, d)
    for j in range(0, d, 2):
        sin, cos = math.sin(angle(k, j, d)), math.cos(angle(k, j, d))
        rotated = table[:t, j : j + 2] @ np.array([[cos, -sin], [sin, cos]])
        np.testing.assert_allclose(table[k:, j : j + 2], rotated, rtol=0, atol=1e-12)


def test_grid_has_the_row_in_one_half_and_the_column_in_the_other():
    rows, columns, d = 3, 5, 8
    ours = grid_sinusoidal(rows, columns, d)
    assert ours.shape == (rows * columns, d)
    for row in range(rows):
        for column in range(columns):
            oracle = [
                (math.cos if j % 2 else math.sin)(angle(pos, j, d // 2))
                for pos in (row, column)
                for j in range(d // 2)
            ]
            np.testing.assert_allclose(ours[row * columns + column], oracle, rtol=0, atol=1e-12)


def test_widths_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="even, not 7"):
        sinusoidal(4, 7)
    with pytest.raises(ValueError, match="multiple of 4, not 6"):
        grid_sinusoidal(2, 2, 6)


@pytest.mark.parametrize("k", [0, 1, 5, 31])
def test_the_shift_matrix_shifts(k):
    t, d = 40, 8
    table = sinusoidal(t + k, d)
    np.testing.assert_allclose(table[k:], table[:t] @ shift(k, d), rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [1, 7])
def test_the_shift_matrix_is_the_exponential_of_a_rate_of_turning(k):
    d = 6
    A = torch.zeros(d, d, dtype=torch.float64)
    for j in range(0, d, 2):
        A[j, j + 1] = -angle(1, j, d)
        A[j + 1, j] = angle(1, j, d)
    oracle = torch.linalg.matrix_exp(k * A).numpy()
    np.testing.assert_allclose(shift(k, d), oracle, rtol=0, atol=1e-12)
    np.testing.assert_allclose(shift(k, d) @ shift(3, d), shift(k + 3, d), rtol=0, atol=1e-12)


# RoPE


def tables(t, d, base=10000.0):
    """Sines and cosines of every position and pair, (t, d / 2) each, in float64."""
    angle = torch.arange(t).double()[:, None] / base ** (torch.arange(0, d, 2).double() / d)
    return angle.sin(), angle.cos()


def roformer(q, k):
    table = torch.cat(tables(*q.shape[-2:]), -1).to(q.dtype)[None, None]
    return RoFormerSelfAttention.apply_rotary_position_embeddings(table, q, k)


def gpt_j(q, k):
    sin, cos = (table.to(q.dtype)[None] for table in tables(*q.shape[-2:]))
    turned = [gptj.apply_rotary_pos_emb(x.transpose(1, 2), sin, cos) for x in (q, k)]
    return [x.transpose(1, 2) for x in turned]


def llama_after_permutation(q, k):
    """LLaMA pairs column i with i + d/2: those must be our neighbours."""
    d = q.shape[-1]
    theirs = torch.cat([torch.arange(0, d, 2), torch.arange(1, d, 2)])  # half-split from pairs
    back = torch.argsort(theirs)
    sin, cos = (torch.cat([x, x], -1).to(q.dtype)[None] for x in tables(*q.shape[-2:]))
    turned = llama.apply_rotary_pos_emb(q[..., theirs], k[..., theirs], cos, sin)
    return [x[..., back] for x in turned]


@pytest.mark.parametrize("oracle", [roformer, gpt_j, llama_after_permutation])
def test_rotary(draw, close, oracle):
    arrays = draw(2, 3, 7, 8), draw(2, 3, 7, 8)
    ours = [torch.tensor(a, requires_grad=True) for a in arrays]
    others = [torch.tensor(a, requires_grad=True) for a in arrays]
    directions = [torch.tensor(draw(2, 3, 7, 8)) for _ in arrays]
    mine, theirs = [rotary(x) for x in ours], oracle(*others)
    for array, a, b in zip(arrays, mine, theirs, strict=True):
        close(rotary(array), b)
        close(a, b)
    sums = [sum((x * v).sum() for x, v in zip(xs, directions)) for xs in (mine, theirs)]
    gradients = torch.autograd.grad(sums[0], ours), torch.autograd.grad(sums[1], others)
    for a, b in zip(*gradients, strict=True):
        close(a, b)


def test_rotary_has_its_own_base(draw, close):
    x = draw(5, 4)
    sin, cos = (table.numpy().astype(x.dtype) for table in tables(5, 4, base=100.0))
    oracle = np.empty_like(x)
    for j in range(2):
        a, b = x[:, 2 * j], x[:, 2 * j + 1]
        oracle[:, 2 * j] = a * cos[:, j] - b * sin[:, j]
        oracle[:, 2 * j + 1] = a * sin[:, j] + b * cos[:, j]
    close(rotary(x, base=100.0), oracle)
    assert np.abs(rotary(x) - oracle).max() > 1e-3


@given(
    seed=st.integers(0, 99), t=st.integers(0, 40), s=st.integers(0, 40), by=st.integers(0, 40),
    pairs=st.integers(1, 8),
)  # fmt: skip
def test_what_rotary_multiplies_depends_on_the_distance_only(seed, t, s, by, pairs):
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, 2 * pairs))
    turned_q = rotary(np.tile(q, (81, 1)))
    turned_k = rotary(np.tile(k, (81, 1)))
    assert turned_q[t + by] @ turned_k[s + by] == pytest.approx(turned_q[t] @ turned_k[s], abs=1e-9)
    assert np.linalg.norm(turned_q[t]) == pytest.approx(np.linalg.norm(q))


def test_rotary_tells_before_from_after():
    q, k = np.random.default_rng(0).normal(size=(2, 8))
    scores = rotary(np.tile(q, (9, 1))) @ rotary(np.tile(k, (9, 1))).T
    assert abs(scores[3, 5] - scores[5, 3]) > 1e-3


@pytest.mark.parametrize("d", [2, 8])
def test_sinusoids_multiply_to_cosines_of_the_distance(d):
    """PE(p)·PE(p + k) = Σ cos(k ω_i): the angles of both pages are the same."""
    table = sinusoidal(20, d)
    for k in (0, 1, 9):
        oracle = sum(math.cos(angle(k, j, d)) for j in range(0, d, 2))
        products = (table[: 20 - k] * table[k:]).sum(-1)
        np.testing.assert_allclose(products, oracle, rtol=0, atol=1e-12)
    np.testing.assert_allclose(angles(20, d)[9], [angle(9, j, d) for j in range(0, d, 2)])


# ALiBi


@pytest.mark.parametrize("h", [1, 2, 4, 8])  # whose slopes BLOOM's float32 holds exactly
def test_alibi_is_blooms_after_the_softmax(draw, close, h):
    """BLOOM adds m s instead of -m (t - s): the rest, m t, is the same for all keys of a query."""
    t = 7
    theirs = build_alibi_tensor(torch.ones(1, t), h, torch.float64).reshape(h, 1, t).numpy()
    ours = alibi(t, h)
    assert ours.shape == (h, t, t)
    scores, mask = draw(h, t, t), attention.causal_mask(t)
    values = draw(h, t, 5)
    mine = attention.attend(scores + ours.astype(scores.dtype), values, mask)
    other = attention.attend(scores + theirs.astype(scores.dtype), values, mask)
    for a, b in zip(mine, other, strict=True):
        close(a, b)
    rest = np.where(mask, theirs - ours, np.nan)
    assert np.nanmax(np.nanmax(rest, -1) - np.nanmin(rest, -1)) < 1e-6


@pytest.mark.parametrize(("t", "h"), [(1, 1), (5, 3), (4, 16)])
def test_alibi_is_the_formula(t, h):
    oracle = [
        [[-(2.0 ** (-8 * (i + 1) / h)) * abs(a - b) for b in range(t)] for a in range(t)]
        for i in range(h)
    ]
    np.testing.assert_allclose(alibi(t, h), oracle, rtol=0, atol=1e-12)


# Learned


def test_learned_positions_are_rows_of_a_table(draw, close):
    """As torch's own embedding of 0, 1, 2, ..., gradients included: rows not used get none."""
    from seqlab.book import gpt

    E, P = draw(9, 6), draw(5, 6)
    tokens = torch.tensor([[3, 1, 4], [1, 5, 8]])
    ours, theirs = ([torch.tensor(a, requires_grad=True) for a in (E, P)] for _ in "ab")
    p = gpt.GPT(ours[0], ours[1], (), gpt.Norm(ours[0], ours[0]))
    mine = gpt.embed(p, tokens)
    other = torch.nn.functional.embedding(tokens, theirs[0]) + torch.nn.functional.embedding(
        torch.arange(3), theirs[1]
    )
    close(mine, other)
    direction = torch.tensor(draw(2, 3, 6))
    for a, b in zip(
        torch.autograd.grad((mine * direction).sum(), ours),
        torch.autograd.grad((other * direction).sum(), theirs),
        strict=True,
    ):
        close(a, b)
