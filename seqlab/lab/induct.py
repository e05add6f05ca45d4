"""How does attention learn to repeat what it has seen? Watch an induction head form.

A network of attention alone reads random symbols that repeat after a random number of tokens. To go
on, it must find where the symbol it reads stood before, and say what came next. Two heads can do it
together (Elhage et al. 2021): one lets every token know the one before it; the other, a layer up,
looks for tokens that know the present symbol: an induction head (Olsson et al. 2022).

Measured while it learns: the accuracy, the share of attention that goes to the previous token, and
the share that goes to what followed the same symbol before. Then one part after the other is set to
zero (zero ablation): what a layer adds, and what its queries, keys or values get from below.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import tasks
from seqlab.book import attention, positions, transformer
from seqlab.book.attention import MultiHead
from seqlab.book.ops import Array
from seqlab.book.transformer import Norm, Style
from seqlab.figures.curves import Curves, Line
from seqlab.figures.glyphs import number, percent
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput, Check, Device, Question, Seed, Stopped, Trained, Watch, require
from seqlab.locale import N_, _, listed, ngettext

Floats = NDArray[np.float64]
Tokens = NDArray[np.int64]
Mask = NDArray[np.bool_]
Part = Literal["output", "queries", "keys", "values"]

SYMBOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_MEASUREMENTS = 30  # of a whole training, besides the one before it
_HELD_OUT = 128  # sequences that no network is trained on
_EXAMPLE_PERIOD = 5  # of the sequence whose maps are shown
_RISE = 0.5  # of accuracy: by less than this nothing has risen that could have jumped
_HEAD = 0.5  # the share of its attention by which a head is called after what it looks at


# The network: attention and nothing else


class Layer(NamedTuple):
    """The parameters of one layer: x ← x + attention(LN(x))."""

    norm: Norm
    attention: MultiHead


class Network(NamedTuple):
    """The parameters; v symbols."""

    embed: Array  # (v, d)
    layers: tuple[Layer, ...]
    norm: Norm
    W: Array  # (d, v)


def init(rng: np.random.Generator, v: int, d: int, layers: int) -> Network:
    """Embeddings of variance 1, weights of variance 1 / fan-in; no biases.

    With embeddings as small as GPT-2's, of deviation 0.02, the heads form much later.
    """
    embed = rng.normal(0.0, 1.0, (v, d))
    stack = tuple(
        Layer(transformer.init_norm(d, like=embed), attention.init(rng, d)) for _i in range(layers)
    )
    W = rng.normal(0.0, 1 / math.sqrt(d), (d, v))
    return Network(embed, stack, transformer.init_norm(d, like=embed), W)


def read(p: Network, tokens: Array, style: Style) -> tuple[Array, list[Array]]:
    """Symbols (..., t) -> the scores of every next symbol (..., t, v), weights (..., h, t, t)."""
    mask = attention.causal_mask(tokens.shape[-1])
    x, weights = p.embed[tokens], []
    for layer in p.layers:

        def attend(x: Array, a: MultiHead = layer.attention) -> tuple[Array, Array]:
            return attention.multi_head(a, x, x, style.h, mask, positions.rotary)

        x, seen = transformer.sublayer(layer.norm, x, attend, style)
        weights.append(seen)
    return transformer.norm(p.norm, x, style) @ p.W, weights


def ablated(p: Network, tokens: Array, style: Style, at: int, part: Part) -> Array:
    """The scores of `read` with layer `at` impaired: (..., t) -> (..., t, v).

    "output": what the layer adds is replaced by zero. "queries", "keys" or "values": these are made
    from the embeddings alone, without what the layers below added to them; so one sees by which
    of the three the layer depends on those below (Elhage et al. 2021: Q-, K- and V-composition).
    """
    mask = attention.causal_mask(tokens.shape[-1])
    x = z = p.embed[tokens]
    for i, (norm, a) in enumerate(p.layers):
        inputs = dict.fromkeys(("queries", "keys", "values"), transformer.norm(norm, x, style))
        if i == at:
            if part == "output":
                continue
            inputs[part] = transformer.norm(norm, z, style)
        q, k, _v = attention.project(a, inputs["queries"], inputs["keys"], style.h)
        _q, _k, v = attention.project(a, inputs["queries"], inputs["values"], style.h)
        scores = attention.scores(positions.rotary(q), positions.rotary(k))
        heads, _weights = attention.attend(scores, v, mask)
        x = x + attention.join_heads(heads) @ a.W_o + a.b_o
    return transformer.norm(p.norm, x, style) @ p.W


# What is measured


@dataclass(frozen=True)
class Moment:
    """One measurement, on sequences that were never trained on, after `step` steps.

    `loss` in nats a symbol and `accuracy` (a share) are those of the repeated part. `previous` and
    `induction`, (layers, heads), are shares of attention: from every token to the one before it,
    and from every token of the repeated part to the tokens that came next after the same symbol.
    `one_layer` is the accuracy of a network of one layer, trained on the same batches.
    """

    step: int
    loss: float
    accuracy: float
    previous: Floats
    induction: Floats
    one_layer: float | None


@dataclass(frozen=True)
class Rise:
    """How accuracy went from its first value to its last, in steps.

    `start` is the last step before `middle` with less than a quarter of the rise, `middle` the
    first with half of it, `end` the first with three quarters. A steady rise takes as long from
    `start` to `end` as it took to `middle`; it is a jump where it takes less than half as long.
    """

    start: int
    middle: int
    end: int
    jump: bool


@dataclass(frozen=True)
class Map:
    """Attention weights (layers, heads, queries, keys) on the example, after `step` steps."""

    step: int
    weights: Floats


@dataclass(frozen=True)
class Ablation:
    """Accuracy of the trained network with one part of one layer impaired: see `ablated`."""

    layer: int
    part: Part
    accuracy: float


@dataclass(frozen=True)
class Looks:
    """Where a trained head looks from the repeated part: shares of its attention, by target.

    The token before; the tokens after the same symbol; the token itself; the same symbol earlier.
    """

    layer: int
    head: int
    previous: float
    induction: float
    itself: float
    same: float


@dataclass(frozen=True)
class Induct(Trained):
    """The course of one training, and what the trained network is made of.

    `example` is the sequence of the maps, which are those of step 0, of the middle of the rise, and
    of the last step. `rise` is null where accuracy did not rise by a half;
    `chance` is one in `symbols`. Layers and heads are counted from 0.
    """

    steps: int
    layers: int
    heads: int
    d_model: int
    symbols: int
    length: int
    shortest: int
    longest: int
    batch: int
    lr: float
    seed: int
    device: str
    parameters: int
    chance: float
    example: str
    moments: list[Moment]
    rise: Rise | None
    maps: list[Map]
    ablations: list[Ablation]
    looks: list[Looks]


def run(
    *,
    steps: Annotated[int, typer.Option(min=1, max=10000, help=N_("Steps of training."))] = 150,
    layers: Annotated[int, typer.Option(min=1, max=4, help=N_("Layers of attention; try 1."))] = 2,
    heads: Annotated[int, typer.Option(min=1, max=8, help=N_("Heads in each layer."))] = 1,
    d_model: Annotated[int, typer.Option(min=2, max=256, help=N_("Width of the network."))] = 64,
    symbols: Annotated[int, typer.Option(min=2, max=52, help=N_("Different symbols."))] = 16,
    length: Annotated[
        int, typer.Option(min=4, max=128, help=N_("Symbols that the network reads at a time."))
    ] = 32,
    shortest: Annotated[int, typer.Option(min=2, help=N_("The shortest period."))] = 4,
    longest: Annotated[
        int | None,
        typer.Option(
            min=2,
            help=N_("The longest period; by default --symbols, or half of --length if less."),
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=512, help=N_("Sequences in a step."))] = 32,
    lr: Annotated[float, typer.Option(help=N_("Learning rate of AdamW."))] = 3e-3,
    device: Device = "auto",
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Induct:
    """Train an attention-only network on repeated random symbols, and measure it on the way.

    A sequence is a random order of some symbols, repeated: its period is drawn from `shortest` to
    `longest`, so that no fixed distance leads back. The loss is that of the repeated part.

    Raises:
        BadInput: an option out of range, a width that cannot be shared out, no such device.
    """
    o = _Options(steps, layers, heads, d_model, symbols, length, shortest, longest, batch, lr, seed)
    return _train(o.checked(), device, watch or (lambda done, doing, view=None: None))


@dataclass(frozen=True)
class _Options:
    """All that the numbers depend on, the device apart."""

    steps: int = 150
    layers: int = 2
    heads: int = 1
    d_model: int = 64
    symbols: int = 16
    length: int = 32
    shortest: int = 4
    longest: int | None = None
    batch: int = 32
    lr: float = 3e-3
    seed: int = 0

    def checked(self) -> "_Options":
        """These options, the longest period filled in; or BadInput."""
        require(self.steps, "steps", 1, 10000)
        require(self.layers, "layers", 1, 4)
        require(self.heads, "heads", 1, 8)
        require(self.d_model, "d-model", 2, 256)
        require(self.symbols, "symbols", 2, len(SYMBOLS))
        require(self.length, "length", 4, 128)
        require(self.batch, "batch", 1, 512)
        require(self.lr, "lr", 0.0, 1.0)
        require(self.seed, "seed", 0)
        pairs, rest = divmod(self.d_model, 2 * self.heads)
        if rest:
            raise BadInput(
                f"--d-model {self.d_model} --heads {self.heads}",
                _("an even width for each head, because RoPE turns pairs"),
                f"--d-model {2 * self.heads * max(1, pairs)}",
            )
        longest = min(self.symbols, self.length // 2) if self.longest is None else self.longest
        require(longest, "longest", 2, min(self.symbols, self.length - 1))
        require(self.shortest, "shortest", 2, longest)
        return replace(self, longest=longest)

    @property
    def style(self) -> Style:
        return Style(h=self.heads, pre_norm=True)

    def sequences(self, rng: np.random.Generator, b: int) -> tuple[Tokens, Tokens, Mask]:
        """What is read (b, t), what comes next (b, t), and where that can be known (b, t).

        It can be known from the first symbol on that has been there before: the repeated part.
        """
        assert self.longest is not None
        periods = (self.shortest, self.longest)
        tokens, period = tasks.repeats(rng, b, self.length + 1, self.symbols, periods)
        repeated = np.arange(self.length) >= period[:, None]
        return tokens[:, :-1], tokens[:, 1:], repeated

    def example(self) -> Tokens:
        """The sequence of the maps, (t,): two rounds and two symbols, in alphabetical order."""
        assert self.longest is not None
        period = min(max(_EXAMPLE_PERIOD, self.shortest), self.longest)
        return np.arange(min(self.length, 2 * period + 2)) % period


class _Learner:
    """A network while it learns. Whatever its layers, it gets the same batches."""

    def __init__(self, o: _Options, layers: int, device: Any) -> None:
        from seqlab import train

        self.o, self.device = o, device
        rng = np.random.default_rng([o.seed, 0, layers])
        self.p = train.trainable(init(rng, o.symbols, o.d_model, layers), device)
        self.batches = np.random.default_rng([o.seed, 1])

    def fit(self) -> Iterator[tuple[int, float]]:
        """One step after the other: (step, loss of its batch)."""
        from seqlab import train

        return train.fit(
            self.p,
            self.loss,
            steps=self.o.steps,
            lr=self.o.lr,
            betas=(0.9, 0.98),
            weight_decay=0.01,
        )

    def loss(self, step: int) -> Array:
        """The loss of the next batch."""
        import torch

        seen, following, repeated = self.o.sequences(self.batches, self.o.batch)
        scores = read(self.p, torch.as_tensor(seen, device=self.device), self.o.style)[0]
        return _loss(scores, following, repeated)


def _loss(scores: Array, following: Tokens, repeated: Mask) -> Array:
    """The mean cross-entropy of the repeated part, in nats a symbol."""
    import torch

    there = torch.as_tensor(repeated, device=scores.device)
    right = torch.as_tensor(following, device=scores.device)
    return torch.nn.functional.cross_entropy(scores[there], right[there])


class _Examiner:
    """Measures networks, always on the same sequences, which are in no batch."""

    def __init__(self, o: _Options, device: Any) -> None:
        import torch

        self.o = o
        seen, self.following, self.repeated = o.sequences(
            np.random.default_rng([o.seed, 2]), _HELD_OUT
        )
        self.targets = targets(seen)
        self.seen = torch.as_tensor(seen, device=device)
        self.example = torch.as_tensor(o.example(), device=device)

    def accuracy(self, scores: Array) -> float:
        """The share of the repeated part that is foretold rightly."""
        right = scores.argmax(-1).cpu().numpy() == self.following
        return float(right[self.repeated].mean())

    def moment(self, step: int, p: Network, one_layer: Network | None) -> Moment:
        """What a network can after `step` steps, and where its heads look."""
        import torch

        with torch.no_grad():
            scores, weights = read(p, self.seen, self.o.style)
            alone = None if one_layer is None else read(one_layer, self.seen, self.o.style)[0]
        return Moment(
            step=step,
            loss=float(_loss(scores, self.following, self.repeated)),
            accuracy=self.accuracy(scores),
            previous=self.shares(weights, "previous"),
            induction=self.shares(weights, "induction"),
            one_layer=None if alone is None else self.accuracy(alone),
        )

    def shares(self, weights: list[Array], target: str) -> Floats:
        """The share of attention that goes to a target, (layers, heads).

        From every token but the first for the previous one, from the repeated part for the others.
        """
        asking = self.repeated if target != "previous" else np.arange(self.o.length) > 0
        asking = np.broadcast_to(asking, self.repeated.shape)
        found = []
        for layer in weights:  # (b, h, t, s)
            hit = np.where(self.targets[target][:, None], layer.cpu().numpy(), 0.0).sum(-1)
            found.append(hit.transpose(1, 0, 2)[:, asking].mean(-1))
        return np.array(found, np.float64)

    def attention(self, p: Network) -> Floats:
        """Attention weights on the example, (layers, heads, queries, keys)."""
        import torch

        with torch.no_grad():
            weights = read(p, self.example, self.o.style)[1]
        return np.stack([layer.cpu().numpy() for layer in weights]).astype(np.float64)

    def ablations(self, p: Network) -> list[Ablation]:
        """Each layer away; then what its queries, keys or values get from those below."""
        import torch

        parts: list[tuple[int, Part]] = [(i, "output") for i in range(self.o.layers)]
        for i in range(1, self.o.layers):
            parts += [(i, "queries"), (i, "keys"), (i, "values")]
        with torch.no_grad():
            return [
                Ablation(i, part, self.accuracy(ablated(p, self.seen, self.o.style, i, part)))
                for i, part in parts
            ]

    def looks(self, p: Network) -> list[Looks]:
        """Where every head looks from the repeated part."""
        import torch

        with torch.no_grad():
            weights = read(p, self.seen, self.o.style)[1]
        shares = {target: self.shares(weights, target) for target in self.targets}
        return [
            Looks(i, j, **{target: float(share[i, j]) for target, share in shares.items()})
            for i in range(self.o.layers)
            for j in range(self.o.heads)
        ]


def targets(tokens: Tokens) -> dict[str, Mask]:
    """For sequences (b, t), where a head may look: masks (b, t, s), True at the target.

    "previous", the token before; "induction", tokens that came next after the same symbol;
    "itself"; "same", the same symbol earlier.
    """
    t = tokens.shape[-1]
    back = np.arange(t)[:, None] - np.arange(t)[None, :]  # t - s
    alike = tokens[:, :, None] == tokens[:, None, :]
    same = alike & (back > 0)
    after = np.zeros_like(same)
    after[:, :, 1:] = same[:, :, :-1]
    everywhere = alike.shape
    return {
        "previous": np.broadcast_to(back == 1, everywhere),
        "induction": after,
        "itself": np.broadcast_to(back == 0, everywhere),
        "same": same,
    }


def _train(o: _Options, device_name: str, watch: Watch) -> Induct:
    """Train the network, and beside it one of a single layer; measure both on the way."""
    watch(0.0, _("loading torch"))
    from seqlab import train, trees

    device = train.device(device_name)
    exam = _Examiner(o, device)
    whole = _Learner(o, o.layers, device)
    single = _Learner(o, 1, device) if o.layers > 1 else None
    others = None if single is None else single.fit()
    every = max(1, round(o.steps / _MEASUREMENTS))
    moments: list[Moment] = []
    seen: dict[int, Floats] = {}  # the maps, of which three are kept

    def measure(step: int) -> Induct:
        moments.append(exam.moment(step, whole.p, None if single is None else single.p))
        seen[step] = exam.attention(whole.p)
        return Induct(
            **asdict(o), device=device.type, parameters=trees.count(whole.p),
            chance=1 / o.symbols, example="".join(SYMBOLS[i] for i in o.example()),
            moments=list(moments), rise=None, maps=[Map(s, seen[s]) for s in sorted({0, step})],
            ablations=[], looks=[],
        )  # fmt: skip

    result = measure(0)
    view = partial(show, result)
    stopped = False
    for step, _loss_of_batch in whole.fit():
        if others is not None:
            next(others)
        done = step + 1
        if done % every == 0 or done == o.steps:
            result = measure(done)
            view = partial(show, result)
        doing = _("step {step} of {steps}: {accuracy} right").format(
            step=done, steps=o.steps, accuracy=percent(moments[-1].accuracy)
        )
        try:
            watch(done / o.steps, doing, view)
        except Stopped:
            stopped = True
            if moments[-1].step < done:  # what is measured below is the network as it is now
                result = measure(done)
            break
    rise, last = _rise(moments), moments[-1].step
    steps = [0, last] if rise is None else [0, rise.middle, last]
    return replace(
        result, stopped=stopped, rise=rise,
        maps=[Map(step, seen[step]) for step in sorted(set(steps))],
        ablations=exam.ablations(whole.p), looks=exam.looks(whole.p),
    )  # fmt: skip


def _rise(moments: list[Moment]) -> Rise | None:
    """The rise of accuracy, where there is one."""
    first, last = moments[0].accuracy, moments[-1].accuracy
    if not last - first >= _RISE:
        return None
    share = [(m.accuracy - first) / (last - first) for m in moments]
    middle = next(i for i, s in enumerate(share) if s >= 0.5)
    before = max(i for i in range(middle) if share[i] < 0.25)
    after = next(i for i in range(middle, len(share)) if share[i] >= 0.75)
    start, half, end = (moments[i].step for i in (before, middle, after))
    return Rise(start, half, end, jump=end - start < half / 2)


# The oracle


def check(
    *,
    steps: int = 150,
    layers: int = 2,
    heads: int = 1,
    d_model: int = 64,
    symbols: int = 16,
    length: int = 32,
    shortest: int = 4,
    longest: int | None = None,
    batch: int = 32,
    lr: float = 3e-3,
    device: str = "auto",
    seed: int = 0,
) -> list[Check]:
    """The trained network once more, in torch's own functions, in float64 on the CPU.

    Its scores, and the gradients of the loss by all parameters; the errors are relative to the
    largest number of each.
    """
    import torch

    from seqlab import train, trees

    o = _Options(steps, layers, heads, d_model, symbols, length, shortest, longest, batch, lr, seed)
    o = o.checked()
    learner = _Learner(o, o.layers, train.device(device))
    for _step in learner.fit():
        pass
    seen, following, repeated = o.sequences(np.random.default_rng([o.seed, 2]), _HELD_OUT)
    learned = train.trained(learner.p)
    found = []
    for function in (read, _in_torch):
        p = train.trainable(learned, dtype=torch.float64)
        scores = function(p, torch.as_tensor(seen), o.style)[0]
        _loss(scores, following, repeated).backward()
        gradients = [leaf.grad.flatten() for _name, leaf in trees.leaves(p)]
        found.append((scores.detach().numpy(), torch.cat(gradients).numpy()))
    return [
        Check(name, float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs))), 1e-9)
        for name, ours, theirs in zip(
            (_("scores of the next symbol and torch"), _("gradients of the loss and torch")),
            *found,
            strict=True,
        )
    ]


def _in_torch(p: Network, tokens: Array, style: Style) -> tuple[Array, None]:
    """`read` in torch's functions, RoPE as a product of complex numbers."""
    import torch
    import torch.nn.functional as F

    d, d_head = p.embed.shape[1], p.embed.shape[1] // style.h
    pace = 10000.0 ** (-torch.arange(0, d_head, 2, dtype=torch.float64) / d_head)
    angle = torch.outer(torch.arange(tokens.shape[-1], dtype=torch.float64), pace)
    turn = torch.polar(torch.ones_like(angle), angle)

    def heads(x: Array, W: Array, b: Array) -> Array:
        y = F.linear(x, W.T, b)
        return y.reshape(*y.shape[:-1], style.h, d_head).transpose(-3, -2)

    def rotated(x: Array) -> Array:
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * turn).flatten(-2)

    x = F.embedding(tokens, p.embed)
    for norm, a in p.layers:
        y = F.layer_norm(x, (d,), norm.weight, norm.bias, style.eps)
        q, k, v = heads(y, a.W_q, a.b_q), heads(y, a.W_k, a.b_k), heads(y, a.W_v, a.b_v)
        z = F.scaled_dot_product_attention(rotated(q), rotated(k), v, is_causal=True)
        x = x + F.linear(z.transpose(-3, -2).flatten(-2), a.W_o.T, a.b_o)
    return F.layer_norm(x, (d,), p.norm.weight, p.norm.bias, style.eps) @ p.W, None


