"""vanish: the numbers against torch and against theory, and sentences that follow the numbers."""

import math

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqlab.book import gru, lstm, rnn
from seqlab.lab import BadInput, vanish

SMALL = {"steps": 20, "hidden": 16, "seeds": 3}


def test_json_contract(seqlab: Run) -> None:
    document = seqlab("vanish", "--steps", "50", "--json").json
    result = document["result"]
    assert result["steps"] == 50
    found = [(c["cell"], c["state"]) for c in result["curves"]]
    assert found == [("linear", "h"), ("rnn", "h"), ("lstm", "c"), ("lstm", "h"), ("gru", "h")]
    for curve in result["curves"]:
        assert curve["radius"] == 0.9
        for name in ("norms", "low", "high", "log10_norms"):
            assert len(curve[name]) == 51
        assert curve["norms"][0] == 1 and curve["low"][0] == 1 and curve["high"][0] == 1
        assert np.all(np.array(curve["low"]) <= np.array(curve["norms"]))
        assert np.all(np.array(curve["norms"]) <= np.array(curve["high"]))
    assert document["options"] == {
        "steps": 50, "cells": "linear,rnn,lstm,gru", "hidden": 64, "radius": [0.9],
        "forget_bias": 1.0, "input": "noise", "seeds": 8, "clip": None, "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"radius": [1.5], "forget_bias": -1.0}, {"input": "none"}])
def test_the_gradients_are_those_of_autograd(options: dict[str, object]) -> None:
    for check in vanish.check(**SMALL, **options):  # type: ignore[arg-type]
        assert check.passed and check.error < 1e-11, check


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    right = lstm.backward

    def wrong(*arguments: object) -> object:
        da, dh, dc = right(*arguments)  # type: ignore[arg-type]
        return da, dh, dc * (1 + 1e-6)

    monkeypatch.setattr(lstm, "backward", wrong)
    passed = {c.name.split(",")[0]: c.passed for c in vanish.check(**SMALL)}  # type: ignore[arg-type]
    assert passed == {"linear RNN": True, "tanh RNN": True, "LSTM": False, "GRU": True}


def test_the_check_sees_a_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    right = lstm.backward

    def broken(*arguments: object) -> object:
        return tuple(part * np.nan for part in right(*arguments))  # type: ignore[arg-type]

    monkeypatch.setattr(lstm, "backward", broken)
    (check,) = vanish.check(cells="lstm", **SMALL)  # type: ignore[arg-type]
    assert math.isnan(check.error) and not check.passed


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_norms_against_torch_modules(cell: str) -> None:
    """The same networks in torch.nn, their gradients by autograd: every norm of every step."""
    steps, d = 12, 8
    job = vanish._Job(cell, 1.2, steps, d, 0.5, "noise", 2, 7, None)
    p, xs, loss = job.networks([0, 1])
    logs = []
    for s in range(2):
        kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
        module = kind(vanish._INPUTS, d).double()
        biases = p.b if cell != "gru" else p.b_x
        state = {
            "weight_ih_l0": p.W_x[s].T, "weight_hh_l0": p.W_h[s].T,
            "bias_ih_l0": biases[s, 0], "bias_hh_l0": np.zeros_like(biases[s, 0]),
        }  # fmt: skip
        module.load_state_dict({k: torch.tensor(np.ascontiguousarray(v)) for k, v in state.items()})
        h = torch.zeros(1, 1, d, dtype=torch.float64, requires_grad=True)
        kept, carried = [h], h
        memory = torch.zeros_like(h)
        for x in torch.tensor(xs[:, s]):
            if cell == "lstm":
                _, (carried, memory) = module(x[None], (carried, memory))
            else:
                _, carried = module(x[None], carried)
            kept.append(carried)
        gradients = torch.autograd.grad((carried[0] * torch.tensor(loss[s])).sum(), kept)
        norms = [float(g.norm()) for g in reversed(gradients)]
        logs.append(np.log10(np.array(norms) / norms[0]))
    result = vanish.run(
        steps=steps, hidden=d, radius=[1.2], forget_bias=0.5, seeds=2, seed=7, cells=cell
    )
    curve = next(c for c in result.curves if c.state == "h")
    np.testing.assert_allclose(curve.log10_norms, np.median(logs, axis=0), atol=1e-9)
    np.testing.assert_allclose(curve.low, 10 ** np.min(logs, axis=0), rtol=1e-9)
    np.testing.assert_allclose(curve.high, 10 ** np.max(logs, axis=0), rtol=1e-9)


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.0, 1.1, 1.5])
def test_the_linear_cell_follows_its_radius_exactly(radius: float) -> None:
    for driven in ("noise", "none"):
        result = vanish.run(cells="linear", radius=[radius], input=driven, **SMALL)  # type: ignore[arg-type]
        assert result.curves[0].rate == pytest.approx(radius, abs=1e-6)
        np.testing.assert_allclose(result.curves[0].norms, radius ** np.arange(21), rtol=1e-9)
        for spectrum in result.spectra:
            for k, values in zip(spectrum.steps, spectrum.singular_values):
                np.testing.assert_allclose(values, radius**k, rtol=1e-9)


