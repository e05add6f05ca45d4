"""What all tests share: one call that runs a command line and returns all that came of it."""

import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from rich.cells import cell_len

from seqlab import cli, emit
from seqlab.lab import Stopped
from seqlab.locale import speak

# No timed tests; and a run in CI draws the same examples each time, so that it says what changed.
settings.register_profile("seqlab", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("seqlab")


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    status: int
    text: str
    errors: str

    @property
    def json(self) -> Any:
        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is not JSON")

        return json.loads(self.text, parse_constant=refuse)

    @property
    def widest(self) -> int:
        return max((cell_len(line) for line in self.text.splitlines()), default=0)


Run = Callable[..., Outcome]

# What all experiments are tested for is tested on small runs of those that train or take times.
_SMALL = {
    "gates": ["--train-steps", "4", "--seeds", "1"],
    "recall": ["--lags", "3,6", "--models", "rnn,attention", "--seeds", "1", "--train-steps", "4"],
    "modes": ["--mode", "many-to-one", "--train-steps", "4", "--seeds", "1"],
    "align": ["--hidden", "8", "--train-steps", "4", "--seeds", "1", "--batch", "4"],
    "glimpse": ["--seeds", "1", "--train-steps", "4", "--batch", "4"],
    "position": ["--no-train"],
    "induct": ["--steps", "4", "--batch", "2"],
    "classify": ["--images", "50", "--train-steps", "3", "--batch", "7"],
    "cost": ["--no-measure"],
    "bias": ["--models", "cnn,mlp", "--images", "50", "--seeds", "1", "--train-steps", "4"],
}


def line(name: str) -> list[str]:
    """A short command line of an experiment."""
    return [name, *_SMALL.get(name, [])]


def timeless(document: str) -> str:
    """A JSON document without the times that were measured: no two runs have the same."""
    return re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0', document)


@pytest.fixture(autouse=True)
def neutral(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test depends on the terminal or the language of whoever runs it."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "SEQLAB_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("SEQLAB_LANG", "en")
    yield
    speak("en")


@pytest.fixture
def stop_at_view(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """stop_at_view(n): in the next run Ctrl-C is pressed when its n-th view has been given."""

    def patch(n: int) -> None:
        @contextmanager
        def progress(**_options: Any) -> Iterator[Any]:
            views = 0

            def watch(done: float, doing: str, view: Any = None, /) -> None:
                nonlocal views
                views += view is not None
                if views == n:
                    raise Stopped

            yield watch

        monkeypatch.setattr(emit, "progress", progress)

    return patch


@pytest.fixture
def seqlab(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process, at a fixed width, with its streams caught."""

    def run(*arguments: str, width: int = 100, stdin: bytes = b"") -> Outcome:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        # newline="" and utf-8 as a terminal has it; the bytes are decoded strictly
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in "oe"]
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            status = cli.main(arguments)
        texts = []
        for stream in streams:
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return Outcome(status, *texts)

    return run
