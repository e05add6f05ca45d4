"""glimpse: steps against autograd, measurements by hand, sentences that follow the numbers."""

import dataclasses
import io
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from rich.cells import cell_len
from rich.console import Console

from seqlab.book import hard
from seqlab.figures.prose import Takeaways
from seqlab.lab import BadInput, glimpse
from seqlab.lab.glimpse import METHODS, Ends, Glimpse, Learned

TINY: dict[str, Any] = {
    "regions": 3, "contents": 2, "seeds": 2, "train_steps": 3, "batch": 2, "hidden": 3,
    "samples": 3, "device": "cpu",
}  # fmt: skip
DRAWN = ("reinforce", "baseline", "leave-one-out", "straight-through")


@pytest.fixture(scope="module")
def trained() -> Glimpse:
    """The default task, fewer networks and steps."""
    return glimpse.run(seeds=3, train_steps=200, device="cpu")


@pytest.fixture(scope="module")
def tiny() -> Glimpse:
    return glimpse.run(**TINY)


def options(**changes: Any) -> glimpse._Options:
    small = {k: v for k, v in TINY.items() if k != "device"} | changes
    return glimpse._Options(**small).checked()


def redrawn(o: glimpse._Options, seed: int = 0) -> glimpse.Network:
    """Networks all of whose parameters are random, biases too."""
    rng = np.random.default_rng(seed)
    p = glimpse.init(rng, o.m, 16, o.hidden, o.contents)
    return glimpse.Network(
        *(torch.tensor(rng.normal(0, 0.5, x.shape), requires_grad=True) for x in p)
    )


def pictures(o: glimpse._Options) -> glimpse._Pictures:
    world = glimpse._World(o, torch.device("cpu"))
    return glimpse._Pictures(*(a.double() for a in world.pictures(o.rng("probe"), o.batch)))


def still(o: glimpse._Options, seed: int = 0) -> glimpse._Still:
    p = glimpse.Network(*(leaf.detach() for leaf in redrawn(o, seed)))
    return glimpse._Still(p, pictures(o))


# The network and its steps


def test_the_network_by_hand() -> None:
    o = options()
    p = glimpse.Network(*(leaf.detach() for leaf in redrawn(o)))
    (x, right, _marked), every = pictures(o), still(o)
    e = glimpse.score(p, x)
    for m, b, n in itertools.product(range(2), range(2), range(3)):
        hidden = np.maximum((x[m, b, n] @ p.W[m] + p.b[m, 0]).numpy(), 0)
        assert float(e[m, b, n]) == pytest.approx(hidden @ p.v[m, :, 0].numpy())
        answer = (x[m, b, n] @ p.C[m] + p.c[m, 0]).log_softmax(-1)
        loss = -float(answer[right[m, b].argmax()])
        assert float(every.losses[m, b, n]) == pytest.approx(loss)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_that_of_autograd(method: str) -> None:
    """All parameters' gradients, with parameters all drawn at random; several temperatures."""
    for seed, τ in enumerate((0.5, 1.0, 2.0)):
        o = options(seed=seed)
        g = o.gumbel(np.random.default_rng(seed), method)
        gumbel = None if g is None else torch.tensor(g).double()
        found = []
        for function in (glimpse.step_of, glimpse._in_torch):
            p = redrawn(o, seed)
            loss = function(method, p, pictures(o), gumbel, 0.3, τ)[0].sum()
            found.append(torch.autograd.grad(loss, list(p)))
        for ours, theirs in zip(*found, strict=True):
            assert theirs.abs().max() > 1e-6
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_slopes_are_those_of_autograd() -> None:
    o = options()
    p, (x, right, _marked) = redrawn(o), pictures(o)
    weights = torch.rand(2, 2, 3, dtype=torch.float64, requires_grad=True)
    answers = glimpse.read(p, hard.look(weights, x))
    (expected,) = torch.autograd.grad(glimpse.loss_of(answers, right).sum(), weights)
    torch.testing.assert_close(glimpse.slopes(p, answers, right, x), expected)


def test_the_check_holds_and_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = glimpse.check(**TINY)
    assert len(checks) == 8 and all(check.passed for check in checks)
    assert max(check.error for check in checks) < 1e-12
    assert len(glimpse.check(**TINY | {"methods": "soft"})) == 1
    right = hard.reinforce
    monkeypatch.setattr(hard, "reinforce", lambda *a: right(*a) * (1 + 1e-6))
    failed = [check.name for check in glimpse.check(**TINY) if not check.passed]
    assert len(failed) == 5 and all("REINFORCE" in n or "one" in n or "base" in n for n in failed)


