"""seqlab: a laboratory for sequence models in the terminal.

    >>> from seqlab.lab import vanish
    >>> result = vanish.run(steps=50)

Every experiment is a module of :mod:`seqlab.lab`; every architecture a page of :mod:`seqlab.book`.
"""

__version__ = "0.1.0"
