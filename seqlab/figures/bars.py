"""Horizontal bars with their labels on the left and their numbers on the right."""

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
from seqlab.figures.canvas import Canvas
from seqlab.locale import _

Floats = NDArray[np.float64]

_TO_THE_RIGHT = " ▏▎▍▌▋▊▉█"
_TO_THE_LEFT = " ▕▕▐▐▐▐▐█"  # Unicode has no others
_ASCII = " #"
_LONGEST_BAR = 72  # beyond it the eye loses the row between label and number


class Bars:
    """One bar a value.

    Args:
        labels, values: one of each a bar. NaN has no bar, an infinity an arrow out of the figure.
        keys: architectures, for the colours of the bars; without, all bars look the same.
        units: written behind each number.
        scale: "linear" from zero, negative values to the left of it; or "log", from the whole
            power of ten below the smallest value (a line below says which).
        low, high: ends of the spread around each value, drawn as a line; over the bar, as a shade.
        highlight: the index of a bar whose label and number are bold.
    """

    def __init__(
        self,
        labels: Sequence[str],
        values: ArrayLike,
        *,
        keys: Sequence[str] = (),
        units: str = "",
        scale: Literal["linear", "log"] = "linear",
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        highlight: int | None = None,
    ) -> None:
        self.labels, self.keys = list(labels), list(keys)
        self.values: Floats = np.asarray(values, float).reshape(-1)
        self.low, self.high = (
            self.values if edge is None else np.asarray(edge, float).reshape(-1)
            for edge in (low, high)
        )
        for name, size in (
            ("labels", len(self.labels)),
            ("keys", len(self.keys) or self.values.size),
            ("low", self.low.size),
            ("high", self.high.size),
        ):
            if size != self.values.size:
                raise ValueError(f"{name}: {size} for {self.values.size} bars")
        self.units, self.scale, self.highlight = units, scale, highlight

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        labels, numbers = self._texts(options.ascii_only)
        names, figures = (max(map(cell_len, texts), default=0) for texts in (labels, numbers))
        most = names + figures + 2 + _LONGEST_BAR
        return Measurement(min(24, options.max_width), min(most, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        full, plain = options.max_width, options.ascii_only
        muted, axis = palette.style(console, "muted"), palette.style(console, "axis")
        if not self.values.size:
            canvas = Canvas.for_options(options, full, 1)
            canvas.write(0, 0, "(no bars to draw)", muted, width=full)
            yield from canvas.segments()
            return
        labels, numbers = self._texts(plain)
        left = min(max(map(cell_len, labels)), full // 3) + 1
        right = min(max(map(cell_len, numbers)), full // 3) + 1
        length = min(_LONGEST_BAR, max(1, full - left - right))
        places, note = self._places()
        canvas = Canvas.for_options(options, full, len(labels) + bool(note))
        bars = _Drawing(canvas, left, length, places)
        for y, (value, low, high) in enumerate(places.tolist()):
            ink = palette.style_of(console, palette.ink(self.keys[y] if self.keys else ""))
            weight = Style(bold=y == self.highlight or None)
            canvas.write(0, y, labels[y], weight, width=left - 1)
            bars.zero(y, axis)
            bars.bar(y, value, ink)
            bars.whisker(y, low, high, ink)
            canvas.write(left + length, y, numbers[y], weight, width=right, align="right")
        canvas.write(left, len(labels), note, muted, width=full - left)
        yield from canvas.segments()

    def _texts(self, plain: bool) -> tuple[list[str], list[str]]:
        """The labels and the numbers with their units, fitted."""
        units = f" {self.units}" if self.units else ""
        whole = all(v.is_integer() and abs(v) < 1e6 for v in self.values.tolist())  # counts
        numbers = [
            (glyphs.count(int(v)) if whole else glyphs.number(v))
            + (units if math.isfinite(v) else "")
            for v in self.values.tolist()
        ]
        return [glyphs.fit(t, plain) for t in self.labels], [glyphs.fit(t, plain) for t in numbers]

    def _places(self) -> tuple[Floats, str]:
        """(bars, 3): value, low and high; bars begin at 0, the largest size is 1.

        And the note that a log scale needs, because its bars could begin anywhere.
        """
        places, note = np.stack([self.values, self.low, self.high], axis=1), ""
        if self.scale == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                places = np.log10(places)
            finite = places[np.isfinite(places)]
            base = math.ceil(finite.min()) - 1 if finite.size else 0
            places, note = (
                places - base,
                _("log scale, bars begin at {base}").format(base=glyphs.power(base, 1)),
            )
        sizes = np.abs(places[np.isfinite(places)])
        return places / (sizes.max(initial=0.0) or 1.0), note


class _Drawing:
    """Bars in `length` columns from `left`, all `places` on one scale."""

    def __init__(self, canvas: Canvas, left: int, length: int, places: Floats) -> None:
        self.canvas = canvas
        low = np.min(places, initial=0.0, where=np.isfinite(places))
        high = np.max(places, initial=0.0, where=np.isfinite(places))
        # The zero line has a column of its own. Rounding it to a whole column costs one more.
        self.two_sided = bool(np.any(places < 0))
        self.unit = max(0, length - 2 * self.two_sided) / ((high - low) or 1.0)
        self.first, self.last = left, left + length - 1
        self.origin = left + max(self.two_sided, math.ceil(-low * self.unit))

    def zero(self, y: int, style: Style) -> None:
        """The line that negative bars lie to the left of."""
        if self.two_sided:
            self.canvas.put(self.origin, y, "|" if self.canvas.ascii_only else "│", style)

    def bar(self, y: int, value: float, style: Style) -> None:
        """From zero to `value`, to an eighth of a cell; an arrow where it leaves the figure."""
        if math.isnan(value):
            return
        plain, sign = self.canvas.ascii_only, -1 if value < 0 else 1
        start = self.origin - 1 if sign < 0 else self.origin + self.two_sided
        edge = self.first if sign < 0 else self.last
        size = abs(value) * self.unit if math.isfinite(value) else abs(edge - start)
        steps = _ASCII if plain else _TO_THE_LEFT if sign < 0 else _TO_THE_RIGHT
        whole = int(size)
        for i in range(whole):
            self.canvas.put(start + sign * i, y, steps[-1], style)
        rest = steps[round((size - whole) * (len(steps) - 1))]
        if rest != " ":
            self.canvas.put(start + sign * whole, y, rest, style)
        if math.isinf(value):
            self.canvas.put(edge, y, ("<>" if plain else "←→")[sign > 0], style)

    def whisker(self, y: int, low: float, high: float, style: Style) -> None:
        """The spread: a line from `low` to `high` that shades the bar where it lies over it."""
        if not low < high:
            return
        full, shaded, lines = ("#", "=", "[-]") if self.canvas.ascii_only else ("█", "▓", "├─┤")
        first, last = self._column(low), self._column(high)
        for x in range(first, last + 1):
            under = self.canvas.character(x, y)
            if under == full:
                self.canvas.put(x, y, shaded, style)
            elif under == " ":
                self.canvas.put(x, y, lines[(x > first) + (x == last)], style)

    def _column(self, value: float) -> int:
        """The column in which `value` lies."""
        place = self.origin + self.two_sided * (value > 0) + min(9.0, max(-9.0, value)) * self.unit
        return min(self.last, max(self.first, math.floor(place)))


def demo() -> Bars:
    """What one training step of each costs."""
    return Bars(
        ["RNN", "LSTM", "attention", "Swin, shifted windows"],
        [1.9, 4.2, 3.1, 0.62],
        keys=["rnn", "lstm", "attention", "swin"],
        units="ms",
        low=[1.7, 3.5, 2.9, 0.6],
        high=[2.2, 5.1, 3.6, 0.65],
        highlight=1,
    )


if __name__ == "__main__":
    Console().print(demo())
