"""Mixers that learn handwritten digits, whole and without one of their halves: `mix --train`.

They read the patches in order A, row by row, or in order B, which is drawn at random.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import trees
from seqlab.book import mixer, vit
from seqlab.book.mixer import Mixer
from seqlab.book.ops import Array
from seqlab.book.transformer import FeedForward, Norm
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import count, number
from seqlab.figures.heatmap import Colours, Heatmap
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput, Check, Question, Series, Stopped, Watch, diverged, series
from seqlab.locale import N_, _, ngettext
from seqlab.tasks import digits

Floats = NDArray[np.float64]
Order = NDArray[np.int64]
Without = Literal["", "token", "channel"]

NETWORKS = ("both", "no_token", "no_channel", "reordered")
EQUATION = "U = X + f_token(LN(X)ᵀ)ᵀ   Y = U + f_channel(LN(U))"
ROUNDING = 1e-9  # differences below it are no more than that

_MEASUREMENTS = 20  # of a training, besides the one before it
_MOST_WORK = 2e12  # multiply-adds forward in all networks: some ten minutes
_MOST_NUMBERS = 2**25  # inside the networks in one step: 400 megabytes with their gradients
_UNITS = 10  # columns of the learned W_1 that are shown
_BAR = 16  # columns of a colour bar


class Recipe(NamedTuple):
    """What is trained, and how: the options of `mix` of the same names."""

    tokens: int
    channels: int
    hidden: int
    blocks: int
    images: int
    seeds: int
    train_steps: int
    batch: int
    lr: float
    seed: int

    def affordable(self) -> None:
        """Refuse tokens that are no grid of a digit's patches, and what would take hours."""
        if self.tokens not in (4, 16, 64):
            raise BadInput(
                f"--train --tokens {self.tokens}",
                _("4, 16 or 64, the patches of a digit of 8 × 8 pixels"),
                "--train --tokens 16",
            )
        inside = self.batch * self.blocks * self.hidden * (self.tokens + self.channels)
        if inside > _MOST_NUMBERS:
            raise BadInput(
                _("{n} numbers inside the network in a step").format(n=count(inside)),
                _("at most {most}").format(most=count(_MOST_NUMBERS)),
                _("a smaller --batch or --hidden"),
            )
        work = 4 * self.batch * self.blocks * self.hidden * self.tokens * self.channels
        work *= self.train_steps * self.seeds * len(NETWORKS)
        if work > _MOST_WORK:
            raise BadInput(
                _("a training of {n} multiply-adds").format(n=number(work)),
                _("at most {most}").format(most=number(_MOST_WORK)),
                _("fewer --train-steps or a smaller --hidden"),
            )

    @property
    def side(self) -> int:
        """Patches on a side of the digit."""
        return math.isqrt(self.tokens)

    def order(self, which: int) -> Order:
        """Order B of a seed."""
        return another_order(np.random.default_rng([self.seed, 8, which]), self.tokens)

    @property
    def config(self) -> mixer.Config:
        """The Mixer that is trained."""
        return mixer.Config(
            image=digits.SIDE, p=digits.SIDE // self.side, c=1, d=self.channels,
            layers=self.blocks, token=self.hidden, channel=self.hidden, classes=digits.CLASSES,
        )  # fmt: skip


def another_order(rng: np.random.Generator, n: int) -> Order:
    """An order of n things at random: any but the usual one."""
    order = usual = np.arange(n)
    while (order == usual).all():
        order = rng.permutation(n)
    return order


def without(p: Mixer, patches: Array, part: Without = "") -> Array:
    """Patches (..., n, c p p) -> scores (..., k), where every block lacks one of its halves.

    Y = X + f_channel(LN(X)) without the token's, Y = X + f_token(LN(X)ᵀ)ᵀ without the channel's.
    """
    x = patches @ p.E + p.b
    for block in p.blocks:
        if part != "token":
            x = x + mixer.mix_tokens(block.token, mixer.norm(block.norm_1, x))
        if part != "channel":
            x = x + mixer.mix_channels(block.channel, mixer.norm(block.norm_2, x))
    return vit.classify(p.head, mixer.represent(p, x))


def reordered(p: Mixer, order: Order) -> Mixer:
    """The Mixer that does with the patches x[order] what p does with x.

    The rows of W_1 of its token networks, and what they put out, are in that order too.
    """
    blocks = []
    for block in p.blocks:
        f = block.token
        moved = f._replace(W_1=f.W_1[order], W_2=f.W_2[:, order], b_2=f.b_2[order])
        blocks.append(block._replace(token=moved))
    return p._replace(blocks=tuple(blocks))


