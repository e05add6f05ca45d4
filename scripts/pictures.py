"""Make the README's pictures: real runs, exported as SVG into docs/.

python scripts/pictures.py [NAME ...]
"""

import contextlib
import io
import shlex
import sys
from pathlib import Path

from seqlab import cli

DOCS = Path(__file__).parent.parent / "docs"
PICTURES = {
    "vanish": "vanish --steps 50",
    "vanish-sweep": "vanish --radius 0.5 --radius 0.9 --radius 1 --radius 1.1 --radius 1.5",
    "unroll": "unroll 'the memory of a recurrent network'",
    "patchify": "patchify",
    "patchify-pca": "patchify --projection pca --dim 8",
}


def main(names: list[str]) -> int:
    unknown = set(names) - set(PICTURES)
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(PICTURES)}", file=sys.stderr)
        return 2
    DOCS.mkdir(exist_ok=True)
    for name in names or PICTURES:
        path = DOCS / f"{name}.svg"
        words = [*shlex.split(PICTURES[name]), "--lang", "en", "--width", "100"]
        with contextlib.redirect_stdout(io.StringIO()):
            status = cli.main([*words, "--export", str(path)])
        if status:
            return status
        print(f"{path}: seqlab {PICTURES[name]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
