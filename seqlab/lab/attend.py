"""Who looks at whom? The attention weights of a trained model, on any sentence.

Every head of every layer is measured: what it mostly looks at in this sentence, and on a probe of
random tokens read twice (Olsson et al. 2022). One head is drawn large, and the row of one token can
be worked out in full, from q·k to the weighted sum of values (Vaswani et al. 2017, eq. 1). A weight
says where a head looks, not why the model answers (Jain & Wallace 2019).
"""

import difflib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import checkpoints, heads, images, models
from seqlab.book import attention, transformer
from seqlab.book.ops import softmax
from seqlab.book.vit import ViT
from seqlab.figures.bars import Bars
from seqlab.figures.glyphs import number, shorten
from seqlab.figures.heatmap import Heatmap
from seqlab.figures.multiples import Label, Multiples
from seqlab.figures.panels import Panels
from seqlab.figures.picture import Picture
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.heads import Pattern
from seqlab.lab import BadInput, Check, Question, Result, Seed, Watch, require
from seqlab.locale import N_, _, listed, ngettext, sentences
from seqlab.tokens import BLANK, CONTINUED, Tokens

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
View = Literal["head", "average", "rollout"]
_CHOICES = 16  # of a question; of a longer text only some words are

SENTENCE = "The animal didn't cross the street because it was too tired"
_PROBE = 24  # random tokens, read twice
_DECIMALS = 7  # of the weights: float32 has no more
_WORDS = 16  # rows of the large picture; more with --detail
_WORDS_DETAIL = 48
_UNMOVED = 0.005  # a share that is no move
_KEYS = 13  # rows of the worked example
_LINES = 40  # of the first screen


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
    `absent` are the patterns with too few targets in this sentence. `compared` and `moved` are of
    the second sentence.
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
        typer.Option(
            help=N_("storyteller, untrained, a folder, or a name on the Hugging Face hub.")
        ),
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
        _alone(
            {
                _("a sentence"): sentence is not None,
                "--query": query is not None,
                "--compare": compare is not None,
                "--overview": overview,
                "--rollout": rollout,
                "--average": average,
                "--pieces": pieces,
                "--no-special": not special,
                "--causal/--bidirectional": causal is not None,
                "--next": next > 0,
            }
        )
    loaded = checkpoints.load(model, watch, seed)
    if image is not None:
        return _see(loaded, image, layer, head)
    reading = _read(loaded, SENTENCE if sentence is None else sentence, causal)
    candidates = _candidates(loaded, layer, head)
    if next and not loaded.causal:
        raise BadInput(
            "--next",
            _("a model that reads from left to right, which {model} does not").format(
                model=models.shown(loaded.name)
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
        weights=_rounded(reading.weights),
        heads=found,
        absent=sorted(set(reading.targets) - set(heads.even(reading.tokens.ids, reading.allowed))),
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
        ("--layer", "--overview"),
        ("--head", "--overview"),
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

    model: models.Model
    sentence: str
    tokens: Tokens
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
        return _rounded(matrix)

    def text(self, view: View, chosen: tuple[int, int] | None, layer: int | None) -> Text:
        tokens = self.tokens
        return Text(
            self.sentence,
            tokens.labels,
            tokens.pieces,
            tokens.words,
            self.matrix(view, chosen, layer),
        )


def _read(model: models.Model, sentence: str, causal: bool | None) -> _Reading:
    """Let the model read, under its own mask or the one asked for."""
    tokens = checkpoints.tokenise(model, sentence)
    if all(tokens.special) or not sentence.strip():
        raise BadInput(_("an empty sentence"), _("a few words"), f'"{SENTENCE}"')
    looks_back = model.causal if causal is None else causal
    t = len(tokens.ids)
    allowed = attention.causal_mask(t) if looks_back else np.ones((t, t), bool)
    trace = model.read(tokens.ids, allowed)
    weights = np.stack(trace.weights)
    targets = heads.targets(tokens.ids, allowed)
    return _Reading(model, sentence, tokens, looks_back, allowed, trace, weights, targets)


def _rounded(weights: Any) -> Floats:
    return np.asarray(np.round(np.asarray(weights, np.float64), _DECIMALS), np.float64)


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
            layer,
            head,
            *here[layer][head],
            telling=float(telling[layer, head]),
            probe=None if there is None else there[layer][head],
        )
        for layer, head in np.ndindex(telling.shape)
    ]


def _probe(model: models.Model) -> list[int] | None:
    """Random tokens read twice, between the special ones: the same for every sentence and seed."""
    assert model.tokenizer is not None
    ends = checkpoints.tokenise(model, "").ids
    longest = (model.longest - len(ends)) // 2
    if longest < 4:
        return None
    assert not isinstance(model.parameters, ViT)
    size = min(model.tokenizer.get_vocab_size(), model.parameters.embed.shape[0])
    special = {*ends, *model.tokenizer.get_added_tokens_decoder()}
    drawn = np.random.default_rng(0).permutation(size)
    known = [i for i in drawn.tolist()[: 4 * _PROBE + len(special)] if i not in special]
    span = known[: min(_PROBE, longest)]
    return [*ends[:1], *span, *span, *ends[1:]]