# The screen

_TARGETS = {  # what a head is named after
    "previous": N_("the previous token"),
    "induction": N_("what followed the same symbol before"),
    "itself": N_("the token itself"),
    "same": N_("the same symbol, earlier"),
}
_PARTS = {
    "output": N_("layer {layer}"),
    "queries": N_("layer {layer} queries: from below"),
    "keys": N_("layer {layer} keys: from below"),
    "values": N_("layer {layer} values: from below"),
}


class _Head(NamedTuple):
    """A head and its score, at the last measurement."""

    layer: int
    head: int
    score: float

    @property
    def name(self) -> str:
        return _("layer {layer} head {head}").format(layer=self.layer, head=self.head)


def _strongest(result: Induct, target: Literal["previous", "induction"]) -> _Head:
    """The head with the highest score for a target."""
    scores: Floats = getattr(result.moments[-1], target)
    i, j = np.unravel_index(int(np.argmax(np.nan_to_num(scores))), scores.shape)
    return _Head(int(i), int(j), float(scores[i, j]))


def show(result: Induct, detail: bool = False) -> RenderableType:
    """The course of the training, the ablations, and where the two heads look meanwhile."""
    title = Title(_("How does attention learn to repeat what it has seen?"), "… A B … A → B")
    about = _(
        "Attention only, {layers} × {heads}, d {d}; {symbols} symbols, repeated every {period}"
    )
    period = _("{n} tokens") if result.shortest == result.longest else _("{low} to {high} tokens")
    note = about.format(
        layers=ngettext("{n} layer", "{n} layers", result.layers).format(n=result.layers),
        heads=ngettext("{n} head", "{n} heads", result.heads).format(n=result.heads),
        d=result.d_model,
        symbols=result.symbols,
        period=period.format(n=result.longest, low=result.shortest, high=result.longest),
    )
    first = Beside(_curves(result), _ablations(result), left_width=58)
    parts: list[RenderableType] = [title, Note(note), first, _maps(result)]
    if detail:
        parts += [*_large_maps(result), _looks(result), _course(result)]
    return Group(*parts)


