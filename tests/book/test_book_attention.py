"""Attention against torch's own, outputs, weights and gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqlab.book import attention, positions

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


def turned(x):
    """RoPE by its definition: each pair of numbers times e^(i pos θ), one position at a time."""
    d = x.shape[-1]
    pairs = torch.view_as_complex(x.unflatten(-1, (d // 2, 2)).contiguous())
    θ = 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    out = [
        pairs[..., pos, :] * torch.polar(torch.ones_like(θ), pos * θ).to(pairs.dtype)
        for pos in range(x.shape[-2])
    ]
    return torch.view_as_real(torch.stack(out, -2)).flatten(-2)


@pytest.mark.parametrize("kind", ["rotate", "bias", "both"])
@pytest.mark.parametrize("itself", [True, False], ids=["self", "cross"])
def test_multi_head_with_positions(draw, close, dtype, kind, itself):
    """torch's fused attention takes a float mask, and the queries and keys as they are given.

    The bias is a parameter here, and gets its gradient; the mask is another in each sentence.
    """
    t, s, d, h = 4, 4 if itself else 5, 8, 2
    p = attention.MultiHead(*(draw(d, d) for _ in range(4)), *(draw(d) for _ in range(4)))
    x, source, bias = draw(3, t, d), draw(3, s, d), draw(h, t, s)
    mask = np.random.default_rng(3).random((3, t, s)) > 0.4
    mask[..., 0] = True
    rotated, biased = kind != "bias", kind != "rotate"

    def ours(x, source, bias, *parameters):
        return attention.multi_head(
            attention.MultiHead(*parameters),
            x,
            x if itself else source,
            h,
            mask,
            rotate=positions.rotary if rotated else None,
            bias=bias if biased else None,
        )[0]

    def oracle(x, source, bias, *parameters):
        p = attention.MultiHead(*parameters)
        source = x if itself else source
        q, k, v = (
            F.linear(y, W.T, b).unflatten(-1, (h, d // h)).transpose(1, 2)
            for y, W, b in ((x, p.W_q, p.b_q), (source, p.W_k, p.b_k), (source, p.W_v, p.b_v))
        )
        if rotated:
            q, k = turned(q), turned(k)
        added = bias[None] if biased else torch.zeros((), dtype=x.dtype)
        added = added.masked_fill(~torch.tensor(mask)[:, None], -torch.inf)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=added)
        return F.linear(out.transpose(1, 2).flatten(-2), p.W_o.T, p.b_o)

    both_ways(ours, (x, source, bias, *p), close, oracle)


def test_a_bias_of_numpy_joins_scores_of_torch(draw, close, dtype):
    """ALiBi is a NumPy array of float64, whatever the model is made of."""
    p = attention.MultiHead(*(draw(8, 8) for _ in range(4)), *(draw(8) for _ in range(4)))
    x, bias = draw(3, 4, 8), positions.alibi(4, 2)
    assert bias.dtype == np.float64
    there = attention.MultiHead(*map(torch.tensor, p)), torch.tensor(x), torch.tensor(x)
    for ours, theirs in zip(
        attention.multi_head(p, x, x, 2, bias=bias),
        attention.multi_head(*there, 2, bias=torch.tensor(bias).to(there[1].dtype)),
        strict=True,
    ):
        close(ours, theirs)
    close(
        attention.multi_head(*there, 2, bias=bias)[0],
        attention.multi_head(*there, 2, bias=torch.tensor(bias))[0],
    )


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_rollout(draw, close, batch, layers):
    """Against the sum over all paths through the layers, written out index by index."""
    h, t = 2, 4
    scores = [draw(*batch, h, t, t) for _ in range(layers)]

    def weights(scores):
        e = np.exp(scores) if isinstance(scores, np.ndarray) else scores.exp()
        return e / e.sum(-1)[..., None]

    def oracle(*scores):
        R = torch.eye(t, dtype=scores[0].dtype).expand(*batch, t, t)
        for layer in scores:
            W = weights(layer)
            above = []
            for i in range(t):
                row = R[..., i, :] / 2  # the residual connection hands on what was there
                for j in range(t):
                    for head in range(h):
                        row = row + W[..., head, i, j, None] / (2 * h) * R[..., j, :]
                above.append(row)
            R = torch.stack(above, -2)
        return R

    both_ways(lambda *s: attention.rollout([weights(x) for x in s]), scores, close, oracle)
    R = attention.rollout([weights(x) for x in scores])
    np.testing.assert_allclose(R.sum(-1), 1, rtol=1e-5)
    assert (R > 0).all()


def test_rollout_of_causal_layers_is_causal(draw):
    """What lies ahead is in nothing, and the first token is made of itself."""
    masked = [np.exp(draw(2, 5, 5)) * np.tri(5) for _ in range(3)]
    R = attention.rollout([w / w.sum(-1, keepdims=True) for w in masked])
    assert (R[np.triu_indices(5, 1)] == 0).all() and (R[np.tril_indices(5)] > 0).all()
    assert R[0, 0] == pytest.approx(1, rel=1e-5)


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