def _content(reading: _Reading) -> Bools:
    """True where a word looks at one that is neither itself, a neighbour, the first nor special."""
    word = np.array([-9 if w is None else w for w in reading.tokens.words])
    t = len(word)
    real = word >= 0
    far = np.abs(word[:, None] - word[None, :]) > 1
    where = far & real[:, None] & real[None, :] & (np.arange(t) > 0) & reading.allowed
    return np.asarray(where)


def _telling(reading: _Reading) -> Floats:
    """The mean over words of the largest weight on content: (layers, h)."""
    real = [w is not None for w in reading.tokens.words]
    largest = np.where(_content(reading), reading.weights, 0).max(-1)
    return np.asarray(largest[..., real].mean(-1), np.float64)


def _candidates(model: models.Model, layer: int | None, head: int | None) -> list[tuple[int, int]]:
    """The heads that the options leave to choose from."""
    layers, h = len(model.blocks), model.heads
    for name, value, size in (("layer", layer, layers), ("head", head, h)):
        if value is not None and value >= size:
            pattern = _("0 to {last}: {model} has {layers} layers of {h} heads")
            expected = pattern.format(
                last=size - 1, model=models.shown(model.name), layers=layers, h=h
            )
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
    telling = np.zeros(reading.weights.shape[:2])
    for each in found:
        telling[each.layer, each.head] = each.telling
    value = telling
    if other is not None and any(pair.equal for pair in pairs):
        shares = _shares(reading, other, pairs)
        kept = np.array([pair.equal for pair in pairs])
        value = shares[..., kept].max(-1)
    elif token is not None:
        value = np.where(_content(reading)[token], reading.weights[:, :, token], 0).max(-1)
    if max(value[at] for at in candidates) < _UNMOVED:  # what is left is rounding
        value = telling
    return max(candidates, key=lambda at: (value[at], -at[0], -at[1]))


def _token(tokens: Tokens, query: str) -> int:
    """The token that `query` names: a word (its last piece), a piece or a special token."""
    named, _colon, nth = query.rpartition(":")
    which = int(nth) if named and nth.isascii() and nth.isdigit() and len(nth) < 9 else None
    for wanted, count in ((query, 1), (named, which)):
        if count is None:
            continue
        alike = _places(tokens, wanted.strip())
        # as it is written, if it is: "the" is not "The" where both are there
        places = [i for i in alike if tokens.labels[i] == wanted] if count == 1 else []
        places = places if places and which is None else alike
        if 1 <= count <= len(places):
            return places[count - 1]
        if places:
            pattern = ngettext("{n}: there is no other", "1 to {n}", len(places))
            raise BadInput(f"--query {query}", pattern.format(n=len(places)), f"--query {named}:1")
    words = [group.label for group in _groups(tokens.labels, tokens.words, pieces=False)]
    close = difflib.get_close_matches(query, words, n=1, cutoff=0.0) or words[:1]
    pattern = _("a word of the sentence as the model reads it, one of {words}")
    shown = shorten(" ".join(dict.fromkeys(words)), 160)
    raise BadInput(f"--query {query}", pattern.format(words=shown), f"--query {close[0]}")


def _places(tokens: Tokens, name: str) -> list[int]:
    """Tokens that are called so, in capitals or not, alone or as the end of their word."""
    wanted = name.casefold()
    groups = _groups(tokens.labels, tokens.words, pieces=False)
    ends = [after.start - 1 for after in groups[1:]] + [len(tokens.labels) - 1]
    whole = [end for group, end in zip(groups, ends) if group.label.casefold() == wanted]
    if whole:
        return whole
    bare = [label.lstrip(CONTINUED).casefold() or label for label in tokens.labels]
    spelled = [piece.casefold() for piece in tokens.pieces]
    return [i for i in range(len(bare)) if wanted and wanted in (bare[i], spelled[i])]


def _row(reading: _Reading, layer: int, head: int, token: int) -> Row:
    """The arithmetic of one row, from what the layer reads."""
    q, k, v = _projected(reading.model, reading.trace, layer)
    q, k, v = (np.asarray(a, np.float64) for a in (q[head, token], k[head], v[head]))
    allowed = reading.allowed[token]
    scores = k @ q
    weights = softmax(np.where(allowed, scores / math.sqrt(len(q)), -np.inf))
    return Row(token, q, k, v, scores, allowed, weights, weights @ v)


