"""The command line itself: syllabus, help, common options, errors, statuses, pipes."""

import contextlib
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import termios
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run, line, timeless
from rich.cells import cell_len

import seqlab as package
from seqlab import catalogue, emit

NAMES = [e.name for e in catalogue.EXPERIMENTS]
FAST = ["vanish", "--steps", "5", "--hidden", "4", "--seeds", "2"]
SEQLAB = [sys.executable, "-m", "seqlab"]


def test_bare_seqlab_prints_the_syllabus(seqlab: Run) -> None:
    outcome = seqlab()
    assert outcome.status == 0
    for experiment in catalogue.EXPERIMENTS:
        assert experiment.name in outcome.text
        assert experiment.line in outcome.text
    stages = [catalogue.STAGES[stage] for stage in sorted({e.stage for e in catalogue.EXPERIMENTS})]
    places = [outcome.text.index(stage) for stage in stages]
    assert places == sorted(places)
    assert seqlab("--help").text.strip() == outcome.text.strip()
    assert seqlab("-h").text == outcome.text


def test_version(seqlab: Run) -> None:
    assert seqlab("--version").text == f"seqlab {package.__version__}\n"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 100])
def test_help_of_every_experiment(seqlab: Run, name: str, width: int) -> None:
    outcome = seqlab(name, "--help", width=width)
    assert outcome.status == 0
    assert outcome.widest <= width
    for option in ("--seed", "--json", "--export", "--lang", "--ascii", "--color", "--theme"):
        assert option in outcome.text
    assert "--watch" not in outcome.text


def test_help_lists_every_option_of_run_with_its_default(seqlab: Run) -> None:
    text = seqlab("vanish", "--help").text
    for option in ("--steps", "--cells", "--hidden", "--radius", "--forget-bias", "--clip"):
        assert option in text
    assert "noise|none" in text
    assert "[default: 50]" in text


def test_help_and_errors_look_as_they_are_asked_to(seqlab: Run) -> None:
    for words in (*map(str.split, NAMES), ["explain"], ["quiz"], ["source"], ["lecture", "play"]):
        narrow = seqlab(*words, "--help", "--ascii", "--width=60")
        assert narrow.status == 0 and narrow.text.isascii() and narrow.widest <= 60, words
    assert "\x1b[38;2;" in seqlab("vanish", "--color", "truecolor", "--help").text
    error = seqlab("explain", "é", "--ascii")
    assert error.status == 2 and error.errors.startswith("error: no topic 'e'")


@pytest.mark.parametrize(
    ("words", "usage"),
    [("unroll", "[OPTIONS] [TEXT]"), ("lecture show", "[OPTIONS] NAME"), ("lecture", "COMMAND ")],
)
def test_usage_has_brackets_around_what_may_be_left_out(
    seqlab: Run, words: str, usage: str
) -> None:
    assert seqlab(*words.split(), "--help").text.startswith(f"Usage: seqlab {words} {usage}")


@pytest.mark.parametrize("name", NAMES)
def test_json_is_one_strict_document(seqlab: Run, name: str) -> None:
    outcome = seqlab(*line(name), "--json")
    document = outcome.json
    assert list(document) == [
        "experiment", "version", "command", "seed", "options", "result", "takeaways", "checks",
    ]  # fmt: skip
    assert document["experiment"] == name
    assert document["version"] == package.__version__
    assert document["command"] == " ".join(["seqlab", *line(name)])
    assert document["seed"] == document["options"]["seed"] == 0
    assert document["takeaways"] and document["checks"] == []
    assert outcome.errors == ""


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    runs = [
        subprocess.run(
            [*SEQLAB, *line(name), "--json", "--seed", "3"], capture_output=True, check=True
        )
        for _ in range(2)
    ]
    first, second = (timeless(run.stdout.decode()) for run in runs)
    assert first == second
    assert json.loads(runs[0].stdout)["seed"] == 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [40, 60, 80, 100, 300])
@pytest.mark.parametrize("look", [[], ["--ascii"], ["--color", "16"], ["--theme", "light"]])
def test_no_line_is_wider_than_the_terminal(
    seqlab: Run, name: str, width: int, look: list[str]
) -> None:
    outcome = seqlab(*line(name), *look, width=width)
    assert outcome.status == 0, outcome.errors
    assert ("\x1b[" in outcome.text) == ("--color" in look)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", outcome.text)
    assert "\x1b" not in plain
    assert plain.isascii() or "--ascii" not in look
    assert max(map(cell_len, plain.splitlines())) <= width