# What is measured


@dataclass(frozen=True)
class Network:
    """One kind of Mixer, trained once a seed.

    Shares of the test digits that it gets right, one a seed: `accuracy` with the patches in the
    order it was trained on, `at_test` in the other one. NaN (JSON: null) where a network diverged.
    """

    name: str
    parameters: int
    accuracy: list[float]
    at_test: list[float]


@dataclass(frozen=True)
class Permutation:
    """Patches in order B: `order` has, for every seed, which patch comes when.

    Shares that are right, one a seed: `fixed`, trained and tested in B; `at_test`, trained in A and
    tested in B; `restored`, tested so with the token networks in that order too. `restored_error`
    is the largest difference of its scores, in float64, to those in A, against the largest score.
    """

    order: list[list[int]]
    fixed: list[float]
    at_test: list[float]
    restored: list[float]
    restored_error: float


@dataclass(frozen=True)
class Alike:
    """Correlations, over hidden units, of what training added to two patches' weights in W_1.

    Their mean over patches that share a side, and over all others, one a seed. NaN (JSON: null)
    where there are none to correlate.
    """

    beside: list[float]
    elsewhere: list[float]


@dataclass(frozen=True)
class Training:
    """What came of training: the networks, and the orders of the patches.

    `step` is the last one measured, for every seed. `token_change` (tokens, hidden) is what
    training added to W_1 of the first token network of the first seed's Mixer.
    """

    step: list[int]
    networks: list[Network]
    permutation: Permutation
    token_change: Floats
    alike: Alike

    def network(self, name: str) -> Network:
        """The networks called so."""
        return next(network for network in self.networks if network.name == name)

    @property
    def diverged(self) -> int:
        """How many networks have no scores any more."""
        return sum(math.isnan(share) for n in self.networks for share in n.accuracy)


# Training


class _Moment(NamedTuple):
    """One seed's networks after `step` steps.

    Shares of the test digits, by network; `restored` and `error` of the whole Mixer, tested in
    order B with its token networks in that order; W_1 of its first block.
    """

    step: int
    accuracy: dict[str, float]
    at_test: dict[str, float]
    restored: float
    error: float
    weights: Floats


class Networks:
    """The networks of one seed: the same first weights, the same digits in the same batches."""

    def __init__(self, o: Recipe, which: int, device: Any) -> None:
        import torch

        from seqlab import train

        self.o, self.device = o, device
        drawing, first = (np.random.default_rng([o.seed, k, which]) for k in (5, 6))
        seen, unseen = digits.split(drawing, o.images)
        p = mixer.init(o.config, first)
        self.networks = {name: train.trainable(p, device) for name in NETWORKS}
        self.batches = {name: np.random.default_rng([o.seed, 7, which]) for name in NETWORKS}
        self.order = o.order(which)
        self.seen, self.labels = (
            torch.as_tensor(vit.patchify(seen.images, o.config.p), device=device),
            torch.as_tensor(seen.labels, device=device),
        )
        self.unseen = torch.as_tensor(vit.patchify(unseen.images, o.config.p), device=device)
        self.answers = torch.as_tensor(unseen.labels, device=device)

    def learn(self) -> Iterator[_Moment]:
        """Train all, side by side; what they can before, on the way, and at the end."""
        from seqlab import train

        o = self.o
        every = max(1, round(o.train_steps / _MEASUREMENTS))
        fits = [
            train.fit_labels(
                p, partial(self.scores, name), self.seen, self.labels, self.batches[name],
                batch=o.batch, steps=o.train_steps, lr=o.lr, weight_decay=0.01, schedule="cosine",
            )
            for name, p in self.networks.items()
        ]  # fmt: skip
        yield self.moment(0)
        for step in range(1, o.train_steps + 1):
            for fit in fits:
                next(fit)
            if step % every == 0 or step == o.train_steps:
                yield self.moment(step)

    def scores(self, name: str, x: Array, moved: bool = False) -> Array:
        """What a network says of patches (b, n, d), or of the same in the order unknown to it."""
        lacks: dict[str, Without] = {"no_token": "token", "no_channel": "channel"}
        return without(self.networks[name], self.patches(x, name, moved), lacks.get(name, ""))

    def patches(self, x: Array, name: str, moved: bool = False) -> Array:
        """The patches as a network reads them, or in the order that it does not know."""
        return x[:, self.order] if (name == "reordered") != moved else x

    def moment(self, step: int) -> _Moment:
        """What the networks can now."""
        import torch

        from seqlab import train

        with torch.no_grad():
            accuracy, at_test = (
                {
                    name: train.share_right(self.scores(name, self.unseen, moved), self.answers)
                    for name in self.networks
                }
                for moved in (False, True)
            )
            # in float64, where a difference can be told from rounding; and so on the CPU
            whole = trees.convert(lambda x: x.detach().cpu().double(), self.networks["both"])
            patches = self.unseen.cpu().double()
            usual = without(whole, patches)
            again = without(reordered(whole, self.order), patches[:, self.order])
        largest = float(usual.abs().max()) or 1.0  # before training all scores are 0
        return _Moment(
            step,
            accuracy,
            at_test,
            train.share_right(again, self.answers.cpu()),
            float((again - usual).abs().max()) / largest,
            whole.blocks[0].token.W_1.numpy(),
        )


