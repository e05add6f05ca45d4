"""The multilayer perceptron against torch."""

import numpy as np
import torch
import torch.nn.functional as F

from seqlab import trees
from seqlab.book import mlp

CONFIG = mlp.Config(image=3, c=2, widths=(7, 5), classes=4)


def by_torch(q, x):
    x = x.flatten(1)
    for layer in q.layers:
        x = F.relu(F.linear(x, layer.W.T, layer.b))
    return F.linear(x, q.head.W.T, q.head.b)


def test_scores_and_gradients_equal_torchs(draw, close):
    p = trees.convert(lambda w: draw(*w.shape), mlp.init(CONFIG))
    images, found = draw(6, 2, 3, 3), []
    for scores in (mlp.scores, by_torch):
        q = trees.convert(lambda w: torch.tensor(w, requires_grad=True), p)
        x = torch.tensor(images, requires_grad=True)
        y = scores(q, x)
        (y * torch.arange(1.0, 5.0)).sum().backward()
        found.append([y, x.grad, *(w.grad for _name, w in trees.leaves(q))])
    close(mlp.scores(p, images), found[1][0])
    for ours, theirs in zip(*found, strict=True):
        assert theirs.any()
        close(ours, theirs)


def test_init_has_the_deviations_it_names():
    p = mlp.init(mlp.Config(widths=(200, 100)), np.random.default_rng(0))
    np.testing.assert_allclose(p.layers[0].W.std() * np.sqrt(64 / 2), 1, rtol=0.05)
    np.testing.assert_allclose(p.layers[1].W.std() * np.sqrt(200 / 2), 1, rtol=0.05)
    assert not p.head.W.any() and p.head.W.shape == (100, 10)
