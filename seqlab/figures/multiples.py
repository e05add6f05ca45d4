"""Many matrices as small multiples: a grid of thumbnails, each with its label above."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment

from seqlab.figures import glyphs, palette
from seqlab.figures.canvas import Canvas, Inks

Floats = NDArray[np.float64]
Label = tuple[str, str]  # what it is, and a number; where there is no room the number goes

_LEAST, _MOST = 7, 18  # columns of a thumbnail
_GAP = 1


class Multiples:
    """Matrices `values` (rows, columns, t, s) as thumbnails, all on one scale.

    A pixel has the largest value that it covers: the mean would lose a thin diagonal. NaN is left
    open. Where a row of the grid does not fit, it goes on below.

    Args:
        labels: [row][column] (what, number) above each.
        row_axis, column_axis: what the axes of the grid are; rows and columns count from 0.
        rows: numbers of the rows, where they are not 0, 1, 2, ...
        limits: the ends of the scale.
        height: lines a thumbnail, each two pixels; 0 draws the labels alone.
        marked: (row, column) of the one whose label stands out.
    """

    def __init__(
        self,
        values: ArrayLike,
        labels: Sequence[Sequence[Label]],
        *,
        row_axis: str = "",
        column_axis: str = "",
        rows: Sequence[int] | None = None,
        limits: tuple[float, float] = (0.0, 1.0),
        height: int = 3,
        marked: tuple[int, int] | None = None,
    ) -> None:
        self.values: Floats = np.asarray(values, float)
        if self.values.ndim != 4:
            raise ValueError(f"a grid of matrices has four axes, not shape {self.values.shape}")
        if [len(row) for row in labels] != [self.values.shape[1]] * self.values.shape[0]:
            raise ValueError(f"labels do not fit a grid of {self.values.shape[:2]}")
        if not -math.inf < limits[0] < limits[1] < math.inf:
            raise ValueError(f"limits: {limits} are not two numbers, the lower first")
        if rows is not None and len(rows) != len(labels):
            raise ValueError(f"rows: {len(rows)} numbers for {len(labels)} rows")
        self.labels = [list(row) for row in labels]
        self.row_axis, self.column_axis = row_axis, column_axis
        self.rows = list(range(len(self.labels)) if rows is None else rows)
        self.limits, self.height, self.marked = limits, max(0, height), marked

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        left = self._left(options)
        most = left + self.values.shape[1] * (_MOST + _GAP)
        return Measurement(
            min(left + _LEAST, options.max_width), max(1, min(most, options.max_width))
        )

    def _left(self, options: ConsoleOptions) -> int:
        axis = cell_len(glyphs.fit(self.row_axis, options.ascii_only))
        widest = max(axis, len(str(max(self.rows, default=0))))
        return min(widest, options.max_width // 3) + 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        down, columns = self.values.shape[:2]
        if down * columns == 0:
            return
        left = self._left(options)
        fit = max(1, (options.max_width - left + _GAP) // (_LEAST + _GAP))
        bands = -(-columns // fit)
        across = -(-columns // bands)
        width = max(1, min(_MOST, (options.max_width - left + _GAP) // across - _GAP))
        tall = 1 + self.height
        canvas = Canvas(options.max_width, bands * (1 + down * tall), ascii_only=options.ascii_only)
        draw = _Drawing(console, options, canvas, self)
        for band in range(bands):
            top = band * (1 + down * tall)
            canvas.write(0, top, self.row_axis, draw.muted, width=left - 1)
            for column in range(band * across, min(columns, (band + 1) * across)):
                x = left + (column - band * across) * (width + _GAP)
                draw.number(x, top, width, column, named=column == band * across)
                for row in range(down):
                    y = top + 1 + row * tall
                    draw.label(x, y, width, row, column)
                    draw.thumbnail(x, y + 1, width, self.values[row, column])
            for row in range(down):
                number = str(self.rows[row])
                canvas.write(0, top + 1 + row * tall, number, draw.muted, width=left - 1)
        yield from canvas.segments()


class _Drawing:
    def __init__(
        self, console: Console, options: ConsoleOptions, canvas: Canvas, figure: Multiples
    ) -> None:
        self.console, self.canvas, self.figure = console, canvas, figure
        self.blocks = palette.half_blocks(console, options)
        self.shades = glyphs.SHADES_ASCII if options.ascii_only else glyphs.SHADES
        self.muted = palette.style(console, "muted")
        self.title = palette.style(console, "title")
        self.hue = palette.style_of(console, palette.ink("attention"))
        self.inks = Inks()

    def number(self, x: int, y: int, width: int, column: int, *, named: bool) -> None:
        text = f"{self.figure.column_axis} {column}".strip() if named else str(column)
        if cell_len(glyphs.fit(text, self.canvas.ascii_only)) > width:
            text = str(column)
        self.canvas.write(x, y, text, self.muted)

    def label(self, x: int, y: int, width: int, row: int, column: int) -> None:
        what, number = (
            glyphs.fit(s, self.canvas.ascii_only) for s in self.figure.labels[row][column]
        )
        marked = self.figure.marked == (row, column)
        if marked:
            width -= 1
            self.canvas.write(x, y, ">" if self.canvas.ascii_only else "▸", self.title)
            x += 1
        text = self._fitting(what, number, width)
        style = self.title if marked else self.hue if number else self.muted
        self.canvas.write(x, y, text, style, width=width)

    @staticmethod
    def _fitting(what: str, number: str, width: int) -> str:
        """As much of both as there is room for: the number loses its second decimal first."""
        short = (
            f"{float(number):.1f}".removeprefix("0") if number.replace(".", "").isdigit() else ""
        )
        forms = [f"{what} {number}".strip(), f"{what} {short}"]
        return next((text for text in forms if cell_len(text) <= width), what)

    def thumbnail(self, x: int, y: int, width: int, values: Floats) -> None:
        lines = self.figure.height
        if not lines or values.size == 0:
            return
        low, high = self.figure.limits
        deep = 2 if self.blocks else 1
        across = min(width, max(2 * values.shape[1], 4))
        shares = np.clip((shrunk(values, lines * deep, across) - low) / (high - low), 0.0, 1.0)
        if not self.blocks:
            for i, row in enumerate(shares.tolist()):
                for j, share in enumerate(row):
                    if not math.isnan(share):
                        step = min(int(share * len(self.shades)), len(self.shades) - 1)
                        self.canvas.put(x + j, y + i, self.shades[step], self.hue)
            return
        colours = palette.sequential(np.nan_to_num(shares)).tolist()
        for i in range(0, len(colours), 2):
            for j in range(across):
                upper, lower = (
                    None if math.isnan(shares[i + k, j]) else tuple(colours[i + k][j])
                    for k in (0, 1)
                )
                if upper is not None:
                    self.canvas.put(x + j, y + i // 2, "▀", self.inks(upper, lower))
                elif lower is not None:
                    self.canvas.put(x + j, y + i // 2, "▄", self.inks(lower))


def shrunk(values: Floats, rows: int, columns: int) -> Floats:
    """`values` (t, s) at the size (rows, columns): largest values, or repetitions where it grows.

    NaN does not count; where nothing else is it stays.
    """
    for size in (rows, columns):
        t = values.shape[0]
        starts = np.arange(size) * t // size
        values = (values[starts] if size >= t else np.fmax.reduceat(values, starts)).T
    return values


def demo() -> Multiples:
    """Two layers of four heads that look ever further back."""
    back = np.subtract.outer(np.arange(12), np.arange(12)).astype(float)
    values = [[np.exp(-abs(back - h - 4 * layer)) for h in range(4)] for layer in range(2)]
    labels = [[(f"{h + 4 * layer} back", ".99") for h in range(4)] for layer in range(2)]
    drawn = np.where(back >= 0, values, np.nan)
    return Multiples(drawn, labels, row_axis="layer", column_axis="head", marked=(0, 1))


if __name__ == "__main__":
    Console().print(demo())
