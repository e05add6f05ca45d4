"""A trained model: the parameters of a page of the book, and what it takes to make it read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from seqlab.book import bert, gpt, transformer, vit
from seqlab.book.attention import causal_mask
from seqlab.book.bert import BERT, Pooler
from seqlab.book.gpt import GPT
from seqlab.book.ops import Array
from seqlab.book.transformer import Block, Style, Trace
from seqlab.book.vit import Head, ViT
from seqlab.figures.glyphs import clean, shorten
from seqlab.lab import BadInput
from seqlab.locale import _

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # type: ignore[import-untyped]

STORYTELLER = "storyteller"  # the model that seqlab brings

_LONGEST_NAME = 120  # of a model, in a message that has one line


def shown(name: str) -> str:
    """A name, or what else came from a file, in a message: short, and on one line."""
    return shorten(clean(name), _LONGEST_NAME) if name else "''"


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
    labels: tuple[str, ...] = ()  # names of the classes, where there is a classifier
    classifier: Head | None = None
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
        t, v, name = ids.shape[-1], p.embed.shape[0], shown(self.name)
        if not 1 <= t <= self.longest:
            expected = _("1 to {longest}, which is what {name} can read")
            raise BadInput(
                _("{t} tokens").format(t=t), expected.format(longest=self.longest, name=name)
            )
        unknown = ids[(ids < 0) | (ids >= v)]
        if unknown.size:
            expected = _("0 to {last}, the rows of the embedding of {name}")
            raise BadInput(
                _("token {id}").format(id=int(unknown[0])), expected.format(last=v - 1, name=name)
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
                _("{name}: its states are not finite numbers").format(name=shown(self.name)),
                _("sound weights, and a mask that lets every query look somewhere"),
            )
        return trace

    def logits(self, x: Array) -> Array:
        """Scores of every next token; a causal model's last state (..., t, d) -> (..., t, v)."""
        if not isinstance(self.parameters, GPT):
            raise BadInput(
                _("{name} foretells no next token").format(name=shown(self.name)),
                _("a model that reads from left to right"),
                f"{STORYTELLER} · gpt2",
            )
        return gpt.logits(self.parameters, x, self.style)

    def classify(self, x: Array) -> Array:
        """Scores of the classes that `labels` name; a ViT's last state (..., t, d) -> (..., k)."""
        if self.classifier is None or not isinstance(self.parameters, ViT):
            raise BadInput(
                _("{name} has no classifier").format(name=shown(self.name)),
                _("a model that was trained to name what is in a picture"),
                "google/vit-base-patch16-224",
            )
        return vit.classify(self.classifier, vit.represent(self.parameters, x, self.style))


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