SCREENS = [
    *(" ".join(line(name)) for name in NAMES),
    *(" ".join([*line(name), "--check"]) for name in NAMES),
    "vanish --radius 1.5 --input none --clip 1",
    "vanish --radius 0.5 --radius 0.9 --radius 1 --radius 1.1 --radius 1.5 --clip 1",
    "vanish --forget-bias 0 --input none",
    "unroll --cell lstm",
    "unroll --cell gru --radius 2",
    "patchify --order",
    "patchify --projection pca",
    "modes --train-steps 4 --seeds 1",
    "recall --train-steps 4 --seeds 1",
]


@pytest.mark.parametrize("line", SCREENS)
def test_the_first_screen_fits_a_projector(seqlab: Run, line: str) -> None:
    outcome = seqlab(*line.split(), width=100)
    assert outcome.status == 0
    assert len(outcome.text.splitlines()) <= 40


@pytest.mark.parametrize("name", NAMES)
def test_colours_follow_options_and_environment(
    seqlab: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in seqlab(*line(name)).text  # a pipe
    assert "\x1b[38;2;" in seqlab(*line(name), "--color", "truecolor").text
    assert "\x1b[38;5;" in seqlab(*line(name), "--color", "256").text
    assert "38;2;" not in seqlab(*line(name), "--color", "256").text
    assert "38;" not in seqlab(*line(name), "--color", "16").text
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in seqlab(*line(name)).text
    assert "\x1b" not in seqlab(*line(name), "--color", "none").text
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in seqlab(*line(name)).text
    assert (
        "\x1b[38;2;" in seqlab(*line(name), "--color", "truecolor").text
    )  # an option is the last word


def test_dark_and_light_differ(seqlab: Run) -> None:
    dark, light = (
        seqlab(*FAST, "--color", "truecolor", "--theme", t).text for t in ("dark", "light")
    )
    assert dark != light


def test_the_footer_repeats_the_command(seqlab: Run) -> None:
    text = seqlab("vanish", "--steps", "7", "--radius", "0.5", "--radius", "1.5", "--ascii").text
    assert text.splitlines()[-1] == "seqlab vanish --steps 7 --radius 0.5 --radius 1.5 . seed 0"
    text = seqlab(*FAST, "--seed", "4").text
    assert text.splitlines()[-1].strip().endswith("--seed 4")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([*FAST, "--radius", "0.123456789"], "--radius 0.123456789"),
        ([*FAST, "--radius", "1.0", "--detail"], "--radius 1 --seeds 2 --detail"),
        (["unroll", "--cell", "gru", "--", "-abc"], "seqlab unroll --cell gru -- -abc"),
        (["unroll", "x --seed 3"], "seqlab unroll 'x --seed 3'"),
        (["unroll", "it's", "--radius", "2"], """seqlab unroll 'it'"'"'s' --radius 2"""),
    ],
)
def test_the_command_makes_the_run_again(seqlab: Run, arguments: list[str], command: str) -> None:
    first = seqlab(arguments[0], "--json", *arguments[1:]).json
    assert command in first["command"]
    name, *rest = shlex.split(first["command"])[1:]
    again = seqlab(*line(name), "--json", *rest).json
    assert again == first
    assert seqlab(*arguments).text.rstrip().endswith("· seed 0")


def test_exports_are_whole_and_repeatable(seqlab: Run, tmp_path: Path) -> None:
    paths = [tmp_path / f"slide.{suffix}" for suffix in ("svg", "html", "txt", "json")]
    flags = [word for path in paths for word in ("--export", str(path))]
    outcome = seqlab(*FAST, *flags)
    assert outcome.status == 0
    first = [path.read_bytes() for path in paths]
    svg, html, text, document = (content.decode() for content in first)
    ElementTree.fromstring(svg)
    for drawn in (svg, html):
        assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
        assert "How" in drawn and "gradient" in drawn
    assert text == "\n".join(line.rstrip() for line in outcome.text.splitlines()) + "\n"
    assert text.startswith("How far") and max(map(cell_len, text.splitlines())) <= 100
    assert json.loads(document)["experiment"] == "vanish"
    seqlab(*FAST, *flags)
    assert [path.read_bytes() for path in paths] == first
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in paths)


