"""Hard attention: look at one place, and learn where without a derivative (Xu et al. 2015, §4.1).

Scores e of n places give the probabilities α = softmax(e) with which each is looked at. Whoever
looks at place s alone, z = xₛ, pays the loss ℓₛ = -log p(y | xₛ). What is minimised is

    L = Σᵢ αᵢ ℓᵢ        (Xu et al. 2015, eq. 10, with the other sign: -L bounds log p(y | x) below)

A look is a step, not a slope: ℓₛ has no derivative by e. This page holds the ways to ∂L/∂e all the
same, each written out by hand, for it is a choice of what to read and what to guess:

    soft               reads the mean of all places instead; another loss, an exact gradient
    exact              reads every place: the sum over all outcomes
    REINFORCE          reads one: right in the mean (Williams 1992), better with a baseline
    leave one out      reads k: each is the others' baseline (Kool et al. 2019)
    straight-through   reads one, and pretends that it had been a softmax (Bengio et al. 2013;
                       Jang et al. 2017; Maddison et al. 2017): wrong in the mean, with less noise

Shapes: scores, weights and Gumbel numbers (..., n), places x (..., n, d), losses (...). All that is
returned of gradients is ∂L/∂e, (..., n), of one picture: means over a batch are the caller's.
"""

from seqlab.book.ops import Array, arange, cast, softmax

DECAY = 0.9  # of the moving average (Xu et al. 2015, §4.1)


def look(weights: Array, x: Array) -> Array:
    """Σᵢ wᵢ xᵢ, (..., d): hard where w is one-hot (eq. 9), soft where it is α (eq. 13)."""
    return (weights[..., None] * x).sum(-2)


def choose(scores: Array, gumbel: Array) -> Array:
    """A place, one-hot: argmax(e + g), which is s with probability αₛ (Jang et al. 2017, eq. 1).

    g are Gumbel numbers, -log(-log u) of uniform u; with g = 0 it is the most probable place.
    """
    place = (scores + gumbel).argmax(-1)
    return cast(cast(arange(scores.shape[-1]), like=place) == place[..., None], like=scores)


def through_softmax(weights: Array, slopes: Array) -> Array:
    """∂L/∂eᵢ = wᵢ (∂L/∂wᵢ - Σⱼ wⱼ ∂L/∂wⱼ), for w = softmax(e) and slopes ∂L/∂w.

    For soft attention the slopes are xᵢ · ∂ℓ/∂z. For L = Σ wᵢ ℓᵢ they are the losses themselves:
    this is the exact gradient of hard attention.
    """
    return weights * (slopes - (weights * slopes).sum(-1)[..., None])


def reinforce(weights: Array, chosen: Array, loss: Array, baseline: Array | float = 0.0) -> Array:
    """(ℓₛ - b) ∂ log αₛ / ∂e = (ℓₛ - b)(s - α), s one-hot (Williams 1992; Xu et al. 2015, eq. 12).

    Its mean over looks is ∂L/∂e for every b that does not depend on s, because that of s - α is 0;
    its variance does depend on b.
    """
    return (loss - baseline)[..., None] * (chosen - weights)


def moving_average(baseline: Array | float, loss: Array) -> Array:
    """The next baseline, 0.9 b + 0.1 ℓ (Xu et al. 2015, §4.1), ℓ the batch's mean loss."""
    return DECAY * baseline + (1 - DECAY) * loss


def leave_one_out(weights: Array, chosen: Array, losses: Array) -> Array:
    """The mean of k REINFORCE gradients; each one's baseline is the others' mean loss.

    Looks (k, ..., n) and losses (k, ...), k at least 2 -> (..., n) (Kool et al. 2019). The others
    know nothing of a look, so that they may be its baseline.
    """
    k = losses.shape[0]
    others = (losses.sum(0) - losses) / (k - 1)
    return reinforce(weights, chosen, losses, others).mean(0)


def straight_through(scores: Array, gumbel: Array, slopes: Array, temperature: float) -> Array:
    """The gradient as if softmax((e + g) / τ) had been read instead of its largest place.

    The slopes xᵢ · ∂ℓ/∂z are those at z = xₛ, with s of `choose` (Jang et al. 2017, eq. 2, §2.2).
    """
    y = softmax((scores + gumbel) / temperature)
    return through_softmax(y, slopes) / temperature
