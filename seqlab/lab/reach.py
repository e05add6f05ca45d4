"""Who can hear whom? The measured Jacobian between every output and every input, layer by layer.

A recurrent network, convolution, attention of four kinds and a Mixer read one random sequence with
random weights. What an output does not depend on has a derivative of exactly zero: nobody tells the
experiment where that is. The picture shows how far each architecture reaches in one layer, in two,
in three; counted on, it says how many layers it takes until every output hears every input ("all
at", beside it what a formula gives, "theory") and how long the longest path between two connected
tokens is, in layers, for recurrent networks in steps (Vaswani et al. 2017, §4 and table 1; Liu et
al. 2021, §3.2).
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from einops import rearrange
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult

from seqlab import trees
from seqlab.book import attention, conv, mixer, rnn, transformer
from seqlab.book.ops import Array, concatenate, gelu, stack, zeros
from seqlab.book.transformer import FeedForward, Norm, Style
from seqlab.figures import palette
from seqlab.figures.glyphs import number
from seqlab.figures.prose import Note, Title
from seqlab.figures.strips import SHADES, SHADES_ASCII, Strip, Strips
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput, Check, Question, Result, Seed, Watch, require, some_of
from seqlab.locale import N_, _, listed, ngettext

Floats = NDArray[np.float64]
Pattern = NDArray[np.bool_]  # (n, n): output i depends on input j

_MOST_TOKENS, _MOST_LAYERS = 64, 12
_MOST_WORK = 2**22  # numbers in Jacobians: some seconds, and a megabyte of JSON
_TOKENS = 12  # by default
_NETWORKS = 3  # drawn for what is said of how faint a connection is
_DIGITS = 4  # of the strengths
_STEP = 1e-4  # of the differences: what they leave out and what rounding adds are least there
_TOGETHER = 2**13  # numbers that go through a layer at a time
_DECADES = 3  # of strength, from the brightest pixel of a picture to the faintest
_SIDE = 24  # pixels of a picture at least, where there are more values
_FLOOR = 0.3  # brightness of the faintest: far from nothing on a projector too
_NEVER = "–"


@dataclass(frozen=True)
class Reach(Result):
    """How much every output depends on every input, for each architecture after 1, 2, ... layers.

    `reach` holds matrices (tokens, tokens): row i, column j is the Frobenius norm of ∂yᵢ/∂xⱼ, a
    d × d block of the Jacobian, after so many layers; exactly 0 where i does not depend on j.
    `shares` are the shares of pairs (i, j) that are not 0. `layers_to_full` is the first depth at
    which there is none left that is 0, null where no depth will do; beyond `layers` it is counted
    on, from which tokens each layer was measured to connect. `theory` is what a formula says of it.
    `path` is the longest way between two tokens that are connected: in layers, for recurrent
    networks in steps. `far` is how strongly the last output depends on the first input, by its own
    input: a list over 1, 2, ... layers for each network, of seeds `seed`, `seed` + 1, ...; `own`
    how strongly an output depends on its own input, by the mean of the others it hears, after the
    last layer; `own_with` the same with residual connections, where they are taken away. With
    `grid`, [rows, columns], tokens are the patches of a picture, row by row, and the screen shows
    the receptive field of patch `at` (from 1).
    """

    tokens: int
    grid: str | None
    at: int | None
    layers: int
    models: str
    d_model: int
    heads: int
    kernel: int
    window: int
    residual: bool
    seed: int
    reach: dict[str, list[Floats]]
    shares: dict[str, list[float]]
    layers_to_full: dict[str, int | None]
    theory: dict[str, int | None]
    path: dict[str, int]
    far: dict[str, list[list[float]]]
    own: dict[str, float]
    own_with: dict[str, float] | None

    @property
    def shape(self) -> "Shape":
        """What the formulas take."""
        n1, n2 = _grid(self.grid) if self.grid else (1, self.tokens)
        return Shape(
            n1, n2, self.d_model, self.heads, self.kernel, self.window, residual=self.residual
        )

    def connected(self, model: str) -> Pattern:
        """Who depends on whom after the last of the layers shown."""
        return np.asarray(self.reach[model][-1] > 0)


def run(
    *,
    tokens: Annotated[
        int | None,
        typer.Option(
            min=2, max=_MOST_TOKENS, help=N_("Tokens n of the sequence; by default 12, or --grid.")
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            metavar="ROWSxCOLUMNS",
            help=N_("Patches of a picture, as 6x6, and the receptive field of one of them."),
        ),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(
            metavar="N", help=N_("With --grid: the patch whose field is drawn; else a middle one.")
        ),
    ] = None,
    layers: Annotated[
        int, typer.Option(min=1, max=_MOST_LAYERS, help=N_("Layers that are measured and drawn."))
    ] = 3,
    models: Annotated[
        str,
        typer.Option(
            help=N_(
                "Which architectures, of rnn, birnn, causal, attention, window, shifted, conv,"
                " mixer; with commas between."
            )
        ),
    ] = "rnn,birnn,causal,attention,window,shifted,conv,mixer",
    d_model: Annotated[
        int, typer.Option(min=4, max=64, help=N_("Width d of every layer, an even number."))
    ] = 8,
    heads: Annotated[int, typer.Option(min=1, help=N_("Heads h of attention."))] = 2,
    kernel: Annotated[
        int, typer.Option(min=1, help=N_("Width k of the convolution's kernel, an odd number."))
    ] = 3,
    window: Annotated[
        int, typer.Option(min=1, help=N_("Tokens m in a window (with --grid: on a side of it)."))
    ] = 4,
    residual: Annotated[
        bool,
        typer.Option(
            "--residual/--no-residual",
            help=N_("x + f(x), or f(x) alone, around the parts of every layer but the RNN's."),
        ),
    ] = True,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Reach:
    """Measure ∂yᵢ/∂xⱼ of untrained stacks of layers, and find where it is zero.

    All but the recurrent networks have the frame of the Transformer, pre-norm: they differ in the
    part that mixes tokens, and in nothing else.

    Raises:
        BadInput: an unknown architecture, a size out of range or not to be divided, too much work.
    """
    n1, n2 = _sides(tokens, grid)
    n = n1 * n2
    if grid is None and at is not None:
        raise BadInput(f"--at {at}", _("a grid to stand in"), "--grid 6x6 --at 1")
    if at is not None:
        require(at, "at", 1, n)
    require(layers, "layers", 1, _MOST_LAYERS)
    chosen = some_of(models, "models", ARCHITECTURES)
    _sizes(max(n1, n2), d_model, heads, kernel, window)
    if not isinstance(residual, bool):
        raise BadInput(f"--residual {residual}", _("true or false"))
    require(seed, "seed", 0)
    shape = Shape(n1, n2, d_model, heads, kernel, window, residual)
    _affordable(shape, layers, chosen)

    reach, full, far, with_them = {}, {}, {}, {}
    for i, name in enumerate(chosen):
        measured = []
        for done, layer in enumerate(_Net(name, shape, seed).jacobians(max(layers, _PERIOD))):
            measured.append(layer)
            if watch is not None:
                share = (i + (done + 1) / max(layers, _PERIOD)) / len(chosen)
                watch(share, _(ARCHITECTURES[name].name))
        norms = [_norms(product, shape) for product in _products(measured)][:layers]
        reach[name] = [_rounded(strength) for strength in norms]
        full[name] = _until_full([_norms(layer, shape) > 0 for layer in measured[:_PERIOD]])
        networks = _NETWORKS if name in _compared(chosen) else 1
        others = [_Net(name, shape, seed + i).far(layers) for i in range(1, networks)]
        far[name] = [[_far(float(s[-1, 0]), float(s[-1, -1])) for s in norms], *others]
        if not residual and isinstance(ARCHITECTURES[name], _InFrame):
            net = _Net(name, shape._replace(residual=True), seed)
            with_them[name] = _own(_norms(_products(net.jacobians(layers))[-1], shape))
    return Reach(
        tokens=n,
        grid=None if grid is None else f"{n1}x{n2}",
        at=None if grid is None else at or _middle(n1, n2),
        layers=layers,
        models=",".join(chosen),
        d_model=d_model,
        heads=heads,
        kernel=kernel,
        window=window,
        residual=residual,
        seed=seed,
        reach=reach,
        shares={name: [float((m > 0).mean()) for m in found] for name, found in reach.items()},
        layers_to_full=full,
        theory={name: ARCHITECTURES[name].theory(shape) for name in chosen},
        path={name: ARCHITECTURES[name].path(shape) for name in chosen},
        far=far,
        own={name: _own(found[-1]) for name, found in reach.items()},
        own_with=None if residual else with_them,
    )


# What may be asked for


def _sides(tokens: int | None, grid: str | None) -> tuple[int, int]:
    """(rows, columns); a sequence is a row."""
    if grid is not None:
        if tokens is not None:
            expected = _("one of them: a grid has as many tokens as patches")
            raise BadInput(f"--tokens {tokens} --grid {grid}", expected, f"--grid {grid}")
        return _grid(grid)
    n = _TOKENS if tokens is None else tokens
    require(n, "tokens", 2, _MOST_TOKENS)
    return 1, n


def _grid(text: str) -> tuple[int, int]:
    """(rows, columns) of "6x8"."""
    found = re.fullmatch(r"\s*([0-9]{1,4})\s*[x×X]\s*([0-9]{1,4})\s*", str(text))
    expected = _("rows x columns, 2 to {n} patches together").format(n=_MOST_TOKENS)
    if found is None:
        raise BadInput(f"--grid {text}", expected, "--grid 6x6")
    n1, n2 = int(found[1]), int(found[2])
    if not 2 <= n1 * n2 <= _MOST_TOKENS:
        raise BadInput(f"--grid {text}", expected, "--grid 6x6")
    return n1, n2


def _middle(n1: int, n2: int) -> int:
    """The patch in the middle, from 1; of two the one further down and to the right."""
    return n1 // 2 * n2 + n2 // 2 + 1


def _sizes(side: int, d: int, heads: int, kernel: int, window: int) -> None:
    require(d, "d-model", 4, 64)
    if d % 2:
        raise BadInput(f"--d-model {d}", _("an even number"), f"--d-model {min(64, d + 1)}")
    require(heads, "heads", 1)
    if d % heads:
        near = max(h for h in range(1, min(heads, d) + 1) if d % h == 0)
        expected = _("a divisor of --d-model {d}").format(d=d)
        raise BadInput(f"--heads {heads}", expected, f"--heads {near}")
    require(kernel, "kernel", 1)
    if kernel % 2 == 0:
        raise BadInput(f"--kernel {kernel}", _("an odd number"), f"--kernel {kernel - 1}")
    if kernel > 2 * side - 1:
        expected = _("at most {most}: what is further out is zeros only").format(most=2 * side - 1)
        raise BadInput(f"--kernel {kernel}", expected, f"--kernel {2 * side - 1}")
    require(window, "window", 1, _MOST_TOKENS)


def _affordable(s: "Shape", layers: int, chosen: Sequence[str]) -> None:
    """Refuse to run what would take minutes, or fill a document of megabytes."""
    offsets = s.k if s.n1 == 1 else s.k**2  # some 30 of the kernel take as long as all the rest
    kinds = len(chosen) + offsets // 32 * ("conv" in chosen)
    each = kinds * (s.n * max(8, s.d)) ** 2 * (1 if s.residual else 2)
    most = int(_MOST_WORK / each)
    if max(layers, _PERIOD) > most:
        raise BadInput(
            _("{layers} layers in {models} architectures, {n} tokens of width {d}").format(
                layers=layers, models=len(chosen), n=s.n, d=s.d
            ),
            _("what is computed within seconds"),
            f"--layers {most}"
            if most >= _PERIOD
            else _("fewer --models, --tokens, or a smaller --d-model or --kernel"),
        )


# The architectures


class Shape(NamedTuple):
    """Sizes: a sequence is a grid of one row."""

    n1: int  # rows of the grid
    n2: int  # columns
    d: int
    h: int  # heads
    k: int  # side of the kernel
    m: int  # side of a window
    residual: bool

    @property
    def n(self) -> int:
        """Tokens."""
        return self.n1 * self.n2

    @property
    def sides(self) -> tuple[int, int]:
        """Both sides of the grid."""
        return self.n1, self.n2

    @property
    def style(self) -> Style:
        """Of a Vision Transformer: pre-norm, ε 1e-6."""
        return Style(h=self.h, pre_norm=True, eps=mixer.EPS)


class Framed(NamedTuple):
    """The parameters of a layer in the frame of the Transformer."""

    norm_1: Norm
    mix: Any  # of the part that mixes tokens
    norm_2: Norm
    feed_forward: FeedForward  # 4d wide inside


_PERIOD = 2  # layers after which a stack repeats itself: windows shift in every other one


@dataclass(frozen=True)
class _Architecture:
    """A name, an ink, one layer, and what theory says of a stack of them."""

    name: str
    ink: str

    def draw(self, rng: np.random.Generator, s: Shape) -> Any:
        """Parameters of one layer."""
        raise NotImplementedError

    def layer(self, p: Any, x: Array, s: Shape, index: int) -> Array:
        """Layer number `index`, from 0; x (b, n, d) -> (b, n, d)."""
        raise NotImplementedError

    def push(self, p: Any, x: Floats, s: Shape, index: int, along: Floats) -> Floats:
        """∂y/∂x @ along (n d, ...): how y moves with x (n, d) in every direction, a column each."""
        return differences(partial(self.layer, p, s=s, index=index), x, along)

    def theory(self, s: Shape) -> int | None:
        """Layers until every output depends on every input; None if that is never so."""
        return 1

    def path(self, s: Shape) -> int:
        """Steps or layers on the longest way between two tokens (Vaswani et al. 2017, table 1)."""
        return self.theory(s) or 1

    def formula(self, s: Shape) -> str:
        """What `theory` is the value of; n is the longer side of a grid."""
        return _NEVER if self.theory(s) is None else "1"


class _Recurrent(_Architecture):
    """The recurrent network; its Jacobian is what backpropagation through time returns."""

    def draw(self, rng: np.random.Generator, s: Shape) -> Any:
        return rnn.init(rng, s.d, s.d)

    def layer(self, p: Any, x: Array, s: Shape, index: int) -> Array:
        return _unrolled(p, x)

    def push(self, p: Any, x: Floats, s: Shape, index: int, along: Floats) -> Floats:
        return _through_time(p, x) @ along

    def theory(self, s: Shape) -> int | None:
        return None

    def path(self, s: Shape) -> int:
        """From the first input through n steps to the last output (table 1: O(n))."""
        return s.n


class _Bidirectional(_Recurrent):
    """One network from the left, one from the right, each d / 2 wide (Schuster & Paliwal 1997)."""

    def draw(self, rng: np.random.Generator, s: Shape) -> Any:
        return rnn.init(rng, s.d, s.d // 2), rnn.init(rng, s.d, s.d // 2)

    def layer(self, p: Any, x: Array, s: Shape, index: int) -> Array:
        order = np.arange(s.n)[::-1].copy()  # torch knows no negative steps
        return concatenate([_unrolled(p[0], x), _unrolled(p[1], x[:, order])[:, order]])

    def push(self, p: Any, x: Floats, s: Shape, index: int, along: Floats) -> Floats:
        n, d = x.shape
        ahead = _through_time(p[0], x).reshape(n, d // 2, n, d)
        back = _through_time(p[1], x[::-1]).reshape(n, d // 2, n, d)[::-1, :, ::-1]
        return np.concatenate([ahead, back], axis=1).reshape(n * d, n * d) @ along

    def theory(self, s: Shape) -> int | None:
        return 1


def _unrolled(p: rnn.RNN, x: Array) -> Array:
    """The states h_1 to h_n; x (b, n, c) -> (b, n, d)."""
    xs = rearrange(x, "b t c -> t b c")
    states = rnn.unroll(p, xs, rnn.initial_state(p, x.shape[0]))
    return rearrange(stack([state.h for state in states[1:]]), "t b d -> b t d")


def _through_time(p: rnn.RNN, x: Floats) -> Floats:
    """∂h/∂x (n d, n c) of all states at x (n, c): BPTT of n d losses at once, each a state's unit.

    Exact, however faint: over many steps a difference of two runs would drown in rounding.
    """
    (n, c), d = x.shape, p.W_h.shape[0]
    losses = np.eye(n * d).reshape(n * d, n, d).swapaxes(0, 1)
    xs = np.repeat(x[:, None], n * d, axis=1)
    _grads, dxs, _dh = rnn.bptt(p, xs, rnn.unroll(p, xs, rnn.initial_state(p, n * d)), losses)
    return np.asarray(dxs).swapaxes(0, 1).reshape(n * d, n * c)


class _InFrame(_Architecture):
    """x + mix(LN(x)), then x + FFN(LN(x)): the Transformer's block, whatever mixes the tokens."""

    def draw(self, rng: np.random.Generator, s: Shape) -> Framed:
        network = transformer.init_feed_forward(rng, s.d, 4 * s.d)
        norms = [transformer.init_norm(s.d, like=network.W_1) for _norm in range(2)]
        return Framed(norms[0], self.draw_mix(rng, s), norms[1], network)

    def layer(self, p: Framed, x: Array, s: Shape, index: int) -> Array:
        y = self.mix(p.mix, transformer.norm(p.norm_1, x, s.style), s, index)
        x = x + y if s.residual else y
        y = transformer.feed_forward(p.feed_forward, transformer.norm(p.norm_2, x, s.style), gelu)
        return x + y if s.residual else y

    def draw_mix(self, rng: np.random.Generator, s: Shape) -> Any:
        """Parameters of what mixes tokens."""
        raise NotImplementedError

    def mix(self, p: Any, x: Array, s: Shape, index: int) -> Array:
        """What mixes tokens; x (b, n, d) -> the same shape."""
        raise NotImplementedError


