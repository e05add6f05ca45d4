"""The one training loop, in torch, for the parameters of any page.

    p = train.trainable(gpt.init(rng, ...))
    for step, loss in train.fit(p, lambda step: cross_entropy(...), steps=1000, lr=3e-3):
        ...                                  # measure, report: the loop is the caller's

Everything random is drawn by the caller, from NumPy's generator: the same seed gives the same run.
"""

import contextlib
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from seqlab import trees
from seqlab.book import gru, rnn
from seqlab.book.gru import GRU
from seqlab.book.lstm import LSTM
from seqlab.book.rnn import RNN
from seqlab.lab import BadInput
from seqlab.locale import _

T = TypeVar("T")
Job = TypeVar("Job")
Item = TypeVar("Item")


def device(name: str) -> torch.device:
    """The device that `--device` names; auto is the first GPU, or the CPU where there is none.

    Raises BadInput where this machine does not have it.
    """
    have = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        # Not MPS: for models as small as these it is slower than the CPU beside it.
        name = "cuda" if have["cuda"] else "cpu"
    if not have.get(name):
        there = " · ".join(["auto", *(each for each, is_there in have.items() if is_there)])
        raise BadInput(f"--device {name}", _("a device that this machine has"), there)
    return torch.device(name)


def trainable(tree: T, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> T:
    """The same tree as tensors that collect gradients."""

    def leaf(x: Any) -> torch.Tensor:
        return torch.tensor(x, dtype=dtype, device=device, requires_grad=True)

    return trees.convert(leaf, tree)


def trained(tree: T) -> T:
    """The same tree as NumPy arrays again: copies, which further training does not change."""
    return trees.convert(lambda x: x.detach().cpu().numpy().copy(), tree)


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).

        m ← β₁ m + (1 - β₁) g        v ← β₂ v + (1 - β₂) g²
        x ← x - η (m̂ / (√v̂ + ε) + λ x)        m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ)

    Matrices decay; biases and norms do not. `models` is 1 where every tensor has a first axis of
    models, which makes no matrix of a bias. It does what torch.optim.AdamW does, which would load
    torch's compiler at its first step: longer than some experiments take.
    """

    def __init__(
        self,
        tensors: Sequence[torch.Tensor],
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        eps: float = 1e-8,
        models: Literal[0, 1] = 0,
    ) -> None:
        self.tensors, self.betas, self.models = list(tensors), betas, models
        self.weight_decay, self.eps, self.t = weight_decay, eps, 0
        self.m = [torch.zeros_like(x) for x in self.tensors]
        self.v = [torch.zeros_like(x) for x in self.tensors]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update with the gradients that the tensors hold; those without one stay."""
        self.t += 1
        b1, b2 = self.betas
        for x, m, v in zip(self.tensors, self.m, self.v):
            if x.grad is None:
                continue
            if x.ndim - self.models > 1:
                x.mul_(1 - lr * self.weight_decay)
            m.lerp_(x.grad, 1 - b1)
            v.mul_(b2).addcmul_(x.grad, x.grad, value=1 - b2)
            root = (v / (1 - b2**self.t)).sqrt_().add_(self.eps)
            x.addcdiv_(m, root, value=-lr / (1 - b1**self.t))


def fit(
    tree: Any,
    loss: Callable[[int], torch.Tensor],
    *,
    steps: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    warmup: int = 0,
    schedule: Literal["constant", "cosine"] = "constant",
    clip: float | None = None,
) -> Iterator[tuple[int, Any]]:
    """Minimise loss(step), which depends on the tree's tensors; yields (step, its value).

    The loss is a scalar; or (m,), where every tensor of the tree has a first axis of m models: then
    each descends its own loss, as if it were alone. What is yielded is a float, or an array (m,).

    By :class:`AdamW`, which is Adam where weight_decay is 0. The rate rises linearly over `warmup`
    steps, then stays or falls to 0 along a cosine. Gradients whose norm exceeds `clip` are scaled
    down to it (Pascanu et al. 2013), every model's by its own norm. What is yielded at `step` is
    the loss before that step's update, which has happened by then.
    """
    tensors = [x for _, x in trees.leaves(tree)]
    optimiser: AdamW | None = None
    with _one_thread:
        for step in range(steps):
            rate = lr * min(1.0, (step + 1) / warmup) if warmup else lr
            if schedule == "cosine":
                done = max(0, step - warmup) / max(1, steps - warmup)
                rate *= (1 + math.cos(math.pi * done)) / 2
            value = loss(step)
            if optimiser is None:
                optimiser = AdamW(tensors, betas, weight_decay, models=1 if value.ndim else 0)
            for x in tensors:
                x.grad = None
            value.sum().backward()  # type: ignore[no-untyped-call]
            if clip is not None:
                if value.ndim:
                    _clip_each(tensors, clip)
                else:
                    torch.nn.utils.clip_grad_norm_(tensors, clip)
            optimiser.step(rate)
            yield step, value.detach().cpu().numpy() if value.ndim else float(value.detach())


