"""patchify: the numbers of the papers, exactness against torch, and sentences that can turn."""

import dataclasses
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seqlab import images
from seqlab.book import conv, positions, vit
from seqlab.emit import plain
from seqlab.lab import BadInput, patchify


def test_json_contract(seqlab: Run) -> None:
    document = seqlab("patchify", "--json").json
    result = document["result"]
    assert result["image"] == {"path": None, "width": 360, "height": 270, "mode": "RGB"}
    assert (result["size"], result["patch"], result["grid"]) == (224, 16, [14, 14])
    assert (result["tokens"], result["patch_values"], result["dim"]) == (196, 768, 64)
    assert result["sequence"] == 197
    assert result["round_trip"] == 0 and 0 < result["convolution"] < 1e-12
    assert result["parameters"] == 768 * 64 + 64 + 64 + 197 * 64
    assert not {"pixels", "embedded", "pos"} & set(result) and result["rebuilt"] is None
    assert np.shape(result["likeness"]["cosines"]) == (14, 14)
    assert np.shape(result["first"]) == (4, 8)
    assert document["options"] == {
        "image": None, "patch": 16, "size": "224", "fit": "crop", "nearest": False, "dim": 64,
        "projection": "random", "positions": "2d", "at": None, "order": False, "seed": 0,
    }  # fmt: skip


def test_json_of_a_file(tmp_path: Path, seqlab: Run) -> None:
    file = tmp_path / "a.png"
    Image.new("L", (50, 40), 90).save(file)
    result = seqlab("patchify", str(file), "--json", "--size", "96x64", "--patch", "32").json[
        "result"
    ]
    assert result["image"] == {"path": str(file), "width": 50, "height": 40, "mode": "L"}
    assert (result["size"], result["grid"], result["tokens"]) == ([64, 96], [2, 3], 6)
    assert result["fitting"] == "scaled to cover 96 × 64, its middle kept"


def test_two_runs_are_the_same_to_the_byte(seqlab: Run) -> None:
    for options in ((), ("--projection", "pca", "--dim", "9"), ("--positions", "random")):
        one, two = (seqlab("patchify", "--json", *options).text for _ in "12")
        assert one == two
    first = [
        seqlab("patchify", "--json", *s).json["result"]["first"] for s in ((), ("--seed", "1"))
    ]
    assert first[0] != first[1]


def test_without_a_json_field_everything_can_be_redrawn_from_the_result() -> None:
    result = patchify.run(dim=8)
    hidden = [f.name for f in dataclasses.fields(result) if not f.metadata.get("json", True)]
    assert hidden == ["pixels", "embedded", "pos"]
    assert len(json.dumps(plain(result))) < 20_000


# Exactness


@pytest.mark.parametrize(
    "options",
    [
        {}, {"projection": "pca", "dim": 5}, {"positions": "1d", "dim": 6}, {"size": "96x64"},
        {"size": "70x42", "patch": 7, "positions": "random", "dim": 3}, {"patch": 112},
    ],
)  # fmt: skip
def test_torch_agrees(options: dict[str, Any]) -> None:
    checks = patchify.check(**options)
    assert len(checks) == 8 and all(check.passed for check in checks), checks
    assert {check.tolerance for check in checks} == {0.0, 1e-9}


@pytest.mark.parametrize(
    ("page", "name", "spoil", "failing"),
    [
        (vit, "project", lambda y: y + 1e-6, "patches × E"),
        (conv, "conv2d", lambda y: y[..., ::-1], "the page's convolution"),
        (vit, "embed", lambda y: np.roll(y, 1, axis=-2), "z₀"),
        (vit, "unpatchify", lambda y: y * (1 + 1e-15), "the picture from"),
    ],
)
def test_the_check_can_fail(
    monkeypatch: pytest.MonkeyPatch, page: Any, name: str, spoil: Any, failing: str
) -> None:
    right = getattr(page, name)
    monkeypatch.setattr(page, name, lambda *a, **k: spoil(right(*a, **k)))
    failed = {check.name.split(" and ")[0] for check in patchify.check() if not check.passed}
    assert any(text.startswith(failing) for text in failed), failed


