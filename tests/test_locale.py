"""The words in other languages: complete, in force wherever they are asked for, and readable."""

import gettext
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, line, timeless

from seqlab import catalogue, locale

ROOT = Path(__file__).parent.parent
NAMES = [e.name for e in catalogue.EXPERIMENTS]
SEQLAB = [sys.executable, "-m", "seqlab"]


def load_script() -> Any:
    path = ROOT / "scripts" / "translations.py"
    spec = importlib.util.spec_from_file_location("translations", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()


def is_chinese(text: str) -> bool:
    return re.search("[\u4e00-\u9fff]", text) is not None


# The catalogues


@pytest.mark.parametrize("language", script.LANGUAGES)
def test_every_sentence_is_translated(language: str) -> None:
    assert script.complaints(language) == []


def test_every_language_that_can_be_spoken_has_a_catalogue() -> None:
    assert set(script.LANGUAGES) == set(locale.LANGUAGES) - {"en"}


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the Chinese catalogue, which the script takes for the catalogue."""
    path: Path = script.path_of("zh")
    for file in (path, path.with_suffix(".mo")):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(script, "path_of", lambda language: tmp_path / path.name)
    return tmp_path / path.name


def edit(path: Path, msgid: str, change: Callable[[str], str], recompile: bool = True) -> None:
    """Change the translation of one message, as a translator's editor would."""
    text = path.read_text()
    found = re.search(rf'msgid "{re.escape(msgid)}"\nmsgstr "(.*)"\n', text)
    assert found is not None, msgid
    start, end = found.span(1)
    path.write_text(text[:start] + change(found[1]) + text[end:])
    if recompile:
        path.with_suffix(".mo").write_bytes(script.compiled(script.translated("zh")))


def test_a_missing_translation_is_noticed(copy: Path) -> None:
    assert script.complaints("zh") == []
    edit(copy, "largest", lambda text: "")
    assert script.complaints("zh") == ["zh: not translated: 'largest'"]


def test_a_message_that_the_catalogue_does_not_know_is_noticed(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = script.collected()
    found.add("a sentence of tomorrow")
    monkeypatch.setattr(script, "collected", lambda: found)
    assert script.complaints("zh") == ["zh: not translated: 'a sentence of tomorrow'"]
    script.update("zh")
    assert 'msgid "a sentence of tomorrow"\nmsgstr ""\n' in copy.read_text()


def test_a_doubtful_translation_is_noticed(copy: Path) -> None:
    copy.write_text(copy.read_text().replace('msgid "largest"', '#, fuzzy\nmsgid "largest"'))
    assert "zh: not translated: 'largest'" in script.complaints("zh")


@pytest.mark.parametrize("change", [lambda t: t + "{other}", lambda t: t.replace("{n}", "n")])
def test_a_differing_placeholder_is_noticed(copy: Path, change: Callable[[str], str]) -> None:
    edit(copy, "doubles in {n}", change)
    (complaint,) = script.complaints("zh")
    assert complaint.startswith("zh: other placeholders than 'doubles in {n}': ")


def test_a_stale_compiled_file_is_noticed_and_updated(copy: Path) -> None:
    edit(copy, "largest", lambda text: text + "!", recompile=False)
    assert script.complaints("zh") == ["zh: the .mo file is not that of the .po file"]
    script.update("zh")
    assert script.complaints("zh") == []


def test_the_same_words_give_the_same_bytes_on_every_day(copy: Path) -> None:
    binary = copy.with_suffix(".mo")
    before = binary.read_bytes()
    script.update("zh")
    header = copy.read_text().partition("\n#:")[0]
    assert binary.read_bytes() == before
    assert 'Project-Id-Version: seqlab\\n"' in header and "Language-Team: Chinese" in header
    words = gettext.GNUTranslations(io.BytesIO(before)).info()
    for what in ("date", "@", "babel", "fuzzy"):  # what changes by itself, or is nobody's
        assert what not in header.lower() and what not in str(words).lower()


def test_no_language_but_those_it_has_is_spoken() -> None:
    with pytest.raises(ValueError, match="expected one of en, zh"):
        locale.speak("fr")
    assert locale.spoken() == "en"


# What is said


class Untranslated(gettext.NullTranslations):
    """What the catalogue falls back to: notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def gettext(self, message: str) -> str:
        self.found.add(message)
        return message


@pytest.fixture
def untranslated(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The messages that were looked up in vain, in this test, so far."""
    fallback = Untranslated()
    monkeypatch.setattr(locale._catalogue("zh"), "_fallback", fallback)
    return fallback.found


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_speaks_chinese(seqlab: Run, name: str, untranslated: set[str]) -> None:
    screen = seqlab(*line(name), "--lang", "zh")
    assert screen.status == 0 and screen.errors == ""
    assert is_chinese(screen.text.splitlines()[0])  # the question
    pointed = [line for line in screen.text.splitlines() if line.startswith("▸")]
    assert pointed and all(map(is_chinese, pointed))
    assert screen.text.splitlines()[-1] == " ".join(["seqlab", *line(name), "· seed 0"])
    assert seqlab(*line(name), "--lang", "zh", "--detail", "--check").status == 0

    text = seqlab(name, "--help", "--lang", "zh").text
    assert text.startswith(f"用法：seqlab {name} [OPTIONS]")
    assert seqlab(*line(name), "--lang", "zh", "--help").text == text
    written = seqlab(name, "--help").text
    assert re.findall(r"(?m)^    (-\S+)", text) == re.findall(r"(?m)^    (-\S+)", written)
    assert untranslated <= {"RNN", "CNN", "MLP", "LSTM", "GRU", "Mixer", "RoPE", "ALiBi"}  # names


def test_every_paragraph_of_help_is_chinese(seqlab: Run) -> None:
    for name in NAMES:
        lines = seqlab(name, "--help", "--lang", "zh", width=300).text.splitlines()
        words = [line for line in lines if line and line[0] != " "]
        assert len(words) >= 5 and all(map(is_chinese, words))


def test_the_syllabus_speaks_chinese(seqlab: Run, untranslated: set[str]) -> None:
    text = seqlab("--lang", "zh").text
    assert text.startswith("seqlab：")
    for asked in (["--help", "--lang", "zh"], ["--lang", "zh", "--help"], ["--lang=zh"]):
        assert seqlab(*asked).text.strip() == text.strip()
    lines = [line for line in text.splitlines() if line.strip()]
    assert all(map(is_chinese, lines))
    for experiment in catalogue.EXPERIMENTS:
        assert experiment.name in text and experiment.line not in text
    assert not untranslated


def test_a_command_of_several_speaks_chinese(seqlab: Run) -> None:
    english = seqlab("lecture")
    assert english.status == 0 and "--lang" in english.text
    chinese = seqlab("lecture", "--help", "--lang", "zh")
    assert chinese.status == 0 and chinese.text.startswith("用法：seqlab lecture COMMAND")
    assert seqlab("lecture", "--lang=zh").text == chinese.text
    before, behind = ["lecture", "--lang", "zh", "list"], ["lecture", "list", "--lang", "zh"]
    assert is_chinese(seqlab(*before).text)
    assert seqlab(*before).text == seqlab(*behind).text


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        *[([name, "--nope"], ["没有选项 --nope", f"'seqlab {name} --help'"]) for name in NAMES],
        (["vansh"], ["没有命令 'vansh'", "可试：'seqlab vanish'"]),
        (["vanish", "--steps"], ["选项 '--steps' 缺少取值"]),
        (["vanish", "--json=3"], ["选项 '--json' 不带取值"]),
        (["vanish", "extra"], ["多余的 (extra)", "只接受选项"]),
        (["unroll", "a", "b"], ["多余的参数 (b)"]),
        (["vanish", "--steps", "x"], ["--steps x。应为：整数。可试：--steps 50"]),
        (["vanish", "--steps", "0"], ["--steps 0。应为：至少 1。"]),
        (["vanish", "--input", "maybe"], ["--input maybe。应为：noise 或 none。"]),
        (["vanish", "--radius", "300"], ["应为：0 到 100 之间的数。"]),
        (["unroll", "abc", "--change", "9"], ["应为：1 到 3（文本长度）。"]),
        (["patchify", "/no/where.png"], ["/no/where.png：文件不存在。"]),
    ],
)
def test_an_error_speaks_chinese(seqlab: Run, arguments: list[str], parts: list[str]) -> None:
    outcome = seqlab(arguments[0], "--lang", "zh", *arguments[1:])
    assert outcome.status == 2 and outcome.text == ""
    assert outcome.errors.startswith("错误：") and outcome.errors.count("\n") == 1
    for part in parts:
        assert part in outcome.errors
    assert "expected" not in outcome.errors and "try" not in outcome.errors


