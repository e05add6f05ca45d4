"""align: trainings that agree with each other, measurements by hand, sentences that follow them."""

import dataclasses
import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from rich.console import Console

from seqlab import trees
from seqlab.book import seq2seq
from seqlab.figures.prose import Takeaways
from seqlab.lab import BadInput, Question, align
from seqlab.lab.align import Align
from seqlab.tasks import rewrite

TINY: dict[str, Any] = {"train_steps": 3, "hidden": 6, "batch": 4, "seeds": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def trained() -> Align:
    """Dates, long enough for a gap."""
    return align.run(train_steps=90, seeds=1, device="cpu")


@pytest.fixture(scope="module")
def dates() -> Align:
    return align.run(**TINY)


@pytest.fixture(scope="module")
def digits() -> Align:
    return align.run("2718", task="reverse", length=4, **TINY)


# Training and testing


def test_both_networks_of_a_seed_get_the_same_batches_and_each_seed_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    o = align._chosen(task="copy", length=9, train_steps=2, hidden=4, batch=3)
    exam = align._Exam(o)
    seen: dict[align._Job, list[list[int]]] = {}
    for job in [align._Job(who, n) for who in align.WHO for n in range(2)]:
        drawn: list[Any] = []

        def draw(rng: np.random.Generator, drawn: list[Any] = drawn) -> rewrite.Batch:
            drawn.append(align._Exam.drawn(exam, rng))
            return drawn[-1]  # type: ignore[no-any-return]

        monkeypatch.setattr(exam, "drawn", draw)
        news = [news for _p, news in align._learn(o, exam, "cpu", job)]
        assert [n.step for n in news] == [0, 1, 2] and math.isnan(news[0].loss)
        seen[job] = [batch.source.tolist() for batch in drawn]
    same = [seen[align._Job(who, 0)] == seen[align._Job("with", 0)] for who in align.WHO]
    assert same == [True, True]
    assert seen[align._Job("with", 0)] != seen[align._Job("with", 1)]


def test_every_network_begins_elsewhere() -> None:
    o = align._chosen(seed=1)
    firsts = [align._new(o, align._Job(who, n)) for who in align.WHO for n in range(2)]
    assert len({float(p.encoder.embed[0, 0]) for p in firsts}) == 4
    assert firsts[0].decoder.attention is not None and firsts[2].decoder.attention is None


def test_lengths_of_a_batch_are_all_those_asked_for() -> None:
    o = align._chosen(task="reverse", length=5, batch=2)
    exam, rng = align._Exam(o), np.random.default_rng(0)
    found = {exam.drawn(rng).source.shape for _i in range(80)}
    assert found == {(2, t) for t in range(1, 6)}
    assert o.lengths() == [1, 2, 3, 4, 5, 6, 7]
    assert align._chosen(task="sort").lengths() == [4, 8, 12, 16, 20, 24, 28, 30]


def test_the_date_of_the_text_and_the_tests_are_not_trained_on() -> None:
    exam = align._Exam(align._chosen("3 may 1999"))
    train = set(exam.days.tolist())
    assert 729877 not in train and len(train) > 60000  # 3 May 1999 is day 729877
    for row in exam.tests[0].target:
        date = np.datetime64(rewrite.spelled(rewrite.ISO, row), "D").astype(int) + 719163
        assert int(date) not in train


def test_the_loss_is_that_of_the_right_symbols_after_the_right_ones() -> None:
    target = np.array([[2, 0, 1], [1, 1, 0]])
    assert align.started(target, 9).tolist() == [[9, 2, 0], [9, 1, 1]]
    scores = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 4)))
    logs = scores.log_softmax(-1)
    expected = -np.mean([float(logs[b, t, target[b, t]]) for b in range(2) for t in range(3)])
    found = float(align.loss_of(seq2seq.Output(scores, None), target))
    assert found == pytest.approx(expected, abs=1e-12)


