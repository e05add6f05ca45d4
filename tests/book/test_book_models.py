"""BERT and its kin, GPT-2 and ViT against transformers: states, attention, outputs, gradients.

The parameters of the page are views of the oracle's own, so that both gradients end in the same
tensors. All are drawn at random: as they are made, biases are 0 and attention is nearly uniform.
"""

from typing import Any

import numpy as np
import oracles
import pytest
import torch
import transformers as hf

from seqlab import trees
from seqlab.book import bert, gpt, transformer, vit
from seqlab.families import assemble

T = 7
IDS = np.random.default_rng(0).integers(5, oracles.VOCABULARY, (2, T))  # 0 to 4 may be padding
PADDING = np.array([[True] * T, [True] * 4 + [False] * 3])


def ours(oracle: Any) -> Any:
    return assemble(oracle.config.to_dict(), dict(oracle.named_parameters()))


def as_numpy(tree: Any) -> Any:
    return trees.convert(lambda x: x.detach().numpy(), tree)


def read_all(oracle: Any, **inputs: Any) -> Any:
    return oracle(**inputs, output_hidden_states=True, output_attentions=True)


def agree(close: Any, oracle: Any, pages: Any, expected: list[torch.Tensor]) -> None:
    """What `pages` makes of a tree, on NumPy and on torch, is expected; the gradients agree too."""
    model = ours(oracle)
    tree = (model.parameters, model.pooler, model.classifier)
    for array, tensor in zip(pages(as_numpy(tree)), expected, strict=True):
        close(array, tensor)
    found = pages(tree)
    for mine, tensor in zip(found, expected, strict=True):
        close(mine, tensor)
    elsewhere = ("cls.", "lm_head.", "vocab_", *(() if model.pooler else ("pooler.",)))
    rng = np.random.default_rng(1)
    directions = [torch.tensor(rng.normal(size=x.shape)).to(x.dtype) for x in expected]
    names, parameters = zip(*oracle.named_parameters(), strict=True)
    gradients = [
        torch.autograd.grad(
            sum((x * dx).sum() for x, dx in zip(outputs, directions, strict=True)),
            parameters,
            allow_unused=True,
        )
        for outputs in (found, expected)
    ]
    for name, mine, theirs in zip(names, *gradients, strict=True):
        assert (mine is None) == (theirs is None), name
        if theirs is None:
            assert name.startswith(elsewhere), name
        else:
            # sums over tokens grow, and so do their rounding errors
            scale = max(1.0, float(theirs.abs().max()))
            close(mine / scale, theirs / scale)


@pytest.mark.parametrize("padding", [None, PADDING], ids=["whole", "padded"])
@pytest.mark.parametrize("name", ["bert", "bert for words", "roberta", "xlm-roberta", "camembert"])
def test_bert(name: str, padding: Any, dtype: str, close: Any) -> None:
    oracle = oracles.make(name, dtype)
    segments = np.random.default_rng(2).integers(0, oracle.config.type_vocab_size, IDS.shape)
    mask = torch.ones(IDS.shape) if padding is None else torch.tensor(padding)
    found = read_all(
        oracle,
        input_ids=torch.tensor(IDS),
        token_type_ids=torch.tensor(segments),
        attention_mask=mask.long(),
    )
    pooled = [found.pooler_output] if "pooler_output" in found else []
    style = ours(oracle).style

    def pages(tree: Any) -> list[Any]:
        p, pooler, classifier = tree
        assert classifier is None
        trace = bert.read(p, IDS, style, segments, padding)
        outputs = [bert.pool(pooler, trace.states[-1])] if pooled else []
        return [*trace.states, *trace.weights, *outputs]

    agree(close, oracle, pages, [*found.hidden_states, *found.attentions, *pooled])


def test_segments_are_0_where_none_are_told(dtype: str, close: Any) -> None:
    oracle = oracles.make("bert", dtype)
    model = ours(oracle)
    found = oracle(input_ids=torch.tensor(IDS)).last_hidden_state
    close(bert.read(model.parameters, IDS, model.style).states[-1], found)