def learn(o: Recipe, device: Any, watch: Watch) -> tuple[Training, list[Series], bool]:
    """Train the networks, each seed in a process of its own, and put together what they report.

    The last value says whether Ctrl-C ended it early.
    """
    from seqlab import train

    moments: dict[int, list[_Moment]] = {}
    begun: dict[int, list[_Moment]] = {}  # of the seeds that have done a step
    everything = o.train_steps * o.seeds
    stopped = False
    try:
        for which, moment in train.side_by_side(
            lambda job: Networks(o, job, device).learn(), range(o.seeds), device=device
        ):
            moments.setdefault(which, []).append(moment)
            begun = {k: list(v) for k, v in sorted(moments.items()) if v[-1].step}
            done = sum(each[-1].step for each in begun.values())
            doing = _("step {step} of {steps}: {accuracy} right").format(
                step=done, steps=everything, accuracy=percent(moment.accuracy["both"])
            )
            watch(done / everything, doing, partial(_shown_so_far, o, begun) if begun else None)
    except Stopped:
        stopped = True
    return *_gathered(o, begun), stopped


def _shown_so_far(o: Recipe, moments: dict[int, list[_Moment]]) -> RenderableType:
    """The figure of the moment."""
    return show(o, *_gathered(o, moments))


def _gathered(o: Recipe, moments: dict[int, list[_Moment]]) -> tuple[Training, list[Series]]:
    """What the networks of these seeds reported."""
    last = [each[-1] for each in moments.values()]
    sizes = _sizes(o)
    networks = [
        Network(
            name, sizes[name], [m.accuracy[name] for m in last], [m.at_test[name] for m in last]
        )
        for name in NETWORKS
    ]
    changes = [each[-1].weights - each[0].weights for each in moments.values()]
    beside, elsewhere = zip(*(_neighbours(change, o.side, o.side) for change in changes))
    training = Training(
        [m.step for m in last],
        networks,
        Permutation(
            [o.order(which).tolist() for which in moments], networks[-1].accuracy,
            networks[0].at_test, [m.restored for m in last], max(m.error for m in last),
        ),
        changes[0],
        Alike(list(beside), list(elsewhere)),
    )  # fmt: skip
    return training, _courses(moments)


def _courses(moments: dict[int, list[_Moment]]) -> list[Series]:
    """Accuracy against the steps, for every network, over the seeds; NaN where none got so far."""
    steps = sorted({m.step for each in moments.values() for m in each})
    curves = []
    for name in NETWORKS:
        runs = np.full((len(moments), len(steps)), np.nan)
        for row, each in zip(runs, moments.values()):
            row[[steps.index(m.step) for m in each]] = [m.accuracy[name] for m in each]
        curves.append(series(name, steps, runs, chance=digits.CHANCE))
    return curves


def _sizes(o: Recipe) -> dict[str, int]:
    """The parameters of every network: a half that is left out is not counted."""
    p = mixer.init(o.config)
    whole = trees.count(p)
    token = sum(trees.count((block.norm_1, block.token)) for block in p.blocks)
    channel = sum(trees.count((block.norm_2, block.channel)) for block in p.blocks)
    return dict(zip(NETWORKS, (whole, whole - token, whole - channel, whole)))


