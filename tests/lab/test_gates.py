"""gates: networks against autograd, measurements by hand, sentences that follow the numbers."""

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
from seqlab.book import lstm
from seqlab.lab import BadInput, gates
from seqlab.lab.gates import Gates, Net, Network
from seqlab.tasks import states
from seqlab.tasks.states import TASKS

TINY: dict[str, Any] = {"train_steps": 3, "seeds": 2, "batch": 3, "device": "cpu"}
FEW = ["--train-steps", "3", "--seeds", "2", "--batch", "3", "--device", "cpu"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # as the command has it


@pytest.fixture(scope="module")
def trained() -> Gates:
    """The default run."""
    torch.set_num_threads(1)
    return gates.run(device="cpu")


@pytest.fixture(scope="module")
def counter() -> Gates:
    """A counter of brackets, one network."""
    torch.set_num_threads(1)
    return gates.run(task="depth", seeds=1, device="cpu")


@pytest.fixture(scope="module")
def tiny() -> Gates:
    return gates.run(**TINY)


def options(**changes: Any) -> gates._Options:
    settled = {"task": "latch", "text": None, "hidden": None, "forget_bias": 2.5, "lr": 0.04}
    rest = {"train_steps": 3, "seeds": 2, "batch": 3, "quick": False, "seed": 0}
    return gates._Options(**{**settled, **rest, **changes}).checked()


def redrawn(o: gates._Options, seed: int = 5) -> Net:
    """A network of which no parameter is as it is drawn."""
    rng = np.random.default_rng(seed)
    return trees.convert(lambda x: rng.normal(0, 0.7, x.shape), o.network(0))


# The network and its oracle


@pytest.mark.parametrize("task", TASKS)
def test_by_the_page_is_by_torch(task: Any) -> None:
    o = options(task=task, hidden=5)
    tokens = gates.read(task, o.text)
    truth = o.world.follow(tokens)
    p = redrawn(o)
    ours, theirs = gates._by_the_page(p, tokens, truth), gates._by_torch(p, tokens, truth)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert ours[2].shape == (len(tokens), 5, 5)
    np.testing.assert_array_equal(ours[2][-1], np.eye(5))


def test_the_check_holds() -> None:
    found = gates.check(**TINY, text="SET-a . RESET .", hidden=3)
    assert len(found) == 3
    for check in found:
        assert check.passed and check.error < 1e-12, check


def test_the_check_trains_one_network_a_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[int, int]] = []
    fit = gates._Learner.fit

    def noted(self: gates._Learner) -> Any:
        trained.append((self.o.seeds, self.o.train_steps))
        return fit(self)

    monkeypatch.setattr(gates._Learner, "fit", noted)
    for steps in (3, 5000):
        assert all(c.passed for c in gates.check(train_steps=steps, seeds=16, batch=2))
    assert trained == [(1, 3), (1, 50)]


@pytest.mark.parametrize("harm", [1 + 1e-6, math.nan])
def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch, harm: float) -> None:
    right = lstm.backward
    monkeypatch.setattr(
        lstm, "backward", lambda *a: (right(*a)[0], right(*a)[1], right(*a)[2] * harm)
    )
    assert [check.passed for check in gates.check(**TINY)] == [True, False, False]


def test_the_first_parameters() -> None:
    p = options(hidden=7).network(1)
    q = options(hidden=7, forget_bias=0.5).network(1)
    shift = np.zeros(28)
    shift[7:14] = 2.0
    np.testing.assert_allclose(p.cell.b - q.cell.b, shift, atol=1e-12)
    np.testing.assert_array_equal(p.W, q.W)
    assert p.cell.W_x.shape == (6, 28) and p.W.shape == (7, 3) and not p.b.any()


def test_networks_are_trained_on_their_own_draws() -> None:
    o = options()
    learner = gates._Learner(o, torch.device("cpu"))
    one, two = (rng.random(4) for rng in learner.batches)
    assert not np.array_equal(one, two)
    assert not np.array_equal(o.network(0).cell.W_x, o.network(1).cell.W_x)
    for i in range(2):  # what is measured on is in no batch
        batch = o.world.draw(np.random.default_rng([o.seed, 1, i]), gates._HELD_OUT, gates._LENGTH)
        assert not np.array_equal(gates._Examiner(o).tokens, batch)
    alone = gates.run(**{**TINY, "seeds": 1})
    both = gates.run(**TINY)
    np.testing.assert_allclose(alone.gates["forget"], both.gates["forget"], rtol=1e-5)
    assert alone.networks[0].accuracy == both.networks[0].accuracy


