"""Trained models from files, as parameters of the book: BERT and its kin, GPT-2, ViT, storyteller.

    model = load("bert-base-uncased")      # a folder, a name on the Hugging Face hub, "storyteller"
    tokens = tokenise(model, "The animal didn't cross the street.")
    trace = model.read(tokens.ids)         # states and attention weights of every layer

All is NumPy: neither torch nor transformers is imported, and only safetensors are read.

A linear layer of torch keeps its weight as (out, in); the book applies x @ W, (in, out): hence the
`.mT` below, which is a view. The functions from `_bert` on, one for each kind of model, say how it
is built and what its tensors are called; they serve arrays of either library.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from seqlab import hub, tokens, trees
from seqlab.book import bert, gpt, transformer, vit
from seqlab.book.attention import MultiHead, causal_mask
from seqlab.book.bert import BERT, Pooler
from seqlab.book.gpt import GPT, gelu_tanh
from seqlab.book.ops import Array, Verb, gelu, relu, sigmoid, split, zeros
from seqlab.book.positions import rotary
from seqlab.book.transformer import Block, FeedForward, Norm, Style, Trace
from seqlab.book.vit import Embedding, Head, ViT
from seqlab.figures.glyphs import clean, shorten
from seqlab.lab import BadInput, Watch, require
from seqlab.locale import _
from seqlab.tokens import Tokens
from seqlab.weights import SafeTensors, Shards, Weights

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # type: ignore[import-untyped]

STORYTELLER, UNTRAINED = "storyteller", "untrained"
BUNDLED = Path(__file__).parent / "data" / STORYTELLER

_LONGEST_NAME = 120  # of a model, in a message that has one line
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_PLAIN = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)  # a name of a shard


# Models


class Camera(NamedTuple):
    """How a model of pictures wants its pixels."""

    rows: int
    columns: int
    side: int  # of a patch, in pixels
    mean: tuple[float, ...]  # of each channel, subtracted ...
    std: tuple[float, ...]  # ... and divided by ...
    scale: float  # ... after multiplying the bytes by this

    def patches(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """A picture of the right size, (rows, columns, c) -> its patches (n, c p p)."""
        c = len(self.mean)
        if pixels.shape != (self.rows, self.columns, c):
            raise BadInput(
                _("a picture of {shape} numbers").format(shape=_shape(pixels.shape)),
                _shape((self.rows, self.columns, c)),
            )
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        x = (pixels * np.float32(self.scale) - mean) / std
        return vit.patchify(rearrange(x, "n1 n2 c -> c n1 n2"), self.side)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Model:
    """A model of the book with trained parameters, and what is needed to put something before it.

    `name` is what was asked for; `kind` is storyteller or the model_type of the folder's config.
    """

    name: str
    kind: str
    parameters: GPT | BERT | ViT
    style: Style
    causal: bool  # whether it reads from left to right
    longest: int  # tokens that it can read at once
    tokenizer: "Tokenizer | None" = None  # None: it reads pictures
    camera: Camera | None = None  # None: it reads text
    labels: tuple[str, ...] = ()  # names of the classes, where it has a classifier
    head: Head | None = None  # the classifier
    pooler: Pooler | None = None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The layers, bottom first."""
        return self.parameters.blocks

    @property
    def heads(self) -> int:
        """Heads in every layer."""
        return self.style.h

    def embed(self, x: Array) -> Array:
        """What the first layer reads: token numbers (..., t), or patches (..., n, c p p) of a ViT.

        -> (..., t, d), with t = n + 1 for pictures.
        """
        p = self.parameters
        if isinstance(p, ViT):
            return vit.embed(p.embedding, x)
        ids = np.asarray(x, np.int64)
        t, v = ids.shape[-1], p.embed.shape[0]
        if not 1 <= t <= self.longest:
            raise BadInput(
                _("{t} tokens").format(t=t),
                _("1 to {longest}, which is what {name} can read").format(
                    longest=self.longest, name=_shown(self.name)
                ),
            )
        if ids.min() < 0 or ids.max() >= v:
            raise BadInput(
                _("token {id}").format(id=int(ids.max() if ids.max() >= v else ids.min())),
                _("0 to {last}, the rows of the embedding of {name}").format(
                    last=v - 1, name=_shown(self.name)
                ),
            )
        return gpt.embed(p, ids) if isinstance(p, GPT) else bert.embed(p, ids, None, self.style)

    def read(self, x: Array, mask: Array | None = None) -> Trace:
        """The states and attention weights of every layer; x as in `embed`.

        `mask`, (..., t, t), is True where a query may look; where it is None a causal model looks
        back only, and the others everywhere.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # found at the end
            z = self.embed(x)
            if mask is None and self.causal:
                mask = causal_mask(z.shape[-2])
            trace = transformer.encode(self.blocks, z, self.style, mask)
        if not np.isfinite(trace.states[-1]).all():
            raise BadInput(
                _("{name}: its states are not finite numbers").format(name=_shown(self.name)),
                _("sound weights, and a mask that lets every query look somewhere"),
            )
        return trace

    def logits(self, x: Array) -> Array:
        """Scores of every next token; the last state (..., t, d) of a causal model -> (..., t, v)."""
        if not isinstance(self.parameters, GPT):
            raise BadInput(
                _("{name} foretells no next token").format(name=_shown(self.name)),
                _("a model that reads from left to right"),
                f"{STORYTELLER} · gpt2",
            )
        return gpt.logits(self.parameters, x, self.style)


def tokenise(model: Model, text: str) -> Tokens:
    """The text as the tokens that the model reads.

    Raises:
        BadInput: they are more than the model can read, or it reads no text.
    """
    if model.tokenizer is None:
        raise BadInput(
            _("{name} reads pictures").format(name=_shown(model.name)),
            _("a model that reads text"),
            STORYTELLER,
        )
    found = tokens.tokenise(model.tokenizer, text)
    if len(found.ids) > model.longest:
        raise BadInput(
            _("a text of {t} tokens").format(t=len(found.ids)),
            _("at most {longest}, which is what {name} can read").format(
                longest=model.longest, name=_shown(model.name)
            ),
            _("a shorter text"),
        )
    return found


# From names to folders


def load(name: str, watch: Watch | None = None, seed: int = 0) -> Model:
    """A trained model.

    Args:
        name: a folder; the name of a model on the Hugging Face hub (`bert-base-uncased`), which is
            fetched unless the local cache has it; `storyteller`, which seqlab brings; `untrained`,
            the same with weights drawn at random.
        watch: told how much has been fetched.
        seed: of the weights of `untrained`.

    Raises:
        BadInput: there is no such model, or its files cannot be read.
    """
    require(seed, "seed", 0)
    if name == STORYTELLER:
        return _open(BUNDLED, name)
    if name == UNTRAINED:
        return _untrained(_open(BUNDLED, name), seed)
    return _open(_find(name, watch), name)


def _find(name: str, watch: Watch | None) -> Path:
    folder = Path(name).expanduser()
    try:
        if folder.is_dir() and name:
            return folder
        there = folder.exists() and bool(name)
    except (OSError, ValueError):  # a name too long, or with a NUL
        there = False
    if there:
        raise BadInput(
            _("{name}: a file").format(name=_shown(name)),
            _("the folder with config.json and model.safetensors"),
            _shown(str(folder.parent)),
        )
    if hub.is_name(name):
        return hub.find(name, lambda get: _has_all(get, name), watch)
    close = difflib.get_close_matches(name, [STORYTELLER, UNTRAINED, *_neighbours(folder)], n=1)
    raise BadInput(
        _("{name}: no such folder").format(name=_shown(name)),
        _("a folder with config.json and model.safetensors, or a model's name on the hub"),
        _shown(close[0]) if close else f"{STORYTELLER} · bert-base-uncased",
    )


def _neighbours(folder: Path) -> list[str]:
    """The folders beside it."""
    try:
        return [str(each) for each in list(folder.parent.iterdir())[:1000] if each.is_dir()]
    except (OSError, ValueError):
        return []


def _has_all(get: hub.Get, name: str) -> bool:
    """Whether `get` finds all files of a model; the small ones, which may refuse it, come first."""
    path = get("config.json")
    if path is None:
        return False
    kind = _kind(_config(path, _shown(name)), _shown(name))
    if kind.pictures:
        get("preprocessor_config.json")
        tokenizer = True
    else:
        tokenizer = bool(get("tokenizer.json"))
        if not tokenizer:  # BERT's, of before 2020
            get("tokenizer_config.json")
            tokenizer = bool(get("vocab.txt"))
    if get("model.safetensors"):
        return tokenizer
    index = get("model.safetensors.index.json")
    if index is None:
        return False
    files = set(_shards(index, _shown(name)).values())
    return all([get(file) for file in sorted(files)]) and tokenizer


def _shown(name: str) -> str:
    """A name in a message: short, and on one line."""
    return shorten(clean(name), _LONGEST_NAME) if name else "''"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "1"


# From folders to models


class Config:
    """config.json: every value is checked when it is asked for."""

    def __init__(self, values: Mapping[str, Any], name: str = "") -> None:
        self._values, self._name = values, name

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def whole(self, key: str, default: int | None = None, low: int = 1) -> int:
        """A whole number of at least `low`."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self.wrong(key, value, _("a whole number of at least {low}").format(low=low))
        return value

    def real(self, key: str, default: float | None = None) -> float:
        """A number of at least 0."""
        value = self._value(key, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not 0 <= value < math.inf
        ):
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
                _("{name}: config.json has no {key}").format(name=self._name, key=key),
                _("the config of a model as the library transformers saves it"),
            )
        return value

    def labels(self) -> tuple[str, ...]:
        """The names of the classes, by number; transformers leaves out the default of two."""
        names = self._values.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        if not isinstance(names, Mapping):
            raise self.wrong("id2label", names, _("the names of the classes by number"))
        return tuple(str(names[i]) for i in sorted(names, key=lambda i: int(i)))

    def wrong(self, key: str, value: Any, expected: str) -> BadInput:
        """The complaint that the value of a key is not as expected."""
        wrong = _("{name}: {key} is {value} in config.json")
        return BadInput(wrong.format(name=self._name, key=key, value=_shown(str(value))), expected)


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
        attention = MultiHead(*split(W_qkv, 3), W_o, *split(b_qkv, 3), b_o)
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
    return replace(model, labels=labels, head=Head(*_linear(get, "classifier", d, len(labels))))


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


