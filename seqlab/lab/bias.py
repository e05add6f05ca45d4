"""What does a network know of pictures before it has seen any? Its inductive bias, measured.

A convolution looks at neighbours, with the same weights everywhere; attention compares any patch
with any other; a Mixer and an MLP have a weight for every place. Networks of about one size are
trained on the same pictures, and tested where one of these assumptions is worth something:

--test size: handwritten digits, few or many of them (the default).
--test shift: digits in the middle of a canvas, tested a pixel or two away from it.
--test permute: digits whose pixels, or patches, are in another order, in training and test alike.
--test lookup: one cell of the picture asks for what another cell holds.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import classifiers, trees
from seqlab.book import conv, vit
from seqlab.book.ops import Array
from seqlab.classifiers import Classifier
from seqlab.figures.bars import Bars
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import count, number
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.picture import Picture
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
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
from seqlab.tasks import digits, lookup

Floats = NDArray[np.float64]
Pictures = NDArray[np.float32]  # (b, 1, n1, n2)
Order = NDArray[np.int64]
Test = Literal["size", "shift", "permute", "lookup"]
Accuracy = dict[str, dict[str, list[float]]]  # model -> condition -> a share a network

_MOST_SIZES, _MOST_SEEDS, _MOST_STEPS = 10, 10, 5000
_MOST_WORK = 2e6  # milliseconds on one core: half an hour
_MARGIN = 2  # pixels of paper on every side of a digit that is shifted
_PATCH = 2  # pixels a side of a digit's patches
_TESTED = 1000  # pictures that a lookup is tested on
_MEASUREMENTS = 10  # of a lookup, on the way
_REPORT = 10  # steps
_SOLVED = 0.9  # the share of right answers from which on a network finds what it is asked for


# The networks


class Model(NamedTuple):
    """A network of the five of `classifiers`, or a variety of one.

    `cost`: milliseconds on one core for 64 pictures forth and back, a pixel or, where it has
    patches, a patch: by it trainings are put in order, and too long ones refused.
    """

    name: str
    page: classifiers.Name
    cost: float
    mean: bool = False  # a CNN reads the mean over all places
    widths: tuple[int, ...] = ()  # channels of a CNN, where they are not the usual ones

    @property
    def ink(self) -> str:
        """The key of its colour; that of the MLP, which has none of its own, is plain."""
        return "linear" if self.page == "mlp" else self.page

    @property
    def usual(self) -> bool:
        """Whether it is no variety: those are dashed."""
        return not (self.mean or self.widths)


MODELS = {
    "cnn": Model("CNN", "cnn", 0.08),
    "cnn-mean": Model(N_("CNN with a mean"), "cnn", 0.08, mean=True),
    "cnn-large": Model(N_("CNN, wider"), "cnn", 0.2, widths=(64, 96)),
    "mlp": Model("MLP", "mlp", 0.01),
    "mixer": Model("Mixer", "mixer", 0.55),
    "vit": Model("ViT", "vit", 0.75),
}


class Plan(NamedTuple):
    """What a test takes when nothing else is said, and the pictures that it is about."""

    models: str
    images: str  # to train on; with commas between where there are several numbers
    quick_images: str
    steps: int
    quick_steps: int
    most: int  # images at the most
    side: int  # pixels
    patch: int
    classes: int


PLANS: dict[Test, Plan] = {
    "size": Plan(
        "cnn,mlp,mixer,vit", "50,100,200,400,1400", "50,200,1400", 300, 150,
        digits.MOST, digits.SIDE, _PATCH, digits.CLASSES,
    ),
    "shift": Plan(
        "cnn,cnn-mean,mlp,mixer,vit", "1400", "1400", 300, 150,
        digits.MOST, digits.SIDE + 2 * _MARGIN, _PATCH, digits.CLASSES,
    ),
    "permute": Plan(
        "cnn,mlp,mixer,vit", "1400", "1400", 300, 150,
        digits.MOST, digits.SIDE, _PATCH, digits.CLASSES,
    ),
    "lookup": Plan(
        "cnn,mlp,mixer,vit", "25600", "25600", 500, 400,
        50_000, lookup.SIDE, lookup.CELL, lookup.VALUES,
    ),
}  # fmt: skip


def network(model: str, plan: Plan) -> Classifier:
    """A model for the pictures of a test; its ViT takes the mean over the patches, as the Mixer.

    With a class token instead the lookup is learned later, and not from every seed.
    """
    m = MODELS[model]
    made = classifiers.make(
        m.page, plan.side, plan.classes, plan.patch, class_token=False, mean=m.mean
    )
    return made._replace(config=made.config._replace(widths=m.widths)) if m.widths else made


def scores(p: Any, x: Array, classifier: Classifier) -> Array:
    """What the page of a network gives, tensors (b, 1, n1, n2) -> (b, k); a CNN by torch's kernels.

    With torch's largest of four a step takes a third of the time that the page's takes.
    """
    if classifier.name != "cnn":
        return classifier.scores(p, x)
    import torch.nn.functional as F

    for layer in p.layers:
        padding = layer.weight.shape[-1] // 2
        x = F.relu(F.max_pool2d(F.conv2d(x, layer.weight, layer.bias, padding=padding), 2))
    return vit.classify(p.head, conv.represent(x, classifier.config))


# The pictures


def shifted(x: Pictures, down: int, right: int) -> Pictures:
    """Digits on a canvas with two pixels of paper around them, moved by no more than these."""
    around = ((0, 0), (0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))
    return np.roll(np.pad(x, around), (down, right), axis=(2, 3))


def directions(distance: int) -> list[tuple[int, int]]:
    """So many pixels down or up, to the right or left, and both at once: eight; one of 0."""
    steps = sorted({-distance, 0, distance})
    return [(i, j) for i in steps for j in steps if max(abs(i), abs(j)) == distance]


def reordered(x: Pictures, order: Order, p: int) -> Pictures:
    """Pictures with their patches of side p in another order; with p = 1 their pixels."""
    n = x.shape[-1] // p
    return vit.unpatchify(vit.patchify(x, p)[:, order], p, n, n)  # type: ignore[no-any-return]


class Sample(NamedTuple):
    """Pictures and what they show, or are asked for."""

    images: Pictures
    labels: NDArray[np.int64]


# What is measured


@dataclass(frozen=True)
class Example:
    """A picture as the networks see it, `pixels` (n1, n2) from 0 to 1, under a condition.

    Of a lookup: the cells that ask and answer, counted from 1. `label` is what is to be said.
    """

    condition: str
    pixels: Floats
    label: int
    asking: int | None = None
    answering: int | None = None


@dataclass(frozen=True)
class Bias(Trained):
    """Shares of right answers on pictures that no network was trained on.

    `accuracy` has, for every model and every one of the `conditions`, a share a network: null where
    it is not trained yet, or diverged, which happened to `diverged` trainings. The conditions are
    the number of training images (size), pixels away from the middle (shift), what is in another
    order (permute), steps of training (lookup). `images` are as many as were trained on; several
    numbers for size.

    `looks`, of a lookup, has a share for every ViT: how much of its attention one of the two cells,
    that asks and that answers, gives to the other, in the head that gives most; a mean over the
    test.
    """

    test: Test
    models: str
    images: str
    seeds: int
    train_steps: int
    batch: int
    lr: float
    device: str
    quick: bool
    seed: int
    chance: float
    parameters: dict[str, int]
    conditions: list[str]
    accuracy: Accuracy
    diverged: int
    looks: list[float]
    series: list[Series]
    examples: list[Example]

    def shares(self, model: str, condition: str) -> Floats:
        """The accuracies of a model's networks, NaN where there is none."""
        return np.asarray(self.accuracy[model][condition], float)

    def known(self, condition: str) -> dict[str, Floats]:
        """The accuracies there are under a condition, by model; without models that have none."""
        found = {model: self.shares(model, condition) for model in self.accuracy}
        kept = {model: shares[~np.isnan(shares)] for model, shares in found.items()}
        return {model: shares for model, shares in kept.items() if shares.size}