def test_gradients_are_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(train, "fit", lambda *_, **given: seen.update(given) or iter(()))
    list(gates._Learner(options(lr=0.5), torch.device("cpu")).fit())
    assert seen == {"steps": 3, "lr": 0.5, "clip": 1.0}


def test_the_loss_is_the_cross_entropy_of_every_state() -> None:
    o = options()
    learner = gates._Learner(o, torch.device("cpu"))
    found = learner.loss(0).detach().numpy()
    for i in range(2):
        tokens = o.world.draw(np.random.default_rng([o.seed, 1, i]), o.batch, gates._LENGTH)
        truth, p = o.world.follow(tokens), o.network(i)
        seen = gates._Examiner(o).read(p, tokens)
        logs = torch.log_softmax(torch.tensor(seen.scores), -1).numpy()
        right = [logs[b, t, truth[b, t]] for b in range(3) for t in range(gates._LENGTH)]
        assert found[i] == pytest.approx(-np.mean(right), rel=1e-5)


# Measurements


def test_what_is_kept_by_hand() -> None:
    f = np.array([[[0.5, 1.0], [0.1, 0.2], [0.9, 0.4]]])
    before = np.array([[[1.0, -2.0], [3.0, 5.0], [-3.0, 0.0]]])
    where = np.array([[True, False, True]])
    np.testing.assert_allclose(gates.kept(f, before, where), [(0.5 + 2.7) / 4, 1.0])
    assert np.isnan(gates.kept(f, 0 * before, where)).all()


def test_correlation_and_scale() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 9)), rng.normal(size=(4, 9))
    expected = np.corrcoef(x.ravel(), y.ravel())[0, 1]
    assert gates.correlation(x, y) == pytest.approx(expected, abs=1e-12)
    assert gates.correlation(x, -3 * x + 1) == pytest.approx(-1)
    assert gates.correlation(x, np.ones_like(x)) == 0
    a, b = np.polyfit(x.ravel(), y.ravel(), 1)
    np.testing.assert_allclose(gates.scaled(np.array([2.0, -1.0]), x, y), [2 * a + b, b - a])
    np.testing.assert_allclose(gates.scaled(np.array([7.0]), np.ones(3), np.arange(3.0)), [1.0])


def test_how_much_a_cell_tells() -> None:
    exam = gates._Examiner(options())
    rng = np.random.default_rng(0)
    exact = np.array([5.0, -1.0, 2.0])[exam.truth]  # a number of its own for each state
    assert exam.tells(exact) == pytest.approx(1)
    noisy = exact + rng.normal(0, 2, exact.shape)
    between = np.var(exam.means(noisy)[exam.truth])
    assert exam.tells(noisy) == pytest.approx(math.sqrt(between / np.var(noisy)), abs=1e-12)
    assert exam.tells(rng.normal(size=exact.shape)) < 0.1
    counts = gates._Examiner(options(task="depth"))
    assert counts.tells(-2.0 * counts.truth + 1) == pytest.approx(1)
    assert counts.tells((counts.truth - 2.0) ** 2) < 0.9  # it tells, but it does not count


