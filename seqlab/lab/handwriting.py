"""Pictures of a user's own handwriting: found, read by a network of digits, and judged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqlab.book.ops import softmax
from seqlab.classifiers import Classifier
from seqlab.figures.glyphs import shorten
from seqlab.lab import BadInput, probes
from seqlab.locale import _
from seqlab.tasks import digits
from seqlab.tasks.digits import Digits

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_KEPT = 160  # pixels of the longer side of a picture that are kept for the screen
_LONGEST_NAME = 120  # of a file, in a message


@dataclass(frozen=True)
class Reading:
    """A picture of the user's: size in pixels, what the network saw of it, and what it says.

    `box` is where the digit was found: top, left, bottom, right, in pixels; `light` whether it was
    lighter than its ground; `beside` how many large pieces of ink lie side by side in it, and
    `left_out` how many were left out, for they touch the edge. `sure` is whether it was read with a
    probability at which test digits are read rightly. `distance` is that to the nearest digit
    learned from, the root of the summed squares of ink, and `stranger_than` the share of test
    digits that are nearer to one.
    """

    path: str
    width: int
    height: int
    notes: list[str]
    box: list[int]
    light: bool
    beside: int
    left_out: int
    seen: Floats
    probabilities: list[float]
    digit: int | None
    sure: bool
    distance: float
    stranger_than: float
    attention: Floats | None
    covered: Floats
    pixels: Bytes = field(metadata={"json": False})


class Scanned(NamedTuple):
    """A picture, its pixels made few, and what there is of a digit in it."""

    path: str
    width: int
    height: int
    notes: list[str]
    pixels: Bytes  # (rows, columns, 3)
    seen: NDArray[np.float32]  # (1, 8, 8)
    box: list[int]  # in pixels of the original
    light: bool
    beside: int
    left_out: int


def scanned(path: str) -> Scanned:
    """Read a picture and find the digit in it; BadInput where there is none."""
    from seqlab import images  # Pillow, for which a training need not wait
    from seqlab.tasks import scans

    try:
        photo = images.read(path, _KEPT)
    except BadInput as problem:
        if problem.hint == _("no file at all, for the sample picture"):  # there is none here
            hint = _("saving it to a file first") if "://" in path else ""
            raise BadInput(problem.wrong, problem.expected, hint) from problem
        raise
    name = shorten(path, _LONGEST_NAME)
    if min(photo.width, photo.height) < digits.SIDE:
        raise BadInput(
            _("{file}: {width} × {height} pixels, too small").format(
                file=name, width=photo.width, height=photo.height
            ),
            _("at least {n} × {n}").format(n=digits.SIDE),
        )
    scan, notes = scans.from_picture(_grey(photo.pixels)), photo.notes
    if scan is None and _("transparent parts shown on white") in notes:
        photo = photo._replace(pixels=_on_black(path))
        scan, notes = (
            scans.from_picture(_grey(photo.pixels)),
            [_("transparent parts shown on black")],
        )
    if scan is None:
        raise BadInput(
            _("{file}: nothing stands out from its ground").format(file=name),
            _("one digit, darker or lighter than its ground: another colour alone is not enough"),
            _("more light, a thicker pen, or a closer picture"),
        )
    rows, columns = photo.pixels.shape[:2]
    scale = photo.height / rows, photo.width / columns
    box = [round(edge * scale[i % 2]) for i, edge in enumerate(scan.box)]
    small = images.within((rows, columns), min(_KEPT, rows), min(_KEPT, columns))
    pixels = images.fitted(photo.pixels, *small, "stretch")
    return Scanned(
        photo.path or path, photo.width, photo.height, notes, pixels, scan.image, box, scan.light,
        scan.beside, scan.left_out,
    )  # fmt: skip


def _grey(pixels: Bytes) -> Floats:
    """How light every pixel is, from 0 to 1."""
    return np.asarray(pixels @ (0.299, 0.587, 0.114) / 255)


def _on_black(path: str) -> Bytes:
    """A picture with transparent parts, these shown on black."""
    from PIL import Image, ImageOps

    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file).convert("RGBA")
    black = Image.new("RGBA", picture.size, "black")
    return np.asarray(Image.alpha_composite(black, picture).convert("RGB"))


def readings(
    network: Classifier,
    p: Any,
    data: tuple[Digits, Digits],
    pictures: Sequence[Scanned],
    level: float,
) -> list[Reading]:
    """What the network says of the user's pictures."""
    if not pictures:
        return []
    known, tests = data
    x = np.stack([picture.seen for picture in pictures])
    probabilities = softmax(probes.scores(network, p, x))
    best = probabilities.argmax(1)
    usual, strange = (probes.distances(each, known.images) for each in (tests.images, x))
    seen, costs = probes.maps(network, p, x), probes.covered(network, p, x, best)
    return [
        replace(
            unread(picture),
            probabilities=probabilities[i].tolist(),
            digit=int(best[i]),
            sure=bool(probabilities[i, best[i]] >= level),
            distance=float(strange[i]),
            stranger_than=float((usual < strange[i]).mean()),
            attention=seen[i],
            covered=costs[i],
        )
        for i, picture in enumerate(pictures)
    ]


def unread(picture: Scanned) -> Reading:
    """A picture of which nothing is known but what is seen of it."""
    side = digits.SIDE // 2
    return Reading(
        **{**picture._asdict(), "seen": picture.seen[0].astype(np.float64)},
        probabilities=[math.nan] * digits.CLASSES, digit=None, sure=False, distance=math.nan,
        stranger_than=math.nan, attention=None, covered=np.full((side, side), math.nan),
    )  # fmt: skip
