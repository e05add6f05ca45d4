"""reach: Jacobians against torch and by hand, zeros where they must be, depths against theory."""

import dataclasses
import io
import json
import math
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from seqlab import trees
from seqlab.book import attention, mixer, rnn, swin, transformer
from seqlab.lab import BadInput, reach
from seqlab.lab.reach import ARCHITECTURES, Reach, Shape

ALL = ",".join(ARCHITECTURES)
SMALL = dict(tokens=6, d_model=4, layers=2)
LINE = Shape(1, 7, 4, 2, 3, 3, True)
GRID = Shape(3, 4, 4, 2, 3, 2, True)


@pytest.fixture(scope="module")
def default() -> Reach:
    return reach.run()


@pytest.fixture(scope="module")
def picture() -> Reach:
    return reach.run(grid="4x4", window=2, d_model=4)


def redrawn(tree: object, seed: int = 0) -> object:
    """The parameters with every number drawn anew: no bias is 0, no norm is 1."""
    rng = np.random.default_rng(seed)
    return trees.convert(lambda leaf: rng.normal(size=leaf.shape) / math.sqrt(leaf.shape[0]), tree)


# The Jacobians


@pytest.mark.parametrize("shape", [LINE, LINE._replace(residual=False), GRID])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_layer_s_jacobian_is_that_of_autograd(name: str, shape: Shape) -> None:
    """All parameters at random; both kinds of layer; outputs down, inputs across."""
    kind = ARCHITECTURES[name]
    x = np.random.default_rng(1).normal(size=(shape.n, shape.d))
    for index in (0, 1):
        p = redrawn(kind.draw(np.random.default_rng(2), shape))
        layer = partial(kind.layer, trees.convert(torch.tensor, p), s=shape, index=index)
        oracle = torch.autograd.functional.jacobian(lambda t: layer(t[None])[0], torch.tensor(x))  # noqa: B023
        size = shape.n * shape.d
        found = kind.push(p, x, shape, index, np.eye(size))
        theirs = oracle.reshape(size, size).numpy()
        np.testing.assert_allclose(found, theirs, atol=1e-8 * np.abs(theirs).max())
        ours, others = (reach._norms(jacobian, shape) > 0 for jacobian in (found, theirs))
        np.testing.assert_array_equal(ours, others)


def test_differences_are_exact_for_what_is_known() -> None:
    rng = np.random.default_rng(0)
    x, A = rng.normal(size=(3, 2)), rng.normal(size=(6, 6))
    f, one = lambda x: (x.reshape(-1, 6) @ A.T).reshape(-1, 3, 2), np.eye(6)
    np.testing.assert_allclose(reach.differences(f, x, one), A, atol=1e-11)
    along = rng.normal(size=(6, 2)) * [1e6, 1e-9]  # of any length
    np.testing.assert_allclose(reach.differences(f, x, along), A @ along, rtol=1e-9)
    exact = np.diag(1 - np.tanh(x.ravel()) ** 2)
    np.testing.assert_allclose(reach.differences(np.tanh, x, one), exact)
    assert (reach.differences(np.tanh, x, 0 * one) == 0).all()
    first = reach.differences(lambda x: np.exp(x) * [1, 0], x, one)
    assert (first[1::2] == 0).all() and (first - np.diag(np.diag(first)) == 0).all()


def test_differences_are_the_same_in_any_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    kind = ARCHITECTURES["attention"]
    shape = LINE._replace(n2=5)
    layer = partial(kind.layer, kind.draw(np.random.default_rng(1), shape), s=shape, index=0)
    at_once = reach.differences(layer, x, np.eye(20))
    monkeypatch.setattr(reach, "_TOGETHER", 30)
    np.testing.assert_array_equal(reach.differences(layer, x, np.eye(20)), at_once)


def test_the_strengths_are_norms_of_blocks() -> None:
    shape = LINE._replace(n2=2, d=4)
    jacobian = np.arange(64.0).reshape(8, 8)
    found = reach._norms(jacobian, shape)
    assert found[0, 1] == np.linalg.norm(jacobian[:4, 4:])
    assert found[1, 0] == np.linalg.norm(jacobian[4:, :4])


def test_a_stack_obeys_the_chain_rule() -> None:
    a, b, c = np.random.default_rng(0).normal(size=(3, 4, 4))
    found = reach._products([a, b, c])
    np.testing.assert_allclose(found[2], c @ b @ a)
    assert len(found) == 3 and found[0] is a


