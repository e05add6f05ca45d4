"""induct: the network against loops, measurements by hand, sentences that follow the numbers."""

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

from seqlab import trees
from seqlab.book import attention
from seqlab.lab import BadInput, Question, induct
from seqlab.lab.induct import Ablation, Induct, Network

TINY: dict[str, Any] = {
    "steps": 4, "d_model": 8, "symbols": 6, "length": 12, "batch": 3, "longest": 5, "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> Induct:
    """The default run."""
    return induct.run(device="cpu")


@pytest.fixture(scope="module")
def tiny() -> Induct:
    return induct.run(**TINY, heads=2)


def redrawn(layers: int = 2, d: int = 8, v: int = 6, seed: int = 0) -> Network:
    """A network all of whose parameters are random, biases and norms too."""
    rng = np.random.default_rng(seed)
    p = induct.init(rng, v, d, layers)
    return trees.convert(lambda leaf: rng.normal(0, 0.7, leaf.shape), p)


# The network against loops over positions, heads and pairs


def normed(p: Any, x: np.ndarray) -> np.ndarray:
    rows = [(row - np.mean(row)) / math.sqrt(np.var(row) + 1e-5) for row in x]
    return np.array(rows) * p.weight + p.bias


def by_hand(
    a: attention.MultiHead, h: int, asks: np.ndarray, holds: np.ndarray, says: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Causal attention of inputs (t, d); RoPE as a turn of the query by the distance alone."""
    (t, d), width = asks.shape, asks.shape[1] // h
    q, k, v = asks @ a.W_q + a.b_q, holds @ a.W_k + a.b_k, says @ a.W_v + a.b_v
    weights, joined = np.zeros((h, t, t)), np.zeros((t, d))
    for head in range(h):
        for i in range(t):
            scores = []
            for j in range(i + 1):
                score = 0.0
                for pair in range(width // 2):
                    at = head * width + 2 * pair
                    angle = (i - j) * 10000 ** (-2 * pair / width)
                    turned = complex(q[i, at], q[i, at + 1]) * complex(
                        math.cos(angle), math.sin(angle)
                    )
                    score += turned.real * k[j, at] + turned.imag * k[j, at + 1]
                scores.append(score / math.sqrt(width))
            e = [math.exp(s - max(scores)) for s in scores]
            weights[head, i, : i + 1] = np.array(e) / sum(e)
            columns = slice(head * width, (head + 1) * width)
            joined[i, columns] = weights[head, i] @ v[:, columns]
    return joined @ a.W_o + a.b_o, weights


def read_by_hand(
    p: Network, tokens: np.ndarray, h: int, at: int = -1, part: str = ""
) -> tuple[np.ndarray, list[np.ndarray]]:
    x = z = p.embed[tokens]
    seen = []
    for i, layer in enumerate(p.layers):
        whole, bare = normed(layer.norm, x), normed(layer.norm, z)
        names = ("queries", "keys", "values")
        inputs = [bare if i == at and part == name else whole for name in names]
        out, weights = by_hand(layer.attention, h, *inputs)
        seen.append(weights)
        if not (i == at and part == "output"):
            x = x + out
    return normed(p.norm, x) @ p.W, seen


@pytest.mark.parametrize("h", [1, 2])
def test_the_network_is_its_equations(h: int) -> None:
    p, tokens = redrawn(), np.array([[0, 3, 3, 5, 1, 0, 2], [4, 4, 1, 0, 5, 5, 2]])
    style = induct._Options(heads=h).style
    scores, weights = induct.read(p, tokens, style)
    for b in range(2):
        expected, seen = read_by_hand(p, tokens[b], h)
        np.testing.assert_allclose(scores[b], expected, atol=1e-9)
        for layer in range(2):
            np.testing.assert_allclose(weights[layer][b], seen[layer], atol=1e-12)


@pytest.mark.parametrize("part", ["output", "queries", "keys", "values"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_ablation_is_what_it_says(at: int, part: Any) -> None:
    p, tokens = redrawn(layers=3), np.array([0, 3, 3, 5, 1, 0])
    style = induct._Options(heads=2).style
    ours = induct.ablated(p, tokens, style, at, part)
    np.testing.assert_allclose(ours, read_by_hand(p, tokens, 2, at, part)[0], atol=1e-9)
    untouched = np.allclose(ours, induct.read(p, tokens, style)[0])
    assert untouched == (at == 0 and part != "output")  # below layer 0 there is nothing
    if part == "output":
        rest = p._replace(layers=p.layers[:at] + p.layers[at + 1 :])
        np.testing.assert_allclose(ours, induct.read(rest, tokens, style)[0], atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"heads": 2, "layers": 3}, {"layers": 1}])
def test_the_check_holds(options: dict[str, Any]) -> None:
    checks = induct.check(**TINY, **options)
    assert len(checks) == 2
    for check in checks:
        assert check.passed and check.error < 1e-12, check


@pytest.mark.parametrize("harm", [1 + 1e-6, math.nan])
def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch, harm: float) -> None:
    right = attention.scores
    monkeypatch.setattr(attention, "scores", lambda q, k: right(q, k) * harm)
    assert [check.passed for check in induct.check(**TINY)] == [False, False]


# What is measured


def test_targets_by_hand() -> None:
    tokens = np.array([[2, 0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 0, 1, 0]])
    found = induct.targets(tokens)
    for b, row in enumerate(tokens):
        for t in range(7):
            for s in range(7):
                assert found["previous"][b, t, s] == (s == t - 1)
                assert found["itself"][b, t, s] == (s == t)
                assert found["same"][b, t, s] == (s < t and row[s] == row[t])
                followed = s > 0 and s - 1 < t and row[s - 1] == row[t]
                assert found["induction"][b, t, s] == followed


def examiner(**options: Any) -> induct._Examiner:
    small = {k: v for k, v in TINY.items() if k != "device"} | options
    return induct._Examiner(induct._Options(**small).checked(), torch.device("cpu"))


def test_scores_accuracy_and_loss_by_hand() -> None:
    exam = examiner(heads=2)
    p = trees.convert(torch.tensor, redrawn())
    moment = exam.moment(7, p, None)
    scores, weights = induct.read(p, exam.seen, exam.o.style)
    tokens, right, loss = exam.seen.numpy(), [], []
    looks: dict[str, list[list[float]]] = {"previous": [], "induction": []}
    for b, row in enumerate(tokens):
        for t in range(12):
            w = [weights[layer][b, head, t].numpy() for layer in range(2) for head in range(2)]
            if t:
                looks["previous"].append([x[t - 1] for x in w])
            if row[t] in row[:t]:  # it has been there before
                after = [s for s in range(1, t + 1) if row[s - 1] == row[t]]
                looks["induction"].append([sum(x[s] for s in after) for x in w])
                logs = torch.log_softmax(scores[b, t], -1)
                loss.append(-float(logs[exam.following[b, t]]))
                right.append(int(scores[b, t].argmax()) == exam.following[b, t])
    assert moment.step == 7 and moment.one_layer is None
    assert moment.accuracy == pytest.approx(np.mean(right), abs=1e-12)
    assert moment.loss == pytest.approx(np.mean(loss), abs=1e-9)
    for name, rows in looks.items():
        np.testing.assert_allclose(getattr(moment, name).ravel(), np.mean(rows, 0), atol=1e-12)
    for found in exam.looks(p):
        at = 2 * found.layer + found.head
        assert found.induction == pytest.approx(np.mean(looks["induction"], 0)[at], abs=1e-12)


def test_a_perfect_induction_head_scores_one() -> None:
    """Attention made by hand: every token looks only at what followed the same symbol."""
    exam = examiner()
    followed = exam.targets["induction"].astype(float)
    perfect = followed / np.maximum(followed.sum(-1, keepdims=True), 1)
    assert exam.shares([torch.tensor(perfect[:, None])], "induction") == pytest.approx(1)
    back = np.broadcast_to(np.eye(12, k=-1), followed.shape)
    assert exam.shares([torch.tensor(back[:, None].copy())], "previous") == pytest.approx(1)


def test_what_can_be_known_is_what_has_been_there() -> None:
    o = induct._Options(length=20, symbols=9, longest=9).checked()
    seen, following, repeated = o.sequences(np.random.default_rng(0), 50)
    assert seen.shape == following.shape == repeated.shape == (50, 20)
    np.testing.assert_array_equal(seen[:, 1:], following[:, :-1])
    for row, known in zip(seen, repeated, strict=True):
        assert known.tolist() == [row[t] in row[:t] for t in range(20)]


def test_all_networks_get_the_same_batches_and_none_of_the_held_out() -> None:
    o = induct._Options(length=20, symbols=9, longest=9, batch=induct._HELD_OUT).checked()
    device = torch.device("cpu")
    one, two = (induct._Learner(o, layers, device) for layers in (1, 2))
    assert trees.count(two.p) > trees.count(one.p)
    held = induct._Examiner(o, device).seen.numpy()
    for _step in range(3):
        a, b = (o.sequences(learner.batches, o.batch)[0] for learner in (one, two))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, held)


def accuracies(*values: float, every: int = 10) -> list[induct.Moment]:
    nothing = np.zeros((1, 1))
    return [
        induct.Moment(i * every, 1.0, value, nothing, nothing, None)
        for i, value in enumerate(values)
    ]


def test_a_jump_is_found_and_not_assumed() -> None:
    waiting = [0.1, 0.12, 0.14, 0.15, 0.17, 0.2, 0.6, 0.9, 0.95]
    found = induct._rise(accuracies(*waiting))
    assert found == induct.Rise(start=50, middle=60, end=70, jump=True)
    steady = induct._rise(accuracies(*np.linspace(0.1, 0.9, 9)))
    assert steady is not None and not steady.jump and steady.middle == 40
    early = induct._rise(accuracies(0.1, 0.5, 0.7, 0.8, 0.9))
    assert early is not None and not early.jump
    assert induct._rise(accuracies(0.1, 0.3, 0.55)) is None
    assert induct._rise(accuracies(0.9, 0.1)) is None
    noisy = induct._rise(accuracies(0.0, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.8, 1.0))
    assert noisy is not None and (noisy.start, noisy.middle) == (60, 70)


# The default run


def test_the_textbook_holds_by_default(trained: Induct) -> None:
    last = trained.moments[-1]
    assert [m.step for m in trained.moments] == list(range(0, 151, 5))
    assert last.accuracy > 0.98 and last.one_layer is not None and last.one_layer < 0.4
    assert trained.moments[0].one_layer is not None
    assert last.one_layer > trained.moments[0].one_layer + 0.1  # it has learned, too
    assert trained.rise is not None and trained.rise.jump
    assert [m.step for m in trained.maps] == [0, trained.rise.middle, 150]
    assert last.previous[0, 0] > 0.5 and last.induction[1, 0] > 0.9
    assert trained.moments[0].induction.max() < 0.2
    lost = {(a.layer, a.part): a.accuracy for a in trained.ablations}
    assert lost[0, "output"] < 0.3 and lost[1, "output"] < 0.2
    assert lost[1, "keys"] < 0.3 < 0.9 < lost[1, "queries"]  # K-composition
    assert lost[1, "values"] > 0.9
    assert (0, "keys") not in lost
    weights = trained.maps[-1].weights
    assert trained.example == "ABCDEABCDEAB" and weights.shape == (2, 1, 12, 12)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert not weights[..., np.tri(12) == 0].any()
    after = weights[1, 0, 7, [3]]  # the second C: D followed the first
    assert after > 0.5
    assert trained.parameters == 16 * 64 * 2 + 2 * (4 * 64 * 65 + 128) + 128


def test_what_is_said_of_it(trained: Induct) -> None:
    course, heads, needs = induct.takeaways(trained)
    rise = trained.rise
    assert rise is not None
    assert course.startswith("Accuracy jumps: ") and f"at step {rise.end}" in course
    single = trained.moments[-1].one_layer
    assert single is not None and f"ends at {induct.percent(single)}." in course
    assert heads.startswith("An induction head has formed: layer 1 head 0 gives 0.9")
    assert "below it layer 0 head 0 gives 0." in heads
    assert needs.startswith("This network uses every layer: accuracy is ")
    asked = induct.question(trained)
    assert isinstance(asked, Question)
    assert asked.choices[asked.answer] == "at what followed the same symbol before"
    assert "0.9" in asked.why


# Sentences follow the numbers


def last_moment(result: Induct, **changes: Any) -> Induct:
    moments = [*result.moments[:-1], dataclasses.replace(result.moments[-1], **changes)]
    return dataclasses.replace(result, moments=moments)


def test_no_jump_is_called_so(trained: Induct) -> None:
    assert trained.rise is not None
    slow = dataclasses.replace(trained, rise=dataclasses.replace(trained.rise, jump=False))
    assert "rises steadily, without a jump" in induct.takeaways(slow)[0]
    flat = dataclasses.replace(trained, rise=None)
    sentences = induct.takeaways(flat)
    assert len(sentences) == 2 and sentences[0].startswith("No jump: accuracy goes from ")
    assert "in 150 steps (chance: 6.2 %)" in sentences[0]


def test_no_head_is_called_so(trained: Induct) -> None:
    none = last_moment(trained, induction=np.array([[0.1], [0.3]]))
    assert "No induction head" in induct.takeaways(none)[1]
    assert "at most 0.30 of a head's attention (layer 1 head 0)" in induct.takeaways(none)[1]
    alone = last_moment(trained, previous=np.array([[0.3], [0.1]]))
    assert "yet no head below it gives as much as half" in induct.takeaways(alone)[1]
    above = last_moment(trained, previous=np.array([[0.1], [0.9]]))
    assert "yet no head below it gives as much as half" in induct.takeaways(above)[1]


def test_a_fixed_period_is_no_proof_of_induction(trained: Induct) -> None:
    fixed = dataclasses.replace(trained, shortest=8, longest=8)
    said = induct.takeaways(fixed)[1]
    assert "every period is 8: that is always 7 tokens back" in said
    assert "induction head" not in said
    assert "every 8 tokens" in drawn(fixed)


@pytest.mark.parametrize(
    ("without", "verdict"),
    [
        ((0.1, 0.1), "This network uses every layer"),
        ((0.1, 0.9), "Layer 0 is needed"),
        ((0.9, 0.9), "No layer is needed by itself"),
    ],
)
def test_needs(trained: Induct, without: tuple[float, float], verdict: str) -> None:
    rest = [a for a in trained.ablations if a.part != "output"]
    layers = [Ablation(i, "output", accuracy) for i, accuracy in enumerate(without)]
    said = induct.takeaways(dataclasses.replace(trained, ablations=layers + rest))[2]
    low, high = (induct.percent(x) for x in without)
    assert said.startswith(f"{verdict}: accuracy is {low} without layer 0, {high} without layer 1.")


def test_an_induction_head_at_the_bottom_has_nothing_below(trained: Induct) -> None:
    bottom = last_moment(trained, induction=np.array([[0.9], [0.1]]))
    assert "cut off from below" not in induct.takeaways(bottom)[2]
    assert "cut off from below" in induct.takeaways(trained)[2]


def test_a_training_that_diverged_says_so_and_nothing_else(trained: Induct) -> None:
    nan = np.full((2, 1), math.nan)
    broken = last_moment(trained, loss=math.nan, previous=nan, induction=nan)
    (sentence,) = induct.takeaways(broken)
    assert "diverged" in sentence and "--lr" in sentence
    assert "How does attention" in drawn(broken)


def test_a_single_layer() -> None:
    result = induct.run(**TINY, layers=1)
    assert all(m.one_layer is None for m in result.moments)
    assert [(a.layer, a.part) for a in result.ablations] == [(0, "output")]
    sentences = induct.takeaways(result)
    assert len(sentences) == 2 and sentences[0].endswith(", with a single layer.")
    assert "one layer" not in drawn(result)


def test_one_layer_goes_by_a_fixed_distance() -> None:
    """Where every period is the same, no second layer is needed: the claim is about random ones."""
    result = induct.run(layers=1, shortest=8, longest=8, length=20, batch=16, device="cpu")
    assert result.moments[-1].accuracy > 0.9 and result.rise is not None


# The screen


def drawn(result: Induct, width: int = 100, detail: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(induct.show(result, detail))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_first_screen_fits(trained: Induct) -> None:
    from seqlab.figures.prose import Takeaways

    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(induct.show(trained), Takeaways(induct.takeaways(trained)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) <= 38  # besides a verdict and the footer
    text = "\n".join(lines)
    assert text.count("step 150") == 2 and "layer 1 head 0: induction 0.9" in text
    assert "layer 1 keys: from below" in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_every_width(tiny: Induct, width: int) -> None:
    for detail in (False, True):
        assert max(map(len, drawn(tiny, width, detail).splitlines())) <= width


def test_the_detail_has_every_head_and_every_step(tiny: Induct) -> None:
    text = drawn(tiny, detail=True)
    for layer in range(2):
        for head in range(2):
            assert f"step 4 · layer {layer} head {head}" in text
    assert "what followed the" in text and "loss (nats)" in text


# The command


def test_json_contract(seqlab: Run) -> None:
    words = "induct --steps 4 --d-model 8 --symbols 6 --length 12 --batch 3 --longest 5 --heads 2"
    first = seqlab(*words.split(), "--device", "cpu", "--json")
    document = first.json
    assert document["options"] == {
        "steps": 4, "layers": 2, "heads": 2, "d_model": 8, "symbols": 6, "length": 12,
        "shortest": 4, "longest": 5, "batch": 3, "lr": 0.003, "device": "cpu", "seed": 0,
    }  # fmt: skip
    result = document["result"]
    assert [m["step"] for m in result["moments"]] == [0, 1, 2, 3, 4]
    for moment in result["moments"]:
        assert set(moment) == {
            "step", "loss", "accuracy", "previous", "induction", "one_layer",
        }  # fmt: skip
        assert np.shape(moment["previous"]) == np.shape(moment["induction"]) == (2, 2)
    assert [m["step"] for m in result["maps"]] == [0, 4] and result["rise"] is None
    assert np.shape(result["maps"][0]["weights"]) == (2, 2, 12, 12)
    assert len(result["ablations"]) == 5 and len(result["looks"]) == 4
    assert result["example"] == "ABCDEABCDEAB" and result["longest"] == 5
    assert seqlab(*words.split(), "--device", "cpu", "--json").text == first.text
    other = seqlab(*words.split(), "--device", "cpu", "--json", "--seed", "1").json
    assert other["result"]["moments"] != result["moments"]


def test_the_command_checks_itself(seqlab: Run) -> None:
    outcome = seqlab("induct", "--steps", "2", "--d-model", "8", "--batch", "2", "--check")
    assert outcome.status == 0 and "2 comparisons with torch hold" in outcome.text
    assert outcome.widest <= 100
    plain = seqlab("induct", "--steps", "1", "--d-model", "8", "--batch", "2", "--ascii", width=60)
    assert plain.text.isascii() and plain.widest <= 60
    assert " in 1 step (" in " ".join(plain.text.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"heads": 3}, "--d-model 64 --heads 3: expected an even width for each head, because RoPE"
         " turns pairs; try --d-model 60"),
        ({"d_model": 4, "heads": 8}, "try --d-model 16"),
        ({"shortest": 5, "longest": 4}, "--shortest 5: expected a number from 2 to 4"),
        ({"symbols": 3}, "--shortest 4: expected a number from 2 to 3"),
        ({"longest": 17}, "--longest 17: expected a number from 2 to 16"),
        ({"length": 8, "longest": 8}, "--longest 8: expected a number from 2 to 7"),
        ({"symbols": 53}, "--symbols 53: expected a number from 2 to 52"),
        ({"layers": 5}, "--layers 5"), ({"layers": 0}, "--layers 0"), ({"heads": 9}, "--heads 9"),
        ({"steps": 0}, "--steps 0"), ({"steps": 2.5}, "--steps 2.5: expected a whole number"),
        ({"batch": 0}, "--batch 0"), ({"length": 129}, "--length 129"),
        ({"lr": math.nan}, "--lr nan"), ({"lr": -1.0}, "--lr -1.0"), ({"lr": 2.0}, "--lr 2.0"),
        ({"seed": -1}, "--seed -1"), ({"d_model": 512}, "--d-model 512"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_torch(options: dict[str, Any], sentence: str) -> None:
    def told(*_: object) -> None:
        raise AssertionError("it has begun")

    with pytest.raises(BadInput) as problem:
        induct.run(**options, watch=told)
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


def test_a_device_that_is_absent(monkeypatch: pytest.MonkeyPatch, seqlab: Run) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = seqlab("induct", "--device", "cuda")
    assert outcome.status == 2 and outcome.text == ""
    assert outcome.errors.startswith("error: --device cuda: expected a device that this machine")
    assert outcome.errors.count("\n") == 1


def test_progress_is_told_with_a_view_of_what_is_known_by_then() -> None:
    told: list[tuple[float, str]] = []
    views: list[Any] = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        told.append((done, doing))
        if view is not None and view not in views:
            views.append(view)

    result = induct.run(**TINY, watch=watch)
    shares = [done for done, _ in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert told[0][1] == "loading torch" and told[-1][1].startswith("step 4 of 4: ")
    assert len(views) == 4
    for step, view in enumerate(views, 1):
        console = Console(file=io.StringIO(), width=100, color_system=None)
        console.print(view())
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert f"step {step} " in text and f"step {step + 1} " not in text
    assert result.moments[-1].step == 4


def test_a_run_ends_with_a_measurement_whatever_its_steps() -> None:
    assert [m.step for m in induct.run(**TINY | {"steps": 1}).moments] == [0, 1]
    many = induct.run(**TINY | {"steps": 61, "d_model": 2, "batch": 1}).moments
    assert [m.step for m in many] == [*range(0, 61, 2), 61]


# Stopped


def test_ctrl_c_shows_what_there_is(seqlab: Run, stop_at_view: Callable[[int], None]) -> None:
    stop_at_view(7)
    outcome = seqlab("induct", "--batch", "2", "--steps", "60", "--check")
    assert outcome.status == 130
    assert outcome.text.startswith("✗ Stopped before the end of training"), outcome.text[:200]
    assert "comparisons with torch" not in outcome.text and " in 7 steps" in outcome.text
    stop_at_view(7)
    result = seqlab("induct", "--batch", "2", "--steps", "60", "--json").json["result"]
    assert result["stopped"] is True and result["steps"] == 60
    assert [m["step"] for m in result["moments"]] == [0, 2, 4, 6, 7]
