"""Before the class: every step is run and timed, and its screen kept in case it fails in class."""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from seqlab import __version__, emit
from seqlab.lecture.script import Script, Step
from seqlab.locale import spoken

WIDTHS = (60, 80, 100, 140)  # that screens are kept at


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


def check(script: Script) -> Iterator[Checked]:
    """Run every step that is a command, without the network; keep the screens of what succeeds."""
    with _offline():
        for number, step in enumerate(script.steps, 1):
            if step.call is None:
                yield Checked(step, number, 0.0)
                continue
            start, failure = time.perf_counter(), ""
            try:
                with emit.progress() as watch:
                    result = step.call.result(watch)
                report = step.call.report(result)
                step.call.question(result)
                screens = {str(width): emit.ansi(report.page(), width) for width in WIDTHS}
            except Exception as problem:
                failure = str(problem) or type(problem).__name__
            else:
                _keep(step, screens)
            yield Checked(step, number, time.perf_counter() - start, failure)


def recording(step: Step, width: int) -> Recording | None:
    """The newest recording of a step that fits into `width` columns; None where there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(_path(step).read_text(encoding="utf-8"))
        fitting = [w for w in map(int, content["screens"]) if w <= width]
        if fitting:
            return Recording(str(content["version"]), content["screens"][str(max(fitting))])
    return None


def _keep(step: Step, screens: dict[str, str]) -> None:
    path = _path(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    emit.write_whole(path, json.dumps({"version": __version__, "screens": screens}))


def _path(step: Step) -> Path:
    """Where the recording of a command lies, in the language spoken."""
    assert step.call is not None
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    name = hashlib.sha256(step.call.command.encode()).hexdigest()[:20]
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