class _Attention(_InFrame):
    """Multi-head self-attention; who may look at whom is all that the kinds differ in."""

    def draw_mix(self, rng: np.random.Generator, s: Shape) -> Any:
        return attention.init(rng, s.d)

    def mix(self, p: Any, x: Array, s: Shape, index: int) -> Array:
        return attention.multi_head(p, x, x, s.h, self.mask(s, index))[0]

    def mask(self, s: Shape, index: int) -> Pattern | None:
        """True where a query may look: (n, n); None for everywhere."""
        return None


class _Causal(_Attention):
    """Back only, as in GPT."""

    def mask(self, s: Shape, index: int) -> Pattern | None:
        return np.asarray(attention.causal_mask(s.n))

    def theory(self, s: Shape) -> int | None:
        return None


class _Windows(_Attention):
    """Within windows of m × m patches, or of m tokens in a row; the last ones may be smaller."""

    def mask(self, s: Shape, index: int) -> Pattern | None:
        rows, columns = (window_of(n, s.m, self.shift(n, s.m, index)) for n in s.sides)
        window = rearrange(rows[:, None] * s.n + columns, "n1 n2 -> (n1 n2)")
        return np.asarray(window[:, None] == window[None, :])

    def shift(self, n: int, m: int, index: int) -> int:
        """By how many tokens layer `index` shifts its windows along a side of n."""
        return 0

    def theory(self, s: Shape) -> int | None:
        """One layer if one window holds all; else never, whatever the depth."""
        return 1 if max(s.sides) <= s.m else None


