"""A matrix as coloured cells, with both axes labelled, a colour bar, and numbers where they fit."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment

from seqlab.figures import glyphs, palette
from seqlab.figures.canvas import Canvas, Inks

Colours = Literal["sequential", "diverging"]
Floats = NDArray[np.float64]

_SHADES, _SHADES_ASCII = " ░▒▓█", " .:-=+*#%@"
_LONGEST_COLUMN_LABEL = 9


class Heatmap:
    """A matrix `values` (rows, columns) drawn with rows downwards, the first on top.

    Args:
        values: two-dimensional; NaN is drawn as "·", infinities as the ends of the scale.
        rows, columns: labels of the rows and columns, or none.
        row_axis, column_axis: what the axes are (for attention: queries down, keys across).
        colours: "sequential" for sizes; "diverging", centred on zero, for signed values.
        limits: the ends of the scale; by default those of the finite values.
        numbers: write the values into the cells: True, False, or None for "where they fit".
        max_height: rows of cells at the most; longer matrices are pooled, and say so.
        bar: draw the colour bar under the matrix.
        cell_width: columns a cell takes at the most, where there is room.
    """

    def __init__(
        self,
        values: ArrayLike,
        *,
        rows: Sequence[str] = (),
        columns: Sequence[str] = (),
        row_axis: str = "",
        column_axis: str = "",
        colours: Colours = "sequential",
        limits: tuple[float, float] | None = None,
        numbers: bool | None = None,
        max_height: int = 24,
        bar: bool = True,
        cell_width: int = 6,
    ) -> None:
        self.values: Floats = np.asarray(values, float)
        if self.values.ndim != 2:
            raise ValueError(f"a heatmap needs a matrix, not an array of shape {self.values.shape}")
        for name, labels, size in zip(("rows", "columns"), (rows, columns), self.values.shape):
            if labels and len(labels) != size:
                raise ValueError(f"{name}: {len(labels)} labels for {size} {name}")
        self.rows, self.columns = list(rows), list(columns)
        self.row_axis, self.column_axis = row_axis, column_axis
        self.colours: Colours = colours
        self.limits = limits
        self.numbers = numbers
        self.max_height = max(1, max_height)
        self.bar = bar
        self.cell_width = max(1, cell_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        labels = self._label_width(options)
        most = labels + self.values.shape[1] * self.cell_width
        return Measurement(
            min(labels + 8, options.max_width), max(24, min(most, options.max_width))
        )

    def _label_width(self, options: ConsoleOptions) -> int:
        widths = [cell_len(glyphs.fit(label, options.ascii_only)) for label in self.rows]
        return min(max(widths, default=0), max(4, options.max_width // 3)) + bool(self.rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        plain, full = options.ascii_only, options.max_width
        muted = palette.style(console, "muted")
        if self.values.size == 0:
            canvas = Canvas(full, 1, ascii_only=plain)
            canvas.write(0, 0, "(no values to draw)", muted)
            yield from canvas.segments()
            return
        left = self._label_width(options)
        room = max(1, full - left)
        values, rows, columns, notes = self._pooled(room)
        height, width = values.shape
        texts, digits = self._texts(values)
        widest = max(map(len, texts.ravel())) if texts.size else 0
        cell = max(1, min(self.cell_width, room // width))
        numbers = self.numbers is not False and widest + 1 <= min(
            room // width, max(self.cell_width, 6)
        )
        if numbers:
            cell = max(cell, widest + 1)
        labels = [glyphs.fit(label, plain) for label in columns]
        wide = max(map(cell_len, labels), default=0)
        if wide == 2 and cell == 1 and 2 * width <= room:  # CJK characters, one to a column
            cell = 2
        flat = wide <= cell - (wide > 1 and cell > 2)
        label_rows = 0 if not labels else 1 if flat else min(wide, _LONGEST_COLUMN_LABEL)
        head = label_rows + bool(self.column_axis or self.row_axis)
        canvas = Canvas(full, head + height + self.bar + bool(notes), ascii_only=plain)
        corner = "  ".join(
            f"{name} {arrow}"
            for name, arrow in ((self.row_axis, "↓"), (self.column_axis, "→"))
            if name
        )
        canvas.write(0, 0, corner, muted, width=full)
        for x, label in enumerate(labels):
            self._column_label(
                canvas, label, left + x * cell, head - label_rows, label_rows, cell, muted
            )
        paint = _Paint(console, options, self._scale(), self.colours)
        for y in range(height):
            if rows:
                canvas.write(0, head + y, rows[y], muted, width=left - 1, align="right")
            for x in range(width):
                text = texts[y, x] if numbers else ""
                paint.cell(canvas, left + x * cell, head + y, cell, values[y, x], text)
        if self.bar:
            paint.bar(canvas, left, head + height, min(room, max(width * cell, 24)), muted)
        if notes:
            canvas.write(0, canvas.height - 1, notes, muted, width=full)
        yield from canvas.segments()

    def _scale(self) -> tuple[float, float]:
        if self.limits is not None:
            return self.limits
        finite = self.values[np.isfinite(self.values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if self.colours == "diverging":
            high = max(abs(low), abs(high)) or 1.0
            return -high, high
        return (low, high) if high > low else (low, low + (abs(low) or 1.0))

    def _pooled(self, room: int) -> tuple[Floats, list[str], list[str], str]:
        """The matrix small enough to draw: neighbouring cells averaged, and a note that says so."""
        by_row = math.ceil(self.values.shape[0] / self.max_height)
        by_column = math.ceil(self.values.shape[1] / room)
        if by_row == by_column == 1:
            return self.values, self.rows, self.columns, ""
        values = _pool(_pool(self.values, by_row).T, by_column).T
        note = f"each cell is the mean of {by_row} × {by_column} values (rows × columns)"
        return values, self.rows[::by_row], [] if by_column > 1 else self.columns, note

    def _texts(self, values: Floats) -> tuple[NDArray[np.str_], int]:
        finite = np.abs(values[np.isfinite(values)])
        largest = float(finite.max()) if finite.size else 0.0
        whole = bool(np.all(values == np.rint(values))) if finite.size else False
        digits = 0 if whole or largest >= 100 else 1 if largest >= 10 else 2

        def write(value: float) -> str:
            if not math.isfinite(value):
                return glyphs.to_ascii(glyphs.number(value))
            if largest >= 1e5 or (0 < largest < 0.01):
                return glyphs.number(value, 1)
            text = f"{value:.{digits}f}"
            return (
                text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") and digits else text
            )

        return np.vectorize(write, otypes=[str])(values), digits

    @staticmethod
    def _column_label(
        canvas: Canvas, label: str, x: int, top: int, rows: int, cell: int, style: palette.Style
    ) -> None:
        if rows == 1:
            canvas.write(x, top, label, style, width=cell, align="center" if cell < 4 else "center")
            return
        label = glyphs.shorten(label, rows, canvas.ascii_only)
        for i, character in enumerate(label[-rows:] if len(label) > rows else label):
            canvas.write(x + (cell - 1) // 2, top + rows - len(label) + i, character, style)


class _Paint:
    """Fills cells and the bar with the scale's colour, shade or character."""

    def __init__(
        self,
        console: Console,
        options: ConsoleOptions,
        scale: tuple[float, float],
        colours: Colours,
    ) -> None:
        self.low, self.high = scale
        self.colours = colours
        self.level = palette.depth(console)
        self.coloured = self.level in ("truecolor", "256")
        self.ground = palette.ground_rgb(console)
        self.shades = _SHADES_ASCII if options.ascii_only else _SHADES
        self.hue = palette.style_of(console, palette.ink("lstm"))
        self.muted = palette.style(console, "muted")
        self.inks = Inks()

    def _share(self, value: float) -> float:
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def _colour(self, share: float) -> palette.RGB:
        ramp: Callable[[Floats], np.ndarray] = (
            palette.sequential
            if self.colours == "sequential"
            else lambda s: palette.diverging(s, self.ground)
        )
        r, g, b = ramp(np.array(share)).tolist()
        return r, g, b

    def cell(self, canvas: Canvas, x: int, y: int, width: int, value: float, text: str) -> None:
        """One cell of the matrix, `width` columns wide."""
        if math.isnan(value):
            canvas.write(x, y, "·", self.muted, width=width, align="center")
            return
        share = self._share(value)
        if self.coloured:
            back = self._colour(share)
            style = self.inks(palette.readable_on(back), back)
            for column in range(x, x + width):
                canvas.put(column, y, " ", style)
            if text:
                canvas.write(x, y, text, style, width=width, align="center")
            return
        if text:
            bold = (
                palette.Style(bold=True)
                if share > 0.5 and self.level != "none"
                else palette.Style()
            )
            canvas.write(x, y, text, bold, width=width, align="right")
            return
        shade = self.shades[min(int(share * len(self.shades)), len(self.shades) - 1)]
        for column in range(x, x + width):
            canvas.put(column, y, shade, self.hue)

    def bar(self, canvas: Canvas, x: int, y: int, width: int, muted: palette.Style) -> None:
        """The colour bar between its two ends."""
        low, high = glyphs.number(self.low), glyphs.number(self.high)
        length = max(4, min(24, width - len(low) - len(high) - 2))
        canvas.write(x, y, low, muted)
        start = x + len(low) + 1
        for i in range(length):
            value = self.low + (self.high - self.low) * i / max(1, length - 1)
            self.cell(canvas, start + i, y, 1, value, "")
        canvas.write(start + length + 1, y, high, muted)


def _pool(values: Floats, size: int) -> Floats:
    """Means of `size` neighbouring rows; the last group may be smaller. NaN only where all are."""
    if size == 1:
        return values
    starts = np.arange(0, len(values), size)
    known = np.isfinite(values)
    total = np.add.reduceat(np.where(known, values, 0.0), starts)
    number = np.add.reduceat(known.astype(float), starts)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(number > 0, total / np.maximum(number, 1), np.nan))


def demo() -> Heatmap:
    """A causal attention matrix of seven words."""
    words = "the cat sat on the old mat".split()
    scores = np.random.default_rng(0).normal(size=(7, 7)) + 2 * np.eye(7, k=-1)
    weights = np.exp(scores) * np.tri(7)
    weights /= weights.sum(axis=1, keepdims=True)
    return Heatmap(
        np.where(np.tri(7) > 0, weights, np.nan),
        rows=words,
        columns=words,
        row_axis="query",
        column_axis="key",
        limits=(0.0, 1.0),
    )


if __name__ == "__main__":
    Console().print(demo())