def test_a_failed_run_speaks_chinese(seqlab: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqlab.lab import vanish

    def broken(result: object) -> None:
        raise MemoryError

    monkeypatch.setattr(vanish, "takeaways", broken)
    outcome = seqlab("vanish", "--steps", "3", "--lang", "zh")
    assert (outcome.status, outcome.errors) == (1, "错误：内存不足：请把选项的值调小\n")


def keys(value: Any) -> Any:
    """The names in a JSON document, without its values."""
    if isinstance(value, dict):
        return {name: keys(item) for name, item in value.items()}
    return [keys(item) for item in value] if isinstance(value, list) else None


@pytest.mark.parametrize("name", NAMES)
def test_in_json_the_takeaways_are_chinese_and_the_keys_are_not(seqlab: Run, name: str) -> None:
    chinese, english = (
        seqlab(*line(name), "--json", "--lang", "zh").json,
        seqlab(*line(name), "--json").json,
    )
    assert keys(chinese) == keys(english)
    assert len(chinese["takeaways"]) == len(english["takeaways"]) > 0
    assert all(map(is_chinese, chinese["takeaways"]))
    assert not any(map(is_chinese, english["takeaways"]))
    for part in ("options", "command", "seed", "experiment"):
        assert chinese[part] == english[part]


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        (["vanish", "--radius", "0.5", "--radius", "1", "--radius", "3"], "线性 RNN：梯度在 ρ = "),
        (["vanish", "--radius", "0"], "50 步之后，tanh RNN 的梯度只剩 0。"),
        (["unroll", "ab", "--change", "2"], "2 步里，状态变了 2 步，权重一步也没变（"),
    ],
)
def test_fragments_join_to_whole_sentences(
    seqlab: Run, arguments: list[str], beginning: str
) -> None:
    sentences = seqlab(*arguments, "--json", "--lang", "zh").json["takeaways"]
    assert sentences[0].startswith(beginning)
    for sentence in sentences:
        assert sentence.endswith("。")
        assert not re.search("[，。：；][，。：；,.:;]|[\u4e00-\u9fff][,:;.]|  ", sentence), (
            sentence
        )


