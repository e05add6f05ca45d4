"""Networks in files: what is written is what is read, and nothing else is taken for one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from seqlab import saved, trees
from seqlab.lab import BadInput
from seqlab.saved import Kind, Origin

KINDS = [
    Kind("vit", "cls", "learned", 2), Kind("vit", "mean", "none", 4),
    Kind("vit", "cls", "sinusoidal", 1), Kind("cnn", "flat", None, None),
    Kind("cnn", "mean", None, None), Kind("mlp", "flat", None, None),
    Kind("mixer", "mean", None, 4), Kind("swin", "mean", None, None),
]  # fmt: skip
VIT, ORIGIN = KINDS[0], Origin(seed=3, images=200, steps=7, batch=5, lr=0.01)


def drawn(kind: Kind) -> Any:
    rng = np.random.default_rng(0)
    return trees.convert(lambda w: rng.normal(size=w.shape).astype(np.float32), kind.make().init())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    saved.save(str(tmp_path / "a.safetensors"), VIT, ORIGIN, drawn(VIT))
    return tmp_path / "a.safetensors"


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_is_written_is_read(kind: Kind, tmp_path: Path) -> None:
    path = str(tmp_path / "a.safetensors")
    saved.save(path, kind, ORIGIN, drawn(kind))
    again, origin, p = saved.load(path)
    assert (again, origin) == (kind, ORIGIN)
    assert type(p) is type(drawn(kind))
    for (name, leaf), (other, expected) in zip(
        trees.leaves(p), trees.leaves(drawn(kind)), strict=True
    ):
        assert name == other and leaf.dtype == np.float32
        np.testing.assert_array_equal(leaf, expected)
    assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]


def changed(file: Path, about: dict[str, Any] | None = None, **tensors: Any) -> None:
    """Write the file again with other metadata or tensors; a tensor of None is left out."""
    content = load_file(file)
    for name, value in tensors.items():
        key = name.replace("__", ".")
        if value is None:
            del content[key]
        else:
            content[key] = np.asarray(value, np.float32)
    told = {"format": "1", "version": "0", "model": "vit", "pool": "cls", "positions": "learned",
            "patch": 2, "seed": 3, "images": 200, "steps": 7, "batch": 5, "lr": 0.01,
            "digits": ORIGIN.fingerprint()}  # fmt: skip
    save_file(content, file, {"seqlab.classify": json.dumps(told | (about or {}))})


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda f: f.unlink(), "no such file"),
    "folder": (lambda f: (f.unlink(), f.mkdir()), "not a regular file"),
    "empty": (lambda f: f.write_bytes(b""), "no network, or one that is"),
    "text": (lambda f: f.write_text("hello, I am a network"), "no network, or one that is"),
    "cut off": (lambda f: f.write_bytes(f.read_bytes()[:-9]), "no network, or one that is"),
    "huge": (lambda f: f.write_bytes(bytes(2**24 + 1)), "16 megabytes"),
    "another's": (lambda f: save_file({"x": np.zeros(3)}, f), "not a classifier of digits"),
    "no JSON": (
        lambda f: save_file({"x": np.zeros(3)}, f, {"seqlab.classify": "[1"}),
        "not a classifier of digits",
    ),
    "a list": (
        lambda f: save_file({"x": np.zeros(3)}, f, {"seqlab.classify": "[1]"}),
        "not a classifier of digits",
    ),
    "newer": (lambda f: changed(f, {"format": "2", "version": "9.9"}), "by seqlab 9.9"),
    "model": (lambda f: changed(f, {"model": "gpt"}), "its metadata say model 'gpt'"),
    "model []": (lambda f: changed(f, {"model": []}), "its metadata say model []"),
    "pool": (lambda f: changed(f, {"pool": "flat"}), "its metadata say pool 'flat'"),
    "positions": (lambda f: changed(f, {"positions": None}), "its metadata say positions None"),
    "patch": (lambda f: changed(f, {"patch": 3}), "its metadata say patch 3"),
    "patch 2.0": (lambda f: changed(f, {"patch": 2.0}), "its metadata say patch 2.0"),
    "patch True": (lambda f: changed(f, {"patch": True}), "its metadata say patch True"),
    "batch": (lambda f: changed(f, {"batch": 0}), "its metadata say batch 0"),
    "lr": (lambda f: changed(f, {"lr": "fast"}), "its metadata say lr 'fast'"),
    "other digits": (lambda f: changed(f, {"seed": 4}), "other digits than seed 4 draws"),
    "images": (lambda f: changed(f, {"images": 0}), "its metadata say images 0"),
    "steps": (lambda f: changed(f, {"steps": "many"}), "its metadata say steps 'many'"),
    "seed": (lambda f: changed(f, {"seed": -1}), "its metadata say seed -1"),
    "other model": (lambda f: changed(f, {"model": "mlp", "pool": "flat", "positions": None,
                                          "patch": None}), "tensor "),
    "less": (lambda f: changed(f, head__W=None), "tensor head.W is missing"),
    "more": (lambda f: changed(f, extra=[1.0]), "tensor extra is none of this network's"),
    "size": (lambda f: changed(f, head__W=np.zeros((9, 9))), "tensor head.W is of another size"),
    "other patch": (lambda f: changed(f, {"patch": 4}), "is of another size"),
    "NaN": (lambda f: changed(f, head__b=[np.nan] * 10), "tensor head.b is not finite"),
}  # fmt: skip


@pytest.mark.parametrize("harm", BAD, ids=str)
def test_what_is_no_network_is_refused(file: Path, harm: str) -> None:
    spoil, sentence = BAD[harm]
    spoil(file)
    with pytest.raises(BadInput) as problem:
        saved.load(str(file))
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


@pytest.mark.parametrize("name", ["\0", "x" * 300, "", "/nowhere/a"])
def test_strange_names(name: str) -> None:
    with pytest.raises(BadInput):
        saved.load(name)
    with pytest.raises(BadInput):
        saved.require_writable(f"{name}.safetensors" if name != "" else "")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    saved.require_writable(str(tmp_path / "a.safetensors"))
    (tmp_path / "b.safetensors").mkdir()
    for name in ("a.pt", "b.safetensors", "c/a.safetensors"):
        with pytest.raises(BadInput, match="--save"):
            saved.require_writable(str(tmp_path / name))
    with pytest.raises(OSError, match=r"c/a\.safetensors"):
        saved.save(str(tmp_path / "c/a.safetensors"), VIT, ORIGIN, drawn(VIT))


def test_a_picture_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG and more")
    with pytest.raises(BadInput, match=r"try --image .*a\.png"):
        saved.load(str(tmp_path / "a.png"))


def test_a_name_that_leaves_no_room_for_the_temporary_file(tmp_path: Path) -> None:
    """Known before anything is trained, not after."""
    with pytest.raises(BadInput, match="--save"):
        saved.require_writable(str(tmp_path / f"{'x' * 243}.safetensors"))
