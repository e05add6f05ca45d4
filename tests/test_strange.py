"""Two hundred bad or strange inputs: never a traceback, never an escape sequence passed through."""

import itertools
import os
import random
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome, Run
from PIL import Image

HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

TEXTS = [
    "", " ", "\t", "\n\n", "a", "[/b]", "[red]x[/red]", "[link=x]y", "\\[b]", "{x}", "%s%n",
    "$(ls)",
    "`id`", "'", '"', "--", "-x", "\\x1b[31m", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J",
    "\x1bP+q544e\x1b\\", "\x9b31m", "\x07bell", "\x08\x08back", "\rover", "a\r\nb", "\x7f", "\x00",
    "\ud800", "\udc80\udcff", "\ufeffbom", "\ufffd", "\u202egnp.exe", "\u2066iso\u2069", "\u200d",
    "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "你好，世界", "こんにちは", "안녕하세요",
    "สวัสดี", "ｆｕｌｌ",
    "👍🏽", "👨‍👩‍👧‍👦", "🇨🇳🇩🇪", "❤️", "1️⃣", "é", "e\u0301\u0301\u0301",
    "Z\u0351\u036b\u0343a\u0315\u031bl",
    "\u0301start", "\u2028line\u2029", "\u00a0\u2003\u3000", "ﷺ", "𒐫", "\U0010ffff", "\ue000",
    "x" * 5000, "word " * 5000, "你" * 3000, "\x1b[31m" * 500, "𝕳𝖊𝖑𝖑𝖔", "١٢٣", "NaN", "null", "-1",
    "../../etc/passwd", "C:\\nul", "CON", "http://example.invalid/", "<script>alert(1)</script>",
]  # fmt: skip


def harmless(outcome: Outcome, arguments: object) -> None:
    """Either a screen, or one line of complaint; nothing that a terminal would obey."""
    assert outcome.status in (0, 1, 2), arguments
    assert "Traceback" not in outcome.text + outcome.errors, arguments
    assert "a defect of seqlab" not in outcome.errors, (arguments, outcome.errors)
    assert not HOSTILE.search(outcome.text + outcome.errors), arguments
    if outcome.status:
        assert outcome.text == "", arguments
        assert outcome.errors.startswith("error: ") and outcome.errors.count("\n") == 1, arguments
    else:
        assert outcome.errors == ""


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: ascii(t[:12]))
def test_strange_texts(seqlab: Run, text: str) -> None:
    for arguments in (["unroll", "--", text], ["unroll", "--json", "--", text]):
        outcome = seqlab(*arguments)
        harmless(outcome, arguments)
        assert outcome.widest <= 100 or "--json" in arguments
        if not text:
            assert outcome.status == 2


SLOTS: dict[str, Callable[[str], list[str]]] = {
    "command": lambda text: [text],
    "file": lambda text: ["patchify", "--", text],
    "cells": lambda text: ["vanish", f"--cells={text}"],
    "radius": lambda text: ["vanish", f"--radius={text}"],
    "export": lambda text: ["vanish", "--steps=2", "--hidden=2", f"--export={text}"],
    "cell": lambda text: ["unroll", "ab", f"--cell={text}"],
}
VALUES = [(slot, text) for slot in SLOTS for text in TEXTS[:40] if not text.startswith("--")]


@pytest.mark.parametrize(("slot", "text"), VALUES, ids=lambda t: ascii(t[:12]))
def test_strange_values_and_names(seqlab: Run, slot: str, text: str) -> None:
    arguments = SLOTS[slot](text)
    outcome = seqlab(*arguments)
    harmless(outcome, arguments)
    if arguments != [""]:
        assert outcome.status == 2, arguments


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"\x80abc", "你好".encode(), b"a" * 10000])
def test_strange_standard_input(seqlab: Run, data: bytes) -> None:
    harmless(seqlab("unroll", "-", stdin=data), data)


def png(width: int, height: int, data: bytes = b"", kind: int = 2) -> bytes:
    """A PNG that may lie about its size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def files(folder: Path) -> dict[str, bytes | Callable[[Path], object]]:
    good = folder / "good"
    images: dict[str, bytes | Callable[[Path], object]] = {}
    picture = Image.effect_noise((40, 30), 50).convert("RGB")
    for suffix in ("png", "jpg", "gif", "bmp", "tiff", "webp", "ppm", "ico", "tga"):
        picture.save(f"{good}.{suffix}")
        content = Path(f"{good}.{suffix}").read_bytes()
        images[f"whole.{suffix}"] = content
        images[f"half.{suffix}"] = content[: len(content) // 2]
        images[f"head.{suffix}"] = content[:12]
        shuffled = bytearray(content)
        chance = random.Random(suffix)
        for _ in range(20):
            shuffled[chance.randrange(len(shuffled))] = chance.randrange(256)
        images[f"flipped.{suffix}"] = bytes(shuffled)
        images[f"tail.{suffix}"] = content + b"\x1b[31m" * 100
    images |= {
        "empty.png": b"",
        "text.png": b"hello",
        "escape.png": b"\x1b[31m",
        "zeros.png": bytes(1000),
        "bomb.png": png(60000, 60000),
        "bigbomb.png": png(2**31 - 1, 2**31 - 1),
        "warning.png": png(10000, 10000),
        "zero.png": png(0, 0),
        "nodata.png": png(10, 10),
        "grey.png": png(1, 1, b"\x00\x80", kind=0),
        "svg.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "pdf.pdf": b"%PDF-1.4\n",
        "eps.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "[red].png": b"x",
        "\x1b[31m.png": b"x",
        "\u202egnp.png": b"x",
        "folder.png": lambda path: path.mkdir(),
        "pipe.png": lambda path: os.mkfifo(path),
        "dangling.png": lambda path: path.symlink_to("nowhere"),
        "loop.png": lambda path: path.symlink_to("loop.png"),
    }
    return images


def test_strange_files(seqlab: Run, tmp_path: Path) -> None:
    made = files(tmp_path)
    for name, content in made.items():
        path = tmp_path / name
        if callable(content):
            content(path)
        else:
            path.write_bytes(content)
        for arguments in (["patchify", str(path)], ["patchify", str(path), "--json"]):
            outcome = seqlab(*arguments)
            harmless(outcome, name)
            if name.startswith("whole"):
                assert outcome.status == 0, (name, outcome.errors)
            if name.startswith(("empty", "text", "bomb", "folder", "pipe", "dangling", "loop")):
                assert outcome.status in (1, 2), name
    assert len(made) > 60


def test_there_are_at_least_two_hundred(tmp_path: Path) -> None:
    """Distinct inputs: texts, values in every place that takes one, and files."""
    assert len(set(TEXTS)) + len(set(VALUES)) + len(files(tmp_path)) >= 200


def test_strange_sizes(seqlab: Run, tmp_path: Path) -> None:
    for i, size in enumerate(itertools.product([1, 2, 15, 17, 3000], [1, 16, 3000])):
        path = tmp_path / f"{i}.png"
        Image.new("RGB", size, (200, 30, 90)).save(path)
        outcome = seqlab("patchify", str(path))
        harmless(outcome, size)
        assert outcome.status == 0, (size, outcome.errors)
