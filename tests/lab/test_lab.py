"""What all experiments have in common: which words are accepted, and what is said of others."""

import pytest

from seqlab import lab
from seqlab.lab import BadInput
from seqlab.locale import listed, sentences, speak

CELLS = ("linear", "rnn", "lstm")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("lstm", ["lstm"]),
        (" LSTM , rnn,,lstm", ["lstm", "rnn"]),
        (["rnn", "Linear"], ["rnn", "linear"]),
    ],
)
def test_some_of_the_known_words(words: str | list[str], found: list[str]) -> None:
    assert lab.some_of(words, "cells", CELLS) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rnn,lstn", "--cells lstn: expected one of linear, rnn, lstm; try --cells lstm"),
        ("gpt", "--cells gpt: expected one of linear, rnn, lstm"),
        (" ,", "--cells '': expected at least one of linear, rnn, lstm"),
        ([], "--cells '': expected at least one of linear, rnn, lstm"),
    ],
)
def test_other_words_are_refused(words: str | list[str], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        lab.some_of(words, "cells", CELLS)
    assert str(caught.value) == said


def test_one_word_is_taken_as_it_is() -> None:
    lab.one_of("rnn", "cell", CELLS)
    for word in ("RNN", "rnn,lstm", ""):
        with pytest.raises(BadInput, match="--cell"):
            lab.one_of(word, "cell", CELLS)


def test_how_many_networks_diverged() -> None:
    assert lab.diverged(0) == []
    assert lab.diverged(1) == ["1 network diverged: its loss is no number. Try a smaller --lr."]
    assert lab.diverged(2)[0].startswith("2 networks diverged: their loss")


def test_between_words_and_sentences_chinese_has_its_own() -> None:
    assert listed(["a", "b"]) == "a, b" and listed([]) == ""
    assert sentences(["A {b}.", "C."]) == "A {b}. C." and sentences([]) == ""
    speak("zh")
    assert listed(["a", "b"]) == "a、b" and sentences(["甲。", "乙。", "丙。"]) == "甲。乙。丙。"
