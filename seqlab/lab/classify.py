"""How does a Vision Transformer learn to read digits? Watch one do it, and let it read yours.

A small network learns 1,400 handwritten digits of 8 × 8 pixels. While it does one sees how many
unseen digits it reads rightly, where its class token looks, and how the embeddings of the patches'
positions arrange themselves, which nobody told where they are (Dosovitskiy et al. 2020, figure 7).

With --image it reads a picture of your own: a photo of pen on paper will do. What it has learned
can be saved and loaded; and a CNN, a Mixer, an MLP or a Swin Transformer can learn in its place.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import classifiers, saved, trees
from seqlab.book import positions, vit
from seqlab.book.ops import Array, softmax
from seqlab.classifiers import Classifier
from seqlab.figures import palette
from seqlab.figures.bars import Bars
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import count, number, percent, shorten
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.picture import Picture
from seqlab.figures.prose import Note, Title
from seqlab.lab import (
    BadInput,
    Check,
    Device,
    Question,
    Quick,
    Seed,
    Series,
    Stopped,
    Trained,
    Watch,
    require,
    series,
)
from seqlab.locale import N_, _, ngettext
from seqlab.saved import Kind, Origin
from seqlab.tasks import digits
from seqlab.tasks.digits import Digits

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Model = classifiers.Name

_MEASUREMENTS = 25  # of a training, besides the one before it
_MOST_SEEN = 4_000_000  # digits in all batches: some ten minutes
_MOST_PICTURES = 16
_COVER = 2  # pixels a side of the squares that are painted over
_INKED = 0.5  # a patch bears ink where a pixel of it is at least half black
_ALIKE = 0.05  # cosines of neighbours and others further apart than before by this have moved
_EVEN = 0.02  # shares of attention closer than this are called even
_SURE = 0.99  # of the test digits read with so high a probability, the share that is right
_WORST = 8  # mistakes that are kept as pictures
_KEPT = 160  # pixels of the longer side of a picture of the user's that are kept for the screen


# What is measured


@dataclass(frozen=True)
class Attention:
    """To what a ViT attends, over all test digits; one number a layer, the lowest first.

    `asking` is whose attention it is: the class token's, or that of all patches, on average, where
    there is none. `on_ink` is the share of the attention to patches that goes to patches with ink,
    `even` the share of patches that bear ink: what even attention would give; `itself` the share
    that the class token keeps for itself, null without one.
    """

    asking: Literal["class token", "patches"]
    on_ink: list[float]
    even: float
    itself: list[float] | None


@dataclass(frozen=True)
class Similarity:
    """Cosine of each patch's position embedding with each other's, (patches, patches).

    And its mean over pairs of patches that share a side, and over all other pairs. `before` is null
    for a network that was loaded.
    """

    before: Floats | None
    after: Floats
    near_before: float
    far_before: float
    near: float
    far: float


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
class Reading:
    """A picture of the user's: size in pixels, what the network saw of it, and what it says.

    `box` is where the digit was found: top, left, bottom, right, in pixels; `light` whether it was
    lighter than its ground. `sure` is whether it was read with a probability at which test digits
    are read rightly. `distance` is that to the nearest digit learned from, the root of the summed
    squares of ink, and `stranger_than` the share of test digits that are nearer to one.
    """

    path: str
    width: int
    height: int
    notes: list[str]
    box: list[int]
    light: bool
    seen: Floats
    probabilities: list[float]
    digit: int | None
    sure: bool
    distance: float
    stranger_than: float
    attention: Floats | None
    covered: Floats
    pixels: Bytes = field(metadata={"json": False})


@dataclass(frozen=True)
class Classify(Trained):
    """What a network has learned of digits.

    `accuracy`, `loss` and all that follows are those of the first network on 397 digits that it was
    not trained on; `accuracies` has one for each seed. `loss` is in nats. `confusion` counts the
    test digits by what they are, down, and what they are read as, across. `sure_from` is the
    probability from which 99 % of them are read rightly. NaN (JSON: null) where training diverged.
    """

    image: list[Reading]
    model: Model
    pool: saved.Pool
    positions: vit.Positions | None
    patch: int | None
    images: int
    seeds: int
    train_steps: int
    batch: int | None
    lr: float | None
    save: str | None
    load: str | None
    quick: bool
    device: str
    seed: int
    parameters: int
    chance: float
    tests: int
    step: list[int]
    accuracy: float
    accuracies: list[float]
    loss: float
    confusion: NDArray[np.int64]
    wrong: int
    mistakes: list[Mistake]
    examples: list[Example]
    attention: Attention | None
    similarity: Similarity | None
    sure_from: float
    series: list[Series]

    @property
    def kind(self) -> Kind:
        """Which network it is."""
        return Kind(self.model, self.pool, self.positions, self.patch)


def run(
    *,
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help=N_("A picture of a digit to read; repeat it.")),
    ] = None,
    model: Annotated[
        Literal["vit", "cnn", "mixer", "mlp", "swin"] | None,
        typer.Option(help=N_("What learns; by default a ViT.")),
    ] = None,
    pool: Annotated[
        Literal["cls", "mean", "flat"] | None,
        typer.Option(
            help=N_(
                "What is classified: the class token, the mean over all places, or all of them."
            )
        ),
    ] = None,
    positions: Annotated[
        Literal["learned", "sinusoidal", "none"] | None,
        typer.Option(help=N_("Position embedding of a ViT; by default learned.")),
    ] = None,
    patch: Annotated[
        int | None,
        typer.Option(min=1, max=4, help=N_("Pixels a side of a patch: 1, 2 or 4; by default 2.")),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(min=1, max=digits.MOST, help=N_("Digits to train on; by default all 1400.")),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=16, help=N_("Networks trained; by default 1, which is shown.")),
    ] = None,
    train_steps: Annotated[
        int | None, typer.Option(min=1, max=5000, help=N_("Steps of training; by default 600."))
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=256, help=N_("Digits in a step; by default 64."))
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help=N_("Learning rate of AdamW; by default 0.005."))
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(metavar="FILE", help=N_("Write what was learned to FILE.safetensors.")),
    ] = None,
    load: Annotated[
        str | None,
        typer.Option(metavar="FILE", help=N_("Take a network that --save wrote; train nothing.")),
    ] = None,
    quick: Quick = False,
    device: Device = "auto",
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Classify:
    """Train a network on handwritten digits, or load one, and let it read pictures.

    Raises:
        BadInput: an option out of range or of another network, no readable picture or nothing in
            it, a file that cannot be loaded or written, no such device, a training of hours.
        OSError: what was learned could not be written.
    """
    o = _Options(
        tuple(image or ()), model, pool, positions, patch, images, seeds, train_steps, batch, lr,
        save, load, quick, seed,
    ).checked()  # fmt: skip
    pictures = [_scanned(path) for path in o.image]
    if o.load is not None:
        return _loaded(o, device, pictures)
    return _train(o, device, pictures, watch or (lambda done, doing, view=None: None))


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart."""

    image: tuple[str, ...] = ()
    model: Model | None = None
    pool: saved.Pool | None = None
    positions: vit.Positions | None = None
    patch: int | None = None
    images: int | None = None
    seeds: int | None = None
    train_steps: int | None = None
    batch: int | None = None
    lr: float | None = None
    save: str | None = None
    load: str | None = None
    quick: bool = False
    seed: int = 0

    def checked(self) -> "_Options":
        """These options, those left out filled in; or BadInput. With --load they stay as given."""
        require(self.seed, "seed", 0)
        if len(self.image) > _MOST_PICTURES:
            raise BadInput(
                f"--image × {len(self.image)}", _("at most {most}").format(most=_MOST_PICTURES)
            )
        if self.load is not None:
            self._nothing_to_train()
            return self
        defaults: dict[str, Any] = {
            "images": digits.MOST, "seeds": 1, "train_steps": 150 if self.quick else 600,
            "batch": 64, "lr": 5e-3, **asdict(_kind(self.model or "vit")),
        }  # fmt: skip
        given = {name for name, value in vars(self).items() if value is not None}
        o = replace(self, **{name: v for name, v in defaults.items() if name not in given})
        highest = {"images": digits.MOST, "seeds": 16, "train_steps": 5000, "batch": 256}
        for name, high in highest.items():
            require(getattr(o, name), name, 1, high)
        assert o.lr is not None and o.train_steps and o.batch and o.seeds
        require(o.lr, "lr", 0.0, 1.0)
        o._fitting()
        seen = o.train_steps * o.batch * o.seeds
        most = _MOST_SEEN // (8 if self.patch == 1 else 4 if o.model == "swin" else 1)
        if seen > most:
            raise BadInput(
                _("a training with {n} digits in its steps").format(n=count(seen)),
                _("at most {most}").format(most=count(most)),
                _("fewer --train-steps or a smaller --batch"),
            )
        if o.save is not None:
            saved.require_writable(o.save)
        return o

    def _nothing_to_train(self) -> None:
        """Refuse what belongs to a training."""
        for name in ("images", "seeds", "train_steps", "batch", "lr", "save"):
            value = getattr(self, name)
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                raise BadInput(
                    f"--load {option}", _("only one of them: what is loaded is not trained"), option
                )
        if self.quick:
            raise BadInput(
                "--load --quick", _("only one of them: what is loaded is not trained"), "--load"
            )

    def _fitting(self) -> None:
        """Refuse what a network of this kind does not have."""
        assert self.model is not None
        usual, name = _kind(self.model), classifiers.NAMES[self.model]
        if self.pool not in saved.POOLS[self.model]:
            raise BadInput(
                f"--model {self.model} --pool {self.pool}",
                _("what a {model} has: {pools}").format(
                    model=name, pools=_(" or ").join(saved.POOLS[self.model])
                ),
                f"--model {self.model}",
            )
        for option in ("positions", "patch"):
            value = getattr(self, option)
            if value is not None and getattr(usual, option) is None:
                raise BadInput(
                    f"--model {self.model} --{option} {value}",
                    _("a network that has them: {models}").format(
                        models="vit" if option == "positions" else _(" or ").join(["vit", "mixer"])
                    ),
                    f"--model {self.model}",
                )
        choices = ("learned", "sinusoidal", "none")
        if usual.positions is not None and self.positions not in choices:
            raise BadInput(f"--positions {self.positions}", _(" or ").join(choices))
        if self.patch is not None:
            require(self.patch, "patch", 1, 4)
        if usual.patch is not None and self.patch not in saved.PATCHES:
            raise BadInput(
                f"--patch {self.patch}", _(" or ").join(map(str, saved.PATCHES)), "--patch 2"
            )

    @property
    def kind(self) -> Kind:
        """The network, which is known by now."""
        assert self.model is not None and self.pool is not None
        return Kind(self.model, self.pool, self.positions, self.patch)

    def rng(self, stream: int, which: int) -> np.random.Generator:
        """One of the streams of random numbers of a network; 1 draws the digits."""
        return np.random.default_rng([self.seed, stream, which])


