"""A grid of character cells that figures draw on, and that Rich then prints."""

from collections.abc import Iterable

from rich.cells import cell_len, get_character_cell_size
from rich.color import Color
from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.style import Style

from seqlab.figures import glyphs
from seqlab.figures.palette import RGB

_BLANK = Style()


class Canvas:
    """`height` rows of `width` cells. Drawing outside is cut off, never an error."""

    def __init__(self, width: int, height: int, *, ascii_only: bool = False) -> None:
        self.width, self.height, self.ascii_only = width, height, ascii_only
        self._characters = [[" "] * width for _ in range(height)]
        self._styles = [[_BLANK] * width for _ in range(height)]

    @classmethod
    def for_options(cls, options: ConsoleOptions, width: int, height: int) -> "Canvas":
        return cls(width, height, ascii_only=options.ascii_only)

    def put(self, x: int, y: int, character: str, style: Style = _BLANK) -> None:
        """Set one cell. A wide character takes the next cell too; without room it is dropped."""
        if not (0 <= y < self.height and 0 <= x < self.width):
            return
        wide = get_character_cell_size(character) == 2
        if wide and x + 1 >= self.width:
            character, wide = " ", False
        self._free(x, y)
        if wide:
            self._free(x + 1, y)
        self._characters[y][x] = character
        self._styles[y][x] = style
        if wide:
            self._characters[y][x + 1] = ""
            self._styles[y][x + 1] = style

    def _free(self, x: int, y: int) -> None:
        """Blank the other half where a cell of a wide character is about to be overwritten."""
        row = self._characters[y]
        if row[x] == "" and x > 0:
            row[x - 1] = " "
        if x + 1 < self.width and row[x + 1] == "":
            row[x + 1] = " "

    def append_mark(self, x: int, y: int, mark: str) -> None:
        """Add a combining mark to the character that is there, or whose second half is."""
        if 0 <= y < self.height and 0 <= x < self.width:
            self._characters[y][x - (self._characters[y][x] == "" and x > 0)] += mark

    def write(
        self,
        x: int,
        y: int,
        text: str,
        style: Style = _BLANK,
        *,
        width: int | None = None,
        align: str = "left",
    ) -> None:
        """Write fitted text from `x`; with `width`, shortened to it and aligned within it."""
        text = glyphs.fit(text, self.ascii_only)
        if width is not None:
            text = glyphs.shorten(text, width, self.ascii_only)
            spare = width - cell_len(text)
            x += spare if align == "right" else spare // 2 if align == "center" else 0
        last = x
        for character in text:
            size = get_character_cell_size(character)
            if size == 0:
                self.append_mark(last, y, character)
                continue
            self.put(x, y, character, style)
            last = x
            x += size

    def character(self, x: int, y: int) -> str:
        """What stands in a cell; nothing in the second half of a wide character, and outside."""
        inside = 0 <= y < self.height and 0 <= x < self.width
        return self._characters[y][x] if inside else ""

    def style(self, x: int, y: int) -> Style:
        """The style of a cell."""
        return self._styles[y][x]

    def restyle(self, x: int, y: int, style: Style) -> None:
        """Set only the style of a cell."""
        if 0 <= y < self.height and 0 <= x < self.width:
            self._styles[y][x] = style

    def segments(self) -> Iterable[Segment]:
        """The rows as Rich segments, one for each run of one style, each row with a line break."""
        for characters, styles in zip(self._characters, self._styles, strict=True):
            start = 0
            for x in range(1, self.width + 1):
                if x == self.width or styles[x] != styles[start]:
                    style = styles[start]
                    yield Segment("".join(characters[start:x]), style if style else None)
                    start = x
            yield Segment.line()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        yield from self.segments()


class Inks:
    """Fresh styles of one rendering, by colour: a Style remembers the first console it met."""

    def __init__(self) -> None:
        self._known: dict[tuple[RGB | None, RGB | None, bool, bool], Style] = {}

    def __call__(
        self,
        front: RGB | None = None,
        back: RGB | None = None,
        bold: bool = False,
        reverse: bool = False,
    ) -> Style:
        key = (front, back, bold, reverse)
        if key not in self._known:
            self._known[key] = Style(
                color=None if front is None else Color.from_rgb(*front),
                bgcolor=None if back is None else Color.from_rgb(*back),
                bold=bold or None,
                reverse=reverse or None,
            )
        return self._known[key]