def test_gumbel_numbers_are_gumbel() -> None:
    g = options(batch=64).gumbel(np.random.default_rng(0), "reinforce", 100)
    assert g is not None and g.shape == (100, 2, 64, 3) and g.dtype == np.float32
    assert np.all(np.isfinite(g))
    assert g.mean() == pytest.approx(np.euler_gamma, abs=0.02)
    assert g.var() == pytest.approx(math.pi**2 / 6, rel=0.03)
    several = options().gumbel(np.random.default_rng(0), "leave-one-out", 5)
    assert several is not None and several.shape == (3, 5, 2, 2, 3)
    assert options().gumbel(np.random.default_rng(0), "soft") is None

    class Zero:
        def standard_exponential(self, shape: Any, dtype: Any) -> Any:
            return np.zeros(shape, dtype)

    zero = options().gumbel(Zero(), "reinforce")  # type: ignore[arg-type]
    assert zero is not None and np.all(np.isfinite(zero))


# Gradients that stand still


def by_scores(s: glimpse._Still) -> torch.Tensor:
    """How every score moves the batch's mean, (m, b, n, parameters): each by autograd."""
    p = glimpse.Network(*(leaf.clone().requires_grad_() for leaf in s.p))
    e = glimpse.score(p, s.pictures.x)
    found = torch.zeros(*e.shape, s.truth.shape[-1], dtype=e.dtype)
    for m, b, n in itertools.product(*map(range, e.shape)):
        by = torch.autograd.grad(e[m, b, n], p[:3], retain_graph=True)
        found[m, b, n] = torch.cat([leaf[m].flatten() for leaf in by]) / e.shape[1]
    return found


