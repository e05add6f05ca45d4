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
    earlier = [name for name in names if COURSE.index(name) < COURSE.index("reach")]
    for seed in range(50):
        plan = quizzes.plan(np.random.default_rng(seed), 4 * len(earlier), "reach", names)
        assert plan[::2] == ["reach"] * 2 * len(earlier)
        for had in (plan[1::2][: len(earlier)], plan[1::2][len(earlier) :]):
            assert sorted(had) == sorted(earlier)  # none twice before all were had
    assert quizzes.plan(np.random.default_rng(0), 3, "unroll", names) == ["unroll"] * 3
    several = quizzes.plan(np.random.default_rng(0), 2 * len(names), None, names)
    assert sorted(several) == sorted(2 * names) and set(several[: len(names)]) == set(names)


def test_a_page_of_the_book_has_its_experiment() -> None:
    plan = quizzes.plan(np.random.default_rng(0), 1, "swin", list(quizzes.INSTANT))
    assert plan == ["windows"]


def test_json(seqlab) -> None:
    content = seqlab("quiz", "--number", "4", "--seed", "5", "--json").json
    assert list(content) == ["seed", "questions"]
    assert content["seed"] == 5 and len(content["questions"]) == 4
    for asked in content["questions"]:
        assert 0 <= asked["answer"] < len(asked["choices"])
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
    words = ["quiz", "--number", "3", "--seed", "1"]
    asked = seqlab(*words, "--json").json["questions"]
    right = ["abcdefghij"[each["answer"]] for each in asked]
    wrong = ["a" if letter != "a" else "b" for letter in right]
    with Terminal(*words, rows=70) as terminal:
        terminal.wait_for("question 1 of 3", "Enter alone")
        terminal.press(right[0] + "\n")
        terminal.wait_for("✓ Predicted: ", "question 2 of 3")
        terminal.press(wrong[1] + "\n")
        terminal.wait_for("✗ Not so.", "question 3 of 3")
        terminal.press(f"{right[2]}4 {wrong[2]}4\n")  # a tie is no prediction
        terminal.wait_for("✗ 4 of 8", "1 of 3 right", "seqlab quiz --number 3 --seed 1")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was


def test_who_leaves_a_quiz_gets_the_score_so_far() -> None:
    with Terminal("quiz", "--number", "3", "--seed", "1") as terminal:
        terminal.wait_for("question 1 of 3", "Enter alone")
        terminal.press("\n")
        terminal.wait_for("The answer: ", "question 2 of 3", "Enter alone")
        terminal.press("\x03")
        terminal.wait_for("0 of 1 right", "seqlab quiz --number 3 --seed 1")
        assert terminal.wait_for_end() == 130 and terminal.as_it_was


def test_a_run_that_takes_long_shows_how_far_it_is_and_not_what_it_finds() -> None:
    with Terminal("quiz", "--number", "1", "--trained", "--topic", "gates") as terminal:
        text = terminal.wait_for("step ", "━")
        assert "latch" not in text  # the view, in which the answer is
        terminal.press("\x03")
        assert terminal.wait_for_end() == 130 and terminal.as_it_was


def test_bad_input(seqlab) -> None:
    for words, told in (
        (["--topic", "vanihs"], "vanish"),
        (["--topic", "vanihs"], "mix, rnn"),  # the pages that there are questions about too
        (["--topic", "recall"], "try --trained"),
        (["--topic", "bias"], "no questions about bias: "),
        (["--topic", "modes", "--trained"], "try 'seqlab modes --predict'"),
        (["--topic", "ops"], "try 'seqlab explain ops'"),
        (["--number", "0"], "--number 0"),
        (["--number", "999"], "at most 50"),
        (["--seed", "-1"], "--seed -1"),
    ):
        outcome = seqlab("quiz", *words)
        assert outcome.status == 2 and outcome.errors.count("\n") == 1
        assert told in outcome.errors, outcome.errors
        assert " modes," not in outcome.errors and " ops," not in outcome.errors
