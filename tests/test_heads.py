"""What a head is called, against its definition in plain Python loops."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab import heads

LOOKS = {
    "everywhere": lambda t, rng: np.ones((t, t), bool),
    "causal": lambda t, rng: np.tri(t, dtype=bool),
    "window": lambda t, rng: np.tri(t, dtype=bool) & ~np.tri(t, k=-3, dtype=bool),
    "anyhow": lambda t, rng: (rng.random((t, t)) < 0.6) | np.eye(t, dtype=bool),
}
IS_TARGET = {  # whether key k is a target of query q
    "previous": lambda ids, q, k: k == q - 1 and k != 0,
    "next": lambda ids, q, k: k == q + 1,
    "itself": lambda ids, q, k: k == q and k != 0,
    "first": lambda ids, q, k: k == 0 and q not in (0, 1),
    "same": lambda ids, q, k: ids[k] == ids[q] and k != q,
    "induction": lambda ids, q, k: k != 0 and ids[k - 1] == ids[q] and k - 1 != q,
}


def loops(weights: Any, ids: list[int], allowed: Any) -> dict[str, float | None]:
    """The scores of one head, weights (t, t), by definition."""
    t, found = len(ids), {}
    for name, is_target in IS_TARGET.items():
        sums = []
        for q in range(t):
            targets = [k for k in range(t) if allowed[q, k] and is_target(ids, q, k)]
            if targets:
                sums.append(math.fsum(weights[q, k] for k in targets))
        found[name] = math.fsum(sums) / len(sums) if len(sums) > 1 else None  # one is chance
    shares = []
    for q in range(t):
        choices = [float(weights[q, k]) for k in range(t) if allowed[q, k]]
        if len(choices) > 1:
            entropy = -math.fsum(w * math.log(w) for w in choices if w > 0)
            shares.append(entropy / math.log(len(choices)))
    found["broad"] = math.fsum(shares) / len(shares) if shares else None
    return found


def normal(scores: Any, allowed: Any) -> Any:
    """Positive numbers (..., t, t), as weights of sum 1 on what is allowed."""
    scores = scores * allowed
    return scores / scores.sum(-1, keepdims=True)


def ideal(name: str, ids: list[int], allowed: Any) -> Any:
    """A head that looks at the targets alone, and everywhere alike where it has none: (t, t)."""
    t = len(ids)
    hit = np.array([[IS_TARGET[name](ids, q, k) for k in range(t)] for q in range(t)]) & allowed
    return normal(np.where(hit.any(-1, keepdims=True), hit, True), allowed)


def only(weights: Any, ids: list[int], allowed: Any) -> heads.Pattern:
    return heads.patterns(weights[None, None], ids, allowed)[0][0]


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[int], Any, Any]:
    """Tokens that repeat, who may look where, and a source of numbers."""
    ids = draw(st.lists(st.integers(0, 3), min_size=1, max_size=9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return ids, LOOKS[draw(st.sampled_from(sorted(LOOKS)))](len(ids), rng), rng


@given(sentences(), st.integers(1, 6))
def test_scores_are_their_definition(sentence, power):
    """From nearly even weights to nearly one-hot ones, some of them 0 exactly."""
    ids, allowed, rng = sentence
    raw = rng.random((2, 3, len(ids), len(ids))) ** power
    weights = normal(np.where((raw < 0.1) & ~np.eye(len(ids), dtype=bool), 0, raw), allowed)
    ours = heads.scores(weights, ids, allowed)
    assert set(ours) == {*IS_TARGET, "broad"}
    for layer, head in np.ndindex(2, 3):
        for name, oracle in loops(weights[layer, head], ids, allowed).items():
            score = ours[name]
            if oracle is None:
                assert score is None, name
            else:
                assert score is not None and score.shape == (2, 3)
                assert score[layer, head] == pytest.approx(oracle, rel=0, abs=1e-12), name


@given(sentences())
def test_even_attention_has_excess_nowhere(sentence):
    ids, allowed, _ = sentence
    flat = normal(np.ones(allowed.shape), allowed)
    oracle = {name: x for name, x in loops(flat, ids, allowed).items() if x is not None}
    assert heads.even(ids, allowed) == pytest.approx(oracle, rel=0, abs=1e-12)
    if "broad" in oracle:
        assert only(flat, ids, allowed) == ("broad", pytest.approx(1))


@given(sentences(), st.integers(1, 30))
def test_the_name_is_that_of_the_largest_excess(sentence, power):
    ids, allowed, rng = sentence
    weights = normal(rng.random((2, 2, len(ids), len(ids))) ** power, allowed)
    named = heads.patterns(weights, ids, allowed)
    assert [len(row) for row in named] == [2, 2]
    blind = loops(normal(np.ones(allowed.shape), allowed), ids, allowed)
    for layer, head in np.ndindex(2, 2):
        score = loops(weights[layer, head], ids, allowed)
        excess = {
            name: (score[name] - blind[name]) / (1 - blind[name])
            for name in IS_TARGET
            if score[name] is not None and blind[name] < 1 - 1e-9
        }
        found, best = named[layer][head], max(excess.values(), default=-math.inf)
        if best >= 0.3:  # several may have the same
            assert excess[found.key] == pytest.approx(best)
            assert found.score == pytest.approx(score[found.key])
        elif (score["broad"] or 0) >= 0.85:
            assert found == ("broad", pytest.approx(score["broad"]))
        else:
            assert found.key == "mixed"
            near = [score[name] for name in excess if excess[name] > best - 1e-9] or [0.0]
            assert any(found.score == pytest.approx(x, abs=1e-12) for x in near)


@pytest.mark.parametrize("look", ["everywhere", "causal"])
@pytest.mark.parametrize("name", IS_TARGET)
@given(block=st.integers(3, 8), times=st.integers(2, 3))
def test_an_ideal_head_is_named_for_its_pattern(name, look, block, times):
    """A text that repeats itself: in blocks of three and more no two patterns coincide."""
    ids = list(range(block)) * times
    allowed = LOOKS[look](len(ids), None)
    found = only(ideal(name, ids, allowed), ids, allowed)
    if (name, look) == ("next", "causal"):  # it may not look there
        assert heads.scores(np.eye(len(ids)), ids, allowed)["next"] is None
        assert found.key == "broad"
    else:
        assert found == (name, pytest.approx(1))


@given(sentences(), st.sampled_from(sorted(IS_TARGET)))
def test_an_ideal_head_is_named_for_a_pattern_that_it_fulfils(sentence, name):
    """In any text: where patterns coincide the head has the name of one of them."""
    ids, allowed, _ = sentence
    weights = ideal(name, ids, allowed)
    scores, blind = loops(weights, ids, allowed), heads.even(ids, allowed)
    if scores[name] is None or blind[name] > 1 - 1e-9:  # no targets, or nothing else
        return
    found = only(weights, ids, allowed)
    assert scores[name] == pytest.approx(1) and scores[found.key] == pytest.approx(1)
    assert found.score == pytest.approx(1)


@pytest.mark.parametrize("look", ["everywhere", "causal"])
@pytest.mark.parametrize("power", [1, 4, 30])
def test_random_heads_have_no_pattern(look, power):
    """Of 100 random heads none is taken for one that does something; sharp ones are not broad."""
    rng, t = np.random.default_rng(0), 30
    allowed = LOOKS[look](t, rng)
    weights = normal(rng.random((10, 10, t, t)) ** power, allowed)
    ids = rng.integers(0, 8, t).tolist()
    keys = {pattern.key for row in heads.patterns(weights, ids, allowed) for pattern in row}
    assert keys == ({"broad"} if power == 1 else {"mixed"} if power == 30 else keys)
    assert keys <= {"broad", "mixed"}


@pytest.mark.parametrize("t", [2, 4, 5, 16, 197])
@pytest.mark.parametrize("look", ["everywhere", "causal"])
def test_the_most_even_head_is_broad_at_every_length(look, t):
    """Its entropy is the largest there is, to the last digit or not."""
    allowed = LOOKS[look](t, None)
    found = only(normal(np.ones((t, t)), allowed), list(range(t)), allowed)
    assert found == ("broad", pytest.approx(1))


def test_a_blind_hit_is_no_pattern():
    """In a sentence of four words even attention gives the first one 7/24."""
    ids, allowed = [5, 6, 7, 8], np.tri(4, dtype=bool)
    weights = normal(np.ones((4, 4)), allowed)
    weights[2, :3], weights[3] = [0.5, 0.25, 0.25], [0.4, 0.2, 0.2, 0.2]
    assert only(weights, ids, allowed).key == "broad"  # excess (0.45 - 7/24) / (17/24) = 0.22
    weights[2, :3], weights[3] = [0.6, 0.2, 0.2], [0.55, 0.15, 0.15, 0.15]
    assert only(weights, ids, allowed) == ("first", pytest.approx(0.575))  # excess 0.4


def test_one_query_is_too_few_for_a_name():
    """Of two twins the later one looks at the earlier one: that alone is not a pattern."""
    ids, allowed = [0, 1, 2, 3, 1], np.tri(5, dtype=bool)
    weights = ideal("same", ids, allowed)
    assert heads.scores(weights, ids, allowed)["same"] is None
    assert only(weights, ids, allowed).key not in ("same", "induction")
    both = np.ones((5, 5), bool)
    assert only(ideal("same", ids, both), ids, both) == ("same", pytest.approx(1))


def test_narrow_floats_are_read_too():
    """A model's weights have the dtype of the model."""
    ids, allowed = list(range(9)), np.tri(9, dtype=bool)
    weights = ideal("previous", ids, allowed).astype(np.float32)
    assert only(weights, ids, allowed) == ("previous", pytest.approx(1, abs=1e-6))


def test_a_token_alone_has_no_pattern():
    assert only(np.ones((1, 1)), [3], np.ones((1, 1), bool)) == ("mixed", 0.0)


def test_a_query_that_may_look_nowhere_does_not_count():
    ids, allowed = list(range(6)), np.tri(6, dtype=bool)
    allowed[4] = False
    weights = ideal("previous", ids, np.tri(6, dtype=bool))
    weights[4] = np.nan  # as attention answers
    assert only(weights, ids, allowed) == ("previous", pytest.approx(1))
    assert np.isfinite(list(heads.even(ids, allowed).values())).all()


def test_every_name_has_its_words():
    assert set(heads.PATTERNS) == set(heads.SHORT) == {*IS_TARGET, "broad", "mixed"}
    assert len(set(heads.PATTERNS.values())) == len(set(heads.SHORT.values())) == 8