def _projected(model: models.Model, trace: transformer.Trace, layer: int) -> tuple[Any, Any, Any]:
    """Queries, keys and values (h, t, d) of a layer, turned by position where the model does so."""
    style, p = model.style, model.blocks[layer]
    x = trace.states[layer]
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
    matcher = difflib.SequenceMatcher(None, words[0], words[1], autojunk=False)
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
    special = [g.special for g in _groups(one.tokens.labels, one.tokens.words, pieces=False)]
    labels = [g.label for g in _groups(one.tokens.labels, one.tokens.words, pieces=False)]
    others = [g.label for g in _groups(other.tokens.labels, other.tokens.words, pieces=False)]
    moved = []
    for n in np.argsort(-share, kind="stable").tolist():
        i, j, equal = pairs[n]
        if not equal or special[i]:
            continue
        links = [
            Link(
                labels[p.first] if p.equal else f"{labels[p.first]}/{others[p.second]}",
                float(first[i, p.first]),
                float(second[j, p.second]),
            )
            for p in pairs
        ]
        links += [
            Link(label, float(first[i, n]), 0.0)
            for n, label in enumerate(labels)
            if n not in {p.first for p in pairs}
        ]
        links += [
            Link(label, 0.0, float(second[j, n]))
            for n, label in enumerate(others)
            if n not in {p.second for p in pairs}
        ]
        links.sort(key=lambda link: -abs(link.after - link.before))
        moved.append(Moved(labels[i], float(share[n]), links[:3]))
    return moved


# Words


def _groups(labels: Sequence[str], words: Sequence[int | None], *, pieces: bool) -> list[_Group]:
    """Tokens joined to words, or each for itself."""
    groups: list[_Group] = []
    for i, (label, word) in enumerate(zip(labels, words)):
        goes_on = not pieces and word is not None and i > 0 and words[i - 1] == word
        if goes_on:
            whole = groups[-1].label.removeprefix(BLANK) + label.removeprefix(CONTINUED)
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


def _alone(given: dict[str, bool]) -> None:
    """Refuse what says nothing of a picture: its rollout and the mean of heads are always drawn."""
    for name, there in given.items():
        if there:
            wrong = _("--image with {what}").format(what=name)
            raise BadInput(wrong, _("a picture alone"), "--image FILE --model FOLDER")


def _look(model: models.Model, path: Path) -> tuple[NDArray[np.uint8], transformer.Trace]:
    """The picture as a ViT sees it, and what the ViT did."""
    camera = model.camera
    if camera is None:
        raise BadInput(
            _("--image with {what}").format(what=f"--model {model.name}"),
            _("a model that reads pictures, of the type vit"),
            "--model google/vit-base-patch16-224",
        )
    photo = images.read(path)
    pixels = images.fitted(photo.pixels, camera.rows, camera.columns, "crop")
    return pixels, model.read(camera.patches(pixels))


def _see(model: models.Model, path: Path, layer: int | None, head: int | None) -> Seen:
    """Let a ViT look at a picture."""
    pixels, trace = _look(model, path)
    _candidates(model, layer, head)
    camera = model.camera
    assert camera is not None
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


def _classes(model: models.Model, x: Any) -> list[Next]:
    """The likeliest classes of a picture, where the model has a classifier; x its last state."""
    if model.classifier is None:
        return []
    p = softmax(model.classify(x).astype(np.float64))
    best = np.argsort(-p, kind="stable")[:5].tolist()
    names = model.labels or tuple(map(str, range(len(p))))
    return [Next(names[i], float(p[i])) for i in best]


# The oracle


def check(
    sentence: str | None = None,
    *,
    model: str = checkpoints.STORYTELLER,
    layer: int | None = None,
    head: int | None = None,
    query: str | None = None,
    compare: str | None = None,
    causal: bool | None = None,
    image: Path | None = None,
    seed: int = 0,
    **drawn: Any,
) -> list[Check]:
    """Weights and outputs of every head against torch's scaled_dot_product_attention, in float64.

    The options that only say what is drawn make no difference.
    """
    import torch  # here, for without --check nothing needs it

    loaded = checkpoints.load(model, None, seed)
    if image is not None:
        trace, allowed = _look(loaded, image)[1], None
    else:
        reading = _read(loaded, SENTENCE if sentence is None else sentence, causal)
        trace, allowed = reading.trace, torch.from_numpy(reading.allowed)
    weight, output = 0.0, 0.0
    for i, ours in enumerate(trace.weights):
        q, k, v = (
            torch.from_numpy(np.asarray(a, np.float64)) for a in _projected(loaded, trace, i)
        )

        oracle = partial(torch.nn.functional.scaled_dot_product_attention, q, k, attn_mask=allowed)
        every = torch.eye(k.shape[-2], dtype=torch.float64).expand(*k.shape[:-1], -1)
        weight = float(np.maximum(weight, np.max(np.abs(oracle(every).numpy() - ours))))
        difference = np.max(np.abs(oracle(v).numpy() - ours.astype(np.float64) @ v.numpy()))
        output = float(np.maximum(output, difference / np.max(np.abs(v.numpy()))))
    row = []
    if query is not None and image is None:
        found = run(
            sentence, model=model, layer=layer, head=head, query=query, causal=causal, seed=seed
        )
        assert isinstance(found, Attend) and found.row is not None and found.layer is not None
        q, k, v = (
            torch.from_numpy(np.asarray(a, np.float64))
            for a in _projected(loaded, trace, found.layer)
        )
        theirs = torch.nn.functional.scaled_dot_product_attention(q, k, v, allowed)
        error = np.max(np.abs(theirs[found.head, found.row.token].numpy() - found.row.output))
        row = [Check(_("the row worked out"), float(error), 1e-9)]
    return [
        *row,
        Check(_("attention weights"), weight, 1e-5),
        Check(_("outputs of the heads, relative"), output, 1e-5),
    ]