@pytest.mark.parametrize(("bias", "half_life"), [(0, 1.0), (1, 2.2), (3, 14.0), (5, 103.0)])
def test_without_weights_the_lstm_decays_by_its_forget_gate(bias: float, half_life: float) -> None:
    result = vanish.run(cells="lstm", radius=[0], input="none", forget_bias=bias, **SMALL)  # type: ignore[arg-type]
    curve = result.curve("lstm", 0.0)
    assert curve is not None
    assert curve.rate == pytest.approx(1 / (1 + math.exp(-bias)), rel=1e-12)
    assert curve.rate == pytest.approx(curve.theory, rel=1e-12)
    assert curve.half_life == pytest.approx(half_life, rel=0.03)


def test_without_weights_the_gru_halves() -> None:
    result = vanish.run(cells="gru", radius=[0], input="none", **SMALL)  # type: ignore[arg-type]
    assert result.curves[0].rate == pytest.approx(0.5, rel=1e-12)


def test_driven_tanh_vanishes_where_the_linear_cell_explodes() -> None:
    result = vanish.run(cells="linear,rnn", radius=[1.5])
    linear, plain = result.curve("linear", 1.5), result.curve("rnn", 1.5)
    assert linear is not None and plain is not None
    assert linear.rate > 1 > plain.rate
    undriven = vanish.run(cells="rnn", radius=[1.5], input="none").curve("rnn", 1.5)
    assert undriven is not None and undriven.rate > 1.3


def test_far_beyond_the_range_of_floats() -> None:
    result = vanish.run(steps=3000, hidden=4, seeds=2, cells="linear", radius=[0.5, 2.0])
    small, large = result.curves
    assert small.norms[-1] == 0 and small.log10_norms[-1] == pytest.approx(-3000 * math.log10(2))
    assert large.norms[-1] == np.inf
    assert large.log10_norms[-1] == pytest.approx(3000 * math.log10(2))
    assert small.float32_reach == 126  # 2^-126 is the smallest normal number
    assert large.float32_reach == 127


def test_clipping_what_has_overflown(seqlab: Run) -> None:
    command = "vanish --steps 3000 --hidden 4 --seeds 2 --cells linear --radius 2 --clip 1"
    outcome = seqlab(*command.split())
    assert outcome.status == 0 and "nothing left to clip" in outcome.text
    assert seqlab(*command.split(), "--json").json["result"]["clipped"][0]["log10_factor"] is None


def test_json_has_null_where_a_norm_overflows(seqlab: Run) -> None:
    command = "vanish --steps 3000 --hidden 4 --seeds 2 --cells linear --radius 2 --json"
    curve = seqlab(*command.split()).json["result"]["curves"][0]
    assert curve["norms"][-1] is None
    assert curve["log10_norms"][-1] == pytest.approx(3000 * math.log10(2))


