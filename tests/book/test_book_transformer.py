"""The Transformer's blocks against torch.nn: outputs, attention weights, gradients, stacks.

Every parameter is drawn at random, torch's modules are handed ours (turned to their layout), and
so the gradients of both sides are by the same tensors.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from seqlab import trees
from seqlab.book import transformer
from seqlab.book.attention import init as init_attention
from seqlab.book.ops import gelu, relu
from seqlab.book.positions import alibi
from seqlab.book.transformer import Block, DecoderBlock, Style

B, T, S, D, H, M = 2, 5, 4, 8, 2, 12
EPS = 1e-3  # not torch's default: it must arrive

CAUSAL = np.tri(T, dtype=bool)
PADDING = np.array([[True] * T, [True] * (T - 2) + [False] * 2])  # by sentence
MASKS = {
    "none": (None, None),
    "causal": (CAUSAL, None),
    "padding": (None, PADDING),
    "causal and padding": (CAUSAL, PADDING),
}


@pytest.fixture(params=MASKS)
def masks(request):
    """(ours, what torch is told): torch says True where nobody looks."""
    looks, words = MASKS[request.param]
    ours = None if looks is None else looks
    if words is not None:
        ours = words[:, None, :] if ours is None else ours & words[:, None, :]
    theirs = [None if m is None else torch.tensor(~m) for m in (looks, words)]
    return ours, theirs


@pytest.fixture(params=[True, False], ids=["pre-norm", "post-norm"])
def pre_norm(request):
    return request.param


@pytest.fixture(params=[relu, gelu], ids=["relu", "gelu"])
def style(request, pre_norm):
    return Style(h=H, pre_norm=pre_norm, eps=EPS, activation=request.param)


def redrawn(tree, draw):
    return trees.convert(lambda leaf: draw(*leaf.shape), tree)


def encoder_parameters(draw):
    return redrawn(transformer.init(np.random.default_rng(0), D, M), draw)


def decoder_parameters(draw):
    rng = np.random.default_rng(0)
    p = transformer.init(rng, D, M)
    cross, norm = init_attention(rng, D), p.norm_1
    return redrawn(DecoderBlock(p.attention, norm, cross, norm, p.feed_forward, norm), draw)


def leaves_of(tree):
    """The tree as torch tensors that collect gradients, and a list of them."""
    tree = trees.convert(lambda leaf: torch.tensor(leaf, requires_grad=True), tree)
    return tree, [leaf for _, leaf in trees.leaves(tree)]


def in_torch(p):
    """A block's parameters by torch's names, in torch's layout."""

    def attention(a):
        return {
            "in_proj_weight": torch.cat([a.W_q.T, a.W_k.T, a.W_v.T]),
            "in_proj_bias": torch.cat([a.b_q, a.b_k, a.b_v]),
            "out_proj.weight": a.W_o.T,
            "out_proj.bias": a.b_o,
        }

    ff = p.feed_forward
    parts = {
        "self_attn": attention(p.attention),
        "linear1": {"weight": ff.W_1.T, "bias": ff.b_1},
        "linear2": {"weight": ff.W_2.T, "bias": ff.b_2},
        "norm1": p.norm_1._asdict(),
        "norm2": p.norm_2._asdict(),
    }
    if isinstance(p, DecoderBlock):
        parts |= {"multihead_attn": attention(p.cross), "norm3": p.norm_3._asdict()}
    return {f"{part}.{name}": x for part, values in parts.items() for name, x in values.items()}


def layer(kind, style, dtype):
    return kind(
        D, H, M, dropout=0.0, layer_norm_eps=EPS, batch_first=True, norm_first=style.pre_norm,
        activation=nn.functional.relu if style.activation is relu else nn.functional.gelu,
        dtype=getattr(torch, dtype),
    )  # fmt: skip


def same_gradients(close, ours, theirs, leaves):
    """Compare the gradients by every leaf; return those that are zero and so say nothing."""
    direction = torch.tensor(np.random.default_rng(1).normal(size=ours.shape), dtype=ours.dtype)
    gradients = [torch.autograd.grad((y * direction).sum(), leaves) for y in (ours, theirs)]
    for mine, other, leaf in zip(*gradients, leaves, strict=True):
        assert mine.shape == leaf.shape
        close(mine, other)
    # the bias of the keys shifts all scores of a query alike: only its gradient may be zero
    silent = [i for i, other in enumerate(gradients[1]) if float(other.abs().max()) < 1e-6]
    return silent


