"""The front of ViT against transformers and against torch's convolution.

The whole of it is compared with transformers in test_book_models.py.
"""

from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import EinopsError
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.vit.configuration_vit import ViTConfig
from transformers.models.vit.modeling_vit import ViTEmbeddings

from seqlab import trees
from seqlab.book import conv, transformer, vit
from seqlab.book.transformer import Style

B, C, P, N1, N2, D = 2, 3, 4, 3, 5, 16  # colour, and not square


@pytest.fixture
def q(draw):
    """Every parameter at random: the class token and the biases start at zero otherwise."""
    shapes = vit.init_embedding(np.random.default_rng(0), C, P, N1 * N2, D)
    return vit.Embedding(*(draw(*w.shape) for w in shapes))


@pytest.fixture
def images(draw):
    return draw(B, C, N1 * P, N2 * P)


def test_embedding_and_its_autograd_equal_transformers(q, images, draw, close):
    config = ViTConfig(
        image_size=(N1 * P, N2 * P),
        patch_size=P,
        num_channels=C,
        hidden_size=D,
        hidden_dropout_prob=0.0,
    )
    oracle = ViTEmbeddings(config).to(torch.tensor(images).dtype)
    projection = oracle.patch_embeddings.projection
    projection.weight.data = torch.tensor(q.E.T.reshape(D, C, P, P))
    projection.bias.data = torch.tensor(q.b)
    oracle.cls_token.data = torch.tensor(q.cls[None, None])
    oracle.position_embeddings.data = torch.tensor(q.pos[None])

    theirs = torch.tensor(images, requires_grad=True)
    expected = oracle(theirs)
    close(vit.embed(q, vit.patchify(images, P)), expected)

    ours = torch.tensor(images, requires_grad=True)
    q = vit.Embedding(*(torch.tensor(w, requires_grad=True) for w in q))
    result = vit.embed(q, vit.patchify(ours, P))
    close(result, expected)
    dz = torch.tensor(draw(*expected.shape))
    (result * dz).sum().backward()
    (expected * dz).sum().backward()
    close(ours.grad, theirs.grad)
    close(q.E.grad, projection.weight.grad.reshape(D, -1).T)
    close(q.b.grad, projection.bias.grad)
    close(q.cls.grad, oracle.cls_token.grad[0, 0])
    close(q.pos.grad, oracle.position_embeddings.grad[0])


def test_projection_is_a_convolution_of_stride_p(q, images, close):
    kernel = vit.as_kernel(q.E, C, P)
    expected = F.conv2d(*map(torch.tensor, (images, kernel, q.b)), stride=P)  # (b, d, n1, n2)
    close(vit.project(q, vit.patchify(images, P)), expected.flatten(2).mT)
    close(conv.conv2d(images, kernel, q.b, stride=P), expected)


def test_as_kernel_is_a_view(q):
    assert np.shares_memory(vit.as_kernel(q.E, C, P), q.E)


def test_patches_equal_torch_unfold(images, close):
    expected = F.unfold(torch.tensor(images), P, stride=P).mT
    close(vit.patchify(images, P), expected)
    close(vit.patchify(torch.tensor(images), P), expected)


sizes = st.integers(1, 4)


@settings(deadline=None)
@given(leading=st.lists(sizes, max_size=2), c=sizes, p=sizes, n1=sizes, n2=sizes)
def test_unpatchify_undoes_patchify(leading, c, p, n1, n2):
    x = np.arange(np.prod([*leading, c, n1 * p, n2 * p])).reshape(*leading, c, n1 * p, n2 * p)
    patches = vit.patchify(x, p)
    assert patches.shape == (*leading, n1 * n2, c * p * p)
    np.testing.assert_array_equal(vit.unpatchify(patches, p, n1, n2), x)


def test_embedding_broadcasts_over_leading_axes(q, draw, close):
    patches = draw(2, B, N1 * N2, C * P * P)
    together = vit.embed(q, patches)
    for one, ours in zip(patches, together, strict=True):
        close(ours, vit.embed(q, one))


def test_images_that_do_not_divide_are_refused():
    with pytest.raises(EinopsError, match="p1"):
        vit.patchify(np.zeros((1, 3, 8, 9)), 4)


def test_init_has_the_deviations_it_names_and_separate_arrays():
    q = vit.init_embedding(np.random.default_rng(3), C, P, 100, 64)
    assert [w.shape for w in q] == [(C * P * P, 64), (64,), (64,), (101, 64)]
    np.testing.assert_allclose(q.E.std(), 1 / np.sqrt(C * P * P), rtol=0.05)
    np.testing.assert_allclose(q.pos.std(), 0.02, rtol=0.05)
    assert not q.b.any()
    assert not q.cls.any()
    assert not np.shares_memory(q.b, q.cls)


