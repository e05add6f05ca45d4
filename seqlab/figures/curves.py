"""Line plots in braille, with linear or logarithmic axes, bands, and a legend beside the data."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

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

Scale = Literal["linear", "log", "log10"]
Floats = NDArray[np.float64]

_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_MINIMUM_PLOT = 12
_HUGE, _TINY = 8e307, 1e-290  # ends of an axis, so that their distance is a number and not zero
_HUGE_POWER = 1e9
_BAND = 0.28  # opacity
_CHUNK = 4096  # strokes drawn at a time, to bound the memory


class Line(NamedTuple):
    """One series: `y` over `x`, with an optional band from `low` to `high`.

    `key` names an architecture (its colour and marker); any other key takes the next free ink.
    NaN leaves a gap; an infinity, or zero on a log axis, is an arrow at the edge it left by.
    `marked` is for few values: each gets its marker, for there is nothing known in between.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    key: str = ""
    dashed: bool = False
    marked: bool = False


class Axis(NamedTuple):
    """An axis in plot coordinates (log10 of the value on a log axis) with its labelled ticks."""

    low: float
    high: float
    ticks: list[tuple[float, str]]

    def place(self, values: Floats, dots: int) -> Floats:
        """Map plot coordinates to 0 .. dots - 1."""
        with np.errstate(over="ignore"):
            return (values - self.low) / (self.high - self.low) * (dots - 1)