def _neighbours(weights: Floats, rows: int, columns: int) -> tuple[float, float]:
    """Mean correlation of two rows, one a patch: of those that share a side, of all others."""
    n = rows * columns
    if weights.shape[1] < 2:
        return math.nan, math.nan
    y, x = np.divmod(np.arange(n), columns)
    apart = abs(y[:, None] - y) + abs(x[:, None] - x)
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = np.asarray(np.corrcoef(weights))
    beside, others = alike[apart == 1], alike[apart > 1]
    return float(beside.mean()), float(others.mean())


# The oracle


def check(o: Recipe, device: str) -> list[Check]:
    """The whole Mixer of the first seed, trained once more, in torch's functions."""
    import torch

    from seqlab import train

    first = Networks(o, 0, train.device(device))
    for _moment in first.learn():
        pass
    patches, right = first.unseen.cpu().double(), torch.as_tensor(first.answers)

    def output(f: Callable[..., Array], p: Mixer) -> tuple[Array, Array]:
        scores = f(p, patches)
        return scores, torch.nn.functional.cross_entropy(scores, right)

    ours, theirs = partial(output, without), partial(output, _mixer_in_torch)
    return compared(_("trained Mixer"), ours, theirs, train.trained(first.networks["both"]))


def compared(
    name: str,
    ours: Callable[[Any], tuple[Array, Array]],
    theirs: Callable[[Any], tuple[Array, Array]],
    tree: Any,
) -> list[Check]:
    """Two functions of a tree -> (output, a scalar of it): outputs, and gradients by its leaves."""
    import torch

    from seqlab import train

    found = []
    for function in (ours, theirs):
        p = train.trainable(tree, dtype=torch.float64)
        y, loss = function(p)
        loss.backward()
        gradients = [
            leaf.grad.flatten() for _name, leaf in trees.leaves(p) if leaf.grad is not None
        ]
        found.append((y.detach().numpy(), torch.cat(gradients).numpy()))
    names = (_("{name} and torch"), _("{name}: gradients and torch"))
    return [
        Check(
            pattern.format(name=name),
            float(np.max(np.abs(mine - other)) / np.max(np.abs(other))),
            1e-9,
        )
        for pattern, mine, other in zip(names, *found, strict=True)
    ]


def tokens_in_torch(f: FeedForward, x: Array) -> Array:
    """Token mixing without a transpose: convolutions of kernel 1 whose channels are the tokens."""
    import torch.nn.functional as F

    inside = F.gelu(F.conv1d(x, f.W_1.T[:, :, None], f.b_1))
    return F.conv1d(inside, f.W_2.T[:, :, None], f.b_2)


def channels_in_torch(f: FeedForward, x: Array) -> Array:
    """Channel mixing (..., d) -> (..., d)."""
    import torch.nn.functional as F

    return F.linear(F.gelu(F.linear(x, f.W_1.T, f.b_1)), f.W_2.T, f.b_2)


def block_in_torch(p: mixer.Block, x: Array) -> Array:
    """One block (b, n, d) -> (b, n, d)."""
    x = x + tokens_in_torch(p.token, _norm_in_torch(p.norm_1, x))
    return x + channels_in_torch(p.channel, _norm_in_torch(p.norm_2, x))


def _norm_in_torch(p: Norm, x: Array) -> Array:
    import torch.nn.functional as F

    return F.layer_norm(x, x.shape[-1:], p.weight, p.bias, 1e-6)


def _mixer_in_torch(p: Mixer, patches: Array) -> Array:
    import torch.nn.functional as F

    x = F.linear(patches, p.E.T, p.b)
    for block in p.blocks:
        x = block_in_torch(block, x)
    return F.linear(_norm_in_torch(p.norm, x).mean(1), p.head.W.T, p.head.b)


# The screen

_NAMES = {
    "both": N_("both halves"),
    "no_token": N_("without token mixing"),
    "no_channel": N_("without channel mixing"),
    "reordered": N_("both, trained in order B"),
}


def show(o: Recipe, training: Training, courses: Sequence[Series]) -> RenderableType:
    """The course of the training, its end in numbers, and what a token network looks at."""
    note = _(
        "{images} digits to learn from, {tests} to test; {n} patches of {p} × {p}, {d} channels,"
        " {blocks}, {hidden} wide inside"
    ).format(
        images=o.images,
        tests=digits.TESTS,
        n=o.tokens,
        p=o.config.p,
        d=o.channels,
        blocks=ngettext("{n} block", "{n} blocks", o.blocks).format(n=o.blocks),
        hidden=o.hidden,
    )
    return Group(
        Title(_("What is each half of a Mixer worth?"), EQUATION),
        Note(note),
        _curves(courses, o.train_steps),
        _table(training),
        *_units(training, o.side),
    )


