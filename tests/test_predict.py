"""Predict, then reveal: votes are read from what people type, and compared with what came out."""

import io
import os
import string

import pytest
from conftest import line
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from terminal import Terminal

from seqlab import calls, catalogue, predict
from seqlab.lab import BadInput, Question

QUESTION = Question("How much?", ["nothing", "half", "all"], 1, "Half of it was left.")


@pytest.mark.parametrize(
    ("typed", "votes"),
    [
        ("b", [0, 1, 0]),
        (" B ", [0, 1, 0]),
        ("a12 b30 c5", [12, 30, 5]),
        ("c5,a12;b30", [12, 30, 5]),
        ("a 12, b 30", [12, 30, 0]),
        ("a=12 b:30", [12, 30, 0]),
        ("a2 a3 c1", [5, 0, 1]),
        ("a3b4", [3, 4, 0]),
        ("b a b", [1, 2, 0]),
        ("ａ１２ ｂ３", [12, 3, 0]),
        ("a12、b30，c5。", [12, 30, 5]),
        ("", None),
        ("   ", None),
    ],
)
def test_votes(typed: str, votes: list[int] | None) -> None:
    assert predict.votes(typed, QUESTION) == votes


@pytest.mark.parametrize(
    "typed",
    ["d", "a1 d2", "hello", "12", "a-3", "a0", "a99999", "a123456", "b!", "ab\x1b[31m", "½"]
    + ["ab", "cab", "bb", "a3bc", "。"],
)
def test_what_is_no_vote(typed: str) -> None:
    with pytest.raises(BadInput, match="a letter from a to c"):
        predict.votes(typed, QUESTION)


@given(st.text(max_size=60))
def test_any_text_is_votes_or_refused(typed: str) -> None:
    try:
        votes = predict.votes(typed, QUESTION)
    except BadInput as problem:
        assert "\x1b" not in str(problem)
        return
    assert votes is None or (len(votes) == 3 and sum(votes) > 0 and min(votes) >= 0)


@given(st.lists(st.integers(0, 99), min_size=3, max_size=3).filter(any))
def test_a_tally_is_read_as_it_was_meant(hands: list[int]) -> None:
    typed = " ".join(f"{letter}{n}" for letter, n in zip(string.ascii_lowercase, hands))
    assert predict.votes(typed, QUESTION) == hands


def shown(votes: list[int] | None) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(predict.revealed(QUESTION, votes))
    return console.export_text()


def test_guess_against_result() -> None:
    assert "Predicted: b  half" in shown([0, 1, 0]) and "✓" in shown([0, 1, 0])
    assert "Not so. It is b  half" in shown([1, 0, 0]) and "✗" in shown([1, 0, 0])
    assert "The answer: b  half" in shown(None)
    for votes in (None, [1, 0, 0], [4, 2, 0]):
        assert "Half of it was left." in shown(votes)


def test_hands_are_bars_and_counted() -> None:
    text = shown([4, 12, 0])
    assert "12 of 16 hands predicted it: b  half" in text and "✓" in text
    longest = [line.count("█") for line in text.splitlines() if line[:2] in ("a ", "b ", "c ")]
    assert longest[1] > longest[0] > longest[2] == 0
    assert "✗" in shown([12, 4, 0])  # fewer than half
    assert "✗" in shown([3, 4, 3])  # the most, but fewer than half


def test_a_class_predicts_before_it_sees() -> None:
    with Terminal("vanish", "--steps", "5", "--predict") as terminal:
        asked = terminal.wait_for("how much of the gradient is left 5 steps back?", "Enter alone")
        assert "per step" not in asked  # nothing of the result
        terminal.press("x\n")
        terminal.wait_for("expected a letter from a to d")
        terminal.press("a3 b9 d1\n")
        terminal.wait_for("hands predicted it", "seqlab vanish --steps 5")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was


@pytest.mark.parametrize("name", [e.name for e in catalogue.EXPERIMENTS])
def test_the_question_of_every_experiment(name: str) -> None:
    call = calls.parse(line(name))
    question = call.question(call.result(lambda *_told: None))
    last = len(question.choices) - 1
    assert question.why and last >= 1 and 0 <= question.answer <= last
    assert len(set(question.choices)) == last + 1
    hands = [2] * (last + 1)
    tally = " ".join(f"{letter}2" for letter in predict.letters(question))
    assert predict.votes(tally, question) == hands
    for votes in (None, predict.votes(predict.letters(question)[-1], question), hands):
        console = Console(width=60, record=True, file=io.StringIO())
        console.print(predict.asked(question), predict.revealed(question, votes))
        text = console.export_text()
        assert max(cell_len(row.rstrip()) for row in text.splitlines()) <= 60
        shown = "".join(text.split())  # it may have been wrapped, but not cut
        assert "".join(question.why.split()) in shown.replace("▸", "")


def test_without_a_reason_there_is_no_pointer() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(predict.revealed(QUESTION._replace(why=""), None))
    assert console.export_text() == "\n✓ The answer: b  half\n"


def test_what_is_typed_need_not_be_text() -> None:
    with Terminal("vanish", "--steps", "5", "--predict") as terminal:
        terminal.wait_for("Enter alone")
        os.write(terminal.fd, b"\xff\xfe\n")
        terminal.wait_for("expected a letter from a to d")
        terminal.press("a\n")
        terminal.wait_for("seqlab vanish --steps 5")
        assert terminal.wait_for_end() == 0


def test_nobody_is_asked_where_there_is_no_terminal(seqlab) -> None:
    outcome = seqlab("vanish", "--steps", "5", "--predict")
    assert outcome.status == 0 and "predicted" not in outcome.text
    assert outcome.text == seqlab("vanish", "--steps", "5").text
