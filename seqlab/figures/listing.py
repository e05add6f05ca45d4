"""Source code in the colours of the terminal, which suit its ground."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.syntax import Syntax
from rich.text import Text

from seqlab.figures import glyphs, palette
from seqlab.figures.prose import Note


class Listing:
    """Lines of Python, and where they stand.

    Args:
        place: the file, and the line.
        code: the text; what is longer than a line is wrapped, and the rest indented.
    """

    def __init__(self, place: str, code: str) -> None:
        self.place, self.code = place, code

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [glyphs.fit(line, options.ascii_only) for line in self.code.rstrip().split("\n")]
        theme = f"ansi_{palette.ground(console)}"
        yield Note(self.place)
        code = Syntax("", "python", theme=theme).highlight("\n".join(lines))
        code.rstrip()  # it ends with a line break of its own
        for line in code.split("\n", allow_blank=True):
            yield from _hanging(line, console, options.max_width)


def _hanging(line: Text, console: Console, width: int) -> Iterable[Text]:
    """The line; of one that is too long the rest is indented further than its beginning."""
    line.rstrip()
    if line.cell_len <= width:
        return [line]
    indent = min(len(line.plain) - len(line.plain.lstrip()), width // 2)
    parts = line[indent:].wrap(console, max(1, width - indent - 4))
    return [Text(" " * (indent + (4 if i else 0))) + part for i, part in enumerate(parts)]


def demo() -> Iterable[object]:
    """One equation."""
    yield Listing("seqlab/book/rnn.py:1", "def step(p, h, x):\n    return tanh(x @ p.W_x)  # σ")


if __name__ == "__main__":
    for part in demo():
        Console().print(part)
