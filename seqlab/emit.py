"""Everything that leaves seqlab: the screen, JSON, SVG, HTML and text files, progress, errors.

This is the only module that writes to a stream.
"""

import contextlib
import dataclasses
import io
import json
import math
import os
import re
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment, Segments
from rich.style import Style
from rich.terminal_theme import TerminalTheme

from seqlab import __version__
from seqlab.figures import glyphs, palette
from seqlab.figures.prose import Note, Takeaways, Verdict
from seqlab.lab import BadInput, Check, Result, Stopped, Watch
from seqlab.locale import _, listed

Colour = Literal["auto", "truecolor", "256", "16", "none"]
Ground = Literal["dark", "light"]

NARROWEST, WIDEST = 40, 300
CLEAR = "\x1b[H\x1b[2J"  # what empties a terminal's screen
SUFFIXES = (".svg", ".html", ".txt", ".json")
SECONDS = 5.0  # that a film takes, however many views it has


@dataclasses.dataclass(frozen=True)
class Look:
    """How output shall look, as the common options ask for it."""

    color: Colour = "auto"
    theme: Ground = "dark"
    width: int | None = None
    ascii: bool = False


@dataclasses.dataclass(frozen=True)
class Report:
    """One run of one command: all that any form of output derives from."""

    experiment: str
    command: str
    seed: int
    seed_given: bool
    options: Mapping[str, object]
    result: Result
    figure: RenderableType
    takeaways: Sequence[str]
    checks: Sequence[Check]

    def page(self) -> RenderableType:
        """The screen: figures, takeaways, checks, and the line that makes it again."""
        seed = "" if self.seed_given else f" · seed {self.seed}"
        return Group(
            *(Verdict(text, False) for text in self._stopped()),
            self.figure,
            Takeaways(self.takeaways),
            *(Verdict(text, passed) for text, passed in _verdicts(self.checks)),
            Note(_abridged(self.command) + seed),
        )

    def _stopped(self) -> Iterator[str]:
        """What to say first of a training that did not go on to its end."""
        if getattr(self.result, "stopped", False):
            yield _("Stopped before the end of training: this is what there was by then.")

    def document(self) -> str:
        """The JSON document, strict: numbers that JSON does not know become null."""
        return _strict(
            {
                "experiment": self.experiment,
                "version": __version__,
                "command": self.command,
                "seed": self.seed,
                "options": self.options,
                "result": self.result,
                "takeaways": self.takeaways,
                "checks": [{**check._asdict(), "passed": check.passed} for check in self.checks],
            }
        )


def _strict(content: Any) -> str:
    """A JSON document of all that :func:`plain` knows."""
    text = json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    # JSON escapes ESC and its like, but not what a terminal also obeys: C1 and direction marks.
    return re.sub(
        "[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]",
        lambda found: f"\\u{ord(found[0]):04x}",
        text,
    )


def _abridged(command: str) -> str:
    """A command line that a photo can hold: a long text in its middle is cut (JSON has it all)."""
    return command if len(command) <= 180 else f"{command[:100]} … {command[-75:]}"


def _verdicts(checks: Sequence[Check]) -> Iterator[tuple[str, bool]]:
    """One line for all checks that passed, and one for each that failed."""
    passed = [check for check in checks if check.passed]
    if passed:
        worst = max(passed, key=lambda check: check.error)
        pattern = _("{n} comparisons with torch hold; the largest difference is {error}")
        if len(passed) == 1:
            pattern = _("{name}: largest difference {error}")
        error = glyphs.number(worst.error)
        yield pattern.format(n=len(passed), error=error, name=worst.name), True
    for check in checks:
        if not check.passed:
            yield (
                _("{name}: difference {error}, above {tolerance}").format(
                    name=check.name,
                    error=glyphs.number(check.error),
                    tolerance=glyphs.number(check.tolerance, 1),
                ),
                False,
            )


