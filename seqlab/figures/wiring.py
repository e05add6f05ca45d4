"""A recurrent network unrolled: a row of cells, what each reads below it, what it says above."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment

from seqlab.figures import glyphs, palette
from seqlab.figures.canvas import Canvas, Inks
from seqlab.locale import _

Pixels = NDArray[np.float64]

_NARROWEST, _WIDEST = 5, 16  # columns of a box
_LARGEST = 64  # pixels along a picture's side: of a larger one every second, third, ... is drawn
_BOX = 3  # rows
_SIGNS, _SIGNS_ASCII = "╭╮╰╯─│↑→", "++++-|^>"
_SHADES, _SHADES_ASCII = "·" + glyphs.SHADES[1:], glyphs.SHADES_ASCII[1:]  # a ground that is seen


class Cell(NamedTuple):
    """A cell of the row.

    Below it what it reads, a picture (rows, columns) of brightness 0 to 1, and above it what it
    says; without them it has no arrow there. Above that what it should have said: a tick where it
    has.
    """

    label: str = ""
    reads: ArrayLike | None = None
    says: str = ""
    truth: str = ""
    key: str = ""  # of an architecture, for the colour


class _Place(NamedTuple):
    """Where a cell stands: its row of cells, the first column of its box, and its columns."""

    row: int
    x: int
    width: int


class _Row(NamedTuple):
    """A row of cells: lines of words above its boxes, and lines in all."""

    words: int
    height: int


class Wiring:
    """Cells from left to right, joined by arrows, on as many rows as they need.

    A cell is as wide as its words and its picture; only where nothing is read beside it does a
    picture reach out under the next ones. Arrows up stand in the borders of the boxes.

    Args:
        cells: in the order of time.
        said, truth: names of the two lines of words, in the margin of each row of cells.
        zoom: columns of a pixel, at the most; it is 1 where more would need a further row.
    """

    def __init__(
        self, cells: Sequence[Cell], *, said: str = "", truth: str = "", zoom: int = 1
    ) -> None:
        self.cells = list(cells)
        self.pictures = [_pixels(cell.reads) for cell in self.cells]
        self.said, self.truth, self.zoom = said, truth, max(1, zoom)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        plain = options.ascii_only
        places = self._places(10**6, 1, plain)
        most = max((self._end(i, place, 1) for i, place in enumerate(places)), default=24)
        return Measurement(min(24, options.max_width), max(1, min(most, options.max_width)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        full, plain = options.max_width, options.ascii_only
        if not self.cells:
            canvas = Canvas.for_options(options, full, 1)
            canvas.write(0, 0, _("(nothing to draw)"), palette.style(console, "muted"), width=full)
            yield from canvas.segments()
            return
        zoom, places = self._layout(full, plain)
        rows = [self._row(places, row, zoom) for row in range(places[-1].row + 1)]
        canvas = Canvas.for_options(options, full, sum(row.height for row in rows))
        draw = _Drawing(canvas, console, half_blocks=palette.half_blocks(console, options))
        for i, (cell, place) in enumerate(zip(self.cells, places)):
            y = sum(row.height for row in rows[: place.row])
            draw.margin(y, self._names(rows[place.row].words))
            y += rows[place.row].words
            draw.words(cell, place, y)
            draw.box(cell, place, y, enters=i > 0, leaves=i + 1 < len(self.cells))
            picture = self.pictures[i]
            if picture is not None:
                draw.picture(picture, place, y + _BOX, zoom)
        yield from canvas.segments()

    def _layout(self, full: int, plain: bool) -> tuple[int, list[_Place]]:
        """The largest zoom with which all stands in one row; or several rows of zoom 1."""
        for zoom in range(self.zoom, 1, -1):
            places = self._places(full, zoom, plain)
            ends = (self._end(i, place, zoom) for i, place in enumerate(places))
            if places[-1].row == 0 and max(ends) <= full:
                return zoom, places
        return 1, self._places(full, 1, plain)

    def _row(self, places: Sequence[_Place], row: int, zoom: int) -> _Row:
        """What a row of cells needs above and below the boxes."""
        words = below = 0
        for cell, picture, place in zip(self.cells, self.pictures, places):
            if place.row == row:
                words = max(words, 2 if cell.truth else 1 if cell.says else 0)
                if picture is not None:
                    below = max(below, -(-len(picture) * zoom // 2))
        return _Row(words, words + _BOX + below)

    def _names(self, words: int) -> list[str]:
        """The names of the lines of words above a row of cells."""
        return [self.truth, self.said][2 - words :]

    def _margin(self, plain: bool) -> int:
        """Columns of the margin."""
        names = self._names(2 if any(cell.truth for cell in self.cells) else 1)
        widest = max(cell_len(glyphs.fit(name, plain)) for name in names)
        return min(widest, _WIDEST) + 1 if widest else 0

    def _width(self, i: int, zoom: int, plain: bool) -> int:
        """Columns of a cell."""
        cell, picture = self.cells[i], self.pictures[i]
        words = [cell_len(glyphs.fit(text, plain)) for text in (cell.says, cell.truth)]
        width = max(*words, cell_len(glyphs.fit(cell.label, plain)) + 4, _NARROWEST)
        width = min(width, _WIDEST)
        beside = [*self.pictures[max(0, i - 1) : i], *self.pictures[i + 1 : i + 2]]
        if picture is not None and any(other is not None for other in beside):
            width = max(width, picture.shape[1] * zoom)
        return width

    def _end(self, i: int, place: _Place, zoom: int) -> int:
        """The column behind a cell and its picture."""
        picture = self.pictures[i]
        return place.x + max(place.width, 0 if picture is None else picture.shape[1] * zoom)

    def _places(self, full: int, zoom: int, plain: bool) -> list[_Place]:
        """Break the cells into rows of at most `full` columns, each with room for its arrows."""
        margin = self._margin(plain)
        places: list[_Place] = []
        row, x = 0, margin
        for i in range(len(self.cells)):
            place = _Place(row, x, self._width(i, zoom, plain))
            leaves = i + 1 < len(self.cells)
            if (
                x > max(margin, 1)
                and max(self._end(i, place, zoom), x + place.width + leaves) > full
            ):
                row, x = row + 1, max(margin, 1)
                place = place._replace(row=row, x=x)
            places.append(place)
            x += place.width + 1
        return places


def _pixels(reads: ArrayLike | None) -> Pixels | None:
    """The pixels of a picture, in 0..1."""
    if reads is None:
        return None
    pixels = np.asarray(reads, float)
    if pixels.ndim != 2 or not pixels.size:
        raise ValueError(f"a cell reads (rows, columns) of pixels, not shape {pixels.shape}")
    step = max(-(-n // _LARGEST) for n in pixels.shape)
    return np.asarray(np.clip(np.nan_to_num(pixels[::step, ::step]), 0.0, 1.0))


class _Drawing:
    """Draws cells on one canvas."""

    def __init__(self, canvas: Canvas, console: Console, half_blocks: bool) -> None:
        self.canvas, self.console, self.half_blocks = canvas, console, half_blocks
        self.axis, self.muted = palette.style(console, "axis"), palette.style(console, "muted")
        self.inks = Inks()

    def margin(self, y: int, names: Sequence[str]) -> None:
        for i, name in enumerate(names):
            self.canvas.write(0, y + i, name, self.muted, width=_WIDEST)

    def words(self, cell: Cell, place: _Place, y: int) -> None:
        """What is said, in the row above y, and what should be said above that."""
        right = cell.truth == cell.says
        good, bad = palette.style(self.console, "good"), palette.style(self.console, "bad")
        tick = "ok" if self.canvas.ascii_only else "✓"
        style = palette.style(self.console, "title") if right or not cell.truth else bad
        lines = [(cell.says, style)]
        if cell.truth:
            lines.append((tick, good) if right else (cell.truth, self.muted))
        for above, (text, ink) in enumerate(lines, 1):
            self.canvas.write(place.x, y - above, text, ink, width=place.width, align="center")

    def box(self, cell: Cell, place: _Place, y: int, enters: bool, leaves: bool) -> None:
        """A box, arrows in its borders for what is read and said, one from the cell before it."""
        signs = _SIGNS_ASCII if self.canvas.ascii_only else _SIGNS
        corners, across, down, up, head = signs[:4], signs[4], signs[5], signs[6], signs[7]
        ink = palette.style_of(self.console, palette.ink(cell.key)) if cell.key else self.axis
        left, right, middle = place.x, place.x + place.width - 1, place.x + (place.width - 1) // 2
        for x in range(left + 1, right):
            self.canvas.put(x, y, across, ink)
            self.canvas.put(x, y + 2, across, ink)
        for corner, at in zip(corners, ((left, y), (right, y), (left, y + 2), (right, y + 2))):
            self.canvas.put(*at, corner, ink)
        for x in (left, right):
            self.canvas.put(x, y + 1, down, ink)
        self.canvas.write(left + 2, y + 1, cell.label, width=place.width - 4, align="center")
        bold = palette.style(self.console, "title")
        if cell.says:
            self.canvas.put(middle, y, up, bold)
        if cell.reads is not None:
            self.canvas.put(middle, y + 2, up, bold)
        if enters:
            self.canvas.put(left - 1, y + 1, head, bold)
        if leaves:  # seen where the next cell begins another row
            self.canvas.put(right + 1, y + 1, head, bold)

    def picture(self, picture: Pixels, place: _Place, y: int, zoom: int) -> None:
        """What the cell reads, from row y on."""
        pixels = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
        pixels = np.pad(pixels, ((0, len(pixels) % 2), (0, 0)), mode="edge")
        x = place.x + max(0, place.width - pixels.shape[1]) // 2
        (self._coloured if self.half_blocks else self._shaded)(pixels[0::2], pixels[1::2], x, y)

    def _coloured(self, upper: Pixels, lower: Pixels, x: int, y: int) -> None:
        """Two pixels a cell: one is the colour of ▀, the other that of its background."""
        above, below = palette.sequential(upper).tolist(), palette.sequential(lower).tolist()
        for dy, dx in np.ndindex(upper.shape):
            ink = self.inks(tuple(above[dy][dx]), tuple(below[dy][dx]))
            self.canvas.put(x + dx, y + dy, "▀", ink)

    def _shaded(self, upper: Pixels, lower: Pixels, x: int, y: int) -> None:
        """The brighter of two pixels as a shade."""
        shades = _SHADES_ASCII if self.canvas.ascii_only else _SHADES
        level = np.rint(np.maximum(upper, lower) * (len(shades) - 1)).astype(int)
        for dy, dx in np.ndindex(level.shape):
            self.canvas.put(x + dx, y + dy, shades[level[dy, dx]])


def demo() -> Wiring:
    """A film of four frames is read; then two words are said, of which the second is wrong."""
    at = np.arange(8)
    frames = [np.exp(-((at[:, None] - 4) ** 2 + (at - x) ** 2) / 2) for x in (1, 2.5, 4, 5.5)]
    read = [Cell(f"h{i}", frame, key="lstm") for i, frame in zip("₁₂₃₄", frames)]
    said = [
        Cell("s₁", says="right", truth="right", key="lstm"),
        Cell("s₂", says="up", truth="end", key="lstm"),
    ]
    return Wiring(read + said, said="says", truth="truth")


if __name__ == "__main__":
    Console().print(demo())
