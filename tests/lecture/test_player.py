"""A lecture in a terminal: every key, every way out, and the recording that shows the same."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest
from terminal import Terminal

from seqlab import emit
from seqlab.emit import Look
from seqlab.lecture import checker, recorder, script

LECTURE = """title = "Small"
minutes = 5

[[step]]
say = "# First words"
note = "Speak *slowly*."

[[step]]
run = "vanish --steps 4 --seeds 2"

[[step]]
ask = "A question of mine?"
choices = ["this one", "that one"]
answer = "a"
why = "So it is."

[[step]]
run = "unroll hello"
predict = false

[[step]]
source = "rnn.step"
"""


@pytest.fixture
def lecture(tmp_path: Path) -> str:
    file = tmp_path / "small.toml"
    file.write_text(LECTURE)
    return str(file)


@pytest.fixture
def play(lecture: str, tmp_path: Path) -> Callable[..., Terminal]:
    def start(*words: str, **size: int) -> Terminal:
        places = {"XDG_CACHE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
        return Terminal("lecture", "play", lecture, *words, **size, **places)

    return start


def test_enter_alone_reaches_the_end(play: Callable[..., Terminal]) -> None:
    with play() as terminal:
        for words in (
            ("First words", "Small · 1/5"),
            ("how much of the gradient", "Enter alone shows the answer"),
            ("per step", "Small · 2/5"),
            ("The answer: ", "Small · 2/5"),
            ("A question of mine?", "Enter alone"),
            ("The answer: a  this one", "So it is.", "Small · 3/5"),
            ("seqlab unroll hello", "Small · 4/5"),
            ("def step", "Small · 5/5"),
        ):
            terminal.wait_for(*words)
            terminal.press("\r")
        terminal.wait_for("The end of the lecture.")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was


def test_back_and_go_and_again(play: Callable[..., Terminal]) -> None:
    with play("--from", "4") as terminal:
        terminal.wait_for("Small · 4/5")
        terminal.press("b")
        terminal.wait_for("A question of mine?", "Enter alone")
        terminal.press("b\n")  # an answer, for it is a question that is open
        terminal.wait_for("Not so. It is a  this one")
        terminal.press("g")
        terminal.wait_for("Go to which step, 1 to 5?")
        terminal.press("9\n")
        terminal.wait_for("Not so.", "3/5")  # there is none: we stay
        terminal.press("g")
        terminal.wait_for("Go to which step")
        terminal.press("1\n")
        terminal.wait_for("First words", "1/5")
        terminal.press("b")
        terminal.wait_for("First words", "1/5")  # before the first is the first
        terminal.press("?")
        terminal.wait_for("run this step again")
        terminal.press("g")
        terminal.wait_for("Go to which step")
        terminal.press("3\n")
        terminal.wait_for("Not so.", "3/5")  # what was answered stays answered
        terminal.press("r")
        terminal.wait_for("A question of mine?", "Enter alone")  # until it is asked again
        terminal.press("a2 b1\n")
        terminal.wait_for("2 of 3 hands predicted it")
        terminal.press("q")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was


@pytest.mark.parametrize(
    ("way", "status"),
    [("q", 0), ("\x04", 0), ("\x03", 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
@pytest.mark.parametrize("question", [False, True])
def test_the_terminal_is_left_as_it_was(
    play: Callable[..., Terminal], tmp_path: Path, way: str | int, status: int, question: bool
) -> None:
    with play(*(["--from", "3"] if question else [])) as terminal:
        terminal.wait_for("A question of mine?" if question else "1/5")
        if isinstance(way, str):
            terminal.press(way + ("\n" if question and way == "q" else ""))
        else:
            terminal.kill(way)
        assert terminal.wait_for_end() == status and terminal.as_it_was
    assert not list(tmp_path.glob("seqlab-*/*"))  # nobody follows it any more


def test_another_size_is_drawn_anew(play: Callable[..., Terminal]) -> None:
    import fcntl
    import struct
    import termios

    with play("--from", "5", columns=60) as terminal:
        terminal.wait_for("5/5")
        terminal.screen.resize(44, 100)
        fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 100, 0, 0))
        terminal.wait_for("def step(p: RNN, prev: State, x: Array, activation")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_it_goes_on_by_itself(play: Callable[..., Terminal]) -> None:
    with play("--auto", "0.3") as terminal:
        assert terminal.wait_for_end() == 0 and terminal.as_it_was
        assert "The end of the lecture." in terminal.text


def test_notes_follow_in_a_second_terminal(play: Callable[..., Terminal]) -> None:
    with play("--notes") as notes:
        notes.wait_for("Waiting for 'seqlab lecture play")
        with play() as terminal:
            terminal.wait_for("1/5")
            notes.wait_for("Speak slowly.", "0:0", "of 5 min", "next: run: vanish --steps 4")
            terminal.press("\r")
            notes.wait_for("2/5", "(no notes)")
            terminal.wait_for("Enter alone")
            terminal.press("q\n")
            assert terminal.wait_for_end() == 0
        notes.wait_for("The lecture has ended.")
        assert notes.wait_for_end() == 0 and notes.as_it_was


def test_a_step_that_fails_shows_its_recording(
    lecture: str, play: Callable[..., Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = script.load(lecture)
    assert all(checked.passed for checked in checker.check(whole))
    stage = _failing(whole, monkeypatch)
    text = _text(stage.shown(3)[0])
    assert "This run failed: no luck today" in text and "A RECORDING" in text
    assert "seqlab unroll hello" in text and "\x1b" not in text
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    text = _text(stage.shown(3)[0])
    assert "There is no recording of it" in text and "seqlab unroll hello" not in text


def _failing(whole: script.Script, monkeypatch: pytest.MonkeyPatch):
    from seqlab.lab import unroll
    from seqlab.lecture.stage import Stage

    def fail(**_options: object) -> None:
        raise RuntimeError("no luck today")

    monkeypatch.setattr(unroll, "run", fail)
    stage = Stage(whole, Look(width=100))
    stage.run(3)
    return stage


def _text(screen: object) -> str:
    from rich.text import Text

    return Text.from_ansi(emit.ansi(screen, 100)).plain


def test_check_reports_what_fails_and_what_is_slow(
    seqlab, lecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    outcome = seqlab("lecture", "check", lecture)
    assert outcome.status == 0 and "all steps run" in outcome.text
    file = Path(lecture)
    file.write_text(LECTURE.replace("predict = false", "seconds = 0"))
    slow = seqlab("lecture", "check", lecture)
    assert slow.status == 1 and "more than 0 s" in slow.text and "1 fails" in slow.text
    file.write_text(LECTURE)
    _failing(script.load(lecture), monkeypatch)
    failed = seqlab("lecture", "check", lecture)
    assert failed.status == 1 and "no luck today" in failed.text


def test_recordings_are_the_same_bytes_and_the_live_screens(
    seqlab, lecture: str, play: Callable[..., Terminal], tmp_path: Path
) -> None:
    files = [tmp_path / f"{i}.cast" for i in (1, 2)]
    for file in files:
        assert seqlab("lecture", "record", lecture, "-o", str(file)).status == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    header, *events = map(json.loads, files[0].read_text().splitlines())
    assert header["version"] == 2 and header["width"] == 100
    times = [time for time, _kind, _text in events]
    assert times == sorted(times) and times[0] == 0
    recorded = []
    screen = pyte.Screen(100, header["height"])
    stream = pyte.Stream(screen)
    for _time, kind, text in events[:-1]:
        assert kind == "o"
        stream.feed(text)
        recorded.append("\n".join(line.rstrip() for line in screen.display).rstrip())
    with play(rows=header["height"]) as terminal:
        for expected in recorded:
            terminal.wait_for(expected.splitlines()[-1])
            assert terminal.text == expected
            terminal.press("\r")


@pytest.mark.parametrize("suffix", recorder.SUFFIXES[1:])
def test_pages_and_one_page(seqlab, lecture: str, tmp_path: Path, suffix: str) -> None:
    whole, page = tmp_path / f"whole{suffix}", tmp_path / f"page{suffix}"
    words = ["lecture", "record", lecture, "-o", str(whole), "--export", str(page)]
    assert seqlab(*words).status == 0
    pages = sorted(tmp_path.glob(f"page-*{suffix}"))
    assert [p.stem for p in pages] == [f"page-{i}" for i in range(1, 9)]
    texts = [p.read_text() for p in pages]
    assert "First" in texts[0] and "Small" in texts[-1] and "First" in whole.read_text()
    before = {p: p.read_bytes() for p in [whole, *pages]}
    assert seqlab(*words).status == 0
    assert {p: p.read_bytes() for p in [whole, *pages]} == before


def test_bad_input(seqlab, lecture: str, tmp_path: Path) -> None:
    for words, told in (
        (["play", lecture], "a terminal, or --auto"),
        (["play", lecture, "--from", "6", "--auto", "1"], "a step from 1 to 5"),
        (["play", lecture, "--from", "0"], "--from 0"),
        (["record", lecture], "-o FILE"),
        (["record", lecture, "-o", "a.gif"], ".cast, .html, .svg, .txt"),
        (["record", lecture, "--export", "a.cast"], ".html, .svg, .txt"),
        (["record", lecture, "-o", str(tmp_path / "no" / "a.cast")], "existing folder"),
        (["plya", lecture], "seqlab lecture play"),
    ):
        outcome = seqlab("lecture", *words)
        assert outcome.status == 2 and outcome.errors.count("\n") == 1, words
        assert told in outcome.errors, outcome.errors
    assert not os.path.exists("a.gif")
