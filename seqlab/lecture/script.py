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

import contextlib
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

from seqlab import calls, predict, topics
from seqlab.lab import BadInput, Question
from seqlab.locale import N_, _, listed, spoken

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
COLUMNS, ROWS = 100, 40  # of a projector
BREATH = 10  # seconds that a class waits for a step without wondering
_LARGEST = 1 << 18  # bytes of a file
_LONGEST = 10_000  # minutes, or seconds of a step
_HINT = "'seqlab lecture new FILE'"

# What Python says of a text that is no TOML, and what to write instead; other versions of Python
# may say something else.
_ANY = N_("a file of TOML")
_TWO_BRACKETS = N_("[[step]], in two brackets, before each step")
_LINES = N_('a closing quote, or """ before and behind a text of several lines')
_TOML: Mapping[str, str] = {
    N_("Invalid value"): N_('a text in "quotes", a whole number, true, false, or a [list]'),
    N_("Invalid statement"): N_('a line such as say = "…"'),
    N_("Unterminated string"): N_("the same quotes behind a text as before it"),
    N_("Illegal character '\\n'"): _LINES,
    N_("Unescaped '\\' in a string"): N_("''' before and behind a text with a backslash"),
    N_("Unclosed array"): N_("a ] behind the list"),
    N_("Cannot overwrite a value"): N_("every key once under a [[step]]"),
    N_("Cannot declare ('step',) twice"): _TWO_BRACKETS,
    N_("Expected ']]' at the end of an array declaration"): _TWO_BRACKETS,
    N_("Expected '=' after a key in a key/value pair"): N_('a line such as say = "…"'),
    N_("Expected newline or end of document after a statement"): N_("a line for each key"),
}
# Texts and comments, in which no key of TOML stands
_TEXTS = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'{3}.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*''', re.S
)
_EQUALS = re.compile(r"[ \t]*=")  # behind a text: it is a key in quotes
_HEAD = re.compile(r"\s*(\[\[\s*step\s*]]|step\s*=)")


@dataclass(frozen=True)
class Step:
    """One step: its kind and its text, and what belongs to some kinds only."""

    kind: Kind
    text: str  # of a run, the command line behind `seqlab`
    note: str = ""
    call: calls.Call | None = None  # of a run
    predict: bool = True  # whether a run is asked for before it is shown
    seconds: int = BREATH  # that a run may take
    choices: tuple[str, ...] = ()  # of a question
    answer: int = 0
    why: str = ""

    @property
    def question(self) -> Question:
        """What the class is asked at a step that asks."""
        return Question(self.text, self.choices, self.answer, self.why)


@dataclass(frozen=True)
class Script:
    """A lecture."""

    name: str  # as it was asked for: one of the list, or a file
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
    with contextlib.suppress(OSError):  # a name too long
        if path.suffix.lower() == ".toml" and path.is_file():
            return path
    wrong = _("no lecture {name}").format(name=repr(name[:80]))
    close = get_close_matches(name, names(), n=1)
    expected = _("one of {names}, or a file that ends in .toml").format(names=listed(names()))
    raise BadInput(wrong, expected, *(close or ["'seqlab lecture list'"]))


def template() -> str:
    """A lecture to begin with, in the language spoken."""
    return (_HERE.parent / "templates" / f"{spoken()}.toml").read_text(encoding="utf-8")