def _curves(result: Induct) -> Curves:
    """Accuracy and the two scores against the steps; what one layer and chance reach."""
    steps = np.array([m.step for m in result.moments])
    before, induction = _strongest(result, "previous"), _strongest(result, "induction")

    def line(name: str, values: list[float], key: str = "", dashed: bool = False) -> Line:
        return Line(name, steps, np.array(values), key=key, dashed=dashed)

    moments = result.moments
    lines = [line(_("chance"), [result.chance] * len(steps), "theory", True)]
    if result.layers > 1:
        alone = [m.one_layer or 0.0 for m in moments]
        lines.append(line(_("accuracy, one layer"), alone, "attention", True))
    previous = [float(m.previous[before.layer, before.head]) for m in moments]
    after = [float(m.induction[induction.layer, induction.head]) for m in moments]
    lines += [
        line(_("induction"), after, "induction"),
        line(_("previous token"), previous, "previous"),
        line(_("accuracy"), [m.accuracy for m in moments], "attention"),
    ]
    return Curves(
        lines, x_label=_("steps of training"), height=8, x_range=(0, result.steps),
        y_range=(0, 1), legend="below",
    )  # fmt: skip


def _ablations(result: Induct) -> Table:
    """What is right once a part is set to zero."""
    rows = [[_("nothing"), percent(result.moments[-1].accuracy)]]
    for ablation in result.ablations:
        name = _(_PARTS[ablation.part]).format(layer=ablation.layer)
        rows.append([name, percent(ablation.accuracy)])
    return Table([Column(_("set to zero"), "left"), _("accuracy")], rows)


