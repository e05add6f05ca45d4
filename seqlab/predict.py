"""Predict, then reveal: a class that commits itself to a prediction learns from what it sees.

A question has an answer, computed from the result. It is answered by one letter, or by a tally of
the hands of a class: `a12 b30 c5`.

Crouch et al. 2004, Am. J. Phys. 72, 835; Miller et al. 2013, Phys. Rev. ST PER 9, 020113.
"""

import re
import string
import unicodedata
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import emit
from seqlab.emit import Look
from seqlab.figures.bars import Bars
from seqlab.figures.prose import Note, Takeaways, Verdict, Words
from seqlab.helping import Entries
from seqlab.lab import BadInput, Question
from seqlab.locale import _

_MOST = 10_000  # hands of one class
# A letter and its hands, or a letter alone; letters side by side are a word
_HANDS = re.compile(r"([a-z])(?:\s*[:=]?\s*(\d+)|(?![a-z]))")


def letters(question: Question) -> str:
    """a, b, c, ...: what the choices are called."""
    return string.ascii_lowercase[: len(question.choices)]


def votes(text: str, question: Question) -> list[int] | None:
    """How often each choice was given: `b` is one vote, `a12 b30 c5` a tally; None for nothing.

    Raises BadInput where it is neither.
    """
    typed = unicodedata.normalize("NFKC", text).lower()  # Chinese keyboards have wide letters too
    names = letters(question)
    if not typed.strip():
        return None
    found = _HANDS.findall(typed)
    rest = _HANDS.sub("", typed)
    counts = {name: 0 for name in names}
    for name, number in found:
        if name not in counts or len(number) > 5:
            break
        counts[name] += int(number) if number else 1
    else:
        whole = sum(counts.values())
        if found and not rest.strip(" ,;.\t、。") and 0 < whole <= _MOST:
            return list(counts.values())
    expected = _("a letter from a to {last}, or a tally of hands").format(last=names[-1])
    example = " ".join(f"{name}{n}" for name, n in zip(names[:3], (12, 30, 5)))
    raise BadInput(repr(text[:40]), expected, example)


def posed(question: Question, command: str = "") -> RenderableType:
    """The question with its choices; the command it is about, whose options decide the answer."""
    return Group(*_head(question, command), Text(), _choices(question))


def asked(question: Question, command: str = "") -> RenderableType:
    """The same, and how it can be answered."""
    return Group(posed(question, command), Text(), Note(_hint(question)))


def answered(question: Question, given: Sequence[int] | None, command: str = "") -> RenderableType:
    """The question once more, and its answer."""
    above = Group(*_head(question, command)) if _is_tally(given) else posed(question, command)
    return Group(above, revealed(question, given))


def ask(question: Question, look: Look, command: str = "") -> list[int] | None:
    """Ask it on the terminal, again where the answer is none; None where nobody answers."""
    prompt: RenderableType = asked(question, command)
    while True:
        typed = emit.ask(prompt, look)
        if typed is None:
            return None
        try:
            return votes(typed, question)
        except BadInput as problem:
            prompt = Note(str(problem))


def revealed(question: Question, given: Sequence[int] | None) -> RenderableType:
    """What was predicted against what is true, and the sentence that says why."""
    right = f"{letters(question)[question.answer]}  {question.choices[question.answer]}"
    parts: list[RenderableType] = [Text()]
    if given is not None and _is_tally(given):
        bars = Bars(list(letters(question)), list(given), highlight=question.answer)
        parts += [_choices(question), Text(), bars, Text()]
    parts.append(_verdict(question, given, right))
    return Group(*parts, Takeaways([question.why] if question.why else []))


def _hint(question: Question) -> str:
    last = letters(question)[-1]
    return _("a to {last}, or hands such as a12 b30; Enter alone shows the answer").format(
        last=last
    )


def _head(question: Question, command: str) -> list[RenderableType]:
    parts: list[RenderableType] = [Note(f"$ {command}"), Text()] if command else []
    return [*parts, Words(question.text, "title")]


def _choices(question: Question) -> RenderableType:
    return Entries(list(zip(letters(question), question.choices)), 1)


def _is_tally(given: Sequence[int] | None) -> bool:
    return given is not None and sum(given) > 1


def is_right(question: Question, given: Sequence[int] | None) -> bool:
    """Whether it was predicted: by more than half of the hands."""
    return given is not None and 2 * given[question.answer] > sum(given)


def _verdict(question: Question, given: Sequence[int] | None, right: str) -> RenderableType:
    if given is None:
        return Verdict(_("The answer: {right}").format(right=right), True)
    if _is_tally(given):
        told = _("{agree} of {hands} hands predicted it: {right}")
    else:
        told = _("Predicted: {right}") if is_right(question, given) else _("Not so. It is {right}")
    told = told.format(agree=given[question.answer], hands=sum(given), right=right)
    return Verdict(told, is_right(question, given))