def plain(value: Any) -> Any:
    """`value` as JSON types: dataclasses and named tuples by field, arrays as lists, NaN as null.

    A dataclass field with `metadata={"json": False}` serves redrawing only, and stays out.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        kept = [f.name for f in fields if f.metadata.get("json", True)]
        return {name: plain(getattr(value, name)) for name in kept}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # a NumPy array or number, which need not be imported to be known
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, Path)):
        return str(value).encode("utf-8", "replace").decode()
    return value


class Screen(Console):
    """A Rich console that can be told that its stream is 7-bit."""

    def __init__(self, *, seven_bit: bool = False, **options: Any) -> None:
        self._seven_bit = seven_bit
        super().__init__(
            highlight=False, markup=False, emoji=False, legacy_windows=False, **options
        )

    @property
    def encoding(self) -> str:
        return "ascii" if self._seven_bit else super().encoding

    def on_broken_pipe(self) -> None:
        """The reader has gone: Rich would end the process with status 1."""
        raise  # the BrokenPipeError, which main makes a quiet end


def screen(stream: TextIO, look: Look, environment: Mapping[str, str] = os.environ) -> Screen:
    """The console for `stream`: what the options say, else what the environment says, else asks."""
    terminal = stream.isatty()
    width = look.width or _columns(environment) or (None if terminal else 80)
    system: Any
    if look.color != "auto":
        system = {"16": "standard", "none": None}.get(look.color, look.color)
    elif environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        system = None
    elif terminal or environment.get("FORCE_COLOR"):
        system = "auto"
    else:
        system = None
    seven_bit = look.ascii or not is_unicode(stream)
    console = Screen(
        seven_bit=seven_bit,
        file=stream,
        color_system=system,
        force_terminal=terminal or system is not None,  # what has no colours can have progress
        no_color=system is None,
        theme=palette.theme(look.theme),
        width=width,
        _environ={k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES")},
    )
    if width is None:  # a real terminal: it has said its width, which need not be a sensible one
        console.width = min(max(console.width, NARROWEST), WIDEST)
    return console


def _columns(environment: Mapping[str, str]) -> int | None:
    value = environment.get("COLUMNS", "")
    return min(max(int(value), NARROWEST), WIDEST) if value.isdecimal() and int(value) else None


def is_unicode(stream: TextIO) -> bool:
    """Whether more than 7 bits can be written to `stream`."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def display(renderable: RenderableType, console: Console) -> None:
    """Print on `console`, with styles that no other console has seen."""
    console.print(Segments(_fresh(console.render(renderable))), end="")


