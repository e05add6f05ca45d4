"""A lecture in a terminal: every key, every way out, and the recording that shows the same."""

import dataclasses
import fcntl
import io
import json
import os
import re
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest
from terminal import Terminal

from seqlab import emit
from seqlab.emit import Look
from seqlab.lab import BadInput
from seqlab.lecture import checker, keys, notes, player, recorder, script
from seqlab.lecture.stage import Stage

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

# A training with views: of its steps depends how long it takes
TRAINING = """title = "Long"

[[step]]
run = "gates --train-steps {steps} --seeds 1"
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
        terminal.wait_for("'9': expected a step from 1 to 5")
        terminal.press("q")  # no step either: we stay
        terminal.wait_for("Not so.", "3/5")
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
    ("way", "status", "question"),
    [
        ("q", 0, False),
        ("\x04", 0, True),
        ("\x03", 130, False),
        ("\x03", 130, True),
        (signal.SIGTERM, 143, True),
        (signal.SIGHUP, 129, False),
    ],
)
def test_the_terminal_is_left_as_it_was(
    play: Callable[..., Terminal], tmp_path: Path, way: str | int, status: int, question: bool
) -> None:
    with play(*(["--from", "3"] if question else [])) as terminal:
        terminal.wait_for("A question of mine?" if question else "1/5")
        if isinstance(way, str):
            terminal.press(way)
        else:
            terminal.kill(way)
        assert terminal.wait_for_end() == status and terminal.as_it_was
    assert not list(tmp_path.glob("seqlab-*/*"))  # nobody follows it any more


@pytest.mark.parametrize("film", [False, True])
def test_a_kill_in_a_run_and_in_its_film(
    play: Callable[..., Terminal], lecture: str, tmp_path: Path, film: bool
) -> None:
    Path(lecture).write_text(TRAINING.format(steps=100 if film else 5000))
    with play() as terminal:
        if film:
            terminal.wait_for("Enter alone")
            terminal.press("\r")
            terminal.wait_for("steps of training, network 1")
        else:
            terminal.wait_for("the run is being made")
            terminal.press("zzz")
            terminal.wait_for("the run is being made")
            assert "zzz" not in terminal.text  # no key is shown through the progress bar
        terminal.kill(signal.SIGTERM)
        assert terminal.wait_for_end() == 143 and terminal.as_it_was
    assert not list(tmp_path.glob("seqlab-*/*"))


def test_a_run_that_is_stopped_is_not_asked_about(
    lecture: str, stop_at_view: Callable[[int], None]
) -> None:
    Path(lecture).write_text(TRAINING.format(steps=60))
    stage = Stage(script.load(lecture), Look(width=100))
    stage.run(0, hidden=True)
    assert stage.question(0) is not None
    stage.forget(0)
    stop_at_view(2)
    stage.run(0, hidden=True)
    assert stage.question(0) is None and not stage.failure(0)
    assert "Stopped before the end" in _text(stage.shown(0)[0])


@pytest.mark.parametrize(
    ("typed", "commands"),
    [
        ("\r\n n\x1b[C\x1bOC\x1b[6~", ["next"] * 7),
        ("bBp\x7f\b\x1b[D\x1bOD\x1b[5~", ["back"] * 8),
        ("gGrRqQ\x04？?hｑ", ["go"] * 2 + ["again"] * 2 + ["quit"] * 3 + ["help"] * 3 + ["quit"]),
        ("x\x1b[A\x1b[1;5C\x1b[c你\x1bq\x1b\x1b[C", [None] * 7 + ["next"]),
    ],
)
def test_every_key_is_one_command(typed: str, commands: list[str | None]) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, typed.encode())
    keyboard = keys.Keyboard(ours)
    assert [keys.command(keyboard.key(5)) for _ in commands] == commands
    os.write(theirs, b"\x1b")
    assert keyboard.key(0.3) == "\r"  # ESC alone means nothing, and time passes
    os.write(theirs, b"q\xe4\xbd")
    os.write(theirs, b"\xa0")
    os.close(theirs)
    assert [keyboard.key(5) for _ in range(3)] == ["q", "你", "\x04"]
    os.close(ours)


def test_arrows_and_keys_that_come_together(play: Callable[..., Terminal]) -> None:
    with play("--from", "4") as terminal:
        terminal.wait_for("4/5")
        for pressed, place in (("\x1b[C", 5), ("\x1b[D", 4), ("\x1b[6~", 5), ("\x1b[5~", 4)):
            terminal.press(pressed)
            terminal.wait_for(f"Small · {place}/5")
        terminal.press("b\r")  # back to the question, and its answer
        terminal.wait_for("The answer: a", "3/5")
        terminal.press("\r\r\r")
        terminal.wait_for("The end of the lecture.")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was


def test_keys_at_a_question(play: Callable[..., Terminal]) -> None:
    with play("--from", "3", "--auto", "60") as terminal:
        terminal.wait_for("Enter alone")
        terminal.press("?")
        text = terminal.wait_for("A question of mine?", "run this step again")
        assert "←     " in text and "b, ←" not in text and "space" not in text
        terminal.press("r")
        assert "run this step" not in terminal.wait_for("A question of mine?", "Enter alone")
        terminal.press("  a3 q")  # neither is a command where something is typed
        assert terminal.wait_for("a3 q").endswith("Small · 3/5\na3 q")
        terminal.press("\x7f\x7fb1")
        assert terminal.wait_for("a3b1").endswith("Small · 3/5\na3b1")
        resize(terminal, 44, 70)
        assert terminal.wait_for("a3b1").count("a3b1") == 1
        terminal.press("\x15x\r")
        terminal.wait_for("A question of mine?", "a letter from a to b")
        terminal.press("G")
        terminal.wait_for("Go to which step")
        terminal.press("３\r")
        terminal.wait_for("A question of mine?", "Enter alone")
        terminal.press("\x1b[D")
        terminal.wait_for("how much of the gradient", "Enter alone", "2/5")
        terminal.press("\x1b[6~")  # a remote control shows the answer
        terminal.wait_for("per step", "2/5")
        terminal.press("g3\r")
        terminal.wait_for("A question of mine?")
        terminal.press("Q")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was


def resize(terminal: Terminal, rows: int, columns: int) -> None:
    terminal.screen.resize(rows, columns)
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_after_a_pause_of_the_process_keys_come_again(play: Callable[..., Terminal]) -> None:
    with play("--from", "5") as terminal:
        terminal.wait_for("5/5")
        terminal.kill(signal.SIGSTOP)
        termios.tcsetattr(terminal.fd, termios.TCSANOW, terminal.before)  # as a shell does
        terminal.stream.feed(b"\x1b[H\x1b[2Jshell$ fg")
        terminal.kill(signal.SIGCONT)
        assert "shell$" not in terminal.wait_for("def step", "5/5")
        terminal.press("q")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was


def test_another_size_is_drawn_anew(play: Callable[..., Terminal]) -> None:
    with play("--from", "5", columns=60) as terminal:
        terminal.wait_for("5/5")
        resize(terminal, 44, 100)
        terminal.wait_for("def step(p: RNN, prev: State, x: Array, activation")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_what_is_taller_than_the_terminal_is_several_screens(
    play: Callable[..., Terminal], lecture: str
) -> None:
    Path(lecture).write_text(LECTURE.replace("rnn.step", "rnn"))
    with play("--from", "5", rows=45) as terminal:
        terminal.wait_for("seqlab/book/rnn.py", "5/5 (1/")
        terminal.press("\r")
        assert "seqlab/book/rnn.py" not in terminal.wait_for("5/5 (2/")
        terminal.press("b")
        terminal.wait_for("seqlab/book/rnn.py", "5/5 (1/")
        resize(terminal, 300, 100)
        assert terminal.wait_for("seqlab/book/rnn.py").endswith("Small · 5/5")


@pytest.mark.parametrize("rows", [10, 24, 42])
def test_no_line_is_lost_between_the_parts_of_a_screen(lecture: str, rows: int) -> None:
    Path(lecture).write_text(LECTURE.replace("rnn.step", "attention"))
    stage = Stage(script.load(lecture), Look(width=70, color="none"))
    whole = emit.ansi(stage.shown(4, rows=None)[0], 70, stage.look).splitlines()
    parts = [emit.ansi(p, 70, stage.look).splitlines() for p in stage.shown(4, rows=rows)]
    assert max(map(len, parts)) < rows and len(parts) > 1
    assert [line for part in parts for line in part[:-1]] == whole[:-2]
    places = [part[-1] for part in parts]
    assert places == [f"Small · 5/5 ({n}/{len(parts)})" for n in range(1, len(parts) + 1)]


def test_lines_are_counted_as_they_are_drawn(lecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven bits take more room than Unicode: Σ is sum."""
    Path(lecture).write_text(LECTURE.replace("# First words", "Σ " * 900))
    seven = io.TextIOWrapper(io.BytesIO(), "latin-1")
    monkeypatch.setattr(sys, "stdout", seven)
    look = Look(width=60)
    stage = Stage(script.load(lecture), look, lambda screen: emit.rendered(screen, look))
    parts = stage.shown(0, rows=24)
    texts = [emit.rendered(part, look) for part in parts]
    assert max(text.count("\n") + 1 for text in texts) < 24
    assert sum(text.count("sum") for text in texts) == 900