class _Kind(NamedTuple):
    build: Callable[[Config, Weights], Model]
    prefix: str  # that may stand before the names of the tensors
    pictures: bool = False


KINDS = {
    "bert": _Kind(_bert, "bert."),
    "roberta": _Kind(_roberta, "roberta."),
    "xlm-roberta": _Kind(_roberta, "roberta."),
    "camembert": _Kind(_roberta, "roberta."),
    "distilbert": _Kind(_distilbert, "distilbert."),
    "gpt2": _Kind(_gpt2, "transformer."),
    "vit": _Kind(_vit, "vit.", pictures=True),
    STORYTELLER: _Kind(_storyteller, ""),
}


def assemble(config: Mapping[str, Any], tensors: Mapping[str, Any], name: str = "") -> Model:
    """The model that a config describes, of tensors from anywhere; no tokenizer.

    Args:
        config: what config.json holds.
        tensors: arrays of NumPy or torch by the names that transformers gives them.
        name: of the model, for itself and for messages.

    Raises:
        BadInput: the config or a tensor is not as it must be.
    """
    shown = _shown(name)
    kind = _kind(config, shown)
    model = kind.build(Config(config, shown), Weights(tensors, kind.prefix, shown))
    return replace(model, name=name, kind=str(config["model_type"]))