def test_the_projection_is_torch_s_strided_convolution(tmp_path: Path) -> None:
    """From the file to the tokens, with nothing of ours between: a non-square coloured picture."""
    noise = np.random.default_rng(3).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    result = patchify.run(str(tmp_path / "a.png"), size="own", patch=8, dim=10, seed=4)
    assert (result.size, result.grid, result.fitting) == ([32, 48], [4, 6], "as it is")
    E = np.random.default_rng(4).normal(0, 1 / math.sqrt(192), (192, 10))
    kernel = torch.tensor(E.T.reshape(10, 3, 8, 8))
    x = torch.tensor(noise).double().permute(2, 0, 1)[None] / 127.5 - 1
    tokens = torch.nn.functional.conv2d(x, kernel, stride=8)[0].flatten(1).T
    np.testing.assert_allclose(result.embedded[1:], tokens, atol=1e-12)
    assert (result.embedded[0] == 0).all()  # the class token begins as zeros
    np.testing.assert_array_equal(result.first, (result.embedded + result.pos)[:4, :8])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.integers(0, 99))
def test_the_round_trip_is_exact(rows: int, columns: int, p: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (rows * p, columns * p, 3), dtype=np.uint8)
    x = np.moveaxis(noise, 2, 0) / 127.5 - 1
    patches = vit.patchify(x, p)
    assert patches.shape == (rows * columns, 3 * p * p)
    np.testing.assert_array_equal(vit.unpatchify(patches, p, rows, columns), x)
    # patch i is the i-th square, row by row
    i = seed % (rows * columns)
    row, column = divmod(i, columns)
    square = x[:, row * p : (row + 1) * p, column * p : (column + 1) * p]
    np.testing.assert_array_equal(patches[i], square.reshape(-1))


def noisy(tmp: Any, rows: int, columns: int, seed: int) -> str:
    noise = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    path = tmp.mktemp("noise") / "a.png"
    Image.fromarray(noise).save(path)
    return str(path)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_principal_components(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """More of them never rebuild worse; all of them rebuild exactly."""
    p, rows, columns = (data.draw(st.integers(1, n)) for n in (4, 5, 5))
    path = noisy(tmp_path_factory, rows * p, columns * p, data.draw(st.integers(0, 9)))
    full = min(3 * p * p, max(1, rows * columns - 1))
    errors, shares = [], []
    for dim in sorted({1, *data.draw(st.lists(st.integers(1, full), max_size=3)), full, full + 3}):
        result = patchify.run(path, size="own", patch=p, dim=dim, projection="pca")
        assert result.rebuilt is not None
        errors.append(result.rebuilt.rmse)
        shares.append(result.rebuilt.variance_kept)
        assert result.embedded.shape == (rows * columns + 1, dim)
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(errors))
    assert errors[-1] < 1e-9 and errors[-2] < 1e-9
    assert rows * columns == 1 or shares[-1] == pytest.approx(1)


def test_principal_components_are_those_of_torch() -> None:
    result = patchify.run(dim=12, projection="pca")
    assert result.rebuilt is not None
    x = torch.tensor(images.fitted(images.sample().pixels, 224, 224, "crop")).double() / 127.5 - 1
    patches = x.reshape(14, 16, 14, 16, 3).permute(0, 2, 4, 1, 3).reshape(196, 768)
    _u, s, v = torch.linalg.svd(patches - patches.mean(0), full_matrices=False)
    kept = float((s[:12] ** 2).sum() / (s**2).sum())
    assert result.rebuilt.variance_kept == pytest.approx(kept, abs=1e-12)
    left = torch.sqrt((s[12:] ** 2).sum() / (196 * 768)) * 127.5
    assert result.rebuilt.rmse == pytest.approx(float(left), abs=1e-9)
    tokens = ((patches - patches.mean(0)) @ v[:12].T).abs()
    np.testing.assert_allclose(np.abs(result.embedded[1:]), tokens, atol=1e-9)
    assert result.rebuilt.pixels.shape == (224, 224, 3)
    error = result.rebuilt.pixels.astype(float) - result.pixels
    assert np.sqrt((error**2).mean()) == pytest.approx(result.rebuilt.rmse, rel=0.05)


