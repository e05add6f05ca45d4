"""A trained classifier of digits in a safetensors file: its tensors, and how to make it again.

The tensors have the names of the book's fields (`vit.blocks.0.attention.W_q`); the file's metadata
say which network they belong to, and by what it was trained. Nothing in such a file can run, and
nothing of it is believed: what does not fit is refused in one line.
"""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from seqlab import __version__, classifiers, trees
from seqlab.book.vit import Positions
from seqlab.classifiers import Classifier, Name
from seqlab.figures.glyphs import shorten
from seqlab.lab import BadInput
from seqlab.locale import _
from seqlab.tasks import digits
from seqlab.tasks.digits import Digits

Pool = Literal["cls", "mean", "flat"]

POOLS: dict[str, tuple[Pool, ...]] = {  # what its classifier can read, the usual first
    "vit": ("cls", "mean"),
    "cnn": ("flat", "mean"),
    "mlp": ("flat",),
    "mixer": ("mean",),
    "swin": ("mean",),
}
PATCHES = (1, 2, 4)  # pixels a side, where a network has patches to choose

_FORMAT = "1"  # of the metadata
_LARGEST = 2**24  # bytes of a file: the largest network has 200 kB
_LONGEST_NAME = 120  # of a file, in a message
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Kind:
    """Which network: what `classifiers.make` needs to know, and no more.

    `pool` is what its classifier reads: the class token's state, a mean over all places, or all
    numbers of the last layer (flat). `positions` and `patch` are null where it has none.
    """

    model: Name
    pool: Pool
    positions: Positions | None
    patch: int | None

    def make(self, **options: Any) -> Classifier:
        """The network, for digits."""
        return classifiers.make(
            self.model,
            digits.SIDE,
            digits.CLASSES,
            self.patch or 2,
            class_token=self.pool == "cls",
            positions=self.positions or "learned",
            mean=self.pool == "mean",
            **options,
        )


@dataclass(frozen=True)
class Origin:
    """By what a network was trained: steps done, scans seen, and the seed that drew the scans."""

    seed: int
    images: int
    steps: int
    batch: int
    lr: float

    def split(self) -> tuple[Digits, Digits]:
        """The digits that it learned from, and those to test it with."""
        return digits.split(np.random.default_rng([self.seed, 1, 0]), self.images)

    def fingerprint(self) -> str:
        """Of the digits that it learned from: with another seed those would be others."""
        known = self.split()[0]
        return hashlib.sha256(known.images.tobytes() + known.labels.tobytes()).hexdigest()[:16]


def require_writable(path: str) -> None:
    """Refuse, before anything is trained, a file that could not be written afterwards."""
    file = Path(path)
    wrong = f"--save {shorten(path, _LONGEST_NAME)}"
    try:
        if "\0" in path:
            raise ValueError("embedded null byte")
        if file.suffix != ".safetensors":
            stem = "digits" if file.name in ("", ".safetensors") else file.stem
            hint = f"--save {stem}.safetensors"
            raise BadInput(
                wrong, _("a name that ends in {endings}").format(endings=".safetensors"), hint
            )
        if file.exists() and not file.is_file():
            raise BadInput(wrong, _("a regular file"), f"--save new-{file.name}")
        if not file.parent.is_dir():
            folder = shorten(str(file.parent), _LONGEST_NAME)
            raise BadInput(
                wrong, _("an existing folder {folder}").format(folder=folder), f"mkdir -p {folder}"
            )
        # written to as it will be: a long name leaves no room for that of the temporary file
        with tempfile.NamedTemporaryFile(dir=file.resolve().parent, prefix=f".{file.name}."):
            pass
    except BadInput:
        raise
    except PermissionError as problem:
        folder = f"--save /tmp/{file.name}"
        raise BadInput(wrong, _("a folder that can be written to"), folder) from problem
    except (OSError, ValueError) as problem:  # a name too long, a NUL
        reason = getattr(problem, "strerror", None) or str(problem)
        raise BadInput(f"{wrong}: {reason}", _("the name of a file")) from problem