def _kind(config: Mapping[str, Any], shown: str) -> _Kind:
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in KINDS:
        wrong = _("{name}: a model of type {kind}")
        raise BadInput(
            wrong.format(name=shown, kind="?" if kind is None else _shown(str(kind))),
            _("one of {kinds}").format(kinds=", ".join(KINDS)),
            STORYTELLER,
        )
    return KINDS[kind]


def _open(folder: Path, name: str) -> Model:
    """The model of a folder, with its tokenizer, or with what it wants of pictures."""
    shown = _shown(name)
    config = _config(folder / "config.json", shown)
    kind = _kind(config, shown)
    model = assemble(config, _tensors(folder, shown), name)
    if not kind.pictures:
        return replace(model, tokenizer=tokens.read(folder, shown))
    path = folder / "preprocessor_config.json"
    if model.camera is None or not path.is_file():
        return model
    return replace(model, camera=_focused(model.camera, _json(path, shown), shown))


def _focused(camera: Camera, settings: Mapping[str, Any], shown: str) -> Camera:
    """The camera with the colours that preprocessor_config.json asks for."""
    c = len(camera.mean)

    def channels(key: str, default: float) -> tuple[float, ...]:
        values = settings.get(key) or [default] * c
        good = isinstance(values, list) and len(values) == c
        if not good or not all(type(x) in (int, float) and math.isfinite(x) for x in values):
            raise BadInput(
                _("{name}: {key} in preprocessor_config.json").format(name=shown, key=key),
                _("{c} numbers, one for each channel").format(c=c),
            )
        return tuple(map(float, values))

    normal, scaled = settings.get("do_normalize", True), settings.get("do_rescale", True)
    return camera._replace(
        mean=channels("image_mean", 0.5) if normal else (0.0,) * c,
        std=channels("image_std", 0.5) if normal else (1.0,) * c,
        scale=float(settings.get("rescale_factor", 1 / 255)) if scaled else 1.0,
    )


