"""Gradients through a choice: each against torch's autograd, or against the sum over all looks."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqlab.book import hard

Draw = Callable[..., Any]
Close = Callable[[Any, Any], None]
N = 5


def leaf(a: Any) -> torch.Tensor:
    return torch.tensor(a, requires_grad=True)


def softmax(e: Any) -> Any:
    w = np.exp(e - e.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True)


def slope(loss: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss.sum(), by)[0]


def test_look(draw: Draw, close: Close) -> None:
    weights, x = draw(3, 2, N), draw(2, N, 4)
    expected = np.einsum("kbn,bnd->kbd", weights, x)
    close(hard.look(weights, x), expected)
    close(hard.look(torch.tensor(weights), torch.tensor(x)), expected)


def test_a_choice_is_one_hot_and_drawn_from_the_softmax(draw: Draw, dtype: str) -> None:
    e = draw(N)
    g = np.random.default_rng(1).gumbel(size=(40000, N)).astype(dtype)
    chosen = hard.choose(e, g)
    assert chosen.dtype == dtype and set(np.unique(chosen)) == {0, 1}
    np.testing.assert_array_equal(chosen.sum(-1), 1)
    np.testing.assert_allclose(chosen.mean(0), softmax(e), atol=0.01)
    np.testing.assert_array_equal(hard.choose(torch.tensor(e), torch.tensor(g)).numpy(), chosen)
    assert hard.choose(e, 0.0).argmax() == e.argmax()


def test_through_softmax_is_the_gradient_of_soft_attention(draw: Draw, close: Close) -> None:
    e, x, direction = draw(3, N), draw(3, N, 4), draw(3, 4)
    scores = leaf(e)
    z = hard.look(F.softmax(scores, -1), torch.tensor(x))
    loss = (torch.sin(z) * torch.tensor(direction)).sum()
    slopes = np.einsum("bnd,bd->bn", x, np.cos(z.detach().numpy()) * direction)
    close(hard.through_softmax(softmax(e), slopes.astype(e.dtype)), slope(loss, scores))


def test_through_softmax_is_the_exact_gradient_of_the_expected_loss(
    draw: Draw, close: Close
) -> None:
    e, losses = draw(3, N), draw(3, N)
    scores = leaf(e)
    expected = slope(F.softmax(scores, -1) * torch.tensor(losses), scores)
    close(hard.through_softmax(softmax(e), losses), expected)
    close(hard.through_softmax(F.softmax(torch.tensor(e), -1), torch.tensor(losses)), expected)


def test_reinforce_is_the_gradient_of_the_log_probability(draw: Draw, close: Close) -> None:
    e, loss, b = draw(3, N), draw(3), 0.4
    place = torch.tensor([4, 0, 2])
    chosen = np.eye(N, dtype=e.dtype)[place.numpy()]
    for baseline in (0.0, b):
        scores = leaf(e)
        log_p = F.log_softmax(scores, -1)[torch.arange(3), place]
        surrogate = (torch.tensor(loss) - baseline) * log_p
        close(hard.reinforce(softmax(e), chosen, loss, baseline), slope(surrogate, scores))


def test_leave_one_out_by_a_loop(draw: Draw, close: Close) -> None:
    e, losses = draw(2, N), draw(3, 2)
    place = np.array([[4, 0], [1, 1], [4, 3]])
    scores = leaf(e)
    surrogate = torch.zeros((), dtype=scores.dtype)
    for b, i in itertools.product(range(2), range(3)):
        others = np.mean([losses[j, b] for j in range(3) if j != i])
        advantage = float(losses[i, b] - others)
        surrogate = surrogate + advantage * F.log_softmax(scores[b], -1)[place[i, b]] / 3
    chosen = np.eye(N, dtype=e.dtype)[place]
    close(hard.leave_one_out(softmax(e), chosen, losses), slope(surrogate, scores))


@pytest.mark.parametrize("τ", [0.3, 1.0, 2.5])
def test_straight_through_is_autograd_with_a_detached_difference(
    draw: Draw, close: Close, τ: float
) -> None:
    e, g, x, direction = draw(3, N), draw(3, N), draw(3, N, 4), draw(3, 4)
    scores = leaf(e)
    y = F.softmax((scores + torch.tensor(g)) / τ, -1)
    one_hot = F.one_hot((scores + torch.tensor(g)).argmax(-1), N)
    z = hard.look(one_hot + y - y.detach(), torch.tensor(x))
    loss = torch.sin(z) * torch.tensor(direction)
    slopes = np.einsum("bnd,bd->bn", x, np.cos(z.detach().numpy()) * direction)
    close(hard.straight_through(e, g, slopes.astype(e.dtype), τ), slope(loss, scores))


def test_the_mean_over_all_looks_is_the_exact_gradient(draw: Draw, close: Close) -> None:
    """Every outcome, weighed by its probability: neither a baseline nor the others add a bias."""
    e, losses = draw(N), draw(N)
    p, one_hot = softmax(e), np.eye(N, dtype=e.dtype)
    exact = hard.through_softmax(p, losses)
    for baseline in (0.0, -1.3):
        each = hard.reinforce(p, one_hot, losses, baseline)
        close(p @ each, exact)
    total = np.zeros_like(exact)
    for places in itertools.product(range(N), repeat=3):
        at = list(places)
        total += np.prod(p[at]) * hard.leave_one_out(p, one_hot[at], losses[at])
    close(total, exact)


def test_straight_through_is_exact_only_where_the_loss_is_linear_and_the_softmax_is_hard() -> None:
    """Its mean over many Gumbel numbers against the exact gradient, at two temperatures."""
    rng = np.random.default_rng(0)
    e, values = rng.normal(0, 0.7, N), rng.normal(0, 1, N)
    g = rng.gumbel(size=(200000, N))
    exact = hard.through_softmax(softmax(e), values)  # the loss is linear: slopes are its values
    errors = [
        np.linalg.norm(hard.straight_through(e, g, values, τ).mean(0) - exact)
        / np.linalg.norm(exact)
        for τ in (0.1, 1.0)
    ]
    assert errors[0] < 0.05 < 0.15 < errors[1]


def test_the_moving_average_forgets() -> None:
    assert hard.moving_average(2.0, 1.0) == pytest.approx(1.9)
    b: Any = 5.0
    for _step in range(200):
        b = hard.moving_average(b, np.array([1.0, 2.0]))
    np.testing.assert_allclose(b, [1, 2], atol=1e-8)
    assert math.isclose(hard.DECAY, 0.9)
