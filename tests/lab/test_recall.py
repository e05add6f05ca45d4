"""recall: networks against torch, gradients by differences, sentences that follow the numbers."""

import dataclasses
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from rich.console import Console

from seqlab import train, trees
from seqlab.book import gru, lstm, rnn
from seqlab.figures.glyphs import number
from seqlab.figures.prose import Takeaways
from seqlab.lab import BadInput, recall
from seqlab.lab.recall import MODELS, Recall

TINY: dict[str, Any] = {
    "lags": "2,4", "hidden": 4, "seeds": 2, "train_steps": 3, "batch": 4, "device": "cpu",
}  # fmt: skip
WORDS = [
    "recall", "--lags", "2,4", "--hidden", "4", "--seeds", "2", "--train-steps", "3",
    "--batch", "4", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def tiny() -> Recall:
    """Every model, hardly trained."""
    return recall.run(**TINY, models=",".join(MODELS))


@pytest.fixture(scope="module")
def trained() -> Recall:
    """A small part of the default run."""
    models = "lstm-0,lstm-chrono,attention"
    return recall.run(lags="2,20", models=models, seeds=1, device="cpu")


def options(**changes: Any) -> recall._Options:
    plain = {"models": ",".join(MODELS), "mixed_lags": False, "lr": 3e-3, "quick": False, "seed": 0}
    return recall._Options(**{k: v for k, v in TINY.items() if k != "device"} | plain | changes)


def redrawn(model: str, seed: int = 0) -> recall.Network:
    """A network all of whose parameters are random, biases and norms too."""
    rng = np.random.default_rng(seed)
    p = recall.init(rng, model, 5, 6)
    return trees.convert(lambda leaf: rng.normal(0, 0.6, leaf.shape), p)


def inputs(b: int = 3, t: int = 5) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(t, b, 16))


FAMILY = pytest.mark.parametrize("model", ["rnn", "lstm-0", "gru", "attention"])


# The networks


@FAMILY
def test_what_is_known_at_the_end_is_the_pages_and_torchs(model: str) -> None:
    body, xs = redrawn(model).body, torch.tensor(inputs())
    body = trees.convert(torch.tensor, body)
    ours = recall.last(body, xs)
    assert ours.shape == (3, 5)
    np.testing.assert_allclose(ours, recall._in_torch(body, xs).detach(), atol=1e-12)
    np.testing.assert_allclose(ours, recall._in_pages(body, xs), atol=1e-12)
    for i in range(3):  # rows of a batch are nothing to each other
        np.testing.assert_allclose(recall.last(body, xs[:, i : i + 1]), ours[i : i + 1], atol=1e-12)


@FAMILY
def test_gradients_by_differences(model: str) -> None:
    body, xs, h = redrawn(model).body, inputs(), 1e-6
    tensors = trees.convert(torch.tensor, body)
    first, final = recall.jacobians(body, xs)
    assert first.shape == final.shape == (3, 5, 16)
    for at, found in ((0, first), (-1, final)):
        for c in range(16):
            step = np.zeros_like(xs)
            step[at, :, c] = h
            ends = [recall.last(tensors, torch.tensor(xs + sign * step)) for sign in (1, -1)]
            np.testing.assert_allclose(found[:, :, c], (ends[0] - ends[1]) / (2 * h), atol=1e-8)


def test_gradients_of_the_loss_against_torch() -> None:
    tokens, symbol = recall._Options.sequences(np.random.default_rng(0), 6, 4)
    for model in ("rnn", "lstm-0", "gru", "attention"):
        p = redrawn(model)
        found = [
            recall._of_loss(p, tokens, symbol, f)
            for f in (recall.last, recall._in_pages, recall._in_torch)
        ]
        assert found[0].shape == (trees.count(p),)
        np.testing.assert_allclose(found[0], found[2], atol=1e-12)
        np.testing.assert_allclose(found[1], found[2], atol=1e-12)


def test_one_hot_is_time_first() -> None:
    tokens = np.array([[3, 9, 15], [0, 8, 8]])
    xs = recall.one_hot(tokens)
    assert xs.shape == (3, 2, 16)
    np.testing.assert_array_equal(xs.argmax(-1).T, tokens)
    assert xs.sum() == 6


