"""Questions on the course whose answers are computed by running the experiments, not looked up.

The options are drawn at random: the same --seed asks the same questions. With --topic every other
question is about it, and those between are about what came before it in the course.
"""

import shlex
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from seqlab import emit, predict, quizzes
from seqlab.emit import Look
from seqlab.figures.prose import Note, Verdict
from seqlab.locale import N_, _
from seqlab.quizzes import Asked


def run(
    *,
    topic: Annotated[
        str | None, typer.Option("--topic", help=N_("An experiment; by default all of them."))
    ] = None,
    number: Annotated[
        int, typer.Option("--number", min=1, max=quizzes.MOST, help=N_("How many questions."))
    ] = 5,
    trained: Annotated[
        bool, typer.Option("--trained", help=N_("Also what trains networks: seconds a question."))
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help=N_("Of the questions; else new ones."))
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help=N_("One JSON document, nothing else."))
    ] = False,
    look: Look,
) -> int:
    """Ask on a terminal, tell the score; elsewhere print the questions, and then the answers.

    Raises:
        BadInput: there are no questions about the topic.
    """
    chosen = int(np.random.default_rng().integers(10**6)) if seed is None else seed
    questions = _watched(look, np.random.default_rng(chosen), number, topic, trained)
    if json:
        emit.put_json({"seed": chosen, "questions": [_plain(each) for each in questions]}, look)
    elif emit.converses():
        asked = right = 0
        stopped = False
        try:
            for i, each in enumerate(questions, 1):
                emit.put_figure(_numbered(i, number), look)
                votes = predict.ask(each.question, look, each.command)
                asked, right = i, right + predict.is_right(each.question, votes)
                emit.put_figure(predict.revealed(each.question, votes), look)
        except KeyboardInterrupt:
            stopped = True  # the score is that of the questions until then
        told = _("{right} of {n} right").format(right=right, n=asked)
        words = [*(["--topic", topic] if topic else []), *(["--trained"] if trained else [])]
        again = shlex.join(
            ["seqlab", "quiz", *words, "--number", str(number), "--seed", str(chosen)]
        )
        emit.put_figure(Group(Text(), Verdict(told, 2 * right > asked), Note(again)), look)
        return 130 if stopped else 0
    else:
        _hand_out(list(questions), look)
    return 0


def _watched(
    look: Look, rng: np.random.Generator, number: int, topic: str | None, trained: bool
) -> Iterator[Asked]:
    """The questions of a quiz, each with the progress of its run; no view tells its answer."""

    def tell(done: float, doing: str, _view: object = None, /) -> None:
        watch(done, doing)

    questions = quizzes.quiz(rng, number, topic, trained, tell)
    while True:
        with emit.progress(look=look) as watch:
            found = next(questions, None)
        if found is None:
            return
        yield found


def _numbered(i: int, n: int) -> RenderableType:
    """Which question comes, below what came before it."""
    above = [Text()] if i > 1 else []
    return Group(*above, Note(_("question {i} of {n}").format(i=i, n=n)))


def _hand_out(asked: list[Asked], look: Look) -> None:
    """The questions, and on the last lines the answers."""
    for i, each in enumerate(asked, 1):
        emit.put_figure(_numbered(i, len(asked)), look)
        emit.put_figure(predict.posed(each.question, each.command), look)
    emit.put_figure(Text(), look)
    for i, each in enumerate(asked, 1):
        letter = predict.letters(each.question)[each.question.answer]
        emit.put_figure(Note(f"{i} {letter}  {each.question.why}"), look)


def _plain(asked: Asked) -> dict[str, Any]:
    """A question for JSON."""
    run = {"experiment": asked.experiment, "command": asked.command}
    return {**run, **asked.question._asdict()}