# Drawing


def show(result: Attend | Seen, detail: bool = False) -> RenderableType:
    """One head large, under it all heads small; or what was asked for instead."""
    if isinstance(result, Seen):
        return _show_picture(result, detail)
    parts: list[RenderableType] = [Title(_("Who looks at whom?"), "softmax(Q Kᵀ / √d) V")]
    used = 1 + 2 + 4 + 2  # title, footer, takeaways, caveat
    if result.row is not None:
        parts += [_caption(result), _worked(result, result.row, detail)]
        used = _LINES  # no room for the others
    elif result.compared is not None:
        parts += [_caption(result), _both(result, detail), _moves(result, detail)]
        used = _LINES
    elif result.overview:
        parts.append(Note(_shape_of(result)))
        used += 1
    else:
        picture, rows = _large(result, result.sentence, _WORDS_DETAIL if detail else _WORDS)
        parts += [_caption(result), picture]
        used += rows + 1
    if result.next:
        parts += [Title(_("What comes next?")), _foretold(result)]
        used += 2 + len(result.next)
    plain = result.row is None and result.compared is None
    if plain or detail:
        lines = (_LINES - used - 1) // max(1, result.shape[0]) - 1
        parts.append(_small(result, 3 if detail else min(6 if result.overview else 3, lines)))
    if detail:
        parts.append(_table(result))
    parts.append(Note(_caveat(result)))
    return Group(*parts)


def _caveat(result: Attend) -> str:
    """What the labels mean, and what no weight says."""
    starred = any(_label(result, h)[0].endswith("*") for h in result.heads)
    if not starred or result.row is not None or result.compared is not None:
        return _no_explanation()
    star = _("* a head for repetitions, by random tokens read twice.")
    return sentences([star, _no_explanation()])


def _no_explanation() -> str:
    return _(
        "Where a head looks is not why the model answers (Jain & Wallace 2019; but "
        "Wiegreffe & Pinter 2019)."
    )


def _caption(result: Attend) -> Note:
    where = _shape_of(result)
    if result.view != "head":
        return Note(f"{where} · {_drawn(result)}")
    assert result.layer is not None and result.head is not None
    found = result.find(result.layer, result.head)
    parts = [where, _drawn(result)]
    parts.append(_("here: {pattern}").format(pattern=_pattern(found.pattern, found.score)))
    if found.probe is not None:
        parts.append(_("random tokens: {pattern}").format(pattern=_pattern(*found.probe)))
    return Note(" · ".join(parts))


def _drawn(result: Attend) -> str:
    """Which matrix is drawn large."""
    if result.view == "rollout":
        return _("rollout through all layers")
    if result.view == "average" and result.layer is None:
        return _("mean of all heads")
    if result.view == "average":
        return _("mean of layer {layer}").format(layer=result.layer)
    return _("layer {layer} head {head}").format(layer=result.layer, head=result.head)


def _shape_of(result: Attend) -> str:
    layers, h = result.shape
    text = _("{model}, {layers} layers × {heads} heads")
    return text.format(model=_named(result.model), layers=layers, heads=h)


def _named(model: str) -> str:
    """A model's name, short: of a path its end says more."""
    return model if len(model) <= 24 else "…" + model[-23:]


def _pattern(key: str, score: float) -> str:
    return _(heads.PATTERNS[key]) + ("" if key == "mixed" else f" {_share(score)}")


def _share(value: float) -> str:
    """A weight: .64, 1.0, .003."""
    text = number(value)
    return text.replace("0.", ".", 1) if 0 < value < 1 and text.startswith("0.") else text


def _label(result: Attend, head: Head) -> Label:
    """The pattern here, else the probe's; a star where only the probe can show what it is for."""
    copies = head.probe is not None and head.probe.key in result.absent
    if copies and head.probe is not None and head.pattern in ("mixed", "broad"):
        return _(heads.SHORT[head.probe.key]) + "*", _decimal(head.probe.score)
    score = "" if head.pattern == "mixed" else _decimal(head.score)
    return _(heads.SHORT[head.pattern]) + "*" * copies, score


