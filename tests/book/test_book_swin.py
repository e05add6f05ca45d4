"""Swin against transformers, gradients included; windows, shift, mask and bias by themselves."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from einops import EinopsError
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.swin.modeling_swin import window_partition, window_reverse

from seqlab import trees
from seqlab.book import swin
from seqlab.book.attention import MultiHead
from seqlab.book.transformer import FeedForward, Norm
from seqlab.book.vit import Head

# Grids of 12 × 24, 6 × 12 and 3 × 6 patches: the last is one window high, so that nothing shifts
IMAGE = (24, 48)
CONFIG = swin.Config(
    image=24, p=2, d=8, depths=(2, 2, 2), heads=(2, 4, 4), window=3, ratio=2, classes=5
)


def oracle(dtype: Any, attention: str = "eager") -> Any:
    config = hf.SwinConfig(
        image_size=IMAGE, patch_size=2, embed_dim=8, depths=[2, 2, 2], num_heads=[2, 4, 4],
        window_size=3, mlp_ratio=2, num_labels=5, drop_path_rate=0.0, hidden_dropout_prob=0.0,
    )  # fmt: skip
    config._attn_implementation = attention
    model = hf.SwinForImageClassification(config).eval().to(dtype)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.tensor(rng.normal(0, 0.5, tuple(p.shape))))
    return model


def page(get: Any) -> swin.Swin:
    """The page's tree, from get(name of a tensor of transformers)."""

    def linear(name: str) -> tuple[Any, Any]:
        return get(f"{name}.weight").T, get(f"{name}.bias")

    def norm(name: str) -> Norm:
        return Norm(get(f"{name}.weight"), get(f"{name}.bias"))

    def block(name: str) -> swin.Block:
        of = f"{name}.attention.self"
        parts = (f"{of}.query", f"{of}.key", f"{of}.value", f"{name}.attention.output.dense")
        weights = [linear(part) for part in parts]
        return swin.Block(
            norm(f"{name}.layernorm_before"),
            MultiHead(*(W for W, _b in weights), *(b for _W, b in weights)),
            get(f"{of}.relative_position_bias_table"),
            norm(f"{name}.layernorm_after"),
            FeedForward(*linear(f"{name}.intermediate.dense"), *linear(f"{name}.output.dense")),
        )

    stages = []
    for i, depth in enumerate(CONFIG.depths):
        name = f"swin.encoder.layers.{i}"
        merging = None
        if i < len(CONFIG.depths) - 1:
            W = get(f"{name}.downsample.reduction.weight").T
            merging = swin.Merging(norm(f"{name}.downsample.norm"), W)
        blocks = tuple(block(f"{name}.blocks.{j}") for j in range(depth))
        stages.append(swin.Stage(blocks, merging))
    E = get("swin.embeddings.patch_embeddings.projection.weight")
    return swin.Swin(
        E.reshape(E.shape[0], -1).T,
        get("swin.embeddings.patch_embeddings.projection.bias"),
        norm("swin.embeddings.norm"),
        tuple(stages),
        norm("swin.layernorm"),
        Head(*linear("classifier")),
    )


def test_states_weights_scores_and_gradients_equal_transformers(dtype, draw, close):
    theirs = oracle(getattr(torch, dtype))
    found = dict(theirs.named_parameters())
    p = page(lambda name: found[name].detach().numpy())
    images = draw(2, 3, *IMAGE)
    pixels = torch.tensor(images)
    expected = theirs(pixels, output_attentions=True)
    trace = swin.read(p, images, CONFIG)
    assert trace.shifts == [0, 1, 0, 1, 0, 0]
    last_of_stage = trace.weights[1::2]
    for ours, weights in zip(last_of_stage, expected.attentions, strict=True):
        close(ours.reshape(-1, *ours.shape[2:]), weights)  # theirs: (b w, h, M², M²)
    close(swin.scores(p, images, CONFIG), expected.logits)

    q = trees.convert(lambda w: torch.tensor(np.ascontiguousarray(w), requires_grad=True), p)
    scores = swin.scores(q, pixels, CONFIG)
    close(scores, expected.logits)
    dy = torch.tensor(draw(*scores.shape))
    (scores * dy).sum().backward()
    (expected.logits * dy).sum().backward()
    gradients = page(lambda name: found[name].grad.numpy())
    for (name, ours), (_name, grad) in zip(trees.leaves(q), trees.leaves(gradients), strict=True):
        assert grad.any(), name
        close(ours.grad, grad)


sizes = st.integers(1, 4)


