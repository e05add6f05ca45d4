"""Small models of transformers, every parameter at random: what checkpoints are compared with."""

from typing import Any, NamedTuple

import numpy as np
import torch
import transformers as hf

VOCABULARY, LONGEST = 23, 17  # no two sizes are alike
SMALL = {
    "hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 3, "layer_norm_eps": 0.1,
}  # fmt: skip
BERT = {
    **SMALL, "intermediate_size": 20, "vocab_size": VOCABULARY, "type_vocab_size": 2,
    "max_position_embeddings": LONGEST,
}  # fmt: skip
DISTIL = {
    "dim": 12, "n_heads": 3, "n_layers": 3, "hidden_dim": 20, "vocab_size": VOCABULARY,
    "max_position_embeddings": LONGEST,
}  # fmt: skip
GPT = {
    "n_embd": 12, "n_head": 3, "n_layer": 3, "vocab_size": VOCABULARY, "n_positions": LONGEST,
    "layer_norm_epsilon": 0.1,
}  # fmt: skip
VIT = {**SMALL, "intermediate_size": 20, "image_size": (12, 20), "patch_size": 4}
ROBERTA = {**BERT, "type_vocab_size": 1, "pad_token_id": 1}


class Maker(NamedTuple):
    model: type[Any]
    config: type[Any]
    settings: dict[str, Any]


TEXT = {
    "bert": Maker(hf.BertModel, hf.BertConfig, BERT),
    "bert for words": Maker(
        hf.BertForMaskedLM, hf.BertConfig, {**BERT, "hidden_act": "gelu_new", "type_vocab_size": 3}
    ),
    "roberta": Maker(hf.RobertaModel, hf.RobertaConfig, ROBERTA),
    "xlm-roberta": Maker(
        hf.XLMRobertaForMaskedLM, hf.XLMRobertaConfig, {**ROBERTA, "pad_token_id": 4}
    ),
    "camembert": Maker(hf.CamembertModel, hf.CamembertConfig, ROBERTA),
    "distilbert": Maker(hf.DistilBertModel, hf.DistilBertConfig, DISTIL),
    "distilbert for words": Maker(
        hf.DistilBertForMaskedLM, hf.DistilBertConfig, {**DISTIL, "activation": "relu"}
    ),
    "gpt2": Maker(hf.GPT2LMHeadModel, hf.GPT2Config, GPT),
    "gpt2 without a head": Maker(
        hf.GPT2Model, hf.GPT2Config, {**GPT, "n_inner": 20, "activation_function": "quick_gelu"}
    ),
}
PICTURES = {
    "vit": Maker(hf.ViTModel, hf.ViTConfig, VIT),
    "vit for classes": Maker(
        hf.ViTForImageClassification, hf.ViTConfig, {**VIT, "num_labels": 5, "qkv_bias": False}
    ),
}


def make(name: str, dtype: str = "float32", attention: str = "eager") -> Any:
    """A model whose parameters are all N(0, 0.5²), without dropout.

    Eager attention returns its weights, but that of ViT computes its softmax in float32 always.
    """
    maker = (TEXT | PICTURES)[name]
    config = maker.config(**maker.settings)
    config._attn_implementation = attention
    model = maker.model(config).eval().to(getattr(torch, dtype))
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.tensor(rng.normal(0, 0.5, tuple(p.shape))))
    return model
