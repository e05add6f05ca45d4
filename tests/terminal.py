"""A terminal for tests: a command in a pseudo-terminal, keys pressed when the screen says so."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from types import TracebackType

import pyte

PATIENCE = 60.0  # seconds until a screen must have come; a test that passes never waits for it


class Terminal:
    """A seqlab command in a terminal of a size, read by a terminal emulator."""

    def __init__(self, *words: str, columns: int = 100, rows: int = 44, **environment: str) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.fd = pty.fork()
        if not self.pid:
            keep = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
            keep |= {"TERM": "xterm-256color", "SEQLAB_LANG": "en", **environment}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(sys.executable, [sys.executable, "-m", "seqlab", *words], keep)
        self.before = termios.tcgetattr(self.fd)
        self.ended = False

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait_for(self, *words: str) -> str:
        """Read until all of the words stand on the screen, and it has come to rest."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            came = self._read(0.15)
            if not came and all(word in self.text for word in words):
                return self.text
            if self.ended:
                status = self.wait_for_end()
                raise AssertionError(f"{words} did not come, it ended with {status}:\n{self.text}")
        raise AssertionError(f"{words} did not come; the screen was:\n{self.text}")

    def wait_for_end(self) -> int:
        """Read to the end; the exit status, negative the signal that ended it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._read(0.1)
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it did not end; the screen was:\n{self.text}")

    def kill(self, number: int) -> None:
        os.kill(self.pid, number)

    @property
    def as_it_was(self) -> bool:
        """Whether the terminal echoes and waits for lines again, and the cursor can be seen."""
        return termios.tcgetattr(self.fd) == self.before and not self.screen.cursor.hidden

    def _read(self, seconds: float) -> bool:
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # it has ended, or soon will have
            self.ended = True
            time.sleep(0.01)
            return False
        self.stream.feed(data)
        return bool(data)