def test_a_picture_is_read_alike_alone_and_among_others(q, images, draw, close):
    shapes = [transformer.init(np.random.default_rng(0), D, 20) for _layer in range(2)]
    blocks = trees.convert(lambda w: draw(*w.shape), tuple(shapes))
    model = vit.ViT(q, blocks, transformer.Norm(draw(D), draw(D)))
    head, style = vit.Head(draw(D, 7), draw(7)), Style(h=4, pre_norm=True)

    def scores(images):
        x = vit.read(model, vit.patchify(images, P), style).states[-1]
        return vit.classify(head, vit.represent(model, x, style))

    together = scores(images)
    assert together.shape == (B, 7)
    for one, ours in zip(images, together, strict=True):
        close(ours, scores(one))


def test_only_the_class_token_represents_the_picture(q, draw, close):
    model = vit.ViT(q, (), transformer.Norm(draw(D), draw(D)))
    x, style = draw(2, 5, D), Style(h=4, pre_norm=True)
    y = vit.represent(model, x, style)
    close(y, F.layer_norm(torch.tensor(x[:, 0]), (D,), *map(torch.tensor, model.norm)))
    x[:, 1:] = draw(2, 4, D) + 1
    close(vit.represent(model, x, style), y)


@pytest.mark.parametrize("positions", get_args(vit.Positions))
@pytest.mark.parametrize("class_token", [True, False])
def test_scores_equal_torchs_encoder(class_token, positions, draw, close):
    """With a class token or the mean over the patches; gradients by all parameters included."""
    config = vit.Config(
        image=12, p=4, c=3, d=16, layers=2, h=4, m=24, classes=5, class_token=class_token,
        positions=positions,
    )  # fmt: skip
    p = trees.convert(lambda w: draw(*w.shape), vit.init(config))
    images = draw(2, 3, 12, 12)
    found = []
    for scores in (vit.scores, _scored_by_torch):
        q = trees.convert(lambda w: torch.tensor(w, requires_grad=True), p)
        y = scores(q, torch.tensor(images), config)
        (y * torch.arange(1.0, 6.0)).sum().backward()
        found.append([y, *(w.grad for _name, w in trees.leaves(q))])
    close(vit.scores(p, images, config), found[1][0])
    for ours, theirs in zip(*found, strict=True):
        assert theirs.any()
        close(ours, theirs)


def _scored_by_torch(q, x, config):
    x = F.conv2d(x, vit.as_kernel(q.vit.embedding.E, 3, 4), q.vit.embedding.b, stride=4)
    x = x.flatten(2).mT
    if config.class_token:
        x = torch.cat([q.vit.embedding.cls.expand(len(x), 1, -1), x], 1)
    if config.positions == "learned":
        x = x + q.vit.embedding.pos
    elif config.positions == "sinusoidal":
        angle = torch.arange(x.shape[1])[:, None] / 1e4 ** (torch.arange(0, 16, 2) / 16).double()
        x[..., 0::2] += angle.sin()
        x[..., 1::2] += angle.cos()
    for p in q.vit.blocks:
        a, (d,) = p.attention, p.norm_1.weight.shape
        y = F.layer_norm(x, (d,), *p.norm_1, 1e-6)
        y, _weights = F.multi_head_attention_forward(
            *[y.transpose(0, 1)] * 3, d, config.h, torch.cat([a.W_q, a.W_k, a.W_v], 1).T,
            torch.cat([a.b_q, a.b_k, a.b_v]), None, None, False, 0.0, a.W_o.T, a.b_o,
        )  # fmt: skip
        x = x + y.transpose(0, 1)
        y = F.gelu(F.layer_norm(x, (d,), *p.norm_2, 1e-6) @ p.feed_forward.W_1 + p.feed_forward.b_1)
        x = x + y @ p.feed_forward.W_2 + p.feed_forward.b_2
    x = F.layer_norm(x, (x.shape[-1],), *q.vit.norm, 1e-6)
    return (x[:, 0] if config.class_token else x.mean(1)) @ q.head.W + q.head.b


@pytest.mark.parametrize(
    ("config", "count"),
    [(vit.S_16, 22_050_664), (vit.B_16, 86_567_656), (vit.L_16, 304_326_632)],
)
def test_sizes_of_the_papers(config, count):
    assert trees.count(vit.init(config)) == count
