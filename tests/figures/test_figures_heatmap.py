import numpy as np
import pytest
from rich.cells import cell_len

from seqlab.figures import palette
from seqlab.figures.heatmap import Heatmap

RAMP = np.linspace(0, 1, 12).reshape(3, 4)


@pytest.mark.parametrize("ground", ["dark", "light"])
@pytest.mark.parametrize("colours", ["sequential", "diverging"])
def test_background_is_the_colour_of_the_value(cells, colours, ground):
    figure = Heatmap(RAMP, colours=colours, limits=(0, 1), numbers=False, cell_width=2)
    drawn = cells(figure, ground=ground)
    paper = (0x16,) * 3 if ground == "dark" else (255,) * 3
    ramp = palette.sequential(RAMP) if colours == "sequential" else palette.diverging(RAMP, paper)
    for y, x in np.ndindex(RAMP.shape):
        for character, style in drawn[y][2 * x : 2 * x + 2]:
            assert character == " " and tuple(style.bgcolor.triplet) == tuple(ramp[y, x].tolist())


@pytest.mark.parametrize(("plain", "shades"), [(False, " ░▒▓█"), (True, " .:-=+*#%@")])
def test_shades_rise_with_the_value(draw, plain, shades):
    values = np.linspace(0, 1, 30)[None]
    line = draw(Heatmap(values, numbers=False, cell_width=1), plain=plain)[0][:30]
    steps = [shades.index(c) for c in line]
    assert steps == sorted(steps) and set(steps) == set(range(len(shades)))


def test_sixteen_colours_have_shades_not_viridis(cells):
    row = cells(Heatmap(RAMP, numbers=False), colours="standard")[2]
    assert row[-1][0] == " " or "█" in {c for c, _ in row}
    assert all(style is None or style.bgcolor is None for _, style in row)


def test_numbers_stand_in_their_cells(draw):
    values = [[0.25, -0.5], [1.0, np.nan]]
    lines = draw(Heatmap(values, rows=["a", "b"], columns=["x", "y"], numbers=True))
    assert lines[1].split() == ["a", ".25", "-.50"] and lines[2].split() == ["b", "1.00", "·"]
    whole = draw(Heatmap([[3, -7]], numbers=True))
    assert whole[0].split() == ["3", "-7"]


def test_numbers_are_left_out_where_they_do_not_fit(draw):
    lines = draw(Heatmap(np.full((2, 30), 0.25), limits=(0, 1)), width=40)
    assert ".25" not in lines[0]


def test_scale_of_the_bar(draw):
    assert draw(Heatmap([[-2.0, 1.0]], colours="diverging"))[-1].split()[0] == "-2.0"
    assert draw(Heatmap([[-2.0, 1.0]], colours="diverging"))[-1].split()[-1] == "2.0"
    assert draw(Heatmap([[5.0, 5.0]]))[-1].split()[0] == "5.0"


def test_pooling_is_the_mean_and_says_so(cells, draw):
    values = np.arange(48.0).reshape(8, 6)
    figure = Heatmap(values, rows=list("abcdefgh"), max_height=4, cell_width=1, numbers=False)
    assert draw(figure)[-1].strip() == "a cell: mean of 2 × 1 values, labels of the first"
    assert [line.split()[0] for line in draw(figure, colours="256")[:4]] == list("aceg")
    means = values.reshape(4, 2, 6).mean(axis=1)
    colours = palette.sequential((means - means.min()) / np.ptp(means))
    for y, x in np.ndindex(means.shape):
        assert tuple(cells(figure)[y][2 + x][1].bgcolor.triplet) == tuple(colours[y, x].tolist())


def test_pooling_leaves_out_what_is_not_a_number(cells):
    values = np.array([[np.nan, np.nan], [1.0, np.nan], [3.0, 3.0]])
    rows = cells(Heatmap(values, max_height=2, limits=(1, 3), cell_width=1, numbers=False))
    assert tuple(rows[0][0][1].bgcolor.triplet) == (0x44, 0x01, 0x54)  # viridis begins so
    assert rows[0][1][0] == "·"


def test_vertical_labels_read_down_and_end_at_the_matrix(draw):
    columns = ["alpha", "b", "gamma"]
    lines = draw(Heatmap(np.eye(3), columns=columns, numbers=False, cell_width=2), colours="256")
    for i, label in enumerate(columns):
        assert "".join(line[2 * i] for line in lines[:5]) == label.rjust(5)


