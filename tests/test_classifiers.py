"""The small networks: of about one size, each its page's function, and able to learn."""

from typing import get_args

import numpy as np
import pytest
import torch

from seqlab import classifiers, train, trees
from seqlab.tasks import digits

NAMES = get_args(classifiers.Name)


@pytest.mark.parametrize("name", NAMES)
def test_all_are_of_about_one_size(name: classifiers.Name) -> None:
    assert 16_000 <= trees.count(classifiers.make(name).init()) <= 18_500
    assert set(classifiers.NAMES) == set(NAMES)


@pytest.mark.parametrize("image", [8, 12, 16])
@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_other_sizes_too(name: classifiers.Name, image: int) -> None:
    network = classifiers.make(name, image, classes=4, mean=True, class_token=False)
    p = trees.convert(lambda w: np.random.default_rng(0).normal(size=w.shape), network.init())
    x = np.random.default_rng(1).normal(size=(3, 1, image, image))
    y = network.scores(p, x)
    assert y.shape == (3, 4) and np.isfinite(y).all()
    theirs = network.scores(train.trainable(p, dtype=torch.float64), torch.tensor(x))
    np.testing.assert_allclose(y, theirs.detach(), atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_each_learns_a_few_pictures_by_heart(name: classifiers.Name) -> None:
    network = classifiers.make(name, convolve=torch.nn.functional.conv2d)
    p = train.trainable(network.init(np.random.default_rng(0)))
    images, labels = (torch.from_numpy(x[:20]) for x in digits.load())

    def loss(step: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(network.scores(p, images), labels)

    *_losses, (_step, last) = train.fit(p, loss, steps=60, lr=3e-3)
    assert last < 0.3, last
