"""What does a layer cost as the sequence grows? Counted operations, and beside them measured time.

For recurrent, convolution, attention and Mixer layers of one width: multiply-adds, the steps that
must wait for one another, the longest path between two positions, the numbers kept for the backward
pass (Vaswani et al. 2017, table 1; Liu et al. 2021, eq. 1 and 2). And the time that the pages of
this book and torch's fused layers take on this machine, with the lengths at which one layer
overtakes another.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from einops import rearrange
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab.book import attention, conv, gru, lstm, rnn, swin
from seqlab.book.ops import Array, concatenate, gelu, stack, zeros
from seqlab.book.transformer import FeedForward, feed_forward
from seqlab.figures import glyphs
from seqlab.figures.curves import Curves, Legend, Line
from seqlab.figures.glyphs import number
from seqlab.figures.panels import Panels
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import BadInput, Check, Question, Result, Seed, Watch, require, some_of
from seqlab.locale import N_, _, listed, ngettext

Floats = NDArray[np.float64]
By = Literal["operations", "page", "torch"]

_SAMPLE = 1e-3  # seconds that a sample lasts at least: short calls are repeated within it
_PATIENCE = 5.0  # seconds; a layer that took longer once is not run at greater lengths
_LONGEST = 2**16  # of a measured sequence
_CELL = 15  # signs in a cell of the table, for it has as many columns as fit
_WEIGHTS = 2**28  # attention weights of one run, 1 GB: softmax needs a few arrays of that size
_RIVALS = ("lstm", "gru", "rnn", "conv", "mixer", "window")  # whom attention is held against
_FLOAT32 = 4  # bytes

Where = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    typer.Option(
        "--device", help=N_("Where to measure; auto takes a GPU of CUDA where there is one.")
    ),
]


class Shape(NamedTuple):
    """What a layer's cost depends on besides the length n."""

    d: int  # width of the input and of the output
    h: int  # heads
    k: int  # width of the convolution's kernel
    m: int  # tokens in a window


@dataclass(frozen=True)
class Layer:
    """The counts of one layer, without norms and skips, for each of `lengths` and one sequence.

    `operations` are multiply-adds, exactly, of the matrix products alone; `steps` those that must
    wait for one another; `path` how many layers (recurrent: steps) must be passed until the first
    position can reach the last one; `kept` the numbers, parameters apart, that the backward pass
    needs. The formulas say the same: those of steps and path up to a factor.
    """

    layer: str
    operations_formula: str
    steps_formula: str
    path_formula: str
    kept_formula: str
    operations: list[int]
    steps: list[int]
    path: list[int]
    kept: list[int]


@dataclass(frozen=True)
class Timing:
    """Seconds that one run of a layer takes at each length: the best sample, and the median one.

    Not a number (JSON: null) where it was not run, because it took too long at a shorter length.
    """

    layer: str
    by: Literal["page", "torch"]
    best: Floats
    median: Floats


@dataclass(frozen=True)
class Crossover:
    """Below length n `first` costs less than `second`, above it more: n lies from low to high.

    Found by straight lines between the measured lengths, on logarithmic axes; `low` and `high` are
    the nearest lengths at which the two can be told apart. Of counted operations it is exact: the
    last length at which `first` needs no more.
    """

    first: str
    second: str
    by: By
    n: float
    low: int
    high: int


@dataclass(frozen=True)
class Measured:
    """All that was read off the clock, and what follows from it."""

    times: list[Timing]
    crossovers: list[Crossover]


@dataclass(frozen=True)
class Stage:
    """Multiply-adds of attention in one block of Swin-T: global (eq. 1) and in windows (eq. 2)."""

    stage: int
    tokens: int
    width: int
    everywhere: int
    windows: int


@dataclass(frozen=True)
class Model:
    """Multiply-adds of a whole image model, its embedding and its classifier included."""

    model: str
    tokens: int
    operations: int


@dataclass(frozen=True)
class Cost(Result):
    """Counts for every layer and length; `seconds` holds whatever depends on the clock, or null."""

    lengths: list[int]
    d_model: int
    heads: int
    kernel: int
    window: int
    batch: int
    image: int
    seed: int
    layers: list[Layer]
    crossovers: list[Crossover]
    stages: list[Stage]
    models: list[Model]
    device: str | None
    threads: int
    repeats: int
    pages: Literal["numpy", "torch"] | None
    backward: bool
    seconds: Measured | None

    @property
    def shape(self) -> Shape:
        """What the formulas take besides n."""
        return Shape(self.d_model, self.heads, self.kernel, self.window)

    def costs(self, layer: str, by: By) -> Floats:
        """What `layer` costs at each length: multiply-adds, or the best time in seconds."""
        if by == "operations":
            return np.array(next(c for c in self.layers if c.layer == layer).operations, float)
        return self.timing(layer, by).best

    def timing(self, layer: str, by: By) -> Timing:
        """The times of `layer`, which must have been measured."""
        assert self.seconds is not None
        return next(t for t in self.seconds.times if t.layer == layer and t.by == by)


def run(
    *,
    lengths: Annotated[
        str, typer.Option(help=N_("Lengths n of the sequence; with commas between."))
    ] = "16,32,64,128,256,512,1024,2048",
    layers: Annotated[
        str,
        typer.Option(
            help=N_(
                "Which layers, of rnn, lstm, gru, conv, attention, window, mixer; with commas"
                " between."
            )
        ),
    ] = "rnn,lstm,gru,conv,attention,window,mixer",
    d_model: Annotated[
        int, typer.Option(min=2, max=4096, help=N_("Width d of every layer, an even number."))
    ] = 64,
    heads: Annotated[int, typer.Option(min=1, help=N_("Heads h of attention."))] = 4,
    kernel: Annotated[
        int, typer.Option(min=3, help=N_("Width k of the convolution's kernel, an odd number."))
    ] = 3,
    window: Annotated[
        int, typer.Option(min=2, help=N_("Tokens m in a window of window attention."))
    ] = 32,
    batch: Annotated[int, typer.Option(min=1, help=N_("Sequences that run side by side."))] = 1,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help=N_("Measure, or count only (instant)."))
    ] = True,
    backward: Annotated[
        bool,
        typer.Option(
            "--backward/--forward",
            help=N_("Measure the backward pass too; the pages then run on torch tensors."),
        ),
    ] = False,
    repeats: Annotated[
        int, typer.Option(min=2, max=1000, help=N_("Samples of every time: the best one counts."))
    ] = 5,
    threads: Annotated[
        int,
        typer.Option(
            min=1,
            max=1024,
            help=N_("Threads of torch; NumPy's are set by OPENBLAS_NUM_THREADS, else 1."),
        ),
    ] = 1,
    device: Where = "cpu",
    image: Annotated[
        int,
        typer.Option(
            min=32, max=4096, help=N_("Side in pixels, for the image models under --detail.")
        ),
    ] = 224,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Cost:
    """Count what each layer costs at every length, and measure it.

    Every layer maps (batch, n, d) to (batch, n, d) in float32. One sample of everything is taken,
    then the next: a machine that is slow for a while spoils a sample of each layer, not all of one.

    Raises:
        BadInput: an unknown layer or device, or a number out of range.
    """
    chosen = some_of(layers, "layers", LAYERS)
    ns = _lengths(lengths)
    require(d_model, "d-model", 2, 4096)
    if d_model % 2:
        raise BadInput(f"--d-model {d_model}", _("an even number"), f"--d-model {d_model + 1}")
    require(heads, "heads", 1)
    if d_model % heads:
        pattern = _("a divisor of --d-model {d}")
        near = max(h for h in range(1, min(heads, d_model) + 1) if d_model % h == 0)
        raise BadInput(f"--heads {heads}", pattern.format(d=d_model), f"--heads {near}")
    require(kernel, "kernel", 3)
    if kernel % 2 == 0:
        raise BadInput(f"--kernel {kernel}", _("an odd number"), f"--kernel {kernel + 1}")
    require(window, "window", 2)
    require(batch, "batch", 1)
    require(repeats, "repeats", 2, 1000)
    require(threads, "threads", 1, 1024)
    require(image, "image", 32, 4096)
    if image % 32:
        near = 32 * max(1, round(image / 32))
        raise BadInput(f"--image {image}", _("a multiple of 32"), f"--image {near}")
    require(seed, "seed", 0)
    if device not in ("auto", "cpu", "cuda", "mps"):
        raise BadInput(f"--device {device}", "auto, cpu, cuda, mps")

    shape = Shape(d_model, heads, kernel, window)
    counted = [_counted(name, ns, shape) for name in chosen]
    crossovers = [
        crossover
        for a, b in _pairs(chosen)
        for crossover in _crossovers(a, b, "operations", _counted_turns(a, b, ns, shape)[1])
    ]
    bench = None
    if measure:
        _affordable(chosen, ns, shape, batch)
        bench = _Bench(chosen, ns, shape, batch, backward, repeats, threads, device, seed)
    return Cost(
        lengths=ns,
        d_model=d_model,
        heads=heads,
        kernel=kernel,
        window=window,
        batch=batch,
        image=image,
        seed=seed,
        layers=counted,
        crossovers=crossovers,
        stages=_stages(image),
        models=_models(image),
        device=None if bench is None else bench.device_name,
        threads=threads,
        repeats=repeats,
        pages=None if bench is None else bench.pages,
        backward=backward,
        seconds=None if bench is None else bench.measure(watch),
    )


