"""Pictures: whatever file a user names as red, green and blue bytes, and a picture of our own.

A file is turned upright first, then brought to eight bits of three channels; what was done to it
on the way is said in its notes. What is no picture is refused in one line.
"""

import contextlib
import difflib
import os
import stat
import warnings
from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from seqlab.figures.glyphs import number, shorten
from seqlab.lab import BadInput
from seqlab.locale import _

Bytes = NDArray[np.uint8]
Fit = Literal["crop", "stretch", "pad"]
_Colour = tuple[float, float, float]

PADDING = 128  # the grey that a network, whose pixels are scaled to −1 .. 1, reads as 0
_MEGA = 1_000_000
_LONGEST_NAME = 120  # of a file, in a message that has one line

_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")  # PNG, JPEG, GIF, TIFF
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = [_UPRIGHT[orientation] for orientation in (5, 6, 7, 8)]


class Photo(NamedTuple):
    """A picture as it is meant to be seen, and what is known of it.

    `width` and `height` are those of the upright original; `pixels` may be fewer, where the reader
    said how many are enough. `mode` is Pillow's for the file ("RGB", "CMYK", "I;16", ...).
    """

    path: str | None  # None: the sample
    width: int
    height: int
    mode: str
    notes: list[str]
    pixels: Bytes  # (rows, columns, 3)


# Reading


