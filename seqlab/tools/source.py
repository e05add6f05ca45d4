"""The source of a topic: the page of equations, or the experiment, as it runs.

A page of the book holds the equations of one architecture with the shapes of all that is in them.
TOPIC.NAME is one function or class of it. With --plain nothing but the text of the file. Without
a topic: the list.
"""

from typing import Annotated

import typer

from seqlab import emit, topics
from seqlab.emit import Look
from seqlab.figures.listing import Listing
from seqlab.locale import N_
from seqlab.tools.explain import contents


def run(
    topic: Annotated[
        str | None, typer.Argument(help=N_("For example lstm, lstm.step, vanish."))
    ] = None,
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
    if topic is None:
        emit.put_figure(contents(lambda name: topics.source(name).place), look)
        return
    found = topics.source(topic)
    if plain:
        emit.put(found.code.rstrip("\n"))
    else:
        emit.put_figure(Listing(found.place, found.code), look)
