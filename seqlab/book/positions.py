"""Where a token stands: attention alone cannot tell (Vaswani et al. 2017, §3.5).

    sinusoidal   x_pos + PE(pos)            added once, at the bottom
    learned      x_pos + P[pos]             likewise, P a parameter like any other
    rotary       q_t R_t · k_s R_s          queries and keys turned, in every layer (RoPE)
    ALiBi        q_t · k_s / √d - m |t - s|   a price on distance, in every layer

A shift by k turns every pair of PE(pos) by an angle that depends on k and on the pair, not on pos.
RoPE turns queries and keys by the same angles, so that their product depends on t - s alone.
"""

from seqlab.book.ops import Array, arange, cast, concatenate, cos, sin, stack, zeros


def angles(t: int, d: int, base: float = 10000.0) -> Array:
    """Angles pos / base^(2i/d), a column for each pair of dimensions: (t, d / 2), a NumPy array."""
    if d % 2:
        raise ValueError(f"sines and cosines come in pairs: the width must be even, not {d}")
    return arange(t)[:, None] * base ** (-2 * arange(d // 2) / d)


def sinusoidal(t: int, d: int) -> Array:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(same) (Vaswani et al. 2017, §3.5).

    -> (t, d), a NumPy array. Sine and cosine alternate as in the paper; much code puts all sines
    first.
    """
    angle = angles(t, d)
    return stack([sin(angle), cos(angle)], axis=-1).reshape(t, d)


def shift(k: int, d: int) -> Array:
    """M_k with PE(pos + k) = PE(pos) M_k, whatever pos: (d, d), rotations on the diagonal.

    That there is such a matrix is the authors' reason for sines and cosines (§3.5).
    """
    angle = angles(k + 1, d)[k]
    M = zeros((d, d), like=angle)
    even, odd = 2 * arange(d // 2), 2 * arange(d // 2) + 1
    M[even, even], M[odd, even] = cos(angle), sin(angle)
    M[even, odd], M[odd, odd] = -sin(angle), cos(angle)
    return M


def rotary(x: Array, base: float = 10000.0) -> Array:
    """Turn each pair of x_pos by the angles of its position (RoPE; Su et al. 2021, eq. 34).

    Queries or keys (..., t, d) -> the same shape. Pairs are neighbours, as in the paper; LLaMA's
    code pairs i with i + d/2, which is this with the columns in another order.
    """
    angle = angles(x.shape[-2], x.shape[-1], base)
    c, s = cast(cos(angle), like=x), cast(sin(angle), like=x)
    a, b = x[..., 0::2], x[..., 1::2]
    return stack([a * c - b * s, a * s + b * c], axis=-1).reshape(x.shape)


def alibi(t: int, h: int) -> Array:
    """-m |t - s| to add to the scores (Press et al. 2022, §3): (h, t, t), a NumPy array.

    m is 2^(-8/h), 2^(-16/h), ... from head to head: the paper's series where h is a power of 2.
    The paper is causal, where |t - s| is t - s.
    """
    distance = abs(arange(t)[:, None] - arange(t)[None, :])
    return -(2.0 ** (-8 * (arange(h) + 1) / h))[:, None, None] * distance


def grid_sinusoidal(rows: int, columns: int, d: int) -> Array:
    """Half the width for the row, half for the column (He et al. 2022; Chen et al. 2021).

    -> (rows · columns, d), row by row as patches are. The order within d is ours: the authors' code
    has the column first, and all sines before the cosines.
    """
    if d % 4:
        raise ValueError(f"two halves of pairs: the width must be a multiple of 4, not {d}")
    row = sinusoidal(rows, d // 2).repeat(columns, axis=0)  # 0 0 0 1 1 1
    column = sinusoidal(columns, d // 2)
    return concatenate([row, concatenate([column] * rows, axis=0)])
