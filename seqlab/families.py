"""The kinds of models that can be read, and how transformers names their tensors and settings.

A linear layer of torch keeps its weight as (out, in); the book applies x @ W, (in, out): hence the
`.mT` below, which is a view. There is a function for each kind, which says how it is built and what
its tensors are called; the arrays may be of either library.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from einops import rearrange

from seqlab.book.attention import MultiHead
from seqlab.book.bert import BERT, Pooler
from seqlab.book.gpt import GPT, gelu_tanh
from seqlab.book.ops import Array, Verb, gelu, relu, sigmoid, split, zeros
from seqlab.book.positions import rotary
from seqlab.book.transformer import Block, FeedForward, Norm, Style
from seqlab.book.vit import Embedding, Head, ViT
from seqlab.lab import BadInput
from seqlab.locale import _, listed
from seqlab.models import STORYTELLER, Camera, Model, shown
from seqlab.weights import Weights

# Settings


class Config:
    """Settings from a file of JSON; every value is checked when it is asked for.

    Args:
        values: the JSON object.
        name: the model's, as messages show it.
        file: where they stand.
    """

    def __init__(
        self, values: Mapping[str, Any], name: str = "", file: str = "config.json"
    ) -> None:
        self._values, self._name, self._file = values, name, file

    def whole(self, key: str, default: int | None = None, low: int = 1) -> int:
        """A whole number of at least `low`."""
        value = self._value(key, default)
        if type(value) is not int or value < low:
            raise self.wrong(key, value, _("a whole number of at least {low}").format(low=low))
        return value

    def channels(self, key: str, c: int, default: float) -> tuple[float, ...]:
        """A number for each of c channels."""
        values = self._value(key, [default] * c)
        good = isinstance(values, list) and len(values) == c
        if not good or not all(type(x) in (int, float) and math.isfinite(x) for x in values):
            raise self.wrong(key, values, _("{c} numbers, one for each channel").format(c=c))
        return tuple(map(float, values))

    def real(self, key: str, default: float | None = None) -> float:
        """A number of at least 0."""
        value = self._value(key, default)
        if type(value) not in (int, float) or not 0 <= value < math.inf:
            raise self.wrong(key, value, _("a number of at least 0"))
        return float(value)

    def pair(self, key: str) -> tuple[int, int]:
        """A height and a width; one number is both."""
        value = self._value(key, None)
        numbers = value if isinstance(value, list | tuple) else [value, value]
        if len(numbers) != 2 or not all(type(n) is int and n >= 1 for n in numbers):
            raise self.wrong(key, value, _("one or two whole numbers of at least 1"))
        return numbers[0], numbers[1]

    def one_of(self, key: str, *allowed: Any) -> Any:
        """One of the values that are known here; the first is the default."""
        value = self._values.get(key, allowed[0])
        if value not in allowed:
            raise self.wrong(key, value, " · ".join(map(str, allowed)))
        return value

    def heads(self, key: str, d: int) -> int:
        """A number of heads, which share the width d."""
        h = self.whole(key)
        if d % h:
            raise self.wrong(key, h, _("a divisor of the width {d}").format(d=d))
        return h

    def _value(self, key: str, default: Any) -> Any:
        value = self._values.get(key)
        value = default if value is None else value
        if value is None:
            raise BadInput(
                _("{name}: no {key} in {file}").format(name=self._name, key=key, file=self._file),
                _("the settings of a model as the library transformers saves them"),
            )
        return value

    def labels(self) -> tuple[str, ...]:
        """The names of the classes, by number; transformers leaves out the default of two."""
        names = self._values.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        if not isinstance(names, Mapping) or not all(str(i).isdecimal() for i in names):
            raise self.wrong("id2label", names, _("the names of the classes by number"))
        return tuple(str(names[i]) for i in sorted(names, key=int))

    def wrong(self, key: str, value: Any, expected: str) -> BadInput:
        """The complaint that the value of a key is not as expected."""
        wrong = _("{name}: {key} is {value} in {file}").format(
            name=self._name, key=key, value=shown(str(value)), file=self._file
        )
        return BadInput(wrong, expected)


def quick_gelu(x: Array) -> Array:
    """GELU approximated as x σ(1.702 x) (Hendrycks & Gimpel 2016, §2); x of any shape."""
    return x * sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Verb] = {
    "gelu": gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "quick_gelu": quick_gelu,
    "relu": relu,
}


# Tensors


class _Layer(NamedTuple):
    """What the tensors of one block are called."""

    at: str
    q: str
    k: str
    v: str
    o: str
    norm_1: str
    up: str
    down: str
    norm_2: str


_BERT = _Layer(
    "encoder.layer.{}", "attention.self.query", "attention.self.key", "attention.self.value",
    "attention.output.dense", "attention.output.LayerNorm",
    "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip
_DISTILBERT = _Layer(
    "transformer.layer.{}", "attention.q_lin", "attention.k_lin", "attention.v_lin",
    "attention.out_lin", "sa_layer_norm",
    "ffn.lin1", "ffn.lin2", "output_layer_norm",
)  # fmt: skip
_VIT = _Layer(
    "encoder.layer.{}", "attention.attention.query", "attention.attention.key",
    "attention.attention.value", "attention.output.dense", "layernorm_before",
    "intermediate.dense", "output.dense", "layernorm_after",
)  # fmt: skip


def _linear(
    get: Weights, name: str, d_in: int, d_out: int, bias: bool = True
) -> tuple[Array, Array]:
    """W (in, out) and b, which is 0 where the layer has none."""
    W = get(f"{name}.weight", d_out, d_in).mT
    return W, get(f"{name}.bias", d_out) if bias else zeros((d_out,), like=W)


def _norm(get: Weights, name: str, d: int) -> Norm:
    return Norm(get(f"{name}.weight", d), get(f"{name}.bias", d))


def _blocks(
    get: Weights, names: _Layer, layers: int, d: int, m: int, qkv_bias: bool = True
) -> tuple[Block, ...]:
    def block(i: int) -> Block:
        at = _Layer(*(f"{names.at.format(i)}.{each}" for each in names))
        W_q, b_q = _linear(get, at.q, d, d, qkv_bias)
        W_k, b_k = _linear(get, at.k, d, d, qkv_bias)
        W_v, b_v = _linear(get, at.v, d, d, qkv_bias)
        W_o, b_o = _linear(get, at.o, d, d)
        attention = MultiHead(W_q, W_k, W_v, W_o, b_q, b_k, b_v, b_o)
        ff = FeedForward(*_linear(get, at.up, d, m), *_linear(get, at.down, m, d))
        return Block(attention, _norm(get, at.norm_1, d), ff, _norm(get, at.norm_2, d))

    return tuple(block(i) for i in range(layers))


def _activation(config: Config, key: str) -> Verb:
    return ACTIVATIONS[config.one_of(key, *ACTIVATIONS)]


def _bert(config: Config, get: Weights, first: int = 0) -> Model:
    """Devlin et al. 2019; `first` is the row of the first position."""
    config.one_of("position_embedding_type", "absolute")
    config.one_of("is_decoder", False)
    d, m = config.whole("hidden_size"), config.whole("intermediate_size")
    v, longest = config.whole("vocab_size"), config.whole("max_position_embeddings")
    segments = config.whole("type_vocab_size", 2)
    style = Style(
        h=config.heads("num_attention_heads", d),
        pre_norm=False,
        eps=config.real("layer_norm_eps", 1e-12),
        activation=_activation(config, "hidden_act"),
    )
    p = BERT(
        embed=get.rows("embeddings.word_embeddings.weight", v, d),
        pos=get("embeddings.position_embeddings.weight", longest, d)[first:],
        segment=get("embeddings.token_type_embeddings.weight", segments, d),
        norm=_norm(get, "embeddings.LayerNorm", d),
        blocks=_blocks(get, _BERT, config.whole("num_hidden_layers"), d, m),
    )
    has_pooler = "pooler.dense.weight" in get
    pooler = Pooler(*_linear(get, "pooler.dense", d, d)) if has_pooler else None
    return Model("", "bert", p, style, False, longest - first, pooler=pooler)


def _roberta(config: Config, get: Weights) -> Model:
    """Liu et al. 2019: BERT whose positions begin after the number of the padding token."""
    return _bert(config, get, first=config.whole("pad_token_id", 1, low=0) + 1)


def _distilbert(config: Config, get: Weights) -> Model:
    """Sanh et al. 2019: BERT without segments."""
    d, m = config.whole("dim"), config.whole("hidden_dim")
    v, longest = config.whole("vocab_size"), config.whole("max_position_embeddings")
    activation = _activation(config, "activation")
    style = Style(config.heads("n_heads", d), pre_norm=False, eps=1e-12, activation=activation)
    p = BERT(
        embed=get.rows("embeddings.word_embeddings.weight", v, d),
        pos=get("embeddings.position_embeddings.weight", longest, d),
        segment=None,
        norm=_norm(get, "embeddings.LayerNorm", d),
        blocks=_blocks(get, _DISTILBERT, config.whole("n_layers"), d, m),
    )
    return Model("", "distilbert", p, style, False, longest)


def _gpt2(config: Config, get: Weights) -> Model:
    """Radford et al. 2019. Its weights are (in, out) already, those of q, k and v in one."""
    config.one_of("scale_attn_weights", True)
    config.one_of("scale_attn_by_inverse_layer_idx", False)
    config.one_of("tie_word_embeddings", True)
    d, v, longest = config.whole("n_embd"), config.whole("vocab_size"), config.whole("n_positions")
    m = config.whole("n_inner", 4 * d)
    style = Style(
        h=config.heads("n_head", d),
        pre_norm=True,
        eps=config.real("layer_norm_epsilon", 1e-5),
        activation=ACTIVATIONS[config.one_of("activation_function", "gelu_new", *ACTIVATIONS)],
    )

    def linear(name: str, d_in: int, d_out: int) -> tuple[Array, Array]:
        return get(f"{name}.weight", d_in, d_out), get(f"{name}.bias", d_out)

    def block(i: int) -> Block:
        W_qkv, b_qkv = linear(f"h.{i}.attn.c_attn", d, 3 * d)
        W_o, b_o = linear(f"h.{i}.attn.c_proj", d, d)
        (W_q, W_k, W_v), (b_q, b_k, b_v) = split(W_qkv, 3), split(b_qkv, 3)
        attention = MultiHead(W_q, W_k, W_v, W_o, b_q, b_k, b_v, b_o)
        ff = FeedForward(*linear(f"h.{i}.mlp.c_fc", d, m), *linear(f"h.{i}.mlp.c_proj", m, d))
        return Block(attention, _norm(get, f"h.{i}.ln_1", d), ff, _norm(get, f"h.{i}.ln_2", d))

    p = GPT(
        embed=get.rows("wte.weight", v, d),
        pos=get("wpe.weight", longest, d),
        blocks=tuple(block(i) for i in range(config.whole("n_layer"))),
        norm=_norm(get, "ln_f", d),
    )
    return Model("", "gpt2", p, style, True, longest)


def _vit(config: Config, get: Weights) -> Model:
    """Dosovitskiy et al. 2020."""
    d, m = config.whole("hidden_size"), config.whole("intermediate_size")
    c, layers = config.whole("num_channels", 3), config.whole("num_hidden_layers")
    rows, columns = config.pair("image_size")
    side, width = config.pair("patch_size")
    if side != width or rows % side or columns % side:
        expected = _("the side of a square that divides {rows} × {columns} pixels")
        size = side if side == width else f"{side} × {width}"
        raise config.wrong("patch_size", size, expected.format(rows=rows, columns=columns))
    n = (rows // side) * (columns // side)
    style = Style(
        h=config.heads("num_attention_heads", d),
        pre_norm=True,
        eps=config.real("layer_norm_eps", 1e-12),
        activation=_activation(config, "hidden_act"),
    )
    kernel = get("embeddings.patch_embeddings.projection.weight", d, c, side, side)
    embedding = Embedding(
        E=rearrange(kernel, "d c p1 p2 -> (c p1 p2) d"),
        b=get("embeddings.patch_embeddings.projection.bias", d),
        cls=get("embeddings.cls_token", 1, 1, d)[0, 0],
        pos=get("embeddings.position_embeddings", 1, n + 1, d)[0],
    )
    blocks = _blocks(get, _VIT, layers, d, m, config.one_of("qkv_bias", True, False))
    p = ViT(embedding, blocks, _norm(get, "layernorm", d))
    camera = Camera(rows, columns, side, (0.5,) * c, (0.5,) * c, 1 / 255)
    model = Model("", "vit", p, style, False, n + 1, camera=camera)
    if "classifier.weight" not in get:
        return model
    labels = config.labels()
    classifier = Head(*_linear(get, "classifier", d, len(labels)))
    return replace(model, labels=labels, classifier=classifier)


def _storyteller(config: Config, get: Weights) -> Model:
    """What scripts/train_storyteller.py writes: GPT-2's blocks with rotary positions.

    The tensors are called as in the book.
    """
    d, m = config.whole("hidden_size"), config.whole("intermediate_size")
    base = config.real("rope_theta", 10000.0)
    style = Style(
        h=config.heads("num_attention_heads", d),
        pre_norm=True,
        eps=config.real("layer_norm_eps", 1e-5),
        activation=_activation(config, "hidden_act"),
        rotate=lambda x: rotary(x, base),
    )

    def norm(name: str) -> Norm:
        return _norm(get, name, d)

    def block(i: int) -> Block:
        def part(name: str, **shapes: tuple[int, ...]) -> list[Array]:
            return [get(f"blocks.{i}.{name}.{x}", *shape) for x, shape in shapes.items()]

        heads = {name: (d,) if name.startswith("b") else (d, d) for name in MultiHead._fields}
        attention = MultiHead(*part("attention", **heads))
        ff = FeedForward(*part("feed_forward", W_1=(d, m), b_1=(m,), W_2=(m, d), b_2=(d,)))
        return Block(attention, norm(f"blocks.{i}.norm_1"), ff, norm(f"blocks.{i}.norm_2"))

    blocks = tuple(block(i) for i in range(config.whole("num_hidden_layers")))
    p = GPT(get.rows("embed", config.whole("vocab_size"), d), None, blocks, norm("norm"))
    return Model("", STORYTELLER, p, style, True, config.whole("max_position_embeddings"))


# Kinds


class Kind(NamedTuple):
    """A model_type that can be read."""

    build: Callable[[Config, Weights], Model]
    prefix: str  # that may stand before the names of the tensors
    pictures: bool = False


KINDS = {
    "bert": Kind(_bert, "bert."),
    "roberta": Kind(_roberta, "roberta."),
    "xlm-roberta": Kind(_roberta, "roberta."),
    "camembert": Kind(_roberta, "roberta."),
    "distilbert": Kind(_distilbert, "distilbert."),
    "gpt2": Kind(_gpt2, "transformer."),
    "vit": Kind(_vit, "vit.", pictures=True),
    STORYTELLER: Kind(_storyteller, ""),
}


def kind_of(config: Mapping[str, Any], name: str) -> Kind:
    """The kind that `model_type` names; `name` is the model's, as messages show it."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in KINDS:
        wrong = _("{name}: a model of type {kind}")
        raise BadInput(
            wrong.format(name=name, kind=shown(str(kind or "?"))),
            _("one of {kinds}").format(kinds=listed(KINDS)),
            STORYTELLER,
        )
    return KINDS[kind]


def assemble(config: Mapping[str, Any], tensors: Mapping[str, Any], name: str = "") -> Model:
    """The model that a config describes, of tensors from anywhere; no tokenizer.

    Args:
        config: what config.json holds.
        tensors: arrays of NumPy or torch by the names that transformers gives them.
        name: of the model, for itself and for messages.

    Raises:
        BadInput: the config or a tensor is not as it must be.
    """
    title = shown(name)
    kind = kind_of(config, title)
    model = kind.build(Config(config, title), Weights(tensors, kind.prefix, title))
    return replace(model, name=name, kind=str(config["model_type"]))