def test_exports_go_with_json(seqlab: Run, tmp_path: Path) -> None:
    outcome = seqlab(*FAST, "--json", "--export", str(tmp_path / "a.txt"))
    assert outcome.json["experiment"] == "vanish"
    assert "gradient" in (tmp_path / "a.txt").read_text()


def test_an_export_has_the_width_of_the_screen(tmp_path: Path) -> None:
    """Also where nobody has said how wide: a pipe is 80 columns."""
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    target = tmp_path / "a.txt"
    process = subprocess.run(
        [*SEQLAB, *FAST, "--export", str(target)], capture_output=True, text=True, env=environment
    )
    assert [
        line.rstrip() for line in process.stdout.splitlines()
    ] == target.read_text().splitlines()


def test_an_export_follows_links_and_spares_what_is_no_file(seqlab: Run, tmp_path: Path) -> None:
    real, link, pipe = (tmp_path / name for name in ("real.txt", "link.txt", "pipe.txt"))
    real.write_text("old")
    link.symlink_to(real)
    os.mkfifo(pipe)
    assert seqlab(*FAST, "--export", str(link)).status == 0
    assert link.is_symlink() and "gradient" in real.read_text()
    outcome = seqlab(*FAST, "--export", str(pipe))
    assert outcome.status == 2 and "regular file" in outcome.errors
    assert pipe.is_fifo()


@pytest.mark.parametrize("columns", ["²", "0", "-5", "1e9", "999999", "x", ""])
def test_odd_columns(columns: str) -> None:
    environment = {**os.environ, "COLUMNS": columns}
    process = subprocess.run([*SEQLAB, *FAST], capture_output=True, text=True, env=environment)
    assert process.returncode == 0 and process.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(closed: str) -> None:
    for words in ("--version", " ".join(FAST), "nonsense"):
        line = f"{shlex.join(SEQLAB)} {words} {closed}"
        process = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
        assert "Traceback" not in process.stderr and "defect" not in process.stderr
        assert process.returncode == (2 if words == "nonsense" else 0)


def test_a_failed_export_leaves_the_old_file(
    seqlab: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.svg"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    outcome = seqlab(*FAST, "--export", str(target))
    assert outcome.status == 1
    assert outcome.errors == f"error: {target}: No space left on device\n"
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.svg"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["vansh"], ["'vansh'", "expected", "try 'seqlab vanish'"]),
        (["--nope"], ["--nope", "try 'seqlab --help'"]),
        (["vanish", "--nope"], ["--nope", "try 'seqlab vanish --help'"]),
        (["vanish", "--steps", "x"], ["--steps x", "a whole number", "--steps 50"]),
        (["vanish", "--steps", "0"], ["--steps 0", "at least 1", "--steps 50"]),
        (["vanish", "--steps"], ["--steps", "argument"]),
        (["vanish", "--input", "maybe"], ["maybe", "noise or none"]),
        (["vanish", "extra"], ["unexpected (extra)", "options only"]),
        (["unroll", "hello", "world"], ["unexpected (world)", "quotes"]),
        (["vanish", "--lang", "fr"], ["fr", "en or zh"]),
        (["vanish", "--width", "3"], ["--width 3", "at least 40"]),
        (["vanish", "--color", "\x1b[31mred"], ["␛[31mred", "truecolor"]),
        (["vanish", "--export", "x.png"], ["x.png", ".svg", "x.svg"]),
        (["vanish", "--export", "/no/where/x.svg"], ["/no/where", "existing folder"]),
        (["\x1b]0;title\x07"], ["expected one of"]),
        (["[/b]"], ["'[/b]'"]),
        (["../vanish"], ["expected one of"]),
        (["lab"], ["expected one of"]),
        (["vanish", "--cells", "[red]rnn[/red]"], ["[red]rnn[/red]", "linear, rnn, lstm, gru"]),
    ],
)
def test_bad_input_gets_one_line(seqlab: Run, arguments: list[str], parts: list[str]) -> None:
    outcome = seqlab(*arguments)
    assert outcome.status == 2
    assert outcome.text == ""
    assert outcome.errors.startswith("error: ")
    assert outcome.errors.count("\n") == 1 and "\x1b" not in outcome.errors
    for part in parts:
        assert part in outcome.errors
    assert "try" in outcome.errors


