"""What a class sees of a lecture: for every step its screens. Nothing here waits for anybody."""

import contextlib
from collections.abc import Callable, Sequence
from itertools import pairwise

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from seqlab import emit, predict, topics
from seqlab.emit import Film, Look, Report
from seqlab.figures import glyphs
from seqlab.figures.listing import Listing
from seqlab.figures.markdown import Page
from seqlab.figures.prose import Note, Title, Verdict
from seqlab.lab import Question, Watch
from seqlab.lecture import checker
from seqlab.lecture.script import ROWS, Script, Step
from seqlab.locale import _


class Stage:
    """The steps of a lecture as screens; what was run is kept until it is run again.

    Args:
        drawn: the text that a screen becomes, whose lines are counted; else that of a terminal with
            all colours.
    """

    def __init__(
        self, script: Script, look: Look, drawn: Callable[[RenderableType], str] | None = None
    ) -> None:
        self.script, self.look = script, look
        self._drawn = drawn or (lambda screen: emit.ansi(screen, emit.width(look), look))
        self.films: dict[int, Film] = {}
        self._reports: dict[int, Report] = {}
        self._questions: dict[int, Question | None] = {}  # about the runs
        self._failures: dict[int, str] = {}

    def run(self, index: int, hidden: bool = False, watch: Watch | None = None) -> None:
        """Run a step that is a command, unless it was; one that fails leaves its reason.

        A result that cannot be asked about or drawn has failed too.
        Hidden, the views of a training go into a film, which can be shown after the answer. Where
        there is a `watch`, it is told how far the run got, instead of a progress bar.
        """
        call = self.script.steps[index].call
        if call is None or index in self._reports or index in self._failures:
            return
        film = Film() if hidden else None
        try:
            bar = (
                contextlib.nullcontext(watch) if watch else emit.progress(look=self.look, film=film)
            )
            with bar as told:
                result = call.result(told)
            report = call.report(result)
            emit.ansi(report.page(), emit.width(self.look), self.look)
            if self.script.steps[index].predict:
                self._questions[index] = call.question(result)
            self._reports[index] = report
            if film is not None:
                self.films[index] = film
        except Exception as problem:  # a lecture goes on, whatever it is
            self._failures[index] = str(problem) or type(problem).__name__

    def failure(self, index: int) -> str:
        """Why a step failed that was run; empty where it did not."""
        return self._failures.get(index, "")

    def forget(self, index: int) -> None:
        """Let the next :meth:`run` run it again."""
        self._reports.pop(index, None)
        self._failures.pop(index, None)

    def question(self, index: int) -> Question | None:
        """What the class is asked at this step; of a run that was made, about its result.

        Not of one that was stopped: nobody knows what it would have found.
        """
        step = self.script.steps[index]
        if step.kind == "ask":
            return step.question
        report = self._reports.get(index)
        if report is None or getattr(report.result, "stopped", False):
            return None
        return self._questions.get(index)

    def asked(self, index: int, question: Question) -> RenderableType:
        """The screen of a question."""
        return Group(predict.asked(question, self._command(index)), Text(), self._place(index))

    def shown(
        self,
        index: int,
        question: Question | None = None,
        votes: Sequence[int] | None = None,
        rows: int | None = ROWS + 2,
    ) -> list[RenderableType]:
        """The screens of a step; the last one answers its question, if it had one.

        What is taller than a terminal of so many rows becomes several screens.
        """
        step = self.script.steps[index]
        screens = [] if step.kind == "ask" else [self._content(step, index)]
        if question is not None:
            screens.append(predict.answered(question, votes, self._command(index)))
        return [part for screen in screens for part in self._framed(index, screen, rows)]

    def _content(self, step: Step, index: int) -> RenderableType:
        if step.kind == "say":
            return Page(step.text)
        if step.kind == "source":
            found = topics.source(step.text)
            return Listing(found.place, found.code)
        if index in self._reports:
            return self._reports[index].page()
        return self._instead(step, self.failure(index))

    def _instead(self, step: Step, reason: str) -> RenderableType:
        """What a step that failed falls back to: the recording of when it was checked."""
        failed = Verdict(_("This run failed: {reason}").format(reason=reason), False)
        width = emit.width(self.look)
        kept = checker.recording(step, width, self.look.theme)
        if kept is None:
            return Group(failed, Note(_("There is no recording of it: 'seqlab lecture check'.")))
        told = _("A RECORDING, made by 'seqlab lecture check' with seqlab {version}:")
        return Group(failed, Title(told.format(version=kept.version)), _Recorded(kept.screen))

    def _command(self, index: int) -> str:
        call = self.script.steps[index].call
        return "" if call is None else call.command

    def _place(self, index: int, part: str = "") -> Note:
        """Where in the lecture it is."""
        return Note(f"{self.script.title} · {index + 1}/{len(self.script.steps)}{part}")

    def _framed(self, index: int, screen: RenderableType, rows: int | None) -> list[RenderableType]:
        """A screen, and below it its place, where there is room; or parts of it, if it must be."""
        place = self._place(index)
        whole: list[RenderableType] = [Group(screen, Text(), place), Group(screen, place), screen]
        if rows is None:
            return whole[:1]
        room = rows - 1  # in the last one the cursor stands
        for each in whole:
            if len(self._lines(each)) <= room:
                return [each]
        below = len(self._lines(self._place(index, " (99/99)")))
        breaks = _breaks(self._lines(screen), max(2, room - below))
        last = len(breaks) - 1
        return [
            Group(_Part(screen, start, stop), self._place(index, f" ({n}/{last})"))
            for n, (start, stop) in enumerate(pairwise(breaks), 1)
        ]

    def _lines(self, screen: RenderableType) -> list[str]:
        """The lines of a screen as it is drawn."""
        return self._drawn(screen).rstrip("\n").split("\n")


def _breaks(lines: Sequence[str], room: int) -> list[int]:
    """Where to break off, 0 and the end included: at an empty line, where there is one."""
    found = [0]
    while len(lines) - found[-1] > room:
        stop = found[-1] + room
        empty = (i + 1 for i in range(stop - 1, stop - room // 2, -1) if not lines[i].strip())
        found.append(next(empty, stop))
    return [*found, len(lines)]


class _Part:
    """Some of the lines of a screen."""

    def __init__(self, screen: RenderableType, start: int, stop: int) -> None:
        self.screen, self.start, self.stop = screen, start, stop

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.screen, options, pad=False)
        yield emit.Lines(lines[self.start : self.stop])


class _Recorded:
    """A screen that was kept, in its colours; a file may have been changed by anybody."""

    def __init__(self, screen: str) -> None:
        self.screen = screen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in Text.from_ansi(self.screen).split("\n"):
            parts = line.render(console)
            fitted = ((glyphs.fit(part.text, options.ascii_only), part.style) for part in parts)
            yield Text.assemble(*((text, style or "") for text, style in fitted))
