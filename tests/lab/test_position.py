"""position: networks against torch.nn, training against a loop of one, sentences from numbers."""

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Run
from rich.console import Console

from seqlab import tasks, train, trees
from seqlab.book import positions
from seqlab.lab import BadInput, position

ALL = list(position.ENCODINGS)
SMALL: dict[str, Any] = {
    "length": 4, "beyond": 7, "steps": 3, "seeds": 2, "d_model": 8, "heads": 2, "layers": 2,
}  # fmt: skip
FEW = [word for name, n in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(n))]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # as the command has it


def options(**changes: Any) -> position._Options:
    return position._Options(**{"encodings": ALL, **SMALL, "seed": 0, **changes})


def redrawn(o: position._Options, encoding: str) -> position.Reader:
    """A network of which no parameter is as it is drawn: no bias 0, no norm 1."""
    rng = np.random.default_rng(5)
    return trees.convert(lambda x: rng.normal(0, 0.6, x.shape), o.network(encoding, 0))


# The network


def encoder_layer(p: Any, d: int, h: int) -> torch.nn.TransformerEncoderLayer:
    layer = torch.nn.TransformerEncoderLayer(
        d, h, 2 * d, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    a, ff = p.attention, p.feed_forward
    state = {
        "self_attn.in_proj_weight": np.concatenate([a.W_q.T, a.W_k.T, a.W_v.T]),
        "self_attn.in_proj_bias": np.concatenate([a.b_q, a.b_k, a.b_v]),
        "self_attn.out_proj.weight": a.W_o.T, "self_attn.out_proj.bias": a.b_o,
        "linear1.weight": ff.W_1.T, "linear1.bias": ff.b_1,
        "linear2.weight": ff.W_2.T, "linear2.bias": ff.b_2,
        "norm1.weight": p.norm_1.weight, "norm1.bias": p.norm_1.bias,
        "norm2.weight": p.norm_2.weight, "norm2.bias": p.norm_2.bias,
    }  # fmt: skip
    layer.load_state_dict({k: torch.tensor(np.ascontiguousarray(v)) for k, v in state.items()})
    return layer


@pytest.mark.parametrize("encoding", ["none", "learned", "sinusoidal", "alibi", "causal"])
def test_the_network_is_torchs(encoding: str) -> None:
    """All but RoPE, which torch.nn does not have; its oracle is that of the check."""
    o = options(d_model=12, heads=3)
    p, b, t, h = redrawn(o, encoding), 3, 6, 3
    tokens = np.random.default_rng(1).integers(0, 11, (b, t))
    x = p.embed[tokens]
    place = np.arange(t)
    if encoding == "learned":
        assert p.pos is not None
        x = x + p.pos[:t]
    if encoding == "sinusoidal":
        angle = place[:, None] / 10000 ** (2 * np.arange(6) / 12)
        x[..., 0::2] += np.sin(angle)
        x[..., 1::2] += np.cos(angle)
    mask = torch.zeros(b * h, t, t, dtype=torch.float64)
    if encoding == "alibi":
        slopes = 2.0 ** (-8 * (np.arange(h) + 1) / h)
        bias = -slopes[:, None, None] * abs(place[:, None] - place[None])
        mask += torch.tensor(np.tile(bias, (b, 1, 1)))
    if encoding == "causal":
        mask += torch.triu(torch.full((t, t), -torch.inf, dtype=torch.float64), 1)
    y = torch.tensor(x)
    for block in p.blocks:
        y = encoder_layer(block, 12, h)(y, src_mask=mask)
    states = position.read(p, tokens, encoding, h).states
    np.testing.assert_allclose(states[-1], y.detach().numpy(), rtol=1e-9, atol=1e-9)
    last = F.layer_norm(y[:, -1], (12,), *(torch.tensor(v) for v in p.norm)) @ torch.tensor(p.W)
    ours = position.answer(p, tokens, encoding, h)
    np.testing.assert_allclose(ours, last.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("encoding", ALL)
def test_the_oracle_of_the_check_agrees_with_all_parameters_redrawn(encoding: str) -> None:
    o = options(d_model=12, heads=3)
    p = redrawn(o, encoding)
    tokens = np.random.default_rng(1).integers(0, 11, (3, 6))
    oracle = position._in_torch(trees.convert(torch.tensor, p), torch.tensor(tokens), encoding, 3)
    ours = position.answer(p, tokens, encoding, 3)
    np.testing.assert_allclose(ours, oracle.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("changes", [{}, {"train": False}, {"heads": 1, "layers": 1}])
def test_the_check_passes(changes: dict[str, Any]) -> None:
    checks = position.check(**{**SMALL, **changes})
    assert len(checks) == 1 + len(ALL)
    for check in checks:
        assert check.passed and check.error < 1e-12, check


@pytest.mark.parametrize(
    ("part", "wrong", "failing"),
    [
        ("rotary", lambda x: positions.rotary(x, base=9999.0), "RoPE"),
        ("alibi", lambda t, h: positions.alibi(t, h) * (1 + 1e-6), "ALiBi"),
        ("sinusoidal", lambda t, d: positions.sinusoidal(t, d) * np.nan, "sinusoidal"),
        ("shift", lambda k, d: positions.shift(k, d).T, "M_k"),
    ],
)
def test_the_check_can_fail(
    part: str, wrong: Any, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = type("Pages", (), {n: staticmethod(getattr(positions, n)) for n in dir(positions)})
    setattr(pages, part, staticmethod(wrong))
    monkeypatch.setattr(position, "positions", pages)
    checks = position.check(**SMALL, train=False)
    assert [c.name.split(":")[0].split(" ")[0] for c in checks if not c.passed] == [failing]


# The algebra


def test_who_sees_an_order_and_who_a_place() -> None:
    result = position.run(train=False)
    by = {a.encoding: a for a in result.algebra}
    assert by["none"].permuted < 1e-12
    assert all(by[name].permuted > 0.1 for name in ALL if name != "none")
    assert all(by[name].moved > 0.1 for name in ("learned", "sinusoidal"))
    assert all(by[name].moved < 1e-12 for name in ("none", "rope", "alibi", "causal"))
    assert [s.k for s in result.shift] == [1, 12, 48]
    assert all(0 < s.error < 1e-12 for s in result.shift)


def test_a_wrong_shift_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    right = positions.shift
    monkeypatch.setattr(positions, "shift", lambda k, d: right(k + 1, d))
    assert position.run(train=False, **SMALL).shift[0].error > 0.1


@pytest.mark.parametrize("encoding", ["none", "rope"])
def test_the_permutation_against_torchs_attention(encoding: str) -> None:
    """Outputs of permuted tokens by the oracle: the class token's answer as well."""
    o = options(d_model=12, heads=3, length=6)
    p = redrawn(o, encoding)
    tokens = np.append(np.arange(6), position._END)
    order = np.array([3, 1, 5, 0, 4, 2, 6])
    answers = position._in_torch(
        trees.convert(torch.tensor, p), torch.tensor(np.stack([tokens, tokens[order]])), encoding, 3
    )
    difference = float((answers[0] - answers[1]).abs().max())
    assert difference < 1e-12 if encoding == "none" else difference > 1e-3


def test_products_against_distance() -> None:
    result = position.run(train=False, beyond=20, d_model=8, heads=2)
    by = {(p.encoding, p.of, p.head): p for p in result.products}
    assert set(by) == {
        ("sinusoidal", "positions", 0), ("sinusoidal", "layer", 0), ("rope", "positions", 0),
        ("rope", "layer", 0), ("alibi", "positions", 0), ("alibi", "positions", 1),
    }  # fmt: skip
    k = np.arange(21)
    cosines = np.cos(k[:, None] / 10000 ** (np.arange(4) / 4)).sum(-1) / np.sqrt(8)
    turned = 2 * np.cos(k[:, None] / 10000 ** (np.arange(2) / 2)).sum(-1) / np.sqrt(4)
    for product, oracle in [
        (by["sinusoidal", "positions", 0], cosines), (by["rope", "positions", 0], turned),
        (by["alibi", "positions", 0], -k / 16), (by["alibi", "positions", 1], -k / 256),
    ]:  # fmt: skip
        for line in (product.mean, product.low, product.high):
            np.testing.assert_allclose(line, oracle, rtol=0, atol=1e-12)
    layer = by["sinusoidal", "layer", 0]
    assert np.max(layer.high - layer.low) > 0.1 and np.all(layer.low <= layer.mean)
    assert np.max(by["rope", "layer", 0].high - by["rope", "layer", 0].low) < 1e-12


def test_the_first_layers_scores_are_those_of_torch() -> None:
    o = options(d_model=8, heads=2, beyond=5)
    p = o.network("sinusoidal", 0)
    x = torch.tensor(p.embed[[0] * 6] + positions.sinusoidal(6, 8))
    y = F.layer_norm(x, (8,))
    a = p.blocks[0].attention
    for head in range(2):
        columns = slice(4 * head, 4 * head + 4)
        q, k = y @ torch.tensor(a.W_q[:, columns]), y @ torch.tensor(a.W_k[:, columns])
        oracle = (q @ k.T / 2).numpy()
        np.testing.assert_allclose(position._scores(o, "sinusoidal")[head], oracle, atol=1e-9)


def test_pictures_of_the_encodings() -> None:
    result = position.run(train=False, **SMALL)
    codes = {c.encoding: c for c in result.codes}
    assert set(codes) == {"learned", "sinusoidal", "rope", "alibi"}
    np.testing.assert_array_equal(codes["learned"].values, options().network("learned", 0).pos)
    np.testing.assert_array_equal(codes["sinusoidal"].values, positions.sinusoidal(8, 8))
    np.testing.assert_array_equal(codes["alibi"].values, positions.alibi(8, 2)[0])
    angle = np.arange(8)[:, None] / np.array([1.0, 100.0])
    np.testing.assert_allclose(codes["rope"].values[:, 0::2], np.cos(angle), atol=1e-12)
    np.testing.assert_allclose(codes["rope"].values[:, 1::2], np.sin(angle), atol=1e-12)
    assert not any(c.trained for c in result.codes)


# Training


@pytest.mark.parametrize("encoding", ["learned", "rope"])
def test_side_by_side_each_network_descends_as_if_alone(encoding: str) -> None:
    """The stacked training against a loop over one network, with the oracle's forward pass."""
    o = options(seeds=3, steps=6)
    together = position._Trainer(o, "cpu", None).fit(encoding, o.steps)
    for s in range(3):
        p = train.trainable(o.network(encoding, s), dtype=torch.float64)
        tensors = [x for _, x in trees.leaves(p)]
        optimiser = torch.optim.Adam(tensors, lr=position._RATE, betas=position._BETAS)
        lengths = np.random.default_rng([0, position._LENGTHS])
        data = np.random.default_rng([0, s, position._DATA])
        for step in range(6):
            t = int(lengths.integers(2, 5))
            tokens, first = tasks.order(data, position._BATCH, t, position._SYMBOLS)
            closed = torch.tensor(np.concatenate([tokens, np.full((len(tokens), 1), 10)], 1))
            loss = F.cross_entropy(position._in_torch(p, closed, encoding, 2), torch.tensor(first))
            for group in optimiser.param_groups:
                group["lr"] = position._RATE * (1 + np.cos(np.pi * max(0, step - 1) / 5)) / 2
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        for (name, ours), theirs in zip(trees.leaves(together), tensors, strict=True):
            difference = (ours[s].detach() - theirs.detach()).abs()
            # where a gradient is all rounding Adam's step is too: a key's bias changes nothing
            if not name.endswith("b_k"):
                assert float(difference.max()) < 2e-3, name
                assert float(difference.mean()) < 1e-4, name


@pytest.mark.parametrize("encoding", ["learned", "rope", "causal"])
def test_accuracy_is_the_share_of_right_answers(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row by row, in NumPy; the rows in pieces as for networks too large for memory."""
    o = options(beyond=6)
    networks = [o.network(encoding, s) for s in range(2)]
    trainer = position._Trainer(o, "cpu", None)
    p = train.trainable(trees.stack(networks))
    whole = trainer.examine(p, encoding)
    monkeypatch.setattr(position, "_NUMBERS", 3000)
    np.testing.assert_array_equal(trainer.examine(p, encoding), whole)
    rng = np.random.default_rng([0, position._EXAM])
    for i, t in enumerate(o.lengths):
        tokens, first = tasks.order(rng, 200, t, 10)
        for s in range(2):
            answers = [position.answer(networks[s], np.append(r, 10), encoding, 2) for r in tokens]
            share = np.mean(np.argmax(answers, -1) == first)
            assert whole[s, i] == pytest.approx(share, abs=0.006)  # float32 may tip one


def test_a_causal_mask_learns_and_none_does_not() -> None:
    result = position.run(encodings="none,causal", steps=60, seeds=2, beyond=24, device="cpu")
    none, causal = result.training
    assert causal.worst.min() > 0.95 and causal.holds == 24
    assert np.abs(none.accuracy - 0.5).max() < 0.15 and none.holds is None
    assert causal.loss[-1] < 0.1 < 0.6 < none.loss[-1]
    assert len(causal.loss) == 60


def test_nothing_depends_on_the_company() -> None:
    together = position.run(**SMALL, device="cpu")
    alone = position.run(**{**SMALL, "encodings": "rope"}, device="cpu")
    rope = together.trained("rope")
    assert rope is not None and rope.loss == alone.training[0].loss
    np.testing.assert_array_equal(rope.accuracy, alone.training[0].accuracy)
    one, two = (options(seeds=n) for n in (1, 2))
    first = position._Trainer(one, "cpu", None).fit("rope", 3)
    second = position._Trainer(two, "cpu", None).fit("rope", 3)
    for (_, a), (_, b) in zip(trees.leaves(first), trees.leaves(second), strict=True):
        torch.testing.assert_close(a[0], b[0], rtol=0, atol=1e-4)


def test_rows_beyond_the_trained_lengths_stay_as_drawn() -> None:
    result = position.run(**{**SMALL, "steps": 12, "encodings": "learned"}, device="cpu")
    (code,) = result.codes
    drawn = options().network("learned", 0).pos
    assert drawn is not None and code.trained and code.values.shape == (8, 8)
    np.testing.assert_allclose(code.values[5:], drawn[5:], atol=1e-7)  # 0 to 3, and the end at 4
    assert np.all(np.abs(code.values[:5] - drawn[:5]).max(-1) > 1e-3)


def test_one_that_fails_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    right = position._Trainer.fit

    def broken(self: Any, encoding: str, steps: int) -> Any:
        if encoding == "none":
            raise MemoryError("too large")
        return right(self, encoding, steps)

    monkeypatch.setattr(position._Trainer, "fit", broken)
    before = threading.active_count()
    with pytest.raises(MemoryError, match="too large"):
        position.run(**{**SMALL, "encodings": "rope,none", "steps": 10000}, device="cpu")
    assert threading.active_count() == before


def test_an_interruption_ends_the_training() -> None:
    def watch(done: float, doing: str, view: Any = None, /) -> None:
        if done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        position.run(**{**SMALL, "steps": 10000}, device="cpu", watch=watch)


def test_ctrl_c_shows_what_there_is(seqlab: Run, stop_at_view: Callable[[int], None]) -> None:
    stop_at_view(2)
    outcome = seqlab("position", "--encodings", "none,rope", "--steps", "5000", "--json")
    assert outcome.status == 130
    result = outcome.json["result"]
    assert result["stopped"] and [t["encoding"] for t in result["training"]] == ["none", "rope"]
    assert all(0 < len(t["loss"]) < 5000 and t["accuracy"] for t in result["training"])


def test_progress_rises_and_shows_the_losses() -> None:
    told: list[float] = []
    views: list[Any] = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        assert doing
        told.append(done)
        views.append(view)

    position.run(**{**SMALL, "steps": 60}, encodings="causal", device="cpu", watch=watch)
    assert told == sorted(told) and told[0] >= 0 and told[-1] <= 1
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(views[-1]() if views[-1] is not None else position._losses({"causal": []}))
    assert capture.get().strip()


# The sentences


@pytest.fixture(scope="module")
def usual() -> position.Position:
    """A result of real shapes, whose accuracies the tests set."""
    return position.run(**{**SMALL, "seeds": 3}, device="cpu")


def with_accuracy(result: position.Position, **shares: Any) -> position.Position:
    """The result as if each network had answered so, at all lengths or length by length."""
    training = []
    for t in result.training:
        if t.encoding in shares:
            given = np.broadcast_to(np.array(shares[t.encoding], float), t.accuracy.shape).copy()
            holds = position._holds(given, result.lengths)
            training.append(replace(t, accuracy=given, holds=holds))
    names = [t.encoding for t in training]
    algebra = [a for a in result.algebra if a.encoding in names]
    return replace(result, training=training, algebra=algebra, encodings=names)


def test_lengths_inside_and_beyond(usual: position.Position) -> None:
    assert usual.lengths == [2, 3, 4, 5, 6, 7] and usual.shortest == 2
    assert options(length=12, beyond=48).lengths == [6, 8, 9, 10, 12, 15, 19, 24, 30, 38, 48]
    assert options(length=3, beyond=3).lengths == [2, 3]
    assert usual.at(5) == 3 and usual.at(100) == 5


def test_it_holds_until_any_seed_fails() -> None:
    good = np.full((2, 4), 0.95)
    assert position._holds(good, [2, 4, 8, 16]) == 16
    good[1, 2] = 0.89
    assert position._holds(good, [2, 4, 8, 16]) == 4  # though at 16 both are well again
    good[0, 0] = 0.5
    assert position._holds(good, [2, 4, 8, 16]) is None
    assert position._holds(np.full((1, 1), 0.9), [2]) == 2


def test_sentences_about_no_positions(usual: position.Position) -> None:
    (guessing,) = position.takeaways(with_accuracy(usual, none=0.5))
    assert "it is guessing: 50 % right at 4 tokens; permuted tokens give the same" in guessing
    (spread,) = position.takeaways(with_accuracy(usual, none=[[0.45], [0.5], [0.58]]))
    assert "is guessing: 51 %" in spread and "(45 to 58 in 3 networks)" in spread
    (lucky,) = position.takeaways(with_accuracy(usual, none=[[0.5], [0.5], [0.8]]))
    assert "it is not guessing: 60 %" in lucky
    seen = with_accuracy(usual, none=0.5)
    seen = replace(seen, algebra=[replace(seen.algebra[0], permuted=0.25)])
    assert "permuted tokens change the outputs by 0.25" in position.takeaways(seen)[0]


def test_sentences_about_the_mask(usual: position.Position) -> None:
    def said(shares: Any) -> str:
        (sentence,) = position.takeaways(with_accuracy(usual, causal=shares))
        return sentence

    assert "is enough: at worst 98 % up to 4 tokens, 98 % at 7" in said(0.98)
    fading = said([[1, 0.95, 0.93, 0.9, 0.8, 0.6]] * 3)
    assert "is enough: at worst 93 % up to 4 tokens, 60 % at 7" in fading
    assert "is enough in 2 of 3 networks, up to 4 tokens" in said([[1.0], [0.95], [0.7]])
    assert "is not enough here: at worst 52 % up to 4 tokens" in said([[0.52], [0.6], [0.7]])
    short = replace(usual, beyond=4, lengths=[2, 3, 4])
    cut = [replace(t, accuracy=t.accuracy[:, :3]) for t in short.training]
    (sentence,) = position.takeaways(with_accuracy(replace(short, training=cut), causal=1.0))
    assert sentence.endswith("is enough: at worst 100 % up to 4 tokens.")


def test_the_sentence_about_reach(usual: position.Position) -> None:
    fades = [[1, 1, 1, 0.95, 0.8, 0.7]] * 3
    one = [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [1, 0.8, 1, 1, 1, 1]]
    (text,) = position.takeaways(
        with_accuracy(usual, alibi=0.99, rope=fades, sinusoidal=one, learned=0.6)
    )
    assert text == (
        "Trained to 4 tokens, each of 3 networks answers 90 % and more: ALiBi to 7, the longest"
        " tested; RoPE to 5; sinusoidal to 2; learned at no length."
    )
    alone = replace(with_accuracy(usual, rope=0.99), seeds=1)
    assert "the network answers 90 % and more: RoPE to 7" in position.takeaways(alone)[0]


def test_sentences_without_training() -> None:
    text = " ".join(position.takeaways(position.run(train=False)))
    assert "No positions: permuted tokens give the same outputs" in text
    assert "With learned, sinusoidal, RoPE, ALiBi, causal mask alone the outputs differ" in text
    assert "with RoPE, ALiBi, by up to" in text and "with learned, sinusoidal." in text
    only = position.takeaways(position.run(train=False, encodings="rope"))
    assert len(only) == 1 and only[0].startswith("With RoPE the outputs differ, by")
    assert "at the least" not in only[0]  # of one
    blind = position.takeaways(position.run(train=False, encodings="none"))
    assert len(blind) == 1 and blind[0].startswith("No positions: permuted")


def test_the_question_is_answered_by_the_numbers(usual: position.Position) -> None:
    asked = position.question(with_accuracy(usual, none=0.5, rope=0.7, alibi=0.9, causal=0.88))
    assert asked.choices[asked.answer] == "ALiBi" and "causal mask alone" not in asked.choices
    assert "RoPE 70 %" in asked.why
    other = position.question(with_accuracy(usual, none=0.5, rope=0.95, alibi=0.6))
    assert other.choices[other.answer] == "RoPE" and len(other.choices) == 3
    tie = position.question(with_accuracy(usual, none=0.5, rope=0.52))
    assert tie.text.startswith("No positions: the tokens are permuted") and tie.answer == 0
    order = position.question(position.run(train=False, encodings="rope,none"))
    assert order.answer == 1 and len(order.choices) == 2


# The command


def test_json_contract(seqlab: Run) -> None:
    words = ["position", *FEW, "--device", "cpu", "--json"]
    document = seqlab(*words).json
    assert document["options"] == {
        "encodings": "none,learned,sinusoidal,rope,alibi,causal", "train": True, "device": "cpu",
        "seed": 0, **SMALL,
    }  # fmt: skip
    result = document["result"]
    assert result["encodings"] == ALL and result["device"] == "cpu"
    assert [t["encoding"] for t in result["training"]] == ALL
    for training in result["training"]:
        assert np.shape(training["accuracy"]) == (2, len(result["lengths"]))
        assert len(training["loss"]) == 3 and training["seconds"] > 0
    again = seqlab(*words).json
    for one in (document, again):
        for training in one["result"]["training"]:
            del training["seconds"]
    assert again == document
    other = seqlab(*words, "--seed", "1").json["result"]
    assert other["training"][1]["loss"] != result["training"][1]["loss"]


@pytest.mark.parametrize(
    "words",
    ["", "--no-train", "--detail", "--no-train --detail --encodings alibi", "--seeds 1 --ascii",
     "--encodings causal --beyond 4", "--encodings none,rope --no-train"],
)  # fmt: skip
@pytest.mark.parametrize("width", [100, 60])
def test_the_screen(words: str, width: int, seqlab: Run) -> None:
    outcome = seqlab("position", *FEW, *words.split(), width=width)
    assert outcome.status == 0 and outcome.widest <= width and outcome.errors == ""
    assert "nan" not in outcome.text and "None" not in outcome.text
    assert "How does attention know" in outcome.text
    if width == 100 and "--detail" not in words:
        assert outcome.text.count("\n") <= 40
    if "--ascii" in words:
        assert outcome.text.isascii()


def test_the_title_speaks_of_the_shift_of_sinusoids_only_where_there_are_some(seqlab: Run) -> None:
    assert "PE(p+k)" in seqlab("position", "--no-train").text
    assert "PE(p+k)" not in seqlab("position", "--no-train", "--encodings", "rope").text


def test_without_training_torch_is_not_loaded() -> None:
    code = (
        "import sys; from seqlab.lab import position as p; from rich.console import Console;"
        "Console(width=100).print(p.run(train=False)); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"encodings": "rope,foo"}, "--encodings foo: expected one of none, learned"),
        ({"encodings": " , "}, "--encodings '': expected at least one of none"),
        ({"length": 2}, "--length 2"), ({"length": 129}, "--length 129"),
        ({"beyond": 11}, "--beyond 11: expected at least --length, which is 12; try --beyond 48"),
        ({"beyond": 513}, "--beyond 513"), ({"steps": 0}, "--steps 0"),
        ({"steps": 1.5}, "--steps 1.5: expected a whole number"), ({"seeds": 0}, "--seeds 0"),
        ({"seeds": True}, "--seeds True"), ({"layers": 0}, "--layers 0"), ({"heads": 9}, "--heads"),
        ({"heads": 3}, "--d-model 32 --heads 3: expected an even width for each head"),
        ({"d_model": 2, "heads": 2}, "try --d-model 4"), ({"d_model": 0}, "--d-model 0"),
        ({"seed": -1}, "--seed -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_torch(wrong: dict[str, Any], sentence: str) -> None:
    def told(*_: object) -> None:
        raise AssertionError("it has begun")

    with pytest.raises(BadInput) as problem:
        position.run(**wrong, watch=told)
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


def test_a_device_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match="--device cuda: expected a device"):
        position.run(device="cuda")
    assert position.run(train=False, device="cuda").device is None