def test_the_encoder_block_is_torchs(dtype, draw, close, style, masks):
    mask, (src_mask, padding) = masks
    p, x = encoder_parameters(draw), draw(B, T, D)
    q, leaves = leaves_of(p)
    z = torch.tensor(x, requires_grad=True)
    module = layer(nn.TransformerEncoderLayer, style, dtype)
    assert set(in_torch(q)) == {name for name, _ in module.named_parameters()}
    theirs = functional_call(module, in_torch(q), (z, src_mask, padding))
    ours, weights = transformer.block(q, z, style, mask)
    close(ours, theirs)
    close(transformer.block(p, x, style, mask)[0], theirs)
    assert weights.shape == (B, H, T, T)
    assert len(same_gradients(close, ours, theirs, [z, *leaves])) <= 1


def test_the_attention_weights_are_torchs(dtype, draw, close, style, masks):
    mask, (src_mask, padding) = masks
    p, x = encoder_parameters(draw), draw(B, T, D)
    q, _ = leaves_of(p)
    module = layer(nn.TransformerEncoderLayer, style, dtype)
    seen = torch.tensor(x)
    if style.pre_norm:
        seen = nn.functional.layer_norm(seen, (D,), q.norm_1.weight, q.norm_1.bias, EPS)
    named = {k.removeprefix("self_attn."): v for k, v in in_torch(q).items() if "self_attn" in k}
    _out, theirs = functional_call(
        module.self_attn, named, (seen, seen, seen),
        {"attn_mask": src_mask, "key_padding_mask": padding, "average_attn_weights": False},
    )  # fmt: skip
    close(transformer.block(p, x, style, mask)[1], theirs)


def test_the_decoder_block_is_torchs(dtype, draw, close, style):
    """Causal, with words that fill the rows on both sides."""
    p, x, memory = decoder_parameters(draw), draw(B, T, D), draw(B, S, D)
    q, leaves = leaves_of(p)
    z, m = torch.tensor(x, requires_grad=True), torch.tensor(memory, requires_grad=True)
    words = np.array([[True] * S, [True] * (S - 1) + [False]])
    mask = CAUSAL & PADDING[:, None, :]
    module = layer(nn.TransformerDecoderLayer, style, dtype)
    assert set(in_torch(q)) == {name for name, _ in module.named_parameters()}
    theirs = functional_call(
        module, in_torch(q), (z, m),
        {
            "tgt_mask": torch.tensor(~CAUSAL),
            "tgt_key_padding_mask": torch.tensor(~PADDING),
            "memory_key_padding_mask": torch.tensor(~words),
        },
    )  # fmt: skip
    ours, weights, cross = transformer.decoder_block(q, z, m, style, mask, words[:, None, :])
    close(ours, theirs)
    close(transformer.decoder_block(p, x, memory, style, mask, words[:, None, :])[0], theirs)
    assert weights.shape == (B, H, T, T) and cross.shape == (B, H, T, S)
    assert not np.any(weights.detach().numpy()[:, :, ~CAUSAL])
    assert not np.any(cross.detach().numpy()[1, :, :, -1])
    np.testing.assert_allclose(cross.detach().numpy().sum(-1), 1, rtol=1e-5)
    assert len(same_gradients(close, ours, theirs, [z, m, *leaves])) <= 2


def test_without_masks_every_word_sees_every_other(dtype, draw, close, style):
    p, x, memory = decoder_parameters(draw), draw(B, T, D), draw(B, S, D)
    q, _ = leaves_of(p)
    module = layer(nn.TransformerDecoderLayer, style, dtype)
    theirs = functional_call(module, in_torch(q), (torch.tensor(x), torch.tensor(memory)))
    ours, weights, cross = transformer.decoder_block(p, x, memory, style)
    close(ours, theirs)
    assert np.all(weights > 0) and np.all(cross > 0)


def stacked(module, blocks):
    return {
        f"layers.{i}.{name}": x for i, p in enumerate(blocks) for name, x in in_torch(p).items()
    }


def test_a_stack_of_encoder_blocks(dtype, draw, close, style, masks):
    mask, (src_mask, padding) = masks
    blocks, x = tuple(encoder_parameters(draw) for _ in range(3)), draw(B, T, D)
    q, leaves = leaves_of(blocks)
    z = torch.tensor(x, requires_grad=True)
    module = nn.TransformerEncoder(
        layer(nn.TransformerEncoderLayer, style, dtype), 3, enable_nested_tensor=False
    )
    theirs = functional_call(module, stacked(module, q), (z, src_mask, padding))
    trace = transformer.encode(q, z, style, mask)
    close(trace.states[-1], theirs)
    assert len(trace.states) == 4 and len(trace.weights) == 3
    same_gradients(close, trace.states[-1], theirs, [z, *leaves])
    ours = transformer.encode(blocks, x, style, mask)
    for i, p in enumerate(blocks):  # every state is what the block below it made
        state, weights = transformer.block(p, ours.states[i], style, mask)
        np.testing.assert_array_equal(ours.states[i + 1], state)
        np.testing.assert_array_equal(ours.weights[i], weights)
    np.testing.assert_array_equal(ours.states[0], x)