@given(M=sizes, rows=sizes, columns=sizes, d=sizes)
def test_windows_are_those_of_transformers_and_go_back(M, rows, columns, d):
    n1, n2 = M * rows, M * columns
    x = np.random.default_rng(0).normal(size=(2, n1, n2, d))
    ours = swin.windows(x, M)
    theirs = window_partition(torch.tensor(x), M)  # (b w, M, M, d)
    np.testing.assert_array_equal(ours.reshape(theirs.shape), theirs)
    np.testing.assert_array_equal(swin.unwindows(ours, M, n1, n2), x)
    np.testing.assert_array_equal(window_reverse(theirs, M, n1, n2), x)


@given(M=st.integers(2, 5), rows=sizes, columns=sizes, data=st.data())
def test_who_may_look_at_whom_after_the_shift(M, rows, columns, data):
    """Exactly those in a window that were no farther apart before: no wrap-around between them."""
    k = data.draw(st.integers(1, M - 1))
    n1, n2 = M * rows, M * columns
    y, x = np.mgrid[:n1, :n2]
    before = swin.windows(swin.shift(np.stack([y, x], -1), k), M)  # (w, M², 2) where each came from
    now = swin.windows(np.stack([y, x], -1), M)
    apart = now[:, :, None] - now[:, None, :]
    neighbours = (before[:, :, None] - before[:, None, :] == apart).all(-1)
    np.testing.assert_array_equal(swin.shift_mask(n1, n2, M, k), neighbours)


def test_the_shift_goes_up_and_to_the_left_and_back(draw):
    x = draw(2, 6, 9, 4)
    assert np.array_equal(swin.shift(x, 2)[:, 0, 0], x[:, 2, 2])
    assert np.array_equal(swin.shift(swin.shift(x, 2), -2), x)


def test_regions_by_hand() -> None:
    expected = [[0, 0, 0, 1, 2], [0, 0, 0, 1, 2], [3, 3, 3, 4, 5], [6, 6, 6, 7, 8]]
    np.testing.assert_array_equal(swin.regions(4, 5, 2, 1), expected)


@pytest.mark.parametrize("M", [1, 2, 3, 7])
def test_the_relative_index_names_offsets(M: int) -> None:
    index = swin.relative_index(M)
    y, x = np.divmod(np.arange(M * M), M)
    offsets = {}
    for i in range(M * M):
        for j in range(M * M):
            offsets.setdefault(index[i, j], set()).add((y[i] - y[j], x[i] - x[j]))
    assert all(len(found) == 1 for found in offsets.values())
    assert sorted(offsets) == list(range((2 * M - 1) ** 2))
    assert offsets[0] == {(1 - M, 1 - M)}


def test_nothing_leaves_its_window_and_the_windows_shift(draw):
    p = swin.init_block(np.random.default_rng(0), 8, 2, 3, 16)
    p = trees.convert(lambda w: draw(*w.shape), p)
    x = draw(6, 9, 8)
    nudged = x.copy()
    nudged[1, 4, 0] += 1
    for k, rows, columns in [(0, (0, 1, 2), (3, 4, 5)), (1, (1, 2, 3), (4, 5, 6))]:
        before, after = (swin.block(p, z, 3, k, swin._style(2))[0] for z in (x, nudged))
        where = set(zip(*np.nonzero(np.abs(after - before).max(-1)), strict=True))
        assert where == {(row, column) for row in rows for column in columns}


def test_a_grid_without_whole_windows_is_refused(draw):
    with pytest.raises(EinopsError):
        swin.windows(draw(5, 6, 1), 3)


@pytest.mark.parametrize(
    "config, count", [(swin.T, 28_288_354), (swin.S, 49_606_258), (swin.B, 87_768_224)]
)
def test_sizes_of_the_paper(config: swin.Config, count: int) -> None:
    assert trees.count(swin.init(config)) == count
    assert [config.grid(i) for i in range(4)] == [56, 28, 14, 7]
    assert [config.width(i) for i in range(4)] == [config.d * 2**i for i in range(4)]


def test_weights_are_drawn_with_the_deviations_that_are_said() -> None:
    config = swin.Config(image=56, d=64, depths=(1, 1), heads=(4, 4), classes=3)
    p = swin.init(config, np.random.default_rng(0))
    assert not any(w.any() for w in (p.b, *p.head))
    for name, w in trees.leaves(p._replace(head=None)):
        if w.ndim == 2:
            deviation = 0.02 if name.endswith("table") else 1 / np.sqrt(len(w))
            assert w.std() == pytest.approx(deviation, rel=0.1), name
            assert abs(w.mean()) < 0.2 * deviation, name
        else:
            assert (w == ("norm" in name and name.endswith("weight"))).all(), name