def test_a_network_measured_by_hand() -> None:
    o = options(hidden=3)
    exam, p = gates._Examiner(o), redrawn(o, 7)
    p = p._replace(cell=p.cell._replace(W_h=4 * p.cell.W_h))  # much goes through h
    seen, text = exam.read(p, exam.tokens), exam.read(p, exam.text[None])
    found = exam.network(p, seen, text)
    right, stays, there = 0, np.zeros(3), np.zeros(3)
    for b in range(0, gates._HELD_OUT):
        xs = np.eye(6)[exam.tokens[b]][:, None]
        path = lstm.unroll(p.cell, xs, lstm.initial_state(p.cell, 1))
        for t, state in enumerate(path[1:]):
            np.testing.assert_allclose(seen.f[b, t], state.f[0], rtol=1e-12)
            np.testing.assert_allclose(seen.before[b, t], path[t].c[0], atol=1e-12)
            right += int((state.h[0] @ p.W + p.b).argmax()) == exam.truth[b, t]
            if exam.events[b, t] == "release":
                stays += state.f[0] * abs(path[t].c[0])
                there += abs(path[t].c[0])
    assert found.accuracy == pytest.approx(right / exam.tokens.size)
    np.testing.assert_allclose(found.kept["release"], stays / there, rtol=1e-9)
    assert found.unit == np.argmax(found.told)
    np.testing.assert_allclose(
        found.highway, [text.f[0, t + 1 :, found.unit].prod() for t in range(28)], rtol=1e-12
    )
    _scores, _grads, jacobians = gates._by_torch(p, exam.text, exam.text_truth)
    np.testing.assert_allclose(
        found.gradient, abs(jacobians[:, found.unit, found.unit]), rtol=1e-9, atol=1e-15
    )
    assert np.any(np.abs(jacobians[:, found.unit]).max(-1) > 2 * found.gradient)
    norms = [np.sqrt((j * j).sum() / 3) for j in jacobians]
    np.testing.assert_allclose(found.whole, norms, rtol=1e-9)
    assert found.highway[-1] == found.gradient[-1] == found.whole[-1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("task", "text", "since"),
    [
        ("latch", ". SET-a . SET-b . .", 4), ("latch", "SET-a . SET-a . .", 1),
        ("latch", "SET-a . RESET . .", 3), ("latch", "SET-a . RESET", 1), ("latch", ". .", 1),
        ("quotes", 'a"b"cd"ef', 7), ("depth", "a(b(cd", 1), ("latch", "RESET", 1),
    ],
)  # fmt: skip
def test_where_the_state_comes_from(task: Any, text: str, since: int) -> None:
    assert gates._Examiner(options(task=task, text=text)).since == since


# The default run


def test_the_textbook_holds_by_default(trained: Gates) -> None:
    assert [n.accuracy >= 0.95 for n in trained.networks] == [True] * 3
    assert 0.5 < trained.chance < 0.65
    for n in trained.networks:
        assert n.kept["hold"][n.unit] >= 0.8 and n.kept["release"][n.unit] <= 0.4
    assert trained.predictions == trained.truth
    assert trained.tokens[trained.since - 1] == "SET-b"
    forget = trained.gates["forget"][trained.networks[0].unit]
    at = {word: trained.tokens.index(word) for word in ("SET-a", "RESET", "SET-b")}
    assert max(forget[i] for i in at.values()) < 0.2
    assert forget[trained.since :].min() > 0.8  # held to the end
    for shape in (*trained.gates.values(), trained.cell):
        assert shape.shape == (2, 28)


def test_a_cell_counts(counter: Gates) -> None:
    (n,) = counter.networks
    assert n.accuracy > 0.95 and n.told[n.unit] > 0.95 and n.told[n.unit] == n.told.max()
    curves = {s.name: s.median for s in counter.series}
    np.testing.assert_array_equal(curves["state"], [float(depth) for depth in counter.truth])
    assert np.mean(abs(curves["cell"] - curves["state"])) < 0.5
    said = gates.takeaways(counter)[1]
    assert said.startswith("A single cell counts: the best unit's correlation with the depth is ")
    assert "Its forget gate stays open: it keeps 9" in said


def test_what_is_said_of_it(trained: Gates) -> None:
    memory, gate, road = gates.takeaways(trained)
    assert memory.startswith("It remembers: ") and "(3 networks)" in memory
    assert gates.percent(trained.chance) in memory
    assert gate.startswith("The forget gate holds and lets go: the unit that tells")
    assert (
        "back to step 13 (SET-b) their product is" in road
        and "A step further back they are" in road
    )


@pytest.mark.parametrize(
    ("hold", "release", "keeps", "answer"),
    [
        (0.9, (0.1, 0.1, 0.1), "least", 2),
        (0.9, (0.3, 0.3, 0.3), "least", 1),
        (0.9, (0.1, 0.3, 0.1), "most", 0),
        (0.9, (0.17, 0.17, 0.17), "most", 0),  # hardly less than when a value is set
        (0.25, (0.1, 0.3, 0.1), "most", 3),  # it depends
        (0.22, (0.18, 0.18, 0.18), "most", 3),  # hardly any difference
    ],
)
def test_the_question_has_an_answer_that_every_network_gives(
    trained: Gates, hold: float, release: tuple[float, ...], keeps: str, answer: int
) -> None:
    changes = ({"kept_hold": hold, "kept_write": 0.2, "kept_release": r} for r in release)
    asked = gates.question(changed(trained, *changes))
    assert asked.text.endswith(f"keep {keeps}?") and asked.answer == answer
    assert list(asked.choices)[1:] == [
        "when a value is set",
        "at RESET",
        "it depends on the network, or hardly differs",
    ]
    assert "20 % when a value is set" in asked.why and asked.why.endswith(" (3 networks).")


