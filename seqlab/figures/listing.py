"""Source code in the colours of the terminal, which suit its ground."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.syntax import Syntax

from seqlab.figures import glyphs, palette
from seqlab.figures.prose import Note


class Listing:
    """Lines of Python, and where they stand.

    Args:
        place: the file, and the line.
        code: the text; what is longer than a line is wrapped.
    """

    def __init__(self, place: str, code: str) -> None:
        self.place, self.code = place, code

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [glyphs.fit(line, options.ascii_only) for line in self.code.rstrip().split("\n")]
        theme = f"ansi_{palette.ground(console)}"
        yield Note(self.place)
        yield Syntax("\n".join(lines), "python", theme=theme, word_wrap=True)


def demo() -> Iterable[object]:
    """One equation."""
    yield Listing("seqlab/book/rnn.py:1", "def step(p, h, x):\n    return tanh(x @ p.W_x)  # σ")


if __name__ == "__main__":
    for part in demo():
        Console().print(part)
