"""Rewriting tasks: what every batch promises, dates written and read, and what guessing reaches."""

import datetime
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tasks import rewrite
from seqlab.tasks.rewrite import ALPHABET, DIGITS, FORMS, ISO, Rule

RULES: list[Rule] = ["reverse", "copy", "sort"]
days = st.dates(rewrite.FIRST, rewrite.LAST)
forms = st.sampled_from(FORMS)


@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 12), st.sampled_from(RULES))
def test_digits(seed: int, b: int, t: int, rule: Rule) -> None:
    batch = rewrite.digits(np.random.default_rng(seed), b, t, rule)
    assert batch.source.shape == batch.target.shape == (b, t) and batch.lengths.tolist() == [t] * b
    assert batch.places.shape == (b, t, t)
    right = {"copy": list, "reverse": lambda row: row[::-1], "sort": sorted}[rule]
    for i, row in enumerate(batch.source.tolist()):
        assert batch.target[i].tolist() == right(row)
        for j, s in itertools.product(range(t), range(t)):
            needed = {"copy": s == j, "reverse": s == t - 1 - j, "sort": row[s] == right(row)[j]}
            assert batch.places[i, j, s] == needed[rule]


def test_all_digits_are_drawn_alike() -> None:
    source = rewrite.digits(np.random.default_rng(0), 4000, 5, "copy").source
    shares = np.bincount(source.ravel(), minlength=10) / source.size
    assert np.abs(shares - 0.1).max() < 0.01


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_what_guessing_digits_reaches_by_counting_all_sequences(t: int, rule: Rule) -> None:
    everything = np.array(list(itertools.product(range(len(DIGITS)), repeat=t)))
    target = rewrite.rewritten(everything, rule).target
    symbols = [np.bincount(column).max() / len(target) for column in target.T]
    exact = np.unique(target, axis=0, return_counts=True)[1].max() / len(target)
    chance = rewrite.digits_chance(t, rule)
    assert chance.symbols == pytest.approx(np.mean(symbols), abs=1e-12)
    assert chance.exact == pytest.approx(exact, abs=1e-12)


def test_sorting_long_sequences_can_be_guessed_better() -> None:
    draws = np.sort(np.random.default_rng(0).integers(0, 10, (20000, 23)), axis=1)
    symbols = np.mean([np.bincount(column).max() / len(draws) for column in draws.T])
    assert rewrite.digits_chance(23, "sort").symbols == pytest.approx(symbols, abs=0.01)
    assert rewrite.digits_chance(23, "sort").symbols > 3 * rewrite.digits_chance(23, "copy").symbols


def test_the_six_forms() -> None:
    date = datetime.date(1999, 5, 3)
    assert [rewrite.date_written(date, form)[0] for form in FORMS] == [
        "3 may 1999", "may 3, 1999", "mon, 3 may 1999", "3-may-1999", "3.5.1999", "5/3/1999",
    ]  # fmt: skip
    assert rewrite.date_written(datetime.date(2001, 11, 30), FORMS[3])[0] == "30-nov-2001"


@given(days, forms)
def test_what_is_written_can_be_read_and_says_where_things_stand(
    date: datetime.date, form: str
) -> None:
    text, spans = rewrite.date_written(date, form)
    assert set(text) <= set(ALPHABET) and len(text) <= 18
    assert rewrite.date_read(text) == (date, form)
    assert text[spans["year"]] == str(date.year) and text[spans["day"]] == str(date.day)
    assert text[spans["month"]] in (str(date.month), f"{date:%B}".lower(), f"{date:%b}".lower())


@given(st.text(ALPHABET, max_size=20))
def test_whatever_is_read_is_written_so(text: str) -> None:
    found = rewrite.date_read(text)
    assert found is None or rewrite.date_written(*found)[0] == text