# Sentences follow the numbers


def changed(result: Gates, *each: dict[str, Any]) -> Gates:
    """The result with fields of its networks replaced; `kept_hold=.9` is that of the best unit."""
    networks = []
    for n, changes in zip(result.networks, each, strict=True):
        kept = {event: values.copy() for event, values in n.kept.items()}
        for name in [name for name in changes if name.startswith("kept_")]:
            kept[name.removeprefix("kept_")][n.unit] = changes[name]
        own = {k: v for k, v in changes.items() if not k.startswith("kept_")}
        networks.append(dataclasses.replace(n, kept=kept, **own))
    return dataclasses.replace(result, networks=networks)


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ((0.99, 0.96, 1.0), "It remembers: 96 to 100 %"),
        ((0.99, 0.7, 1.0), "How much it remembers depends on the network: 70 to 100 %"),
        ((0.7, 0.7, 0.7), "It remembers in part: 70 %"),
        ((0.2, 0.7, 0.7), "How much it remembers depends on the network: 20 to 70 %"),
        ((0.3, 0.4, 0.2), "It has not learned to remember: 20 to 40 %"),
        ((0.2, 0.57, 0.575), "It has not learned to remember: 20 to 57 %"),  # chance is 56.7 %
    ],
)
def test_memory(trained: Gates, right: tuple[float, ...], said: str) -> None:
    result = changed(trained, *({"accuracy": x} for x in right))
    assert gates.takeaways(result)[0].startswith(said)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (((0.9, 0.5, 0.1),) * 3, "The forget gate holds and lets go: the unit that tells the state"
         " best keeps of its cell 90 % at noise while a value is held, 50 % when a value is set,"
         " 10 % at RESET. Units that hold"),
        (((0.9, 0.9, 0.1), (0.9, 0.9, 0.5), (0.9, 0.9, 0.1)), "Whether the forget gate holds and"
         " lets go depends on the network (2 of 3 networks): the unit"),
        (((0.9, 0.9, 0.9),) * 3, "The forget gate stays open: "),
        (((0.9, 0.03, 0.9),) * 3, "The forget gate does not both hold and let go: "),
        (((0.9, math.nan, 0.9),) * 3, "The forget gate does not both hold and let go: "),
        (((0.7, 0.1, 0.1), (0.9, 0.1, 0.6), (0.1, 0.1, 0.1)), "The forget gate does not both hold"
         " and let go: the unit that tells the state best keeps of its cell 10 to 90 % at"),
    ],
)  # fmt: skip
def test_holding_and_letting_go(trained: Gates, kept: Any, said: str) -> None:
    result = changed(
        trained, *({f"kept_{e}": x for e, x in zip(gates.EVENTS, shares)} for shares in kept)
    )
    assert gates.takeaways(result)[1].startswith(said)


def test_units_are_counted(trained: Gates) -> None:
    best = {"hold": np.array([0.9, 0.7]), "release": np.array([0.3, 0.3])}
    kept = trained.networks[0].kept | best
    networks = [dataclasses.replace(n, kept=kept) for n in trained.networks]
    result = dataclasses.replace(trained, networks=networks)
    assert gates.takeaways(result)[1].endswith(
        "Units that hold (at least 80 %) and let go (at most 40 %): 3 of 6."
    )


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ((1.0, 1.09, 0.92), "The forget gates alone account for the gradient: "),
        ((1.49, 1.2, 1.2), "More gradient comes back than the forget gates let through: "),
        ((2.0, 1.6, 9.0), "More gradient comes back than the forget gates let through: "),
        ((0.1, 0.5, 0.0), "Less gradient comes back than the forget gates let through: "),
        (
            (2.0, 1.0, 1.4),
            "How much the forget gates account for depends on the network (more comes"
            " back in 2, less in 0 of 3 networks): from the end",
        ),
        (
            (2.0, 1.0, 0.1),
            "How much the forget gates account for depends on the network (more comes"
            " back in 1, less in 1 of 3 networks): from the end",
        ),
    ],
)
def test_the_road(trained: Gates, factors: tuple[float, ...], said: str) -> None:
    pairs = zip(trained.networks, factors, strict=True)
    result = changed(trained, *({"gradient": n.highway * x} for n, x in pairs))
    assert gates.takeaways(result)[2].startswith(said)