def test_help_hides_nothing_for_long(play: Callable[..., Terminal], lecture: str) -> None:
    Path(lecture).write_text(LECTURE.replace("rnn.step", "rnn"))
    with play("--from", "5", rows=44) as terminal:
        terminal.wait_for("seqlab/book/rnn.py", "5/5 (1/")
        terminal.press("?")
        assert "seqlab/book/rnn.py" not in terminal.wait_for("run this step again")
        terminal.press("?")
        terminal.wait_for("seqlab/book/rnn.py", "5/5 (1/")
        terminal.press("?")
        terminal.wait_for("run this step again")
        terminal.press("\r")
        terminal.wait_for("5/5 (2/")


def test_a_window_that_is_closed_ends_a_lecture(lecture: str) -> None:
    """The terminal hangs up, then wakes whoever it was the terminal of."""
    terminal = Terminal("lecture", "play", lecture)
    terminal.wait_for("First words")
    os.close(terminal.fd)
    _pid, status = os.waitpid(terminal.pid, 0)
    assert os.waitstatus_to_exitcode(status) in (129, -signal.SIGHUP)


def test_it_goes_on_by_itself(play: Callable[..., Terminal]) -> None:
    with play("--auto", "0.3") as terminal:
        assert terminal.wait_for_end() == 0 and terminal.as_it_was
        assert "The end of the lecture." in terminal.text


