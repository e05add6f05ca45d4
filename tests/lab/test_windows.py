"""windows: eq. 1 and 2, who reaches whom, the mask, and sentences that can turn."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.swin.modeling_swin import SwinLayer

from seqlab.book import swin
from seqlab.emit import plain
from seqlab.lab import BadInput, windows


@pytest.fixture(scope="module")
def result() -> windows.Windows:
    return windows.run()


def reached(found: windows.Windows) -> list[int]:
    return [reach.changed for reach in found.flow]


# The contract


def test_json_contract(seqlab: Run) -> None:
    outcome = seqlab("windows", "--json")
    document, result = outcome.json, outcome.json["result"]
    assert len(outcome.text) < 100_000
    assert document["options"] == {
        "image": None, "window": 7, "size": 224, "stage": 2, "image_size": "224,384,512",
        "patch": 4, "dim": 96, "at": 346, "pick": 16, "seed": 0,
    }  # fmt: skip
    assert result["image"] == {"path": None, "width": 360, "height": 270, "mode": "RGB"}
    keys = ("stage", "grid", "width", "window", "windows", "shift")
    assert [tuple(shape[key] for key in keys) for shape in result["shapes"]] == [
        (1, 56, 96, 7, 64, 3), (2, 28, 192, 7, 16, 3), (3, 14, 384, 7, 4, 3), (4, 7, 768, 7, 1, 0),
    ]  # fmt: skip
    assert result["sides"] == [224, 384, 512]
    assert {kind: np.shape(work) for kind, work in result["macs"].items()} == dict.fromkeys(
        ("global", "window", "padded"), (3, 4)
    )
    assert "image_size" not in result
    assert np.shape(result["regions"]) == (28, 28)
    assert np.shape(result["picked"]["regions"]) == (7, 7)
    assert np.shape(result["attention"]["before"]) == (7, 7)
    assert [reach["blocks"] for reach in result["flow"]] == [
        "W-MSA", "W-MSA, W-MSA", "W-MSA, SW-MSA", "W-MSA, SW-MSA without mask",
    ]  # fmt: skip
    assert "pixels" not in result and not {"mask", "free", "masked"} & set(result["picked"])


@pytest.mark.parametrize(
    "options",
    [{"window": 32, "size": 256, "patch": 1, "stage": 4}, {"window": 8, "size": 512, "stage": 1}],
)
def test_the_largest_json_is_below_a_megabyte(options: dict[str, Any]) -> None:
    text = json.dumps(plain(windows.run(**options)))
    assert 100_000 < len(text) < 1_000_000


def test_the_sides_are_told_once(seqlab: Run) -> None:
    document = seqlab("windows", "--json", "--image-size", "0448").json
    assert document["result"]["sides"] == [224, 448]
    assert windows.run(image_size="448,0224").image_size == "224,448"


def test_two_runs_are_the_same_to_the_byte(seqlab: Run) -> None:
    one, two, other = (seqlab("windows", "--json", "--seed", seed).text for seed in "001")
    assert one == two and one != other


def test_json_of_a_file(tmp_path: Path, seqlab: Run) -> None:
    file = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    outcome = seqlab("windows", str(file), "--json", "--window", "4", "--size", "64")
    assert outcome.json["result"]["image"]["width"] == 90
    text = seqlab("windows", str(file), "--window", "4", "--size", "64").text
    assert "a.png, 90 × 40; its middle enlarged to 64 × 64" in text
    text = seqlab("windows", str(file), "--window", "4", "--size", "32").text
    assert "a.png, 90 × 40; its middle as 32 × 32" in text


# What attention costs


def test_the_numbers_of_the_paper(result: windows.Windows) -> None:
    everywhere, window, padded = result.macs.values()
    assert [everywhere[0][0], window[0][0]] == [2_003_828_736, 145_108_992]
    assert [round(everywhere[i][0] / window[i][0], 1) for i in range(3)] == [13.8, 39.0, 68.8]
    assert padded[0] == window[0] and all(np.ravel(padded[1:]) > np.ravel(window[1:]))
    assert result.ratio(224, 4) == 1
    assert result.whole == [[True] * 4, [False] * 4, [False] * 4]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 7))
def test_the_equations_count_products(d: int, side: int, M: int) -> None:
    """Four projections of every patch; a score and a weighted value for every pair."""
    n = (side * M) ** 2
    pairs = {"global": n * n, "window": side**2 * M**4}
    projected = 4 * n * d * d
    assert swin.global_macs(n, d) == projected + pairs["global"] * 2 * d
    assert swin.window_macs(n, d, M) == projected + pairs["window"] * 2 * d


def test_padding_is_counted_as_transformers_computes_it() -> None:
    """A layer of Swin on a grid of 12 × 12 patches, which windows of 7 do not fill."""
    d, grid = 24, 12
    config = hf.SwinConfig(embed_dim=d, window_size=7)
    layer = SwinLayer(config, d, (grid, grid), num_heads=1).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.zeros(1, grid**2, d), (grid, grid))
    feed_forward = 2 * grid**2 * d * 4 * d
    found = windows.run(image_size="384", dim=3)
    assert (found.macs["padded"][1][3], found.whole[1][3]) == (
        counter.get_total_flops() // 2 - feed_forward,
        False,
    )
    assert round(windows.run().ratio(384, 4), 2) == 0.78
    assert round(windows.run().ratio(512, 4), 2) == 0.66


def test_twice_the_side_is_four_times_the_windows_and_more_globally() -> None:
    found = windows.run(image_size="224,448")
    window, everywhere = (
        [found.macs[k][1][i] / found.macs[k][0][i] for i in range(3)] for k in ("window", "global")
    )
    assert window == [4, 4, 4] and 4 < everywhere[2] < everywhere[1] < everywhere[0] < 16


def test_sizes_of_swin() -> None:
    found = windows.run(window=12, size=384, dim=128, stage=4)
    assert [(s.grid, s.width, s.windows) for s in found.shapes] == [
        (96, 128, 64), (48, 256, 16), (24, 512, 4), (12, 1024, 1),
    ]  # fmt: skip
    assert found.sides == [224, 384, 512]
    assert windows.run(patch=16, size=896, stage=4).sides == [
        384,
        512,
        896,
    ]  # 224 has no whole patches
    assert windows.run(image_size=[448, 224]).image_size == "224,448"  # type: ignore[arg-type]


# Who reaches whom


def test_a_nudge_stays_in_its_window_until_windows_shift(result: windows.Windows) -> None:
    assert reached(result) == [49, 49, 196, 196] and result.place == (12, 9)
    own = np.zeros((28, 28), bool)
    own[7:14, 7:14] = True
    for reach in result.flow[:2]:
        np.testing.assert_array_equal(reach.change > 0, own)
        assert reach.outside == 0 and reach.windows == 1
    second = result.flow[2]
    assert result.flow[3].windows == 4
    shifted = np.zeros((28, 28), bool)
    shifted[3:17, 3:17] = True  # the four windows shifted by 3 that its own lies in
    np.testing.assert_array_equal(second.change > 0, shifted)
    assert second.windows == 4 and second.outside == second.change[~own].max() > 0
    assert second.inside == second.change[own].max()


@pytest.mark.parametrize(
    ("at", "rows", "columns"),
    [(1, (0, 10), (0, 10)), (784, (17, 28), (17, 28)), (28, (0, 10), (17, 28))],
)
def test_nothing_comes_around_the_edge(
    at: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    expected = np.zeros((28, 28), bool)
    expected[slice(*rows), slice(*columns)] = True
    np.testing.assert_array_equal(windows.run(at=at).flow[2].change > 0, expected)


def test_without_the_mask_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    masked = windows.run(at=1).flow
    assert [reach.changed for reach in masked[2:]] == [100, 196]
    right = swin.shift_mask
    monkeypatch.setattr(swin, "shift_mask", lambda *sizes: right(*sizes) | True)
    leaking = windows.run(at=1)
    np.testing.assert_allclose(leaking.flow[2].change, masked[3].change, atol=1e-12)
    assert leaking.picked.left == pytest.approx(leaking.picked.crossing) and leaking.picked.left > 0
    np.testing.assert_allclose(leaking.picked.free, leaking.picked.masked, atol=1e-15)


@given(st.integers(0, 2**30))
def test_the_shifted_windows_that_it_reaches_overlap_its_own(draw: int) -> None:
    found = windows.run(window=4, size=64, at=draw % 64 + 1, stage=2)
    row, column = (4 * (place // 4) for place in found.place)
    lattice = (np.arange(8) - 2) // 4
    expected = np.isin(lattice, lattice[row : row + 4])[:, None] & np.isin(
        lattice, lattice[column : column + 4]
    )
    np.testing.assert_array_equal(found.flow[2].change > 0, expected)
    assert found.flow[2].windows == 4


def test_changes_are_those_of_a_network_built_by_hand() -> None:
    """One grey level more in the pixels of the patch, the same seed: the page, step by step."""
    found = windows.run(stage=3, at=60, seed=5)
    config = swin.Config(image=224, p=16, d=32, depths=(2,), heads=(1,), window=7, classes=1)
    p = swin.init(config, np.random.default_rng(5))
    dark, bright = (np.moveaxis(found.pixels, 2, 0).astype(float) for _side in "ab")
    bright[:, 64:80, 48:64] += 1  # patch 60 of 14 × 14: row 5, column 4
    states = [swin.read(p, x / 127.5 - 1, config).states for x in (dark, bright)]
    nudge, *moved = (b - a for a, b in zip(*states, strict=True))
    assert np.count_nonzero(nudge.any(-1)) == 1
    for reach, difference in zip(found.flow[:3:2], moved, strict=True):
        change = np.sqrt((difference**2).sum(-1) / (nudge**2).sum())
        np.testing.assert_allclose(reach.change, change, rtol=1e-9, atol=1e-15)


def test_one_window_sees_all_and_windows_of_one_nothing() -> None:
    whole = windows.run(stage=4)
    assert reached(whole) == [49, 49, 49, 49] and whole.shape.shift == 0 and whole.mixed == 0
    assert whole.picked.mask.all() and (whole.regions == 0).all()
    single = windows.run(window=1)
    assert reached(single) == [1, 1, 1, 1] and single.attention["before"].tolist() == [[1.0]]


# The mask


def test_strangers_share_windows(result: windows.Windows) -> None:
    assert result.mixed == 7  # the last row and the last column of 4 × 4 windows
    assert set(result.regions.ravel()) == set(range(9))
    found = result.picked
    np.testing.assert_array_equal(found.regions, result.regions[21:, 21:])
    np.testing.assert_array_equal(found.mask, swin.shift_mask(28, 28, 7, 3)[15])
    assert found.pieces == 4


def test_the_attention_that_crosses(result: windows.Windows) -> None:
    found = result.picked
    for weights in (found.free, found.masked):
        np.testing.assert_allclose(weights.sum(1), 1)
    share = found.free[~found.mask].sum() / found.free.sum()
    assert found.crossing == pytest.approx(share) and 0.5 < share < 0.9
    assert found.left == 0 == found.masked[~found.mask].max()
    # what is left, in proportion, is what the mask makes of the weights without it
    kept = np.where(found.mask, found.free, 0)
    np.testing.assert_allclose(found.masked, kept / kept.sum(1, keepdims=True), rtol=1e-9)


def test_the_picked_window_is_cut_from_the_shifted_grid() -> None:
    for pick, rows, columns in (
        (1, (0, 7), (0, 7)),
        (8, (7, 14), (21, 28)),
        (15, (21, 28), (14, 21)),
    ):
        found = windows.run(pick=pick)
        cut = found.regions[slice(*rows), slice(*columns)]
        np.testing.assert_array_equal(found.picked.regions, cut)
        assert found.picked.pieces == len(set(cut.ravel())) == (1 if pick == 1 else 2)
        assert (found.picked.crossing == 0) == (pick == 1)


def test_one_patch_looks_around(result: windows.Windows) -> None:
    for weights in result.attention.values():
        assert weights.sum() == pytest.approx(1)
    side = windows.run(at=20)  # row 0, column 19: window 2 of the grid, 14 of the shifted one
    config = swin.Config(image=224, p=8, d=32, depths=(2,), heads=(1,), window=7, classes=1)
    p = swin.init(config, np.random.default_rng(0))
    trace = swin.read(p, np.moveaxis(side.pixels, 2, 0) / 127.5 - 1, config)
    np.testing.assert_allclose(side.attention["before"].ravel(), trace.weights[0][2, 0, 5])
    np.testing.assert_allclose(side.attention["after"].ravel(), trace.weights[1][14, 0, 30])
    edge = windows.run(at=1)  # on the shifted grid the first patch is in the last window's corner
    np.testing.assert_allclose(edge.attention["after"].ravel(), edge.picked.masked[4 * 7 + 4])
    assert (edge.attention["after"] > 0).sum() == 9  # of the 3 × 3 that came around with it


# The oracle


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ("W-MSA, M = 7", "SW-MSA, M = 7", "28 × 28 patches")),
        ({"window": 2, "size": 64, "stage": 1}, ("SW-MSA, M = 2", "16 × 16 patches")),
        ({"window": 16, "size": 256, "stage": 1}, ("SW-MSA, M = 14", "28 × 28 patches")),
    ],
)
def test_torch_agrees(options: dict[str, Any], names: tuple[str, ...]) -> None:
    checks = windows.check(**options)
    assert len(checks) == 10 and all(check.passed for check in checks), checks
    assert all(any(name in check.name for check in checks) for name in names)


@pytest.mark.parametrize(
    "options", [{"window": 1, "size": 32}, {"window": 12, "size": 384, "stage": 4}]
)
def test_what_does_not_shift_is_not_checked_shifted(options: dict[str, Any]) -> None:
    checks = windows.check(**options)
    assert len(checks) == 6 == len({check.name for check in checks})
    assert all(check.passed and not check.name.startswith("SW") for check in checks)


@pytest.mark.parametrize(
    ("name", "spoilt", "failing"),
    [
        ("shift", lambda x, k: np.roll(x, (k, k), (-3, -2)) if isinstance(x, np.ndarray)
            else torch.roll(x, (k, k), (-3, -2)), "SW-MSA"),
        ("shift_mask", lambda n1, n2, M, k: None, "SW-MSA"),
        ("relative_index", lambda M: swin.arange(M**4).reshape(M**2, M**2) % (2 * M - 1), "W-MSA"),
        ("global_macs", lambda n, d: 4 * n * d * d + n * n * d, "eq. 1"),
        ("window_macs", lambda n, d, M: 4 * n * d * d + 2 * n * n * d, "eq. 2"),
    ],
)  # fmt: skip
def test_the_check_can_fail(
    monkeypatch: pytest.MonkeyPatch, name: str, spoilt: Any, failing: str
) -> None:
    options = {"window": 2, "size": 32, "stage": 1, "image_size": "32"}
    plain_run = windows.run(**options)  # type: ignore[arg-type]
    monkeypatch.setattr(swin, name, spoilt)
    if name.endswith("macs"):
        checks = windows.check(**options)
    else:
        monkeypatch.setattr(windows, "run", lambda **_options: plain_run)
        checks = windows.check(**options)
    failed = [check.name for check in checks if not check.passed]
    assert failed and all(text.startswith(failing) for text in failed if "SW" in failing), failed
    assert any(text.startswith(failing) for text in failed)


# What is refused


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"size": 384}, ("windows of 7", "224, 448", "--window 6, --window 12")),
        ({"size": 300}, ("--size 300", "whole patches of 4", "--size 224")),
        ({"window": 5}, ("no whole windows of 5", "160, 320", "--window 7")),
        ({"size": 225, "patch": 1}, ("--size 225", "--size 224")),
        ({"window": 31, "patch": 16}, ("--size 224", "--size 256")),
        ({"image_size": "100"}, ("--image-size 100", "multiples of 32 up to 4096")),
        ({"image_size": "224,x"}, ("--image-size x", "multiples of 32")),
        ({"image_size": "8192"}, ("--image-size 8192", "up to 4096")),
        ({"image_size": ""}, ("--image-size: 0", "1 to 6 sizes")),
        ({"image_size": "32,64,96,128,160,192,224"}, ("--image-size: 7", "1 to 6 sizes")),
        ({"image_size": "9" * 5000}, ("--image-size 9999999999999999999…: ", "multiples of 32")),
        ({"window": 32, "size": 1024, "stage": 1}, ("67,108,864", "and 2,097,152", "--stage 4")),
        ({"patch": 1, "size": 896, "stage": 1}, ("802,816 patches", "--stage 4")),
        ({"window": 8, "size": 1024, "stage": 1}, ("65,536 patches", "--stage 2")),
        ({"image_size": "000000512999"}, ("--image-size 000000512999", "up to 4096")),
        ({"image_size": "0"}, ("--image-size 0", "multiples of 32")),
        ({"at": 785}, ("--at 785", "from 1 to 784", "try --at 346")),
        ({"pick": 17}, ("--pick 17", "from 1 to 16", "try --pick 16")),
        ({"stage": 5}, ("--stage 5", "from 1 to 4")),
        ({"stage": 1.5}, ("--stage 1.5", "a whole number")),
        ({"window": 0}, ("--window 0",)),
        ({"dim": 5000}, ("--dim 5000",)),
        ({"patch": 17}, ("--patch 17",)),
        ({"size": 7}, ("--size 7",)),
        ({"seed": -1}, ("--seed -1",)),
        ({"image": "none/such.png"}, ("no such file",)),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused_in_one_line(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        windows.run(**options)
    text = str(caught.value)
    assert "\n" not in text and all(part in text for part in parts), text[:300]


def test_the_command_line_refuses_too(seqlab: Run) -> None:
    outcome = seqlab("windows", "--size", "384")
    assert outcome.status == 2 and outcome.errors.count("\n") == 1 and not outcome.text
    assert outcome.errors.startswith("error: --size 384")


@given(st.integers(1, 16), st.integers(1, 32), st.integers(1, 1024))
def test_fitting_is_having_whole_windows_in_all_stages(patch: int, M: int, size: int) -> None:
    def whole() -> bool:
        side: float = size / patch
        for _stage in range(4):
            if side != int(side) or side % min(M, side):
                return False
            side /= 2
        return True

    assert windows._fits(size, patch, M) == whole()


def test_what_is_offered_fits() -> None:
    refusals = 0
    for patch in range(1, 17):
        for window in range(1, 33):
            for size in (8, 384, 500, 1024):
                try:
                    windows._require_whole(size, patch, window)
                except BadInput as refused:
                    refusals += 1
                    for hint in refused.hint.split(", "):
                        name, value = hint.split(" ")
                        wanted = {"--size": size, "--window": window, name: int(value)}
                        assert windows._fits(wanted["--size"], patch, wanted["--window"]), hint
    assert refusals > 1000


# The sentences


def words(**options: Any) -> list[str]:
    return windows.takeaways(windows.run(**options))


def test_sentences_of_the_default(result: windows.Windows) -> None:
    one, two, three = windows.takeaways(result)
    assert "49 of 784 patches after W-MSA, 49 after another (--detail)" in one
    assert "outside its window the change is 0." in one
    assert one.endswith("196, the 4 shifted windows that its own overlaps; without the mask 196.")
    share = windows._percent(result.picked.crossing)
    assert "7 of 16 windows hold pieces that are no neighbours" in two
    assert f"window 16 (row 4, column 4) {share} of attention (random weights) crosses" in two
    assert two.endswith("between its 4 pieces without the mask, 0 with it.")
    assert "matrix products take 13.8 × the multiply-adds of windows' in stage 1, 1.00 ×" in three
    assert "5.22 × the patches, stage 1 takes 26.0 × globally, 5.64 × in windows" in three
    assert three.endswith("Padded windows take more than global attention in stage 4 at 384, 512.")


def test_sentences_say_what_is_so_elsewhere() -> None:
    assert words(at=1)[0].endswith(
        "reaches 100, the 4 shifted windows that its own overlaps; without the mask 196."
    )
    assert "one window of 7 × 7: 49 of 49" in words(stage=4)[0] and len(words(stage=4)) == 2
    assert "have no half to shift by" in words(window=1)[0]
    assert "Window 1 (row 1, column 1) holds one piece" in words(pick=1)[1]
    assert "its matrix products are those of global" in words(window=8, size=32)[1]
    alone, unpadded = (words(image_size=text)[2] for text in ("224", "224,448"))
    assert "globally" not in alone and "Padded" not in alone + unpadded
    assert "in stage 3 at 256; in stage 4 at 256" in words(image_size="256")[2]
    assert "1 of 1 windows" not in " ".join(words(stage=4))


def test_sentences_turn_with_the_numbers(result: windows.Windows) -> None:
    first, again, second, unmasked = result.flow

    def told(*flow: windows.Reach) -> str:
        return windows.takeaways(dataclasses.replace(result, flow=list(flow)))[0]

    later = dataclasses.replace(again, outside=0.1, changed=99)
    assert "99 after another (--detail); outside its window the change is 0.1" in told(
        first, later, second, unmasked
    )
    fewer = dataclasses.replace(second, changed=50, windows=2)
    assert "it reaches 50, the 2 shifted windows" in told(first, again, fewer, unmasked)
    picked = dataclasses.replace(result.picked, left=0.25)
    assert "mask, 25 % with it" in windows.takeaways(dataclasses.replace(result, picked=picked))[1]


@pytest.mark.parametrize(
    ("options", "choices", "answer"),
    [({}, "49 98 196 784", "196"), ({"at": 1}, "49 100 196 784", "100"),
     ({"stage": 4}, "0 1 13 49", "49"), ({"window": 1}, "1 2 4 784", "1"),
     ({"window": 2, "size": 32, "stage": 4}, "0 1", "1")],
)  # fmt: skip
def test_question(options: dict[str, Any], choices: str, answer: str) -> None:
    found = windows.run(**options)
    question = windows.question(found)
    assert list(question.choices) == choices.split()
    assert question.choices[question.answer] == answer
    assert question.why in windows.takeaways(found)


def test_the_question_says_which_patch() -> None:
    middle, corner = (windows.question(windows.run(at=at)).text for at in (None, 1))
    assert "the one in row 13, column 10 is nudged" in middle
    assert "the one in row 1, column 1 is nudged" in corner


# Screens

SCREENS: list[list[str]] = [
    [], ["--detail"], ["--stage", "1"], ["--stage", "3", "--detail"], ["--stage", "4", "--detail"],
    ["--window", "1", "--detail"], ["--at", "1", "--pick", "3"],
    ["--window", "8", "--size", "256", "--image-size", "256"],
]  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 100, 200])
@pytest.mark.parametrize("options", SCREENS, ids=" ".join)
def test_screens_fit(seqlab: Run, options: list[str], width: int) -> None:
    for colour in ("truecolor", "none"):
        outcome = seqlab("windows", *options, "--color", colour, width=width)
        assert outcome.status == 0 and outcome.errors == ""
    assert outcome.widest <= width


def test_too_many_windows_are_not_drawn_apart(seqlab: Run) -> None:
    few, many = (
        seqlab(
            "windows", "--size", "64", "--stage", "1", "--window", window, "--color", "none"
        ).text
        for window in "41"
    )
    assert "│" in few and "too many for lines" not in few
    assert "│" not in many.split("windows: too many")[0].split("(X) is")[0]


@pytest.mark.parametrize("options", SCREENS, ids=" ".join)
def test_ascii_is_seven_bit(seqlab: Run, options: list[str]) -> None:
    outcome = seqlab("windows", *options, "--ascii")
    assert outcome.text.isascii() and outcome.widest <= 100


@pytest.mark.parametrize(
    "options", [[], ["--stage", "1"], ["--stage", "3"], ["--stage", "4"]], ids=" ".join
)
@pytest.mark.parametrize("look", [[], ["--color", "none"], ["--ascii"], ["--lang", "zh"]])
def test_the_first_screen(seqlab: Run, options: list[str], look: list[str]) -> None:
    outcome = seqlab("windows", *options, *(look or ["--color", "truecolor"]), width=100)
    assert outcome.text.count("\n") <= 40
    for word in ("56", "13.8", "63.7", "68.8", "0.656", "2.004", "0.145"):
        assert word in outcome.text


def test_a_windows_picture_without_colours(seqlab: Run) -> None:
    text = seqlab("windows", "--color", "none", width=100).text
    lines = text.splitlines()
    for title in ("1 W-MSA: 49 changed", "2 SW-MSA: 196 changed", "rolled by 3: 9 pieces"):
        assert title in lines[1]
    first, second, third = (
        [line[i : i + 33].rstrip() for line in lines[2:18]] for i in (0, 34, 68)
    )
    assert first[0] == "·······│·······│·······│·······"
    assert first[3] == "───────┼───────┼───────┼───────"
    assert [row.count("█") + row.count("X") for row in first[4:7]] == [7, 7, 7]
    assert sum("X" in row for row in first) == sum("X" in row for row in second) == 1
    assert sum(row.count("█") + row.count("X") for row in second) == 4 * 7 * 3
    assert third[4] == "000000X│0000000│0000000│1111222"  # rolled: three up, three to the left
    assert third[0] == "0000000│0000000│0000000│1111222" and third[14].endswith("7777888")
    assert "(X) is a grey level brighter" in text and "(red)" not in text


def places(n: int, M: int, shift: int, room: int, lined: bool = True) -> list[int]:
    blank = np.zeros((n, n, 3))
    none = np.zeros((n, n), bool)
    return windows._Cut(blank, [[""] * n] * n, M, shift, (0, 0), none)._places(room, lined)


def test_pixels_are_patches_between_lines() -> None:
    assert places(4, 2, 0, 10) == [0, 0, 1, 1, -1, 2, 2, 3, 3]
    assert places(28, 7, 0, 32) == [
        *range(7),
        -1,
        *range(7, 14),
        -1,
        *range(14, 21),
        -1,
        *range(21, 28),
    ]
    shifted = [
        *range(3),
        -1,
        *range(3, 10),
        -1,
        *range(10, 17),
        -1,
        *range(17, 24),
        -1,
        *range(24, 28),
    ]
    assert places(28, 7, 3, 32) == shifted
    assert places(7, 7, 0, 32) == [i for i in range(7) for _pixel in range(4)]
    assert places(300, 3, 1, 30, lined=False) == [5 + 10 * i for i in range(30)]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(8, 40), st.booleans())
def test_every_window_is_drawn_and_fits(side: int, M: int, room: int, shifted: bool) -> None:
    n, k = side * M, (M // 2 if shifted and side > 1 else 0)
    lined = room >= 3 * side
    found = places(n, M, k, room, lined)
    assert len(found) <= room
    patches = [p for p in found if p >= 0]
    assert patches == sorted(patches) and max(patches) < n
    if lined:
        assert found.count(-1) == side - 1 + bool(k)
        assert len({(p - k) // M for p in patches}) == side + bool(k)


def test_the_picture_is_dark_where_nothing_changed(result: windows.Windows) -> None:
    cut = windows._reached(result, result.flow[0])
    mean = windows._patches(result)
    np.testing.assert_allclose(cut.colours[10, 10], mean[10, 10])
    np.testing.assert_allclose(cut.colours[20, 20], mean[20, 20] * 0.28)
    block = result.pixels[80:88, 80:88].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(mean[10, 10], block, atol=1)


def test_the_third_picture_is_rolled_and_its_pieces_tinted(result: windows.Windows) -> None:
    rolled, mean = windows._tinted(result), windows._patches(result)
    np.testing.assert_allclose(rolled[0, 0], mean[3, 3])  # piece 0 keeps its colours
    corner = rolled[27, 27] - 0.35 * mean[2, 2]
    assert np.ptp([rolled[27, 27], rolled[26, 26]], axis=0).max() < 60  # one tint
    assert (corner > 0).all() and not np.allclose(rolled[27, 27], mean[2, 2])


def test_the_nudged_patch_stands_out_where_it_is(result: windows.Windows) -> None:
    """Patch (12, 9) lies behind one line either way: at pixel (13, 10), the lower of its cell."""
    console = Console(file=io.StringIO(), width=40, color_system="truecolor", force_terminal=True)
    red = []
    for y, line in enumerate(console.render_lines(windows._reached(result, result.flow[0]))):
        cells = [segment.style for segment in line for _character in segment.text]
        red += [(y, x) for x, style in enumerate(cells) if style and "#ff3c3c" in str(style)]
        assert not any("X" in segment.text for segment in line)
    assert red == [(6, 10)]


def pixels(cut: windows._Cut, colour: str) -> set[tuple[int, int]]:
    """Where the drawing has a colour: (row, column) of the pixel."""
    console = Console(file=io.StringIO(), width=40, color_system="truecolor", force_terminal=True)
    found = set()
    for y, line in enumerate(console.render_lines(cut)):
        styles = [segment.style for segment in line for _character in segment.text]
        for x, style in enumerate(styles):
            for i, ink in enumerate((style.color, style.bgcolor) if style else ()):
                if ink is not None and ink.name == colour:
                    found.add((2 * y + i, x))
    return found


def test_what_changed_is_outlined_on_any_photo(result: windows.Windows) -> None:
    """Window (1, 1) lies between pixels 7 and 15; at the picture's edge its outline is open."""
    ring = {(y, x) for y in range(7, 16) for x in range(7, 16)}
    inside = {(y, x) for y in range(8, 15) for x in range(8, 15)}
    for ground in (0, 255):
        flat = dataclasses.replace(result, pixels=np.full_like(result.pixels, ground))
        assert pixels(windows._reached(flat, flat.flow[0]), windows._OUTLINE) == ring - inside
    corner = windows.run(at=1)
    outline = pixels(windows._reached(corner, corner.flow[0]), windows._OUTLINE)
    assert outline == {(7, i) for i in range(8)} | {(i, 7) for i in range(8)}
    picked = windows._panels(corner)[-1][1]
    assert isinstance(picked, windows._Cut)  # window 16 of the rolled grid, and the patch in it
    assert (23, 23) in pixels(picked, windows._OUTLINE)
    assert pixels(picked, windows._NUDGED) == {(28, 28)}


