"""Attention against torch's own, outputs, weights and gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqlab.book import attention

MASKS = {
    "none": lambda t, s: None,
    "causal": lambda t, s: np.arange(t)[:, None] >= np.arange(s)[None, :],
    "padding": lambda t, s: np.tile(np.arange(s) < s - 1, (t, 1)),
}


@pytest.fixture(params=MASKS)
def mask(request):
    return MASKS[request.param](4, 5)


def both_ways(function, arrays, close, oracle):
    """`function` on NumPy, and on torch with gradients, against `oracle` on torch."""
    ours = function(*arrays)
    leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
    others = [torch.tensor(a, requires_grad=True) for a in arrays]
    mine, theirs = function(*leaves), oracle(*others)
    close(ours, theirs)
    close(mine, theirs)
    direction = torch.tensor(np.random.default_rng(1).normal(size=theirs.shape)).to(theirs.dtype)
    for a, b in zip(
        torch.autograd.grad((mine * direction).sum(), leaves, allow_unused=True),
        torch.autograd.grad((theirs * direction).sum(), others, allow_unused=True),
        strict=True,
    ):
        assert (a is None) == (b is None)
        if a is not None:
            close(a, b)


def test_dot_product(draw, close, mask):
    q, k, v = draw(2, 3, 4, 6), draw(2, 3, 5, 6), draw(2, 3, 5, 7)
    there = None if mask is None else torch.tensor(np.array(mask))
    both_ways(
        lambda *a: attention.dot_product(*a, mask)[0],
        (q, k, v),
        close,
        lambda *a: F.scaled_dot_product_attention(*a, attn_mask=there),
    )
    weights = attention.dot_product(q, k, v, mask)[1]
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    if mask is not None:
        assert np.all(weights[..., ~mask] == 0) and np.all(weights[..., mask] > 0)


@pytest.mark.parametrize("h", [1, 2, 4])
def test_multi_head(draw, close, mask, h):
    d = 8
    p = attention.MultiHead(*(draw(d, d) for _ in range(4)), *(draw(d) for _ in range(4)))
    x, source = draw(2, 4, d), draw(2, 5, d)

    def oracle(x, source, *parameters):
        q = attention.MultiHead(*parameters)
        out, weights = F.multi_head_attention_forward(
            x.transpose(0, 1), source.transpose(0, 1), source.transpose(0, 1),
            d, h, torch.cat([q.W_q.T, q.W_k.T, q.W_v.T]), torch.cat([q.b_q, q.b_k, q.b_v]),
            None, None, False, 0.0, q.W_o.T, q.b_o,
            attn_mask=None if mask is None else torch.tensor(~np.array(mask)),
            average_attn_weights=False,
        )  # fmt: skip
        return torch.cat([out.transpose(0, 1).flatten(), weights.flatten()])

    def ours(x, source, *parameters):
        found = attention.multi_head(attention.MultiHead(*parameters), x, source, h, mask)
        library = torch if isinstance(x, torch.Tensor) else np
        return library.concatenate([part.reshape(-1) for part in found])

    both_ways(ours, (x, source, *p), close, oracle)


def test_additive(draw, close, mask):
    """Against the sum written out index by index."""
    q, k, v = draw(2, 4, 3), draw(2, 5, 3), draw(2, 5, 6)
    p = attention.Additive(draw(3, 3), draw(3, 3), draw(3))

    def oracle(q, k, v, W, U, w):
        query, key = torch.einsum("bti,ij->btj", q, W), torch.einsum("bsi,ij->bsj", k, U)
        scores = torch.stack(
            [(torch.tanh(query + key[:, s : s + 1]) * w).sum(-1) for s in range(k.shape[1])], -1
        )
        if mask is not None:
            scores = scores.masked_fill(torch.tensor(~np.array(mask)), -torch.inf)
        return torch.einsum("bts,bsd->btd", scores.softmax(-1), v)

    both_ways(
        lambda q, k, v, *a: attention.additive(attention.Additive(*a), q, k, v, mask)[0],
        (q, k, v, *p),
        close,
        oracle,
    )


def test_heads_are_split_and_joined(draw, close):
    x = draw(2, 5, 12)
    heads = attention.split_heads(x, 3)
    assert heads.shape == (2, 3, 5, 4)
    np.testing.assert_array_equal(heads[:, 1], x[..., 4:8])
    np.testing.assert_array_equal(attention.join_heads(heads), x)


def test_the_causal_mask_looks_back_only():
    np.testing.assert_array_equal(attention.causal_mask(4), np.tril(np.ones((4, 4), bool)))


def test_who_may_look_nowhere_gets_no_answer(draw):
    q = draw(3, 4)
    nowhere = np.array([[True] * 3, [False] * 3, [True] * 3])
    out, _ = attention.dot_product(q, q, q, nowhere)
    assert np.isnan(out[1]).all() and np.isfinite(out[[0, 2]]).all()


def test_the_scores_have_the_variance_of_one_product():
    """q·k has variance d: after the division the weights do not depend on the width."""
    rng = np.random.default_rng(0)
    for d in (16, 256):
        q, k = rng.normal(size=(400, d)), rng.normal(size=(400, d))
        weights = attention.dot_product(q, k, k)[1]
        scores = np.log(weights) - np.log(weights).mean(-1, keepdims=True)
        assert scores.var() == pytest.approx(1, rel=0.1)


def test_init_draws_what_it_says():
    p = attention.init(np.random.default_rng(0), 64)
    for weight in p[:4]:
        assert weight.shape == (64, 64) and weight.var() == pytest.approx(1 / 64, rel=0.1)
    assert all(bias.shape == (64,) and not bias.any() for bias in p[4:])


def test_each_sentence_of_a_batch_has_its_own_mask(draw, close):
    """The padding of one sentence hides nothing in another, in any head."""
    p = attention.MultiHead(*(draw(8, 8) for _ in range(4)), *(draw(8) for _ in range(4)))
    x, source = draw(3, 4, 8), draw(3, 5, 8)
    masks = np.random.default_rng(3).random((3, 4, 5)) > 0.4
    masks[..., 0] = True
    together = attention.multi_head(p, x, source, 2, masks)
    for b in range(3):
        alone = attention.multi_head(p, x[b], source[b], 2, masks[b])
        close(together[0][b], alone[0])
        close(together[1][b], alone[1])
