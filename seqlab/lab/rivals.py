"""Rival networks of about one size, the pictures they are trained on, and their training.

What `bias` compares.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqlab import classifiers
from seqlab.book import conv, vit
from seqlab.book.ops import Array
from seqlab.classifiers import Classifier
from seqlab.figures.glyphs import number
from seqlab.lab import BadInput, one_of, require, some_of
from seqlab.locale import N_, _, ngettext
from seqlab.tasks import digits, lookup

Pictures = NDArray[np.float32]  # (b, 1, n1, n2)
Order = NDArray[np.int64]
Test = Literal["size", "shift", "permute", "lookup"]

_MOST_SIZES, MOST_SEEDS, MOST_STEPS = 10, 10, 5000
_MOST_WORK = 2e6  # milliseconds on one core: half an hour
MARGIN = 2  # pixels of paper on every side of a digit that is shifted
_PATCH = 2  # pixels a side of a digit's patches
TESTED = 1000  # pictures that a lookup is tested on
_MEASUREMENTS = 10  # of a lookup, on the way
_REPORT = 10  # steps


# The networks


class Model(NamedTuple):
    """A network of the five of `classifiers`, or a variety of one.

    `cost`: milliseconds on one core for 64 pictures forth and back, a pixel or, where it has
    patches, a patch: by it trainings are put in order, and too long ones refused.
    """

    name: str
    page: classifiers.Name
    cost: float
    ink: str  # the key of its colour: where it has none of its own, one that no other has here
    mean: bool = False  # a CNN reads the mean over all places
    widths: tuple[int, ...] = ()  # channels of a CNN, where they are not the usual ones


MODELS = {
    "cnn": Model("CNN", "cnn", 0.08, "cnn"),
    "cnn-mean": Model(N_("CNN with a mean"), "cnn", 0.08, "gru", mean=True),
    "cnn-large": Model(N_("CNN, wider"), "cnn", 0.2, "attention", widths=(64, 96)),
    "mlp": Model("MLP", "mlp", 0.01, "linear"),
    "mixer": Model("Mixer", "mixer", 0.55, "mixer"),
    "vit": Model("ViT", "vit", 0.75, "vit"),
}


class Plan(NamedTuple):
    """What a test takes when nothing else is said, and the pictures that it is about."""

    models: str
    images: str  # to train on; with commas between where there are several numbers
    quick_images: str
    steps: int
    most: int  # images at the most
    side: int  # pixels
    patch: int
    classes: int


PLANS: dict[Test, Plan] = {
    "size": Plan(
        "cnn,mlp,mixer,vit", "50,100,200,400,1400", "50,1400", 300,
        digits.MOST, digits.SIDE, _PATCH, digits.CLASSES,
    ),
    "shift": Plan(
        "cnn,cnn-mean,mlp,mixer,vit", "1400", "1400", 300,
        digits.MOST, digits.SIDE + 2 * MARGIN, _PATCH, digits.CLASSES,
    ),
    "permute": Plan(
        "cnn,mlp,mixer,vit", "1400", "1400", 300,
        digits.MOST, digits.SIDE, _PATCH, digits.CLASSES,
    ),
    "lookup": Plan(
        "cnn,mlp,mixer,vit", "25600", "25600", 450,
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
    around = ((0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))
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


# What is asked for


@dataclass(frozen=True)
class Options:
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

    def checked(self) -> "Options":
        """These options with nothing left open; or BadInput."""
        one_of(self.test, "test", PLANS)
        plan, quick = self.plan, self.quick
        images = (plan.quick_images if quick else plan.images) if self.images is None else None
        filled = replace(
            self,
            models=",".join(
                some_of(plan.models if self.models is None else self.models, "models", MODELS)
            ),
            images=_images(self.test, self.images if images is None else images),
            seeds=(1 if quick else 3) if self.seeds is None else self.seeds,
            train_steps=plan.steps if self.train_steps is None else self.train_steps,
        )
        require(filled.seeds, "seeds", 1, MOST_SEEDS)
        require(filled.train_steps, "train-steps", 1, MOST_STEPS)
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
            return [str(distance) for distance in range(MARGIN + 1)]
        return list(ORDERS) if self.test == "permute" else [str(n) for n in self.measured_at]

    @cached_property
    def jobs(self) -> "list[Job]":
        """All trainings: the first seed's before the others', the longest of each first."""
        apart = self.conditions if self.test in ("size", "permute") else [""]
        found = [
            Job(model, condition, which)
            for which in range(self.seeds)
            for model in self.each_model
            for condition in apart
        ]
        return sorted(found, key=lambda job: (job.which, -self.work(job)))

    def work(self, job: "Job") -> float:
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
        if self.test == "permute" and ORDERS[condition]:
            p = ORDERS[condition]
            order = self.order(p, which)
            training, tests = (
                digits.Digits(reordered(x.images, order, p), x.labels) for x in (training, tests)
            )
        return Sample(*training), {condition: Sample(*tests)}

    def unseen_lookups(self, which: int) -> lookup.Lookups:
        """The lookups that networks number `which` are tested on."""
        return lookup.draw(np.random.default_rng([self.seed, 1, which]), TESTED)

    def order(self, p: int, which: int) -> Order:
        """Another order of the patches of side p of a digit."""
        rng = np.random.default_rng([self.seed, 2, which, p])
        return rng.permutation((self.plan.side // p) ** 2)

    def first(self, model: str, which: int) -> Any:
        """The parameters of a network before training."""
        rng = np.random.default_rng([self.seed, 3, which, list(MODELS).index(model)])
        return network(model, self.plan).init(rng)


ORDERS = {"none": 0, "pixels": 1, "patches": _PATCH}  # side of what is in another order


def _in_all_directions(tests: digits.Digits, distance: int) -> Sample:
    """Every digit as often as there are directions."""
    ways = directions(distance)
    moved = [shifted(tests.images, *way) for way in ways]
    return Sample(np.concatenate(moved), np.tile(tests.labels, len(ways)))


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
    if len(found) > most:
        wrong = ngettext("{n} number of images", "{n} numbers of images", len(found))
        expected = ngettext("one number", "at most {n} numbers", most).format(n=most)
        raise BadInput(wrong.format(n=len(found)), expected, f"--images {_example(test)}")
    return ",".join(map(str, sorted(found)))


def _example(test: Test) -> str:
    return PLANS[test].images


# Training


class Job(NamedTuple):
    """One network to be trained; under one condition, or "" where one training is for all."""

    model: str
    condition: str
    which: int


class Marks(NamedTuple):
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


def learn(o: Options, device: Any, job: Job) -> Iterator[int | Marks]:
    """Train one network; on the way, the number of steps done, and what it can when tested."""
    import torch

    from seqlab import train

    seen, unseen = o.split(job.condition, job.which)
    tests = {name: tensors(sample, device) for name, sample in unseen.items()}
    p = train.trainable(o.first(job.model, job.which), device)
    classifier = network(job.model, o.plan)
    say = partial(scores, p, classifier=classifier)
    fit = train.fit_labels(
        p, say, *tensors(seen, device), np.random.default_rng([o.seed, 4, job.which]),
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
            yield Marks(done, found, shared)
        elif done % _REPORT == 0:
            yield done


def tensors(sample: Sample, device: Any) -> tuple[Any, Any]:
    import torch

    return tuple(torch.as_tensor(x, device=device) for x in sample)  # type: ignore[return-value]
