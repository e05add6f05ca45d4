"""Measure every command as a whole process, beside `python -c "import torch"` in the same run.

    python scripts/bench.py [--runs 7] [--json] [--strict] [--trained]

Absolute times say more of the machine than of seqlab, so what counts is the ratio to importing
torch. Runs are interleaved: whatever else the machine is doing falls on all rows alike. With
--strict the exit status is 1 if a ratio is above its bar. --trained adds the experiments that
train, once each, in seconds.

Last comes backpropagation through time by hand, as `vanish` does it, beside torch autograd through
the same forward steps on the same weights: 1000 steps of width 256, in this process, on one thread.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from seqlab import images
from seqlab.figures.table import Column, Table

SEQLAB = [sys.executable, "-m", "seqlab"]
TORCH = "import torch"


def rows(picture: Path) -> dict[str, tuple[list[str], float | None]]:
    """Name of a row -> the process to run, and the largest ratio that is good enough."""
    return {
        TORCH: ([sys.executable, "-c", "import torch"], None),
        "seqlab": (SEQLAB, 0.15),
        "seqlab --help": ([*SEQLAB, "--help"], 0.15),
        "vanish --help": ([*SEQLAB, "vanish", "--help"], None),
        "vanish --steps 50": ([*SEQLAB, "vanish", "--steps", "50"], 0.35),
        "vanish, four radii": (
            [*SEQLAB, "vanish", "--radius=.5", "--radius=.9", "--radius=1", "--radius=1.1"],
            None,
        ),
        "patchify, 1-megapixel PNG": ([*SEQLAB, "patchify", str(picture)], 0.35),
        "patchify, sample": ([*SEQLAB, "patchify"], 0.35),
        "unroll": ([*SEQLAB, "unroll"], 0.35),
        "attend, 12 words": ([*SEQLAB, "attend"], 0.35),
        "attend, 512 tokens": ([*SEQLAB, "attend", "and so on and on " * 102], 1.5),
        "position --no-train": ([*SEQLAB, "position", "--no-train"], None),
        "cost --no-measure": ([*SEQLAB, "cost", "--no-measure"], None),
        "reach": ([*SEQLAB, "reach"], 0.5),
        "windows": ([*SEQLAB, "windows"], 0.5),
        "mix": ([*SEQLAB, "mix"], 0.5),
        "explain": ([*SEQLAB, "explain", "attention"], None),
        "quiz, 5 questions": ([*SEQLAB, "quiz", "--seed", "1"], None),
    }


# What trains, and the seconds that a class waits for it on two cores; each is run once
TRAINED = {
    "gates": 6,
    "glimpse": 10,
    "induct": 15,
    "align": 15,
    "position": 25,
    "classify": 25,
    "modes": 30,
    "bias --test lookup": 30,
    "align --task reverse": 40,
    "recall": 60,
    "mix --train": 60,
    "bias": 90,
}


def backward_passes(runs: int) -> list[dict[str, float | str]]:
    """Seconds of forward and backward passes, by hand and by autograd, for each cell."""
    import torch

    from seqlab.lab import vanish

    torch.set_num_threads(1)
    found: list[dict[str, float | str]] = []
    for cell in vanish.CELLS:
        job = vanish._Job(cell, 0.9, 1000, 256, 1.0, "noise", 1, 0, None)
        p, xs, loss = job.networks([0])
        q = type(p)(*(torch.tensor(a) for a in p))
        zero = torch.zeros(1, 1, 256, dtype=torch.float64, requires_grad=True)
        times: dict[str, list[float]] = {"by hand": [], "autograd": []}
        for _ in range(runs):
            began = time.perf_counter()
            for _back in job.walk(p, job.forward(p, xs), loss):
                pass
            times["by hand"].append(time.perf_counter() - began)
            began = time.perf_counter()
            states = job.forward(q, torch.tensor(xs), zero)
            kept = [getattr(state, vanish._state_of(cell)) for state in states]
            torch.autograd.grad((states[-1].h * torch.tensor(loss)).sum(), kept)
            times["autograd"].append(time.perf_counter() - began)
        by_hand, autograd = (statistics.median(t) for t in times.values())
        found.append(
            {"cell": cell, "by hand": by_hand, "autograd": autograd, "ratio": by_hand / autograd}
        )
    return found


def trained() -> list[dict[str, float | str | bool]]:
    """Seconds of the experiments that train, which have nothing to do with importing torch."""
    found: list[dict[str, float | str | bool]] = []
    for line, bar in TRAINED.items():
        taken = seconds([*SEQLAB, *line.split()])
        found.append({"command": line, "seconds": taken, "bar": bar, "good": taken <= bar})
    return found


def megapixel(path: Path) -> None:
    """Write the sample picture with 1,000,000 pixels, and noise, which a photograph has."""
    enlarged = Image.fromarray(images.sample().pixels).resize((1155, 866))
    noise = np.random.default_rng(0).integers(-4, 5, (866, 1155, 3))
    Image.fromarray(np.clip(np.asarray(enlarged) + noise, 0, 255).astype(np.uint8)).save(path)


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env={**os.environ, "LANG": "C"})
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--trained", action="store_true", help="also what trains: minutes")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "megapixel.png"
        megapixel(picture)
        table = rows(picture)
        times: dict[str, list[float]] = {name: [] for name in table}
        for command, _bar in table.values():
            seconds(command)  # once for the disk cache and the byte code
        for _ in range(options.runs):
            for name, (command, _bar) in table.items():
                times[name].append(seconds(command))
    medians = {name: statistics.median(found) for name, found in times.items()}
    report = [
        {
            "command": name,
            "seconds": medians[name],
            "spread": max(times[name]) - min(times[name]),
            "ratio": medians[name] / medians[TORCH],
            "bar": bar,
            "good": bar is None or medians[name] / medians[TORCH] <= bar,
        }
        for name, (_, bar) in table.items()
    ]
    passes = backward_passes(options.runs)
    trainings = trained() if options.trained else []
    if options.json:
        document = {"runs": options.runs, "rows": report, "bptt": passes, "trained": trainings}
        print(json.dumps(document, indent=1))
    else:
        Console().print(
            Table(
                [Column("whole process", "left"), "median s", "spread s", "ratio", "bar", ""],
                [
                    [
                        str(r["command"]),
                        f"{r['seconds']:.3f}",
                        f"{r['spread']:.3f}",
                        f"{r['ratio']:.3f}",
                        "" if r["bar"] is None else f"{r['bar']:.2f}",
                        "" if r["bar"] is None else "good" if r["good"] else "TOO SLOW",
                    ]
                    for r in report
                ],
            )
        )
        Console().print(
            Table(
                [Column("1000 steps of width 256", "left"), "by hand, s", "autograd, s", "ratio"],
                [
                    [str(r["cell"]), *(f"{r[k]:.3f}" for k in ("by hand", "autograd", "ratio"))]
                    for r in passes
                ],
            )
        )
        if trainings:
            Console().print(
                Table(
                    [Column("training, once", "left"), "s", "bar", ""],
                    [
                        [
                            str(r["command"]),
                            f"{r['seconds']:.1f}",
                            str(r["bar"]),
                            "good" if r["good"] else "TOO SLOW",
                        ]
                        for r in trainings
                    ],
                )
            )
    return int(options.strict and not all(r["good"] for r in [*report, *trainings]))


if __name__ == "__main__":
    sys.exit(main())
