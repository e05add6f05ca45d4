from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from seqlab.figures.canvas import Canvas

WRITES = st.lists(
    st.tuples(st.integers(-3, 12), st.integers(-1, 3), st.text("ab中文e\u0301👩\x1b∂", max_size=6)),
    max_size=8,
)


def rows(canvas):
    return "".join(segment.text for segment in canvas.segments()).split("\n")[:-1]


@given(WRITES)
def test_rows_keep_their_width_whatever_is_written_over_what(writes):
    canvas = Canvas(9, 2)
    for x, y, text in writes:
        canvas.write(x, y, text)
    assert [cell_len(row) for row in rows(canvas)] == [9, 9]


def test_half_of_a_wide_character_is_never_left():
    for x, expected in ((1, " x中 "), (2, "中x  ")):
        canvas = Canvas(5, 1)
        canvas.write(0, 0, "中")
        canvas.write(2, 0, "中")
        canvas.put(x, 0, "x")
        assert rows(canvas) == [expected]


def test_alignment():
    for align, expected in (("left", "ab    "), ("right", "    ab"), ("center", "  ab  ")):
        canvas = Canvas(6, 1)
        canvas.write(0, 0, "ab", width=6, align=align)
        assert rows(canvas) == [expected]
