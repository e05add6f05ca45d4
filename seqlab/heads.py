"""What an attention head does, measured: where its weights lie, compared with even attention.

A pattern is a set of targets: the key before the query, the first key, a key with the query's own
token. A head's score for it is the mean weight on the targets, over the queries that have one, from
0 to 1; a short sentence gives even blind attention a high one. What a head is called therefore goes
by its excess over that: (score - even) / (1 - even).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqlab.locale import N_

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

PATTERNS = {
    "previous": N_("previous token"),
    "next": N_("next token"),
    "itself": N_("itself"),
    "first": N_("first token"),
    "same": N_("same token"),
    "induction": N_("induction"),
    "broad": N_("broad"),
    "mixed": N_("mixed"),
}
"""The patterns by their keys, in the words of a reader. The last two have no targets."""

SHORT = {
    "previous": N_("prev"),
    "next": N_("next"),
    "itself": N_("self"),
    "first": N_("first"),
    "same": N_("same"),
    "induction": N_("induct"),
    "broad": N_("broad"),
    "mixed": N_("mixed"),
}
"""The same where there is little room."""

FEWEST = 2  # queries with a target: one alone may be chance
FITS = 0.3  # the excess from which a pattern names a head
EVEN = 0.85  # the share of the largest entropy from which a head is broad
_FULL = 1 - 1e-9  # an even score that high is 1 but for rounding: nothing can exceed it


class Pattern(NamedTuple):
    """What a head does: the pattern's key, and its score.

    The score of "broad" is the entropy of the weights as a share of the largest possible; that of
    "mixed" is the score of the pattern that came nearest.
    """

    key: str
    score: float


def targets(ids: Sequence[int], allowed: Bools) -> dict[str, Bools]:
    """For each pattern, True where a query's (row's) targets are; (t, t) each.

    `allowed` (t, t) is True where the model lets a query look. The first two queries have no
    previous token that is not the first one too, so the first token counts as such alone.
    """
    token = np.asarray(ids)
    t = len(token)
    query, key = np.arange(t)[:, None], np.arange(t)[None, :]
    same = token[:, None] == token[None, :]
    follows = np.zeros((t, t), bool)  # a key whose predecessor is the query's token
    follows[:, 1:] = same[:, :-1]
    found = {
        "previous": (key == query - 1) & (key > 0),
        "next": key == query + 1,
        "itself": (key == query) & (key > 0),
        "first": (key == 0) & (query > 1),
        "same": same & (key != query),
        # its predecessor is an earlier or later copy of the query, not the query: that is "next"
        "induction": follows & (key != query + 1),
    }
    return {name: where & allowed for name, where in found.items()}


def scores(weights: Floats, ids: Sequence[int], allowed: Bools) -> dict[str, Floats | None]:
    """The score of every pattern for weights (..., t, t): (...), or None with too few targets."""
    found: dict[str, Floats | None] = {}
    for name, where in targets(ids, allowed).items():
        rows = where.any(-1)
        enough = rows.sum() >= FEWEST
        found[name] = (weights * where).sum(-1)[..., rows].mean(-1) if enough else None
    found["broad"] = _evenness(weights, allowed)
    return found


def even(ids: Sequence[int], allowed: Bools) -> dict[str, float]:
    """The scores of a head that looks everywhere alike."""
    flat = allowed / np.maximum(allowed.sum(-1, keepdims=True), 1)  # a query may look nowhere
    return {name: float(x) for name, x in scores(flat, ids, allowed).items() if x is not None}


def patterns(weights: Floats, ids: Sequence[int], allowed: Bools) -> list[list[Pattern]]:
    """What each head of weights (layers, h, t, t) does, by layer and head."""
    measured, blind = scores(weights, ids, allowed), even(ids, allowed)
    names = [name for name, x in measured.items() if x is not None]
    pointed = [name for name in names if name != "broad" and blind[name] < _FULL]
    out = []
    for layer in range(weights.shape[0]):
        row = []
        for head in range(weights.shape[1]):
            score = {name: float(measured[name][layer, head]) for name in names}  # type: ignore[index]
            row.append(_name(score, {n: (score[n] - blind[n]) / (1 - blind[n]) for n in pointed}))
        out.append(row)
    return out


def _name(score: dict[str, float], excess: dict[str, float]) -> Pattern:
    best = max(excess, key=excess.__getitem__, default=None)
    if best is not None and excess[best] >= FITS:
        return Pattern(best, score[best])
    if score.get("broad", 0.0) >= EVEN:
        return Pattern("broad", score["broad"])
    return Pattern("mixed", score[best] if best is not None else 0.0)


def _evenness(weights: Floats, allowed: Bools) -> Floats | None:
    """The entropy over its maximum, for queries that have a choice; (..., t, t) -> (...)."""
    choices = allowed.sum(-1)
    rows = choices > 1
    if not rows.any():
        return None
    some = weights[..., rows, :]
    entropy = -(some * np.log(np.where(some > 0, some, 1.0))).sum(-1)
    return np.asarray((entropy / np.log(choices[rows])).mean(-1))
