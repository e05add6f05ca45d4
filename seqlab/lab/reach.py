"""Who can hear whom? The measured Jacobian between every output and every input, layer by layer.

A recurrent network, convolution, attention of four kinds and a Mixer read one random sequence with
random weights. What an output does not depend on has a derivative of exactly zero: nobody tells the
experiment where that is. The picture shows how far each architecture reaches in one layer, in two,
in three; counted on, it says how many layers it takes until every output hears every input
(Vaswani et al. 2017, §4 and table 1; Liu et al. 2021, §3.2).
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from einops import rearrange
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab import trees
from seqlab.book import attention, conv, mixer, rnn, transformer
from seqlab.book.ops import Array, concatenate, gelu, stack, zeros
from seqlab.book.transformer import FeedForward, Norm, Style
from seqlab.figures.glyphs import number
from seqlab.figures.prose import Note, Title
from seqlab.figures.strips import Strip, Strips
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput, Check, Question, Result, Seed, Watch, require
from seqlab.locale import N_, _, ngettext

Floats = NDArray[np.float64]
Pattern = NDArray[np.bool_]  # (n, n): output i depends on input j

_MOST_TOKENS, _MOST_LAYERS, _MOST_NUMBERS = 64, 12, 512
_STEP = 1e-4  # of the differences: what they leave out and what rounding adds are least there
_TOGETHER = 2**13  # numbers that go through a layer at a time
_DECADES = 3  # of strength, from the brightest pixel of a picture to the faintest
_NEVER = "–"


@dataclass(frozen=True)
class Reach(Result):
    """How much every output depends on every input, for each architecture after 1, 2, ... layers.

    `reach` holds matrices (tokens, tokens): row i, column j is the Frobenius norm of ∂yᵢ/∂xⱼ, a
    d × d block of the Jacobian, after so many layers; exactly 0 where i does not depend on j.
    `shares` are the shares of pairs (i, j) that are not 0. `layers_to_full` is the first depth at
    which there is none left that is 0, null where no depth will do; beyond `layers` it is counted
    on, from which tokens each layer was measured to connect. `theory` is what the papers and a
    count of hops say of it. `path` is the longest way between two tokens that are connected: in
    layers, for recurrent networks in steps. With `grid`, [rows, columns], tokens are the patches of
    a picture, row by row, and the screen shows the receptive field of patch `at` (from 1).
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
        int, typer.Option(min=2, max=_MOST_TOKENS, help=N_("Tokens n of the sequence."))
    ] = 12,
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
        BadInput: an unknown architecture, a size out of range or not to be divided.
    """
    require(tokens, "tokens", 2, _MOST_TOKENS)
    n1, n2 = (1, tokens) if grid is None else _grid(grid)
    n = n1 * n2
    if grid is None and at is not None:
        raise BadInput(f"--at {at}", _("a grid to stand in"), "--grid 6x6 --at 1")
    if at is not None:
        require(at, "at", 1, n)
    require(layers, "layers", 1, _MOST_LAYERS)
    chosen = _chosen(models)
    _sizes(n, d_model, heads, kernel, window)
    if not isinstance(residual, bool):
        raise BadInput(f"--residual {residual}", _("true or false"))
    require(seed, "seed", 0)

    shape = Shape(n1, n2, d_model, heads, kernel, window, residual)
    reach, full = {}, {}
    for i, name in enumerate(chosen):
        measured = []
        for done, layer in enumerate(_Net(name, shape, seed).jacobians(max(layers, _PERIOD))):
            measured.append(layer)
            if watch is not None:
                share = (i + (done + 1) / max(layers, _PERIOD)) / len(chosen)
                watch(share, _(ARCHITECTURES[name].name))
        reach[name] = [_norms(product, shape) for product in _products(measured)][:layers]
        full[name] = _until_full([_norms(layer, shape) > 0 for layer in measured[:_PERIOD]])
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
    )


# What may be asked for


def _chosen(text: str | Sequence[str]) -> list[str]:
    words = text.split(",") if isinstance(text, str) else text
    names = [word.strip().lower() for word in words if word.strip()]
    known = ", ".join(ARCHITECTURES)
    for name in names:
        if name not in ARCHITECTURES:
            raise BadInput(f"--models {name}", _("models of {all}").format(all=known))
    if not names:
        raise BadInput("--models ''", _("at least one of {all}").format(all=known))
    return list(dict.fromkeys(names))


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


def _sizes(n: int, d: int, heads: int, kernel: int, window: int) -> None:
    require(d, "d-model", 4, 64)
    if d % 2:
        raise BadInput(f"--d-model {d}", _("an even number"), f"--d-model {min(64, d + 1)}")
    if n * d > _MOST_NUMBERS:
        raise BadInput(
            _("{n} tokens of width {d}").format(n=n, d=d),
            _("at most {most} numbers together").format(most=_MOST_NUMBERS),
            f"--d-model {max(4, _MOST_NUMBERS // n // 2 * 2)}",
        )
    require(heads, "heads", 1)
    if d % heads:
        near = max(h for h in range(1, min(heads, d) + 1) if d % h == 0)
        expected = _("a divisor of --d-model {d}").format(d=d)
        raise BadInput(f"--heads {heads}", expected, f"--heads {near}")
    require(kernel, "kernel", 1, 2 * _MOST_TOKENS - 1)
    if kernel % 2 == 0:
        raise BadInput(f"--kernel {kernel}", _("an odd number"), f"--kernel {kernel + 1}")
    require(window, "window", 1, _MOST_TOKENS)


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

    def jacobian(self, p: Any, x: Floats, s: Shape, index: int) -> Floats:
        """∂y/∂x (n d, n d), outputs down and inputs across, of one layer at x (n, d)."""
        return differences(partial(self.layer, p, s=s, index=index), x)

    def theory(self, s: Shape) -> int | None:
        """Layers until every output depends on every input; None if that is never so."""
        return 1

    def path(self, s: Shape) -> int:
        """Steps or layers on the longest way between two tokens (Vaswani et al. 2017, table 1)."""
        return self.theory(s) or 1

    def formula(self, s: Shape) -> str:
        """What `theory` is the value of."""
        return "1"


class _Recurrent(_Architecture):
    """The recurrent network; its Jacobian is what backpropagation through time returns."""

    def draw(self, rng: np.random.Generator, s: Shape) -> Any:
        return rnn.init(rng, s.d, s.d)

    def layer(self, p: Any, x: Array, s: Shape, index: int) -> Array:
        return _unrolled(p, x)

    def jacobian(self, p: Any, x: Floats, s: Shape, index: int) -> Floats:
        return _through_time(p, x)

    def theory(self, s: Shape) -> int | None:
        return None if s.n > 1 else 1

    def path(self, s: Shape) -> int:
        """From the first input through n steps to the last output (table 1: O(n))."""
        return s.n

    def formula(self, s: Shape) -> str:
        return _NEVER


class _Bidirectional(_Recurrent):
    """One network from the left, one from the right, each d / 2 wide (Schuster & Paliwal 1997)."""

    def draw(self, rng: np.random.Generator, s: Shape) -> Any:
        return rnn.init(rng, s.d, s.d // 2), rnn.init(rng, s.d, s.d // 2)

    def layer(self, p: Any, x: Array, s: Shape, index: int) -> Array:
        order = np.arange(s.n)[::-1].copy()  # torch knows no negative steps
        return concatenate([_unrolled(p[0], x), _unrolled(p[1], x[:, order])[:, order]])

    def jacobian(self, p: Any, x: Floats, s: Shape, index: int) -> Floats:
        n, d = x.shape
        ahead = _through_time(p[0], x).reshape(n, d // 2, n, d)
        back = _through_time(p[1], x[::-1]).reshape(n, d // 2, n, d)[::-1, :, ::-1]
        return np.concatenate([ahead, back], axis=1).reshape(n * d, n * d)

    def theory(self, s: Shape) -> int | None:
        return 1

    def formula(self, s: Shape) -> str:
        return "1"


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
        return None if s.n > 1 else 1

    def formula(self, s: Shape) -> str:
        return _NEVER


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

    def formula(self, s: Shape) -> str:
        return _NEVER if self.theory(s) is None else "1"


class _Shifted(_Windows):
    """Windows that shift by half of their side in every other layer (Liu et al. 2021, §3.2).

    Swin rolls the grid and masks what met at its edges; on tokens that stay where they are, that is
    a grid of windows that begins half a window earlier. One window has nothing to shift; here each
    side is judged for itself, where Swin shifts neither if one of them is a single window.
    """

    def shift(self, n: int, m: int, index: int) -> int:
        return m // 2 if index % 2 and n > m else 0

    def theory(self, s: Shape) -> int | None:
        """Hops from window to overlapping window, along the side that takes more of them.

        The first layer hears m tokens, each further one m / 2 more: 2n/m - 1 where n is a multiple
        of m. Walked here from both ends, for smaller windows at the edges too.
        """
        hops = [self._hops(n, s.m) for n in s.sides]
        known = [count for count in hops if count is not None]
        return max(known) if len(known) == len(hops) else None

    def _hops(self, n: int, m: int) -> int | None:
        first, last, layers = n - 1, 0, 0
        while layers <= 2 * n:
            if last == n - 1 and first == 0:
                return max(layers, 1)
            windows = window_of(n, m, self.shift(n, m, layers))
            last = int(np.flatnonzero(windows == windows[last])[-1])
            first = int(np.flatnonzero(windows == windows[first])[0])
            layers += 1
        return None

    def formula(self, s: Shape) -> str:
        whole = s.m % 2 == 0 and all(n % s.m == 0 or n == 1 for n in s.sides)
        if self.theory(s) in (None, 1):
            return super().formula(s)
        return "2n/m − 1" if whole else _("hops")


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
        return -(-(max(s.sides) - 1) // (s.k // 2))

    def formula(self, s: Shape) -> str:
        return _NEVER if s.k == 1 else "2(n − 1)/(k − 1)"


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


def differences(f: Callable[[Floats], Floats], x: Floats) -> Floats:
    """∂f/∂x (n d, n d) at x (n, d), outputs down, by central differences of order four.

    (8 (f(x+ε) - f(x-ε)) - (f(x+2ε) - f(x-2ε))) / 12ε for every number of x. Some 1e-11 of the
    largest derivative off, 1e-8 at worst, where a norm over few numbers bends sharply. A number on
    which an output does not depend changes no bit of it: that difference is exactly 0.
    """
    nudges = np.eye(x.size).reshape(x.size, *x.shape) * _STEP
    parts = []
    for part in np.array_split(nudges, -(-nudges.size // _TOGETHER)):
        near = f(x + part) - f(x - part)
        far = f(x + 2 * part) - f(x - 2 * part)
        parts.append((8 * near - far) / (12 * _STEP))
    return np.concatenate(parts).reshape(x.size, x.size).T


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

    def jacobians(self, layers: int) -> "list[Floats]":
        """Of each layer, at what the layers below made of the sequence: (n d, n d) each."""
        x, found = self.sequence(), []
        for index in range(layers):
            p = self.parameters(index)
            found.append(self.architecture.jacobian(p, x, self.shape, index))
            x = np.asarray(self.architecture.layer(p, x[None], self.shape, index))[0]
        return found


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
    tokens: int = 12,
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
    """The Jacobians of whole stacks by torch's autograd, through the same pages on torch tensors.

    The error is the largest difference by the largest number of the Jacobian, over all depths; and
    the number of pairs (output, input) that are zero for one and not for the other.
    """
    n1, n2 = (1, tokens) if grid is None else _grid(grid)
    shape = Shape(n1, n2, d_model, heads, kernel, window, residual)
    checks = []
    for name in _chosen(models):
        error, differing = _compare(_Net(name, shape, seed), layers)
        title = _(ARCHITECTURES[name].name)
        pattern = _("{model}: Jacobian, here and by torch autograd").format(model=title)
        exact = isinstance(ARCHITECTURES[name], _Recurrent)  # the others by differences
        checks.append(Check(pattern, error, 1e-9 if exact else 1e-6))
        pattern = _("{model}: pairs connected for one and not for the other").format(model=title)
        checks.append(Check(pattern, differing, 0))
    return checks


def _compare(net: _Net, layers: int) -> tuple[float, float]:
    import torch

    drawn = [trees.convert(torch.tensor, net.parameters(index)) for index in range(layers)]
    size = net.shape.n * net.shape.d

    def run_through(x: Any, depth: int) -> Any:
        x = x[None]
        for index in range(depth):
            x = net.architecture.layer(drawn[index], x, net.shape, index)
        return x[0]

    errors, differing = [0.0], 0
    for depth, ours in enumerate(_products(net.jacobians(layers)), 1):
        autograd: Any = torch.autograd.functional.jacobian
        of = autograd(partial(run_through, depth=depth), torch.tensor(net.sequence()))
        theirs = of.reshape(size, size).numpy()
        errors.append(float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
        both = [_norms(jacobian, net.shape) > 0 for jacobian in (ours, theirs)]
        differing += int((both[0] != both[1]).sum())
    return float(np.max(errors)), float(differing)


# The screen


def show(result: Reach, detail: bool = False) -> RenderableType:
    """A strip of pictures for each architecture, one for every depth; details in a table."""
    title = Title(_("Who can hear whom?"), "‖∂yᵢ/∂xⱼ‖,  y = fₗ(… f₂(f₁(x)))")
    parts: list[RenderableType] = [title, Note(_legend(result))]
    parts.append(Strips([_strip(result, name) for name in result.reach], heads=_heads(result)))
    if detail:
        parts += [_table(result), Note(_how(result))]
    return Group(*parts)


def _legend(result: Reach) -> str:
    if result.at is None:
        return _(
            "output i ↓, input j →; empty: exactly 0; fuller colour: stronger, over {decades}"
            " decades; %: pairs not 0"
        ).format(decades=_DECADES)
    row, column = divmod(result.at - 1, result.shape.n2)
    return _(
        "heard by patch {at} (row {row}, column {column}); empty: exactly 0; fuller colour:"
        " stronger; %: pairs not 0"
    ).format(at=result.at, row=row + 1, column=column + 1)


def _heads(result: Reach) -> list[str]:
    return [ngettext("{n} layer", "{n} layers", n).format(n=n) for n in range(1, result.layers + 1)]


def _strip(result: Reach, name: str) -> Strip:
    drawn = [_brightness(matrix, result) for matrix in result.reach[name]]
    facts = [(str(i), _percent(share)) for i, share in enumerate(result.shares[name], 1)]
    facts += [
        (_("all at"), _depth(result.layers_to_full[name])),
        (_("theory"), _depth(result.theory[name])),
        (_("path"), str(result.path[name])),
    ]
    return Strip(_(ARCHITECTURES[name].name), ARCHITECTURES[name].ink, drawn, facts)


def _brightness(strength: Floats, result: Reach) -> Floats:
    """What is drawn: 1 for the strongest, 0 for what is 1000 times fainter, NaN for exactly 0."""
    largest = strength.max() or 1.0
    with np.errstate(divide="ignore"):
        shares = 1 + np.log10(strength / largest) / _DECADES
    shares = np.where(strength > 0, np.maximum(shares, 0.0), np.nan)
    if result.at is not None:
        shares = shares[result.at - 1].reshape(result.shape.sides)
    return np.asarray(shares)


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
                number(_far(result, name)),
                f"{number(_own(result, name))} ×",
            ]
        )
    keys = [ARCHITECTURES[name].ink for name in result.reach]
    return Table([Column(_("architecture"), "left"), *headers], rows, keys=keys)


def _how(result: Reach) -> str:
    return _(
        "After {layers} layers where no depth is named; strengths against the output's own input."
        " Jacobians of recurrent networks by backpropagation through time, of all others by central"
        " differences of order four (--check compares them with torch). One network each, weights"
        " and input drawn at random; layers beyond those shown are counted on."
    ).format(layers=result.layers)


def _far(result: Reach, name: str) -> float:
    """How strongly the last output depends on the first input, by its own input; after 1 layer."""
    last = result.reach[name][0][-1]
    return float(last[0] / last[-1]) if last[-1] else math.nan


def _own(result: Reach, name: str) -> float:
    """How strongly an output depends on its own input, by the mean of the others it hears."""
    strength = result.reach[name][-1]
    others = strength[(strength > 0) & ~np.eye(len(strength), dtype=bool)]
    return float(np.diag(strength).mean() / others.mean()) if others.size else math.inf


# The sentences


def takeaways(result: Reach) -> list[str]:
    """At which depth all are connected, who never is, and how faint a connection can be."""
    sentences = [_when(result), _shut(result), _faint(result)]
    if not result.residual:  # who takes them away wants to see what they did
        sentences[1] = _diagonal(result)
    return [sentence for sentence in sentences if sentence]


def _named(names: Sequence[str]) -> str:
    return _(", ").join(_(ARCHITECTURES[name].name) for name in names)


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


def _faint(result: Reach) -> str:
    """How strongly the first input moves the last output: along the path, and at one stroke."""
    along = next((name for name in ("rnn", "birnn") if name in result.reach), None)
    across = next((name for name in ("attention", "causal", "mixer") if name in result.reach), None)
    if along is None or across is None:
        return ""
    strength, other = _far(result, along), _far(result, across)
    text = (
        _(
            "Connected is not yet heard: against its own input, the last output hears the first one"
            " {strength} times as loudly over the {n} steps of one layer of the {model}, {other}"
            " times in one of {rival}."
        )
        if strength < 0.1 * other
        else _(
            "Against its own input, the last output hears the first one {strength} times as loudly"
            " over the {n} steps of one layer of the {model}, {other} times in one of {rival}."
        )
    )
    return text.format(
        strength=number(strength),
        n=result.path[along],
        model=_named([along]),
        other=number(other),
        rival=_named([across]),
    )


def _diagonal(result: Reach) -> str:
    """How much of the diagonal is left without residual connections."""
    kinds = [name for name in result.reach if isinstance(ARCHITECTURES[name], _InFrame)]
    found = [name for name in kinds if math.isfinite(_own(result, name))]
    if not found:
        return ""
    text = ngettext(
        "Without residual connections, after {n} layer, an output hears its own input this many"
        " times as loudly as another that it hears: {all}.",
        "Without residual connections, after {n} layers, an output hears its own input this many"
        " times as loudly as another that it hears: {all}.",
        result.layers,
    )
    each = [f"{_named([name])} {number(_own(result, name))}" for name in found]
    return text.format(n=result.layers, all=_(", ").join(each))


def question(result: Reach) -> Question:
    """How many layers one of the architectures needs, the slowest whose number there is."""
    full = result.layers_to_full
    name = max(full, key=lambda name: full[name] or 0)
    right = full[name]
    n, m, k = max(result.shape.sides), result.window, result.kernel
    wrong = [1, -(-n // m), n - 1, -(-n // k), 2 * n, 3 * n]
    known = [right] if right is not None else []
    numbers = sorted([*known, *[w for w in dict.fromkeys(wrong) if w != right][: 4 - len(known)]])
    choices = [str(layers) for layers in numbers] + [_("no depth is enough")]
    text = _("{model}, {n} tokens: after how many layers does every output hear every input?")
    return Question(
        text.format(model=_named([name]), n=result.tokens),
        choices,
        numbers.index(right) if right is not None else len(numbers),
        _when(result),
    )
