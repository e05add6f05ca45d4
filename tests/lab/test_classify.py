"""classify: measured by hand, saved and loaded, pictures read, sentences that follow."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from PIL import Image, ImageDraw
from rich.console import Console

from seqlab import oracles, saved, train, trees
from seqlab.book import vit
from seqlab.book.ops import softmax
from seqlab.emit import plain
from seqlab.lab import BadInput, Stopped, classify, handwriting, probes
from seqlab.lab.classify import Classify
from seqlab.lab.probes import Attention, Similarity, Sureness
from seqlab.locale import speak
from seqlab.tasks import digits

TINY: dict[str, Any] = {"images": 50, "train_steps": 3, "batch": 7, "device": "cpu"}
LINE = ["classify", "--images", "50", "--train-steps", "3", "--batch", "7", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classify")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Classify:
    """Shorter than that of the bars, and saved."""
    return classify.run(quick=True, device="cpu", save=str(folder / "vit.safetensors"))


@pytest.fixture(scope="module")
def tiny() -> Classify:
    return classify.run(**TINY, seeds=2)


def written(path: Path, which: int = 5, invert: bool = False, mode: str = "L") -> np.ndarray:
    """A scan, as a picture of 240 × 320 pixels."""
    ink = digits.load().images[which, 0]
    big = np.asarray(Image.fromarray((ink * 255).astype(np.uint8)).resize((120, 120))) / 255
    page = np.zeros((240, 320))
    page[60:180, 100:220] = big
    grey = (230 - 200 * page) if not invert else (20 + 200 * page)
    Image.fromarray(grey.astype(np.uint8)).convert(mode).save(path)
    return np.asarray(ink)


def text_of(result: Classify, width: int = 100, detail: bool = False) -> str:
    console = Console(width=width, no_color=True, color_system=None, record=True, quiet=False)
    with console.capture() as capture:
        console.print(classify.show(result, detail))
    return capture.get()


# The network, and its oracle


KINDS: list[dict[str, Any]] = [
    {}, {"pool": "mean", "positions": "sinusoidal", "patch": 4}, {"positions": "none"},
    {"model": "cnn"}, {"model": "cnn", "pool": "mean"}, {"model": "mlp"},
    {"model": "mixer", "patch": 4}, {"model": "swin"},
]  # fmt: skip


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_the_check_holds_and_can_fail(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = classify.check(**options)
    assert len(checks) == 2 and all(c.passed and c.error < 1e-12 for c in checks)
    right = oracles.scores
    monkeypatch.setattr(oracles, "scores", lambda n, p, x: right(n, p, x) * (1 + 1e-6))
    assert [c.passed for c in classify.check(**options)] == [False, False]


def test_a_rate_of_zero_learns_nothing() -> None:
    """The head begins at 0: all scores are alike, and the first class is taken."""
    result = classify.run(**TINY, lr=0.0)
    tests = digits.split(np.random.default_rng([0, 1, 0]), 50)[1]
    assert result.accuracy == pytest.approx((tests.labels == 0).mean())
    assert result.loss == pytest.approx(math.log(10))
    assert result.confusion[:, 0].tolist() == np.bincount(tests.labels).tolist()
    assert result.wrong == 397 - result.confusion[0, 0] and result.confusion.sum() == 397
    s = result.similarity
    assert s is not None and s.before is not None
    np.testing.assert_allclose(s.before, s.after)
    assert s.by_chance == [probes.gap_by_chance(s.after)] and s.gaps == [s.near - s.far]


def test_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    right = train.fit_labels

    def fit(*a: Any, **options: Any) -> Any:
        asked.append(options)
        return right(*a, **options)

    monkeypatch.setattr(train, "fit_labels", fit)
    classify.run(**TINY)
    assert asked == [{"batch": 7, "steps": 3, "lr": 5e-3, "weight_decay": 1.0,
                      "schedule": "cosine", "warmup": 1}]  # fmt: skip


def test_it_learns(trained: Classify) -> None:
    assert trained.accuracy > 0.75 and trained.step == [150]
    assert trained.accuracies == [trained.accuracy]
    accuracy, loss = trained.series
    assert [accuracy.name, loss.name] == ["accuracy", "loss"]
    assert accuracy.median[-1] == trained.accuracy and accuracy.x[-1] == 150
    assert loss.median[-1] < 1 < loss.median[1] and math.isnan(loss.median[0])
    assert accuracy.chance == 0.1 and loss.chance == pytest.approx(math.log(10))


def test_every_network_has_digits_and_weights_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[int]] = []
    right = digits.split

    def split(rng: Any, n: int) -> Any:
        found = right(rng, n)
        drawn.append(found[0].labels.tolist())
        return found

    monkeypatch.setattr(digits, "split", split)
    o = classify._Options(images=50, train_steps=1, batch=7).checked()
    first, second = (next(classify._learn(o, "cpu", which)).p for which in (0, 1))
    assert drawn[0] != drawn[1]
    assert not np.allclose(first.vit.embedding.E, second.vit.embedding.E)


# Measured by hand


def test_confusion_and_mistakes_by_hand(trained: Classify, folder: Path) -> None:
    kind, _origin, p = saved.load(str(folder / "vit.safetensors"))
    tests = digits.split(np.random.default_rng([0, 1, 0]), 1400)[1]
    probabilities = softmax(np.asarray(kind.make().scores(p, tests.images), np.float64))
    read = probabilities.argmax(1)
    for i in range(10):
        for j in range(10):
            assert trained.confusion[i, j] == ((tests.labels == i) & (read == j)).sum()
    assert trained.wrong == (read != tests.labels).sum()
    chosen = probabilities[np.arange(397), tests.labels]
    assert trained.loss == pytest.approx(-np.log(chosen).mean())
    wrong = sorted(float(probabilities[i, read[i]]) for i in np.flatnonzero(read != tests.labels))
    assert [m.probability for m in trained.mistakes] == pytest.approx(wrong[::-1][:8])
    assert all(m.read != m.label for m in trained.mistakes)
    assert [e.label for e in trained.examples] == list(range(10))
    for e in trained.examples:
        first = tests.images[int(np.flatnonzero(tests.labels == e.label)[0])]
        np.testing.assert_array_equal(e.pixels, first[0])
        painted = first[None].copy()
        painted[0, 0, 2:4, 4:6] = 0
        x = np.concatenate([first[None], painted])
        before, after = softmax(np.asarray(kind.make().scores(p, x), np.float64))[:, e.read]
        assert e.covered[1, 2] == pytest.approx(before - after, abs=1e-6)


def test_attention_by_hand(trained: Classify, folder: Path) -> None:
    _kind, _origin, p = saved.load(str(folder / "vit.safetensors"))
    tests = digits.split(np.random.default_rng([0, 1, 0]), 1400)[1]
    config = saved.Kind("vit", "cls", "learned", 2).make().config
    on_ink, ink_shares, itself = [], [], []
    for image in tests.images[:397]:
        weights = vit.read(p.vit, vit.patchify(image, 2), config.style).weights[-1]  # (h, 17, 17)
        ink = np.array([
            image[0, 2 * (n // 4) : 2 * (n // 4) + 2, 2 * (n % 4) : 2 * (n % 4) + 2].max() >= 0.5
            for n in range(16)
        ])  # fmt: skip
        given = weights[:, 0, 1:] / weights[:, 0, 1:].sum(-1, keepdims=True)
        on_ink.append(given[:, ink].sum(-1).mean())
        ink_shares.append(ink.mean())
        itself.append(weights[:, 0, 0].mean())
    (found,) = trained.attention
    assert found.asking == "class token" and found.itself is not None
    assert found.on_ink[-1] == pytest.approx(np.mean(on_ink), abs=1e-5)
    assert found.even == pytest.approx(np.mean(ink_shares))
    assert found.itself[-1] == pytest.approx(np.mean(itself), abs=1e-5)
    for e in trained.examples:
        assert e.attention is not None and e.attention.shape == (2, 4, 16)
        np.testing.assert_allclose(e.attention.sum(-1), 1, atol=1e-6)


def test_attention_received_without_a_class_token() -> None:
    weights = np.random.default_rng(0).random((3, 2, 5, 5))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(probes.received(weights, False), weights.sum(-2) / 5)
    token = probes.received(weights, True)
    np.testing.assert_allclose(token[1, 0], weights[1, 0, 0, 1:] / (1 - weights[1, 0, 0, 0]))


def test_neighbours_by_hand() -> None:
    E = np.random.default_rng(0).normal(size=(9, 5))
    near, far = [], []
    for i in range(9):
        for j in range(i):
            cosine = E[i] @ E[j] / math.sqrt((E[i] @ E[i]) * (E[j] @ E[j]))
            assert probes.cosines(E)[i, j] == pytest.approx(cosine)
            beside = abs(i // 3 - j // 3) + abs(i % 3 - j % 3) == 1
            (near if beside else far).append(cosine)
    found = probes.near_and_far(probes.cosines(E))
    assert found == (pytest.approx(np.mean(near)), pytest.approx(np.mean(far)))


def test_a_gap_by_chance() -> None:
    """Of embeddings that know nothing of places 5 in 100 lie above; one that knows them does."""
    rng, above = np.random.default_rng(0), 0
    for _draw in range(200):
        matrix = probes.cosines(rng.normal(size=(16, 32)))
        near, far = probes.near_and_far(matrix)
        above += near - far > probes.gap_by_chance(matrix)
    assert 2 <= above <= 20
    y, x = np.divmod(np.arange(16), 4)
    known = probes.cosines(np.stack([np.sin(y), np.cos(y), np.sin(x), np.cos(x)], axis=1))
    near, far = probes.near_and_far(known)
    assert near - far > 2 * probes.gap_by_chance(known)


def test_sureness_is_told_of_other_digits_than_it_is_chosen_on() -> None:
    p, right = np.linspace(1, 0.1, 100), np.ones(100, bool)
    right[1::2][:10] = False  # only in the half that it is not chosen on
    found = probes.sureness(p, right)
    assert (found.level, found.n) == (p[98], 49) and found.right == pytest.approx(39 / 49)
    assert math.isnan(probes.sureness(p, ~right & False).right)


def test_a_class_token_that_keeps_all() -> None:
    weights = np.zeros((2, 1, 5, 5))
    weights[..., 0] = 1
    assert np.isnan(probes.received(weights, True)).all()


def test_positions_are_drawn_in_colours_only(trained: Classify) -> None:
    assert "positions before" not in text_of(trained)
    console = Console(width=100, color_system="truecolor", force_terminal=True, no_color=False)
    with console.capture() as capture:
        console.print(classify.show(trained))
    assert "positions before" in capture.get() and "a tile: one patch" in capture.get()


def test_from_where_on_it_is_sure() -> None:
    p = np.linspace(0.5, 1, 200)
    assert probes.sure_from(p, p > 0.7) == pytest.approx(p[p > 0.7][0], abs=0.01)
    assert probes.sure_from(p, np.ones(200, bool)) == 0.5
    assert probes.sure_from(p, np.zeros(200, bool)) == 1


def test_distances() -> None:
    a, b = np.random.default_rng(0).random((4, 2, 3)), np.random.default_rng(1).random((5, 2, 3))
    expected = [min(np.linalg.norm(x - y) for y in b) for x in a]
    np.testing.assert_allclose(probes.distances(a, b), expected)


# Saving, loading, pictures


def test_what_is_loaded_is_what_was_saved(trained: Classify, folder: Path) -> None:
    again = classify.run(load=str(folder / "vit.safetensors"))
    for name in (
        "accuracy",
        "loss",
        "sure",
        "wrong",
        "kind",
        "images",
        "train_steps",
        "batch",
        "lr",
    ):
        assert getattr(again, name) == getattr(trained, name), name
    np.testing.assert_array_equal(again.confusion, trained.confusion)
    assert again.series == [] and again.similarity is not None
    assert again.similarity.before is None
    assert "Positions of neighbours" in classify.takeaways(again)[-1]
    assert all(c.passed for c in classify.check(load=str(folder / "vit.safetensors")))
    with pytest.raises(BadInput, match=r"--model cnn: expected what .* has: vit"):
        classify.run(load=str(folder / "vit.safetensors"), model="cnn")


def test_a_picture_is_read(trained: Classify, folder: Path, seqlab: Run) -> None:
    written(folder / "dark.png"), written(folder / "light.png", invert=True, mode="RGB")
    load = ["classify", "--load", str(folder / "vit.safetensors")]
    files = ["--image", str(folder / "dark.png"), "--image", str(folder / "light.png")]
    document = seqlab(*load, *files, "--json").json
    dark, light = document["result"]["image"]
    assert document["options"]["image"] == files[1::2]
    assert dark["light"] is False and light["light"] is True
    assert [dark["width"], dark["height"]] == [320, 240]
    np.testing.assert_allclose(np.array(dark["seen"]), np.array(light["seen"]), atol=0.2)
    assert len(dark["probabilities"]) == 10 and sum(dark["probabilities"]) == pytest.approx(1)
    assert dark["digit"] == int(np.argmax(dark["probabilities"])) and "pixels" not in dark
    top, left, bottom, right = dark["box"]
    assert 50 < top < bottom < 190 and 100 < left < right < 220
    for width in (60, 100):
        outcome = seqlab(*load, *files[:2], width=width)
        assert outcome.status == 0
        assert max(map(len, outcome.text.splitlines()[:-4])) <= width  # the footer has long names
        assert "dark.png: " in outcome.text


def test_a_scan_of_the_data_is_read_rightly(trained: Classify, folder: Path) -> None:
    right = 0
    for k in range(12):
        written(folder / f"{k}.png", which=k)
    for first in (0, 6):
        paths = [str(folder / f"{k}.png") for k in range(first, first + 6)]
        result = classify.run(load=str(folder / "vit.safetensors"), image=paths)
        right += sum(r.digit == (first + i) % 10 for i, r in enumerate(result.image))
    assert right >= 7


def test_what_is_said_of_a_picture(trained: Classify, folder: Path) -> None:
    written(folder / "a.png")
    result = classify.run(load=str(folder / "vit.safetensors"), image=[str(folder / "a.png")])
    reading = dataclasses.replace(
        result.image[0], probabilities=[0.9, 0.1] + [0.0] * 8, digit=0, stranger_than=0.5
    )
    result = dataclasses.replace(result, sure=Sureness(0.8, 190, 0.98))
    assert len(classify.takeaways(result)) == 1  # nothing else is on the screen

    def said(**changes: Any) -> str:
        changed = dataclasses.replace(reading, **changes)
        return classify.takeaways(dataclasses.replace(result, image=[changed]))[0]

    sure = "190 of the test digits are read with 80 % or more, 98 % of them rightly."
    assert f"a.png: 0, 90 %. {sure}" in said(sure=True)
    assert "perhaps 0, 90 %, or 1, 10 %. It counts as unsure below 80 %" in said(sure=False)
    assert "may be no digit" in said(sure=True, stranger_than=1.0)


def test_another_seed_is_tested_on_digits_of_its_own(tmp_path: Path) -> None:
    path = str(tmp_path / "a.safetensors")
    first = classify.run(**TINY, seed=3, save=path)
    again = classify.run(load=path)
    assert again.accuracy == first.accuracy and again.seed == 3
    np.testing.assert_array_equal(again.confusion, first.confusion)


def test_what_cannot_be_written_in_the_end_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_what: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved, "save", full)
    result = classify.run(**TINY, save=str(tmp_path / "a.safetensors"))
    assert result.unsaved == "No space left on device" and math.isfinite(result.accuracy)
    assert "No space left on device" in classify.takeaways(result)[0]
    assert "saved in" not in text_of(result)


def test_weights_whose_scores_are_none_are_refused(trained: Classify, tmp_path: Path) -> None:
    p = trees.convert(lambda w: np.full(w.shape, 3e38), trained.kind.make().init())
    path = str(tmp_path / "a.safetensors")
    saved.save(path, trained.kind, saved.Origin(0, 1400, 1, 64, 0.1), p)
    with pytest.raises(BadInput, match="no finite numbers"):
        classify.run(load=path)


def test_distance_from_what_was_learned(trained: Classify, folder: Path, tmp_path: Path) -> None:
    known, tests = digits.split(np.random.default_rng([0, 1, 0]), 1400)
    written(tmp_path / "a.png")
    picture = handwriting.scanned(str(tmp_path / "a.png"))
    seen = [known.images[7], np.ones_like(known.images[7]), picture.seen]
    pictures = [picture._replace(seen=x) for x in seen]
    p = saved.load(str(folder / "vit.safetensors"))[2]
    found = handwriting.readings(trained.kind.make(), p, (known, tests), pictures, 0.5)

    def nearest(x: np.ndarray) -> float:
        return float(np.sqrt(((known.images - x) ** 2).sum((1, 2, 3))).min())

    usual = np.array([nearest(x) for x in tests.images])
    for reading, x in zip(found, seen, strict=True):
        assert reading.distance == pytest.approx(nearest(x), abs=1e-3)
        assert reading.stranger_than == pytest.approx((usual < nearest(x)).mean())
    assert [found[0].stranger_than, found[1].stranger_than] == [0, 1]


def test_pictures_of_several_digits_cut_ones_and_none(
    trained: Classify, folder: Path, tmp_path: Path
) -> None:
    def page(name: str, mode: str, ground: Any, ink: Any, *corners: int) -> str:
        image = Image.new(mode, (240, 120), ground)
        for x in corners:
            ImageDraw.Draw(image).rectangle((x, 30, x + 12, 90), fill=ink)
        image.save(tmp_path / name)
        return str(tmp_path / name)

    two = page("two.png", "L", 230, 20, 60, 140)
    assert (handwriting.scanned(two).beside, handwriting.scanned(two).left_out) == (2, 0)
    cut = page("cut.png", "L", 230, 20, 0, 140)
    assert (handwriting.scanned(cut).beside, handwriting.scanned(cut).left_out) == (1, 1)
    white = page("white.png", "RGBA", (255, 255, 255, 0), (255, 255, 255, 255), 100)
    scan = handwriting.scanned(white)
    assert scan.light and scan.notes == ["transparent parts shown on black"]
    screen = text_of(classify.run(load=str(folder / "vit.safetensors"), image=[two, cut, white]))
    assert "2 large pieces side by side" in screen and "left out at the edge: 1" in screen
    Image.new("L", (3, 3)).save(tmp_path / "small.png")
    with pytest.raises(BadInput, match="3 × 3 pixels, too small"):
        handwriting.scanned(str(tmp_path / "small.png"))


def test_stopped_before_anything_is_known() -> None:
    def watch(_done: float, doing: str, _view: Any = None) -> None:
        if "right" in doing:
            raise Stopped

    with pytest.raises(Stopped):
        classify.run(**TINY, watch=watch)


# Sentences


def test_sentences_follow_the_numbers(trained: Classify) -> None:
    def said(**changes: Any) -> list[str]:
        return classify.takeaways(dataclasses.replace(trained, **changes))

    def looking(*on_ink: float, asking: Any = "class token", even: float = 0.5) -> str:
        found = [Attention(asking, [0.1, share], even, None) for share in on_ink]
        asked = classify.question(dataclasses.replace(trained, attention=found))
        answers.append(asked.answer)
        return said(attention=found)[1]

    answers: list[int] = []
    assert "70 % of the class token's attention" in looking(0.7)
    assert "it prefers ink" in looking(0.7) and "it avoids ink" in looking(0.3)
    assert "no preference" in looking(0.51)
    assert "No class token" in looking(0.7, asking="patches")
    assert "keeps all of its attention for itself" in looking(math.nan)
    assert "70 to 80 % of the class" in looking(0.7, 0.8)
    assert "depends on the network" in looking(0.7, 0.3)
    assert "99 % of the patches bear ink: whether" in looking(0.99, even=0.99)
    assert answers == [0, 0, 1, 2, 0, 3, 0, 4, 2]

    def lying(*gaps: float) -> str:
        E, chance = np.eye(4), [0.05] * len(gaps)
        return said(similarity=Similarity(E, E, 0.1, 0.0, list(gaps), chance))[2]

    assert "are more alike than chance: their cosine exceeds that of others by 0.10;" in lying(0.1)
    assert "are no more alike than chance" in lying(0.05)
    assert "depends on the network (1 of 2 are)" in lying(0.1, -0.02)
    assert "by −0.02 to 0.10;" in lying(0.1, -0.02)
    assert "Nothing tells it" in said(similarity=None)[2]
    assert "there from the start" in said(positions="sinusoidal")[2]
    right = np.diag([30] * 10)
    assert "confus" not in said(confusion=right)[0]
    right[3, 5] = 4
    assert "Most often: 3 read as 5 (4 times)." in said(confusion=right)[0]
    right[1, 2] = 4
    assert "2 confusions happen 4 times each." in said(confusion=right)[0]
    right[3, 5], right[1, 2] = 0, 1
    assert "No confusion happens twice." in said(confusion=right)[0]
    assert "80 to 90 % of 397" in said(accuracies=[0.8, 0.9])[0]


def test_networks_without_attention() -> None:
    result = classify.run(model="mlp", **TINY)
    assert result.attention == [] and result.similarity is None
    assert result.examples[0].attention is None
    assert "This MLP has no attention" in classify.takeaways(result)[-1]
    swin = classify.takeaways(dataclasses.replace(result, model="swin"))[-1]
    assert "stays within windows" in swin and "no attention" not in swin
    assert classify.question(result).answer == 0
    for accuracies, answer in (([0.96], 3), ([0.96, 0.9], 5)):
        changed = dataclasses.replace(result, accuracies=accuracies)
        assert classify.question(changed).answer == answer
    assert "What painting over" in text_of(result)


def test_training_that_diverges(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    result = classify.run(**TINY | {"train_steps": 30}, lr=1.0, model="mlp", save=str(path))
    broken = dataclasses.replace(
        result, accuracy=math.nan, accuracies=[math.nan], examples=[], mistakes=[]
    )
    assert "1 network diverged" in classify.takeaways(broken)[0]
    assert classify.takeaways(broken)[1] == "Nothing was saved."
    assert classify.question(broken).answer == 4
    assert text_of(broken, 60)


def test_nothing_is_measured_of_numbers_that_are_none(tmp_path: Path, trained: Classify) -> None:
    p = trees.convert(lambda w: np.full(w.shape, np.nan), trained.kind.make().init())
    data = digits.split(np.random.default_rng(0), 10)
    written(tmp_path / "a.png")
    picture = handwriting.scanned(str(tmp_path / "a.png"))
    blank = classify._blank(classify._Options().checked(), trained.kind, "cpu")
    result = classify._examined(blank, [p], None, [data], [picture])
    assert math.isnan(result.accuracy) and result.image[0].digit is None
    result = dataclasses.replace(result, accuracies=[result.accuracy])
    assert len(classify.takeaways(result)) == 1 and text_of(result)
    assert json.dumps(plain(result), allow_nan=False)


def test_another_network_may_have_diverged(trained: Classify, folder: Path) -> None:
    p = saved.load(str(folder / "vit.safetensors"))[2]
    bad = trees.convert(lambda w: np.full(w.shape, np.nan), p)
    splits = [digits.split(np.random.default_rng([0, 1, k]), 1400) for k in (0, 1)]
    result = classify._examined(trained, [p, bad], p, splits, [])
    assert result.accuracy == trained.accuracy and result.attention[0] == trained.attention[0]
    assert math.isnan(result.attention[1].on_ink[-1])
    assert json.dumps(plain(result), allow_nan=False)


# The command


def test_the_first_screen(trained: Classify, seqlab: Run) -> None:
    for language, width in (("en", 100), ("en", 60), ("zh", 100)):
        speak(language)
        text = text_of(dataclasses.replace(trained, save=None), width)
        lines = text.rstrip().splitlines()
        assert max(map(len, lines)) <= width
        assert width == 60 or len(lines) <= 33  # then the sentences and the footer


def test_json_is_the_same_each_time(seqlab: Run, tiny: Classify) -> None:
    first, second = (seqlab(*LINE, "--seeds", "2", "--json") for _run in "ab")
    assert first.status == 0 and first.text == second.text
    result = first.json["result"]
    assert result["accuracy"] == result["accuracies"][0] == tiny.accuracy
    assert len(result["accuracies"]) == 2 and result["step"] == [3, 3]
    assert result["parameters"] == trees.count(tiny.kind.make().init())
    assert first.json["options"]["model"] == "vit" and first.json["options"]["lr"] == 5e-3
    assert len(result["series"]) == 2 and len(first.text) < 100_000


def test_seven_bits_and_detail(seqlab: Run) -> None:
    outcome = seqlab(*LINE, "--ascii", "--detail", width=60)
    assert outcome.status == 0 and outcome.text.isascii() and outcome.widest <= 60
    assert "seen by every head" in outcome.text


def test_ctrl_c_leaves_what_there_is(
    seqlab: Run, stop_at_view: Callable[[int], None], tmp_path: Path
) -> None:
    stop_at_view(2)
    path = tmp_path / "a.safetensors"
    outcome = seqlab(*LINE, "--save", str(path), "--json")
    assert outcome.status == 130
    result = outcome.json["result"]
    assert result["stopped"] is True and result["step"] == [2]
    assert saved.load(str(path))[1].steps == 2


BAD: list[tuple[list[str], str]] = [
    (["--model", "cnn", "--pool", "cls"], "what this CNN can have: flat or mean; try --pool flat"),
    (["--model", "mlp", "--pool", "mean"], "what this MLP can have: flat"),
    (["--model", "cnn", "--positions", "none"], "that has them: vit; try --model vit"),
    (["--model", "mlp", "--patch", "2"], "a network that has them: vit or mixer"),
    (["--patch", "3"], "--patch 3: expected 1 or 2 or 4"),
    (["--lr", "nan"], "--lr nan"),
    (["--lr", "-1"], "--lr -1"),
    (["--images", "0"], "--images 0"),
    (["--train-steps", "5000", "--batch", "256", "--seeds", "16"], "digits in its steps"),
    (["--save", "a.pt"], "a name that ends in .safetensors"),
    (["--save", "/nowhere/a.safetensors"], "an existing folder"),
    (["--load", "/nowhere/a.safetensors"], "no such file"),
    (["--load", "a", "--seeds", "2"], "only one of them"),
    (["--load", "a", "--quick"], "only one of them"),
    (["--load", "a", "--seed", "3"], "only one of them"),
    (["--load", "a", "--device", "cuda"], "--load --device: expected only one of them"),
    (["--load", ""], "'': not a regular file"),
    (["--save", ".safetensors"], "try --save digits.safetensors"),
    (["--image", "http://a/b.png"], "try saving it to a file first"),
    (["--image", "/nowhere.png"], "no such file"),
    (["--image", "BLANK"], "nothing stands out from its ground"),
    (["--model", "rnn"], "--model rnn"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sentence"), BAD, ids=str)
def test_bad_input_is_one_line(
    words: list[str], sentence: str, seqlab: Run, tmp_path: Path
) -> None:
    Image.new("L", (40, 40), 200).save(tmp_path / "blank.png")
    words = [str(tmp_path / "blank.png") if word == "BLANK" else word for word in words]
    outcome = seqlab("classify", *words)
    assert outcome.status == 2 and outcome.text == ""
    assert sentence in outcome.errors and outcome.errors.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [{"model": "rnn"}, {"pool": "max"}, {"positions": "rope"}, {"patch": 2.0}, {"lr": math.nan},
     {"seeds": True}, {"image": ["x"] * 17}],
    ids=str,
)  # fmt: skip
def test_python_gets_the_same(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        classify.run(**options)


def test_loading_needs_no_torch_of_a_network(trained: Classify, folder: Path) -> None:
    """What is measured of a network is measured in NumPy: torch trains, and checks."""
    network = trained.kind.make()
    p = saved.load(str(folder / "vit.safetensors"))[2]
    x = digits.load().images[:3]
    assert isinstance(network.scores(p, x), np.ndarray)
    theirs = network.scores(train.trainable(p), torch.as_tensor(x)).detach().numpy()
    np.testing.assert_allclose(network.scores(p, x), theirs, atol=1e-4)
