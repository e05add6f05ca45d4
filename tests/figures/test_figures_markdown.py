"""Markdown: every element, harmless whatever it says, and nothing lost at any width."""

import pytest

from seqlab import emit
from seqlab.emit import Look
from seqlab.figures.markdown import Page

PAGE = """# Head {what}

A paragraph {what}, `code {what}`, **bold {what}**, ![caption {what}](a.png), [a {what}](b).

- item {what}
- another

1. first {what}

    indented {what}

```
fence {what}
```

| column {what} | other |
|---|---|
| cell {what} | other |

<div>block {what}</div>

> quotation {what}

***
"""
BAD = ("\x1b[31m", "\x9b", "\u202e", "\u200b", "\0", "&#8238;", "&#8203;", "&#27;", "&#155;")


def drawn(text: str, width: int = 60, **look: bool) -> str:
    return emit.ansi(Page(text), width, Look(color="none", **look))  # type: ignore[arg-type]


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("ascii", [False, True])
def test_nothing_that_a_terminal_obeys_gets_through(what: str, ascii: bool) -> None:
    text = drawn(PAGE.format(what=what), ascii=ascii)
    assert not set(text) & set("\x1b\x9b\u202e\u200b\0")
    assert not ascii or text.isascii()


@pytest.mark.parametrize("what", ["σ", "&sigma;", "——", "词元之间"])
def test_ascii_is_ascii_in_every_element(what: str) -> None:
    text = drawn(PAGE.format(what=what), ascii=True)
    assert text.isascii()
    if what == "σ":
        assert text.count("sigma") == 14


@pytest.mark.parametrize("width", [40, 60, 100])
@pytest.mark.parametrize("ascii", [False, True])
def test_every_element_is_there_at_every_width(width: int, ascii: bool) -> None:
    text = drawn(PAGE.format(what="x" * 50), width, ascii=ascii)
    assert text.count("x") == 14 * 50
    assert max(map(len, text.splitlines())) <= width
    for word in ("Head", "bold", "caption", "item", "first", "fence", "cell", "block", "quotation"):
        assert word in text


def test_a_comment_says_nothing() -> None:
    assert drawn("a <!-- b --> c\n\n<!-- d\n\ne --> f\n\ng").split() == ["a", "c", "f", "g"]


@pytest.mark.parametrize("text", ["</kbd></kbd>", "<kbd>k", "![](a)", "|a|\n|-|", "[a](b"])
def test_half_markdown_is_drawn(text: str) -> None:
    drawn(text)
    drawn(text, ascii=True)
