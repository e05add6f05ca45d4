"""Tasks that rewrite a sequence: dates into those of ISO; digits copied, reversed, sorted.

Of every output it is known where the input holds what it needs: so one can say whether attention
looks there. Guessing is what a network could reach that knows the task but has not seen the input.
"""

import datetime
import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from string import Formatter
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
Mask = NDArray[np.bool_]
Rule = Literal["reverse", "copy", "sort"]

DIGITS = "0123456789"


class Batch(NamedTuple):
    """Inputs and what to make of them, as numbers of symbols; inputs are padded with 0."""

    source: Tokens  # (b, s)
    lengths: Tokens  # (b,), of the inputs
    target: Tokens  # (b, t)
    places: Mask  # (b, t, s), True where the input holds what an output needs; nowhere for none


class Chance(NamedTuple):
    """What guessing reaches: the share of symbols that are right, and of whole outputs."""

    symbols: float
    exact: float


def spelled(alphabet: str, tokens: Sequence[int]) -> str:
    """Numbers of symbols as text."""
    return "".join(alphabet[i] for i in tokens)


def numbered(alphabet: str, text: str) -> Tokens:
    """Text as numbers of symbols; ValueError where one is not in the alphabet."""
    return np.array([alphabet.index(character) for character in text], np.int64)


# Digits


def digits(rng: np.random.Generator, b: int, t: int, rule: Rule) -> Batch:
    """Sequences (b, t) of digits, all equally likely."""
    return rewritten(rng.integers(0, len(DIGITS), (b, t)), rule)


def rewritten(source: Tokens, rule: Rule) -> Batch:
    """What a rule makes of digits (b, t); equal digits are one as good as the other for sorting."""
    b, t = source.shape
    places = np.broadcast_to(np.eye(t, dtype=bool), (b, t, t))
    if rule == "copy":
        target = source
    elif rule == "reverse":
        target, places = source[:, ::-1], places[:, ::-1]
    else:
        target = np.sort(source, axis=1)
        places = target[:, :, None] == source[:, None, :]
    return Batch(source, np.full(b, t), target, places)


def digits_chance(t: int, rule: Rule) -> Chance:
    """Exact. Sorted digits can be guessed better: the first is likely small, the last large."""
    v = len(DIGITS)
    if rule != "sort":
        return Chance(1 / v, v**-t)
    count, rest = divmod(t, v)  # the likeliest sorted sequence has every digit equally often
    orders = math.factorial(count) ** (v - rest) * math.factorial(count + 1) ** rest
    exact = math.factorial(t) // orders / v**t
    best = [max(_order_statistic(t, k, v)) for k in range(1, t + 1)]
    return Chance(sum(best) / t, exact)


def _order_statistic(t: int, k: int, v: int) -> list[float]:
    """The distribution of the k-th smallest, from 1, of t draws of v symbols."""
    at_most = [
        sum(math.comb(t, j) * (x / v) ** j * (1 - x / v) ** (t - j) for j in range(k, t + 1))
        for x in range(v + 1)  # draws below x: the k-th is below x where k at least are
    ]
    return [high - low for low, high in pairwise(at_most)]


# Dates

FORMS = (
    "{day} {Month} {year}",
    "{Month} {day}, {year}",
    "{Day}, {day} {Mon} {year}",
    "{day}-{Mon}-{year}",
    "{day}.{month}.{year}",
    "{month}/{day}/{year}",
)
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
DAYS = LAST.toordinal() - FIRST.toordinal() + 1
ISO = DIGITS + "-"
ISO_LENGTH = len("1999-12-31")

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALPHABET = "".join(sorted({*"".join(_MONTHS + _WEEKDAYS), *DIGITS, *" ,-./"}))


class _Field(NamedTuple):
    """What stands in a form: the part of a date that it tells, its look, and how it is written."""

    tells: str
    look: str
    write: Callable[[datetime.date], str]


_FIELDS = {
    "day": _Field("day", "[0-9]{1,2}", lambda date: str(date.day)),
    "month": _Field("month", "[0-9]{1,2}", lambda date: str(date.month)),
    "Month": _Field("month", "[a-z]+", lambda date: _MONTHS[date.month - 1]),
    "Mon": _Field("month", "[a-z]+", lambda date: _MONTHS[date.month - 1][:3]),
    "year": _Field("year", "[0-9]{4}", lambda date: str(date.year)),
    "Day": _Field("weekday", "[a-z]+", lambda date: _WEEKDAYS[date.weekday()]),
}