def test_a_gradient_that_dies_at_once() -> None:
    result = vanish.run(cells="linear,rnn", radius=[0], **SMALL)  # type: ignore[arg-type]
    for curve in result.curves:
        assert curve.rate == 0 and list(curve.norms[:3]) == [1, 0, 0]
        assert curve.half_life is None and curve.float32_reach == 0
    assert all("nan" not in sentence for sentence in vanish.takeaways(result))


def test_a_seed_is_the_same_network_in_every_company() -> None:
    """Groups, other cells and further seeds must not change what a seed draws."""
    wide = [vanish._Job("lstm", 0.9, 5, 200, 1.0, "noise", n, 0, None) for n in (1, 3)]
    assert [len(list(job.groups())) for job in wide] == [1, 3]
    narrow = vanish._Job("lstm", 0.9, 5, 8, 1.0, "noise", 3, 0, None)
    assert list(narrow.groups()) == [[0, 1, 2]]
    together, alone = narrow.networks([0, 1, 2]), narrow.networks([1])
    for many, one in zip(together[0], alone[0]):
        np.testing.assert_array_equal(many[1], one[0])
    np.testing.assert_array_equal(together[1][:, 1], alone[1][:, 0])
    np.testing.assert_array_equal(together[2][1], alone[2][0])
    by_seed = [vanish.run(steps=5, hidden=200, seeds=n, cells="lstm").curves[0] for n in (1, 3)]
    in_company = vanish.run(steps=5, hidden=200, seeds=3, cells="rnn,lstm").curve("lstm", 0.9)
    assert in_company is not None
    np.testing.assert_array_equal(in_company.norms, by_seed[1].norms)


def test_the_curve_is_the_median_and_the_band_the_range() -> None:
    job = vanish._Job("rnn", 0.9, 6, 5, 1.0, "noise", 5, 0, None)
    p, xs, loss = job.networks(range(5))
    walked = list(job.walk(p, job.forward(p, xs), loss))
    logs = np.array([np.log10(np.linalg.norm(b.dh, axis=(1, 2))) + b.scale for b in walked])
    logs -= logs[0]
    curve = vanish.run(cells="rnn", steps=6, hidden=5, seeds=5).curves[0]
    np.testing.assert_allclose(curve.log10_norms, np.sort(logs, axis=1)[:, 2], atol=1e-12)
    np.testing.assert_allclose(np.log10(curve.low), logs.min(axis=1), atol=1e-12)
    np.testing.assert_allclose(np.log10(curve.high), logs.max(axis=1), atol=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_spectrum_is_the_jacobian(cell: str) -> None:
    """Singular values against torch.func's Jacobian of steps written out in torch here."""
    job = vanish._Job(cell, 0.9, 5, 6, 1.0, "noise", 1, 0, None)
    p, xs, _ = job.networks([0])
    q = type(p)(*(torch.tensor(a[0]) for a in p))
    states = job.forward(p, xs)

    def two_steps(state: torch.Tensor) -> torch.Tensor:
        h = c = state
        if cell == "lstm":  # the state is c, from which h follows by the output gate of then
            h = torch.tensor(states[3].o[0, 0]) * torch.tanh(c)
        for x in torch.tensor(xs[3:, 0, 0]):
            if cell == "rnn":
                h = torch.tanh(x @ q.W_x + h @ q.W_h + q.b[0])
            elif cell == "lstm":
                i, f, g, o = (x @ q.W_x + h @ q.W_h + q.b[0]).chunk(4)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            else:
                x_r, x_z, x_n = (x @ q.W_x + q.b_x[0]).chunk(3)
                h_r, h_z, h_n = (h @ q.W_h + q.b_h[0]).chunk(3)
                z = torch.sigmoid(x_z + h_z)
                h = (1 - z) * torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n) + z * h
        return c if cell == "lstm" else h

    start = torch.tensor((states[3].c if cell == "lstm" else states[3].h)[0, 0])
    jacobian = torch.func.jacrev(two_steps)(start)
    spectrum = job.spectrum()
    assert spectrum.steps == [1, 2, 5]
    np.testing.assert_allclose(
        spectrum.singular_values[1], torch.linalg.svdvals(jacobian).numpy(), rtol=1e-9
    )


