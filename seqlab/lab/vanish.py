"""How far back does the gradient reach? Backpropagation through time, measured step by step.

A loss L reads the last state of a recurrent network that is as yet untrained. Its gradient is
carried back through time by the hand-written backward steps of the book, and its norm is taken at
every step. What multiplies it on the way is a product of Jacobians (Pascanu et al. 2013, eq. 5),
whose singular values are measured besides.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group, RenderableType

from seqlab.book import gru, lstm, rnn
from seqlab.figures.curves import Curves, Legend, Line
from seqlab.figures.glyphs import number, power
from seqlab.figures.panels import Panels
from seqlab.figures.prose import Note, Title
from seqlab.figures.table import Column, Table
from seqlab.lab import (
    BadInput,
    Check,
    Question,
    Result,
    Seed,
    Watch,
    fitted_slope,
    require,
    some_of,
)
from seqlab.locale import N_, _, listed, ngettext

Floats = NDArray[np.float64]

CELLS = {"linear": N_("linear RNN"), "rnn": N_("tanh RNN"), "lstm": "LSTM", "gru": "GRU"}
_GATES = {"lstm": "f", "gru": "z"}  # the gate that carries the state
_INPUTS = 8  # width of the noise that drives the cells
_SPECTRUM_STEPS = (1, 2, 5, 10, 20, 50)  # where the product of Jacobians is looked at
_FLOAT32_SMALLEST = math.log10(1.17549435e-38)  # the smallest normal number
_FLOAT32_LARGEST = math.log10(3.4028235e38)
_STEADY = 1e-4  # a rate this near to 1 neither vanishes nor explodes
_GROUP = 2**15  # numbers in the recurrent matrices of one group of seeds: they should stay in cache


@dataclass(frozen=True)
class Curve:
    """The gradient's norm against the number of steps back, for one cell at one radius.

    `norms`, `low` and `high` (steps + 1 numbers each, normalised to 1 at the last step) are the
    median, the lowest and the highest of the seeds; `log10_norms` the median's logarithm, exact
    where the norm itself would under- or overflow. `rate` is the factor per step, fitted by least
    squares to the logarithms; `theory` the factor that the textbook predicts (ρ; for a gated cell
    its gate where all weights are zero). `half_life` and `doubling_time` are in steps;
    `float32_reach` is the last step at which the gradient is a normal number of float32, from
    1.2e-38 to 3.4e38 (null: any). `sigma_max` is the largest singular value of the recurrent
    matrix (in gated cells of the candidate's block; median), `slope` the root mean square of tanh',
    `gate` the mean of the gate that carries the state (LSTM: forget, GRU: update), where the cell
    has one.
    """

    cell: str
    radius: float
    state: Literal["h", "c"]
    norms: Floats
    low: Floats
    high: Floats
    log10_norms: Floats
    rate: float
    theory: float | None
    half_life: float | None
    doubling_time: float | None
    float32_reach: float | None
    sigma_max: float
    slope: float | None
    gate: float | None


@dataclass(frozen=True)
class Spectrum:
    """Singular values, largest first, of the Jacobian over 1, 2, 5, ... steps, of the first seed.

    Values that rounding has swallowed (below the largest times d · 2e-16) are null.
    """

    cell: str
    radius: float
    state: Literal["h", "c"]
    steps: list[int]
    singular_values: list[Floats]


@dataclass(frozen=True)
class Clipped:
    """What clipping to norm θ does to the gradient of all parameters, which a descent step uses.

    Logarithms of its norm before and after, and of the factor between (medians over seeds). Where
    the states themselves have left the range of float64, nothing can be clipped: `log10_norm` is
    infinite and the others are not numbers (JSON: null).
    """

    cell: str
    radius: float
    threshold: float
    log10_norm: float
    log10_clipped: float
    log10_factor: float


@dataclass(frozen=True)
class Vanish(Result):
    """Norms of ∂L/∂h (LSTM: ∂L/∂c, and h besides) for every cell and radius."""

    steps: int
    hidden: int
    input: str
    seeds: int
    seed: int
    forget_bias: float
    radii: list[float]
    curves: list[Curve]
    spectra: list[Spectrum]
    clipped: list[Clipped]

    def curve(self, cell: str, radius: float) -> Curve | None:
        """The curve of `cell`: for the LSTM that of c, its highway."""
        found = [c for c in self.curves if c.cell == cell and c.radius == radius]
        return next((c for c in found if c.state == _state_of(cell)), None)


def run(
    *,
    steps: Annotated[int, typer.Option(min=1, help=N_("Steps back in time."))] = 50,
    cells: Annotated[
        str, typer.Option(help=N_("Which cells, of linear, rnn, lstm, gru; with commas between."))
    ] = "linear,rnn,lstm,gru",
    hidden: Annotated[int, typer.Option(min=1, max=4096, help=N_("Width of the state."))] = 64,
    radius: Annotated[
        list[float],
        typer.Option(help=N_("Spectral radius of the recurrent matrix; repeat it for a sweep.")),
    ] = [0.9],  # noqa: B006 (typer needs a list; it is never changed)
    forget_bias: Annotated[
        float, typer.Option(help=N_("Bias of the LSTM's forget gate: 1 opens it, −3 shuts it."))
    ] = 1.0,
    input: Annotated[
        Literal["noise", "none"], typer.Option(help=N_("What drives the cells while they run."))
    ] = "noise",
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help=N_("How many networks are drawn for each curve."))
    ] = 8,
    clip: Annotated[
        float | None,
        typer.Option(metavar="θ", help=N_("Clip the gradient of the weights to this norm.")),
    ] = None,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Vanish:
    """Measure the gradient's norm on its way back through `steps` steps of recurrent cells.

    Every recurrent matrix is drawn with spectral radius `radius`: for the linear cell ρ times an
    orthogonal matrix, for the tanh RNN a Gaussian matrix scaled to ρ exactly, for the gated cells
    Gaussian blocks of variance ρ²/d, whose radius is ρ up to fluctuations (the circular law).

    Raises:
        BadInput: an unknown cell, or a number out of range.
    """
    chosen = some_of(cells, "cells", CELLS)
    radii = [float(r) for r in np.atleast_1d(np.asarray(radius, float))]
    require(steps, "steps", 1)
    require(hidden, "hidden", 1, 4096)
    require(seeds, "seeds", 1, 1000)
    require(seed, "seed", 0)
    require(forget_bias, "forget-bias", -100.0, 100.0)
    for r in radii:
        require(r, "radius", 0.0, 100.0)
        if 0 < r < 1e-100:
            raise BadInput(f"--radius {r:g}", _("0, or at least 1e-100"), "--radius 0")
    if not radii:
        raise BadInput("--radius", _("at least one number"), "--radius 0.9")
    if len(set(radii)) < len(radii):
        raise BadInput(f"--radius {', '.join(map(str, radii))}", _("each radius once"))
    if input not in ("noise", "none"):
        raise BadInput(f"--input {input}", _("noise or none"))
    if clip is not None:
        require(clip, "clip", 1e-300)

    curves: list[Curve] = []
    spectra: list[Spectrum] = []
    clipped: list[Clipped] = []
    jobs = [(cell, r) for r in radii for cell in chosen]
    for i, (cell, r) in enumerate(jobs):
        job = _Job(cell, r, steps, hidden, forget_bias, input, seeds, seed, clip)

        def tell(share: float, i: int = i, cell: str = cell) -> None:
            if watch is not None:
                watch((i + share) / len(jobs), _(CELLS[cell]))

        found = job.measure(tell)
        curves += found.curves
        if found.clipped is not None:
            clipped.append(found.clipped)
        if r == radii[0]:
            spectra.append(job.spectrum())
    return Vanish(steps, hidden, input, seeds, seed, forget_bias, radii, curves, spectra, clipped)


def _state_of(cell: str) -> Literal["h", "c"]:
    """The state whose gradient is the cell's highway."""
    return "c" if cell == "lstm" else "h"


# The networks


@dataclass(frozen=True)
class _Measured:
    curves: list[Curve]
    clipped: Clipped | None


@dataclass(frozen=True)
class _Job:
    """One cell at one radius: draws its networks, runs them forward, carries the gradient back."""

    cell: str
    radius: float
    steps: int
    hidden: int
    forget_bias: float
    input: str
    seeds: int
    seed: int
    clip: float | None

    def groups(self) -> Iterator[list[int]]:
        """The seeds, in groups that run side by side on a leading axis."""
        size = max(1, _GROUP // self.hidden**2)
        for start in range(0, self.seeds, size):
            yield list(range(start, min(start + size, self.seeds)))

    def networks(self, group: Sequence[int]) -> tuple[Any, Floats, Floats]:
        """Parameters, inputs (t, s, 1, c) and the direction (s, 1, d) of the loss at the last step.

        Each seed has a generator of its own, so that a network is the same in every company.
        """
        d, drawn = self.hidden, []
        for s in group:
            rng = np.random.default_rng([self.seed, s, list(CELLS).index(self.cell)])
            xs = rng.normal(size=(self.steps, 1, _INPUTS)) * (self.input == "noise")
            loss = rng.normal(size=(1, d))
            drawn.append((self._parameters(rng), xs, loss / np.linalg.norm(loss)))
        kind = type(drawn[0][0])
        p = kind(*(np.stack([q[i] for q, _xs, _loss in drawn]) for i in range(len(drawn[0][0]))))
        return p, np.stack([x for _q, x, _loss in drawn], 1), np.stack([v for _q, _x, v in drawn])

    def _parameters(self, rng: np.random.Generator) -> Any:
        d = self.hidden
        blocks = {"lstm": 4, "gru": 3}.get(self.cell, 1)
        W_x = rng.normal(0, 1 / math.sqrt(_INPUTS), (_INPUTS, blocks * d))
        W_h = rng.normal(0, 1 / math.sqrt(d), (d, blocks * d))
        b = np.zeros((1, blocks * d))
        if self.cell == "lstm":
            b[:, d : 2 * d] = self.forget_bias
            return lstm.LSTM(W_x, self.radius * W_h, b)
        if self.cell == "gru":
            return gru.GRU(W_x, self.radius * W_h, b, np.zeros_like(b))
        if self.cell == "linear":
            return rnn.RNN(W_x, self.radius * np.linalg.qr(W_h)[0], b)
        return rnn.RNN(W_x, self.radius * W_h / np.abs(np.linalg.eigvals(W_h)).max(), b)

    def forward(self, p: Any, xs: Any, zero: Any = None) -> list[Any]:
        """The states 0 to T, from nothing; `zero`, if given, is the array that stands for it."""
        page: Any = {"lstm": lstm, "gru": gru}.get(self.cell, rnn)
        start = page.initial_state(p, xs.shape[1], 1)
        if zero is not None:
            start = start._replace(**{_state_of(self.cell): zero})
        if self.cell != "linear":
            return list(page.unroll(p, xs, start))
        with np.errstate(over="ignore", invalid="ignore"):  # its states may explode: φ' is 1
            return list(rnn.unroll(p, xs, start, rnn.LINEAR))

    def back(self, p: Any, prev: Any, state: Any, dh: Any, dc: Any) -> tuple[Any, Any, Any]:
        """One step back: the gradients before the activations, and of the state before."""
        if self.cell == "lstm":
            return lstm.backward(p, prev, state, dh, dc)
        if self.cell == "gru":
            da, dh = gru.backward(p, prev, state, dh)
            return da, dh, dc
        activation = rnn.LINEAR if self.cell == "linear" else rnn.TANH
        da, dh = rnn.backward(p, prev, state, dh, activation)
        return da, dh, dc

    # The measurements

    def measure(self, tell: Any) -> _Measured:
        """Norms by seed and step, then what is said of them."""
        logs: dict[str, list[Floats]] = {"h": [], "c": []}
        openness, sigmas, sums = [], [], []
        done = 0
        for group in self.groups():
            p, xs, loss = self.networks(group)
            states = self.forward(p, xs)
            total = _Sum() if self.clip is not None else None
            norms: dict[str, list[Floats]] = {"h": [], "c": []}
            for k, back in enumerate(self.walk(p, states, loss)):
                norms["h"].append(_log10(_length(back.dh)) + back.scale)
                if self.cell == "lstm":
                    norms["c"].append(_log10(_length(back.dc)) + back.scale)
                if total is not None and back.da is not None:
                    t = self.steps - k  # ∂L/∂a is that of step t + 1, from x_{t+1} and h_t
                    with np.errstate(over="ignore", invalid="ignore"):
                        total.add(self._gradient(xs[t], states[t].h, back.da), back.da_scale)
                if k % 64 == 0:
                    tell((done + k / (self.steps + 1) * len(group)) / self.seeds)
            done += len(group)
            for name, values in norms.items():
                if values:
                    logs[name].append(np.stack(values, axis=1))  # (s, steps + 1)
            openness += self._openness(states[1:])
            sigmas += [np.linalg.norm(W[:, self._candidate()], 2) for W in p.W_h]
            if total is not None:
                sums.append(total)
        slope = float(np.mean(openness)) if self.cell == "rnn" else None
        gate = float(np.mean(openness)) if self.cell in _GATES else None
        sigma = float(np.median(sigmas))
        curves = [
            self._curve("c" if name == "c" else "h", np.concatenate(found), sigma, slope, gate)
            for name, found in sorted(logs.items())
            if found
        ]
        return _Measured(curves, self._clipped(sums) if sums else None)

    def _gradient(self, x: Floats, h: Floats, da: Any) -> Floats:
        """All parameters' gradients of one step, one below the other: their norm is what counts."""
        page: Any = {"lstm": lstm, "gru": gru}.get(self.cell, rnn)
        parts = page.gradients(x, h, da)
        return np.concatenate(list(parts), axis=-2)

    def walk(
        self, p: Any, states: Sequence[Any], dh: Floats, dc: Floats | None = None
    ) -> Iterator["_Back"]:
        """Carry gradients from the last state to the first.

        They are brought back to norm 1 at every step, for beyond 300 decades a float would lose
        them; the scale keeps what was divided out.
        """
        gated = self.cell == "lstm"
        dc = np.zeros_like(dh) if dc is None else dc
        scale, da, da_scale = np.zeros(dh.shape[0]), None, np.zeros(dh.shape[0])
        for t in range(len(states) - 1, -1, -1):
            whole_dc = lstm.cell_gradient(states[t], dh, dc) if gated else dc
            yield _Back(scale, dh, whole_dc, da, da_scale)
            if t == 0:
                return
            da_scale = scale
            da, dh, dc = self.back(p, states[t - 1], states[t], dh, dc)
            size = np.hypot(_length(dh), _length(dc)) if gated else _length(dh)
            size = np.where(size > 0, size, 1.0)
            scale = scale + np.log10(size)
            dh = dh / size[:, None, None]
            dc = dc / size[:, None, None] if gated else dc

    def spectrum(self) -> Spectrum:
        """Singular values of the product of Jacobians: the walk of all d unit vectors at once."""
        p, xs, _loss = self.networks([0])
        states = self.forward(p, xs)
        last = min(self.steps, _SPECTRUM_STEPS[-1])
        basis = np.eye(self.hidden)[None]
        start = (np.zeros_like(basis), basis) if self.cell == "lstm" else (basis, None)
        steps, values = [], []
        for k, back in enumerate(self.walk(p, states[-1 - last :], *start)):
            if k in _SPECTRUM_STEPS or (k == last and k > 0):
                product = (back.dc if self.cell == "lstm" else back.dh)[0]
                found = np.linalg.svd(product, compute_uv=False)
                floor = found[0] * self.hidden * np.finfo(float).eps
                found = np.where(found < floor, np.nan, found)
                steps.append(k)
                values.append(found * 10.0 ** back.scale[0])
        return Spectrum(self.cell, self.radius, _state_of(self.cell), steps, values)

    def _candidate(self) -> slice:
        """The columns of W_h that make the new state, as the tanh RNN's do: LSTM g, GRU n."""
        block = {"lstm": 2, "gru": 2}.get(self.cell, 0)
        return slice(block * self.hidden, (block + 1) * self.hidden)

    def _openness(self, states: Sequence[Any]) -> list[float]:
        """At each step, what the cell itself lets through: its gate, or the slope of its tanh."""
        if self.cell in _GATES:
            return [float(np.mean(getattr(s, _GATES[self.cell]))) for s in states]
        if self.cell == "rnn":
            return [float(np.mean((1 - s.h * s.h) ** 2) ** 0.5) for s in states]
        return [1.0]

    def _theory(self) -> float:
        """Per step: ρ; for gated cells the gate's value where all weights are zero."""
        if self.cell == "lstm":
            return 1 / (1 + math.exp(-self.forget_bias))
        return 0.5 if self.cell == "gru" else self.radius

    def _curve(
        self,
        state: Literal["h", "c"],
        logs: Floats,
        sigma: float,
        slope: float | None,
        gate: float | None,
    ) -> Curve:
        with np.errstate(invalid="ignore"):
            # a saturated tanh(c) lets nothing to the cell from the first: 0 there, and all the way
            logs = np.where(np.isneginf(logs[:, :1]), -np.inf, logs - logs[:, :1])
            middle = np.median(logs, axis=0)
        middle = np.where(np.isnan(middle), -np.inf, middle)
        rate = _fit(middle)
        life = math.log(2) / abs(math.log(rate)) if rate > 0 and abs(rate - 1) > 1e-9 else None
        return Curve(
            cell=self.cell,
            radius=self.radius,
            state=state,
            norms=_powers(middle),
            low=_powers(logs.min(axis=0)),
            high=_powers(logs.max(axis=0)),
            log10_norms=middle,
            rate=rate,
            theory=self._theory(),
            half_life=life if rate < 1 else None,
            doubling_time=life if rate > 1 else None,
            float32_reach=_reach(middle, rate),
            sigma_max=sigma,
            slope=slope,
            gate=gate,
        )

    def _clipped(self, sums: "Sequence[_Sum]") -> Clipped:
        assert self.clip is not None
        norms = np.concatenate([s.log10_norm() for s in sums])
        norm = float(np.median(np.where(np.isnan(norms), np.inf, norms)))
        threshold = math.log10(self.clip)
        if norm == math.inf:
            return Clipped(self.cell, self.radius, self.clip, norm, math.nan, math.nan)
        factor = min(0.0, threshold - norm)  # g ← g θ/‖g‖ if ‖g‖ > θ (Pascanu et al. 2013, alg. 1)
        return Clipped(self.cell, self.radius, self.clip, norm, norm + factor, factor)


class _Back(NamedTuple):
    """Gradients at one state, to be multiplied by 10 to their scale (s,)."""

    scale: Floats
    dh: Floats
    dc: Floats  # all of ∂L/∂c, for the LSTM
    da: Any  # before the activations of the step after; None at the last state
    da_scale: Floats


class _Sum:
    """A sum over time of gradients (s, ...) whose scales differ by hundreds of decades."""

    def __init__(self) -> None:
        self.value: Floats = np.zeros(0)
        self.scale: Floats = np.zeros(0)

    def add(self, term: Floats, scale: Floats) -> None:
        if not self.value.size:
            self.value, self.scale = term, scale
            return
        top = np.maximum(self.scale, scale)
        with np.errstate(invalid="ignore"):
            self.value = (
                self.value * 10.0 ** (self.scale - top)[:, None, None]
                + term * 10.0 ** (scale - top)[:, None, None]
            )
        self.scale = top

    def log10_norm(self) -> Floats:
        largest = np.abs(self.value).max((1, 2))  # of numbers whose squares might overflow
        largest = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        return _log10(_length(self.value / largest[:, None, None])) + _log10(largest) + self.scale


def _length(g: Floats) -> Floats:
    """The norm over the last two axes."""
    return np.asarray(np.sqrt((g * g).sum((-2, -1))))


def _log10(norms: Floats) -> Floats:
    """The logarithm; minus infinity for zero."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(norms))


def _powers(logs: Floats) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(10.0**logs)


def _fit(logs: Floats) -> float:
    """The factor per step: 10 to the slope of the least-squares line; 0 where the gradient died."""
    if np.isneginf(logs).any():
        return 0.0
    return float(10.0 ** fitted_slope(logs))


def _reach(logs: Floats, rate: float) -> float | None:
    """The last step that float32 still holds: measured, or beyond the run by the fitted rate."""
    lost = np.flatnonzero((logs < _FLOAT32_SMALLEST) | (logs > _FLOAT32_LARGEST))
    if lost.size:
        return float(lost[0] - 1)
    per_step = math.log10(rate)
    if abs(per_step) < 1e-9:
        return None
    limit = _FLOAT32_SMALLEST if per_step < 0 else _FLOAT32_LARGEST
    return max(float(len(logs) - 1), math.floor(limit / per_step))


# The oracle


def check(
    *,
    steps: int = 50,
    cells: str = "linear,rnn,lstm,gru",
    hidden: int = 64,
    radius: Sequence[float] = (0.9,),
    forget_bias: float = 1.0,
    input: str = "noise",
    seeds: int = 8,
    clip: float | None = None,
    seed: int = 0,
) -> list[Check]:
    """The same gradients by torch autograd, through the pages' forward steps on torch tensors.

    The steps themselves are tested against torch.nn. The error is the largest of ‖g − g'‖ / ‖g'‖
    over all steps and seeds at which g' is within the range of float64.
    """
    checks = []
    for r in np.atleast_1d(np.asarray(radius, float)):
        for cell in some_of(cells, "cells", CELLS):
            job = _Job(cell, float(r), steps, hidden, forget_bias, input, seeds, seed, clip)
            error = float(np.max([_compare(job, group) for group in job.groups()]))
            name = _("{cell}, radius {radius}: BPTT by hand and torch autograd").format(
                cell=_(CELLS[cell]), radius=f"{r:g}"
            )
            checks.append(Check(name, error, 1e-9))
    return checks


def _compare(job: _Job, group: Sequence[int]) -> float:
    import torch

    p, xs, loss = job.networks(group)
    q = type(p)(*(torch.tensor(a) for a in p))
    start = torch.zeros(len(group), 1, job.hidden, dtype=torch.float64, requires_grad=True)
    states = job.forward(q, torch.tensor(xs), start)
    kept = [getattr(state, _state_of(job.cell)) for state in states]
    oracle = torch.autograd.grad((states[-1].h * torch.tensor(loss)).sum(), kept)
    errors = [0.0]
    ours = job.walk(p, job.forward(p, xs), loss)
    for back, other in zip(ours, reversed(oracle), strict=True):
        theirs = other.numpy()
        with np.errstate(over="ignore", under="ignore"):
            size = _length(theirs)
        usable = (size > 1e-150) & (size < 1e150)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            mine = back.dc if job.cell == "lstm" else back.dh
            difference = _length(mine * 10.0 ** back.scale[:, None, None] - theirs)
            errors += list((difference / size)[usable])
    return float(np.max(errors))  # which, unlike max(), does not lose a NaN


# The screen


# One step back; of several cells the first one's. The dots are the paths through the gates.
_EQUATIONS = {
    "rnn": "∂L/∂hₜ₋₁ = (∂L/∂hₜ ⊙ (1 − hₜ²)) Wₕᵀ",
    "linear": "∂L/∂hₜ₋₁ = ∂L/∂hₜ Wₕᵀ",
    "lstm": "∂L/∂cₜ₋₁ = ∂L/∂cₜ ⊙ fₜ + …",
    "gru": "∂L/∂hₜ₋₁ = ∂L/∂hₜ ⊙ zₜ + …",
}


def show(result: Vanish, detail: bool = False) -> RenderableType:
    """The curves, a table of rates, and the singular values behind them."""
    equation = next(e for cell, e in _EQUATIONS.items() if cell in _present(result))
    title = Title(_("How far back does the gradient reach?"), equation)
    what = _("‖∂L/∂h(T−k)‖, 1 at the last step; median and range of {n} networks").format(
        n=result.seeds
    )
    parts: list[RenderableType] = [title, Note(what)]
    if len(result.radii) == 1:
        lines = _lines(result, result.radii[0])
        height = 11 if result.clipped else 13  # a sentence more has to fit the first screen
        parts += [Curves(lines, x_label=_("steps back k"), y_scale="log10", height=height)]
        parts += [_rates(result)]
    else:
        parts += _panels(result)
        parts += [_rates(result) if detail else _sweep(result)]
    if len(result.radii) == 1 or detail:
        parts.append(_spectra(result, 6 if not detail else 10))
    return Group(*parts)


def _panels(result: Vanish) -> list[RenderableType]:
    """A plot a radius, all on the same axes, and one legend."""
    plots = [_lines(result, radius) for radius in result.radii]
    ends = [v for lines in plots for line in lines for v in np.asarray(line.y) if np.isfinite(v)]
    panels = [
        (
            f"ρ = {radius:g}",
            Curves(lines, y_scale="log10", height=8, y_range=(min(ends), max(ends)), legend="none"),
        )
        for radius, lines in zip(result.radii, plots)
    ]
    return [Panels(panels, min_width=30), Legend(plots[0])]


def _lines(result: Vanish, radius: float) -> list[Line]:
    """The curves of one radius, their bands, ρᵏ, and what clipping leaves of them."""
    k = np.arange(result.steps + 1)
    lines = []
    for cell in _present(result):
        curve = result.curve(cell, radius)
        assert curve is not None
        with np.errstate(divide="ignore"):
            low, high = np.log10(curve.low), np.log10(curve.high)
        name = _(CELLS[cell]) + (" ∂L/∂c" if cell == "lstm" else "")
        lines.append(Line(name, k, curve.log10_norms, low, high, key=cell))
    if radius > 0:  # last, for it lies upon the linear RNN
        line = k * math.log10(radius)
        lines.append(Line("ρᵏ", k, line, key="theory", dashed=True))
    for clipped in _worst_clipped(result):  # all of them would hide the curves
        curve = result.curve(clipped.cell, radius)
        if clipped.radius == radius and curve is not None and clipped.log10_factor < 0:
            name = _("{cell} × clipping").format(cell=_(CELLS[clipped.cell]))
            shifted = curve.log10_norms + clipped.log10_factor
            lines.append(Line(name, k, shifted, key=clipped.cell, dashed=True))
    return lines


def _present(result: Vanish) -> list[str]:
    return list(dict.fromkeys(curve.cell for curve in result.curves))


def _rates(result: Vanish) -> Table:
    rows, keys = [], []
    many = len(result.radii) > 1
    for curve in result.curves:
        if curve.state != _state_of(curve.cell):
            continue
        name = _(CELLS[curve.cell]) + (f" ρ={curve.radius:g}" if many else "")
        rows.append(
            [
                name,
                _factor(curve.rate),
                "-" if curve.theory is None else number(curve.theory, 3),
                _pace(curve, result.steps),
                power(float(curve.log10_norms[-1])),
                _distance(curve, result.steps),
            ]
        )
        keys.append(curve.cell)
    headers = [
        _("per step"),
        _("theory"),
        _("half-life (steps)"),
        _("left after {steps}").format(steps=result.steps),
        _("float32 reaches (steps)"),
    ]
    return Table([Column(_("cell"), "left"), *headers], rows, keys=keys)


def _sweep(result: Vanish) -> Table:
    """Factors per step: a row a cell, a column a radius."""
    cells = _present(result)
    rows = []
    for cell in cells:
        found = [result.curve(cell, radius) for radius in result.radii]
        rows.append([_(CELLS[cell]), *(_factor(c.rate) for c in found if c is not None)])
    head = Column(_("factor per step"), "left")
    return Table([head, *(f"ρ = {r:g}" for r in result.radii)], rows, keys=cells)


def _spectra(result: Vanish, height: int) -> RenderableType:
    panels = []
    for spectrum in result.spectra:
        k = np.array(spectrum.steps)
        with np.errstate(divide="ignore"):
            logs = [np.log10(v) for v in spectrum.singular_values]
        lines = [
            Line(name, k, np.array([pick(v) for v in logs]), key=key, dashed=dashed)
            for name, key, pick, dashed in (
                (_("largest"), spectrum.cell, np.nanmax, False),
                (_("median"), spectrum.cell, _middle, True),
                (_("smallest"), spectrum.cell, np.min, False),
            )
        ]
        top = " ∂c/∂c" if spectrum.state == "c" else " ∂h/∂h"
        panels.append(
            (
                _(CELLS[spectrum.cell]) + top,
                Curves(lines, y_scale="log10", height=height, legend="none"),
            )
        )
    note = _(
        "Singular values of the Jacobian over k steps: largest, median, smallest (while float64"
        " can tell)"
    )
    return Group(Note(note), Panels(panels, min_width=22))


def _middle(logs: Floats) -> float:
    """The median, where those that rounding has swallowed count as small; NaN if it is one."""
    middle = float(np.median(np.where(np.isnan(logs), -np.inf, logs)))
    return middle if np.isfinite(middle) or not np.isnan(logs).any() else math.nan


def _factor(rate: float) -> str:
    return f"{rate:.3f}" if 0.001 <= rate < 1000 else number(rate, 3)


def _pace(curve: Curve, steps: int) -> str:
    pace = curve.half_life or curve.doubling_time
    if pace is None:
        return _("at once") if curve.rate == 0 else _("never")
    guess = "≈ " if pace > steps else ""
    if curve.half_life is not None:
        return guess + number(pace)
    return guess + _("doubles in {n}").format(n=number(pace))


def _distance(curve: Curve, steps: int) -> str:
    if curve.float32_reach is None:
        return _("any distance")
    if curve.float32_reach > 1e6:
        return "> 1e6"
    guess = "≈ " if curve.float32_reach > steps else ""
    return guess + f"{curve.float32_reach:,.0f}"


# The sentences


def takeaways(result: Vanish) -> list[str]:
    """What this run showed: every number and every verdict is computed from the curves."""
    present = _present(result)
    if len(result.radii) > 1:
        told = [cell for cell in present if cell != "gru" or len(present) < 4]
        sentences = [_across(result, cell) for cell in told]
    else:
        radius = result.radii[0]
        plain, gated = result.curve("rnn", radius), result.curve("lstm", radius)
        first = plain or result.curve(present[0], radius)
        assert first is not None
        sentences = [_fate(first, result)]
        if plain is not None and radius > 0:
            sentences.append(_against_theory(plain, result))
        if plain is not None and gated is not None:
            sentences.append(_gates(plain, gated, result))
    clipping = [_clipping(c) for c in _worst_clipped(result)]
    return sentences[: 3 - len(clipping)] + clipping  # three are as many as a class takes in


def _kept(curve: Curve) -> float:
    return float(curve.log10_norms[-1])


def _direction(curve: Curve) -> int:
    """-1 the gradient vanishes in every network, 1 explodes in every one, 0 stays, 2 it depends."""
    if abs(curve.rate - 1) <= _STEADY:
        return 0
    return -1 if curve.high[-1] < 1 else 1 if curve.low[-1] > 1 else 2


def _fate(curve: Curve, result: Vanish) -> str:
    kept, direction = _kept(curve), _direction(curve)
    pace = curve.half_life or curve.doubling_time
    numbers = {
        "cell": _(CELLS[curve.cell]),
        "kept": power(kept),
        "after": ngettext("after {n} step", "after {n} steps", result.steps).format(n=result.steps),
        "pace": number(pace or 0.0),
        "low": number(float(curve.low[-1])),
        "high": number(float(curve.high[-1])),
    }
    seen = pace is not None and pace <= result.steps  # else the rate alone speaks of it
    if direction == -1 and pace is None:
        text = _("The {cell} keeps {kept} of its gradient {after}.")
    elif direction == -1 and seen:
        text = _(
            "The {cell} keeps {kept} of its gradient {after}: half of it is gone every {pace}"
            " steps."
        )
    elif direction == -1:
        text = _(
            "The {cell} keeps {kept} of its gradient {after}; at this rate half of it is gone after"
            " {pace}."
        )
    elif direction == 1 and seen:
        text = _(
            "The gradient of the {cell} explodes: {kept} times as large {after}, doubled every"
            " {pace} steps."
        )
    elif direction == 1:
        text = _("The gradient of the {cell} grows: {kept} times as large {after}.")
    elif direction == 0:
        text = _("The {cell} keeps its gradient: {kept} of it is there {after}.")
    else:
        text = _(
            "The gradient of the {cell} depends on the network: {after}, {kept} of it is there"
            " (from {low} to {high})."
        )
    return text.format(**numbers)


def _against_theory(curve: Curve, result: Vanish) -> str:
    """The tanh RNN against ρᵏ: the textbook's sentence holds only for linear networks."""
    assert curve.slope is not None
    if abs(curve.rate / curve.radius - 1) < 0.02:
        text = _("ρᵏ = {predicted} is near to what is measured.")
    elif curve.slope < 0.97:
        text = _(
            "ρᵏ = {predicted} holds for the linear RNN; here tanh saturates, its slope is {slope}"
            " (rms)."
        )
    else:
        text = _(
            "ρᵏ = {predicted} holds for the linear RNN, whose W is orthogonal; here σ_max is"
            " {sigma}, though tanh hardly bends."
        )
    if curve.radius > 1 and _direction(curve) == -1:
        text += _(" A radius above 1 is not enough to explode.")
    return text.format(
        predicted=power(result.steps * math.log10(curve.radius)),
        slope=number(curve.slope),
        sigma=number(curve.sigma_max),
    )


def _gates(plain: Curve, gated: Curve, result: Vanish) -> str:
    assert gated.gate is not None
    fates = _direction(gated), _direction(plain)
    if 1 in fates or 2 in fates:
        text = _(
            "The LSTM's cell passes {lstm} a step, the tanh RNN {rnn}; its forget gates stand"
            " {gate} open on average."
        )
    elif gated.rate > 1.02 * plain.rate:
        text = _(
            "The LSTM's cell keeps {lstm} a step, not {rnn}; its forget gates stand {gate} open on"
            " average."
        )
    elif gated.rate < 0.98 * plain.rate:
        text = _(
            "The LSTM forgets faster than the tanh RNN, {lstm} a step against {rnn}: with forget"
            " bias {bias} its gates stand {gate} open."
        )
        if result.forget_bias < 3:
            text += _(" Try --forget-bias 3.")
    else:
        text = _("The LSTM is no better than the tanh RNN here: {lstm} a step against {rnn}.")
    return text.format(
        lstm=_factor(gated.rate),
        rnn=_factor(plain.rate),
        gate=number(gated.gate),
        bias=f"{result.forget_bias:g}",
    )


def _across(result: Vanish, cell: str) -> str:
    """A sweep: at which radii the gradient of `cell` vanishes, stays, explodes."""
    found = [curve for r in result.radii if (curve := result.curve(cell, r)) is not None]
    patterns = {
        -1: _("vanishes at ρ = {radii}"),
        0: _("stays at ρ = {radii}"),
        2: _("depends on the network at ρ = {radii}"),
        1: _("explodes at ρ = {radii}"),
    }
    at = {d: [f"{c.radius:g}" for c in found if _direction(c) == d] for d in patterns}
    parts = [patterns[d].format(radii=listed(radii)) for d, radii in at.items() if radii]
    numbers = {"cell": _(CELLS[cell]), "parts": _("; ").join(parts)}
    bent = [c for c in found if c.radius > 1 and _direction(c) == -1 and (c.slope or 1) < 0.97]
    if cell == "rnn" and bent:
        worst = max(bent, key=lambda c: c.radius)
        text = _(
            "{cell}: the gradient {parts}. At ρ = {rho} tanh saturates, its slope is {slope} (rms)."
        )
        return text.format(rho=f"{worst.radius:g}", slope=number(worst.slope or 0.0), **numbers)
    if cell == "linear":
        error = max(abs(c.rate - c.radius) for c in found)
        text = _("{cell}: the gradient {parts}, and its rate is ρ to within {error}.")
        return text.format(error=number(error, 1), **numbers)
    return _("{cell}: the gradient {parts}.").format(**numbers)


def _worst_clipped(result: Vanish) -> list[Clipped]:
    """The one whose gradient was largest."""
    return sorted(result.clipped, key=lambda c: -c.log10_norm)[:1]


def _clipping(clipped: Clipped) -> str:
    numbers = {
        "cell": _(CELLS[clipped.cell]),
        "norm": power(clipped.log10_norm),
        "theta": f"{clipped.threshold:g}",
        "factor": power(clipped.log10_factor),
    }
    if math.isinf(clipped.log10_norm):
        return _(
            "There is nothing left to clip: the states of the {cell} have overflown, and so has the"
            " gradient of its weights."
        ).format(**numbers)
    if clipped.log10_factor == 0:
        return _(
            "Clipping at θ = {theta} changes nothing: the largest gradient of the weights ({cell})"
            " has norm {norm}."
        ).format(**numbers)
    return _(
        "Clipping at θ = {theta} multiplies the weights' gradient ({cell}), of norm {norm}, by"
        " {factor}: what every step adds to it, near or far, shrinks alike."
    ).format(**numbers)


def question(result: Vanish) -> Question:
    """How much is left? The bins are fixed, the right one is found in the result."""
    cells = _present(result)
    cell = "rnn" if "rnn" in cells else cells[0]
    radius = result.radii[-1]
    curve = result.curve(cell, radius)
    assert curve is not None
    kept = _kept(curve)
    choices = [
        _("more than it was at the last step"),
        _("between a tenth and all of it"),
        _("between a millionth and a tenth"),
        _("less than a millionth"),
    ]
    answer = 0 if kept > math.log10(1.001) else 1 if kept >= -1 else 2 if kept >= -6 else 3
    text = _(
        "{cell}, spectral radius {radius}: how much of the gradient is left {steps} steps back?"
    ).format(cell=_(CELLS[cell]), radius=f"{radius:g}", steps=result.steps)
    return Question(text, choices, answer, _fate(curve, result))
