"""explain and source: every experiment and every page of the book, in both languages."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from seqlab import calls, catalogue, topics
from seqlab.book import lstm
from seqlab.lab import BadInput
from seqlab.lecture import script

NAMES = topics.names()
TOOLS = {tool.name for tool in catalogue.TOOLS}


def text(name: str, language: str) -> str:
    return (topics.HERE / language / f"{name}.md").read_text(encoding="utf-8")


def commands(name: str, language: str) -> list[str]:
    return re.findall(r"`(seqlab [^`]+)`", text(name, language))


def test_there_is_a_text_for_every_topic_and_no_other() -> None:
    for language in ("en", "zh"):
        assert sorted(p.stem for p in (topics.HERE / language).glob("*.md")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 100])
def test_a_topic_is_one_screen(seqlab, name: str, language: str, width: int) -> None:
    outcome = seqlab("explain", name, "--lang", language, width=width)
    assert outcome.status == 0 and outcome.widest <= width
    assert width < 100 or outcome.text.count("\n") <= 40
    for line in text(name, language).splitlines():
        assert not line.startswith("    ") or cell_len(line) <= 60, line  # equations never wrap


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_show_the_same(name: str) -> None:
    english, chinese = (text(name, language) for language in ("en", "zh"))
    assert commands(name, "en") and set(commands(name, "en")) == set(commands(name, "zh"))
    assert len(re.findall("[\u4e00-\u9fff]", chinese)) > 60
    assert not re.search("[\u4e00-\u9fff]", english)
    headings = [re.findall(r"^\*\*(.+?)\*\*", each, re.M) for each in (english, chinese)]
    assert headings == [["Try", "Look for", "Papers"], ["试一试", "看什么", "论文"]]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_topic_says_to_try_is_understood(name: str) -> None:
    import shlex

    for command in commands(name, "en"):
        _seqlab, first, *rest = shlex.split(command)
        if first == "source":
            topics.source(rest[0])
        elif first == "explain":
            topics.find(rest[0])
        elif first == "lecture":
            assert rest[0] in ("list", "play", "show") and rest[1:2] in (
                [],
                *([n] for n in script.names()),
            )
        elif first not in TOOLS:
            calls.parse([first, *rest])


def test_another_word_finds_its_topic(seqlab) -> None:
    for word, name in (
        ("BPTT", "vanish"),
        ("RoPE", "positions"),
        ("self attention", "attention"),
        ("梯度消失", "vanish"),
    ):
        assert topics.find(word) == name
    assert set(topics.ALIASES.values()) <= set(NAMES)
    assert not set(topics.ALIASES) & set(NAMES)
    outcome = seqlab("explain", "atention")
    assert outcome.status == 2 and outcome.errors.count("\n") == 1
    assert "try attention" in outcome.errors


def test_without_a_topic_the_list(seqlab) -> None:
    text = seqlab("explain", width=100).text
    for name in NAMES:
        assert re.search(rf"^ +{name} ", text, re.M), name


def test_source_alone_lists_every_file(seqlab) -> None:
    outcome = seqlab("source", width=60)
    assert outcome.widest <= 60
    for name in NAMES:
        assert re.search(rf"^ +{name} +seqlab/(lab|book)/{name}\.py *$", outcome.text, re.M), name


@pytest.mark.parametrize("name", NAMES)
def test_the_source_of_every_topic(seqlab, name: str) -> None:
    found = topics.source(name)
    path = Path(topics.__file__).parents[2] / found.place
    plain = seqlab("source", name, "--plain")
    assert plain.status == 0 and plain.text == path.read_text()
    shown = seqlab("source", name, width=60)
    assert shown.text.startswith(found.place) and shown.widest <= 60


def test_one_function_of_a_page(seqlab) -> None:
    plain = seqlab("source", "lstm.step", "--plain").text
    assert plain.startswith("def step(") and plain.count("def ") == 1
    assert plain in Path(lstm.__file__).read_text()
    place = seqlab("source", "lstm.step").text.splitlines()[0]
    line = int(place.removeprefix("seqlab/book/lstm.py:"))
    assert Path(lstm.__file__).read_text().splitlines()[line - 1].startswith("def step(")
    assert seqlab("source", "vanish.Vanish", "--plain").text.startswith("@dataclass")
    with pytest.raises(BadInput, match=r"lstm\.step"):
        topics.source("lstm.stepp")
    assert "one of LSTM, " in seqlab("source", "lstm.").errors
    bad = seqlab("source", "lstm.\x1b[31mred")
    assert bad.status == 2 and "\x1b" not in bad.errors


@pytest.mark.parametrize("topic", ["conv.Convolution", "seq2seq.State"])
def test_one_annotated_name_of_a_page(seqlab, topic: str) -> None:
    plain = seqlab("source", topic, "--plain").text
    assert plain.startswith(topic.partition(".")[2] + ": TypeAlias = ") and plain.count("\n") == 1


def test_the_plain_source_is_the_file_on_a_7_bit_terminal_too() -> None:
    words = [sys.executable, "-m", "seqlab", "source", "lstm", "--plain"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, env=environment, capture_output=True, check=True)
    assert done.stdout == Path(lstm.__file__).read_bytes() and not done.stdout.isascii()


def test_what_is_missing_is_said_in_the_language_spoken(seqlab) -> None:
    assert (
        "argument name is missing; try 'seqlab lecture show --help'"
        in seqlab("lecture", "show").errors
    )


def test_source_is_ascii_where_it_must_be(seqlab) -> None:
    assert seqlab("source", "attention", "--ascii").text.isascii()
    assert seqlab("explain", "attention", "--ascii").text.isascii()
