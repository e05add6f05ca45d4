"""The convolution, and a network of convolutions, against torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from seqlab import trees
from seqlab.book import conv
from seqlab.book.conv import conv2d


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 2), (2, 5), (7, 9)])
def test_conv2d_and_its_autograd_equal_torch(kernel, stride, padding, draw, close):
    x, weight, bias = draw(2, 3, 7, 9), draw(4, 3, *kernel), draw(4)
    ours, theirs = (
        [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)] for _ in range(2)
    )
    expected = F.conv2d(*theirs, stride=stride, padding=padding)
    close(conv2d(x, weight, bias, stride, padding), expected)
    result = conv2d(*ours, stride, padding)
    close(result, expected)
    dy = torch.tensor(draw(*expected.shape))
    (result * dy).sum().backward()
    (expected * dy).sum().backward()
    for leaf, oracle in zip(ours, theirs, strict=True):
        close(leaf.grad, oracle.grad)


@pytest.mark.parametrize("kernel", [(8, 2), (2, 10)])
def test_a_kernel_larger_than_the_image_is_refused(kernel):
    with pytest.raises(ValueError, match="does not fit into 7 × 9"):
        conv2d(np.zeros((1, 1, 7, 9)), np.zeros((1, 1, *kernel)), np.zeros(1))


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("convolve", [conv.conv2d, F.conv2d])
def test_scores_and_gradients_equal_torchs(mean, convolve, draw, close):
    config = conv.Config(image=12, c=3, widths=(4, 5), k=3, classes=7, mean=mean)
    p = trees.convert(lambda w: draw(*w.shape), conv.init(config))
    images = draw(2, 3, 12, 12)
    if convolve is conv.conv2d:
        close(
            conv.scores(p, images, config), by_torch(trees.convert(torch.tensor, p), images, mean)
        )
    found = []
    for ours in (True, False):
        q = trees.convert(lambda w: torch.tensor(w, requires_grad=True), p)
        x = torch.tensor(images, requires_grad=True)
        y = conv.scores(q, x, config, convolve) if ours else by_torch(q, x, mean)
        (y * torch.arange(1.0, 8.0)).sum().backward()
        found.append([y, x.grad, *(w.grad for _name, w in trees.leaves(q))])
    for ours, theirs in zip(*found, strict=True):
        assert theirs.any()
        close(ours, theirs)


def by_torch(q, x, mean):
    x = torch.as_tensor(x)
    for layer in q.layers:
        x = F.max_pool2d(F.relu(F.conv2d(x, layer.weight, layer.bias, padding=1)), 2)
    x = F.adaptive_avg_pool2d(x, 1) if mean else x
    return x.flatten(1) @ q.head.W + q.head.b


@given(n1=st.integers(2, 9), n2=st.integers(2, 9), p=st.integers(1, 2))
def test_pooling_is_torchs_also_where_a_row_is_left_over(n1, n2, p):
    x = np.random.default_rng(0).normal(size=(2, 3, n1, n2))
    np.testing.assert_array_equal(conv.pool(x, p), F.max_pool2d(torch.tensor(x), p))


def test_init_has_the_deviations_it_names():
    p = conv.init(conv.Config(widths=(40, 60)), np.random.default_rng(0))
    np.testing.assert_allclose(p.layers[1].weight.std(), np.sqrt(2 / 360), rtol=0.05)
    assert p.head.W.shape == (60 * 2 * 2, 10) and not p.layers[0].bias.any()
    assert conv.init(conv.Config(widths=(40, 60), mean=True)).head.W.shape == (60, 10)
