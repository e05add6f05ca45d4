import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from seqlab.figures import palette
from seqlab.figures.curves import Curves, Line, decade_ticks, linear_ticks

ORDINARY = st.floats(-1e12, 1e12)


@given(ORDINARY, ORDINARY, st.floats(1, 12))
@example(0.0, 1.0, 5.0)
@example(1e6, 1e6 + 1, 5.0)
def test_linear_ticks(low, high, room):
    assume(high - low > 1e-9 * max(abs(low), abs(high), 1e-3))
    ticks = linear_ticks(low, high, room)
    places, spread = [place for place, _ in ticks], high - low
    assert len(ticks) <= room + 1.01
    assert all(low - 1e-6 * spread <= place <= high + 1e-6 * spread for place in places)
    assert all(np.diff(places) > 0)
    assert len({label for _, label in ticks}) == len(ticks)
    step = np.diff(places).min() if len(ticks) > 1 else spread
    for place, label in ticks:
        assert float(label) == pytest.approx(place, abs=0.01 * step)


@given(st.floats(-1e6, 1e6), st.floats(0.01, 1e6), st.floats(1, 12))
@example(-15.0, 15.0, 4.0)
@example(-0.3, 0.4, 4.0)
@example(-400.2, 0.1, 4.0)
def test_decade_ticks(low, span, room):
    high = low + span
    ticks = decade_ticks(low, high, room)
    places = [place for place, _ in ticks]
    assert len(ticks) <= room + 2
    assert all(low - 1e-6 <= place <= high + 1e-6 for place in places)
    assert all(np.diff(places) > 0)
    for place, label in ticks:
        mantissa, _, exponent = label.partition("e")
        assert np.log10(float(mantissa)) + int(exponent or 0) == pytest.approx(place, abs=0.03)
    if span >= 1.5:
        assert all(place == int(place) for place in places), "a tick off the decades"


def test_ticks_of_many_decades_are_decades():
    assert [t for _, t in decade_ticks(-15, 0, 4)] == ["1e-15", "1e-10", "1e-5", "1e0"]
    assert [t for _, t in decade_ticks(-2, 2, 5)] == ["0.01", "0.1", "1", "10", "100"]


def plot(lines, draw, **options):
    """A plot of 12 × 2 cells: 24 × 8 dots, so that a dot is a unit. Returns its two rows."""
    figure = Curves(lines, height=2, x_range=(0, 23), y_range=(0, 7), legend="none")
    rows = draw(figure, width=15, **options)[:2]
    assert [row[2] for row in rows] in (["│", "┤"], ["|", "+"])
    return [row[3:] for row in rows]


def test_diagonal_goes_through_these_dots(draw):
    diagonal = Line("", [0, 7], [0, 7])
    # Dots of a cell, from the top: 1 4, 2 5, 3 6, 7 8. Up the diagonal: 7, 6 of one cell, 2, 4 of
    # the next; and the same again one row higher.
    assert plot([diagonal], draw, colours="truecolor") == ["  ⡠⠊        ", "⡠⠊          "]
    assert plot([diagonal], draw, plain=True) == ["  ##        ", "##          "]


def test_horizontal_and_dashed_lines(draw):
    flat = [Line("", [0, 23], [2, 2])]
    assert plot(flat, draw, colours="truecolor") == [" " * 12, "⠒" * 12]
    dashed = [flat[0]._replace(dashed=True)]
    assert plot(dashed, draw, colours="truecolor") == [" " * 12, "⠒⠒ " * 4]


def test_points_alone_and_gaps(draw):
    line = Line("", [0, 2, 3, 4, 6, 7, 8], [0, np.nan, np.nan, 0, np.nan, 0, 0])
    assert plot([line], draw, colours="truecolor") == [" " * 12, "⡀ ⡀⢀⡀       "]


def test_infinities_leave_by_the_edge(draw):
    line = Line("", [0, 1, 10, 23], [np.inf, 3, 3, -np.inf])
    upper, lower = plot([line], draw, colours="truecolor")
    assert upper[0] == "↑" and lower[-1] == "↓" and "↓" not in upper


def test_a_line_leaving_the_axis_is_cut_where_it_leaves(draw):
    steep = Line("", [0, 23], [0, 14 * 23 / 7])  # 2 up for each to the right
    assert "".join(plot([steep], draw, colours="truecolor")).strip() != ""
    assert plot([steep], draw, colours="truecolor")[0][3:].strip() == ""


def test_zero_on_a_log_axis_is_an_arrow(draw):
    lines = draw(Curves([Line("", [0, 1, 2], [1, 0.01, 0])], y_scale="log"))
    assert any("↓" in line for line in lines)


@pytest.mark.parametrize("plain", [False, True])
def test_series_can_be_told_apart_without_colour(draw, plain):
    x = np.arange(30)
    names = ["one", "two", "three", "rnn", "five", "six"]
    figure = Curves([Line(n, x, x + 9 * i, key=n) for i, n in enumerate(names)], height=20)
    lines = draw(figure, width=100, plain=plain)
    inks = palette.inks(names)
    markers = [ink.ascii if plain else ink.marker for ink in inks]
    assert len(set(markers)) == len(names)
    for name, marker in zip(names, markers, strict=True):
        legend = next(line for line in lines if line.rstrip().endswith(name))
        assert marker in legend.split()[-2]
        assert sum(line[:70].count(marker) for line in lines) >= 3