@pytest.mark.parametrize(("kind", "dim"), [("2d", 64), ("1d", 64), ("2d", 6), ("1d", 7)])
def test_positions(kind: patchify.Positions, dim: int) -> None:
    result = patchify.run(size="64x48", patch=16, dim=dim, positions=kind, at=6)
    if kind == "2d":
        wanted = positions.grid_sinusoidal(3, 4, 64 if dim == 64 else 8)[:, :dim]
        assert (result.pos[0] == 0).all()
        np.testing.assert_array_equal(result.pos[1:], wanted)
    else:
        np.testing.assert_array_equal(result.pos, positions.sinusoidal(13, dim + dim % 2)[:, :dim])
    assert bool(result.notes) == (dim < 64)
    own = result.pos[6]
    for i in range(12):
        other = result.pos[i + 1]
        cosine = own @ other / np.linalg.norm(own) / np.linalg.norm(other)
        assert result.likeness.cosines[divmod(i, 4)] == pytest.approx(cosine, abs=1e-12)
    assert (result.likeness.patch, result.likeness.row, result.likeness.column) == (6, 2, 2)
    beside = [result.likeness.cosines[at] for at in ((0, 1), (1, 0), (1, 2), (2, 1))]
    assert result.likeness.beside == pytest.approx(np.mean(beside))
    assert result.likeness.cosines[1, 1] == pytest.approx(1)


def test_neighbours_are_alike_in_sines_and_not_in_noise() -> None:
    sines, noise = (patchify.run(positions=kind).likeness for kind in ("2d", "random"))  # type: ignore[arg-type]
    assert sines.beside is not None and sines.elsewhere is not None
    assert sines.beside > sines.elsewhere + 0.1
    assert noise.beside is not None and abs(noise.beside) < 0.3


# The cost


def test_the_cost_table() -> None:
    result = patchify.run(dim=64)
    assert [c.patch for c in result.cost] == [8, 16, 32]
    assert [c.sequence for c in result.cost] == [785, 197, 50]
    assert [c.scores for c in result.cost] == [785**2, 197**2, 50**2]
    own = result.cost[1]
    assert own.macs_projections == 4 * 197 * 64**2 and own.macs_attention == 2 * 197**2 * 64
    assert own.macs == own.macs_projections + own.macs_attention


def test_patches_that_do_not_divide_are_said_to(seqlab: Run) -> None:
    result = patchify.run(size="120", patch=20)
    assert [(c.patch, c.sequence) for c in result.cost] == [
        (8, 226),
        (16, None),
        (20, 37),
        (32, None),
    ]
    text = seqlab("patchify", "--size", "120", "--patch", "20").text
    assert text.count("no divisor") == 2


