"""How does a Vision Transformer learn to read digits? Watch one do it, and let it read yours.

A small network learns 1,400 handwritten digits of 8 × 8 pixels. While it does one sees how many
unseen digits it reads rightly, where its class token looks, and what becomes of the embeddings of
the patches' positions: in large ViTs those of neighbours grow alike (Dosovitskiy et al. 2020,
figure 7), in one as small as this they need not.

With --image it reads a picture of your own: a photo of pen on paper will do. What it has learned
can be saved and loaded; and a CNN, a Mixer, an MLP or a Swin Transformer can learn in its place.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult

from seqlab import classifiers, saved, trees
from seqlab.book import vit
from seqlab.book.ops import softmax
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
    diverged,
    one_of,
    probes,
    require,
    series,
)
from seqlab.lab.handwriting import Reading, Scanned, readings, scanned, unread
from seqlab.lab.probes import Attention, Example, Mistake, Similarity
from seqlab.locale import N_, _, ngettext, sentences
from seqlab.saved import Kind, Origin
from seqlab.tasks import digits
from seqlab.tasks.digits import Digits

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Model = classifiers.Name

_MEASUREMENTS = 25  # of a training, besides the one before it
_MOST_SEEN = 4_000_000  # digits in all batches: some ten minutes
_MOST_PICTURES = 16
_EVEN = 0.02  # shares of attention closer than this are called even
_WORST = 8  # mistakes that are kept as pictures


# What is measured


@dataclass(frozen=True)
class Classify(Trained):
    """What a network has learned of digits.

    `accuracy`, `loss` and all that follows are those of the first network on 397 digits that it was
    not trained on; `accuracies` and `attention` have one for each seed. `loss` is in nats.
    `confusion` counts the test digits by what they are, down, and what they are read as, across.
    NaN (JSON: null) where training diverged. `unsaved` is why what was learned could not be
    written. Of a network that was loaded, seed, images, steps, batch and lr are those of its file.
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
    attention: list[Attention]
    similarity: Similarity | None
    sure: probes.Sureness
    series: list[Series]
    unsaved: str | None = None

    @property
    def kind(self) -> Kind:
        """Which network it is."""
        return Kind(self.model, self.pool, self.positions, self.patch)


