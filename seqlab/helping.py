"""The pages of help: the syllabus that bare `seqlab` prints, and one page a command."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from seqlab import catalogue
from seqlab.figures import glyphs, palette
from seqlab.figures.prose import Note, Title, Words, Wrapped
from seqlab.locale import N_, _

# What Typer says by itself, for the catalogue of sentences.
_TYPER = (
    N_("Show this message and exit."),
    N_("Install completion for the current shell."),
    N_("Show completion for the current shell, to copy it or customize the installation."),
)


class Entries:
    """Two columns: what is typed, and what it does."""

    def __init__(self, entries: Sequence[tuple[str, str]], typed_width: int) -> None:
        self.entries, self.typed_width = list(entries), typed_width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(self.typed_width, options.max_width // 2)
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(width=2)
        table.add_column(width=width, style=palette.style(console, "point"))
        table.add_column(ratio=1, overflow="fold")  # Chinese has long words: none may be cut off
        for typed, does in self.entries:
            fitted = [glyphs.fit(text, options.ascii_only) for text in (typed, does)]
            table.add_row("", *map(Wrapped, fitted))
        yield table


def syllabus(params: Sequence[Any]) -> RenderableType:
    """The stages of the course and, under each, its experiments with what the class will see."""
    parts: list[RenderableType] = [
        Title(_("seqlab: sequence models, seen at work in a terminal"), ""),
        Note(_("Usage: seqlab EXPERIMENT [OPTIONS], seqlab EXPERIMENT --help")),
        Text(),
    ]
    width = max(len(e.name) for e in catalogue.EXPERIMENTS) + 2
    for stage, title in catalogue.STAGES.items():
        found = [e for e in catalogue.EXPERIMENTS if e.stage == stage]
        if found:
            parts.append(Title(f"{stage}  {_(title)}"))
            parts.append(Entries([(e.name, _(e.line)) for e in found], width))
            parts.append(Text())
    if catalogue.TOOLS:
        parts.append(Title(_("And around them")))
        parts.append(Entries([(tool.name, _(tool.line)) for tool in catalogue.TOOLS], width))
        parts.append(Text())
    parts.append(Entries([_entry(p) for p in params], 22))
    return Group(*parts)


def group(path: str, text: str, lines: Mapping[str, str], params: Sequence[Any]) -> RenderableType:
    """A command of several: what it is, each of them with what it does, and its own options."""
    parts: list[RenderableType] = [Title(_("Usage: ") + f"{path} COMMAND [OPTIONS]"), Text()]
    for paragraph in text.split("\n\n"):
        line = " ".join(paragraph.split())
        parts += [Words(_(line)), Text()]
    width = max(map(len, lines)) + 2
    joined = {name: " ".join(line.split()) for name, line in lines.items()}
    entries = [(name, _(line)) for name, line in joined.items()]
    return Group(*parts, Entries(entries, width), Text(), Entries([_entry(p) for p in params], 28))


def command(path: str, text: str, params: Sequence[Any], common: Collection[str]) -> RenderableType:
    """One command: how to call it, what it is, its own options, and those that all have."""
    arguments = [p for p in params if p.param_type_name == "argument"]
    own = [p for p in params if p not in arguments and p.name not in {*common, "help"}]
    shared = [p for p in params if p not in arguments and p.name in {*common, "help"}]
    own += [p for p in shared if p.name == "seed"]
    names = [(p.display_name_raw.upper(), p.required) for p in arguments]
    words = [path, "[OPTIONS]", *(name if needed else f"[{name}]" for name, needed in names)]
    parts: list[RenderableType] = [Title(_("Usage: ") + " ".join(words)), Text()]
    for paragraph in text.split("\n\n"):  # the catalogue has them one by one, each in one line
        line = " ".join(paragraph.split())
        parts += [Words(_(line)), Text()]
    rest = _("Every experiment") if "json" in {p.name for p in shared} else _("How it looks")
    for title, group in (("", arguments), (_("Options"), own), (rest, shared)):
        if group:
            parts += [Title(title)] if title else []
            parts += [Entries([_entry(p) for p in group], 28), Text()]
    return Group(*parts[:-1])


def _entry(param: Any) -> tuple[str, str]:
    text = str(param.help or "")
    does = " ".join([_(text), *_default(param)])
    if param.param_type_name == "argument":
        return param.display_name_raw.upper(), does
    names = "/".join([*sorted(param.opts, key=len), *param.secondary_opts])
    return f"{names} {_kind(param)}".rstrip(), does


def _kind(param: Any) -> str:
    """What is to be typed behind the option: its choices, its metavar, or its type."""
    if getattr(param, "is_flag", False):
        return ""
    if param.metavar:
        return str(param.metavar)
    if choices(param):
        return "|".join(choices(param))
    kind = str(param.type_descriptor.annotation)
    return "N" if "int" in kind else "X" if "float" in kind else "TEXT"


def choices(param: Any) -> list[str]:
    """The values of a parameter annotated with a Literal; none for any other."""
    found: list[str] = []
    pending = [param.type_descriptor.annotation]
    while pending:
        annotation = pending.pop()
        if get_origin(annotation) is Literal:
            found += map(str, get_args(annotation))
        else:
            pending += get_args(annotation)
    return found


def _default(param: Any) -> Iterator[str]:
    value = param.default
    if value is None or value is False or value == [] or callable(value):
        return
    shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if value is True:
        return
    yield _("[default: {value}]").format(value=shown)
