"""A lecture without a speaker: the screens that a class would see, as a file.

.cast is asciicast v2, which asciinema plays; .html and .svg show one screen below the other; .txt
is plain. The same lecture gives the same bytes, times apart that a step measures: how long a screen
stands in a .cast is what reading it takes, not what computing it took. The screens are drawn once,
whatever they are written to.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import emit
from seqlab.emit import Look
from seqlab.figures import glyphs
from seqlab.lab import Watch
from seqlab.lecture.script import ROWS, Script
from seqlab.lecture.stage import Stage
from seqlab.locale import _

SUFFIXES = (".cast", ".html", ".svg", ".txt")
_SECONDS = 2.0  # that any screen stands
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LETTERS_A_SECOND, _HAN_A_SECOND = 20.0, 8.0  # that are read


class Failed(Exception):
    """A step failed; the lecture itself is as it should be."""


def screens(script: Script, look: Look, watch: Watch) -> list[RenderableType]:
    """All screens of all steps in their order; questions before answers.

    Ctrl-C interrupts it: no file shows a training that was cut short.

    Raises:
        Failed: a step did.
    """
    stage, last = Stage(script, look), len(script.steps)
    shown: list[RenderableType] = []
    for index in range(last):
        told = _("step {n} of {last}").format(n=index + 1, last=last)
        watch(index / last, told)
        stage.run(index, watch=_within(watch, index, last, told))
        failure = stage.failure(index)
        if failure:
            pattern = _("step {n}: {failure}; try 'seqlab lecture check {name}'")
            raise Failed(pattern.format(n=index + 1, failure=failure, name=script.name))
        question = stage.question(index)
        if question is not None:
            shown.append(stage.asked(index, question))
        shown += stage.shown(index, question)
    return shown


def _within(watch: Watch, index: int, last: int, told: str) -> Watch:
    """The watch of one step of a lecture, which tells how far the lecture got."""
    return lambda done, doing, _view=None, /: watch((index + done) / last, f"{told}: {doing}")


def record(script: Script, look: Look, shown: Sequence[RenderableType], path: Path) -> None:
    """Write the screens of a lecture to one file, by its suffix.

    Raises:
        OSError: the file cannot be written.
    """
    if path.suffix.lower() == ".cast":
        emit.write_whole(path, _cast(script, look, shown))
    else:
        page = Group(*(part for screen in shown for part in (screen, Text())))
        emit.write_whole(path, emit.drawn(page, look, path.suffix.lower(), script.title))


def export(script: Script, look: Look, shown: Sequence[RenderableType], pattern: Path) -> None:
    """Write every screen to a file of its own: page.svg gives page-01.svg, page-02.svg, ...

    Raises:
        BadInput: one of the files could not be written; then none is.
        OSError: a file cannot be written.
    """
    suffix, digits = pattern.suffix.lower(), max(2, len(str(len(shown))))
    numbers = range(1, len(shown) + 1)
    paths = [pattern.with_name(f"{pattern.stem}-{n:0{digits}}{suffix}") for n in numbers]
    for path in paths:
        emit.check_file(path, SUFFIXES)
    for path, screen in zip(paths, shown):
        emit.write_whole(path, emit.drawn(screen, look, suffix, script.title))


def _cast(script: Script, look: Look, shown: Sequence[RenderableType]) -> str:
    """A header, then a line [seconds, "o", what the terminal gets] for each screen (version 2)."""
    width = emit.width(look)
    texts = [emit.ansi(screen, width, look) for screen in shown]
    rows = max([ROWS, *(text.count("\n") + 1 for text in texts)])
    title = glyphs.fit(script.title, look.ascii)
    header = {"version": 2, "width": width, "height": rows, "title": title}
    lines, now = [json.dumps(header, ensure_ascii=False)], 0.0
    for text in texts:
        output = emit.CLEAR + text.replace("\n", "\r\n")
        lines.append(json.dumps([round(now, 2), "o", output], ensure_ascii=False))
        now += _SECONDS + _reading(Text.from_ansi(text).plain)
    lines.append(json.dumps([round(now, 2), "o", ""]))
    return "\n".join(lines) + "\n"


def _reading(text: str) -> float:
    """The seconds in which a class reads a text: Chinese says more with fewer characters."""
    han = len(_HAN.findall(text))
    return han / _HAN_A_SECOND + (sum(map(str.isalnum, text)) - han) / _LETTERS_A_SECOND
