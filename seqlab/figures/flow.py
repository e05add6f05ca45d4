"""Boxes with arrows between them: how a tensor changes its shape on its way through a model."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from seqlab.figures import glyphs, palette
from seqlab.figures.canvas import Canvas
from seqlab.locale import _

_WIDEST_BOX, _WIDEST_LABEL = 32, 16
_SHAFT = 4  # columns of an arrow without a label
_TURN = 2  # columns that an arrow to the next row takes behind the last box


class Box(NamedTuple):
    """A step: its title, the shape of the tensor there, a remark, and an architecture's colour."""

    title: str
    shape: str = ""
    note: str = ""
    key: str = ""


class Arrow(NamedTuple):
    """What happens between two boxes. Boxes that follow each other have a bare arrow."""

    label: str = ""


class _Step(NamedTuple):
    """A box with the arrow that leads to it, placed: the arrow begins at x of its row."""

    box: Box
    label: str
    row: int
    x: int
    arrow: int  # columns of the arrow, 0 before the first box
    width: int  # columns of the box


class Flow:
    """Boxes from left to right, joined by arrows, on as many rows as they need.

    Args:
        steps: boxes, and arrows where the way between two boxes has a name. A flow begins and
            ends with a box.
    """

    def __init__(self, steps: Sequence[Box | Arrow]) -> None:
        self.boxes: list[tuple[str, Box]] = []  # with the label of the arrow that leads to each
        arrow: Arrow | None = None
        for step in steps:
            if isinstance(step, Box):
                self.boxes.append((arrow.label if arrow else "", step))
                arrow = None
            elif not self.boxes or arrow is not None:
                raise ValueError(f"a flow needs a box before the arrow {step.label!r}")
            else:
                arrow = step
        if arrow is not None:
            raise ValueError(f"a flow needs a box after the arrow {arrow.label!r}")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        steps = self._steps(10**6, options.ascii_only)
        most = max(24, steps[-1].x + steps[-1].arrow + steps[-1].width) if steps else 24
        return Measurement(min(24, options.max_width), min(most, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        full, plain = options.max_width, options.ascii_only
        muted, axis = palette.style(console, "muted"), palette.style(console, "axis")
        if not self.boxes:
            canvas = Canvas.for_options(options, full, 1)
            canvas.write(0, 0, _("(nothing to draw)"), muted, width=full)
            yield from canvas.segments()
            return
        steps = self._steps(full, plain)
        inside = 1 + any(b.shape for _, b in self.boxes) + any(b.note for _, b in self.boxes)
        pitch = inside + 3  # two borders, and the row in which arrows run back
        canvas = Canvas.for_options(options, full, pitch * (steps[-1].row + 1) - 1)
        for before, step in zip([None, *steps], steps):
            top = step.row * pitch
            middle = top + (inside + 1) // 2
            if before is not None and before.row < step.row:
                turn = before.x + before.arrow + before.width
                _run_back(canvas, turn, middle - pitch, top - 1, middle, axis)
            if step.arrow:
                _arrow(canvas, step, middle, axis, muted)
            ink = palette.style_of(console, palette.ink(step.box.key)) if step.box.key else axis
            rows = [(step.box.title, palette.style(console, "title")), (step.box.shape, Style())]
            if inside < 3 and not step.box.shape:
                rows.pop()
            rows.append((step.box.note, muted))
            _box(canvas, step.x + step.arrow, top, step.width, inside, ink)
            for y, (text, style) in enumerate(rows[:inside]):
                canvas.write(
                    step.x + step.arrow + 2, top + 1 + y, text, style,
                    width=step.width - 4, align="center",
                )  # fmt: skip
        yield from canvas.segments()

    def _steps(self, full: int, plain: bool) -> list[_Step]:
        """Break the flow into rows of at most `full` columns."""
        steps: list[_Step] = []
        for i, (label, box) in enumerate(self.boxes):
            label = glyphs.shorten(glyphs.fit(label, plain), min(_WIDEST_LABEL, full // 4), plain)
            arrow = max(_SHAFT, cell_len(label) + 3) if i else 0
            widest = max(cell_len(glyphs.fit(text, plain)) for text in box[:3])
            width = min(max(widest, 1) + 4, _WIDEST_BOX, max(5, full - arrow - _TURN))
            row, x = 0, 0
            if steps:
                row, x = steps[-1].row, steps[-1].x + steps[-1].arrow + steps[-1].width
                last = i == len(self.boxes) - 1
                if x + arrow + width + (0 if last else _TURN) > full:
                    row, x = row + 1, 0
            steps.append(_Step(box, label, row, x, arrow, width))
        return steps


def _box(canvas: Canvas, x: int, y: int, width: int, inside: int, style: Style) -> None:
    corners, across, down = ("++++", "-", "|") if canvas.ascii_only else ("╭╮╰╯", "─", "│")
    right, bottom = x + width - 1, y + inside + 1
    for column in range(x + 1, right):
        canvas.put(column, y, across, style)
        canvas.put(column, bottom, across, style)
    for row in range(y + 1, bottom):
        canvas.put(x, row, down, style)
        canvas.put(right, row, down, style)
    for corner, at in zip(corners, ((x, y), (right, y), (x, bottom), (right, bottom))):
        canvas.put(*at, corner, style)


def _arrow(canvas: Canvas, step: _Step, y: int, axis: Style, muted: Style) -> None:
    """The arrow into a box, its label above the line."""
    line, head = "->" if canvas.ascii_only else "─→"
    for x in range(step.x + (step.x == 0), step.x + step.arrow - 1):
        canvas.put(x, y, line, axis)
    canvas.put(step.x + step.arrow - 1, y, head, axis)
    canvas.write(step.x + 1, y - 1, step.label, muted, width=step.arrow - 2, align="center")


def _run_back(canvas: Canvas, x: int, y: int, between: int, to: int, style: Style) -> None:
    """The line from behind a row's last box down and back to the beginning of the next row."""
    across, down, corners = ("-", "|", "++++") if canvas.ascii_only else ("─", "│", "╮╯╭╰")
    right = x + _TURN - 1
    for column in range(x, right):
        canvas.put(column, y, across, style)
    for column in range(1, right):
        canvas.put(column, between, across, style)
    for row in range(y + 1, between):
        canvas.put(right, row, down, style)
    for row in range(between + 1, to):
        canvas.put(0, row, down, style)
    for corner, at in zip(corners, ((right, y), (right, between), (0, between), (0, to))):
        canvas.put(*at, corner, style)


def demo() -> Flow:
    """A vision transformer, from pixels to classes."""
    return Flow(
        [
            Box("picture", "224×224×3"),
            Arrow("cut"),
            Box("patches", "196×768", "16×16×3 each"),
            Arrow("embed"),
            Box("tokens", "197×192", "+ [CLS], position", key="vit"),
            Arrow("× 12"),
            Box("encoder", "197×192", key="vit"),
            Arrow("first row"),
            Box("[CLS]", "192", key="vit"),
            Box("classes", "1000"),
        ]
    )


if __name__ == "__main__":
    Console().print(demo())
