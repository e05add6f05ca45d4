"""The words around a figure: the question, the takeaways, notes, and the line to type again."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.text import Text

from seqlab.figures import glyphs, palette


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


class Note:
    """A remark in a muted colour."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(glyphs.fit(self.text, options.ascii_only), palette.style(console, "muted"))

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
    body = Text(glyphs.fit(text, options.ascii_only))
    for i, line in enumerate(body.wrap(console, width)):
        line.rstrip()
        lead = mark if i == 0 else " " * cell_len(mark)
        yield Text.assemble((lead, palette.style(console, style)), line)


class Inset:
    """Any renderable, set in from the left by `indent` columns."""

    def __init__(self, renderable: object, indent: int = 2) -> None:
        self.renderable, self.indent = renderable, indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Padding(self.renderable, (0, 0, 0, self.indent))  # type: ignore[arg-type]


def demo() -> Iterable[object]:
    """One of each."""
    yield Title("How far back does the gradient reach?", "∂L/∂hₜ₋₁ = Wᵀ diag(1 − hₜ²) ∂L/∂hₜ")
    yield Takeaways(["A sentence with its numbers, long enough to be wrapped. " * 3, "Another."])
    yield Verdict("torch agrees to 2e-14", True)
    yield Note("a remark")


if __name__ == "__main__":
    for part in demo():
        Console().print(part)