def _curves(courses: Sequence[Series], end: int) -> Curves:
    """Accuracy on the test digits against the steps; bands from the lowest seed to the highest.

    Without the networks of order B: their curve would hide that of the whole Mixer.
    """
    lines = [
        Line(
            _(_NAMES[s.name]), s.x, s.median, s.low, s.high,
            key="mixer" if s.name == "both" else s.name,
        )
        for s in reversed(courses) if s.name != "reordered"
    ]  # fmt: skip
    chance = Line(_("chance"), [0, end], [digits.CHANCE] * 2, key="theory", dashed=True)
    return Curves(
        [chance, *lines], y_label=_("share right, by steps of training"), height=9,
        x_range=(0, end), y_range=(0, 1),
    )  # fmt: skip


def _table(training: Training) -> Table:
    """What every network can with its patches in either order."""
    rows = []
    for n in training.networks:
        in_a, in_b = n.accuracy, n.at_test
        if n.name == "reordered":
            in_a, in_b = in_b, in_a
        rows.append([_(_NAMES[n.name]), count(n.parameters), _spread(in_a), _spread(in_b)])
    moved = _("both, then W₁ and W₂ in order B")
    rows.insert(1, [moved, rows[0][1], "", _spread(training.permutation.restored)])
    columns: list[Column | str] = [
        Column(_("network"), "left"),
        _("parameters"),
        _("right, order A (by row)"),
        _("right, order B (random)"),
    ]
    return Table(columns, rows, keys=["mixer"])


def _units(training: Training, side: int) -> list[RenderableType]:
    """What was learned in columns of W_1, as pictures of the patches."""
    added = np.nan_to_num(training.token_change)
    most = _UNITS if side <= 4 else _UNITS // 2  # large ones take more room
    chosen = np.argsort(-np.linalg.norm(added, axis=0), kind="stable")[:most]
    limit = float(np.abs(added).max()) or 1.0
    pictures = [
        Heatmap(
            added[:, i].reshape(side, side), colours="diverging", limits=(-limit, limit),
            numbers=False, cell_width=2, bar=False,
        )
        for i in chosen
    ]  # fmt: skip
    title = _("What training added to W₁ of the first token network, a weight for every patch")
    which = _("{n} of {all} columns, those that changed most (first seed)").format(
        n=len(chosen), all=added.shape[1]
    )
    panels = Panels([("", each) for each in pictures], min_width=2 * side, gap=2)
    return [Title(title), panels, scale("", -limit, limit, which, colours="diverging")]


def scale(
    before: str,
    low: float,
    high: float,
    after: str = "",
    *,
    limits: tuple[float, float] | None = None,
    colours: Colours = "sequential",
) -> RenderableType:
    """The colour bar of several heatmaps of the same limits, from what is lowest in them."""
    cells = Heatmap(
        np.linspace(low, high, _BAR)[None], limits=limits or (low, high), colours=colours,
        numbers=False, bar=False, cell_width=1,
    )  # fmt: skip
    left, right = f"{before} {signed(low)}".strip(), f"{signed(high)}   {after}".rstrip()
    return Beside(Note(left), Beside(cells, Note(right), left_width=_BAR, gap=1), gap=1)


def percent(share: float) -> str:
    """A share with a digit behind the point."""
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def signed(value: float) -> str:
    """A number of two digits with a minus of its length."""
    return number(value).replace("-", "−")


def _spread(shares: Sequence[float]) -> str:
    """The median of the seeds, and from which to which they reach."""
    if any(math.isnan(share) for share in shares):
        return "–"
    middle = percent(float(np.median(shares)))
    if len(shares) == 1:
        return middle
    return f"{middle} ({100 * min(shares):.1f}–{100 * max(shares):.1f})"


# The sentences


def takeaways(training: Training) -> list[str]:
    """What each half is worth, and the order of the patches."""
    if training.diverged:
        return diverged(training.diverged)
    return [_worth(training), _orders(training), *_alike(training.alike)]


