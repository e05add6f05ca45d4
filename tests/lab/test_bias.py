"""bias: networks against torch, pictures by hand, sentences that follow the numbers."""

import dataclasses
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from seqlab import train, trees
from seqlab.book import conv, mixer, mlp, vit
from seqlab.emit import plain
from seqlab.figures import palette
from seqlab.figures.prose import Takeaways
from seqlab.lab import BadInput, bias, rivals, series
from seqlab.lab.bias import Bias
from seqlab.lab.rivals import MODELS, PLANS
from seqlab.locale import speak
from seqlab.tasks import digits, lookup

ALL = ",".join(MODELS)
TESTS = list(PLANS)
SMALL: dict[str, Any] = {"seeds": 2, "train_steps": 3, "batch": 7, "device": "cpu"}
LINE = ["--seeds", "2", "--train-steps", "3", "--batch", "7", "--device", "cpu"]


@pytest.fixture(scope="module", autouse=True)
def little() -> Iterator[None]:
    """Fewer pictures to test networks with, and no processes: both only take time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "TESTS", 60)
        patch.setattr(rivals, "TESTED", 200)
        patch.setattr(train, "_cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def tiny() -> dict[str, Bias]:
    """Every test, hardly trained, with its usual models."""
    return {
        name: bias.run(test=name, images="50,90" if name == "size" else "50", **SMALL)
        for name in PLANS
    }


@pytest.fixture(scope="module")
def found() -> Bias:
    """A lookup that is trained to its end."""
    return bias.run(test="lookup", models="vit,mlp", seeds=1, train_steps=350, device="cpu")


def options(**changes: Any) -> rivals.Options:
    plain: dict[str, Any] = {
        "test": "size", "models": None, "images": None, "seeds": 1, "train_steps": 3, "batch": 7,
        "lr": 3e-3, "quick": False, "seed": 0,
    }  # fmt: skip
    return rivals.Options(**(plain | changes)).checked()


def redrawn(model: str, test: str = "size", seed: int = 0) -> Any:
    """A network all of whose parameters are random, biases and norms too."""
    rng = np.random.default_rng(seed)
    first = rivals.network(model, PLANS[test]).init(rng)  # type: ignore[index]
    return trees.convert(lambda leaf: rng.normal(0, 0.4, leaf.shape), first)


def with_accuracy(result: Bias, **changes: dict[str, list[float]]) -> Bias:
    """The same result with other accuracies of some models; cnn_mean is cnn-mean."""
    named = {model.replace("_", "-"): by for model, by in changes.items()}
    return dataclasses.replace(result, accuracy=result.accuracy | named)


def said(result: Bias) -> str:
    return " ".join(bias.takeaways(result))


# The networks


@pytest.mark.parametrize("test", TESTS)
def test_the_check_holds(test: Any) -> None:
    checks = bias.check(test=test, models=ALL, **SMALL)
    assert len(checks) == 2 * len(MODELS) + 2 * 3
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.passed and check.error < 1e-12 for check in checks), checks


@pytest.mark.parametrize(
    ("page", "name", "failing"),
    [
        (conv, "read", {"CNN", "CNN with a mean", "CNN, wider"}),
        (vit, "embed", {"ViT"}),
        (mixer, "mix_tokens", {"Mixer"}),
        (mlp, "read", {"MLP"}),
    ],
)
def test_the_check_can_fail(
    monkeypatch: pytest.MonkeyPatch, page: Any, name: str, failing: set[str]
) -> None:
    right = getattr(page, name)

    def harmed(*a: Any, **k: Any) -> Any:
        y = right(*a, **k)
        return [each * (1 + 1e-6) for each in y] if isinstance(y, list) else y * (1 + 1e-6)

    monkeypatch.setattr(page, name, harmed)
    failed = {check.name for check in bias.check(models=ALL, **SMALL) if not check.passed}
    assert {text.split(":")[0].removesuffix(" and torch") for text in failed} == failing


def test_the_check_sees_what_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    right = bias.scores
    monkeypatch.setattr(bias, "scores", lambda p, x, classifier: right(p, x, classifier) * 1.01)
    failed = [check.name for check in bias.check(models="cnn,vit", **SMALL) if not check.passed]
    assert failed == ["CNN as it is trained and torch", "CNN as it is trained: gradients and torch"]


@pytest.mark.parametrize("model", ["cnn", "cnn-mean", "cnn-large"])
def test_torchs_kernels_do_what_the_page_does(model: str) -> None:
    p, classifier = redrawn(model), rivals.network(model, PLANS["size"])
    x = torch.tensor(np.random.default_rng(1).normal(size=(5, 1, 8, 8)))
    found = []
    for f in (lambda q: rivals.scores(q, x, classifier), lambda q: classifier.scores(q, x)):
        q = train.trainable(p, dtype=torch.float64)
        y = f(q)
        (y * torch.linspace(-1, 1, 50).reshape(5, 10)).sum().backward()  # type: ignore[no-untyped-call]
        found.append([y.detach(), *(leaf.grad for _name, leaf in trees.leaves(q))])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_sizes() -> None:
    def size(model: str, test: Any) -> int:
        return trees.count(rivals.network(model, PLANS[test]).init())

    by_hand = 32 * 10 + 48 * (9 * 32 + 1)  # the convolutions
    assert size("cnn", "size") == by_hand + (4 * 48 + 1) * 10
    assert size("cnn-mean", "shift") == by_hand + 490
    assert size("cnn", "lookup") == by_hand + (9 * 48 + 1) * 4
    assert size("cnn-large", "lookup") == 64 * 10 + 96 * (9 * 64 + 1) + (9 * 96 + 1) * 4
    assert 59_000 < size("cnn-large", "lookup") < 62_000
    assert size("mlp", "size") == 65 * 128 + 129 * 64 + 65 * 10
    for model in ("cnn", "mlp", "mixer", "vit"):
        assert 16_000 <= size(model, "size") <= 18_500
    assert rivals.network("vit", PLANS["size"]).config.class_token is False


# The pictures


def test_digits_are_moved_by_pixels() -> None:
    x = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)
    for down in range(-2, 3):
        for right in range(-2, 3):
            y = rivals.shifted(x, down, right)
            assert y.shape == (3, 1, 12, 12)
            inside = y[:, :, 2 + down : 10 + down, 2 + right : 10 + right]
            np.testing.assert_array_equal(inside, x)
            assert np.count_nonzero(y) == x.size


def test_directions() -> None:
    assert rivals.directions(0) == [(0, 0)]
    assert rivals.directions(1) == [
        (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1),
    ]  # fmt: skip
    assert {(2 * i, 2 * j) for i, j in rivals.directions(1)} == set(rivals.directions(2))


@pytest.mark.parametrize("p", [1, 2, 4])
def test_another_order_by_loops(p: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
    n = 8 // p
    order = np.random.default_rng(1).permutation(n * n)
    y = rivals.reordered(x, order, p)
    for to, come_from in enumerate(order):
        i, j, k, m = (p * place for place in (*divmod(to, n), *divmod(int(come_from), n)))
        np.testing.assert_array_equal(y[:, :, i : i + p, j : j + p], x[:, :, k : k + p, m : m + p])


def test_an_mlp_whose_rows_are_in_that_order_does_not_notice() -> None:
    """(W P⁻¹)(P x) = W x: what is learned from pixels in any order is what could be from these."""
    p, x = redrawn("mlp"), np.random.default_rng(2).normal(size=(4, 1, 8, 8)).astype(np.float32)
    order = np.random.default_rng(1).permutation(64)
    first = p.layers[0]
    moved = p._replace(layers=(first._replace(W=first.W[order]), *p.layers[1:]))
    classifier = rivals.network("mlp", PLANS["permute"])
    there = classifier.scores(moved, rivals.reordered(x, order, 1))
    np.testing.assert_allclose(there, classifier.scores(p, x), atol=1e-10)


def test_sizes_are_parts_of_each_other_and_tested_alike() -> None:
    o = options(images="50,100")
    (few, test), (more, again) = (o.split(n, 1) for n in o.conditions)
    np.testing.assert_array_equal(more.images[:50], few.images)
    np.testing.assert_array_equal(test["50"].images, again["100"].images)
    assert (len(few.labels), len(more.labels), len(test["50"].labels)) == (50, 100, digits.TESTS)
    assert not np.array_equal(o.split("50", 0)[0].images, few.images)
    other = options(images="50,100", seed=1).split("50", 1)[0]
    assert not np.array_equal(other.images, few.images)


def test_what_is_shifted() -> None:
    o, plain = options(test="shift", images="60"), options(images="60")
    seen, tests = o.split("", 0)
    digits_seen, digits_test = plain.split("60", 0)
    np.testing.assert_array_equal(seen.images, rivals.shifted(digits_seen.images, 0, 0))
    assert list(tests) == ["0", "1", "2"]
    for distance, times in (("0", 1), ("1", 8), ("2", 8)):
        sample = tests[distance]
        assert sample.images.shape == (digits.TESTS * times, 1, 12, 12)
        for k, way in enumerate(rivals.directions(int(distance))):
            part = slice(digits.TESTS * k, digits.TESTS * (k + 1))
            moved = rivals.shifted(digits_test["60"].images, *way)
            np.testing.assert_array_equal(sample.images[part], moved)
            np.testing.assert_array_equal(sample.labels[part], digits_test["60"].labels)


def test_what_is_permuted() -> None:
    o = options(test="permute", seeds=2, images="60")
    usual = o.split("none", 1)
    for name, p in (("pixels", 1), ("patches", 2)):
        seen, tests = o.split(name, 1)
        order = o.order(p, 1)
        assert sorted(order) == list(range((8 // p) ** 2))
        np.testing.assert_array_equal(seen.images, rivals.reordered(usual[0].images, order, p))
        expected = rivals.reordered(usual[1]["none"].images, order, p)
        np.testing.assert_array_equal(tests[name].images, expected)
        assert not np.array_equal(order, o.order(p, 0))


def test_lookups_are_tested_on_others() -> None:
    o = options(test="lookup", images="500")
    seen, tests = o.split("", 0)
    assert len(seen.labels) == 500 and len(tests[""].labels) == 200
    assert not np.array_equal(seen.images[0], tests[""].images[0])
    fewer = options(test="lookup", images="20").split("", 0)[1]
    np.testing.assert_array_equal(fewer[""].images, tests[""].images)


@given(steps=st.integers(1, 5000))
def test_lookups_are_measured_some_ten_times(steps: int) -> None:
    at = options(test="lookup", models="mlp", train_steps=steps).measured_at
    assert at == sorted(set(at)) and at[-1] == steps and at[0] >= 1
    assert len(at) == steps if steps < 10 else 9 <= len(at) <= 20


# Training


def test_all_networks_of_a_seed_learn_from_the_same_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And by the recipe."""
    calls = []
    right = train.fit_labels

    def fit_labels(tree: Any, say: Any, x: Any, labels: Any, rng: Any, **how: Any) -> Any:
        state = json.dumps(rng.bit_generator.state, sort_keys=True)
        calls.append((state, float(x.sum()), how))
        return right(tree, say, x, labels, rng, **how)

    monkeypatch.setattr(train, "fit_labels", fit_labels)
    o = options(images="50", models="cnn,mlp,vit", seeds=2)
    for job in o.jobs:
        list(rivals.learn(o, "cpu", job))
    assert len(calls) == 6
    for _state, _sum, how in calls:
        assert how == {
            "batch": 7, "steps": 3, "lr": 3e-3, "weight_decay": 0.01, "schedule": "cosine",
        }  # fmt: skip
    by_seed = [{call[:2] for call, job in zip(calls, o.jobs) if job.which == k} for k in (0, 1)]
    assert [len(kinds) for kinds in by_seed] == [1, 1] and by_seed[0] != by_seed[1]