# Sizes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "225"], ["225 × 225", "of 16 such as 224, 240", "--nearest, for 224x224"]),
        (["--size", "230x224"], ["230 × 224", "224, 240", "--nearest, for 224x224"]),
        (["--size", "8"], ["8 × 8", "such as 16", "--nearest, for 16x16"]),
        (["--size", "0"], ["1 to 2048"]),
        (["--size", "5000"], ["1 to 2048"]),
        (["--size", "banana"], ["WIDTHxHEIGHT"]),
        (["--size", "-3"], ["WIDTHxHEIGHT"]),
        (["--size", "²²"], ["WIDTHxHEIGHT"]),
        (["--size", "٢٢٤"], ["WIDTHxHEIGHT"]),
        (["--size", "12x"], ["WIDTHxHEIGHT"]),
        (["--size", "own"], ["360 × 270", "256, 272, 352, 368", "--nearest, for 368x272"]),
        (["--size", "2040", "--patch", "270"], ["such as 1890;", "--nearest, for 1890x1890"]),
        (["--size", "2000", "--patch", "300"], ["--dim 64", "16,777,216"]),
        (["--patch", "1", "--size", "128", "--dim", "2000"], ["--dim 2000", "16,777,216"]),
        (["--size", "2048", "--patch", "32", "--projection", "pca"], ["4,096 patches of 3,072"]),
        (["--patch", "0"], ["--patch 0", "at least 1"]),
        (["--patch", "600"], ["512"]),
        (["--dim", "0"], ["1"]),
        (["--dim", "9999"], ["4096"]),
        (["--patch", "1", "--size", "512"], ["262,144 patches", "16,384"]),
        (["--patch", "512", "--size", "512", "--dim", "4096"], ["--dim 4096", "16,777,216"]),
        (["--at", "197"], ["--at 197", "1 to 196"]),
        (["--at", "0"], ["--at 0", "1 to 196"]),
        (["--projection", "ica"], ["pca"]),
        (["--seed", "-1"], ["0"]),
        (["a.png", "b.png"], ["b.png"]),
    ],
)  # fmt: skip
def test_refusals(seqlab: Run, options: list[str], words: list[str]) -> None:
    outcome = seqlab("patchify", *options)
    assert outcome.status == 2 and outcome.text == ""
    assert outcome.errors.startswith("error: ") and outcome.errors.count("\n") == 1
    for word in words:
        assert word in outcome.errors


def test_refusals_of_the_python_api() -> None:
    for options in (
        {"patch": 0}, {"dim": 0}, {"dim": 5000}, {"seed": -1}, {"fit": "squeeze"},
        {"projection": "ica"}, {"positions": "3d"}, {"size": "x"}, {"at": 0}, {"patch": math.nan},
    ):  # fmt: skip
        with pytest.raises(BadInput):
            patchify.run(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "patch", "wanted"),
    [
        ("225", 16, 224),
        ("233", 16, 240),
        ("8", 16, 16),
        ("232", 16, 240),
        ("230x100", 16, [96, 224]),
        ("2040", 270, 1890),
    ],
)
def test_nearest(size: str, patch: int, wanted: Any) -> None:
    result = patchify.run(size=size, patch=patch, nearest=True)
    assert result.size == wanted
    assert "scaled" in result.fitting


def test_own_size(tmp_path: Path, seqlab: Run) -> None:
    result = patchify.run(size="own", nearest=True)
    assert (result.size, result.grid) == ([272, 368], [17, 23])
    Image.new("RGB", (3000, 20)).save(tmp_path / "a.png")
    outcome = seqlab("patchify", str(tmp_path / "a.png"), "--size", "own", "--patch", "10")
    assert outcome.status == 2 and "3000 × 20: expected at most 2048" in outcome.errors


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
def test_pictures_of_any_shape(
    tmp_path: Path, seqlab: Run, fit: str, shape: tuple[int, int]
) -> None:
    Image.new("RGB", shape, (250, 90, 10)).save(tmp_path / "a.png")
    outcome = seqlab("patchify", str(tmp_path / "a.png"), "--fit", fit)
    assert outcome.status == 0 and f"{shape[0]} × {shape[1]} RGB" in outcome.text


def test_how_the_picture_was_fitted(tmp_path: Path) -> None:
    assert patchify.run().fitting == "scaled to cover 224 × 224, its middle kept"
    assert patchify.run(fit="stretch").fitting == "stretched to 224 × 224"
    assert patchify.run(fit="pad").fitting == "scaled to fit 224 × 224, the rest grey"
    for fit in ("pad", "stretch", "crop"):  # 4:3 as the sample is: nothing is grey or stretched
        assert patchify.run(size="320x240", fit=fit).fitting == "scaled to 320 × 240"  # type: ignore[arg-type]
    assert patchify.run(size="320x240").fitting == "scaled to 320 × 240"
    padded = patchify.run(fit="pad").pixels
    assert (padded[0] == images.PADDING).all() and not (padded[112] == images.PADDING).all()


# Sentences


def first_words(**options: Any) -> list[str]:
    return patchify.takeaways(patchify.run(**options))


