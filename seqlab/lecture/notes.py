"""The speaker's notes in a second terminal, which follows the first by a small file."""

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from seqlab import emit, predict
from seqlab.emit import Look
from seqlab.figures.markdown import Page
from seqlab.figures.prose import Note, Title
from seqlab.lab import BadInput, Question
from seqlab.lecture.script import Script
from seqlab.locale import N_, _


class Tell(Protocol):
    """Told which step a lecture is on, and what a run is about to ask."""

    def __call__(self, step: int, asks: Question | None = None, /) -> None: ...


_POLL = 0.25  # seconds between two looks at where the lecture is
_MOST = 16_384  # bytes that tell where it is, and more
_LONGEST = 600  # characters of a question
_KINDS = {"say": N_("say"), "run": N_("run"), "ask": N_("ask"), "source": N_("source")}


class _Where(NamedTuple):
    """The step that a lecture is on, when it began, and the process that plays it."""

    step: int
    begun: float
    pid: int
    born: str  # see _born
    asks: str  # the question and its answer, of a run


@contextlib.contextmanager
def told(script: Script) -> Iterator[Tell]:
    """While a lecture is played: a function that tells others on which step it is."""
    path, pid, begun = _path(script), os.getpid(), time.time()
    if not _is_private(path.parent):
        # whoever can write there could make us write elsewhere
        yield lambda step, asks=None, /: None
        return
    part = path.with_suffix(f".{pid}")

    def tell(step: int, asks: Question | None = None, /) -> None:
        said = [] if asks is None else [asks.text[:_LONGEST], *_answer(asks)]
        where = _Where(step, begun, pid, _born(pid), "\n".join(said))
        with contextlib.suppress(OSError):  # a full disk does not end a lecture
            part.write_text(json.dumps(where._asdict()))
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
        BadInput: others could write where the lecture would tell, or there is no terminal.
    """
    folder = _path(script).parent
    if not _is_private(folder):
        expected = _("a folder of your own that nobody else can write to")
        raise BadInput(str(folder), expected, f"chmod 700 {folder}")
    if not sys.stdout.isatty():
        raise BadInput("--notes", _("a terminal"), "'seqlab lecture show'")
    shown: object = ""  # nothing is
    played = False
    while True:
        where = _where(script)
        if where is None and played:
            emit.clear(look)
            emit.put_figure(Note(_("The lecture has ended.")), look)
            return
        now = time.time()
        seen = None if where is None else (where.step, where.asks, int(now - where.begun))
        if seen != shown:
            emit.clear(look)
            emit.put_figure(_waiting(script) if where is None else _notes(script, where, now), look)
            shown = seen
        played = played or where is not None
        time.sleep(_POLL)


def _notes(script: Script, where: _Where, now: float) -> RenderableType:
    """The clock, this step and what comes next, and as much of the notes as there are rows for."""
    index, last = where.step, len(script.steps)
    step = script.steps[index]
    parts: list[RenderableType] = [Title(_clock(script, now - where.begun), f"{index + 1}/{last}")]
    line = _("{kind}: {text}").format(kind=_(_KINDS[step.kind]), text=_line(step.text))
    parts.append(Note(line))
    asks = _answer(step.question) if step.kind == "ask" else where.asks.splitlines()
    parts += map(Note, asks)
    if index + 1 < last:
        after = script.steps[index + 1]
        line = _("next: {kind}: {text}").format(kind=_(_KINDS[after.kind]), text=_line(after.text))
        parts.append(Note(line))
    return _Top(Group(*parts, Text(), Page(step.note) if step.note else Note(_("(no notes)"))))


class _Top:
    """As much of something as the terminal has rows for: its beginning does not scroll away."""

    def __init__(self, whole: RenderableType) -> None:
        self.whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.whole, options, pad=False)
        rows = console.height - 1  # the cursor stands in the last one
        fits = len(lines) <= rows
        yield emit.Lines(lines if fits else lines[: rows - 1])
        if not fits:
            yield Note(_("(there is more of it: enlarge this terminal)"))


def _answer(question: Question) -> list[str]:
    """The right answer, and why it is right."""
    letter, choice = predict.letters(question)[question.answer], question.choices[question.answer]
    right = _("The answer: {right}").format(right=f"{letter}  {choice}")
    return [line[:_LONGEST].replace("\n", " ") for line in (right, question.why) if line]


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
    if types != (int, float, int, str, str) or where.step < 0 or not 0 < where.pid < 2**31:
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
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK)):  # as after su, or in a container
        folder = tempfile.gettempdir()
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(folder) / f"seqlab-{user}" / f"{digest}.json"


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