def test_networks_begin_differently_for_every_seed_and_model() -> None:
    o = options(seeds=2, models=ALL)
    assert not np.array_equal(o.first("mlp", 0).layers[0].W, o.first("mlp", 1).layers[0].W)
    cnn, mean = o.first("cnn", 0).layers[0].weight, o.first("cnn-mean", 0).layers[0].weight
    assert not np.array_equal(cnn, mean)
    assert not np.array_equal(cnn, options(seed=1).first("cnn", 0).layers[0].weight)


@pytest.mark.parametrize("test", ["size", "shift", "permute", "lookup"])
def test_accuracies_by_hand(test: Any, tiny: dict[str, Bias]) -> None:
    """One network trained and tested once more, by a loop of our own."""
    result = tiny[test]
    model, which, condition = "mixer", 1, result.conditions[-1]
    o = options(test=test, seeds=2, images=result.images)
    seen, tests = o.split(condition if test in ("size", "permute") else "", which)
    classifier = rivals.network(model, PLANS[test])  # type: ignore[index]
    p = train.trainable(o.first(model, which))
    rng = np.random.default_rng([0, 4, which])
    x, labels = map(torch.as_tensor, seen)

    def loss(_step: int) -> torch.Tensor:
        chosen = rng.integers(0, len(labels), 7)
        return torch.nn.functional.cross_entropy(classifier.scores(p, x[chosen]), labels[chosen])

    how = {"steps": 3, "lr": 3e-3, "weight_decay": 0.01, "schedule": "cosine"}
    list(train.fit(p, loss, **how))  # type: ignore[arg-type]
    sample = tests["" if test == "lookup" else condition]
    with torch.no_grad():
        named = classifier.scores(p, torch.as_tensor(sample.images)).argmax(-1).numpy()
    assert result.accuracy[model][condition][which] == np.mean(named == sample.labels)


