"""The `seqlab` command; `python -m seqlab` is the same."""

import sys


def main() -> int:
    """Run the command line and return its exit status, also when Ctrl-C comes before it starts."""
    try:
        from seqlab import cli

        return cli.main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
