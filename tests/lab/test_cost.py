"""cost: the counts against torch's counter and against graphs, the sentences against any times."""

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from seqlab import trees
from seqlab.lab import BadInput, cost
from seqlab.lab.cost import LAYERS, Cost, Crossover, Measured, Shape, Timing

SMALL: dict[str, Any] = {"lengths": "8,20", "d_model": 8, "heads": 2, "window": 8, "repeats": 2}
SHAPES = [  # with the last window not full, no window full, a wide kernel
    (20, Shape(8, 2, 3, 8)),
    (5, Shape(6, 3, 5, 7)),
    (33, Shape(4, 1, 7, 4)),
    (16, Shape(16, 4, 3, 16)),
]


# The counts


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("n", "s"), SHAPES)
def test_operations_are_those_that_torch_counts(name: str, n: int, s: Shape) -> None:
    for batch in (1, 3):
        p, x = cost.draw_layer(name, n, s, batch, 0, "float64")
        _y, flops = cost._by_torch(LAYERS[name], p, x, s)
        assert flops == 2 * batch * LAYERS[name].operations(n, s)


@pytest.mark.parametrize("name", LAYERS)
def test_the_printed_formula_is_the_count(name: str) -> None:
    """Read as mathematics, at lengths that fill their windows; paths and steps up to a factor."""
    for n, d, h, k, m in ((64, 16, 4, 3, 8), (512, 32, 2, 5, 64)):
        kind, s = LAYERS[name], Shape(d, h, k, m)

        def value(
            formula: str, n: int = n, d: int = d, h: int = h, k: int = k, m: int = m
        ) -> float:
            total = 0.0
            for term in formula.split(" + "):
                factor = 1.0
                for sign in term.replace("n²", "nn").replace("d²", "dd"):
                    letters = {"n": n, "d": d, "h": h, "k": k, "m": m}
                    factor *= letters.get(sign, 1.0)
                digits = "".join(c for c in term if c.isdecimal())
                total += factor * float(digits or 1)
            return total

        assert kind.operations(n, s) == value(kind.operations_formula)
        assert kind.kept(n, s) == value(kind.kept_formula)
        assert kind.steps(n, s) == value(kind.steps_formula)
        path = {"logₖ n": math.log(n, k), "2n/m": 2 * n / m}.get(kind.path_formula)
        assert kind.path(n, s) == pytest.approx(path or value(kind.path_formula), rel=0.5)


def addresses(x: torch.Tensor) -> set[int]:
    """Where the numbers of x stand in memory: views share them."""
    places = np.array([x.data_ptr()])
    for size, stride in zip(x.shape, x.stride()):
        places = np.add.outer(places, np.arange(size) * stride * x.element_size())
    return set(places.ravel().tolist())


def saved_for_backward(f: Callable[[], torch.Tensor], parameters: Any) -> int:
    """How many different numbers autograd saves while f runs, parameters apart."""
    own = {x.untyped_storage().data_ptr() for _name, x in trees.leaves(parameters)}
    seen: list[torch.Tensor] = []  # kept alive, so that no address is used twice

    def pack(x: torch.Tensor) -> torch.Tensor:
        if x.untyped_storage().data_ptr() not in own:
            seen.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        f()
    return len(set().union(*map(addresses, seen)))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("n", "s"), [(24, Shape(16, 4, 3, 8)), (6, Shape(8, 2, 5, 3))])
def test_what_is_kept_is_what_autograd_saves(name: str, n: int, s: Shape) -> None:
    p, x = cost.draw_layer(name, n, s, 1, 0, "float64")
    q = trees.convert(lambda a: torch.tensor(a, requires_grad=True), p)
    tensor = torch.tensor(x, requires_grad=True)
    saved = saved_for_backward(lambda: LAYERS[name].page(q, tensor, s), q)
    kept = LAYERS[name].kept(n, s)
    if name in ("lstm", "gru"):
        kept += n * s.d  # tanh c, and 1 - z, which the pages compute anew
    edges = {"rnn": s.d, "lstm": 2 * s.d, "gru": s.d}.get(name, 0)  # the states before and after
    padding = (s.k - 1) * s.d if name == "conv" else 0
    assert abs(saved - kept - padding) <= edges


