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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import trees
from seqlab.book.ops import Array
from seqlab.figures.bars import Bars
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import count, number
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.picture import Picture
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import (
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
    series,
)
from seqlab.lab.mixing import compared
from seqlab.lab.rivals import (
    MARGIN,
    MODELS,
    MOST_SEEDS,
    MOST_STEPS,
    Job,
    Marks,
    Options,
    Test,
    learn,
    network,
    scores,
    tensors,
)
from seqlab.locale import N_, _, listed, ngettext
from seqlab.tasks import digits, lookup

Floats = NDArray[np.float64]
Accuracy = dict[str, dict[str, list[float]]]  # model -> condition -> a share a network

_ORANGE = (0.9, 0.62, 0.0)
_SOLVED = 0.9  # the share of right answers from which on a network finds what it is asked for


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
                "Of cnn, mlp, mixer, vit, cnn-mean (its classifier reads the mean over all places),"
                " cnn-large (twice as wide); with commas between. The default depends on the test."
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
            min=1, max=MOST_SEEDS, help=N_("Networks of each kind; by default 3, 1 if quick.")
        ),
    ] = None,
    train_steps: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_STEPS, help=N_("Steps of training; by default 300, for a lookup 450.")
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
    o = Options(
        test=test, models=models, images=images, seeds=seeds, train_steps=train_steps,
        batch=batch, lr=lr, quick=quick, seed=seed,
    ).checked()  # fmt: skip
    return _measure(o, device, watch or (lambda done, doing, view=None: None))


# The measurement


def _measure(o: Options, device_name: str, watch: Watch) -> Bias:
    """The trainings, side by side; whenever one is tested, the result so far is shown."""
    watch(0.0, _("loading torch"))
    from seqlab import train

    device = train.device(device_name)
    steps = [0] * len(o.jobs)
    marks: dict[Job, list[Marks]] = {}
    result = _result(o, device.type, marks)
    work = np.array([o.work(job) for job in o.jobs])
    view: Callable[[], RenderableType] | None = None
    try:
        work_on = partial(learn, o, device)
        for at, item in train.side_by_side(work_on, o.jobs, device=device):
            job = o.jobs[at]
            if isinstance(item, Marks):
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


def _doing(job: Job, ended: int, everything: int) -> str:
    text = _("{model}, seed {which}; {done} of {all} networks trained")
    name = _(MODELS[job.model].name)
    return text.format(model=name, which=job.which + 1, done=ended, all=everything)


def _result(o: Options, device: str, marks: dict[Job, list[Marks]]) -> Bias:
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


def _series(o: Options, accuracy: Accuracy) -> list[Series]:
    """Accuracy of every model against the condition; orders, which are no numbers, count from 0."""
    x = range(len(o.conditions)) if o.test == "permute" else [int(c) for c in o.conditions]
    chance = lookup.CHANCE if o.test == "lookup" else digits.CHANCE
    return [
        series(model, list(x), np.array(list(by_condition.values())).T, chance)
        for model, by_condition in accuracy.items()
    ]


@cache
def _examples(o: Options) -> list[Example]:
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
    """The networks in torch's own functions, in float64: scores, and gradients of the loss.

    On the first pictures that the first seed is tested on, with noise on all parameters, so that no
    bias is 0. A CNN both as on its page and as it is trained. Errors are relative to the largest
    number.
    """
    import torch

    from seqlab import oracles

    defaults = {
        "test": "size", "models": None, "images": None, "seeds": None, "train_steps": None,
        "batch": 64, "lr": 3e-3, "quick": False, "seed": 0,
    }  # fmt: skip
    o = Options(**(defaults | options)).checked()
    tests = o.split(o.conditions[0] if o.test != "lookup" else "", 0)[1]
    images, labels = (each[:8] for each in tensors(next(iter(tests.values())), "cpu"))

    def output(say: Callable[[Any, Array], Array], p: Any) -> tuple[Array, Array]:
        y = say(p, images.double())
        return y, torch.nn.functional.cross_entropy(y, labels)

    checks = []
    for model in o.each_model:
        p = _redrawn(o.first(model, 0), np.random.default_rng([o.seed, 5]))
        classifier, name = network(model, o.plan), _(MODELS[model].name)
        theirs = partial(output, partial(oracles.scores, classifier))
        checks += compared(name, partial(output, classifier.scores), theirs, p)
        if classifier.name == "cnn":
            trained = partial(output, partial(scores, classifier=classifier))
            checks += compared(_("{model} as it is trained").format(model=name), trained, theirs, p)
    return checks


