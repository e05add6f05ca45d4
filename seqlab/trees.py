"""Parameter trees: NamedTuples and tuples, nested, with arrays (or None) as their leaves.

A leaf's name is its path, `blocks.0.attention.W_q`: the name of its tensor in a safetensors file.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def convert(f: Callable[[Any], Any], tree: T) -> T:
    """The same tree with f(leaf) for every leaf; None stays None."""
    return rebuild(lambda _, leaf: f(leaf), tree)


def rebuild(f: Callable[[str, Any], Any], tree: T, name: str = "") -> T:
    """The same tree with f(name, leaf) for every leaf; None stays None."""
    if tree is None:
        return tree
    if not isinstance(tree, tuple):
        return f(name, tree)  # type: ignore[no-any-return]
    children = [
        rebuild(f, child, f"{name}.{key}" if name else key) for key, child in _children(tree)
    ]
    # a NamedTuple takes its fields one by one, a tuple takes a list of them
    return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)


def leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its name, in the order of the fields."""
    if tree is None:
        return
    if not isinstance(tree, tuple):
        yield name, tree
        return
    for key, child in _children(tree):
        yield from leaves(child, f"{name}.{key}" if name else key)


def count(tree: Any) -> int:
    """The number of parameters."""
    total = 0
    for _, leaf in leaves(tree):
        size = 1
        for n in leaf.shape:
            size *= n
        total += size
    return total


def stack(trees: Sequence[T]) -> T:
    """Many models as one: a tree of NumPy arrays with the models on a new first axis."""
    found = [dict(leaves(tree)) for tree in trees]
    return rebuild(lambda name, leaf: np.stack([each[name] for each in found]), trees[0])


def pick(tree: T, i: int) -> T:
    """Model `i` of many: every leaf without its first axis."""
    return convert(lambda leaf: leaf[i], tree)


def _children(tree: Any) -> list[tuple[str, Any]]:
    keys = getattr(tree, "_fields", None) or map(str, range(len(tree)))
    return list(zip(keys, tree, strict=True))