def test_takeaways_have_the_numbers() -> None:
    one, two, three = first_words()
    assert "196 patches of 768 values became tokens of 64; with [CLS] 197." in one
    macs = [c.macs for c in patchify.run().cost]
    assert two.startswith("Half the patch side, 8: 4.0 × the tokens, 16 × the scores")
    assert f"{macs[0] / macs[1]:.2g} × the work" in two
    assert three.startswith("x E is a convolution of kernel 16 and stride 16")


def test_one_patch_is_no_sentence() -> None:
    sentences = first_words(patch=224)
    assert "only it and [CLS]" in sentences[0] and "is a sentence" not in " ".join(sentences)


def test_halving_an_odd_patch_is_doubling() -> None:
    sentence = first_words(size="210", patch=7)[1]
    assert sentence.startswith("Twice the patch side, 14: the tokens fall to 1/4.0")
    assert len(first_words(size="7", patch=7)) == 2  # neither half nor twice fits


def test_halving_is_sixteen_times_only_where_there_are_many_tokens() -> None:
    assert "16 × the scores" in first_words(patch=16)[1]
    assert "6.2 × the scores" in first_words(patch=224)[1]


def test_the_convolution_must_agree_to_be_praised() -> None:
    result = dataclasses.replace(patchify.run(), convolution=0.01)
    assert "differ by 0.010: more than rounding" in patchify.takeaways(result)[2]


def test_components_at_full_rank_rebuild_all(tmp_path: Path) -> None:
    some, whole = (first_words(projection="pca", dim=dim)[0] for dim in (8, 768))
    assert some.startswith("8 numbers a patch, not 768") and "87 %" in some and "RMSE 22" in some
    assert "the picture comes back whole" in whole and "in 196 patches" in whole
    Image.new("RGB", (64, 64), (9, 80, 200)).save(tmp_path / "a.png")
    flat = patchify.run(str(tmp_path / "a.png"), projection="pca")
    assert flat.rebuilt is not None and flat.rebuilt.rank == 0
    assert flat.rebuilt.variance_kept is None and flat.rebuilt.rmse < 1e-9
    assert "All 196 patches are alike" in patchify.takeaways(flat)[0]
    assert flat.rebuilt.rmse == 0  # exactly: no rounding of the mean
    one, two = (first_words(projection="pca", size=s, dim=9)[0] for s in ("16", "32x16"))
    assert one.startswith("One patch is its own mean")
    assert two.startswith("1 component is all there is in 2 patches")
    assert first_words(projection="pca", dim=1)[0].startswith("1 number a patch, not 768")


@pytest.mark.parametrize(
    ("share", "text"), [(0.5, "50 %"), (0.9949, "99.4 %"), (0.999999, "99.99 %")]
)
def test_a_share_never_rounds_up_to_the_whole(share: float, text: str) -> None:
    assert patchify._percent(share) == text


def test_the_sentence_on_order() -> None:
    sines = first_words(order=True)[0]
    assert "Patches 1 and 15 touch, yet stand 14 places apart" in sines
    assert "cosine of their E_pos 0.98" in sines
    assert "E_pos 0.98" not in first_words(order=True, positions="random")[0]
    assert "in one line" in first_words(order=True, size="64x16")[0]
    assert len(first_words(order=True, patch=224)) == 2
    assert "all zeros, which has no cosine" in first_words(order=True, dim=1)[0]


def test_any_two_positions() -> None:
    """The mean over pairs in the sentence, the slow way."""
    result = patchify.run(order=True, size="64x48", positions="1d")
    unit = result.pos[1:] / np.linalg.norm(result.pos[1:], axis=1, keepdims=True)
    pairs = (unit @ unit.T)[~np.eye(12, dtype=bool)]
    assert f"of any two {pairs.mean():.2f}." in patchify.takeaways(result)[0]