def _maps(result: Induct) -> Panels:
    """The two heads that matter, each before, halfway up and after."""
    previous, induction = _strongest(result, "previous"), _strongest(result, "induction")
    chosen = {
        previous[:2]: (previous, _("{head}: previous token {score}")),
        induction[:2]: (induction, _("{head}: induction {score}")),
    }
    tokens = list(result.example)
    groups = []
    for head, title in chosen.values():
        panels = [
            (_("step {step}").format(step=m.step), _map(m.weights[head.layer, head.head], tokens))
            for m in result.maps
        ]
        groups.append(
            (title.format(head=head.name, score=number(head.score)), Panels(panels, min_width=14))
        )
    return Panels(groups, min_width=48)


def _map(weights: Floats, tokens: list[str], cell: int = 2, height: int = 16) -> Heatmap:
    """A map of attention, queries down, keys across; the future is left blank."""
    seen = np.where(np.tri(len(tokens)) > 0, weights, np.nan)
    return Heatmap(
        seen, rows=tokens, columns=tokens, limits=(0.0, 1.0), numbers=False, cell_width=cell,
        max_height=height,
    )  # fmt: skip


def _large_maps(result: Induct) -> Iterator[RenderableType]:
    """All heads, at every step that is kept."""
    tokens = list(result.example)
    for m in result.maps:
        panels = [
            (
                _("step {step}").format(step=m.step) + " · " + _Head(i, j, 0).name,
                _map(m.weights[i, j], tokens, height=32),
            )
            for i in range(result.layers)
            for j in range(result.heads)
        ]
        yield Panels(panels, min_width=min(60, 2 * len(tokens) + 2))


