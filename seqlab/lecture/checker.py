"""Before the class: every step is run and timed, and its screen kept in case it fails in class."""

import contextlib
import hashlib
import inspect
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import RenderableType

from seqlab import __version__, emit
from seqlab.emit import Ground, Look
from seqlab.lab import Watch
from seqlab.lecture.script import Script, Step
from seqlab.locale import _, spoken

WIDTHS = (emit.NARROWEST, 60, 80, 100, 140)  # that screens are kept at
GROUNDS: tuple[Ground, ...] = ("dark", "light")  # and for each of these
_LARGEST = 1 << 23  # bytes of a recording
_FILES = ("image", "load", "model")  # options that may name a file, from this folder


@dataclass(frozen=True)
class Checked:
    """How a step went: the seconds that it took, and why it failed, if it did."""

    step: Step
    number: int
    seconds: float
    failure: str = ""

    @property
    def slow(self) -> bool:
        """Whether it took longer than its class waits."""
        return self.seconds > self.step.seconds

    @property
    def passed(self) -> bool:
        return not self.failure and not self.slow


class Recording(NamedTuple):
    """The screen of a step as it was when it was checked, with its colours, and by which seqlab."""

    version: str
    screen: str


def check(script: Script, look: Look | None = None) -> Iterator[Checked]:
    """Run every step that is a command, without the network; keep the screens of what succeeds.

    Ctrl-C ends all of it: a training that was cut short is no check.
    """
    with _offline():
        for number, step in enumerate(script.steps, 1):
            if step.call is None:
                yield Checked(step, number, 0.0)
                continue
            start, seconds, failure = time.perf_counter(), None, ""
            try:
                with emit.progress(look=look) as watch:
                    result = step.call.result(_blind(watch))
                report = step.call.report(result)
                if step.predict:
                    step.call.question(result)
                seconds = time.perf_counter() - start
                failure = _kept(step, report.page())
            except Exception as problem:
                failure = str(problem) or type(problem).__name__
            yield Checked(step, number, seconds or time.perf_counter() - start, failure)


def _blind(watch: Watch) -> Watch:
    """A watch that sees no views: then Ctrl-C interrupts, and no training ends early instead."""
    return lambda done, doing, view=None, /: watch(done, doing)


def recording(step: Step, width: int, ground: Ground = "dark") -> Recording | None:
    """The newest recording of a step that fits into `width` columns; None where there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        path = _path(step)
        if path.is_file() and path.stat().st_size <= _LARGEST:
            content = json.loads(path.read_text(encoding="utf-8"))
            fitting = max(w for w in WIDTHS if w <= width)
            version, screen = content["version"], content["screens"][ground][str(fitting)]
            if isinstance(version, str) and isinstance(screen, str):
                return Recording(version, screen)
    return None


def _kept(step: Step, page: RenderableType) -> str:
    """Keep the screens of a step; why they could not be kept, empty where they were."""
    path = _path(step)
    screens = {
        ground: {str(width): emit.ansi(page, width, Look(theme=ground)) for width in WIDTHS}
        for ground in GROUNDS
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        emit.write_whole(path, json.dumps({"version": __version__, "screens": screens}))
    except OSError as problem:
        told = _("it runs, but no recording of it can be kept: {file}: {reason}")
        return told.format(file=problem.filename, reason=problem.strerror)
    return ""


def _path(step: Step) -> Path:
    """Where the recording of a command lies, in the language spoken.

    What names a file is another command in another folder.
    """
    assert step.call is not None
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    own, given = inspect.signature(step.call.module.run).parameters, step.call.options
    named = any(given[name] != own[name].default for name in _FILES if name in given)
    key = "\0".join([step.call.command, *([os.getcwd()] if named else [])])
    name = hashlib.sha256(key.encode()).hexdigest()[:20]
    return Path(cache).expanduser() / "seqlab" / "lectures" / spoken() / f"{name}.json"


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """No network: what a class depends on must lie on this machine."""
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before
