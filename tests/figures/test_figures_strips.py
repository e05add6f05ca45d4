"""Strips: what is a pixel, what is nothing, and that it fits wherever it is drawn."""

import itertools

import numpy as np
import pytest
from rich.cells import cell_len
from rich.measure import Measurement

from seqlab.figures import palette, strips
from seqlab.figures.strips import Strip, Strips

NAN = np.nan
EYE = np.where(np.eye(4) > 0, 1.0, NAN)


def one(matrix, name="it", facts=(), **options):
    return Strips([Strip(name, "rnn", [matrix], facts)], least=1, **options)


def test_pixels_are_where_there_is_something(draw):
    assert draw(one(EYE), width=20)[1:] == [text.ljust(20) for text in ("▀▄··", "··▀▄")]
    assert draw(one(EYE), width=20, plain=True)[1:] == [text.ljust(20) for text in ('"_..', '.."_')]
    full = draw(one(np.zeros((2, 3))), width=20)
    assert full[1].rstrip() == "░░░"


def test_an_odd_row_has_nothing_below(draw, cells):
    assert draw(one(np.ones((3, 2))), width=9)[1:] == ["██".ljust(9), "▀▀".ljust(9)]
    last = cells(one(np.ones((3, 2))), width=9)[2]
    assert last[0][1].bgcolor is None


def test_the_larger_the_brighter_and_nothing_is_the_ground(cells):
    row = cells(one([[0.0, 0.5, 1.0, NAN], [1.0] * 4]), width=9)[1]
    fronts = [sum(style.color.triplet) for _character, style in row[:4]]
    assert fronts[3] < fronts[0] < fronts[1] < fronts[2]
    ink = palette.INKS["rnn"].dark
    assert row[2][1].color.name == ink and row[0][1].bgcolor.name == ink
    light = cells(one([[0.0, 0.5, 1.0, NAN], [1.0] * 4]), width=9, ground="light")[1]
    fronts = [sum(style.color.triplet) for _character, style in light[:4]]
    assert fronts[3] > fronts[0] > fronts[1] > fronts[2]


def test_large_matrices_shrink_to_their_largest_values(draw):
    values = np.full((8, 8), NAN)
    values[5, 2] = 1.0
    lines = draw(one(values, side=4), width=20)
    assert [line.rstrip() for line in lines[1:]] == ["····", "·▀··"]


def test_small_matrices_grow(draw):
    figure = Strips([Strip("it", "rnn", [[[1.0, NAN], [NAN, 1.0]]])], least=4)
    assert [line.rstrip() for line in draw(figure, width=20)[1:]] == ["██··", "··██"]
    assert len(draw(Strips([Strip("it", "rnn", [np.ones((2, 2))])], least=5), width=20)) == 3


def test_facts_stand_beside_or_below(draw):
    figure = one(EYE, facts=[("share", "25 %")])
    assert draw(figure, width=20)[1].rstrip() == "▀▄··  share 25 %"
    below = draw(figure, width=11)
    assert below[1].rstrip() == "▀▄··" and below[3].rstrip() == "share 25 %"


def test_facts_of_all_strips_are_of_one_width(draw):
    figure = Strips([Strip(n, "rnn", [EYE], [("n", n)]) for n in ("1", "100")], least=1, abreast=1)
    lines = [line.rstrip() for line in draw(figure, width=30) if "·" in line and " n" in line]
    assert lines == ["▀▄··  n   1", "▀▄··  n 100"]


def test_what_does_not_fit_goes_on_below(draw):
    figure = Strips([Strip("it", "rnn", [EYE] * 3)], least=1, heads=["a", "b", "c"])
    assert len(draw(figure, width=14)) == 4
    narrow = [line.rstrip() for line in draw(figure, width=9)]
    assert narrow[1] == "a    b" and narrow[2] == "▀▄·· ▀▄··" and narrow[5] == "▀▄··"
    pair = Strips([Strip(name, "rnn", [EYE]) for name in "xyz"], least=1)
    assert sum(line.startswith("●") for line in draw(pair, width=30)) == 2
    assert sum(line.startswith("●") for line in draw(pair, width=9)) == 3


def test_it_says_what_is_no_matrix():
    with pytest.raises(ValueError, match="matrices"):
        one([1.0, 2.0])


@pytest.mark.parametrize("width", [1, 2, 5, 12, 24, 40, 60, 100, 300])
def test_it_fits_every_console(width, draw, console):
    for figure, colours, plain, ground in itertools.product(
        (strips.demo(), one(EYE, "[/b]\x1b自注意力" * 9, [("字" * 20, "1")]), one(np.ones((0, 0)))),
        ("truecolor", "standard", None),
        (False, True),
        ("dark", "light"),
    ):
        lines = draw(figure, width=width, colours=colours, plain=plain, ground=ground)
        assert len(set(map(cell_len, lines)) - {0}) == 1
        target = console(width=width)
        assert Measurement.get(target, target.options, figure).maximum <= width
    assert draw(Strips([]), width=width) == []


def test_markup_is_shown_as_it_is(draw):
    assert "[/b]" in draw(one(EYE, "[/b]"), width=20)[0]


def test_without_colour_shades_are_of_the_stronger_of_two_pixels(draw):
    values = np.array([[0.1, 0.6, 0.0, np.nan], [0.0, 0.3, 1.0, np.nan]])
    assert draw(one(values), width=9)[1].rstrip() == "░▓█·"