def _fresh(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Rebuild every style: Rich's caches share Style objects, and each keeps the codes of the first
    colour system that it was rendered for.
    """
    known: dict[Style, Style] = {}
    for text, style, control in segments:
        if style is not None and style not in known:
            known[style] = Style(
                color=style.color,
                bgcolor=style.bgcolor,
                bold=style.bold,
                dim=style.dim,
                italic=style.italic,
                underline=style.underline,
                reverse=style.reverse,
                strike=style.strike,
            )
        fresh = None if style is None else known[style]
        words = text.lstrip(" ")
        if words and words != text:  # some readers of SVG drop the blanks that begin a text
            yield Segment(text[: -len(words)], fresh, control)
        yield Segment(words or text, fresh, control)


def say(report: Report, look: Look, as_json: bool, stream: TextIO | None = None) -> None:
    """Write the report to standard output: the screen, or exactly one JSON document."""
    stream = stream or sys.stdout
    if as_json:
        _put_document(report.document(), look, stream)
    else:
        display(report.page(), screen(stream, look))
    stream.flush()


def put_json(content: Any, look: Look) -> None:
    """What is no report as one JSON document, to standard output."""
    _put_document(_strict(content), look, sys.stdout)


def _put_document(document: str, look: Look, stream: TextIO) -> None:
    if not is_unicode(stream) or look.ascii:
        document = re.sub("[^\x00-\x7f]", lambda found: _escape(found[0]), document)
    stream.write(document + "\n")


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


# Files


def check_exports(paths: Sequence[Path]) -> None:
    """Refuse, before anything is computed, files that could not be written afterwards."""
    for path in paths:
        check_file(path, SUFFIXES, f"--export {path}")


def check_file(path: Path, endings: Sequence[str], wrong: str = "") -> None:
    """Refuse a file that could not be written, or whose name does not end in one of `endings`."""
    wrong, folder = wrong or str(path), path.parent
    if path.suffix.lower() not in endings:
        expected = _("a name that ends in {endings}").format(endings=listed(endings))
        raise BadInput(wrong, expected, f"{path.stem}{endings[0]}")
    if path.is_dir():
        raise BadInput(wrong, _("a file; this is a folder"), str(path / f"out{endings[0]}"))
    if path.exists() and not path.is_file():
        raise BadInput(wrong, _("a regular file"), f"new-{path.name}")
    if not folder.is_dir():
        expected = _("an existing folder {folder}").format(folder=folder)
        raise BadInput(wrong, expected, f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK):
        raise BadInput(wrong, _("a folder that can be written to"), f"/tmp/{path.name}")


def export(report: Report, look: Look, paths: Sequence[Path]) -> None:
    """Write the same figures as on the screen to `paths`, by suffix, each whole or not at all.

    Raises:
        OSError: where a file cannot be written.
    """
    for path in paths:
        suffix = path.suffix.lower()
        if suffix == ".json":
            text = report.document() + "\n"
        else:
            text = drawn(report.page(), look, suffix, report.command)
        write_whole(path, text)


def drawn(page: RenderableType, look: Look, suffix: str, title: str) -> str:
    """A page as the content of a .txt, .html or .svg file."""
    plain_text = suffix == ".txt" or look.color == "none"
    system: Any = {"16": "standard", "256": "256"}.get(look.color, "truecolor")
    console = Screen(
        seven_bit=look.ascii,
        file=io.StringIO(),
        record=True,
        color_system=None if plain_text else system,
        no_color=plain_text,
        force_terminal=not plain_text,
        theme=palette.theme(look.theme),
        width=screen(sys.stdout, look).width,
    )
    display(page, console)
    if suffix == ".txt":
        lines = console.export_text(styles=False).splitlines()
        return "\n".join(line.rstrip() for line in lines) + "\n"
    theme = _TERMINAL[look.theme]
    if suffix == ".html":
        return console.export_html(theme=theme, code_format=_HTML, inline_styles=True)
    return console.export_svg(
        title=glyphs.clean(title), theme=theme, code_format=_SVG, unique_id="seqlab"
    )


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file completely or not at all: a temporary neighbour takes its place when done.

    Raises:
        OSError: it cannot be written; with the name of `path`, not of its neighbour.
    """
    try:
        target = path.resolve()  # what a link points to is replaced, not the link
        _replace(target, content.encode() if isinstance(content, str) else content)
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, str(path)) from problem


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".seqlab.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, _mode(path))  # mkstemp's file is for its owner only
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode(path: Path) -> int:
    """The permissions of a file; of one that is yet to be, those that a new file gets."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


_ANSI = [(0x1E, 0x1E, 0x1E), (0xCD, 0x31, 0x31), (0x0D, 0xBC, 0x79), (0xE5, 0xC5, 0x10)]
_ANSI += [(0x24, 0x72, 0xC8), (0xBC, 0x3F, 0xBC), (0x11, 0xA8, 0xCD), (0xE5, 0xE5, 0xE5)]
_BRIGHT = [(0x66, 0x66, 0x66), (0xF1, 0x4C, 0x4C), (0x23, 0xD1, 0x8B), (0xF5, 0xE5, 0x43)]
_BRIGHT += [(0x3B, 0x8E, 0xEA), (0xD6, 0x70, 0xD6), (0x29, 0xB8, 0xDB), (0xFF, 0xFF, 0xFF)]
_TERMINAL = {
    "dark": TerminalTheme((0x16, 0x16, 0x16), (0xDD, 0xDD, 0xDD), _ANSI, _BRIGHT),
    "light": TerminalTheme((0xFF, 0xFF, 0xFF), (0x22, 0x22, 0x22), _ANSI, _BRIGHT),
}

# Rich's own templates name fonts on a public server; ours name only what a machine has.
_FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Noto Sans Mono CJK SC', monospace"
_HTML = """<!DOCTYPE html>
<html>
<head>
<meta charset="UTF-8">
<title>seqlab</title>
<style>
{stylesheet}
body {{ color: {foreground}; background-color: {background}; }}
pre {{ font-family: FONTS; line-height: 1.2; }}
</style>
</head>
<body>
<pre><code style="font-family:inherit">{code}</code></pre>
</body>
</html>
""".replace("FONTS", _FONTS)
_SVG = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: FONTS; font-size: {char_height}px; line-height: {line_height}px;
  white-space: pre;
}}
.{unique_id}-title {{ font-family: FONTS; font-size: 18px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
""".replace("FONTS", _FONTS)


