"""The shell scripts of the lectures: plain commands that seqlab understands, as in the lecture."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from seqlab import calls
from seqlab.lecture import script

FOLDER = Path(__file__).parent.parent / "scripts" / "lectures"


def test_there_is_one_for_every_lecture() -> None:
    assert {path.stem for path in FOLDER.glob("*.sh")} == set(script.names())


@pytest.mark.parametrize("name", script.names())
def test_it_runs_what_the_lecture_runs(name: str) -> None:
    path = FOLDER / f"{name}.sh"
    lines = re.findall(r"^show (.+)$", path.read_text(), re.M)
    shown = [calls.parse(shlex.split(line)).command for line in lines]
    assert shown == [step.call.command for step in script.load(name).steps if step.call]
    assert os.access(path, os.X_OK)


def test_it_runs_unattended(tmp_path: Path) -> None:
    """With a seqlab that only repeats what it is told: the shell is what is tried here."""
    fake = tmp_path / "seqlab"
    fake.write_text('#!/bin/sh\necho "ran: $*"\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PAUSE": "0"}
    for name in script.names():
        done = subprocess.run(
            [FOLDER / f"{name}.sh"], env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.count("ran: ") == (FOLDER / f"{name}.sh").read_text().count("\nshow ")
