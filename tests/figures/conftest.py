"""Consoles of every kind, and what holds for any drawing on them."""

import io
import re
import unicodedata

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment

from seqlab.figures import palette

SGR = re.compile(r"\x1b\[[0-9;]*m")


class AsciiConsole(Console):
    """A console on a 7-bit line."""

    encoding = "ascii"


def make_console(width=80, colours="truecolor", plain=False, ground="dark"):
    return (AsciiConsole if plain else Console)(
        file=io.StringIO(),
        width=width,
        color_system=colours,
        force_terminal=True,
        theme=palette.theme(ground),
        _environ={},
    )


@pytest.fixture(scope="session")
def console():
    return make_console


@pytest.fixture(scope="session")
def draw():
    """The lines that a figure prints, without their codes, after a check of what always holds."""

    def check(figure, width=80, colours=None, plain=False, ground="dark"):
        target = make_console(width, colours, plain, ground)
        target.print(figure)
        raw = target.file.getvalue()
        text = SGR.sub("", raw)
        assert colours is not None or raw == text, "codes on a console without colours"
        assert not plain or text.isascii()
        assert not [c for c in text if c != "\n" and unicodedata.category(c)[0] == "C"]
        raw.encode()  # no lone surrogates
        lines = text.split("\n")[:-1]
        assert max(map(cell_len, lines), default=0) <= width
        return lines

    return check


@pytest.fixture(scope="session")
def cells():
    """The rows of a figure as lists of (character, style), a wide character in its first cell."""

    def split(figure, **options):
        target = make_console(**options)
        rows = []
        for line in Segment.split_lines(target.render(figure)):
            rows.append([(c, segment.style) for segment in line for c in segment.text])
        return rows

    return split