def test_what_rounding_has_swallowed_is_not_shown() -> None:
    spectrum = vanish.run(cells="rnn", seeds=1).spectra[0]
    for values in spectrum.singular_values:
        known = values[~np.isnan(values)]
        assert known.min() >= known.max() * 64 * np.finfo(float).eps
    swallowed = [int(np.isnan(v).sum()) for v in spectrum.singular_values]
    assert swallowed[0] == 0 and swallowed[-1] > 0 and swallowed == sorted(swallowed)
    logs = np.array([0.0, -1.0, -2.0, np.nan, np.nan])
    assert vanish._middle(logs) == -2.0
    assert math.isnan(vanish._middle(np.array([0.0, np.nan, np.nan])))


def test_what_is_said_of_a_network_besides_its_curve() -> None:
    """σ_max, slope, gate, median and range, from the networks themselves."""
    for cell in ("rnn", "lstm", "gru"):
        job = vanish._Job(cell, 0.9, 6, 5, 0.5, "noise", 4, 0, None)
        p, xs, _loss = job.networks([0, 1, 2, 3])
        states = job.forward(p, xs)[1:]
        curve = vanish.run(cells=cell, steps=6, hidden=5, seeds=4, forget_bias=0.5).curve(cell, 0.9)
        assert curve is not None
        candidate = {"rnn": slice(0, 5), "lstm": slice(10, 15), "gru": slice(10, 15)}[cell]
        sigmas = [np.linalg.svd(W[:, candidate])[1][0] for W in p.W_h]
        assert curve.sigma_max == pytest.approx(np.median(sigmas))
        if cell == "rnn":
            slopes = [np.sqrt(np.mean((1 - np.tanh(np.arctanh(s.h)) ** 2) ** 2)) for s in states]
            assert curve.slope == pytest.approx(np.mean(slopes)) and curve.gate is None
        else:
            gates = [np.mean(s.f if cell == "lstm" else s.z) for s in states]
            assert curve.gate == pytest.approx(np.mean(gates)) and curve.slope is None


def test_beyond_the_run_the_reach_is_that_of_the_rate() -> None:
    curve = vanish.run(cells="linear", radius=[0.9]).curves[0]
    assert curve.float32_reach == math.floor(math.log(1.17549435e-38) / math.log(0.9))
    grown = vanish.run(cells="linear", radius=[1.5]).curves[0]
    assert grown.float32_reach == math.floor(math.log(3.4028235e38) / math.log(1.5))
    assert vanish.run(cells="linear", radius=[1.0]).curves[0].float32_reach is None


def test_the_radius_is_exact_for_the_tanh_cell() -> None:
    job = vanish._Job("rnn", 0.7, 1, 32, 1.0, "noise", 4, 0, None)
    p, _, _ = job.networks([0, 1, 2, 3])
    for W in p.W_h:
        assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(0.7)