def run(
    *,
    test: Annotated[
        Test, typer.Option("--test", help=N_("What is tested: size, shift, permute or lookup."))
    ] = "size",
    models: Annotated[
        str | None,
        typer.Option(
            help=N_(
                "Of cnn, cnn-mean, cnn-large, mlp, mixer, vit; with commas between. The default"
                " depends on the test."
            )
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            help=N_(
                "Pictures to train on: by default all 1400 digits, for a lookup 25600; for sizes"
                " several numbers, by default 50,100,200,400,1400."
            )
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=_MOST_SEEDS, help=N_("Networks of each kind; by default 3, 1 if quick.")
        ),
    ] = None,
    train_steps: Annotated[
        int | None,
        typer.Option(
            min=1, max=_MOST_STEPS, help=N_("Steps of training; by default 300, for a lookup 500.")
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=256, help=N_("Pictures in a step."))] = 64,
    lr: Annotated[float, typer.Option(help=N_("Learning rate of AdamW."))] = 3e-3,
    device: Device = "auto",
    quick: Quick = False,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Bias:
    """Train every model on the same pictures, in the same batches, `seeds` networks each.

    Raises:
        BadInput: an unknown model, an option out of range, more work than a class waits for, no
            such device.
    """
    o = _Options(
        test=test, models=models, images=images, seeds=seeds, train_steps=train_steps,
        batch=batch, lr=lr, quick=quick, seed=seed,
    ).checked()  # fmt: skip
    return _measure(o, device, watch or (lambda done, doing, view=None: None))


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart; None until `checked` fills it in."""

    test: Test
    models: Any
    images: Any
    seeds: Any
    train_steps: Any
    batch: int
    lr: float
    quick: bool
    seed: int

    def checked(self) -> "_Options":
        """These options with nothing left open; or BadInput."""
        if self.test not in PLANS:
            raise BadInput(f"--test {self.test}", _("one of {all}").format(all=", ".join(PLANS)))
        plan, quick = self.plan, self.quick
        images = (plan.quick_images if quick else plan.images) if self.images is None else None
        filled = replace(
            self,
            models=_models(plan.models if self.models is None else self.models),
            images=_images(self.test, self.images if images is None else images),
            seeds=(1 if quick else 3) if self.seeds is None else self.seeds,
            train_steps=(plan.quick_steps if quick else plan.steps)
            if self.train_steps is None
            else self.train_steps,
        )
        require(filled.seeds, "seeds", 1, _MOST_SEEDS)
        require(filled.train_steps, "train-steps", 1, _MOST_STEPS)
        require(filled.batch, "batch", 1, 256)
        require(filled.lr, "lr", 0.0, 1.0)
        require(filled.seed, "seed", 0)
        work = sum(map(filled.work, filled.jobs))
        if work > _MOST_WORK:
            raise BadInput(
                _("{n} times more work than can be waited for").format(n=number(work / _MOST_WORK)),
                _("fewer --models, --seeds or --images, or fewer steps"),
                f"--train-steps {max(1, int(filled.train_steps * _MOST_WORK / work))}",
            )
        return filled

    @property
    def plan(self) -> Plan:
        return PLANS[self.test]

    @cached_property
    def each_model(self) -> list[str]:
        return str(self.models).split(",")

    @cached_property
    def each_images(self) -> list[int]:
        return [int(n) for n in self.images.split(",")]

    @cached_property
    def measured_at(self) -> list[int]:
        """The steps after which a lookup is tested, the last included."""
        every = max(1, self.train_steps // _MEASUREMENTS)
        return sorted({*range(every, self.train_steps - every // 2, every), self.train_steps})

    @cached_property
    def conditions(self) -> list[str]:
        """Under what the networks are compared."""
        if self.test == "size":
            return [str(n) for n in self.each_images]
        if self.test == "shift":
            return [str(distance) for distance in range(_MARGIN + 1)]
        return list(_ORDERS) if self.test == "permute" else [str(n) for n in self.measured_at]

    @cached_property
    def jobs(self) -> "list[_Job]":
        """All trainings: the first seed's before the others', the longest of each first."""
        apart = self.conditions if self.test in ("size", "permute") else [""]
        found = [
            _Job(model, condition, which)
            for which in range(self.seeds)
            for model in self.each_model
            for condition in apart
        ]
        return sorted(found, key=lambda job: (job.which, -self.work(job)))

    def work(self, job: "_Job") -> float:
        """What a training takes on one core, in milliseconds or so."""
        m = MODELS[job.model]
        side = self.plan.side // (self.plan.patch if m.page in ("vit", "mixer") else 1)
        return float(m.cost * side**2 * self.train_steps * max(0.2, self.batch / 64))

    def split(self, condition: str, which: int) -> tuple[Sample, dict[str, Sample]]:
        """What networks number `which` are trained on, and what on they are tested.

        The same for all models. The test is the same whatever the number of images; the smaller
        training sets are parts of the larger.
        """
        rng = np.random.default_rng([self.seed, 0, which])
        n = int(condition) if self.test == "size" else self.each_images[0]
        if self.test == "lookup":
            seen = lookup.draw(rng, n)
            unseen = self.unseen_lookups(which)
            return Sample(seen.images, seen.labels), {"": Sample(unseen.images, unseen.labels)}
        training, tests = digits.split(rng, n)
        if self.test == "shift":
            seen_as = Sample(shifted(training.images, 0, 0), training.labels)
            return seen_as, {
                distance: _in_all_directions(tests, int(distance)) for distance in self.conditions
            }
        if self.test == "permute" and _ORDERS[condition]:
            p = _ORDERS[condition]
            order = self.order(p, which)
            training, tests = (
                digits.Digits(reordered(x.images, order, p), x.labels) for x in (training, tests)
            )
        return Sample(*training), {condition: Sample(*tests)}

    def unseen_lookups(self, which: int) -> lookup.Lookups:
        """The lookups that networks number `which` are tested on."""
        return lookup.draw(np.random.default_rng([self.seed, 1, which]), _TESTED)

    def order(self, p: int, which: int) -> Order:
        """Another order of the patches of side p of a digit."""
        rng = np.random.default_rng([self.seed, 2, which, p])
        return rng.permutation((self.plan.side // p) ** 2)

    def first(self, model: str, which: int) -> Any:
        """The parameters of a network before training."""
        rng = np.random.default_rng([self.seed, 3, which, list(MODELS).index(model)])
        return network(model, self.plan).init(rng)


_ORDERS = {"none": 0, "pixels": 1, "patches": _PATCH}  # side of what is in another order


def _in_all_directions(tests: digits.Digits, distance: int) -> Sample:
    """Every digit as often as there are directions."""
    ways = directions(distance)
    moved = [shifted(tests.images, *way) for way in ways]
    return Sample(np.concatenate(moved), np.tile(tests.labels, len(ways)))


def _models(text: str | Sequence[str]) -> str:
    """The models that are asked for, each once, with commas between; or BadInput."""
    words = text.split(",") if isinstance(text, str) else [str(word) for word in text]
    names = [word.strip().lower() for word in words if word.strip()]
    for name in names:
        if name not in MODELS:
            raise BadInput(f"--models {name}", _("models of {all}").format(all=", ".join(MODELS)))
    if not names:
        raise BadInput("--models ''", _("at least one of {all}").format(all=", ".join(MODELS)))
    return ",".join(dict.fromkeys(names))


def _images(test: Test, given: str | int | Sequence[int]) -> str:
    """The numbers of images in order, each once, with commas between; or BadInput."""
    if isinstance(given, str):
        words = given.split(",")
    else:
        words = [str(n) for n in ([given] if isinstance(given, int) else given)]
    found = set()
    for word in (each.strip() for each in words):
        if not (word.isascii() and word.isdigit() and len(word) < 10):
            expected = _("whole numbers with commas between")
            raise BadInput(f"--images {word or repr(word)}", expected, f"--images {_example(test)}")
        require(int(word), "images", 1, PLANS[test].most)
        found.add(int(word))
    most = _MOST_SIZES if test == "size" else 1
    if not 1 <= len(found) <= most:
        wrong = ngettext("{n} number of images", "{n} numbers of images", len(found))
        expected = _("from {low} to {high} of them").format(low=1, high=most)
        raise BadInput(wrong.format(n=len(found)), expected, f"--images {_example(test)}")
    return ",".join(map(str, sorted(found)))


def _example(test: Test) -> str:
    return PLANS[test].images


# Training


class _Job(NamedTuple):
    """One network to be trained; under one condition, or "" where one training is for all."""

    model: str
    condition: str
    which: int


class _Marks(NamedTuple):
    """What a network can under some conditions, after so many steps."""

    step: int
    accuracy: dict[str, float]
    looks: float = math.nan


def looks(p: vit.Classifier, unseen: lookup.Lookups, config: vit.Config, device: Any) -> float:
    """The share of its attention that the cell that asks gives to the one that answers; or back.

    A mean over the pictures, in the head and the direction that have most: the value can be fetched
    by the one, or the other learns that it is meant.
    """
    import torch

    x = torch.as_tensor(unseen.images, device=device)
    trace = vit.read(p.vit, vit.patchify(x, config.p), config.style, config.positions)
    rows = np.arange(len(x))
    pair = unseen.asking, unseen.answering
    heads = [w[rows, :, t, s].mean(0).max() for w in trace.weights for t, s in (pair, pair[::-1])]
    return float(max(heads))


def _learn(o: _Options, device: Any, job: _Job) -> Iterator[int | _Marks]:
    """Train one network; on the way, the number of steps done, and what it can when tested."""
    import torch

    from seqlab import train

    seen, unseen = o.split(job.condition, job.which)
    tests = {name: _tensors(sample, device) for name, sample in unseen.items()}
    p = train.trainable(o.first(job.model, job.which), device)
    classifier = network(job.model, o.plan)
    say = partial(scores, p, classifier=classifier)
    fit = train.fit_labels(
        p, say, *_tensors(seen, device), np.random.default_rng([o.seed, 4, job.which]),
        batch=o.batch, steps=o.train_steps, lr=o.lr, weight_decay=0.01, schedule="cosine",
    )  # fmt: skip
    measured_at = {o.train_steps, *(o.measured_at if o.test == "lookup" else [])}
    for step, _loss in fit:
        done = step + 1
        if done in measured_at:
            with torch.no_grad():
                found = {
                    name or str(done): train.share_right(say(x), labels)
                    for name, (x, labels) in tests.items()
                }
            shared = math.nan
            if o.test == "lookup" and classifier.name == "vit":
                with torch.no_grad():
                    shared = looks(p, o.unseen_lookups(job.which), classifier.config, device)
            yield _Marks(done, found, shared)
        elif done % _REPORT == 0:
            yield done


def _tensors(sample: Sample, device: Any) -> tuple[Any, Any]:
    import torch

    return tuple(torch.as_tensor(x, device=device) for x in sample)  # type: ignore[return-value]


def _measure(o: _Options, device_name: str, watch: Watch) -> Bias:
    """The trainings, side by side; whenever one is tested, the result so far is shown."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    device = train.device(device_name)
    steps = [0] * len(o.jobs)
    marks: dict[_Job, list[_Marks]] = {}
    result = _result(o, device.type, marks)
    work = np.array([o.work(job) for job in o.jobs])
    view: Callable[[], RenderableType] | None = None
    try:
        learn = partial(_learn, o, device)
        for at, item in train.side_by_side(learn, o.jobs, device=device):
            job = o.jobs[at]
            if isinstance(item, _Marks):
                steps[at] = item.step
                marks.setdefault(job, []).append(item)
                result = _result(o, device.type, marks)
                view = partial(show, result)
            else:
                steps[at] = item
            done = float((work * steps).sum() / (work.sum() * o.train_steps))
            ended = sum(step == o.train_steps for step in steps)
            watch(min(done, 1.0), _doing(job, ended, len(steps)), view)
    except Stopped:
        return replace(result, stopped=True)
    return result


def _doing(job: _Job, ended: int, everything: int) -> str:
    text = _("{model}, seed {which}; {done} of {all} networks trained")
    name = _(MODELS[job.model].name)
    return text.format(model=name, which=job.which + 1, done=ended, all=everything)


def _result(o: _Options, device: str, marks: dict[_Job, list[_Marks]]) -> Bias:
    """The result of what was tested so far."""
    accuracy: Accuracy = {
        model: {condition: [math.nan] * o.seeds for condition in o.conditions}
        for model in o.each_model
    }
    seen = [math.nan] * (o.seeds if o.test == "lookup" and "vit" in o.each_model else 0)
    for job, moments in marks.items():
        for moment in moments:
            for condition, share in moment.accuracy.items():
                accuracy[job.model][condition][job.which] = share
        if seen and job.model == "vit":
            seen[job.which] = moments[-1].looks
    options = {field.name: getattr(o, field.name) for field in fields(o)}
    return Bias(
        **options, device=device,
        chance=lookup.CHANCE if o.test == "lookup" else digits.CHANCE,
        parameters={m: trees.count(network(m, o.plan).init()) for m in o.each_model},
        conditions=o.conditions, accuracy=accuracy,
        diverged=sum(
            any(map(math.isnan, moments[-1].accuracy.values())) for moments in marks.values()
        ),
        looks=seen,
        series=_series(o, accuracy), examples=_examples(o),
    )  # fmt: skip


def _series(o: _Options, accuracy: Accuracy) -> list[Series]:
    """Accuracy of every model against the condition; orders, which are no numbers, count from 0."""
    x = range(len(o.conditions)) if o.test == "permute" else [int(c) for c in o.conditions]
    chance = lookup.CHANCE if o.test == "lookup" else digits.CHANCE
    return [
        series(model, list(x), np.array(list(by_condition.values())).T, chance)
        for model, by_condition in accuracy.items()
    ]


def _examples(o: _Options) -> list[Example]:
    """The first picture of the first seed's test, under every condition that changes pictures."""
    if o.test == "lookup":
        one = o.unseen_lookups(0)
        asking, answering = int(one.asking[0]) + 1, int(one.answering[0]) + 1
        pixels = one.images[0, 0].astype(float)
        return [Example("", pixels, int(one.labels[0]), asking, answering)]
    conditions = [o.conditions[-1]] if o.test == "size" else o.conditions
    found = []
    for condition in conditions:
        sample = o.split(condition, 0)[1][condition]
        # shifts begin with those up and to the left, and end with those down and to the right
        at = len(sample.labels) - digits.TESTS
        pixels = sample.images[at, 0].astype(float)
        found.append(Example(condition, pixels, int(sample.labels[at])))
    return found


# The oracle


def check(*, device: str = "auto", **options: Any) -> list[Check]:
    """The networks in torch.nn, in float64 on the CPU: scores, and gradients of the loss.

    On the first pictures that the first seed is tested on, with all parameters random, so that no
    bias is 0. And what is trained of a CNN against its page. Errors are relative to the largest
    number.
    """
    defaults = {
        "test": "size", "models": None, "images": None, "seeds": None, "train_steps": None,
        "batch": 64, "lr": 3e-3, "quick": False, "seed": 0,
    }  # fmt: skip
    o = _Options(**(defaults | options)).checked()
    sample = next(iter(o.split(o.conditions[0] if o.test != "lookup" else "", 0)[1].values()))
    few = Sample(sample.images[:8].astype(np.float64), sample.labels[:8])
    checks = []
    for model in o.each_model:
        p = _redrawn(o.first(model, 0), np.random.default_rng([o.seed, 5]))
        classifier, name = network(model, o.plan), _(MODELS[model].name)
        ours = _computed(p, few, classifier.scores)
        theirs = _computed(p, few, partial(_in_torch, config=classifier.config))
        texts = [_("{model} and torch"), _("{model}: gradients and torch")]
        pairs = list(zip(ours, theirs, strict=True))
        if classifier.name == "cnn":
            texts += [_("{model}: what is trained and its page"), _("{model}: its gradients too")]
            pairs += zip(_computed(p, few, partial(scores, classifier=classifier)), ours)
        checks += [
            Check(text.format(model=name), _error(*pair), 1e-9)
            for text, pair in zip(texts, pairs, strict=True)
        ]
    return checks


def _redrawn(p: Any, rng: np.random.Generator) -> Any:
    """The same parameters with noise on all of them."""
    return trees.convert(lambda w: w + rng.normal(0.0, 0.1, w.shape), p)


def _error(ours: Floats, theirs: Floats) -> float:
    """The largest difference, relative to the largest number; an oracle of zeros says nothing."""
    size = float(np.max(np.abs(theirs)))
    return float(np.max(np.abs(ours - theirs))) / size if size else math.inf


def _computed(p: Any, sample: Sample, say: Callable[[Any, Array], Array]) -> tuple[Floats, Floats]:
    """The scores, and the gradients of the loss by all parameters, one after the other."""
    import torch

    from seqlab import train

    q = train.trainable(p, dtype=torch.float64)
    images, labels = _tensors(sample, "cpu")
    y = say(q, images)
    torch.nn.functional.cross_entropy(y, labels).backward()  # type: ignore[no-untyped-call]
    gradients = torch.cat([leaf.grad.flatten() for _name, leaf in trees.leaves(q)])
    return y.detach().numpy(), gradients.numpy()


def _in_torch(p: Any, x: Array, config: Any) -> Array:
    """A network in torch's functions: pictures (b, 1, n1, n2) -> scores (b, k)."""
    import torch
    import torch.nn.functional as F

    def norm(q: Any, x: Array) -> Array:
        return F.layer_norm(x, (x.shape[-1],), q.weight, q.bias, 1e-6)

    def feed_forward(q: Any, x: Array) -> Array:
        return F.linear(F.gelu(F.linear(x, q.W_1.T, q.b_1)), q.W_2.T, q.b_2)

    def attend(q: Any, x: Array) -> Array:
        t = x.transpose(0, 1)
        biases = torch.cat([q.b_q, q.b_k, q.b_v])
        return F.multi_head_attention_forward(
            t, t, t, t.shape[-1], config.h, None, biases, None, None, False, 0.0, q.W_o.T, q.b_o,
            need_weights=False, use_separate_proj_weight=True,
            q_proj_weight=q.W_q.T, k_proj_weight=q.W_k.T, v_proj_weight=q.W_v.T,
        )[0].transpose(0, 1)  # fmt: skip

    kind = type(config).__module__.rpartition(".")[2]
    if kind == "conv":
        for layer in p.layers:
            y = F.unfold(x, config.k, padding=config.k // 2)  # (b, c k k, n1 n2)
            y = layer.weight.flatten(1) @ y + layer.bias[:, None]
            x = F.max_pool2d(F.relu(y.unflatten(2, x.shape[-2:])), 2)
        x = F.adaptive_avg_pool2d(x, 1) if config.mean else x
        return F.linear(x.flatten(1), p.head.W.T, p.head.b)
    if kind == "mlp":
        x = x.flatten(1)
        for layer in p.layers:
            x = F.relu(F.linear(x, layer.W.T, layer.b))
        return F.linear(x, p.head.W.T, p.head.b)
    E, b = (p.vit.embedding.E, p.vit.embedding.b) if kind == "vit" else (p.E, p.b)
    kernel = E.T.unflatten(1, (config.c, config.p, config.p))
    x = F.conv2d(x, kernel, b, stride=config.p).flatten(2).transpose(1, 2)
    if kind == "vit":
        x = x + p.vit.embedding.pos
        for block in p.vit.blocks:
            x = x + attend(block.attention, norm(block.norm_1, x))
            x = x + feed_forward(block.feed_forward, norm(block.norm_2, x))
        return F.linear(norm(p.vit.norm, x).mean(1), p.head.W.T, p.head.b)
    for block in p.blocks:
        x = x + feed_forward(block.token, norm(block.norm_1, x).transpose(1, 2)).transpose(1, 2)
        x = x + feed_forward(block.channel, norm(block.norm_2, x))
    return F.linear(norm(p.norm, x).mean(1), p.head.W.T, p.head.b)


# The screen

_TITLES: dict[str, tuple[str, str]] = {
    "size": (N_("How many pictures does each network need?"), "yᵢⱼ = b + Σᵤᵥ wᵤᵥ xᵢ₊ᵤ,ⱼ₊ᵥ"),
    "shift": (N_("Does a network know a digit that has moved?"), "w ∗ (T x) = T (w ∗ x)"),
    "permute": (N_("Who needs pixels to be where they were?"), "(W P⁻¹)(P x) = W x"),
    "lookup": (N_("Who can look something up?"), "softmax(q Kᵀ / √d) V"),
}
_ABOUT = {
    "size": N_(
        "Digits of 8 × 8 pixels; {tests} others to test with; {networks} of {low} to {high}"
        " parameters, {steps} steps of {batch} whatever the number of digits; patches of 2 × 2."
    ),
    "shift": N_(
        "{images} digits in the middle of 12 × 12 pixels to learn from, {tests} others moved in"
        " all 8 directions; {networks} of {low} to {high} parameters, {steps} steps of {batch}."
    ),
    "permute": N_(
        "{images} digits of 8 × 8 pixels, {tests} others to test with, each {each} points; all in"
        " the same other order; {networks} of {low} to {high} parameters, {steps} steps of {batch}."
    ),
    "lookup": N_(
        "Eight of nine cells have a key (above) and a value (below), one has a key alone: which"
        " value has the same key? {images} pictures; {networks} of {low} to {high} parameters,"
        " {steps} steps of {batch}. The patches of ViT and Mixer are the cells."
    ),
}
_PUBLISHED = {  # numbers of the papers, which nothing here measures
    "size": N_(
        "Published, not measured here (Dosovitskiy et al. 2020, table 5, ImageNet): pre-trained on"
        " ImageNet-1k ViT-B/16 77.91 %, ViT-L/16 76.53 %; on JFT-300M 84.15 %, 87.12 %."
    ),
    "permute": N_(
        "Published, not measured here (Tolstikhin et al. 2021, fig. 4): with pixels permuted at"
        " the scale of ImageNet the Mixer drops by about 45 %, the ResNet by about 75 %."
    ),
}
_HEADS = {
    "size": N_("% right after digits"),
    "shift": N_("% right, pixels moved"),
    "permute": N_("% right, other order of"),
    "lookup": N_("% right after steps"),
}
_NAMED = {"none": N_("nothing"), "pixels": N_("pixels"), "patches": N_("patches")}


def show(result: Bias, detail: bool = False) -> RenderableType:
    """Accuracy against what is changed, the same in numbers, and what larger scale shows."""
    question, equation = _TITLES[result.test]
    figures = {"size": _sizes, "shift": _shifts, "permute": _orders, "lookup": _lookups}
    parts: list[RenderableType] = [
        Title(_(question), equation), Note(_about(result)), figures[result.test](result),
        _table(result),
    ]  # fmt: skip
    if result.test in _PUBLISHED:
        parts.append(Note(_(_PUBLISHED[result.test])))
    if detail:
        parts.append(_each_network(result))
        parts += [_pictures(result, 8)] if result.test == "size" else []
    return Group(*parts)


def _about(result: Bias) -> str:
    """The pictures, the networks and their training."""
    networks = ngettext("{n} network each", "{n} networks each", result.seeds)
    return _(_ABOUT[result.test]).format(
        images=result.images, tests=digits.TESTS, each=number(100 / digits.TESTS),
        networks=networks.format(n=result.seeds),
        low=count(min(result.parameters.values())), high=count(max(result.parameters.values())),
        steps=result.train_steps, batch=result.batch,
    )  # fmt: skip


def _sizes(result: Bias) -> RenderableType:
    return _curves(result, _("digits to learn from"), height=12, x_scale="log")


def _shifts(result: Bias) -> RenderableType:
    curves = _curves(result, _("pixels moved"), height=12)
    return Beside(curves, _pictures(result, 6, across=1), left_width=72)


def _lookups(result: Bias) -> RenderableType:
    (example,) = result.examples
    title = _("cell {asking} asks, {answering} answers").format(
        asking=example.asking, answering=example.answering
    )
    picture = Picture(
        example.pixels, grid=(lookup.GRID, lookup.GRID), highlight=example.answering,
        max_width=36, max_height=14, title=title, numbers=False,
    )  # fmt: skip
    return Beside(_curves(result, _("steps of training"), height=12), picture, left_width=62)


def _orders(result: Bias) -> RenderableType:
    """A bar for every model in every order, the spread of the seeds on it; and the pictures."""
    labels, keys, runs = [], [], []
    for model, by_condition in result.accuracy.items():
        for condition, shares in by_condition.items():
            name = _(MODELS[model].name)
            order = _("{model}, {order} permuted").format(model=name, order=_(_NAMED[condition]))
            labels.append(name if condition == "none" else order)
            keys.append(MODELS[model].ink)
            runs.append(100 * np.array(shares))
    s = series("", range(len(runs)), np.array(runs).T)
    bars = Bars(labels, s.median, keys=keys, units="%", low=s.low, high=s.high)
    return Beside(bars, _pictures(result, 4, across=1), left_width=76)


def _curves(
    result: Bias, x_label: str, height: int, x_scale: Literal["linear", "log"] = "linear"
) -> Curves:
    """Accuracy of every model: the median of its networks, a band from the worst to the best."""
    x = result.series[0].x
    chance = Line(_("chance"), x, np.full(len(x), result.chance), key="theory", dashed=True)
    lines = [
        Line(
            _(MODELS[s.name].name), s.x, s.median, s.low, s.high, key=MODELS[s.name].ink,
            dashed=not MODELS[s.name].usual, marked=True,
        )
        for s in result.series
    ]  # fmt: skip
    return Curves(
        [chance, *lines], x_label=x_label, y_label=_("share right"), x_scale=x_scale,
        height=height, y_range=(0, 1),
    )  # fmt: skip


def _pictures(result: Bias, height: int, across: int | None = None) -> Panels:
    """What the networks see."""
    panels = [
        (_seen_as(result, example), Picture(example.pixels, max_height=height))
        for example in result.examples
    ]
    return Panels(panels, min_width=20, columns=across)


def _seen_as(result: Bias, example: Example) -> str:
    """What was done to a picture."""
    if result.test == "shift":
        moved = ngettext("moved by {n} pixel", "moved by {n} pixels", int(example.condition))
        return moved.format(n=example.condition)
    if result.test == "permute" and example.condition != "none":
        return _("{order} permuted").format(order=_(_NAMED[example.condition]))
    return _("a {digit} as it is").format(digit=example.label)


def _table(result: Bias) -> Table:
    """Every model's size, and its networks' accuracies: the median, the worst and the best."""
    conditions = result.conditions
    if result.test == "lookup":  # of the way there, what fits in a line
        at = np.linspace(0, len(conditions) - 1, 5).round().astype(int)[1:]
        conditions = [conditions[i] for i in dict.fromkeys(at)]
    spelled = _whole if len(conditions) > 4 else _tenths
    rows = [
        [
            _(MODELS[model].name),
            count(result.parameters[model]),
            *(_spread(result.shares(model, condition), spelled) for condition in conditions),
        ]
        for model in result.accuracy
    ]
    head: list[Column | str] = [Column(_(_HEADS[result.test]), "left"), _("parameters")]
    return Table([*head, *(_column(result, c) for c in conditions)], rows, keys=_keys(result))


def _column(result: Bias, condition: str) -> str:
    return _(_NAMED[condition]) if result.test == "permute" else condition


def _keys(result: Bias) -> list[str]:
    return [MODELS[model].ink for model in result.accuracy]


def _each_network(result: Bias) -> Table:
    """The accuracy of each network, seed by seed."""
    rows = [
        [_(MODELS[model].name), *(" ".join(map(_tenths, shares)) for shares in by.values())]
        for model, by in result.accuracy.items()
    ]
    head: Column | str = Column(_("% right, each network"), "left")
    columns = [head, *(_column(result, condition) for condition in result.conditions)]
    return Table(columns, rows, keys=_keys(result))


def _tenths(share: float) -> str:
    """A share in percent, where 100 is said only of all."""
    return "–" if math.isnan(share) else f"{100 if share == 1 else min(100 * share, 99.9):.1f}"


def _whole(share: float) -> str:
    """The same without the tenths."""
    return f"{100 if share == 1 else min(100 * share, 99.0):.0f}"


def _spread(shares: Floats, spelled: Callable[[float], str] = _tenths) -> str:
    """The median of the networks that there are, and from which to which they reach."""
    known = shares[~np.isnan(shares)]
    if not known.size:
        return "–"
    middle, low, high = (spelled(float(f(known))) for f in (np.median, np.min, np.max))
    return middle if low == high else f"{middle} ({low}–{high})"


# The sentences


def takeaways(result: Bias) -> list[str]:
    """What this run showed of the networks that are trained."""
    said = []
    if result.diverged:
        text = ngettext(
            "{n} network diverged: its scores are no numbers. Try a smaller --lr.",
            "{n} networks diverged: their scores are no numbers. Try a smaller --lr.",
            result.diverged,
        )
        said.append(text.format(n=result.diverged))
    known = [condition for condition in result.conditions if result.known(condition)]
    if not known:
        return said or [_("No network has been trained to its end yet.")]
    sentences: dict[str, Callable[[Bias, list[str]], list[str]]] = {
        "size": _of_sizes, "shift": _of_shifts, "permute": _of_orders, "lookup": _of_lookups,
    }  # fmt: skip
    return said + sentences[result.test](result, known)


def _of_sizes(result: Bias, known: list[str]) -> list[str]:
    """All models with the fewest digits; then pair by pair, whether a lead lasts."""
    said = [
        _("With {n} digits: {shares}.").format(n=known[0], shares=_all_shares(result, known[0]))
    ]
    pairs = [("cnn", "vit"), ("mlp", "vit")]
    found = [_lead(result, *pair) for pair in pairs if set(pair) <= set(result.accuracy)]
    return said + [sentence for sentence in found if sentence]


def _lead(result: Bias, model: str, other: str) -> str:
    """Whether one is ahead of the other from the fewest digits on, and to the most."""
    gaps = {c: _gap(result, (model, c), (other, c)) for c in result.conditions}
    gaps = {c: gap for c, gap in gaps.items() if gap.size}
    if not gaps:
        return ""
    names = {"model": _(MODELS[model].name), "other": _(MODELS[other].name)}
    points = [
        _("with {n} digits {difference}").format(n=c, difference=_difference(gaps[c]))
        for c in dict.fromkeys((next(iter(gaps)), next(reversed(gaps))))
    ]
    first = _("{model} against {other}: {points}.").format(**names, points=_(", ").join(points))
    if all((gap > 0).all() for gap in gaps.values()):
        return first + _(" {model} is ahead at every number, with every seed.").format(**names)
    if all((gap < 0).all() for gap in gaps.values()):
        return first + _(" {other} is ahead at every number, with every seed.").format(**names)
    behind = [c for c, gap in gaps.items() if not (gap > 0).all()]
    text = _(" {model} is not ahead with every seed at {numbers}.")
    return first + text.format(**names, numbers=_(", ").join(behind))


def _of_shifts(result: Bias, known: list[str]) -> list[str]:
    """What is left of each at the largest shift; and what a mean over the places is worth."""
    far = known[-1]
    moved = ngettext("Moved by {n} pixel: {shares}.", "Moved by {n} pixels: {shares}.", int(far))
    said = [moved.format(n=far, shares=_all_shares(result, far))]
    gap = _between(result, "cnn-mean", "cnn", far)
    if gap.size:
        still = _between(result, "cnn-mean", "cnn", known[0])
        text = _(
            "The same convolutions, read by their mean over the places instead of place by place:"
            " {moved} there, {still} in the middle."
        )
        said.append(text.format(moved=_difference(gap), still=_difference(still)))
    cnn = _between(result, "cnn", "mlp", far)
    if cnn.size:
        text = _("Convolutions alone, read place by place, against the MLP there: {difference}.")
        said.append(text.format(difference=_difference(cnn)))
    return said


def _of_orders(result: Bias, known: list[str]) -> list[str]:
    """What every model loses when pixels, or patches, are permuted."""
    said = []
    patterns = {
        "pixels": _("Pixels permuted: {losses}."),
        "patches": _("Patches permuted: {losses}."),
    }
    for condition in known:
        if condition not in patterns:
            continue
        losses = []
        for model in result.accuracy:
            gap = _gap(result, (model, condition), (model, "none"))
            if gap.size:
                losses.append(
                    _("{model} {difference}").format(
                        model=_(MODELS[model].name), difference=_difference(gap)
                    )
                )
        if losses:
            said.append(patterns[condition].format(losses=_("; ").join(losses)))
    return said


def _of_lookups(result: Bias, known: list[str]) -> list[str]:
    """Who finds the value, who does not, and whether size helps the CNN."""
    last = known[-1]
    groups: dict[str, list[str]] = {"finds": [], "seed": [], "not": []}
    for model, shares in result.known(last).items():
        fate = "finds" if shares.min() >= _SOLVED else "not" if shares.max() < _SOLVED else "seed"
        text = _("{model} ({share})")
        groups[fate].append(text.format(model=_(MODELS[model].name), share=_ends(shares)))
    patterns = {
        "finds": _("by {models}"),
        "seed": _("with some seeds by {models}"),
        "not": _("not by {models}"),
    }
    parts = [
        patterns[fate].format(models=_(", ").join(models))
        for fate, models in groups.items()
        if models
    ]
    text = ngettext(
        "After {n} step the value is found {parts}; chance is {chance}.",
        "After {n} steps the value is found {parts}; chance is {chance}.",
        int(last),
    )
    chance = f"{100 * result.chance:.0f} %"
    said = [text.format(n=last, parts=_("; ").join(parts), chance=chance)]
    looks = np.array([share for share in result.looks if not math.isnan(share)])
    if looks.size:
        text = _(
            "In the ViT's most telling head one of the two cells, that asks and that answers, gives"
            " {share} of its attention to the other; spread evenly it would be {even}."
        )
        even = f"{100 / lookup.GRID**2:.0f} %"
        said.append(text.format(share=_ends(looks), even=even))
    gap = _between(result, "cnn-large", "cnn", last)
    if gap.size:
        text = _("A CNN of {many} parameters instead of {few}: {difference}.")
        said.append(
            text.format(
                many=count(result.parameters["cnn-large"]), few=count(result.parameters["cnn"]),
                difference=_difference(gap),
            )
        )  # fmt: skip
    return said


def _between(result: Bias, model: str, other: str, condition: str) -> Floats:
    """By how much a model is better than another under a condition, seed by seed; or nothing."""
    if not {model, other} <= set(result.accuracy):
        return np.empty(0)
    return _gap(result, (model, condition), (other, condition))


def _gap(result: Bias, one: tuple[str, str], other: tuple[str, str]) -> Floats:
    """The difference in points of two (model, condition), of the seeds that have both."""
    found = 100 * (result.shares(*one) - result.shares(*other))
    return found[~np.isnan(found)].round(9)  # what differs by rounding alone is the same


def _difference(gap: Floats) -> str:
    """The points of a difference, one a seed: a verdict only where all seeds agree."""
    low, high = float(gap.min()), float(gap.max())
    if low == high == 0:
        return _("just as many")
    if low <= 0 <= high:
        return _("{loss} points less to {gain} more: it depends on the seed").format(
            loss=f"{abs(low):.1f}", gain=f"{high:.1f}"
        )
    near, far = (f"{points:.1f}" for points in sorted((abs(low), abs(high))))
    span = near if near == far else f"{near}–{far}"
    text = _("{span} points more") if low > 0 else _("{span} points less")
    if len(gap) == 1:
        return _("{points} (one seed)").format(points=text.format(span=span))
    return text.format(span=span)


def _all_shares(result: Bias, condition: str) -> str:
    """Every model with its median, the best first."""
    known = result.known(condition)
    best = sorted(known, key=lambda model: -float(np.median(known[model])))
    pattern = _("{model} {share}")
    return _(", ").join(
        pattern.format(model=_(MODELS[m].name), share=_percent(float(np.median(known[m]))))
        for m in best
    )


def _percent(share: float) -> str:
    return f"{_tenths(share)} %"


def _ends(shares: Floats) -> str:
    """The worst and the best network."""
    ends = dict.fromkeys(_tenths(share) for share in (shares.min(), shares.max()))
    return "–".join(ends) + " %"


def question(result: Bias) -> Question:
    """Which model is best, or loses most, where the test is hardest."""
    texts = {
        "size": _("Which network gets the most right with {condition} digits to learn from?"),
        "shift": _("Which network gets the most right when digits are {condition} pixels away?"),
        "permute": _("Which network loses the most when the {condition} are permuted?"),
        "lookup": _("Which network answers best after {condition} steps?"),
    }
    condition = {"size": result.conditions[0], "permute": "pixels"}.get(
        result.test, result.conditions[-1]
    )
    models = list(result.accuracy)
    values = np.array([_worth(result, model, condition) for model in models])  # (models, seeds)
    values = values[:, ~np.isnan(values).any(axis=0)]
    winners = {int(i) for i in values.argmax(axis=0)} if values.size else set()
    tied = values.size and ((values == values.max(axis=0)).sum(axis=0) > 1).any()
    answer = winners.pop() if len(winners) == 1 and not tied else len(models)
    spelled = [f"{_(MODELS[m].name)} {_spread(result.shares(m, condition))}" for m in models]
    return Question(
        texts[result.test].format(condition=_column(result, condition)),
        [*(_(MODELS[model].name) for model in models), _("it depends on the seed")],
        answer,
        _("In % right: {found}.").format(found=_(", ").join(spelled)),
    )


def _worth(result: Bias, model: str, condition: str) -> Floats:
    """By what models are compared: the share that is right, or the share that is lost."""
    shares = result.shares(model, condition)
    return result.shares(model, "none") - shares if result.test == "permute" else shares
