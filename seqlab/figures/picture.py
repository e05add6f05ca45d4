"""Pictures in half-blocks, two square pixels to a cell, whole or cut into numbered tiles."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from seqlab.figures import glyphs, palette
from seqlab.figures.canvas import Canvas, Inks
from seqlab.locale import _

Bytes = NDArray[np.uint8]

_LARGEST_SIDE = 1024  # beyond it pixels are skipped: no screen shows them
_ENLARGE = 8  # a pixel is drawn at most this wide, so that one pixel does not fill the screen


class Picture:
    """An image, drawn in its own proportions.

    Args:
        pixels: (rows, columns) grey or (rows, columns, 3) red, green, blue; integers 0..255 or
            floats 0..1.
        grid: (rows, columns) of tiles, drawn apart by lines in the colour of the ground; the left
            margin has the number of the first tile of each row, in raster order from 1.
        numbers: write its number into each tile: True, False, or None for "where there is ample
            room". Tiles too small for their numbers go without; True makes them wider for it.
        max_width, max_height: columns and rows of the drawing at the most, margin and title apart.
        title: a line above.
        highlight: the number of a tile to frame.
        unnumbered: a remark below, where `numbers` were asked for and do not fit.
    """

    def __init__(
        self,
        pixels: ArrayLike,
        *,
        grid: tuple[int, int] | None = None,
        numbers: bool | None = None,
        max_width: int = 96,
        max_height: int = 24,
        title: str = "",
        highlight: int | None = None,
        unnumbered: str = "",
    ) -> None:
        given = np.asarray(pixels)
        self.pixels, self.shape = _as_bytes(given), given.shape[:2]
        if grid is not None:
            rows, columns = self.shape
            if not (1 <= grid[0] <= rows and 1 <= grid[1] <= columns):
                raise ValueError(f"grid: cannot cut {rows} × {columns} pixels into {grid} tiles")
        tiles = grid[0] * grid[1] if grid else 0
        if highlight is not None and not 1 <= highlight <= tiles:
            raise ValueError(f"highlight: there is no tile {highlight} among {tiles}")
        self.grid, self.numbers, self.title, self.highlight = grid, numbers, title, highlight
        self.unnumbered = unnumbered
        self.max_width, self.max_height = max(1, max_width), max(1, max_height)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        layout, _note = self._layout(options.max_width, palette.half_blocks(console, options))
        width = min(options.max_width, max(16, layout.left + layout.width))
        return Measurement(min(16, width), width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        full, blocks = options.max_width, palette.half_blocks(console, options)
        muted = palette.style(console, "muted")
        if self.pixels.size == 0:
            canvas = Canvas.for_options(options, full, 1)
            canvas.write(0, 0, "(no pixels to draw)", muted, width=full)
            yield from canvas.segments()
            return
        layout, note = self._layout(full, blocks)
        top = 1 if self.title else 0
        height = -(-layout.height // layout.deep)
        canvas = Canvas.for_options(options, full, top + height + bool(note))
        canvas.write(0, 0, self.title, palette.style(console, "title"), width=full)
        draw = _Drawing(canvas, console, layout, top)
        pixels, drawn = layout.spread(self.pixels)
        if blocks:
            if layout.gap_x and self.highlight is not None:
                draw.frame(self.highlight, pixels, drawn)
            draw.half_blocks(pixels, drawn)
        else:
            draw.shades(pixels, drawn)
        if layout.gap_x:
            draw.margin()
            draw.numbers(self.numbers, pixels, blocks)
            if self.highlight is not None and not blocks:
                draw.brackets(self.highlight)
        canvas.write(0, top + height, note, muted, width=full)
        yield from canvas.segments()

    def _layout(self, room: int, blocks: bool) -> tuple["_Layout", str]:
        """The largest drawing that fits, and a note where the tiles could not be drawn apart."""
        deep = 2 if blocks else 1
        rows, columns = (max(1, n) for n in self.shape)
        if self.grid is not None:
            down, across = self.grid
            margin = len(str(down * across - across + 1)) + 1
            digits = len(str(down * across)) if self.numbers else 1
            width, height = min(self.max_width, room - margin), self.max_height * deep
            side = min(rows / down, columns / across)
            best: _Layout | None = None
            for gap_y in (1, 0)[: 3 - deep]:  # a line of text is a thick gap between shades
                for size in range(min(max(width, 0), max(1, int(_ENLARGE * side))), 0, -1):
                    tile_width = max(1, round(size * columns / across / side))
                    tile_height = max(1, round(size * rows / down / side * deep / 2))
                    if tile_height >= deep:  # better a little too wide than without its number
                        tile_width = max(tile_width, digits)
                    layout = _Layout(margin, down, across, tile_width, tile_height, 1, gap_y, deep)
                    if layout.width <= width and layout.height <= height:
                        if self.numbers is not True or layout.holds_numbers():
                            return layout, ""
                        best = best or layout
                        break
            if best is not None:
                return best, self.unnumbered
        scale = min(min(self.max_width, room) / columns, 2 * self.max_height / rows)
        scale = min(_ENLARGE, int(scale)) if scale >= 1 else scale
        tile_width, tile_height = round(columns * scale), round(rows * scale * deep / 2)
        layout = _Layout(0, 1, 1, max(1, tile_width), max(1, tile_height), 0, 0, deep)
        if self.grid is None:
            return layout, ""
        if self.numbers is True and self.unnumbered:
            return layout, self.unnumbered
        note = _("too narrow to draw {rows} × {columns} tiles apart")
        return layout, note.format(rows=self.grid[0], columns=self.grid[1])


class _Layout(NamedTuple):
    """Tiles on a lattice of square pixels, or of character cells where shades are drawn."""

    left: int  # columns of the margin
    down: int
    across: int
    tile_width: int
    tile_height: int
    gap_x: int  # width of the lines between tiles, and around them
    gap_y: int
    deep: int  # pixels to a line of text: 2 in half-blocks, 1 in shades

    @property
    def width(self) -> int:
        return self.across * (self.tile_width + self.gap_x) + self.gap_x

    @property
    def height(self) -> int:
        return self.down * (self.tile_height + self.gap_y) + self.gap_y

    def holds_numbers(self, ample: bool = False) -> bool:
        """Whether the largest number fits into a tile, or fits with ample room around it."""
        enough = self.tile_width >= len(str(self.down * self.across)) + 2 * ample
        return enough and self.tile_height >= self.deep * (1 + ample) + ample

    def corner(self, tile: int) -> tuple[int, int]:
        """The upper left pixel (x, y) of a tile; tiles are counted from 1."""
        row, column = divmod(tile - 1, self.across)
        x = column * (self.tile_width + self.gap_x) + self.gap_x
        return x, row * (self.tile_height + self.gap_y) + self.gap_y

    def spread(self, pixels: Bytes) -> tuple[Bytes, NDArray[np.bool_]]:
        """The picture scaled and its tiles moved apart, and where there is picture, not line."""
        size = (self.across * self.tile_width, self.down * self.tile_height)
        scaled = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
        # the place of each scaled pixel once its tile has moved; the lines are what is left over
        x, y = np.arange(size[0]), np.arange(size[1])
        x += (x // self.tile_width + 1) * self.gap_x
        y += (y // self.tile_height + 1) * self.gap_y
        at = np.ix_(y, x)
        out = np.zeros((self.height, self.width, 3), np.uint8)
        drawn = np.zeros((self.height, self.width), bool)
        out[at], drawn[at] = scaled, True
        return out, drawn


class _Drawing:
    """Draws one laid out picture on one canvas."""

    def __init__(self, canvas: Canvas, console: Console, layout: _Layout, top: int) -> None:
        self.canvas, self.console, self.layout, self.top = canvas, console, layout, top
        self.inks = Inks()

    def frame(self, tile: int, pixels: Bytes, drawn: NDArray[np.bool_]) -> None:
        """Colour the lines around a tile."""
        x, y = self.layout.corner(tile)
        around = np.s_[
            y - 1 : y + self.layout.tile_height + 1, x - 1 : x + self.layout.tile_width + 1
        ]
        pixels[around][~drawn[around]] = palette.rgb(self.console, palette.INKS["attention"])
        drawn[around] = True

    def half_blocks(self, pixels: Bytes, drawn: NDArray[np.bool_]) -> None:
        """Two pixels a cell: the upper is the colour of ▀, the lower that of its background."""
        odd = len(pixels) % 2
        pixels, drawn = (
            np.pad(pixels, ((0, odd), (0, 0), (0, 0))),
            np.pad(drawn, ((0, odd), (0, 0))),
        )
        colours, known = pixels.tolist(), drawn.tolist()
        for y in range(0, len(colours), 2):
            for x in range(self.layout.width):
                upper = tuple(colours[y][x]) if known[y][x] else None
                lower = tuple(colours[y + 1][x]) if known[y + 1][x] else None
                at = self.layout.left + x, self.top + y // 2
                if upper is not None:
                    self.canvas.put(*at, "▀", self.inks(upper, lower))
                elif lower is not None:
                    self.canvas.put(*at, "▄", self.inks(lower))

    def shades(self, pixels: Bytes, drawn: NDArray[np.bool_]) -> None:
        """One shade a cell, by luminance; on a light ground the ink is what is dark."""
        luminance = pixels @ (0.2126, 0.7152, 0.0722) / 256
        if palette.ground(self.console) == "light":
            luminance = 0.999 - luminance
        shades = glyphs.SHADES_ASCII if self.canvas.ascii_only else glyphs.SHADES
        level = (luminance * len(shades)).astype(int)
        for y, x in zip(*np.nonzero(drawn)):
            at = self.layout.left + int(x), self.top + int(y)
            self.canvas.put(*at, shades[level[y, x]])

    def margin(self) -> None:
        """The number of the first tile of each row."""
        muted = palette.style(self.console, "muted")
        for first in range(1, self.layout.down * self.layout.across + 1, self.layout.across):
            y, width = self._middle(first)[1], self.layout.left - 1
            self.canvas.write(0, y, str(first), muted, width=width, align="right")

    def numbers(self, wanted: bool | None, pixels: Bytes, blocks: bool) -> None:
        """Each tile's number in its middle, where it fits."""
        layout = self.layout
        tiles = layout.down * layout.across
        if wanted is False or not layout.holds_numbers(ample=wanted is None):
            return
        for tile in range(1, tiles + 1):
            text, (x, y) = str(tile), self._middle(tile)
            x -= len(text) // 2
            for i, digit in enumerate(text):
                style = Style(bold=True)
                if blocks:
                    at = layout.deep * (y - self.top), x + i - layout.left
                    r, g, b = pixels[at[0] : at[0] + 2, at[1]].mean(axis=0).astype(int).tolist()
                    style = self.inks(palette.readable_on((r, g, b)), (r, g, b), True)
                self.canvas.put(x + i, y, digit, style)

    def brackets(self, tile: int) -> None:
        """Square brackets in the lines beside a tile: the frame where there are no half-blocks."""
        x, y = self.layout.corner(tile)
        x, style = x + self.layout.left, Style(bold=True)
        for row in range(self.top + y, self.top + y + self.layout.tile_height):
            self.canvas.put(x - 1, row, "[", style)
            self.canvas.put(x + self.layout.tile_width, row, "]", style)

    def _middle(self, tile: int) -> tuple[int, int]:
        """The cell (x, y) in the middle of a tile, that holds no line if that can be."""
        x, y = self.layout.corner(tile)
        middle = y + (self.layout.tile_height - self.layout.deep) / 2
        row = int(middle / self.layout.deep + 0.5)
        return self.layout.left + x + self.layout.tile_width // 2, self.top + row


