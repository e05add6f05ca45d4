"""Wirings: boxes that are closed, arrows where there is something, pictures as they are."""

import re

import numpy as np
import pytest
from rich.cells import cell_len

from seqlab.figures import palette, wiring
from seqlab.figures.wiring import Cell, Wiring

DOT = np.zeros((4, 6))
DOT[0, 1] = DOT[3, 4] = 1.0
CELLS = [
    Cell("a", DOT),
    Cell("b", DOT, says="yes", truth="yes"),
    Cell("c", says="longer", truth="no"),
]


def boxes(lines, plain=False):
    """The (row, columns) of every box, each seen to be closed."""
    across, down = ("[-^]", "[|]") if plain else ("[─↑]", "[│]")
    corners = "++++" if plain else "╭╮╰╯"
    upper = re.escape(corners[0]) + across + "+" + re.escape(corners[1])
    lower = re.escape(corners[2]) + across + "+" + re.escape(corners[3])
    found = []
    for y, line in enumerate(lines[:-2]):
        for match in re.finditer(upper, line):
            span = slice(*match.span())
            sides = lines[y + 1][span]
            if not (re.match(down, sides[0]) and re.match(down, sides[-1])):
                continue  # a lower edge
            assert re.fullmatch(lower, lines[y + 2][span]), lines
            found.append((y, *match.span()))
    return found


@pytest.mark.parametrize("plain", [False, True])
def test_arrows_stand_where_something_is_read_or_said_and_between_all_cells(draw, plain):
    lines = draw(Wiring(CELLS, said="says", truth="true"), width=60, plain=plain)
    up, right = ("^", ">") if plain else ("↑", "→")
    (y, *a), (_, *b), (_, *c) = boxes(lines, plain)
    spoken = [up in lines[y][slice(*span)] for span in (a, b, c)]
    read = [up in lines[y + 2][slice(*span)] for span in (a, b, c)]
    assert spoken == [False, True, True] and read == [True, True, False]
    assert lines[y + 1].count(right) == 2
    assert [lines[y + 1][span[0] - 1] for span in (a, b, c)] == [" ", right, right]
    for span, label in zip((a, b, c), "abc"):
        assert lines[y + 1][slice(*span)].strip("│| ") == label


def test_words_stand_above_their_cells_and_a_tick_where_they_are_right(draw):
    lines = draw(Wiring(CELLS, said="says", truth="true"), width=60)
    assert lines[0].split() == ["true", "✓", "no"] and lines[1].split() == ["says", "yes", "longer"]
    (y, *_a), (_, *b), (_, *c) = boxes(lines)
    assert y == 2
    for span, words in ((b, ["✓", "yes"]), (c, ["no", "longer"])):
        assert [line[slice(*span)].strip() for line in lines[:2]] == words
    plain = draw(Wiring(CELLS, said="says", truth="true"), width=60, plain=True)
    assert plain[0].split() == ["true", "ok", "no"]


def test_wrong_words_have_another_colour_than_right_ones(cells):
    rows = cells(Wiring(CELLS), width=60, colours="truecolor")
    styles = {}
    for character, style in rows[1]:
        if character != " ":
            styles.setdefault(style, []).append(character)
    assert ["".join(word) for word in styles.values()] == ["yes", "longer"]


def test_without_truth_there_is_one_line_of_words_and_without_words_none(draw):
    said = [Cell("a", says="yes"), Cell("b")]
    lines = draw(Wiring(said, said="says", truth="true"), width=40)
    assert lines[0].split() == ["says", "yes"] and len(lines) == 4
    assert len(draw(Wiring([Cell("a"), Cell("b")], said="says"), width=40)) == 3


def test_a_picture_is_drawn_pixel_by_pixel(cells, draw):
    rows = cells(Wiring([Cell("a", DOT)]), width=40, colours="truecolor")[-2:]
    colours = [tuple(rgb) for rgb in palette.sequential(np.array([0.0, 1.0])).tolist()]
    drawn = np.full((4, 6), -1)
    for y, row in enumerate(rows):
        for x, (character, style) in enumerate(row):
            if character == "▀":
                drawn[2 * y, x] = colours.index(tuple(style.color.triplet))
                drawn[2 * y + 1, x] = colours.index(tuple(style.bgcolor.triplet))
    np.testing.assert_array_equal(drawn, DOT)
    assert [line.rstrip() for line in draw(Wiring([Cell("a", DOT)]), width=40)[-2:]] == [
        "·█····", "····█·",
    ]  # fmt: skip
    assert draw(Wiring([Cell("a", DOT)]), width=40, plain=True)[-1].rstrip() == "....@."


def test_an_odd_row_of_pixels_is_not_lost(draw):
    tall = np.zeros((3, 5))
    tall[2] = 1.0
    assert [line.strip() for line in draw(Wiring([Cell("", tall)]), width=40)[-2:]] == [
        "·····", "█████",
    ]  # fmt: skip


