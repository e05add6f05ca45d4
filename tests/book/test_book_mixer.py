"""The Mixer against one written in torch.nn, gradients included; what moves where; known sizes."""

import numpy as np
import pytest
import torch
from torch import nn

from seqlab import trees
from seqlab.book import mixer

CONFIG = mixer.Config(image=12, p=4, c=3, d=10, layers=3, token=7, channel=13, classes=5)
N = 15  # patches of a picture of 12 × 20: not square


class Layer(nn.Module):
    """Written from the paper's figure 1, with a Conv1d over the patches in place of a transpose."""

    def __init__(self, n: int, c: mixer.Config) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(c.d, eps=1e-6) for _ in range(2))
        self.token = nn.Sequential(nn.Conv1d(n, c.token, 1), nn.GELU(), nn.Conv1d(c.token, n, 1))
        self.channel = nn.Sequential(
            nn.Linear(c.d, c.channel), nn.GELU(), nn.Linear(c.channel, c.d)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.token(self.norms[0](x))
        return x + self.channel(self.norms[1](x))


class Oracle(nn.Module):
    def __init__(self, n: int, c: mixer.Config) -> None:
        super().__init__()
        self.project = nn.Conv2d(c.c, c.d, c.p, c.p)
        self.layers = nn.Sequential(*(Layer(n, c) for _ in range(c.layers)))
        self.norm, self.head = nn.LayerNorm(c.d, eps=1e-6), nn.Linear(c.d, c.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(self.project(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x).mean(1))


def drawn(draw):
    """Every parameter at random."""
    shapes = mixer.init(CONFIG._replace(image=12))
    shapes = shapes._replace(
        blocks=tuple(
            mixer.init_block(np.random.default_rng(0), N, CONFIG.d, CONFIG.token, CONFIG.channel)
            for _layer in range(CONFIG.layers)
        )
    )
    return trees.convert(lambda w: draw(*w.shape), shapes)


def give(oracle: Oracle, p: mixer.Mixer) -> list[tuple[torch.Tensor, str]]:
    """Put the page's parameters into the oracle; returns (its parameter, ours seen alike) pairs."""
    pairs = [
        (oracle.project.weight, p.E.T.reshape(oracle.project.weight.shape)),
        (oracle.project.bias, p.b),
        (oracle.norm.weight, p.norm.weight), (oracle.norm.bias, p.norm.bias),
        (oracle.head.weight, p.head.W.T), (oracle.head.bias, p.head.b),
    ]  # fmt: skip
    for layer, q in zip(oracle.layers, p.blocks, strict=True):
        for norm, n in zip(layer.norms, (q.norm_1, q.norm_2), strict=True):
            pairs += [(norm.weight, n.weight), (norm.bias, n.bias)]
        for i, W, b in [(0, q.token.W_1, q.token.b_1), (2, q.token.W_2, q.token.b_2)]:
            pairs += [(layer.token[i].weight, W.T[:, :, None]), (layer.token[i].bias, b)]
        for i, W, b in [(0, q.channel.W_1, q.channel.b_1), (2, q.channel.W_2, q.channel.b_2)]:
            pairs += [(layer.channel[i].weight, W.T), (layer.channel[i].bias, b)]
    assert len(pairs) == len(list(oracle.parameters()))
    return pairs


def test_scores_and_gradients_equal_torchs(draw, close):
    p, images = drawn(draw), draw(2, 3, 12, 20)
    oracle = Oracle(N, CONFIG).to(torch.tensor(images).dtype)
    for theirs, ours in give(oracle, p):
        theirs.data = torch.tensor(np.ascontiguousarray(ours))
    expected = oracle(torch.tensor(images))
    close(mixer.scores(p, images, CONFIG), expected)

    q = trees.convert(lambda w: torch.tensor(w, requires_grad=True), p)
    found = mixer.scores(q, torch.tensor(images), CONFIG)
    close(found, expected)
    dy = torch.tensor(draw(*expected.shape))
    (found * dy).sum().backward()
    (expected * dy).sum().backward()
    gradients = trees.convert(lambda w: w.grad.numpy(), q)
    for theirs, ours in give(oracle, gradients):
        close(np.ascontiguousarray(ours), theirs.grad)


def test_tokens_mix_within_a_channel_and_channels_within_a_token(draw):
    p = drawn(draw).blocks[0]
    x, nudged = draw(N, CONFIG.d), None
    nudged = x.copy()
    nudged[4, 6] += 1
    rows, columns = np.nonzero(mixer.mix_tokens(p.token, nudged) - mixer.mix_tokens(p.token, x))
    assert set(rows) == set(range(N)) and set(columns) == {6}
    rows, columns = np.nonzero(
        mixer.mix_channels(p.channel, nudged) - mixer.mix_channels(p.channel, x)
    )
    assert set(rows) == {4} and set(columns) == set(range(CONFIG.d))


def test_every_channel_is_mixed_by_the_same_network(draw, close):
    p, x = drawn(draw).blocks[0], draw(N, CONFIG.d)
    order = np.random.default_rng(0).permutation(CONFIG.d)
    close(mixer.mix_tokens(p.token, x[:, order]), mixer.mix_tokens(p.token, x)[:, order])


def test_patches_may_change_places_if_the_token_network_does(draw, close):
    p, x = drawn(draw).blocks[0], draw(N, CONFIG.d)
    order = np.random.default_rng(0).permutation(N)
    f = p.token
    alike = f._replace(W_1=f.W_1[order], W_2=f.W_2[:, order], b_2=f.b_2[order])
    close(mixer.block(p._replace(token=alike), x[order])[1], mixer.block(p, x)[1][order])


def test_another_number_of_patches_does_not_fit(draw):
    with pytest.raises(ValueError, match="matmul"):
        mixer.read(drawn(draw), draw(N - 1, 48))


@pytest.mark.parametrize("config, count", [(mixer.S_16, 18_528_264), (mixer.B_16, 59_880_472)])
def test_sizes_of_the_paper(config: mixer.Config, count: int) -> None:
    assert trees.count(mixer.init(config)) == count


def test_init_has_the_deviations_it_names() -> None:
    p = mixer.init(mixer.Config(image=64, p=4, d=64, layers=2), np.random.default_rng(0))
    np.testing.assert_allclose(p.E.std() * np.sqrt(48), 1, rtol=0.05)
    np.testing.assert_allclose(p.blocks[1].token.W_1.std() * 16, 1, rtol=0.05)
    assert not p.head.W.any() and np.all(p.norm.weight == 1)
    assert not np.allclose(p.blocks[0].token.W_1, p.blocks[1].token.W_1)
