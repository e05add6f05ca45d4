"""The format of a lecture: what is understood, and in which line what is wrong."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.lab import BadInput
from seqlab.lecture import script
from seqlab.lecture.script import BREATH

GOOD = '''title = "T"
about = "A."
minutes = 5

[[step]]
note = "before"

[[step]]
say = """
# Words

[[step]] is not a step here
"""
note = "while"

[[step]]
run = "seqlab vanish --steps 5"
predict = false
seconds = 40

[[step]]
ask = "Why?"
choices = ["so", "not so"]
answer = "B"
why = "Because."

[[step]]
source = "rnn.step"
'''


def load(folder: Path, text: str) -> script.Script:
    file = folder / "own.toml"
    file.write_text(text, encoding="utf-8")
    return script.load(str(file))


def test_all_kinds_of_steps(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert (found.title, found.about, found.minutes) == ("T", "A.", 5)
    assert found.name == str(tmp_path / "own.toml")  # what a hint can name
    say, run, ask, _source = found.steps
    assert [s.kind for s in found.steps] == ["say", "run", "ask", "source"]
    assert say.note == "before\n\nwhile" and "[[step]] is not" in say.text
    assert run.call is not None and run.call.command == "seqlab vanish --steps 5"
    assert run.text == "vanish --steps 5"
    assert not run.predict and run.seconds == 40 and say.seconds == BREATH
    assert ask.choices == ("so", "not so") and ask.answer == 1 and ask.why == "Because."


def test_all_of_it_is_shown_as_a_text(seqlab, tmp_path: Path) -> None:
    text = seqlab("lecture", "show", load(tmp_path, GOOD).name).text
    for line in (
        "$ seqlab vanish --steps 5",
        "    a  so",
        "  ✓ b  not so",
        "seqlab source rnn.step",
    ):
        assert f"\n{line}\n" in text, line


def replaced(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (replaced('about = "A."', 'abuot = "A."'), 2, "abuot"),
        (replaced("minutes = 5", 'minutes = "5"'), 3, "a whole number, without quotes"),
        (replaced('title = "T"', 'title = ""'), 1, "title"),
        (replaced("predict = false", "predcit = false"), 18, "predcit"),
        (replaced("predict = false", '"predcit" = false'), 18, "predcit"),
        (replaced("predict = false", "'predict' = 3"), 18, "predict: expected true / false"),
        (replaced("predict = false", 'predict = "no"'), 18, "true / false, without quotes"),
        (replaced("seconds = 40", "seconds = 4.5"), 19, "seconds: expected a whole number"),
        (replaced("vanish --steps 5", "vanish --steps five"), 17, "--steps five"),
        (replaced("vanish --steps 5", "vanish --step 5"), 17, "option: --step; try --steps"),
        (replaced("vanish --steps 5", "vanish --nope"), 17, "--nope; try 'seqlab vanish --help'"),
        (replaced("vanish --steps 5", "classify --save a.safetensors"), 17, "writes no file"),
        (replaced("vanish --steps 5", "vanihs --steps 5"), 17, "seqlab vanish"),
        (replaced("vanish --steps 5", "vanish 'five"), 17, "no closing quotation"),
        (replaced("vanish --steps 5", "vanish --help"), 17, "vanish --help"),
        (replaced("vanish --steps 5", "vanish --json"), 17, "own options"),
        (replaced("vanish --steps 5", "vanish --export a.svg"), 17, "own options"),
        (replaced("vanish --steps 5", "vanish --ascii"), 17, "own options"),
        (replaced("seqlab vanish --steps 5", "unroll -"), 17, "own options"),
        (replaced("seqlab vanish --steps 5", "rm -rf /"), 17, "no command 'rm'"),
        (replaced("seqlab vanish --steps 5", "lecture list"), 17, "no command 'lecture'"),
        (replaced("seqlab vanish --steps 5", " "), 17, "run: expected a text"),
        (replaced('answer = "B"', 'answer = "c"'), 24, "a letter from a to b"),
        (replaced('answer = "B"\n', ""), 22, 'its answer = "…", a letter from a'),
        (replaced('choices = ["so", "not so"]\n', ""), 22, "ask: expected its choices = ["),
        (replaced('["so", "not so"]', '["so"]'), 23, "from 2 to 26 of them"),
        (replaced('["so", "not so"]', '"so"'), 23, "choices: expected a list"),
        (replaced('source = "rnn.step"', 'source = "rnn.stepp"'), 28, "rnn.step"),
        (replaced('source = "rnn.step"', 'source = "rnnn"'), 28, "rnn"),
        (replaced('source = "rnn.step"', 'sauce = "rnn"'), 28, "sauce: expected one of say, run"),
        (replaced('source = "rnn.step"', ""), 27, "[[step]]: expected one of say, run, ask"),
        (
            replaced('source = "rnn.step"', 'source = "rnn"\nsay = "x"'),
            27,
            "source: expected one of",
        ),
        (replaced('"T"', '"T" x'), 1, "a line for each key"),
        (replaced("minutes = 5", "minutes = 5 6"), 3, "a line for each key"),
        (replaced('"A."', '"\u2028"') + "a =", 29, 'a text in "quotes"'),
        (replaced('source = "rnn.step"', "source = 3"), 28, "source: expected a text"),
        (replaced('source = "rnn.step"', "source = "), 28, 'expected a text in "quotes"'),
        (replaced('source = "rnn.step"', 'source = "rnn'), 28, '"""'),
        (replaced('source = "rnn.step"', "source = rnn"), 28, 'a text in "quotes"'),
        (replaced('"T"', '"α \\alpha"'), 1, "''' before and behind"),
        ('title = "T"\n[step]\nsay = "a"\n', 2, "[step]: expected [[step]], in two brackets"),
        (GOOD + '[step]\nsay = "a"\n', 29, "in two brackets"),
        ('title = "T"\n[step]\nsay = "a"\n[step]\n', 4, "in two brackets"),
        ('title = "T"\n[[step]\nsay = "a"', 2, "in two brackets"),
        (GOOD + 'source = "rnn"\n', 29, "every key once"),
        ('title = "a\u2028b"\n', 1, "at least one step"),
        ('title = " "\n', 1, 'a title = "…"'),
        ('title = "T"\n[[step]]\nnote = "only"\n', 3, "a step that follows it"),
        (GOOD + '[[step]]\nnote = "last"\n', 30, "a step that follows it"),
        (replaced('note = "before"', "note = 3"), 6, "note: expected a text"),
        (replaced("minutes = 5", "minutes = -5"), 3, "minutes: expected a number from 0"),
        (replaced("seconds = 40", "seconds = -1"), 19, "seconds: expected a number from 0"),
        (replaced("seconds = 40", "seconds.most = 4"), 19, "seconds: expected a whole number"),
        (replaced("seconds = 40", "[step.seconds]"), 19, "seconds: expected a whole number"),
        (replaced('["so", "not so"]', "[1, 2]"), 23, "choices: expected a list of texts"),
        (replaced('["so", "not so"]', '["so", " "]'), 23, "choices: expected a list of texts"),
        *(
            (replaced("vanish --steps 5", f"vanish {word}"), 17, "own options")
            for word in ("--predict", "--check", "--lang zh", "--color auto", "--width 100")
        ),
        ('title = """\n[[step]]\n"""\n[[step]]\nsay = 3', 5, "say: expected a text"),
        ('title = "T" # "\nstep = [{say = "x"},\n{sai = "x"}]', 2, "say, run, ask, source"),
        ('title = "T"\nstep = 3\n', 2, "step"),
        ('title = "T"\nstep = [3]\n', 2, "a table under [[step]]"),
        ("", 1, "title"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"own.toml, line {line}: ") and told in message, message
    assert "\n" not in message


