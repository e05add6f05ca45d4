"""What is kept of a lecture: files of its screens, and the screens of when it was checked."""

import inspect
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from terminal import Terminal

from seqlab import calls, catalogue, emit
from seqlab.emit import Look
from seqlab.lab import unroll
from seqlab.lecture import checker, script
from seqlab.lecture.script import ROWS

LECTURE = """title = "Small"

[[step]]
say = "# First words, ρ"

[[step]]
run = "unroll hello"
"""
TRAINING = LECTURE.replace("unroll hello", "gates --train-steps 5000 --seeds 1")


@pytest.fixture
def lecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "small.toml"
    file.write_text(LECTURE)
    return str(file)


def step(lecture: str) -> script.Step:
    return script.load(lecture).steps[1]


# Recordings of a check


def test_a_checked_step_is_kept_for_every_width_and_ground(lecture: str) -> None:
    assert all(checked.passed for checked in checker.check(script.load(lecture)))
    for ground in checker.GROUNDS:
        texts = {}
        for width in (40, 59, 60, 100, 300):
            kept = checker.recording(step(lecture), width, ground)
            assert kept is not None
            texts[width] = kept.screen
        assert texts[40] == texts[59] != texts[60]
        report = step(lecture).call.report(unroll.run("hello"))  # type: ignore[union-attr]
        assert texts[100] == emit.ansi(report.page(), 100, Look(theme=ground))
    assert checker.recording(step(lecture), 100, "dark") != checker.recording(
        step(lecture), 100, "light"
    )


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "null", "3", '{"version": "1"}', "[" * 100_000, "9" * 5000, "\ud800",
        '{"version": "1", "screens": {"dark": {"100": 3}}}',
        '{"version": "1", "screens": {"dark": {"100": ["a"]}}}',
        '{"version": 1, "screens": {"dark": {"100": "a"}}}',
        '{"version": "1", "screens": []}', '{"version": "1", "screens": {"100": "a"}}',
        '{"version": "1", "screens": {"dark": {"100": "a"}}}' + " " * checker._LARGEST,
    ],
)  # fmt: skip
def test_a_recording_that_is_none_is_none(lecture: str, content: str) -> None:
    path = checker._path(step(lecture))
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert checker.recording(step(lecture), 100) is None