def _looks(result: Induct) -> Table:
    """Where each trained head looks."""
    rows = [
        [_Head(x.layer, x.head, 0).name, *(number(getattr(x, target)) for target in _TARGETS)]
        for x in result.looks
    ]
    return Table([Column(_("attention to"), "left"), *(_(t) for t in _TARGETS.values())], rows)


def _course(result: Induct) -> Table:
    """The curves in numbers."""
    rows = [
        [
            str(m.step), number(m.loss), percent(m.accuracy),
            "-" if m.one_layer is None else percent(m.one_layer),
            number(float(m.previous.max())), number(float(m.induction.max())),
        ]
        for m in result.moments
    ]  # fmt: skip
    headers = [_("loss (nats)"), _("accuracy"), _("one layer"), _("previous token"), _("induction")]
    return Table([Column(_("step")), *headers], rows)


# The sentences


def takeaways(result: Induct) -> list[str]:
    """What this run showed: the course, the heads, and what is needed."""
    if not math.isfinite(result.moments[-1].loss):
        return [_("The training diverged: its loss is no number. Try a smaller --lr.")]
    sentences = [_course_said(result), _heads_said(result)]
    if result.rise is not None and result.layers > 1:
        sentences.append(_needs_said(result))
    return sentences


def _course_said(result: Induct) -> str:
    """Whether accuracy jumped, and what a single layer reached."""
    at = {m.step: m.accuracy for m in result.moments}
    rise, single = result.rise, result.moments[-1].one_layer
    if rise is None:
        text = _("No jump: accuracy goes from {low} to {high} in {steps} (chance: {chance})")
    elif rise.jump:
        text = _("Accuracy jumps: {low} at step {start}, {high} at step {end}")
    else:
        text = _("Accuracy rises steadily, without a jump: {low} at step {start}, {high} at {end}")
    last = result.moments[-1].step
    start, end = (0, last) if rise is None else (rise.start, rise.end)
    numbers = {
        "low": percent(at[start]),
        "high": percent(at[end]),
        "start": start,
        "end": end,
        "steps": ngettext("{n} step", "{n} steps", last).format(n=last),
        "chance": percent(result.chance),
    }
    first = text.format(**numbers)
    if single is None:
        return _("{course}, with a single layer.").format(course=first)
    text = _("{course}; a network of one layer, trained on the same batches, ends at {single}.")
    return text.format(course=first, single=percent(single))