# Progress and errors


class Film:
    """The views of a run that nobody may see yet: taken while it works, shown afterwards."""

    def __init__(self) -> None:
        self.frames: list[list[list[Segment]]] = []

    def play(self, look: Look, told: str, over: Callable[[], bool] = lambda: False) -> None:
        """Show all of it in a few seconds, and take it away again; below it what is `told`.

        Ctrl-C goes to its end, and so does `over` once it is true.
        """
        if not self.frames or not sys.stderr.isatty():
            return
        from rich.live import Live

        with (
            contextlib.suppress(KeyboardInterrupt),
            Live(console=screen(sys.stderr, look), auto_refresh=False, transient=True) as live,
        ):
            for frame in self.frames:
                live.update(Group(Lines(frame), Note(told)), refresh=True)
                end = time.monotonic() + SECONDS / len(self.frames)
                while time.monotonic() < end:
                    if over():
                        return
                    time.sleep(0.05)  # somebody who pressed a key waits for it


@contextlib.contextmanager
def progress(
    stream: TextIO | None = None,
    patience: float = 0.7,
    look: Look | None = None,
    film: Film | None = None,
) -> Iterator[Watch]:
    """A progress bar on a terminal, once the work has taken longer than `patience` seconds.

    Where the work shows a view of itself, the view stands above the bar. All of it is gone when
    the work is done. On a terminal or not, Ctrl-C is :class:`Stopped` for work with a view. Where
    there is a film, it gets the views, and the bar does not tell what is being found.
    """
    stream = stream or sys.stderr
    with _stoppable() as stoppable:
        if not stream.isatty() or os.environ.get("TERM") == "dumb":
            yield stoppable(lambda done, doing, view=None: None)
            return
        with _bar(stream, patience, look or Look(), film) as watch:
            yield stoppable(watch)


