"""The format of a lecture: a TOML file of steps.

    title = "Recurrence and its fading memory"
    minutes = 25

    [[step]]
    say = "# Why memory fades"          # Markdown

    [[step]]
    run = "vanish --steps 50"           # an experiment; nothing else can be run
    note = "Ask for a show of hands."   # for the speaker's eyes, in any step or as one

    [[step]]
    ask = "What would a larger weight do?"
    choices = ["the same", "the opposite"]
    answer = "b"
    why = "The product of more than ones grows."

    [[step]]
    source = "rnn.step"                 # a page of the book, or one function of it

A step is one of say, run, ask and source; `note` alone is for the step that follows it.
"""

import shlex
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from typer._click.exceptions import ClickException

from seqlab import calls, topics
from seqlab.emit import Look
from seqlab.lab import BadInput
from seqlab.locale import _, spoken

Kind = Literal["say", "run", "ask", "source"]

# The keys of a step by what it is, and the type of each; `note` may stand in any
_KEYS: Mapping[str, Mapping[str, type]] = {
    "say": {},
    "run": {"predict": bool, "seconds": int},
    "ask": {"choices": list, "answer": str, "why": str},
    "source": {},
}
_TOP: Mapping[str, type] = {"title": str, "about": str, "minutes": int, "step": list}
_HERE = Path(str(files("seqlab") / "lecture" / "scripts"))
BREATH = 10  # seconds that a class waits for a step without wondering


@dataclass(frozen=True)
class Step:
    """One step: its kind and its text, and what belongs to some kinds only."""

    kind: Kind
    text: str
    line: int  # where it begins in the file
    note: str = ""
    call: calls.Call | None = None  # of a run
    predict: bool = True  # whether a run is asked for before it is shown
    seconds: int = BREATH  # that a run may take
    choices: tuple[str, ...] = ()  # of a question
    answer: int = 0
    why: str = ""


@dataclass(frozen=True)
class Script:
    """A lecture."""

    name: str
    title: str
    about: str
    minutes: int
    steps: tuple[Step, ...]


def names() -> list[str]:
    """The lectures that seqlab brings, in the order of the course."""
    return ["recurrence", "attention", "transformer", "meaning"]


def path_of(name: str) -> Path:
    """The file of a lecture: one that seqlab brings, in the language spoken, or the user's own.

    Raises:
        BadInput: there is none.
    """
    if name in names():
        return _HERE / spoken() / f"{name}.toml"
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    wrong = _("no lecture {name}").format(name=repr(name))
    listed = _("one of {names}, or a file that ends in .toml").format(names=", ".join(names()))
    raise BadInput(wrong, listed, "'seqlab lecture list'")


def template() -> str:
    """A lecture to begin with."""
    return (_HERE.parent / "template.toml").read_text(encoding="utf-8")


def load(name: str) -> Script:
    """A lecture by its name or its file, understood as a whole: nothing of it is run.

    Raises:
        BadInput: it is none, or something in it is wrong; with the number of the line.
    """
    path = path_of(name)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise BadInput(str(path), _("a text file in UTF-8"), "'seqlab lecture new'") from problem
    return _Reader(path.name, text).script(name if name in names() else path.stem)