def test_where_nothing_can_be_kept_each_step_says_so(seqlab, lecture: str, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    outcome = seqlab("lecture", "check", lecture)
    assert outcome.status == 1 and "1 fails" in outcome.text and outcome.errors == ""
    assert "cache" in outcome.text and "Errno" not in outcome.text


def test_a_recording_that_cannot_be_read_is_none(lecture: str) -> None:
    path = checker._path(step(lecture))
    path.mkdir(parents=True)
    assert checker.recording(step(lecture), 100) is None


def test_it_is_checked_without_the_network_and_with_its_question(
    lecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(_result: object) -> None:
        raise RuntimeError(f"HF_HUB_OFFLINE={os.environ['HF_HUB_OFFLINE']}")

    monkeypatch.setattr(unroll, "question", offline)
    for before in (None, "0"):
        if before is not None:
            monkeypatch.setenv("HF_HUB_OFFLINE", before)
        _words, checked = checker.check(script.load(lecture))
        assert checked.failure == "HF_HUB_OFFLINE=1" and not checked.passed
        assert os.environ.get("HF_HUB_OFFLINE") == before
    assert checker.recording(step(lecture), 100) is None


def test_what_names_a_file_is_kept_for_its_folder(
    lecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(lecture).write_text(LECTURE.replace("unroll hello", "patchify digit.png"))
    here = checker._path(step(lecture))
    monkeypatch.chdir(tmp_path)
    assert checker._path(step(lecture)) != here
    Path(lecture).write_text(LECTURE)
    here = checker._path(step(lecture))
    monkeypatch.chdir("/")
    assert checker._path(step(lecture)) == here


def test_no_option_that_names_a_file_is_forgotten() -> None:
    naming = {
        param.name
        for experiment in catalogue.EXPERIMENTS
        for param in calls.command(experiment).params
        if param.metavar in ("FILE", "IMAGE") or "folder" in (getattr(param, "help", "") or "")
    }
    assert naming == {*checker._FILES, "save", "export"}  # no lecture writes a file


# Ctrl-C and a kill


@pytest.mark.parametrize(
    "words", [["check", "--ascii", "--color", "none"], ["record", "-o", "out.cast"]]
)
def test_ctrl_c_keeps_nothing(
    lecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    Path(lecture).write_text(TRAINING)
    monkeypatch.chdir(tmp_path)
    with Terminal("lecture", words[0], lecture, *words[1:]) as terminal:
        plain = "--ascii" in words
        bar = "---" if plain else "━"  # there is something to show: Ctrl-C might end it early
        assert terminal.wait_for("of 5000", bar).isascii() == plain
        cells = (cell for row in terminal.screen.buffer.values() for cell in row.values())
        assert all(cell.fg == "default" for cell in cells) == plain
        terminal.press("\x03")
        assert terminal.wait_for_end() == 130 and terminal.as_it_was
    assert not (tmp_path / "out.cast").exists()
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_leaves_the_terminal_as_it_was(
    lecture: str, tmp_path: Path, number: signal.Signals
) -> None:
    Path(lecture).write_text(TRAINING)
    with Terminal("lecture", "record", lecture, "-o", str(tmp_path / "a.cast")) as terminal:
        shown = terminal.wait_for("step 2 of 2: step", "of 5000")
        assert sum("━" in line for line in shown.splitlines()) == 1  # one bar, not one in the other
        terminal.kill(number)
        assert terminal.wait_for_end() == 128 + number and terminal.as_it_was


# Files


def events(file: Path) -> tuple[dict[str, Any], list[Any]]:
    header, *lines = map(json.loads, file.read_text().splitlines())
    return header, lines


def test_how_it_looks_is_as_asked_for_and_not_as_this_terminal_is(
    seqlab, lecture: str, tmp_path: Path
) -> None:
    texts = {}
    for i, words in enumerate(
        ([], ["--ascii"], ["--color", "none"], ["--theme", "light"], ["--width", "60"])
    ):
        file = tmp_path / f"{i}.cast"
        outcome = seqlab("lecture", "record", lecture, "-o", str(file), *words, width=70)
        assert outcome.status == 0
        header, lines = events(file)
        assert header["width"] == (60 if words[:1] == ["--width"] else 100)
        texts[" ".join(words)] = "".join(text for _time, _kind, text in lines)
    assert texts["--ascii"].isascii() and not texts[""].isascii()
    assert "\x1b[3" not in texts["--color none"] and "\x1b[3" in texts[""]
    assert len(set(texts.values())) == 5


def test_the_header_of_a_recording(seqlab, lecture: str, tmp_path: Path) -> None:
    file = tmp_path / "a.cast"
    title, lines = "Small\\u009b2J\\u202e ρ", "\\n\\n".join(map(str, range(60)))
    Path(lecture).write_text(LECTURE.replace("Small", title).replace("# First words, ρ", lines))
    for words, told in (([], "Small\ufffd2J\ufffd ρ"), (["--ascii"], "Small?2J? rho")):
        assert seqlab("lecture", "record", lecture, "-o", str(file), *words).status == 0
        header, shown = events(file)
        assert header["title"] == told
        rows = [Text.from_ansi(text).plain.count("\n") + 1 for _time, _kind, text in shown]
        assert header["height"] == max(rows) == ROWS + 2  # what is taller is several screens
        assert "(1/3)" in shown[0][2] and "59" in shown[2][2] and "(3/3)" in shown[2][2]


def test_chinese_is_given_its_time(seqlab, lecture: str, tmp_path: Path) -> None:
    file = tmp_path / "zh.cast"
    words = "循环网络把过去放进一个固定大小的状态里" * 4
    Path(lecture).write_text(LECTURE.replace("First words, ρ", words))
    assert seqlab("lecture", "record", lecture, "-o", str(file), "--lang", "zh").status == 0
    header, lines = events(file)
    assert header["title"] == "Small" and words[:10] in lines[0][2]
    assert lines[1][0] - lines[0][0] == pytest.approx(2 + len(words) / 8 + 7 / 20, abs=0.1)


def test_one_run_a_step_whatever_is_written(
    seqlab, lecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    run: Callable[..., Any] = unroll.run

    def counted(text: str, **options: Any) -> Any:
        runs.append(text)
        return run(text, **options)

    counted.__signature__ = inspect.signature(run)  # type: ignore[attr-defined]
    monkeypatch.setattr(unroll, "run", counted)
    files = ["-o", str(tmp_path / "a.html"), "--export", str(tmp_path / "b.txt")]
    assert seqlab("lecture", "record", lecture, *files).status == 0
    pages = sorted(path.name for path in tmp_path.glob("b-*"))
    assert runs == ["hello"] and pages == [f"b-0{n}.txt" for n in (1, 2, 3, 4)]


def test_all_pages_are_written_or_none(seqlab, lecture: str, tmp_path: Path) -> None:
    (tmp_path / "page-03.txt").mkdir()
    files = ["-o", str(tmp_path / "page.cast"), "--export", str(tmp_path / "page.txt")]
    outcome = seqlab("lecture", "record", lecture, *files)
    assert outcome.status == 2 and "page-03.txt: expected a file" in outcome.errors
    assert [p.name for p in tmp_path.glob("page*")] == ["page-03.txt"]


def test_a_step_that_fails_is_no_recording(
    seqlab, lecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_options: object) -> None:
        raise RuntimeError("no luck today")

    monkeypatch.setattr(unroll, "run", fail)
    outcome = seqlab("lecture", "record", lecture, "-o", str(tmp_path / "a.cast"))
    hint = f"'seqlab lecture check {lecture}'"
    assert outcome.status == 1
    assert outcome.errors == f"error: step 2: no luck today; try {hint}\n"
    assert not (tmp_path / "a.cast").exists()


def test_notes_know_no_other_option(seqlab, lecture: str) -> None:
    for words in (["--from", "2"], ["--auto", "3"]):
        outcome = seqlab("lecture", "play", lecture, "--notes", *words)
        assert outcome.status == 2 and "neither --from nor --auto" in outcome.errors
