"""The keys of a lecture, one at a time, without Enter; the terminal is left as it was."""

import codecs
import contextlib
import os
import re
import select
import signal
import sys
import time
import unicodedata
from collections.abc import Iterator
from typing import Literal

from seqlab import emit
from seqlab.lab import BadInput
from seqlab.locale import _

Command = Literal["next", "back", "go", "again", "quit", "help", "resized"]

ENTER, ERASE, ERASE_ALL = ("\r", "\n"), ("\x7f", "\b"), "\x15"
_RESIZED, END = "resized", "\x04"
_COMMANDS: dict[str, Command] = {
    "\r": "next", "\n": "next", " ": "next", "n": "next", "\x1b[C": "next", "\x1b[6~": "next",
    "b": "back", "p": "back", "\x7f": "back", "\b": "back", "\x1b[D": "back", "\x1b[5~": "back",
    "g": "go", "r": "again", "q": "quit", END: "quit", "?": "help", "h": "help",
    _RESIZED: "resized",
}  # fmt: skip
_GLANCE = 0.2  # seconds between two looks at the size of the terminal

# What a terminal sends for one key: a character, or a sequence that begins with ESC (on Linux
# without a desktop F1 to F5 with ESC [[). What cannot belong to a sequence ends it.
_KEY = re.compile(
    r"\x1b(?:(?:\[\[?+|O)[ -?]*(?:[@-~]|(?=[^ -~]))|[^\[O\x1b]|(?=\x1b))|[^\x1b]", re.DOTALL
)


def command(key: str) -> Command | None:
    """What a key asks for; None where it asks for nothing."""
    return _COMMANDS.get(key if key.startswith("\x1b") else letter(key))


def letter(key: str) -> str:
    """A key as the small letter that it means: Chinese keyboards have wide ones too."""
    return unicodedata.normalize("NFKC", key).lower()


class Keyboard:
    """The keys that are pressed during a lecture; none is shown."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd  # of a terminal; None where there are no keys, only time
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._typed = ""
        self._size = _size()

    def forget(self) -> None:
        """Let "resized" follow: the screen may hold something else by now."""
        self._size = None

    def pressed(self) -> bool:
        """Whether a key was pressed that nothing on the screen asked for; it is dropped."""
        found = False
        while self._fd is not None and select.select([self._fd], [], [], 0)[0] and self._read(0):
            found = True
        self._typed = ""
        return found

    def key(self, seconds: float | None) -> str:
        """The next key, as the terminal sends it; Enter after so many seconds without one.

        "resized" where the terminal has another size. Ctrl-C is KeyboardInterrupt, as ever.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            found = _KEY.match(self._typed)
            if found:
                self._typed = self._typed[found.end() :]
                return found[0].replace("\x1bO", "\x1b[")  # as some terminals have the arrows
            left = _GLANCE if end is None else min(_GLANCE, end - time.monotonic())
            if left <= 0:
                return ENTER[0]
            size = _size()
            if size != self._size:
                self._size = size
                return _RESIZED
            if not self._read(left):
                return END

    def _read(self, seconds: float) -> bool:
        """Wait for what is typed; whether the terminal is still there."""
        if self._fd is None:
            time.sleep(seconds)
        elif not select.select([self._fd], [], [], seconds)[0]:
            self._typed = ""  # the rest of a sequence would have come: it was ESC alone
        else:
            try:
                data = os.read(self._fd, 1024)
            except OSError:
                return False
            self._typed += self._decoder.decode(data)
            return bool(data)
        return True


def _size() -> os.terminal_size | None:
    try:
        return os.get_terminal_size()
    except OSError:
        return None


@contextlib.contextmanager
def listening() -> Iterator[Keyboard]:
    """Keys come at once and are not shown, from here to the end; Ctrl-C still interrupts."""
    if sys.platform == "win32" or not emit.converses():
        yield Keyboard(None)
        return
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    keyboard = Keyboard(fd)

    def listen() -> None:
        tty.setcbreak(fd, termios.TCSANOW)  # what was typed by now is kept

    def listen_again(*_signal: object) -> None:
        with contextlib.suppress(termios.error):  # the window may have been closed
            listen()  # after Ctrl-Z the shell has set its own mode
        keyboard.forget()

    continued = signal.signal(signal.SIGCONT, listen_again)
    try:
        listen()
        yield keyboard
    finally:
        # First, at once and without suppress(): a second Ctrl-C can break off any Python function.
        try:  # noqa: SIM105
            termios.tcsetattr(fd, termios.TCSANOW, before)
        except termios.error:  # the terminal may have gone
            pass
        signal.signal(signal.SIGCONT, continued)


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