class Curves:
    """A line plot.

    Args:
        lines: the series, drawn in order; later ones lie above earlier ones.
        x_label, y_label: what the axes measure, with units.
        x_scale, y_scale: "linear", "log", or "log10" for values that are logarithms already
            (beyond the range of a float) and whose ticks shall show the powers.
        height: rows of the plot itself, without axis, labels and legend.
        x_range, y_range: fixed limits, in the units of the values; by default those of the data.
        x_ticks: where the ticks shall be; by default at round numbers.
        legend: "auto" puts it on the right where there is room for it and below where not.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        *,
        x_label: str = "",
        y_label: str = "",
        x_scale: Scale = "linear",
        y_scale: Scale = "linear",
        height: int = 14,
        x_range: tuple[float, float] | None = None,
        y_range: tuple[float, float] | None = None,
        x_ticks: Sequence[float] = (),
        legend: Literal["auto", "right", "below", "none"] = "auto",
    ) -> None:
        self.lines = list(lines)
        self.x_label, self.y_label = x_label, y_label
        self.x_scale, self.y_scale = x_scale, y_scale
        self.height = max(2, height)
        self.x_range, self.y_range, self.x_ticks = x_range, y_range, x_ticks
        self.legend = legend

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(24, options.max_width), options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        inks = palette.inks([line.key for line in self.lines])
        series = [
            _Series(line, i, ink, self.x_scale, self.y_scale)
            for i, (line, ink) in enumerate(zip(self.lines, inks, strict=True))
        ]
        if not any(len(s.x) for s in series):
            canvas = Canvas.for_options(options, options.max_width, 1)
            canvas.write(0, 0, _("(no data to draw)"), palette.style(console, "muted"))
            yield from canvas.segments()
            return
        names = [glyphs.fit(s.line.name, options.ascii_only) for s in series]
        longest = max(map(cell_len, names))
        place = self._legend_place(len(series), longest, options.max_width)
        legend_width = min(longest + 5, options.max_width // 2) if place == "right" else 0
        y_axis = self._axis(
            [v for s in series for v in (s.y, s.low, s.high)],
            self.y_scale,
            self.y_range,
            self.height / 3,
        )
        if self.y_scale != "linear" and self.y_range is None:
            y_axis = _on_rows(y_axis, self.height)
        labels = max((cell_len(t) for _value, t in y_axis.ticks), default=0)
        width = max(_MINIMUM_PLOT, options.max_width - labels - 2 - legend_width)
        x_axis = self._axis([s.x for s in series], self.x_scale, self.x_range, width / 12)
        if len(self.x_ticks):
            places = _coordinates(np.array(self.x_ticks, float), self.x_scale).tolist()
            labelled = [(at, f"{x:g}") for at, x in zip(places, self.x_ticks, strict=True)]
            x_axis = x_axis._replace(ticks=labelled)
        below = _legend_rows(names, options.max_width) if place == "below" else []
        top = 1 if self.y_label else 0
        canvas = Canvas.for_options(
            options, options.max_width, top + self.height + 2 + bool(self.x_label) + len(below)
        )
        plot = _Plot(canvas, console, labels + 2, top, width, self.height, x_axis, y_axis)
        plot.frame(self.x_label, self.y_label)
        for s in series:
            plot.band(s)
        for s in series:
            plot.curve(s)
        if place == "right":
            room = legend_width - 5
            for row, (s, name) in enumerate(zip(series, names, strict=True)):
                if row < canvas.height:
                    plot.sample(plot.left + width + 1, top + row, s, name, room)
        for row, entries in enumerate(below):
            for x, i in entries:
                y = canvas.height - len(below) + row
                plot.sample(x, y, series[i], names[i], options.max_width - x - 4)
        yield from canvas.segments()

    def _legend_place(self, entries: int, longest: int, width: int) -> str:
        if self.legend != "auto":
            return self.legend
        if entries < 2 and longest == 0:
            return "none"
        return (
            "right"
            if width >= 72 and longest + 5 <= width // 3 and entries <= self.height
            else "below"
        )

    def _axis(
        self,
        values: Sequence[Floats],
        scale: Scale,
        limits: tuple[float, float] | None,
        room: float,
    ) -> Axis:
        if limits is not None:
            low, high = (float(v) for v in _coordinates(np.array(limits, float), scale))
        else:
            finite = np.concatenate([v[np.isfinite(v)] for v in values if v is not None])
            low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
        most = _HUGE if scale == "linear" else _HUGE_POWER
        low, high = max(float(low), -most), min(float(high), most)
        if not high - low > max(1e-12 * max(abs(low), abs(high)), _TINY):
            pad = 0.5 if scale != "linear" or abs(low) < _TINY else abs(low) / 2
            low, high = low - pad, high + pad
        ticks = (linear_ticks if scale == "linear" else decade_ticks)(low, high, room)
        return Axis(low, high, ticks)


def _on_rows(axis: Axis, height: int) -> Axis:
    """A log axis widened a little, so that its ticks, evenly spaced, fall on whole rows.

    Braille dots lie on quarter rows: value `low` in the lowest dot, 3/8 of a row below the middle.
    """
    if len(axis.ticks) < 2 or height < 4:
        return axis
    step = axis.ticks[1][0] - axis.ticks[0][0]
    for rows in range(height, 0, -1):  # between two ticks
        unit = step / rows  # of one row
        bottom = math.floor((axis.low + 0.375 * unit) / unit + 1e-9) * unit  # the lowest row's
        low = bottom - 0.375 * unit
        high = low + (height - 0.25) * unit
        if high >= axis.high - 1e-9 and high - low < 1.6 * (axis.high - axis.low):
            ticks = decade_ticks(low, high, height / 3)
            if len(ticks) > 1 and math.isclose(ticks[1][0] - ticks[0][0], step):
                return Axis(low, high, ticks)
    return axis


class Legend:
    """The legend of several plots that show the same lines, to stand below them all."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = list(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        inks = palette.inks([line.key for line in self.lines])
        names = [glyphs.fit(line.name, options.ascii_only) for line in self.lines]
        rows = _legend_rows(names, options.max_width)
        canvas = Canvas.for_options(options, options.max_width, len(rows))
        plot = _Plot(canvas, console, 0, 0, 1, 1, Axis(0, 1, []), Axis(0, 1, []))
        for y, entries in enumerate(rows):
            for x, i in entries:
                series = _Series(self.lines[i], i, inks[i], "linear", "linear")
                plot.sample(x, y, series, names[i], options.max_width - x - 4)
        yield from canvas.segments()


