"""unroll: the states against torch, every strange text, and sentences that follow the numbers."""

import io
import json
import unicodedata
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from rich.console import Console
from rich.text import Text

from seqlab.book import rnn
from seqlab.lab import BadInput, unroll

CELLS = ["rnn", "lstm", "gru"]
MODULES: dict[str, Any] = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
FOX = "the quick brown fox jumps over the lazy dog "
TEXTS = {
    "default": "hello world",
    "chinese": "权重在所有时间步中是共享的。",
    "long chinese": "循环网络在时间上共享权重,卷积在空间上共享权重。" * 9,
    "emoji": "👩‍👩‍👧 👍🏽 ❤️ 🇨🇳 ok",
    "rtl": "שלום עולם \u202eabc\u2066",
    "markup": "[/b][red]x[/x]",
    "escape": "a\x1b[31mred\x1b]0;title\x07b\x9bm",
    "nul": "a\0b",
    "marks": "e\u0301\u0301 \u0301 a\u20dd",
    "surrogate": "a\ud800\udcffb",
    "spaces": "  \t\n\r\u2028 ",
    "one": "a",
    "private": "\ue000\U0010ffff\u0378",
    "medium": "x" * 59,
    "pooled": FOX * 10,
}  # fmt: skip


def torch_states(result: unroll.Unroll, text: str) -> Any:
    """The states of one text by a torch module with the same weights, in one go."""
    d = result.hidden
    p = unroll._Network(result.cell, d, result.radius, result.forget_bias, result.seed).draw()
    module = MODULES[result.cell](d, d, dtype=torch.float64)
    b_x, b_h = (p.b_x, p.b_h) if result.cell == "gru" else (p.b, 0 * p.b)
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.tensor(p.W_x.T))
        module.weight_hh_l0.copy_(torch.tensor(p.W_h.T))
        module.bias_ih_l0.copy_(torch.tensor(b_x))
        module.bias_hh_l0.copy_(torch.tensor(b_h))
        xs = [np.random.default_rng([result.seed, ord(c)]).normal(size=d) for c in text]
        return module(torch.tensor(np.array(xs)))[0].numpy()


# The numbers