def test_a_window_too_small_to_draw_is_outlined_all_the_same() -> None:
    found = windows.run(window=1, size=384, stage=1)
    assert not windows._lined(96, 32)
    assert len(pixels(windows._reached(found, found.flow[0]), windows._OUTLINE)) == 8


def test_detail_shows_the_steps(seqlab: Run) -> None:
    text = seqlab("windows", "--detail", width=100).text
    for word in (
        "2 W-MSA: 49 changed",
        "the picture, rolled",
        "The mask of window 16",
        "1 pieces",
        "2 mask",
        "3 weights without it",
        "4 weights with it",
        "row 13, column 10",
        "√(d/h)",
        "224×224×3",
    ):
        assert word in text
    assert "The mask of" not in seqlab("windows", "--detail", "--stage", "4").text
    assert "The mask of" not in seqlab("windows").text


def test_the_table_has_global_attention_first(seqlab: Run) -> None:
    row = next(line for line in seqlab("windows").text.splitlines() if "56×56×96" in line)
    expected = ["1", "56×56×96", "64", "·", "7×7", "2.004", "0.145", "█", "13.8", "×"]
    assert row.split() == [*expected, "███", "37.5", "×", "█████", "63.7", "×"]


def test_bars_grow_with_the_console_and_a_fourth_picture_comes(seqlab: Run) -> None:
    narrow, wide = (seqlab("windows", width=width).text for width in (100, 140))
    assert "2 W-MSA: 49 changed" in wide and "2 W-MSA: 49 changed" not in narrow
    assert "█" * 15 + " 63.7 ×" in wide
    row = next(line for line in wide.splitlines() if "7×7×768" in line)
    assert row.endswith("0.656 ×") and wide.count("\n") < narrow.count("\n")


def test_what_the_table_counts_is_said(seqlab: Run) -> None:
    text = " ".join(seqlab("windows").text.split())
    assert "not of softmax, B, mask, norms, FFN" in text
    assert "At 384, 512 padding to whole windows counts" in text
    assert "unpadded stage 1 has 39.0 ×, 68.8 ×." in text
    assert "padding" not in seqlab("windows", "--image-size", "224,448").text


def test_a_name_is_no_markup(tmp_path: Path, seqlab: Run) -> None:
    file = tmp_path / "[red]x[y].png"
    Image.new("RGB", (64, 32), (9, 80, 200)).save(file)
    text = seqlab("windows", str(file), "--size", "64", "--window", "4").text
    assert "[red]x[y].png, 64 × 32" in text


def test_it_is_redrawn_from_the_result_alone(result: windows.Windows) -> None:
    hidden = [f.name for f in dataclasses.fields(result) if not f.metadata.get("json", True)]
    assert hidden == ["pixels"]
    assert json.dumps(plain(result), allow_nan=False)