def test_gradients_and_squares_by_autograd_of_each_score() -> None:
    s = still(options())
    δ = torch.randn(4, 2, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = torch.einsum("kmbn,mbnp->kmbp", δ, by_scores(s))
    torch.testing.assert_close(s.squares(δ), parts.square().sum(-1))
    torch.testing.assert_close(s.gradient(δ[0]), parts[0].sum(1))


def sums_over_all_looks(
    s: glimpse._Still, k: int, baseline: float
) -> tuple[list[np.ndarray], list[float]]:
    """Mean and trace of the covariance, network by network, over every outcome of both pictures."""
    means, traces, jacobian = [], [], by_scores(s)
    n = s.weights.shape[-1]
    for m in range(2):
        mean, square = np.zeros(s.truth.shape[-1]), 0.0
        for places in itertools.product(range(n), repeat=2 * k):
            at = torch.tensor(places).reshape(k, 2)  # of k looks at two pictures
            chosen = torch.nn.functional.one_hot(at, n).double()
            paid = (chosen * s.losses[m]).sum(-1)
            if k == 1:
                δ = hard.reinforce(s.weights[m], chosen[0], paid[0], baseline)
            else:
                δ = hard.leave_one_out(s.weights[m], chosen, paid)
            g = torch.einsum("bn,bnp->p", δ, jacobian[m]).numpy()
            probability = float((chosen * s.weights[m]).sum(-1).prod())
            mean, square = mean + probability * g, square + probability * g @ g
        means.append(mean)
        traces.append(float(square - mean @ mean))
    return means, traces


@pytest.mark.parametrize(("k", "baseline"), [(1, 0.0), (1, 0.6), (2, 0.0), (3, 0.0)])
def test_expectation_and_covariance_over_every_outcome(k: int, baseline: float) -> None:
    s = still(options())
    means, traces = sums_over_all_looks(s, k, baseline)
    mean, trace = glimpse.enumerated(s, k, baseline)
    np.testing.assert_allclose(s.gradient(mean).numpy(), means, atol=1e-12)
    np.testing.assert_allclose(trace.numpy(), traces, rtol=1e-9)
    np.testing.assert_allclose(means, s.truth.numpy(), atol=1e-12)  # without bias
    expected = np.sqrt(traces) / np.linalg.norm(means, axis=1)
    np.testing.assert_allclose(s.noise(trace, mean), expected, rtol=1e-9)


def test_the_truth_is_the_gradient_of_the_expected_loss() -> None:
    o = options()
    p = redrawn(o)
    s = still(o)
    every = torch.softmax(glimpse.score(p, s.pictures.x), -1) * s.losses.detach()
    by = torch.autograd.grad(every.sum(-1).mean(-1).sum(), p[:3])
    torch.testing.assert_close(s.truth, torch.cat([g.flatten(1) for g in by], dim=1))


@pytest.mark.parametrize("method", DRAWN)
def test_draws_find_what_the_sum_over_all_looks_finds(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Straight-through, which has no such sum, by autograd of other draws."""
    monkeypatch.setattr(glimpse, "_LOOKS", (1, 2, 9000))
    o = options()
    probe = glimpse._Probe(glimpse._World(o, torch.device("cpu")))
    s = glimpse._Still(glimpse.Network(*(x.detach() for x in redrawn(o, 1))), probe.pictures)
    draws = probe.draw(method, s, 0.5, lambda: None)
    k = glimpse._looks_of(o, method)
    assert draws.count == 9000 // k and len(draws.cosines) == 3
    assert np.all(np.isnan(draws.cosines[1])) == (method == "leave-one-out")
    np.testing.assert_array_less(draws.cosines[2], 1.0)
    assert np.all(draws.error() < 0.5)
    if method == "straight-through":
        noise, bias = straight_through_by_autograd(s, o.temperature, 9000)
        assert bias.max() > 0.2
        np.testing.assert_allclose(draws.noise(), noise, rtol=0.1)
        np.testing.assert_allclose(draws.bias(), bias, atol=0.05)
    else:
        mean, trace = glimpse.enumerated(s, k, 0.5)
        np.testing.assert_allclose(draws.noise(), s.noise(trace, mean), rtol=0.2)
        error = np.sqrt(trace.numpy() / draws.count) / np.linalg.norm(s.truth, axis=1)
        np.testing.assert_allclose(draws.error(), error, rtol=0.1)
        assert np.all(draws.bias() < 3 * error) and np.all(draws.cosines[2] > 0.9)


def straight_through_by_autograd(
    s: glimpse._Still, τ: float, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    g = torch.tensor(np.random.default_rng(5).gumbel(size=(draws, *s.scores.shape)))
    e = s.scores.expand(g.shape).clone().requires_grad_()
    y = torch.softmax((e + g) / τ, -1)
    one_hot = torch.nn.functional.one_hot((e + g).argmax(-1), e.shape[-1])
    z = torch.einsum("kmbn,mbnd->kmbd", one_hot + y - y.detach(), s.pictures.x)
    answers = (torch.einsum("kmbd,mdc->kmbc", z, s.p.C) + s.p.c).log_softmax(-1)
    (δ,) = torch.autograd.grad(-(answers * s.pictures.right).sum(), e)
    gradients = torch.einsum("kmbn,mbnp->kmp", δ, by_scores(s))
    mean, trace = gradients.mean(0), gradients.var(0).sum(-1)
    noise = trace.sqrt() / mean.norm(dim=-1)
    return noise.numpy(), ((mean - s.truth).norm(dim=-1) / s.truth.norm(dim=-1)).numpy()


def test_moments_of_draws_by_hand() -> None:
    o = options()
    s = still(o)
    δ = torch.randn(9, 2, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    draws = glimpse._Draws(s)
    for n in (2, 9):
        draws.add(δ[draws.count : n])
        draws.note()
    jacobian = by_scores(s)
    for m in range(2):
        g = torch.einsum("kbn,bnp->kbp", δ[:, m], jacobian[m]).numpy()  # (draws, b, p)
        trace = sum(np.trace(np.cov(g[:, b].T)) for b in range(2))  # pictures are independent
        mean, truth = g.sum(1).mean(0), s.truth[m].numpy()
        assert float(draws.trace[m]) == pytest.approx(trace)
        signal = mean @ mean - trace / 9
        noise = math.sqrt(trace / signal) if signal > 0 else math.nan
        assert draws.noise()[m] == pytest.approx(noise, nan_ok=True)
        away = (mean - truth) @ (mean - truth) - trace / 9
        expected = math.sqrt(max(away, 0)) / np.linalg.norm(truth)
        assert draws.bias()[m] == pytest.approx(expected)
        error = math.sqrt(trace / 9) / np.linalg.norm(truth)
        assert draws.error()[m] == pytest.approx(error)
        for note, n in enumerate((2, 9)):
            first = g[:n].sum(1).mean(0)
            cosine = first @ truth / np.linalg.norm(first) / np.linalg.norm(truth)
            assert draws.cosines[note][m] == pytest.approx(cosine)


def test_the_exam_by_hand() -> None:
    o = options()
    exam = glimpse._Exam(glimpse._World(o, torch.device("cpu")))
    p = glimpse.Network(*(leaf.detach().float() for leaf in redrawn(o)))
    x, right, marked = exam.pictures
    e = glimpse.score(p, x)
    for method in ("soft", "reinforce"):
        accuracy, weights, share = exam.look(method, p)
        for m in range(2):
            hits, shares = [], []
            for b in range(len(x[m])):
                α = torch.softmax(e[m, b], 0)
                z = x[m, b, int(e[m, b].argmax())] if method == "reinforce" else α @ x[m, b]
                hits.append(int((z @ p.C[m] + p.c[m, 0]).argmax()) == int(right[m, b].argmax()))
                shares.append(float(α[marked[m, b].argmax()]))
            assert accuracy[m] == pytest.approx(np.mean(hits))
            assert share[m] == pytest.approx(np.mean(shares), rel=1e-5)
        np.testing.assert_allclose(weights, torch.softmax(e[0, 0], 0), rtol=1e-5)
    assert exam.marked == int(marked[0, 0].argmax())
    broken = p._replace(C=torch.full_like(p.C, math.nan))
    assert np.all(np.isnan(exam.look("soft", broken)[0]))


# What the class shall see


def test_what_the_class_shall_see(trained: Glimpse) -> None:
    learned = {x.name: x for x in trained.learned}
    for x in trained.learned:
        assert x.accuracy.min() >= 0.95, x.name
    assert np.all(learned["soft"].steps < learned["reinforce"].steps)
    noise = {g.name: g.noise for g in trained.gradients}
    assert noise["soft"].start == noise["exact"].end == 0
    order = [noise[name].start for name in ("reinforce", "baseline", "leave-one-out")]
    assert order == sorted(order, reverse=True) and order[0] > 10 > 5 > order[1]
    for g in trained.gradients:
        if g.name in ("exact", "reinforce", "baseline", "leave-one-out"):
            assert np.all(g.bias.starts < 1e-9)
    assert trained.gradients[-1].bias.starts.min() > 0.1
    for looks in trained.looks:
        assert looks.before.sum() == pytest.approx(1) and looks.after.sum() == pytest.approx(1)
        assert np.all(looks.shares[0] < 0.2) and np.all(looks.shares[2] > 0.9)
        np.testing.assert_array_equal(looks.before, trained.looks[0].before)


def test_a_method_learns_alike_whatever_else_is_trained() -> None:
    alone = glimpse.run(**TINY, methods="leave-one-out")
    among = glimpse.run(**TINY)
    np.testing.assert_array_equal(alone.series[0].median, among.series[4].median)
    assert alone.gradients[0].noise.end == among.gradients[4].noise.end
    assert alone.methods == ["leave-one-out"] and among.methods == list(METHODS)
    assert glimpse.run(**TINY, methods="Reinforce , soft,soft").methods == ["soft", "reinforce"]


def test_the_baseline_begins_at_a_guess_and_moves(tiny: Glimpse) -> None:
    noise = {g.name: g.noise for g in tiny.gradients}
    assert noise["reinforce"].start != noise["baseline"].start
    o, cpu = options(), torch.device("cpu")
    p = glimpse.init(np.random.default_rng(0), o.m, 16, o.hidden, o.contents)
    learner = glimpse._Learner(o, "baseline", p, cpu)
    assert learner.baseline == pytest.approx(math.log(2))
    learner.pictures = glimpse._Pictures(*(a.float() for a in pictures(o)))
    next(learner.fit())
    assert learner.baseline.shape == (2, 1)  # type: ignore[union-attr]
    assert glimpse._Learner(o, "reinforce", p, cpu).baseline == 0


def test_reads(tiny: Glimpse) -> None:
    found = {r.name: (r.training, r.backward, r.test) for r in tiny.reads}
    assert found == {
        "soft": (3, 3, 3), "exact": (3, 3, 1), "reinforce": (1, 1, 1), "baseline": (1, 1, 1),
        "leave-one-out": (3, 3, 1), "straight-through": (1, 3, 1),
    }  # fmt: skip


# Sentences follow the numbers


def ends(start: list[float], end: list[float]) -> Ends:
    return glimpse._ends(np.array(start), np.array(end))


def changed(result: Glimpse, name: str, **changes: Any) -> Glimpse:
    gradients = [dataclasses.replace(g, **changes) if g.name == name else g
                 for g in result.gradients]  # fmt: skip
    return dataclasses.replace(result, gradients=gradients)


def test_sentences_of_a_real_run(trained: Glimpse) -> None:
    learning, noise, bias = glimpse.takeaways(trained)
    assert learning.startswith("The median network is right 90 % of the time after so many steps: ")
    assert learning.endswith("Soft is there before REINFORCE in 3 of 3 networks.")
    assert "(less in 3 of 3 networks)" in noise and bias.startswith("Straight-through is biased")
    asked = glimpse.question(trained)
    assert asked.choices[asked.answer] == "REINFORCE" and "leave one out" in asked.why


def test_learning_follows_the_steps(trained: Glimpse) -> None:
    nan = math.nan
    learned = [
        Learned("soft", np.array([60.0, 70, nan]), np.array([1.0, 1, 0.5])),
        Learned("reinforce", np.array([50.0, 50, 50]), np.ones(3)),
        Learned("baseline", np.array([nan, nan, 5]), np.array([0.3, 0.4, 1])),
    ]
    said = glimpse.takeaways(dataclasses.replace(trained, learned=learned))[0]
    assert (
        "after so many steps: REINFORCE 50, soft 70. Not there by step 200: baseline 40 %." in said
    )
    assert said.endswith("Soft is there before REINFORCE in 0 of 3 networks.")
    never = dataclasses.replace(trained, learned=learned[2:])
    assert glimpse.takeaways(never)[0] == "Not there by step 200: baseline 40 %."


def test_noise_follows_the_numbers(trained: Glimpse) -> None:
    worse = changed(trained, "baseline", noise=ends([900, 900, 1], [1, 900, 900]))
    said = glimpse.takeaways(worse)[1]
    assert "with a baseline 900 (less in 1 of 3 networks)" in said
    assert said.endswith("and 900 (less in 1 of 3 networks).")
    fewer = [g for g in trained.gradients if g.name in ("soft", "leave-one-out")]
    said = glimpse._noise_said(dataclasses.replace(trained, gradients=fewer))
    assert said.startswith("Noise over signal of one step's gradient, at first: leave one out ")
    assert "soft" not in said


def test_noise_counts_only_networks_that_have_a_gradient(trained: Glimpse) -> None:
    nan = math.nan
    some = changed(trained, "reinforce", noise=ends([5, nan, 7], [nan] * 3))
    some = changed(some, "baseline", noise=ends([6, nan, 4], [nan] * 3))
    said = glimpse.takeaways(some)[1]
    assert said.endswith(
        "with a baseline 5.0 (less in 1 of the 2 networks whose exact gradient is not 0)."
    )
    assert "In the end" not in said and "-" not in said
    none = changed(some, "baseline", noise=ends([nan] * 3, [nan] * 3))
    assert not any("noise" in sentence for sentence in glimpse.takeaways(none))


@pytest.mark.parametrize(
    ("bias", "error", "sentence"),
    [
        ([0.2, 0.3, 0.4], 0.1, "Straight-through is biased, whatever the number of looks: at first,"
         " in 3 of 3 networks, its expected gradient misses the exact one by 5 % of its length or"
         " more (median 30 % ± 10 %)."),
        ([0.01, 0.02, 0.03], 0.01, "Here straight-through is hardly biased: at first, in 3 of 3"
         " networks, its expected gradient misses the exact one by less than 5 % of its length"
         " (median 2.0 % ± 1.0 %)."),
        ([0.01, 0.02, 0.3], 0.02, "depends on the network: at first its expected gradient misses"
         " the exact one by 1.0 % to 30 % of its length (± 2.0 %), by 5 % or more in 1 of 3"),
        ([0.0, 0.11, 0.3], 0.1, "Whether straight-through is biased, 512 looks cannot tell in 2 of"
         " 3 networks: the mean gradient misses the exact one by 0 % to 30 % of its length"),
        ([0.2, math.nan, 0.4], 0.1, "in 2 of the 2 networks whose exact gradient is not 0"),
    ],
)  # fmt: skip
def test_bias_follows_the_numbers(
    trained: Glimpse, bias: list[float], error: float, sentence: str
) -> None:
    result = changed(
        trained, "straight-through", bias=ends(bias, bias), error=ends([error] * 3, [error] * 3)
    )
    assert sentence in glimpse.takeaways(result)[2]


def test_without_an_exact_gradient_nothing_is_said_of_bias(trained: Glimpse) -> None:
    nothing = ends([math.nan] * 3, [math.nan] * 3)
    result = changed(trained, "straight-through", bias=nothing, noise=nothing)
    assert len(glimpse.takeaways(result)) == 2 and "-" not in glimpse.question(result).why


def test_dead_networks_are_left_out() -> None:
    """A scorer of one unit before one picture: its relu is often shut at both regions."""
    result = glimpse.run(**TINY | {"hidden": 1, "batch": 1, "regions": 2, "seeds": 16})
    dead = np.isnan(result.gradients[0].bias.starts)
    assert 0 < dead.sum() < 16
    said = " ".join(glimpse.takeaways(result))
    assert f"of the {16 - dead.sum()} networks whose exact gradient is not 0" in said
    assert " - " not in said and "nan" not in said


def test_a_cold_softmax_is_hardly_biased_and_noisier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The textbook's price of straight-through is a choice: a lower temperature pays in noise."""
    monkeypatch.setattr(glimpse, "_LOOKS", (1, 16384))
    o = glimpse._Options(seeds=4, batch=8, regions=4)
    found = []
    for τ in (1.0, 0.1):
        o = dataclasses.replace(o, temperature=τ)
        probe = glimpse._Probe(glimpse._World(o, torch.device("cpu")))
        p = glimpse.init(o.rng("network"), o.m, 16, o.hidden, o.contents)
        s = probe.still(glimpse.Network(*map(torch.tensor, p)))
        found.append(probe.draw("straight-through", s, 0.0, lambda: None))
    warm, cold = found
    assert np.all(warm.bias() - warm.error() > 0.1)
    assert np.all(cold.bias() < np.minimum(0.1, 2 * cold.error()))
    assert np.all(cold.noise() > 2 * warm.noise())


def test_few_draws_of_a_cold_softmax_give_no_verdict() -> None:
    small = {"methods": "straight-through", "seeds": 8, "train_steps": 1, "device": "cpu"}
    cold = glimpse.run(**small, temperature=0.1)  # type: ignore[arg-type]
    assert "512 looks cannot tell in 8 of 8 networks" in glimpse.takeaways(cold)[2]


def test_without_random_gradients_there_is_another_question(trained: Glimpse) -> None:
    for name, answer in (("soft", "9"), ("exact", "1")):
        alone = dataclasses.replace(
            trained, gradients=[g for g in trained.gradients if g.name == name],
            reads=[r for r in trained.reads if r.name == name], methods=[name],
            learned=[x for x in trained.learned if x.name == name],
        )  # fmt: skip
        asked = glimpse.question(alone)
        assert asked.choices[asked.answer] == answer
        assert len(glimpse.takeaways(alone)) == 1


def test_a_training_that_diverged_says_so_and_nothing_else(trained: Glimpse) -> None:
    lost = dataclasses.replace(trained.learned[2], accuracy=np.array([1, math.nan, 1]))
    learned = [*trained.learned[:2], lost, *trained.learned[3:]]
    broken = dataclasses.replace(trained, learned=learned)
    (sentence,) = glimpse.takeaways(broken)
    assert "diverged (REINFORCE)" in sentence and "--lr" in sentence
    assert "Look everywhere" in drawn(broken)


def test_hopeless_options_still_make_a_screen() -> None:
    result = glimpse.run(**TINY | {"lr": 1.0, "train_steps": 30}, noise=10.0)
    assert drawn(result, detail=True) and glimpse.takeaways(result) and glimpse.question(result)


# The screen


def drawn(result: Glimpse, width: int = 100, detail: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(glimpse.show(result, detail))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_screen_fits(trained: Glimpse, language: str) -> None:
    from seqlab.locale import speak

    speak(language)
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(glimpse.show(trained), Takeaways(glimpse.takeaways(trained)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) <= 39  # besides the footer
    assert max(map(cell_len, lines)) <= 100


def test_what_stands_on_the_screen(trained: Glimpse) -> None:
    text = drawn(trained)
    assert "1 (9) / 1" in text and "4 / 1" in text and "9 / 9" in text
    assert f"Where they look after {trained.early} steps" in text
    assert text.count("↓") == 7 and "cosine" not in text
    assert "at first .11" in text and "straight-through ." in text
    detailed = drawn(trained, detail=True)
    assert "cosine with the exact gradient" in detailed
    assert detailed.count("100 %") == 6 and len(detailed) > len(text) + 1500


def test_the_marked_region_is_where_the_arrows_point(trained: Glimpse) -> None:
    for marked in range(9):
        looks = [dataclasses.replace(x, before=np.eye(9)[marked]) for x in trained.looks]
        result = dataclasses.replace(trained, looks=looks[:1], marked=marked)
        _note, panels = glimpse._looks(result)
        console = Console(file=io.StringIO(), width=24, color_system=None)
        console.print(panels)
        lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        (row,) = [line for line in lines if "1" in line and "at first" not in line][:1]
        assert row.startswith("→")
        assert abs(row.index("1") - lines[1].index("↓")) <= 3


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_every_width(tiny: Glimpse, width: int) -> None:
    for detail in (False, True):
        assert max(map(cell_len, drawn(tiny, width, detail).splitlines())) <= width


# The command

WORDS = [
    "glimpse", "--regions", "5", "--contents", "2", "--seeds", "2", "--train-steps", "3",
    "--batch", "2", "--hidden", "3", "--samples", "3", "--device", "cpu",
]  # fmt: skip


def test_json_contract(seqlab: Run) -> None:
    first = seqlab(*WORDS, "--json")
    document = first.json
    assert document["options"] == {
        "regions": 5, "contents": 2, "noise": 0.3, "methods": ",".join(METHODS), "samples": 3,
        "temperature": 1.0, "hidden": 3, "seeds": 2, "train_steps": 3, "batch": 2, "lr": 0.01,
        "device": "cpu", "quick": False, "seed": 0,
    }  # fmt: skip
    result = document["result"]
    names = list(METHODS)
    assert [s["name"] for s in result["series"]] == [*names, *(f"{n}: cosine" for n in names)]
    for s in result["series"][:6]:
        assert set(s) == {"name", "x", "median", "low", "high", "chance"}
        assert s["x"] == [0, 1, 2, 3] and s["chance"] == 0.5
        assert all(low <= mid <= high for low, mid, high in zip(s["low"], s["median"], s["high"]))
    for s in result["series"][6:]:
        assert s["x"] == list(glimpse._LOOKS) and s["chance"] is None
    assert result["series"][10]["median"][:2] == [None, None]  # leave-one-out takes three looks
    for gradient in result["gradients"]:
        for number in ("noise", "bias", "error"):
            assert set(gradient[number]) == {"start", "end", "starts", "ends"}
            assert len(gradient[number]["starts"]) == 2
    assert [g["draws"] for g in result["gradients"]] == [1, 1, 512, 512, 170, 512]
    for looks in result["looks"]:
        assert [len(looks[k]) for k in ("before", "early", "after")] == [5, 5, 5]
        assert np.shape(looks["shares"]) == (3, 2)
    assert [r["name"] for r in result["reads"]] == names and 0 <= result["marked"] < 5
    assert result["random_look"] == pytest.approx(0.6) and not result["stopped"]
    assert seqlab(*WORDS, "--json").text == first.text
    other = seqlab(*WORDS, "--json", "--seed", "1").json
    assert other["result"]["gradients"] != result["gradients"]


def test_the_default_json_is_small(trained: Glimpse) -> None:
    import json

    from seqlab.emit import plain

    assert len(json.dumps(plain(trained), indent=1)) < 150_000


def test_the_command_checks_itself(seqlab: Run) -> None:
    outcome = seqlab(*WORDS, "--check")
    assert outcome.status == 0 and "8 comparisons with torch hold" in outcome.text
    assert outcome.widest <= 100
    plain = seqlab(*WORDS, "--ascii", "--detail", width=60)
    assert plain.text.isascii() and plain.widest <= 60


def test_quick_is_a_smaller_budget_and_explicit_options_win() -> None:
    assert (options().m, glimpse._Options().checked().m) == (2, 16)
    quick = glimpse._Options(quick=True).checked()
    assert (quick.m, quick.steps) == (4, 160)
    both = glimpse._Options(quick=True, train_steps=7).checked()
    assert (both.m, both.steps) == (4, 7) and glimpse._Options().checked().steps == 240


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"methods": "soft,hart"}, "--methods hart: expected one of soft, exact, reinforce,"),
        ({"methods": " , "}, "--methods '': expected at least one of soft"),
        ({"methods": []}, "--methods '': expected at least one of soft"),
        ({"regions": 1}, "--regions 1: expected a number from 2 to 25"),
        ({"regions": 26}, "--regions 26"), ({"regions": 2.5}, "--regions 2.5: expected a whole"),
        ({"contents": 16}, "--contents 16: expected a number from 2 to 15"),
        ({"contents": 1}, "--contents 1"), ({"noise": -0.1}, "--noise -0.1"),
        ({"noise": math.nan}, "--noise nan"), ({"noise": math.inf}, "--noise inf"),
        ({"samples": 1}, "--samples 1: expected a number from 2 to 16"),
        ({"samples": 17}, "--samples 17"), ({"temperature": 0.0}, "--temperature 0.0"),
        ({"temperature": math.inf}, "--temperature inf"), ({"hidden": 0}, "--hidden 0"),
        ({"hidden": 65}, "--hidden 65"), ({"seeds": 0}, "--seeds 0"), ({"seeds": 33}, "--seeds 33"),
        ({"train_steps": 0}, "--train-steps 0"), ({"train_steps": 3001}, "--train-steps 3001"),
        ({"batch": 0}, "--batch 0"), ({"batch": 129}, "--batch 129"), ({"lr": 2.0}, "--lr 2.0"),
        ({"lr": math.nan}, "--lr nan"), ({"seed": -1}, "--seed -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_torch(changes: dict[str, Any], sentence: str) -> None:
    def told(*_: object) -> None:
        raise AssertionError("it has begun")

    with pytest.raises(BadInput) as problem:
        glimpse.run(**changes, watch=told)
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


def test_a_bad_method_is_one_line(seqlab: Run) -> None:
    outcome = seqlab("glimpse", "--methods", "[red]hard[/red]\x1b")
    assert outcome.status == 2 and outcome.text == "" and outcome.errors.count("\n") == 1
    assert "[red]hard[/red]" in outcome.errors and "\x1b" not in outcome.errors


def test_progress_is_told_with_a_view_of_what_is_known_by_then() -> None:
    told: list[tuple[float, str]] = []
    views: list[Any] = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        told.append((done, doing))
        if view is not None and view not in views:
            views.append(view)

    glimpse.run(**TINY, watch=watch)
    shares = [done for done, _doing in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert told[0] == (0, "loading torch") and told[1] == (0, "measuring gradients")
    assert (1, "step 3 of 3") in told and told[-1] == (1, "measuring gradients")
    assert [view.args[0].step for view in views] == [1, 2, 3]
    for view in views:
        console = Console(file=io.StringIO(), width=100, color_system=None)
        console.print(view())
        assert "Look everywhere" in console.file.getvalue()  # type: ignore[attr-defined]


def test_ctrl_c_shows_what_there_is(seqlab: Run, stop_at_view: Callable[[int], None]) -> None:
    words = ["glimpse", "--seeds", "1", "--batch", "2", "--train-steps", "120", "--device", "cpu"]
    stop_at_view(7)
    outcome = seqlab(*words, "--check")
    assert outcome.status == 130
    assert outcome.text.startswith("✗ Stopped before the end of training"), outcome.text[:200]
    assert "comparisons with torch" not in outcome.text
    stop_at_view(8)
    result = seqlab(*words, "--json").json["result"]
    assert result["stopped"] is True and result["train_steps"] == 120 and result["step"] == 12
    assert result["series"][0]["x"] == [0, 5, 10, 12]
    assert result["gradients"][2]["noise"]["end"] is not None


def test_ctrl_c_while_the_last_gradients_are_measured(seqlab: Run, stop_at_view: Any) -> None:
    stop_at_view(3 + 4)  # after three steps: soft, exact and REINFORCE are measured by then
    outcome = seqlab(*WORDS, "--json")
    result = outcome.json["result"]
    assert result["stopped"] is True and result["step"] == 3
    known = [gradient["noise"]["end"] is not None for gradient in result["gradients"]]
    assert known == [True, True, True, False, False, False]
    stop_at_view(3 + 4)
    text = seqlab(*WORDS).text
    assert "In the end" not in text and "Straight-through" in text


def test_more_work_than_a_class_waits_for_is_refused() -> None:
    def told(*_: object) -> None:
        raise AssertionError("it has begun")

    most = {"regions": 25, "seeds": 32, "batch": 128, "hidden": 64, "samples": 16}
    with pytest.raises(BadInput, match="--regions, --batch, --seeds, --hidden or --samples"):
        glimpse.run(**most, watch=told)  # type: ignore[arg-type]
    glimpse._Options(regions=25, train_steps=1000).checked()
    assert 25 < glimpse._MOST_WORK / glimpse._Options().checked().work < 35
