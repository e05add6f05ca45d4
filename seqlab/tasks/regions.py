"""Pictures of regions, one of them marked: what does the marked one hold?

A region is a vector: that of its content, plus, in one region of the picture, that of the mark,
plus noise. Who does not find the mark can only guess.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Features = NDArray[np.float32]

_SIZE = 2.0  # of the vectors of contents and mark; the noise's deviation is measured against it


def axes(rng: np.random.Generator, m: int, d: int) -> Features:
    """Orthonormal axes of m worlds, (m, d, d), turned at random: one row an axis.

    Orthogonal, so that no content resembles the mark: finding it is then a matter of looking only.
    """
    # The signs that QR leaves to convention are drawn, so that every rotation is as likely.
    q, r = np.linalg.qr(rng.normal(size=(m, d, d)))
    signs = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
    return np.asarray(q * signs[:, None, :], np.float32)


def marked(
    rng: np.random.Generator, axes: Features, b: int, n: int, contents: int, noise: float
) -> tuple[Features, Numbers, Numbers]:
    """Pictures of n regions, b for each of m worlds with axes (m, d, d).

    The first `contents` axes stand for the contents, the next for the mark, the others for nothing.
    Returns regions (m, b, n, d), what the marked one holds (m, b), and which it is (m, b). Every
    region's content is drawn by itself: the others say nothing about the marked one.
    """
    m, d, _d = axes.shape
    if not 1 <= contents < d or n < 1:
        raise ValueError(f"no room for {contents} contents and a mark: {d} axes, {n} regions")
    content = rng.integers(contents, size=(m, b, n))
    place = rng.integers(n, size=(m, b))
    x = noise * rng.standard_normal((m, b, n, d), dtype=np.float32)
    x += _SIZE * axes[np.arange(m)[:, None, None], content]
    x[np.arange(m)[:, None], np.arange(b), place] += _SIZE * axes[:, None, contents]
    answer = np.take_along_axis(content, place[..., None], axis=-1)[..., 0]
    return x, answer, place


def chance(contents: int) -> float:
    """How often a guess is right that looks at no region."""
    return 1 / contents


def random_look(n: int, contents: int) -> float:
    """How often the content of a region chosen at random is the right answer."""
    return 1 / n + (1 - 1 / n) / contents