def test_where_a_vit_looks_by_hand(tiny: dict[str, Bias]) -> None:
    config = rivals.network("vit", PLANS["lookup"]).config
    p = trees.convert(torch.tensor, redrawn("vit", "lookup"))
    unseen = lookup.draw(np.random.default_rng(0), 6)
    unseen = unseen._replace(images=unseen.images.astype(np.float64))
    patches = torch.tensor(vit.patchify(unseen.images, 4))
    weights = vit.read(p.vit, patches, config.style).weights
    shares = [
        np.mean([w[i, h, ends[0][i], ends[1][i]] for i in range(6)])
        for w in weights
        for h in range(4)
        for ends in ((unseen.asking, unseen.answering), (unseen.answering, unseen.asking))
    ]
    assert len(shares) == 16 and len(set(shares)) == 16
    assert rivals.looks(p, unseen, config, "cpu") == pytest.approx(max(shares))
    assert len(tiny["lookup"].looks) == 2 and not tiny["size"].looks
    assert all(0.1 < share < 0.15 for share in tiny["lookup"].looks)  # hardly trained: 1 in 9


def test_a_vit_learns_to_look_it_up(found: Bias) -> None:
    last = found.conditions[-1]
    assert last == "350" and found.accuracy["vit"][last][0] >= 0.95
    assert abs(found.accuracy["mlp"][last][0] - 0.25) < 0.1
    assert found.looks[0] > 0.5
    text = said(found)
    assert "is found by ViT" in text and "not found by MLP" in text and "chance is 25 %" in text
    assert bias.question(found).answer == 0


