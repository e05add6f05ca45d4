"""Parameter trees: walks against torch's own pytrees, and laws that hold for any tree."""

from typing import Any, NamedTuple

import numpy as np
import torch.utils._pytree as pytree
from hypothesis import given
from hypothesis import strategies as st

from seqlab import trees
from seqlab.book import gpt, transformer


class Pair(NamedTuple):
    left: Any
    right: Any


class Single(NamedTuple):
    only: Any


LEAVES = st.builds(np.zeros, st.lists(st.integers(0, 3), max_size=3).map(tuple)) | st.none()
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Pair, inner, inner)
        | st.builds(Single, inner)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=12,
)


def flat(tree: Any) -> list[Any]:
    """The leaves by torch's walk; None, which it takes for a leaf, is none."""
    return [leaf for leaf in pytree.tree_leaves(tree) if leaf is not None]


@given(TREES)
def test_leaves_are_those_of_torchs_walk(tree: Any) -> None:
    ours = [leaf for _, leaf in trees.leaves(tree)]
    assert len(ours) == len(flat(tree))
    assert all(a is b for a, b in zip(ours, flat(tree), strict=True))


@given(TREES)
def test_names_lead_to_their_leaves(tree: Any) -> None:
    named = list(trees.leaves(tree))
    assert len({name for name, _ in named}) == len(named)
    for name, leaf in named:
        found = tree
        for key in name.split(".") if name else ():
            found = found[int(key)] if key.isdigit() else getattr(found, key)
        assert found is leaf


@given(TREES)
def test_rebuilding_with_the_leaf_is_the_same_tree(tree: Any) -> None:
    names: list[str] = []

    def same(name: str, leaf: Any) -> Any:
        names.append(name)
        return leaf

    again = trees.rebuild(same, tree)
    assert names == [name for name, _ in trees.leaves(tree)]
    assert pytree.tree_structure(again) == pytree.tree_structure(tree)
    assert type(again) is type(tree)
    assert all(a is b for a, b in zip(flat(again), flat(tree), strict=True))


@given(TREES)
def test_converting_twice_is_converting_by_both(tree: Any) -> None:
    once = trees.convert(lambda x: (x + 1).ravel(), tree)
    both = trees.convert(np.ravel, trees.convert(lambda x: x + 1, tree))
    for a, b in zip(flat(once), flat(both), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.all(a == 1)


@given(TREES)
def test_the_count_is_the_sum_of_the_sizes(tree: Any) -> None:
    assert trees.count(tree) == sum(leaf.size for leaf in flat(tree))


def test_a_model_has_the_names_of_its_file() -> None:
    rng = np.random.default_rng(0)
    p = gpt.init(rng, v=7, d=4, m=8, layers=2)
    names = [name for name, _ in trees.leaves(p)]
    assert names[0] == "embed" and names[-2:] == ["norm.weight", "norm.bias"]
    assert "pos" not in names  # None, for positions come from elsewhere
    assert "blocks.0.attention.W_q" in names and "blocks.1.feed_forward.b_2" in names
    assert next(n for n, _ in trees.leaves(p.blocks[0], "x")) == "x.attention.W_q"
    assert trees.convert(lambda x: x, p).pos is None
    block = 4 * (4 * 4 + 4) + 2 * 2 * 4 + 2 * 4 * 8 + 8 + 4
    assert trees.count(transformer.init(rng, 4, 8)) == block
    assert trees.count(p) == 7 * 4 + 2 * block + 2 * 4


def test_a_single_leaf_is_a_tree_without_a_name() -> None:
    leaf = np.zeros((2, 3))
    assert list(trees.leaves(leaf)) == [("", leaf)]
    assert trees.count(leaf) == 6 and trees.count(np.zeros(())) == 1
    assert list(trees.leaves(None)) == [] and trees.count(None) == 0