def run(
    *,
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help=N_("A picture of a digit to read; repeat it for up to 16.")
        ),
    ] = None,
    model: Annotated[
        Literal["vit", "cnn", "mixer", "mlp", "swin"] | None,
        typer.Option(help=N_("What learns; by default a ViT.")),
    ] = None,
    pool: Annotated[
        Literal["cls", "mean", "flat"] | None,
        typer.Option(
            help=N_(
                "What the classifier reads: the class token, a mean over places, or all numbers."
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
        typer.Option(
            min=1, max=16, help=N_("Networks to train; by default 1. The first is shown.")
        ),
    ] = None,
    train_steps: Annotated[
        int | None, typer.Option(min=1, max=5000, help=N_("Steps of training; by default 900."))
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
    """
    o = _Options(
        image=tuple(image or ()), model=model, pool=pool, positions=positions, patch=patch,
        images=images, seeds=seeds, train_steps=train_steps, batch=batch, lr=lr, save=save,
        load=load, quick=quick, seed=seed,
    ).checked()  # fmt: skip
    if o.load is not None and device not in ("auto", "cpu"):
        raise _not_trained(o.load, "device")
    pictures = [scanned(path) for path in o.image]
    if o.load is not None:
        return _loaded(o, o.load, pictures)
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
            self._nothing_to_train(self.load)
            return self
        defaults: dict[str, Any] = {
            "images": digits.MOST, "seeds": 1, "train_steps": 150 if self.quick else 900,
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

    def _nothing_to_train(self, load: str) -> None:
        """Refuse what belongs to a training."""
        for name in ("images", "seeds", "train_steps", "batch", "lr", "save"):
            if getattr(self, name) is not None:
                raise _not_trained(load, name)
        for name in ("quick", "seed"):
            if getattr(self, name):
                raise _not_trained(load, name)

    def _fitting(self) -> None:
        """Refuse what a network of this kind does not have."""
        assert self.model is not None
        usual, name = _kind(self.model), classifiers.NAMES[self.model]
        if self.pool not in saved.POOLS[self.model]:
            raise BadInput(
                f"--model {self.model} --pool {self.pool}",
                _("what this {model} can have: {pools}").format(
                    model=name, pools=_(" or ").join(saved.POOLS[self.model])
                ),
                f"--pool {usual.pool}",
            )
        for option in ("positions", "patch"):
            value = getattr(self, option)
            if value is not None and getattr(usual, option) is None:
                raise BadInput(
                    f"--model {self.model} --{option} {value}",
                    _("a network that has them: {models}").format(
                        models="vit" if option == "positions" else _(" or ").join(["vit", "mixer"])
                    ),
                    "--model vit",
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


def _not_trained(load: str, option: str) -> BadInput:
    """What to say of an option of trainings beside --load."""
    return BadInput(
        f"--load --{option.replace('_', '-')}",
        _("only one of them: what is loaded is not trained"),
        f"--load {shorten(load, 60)}",
    )


def _kind(model: str) -> Kind:
    """A kind of network as it is by default."""
    one_of(model, "model", saved.POOLS)
    name: Any = model
    patch = 2 if model in ("vit", "mixer") else None
    return Kind(name, saved.POOLS[model][0], "learned" if model == "vit" else None, patch)


Split = tuple[Digits, Digits]  # to learn from, to test with


def _examined(
    result: Classify,
    trained: Sequence[Any],
    first: Any | None,
    splits: Sequence[Split],
    pictures: Sequence[Scanned],
) -> Classify:
    """The result with all that is measured after a training, and what the first network reads.

    `trained` are the parameters of every network, `first` those of the first before its training.
    """
    network, p, (_known, tests) = result.kind.make(), trained[0], splits[0]
    scores = probes.scores(network, p, tests.images)
    if not np.isfinite(scores).all():
        nothing = [unread(picture) for picture in pictures]
        return replace(result, accuracy=math.nan, loss=math.nan, image=nothing)
    probabilities, labels = softmax(scores), tests.labels
    read, rows = probabilities.argmax(1), np.arange(len(tests.labels))
    confusion = np.zeros((digits.CLASSES, digits.CLASSES), np.int64)
    np.add.at(confusion, (labels, read), 1)
    sure = probes.sureness(probabilities.max(1), read == labels)
    wrong = np.flatnonzero(read != labels)
    worst = wrong[np.argsort(-probabilities[wrong, read[wrong]], kind="stable")][:_WORST]
    mistakes = [
        Mistake(
            int(labels[i]), int(read[i]), float(probabilities[i, read[i]]), probes.pixels(tests, i)
        )
        for i in worst
    ]
    with np.errstate(all="ignore"):  # another network may have diverged
        attention = [probes.attention(network, q, t) for q, (_k, t) in zip(trained, splits)]
        similarity = probes.similarity(network, trained, first)
    return replace(
        result,
        accuracy=float((read == labels).mean()),
        loss=float(probes.surprise(scores)[rows, labels].mean()),
        confusion=confusion,
        wrong=len(wrong),
        mistakes=mistakes,
        examples=probes.examples(network, p, tests, probabilities),
        attention=[found for found in attention if found is not None],
        similarity=similarity,
        sure=sure,
        image=readings(network, p, splits[0], pictures, sure.level),
    )


# Loading and training


def _blank(o: _Options, kind: Kind, device: str) -> Classify:
    """The result before anything is known."""
    return Classify(
        image=[], **asdict(kind), images=o.images or 0, seeds=o.seeds or 1,
        train_steps=o.train_steps or 0, batch=o.batch, lr=o.lr, save=o.save, load=o.load,
        quick=o.quick, device=device, seed=o.seed, parameters=trees.count(kind.make().init()),
        chance=digits.CHANCE, tests=digits.TESTS, step=[], accuracy=math.nan, accuracies=[],
        loss=math.nan, confusion=np.zeros((digits.CLASSES, digits.CLASSES), np.int64), wrong=0,
        mistakes=[], examples=[], attention=[], similarity=None,
        sure=probes.Sureness(1.0, 0, math.nan), series=[],
    )  # fmt: skip


def _loaded(o: _Options, file: str, pictures: Sequence[Scanned]) -> Classify:
    """What a network that was saved can do: no torch, no training."""
    kind, origin, p = saved.load(file)
    for name, value in asdict(kind).items():
        asked = getattr(o, name)
        if asked is not None and asked != value:
            raise BadInput(
                f"--{name} {asked}", _("what {file} has: {value}").format(file=file, value=value)
            )
    blank = replace(
        _blank(o, kind, "cpu"), seed=origin.seed, images=origin.images, train_steps=origin.steps,
        batch=origin.batch, lr=origin.lr, step=[origin.steps],
    )  # fmt: skip
    result = _examined(blank, [p], None, [origin.split()], pictures)
    if not math.isfinite(result.accuracy):
        raise BadInput(
            _("{name}: its scores are no finite numbers").format(name=shorten(file, 120)),
            _("a file that --save wrote"),
        )
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
        scores = probes.scores(page, now, tests.images)
        right = float((scores.argmax(1) == tests.labels).mean())
        loss = float(np.mean(losses)) if losses else math.nan
        return _Moment(step, loss, right if np.isfinite(scores).all() else math.nan, now)

    every, losses = max(1, round(o.train_steps / _MEASUREMENTS)), []
    yield moment(0, [])
    for step, loss in train.fit_labels(
        p, partial(network.scores, p), x, labels, o.rng(3, which), batch=o.batch,
        steps=o.train_steps, lr=o.lr, weight_decay=1.0, schedule="cosine",
        warmup=max(1, o.train_steps // 10),
    ):  # fmt: skip
        losses.append(loss)
        if (step + 1) % every == 0 or step + 1 == o.train_steps:
            yield moment(step + 1, losses)
            losses = []


def _train(o: _Options, device: str, pictures: Sequence[Scanned], watch: Watch) -> Classify:
    """Train the networks, each in a process of its own, and put together what they report."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    assert o.seeds and o.train_steps and o.images
    place = train.device(device)
    blank = _blank(o, o.kind, place.type)
    splits = [digits.split(o.rng(1, which), o.images) for which in range(o.seeds)]
    moments: dict[int, list[_Moment]] = {}
    everything, begun, stopped = o.train_steps * o.seeds, False, False
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
            view = partial(_shown_so_far, blank, now, splits, pictures) if begun else None
            watch(done / everything, doing, view)
    except Stopped:
        if not begun:  # nothing of the first network is known
            raise
        stopped = True
    moments = {k: each for k, each in sorted(moments.items()) if each[-1].step}
    result = replace(_gathered(blank, moments, splits, pictures), stopped=stopped)
    if o.save is None or not math.isfinite(result.accuracy):
        return result
    assert o.batch and o.lr is not None
    last = moments[0][-1]
    try:
        origin = Origin(o.seed, o.images, last.step, o.batch, float(o.lr))
        saved.save(o.save, o.kind, origin, last.p)
    except OSError as problem:  # what was learned can still be shown
        return replace(result, unsaved=problem.strerror or str(problem))
    return result


def _shown_so_far(
    blank: Classify,
    moments: dict[int, list[_Moment]],
    splits: Sequence[Split],
    pictures: Sequence[Scanned],
) -> RenderableType:
    """The figure of the moment."""
    return show(_gathered(blank, moments, splits, pictures))


def _gathered(
    blank: Classify,
    moments: dict[int, list[_Moment]],
    splits: Sequence[Split],
    pictures: Sequence[Scanned],
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
    trained = [each[-1].p for each in moments.values()]
    return _examined(result, trained, first[0].p, [splits[k] for k in moments], pictures)


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
        tests = origin.split()[1]
    else:
        kind, rng, tests = o.kind, o.rng(4, 0), digits.split(o.rng(1, 0), 1)[1]
        p = trees.convert(
            lambda w: w + rng.normal(0.0, 0.1, w.shape), kind.make().init(o.rng(2, 0))
        )
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
        parts.append(_InColours(_mosaics(result.similarity), Group()))
    if result.examples and (detail or not result.image):
        parts.append(Beside(_confusion(result), _looks(result, detail), left_width=44))
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
    return _("How does this {model} learn to read digits?").format(model=name)


def _equation(result: Classify) -> str:
    """The equation at work; a ViT's is eq. 1, with what it has of it."""
    if result.model != "vit":
        return _EQUATIONS[result.model]
    cls = "x_class; " if result.pool == "cls" else ""
    place = {"learned": " + E_pos", "sinusoidal": " + PE", "none": ""}[str(result.positions)]
    return f"z₀ = [{cls}x₁E; …; xₙE]{place}"


def _setting(result: Classify) -> str:
    """What learned, and from what."""
    text = _("{model} of {parameters} parameters; digits to learn from: {images}, to test: {tests}")
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
        parts.append(_("pictured is the first of {n} networks").format(n=result.seeds))
    written = result.save is not None and result.unsaved is None
    if written and math.isfinite(result.accuracy) and result.examples:
        assert result.save is not None
        parts.append(_("saved in {file}").format(file=shorten(result.save, 40)))
    return _("; ").join(parts)


def _course(result: Classify) -> RenderableType:
    """Accuracy and loss against the steps; beside them the similarity of positions, if any."""
    accuracy, loss = result.series
    names = (_("share right; -- chance"), _("loss in nats; -- ln 10"))
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
    alone = Panels([("", each) for each in curves], min_width=28)
    if result.similarity is None:
        return alone
    both = Panels([("", each) for each in curves], min_width=22, gap=1)
    return _InColours(Beside(both, _mosaics(result.similarity), left_width=49), alone)


@dataclass(frozen=True)
class _InColours:
    """A figure that says something in colours only, and what there is without them."""

    figure: RenderableType
    without: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        plain = console.no_color or console.color_system is None
        yield self.without if plain else self.figure


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
    told = _("a tile: one patch with all; brighter: more alike")
    return Group(Panels(panels, min_width=24, gap=1, columns=2), Note(told))


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
            f"{e.label} {percent(e.probability)}" if e.read == e.label else f"{e.label}→{e.read}",
            Group(_digit(e.pixels), _rests(e)),
        )
        for e in shown
    ]
    title = _what_is_looked_at(result)
    return Panels([(title, Panels(panels, min_width=8, gap=2))], min_width=50)


def _what_is_looked_at(result: Classify) -> str:
    if not result.attention:
        return _("What painting over 2 × 2 pixels costs")
    if result.attention[0].asking == "class token":
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
    values = np.nan_to_num(values)
    shares = values / (values.max() or 1.0)
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
    shares = np.array(reading.probabilities)
    shown = np.where(shares < 1, np.minimum(np.round(100 * shares, 1), 99.9), 100)
    bars = Bars(
        [str(k) for k in range(digits.CLASSES)],
        shown,
        keys=[result.model] * digits.CLASSES,
        units="%",
        highlight=reading.digit,
    )
    warned = [Note(text) for text in _warnings(reading)]
    parts: list[RenderableType] = [
        Beside(Panels(pictures, min_width=18, gap=2), Group(bars, *warned), left_width=62)
    ]
    facts = [*reading.notes]
    if reading.digit is not None and reading.stranger_than < 1:
        odder = _("odder than {share} of the test digits (distance to the nearest learned one)")
        facts.append(odder.format(share=percent(reading.stranger_than)))
    return [*parts, Note(_("; ").join(facts))] if facts else parts


def _warnings(reading: Reading) -> list[str]:
    """Why a reading is to be taken with care: what stands right below its bars."""
    said = []
    if reading.beside > 1:
        pattern = _("{n} large pieces side by side: more than one digit?")
        said.append(pattern.format(n=reading.beside))
    if reading.left_out:
        said.append(_("large pieces left out at the edge: {n}").format(n=reading.left_out))
    if reading.stranger_than == 1:
        said.append(_("odder than every test digit: perhaps none"))
    elif reading.digit is not None and not reading.sure:
        said.append(_("unsure"))
    return said


def _name(reading: Reading) -> str:
    """The file without its folder."""
    return shorten(Path(reading.path).name, 20)


def _rest_of(result: Classify) -> str:
    """What the third picture of a reading is: the rest of what is known of it."""
    if not result.attention:
        return _("cost of painting over")
    if result.attention[0].asking == "class token":
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
        nothing = result.save is not None and not math.isfinite(result.accuracy)
        return [*diverged(broken), *([_("Nothing was saved.")] if nothing else [])]
    said = [_verdict(result, reading) for reading in result.image]
    if result.unsaved is not None and result.save is not None:
        lost = _("Not saved in {file}: {reason}.")
        said.insert(0, lost.format(file=shorten(result.save, 60), reason=result.unsaved))
    if result.image and result.load is not None:
        return said  # nothing on the screen is of the test digits
    said.append(_right(result))
    if not result.image:
        said += (
            [_looking(result.attention), _places(result)] if result.attention else [_costs(result)]
        )
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
    level, right = percent(result.sure.level), percent(result.sure.right)
    if reading.sure:
        return _(
            "{file}: {digit}, {share}. {n} of the test digits are read with {level} or more,"
            " {right} of them rightly."
        ).format(file=name, digit=digit, share=share, n=result.sure.n, level=level, right=right)
    return _(
        "{file}: perhaps {digit}, {share}, or {second}, {rest}. It counts as unsure below {level};"
        " {n} of the test digits are read with that or more, {right} of them rightly."
    ).format(
        file=name, digit=digit, share=share, second=int(order[1]),
        rest=percent(reading.probabilities[order[1]]), level=level, n=result.sure.n, right=right,
    )  # fmt: skip


def _right(result: Classify) -> str:
    """How many are read rightly, and what is confused most."""
    off = result.confusion - np.diag(np.diag(result.confusion))
    text = _("{right} of {n} unseen digits are read rightly (chance: {chance}).").format(
        right=percent(min(result.accuracies), max(result.accuracies)),
        n=result.tests,
        chance=percent(result.chance),
    )
    if not off.any():
        return text
    label, read = divmod(int(off.argmax()), digits.CLASSES)
    times, ties = int(off.max()), int((off == off.max()).sum())
    confused = (
        _("No confusion happens twice.")
        if times == 1
        else _("Most often: {label} read as {read} ({n} times).")
        if ties == 1
        else _("{ties} confusions happen {n} times each.")
    ).format(label=label, read=read, n=times, ties=ties)
    return sentences([text, confused])


def _liking(found: Sequence[Attention]) -> set[int]:
    """Where the last layer's attention goes, in any network: more than evenly to ink (0), less (1).

    Evenly is 2, and 3 nowhere, where the class token keeps all of it.
    """
    more = [each.on_ink[-1] - each.even for each in found]
    return {3 if math.isnan(m) else 0 if m > _EVEN else 1 if m < -_EVEN else 2 for m in more}


def _looking(found: Sequence[Attention]) -> str:
    """How much attention goes to ink, against how much even attention would send there."""
    likings, evens = _liking(found), [each.even for each in found]
    if likings == {3}:
        return _("Last layer: the class token keeps all of its attention for itself.")
    if min(evens) + _EVEN >= 1:
        return _(
            "{even} of the patches bear ink: whether attention prefers it cannot be told."
        ).format(even=percent(min(evens), max(evens)))
    liking = (
        _("whether it prefers ink depends on the network")
        if len(likings) > 1
        else _("it prefers ink")
        if likings == {0}
        else _("it avoids ink")
        if likings == {1}
        else _("no preference")
    )
    text = (
        _("Last layer: {share} of the class token's attention to patches is on ink (even: {even});"
          " {liking}.")
        if found[0].asking == "class token"
        else _("No class token: patches ask each other. Last layer: {share} of attention is on ink"
               " (even: {even}); {liking}.")
    )  # fmt: skip
    shares = [each.on_ink[-1] for each in found if not math.isnan(each.on_ink[-1])]
    return text.format(
        share=percent(min(shares), max(shares)),
        even=percent(min(evens), max(evens)),
        liking=liking,
    )


def _places(result: Classify) -> str:
    """Whether neighbours' positions are more alike than those of patches in random places."""
    s = result.similarity
    if s is None:
        return _(
            "Nothing tells it where a patch is: moved about, the same patches would give the same"
            " scores."
        )
    if result.positions == "sinusoidal":
        return _(
            "Sines and cosines were there from the start: cosine {near} between neighbours, {far}"
            " elsewhere. Training does not change them."
        ).format(near=_span(s.near), far=_span(s.far))
    above = sum(gap > level + 1e-9 for gap, level in zip(s.gaps, s.by_chance))
    text = (
        _("Positions of neighbours are more alike than chance: their cosine exceeds that of others"
          " by {gap}; with places shuffled 95 in 100 stay below {chance}.")
        if above == len(s.gaps)
        else _("Positions of neighbours are no more alike than chance: their cosine exceeds that of"
               " others by {gap}; with places shuffled 5 in 100 reach {chance}.")
        if above == 0
        else _("Whether positions of neighbours are more alike than chance depends on the network"
               " ({n} of {of} are): their cosine exceeds that of others by {gap}; with places"
               " shuffled 5 in 100 reach {chance}.")
    )  # fmt: skip
    return text.format(gap=_span(*s.gaps), chance=_span(*s.by_chance), n=above, of=len(s.gaps))


def _costs(result: Classify) -> str:
    """What painting over costs, where no attention is shown."""
    most = [float(e.covered.max()) for e in result.examples]
    text = (
        _("Swin has no class token, and its attention stays within windows: instead of it squares"
          " of 2 × 2 pixels are painted over. The one that matters most costs a digit {low} to"
          " {high} points of probability.")
        if result.model == "swin"
        else _("This {model} has no attention: instead squares of 2 × 2 pixels are painted over."
               " The one that matters most costs a digit {low} to {high} points of probability.")
    )  # fmt: skip
    return text.format(
        model=classifiers.NAMES[result.model],
        low=f"{100 * min(most):.0f}",
        high=f"{100 * max(most):.0f}",
    )


def _span(*values: float) -> str:
    """A number, or from the least to the largest."""
    low, high = (f"{value:.2f}".replace("-", "−") for value in (min(values), max(values)))
    return low if low == high else _("{low} to {high}").format(low=low, high=high)


def question(result: Classify) -> Question:
    """Where a ViT looks; of others, and where training diverged, how many digits are read."""
    depends = _("that depends on the network")
    if result.attention:
        choices = [
            _("to ink, more than even attention would"),
            _("to blank paper, more than even attention would"),
            _("to both evenly, within two points in a hundred"),
            _("nowhere: the class token keeps it for itself"),
            depends,
        ]
        likings = _liking(result.attention)
        return Question(
            _("Some patches of a digit bear ink, some are blank. Where does its attention go?"),
            choices,
            min(likings) if len(likings) == 1 else 4,
            _looking(result.attention),
        )
    edges = (0.5, 0.8, 0.95)
    choices = [
        _("less than half"), _("half to 80 in 100"), _("80 to 95 in 100"), _("95 in 100 or more"),
        _("none: its scores are no numbers"), depends,
    ]  # fmt: skip
    answers = {
        sum(share >= edge for edge in edges) if math.isfinite(share) else 4
        for share in result.accuracies
    }
    text = _("How many of the unseen digits does this {model} read rightly after its training?")
    finite = all(map(math.isfinite, result.accuracies))
    why = _right(result) if finite else takeaways(result)[0]
    answer = min(answers) if len(answers) == 1 else 5
    return Question(text.format(model=classifiers.NAMES[result.model]), choices, answer, why)