def test_clipping_brings_the_norm_to_its_threshold() -> None:
    options = dict(cells="linear", radius=[1.5], steps=30, hidden=8, seeds=3)
    clipped = vanish.run(clip=1.0, **options).clipped[0]  # type: ignore[arg-type]
    assert clipped.log10_norm > 2
    assert clipped.log10_clipped == pytest.approx(0.0)
    assert clipped.log10_factor == pytest.approx(-clipped.log10_norm)
    gentle = vanish.run(clip=1e9, **options).clipped[0]  # type: ignore[arg-type]
    assert gentle.log10_factor == 0
    assert vanish.run(**options).clipped == []  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_clipped_gradient_is_that_of_the_weights(cell: str) -> None:
    """The norm before clipping against the book's own full BPTT, which is tested against torch."""
    job = vanish._Job(cell, 1.1, 9, 6, 1.0, "noise", 1, 0, 1.0)
    p, xs, loss = job.networks([0])
    page = {"rnn": rnn, "lstm": lstm, "gru": gru}[cell]
    states = job.forward(p, xs)
    dhs = np.zeros((9, 1, 1, 6))
    dhs[-1] = loss
    gradient = page.bptt(p, xs, states, dhs)[0]  # type: ignore[attr-defined]
    norm = math.sqrt(sum((part**2).sum() for part in gradient))
    result = vanish.run(cells=cell, radius=[1.1], steps=9, hidden=6, seeds=1, clip=1.0)
    assert 10 ** result.clipped[0].log10_norm == pytest.approx(norm, rel=1e-9)


# Sentences


def said(**options: object) -> str:
    return " ".join(vanish.takeaways(vanish.run(**options)))  # type: ignore[arg-type]


def test_sentences_follow_the_numbers() -> None:
    usual = said()
    assert "The tanh RNN keeps" in usual and "tanh saturates" in usual
    assert "its forget gates stand 0.70 open on average" in usual
    shut = said(forget_bias=-3.0)
    assert "forgets faster than the tanh RNN" in shut and "keeps 0.8" not in shut
    assert "Try --forget-bias 3" in shut
    assert "Try" not in said(forget_bias=9.0, steps=1, radius=[5.0])
    assert "its forget gates stand 1.0 open" in said(forget_bias=9.0, radius=[0.0], input="none")
    resting = said(input="none", radius=[1.5])
    assert "explodes" in resting and "saturates" not in resting
    assert "tanh hardly bends" in resting and "σ_max is 2.8" in resting
    driven = said(radius=[1.5])
    assert "not enough to explode" in driven and "explodes" not in driven
    alone = said(hidden=1, input="none")
    assert "near to what is measured" in alone and "σ_max" not in alone
    split = said(radius=[2.0])
    assert "depends on the network" in split and "explodes" not in split and "half" not in split
    assert "depends on the network at ρ = 2" in said(radius=[0.9, 2.0])
    slow = said(cells="linear", radius=[0.999])
    assert "at this rate half of it is gone after 693" in slow and "every" not in slow
    still = said(cells="linear", radius=[1.0])
    assert "keeps its gradient" in still and "half" not in still
    assert "half of it is gone every 6.6 steps" in said(cells="linear", radius=[0.9])
    assert "doubled every" in said(cells="linear", radius=[1.5])


def test_sentences_of_a_sweep() -> None:
    text = said(radius=[0.5, 1.0, 1.5], cells="linear,rnn")
    assert (
        "linear RNN: the gradient vanishes at ρ = 0.5; stays at ρ = 1; explodes at ρ = 1.5" in text
    )
    assert "tanh RNN: the gradient vanishes at ρ = 0.5, 1, 1.5" in text
    assert "tanh saturates" in text
    assert "tanh saturates" not in said(radius=[0.5, 0.9], cells="linear,rnn")


def test_sentences_about_clipping() -> None:
    assert "near or far, shrinks alike" in said(cells="linear", radius=[1.5], clip=1.0)
    text = said(cells="linear", radius=[0.5], clip=1e6)
    assert "changes nothing" in text and "shrinks" not in text
    worst = said(cells="gru,linear", radius=[1.5], clip=1.0)
    assert "(linear RNN)" in worst and "(GRU)" not in worst