@cache
def _parts(form: str) -> list[tuple[str, str]]:
    """A form in parts: what stands before a field, and the field's name."""
    return [(before, name or "") for before, name, _spec, _kind in Formatter().parse(form)]


def date_written(date: datetime.date, form: str) -> tuple[str, dict[str, slice]]:
    """The date in a form, in lower case, and where its year, month and day stand in that."""
    text, spans = "", {}
    for before, name in _parts(form):
        field = _FIELDS[name]
        start = len(text) + len(before)
        text += before + field.write(date)
        spans[field.tells] = slice(start, len(text))
    return text, spans


def date_read(text: str) -> tuple[datetime.date, str] | None:
    """The date that a text in lower case is, and its form; None if it is exactly in none of them.

    Days must be right, and no zero may lead: that is how the forms are written.
    """
    for form in FORMS:
        pattern = "".join(
            f"{re.escape(before)}(?P<{name}>{_FIELDS[name].look})" for before, name in _parts(form)
        )
        found = re.fullmatch(pattern, text)
        date = _date_of(found.groupdict()) if found else None
        if date is not None and date_written(date, form)[0] == text:
            return date, form
    return None


def _date_of(fields: dict[str, str]) -> datetime.date | None:
    """The date of the fields of a form, if there is such a day."""
    names = [month[:3] for month in _MONTHS]
    name = (fields.get("Month") or fields.get("Mon") or "")[:3]
    if name and name not in names:
        return None
    month = names.index(name) + 1 if name else int(fields["month"])
    try:
        return datetime.date(int(fields["year"]), month, int(fields["day"]))
    except ValueError:
        return None


def days(rng: np.random.Generator, asked: datetime.date | None = None) -> tuple[Tokens, Tokens]:
    """The days of two centuries in two parts: to train on, and a tenth to test on.

    The day that was asked about is not trained on.
    """
    order = FIRST.toordinal() + rng.permutation(DAYS)
    known, unknown = np.split(order, [DAYS - DAYS // 10])
    if asked is not None:
        known = known[known != asked.toordinal()]
    return known, unknown


def dates(rng: np.random.Generator, b: int, days: Tokens) -> Batch:
    """A batch of b dates of these days, each in one of the forms."""
    drawn = [datetime.date.fromordinal(int(day)) for day in rng.choice(days, b)]
    return dated([(date, FORMS[i]) for date, i in zip(drawn, rng.integers(0, len(FORMS), b))])


def dated(written: Sequence[tuple[datetime.date, str]]) -> Batch:
    """Dates in forms as a batch.

    A digit of the year needs that very digit; those of the month and of the day need any of the
    symbols that tell it; the hyphens need nothing.
    """
    texts = [date_written(date, form) for date, form in written]
    lengths = np.array([len(text) for text, _spans in texts])
    source = np.zeros((len(texts), lengths.max()), np.int64)
    places = np.zeros((len(texts), ISO_LENGTH, lengths.max()), bool)
    for i, (text, spans) in enumerate(texts):
        source[i, : len(text)] = numbered(ALPHABET, text)
        places[i, :4, spans["year"]] = np.eye(4, dtype=bool)
        places[i, 5:7, spans["month"]] = True
        places[i, 8:, spans["day"]] = True
    target = [numbered(ISO, date.isoformat()) for date, _form in written]
    return Batch(source, lengths, np.array(target), places)


@cache
def dates_chance() -> Chance:
    """Of symbols, the likeliest at every place of ISO; of whole dates, one in all days."""
    first = np.datetime64(FIRST.isoformat())
    texts = np.datetime_as_string(first + np.arange(DAYS)).astype(f"U{ISO_LENGTH}")
    symbols = texts.view("U1").reshape(DAYS, ISO_LENGTH)
    likeliest = [np.unique(column, return_counts=True)[1].max() for column in symbols.T]
    return Chance(float(np.mean(likeliest)) / DAYS, 1 / DAYS)
