"""The convolution against torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

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