def test_the_number_in_the_sentence_is_that_of_the_curve() -> None:
    from seqlab.figures.glyphs import power

    for seed in (0, 1, 2):
        result = vanish.run(seed=seed)
        curve = result.curve("rnn", 0.9)
        assert curve is not None
        assert power(float(curve.log10_norms[-1])) in vanish.takeaways(result)[0]


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"radius": [0.9]}, 3),
        ({"radius": [1.5], "input": "none"}, 0),
        ({"radius": [1.0], "cells": "linear"}, 1),
        ({"steps": 3}, 1),
        ({"steps": 10}, 2),
    ],
)
def test_the_answer_is_computed(options: dict[str, object], answer: int) -> None:
    question = vanish.question(vanish.run(**options))  # type: ignore[arg-type]
    assert question.answer == answer
    assert len(question.choices) == 4


# Refusals


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0}, {"hidden": 0}, {"seeds": 0}, {"cells": ""}, {"cells": "rnn,foo"},
        {"radius": [-1]}, {"radius": [math.nan]}, {"radius": [math.inf]}, {"radius": [1, 1]},
        {"radius": [1e-200]}, {"steps": 5.5}, {"steps": True}, {"seed": "1"}, {"clip": "x"},
        {"clip": 0}, {"clip": math.nan}, {"seed": -1}, {"input": "music"},
        {"forget_bias": math.nan}, {"hidden": 10**6}, {"radius": []},
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="expected"):
        vanish.run(**options)  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(
    steps=st.integers(1, 30),
    hidden=st.integers(1, 9),
    radius=st.lists(st.just(0.0) | st.floats(1e-100, 5), min_size=1, max_size=3, unique=True),
    forget_bias=st.floats(-20, 20),
    driven=st.sampled_from(["noise", "none"]),
    seeds=st.integers(1, 4),
    clip=st.none() | st.floats(1e-3, 1e3),
)
@example(27, 1, [3.0], 6.0, "noise", 2, None)  # a cell so large that the slope of its tanh is 0
def test_any_options_give_a_screen_and_true_sentences(
    steps: int,
    hidden: int,
    radius: list[float],
    forget_bias: float,
    driven: str,
    seeds: int,
    clip: float | None,
) -> None:
    from rich.console import Console

    result = vanish.run(
        steps=steps, hidden=hidden, radius=radius, forget_bias=forget_bias, input=driven,  # type: ignore[arg-type]
        seeds=seeds, clip=clip,
    )  # fmt: skip
    for sentence in [*vanish.takeaways(result), vanish.question(result).why]:
        assert sentence and "nan" not in sentence and "None" not in sentence
    console = Console(width=60, color_system=None)
    with console.capture() as capture:
        console.print(result)
    assert "How far back" in capture.get()
    # The verdicts, judged again from the norms by a rule of this test's own.
    k = np.arange(steps + 1)
    for curve in result.curves:
        text = vanish._fate(curve, result)
        if np.isfinite(curve.log10_norms).all():
            slope = float(np.polyfit(k, curve.log10_norms, 1)[0])
            assert math.log10(curve.rate) == pytest.approx(slope, abs=1e-6 + 1e-6 * abs(slope))
        decided = [word for word in ("keeps", "explodes", "grows", "depends") if word in text]
        if abs(curve.rate - 1) < 1e-3:
            assert decided  # a rate this near to 1 may be told either way
        elif curve.high[-1] < 0.999:
            assert decided == ["keeps"] and "keeps its gradient" not in text
        elif curve.low[-1] > 1.001:
            assert decided in (["explodes"], ["grows"])
        elif curve.low[-1] < 0.999 and curve.high[-1] > 1.001:
            assert decided == ["depends"]


@pytest.mark.parametrize(
    ("cells", "equation"),
    [("linear,rnn,lstm,gru", "(1 − hₜ²)) Wₕᵀ"), ("linear", "∂L/∂hₜ Wₕᵀ"), ("lstm,gru", "⊙ fₜ")],
)
def test_the_equation_is_that_of_a_cell_on_the_screen(seqlab, cells: str, equation: str) -> None:
    text = seqlab("vanish", "--steps", "3", "--seeds", "1", "--cells", cells).text
    assert equation in text.splitlines()[0]
