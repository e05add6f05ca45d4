"""Who looks at whom? The attention weights of a trained model, on any sentence.

Every head of every layer is measured: what it mostly looks at in this sentence, and on a standard
probe of random tokens read twice (Olsson et al. 2022). One head is drawn large, and the row of one
token can be worked out in full, from q·k to the weighted sum of values (Vaswani et al. 2017, eq. 1).
A weight says where a head looks, not why the model answers as it does (Jain & Wallace 2019).
"""

import difflib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import checkpoints, heads, images
from seqlab.book import attention, transformer
from seqlab.book.ops import softmax
from seqlab.figures.bars import Bars
from seqlab.figures.glyphs import number, shorten
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.multiples import Label, Multiples
from seqlab.figures.panels import Beside, Panels
from seqlab.figures.picture import Picture
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.heads import Pattern
from seqlab.lab import BadInput, Check, Question, Result, Seed, Watch, require
from seqlab.locale import N_, _, ngettext

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
View = Literal["head", "average", "rollout"]

SENTENCE = "The animal didn't cross the street because it was too tired"
_PROBE = 24  # random tokens, read twice
_DECIMALS = 7  # of the weights: float32 has no more
_WORDS = 16  # rows of the large picture; more with --detail
_WORDS_DETAIL = 48
_KEYS = 13  # rows of the worked example
_LINES = 40  # of the first screen
_VIEWS: dict[str, str] = {"average": "--average", "rollout": "--rollout"}


@dataclass(frozen=True)
class Head:
    """What one head does. `score` is the mean weight on the pattern's targets, from 0 to 1.

    `probe` is the same on random tokens read twice. `telling` is the mean over the words of the
    largest weight on a word that is neither itself nor a neighbour, nor the first or a special
    token: high where a head looks for content.
    """

    layer: int
    head: int
    pattern: str
    score: float
    telling: float
    probe: Pattern | None


class Next(NamedTuple):
    """A token that may come next, and its probability."""

    token: str
    probability: float


@dataclass(frozen=True)
class Row:
    """The arithmetic of one query: o = Σₛ softmax(q·kₛ / √d)ₛ vₛ, one entry a key, d wide.

    `scores` are q·k, `allowed` says where the mask lets the query look.
    """

    token: int
    q: Floats
    k: Floats
    v: Floats
    scores: Floats
    allowed: Bools
    weights: Floats
    output: Floats


class Link(NamedTuple):
    """A key and the weight that goes to it, in the first and in the second sentence."""

    key: str
    before: float
    after: float


class Moved(NamedTuple):
    """A row that both sentences have: the share of its weight that went elsewhere, and where."""

    word: str
    share: float
    links: list[Link]


@dataclass(frozen=True)
class Text:
    """A sentence as the model reads it, t tokens.

    `words` numbers the word of each token (null: a special token), `matrix` is what is drawn large,
    (t, t): one head, a mean of heads, or the rollout.
    """

    text: str
    tokens: list[str]
    pieces: list[str]
    words: list[int | None]
    matrix: Floats


