import re

import pytest
from rich.cells import cell_len

from seqlab.figures.flow import Arrow, Box, Flow

STEPS = [
    Box("picture", "224×224×3"),
    Arrow("cut"),
    Box("patches", "196×768", "16×16×3 each"),
    Box("tokens", "197×64", key="vit"),
    Arrow("× 12"),
    Box("encoder", "197×64", key="vit"),
]


def columns(line, width):
    """A line cell by cell, so that a column is a column where characters are wide."""
    cells = "".join(c + "\0" * (cell_len(c) - 1) for c in line if cell_len(c))
    return cells.ljust(width)


def check_frames(lines, plain=False):
    """Every upper left corner of a box begins a closed rectangle. Returns how many there are."""
    width = max(map(cell_len, lines))
    grid = [columns(line, width) for line in lines]
    boxes = 0
    upper = r"\+-+\+" if plain else "╭─+╮"
    for y, row in enumerate(grid):
        for match in re.finditer(upper, row):
            left, right = match.start(), match.end() - 1
            down = "|" if plain else "│"
            below = y + 1
            while below < len(grid) and grid[below][left] == down == grid[below][right]:
                below += 1
            if plain and below == y + 1:
                continue  # a lower edge
            lower = grid[below][left : right + 1]
            assert re.fullmatch(r"\+-+\+" if plain else "╰─+╯", lower), lines
            boxes += 1
    return boxes


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("width", [24, 30, 40, 60, 80, 120])
def test_boxes_are_closed_and_in_order(draw, width, plain):
    lines = draw(Flow(STEPS), width=width, plain=plain)
    assert check_frames(lines, plain) == 4
    text = " ".join(lines)
    places = [text.index(t) for t in ("picture", "patches", "tokens", "encoder")]
    assert places == sorted(places)
    assert ("196x768" if plain else "196×768") in text and "cut" in text


@pytest.mark.parametrize(
    "title", ["很长的中文标题" * 6, "long " * 20, "中文", "[/b]", "e\u0301" * 50]
)
@pytest.mark.parametrize("width", [24, 60, 120])
def test_no_title_breaks_its_frame(draw, title, width):
    lines = draw(Flow([Box(title, title, title), Arrow(title), Box(title), Box("x")]), width=width)
    assert check_frames(lines) == 3
    assert len({cell_len(line) for line in lines}) == 1


def test_one_row_where_wide_and_arrows_join_the_boxes(draw):
    lines = draw(Flow(STEPS), width=120)
    assert len(lines) == 5
    assert len(re.findall(r"│─+→│", lines[2])) == 3
    assert "× 12" in lines[1] and "cut" in lines[1]


def test_continuation_arrow_runs_from_row_to_row(draw):
    """Follow the line from behind the last box of the first row to the head in the second."""
    lines = draw(Flow(STEPS), width=60)
    y, x = next((y, line.index("│─╮") + 2) for y, line in enumerate(lines) if "│─╮" in line)
    y += 1
    while lines[y][x] == "│":
        y += 1
    assert lines[y][x] == "╯" and lines[y][:x] == "╭" + "─" * (x - 1)
    y += 1
    while lines[y][0] == "│":
        y += 1
    assert re.match(r"╰─+→│", lines[y])


def test_wrong_flows_are_refused():
    for steps in (
        [Arrow("a"), Box("b")],
        [Box("b"), Arrow("a")],
        [Box("b"), Arrow(), Arrow("a"), Box("c")],
    ):
        with pytest.raises(ValueError, match=r"a flow needs a box (before|after) the arrow 'a'"):
            Flow(steps)


def test_nothing_is_said_to_be_nothing(draw):
    assert draw(Flow([]))[0].strip() == "(nothing to draw)"


def test_one_box(draw):
    assert check_frames(draw(Flow([Box("alone")]))) == 1