# When it is said


@pytest.mark.parametrize("arguments", [[], ["--help"], ["vanish"], ["vanish", "--help"]])
def test_the_environment_chooses_and_an_option_has_the_last_word(
    seqlab: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    english, chinese = seqlab(*arguments).text, seqlab(*arguments, "--lang", "zh").text
    assert is_chinese(chinese) and not is_chinese(english)

    def with_environment(**variables: str) -> str:
        for name in ("SEQLAB_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return seqlab(*arguments).text.strip()

    for variables in (
        {"SEQLAB_LANG": "zh"},
        {"LANG": "zh_CN.UTF-8"},
        {"LC_ALL": "zh_TW.UTF-8", "LANG": "C.UTF-8"},
    ):
        assert with_environment(**variables) == chinese.strip(), variables
        assert seqlab(*arguments, "--lang", "en").text.strip() == english.strip()
    for variables in ({}, {"LANG": "C.UTF-8"}, {"LANG": "zh_CN.UTF-8", "SEQLAB_LANG": "en"}):
        assert with_environment(**variables) == english.strip(), variables
        assert seqlab(*arguments, "--lang", "zh").text.strip() == chinese.strip()


def test_the_last_of_several_languages_counts(seqlab: Run) -> None:
    assert not is_chinese(seqlab("vanish", "--lang", "zh", "--lang=en").text)
    assert is_chinese(seqlab("vanish", "--lang=en", "--lang", "zh").text)


def test_what_stands_behind_two_dashes_is_no_option(seqlab: Run) -> None:
    assert is_chinese(seqlab("unroll", "--lang", "zh", "--", "--ascii").text)
    assert not is_chinese(seqlab("unroll", "--", "--lang=zh").text)


@pytest.mark.parametrize("name", NAMES)
def test_seven_bits_speak_english(seqlab: Run, name: str, tmp_path: Path) -> None:
    for words in ([], ["--json"], ["--help"], ["--steps", "x"]):
        arguments = [*line(name), *words]
        asked, plain = (
            seqlab(*arguments, "--ascii", *asked_for)
            for asked_for in (["--lang", "zh"], ["--lang", "en"])
        )
        assert (asked.status, asked.errors) == (plain.status, plain.errors)
        assert timeless(asked.text) == timeless(plain.text)
        assert not is_chinese(asked.text + asked.errors)
    text = seqlab(*line(name), "--ascii", "--lang", "zh").text
    assert text.isascii() and "??" not in text


def test_a_terminal_of_seven_bits_speaks_english() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "SEQLAB_LANG": "zh"}
    for arguments in (["unroll"], [], ["vanish", "--help"], ["vanish", "--nope", "--lang", "zh"]):
        process = subprocess.run([*SEQLAB, *arguments], capture_output=True, env=environment)
        said = process.stdout + process.stderr
        assert said.isascii() and b"??" not in said
        assert process.returncode == (2 if "--nope" in arguments else 0), process.stderr


# How it looks


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_too_wide_and_none_is_cut_off(seqlab: Run, name: str, width: int) -> None:
    for words in ([], ["--detail"], ["--check"], ["--help"]):
        arguments = [*line(name), *words]
        outcome = seqlab(*arguments, "--lang", "zh", width=width)
        assert outcome.status == 0, outcome.errors
        assert outcome.widest <= width, arguments
        if "--help" in arguments:
            assert "…" not in outcome.text


@pytest.mark.parametrize("name", NAMES)
def test_the_first_screen_fits_a_projector(seqlab: Run, name: str) -> None:
    assert len(seqlab(*line(name), "--lang", "zh", width=100).text.splitlines()) <= 40