def _kind(model: str) -> Kind:
    """A kind of network as it is by default."""
    if model not in saved.POOLS:
        raise BadInput(f"--model {model}", ", ".join(saved.POOLS), "--model vit")
    name: Any = model
    patch = 2 if model in ("vit", "mixer") else None
    return Kind(name, saved.POOLS[model][0], "learned" if model == "vit" else None, patch)


# Pictures of the user's


class _Scanned(NamedTuple):
    """A picture, its pixels made few, and what there is of a digit in it."""

    path: str
    width: int
    height: int
    notes: list[str]
    pixels: Bytes  # (rows, columns, 3)
    seen: NDArray[np.float32]  # (1, 8, 8)
    box: list[int]  # in pixels of the original
    light: bool


def _scanned(path: str) -> _Scanned:
    """Read a picture and find the digit in it; BadInput where there is none."""
    from seqlab import images  # Pillow, for which a training need not wait
    from seqlab.tasks import scans

    photo = images.read(path, _KEPT)
    scan = scans.from_picture(photo.pixels @ (0.299, 0.587, 0.114) / 255)
    if scan is None:
        raise BadInput(
            _("{file}: nothing stands out from its ground").format(file=shorten(path, 120)),
            _("one digit, darker or lighter than what it is written on"),
            _("more light, a thicker pen, or a closer picture"),
        )
    rows, columns = photo.pixels.shape[:2]
    scale = photo.height / rows, photo.width / columns
    box = [round(edge * scale[i % 2]) for i, edge in enumerate(scan.box)]
    small = images.within((rows, columns), min(_KEPT, rows), min(_KEPT, columns))
    pixels = images.fitted(photo.pixels, *small, "stretch")
    return _Scanned(
        photo.path or path, photo.width, photo.height, photo.notes, pixels, scan.image, box,
        scan.light,
    )  # fmt: skip


