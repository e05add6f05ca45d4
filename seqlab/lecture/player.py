"""A lecture in front of a class: step by step, at the pace of the people, not of the machine.

Enter shows what comes next; b, g, r and q go back, go to a step, run again and quit; ? lists them.
"""

import importlib
import threading

from rich.console import RenderableType

from seqlab import emit, predict
from seqlab.emit import Look
from seqlab.figures.prose import Note, Title
from seqlab.helping import Entries
from seqlab.lab import BadInput, Question
from seqlab.lecture import keys, notes
from seqlab.lecture.script import Script
from seqlab.lecture.stage import Stage
from seqlab.locale import _


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
    threading.Thread(target=importlib.import_module, args=("torch",), daemon=True).start()
    with keys.tidy(), notes.told(script) as tell:
        _Player(script, look, auto, tell).play(start - 1)


class _Player:
    def __init__(self, script: Script, look: Look, auto: float | None, tell: notes.Tell) -> None:
        self.script, self.look, self.auto, self.tell = script, look, auto, tell
        self.stage = Stage(script, look)
        self.talks = emit.converses()
        self.answers: dict[int, list[int] | None] = {}

    def play(self, index: int) -> None:
        """From one step to the next until the last, or until it is left."""
        try:
            while index < len(self.script.steps):
                self.tell(index)
                index = self.step(index)
        except _Left:
            return
        self.put(Note(_("The end of the lecture.")))

    def step(self, index: int) -> int:
        """One step, until a key leads to another: the index of that."""
        emit.clear(self.look)
        step = self.script.steps[index]
        if step.call is not None:
            self.put(Title("", f"$ {step.call.command}"))
        self.stage.run(index, hidden=step.predict)
        question = self.stage.question(index)
        if question is not None and index not in self.answers:
            self.answers[index] = self.answer(index, question)
            film = self.stage.films.pop(index, None)
            if film is not None:
                emit.clear(self.look)
                film.play(self.look)
        screens = self.stage.shown(index, question, self.answers.get(index))
        at = 0
        while True:
            self.draw(screens[at])
            key = self.wait()
            while key == "help":
                self.put(_help())
                key = self.wait()
            if key == "quit":
                raise _Left
            if key == "again":
                self.stage.forget(index)
                self.answers.pop(index, None)
                return index
            if key == "go":
                found = self.go()
                if found is not None:
                    return found
            at += {"next": 1, "back": -1}.get(key, 0)
            if not 0 <= at < len(screens):
                return max(0, index + (1 if at > 0 else -1))

    def answer(self, index: int, question: Question) -> list[int] | None:
        """What the class predicts."""
        prompt: RenderableType = self.stage.asked(index, question)
        emit.clear(self.look)
        if not self.talks or self.auto is not None:
            self.put(prompt)
            self.wait()
            return None
        while True:
            typed = emit.ask(prompt, self.look)
            if typed is None or typed.strip() == "q" > predict.letters(question)[-1]:
                raise _Left
            try:
                return predict.votes(typed, question)
            except BadInput as problem:
                prompt = Note(str(problem))

    def wait(self) -> keys.Key:
        if not self.talks:  # --auto into a pipe: nobody reads along
            return "next"
        return keys.wait(self.auto)

    def go(self) -> int | None:
        """The step that is asked for; None where it is none."""
        last = len(self.script.steps)
        typed = emit.ask(Note(_("Go to which step, 1 to {last}?").format(last=last)), self.look)
        number = (typed or "").strip()
        found = int(number) - 1 if number.isdecimal() else -1
        return found if 0 <= found < last else None

    def draw(self, screen: RenderableType) -> None:
        emit.clear(self.look)
        self.put(screen)

    def put(self, renderable: RenderableType) -> None:
        emit.put_figure(renderable, self.look)


def _help() -> RenderableType:
    return Entries(
        [
            (_("Enter, space, →"), _("what comes next")),
            ("b, ←", _("back")),
            ("g", _("go to a step")),
            ("r", _("run this step again")),
            ("q", _("quit")),
        ],
        16,
    )