class _Series:
    """A line in plot coordinates: what is drawn, and where values left the axis."""

    def __init__(
        self, line: Line, index: int, ink: palette.Ink, x_scale: Scale, y_scale: Scale
    ) -> None:
        x = np.atleast_1d(np.asarray(line.x, float)).ravel()
        y = np.atleast_1d(np.asarray(line.y, float)).ravel()
        if x.shape != y.shape:
            raise ValueError(f"line {line.name!r}: x has {x.size} values, y has {y.size}")
        self.line, self.index, self.ink = line, index, ink
        self.x, self.y = _coordinates(x, x_scale), _coordinates(y, y_scale)
        keep = np.isfinite(self.x)
        self.x, self.y = self.x[keep], self.y[keep]
        self.low, self.high = (
            np.empty(0) if edge is None else np.asarray(edge, float).ravel()
            for edge in (line.low, line.high)
        )
        for edge in (self.low, self.high):
            if edge.size not in (0, x.size):
                raise ValueError(f"line {line.name!r}: a band of {edge.size} for {x.size} points")
        self.low, self.high = (
            _coordinates(edge[keep], y_scale) if edge.size else edge
            for edge in (self.low, self.high)
        )


def _coordinates(values: Floats, scale: Scale) -> Floats:
    """Values to plot coordinates: their log10 on a log axis, where zero lies at minus infinity."""
    if scale != "log":
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(values))


