"""The one training loop, in torch, for the parameters of any page.

    p = train.trainable(gpt.init(rng, ...))
    for step, loss in train.fit(p, lambda step: cross_entropy(...), steps=1000, lr=3e-3):
        ...                                  # measure, report: the loop is the caller's

Everything random is drawn by the caller, from NumPy's generator: the same seed gives the same run.
"""

import math
from collections.abc import Callable, Iterator
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


def trainable(tree: T, device: torch.device | str = "cpu") -> T:
    """The same tree as float32 tensors that collect gradients."""

    def leaf(x: Any) -> torch.Tensor:
        return torch.tensor(x, dtype=torch.float32, device=device, requires_grad=True)

    return trees.convert(leaf, tree)


def trained(tree: T) -> T:
    """The same tree as NumPy arrays again, detached and on the CPU."""
    return trees.convert(lambda x: x.detach().cpu().numpy(), tree)


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

    AdamW (Loshchilov & Hutter 2019), which is Adam where weight_decay is 0; matrices decay, biases
    and norms do not. The rate rises linearly over `warmup` steps, then stays or falls to 0 along a
    cosine. Gradients whose norm exceeds `clip` are scaled down to it (Pascanu et al. 2013). What is
    yielded at `step` is the loss before that step's update, which has happened by then.
    """
    tensors = [x for _, x in trees.leaves(tree)]
    decays = [x for x in tensors if x.ndim > 1]
    others = [x for x in tensors if x.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decays, "weight_decay": weight_decay},
        {"params": others},
    ]
    optimiser = torch.optim.AdamW(groups, lr=lr, betas=betas, weight_decay=0.0)
    for step in range(steps):
        rate = lr * min(1.0, (step + 1) / warmup) if warmup else lr
        if schedule == "cosine":
            done = max(0, step - warmup) / max(1, steps - warmup)
            rate *= (1 + math.cos(math.pi * done)) / 2
        for group in optimiser.param_groups:
            group["lr"] = rate
        value = loss(step)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(tensors, clip)
        optimiser.step()
        yield step, float(value.detach())