def test_the_road_of_a_single_step(trained: Gates) -> None:
    assert len(gates.takeaways(gates.run("RESET", **TINY))) == 2
    first = gates.takeaways(dataclasses.replace(trained, since=1))[2]
    assert "back to step 1 (.)" in first and "further" not in first


def test_counting(counter: Gates) -> None:
    told = counter.networks[0].told * 0.5
    none = gates.takeaways(changed(counter, {"told": told}))[1]
    assert none.startswith("No single cell counts: the best unit's correlation with the depth is 0")
    shut = gates.takeaways(changed(counter, {"kept_release": 0.3}))[1]
    assert "Its forget gate: it keeps" in shut and "30 % at a closing bracket." in shut
    mixed = dataclasses.replace(
        counter, networks=[counter.networks[0], dataclasses.replace(counter.networks[0], told=told)]
    )
    said = gates.takeaways(mixed)[1]
    assert said.startswith("Whether a single cell counts depends on the network (1 of 2 networks)")


def test_forget_gates_shut_from_the_start_hold_nothing() -> None:
    said = gates.takeaways(gates.run(forget_bias=-4.0, **TINY))[1]
    assert said.startswith("The forget gate does not both hold and let go")


def test_a_training_that_diverged_says_so_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tiny: Gates
) -> None:
    right = gates._Learner._loss
    broken = {1}
    monkeypatch.setattr(
        gates._Learner, "_loss", lambda self, i: right(self, i) * (math.nan if i in broken else 1)
    )
    result = gates.run(**TINY)
    assert math.isnan(result.networks[1].accuracy) and math.isfinite(result.networks[0].accuracy)
    (sentence,) = gates.takeaways(result)
    assert sentence.startswith("Training diverged in 1 of 2 networks") and "--lr" in sentence
    broken.add(0)
    result = gates.run(**TINY)
    assert "diverged in 2 of 2" in gates.takeaways(result)[0]
    assert "When does an LSTM" in drawn(result, detail=True)
    assert 0 <= gates.question(result).answer <= 3


# The screen


