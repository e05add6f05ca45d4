#!/usr/bin/env python3
"""Train storyteller, the language model that seqlab brings: tokenizer, weights and model card.

    python scripts/train_storyteller.py stories.txt.xz

The text is UTF-8 with one paragraph a line (.xz or plain). Everything about the model is measured
here and written into its card; nothing is written before the training has ended well.
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
from safetensors.numpy import save_file
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
SHORT, SHARE = 128, 0.9  # so long are the sequences in the first nine tenths of the steps
BATCH = 24 * 128  # tokens a step
REPEATED = 0.25  # of the sequences
HELD_OUT = 0.02  # of the text, its end: stories the model has never seen


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


# What it can do


class Measured(NamedTuple):
    loss: float  # nats a token, held-out text in windows of LONGEST
    by_position: list[float]  # the same, by position in the window: 1-8, 9-16, 17-32, ...
    previous: tuple[float, int, int]  # the best previous-token head: score, layer, head
    induction: tuple[float, int, int]  # the best induction head
    first: tuple[float, int, int]  # the head that rests most on <s>
    repeated: float  # accuracy on the second round of random tokens


def best(scores: np.ndarray) -> tuple[float, int, int]:
    layer, head = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[layer, head]), int(layer), int(head)


@torch.no_grad()
def measure(p: GPT, text: np.ndarray, rng: np.random.Generator) -> Measured:
    """On held-out text, and on random tokens repeated once."""
    device = p.embed.device
    t = LONGEST
    windows = text[: len(text) // (t - 1) * (t - 1)].reshape(-1, t - 1)
    windows = np.concatenate([np.full((len(windows), 1), START), windows], axis=1)
    losses = []
    for part in np.array_split(windows, math.ceil(len(windows) / 6)):
        tokens = torch.from_numpy(part).to(device)
        trace = gpt.read(p, tokens[:, :-1], STYLE)
        scores = gpt.logits(p, trace.states[-1], STYLE)
        each = F.cross_entropy(scores.mT, tokens[:, 1:], reduction="none")
        losses.append(each.cpu().numpy())
    losses_at = np.concatenate(losses).mean(0)
    edges = [0, *(2**k for k in range(3, 10))]
    by_position = [
        float(losses_at[a:b].mean()) for a, b in itertools.pairwise(edges) if a < len(losses_at)
    ]

    previous = torch.stack([w.diagonal(-1, -2, -1).mean((0, 2)) for w in trace.weights])
    first = torch.stack([w[..., 1:, 0].mean((0, 2)) for w in trace.weights])

    n, period = 16, 50
    span = rng.integers(1, V, (n, period))
    tokens = np.concatenate([np.full((n, 1), START), span, span], axis=1)
    trace = gpt.read(p, torch.from_numpy(tokens).to(device), STYLE)
    # the query in the second round looks at what followed it in the first: period - 1 back
    induction = torch.stack(
        [w.diagonal(-(period - 1), -2, -1)[..., -period + 1 :].mean((0, 2)) for w in trace.weights]
    )
    guess = gpt.logits(p, trace.states[-1], STYLE).argmax(-1).cpu().numpy()
    right = guess[:, period + 1 : -1] == tokens[:, period + 2 :]
    return Measured(
        loss=float(np.concatenate(losses).mean()),
        by_position=by_position,
        previous=best(previous.cpu().numpy()),
        induction=best(induction.cpu().numpy()),
        first=best(first.cpu().numpy()),
        repeated=float(right.mean()),
    )


def halved(p: GPT) -> GPT:
    """The parameters as they will be shipped: rounded to float16."""
    return trees.convert(lambda x: x.detach().to(torch.float16).to(torch.float32), p)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, help="UTF-8, one paragraph a line; .xz or plain")
    default = Path(__file__).parent.parent / "seqlab" / "data" / "storyteller"
    parser.add_argument("--into", type=Path, default=default, help="folder to write")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = train.device(options.device)
    rng = np.random.default_rng(options.seed)

    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    paragraphs = read(options.text)
    size = sum(map(len, paragraphs))
    held, cut = 0, len(paragraphs)
    while held < HELD_OUT * size:
        cut -= 1
        held += len(paragraphs[cut])
    tokenizer = make_tokenizer(paragraphs[:cut])
    text, unseen = encode(tokenizer, paragraphs[:cut]), encode(tokenizer, paragraphs[cut:])
    say(f"{len(text):,} tokens to train on, {len(unseen):,} held out")

    p = train.trainable(gpt.init(rng, V, D, M, LAYERS), device)
    say(f"{trees.count(p):,} parameters on {device}, {options.threads} threads")

    def lesson(step: int) -> torch.Tensor:
        t = SHORT if step < SHARE * options.steps else LONGEST
        return loss(p, *sequences(rng, text, BATCH // t, t), device)

    started, total = time.monotonic(), 0.0
    for step, value in train.fit(
        p,
        lesson,
        steps=options.steps,
        lr=options.lr,
        betas=(0.9, 0.95),
        weight_decay=0.1,
        warmup=200,
        schedule="cosine",
        clip=1.0,
    ):
        total += value
        if (step + 1) % 100 == 0:
            seconds = (time.monotonic() - started) / (step + 1)
            say(f"step {step + 1}: loss {total / 100:.3f}, {seconds:.3f} s a step")
            total = 0.0
        if (step + 1) % 500 == 0 or step + 1 == options.steps:
            found = measure(halved(p), unseen, np.random.default_rng(1))
            say(str(found))
            save(options.into, p, tokenizer)


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