class _Reader:
    """Reads the text of one file, and knows in which line what stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        try:
            self.content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            line = _number_in(str(problem)) or len(text.splitlines())
            told = str(problem).partition(" (at")[0]
            raise self.wrong(line, told, _("a file of TOML")) from problem

    def script(self, name: str) -> Script:
        """The whole lecture."""
        top = self.content
        for key, value in top.items():
            if key not in _TOP or type(value) is not _TOP[key]:
                raise self.wrong(self.line(key), key, _listed(_TOP))
        if not top.get("title"):
            raise self.wrong(1, "title", _('a title = "…" of the lecture'))
        if not top.get("step"):
            raise self.wrong(len(self.text.splitlines()), "[[step]]", _("at least one step"))
        steps: list[Step] = []
        note = ""
        for index, table in enumerate(top["step"]):
            line = self.line("step", index)
            if not isinstance(table, dict):
                raise self.wrong(line, "step", _("a table under [[step]]"))
            if set(table) == {"note"}:  # for the step that follows
                note = _joined(note, str(table["note"]))
                continue
            steps.append(self.step(index, table, line, note))
            note = ""
        if not steps:
            raise self.wrong(1, "note", _("at least one step that shows something"))
        about, minutes = top.get("about", ""), top.get("minutes", 0)
        return Script(name, top["title"], about, minutes, tuple(steps))

    def step(self, index: int, table: Mapping[str, Any], line: int, note: str) -> Step:
        """One step of it."""
        kinds = [kind for kind in _KEYS if kind in table]
        if len(kinds) != 1:
            told = ", ".join(kinds) or "[[step]]"
            raise self.wrong(line, told, _("one of {names}").format(names=_listed(_KEYS)))
        kind: Any = kinds[0]
        known = {kind: str, "note": str, **_KEYS[kind]}
        for key, value in table.items():
            if key not in known:
                listed = _("one of {names}").format(names=_listed(known))
                raise self.wrong(self.line("step", index, key), key, listed)
            if type(value) is not known[key]:
                needed = {str: _("a text"), bool: "true / false", int: _("a whole number")}
                raise self.wrong(
                    self.line("step", index, key), key, needed.get(known[key], _("a list"))
                )
        at = self.line("step", index, kind)
        if not table[kind].strip():
            raise self.wrong(at, kind, _("a text"))
        call = self.call(table["run"], at) if kind == "run" else None
        if kind == "source":
            self.checked(at, lambda: topics.source(table["source"]))
        choices = tuple(map(str, table.get("choices", ())))
        return Step(
            kind,
            table[kind],
            line,
            _joined(note, table.get("note", "")),
            call,
            table.get("predict", True),
            table.get("seconds", BREATH),
            choices,
            self.answer(index, table, choices) if kind == "ask" else 0,
            table.get("why", ""),
        )

    def call(self, text: str, line: int) -> calls.Call:
        """The command line of a run: an experiment and its own options."""

        def parsed() -> calls.Call:
            words = shlex.split(text)
            return calls.parse(words[1:] if words[:1] == ["seqlab"] else words)

        call: calls.Call = self.checked(line, parsed)
        if call.json or call.exports or call.look != Look() or call.reads:
            expected = _("the experiment's own options: the lecture sees to the others")
            raise self.wrong(line, text, expected)
        return call

    def answer(self, index: int, table: Mapping[str, Any], choices: tuple[str, ...]) -> int:
        """The index of the right choice of a question."""
        letters = string.ascii_lowercase[: len(choices)]
        line = self.line("step", index, "choices" if "choices" in table else "ask")
        if not 2 <= len(choices) <= 26:
            raise self.wrong(line, "choices", _("two of them at least"))
        given = table.get("answer", "").strip().lower()
        if len(given) != 1 or given not in letters:
            line = self.line("step", index, "answer" if "answer" in table else "ask")
            expected = _("a letter from a to {last}").format(last=letters[-1])
            raise self.wrong(line, "answer", expected)
        return letters.index(given)

    def checked(self, line: int, understand: Any) -> Any:
        """What `understand` gives; its error with the number of the line."""
        try:
            return understand()
        except (BadInput, ClickException, ValueError) as problem:  # shlex raises ValueError
            told = calls.explained(problem, "seqlab --help")
            raise self.wrong(line, told.wrong, told.expected, told.hint) from problem

    def wrong(self, line: int, what: str, expected: str, hint: str = "") -> BadInput:
        place = _("{file}, line {line}").format(file=self.file, line=line)
        return BadInput(f"{place}: {what}", expected, hint or "'seqlab lecture new FILE'")

    def line(self, key: str, index: int | None = None, inner: str | None = None) -> int:
        """In which line a key stands, the `index`-th step, or the key `inner` of that step.

        TOML's reader does not tell. But the key is there from the first line on up to which the
        file, read alone, has it; where a text of many lines begins is where the part before ends.
        """
        lines, before = self.text.splitlines(), 0
        for end in range(1, len(lines) + 1):
            try:
                content: Any = tomllib.loads("\n".join(lines[:end]))
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a text or a list
            found = content.get(key)
            if index is not None and isinstance(found, list):
                found = found[index] if len(found) > index else None
                found = found.get(inner) if inner and isinstance(found, dict) else found
            if found is not None:
                return before + 1 if inner or index is None else end
            before = end
        return len(lines)


def _number_in(text: str) -> int | None:
    """The line that tomllib's message names."""
    digits = text.partition("line ")[2].partition(",")[0]
    return int(digits) if digits.isdigit() else None


def _joined(*notes: str) -> str:
    return "\n\n".join(note.strip() for note in notes if note.strip())


def _listed(keys: Mapping[str, Any]) -> str:
    return ", ".join(keys)
