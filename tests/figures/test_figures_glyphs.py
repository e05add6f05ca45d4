import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from seqlab.figures import glyphs

# with what Hypothesis seldom finds by itself: surrogates, joiners, marks, wide and ASCII art
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=()),
        st.sampled_from("\x00\x1b\x7f\ud800\u200d\u202e\ufe0f🏽👩🇨\u0301\u0310中ａ∂ₜ⁻½ \t\n"),
    ),
    max_size=30,
)


@given(TEXT)
def test_clean_is_harmless_and_idempotent(text):
    cleaned = glyphs.clean(text)
    assert glyphs.clean(cleaned) == cleaned
    assert not [c for c in cleaned if unicodedata.category(c)[0] == "C"]
    assert not set(cleaned) & {"\u2028", "\u2029"}
    cleaned.encode()


@given(TEXT)
def test_width_is_the_sum_of_characters(text):
    """The canvas places character by character, Rich measures the whole: they must agree."""
    cleaned = glyphs.clean(text)
    assert cell_len(cleaned) == sum(map(cell_len, cleaned))


@given(TEXT)
def test_ascii_is_ascii(text):
    fitted = glyphs.fit(text, ascii_only=True)
    assert fitted.isascii() and fitted.isprintable()


@given(TEXT, st.integers(0, 40), st.booleans())
def test_shorten_never_exceeds(text, width, plain):
    fitted = glyphs.fit(text, plain)
    short = glyphs.shorten(fitted, width, plain)
    assert cell_len(short) <= width
    assert short == fitted or cell_len(fitted) > width
    assert not plain or short.isascii()


@pytest.mark.parametrize(
    ("text", "plain"),
    [("∂L/∂hₜ₋₁", "dL/dh[t-1]"), ("ρᵏ", "rho^k"), ("é", "e"), ("你", "??"), ("x₁", "x_1")],
)
def test_mathematics_in_ascii(text, plain):
    assert glyphs.to_ascii(text) == plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0052, "0.0052"), (1.2e-13, "1.2e-13"), (4.6e8, "4.6e8"), (0, "0"), (1, "1.0"),
        (9.96, "10"), (99.6, "100"), (-0.5, "-0.50"), (12345, "12345"), (0.00996, "0.010"),
        (99999.6, "1.0e5"), (5e-324, "4.9e-324"),
        (math.nan, "-"), (math.inf, "∞"), (-math.inf, "−∞"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert glyphs.number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 8))
def test_number_is_near(value, digits):
    text = glyphs.number(value, digits)
    assert len(text) <= digits + 8
    if abs(value) < 1.79e308:  # rounding up beyond the largest float is not worth a case
        assert float(text) == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits), abs=5e-324)


@given(st.floats(-1e6, 1e6))
def test_power_is_near(log10):
    text = glyphs.power(log10, 4)
    if "e" not in text:
        assert math.log10(float(text)) == pytest.approx(log10, abs=1e-3)
        return
    mantissa, exponent = text.split("e")
    assert 1 <= float(mantissa) < 10
    assert math.log10(float(mantissa)) + int(exponent) == pytest.approx(log10, abs=1e-3)


def test_percent_says_all_only_of_all():
    assert [glyphs.percent(x) for x in (0, 0.125, 0.994, 0.9999, 1, float("nan"))] == [
        "0 %", "12 %", "99.4 %", "99.9 %", "100 %", "-",
    ]  # fmt: skip
    assert glyphs.percent(0.3, 0.1, 0.2) == "10 to 30 %" and glyphs.percent(0.301, 0.3) == "30 %"