def layers_to_connect(step: Callable[[int], np.ndarray]) -> int:
    """How many layers it takes until the last position sees the first; step(i) is layer i's map."""
    reach = np.eye(len(step(0)), dtype=int)
    for i in range(1000):
        if reach[-1, 0]:
            return i
        reach = step(i) @ reach > 0
    raise AssertionError


@pytest.mark.parametrize("n", [2, 3, 8, 9, 24, 31, 50])
@pytest.mark.parametrize(("k", "m"), [(3, 4), (5, 8), (7, 5), (3, 2)])
def test_paths_are_those_of_the_graph(n: int, k: int, m: int) -> None:
    s = Shape(4, 1, k, m)
    place = np.arange(n)
    apart = place[:, None] - place[None, :]

    def dilated(i: int) -> np.ndarray:
        return (apart % k**i == 0) & (apart >= 0) & (apart // k**i < k)

    def shifted(i: int) -> np.ndarray:
        side = min(m, n)
        window = (place - (side // 2 if i % 2 else 0)) // side
        return window[:, None] == window[None, :]

    def one_step(i: int) -> np.ndarray:
        return (apart == 0) | (apart == 1)

    assert LAYERS["conv"].path(n, s) == layers_to_connect(dilated)
    assert LAYERS["window"].path(n, s) == layers_to_connect(shifted)
    assert LAYERS["rnn"].path(n, s) == layers_to_connect(one_step) + 1  # and x_1 to h_1
    assert LAYERS["attention"].path(n, s) == LAYERS["mixer"].path(n, s) == 1


def test_the_numbers_of_the_papers() -> None:
    stages = cost.run(measure=False).stages
    assert stages[0].everywhere == 2_003_828_736 and stages[0].windows == 145_108_992
    assert [round(s.everywhere / s.windows, 1) for s in stages] == [13.8, 2.7, 1.2, 1.0]
    assert [(s.tokens, s.width) for s in stages] == [(3136, 96), (784, 192), (196, 384), (49, 768)]
    for image, ratio in ((384, 39.0), (512, 68.8)):
        first = cost.run(measure=False, image=image).stages[0]
        assert round(first.everywhere / first.windows, 1) == ratio
    models = {m.model: round(m.operations / 1e9, 2) for m in cost.run(measure=False).models}
    assert models == {
        "ViT-S/16": 4.60, "ViT-B/16": 17.56, "Mixer-S/16": 3.78, "Mixer-B/16": 12.60,
        "Swin-T": 4.49,
    }  # fmt: skip


# The layers


def oracle(name: str, p: Any, x: torch.Tensor, s: Shape) -> torch.Tensor:
    """The same layer from other parts of torch than those that are measured."""
    F = torch.nn.functional
    if name in ("rnn", "lstm", "gru"):
        cell = {"rnn": torch.nn.RNNCell, "lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}[name]
        biases = (p.b, torch.zeros_like(p.b)) if name != "gru" else (p.b_x, p.b_h)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        state = dict(zip(names, (p.W_x.mT, p.W_h.mT, *biases)))
        module, hs, h = cell(s.d, s.d), [], None
        for x_t in x.unbind(1):
            h = torch.func.functional_call(module, state, (x_t, h))
            hs.append(h[0] if name == "lstm" else h)
        return torch.stack(hs, 1)
    if name == "conv":
        x = F.pad(x, (0, 0, s.k // 2, s.k // 2))
        return torch.einsum("btck,dck->btd", x.unfold(1, s.k, 1), p.weight[:, :, 0]) + p.bias
    if name == "mixer":
        for q, turn in ((p.tokens, torch.Tensor.t), (p.channels, torch.nn.Identity())):
            rows = [F.gelu(F.linear(turn(one), q.W_1.mT, q.b_1)) for one in x]
            x = torch.stack([turn(F.linear(row, q.W_2.mT, q.b_2)) for row in rows])
        return x
    n, m = x.shape[1], min(s.m, x.shape[1])
    if name == "window":
        windows = F.pad(x, (0, 0, 0, -n % m)).split(m, 1)
        return torch.cat([oracle("attention", p, w, s) for w in windows], 1)[:, :n]
    module = torch.nn.MultiheadAttention(s.d, s.h, batch_first=True, dtype=x.dtype)
    state = {
        "in_proj_weight": torch.cat([p.W_q, p.W_k, p.W_v], 1).mT,
        "in_proj_bias": torch.cat([p.b_q, p.b_k, p.b_v]),
        "out_proj.weight": p.W_o.mT,
        "out_proj.bias": p.b_o,
    }
    return torch.func.functional_call(module, state, (x, x, x))[0]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
def test_pages_and_fused_layers_are_the_same_function(
    name: str, dtype: str, tolerance: float
) -> None:
    """The page on NumPy and on tensors, the fused layer, the oracle: outputs and gradients."""
    for n, s in SHAPES:
        p, x = cost.draw_layer(name, n, s, 2, 7, dtype)
        q = trees.convert(lambda a: torch.tensor(a, requires_grad=True), p)
        tensor = torch.tensor(x, requires_grad=True)
        expected = oracle(name, q, tensor, s)
        fused = LAYERS[name].fused(p, s)
        outputs = [LAYERS[name].page(q, tensor, s), fused.call(tensor)]
        close = {"rtol": tolerance, "atol": tolerance}
        ours = LAYERS[name].page(p, x, s)
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, expected.detach().numpy(), **close)
        direction = torch.linspace(-1, 1, x.size, dtype=expected.dtype).view_as(expected)
        (slope,) = torch.autograd.grad(expected, tensor, direction, retain_graph=True)
        for y in outputs:
            torch.testing.assert_close(y, expected, **close)
            (mine,) = torch.autograd.grad(y, tensor, direction, retain_graph=True)
            torch.testing.assert_close(mine, slope, **close)
        leaves = [leaf for _name, leaf in trees.leaves(q)]
        for mine, theirs in zip(
            torch.autograd.grad(outputs[0], leaves, direction),
            torch.autograd.grad(expected, leaves, direction),
        ):
            torch.testing.assert_close(mine, theirs, **close)


def test_every_parameter_is_drawn_and_the_seed_decides() -> None:
    for name in LAYERS:
        p, x = cost.draw_layer(name, 9, Shape(8, 2, 3, 4), 2, 3, "float32")
        for path, leaf in trees.leaves(p):
            assert leaf.dtype == np.float32 and np.all(leaf != 0), path
        again, same = cost.draw_layer(name, 9, Shape(8, 2, 3, 4), 2, 3, "float32")
        other, _x = cost.draw_layer(name, 9, Shape(8, 2, 3, 4), 2, 4, "float32")
        assert np.array_equal(x, same) and x.shape == (2, 9, 8)
        for (_n, a), (_m, b), (_o, c) in zip(*map(trees.leaves, (p, again, other))):
            assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_the_check_holds_and_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = cost.check(**SMALL)
    assert len(checks) == 2 * len(LAYERS)
    assert all(c.passed and c.error < 1e-12 for c in checks)
    right = cost.attention.scores
    monkeypatch.setattr(cost.attention, "scores", lambda q, k: right(q, k) * (1 + 1e-6))
    failed = {c.name for c in cost.check(**SMALL) if not c.passed}
    expected = "page and torch's layer"
    assert failed == {f"self-attention: {expected}", f"window attention: {expected}"}
    monkeypatch.setattr(cost.attention, "scores", lambda q, k: right(q, k) * np.nan)
    (output, _operations) = cost.check(**{**SMALL, "layers": "attention"})
    assert math.isnan(output.error) and not output.passed
    monkeypatch.setattr(type(LAYERS["conv"]), "operations", lambda self, n, s: s.k * n * s.d)
    (_output, operations) = cost.check(**{**SMALL, "layers": "conv"})
    assert not operations.passed


# The measurement


def without_times(document: Any) -> Any:
    """A JSON document without whatever depends on the clock."""
    if isinstance(document, dict):
        return {
            k: without_times(v) for k, v in document.items() if k not in ("seconds", "takeaways")
        }
    return [without_times(v) for v in document] if isinstance(document, list) else document


def options_of(**options: Any) -> list[str]:
    return [f"--{k.replace('_', '-')}={v}" for k, v in options.items()]


def test_json_contract(seqlab: Run) -> None:
    first = seqlab("cost", "--json", *options_of(**SMALL)).json
    second = seqlab("cost", "--json", *options_of(**SMALL)).json
    assert without_times(first) == without_times(second)
    result = first["result"]
    assert result["lengths"] == [8, 20] and result["device"] == "cpu"
    assert [c["layer"] for c in result["layers"]] == list(LAYERS)
    lstm = result["layers"][1]
    assert lstm["operations"] == [8 * 8 * 64, 8 * 20 * 64] and lstm["steps"] == [8, 20]
    times = result["seconds"]["times"]
    assert [(t["layer"], t["by"]) for t in times] == [
        (name, by) for by in ("page", "torch") for name in LAYERS
    ]
    for t in times:
        assert all(0 < best <= median for best, median in zip(t["best"], t["median"], strict=True))


def test_counting_alone_is_repeatable_and_loads_no_torch(seqlab: Run) -> None:
    one = seqlab("cost", "--no-measure", "--json")
    assert one.text == seqlab("cost", "--no-measure", "--json").text
    assert one.json["result"]["seconds"] is None
    code = "from seqlab.lab import cost; cost.run(measure=False)"
    code += "; import sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_best_and_median_of_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock of our own: each sample of a call takes what this list says, after the warm-up."""
    taken: dict[int, list[float]] = {}

    def sample(self: Any, call: Callable[[], Any], inner: int) -> float:
        call()
        seen = taken.setdefault(id(call), [])
        seen.append([1.0, 5.0, 3.0, 4.0][len(seen)])
        return seen[-1]

    monkeypatch.setattr(cost._Bench, "_sample", sample)
    told: list[float] = []
    result = cost.run(**{**SMALL, "repeats": 3}, watch=lambda share, doing: told.append(share))
    assert result.seconds is not None
    for timing in result.seconds.times:
        assert timing.best.tolist() == [3.0, 3.0] and timing.median.tolist() == [4.0, 4.0]
    assert told == sorted(told) and told[0] == 0 and told[-1] < 1


def test_a_sample_is_the_mean_of_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])

    def call() -> None:
        clock[0] += 0.25

    bench = cost._Bench(["conv"], [8], Shape(8, 2, 3, 8), 1, False, 2, 1, "cpu", 0)
    assert bench._sample(call, 4) == 0.25 and clock[0] == 1.0


def test_a_gpu_is_waited_for_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: happened.append("waited"))
    bench = cost._Bench(["conv"], [8], Shape(8, 2, 3, 8), 1, False, 2, 1, "cpu", 0)
    bench.device = torch.device("cuda")
    bench._sample(lambda: happened.append("called"), 2)
    assert happened == ["waited", "called", "called", "waited"]


def test_what_is_too_slow_is_not_run_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_PATIENCE", 0.0)
    result = cost.run(**SMALL)
    assert result.seconds is not None
    for timing in result.seconds.times:
        assert np.isfinite(timing.best).tolist() == [True, False]
    assert printed(result) and cost.takeaways(result) and cost.question(result)
    assert "n = 8" in " ".join(cost.takeaways(result))


def test_threads_and_gradients_are_given_back() -> None:
    before = torch.get_num_threads()
    seen: list[tuple[int, bool]] = []

    def watch(share: float, doing: str) -> None:
        seen.append((torch.get_num_threads(), torch.is_grad_enabled()))

    cost.run(**{**SMALL, "layers": "conv"}, threads=2, watch=watch)
    assert set(seen) == {(2, False)}
    assert torch.get_num_threads() == before and torch.is_grad_enabled()


def test_backward_goes_to_the_input_and_to_every_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    grad = torch.autograd.grad

    def spy(y: Any, inputs: Any, direction: Any) -> Any:
        asked.append(len(inputs))
        return grad(y, inputs, direction)

    monkeypatch.setattr(torch.autograd, "grad", spy)
    result = cost.run(**{**SMALL, "lengths": "8", "layers": "lstm,attention,mixer"}, backward=True)
    assert result.pages == "torch" and "torch tensors" in printed(result)
    # the input; LSTM 3 parameters, torch's 4; attention 8, fused 4; Mixer 8 and 8
    assert set(asked) == {1 + 3, 1 + 4, 1 + 8}


# Crossovers, with times of our own making


def timed(times: dict[tuple[str, str], Any], spread: float = 1.01, **options: Any) -> Cost:
    """A result whose times are these functions of n; layers and makers without one take n µs."""
    result = cost.run(measure=False, **options)
    n = np.array(result.lengths, float)
    rows = []
    for by in ("page", "torch"):
        for counted in result.layers:
            f = times.get((counted.layer, by), lambda n: n)
            best = 1e-6 * np.asarray(f(n), float)
            rows.append(Timing(counted.layer, by, best, spread * best))  # type: ignore[arg-type]
    seconds = Measured(rows, cost._overtaking(result.lengths, rows))
    return dataclasses.replace(result, device="cpu", pages="numpy", seconds=seconds)


def said(result: Cost) -> str:
    return " ".join(cost.takeaways(result))


def printed(result: Cost, width: int = 100) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(result)
    return capture.get()


TWO = {"layers": "lstm,attention"}


def test_a_crossover_of_powers_is_found_exactly() -> None:
    """n² / 300 meets n at 300, and straight lines on logarithmic axes are these powers."""
    result = timed({("attention", "torch"): lambda n: n * n / 300}, **TWO)
    assert result.seconds is not None
    (found,) = [c for c in result.seconds.crossovers if c.by == "torch"]
    assert (found.first, found.second, found.low, found.high) == ("attention", "lstm", 256, 512)
    assert found.n == pytest.approx(300, rel=1e-9)
    assert "beyond n ≈ 300 in torch" in said(result)
    assert "at no n that the runs can tell apart on our pages" in said(result)
    assert "n > 300" in printed(result) and "unclear" in printed(result)


def test_noise_widens_the_crossover_or_hides_it() -> None:
    near = {("attention", "torch"): lambda n: n * (n / 300) ** 0.1}
    wide = timed(near, spread=1.1, **TWO)
    assert wide.seconds is not None
    (found,) = [c for c in wide.seconds.crossovers if c.by == "torch"]
    assert (found.low, found.high) == (64, 1024) and found.n == pytest.approx(300, rel=1e-9)
    hidden = timed(near, spread=1.5, **TWO)
    assert hidden.seconds is not None and not hidden.seconds.crossovers
    assert "at no n that the runs can tell apart in torch" in said(hidden)


@pytest.mark.parametrize(
    ("time", "words", "cell"),
    [
        (lambda n: 2 * n, "at every n in torch", "always"),
        (lambda n: n / 2, "at no n up to 2048 in torch", "never"),
        (lambda n: n * n / 300, "beyond n ≈ 300 in torch", "n > 300"),
        (lambda n: n * 70 / n, "up to n ≈ 70 in torch", "n < 70"),
        (lambda n: np.where(n < 100, n, 2 * n), "from n = 128 on in torch", "n ≥ 128"),
        (lambda n: np.where(n == 64, n, 2 * n), "at nearly every n in torch", "mostly"),
        (lambda n: np.where(n == 64, n, n / 2), "at no n up to 2048 for certain in", "unclear"),
        (lambda n: n * np.where((n > 40) & (n < 600), 0.5, 2), "up to n ≈ 45 and beyond",
         "n < 45, n > 720"),
        (lambda n: n * np.where((n > 40) & (n < 600), 2, 0.5), "between n ≈ 45 and 720 in",
         "45 < n < 720"),
    ],
)  # fmt: skip
def test_words_for_where_attention_takes_longer(time: Any, words: str, cell: str) -> None:
    result = timed({("attention", "torch"): time}, **TWO)
    assert words in said(result)
    assert cost._cell(result, "lstm", "torch") == cell


def test_counted_crossovers_are_exact() -> None:
    """4nd² + 2n²d passes 8nd² at 2d, 6nd² at d, 9nd² at 5d/2, and is above 2nd² and 3nd² always."""
    for d in (16, 64, 128):
        result = cost.run(measure=False, d_model=d, window=16, lengths="16,256,4096")
        found = {c.second: c.n for c in result.crossovers if c.first == "attention"}
        assert found["lstm"] == 2 * d and found["mixer"] == 2.5 * d
        if d > 16:
            assert found["gru"] == d
        assert "rnn" not in found and "conv" not in found
        assert f"beyond n = {2 * d}." in said(result)
    short = cost.run(measure=False, lengths="16,32,128")
    assert "than the LSTM at no n up to 128." in said(short)
    long = cost.run(measure=False, lengths="256,512")
    assert "than the LSTM at every n." in said(long)


def test_the_window_is_no_cheaper_where_it_covers_all() -> None:
    result = cost.run(measure=False, window=64, layers="window,attention")
    at = {c.layer: c for c in result.layers}
    assert at["window"].operations[:3] == at["attention"].operations[:3]
    assert all(np.less(at["window"].operations[3:], at["attention"].operations[3:]))


# Sentences


def test_the_sentence_about_operations_and_time() -> None:
    slow = timed({("rnn", "torch"): lambda n: 10 * n}, layers="rnn,mixer")
    text = "Mixer needs 4.5 times the multiply-adds of RNN and is 10 times as fast"
    assert text in said(slow) and "at n = 2048" in said(slow)
    honest = timed({("mixer", "torch"): lambda n: 4.5 * n}, layers="rnn,mixer")
    assert "do not tell" not in said(honest) and "no layer that needs more" in said(honest)
    even = timed({}, layers="rnn,mixer")
    assert "do not tell" not in said(even)


def test_the_sentence_about_the_fastest() -> None:
    always = timed({("conv", "torch"): lambda n: n / 9}, layers="conv,lstm,attention")
    assert "The fastest in torch at every n is convolution." in said(always)
    changing = timed({("attention", "torch"): lambda n: n * n / 100}, **TWO)
    assert "self-attention (n = 16 to 64), LSTM (n = 128 to 2048)" in said(changing)
    even = timed({}, **TWO)
    assert "too close to tell (n = 16 to 2048)" in said(even)


def test_a_layer_alone() -> None:
    result = timed({("conv", "torch"): lambda n: n**1.5}, layers="conv")
    assert "From n = 1024 to 2048 the multiply-adds of convolution grow 2.0 times" in said(result)
    assert "its time in torch 2.8 times" in said(result)
    assert "takes 0.064 ms at n = 64" in said(timed({}, layers="conv", lengths="64"))
    assert "None of these layers has to wait" in said(cost.run(measure=False, layers="conv"))


def test_sentences_of_counts_alone() -> None:
    text = said(cost.run(measure=False))
    assert "self-attention keeps 70 MB (float32) a sequence" in text and "133 times" in text
    assert "RNN, LSTM, GRU: each of the 2048 steps waits" in text
    text = said(cost.run(measure=False, lengths="16", layers="rnn,attention,mixer"))
    assert "Mixer keeps" in text


@pytest.mark.parametrize(
    ("time", "answer"),
    [
        (lambda n: 2 * n, 0), (lambda n: n * n / 100, 1), (lambda n: n * n / 600, 2),
        (lambda n: n / 2, 3), (lambda n: n, 3), (lambda n: np.where(n < 60, n, 2 * n), 1),
        (lambda n: np.where(n < 600, n, 2 * n), 2),
    ],
)  # fmt: skip
def test_the_answer_is_computed(time: Any, answer: int) -> None:
    question = cost.question(timed({("attention", "torch"): time}, **TWO))
    assert question.answer == answer and len(question.choices) == 4


def test_questions_without_times_or_attention() -> None:
    assert cost.question(cost.run(measure=False)).answer == 1  # at 2d = 128, below 256
    for name, choice in (("lstm", "n"), ("mixer", "1")):
        question = cost.question(cost.run(measure=False, layers=name))
        assert question.choices[question.answer] == choice


# The screen


@pytest.mark.parametrize("options", [[], ["--no-measure"]])
def test_the_first_screen_fits(seqlab: Run, options: list[str]) -> None:
    shown = seqlab("cost", *options, *options_of(**{**SMALL, "lengths": "8,16,32"}))
    assert shown.status == 0 and shown.widest <= 100
    assert len(shown.text.splitlines()) <= 40
    assert "4nd² + 2n²d" in shown.text


@pytest.mark.parametrize("width", [40, 60, 100])
def test_detail_fits_any_width_and_is_ascii_on_request(seqlab: Run, width: int) -> None:
    arguments = ["cost", "--detail", "--ascii", "--check", *options_of(**SMALL)]
    shown = seqlab(*arguments, width=width)
    assert shown.status == 0 and shown.widest <= width and shown.text.isascii()
    assert "13.8x" in shown.text and "17.56" in shown.text


times = st.lists(st.floats(1e-7, 1e3), min_size=4, max_size=4)


@settings(max_examples=40)
@given(st.lists(st.tuples(times, st.floats(1, 3)), min_size=6, max_size=6), st.integers(1, 4))
def test_any_times_give_a_screen_and_true_sentences(
    drawn: list[tuple[list[float], float]], known: int
) -> None:
    names = ["lstm", "attention", "conv"]
    result = cost.run(measure=False, layers=",".join(names), lengths="8,32,128,512")
    rows = []
    for (values, spread), by, name in zip(drawn, ["page"] * 3 + ["torch"] * 3, names * 2):
        best = np.where(np.arange(4) < known, values, np.nan)
        rows.append(Timing(name, by, best, spread * best))  # type: ignore[arg-type]
    seconds = Measured(rows, cost._overtaking(result.lengths, rows))
    result = dataclasses.replace(result, device="cpu", pages="numpy", seconds=seconds)
    for sentence in [*cost.takeaways(result), cost.question(result).why]:
        assert sentence and "nan" not in sentence and "None" not in sentence
    assert "What does a layer cost" in printed(result, 60)
    # The spans, judged again: where it is told apart, the dearer one is inside its span.
    for by in ("page", "torch"):
        a, b = result.timing("attention", by), result.timing("lstm", by)  # type: ignore[arg-type]
        spans = cost.compare(result, "attention", "lstm", by).spans  # type: ignore[arg-type]
        for n, x, x_mid, y, y_mid in zip(result.lengths, a.best, a.median, b.best, b.median):
            inside = any((low or 0) <= n <= (high or 1e9) for low, high in spans)
            if x > y_mid:
                assert inside
            elif y > x_mid:
                assert not inside
    for c in seconds.crossovers:
        assert isinstance(c, Crossover) and c.low <= c.n * (1 + 1e-9) and c.n <= c.high * (1 + 1e-9)


# Refusals


@pytest.mark.parametrize(
    "options",
    [
        {"layers": ""}, {"layers": "rnn,foo"}, {"lengths": ""}, {"lengths": "1"},
        {"lengths": "16,x"}, {"lengths": "-3"}, {"lengths": "1e3"}, {"lengths": "99999999999"},
        {"lengths": ",".join(map(str, range(2, 80)))}, {"d_model": 63}, {"d_model": 0},
        {"heads": 3}, {"heads": 0}, {"heads": 128}, {"kernel": 4}, {"kernel": 1}, {"window": 1},
        {"batch": 0}, {"repeats": 1}, {"threads": 0}, {"image": 100}, {"image": 0}, {"seed": -1},
        {"device": "abacus"}, {"batch": 2.5}, {"heads": True},
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="expected"):
        cost.run(**{"measure": False, **options})


@pytest.mark.parametrize(
    "options",
    [{"lengths": "16384"}, {"lengths": "70000", "layers": "conv"}, {"batch": 10**6}],
)
def test_what_would_fill_the_memory_is_refused_unless_only_counted(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="--no-measure"):
        cost.run(**options)
    assert cost.run(measure=False, **options).seconds is None


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match="--device cuda"):
        cost.run(**SMALL, device="cuda")


@pytest.mark.parametrize("lengths", ["16,2048", "16,64,65,70,128", "33,64,75,80"])
def test_counted_spans_hold_at_every_length_between(lengths: str) -> None:
    """Windows are filled up, so their count is a staircase: it is crossed more than once."""
    result = cost.run(lengths=lengths, layers="attention,window", measure=False)
    found = cost.compare(result, "attention", "window", "operations")
    for n in range(result.lengths[0], min(result.lengths[-1], 300) + 1):
        one, other = (cost.LAYERS[a].operations(n, result.shape) for a in ("attention", "window"))
        inside = any((low or 0) < n <= (high or math.inf) for low, high in found.spans)
        assert inside == (one > other), n
