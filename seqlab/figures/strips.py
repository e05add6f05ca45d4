"""Small matrices in strips, one pixel a value, each strip with its name and a few numbers."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from seqlab.figures import glyphs, palette
from seqlab.figures.canvas import Canvas, Inks
from seqlab.figures.multiples import shrunk

Floats = NDArray[np.float64]

_GAP, _MARGIN = 1, 2  # columns between matrices; before the facts, and between strips
_FAINTEST = 0.22  # share of the ink in the smallest value: it must differ from nothing at all
_EMPTY = 0.85  # share of the ground where there is nothing, so that a matrix keeps its outline
_GREY = (128, 128, 128)
SHADES, SHADES_ASCII = "░▒▓█", ":-=+*#%@"  # of two pixels without colour, from weak to strong


class Strip(NamedTuple):
    """One row of matrices."""

    name: str
    key: str  # the architecture, for colour and marker
    matrices: Sequence[ArrayLike]  # (rows, columns) each, from 0 to 1; NaN where there is nothing
    facts: Sequence[tuple[str, str]] = ()  # what it is, and a number: lines at the right


class Strips:
    """Strips side by side and one below the other, as many abreast as fit.

    In colour a value is a pixel, two of them to a cell, in the ink of its architecture: the larger
    the brighter. Without colour a cell has the shade of the stronger of its two; where only one of
    them is something, it shows which: in 7-bit ASCII '"' is the upper and "_" the lower one, "."
    neither.

    Args:
        strips: what to draw.
        heads: labels above the matrices of a strip, in its first line of matrices.
        side: pixels a matrix at the most, either way; of larger ones a pixel has the largest value
            that it covers. Values of smaller ones are squares of pixels, as many as fit `least`.
        abreast: strips side by side at the most.
    """

    def __init__(
        self,
        strips: Sequence[Strip],
        *,
        heads: Sequence[str] = (),
        side: int = 24,
        least: int = 12,
        abreast: int = 2,
    ) -> None:
        facts = [fact for strip in strips for fact in strip.facts]
        self.strips = [
            _Drawn(
                strip,
                [_fitting(np.asarray(m, float), max(1, side), least) for m in strip.matrices],
                facts,
            )
            for strip in strips
        ]
        self.heads, self.abreast = list(heads), max(1, abreast)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        wide = max((strip.width(options.ascii_only) for strip in self.strips), default=1)
        most = self.abreast * (wide + _MARGIN) - _MARGIN
        return Measurement(min(24, options.max_width), max(1, min(most, options.max_width)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        if not self.strips:
            return
        full, plain = options.max_width, options.ascii_only
        wide = max(strip.width(plain) for strip in self.strips)
        across = max(1, min(self.abreast, len(self.strips), (full + _MARGIN) // (wide + _MARGIN)))
        room = max(1, (full + _MARGIN) // across - _MARGIN)
        paint = _Paint(console, options)
        for start in range(0, len(self.strips), across):
            band = self.strips[start : start + across]
            heads = self.heads if start == 0 else []
            canvas = Canvas.for_options(
                options, full, max(s.height(room, bool(heads), plain) for s in band)
            )
            for i, strip in enumerate(band):
                paint.strip(canvas, i * (room + _MARGIN), room, strip, heads)
            yield from canvas.segments()


class _Drawn(NamedTuple):
    """A strip whose matrices have the size at which they are drawn."""

    strip: Strip
    matrices: list[Floats]
    all_facts: Sequence[tuple[str, str]]  # of all strips: their columns are of one width

    @property
    def side(self) -> int:
        """Columns of the widest matrix."""
        return max((m.shape[1] for m in self.matrices), default=1)

    @property
    def lines(self) -> int:
        """Lines of the highest matrix."""
        return max((-(-m.shape[0] // 2) for m in self.matrices), default=0)

    def facts_width(self, plain: bool) -> int:
        """Columns of the facts; a space between what it is and its number."""
        sizes = [[cell_len(glyphs.fit(text, plain)) for text in fact] for fact in self.all_facts]
        return max((sum(size) + 1 for size in sizes), default=0)

    def width(self, plain: bool) -> int:
        """Columns of all of it in one line."""
        beside = self.facts_width(plain)
        strip = len(self.matrices) * (self.side + _GAP) - _GAP
        return max(1, strip + (_MARGIN + beside if beside else 0))

    def layout(self, room: int, plain: bool) -> tuple[int, bool]:
        """How many matrices a line, and whether the facts stand beside them, not below."""
        beside = self.facts_width(plain)
        left = room - (_MARGIN + beside if beside else 0)
        if left >= self.side:
            return max(1, (left + _GAP) // (self.side + _GAP)), True
        return max(1, (room + _GAP) // (self.side + _GAP)), False

    def height(self, room: int, headed: bool, plain: bool) -> int:
        """Lines: the name, the heads, the matrices and the facts."""
        across, beside = self.layout(room, plain)
        bands = -(-len(self.matrices) // across)
        matrices, facts = bands * (self.lines + _GAP) - _GAP, len(self.strip.facts)
        return 1 + headed + (max(matrices, facts) if beside else max(0, matrices) + facts)


def _fitting(values: Floats, side: int, least: int) -> Floats:
    """The matrix at most `side` pixels wide and high; if smaller than `least`, enlarged to it."""
    if values.ndim != 2:
        raise ValueError(f"a strip needs matrices, not an array of shape {values.shape}")
    longest = max(values.shape)
    if values.size == 0:
        return values
    if longest > side:
        step = -(-longest // side)
        return shrunk(values, *(-(-n // step) for n in values.shape))
    times = max(1, min(least, side) // longest)
    return values.repeat(times, axis=0).repeat(times, axis=1)


class _Paint:
    """Names, matrices and facts on a canvas."""

    def __init__(self, console: Console, options: ConsoleOptions) -> None:
        self.console, self.plain = console, options.ascii_only
        self.blocks = palette.half_blocks(console, options)
        self.ground = palette.ground_rgb(console)
        self.empty = palette.blend(self.ground, _GREY, _EMPTY)
        self.muted = palette.style(console, "muted")
        self.inks = Inks()

    def strip(self, canvas: Canvas, x: int, room: int, drawn: _Drawn, heads: Sequence[str]) -> None:
        """One strip, from column `x` on, in `room` columns."""
        ink = palette.ink(drawn.strip.key)
        bold = palette.style_of(self.console, ink, bold=True)
        marker = ink.ascii if self.plain else ink.marker
        canvas.write(x, 0, f"{marker} {drawn.strip.name}", bold, width=room)
        across, beside = drawn.layout(room, self.plain)
        step = drawn.side + _GAP
        for i, head in enumerate(heads[: min(across, len(drawn.matrices))]):
            canvas.write(x + i * step, 1, head, self.muted, width=drawn.side)
        top = 1 + bool(heads)
        y = top
        for i, matrix in enumerate(drawn.matrices):
            y = top + i // across * (drawn.lines + _GAP)
            self.matrix(canvas, x + i % across * step, y, matrix, ink)
        shown = min(across, len(drawn.matrices))
        left = x + shown * step - _GAP + _MARGIN if beside else x
        width = min(room - (left - x), drawn.facts_width(self.plain))
        for i, (what, number) in enumerate(drawn.strip.facts):
            line = (top if beside else y + drawn.lines) + i
            canvas.write(left, line, what, self.muted, width=width)
            canvas.write(left, line, number, width=width, align="right")

    def matrix(self, canvas: Canvas, x: int, y: int, values: Floats, ink: palette.Ink) -> None:
        """Two rows of pixels to a line."""
        rows = np.full((2 * -(-values.shape[0] // 2), values.shape[1]), np.nan)
        rows[: len(values)] = np.clip(values, 0.0, 1.0)
        outside = len(rows) > len(values)  # the lower half of the last line
        for i in range(0, len(rows), 2):
            for j in range(rows.shape[1]):
                upper, lower = rows[i, j], rows[i + 1, j]
                if self.blocks:
                    last = outside and i + 2 == len(rows)
                    back = None if last else self._colour(lower, ink)
                    canvas.put(x + j, y + i // 2, "▀", self.inks(self._colour(upper, ink), back))
                else:
                    self._structure(canvas, x + j, y + i // 2, upper, lower, ink)

    def _colour(self, share: float, ink: palette.Ink) -> palette.RGB:
        if np.isnan(share):
            return self.empty
        colour = palette.rgb(self.console, ink)
        return palette.blend(colour, self.ground, _FAINTEST + (1 - _FAINTEST) * float(share))

    def _structure(
        self, canvas: Canvas, x: int, y: int, upper: float, lower: float, ink: palette.Ink
    ) -> None:
        which = 2 * (not np.isnan(upper)) + (not np.isnan(lower))
        if which == 3:
            shades = SHADES_ASCII if self.plain else SHADES
            sign = shades[min(int(max(upper, lower) * len(shades)), len(shades) - 1)]
        else:
            sign = ('._"' if self.plain else "·▄▀")[which]
        style: Style = palette.style_of(self.console, ink) if which else self.muted
        canvas.put(x, y, sign, style)


def demo() -> Strips:
    """What is seen in one layer and in two: everything before, and the neighbours."""
    back = np.subtract.outer(np.arange(12), np.arange(12)).astype(float)
    before = np.where(back >= 0, np.exp(-back / 4), np.nan)
    near = [np.where(abs(back) <= n, np.exp(-abs(back) / 4), np.nan) for n in (1, 2)]
    return Strips(
        [
            Strip("looks back", "rnn", [before, before], [("1", "54 %"), ("2", "54 %")]),
            Strip("looks around", "cnn", near, [("1", "24 %"), ("2", "38 %")]),
        ],
        heads=["1 layer", "2 layers"],
    )


if __name__ == "__main__":
    Console().print(demo())
