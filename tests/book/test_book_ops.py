"""The verbs against torch, on both kinds of array."""

import sys
import types
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqlab.book import ops

pytestmark = pytest.mark.filterwarnings("error")  # no overflow, however large the input

VERBS: dict[str, tuple[Any, Any]] = {
    "sigmoid": (ops.sigmoid, torch.sigmoid),
    "tanh": (ops.tanh, torch.tanh),
    "relu": (ops.relu, torch.relu),
    "sin": (ops.sin, torch.sin),
    "cos": (ops.cos, torch.cos),
    "gelu": (ops.gelu, F.gelu),
    "gelu_tanh": (lambda x: ops.gelu(x, approximate=True), lambda x: F.gelu(x, approximate="tanh")),
    "softmax": (ops.softmax, lambda x: F.softmax(x, -1)),
    "softmax_0": (lambda x: ops.softmax(x, axis=0), lambda x: F.softmax(x, 0)),
    "split": (lambda x: ops.split(x, 3)[1], lambda x: x.chunk(3, -1)[1]),
    "stack": (lambda x: ops.stack([x, 2 * x]), lambda x: torch.stack([x, 2 * x])),
    "stack_last": (lambda x: ops.stack([x, -x], -1), lambda x: torch.stack([x, -x], -1)),
    "concatenate": (lambda x: ops.concatenate([x, 2 * x]), lambda x: torch.cat([x, 2 * x], -1)),
    "concatenate_0": (lambda x: ops.concatenate([x, x], 0), lambda x: torch.cat([x, x], 0)),
    "where": (lambda x: ops.where(x > 0, x, -1.0), lambda x: torch.where(x > 0, x, -1.0)),
    "broadcast_to": (
        lambda x: ops.broadcast_to(x[0], x.shape),
        lambda x: x[:1].expand(x.shape),
    ),
    "zeros": (lambda x: ops.zeros((2, 3), like=x), lambda x: torch.zeros(2, 3, dtype=x.dtype)),
}
EXTREME = np.array([-1e3, -88.8, -40.0, -6.5, -1e-9, 0.0, 1e-9, 0.3, 5.9, 40.0, 88.8, 1e3])


@pytest.mark.parametrize("name", VERBS)
def test_verb_equals_torch_on_both_kinds_of_array(name, dtype, draw, close):
    verb, oracle = VERBS[name]
    for x in (3 * draw(5, 7, 12), np.stack([EXTREME, EXTREME[::-1]]).astype(dtype)):
        tensor = torch.tensor(x)
        ours = verb(x)
        assert isinstance(ours, np.ndarray)
        close(ours, oracle(tensor))
        assert isinstance(verb(tensor), torch.Tensor)
        close(verb(tensor), oracle(tensor))


def test_layer_norm_equals_torch(draw, close):
    x, weight, bias = 5 * draw(3, 4, 10) + 2, draw(10), draw(10)
    x[0, 0] = 7  # no variance: only ε keeps the root from 0
    tensors = [torch.tensor(a) for a in (x, weight, bias)]
    for eps in (1e-12, 0.1):
        oracle = F.layer_norm(tensors[0], (10,), *tensors[1:], eps)
        close(ops.layer_norm(x, weight, bias, eps), oracle)
        close(ops.layer_norm(*tensors, eps), oracle)


def test_layer_norm_survives_thousands(draw, close):
    x, weight, bias = 1000 * draw(3, 10), draw(10), draw(10)
    oracle = F.layer_norm(*map(torch.tensor, (x,)), (10,), torch.tensor(weight), torch.tensor(bias))
    close(ops.layer_norm(x, weight, bias, 1e-5), oracle)


def test_numpy_gelu_is_exact_everywhere():
    x = np.linspace(-9, 9, 100_001)
    oracle = F.gelu(torch.tensor(x)).numpy()
    np.testing.assert_allclose(ops.gelu(x), oracle, rtol=0, atol=4e-15)


def test_numpy_passes_nan_on_as_torch_does():
    x = np.array([np.nan, 1.0])
    for name in ("sigmoid", "tanh", "relu", "gelu", "gelu_tanh", "softmax"):
        verb, oracle = VERBS[name]
        np.testing.assert_allclose(verb(x), oracle(torch.tensor(x)).numpy())


def test_sigmoid_keeps_its_small_values():
    """0.5 (1 + tanh(x / 2)) would lose them, and with them the gradient through a closed gate."""
    np.testing.assert_allclose(ops.sigmoid(np.array([-100.0])), [np.exp(-100.0)], rtol=1e-14)


def test_split_refuses_unequal_parts():
    with pytest.raises(ValueError, match="7 into 3"):
        ops.split(np.zeros((2, 7)), 3)


def test_arange():
    assert ops.arange(4).tolist() == [0, 1, 2, 3]


def test_identity():
    for n in (1, 4):
        np.testing.assert_array_equal(ops.identity(n), torch.eye(n, dtype=torch.float64).numpy())


@pytest.mark.parametrize("given", ["bool", "int64", "float32", "float64"])
def test_cast_takes_the_library_and_dtype_of_the_other(given, dtype, draw):
    x, like = (5 * draw(3, 4)).astype(given), draw(2)
    ours = ops.cast(x, like=like)
    assert isinstance(ours, np.ndarray) and ours.dtype == dtype
    np.testing.assert_array_equal(ours, x.astype(dtype))
    theirs = ops.cast(x, like=torch.tensor(like))
    assert theirs.dtype == getattr(torch, dtype)
    assert torch.equal(theirs, torch.tensor(x).to(theirs.dtype))


def test_cast_goes_to_the_device_of_the_other():
    assert ops.cast(np.eye(2), like=torch.empty(1, device="meta")).device.type == "meta"


def test_cast_keeps_the_gradient_of_a_tensor(dtype, draw):
    x = torch.tensor(draw(3), requires_grad=True)
    ops.cast(x, like=torch.empty(1, dtype=torch.float64)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1.0] * 3


def test_numpy_verbs_do_without_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert ops.softmax(np.zeros(4)).tolist() == [0.25] * 4
    assert "torch" not in sys.modules


def test_numpy_does_not_wait_for_torch_to_be_imported(monkeypatch):
    """Another thread may be importing it: then it is there, but has no tensors yet."""
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    assert ops.tanh(np.zeros(2)).tolist() == [0, 0]