def _untrained(model: Model, seed: int) -> Model:
    """The same shape with weights drawn at random."""
    p = model.parameters
    assert isinstance(p, GPT)
    v, d = p.embed.shape
    m = p.blocks[0].feed_forward.b_1.shape[0]
    drawn = gpt.init(np.random.default_rng(seed), v, d, m, len(p.blocks))
    single = trees.convert(lambda x: x.astype(np.float32), drawn)
    return replace(model, name=UNTRAINED, parameters=single)


def _tensors(folder: Path, shown: str) -> Mapping[str, Any]:
    """The weights of a folder, in one file or in shards."""
    if (folder / "model.safetensors").is_file():
        return SafeTensors(folder / "model.safetensors", shown)
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        files = _shards(index, shown)
        for file in sorted(set(files.values())):
            if not (folder / file).is_file():
                raise BadInput(
                    _("{name}: no {file}").format(name=shown, file=_shown(file)),
                    _("all files that model.safetensors.index.json names"),
                    _("fetching it again"),
                )
        return Shards(folder, files, shown)
    pickles = [each.name for suffix in _PICKLED for each in sorted(folder.glob(suffix))]
    convert = f"AutoModel.from_pretrained('{shown}').save_pretrained('FOLDER')"
    if pickles:
        wrong = _("{name}: only {file}, a pickle, which could run any program")
        raise BadInput(
            wrong.format(name=shown, file=_shown(pickles[0])),
            "model.safetensors",
            _("{code} in transformers").format(code=convert),
        )
    raise BadInput(
        _("{name}: no model.safetensors").format(name=shown),
        _("weights as safetensors, the only format that is read"),
        _("{code} in transformers").format(code=convert),
    )


def _shards(index: Path, shown: str) -> dict[str, str]:
    """In which file each tensor lies."""
    files = _json(index, shown).get("weight_map")
    # plain names only: nothing outside of the folder is opened or fetched
    if not isinstance(files, dict) or not all(_PLAIN.fullmatch(str(x)) for x in files.values()):
        raise BadInput(
            _("{name}: {file} is damaged").format(name=shown, file=index.name),
            _("the file's name for every tensor"),
            _("fetching it again"),
        )
    return dict(files)


def _config(path: Path, shown: str) -> dict[str, Any]:
    if not path.is_file():
        within = sorted(each.parent for each in path.parent.glob("*/config.json"))
        raise BadInput(
            _("{name}: no config.json").format(name=shown),
            _("a folder with config.json, model.safetensors and tokenizer.json"),
            _shown(str(within[0])) if within else STORYTELLER,
        )
    return _json(path, shown)


def _json(path: Path, shown: str) -> dict[str, Any]:
    """A JSON object from a file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        reason = "" if isinstance(values, dict) else type(values).__name__
    except (OSError, ValueError, RecursionError) as problem:
        values, reason = None, str(getattr(problem, "strerror", None) or problem)
    if reason:
        raise BadInput(
            _("{name}: {file} is damaged ({reason})").format(
                name=shown, file=path.name, reason=_shown(reason)
            ),
            _("an object in JSON"),
            _("fetching it again"),
        )
    return values  # type: ignore[no-any-return]
