"""The training loop against torch's own optimisers and schedules; kernels; devices; processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from seqlab import train, trees
from seqlab.book import gru, lstm, rnn
from seqlab.lab import BadInput


class Model(NamedTuple):
    W: Any
    b: Any
    deeper: tuple[Any, Any]
    none: Any = None


def model(seed: int = 0) -> Model:
    rng = np.random.default_rng(seed)
    return Model(
        rng.normal(size=(4, 3)), rng.normal(size=3), (rng.normal(size=(3, 2)), rng.normal())
    )


def tensors(p: Model) -> list[torch.Tensor]:
    return [p.W, p.b, *p.deeper]


def cost(p: Model, step: int) -> torch.Tensor:
    """Something smooth and different at every step, whose gradients reach every leaf."""
    rng = np.random.default_rng(step)
    x = torch.tensor(rng.normal(size=(5, 4)), dtype=p.W.dtype)
    y = torch.tanh(x @ p.W + p.b) @ p.deeper[0] * p.deeper[1]
    return (10 * y**2 + y).mean()


def trained_by_torch(
    optimiser: Any, p: Model, steps: int, clip: float | None = None
) -> list[float]:
    losses = []
    for step in range(steps):
        loss = cost(p, step)
        optimiser.zero_grad()
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(tensors(p), clip)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def same(p: Model, q: Model, tolerance: float = 1e-12) -> None:
    for a, b in zip(tensors(p), tensors(q), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=tolerance, atol=tolerance)


def double(seed: int = 0) -> Model:
    return train.trainable(model(seed), dtype=torch.float64)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.98), (0.0, 0.5)])
def test_adamw_is_torchs(decay: float, betas: tuple[float, float]) -> None:
    """Twenty steps: matrices decay, vectors and scalars do not."""
    ours, theirs = double(), double()
    groups = [
        {"params": [theirs.W, theirs.deeper[0]], "weight_decay": decay},
        {"params": [theirs.b, theirs.deeper[1]], "weight_decay": 0.0},
    ]
    oracle = torch.optim.AdamW(groups, lr=0.05, betas=betas)
    losses = trained_by_torch(oracle, theirs, 20)
    mine = list(
        train.fit(ours, lambda s: cost(ours, s), steps=20, lr=0.05, betas=betas, weight_decay=decay)
    )
    assert [step for step, _ in mine] == list(range(20))
    np.testing.assert_allclose([loss for _, loss in mine], losses, rtol=1e-12)
    same(ours, theirs)


def test_without_decay_it_is_adam() -> None:
    ours, theirs = double(), double()
    trained_by_torch(torch.optim.Adam(tensors(theirs), lr=0.01), theirs, 10)
    list(train.fit(ours, lambda s: cost(ours, s), steps=10, lr=0.01))
    same(ours, theirs)


def test_the_first_step_by_hand() -> None:
    """After one step m̂ = g and v̂ = g²: every number moves by η g / (|g| + ε); matrices shrink."""
    p = double()
    before = train.trained(p)
    cost(p, 0).backward()
    moves = [(x.grad / (x.grad.abs() + 1e-8)).numpy() for x in tensors(p)]
    next(train.fit(p, lambda s: cost(p, s), steps=1, lr=0.1, weight_decay=0.2))
    shrink = [1 - 0.1 * 0.2, 1.0, 1 - 0.1 * 0.2, 1.0]
    for x, old, move, factor in zip(tensors(p), tensors(before), moves, shrink, strict=True):
        np.testing.assert_allclose(x.detach().numpy(), factor * old - 0.1 * move, rtol=1e-12)


def test_a_parameter_without_a_gradient_stays() -> None:
    p = double()
    list(train.fit(p, lambda s: (p.W**2).sum(), steps=3, lr=0.1, weight_decay=0.5))
    start = model()
    np.testing.assert_array_equal(p.deeper[0].detach(), start.deeper[0])
    np.testing.assert_array_equal(p.b.detach(), start.b)
    assert not np.allclose(p.W.detach(), start.W)


@pytest.mark.parametrize("clip", [1e-3, 0.5, 1e9])
def test_clipping_is_torchs(clip: float) -> None:
    ours, theirs = double(), double()
    oracle = torch.optim.SGD(tensors(theirs), lr=0.0)
    trained_by_torch(oracle, theirs, 1, clip)
    list(train.fit(ours, lambda s: cost(ours, s), steps=1, lr=0.0, clip=clip))
    norm = torch.stack([x.grad.norm() for x in tensors(ours)]).norm()
    assert float(norm) <= clip * (1 + 1e-5)
    for a, b in zip(tensors(ours), tensors(theirs), strict=True):
        np.testing.assert_allclose(a.grad, b.grad, rtol=1e-12)


def rates(**options: Any) -> list[float]:
    """The rate of each step."""
    seen: list[float] = []

    class Recorder(train.AdamW):
        def step(self, lr: float) -> None:
            seen.append(lr)
            super().step(lr)

    original, train.AdamW = train.AdamW, Recorder  # type: ignore[misc]
    try:
        p = double()
        list(train.fit(p, lambda s: cost(p, s), **options))
    finally:
        train.AdamW = original  # type: ignore[misc]
    return seen


def test_the_rate_is_constant_by_default() -> None:
    assert rates(steps=4, lr=0.3) == [0.3] * 4


def test_the_rate_warms_up_in_a_straight_line() -> None:
    np.testing.assert_allclose(rates(steps=6, lr=0.8, warmup=4), [0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


def test_the_cosine_is_torchs() -> None:
    dummy = torch.nn.Parameter(torch.zeros(()))
    optimiser = torch.optim.SGD([dummy], lr=0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=10)
    expected = []
    for _ in range(10):
        expected.append(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()
    np.testing.assert_allclose(rates(steps=10, lr=0.5, schedule="cosine"), expected, rtol=1e-12)


def test_the_cosine_follows_the_warm_up() -> None:
    found = rates(steps=25, lr=0.5, warmup=5, schedule="cosine")
    np.testing.assert_allclose(found[:5], 0.5 * np.arange(1, 6) / 5)
    np.testing.assert_allclose(found[5:], 0.25 * (1 + np.cos(np.pi * np.arange(20) / 20)))


def test_the_same_losses_every_time_and_none_without_steps() -> None:
    runs = []
    for _ in range(2):
        p = train.trainable(model())
        runs.append(list(train.fit(p, lambda s, p=p: cost(p, s), steps=5, lr=0.1, clip=1.0)))
    assert runs[0] == runs[1]
    p = train.trainable(model())
    assert list(train.fit(p, lambda s: cost(p, s), steps=0, lr=0.1)) == []


def test_the_loss_that_is_yielded_is_that_before_the_update() -> None:
    p = double()
    expected = float(cost(p, 0).detach())
    fitting = train.fit(p, lambda s: cost(p, s), steps=2, lr=0.1)
    step, loss = next(fitting)
    assert step == 0 and loss == expected and type(loss) is float
    assert float(cost(p, 0).detach()) != expected  # the update has happened


def test_trees_go_to_torch_and_come_back() -> None:
    p = train.trainable(model())
    for x, old in zip(tensors(p), tensors(model()), strict=True):
        assert x.dtype == torch.float32 and x.requires_grad and x.is_leaf
        assert x.device.type == "cpu" and x.shape == np.shape(old)
    assert p.none is None and isinstance(p, Model) and isinstance(p.deeper, tuple)
    again = train.trained(p)
    for x, old in zip(tensors(again), tensors(model()), strict=True):
        assert isinstance(x, np.ndarray) and x.dtype == np.float32
        np.testing.assert_array_equal(x, np.asarray(old, np.float32))
    assert again.none is None


def test_training_does_not_touch_the_arrays_it_began_with() -> None:
    start = model()
    p = train.trainable(start, dtype=torch.float64)
    list(train.fit(p, lambda s: cost(p, s), steps=2, lr=0.1))
    np.testing.assert_array_equal(start.W, model().W)


def test_what_was_trained_does_not_change_with_further_training() -> None:
    p = train.trainable(model())
    kept = train.trained(p)
    list(train.fit(p, lambda s: cost(p, s), steps=2, lr=0.1))
    np.testing.assert_array_equal(kept.W, np.asarray(model().W, np.float32))
    assert not np.allclose(kept.W, p.W.detach())


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "found"),
    [
        (False, False, "auto", "cpu"), (False, False, "cpu", "cpu"), (True, False, "auto", "cuda"),
        (True, False, "cpu", "cpu"), (True, True, "mps", "mps"), (False, True, "auto", "cpu"),
    ],
)  # fmt: skip
def test_devices(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, name: str, found: str
) -> None:
    machine(monkeypatch, cuda=cuda, mps=mps)
    assert train.device(name) == torch.device(found)


@pytest.mark.parametrize(
    ("name", "there"), [("cuda", "auto · cpu"), ("mps", "auto · cpu"), ("tpu", "auto · cpu")]
)
def test_a_device_that_is_absent_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, there: str
) -> None:
    machine(monkeypatch, cuda=False, mps=False)
    with pytest.raises(BadInput) as problem:
        train.device(name)
    text = str(problem.value)
    assert text == f"--device {name}: expected a device that this machine has; try {there}"


def test_training_does_not_load_torchs_compiler() -> None:
    """torch.optim does, at its first step: longer than some experiments take."""
    script = (
        "import sys, torch; from seqlab import train\n"
        "p = train.trainable((torch.ones(2, 2), torch.ones(2)))\n"
        "loss = lambda step: (p[0] @ p[1]).sum()\n"
        "list(train.fit(p, loss, steps=2, lr=0.1, weight_decay=0.1, clip=1.0))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


# Many models at once


@pytest.mark.parametrize("clip", [None, 0.05, 3.0])
def test_models_on_a_first_axis_descend_as_if_alone(clip: float | None) -> None:
    options = {"steps": 7, "lr": 0.01, "clip": clip, "weight_decay": 0.5}
    many = train.trainable(trees.stack([model(s) for s in range(3)]), dtype=torch.float64)
    axes = trees.convert(lambda leaf: 0, many)

    def losses(step: int) -> torch.Tensor:
        return torch.func.vmap(lambda p: cost(p, step), in_dims=(axes,))(many)

    together = np.stack([found for _step, found in train.fit(many, losses, **options)])
    for s in range(3):
        p = train.trainable(model(s), dtype=torch.float64)
        alone = [found for _step, found in train.fit(p, lambda i, p=p: cost(p, i), **options)]
        np.testing.assert_allclose(together[:, s], alone, rtol=1e-10)
        same(trees.pick(many, s), p, 1e-10)


def test_torch_has_one_thread_while_anything_trains() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        p, q = train.trainable(model()), train.trainable(model())
        first = train.fit(p, lambda step: cost(p, step), steps=5, lr=0.1)
        second = train.fit(q, lambda step: cost(q, step), steps=2, lr=0.1)
        next(first)
        assert torch.get_num_threads() == 1
        assert len(list(second)) == 2 and torch.get_num_threads() == 1
        first.close()  # as after Ctrl-C
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# The kernels


@pytest.mark.parametrize("page", [rnn, lstm, gru], ids=lambda page: page.__name__)
@pytest.mark.parametrize("begun", [False, True])
def test_the_kernel_is_the_page(page: Any, begun: bool) -> None:
    rng = np.random.default_rng(0)
    found = []
    drawn = trees.convert(lambda x: rng.normal(size=x.shape), page.init(rng, 3, 5))
    xs, h, c = rng.normal(size=(7, 2, 3)), rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    for fused in (True, False):
        p = train.trainable(drawn, dtype=torch.float64)
        x = torch.tensor(xs, requires_grad=True)
        state = page.initial_state(p, 2)
        start = None
        if begun:
            state = state._replace(h=torch.tensor(h))
            start = state.h
            if page is lstm:
                state = state._replace(c=torch.tensor(c))
                start = (state.h, state.c)
        if fused:
            hs, last = train.unroll(p, x, start)
            last = torch.stack(last) if page is lstm else last
        else:
            states = page.unroll(p, x, state)[1:]
            hs = torch.stack([s.h for s in states])
            last = torch.stack([states[-1].h, states[-1].c]) if page is lstm else states[-1].h
        (hs.sin().sum() + (last**2).sum()).backward()
        found.append([hs, last, x.grad, *(leaf.grad for _name, leaf in trees.leaves(p))])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours.detach(), theirs.detach(), atol=1e-12)


# Several processes


def _counting(job: int) -> Any:
    for i in range(3):
        yield job, i, float(torch.ones(2).sum()) + job


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_processes_return_every_item_in_the_order_of_its_job(workers: int) -> None:
    found = list(train.side_by_side(_counting, [4, 5, 6], workers))
    assert sorted(found) == [(j - 4, (j, i, 2.0 + j)) for j in (4, 5, 6) for i in range(3)]
    for j in range(3):
        assert [item[1] for index, item in found if index == j] == [0, 1, 2]


def _failing(job: int) -> Any:
    yield job
    if job == 1:
        raise BadInput("--job 1", "another")
    time.sleep(60)


def _dying(job: int) -> Any:
    yield os.kill(os.getpid(), signal.SIGKILL)


def test_an_error_in_a_process_is_raised_here_and_ends_the_others() -> None:
    with pytest.raises(BadInput, match="--job 1: expected another"):
        list(train.side_by_side(_failing, [0, 1], 2))
    assert not multiprocessing.active_children()


def test_a_process_that_was_killed_is_said() -> None:
    with pytest.raises(RuntimeError, match="killed"):
        list(train.side_by_side(_dying, [0, 1], 2))


def test_processes_end_with_whoever_asked_for_them() -> None:
    asked = train.side_by_side(_failing, [0, 0], 2)
    next(asked)
    asked.close()
    assert not multiprocessing.active_children()


def _long(folder: Path) -> Any:
    """Leave a file with the number of the process; go on as long as somebody listens."""
    (folder / str(os.getpid())).touch()
    for i in range(600):
        time.sleep(0.1)
        yield i


def test_processes_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    def work() -> None:
        for _found in train.side_by_side(_long, [tmp_path, tmp_path], 2):
            pass

    parent = multiprocessing.get_context("fork").Process(target=work)
    parent.start()
    while len(children := [int(path.name) for path in tmp_path.iterdir()]) < 2:
        time.sleep(0.05)
    os.kill(parent.pid or 0, signal.SIGKILL)
    parent.join()
    deadline = time.monotonic() + 20
    while any(_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(child) for child in children)


def _alive(process: int) -> bool:
    """Whether it runs; one that has ended may wait for whoever adopted it to take note."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