def test_inks_are_not_given_twice():
    inks = palette.inks(["", "rnn", "a", "lstm", "b"])
    assert (
        len(set(inks)) == 5 and inks[1] == palette.INKS["rnn"] and inks[3] == palette.INKS["lstm"]
    )


def test_legend_stands_beside_where_wide_and_below_where_narrow(draw):
    figure = Curves([Line("first", [0, 1], [0, 1]), Line("second", [0, 1], [1, 0])])
    assert "first" in draw(figure, width=100)[0]
    assert "first" in draw(figure, width=50)[-1] and "second" in draw(figure, width=50)[-1]


def band_cells(cells, low, high):
    """The rows of a plot of 12 × 4 cells under a band from low to high, both in rows."""
    line = Line("", [0, 23], [np.nan] * 2, [4 * low - 0.5] * 2, [4 * high - 0.5] * 2, key="rnn")
    figure = Curves([line], height=4, x_range=(0, 23), y_range=(0, 15), legend="none")
    return [row[-1] for row in cells(figure, width=16)[:4]]


def test_band_fills_cells_and_eighths(cells):
    tint = palette.blend((0xE8, 0x66, 0x2A), (0x16, 0x16, 0x16), 0.28)
    top, full, bottom, outside = band_cells(cells, 1.75, 3.25)
    assert top[0] == "▂" and top[1].color.triplet == tint and top[1].bgcolor is None
    assert full[0] == " " and full[1].bgcolor.triplet == tint
    # the upper quarter of a cell: the lower three quarters, reversed
    assert bottom[0] == "▆" and bottom[1].reverse and bottom[1].color.triplet == tint
    assert outside == (" ", None)


def test_curve_keeps_the_tint_of_its_band(cells):
    x = np.linspace(0, 23, 50)
    for thin, most in ((0.2, 1.0), (1.2, 0.34), (3.0, 0.0)):
        line = Line("", x, 5 + x / 4, 5 + x / 4 - thin, 5 + x / 4 + thin, key="rnn")
        figure = Curves([line], height=4, x_range=(0, 23), y_range=(0, 15), legend="none")
        drawn = [c for row in cells(figure, width=40) for c in row if "\u2800" < c[0] <= "\u28ff"]
        bare = [c for c in drawn if c[1].bgcolor is None]
        assert len(drawn) > 20 and len(bare) <= most * len(drawn)
        if thin == 0.2:  # a tenth of a row: tinting whole cells would make it look ten times wider
            assert len(bare) == len(drawn)


def test_wrong_lengths_are_refused():
    for line in (Line("a", [0, 1], [1]), Line("a", [0, 1], [1, 2], [1], [2])):
        with pytest.raises(ValueError, match=r"^line 'a': "):
            list(Curves([line]).__rich_console__(None, None))


def test_many_points_keep_their_extremes_and_gaps(draw):
    x = np.linspace(0, 23, 200_000)
    y = np.zeros_like(x)
    y[100_000] = 7
    y[(x > 15) & (x < 19)] = np.nan
    upper, lower = plot([Line("", x, y)], draw, colours="truecolor")
    assert upper.strip() and lower[8:9] == " "


def test_rows_line_up_with_wide_names(draw):
    figure = Curves([Line("循环神经网络", [0, 1], [0, 1]), Line("b", [0, 1], [1, 0])])
    assert len({cell_len(line) for line in draw(figure, width=90)}) == 1


@pytest.mark.parametrize("colours", ["truecolor", None])
def test_marked_values_are_marked_where_they_are(colours, draw):
    line = Line("a", [0, 3, 10], [0, 10, 5], key="rnn", marked=True)
    plot = draw(Curves([line], height=11, legend="none"), width=60, colours=colours)
    marker = palette.INKS["rnn"].marker
    places = [(row, text.index(marker)) for row, text in enumerate(plot) if marker in text]
    (top, second), (middle, third), (bottom, first) = places
    assert (top, middle, bottom) == (0, 5, 10) and first < second < third
    assert "".join(plot).count(marker) == 3


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_ticks_stand_where_they_are_asked_for(scale, draw):
    x = [50, 100, 200, 1400]
    rows = draw(Curves([Line("a", x, [1, 2, 3, 4])], x_scale=scale, x_ticks=x, height=4), width=71)
    axis, labels = rows[4], rows[5]
    assert labels.split() == ["50", "100", "200", "1400"] if scale == "log" else ["50", "200"]
    places = [i for i, character in enumerate(axis) if character == "┬"]
    at = np.log(x) if scale == "log" else np.array(x, float)
    expected = places[0] + (at - at[0]) / (at[-1] - at[0]) * (places[-1] - places[0])
    np.testing.assert_allclose(places, expected, atol=1)


def test_the_legend_has_the_markers_of_marked_lines(draw):
    lines = [
        Line("a", [0, 1], [0, 1], key=key, marked=marked)
        for key, marked in (("rnn", True), ("cnn", False))
    ]
    text = "\n".join(draw(Curves(lines, legend="below"), width=60, colours="truecolor"))
    assert "⠤●⠤ a" in text and "⠤⠤⠤ a" in text
