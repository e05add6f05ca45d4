"""Several figures on one screen: small multiples, and two side by side."""

from collections.abc import Iterable, Sequence

from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.text import Text

from seqlab.figures import glyphs, palette

Lines = list[list[Segment]]


class Panels:
    """Titled renderables in a grid of equal columns, as many as fit.

    Args:
        panels: (title, renderable) in reading order.
        min_width: columns a panel needs at the least; narrower consoles get fewer panels a row.
        gap: columns between panels.
        columns: panels a row at the most; by default the rows come out as equal as can be.
    """

    def __init__(
        self,
        panels: Sequence[tuple[str, RenderableType]],
        *,
        min_width: int = 24,
        gap: int = 2,
        columns: int | None = None,
    ) -> None:
        self.panels = list(panels)
        self.min_width, self.gap, self.columns = max(1, min_width), max(0, gap), columns

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(self.min_width, options.max_width), options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        if not self.panels:
            return
        across = self._across(options.max_width)
        width = max(1, (options.max_width - self.gap * (across - 1)) // across)
        titled = any(title for title, _ in self.panels)
        for start in range(0, len(self.panels), across):
            if start:
                yield Segment.line()
            blocks = []
            for title, renderable in self.panels[start : start + across]:
                head = [[_title(console, options, title, width)]] if titled else []
                blocks.append((head + _lines(console, options, renderable, width), width))
            yield from _abreast(blocks, self.gap)

    def _across(self, room: int) -> int:
        """Panels a row: as many as fit, then as few as need no further row."""
        fit = max(1, (room + self.gap) // (self.min_width + self.gap))
        if self.columns is not None:
            return max(1, min(fit, self.columns, len(self.panels)))
        rows = -(-len(self.panels) // fit)
        return -(-len(self.panels) // rows)


class Beside:
    """Two renderables side by side where there is room for both, else one above the other.

    Args:
        left, right: the renderables.
        left_width: columns for the left one; by default the most it asks for.
        gap: columns between them.
    """

    def __init__(
        self,
        left: RenderableType,
        right: RenderableType,
        *,
        left_width: int | None = None,
        gap: int = 2,
    ) -> None:
        self.left, self.right = left, right
        self.left_width, self.gap = left_width, max(0, gap)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        left = Measurement.get(console, options, _harmless(self.left, options))
        right = Measurement.get(console, options, _harmless(self.right, options))
        most = (self.left_width or left.maximum) + self.gap + right.maximum
        return Measurement(max(left.minimum, right.minimum), most).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        full = options.max_width
        left, right = _harmless(self.left, options), _harmless(self.right, options)
        width = self.left_width or Measurement.get(console, options, left).maximum
        rest = full - width - self.gap
        if rest >= max(1, Measurement.get(console, options, right).minimum):
            sizes = ((left, width), (right, rest))
            yield from _abreast(
                [(_lines(console, options, part, size), size) for part, size in sizes], self.gap
            )
            return
        for part in (left, right):
            yield from _abreast([(_lines(console, options, part, full), full)], 0)


def _harmless(renderable: RenderableType, options: ConsoleOptions) -> RenderableType:
    """A plain string as Text: Rich would take brackets in it for markup."""
    if isinstance(renderable, str):
        return Text(glyphs.fit(renderable, options.ascii_only))
    return renderable


def _lines(
    console: Console, options: ConsoleOptions, renderable: RenderableType, width: int
) -> Lines:
    """What `renderable` draws into `width` columns, each line padded or cropped to them."""
    return console.render_lines(
        _harmless(renderable, options), options.update(width=width, height=None)
    )


def _title(console: Console, options: ConsoleOptions, title: str, width: int) -> Segment:
    text = glyphs.shorten(glyphs.fit(title, options.ascii_only), width, options.ascii_only)
    return Segment(set_cell_size(text, width), palette.style(console, "title"))


def _abreast(blocks: Sequence[tuple[Lines, int]], gap: int) -> Iterable[Segment]:
    """Blocks of (lines, width) side by side, the shorter ones padded below."""
    for y in range(max(len(lines) for lines, _ in blocks)):
        for i, (lines, width) in enumerate(blocks):
            if i and gap:
                yield Segment(" " * gap)
            yield from lines[y] if y < len(lines) else [Segment(" " * width)]
        yield Segment.line()


def demo() -> Panels:
    """Six heatmaps, as of the heads of one layer."""
    import numpy as np

    from seqlab.figures.heatmap import Heatmap

    back = np.subtract.outer(np.arange(10), np.arange(10))
    return Panels(
        [
            (f"looks {n} back", Heatmap(np.exp(-abs(back - n)), numbers=False, limits=(0, 1)))
            for n in range(6)
        ]
    )


if __name__ == "__main__":
    Console().print(demo())
