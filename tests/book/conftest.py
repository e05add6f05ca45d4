"""What the tests of the book share: two dtypes, random draws, one comparison."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}


@pytest.fixture(params=TOLERANCE)
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def draw(dtype: str) -> Callable[..., Any]:
    """Normal numbers of the dtype under test: no parameter keeps a default that hides a bug."""
    rng = np.random.default_rng(0)
    return lambda *shape: rng.normal(0, 0.7, shape).astype(dtype)


def numpy(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, torch.Tensor) else x


@pytest.fixture
def close(dtype: str) -> Callable[[Any, Any], None]:
    def compare(ours: Any, oracle: Any) -> None:
        ours, oracle = numpy(ours), numpy(oracle)
        assert (ours.shape, ours.dtype) == (oracle.shape, dtype)
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(ours, oracle, rtol=tolerance, atol=tolerance)

    return compare
