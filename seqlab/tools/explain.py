"""What a topic is about, on one screen: the idea, the equation, what to try, what to look for.

A topic is an experiment, a page of the book, or a word for one of them. Without one: the list.
"""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import catalogue, emit, topics
from seqlab.emit import Look
from seqlab.figures.markdown import Page
from seqlab.figures.prose import Title
from seqlab.helping import Entries
from seqlab.locale import N_, _


def run(
    topic: Annotated[
        str | None, typer.Argument(help=N_("For example attention, vanish, lstm."))
    ] = None,
    *,
    look: Look,
) -> None:
    """Print what a topic is about.

    Raises:
        BadInput: there is no such topic.
    """
    if topic is None:
        emit.put_figure(contents(_headline), look)
    else:
        emit.put_figure(Page(topics.text(topics.find(topic))), look)


def contents(about: Callable[[str], str]) -> RenderableType:
    """All topics, each with what `about` says of it."""
    parts: list[RenderableType] = []
    experiments = [e.name for e in catalogue.EXPERIMENTS]
    for title, names in ((_("Experiments"), experiments), (_("Pages"), topics.pages())):
        lines = [(name, about(name)) for name in names]
        parts += [Title(title), Entries(lines, max(map(len, names)) + 2), Text()]
    return Group(*parts[:-1])


def _headline(topic: str) -> str:
    """The first line of its text."""
    return topics.text(topic).partition("\n")[0].lstrip("# ")