def _decimal(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")


class _Words(NamedTuple):
    """A matrix between words as it is drawn: labels and weights, NaN where no look is allowed."""

    rows: list[str]
    columns: list[str]
    matrix: Floats
    left_out: str


def _words(result: Attend, text: Text, most: int) -> _Words:
    """The words, or their last ones where they are too many: what went further is summed."""
    groups = _groups(text.tokens, text.words, pieces=result.pieces)
    matrix = _joined(text.matrix, groups)
    t = np.arange(len(groups))
    open_ = (t[:, None] >= t[None, :]) if result.causal else np.ones((len(t), len(t)), bool)
    matrix = np.where(open_, matrix, np.nan)
    kept = [i for i, group in enumerate(groups) if result.special or not group.special]
    labels = [group.label for group in groups]
    if len(kept) <= most:
        names = [labels[i] for i in kept]
        return _Words(names, names, matrix[np.ix_(kept, kept)], "")
    rows = kept[-(most - 1) :]
    others = np.nansum(matrix[np.ix_(rows, kept[: -(most - 1)])], axis=1, keepdims=True)
    drawn = np.concatenate([others, matrix[np.ix_(rows, rows)]], axis=1)
    note = _(
        "The last {n} of {all} words; the first column is the sum of all before them "
        "(--export weights.json has all)."
    )
    return _Words(
        [labels[i] for i in rows],
        [_("before"), *(labels[i] for i in rows)],
        drawn,
        note.format(n=len(rows), all=len(kept)),
    )


def _large(result: Attend, text: Text, most: int) -> tuple[RenderableType, int]:
    """The large picture, and about how many lines it takes."""
    words = _words(result, text, most)
    figure: RenderableType = Heatmap(
        words.matrix,
        rows=words.rows,
        columns=words.columns,
        row_axis=_("query"),
        column_axis=_("key"),
        limits=(0.0, 1.0),
        bar=False,
        max_height=most,
    )
    rows = len(words.rows) + 3
    if words.left_out:
        return Group(figure, Note(words.left_out)), rows + 1
    return figure, rows


def _small(result: Attend, lines: int) -> Multiples:
    """All layers × heads."""
    text = result.sentence
    groups = _groups(text.tokens, text.words, pieces=result.pieces)
    kept = [i for i, group in enumerate(groups) if result.special or not group.special]
    values = _joined(result.weights, groups)[..., kept, :][..., kept]
    if result.causal:
        t = np.arange(len(kept))
        values = np.where(t[:, None] >= t[None, :], values, np.nan)
    labels = [
        [_label(result, h) for h in result.heads if h.layer == i] for i in range(result.shape[0])
    ]
    marked = None
    if result.layer is not None and result.head is not None:
        marked = (result.layer, result.head)
    return Multiples(
        values,
        labels,
        row_axis=_("L"),
        column_axis=_("head"),
        height=max(0, lines),
        marked=marked,
    )


def _table(result: Attend) -> Table:
    """Every head in numbers."""
    columns: list[Column | str] = [
        _("layer"),
        _("head"),
        Column(_("in this sentence"), "left"),
        _("score"),
        Column(_("on random tokens read twice"), "left"),
        _("score"),
        _("largest weight on content"),
    ]
    rows = []
    for h in result.heads:
        probe = (
            ("", "") if h.probe is None else (_(heads.PATTERNS[h.probe.key]), _share(h.probe.score))
        )
        here = (_(heads.PATTERNS[h.pattern]), _share(h.score))
        rows.append([str(h.layer), str(h.head), *here, *probe, _share(h.telling)])
    return Table(columns, rows)


def _foretold(result: Attend) -> Bars:
    return Bars(
        [_spoken(each.token) for each in result.next],
        [each.probability for each in result.next],
        keys=["attention"] * len(result.next),
    )


def _spoken(token: str) -> str:
    """A token as a label: white space alone would not be seen."""
    return token.strip() or BLANK


def _both(result: Attend, detail: bool) -> RenderableType:
    """The same head on two sentences."""
    assert result.compared is not None
    most = _WORDS_DETAIL if detail else _WORDS
    panels = []
    for name, text in ((_("first"), result.sentence), (_("second"), result.compared)):
        panels.append((name, _large(result, text, most)[0]))
    return Panels(panels, min_width=44)


def _moves(result: Attend, detail: bool) -> RenderableType:
    """The rows that moved most."""
    rows = []
    for each in result.moved[: 12 if detail else 4]:
        links = [
            f"{shorten(link.key, 20)} {_share(link.before)} → {_share(link.after)}"
            for link in each.links
            if round(abs(link.after - link.before), 2) > 0
        ]
        rows.append([shorten(each.word, 20), _share(each.share), " · ".join(links) or "–"])
    columns: list[Column | str] = [
        Column(_("row"), "left"),
        _("moved"),
        Column(_("from → to"), "left"),
    ]
    return Table(columns, rows)


def _worked(result: Attend, row: Row, detail: bool) -> RenderableType:
    """The arithmetic of one row, to be read aloud."""
    d = len(row.q)
    labels = result.tokens
    seen = np.flatnonzero(row.allowed)
    most = len(seen) if detail else _KEYS
    shown = [i for i in seen.tolist() if result.special or result.sentence.words[i] is not None]
    keys = sorted(sorted(shown, key=lambda i: -row.weights[i])[:most])
    scaled = row.scores / math.sqrt(d)
    top = float(scaled[row.allowed].max())
    shift = (
        top if abs(top) > 9 else 0.0
    )  # e^x is read aloud: a large one is taken relative to the largest
    exps = np.where(row.allowed, np.exp(scaled - shift), 0.0)
    parts = min(2, d)
    power = "exp x" if shift == 0 else f"exp(x − {number(shift, 3)})"
    columns: list[Column | str] = [
        Column(_("key"), "left"),
        "q·k",
        f"x = q·k / √{d}",
        power,
        "÷ Σ",
        *(f"v[{i}]" for i in range(parts)),
    ]
    rows = [
        [
            shorten(labels[s], 16),
            f"{row.scores[s]:.2f}",
            f"{scaled[s]:.2f}",
            number(float(exps[s]), 3),
            _share(float(row.weights[s])),
            *(f"{row.v[s, i]:.2f}" for i in range(parts)),
        ]
        for s in keys
    ]
    hidden = [s for s in seen.tolist() if s not in keys]
    if hidden:
        name = ngettext("{n} other", "{n} others", len(hidden)).format(n=len(hidden))
        rows.append(
            [
                name,
                "",
                "",
                number(float(exps[hidden].sum()), 3),
                _share(float(row.weights[hidden].sum())),
                *[""] * parts,
            ]
        )
    rows.append(
        [
            "Σ",
            "",
            "",
            number(float(exps.sum()), 3),
            "1",
            *(f"{row.output[i]:.2f}" for i in range(parts)),
        ]
    )
    first = int(np.argmax(np.where(row.allowed, row.weights, -1)))
    terms = " + ".join(f"{_signed(row.q[i])}·{_signed(row.k[first, i])}" for i in range(parts))
    products = _("q·k of ‘{query}’ and ‘{key}’: {terms} + … ({d} products) = {score}").format(
        query=shorten(labels[row.token], 16),
        key=shorten(labels[first], 16),
        terms=terms,
        d=d,
        score=f"{row.scores[first]:.2f}",
    )
    lines: list[RenderableType] = [
        Title(_("The row of ‘{token}’, worked out").format(token=shorten(labels[row.token], 24))),
        Note(products),
        Table(columns, rows),
    ]
    masked = int((~row.allowed).sum())
    if masked:
        text = ngettext(
            "{n} later token is masked: x = −∞, weight 0.",
            "{n} later tokens are masked: x = −∞, weight 0.",
            masked,
        )
        lines.append(Note(text.format(n=masked)))
    lines.append(
        Note(
            _(
                "The last line: the sum of exponentials, and Σ weight · v, the first {n} of "
                "{d} numbers that the head passes on."
            ).format(n=parts, d=d)
        )
    )
    return Group(*lines)


def _signed(value: float) -> str:
    return f"{value:.2f}" if value >= 0 else f"(−{-value:.2f})"


def _show_picture(result: Seen, detail: bool) -> RenderableType:
    """The picture, and over it where the class token looks."""
    layers = result.weights.shape[0]
    mean = (
        result.weights[result.layer]
        if result.head is None
        else result.weights[result.layer, result.head]
    )
    if result.head is None:
        mean = mean.mean(axis=0)
        name = _("class token, layer {layer}, mean of heads").format(layer=result.layer)
    else:
        name = _("class token, layer {layer} head {head}").format(
            layer=result.layer, head=result.head
        )
    panels = [
        (_("what it sees"), Picture(result.pixels, max_width=32, max_height=14)),
        (name, Picture(_lit(result.pixels, mean), max_width=32, max_height=14)),
        (
            _("rollout through all layers"),
            Picture(_lit(result.pixels, result.rollout), max_width=32, max_height=14),
        ),
    ]
    parts: list[RenderableType] = [
        Title(_("Where does the class token look?"), "softmax(Q Kᵀ / √d) V"),
        Note(
            _("{model} · bright: much of its attention, as a share of the brightest patch").format(
                model=_named(result.model)
            )
        ),
        Panels(panels, min_width=28),
    ]
    if result.classes:
        parts.append(
            Bars(
                [c.token for c in result.classes],
                [c.probability for c in result.classes],
                keys=["vit"] * len(result.classes),
            )
        )
    lines = (_LINES - 27 - len(result.classes)) // max(1, layers) - 1
    labels = [[(_("itself"), _decimal(x)) for x in row] for row in result.itself.tolist()]
    largest = float(result.weights.max()) or 1.0
    parts.append(
        Multiples(
            result.weights,
            labels,
            row_axis=_("L"),
            column_axis=_("head"),
            limits=(0.0, largest),
            height=4 if detail else max(0, min(3, lines)),
            marked=None if result.head is None else (result.layer, result.head),
        )
    )
    parts.append(Note(_no_explanation()))
    return Group(*parts)


def _lit(pixels: NDArray[np.uint8], weights: Floats) -> NDArray[np.uint8]:
    """The picture, dark where the weight of its patch is small."""
    n1, n2 = weights.shape
    rows, columns = pixels.shape[0] // n1, pixels.shape[1] // n2
    share = weights / (weights.max() or 1.0)
    light = np.kron(0.15 + 0.85 * share, np.ones((rows, columns)))
    cut = pixels[: light.shape[0], : light.shape[1]]
    return np.asarray(np.rint(cut * light[..., None]), np.uint8)


# Sentences


def takeaways(result: Attend | Seen) -> list[str]:
    """What was found, computed from the weights."""
    if isinstance(result, Seen):
        return _of_picture(result)
    out = [_of_row(result, result.row)] if result.row is not None else []
    if result.compared is not None:
        out.append(_of_comparison(result))
    elif result.row is None and not result.overview:
        out.append(_of_head(result) if result.view == "head" else _of_matrix(result))
    if result.row is None and result.compared is None:
        out.append(_of_all(result))
    if result.causal != result.trained_causal:
        out.append(
            _(
                "{model} was trained to look back only: with both ways open these are not "
                "its own weights."
            ).format(model=_named(result.model))
            if result.trained_causal
            else _(
                "{model} was trained to look both ways: looking back only, these are not its "
                "own weights."
            ).format(model=_named(result.model))
        )
    elif result.next:
        best = result.next[0]
        out.append(
            _("The likeliest next token is ‘{token}’, with {p}.").format(
                token=_spoken(best.token), p=_share(best.probability)
            )
        )
    return out[:3]


def _of_head(result: Attend) -> str:
    """What the large head does, here and on the probe."""
    assert result.layer is not None and result.head is not None
    found = result.find(result.layer, result.head)
    where = _("Layer {layer} head {head}").format(layer=found.layer, head=found.head)
    link = _strongest(result)
    if len(result.absent) == len(heads.PATTERNS) - 2:
        return _("The sentence is too short to tell what a head does.")
    if found.pattern in ("mixed", "broad"):
        start = (
            _("{head} looks nearly everywhere alike ({score} of the largest entropy)")
            if found.pattern == "broad"
            else _("{head} follows none of the simple patterns here")
        ).format(head=where, score=_share(found.score))
    else:
        start = _("{head} here is of the kind ‘{pattern}’: {score} of the weight").format(
            head=where, pattern=_(heads.PATTERNS[found.pattern]), score=_share(found.score)
        )
    if link is None:
        return start + "."
    query, key, weight, even = link
    return start + _(
        "; its strongest link between words apart is {query} → {key}, {weight} (evenly: {even})."
    ).format(
        query=shorten(query, 20), key=shorten(key, 20), weight=_share(weight), even=_share(even)
    )


def _strongest(result: Attend) -> tuple[str, str, float, float] | None:
    """The largest weight between words that are neither neighbours nor the same nor special.

    -> query, key, weight, and what even attention would give it.
    """
    text = result.sentence
    groups = _groups(text.tokens, text.words, pieces=False)
    matrix = _joined(text.matrix, groups)
    n = np.arange(len(groups))
    real = np.array([not g.special for g in groups])
    far = np.abs(n[:, None] - n[None, :]) > 1
    where = far & real[:, None] & real[None, :] & (n[None, :] > 0)
    if result.causal:
        where &= n[:, None] >= n[None, :]
    if not where.any():
        return None
    i, j = np.unravel_index(int(np.where(where, matrix, -1).argmax()), matrix.shape)
    t = np.arange(len(text.tokens))
    seen = t[:, None] >= t[None, :] if result.causal else np.ones((len(t), len(t)), bool)
    blind = _joined(seen / seen.sum(-1, keepdims=True), groups)
    return groups[i].label, groups[j].label, float(matrix[i, j]), float(blind[i, j])


def _of_all(result: Attend) -> str:
    """How many heads do what."""
    counts = Counter(h.pattern for h in result.heads)
    each = listed(f"{_(heads.PATTERNS[k])} {counts[k]}" for k in heads.PATTERNS if counts[k])
    text = _("Of {n} heads in this sentence: {listed}.").format(n=len(result.heads), listed=each)
    copying = [h for h in result.heads if h.probe is not None and h.probe.key == "induction"]
    if copying:
        best = max(copying, key=lambda h: h.probe.score if h.probe else 0.0)
        assert best.probe is not None
        probed = ngettext(
            "On random tokens read twice {n} is an induction head: layer {layer} head "
            "{head}, {score}.",
            "On random tokens read twice {n} are induction heads, layer {layer} head {head} "
            "most, {score}.",
            len(copying),
        ).format(n=len(copying), layer=best.layer, head=best.head, score=_share(best.probe.score))
        return sentences([text, probed])
    return text


def _of_matrix(result: Attend) -> str:
    """What the rollout, or the mean, shows."""
    text = result.sentence
    groups = _groups(text.tokens, text.words, pieces=False)
    matrix = _joined(text.matrix, groups)
    rows = [i for i, group in enumerate(groups) if i > 0 and not group.special]
    if not rows:
        return _("There is no word after the first token: nothing to average.")
    own, first = float(np.diag(matrix)[rows].mean()), float(matrix[rows, 0].mean())
    if result.view == "rollout":
        pattern = _(
            "Followed through all layers ({layers}), a word is {own} itself and {first} the first "
            "token ‘{token}’, on average."
        )
    elif result.layer is None:
        pattern = _(
            "On average over all heads, a word gives {own} of its weight to itself and {first} to "
            "the first token ‘{token}’."
        )
    else:
        pattern = _(
            "On average over the heads of layer {layer}, a word gives {own} of its weight to "
            "itself and {first} to the first token ‘{token}’."
        )
    return pattern.format(
        layers=result.shape[0],
        layer=result.layer,
        own=_share(own),
        first=_share(first),
        token=shorten(groups[0].label, 16),
    )


def _of_row(result: Attend, row: Row) -> str:
    """How the weight of one row is spread."""
    order = np.argsort(-row.weights, kind="stable")
    needed = int(np.searchsorted(np.cumsum(row.weights[order]), 0.9) + 1)
    first = int(order[0])
    pattern = ngettext(
        "‘{query}’ gives {weight} to ‘{key}’, whose q·k of {score} is the largest of {all}; "
        "{n} key holds 90 % of the weight.",
        "‘{query}’ gives {weight} to ‘{key}’, whose q·k of {score} is the largest of {all}; "
        "{n} keys hold 90 % of the weight.",
        needed,
    )
    return pattern.format(
        query=shorten(result.tokens[row.token], 20),
        key=shorten(result.tokens[first], 20),
        weight=_share(float(row.weights[first])),
        score=number(float(row.scores[first]), 3),
        all=int(row.allowed.sum()),
        n=needed,
    )


def _of_comparison(result: Attend) -> str:
    """Which row moved most, and where to."""
    if not result.moved:
        return _("The two sentences have no word in common: no row can be compared.")
    most = result.moved[0]
    if most.share < _UNMOVED:
        text = _("No row that both sentences have moved by as much as .005 of its weight.")
        if result.causal:
            masked = _("Under the causal mask a word sees nothing of what comes after it.")
            return sentences([text, masked])
        return text
    link = most.links[0]
    return _(
        "The row ‘{word}’ moved most: {share} of its weight, above all on {key}, "
        "{before} → {after}."
    ).format(
        word=shorten(most.word, 20),
        share=_share(most.share),
        key=shorten(link.key, 32),
        before=_share(link.before),
        after=_share(link.after),
    )


def _of_picture(result: Seen) -> list[str]:
    """How spread the class token's look is, and whether the rollout agrees."""
    chosen = result.weights[result.layer]
    chosen = chosen.mean(axis=0) if result.head is None else chosen[result.head]
    p = (chosen / (chosen.sum() or 1.0)).ravel()
    half = int(np.searchsorted(np.cumsum(np.sort(p)[::-1]), 0.5) + 1)
    if result.head is None:
        where = _("Layer {layer}, mean of its heads").format(layer=result.layer)
    else:
        where = _("Layer {layer} head {head}").format(layer=result.layer, head=result.head)
    text = _(
        "{where}: half of the class token's look at the patches lies on {n} of {all} (evenly: "
        "{even})."
    )
    out = [text.format(where=where, n=half, all=p.size, even=math.ceil(p.size / 2))]
    if p.size > 2 and chosen.std() > 0 and result.rollout.std() > 0:
        r = float(np.corrcoef(chosen.ravel(), result.rollout.ravel())[0, 1])
        out.append(
            _("Rollout and this map correlate with {r} over the patches.").format(r=f"{r:.2f}")
        )
    if result.classes:
        best = result.classes[0]
        out.append(
            _("The model says ‘{name}’, with {p}.").format(
                name=shorten(best.token, 40), p=_share(best.probability)
            )
        )
    return out


def question(result: Attend | Seen) -> Question:
    """Which word a head looks at most; or in which layer the class token looks at itself most."""
    if isinstance(result, Seen):
        layer = int(result.itself.mean(axis=1).argmax())
        layers = [str(i) for i in range(len(result.itself))]
        why = _("It keeps {share} there, the mean of the layer's heads.").format(
            share=_share(float(result.itself[layer].mean()))
        )
        return Question(
            _("In which layer does the class token look at itself most?"), layers, layer, why
        )
    text = result.sentence
    groups = _groups(text.tokens, text.words, pieces=result.pieces)
    named = _distinct(groups, result.pieces)
    words = [g.start for g in groups if not g.special and g.label.strip(BLANK)]
    last = words[-1] if words else groups[-1].start
    token = last if result.row is None else result.row.token
    asked = max(i for i, g in enumerate(groups) if g.start <= token)
    row = _joined(text.matrix, groups)[asked]
    # what a head may plainly look at, and where this one does; in the order of the sentence
    seen = [i for i in range(len(groups)) if i <= asked or not result.causal]
    likely = {0, max(0, asked - 1), asked, *np.argsort(-row, kind="stable")[:3].tolist()}
    choices = seen if len(seen) <= _CHOICES else [i for i in seen if i in likely]
    answer = int(row.argmax())
    return Question(
        _("Where does ‘{word}’ look most? ({matrix})").format(
            word=named[asked], matrix=_drawn(result)
        ),
        [named[i] for i in choices],
        choices.index(answer),
        _("It gives {weight} there, the largest number of its row.").format(
            weight=_share(float(row[answer]))
        ),
    )


def _distinct(groups: Sequence[_Group], pieces: bool) -> list[str]:
    """What the words are called; those that occur twice with their number in the sentence.

    Special tokens, and pieces of words, are numbered among all tokens.
    """
    counts = Counter(group.label for group in groups)
    names, n = [], 0
    for i, group in enumerate(groups):
        n += not group.special
        twice = _("{word} (token {n})") if pieces or group.special else _("{word} (word {n})")
        place = i + 1 if pieces or group.special else n
        once = counts[group.label] == 1
        names.append(group.label if once else twice.format(word=group.label, n=place))
    return names
