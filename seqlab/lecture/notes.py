"""The speaker's notes in a second terminal, which follows the first by a small file."""

import contextlib
import hashlib
import json
import os
import stat
import string
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import emit
from seqlab.emit import Look
from seqlab.figures.markdown import Page
from seqlab.figures.prose import Note, Title
from seqlab.lab import BadInput
from seqlab.lecture.script import Script
from seqlab.locale import N_, _

Tell = Callable[[int], None]

_POLL = 0.25  # seconds between two looks at where the lecture is
_MOST = 1000  # bytes that tell where it is, and more
_KINDS = {"say": N_("say"), "run": N_("run"), "ask": N_("ask"), "source": N_("source")}


class _Where(NamedTuple):
    """The step that a lecture is on, when it began, and the process that plays it."""

    step: int
    begun: float
    pid: int
    born: str  # see _born


@contextlib.contextmanager
def told(script: Script) -> Iterator[Tell]:
    """While a lecture is played: a function that tells others on which step it is."""
    path, pid, begun = _path(script), os.getpid(), time.time()
    if not _is_private(path.parent):
        yield lambda index: None  # whoever can write there could make us write elsewhere
        return
    part = path.with_suffix(f".{pid}")

    def tell(index: int) -> None:
        with contextlib.suppress(OSError):  # a full disk does not end a lecture
            part.write_text(json.dumps(_Where(index, begun, pid, _born(pid))._asdict()))
            part.replace(path)  # a link that lies there is replaced, not followed

    try:
        yield tell
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            where = _read(path)
            if where is not None and where.pid == pid:  # else it is played once more elsewhere
                path.unlink()


def follow(script: Script, look: Look) -> None:
    """Show the notes of the step that the lecture is on, and the clock, until it ends.

    Raises:
        BadInput: others could write where the lecture would tell.
    """
    folder = _path(script).parent
    if not _is_private(folder):
        expected = _("a folder of your own that nobody else can write to")
        raise BadInput(str(folder), expected, f"chmod 700 {folder}")
    shown: Any = None
    played = False
    while True:
        where = _where(script)
        if where is None and played:
            emit.clear(look)
            emit.put_figure(Note(_("The lecture has ended.")), look)
            return
        now = time.time()
        seen = None if where is None else (where.step, int(now - where.begun))
        if seen != shown or not (played or shown):
            emit.clear(look)
            emit.put_figure(_waiting(script) if where is None else _notes(script, where, now), look)
            shown = seen or "waiting"
        played = played or where is not None
        time.sleep(_POLL)


def _notes(script: Script, where: _Where, now: float) -> RenderableType:
    """The clock, the notes of this step, and what comes next."""
    index, last = where.step, len(script.steps)
    step = script.steps[index]
    parts: list[RenderableType] = [Title(_clock(script, now - where.begun), f"{index + 1}/{last}")]
    line = _("{kind}: {text}").format(kind=_(_KINDS[step.kind]), text=_line(step.text))
    parts += [Note(line), Text()]
    parts.append(Page(step.note) if step.note else Note(_("(no notes)")))
    if step.kind == "ask":
        letter = string.ascii_lowercase[step.answer]
        right = _("The answer: {right}").format(right=f"{letter}  {step.choices[step.answer]}")
        parts += [Text(), Note(right), *([Note(step.why)] if step.why else [])]
    if index + 1 < last:
        after = script.steps[index + 1]
        line = _("next: {kind}: {text}").format(kind=_(_KINDS[after.kind]), text=_line(after.text))
        parts += [Text(), Note(line)]
    return Group(*parts)


def _clock(script: Script, seconds: float) -> str:
    seconds = max(0.0, seconds)  # the clock of the machine may be set back
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


def _where(script: Script) -> _Where | None:
    """Where the lecture is that is being played; None where none is."""
    where = _read(_path(script))
    if where is None or where.step >= len(script.steps):
        return None
    try:
        os.kill(where.pid, 0)  # it may have been killed without a word
    except OSError:
        return None
    return where if where.born == _born(where.pid) else None


def _read(path: Path) -> _Where | None:
    """What a file tells, if it is one that :func:`told` has written: nothing else is believed."""

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)

    try:
        with open(path, "rb", opener=opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            where = _Where(**json.loads(file.read(_MOST)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    types = tuple(map(type, where))
    if types != (int, float, int, str) or where.step < 0 or not 0 < where.pid < 2**31:
        return None
    return where if 0 < where.begun < time.time() + 60 else None  # NaN is not


def _born(pid: int) -> str:
    """When a process began, where Linux tells: its number may be another's later."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _path(script: Script) -> Path:
    """The file that tells; another lecture, though of the same name, has another."""
    parts = [script.title, *(f"{step.kind} {step.text}" for step in script.steps)]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(folder) / f"seqlab-{user}" / f"{script.name[:60]}-{digest}.json"


def _is_private(folder: Path) -> bool:
    """Whether nobody but this user can put anything into `folder`, which is made if need be."""
    if not hasattr(os, "getuid"):
        return False  # it cannot be told
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError:
        return False
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return mine and not stat.S_IMODE(found.st_mode) & 0o077