def _heads_said(result: Induct) -> str:
    """Whether there is an induction head, and a previous-token head below it."""
    induction, previous = _strongest(result, "induction"), _strongest(result, "previous")
    numbers = {
        "induction": induction.name, "score": number(induction.score),
        "previous": previous.name, "other": number(previous.score),
        "period": result.longest, "back": result.longest - 1,
    }  # fmt: skip
    if induction.score < _HEAD:
        text = _(
            "No induction head: what followed the same symbol before gets at most {score} of a"
            " head's attention ({induction}), the previous token {other} ({previous})."
        )
    elif result.shortest == result.longest:  # then it cannot be told from a look at a fixed place
        text = _(
            "The strongest head, {induction}, gives {score} of its attention to what followed the"
            " same symbol before; but every period is {period}: that is always {back} tokens back."
        )
    elif previous.score >= _HEAD and previous.layer < induction.layer:
        text = _(
            "An induction head has formed: {induction} gives {score} of its attention to what"
            " followed the same symbol before; below it {previous} gives {other} to the previous"
            " token."
        )
    else:
        text = _(
            "An induction head has formed: {induction} gives {score} of its attention to what"
            " followed the same symbol before; yet no head below it gives as much as half to the"
            " previous token."
        )
    return text.format(**numbers)


