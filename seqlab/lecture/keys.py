"""The keys of a lecture, one at a time, without Enter; the terminal is left as it was."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator
from typing import Literal

from seqlab.lab import BadInput
from seqlab.locale import _

Key = Literal["next", "back", "go", "again", "quit", "help", "resized"]

_KEYS: dict[str, Key] = {
    "\r": "next", "\n": "next", " ": "next", "n": "next", "\x1b[C": "next", "\x1b[6~": "next",
    "b": "back", "p": "back", "\x7f": "back", "\x1b[D": "back", "\x1b[5~": "back",
    "g": "go", "r": "again", "q": "quit", "\x04": "quit", "?": "help", "h": "help",
}  # fmt: skip
_GLANCE = 0.2  # seconds between two looks at the size of the terminal


def wait(seconds: float | None) -> Key:
    """The next key that means something; "next" after so many seconds without one.

    "resized" where the terminal has another size than before. Ctrl-C is KeyboardInterrupt, as ever.
    """
    fd = sys.stdin.fileno()
    size, left = os.get_terminal_size(), seconds
    with _raw(fd):
        while left is None or left > 0:
            pause = _GLANCE if left is None else min(_GLANCE, left)
            if select.select([fd], [], [], pause)[0]:
                typed = os.read(fd, 64).decode("utf-8", "replace")
                if not typed:
                    return "quit"  # the terminal has gone
                key = _KEYS.get(typed.lower()) or _KEYS.get(typed[:1].lower())
                if key is not None and (typed in _KEYS or not typed.startswith("\x1b")):
                    return key
            elif left is not None:
                left -= pause
            if os.get_terminal_size() != size:
                return "resized"
    return "next"


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    """Keys come at once and are not shown; Ctrl-C still interrupts."""
    import termios
    import tty

    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def require_terminal() -> None:
    """Refuse to play where nobody can press a key."""
    try:
        import termios  # noqa: F401
    except ImportError:
        raise BadInput(
            "lecture play", _("a terminal as Linux and macOS have it"), "'seqlab lecture record'"
        ) from None
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(
            "lecture play", _("a terminal, or --auto SECONDS"), "'seqlab lecture record'"
        )


@contextlib.contextmanager
def tidy() -> Iterator[None]:
    """However a lecture ends, a kill and a closed window included, what it began is ended."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signals = [signal.SIGTERM] + ([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])
    before = {number: signal.signal(number, leave) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