# What a network does, in NumPy


def _scores(network: Classifier, p: Any, x: Array) -> Floats:
    """The scores (b, 10) of pictures (b, 1, 8, 8), NaN and infinities among them if they must."""
    with np.errstate(all="ignore"):
        return np.asarray(network.scores(p, x), np.float64)


def _weights(network: Classifier, p: Any, x: Array) -> list[Array]:
    """The attention of a ViT, layer by layer: (b, h, t, s), the class token first."""
    config = network.config
    patches = vit.patchify(x, config.p)
    return vit.read(p.vit, patches, config.style, config.positions).weights


def received(weights: Array, class_token: bool) -> Floats:
    """Shares of the attention that patches get: weights (b, h, t, s) -> (b, h, n), of sum 1.

    That of the class token, which keeps some for itself; or the mean of all patches.
    """
    got = weights[..., 0, 1:] if class_token else weights.mean(-2)
    return np.asarray(got / got.sum(-1, keepdims=True), np.float64)


def inked(x: Array, p: int) -> NDArray[np.bool_]:
    """Whether a patch bears ink, a pixel at least half black: (b, 1, 8, 8) -> (b, n)."""
    return np.asarray(vit.patchify(x, p).max(-1) >= _INKED)


def covered(network: Classifier, p: Any, x: Array, which: Sequence[int]) -> Floats:
    """What painting over each square of 2 × 2 pixels costs: (b, 1, 8, 8) -> (b, 4, 4).

    The fall of the probability of class `which` of each picture; of all networks alike.
    """
    side, rows = digits.SIDE // _COVER, np.arange(len(x))
    before = softmax(_scores(network, p, x))[rows, which]
    lost = np.zeros((len(x), side, side))
    for i in range(side):
        for j in range(side):
            painted = x.copy()
            painted[:, :, _COVER * i : _COVER * (i + 1), _COVER * j : _COVER * (j + 1)] = 0
            lost[:, i, j] = before - softmax(_scores(network, p, painted))[rows, which]
    return lost


def cosines(E: Array) -> Floats:
    """Cosine of every row with every other: (n, d) -> (n, n)."""
    rows = np.asarray(E, np.float64)
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit @ unit.T)


def near_and_far(matrix: Floats) -> tuple[float, float]:
    """The mean of an (n, n) matrix over pairs of patches that share a side, and over all others."""
    y, x = np.divmod(np.arange(len(matrix)), math.isqrt(len(matrix)))
    apart = abs(y[:, None] - y) + abs(x[:, None] - x)
    return float(matrix[apart == 1].mean()), float(matrix[apart > 1].mean())


def _embedding(network: Classifier, p: Any) -> Array | None:
    """What tells the patches' positions, (n, d), the class token's apart; None if nothing does."""
    config = network.config
    if not isinstance(config, vit.Config) or config.positions == "none":
        return None
    first = int(config.class_token)
    if config.positions == "sinusoidal":
        return positions.sinusoidal(config.n + first, config.d)[first:]
    return p.vit.embedding.pos[first:]


def _similarity(network: Classifier, p: Any, first: Any | None) -> Similarity | None:
    """How alike the embeddings of the positions are; `first` are the parameters before training."""
    now = _embedding(network, p)
    if now is None:
        return None
    before = None if first is None else cosines(_embedding(network, first))
    after = cosines(now)
    start = (math.nan, math.nan) if before is None else near_and_far(before)
    return Similarity(before, after, *start, *near_and_far(after))


def _attention(network: Classifier, p: Any, tests: Digits) -> Attention | None:
    """To what a ViT attends in the test digits."""
    config = network.config
    if not isinstance(config, vit.Config):
        return None
    ink, cls = inked(tests.images, config.p), config.class_token
    layers = _weights(network, p, tests.images)
    shares = [received(layer, cls).mean(1) for layer in layers]
    return Attention(
        "class token" if cls else "patches",
        [float((share * ink).sum(-1).mean()) for share in shares],
        float(ink.mean()),
        [float(layer[:, :, 0, 0].mean()) for layer in layers] if cls else None,
    )


def _maps(network: Classifier, p: Any, x: Array) -> list[Floats | None]:
    """Attention (layers, heads, n) for each picture; None for networks that have none."""
    config = network.config
    if not isinstance(config, vit.Config):
        return [None] * len(x)
    layers = [received(layer, config.class_token) for layer in _weights(network, p, x)]
    return list(np.stack(layers, axis=1))


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


