"""modes: the networks against loops, measurements by hand, sentences that follow the numbers."""

import collections
import dataclasses
import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from rich.console import Console, RenderableType

from seqlab import train, trees
from seqlab.book import seq2seq
from seqlab.lab import BadInput, Question, modes
from seqlab.lab.modes import MODES, Example, Modes, Network

TINY: dict[str, Any] = {
    "train_steps": 6, "seeds": 2, "hidden": 8, "batch": 4, "device": "cpu",
}  # fmt: skip
WORDS = ["modes", "--train-steps", "6", "--seeds", "2", "--hidden", "8", "--batch", "4"]


@pytest.fixture(scope="module")
def trained() -> Modes:
    """The default run, with one network of each wiring."""
    return modes.run(seeds=1, device="cpu")


@pytest.fixture(scope="module")
def tiny() -> Modes:
    return modes.run(**TINY)


def drawn(renderable: RenderableType, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


# The networks against loops


def redrawn(name: str, d: int = 5) -> Network:
    """A network all of whose parameters are random, biases too."""
    rng = np.random.default_rng(0)
    p = modes.init(rng, MODES[name], d)
    return trees.convert(lambda leaf: rng.normal(0, 0.7, leaf.shape), p)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(p: Network, name: str, film: np.ndarray, arrows: bool = True) -> np.ndarray:
    """The scores (words, v) of one film, cell by cell; without `arrows` none from cell to cell."""
    mode, d = MODES[name], p.b_x.shape[0]
    h = c = np.zeros(d)
    said = []
    for t in range(mode.cells):
        cell = p.cell
        x = np.zeros(d)
        if t < len(film):
            x = np.tanh(film[t].ravel() @ p.W_x + p.b_x)
        elif name == "seq2seq":
            assert p.speaker is not None
            cell, x = p.speaker, np.zeros(1)
        if not arrows:
            h = c = np.zeros(d)
        i, f, g, o = np.split(x @ cell.W_x + h @ cell.W_h + cell.b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        said.append(h @ p.W_y + p.b_y)
    first, last = {
        "one-to-many": (0, 6), "many-to-one": (4, 5), "aligned": (0, 10), "seq2seq": (7, 11),
    }[name]  # fmt: skip
    return np.array(said[first:last])


@pytest.mark.parametrize("name", MODES)
def test_a_wiring_is_its_equations(name: str) -> None:
    p, task = redrawn(name), MODES[name].task
    films = task.draw(np.random.default_rng(1), 3).frames
    tensors = train.trainable(p, dtype=torch.float64)
    ours = modes.scores(p, MODES[name], films, seq2seq.unroll)
    fast = modes.scores(tensors, MODES[name], torch.tensor(films), train.unroll)
    cut = modes.scores(p, MODES[name], films, modes.cut(seq2seq.unroll))
    for b in range(3):
        expected = by_hand(p, name, films[b])
        np.testing.assert_allclose(ours[b], expected, atol=1e-12)
        np.testing.assert_allclose(fast[b].detach(), expected, atol=1e-12)
        np.testing.assert_allclose(cut[b], by_hand(p, name, films[b], arrows=False), atol=1e-12)
    assert not np.allclose(ours, cut)
    fast_cut = modes.scores(tensors, MODES[name], torch.tensor(films), modes.cut(train.unroll))
    np.testing.assert_allclose(fast_cut.detach(), cut, atol=1e-12)


@pytest.mark.parametrize("name", MODES)
def test_the_page_and_torch_have_the_same_gradients(name: str) -> None:
    mode = MODES[name]
    films = mode.task.draw(np.random.default_rng(1), 4)
    found = []
    for function in (
        partial(modes.scores, unroll=seq2seq.unroll),
        partial(modes.scores, unroll=train.unroll),
        modes._in_torch,
    ):
        p = train.trainable(redrawn(name), dtype=torch.float64)
        loss = modes._loss(function(p, mode, torch.tensor(films.frames)), mode, films)
        loss.backward()
        found.append(
            dict((n, leaf.grad.numpy()) for n, leaf in trees.leaves(p)) | {"": loss.item()}
        )
    for other in found[1:]:
        for key, value in found[0].items():
            np.testing.assert_allclose(other[key], value, atol=1e-12, err_msg=key)
    assert found[0]["W_x"].any() and found[0]["cell.W_h"].any()


def test_the_loss_is_that_of_the_words_up_to_the_end() -> None:
    mode = MODES["seq2seq"]
    films = mode.task.draw(np.random.default_rng(0), 20)
    y = np.random.default_rng(1).normal(size=(20, 4, 5))
    terms = []
    for scores, answer in zip(y, films.answers, strict=True):
        for row, word in zip(scores, answer, strict=True):
            terms.append(math.log(np.exp(row).sum()) - row[word])
            if word == 0:
                break
    ours = modes._loss(torch.tensor(y), mode, films)
    assert float(ours) == pytest.approx(np.mean(terms), abs=1e-12)
    assert len(terms) < 80


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"mode": "seq2seq", "hidden": 4, "batch": 3}
    found = modes.check(**options)
    assert len(found) == 2 and all(c.passed and c.error < 1e-12 for c in found)
    step = modes.lstm.step

    def wrong(p: Any, prev: Any, x: Any) -> Any:
        state = step(p, prev, x)
        return state._replace(h=state.h * (1 + 1e-6))

    monkeypatch.setattr(modes.lstm, "step", wrong)
    assert not any(c.passed for c in modes.check(**options))


# Measurements by hand


def options(**changes: Any) -> modes._Options:
    known = {
        "mode": "all", "train_steps": 6, "seeds": 2, "hidden": 8, "batch": 4, "lr": 1e-2, "seed": 0,
    }  # fmt: skip
    return modes._Options(**known | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODES)
def test_an_answer_is_wrong_if_any_word_of_it_is(name: str) -> None:
    exam = modes._Exam(options(), name)
    task, truth = MODES[name].task, exam.films.answers
    assert len(truth) == modes._HELD_OUT and exam.wrong(truth).tolist() == []
    for j in range(task.length):
        changed = truth.copy()
        changed[:, j] = (changed[:, j] + 1) % len(task.words)
        counts = [task.words[0] != "end" or "end" not in task.spell(row[:j]) for row in truth]
        assert exam.wrong(changed).tolist() == np.flatnonzero(counts).tolist()
    often = collections.Counter(map(tuple, truth.tolist())).most_common(1)[0][1]
    assert exam.chance == often / modes._HELD_OUT


def test_the_example_is_the_richest_in_contrast_of_the_longest() -> None:
    exam = modes._Exam(options(), "seq2seq")
    assert (exam.films.answers[exam.shown, :3] > 0).all()
    longest = np.flatnonzero(exam.films.answers[:, 2] > 0)

    def contrast(film: np.ndarray) -> float:
        pairs = [
            (film[1:], film[:-1]),
            (film[:, 1:], film[:, :-1]),
            (film[..., 1:], film[..., :-1]),
        ]
        return float(sum(np.abs(a - b).sum() for a, b in pairs))

    most = max(contrast(exam.films.frames[i]) for i in longest)
    assert contrast(exam.films.frames[exam.shown]) == pytest.approx(most, abs=1e-9)
    example = exam.example(exam.shown, np.array([1, 0, 2, 0]))
    assert example.said == ["up", "end", "down", "end"] and example.truth[-1] == "end"
    np.testing.assert_allclose(example.frames, exam.films.frames[exam.shown], atol=5e-4)
    short = int(np.flatnonzero(exam.films.answers[:, 1] == 0)[0])
    assert len(exam.example(short, np.zeros(4, int)).said) == 2


def test_networks_of_a_wiring_have_their_own_draws_and_one_exam() -> None:
    o = options()
    streams = [o.rng(mode, s, k).random() for mode in MODES for s in range(3) for k in range(3)]
    streams += [options(seed=1).rng(mode, 0, 0).random() for mode in MODES]
    assert len(set(streams)) == len(streams)
    assert np.array_equal(
        modes._Exam(o, "aligned").films.frames,
        modes._Exam(options(hidden=9), "aligned").films.frames,
    )


def test_what_is_measured_is_what_the_network_says() -> None:
    """The last moment of a course, once more from a network trained beside it."""
    o = options(mode="many-to-one", train_steps=30, hidden=16, batch=16)
    job = modes._Job("many-to-one", 1)
    moments = list(modes._course(job, o, torch.device("cpu")))
    assert [m.step for m in moments] == list(range(31))
    mode, exam = MODES[job.mode], modes._Exam(o, job.mode)
    p = train.trainable(modes.init(o.rng(*job, 0), mode, o.hidden))
    losses = [loss for _step, loss in modes._fit(p, mode, o, o.rng(*job, 1))]
    learned = train.trained(p)
    said = modes.scores(learned, mode, exam.films.frames, seq2seq.unroll).argmax(-1)
    last = moments[-1]
    assert last.loss == losses[-1] and losses[-1] < losses[0]
    assert last.misses == sum(a != b for (a,), (b,) in zip(said, exam.films.answers))
    assert last.accuracy == 1 - last.misses / 500 > moments[0].accuracy
    assert [i for i, _answer in last.missed] == np.flatnonzero((said != exam.films.answers).any(1))[
        :3
    ].tolist()
    alone = modes.scores(learned, mode, exam.films.frames, modes.cut(seq2seq.unroll)).argmax(-1)
    assert last.cut == pytest.approx((alone == exam.films.answers).mean(), abs=1e-12)
    assert last.said.tolist() == said[exam.shown].tolist()
    seconds = [m.seconds for m in moments]
    assert seconds == sorted(seconds)


def test_processes_change_no_number(tiny: Modes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_cores", lambda: 1)
    alone = modes.run(**TINY)
    for name, learned in tiny.modes.items():
        ours, theirs = learned, alone.modes[name]
        assert ours.accuracies == theirs.accuracies and ours.losses == theirs.losses
        assert ours.example.said == theirs.example.said and ours.cuts == theirs.cuts
    assert len(set(tiny.modes["aligned"].losses)) == 2  # two networks


def test_one_wiring_is_the_same_in_any_company(tiny: Modes) -> None:
    alone = modes.run(mode="many-to-one", **TINY)
    assert list(alone.modes) == ["many-to-one"]
    assert alone.modes["many-to-one"].losses == tiny.modes["many-to-one"].losses


# The default run


def test_every_wiring_learns_its_task_by_default(trained: Modes) -> None:
    assert list(trained.modes) == list(MODES) == [s.name for s in trained.series]
    assert trained.train_steps == 400 and trained.tests == 500
    for (name, learned), curve in zip(trained.modes.items(), trained.series, strict=True):
        assert learned.accuracy >= 0.95, name
        assert learned.cut < 0.5 < learned.accuracy and learned.chance < 0.25
        assert learned.steps == [400] and learned.learned[0] is not None
        assert curve.x.tolist() == list(range(0, 401, 16)) and curve.chance == learned.chance
        assert curve.median[-1] == learned.accuracy and curve.median[0] < 0.4
        at = curve.x.tolist().index(learned.learned[0])
        assert curve.median[at] >= 0.95 and (curve.median[:at] < 0.95).all()
        assert learned.misses == [round(500 * (1 - learned.accuracy))]
        for example in learned.missed:
            assert example.said != example.truth and len(example.said) == len(example.truth)
        assert len(learned.missed) == min(3, learned.misses[0])
    both = trained.modes["seq2seq"].parameters
    assert both == 64 * 64 + 64 + (128 * 256 + 256) + (65 * 256 + 256) + 65 * 5


def test_what_is_said_of_it(trained: Modes) -> None:
    right, cut, missed = modes.takeaways(trained)
    assert right.startswith("Whole answers right, of 500 held out: one to many ")
    assert "Below 95 %" not in right and "depends" not in right and "median" not in right
    assert cut == (
        "Arrows between the cells cut after training, right are:"
        f" many to one {modes.percent(*trained.modes['many-to-one'].cuts)}, all others 0 %."
    )
    assert "there is no failure" in missed or "Wrong answers of the first network: " in missed
    asked = modes.question(trained)
    slowest = max(trained.modes, key=lambda name: trained.modes[name].learned[0] or 0)
    assert isinstance(asked, Question)
    assert asked.choices[asked.answer] == modes._(MODES[slowest].name)
    assert f"{modes._(MODES[slowest].name)} {trained.modes[slowest].learned[0]}" in asked.why


# Sentences follow the numbers


def changed(result: Modes, name: str, **changes: Any) -> Modes:
    learned = dataclasses.replace(result.modes[name], **changes)
    return dataclasses.replace(result, modes=result.modes | {name: learned})


def test_what_is_not_learned_is_called_so(trained: Modes) -> None:
    never = changed(trained, "seq2seq", accuracies=[0.6, 0.7], accuracy=0.65)
    right, cut, _missed = modes.takeaways(never)
    assert right.endswith("Below 95 % in every network: seq2seq.") and "seq2seq 65 %" in right
    assert cut.startswith("Arrows between the cells cut after training, right are: ")
    some = changed(trained, "aligned", accuracies=[0.6, 0.99], accuracy=0.795)
    right = modes.takeaways(dataclasses.replace(some, seeds=2))[0]
    assert right.endswith("It depends on the network whether it is 95 %: aligned.")
    assert "(median of 2 networks)" in right


def test_arrows_that_are_not_needed_are_called_so(trained: Modes) -> None:
    needless = changed(trained, "many-to-one", cuts=[0.8])
    said = modes.takeaways(needless)[1]
    assert said.endswith("half of what was right or more still is, in many to one 80 %.")
    two = changed(trained, "aligned", cuts=[0.6, 0.02], accuracies=[1.0, 1.0])
    (said,) = modes._cut_said(two)
    assert said.endswith("still is depends on the network: aligned 2.0 to 60 %.")
    always = changed(two, "aligned", cuts=[0.6, 0.5])
    (said,) = modes._cut_said(always)
    assert said.endswith("half of what was right or more still is, in aligned 50 to 60 %.")
    assert len(modes._cut_said(changed(two, "many-to-one", cuts=[0.8]))) == 2
    unlearned = changed(trained, "many-to-one", cuts=[0.4], accuracies=[0.5])
    assert "many to one" not in modes.takeaways(unlearned)[1]


def test_of_untrained_networks_nothing_is_said_about_arrows(tiny: Modes) -> None:
    right, cut, missed = modes.takeaways(tiny)
    assert right.endswith(" No network reaches 95 %.")
    most = max(x.chance for x in tiny.modes.values())
    assert cut == f"Always the same answer would be right in {modes.percent(most)} at most."
    assert "one to many 500" in missed
    assert modes.question(tiny).text.startswith("one to many: ")


def test_failures_are_told_or_said_to_be_none(trained: Modes) -> None:
    none = trained
    for name in MODES:
        none = changed(none, name, misses=[0], missed=[])
    assert modes.takeaways(none)[2].startswith("No answer of the first network is wrong, of 500")
    wrong = Example(np.zeros((7, 8, 8)), ["up", "end"], ["down", "end"])
    one = changed(none, "seq2seq", misses=[1], missed=[wrong])
    assert modes.takeaways(one)[2].endswith(
        "first network: seq2seq 1; one is “up end” for “down end”."
    )
    assert "seq2seq: wrong, of those held out" in drawn(modes.show(one, detail=True))
    assert "wrong, of" not in drawn(modes.show(none, detail=True))


def test_a_training_that_diverged_says_so_and_nothing_else(trained: Modes) -> None:
    broken = changed(trained, "aligned", losses=[math.nan])
    (sentence,) = modes.takeaways(broken)
    assert "diverged" in sentence and "(aligned)" in sentence and "--lr" in sentence
    assert "What can one recurrent cell" in drawn(modes.show(broken, detail=True))
    assert modes.question(broken).choices
    unbegun = changed(trained, "aligned", losses=[math.nan], steps=[0])
    assert len(modes.takeaways(unbegun)) == 3  # before the first step there is no loss


@pytest.mark.parametrize(
    ("name", "read"), [("one-to-many", 1), ("many-to-one", 5), ("aligned", 1), ("seq2seq", 7)]
)
def test_the_question_of_one_wiring(trained: Modes, name: str, read: int) -> None:
    one = dataclasses.replace(trained, mode=name, modes={name: trained.modes[name]})
    asked = modes.question(one)
    assert asked.choices[asked.answer] == str(read)
    assert len(set(asked.choices)) == len(asked.choices) >= 3


def test_the_slowest_wiring_is_so_in_every_network(trained: Modes) -> None:
    steps = {"one-to-many": [100, 90], "many-to-one": [60, 70], "aligned": [10, 300]}
    crossed = changed(trained, "seq2seq", learned=[140, 160])
    for name, learned in steps.items():
        crossed = changed(crossed, name, learned=learned)
    assert "How many pictures" in modes.question(crossed).text
    asked = modes.question(changed(crossed, "aligned", learned=[10, 130]))
    assert asked.choices[asked.answer] == "seq2seq"
    assert asked.why.endswith(
        "one to many 90–100, many to one 60–70, aligned 10–130, seq2seq 140–160."
    )


def test_no_wiring_is_slowest_where_two_are(trained: Modes) -> None:
    tied = changed(changed(trained, "seq2seq", learned=[300]), "aligned", learned=[300])
    assert "How many pictures" in modes.question(tied).text
    never = changed(trained, "aligned", learned=[None])
    assert "How many pictures" in modes.question(never).text


# The screen


def screen(result: Modes, width: int = 100) -> list[str]:
    from rich.console import Group

    from seqlab.figures.prose import Takeaways

    page = Group(modes.show(result), Takeaways(modes.takeaways(result)))
    return drawn(page, width).splitlines()


def test_the_first_screen_fits(trained: Modes, tiny: Modes) -> None:
    for result in (trained, tiny):
        lines = screen(result)
        assert len(lines) <= 38  # besides a verdict and the footer
        text = "\n".join(lines)
        for cell in ("h₁₀", "s₄"):
            assert cell in text
        assert text.count("h₁ ") == 4
    assert text.count("one to many: a picture → its caption") == 1


@pytest.mark.parametrize("name", MODES)
def test_one_wiring_has_more_room_and_its_screen_fits(trained: Modes, name: str) -> None:
    one = dataclasses.replace(trained, mode=name, modes={name: trained.modes[name]})
    missed = [dataclasses.replace(one.modes[name].example, frames=np.zeros_like(x.frames) + k / 9)
              for k, x in enumerate([one.modes[name].example] * 2)]  # fmt: skip
    for result in (one, changed(one, name, missed=missed, misses=[2])):
        assert len(screen(result)) <= 38
    large = "··" * MODES[name].task.side
    assert (large in "\n".join(screen(one))) == (name in ("one-to-many", "many-to-one"))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_every_width(tiny: Modes, trained: Modes, width: int) -> None:
    for detail in (False, True):
        for result in (tiny, trained):
            lines = drawn(modes.show(result, detail), width).splitlines()
            assert max(map(len, lines)) <= width


def test_the_detail_has_the_curves_and_all_measurements(tiny: Modes) -> None:
    text = drawn(modes.show(tiny, detail=True), 120)
    for words in ("% of whole answers right", "arrows", "chance", "CPU", "2 networks of each"):
        assert words in text
    assert f"{tiny.modes['seq2seq'].parameters:,}" in text


def test_it_is_drawn_as_it_is_said(trained: Modes) -> None:
    """Above the cells of the caption: its words, each with a tick or with what is true."""
    example = Example(trained.modes["one-to-many"].example.frames, ["a", "big"], ["a", "small"])
    lines = drawn(modes._wiring("one-to-many", example)).splitlines()
    assert lines[0].split() == ["true", "✓", "small"] and lines[1].split() == ["says", "a", "big"]
    assert "h₂" in lines[3] and "h₃" not in lines[3]


# The command


def test_json_contract(seqlab: Run) -> None:
    document = seqlab(*WORDS, "--device", "cpu", "--json").json
    assert document["options"] == {
        "mode": "all", "train_steps": 6, "seeds": 2, "hidden": 8, "batch": 4, "lr": 0.01,
        "quick": False, "device": "cpu", "seed": 0,
    }  # fmt: skip
    result = document["result"]
    assert list(result["modes"]) == list(MODES) and result["tests"] == 500
    for name, learned in result["modes"].items():
        assert {"accuracy", "accuracies", "cut", "chance", "seconds", "example"} <= set(learned)
        assert len(learned["accuracies"]) == len(learned["cuts"]) == 2
        assert learned["accuracy"] == pytest.approx(np.mean(learned["accuracies"]))
        task = MODES[name].task
        assert np.shape(learned["example"]["frames"]) == (task.frames, task.side, task.side)
    for curve in result["series"]:
        assert curve["x"] == [0, 1, 2, 3, 4, 5, 6] and len(curve["median"]) == 7
        assert all(low <= mid <= high for low, mid, high in
                   zip(curve["low"], curve["median"], curve["high"]))  # fmt: skip


def test_the_same_seed_gives_the_same_numbers_and_another_others(seqlab: Run) -> None:
    def numbers(*more: str) -> str:
        document = seqlab(*WORDS, "--mode", "aligned", *more, "--json").json
        assert document["result"]["modes"]["aligned"].pop("seconds") > 0
        return str(document["result"])

    assert numbers() == numbers()
    assert numbers("--seed", "1") != numbers()


def test_quick_is_smaller_and_explicit_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def note(o: modes._Options, *_rest: Any) -> None:
        asked.append((o.train_steps, o.seeds))

    monkeypatch.setattr(modes, "_train", note)
    modes.run()
    modes.run(quick=True)
    modes.run(quick=True, seeds=3)
    modes.run(quick=True, train_steps=7)
    assert asked == [(400, 2), (300, 1), (300, 3), (7, 1)]


def test_the_command_checks_itself(seqlab: Run) -> None:
    outcome = seqlab(*WORDS, "--check")
    assert outcome.status == 0 and "8 comparisons with torch hold" in outcome.text
    assert outcome.widest <= 100 and len(outcome.text.splitlines()) <= 40
    plain = seqlab(*WORDS, "--mode", "seq2seq", "--ascii", "--detail", width=60)
    assert plain.text.isascii() and plain.widest <= 60 and "sequence to sequence" in plain.text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mode": "two"}, "--mode two: expected one of all, one-to-many, many-to-one, al"),
        ({"train_steps": 0}, "--train-steps 0"), ({"train_steps": 2001}, "--train-steps 2001"),
        ({"train_steps": 2.5}, "--train-steps 2.5: expected a whole number"),
        ({"seeds": 0}, "--seeds 0"), ({"seeds": 11}, "--seeds 11"), ({"hidden": 1}, "--hidden 1"),
        ({"hidden": 129}, "--hidden 129"), ({"batch": 0}, "--batch 0"),
        ({"batch": 257}, "--batch 257"), ({"lr": math.nan}, "--lr nan"), ({"lr": -1.0}, "--lr -1"),
        ({"lr": 2.0}, "--lr 2.0: expected a number from 0 to 1"), ({"seed": -1}, "--seed -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_torch(options: dict[str, Any], sentence: str) -> None:
    def told(*_: object) -> None:
        raise AssertionError("it has begun")

    with pytest.raises(BadInput) as problem:
        modes.run(**options, watch=told)
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


def test_a_device_that_is_absent(monkeypatch: pytest.MonkeyPatch, seqlab: Run) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = seqlab("modes", "--device", "cuda")
    assert outcome.status == 2 and outcome.text == ""
    assert outcome.errors.startswith("error: --device cuda: expected a device that this machine")


def test_progress_is_told_with_a_view_of_what_is_known_by_then() -> None:
    told: list[tuple[float, str, Any]] = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        told.append((done, doing, view))

    modes.run(mode="many-to-one", **TINY | {"seeds": 1}, watch=watch)
    assert told[0][1:] == ("loading torch", None)
    assert [done for done, *_rest in told[1:]] == pytest.approx([i / 6 for i in range(7)])
    assert told[-1][1].startswith("many to one, network 1 of 1: step 6 of 6, ")
    for _done, doing, view in told[1:]:
        share = doing.rsplit(", ", 1)[1].removesuffix(" right")
        assert f"many to one: a film → what happens · {share}" in drawn(view())


def test_between_measurements_steps_are_told_so_that_ctrl_c_is_heard() -> None:
    told: list[tuple[float, str, Any]] = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        told.append((done, doing, view))

    modes.run(mode="many-to-one", **TINY | {"seeds": 1, "train_steps": 600}, watch=watch)
    done = [round(600 * share) for share, *_rest in told[1:]]
    assert done == sorted({*range(0, 601, 5), *range(0, 600, 24)})
    between = told[1 + done.index(590)]
    assert "step 590 of 600" in between[1] and between[2] is not None


# Stopped


def test_ctrl_c_shows_what_there_is(seqlab: Run, stop_at_view: Callable[[int], None]) -> None:
    stop_at_view(1)
    outcome = seqlab(*WORDS, "--check")
    assert outcome.status == 130
    assert outcome.text.startswith("✗ Stopped before the end of training"), outcome.text[:200]
    assert "comparisons with torch" not in outcome.text
    stop_at_view(5)
    result = seqlab(*WORDS, "--mode", "aligned", "--seeds", "1", "--json").json["result"]
    assert result["stopped"] is True and result["modes"]["aligned"]["steps"] == [4]
    assert result["series"][0]["x"] == [0, 1, 2, 3, 4]


def test_networks_that_came_less_far_have_shorter_curves() -> None:
    def moment(step: int, accuracy: float) -> modes._Moment:
        return modes._Moment(step, 1.0, accuracy, 0.0, np.array([0]), 0, [], 0.0)

    curve = modes._series("aligned", [[moment(0, 0.1), moment(2, 0.5)], [moment(0, 0.3)]], 0.1)
    assert curve.x.tolist() == [0, 2] and curve.median.tolist() == [0.2, 0.5]
    assert curve.high.tolist() == [0.3, 0.5]
