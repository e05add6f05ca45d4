"""The words around a figure: the question, the takeaways, notes, and the line to type again."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.containers import Lines
from rich.measure import Measurement
from rich.text import Text

from seqlab.figures import glyphs, palette

# What stays together in a line: a word, or one Chinese character, with the signs that cling to it.
_HAN, _OPENING, _CLOSING = "\u2e80-\u9fff\uf900-\ufaff", r"（《“‘(\[", r"，。：；、！？）》”’)\]%"
_UNIT = re.compile(
    rf"[{_OPENING}]*(?:[{_HAN}]|[^\s{_HAN}{_OPENING}{_CLOSING}]+)?(?:[{_CLOSING}]+|(?<=.))\s*"
)


def longest_unit(text: str) -> int:
    """The width of the longest piece of fitted `text` that should not be broken."""
    if not re.search(f"[{_HAN}]", text):
        return max(map(cell_len, text.split()), default=0)
    return max((cell_len(unit[0].rstrip()) for unit in _UNIT.finditer(text)), default=0)


class Wrapped(Text):
    """Text that breaks between Chinese characters too; Rich breaks only at spaces."""

    def wrap(self, console: Console, width: int, **options: Any) -> Lines:
        if not re.search(f"[{_HAN}]", self.plain):
            return super().wrap(console, width, **options)
        breaks, column = [], 0
        for unit in _UNIT.finditer(self.plain):
            if column and column + cell_len(unit[0].rstrip()) > width:
                breaks.append(unit.start())
                column = 0
            column += cell_len(unit[0])
        lines = Lines()
        for line in self.divide(breaks):
            line.rstrip()
            lines.extend(line.wrap(console, width, **options))  # what is too long for any line
        return lines


class Title:
    """The question of a screen, and at its right the equation at work; below it where narrow."""

    def __init__(self, question: str, equation: str = "") -> None:
        self.question, self.equation = question, equation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        question = glyphs.fit(self.question, options.ascii_only)
        equation = glyphs.fit(self.equation, options.ascii_only)
        text = Text(question, style=palette.style(console, "title"))
        if equation:
            spare = options.max_width - cell_len(question) - cell_len(equation)
            text.append(" " * spare if spare >= 3 else "\n")
            text.append(equation, palette.style(console, "equation"))
        yield text


class Takeaways:
    """Sentences computed from the result, each behind a pointer, wrapped with a hanging indent."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self.sentences = list(sentences)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        pointer = "> " if options.ascii_only else "▸ "
        for sentence in self.sentences:
            yield from _hanging(console, options, pointer, sentence, "point")


class Words:
    """A paragraph, wrapped."""

    def __init__(self, text: str, style: str = "") -> None:
        self.text, self.style = text, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        style = palette.style(console, self.style) if self.style else ""
        yield Wrapped(glyphs.fit(self.text, options.ascii_only), style)


class Note:
    """A remark in a muted colour."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Wrapped(glyphs.fit(self.text, options.ascii_only), palette.style(console, "muted"))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        size = cell_len(glyphs.fit(self.text, options.ascii_only))
        return Measurement(min(size, 20), min(size, options.max_width))


class Verdict:
    """One line that says whether something held, with a mark and a colour."""

    def __init__(self, text: str, holds: bool) -> None:
        self.text, self.holds = text, holds

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.ascii_only:
            mark = "ok " if self.holds else "NO "
        else:
            mark = "✓ " if self.holds else "✗ "
        yield from _hanging(console, options, mark, self.text, "good" if self.holds else "bad")


def _hanging(
    console: Console, options: ConsoleOptions, mark: str, text: str, style: str
) -> RenderResult:
    width = options.max_width - cell_len(mark)
    body = Wrapped(glyphs.fit(text, options.ascii_only))
    for i, line in enumerate(body.wrap(console, width)):
        line.rstrip()
        lead = mark if i == 0 else " " * cell_len(mark)
        yield Text.assemble((lead, palette.style(console, style)), line)


def demo() -> Iterable[object]:
    """One of each."""
    yield Title("How far back does the gradient reach?", "∂L/∂hₜ₋₁ = Wᵀ diag(1 − hₜ²) ∂L/∂hₜ")
    yield Takeaways(["A sentence with its numbers, long enough to be wrapped. " * 3, "Another."])
    yield Verdict("torch agrees to 2e-14", True)
    yield Note("a remark")


if __name__ == "__main__":
    for part in demo():
        Console().print(part)
