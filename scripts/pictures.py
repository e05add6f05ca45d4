"""Make the README's pictures: real runs, exported as SVG into docs/.

python scripts/pictures.py [NAME ...]
"""

import argparse
import contextlib
import io
import shlex
import sys
from pathlib import Path

from seqlab import cli

DOCS = Path(__file__).parent.parent / "docs"
PICTURES = {
    "vanish": "vanish --steps 50",
    "unroll": "unroll 'the memory of a recurrent network'",
    "attend": "attend",
    "patchify": "patchify",
    "reach": "reach",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--into", type=Path, default=DOCS)
    options = parser.parse_args()
    if unknown := set(options.names) - set(PICTURES):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(PICTURES)}")
    options.into.mkdir(exist_ok=True)
    for name in options.names or PICTURES:
        path = options.into / f"{name}.svg"
        words = [*shlex.split(PICTURES[name]), "--lang", "en", "--width", "100"]
        with contextlib.redirect_stdout(io.StringIO()):
            status = cli.main([*words, "--export", str(path)])
        if status:
            return status
        print(f"{path}: seqlab {PICTURES[name]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
