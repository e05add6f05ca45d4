#!/usr/bin/env python3
"""Train storyteller, the language model that seqlab brings: tokenizer, weights and model card.

    python scripts/train_storyteller.py stories.txt.xz              # about two hours on two cores
    python scripts/train_storyteller.py stories.txt.xz --card-only  # measure what is there again

The text is UTF-8 with one paragraph a line (.xz or plain). What the card says of the model is
measured here, on the end of the text, which it was not trained on.
"""

import argparse
import itertools
import json
import lzma
import math
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from seqlab import train, trees
from seqlab.book import gpt
from seqlab.book.gpt import GPT
from seqlab.book.positions import rotary
from seqlab.book.transformer import Style

START = 0  # <s>, which begins every text: a first token that is there for every head to rest on
V, D, M, LAYERS, HEADS, LONGEST = 4096, 128, 512, 4, 8, 512
STYLE = Style(h=HEADS, pre_norm=True, rotate=rotary)
BATCH = 24 * 128  # tokens a step
DISCOUNT = 0.75  # of the 5-gram model that it must beat
REPEATED = 0.25  # of the sequences
HELD_OUT = 0.02  # of the text, its end: what the model has never seen


def read(path: Path) -> list[str]:
    """The paragraphs."""
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode()
    return [line.strip() for line in text.splitlines() if line.strip()]


def make_tokenizer(paragraphs: list[str]) -> Tokenizer:
    """Byte-level BPE, lower-cased: any text has tokens, for every byte is one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    words = Regex(r"'(?:s|t|re|ve|m|ll|d)|\s?\p{L}+|\s?\p{N}|\s?[^\s\p{L}\p{N}]+|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=V, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator((" " + line for line in paragraphs), trainer)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(" "), normalizers.NFC(), normalizers.Lowercase()]
    )
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", START)]),
        ]
    )
    return tokenizer


def encode(tokenizer: Tokenizer, paragraphs: list[str]) -> np.ndarray:
    """One long row of token numbers, a line end after every paragraph."""
    end = tokenizer.encode_batch(["\n"], add_special_tokens=False)[0].ids[-1:]
    rows = tokenizer.encode_batch(paragraphs, add_special_tokens=False)
    return np.array([i for row in rows for i in row.ids + end], np.int64)


# Training


def sequences(rng: np.random.Generator, text: np.ndarray, b: int, t: int):
    """A batch of token numbers (b, t) that begin with <s>, and the targets that count (b, t - 1).

    Three in four are a stretch of the text. One in four is a span, of the text or of tokens at
    random, repeated to the end, so that heads form that look for what came before; the first round
    of a random span foretells nothing and does not count.
    """
    starts = rng.integers(0, len(text) - t, b)
    tokens = text[starts[:, None] + np.arange(t)]
    tokens[:, 0] = START
    counts = np.ones((b, t - 1), bool)
    for row in np.flatnonzero(rng.random(b) < REPEATED):
        period = int(rng.integers(4, t // 2))
        random = rng.random() < 0.5
        span = rng.integers(1, V, period) if random else tokens[row, 1 : period + 1].copy()
        tokens[row, 1:] = np.resize(span, t - 1)
        if random:
            counts[row, :period] = False
    return torch.from_numpy(tokens), torch.from_numpy(counts)


def loss(p: GPT, tokens: torch.Tensor, counts: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Cross-entropy of the next token, nats a token."""
    tokens, counts = tokens.to(device), counts.to(device)
    x = gpt.read(p, tokens[:, :-1], STYLE).states[-1]
    scores = gpt.logits(p, x[counts], STYLE)
    return F.cross_entropy(scores, tokens[:, 1:][counts])


class Stage(NamedTuple):
    """A part of the training: AdamW with warm-up, and a cosine down to 0."""

    steps: int
    lr: float
    warmup: int
    lengths: tuple[tuple[float, int], ...]  # (share of the steps, tokens a sequence), in order