def test_pictures_side_by_side_do_not_overlap_and_a_lone_one_may_reach_out(draw):
    wide = np.ones((2, 12))
    lines = draw(Wiring([Cell("a", wide), Cell("b", wide), Cell("c")]), width=60)
    (_, *a), (_, *b), (_, *c) = boxes(lines)
    assert lines[3].rstrip() == "█" * 12 + " " + "█" * 12
    assert [end - start for start, end in (a, b, c)] == [12, 12, 5]
    alone = draw(Wiring([Cell("a", wide), Cell("b"), Cell("c")]), width=60)
    assert [end - start for _, start, end in boxes(alone)] == [5, 5, 5]
    assert alone[3].rstrip() == "█" * 12


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("width", [24, 30, 45, 60, 200])
def test_a_row_that_is_too_long_goes_on_below(draw, width, plain):
    cells = [Cell(f"h{i}", DOT, says=f"w{i}", truth=f"w{i}") for i in range(9)]
    lines = draw(Wiring(cells, said="says", truth="true"), width=width, plain=plain)
    found = boxes(lines, plain)
    assert len(found) == 9 and all(end <= width for _, _, end in found)
    words = [word for line in lines for word in line.split() if re.fullmatch(r"w\d", word)]
    assert words == [f"w{i}" for i in range(9)]
    head = ">" if plain else "→"
    rows = sorted({y for y, _, _ in found})
    for i, y in enumerate(rows):
        first = min(start for row, start, _ in found if row == y)
        last = max(end for row, _, end in found if row == y)
        assert (lines[y + 1][first - 1] == head) == (i > 0)
        assert (lines[y + 1][last : last + 1] == head) == (i + 1 < len(rows))


def test_pixels_are_enlarged_where_there_is_room_for_all_cells(draw):
    cells = [Cell("a", DOT), Cell("b", DOT)]
    large = draw(Wiring(cells, zoom=2), width=40)
    assert len(large) == 3 + 4 and large[3].count("██") == 2
    assert draw(Wiring(cells, zoom=2), width=24) == draw(Wiring(cells), width=24)
    assert len(draw(Wiring(cells, zoom=3), width=30)) == 3 + 4  # 2 fits, 3 does not
    lone = [Cell("a", np.ones((4, 30))), Cell("b")]
    assert len(draw(Wiring(lone, zoom=2), width=40)) == 3 + 2  # its picture is what is too wide


def test_the_measure_is_the_width_of_one_row(console, draw):
    from rich.measure import Measurement

    target = console(200, None)
    most = Measurement.get(target, target.options, Wiring(CELLS)).maximum
    assert len(boxes(draw(Wiring(CELLS), width=most))) == 3
    assert len(draw(Wiring(CELLS), width=most)) == len(draw(Wiring(CELLS), width=200))
    assert len(draw(Wiring(CELLS), width=most - 1)) > len(draw(Wiring(CELLS), width=200))


@pytest.mark.parametrize(
    "text", ["很长的中文标题" * 6, "long " * 20, "中文", "[/b]", "e\u0301" * 50]
)
def test_no_text_breaks_its_frame(draw, text):
    lines = draw(Wiring([Cell(text, DOT, text, text), Cell(text, None, text, "x")]), width=60)
    assert (
        len(
            boxes(
                [
                    "".join(c + " " * (cell_len(c) - 1) for c in line if cell_len(c))
                    for line in lines
                ]
            )
        )
        == 2
    )
    assert len({cell_len(line) for line in lines}) == 1


def test_pictures_that_are_none_are_refused():
    for pixels in (np.zeros(3), np.zeros((2, 2, 3)), np.zeros((0, 3))):
        with pytest.raises(ValueError, match=r"\(rows, columns\) of pixels, not shape"):
            Wiring([Cell("a", pixels)])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 5.0, -5.0])
def test_strange_pixels_are_drawn_within_the_scale(draw, value):
    shade = "█" if value in (np.inf, 5.0) else "·"
    assert draw(Wiring([Cell("", np.full((2, 5), value))]), width=24)[-1].strip() == shade * 5


def test_nothing_is_said_to_be_nothing(draw):
    assert draw(Wiring([]))[0].strip() == "(nothing to draw)"


def test_the_largest_pictures_are_drawn_smaller(draw):
    lines = draw(Wiring([Cell("a", np.ones((1000, 400)))]), width=80)
    assert len(lines) <= 3 + 32


def test_the_demo_is_one_row_of_six_cells(draw):
    assert len(boxes(draw(wiring.demo(), width=80))) == 6


@pytest.mark.parametrize("width", [40, 60, 80, 120, 300])
@pytest.mark.parametrize("colours", ["truecolor", "256", "standard", None])
@pytest.mark.parametrize("plain", [False, True])
def test_the_demo_fits_every_console(draw, width, colours, plain):
    for ground in ("dark", "light"):
        lines = draw(wiring.demo(), width=width, colours=colours, plain=plain, ground=ground)
        assert len({cell_len(line) for line in lines}) == 1
