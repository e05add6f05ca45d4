"""Lectures of seqlab's commands: four that follow the course, and your own.

A lecture is a file of steps: words, commands, questions, pages of source. It is played at the pace
of the class, which predicts what a command will show before it sees it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import emit, predict
from seqlab.emit import Look
from seqlab.figures.markdown import Page
from seqlab.figures.prose import Note, Title, Verdict, Words
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput
from seqlab.lecture import checker, notes, player, recorder, script
from seqlab.lecture.script import Step
from seqlab.locale import N_, _, ngettext

Name = Annotated[str, typer.Argument(help=N_("A lecture of the list, or a file of your own."))]


def lectures(*, look: Look) -> None:
    """The lectures that seqlab brings."""
    table = [script.load(name) for name in script.names()]
    columns: list[Column | str] = [
        Column(_("lecture"), "left"), Column(_("title"), "left"), _("minutes"), _("steps")
    ]  # fmt: skip
    rows = [[each.name, each.title, str(each.minutes), str(len(each.steps))] for each in table]
    emit.put_figure(Table(columns, rows), look)
    emit.put_figure(Note(_("'seqlab lecture play NAME' begins one.")), look)


def show(name: Name, *, look: Look) -> None:
    """All of a lecture as a text: its steps, its notes, its own questions with their answers.

    What a command asks is known when it runs: then the notes in a second terminal have the answer.
    """
    found = script.load(name)
    parts: list[RenderableType] = [Title(found.title), Words(found.about), Text()]
    for number, step in enumerate(found.steps, 1):
        parts += [*_written(number, step), Text()]
    emit.put_figure(Group(*parts[:-1]), look)


def play(
    name: Name,
    *,
    start: Annotated[
        int, typer.Option("--from", min=1, metavar="STEP", help=N_("The step to begin with."))
    ] = 1,
    auto: Annotated[
        float | None,
        typer.Option("--auto", min=0.1, metavar="SECONDS", help=N_("Go on without keys.")),
    ] = None,
    speaker: Annotated[
        bool,
        typer.Option(
            "--notes", help=N_("Notes and clock only: for a second terminal, it follows the first.")
        ),
    ] = False,
    look: Look,
) -> None:
    """Play a lecture: Enter shows what comes next, ? lists the other keys."""
    if speaker and (start != 1 or auto is not None):
        raise BadInput("--notes", _("neither --from nor --auto beside it"))
    found = script.load(name)
    if speaker:
        notes.follow(found, look)
    else:
        player.play(found, look, start, auto)


def check(name: Name, *, look: Look) -> int:
    """Run every step and time it, without the network; keep its screen in case it fails in class.

    The exit status is 1 where a step fails, or takes longer than a class waits (10 seconds, or what
    the step says).
    """
    found, failed, seconds = script.load(name), 0, 0.0
    for checked in checker.check(found, look):
        failed += not checked.passed
        seconds += checked.seconds
        if checked.step.call is not None or not checked.passed:
            emit.put_figure(Verdict(_told(checked), checked.passed), look)
    told = _("all steps run") if not failed else ngettext("{n} fails", "{n} fail", failed)
    line = _("{title}: {told}, {seconds} s in all")
    told = told.format(n=failed)
    emit.put_figure(Note(line.format(title=found.title, told=told, seconds=f"{seconds:.1f}")), look)
    return int(bool(failed))


def record(
    name: Name,
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help=N_("A .cast .html .svg or .txt file.")),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            metavar="FILE",
            help=N_("Every screen by itself: page.svg gives page-01.svg, page-02.svg, ..."),
        ),
    ] = None,
    look: Look,
) -> int:
    """Write a lecture as a file that plays (asciinema), or as pages.

    The bytes are the same each time, except where a step measures times.
    """
    if output is None and export is None:
        raise BadInput(
            "lecture record", _("-o FILE or --export FILE"), f"-o {Path(name).stem}.cast"
        )
    for path, endings in ((output, recorder.SUFFIXES), (export, recorder.SUFFIXES[1:])):
        if path is not None:
            emit.check_file(path, endings)
    found = script.load(name)
    try:
        with emit.progress(look=look) as watch:
            look = replace(look, width=look.width or script.COLUMNS)  # whatever this terminal has
            shown = recorder.screens(found, look, watch)
    except recorder.Failed as problem:
        emit.error(str(problem), look)
        return 1
    if export is not None:  # it may refuse, and then nothing is written
        recorder.export(found, look, shown, export)
    if output is not None:
        recorder.record(found, look, shown, output)
    return 0


def new(
    file: Annotated[Path, typer.Argument(help=N_("The file to write, FILE.toml."))], *, look: Look
) -> None:
    """Write a lecture of four steps, with comments, to begin with."""
    emit.check_file(file, (".toml",))
    if file.exists():
        raise BadInput(str(file), _("a file that does not exist yet"), f"new-{file.name}")
    emit.write_whole(file, script.template())
    emit.put_figure(Note(_("'seqlab lecture play {file}' shows it.").format(file=file)), look)


COMMANDS = {
    "list": lectures, "show": show, "play": play, "check": check, "record": record, "new": new
}  # fmt: skip


def _told(checked: checker.Checked) -> str:
    """How a step went, in one line."""
    step = checked.step
    line = f"{checked.number}  {checked.seconds:.1f} s  {step.text}"
    if checked.failure:
        return f"{line}: {checked.failure}"
    if checked.slow:
        return line + _(", more than {seconds} s").format(seconds=step.seconds)
    return line


def _written(number: int, step: Step) -> list[RenderableType]:
    """One step as a text."""
    head = {"say": "", "run": "$ seqlab ", "source": "seqlab source ", "ask": ""}[step.kind]
    parts: list[RenderableType] = [Title(f"{number}  {step.kind}")]
    parts.append(Page(step.text) if step.kind == "say" else Words(head + step.text))
    for i, letter in enumerate(predict.letters(step.question)):
        mark = "✓" if i == step.answer else " "
        parts.append(Words(f"  {mark} {letter}  {step.choices[i]}"))
    parts += [Words(step.why)] if step.why else []
    return parts + ([Text(), Note(_("for the speaker:")), Page(step.note)] if step.note else [])
