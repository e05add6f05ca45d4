"""mix: who answers whom by hand, steps against torch.nn, sentences that follow the numbers."""

import dataclasses
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from seqlab import train, trees
from seqlab.book import conv, mixer, vit
from seqlab.emit import plain
from seqlab.figures.prose import Takeaways
from seqlab.lab import BadInput, Stopped, mix, mixing
from seqlab.lab.mix import Mix
from seqlab.lab.mixing import Network, Recipe, Training
from seqlab.locale import speak

TINY: dict[str, Any] = {
    "train": True, "tokens": 4, "channels": 6, "hidden": 5, "images": 50, "seeds": 2,
    "train_steps": 3, "batch": 7, "device": "cpu",
}  # fmt: skip
TINY_LINE = [
    "mix", "--train", "--tokens", "4", "--channels", "6", "--hidden", "5", "--images", "50",
    "--seeds", "2", "--train-steps", "3", "--batch", "7", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def default() -> Mix:
    return mix.run()


@pytest.fixture(scope="module")
def tiny() -> Mix:
    return mix.run(**TINY)


def tiny_recipe() -> Recipe:
    options = {name: value for name, value in TINY.items() if name != "device"}
    return mix._Options(**options).checked().recipe()


@pytest.fixture(scope="module")
def trained() -> Mix:
    """A training that is shorter than that of the bars, and long enough for the claims."""
    return mix.run(train=True, quick=True, seeds=2, hidden=32, device="cpu")


def redrawn(tree: Any, seed: int = 0) -> Any:
    """The same parameters at random, biases and norms too."""
    rng = np.random.default_rng(seed)
    return trees.convert(lambda leaf: rng.normal(0, 0.7, leaf.shape), tree)


# The steps against torch.nn, gradients included


@pytest.mark.parametrize(
    "options",
    [{}, {"tokens": 12, "channels": 5, "hidden": 7, "blocks": 3, "seed": 2}, {"tokens": 7}],
)
def test_the_check_holds(options: dict[str, Any]) -> None:
    checks = mix.check(**options)
    assert len(checks) == 12
    for check in checks:
        assert check.passed and check.error < 1e-12, check


def test_the_check_of_a_training_holds() -> None:
    checks = mix.check(**TINY, blocks=2)
    assert [check.name for check in checks] == [
        "trained Mixer and torch", "trained Mixer: gradients and torch",
    ]  # fmt: skip
    assert all(check.error < 1e-12 for check in checks)


@pytest.mark.parametrize("harm", [1 + 1e-6, math.nan])
@pytest.mark.parametrize(
    ("page", "name", "failing"),
    [
        (mixer, "mix_tokens", {"token mixing", "Mixer, 1 block"}),
        (mixer, "mix_channels", {"channel mixing", "Mixer, 1 block"}),
        (mixer, "norm", {"Mixer, 1 block"}),
        (conv, "conv2d", {"3×3 depth-wise", "3×3 convolution"}),
    ],
)
def test_the_check_can_fail(
    monkeypatch: pytest.MonkeyPatch, page: Any, name: str, failing: set[str], harm: float
) -> None:
    right = getattr(page, name)
    monkeypatch.setattr(page, name, lambda *a, **k: right(*a, **k) * harm)
    failed = {check.name.split(" and ")[0] for check in mix.check() if not check.passed}
    assert {text for text in failed if "gradients" not in text} == failing


def test_the_check_of_a_training_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    right = mixer.represent
    monkeypatch.setattr(mixer, "represent", lambda p, x: right(p, x) * (1 + 1e-6))
    assert [check.passed for check in mix.check(**TINY)] == [False, False]


def test_convolutions_of_the_grid_by_loops() -> None:
    rows, columns, d = 3, 4, 5
    p = redrawn(mix.draw(0, rows * columns, d, 6, 1))
    x = np.random.default_rng(1).normal(size=(rows * columns, d))
    whole, own = np.zeros_like(x), np.zeros_like(x)
    for t in range(rows * columns):
        i, j = divmod(t, columns)
        whole[t], own[t] = p.bias, p.depthwise_bias
        for u in (-1, 0, 1):
            for v in (-1, 0, 1):
                if 0 <= i + u < rows and 0 <= j + v < columns:
                    seen = x[(i + u) * columns + j + v]
                    whole[t] += p.kernel[:, :, u + 1, v + 1] @ seen
                    own[t] += p.depthwise[:, 0, u + 1, v + 1] * seen
    np.testing.assert_allclose(mix.apply(p, "convolution", x, columns), whole, atol=1e-12)
    np.testing.assert_allclose(mix.apply(p, "depthwise", x, columns), own, atol=1e-12)


def test_blocks_come_one_after_the_other() -> None:
    p = redrawn(mix.draw(0, 6, 4, 5, 2))
    x = np.random.default_rng(1).normal(size=(6, 4))
    once = mixer.block(p.blocks[0], x)[1]
    expected = mixer.block(p.blocks[1], once)[1]
    np.testing.assert_array_equal(mix.apply(p, "both", x, 3), expected)


# Who answers whom


def test_influence_is_the_change_after_a_nudge(default: Mix) -> None:
    p = mix.draw(0, 16, 8, 32, 1)
    assert default.at == [6, 3] and default.grid == [4, 4] and default.nudge == 1
    x = np.random.default_rng([0, 0]).normal(size=(16, 8))
    np.testing.assert_array_equal(default.x, x)
    nudged = x.copy()
    nudged[5, 2] += 1
    for name in mix.STEPS:
        expected = abs(mix.apply(p, name, nudged, 4) - mix.apply(p, name, x, 4))
        np.testing.assert_array_equal(getattr(default.influence, name), expected)
    np.testing.assert_array_equal(default.u, mixer.block(p.blocks[0], x)[0])
    np.testing.assert_array_equal(default.y, mixer.block(p.blocks[0], x)[1])
    both = abs(mixer.block(p.blocks[0], nudged)[0] - default.u)
    both[5, 2] = abs(nudged[5, 2] + default.influence.normed[5, 2] - x[5, 2])  # past the bypass
    off = np.arange(16 * 8) != 5 * 8 + 2
    np.testing.assert_allclose(default.influence.normed.flat[off], both.flat[off], atol=1e-14)
    squares = default.influence.normed**2
    outside = squares.sum() - sum(squares[t, 2] for t in range(16))
    assert default.leak == pytest.approx(outside / squares.sum())
    assert 0.1 < default.leak < 0.6


@settings(max_examples=30, deadline=None)
@given(
    st.integers(2, 40), st.integers(2, 12), st.integers(4, 20), st.integers(1, 3),
    st.integers(0, 99),
)  # fmt: skip
def test_columns_rows_and_neighbours(
    tokens: int, channels: int, hidden: int, blocks: int, seed: int
) -> None:
    result = mix.run(tokens=tokens, channels=channels, hidden=hidden, blocks=blocks, seed=seed)
    (rows, columns), (t, c) = result.grid, result.at
    assert rows * columns == tokens and rows <= columns
    assert all(tokens % r or r <= rows for r in range(1, math.isqrt(tokens) + 1))
    token, channel = np.arange(tokens)[:, None] == t - 1, np.arange(channels) == c - 1
    changed = {name: getattr(result.influence, name) > 0 for name in mix.STEPS}
    (i, j), place = divmod(t - 1, columns), np.arange(tokens)
    near = np.maximum(abs(place // columns - i), abs(place % columns - j))[:, None] <= 1
    whole = np.ones((tokens, channels), bool)
    np.testing.assert_array_equal(changed["token"], whole & channel)
    np.testing.assert_array_equal(changed["channel"], whole & token)
    np.testing.assert_array_equal(changed["depthwise"], near & channel)
    np.testing.assert_array_equal(changed["convolution"], whole & near)
    assert changed["attention"][:, 0].all()
    orders = {s.name: (s.tokens < 1e-9, s.channels < 1e-9) for s in result.steps}
    assert orders == {
        "token": (False, True), "channel": (True, False), "both": (False, False),
        "attention": (True, False), "depthwise": (False, False), "convolution": (False, False),
    }  # fmt: skip
    assert {s.name for s in result.steps if not s.fits_more} == {"token", "both"}
    f, g = ((2 * hidden + 1) * n + hidden for n in (tokens, channels))
    assert [s.parameters for s in result.steps] == [
        f, g, blocks * (f + g + 4 * channels), 4 * channels * (channels + 1),
        channels * 10, channels * (9 * channels + 1),
    ]  # fmt: skip
    assert [s.answers for s in result.steps] == [int(changed[name].sum()) for name in mix.STEPS]


def test_differences_of_orders_by_hand(default: Mix) -> None:
    p = mix.draw(0, 16, 8, 32, 1)
    rng = np.random.default_rng([0, 10])
    of_tokens, of_channels = ([rng.permutation(n) for _time in range(5)] for n in (16, 8))
    y, off = mix.apply(p, "both", default.x, 4), []
    for order in of_tokens:
        z = mix.apply(p, "both", default.x[order], 4)
        off.append(math.sqrt(((z - y[order]) ** 2).sum() / (y**2).sum()))
    assert default.step("both").tokens == pytest.approx(max(off))
    y, off = mix.apply(p, "depthwise", default.x, 4), []
    for order in of_channels:
        z = mix.apply(p, "depthwise", default.x[:, order], 4)
        off.append(math.sqrt(((z - y[:, order]) ** 2).sum() / (y**2).sum()))
    assert default.step("depthwise").channels == pytest.approx(max(off))


def test_streams_are_independent() -> None:
    """What is compared stays the same whatever the Mixer's own sizes."""
    one, two = mix.draw(0, 16, 8, 32, 1), mix.draw(0, 16, 8, 5, 2)
    np.testing.assert_array_equal(one.attention.W_q, two.attention.W_q)
    np.testing.assert_array_equal(one.kernel, two.kernel)
    assert not np.allclose(one.kernel, mix.draw(1, 16, 8, 32, 1).kernel)
    assert abs(mix.draw(0, 16, 64, 8, 1).kernel.std() * 24 - 1) < 0.02
    assert not np.allclose(mix.run(seed=1).x, mix.run().x)


# A picture


def noise(path: Path, rows: int = 70, columns: int = 100) -> np.ndarray:
    pixels = np.random.default_rng(3).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_the_patches_of_a_picture_are_the_tokens(tmp_path: Path) -> None:
    pixels = noise(tmp_path / "a.png", 48, 64)
    result = mix.run(str(tmp_path / "a.png"), tokens=12, channels=5, seed=4)
    assert result.grid == [3, 4] and result.pixels is not None
    np.testing.assert_array_equal(result.pixels, pixels)
    E = np.random.default_rng([4, 0]).normal(0, 1 / math.sqrt(768), (768, 5))
    for t in range(12):
        i, j = divmod(t, 4)
        patch = pixels[16 * i : 16 * i + 16, 16 * j : 16 * j + 16] / 127.5 - 1
        row = np.moveaxis(patch, 2, 0).reshape(-1) @ E
        np.testing.assert_allclose(result.x[t], row, atol=1e-12)
    assert all(check.passed for check in mix.check(str(tmp_path / "a.png"), tokens=12))


def test_a_picture_on_the_screen_and_in_json(tmp_path: Path, seqlab: Run) -> None:
    noise(tmp_path / "a.png")
    document = seqlab("mix", str(tmp_path / "a.png"), "--json").json
    assert document["result"]["image"] == {
        "path": str(tmp_path / "a.png"), "width": 100, "height": 70, "mode": "RGB", "notes": [],
    }  # fmt: skip
    assert "pixels" not in document["result"]
    for width in (60, 100):
        shown = seqlab("mix", str(tmp_path / "a.png"), width=width)
        assert shown.widest <= width and shown.status == 0
    assert len(shown.text.splitlines()) <= 40
    Image.new("RGBA", (40, 40), (9, 200, 9, 100)).save(tmp_path / "b.png")
    faint = " ".join(seqlab("mix", str(tmp_path / "b.png")).text.split())
    assert "Framed: token 6. (transparent parts shown on white)" in faint


def test_what_becomes_of_a_picture_is_said(tmp_path: Path, seqlab: Run) -> None:
    noise(tmp_path / "a.png")
    text = " ".join(
        seqlab("mix", str(tmp_path / "a.png"), "--channels", "5", width=100).text.split()
    )
    assert (
        "A picture of 100 × 70 pixels, its middle scaled to 64 × 64. A random matrix turns the 768"
        " numbers of each patch of 16 × 16 into its 5 channels. Framed: token 6."
    ) in text
    large = seqlab("mix", str(tmp_path / "a.png"), "--tokens", "64", width=100)
    assert "Framed" not in large.text and "too narrow" not in large.text
    assert len(large.text.splitlines()) <= 40
    strip = seqlab("mix", str(tmp_path / "a.png"), "--tokens", "13")
    assert strip.status == 2 and strip.errors == (
        "error: --tokens 13: expected patches in a grid; these lie in a strip of 1 × 13; try"
        " --tokens 12\n"
    )
    absent = seqlab("mix", str(tmp_path / "nothing at all"))
    assert absent.errors.endswith("try no file at all, for random numbers\n")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "no such file"), (b"", "empty (0 bytes)"), (b"no picture", "a picture")],
)
def test_a_file_that_is_no_picture(
    tmp_path: Path, seqlab: Run, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    outcome = seqlab("mix", str(tmp_path / "a.png"))
    assert outcome.status == 2 and outcome.text == ""
    assert sentence in outcome.errors and outcome.errors.count("\n") == 1


# Networks that lack a half, and orders


def small(seed: int = 0, n: int = 16) -> tuple[mixer.Mixer, np.ndarray]:
    config = mixer.Config(image=8, p=8 // math.isqrt(n), c=1, d=6, layers=2, token=5, channel=7,
                          classes=10)  # fmt: skip
    p = redrawn(mixer.init(config), seed)
    return p, np.random.default_rng(seed).normal(size=(9, n, config.p**2))


def test_both_halves_are_the_page_s_mixer() -> None:
    p, x = small()
    expected = vit.classify(p.head, mixer.represent(p, mixer.read(p, x)[-1]))
    np.testing.assert_allclose(mixing.without(p, x), expected, atol=1e-12)


@pytest.mark.parametrize("part", ["token", "channel"])
def test_a_half_left_out_is_a_half_that_adds_nothing(part: Any) -> None:
    p, x = small()
    blocks = tuple(
        block._replace(**{part: trees.convert(np.zeros_like, getattr(block, part))})
        for block in p.blocks
    )
    np.testing.assert_allclose(
        mixing.without(p, x, part), mixing.without(p._replace(blocks=blocks), x), atol=1e-12
    )
    assert not np.allclose(mixing.without(p, x, part), mixing.without(p, x))


def test_orders() -> None:
    p, x = small()
    order = np.random.default_rng(5).permutation(16)
    usual = mixing.without(p, x)
    assert abs(mixing.without(p, x[:, order]) - usual).max() > 0.1
    np.testing.assert_allclose(
        mixing.without(mixing.reordered(p, order), x[:, order]), usual, atol=1e-12
    )
    assert abs(mixing.without(mixing.reordered(p, order), x) - usual).max() > 0.1
    # b_2 is the same for all channels of a token, and the next layer norm takes it away again
    once, moved = (mixer.block(q.blocks[0], z)[1] for q, z in (
        (p, x @ p.E), (mixing.reordered(p, order), x[:, order] @ p.E),
    ))  # fmt: skip
    np.testing.assert_allclose(moved, once[:, order], atol=1e-12)
    no_token = mixing.without(p, x, "token")
    np.testing.assert_allclose(mixing.without(p, x[:, order], "token"), no_token, atol=1e-12)


def test_the_other_order_is_never_the_usual_one() -> None:
    recipe = tiny_recipe()
    orders = [recipe._replace(seed=s).order(k).tolist() for s in range(40) for k in (0, 1)]
    assert all(sorted(order) == [0, 1, 2, 3] != order for order in orders)
    assert len(set(map(tuple, orders))) > 10


def test_correlations_of_neighbours_by_hand() -> None:
    W = np.random.default_rng(0).normal(size=(6, 9))
    beside, others = [], []
    for i in range(6):
        for j in range(i):
            apart = abs(i // 3 - j // 3) + abs(i % 3 - j % 3)
            (beside if apart == 1 else others).append(np.corrcoef(W[i], W[j])[0, 1])
    found = mixing._neighbours(W, 2, 3)
    assert found == (pytest.approx(np.mean(beside)), pytest.approx(np.mean(others)))
    assert all(map(math.isnan, mixing._neighbours(W[:, :1], 2, 3)))


# Training


def test_networks_of_a_seed_differ_in_what_they_lack_alone() -> None:
    o = tiny_recipe()
    one, two = (mixing.Networks(o, which, torch.device("cpu")) for which in (0, 1))
    first = [leaf.detach().numpy() for _name, leaf in trees.leaves(one.networks["both"])]
    for name in mixing.NETWORKS:
        for a, (_n, b) in zip(first, trees.leaves(one.networks[name]), strict=True):
            np.testing.assert_array_equal(a, b.detach().numpy())
    assert len({int(batch.integers(0, 10**9)) for batch in one.batches.values()}) == 1
    assert not np.array_equal(one.answers, two.answers)
    assert not np.array_equal(one.seen, two.seen)
    held = {image.tobytes() for image in one.unseen.numpy()}
    assert not held & {image.tobytes() for image in one.seen.numpy()}
    x = one.unseen
    assert torch.equal(one.patches(x, "both"), x)
    assert torch.equal(one.patches(x, "both", moved=True), x[:, one.order])
    assert torch.equal(one.patches(x, "reordered"), x[:, one.order])
    assert torch.equal(one.patches(x, "reordered", moved=True), x)


def test_without_a_half_its_parameters_stay_as_they_were() -> None:
    o = tiny_recipe()
    networks = mixing.Networks(o, 0, torch.device("cpu"))
    before = networks.networks["both"].blocks[0].token.W_1.detach().clone()
    moments = list(networks.learn())
    assert [m.step for m in moments] == [0, 1, 2, 3]
    moved = {
        name: not torch.equal(p.blocks[0].token.W_1, before)
        for name, p in networks.networks.items()
    }
    assert moved == {"both": True, "no_token": False, "no_channel": True, "reordered": True}


def test_both_halves_are_needed(trained: Mix) -> None:
    training = trained.training
    assert training is not None and training.step == [100, 100]
    whole, token, channel, fixed = (np.array(n.accuracy) for n in training.networks)
    assert (whole - token > 0.1).all() and (token > 0.2).all() and (channel > 0.4).all()
    found = training.permutation
    assert found.fixed == fixed.tolist() and (abs(fixed - whole) < 0.15).all()
    assert (whole - np.array(found.at_test) > 0.3).all()
    assert found.restored == pytest.approx(whole.tolist(), abs=0.003)  # float32 against float64
    assert 0 < found.restored_error < 1e-12
    # without token mixing a picture is a bag of patches: the order is the same to it
    bag = training.network("no_token")
    assert bag.at_test == pytest.approx(bag.accuracy, abs=0.003)
    for order in found.order:
        assert sorted(order) == list(range(16)) != order
    whole_size, no_token, no_channel, other = (n.parameters for n in training.networks)
    assert whole_size == other == 4 * 32 + 32 + (2 * 16 * 32 + 48) + (2 * 32 * 32 + 64) + 128 + (
        64 + 330)  # fmt: skip
    assert whole_size - no_token == 2 * 16 * 32 + 48 + 64
    assert whole_size - no_channel == 2 * 32 * 32 + 64 + 64


def test_what_training_added(trained: Mix) -> None:
    training = trained.training
    assert training is not None and abs(training.token_change).max() > 0.01
    alike = mixing._neighbours(training.token_change, 4, 4)
    assert (training.alike.beside[0], training.alike.elsewhere[0]) == alike
    assert len(training.alike.beside) == len(training.alike.elsewhere) == 2


def test_the_change_is_that_of_the_first_seed() -> None:
    result = mix.run(**TINY)
    networks = mixing.Networks(tiny_recipe(), 0, torch.device("cpu"))
    first, *_between, last = networks.learn()
    assert result.training is not None
    np.testing.assert_array_equal(result.training.token_change, last.weights - first.weights)


def test_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    right = train.fit

    def fit(p: Any, loss: Any, **options: Any) -> Any:
        asked.append(options)
        return right(p, loss, **options)

    monkeypatch.setattr(train, "fit", fit)
    o = tiny_recipe()
    list(mixing.Networks(o, 0, torch.device("cpu")).learn())
    recipe = {"steps": 3, "lr": 3e-3, "weight_decay": 0.01, "schedule": "cosine"}
    assert asked == [recipe] * 4


def test_the_series_are_the_accuracies(trained: Mix) -> None:
    assert [s.name for s in trained.series] == list(mixing.NETWORKS)
    assert trained.training is not None
    for curve, network in zip(trained.series, trained.training.networks, strict=True):
        assert curve.x.tolist() == list(range(0, 101, 5)) and curve.chance == 0.1
        assert curve.low[-1] == min(network.accuracy) and curve.high[-1] == max(network.accuracy)
        assert curve.median[0] < 0.2


def test_what_is_said_of_a_training(trained: Mix) -> None:
    worth, orders, alike = mix.takeaways(trained)
    assert (
        " right. Without token mixing (1,136 of " in worth and "; without channel mixing (" in worth
    )
    assert worth.count("points less with each of 2 seeds") >= 1
    assert orders.startswith("Trained in order B: ")
    assert "Trained in A and tested in B: " in orders and "(chance: 10.0 %), " in orders
    assert orders.endswith(", the scores in A but for rounding.")
    assert "correlation " in alike and alike.endswith("(2 networks).")
    asked = mix.question(trained)
    assert asked.choices[asked.answer] in ("token mixing", "it depends on the network")
    assert asked.why == worth


# Sentences follow the numbers


def changed(result: Mix, **accuracies: list[float]) -> Mix:
    """The result with other accuracies of some networks."""
    training = result.training
    assert training is not None
    networks = [
        dataclasses.replace(n, accuracy=accuracies.get(n.name, n.accuracy))
        for n in training.networks
    ]
    n, old = len(networks[0].accuracy), training.permutation
    permutation = dataclasses.replace(
        old, fixed=networks[3].accuracy, at_test=old.at_test[:n], restored=old.restored[:n]
    )
    return dataclasses.replace(
        result,
        training=dataclasses.replace(training, networks=networks, permutation=permutation),
    )


@pytest.mark.parametrize(
    ("less", "said", "answer"),
    [
        ([0.5, 0.6], "55.0 %, 30.0–40.0 points less with each of 2 seeds", 0),
        ([0.95, 0.97], "96.0 %, 5.0–7.0 points more with each of 2 seeds", 1),
        ([0.8, 0.95], "87.5 %, 5.0 points more to 10.0 less: it depends on the network", 2),
        ([0.9, 0.8], "85.0 %, 0.0 points more to 10.0 less: it depends on the network", 2),
        ([0.85, 0.85], "85.0 %, 5.0 points less with each of 2 seeds", 0),
        ([0.9, 0.9], "90.0 %, just as many", 2),
    ],
)
def test_what_a_half_is_worth(tiny: Mix, less: list[float], said: str, answer: int) -> None:
    result = changed(tiny, both=[0.9, 0.9], no_token=less, no_channel=[0.9, 0.9])
    sentence = mix.takeaways(result)[0]
    assert sentence.startswith("90.0 % right. Without token mixing (")
    assert f" parameters) {said}; without channel mixing (" in sentence
    assert sentence.endswith("90.0 %, just as many.")
    assert mix.question(result).answer == answer
    result = changed(tiny, both=[0.9, 0.9], reordered=less)
    assert mix.takeaways(result)[1].startswith(f"Trained in order B: {said}. ")


def test_one_seed_is_called_so(tiny: Mix) -> None:
    result = changed(tiny, both=[0.9], no_token=[0.5], no_channel=[0.95], reordered=[0.9])
    worth, orders = mix.takeaways(result)[:2]
    assert "50.0 %, 40.0 points less (one seed)" in worth
    assert "95.0 %, 5.0 points more (one seed)" in worth and "90.0 %, just as many. " in orders
    assert "(one seed)" in orders


@pytest.mark.parametrize(
    ("beside", "elsewhere", "said"),
    [
        ([0.3, 0.2], [0.1, 0.15], "In each network W₁ gained more alike weights for neighbouring"),
        ([0.1, 0.0], [0.2, 0.3], "In each network W₁ gained less alike weights for neighbouring"),
        ([0.3, 0.2], [0.1, 0.25], "Whether W₁ gained more alike weights for neighbours depends on"),
        ([0.3, math.nan], [0.1, 0.2], ""),
    ],
)
def test_what_neighbours_gained(
    tiny: Mix, beside: list[float], elsewhere: list[float], said: str
) -> None:
    assert tiny.training is not None
    training = dataclasses.replace(tiny.training, alike=mixing.Alike(beside, elsewhere))
    found = mixing.takeaways(training)[2:]
    assert len(found) == bool(said) and all(sentence.startswith(said) for sentence in found)


@pytest.mark.parametrize(
    ("error", "said"),
    [(0.0, "exactly the scores in A"), (1e-15, "the scores in A but for rounding"),
     (0.02, "scores off by 2.0 % of the largest")],
)  # fmt: skip
def test_whether_the_order_can_be_undone(tiny: Mix, error: float, said: str) -> None:
    assert tiny.training is not None
    found = dataclasses.replace(tiny.training.permutation, restored_error=error)
    training = dataclasses.replace(tiny.training, permutation=found)
    assert mixing.takeaways(training)[1].endswith(f", {said}.")


def test_what_diverged_is_called_so(tiny: Mix) -> None:
    result = changed(tiny, both=[0.9, math.nan])
    assert mix.takeaways(result) == [
        "1 network diverged: its loss is no number. Try a smaller --lr."
    ]
    assert "numbers" in mix.question(result).text  # no comparison is asked for
    assert "–" in drawn(result)
    result = changed(tiny, both=[0.9, math.nan], no_token=[math.nan, math.nan])
    assert mix.takeaways(result)[0].startswith("3 networks diverged")


def test_scores_that_are_no_numbers_are_no_answer() -> None:
    o = tiny_recipe()
    networks = mixing.Networks(o, 0, torch.device("cpu"))
    with torch.no_grad():
        networks.networks["both"].head.b[0] = math.nan
    moment = networks.moment(0)
    assert math.isnan(moment.accuracy["both"]) and not math.isnan(moment.accuracy["no_token"])
    assert math.isnan(moment.restored)


def influence(result: Mix, **matrices: np.ndarray) -> Mix:
    return dataclasses.replace(result, influence=dataclasses.replace(result.influence, **matrices))


def test_what_is_said_of_the_default(default: Mix) -> None:
    answered, shared, bound = mix.takeaways(default)
    assert answered == (
        "Without LN token mixing answers in its column (16), channel mixing in its row (8); the"
        f" Mixer in all (128). Behind LN {100 * default.leak:.1f} % of token mixing's change (sum"
        " of squares) is in other columns."
    )
    off = {name: f"{100 * default.step(name).channels:.0f} %" for name in mix.STEPS}
    assert shared == (
        "Token mixing is one network for all 8 channels: in 5 random orders of them it puts out the"
        f" same in that order, exactly; depth-wise, a kernel each, is off by {off['depthwise']}"
        " (root mean square)."
    )
    assert bound == (
        "W₁ of f_token has 16 rows, one a token: token mixing, Mixer cannot take 20; in another"
        f" order of the tokens token mixing is off by {100 * default.step('token').tokens:.0f} %,"
        " self-attention follows it."
    )
    asked = mix.question(default)
    assert asked.choices[asked.answer] == "channel 3 of all tokens" and asked.why == answered


@pytest.mark.parametrize(
    ("where", "said", "answer"),
    [
        (np.s_[5, 2], "itself alone", "channel 3 of token 6 alone"),
        (np.s_[5, :], "its row", "all channels of token 6"),
        (np.s_[:, 2], "its column", "channel 3 of all tokens"),
        (np.s_[:, :], "all", "all channels of all tokens"),
        (np.s_[4:, 2], "neither row nor column", "some others"),
        (np.s_[4, :], "neither row nor column", "some others"),
    ],
)
def test_who_answers(default: Mix, where: Any, said: str, answer: str) -> None:
    matrix = np.zeros((16, 8))
    matrix[where] = 0.1
    result = influence(default, token=matrix)
    assert mix.takeaways(result)[0].startswith(f"Without LN token mixing answers in {said} (")
    asked = mix.question(result)
    assert asked.choices[asked.answer] == answer


def steps(result: Mix, name: str, **changes: Any) -> Mix:
    return dataclasses.replace(
        result,
        steps=[dataclasses.replace(s, **changes) if s.name == name else s for s in result.steps],
    )


def test_sharing_and_sizes_are_measured(default: Mix) -> None:
    said = mix.takeaways(steps(default, "token", channels=0.5))[1]
    assert said == (
        "Token mixing is not the same for all channels: in another order of them it is off by 50 %"
        " (root mean square)."
    )
    assert "both put out the same" in mix.takeaways(steps(default, "depthwise", channels=0.0))[1]
    rounded = mix.takeaways(steps(default, "token", channels=1e-15))[1]
    assert "in that order, but for rounding; depth-wise" in rounded
    free = steps(steps(default, "token", fits_more=True), "both", fits_more=True)
    assert mix.takeaways(free)[2].startswith("Every step takes 20 tokens as well as 16; ")
    assert " no\n" not in drawn(free) and drawn(default).count(" no\n") == 2
    same = mix.takeaways(steps(default, "token", tokens=0.0))[2]
    assert same.endswith("; token mixing follows any order of the tokens.")
    off = mix.takeaways(steps(default, "attention", tokens=0.25))[2]
    assert off.endswith(" %, self-attention by 25 %.")
    unseen = mix.takeaways(steps(default, "convolution", fits_more=False))[2]
    assert "convolution" not in unseen  # only --detail shows it


# The screen


def drawn(result: Mix, width: int = 100, detail: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(mix.show(result, detail))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_screens_fit(default: Mix, trained: Mix, language: Any) -> None:
    speak(language)
    for result in (default, trained):
        console = Console(file=io.StringIO(), width=100, color_system=None)
        console.print(mix.show(result), Takeaways(mix.takeaways(result)))
        lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert len(lines) <= 39, len(lines)  # besides the footer


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "options",
    [
        [], ["--tokens", "64"], ["--tokens", "12", "--channels", "30"],
        ["--tokens", "64", "--channels", "32"], ["--tokens", "256", "--hidden", "256"],
    ],
)  # fmt: skip
def test_the_first_screens_fit_in_ascii(seqlab: Run, options: list[str], language: str) -> None:
    shown = seqlab("--lang", language, "mix", *options, "--ascii", width=100)
    assert shown.status == 0 and len(shown.text.splitlines()) <= 40
    assert "mean of" not in shown.text  # nothing is pooled


def test_of_a_large_table_the_tokens_around_the_nudged_one_are_drawn() -> None:
    result = mix.run(tokens=64, channels=20)
    assert result.at == [28, 3]
    y, x = np.divmod(mix._drawn_tokens(result), 8)
    assert len(y) == 16 and ((y - 3) ** 2 + (x - 3) ** 2).max() <= 5
    text = drawn(result)
    assert "Drawn: the 16 nearest tokens. Drawn: the first 8 channels." in " ".join(text.split())
    assert text.count("\n28 · · ") == 1 and "3×3 reaches 19–21, 27–29, 35–37" in text
    assert "Drawn" not in drawn(mix.run())


def test_the_scale_begins_where_the_drawn_does(default: Mix) -> None:
    parts = [getattr(default.influence, name) for name in mix._SHOWN]
    low, high = (
        np.log10(f([m[m > 0].min() if f is min else m.max() for m in parts])) for f in (min, max)
    )
    assert f"log₁₀ |change| −{-low:.1f} ░░░░▒▒▒▒▓▓▓▓████ {high:.2f}" in drawn(default)


def test_every_tick_lies_on_its_row_and_chance_above_0(trained: Mix) -> None:
    lines = drawn(trained).splitlines()
    half = next(i for i, line in enumerate(lines) if " 0.5┤" in line)
    zero = next(i for i, line in enumerate(lines) if " 0.0┤" in line)
    one = next(i for i, line in enumerate(lines) if " 1.0┤" in line)
    assert zero - half == half - one == 4
    assert lines[zero - 1].count("⣀") > 10 and "both, trained in order B" not in lines[half]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_every_width(default: Mix, tiny: Mix, width: int) -> None:
    for result in (default, tiny):
        for detail in (False, True):
            assert max(map(len, drawn(result, width, detail).splitlines())) <= width


def test_the_screen_shows_every_step(default: Mix, tiny: Mix) -> None:
    text, more = drawn(default), drawn(default, detail=True)
    for name in ("token mixing", "channel mixing", "Mixer, 1 block", "self-attention"):
        assert text.count(name) >= 2
    assert "16/128" in text and "8×32" in text and "16×32" in text
    assert "3×3 convolution" not in text and "72/128" in more
    assert "LN, token mixing" in more and "Y of the last block" in more
    assert text.count("·") == 3 * 128 - 16 - 8 - 9  # exactly 0: dots
    both = drawn(tiny, detail=True)
    assert "What is each half of a Mixer worth?" in both
    assert "What does each half of a Mixer mix?" in both


def test_the_columns_that_changed_most_are_shown(trained: Mix) -> None:
    assert trained.training is not None
    change = np.zeros((16, 40))
    change[:, 30] = 1.0
    training = dataclasses.replace(trained.training, token_change=change)
    text = drawn(dataclasses.replace(trained, training=training)).split("What training added")[1]
    assert text.count("██" * 4) == 4  # rows of one picture


@pytest.mark.parametrize("tokens", [4, 16, 64])
def test_learned_weights_are_pictures_of_the_patches(trained: Mix, tokens: int) -> None:
    side = math.isqrt(tokens)
    assert trained.training is not None
    change = np.random.default_rng(0).normal(size=(tokens, 40))
    training = dataclasses.replace(trained.training, token_change=change)
    result = dataclasses.replace(trained, tokens=tokens, grid=[side, side], training=training)
    count = 5 if tokens == 64 else 10
    text = drawn(result)
    assert f"{count} of 40 columns" in text
    assert len(text.splitlines()) <= 36


# The command


def test_json_contract(seqlab: Run) -> None:
    document = seqlab("mix", "--json").json
    assert document["options"] == {
        "image": None, "tokens": 16, "channels": 8, "hidden": 32, "blocks": 1, "train": False,
        "images": None, "seeds": None, "train_steps": None, "batch": None, "lr": None,
        "quick": False, "device": "auto", "seed": 0,
    }  # fmt: skip
    result = document["result"]
    for name in (*mix.STEPS, "normed"):
        assert np.shape(result["influence"][name]) == (16, 8)
    assert [s["name"] for s in result["steps"]] == list(mix.STEPS)
    assert set(result["steps"][0]) == {
        "name", "parameters", "answers", "tokens", "channels", "fits_more",
    }  # fmt: skip
    assert result["training"] is None and result["series"] == [] and result["stopped"] is False
    assert seqlab("mix", "--json").text == seqlab("mix", "--json").text
    assert len(json.dumps(plain(mix.run()))) < 60_000


def test_json_contract_of_a_training(seqlab: Run) -> None:
    first = seqlab(*TINY_LINE, "--json")
    document = first.json
    assert document["options"] == {
        "image": None, "tokens": 4, "channels": 6, "hidden": 5, "blocks": 1, "train": True,
        "images": 50, "seeds": 2, "train_steps": 3, "batch": 7, "lr": 0.003, "quick": False,
        "device": "cpu", "seed": 0,
    }  # fmt: skip
    result = document["result"]
    training = result["training"]
    assert set(training) == {
        "step", "networks", "permutation", "token_change", "alike",
    }  # fmt: skip
    assert [n["name"] for n in training["networks"]] == list(mixing.NETWORKS)
    assert set(training["permutation"]) == {
        "order", "fixed", "at_test", "restored", "restored_error",
    }  # fmt: skip
    assert np.shape(training["token_change"]) == (4, 5)
    assert [len(s["median"]) for s in result["series"]] == [4] * 4
    assert np.shape(training["permutation"]["order"]) == (2, 4)
    assert seqlab(*TINY_LINE, "--json").text == first.text
    other = seqlab(*TINY_LINE, "--json", "--seed", "1").json["result"]
    assert other["training"]["token_change"] != training["token_change"]
    assert other["training"]["permutation"]["order"] != training["permutation"]["order"]


def test_json_of_the_default_training_is_not_too_large(trained: Mix) -> None:
    assert len(json.dumps(plain(trained))) < 150_000


def test_json_at_its_limits_is_not_too_large() -> None:
    for tokens, channels in ((256, 8), (16, 128)):
        result = mix.run(tokens=tokens, channels=channels)
        assert len(json.dumps(plain(result), indent=1)) < 600_000
    largest = mix.run(
        train=True, tokens=64, channels=32, hidden=256, train_steps=1, seeds=1, images=9, batch=2
    )
    assert len(json.dumps(plain(largest), indent=1)) < 1_000_000


def test_the_command(seqlab: Run) -> None:
    shown = seqlab("mix", "--check")
    assert shown.status == 0 and "12 comparisons with torch hold" in shown.text
    for width in (60, 100):
        ascii_only = seqlab("mix", "--ascii", width=width)
        assert ascii_only.text.isascii() and ascii_only.widest <= width
        trained_only = seqlab(*TINY_LINE, "--ascii", width=width)
        assert trained_only.text.isascii() and trained_only.widest <= width


def test_defaults_of_a_training() -> None:
    o = mix._Options(train=True).checked()
    assert (o.channels, o.hidden, o.images, o.seeds) == (32, 64, 1400, 3)
    assert (o.train_steps, o.batch, o.lr) == (400, 64, 3e-3)
    quick = mix._Options(train=True, quick=True, seeds=4).checked()
    assert (quick.seeds, quick.train_steps) == (4, 100)
    assert mix._Options(train=True, quick=True).checked().seeds == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tokens": 1}, "--tokens 1: expected a number from 2 to 256"),
        ({"tokens": 257}, "--tokens 257"), ({"tokens": 4.0}, "--tokens 4.0: expected a whole"),
        ({"channels": 1}, "--channels 1: expected a number from 2 to 128"),
        ({"channels": 129}, "--channels 129"), ({"hidden": 0}, "--hidden 0"),
        ({"hidden": 257}, "--hidden 257"), ({"blocks": 0}, "--blocks 0"),
        ({"blocks": 9}, "--blocks 9"), ({"seed": -1}, "--seed -1"),
        ({"quick": True}, "--quick: expected --train, to which it belongs; try --train --quick"),
        ({"seeds": 3}, "--seeds 3: expected --train, to which it belongs; try --train --seeds 3"),
        ({"lr": 0.1}, "--lr 0.1: expected --train"),
        ({"images": 9}, "--images 9: expected --train"),
        ({"train_steps": 5}, "--train-steps 5: expected --train"),
        ({"batch": 5}, "--batch 5: expected --train"),
        ({"train": True, "tokens": 9}, "--train --tokens 9: expected 4, 16 or 64"),
        ({"train": True, "seeds": 17}, "--seeds 17"), ({"train": True, "seeds": 0}, "--seeds 0"),
        ({"train": True, "images": 1401}, "--images 1401: expected a number from 1 to 1400"),
        ({"train": True, "lr": math.nan}, "--lr nan"),
        ({"train": True, "lr": 0.0}, "--lr 0.0: expected a number above 0"),
        ({"train": True, "lr": 2.0},
         "--lr 2.0: expected a number above 0, at most 1; try --lr 0.003"),
        ({"tokens": 256, "channels": 9},
         "--tokens 256 --channels 9: expected at most 2,048 numbers together; try --channels 8"),
        ({"train": True, "batch": 257}, "--batch 257"),
        ({"train": True, "train_steps": 5001}, "--train-steps 5001"),
        ({"train": True, "hidden": 256, "channels": 128, "seeds": 16, "train_steps": 5000},
         "multiply-adds: expected at most 2.0e12; try fewer --train-steps"),
        ({"train": True, "tokens": 64, "hidden": 256, "channels": 32, "blocks": 8, "batch": 256,
          "train_steps": 1, "seeds": 1}, "numbers inside the network in a step: expected at most"),
        ({"train": True, "image": "a.png"}, "a picture with --train: expected only one of them"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_torch(options: dict[str, Any], sentence: str) -> None:
    def told(*_: object) -> None:
        raise AssertionError("it has begun")

    with pytest.raises(BadInput) as problem:
        mix.run(**options, watch=told)
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


def test_a_device_that_is_absent(monkeypatch: pytest.MonkeyPatch, seqlab: Run) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = seqlab(*TINY_LINE[:-1], "cuda")
    assert outcome.status == 2 and outcome.text == ""
    assert outcome.errors.startswith("error: --device cuda: expected a device that this machine")


def test_progress_is_told_with_a_view_of_what_is_known_by_then() -> None:
    told: list[tuple[float, str]] = []
    views: list[Any] = []

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        told.append((done, doing))
        if view is not None:
            views.append(view)

    mix.run(**TINY, watch=watch)
    shares = [done for done, _ in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert told[0][1] == "loading torch" and told[-1][1].startswith("step 6 of 6: ")
    assert len(views) >= 6
    for view in (views[0], views[-1]):
        console = Console(file=io.StringIO(), width=100, color_system=None)
        console.print(view())
        assert "without token mixing" in console.file.getvalue()  # type: ignore[attr-defined]


# Stopped


def test_ctrl_c_shows_what_there_is(seqlab: Run, stop_at_view: Callable[[int], None]) -> None:
    stop_at_view(2)
    outcome = seqlab(*TINY_LINE, "--check")
    assert outcome.status == 130
    assert outcome.text.startswith("✗ Stopped before the end of training"), outcome.text[:200]
    assert "comparisons with torch" not in outcome.text and "% right. Without" in outcome.text
    stop_at_view(2)
    result = seqlab(*TINY_LINE, "--json").json["result"]
    assert result["stopped"] is True and result["train_steps"] == 3
    steps = result["training"]["step"]
    assert 1 <= len(steps) <= 2 and all(step > 0 for step in steps) and sum(steps) < 6
    assert len(result["training"]["networks"][0]["accuracy"]) == len(steps)


def test_seeds_that_never_began_are_left_out() -> None:
    """Only the first seed has reported: its numbers stand alone, and its curves."""

    def watch(done: float, doing: str, view: Any = None, /) -> None:
        if view is not None:
            raise Stopped

    result = mix.run(**TINY | {"seeds": 3, "train_steps": 40}, watch=watch)
    training = result.training
    assert isinstance(training, Training) and result.stopped
    assert all(isinstance(n, Network) and len(n.accuracy) < 3 for n in training.networks)
    assert len(training.permutation.order) == len(training.step) < 3
    assert all(training.step)  # a seed that has not done a step has nothing to say
    assert 2 <= len(mix.takeaways(result)) <= 3 and drawn(result)
