import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.figures.bars import Bars

EIGHTHS = " ▏▎▍▌▋▊▉█"


def length(text):
    """The length of a bar that grows to the right, in cells."""
    return sum(EIGHTHS.index(c) / 8 for c in text if c in EIGHTHS)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6))
def test_length_is_the_value(draw, values):
    lines = draw(Bars(["x"] * len(values), values), width=80)
    bars = [length(line) for line in lines]
    largest = max(values)
    for value, bar in zip(values, bars, strict=True):
        assert bar == pytest.approx(value / largest * max(bars) if largest else 0, abs=1 / 8)
    assert not largest or max(bars) > 60


def test_labels_left_numbers_and_units_right(draw):
    lines = draw(Bars(["RNN", "LSTM"], [1.9, 0.62], units="ms"), width=40)
    assert lines[0].startswith("RNN ") and lines[0].endswith(" 1.9 ms")
    assert lines[1].startswith("LSTM ") and lines[1].endswith("0.62 ms")


def test_negative_values_lie_left_of_the_zero_line(draw):
    lines = draw(Bars(["a", "b", "c"], [-2.5, 1.25, 0]), width=60)
    zero = lines[0].index("│")
    assert [line.index("│") for line in lines] == [zero] * 3
    bars = [line[2:-6] for line in lines]
    zero -= 2
    left, right = bars[0][:zero].count("█"), bars[1][zero + 1 :].count("█")
    assert left == pytest.approx(2 * right, abs=2) and right > 10
    assert not bars[0][zero + 1 :].strip() and not bars[1][:zero].strip()
    assert not bars[2].replace("│", "").strip()


def test_all_negative(draw):
    lines = draw(Bars(["a", "b"], [-2, -1]), width=60)
    assert lines[0].count("█") == pytest.approx(2 * lines[1].count("█"), abs=2)
    assert lines[0].index("│") > lines[0].rindex("█")


def test_log_scale_says_where_it_begins(draw):
    lines = draw(Bars(["a", "b", "c"], [1e-3, 1e-1, 10], scale="log"), width=60)
    assert lines[-1].strip() == "log scale, bars begin at 0.0001"
    bars = [length(line) for line in lines[:3]]
    assert np.diff(bars) == pytest.approx([2 / 5 * max(bars)] * 2, abs=0.2)


def test_what_is_not_a_number_is_shown(draw):
    lines = draw(Bars(list("abcd"), [np.nan, np.inf, -np.inf, 1.0], units="s"), width=60)
    assert lines[0].endswith(" -") and "█" not in lines[0]
    assert lines[1].endswith("∞") and "█→" in lines[1]
    assert lines[2].endswith("−∞") and "←│" in lines[2]
    assert "←█" in draw(Bars(list("ab"), [-np.inf, -1.0]), width=60)[0]
    zero = draw(Bars(["a", "b"], [0.0, 1.0], scale="log"), width=60)[0]
    assert "←" in zero and "█" not in zero


@pytest.mark.parametrize(("plain", "parts"), [(False, "█▓─┤"), (True, "#=-]")])
def test_whisker_shades_the_bar_and_goes_beyond(draw, plain, parts):
    (line,) = draw(Bars(["a"], [5], low=[4], high=[8]), width=60, plain=plain)
    full, shaded, beyond, end = parts
    total = line.index(end) - 2
    assert line.index(shaded) - 2 == pytest.approx(total * 4 / 8, abs=2)
    assert line.index(beyond) - 2 == pytest.approx(total * 5 / 8, abs=2)
    assert line.index(full) < line.index(shaded) < line.index(beyond) < line.index(end)


def test_highlight_is_bold(cells):
    rows = cells(Bars(["a", "b"], [1, 2], highlight=1))
    assert rows[1][0][1].bold and not (rows[0][0][1] and rows[0][0][1].bold)


def test_keys_are_colours(cells):
    rows = cells(Bars(["a", "b"], [1, 2], keys=["rnn", "swin"]))
    assert [row[3][1].color.name for row in rows] == ["#e8662a", "#f0e442"]


def test_wrong_lengths_are_refused():
    for build in (
        lambda: Bars(["a"], [1, 2]),
        lambda: Bars(["a"], [1], keys=["rnn", "lstm"]),
        lambda: Bars(["a"], [1], low=[1, 2]),
    ):
        with pytest.raises(ValueError, match=r"^(labels|keys|low): \d for \d bars"):
            build()


def test_nothing_is_said_to_be_nothing(draw):
    assert draw(Bars([], []))[0].strip() == "(no bars to draw)"


def test_counts_are_written_as_counts(draw):
    assert [line.split()[-1] for line in draw(Bars(["a", "b"], [12, 3]), width=40)] == ["12", "3"]
    assert [line.split()[-1] for line in draw(Bars(["a", "b"], [12, 3.5]), width=40)] == [
        "12",
        "3.5",
    ]
