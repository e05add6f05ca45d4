"""A lecture in front of a class: step by step, at the pace of the people, not of the machine.

Enter shows what comes next; b, g, r and q go back, go to a step, run again and quit; ? lists them.
"""

import contextlib
import importlib
import shutil
import sys
import threading
import time

from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import emit, predict
from seqlab.emit import Look
from seqlab.figures import glyphs
from seqlab.figures.prose import Note
from seqlab.helping import Entries
from seqlab.lab import BadInput, Question
from seqlab.lecture import keys, notes
from seqlab.lecture.script import COLUMNS, ROWS, Script
from seqlab.lecture.stage import Stage
from seqlab.locale import _

_LONGEST = 100  # characters of a line that is typed
_PATIENCE = 1.0  # seconds after which somebody presses a key to see whether anything happens


class _Left(Exception):
    """The lecture is left."""


def play(script: Script, look: Look, start: int = 1, auto: float | None = None) -> None:
    """Play a lecture from step `start` on; with `auto` it goes on by itself after so many seconds.

    Raises:
        BadInput: there is no such step, or no terminal.
    """
    if not 1 <= start <= len(script.steps):
        steps = _("a step from 1 to {last}").format(last=len(script.steps))
        raise BadInput(f"--from {start}", steps)
    if auto is None:
        keys.require_terminal()
    # While the speaker begins, torch is loaded: the first step that needs it need not wait.
    threading.Thread(target=_load_torch, daemon=True).start()
    if not sys.stdout.isatty():
        auto = 0.0  # nobody reads along
    with notes.told(script) as tell, keys.listening() as keyboard:
        _Player(script, look, auto, tell, keyboard).play(start - 1)


def _load_torch() -> None:
    with contextlib.suppress(Exception):  # the step that needs it will say
        importlib.import_module("torch")


