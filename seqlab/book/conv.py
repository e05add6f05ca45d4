"""The convolution of neural networks (LeCun et al. 1989).

It is a cross-correlation: the kernel is not flipped.
"""

from einops import rearrange

from seqlab.book.ops import Array, concatenate, zeros


def pad(x: Array, k: int) -> Array:
    """Put k zeros on every side of the last two axes: (..., n1, n2) -> (..., n1 + 2k, n2 + 2k)."""
    row = zeros((*x.shape[:-2], k, x.shape[-1]), like=x)
    x = concatenate([row, x, row], axis=-2)
    column = zeros((*x.shape[:-1], k), like=x)
    return concatenate([column, x, column], axis=-1)


def conv2d(x: Array, weight: Array, bias: Array, stride: int = 1, padding: int = 0) -> Array:
    """y[:, i, j] = bias + Σ_uv weight[:, :, u, v] x[:, i·stride + u, j·stride + v].

    Goodfellow et al. 2016, eq. 9.8, as a sum over the few offsets u, v of the kernel, for all
    places i, j at once. Sizes n1 and n2 in pixels:
    x (b, c, n1, n2), weight (d, c, p1, p2), bias (d,) -> y (b, d, n1, n2).
    """
    x = rearrange(pad(x, padding), "b c n1 n2 -> b n1 n2 c")
    (_, n1, n2, _), (_, _, p1, p2) = x.shape, weight.shape
    if n1 < p1 or n2 < p2:
        raise ValueError(f"a {p1} × {p2} kernel does not fit into {n1} × {n2} pixels")
    y = bias
    for u in range(p1):
        for v in range(p2):
            seen = x[:, u : n1 - p1 + 1 + u : stride, v : n2 - p2 + 1 + v : stride]
            y = y + seen @ weight[:, :, u, v].mT  # (b, n1, n2, c) @ (c, d)
    return rearrange(y, "b n1 n2 d -> b d n1 n2")
