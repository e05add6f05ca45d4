"""The source of a topic: the page of equations, or the experiment, as it runs.

A page of the book holds the equations of one architecture with the shapes of all that is in them.
TOPIC.NAME is one function or class of it. With --plain nothing but the text of the file.
"""

import ast
from typing import Annotated

import typer
from rich.syntax import Syntax

from seqlab import emit, topics
from seqlab.emit import Look
from seqlab.figures import glyphs
from seqlab.figures.prose import Note
from seqlab.lab import BadInput
from seqlab.locale import N_, _


def run(
    topic: Annotated[str, typer.Argument(help=N_("For example lstm, lstm.step, vanish."))],
    *,
    plain: Annotated[
        bool, typer.Option("--plain", help=N_("The text alone, byte by byte, to copy it."))
    ] = False,
    look: Look,
) -> None:
    """Print the source of a topic, or of one name in it.

    Raises:
        BadInput: there is no such topic, or no such name in it.
    """
    name, _dot, inner = topic.partition(".")
    path = topics.source(topics.find(name))
    text = path.read_text(encoding="utf-8")
    first, code = (1, text) if not inner else _part(text, inner, topic)
    if plain:
        emit.put(code.rstrip("\n"))
        return
    room = path.parent.name
    emit.put_figure(Note(f"seqlab/{room}/{path.name}" + (f":{first}" if inner else "")), look)
    emit.put_figure(_highlighted(code, look), look)


def _part(text: str, name: str, topic: str) -> tuple[int, str]:
    """A function, class or constant of a file: its first line's number, and its lines."""
    found: dict[str, tuple[int, int]] = {}
    for node in ast.parse(text).body:
        named = getattr(node, "name", None)
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = [named] if named else [t.id for t in targets if isinstance(t, ast.Name)]
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])
        found |= {n: (first, node.end_lineno or first) for n in names}
    if name not in found:
        public = [n for n in found if not n.startswith("_")]
        module = topic.partition(".")[0]
        raise BadInput(
            topic, _("one of {names}").format(names=", ".join(public)), f"{module}.{public[0]}"
        )
    first, last = found[name]
    return first, "\n".join(text.splitlines()[first - 1 : last]) + "\n"


def _highlighted(code: str, look: Look) -> Syntax:
    """The code in colours of the terminal's own, which suit its ground."""
    lines = [glyphs.fit(line, look.ascii) for line in code.split("\n")]
    theme = "ansi_light" if look.theme == "light" else "ansi_dark"
    return Syntax("\n".join(lines).rstrip("\n"), "python", theme=theme, word_wrap=True)
