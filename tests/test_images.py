"""images: every kind of picture comes out upright and in the right colours; the rest is refused."""

import io
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from seqlab import images
from seqlab.lab import BadInput

RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def flag(width: int = 48, height: int = 32) -> Image.Image:
    """Red at the upper left, blue at the lower right, white between: no turn leaves it alone."""
    picture = Image.new("RGB", (width, height), WHITE)
    picture.paste(RED, (0, 0, width // 2, height // 2))
    picture.paste(BLUE, (width // 2, height // 2, width, height))
    return picture


def corner(photo: images.Photo) -> tuple[int, ...]:
    """The colour near the upper left corner."""
    return tuple(photo.pixels[1, 1].tolist())


def near(found: tuple[int, ...], wanted: tuple[int, ...], slack: int = 8) -> bool:
    return all(abs(a - b) <= slack for a, b in zip(found, wanted, strict=True))


# Kinds of files


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}), ("a.jpg", {"quality": 95, "subsampling": 0}), ("a.gif", {}),
        ("a.bmp", {}), ("a.ppm", {}),
        ("a.webp", {"lossless": True}), ("a.tiff", {}), ("a.tif", {"compression": "tiff_lzw"}),
        ("no suffix", {"format": "PNG"}), ("wrong.jpg", {"format": "PNG"}),
    ],
)  # fmt: skip
def test_formats(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    flag().save(tmp_path / name, **options)
    photo = images.read(tmp_path / name)
    assert (photo.width, photo.height, photo.path) == (48, 32, str(tmp_path / name))
    assert photo.pixels.shape == (32, 48, 3) and photo.pixels.dtype == np.uint8
    assert np.abs(photo.pixels.astype(int) - np.asarray(flag())).max() <= 8
    assert photo.notes == []


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("enough", [None, 4])
def test_exif_orientation(tmp_path: Path, orientation: int, name: str, enough: int | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    flag().save(tmp_path / name, exif=exif, **({"lossless": True} if "webp" in name else {}))
    photo = images.read(tmp_path / name, enough)
    with Image.open(tmp_path / name) as stored:
        upright = ImageOps.exif_transpose(stored).convert("RGB")
    assert (photo.width, photo.height) == upright.size
    assert photo.width == (48 if orientation < 5 else 32)
    if enough is None:
        np.testing.assert_array_equal(photo.pixels, np.asarray(upright))
    assert near(corner(photo), {1: RED, 3: BLUE, 5: RED, 7: BLUE}.get(orientation, WHITE))
    assert [("EXIF" in note) for note in photo.notes] == [True] * (orientation > 1)


def test_a_camera_held_sideways(tmp_path: Path) -> None:
    """Orientation 6: what is stored as the upper left corner is the upper right one."""
    exif = Image.Exif()
    exif[0x0112] = 6
    flag().save(tmp_path / "a.jpg", exif=exif, quality=95)
    pixels = images.read(tmp_path / "a.jpg").pixels
    assert pixels.shape == (48, 32, 3)
    assert near(tuple(pixels[1, -2].tolist()), RED) and near(tuple(pixels[-2, 1].tolist()), BLUE)


def test_a_large_jpeg_that_is_read_smaller_keeps_its_size_in_words(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new("RGB", (1001, 1000), RED).save(tmp_path / "a.jpg", exif=exif)
    photo = images.read(tmp_path / "a.jpg", 32)
    assert (photo.width, photo.height) == (1000, 1001)
    assert 64 <= min(photo.pixels.shape[:2]) <= max(photo.pixels.shape[:2]) < 1000


def test_broken_exif_says_nothing(tmp_path: Path) -> None:
    flag().save(tmp_path / "a.jpg", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    photo = images.read(tmp_path / "a.jpg")
    assert near(corner(photo), RED) and photo.notes == []


@pytest.mark.parametrize(
    ("mode", "suffix", "colour", "wanted", "notes"),
    [
        ("1", "png", 255, WHITE, []),
        ("L", "png", 100, (100,) * 3, []),
        ("L", "jpg", 100, (100,) * 3, []),
        ("LA", "png", (100, 255), (100,) * 3, []),
        ("LA", "png", (0, 0), WHITE, ["transparent parts shown on white"]),
        ("RGBA", "png", (255, 0, 0, 255), RED, []),
        ("RGBA", "png", (255, 0, 0, 0), WHITE, ["transparent parts shown on white"]),
        ("RGBA", "webp", (255, 0, 0, 0), WHITE, ["transparent parts shown on white"]),
        ("RGBA", "png", (255, 0, 0, 51), (255, 204, 204), ["transparent parts shown on white"]),
        ("CMYK", "jpg", (0, 255, 255, 0), RED, ["CMYK converted without a colour profile"]),
        ("CMYK", "tif", (0, 255, 255, 0), RED, ["CMYK converted without a colour profile"]),
        ("I;16", "png", 32768, (128,) * 3, ["16 bits scaled to 8"]),
        ("I;16", "tif", 65535, WHITE, ["16 bits scaled to 8"]),
        ("I;16B", "tif", 257 * 60, (60,) * 3, ["16 bits scaled to 8"]),
        ("I", "tif", 40, (40,) * 3, ["integers, read as 0 to 255"]),
        ("I", "pgm", 257 * 40, (40,) * 3, ["16 bits scaled to 8"]),
        ("F", "tif", 0.5, (128,) * 3, ["floats, read as 0 to 1"]),
        ("F", "tif", 77.0, (77,) * 3, ["floats, read as 0 to 255"]),
    ],
)
def test_modes(
    tmp_path: Path, mode: str, suffix: str, colour: Any, wanted: tuple[int, ...], notes: list[str]
) -> None:
    file = tmp_path / f"a.{suffix}"
    Image.new(mode, (9, 7), colour).save(file, **({"lossless": True} if suffix == "webp" else {}))
    photo = images.read(file)
    assert near(corner(photo), wanted, 3 if suffix == "jpg" else 0)
    with Image.open(file) as stored:
        assert photo.mode == stored.mode
    assert photo.notes == notes
    assert photo.pixels.shape == (7, 9, 3)


def test_values_beyond_all_scales(tmp_path: Path) -> None:
    ramp = np.linspace(-3, 900, 60, dtype=np.float32).reshape(6, 10)
    ramp[2, 2], ramp[3, 3] = np.nan, np.inf
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    photo = images.read(tmp_path / "a.tif")
    assert (photo.pixels[0, 0, 0], photo.pixels[-1, -1, 0], photo.pixels[3, 3, 0]) == (0, 255, 255)
    assert photo.notes == ["values from -3.00 to 900 scaled to 0 to 255"]


def test_integers_beyond_a_byte_take_their_own_range(tmp_path: Path) -> None:
    for high in (1000, 100_000):
        ramp = np.linspace(-9 if high > 1000 else 0, high, 60).astype(np.int32).reshape(6, 10)
        Image.fromarray(ramp).save(tmp_path / "a.tif")
        photo = images.read(tmp_path / "a.tif")
        assert (photo.pixels.min(), photo.pixels.max()) == (0, 255)
        assert photo.notes[0].startswith("values from ")


def test_sixteen_bits_with_one_grey_that_is_transparent(tmp_path: Path) -> None:
    grey = np.full((8, 8), 30_000, np.uint16)
    grey[:4] = 1000
    Image.fromarray(grey).save(tmp_path / "a.png", transparency=1000)
    photo = images.read(tmp_path / "a.png")
    assert corner(photo) == WHITE and tuple(photo.pixels[-1, -1].tolist()) == (117,) * 3
    assert photo.notes == ["16 bits scaled to 8", "transparent parts shown on white"]


@pytest.mark.parametrize(
    ("mode", "colour", "wanted"),
    [("La", (0, 0), WHITE), ("La", (100, 255), (100,) * 3), ("PA", (0, 0), WHITE)],
)
def test_rare_modes(mode: str, colour: Any, wanted: tuple[int, ...]) -> None:
    """No format that Pillow writes has these."""
    notes: list[str] = []
    seen = images._rgb(Image.new(mode, (4, 4), colour), None, notes)
    assert seen.getpixel((1, 1)) == wanted
    assert notes == (["transparent parts shown on white"] if wanted == WHITE else [])


def test_palette_with_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (4, 4, 8, 8))
    picture.save(tmp_path / "a.png", transparency=0)
    photo = images.read(tmp_path / "a.png")
    assert corner(photo) == WHITE and tuple(photo.pixels[-1, -1].tolist()) == BLUE
    assert photo.mode == "P" and photo.notes == ["transparent parts shown on white"]
    picture.save(tmp_path / "b.png")
    assert corner(images.read(tmp_path / "b.png")) == RED


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_the_first_frame(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE, WHITE)]
    options: dict[str, Any] = {"lossless": True} if name.endswith("webp") else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    photo = images.read(tmp_path / name)
    assert corner(photo) == RED and photo.notes == ["the first of its 3 frames"]


def test_a_camera_s_preview_is_no_animation(tmp_path: Path) -> None:
    flag().save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[flag()])
    with Image.open(tmp_path / "a.jpg") as stored:
        assert (stored.format, stored.n_frames) == ("MPO", 2)  # type: ignore[attr-defined]
    assert images.read(tmp_path / "a.jpg").notes == []


def test_enough_never_reads_below_twice_what_was_asked(tmp_path: Path) -> None:
    flag(900, 700).save(tmp_path / "a.png")
    whole, small = (images.read(tmp_path / "a.png", enough) for enough in (None, 50))
    assert whole.pixels.shape == (700, 900, 3)
    assert 100 <= min(small.pixels.shape[:2]) < 200
    assert (small.width, small.height) == (900, 700) and corner(small) == RED
    flag(1000, 1000).save(tmp_path / "a.jpg")  # a JPEG is read smaller at once
    assert images.read(tmp_path / "a.jpg", 100).pixels.shape == (250, 250, 3)


# Refusals


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than it has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100))
    )  # fmt: skip