@contextlib.contextmanager
def _stoppable() -> Iterator[Callable[[Watch], Watch]]:
    """Make a watch raise Stopped at its next call after Ctrl-C, once it was given a view.

    A second Ctrl-C, or one before any view, interrupts at once.
    """
    seen = asked = False

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal asked
        if asked or not seen:
            raise KeyboardInterrupt
        asked = True

    def stoppable(watch: Watch) -> Watch:
        def watch_and_stop(
            done: float, doing: str, view: Callable[[], RenderableType] | None = None, /
        ) -> None:
            nonlocal seen
            seen = seen or view is not None
            if asked:
                raise Stopped
            watch(done, doing, view)

        return watch_and_stop

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield stoppable  # in the background of a shell; or where signals cannot be set
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield stoppable
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _bar(stream: TextIO, patience: float, look: Look, film: Film | None) -> Iterator[Watch]:
    """The progress bar, with the newest view above it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = screen(stream, look)
    with contextlib.suppress(OSError):  # lines longer than the terminal's could not be taken back
        console.width = min(console.width, os.get_terminal_size(stream.fileno()).columns)
    scene = _Scene(console)

    class Bar(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            if film is None:
                yield Lines(scene.lines)
            yield from super().get_renderables()

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=5,  # a large view flickers if it is drawn more often
        transient=True,
    )
    task = bar.add_task("", total=1.0)
    late = threading.Timer(patience, bar.start)  # also where nothing is reported for a while
    late.daemon = True
    late.start()

    def watch(done: float, doing: str, view: Callable[[], RenderableType] | None = None, /) -> None:
        if film is not None:
            doing = _("the run is being made; it is shown after the answer")
        bar.update(task, completed=done, description=glyphs.clean(doing))
        if view is not None and bar.live.is_started and scene.draw(view) and film is not None:
            film.frames.append(scene.lines)

    try:
        yield watch
    finally:
        late.cancel()
        late.join()
        bar.stop()


class _Scene:
    """The view above a progress bar: drawn by the work's own thread, now and then, and kept.

    The bar is drawn several times a second by a thread of its own, which must neither find half a
    figure nor draw one again and again.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.lines: list[list[Segment]] = []
        self.shown: object = None
        self.next = 0.0  # when the clock says so it may be drawn again

    def draw(self, view: Callable[[], RenderableType]) -> bool:
        """Draw a view that is new, unless the last one has not been seen for long enough."""
        start = time.monotonic()
        if view is self.shown or start < self.next:
            return False
        lines = self.console.render_lines(view(), pad=False)
        self.lines = [list(_fresh(line)) for line in lines[: max(0, self.console.height - 2)]]
        self.shown, now = view, time.monotonic()
        self.next = now + max(0.1, 9 * (now - start))  # a tenth of the time goes into drawing
        return True


class Lines:
    """Lines that were drawn before."""

    def __init__(self, lines: list[list[Segment]]) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from line
            yield Segment.line()


# What is no report


def converses() -> bool:
    """Whether there is somebody to ask: standard input and output are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def ask(prompt: RenderableType, look: Look) -> str | None:
    """Show `prompt` and read a line that is typed; None where there is none any more (Ctrl-D)."""
    put_figure(prompt, look)
    line = sys.stdin.buffer.readline()  # what is typed need not be text in the terminal's encoding
    return line.decode(sys.stdin.encoding, "replace").rstrip("\r\n") if line else None


def width(look: Look) -> int:
    """The columns of standard output."""
    return screen(sys.stdout, look).width


def ansi(renderable: RenderableType, columns: int, look: Look | None = None) -> str:
    """What a terminal of so many columns gets to show a renderable in all its colours."""
    look = look or Look()
    system: Any = {"16": "standard", "256": "256", "none": None}.get(look.color, "truecolor")
    console = Screen(
        seven_bit=look.ascii,
        file=io.StringIO(),
        color_system=system,
        no_color=system is None,
        force_terminal=True,
        theme=palette.theme(look.theme),
        width=columns,
        _environ={},
    )
    display(renderable, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def clear(look: Look) -> None:
    """Empty the screen, where standard output is one."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        sys.stdout.write(CLEAR)
        sys.stdout.flush()


def put_figure(renderable: RenderableType, look: Look) -> None:
    """One renderable that is no report, to standard output."""
    display(renderable, screen(sys.stdout, look))
    sys.stdout.flush()


def error(message: str, look: Look) -> None:
    """One line on standard error; whatever came from the user in it is made harmless."""
    text = _("error: {message}").format(message=message)
    line = glyphs.fit(" ".join(text.split("\n")), look.ascii or not is_unicode(sys.stderr))
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def put(text: str) -> None:
    """One text that is no report, such as the version, to standard output: as it is, in UTF-8."""
    if is_unicode(sys.stdout):
        sys.stdout.write(text + "\n")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(f"{text}\n".encode())


def rendered(renderable: RenderableType, look: Look) -> str:
    """What standard output would show of a renderable that is no report, such as the help."""
    console = screen(sys.stdout, look)
    with console.capture() as capture:
        display(renderable, console)
    return capture.get().rstrip("\n")