def _redrawn(p: Any, rng: np.random.Generator) -> Any:
    """The same parameters with noise on all of them."""
    return trees.convert(lambda w: w + rng.normal(0.0, 0.1, w.shape), p)


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
        "{images} digits of 8 × 8 pixels, {tests} others to test with (one digit: {each} points);"
        " all in the same other order; {networks} of {low} to {high} parameters, {steps} steps of"
        " {batch}."
    ),
    "lookup": N_(
        "A key is one inked pixel of eight, a value below it one inked column of four. One cell of"
        " nine has a key alone: which value has the same key? {images} pictures; {networks} of"
        " {low} to {high} parameters, {steps} steps of {batch}. Patches of ViT and Mixer: cells."
    ),
}
_PUBLISHED = {  # numbers of the papers, which nothing here measures
    "size": N_(
        "Published, not measured here (Dosovitskiy et al. 2020, table 5, ImageNet): pre-trained on"
        " ImageNet-1k ViT-B/16 77.91 %, ViT-L/16 76.53 %; on JFT-300M 84.15 %, 87.12 %."
    ),
    "permute": N_(
        "Published, not measured here (Tolstikhin et al. 2021, fig. 4, ImageNet scale): with"
        " pixels permuted the Mixer drops by about 45 %, the ResNet by about 75 %."
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
    return _curves(
        result, _("digits to learn from (log axis)"), x_scale="log",
        x_ticks=[int(n) for n in result.conditions],
    )  # fmt: skip


def _shifts(result: Bias) -> RenderableType:
    curves = _curves(result, _("pixels moved"), x_ticks=range(MARGIN + 1))
    return Beside(curves, _pictures(result, 6, across=1), left_width=72)


def _lookups(result: Bias) -> RenderableType:
    """The curves; and a picture, with the cell that asks framed, and what it asks for in colour."""
    (example,) = result.examples
    title = _("cell {asking} (framed) asks, {answering} answers").format(
        asking=example.asking, answering=example.answering
    )
    picture = Picture(
        _apart(example), grid=(lookup.GRID, lookup.GRID), highlight=example.asking,
        max_width=30, max_height=19, title=title, numbers=False,
    )  # fmt: skip
    return Beside(_curves(result, _("steps of training")), picture, left_width=60)


def _apart(example: Example) -> Floats:
    """The picture of a lookup with a row between keys and values, and the answer in orange."""
    pixels = np.repeat(example.pixels[..., None], 3, axis=2)
    assert example.answering is not None
    y, x = (lookup.CELL * place for place in divmod(example.answering - 1, lookup.GRID))
    half = lookup.CELL // 2
    pixels[y + half : y + lookup.CELL, x : x + lookup.CELL] *= _ORANGE
    return np.insert(pixels, [y + half for y in range(0, lookup.SIDE, lookup.CELL)], 0.0, axis=0)


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
    result: Bias,
    x_label: str,
    x_scale: Literal["linear", "log"] = "linear",
    x_ticks: Sequence[float] = (),
) -> Curves:
    """Accuracy of every model: the median of its networks, a band from the worst to the best.

    The best is drawn last, so that none hides it.
    """
    x = result.series[0].x
    chance = Line(_("chance"), x, np.full(len(x), 100 * result.chance), key="theory", dashed=True)
    lines = [
        Line(
            _(MODELS[s.name].name), s.x, 100 * s.median, 100 * s.low, 100 * s.high,
            key=MODELS[s.name].ink, marked=True,
        )
        for s in sorted(result.series, key=lambda s: float(np.nan_to_num(s.median).sum()))
    ]  # fmt: skip
    return Curves(
        [chance, *lines], x_label=x_label, y_label=_("% right"), x_scale=x_scale,
        x_ticks=x_ticks, height=12, y_range=(0, 100),
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
    said = diverged(result.diverged)
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
    leads = [sentence for sentence in found if sentence]
    return said + leads + [_(_CLEAR)] * bool(leads)


_CLEAR = N_(
    "Ahead, behind, worse, better: with every seed, and on average by more than 2 standard errors."
)


def _verdict(result: Bias, one: tuple[str, str], other: tuple[str, str]) -> int:
    """1 where one (model, condition) is clearly better than the other, -1 worse, else 0.

    Clearly: with every seed, and on average by more than two standard errors, as if the two had
    been tested on different pictures: what they have in common makes it smaller.
    """
    gap = _gap(result, one, other)
    both = np.array([result.shares(*one), result.shares(*other)])
    both = both[:, ~np.isnan(both).any(axis=0)]
    error = 100 * math.sqrt((both * (1 - both)).sum() / digits.TESTS) / max(1, len(gap))
    if not gap.size or abs(gap.mean()) <= 2 * error:
        return 0
    return int((gap > 0).all()) - int((gap < 0).all())


def _lead(result: Bias, model: str, other: str) -> str:
    """Where one is clearly ahead of the other, or behind."""
    gaps = {c: _gap(result, (model, c), (other, c)) for c in result.conditions}
    gaps = {c: gap for c, gap in gaps.items() if gap.size}
    if not gaps:
        return ""
    points = [
        _("with {n} digits {difference}").format(n=c, difference=_difference(gaps[c]))
        for c in dict.fromkeys((next(iter(gaps)), next(reversed(gaps))))
    ]
    patterns = {
        1: _("ahead at {numbers}"),
        -1: _("behind at {numbers}"),
        0: _("neither ahead nor behind at {numbers}"),
    }
    at: dict[int, list[str]] = {verdict: [] for verdict in patterns}
    for c in gaps:
        at[_verdict(result, (model, c), (other, c))].append(c)
    measured = [len(gaps.get(c, ())) for c in result.conditions]
    everywhere = len(gaps) == len(result.conditions) > 1
    parts = [
        patterns[verdict].format(
            numbers=_("every number")
            if everywhere and len(numbers) == len(gaps)
            else listed(numbers)
        )
        for verdict, numbers in at.items()
        if numbers
    ]
    if min(measured) < result.seeds:
        parts.append(_("as far as measured"))
    elif result.seeds == 1:
        parts.append(_("one seed"))
    return _("{model} against {other}: {points}. {model} is {verdicts}.").format(
        model=_(MODELS[model].name), other=_(MODELS[other].name),
        points=listed(points), verdicts=_("; ").join(parts),
    )  # fmt: skip


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
    if gap.size and len(known) > 1:
        text = _("{model}, moved by {far} instead of {near}: {difference}.")
        model, near = "cnn-mean", known[-2]
        further = _difference(_gap(result, (model, far), (model, near)))
        said.append(
            text.format(model=_(MODELS[model].name), far=far, near=near, difference=further)
        )
    cnn = _between(result, "cnn", "mlp", far)
    if cnn.size:
        text = _("Convolutions alone, read place by place, against the MLP there: {difference}.")
        said.append(text.format(difference=_difference(cnn)))
    return said


def _of_orders(result: Bias, known: list[str]) -> list[str]:
    """What every model loses when pixels, or patches, are permuted."""
    said = []
    patterns = {
        "pixels": _("Pixels permuted: {verdicts}. ({losses})"),
        "patches": _("Patches permuted: {verdicts}. ({losses})"),
    }
    verdicts = {
        -1: _("{models} worse"),
        1: _("{models} better"),
        0: _("{models} neither worse nor better"),
    }
    for condition, pattern in patterns.items():
        losses = []
        at: dict[int, list[str]] = {verdict: [] for verdict in verdicts}
        for model in result.accuracy:
            pair = (model, condition), (model, "none")
            gap, name = _gap(result, *pair), _(MODELS[model].name)
            if gap.size:
                at[_verdict(result, *pair)].append(name)
                losses.append(
                    _("{model} {difference}").format(model=name, difference=_difference(gap))
                )
        if losses:
            parts = [
                verdicts[verdict].format(models=listed(names))
                for verdict, names in at.items()
                if names
            ]
            said.append(pattern.format(losses=_("; ").join(losses), verdicts=_("; ").join(parts)))
    return said + [_(_CLEAR)] * bool(said)


def _of_lookups(result: Bias, known: list[str]) -> list[str]:
    """Who finds the value, who does not, and whether size helps the CNN."""
    last = known[-1]
    groups: dict[str, list[str]] = {"finds": [], "seed": [], "not": []}
    for model, shares in result.known(last).items():
        fate = "finds" if shares.min() >= _SOLVED else "not" if shares.max() < _SOLVED else "seed"
        text = _("{model} ({share})")
        groups[fate].append(text.format(model=_(MODELS[model].name), share=_ends(shares)))
    patterns = {
        "finds": _("found by {models}"),
        "seed": _("found with some seeds by {models}"),
        "not": _("not found by {models}"),
    }
    parts = [
        patterns[fate].format(models=listed(models)) for fate, models in groups.items() if models
    ]
    text = ngettext(
        "After {n} step the value is {parts}; chance is {chance}.",
        "After {n} steps the value is {parts}; chance is {chance}.",
        int(last),
    )
    chance = f"{100 * result.chance:.0f} %"
    said = [text.format(n=last, parts=_("; ").join(parts), chance=chance)]
    looks = np.array([share for share in result.looks if not math.isnan(share)])
    if looks.size:
        text = _(
            "The most attention, in any head of a ViT, that the asking cell gives to the answering"
            " one, or gets from it: {share}; spread evenly it would be {even}."
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
    return listed(
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
        _("In % right: {found}.").format(found=listed(spelled)),
    )


def _worth(result: Bias, model: str, condition: str) -> Floats:
    """By what models are compared: the share that is right, or the share that is lost."""
    shares = result.shares(model, condition)
    return result.shares(model, "none") - shares if result.test == "permute" else shares