@pytest.mark.parametrize(
    ("options", "choice"),
    [
        ({}, "about 16 times"),
        ({"patch": 224}, "about 6.2 times"),
        ({"patch": 112}, "about 12 times"),
        ({"size": "7", "patch": 7}, "2"),
        ({"size": "210", "patch": 7}, "901"),
    ],
)
def test_question(options: dict[str, Any], choice: str) -> None:
    result = patchify.run(**options)
    question = patchify.question(result)
    assert question.choices[question.answer] == choice
    assert len(set(question.choices)) == len(question.choices) >= 4
    assert question.why in patchify.takeaways(result)


# Screens


SCREENS: list[list[str]] = [
    [], ["--detail"], ["--order"], ["--projection", "pca", "--dim", "8"], ["--patch", "8"],
    ["--patch", "32"], ["--patch", "224"], ["--size", "448x224"], ["--size", "112x448"],
    ["--size", "1024x16"], ["--size", "16x1024", "--order"], ["--dim", "1"],
    ["--projection", "pca", "--dim", "700", "--detail", "--positions", "random"],
]  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 100, 300])
@pytest.mark.parametrize("options", SCREENS, ids=" ".join)
def test_screens_fit(seqlab: Run, options: list[str], width: int) -> None:
    for colour in ("truecolor", "none"):
        outcome = seqlab("patchify", *options, "--color", colour, width=width)
        assert outcome.status == 0 and outcome.errors == ""
    assert outcome.widest <= width


@pytest.mark.parametrize("options", SCREENS, ids=" ".join)
def test_ascii_is_seven_bit(seqlab: Run, options: list[str]) -> None:
    outcome = seqlab("patchify", *options, "--ascii")
    assert outcome.status == 0 and outcome.text.isascii() and outcome.widest <= 100