@pytest.mark.parametrize(
    "text",
    ["", "31.2.1999", "31.4.1999", "03.05.1999", "tue, 3 may 1999", "3 mai 1999", "13/13/1999",
     "3 ma 1999", "0.1.1999", "3rd may 1999", "may 1999", "3 may 99", "1.1.0000", "3 mayo 1999",
     "1999-05-03", "3-march-1999", "3 mar 1999", "29.2.1900"],
)  # fmt: skip
def test_what_is_in_none_of_the_forms(text: str) -> None:
    assert rewrite.date_read(text) is None


def test_ambiguous_numbers_are_told_apart_by_their_signs() -> None:
    may, march = datetime.date(1999, 5, 3), datetime.date(1999, 3, 5)
    assert rewrite.date_read("3.5.1999") == (may, "{day}.{month}.{year}")
    assert rewrite.date_read("3/5/1999") == (march, "{month}/{day}/{year}")


def test_days_are_trained_on_or_tested_on_never_both() -> None:
    known, unknown = rewrite.days(np.random.default_rng(0))
    assert sorted([*known, *unknown]) == list(
        range(rewrite.FIRST.toordinal(), rewrite.LAST.toordinal() + 1)
    )
    assert len(unknown) == rewrite.DAYS // 10
    for asked in (int(known[7]), int(unknown[7])):
        date = datetime.date.fromordinal(asked)
        others, same = rewrite.days(np.random.default_rng(0), date)
        assert asked not in others and len(others) in (len(known), len(known) - 1)
        np.testing.assert_array_equal(same, unknown)


def test_a_batch_of_dates() -> None:
    written = [(datetime.date(1999, 12, 3), form) for form in FORMS]
    batch = rewrite.dated(written)
    assert batch.places.shape == (6, 10, batch.lengths.max())
    for i, (date, form) in enumerate(written):
        text, spans = rewrite.date_written(date, form)
        assert rewrite.spelled(ALPHABET, batch.source[i, : batch.lengths[i]]) == text
        assert rewrite.spelled(ISO, batch.target[i]) == "1999-12-03"
        assert batch.places[i].sum(-1)[[0, 1, 2, 3, 4, 7]].tolist() == [1, 1, 1, 1, 0, 0]
        for j, digit in enumerate("1999"):
            assert text[int(np.argmax(batch.places[i, j]))] == digit
        for j, field in ((5, "month"), (6, "month"), (8, "day"), (9, "day")):
            (found,) = np.where(batch.places[i, j])
            assert found.tolist() == list(range(spans[field].start, spans[field].stop))
        assert not batch.places[i, :, batch.lengths[i] :].any()


def test_dates_are_drawn_from_the_days_in_all_forms() -> None:
    some = np.array([730000, 730001])
    batch = rewrite.dates(np.random.default_rng(0), 600, some)
    texts = [rewrite.spelled(ALPHABET, row[:n]) for row, n in zip(batch.source, batch.lengths)]
    found = [rewrite.date_read(text) for text in texts]
    assert {date.toordinal() for date, _form in found if date} == {730000, 730001}  # type: ignore[misc]
    counts = [sum(form == f for _date, f in found) for form in FORMS]  # type: ignore[misc]
    assert min(counts) > 60


def test_what_guessing_dates_reaches() -> None:
    chance = rewrite.dates_chance()
    all_days = [datetime.date.fromordinal(i).isoformat() for i in range(
        rewrite.FIRST.toordinal(), rewrite.LAST.toordinal() + 1
    )]  # fmt: skip
    best = [max(map(column.count, set(column))) for column in zip(*all_days)]
    assert chance.symbols == pytest.approx(sum(best) / len(all_days) / 10, abs=1e-12)
    assert chance.exact == pytest.approx(1 / 73049)


def test_symbols_that_a_task_does_not_have() -> None:
    assert rewrite.numbered(DIGITS, "907").tolist() == [9, 0, 7]
    with pytest.raises(ValueError, match="substring"):
        rewrite.numbered(DIGITS, "9a")