def test_a_stack_of_decoder_blocks(dtype, draw, close, style):
    blocks = tuple(decoder_parameters(draw) for _ in range(2))
    x, memory = draw(B, T, D), draw(B, S, D)
    q, leaves = leaves_of(blocks)
    z, m = torch.tensor(x, requires_grad=True), torch.tensor(memory, requires_grad=True)
    module = nn.TransformerDecoder(layer(nn.TransformerDecoderLayer, style, dtype), 2)
    theirs = functional_call(
        module, stacked(module, q), (z, m), {"tgt_mask": torch.tensor(~CAUSAL)}
    )
    ours = z
    for p in q:
        ours = transformer.decoder_block(p, ours, m, style, CAUSAL)[0]
    close(ours, theirs)
    same_gradients(close, ours, theirs, [z, m, *leaves])


def test_a_bias_is_added_to_the_scores_of_every_layer(dtype, draw, close, style):
    """torch adds a mask of numbers to the scores."""
    blocks, x = tuple(encoder_parameters(draw) for _ in range(2)), draw(B, T, D)
    q, _ = leaves_of(blocks)
    bias = alibi(T, H)
    module = nn.TransformerEncoder(
        layer(nn.TransformerEncoderLayer, style, dtype), 2, enable_nested_tensor=False
    )
    added = torch.tensor(np.concatenate([bias] * B), dtype=getattr(torch, dtype))  # (b h, t, t)
    theirs = functional_call(module, stacked(module, q), (torch.tensor(x), added))
    close(transformer.encode(blocks, x, style, bias=bias).states[-1], theirs)


def test_positions_turn_the_queries_and_keys_of_self_attention_only(draw, close, pre_norm):
    """A "rotation" that doubles is the same as doubled projections, cross-attention untouched."""
    style = Style(h=H, pre_norm=pre_norm, eps=EPS, rotate=lambda x: 2 * x)

    def doubled(a):
        return a._replace(W_q=2 * a.W_q, b_q=2 * a.b_q, W_k=2 * a.W_k, b_k=2 * a.b_k)

    still = style._replace(rotate=None)
    p, x = encoder_parameters(draw), draw(B, T, D)
    close(
        transformer.block(p, x, style)[0],
        transformer.block(p._replace(attention=doubled(p.attention)), x, still)[0],
    )
    p, memory = decoder_parameters(draw), draw(B, S, D)
    close(
        transformer.decoder_block(p, x, memory, style)[0],
        transformer.decoder_block(p._replace(attention=doubled(p.attention)), x, memory, still)[0],
    )


def test_parts(dtype, draw, close):
    p, x = encoder_parameters(draw), draw(B, T, D)
    q, _ = leaves_of(p)
    z, ff = torch.tensor(x), q.feed_forward
    style = Style(h=H, pre_norm=True, eps=EPS)
    theirs = nn.functional.layer_norm(z, (D,), q.norm_2.weight, q.norm_2.bias, EPS)
    close(transformer.norm(p.norm_2, x, style), theirs)
    for ours, activation in ((relu, torch.relu), (gelu, nn.functional.gelu)):
        hidden = activation(nn.functional.linear(z, ff.W_1.T, ff.b_1))
        close(
            transformer.feed_forward(p.feed_forward, x, ours),
            nn.functional.linear(hidden, ff.W_2.T, ff.b_2),
        )


def test_one_sentence_is_that_of_a_batch(draw, close, style):
    p, x = encoder_parameters(draw), draw(B, T, D)
    together, weights = transformer.block(p, x, style, CAUSAL)
    for i in range(B):
        alone, seen = transformer.block(p, x[i], style, CAUSAL)
        close(together[i], alone)
        close(weights[i], seen)


def test_init_draws_what_it_says():
    p = transformer.init(np.random.default_rng(0), 64, 256)
    assert isinstance(p, Block)
    assert p.feed_forward.W_1.shape == (64, 256) and p.feed_forward.W_2.shape == (256, 64)
    assert p.feed_forward.W_1.var() == pytest.approx(1 / 64, rel=0.05)
    assert p.feed_forward.W_2.var() == pytest.approx(1 / 256, rel=0.05)
    assert p.attention.W_k.var() == pytest.approx(1 / 64, rel=0.1)
    for norm in (p.norm_1, p.norm_2):
        assert np.all(norm.weight == 1) and not norm.bias.any() and norm.weight.shape == (64,)
    for name, leaf in trees.leaves(p):
        if leaf.ndim == 1 and "norm" not in name:
            assert not leaf.any(), name
