"""The five small networks once more, in torch's own functions: what their pages are compared with.

None of it is from the book: patches are unfolded, heads are torch's kernel, token mixing is a
convolution, and Swin knows neither windows nor shifts, only which patches may not see each other.
"""

import math
from typing import Any

from seqlab.book import conv, mixer, mlp, swin, vit
from seqlab.book.ops import Array
from seqlab.classifiers import Classifier


def scores(network: Classifier, p: Any, x: Array) -> Array:
    """What `network.scores` computes: pictures (b, 1, n1, n2) -> the scores of classes (b, k)."""
    oracle: Any = {"vit": _vit, "cnn": _cnn, "mlp": _mlp, "mixer": _mixer, "swin": _swin}[
        network.name
    ]
    return oracle(p, x, network.config)


def _patches(x: Array, p: int) -> Array:
    """(b, 1, n1 p, n2 p) -> (b, n1 n2, p p)."""
    import torch.nn.functional as F

    return F.unfold(x, p, stride=p).mT


def _norm(q: Any, x: Array, eps: float) -> Array:
    import torch.nn.functional as F

    return F.layer_norm(x, x.shape[-1:], q.weight, q.bias, eps)


def _feed(f: Any, x: Array) -> Array:
    import torch.nn.functional as F

    return F.linear(F.gelu(F.linear(x, f.W_1.T, f.b_1)), f.W_2.T, f.b_2)


def _attend(a: Any, x: Array, h: int, mask: Array | None = None) -> Array:
    """Self-attention of h heads in torch's kernel; `mask` is added to the scores."""
    import torch.nn.functional as F

    parts = ((a.W_q, a.b_q), (a.W_k, a.b_k), (a.W_v, a.b_v))
    b, t, d = x.shape
    q, k, v = (F.linear(x, W.T, c).view(b, t, h, d // h).transpose(1, 2) for W, c in parts)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return F.linear(y.transpose(1, 2).flatten(2), a.W_o.T, a.b_o)


def _vit(q: vit.Classifier, x: Array, config: vit.Config) -> Array:
    import torch
    import torch.nn.functional as F

    e = q.vit.embedding
    z: Any = F.linear(_patches(x, config.p), e.E.T, e.b)
    if e.cls is not None:
        z = torch.cat([e.cls.expand(len(x), 1, -1), z], dim=1)
    if config.positions == "learned":
        z = z + e.pos
    if config.positions == "sinusoidal":
        place = torch.arange(z.shape[1], dtype=z.dtype)[:, None]
        angle = place / 10000 ** (torch.arange(0, config.d, 2, dtype=z.dtype) / config.d)
        z = z + torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    for block in q.vit.blocks:
        z = z + _attend(block.attention, _norm(block.norm_1, z, 1e-6), config.h)
        z = z + _feed(block.feed_forward, _norm(block.norm_2, z, 1e-6))
    z = _norm(q.vit.norm, z, 1e-6)
    return F.linear(z.mean(1) if e.cls is None else z[:, 0], q.head.W.T, q.head.b)


def _cnn(q: conv.CNN, x: Array, config: conv.Config) -> Array:
    import torch.nn.functional as F

    for layer in q.layers:
        x = F.max_pool2d(F.relu(F.conv2d(x, layer.weight, layer.bias, padding="same")), 2)
    return F.linear(x.mean((2, 3)) if config.mean else x.flatten(1), q.head.W.T, q.head.b)


def _mlp(q: mlp.MLP, x: Array, _config: mlp.Config) -> Array:
    import torch.nn.functional as F

    x = x.flatten(1)
    for layer in q.layers:
        x = F.relu(F.linear(x, layer.W.T, layer.b))
    return F.linear(x, q.head.W.T, q.head.b)


def _mixer(q: mixer.Mixer, x: Array, config: mixer.Config) -> Array:
    """Token mixing without a transpose: convolutions of kernel 1 whose channels are the tokens."""
    import torch.nn.functional as F

    z = F.linear(_patches(x, config.p), q.E.T, q.b)
    for block in q.blocks:
        f, y = block.token, _norm(block.norm_1, z, 1e-6)
        inside = F.gelu(F.conv1d(y, f.W_1.T[:, :, None], f.b_1))
        z = z + F.conv1d(inside, f.W_2.T[:, :, None], f.b_2)
        z = z + _feed(block.channel, _norm(block.norm_2, z, 1e-6))
    return F.linear(_norm(q.norm, z, 1e-6).mean(1), q.head.W.T, q.head.b)


def _swin(q: swin.Swin, x: Array, config: swin.Config) -> Array:
    """No windows and no shift: all patches at once, with -∞ between those of two windows."""
    import torch
    import torch.nn.functional as F

    z = _norm(q.norm_0, F.linear(_patches(x, config.p), q.E.T, q.b), 1e-5)
    for i, stage in enumerate(q.stages):
        n, h = config.grid(i), config.heads[i]
        M = min(config.window, n)
        row, column = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
        for j, block in enumerate(stage.blocks):
            k = M // 2 if j % 2 and n > M else 0
            # a shifted window begins at k, and what is left over at either edge stays by itself
            window = (row - k).div(M, rounding_mode="floor") * 2 * n
            window = window + (column - k).div(M, rounding_mode="floor")
            apart = [c[:, None] - c + M - 1 for c in (row, column)]
            same = window[:, None] == window
            index = torch.where(same, apart[0] * (2 * M - 1) + apart[1], 0)
            bias = block.table[index].permute(2, 0, 1)
            mask = torch.where(same, bias, -math.inf)
            z = z + _attend(block.attention, _norm(block.norm_1, z, 1e-5), h, mask)
            z = z + _feed(block.feed_forward, _norm(block.norm_2, z, 1e-5))
        if stage.merging is not None:
            four = z.view(len(z), n // 2, 2, n // 2, 2, -1).permute(0, 1, 3, 4, 2, 5)
            four = _norm(stage.merging.norm, four.flatten(3), 1e-5)
            z = F.linear(four, stage.merging.W.T).flatten(1, 2)
    return F.linear(_norm(q.norm, z, 1e-5).mean(1), q.head.W.T, q.head.b)
