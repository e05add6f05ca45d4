"""A page of Markdown: headings, paragraphs, lists, code; Chinese breaks between its characters."""

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from markdown_it.token import Token
from rich import markdown
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from seqlab.figures import glyphs
from seqlab.figures.prose import Wrapped


class Page:
    """Markdown as a terminal shows it: links with their addresses, of pictures the captions.

    Args:
        text: Markdown. What a terminal might act upon is made harmless, as in every figure.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        document = _Document(self.text, hyperlinks=False)
        _make_fit(document.parsed, options.ascii_only)
        yield document


def _make_fit(tokens: Sequence[Token], ascii_only: bool) -> None:
    """Make what was read harmless, which its source is not: `&#8238;` is a direction mark.

    Of a picture its caption is left, and HTML is no more than it says; a comment says nothing.
    """
    for token in tokens:
        if token.type == "image":
            token.content = "".join(child.content for child in token.children or ())
        if token.type.startswith("html"):
            token.content = re.sub(r"<!--.*?-->", "", token.content, flags=re.DOTALL)
        if token.type in ("image", "html_inline"):
            token.type, token.tag, token.children = "text", "", None
        lines = [glyphs.fit(line, ascii_only) for line in token.content.split("\n")]
        token.content = "\n".join(lines)
        _make_fit(token.children or (), ascii_only)


class _Paragraph(markdown.Paragraph):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _wrapped(self.text)


class _Heading(markdown.Heading):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _wrapped(self.text)  # on the left: a centred one is lost on a wide screen


class _CodeBlock(markdown.CodeBlock):
    """Equations and commands: as they are, indented, without a ground of their own."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        style = console.get_style("markdown.code")
        for line in str(self.text).rstrip().split("\n"):
            rest = Text(line, style).wrap(console, max(1, options.max_width - 4))
            for part in rest:
                yield Text("    ") + part


class _Item(markdown.ListItem):
    def render_bullet(self, console: Console, options: ConsoleOptions) -> RenderResult:
        bullet = " - " if options.ascii_only else " · "
        inner = options.update(width=options.max_width - len(bullet))
        for i, line in enumerate(console.render_lines(self.elements, inner, style=self.style)):
            yield Segment(" " * len(bullet) if i else bullet)
            yield from line
            yield Segment.line()


class _Quote(markdown.BlockQuote):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        bar = "| " if options.ascii_only else "│ "
        inner = options.update(width=options.max_width - len(bar))
        for line in console.render_lines(self.elements, inner, style=self.style):
            yield Segment(bar)
            yield from line
            yield Segment.line()


class _Cell(markdown.TableDataElement):
    def on_enter(self, context: markdown.MarkdownContext) -> None:
        self.content.overflow = "fold"  # Rich's dots are none of ASCII


class _Document(markdown.Markdown):
    elements: ClassVar[dict[str, type[markdown.MarkdownElement]]] = {
        **markdown.Markdown.elements,
        "paragraph_open": _Paragraph,
        "heading_open": _Heading,
        "fence": _CodeBlock,
        "code_block": _CodeBlock,
        "html_block": _CodeBlock,
        "list_item_open": _Item,
        "blockquote_open": _Quote,
        "th_open": _Cell,
        "td_open": _Cell,
    }


def _wrapped(text: Text) -> Wrapped:
    """The same text with its styles, which breaks as Chinese must too."""
    copy = Wrapped("", style=text.style)
    copy.append_text(text)
    return copy


def demo() -> Iterable[object]:
    """One of each element."""
    yield Page(
        "# Self-attention\n\nEvery token *looks* at **all** others, by `softmax`.\n\n"
        "    A = softmax(Q Kᵀ / √d)\n\n- who looks at whom\n- 词元之间，谁看谁？\n\n> A quotation."
    )


if __name__ == "__main__":
    for part in demo():
        Console().print(part)