def _needs_said(result: Induct) -> str:
    """Without which layers half of the accuracy is gone, and what the head takes from below."""
    enough = result.moments[-1].accuracy / 2
    layers = [a for a in result.ablations if a.part == "output"]
    needed = [a.layer for a in layers if a.accuracy < enough]
    if len(needed) == len(layers):
        verdict = _("This network uses every layer")
    elif needed:
        pattern = ngettext("Layer {layers} is needed", "Layers {layers} are needed", len(needed))
        verdict = pattern.format(layers=listed(map(str, needed)))
    else:
        verdict = _("No layer is needed by itself")
    left = listed(
        _("{accuracy} without layer {layer}").format(layer=a.layer, accuracy=percent(a.accuracy))
        for a in layers
    )
    text = _("{verdict}: accuracy is {left}.").format(verdict=verdict, left=left)
    reader = _strongest(result, "induction").layer
    below = {a.part: percent(a.accuracy) for a in result.ablations if a.layer == reader}
    if reader == 0:
        return text
    cut = _(
        " With the queries of layer {layer} cut off from below it is {queries}, with its keys"
        " {keys}, with its values {values}."
    )
    return text + cut.format(layer=reader, **below)


def question(result: Induct) -> Question:
    """Where the strongest induction head looks most, once trained."""
    head = _strongest(result, "induction")
    looks = next(x for x in result.looks if (x.layer, x.head) == head[:2])
    shares = {target: getattr(looks, target) for target in _TARGETS}
    best = max(shares, key=shares.__getitem__)
    return Question(
        text=_(
            "After training, where does {head} look most, from a symbol that has been there before?"
        ).format(head=head.name),
        choices=[_("at {target}").format(target=_(name)) for name in _TARGETS.values()],
        answer=list(shares).index(best),
        why=_("{share} of its attention goes to {target}.").format(
            share=number(shares[best]), target=_(_TARGETS[best])
        ),
    )
