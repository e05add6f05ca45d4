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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

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
            raise self.refused(line, told, _("a file of TOML")) from problem

    def script(self, name: str) -> Script:
        """The whole lecture."""
        top = self.content
        for key, value in top.items():
            if key not in _TOP or type(value) is not _TOP[key]:
                raise self.wrong(_Place(key), key, _listed(_TOP))
        if not top.get("title"):
            raise self.refused(1, "title", _('a title = "…" of the lecture'))
        if not top.get("step"):
            last = len(self.text.splitlines())
            raise self.refused(last, "[[step]]", _("at least one step"))
        steps: list[Step] = []
        note = ""
        for index, table in enumerate(top["step"]):
            if not isinstance(table, dict):
                raise self.wrong(_Place("step", index), "step", _("a table under [[step]]"))
            if set(table) == {"note"}:  # for the step that follows
                note = _joined(note, str(table["note"]))
                continue
            steps.append(self.step(index, table, note))
            note = ""
        if not steps:
            raise self.refused(1, "note", _("at least one step that shows something"))
        about, minutes = top.get("about", ""), top.get("minutes", 0)
        return Script(name, top["title"], about, minutes, tuple(steps))

    def step(self, index: int, table: Mapping[str, Any], note: str) -> Step:
        """One step of it."""
        here = _Place("step", index)
        kinds = [kind for kind in _KEYS if kind in table]
        if len(kinds) != 1:
            told = ", ".join(kinds) or "[[step]]"
            raise self.wrong(here, told, _("one of {names}").format(names=_listed(_KEYS)))
        kind: Any = kinds[0]
        known = {kind: str, "note": str, **_KEYS[kind]}
        for key, value in table.items():
            if key not in known:
                listed = _("one of {names}").format(names=_listed(known))
                raise self.wrong(here.inside(key), key, listed)
            if type(value) is not known[key]:
                needed = {str: _("a text"), bool: "true / false", int: _("a whole number")}
                expected = needed.get(known[key], _("a list"))
                raise self.wrong(here.inside(key), key, expected)
        at = here.inside(kind)
        if not table[kind].strip():
            raise self.wrong(at, kind, _("a text"))
        call = self.call(table["run"], at) if kind == "run" else None
        if kind == "source":
            self.checked(at, lambda: topics.source(table["source"]))
        choices = tuple(map(str, table.get("choices", ())))
        return Step(
            kind,
            table[kind],
            _joined(note, table.get("note", "")),
            call,
            table.get("predict", True),
            table.get("seconds", BREATH),
            choices,
            self.answer(here, table, choices) if kind == "ask" else 0,
            table.get("why", ""),
        )

    def call(self, text: str, at: "_Place") -> calls.Call:
        """The command line of a run: an experiment and its own options."""

        def parsed() -> calls.Call:
            words = shlex.split(text)
            return calls.parse(words[1:] if words[:1] == ["seqlab"] else words)

        call: calls.Call = self.checked(at, parsed)
        if call.json or call.exports or call.look != Look() or call.reads:
            expected = _("the experiment's own options: the lecture sees to the others")
            raise self.wrong(at, text, expected)
        return call

    def answer(self, here: "_Place", table: Mapping[str, Any], choices: tuple[str, ...]) -> int:
        """The index of the right choice of a question."""
        letters = string.ascii_lowercase[: len(choices)]
        at = here.inside("choices" if "choices" in table else "ask")
        if not 2 <= len(choices) <= 26:
            raise self.wrong(at, "choices", _("two of them at least"))
        given = table.get("answer", "").strip().lower()
        if len(given) != 1 or given not in letters:
            at = here.inside("answer" if "answer" in table else "ask")
            expected = _("a letter from a to {last}").format(last=letters[-1])
            raise self.wrong(at, "answer", expected)
        return letters.index(given)

    def checked(self, at: "_Place", understand: Callable[[], Any]) -> Any:
        """What `understand` gives; its error with the number of the line."""
        try:
            return understand()
        except (BadInput, ClickException, ValueError) as problem:  # shlex raises ValueError
            told = calls.explained(problem, "seqlab --help")
            raise self.wrong(at, told.wrong, told.expected, told.hint) from problem

    def wrong(self, at: "_Place", what: str, expected: str, hint: str = "") -> BadInput:
        return self.refused(at.line(self.text), what, expected, hint)

    def refused(self, line: int, what: str, expected: str, hint: str = "") -> BadInput:
        place = _("{file}, line {line}").format(file=self.file, line=line)
        return BadInput(f"{place}: {what}", expected, hint or "'seqlab lecture new FILE'")


class _Place(NamedTuple):
    """A key of the file, its step of that number, or the key `inner` of that step."""

    key: str
    step: int | None = None
    inner: str | None = None

    def inside(self, inner: str) -> "_Place":
        return self._replace(inner=inner)

    def line(self, text: str) -> int:
        """In which line of the file it stands.

        TOML's reader does not tell. But a key is there from the first line on up to which the file,
        read alone, has it; where a text of many lines begins is where the part before ends. That is
        slow, and asked only where something is wrong.
        """
        lines, before = text.splitlines(), 0
        for end in range(1, len(lines) + 1):
            try:
                content: Any = tomllib.loads("\n".join(lines[:end]))
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a text or a list
            found = content.get(self.key)
            if self.step is not None and isinstance(found, list):
                found = found[self.step] if len(found) > self.step else None
                if self.inner and isinstance(found, dict):
                    found = found.get(self.inner)
            if found is not None:
                return before + 1 if self.inner or self.step is None else end
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