def load(name: str) -> Script:
    """A lecture by its name or its file, understood as a whole: nothing of it is run.

    Raises:
        BadInput: it is none, or something in it is wrong; with the number of the line.
    """
    path = path_of(name)
    if path.stat().st_size > _LARGEST:
        most = _("at most {n} kB").format(n=_LARGEST // 1024)
        raise BadInput(str(path), most, "'seqlab lecture new'")
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin with a mark
    except UnicodeDecodeError as problem:
        raise BadInput(str(path), _("a text file in UTF-8"), "'seqlab lecture new'") from problem
    return _Reader(path.name, text).script(name)


class _Reader:
    """Reads the text of one file, and knows in which line what stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        try:
            self.content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            told, _at, place = str(problem).rpartition(" (at ")
            number = re.match(r"line (\d+)", place)
            expected = _(_TOML.get(told, _ANY))
            told = _(told) if told in _TOML else _("this is no TOML")
            line = int(number[1]) if number else self.last
            raise self.refused(line, told, expected) from problem
        except (ValueError, RecursionError) as problem:  # a number of 5000 digits, lists in lists
            told = _("too long a number, or too deep a list")  # nobody says in which line
            raise BadInput(f"{file}: {told}", _(_ANY), _HINT) from problem

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.text.removesuffix("\n").count("\n") + 1

    def script(self, name: str) -> Script:
        """The whole lecture."""
        top = self.content
        self.typed(None, top, _TOP)
        if not top.get("title", "").strip():
            raise self.refused(1, "title", _('a title = "…" of the lecture'))
        if not top.get("step"):
            raise self.refused(self.last, "[[step]]", _("at least one step"))
        steps: list[Step] = []
        note, alone = "", None
        for index, table in enumerate(top["step"]):
            if not isinstance(table, dict):
                raise self.wrong(_Place(index), "step", _("a table under [[step]]"))
            if set(table) == {"note"}:  # for the step that follows
                self.typed(index, table, {"note": str})
                note, alone = _joined(note, table["note"]), _Place(index, "note")
                continue
            steps.append(self.step(index, table, note))
            note, alone = "", None
        if alone is not None:
            raise self.wrong(alone, "note", _("a step that follows it"))
        about, minutes = top.get("about", ""), top.get("minutes", 0)
        return Script(name, top["title"], about, minutes, tuple(steps))

    def step(self, index: int, table: Mapping[str, Any], note: str) -> Step:
        """One step of it."""
        kinds = [kind for kind in _KEYS if kind in table]
        if not kinds:
            first = next((key for key in table if key != "note"), "")
            expected = _("one of {names}").format(names=listed(_KEYS))
            raise self.wrong(_Place(index, first), first or "[[step]]", expected)
        if len(kinds) > 1:
            expected = _("one of them, the other under a [[step]] of its own")
            raise self.wrong(_Place(index), listed(kinds), expected)
        kind: Any = kinds[0]
        self.typed(index, table, {kind: str, "note": str, **_KEYS[kind]})
        at = _Place(index, kind)
        if not table[kind].strip():
            raise self.wrong(at, kind, _("a text"))
        call = self.call(table["run"], at) if kind == "run" else None
        if kind == "source":
            self.checked(at, lambda: topics.source(table["source"]))
        choices = tuple(table.get("choices", ()))
        return Step(
            kind,
            table[kind] if call is None else call.command.removeprefix("seqlab "),
            _joined(note, table.get("note", "")),
            call,
            table.get("predict", True),
            table.get("seconds", BREATH),
            choices,
            self.answer(index, table, choices) if kind == "ask" else 0,
            table.get("why", ""),
        )

    def typed(self, step: int | None, table: Mapping[str, Any], known: Mapping[str, type]) -> None:
        """Refuse a key that is not known, and a value of another type than its key has."""
        for key, value in table.items():
            at = _Place(step, key)
            if key not in known:
                raise self.wrong(at, key, _("one of {names}").format(names=listed(known)))
            if key == "step" and isinstance(value, dict):
                raise self.wrong(at, "[step]", _(_TWO_BRACKETS))
            if type(value) is not known[key]:
                raise self.wrong(at, key, _needed(known[key], value))
            if type(value) is int and not 0 <= value <= _LONGEST:
                limits = _("a number from {low} to {high}").format(low=0, high=_LONGEST)
                raise self.wrong(at, key, limits)

    def call(self, text: str, at: "_Place") -> calls.Call:
        """The command line of a run: an experiment and its own options."""

        def parsed() -> calls.Call:
            words = shlex.split(text)
            return calls.parse(words[1:] if words[:1] == ["seqlab"] else words)

        call: calls.Call = self.checked(at, parsed)
        if call.dressed or call.reads:
            expected = _("the experiment's own options: the lecture sees to the others")
            raise self.wrong(at, text, expected)
        if call.options.get("save") is not None:
            raise self.wrong(at, text, _("a run that writes no file"))
        return call

    def answer(self, step: int, table: Mapping[str, Any], choices: tuple[Any, ...]) -> int:
        """The index of the right choice of a question."""
        letters = predict.letters(Question(table["ask"], choices, 0, ""))
        if "choices" not in table:
            raise self.wrong(_Place(step, "ask"), "ask", _('its choices = ["…", "…"]'))
        at = _Place(step, "choices")
        if not all(isinstance(choice, str) and choice.strip() for choice in choices):
            raise self.wrong(at, "choices", _("a list of texts"))
        if not 2 <= len(choices) <= 26:
            expected = _("from {low} to {high} of them").format(low=2, high=26)
            raise self.wrong(at, "choices", expected)
        given = table.get("answer", "").strip().lower()
        if len(given) != 1 or given not in letters:
            missing = "answer" not in table
            expected = (
                _('its answer = "…", a letter from a to {last}')
                if missing
                else _("a letter from a to {last}")
            )
            key = "ask" if missing else "answer"
            raise self.wrong(_Place(step, key), key, expected.format(last=letters[-1]))
        return letters.index(given)

    def checked(self, at: "_Place", understand: Callable[[], Any]) -> Any:
        """What `understand` gives; its error with the number of the line."""
        try:
            return understand()
        except (BadInput, calls.ClickException, ValueError) as problem:  # shlex raises ValueError
            context = getattr(problem, "ctx", None)  # of an experiment that was understood
            command = "seqlab" if context is None else context.command_path
            told = calls.explained(problem, f"{command} --help")
            raise self.wrong(at, told.wrong, told.expected, told.hint) from problem

    def wrong(self, at: "_Place", what: str, expected: str, hint: str = "") -> BadInput:
        return self.refused(at.line(self.text), what, expected, hint)

    def refused(self, line: int, what: str, expected: str, hint: str = "") -> BadInput:
        place = _("{file}, line {line}").format(file=self.file, line=line)
        return BadInput(f"{place}: {what}", expected, hint or _HINT)


class _Place(NamedTuple):
    """A step of that number, or a key of it; without a step, a key of the lecture."""

    step: int | None
    key: str = ""

    def line(self, text: str) -> int:
        """In which line of the file it stands; the reader of TOML does not tell.

        What was read is TOML: without its texts and comments, every key is what a line begins with.
        """

        def blank(found: re.Match[str]) -> str:
            is_key = _EQUALS.match(text, found.end())
            return found[0][1:-1] if is_key else '"' + "\n" * found[0].count("\n")

        lines = _TEXTS.sub(blank, text).split("\n")
        first, after = 0, len(lines)
        if self.step is not None:
            heads = [i for i, line in enumerate(lines) if _HEAD.match(line)]
            heads = heads[self.step :] or heads[:1] or [0]  # step = [{...}, {...}] is one head
            first, after = heads[0], heads[1] if len(heads) > 1 else after
        key = re.compile(rf"[\s\[]*(step\.)?{re.escape(self.key)}\s*[].=]")
        return next((i for i in range(first, after) if key.match(lines[i])), first) + 1


def _needed(kind: type, value: object) -> str:
    """How a value of that kind is written, where there is another one."""
    written: Mapping[type, str] = {
        str: _('a text in "quotes"'),
        list: _('a list: ["…", "…"]'),
        int: _("a whole number"),
        bool: "true / false",
    }
    if isinstance(value, str) and kind is not list:
        return _("{what}, without quotes").format(what=written[kind])
    return written[kind]


def _joined(*notes: str) -> str:
    return "\n\n".join(note.strip() for note in notes if note.strip())
