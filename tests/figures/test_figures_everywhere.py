"""What holds for every figure on every console: it fits, lines up, and does no harm."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from rich.cells import cell_len
from rich.measure import Measurement

from seqlab.figures import bars, curves, flow, heatmap, multiples, panels, picture, strips, wiring
from seqlab.figures.bars import Bars
from seqlab.figures.curves import Curves, Line
from seqlab.figures.flow import Arrow, Box, Flow
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.multiples import Multiples
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.picture import Picture
from seqlab.figures.strips import Strip, Strips
from seqlab.figures.wiring import Cell, Wiring

WIDTHS = (40, 60, 80, 120, 300)
COLOURS = ("truecolor", "256", "standard", None)
MODULES = (curves, heatmap, multiples, picture, bars, panels, flow, wiring, strips)
HOSTILE = {
    "markup": "[/b] [red]x[/red] [link=http://x]",
    "escape": "a\x1b[31mb\x1b]0;title\x07c",
    "nul": "a\x00b\x7f\x85",
    "surrogate": "a\ud800b",
    "joined emoji": "👩‍👩‍👧 ❤️ 👍🏽 🇨🇳",
    "right to left": "abc\u202edef\u2066g",
    "combining": "Z" + "\u0310\u0321\u035c" * 30 + "\u0301",
    "wide": "自注意力机制与位置编码的关系",
    "long": "a very long label " * 20,
    "lines": "a\nb\r\tc\x0b\u2028d",
    "empty": "",
}
VALUES = {
    "ordinary": [1.0, 2.0, 4.0],
    "negative": [-3.0, -1.0, -2.0],
    "both signs": [-3.0, 1.0, 2.0],
    "not numbers": [np.nan] * 3,
    "some not numbers": [1.0, np.nan, 2.0],
    "infinite": [np.inf, -np.inf, 1.0],
    "all infinite": [np.inf] * 3,
    "constant": [7.0] * 3,
    "zeros": [0.0] * 3,
    "one": [5.0],
    "none": [],
    "huge": [-1.7e308, 0.0, 1.7e308],
    "tiny": [5e-324, 1e-310, 2e-308],
    "tiny constant": [1e-310] * 3,
    "close": [1.0, 1.0 + 1e-15, 1.0 + 2e-15],
}


def figures_of(values, text):
    """Every figure, of these numbers and with this text wherever text may stand."""
    number, values = len(values), np.array(values)
    grey = (np.nan_to_num(values) > 0) * 0.7
    return {
        **{
            f"curves {x} {y}": Curves(
                [
                    Line(text, np.arange(number), values, values, values, key="rnn"),
                    Line(text + "2", np.arange(number), values, dashed=True),
                ],
                x_label=text,
                y_label=text,
                x_scale=x,
                y_scale=y,
                height=5,
            )
            for x, y in (("linear", "linear"), ("log", "log"), ("linear", "log10"))
        },
        **{
            f"heatmap {colours}": Heatmap(
                values[None].repeat(2, axis=0),
                rows=[text] * 2,
                columns=[text] * number,
                row_axis=text,
                column_axis=text,
                colours=colours,
            )
            for colours in ("sequential", "diverging")
        },
        "multiples": Multiples(
            values[None].repeat(6, axis=0).reshape(1, 3, 2, number),
            [[(text, text)] * 3],
            row_axis=text,
            column_axis=text,
            marked=(0, 1),
        ),
        **{
            f"bars {scale}": Bars(
                [text] * number, values, units=text, scale=scale, low=values, high=values * 1.0
            )
            for scale in ("linear", "log")
        },
        "picture": Picture(grey[:, None].repeat(2, axis=1), title=text),
        "panels": Panels([(text, Bars([text] * number, values)), (text, text)]),
        "beside": Beside(text, Heatmap(values[None])),
        "flow": Flow([Box(text, text, text), Arrow(text), *([Box(text)] * 3)]),
        "strips": Strips([Strip(text, "rnn", [values[None]] * 2, [(text, text)])] * 2),
        "wiring": Wiring(
            [Cell(text, grey[:, None] if number else None, text, text + "2"), Cell(text)],
            said=text,
            truth=text,
        ),
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.split(".")[-1])
def test_demo_fits_every_console(module, draw):
    figure = module.demo()
    for width, colours, plain, ground in itertools.product(
        WIDTHS, COLOURS, (False, True), ("dark", "light")
    ):
        lines = draw(figure, width=width, colours=colours, plain=plain, ground=ground)
        assert len(lines) > 3
        assert len(set(map(cell_len, lines)) - {0}) == 1, "rows of different lengths"


@pytest.mark.parametrize("name", HOSTILE)
def test_any_text_is_drawn_harmlessly(name, draw):
    for figure in figures_of([1.0, 2.0, 4.0], HOSTILE[name]).values():
        for width, (colours, plain) in itertools.product(
            (40, 120), (("truecolor", False), (None, True))
        ):
            lines = draw(figure, width=width, colours=colours, plain=plain)
            assert len(set(map(cell_len, lines)) - {0}) == 1


def test_markup_is_shown_as_it_is(draw):
    for name, figure in figures_of([1.0, 2.0, 4.0], "[/b]").items():
        assert any("[/b]" in line for line in draw(figure, plain=True)), name


@pytest.mark.parametrize("name", VALUES)
def test_any_numbers_are_drawn(name, draw):
    for figure in figures_of(VALUES[name], "label").values():
        for colours, plain, ground in (
            ("truecolor", False, "dark"),
            ("standard", False, "light"),
            (None, True, "light"),
        ):
            assert draw(figure, width=50, colours=colours, plain=plain, ground=ground)


@pytest.mark.parametrize("width", [1, 2, 5, 12, 24])
def test_no_width_is_too_small(width, draw):
    for figure in figures_of([1.0, -2.0, 4.0], "label").values():
        draw(figure, width=width)
    for module in MODULES:
        draw(module.demo(), width=width)


@pytest.mark.parametrize("width", WIDTHS)
def test_measurement_is_kept(width, console):
    target = console(width)
    for figure in [*figures_of([1.0, 2.0], "label").values(), *(m.demo() for m in MODULES)]:
        measured = Measurement.get(target, target.options, figure)
        assert 0 < measured.minimum <= measured.maximum <= width


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.split(".")[-1])
def test_each_console_gets_its_own_codes(module, console):
    """A Style keeps the codes of the first console it was rendered for: figures make their own."""
    figure = module.demo()
    printed = {}
    for colours in ("truecolor", "256", "standard", "truecolor", None):
        target = console(100, colours)
        target.print(figure)
        printed.setdefault(colours, []).append(target.file.getvalue())
    assert printed["truecolor"][0] == printed["truecolor"][1]
    assert "[38;2;" in printed["truecolor"][0]
    assert "38;5;" in printed["256"][0] and "8;2;" not in printed["256"][0]
    assert "8;2;" not in printed["standard"][0] and "8;5;" not in printed["standard"][0]
    assert "\x1b" not in printed[None][0]


@pytest.mark.parametrize(
    "module", ["curves", "heatmap", "multiples", "bars", "panels", "flow", "wiring"]
)
def test_only_pictures_load_pillow(module):
    code = f"import sys, seqlab.figures.{module}; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