class _Shifted(_Windows):
    """Windows that shift by half of their side in every other layer (Liu et al. 2021, §3.2).

    Swin rolls the grid and masks what met at its edges; on tokens that stay where they are, that is
    a grid of windows that begins half a window earlier. One window has nothing to shift; here each
    side is judged for itself, where Swin shifts neither if one of them is a single window.
    """

    def shift(self, n: int, m: int, index: int) -> int:
        return m // 2 if index % 2 and n > m else 0

    def theory(self, s: Shape) -> int | None:
        """2 ceil(n/m) - 1, on the way back from the last of n tokens to the first.

        The first layer goes to where the last window begins; a layer of shifted windows and one of
        the others together go m tokens further, to where the window before it begins.
        """
        n = max(s.sides)
        if n <= s.m or s.m == 1:
            return super().theory(s)
        return 2 * math.ceil(n / s.m) - 1

    def formula(self, s: Shape) -> str:
        return "2 ceil(n/m) − 1" if 1 < s.m < max(s.sides) else super().formula(s)


def window_of(n: int, m: int, k: int) -> NDArray[np.int_]:
    """The number of the window of each of n places; the first window is k places long, if k > 0."""
    return np.asarray((np.arange(n) + (m - k if k else 0)) // m)


class _Convolution(_InFrame):
    """A convolution padded with zeros: k neighbours in a row, or k × k on a grid."""

    def draw_mix(self, rng: np.random.Generator, s: Shape) -> conv.Layer:
        k1, k2 = self._kernel(s)
        weight = rng.normal(0.0, 1 / math.sqrt(s.d * k1 * k2), (s.d, s.d, k1, k2))
        return conv.Layer(weight, zeros((s.d,), like=weight))

    def mix(self, p: conv.Layer, x: Array, s: Shape, index: int) -> Array:
        k = s.k // 2
        x = conv.pad(rearrange(x, "b (n1 n2) d -> b d n1 n2", n1=s.n1), k)
        if s.n1 == 1:  # the kernel of a sequence is one row high
            x = x[:, :, k : k + 1]
        return rearrange(conv.conv2d(x, p.weight, p.bias), "b d n1 n2 -> b (n1 n2) d")

    @staticmethod
    def _kernel(s: Shape) -> tuple[int, int]:
        return (1 if s.n1 == 1 else s.k), s.k

    def theory(self, s: Shape) -> int | None:
        """Each layer hears (k - 1) / 2 tokens further, either way: O(n / k) layers (§4)."""
        if s.k == 1:
            return None
        return math.ceil((max(s.sides) - 1) / (s.k // 2))

    def formula(self, s: Shape) -> str:
        return _NEVER if s.k == 1 else "ceil(2(n − 1)/(k − 1))"


class _Mixer(_InFrame):
    """The Mixer's network over the tokens, 2n wide inside: in the proportions of Mixer-B."""

    def draw_mix(self, rng: np.random.Generator, s: Shape) -> FeedForward:
        return transformer.init_feed_forward(rng, s.n, 2 * s.n)

    def mix(self, p: FeedForward, x: Array, s: Shape, index: int) -> Array:
        return mixer.mix_tokens(p, x)


ARCHITECTURES: dict[str, _Architecture] = {
    "rnn": _Recurrent("RNN", "rnn"),
    "birnn": _Bidirectional(N_("bidirectional RNN"), "rnn"),
    "causal": _Causal(N_("causal attention"), "attention"),
    "attention": _Attention(N_("attention"), "attention"),
    "window": _Windows(N_("window attention"), "swin"),
    "shifted": _Shifted(N_("shifted windows"), "swin"),
    "conv": _Convolution(N_("convolution"), "cnn"),
    "mixer": _Mixer("Mixer", "mixer"),
}


# The measurement


def differences(f: Callable[[Floats], Floats], x: Floats, along: Floats) -> Floats:
    """∂f/∂x @ along (n d, ...) at x (n, d), outputs down, by central differences of order four.

    (8 (f(x+ε) - f(x-ε)) - (f(x+2ε) - f(x-2ε))) / 12ε for every column of `along`, ε of its largest
    number: the identity gives the Jacobian. Some 1e-11 of the largest derivative off, 1e-8 at
    worst, where a norm over few numbers bends sharply. A number on which an output does not depend
    changes no bit of it: that difference is exactly 0.
    """
    sizes = np.abs(along).max(0)
    sizes[sizes == 0] = 1.0
    nudges = (along / sizes).T.reshape(-1, *x.shape) * _STEP
    parts = []
    for part in np.array_split(nudges, -(-nudges.size // _TOGETHER)):
        near = f(x + part) - f(x - part)
        far = f(x + 2 * part) - f(x - 2 * part)
        parts.append((8 * near - far) / (12 * _STEP))
    return np.asarray(np.concatenate(parts).reshape(-1, x.size).T * sizes)


@dataclass(frozen=True)
class _Net:
    """A stack of layers with random weights, reading a random sequence.

    The sequence is the same for all architectures. Each layer has a generator of its own: it is the
    same layer in any stack.
    """

    model: str
    shape: Shape
    seed: int

    @property
    def architecture(self) -> _Architecture:
        return ARCHITECTURES[self.model]

    def sequence(self) -> Floats:
        """The sequence x (n, d), of normal numbers."""
        return np.random.default_rng([self.seed, 0]).normal(size=(self.shape.n, self.shape.d))

    def parameters(self, index: int) -> Any:
        """Of layer `index`."""
        kind = list(ARCHITECTURES).index(self.model)
        return self.architecture.draw(
            np.random.default_rng([self.seed, 1, kind, index]), self.shape
        )

    def jacobians(self, layers: int) -> list[Floats]:
        """Of each layer, at what the layers below made of the sequence: (n d, n d) each."""
        whole = np.eye(self.shape.n * self.shape.d)
        return [
            self.architecture.push(p, x, self.shape, index, whole)
            for index, (p, x) in enumerate(self.read(layers))
        ]

    def far(self, layers: int) -> list[float]:
        """How strongly the last output depends on the first input, by its own; each depth."""
        d, found = self.shape.d, []
        along = np.eye(self.shape.n * d)[:, [*range(d), *range(-d, 0)]]  # both ends of the sequence
        for index, (p, x) in enumerate(self.read(layers)):
            along = self.architecture.push(p, x, self.shape, index, along)
            first, own = (np.linalg.norm(block) for block in np.split(along[-d:], 2, axis=1))
            found.append(_far(float(first), float(own)))
        return found

    def read(self, layers: int) -> Iterator[tuple[Any, Floats]]:
        """The parameters of each layer, and what it reads."""
        x = self.sequence()
        for index in range(layers):
            p = self.parameters(index)
            yield p, x
            x = np.asarray(self.architecture.layer(p, x[None], self.shape, index))[0]


def _far(first: float, own: float) -> float:
    """How loudly the first input is heard, against its own; NaN where its own is not."""
    return first / own if own else math.nan


def _products(layers: Sequence[Floats]) -> list[Floats]:
    """The Jacobians of 1, 2, ... layers, by the chain rule: J_L ... J_2 J_1."""
    found = [layers[0]]
    for layer in layers[1:]:
        found.append(layer @ found[-1])
    return found


def _norms(jacobian: Floats, s: Shape) -> Floats:
    """‖∂yᵢ/∂xⱼ‖, the Frobenius norm of each d × d block: (n d, n d) -> (n, n)."""
    blocks = jacobian.reshape(s.n, s.d, s.n, s.d)
    return np.asarray(np.sqrt((blocks * blocks).sum((1, 3))))


def _rounded(strength: Floats) -> Floats:
    """To a few digits, so that a document stays small; what is not 0 does not become 0."""
    digits = [[float(f"{value:.{_DIGITS}g}") for value in row] for row in strength.tolist()]
    return np.array(digits)


def _own(strength: Floats) -> float:
    """How strongly an output depends on its own input, by the mean of the others it hears."""
    others = strength[(strength > 0) & ~np.eye(len(strength), dtype=bool)]
    return float(np.diag(strength).mean() / others.mean()) if others.size else math.inf


def _until_full(patterns: Sequence[Pattern]) -> int | None:
    """Layers until every output depends on every input; None where nothing more is added.

    patterns: who depends on whom in each of the first layers, which repeat themselves.
    """
    reached, still = patterns[0], 0
    layers = 1
    while not reached.all():
        more = patterns[layers % len(patterns)] @ reached  # of Booleans: is there a way?
        still = still + 1 if (more == reached).all() else 0
        if still == len(patterns):  # no kind of layer adds to it
            return None
        reached, layers = more, layers + 1
    return layers


# The oracle


def check(
    *,
    tokens: int | None = None,
    grid: str | None = None,
    at: int | None = None,
    layers: int = 3,
    models: str = "rnn,birnn,causal,attention,window,shifted,conv,mixer",
    d_model: int = 8,
    heads: int = 2,
    kernel: int = 3,
    window: int = 4,
    residual: bool = True,
    seed: int = 0,
) -> list[Check]:
    """The derivatives of the same layers by torch's autograd, which knows nothing of differences.

    It proves that they were differentiated rightly, not that they are the right layers: that is for
    the tests, which compare them with torch's own. Of each layer the Jacobian at its own input,
    multiplied, and of the whole stack once, at its full depth. The error is the largest difference
    by the largest number of a Jacobian; and the number of pairs (output, input) that are zero for
    one and not for the other.
    """
    shape = Shape(*_sides(tokens, grid), d_model, heads, kernel, window, residual)
    checks = []
    for name in some_of(models, "models", ARCHITECTURES):
        error, differing = _compare(_Net(name, shape, seed), layers)
        title = _(ARCHITECTURES[name].name)
        pattern = _("{model}: Jacobian of the same layers, here and by torch autograd")
        exact = isinstance(ARCHITECTURES[name], _Recurrent)  # the others by differences
        checks.append(Check(pattern.format(model=title), error, 1e-9 if exact else 1e-6))
        pattern = _("{model}: pairs connected for one and not for the other").format(model=title)
        checks.append(Check(pattern, differing, 0))
    return checks


def _compare(net: _Net, layers: int) -> tuple[float, float]:
    import torch

    size, kind, s = net.shape.n * net.shape.d, net.architecture, net.shape
    drawn = [trees.convert(torch.tensor, net.parameters(index)) for index in range(layers)]

    def jacobian(x: Any, *depths: int) -> Floats:
        def run_through(x: Any) -> Any:
            x = x[None]
            for index in depths:
                x = kind.layer(drawn[index], x, s, index)
            return x[0]

        of: Any = torch.autograd.functional.jacobian
        return np.asarray(of(run_through, x, vectorize=True).reshape(size, size).numpy())

    singly = [jacobian(torch.tensor(x), index) for index, (_p, x) in enumerate(net.read(layers))]
    theirs = [*_products(singly), jacobian(torch.tensor(net.sequence()), *range(layers))]
    ours = _products(net.jacobians(layers))
    error, differing = 0.0, 0
    for found, other in zip([*ours, ours[-1]], theirs):
        error = float(np.maximum(error, np.abs(found - other).max() / np.abs(other).max()))
        both = [_norms(each, s) > 0 for each in (found, other)]
        differing += int((both[0] != both[1]).sum())
    return error, float(differing)


# The screen


def show(result: Reach, detail: bool = False) -> RenderableType:
    """A strip of pictures for each architecture, one for every depth; details in a table."""
    title = Title(_("Who can hear whom?"), "‖∂yᵢ/∂xⱼ‖,  y = fₗ(… f₂(f₁(x)))")
    parts: list[RenderableType] = [title, _Pictures(result)]
    if detail:
        parts += [_table(result), Note(_how(result))]
    return Group(*parts)


@dataclass(frozen=True)
class _Pictures:
    """The strips and the words that explain them, for the colours and the width there are."""

    result: Reach

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        result = self.result
        strips = [_strip(result, name) for name in result.reach]
        facts = max(cell_len("".join(fact)) for strip in strips for fact in strip.facts) + 3
        side = max(_SIDE, (options.max_width - facts) // result.layers - 1)
        longest = result.shape.n if result.at is None else max(result.shape.sides)
        shades = SHADES_ASCII if options.ascii_only else SHADES
        if palette.half_blocks(console, options):
            shades = ""
        yield Note(_legend(result, shades, -(-longest // side)))
        yield Strips(strips, heads=_heads(result), side=side)


def _legend(result: Reach, shades: str, pooled: int) -> str:
    """What the pictures show.

    Args:
        shades: from weak to strong, where there is no colour.
        pooled: the side of the square of values that a pixel covers.
    """
    if result.at is None:
        what = _("output i ↓, input j →")
    else:
        row, column = divmod(result.at - 1, result.shape.n2)
        what = _("heard by patch {at} (row {row}, column {column})").format(
            at=result.at, row=row + 1, column=column + 1
        )
    shade = (
        _("colour: from 1/{n} of a picture's maximum")
        if not shades
        else _("{shades}: from 1/{n} of a picture's maximum")
    ).format(n=10**_DECADES, shades=shades)
    parts = [what, _("empty: exactly 0"), shade]
    if pooled > 1:
        cell = (
            _("a pixel: the strongest of {n} × {n} pairs")
            if result.at is None
            else _("a pixel: the strongest of {n} × {n} patches")
        )
        parts.append(cell.format(n=pooled))
    parts += [
        _("%: pairs not 0"),
        _("all at: layers until all hear all"),
        _("path: longest of connected two, in layers (RNN: steps)"),
    ]
    return " | ".join(parts)


def _heads(result: Reach) -> list[str]:
    return [ngettext("{n} layer", "{n} layers", n).format(n=n) for n in range(1, result.layers + 1)]


def _strip(result: Reach, name: str) -> Strip:
    drawn = [_brightness(_drawn(matrix, result)) for matrix in result.reach[name]]
    facts = [(str(i), _percent(share)) for i, share in enumerate(result.shares[name], 1)]
    facts += [
        (_("all at"), _depth(result.layers_to_full[name])),
        (_("theory"), _depth(result.theory[name])),
        (_("path"), str(result.path[name])),
    ]
    return Strip(_(ARCHITECTURES[name].name), ARCHITECTURES[name].ink, drawn, facts)


def _drawn(strength: Floats, result: Reach) -> Floats:
    """The matrix, or on a grid what the patch hears."""
    return strength if result.at is None else strength[result.at - 1].reshape(result.shape.sides)


def _brightness(strength: Floats) -> Floats:
    """1 for the strongest, `_FLOOR` for what is 1000 times fainter, NaN for exactly 0."""
    largest = strength.max() or 1.0
    with np.errstate(divide="ignore"):
        shares = np.maximum(1 + np.log10(strength / largest) / _DECADES, 0.0)
    return np.asarray(np.where(strength > 0, _FLOOR + (1 - _FLOOR) * shares, np.nan))


def _depth(layers: int | None) -> str:
    return _NEVER if layers is None else str(layers)


def _percent(share: float) -> str:
    """A share of 1 that never rounds up to the whole."""
    return f"{math.floor(100 * share)} %"


def _table(result: Reach) -> Table:
    headers = [
        _("connected after {n}").format(n=result.layers),
        _("all at layer"),
        _("theory"),
        _("formula"),
        _("path"),
        _("first input in the last output, 1 layer"),
        _("own input against another"),
    ]
    rows = []
    for name in result.reach:
        rows.append(
            [
                _(ARCHITECTURES[name].name),
                _percent(result.shares[name][-1]),
                _depth(result.layers_to_full[name]),
                _depth(result.theory[name]),
                ARCHITECTURES[name].formula(result.shape),
                str(result.path[name]),
                _spread([far[0] for far in result.far[name]]),
                f"{number(result.own[name])} ×",
            ]
        )
    keys = [ARCHITECTURES[name].ink for name in result.reach]
    return Table([Column(_("architecture"), "left"), *headers], rows, keys=keys)


def _how(result: Reach) -> str:
    return _(
        "After {layers} layers where no depth is named; strengths against the output's own input."
        " In formulas n is the number of tokens, on a grid that of its longer side; ceil rounds up."
        " Jacobians of recurrent networks by backpropagation through time, of all others by central"
        " differences of order four (--check compares them with torch). Weights and input drawn at"
        " random: one network each, and for the first input in the last output, where a range"
        " stands, the median of {networks} networks; layers beyond those shown are counted on."
    ).format(layers=result.layers, networks=_NETWORKS)


def _spread(values: Sequence[float]) -> str:
    """The median of the networks, and from which to which they reach."""
    low, middle, high = (number(q) for q in np.quantile(values, [0.0, 0.5, 1.0]))
    if low == high:
        return middle
    return _("{middle} ({low} to {high})").format(middle=middle, low=low, high=high)


# The sentences


def takeaways(result: Reach) -> list[str]:
    """At which depth all are connected, who never is, and how faint a connection can be."""
    told = [_when(result), _shut(result), _faint(result), *_beyond(result)]
    if not result.residual:  # who takes them away wants to see what they did
        told[1] = _diagonal(result)
    return [sentence for sentence in told if sentence]


def _named(names: Sequence[str]) -> str:
    return listed(_(ARCHITECTURES[name].name) for name in names)


def _when(result: Reach) -> str:
    """Layers until every output depends on every input, and whether theory has the same."""
    full = result.layers_to_full
    groups: list[str] = []
    for n in sorted({n for n in full.values() if n is not None}):
        text = (
            _("after {n} in {models}")
            if groups
            else ngettext("after {n} layer in {models}", "after {n} layers in {models}", n)
        )
        groups.append(text.format(n=n, models=_named([name for name in full if full[name] == n])))
    never = [name for name, n in full.items() if n is None]
    if never:
        groups.append(_("never in {models}").format(models=_named(never)))
    odd = [name for name in full if full[name] != result.theory[name]]
    text = (
        _("All hear all {groups}. Theory has other numbers for {models}.")
        if odd
        else _("All hear all {groups}: as theory says.")
    )
    return text.format(groups=_("; ").join(groups), models=_named(odd))


def _shut(result: Reach) -> str:
    """Why some never get there: what comes later, or the pairs at which they stay."""
    never = [name for name, n in result.layers_to_full.items() if n is None]
    parts = []
    blind = [name for name in never if _looks_back(result.connected(name))]
    if blind:
        parts.append(_("no later input is heard in {models}").format(models=_named(blind)))
    for name in never:
        if name not in blind:
            share = _percent(result.shares[name][-1])
            text = _("{model} stays at {share} of all pairs")
            parts.append(text.format(model=_named([name]), share=share))
    text = _("; ").join(parts)
    return _("{text}.").format(text=text[0].upper() + text[1:]) if text else ""


def _looks_back(connected: Pattern) -> bool:
    """Whether outputs depend on earlier inputs, and on no later one."""
    return not np.triu(connected, 1).any() and bool(np.tril(connected, -1).any())


_ALONG, _ACROSS = ("rnn", "birnn"), ("attention", "causal", "mixer")


def _compared(names: Sequence[str]) -> list[str]:
    """Who is heard along a path and who at one stroke; all of them where either is missing."""
    found = [next((n for n in kind if n in names), None) for kind in (_ALONG, _ACROSS)]
    both = [name for name in found if name is not None]
    return both if len(both) == 2 else list(names)


def _faint(result: Reach) -> str:
    """How strongly the first input moves the last output: along a path, at one stroke, stacked."""
    known = {name: far for name, far in result.far.items() if all(f[-1] > 0 for f in far)}
    compared = _compared(list(known))
    if len(compared) != 2 or compared[0] not in _ALONG:
        return _stacked(result, known)
    along, across = compared
    strength, other = ([far[0] for far in known[name]] for name in (along, across))
    text = (
        _(
            "Connected is not yet heard: against its own, the last output hears the first input"
            " {strength} times as loudly through one layer of {model}, {other} of {rival}"
        )
        if max(strength) < 0.1 * min(other)
        else _(
            "Against its own, the last output hears the first input {strength} times as loudly"
            " through one layer of {model}, {other} of {rival}"
        )
    )
    if result.residual:
        text += _(" (its own by the residual connection too)")
    text = text.format(
        strength=_spread(strength),
        model=_named([along]),
        other=_spread(other),
        rival=_named([across]),
    )
    return _("{text}.").format(text=text + _deeper(result, along))


def _deeper(result: Reach, name: str) -> str:
    """What stacking does to the first input in the last output."""
    if result.layers == 1:
        return ""
    gains = [far[-1] / far[0] for far in result.far[name]]
    text = (
        _("; after {n} layers the {model} hears it better: {strength}")
        if min(gains) > 1
        else _("; after {n} layers the {model} hears it less: {strength}")
        if max(gains) < 1
        else _(
            "; if the {model} hears it better after {n} layers depends on the network: {strength}"
        )
    )
    strength = _spread([far[-1] for far in result.far[name]])
    return text.format(n=result.layers, model=_named([name]), strength=strength)


def _stacked(result: Reach, known: dict[str, list[list[float]]]) -> str:
    """The same after all the layers that are shown, for whoever connects the two."""
    if not known:
        return ""
    deep = {name: [far[-1] for far in known[name]] for name in known}
    text = (
        ngettext(
            "Connected is not yet heard: against its own input the last output hears the first one"
            " this loudly after {n} layer: {all}.",
            "Connected is not yet heard: against its own input the last output hears the first one"
            " this loudly after {n} layers: {all}.",
            result.layers,
        )
        if max(map(max, deep.values())) < 0.1
        else ngettext(
            "Against its own input the last output hears the first one this loudly after {n}"
            " layer: {all}.",
            "Against its own input the last output hears the first one this loudly after {n}"
            " layers: {all}.",
            result.layers,
        )
    )
    each = [f"{_named([name])} {_spread(values)}" for name, values in deep.items()]
    return text.format(n=result.layers, all=listed(each))


def _diagonal(result: Reach) -> str:
    """How much of the diagonal is left without residual connections, and how much there was."""
    with_them = result.own_with or {}
    found = [name for name in with_them if math.isfinite(result.own[name])]
    if not found:
        return ""
    text = ngettext(
        "After {n} layer, without residual connections (with them), an output of these networks"
        " hears its own input this many times as loudly as another that it hears: {all}.",
        "After {n} layers, without residual connections (with them), an output of these networks"
        " hears its own input this many times as loudly as another that it hears: {all}.",
        result.layers,
    )
    pattern = _("{model} {without} ({with_them})")
    each = [
        pattern.format(
            model=_named([name]),
            without=number(result.own[name]),
            with_them=number(with_them[name]),
        )
        for name in found
    ]
    recurrent = [name for name in result.reach if name not in with_them]
    if recurrent:
        text += _(" There are none in {models}.")
    return text.format(n=result.layers, all=listed(each), models=_named(recurrent))


def _beyond(result: Reach) -> list[str]:
    """That one window holds all tokens, where there is nothing for it to cut or to shift."""
    names = [name for name in ("window", "shifted") if name in result.reach]
    side = max(result.shape.sides)
    if not names or result.window < side:
        return []
    text = (
        _("A window of {m} holds all {n} tokens: nothing is cut off or shifted in {models}.")
        if result.grid is None
        else _(
            "A window of {m} × {m} holds all {n} patches: nothing is cut off or shifted in"
            " {models}."
        )
    )
    return [text.format(m=result.window, n=result.tokens, models=_named(names))]


def question(result: Reach) -> Question:
    """How many layers one of the architectures needs, the slowest whose number there is."""
    full = result.layers_to_full
    name = max(full, key=lambda name: full[name] or 0)
    right = full[name]
    s = result.shape
    n, m, k = max(s.sides), s.m, s.k
    wrong = [1, -(-n // m), n - 1, -(-n // k), 2 * n, 3 * n]
    known = [right] if right is not None else []
    numbers = sorted([*known, *[w for w in dict.fromkeys(wrong) if w != right][: 4 - len(known)]])
    choices = [str(layers) for layers in numbers] + [_("no depth is enough")]
    text = (
        _("{model}, {n} tokens in a row: after how many layers does every output hear every input?")
        if s.n1 == 1
        else _(
            "{model}, {n1} × {n2} patches: after how many layers does every output hear every"
            " input?"
        )
    )
    return Question(
        text.format(model=_with_sizes(name, s), n=s.n, n1=s.n1, n2=s.n2),
        choices,
        numbers.index(right) if right is not None else len(numbers),
        _when(result),
    )


def _with_sizes(name: str, s: Shape) -> str:
    """An architecture and the size on which its reach depends."""
    size = {"conv": ("k", s.k), "window": ("m", s.m), "shifted": ("m", s.m)}.get(name)
    if size is None:
        return _named([name])
    letter, side = size
    measure = f"{letter} = {side}" if s.n1 == 1 else f"{side} × {side}"
    return _("{model} ({size})").format(model=_named([name]), size=measure)