def fit_labels(
    tree: Any,
    scores: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    labels: torch.Tensor,
    rng: np.random.Generator,
    *,
    batch: int,
    **how: Any,
) -> Iterator[tuple[int, float]]:
    """`fit` a classifier: the loss is the cross-entropy of the next batch, in nats.

    `scores` gives (batch, k) for some of x (b, ...), drawn with replacement; labels (b,).
    """

    def loss(_step: int) -> torch.Tensor:
        chosen = rng.integers(0, len(labels), batch)
        return torch.nn.functional.cross_entropy(scores(x[chosen]), labels[chosen])

    return fit(tree, loss, **how)


def share_right(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of pictures with the highest score on the right class; NaN if scores are none."""
    if not bool(scores.isfinite().all()):
        return math.nan
    return float((scores.argmax(-1) == labels).double().mean())


class _OneThread:
    """While anything trains, torch has one thread; then again as many as before.

    For models as small as these a second one makes each step up to ten times slower. Trainings may
    overlap, and be on several threads of Python's.
    """

    def __init__(self) -> None:
        self.lock, self.trainings, self.before = threading.Lock(), 0, 1

    def __enter__(self) -> None:
        with self.lock:
            if not self.trainings:
                self.before = torch.get_num_threads()
                torch.set_num_threads(1)
            self.trainings += 1

    def __exit__(self, *_problem: object) -> None:
        with self.lock:
            self.trainings -= 1
            if not self.trainings:
                torch.set_num_threads(self.before)


_one_thread = _OneThread()


@torch.no_grad()
def _clip_each(tensors: Sequence[torch.Tensor], clip: float) -> None:
    """clip_grad_norm_ for every model on the first axis of the tensors."""
    gradients = [x.grad for x in tensors if x.grad is not None]
    norms = torch.stack([g.reshape(len(g), -1).norm(dim=1) for g in gradients]).norm(dim=0)
    factors = (clip / (norms + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factors.reshape(-1, *[1] * (g.ndim - 1)))


# Faster than the pages, and tested equal to them


def unroll(p: RNN | LSTM | GRU, xs: torch.Tensor, start: Any = None) -> tuple[torch.Tensor, Any]:
    """A recurrent cell over a sequence, fast: xs (t, b, c) -> h (t, b, d), for tensors.

    Also the last state: h (b, d), or (h, c) of an LSTM, which `start` takes likewise; by default
    it is zero. For the LSTM it is torch's kernel, which trains 4 times faster on a CPU than the
    steps of its page. For RNN and GRU it is the page itself, in NumPy, with its backpropagation
    by hand: 2 to 3 times faster than torch's kernels; on another device than a CPU these.
    What gates did in between it does not tell.
    """
    d = p.W_h.shape[-2]
    if start is None:
        zero = xs.new_zeros(xs.shape[1], d)
        start = (zero, zero) if isinstance(p, LSTM) else zero
    if isinstance(p, LSTM):
        weights = [p.W_x.mT, p.W_h.mT, p.b, torch.zeros_like(p.b)]
        hx = [start[0][None], start[1][None]]
        hs, h, c = torch.lstm(xs, hx, weights, True, 1, 0.0, True, False, False)
        return hs, (h[0], c[0])
    if xs.device.type == "cpu":
        hs = _ByHand.apply(type(p), xs, start, *p)  # type: ignore[no-untyped-call]
        return hs, hs[-1]
    b_x, b_h = (p.b_x, p.b_h) if isinstance(p, GRU) else (p.b, torch.zeros_like(p.b))
    kernel = torch.gru if isinstance(p, GRU) else torch.rnn_tanh
    hs, h = kernel(
        xs, start[None], [p.W_x.mT, p.W_h.mT, b_x, b_h], True, 1, 0.0, True, False, False
    )
    return hs, h[0]


class _ByHand(torch.autograd.Function):
    """A page's `unroll` and `bptt` in NumPy, as one function of torch."""

    @staticmethod
    def forward(ctx: Any, kind: type, xs: Any, h_0: Any, *parameters: Any) -> Any:
        page: Any = {RNN: rnn, GRU: gru}[kind]
        p, x = kind(*(w.detach().numpy() for w in parameters)), xs.detach().numpy()
        first = page.initial_state(p, x.shape[1])._replace(h=h_0.detach().numpy())
        states = page.unroll(p, x, first)
        ctx.told = page, p, x, states
        return torch.from_numpy(np.stack([state.h for state in states[1:]]))

    @staticmethod
    def backward(ctx: Any, *dhs: Any) -> Any:
        page, p, x, states = ctx.told
        grads, dxs, dh_0 = page.bptt(p, x, states, dhs[0].numpy())
        return None, *(torch.from_numpy(g) for g in (dxs, dh_0, *grads))


# Several processes


def side_by_side(
    work: Callable[[Job], Iterator[Item]],
    jobs: Sequence[Job],
    workers: int | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[tuple[int, Item]]:
    """Do work(job) for every job, each in another process; yields (index of the job, an item).

    `work` is a generator function: what it yields comes out as it is made, in no fixed order
    between jobs, in order within one. So a job should depend on nothing but itself. Jobs begin in
    their order, as many at a time as there are cores (or `workers`). An error in one is raised
    here. However the caller ends, the processes end with it, at their next item at the latest.

    Where there is one core, or only one job, or no way to split a process (fork), all is done here,
    one after the other: the items are the same. So it is on another `device` than a CPU, which a
    process that was split off cannot use.
    """
    count = min(len(jobs), workers or _cores()) if torch.device(device).type == "cpu" else 1
    if count <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        for i, job in enumerate(jobs):
            for item in work(job):
                yield i, item
        return
    context = multiprocessing.get_context("fork")  # torch is there already; jobs need no pickle
    waiting = list(enumerate(jobs))[::-1]
    running: dict[Any, tuple[int, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < count:
                i, job = waiting.pop()
                mine, theirs = context.Pipe(duplex=False)
                parents = [mine, *running]
                arguments = (work, job, theirs, parents)
                process = context.Process(target=_work, args=arguments, daemon=True)
                with warnings.catch_warnings():
                    # Python warns of threads, whose locks stay shut in the child: ours draws only
                    warnings.simplefilter("ignore", DeprecationWarning)
                    process.start()
                theirs.close()
                running[mine] = i, process
            ready: list[Any] = multiprocessing.connection.wait(list(running))
            for pipe in ready:
                i, process = running[pipe]
                try:
                    kind, item = pipe.recv()
                except EOFError:
                    raise RuntimeError("a process that trained was killed") from None
                if kind == "error":
                    raise item
                if kind == "item":
                    yield i, item
                else:
                    process.join()
                    pipe.close()
                    del running[pipe]
    finally:
        for _i, process in running.values():
            process.terminate()
            process.join()


def _work(work: Callable[[Job], Iterator[Item]], job: Job, pipe: Any, parents: list[Any]) -> None:
    """What a process of `side_by_side` does; Ctrl-C, which reaches it too, is for its parent.

    It closes its copies of its `parents` ends of the pipes: a parent that was killed is then missed
    at the next item.
    """
    for end in parents:
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    try:
        for item in work(job):
            pipe.send(("item", item))
        pipe.send(("end", None))
    except Exception as problem:
        with contextlib.suppress(OSError):  # the parent may have gone
            pipe.send(("error", problem))
    os._exit(0)  # without flushing what the parent had not yet written when it split


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
