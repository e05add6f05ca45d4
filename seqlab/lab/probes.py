"""What a network that reads digits looks at, and how its positions lie: the probes of `classify`.

All of it is computed in NumPy, from the parameters and the test digits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.book import positions, vit
from seqlab.book.ops import Array, softmax
from seqlab.classifiers import Classifier
from seqlab.tasks import digits
from seqlab.tasks.digits import Digits

Floats = NDArray[np.float64]

_COVER = 2  # pixels a side of the squares that are painted over
_INKED = 0.5  # a patch bears ink where a pixel of it is at least half black
_SURE = 0.99  # of the test digits read with so high a probability, the share that is right
_SHUFFLES = 999  # of the patches' places


@dataclass(frozen=True)
class Attention:
    """To what a ViT attends, over all test digits; one number a layer, the lowest first.

    `asking` is whose attention it is: the class token's, or that of all patches, on average, where
    there is none. `on_ink` is the share of the attention to patches that goes to patches with ink,
    NaN (JSON: null) where the class token keeps all; `even` the share of patches that bear ink:
    what even attention would give; `itself` the share that the class token keeps for itself, null
    without one.
    """

    asking: Literal["class token", "patches"]
    on_ink: list[float]
    even: float
    itself: list[float] | None


@dataclass(frozen=True)
class Similarity:
    """Cosine of each patch's position embedding with each other's, (patches, patches).

    And its mean over pairs of patches that share a side, and over all other pairs. `before` is null
    for a network that was loaded. `gaps` is by how much neighbours are more alike than others, in
    every network; `by_chance` the gap that 95 in 100 stay below with the patches' places shuffled.
    """

    before: Floats | None
    after: Floats
    near: float
    far: float
    gaps: list[float]
    by_chance: list[float]


@dataclass(frozen=True)
class Mistake:
    """A test digit that is read wrongly: what it is, what it is read as, how probable that was."""

    label: int
    read: int
    probability: float
    pixels: Floats


@dataclass(frozen=True)
class Example:
    """A test digit, and what its reading rests on.

    `attention`, (layers, heads, patches), is that of the class token, or without one the mean of
    all patches; null for networks without. `covered`, (4, 4), is by how much the probability of
    what it is read as falls when a square of 2 × 2 pixels is painted over with paper.
    """

    label: int
    read: int
    probability: float
    pixels: Floats
    attention: Floats | None
    covered: Floats


@dataclass(frozen=True)
class Sureness:
    """From which probability on a reading counts as sure, and what that is worth.

    `level` is chosen on one half of the test digits, so that 99 % of those read with as much are
    right; of the `n` digits of the other half that are read with as much, `right` is the share
    that is: NaN (JSON: null) without any.
    """

    level: float
    n: int
    right: float


def scores(network: Classifier, p: Any, x: Array) -> Floats:
    """The scores (b, 10) of pictures (b, 1, 8, 8), NaN and infinities among them if they must."""
    with np.errstate(all="ignore"):
        return np.asarray(network.scores(p, x), np.float64)


def surprise(scores: Floats) -> Floats:
    """-log softmax, in nats; (b, k) -> (b, k)."""
    scores = scores - scores.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(scores).sum(1, keepdims=True)) - scores, np.float64)


# Attention


def _weights(network: Classifier, p: Any, x: Array) -> list[Array]:
    """The attention of a ViT, layer by layer: (b, h, t, s), the class token first."""
    config = network.config
    patches = vit.patchify(x, config.p)
    return vit.read(p.vit, patches, config.style, config.positions).weights


def received(weights: Array, class_token: bool) -> Floats:
    """Shares of the attention that patches get: weights (b, h, t, s) -> (b, h, n), of sum 1.

    That of the class token, which keeps some for itself, NaN where it keeps all; or the mean of all
    patches.
    """
    got = np.asarray(weights[..., 0, 1:] if class_token else weights.mean(-2), np.float64)
    total = got.sum(-1, keepdims=True)
    return np.asarray(got / np.where(total > 0, total, np.nan))


def inked(x: Array, p: int) -> NDArray[np.bool_]:
    """Whether a patch bears ink, a pixel at least half black: (b, 1, 8, 8) -> (b, n)."""
    return np.asarray(vit.patchify(x, p).max(-1) >= _INKED)


def attention(network: Classifier, p: Any, tests: Digits) -> Attention | None:
    """To what a ViT attends in the test digits; None for other networks."""
    config = network.config
    if not isinstance(config, vit.Config):
        return None
    ink, cls = inked(tests.images, config.p), config.class_token
    layers = _weights(network, p, tests.images)
    on_ink = []
    for layer in layers:
        shares = (received(layer, cls) * ink[:, None]).sum(-1)  # (b, h)
        known = shares[np.isfinite(shares)]
        on_ink.append(float(known.mean()) if known.size else math.nan)
    itself = [float(layer[:, :, 0, 0].mean()) for layer in layers] if cls else None
    return Attention("class token" if cls else "patches", on_ink, float(ink.mean()), itself)


def maps(network: Classifier, p: Any, x: Array) -> list[Floats | None]:
    """Attention (layers, heads, n) for each picture; None for networks that have none."""
    config = network.config
    if not isinstance(config, vit.Config):
        return [None] * len(x)
    layers = [received(layer, config.class_token) for layer in _weights(network, p, x)]
    return list(np.stack(layers, axis=1))


# What painting over costs


def covered(network: Classifier, p: Any, x: Array, which: Sequence[int]) -> Floats:
    """What painting over each square of 2 × 2 pixels costs: (b, 1, 8, 8) -> (b, 4, 4).

    The fall of the probability of class `which` of each picture; of all networks alike.
    """
    side, rows = digits.SIDE // _COVER, np.arange(len(x))
    before = softmax(scores(network, p, x))[rows, which]
    lost = np.zeros((len(x), side, side))
    for i in range(side):
        for j in range(side):
            painted = x.copy()
            painted[:, :, _COVER * i : _COVER * (i + 1), _COVER * j : _COVER * (j + 1)] = 0
            lost[:, i, j] = before - softmax(scores(network, p, painted))[rows, which]
    return lost


def examples(network: Classifier, p: Any, tests: Digits, probabilities: Floats) -> list[Example]:
    """The first test digit of every class that there is."""
    labels, chosen = np.unique(tests.labels, return_index=True)
    x, read = tests.images[chosen], probabilities[chosen].argmax(1)
    seen, costs = maps(network, p, x), covered(network, p, x, read)
    return [
        Example(
            int(label), int(of), float(probabilities[i, of]), pixels(tests, i), seen[k], costs[k]
        )
        for k, (label, i, of) in enumerate(zip(labels, chosen, read, strict=True))
    ]


def pixels(tests: Digits, i: int) -> Floats:
    """A test digit, (8, 8)."""
    return np.asarray(tests.images[i, 0], np.float64)


# Positions


def cosines(E: Array) -> Floats:
    """Cosine of every row with every other: (n, d) -> (n, n)."""
    rows = np.asarray(E, np.float64)
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit @ unit.T)


def near_and_far(matrix: Floats) -> tuple[float, float]:
    """The mean of an (n, n) matrix over pairs of patches that share a side, and over all others."""
    apart = _apart(len(matrix))
    return float(matrix[apart == 1].mean()), float(matrix[apart > 1].mean())


def _apart(n: int) -> NDArray[np.int64]:
    """Steps from each of n patches to each other, up, down, left and right: (n, n)."""
    y, x = np.divmod(np.arange(n), math.isqrt(n))
    return np.asarray(abs(y[:, None] - y) + abs(x[:, None] - x))


def gap_by_chance(matrix: Floats) -> float:
    """The 95th percentile of near minus far, with the patches' places shuffled many times."""
    n, rng = len(matrix), np.random.default_rng(0)
    i, j = np.nonzero(np.triu(_apart(n) == 1))
    total, pairs = np.triu(matrix, 1).sum(), n * (n - 1) // 2
    places = rng.permuted(np.tile(np.arange(n), (_SHUFFLES, 1)), axis=1)
    near = matrix[places[:, i], places[:, j]].sum(1)
    gaps = near / len(i) - (total - near) / (pairs - len(i))
    return float(np.quantile(gaps, 0.95, method="higher"))