def _examined(
    result: Classify,
    p: Any,
    first: Any | None,
    data: tuple[Digits, Digits],
    pictures: Sequence[_Scanned],
) -> Classify:
    """The result with all that is measured of a network after its training, and what it reads."""
    network, (_known, tests) = result.kind.make(), data
    scores = _scores(network, p, tests.images)
    if not np.isfinite(scores).all():
        nothing = [_unread(picture) for picture in pictures]
        return replace(result, accuracy=math.nan, loss=math.nan, image=nothing)
    probabilities, labels = softmax(scores), tests.labels
    read, rows = probabilities.argmax(1), np.arange(len(tests.labels))
    confusion = np.zeros((digits.CLASSES, digits.CLASSES), np.int64)
    np.add.at(confusion, (labels, read), 1)
    level = sure_from(probabilities.max(1), read == labels)
    wrong = np.flatnonzero(read != labels)
    worst = wrong[np.argsort(-probabilities[wrong, read[wrong]], kind="stable")][:_WORST]
    mistakes = [
        Mistake(int(labels[i]), int(read[i]), float(probabilities[i, read[i]]), _pixels(tests, i))
        for i in worst
    ]
    return replace(
        result,
        accuracy=float((read == labels).mean()),
        loss=float(_surprise(scores)[rows, labels].mean()),
        confusion=confusion,
        wrong=len(wrong),
        mistakes=mistakes,
        examples=_examples(network, p, tests, probabilities),
        attention=_attention(network, p, tests),
        similarity=_similarity(network, p, first),
        sure_from=level,
        image=_readings(network, p, data, pictures, level),
    )


def _surprise(scores: Floats) -> Floats:
    """-log softmax, in nats; (b, k) -> (b, k)."""
    scores = scores - scores.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(scores).sum(1, keepdims=True)) - scores, np.float64)


def _pixels(tests: Digits, i: int) -> Floats:
    return np.asarray(tests.images[i, 0], np.float64)


def _examples(network: Classifier, p: Any, tests: Digits, probabilities: Floats) -> list[Example]:
    """The first test digit of every class that there is."""
    chosen = [int(i) for i in np.sort(np.unique(tests.labels, return_index=True)[1])]
    chosen.sort(key=lambda i: int(tests.labels[i]))
    x, read = tests.images[chosen], probabilities[chosen].argmax(1)
    costs = covered(network, p, x, read)
    return [
        Example(
            int(tests.labels[i]),
            int(of),
            float(probabilities[i, of]),
            _pixels(tests, i),
            seen,
            cost,
        )
        for i, of, seen, cost in zip(chosen, read, _maps(network, p, x), costs, strict=True)
    ]


def _readings(
    network: Classifier,
    p: Any,
    data: tuple[Digits, Digits],
    pictures: Sequence[_Scanned],
    level: float,
) -> list[Reading]:
    """What the network says of the user's pictures."""
    if not pictures:
        return []
    known, tests = data
    x = np.stack([picture.seen for picture in pictures])
    probabilities = softmax(_scores(network, p, x))
    best = probabilities.argmax(1)
    usual, strange = distances(tests.images, known.images), distances(x, known.images)
    return [
        replace(
            _unread(picture),
            probabilities=probabilities[i].tolist(),
            digit=int(best[i]),
            sure=bool(probabilities[i, best[i]] >= level),
            distance=float(strange[i]),
            stranger_than=float((usual < strange[i]).mean()),
            attention=seen,
            covered=cost,
        )
        for i, (picture, seen, cost) in enumerate(
            zip(pictures, _maps(network, p, x), covered(network, p, x, best), strict=True)
        )
    ]


def _unread(picture: _Scanned) -> Reading:
    """A picture of which nothing is known but what is seen of it."""
    side = digits.SIDE // _COVER
    return Reading(
        picture.path, picture.width, picture.height, picture.notes, picture.box, picture.light,
        picture.seen[0].astype(np.float64), [math.nan] * digits.CLASSES, None, False, math.nan,
        math.nan, None, np.full((side, side), math.nan), picture.pixels,
    )  # fmt: skip


# Loading and training


def _blank(o: _Options, kind: Kind, device: str) -> Classify:
    """The result before anything is known."""
    return Classify(
        image=[], **asdict(kind), images=o.images or 0, seeds=o.seeds or 1,
        train_steps=o.train_steps or 0, batch=o.batch, lr=o.lr, save=o.save, load=o.load,
        quick=o.quick, device=device, seed=o.seed, parameters=trees.count(kind.make().init()),
        chance=digits.CHANCE, tests=digits.TESTS, step=[], accuracy=math.nan, accuracies=[],
        loss=math.nan, confusion=np.zeros((digits.CLASSES, digits.CLASSES), np.int64), wrong=0,
        mistakes=[], examples=[], attention=None, similarity=None, sure_from=1.0, series=[],
    )  # fmt: skip


def _loaded(o: _Options, device: str, pictures: Sequence[_Scanned]) -> Classify:
    """What a network that was saved can do: no torch, no training."""
    assert o.load is not None
    kind, origin, p = saved.load(o.load)
    for name, value in asdict(kind).items():
        asked = getattr(o, name)
        if asked is not None and asked != value:
            raise BadInput(
                f"--{name} {asked}", _("what {file} has: {value}").format(file=o.load, value=value)
            )
    # the digits that it was not trained on: drawn as they were then
    data = digits.split(np.random.default_rng([origin.seed, 1, 0]), origin.images)
    blank = replace(
        _blank(o, kind, device),
        images=origin.images, train_steps=origin.steps, step=[origin.steps],
    )  # fmt: skip
    result = _examined(blank, p, None, data, pictures)
    return replace(result, accuracies=[result.accuracy])


class _Moment(NamedTuple):
    """A network after `step` steps.

    The mean loss of the batches since the last moment, in nats; the share of test digits that it
    reads rightly; and its parameters.
    """

    step: int
    loss: float
    accuracy: float
    p: Any


