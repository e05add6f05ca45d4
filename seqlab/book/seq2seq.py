"""One network reads a sequence, another writes one: encoder-decoder, without and with attention.

The encoder reads x_1 .. x_S, forward and, if it is bidirectional, backward too; its annotations are

    h_s = [→h_s ; ←h_s]                                  (Bahdanau et al. 2015, §3.2)
    z   = [→h_S ; ←h_1]                                  all that was read, in one vector

A decoder without attention (Sutskever et al. 2014) gets nothing but z, as its first state. With
attention every output also gets a context, a mean of the annotations weighted for it alone:

    c_t = Σ_s α_ts h_s        α_t = softmax over s of the scores e_ts        (Bahdanau, eq. 5 and 6)

    dot         s_t = LSTM(y_{t-1}, s_{t-1})        e_ts = s_t W_a h_s     (Luong et al. 2015, §3.1)
    additive    e_ts = v·tanh(s_{t-1} W_a + h_s U_a)                       (Bahdanau, app. A.1.2)
                s_t = LSTM([y_{t-1} ; c_t], s_{t-1})                       (Bahdanau, §3.1)

where dot is what Luong calls general: the one he calls dot is without W_a. So Luong asks with the
present state and Bahdanau with the previous one. Both then write by

    s̃_t = tanh([c_t ; s_t] W_c)        P(y_t) = softmax(s̃_t W_y + b_y)      (Luong, eq. 5 and 6)

where Bahdanau has a maxout layer. The papers' cells are LSTMs of four layers (Sutskever, Luong) and
one GRU (Bahdanau); here both are one LSTM. Its first state is s_0 = tanh(z W_z + b_z), as in
Bahdanau's A.2.2, but of all of z; its first cell is what stands in that tanh.

Shapes: b sequences; s inputs, t outputs; c numbers for a symbol, d in a state, m in an annotation
(d, or 2d where both ways are read). Inputs of different lengths are padded at the end, and nothing
depends on what the padding is.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from einops import rearrange

from seqlab.book import lstm
from seqlab.book.attention import attend
from seqlab.book.lstm import LSTM
from seqlab.book.ops import Array, Generator, arange, concatenate, stack, tanh, zeros

Kind: TypeAlias = Literal["none", "dot", "additive"]
State: TypeAlias = tuple[Array, Array]  # h and c of an LSTM, (b, d) each
# An LSTM over xs (t, b, c) from a first state, zero if None: every h (t, b, d), and the last state.
Unroll: TypeAlias = Callable[[LSTM, Array, State | None], tuple[Array, State]]


class Luong(NamedTuple):
    """The parameters of dot attention, of the form that Luong et al. call general."""

    W_a: Array  # (d, m)
    W_c: Array  # (m + d, d)


class Bahdanau(NamedTuple):
    """The parameters of additive attention."""

    W_a: Array  # (d, d)
    U_a: Array  # (m, d)
    v: Array  # (d,)
    W_c: Array  # (m + d, d)


class Encoder(NamedTuple):
    """The parameters of the reader."""

    embed: Array  # (symbols of the input, c)
    forward: LSTM  # c -> d
    backward: LSTM | None  # c -> d


class Decoder(NamedTuple):
    """The parameters of the writer; the last of its embeddings is that of the start."""

    embed: Array  # (symbols of the output + 1, c)
    W_z: Array  # (m, d)
    b_z: Array  # (d,)
    cell: LSTM  # c -> d, or c + m -> d with additive attention
    attention: Luong | Bahdanau | None
    W_y: Array  # (d, symbols of the output)
    b_y: Array  # (symbols of the output,)


class Seq2Seq(NamedTuple):
    """All parameters."""

    encoder: Encoder
    decoder: Decoder


class Memory(NamedTuple):
    """What the encoder leaves behind."""

    z: Array  # (b, m), the sequence in one vector
    h: Array  # (b, s, m), the annotations
    keys: Array  # (b, s, d or m), what is compared with a state: h, or h U_a; see `begin`
    there: Array  # (b, s), False at the padding; a NumPy array


class Output(NamedTuple):
    """What one step of the decoder leaves behind, or with an axis t after b, all of its steps."""

    scores: Array  # (b, symbols), of every next symbol before the softmax
    weights: Array | None  # (b, s), None without attention


def init(
    rng: Generator, v: int, w: int, c: int, d: int, kind: Kind, both_ways: bool = True
) -> Seq2Seq:
    """Weights of variance 1 / fan-in, embeddings of 1; cells as on their page, forget bias 1.

    v symbols are read, w are written. W_a and U_a of additive attention are larger: where its tanh
    is nearly linear, a score is a sum of one term for s_{t-1} and one for h_s, and the softmax over
    s takes no notice of the first. W_a of dot attention is smaller: a score sums m numbers.
    """

    def matrix(n: int, k: int) -> Array:
        return rng.normal(0.0, 1 / math.sqrt(n), (n, k))

    def cell(n: int) -> LSTM:
        return lstm.init(rng, n, d, forget_bias=1.0)

    m = 2 * d if both_ways else d
    embed = rng.normal(0.0, 1.0, (v, c))
    encoder = Encoder(embed, cell(c), cell(c) if both_ways else None)
    attention: Luong | Bahdanau | None = None
    if kind == "dot":
        attention = Luong(matrix(d, m) / math.sqrt(m), matrix(m + d, d))
    elif kind == "additive":
        W_a, U_a, v_a = 4 * matrix(d, d), 4 * matrix(m, d), rng.normal(0.0, 1 / math.sqrt(d), (d,))
        attention = Bahdanau(W_a, U_a, v_a, matrix(m + d, d))
    decoder = Decoder(
        embed=rng.normal(0.0, 1.0, (w + 1, c)),
        W_z=matrix(m, d),
        b_z=zeros((d,), like=embed),
        cell=cell(c + m if kind == "additive" else c),
        attention=attention,
        W_y=matrix(d, w),
        b_y=zeros((w,), like=embed),
    )
    return Seq2Seq(encoder, decoder)


def unroll(p: LSTM, xs: Array, start: State | None = None) -> tuple[Array, State]:
    """The LSTM's page over xs (t, b, c): every h (t, b, d), and the last h and c.

    A faster function of the same signature may stand in its place wherever one is asked for.
    """
    state = lstm.initial_state(p, xs.shape[1])
    if start is not None:
        state = state._replace(h=start[0], c=start[1])
    states = lstm.unroll(p, xs, state)[1:]
    return stack([state.h for state in states]), (states[-1].h, states[-1].c)


# The encoder


def turned(x: Array, lengths: Array) -> Array:
    """Every sequence of x (b, s, ...) back to front, the padding where it was; its own inverse."""
    b, s = x.shape[:2]
    places, ends = arange(s)[None, :], lengths[:, None]
    back = abs(ends - 1 - places) * (places < ends) + places * (places >= ends)
    return x[arange(b)[:, None], back]


def encode(p: Encoder, xs: Array, lengths: Array, unroll: Unroll = unroll) -> Memory:
    """Symbols xs (b, s), of which the first lengths (b,) count, both NumPy arrays."""

    def read(cell: LSTM, x: Array) -> Array:
        hs, _last = unroll(cell, rearrange(x, "b s c -> s b c"), None)
        return rearrange(hs, "s b d -> b s d")

    x = p.embed[xs]
    h = read(p.forward, x)
    z = h[arange(len(xs)), lengths - 1]
    if p.backward is not None:
        back = turned(read(p.backward, turned(x, lengths)), lengths)
        h, z = concatenate([h, back]), concatenate([z, back[:, 0]])
    return Memory(z, h, h, arange(xs.shape[1])[None, :] < lengths[:, None])


# The decoder


def begin(p: Decoder, memory: Memory) -> tuple[Memory, State]:
    """The memory made ready for the decoder's questions, and its first state.

    U_a h_s is the same for every t: it is computed once (Bahdanau et al. 2015, app. A.1.2).
    """
    if isinstance(p.attention, Bahdanau):
        memory = memory._replace(keys=memory.h @ p.attention.U_a)
    first = memory.z @ p.W_z + p.b_z
    return memory, (tanh(first), first)


def look(p: Luong | Bahdanau, memory: Memory, state: Array) -> tuple[Array, Array]:
    """The context of states (b, t, d) and its weights: (b, t, m), (b, t, s)."""
    if isinstance(p, Luong):
        scores = state @ p.W_a @ memory.keys.mT
    else:
        scores = tanh((state @ p.W_a)[:, :, None] + memory.keys[:, None]) @ p.v
    return attend(scores, memory.h, memory.there[:, None])


def write(p: Decoder, state: Array, context: Array | None) -> Array:
    """The scores of every symbol from s_t (..., d) and c_t (..., m)."""
    if p.attention is not None:
        state = tanh(concatenate([context, state]) @ p.attention.W_c)
    return state @ p.W_y + p.b_y


def step(p: Decoder, memory: Memory, state: State, y: Array) -> tuple[State, Output]:
    """One symbol: y (b,) was written last, what is next?"""
    x, context, weights = p.embed[y], None, None
    previous = lstm.initial_state(p.cell, len(x))._replace(h=state[0], c=state[1])
    if isinstance(p.attention, Bahdanau):
        context, weights = look(p.attention, memory, state[0][:, None])
        x = concatenate([x, context[:, 0]])
    now = lstm.step(p.cell, previous, x)
    if isinstance(p.attention, Luong):
        context, weights = look(p.attention, memory, now.h[:, None])
    scores = write(p, now.h, None if context is None else context[:, 0])
    return (now.h, now.c), Output(scores, None if weights is None else weights[:, 0])


def teach(p: Seq2Seq, xs: Array, lengths: Array, ys: Array, unroll: Unroll = unroll) -> Output:
    """Teacher forcing: at every step the right symbols ys (b, t), started, stand before.

    It is `step` again and again. But where no state depends on a context, all states come first
    and then look all at once: only additive attention needs the steps one by one.
    """
    memory, state = begin(p.decoder, encode(p.encoder, xs, lengths, unroll))
    if isinstance(p.decoder.attention, Bahdanau):
        outputs = []
        for t in range(ys.shape[1]):
            state, output = step(p.decoder, memory, state, ys[:, t])
            outputs.append(output)
        scores, weights = zip(*outputs)
        return Output(stack(scores, 1), stack(weights, 1))
    x = rearrange(p.decoder.embed[ys], "b t c -> t b c")
    states = rearrange(unroll(p.decoder.cell, x, state)[0], "t b d -> b t d")
    if p.decoder.attention is None:
        return Output(write(p.decoder, states, None), None)
    context, seen = look(p.decoder.attention, memory, states)
    return Output(write(p.decoder, states, context), seen)


def greedy(
    p: Seq2Seq, xs: Array, lengths: Array, t: int, unroll: Unroll = unroll
) -> tuple[Array, Output]:
    """The t symbols (b, t) that the network writes, each the likeliest after its own."""
    memory, state = begin(p.decoder, encode(p.encoder, xs, lengths, unroll))
    start = len(p.decoder.embed) - 1
    y, ys, outputs = start + 0 * arange(len(xs)), [], []
    for _t in range(t):
        state, output = step(p.decoder, memory, state, y)
        y = output.scores.argmax(-1)
        ys.append(y)
        outputs.append(output)
    scores = stack([output.scores for output in outputs], 1)
    if p.decoder.attention is None:
        return stack(ys, 1), Output(scores, None)
    return stack(ys, 1), Output(scores, stack([output.weights for output in outputs], 1))