def _embedding(network: Classifier, p: Any) -> Array | None:
    """What tells the patches' positions, (n, d), the class token's apart; None if nothing does."""
    config = network.config
    if not isinstance(config, vit.Config) or config.positions == "none":
        return None
    first = int(config.class_token)
    if config.positions == "sinusoidal":
        return positions.sinusoidal(config.n + first, config.d)[first:]
    return p.vit.embedding.pos[first:]


def similarity(
    network: Classifier, trained: Sequence[Any], before: Any | None
) -> Similarity | None:
    """How alike the embeddings of the positions are, the first network's and the gap in all.

    `before` are the parameters of the first before its training.
    """
    found = [E for E in (_embedding(network, p) for p in trained) if E is not None]
    if not found:
        return None
    matrices = [cosines(E) for E in found]
    both = [near_and_far(matrix) for matrix in matrices]
    return Similarity(
        None if before is None else cosines(_embedding(network, before)),
        matrices[0],
        *both[0],
        [near - far for near, far in both],
        [gap_by_chance(matrix) for matrix in matrices],
    )


# How far a reading is to be trusted


def sureness(probabilities: Floats, right: NDArray[np.bool_]) -> Sureness:
    """From which probability on readings are sure, (b,): chosen on every other digit."""
    level = sure_from(probabilities[::2], right[::2])
    sure = probabilities[1::2] >= level
    n = int(sure.sum())
    return Sureness(level, n, float(right[1::2][sure].mean()) if n else math.nan)


def sure_from(probabilities: Floats, right: NDArray[np.bool_]) -> float:
    """The least probability p such that 99 % of those with p or more are right; 1 if none is."""
    order = np.argsort(-probabilities, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share >= _SURE)
    return float(probabilities[order][good[-1]]) if good.size else 1.0


def distances(x: Array, known: Array) -> Floats:
    """From each picture to the nearest of those known: (b, ...), (k, ...) -> (b,)."""
    a, b = (np.asarray(each, np.float64).reshape(len(each), -1) for each in (x, known))
    squares = (a * a).sum(1)[:, None] - 2 * a @ b.T + (b * b).sum(1)
    return np.asarray(np.sqrt(np.maximum(squares.min(1), 0.0)))