def test_json_contract(seqlab: Run) -> None:
    document = seqlab("unroll", "--json").json
    result = document["result"]
    assert list(result) == [
        "text", "other", "change", "cell", "hidden", "radius", "forget_bias", "seed", "length",
        "parameters", "checksums", "checksum_readings", "moved", "left", "rate", "half_life",
        "merged", "distance", "compared", "states",
    ]  # fmt: skip
    assert (result["text"], result["other"]) == ("hello world", "xello world")
    assert (result["cell"], result["hidden"], result["length"]) == ("rnn", 16, 11)
    assert np.array(result["states"]).shape == (11, 16)
    assert len(result["distance"]) == 11
    assert len(result["checksums"]) == 1 and result["checksum_readings"] == 11
    assert len(result["checksums"][0]) == 8 and int(result["checksums"][0], 16) >= 0
    assert result["left"] == pytest.approx(result["distance"][-1] / result["distance"][0])
    assert result["half_life"] == pytest.approx(np.log(0.5) / np.log(result["rate"]))
    assert result["merged"] is None and result["compared"] is None
    parameters = result["parameters"]
    assert (parameters["cell"], parameters["own_weights_per_step"]) == (528, 5808)
    assert parameters["convolution"] == 784
    assert parameters["lengths"] == [1, 10, 11, 100, 110, 1000, 1100, 10_000]
    assert parameters["by_length"]["cell"] == [528] * 8
    assert parameters["by_length"]["own_weights_per_step"][-1] == 5_280_000
    assert document["options"] == {
        "text": "hello world", "cell": "rnn", "hidden": 16, "change": 1, "to": None,
        "radius": 0.9, "forget_bias": 1.0, "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("change", [1, 5, 11])
def test_states_and_distances_are_those_of_two_runs_of_torch(cell: Any, change: int) -> None:
    result = unroll.run(cell=cell, change=change, radius=1.3, hidden=7, forget_bias=0.3, seed=4)
    ours, other = torch_states(result, result.text), torch_states(result, result.other)
    np.testing.assert_allclose(result.states, ours, rtol=1e-9, atol=1e-12)
    distance = np.linalg.norm(ours - other, axis=1)
    np.testing.assert_allclose(result.distance, distance, rtol=1e-9, atol=1e-12)
    if result.compared is not None:
        plain = unroll.run(change=change, radius=1.3, hidden=7, seed=4)
        np.testing.assert_array_equal(result.compared.distance, plain.distance)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("hidden", [1, 2, 5, 16, 33, 100])
def test_the_distance_is_zero_until_the_change(cell: Any, hidden: int) -> None:
    result = unroll.run(FOX, cell=cell, hidden=hidden, change=20)
    assert not result.distance[:19].any()
    assert result.distance[19] > 0


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("hidden", [3, 16])
def test_parameters_are_those_of_torch_modules(cell: Any, hidden: int) -> None:
    """torch's RNN and LSTM have a second bias, which the page adds to the first: not counted."""
    found = unroll.run("ab" * 6, cell=cell, hidden=hidden).parameters
    module = MODULES[cell](hidden, hidden)
    unused = 0 if cell == "gru" else module.bias_hh_l0.numel()
    count = sum(q.numel() for q in module.parameters()) - unused
    convolution = sum(q.numel() for q in torch.nn.Conv1d(hidden, hidden, 3).parameters())
    assert (found.cell, found.own_weights_per_step) == (count, 12 * count)
    assert found.convolution == convolution
    formula = found.formulas["cell"].replace("d²", "*d*d").replace("d ", "d ")
    formula = formula.replace("4d", "4*d").replace("6d", "6*d")
    assert eval(formula, {"d": hidden}) == count
    assert found.formulas["own_weights_per_step"] == f"T ({found.formulas['cell']})"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("radius", [0.9, 4.0])
def test_the_check_passes_even_in_chaos(cell: Any, radius: float) -> None:
    (check,) = unroll.check(FOX * 60, cell=cell, radius=radius, hidden=5)  # more than one chunk
    assert check.passed and check.error < 1e-12


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    right, calls = rnn.step, iter(range(100))

    def wrong(*arguments: Any) -> Any:
        late = next(calls) == 7  # one step of eleven
        return rnn.State(right(*arguments).h * (1 + 1e-6 * late))

    monkeypatch.setattr(rnn, "step", wrong)
    assert not unroll.check()[0].passed


def test_a_character_is_the_same_vector_in_every_text() -> None:
    long, short, other = unroll.run("hello world"), unroll.run("hello"), unroll.run("hold")
    np.testing.assert_array_equal(long.states[:5], short.states)
    np.testing.assert_array_equal(long.states[0], other.states[0])
    assert not np.array_equal(long.states, unroll.run("hello world", seed=1).states)


def test_the_checksum_is_of_all_the_parameters() -> None:
    result = unroll.run(cell="gru", seed=9)
    p = unroll._Network("gru", 16, 0.9, 1.0, 9).draw()
    assert result.checksums == [f"{zlib.crc32(b''.join(a.tobytes() for a in p)):08x}"]
    assert result.checksums != unroll.run(cell="gru", seed=8).checksums


def test_the_radius_is_that_of_the_recurrent_matrix() -> None:
    W = unroll.run(radius=1.7).W_h
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(1.7)
    blocks = np.split(unroll.run(cell="lstm", radius=1.7, hidden=400).W_h, 4, axis=1)
    for block in blocks:
        assert np.abs(np.linalg.eigvals(block)).max() == pytest.approx(1.7, rel=0.1)


def test_two_processes_worth_of_runs_are_the_same_bytes(seqlab: Run) -> None:
    runs = [seqlab("unroll", "你好", "--cell", "gru", "--json").text for _ in range(2)]
    assert runs[0] == runs[1]


def test_long_texts(seqlab: Run) -> None:
    words = " ".join(f"w{i * i}" for i in range(5000))
    result = seqlab("unroll", "-", "--json", stdin=words.encode() + b"\n").json["result"]
    assert result["text"] == words  # without the line break at the end
    assert result["length"] == len(words) == len(result["distance"]) > 30_000
    assert len(result["states"]) == unroll.STATES_IN_JSON
    screen = seqlab("unroll", "-", stdin=words.encode())
    assert f"{len(words):,} characters" in screen.text
    assert f"{-(-len(words) // 60):,} to a column" in screen.text
    assert len(screen.text.splitlines()) <= 40
    given = seqlab("unroll", words, "--radius", "2")
    assert len(given.text.splitlines()) <= 42 and "--radius 2 · seed 0" in given.text


def test_a_watch_is_told_of_both_runs() -> None:
    told: list[tuple[float, str]] = []
    unroll.run(
        "ab" * 1000, cell="gru", hidden=2, watch=lambda done, doing: told.append((done, doing))
    )
    shares = [done for done, _doing in told]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1
    assert list(dict.fromkeys(doing for _done, doing in told)) == ["GRU", "tanh RNN"]


# Texts, good and bad


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("width", [40, 60, 100, 300])
def test_any_text_is_drawn_within_the_screen(seqlab: Run, name: str, width: int) -> None:
    for options in ([], ["--cell", "lstm", "--detail"]):
        outcome = seqlab("unroll", *options, "--", TEXTS[name], width=width)
        assert outcome.status == 0, outcome.errors
        assert outcome.widest <= width
        forbidden = [c for c in outcome.text if c != "\n" and unicodedata.category(c)[0] == "C"]
        assert not forbidden
        assert outcome.errors == ""


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_in_ascii_and_json(seqlab: Run, name: str) -> None:
    assert seqlab("unroll", "--ascii", "--", TEXTS[name]).text.isascii()
    outcome = seqlab("unroll", "--json", "--", TEXTS[name])
    assert outcome.json["result"]["length"] == len(TEXTS[name])
    assert outcome.json["result"]["text"] == TEXTS[name].encode("utf-8", "replace").decode()
    assert not set(outcome.text) & set("\x1b\x07\x9b\0\u202e\u2066")


def test_the_first_screen(seqlab: Run) -> None:
    for cell in CELLS:
        text = seqlab("unroll", "--cell", cell).text
        assert len(text.splitlines()) <= 40
        crc = unroll.run(cell=cell).checksums[0]  # type: ignore[arg-type]
        assert f"CRC-32 {crc} … {crc}" in text
        assert " ".join([crc[:4]] * 11) in text  # under every character
        assert "h    e    l    l    o         w    o    r    l    d" in text


def test_colour_is_asked_of_the_console() -> None:
    console = Console(width=100, color_system="truecolor", force_terminal=True)
    with console.capture() as capture:
        console.print(unroll.run())
    shown = Text.from_ansi(capture.get())
    assert "One cell: 528 weights" in shown.plain
    assert "48;2;" in capture.get()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([""], "text is empty"),
        (["abc", "--change", "4"], "--change 4: expected 1 to 3"),
        (["a", "--change", "2"], "--change 2: expected 1"),
        (["abc", "--change", "0"], "--change"),
        (["abc", "--to", "xy"], "--to 'xy': 2 characters"),
        (["abc", "--to", ""], "--to '': 0 characters"),
        (["abc", "--to", "a"], "another than character 1"),
        (["abc", "--to", "\x1b[31m"], "--to '\\x1b[31m'"),
        (["abc", "--cell", "elman"], "--cell"),
        (["abc", "--hidden", "0"], "--hidden"),
        (["abc", "--hidden", "1025"], "--hidden"),
        (["abc", "--radius", "nan"], "--radius"),
        (["abc", "--radius", "-1"], "--radius"),
        (["abc", "--forget-bias", "1e9"], "--forget-bias"),
        (["abc", "--seed", "-1"], "--seed"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(seqlab: Run, arguments: list[str], said: str) -> None:
    outcome = seqlab("unroll", *arguments)
    assert outcome.status == 2
    assert outcome.text == ""
    assert outcome.errors.startswith("error: ") and outcome.errors.count("\n") == 1
    assert said in outcome.errors and "try" in outcome.errors
    assert "\x1b" not in outcome.errors


def test_empty_standard_input_is_refused(seqlab: Run) -> None:
    assert seqlab("unroll", "-").status == 2
    assert seqlab("unroll", "-", stdin=b"\n").status == 2
    assert seqlab("unroll", "-", stdin=b"\xff").status == 0


def test_the_api_refuses_too() -> None:
    for options in ({"cell": "elman"}, {"hidden": 0}, {"radius": float("nan")}, {"seed": -1}):
        with pytest.raises(BadInput):
            unroll.run("abc", **options)  # type: ignore[arg-type]


def test_the_second_text(seqlab: Run) -> None:
    assert unroll.run("xa").other == "oa"
    assert unroll.run("abc", change=3).other == "abx"
    assert unroll.run("abc", change=2, to="好").other == "a好c"
    dash = seqlab("unroll", "abc", "--to", "-", "--json", stdin=b"never read")
    assert dash.json["result"]["other"] == "-bc"


# The sentences


def memory_sentence(**options: Any) -> str:
    return unroll.takeaways(unroll.run(**options))[2]


def test_the_memory_sentence_follows_the_run() -> None:
    long = FOX * 15
    assert "drift together" in memory_sentence()
    assert "still shows" in memory_sentence(change=10)
    assert "is the last" in memory_sentence(change=11)
    assert "is the last" in memory_sentence(text="a")
    assert "stay apart: " in memory_sentence(text=long, radius=3.0)
    assert "at once: from character 3 on" in memory_sentence(change=2, radius=0.0)
    merged = unroll.run(long, radius=0.5)
    assert merged.merged is not None and 20 < merged.merged < 200
    assert merged.distance[merged.merged - 2] > 0
    assert not merged.distance[merged.merged - 1 :].any()
    assert f"from character {merged.merged} on" in unroll.takeaways(merged)[2]
    nothing = replace(merged, left=None, rate=None, half_life=None, merged=None)
    assert "as it was" in unroll.takeaways(nothing)[2]


def test_no_trace_is_no_memory() -> None:
    memory = unroll._memory("rnn", np.zeros(5), 2)
    assert (memory.left, memory.rate, memory.half_life, memory.merged) == (None,) * 4


def test_the_rate_is_fitted_to_what_rounding_leaves_alone() -> None:
    distance = np.r_[0, 0, 3 * 0.5 ** np.arange(80)]
    distance[45:] = 3e-14 * (1 + np.arange(37) % 3)  # rounding noise
    memory = unroll._memory("rnn", distance, 3)
    assert memory.rate == pytest.approx(0.5, rel=1e-9)
    assert memory.half_life == pytest.approx(1)
    growing = unroll._memory("rnn", 1.1 ** np.arange(30.0), 1)
    assert growing.rate == pytest.approx(1.1) and growing.half_life is None
    gone = unroll._memory("rnn", np.array([0, 2.0, 0, 0]), 2)
    assert (gone.rate, gone.half_life, gone.merged, gone.left) == (0, 0, 3, 0)


def test_the_comparison_with_the_plain_cell() -> None:
    def last(**options: Any) -> str:
        return unroll.takeaways(unroll.run(FOX, **options))[-1]

    assert "The LSTM remembers" in last(cell="lstm")
    assert "The LSTM forgets faster" in last(cell="lstm", forget_bias=-3.0)
    assert "share of the first" in last(cell="gru", radius=0.0)
    assert len(unroll.takeaways(unroll.run(FOX))) == 3  # the tanh RNN is not compared with itself
    longer = unroll.run(FOX, cell="lstm", forget_bias=5.0)
    assert longer.half_life is not None and longer.compared is not None
    assert longer.compared.half_life is not None
    assert longer.half_life > 5 * longer.compared.half_life


def test_the_price_sentence_follows_the_length() -> None:
    assert "saves nothing (528 numbers either way)" in unroll.takeaways(unroll.run("a"))[1]
    sentence = unroll.takeaways(unroll.run("ab" * 50, cell="lstm"))[1]
    assert "211,200 numbers, and 2,112,000 for ten times" in sentence
    assert "keeps 2,112" in sentence and "convolution (784)" in sentence


def test_weights_that_change_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    right, calls = rnn.step, iter(range(100))

    def wrong(p: Any, *arguments: Any) -> Any:
        if next(calls) == 5:
            p.W_h[0, 0] += 1e-9
        return right(p, *arguments)

    assert "the weights in none (CRC-32" in unroll.takeaways(unroll.run())[0]
    monkeypatch.setattr(rnn, "step", wrong)
    result = unroll.run()
    assert len(result.checksums) == 2
    assert "the weights changed too: 2 checksums" in unroll.takeaways(result)[0]


def test_a_state_that_rests_is_counted() -> None:
    result = unroll.run("a" * 300, radius=0.0)
    assert result.moved == 1
    assert "The state changed in 1 of 300 steps," in unroll.takeaways(result)[0]


def test_checksums_are_thinned_out_where_they_would_cost_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unroll, "_CHECKSUM_BYTES", 30_000)
    result = unroll.run("hello world " * 3)
    assert 2 <= result.checksum_readings < 20
    assert f"at all {result.checksum_readings} readings" in unroll.takeaways(result)[0]
    console = Console(width=100, file=io.StringIO())
    console.print(result)


def test_the_question_has_the_measured_answer() -> None:
    cases = [("hello world", 0.9, 2), (FOX * 5, 0.9, 3), (FOX * 5, 3.0, 0), ("hey", 0.9, 1)]
    for text, radius, answer in cases:
        result = unroll.run(text, radius=radius)
        question = unroll.question(result)
        assert result.left is not None
        assert question.answer == answer == int(np.searchsorted(
            [-1, -1e-1, -1e-6], -result.left, side="right" if result.left < 1e-6 else "left"
        )), (text, radius, result.left)  # fmt: skip
        assert len(question.choices) == 4
        assert f"{len(text) - 1} characters before the end" in question.text
        assert question.why == unroll.takeaways(result)[2]


def test_json_is_plain() -> None:
    from seqlab.emit import plain

    document = json.dumps(plain(unroll.run(cell="lstm")), allow_nan=False)
    assert "trace" not in json.loads(document) and "W_h" not in json.loads(document)