def _lengths(text: str | Sequence[int]) -> list[int]:
    words = text.split(",") if isinstance(text, str) else [str(n) for n in text]
    words = [word.strip() for word in words if word.strip()]
    hint = "--lengths 16,64,256"
    found = set()
    for word in words:
        if not (word.isdecimal() and 2 <= int(word) <= 10**9):
            raise BadInput(f"--lengths {word}", _("whole numbers from 2 to 1e9"), hint)
        found.add(int(word))
    if not found:
        raise BadInput("--lengths ''", _("at least one number"), hint)
    if len(found) > 64:
        raise BadInput(f"--lengths: {len(found)}", _("at most 64 of them"), hint)
    return sorted(found)


def _affordable(chosen: Sequence[str], lengths: Sequence[int], shape: Shape, batch: int) -> None:
    """Refuse to measure what would fill the memory."""
    n = lengths[-1]
    if "attention" in chosen and batch * shape.h * n * n > _WEIGHTS:
        most = math.isqrt(_WEIGHTS // (batch * shape.h))
        raise BadInput(
            f"--lengths {n}",
            _("at most {most} where attention is measured (its weights are h n² numbers)").format(
                most=most
            ),
            "--no-measure",
        )
    if n > _LONGEST or batch * n * shape.d > _WEIGHTS // 16:
        most = min(_LONGEST, _WEIGHTS // (16 * batch * shape.d))
        raise BadInput(
            f"--lengths {n}", _("at most {most} to be measured").format(most=most), "--no-measure"
        )


# The layers: what they cost, and how they run


class Fused(NamedTuple):
    """A layer of torch's own: the function, and the tensors it learns."""

    call: Callable[[Any], Any]
    parameters: list[Any]


Draw = Callable[..., Any]  # draw(*shape, fan_in): normal numbers of variance 1 / fan_in


@dataclass(frozen=True)
class _Kind:
    """What is common to layers: a name, its ink, and four formulas as they are printed."""

    name: str
    ink: str
    operations_formula: str
    steps_formula: str
    path_formula: str
    kept_formula: str

    def operations(self, n: int, s: Shape) -> int:
        """Multiply-adds of the matrix products for one sequence of n tokens."""
        raise NotImplementedError

    def steps(self, n: int, s: Shape) -> int:
        """Steps that must wait for one another: one, where all tokens go at once."""
        return 1

    def path(self, n: int, s: Shape) -> int:
        """Layers to be passed until the first of n tokens reaches the last: one, if all meet."""
        return 1

    def kept(self, n: int, s: Shape) -> int:
        """Numbers that the backward pass reads, parameters apart.

        They are the inputs of products, and what slopes are computed from, each once. torch's
        autograd keeps nd more for the LSTM (tanh c) and for the GRU (1 - z), which the pages
        compute anew.
        """
        raise NotImplementedError

    def draw(self, draw: Draw, n: int, s: Shape) -> Any:
        """Parameters of the page."""
        raise NotImplementedError

    def page(self, p: Any, x: Array, s: Shape) -> Array:
        """The page's layer; x (b, t, d) -> (b, t, d)."""
        raise NotImplementedError

    def fused(self, p: Any, s: Shape) -> Fused:
        """The layer of torch, with the weights of p."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Recurrent(_Kind):
    """RNN, LSTM, GRU: `blocks` matrices of each kind, and `states` numbers kept a unit and step."""

    page_of: Any
    parameters: type
    torch_name: str
    blocks: int
    states: int

    def operations(self, n: int, s: Shape) -> int:
        """Two products, x W_x and h W_h, at every step (Vaswani et al. 2017, table 1: O(n d²))."""
        return 2 * self.blocks * n * s.d**2

    def steps(self, n: int, s: Shape) -> int:
        """Every step waits for the one before (table 1: O(n))."""
        return n

    def path(self, n: int, s: Shape) -> int:
        """From the first input through n steps to the last output (table 1: O(n))."""
        return n

    def kept(self, n: int, s: Shape) -> int:
        """The input and the states: h; LSTM h, c, i, f, g, o; GRU h, r, z, n, u."""
        return (1 + self.states) * n * s.d

    def draw(self, draw: Draw, n: int, s: Shape) -> Any:
        g = self.blocks * s.d
        weights = draw(s.d, g, fan_in=2 * s.d), draw(s.d, g, fan_in=2 * s.d)
        biases = [draw(g, fan_in=s.d) for _b in self.parameters._fields[2:]]  # type: ignore[attr-defined]
        return self.parameters(*weights, *biases)

    def page(self, p: Any, x: Array, s: Shape) -> Array:
        xs = rearrange(x, "b t d -> t b d")
        states = self.page_of.unroll(p, xs, self.page_of.initial_state(p, x.shape[0]))
        return rearrange(stack([state.h for state in states[1:]]), "t b d -> b t d")

    def fused(self, p: Any, s: Shape) -> Fused:
        import torch

        module = _on_paper(getattr(torch.nn, self.torch_name), s.d, s.d, batch_first=True)
        biases = list(p[2:]) if len(p) == 4 else [p.b, np.zeros_like(p.b)]
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        _load(module, dict(zip(names, (p.W_x.T, p.W_h.T, *biases), strict=True)))
        return Fused(lambda x: module(x)[0], [module])


class Convolution1d(NamedTuple):
    """The parameters of the convolution, in the shape of the page's two-dimensional one."""

    weight: Array  # (d, c, 1, k)
    bias: Array  # (d,)


class _Convolution(_Kind):
    """A convolution along the sequence, padded with zeros to the same length."""

    def operations(self, n: int, s: Shape) -> int:
        """At every place k tokens by d × d weights (Vaswani et al. 2017, table 1: O(k n d²))."""
        return s.k * n * s.d**2

    def path(self, n: int, s: Shape) -> int:
        """In a stack with dilations 1, k, k², ..., that looks back, as in table 1: O(log_k n).

        L such layers reach k^L tokens. Without dilation each layer adds only k - 1.
        """
        layers = 1
        while s.k**layers < n:
            layers += 1
        return layers

    def kept(self, n: int, s: Shape) -> int:
        """The input."""
        return n * s.d

    def draw(self, draw: Draw, n: int, s: Shape) -> Any:
        # stored with the kernel's places outermost, so that each is a matrix BLAS can read
        weight = rearrange(draw(s.k, s.d, s.d, fan_in=s.k * s.d), "k d c -> d c 1 k")
        return Convolution1d(weight, draw(s.d, fan_in=s.d))

    def page(self, p: Any, x: Array, s: Shape) -> Array:
        edge = zeros((x.shape[0], s.k // 2, s.d), like=x)
        x = rearrange(concatenate([edge, x, edge], axis=1), "b t c -> b c 1 t")
        return rearrange(conv.conv2d(x, p.weight, p.bias), "b d 1 t -> b t d")

    def fused(self, p: Any, s: Shape) -> Fused:
        import torch

        module = _on_paper(torch.nn.Conv1d, s.d, s.d, kernel_size=s.k, padding=s.k // 2)
        _load(module, {"weight": p.weight[:, :, 0], "bias": p.bias})
        return Fused(lambda x: module(x.mT).mT, [module])


class _Attention(_Kind):
    """Multi-head self-attention with its four projections."""

    def operations(self, n: int, s: Shape) -> int:
        """The projections 4 n d², and Q Kᵀ and the sum of values n² d each.

        Liu et al. 2021, eq. 1; Vaswani et al. 2017, table 1, has the second part only: O(n² d).
        """
        return 4 * n * s.d**2 + 2 * n**2 * s.d

    def kept(self, n: int, s: Shape) -> int:
        """x, Q / √d, K, V, the heads side by side, and the weights, n² of each head."""
        return 5 * n * s.d + s.h * n**2

    def draw(self, draw: Draw, n: int, s: Shape) -> Any:
        weights = [draw(s.d, s.d, fan_in=s.d) for _w in range(4)]
        return attention.MultiHead(*weights, *(draw(s.d, fan_in=s.d) for _b in range(4)))

    def page(self, p: Any, x: Array, s: Shape) -> Array:
        return attention.multi_head(p, x, x, s.h)[0]

    def fused(self, p: Any, s: Shape) -> Fused:
        from torch.nn.functional import scaled_dot_product_attention

        qkv = _linear(
            np.concatenate([p.W_q, p.W_k, p.W_v], axis=1), np.concatenate([p.b_q, p.b_k, p.b_v])
        )
        out = _linear(p.W_o, p.b_o)

        def call(x: Any) -> Any:
            q, k, v = rearrange(qkv(x), "... t (c h d) -> c ... h t d", c=3, h=s.h)
            heads = scaled_dot_product_attention(q, k, v)
            return out(rearrange(heads, "... h t d -> ... t (h d)"))

        return Fused(call, [qkv, out])


class _Windows(_Attention):
    """Self-attention within windows of m tokens side by side, the last one filled up with zeros.

    The zeros are looked at too, as in Swin's code.
    """

    @staticmethod
    def _filled(n: int, s: Shape) -> tuple[int, int]:
        """Tokens in a window, no more than there are, and tokens in all windows."""
        m = min(s.m, n)
        return m, m * -(-n // m)

    def operations(self, n: int, s: Shape) -> int:
        """4 n d² + 2 m n d (Liu et al. 2021, eq. 2; Vaswani et al. 2017, table 1: O(r n d))."""
        m, n = self._filled(n, s)
        return 4 * n * s.d**2 + 2 * m * n * s.d

    def path(self, n: int, s: Shape) -> int:
        """Where every other layer shifts its windows by half (Liu et al. 2021, §3.2).

        The first layer reaches m tokens, each further one half a window more: 2n / m - 1 layers.
        """
        m = min(s.m, n)
        layers, reach = 1, m
        if reach < n:
            shifts = [m // 2, m - m // 2]  # from the grid to the shifted one, and back
            pair = sum(shifts)
            layers += 2 * ((n - reach) // pair)
            reach += pair * ((n - reach) // pair)
            for shift in shifts:
                if reach < n:
                    layers, reach = layers + 1, reach + shift
        return layers

    def kept(self, n: int, s: Shape) -> int:
        """As in attention, but each token has only m weights a head."""
        m, n = self._filled(n, s)
        return 5 * n * s.d + s.h * m * n

    def page(self, p: Any, x: Array, s: Shape) -> Array:
        t = x.shape[1]
        m, filled = self._filled(t, s)
        if filled > t:
            x = concatenate([x, zeros((x.shape[0], filled - t, s.d), like=x)], axis=1)
        windows = rearrange(x, "b (n t) d -> b n t d", t=m)
        y, _weights = attention.multi_head(p, windows, windows, s.h)
        return rearrange(y, "b n t d -> b (n t) d")[:, :t]

    def fused(self, p: Any, s: Shape) -> Fused:
        from torch.nn.functional import pad

        inner = super().fused(p, s)

        def call(x: Any) -> Any:
            t = x.shape[1]
            m, filled = self._filled(t, s)
            x = pad(x, (0, 0, 0, filled - t))
            y = inner.call(rearrange(x, "b (n t) d -> b n t d", t=m))
            return rearrange(y, "b n t d -> b (n t) d")[:, :t]

        return Fused(call, inner.parameters)


class MixerLayer(NamedTuple):
    """The parameters of a Mixer layer, without its norms."""

    tokens: FeedForward  # of n tokens, d / 2 wide inside
    channels: FeedForward  # of d channels, 4d wide inside


class _Mixer(_Kind):
    """A network over the tokens, then one over the channels, in the proportions of Mixer-B.

    The width of the first does not grow with n (Tolstikhin et al. 2021, §2), hence a cost linear
    in n; its weights do.
    """

    def operations(self, n: int, s: Shape) -> int:
        """2 n (d/2) d for the tokens and 2 n d 4d for the channels (Tolstikhin et al., eq. 1)."""
        return 2 * n * (s.d // 2) * s.d + 2 * n * s.d * 4 * s.d

    def kept(self, n: int, s: Shape) -> int:
        """The inputs of both networks, and what goes into and comes out of their GELUs."""
        return 2 * n * s.d + 2 * (s.d // 2) * s.d + 2 * n * 4 * s.d

    def draw(self, draw: Draw, n: int, s: Shape) -> Any:
        def network(d: int, m: int) -> FeedForward:
            W_1, b_1 = draw(d, m, fan_in=d), draw(m, fan_in=d)
            return FeedForward(W_1, b_1, draw(m, d, fan_in=m), draw(d, fan_in=m))

        return MixerLayer(network(n, s.d // 2), network(s.d, 4 * s.d))

    def page(self, p: Any, x: Array, s: Shape) -> Array:
        x = feed_forward(p.tokens, x.mT, gelu).mT
        return feed_forward(p.channels, x, gelu)

    def fused(self, p: Any, s: Shape) -> Fused:
        import torch

        def network(q: FeedForward) -> Any:
            linears = _linear(q.W_1, q.b_1), _linear(q.W_2, q.b_2)
            return torch.nn.Sequential(linears[0], torch.nn.GELU(), linears[1])

        tokens, channels = network(p.tokens), network(p.channels)
        return Fused(lambda x: channels(tokens(x.mT).mT), [tokens, channels])


def _on_paper(kind: Any, *sizes: int, **options: Any) -> Any:
    """A module of torch without numbers yet: none are drawn that would not be used."""
    import torch

    with torch.device("meta"):
        return kind(*sizes, **options)


def _load(module: Any, arrays: dict[str, Any]) -> None:
    """Give a module the numbers of these arrays, and their dtype."""
    import torch

    state = {name: torch.tensor(array).contiguous() for name, array in arrays.items()}
    module.load_state_dict(state, assign=True)
    for parameter in module.parameters():
        parameter.requires_grad_(True)


def _linear(W: Any, b: Any) -> Any:
    """A linear layer of torch with the page's weights, which torch applies from the other side."""
    import torch

    module = _on_paper(torch.nn.Linear, *W.shape)
    _load(module, {"weight": W.T, "bias": b})
    return module


LAYERS: dict[str, _Kind] = {
    "rnn": _Recurrent(
        "RNN", "rnn", "2nd²", "n", "n", "2nd", rnn, rnn.RNN, "RNN", blocks=1, states=1
    ),
    "lstm": _Recurrent(
        "LSTM", "lstm", "8nd²", "n", "n", "7nd", lstm, lstm.LSTM, "LSTM", blocks=4, states=6
    ),
    "gru": _Recurrent(
        "GRU", "gru", "6nd²", "n", "n", "6nd", gru, gru.GRU, "GRU", blocks=3, states=5
    ),
    "conv": _Convolution(N_("convolution"), "cnn", "knd²", "1", "logₖ n", "nd"),
    "attention": _Attention(
        N_("self-attention"), "attention", "4nd² + 2n²d", "1", "1", "5nd + hn²"
    ),
    "window": _Windows(
        N_("window attention"), "swin", "4nd² + 2mnd", "1", "2n/m", "5nd + hmn"
    ),
    "mixer": _Mixer("Mixer", "mixer", "9nd²", "1", "1", "10nd + d²"),
}  # fmt: skip


def _counted(name: str, lengths: Sequence[int], shape: Shape) -> Layer:
    kind = LAYERS[name]
    return Layer(
        name,
        kind.operations_formula,
        kind.steps_formula,
        kind.path_formula,
        kind.kept_formula,
        *([count(n, shape) for n in lengths] for count in (kind.operations, kind.steps)),
        *([count(n, shape) for n in lengths] for count in (kind.path, kind.kept)),
    )


# Image models


_SWIN_T = ((96, 2), (192, 2), (384, 6), (768, 2))  # width and blocks of each stage
_CLASSES = 1000


def _stages(image: int) -> list[Stage]:
    stages = []
    for i, (width, _blocks) in enumerate(_SWIN_T):
        tokens = (image // 2 ** (2 + i)) ** 2
        everywhere, windows = swin.global_macs(tokens, width), swin.window_macs(tokens, width, 7)
        stages.append(Stage(i + 1, tokens, width, everywhere, windows))
    return stages


def _models(image: int) -> list[Model]:
    """Whole models, as their papers define them: patches of 16 (Swin: 4), MLPs of 4 times d."""
    patches = (image // 16) ** 2
    models = []
    for name, width in (("ViT-S/16", 384), ("ViT-B/16", 768)):
        n = patches + 1  # the class token
        block = swin.global_macs(n, width) + 8 * n * width**2
        ends = patches * 16 * 16 * 3 * width + width * _CLASSES
        models.append(Model(name, n, 12 * block + ends))
    for name, width, blocks in (("Mixer-S/16", 512, 8), ("Mixer-B/16", 768, 12)):
        block = 2 * patches * (width // 2) * width + 8 * patches * width**2
        ends = patches * 16 * 16 * 3 * width + width * _CLASSES
        models.append(Model(name, patches, blocks * block + ends))
    stages = _stages(image)
    total = stages[0].tokens * 4 * 4 * 3 * stages[0].width + stages[-1].width * _CLASSES
    for stage, (width, blocks) in zip(stages, _SWIN_T, strict=True):
        total += blocks * (stage.windows + 8 * stage.tokens * width**2)
        if stage.stage < len(stages):  # four neighbours, 4C wide, become one token, 2C wide
            total += stage.tokens // 4 * 4 * width * 2 * width
    return [*models, Model("Swin-T", stages[0].tokens, total)]


# The measurement


class _Job(NamedTuple):
    """One thing to be timed: a layer, by whom it is run, at which length."""

    layer: str
    by: Literal["page", "torch"]
    place: int  # of the length among all lengths
    call: Callable[[], Any]


class _Bench:
    """Draws the layers and takes their times."""

    def __init__(
        self,
        layers: Sequence[str],
        lengths: Sequence[int],
        shape: Shape,
        batch: int,
        backward: bool,
        repeats: int,
        threads: int,
        device: str,
        seed: int,
    ) -> None:
        from seqlab import train

        self.layers, self.lengths, self.shape, self.batch = layers, lengths, shape, batch
        self.backward, self.repeats, self.threads, self.seed = backward, repeats, threads, seed
        self.device = train.device(device)
        on_numpy = self.device.type == "cpu" and not backward
        self.pages: Literal["numpy", "torch"] = "numpy" if on_numpy else "torch"

    @property
    def device_name(self) -> str:
        """The device, with the name of its make where torch knows it."""
        import torch

        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return str(self.device)

    def measure(self, watch: Watch | None) -> Measured:
        """Sample everything, round after round; the first round only warms up."""
        with self._threads():
            jobs = list(self._jobs())
            samples = np.full((self.repeats, len(jobs)), np.nan)
            inner = np.ones(len(jobs), int)
            slow: set[tuple[str, str]] = set()
            for r in range(self.repeats + 1):
                for j, job in enumerate(jobs):
                    if watch is not None:
                        share = (r + j / len(jobs)) / (self.repeats + 1)
                        watch(share, _(LAYERS[job.layer].name))
                    if r == 0:
                        if (job.layer, job.by) in slow:
                            inner[j] = 0
                            continue
                        took = self._sample(job.call, 1)
                        if took < _SAMPLE:
                            took = min(took, self._sample(job.call, 1))
                        inner[j] = min(1000, math.ceil(_SAMPLE / max(took, 1e-9)))
                        if took > _PATIENCE:
                            slow.add((job.layer, job.by))
                    elif inner[j]:
                        samples[r - 1, j] = self._sample(job.call, int(inner[j]))
        times = _timings(self.layers, self.lengths, jobs, samples)
        return Measured(times, _overtaking(self.lengths, times))

    def _sample(self, call: Callable[[], Any], inner: int) -> float:
        """Seconds of one call: the mean of `inner` calls in a row."""
        self._wait()
        start = time.perf_counter()
        for _i in range(inner):
            call()
        self._wait()
        return (time.perf_counter() - start) / inner

    def _wait(self) -> None:
        """Until the device has done what it was asked for: a GPU answers before it is ready."""
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """With so many threads of torch, and without gradients that nobody asked for."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with torch.set_grad_enabled(self.backward):
                yield
        finally:
            torch.set_num_threads(before)

    def _jobs(self) -> Iterator[_Job]:
        """The shortest first, so that what is too slow is known before it is run any longer."""
        import torch

        for place, n in enumerate(self.lengths):
            for name in self.layers:
                p, x = draw_layer(name, n, self.shape, self.batch, self.seed, "float32")
                tensor = torch.tensor(x, device=self.device, requires_grad=self.backward)
                yield _Job(name, "page", place, self._page(name, p, x, tensor))
                yield _Job(name, "torch", place, self._fused(name, p, tensor))

    def _page(self, name: str, p: Any, x: Any, tensor: Any) -> Callable[[], Any]:
        from seqlab import train

        kind, shape = LAYERS[name], self.shape
        if self.pages == "numpy":
            return lambda: kind.page(p, x, shape)
        q = train.trainable(p, self.device)
        return self._trained(lambda x: kind.page(q, x, shape), tensor, list(_tensors(q)))

    def _fused(self, name: str, p: Any, tensor: Any) -> Callable[[], Any]:
        fused = LAYERS[name].fused(p, self.shape)
        modules = [module.to(self.device) for module in fused.parameters]
        return self._trained(
            fused.call, tensor, [w for module in modules for w in module.parameters()]
        )

    def _trained(self, f: Callable[[Any], Any], x: Any, parameters: list[Any]) -> Callable[[], Any]:
        """Forward, or forward and backward to the input and all parameters."""
        import torch

        if not self.backward:
            return lambda: f(x)
        direction = torch.ones_like(x)
        return lambda: torch.autograd.grad(f(x), [x, *parameters], direction)


def draw_layer(name: str, n: int, shape: Shape, batch: int, seed: int, dtype: str) -> Any:
    """Parameters of a layer's page and an input (b, t, d), all of them drawn, biases too."""
    rng = np.random.default_rng([seed, n, list(LAYERS).index(name)])

    def draw(*size: int, fan_in: int) -> Any:
        return rng.normal(0, 1 / math.sqrt(fan_in), size).astype(dtype)

    p = LAYERS[name].draw(draw, n, shape)
    return p, draw(batch, n, shape.d, fan_in=1)


def _tensors(tree: Any) -> Iterator[Any]:
    """The leaves of a tree of NamedTuples."""
    if not isinstance(tree, tuple):
        yield tree
        return
    for child in tree:
        yield from _tensors(child)


def _timings(
    layers: Sequence[str], lengths: Sequence[int], jobs: Sequence[_Job], samples: Floats
) -> list[Timing]:
    """Best and median of the samples (repeats, jobs) of every layer at every length."""
    times = []
    makers: tuple[Literal["page", "torch"], ...] = ("page", "torch")
    for by in makers:
        for name in layers:
            best, median = np.full(len(lengths), np.nan), np.full(len(lengths), np.nan)
            for j, job in enumerate(jobs):
                if (job.layer, job.by) == (name, by):
                    best[job.place] = np.min(samples[:, j])
                    median[job.place] = np.median(samples[:, j])
            times.append(Timing(name, by, best, median))
    return times


# Where one layer overtakes another


class Turn(NamedTuple):
    """At length n, between `low` and `high`, a layer becomes dearer than another, or cheaper."""

    dearer: bool
    n: float
    low: int
    high: int


class Comparison(NamedTuple):
    """Where a layer costs more than another, from the shortest to the longest length of both.

    The spans of n at which it does, None where a span has no end; the lengths at which noise hides
    which of the two costs more; and whether the ends are exact.
    """

    lengths: list[int]
    spans: list[tuple[float | None, float | None]]
    hidden: list[int]
    exact: bool


def compare(result: Cost, a: str, b: str, by: By) -> Comparison:
    """Where in the lengths of `result` layer a costs more than layer b."""
    if by == "operations":
        lengths, hidden = result.lengths, []
        first, turns = _counted_turns(a, b, lengths, result.shape)
    else:
        one, other = result.timing(a, by), result.timing(b, by)
        known = np.isfinite(one.best) & np.isfinite(other.best)
        lengths = [n for n, is_known in zip(result.lengths, known) if is_known]
        signs = _told_apart(one, other)[known]
        hidden = [n for n, sign in zip(lengths, signs) if not sign]
        told = signs[signs != 0]
        first = bool(told.size and told[0] > 0)
        turns = _measured_turns(lengths, np.log(one.best / other.best)[known], signs)
    starts: list[float | None] = [turn.n for turn in turns if turn.dearer]
    ends: list[float | None] = [turn.n for turn in turns if not turn.dearer]
    if first:
        starts.insert(0, None)
    if len(starts) > len(ends):
        ends.append(None)
    return Comparison(lengths, list(zip(starts, ends, strict=True)), hidden, by == "operations")


def _crossovers(a: str, b: str, by: By, turns: Sequence[Turn]) -> list[Crossover]:
    return [Crossover(a, b, by, turn.n, turn.low, turn.high) for turn in turns if turn.dearer]


def _overtaking(lengths: Sequence[int], times: Sequence[Timing]) -> list[Crossover]:
    """All crossovers among layers that were run by the same."""
    found = []
    for a, b in ((a, b) for a in times for b in times if a.by == b.by and a is not b):
        turns = _measured_turns(lengths, np.log(a.best / b.best), _told_apart(a, b))
        found += _crossovers(a.layer, b.layer, a.by, turns)
    return found


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(a, b) for a in names for b in names if a != b]


def _counted_turns(a: str, b: str, lengths: Sequence[int], shape: Shape) -> tuple[bool, list[Turn]]:
    """Whether layer a needs more operations than b at first, and where that changes: exactly."""

    def dearer(n: int) -> bool:
        return LAYERS[a].operations(n, shape) > LAYERS[b].operations(n, shape)

    turns = []
    for low, high in pairwise(_edges(lengths, shape.m) if "window" in (a, b) else lengths):
        if dearer(low) != dearer(high):
            below, above = low, high
            while above - below > 1:
                middle = (below + above) // 2
                below, above = (middle, above) if dearer(middle) == dearer(low) else (below, middle)
            turns.append(Turn(dearer(high), float(below), low, high))
    return dearer(lengths[0]), turns


def _edges(lengths: Sequence[int], m: int) -> list[int]:
    """The lengths, and both sides of every window's edge between them: there the count jumps.

    Windows are filled up. Beyond 4096 of them that adds less than a part in 4096.
    """
    last = min(lengths[-1], 4096 * m)
    edges = {n for edge in range(m, last, m) for n in (edge, edge + 1)}
    return sorted({*lengths, *(n for n in edges if n > lengths[0])})


def _told_apart(a: Timing, b: Timing) -> NDArray[np.int_]:
    """At each length 1 where a takes longer than b, -1 where b does, 0 where noise hides it.

    It takes longer if even its best sample took longer than the other's median one.
    """
    return np.where(a.best > b.median, 1, np.where(b.best > a.median, -1, 0))


def _measured_turns(lengths: Sequence[int], ratios: Floats, signs: NDArray[np.int_]) -> list[Turn]:
    """Where the sign changes, with n on a straight line through the logarithms of the ratios.

    Between two lengths that are told apart there may be some that are not. n is the first place
    among them at which the ratio goes through 1.
    """
    turns = []
    told = np.flatnonzero(signs).tolist()
    for i, j in pairwise(told):
        if signs[i] == signs[j]:
            continue
        above = next(m for m in range(i + 1, j + 1) if ratios[m] * signs[j] >= 0)
        x0, x1 = math.log(lengths[above - 1]), math.log(lengths[above])
        y0, y1 = float(ratios[above - 1]), float(ratios[above])
        n = math.exp(x0 - y0 * (x1 - x0) / (y1 - y0))
        turns.append(Turn(bool(signs[j] > 0), n, lengths[i], lengths[j]))
    return turns


# The oracle


def check(
    *,
    lengths: str = "16,32,64,128,256,512,1024,2048",
    layers: str = "rnn,lstm,gru,conv,attention,window,mixer",
    d_model: int = 64,
    heads: int = 4,
    kernel: int = 3,
    window: int = 32,
    batch: int = 1,
    measure: bool = True,
    backward: bool = False,
    repeats: int = 5,
    threads: int = 1,
    device: str = "cpu",
    image: int = 224,
    seed: int = 0,
) -> list[Check]:
    """The pages against torch's layers with the same weights, and the counts against torch's.

    Outputs in float64, at a length of no more than 100 tokens, where the last window is not full;
    operations as torch's FlopCounterMode finds them in torch's layers, two to a multiply-add.
    """
    shape = Shape(d_model, heads, kernel, window)
    n = min(_lengths(lengths)[-1], 100)
    checks = []
    for name in some_of(layers, "layers", LAYERS):
        kind = LAYERS[name]
        p, x = draw_layer(name, n, shape, batch, seed, "float64")
        theirs, flops = _by_torch(kind, p, x, shape)
        error = float(np.max(np.abs(kind.page(p, x, shape) - theirs)))
        label = _("{layer}: page and torch's layer").format(layer=_(kind.name))
        checks.append(Check(label, error, 1e-9))
        ours = 2 * batch * kind.operations(n, shape)
        label = _("{layer}: operations by formula and by torch's count").format(layer=_(kind.name))
        checks.append(Check(label, abs(flops - ours) / ours, 0.0))
    return checks


def _by_torch(kind: _Kind, p: Any, x: Any, shape: Shape) -> tuple[Any, int]:
    """What torch's layer makes of x, and the floating-point operations of its matrix products."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # Fused kernels are no matrix products to torch's counter. Here the plain ones run: of attention
    # because they are asked for, of the LSTM because x is in float64.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        y = kind.fused(p, shape).call(torch.tensor(x))
    return y.numpy(), counter.get_total_flops()


# The screen


def show(result: Cost, detail: bool = False) -> RenderableType:
    """The counts and the times against length, and a table of formulas and crossovers."""
    title = Title(
        _("What does a layer cost as the sequence grows?"),
        "softmax(QKᵀ/√d) V: 4nd² + 2n²d   LSTM: 8nd²",
    )
    parts: list[RenderableType] = [
        title,
        Note(_settings(result)),
        Panels(_plots(result), min_width=30),
    ]
    parts += [Legend(_lines(result, "operations")), _formulas(result), Note(_caption(result))]
    if detail:
        parts += _details(result)
    return Group(*parts)


def _settings(result: Cost) -> str:
    s = result.shape
    shape = f"d = {s.d} · h = {s.h} · k = {s.k} · m = {s.m}"
    if result.seconds is None:
        return shape
    device = _("CPU") if result.device == "cpu" else str(result.device)
    threads = ngettext("{n} thread", "{n} threads", result.threads).format(n=result.threads)
    where = listed([device, threads]) if result.device == "cpu" else device
    what = _("forward and backward") if result.backward else _("forward")
    best = _("best of {n} runs").format(n=result.repeats)
    sequences = _("batch {n}").format(n=result.batch)
    return " · ".join([shape, sequences, "float32", where, what, best])


def _whose(result: Cost) -> dict[By, str]:
    """By whom layers were run, if they were."""
    if result.seconds is None:
        return {}
    on_numpy = result.pages == "numpy"
    page = _("our pages, NumPy") if on_numpy else _("our pages, torch tensors")
    return {"page": page, "torch": _("torch's layers")}


def _plots(result: Cost) -> list[tuple[str, RenderableType]]:
    options: dict[str, Any] = {
        "x_label": _("length n"), "x_scale": "log", "y_scale": "log", "height": 11,
        "legend": "none",
    }  # fmt: skip
    operations = _on_top(_lines(result, "operations"))
    counted = (_("multiply-adds, counted"), Curves(operations, **options))
    if result.seconds is None:
        kept = [
            Line(_(LAYERS[c.layer].name), result.lengths, c.kept, key=LAYERS[c.layer].ink)
            for c in result.layers
        ]
        return [counted, (_("numbers kept for backward"), Curves(_on_top(kept), **options))]
    times = {whose: _lines(result, by) for by, whose in _whose(result).items()}
    seconds = np.concatenate([np.asarray(line.y) for lines in times.values() for line in lines])
    options["y_range"] = (float(np.nanmin(seconds)), float(np.nanmax(seconds)))
    panels = [
        (_("{whose} (ms)").format(whose=whose), Curves(_on_top(lines), **options))
        for whose, lines in times.items()
    ]
    return [counted, *panels]


def _lines(result: Cost, by: By) -> list[Line]:
    """A line a layer: multiply-adds of one sequence, or milliseconds."""
    unit = 1.0 if by == "operations" else 1e3
    return [
        Line(_(kind.name), result.lengths, unit * result.costs(c.layer, by), key=kind.ink)
        for c in result.layers
        for kind in [LAYERS[c.layer]]
    ]


def _on_top(lines: Sequence[Line]) -> list[Line]:
    """The same lines with those last, and so above the others, that the sentences speak of."""
    order = ("attention", *_RIVALS)
    ranks = {LAYERS[name].ink: rank for rank, name in enumerate(order)}
    return sorted(lines, key=lambda line: -ranks[line.key])


def _is_compared(result: Cost) -> bool:
    names = [c.layer for c in result.layers]
    return "attention" in names and len(names) > 1


def _measures(result: Cost) -> list[By]:
    """What layers are compared in."""
    return ["operations", *_whose(result)]


def _formulas(result: Cost) -> Table:
    """A row a layer: its formulas, and where attention costs more."""
    columns: list[Column | str] = [
        Column(_("layer"), "left"),
        Column(_("multiply-adds"), "left"),
        Column(_("steps in a row"), "left"),
        Column(_("longest path"), "left"),
        Column(_("kept for backward"), "left"),
    ]
    measures = _measures(result) if _is_compared(result) else []
    heads: dict[By, str] = {
        "operations": _("attention dearer: counted"),
        "page": _("on our page"),
        "torch": _("in torch"),
    }
    columns += [heads[by] for by in measures]
    rows = [
        [
            _(LAYERS[c.layer].name),
            c.operations_formula,
            c.steps_formula,
            c.path_formula,
            c.kept_formula,
            *(_cell(result, c.layer, by) for by in measures),
        ]
        for c in result.layers
    ]
    return Table(columns, rows, keys=[LAYERS[c.layer].ink for c in result.layers])


def _cell(result: Cost, layer: str, by: By) -> str:
    """Where attention costs more than `layer`, in a few signs."""
    if layer == "attention":
        return "-"
    found = compare(result, "attention", layer, by)
    if not found.spans:
        return _("unclear") if found.hidden else _("never")
    if found.spans != [(None, None)]:
        signs = [_span_sign(low, high, found.exact) for low, high in found.spans]
        whole = ", ".join(signs)
        return whole if len(whole) <= _CELL else f"…, {signs[-1]}"  # the sentences have all
    start = _told_from(found)
    if not found.hidden:
        return _("always")
    return _("mostly") if start is None else f"n ≥ {start}"


def _told_from(found: Comparison) -> int | None:
    """The length from which on noise hides nothing, if it hides something before."""
    first = len(found.hidden)
    if not found.hidden or found.hidden != found.lengths[:first] or first == len(found.lengths):
        return None
    return found.lengths[first]


def _about(n: float | None, exact: bool) -> str:
    """A length: as it is where it is exact, else with two significant digits."""
    assert n is not None
    return f"{n:.0f}" if exact else f"{float(f'{n:.1e}'):.0f}"


def _span_sign(low: float | None, high: float | None, exact: bool) -> str:
    below = "≤" if exact else "<"
    if low is None:
        return f"n {below} {_about(high, exact)}"
    if high is None:
        return f"n > {_about(low, exact)}"
    return f"{_about(low, exact)} < n {below} {_about(high, exact)}"


def _where(found: Comparison) -> str:
    """The same in words."""
    if not found.spans:
        if len(found.hidden) == len(found.lengths):
            return _("at no n that the runs can tell apart")
        pattern = (
            _("at no n up to {last} for certain") if found.hidden else _("at no n up to {last}")
        )
        return pattern.format(last=found.lengths[-1])
    if found.spans == [(None, None)]:
        start = _told_from(found)
        if start is not None:
            return _("from n = {start} on").format(start=start)
        return _("at nearly every n") if found.hidden else _("at every n")
    sign = "=" if found.exact else "≈"
    words = []
    for low, high in found.spans:
        if low is None:
            words.append(
                _("up to n {sign} {high}").format(sign=sign, high=_about(high, found.exact))
            )
        elif high is None:
            words.append(_("beyond n {sign} {low}").format(sign=sign, low=_about(low, found.exact)))
        else:
            text = _("between n {sign} {low} and {high}")
            ends = {"low": _about(low, found.exact), "high": _about(high, found.exact)}
            words.append(text.format(sign=sign, **ends))
    return _(" and ").join(words)


def _caption(result: Cost) -> str:
    """How to read the table: what its formulas leave out, and its last columns."""
    text = _("Paths up to a factor; convolutions dilated, windows filled up and shifted.")
    if not _is_compared(result):
        return text
    last = (
        _("Last column: at which n attention needs more multiply-adds.")
        if result.seconds is None
        else _("Last columns: at which n attention needs more multiply-adds, or takes longer.")
    )
    return f"{text} {last}"


def _details(result: Cost) -> list[RenderableType]:
    """Everything at every length, all crossovers, and the image models."""
    lengths = [f"n = {n}" for n in result.lengths]
    keys = [LAYERS[c.layer].ink for c in result.layers]

    def table(head: str, values: Callable[[Layer], Any], unit: float) -> Table:
        rows = [
            [
                _(LAYERS[c.layer].name),
                *(_short(v / unit) if unit != 1 else glyphs.count(v) for v in values(c)),
            ]
            for c in result.layers
        ]
        return Table([Column(head, "left"), *lengths], rows, keys=keys)

    parts: list[RenderableType] = [
        table(_("million multiply-adds"), lambda c: c.operations, 1e6),
        table(_("longest path"), lambda c: c.path, 1),
        table(_("kept for backward (MB)"), lambda c: c.kept, 1e6 / _FLOAT32),
    ]
    for by, whose in _whose(result).items():
        title = _("{whose} (ms)").format(whose=whose)
        parts.append(table(title, lambda c, by=by: result.costs(c.layer, by), 1e-3))  # type: ignore[misc]
    for by, whose in _whose(result).items():
        title = _("{whose} (billion multiply-adds a second)").format(whose=whose)
        parts.append(table(title, lambda c, by=by: _rates(result, c, by), 1e9))  # type: ignore[misc]
    return [*parts, *_all_crossovers(result), *_image_tables(result)]


def _rates(result: Cost, counted: Layer, by: By) -> Floats:
    """Multiply-adds in a second, at each length."""
    return result.batch * np.array(counted.operations) / result.costs(counted.layer, by)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else number(value)


def _all_crossovers(result: Cost) -> list[RenderableType]:
    """Every pair of which one overtakes the other, in anything counted or measured."""
    measures = _measures(result)
    rows = []
    for a, b in _pairs([c.layer for c in result.layers]):
        found = [compare(result, a, b, by) for by in measures]
        if any(low is not None for each in found for low, _high in each.spans):
            texts = [_where(each) for each in found]
            rows.append(
                [_("{a} than {b}").format(a=_(LAYERS[a].name), b=_(LAYERS[b].name)), *texts]
            )
    if not rows:
        return [Note(_("In these lengths no layer overtakes another."))]
    heads = [_("counted"), _("our page"), _("torch")][: len(measures)]
    columns = [Column(_("costs more"), "left"), *(Column(head, "left") for head in heads)]
    return [Table(columns, rows)]


def _image_tables(result: Cost) -> list[RenderableType]:
    note = _(
        "Images of {n} × {n} pixels. Attention in one block of Swin-T, billion multiply-adds:"
        " 4hwC² + 2(hw)²C everywhere, 4hwC² + 2M²hwC in windows of M = 7 (Liu et al. 2021)."
    ).format(n=result.image)
    stages = [
        [
            str(stage.stage),
            glyphs.count(stage.tokens),
            str(stage.width),
            number(stage.everywhere / 1e9, 4),
            number(stage.windows / 1e9, 3),
            f"{number(stage.everywhere / stage.windows, 3)}×",
        ]
        for stage in result.stages
    ]
    heads = [_("tokens hw"), _("width C"), _("everywhere"), _("in windows"), _("ratio")]
    models = [[m.model, glyphs.count(m.tokens), f"{m.operations / 1e9:.2f}"] for m in result.models]
    return [
        Note(note),
        Table([Column(_("stage"), "left"), *heads], stages),
        Table([Column(_("model"), "left"), _("tokens"), _("billion multiply-adds")], models),
    ]


# The sentences


def takeaways(result: Cost) -> list[str]:
    """What this run counted and measured; who is called slower was so in best and median."""
    names = [c.layer for c in result.layers]
    rival = _rival(names)
    sentences = []
    if rival is not None:
        sentences.append(_against(result, rival))
    if result.seconds is None:
        return [*sentences, *_memory(result), _sequence(result)][:3]
    if len(names) > 1:
        sentences += [_misleading(result), _fastest(result)]
    else:
        sentences.append(_growth(result))
    return sentences


def _rival(names: Sequence[str]) -> str | None:
    """The layer that attention is held against, if both are there."""
    return next((r for r in _RIVALS if r in names), None) if "attention" in names else None


def _against(result: Cost, rival: str) -> str:
    counted = _where(compare(result, "attention", rival, "operations"))
    name = _(LAYERS[rival].name)
    if result.seconds is None:
        return _("Attention needs more multiply-adds than the {rival} {counted}.").format(
            rival=name, counted=counted
        )
    return _(
        "Attention takes longer than the {rival} {torch} in torch, {page} on our pages; it needs"
        " more multiply-adds {counted}."
    ).format(
        rival=name,
        torch=_where(compare(result, "attention", rival, "torch")),
        page=_where(compare(result, "attention", rival, "page")),
        counted=counted,
    )


def _last(result: Cost, names: Sequence[str], by: By) -> int:
    """The place of the greatest length at which all of `names` were measured."""
    known = np.all([np.isfinite(result.costs(name, by)) for name in names], axis=0)
    return int(np.flatnonzero(known)[-1])


def _misleading(result: Cost) -> str:
    """The pair of layers whose operations and times differ most, if one needs more in less time."""
    names = [c.layer for c in result.layers]
    place = _last(result, names, "torch")
    n = result.lengths[place]
    found = []
    for a, b in _pairs(names):
        work = result.costs(a, "operations")[place] / result.costs(b, "operations")[place]
        spent = result.costs(a, "torch")[place] / result.costs(b, "torch")[place]
        told = _told_apart(result.timing(a, "torch"), result.timing(b, "torch"))[place]
        if work > 1 and told < 0:
            found.append((work / spent, a, b, work, spent))
    if not found:
        return _(
            "In torch at n = {n}, no layer that needs more multiply-adds than another takes clearly"
            " less time."
        ).format(n=n)
    _gap, a, b, work, spent = max(found)
    return _(
        "Counted operations do not tell the time: in torch at n = {n}, {a} needs {work} times the"
        " multiply-adds of {b} and is {speed} times as fast."
    ).format(
        n=n,
        a=_(LAYERS[a].name),
        b=_(LAYERS[b].name),
        work=number(work),
        speed=number(1 / spent),
    )


def _fastest(result: Cost) -> str:
    """Who takes the least time in torch, by length, where the runs can tell."""
    names = [c.layer for c in result.layers]
    runs: list[tuple[str, int, int]] = []
    for place, n in enumerate(result.lengths[: _last(result, names, "torch") + 1]):
        order = sorted(names, key=lambda name: result.costs(name, "torch")[place])
        best, second = (result.timing(name, "torch") for name in order[:2])
        winner = best.layer if _told_apart(best, second)[place] < 0 else ""
        if runs and runs[-1][0] == winner:
            runs[-1] = (winner, runs[-1][1], n)
        else:
            runs.append((winner, n, n))
    if len(runs) == 1 and runs[0][0]:
        return _("The fastest in torch at every n is {layer}.").format(
            layer=_(LAYERS[runs[0][0]].name)
        )
    shown = runs if len(runs) <= 3 else [runs[0], runs[-1]]
    words = []
    for name, low, high in shown:
        who = _(LAYERS[name].name) if name else _("too close to tell")
        span = f"n = {low}" if low == high else _("n = {low} to {high}").format(low=low, high=high)
        words.append(f"{who} ({span})")
    return _("The fastest in torch: {list}.").format(list=listed(words))


def _growth(result: Cost) -> str:
    """Of a single layer: how work and time grow over the last two lengths."""
    name = result.layers[0].layer
    last = _last(result, [name], "torch")
    if last == 0:
        seconds = result.costs(name, "torch")[0]
        return _("In torch {layer} takes {ms} ms at n = {n}.").format(
            layer=_(LAYERS[name].name), ms=number(1e3 * seconds), n=result.lengths[0]
        )
    work, spent = (
        result.costs(name, by)[last] / result.costs(name, by)[last - 1]
        for by in ("operations", "torch")
    )
    return _(
        "From n = {low} to {high} the multiply-adds of {layer} grow {work} times, its time in torch"
        " {spent} times."
    ).format(
        low=result.lengths[last - 1],
        high=result.lengths[last],
        layer=_(LAYERS[name].name),
        work=number(work),
        spent=number(spent),
    )


def _memory(result: Cost) -> list[str]:
    """Who keeps the most and the least for the backward pass at the greatest length."""
    kept = sorted((c.kept[-1], c.layer) for c in result.layers)
    (least, small), (most, large) = kept[0], kept[-1]
    if most == least:
        return []
    return [
        _(
            "At n = {n}, {large} keeps {most} MB (float32) a sequence for the backward pass,"
            " {ratio} times as much as {small}."
        ).format(
            n=result.lengths[-1],
            large=_(LAYERS[large].name),
            small=_(LAYERS[small].name),
            most=_short(_FLOAT32 * most / 1e6),
            ratio=_short(most / least),
        )
    ]


def _sequence(result: Cost) -> str:
    """Which layers must take one token after the other."""
    n = result.lengths[-1]
    serial = [_(LAYERS[c.layer].name) for c in result.layers if c.steps[-1] > 1]
    if not serial:
        return _(
            "None of these layers has to wait: all {n} tokens can be computed at once."
        ).format(n=n)
    return _("{layers}: each of the {n} steps waits for the one before.").format(
        layers=listed(serial), n=n
    )


def question(result: Cost) -> Question:
    """From which length on does attention take longer? The right answer is found in the result."""
    names = [c.layer for c in result.layers]
    rival = _rival(names)
    if rival is None:
        return _waiting(result)
    by: By = "operations" if result.seconds is None else "torch"
    found = compare(result, "attention", rival, by)
    middle = result.lengths[len(result.lengths) // 2]
    last = found.lengths[-1]
    choices = [
        _("at the shortest length already"),
        _("somewhere below n = {middle}").format(middle=middle),
        _("at n = {middle} or somewhere beyond").format(middle=middle),
        _("not up to n = {last}, or not for certain").format(last=last),
    ]
    starts = [low for low, _high in found.spans]
    told_at_once = not found.hidden or found.hidden[0] != found.lengths[0]
    if not starts:
        answer = 3
    elif starts[0] is None:
        start = found.lengths[0] if told_at_once else min(set(found.lengths) - set(found.hidden))
        answer = 0 if told_at_once else 1 if start < middle else 2
    else:
        answer = 1 if starts[0] < middle else 2
    text = (
        _("Where does attention begin to need more multiply-adds than the {rival}?")
        if result.seconds is None
        else _(
            "Where does attention begin to take longer than the {rival}, in torch on this machine?"
        )
    )
    return Question(
        text.format(rival=_(LAYERS[rival].name)), choices, answer, _against(result, rival)
    )


def _waiting(result: Cost) -> Question:
    """Without attention: how many steps wait for one another?"""
    counted = result.layers[0]
    n = result.lengths[-1]
    choices = ["1", "log n", "n", "n²"]
    text = _("A sequence of {n} tokens: how many steps of {layer} must wait for one another?")
    name = _(LAYERS[counted.layer].name)
    answer = choices.index(counted.steps_formula)
    why = ngettext("{layer}: {steps} step.", "{layer}: {steps} steps.", counted.steps[-1])
    return Question(
        text.format(n=n, layer=name),
        choices,
        answer,
        why.format(layer=name, steps=counted.steps[-1]),
    )