def drawn(result: Gates, width: int = 100, detail: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(gates.show(result, detail))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("name", ["trained", "counter"])
def test_the_first_screen_fits(name: str, request: pytest.FixtureRequest) -> None:
    from seqlab.figures.prose import Takeaways

    result = request.getfixturevalue(name)
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(gates.show(result), Takeaways(gates.takeaways(result)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) <= 39  # and a footer
    text = "\n".join(lines)
    unit = result.networks[0].unit + 1
    assert f"forget {unit}" in text and f"tanh c {unit}" in text
    assert f"∏ f of unit {unit}" in text and "what it answers" in text


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_every_width(tiny: Gates, counter: Gates, width: int) -> None:
    for result in (tiny, counter):
        for detail in (False, True):
            assert max(map(len, drawn(result, width, detail).splitlines())) <= width


def test_only_the_best_units_are_on_the_first_screen(counter: Gates) -> None:
    first, all_of_it = drawn(counter), drawn(counter, detail=True)
    best = np.argsort(-counter.networks[0].told)[:3] + 1
    assert [n for n in range(1, 9) if f"forget {n}" in first] == sorted(best.tolist())
    assert all(f"forget {n}" in all_of_it for n in range(1, 9))
    assert "network 1 unit 8" in all_of_it and "whole Jacobian" in all_of_it


def test_a_wrong_answer_is_marked(trained: Gates) -> None:
    predictions = list(trained.predictions)
    predictions[3] = "b"
    assert "b!" not in drawn(trained)
    assert "b!" in drawn(dataclasses.replace(trained, predictions=predictions))


# The command


def test_json_contract(seqlab: Run) -> None:
    first = seqlab("gates", "SET-a . . RESET .", *FEW, "--json")
    document = first.json
    assert document["options"] == {
        "text": "SET-a . . RESET .", "task": "latch", "hidden": 2, "forget_bias": 2.5,
        "train_steps": 3, "seeds": 2, "batch": 3, "lr": 0.04, "device": "cpu", "quick": False,
        "seed": 0,
    }  # fmt: skip
    result = document["result"]
    assert list(result["gates"]) == ["forget", "input", "output"]
    for values in (*result["gates"].values(), result["cell"]):
        assert np.shape(values) == (2, 5)
    assert result["tokens"] == ["SET-a", ".", ".", "RESET", "."]
    assert result["truth"] == ["a", "a", "a", "-", "-"] and len(result["predictions"]) == 5
    curves = {s["name"]: s for s in result["series"]}
    assert list(curves) == ["accuracy", "highway", "gradient", "whole", "cell", "state"]
    assert curves["accuracy"]["x"] == [1, 2, 3] and curves["highway"]["x"] == [1, 2, 3, 4, 5]
    assert curves["accuracy"]["chance"] == result["chance"]
    assert curves["gradient"]["median"] == result["networks"][0]["gradient"]
    assert len(result["networks"]) == 2 and np.shape(result["networks"][0]["kept"]["hold"]) == (2,)
    assert result["steps"] == 3 and result["stopped"] is False
    assert seqlab("gates", "SET-a . . RESET .", *FEW, "--json").text == first.text
    other = seqlab("gates", "SET-a . . RESET .", *FEW, "--json", "--seed", "1").json
    assert other["result"]["gates"] != result["gates"]


def test_what_is_read_from_standard_input(seqlab: Run) -> None:
    text = b'he said "go" and\n'
    found = seqlab("gates", "-", "--task", "quotes", *FEW, "--json", stdin=text).json["result"]
    assert found["text"] == 'he said "go" and' and found["hidden"] == 3
    assert "".join(found["truth"]) == "--------qqq-----"[:16]
    spaced = gates.run("  SET-a\t.\n RESET ", **TINY)
    assert spaced.text == "SET-a . RESET"


def test_quick_is_smaller_and_options_win_over_it(seqlab: Run) -> None:
    o = options(quick=True, train_steps=None, seeds=None)
    assert (o.train_steps, o.seeds) == (200, 1)
    assert (options(train_steps=None, seeds=None).train_steps, options().seeds) == (300, 2)
    found = seqlab("gates", "--quick", "--train-steps", "2", "--json").json
    assert found["options"]["train_steps"] == 2 and found["options"]["seeds"] == 1
    assert found["command"] == "seqlab gates --train-steps 2 --quick"


def test_the_command_checks_itself(seqlab: Run) -> None:
    outcome = seqlab("gates", *FEW, "--check")
    assert outcome.status == 0 and "3 comparisons with torch hold" in outcome.text
    plain = seqlab("gates", *FEW, "--task", "quotes", "--ascii", "--detail", width=60)
    assert plain.text.isascii() and plain.widest <= 60


LATCH = "expected SET-a, SET-b, RESET and the noise . , : with spaces between; try "


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"text": ""}, f"the text is empty: {LATCH}"), ({"text": "  \n"}, "the text is empty"),
        ({"text": "SET-c ."}, f"'SET-c' (--task latch): {LATCH}'SET-a . , RESET .'"),
        ({"text": "f(a)"}, f"'f(a)' (--task latch): {LATCH}--task depth"),
        ({"text": "SET-a", "task": "quotes"},
         "'S' (--task quotes): expected letters a to z, spaces and \"; try --task latch"),
        ({"text": "a [red]x", "task": "quotes"}, "'[' (--task quotes)"),
        ({"text": "\x1b[31m", "task": "quotes"}, r"'\x1b' (--task quotes)"),
        ({"text": "a)", "task": "depth"}, "the ) at place 2: expected an opening bracket before"),
        ({"text": "((((((", "task": "depth"}, "6 brackets open at a time: expected at most 5"),
        ({"text": "Ab", "task": "depth"}, "'A' (--task depth): expected letters a to z and ( );"),
        ({"text": "a" * 201, "task": "quotes"}, "201 symbols: expected at most 200"),
        ({"task": "copy"}, "--task copy: expected one of latch, quotes, depth"),
        ({"hidden": 0}, "--hidden 0"), ({"hidden": 65}, "--hidden 65"),
        ({"train_steps": 0}, "--train-steps 0"), ({"train_steps": 5001}, "--train-steps 5001"),
        ({"seeds": 17}, "--seeds 17"), ({"seeds": 0}, "--seeds 0"), ({"batch": 0}, "--batch 0"),
        ({"batch": 257}, "--batch 257"), ({"lr": math.nan}, "--lr nan"), ({"lr": 2.0}, "--lr 2.0"),
        ({"forget_bias": math.inf}, "--forget-bias inf"), ({"seed": -1}, "--seed -1"),
        ({"hidden": 2.5}, "--hidden 2.5: expected a whole number"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_torch(wrong: dict[str, Any], sentence: str) -> None:
    def told(*_: object) -> None:
        raise AssertionError("it has begun")

    with pytest.raises(BadInput) as problem:
        gates.run(**wrong, watch=told)
    assert str(problem.value).startswith(sentence) and "\n" not in str(problem.value)


def test_a_hostile_text_is_one_line(seqlab: Run) -> None:
    for text in ("\x1b[31mred", "[/b]", "你好", "\ud800", "x" * 5000):
        outcome = seqlab("gates", "--task", "quotes", "--", text)
        assert outcome.status == 2 and outcome.text == ""
        assert outcome.errors.startswith("error: ") and outcome.errors.count("\n") == 1


def test_examples_are_of_their_tasks_and_uncut() -> None:
    for name in TASKS:
        for text in (gates.EXAMPLES[name], gates._TRY[name]):
            assert options(task=name, text=text).text == text
        truth = TASKS[name].follow(gates.read(name, gates.EXAMPLES[name]))
        assert len(set(truth.tolist())) == len(TASKS[name].states)  # every state is shown
    deepest = TASKS["depth"].follow(gates.read("depth", gates.EXAMPLES["depth"])).max()
    assert deepest == states.DEEPEST


def test_progress_is_told_with_a_view_of_what_is_known_by_then() -> None:
    told: list[tuple[float, str, Any]] = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        told.append((done, doing, view))

    gates.run(**TINY | {"train_steps": 30}, watch=watch)
    assert told[0][:2] == (0.0, "loading torch") and told[-1][0] == 1
    assert told[1][2] is None and told[2][2] is not None  # the first measurement: after two steps
    assert told[-1][1] == "step 30 of 30" and len(told) == 31
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(told[5][2]())
    assert "4 steps of training" in console.file.getvalue()  # type: ignore[attr-defined]


def test_ctrl_c_shows_what_there_is(seqlab: Run, stop_at_view: Callable[[int], None]) -> None:
    stop_at_view(6)
    words = ["gates", "--batch", "2", "--train-steps", "48", "--seeds", "1", "--check"]
    outcome = seqlab(*words)
    assert outcome.status == 130 and "comparisons with torch" not in outcome.text
    assert outcome.text.startswith("✗ Stopped before the end of training")
    assert "9 steps of training" in outcome.text
    stop_at_view(6)
    result = seqlab(*words[:-1], "--json").json["result"]
    assert result["stopped"] is True and result["train_steps"] == 48 and result["steps"] == 9
    assert result["series"][0]["x"] == [4, 8, 9]
    whole = gates.run(train_steps=9, batch=2, seeds=1)  # the same as if it had been asked for
    np.testing.assert_allclose(result["cell"], whole.cell, rtol=1e-12)


def test_the_first_network_is_the_one_that_was_trained(tiny: Gates) -> None:
    """Its gates are those of the page with the trained parameters: stacking mixes up no network."""
    o = options()
    learner = gates._Learner(o, torch.device("cpu"))
    for _step in learner.fit():
        pass
    p = trees.pick(train.trained(learner.p), 0)
    xs = np.eye(6)[gates.read("latch", tiny.text)][:, None]
    path = lstm.unroll(p.cell, xs, lstm.initial_state(p.cell, 1))[1:]
    for gate in ("forget", "input", "output"):
        ours = np.stack([getattr(state, gate[0])[0] for state in path], axis=1)
        np.testing.assert_allclose(tiny.gates[gate], ours, rtol=1e-5)
    np.testing.assert_allclose(tiny.cell, np.stack([s.c[0] for s in path], 1), rtol=1e-4)
    assert isinstance(tiny.networks[0], Network)
