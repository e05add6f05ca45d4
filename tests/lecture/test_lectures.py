"""The lectures that seqlab brings: whole, in both languages, and of one screen a step."""

import re

import pytest
from rich.text import Text

from seqlab import emit
from seqlab.emit import Look
from seqlab.lecture import script
from seqlab.lecture.stage import Stage
from seqlab.locale import speak

LANGUAGES = ("en", "zh")


@pytest.mark.parametrize("name", script.names())
def test_both_languages_are_the_same_lecture(name: str) -> None:
    told = {}
    for language in LANGUAGES:
        speak(language)
        found = script.load(name)
        told[language] = found
        assert 20 <= found.minutes <= 30 and 20 <= len(found.steps) <= 32
        assert found.about and sum(bool(step.note) for step in found.steps) > len(found.steps) / 2
    english, chinese = told["en"], told["zh"]
    for one, other in zip(english.steps, chinese.steps, strict=True):
        same = ("kind", "predict", "seconds", "answer")
        assert [getattr(one, n) for n in same] == [getattr(other, n) for n in same]
        assert len(one.choices) == len(other.choices)
        if one.kind in ("run", "source"):
            assert one.text == other.text
        else:
            assert re.search("[\u4e00-\u9fff]", other.text)
            assert not re.search("[\u4e00-\u9fff]", one.text)
    assert {step.kind for step in english.steps} == {"say", "run", "ask", "source"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", script.names())
def test_words_and_sources_fit_a_screen(name: str, language: str) -> None:
    speak(language)
    for width in (60, 100):
        stage = Stage(script.load(name), Look(width=width))
        for index, step in enumerate(stage.script.steps):
            if step.kind == "run":
                continue  # an experiment's screen, which its own tests measure
            for screen in stage.shown(index, stage.question(index)):
                lines = Text.from_ansi(emit.ansi(screen, width)).plain.splitlines()
                assert width == 60 or len(lines) <= 40, (index + 1, len(lines))
                assert all(Text(line.rstrip()).cell_len <= width for line in lines), index + 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [60, 100])
def test_show_and_list(seqlab, language: str, width: int) -> None:
    listed = seqlab("lecture", "list", "--lang", language, width=width)
    assert listed.status == 0 and listed.widest <= width
    for name in script.names():
        assert name in listed.text
        shown = seqlab("lecture", "show", name, "--lang", language, width=width)
        assert shown.status == 0 and shown.widest <= width
        assert "**" not in shown.text  # Markdown is laid out, in notes too