def _learn(o: _Options, device: Any, which: int) -> Iterator[_Moment]:
    """Train one network; how it is before, on the way, and at the end."""
    import torch

    from seqlab import train

    assert o.images and o.batch and o.train_steps and o.lr is not None
    seen, tests = digits.split(o.rng(1, which), o.images)
    # torch's convolution is the page's, and faster (tests/book)
    network = o.kind.make(convolve=torch.nn.functional.conv2d)
    page = o.kind.make()
    p = train.trainable(network.init(o.rng(2, which)), device)
    x, labels = (torch.as_tensor(each, device=device) for each in seen)

    def moment(step: int, losses: Sequence[float]) -> _Moment:
        now = train.trained(p)
        scores = _scores(page, now, tests.images)
        right = float((scores.argmax(1) == tests.labels).mean())
        loss = float(np.mean(losses)) if losses else math.nan
        return _Moment(step, loss, right if np.isfinite(scores).all() else math.nan, now)

    every, losses = max(1, round(o.train_steps / _MEASUREMENTS)), []
    yield moment(0, [])
    for step, loss in train.fit_labels(
        p, partial(network.scores, p), x, labels, o.rng(3, which), batch=o.batch,
        steps=o.train_steps, lr=o.lr, weight_decay=0.01, schedule="cosine",
        warmup=max(1, o.train_steps // 10),
    ):  # fmt: skip
        losses.append(loss)
        if (step + 1) % every == 0 or step + 1 == o.train_steps:
            yield moment(step + 1, losses)
            losses = []


def _train(o: _Options, device: str, pictures: Sequence[_Scanned], watch: Watch) -> Classify:
    """Train the networks, each in a process of its own, and put together what they report."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    assert o.seeds and o.train_steps and o.images
    place = train.device(device)
    blank = _blank(o, o.kind, place.type)
    data = digits.split(o.rng(1, 0), o.images)
    moments: dict[int, list[_Moment]] = {}
    everything, stopped = o.train_steps * o.seeds, False
    try:
        for which, moment in train.side_by_side(
            partial(_learn, o, place), range(o.seeds), device=place
        ):
            moments.setdefault(which, []).append(moment)
            done = sum(each[-1].step for each in moments.values())
            doing = _("step {step} of {steps}: {accuracy} right, loss {loss}").format(
                step=done,
                steps=everything,
                accuracy=percent(moment.accuracy),
                loss=number(moment.loss),
            )
            begun = bool(moments.get(0)) and moments[0][-1].step > 0
            now = {k: list(each) for k, each in sorted(moments.items())}
            view = partial(_shown_so_far, blank, now, data, pictures) if begun else None
            watch(done / everything, doing, view)
    except Stopped:
        stopped = True
    moments = {k: each for k, each in sorted(moments.items()) if each[-1].step}
    result = replace(_gathered(blank, moments, data, pictures), stopped=stopped)
    if o.save is not None and math.isfinite(result.accuracy):
        last = moments[0][-1]
        saved.save(o.save, o.kind, Origin(o.seed, o.images, last.step), last.p)
    return result


def _shown_so_far(
    blank: Classify,
    moments: dict[int, list[_Moment]],
    data: tuple[Digits, Digits],
    pictures: Sequence[_Scanned],
) -> RenderableType:
    """The figure of the moment."""
    return show(_gathered(blank, moments, data, pictures))


def _gathered(
    blank: Classify,
    moments: dict[int, list[_Moment]],
    data: tuple[Digits, Digits],
    pictures: Sequence[_Scanned],
) -> Classify:
    """The result with what these networks reported; the first one is looked into."""
    first = moments[0]
    steps = sorted({m.step for each in moments.values() for m in each})
    runs = np.full((2, len(moments), len(steps)), np.nan)
    for i, each in enumerate(moments.values()):
        at = [steps.index(m.step) for m in each]
        runs[:, i, at] = np.array([(m.accuracy, m.loss) for m in each]).T
    result = replace(
        blank,
        step=[each[-1].step for each in moments.values()],
        accuracies=[each[-1].accuracy for each in moments.values()],
        series=[
            series("accuracy", steps, runs[0], chance=digits.CHANCE),
            series("loss", steps, runs[1], chance=math.log(digits.CLASSES)),
        ],
    )
    return _examined(result, first[-1].p, first[0].p, data, pictures)


# The oracle


def check(**options: Any) -> list[Check]:
    """The network in torch's own functions, in float64: scores, and gradients of all parameters.

    Those that were loaded; else those it begins with and noise, so that no bias is 0. The digits
    are ten of the tests. Errors are relative to the largest number of each.
    """
    import torch

    from seqlab import oracles, train

    picked = {name: options[name] for name in _Options.__dataclass_fields__ if name in options}
    picked["image"] = tuple(picked.get("image") or ())
    o = _Options(**picked).checked()
    if o.load is not None:
        kind, origin, p = saved.load(o.load)
        seed = origin.seed
    else:
        kind, seed, rng = o.kind, o.seed, o.rng(4, 0)
        p = trees.convert(
            lambda w: w + rng.normal(0.0, 0.1, w.shape), kind.make().init(o.rng(2, 0))
        )
    tests = digits.split(np.random.default_rng([seed, 1, 0]), 1)[1]
    x = torch.as_tensor(tests.images[:10], dtype=torch.float64)
    labels, network, found = torch.as_tensor(tests.labels[:10]), kind.make(), []
    for scores in (network.scores, partial(oracles.scores, network)):
        q = train.trainable(p, dtype=torch.float64)
        y = scores(q, x)
        torch.nn.functional.cross_entropy(y, labels).backward()  # type: ignore[no-untyped-call]
        gradients: Any = [leaf.grad.flatten() for _name, leaf in trees.leaves(q)]
        found.append((y.detach().numpy(), torch.cat(gradients).numpy()))
    name = classifiers.NAMES[kind.model]
    names = (_("{name} and torch"), _("{name}: gradients and torch"))
    return [
        Check(text.format(name=name), float(np.abs(a - b).max() / np.abs(b).max()), 1e-9)
        for text, a, b in zip(names, *found, strict=True)
    ]


# The screen

_EQUATIONS = {
    "cnn": "x ← max₂ₓ₂ relu(W ∗ x + b)",
    "mlp": "x ← relu(x W + b)",
    "mixer": "U = X + f_token(LN(X)ᵀ)ᵀ   Y = U + f_channel(LN(U))",
    "swin": "softmax(Q Kᵀ / √d + B) V in windows",
}
_FIRST = 5  # examples on the first screen


def show(result: Classify, detail: bool = False) -> RenderableType:
    """The course of the training, what is confused, and what the network looks at."""
    parts: list[RenderableType] = [Title(_asked(result), _equation(result)), Note(_setting(result))]
    for reading in result.image:
        parts += _picture(result, reading)
    if result.series:
        parts.append(_course(result))
    elif result.similarity is not None and (detail or not result.image):
        parts.append(_mosaics(result.similarity))
    if result.examples and (detail or not result.image):
        confusion = Group(Title(_("What is read as what")), _confusion(result))
        parts.append(Beside(confusion, _looks(result, detail), left_width=44))
        parts += _mistakes(result)
    if result.examples and detail:
        parts += _details(result)
    return Group(*parts)


def _asked(result: Classify) -> str:
    name = classifiers.NAMES[result.model]
    if result.image:
        return ngettext(
            "Which digit does the {model} see?", "Which digits does the {model} see?",
            len(result.image),
        ).format(model=name)  # fmt: skip
    if result.load is not None:
        return _("What has this {model} learned of digits?").format(model=name)
    return _("How does a {model} learn to read digits?").format(model=name)


def _equation(result: Classify) -> str:
    """The equation at work; a ViT's is eq. 1, with what it has of it."""
    if result.model != "vit":
        return _EQUATIONS[result.model]
    cls = "x_class; " if result.pool == "cls" else ""
    place = {"learned": " + E_pos", "sinusoidal": " + PE", "none": ""}[str(result.positions)]
    return f"z₀ = [{cls}x₁E; …; xₙE]{place}"


def _setting(result: Classify) -> str:
    """What learned, and from what."""
    text = _("{model} of {parameters} parameters, {images} digits to learn from, {tests} to test")
    parts = [
        text.format(
            model=classifiers.NAMES[result.model],
            parameters=count(result.parameters),
            images=count(result.images),
            tests=result.tests,
        )
    ]
    if result.patch is not None:
        n = (digits.SIDE // result.patch) ** 2
        parts.append(_("{n} patches of {p} × {p}").format(n=n, p=result.patch))
    if result.load is not None:
        parts.append(_("loaded, {n} steps old").format(n=result.train_steps))
    if result.seeds > 1:
        parts.append(_("the first of {n} networks is looked into").format(n=result.seeds))
    if result.save is not None and math.isfinite(result.accuracy) and result.examples:
        parts.append(_("saved in {file}").format(file=shorten(result.save, 40)))
    return "; ".join(parts)


def _course(result: Classify) -> RenderableType:
    """Accuracy and loss against the steps; beside them the similarity of positions, if any."""
    accuracy, loss = result.series
    names = (_("share right"), _("loss in nats"))
    curves = []
    for s, name in zip((accuracy, loss), names):
        chance = Line(
            _("chance"), [0, result.train_steps], np.full(2, s.chance), key="theory", dashed=True
        )
        line = Line(name, s.x, s.median, s.low, s.high, key=result.model)
        is_share = s is accuracy
        curves.append(
            Curves(
                [chance, line], x_label=_("steps"), y_label=name, height=8,
                x_range=(0, result.train_steps), y_range=(0, 1) if is_share else None,
                legend="none",
            )
        )  # fmt: skip
    if result.similarity is None:
        return Panels([("", each) for each in curves], min_width=28)
    both = Panels([("", each) for each in curves], min_width=22, gap=1)
    return Beside(both, _mosaics(result.similarity), left_width=49)


def _mosaics(similarity: Similarity) -> RenderableType:
    """Cosines of every patch's position embedding with all others, a small picture for each."""
    panels: list[tuple[str, RenderableType]] = [
        (_("positions"), _mosaic(similarity.after)),
    ]
    if similarity.before is not None:
        panels = [
            (_("positions before"), _mosaic(similarity.before)),
            (_("after"), _mosaic(similarity.after)),
        ]
    return Panels(panels, min_width=24, gap=1, columns=2)


def _mosaic(matrix: Floats) -> Picture:
    """(n, n) cosines as a grid of n pictures of n pixels, each patch's in its own place."""
    side = math.isqrt(len(matrix))
    tiles = matrix.reshape(side, side, side, side).transpose(0, 2, 1, 3)  # rows, then columns
    shares = (np.clip(tiles.reshape(side**2, side**2), -1, 1) + 1) / 2
    return Picture(_coloured(shares), grid=(side, side), numbers=False, max_width=21, max_height=11)


def _coloured(shares: Floats) -> Bytes:
    """Numbers from 0 to 1 as colours, (...) -> (..., 3)."""
    return np.asarray(palette.sequential(shares), np.uint8)


def _confusion(result: Classify) -> Heatmap:
    """Test digits by what they are and what they are read as."""
    names = [str(k) for k in range(digits.CLASSES)]
    off = result.confusion - np.diag(np.diag(result.confusion))
    return Heatmap(
        result.confusion, rows=names, columns=names, row_axis=_("digit"), column_axis=_("read as"),
        numbers=True, bar=False, cell_width=4, limits=(0, max(4, int(off.max()))),
    )  # fmt: skip


def _looks(result: Classify, detail: bool) -> RenderableType:
    """Some test digits, and below each what its reading rests on."""
    shown = result.examples if detail else result.examples[:_FIRST]
    panels: list[tuple[str, RenderableType]] = [
        (
            f"{e.read} {percent(e.probability)}",
            Group(_digit(e.pixels), _rests(e)),
        )
        for e in shown
    ]
    title = _what_is_looked_at(result)
    return Panels([(title, Panels(panels, min_width=8, gap=2))], min_width=50)


def _what_is_looked_at(result: Classify) -> str:
    if result.attention is None:
        return _("What painting over 2 × 2 pixels costs")
    if result.attention.asking == "class token":
        return _("Where the class token looks, last layer")
    return _("Attention each patch receives, last layer")


def _rests(of: Example | Reading) -> Picture:
    """The attention of the last layer, or what painting over costs; the brightest is the most."""
    if of.attention is None:
        return _spots(np.maximum(of.covered, 0))
    weights = of.attention[-1].mean(0)
    return _spots(weights.reshape(math.isqrt(len(weights)), -1))


def _spots(values: Floats, enlarge: int = 1) -> Picture:
    """A square of numbers in the size of a digit, from 0 to the largest of them."""
    by = digits.SIDE // len(values)
    shares = np.nan_to_num(values) / (np.nanmax(values, initial=0.0) or 1.0)
    size = digits.SIDE * enlarge
    pixels = _coloured(shares.repeat(by, 0).repeat(by, 1))
    return Picture(pixels, max_width=size, max_height=size // 2)


def _digit(pixels: Floats, enlarge: int = 1) -> Picture:
    """A digit, its ink bright."""
    size = digits.SIDE * enlarge
    return Picture(pixels, max_width=size, max_height=size // 2)


def _mistakes(result: Classify) -> list[RenderableType]:
    """The worst ones: those that were held for the most probable."""
    if not result.mistakes:
        return [Note(_("Not one of the test digits is read wrongly."))]
    title = _("The worst of {n} mistakes: what it is → what it is read as, how surely")
    panels: list[tuple[str, RenderableType]] = [
        (f"{m.label}→{m.read} {percent(m.probability)}", _digit(m.pixels)) for m in result.mistakes
    ]
    return [Title(title.format(n=result.wrong)), Panels(panels, min_width=11, gap=1)]


def _picture(result: Classify, reading: Reading) -> list[RenderableType]:
    """A picture of the user's, what the network saw of it, and what it says."""
    pictures: list[tuple[str, RenderableType]] = [
        (_name(reading), Picture(_framed(reading), max_width=20, max_height=8)),
        (_("what it saw"), _digit(reading.seen, 2)),
    ]
    if reading.digit is not None:
        values = reading.covered if reading.attention is None else reading.attention[-1].mean(0)
        square = np.maximum(values, 0).reshape(math.isqrt(values.size), -1)
        pictures.append((_rest_of(result), _spots(square, 2)))
    bars = Bars(
        [str(k) for k in range(digits.CLASSES)],
        np.round(100 * np.array(reading.probabilities), 1),
        keys=[result.model] * digits.CLASSES,
        units="%",
        highlight=reading.digit,
    )
    parts: list[RenderableType] = [
        Beside(Panels(pictures, min_width=18, gap=2), bars, left_width=62)
    ]
    facts = [*reading.notes]
    if reading.digit is not None:
        facts.append(
            _("{share} of the test digits are nearer to one of those it learned from").format(
                share=percent(reading.stranger_than)
            )
        )
    return [*parts, Note("; ".join(facts))] if facts else parts


def _name(reading: Reading) -> str:
    """The file without its folder."""
    return shorten(Path(reading.path).name, 20)


def _rest_of(result: Classify) -> str:
    """What the third picture of a reading is: the rest of what is known of it."""
    if result.attention is None:
        return _("cost of painting over")
    if result.attention.asking == "class token":
        return _("class token looks")
    return _("attention received")


def _framed(reading: Reading) -> Bytes:
    """The picture with a frame around the digit that was found."""
    pixels = reading.pixels.copy()
    rows, columns = pixels.shape[:2]
    by = rows / reading.height, columns / reading.width
    top, left, bottom, right = (
        min(round(edge * by[i % 2]), (rows, columns)[i % 2] - 1)
        for i, edge in enumerate(reading.box)
    )
    ink = (0xE6, 0x9F, 0x00)
    pixels[[top, bottom], left : right + 1] = ink
    pixels[top : bottom + 1, [left, right]] = ink
    return pixels


def _details(result: Classify) -> list[RenderableType]:
    """Every layer and head on one digit, and what painting over costs."""
    parts: list[RenderableType] = []
    example = result.examples[-1]
    if example.attention is not None:
        maps: list[tuple[str, RenderableType]] = [
            (
                _("layer {layer} head {head}").format(layer=i + 1, head=j + 1),
                _spots(weights.reshape(math.isqrt(len(weights)), -1)),
            )
            for i, layer in enumerate(example.attention)
            for j, weights in enumerate(layer)
        ]
        parts += [Title(_("A {digit}, seen by every head").format(digit=example.label))]
        parts += [Panels(maps, min_width=16, columns=4)]
        costs: list[tuple[str, RenderableType]] = [
            (str(e.label), _spots(np.maximum(e.covered, 0))) for e in result.examples
        ]
        parts += [Title(_("What painting over 2 × 2 pixels costs")), Panels(costs, min_width=8)]
    return parts


# The sentences


def takeaways(result: Classify) -> list[str]:
    """What is read rightly, what the network looks at, how its positions lie; or the pictures."""
    broken = sum(map(math.isnan, result.accuracies))
    if broken:
        text = ngettext(
            "{n} network diverged: its scores are no numbers. Try a smaller --lr.",
            "{n} networks diverged: their scores are no numbers. Try a smaller --lr.",
            broken,
        )
        return [text.format(n=broken)]
    said = [_verdict(result, reading) for reading in result.image]
    said.append(_right(result))
    if result.attention is not None:
        said.append(_looking(result.attention))
    if not result.image:
        said += [_costs(result)] if result.attention is None else [_places(result)]
    return said


def _verdict(result: Classify, reading: Reading) -> str:
    """What it says of a picture, and whether it is to be believed."""
    digit = reading.digit
    assert digit is not None
    order = np.argsort(-np.array(reading.probabilities), kind="stable")
    name, share = _name(reading), percent(reading.probabilities[digit])
    if reading.stranger_than == 1:
        return _(
            "{file}: {digit}, {share}; but no test digit is as far from all that it learned from:"
            " this may be no digit, or one written in another way."
        ).format(file=name, digit=digit, share=share)
    if reading.sure:
        return _(
            "{file}: {digit}, {share}. Of test digits read with {level} or more, 99 % are right."
        ).format(file=name, digit=digit, share=share, level=percent(result.sure_from))
    return _(
        "{file}: perhaps {digit}, {share}, or {second}, {rest}: it is unsure. Only from {level} on"
        " are 99 % of the test digits right."
    ).format(
        file=name,
        digit=digit,
        share=share,
        second=int(order[1]),
        rest=percent(reading.probabilities[order[1]]),
        level=percent(result.sure_from),
    )


def _right(result: Classify) -> str:
    """How many are read rightly, and what is confused most."""
    off = result.confusion - np.diag(np.diag(result.confusion))
    text = _("{right} of {n} unseen digits are read rightly; chance is {chance}.").format(
        right=percent(min(result.accuracies), max(result.accuracies)),
        n=result.tests,
        chance=percent(result.chance),
    )
    if not off.any():
        return text
    label, read = divmod(int(off.argmax()), digits.CLASSES)
    times = int(off.max())
    confused = ngettext(
        "No confusion happens twice; one is a {label} read as {read}.",
        "Most often confused: {label}, read as {read} ({n} times).",
        times,
    )
    return f"{text} {confused.format(label=label, read=read, n=times)}"


def _looking(found: Attention) -> str:
    """How much attention goes to ink, against how much even attention would send there."""
    more = found.on_ink[-1] - found.even
    liking = (
        _("it looks at ink more than evenly")
        if more > _EVEN
        else _("it looks at ink less than evenly")
        if more < -_EVEN
        else _("it does not prefer ink")
    )
    text = (
        _("Last layer: {share} of the class token's attention to patches is on ink, even attention"
          " would give {even}: {liking}.")
        if found.asking == "class token"
        else _("Without a class token patches ask each other. Last layer: {share} of attention is"
               " on ink, even attention would give {even}: {liking}.")
    )  # fmt: skip
    return text.format(share=percent(found.on_ink[-1]), even=percent(found.even), liking=liking)


def _places(result: Classify) -> str:
    """How alike neighbours' positions are against others', and whether training made it so."""
    s = result.similarity
    if s is None:
        return _(
            "Nothing tells it where a patch is: moved about, the same patches would give the same"
            " scores."
        )
    near, far = _signed(s.near), _signed(s.far)
    if result.positions == "sinusoidal":
        return _(
            "Sines and cosines were there from the start: cosine {near} between neighbours, {far}"
            " elsewhere. Training does not change them."
        ).format(near=near, far=far)
    if math.isnan(s.near_before):
        return _(
            "Learned positions: cosine {near} between neighbours, {far} elsewhere."
        ).format(near=near, far=far)  # fmt: skip
    gap, before = s.near - s.far, s.near_before - s.far_before
    text = (
        _("Here neighbours' positions have become alike: cosine {near}, others {far} (before:"
          " {near_0}, {far_0}).")
        if gap > max(before, 0.0) + _ALIKE
        else _("Here neighbours' positions have not become alike: cosine {near}, others {far}"
               " (before: {near_0}, {far_0}).")
    )  # fmt: skip
    return text.format(
        near=near, far=far, near_0=_signed(s.near_before), far_0=_signed(s.far_before)
    )


def _costs(result: Classify) -> str:
    """What painting over costs, where there is no attention to show."""
    most = [float(e.covered.max()) for e in result.examples]
    return _(
        "There is no attention to show here, so squares of 2 × 2 pixels are painted over: at its"
        " dearest square a digit loses {low} to {high} points of probability."
    ).format(low=f"{100 * min(most):.0f}", high=f"{100 * max(most):.0f}")


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def question(result: Classify) -> Question:
    """Where a ViT looks; of others, and where training diverged, how many digits are read."""
    if result.attention is not None:
        more = result.attention.on_ink[-1] - result.attention.even
        return Question(
            _("Some patches of a digit bear ink, some are blank. Where does its attention go?"),
            [
                _("to ink, more than even attention would"),
                _("to blank paper, more than even attention would"),
                _("to both evenly, within two points in a hundred"),
            ],
            0 if more > _EVEN else 1 if more < -_EVEN else 2,
            _looking(result.attention),
        )
    edges = (0.5, 0.8, 0.95)
    choices = [
        _("less than half"), _("half to 80 in 100"), _("80 to 95 in 100"), _("95 in 100 or more"),
        _("none: its scores are no numbers"),
    ]  # fmt: skip
    finite = math.isfinite(result.accuracy)
    answer = sum(result.accuracy >= edge for edge in edges) if finite else 4
    text = _("How many of the unseen digits does a {model} read rightly after this training?")
    why = _right(result) if finite else takeaways(result)[0]
    return Question(text.format(model=classifiers.NAMES[result.model]), choices, answer, why)