# Short sequences first, for they are cheap (Press et al. 2021); the second stage, with a rate that
# still moves something, is what makes the model of use beyond 128 tokens; it blurs the induction
# heads, which the third brings back.
STAGES = (
    Stage(5000, 3e-3, 200, ((0.9, 128), (0.1, LONGEST))),
    Stage(700, 1e-3, 50, ((1.0, LONGEST),)),
    Stage(160, 5e-4, 10, ((1.0, 128),)),
)


def teach(p: GPT, text: np.ndarray, stage: Stage, seed: int, device: torch.device, say) -> None:
    """One stage."""
    rng = np.random.default_rng(seed)

    def lesson(step: int) -> torch.Tensor:
        ends = itertools.accumulate(share for share, _ in stage.lengths)
        lengths = (t for end, (_, t) in zip(ends, stage.lengths) if step < round(end * stage.steps))
        t = next(lengths)
        return loss(p, *sequences(rng, text, BATCH // t, t), device)

    started, recent = time.monotonic(), []
    for step, value in train.fit(
        p,
        lesson,
        steps=stage.steps,
        lr=stage.lr,
        betas=(0.9, 0.95),
        weight_decay=0.1,
        warmup=stage.warmup,
        schedule="cosine",
        clip=1.0,
    ):
        recent.append(value)
        if (step + 1) % 100 == 0 or step + 1 == stage.steps:
            seconds = (time.monotonic() - started) / (step + 1)
            mean = sum(recent) / len(recent)
            say(f"step {step + 1} of {stage.steps}: loss {mean:.3f}, {seconds:.2f} s a step")
            recent.clear()


# What it must beat


def five_gram(text: np.ndarray, unseen: np.ndarray) -> float:
    """Nats a token of an interpolated Kneser-Ney 5-gram model (Kneser & Ney 1995; Chen & Goodman
    1999, §2.7) that has read `text`, on `unseen`.

    It sees four tokens back everywhere, also where the model's window begins.
    """
    orders = range(1, 6)  # five tokens of 12 bits each fit into 64 bits

    def grams(tokens: np.ndarray, n: int) -> np.ndarray:
        padded = np.concatenate([np.full(n - 1, START), tokens])
        key = np.zeros(len(tokens), np.int64)
        for k in range(n):
            key = key * V + padded[k : k + len(tokens)]
        return key

    p = np.full(len(unseen), 1 / V)
    distinct = {n: np.unique(grams(text, n), return_counts=True) for n in orders}
    for n in orders:
        if n < 5:  # how many different tokens stand before it, not how often it occurs
            keys, counts = np.unique(distinct[n + 1][0] % V**n, return_counts=True)
        else:
            keys, counts = distinct[n]
        contexts, first = np.unique(keys // V, return_index=True)
        total = np.add.reduceat(counts, first)
        kinds = np.diff([*first, len(keys)])
        wanted = grams(unseen, n)
        count = _lookup(keys, counts, wanted)
        seen, other = (_lookup(contexts, x, wanted // V) for x in (total, kinds))
        known = seen > 0
        p[known] = (
            np.maximum(count[known] - DISCOUNT, 0) + DISCOUNT * other[known] * p[known]
        ) / seen[known]
    return float(-np.log(p).mean())


def _lookup(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0).astype(float)


# What it can do


class Measured(NamedTuple):
    loss: float  # nats a token, held-out text in windows of LONGEST
    by_position: list[float]  # the same, by position in the window: 1-8, 9-16, 17-32, ...
    previous: tuple[float, int, int]  # the best previous-token head, of the first 128 tokens
    previous_long: tuple[float, int, int]  # the same, of all of the window
    previous_random: tuple[float, int, int]  # the same on random tokens read twice
    induction: tuple[float, int, int]  # the best induction head, on random tokens read twice
    repeated: float  # accuracy in the second round


def best(scores: np.ndarray) -> tuple[float, int, int]:
    layer, head = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[layer, head]), int(layer), int(head)


@torch.no_grad()
def measure(p: GPT, text: np.ndarray, rng: np.random.Generator) -> Measured:
    """On held-out text, and on random tokens read twice."""
    device = p.embed.device
    t = LONGEST
    windows = text[: len(text) // (t - 1) * (t - 1)].reshape(-1, t - 1)
    windows = np.concatenate([np.full((len(windows), 1), START), windows], axis=1)
    losses, previous, previous_long = [], [], []
    for part in np.array_split(windows, math.ceil(len(windows) / 6)):
        tokens = torch.from_numpy(part).to(device)
        trace = gpt.read(p, tokens[:, :-1], STYLE)
        scores = gpt.logits(p, trace.states[-1], STYLE)
        losses.append(F.cross_entropy(scores.mT, tokens[:, 1:], reduction="none").cpu().numpy())
        previous.append(diagonals(trace.weights, 1, slice(0, 127)))
        previous_long.append(diagonals(trace.weights, 1))
    by_position = np.concatenate(losses).mean(0)
    edges = [0, *(2**k for k in range(3, 10))]

    n, period = 16, 50
    span = rng.integers(1, V, (n, period))
    tokens = np.concatenate([np.full((n, 1), START), span, span], axis=1)
    trace = gpt.read(p, torch.from_numpy(tokens).to(device), STYLE)
    guess = gpt.logits(p, trace.states[-1], STYLE).argmax(-1).cpu().numpy()
    right = guess[:, period + 1 : -1] == tokens[:, period + 2 :]
    return Measured(
        loss=float(by_position.mean()),
        by_position=[float(by_position[a:b].mean()) for a, b in itertools.pairwise(edges)],
        previous=best(np.mean(previous, axis=0)),
        previous_long=best(np.mean(previous_long, axis=0)),
        previous_random=best(diagonals(trace.weights, 1)),
        # in the second round a query looks at what followed it in the first: period - 1 back
        induction=best(diagonals(trace.weights, period - 1, slice(1 - period, None))),
        repeated=float(right.mean()),
    )


def diagonals(weights: list[torch.Tensor], back: int, queries: slice = slice(None)) -> np.ndarray:
    """The mean weight that goes `back` tokens back, by layer and head; of some queries only."""
    kept = [w.diagonal(-back, -2, -1)[..., queries] for w in weights]
    return torch.stack([x.mean((0, 2)) for x in kept]).cpu().numpy()


def halved(p: GPT) -> GPT:
    """The parameters as they will be shipped: rounded to float16."""
    return trees.convert(lambda x: x.astype(np.float16), p)


def card(
    found: Measured, five: float, words: int, text: np.ndarray, unseen: np.ndarray, size: int
) -> str:
    """The model card."""
    edges = [1, *(2**k for k in range(3, 10))]
    rows = "\n".join(
        f"| {a + (a > 1)}–{min(b, LONGEST - 1)} | {x:.2f} |"
        for (a, b), x in zip(itertools.pairwise(edges), found.by_position)
    )
    stages = "\n".join(
        f"- {s.steps} steps of AdamW (β 0.9, 0.95; weight decay 0.1; clip 1), rate {s.lr:g} after "
        f"{s.warmup} steps of warm-up, cosine to 0; sequences of "
        + ", then ".join(f"{t} tokens ({share:.0%})" for share, t in s.lengths)
        for s in STAGES
    )

    def head(score: tuple[float, int, int]) -> str:
        return f"{score[0]:.2f} (layer {score[1]} head {score[2]})"

    return f"""# storyteller

The language model that seqlab brings: small enough to ship, large enough that its heads do what
the heads of large models are known for. It reads English prose, lower-cased, from left to right.

| | |
|---|---|
| parameters | {size:,}, shipped as float16 |
| shape | {LAYERS} layers × {HEADS} heads, d {D}, feed-forward {M}, pre-norm, RoPE, tied embedding |
| vocabulary | {V:,} tokens, byte-level BPE, lower-cased: every text has tokens |
| context | {LONGEST} tokens, the first always `<s>` |

## Data

{words:,} words of public-domain English novels and stories of Project Gutenberg. The last
{HELD_OUT:.0%} of the text ({len(unseen):,} tokens) were held out, the other {len(text):,} trained
on; the tokenizer has not seen what was held out either.

## Recipe

{stages}

{BATCH:,} tokens a step. One sequence in four is a span of 4 tokens to half its length, real or
random, repeated to the end, so that heads form that look for what came before. The script is
`scripts/train_storyteller.py`; weights are rounded to float16 after each stage.

## Measured on the held-out text, with the weights as shipped

| | |
|---|---|
| loss in windows of {LONGEST} tokens | {found.loss:.2f} nats a token |
| Kneser-Ney 5-gram (discount {DISCOUNT}), same tokens | {five:.2f} nats a token |
| previous-token head, mean weight in the first 128 tokens | {head(found.previous)} |
| the same in all {LONGEST} | {head(found.previous_long)} |
| the same on random tokens read twice | {head(found.previous_random)} |
| induction head, random tokens read twice | {head(found.induction)} |
| next token in the second reading of random tokens | {found.repeated:.0%} right |

| position in the window | nats a token |
|---|---|
{rows}

## Limits

Its stories make no sense for longer than a clause. It knows the English of old novels, with their
views of the world, and no other language: other scripts are read byte by byte. It is made for
looking at attention, not for use.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, help="UTF-8, one paragraph a line; .xz or plain")
    default = Path(__file__).parent.parent / "seqlab" / "data" / "storyteller"
    parser.add_argument("--into", type=Path, default=default, help="folder to write")
    parser.add_argument("--card-only", action="store_true", help="measure the model that is there")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = train.device(options.device)

    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    paragraphs = read(options.text)
    held, cut = 0, len(paragraphs)
    while held < HELD_OUT * sum(map(len, paragraphs)):
        cut -= 1
        held += len(paragraphs[cut])
    if options.card_only:
        tokenizer = Tokenizer.from_file(str(options.into / "tokenizer.json"))
    else:
        tokenizer = make_tokenizer(paragraphs[:cut])
    text, unseen = encode(tokenizer, paragraphs[:cut]), encode(tokenizer, paragraphs[cut:])
    say(f"{len(text):,} tokens to train on, {len(unseen):,} held out")

    p = gpt.init(np.random.default_rng(options.seed), V, D, M, LAYERS)
    if options.card_only:
        weights = load_file(options.into / "model.safetensors")
        p = train.trainable(trees.rebuild(lambda name, _: weights[name], p), device)
    else:
        p = train.trainable(p, device)
        say(f"{trees.count(p):,} parameters on {device}, {options.threads} threads")
        for i, stage in enumerate(STAGES):
            teach(p, text, stage, options.seed + i, device, say)
            p = train.trainable(halved(train.trained(p)), device)
    found = measure(p, unseen, np.random.default_rng(options.seed + 1))
    five = five_gram(text, unseen[: len(unseen) // (LONGEST - 1) * (LONGEST - 1)])
    say(f"{found}, 5-gram {five:.3f}")
    words = sum(len(line.split()) for line in paragraphs)
    if not options.card_only:
        save(options.into, p, tokenizer)
    report = card(found, five, words, text, unseen, trees.count(p))
    (options.into / "README.md").write_text(report, encoding="utf-8")


def save(folder: Path, p: GPT, tokenizer: Tokenizer) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: x.astype(np.float16) for name, x in trees.leaves(train.trained(p))}
    save_file(weights, folder / "model.safetensors", metadata={"format": "np"})
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "model_type": "storyteller",
        "vocab_size": V,
        "hidden_size": D,
        "intermediate_size": M,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": LONGEST,
        "rope_theta": 10000.0,
        "layer_norm_eps": STYLE.eps,
        "hidden_act": "gelu",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()
