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
from seqlab.figures.canvas import Canvas

Scale = Literal["linear", "log", "log10"]
Floats = NDArray[np.float64]

_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_MINIMUM_PLOT = 12


class Line(NamedTuple):
    """One series: `y` over `x`, with an optional band from `low` to `high`.

    `key` names an architecture (its colour and marker); any other key takes the next free ink.
    NaN leaves a gap; an infinity, or zero on a log axis, is an arrow at the edge it left by.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    key: str = ""
    dashed: bool = False


class Axis(NamedTuple):
    """An axis in plot coordinates (log10 of the value on a log axis) with its labelled ticks."""

    low: float
    high: float
    ticks: list[tuple[float, str]]

    def place(self, values: Floats, dots: int) -> Floats:
        """Map plot coordinates to 0 .. dots - 1."""
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
        legend: Literal["auto", "right", "below", "none"] = "auto",
    ) -> None:
        self.lines = list(lines)
        self.x_label, self.y_label = x_label, y_label
        self.x_scale, self.y_scale = x_scale, y_scale
        self.height = max(2, height)
        self.x_range, self.y_range = x_range, y_range
        self.legend = legend

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(24, options.max_width), options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        series = [_Series(line, i, self.x_scale, self.y_scale) for i, line in enumerate(self.lines)]
        if not any(len(s.x) for s in series):
            canvas = Canvas.for_options(options, options.max_width, 1)
            canvas.write(0, 0, "(no data to draw)", palette.style(console, "muted"))
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
        labels = max((cell_len(t) for _, t in y_axis.ticks), default=0)
        width = max(_MINIMUM_PLOT, options.max_width - labels - 2 - legend_width)
        x_axis = self._axis([s.x for s in series], self.x_scale, self.x_range, width / 12)
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
            plot.line(s)
        if place == "right":
            room = legend_width - 5
            for row, (s, name) in enumerate(zip(series, names)):
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
        low, high = float(low), float(high)
        if not high - low > 1e-12 * max(abs(low), abs(high), 1e-300):
            pad = 0.5 if scale != "linear" else (abs(low) / 2 or 0.5)
            low, high = low - pad, high + pad
        ticks = (
            linear_ticks(low, high, room) if scale == "linear" else decade_ticks(low, high, room)
        )
        return Axis(low, high, ticks)


class Legend:
    """The legend of several plots that show the same lines, to stand below them all."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = list(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        series = [_Series(line, i, "linear", "linear") for i, line in enumerate(self.lines)]
        names = [glyphs.fit(line.name, options.ascii_only) for line in self.lines]
        rows = _legend_rows(names, options.max_width)
        canvas = Canvas.for_options(options, options.max_width, len(rows))
        plot = _Plot(canvas, console, 0, 0, 1, 1, Axis(0, 1, []), Axis(0, 1, []))
        for y, entries in enumerate(rows):
            for x, i in entries:
                plot.sample(x, y, series[i], names[i], options.max_width - x - 4)
        yield from canvas.segments()


