"""The one training loop, in torch, for the parameters of any page.

    p = train.trainable(gpt.init(rng, ...))
    for step, loss in train.fit(p, lambda step: cross_entropy(...), steps=1000, lr=3e-3):
        ...                                  # measure, report: the loop is the caller's

Everything random is drawn by the caller, from NumPy's generator: the same seed gives the same run.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import torch

from seqlab import trees
from seqlab.lab import BadInput
from seqlab.locale import _

T = TypeVar("T")


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

    Matrices decay; biases and norms do not. It does what torch.optim.AdamW does, which would load
    torch's compiler at its first step: longer than some experiments take.
    """

    def __init__(
        self,
        tensors: Sequence[torch.Tensor],
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        self.tensors, self.betas = list(tensors), betas
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
            if x.ndim > 1:
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
) -> Iterator[tuple[int, float]]:
    """Minimise loss(step), a scalar that depends on the tree's tensors; yields (step, its value).

    By :class:`AdamW`, which is Adam where weight_decay is 0. The rate rises linearly over `warmup`
    steps, then stays or falls to 0 along a cosine. Gradients whose norm exceeds `clip` are scaled
    down to it (Pascanu et al. 2013). What is yielded at `step` is the loss before that step's
    update, which has happened by then.
    """
    tensors = [x for _, x in trees.leaves(tree)]
    optimiser = AdamW(tensors, betas, weight_decay)
    for step in range(steps):
        rate = lr * min(1.0, (step + 1) / warmup) if warmup else lr
        if schedule == "cosine":
            done = max(0, step - warmup) / max(1, steps - warmup)
            rate *= (1 + math.cos(math.pi * done)) / 2
        value = loss(step)
        for x in tensors:
            x.grad = None
        value.backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(tensors, clip)
        optimiser.step(rate)
        yield step, float(value.detach())
