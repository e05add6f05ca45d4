import numpy as np
import pytest

from seqlab.figures import palette
from seqlab.figures.picture import Picture

FOUR = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 99, 199]]], np.uint8)


def colour(one):
    return None if one is None else tuple(one.get_truecolor())


def pixels_of(rows):
    """The pixels that half-blocks show, None where the ground is: the way back."""
    out = []
    for row in rows:
        upper, lower = [], []
        for character, style in row:
            front, back = (colour(style.color), colour(style.bgcolor)) if style else (None, None)
            upper.append(front if character == "▀" else None)
            lower.append(back if character == "▀" else front if character == "▄" else None)
        out += [upper, lower]
    return out


def test_four_pixels_are_two_half_blocks(cells):
    (row,) = cells(Picture(FOUR, max_width=2))
    for x, (character, style) in enumerate(row[:2]):
        assert character == "▀"
        assert colour(style.color) == tuple(FOUR[0, x].tolist())
        assert colour(style.bgcolor) == tuple(FOUR[1, x].tolist())
    assert {c for c, _ in row[2:]} == {" "}


@pytest.mark.parametrize("shape", [(7, 5), (20, 30), (48, 96), (1, 9), (9, 1)])
def test_small_pictures_are_enlarged_pixel_by_pixel(cells, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    shown = pixels_of(cells(Picture(image, max_width=96, max_height=24), width=100))
    width = sum(p is not None for p in shown[0])
    scale = width // shape[1]
    assert 1 <= scale <= 8
    for y, x in np.ndindex(shape[0] * scale, shape[1] * scale):
        assert shown[y][x] == tuple(image[y // scale, x // scale].tolist())


@pytest.mark.parametrize("shape", [(224, 224), (3000, 1000), (500, 4000), (1, 100_000)])
def test_large_pictures_keep_their_proportions(cells, shape):
    image = np.full(shape, 128, np.uint8)
    shown = pixels_of(cells(Picture(image, max_width=80, max_height=20), width=100))
    width = sum(p is not None for p in shown[0])
    height = sum(row[0] is not None for row in shown)
    assert width <= 80 and height <= 40 and (width >= 79 or height >= 39)
    assert abs(width - height * shape[1] / shape[0]) <= max(1, shape[1] / shape[0])


def test_reduction_is_the_mean(cells):
    image = np.zeros((100, 100), np.uint8)
    image[::2] = 200
    shown = pixels_of(cells(Picture(image, max_width=50, max_height=25), width=60))
    assert {p for row in shown for p in row} == {None, (100, 100, 100)}


def test_floats_and_bytes_and_grey_are_the_same(cells):
    grey = np.array([[0, 51], [102, 255]], np.uint8)
    same = [grey, grey / 255, grey.astype(int), np.repeat(grey[..., None], 3, axis=2)]
    shown = [pixels_of(cells(Picture(p))) for p in same]
    assert shown[0] == shown[1] == shown[2] == shown[3] and shown[0][0][0] == (0, 0, 0)


@pytest.mark.parametrize("size", [14, 7, 4])
def test_tiles_are_drawn_apart(cells, size):
    """Each tile shows its own colour, with the ground all around it, and no tile is lost."""
    number = np.arange(size * size).reshape(size, size)
    image = np.stack([number, number // 2, 255 - number], axis=-1).astype(np.uint8)
    image = image.repeat(4, axis=0).repeat(4, axis=1)
    figure = Picture(image, grid=(size, size), numbers=False)
    margin = len(str(size * size - size + 1)) + 1
    shown = [row[margin:] for row in pixels_of(cells(figure, width=60))]
    tile = next(x for x in range(1, 60) if shown[1][x] is None) - 1
    if size == 14:
        assert tile == 2 and len(shown) == 44  # 43 pixels of 14 tiles of 2 and 15 lines
    for y, x in np.ndindex(size * (tile + 1) + 1, size * (tile + 1) + 1):
        row, at_y = divmod(y - 1, tile + 1)
        column, at_x = divmod(x - 1, tile + 1)
        line = at_y == tile or at_x == tile or y == 0 or x == 0
        expected = None if line else tuple(image[4 * row, 4 * column].tolist())
        assert shown[y][x] == expected


@pytest.mark.parametrize("colours", ["truecolor", None])
def test_margin_numbers_the_rows(draw, colours):
    figure = Picture(np.zeros((64, 64)), grid=(8, 8), numbers=False)
    numbers = [int(line[:3]) for line in draw(figure, colours=colours) if line[:3].strip()]
    assert numbers == [1, 9, 17, 25, 33, 41, 49, 57]


def test_numbers_in_tiles_are_all_there_and_readable(draw, cells):
    figure = Picture(np.full((40, 40), 0.9), grid=(4, 4), numbers=True)
    words = " ".join(line[3:] for line in draw(figure, colours="truecolor"))
    found = [int(w) for w in words.replace("▀", " ").replace("▄", " ").split()]
    assert found == list(range(1, 17))
    for row in cells(figure):
        for character, style in row[3:]:
            if character.isdigit():
                assert colour(style.color) == palette.readable_on(colour(style.bgcolor))


def test_numbers_stay_out_of_tiles_that_are_too_small(draw):
    figure = Picture(np.full((56, 56), 0.9), grid=(14, 14))
    assert not any(c.isdigit() for line in draw(figure, colours="truecolor") for c in line[4:])


def test_tiles_grow_wide_enough_for_the_numbers_that_were_asked_for(draw):
    grid = Picture(np.full((56, 56), 0.9), grid=(14, 14), numbers=True, max_height=14)
    words = " ".join(line[4:] for line in draw(grid, plain=True))
    assert {str(n) for n in range(100, 197)} <= set(
        "".join(c if c.isdigit() else " " for c in words).split()
    )


def test_numbers_without_room_leave_a_remark(draw):
    figure = Picture(np.full((56, 56), 0.9), grid=(14, 14), numbers=True, unnumbered="no room")
    assert draw(figure, width=40)[-1].strip() == "no room"
    assert "no room" not in " ".join(draw(figure, width=100))


def test_tiles_too_many_to_draw_apart_are_said_to_be(draw):
    figure = Picture(np.full((200, 200), 0.9), grid=(100, 100))
    assert draw(figure, width=40)[-1].strip() == "too narrow to draw 100 × 100 tiles apart"


def test_highlight_frames_its_tile(cells, draw):
    figure = Picture(np.zeros((40, 40)), grid=(4, 4), numbers=False, highlight=6)
    shown = [row[3:] for row in pixels_of(cells(figure))]
    orange = (0xE6, 0x9F, 0x00)
    framed = {(y, x) for y, row in enumerate(shown) for x, p in enumerate(row) if p == orange}
    tile = next(x for x in range(1, 40) if shown[1][x] is None) - 1
    start, end = tile + 1, 2 * (tile + 1)
    expected = {
        (y, x)
        for y in range(start, end + 1)
        for x in range(start, end + 1)
        if y in (start, end) or x in (start, end)
    }
    assert framed == expected
    plain = draw(figure, plain=True)
    assert sum(line.count("[") for line in plain) == sum(line.count("]") for line in plain) > 0


@pytest.mark.parametrize("ground", ["dark", "light"])
def test_shades_are_ink_on_paper(draw, ground):
    lines = draw(Picture(np.repeat([[0.0, 1.0]], 2, axis=0), max_width=2), ground=ground)
    assert lines[0][:2] == (" █" if ground == "dark" else "█ ")


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros(5), "pixels, not"),
        (np.zeros((3, 8, 8)), "pixels, not"),
        (np.zeros((2, 2, 4)), "pixels, not"),
        (np.full((2, 2), 2.0), "0..1"),
        (np.full((2, 2), -0.5), "0..1"),
        (np.full((2, 2), np.nan), "0..1"),
        (np.full((2, 2), np.inf), "0..1"),
        (np.full((2, 2), 256), "0..255"),
        (np.full((2, 2), "a"), "numbers"),
        (np.full((2, 2), 1j), "numbers"),
    ],
)
def test_what_is_no_picture_is_refused(pixels, message):
    with pytest.raises(ValueError, match=message):
        Picture(pixels)


def test_wrong_grids_are_refused():
    for grid in ((0, 1), (1, -1), (3, 1)):
        with pytest.raises(ValueError, match="grid: cannot cut 2 × 2"):
            Picture(FOUR, grid=grid)
    for highlight in (0, 5):
        with pytest.raises(ValueError, match="no tile"):
            Picture(FOUR, grid=(2, 2), highlight=highlight)


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0), (0, 4, 3)])
def test_nothing_is_said_to_be_nothing(draw, shape):
    assert draw(Picture(np.zeros(shape)))[0].strip() == "(no pixels to draw)"