@pytest.mark.parametrize(
    "options",
    [[], ["--order"], ["--projection", "pca", "--dim", "8"], ["--projection", "pca"],
     ["--order", "--patch", "8"], ["--order", "--size", "448"], ["--order", "--size", "192x320"],
     ["--patch", "7"], ["--patch", "14"], ["--size", "96x64"], ["--order", "--patch", "32"],
     ["--projection", "pca", "--dim", "768"], ["--patch", "224", "--projection", "pca"],
     ["--patch", "8"], ["--patch", "32"], ["--patch", "224"], ["--size", "448x224"],
     ["--size", "112x448"], ["--positions", "random"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("colour", ["truecolor", "none"])
@pytest.mark.parametrize("own", [False, True])
def test_the_first_screen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seqlab: Run,
    options: list[str],
    colour: str,
    own: bool,
) -> None:
    """A hundred columns by forty rows are what a projector shows."""
    monkeypatch.chdir(tmp_path)
    name = "a holiday photo with a name that says everything there is to say about it.png"
    alpha = np.full((270, 360), 99, np.uint8)
    Image.fromarray(np.dstack([images.sample().pixels, alpha]), "RGBA").save(name)
    outcome = seqlab("patchify", *([name] if own else []), *options, "--color", colour)
    assert outcome.text.count("\n") <= 40
    for word in ("What does a transformer see of a picture?", "H×W×C", "(N+1)×D", "196×768"):
        assert word in outcome.text or (options and word == "196×768")


def test_every_token_has_its_number(seqlab: Run) -> None:
    text = seqlab("patchify", "--order", "--color", "none", width=100).text
    found = set(re.findall("[0-9]+", text))
    assert found >= {str(n) for n in range(1, 197)}


def test_the_picture_is_said_to_be_what_it_is(tmp_path: Path, seqlab: Run) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    text = seqlab("patchify", str(tmp_path / "a.gif")).text
    assert "a.gif, 64 × 64 P" in text and "the first of its 2 frames" in text


def test_the_screen_shows_the_file_and_its_tokens(seqlab: Run) -> None:
    """The strips follow the picture: other tokens, other strips."""
    one, two = (
        seqlab("patchify", "--color", "none", "--seed", seed).text.splitlines() for seed in "01"
    )
    assert sum(a != b for a, b in zip(one, two, strict=True)) > 9
    for label in ("[CLS]", "196", "E_pos of patch 103"):
        assert label in "\n".join(one)


def test_width_and_height_stand_in_the_flow_as_in_the_picture(seqlab: Run) -> None:
    assert "224×448×3" in seqlab("patchify", "--size", "448x224").text


def test_what_is_asked_of_the_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    read = images.read

    def listen(path: str, enough: int | None) -> images.Photo:
        asked.append(enough)
        return read(path, enough)

    monkeypatch.setattr(images, "read", listen)
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    patchify.run(str(tmp_path / "a.png"), size="96x64", patch=32)
    assert asked == [96]


def test_thumbnails_are_their_patches(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    Image.fromarray(colours.repeat(4, 0).repeat(4, 1)).save(tmp_path / "a.png")
    result = patchify.run(str(tmp_path / "a.png"), size="own", patch=4)
    shown = patchify._thumbnails(result, [1, 4, 6]).pixels
    for row, i in enumerate((1, 4, 6)):
        assert (shown[2 * row : 2 * row + 2] == colours.reshape(6, 3)[i - 1]).all()


def test_strips_are_the_tokens_and_their_colours_fit_almost_all() -> None:
    result = patchify.run()
    group: Any = patchify._strips(result, 6)
    strips = group.renderables[1].right
    np.testing.assert_array_equal(strips.values[:5], result.embedded[:5])
    assert np.isnan(strips.values[5]).all()
    np.testing.assert_array_equal(strips.values[6], result.embedded[196])
    assert (np.abs(result.embedded[1:]) <= strips.limits[1]).mean() == pytest.approx(0.98, abs=1e-3)


def test_the_map_is_bright_where_positions_are_alike() -> None:
    result = patchify.run()
    pair: Any = patchify._alike(result)
    brightness = pair.left.pixels.astype(float).sum(axis=2)
    cosines = result.likeness.cosines
    assert np.corrcoef(brightness.reshape(-1), cosines.reshape(-1))[0, 1] > 0.9
    others = np.delete(cosines.reshape(-1), result.likeness.patch - 1)
    assert f"cosine {others.min():.2f} dark to {others.max():.2f} bright" in pair.right.text
    assert others.max() < 0.99


def test_the_caption_of_positions_says_what_is_so(seqlab: Run) -> None:
    def words(*options: str) -> str:
        pair: Any = patchify._alike(patchify.run(**dict(zip(options[::2], options[1::2]))))  # type: ignore[arg-type]
        return str((pair.right if hasattr(pair, "right") else pair).text)

    assert "of its row and of its column" in words()
    for dim in (1, 2):
        pair: Any = patchify._alike(patchify.run(dim=dim))
        assert f"of its row only: a width of {dim} has no room" in pair.right.text
    grey: Any = patchify._alike(patchify.run(dim=1))
    assert "Grey: all zeros" in grey.right.text and (grey.left.pixels[0] == images.PADDING).all()
    zero: Any = patchify._alike(patchify.run(dim=1, at=1))
    assert "E_pos of patch 1 has no cosine" in zero.text
    assert "no other position" in words("size", "16")


def test_a_row_of_zeros_has_no_cosine() -> None:
    result = patchify.run(dim=1)
    assert np.isnan(result.likeness.cosines[0]).all()
    assert plain(result)["likeness"]["cosines"][0] == [None] * 14


def test_the_costs_are_against_the_patch_in_use(seqlab: Run) -> None:
    lines = seqlab("patchify").text.splitlines()
    ends = {line.split(" × ")[0]: line.split()[-2] for line in lines if re.match("[0-9]+ × ", line)}
    assert ends["8"] == "11" and ends["16"] == "1.0" and ends["32"] == "0.14"


@pytest.mark.parametrize("options", [["--order"], ["--projection", "pca"], []])
def test_every_screen_has_the_costs_and_the_convolution(seqlab: Run, options: list[str]) -> None:
    text = seqlab("patchify", *options).text
    for word in ("616,225", "38,809", "2,500", "is a convolution of kernel 16", "they differ by"):
        assert word in text
    assert ("(x₁ − m)E" in text) == ("pca" in options)


def test_components_have_their_largest_weight_positive() -> None:
    patches = np.random.default_rng(0).normal(size=(30, 12))
    E = patchify._components(patches, 8)[0]
    assert (E[np.abs(E).argmax(axis=0), np.arange(8)] > 0).all()


def test_details_show_the_positions_and_then_the_sum() -> None:
    result = patchify.run()
    figures: list[Any] = [p for p in patchify._details(result) if hasattr(p, "values")]
    np.testing.assert_array_equal(figures[0].values, result.pos[:12])
    np.testing.assert_array_equal(figures[1].values, (result.embedded + result.pos)[:12])


def test_the_rebuilt_picture_stands_beside_the_original() -> None:
    result = patchify.run(projection="pca", dim=5)
    assert result.rebuilt is not None
    pair: Any = patchify._originals(result, result.rebuilt, 22)
    np.testing.assert_array_equal(pair.left.pixels, result.pixels)
    np.testing.assert_array_equal(pair.right.pixels, result.rebuilt.pixels)
    assert pair.right.title.startswith("rebuilt from 5 of 768")
    for dim in (2, 16):
        kept = patchify.run(projection="pca", dim=dim)
        assert kept.rebuilt is not None and kept.rebuilt.variance_kept is not None
        assert (
            f"keep {math.floor(100 * kept.rebuilt.variance_kept)} %" in patchify.takeaways(kept)[0]
        )


def test_the_patch_looked_at_has_a_frame() -> None:
    result = patchify.run(at=40)
    figures: list[Any] = [patchify._cut(result, 22), patchify._numbered(result, 28, False)]
    assert [figure.highlight for figure in figures] == [40, 40]


def test_how_it_was_fitted_stands_on_the_screen(tmp_path: Path, seqlab: Run) -> None:
    Image.new("RGB", (64, 32)).save(tmp_path / "a.png")
    assert "scaled to cover 224 × 224" in seqlab("patchify", str(tmp_path / "a.png")).text


@pytest.mark.parametrize(
    ("name", "spoilt", "failing"),
    [
        ("project", lambda q, x: x @ q.E, "patches × E"),
        ("prepend_class", lambda q, y: np.concatenate([0 * q.cls[None], y]), "z₀"),
    ],
)  # fmt: skip
def test_no_zero_hides_from_the_check(
    monkeypatch: pytest.MonkeyPatch, name: str, spoilt: Any, failing: str
) -> None:
    monkeypatch.setattr(vit, name, spoilt)
    failed = [check.name for check in patchify.check(dim=4) if not check.passed]
    assert any(text.startswith(failing) for text in failed)


def test_numbers_that_do_not_fit_are_said_not_to(seqlab: Run) -> None:
    text = seqlab("patchify", "--order", "--patch", "8").text
    assert "no room for the numbers: --detail --width 117 shows them" in text
    assert text.count("\n") <= 40
    wide = seqlab("patchify", "--order", "--patch", "8", "--detail", width=117).text
    assert "no room" not in wide and set(re.findall("[0-9]+", wide)) >= set(map(str, range(1, 785)))
    narrow = seqlab("patchify", "--order", "--patch", "8", "--detail", width=100).text
    assert "no room for the numbers: --width 117 shows them" in narrow
    tiny = seqlab("patchify", "--order", "--patch", "1", "--size", "100").text
    assert "a larger --patch shows them" in tiny
    assert "no room" not in seqlab("patchify", "--order").text


def test_a_large_picture_is_convolved_in_part() -> None:
    result = patchify.run(size="1024", dim=256)
    assert 0 < result.convolved < result.tokens and result.convolved % 64 == 0
    assert result.convolution < 1e-9
    assert f"for the first {result.convolved:,} patches" in patchify.takeaways(result)[2]


def test_progress_is_told() -> None:
    told: list[float] = []
    patchify.run(dim=4, watch=lambda done, doing: told.append(done))
    assert told == sorted(told) and len(told) >= 2 and told[0] >= 0 and told[-1] <= 1