@dataclass(frozen=True)
class Attend(Result):
    """The weights of all heads, [layer][head][query][key], rounded to 7 decimals.

    `causal` is the mask in force, `trained_causal` the one that the model was trained with.
    `absent` are the patterns that have no target in this sentence. `compared` and `moved` are of the
    second sentence.
    """

    model: str
    kind: str
    causal: bool
    trained_causal: bool
    view: View
    layer: int | None
    head: int | None
    sentence: Text
    tokens: list[str]
    weights: Floats
    heads: list[Head]
    absent: list[str]
    row: Row | None
    compared: Text | None
    moved: list[Moved]
    next: list[Next]
    overview: bool = field(metadata={"json": False})
    pieces: bool = field(metadata={"json": False})
    special: bool = field(metadata={"json": False})

    def find(self, layer: int, head: int) -> Head:
        """A head by its numbers."""
        return next(h for h in self.heads if (h.layer, h.head) == (layer, head))

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, and heads in each."""
        return self.weights.shape[0], self.weights.shape[1]


@dataclass(frozen=True)
class Seen(Result):
    """Where the class token of a ViT looks: over n1 × n2 patches.

    `weights` are those of the class token to every patch, [layer][head][row][column]; `itself` is
    what it keeps, [layer][head]; `rollout` is followed through all layers. `classes` are the
    model's answers, where it has a classifier.
    """

    model: str
    kind: str
    path: str
    layer: int
    head: int | None
    weights: Floats
    itself: Floats
    rollout: Floats
    classes: list[Next]
    pixels: NDArray[np.uint8] = field(metadata={"json": False})


# Measuring


def run(
    sentence: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help=N_("What the model reads; - is standard input.")),
    ] = None,
    *,
    model: Annotated[
        str,
        typer.Option(help=N_("storyteller, untrained, a folder, or a name on the Hugging Face hub.")),
    ] = checkpoints.STORYTELLER,
    layer: Annotated[
        int | None, typer.Option(min=0, help=N_("The layer, from 0; by default the most telling."))
    ] = None,
    head: Annotated[
        int | None, typer.Option(min=0, help=N_("The head, from 0; by default the most telling."))
    ] = None,
    overview: Annotated[
        bool, typer.Option("--overview", help=N_("All layers and heads, none of them large."))
    ] = False,
    query: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", help=N_("Work out the row of this token; it:2 is the second 'it'.")
        ),
    ] = None,
    compare: Annotated[
        str | None, typer.Option(metavar="TEXT", help=N_("A second sentence, for the same head."))
    ] = None,
    causal: Annotated[
        bool | None,
        typer.Option(
            "--causal/--bidirectional",
            help=N_("Look back only, or both ways; by default as the model was trained."),
        ),
    ] = None,
    rollout: Annotated[
        bool, typer.Option("--rollout", help=N_("Follow the attention through all layers."))
    ] = False,
    average: Annotated[
        bool, typer.Option("--average", help=N_("The mean of all heads, or of one layer's."))
    ] = False,
    next: Annotated[
        int, typer.Option(min=0, max=50, help=N_("How many of the likeliest next tokens to show."))
    ] = 0,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=N_("A picture instead of a sentence; needs a ViT.")),
    ] = None,
    pieces: Annotated[
        bool, typer.Option("--pieces", help=N_("Draw the tokens, not joined to words."))
    ] = False,
    special: Annotated[
        bool,
        typer.Option(
            "--special/--no-special", help=N_("Draw special tokens such as <s> and [CLS], or not.")
        ),
    ] = True,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Attend | Seen:
    """Read `sentence` with a trained model and measure its attention.

    Raises:
        BadInput: options that contradict each other, a model that cannot be had, a sentence that is
            empty or too long, a layer, head or token that does not exist.
    """
    for name, value in (("layer", layer), ("head", head)):
        if value is not None:
            require(value, name, 0)
    require(next, "next", 0, 50)
    view = _view(layer, head, overview, query, compare, rollout, average)
    if image is not None:
        _refuse_with_image(sentence, query, compare, overview, causal, next)
    loaded = checkpoints.load(model, watch, seed)
    if image is not None:
        return _see(loaded, image, layer, head)
    reading = _read(loaded, SENTENCE if sentence is None else sentence, causal)
    candidates = _candidates(loaded, layer, head)
    if next and not loaded.causal:
        raise BadInput(
            "--next",
            _("a model that reads from left to right, which {model} does not").format(
                model=loaded.name
            ),
            f"--model {checkpoints.STORYTELLER}",
        )
    other = None if compare is None else _read(loaded, compare, causal)
    found = _heads(reading)
    token = None if query is None else _token(reading.tokens, query)
    pairs = [] if other is None else _pairs(reading, other)
    chosen: tuple[int, int] | None = None
    if view == "head":
        chosen = _choose(reading, found, candidates, token, other, pairs)
    elif layer is not None:
        chosen = (layer, 0)
    compared, moved = None, []
    if other is not None:
        compared = other.text(view, chosen, layer)
        moved = _moved(reading, other, pairs, view, chosen, layer)
    return Attend(
        model=loaded.name,
        kind=loaded.kind,
        causal=reading.causal,
        trained_causal=loaded.causal,
        view=view,
        layer=None if chosen is None else chosen[0],
        head=chosen[1] if chosen is not None and view == "head" else None,
        sentence=reading.text(view, chosen, layer),
        tokens=reading.tokens.labels,
        weights=np.round(reading.weights.astype(np.float64), _DECIMALS),
        heads=found,
        absent=[k for k, where in reading.targets.items() if not where.any()],
        row=None if token is None or chosen is None else _row(reading, *chosen, token),
        compared=compared,
        moved=moved,
        next=_next(reading, next),
        overview=overview,
        pieces=pieces,
        special=special,
    )


def _view(
    layer: int | None,
    head: int | None,
    overview: bool,
    query: str | None,
    compare: str | None,
    rollout: bool,
    average: bool,
) -> View:
    """What is drawn large; options that contradict each other are refused."""
    view: View = "rollout" if rollout else "average" if average else "head"
    given = {
        "--rollout": rollout,
        "--average": average,
        "--query": query is not None,
        "--compare": compare is not None,
        "--overview": overview,
        "--head": head is not None,
        "--layer": layer is not None,
    }
    contrary = [
        ("--rollout", "--average"),
        ("--rollout", "--query"),
        ("--rollout", "--head"),
        ("--rollout", "--layer"),
        ("--average", "--query"),
        ("--average", "--head"),
        ("--query", "--compare"),
        ("--query", "--overview"),
        ("--compare", "--overview"),
        ("--rollout", "--overview"),
        ("--average", "--overview"),
    ]
    for one, other in contrary:
        if given[one] and given[other]:
            raise BadInput(f"{one} {other}", _("one of the two"), one)
    return view


class _Group(NamedTuple):
    """A word: its label, its first token, whether it is special."""

    label: str
    start: int
    special: bool


@dataclass(frozen=True)
class _Reading:
    """A sentence after the model has read it; weights (layers, h, t, t)."""

    model: checkpoints.Model
    sentence: str
    tokens: checkpoints.Tokens
    causal: bool
    allowed: Bools
    trace: transformer.Trace
    weights: NDArray[np.float32]
    targets: dict[str, Bools]

    def matrix(self, view: View, chosen: tuple[int, int] | None, layer: int | None) -> Floats:
        """What is drawn large, (t, t)."""
        if view == "rollout":
            matrix = attention.rollout(self.trace.weights)
        elif view == "average":
            matrix = (self.weights if layer is None else self.weights[layer]).mean(
                axis=(0, 1) if layer is None else 0, dtype=np.float64
            )
        else:
            assert chosen is not None
            matrix = self.weights[chosen]
        return np.round(np.asarray(matrix, np.float64), _DECIMALS)

    def text(self, view: View, chosen: tuple[int, int] | None, layer: int | None) -> Text:
        tokens = self.tokens
        return Text(
            self.sentence, tokens.labels, tokens.pieces, tokens.words,
            self.matrix(view, chosen, layer),
        )  # fmt: skip


def _read(model: checkpoints.Model, sentence: str, causal: bool | None) -> _Reading:
    """Let the model read, under its own mask or the one asked for."""
    tokens = checkpoints.tokenise(model, sentence)
    if all(tokens.special):
        raise BadInput(_("an empty sentence"), _("a few words"), f'"{SENTENCE}"')
    looks_back = model.causal if causal is None else causal
    t = len(tokens.ids)
    allowed = attention.causal_mask(t) if looks_back else np.ones((t, t), bool)
    trace = model.read(tokens.ids, allowed)
    weights = np.stack(trace.weights)
    targets = heads.targets(tokens.ids, allowed)
    return _Reading(model, sentence, tokens, looks_back, allowed, trace, weights, targets)


def _heads(reading: _Reading) -> list[Head]:
    """Every head: its pattern here and on the probe."""
    here = heads.patterns(reading.weights, reading.tokens.ids, reading.allowed)
    ids = _probe(reading.model)
    there = None
    if ids is not None:
        t = len(ids)
        allowed = attention.causal_mask(t) if reading.causal else np.ones((t, t), bool)
        probed = np.stack(reading.model.read(ids, allowed).weights)
        there = heads.patterns(probed, ids, allowed)
    telling = _telling(reading)
    return [
        Head(
            layer, head, *here[layer][head], telling=float(telling[layer, head]),
            probe=None if there is None else there[layer][head],
        )
        for layer, head in np.ndindex(telling.shape)
    ]  # fmt: skip


def _probe(model: checkpoints.Model) -> list[int] | None:
    """Random tokens read twice, between the special ones: the same for every sentence and seed."""
    assert model.tokenizer is not None
    ends = checkpoints.tokenise(model, "").ids
    longest = (model.longest - len(ends)) // 2
    if longest < 4:
        return None
    size = model.tokenizer.get_vocab_size()
    drawn = np.random.default_rng(0).permutation(size)
    known = [i for i in drawn.tolist()[: 4 * _PROBE + 8 * len(ends)] if i not in ends]
    span = known[: min(_PROBE, longest)]
    return [*ends[:1], *span, *span, *ends[1:]]


def _content(reading: _Reading) -> Bools:
    """True where a word looks at one that is neither itself, a neighbour, the first nor special."""
    word = np.array([-9 if w is None else w for w in reading.tokens.words])
    t = len(word)
    real = word >= 0
    far = np.abs(word[:, None] - word[None, :]) > 1
    return far & real[:, None] & real[None, :] & (np.arange(t) > 0) & reading.allowed


def _telling(reading: _Reading) -> Floats:
    """The mean over words of the largest weight on content: (layers, h)."""
    real = [w is not None for w in reading.tokens.words]
    largest = np.where(_content(reading), reading.weights, 0).max(-1)
    return np.asarray(largest[..., real].mean(-1), np.float64)


def _candidates(
    model: checkpoints.Model, layer: int | None, head: int | None
) -> list[tuple[int, int]]:
    """The heads that the options leave to choose from."""
    layers, h = len(model.blocks), model.heads
    for name, value, size in (("layer", layer, layers), ("head", head, h)):
        if value is not None and value >= size:
            pattern = _("0 to {last}: {model} has {layers} layers of {h} heads")
            expected = pattern.format(last=size - 1, model=model.name, layers=layers, h=h)
            raise BadInput(f"--{name} {value}", expected)
    return [
        (i, j)
        for i, j in np.ndindex(layers, h)
        if (layer is None or i == layer) and (head is None or j == head)
    ]


def _choose(
    reading: _Reading,
    found: Sequence[Head],
    candidates: Sequence[tuple[int, int]],
    token: int | None,
    other: "_Reading | None",
    pairs: "Sequence[_Pair]",
) -> tuple[int, int]:
    """The most telling of the candidates: for a query, or a comparison, the one that shows most."""
    if other is not None and any(pair.equal for pair in pairs):
        shares = _shares(reading, other, pairs)
        kept = np.array([pair.equal for pair in pairs])
        value = shares[..., kept].max(-1)
    elif token is not None:
        value = np.where(_content(reading)[token], reading.weights[:, :, token], 0).max(-1)
    else:
        value = np.zeros(reading.weights.shape[:2])
        for each in found:
            value[each.layer, each.head] = each.telling
    return max(candidates, key=lambda at: (value[at], -at[0], -at[1]))


def _token(tokens: checkpoints.Tokens, query: str) -> int:
    """The token that `query` names: a word (its last piece), a piece or a special token."""
    named, _colon, nth = query.rpartition(":")
    which = int(nth) if _colon and nth.isascii() and nth.isdigit() and named else None
    for wanted, count in ((query, 1), (named, which)):
        if count is None:
            continue
        places = _places(tokens, wanted.strip().casefold())
        if 1 <= count <= len(places):
            return places[count - 1]
        if places:
            pattern = ngettext("{n} there is", "1 to {n}", len(places))
            raise BadInput(f"--query {query}", pattern.format(n=len(places)), f"--query {named}:1")
    words = [group.label for group in _groups(tokens.labels, tokens.words, pieces=False)]
    close = difflib.get_close_matches(query, words, n=1, cutoff=0.0) or words[:1]
    pattern = _("a word of the sentence as the model reads it, one of {words}")
    shown = shorten(" ".join(dict.fromkeys(words)), 160)
    raise BadInput(f"--query {query}", pattern.format(words=shown), f"--query {close[0]}")


def _places(tokens: checkpoints.Tokens, wanted: str) -> list[int]:
    """Tokens that are called so, alone or as the end of their word."""
    groups = _groups(tokens.labels, tokens.words, pieces=False)
    ends = [after.start - 1 for after in groups[1:]] + [len(tokens.labels) - 1]
    whole = [end for group, end in zip(groups, ends) if group.label.casefold() == wanted]
    if whole:
        return whole
    bare = [label.lstrip("·").casefold() or label for label in tokens.labels]
    spelled = [piece.casefold() for piece in tokens.pieces]
    return [i for i in range(len(bare)) if wanted and wanted in (bare[i], spelled[i])]


def _row(reading: _Reading, layer: int, head: int, token: int) -> Row:
    """The arithmetic of one row, from what the layer reads."""
    q, k, v = _projected(reading, layer)
    q, k, v = (np.asarray(a, np.float64) for a in (q[head, token], k[head], v[head]))
    allowed = reading.allowed[token]
    scores = k @ q
    weights = softmax(np.where(allowed, scores / math.sqrt(len(q)), -np.inf))
    return Row(token, q, k, v, scores, allowed, weights, weights @ v)


def _projected(reading: _Reading, layer: int) -> tuple[Any, Any, Any]:
    """Queries, keys and values (h, t, d) of a layer, turned by position where the model does so."""
    style, p = reading.model.style, reading.model.blocks[layer]
    x = reading.trace.states[layer]
    if style.pre_norm:
        x = transformer.norm(p.norm_1, x, style)
    q, k, v = attention.project(p.attention, x, x, style.h)
    return (q, k, v) if style.rotate is None else (style.rotate(q), style.rotate(k), v)


def _next(reading: _Reading, count: int) -> list[Next]:
    if not count:
        return []
    logits = reading.model.logits(reading.trace.states[-1][-1]).astype(np.float64)
    p = softmax(logits)
    tokenizer = reading.model.tokenizer
    assert tokenizer is not None
    best = np.argsort(-p, kind="stable")[:count].tolist()
    return [Next(tokenizer.decode([i], skip_special_tokens=False), float(p[i])) for i in best]


# Two sentences


class _Pair(NamedTuple):
    """A word of the first sentence and its place in the second."""

    first: int
    second: int
    equal: bool


def _pairs(one: _Reading, other: _Reading) -> list[_Pair]:
    """Which words stand for each other: equal ones, and stretches of as many between them."""
    groups = [_groups(r.tokens.labels, r.tokens.words, pieces=False) for r in (one, other)]
    words = [[g.label.casefold() for g in each] for each in groups]
    pairs = []
    matcher = difflib.SequenceMatcher(None, *words, autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "equal" or (kind == "replace" and i_end - i == j_end - j):
            pairs += [_Pair(i + n, j + n, kind == "equal") for n in range(i_end - i)]
    return pairs


def _shares(one: _Reading, other: _Reading, pairs: Sequence[_Pair]) -> Floats:
    """The share of a row's weight that went elsewhere, for all heads and pairs: (..., pairs).

    Half the sum of absolute differences (total variation); a key that only one of them has counts
    in full.
    """
    return _difference(_worded(one, one.weights), _worded(other, other.weights), pairs)


def _difference(first: Floats, second: Floats, pairs: Sequence[_Pair]) -> Floats:
    i, j = ([getattr(pair, name) for pair in pairs] for name in ("first", "second"))
    a, b = first[..., i, :][..., i], second[..., j, :][..., j]
    alone = (1 - a.sum(-1)) + (1 - b.sum(-1))
    return np.asarray((np.abs(a - b).sum(-1) + alone) / 2, np.float64)


def _worded(reading: _Reading, matrix: Any) -> Floats:
    groups = _groups(reading.tokens.labels, reading.tokens.words, pieces=False)
    return _joined(matrix, groups)


def _moved(
    one: _Reading,
    other: _Reading,
    pairs: Sequence[_Pair],
    view: View,
    chosen: tuple[int, int] | None,
    layer: int | None,
) -> list[Moved]:
    """The rows that both sentences have, the one that moved most first, with its largest moves."""
    if not pairs:
        return []
    first, second = (_worded(r, r.matrix(view, chosen, layer)) for r in (one, other))
    share = _difference(first, second, pairs)
    labels = [g.label for g in _groups(one.tokens.labels, one.tokens.words, pieces=False)]
    others = [g.label for g in _groups(other.tokens.labels, other.tokens.words, pieces=False)]
    moved = []
    for n in np.argsort(-share, kind="stable").tolist():
        i, j, equal = pairs[n]
        if not equal:
            continue
        links = [
            Link(
                labels[p.first] if p.equal else f"{labels[p.first]}/{others[p.second]}",
                float(first[i, p.first]), float(second[j, p.second]),
            )
            for p in pairs
        ]  # fmt: skip
        links.sort(key=lambda link: -abs(link.after - link.before))
        moved.append(Moved(labels[i], float(share[n]), links[:3]))
    return moved


# Words


def _groups(
    labels: Sequence[str], words: Sequence[int | None], *, pieces: bool
) -> list[_Group]:
    """Tokens joined to words, or each for itself."""
    groups: list[_Group] = []
    for i, (label, word) in enumerate(zip(labels, words)):
        goes_on = not pieces and word is not None and i > 0 and words[i - 1] == word
        if goes_on:
            whole = groups[-1].label + label.removeprefix("·")
            groups[-1] = groups[-1]._replace(label=whole)
        else:
            groups.append(_Group(label, i, word is None))
    return groups


def _joined(matrix: Any, groups: Sequence[_Group]) -> Floats:
    """Weights between words: (..., t, t) -> (..., n, n).

    To a word goes the sum of what goes to its pieces; a word looks as its pieces do on average
    (Clark et al. 2019, §4.1).
    """
    starts = [group.start for group in groups]
    if len(starts) == matrix.shape[-1]:
        return np.asarray(matrix, np.float64)
    sizes = np.diff([*starts, matrix.shape[-1]])
    keys = np.add.reduceat(np.asarray(matrix, np.float64), starts, axis=-1)
    return np.asarray(np.add.reduceat(keys, starts, axis=-2) / sizes[:, None])


# Pictures


def _refuse_with_image(
    sentence: str | None,
    query: str | None,
    compare: str | None,
    overview: bool,
    causal: bool | None,
    next: int,
) -> None:
    given = {
        _("a sentence"): sentence is not None,
        "--query": query is not None,
        "--compare": compare is not None,
        "--overview": overview,
        "--causal/--bidirectional": causal is not None,
        "--next": next > 0,
    }
    for name, there in given.items():
        if there:
            wrong = _("--image with {what}").format(what=name)
            raise BadInput(wrong, _("a picture alone"), "--image FILE --model FOLDER")


def _see(model: checkpoints.Model, path: Path, layer: int | None, head: int | None) -> Seen:
    """Let a ViT look at a picture."""
    camera = model.camera
    if camera is None:
        raise BadInput(
            _("--image with {what}").format(what=f"--model {model.name}"),
            _("a model that reads pictures, of the type vit"),
            "--model google/vit-base-patch16-224",
        )
    _candidates(model, layer, head)
    photo = images.read(path)
    pixels = images.fitted(photo.pixels, camera.rows, camera.columns, "crop")
    trace = model.read(camera.patches(pixels))
    weights = np.stack(trace.weights).astype(np.float64)
    grid = camera.rows // camera.side, camera.columns // camera.side
    return Seen(
        model=model.name,
        kind=model.kind,
        path=str(path),
        layer=len(model.blocks) - 1 if layer is None else layer,
        head=head,
        weights=np.round(weights[:, :, 0, 1:].reshape(*weights.shape[:2], *grid), _DECIMALS),
        itself=np.round(weights[:, :, 0, 0], _DECIMALS),
        rollout=np.round(attention.rollout(trace.weights)[0, 1:].reshape(grid), _DECIMALS),
        classes=_classes(model, trace.states[-1]),
        pixels=pixels,
    )


def _classes(model: checkpoints.Model, x: Any) -> list[Next]:
    return []