@pytest.mark.parametrize("padding", [None, PADDING], ids=["whole", "padded"])
@pytest.mark.parametrize("name", ["distilbert", "distilbert for words"])
def test_distilbert(name: str, padding: Any, dtype: str, close: Any) -> None:
    oracle = oracles.make(name, dtype)
    mask = torch.ones(IDS.shape) if padding is None else torch.tensor(padding)
    found = read_all(oracle, input_ids=torch.tensor(IDS), attention_mask=mask.long())
    style = ours(oracle).style

    def pages(tree: Any) -> list[Any]:
        trace = bert.read(tree[0], IDS, style, None, padding)
        return [*trace.states, *trace.weights]

    agree(close, oracle, pages, [*found.hidden_states, *found.attentions])


@pytest.mark.parametrize("name", ["gpt2", "gpt2 without a head"])
def test_gpt2(name: str, dtype: str, close: Any) -> None:
    oracle = oracles.make(name, dtype)
    found = read_all(oracle, input_ids=torch.tensor(IDS))
    style = ours(oracle).style
    *states, last = found.hidden_states  # the last one has been through the norm
    outputs = [found.logits] if name == "gpt2" else []

    def pages(tree: Any) -> list[Any]:
        p = tree[0]
        trace = gpt.read(p, IDS, style)
        normed = transformer.norm(p.norm, trace.states[-1], style)
        foretold = [gpt.logits(p, trace.states[-1], style)] if outputs else []
        return [*trace.states[:-1], normed, *trace.weights, *foretold]

    agree(close, oracle, pages, [*states, last, *found.attentions, *outputs])


def test_a_causal_model_does_not_see_what_comes(dtype: str, close: Any) -> None:
    model = ours(oracles.make("gpt2", dtype))
    p = as_numpy(model.parameters)
    changed = IDS.copy()
    changed[:, 4:] = (changed[:, 4:] + 3) % oracles.VOCABULARY
    one, two = (gpt.read(p, ids, model.style).states[-1] for ids in (IDS, changed))
    close(one[:, :4], two[:, :4])
    assert np.abs(one[:, 4:] - two[:, 4:]).min(-1).max() > 1e-3


@pytest.mark.parametrize("name", ["vit", "vit for classes"])
def test_vit(name: str, dtype: str, close: Any) -> None:
    eager = dtype == "float32"
    oracle = oracles.make(name, dtype, "eager" if eager else "sdpa")
    pixels = np.random.default_rng(3).normal(size=(2, 3, 12, 20)).astype(dtype)
    inputs = {"pixel_values": torch.tensor(pixels), "output_hidden_states": True}
    found = oracle(**inputs, output_attentions=eager)
    weights = found.attentions if eager else []
    style = ours(oracle).style
    outputs = [found.logits] if "logits" in found else [found.last_hidden_state]

    def pages(tree: Any) -> list[Any]:
        p, _pooler, classifier = tree
        patches = vit.patchify(pixels, 4)
        if isinstance(p.norm.weight, torch.Tensor):
            patches = torch.tensor(patches)
        trace = vit.read(p, patches, style)
        x = trace.states[-1]
        if classifier is not None:
            last = vit.classify(classifier, vit.represent(p, x, style))
        else:
            last = transformer.norm(p.norm, x, style)
        return [*trace.states, *(trace.weights if eager else []), last]

    agree(close, oracle, pages, [*found.hidden_states, *weights, *outputs])


# Sizes that are known


def vit_of(d: int, h: int, layers: int) -> hf.ViTConfig:
    return hf.ViTConfig(
        hidden_size=d, num_attention_heads=h, num_hidden_layers=layers, intermediate_size=4 * d,
        num_labels=1000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("maker", "config", "count"),
    [
        (hf.BertModel, hf.BertConfig(), 109_482_240),
        (hf.GPT2LMHeadModel, hf.GPT2Config(), 124_439_808),
        (hf.ViTForImageClassification, vit_of(384, 6, 12), 22_050_664),
        (hf.ViTForImageClassification, vit_of(768, 12, 12), 86_567_656),
        (hf.ViTForImageClassification, vit_of(1024, 16, 24), 304_326_632),
    ],
    ids=["BERT-base", "GPT-2 small", "ViT-S/16", "ViT-B/16", "ViT-L/16"],
)
def test_parameters_are_as_many_as_published(maker: Any, config: Any, count: int) -> None:
    with torch.device("meta"):  # shapes without numbers
        oracle = maker(config)
    model = ours(oracle)
    assert trees.count((model.parameters, model.pooler, model.classifier)) == count
