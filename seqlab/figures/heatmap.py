"""A matrix as coloured cells, with both axes labelled, a colour bar, and numbers where they fit."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from seqlab.figures import glyphs, palette
from seqlab.figures.canvas import Canvas, Inks
from seqlab.locale import _

Colours = Literal["sequential", "diverging"]
Floats = NDArray[np.float64]

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
        for name, labels, size in (
            ("rows", rows, self.values.shape[0]),
            ("columns", columns, self.values.shape[1]),
        ):
            if labels and len(labels) != size:
                raise ValueError(f"{name}: {len(labels)} labels for {size} {name}")
        if limits is not None and not -math.inf < limits[0] < limits[1] < math.inf:
            raise ValueError(f"limits: {limits} are not two numbers, the lower first")
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
            canvas.write(0, 0, _("(no values to draw)"), muted)
            yield from canvas.segments()
            return
        left = self._label_width(options)
        room = max(1, full - left)
        values, rows, columns, notes = self._pooled(room)
        height, width = values.shape
        texts = self._texts(values)
        widest = max(map(len, texts.ravel().tolist()))
        cell = max(1, min(self.cell_width, room // width))
        numbers = self.numbers is not False and widest < min(room // width, max(self.cell_width, 6))
        if numbers:
            cell = max(cell, widest + 1)
        labels = _ColumnLabels([glyphs.fit(label, plain) for label in columns], cell, plain)
        if cell == 1 and labels.wide and 2 * width <= room:  # a Chinese character takes two
            cell = 2
            labels = _ColumnLabels(labels.texts, cell, plain)
        head = labels.height + bool(self.column_axis or self.row_axis)
        canvas = Canvas(full, head + height + self.bar + bool(notes), ascii_only=plain)
        corner = "  ".join(
            f"{name} {arrow}"
            for name, arrow in ((self.row_axis, "↓"), (self.column_axis, "→"))
            if name
        )
        canvas.write(0, 0, corner, muted, width=full)
        labels.draw(canvas, left, head, muted)
        paint = _Paint(console, options, self._scale(values), self.colours)
        for y, row in enumerate(rows):
            canvas.write(0, head + y, row, muted, width=left - 1, align="right")
        paint.matrix(canvas, left, head, cell, values, texts if numbers else None)
        if self.bar:
            paint.bar(canvas, left, head + height, min(room, max(width * cell, 24)), muted)
        if notes:
            canvas.write(0, canvas.height - 1, notes, muted, width=full)
        yield from canvas.segments()

    def _scale(self, values: Floats) -> tuple[float, float]:
        """The ends of the scale: those of what is drawn, because pooling narrows the range."""
        if self.limits is not None:
            return self.limits
        finite = values[np.isfinite(values)]
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
        note = _("a cell: mean of {rows} × {columns} values")
        if by_row > 1 and self.rows:
            note = _("a cell: mean of {rows} × {columns} values, labels of the first")
        note = note.format(rows=by_row, columns=by_column)
        return values, self.rows[::by_row], [] if by_column > 1 else self.columns, note

    @staticmethod
    def _texts(values: Floats) -> NDArray[np.str_]:
        """The numbers, all with the same decimals; without the zero before the point."""
        finite = np.abs(values[np.isfinite(values)])
        largest = float(finite.max(initial=0.0))
        whole = bool(np.all(finite == np.rint(finite)))
        digits = 0 if whole or largest >= 100 else 1 if largest >= 10 else 2

        def write(value: float) -> str:
            if not math.isfinite(value):
                return glyphs.to_ascii(glyphs.number(value))
            if largest >= 1e5 or 0 < largest < 0.01:
                return glyphs.number(value, 1)
            text = f"{value:.{digits}f}"
            return text.replace("0.", ".", 1) if abs(value) < 1 else text

        return np.array([[write(value) for value in row] for row in values.tolist()])


class _ColumnLabels:
    """The labels above columns of `cell` columns each.

    In one line if they fit; in two, every other one raised, if that gives them room; else top-down.
    """

    def __init__(self, texts: Sequence[str], cell: int, plain: bool) -> None:
        self.texts, self.cell = texts, cell
        self.stacks = [_characters(text) for text in texts]
        self.wide = any(cell_len(c) > 1 for stack in self.stacks for c in stack)
        longest = max(map(len, self.stacks), default=0)
        widest = max(map(cell_len, texts), default=0)
        # Neighbours need a space between them, unless each is a single character.
        self.flat = widest < cell or (longest <= 1 and widest <= cell)
        # Top-down shows nine characters: two cells that hold as many do better.
        self.raised = not self.flat and cell > 3 and 2 * cell > min(widest, _LONGEST_COLUMN_LABEL)
        top_down = min(longest, _LONGEST_COLUMN_LABEL)
        self.height = 0 if not longest else 1 if self.flat else 2 if self.raised else top_down
        more = ":" if plain else "…"
        self.stacks = [  # the end often says more than the middle: layer 11, layer 12
            stack if len(stack) <= self.height else [*stack[: self.height - 3], more, *stack[-2:]]
            for stack in self.stacks
        ]

    def draw(self, canvas: Canvas, left: int, bottom: int, style: Style) -> None:
        """Draw the labels so that they end above row `bottom`."""
        if self.flat:
            for i, text in enumerate(self.texts):
                x = left + i * self.cell
                canvas.write(x, bottom - 1, text, style, width=self.cell, align="center")
            return
        if self.raised:
            free = [left, left]  # where the next label of either line may begin
            for i, text in enumerate(self.texts):
                text = glyphs.shorten(text, 2 * self.cell - 1, canvas.ascii_only)
                x = left + i * self.cell + (self.cell - cell_len(text)) // 2
                x = max(free[i % 2], min(x, canvas.width - cell_len(text)))
                canvas.write(x, bottom - 1 - i % 2, text, style, width=canvas.width - x)
                free[i % 2] = x + cell_len(text) + 1
            return
        step = 2 if self.wide and self.cell == 1 else 1  # wide ones in single columns: every other
        for i in range(0, len(self.stacks), step):
            x = left + i * self.cell + (self.cell - 1 - self.wide * (self.cell > 1)) // 2
            for y, character in enumerate(self.stacks[i], bottom - len(self.stacks[i])):
                canvas.write(x, y, character, style)


def _characters(text: str) -> list[str]:
    """Fitted text in characters, each with the combining marks that follow it."""
    out: list[str] = []
    for character in text:
        if out and cell_len(character) == 0:
            out[-1] += character
        else:
            out.append(character)
    return out


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
        self.shades = glyphs.SHADES_ASCII if options.ascii_only else glyphs.SHADES
        self.hue = palette.style_of(console, palette.ink("lstm"))
        self.muted = palette.style(console, "muted")
        self.inks = Inks()

    def matrix(
        self,
        canvas: Canvas,
        left: int,
        top: int,
        cell: int,
        values: Floats,
        texts: NDArray[np.str_] | None = None,
    ) -> None:
        """Draw (rows, columns) values in cells `cell` columns wide, with texts in them if given."""
        # Halved, because the distance of two floats may be too large for a float.
        shares = (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        shares = np.clip(shares, 0.0, 1.0)
        backs = self._ramp(shares).tolist() if self.coloured else None
        for y, row in enumerate(shares.tolist()):
            for x, share in enumerate(row):
                at = left + x * cell, top + y
                text = "" if texts is None else str(texts[y, x])
                if math.isnan(share):
                    canvas.write(*at, "·", self.muted, width=cell, align="center")
                elif backs is not None:
                    r, g, b = backs[y][x]
                    style = self.inks(palette.readable_on((r, g, b)), (r, g, b))
                    self._fill(canvas, *at, cell, " ", style)
                    canvas.write(*at, text, style, width=cell, align="center")
                elif text:
                    bold = Style(bold=True if share > 0.5 and self.level != "none" else None)
                    canvas.write(*at, text, bold, width=cell, align="right")
                else:
                    step = min(int(share * len(self.shades)), len(self.shades) - 1)
                    self._fill(canvas, *at, cell, self.shades[step], self.hue)

    def _ramp(self, shares: Floats) -> NDArray[np.uint8]:
        if self.colours == "sequential":
            return palette.sequential(shares)
        return palette.diverging(shares, self.ground)

    @staticmethod
    def _fill(canvas: Canvas, x: int, y: int, width: int, character: str, style: Style) -> None:
        for column in range(x, x + width):
            canvas.put(column, y, character, style)

    def bar(self, canvas: Canvas, x: int, y: int, width: int, muted: Style) -> None:
        """The colour bar between its two ends."""
        low, high = (
            glyphs.fit(glyphs.number(end), canvas.ascii_only) for end in (self.low, self.high)
        )
        length = max(4, min(24, width - len(low) - len(high) - 2))
        canvas.write(x, y, low, muted)
        steps = np.linspace(0.0, 1.0, length)
        self.matrix(
            canvas, x + len(low) + 1, y, 1, (self.low * (1 - steps) + self.high * steps)[None]
        )
        canvas.write(x + len(low) + length + 2, y, high, muted)


def _pool(values: Floats, size: int) -> Floats:
    """Means of `size` neighbouring rows; the last group may be smaller.

    What is not finite does not count; where nothing is left the mean is NaN.
    """
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
    words = ["the", "cat", "sat", "on", "the", "old", "mat"]
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