def test_alignment_by_hand() -> None:
    places = np.zeros((1, 4, 6), bool)
    places[0, 0, 5] = places[0, 1, 2] = True  # one place each
    places[0, 2, 1:3] = True  # two of them; the last output needs nothing
    weights = np.full((1, 4, 6), 0.1)
    weights[0, 3, 0] = 0.5
    for looks, expected in (
        ((5, 4, 2), {0: 2, 2: 1}),  # the second output looks 2 cells to the right
        ((0, 1, 0), {-5: 1, -1: 2}),  # far away; the third is nearest to the left one of its two
        ((0, 2, 5), {-5: 1, 0: 1, 3: 1}),
    ):
        seen = weights.copy()
        seen[0, range(3), looks] = 0.5
        shifts = align.alignment_of(seen, places)
        assert list(shifts) == list(range(-5, 6))
        assert {n: round(3 * share) for n, share in shifts.items() if share} == expected
        assert sum(shifts.values()) == pytest.approx(1)
    places[0, 2] = [1, 0, 1, 0, 0, 0]
    between = weights.copy()
    between[0, 2, 1] = 0.5  # as near to the one as to the other
    assert align.alignment_of(between[:, 2:3], places[:, 2:3])[1] == 1


def test_a_network_is_tested_on_what_it_writes_itself() -> None:
    o = align._chosen("2718", task="reverse", length=4, hidden=5)
    exam = align._Exam(o)
    p = trees.convert(torch.tensor, align._new(o, align._Job("with", 0)))
    moment = exam.moment(p)
    assert moment.alignment is not None and moment.alignment.shape == (4, 4)
    for i, test in enumerate(exam.tests):
        ys, output = seq2seq.greedy(p, test.source, test.lengths, test.source.shape[1])
        rows = [a == b for a, b in zip(ys.tolist(), test.source[:, ::-1].tolist())]
        assert moment.exact[i] == pytest.approx(np.mean(rows))
        assert moment.symbols[i] == pytest.approx(np.mean(ys.numpy() == test.source[:, ::-1]))
        if test.source.shape[1] == 4:
            assert output.weights is not None
            best = output.weights.numpy().argmax(-1)
            assert moment.shifts[0] == pytest.approx(np.mean(best == [3, 2, 1, 0]))
    assert exam.hits_chance == pytest.approx(1 / 4)


# The default claim, on one seed


def test_attention_gets_dates_right_and_one_vector_does_not(trained: Align) -> None:
    assert trained.accuracy["with"]["90"] > 0.7 and trained.accuracy["without"]["90"] < 0.3
    assert trained.hits[0] > 0.8 and trained.hits_chance < 0.2
    assert trained.written[0].text == trained.truth == "1999-05-03"
    gap, where, text = align.takeaways(trained)
    assert gap.startswith("Of dates that no network was trained on, after 90 steps, attention gets")
    assert gap.endswith(" points more with attention.")
    assert "needs in" in where and "cell" not in where
    assert text == (
        "“3 May 1999” becomes 1999-05-03 with attention in 1 of 1 networks, through one vector in"
        f" {int(trained.written[1].text == trained.truth)} of 1."
    )
    asked = align.question(trained)
    assert isinstance(asked, Question) and asked.choices[asked.answer] == "fewer than 25"
    assert trained.parameters["with"] > trained.parameters["without"]
    assert trained.alignment is not None
    np.testing.assert_allclose(trained.alignment.sum(-1), 1, rtol=1e-5)
    assert trained.alignment[:4, 6:].sum() > 3  # the year is read at the end


# Sentences follow the numbers


def told(result: Align, **shares: list[float]) -> Align:
    """The result with other final shares; keywords are with_ and without."""
    measure, place = result.measure, -1 if result.length is None else result.x.index(4)
    runs = {who: values.copy() for who, values in getattr(result, measure).items()}
    for who, key in (("with", "with_"), ("without", "without")):
        runs[who][:, place] = shares[key]
    return dataclasses.replace(result, **{measure: runs})


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([0.9, 0.8], [0.1, 0.3], ": 50 to 80 points more with attention."),
        ([0.1, 0.3], [0.9, 0.8], ": 50 to 80 points less with attention."),
        ([0.9, 0.8], [0.88, 0.82], ": no gap of 5 points between them."),
        ([0.9, 0.8], [0.2, 0.1], ": 70 points more with attention."),
        (
            [0.9, 0.8],
            [0.3, 0.9],
            ": whether attention is 5 points ahead depends on the network: -10 to 60 points.",
        ),
        (
            [0.9, 0.8],
            [0.3, 0.8],
            ": whether attention is 5 points ahead depends on the network: 0 to 60 points.",
        ),
        ([0.0, 0.02], [0.0, 0.0], ": neither is better than guessing by 5 points."),
        ([0.9, math.nan], [0.1, 0.3], ": 80 points more with attention."),
    ],
)
def test_the_gap(dates: Align, digits: Align, a: list[float], b: list[float], verdict: str) -> None:
    if math.isnan(sum(a)):  # the second was not measured: the first pair alone is compared
        dates = dataclasses.replace(
            dates, exact={who: np.full((2, 4), np.nan) for who in align.WHO}
        )
        digits = dataclasses.replace(digits, steps={"with": [3, None], "without": [3, 0]})
    assert align.takeaways(told(dates, with_=a, without=b))[0].endswith(verdict)
    first, second = align.takeaways(told(digits, with_=a, without=b))[:2]
    if "guessing" not in verdict:
        assert first.endswith(verdict)
    assert first.startswith("At length 4, the longest trained on, after 3 steps, attention gets ")
    assert second.startswith("At length 6, longer than any trained on, attention gets ")