def _worth(training: Training) -> str:
    """What is lost without either half, and with its parameters."""
    whole, token, channel = (training.network(n) for n in ("both", "no_token", "no_channel"))
    return _(
        "{whole} right. Without token mixing ({of_token} of {all} parameters) {token},"
        " {lost_token}; without channel mixing ({of_channel}) {channel}, {lost_channel}."
    ).format(
        whole=_median(whole.accuracy),
        all=count(whole.parameters),
        of_token=count(whole.parameters - token.parameters),
        of_channel=count(whole.parameters - channel.parameters),
        token=_median(token.accuracy),
        channel=_median(channel.accuracy),
        lost_token=_difference(whole.accuracy, token.accuracy),
        lost_channel=_difference(whole.accuracy, channel.accuracy),
    )


def _orders(training: Training) -> str:
    """What order B costs before training, and what after it, and whether that can be undone."""
    found, whole = training.permutation, training.network("both").accuracy
    text = _(
        "Trained in order B: {fixed}, {no_loss}. Trained in A and tested in B: {at_test} (chance:"
        " {chance}), {loss}; with W₁ and W₂ of the token network in order B too {restored}, {same}."
    )
    if found.restored_error == 0:
        same = _("exactly the scores in A")
    elif found.restored_error < ROUNDING:
        same = _("the scores in A but for rounding")
    else:
        same = _("scores off by {e} of the largest").format(e=percent(found.restored_error))
    return text.format(
        fixed=_median(found.fixed),
        no_loss=_difference(whole, found.fixed),
        at_test=_median(found.at_test),
        chance=percent(digits.CHANCE),
        loss=_difference(whole, found.at_test),
        restored=_median(found.restored),
        same=same,
    )


def _alike(alike: Alike) -> list[str]:
    """Whether W_1 gained more alike weights for neighbouring patches; nothing where unknown."""
    beside, elsewhere = np.array(alike.beside), np.array(alike.elsewhere)
    if not np.isfinite([beside, elsewhere]).all():
        return []
    if (beside > elsewhere).all():
        text = _(
            "In each network W₁ gained more alike weights for neighbouring patches than others"
        )
    elif (beside < elsewhere).all():
        text = _(
            "In each network W₁ gained less alike weights for neighbouring patches than others"
        )
    else:
        text = _("Whether W₁ gained more alike weights for neighbours depends on the network")
    numbers = _("{claim}: correlation {beside} against {elsewhere} ({networks}).")
    networks = ngettext("{n} network", "{n} networks", len(beside)).format(n=len(beside))
    return [
        numbers.format(
            claim=text, beside=_range(beside), elsewhere=_range(elsewhere), networks=networks
        )
    ]


def _range(values: Floats) -> str:
    """From the lowest to the highest."""
    low, high = (f"{end:.2f}".replace("-", "−") for end in (values.min(), values.max()))
    return low if low == high else _("{low} to {high}").format(low=low, high=high)


def _median(shares: Sequence[float]) -> str:
    return percent(float(np.median(shares)))


def _difference(more: Sequence[float], fewer: Sequence[float]) -> str:
    """By how many points `fewer` is less, seed by seed: a verdict only where all seeds agree."""
    lost = 100 * (np.asarray(more) - np.asarray(fewer))
    low, high = float(lost.min()), float(lost.max())
    if low == high == 0:
        return _("just as many")
    if low <= 0 <= high:
        return _("{gain} points more to {loss} less: it depends on the network").format(
            gain=f"{abs(low):.1f}", loss=f"{high:.1f}"
        )
    near, far = (f"{points:.1f}" for points in sorted((abs(low), abs(high))))
    span = near if near == far else f"{near}–{far}"
    text = _("{span} points less") if low > 0 else _("{span} points more")
    if len(lost) == 1:
        return _("{points} (one seed)").format(points=text.format(span=span))
    return _("{points} with each of {n} seeds").format(points=text.format(span=span), n=len(lost))


def question(training: Training) -> Question:
    """Which half is worth more."""
    losses = [
        100 * (np.asarray(training.network("both").accuracy) - np.asarray(n.accuracy))
        for n in (training.network("no_token"), training.network("no_channel"))
    ]
    gap = losses[0] - losses[1]
    answer = 0 if (gap > 0).all() else 1 if (gap < 0).all() else 2
    return Question(
        _("A Mixer is trained without one of its halves. Which is missed more?"),
        [_("token mixing"), _("channel mixing"), _("it depends on the network")],
        answer,
        _worth(training),
    )