def test_a_defect_gets_one_line_and_debug_shows_the_traceback(
    seqlab: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqlab.lab import vanish

    def broken(**_: object) -> None:
        raise RuntimeError("two\nlines \x1b[31m")

    monkeypatch.setattr(vanish, "takeaways", lambda result: broken())
    outcome = seqlab(*FAST)
    assert outcome.status == 1
    assert outcome.errors.startswith("error: RuntimeError: two lines ␛[31m")
    assert outcome.errors.count("\n") == 1
    monkeypatch.setenv("SEQLAB_DEBUG", "1")
    with pytest.raises(RuntimeError):
        seqlab(*FAST)


def test_a_failed_check_is_a_failed_run(seqlab: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqlab.lab import Check, vanish

    monkeypatch.setattr(vanish, "check", lambda **_: [Check("a lie", 0.5, 1e-9)])
    outcome = seqlab(*FAST, "--check")
    assert outcome.status == 1
    assert "a lie" in outcome.text and "✗" in outcome.text
    assert seqlab(*FAST, "--check", "--json").json["checks"] == [
        {"name": "a lie", "error": 0.5, "tolerance": 1e-9, "passed": False}
    ]


@pytest.mark.parametrize(
    "arguments",
    [["vanish", "--json", "--steps", "2000", "--hidden", "4"], ["lecture", "list"]],
    ids=lambda words: words[0],
)
def test_the_reader_of_a_pipe_may_leave(arguments: list[str]) -> None:
    with subprocess.Popen(
        [*SEQLAB, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_ctrl_c_ends_with_130_and_without_a_word() -> None:
    process = subprocess.Popen(
        [*SEQLAB, "vanish", "--steps", "100000", "--hidden", "128"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out, errors) == (130, b"", b"")


def test_ctrl_c_in_a_training_shows_what_there_is() -> None:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (30, 100))
    process = subprocess.Popen(
        [*SEQLAB, "induct", "--steps", "10000", "--layers", "1", "--json"],
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    told = b""
    while b"step " not in told:  # then it has a view
        told += os.read(leader, 1000)
    process.send_signal(signal.SIGINT)
    out, _errors = process.communicate(timeout=60)
    result = json.loads(out)["result"]
    assert process.returncode == 130 and result["stopped"]
    assert 0 < result["moments"][-1]["step"] < 10000
    with contextlib.suppress(OSError):  # the other end is closed
        while rest := os.read(leader, 1000):
            told += rest
    os.close(leader)
    assert told.rindex(b"\x1b[?25h") > told.rindex(b"\x1b[?25l")  # the cursor is back


def test_a_stopped_run_is_not_asked_about(
    seqlab: Run, stop_at_view: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emit, "converses", lambda: True)
    stop_at_view(2)
    outcome = seqlab("gates", "--train-steps", "50", "--seeds", "1", "--predict", stdin=b"a\n")
    assert outcome.status == 130 and "Stopped before the end" in outcome.text
    assert "Enter alone" not in outcome.text and "It is" not in outcome.text


def test_the_film_is_shown_between_question_and_answer(
    seqlab: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emit, "converses", lambda: True)
    monkeypatch.setattr(emit.Film, "play", lambda *_told: emit.put("THE FILM"))
    text = seqlab(*FAST, "--predict", stdin=b"\n").text
    parts = ("Enter alone", "THE FILM", "How far back", "The answer: ")
    assert sorted(parts, key=text.index) == list(parts)
    # a question would be no JSON
    assert seqlab(*FAST, "--predict", "--json").json["experiment"] == "vanish"


def test_an_ascii_terminal_gets_ascii() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "COLUMNS": "100"}
    for arguments in (FAST, [*FAST, "--json"], ["--help"], ["vanish", "--help"], ["vanish", "é"]):
        process = subprocess.run([*SEQLAB, *arguments], capture_output=True, env=environment)
        assert process.stdout.isascii() and process.stderr.isascii()
        assert process.returncode == (2 if "é" in arguments else 0), process.stderr


def test_completion_knows_commands_and_options() -> None:
    def complete(words: str) -> list[str]:
        environment = {
            **os.environ,
            "_SEQLAB_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        script = "from seqlab.cli import main; main()"
        process = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment
        )
        return process.stdout.split()

    assert complete("seqlab va") == ["vanish"]
    assert "--forget-bias" in complete("seqlab vanish --for")


def test_a_result_shows_itself_in_a_notebook() -> None:
    from seqlab.lab import vanish

    bundle = vanish.run(steps=5, hidden=4, seeds=2)._repr_mimebundle_([], [])
    assert "<pre" in bundle["text/html"] and "half-life" in bundle["text/html"]
    assert "How far back" in bundle["text/plain"]
