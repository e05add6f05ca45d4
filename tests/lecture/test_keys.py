"""The keyboard of a lecture, without a lecture: what is typed, and the terminal afterwards."""

import os
import pty
import signal
import sys
import termios
from collections.abc import Iterator
from types import FrameType

import pytest

from seqlab import cli, emit
from seqlab.lecture import keys


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where to type: the other end of a terminal that is standard input."""
    ours, theirs = pty.openpty()
    monkeypatch.setattr(emit, "converses", lambda: True)
    with open(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield ours
    os.close(ours)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("\x1b[[Bq", ["\x1b[[B", "q"]),  # F2 of Linux without a desktop is no "back"
        ("\x1b[\rq", ["\x1b[", "\r", "q"]),  # Alt-[ is no beginning of what comes after it
        ("\x1b[你\x1b[[\x1b[C", ["\x1b[", "你", "\x1b[[", "\x1b[C"]),
        ("\x1b[1;5C\x1bO\r\x1bOD", ["\x1b[1;5C", "\x1b[", "\r", "\x1b[D"]),
    ],
)
def test_a_sequence_ends_where_it_must(typed: str, expected: list[str]) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, typed.encode())
    keyboard = keys.Keyboard(ours)
    assert [keyboard.key(0.1) for _ in expected] == expected
    os.close(theirs)
    os.close(ours)


def test_what_is_typed_ahead_is_kept(typist: int) -> None:
    os.write(typist, b"q")
    assert os.read(typist, 1) == b"q"  # the terminal has got it: here is its echo
    with keys.listening() as keyboard:
        assert keyboard.key(5) == "q"


def test_wherever_a_second_ctrl_c_comes_the_terminal_is_left_as_it_was(typist: int) -> None:
    fd, before = sys.stdin.fileno(), termios.tcgetattr(sys.stdin)
    continued = signal.getsignal(signal.SIGCONT)
    moment = passed = 0

    def interrupt(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal passed
        thrown = frame.f_code.co_name == "listening"  # that resumes there, it is not called
        passed += event == "c_return" or (event == "call" and not thrown)  # it looks for signals
        if passed == moment:
            raise KeyboardInterrupt

    while passed == moment:
        passed, moment = 0, moment + 1
        with pytest.raises(KeyboardInterrupt):
            try:
                with keys.listening():
                    assert termios.tcgetattr(fd) != before
                    sys.setprofile(interrupt)
                    raise KeyboardInterrupt
            finally:
                sys.setprofile(None)
        assert termios.tcgetattr(fd) == before, moment
    assert moment > 3
    signal.signal(signal.SIGCONT, continued)


def test_a_second_kill_does_not_break_the_cleanup_off() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    cleaned = False
    with pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)), cli._leaving():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
            cleaned = True
    assert cleaned
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before
