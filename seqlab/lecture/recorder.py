"""A lecture without a speaker: the screens that a class would see, as a file.

.cast is asciicast v2, which asciinema plays; .html and .svg show one screen below the other; .txt
is plain. The same lecture gives the same bytes, whatever the machine did meanwhile: how long a
screen stands in a .cast is what reading it takes, not what computing it took.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import emit
from seqlab.emit import Look
from seqlab.lab import BadInput
from seqlab.lecture.script import Script
from seqlab.lecture.stage import Stage
from seqlab.locale import _

SUFFIXES = (".cast", ".html", ".svg", ".txt")
ROWS = 40  # of a projector
_SECONDS = 2.0  # that any screen stands
_READING = 60.0  # characters that are read in a second

Tell = Callable[[int, int], None]  # told the number of the step, and of all


def screens(script: Script, look: Look, tell: Tell) -> Iterator[tuple[int, RenderableType]]:
    """The index of a step and a screen of it, one after the other; questions before answers.

    Raises:
        BadInput: a step failed.
    """
    stage = Stage(script, look)
    for index in range(len(script.steps)):
        tell(index + 1, len(script.steps))
        stage.run(index, hidden=True)
        failure = stage.failure(index)
        if failure:
            step = _("step {n}: {failure}").format(n=index + 1, failure=failure)
            raise BadInput(step, "", f"'seqlab lecture check {script.name}'")
        question = stage.question(index)
        if question is not None:
            yield index, stage.asked(index, question)
        for screen in stage.shown(index, question):
            yield index, screen


def record(script: Script, look: Look, path: Path, tell: Tell) -> None:
    """Write the whole lecture to one file, by its suffix.

    Raises:
        BadInput: a step failed.
        OSError: the file cannot be written.
    """
    shown = [screen for _index, screen in screens(script, look, tell)]
    if path.suffix.lower() == ".cast":
        emit.write_whole(path, _cast(script, look, shown))
    else:
        page = Group(*(part for screen in shown for part in (screen, Text())))
        emit.write_whole(path, emit.drawn(page, look, path.suffix.lower(), script.title))


def export(script: Script, look: Look, pattern: Path, tell: Tell) -> list[Path]:
    """Write every screen to a file of its own: page.svg gives page-01.svg, page-02.svg, ..."""
    suffix, written = pattern.suffix.lower(), []
    shown = list(screens(script, look, tell))
    for number, (_index, screen) in enumerate(shown, 1):
        path = pattern.with_name(f"{pattern.stem}-{number:0{len(str(len(shown)))}}{suffix}")
        emit.write_whole(path, emit.drawn(screen, look, suffix, script.title))
        written.append(path)
    return written


def _cast(script: Script, look: Look, shown: list[RenderableType]) -> str:
    """A header, then a line [seconds, "o", what the terminal gets] for each screen (version 2)."""
    width = emit.width(look)
    texts = [emit.ansi(screen, width, look) for screen in shown]
    rows = max([ROWS, *(text.count("\n") + 1 for text in texts)])
    header = {"version": 2, "width": width, "height": rows, "title": script.title}
    lines, now = [json.dumps(header, ensure_ascii=False)], 0.0
    for text in texts:
        output = emit.CLEAR + text.replace("\n", "\r\n")
        lines.append(json.dumps([round(now, 2), "o", output], ensure_ascii=False))
        now += _SECONDS + len(Text.from_ansi(text).plain.split()) * 6 / _READING
    lines.append(json.dumps([round(now, 2), "o", ""]))
    return "\n".join(lines) + "\n"
