"""A small table: a header, rows, numbers to the right."""

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from seqlab.figures import glyphs, palette


_UNBROKEN = 18  # a cell up to this long is never wrapped: its header gives way first
_ASCII_RULE = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


class Column(NamedTuple):
    """A column: its header, and whether its cells stand at the left or at the right."""

    header: str
    align: str = "right"


class Table:
    """A table of strings; `keys`, one a row, colour the first cell as that architecture."""

    def __init__(
        self,
        columns: Sequence[Column | str],
        rows: Sequence[Sequence[str]],
        *,
        keys: Sequence[str] = (),
    ) -> None:
        self.columns = [c if isinstance(c, Column) else Column(c) for c in columns]
        for row in rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)}")
        self.rows = [list(row) for row in rows]
        self.keys = list(keys)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._build(console, options))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._build(console, options)

    def _build(self, console: Console, options: ConsoleOptions) -> RichTable:
        table = RichTable(
            box=_ASCII_RULE if options.ascii_only else box.SIMPLE_HEAD,
            pad_edge=False,
            show_edge=False,
            header_style=palette.style(console, "muted"),
            border_style=palette.style(console, "axis"),
        )
        for i, column in enumerate(self.columns):
            cells = [glyphs.fit(row[i], options.ascii_only) for row in self.rows]
            table.add_column(
                Text(glyphs.fit(column.header, options.ascii_only)),
                justify="left" if column.align == "left" else "right",
                min_width=min(max(map(cell_len, cells), default=1), _UNBROKEN),
            )
        for r, row in enumerate(self.rows):
            cells = [Text(glyphs.fit(cell, options.ascii_only)) for cell in row]  # type: ignore[misc]
            if r < len(self.keys) and self.keys[r]:
                cells[0].stylize(palette.style_of(console, palette.ink(self.keys[r], r)))  # type: ignore[attr-defined]
            table.add_row(*cells)
        return table


def demo() -> Table:
    """Three cells."""
    return Table(
        [Column("cell", "left"), "per step", "half-life"],
        [["tanh RNN", "0.56", "1.2"], ["LSTM", "0.84", "4.0"], ["GRU", "0.73", "2.2"]],
        keys=["rnn", "lstm", "gru"],
    )


if __name__ == "__main__":
    Console().print(demo())
