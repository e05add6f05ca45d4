"""Text cut into the tokens that a model reads, each beside the part of the text it stands for.

A tokenizer's own spelling (`Ġwolf`, `##ness`, `ä½ł`) is for the machine. What a person reads is
taken from the text itself, through the positions that the tokenizer returns: with its capitals,
accents and scripts. A character cut into bytes, a token each, stands with the first of them.
"""

import json
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from seqlab.figures.glyphs import clean
from seqlab.lab import BadInput
from seqlab.locale import _

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer  # type: ignore[import-untyped]

CONTINUED = "·"  # before a token that goes on with a word, and alone for the later bytes of a sign
BLANK = "␣"  # a token of white space


class Tokens(NamedTuple):
    """A text as tokens: t entries each."""

    ids: list[int]  # rows of the embedding
    pieces: list[str]  # as the vocabulary spells them
    texts: list[str]  # the part of the text without white space around; special tokens have none
    labels: list[str]  # what a person reads
    words: list[int | None]  # number of the word, as the tokenizer sees words; None: special
    special: list[bool]  # added by the tokenizer: [CLS], <s>


# Cutting


def tokenise(tokenizer: "Tokenizer", text: str) -> Tokens:
    """Any text, also one with lone surrogates, which become U+FFFD."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    found = tokenizer.encode(text)
    special = [bool(each) for each in found.special_tokens_mask]
    words = [None if s else word for s, word in zip(special, found.word_ids)]
    texts = _texts(found, special, text)
    return Tokens(
        list(found.ids), list(found.tokens), texts, _labels(found.tokens, texts, words, special),
        words, special,
    )  # fmt: skip


def _texts(found: "Encoding", special: Sequence[bool], text: str) -> list[str]:
    """What of the text each token stands for: together all of it, white space apart.

    A token reaches up to where the next one begins, over characters that normalisation merged into
    the one before them.
    """
    spans = found.offsets
    starts = sorted(start for (start, _end), s in zip(spans, special) if not s)
    starts.append(len(text))
    texts, done = [], 0
    for (start, end), is_special in zip(spans, special):
        begin = max(start, done)
        if not is_special:
            done = max(done, starts[bisect_left(starts, end)])
        texts.append("".join(text[begin:done].split()))
    return texts


def _labels(
    pieces: Sequence[str],
    texts: Sequence[str],
    words: Sequence[int | None],
    special: Sequence[bool],
) -> list[str]:
    labels, begun = [], None  # the word of which something has been shown
    for piece, text, word, is_special in zip(pieces, texts, words, special):
        goes_on = word is not None and word == begun
        if is_special:
            labels.append(piece)
        elif text:
            seen = text if clean(text).strip() else f"U+{ord(text[0]):04X}"  # a joiner, a bare mark
            labels.append(CONTINUED * goes_on + seen)
            begun = word
        else:
            labels.append(CONTINUED if goes_on else BLANK)
    return labels


# Reading tokenizers


def read(folder: Path, name: str) -> "Tokenizer":
    """The tokenizer of a model's folder: tokenizer.json, or BERT's vocab.txt.

    Args:
        folder: where the files are.
        name: the model's, as messages show it.

    Raises:
        BadInput: there is none, or it cannot be read.
    """
    from tokenizers import Tokenizer  # here, for pictures need none

    path = folder / "tokenizer.json"
    try:
        if path.is_file():
            tokenizer = Tokenizer.from_file(str(path))
        elif (folder / "vocab.txt").is_file():
            path = folder / "vocab.txt"
            tokenizer = _word_pieces(folder)
        else:
            raise BadInput(
                _("{name}: no tokenizer.json").format(name=name),
                _("a tokenizer beside the weights"),
                _("saving it there with transformers' AutoTokenizer, save_pretrained"),
            )
    except BadInput:
        raise
    except Exception as problem:  # tokenizers raises nothing more special
        reason = " ".join(str(problem).split())[:80]
        raise BadInput(
            _("{name}: {file} is damaged ({reason})").format(
                name=name, file=path.name, reason=reason
            ),
            _("a tokenizer that the library tokenizers reads"),
        ) from problem
    tokenizer.no_truncation()  # some folders ask for 128 tokens, always
    tokenizer.no_padding()
    return tokenizer


def _word_pieces(folder: Path) -> "Tokenizer":
    """BERT's tokenizer from its list of words, one a line, as folders had it before 2020."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = {word: i for i, word in enumerate(lines)}
    settings: dict[str, Any] = {}
    if (folder / "tokenizer_config.json").is_file():
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=settings.get("do_lower_case", True),
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ends = ["[CLS]", "[SEP]"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(each, vocabulary[each]) for each in ends]
    )
    special = [each for each in ("[UNK]", "[PAD]", "[MASK]", *ends) if each in vocabulary]
    tokenizer.add_special_tokens(special)
    return tokenizer
