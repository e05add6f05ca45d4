"""Progress and live views, on terminals of all kinds and on what is none."""

import io
import os
import pty
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import terminal as terminals
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from seqlab import cli, emit
from seqlab.lab import Stopped


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Watched:
    """A figure that knows how often it was drawn, and by which thread."""

    def __init__(self, text: str) -> None:
        self.text, self.threads = text, list[threading.Thread]()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.threads.append(threading.current_thread())
        yield Text(self.text)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "60")
    return Terminal()


def test_no_view_is_drawn_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> Any:
        raise AssertionError("drawn")

    pipe = io.StringIO()
    with emit.progress(pipe, patience=0) as watch:
        watch(0.5, "half", never)
    assert pipe.getvalue() == ""
    monkeypatch.setenv("TERM", "dumb")
    dumb = Terminal()
    with emit.progress(dumb, patience=0) as watch:
        watch(0.5, "half", never)
        watch(0.6, "more")
    assert dumb.getvalue() == ""


def test_what_is_fast_draws_nothing(terminal: Terminal) -> None:
    def never() -> Any:
        raise AssertionError("drawn")

    with emit.progress(terminal, patience=60) as watch:
        watch(0.5, "half", never)
    assert terminal.getvalue() == ""


def started(terminal: Terminal, **options: Any) -> Any:
    """Progress whose bar is there at once: the timer is called, not waited for."""
    return emit.progress(terminal, patience=0, **options)


def wait_for_bar(terminal: Terminal, watch: Any) -> None:
    for _ in range(1000):
        if terminal.getvalue():
            return
        watch(0.0, "beginning")
        threading.Event().wait(0.01)
    raise AssertionError("no bar")


def test_the_newest_view_stands_above_the_bar_and_both_go(terminal: Terminal) -> None:
    view = Watched("a view")
    with started(terminal) as watch:
        wait_for_bar(terminal, watch)
        watch(0.5, "half way", lambda: view)
        for _ in range(1000):
            if "a view" in terminal.getvalue():
                break
            threading.Event().wait(0.01)
    text = terminal.getvalue()
    assert text.index("a view") < text.rindex("half way")
    assert text.rindex("\x1b[2K") > text.rindex("half way")  # lines are erased at the end
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is back
    assert set(view.threads) == {threading.current_thread()}


def test_a_view_is_drawn_once_and_a_new_one_not_at_once(terminal: Terminal) -> None:
    first, second = Watched("first"), Watched("second")
    drawing = emit._Scene(emit.screen(terminal, emit.Look()))
    views = [lambda: first, lambda: second]
    for _ in range(5):
        drawing.draw(views[0])
        drawing.draw(views[1])
    assert len(first.threads) == 1 and second.threads == []
    drawing.next = 0.0  # as if the time had passed
    drawing.draw(views[1])
    drawing.next = 0.0
    drawing.draw(views[1])
    assert len(second.threads) == 1
    assert "".join(s.text for line in drawing.lines for s in line).strip() == "second"


def test_a_view_is_cut_to_the_height_of_the_terminal(terminal: Terminal) -> None:
    console = emit.screen(terminal, emit.Look())
    console.height = 10
    drawing = emit._Scene(console)
    drawing.draw(lambda: Text("\n".join(map(str, range(50)))))
    lines = ["".join(s.text for s in line).strip() for line in drawing.lines]
    assert lines == [str(i) for i in range(8)]  # and two for the bar


def test_the_terminal_is_as_it_was_after_an_interruption(terminal: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt), started(terminal) as watch:
        wait_for_bar(terminal, watch)
        watch(0.5, "half", lambda: Text("a view"))
        raise KeyboardInterrupt
    assert terminal.getvalue().count("\x1b[?25h") == 1
    assert terminal.getvalue().endswith("\x1b[2K")


def test_the_look_is_that_of_the_screen(terminal: Terminal) -> None:
    look = emit.Look(ascii=True, color="none")
    with started(terminal, look=look) as watch:
        wait_for_bar(terminal, watch)
        watch(0.5, "ρ", lambda: Text("plain"))
    assert "\x1b[3" not in terminal.getvalue() and "\x1b[1m" not in terminal.getvalue()


@pytest.fixture
def pseudo() -> Iterator[Any]:
    """A real terminal, 50 columns wide, as both its ends."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 50, 0, 0))
    stream = os.fdopen(theirs, "w", encoding="utf-8")
    yield stream
    stream.close()
    os.close(ours)


def test_lines_are_never_longer_than_the_terminals(
    pseudo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would wrap, and could not be erased: whatever COLUMNS or --width say of the screen."""
    monkeypatch.setenv("COLUMNS", "120")
    seen: list[int] = []

    class Wide:
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            seen.append(options.max_width)
            yield Text("x")

    with emit.progress(pseudo, patience=0, look=emit.Look(width=200)) as watch:
        for i in range(1000):
            watch(i / 1000, "on", Wide)
            if seen:
                break
            threading.Event().wait(0.01)
    assert seen == [50]


# Ctrl-C


def test_ctrl_c_goes_to_the_end_of_a_film(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = emit.Film()
    film.frames = [[[Segment("the first")]], [[Segment("the second")]]]

    def interrupt(seconds: float) -> None:
        assert 0 < seconds <= 0.1  # a key is noticed at once, too
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(time, "sleep", interrupt)
    try:
        film.play(emit.Look(), "the film")
    except KeyboardInterrupt:
        pytest.fail("it ends more than the film")
    text = terminal.getvalue()
    assert "the first" in text and "the second" not in text
    assert text.rindex("\x1b[2K") > text.index("the first") and "\x1b[?25h" in text


def test_ctrl_c_stops_work_that_has_a_view_at_its_next_word() -> None:
    with emit.progress(io.StringIO()) as watch:
        watch(0.1, "one", lambda: "view")
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            watch(0.2, "two")


def test_ctrl_c_twice_does_not_wait() -> None:
    with emit.progress(io.StringIO()) as watch:
        watch(0.1, "one", lambda: "view")
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt) as raised:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        assert raised.type is KeyboardInterrupt


def test_ctrl_c_before_any_view_does_not_wait() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), emit.progress(io.StringIO()) as watch:
        watch(0.1, "loading torch")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    assert signal.getsignal(signal.SIGINT) is before


def test_progress_works_in_another_thread() -> None:
    def work() -> None:
        with emit.progress(io.StringIO()) as watch:
            watch(0.5, "half", lambda: "view")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


# A kill


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_in_a_training_leaves_the_terminal_as_it_was(number: signal.Signals) -> None:
    words = ("gates", "--train-steps", "5000", "--seeds", "1", "--predict")
    with terminals.Terminal(*words) as window:
        window.wait_for("the run is being made", "━")
        assert window.screen.cursor.hidden
        window.kill(number)
        assert window.wait_for_end() == 128 + number and window.as_it_was


def test_a_kill_that_was_to_be_ignored_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with cli._leaving():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# Files


def test_a_file_that_cannot_be_written_is_named_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "no" / "a.txt"
    with pytest.raises(FileNotFoundError) as caught:
        emit.write_whole(file, "text")
    assert caught.value.filename == str(file)
    long = tmp_path / ("a" * 250 + ".txt")
    emit.write_whole(long, "text")  # its temporary neighbour has a name of its own
    assert [p.name for p in tmp_path.iterdir()] == [long.name]


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    mask = os.umask(0o027)
    try:
        emit.write_whole(file, "new")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640  # what any new file gets
    file.chmod(0o604)
    emit.write_whole(file, "newer")
    assert stat.S_IMODE(file.stat().st_mode) == 0o604 and file.read_text() == "newer"