def read(path: str | os.PathLike[str], enough: int | None = None) -> Photo:
    """Read a file that Pillow can open.

    Args:
        path: the file.
        enough: pixels that the shorter side needs at the least: a much larger picture is read, or
            at once made, smaller (never below twice that), which is faster.

    Raises:
        BadInput: it is missing, unreadable, no regular file, empty, not a picture, damaged, or
            too large.
    """
    name = os.fspath(path)
    _require_file(name)
    try:
        with open(name, "rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and odd tags: we say it ourselves
            return _decode(name, stream, enough)
    except (BadInput, MemoryError):
        raise
    except PermissionError as problem:
        raise _unreadable(name) from problem
    except Exception as problem:  # decoders raise all kinds of errors on damaged files
        raise _damaged(name, str(problem) or type(problem).__name__) from problem


def _decode(name: str, stream: BinaryIO, enough: int | None) -> Photo:
    try:
        picture = Image.open(stream)
    except Image.DecompressionBombError as problem:
        raise _too_large(name, None) from problem
    except UnidentifiedImageError as problem:
        stream.seek(0)
        if stream.read(4).startswith(_BEGINNINGS):  # its directory lies beyond where it was cut
            raise _damaged(name, _("its header cannot be read")) from problem
        raise BadInput(
            _("{file}: not a picture").format(file=_shown(name)),
            _("a file that Pillow reads, such as PNG, JPEG, GIF, WebP, TIFF or BMP"),
            _("converting it to PNG"),
        ) from problem
    (width, height), mode, notes = picture.size, picture.mode, []
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise _too_large(name, width * height)
    if picture.format == "EPS":  # reading it would run Ghostscript: a program, not a picture
        raise BadInput(
            _("{file}: PostScript").format(file=_shown(name)),
            _("a picture of pixels"),
            _("converting it to PNG"),
        )
    if isinstance(picture, ImageFile.StubImageFile) or picture.format == "MPEG":
        raise BadInput(  # Pillow knows its name and no more
            _("{file}: {kind}, not a picture that Pillow can read").format(
                file=_shown(name), kind=picture.format
            ),
            _("a file that Pillow reads, such as PNG, JPEG, GIF, WebP, TIFF or BMP"),
            _("converting it to PNG"),
        )
    frames = _frames(picture)
    if frames > 1:
        notes.append(_("the first of its {n} frames").format(n=frames))
    if _orientation(picture) in _UPRIGHT:
        notes.append(_("turned upright, as its EXIF orientation says"))
    # JPEG alone can be read smaller, others ignore it
    smaller = None if enough is None else picture.draft(None, (2 * enough, 2 * enough))
    with _silence() if picture.format == "TIFF" else contextlib.nullcontext():
        picture.load()  # here Pillow turns a TIFF by itself
    if smaller is None:
        width, height = picture.size
    method = _UPRIGHT.get(_orientation(picture))
    upright = picture if method is None else picture.transpose(method)
    if method in _SIDEWAYS:
        width, height = height, width
    upright = _rgb(upright, picture.format, notes)
    factor = min(upright.size) // (2 * enough) if enough is not None else 1
    if factor > 1:
        upright = upright.reduce(factor)
    return Photo(name, width, height, mode, notes, np.asarray(upright))


def _require_file(name: str) -> None:
    """Refuse what is not a regular file with something in it: a pipe would hang, a device worse."""
    try:
        status = os.stat(name)
    except PermissionError as problem:
        raise _unreadable(name) from problem
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise BadInput(
            _("{file}: no such file").format(file=_shown(name)),
            _("a picture file"),
            _neighbour(name) or _("no file at all, for the sample picture"),
        ) from problem
    except (OSError, ValueError) as problem:  # a name too long, links in a circle, a NUL
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise BadInput(f"{_shown(name)}: {reason}", _("the name of a picture file")) from problem
    if stat.S_ISDIR(status.st_mode):
        raise BadInput(
            _("{file}: a folder").format(file=_shown(name)),
            _("a picture file"),
            _("one of the files in it"),
        )
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(
            _("{file}: a pipe or a device").format(file=_shown(name)),
            _("a regular file"),
            _("saving the picture to a file first"),
        )
    if status.st_size == 0:
        raise BadInput(_("{file}: empty (0 bytes)").format(file=_shown(name)), _("a picture file"))


def _shown(name: str) -> str:
    """A file's name in a message: short; the error line itself makes it harmless."""
    return shorten(name, _LONGEST_NAME) if name else "''"


def _unreadable(name: str) -> BadInput:
    return BadInput(
        _("{file}: permission denied").format(file=_shown(name)),
        _("a file that you may read"),
        "chmod +r",
    )


def _damaged(name: str, reason: str) -> BadInput:
    return BadInput(
        _("{file}: damaged or cut off ({reason})").format(
            file=_shown(name), reason=shorten(" ".join(reason.split()), 80)
        ),
        _("a whole picture file"),
        _("fetching it again, or saving it as PNG"),
    )


def _too_large(name: str, pixels: int | None) -> BadInput:
    limit = Image.MAX_IMAGE_PIXELS or 0
    size = f"{pixels / _MEGA:,.0f}" if pixels else f"> {2 * limit / _MEGA:,.0f}"
    return BadInput(
        _("{file}: {size} megapixels").format(file=_shown(name), size=size),
        _("at most {limit} megapixels").format(limit=f"{limit / _MEGA:,.0f}"),
        _("a smaller copy"),
    )


def _neighbour(name: str) -> str:
    """A file of nearly this name in the same folder."""
    folder, base = os.path.split(name)
    try:
        names = os.listdir(folder or ".")[:5000]
    except OSError:
        return ""
    close = difflib.get_close_matches(base, names, n=1, cutoff=0.75)
    return os.path.join(folder, close[0]) if close else ""


def _frames(picture: Image.Image) -> int:
    """Frames of an animation, pages of a TIFF; a photo with its preview (MPO) is one picture."""
    if picture.format == "MPO":
        return 1
    try:
        frames = int(getattr(picture, "n_frames", 1))
        if frames > 1:
            picture.seek(0)
    except Exception:  # a damaged later frame does not concern us
        picture.seek(0)
        return 1
    return frames


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Standard error to nowhere: libtiff writes its complaints there, from C, and then fails."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed already
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _orientation(picture: Image.Image) -> int:
    """How the camera was held, by EXIF; 1 is upright."""
    try:
        return int(picture.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # EXIF that cannot be read says nothing
        return 1


def _rgb(picture: Image.Image, kind: str | None, notes: list[str]) -> Image.Image:
    """Eight bits of red, green and blue; what had to be decided is noted."""
    mode, transparent = picture.mode, "transparency" in picture.info
    if mode in ("I", "F") or mode.startswith("I;16"):
        values = np.asarray(picture)
        grey = _grey(values, mode.startswith("I;16") or kind in ("PNG", "PPM"), notes)
        unseen = values == picture.info["transparency"] if transparent else np.array(False)
        if unseen.any():
            notes.append(_("transparent parts shown on white"))
            grey = np.where(unseen, np.uint8(255), grey)
        return Image.fromarray(grey).convert("RGB")
    if mode == "La":
        picture = picture.convert("LA")
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or transparent:
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() != (255, 255):
            notes.append(_("transparent parts shown on white"))
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture)
    elif mode == "CMYK":
        notes.append(_("CMYK converted without a colour profile"))
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _grey(values: np.ndarray, sixteen: bool, notes: list[str]) -> Bytes:
    """Grey of `sixteen` bits, of whatever integers or of floats, as bytes."""
    known = values[np.isfinite(values)].astype(float)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    floats = values.dtype.kind == "f"
    if sixteen:
        notes.append(_("16 bits scaled to 8"))
        low, high = 0.0, 65535.0
    elif floats and low >= 0 and high <= 1:
        notes.append(_("floats, read as 0 to 1"))
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        notes.append(_("floats, read as 0 to 255") if floats else _("integers, read as 0 to 255"))
        low, high = 0.0, 255.0
    else:
        notes.append(
            _("values from {low} to {high} scaled to 0 to 255").format(
                low=number(low, 3), high=number(high, 3)
            )
        )
    share = (np.nan_to_num(values.astype(float), posinf=high, neginf=low) - low) / (
        (high - low) or 1.0
    )
    return np.asarray(np.rint(np.clip(share, 0, 1) * 255), np.uint8)


# Bringing to size


def within(size: tuple[int, ...], rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of a picture of `size`, scaled until it just fits into these."""
    height, width = size
    scale = min(columns / width, rows / height)
    return max(1, round(height * scale)), max(1, round(width * scale))


def fitted(pixels: Bytes, rows: int, columns: int, how: Fit) -> Bytes:
    """The picture in `rows` × `columns` pixels, bicubic.

    `crop` scales it until it covers them and keeps the middle, `pad` until it fits within and fills
    the rest with grey, `stretch` ignores its proportions.
    """
    height, width = pixels.shape[:2]
    if (height, width) == (rows, columns):
        return pixels
    picture, smooth = Image.fromarray(pixels), Image.Resampling.BICUBIC
    if how == "pad":
        down, across = within((height, width), rows, columns)
        page = Image.new("RGB", (columns, rows), (PADDING,) * 3)
        corner = (columns - across) // 2, (rows - down) // 2
        page.paste(picture.resize((across, down), smooth), corner)
        return np.asarray(page)
    box = (0.0, 0.0, float(width), float(height))
    if how == "crop":  # cropped before it is scaled: 1 × 5000 pixels must not become a million
        scale = max(columns / width, rows / height)
        kept_x, kept_y = min(width, columns / scale), min(height, rows / scale)
        left, top = (width - kept_x) / 2, (height - kept_y) / 2
        box = (left, top, left + kept_x, top + kept_y)
    return np.asarray(picture.resize((columns, rows), smooth, box=box))


# The picture of our own


def sample() -> Photo:
    """A house by a lake before mountains, drawn in 360 × 270 pixels."""
    rows, columns = 270, 360
    y, x = np.mgrid[0:rows, 0:columns] / rows  # y from 0 to 1, x from 0 to 4/3
    y, x = y.astype(np.float32), (x - 1 / 6).astype(np.float32)  # the middle square: x in 0 .. 1
    canvas = _blend((0.16, 0.38, 0.78), (0.98, 0.82, 0.66), np.clip(y / 0.6, 0, 1) ** 1.3)

    def paint(where: np.ndarray, colour: _Colour) -> None:
        canvas[where] = colour

    def disc(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return np.asarray(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1)

    glow = np.exp(-((x - 0.78) ** 2 + (y - 0.19) ** 2) / 0.03)[..., None]
    canvas += (np.array([1.0, 0.86, 0.42]) - canvas) * 0.75 * glow
    paint(disc(0.78, 0.19, 0.105, 0.105), (1.0, 0.93, 0.45))
    for cx, cy, size in ((0.2, 0.07, 0.085), (0.29, 0.045, 0.1), (0.4, 0.075, 0.08)):
        paint(disc(cx, cy, 1.25 * size, 0.75 * size), (0.98, 0.98, 1.0))
    for cx, cy, size in ((-0.1, 0.2, 0.06), (-0.02, 0.19, 0.07), (1.1, 0.33, 0.06)):
        paint(disc(cx, cy, 1.5 * size, 0.6 * size), (0.96, 0.94, 0.96))
    for peak, top, slope, rock in (
        (0.58, 0.34, 0.95, (0.44, 0.42, 0.6)),
        (0.3, 0.2, 1.15, (0.34, 0.33, 0.54)),
        (1.02, 0.36, 0.8, (0.38, 0.36, 0.56)),
    ):
        ridge = top + slope * np.abs(x - peak) + 0.012 * np.sin(60 * x) + 0.008 * np.sin(131 * x)
        paint(y > ridge, rock)
        paint((y > ridge) & (y < top + 0.1 + 0.025 * np.sin(70 * x)), (0.95, 0.96, 1.0))
    paint(y > 0.6 + 0.03 * np.sin(5 * x + 1), (0.13, 0.42, 0.3))
    paint(y > 0.66 + 0.04 * np.sin(4 * x + 2.6), (0.3, 0.62, 0.26))
    lake = disc(0.86, 0.83, 0.36, 0.11)
    paint(lake, (0.2, 0.5, 0.8))
    paint(lake & (np.sin(150 * y + 5 * np.sin(9 * x)) > 0.55), (0.62, 0.82, 0.95))
    paint((np.abs(x - 0.2) < 0.13) & (y > 0.66) & (y < 0.88), (0.82, 0.24, 0.18))
    paint((y > 0.52) & (y < 0.66) & (np.abs(x - 0.2) < (y - 0.5) * 1.1), (0.36, 0.17, 0.14))
    paint((np.abs(x - 0.15) < 0.035) & (np.abs(y - 0.74) < 0.035), (1.0, 0.88, 0.4))
    paint((np.abs(x - 0.26) < 0.032) & (y > 0.74) & (y < 0.88), (0.95, 0.9, 0.8))
    paint((np.abs(x - 0.5) < 0.018) & (y > 0.66) & (y < 0.86), (0.36, 0.23, 0.13))
    for cx, cy, size in ((0.5, 0.56, 0.1), (0.44, 0.64, 0.075), (0.56, 0.63, 0.08)):
        paint(disc(cx, cy, size, size), (0.07, 0.34, 0.16))
    flowers = (y > 0.9) & (np.sin(91 * x) * np.sin(83 * y + 40 * x) > 0.8)
    paint(flowers & (x < 0.62), (1.0, 0.55, 0.75))
    paint(flowers & (x >= 0.62), (1.0, 0.92, 0.35))
    pixels = np.rint(np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    return Photo(None, columns, rows, "RGB", [], pixels)


def _blend(above: _Colour, below: _Colour, share: np.ndarray) -> np.ndarray:
    """Colour `above` where the share is 0, `below` where it is 1; (...) to (..., 3)."""
    first, second = np.array([above, below], np.float32)
    return np.asarray(first + (second - first) * share[..., None])