def test_only_networks_of_the_same_training_are_compared(dates: Align, digits: Align) -> None:
    exact = {
        "with": np.array([[0, 0.2, 0.6, 0.9]] * 2),
        "without": np.array([[0, 0.1, 0.2, 0.3]] * 2),
    }
    exact["with"][1, 1:] = exact["without"][0, 2:] = np.nan  # Ctrl-C left them at steps 0 and 1
    said = align._gap_said(dataclasses.replace(dates, exact=exact), -1)
    assert "after 0 to 1 steps, attention gets 10 % without a mistake, one vector 5.0 %: " in said
    uneven = dataclasses.replace(digits, steps={"with": [3, 2], "without": [2, None]})
    sentences = align.takeaways(uneven)
    assert sentences[0].startswith("There is no pair of networks") and len(sentences) == 2
    assert "2 to 3 steps" in drawn(uneven) and align.question(uneven).choices


def test_the_points_are_those_of_the_pairs_not_beside_the_medians(dates: Align) -> None:
    exact = {
        who: np.array(shares)[:, None] for who, shares in
        (("with", [0.9, 0.8, 0.2]), ("without", [0.1, 0.7, 0.1]))
    }  # fmt: skip
    three = dataclasses.replace(dates, seeds=3, x=[3], exact=exact)
    said = align._gap_said(three, -1)
    assert "attention gets 80 % without a mistake, one vector 10 %: " in said
    assert said.endswith(": 10 to 80 points more with attention.")


def aligned(result: Align, *shifts: dict[str, float]) -> str:
    names = sorted({*result.shifts, *(name for s in shifts for name in s)}, key=int)
    table = {name: np.array([s.get(name, 0.0) for s in shifts]) for name in names}
    return align._alignment_said(dataclasses.replace(result, shifts=table, hits=table["0"]))


def test_where_attention_lies(dates: Align, digits: Align) -> None:
    on = {"0": 0.9, "+1": 0.1}
    said = aligned(digits, on, on)
    assert "in 90 % of all cases (by chance: 25 %): that is the anti-diagonal of a test" in said
    copied = dataclasses.replace(digits, task="copy")
    assert aligned(copied, on).endswith(": that is the diagonal of a test sequence.")
    for result in (dates, dataclasses.replace(digits, task="sort")):
        assert aligned(result, on).endswith("%).")
    beside = aligned(digits, {"+1": 0.8, "0": 0.2}, {"+1": 0.6, "0": 0.4})
    assert "needs in 30 % of" in beside
    assert beside.endswith("; most often, in 70 %, it is 1 cell to the right of the nearest.")
    assert aligned(digits, {"-2": 0.8}).endswith("it is 2 cells to the left of the nearest.")
    far = aligned(digits, {"-3": 0.0, "+5": 0.75, "0": 0.25})
    assert far.endswith("; most often, in 75 %, it is 5 cells to the right of the nearest.")
    apart = aligned(digits, on, {"+2": 0.6}, {"-1": 0.5})
    assert apart.endswith(" depends on the network: -1 to 2 cells to the right of the nearest.")


@pytest.mark.parametrize("result", ["dates", "digits"])
def test_hits_and_shifts_are_of_the_same_outputs(
    request: pytest.FixtureRequest, result: str
) -> None:
    found: Align = request.getfixturevalue(result)
    np.testing.assert_array_equal(found.hits, found.shifts["0"])
    np.testing.assert_allclose(sum(found.shifts.values()), 1)