def _as_bytes(pixels: np.ndarray) -> Bytes:
    """Any picture as (rows, columns, 3) bytes of a bounded size."""
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError(
            f"a picture needs (rows, columns) or (rows, columns, 3) pixels, not {pixels.shape}"
        )
    step_y, step_x = (max(1, -(-n // _LARGEST_SIDE)) for n in pixels.shape[:2])
    pixels = pixels[::step_y, ::step_x]
    whole = pixels.dtype.kind in "iu"
    if not (whole or pixels.dtype.kind in "fb"):
        raise ValueError(f"a picture needs numbers, not {pixels.dtype}")
    most = 255 if whole else 1
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= most):
        raise ValueError(
            f"pixels of type {pixels.dtype} must lie in 0..{most}; "
            f"these span {pixels.min():.3g}..{pixels.max():.3g}"
        )
    values = pixels.astype(np.uint8) if whole else np.rint(pixels * 255.0).astype(np.uint8)
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def demo() -> Picture:
    """A landscape cut into the 14 × 14 patches of a vision transformer."""
    y, x = np.mgrid[0:224, 0:224] / 223
    sky = np.stack([0.15 + 0.8 * y, 0.35 + 0.3 * y, 0.75 - 0.2 * y], axis=-1)
    sky[np.hypot(x - 0.7, y - 0.3) < 0.13] = 1.0, 0.9, 0.35
    sky[y > 0.72 - 0.25 * np.abs(np.sin(5 * x + 0.6))] = 0.25, 0.2, 0.45
    sky[y > 0.78 + 0.04 * np.sin(9 * x)] = 0.1, 0.5, 0.3
    sky[(np.abs(x - 0.25) < 0.05) & (np.abs(y - 0.72) < 0.12)] = 0.85, 0.25, 0.2
    return Picture(sky, grid=(14, 14), title="224 × 224 pixels, 14 × 14 patches", highlight=53)


if __name__ == "__main__":
    Console().print(demo())