def save(path: str, kind: Kind, origin: Origin, p: Any) -> None:
    """Write a network's parameters, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors.numpy import save as as_bytes

    from seqlab.emit import write_whole

    tensors = {name: np.ascontiguousarray(leaf, np.float32) for name, leaf in trees.leaves(p)}
    about = {
        "format": _FORMAT, "version": __version__, **asdict(kind), **asdict(origin),
        "digits": origin.fingerprint(),
    }  # fmt: skip
    content = as_bytes(tensors, {"seqlab.classify": json.dumps(about)})
    write_whole(Path(path), content)


def load(path: str) -> tuple[Kind, Origin, Any]:
    """Read what `save` wrote: the kind of the network, its origin, its parameters in float32.

    Raises:
        BadInput: no such file, no whole safetensors file, not one of a classifier of digits, or
            tensors that do not fit it.
    """
    from seqlab.weights import SafeTensors

    name = shorten(path, _LONGEST_NAME) or "''"
    _require_file(path, name)
    try:
        tensors = SafeTensors(Path(path), name)
    except BadInput as problem:
        hint = f"--image {name}" if Path(path).suffix.lower() in _PICTURES else ""
        wrong = _("{file}: no network, or one that is damaged or cut off").format(file=name)
        raise BadInput(wrong, _("a file that --save wrote"), hint) from problem
    kind, origin = _about(Path(path), name)
    blank = kind.make().init()
    known = dict(trees.leaves(blank))
    strange = sorted(set(tensors) ^ set(known))
    if strange:
        pattern = (
            _("{name}: tensor {tensor} is missing")
            if strange[0] in known
            else _("{name}: tensor {tensor} is none of this network's")
        )
        raise BadInput(
            pattern.format(name=name, tensor=shorten(strange[0], 60)), _("a file that --save wrote")
        )

    def tensor(which: str, leaf: Any) -> Any:
        found = np.array(tensors[which][...], np.float32)
        if found.shape != leaf.shape or not np.isfinite(found).all():
            pattern = (
                _("{name}: tensor {tensor} is not finite")
                if found.shape == leaf.shape
                else _("{name}: tensor {tensor} is of another size")
            )
            wrong = pattern.format(name=name, tensor=which)
            raise BadInput(wrong, _("a file that --save wrote"))
        return found

    return kind, origin, trees.rebuild(tensor, blank)


def _require_file(path: str, name: str) -> None:
    """Refuse what is not a regular file of a sensible size."""
    try:
        file = Path(path)
        if not file.exists():
            raise BadInput(
                _("{file}: no such file").format(file=name), _("a file that --save wrote")
            )
        if not file.is_file():
            raise BadInput(
                _("{file}: not a regular file").format(file=name), _("a file that --save wrote")
            )
        size = file.stat().st_size
    except BadInput:
        raise
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise BadInput(f"{name}: {reason}", _("a file that --save wrote")) from problem
    if size > _LARGEST:
        raise BadInput(
            _("{file}: {size} megabytes").format(file=name, size=size // 2**20),
            _("a classifier of digits, which has less than one"),
        )


def _about(path: Path, name: str) -> tuple[Kind, Origin]:
    """What the metadata say, each part of it checked."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    try:
        about = json.loads(metadata["seqlab.classify"])
        if not isinstance(about, dict):
            raise ValueError
    except (KeyError, ValueError, RecursionError) as problem:
        raise BadInput(
            _("{name}: not a classifier of digits").format(name=name),
            _("a file that --save wrote"),
            "seqlab classify --save digits.safetensors",
        ) from problem
    if about.get("format") != _FORMAT:
        raise BadInput(
            _("{name}: written in another format, by seqlab {version}").format(
                name=name, version=shorten(str(about.get("version")), 20)
            ),
            _("one that seqlab {version} wrote").format(version=__version__),
            "--save",
        )
    for part, sound in _sound(about).items():
        if not sound:
            raise BadInput(
                _("{name}: its metadata say {part} {value}").format(
                    name=name, part=part, value=shorten(repr(about.get(part)), 40)
                ),
                _("a file that --save wrote"),
            )
    kind, origin = ({f.name: about[f.name] for f in fields(each)} for each in (Kind, Origin))
    found = Kind(**kind), Origin(**origin)
    if about.get("digits") != found[1].fingerprint():
        raise BadInput(
            _("{name}: by its metadata it learned from other digits than seed {seed} draws").format(
                name=name, seed=origin["seed"]
            ),
            _("a file that --save wrote"),
        )
    return found


def _sound(about: dict[str, Any]) -> dict[str, bool]:
    """Of every entry of the metadata, whether it is one that `save` would write."""
    model = about.get("model")
    usual = get_args(Positions) if model == "vit" else (None,)

    def whole(part: str, low: int, high: int) -> bool:
        return type(about.get(part)) is int and low <= about[part] <= high

    return {
        "model": isinstance(model, str) and model in POOLS,
        "pool": about.get("pool") in POOLS.get(model, ()) if isinstance(model, str) else False,
        "positions": about.get("positions") in usual,
        "patch": (
            about.get("patch") in PATCHES and type(about["patch"]) is int
            if model in ("vit", "mixer")
            else about.get("patch") is None
        ),
        "seed": whole("seed", 0, 2**63),
        "images": whole("images", 1, digits.MOST),
        "steps": whole("steps", 0, 10**6),
        "batch": whole("batch", 1, 256),
        "lr": type(about.get("lr")) is float and 0 <= about["lr"] <= 1,
    }