class _Player:
    def __init__(
        self,
        script: Script,
        look: Look,
        auto: float | None,
        tell: notes.Tell,
        keyboard: keys.Keyboard,
    ) -> None:
        self.script, self.look, self.auto, self.tell = script, look, auto, tell
        self.keyboard = keyboard
        self.stage = Stage(script, look, lambda screen: emit.rendered(screen, look))
        self.answers: dict[int, list[int] | None] = {}

    def play(self, index: int) -> None:
        """From one step to the next until the last, or until it is left."""
        try:
            self.measure()
            while index < len(self.script.steps):
                self.tell(index)
                index = self.step(index)
        except _Left:
            return
        self.put(Note(_("The end of the lecture.")))

    def measure(self) -> None:
        """Say so, before anything scrolls away, while the terminal has too few rows."""
        command: keys.Command = "resized"
        while self.auto is None and command == "resized":
            rows = _rows()
            if rows >= ROWS:
                return
            told = _("This terminal has {rows} rows, and screens up to {most}: enlarge it. Enter.")
            command = self.wait(Note(told.format(rows=rows, most=ROWS)))
        if command == "quit":
            raise _Left

    def step(self, index: int) -> int:
        """One step, until a key leads to another: the index of that."""
        emit.clear(self.look)
        step = self.script.steps[index]
        if step.call is not None:
            self.put(Note(f"$ {step.call.command}"))
        began = time.monotonic()
        self.stage.run(index, hidden=step.predict)
        if time.monotonic() - began > _PATIENCE:
            self.keyboard.pressed()  # whoever pressed a key had not seen the question yet
        question = self.stage.question(index)
        self.tell(index, question)
        if question is not None and index not in self.answers:
            found = self.ask(index, question)
            if found is not None:
                return found
            film = self.stage.films.pop(index, None)
            if film is not None:
                emit.clear(self.look)
                told = _("How it learned, faster than it did: any key goes on.")
                film.play(self.look, told, self.keyboard.pressed)
        at, screens = 0, self.screens(index, question)
        while True:
            command = self.wait(screens[at])
            if command == "resized":
                screens = self.screens(index, question)
                at = min(at, len(screens) - 1)
                continue
            at += {"next": 1, "back": -1}.get(command, 0)
            if not 0 <= at < len(screens):
                return max(0, index + (1 if at > 0 else -1))
            found = self.led(index, command)
            if found is not None:
                return found

    def screens(self, index: int, question: Question | None) -> list[RenderableType]:
        """The screens of a step on this terminal."""
        rows = _rows() if sys.stdout.isatty() else None
        return self.stage.shown(index, question, self.answers.get(index), rows)

    def ask(self, index: int, question: Question) -> int | None:
        """Keep what the class predicts; or the index of the step that a key leads to instead."""
        asked = self.stage.asked(index, question)
        letters = predict.letters(question)
        below: list[RenderableType] = []
        while True:
            command, typed = self.line(Group(asked, *below), letters)
            below = []
            if command == "next":
                try:
                    self.answers[index] = predict.votes(typed, question)
                    return None
                except BadInput as problem:
                    below = [Note(str(problem))]
            elif command == "help":
                below = [_help(letters)]
            elif command == "back":
                return max(0, index - 1)
            else:
                found = self.led(index, command)
                if found is not None:
                    return found

    def led(self, index: int, command: keys.Command) -> int | None:
        """The step that a key leads to from anywhere in this one; None where it is none."""
        if command == "quit":
            raise _Left
        if command == "again":
            self.stage.forget(index)
            self.answers.pop(index, None)
            return index
        return self.go() if command == "go" else None

    def go(self) -> int | None:
        """The step that is asked for; None where it is none."""
        last = len(self.script.steps)
        asked = _("Go to which step, 1 to {last}? Enter alone stays here.").format(last=last)
        below: list[RenderableType] = []
        while True:
            command, typed = self.line(Group(Note(asked), *below))
            number = keys.letter(typed).strip()
            if command != "next" or not number:
                return None
            if number.isdecimal() and 1 <= int(number) <= last:
                return int(number) - 1
            steps = _("a step from 1 to {last}").format(last=last)
            below = [Note(str(BadInput(repr(number), steps)))]

    def wait(self, screen: RenderableType) -> keys.Command:
        """Show a screen; what the next key asks for. Help stands in its place until asked again."""
        helped = False
        self.draw(screen)
        while True:
            command = keys.command(self.keyboard.key(self.auto))
            if command == "help":
                helped = not helped
                self.draw(_help() if helped else screen)
            elif command is not None:
                return command

    def line(self, prompt: RenderableType, letters: str = "") -> tuple[keys.Command, str]:
        """A line that is typed, with "next"; at its beginning a key may be a command instead.

        It is one unless it is one of the letters, or a space, as somebody may type before them.
        """
        typed = ""
        self.draw(prompt)
        while True:
            key = self.keyboard.key(self.auto)
            command = keys.command(key)
            if key in keys.ENTER:
                return "next", typed
            if key == keys.END:
                return "quit", ""
            if key in keys.ERASE:
                typed = typed[:-1]
            elif key == keys.ERASE_ALL:
                typed = ""
            elif key.isspace() and not typed:
                continue
            elif command != "resized":
                if command is not None and not typed and keys.letter(key) not in letters:
                    return command, ""
                if key.isprintable() and len(typed) < _LONGEST:
                    typed += key
                    self.put(self.echo(key))
                continue
            self.draw(prompt)
            self.put(self.echo(typed))

    def echo(self, typed: str) -> RenderableType:
        """What was typed, without the end of the line."""
        seven_bit = self.look.ascii or not emit.is_unicode(sys.stdout)
        return Text(glyphs.fit(typed, seven_bit), end="")

    def draw(self, screen: RenderableType) -> None:
        emit.clear(self.look)
        self.put(screen)

    def put(self, renderable: RenderableType) -> None:
        emit.put_figure(renderable, self.look)


def _rows() -> int:
    return shutil.get_terminal_size((COLUMNS, ROWS)).lines


def _help(letters: str = "") -> RenderableType:
    """The keys; at a question without those that are letters of its choices."""
    onward = (_("Enter, space, →"), _("what comes next"))
    if letters:
        onward = (_("Enter"), _("answer with what is typed; alone, show the answer"))
    others = [("g", _("go to a step")), ("r", _("run this step again")), ("q", _("quit"))]
    free = [(key, does) for key, does in others if key not in letters]
    return Entries([onward, ("←" if "b" in letters else "b, ←", _("back")), *free], 16)