class _Series:
    """A line in plot coordinates: what is drawn, and where values left the axis."""

    def __init__(self, line: Line, index: int, x_scale: Scale, y_scale: Scale) -> None:
        x = np.atleast_1d(np.asarray(line.x, float)).ravel()
        y = np.atleast_1d(np.asarray(line.y, float)).ravel()
        if x.shape != y.shape:
            raise ValueError(f"line {line.name!r}: x has {x.size} values, y has {y.size}")
        self.line, self.ink = line, palette.ink(line.key, index)
        self.index = index
        self.x, self.y = _coordinates(x, x_scale), _coordinates(y, y_scale)
        keep = np.isfinite(self.x)
        self.x, self.y = self.x[keep], self.y[keep]
        self.low, self.high = (
            _coordinates(np.asarray(edge, float).ravel()[keep], y_scale)
            if edge is not None
            else np.empty(0)
            for edge in (line.low, line.high)
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
            y = bottom - 1 - int(round(self.y_axis.place(np.array(value), self.height)))
            canvas.put(self.left - 1, y, tick_y, axis)
            canvas.write(0, y, label, muted, width=self.left - 1, align="right")
        end = 0
        for value, label in self.x_axis.ticks:
            x = self.left + int(round(self.x_axis.place(np.array(value), self.width)))
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
        """Tint the cells between low and high; without colour, dot them."""
        if not (s.low.size and s.low.size == s.high.size == s.x.size):
            return
        order = np.argsort(s.x)
        at = np.linspace(self.x_axis.low, self.x_axis.high, self.width)
        inside = (at >= s.x[order][0]) & (at <= s.x[order][-1])
        edges = []
        for edge in (s.low, s.high):
            clipped = np.clip(
                np.nan_to_num(edge[order], nan=np.nan), self.y_axis.low, self.y_axis.high
            )
            edges.append(self.y_axis.place(np.interp(at, s.x[order], clipped), self.height))
        level = palette.depth(self.console)
        smooth = level in ("truecolor", "256") and not self.canvas.ascii_only
        style = palette.style_of(self.console, s.ink)
        if smooth:
            mixed = palette.blend(
                palette.rgb(self.console, s.ink), palette.ground_rgb(self.console), 0.28
            )
        for column in np.flatnonzero(inside):
            low, high = edges[0][column] + 0.5, edges[1][column] + 0.5  # in rows from the bottom
            if not (np.isfinite(low) and np.isfinite(high)):
                continue
            for row in range(max(0, math.floor(low)), min(self.height, math.ceil(high))):
                share = min(high, row + 1) - max(low, row)
                x, y = self.left + column, self.top + self.height - 1 - row
                if smooth:
                    self._tint(x, y, share, low <= row, mixed)
                elif share >= 0.5:
                    self.canvas.put(x, y, "." if self.canvas.ascii_only else "·", style)

    def _tint(self, x: int, y: int, share: float, from_bottom: bool, tint: palette.RGB) -> None:
        """Fill `share` of one cell: eighths where it grows from the bottom, else its upper half."""
        eighths = round(8 * share)
        if eighths >= 7:
            self.canvas.put(x, y, " ", Style.from_color(None, palette.Color.from_rgb(*tint)))
        elif eighths and (from_bottom or 3 <= eighths):
            block = "▁▂▃▄▅▆▇"[eighths - 1] if from_bottom else "▀"
            self.canvas.put(x, y, block, Style.from_color(palette.Color.from_rgb(*tint)))

    def line(self, s: _Series) -> None:
        """Draw one series: dots in colour, markers besides where colour cannot tell them apart."""
        style = palette.style_of(self.console, s.ink)
        if self.canvas.ascii_only:
            self._markers(s, style, s.ink.ascii, every=1)
        else:
            self._braille(s, style)
            if self.colourless and not s.line.dashed:
                self._markers(s, style, s.ink.marker, every=9)
        self._departures(s, style)

    def _braille(self, s: _Series, style: Style) -> None:
        rows, columns = 4 * self.height, 2 * self.width
        mask = np.zeros((rows, columns), bool)
        for x, y in _strokes(
            self.x_axis.place(s.x, columns), self.y_axis.place(s.y, rows), columns, rows
        ):
            mask[rows - 1 - y, x] = True
        if s.line.dashed:
            mask[:, np.arange(columns) // 2 % 3 == 2] = False
        cells = mask.reshape(self.height, 4, self.width, 2).transpose(0, 2, 1, 3)
        codes = (cells * _BRAILLE).sum(axis=(2, 3))
        for row, column in zip(*np.nonzero(codes)):
            x, y = self.left + int(column), self.top + int(row)
            self.dots[row, column] |= int(codes[row, column])
            under, tint = self.canvas.style(x, y), self.canvas.character(x, y) in "▃▄▅▆▇▀"
            back = under.color if tint else under.bgcolor
            tinted = Style(color=style.color, bgcolor=back) if back else style
            self.canvas.put(x, y, chr(0x2800 + self.dots[row, column]), tinted)

    def _markers(self, s: _Series, style: Style, marker: str, every: int) -> None:
        xs, ys = self.x_axis.place(s.x, self.width), self.y_axis.place(s.y, self.height)
        drawn = list(_strokes(xs, ys, self.width, self.height))
        single = len(drawn) <= 2
        for x, y in drawn:
            if single or (x + 3 * s.index) % every == 0 or every == 1:
                if s.line.dashed and x % 2:
                    continue
                self.canvas.put(self.left + x, self.top + self.height - 1 - y, marker, style)

    def _departures(self, s: _Series, style: Style) -> None:
        """Arrows where the values are infinite (or zero, on a log axis)."""
        plain = self.canvas.ascii_only
        columns = self.x_axis.place(s.x, self.width)
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
        elif self.colourless and not s.line.dashed:
            piece = f"⠤{s.ink.marker}⠤"
        else:
            piece = "⠤ ⠤" if s.line.dashed else "⠤⠤⠤"
        self.canvas.write(x, y, piece, style)
        self.canvas.write(x + 4, y, name, Style(), width=max(1, room))


def _strokes(xs: Floats, ys: Floats, columns: int, rows: int) -> Iterable[tuple[int, int]]:
    """The cells that the polyline through (xs, ys) crosses, clipped to the grid."""
    finite = np.isfinite(ys)
    if finite.sum() > 8 * columns:  # many points to a column: their extremes draw the same line
        xs, ys = _thin(xs[finite], ys[finite])
        finite = np.ones(len(xs), bool)
    alone = finite & ~np.r_[False, finite[:-1]] & ~np.r_[finite[1:], False]
    pieces = [np.stack([xs[alone], ys[alone]])]
    for i in np.flatnonzero(finite[:-1] & finite[1:]):
        ends = _clip(xs[i], ys[i], xs[i + 1], ys[i + 1], columns - 1, rows - 1)
        if ends is not None:
            x0, y0, x1, y1 = ends
            n = int(max(abs(x1 - x0), abs(y1 - y0))) + 2
            pieces.append(np.stack([np.linspace(x0, x1, n), np.linspace(y0, y1, n)]))
    cells = np.rint(np.concatenate(pieces, axis=1)).astype(int)
    inside = (cells[0] >= 0) & (cells[0] < columns) & (cells[1] >= 0) & (cells[1] < rows)
    return sorted(set(zip(*cells[:, inside].tolist())))


def _thin(xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
    """Keep, of the points in each column, the first, the lowest, the highest and the last."""
    order = np.argsort(xs, kind="stable")
    xs, ys = xs[order], ys[order]
    starts = np.flatnonzero(np.r_[True, np.diff(np.rint(xs)) > 0])
    keep: list[int] = []
    for a, b in zip(starts, np.r_[starts[1:], len(xs)]):
        part = ys[a:b]
        keep += sorted({a, b - 1, a + int(part.argmin()), a + int(part.argmax())})
    return xs[keep], ys[keep]


def _clip(
    x0: float, y0: float, x1: float, y1: float, right: float, top: float
) -> tuple[float, float, float, float] | None:
    """Cut a segment to the box 0..right, 0..top (Liang & Barsky 1984); None if it lies outside."""
    enter, leave = 0.0, 1.0
    dx, dy = x1 - x0, y1 - y0
    for p, q in (
        (-dx, x0 + 0.49),
        (dx, right + 0.49 - x0),
        (-dy, y0 + 0.49),
        (dy, top + 0.49 - y0),
    ):
        if p == 0:
            if q < 0:
                return None
            continue
        if p < 0:
            enter = max(enter, q / p)
        else:
            leave = min(leave, q / p)
    if enter > leave:
        return None
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
    if first > last or last - first < 1 and high - low < 1.5:  # less than a decade: plain numbers
        values = linear_ticks(10.0**low, 10.0**high, room) if -300 < low <= high < 300 else []
        return [
            (math.log10(v), text) for v, text in values if v > 0 and low <= math.log10(v) <= high
        ]
    step = 1
    for step in (1, 2, 3, 5, 6, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000):
        if (last - first) / step <= max(1.0, room):
            break
    exponents = range(math.ceil(first / step) * step, last + 1, step)
    plain = -3 <= first and last <= 4
    return [(float(e), f"{10.0**e:g}" if plain else f"1e{e}") for e in exponents]


def demo() -> Curves:
    """Two waves and a decay, with a band."""
    x = np.linspace(0, 50, 51)
    return Curves(
        [
            Line("0.9 to the power of k", x, 0.9**x, 0.85**x, 0.95**x, key="lstm"),
            Line("0.5 to the power of k", x, 0.5**x, key="rnn"),
            Line("a line", x, 10.0 ** (-x / 10), key="theory", dashed=True),
        ],
        x_label="steps back k",
        y_label="norm",
        y_scale="log",
    )


if __name__ == "__main__":
    Console().print(demo())