def test_a_name_that_is_none_is_not_repeated_at_any_length() -> None:
    with pytest.raises(BadInput) as caught:
        script.load("word " * 5000)
    assert len(str(caught.value)) < 300
    with pytest.raises(BadInput, match="try recurrence"):
        script.load("recurence")


def test_a_mark_at_its_beginning_is_no_part_of_a_lecture(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + GOOD).title == "T"


def test_a_large_file_is_refused_and_no_error_is_sought_for_long(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at most 256 kB"):
        load(tmp_path, GOOD + "#" * 300_000)
    many = 'title = "T"\n' + '[[step]]\nsay = """\n]\n"""\n' * 9000
    start = time.process_time()
    with pytest.raises(BadInput, match="line 36003"):
        load(tmp_path, many + '[[step]]\nsai = "x"')
    assert time.process_time() - start < 4


@pytest.mark.parametrize("value", ["5" * 5000, "[" * 3000 + "]" * 3000, "[\n" * 90_000])
def test_what_python_cannot_read_is_told_without_a_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(BadInput, match=r"^own\.toml: too long a number, or too deep a list"):
        load(tmp_path, f"a = {value}")


def test_what_python_says_of_a_text_is_said_in_chinese(tmp_path: Path) -> None:
    for text in ("a = ?", "a", "a = 'x", "\0", "[a", "a = 1\na = 2", "a = [1", "a = 1 2", "a={b=1"):
        with pytest.raises(BadInput) as caught:
            load(tmp_path, text)
        assert caught.value.wrong.partition(": ")[2] in (*script._TOML, "this is no TOML"), text


@given(st.text(max_size=200))
def test_any_text_is_a_lecture_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.mktemp("any") / "own.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput):
        script.load(str(file))


def test_a_file_that_is_none(seqlab, tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name in (
        "nothing",
        str(tmp_path / "no.toml"),
        str(tmp_path),
        str(tmp_path / "binary.toml"),
        "x" * 300 + ".toml",
    ):
        outcome = seqlab("lecture", "show", name)
        assert outcome.status == 2 and outcome.errors.count("\n") == 1, name
        assert outcome.errors.startswith("error: ") and "expected" in outcome.errors


@pytest.mark.parametrize(("language", "title"), [("en", "My lecture"), ("zh", "我的讲座")])
def test_the_template_is_a_lecture_in_either_language(
    seqlab, tmp_path: Path, language: str, title: str
) -> None:
    file = tmp_path / f"{language}.toml"
    assert seqlab("lecture", "new", str(file), "--lang", language).status == 0
    found = script.load(str(file))
    assert found.title == title
    assert [step.kind for step in found.steps] == ["say", "run", "ask", "source"]


def test_the_template_is_a_lecture(seqlab, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    assert seqlab("lecture", "new", str(file)).status == 0
    assert [step.kind for step in script.load(str(file)).steps] == ["say", "run", "ask", "source"]
    again = seqlab("lecture", "new", str(file))
    assert again.status == 2 and "does not exist yet" in again.errors
    assert seqlab("lecture", "new", str(tmp_path / "mine.txt")).status == 2
    capital = str(tmp_path / "OTHER.TOML")
    assert seqlab("lecture", "new", capital).status == 0 and script.load(capital).steps
    assert seqlab("lecture", "new", str(tmp_path / "no" / "mine.toml")).status == 2