def test_convolutions_need_fewer_digits_than_a_vit() -> None:
    result = bias.run(models="cnn,vit", images="50", seeds=1, train_steps=80, device="cpu")
    (cnn,), (vit_share,) = (result.accuracy[model]["50"] for model in ("cnn", "vit"))
    assert cnn - vit_share > 0.1
    assert cnn > 0.7
    assert "CNN is ahead at 50; one seed." in said(result)


# What comes out


def test_options_and_results_are_reported(
    tiny: dict[str, Bias], seqlab: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "_cores", lambda: 2)  # which changes nothing
    document = seqlab("bias", "--images", "50,90", *LINE, "--json").json
    result = document["result"]
    assert document["options"]["models"] == "cnn,mlp,mixer,vit"
    assert document["options"]["images"] == "50,90"
    assert result["accuracy"] == json.loads(json.dumps(tiny["size"].accuracy))
    assert set(result["accuracy"]["cnn"]) == {"50", "90"}
    assert result["parameters"]["cnn"] == 16122 and result["chance"] == 0.1
    for each in result["series"]:
        assert each["x"] == [50, 90] and each["chance"] == 0.1
        runs = list(result["accuracy"][each["name"]].values())
        assert each["median"] == pytest.approx([np.median(run) for run in runs])
        assert each["low"] == [min(run) for run in runs]
    again = seqlab("bias", "--images", "50,90", *LINE, "--json")
    assert again.json == document


@pytest.mark.parametrize("test", TESTS)
def test_series_are_drawn_against_the_conditions(tiny: dict[str, Bias], test: str) -> None:
    result = tiny[test]
    x = {"size": [50, 90], "shift": [0, 1, 2], "permute": [0, 1, 2], "lookup": [1, 2, 3]}[test]
    assert [s.name for s in result.series] == list(result.accuracy) == list(result.parameters)
    for s in result.series:
        assert s.x.tolist() == x and len(x) == len(result.conditions)
        low = [min(result.accuracy[s.name][c]) for c in result.conditions]
        assert s.low.tolist() == low and s.chance == result.chance
    assert result.chance == (0.25 if test == "lookup" else 0.1)
    assert len(plain(result)["examples"]) == {"size": 1, "lookup": 1}.get(test, 3)


