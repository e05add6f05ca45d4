import numpy as np
import pytest
from rich.cells import cell_len
from rich.text import Text

from seqlab.figures.bars import Bars
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.panels import Beside, Panels

SIX = [(f"title {i}", Text("\n".join(f"line {i} {j}" for j in range(i + 1)))) for i in range(6)]


@pytest.mark.parametrize(
    ("width", "across"), [(20, 1), (49, 1), (50, 2), (75, 2), (76, 3), (120, 3), (154, 6), (300, 6)]
)
def test_as_many_panels_a_row_as_fit_and_rows_of_one_length(draw, width, across):
    """Four fit into 120 columns, but three and three are as many rows, and even."""
    lines = draw(Panels(SIX), width=width)
    titles = [line.count("title") for line in lines if "title" in line]
    assert titles == [across] * (6 // across)
    assert {cell_len(line) for line in lines if line} == {(width + 2) // across * across - 2} or (
        across == 1 and {cell_len(line) for line in lines if line} == {width}
    )


def test_columns_start_where_their_titles_start(draw):
    lines = draw(Panels(SIX[:3]), width=80)
    for i in range(3):
        start = lines[0].index(f"title {i}")
        for j in range(i + 1):
            assert lines[1 + j][start:].startswith(f"line {i} {j}")


def test_columns_can_be_fewer_never_more(draw):
    assert draw(Panels(SIX, columns=2), width=300)[0].count("title") == 2
    assert draw(Panels(SIX, columns=6), width=60)[0].count("title") == 2


def test_titles_are_shortened_to_their_column(draw):
    lines = draw(Panels([("自注意力" * 20, Text("x")), ("b", Text("y"))]), width=60)
    assert "…" in lines[0] and cell_len(lines[0]) == 60 and lines[0].rstrip().endswith("b")


def test_no_titles_no_title_line(draw):
    assert draw(Panels([("", Text("x"))]))[0].startswith("x")


def test_children_are_drawn_at_their_columns_width(draw):
    heat = Heatmap(np.eye(40), numbers=False, cell_width=1)
    lines = draw(Panels([("a", heat), ("b", heat)]), width=60, colours=None)
    assert all(cell_len(line) == 60 for line in lines)
    assert lines[-1].count("mean of 2 × 2") == 2, "pooled, so it knew its width"


def test_nothing_is_nothing(draw):
    assert not "".join(draw(Panels([])))


LEFT, RIGHT = Heatmap(np.eye(4), cell_width=6), Bars(["a", "b"], [1, 2])


def test_beside_where_wide(draw):
    lines = draw(Beside(LEFT, RIGHT), width=100)
    assert lines[0][26:].startswith("a █") and len(lines) == 5
    assert draw(Beside(LEFT, RIGHT, left_width=40), width=100)[0][42:].startswith("a █")


def test_stacked_where_narrow(draw):
    lines = draw(Beside(LEFT, RIGHT), width=40)
    assert lines[5].startswith("a ") and len(lines) == 7


@pytest.mark.parametrize("width", range(40, 70))
def test_beside_never_squeezes_the_right_below_its_minimum(draw, width):
    lines = draw(Beside(LEFT, RIGHT), width=width)
    assert (len(lines) == 5) == (width >= 24 + 2 + 24)