def test_long_vertical_labels_keep_both_ends(draw):
    columns = ["encoder layer 11", "encoder layer 12"]
    lines = draw(Heatmap(np.eye(2), columns=columns, numbers=False, cell_width=2), colours="256")
    assert ["".join(line[x] for line in lines[:9]) for x in (0, 2)] == ["encode…11", "encode…12"]


def test_every_other_label_is_raised_where_that_gives_them_room(draw):
    """Each is written out over the middle of its column, the even ones next to the matrix."""
    columns = ["previous", "itself", "second", "beginning", "induced", "to"]
    figure = Heatmap(np.eye(6), columns=columns, rows=["row"] * 6, numbers=False, cell_width=6)
    lines = draw(figure, colours="256")
    assert lines[0].split() == columns[1::2] and lines[1].split() == columns[::2]
    for i, label in enumerate(columns[1:], 1):
        middle = lines[1 - i % 2].index(label) + len(label) / 2
        assert abs(middle - (4 + 6 * i + 3)) <= 0.5
    assert lines[1].index(columns[0]) == 4, "the first has no room on its left"


@pytest.mark.parametrize(
    ("cell", "longest", "height"),
    [(9, 8, 1), (8, 8, 2), (5, 8, 2), (5, 20, 2), (4, 7, 2), (4, 8, 8), (3, 5, 5), (4, 20, 9)],
)
def test_labels_are_raised_only_where_two_cells_hold_them(draw, cell, longest, height):
    """Top-down shows nine characters: two cells of five, with a space, do as well."""
    labels = [c * longest for c in "abc"]
    bare = Heatmap(np.eye(3), numbers=False, cell_width=cell)
    figure = Heatmap(np.eye(3), columns=labels, numbers=False, cell_width=cell)
    assert len(draw(figure)) - len(draw(bare)) == height


@pytest.mark.parametrize("width", [30, 31, 34, 80])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("longest", [9, 10, 11, 30])
def test_raised_labels_neither_touch_nor_leave_the_screen(draw, width, plain, longest):
    """At both edges too, where a label has no room to stand over the middle of its column."""
    columns = [c * longest for c in "abcde"]
    figure = Heatmap(np.eye(5), columns=columns, numbers=False, cell_width=6)
    lines = draw(figure, width=width, plain=plain)
    dots = "..." if plain else "…"
    for line, there in ((0, "bd"), (1, "ace")):
        words = lines[line].split()
        assert [word[0] for word in words] == list(there)
        for word, letter in zip(words, there, strict=True):
            start = lines[line].index(word)
            column = 6 * "abcde".index(letter)
            assert start < column + 6 and start + len(word) > column, "beside its column"
            cut = len(word) < longest
            assert word == (letter * (len(word) - len(dots) * cut) + dots * cut)
            assert not cut or longest > 11 or letter == "e", "cut without need"


def test_labels_stand_flat_only_with_a_space_between(draw):
    two = Heatmap(np.eye(2), columns=["10", "11"], numbers=False, cell_width=2)
    assert draw(two, colours="256")[0].startswith("1 1")
    three = Heatmap(np.eye(2), columns=["10", "11"], numbers=False, cell_width=3)
    assert draw(three, colours="256")[0].split() == ["10", "11"]


@pytest.mark.parametrize(("width", "height"), [(60, 1), (9, 1)])
def test_chinese_characters_take_a_column_each(draw, width, height):
    words = "自注意力机制"
    figure = Heatmap(np.eye(6), columns=list(words), numbers=False, cell_width=1)
    lines = draw(figure, width=width)
    shown = lines[0].replace(" ", "")
    assert shown == (words if width >= 12 else words[::2])
    assert len(set(map(cell_len, lines))) == 1


def test_chinese_words_read_down(draw):
    figure = Heatmap(np.eye(2), columns=["注意力", "词"], numbers=False, cell_width=3)
    lines = draw(figure, colours="256")
    assert [line.split() for line in lines[:3]] == [["注"], ["意"], ["力", "词"]]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Heatmap([1.0]), "matrix"),
        (lambda: Heatmap(np.eye(2), rows=["a"]), "rows: 1 labels for 2 rows"),
        (lambda: Heatmap(np.eye(2), columns=["a"] * 3), "columns: 3 labels"),
        (lambda: Heatmap(np.eye(2), limits=(1, 1)), "limits"),
        (lambda: Heatmap(np.eye(2), limits=(0, np.nan)), "limits"),
    ],
)
def test_what_cannot_be_drawn_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_said_to_be_nothing(draw, shape):
    assert draw(Heatmap(np.empty(shape)))[0].strip() == "(no values to draw)"