def test_what_became_of_the_text(dates: Align) -> None:
    odd = dataclasses.replace(dates, text="3rd May", truth=None)
    assert "“3rd May” is no date in a form that was trained on: with" in align.takeaways(odd)[2]
    old = dataclasses.replace(dates, truth="1850-05-03")
    assert align.takeaways(old)[2].endswith("never trained on: 1900 to 2099 were.")
    assert "Such a year" not in align.takeaways(dates)[2]
    wrote = [dataclasses.replace(w, text="1999-05-03") for w in dates.written]
    right = align.takeaways(dataclasses.replace(dates, written=wrote))[2]
    assert "in 2 of 2 networks, through one vector in 2 of 2." in right


def test_a_training_that_diverged_says_so_and_nothing_else(dates: Align) -> None:
    broken = dataclasses.replace(dates, losses={"with": [1.0, math.nan], "without": [1.0, 1.0]})
    assert align.takeaways(broken) == [
        "1 network diverged: its loss is no number. Try a smaller --lr."
    ]
    lost = align.run("12", task="copy", length=2, lr=1.0, **TINY | {"train_steps": 1})
    none = {who: [math.nan] * 2 for who in align.WHO}
    (sentence,) = align.takeaways(dataclasses.replace(lost, losses=none))
    assert sentence.startswith("4 networks diverged")
    assert "one vector" in drawn(dataclasses.replace(lost, losses=none), detail=True)


@pytest.mark.parametrize("share", [0.0, 0.24, 0.25, 0.6, 0.99, 1.0])
def test_the_question(dates: Align, digits: Align, share: float) -> None:
    for result in (dates, digits):
        asked = align.question(told(result, with_=[0.5, 0.5], without=[share, share]))
        assert asked.answer == min(3, int(share * 4)) and "one vector?" in asked.text
        assert "50 %" in asked.why


# The screen


def drawn(result: Align, width: int = 100, detail: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(align.show(result, detail), Takeaways(align.takeaways(result)))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_first_screen_fits(trained: Align, digits: Align) -> None:
    for result in (trained, digits):
        assert len(drawn(result).splitlines()) <= 38  # besides a verdict and the footer
    assert "m a y" in " ".join(drawn(trained).split())
    assert "1999-05-03" in drawn(trained) and "truth" in drawn(trained)


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_every_width(dates: Align, digits: Align, width: int) -> None:
    for result in (dates, digits):
        for detail in (False, True):
            assert max(map(len, drawn(result, width, detail).splitlines())) <= width


def test_the_detail_has_all_networks(digits: Align) -> None:
    text = drawn(digits, detail=True)
    for part in (
        "network 1",
        "network 2",
        "cells to the right",
        " +1 ",
        "loss (nats)",
        "a mistake",
    ):
        assert part in text, part


def test_ascii(seqlab: Run) -> None:
    small = ["--train-steps", "2", "--seeds", "1", "--hidden", "4", "--batch", "2"]
    assert seqlab("align", *small, "--ascii", "--detail").text.isascii()


# The command


def test_json_contract(seqlab: Run, digits: Align) -> None:
    words = "align 2718 --task reverse --length 4 --train-steps 3 --hidden 6 --batch 4 --seeds 2"
    first = seqlab(*words.split(), "--device", "cpu", "--json")
    document = first.json
    assert document["options"] == {
        "text": "2718", "task": "reverse", "attention": "dot", "one_way": False, "hidden": 6,
        "length": 4, "train_steps": 3, "seeds": 2, "batch": 4, "lr": 0.008, "quick": False,
        "device": "cpu", "seed": 0,
    }  # fmt: skip
    result = document["result"]
    assert result["x"] == [1, 2, 3, 4, 5, 6] and result["against"] == "length"
    assert result["truth"] == "8172" and np.shape(result["alignment"]) == (4, 4)
    names = [f"{m}, {w}" for m in align.MEASURES for w in ("with attention", "without attention")]
    names += ["exact, chance", "symbols, chance"]
    assert [s["name"] for s in result["series"]] == names
    for who in align.WHO:
        assert np.shape(result["symbols"][who]) == np.shape(result["exact"][who]) == (2, 6)
        assert result["accuracy"][who] == {
            str(x): pytest.approx(y) for x, y in zip(range(1, 7), np.median(digits.symbols[who], 0))
        }
    assert result["chance"]["exact"][1] == pytest.approx(0.01)
    assert result["steps"] == {"with": [3, 3], "without": [3, 3]}
    assert len(result["hits"]) == 2 and len(result["shifts"]) == 7
    assert seqlab(*words.split(), "--device", "cpu", "--json").text == first.text
    other = seqlab(*words.split(), "--device", "cpu", "--json", "--seed", "1").json
    assert other["result"]["losses"] != result["losses"]


def test_dates_stand_against_steps(dates: Align) -> None:
    assert dates.x == [0, 1, 2, 3] and dates.measure == "exact" and dates.length is None
    assert dates.form == "{day} {Month} {year}" and list(dates.accuracy["with"]) == list("0123")
    assert not np.isnan(dates.exact["without"]).any()
    assert json.dumps(dates.accuracy) == json.dumps(align.run(**TINY).accuracy)


@pytest.mark.parametrize("attention", ["dot", "additive"])
@pytest.mark.parametrize("task", ["dates", "sort"])
def test_the_check_holds(attention: Any, task: Any) -> None:
    one_way = task == "sort"
    checks = align.check(attention=attention, task=task, one_way=one_way, **TINY)
    assert len(checks) == 4
    for check in checks:
        assert check.passed and check.error < 1e-12, check


@pytest.mark.parametrize("harm", [1 + 1e-6, math.nan])
def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch, harm: float) -> None:
    right = seq2seq.write
    monkeypatch.setattr(seq2seq, "write", lambda *a: right(*a) * harm)
    assert [check.passed for check in align.check(**TINY)] == [False] * 4