def test_a_pattern_follows_from_those_of_single_layers(default: Reach) -> None:
    """What depends on what after 1, 2, 3 layers, as products of Boolean matrices."""
    for name in ARCHITECTURES:
        net = reach._Net(name, default.shape, 0)
        single = [reach._norms(j, default.shape) > 0 for j in net.jacobians(3)]
        np.testing.assert_array_equal(single[2], single[0])  # they repeat themselves
        reached = np.eye(12, dtype=bool)
        for layer, strength in zip(single, default.reach[name]):
            reached = layer @ reached
            np.testing.assert_array_equal(strength > 0, reached)


# The layers are those of the pages


def test_framed_layers_are_blocks_of_their_pages() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 4))
    for name, mask in (("attention", None), ("causal", attention.causal_mask(7))):
        p = redrawn(ARCHITECTURES[name].draw(rng, LINE))
        block = transformer.Block(p.mix, p.norm_1, p.feed_forward, p.norm_2)  # type: ignore[attr-defined]
        expected = transformer.block(block, x, LINE.style, mask)[0]
        np.testing.assert_allclose(ARCHITECTURES[name].layer(p, x, LINE, 0), expected)
    p = redrawn(ARCHITECTURES["mixer"].draw(rng, LINE))
    page = mixer.Block(p.norm_1, p.mix, p.norm_2, p.feed_forward)  # type: ignore[attr-defined]
    np.testing.assert_allclose(ARCHITECTURES["mixer"].layer(p, x, LINE, 0), mixer.block(page, x)[1])


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(("n1", "n2", "m"), [(8, 8, 4), (6, 9, 3)])
def test_windows_on_a_grid_are_swin_s(n1: int, n2: int, m: int, index: int) -> None:
    """A mask on tokens that stay where they are, against the rolled grid of the page."""
    s, kind = Shape(n1, n2, 4, 2, 3, m, True), ARCHITECTURES["shifted"]
    rng = np.random.default_rng(0)
    p, x = redrawn(kind.draw(rng, s)), rng.normal(size=(1, n1, n2, 4))
    no_bias = np.zeros(((2 * m - 1) ** 2, 2))
    block = swin.Block(p.norm_1, p.mix, no_bias, p.norm_2, p.feed_forward)  # type: ignore[attr-defined]
    expected = swin.block(block, x, m, m // 2 * index, s.style)[0]
    found = kind.layer(p, x.reshape(1, -1, 4), s, index)
    np.testing.assert_allclose(found, expected.reshape(1, -1, 4))


def test_one_window_has_nothing_to_shift() -> None:
    for n, m in ((7, 7), (7, 9)):
        s = LINE._replace(n2=n, m=m)
        assert ARCHITECTURES["shifted"].mask(s, 1).all()  # type: ignore[attr-defined]
    assert not ARCHITECTURES["shifted"].mask(LINE._replace(m=6), 1).all()  # type: ignore[attr-defined]


def test_every_layer_has_weights_of_its_own() -> None:
    net = reach._Net("attention", LINE, 0)
    first, second = (net.parameters(index).mix.W_q for index in (0, 1))
    assert not np.array_equal(first, second)


def test_a_convolution_on_a_line_and_on_a_grid_is_torch_s() -> None:
    kind, rng = ARCHITECTURES["conv"], np.random.default_rng(0)
    for s in (LINE._replace(k=5), GRID):
        p, x = redrawn(kind.draw_mix(rng, s)), rng.normal(size=(2, s.n, s.d))  # type: ignore[attr-defined]
        grid = torch.tensor(x).reshape(2, s.n1, s.n2, s.d).permute(0, 3, 1, 2)
        weight, bias = torch.tensor(p.weight), torch.tensor(p.bias)  # type: ignore[attr-defined]
        expected = torch.nn.functional.conv2d(grid, weight, bias, padding="same")
        found = kind.mix(p, x, s, 0)  # type: ignore[attr-defined]
        np.testing.assert_allclose(
            found, expected.permute(0, 2, 3, 1).reshape(x.shape).numpy(), atol=1e-12
        )


def test_two_directions_are_torch_s() -> None:
    kind, rng = ARCHITECTURES["birnn"], np.random.default_rng(0)
    p, x = redrawn(kind.draw(rng, LINE)), rng.normal(size=(2, 7, 4))
    module = torch.nn.RNN(4, 2, batch_first=True, bidirectional=True).double()
    state = {}
    for q, end in zip(p, ("", "_reverse")):  # type: ignore[call-overload]
        state |= {f"weight_ih_l0{end}": q.W_x.T, f"weight_hh_l0{end}": q.W_h.T}
        state |= {f"bias_ih_l0{end}": q.b, f"bias_hh_l0{end}": 0 * q.b}
    module.load_state_dict({k: torch.tensor(v.copy()) for k, v in state.items()})
    with torch.no_grad():
        expected = module(torch.tensor(x))[0].numpy()
    np.testing.assert_allclose(kind.layer(p, x, LINE, 0), expected, atol=1e-12)


def test_no_residual_leaves_the_parts_alone() -> None:
    kind, rng = ARCHITECTURES["mixer"], np.random.default_rng(0)
    p, x = kind.draw(rng, LINE), rng.normal(size=(1, 7, 4))
    y = mixer.mix_tokens(p.mix, mixer.norm(p.norm_1, x))
    y = mixer.mix_channels(p.feed_forward, mixer.norm(p.norm_2, y))
    np.testing.assert_allclose(kind.layer(p, x, LINE._replace(residual=False), 0), y)


# Who hears whom


def test_patterns_of_the_default_run(default: Reach) -> None:
    i, j = np.indices((12, 12))
    for layer in (1, 2, 3):
        found = {name: matrices[layer - 1] > 0 for name, matrices in default.reach.items()}
        np.testing.assert_array_equal(found["rnn"], j <= i)
        np.testing.assert_array_equal(found["causal"], j <= i)
        np.testing.assert_array_equal(found["window"], i // 4 == j // 4)
        np.testing.assert_array_equal(found["conv"], abs(i - j) <= layer)
        for name in ("birnn", "attention", "mixer"):
            assert found[name].all()
    second = default.reach["shifted"][1] > 0
    window = np.equal.outer(np.arange(12) // 4, np.arange(12) // 4)
    moved = np.equal.outer((np.arange(12) + 2) // 4, (np.arange(12) + 2) // 4)
    np.testing.assert_array_equal(second, moved @ window)
    np.testing.assert_array_equal(default.reach["shifted"][0] > 0, window)


def test_depths_of_the_default_run(default: Reach) -> None:
    expected = {
        "rnn": None, "birnn": 1, "causal": None, "attention": 1, "window": None, "shifted": 5,
        "conv": 11, "mixer": 1,
    }  # fmt: skip
    assert default.layers_to_full == default.theory == expected
    assert default.path == {**expected, "rnn": 12, "birnn": 12, "causal": 1, "window": 1}
    assert default.shares["conv"][0] == pytest.approx((12 + 2 * 11) / 144)


def test_depths_are_those_that_are_measured_when_all_is_shown() -> None:
    found = reach.run(tokens=8, layers=8, d_model=4, models="conv,shifted,causal")
    for name, matrices in found.reach.items():
        whole = [bool((m > 0).all()) for m in matrices]
        first = whole.index(True) + 1 if any(whole) else None
        assert found.layers_to_full[name] == first, name


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_seeds_change_strengths_and_no_pattern(seed: int, default: Reach) -> None:
    found = reach.run(seed=seed, layers=2)
    for name in ARCHITECTURES:
        np.testing.assert_array_equal(
            found.reach[name][1] > 0, default.reach[name][1] > 0, err_msg=name
        )
        assert np.array_equal(found.reach[name][1], default.reach[name][1]) == (seed == 0)


def test_an_architecture_is_the_same_in_any_company(default: Reach) -> None:
    alone = reach.run(models="conv", layers=1)
    np.testing.assert_array_equal(alone.reach["conv"][0], default.reach["conv"][0])
    assert alone.layers_to_full["conv"] == 11  # though only one layer was asked for


@settings(max_examples=40)
@given(
    n1=st.integers(1, 7), n2=st.integers(2, 9), k=st.integers(0, 4), m=st.integers(1, 9)
)  # fmt: skip
def test_theory_is_what_the_patterns_of_layers_give(n1: int, n2: int, k: int, m: int) -> None:
    """Masks and kernels as Boolean matrices, multiplied until they are full."""
    s = Shape(n1, n2, 4, 1, 2 * k + 1, m, True)
    for name in ("causal", "window", "shifted", "attention"):
        kind = ARCHITECTURES[name]
        masks = [kind.mask(s, index) for index in (0, 1)]  # type: ignore[attr-defined]
        full = [np.ones((s.n, s.n), bool) if mask is None else mask for mask in masks]
        assert reach._until_full(full) == kind.theory(s), name
    row, column = np.divmod(np.arange(s.n), s.n2)
    near = [abs(np.subtract.outer(x, x)) <= k for x in (row, column)]
    assert reach._until_full([near[0] & near[1]] * 2) == ARCHITECTURES["conv"].theory(s)


@pytest.mark.parametrize(
    ("sides", "m", "layers"),  # by hand: from the last token back, where each layer's window begins
    [((1, 8), 4, 3), ((1, 9), 4, 5), ((1, 11), 4, 5), ((1, 13), 4, 7), ((1, 5), 4, 3),
     ((1, 7), 3, 5), ((1, 10), 3, 7), ((1, 3), 2, 3), ((6, 9), 4, 5), ((9, 3), 4, 5)],
)  # fmt: skip
def test_shifted_windows_take_two_ceil_n_by_m_less_one(
    sides: tuple[int, int], m: int, layers: int
) -> None:
    s = LINE._replace(n1=sides[0], n2=sides[1], m=m)
    assert ARCHITECTURES["shifted"].theory(s) == layers
    assert ARCHITECTURES["shifted"].formula(s) == "2 ceil(n/m) − 1"
    assert ARCHITECTURES["shifted"].formula(s._replace(m=64)) == "1"


@pytest.mark.parametrize(
    ("sides", "k", "layers"),  # by hand: (k - 1) / 2 tokens a layer; n/k would have 4, 3, 2, 2, 3
    [((1, 12), 3, 11), ((1, 12), 5, 6), ((1, 12), 7, 4), ((1, 13), 9, 3), ((4, 9), 3, 8)],
)
def test_convolutions_take_two_by_k_less_one(sides: tuple[int, int], k: int, layers: int) -> None:
    s = LINE._replace(n1=sides[0], n2=sides[1], k=k)
    assert ARCHITECTURES["conv"].theory(s) == layers
    assert ARCHITECTURES["conv"].formula(s) == "ceil(2(n − 1)/(k − 1))"
    assert ARCHITECTURES["conv"].formula(s._replace(k=1)) == "–"


def test_what_no_depth_opens() -> None:
    never = reach.run(models="conv,window,shifted,rnn", kernel=1, window=1, **SMALL)  # type: ignore[arg-type]
    assert set(never.layers_to_full.values()) == {None} == set(never.theory.values())
    np.testing.assert_array_equal(never.connected("conv"), np.eye(6, dtype=bool))
    whole = reach.run(models="window,shifted", window=6, **SMALL)  # type: ignore[arg-type]
    assert set(whole.layers_to_full.values()) == {1} == set(whole.theory.values())


def test_far_is_the_corner_of_the_jacobian(default: Reach) -> None:
    for name, far in default.far.items():
        assert len(far) == (reach._NETWORKS if name in ("rnn", "attention") else 1)
        corner = [m[-1, 0] / m[-1, -1] for m in default.reach[name]]  # of four digits
        np.testing.assert_allclose(far[0], corner, rtol=1e-3, err_msg=name)
    third = reach.run(models="rnn,conv", seed=2)
    assert third.far["rnn"][0] == pytest.approx(default.far["rnn"][2])  # of the next seeds
    assert len(third.far["conv"]) == reach._NETWORKS  # nothing to compare: all are drawn again


def test_far_inputs_of_a_recurrent_network_are_faint_and_not_lost() -> None:
    """64 steps back: far below what a difference of two runs could tell from nothing."""
    found = reach.run(tokens=64, d_model=4, layers=1, models="rnn").reach["rnn"][0]
    assert 0 < found[-1, 0] < 1e-12 and (found[-1] > 0).all()


def test_a_grid_is_read_row_by_row(picture: Reach) -> None:
    assert picture.tokens == 16 and picture.grid == "4x4" and picture.at == 11
    i, j = np.indices((16, 16))
    near = (abs(i // 4 - j // 4) <= 1) & (abs(i % 4 - j % 4) <= 1)
    np.testing.assert_array_equal(picture.reach["conv"][0] > 0, near)
    window = (i // 8 == j // 8) & (i % 4 // 2 == j % 4 // 2)
    np.testing.assert_array_equal(picture.reach["window"][0] > 0, window)
    np.testing.assert_array_equal(picture.reach["rnn"][0] > 0, j <= i)
    assert picture.layers_to_full["shifted"] == picture.theory["shifted"] == 3
    assert picture.layers_to_full["conv"] == 3


# The screen


def drawn(result: Reach, width: int, **options: object) -> str:
    console = Console(file=io.StringIO(), width=width, _environ={}, **options)  # type: ignore[arg-type]
    console.print(reach.show(result))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_screen_shows_the_patterns(default: Reach) -> None:
    text = drawn(default, 100, color_system=None)
    assert "████········ ████········ ████········" in text  # a window
    assert "█▄·········· █▄·········· █▄··········" in text  # the past
    assert "██▄········· ███▄········ ████▄·······" in text  # a kernel of 3
    for name in ARCHITECTURES.values():
        assert name.name in text


def test_brightness_is_of_the_largest() -> None:
    shares = reach._brightness(np.array([[1.0, 10**-1.5], [0.0, 1e-9]]) * 5)
    faintest = reach._FLOOR
    assert shares[0, 0] == 1 and shares[0, 1] == pytest.approx((1 + faintest) / 2)
    assert np.isnan(shares[1, 0]) and shares[1, 1] == faintest >= 0.3


def test_a_picture_s_field_is_that_of_its_patch(picture: Reach) -> None:
    field = reach._brightness(reach._drawn(picture.reach["conv"][0], picture))
    assert field.shape == (4, 4) and picture.at == 11
    expected = np.zeros((4, 4), bool)
    expected[1:4, 1:4] = True
    np.testing.assert_array_equal(~np.isnan(field), expected)
    assert np.nanmax(field) == 1  # each picture by its own maximum
    corner = reach._drawn(picture.reach["conv"][0], dataclasses.replace(picture, at=1))
    assert (corner > 0).sum() == 4 and corner[0, 0] > 0
    assert "row 3, column 3" in reach._legend(picture, "", 1)


def test_the_legend_says_what_is_there_to_be_seen(default: Reach) -> None:
    plain, coloured = (
        drawn(default, 300, color_system=system, force_terminal=True)
        for system in (None, "truecolor")
    )
    assert "| colour: from 1/1000" in coloured and "colour" not in plain
    assert "| ░▒▓█: from 1/1000" in plain and "░▒▓█" not in coloured
    for text in (plain, coloured):
        assert "all at: layers" in text and "(RNN: steps)" in text and "a pixel" not in text


@pytest.mark.parametrize(("layers", "widest"), [(1, 64), (2, 32)])
def test_large_pictures_take_the_width_and_say_so(layers: int, widest: int) -> None:
    result = reach.run(tokens=64, d_model=4, layers=layers, models="rnn")
    text = drawn(result, 100, color_system=None)
    assert max(len(row.split()[0]) for row in text.splitlines() if set(row) & set("▒▓█▄")) == widest
    assert ("a pixel: the strongest of 2 × 2 pairs" in " ".join(text.split())) == (layers == 2)


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize(
    "arguments",
    [
        [], ["--detail"], ["--ascii"], ["--lang", "zh"], ["--detail", "--no-residual", "--ascii"],
        ["--grid", "3x5", "--d-model", "4"], ["--tokens", "30", "--models", "conv,rnn"],
        ["--color", "truecolor"], ["--color", "truecolor", "--lang", "zh"],
        ["--layers", "9", "--models", "shifted", "--detail"],
    ],
)  # fmt: skip
def test_screens_fit(seqlab: Run, arguments: list[str], width: int) -> None:
    outcome = seqlab("reach", *arguments, width=width)
    assert outcome.status == 0
    assert max(cell_len(Text.from_ansi(row).plain) for row in outcome.text.splitlines()) <= width
    if "--ascii" in arguments:
        assert outcome.text.isascii()
    if width == 100 and not {"--detail", "--grid", "--tokens", "--layers"} & {*arguments}:
        assert len(outcome.text.splitlines()) <= 40


def test_details_are_of_the_measured_numbers(default: Reach, seqlab: Run) -> None:
    text = seqlab("reach", "--detail", "--models", "shifted,conv,attention").text
    row = next(line for line in text.splitlines() if line.startswith("shifted windows"))
    assert row.split()[2:8] == ["77", "%", "5", "5", "2", "ceil(n/m)"]
    strength = default.reach["conv"][2]
    others = [strength[i, j] for i in range(12) for j in range(12) if 0 < abs(i - j) <= 3]
    own = np.mean(np.diag(strength)) / np.mean(others)
    assert default.own["conv"] == pytest.approx(own)


# The document


def test_json_contract(seqlab: Run, default: Reach) -> None:
    outcome = seqlab("reach", "--json")
    assert len(outcome.text) < 100_000
    document = outcome.json
    result = document["result"]
    assert list(result["reach"]) == ALL.split(",")
    for name, matrices in result["reach"].items():
        np.testing.assert_array_equal(np.array(matrices), default.reach[name])
        assert np.array(matrices).shape == (3, 12, 12)
    assert result["layers_to_full"]["rnn"] is None and result["layers_to_full"]["shifted"] == 5
    assert document["options"] == {
        "tokens": 12, "grid": None, "at": None, "layers": 3, "models": ALL, "d_model": 8,
        "heads": 2, "kernel": 3, "window": 4, "residual": True, "seed": 0,
    }  # fmt: skip
    again = seqlab("reach", "--json").text
    assert again == outcome.text


def test_json_of_a_grid(seqlab: Run) -> None:
    arguments = ["--grid", "2x3", "--d-model", "4", "--models", "window,mixer", "--window", "2"]
    document = seqlab("reach", *arguments, "--json").json
    assert document["result"]["tokens"] == 6 and document["result"]["grid"] == "2x3"
    assert document["options"]["at"] == 5 and document["options"]["tokens"] == 6
    assert json.dumps(document)


# Sentences


def test_sentences_of_the_default_run(default: Reach) -> None:
    first, second, third = reach.takeaways(default)
    assert "after 1 layer in bidirectional RNN, attention, Mixer" in first
    assert "after 5 in shifted windows; after 11 in convolution" in first
    assert first.endswith("never in RNN, causal attention, window attention: as theory says.")
    assert second == (
        "No later input is heard in RNN, causal attention; window attention stays at 33 % of"
        " all pairs."
    )
    assert third.startswith("Connected is not yet heard") and "residual connection" in third
    far = np.array(default.far["rnn"])[:, [0, -1]]
    for low, middle, high in np.quantile(far, [0, 0.5, 1], axis=0).T:
        low, middle, high = map(reach.number, (low, middle, high))
        assert f"{middle} ({low} to {high})" in third
    assert (far[:, 1] > far[:, 0]).all() and "after 3 layers the RNN hears it better:" in third


def test_sentences_follow_the_numbers(default: Reach) -> None:
    other = dataclasses.replace(default, layers_to_full={**default.layers_to_full, "shifted": 7})
    first = reach.takeaways(other)[0]
    assert "after 7 in shifted windows" in first
    assert first.endswith("Theory has other numbers for shifted windows.")
    seeing = {**default.reach, "rnn": default.reach["birnn"]}
    second = reach.takeaways(dataclasses.replace(default, reach=seeing))[1]
    assert "heard in causal attention;" in second and "RNN stays at 54 %" in second


def test_verdicts_need_all_networks(default: Reach) -> None:
    def said(far: list[list[float]]) -> str:
        return reach._faint(dataclasses.replace(default, far={**default.far, "rnn": far}))

    faint = default.far["rnn"][1:]
    assert said([[1.0, 2.0, 3.0], *faint]).startswith("Against its own, the last")
    assert "the RNN hears it less: 0.00" in said([[1e-3, 1e-3, 1e-5 * i + 1e-4] for i in range(5)])
    assert "depends on the network: 0.0" in said([[1e-4, 1e-4, 1e-5], *faint])
    one = reach._faint(dataclasses.replace(default, layers=1))
    assert one.startswith("Connected") and "RNN hears it" not in one
    assert "residual" not in reach._faint(dataclasses.replace(default, residual=False))


def test_stacks_without_a_path_are_told_too() -> None:
    deep = reach.run(tokens=6, models="shifted,conv", layers=5, d_model=4, window=2)
    last = reach.takeaways(deep)[-1]
    assert "this loudly after 5 layers: shifted windows" in last and "convolution" in last
    assert all(reach._spread([f[-1] for f in far]) in last for far in deep.far.values())
    assert last.startswith("Connected is not yet") == (
        max(f[-1] for far in deep.far.values() for f in far) < 0.1
    )
    short = reach.run(tokens=6, models="shifted,conv", layers=4, d_model=4, window=2)
    assert len(reach.takeaways(short)) == 1  # the corner is not connected yet


def test_a_window_that_holds_all_is_told() -> None:
    line = reach.run(models="window,shifted,conv", tokens=3, d_model=4)
    assert reach.takeaways(line)[-1] == (
        "A window of 4 holds all 3 tokens: nothing is cut off or shifted in window attention,"
        " shifted windows."
    )
    grid = reach.run(models="window,conv", grid="2x3", window=3, d_model=4)
    assert reach.takeaways(grid)[-1].startswith("A window of 3 × 3 holds all 6 patches")
    assert "A window" not in " ".join(reach.takeaways(dataclasses.replace(line, window=2)))


def test_sentences_of_few_architectures() -> None:
    only = reach.takeaways(reach.run(models="attention", **SMALL))  # type: ignore[arg-type]
    assert only[0] == "All hear all after 1 layer in attention: as theory says."
    assert len(only) == 2 and "this loudly after 2 layers: attention" in only[1]


def test_without_residuals_the_diagonal_is_told() -> None:
    bare = reach.run(models="rnn,attention,mixer", residual=False)
    said = reach.takeaways(bare)[1]
    assert "without residual connections (with them)" in said
    assert said.endswith("There are none in RNN.")
    with_them = reach.run(models="rnn,attention,mixer")
    assert with_them.own_with is None and set(bare.own_with or {}) == {"attention", "mixer"}
    for name, own in (bare.own_with or {}).items():
        assert own == pytest.approx(with_them.own[name], rel=1e-3) and own > 2 * bare.own[name]
        assert f" {reach.number(bare.own[name])} ({reach.number(own)})" in said
    one = reach.run(models="conv", kernel=1, residual=False, **SMALL)  # type: ignore[arg-type]
    assert "its own input" not in " ".join(reach.takeaways(one))


@settings(max_examples=15)
@given(
    n=st.integers(2, 7),
    grid=st.none() | st.sampled_from(["1x5", "5x1", "2x3"]),
    layers=st.integers(1, 3),
    models=st.lists(st.sampled_from(list(ARCHITECTURES)), min_size=1, max_size=3, unique=True),
    k=st.sampled_from([1, 3, 9]),
    m=st.integers(1, 8),
    residual=st.booleans(),
)
def test_any_options_give_a_screen_and_true_sentences(
    n: int, grid: str | None, layers: int, models: list[str], k: int, m: int, residual: bool
) -> None:
    k = min(k, 3 if grid == "2x3" else 2 * n - 1)
    result = reach.run(
        tokens=None if grid else n, grid=grid, layers=layers, models=",".join(models), kernel=k,
        window=m, d_model=4, residual=residual,
    )  # fmt: skip
    assert result.layers_to_full == result.theory
    text = " ".join([*reach.takeaways(result), reach.question(result).why])
    assert text and "nan" not in text and "None" not in text and "Theory has other" not in text
    assert max(map(len, drawn(result, 60, color_system=None).splitlines())) <= 60
    question = reach.question(result)
    assert 0 <= question.answer < len(question.choices) == len(set(question.choices))


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"models": "conv"}, "5"),
        ({"models": "conv,shifted", "window": 2}, "5"),
        ({"models": "attention"}, "1"),
        ({"models": "causal"}, "no depth is enough"),
        ({"models": "causal,conv"}, "5"),
        ({"models": "shifted", "window": 2}, "5"),
    ],
)
def test_the_answer_is_computed(options: dict[str, object], answer: str) -> None:
    question = reach.question(reach.run(**SMALL, **options))  # type: ignore[arg-type]
    assert question.choices[question.answer] == answer


def test_the_question_says_all_that_its_answer_depends_on() -> None:
    for options, said in (
        ({"models": "conv", "tokens": 5, "kernel": 5}, "convolution (k = 5), 5 tokens in a row:"),
        ({"models": "shifted", "tokens": 6, "window": 2}, "shifted windows (m = 2), 6 tokens"),
        ({"models": "conv", "grid": "2x4"}, "convolution (3 × 3), 2 × 4 patches:"),
        ({"models": "causal", "tokens": 5}, "causal attention, 5 tokens in a row:"),
    ):
        assert reach.question(reach.run(d_model=4, **options)).text.startswith(said)  # type: ignore[arg-type]


# The oracle


@pytest.mark.parametrize("options", [{}, {"grid": "2x3"}, {"residual": False, "tokens": 5}])
def test_check_agrees_with_autograd(options: dict[str, object]) -> None:
    checks = reach.check(d_model=4, layers=2, window=2, **options)  # type: ignore[arg-type]
    assert len(checks) == 2 * len(ARCHITECTURES)
    for check in checks:
        assert check.passed and check.error < 1e-9, check


def test_the_check_differentiates_each_layer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = mock.Mock(wraps=torch.autograd.functional.jacobian)
    monkeypatch.setattr(torch.autograd.functional, "jacobian", counted)
    reach.check(models="conv", tokens=4, d_model=4, layers=5)
    assert counted.call_count == 6  # and the whole stack


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    right = rnn.bptt
    wrong = lambda *a: (lambda g, dx, dh: (g, dx * (1 + 1e-6), dh))(*right(*a))  # noqa: E731
    monkeypatch.setattr(rnn, "bptt", wrong)
    monkeypatch.setattr(reach, "_STEP", 0.3)
    checks = reach.check(models="rnn,attention", **SMALL)  # type: ignore[arg-type]
    assert [c.passed for c in checks] == [False, True, False, True]
    monkeypatch.setattr(reach, "differences", lambda f, x, along: np.ones(along.shape))
    checks = reach.check(models="causal", **SMALL)  # type: ignore[arg-type]
    assert not any(c.passed for c in checks)


# Refusals


@pytest.mark.parametrize(
    "options",
    [
        {"tokens": 1}, {"tokens": 65}, {"tokens": 3.5}, {"grid": "6"}, {"grid": "1x1"},
        {"grid": "9x9"}, {"grid": "x"}, {"at": 3}, {"grid": "2x3", "at": 7},
        {"grid": "2x3", "at": 0}, {"layers": 0}, {"layers": 13}, {"models": ""},
        {"models": "rnn,foo"}, {"d_model": 5}, {"d_model": 3}, {"d_model": 66},
        {"tokens": 64, "d_model": 16}, {"tokens": 12, "grid": "2x3"}, {"tokens": 64},
        {"tokens": 30, "layers": 12}, {"grid": "8x8", "kernel": 127}, {"tokens": 5, "kernel": 11},
        {"grid": "8x8", "kernel": 15, "models": "conv", "layers": 12}, {"heads": 3},
        {"heads": 0}, {"kernel": 2}, {"kernel": 0}, {"window": 0}, {"seed": -1}, {"residual": 1},
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="expected"):
        reach.run(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"tokens": 40, "layers": 12}, "--layers 5"),
        ({"tokens": 64, "layers": 4, "models": "conv"}, None),
        ({"tokens": 64, "d_model": 64}, "fewer --models, "),
        ({"tokens": 24, "residual": False, "layers": 12}, "--layers 7"),
        ({"tokens": 10, "kernel": 21}, "--kernel 19"),
    ],
)
def test_what_is_refused_says_what_would_do(options: dict[str, Any], hint: str | None) -> None:
    if hint is None:
        reach._affordable(LINE._replace(n2=64, d=8), 4, ["conv"])
        return
    with pytest.raises(BadInput, match=hint) as refused:
        reach.run(**options)
    if "--layers" in hint:
        shape = LINE._replace(n2=options["tokens"], d=8, residual=options.get("residual", True))
        reach._affordable(shape, int(refused.value.hint.split()[1]), list(ARCHITECTURES))


def test_bad_input_gets_one_line(seqlab: Run) -> None:
    for arguments in (["--kernel", "4"], ["--grid", "[/b]"], ["--models", "lstm"], ["--at", "2"]):
        outcome = seqlab("reach", *arguments)
        assert outcome.status == 2 and outcome.errors.count("\n") == 1 and not outcome.text
        assert "expected" in outcome.errors