def test_examples_are_what_was_tested(tiny: dict[str, Bias]) -> None:
    (example,) = tiny["lookup"].examples
    drawn = lookup.draw(np.random.default_rng([0, 1, 0]), 200)
    np.testing.assert_array_equal(example.pixels, drawn.images[0, 0])
    assert (example.asking, example.answering) == (drawn.asking[0] + 1, drawn.answering[0] + 1)
    centred, once, twice = (example.pixels for example in tiny["shift"].examples)
    np.testing.assert_array_equal(np.roll(centred, (1, 1), (0, 1)), once)
    np.testing.assert_array_equal(np.roll(centred, (2, 2), (0, 1)), twice)
    assert len({example.label for example in tiny["permute"].examples}) == 1


def test_quick_is_smaller_and_explicit_options_win() -> None:
    quick = options(quick=True, seeds=None, train_steps=None)
    assert (quick.seeds, quick.images) == (1, "50,1400")
    mine = options(quick=True, seeds=2, train_steps=9, images="70")
    assert (mine.seeds, mine.train_steps, mine.images) == (2, 9, "70")
    usual = options(seeds=None, train_steps=None)
    assert (usual.seeds, usual.train_steps, usual.images) == (3, 300, "50,100,200,400,1400")
    for test in TESTS:  # or a curve against the number of digits would be one of too few steps
        steps = {options(test=test, quick=q, train_steps=None).train_steps for q in (False, True)}
        assert len(steps) == 1
    assert options(images=[90, 50, 50]).images == "50,90" and options(images=70).images == "70"
    assert options(models=["MLP", "vit"]).models == "mlp,vit"


# The sentences


def lead(result: Bias, few: list[float], many: list[float]) -> str:
    """What is said of the CNN, with these shares, against a ViT with 0.5 and 0.6."""
    shares = {
        "cnn": {"50": few, "90": many},
        "vit": {"50": [0.5] * len(few), "90": [0.6] * len(many)},
    }
    mine = dataclasses.replace(result, accuracy=shares)
    return next(text for text in bias.takeaways(mine) if text.startswith("CNN against ViT"))


def test_who_is_ahead(tiny: dict[str, Bias]) -> None:
    def verdict(few: list[float], many: list[float]) -> str:
        return lead(tiny["size"], few, many).rpartition("CNN is ")[2]

    text = lead(tiny["size"], [0.8, 0.75], [0.9, 0.9])
    assert "with 50 digits 25.0–30.0 points more, with 90 digits 30.0 points more" in text
    assert text.endswith("CNN is ahead at every number.")
    assert verdict([0.2, 0.1], [0.1, 0.1]) == "behind at every number."
    assert verdict([0.9, 0.9], [0.1, 0.1]) == "ahead at 50; behind at 90."
    mixed = lead(tiny["size"], [0.8, 0.75], [0.5, 0.7])
    assert "10.0 points less to 10.0 more: it depends on the seed" in mixed
    assert mixed.endswith("CNN is ahead at 50; neither ahead nor behind at 90.")
    assert "just as many" in lead(tiny["size"], [0.5, 0.5], [0.9, 0.9])


