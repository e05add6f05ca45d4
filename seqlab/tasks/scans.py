"""A picture of a digit as a scan of the data set: 8 × 8 pixels, as its makers normalised theirs.

They cut a digit out, took its slant away, stretched it to 32 × 20 pixels, brought its ink to
about the same amount by thinning or thickening the strokes, set it into the middle of 32 × 32
pixels, and counted the black ones in squares of 4 × 4 (Garris et al. 1994; Alpaydin & Kaynak 1998).
The same is done here, after the paper has been told from the ink: whichever is the lighter, and
however the light falls on it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqlab.tasks.digits import SIDE

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

INK = 0.305  # the mean of the data set; of single digits 0.25 to 0.39
_ROWS, _COLUMNS, _CANVAS = 32, 20, 32  # a digit, and the square that it is set into
_FINE = 64  # rows of a digit while its strokes are thinned or thickened
_ENOUGH = 256  # pixels on the longer side that are looked at
_RING = 0.12  # width of the frame that is taken for paper, by the side
_FAINTEST = 0.06  # difference of ink from paper, by that of black from white
_CLEAR = 4.0  # the same, by the noise of the paper
_QUARTILE = 0.3186  # below which a quarter of normal numbers of deviation 1 lie, by their size
_FEWEST = 8  # pixels of ink
_SPECK = 0.08  # ink with less than this share of the main stroke's is dirt
_LARGE = 0.25  # a piece with more than this share of the largest one's ink is large
_WIDEST = 1.3  # a narrow digit is stretched by at most this


class Scan(NamedTuple):
    """What became of a picture, and how."""

    image: NDArray[np.float32]  # (1, 8, 8), from 0, paper, to 1, ink, in sixteenths
    box: tuple[int, int, int, int]  # the digit in the picture, in pixels: top, left, bottom, right
    light: bool  # the ink was lighter than the paper
    beside: int  # large pieces side by side: a digit has one, seldom two
    left_out: int  # large pieces that touch the edge


def from_picture(grey: NDArray[np.float64]) -> Scan | None:
    """The digit in a grey picture (rows, columns), from 0, black, to 1, white; None without one."""
    small = _reduced(grey)
    darker = _paper(small) - small
    light = bool((darker**3).sum() < 0)  # ink is rare and strong: it makes the tail of the two
    darker = -darker if light else darker
    found = _strokes(darker)
    if found is None:
        return None
    mask, left_out = found
    digit = _cut(mask)
    top, left = np.argwhere(mask).min(0)
    bottom, right = np.argwhere(mask).max(0) + 1
    by = grey.shape[0] / small.shape[0], grey.shape[1] / small.shape[1]
    box = (round(top * by[0]), round(left * by[1]), round(bottom * by[0]), round(right * by[1]))
    return Scan(_counted(_normalised(digit)), box, light, _beside(mask), left_out)


# Paper and ink


def _reduced(grey: Floats) -> Floats:
    """The picture with its longer side at most _ENOUGH pixels long, each a mean."""
    scale = max(grey.shape) / _ENOUGH
    if scale <= 1:
        return grey
    rows, columns = (max(1, round(n / scale)) for n in grey.shape)
    return _resized(grey, rows, columns, Image.Resampling.BOX)


def _resized(values: Floats, rows: int, columns: int, how: Image.Resampling) -> Floats:
    picture = Image.fromarray(np.asarray(values, np.float32))
    return np.asarray(picture.resize((columns, rows), how), np.float64)


def _paper(grey: Floats) -> Floats:
    """How light the paper is at every pixel: a plane through the frame of the picture.

    It is that of the least sum of absolute differences, which strokes that cross the frame do not
    tilt; found by least squares, weighted anew twenty times.
    """
    y, x = (np.linspace(-1, 1, n) for n in grey.shape)
    y, x = np.broadcast_to(y[:, None], grey.shape), np.broadcast_to(x, grey.shape)
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    frame = np.maximum(abs(x), abs(y)) > 1 - 2 * _RING
    A, b = terms[frame], grey[frame]
    weights = np.ones_like(b)
    for _round in range(20):
        found = np.linalg.lstsq(A * weights[:, None], b * weights, rcond=None)[0]
        weights = 1 / np.sqrt(abs(A @ found - b) + 1e-3)
    return np.asarray(terms @ found)


def _strokes(darker: Floats) -> tuple[Mask, int] | None:
    """Where the digit is, and how many large pieces at the edge were left out.

    None where nothing stands out from the paper; `darker` tells by how much a pixel is darker than
    paper.
    """
    threshold = _otsu(np.maximum(darker, 0))
    mask = darker > threshold
    if not mask.any() or mask.all():
        return None
    paper = darker[~mask] - np.median(darker[~mask])
    contrast = darker[mask].mean() - np.median(darker[~mask])
    noise = np.quantile(abs(paper), 0.25) / _QUARTILE  # not the median: small pictures are blurred
    if contrast < max(_FAINTEST, _CLEAR * noise):
        return None
    labels = _labelled(mask)
    pieces, sizes = np.unique(labels[mask], return_counts=True)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inside = ~np.isin(pieces, edge)  # what touches the edge may be the table or a shadow
    largest, left_out = sizes.max(), 0
    if (sizes[inside] > largest / 5).any():
        largest = sizes[inside].max()
        left_out = int((sizes[~inside] > _LARGE * largest).sum())
        pieces, sizes = pieces[inside], sizes[inside]
    digit = np.isin(labels, pieces[sizes > _SPECK * largest])
    return (digit, left_out) if np.count_nonzero(digit) >= _FEWEST else None


def _beside(mask: Mask) -> int:
    """Large pieces that share no column with one to their left."""
    labels = _labelled(mask)
    pieces, sizes = np.unique(labels[mask], return_counts=True)
    large = pieces[sizes > _LARGE * sizes.max()]
    spans = sorted((x.min(), x.max()) for x in (np.nonzero(labels == k)[1] for k in large))
    found, end = 0, -1
    for left, right in spans:
        found += left > end
        end = max(end, right)
    return found


def _otsu(values: Floats) -> float:
    """The threshold between two classes of the largest variance between them (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
        between = np.nan_to_num(below * above * apart**2)
    best = np.flatnonzero(between == between.max())  # none in between: the middle of the gap
    return float(edges[1:-1][best].mean())


def _labelled(mask: Mask) -> NDArray[np.int64]:
    """A number for each piece of the mask, pixels that share a side or a corner; 0 elsewhere.

    Every pixel takes the smallest number around it, and then that of the pixel with that number,
    until nothing changes.
    """
    rows, columns = mask.shape
    none = rows * columns + 1
    labels = np.where(mask, np.arange(1, none).reshape(mask.shape), none)
    while True:
        padded = np.pad(labels, 1, constant_values=none)
        around = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
        smallest = np.where(mask, np.minimum.reduce(around), none)
        smallest = np.append(smallest, none)[smallest - 1]  # one further, and none stays none
        if (smallest == labels).all():
            return np.where(mask, labels, 0)
        labels = smallest


# The form of the scans


def _cut(mask: Mask) -> Mask:
    """The mask without what is empty around it."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _normalised(digit: Mask) -> Mask:
    """Upright, stretched, with the amount of ink nearest to the usual one: (32, 32)."""
    rows, columns = digit.shape
    wide = min(4 * _FINE, max(1, round(columns * _FINE / rows)))
    fine = _upright(_cut(_scaled(digit, _FINE, wide)))
    fine = np.pad(fine, _FINE)  # room to grow
    best = _stretched(fine)
    step = _thinned if best.mean() > INK else _thickened
    for _pixel in range(_FINE):
        fine = step(fine)
        if not fine.any():
            break
        other = _stretched(fine)
        if abs(other.mean() - INK) >= abs(best.mean() - INK):
            break
        best = other
    return best


def _upright(digit: Mask) -> Mask:
    """Rows moved to the left or right until the leftmost ink at the top is above that at the foot.

    So the makers did, and so their 6 leans to one side and their 7 to the other.
    """
    rows, columns = digit.shape
    end = max(1, rows // 8)
    top, foot = (np.flatnonzero(part.any(0))[0] for part in (digit[:end], digit[-end:]))
    slope = (foot - top) / max(1, rows - end)
    moved = np.zeros((rows, columns + 2 * rows), bool)
    for i, row in enumerate(digit):
        left = rows - round(np.clip(slope * (i - rows / 2), -rows, rows))
        moved[i, left : left + columns] = row
    return _cut(moved)


def _stretched(digit: Mask) -> Mask:
    """Stretched to 32 rows and at most 20 columns, in the middle of 32 × 32."""
    digit = _cut(digit)
    rows, columns = digit.shape
    wide = min(_COLUMNS, max(1, round(_WIDEST * columns * _ROWS / rows)))
    bitmap = np.zeros((_CANVAS, _CANVAS), bool)
    left = (_CANVAS - wide) // 2
    bitmap[:, left : left + wide] = _scaled(digit, _ROWS, wide)
    return bitmap


def _scaled(mask: Mask, rows: int, columns: int) -> Mask:
    """The mask in another size: black where at least half of it was; never without any black."""
    shares = _resized(mask.astype(float), rows, columns, Image.Resampling.BOX)
    return np.asarray(shares >= min(0.5, shares.max()))


def _thickened(mask: Mask) -> Mask:
    """Every pixel that shares a side with one of the mask, too."""
    out = mask.copy()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def _thinned(mask: Mask) -> Mask:
    """Without the pixels that share a side with one outside of the mask."""
    return ~_thickened(~mask)


def _counted(bitmap: Mask) -> NDArray[np.float32]:
    """The share of ink in squares of 4 × 4: (32, 32) -> (1, 8, 8)."""
    side = _CANVAS // SIDE
    counts = bitmap.reshape(SIDE, side, SIDE, side).sum((1, 3))
    return np.asarray(counts[None] / side**2, np.float32)