def test_models_of_a_family_differ_in_their_start_alone() -> None:
    o = options().checked()
    for usual, other, own in [
        ("lstm-0", "lstm-1", {"body.b"}),
        ("lstm-0", "lstm-chrono", {"body.b"}),
        ("gru", "gru-chrono", {"body.b_x", "body.b_h"}),
        ("rnn", "orthogonal", {"body.W_h"}),
    ]:
        leaves = (trees.leaves(o.network(m, 1)) for m in (usual, other))
        unlike = {a for (a, x), (_b, y) in zip(*leaves, strict=True) if not np.array_equal(x, y)}
        assert unlike == own
    zero, one, chrono = (o.network(m, 1).body for m in ("lstm-0", "lstm-1", "lstm-chrono"))
    np.testing.assert_allclose(one.b - zero.b, np.arange(16) // 4 == 1, atol=1e-15)
    steps = 1 + np.exp(chrono.b[4:8])
    assert np.all((steps >= 2) & (steps <= 8))  # twice the longest lag
    W = o.network("orthogonal", 0).body.W_h
    np.testing.assert_allclose(W @ W.T, np.eye(len(W)), atol=1e-12)
    assert not np.allclose(o.network("lstm-0", 0).body.W_h, zero.W_h)
    assert type(o.network("gru", 0).body) is gru.GRU and type(zero) is lstm.LSTM
    assert type(o.network("rnn", 0).body) is rnn.RNN


def test_all_are_of_about_one_size() -> None:
    for hidden, lags in ((24, "2,100"), (16, "2,50"), (48, "200")):
        o = options(hidden=hidden, lags=lags).checked()
        counts = {m: trees.count(o.network(m, 0)) for m in MODELS}
        size = counts["lstm-0"]
        assert o.widths["lstm-0"] == hidden
        assert all(abs(n - size) < 0.08 * size for n in counts.values()), counts
        for model in MODELS:  # and no other width comes nearer
            around = [
                trees.count(recall.init(np.random.default_rng(0), model, d, o.each_lag[-1]))
                for d in (o.widths[model] - 1, o.widths[model] + 1)
            ]
            assert all(abs(n - size) >= abs(counts[model] - size) for n in around)


# What they are trained and tested on


def test_all_models_get_the_same_batches_and_none_of_the_tested_on() -> None:
    o = options(batch=256).checked()
    a, b, other = (next(o.batches((4,), i)) for i in (0, 0, 1))
    np.testing.assert_array_equal(a[0], b[0])
    assert not np.array_equal(a[0], other[0])
    assert not np.array_equal(a[0], o.tested_on(4)[0])
    assert not np.array_equal(a[0], next(options(seed=1, batch=256).checked().batches((4,), 0))[0])
    assert o.tested_on(4)[0].shape == (256, 5) and o.probes(2).shape == (8, 3)
    np.testing.assert_array_equal(a[0][:, 0], a[1])


def test_only_short_tests_recur_in_training() -> None:
    """Of lag 2 there are but 8³ sequences."""
    o = options(batch=256).checked()
    for lag, recur in ((2, True), (10, False)):
        batches = o.batches((lag,), 0)
        seen = {tuple(row) for _step in range(20) for row in next(batches)[0]}
        assert any(tuple(row) in seen for row in o.tested_on(lag)[0]) is recur


def test_mixed_lags_come_alike() -> None:
    batches = options().checked().batches((2, 4, 9), 0)
    lags = [next(batches)[0].shape[1] - 1 for _step in range(600)]
    assert set(lags) == {2, 4, 9}
    assert min(lags.count(lag) for lag in set(lags)) > 150


def test_gradients_are_relative_to_the_last_input(tiny: Recall) -> None:
    o = options().checked()
    for model in MODELS:
        for lag in (2, 4):
            first, final = recall.jacobians(o.network(model, 1).body, recall.one_hot(o.probes(lag)))
            shares = [np.linalg.norm(f) / np.linalg.norm(g) for f, g in zip(first, final)]
            assert tiny.gradients[model][lag][1] == pytest.approx(np.median(shares), rel=1e-12)


def test_a_network_that_has_learned_is_left_alone(trained: Recall) -> None:
    assert all(20 < steps[0] < 350 for steps in trained.trained["attention"].values())
    assert trained.trained["lstm-0"][20] == [350]


def test_a_training_stops_only_after_enough_solved_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [1.0] * 5 + [0.01] * 19 + [1.0] + [0.01] * 100
    monkeypatch.setattr(train, "fit", lambda *_a, **_k: enumerate(losses))
    o, job = options(train_steps=400).checked(), recall._Job("rnn", (2,), 0)
    *reports, end = recall._learn(o, torch.device("cpu"), job)
    assert reports == [10, 20, 30, 40]
    assert isinstance(end, recall._Learned) and end.steps == 45 and not end.diverged
    mixed = recall._Job("rnn", (2, 4), 0)
    end = list(recall._learn(o, torch.device("cpu"), mixed))[-1]
    assert isinstance(end, recall._Learned) and end.steps == 65 and set(end.accuracy) == {2, 4}


def test_the_accuracy_is_that_of_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that always names 3 is right where the symbol is 3."""
    monkeypatch.setattr(train, "fit", lambda *_a, **_k: iter([(0, 1.0)]))
    monkeypatch.setattr(recall, "scores", lambda p, xs: torch.eye(8)[torch.full((xs.shape[1],), 3)])
    o = options().checked()
    (end,) = recall._learn(o, torch.device("cpu"), recall._Job("rnn", (4,), 0))
    assert isinstance(end, recall._Learned)
    assert end.accuracy[4] == np.mean(o.tested_on(4)[1] == 3)


def test_a_forecast_by_hand() -> None:
    accuracy = {"rnn": {2: [1.0, 0.95], 9: [0.1, 1.0]}, "gru": {2: [0.5, 1.0], 9: [0.2, math.nan]}}
    gradients = {"rnn": {2: [0.5, 0.4], 9: [0.01, 0.02]}, "gru": {2: [0.3, 0.6], 9: [0.001, 9.0]}}
    found = recall._forecast(accuracy, gradients)
    assert found is not None
    assert (found.learned, found.failed) == (4, 3)
    # learned .5 .4 .02 .6, failed .01 .3 .001: of 12 pairs only (.02, .3) is wrong
    assert found.pairs == pytest.approx(11 / 12)
    # lags 2 2 9 2 against 9 2 9: shorter in 3·2, alike in 3 (lag 2) + 2 (lag 9), longer in 1
    assert found.by_lag == pytest.approx((6 + 5 / 2) / 12)
    assert found.right == pytest.approx(6 / 7) and found.threshold == 0.4
    assert recall._forecast({"rnn": {2: [1.0]}}, {"rnn": {2: [1.0]}}) is None
    assert recall._forecast({"rnn": {2: [0.1]}}, {"rnn": {2: [1.0]}}) is None


# A small part of the default run


def test_the_textbook_holds(trained: Recall) -> None:
    assert trained.accuracy["lstm-0"][20][0] < 0.4
    assert trained.accuracy["lstm-chrono"][20][0] > 0.95
    assert trained.accuracy["attention"][20][0] > 0.95
    assert all(by_lag[2][0] > 0.95 for by_lag in trained.accuracy.values())
    left = {model: by_lag[20][0] for model, by_lag in trained.gradients.items()}
    assert left["lstm-0"] < 1e-3 < left["lstm-chrono"]
    assert trained.chance == 1 / 8
    who, lstms, gradient = recall.takeaways(trained)
    assert who.startswith("20 steps after the symbol, ")
    assert " right: LSTM chrono, attention block; at most " in who
    assert who.endswith(" right (chance: 12.5 %): LSTM bias 0.")
    assert "network: forget bias 0 up to lag 2, chrono up to lag 20. Try --mixed-lags." in lstms
    assert "too few outcomes tell" in gradient and "100 % of all pairs" in gradient


def test_on_mixed_lags_the_lstm_learns() -> None:
    result = recall.run(lags="2,5,10,20", models="lstm-0", mixed_lags=True, seeds=1, device="cpu")
    assert result.accuracy["lstm-0"][20][0] > 0.95
    assert len({steps[0] for steps in result.trained["lstm-0"].values()}) == 1
    said = " ".join(recall.takeaways(result))
    left = result.gradients["lstm-0"][20][0]
    assert left < 1e-3
    assert (
        "Trained on all lags at once, the LSTM bias 0 remembers over 20 steps, from where" in said
    )
    assert f"from where {number(left)} of its gradient" in said
    assert "Try --mixed-lags" not in said
    assert "trained on all lags at once" in drawn(result)


# Sentences follow the numbers


def with_shares(result: Recall, **shares: list[list[float]]) -> Recall:
    """The result with other accuracies: a list of networks for each lag, by model (- is _)."""
    lags = [int(lag) for lag in result.lags.split(",")]
    accuracy = {
        model.replace("_", "-"): dict(zip(lags, rows, strict=True))
        for model, rows in shares.items()
    }
    gradients = {m: {lag: [0.1, 0.2] for lag in lags} for m in accuracy}
    forecast = recall._forecast(accuracy, gradients)
    return dataclasses.replace(result, accuracy=accuracy, gradients=gradients, forecast=forecast)


def test_a_verdict_needs_all_networks(tiny: Recall) -> None:
    said = recall.takeaways(
        with_shares(
            tiny,
            rnn=[[1, 1], [0.1, 0.2]],
            gru=[[1, 1], [0.3, 0.95]],
            lstm_0=[[1, 1], [0.5, 0.8]],
            attention=[[1, 1], [0.9, 1]],
        )
    )[0]
    assert said == (
        "4 steps after the symbol, at least 90 % right: attention block; it depends on the seed:"
        " GRU 30 % to 95 %; in part: LSTM bias 0 50 % to 80 %; at most 20 % right (chance: 12.5 %):"
        " tanh RNN."
    )
    turned = with_shares(tiny, rnn=[[1, 1], [1, 1]], attention=[[1, 1], [0.1, 0.1]])
    said = recall.takeaways(turned)[0]
    assert "symbol, 100 % right: tanh RNN; at most 10 % right" in said


def test_what_a_bias_does(tiny: Recall) -> None:
    learned, failed = [1.0, 1.0], [1.0, 0.1]
    result = with_shares(
        tiny, lstm_0=[failed, learned], lstm_1=[learned, failed], lstm_chrono=[learned, learned]
    )
    assert [result.reach(m) for m in result.accuracy] == [None, 2, 4]
    said = recall.takeaways(result)[1]
    assert "forget bias 0 no lag, forget bias 1 up to lag 2, chrono up to lag 4. Try" in said
    alike = with_shares(tiny, lstm_0=[learned, learned], lstm_1=[learned, learned])
    said = recall.takeaways(alike)[1]
    assert said == (
        "With each of forget bias 0, forget bias 1 the LSTM learns up to lag 4 in every network."
    )
    never = with_shares(tiny, lstm_0=[failed, failed], lstm_chrono=[failed, failed])
    said = recall.takeaways(never)[1]
    assert said == "With none of forget bias 0, chrono does the LSTM learn lag 2 in every network."
    single = with_shares(tiny, lstm_0=[learned, failed])
    assert not any("bias at the start" in s for s in recall.takeaways(single))


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [(0.95, "nearly foretells"), (0.75, "tells something"), (0.5, "does not foretell")],
)
def test_a_forecast_is_judged(tiny: Recall, pairs: float, verdict: str) -> None:
    forecast = recall.Forecast(12, 8, pairs, 0.6, 0.01, 0.9)
    said = recall.takeaways(dataclasses.replace(tiny, forecast=forecast))[-1]
    assert verdict in said and "(the shorter lag in 60 %)" in said
    assert (
        "cut at 0.010, it is right for 18 of 20 (guessing the commoner outcome for all: 12)."
        in said
    )


def test_a_cut_that_divides_nothing_is_no_forecast(tiny: Recall) -> None:
    forecast = recall.Forecast(15, 5, 0.95, 0.6, 1e-20, 0.75)
    said = recall.takeaways(dataclasses.replace(tiny, forecast=forecast))[-1]
    assert "tells something" in said and "for 15 of 20 (guessing the commoner" in said


@pytest.mark.parametrize(
    ("learned", "failed", "by_lag", "verdict"),
    [
        (1, 1, 1.0, "too few outcomes tell: of a network"),
        (16, 4, 0.5, "too few outcomes tell: of a network"),
        (12, 8, 1.0, "foretells it no better than the lag: of a network"),
        (15, 5, 0.9, "nearly foretells it: of a network"),
    ],
)
def test_a_forecast_needs_outcomes_and_must_tell_more_than_the_lag(
    tiny: Recall, learned: int, failed: int, by_lag: float, verdict: str
) -> None:
    forecast = recall.Forecast(learned, failed, 1.0, by_lag, 0.01, 1.0)
    assert verdict in recall.takeaways(dataclasses.replace(tiny, forecast=forecast))[-1]


def test_mixed_lags_that_do_not_help_are_called_so(tiny: Recall) -> None:
    mixed = dataclasses.replace(tiny, mixed_lags=True)
    failed = with_shares(mixed, rnn=[[1, 1], [0.1, 1]])
    said = " ".join(recall.takeaways(failed))
    assert "Trained on all lags at once, no model learns lag 4 in every network." in said
    never = with_shares(mixed, rnn=[[1, 1], [0.1, 0.5]])
    assert "Trained on all lags at once, no network learns lag 4." in " ".join(
        recall.takeaways(never)
    )
    helped = with_shares(mixed, rnn=[[1, 1], [1, 1]])
    assert "the tanh RNN remembers over 4 steps, from where 0.15 of" in " ".join(
        recall.takeaways(helped)
    )


def test_a_training_that_diverged_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "scores", lambda p, xs: recall.last(p.body, xs) @ p.W * math.nan)
    result = recall.run(**TINY, models="rnn")
    diverged, who = recall.takeaways(result)
    assert diverged.startswith("4 networks diverged") and "--lr" in diverged
    assert who == "4 steps after the symbol, at most 0 % right (chance: 12.5 %): tanh RNN."
    assert result.accuracy["rnn"] == {2: [0, 0], 4: [0, 0]}
    assert result.trained["rnn"] == {2: [1, 1], 4: [1, 1]}
    assert "Who still remembers" in drawn(result, detail=True)
    assert recall.question(result).answer == 0


def test_one_network_that_diverged_is_one_that_has_not_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two, the second: no verdict is that of the first alone."""
    o, jobs = (
        options(models="rnn", lags="2").checked(),
        [recall._Job("rnn", (2,), i) for i in (0, 1)],
    )
    monkeypatch.setattr(train, "fit", lambda *_a, **_k: iter([(0, math.nan)]))
    (diverged,) = recall._learn(o, torch.device("cpu"), jobs[1])
    learned = dict(zip(jobs, [recall._Learned({2: 1.0}, 60, False), diverged]))
    result = recall._result(o, "cpu", {"rnn": {2: [0.5, 0.6]}}, jobs, learned)
    assert "it depends on the seed: tanh RNN 0 % to 100 %" in recall.takeaways(result)[1]
    assert result.reach("rnn") is None
    assert result.forecast is not None and result.forecast.failed == 1


def test_the_question(trained: Recall, tiny: Recall) -> None:
    asked = recall.question(trained)
    assert "LSTM bias 0" in asked.text
    assert asked.choices == ["not even 2 steps", "2 steps", "20 steps"] and asked.answer == 1
    assert asked.why.startswith("Its median accuracy: 100 % at 2, ")
    usual = with_shares(tiny, rnn=[[1, 1], [0, 0]], lstm_1=[[1, 1], [1, 1]])
    asked = recall.question(usual)
    assert "LSTM bias 1" in asked.text and asked.answer == 2


# The screen


def drawn(result: Recall, width: int = 100, detail: bool = False, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, **options)
    console.print(recall.show(result, detail), Takeaways(recall.takeaways(result)))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_first_screen_fits(tiny: Recall) -> None:
    text = drawn(tiny)
    assert len(text.splitlines()) <= 39
    for model in MODELS.values():
        assert model.name in text
    assert "chance" in text and "gradient before training" in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_every_width(tiny: Recall, width: int) -> None:
    for detail in (False, True):
        assert max(map(len, drawn(tiny, width, detail).splitlines())) <= width


def test_the_detail_has_every_network(tiny: Recall) -> None:
    text = drawn(tiny, 120, detail=True)
    assert "% right, each network" in text and "steps of training" in text
    a, b = (recall._whole(share) for share in tiny.accuracy["gru"][4])
    assert f"{a} {b}" in text


def test_a_hundred_percent_is_all() -> None:
    assert [recall._whole(x) for x in (1.0, 0.998, 0.126, 0.0)] == ["100", "99", "13", "0"]
    assert recall._range([0.126, math.nan, 1.0, 0.5]) == "13–100"
    assert recall._range([0.501, 0.502]) == "50" and recall._range([math.nan]) == "-"


# The command


def test_json_contract(seqlab: Run) -> None:
    first = seqlab(*WORDS, "--models", "rnn,attention", "--json")
    document = first.json
    assert document["options"] == {
        "lags": "2,4", "models": "rnn,attention", "mixed_lags": False, "seeds": 2,
        "train_steps": 3, "hidden": 4, "batch": 4, "lr": 0.003, "device": "cpu", "quick": False,
        "seed": 0,
    }  # fmt: skip
    result = document["result"]
    for name in ("accuracy", "gradients", "trained"):
        assert list(result[name]) == ["rnn", "attention"]
        for by_lag in result[name].values():
            assert list(by_lag) == ["2", "4"]
            assert all(len(numbers) == 2 for numbers in by_lag.values())
    assert result["chance"] == 0.125 and result["stopped"] is False
    assert set(result["parameters"]) == {"rnn", "attention"}
    names = [s["name"] for s in result["series"]]
    assert names == ["accuracy rnn", "accuracy attention", "gradient rnn", "gradient attention"]
    curve = result["series"][0]
    assert curve["x"] == [2, 4] and curve["chance"] == 0.125
    shares = np.array(list(result["accuracy"]["rnn"].values()))
    assert curve["median"] == pytest.approx(np.median(shares, 1))
    assert curve["low"] == pytest.approx(shares.min(1))
    assert curve["high"] == pytest.approx(shares.max(1))
    assert result["series"][2]["chance"] is None
    assert seqlab(*WORDS, "--models", "rnn,attention", "--json").text == first.text
    other = seqlab(*WORDS, "--models", "rnn", "--json", "--seed", "1").json["result"]
    assert other["accuracy"]["rnn"] != result["accuracy"]["rnn"]
    alone = seqlab(*WORDS, "--models", "rnn", "--json").json["result"]
    assert alone["accuracy"]["rnn"] == result["accuracy"]["rnn"]  # whatever the company


def test_the_command_checks_itself(seqlab: Run) -> None:
    outcome = seqlab(*WORDS, "--models", ",".join(MODELS), "--check", "--ascii", width=60)
    assert outcome.status == 0 and "16 comparisons with torch hold" in " ".join(
        outcome.text.split()
    )
    assert outcome.text.isascii() and outcome.widest <= 60


@pytest.mark.parametrize("model", ["rnn", "lstm-chrono", "gru-chrono", "attention"])
def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    small = {**TINY, "models": model}
    assert all(check.passed for check in recall.check(**small))
    right = recall._in_torch
    monkeypatch.setattr(recall, "_in_torch", lambda body, xs: right(body, xs) * (1 + 1e-6))
    assert [check.passed for check in recall.check(**small)] == [False, False]
    monkeypatch.setattr(recall, "_in_torch", lambda body, xs: right(body, xs) * math.nan)
    assert [check.passed for check in recall.check(**small)] == [False, False]


def test_an_oracle_of_zeros_is_no_oracle() -> None:
    assert recall._error(np.zeros(3), np.zeros(3)) == math.inf
    assert recall._error(np.array([1.0, 3.0]), np.array([1.0, 4.0])) == 0.25


def test_quick_is_a_smaller_budget_and_explicit_options_win() -> None:
    quick = options(lags=None, seeds=None, hidden=24, quick=True).checked()
    assert (quick.lags, quick.seeds) == ("2,10,30", 1)
    plain = options(lags=None, seeds=None, hidden=24).checked()
    assert (plain.lags, plain.seeds) == ("2,10,20,50,100", 2)
    asked = options(lags="7", seeds=2, quick=True).checked()
    assert (asked.lags, asked.seeds) == ("7", 2)


def test_lags_and_models_may_be_lists() -> None:
    o = options(lags=[9, 2, 9], models=["GRU", "rnn", "gru"]).checked()
    assert (o.lags, o.models) == ("2,9", "gru,rnn")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"lags": "2,x"}, "--lags x: expected whole numbers with commas between; try --lags 2,10"),
        ({"lags": ""}, "--lags '': expected whole numbers"),
        ({"lags": "2,,3"}, "--lags '': expected whole numbers"),
        ({"lags": "1.5"}, "--lags 1.5: expected whole numbers"),
        ({"lags": "²"}, "--lags ²: expected whole numbers"),
        ({"lags": "0"}, "--lags 0: expected a number from 1 to 500"),
        ({"lags": "501"}, "--lags 501"),
        ({"lags": []}, "0 lags: expected from 1 to 10 of them"),
        ({"lags": range(1, 12)}, "11 lags: expected from 1 to 10 of them"),
        ({"models": "cnn"}, "--models cnn: expected one of rnn, orthogonal, lstm-0"),
        ({"models": " , "}, "--models '': expected at least one of rnn"),
        ({"train_steps": 5000, "seeds": 10}, "1.3 times more work than can be waited for: exp"),
        ({"train_steps": 5000, "seeds": 10}, "; try --train-steps 3819"),
        ({"hidden": 64, "batch": 256, "seeds": 10, "train_steps": 200}, "--train-steps 67"),
        ({"seeds": 0}, "--seeds 0"), ({"seeds": 11}, "--seeds 11"), ({"seeds": 1.5}, "--seeds 1.5"),
        ({"train_steps": 0}, "--train-steps 0"), ({"hidden": 3}, "--hidden 3"),
        ({"lags": "2,500", "hidden": 4}, "--hidden 4: expected sizes at which all models"),
        ({"hidden": 65}, "--hidden 65"), ({"batch": 0}, "--batch 0"), ({"batch": 257}, "--batch"),
        ({"lr": math.nan}, "--lr nan"), ({"lr": 1.5}, "--lr 1.5"), ({"seed": -1}, "--seed -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_torch(wrong: dict[str, Any], sentence: str) -> None:
    def told(*_: object) -> None:
        raise AssertionError("it has begun")

    with pytest.raises(BadInput) as problem:
        recall.run(**wrong, watch=told)
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


def test_progress_is_told_with_a_view_of_what_is_known_by_then() -> None:
    told: list[tuple[float, str]] = []
    views: list[Any] = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        told.append((done, doing))
        if view is not None and view not in views:
            views.append(view)

    recall.run(**TINY | {"train_steps": 20, "seeds": 1}, models="rnn,attention", watch=watch)
    shares = [done for done, _doing in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert told[0][1] == "loading torch" and told[-1][1].endswith("; 4 of 4 networks trained")
    assert len(views) == 4  # a network each
    for view in views:
        console = Console(file=io.StringIO(), width=100, color_system=None)
        console.print(view())
        assert "tanh RNN" in console.file.getvalue()  # type: ignore[attr-defined]


def test_ctrl_c_shows_what_there_is(seqlab: Run, stop_at_view: Callable[[int], None]) -> None:
    stop_at_view(2)
    outcome = seqlab(*WORDS, "--models", "rnn,gru", "--check")
    assert outcome.status == 130
    assert outcome.text.startswith("✗ Stopped before the end of training"), outcome.text[:200]
    assert "comparisons with torch" not in outcome.text
    stop_at_view(2)
    result = seqlab(*WORDS, "--models", "rnn,gru", "--json").json["result"]
    assert result["stopped"] is True
    known = [x for m in result["accuracy"].values() for xs in m.values() for x in xs]
    assert len(known) == 8 and sum(x is not None for x in known) == 2


def test_ctrl_c_before_the_last_lag_speaks_of_the_lags_that_are_known(tiny: Recall) -> None:
    nan = math.nan
    part = with_shares(tiny, rnn=[[1, 1], [nan, nan]], lstm_1=[[1, nan], [nan, nan]])
    said = recall.takeaways(part)
    assert said[0].startswith("2 steps after the symbol, 100 % right: tanh RNN, LSTM bias 1.")
    assert "-" in drawn(part)
    assert part.reach("lstm-1") is None and part.reach("rnn") == 2
