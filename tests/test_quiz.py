"""quiz: questions whose answers are computed, spaced over what came before."""

import numpy as np
import pytest
from terminal import Terminal

from seqlab import calls, catalogue, quizzes

COURSE = [e.name for e in catalogue.EXPERIMENTS]


def test_instant_and_trained_are_experiments() -> None:
    assert set(quizzes.INSTANT) | set(quizzes.TRAINED) <= set(COURSE)
    assert not set(quizzes.INSTANT) & set(quizzes.TRAINED)


@pytest.mark.parametrize("name", quizzes.INSTANT)
def test_any_drawn_options_are_understood(name: str) -> None:
    rng = np.random.default_rng(0)
    commands = {calls.parse([name, *quizzes.INSTANT[name](rng)]).command for _draw in range(40)}
    assert len(commands) >= 6  # not the same question again and again


@pytest.mark.parametrize("name", ["unroll", "vanish", "cost", "patchify", "reach", "position"])
def test_the_right_answer_depends_on_the_options(name: str) -> None:
    rng = np.random.default_rng(1)
    answers = set()
    for _draw in range(8):
        call = calls.parse([name, *quizzes.INSTANT[name](rng)])
        question = call.question(call.result(lambda *_told: None))
        answers.add(question.choices[question.answer])
    assert len(answers) > 1


def test_a_quiz_is_spaced_over_earlier_topics() -> None:
    names = list(quizzes.INSTANT)
    plan = quizzes.plan(np.random.default_rng(0), 9, "reach", names)
    assert plan[::2] == ["reach"] * 5
    assert len(set(plan[1::2])) == 4  # others, and none twice before all were had
    assert all(COURSE.index(name) < COURSE.index("reach") for name in plan[1::2])
    assert quizzes.plan(np.random.default_rng(0), 3, "unroll", names) == ["unroll"] * 3
    several = quizzes.plan(np.random.default_rng(0), 2 * len(names), None, names)
    assert sorted(several) == sorted(2 * names) and set(several[: len(names)]) == set(names)


def test_a_page_of_the_book_has_its_experiment() -> None:
    plan = quizzes.plan(np.random.default_rng(0), 1, "swin", list(quizzes.INSTANT))
    assert plan == ["windows"]


def test_json(seqlab) -> None:
    content = seqlab("quiz", "--number", "4", "--seed", "5", "--json").json
    assert content["seed"] == 5 and content["score"] is None and len(content["questions"]) == 4
    for asked in content["questions"]:
        assert 0 <= asked["answer"] < len(asked["choices"]) and asked["given"] is None
        assert asked["why"] and asked["command"].startswith(f"seqlab {asked['experiment']} ")
    again = seqlab("quiz", "--number", "4", "--seed", "5", "--json").json
    assert again == content
    other = seqlab("quiz", "--number", "4", "--json").json
    assert other["questions"] != content["questions"]


def test_the_command_of_a_question_gives_its_answer(seqlab) -> None:
    import shlex

    for asked in seqlab("quiz", "--number", "3", "--seed", "2", "--json").json["questions"]:
        call = calls.parse(shlex.split(asked["command"])[1:])
        question = call.question(call.result(lambda *_told: None))
        assert question.choices[question.answer] == asked["choices"][asked["answer"]]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 100])
def test_without_a_terminal_it_is_a_hand_out(seqlab, language: str, width: int) -> None:
    outcome = seqlab("quiz", "--number", "9", "--seed", "1", "--lang", language, width=width)
    assert outcome.status == 0 and outcome.widest <= width
    assert "a12" not in outcome.text  # nobody answers here


def test_the_score_at_the_end(seqlab) -> None:
    words = ["quiz", "--number", "2", "--seed", "1"]
    asked = seqlab(*words, "--json").json["questions"]
    right = ["abcdefghij"[each["answer"]] for each in asked]
    with Terminal(*words) as terminal:
        terminal.wait_for("question 1 of 2", "Enter alone")
        terminal.press(right[0] + "\n")
        terminal.wait_for("Predicted: ", "question 2 of 2")
        terminal.press("a\n" if right[1] != "a" else "b\n")
        terminal.wait_for("Not so.", "1 of 2 right", "seqlab quiz --number 2 --seed 1")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was


def test_a_run_that_takes_long_shows_how_far_it_is_and_not_what_it_finds() -> None:
    with Terminal("quiz", "--number", "1", "--trained", "--topic", "gates") as terminal:
        text = terminal.wait_for("step ", "━")
        assert "latch" not in text  # the view, in which the answer is
        terminal.press("\x03")
        assert terminal.wait_for_end() == 130 and terminal.as_it_was


def test_bad_input(seqlab) -> None:
    for words, told in (
        (["--topic", "vanihs"], "vanish"),
        (["--topic", "recall"], "try --trained"),
        (["--number", "0"], "--number 0"),
        (["--number", "999"], "at most 50"),
        (["--seed", "-1"], "--seed -1"),
    ):
        outcome = seqlab("quiz", *words)
        assert outcome.status == 2 and outcome.errors.count("\n") == 1
        assert told in outcome.errors, outcome.errors