def test_a_lead_of_a_digit_is_none(tiny: dict[str, Bias], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two shares near 0.5 differ by 2 standard errors at 0.14 with 100 digits, or 0.1 in a pair."""
    monkeypatch.setattr(digits, "TESTS", 90)
    little = [0.5 + 0.095, 0.5 + 0.105], [0.9, 0.9]
    assert "neither ahead nor behind at 50" in lead(tiny["size"], *little)
    monkeypatch.setattr(digits, "TESTS", 110)
    assert "ahead at every number" in lead(tiny["size"], *little)
    one = dataclasses.replace(tiny["size"], seeds=1)
    monkeypatch.setattr(digits, "TESTS", 100)
    assert "neither ahead nor behind at 50" in lead(one, [0.63], [0.9])
    assert "ahead at every number; one seed." in lead(one, [0.65], [0.9])


def test_a_lead_is_not_said_of_what_is_not_measured(tiny: dict[str, Bias]) -> None:
    end = "CNN is ahead at 50; as far as measured."
    assert lead(tiny["size"], [0.9, 0.9], [math.nan] * 2).endswith(end)
    end = "CNN is ahead at every number; as far as measured."
    assert lead(tiny["size"], [0.9, 0.9], [0.9, math.nan]).endswith(end)
    alone = dataclasses.replace(tiny["size"], conditions=["50"])
    assert lead(alone, [0.9, 0.9], [math.nan] * 2).endswith("CNN is ahead at 50.")


def test_what_a_mean_is_worth(tiny: dict[str, Bias]) -> None:
    def mean(shares: list[float]) -> str:
        cnn = {"0": [0.9, 0.9], "1": [0.5, 0.5], "2": [0.2, 0.2]}
        other = {"0": [0.8, 0.8], "1": [0.5, 0.5], "2": shares}
        return said(with_accuracy(tiny["shift"], cnn=cnn, cnn_mean=other))

    assert "40.0–50.0 points more there, 10.0 points less in the middle" in mean([0.6, 0.7])
    assert "10.0–15.0 points less there" in mean([0.1, 0.05])
    assert "it depends on the seed there" in mean([0.1, 0.5])
    assert mean([0.6, 0.7]).startswith("Moved by 2 pixels: CNN with a mean 65.0 %")
    assert "CNN with a mean, moved by 2 instead of 1: 10.0–20.0 points more." in mean([0.6, 0.7])
    assert "CNN with a mean, moved by 2 instead of 1: 10.0–40.0 points less." in mean([0.4, 0.1])


def test_what_an_order_costs(tiny: dict[str, Bias]) -> None:
    usual = {"none": [0.9, 0.9], "patches": [0.9, 0.9]}
    others = {m: usual | {"pixels": [0.9, 0.9]} for m in ("mlp", "mixer", "vit")}

    def cost(*shares: float) -> str:
        return said(with_accuracy(tiny["permute"], cnn=usual | {"pixels": list(shares)}, **others))

    text = cost(0.4, 0.5)
    rest = "MLP, Mixer, ViT neither worse nor better"
    assert f"Pixels permuted: CNN worse; {rest}. (CNN 40.0–50.0 points less;" in text
    none = "Patches permuted: CNN, MLP, Mixer, ViT neither worse nor better. (CNN just as many;"
    assert none in text
    neither = "Pixels permuted: CNN, MLP, Mixer, ViT neither worse nor better. (CNN"
    assert f"{neither} 0.0 points less to 5.0 more: it depends on the seed;" in cost(0.9, 0.95)
    assert f"{neither} 0.5–1.0 points less;" in cost(0.895, 0.89)  # less than the tests can tell
    assert f"Pixels permuted: CNN better; {rest}. (CNN 10.0 points more;" in cost(1.0, 1.0)
    assert "by more than 2 standard errors" in text


def test_who_finds_the_value(found: Bias) -> None:
    def told(*shares: float) -> str:
        by = {c: list(shares) for c in found.conditions}
        return said(with_accuracy(found, vit=by))

    assert "; not found by MLP" in told(1.0, 0.95) and "is found by ViT (95.0–100.0 %)" in told(
        1.0, 0.95
    )
    assert "found with some seeds by ViT (30.0–95.0 %)" in told(0.95, 0.3)
    assert "the value is not found by ViT (30.0 %)" in told(0.3, 0.3)
    larger = with_accuracy(found, cnn={c: [0.4] for c in found.conditions}, cnn_large={
        c: [0.45] for c in found.conditions
    })  # fmt: skip
    sizes = found.parameters | {"cnn": 1000, "cnn-large": 2000}
    text = said(dataclasses.replace(larger, parameters=sizes))
    assert "A CNN of 2,000 parameters instead of 1,000: 5.0 points more (one seed)." in text
    share = f"{100 * found.looks[0]:.1f} %"
    assert f"or gets from it: {share}; spread" in said(found) and "it would be 11 %" in said(found)


def test_the_question_follows_the_numbers(tiny: dict[str, Bias]) -> None:
    def answer(test: str, **changes: Any) -> str:
        result = tiny[test]
        plain = {m: {c: [0.5, 0.5] for c in result.conditions} for m in result.accuracy}
        question = bias.question(dataclasses.replace(result, accuracy=plain | changes))
        return question.choices[question.answer]

    def by(test: str, hardest: str, *shares: float) -> dict[str, list[float]]:
        return {c: [0.5, 0.5] for c in tiny[test].conditions} | {hardest: list(shares)}

    assert answer("size", mlp=by("size", "50", 0.6, 0.7)) == "MLP"
    assert answer("size", mlp=by("size", "50", 0.6, 0.4)) == "it depends on the seed"
    assert answer("size", mlp=by("size", "90", 0.6, 0.7)) == "it depends on the seed"  # a tie
    assert answer("shift", vit=by("shift", "2", 0.6, 0.7)) == "ViT"
    assert answer("permute", vit=by("permute", "pixels", 0.3, 0.4)) == "ViT"
    assert answer("permute", vit=by("permute", "pixels", 0.6, 0.7)) == "it depends on the seed"
    last = tiny["lookup"].conditions[-1]
    assert answer("lookup", mixer=by("lookup", last, 0.6, 0.7)) == "Mixer"


def test_what_diverged_is_called_so(
    monkeypatch: pytest.MonkeyPatch, seqlab: Run, tiny: dict[str, Bias]
) -> None:
    monkeypatch.setattr(train, "share_right", lambda scores, labels: math.nan)
    outcome = seqlab("bias", "--images", "50", "--models", "mlp,cnn", *LINE)
    assert outcome.status == 0 and "4 networks diverged" in outcome.text
    document = seqlab("bias", "--images", "50", "--models", "mlp", *LINE, "--json").json
    assert document["result"]["accuracy"] == {"mlp": {"50": [None, None]}}
    assert document["result"]["diverged"] == 2
    result = bias.run(models="mlp", images="50", **SMALL)
    assert bias.question(result).answer == 1


@pytest.mark.parametrize("test", TESTS)
def test_ctrl_c_leaves_what_there_is(
    seqlab: Run, stop_at_view: Callable[[int], None], test: str
) -> None:
    stop_at_view(2)
    line = ["bias", "--test", test, "--models", "mlp,vit", "--images", "50", *LINE]
    stopped = seqlab(*line, "--json")
    result = stopped.json["result"]
    assert result["stopped"] is True
    shares = [x for by in result["accuracy"].values() for each in by.values() for x in each]
    assert None in shares and any(x is not None for x in shares)
    stop_at_view(1)
    assert "–" in seqlab(*line).text


def test_nothing_is_shown_before_there_is_something() -> None:
    views = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        views.append((done, view is not None))

    result = bias.run(models="mlp", images="50,60", watch=watch, seeds=1, train_steps=25, batch=7)
    shares = [done for done, _view in views]
    assert shares == sorted(shares) and shares[-1] == 1 and not views[0][1] and views[-1][1]
    assert len(views) > 4 and not result.stopped
    empty = {m: {c: [math.nan] for c in result.conditions} for m in result.accuracy}
    blank = dataclasses.replace(result, accuracy=empty, stopped=True)
    assert bias.takeaways(blank) == ["No network has been trained to its end yet."]
    assert bias.question(blank).answer == 1


# The screen


def drawn(result: Bias, width: int, detail: bool = False, **how: Any) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, **how)
    console.print(bias.show(result, detail))
    console.print(Takeaways(bias.takeaways(result)))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("width", [60, 100])
def test_every_screen_fits(tiny: dict[str, Bias], test: str, width: int) -> None:
    for detail in (False, True):
        text = drawn(tiny[test], width, detail, no_color=True, color_system=None)
        assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("test", TESTS)
def test_the_first_screens_fit(test: Any, language: Any) -> None:
    """With as many numbers as by default, each as wide as can be."""
    o = options(test=test, seeds=None, train_steps=None, batch=64)
    result = bias._result(o, "cpu", {})
    wide = {m: {c: [0.101, 0.999, 0.998] for c in result.conditions} for m in result.accuracy}
    result = dataclasses.replace(result, accuracy=wide, looks=[0.1, 0.5, 0.9] * (test == "lookup"))
    speak(language)
    assert len(drawn(result, 100).splitlines()) <= 39  # and the footer


def test_curves_are_ticked_where_they_were_measured(tiny: dict[str, Bias]) -> None:
    def lines(test: str) -> list[str]:
        return drawn(tiny[test], 100, no_color=True, color_system=None).splitlines()

    assert any(line.split() == ["50", "90"] for line in lines("size"))
    assert any(line.split()[:3] == ["0", "1", "2"] for line in lines("shift"))
    assert any(
        line.endswith("digits to learn from (log axis)") for line in map(str.rstrip, lines("size"))
    )
    assert any(line.startswith(" 100┤") for line in lines("size"))


def test_no_two_models_look_alike() -> None:
    assert len({model.ink for model in MODELS.values()}) == len(MODELS)


def test_the_best_is_drawn_last(tiny: dict[str, Bias]) -> None:
    """Or one as good but for a digit would hide it."""
    for best in ("cnn", "mixer"):
        shares = {
            m: {"50": [0.5], "90": [0.8 + 0.001 * (m == best)]} for m in tiny["size"].accuracy
        }
        curves = [series(m, [50, 90], np.array(list(by.values())).T) for m, by in shares.items()]
        text = drawn(dataclasses.replace(tiny["size"], series=curves), 100, no_color=True)
        assert text.count(palette.INKS[best].marker) == 1 + 2  # in the legend, and its two points


def test_the_picture_of_a_lookup(tiny: dict[str, Bias]) -> None:
    """Keys and values apart, the answer in another colour, the frame around what asks."""
    (example,) = tiny["lookup"].examples
    pixels = bias._apart(example)
    assert pixels.shape == (15, 12, 3) and not pixels[[2, 7, 12]].any()
    np.testing.assert_array_equal(
        np.delete(pixels, [2, 7, 12], axis=0).max(axis=-1) > 0, example.pixels
    )
    coloured = np.argwhere(np.ptp(pixels, axis=-1) > 0)
    assert set(map(tuple, coloured // (5, 4))) == {divmod(example.answering - 1, 3)}  # type: ignore[operator]
    assert len(coloured) == 2 and (coloured[:, 0] % 5 > 2).all()
    text = drawn(tiny["lookup"], 100, no_color=True, color_system=None)
    assert f"cell {example.asking} (framed) asks, {example.answering} answers" in text


def test_without_colour_and_in_ascii(seqlab: Run) -> None:
    for test in TESTS:
        line = ["bias", "--test", test, "--images", "50", "--models", "cnn,vit", *LINE]
        outcome = seqlab(*line, "--ascii", "--detail", width=60)
        assert outcome.status == 0 and outcome.text.isascii() and outcome.widest <= 60
    assert outcome.text.rstrip().endswith("seed 0")


def test_published_numbers_are_marked_as_such(tiny: dict[str, Bias]) -> None:
    sizes, orders = (drawn(tiny[test], 100) for test in ("size", "permute"))
    for text, numbers in (
        (sizes, ["77.91", "76.53", "84.15", "87.12", "Dosovitskiy et al. 2020, table 5"]),
        (orders, ["45 %", "75 %", "Tolstikhin et al. 2021, fig. 4"]),
    ):
        words = " ".join(text.split())
        assert "Published, not measured here" in words
        assert all(number in words for number in numbers)
    assert "Published" not in drawn(tiny["shift"], 100) + drawn(tiny["lookup"], 100)


# What is refused


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["--test", "size", "--images", "0"], "--images 0"),
        (["--images", "50,1401"], "--images 1401: expected a number from 1 to 1400"),
        (["--images", "fifty"], "--images fifty: expected whole numbers with commas"),
        (["--images", ""], "--images ''"),
        (
            ["--images", "1,2,3,4,5,6,7,8,9,10,11"],
            "11 numbers of images: expected at most 10 numbers",
        ),
        (
            ["--test", "shift", "--images", "50,100"],
            "2 numbers of images: expected one number; try --images 1400",
        ),
        (["--test", "lookup", "--images", "50001"], "from 1 to 50000"),
        (["--models", "cnn,resnet"], "--models resnet: expected one of cnn, cnn-mean"),
        (["--models", ","], "--models '': expected at least one of"),
        (["--lr", "nan"], "--lr nan"),
        (["--lr", "2"], "--lr 2"),
        (["--train-steps", "5000", "--seeds", "10"], "more work than can be waited for"),
        (["--device", "mps"], "--device mps"),
    ],
)
def test_bad_input_is_one_line(seqlab: Run, line: list[str], sentence: str) -> None:
    outcome = seqlab("bias", *line)
    assert (outcome.status, outcome.text) == (2, "")
    assert sentence in outcome.errors and outcome.errors.count("\n") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"test": "colour"}, {"seeds": 0}, {"seeds": 11}, {"train_steps": 0}, {"train_steps": 5001},
        {"batch": 0}, {"batch": 257}, {"lr": -0.1}, {"seed": -1}, {"images": [0]},
        {"images": [1.5]}, {"models": []}, {"seeds": True},
    ],
)  # fmt: skip
def test_python_is_told_the_same(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        bias.run(**wrong)


def test_what_would_take_hours_is_refused_with_what_would_not() -> None:
    with pytest.raises(BadInput) as problem:
        bias.run(train_steps=5000, seeds=10)
    steps = int(problem.value.hint.split()[-1])
    assert options(seeds=10, train_steps=steps).train_steps == steps


def test_refusals_do_not_wait_for_torch() -> None:
    code = (
        "import sys\nfrom seqlab.lab import bias, BadInput\n"
        "try: bias.run(models='x')\nexcept BadInput: print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "False"