class _Plot:
    """The drawing of one Curves at one size on one canvas."""

    def __init__(
        self,
        canvas: Canvas,
        console: Console,
        left: int,
        top: int,
        width: int,
        height: int,
        x_axis: Axis,
        y_axis: Axis,
    ) -> None:
        self.canvas, self.console = canvas, console
        self.left, self.top, self.width, self.height = left, top, width, height
        self.x_axis, self.y_axis = x_axis, y_axis
        self.colourless = palette.depth(console) == "none"
        self.dots = np.zeros((height, width), int)
        self.smooth = palette.depth(console) in ("truecolor", "256") and not canvas.ascii_only
        self.inks = Inks()
        self.tints: dict[tuple[int, int], palette.RGB] = {}  # of cells that bands cover by half
        self.slivers: dict[
            tuple[tuple[int, int], int], palette.RGB
        ] = {}  # by less; of which series

    def columns(self, x: Floats) -> Floats:
        """Plot coordinates to columns; rounded, the ones in which the braille dots lie."""
        return (self.x_axis.place(x, 2 * self.width) + 0.5) / 2 - 0.5

    def rows(self, y: Floats) -> Floats:
        """Plot coordinates to rows from the bottom, likewise."""
        return (self.y_axis.place(y, 4 * self.height) + 0.5) / 4 - 0.5

    def frame(self, x_label: str, y_label: str) -> None:
        """Axes, ticks and labels."""
        canvas, bottom = self.canvas, self.top + self.height
        plain = canvas.ascii_only
        axis, muted = palette.style(self.console, "axis"), palette.style(self.console, "muted")
        corner, across, up, tick_x, tick_y = "+-|++" if plain else "└─│┬┤"
        if y_label:
            canvas.write(0, 0, y_label, muted, width=canvas.width)
        for y in range(self.top, bottom):
            canvas.put(self.left - 1, y, up, axis)
        canvas.put(self.left - 1, bottom, corner, axis)
        for x in range(self.left, self.left + self.width):
            canvas.put(x, bottom, across, axis)
        for value, label in self.y_axis.ticks:
            y = bottom - 1 - int(np.rint(self.rows(np.array(value))))
            canvas.put(self.left - 1, y, tick_y, axis)
            canvas.write(0, y, label, muted, width=self.left - 1, align="right")
        end = 0
        for value, label in self.x_axis.ticks:
            x = self.left + int(np.rint(self.columns(np.array(value))))
            start = min(max(x - cell_len(label) // 2, 0), canvas.width - cell_len(label))
            canvas.put(x, bottom, tick_x, axis)
            if start >= end:
                canvas.write(start, bottom + 1, label, muted)
                end = start + cell_len(label) + 1
        if x_label:
            canvas.write(
                self.left,
                bottom + 2,
                x_label,
                muted,
                width=min(self.width, canvas.width - self.left),
                align="right",
            )

    def band(self, s: _Series) -> None:
        """Tint the cells between low and high; where colours are few, dot them."""
        if not (s.low.size and s.low.size == s.high.size):
            return
        order = np.argsort(s.x)
        x = s.x[order]
        at = np.interp(np.arange(self.width), self.columns(x), x, left=np.nan, right=np.nan)
        style = palette.style_of(self.console, s.ink)
        # The ends in rows from the bottom, where row r reaches from r to r + 1.
        low, high = (
            np.clip(self.rows(np.interp(at, x, edge[order])) + 0.5, 0, self.height)
            for edge in (s.low, s.high)
        )
        for column in np.flatnonzero(np.isfinite(low) & np.isfinite(high)).tolist():
            bottom, top = float(low[column]), float(high[column])
            for row in range(math.floor(bottom), min(self.height, math.ceil(top))):
                cell = self.left + column, self.top + self.height - 1 - row
                start, end = max(bottom - row, 0.0), min(top - row, 1.0)
                if self.smooth:
                    self._tint(cell, start, end, s)
                elif end - start >= 0.5:
                    self.canvas.put(*cell, "." if self.canvas.ascii_only else "·", style)

    def _tint(self, cell: tuple[int, int], start: float, end: float, s: _Series) -> None:
        """Lay a band over a cell from height `start` to `end`, in eighths.

        A curve through a cell takes the place of the block, so that it needs one ground for the
        whole cell: the band's where that fills the half of it, and under its own curve a quarter.
        """
        under = self.tints.get(cell)
        ink, ground = palette.rgb(self.console, s.ink), palette.ground_rgb(self.console)
        tint = palette.blend(ink, under or ground, _BAND)
        bottom, top = round(8 * start), round(8 * end)
        if top - bottom >= 4:
            self.tints[cell] = tint
        elif top - bottom >= 2:
            self.slivers[cell, s.index] = tint
        if (bottom, top) == (0, 8):
            self.canvas.put(*cell, " ", self.inks(None, tint))
        elif bottom == 0 < top:
            self.canvas.put(*cell, " ▁▂▃▄▅▆▇"[top], self.inks(tint, under))
        elif bottom < top == 8:  # the block is what is left free: blocks only grow upwards
            self.canvas.put(*cell, " ▁▂▃▄▅▆▇"[bottom], self.inks(tint, under, reverse=True))

    def curve(self, s: _Series) -> None:
        """Draw one series: dots, with markers where they are asked for, or colours are none."""
        style = palette.style_of(self.console, s.ink)
        if self.canvas.ascii_only:
            self._markers(s, style, s.ink.ascii, every=1)
        else:
            self._braille(s, style)
            if s.line.marked:
                self._points(s, style)
            elif self.colourless:
                self._markers(s, style, s.ink.marker, every=9)
        self._departures(s, style)

    def _braille(self, s: _Series, style: Style) -> None:
        rows, columns = 4 * self.height, 2 * self.width
        xs, ys = self.x_axis.place(s.x, columns), self.y_axis.place(s.y, rows)
        mask = _strokes(xs, ys, columns, rows)
        if s.line.dashed:
            mask[:, np.arange(columns) // 2 % 3 == 2] = False
        cells = mask[::-1].reshape(self.height, 4, self.width, 2).transpose(0, 2, 1, 3)
        codes = (cells * _BRAILLE).sum(axis=(2, 3))
        self.dots |= codes
        for row, column in np.argwhere(codes).tolist():
            cell = self.left + column, self.top + row
            tint = self.tints.get(cell) or self.slivers.get((cell, s.index))
            if tint:
                self.tints[cell] = tint  # now it covers the cell, for the next curve too
            on = self.inks(palette.rgb(self.console, s.ink), tint) if tint else style
            self.canvas.put(*cell, chr(0x2800 + self.dots[row, column]), on)

    def _markers(self, s: _Series, style: Style, marker: str, every: int) -> None:
        cells = np.argwhere(_strokes(self.columns(s.x), self.rows(s.y), self.width, self.height))
        for row, column in cells.tolist():
            if s.line.dashed and every == 1 and column % 2:
                continue
            if len(cells) <= 2 or (column + 3 * s.index) % every == 0:
                self.canvas.put(self.left + column, self.top + self.height - 1 - row, marker, style)

    def _points(self, s: _Series, style: Style) -> None:
        """A marker at every value: between them nothing was measured."""
        known = np.isfinite(s.y)
        columns, rows = np.rint(self.columns(s.x[known])), np.rint(self.rows(s.y[known]))
        inside = (columns >= 0) & (columns < self.width) & (rows >= 0) & (rows < self.height)
        for column, row in zip(columns[inside].astype(int), rows[inside].astype(int), strict=True):
            cell = self.left + int(column), self.top + self.height - 1 - int(row)
            self.canvas.put(*cell, s.ink.marker, style)

    def _departures(self, s: _Series, style: Style) -> None:
        """Arrows where the values are infinite (or zero, on a log axis)."""
        plain = self.canvas.ascii_only
        columns = np.rint(self.columns(s.x))
        for sign, y, arrow in (
            (1, self.top, "^" if plain else "↑"),
            (-1, self.top + self.height - 1, "v" if plain else "↓"),
        ):
            gone = np.isinf(s.y) & (np.sign(s.y) == sign) & (columns >= 0) & (columns < self.width)
            if gone.any():
                for x in {int(columns[gone].min()), int(columns[gone].max())}:
                    self.canvas.put(self.left + x, y, arrow, style)

    def sample(self, x: int, y: int, s: _Series, name: str, room: int) -> None:
        """One entry of the legend: a piece of the line and its name."""
        style = palette.style_of(self.console, s.ink)
        if self.canvas.ascii_only:
            piece = f"{s.ink.ascii} {s.ink.ascii}" if s.line.dashed else s.ink.ascii * 3
        elif self.colourless or s.line.marked:
            piece = f"⠄{s.ink.marker}⠠" if s.line.dashed else f"⠤{s.ink.marker}⠤"
        else:
            piece = "⠤ ⠤" if s.line.dashed else "⠤⠤⠤"
        self.canvas.write(x, y, piece, style)
        self.canvas.write(x + 4, y, name, Style(), width=max(1, room))


def _strokes(xs: Floats, ys: Floats, columns: int, rows: int) -> NDArray[np.bool_]:
    """The cells (rows, columns), row 0 at the bottom, that the line through (xs, ys) crosses."""
    mask = np.zeros((rows, columns), bool)
    known = np.isfinite(xs) & np.isfinite(ys)
    joined = np.flatnonzero(known[:-1] & known[1:])
    single = np.flatnonzero(known)  # a stroke to itself, for points without neighbours
    starts, ends = np.r_[joined, single], np.r_[joined + 1, single]
    for part in range(0, len(starts), _CHUNK):
        a, b = starts[part : part + _CHUNK], ends[part : part + _CHUNK]
        x0, y0, x1, y1 = _clip(xs[a], ys[a], xs[b], ys[b], columns - 0.51, rows - 0.51)
        number = np.maximum(abs(x1 - x0), abs(y1 - y0)).astype(int) + 2  # samples of each stroke
        stroke = np.repeat(np.arange(len(number)), number)
        sample = np.arange(len(stroke)) - (np.cumsum(number) - number)[stroke]
        share = sample / (number - 1)[stroke]
        x, y = x0[stroke] + share * (x1 - x0)[stroke], y0[stroke] + share * (y1 - y0)[stroke]
        mask[np.floor(y + 0.5).astype(int), np.floor(x + 0.5).astype(int)] = True
    return mask


def _clip(
    x0: Floats, y0: Floats, x1: Floats, y1: Floats, right: float, top: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Cut segments to -0.49..right, -0.49..top (Liang & Barsky 1984); without those outside."""
    enter, leave = np.zeros_like(x0), np.ones_like(x0)
    dx, dy = x1 - x0, y1 - y0
    for p, q in ((-dx, x0 + 0.49), (dx, right - x0), (-dy, y0 + 0.49), (dy, top - y0)):
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = q / p
        enter = np.where(p < 0, np.maximum(enter, crossing), enter)
        leave = np.where(p > 0, np.minimum(leave, crossing), leave)
        leave = np.where((p == 0) & (q < 0), -1.0, leave)
    x0, y0, dx, dy, enter, leave = (v[enter <= leave] for v in (x0, y0, dx, dy, enter, leave))
    return x0 + enter * dx, y0 + enter * dy, x0 + leave * dx, y0 + leave * dy


def _legend_rows(names: Sequence[str], width: int) -> list[list[tuple[int, int]]]:
    """Lay the legend out below: rows of (column, index)."""
    rows: list[list[tuple[int, int]]] = []
    x = width
    for i, name in enumerate(names):
        size = 4 + cell_len(name) + 2
        if not rows or x + size - 2 > width:
            rows.append([])
            x = 0
        rows[-1].append((x, i))
        x += size
    return rows


def linear_ticks(low: float, high: float, room: float) -> list[tuple[float, str]]:
    """Ticks at 1, 2 or 5 times a power of ten, at most about `room` of them."""
    rough = (high - low) / max(1.0, room)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    largest = max(abs(first * step), abs(last * step))
    if largest >= 1e6 or decimals > 4:
        digits = max(2, math.ceil(math.log10(max(largest / step, 1))) + 1)
        return [(i * step, glyphs.number(i * step, digits)) for i in range(first, last + 1)]
    return [(i * step, f"{i * step:.{decimals}f}") for i in range(first, last + 1)]


def decade_ticks(low: float, high: float, room: float) -> list[tuple[float, str]]:
    """Ticks at whole powers of ten between the exponents `low` and `high`."""
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    if high - low < 1.5 and -300 < low < high < 300:  # hardly a decade: plain numbers
        values = linear_ticks(10.0**low, 10.0**high, room)
        places = [(math.log10(v), text) for v, text in values if v > 0]
        return [(place, text) for place, text in places if low <= place <= high]
    if first > last:  # less than a decade, and no float can say where
        return [(low, glyphs.power(low)), (high, glyphs.power(high))]
    step = next(
        m * 10**k
        for k in range(12)
        for m in (1, 2, 3, 5)
        if last - first <= m * 10**k * max(1, room)
    )
    exponents = range(math.ceil(first / step) * step, last + 1, step)
    plain = first >= -3 and last <= 4
    return [(float(e), f"{10.0**e:g}" if plain else f"1e{e}") for e in exponents]


def demo() -> Curves:
    """Three decays, one of them with a band."""
    x = np.linspace(0, 50, 51)
    return Curves(
        [
            Line("0.9 to the power of k", x, 0.9**x, 0.83**x, 0.96**x, key="lstm"),
            Line("0.5 to the power of k", x, 0.5**x, key="rnn"),
            Line("0.8 to the power of k", x, 0.8**x, key="theory", dashed=True),
        ],
        x_label="steps back k",
        y_label="norm",
        y_scale="log",
    )


if __name__ == "__main__":
    Console().print(demo())