def test_it_waits_without_a_keyboard_too(monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.monotonic()
    with open(os.devnull) as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        with keys.listening() as keyboard:
            key = keyboard.key(0.3)
    assert key == "\r" and time.monotonic() - start >= 0.3


def test_into_a_pipe_it_does_not_wait(seqlab, lecture: str) -> None:
    outcome = seqlab("lecture", "play", lecture, "--from", "3", "--auto", "1000")
    assert outcome.status == 0 and outcome.errors == ""
    assert "The answer: a" in outcome.text and "The end of the lecture." in outcome.text


def test_torch_is_loaded_while_the_speaker_begins(
    whole: script.Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = threading.Event()
    monkeypatch.setattr(player, "_load_torch", loading.set)
    player.play(whole, Look(), start=5, auto=0)
    assert loading.wait(60)


def test_a_torch_that_cannot_be_loaded_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # then importing it fails
    player._load_torch()


def test_a_terminal_tells_that_its_command_has_ended() -> None:
    start = time.monotonic()
    ended = pytest.raises(AssertionError, match="it ended with 2:")
    with Terminal("lecture", "play", "nothing") as terminal, ended:
        terminal.wait_for("never")
    assert time.monotonic() - start < 20


def test_notes_follow_in_a_second_terminal(play: Callable[..., Terminal], lecture: str) -> None:
    lines = "".join(rf"\n\nline {i}" for i in range(20))
    Path(lecture).write_text(LECTURE.replace("Speak *slowly*.", f"Speak *slowly*.{lines}"))
    with play("--notes", rows=20) as notes:
        notes.wait_for("Waiting for 'seqlab lecture play")
        notes.stream.feed(b"seen")
        time.sleep(0.6)
        assert "seen" in notes.wait_for("Waiting for")  # it is not drawn again and again
        with play() as terminal:
            terminal.wait_for("1/5")
            text = notes.wait_for("Speak slowly.", "0:0", "next: run: vanish --steps 4")
            assert "of 5 min" in text.splitlines()[0] and "line 4\n" in text
            assert "enlarge this terminal" in text.splitlines()[-1] and "line 19" not in text
            terminal.press("\r")
            notes.wait_for("2/5", "(no notes)")
            terminal.wait_for("Enter alone")
            terminal.press("q\n")
            assert terminal.wait_for_end() == 0
        notes.wait_for("The lecture has ended.")
        assert notes.wait_for_end() == 0 and notes.as_it_was


@pytest.mark.parametrize("way", ["\r", "enlarge", "q"])
def test_a_terminal_with_few_rows_is_told_so(play: Callable[..., Terminal], way: str) -> None:
    with play(rows=24) as terminal:
        terminal.wait_for("This terminal has 24 rows, and screens up to 40")
        resize(terminal, 25, 100)
        assert "First words" not in terminal.wait_for("This terminal has 25 rows")
        if way == "enlarge":
            resize(terminal, 40, 100)
        else:
            terminal.press(way)
        if way != "q":
            terminal.wait_for("First words")
            terminal.press("q")
        assert terminal.wait_for_end() == 0 and terminal.as_it_was
        assert ("First words" in terminal.text) == (way != "q")


def test_the_speaker_sees_the_answer_before_the_class(play: Callable[..., Terminal]) -> None:
    with play("--notes") as notes, play("--from", "3") as terminal:
        assert "The answer" not in terminal.wait_for("A question of mine?", "Enter alone")
        notes.wait_for("3/5", "The answer: a  this one", "So it is.")
        terminal.press("\x1b[D")  # to a run, whose question no file has
        terminal.wait_for("how much of the gradient", "Enter alone")
        text = notes.wait_for("2/5", "how much of the gradient", "The answer: ")
        answer = text.partition("The answer: ")[2].splitlines()[0]
        terminal.press("\r\r")
        terminal.wait_for(f"The answer: {answer}")


def test_who_waits_for_a_training_answers_nothing(
    play: Callable[..., Terminal], lecture: str
) -> None:
    Path(lecture).write_text(TRAINING.format(steps=100))
    with play() as terminal:
        terminal.wait_for("the run is being made")
        terminal.press("\r\r")
        assert "The answer" not in terminal.wait_for("Enter alone")
        terminal.press("\r")
        terminal.wait_for("How it learned, faster than it did")
        terminal.press("\r")  # ends that, and nothing else
        text = terminal.wait_for("Long · 1/1")
        assert "How it learned" not in text and "The answer" not in text
        terminal.press("\r")
        terminal.wait_for("The answer")


@pytest.fixture
def whole(lecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> script.Script:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return script.load(lecture)


def test_a_folder_that_others_can_write_to_is_not_used(
    whole: script.Script, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    path = notes._path(whole)
    for plant, remove in (
        (lambda: path.parent.mkdir() or path.parent.chmod(0o777), path.parent.rmdir),
        (lambda: path.parent.symlink_to(victim), path.parent.unlink),
        (lambda: path.parent.write_text(""), path.parent.unlink),
    ):
        plant()
        with notes.told(whole) as tell:
            tell(1)
            assert not list(victim.iterdir()) and not path.exists()
        with pytest.raises(BadInput, match="a folder of your own"):
            notes.follow(whole, Look())
        remove()


def test_a_link_in_place_of_the_state_is_not_followed(whole: script.Script, tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", notes._path(whole)
    with notes.told(whole) as tell:
        tell(2)
        path.rename(victim)  # what it tells is right, but it lies elsewhere
        precious = victim.read_text()
        path.symlink_to(victim)
        assert notes._where(whole) is None
        tell(1)
        assert not path.is_symlink() and notes._where(whole).step == 1
    assert victim.read_text() == precious and not list(path.parent.iterdir())


def test_a_folder_of_another_user_is_not_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notes._is_private(tmp_path / "mine")
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    assert not notes._is_private(tmp_path / "mine")


def test_where_the_folder_of_the_user_cannot_be_used_another_is(
    whole: script.Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    theirs = tmp_path / "theirs"  # in it root can write, whatever its mode is
    theirs.mkdir()
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path) != str(theirs))
    for folder in ("", "/none", "/dev/null", str(theirs)):
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        with notes.told(whole) as tell:
            tell(1)
            assert notes._where(whole).step == 1
            assert notes._path(whole).parent.parent == tmp_path


def test_the_file_of_a_lecture_with_a_long_name_is_told(whole: script.Script) -> None:
    with notes.told(dataclasses.replace(whole, name="𝕃" * 60)) as tell:
        tell(1)
        assert notes._where(whole).step == 1


def test_only_a_state_that_a_lecture_wrote_is_believed(whole: script.Script) -> None:
    path = notes._path(whole)
    with notes.told(whole) as tell:
        tell(3)
        good = json.loads(path.read_text())
        assert notes._where(whole).step == 3
        for wrong in (
            {"begun": float("nan")},
            {"begun": time.time() + 1e6},
            {"begun": 10**400},
            {"pid": 1e30},
            {"pid": 10**30},
            {"pid": 0},
            {"pid": -1},
            {"born": "another process"},
            {"step": 5},
            {"step": -1},
            {"step": True},
            {"more": 1},
        ):
            path.write_text(json.dumps(good | wrong))
            assert notes._where(whole) is None, wrong
        for text in ("", "[]", "[" * 900, "{}", json.dumps(good)[:-1] + " " * 10_000, "\xff"):
            path.write_text(text)
            assert notes._where(whole) is None, text
        path.write_text(json.dumps(good).replace(str(good["begun"]), "1e999"))
        assert notes._where(whole) is None
        path.unlink()
        for make in (os.mkfifo, os.mkdir):
            make(path)
            assert notes._where(whole) is None
            path.rmdir() if path.is_dir() else path.unlink()


def test_lectures_of_one_name_do_not_meet(whole: script.Script, tmp_path: Path) -> None:
    file = tmp_path / "other" / "small.toml"
    file.parent.mkdir()
    file.write_text(LECTURE.replace("First", "Other"))
    other = script.load(str(file))
    with notes.told(whole) as tell, notes.told(other) as tell_other:
        tell(1)
        tell_other(2)
        assert notes._where(whole).step == 1 and notes._where(other).step == 2
        path = notes._path(whole)
        path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": os.getppid()}))
    assert path.exists() and not notes._path(other).exists()  # the one is another's by now


def test_the_notes_say_the_kinds_in_the_language_spoken(
    whole: script.Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        notes, "_", lambda message: {"run": "RUN", "say": "SAY"}.get(message, message)
    )
    text = _text(notes._notes(whole, notes._Where(0, 100.0, 1, "", ""), 161.0))
    assert "SAY: First words" in text and "next: RUN: vanish" in text and "1:01" in text


def test_a_system_without_users_tells_nobody(
    whole: script.Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "getuid")
    with notes.told(whole) as tell:
        tell(1)
    assert not notes._path(whole).parent.exists()


@pytest.mark.parametrize("broken", ["question", "page"])
def test_what_cannot_be_asked_or_drawn_has_failed(
    whole: script.Script, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    from seqlab.lab import vanish

    class Undrawable:
        def __rich__(self) -> str:
            raise RuntimeError("no luck today")

    def fail(_result: object, **_options: object) -> object:
        if broken == "question":
            raise RuntimeError("no luck today")
        return Undrawable()

    monkeypatch.setattr(vanish, "question" if broken == "question" else "show", fail)
    stage = Stage(whole, Look(width=100))
    stage.run(1)
    assert stage.question(1) is None
    assert "This run failed: no luck today" in _text(stage.shown(1)[0])


def test_a_recording_is_shown_without_what_a_terminal_obeys(
    whole: script.Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = checker.Recording("1", "\x1b[31mρ = 1\x1b[0m \x07\x9b2J\u202e\x1b]0;title\x07 ⣿")
    monkeypatch.setattr(checker, "recording", lambda *_words: kept)
    stage = _failing(whole, monkeypatch)
    raw = emit.ansi(stage.shown(3)[0], 100)
    assert not set(raw) & set("\x07\x9b\u202e") and "ρ = 1" in raw
    assert "31m" in raw  # its colours stay
    assert emit.ansi(stage.shown(3)[0], 100, Look(ascii=True)).isascii()


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
    assert outcome.status == 0 and re.search(r"all steps run, \d+\.\d s in all", outcome.text)
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
    assert [p.stem for p in pages] == [f"page-0{i}" for i in range(1, 9)]
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
        (["play", lecture, "--notes"], "--notes: expected a terminal"),
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
