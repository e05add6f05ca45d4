import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from seqlab.figures import palette
from seqlab.figures.multiples import Multiples, shrunk


def grid(down, columns, **options):
    """A grid of flat matrices with labels "row.column", a number each."""
    labels = [[(f"{row}.{column}", "7") for column in range(columns)] for row in range(down)]
    return Multiples(np.full((down, columns, 2, 2), 0.5), labels, **options)


def one(values, **options):
    """A single thumbnail without a label; its first pixel is drawn in column 2 of line 2."""
    return Multiples(np.array(values, float)[None, None], [[("", "")]], **options)


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(0, 2**32 - 1),
)
def test_a_pixel_has_the_largest_value_that_it_covers(shape, size, seed):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(shape) < 0.3, np.nan, rng.normal(size=shape))
    drawn = shrunk(values, *size)
    assert drawn.shape == size

    def covered(pixel, pixels, n):
        first = pixel * n // pixels
        return range(first, max((pixel + 1) * n // pixels, first + 1))

    for i, j in np.ndindex(size):
        under = [
            values[t, s]
            for t in covered(i, size[0], shape[0])
            for s in covered(j, size[1], shape[1])
            if not np.isnan(values[t, s])
        ]
        assert drawn[i, j] == max(under) if under else np.isnan(drawn[i, j])


@pytest.mark.parametrize("ground", ["dark", "light"])
def test_a_cell_has_the_colours_of_two_values(cells, ground):
    values = np.random.default_rng(0).uniform(-1, 5, (6, 9))
    values[0, 0], values[5, 8] = -1.0, 5.0  # outside the scale
    rows = cells(one(values, limits=(0, 4)), width=80, ground=ground)[2:]
    colours = palette.sequential(np.clip(values / 4, 0, 1))
    assert len(rows) == 3
    for y, x in np.ndindex(3, 9):
        for character, style in rows[y][2 + 2 * x : 4 + 2 * x]:  # 18 columns, two a value
            assert character == "▀"
            assert tuple(style.color.triplet) == tuple(colours[2 * y, x].tolist())
            assert tuple(style.bgcolor.triplet) == tuple(colours[2 * y + 1, x].tolist())


def test_what_is_not_a_number_is_left_open(cells):
    a = np.nan
    row = cells(one([[1, a, 1, a], [1, 1, a, a]], height=1), width=80)[2]
    drawn = row[2:10:2]
    assert [character for character, _ in drawn] == ["▀", "▄", "▀", " "]
    assert drawn[0][1].bgcolor and not drawn[1][1].bgcolor and not drawn[2][1].bgcolor
    top = tuple(palette.sequential(np.array(1.0)).tolist())
    assert tuple(drawn[1][1].color.triplet) == tuple(drawn[2][1].color.triplet) == top


@pytest.mark.parametrize(
    ("colours", "plain", "shades"),
    [(None, False, " ░▒▓█"), ("standard", False, " ░▒▓█"), ("truecolor", True, " .:-=+*#%@")],
)
def test_shades_rise_with_the_value(draw, colours, plain, shades):
    n = len(shades)
    values = (np.arange(n) + 0.5)[:, None].repeat(2, axis=1) / n
    lines = draw(one(values, height=n), colours=colours, plain=plain)[2:]
    assert [line[2:6] for line in lines] == [shade * 4 for shade in shades]
    assert draw(one([[np.nan, 2.0]], height=1), plain=plain)[2].rstrip() == "    " + shades[-1] * 2


def test_all_are_on_one_scale(cells):
    values = np.array([[[[0.2]], [[0.9]]], [[[0.9]], [[0.2]]]])
    figure = Multiples(values, [[("", "")] * 2] * 2, height=1)
    rows = cells(figure, width=80)
    colour = [[tuple(rows[y][x][1].color.triplet) for x in (2, 2 + 19)] for y in (2, 4)]
    assert colour[0][0] == colour[1][1] != colour[0][1] == colour[1][0]
    assert colour[0][0] == tuple(palette.sequential(np.array(0.2)).tolist())


@pytest.mark.parametrize(("width", "bands"), [(80, 1), (65, 1), (64, 2), (40, 2), (25, 3), (7, 8)])
def test_a_row_that_does_not_fit_goes_on_below(draw, width, bands):
    """Eight columns of seven and a gap, beside two for the rows' numbers: 65 in all."""
    figure = grid(3, 8, height=2, row_axis="r")
    lines = draw(figure, width=width)
    assert len(lines) == bands * (1 + 3 * 3)
    seen = []
    for band in range(bands):
        head, *rest = lines[band * 10 : band * 10 + 10]
        numbers = head.split()[1:]
        assert 0 < len(numbers) <= -(-8 // bands), "bands as even as can be"
        seen += numbers
        for row in range(3):
            row_number, *labels = rest[3 * row].replace(" 7", "").split()
            assert row_number == str(row)
            assert labels == [f"{row}.{column}" for column in numbers] or width == 7
            for column in numbers:  # each label begins where its column's number does
                at = rest[3 * row].find(f"{row}.{column}")
                assert at == head.index(column, 1) or width == 7
    assert seen == [str(column) for column in range(8)]


def test_axes_and_numbers_of_the_rows(draw):
    figure = grid(2, 3, height=1, row_axis="layer", column_axis="head", rows=[4, 11])
    lines = draw(figure, width=80)
    assert lines[0].split() == ["layer", "head", "0", "1", "2"]
    assert [lines[1].split()[0], lines[3].split()[0]] == ["4", "11"]
    assert lines[1].index("0.0") == lines[0].index("head") == len("layer ")


def test_an_axis_too_long_leaves_room_for_the_drawing(draw):
    for plain in (False, True):
        lines = draw(grid(1, 2, row_axis="a very long name " * 9), width=60, plain=plain)
        assert lines[0].startswith("a very long") and lines[0].split()[-2:] == ["0", "1"]
        assert "0.0 7" in lines[1] and "0.1 7" in lines[1]


def test_a_label_gives_up_its_number_before_itself(draw):
    def label(width):
        figure = Multiples(np.ones((1, 1, 2, 2)), [[("prev", ".93")]], height=0)
        return draw(figure, width=2 + width)[1][2:].rstrip()

    assert [label(width) for width in (9, 8, 7, 6, 4, 3)] == [
        "prev .93", "prev .93", "prev .9", "prev", "prev", "pr…"
    ]  # fmt: skip


def test_only_the_marked_label_stands_out(draw, cells):
    figure = grid(2, 2, marked=(1, 0), height=1)
    lines = draw(figure, width=80)
    assert [line.count("▸") for line in lines] == [0, 0, 0, 1, 0]
    assert lines[3].index("▸1.0 7") == lines[1].index("0.0 7")
    assert draw(figure, width=80, plain=True)[3].count(">1.0 7") == 1
    bold = [
        "".join(c for c, style in row if style is not None and style.bold).strip()
        for row in cells(figure, width=80)
    ]
    assert bold == ["", "", "", "▸1.0 7", ""]


def test_a_label_with_a_number_has_the_ink_of_attention(cells):
    figure = Multiples(np.ones((1, 2, 2, 2)), [[("a", ".9"), ("b", "")]], height=1)
    row = cells(figure, width=80)[1]
    assert row[2][0] == "a" and row[2][1].color.name == palette.INKS["attention"].dark
    assert row[21][0] == "b" and row[21][1].color.name != palette.INKS["attention"].dark


def test_without_height_there_are_labels_alone(draw):
    lines = draw(grid(3, 2, height=0), width=80)
    assert [line.split() for line in lines[1:]] == [
        [str(row), f"{row}.0", "7", f"{row}.1", "7"] for row in range(3)
    ]


def test_wide_labels_stay_in_their_columns(draw):
    figure = Multiples(np.ones((1, 3, 2, 2)), [[("前一个词元", ".9")] * 3], height=1)
    lines = draw(figure, width=27)
    assert len(set(map(cell_len, lines))) == 1
    assert lines[1].split() == ["0", "前一个…", "前一个…", "前一个…"]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_no_matrices_are_no_drawing(draw, shape):
    assert draw(Multiples(np.ones((*shape, 4, 4)), [[("", "")] * shape[1]] * shape[0])) == []


def test_matrices_of_no_size_have_labels_alone(draw):
    assert draw(Multiples(np.ones((1, 1, 0, 3)), [[("empty", "")]]))[1].split() == ["0", "empty"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Multiples(np.ones((2, 3, 4)), []), "four axes"),
        (lambda: Multiples(np.ones((1, 2, 3, 3)), [[("a", "")]]), "labels"),
        (lambda: Multiples(np.ones((2, 1, 3, 3)), [[("a", "")]]), "labels"),
        (lambda: grid(1, 1, limits=(1, 1)), "limits"),
        (lambda: grid(1, 1, limits=(0, np.nan)), "limits"),
        (lambda: grid(1, 1, limits=(0, np.inf)), "limits"),
        (lambda: grid(2, 1, rows=[1]), "rows: 1 numbers for 2 rows"),
    ],
)
def test_what_cannot_be_drawn_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
