"""A small table: a header, rows, numbers to the right."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table as RichTable

from seqlab.figures import glyphs, palette
from seqlab.figures.prose import Wrapped, longest_unit

_UNBROKEN = 18  # a cell up to this long is never wrapped: its header gives way first
_GAP = 3  # between columns, as Rich draws them
_ASCII_RULE = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


class Column(NamedTuple):
    """A column: its header, and whether its cells stand at the left or at the right."""

    header: str
    align: str = "right"


class Table:
    """A table of strings; `keys`, one a row, colour the first cell as that architecture.

    Where it is too wide, headers are wrapped first; then the table is cut into blocks of columns,
    one below the other, each with the first column.
    """

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
        natural, least = self._widths(options)
        gaps = _GAP * (len(natural) - 1)
        most = min(sum(natural) + gaps, options.max_width)
        return Measurement(min(sum(least) + gaps, most), most)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        natural, least = self._widths(options)
        for block in self._blocks(least, options.max_width):
            widths = [natural[i] for i in block]
            spare = [natural[i] - least[i] for i in block]
            while sum(widths) + _GAP * (len(block) - 1) > options.max_width and any(spare):
                most = max(range(len(block)), key=spare.__getitem__)
                widths[most] -= 1
                spare[most] -= 1
            yield self._build(console, options, block, widths)

    def _widths(self, options: ConsoleOptions) -> tuple[list[int], list[int]]:
        """For each column the width it would like, and the least that breaks no word or number."""
        natural, least = [], []
        for i, column in enumerate(self.columns):
            header = glyphs.fit(column.header, options.ascii_only)
            cells = [cell_len(glyphs.fit(row[i], options.ascii_only)) for row in self.rows]
            body = max(cells, default=1)
            natural.append(max(cell_len(header), body, 1))
            least.append(min(natural[-1], max(longest_unit(header), min(body, _UNBROKEN), 1)))
        return natural, least

    @staticmethod
    def _blocks(least: Sequence[int], room: int) -> Iterator[list[int]]:
        block = [0] if least else []
        for i in range(1, len(least)):
            if len(block) > 1 and sum(least[j] + _GAP for j in block) + least[i] > room:
                yield block
                block = [0]
            block.append(i)
        if block:
            yield block

    def _build(
        self,
        console: Console,
        options: ConsoleOptions,
        block: Sequence[int],
        widths: Sequence[int],
    ) -> RichTable:
        table = RichTable(
            box=_ASCII_RULE if options.ascii_only else box.SIMPLE_HEAD,
            pad_edge=False,
            show_edge=False,
            header_style=palette.style(console, "muted"),
            border_style=palette.style(console, "axis"),
        )
        for i, width in zip(block, widths):
            table.add_column(
                Wrapped(glyphs.fit(self.columns[i].header, options.ascii_only)),
                justify="left" if self.columns[i].align == "left" else "right",
                width=width,
            )
        for r, row in enumerate(self.rows):
            cells = [Wrapped(glyphs.fit(row[i], options.ascii_only)) for i in block]
            if cells and r < len(self.keys) and self.keys[r]:
                cells[0].stylize(palette.style_of(console, palette.ink(self.keys[r], r)))
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
