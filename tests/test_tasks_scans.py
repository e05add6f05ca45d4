"""Pictures of digits: found whatever the light, and brought to the form of the scans."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from seqlab.tasks import digits, scans


def seven(size: int = 120) -> np.ndarray:
    """A 7 in thin strokes: ink 1, paper 0."""
    image = Image.new("L", (size, size))
    points = [(0.3, 0.2), (0.7, 0.2), (0.45, 0.8)]
    ImageDraw.Draw(image).line([(x * size, y * size) for x, y in points], 255, width=size // 30)
    return np.asarray(image) / 255


def photo(ink: np.ndarray, light: float = 0.0, noise: float = 0.0, **options: Any) -> np.ndarray:
    """Dark ink on paper that is lit from one side."""
    paper, black = options.get("shades", (0.95, 0.1))
    x = np.linspace(0, 1, ink.shape[1])
    grey = (paper + (black - paper) * ink) * (1 - light * x)
    grey = grey + np.random.default_rng(0).normal(0, 1, ink.shape) * noise
    return np.clip(grey, 0, 1)


def found(grey: np.ndarray) -> scans.Scan:
    scan = scans.from_picture(grey)
    assert scan is not None
    return scan


@pytest.fixture(scope="module")
def plain() -> scans.Scan:
    return found(photo(seven()))


def test_the_form_is_that_of_the_scans(plain: scans.Scan) -> None:
    assert plain.image.shape == (1, 8, 8) and plain.image.dtype == np.float32
    np.testing.assert_array_equal(plain.image * 16, np.rint(plain.image * 16))
    assert abs(plain.image.mean() - scans.INK) < 0.04
    assert plain.image[0].max(1).min() > 0  # it fills all rows, and not the outer columns
    assert plain.image[0][:, [0, -1]].max() == 0
    top, left, bottom, right = plain.box
    assert abs(top - 22) <= 3 and abs(bottom - 98) <= 4
    assert abs(left - 34) <= 4 and abs(right - 86) <= 5
    assert not plain.light


@pytest.mark.parametrize(
    "options",
    [{"light": 0.6}, {"noise": 0.05}, {"shades": (0.6, 0.45)}, {"light": 0.4, "noise": 0.03}],
    ids=str,
)
def test_light_and_noise_change_little(plain: scans.Scan, options: dict[str, Any]) -> None:
    for grey in (photo(seven(), **options), 1 - photo(seven(), **options)):
        scan = found(grey)
        assert abs(scan.image - plain.image).mean() < 0.05
    assert scan.light


def test_place_size_and_dirt_change_little(plain: scans.Scan) -> None:
    page = np.zeros((200, 300))
    page[70:190, 170:290] = seven()
    page[3, 4] = page[10:12, 200] = 1  # specks
    page[:, :5] = 0.8  # the edge of the table
    assert abs(found(photo(page)).image - plain.image).mean() < 0.05
    large = found(photo(seven(900)))
    assert abs(large.image - plain.image).mean() < 0.06 and max(large.box) > 600
    blurred = Image.fromarray((seven() * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    assert abs(found(photo(np.asarray(blurred) / 255)).image - plain.image).mean() < 0.06


def test_thin_and_thick_pens_give_as_much_ink() -> None:
    for width in (2, 6, 14):
        image = Image.new("L", (120, 120))
        ImageDraw.Draw(image).ellipse((35, 20, 85, 100), outline=255, width=width)
        scan = found(photo(np.asarray(image) / 255))
        assert abs(scan.image.mean() - scans.INK) < 0.04, width


def test_a_slanted_stroke_is_set_upright() -> None:
    """As the makers did: the leftmost ink of the top above that of the foot."""
    image = Image.new("L", (120, 120))
    ImageDraw.Draw(image).line([(80, 20), (40, 100)], 255, width=6)
    ink = found(photo(np.asarray(image) / 255)).image[0]
    x = np.arange(8)
    middles = (ink * x).sum(1) / ink.sum(1)
    assert np.ptp(middles) < 0.8


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (8, 8), (200, 150)])
def test_there_is_nothing_on_blank_paper(shape: tuple[int, int], noise: float) -> None:
    assert scans.from_picture(photo(np.zeros(shape), noise=noise, light=0.3)) is None


@settings(max_examples=60)
@given(
    rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 99),
    share=st.floats(0, 1),
)  # fmt: skip
def test_whatever_comes_is_a_scan_or_nothing(
    rows: int, columns: int, seed: int, share: float
) -> None:
    grey = (np.random.default_rng(seed).random((rows, columns)) < share).astype(float)
    scan = scans.from_picture(grey)
    if scan is not None:
        assert np.isfinite(scan.image).all() and 0 <= scan.image.min() <= scan.image.max() <= 1
        top, left, bottom, right = scan.box
        assert 0 <= top < bottom <= rows and 0 <= left < right <= columns


def test_pieces_are_numbered() -> None:
    mask = np.random.default_rng(3).random((30, 40)) < 0.4
    labels = scans._labelled(mask)
    assert ((labels > 0) == mask).all()
    for y, x in np.argwhere(mask):  # neighbours are of one piece
        near = labels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert set(near[near > 0].tolist()) == {int(labels[y, x])}
    apart = np.zeros((5, 5), bool)
    apart[0, 0] = apart[4, 4] = apart[0, 4] = True
    assert len(np.unique(scans._labelled(apart))) == 4


def test_enlarged_scans_come_back_nearly_as_they_were() -> None:
    images = digits.load().images[:40]
    errors = []
    for image in images:
        big = Image.fromarray((image[0] * 255).astype(np.uint8)).resize((120, 120))
        page = np.zeros((200, 200))
        page[40:160, 40:160] = np.asarray(big) / 255
        errors.append(abs(found(photo(page)).image - image).mean())
    assert np.mean(errors) < 0.13  # another digit's scan: 0.3


def test_printed_digits_are_found() -> None:
    for k in range(10):
        image = Image.new("L", (100, 100))
        ImageDraw.Draw(image).text((30, 5), str(k), font=ImageFont.load_default(80), fill=255)
        assert found(photo(np.asarray(image) / 255)).image.mean() > 0.2
