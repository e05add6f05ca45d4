"""The speaker's notes in a second terminal, which follows the first by a small file."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import emit
from seqlab.emit import Look
from seqlab.figures.markdown import Page
from seqlab.figures.prose import Note, Title
from seqlab.lecture.script import Script
from seqlab.locale import _

Tell = Callable[[int], None]

_POLL = 0.25  # seconds between two looks at where the lecture is


@contextlib.contextmanager
def told(script: Script) -> Iterator[Tell]:
    """While a lecture is played: a function that tells others on which step it is."""
    path, begun = _path(script), time.time()

    def tell(index: int) -> None:
        content = {"pid": os.getpid(), "step": index, "begun": begun}
        with contextlib.suppress(OSError):  # a full disk does not end a lecture
            emit.write_whole(path, json.dumps(content))

    try:
        yield tell
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def follow(script: Script, look: Look) -> None:
    """Show the notes of the step that the lecture is on, and the clock, until it ends."""
    shown: Any = None
    played = False
    while True:
        where = _where(script)
        if where is None and played:
            emit.put_figure(Note(_("The lecture has ended.")), look)
            return
        now = time.time()
        seen = None if where is None else (where[0], int(now - where[1]))
        if seen != shown or not (played or shown):
            emit.clear(look)
            page = _waiting(script) if where is None else _notes(script, *where, now)
            emit.put_figure(page, look)
            shown = seen or "waiting"
        played = played or where is not None
        time.sleep(_POLL)


def _notes(script: Script, index: int, begun: float, now: float) -> RenderableType:
    """The clock, the notes of this step, and what comes next."""
    step, last = script.steps[index], len(script.steps)
    parts: list[RenderableType] = [Title(_clock(script, now - begun), f"{index + 1}/{last}")]
    parts += [Note(f"{step.kind}: {_line(step.text)}"), Text()]
    parts.append(Page(step.note) if step.note else Note(_("(no notes)")))
    if index + 1 < last:
        after = script.steps[index + 1]
        told = _("next: {kind}: {text}").format(kind=after.kind, text=_line(after.text))
        parts += [Text(), Note(told)]
    return Group(*parts)


def _clock(script: Script, seconds: float) -> str:
    gone = f"{int(seconds) // 60}:{int(seconds) % 60:02}"
    if not script.minutes:
        return gone
    return _("{gone} of {minutes} min").format(gone=gone, minutes=script.minutes)


def _line(text: str) -> str:
    """The first line of a text."""
    return next((line.strip("# ") for line in text.splitlines() if line.strip()), "")[:200]


def _waiting(script: Script) -> RenderableType:
    told = _("Waiting for 'seqlab lecture play {name}' in another terminal.")
    return Note(told.format(name=script.name))


def _where(script: Script) -> tuple[int, float] | None:
    """The step of the lecture that is being played, and when it began; None where none is."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(_path(script).read_text())
        os.kill(int(content["pid"]), 0)  # it may have been killed without a word
        index = int(content["step"])
        if 0 <= index < len(script.steps):
            return index, float(content["begun"])
    return None


def _path(script: Script) -> Path:
    """The file that tells; in a folder that is this user's alone."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    own = Path(folder) / f"seqlab-{os.getuid()}"
    with contextlib.suppress(OSError):
        own.mkdir(mode=0o700, exist_ok=True)
    return own / f"{script.name}.json"