def encoded(**options: Any) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(stream, **options)
    return stream.getvalue()


CONTENTS = {
    "empty.png": (b"", "empty"),
    "text.png": (b"this is no picture\n" * 9, "not a picture"),
    "null.png": (b"\0" * 4000, "not a picture"),
    "page.pdf": (b"%PDF-1.7\n", "not a picture"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "PostSc"),
    "stub.h5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "HDF5, not a picture that Pillow can read"),
    "film.mpg": (b"\0\0\1\xb3\x10\0\x10" + b"\0" * 99, "MPEG, not a picture that Pillow can"),
    "half.png": (encoded(format="PNG")[:2000], "damaged or cut off"),
    "half.jpg": (encoded(format="JPEG")[:1500], "damaged or cut off"),
    "half.gif": (encoded(format="GIF")[:1500], "damaged or cut off"),
    "half.webp": (encoded(format="WEBP")[:900], "damaged or cut off"),
    "half.tif": (encoded(format="TIFF")[:5000], "damaged or cut off"),
    "lzw.tif": (encoded(format="TIFF", compression="tiff_lzw")[:4000], "damaged or cut off"),
    "warned.png": (bomb(10_000, 10_000), "100 megapixels: expected at most 89 megapixels"),
    "refused.png": (bomb(60_000, 60_000), "> 179 megapixels: expected at most 89 megapixels"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_files_that_are_refused(tmp_path: Path, seqlab: Run, name: str) -> None:
    content, reason = CONTENTS[name]
    (tmp_path / name).write_bytes(content)
    refused(seqlab, tmp_path / name, name, reason)


def refused(seqlab: Run, path: Path | str, *words: str) -> None:
    outcome = seqlab("patchify", str(path))
    assert outcome.status == 2 and outcome.text == ""
    assert outcome.errors.startswith("error: ") and outcome.errors.count("\n") == 1
    for word in (*words, "expected"):
        assert word in outcome.errors
    assert "\x1b" not in outcome.errors and "Traceback" not in outcome.errors


def test_a_folder(tmp_path: Path, seqlab: Run) -> None:
    refused(seqlab, tmp_path, "a folder")


def test_missing_and_its_neighbour(tmp_path: Path, seqlab: Run) -> None:
    refused(seqlab, tmp_path / "cat.png", "cat.png: no such file", "sample picture")
    flag().save(tmp_path / "cats.png")
    refused(seqlab, tmp_path / "cat.png", "no such file", "cats.png")
    refused(seqlab, tmp_path / "cats.png" / "x", "no such file")
    refused(seqlab, "", "no such file")


def test_a_pipe_does_not_hang(tmp_path: Path, seqlab: Run) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(seqlab, tmp_path / "pipe", "a pipe or a device")
    refused(seqlab, "/dev/zero", "a pipe or a device")


def test_links(tmp_path: Path, seqlab: Run) -> None:
    flag().save(tmp_path / "a.png")
    (tmp_path / "good").symlink_to(tmp_path / "a.png")
    assert corner(images.read(tmp_path / "good")) == RED
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    refused(seqlab, tmp_path / "ring", "ring: ")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    refused(seqlab, tmp_path / "dangling", "no such file")


def test_permission_denied(tmp_path: Path, seqlab: Run) -> None:
    file = tmp_path / "secret.png"
    flag().save(file)
    file.chmod(0)
    if os.geteuid() != 0:
        refused(seqlab, file, "permission denied")
        return
    os.seteuid(65534)  # root may read everything: be nobody for a moment
    try:
        refused(seqlab, file, "permission denied")
    finally:
        os.seteuid(0)


def test_permission_denied_by_open_alone(
    tmp_path: Path, seqlab: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag().save(tmp_path / "a.png")

    def deny(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", deny)
    refused(seqlab, tmp_path / "a.png", "permission denied")


@pytest.mark.parametrize(
    "name", ["x" * 300, "n\0l", "\x1b[31mred\x1b[0m.png", "a\nb.png", "[bold]x[/x].png", "\udcff"]
)
def test_names_are_only_data(seqlab: Run, name: str) -> None:
    refused(seqlab, name)


def test_a_strange_name_is_drawn_harmlessly(tmp_path: Path, seqlab: Run) -> None:
    file = tmp_path / "\x1b]0;x\x07[bold]\u202ecat[x].png"
    flag().save(file, format="PNG")
    for options in ((), ("--detail",), ("--ascii",), ("--json",)):
        outcome = seqlab("patchify", str(file), *options)
        assert outcome.status == 0 and outcome.errors == ""
        assert not set(outcome.text) & set("\x1b\x07\u202e")
        assert "[bold]" in outcome.text


def test_nothing_of_a_decoder_reaches_standard_error(tmp_path: Path) -> None:
    """Libtiff complains from C, Pillow by warnings: a process of its own shows both."""
    spoilt = bytearray(encoded(format="TIFF", compression="tiff_lzw"))
    spoilt[2000:2600] = b"\xff" * 600
    (tmp_path / "a.tif").write_bytes(spoilt)
    command = [sys.executable, "-W", "always", "-m", "seqlab", "patchify", str(tmp_path / "a.tif")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "damaged or cut off" in done.stderr


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM"]))
    content = bytearray(encoded(format=kind))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    try:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            photo = images.read(file.name, 64)
    except BadInput as problem:
        assert "\n" not in str(problem)
    else:
        assert photo.pixels.dtype == np.uint8 and photo.pixels.shape[2] == 3


# Bringing to size


def test_crop_keeps_the_middle() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = RED
    for turned in (pixels, pixels.transpose(1, 0, 2).copy()):
        fitted = images.fitted(turned, 10, 10, "crop")
        assert (fitted[1:-1, 1:-1] == RED).all()  # the kernel sees a little beyond the edge
        assert fitted[..., 0].min() > 200


def test_stretch_keeps_all() -> None:
    pixels = np.asarray(flag(60, 20))
    squared = images.fitted(pixels, 20, 20, "stretch")
    assert tuple(squared[2, 2]) == RED and tuple(squared[-2, -2]) == BLUE


def test_pad_fills_with_the_grey_that_is_zero() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    padded = images.fitted(pixels, 30, 30, "pad")
    assert (padded[:10] == images.PADDING).all() and (padded[20:] == images.PADDING).all()
    assert (padded[10:20] == 0).all()
    assert abs(images.PADDING / 127.5 - 1) < 0.005
    upright = images.fitted(pixels.transpose(1, 0, 2).copy(), 30, 30, "pad")
    np.testing.assert_array_equal(upright, padded.transpose(1, 0, 2))


@pytest.mark.parametrize("how", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
def test_any_shape_fits(how: images.Fit, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 200, np.uint8)
    fitted = images.fitted(pixels, 32, 48, how)
    assert fitted.shape == (32, 48, 3)
    assert set(np.unique(fitted)) <= ({200, images.PADDING} if how == "pad" else {200})
    assert 200 in fitted


def test_a_picture_that_fits_is_left_alone() -> None:
    pixels = np.asarray(flag())
    assert images.fitted(pixels, 32, 48, "crop") is pixels


# The sample


def test_the_sample_is_the_same_every_time_and_colourful() -> None:
    one, two = images.sample(), images.sample()
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert (one.path, one.width, one.height, one.mode) == (None, 360, 270, "RGB")
    assert one.pixels.shape == (270, 360, 3) and one.width * 3 == one.height * 4
    small = images.fitted(one.pixels, 14, 14, "crop").reshape(-1, 3).astype(int)
    hues = small.argmax(axis=1)
    assert min(np.bincount(hues, minlength=3)) > 20  # red, green and blue patches, many of each
    assert np.ptp(small, axis=0).min() > 180