def test_quick_and_what_overrides_it() -> None:
    o = align._chosen(quick=True)
    assert (o.train_steps, o.seeds) == (100, 1)
    o = align._chosen(quick=True, task="sort", train_steps=7, seeds=2)
    assert (o.train_steps, o.seeds, o.length, o.text) == (7, 2, 20, "314159265358")
    assert (align._chosen().train_steps, align._chosen().seeds) == (140, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": "3 Mai 1999!"}, "the text has '!': expected the symbols of the task: "),
        ({"text": "12a", "task": "copy"}, "the text has 'a': expected the symbols of the task: 01"),
        ({"text": ""}, "a text of 0 symbols: expected from 1 to 40"),
        ({"text": "1" * 41, "task": "sort"}, "a text of 41 symbols: expected from 1 to 40"),
        ({"text": "\x1b[31m"}, "the text has '\\x1b'"),
        ({"text": "[/b]"}, "the text has '['"),
        ({"length": 5}, "--length 5: expected a task that has lengths; try --task reverse"),
        ({"length": 1, "task": "copy"}, "--length 1"),
        ({"length": 31, "task": "copy"}, "--length 31"),
        ({"task": "add"}, "--task add: expected one of dates, reverse, copy, sort"),
        ({"attention": "hard"}, "--attention hard: expected one of dot, additive"),
        ({"hidden": 0}, "--hidden 0"),
        ({"train_steps": 0}, "--train-steps 0"),
        ({"train_steps": 2001}, "--train-steps 2001"),
        ({"seeds": 6}, "--seeds 6"),
        ({"batch": 129}, "--batch 129"),
        ({"lr": math.nan}, "--lr nan"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_bad_input(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as caught:
        align.run(**options)
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)


def test_bad_input_on_the_command_line(seqlab: Run) -> None:
    outcome = seqlab("align", "3 M\x1bai")
    assert outcome.status == 2 and outcome.errors.count("\n") == 1
    assert "\x1b" not in outcome.errors


def test_ctrl_c_shows_what_there_is(seqlab: Run, stop_at_view: Callable[[int], None]) -> None:
    words = "align --train-steps 40 --seeds 2 --hidden 6 --batch 2 --device cpu"
    stop_at_view(9)
    outcome = seqlab(*words.split(), "--check", "--detail")
    assert outcome.status == 130
    assert outcome.text.startswith("✗ Stopped before the end of training"), outcome.text[:200]
    assert "comparisons with torch" not in outcome.text
    for n in (1, 9):
        stop_at_view(n)
        result = seqlab(*words.split(), "--json").json["result"]
        assert result["stopped"] is True and result["train_steps"] == 40
        assert 1 <= len(result["written"]) <= 2
        assert [result["steps"][who][1] for who in align.WHO] == [None, None]
    stop_at_view(2)
    assert seqlab(*words.split(), "--task", "sort", "--length", "3").status == 130
