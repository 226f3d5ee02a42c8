"""Best of N: what trying again is worth, by refinement chains and by independent samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from slhf.errors import InputError, suggestion
from slhf.evaluation.bootstrap import Bootstrap, Estimate, Estimates, estimate, estimates
from slhf.games.population import shares
from slhf.judges.annotators import credit

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Best:
    """How the best of N answers is distributed: K values with weights.

    Attributes:
        values: shape (…, K).
        weights: shape (K,), summing to one.
    """

    values: Array
    weights: Array

    def mean(self) -> Array:
        """Return the expected value, shape (…)."""
        return self.values @ self.weights


@dataclass(frozen=True, eq=False)
class Independent:
    """M independent answers to each prompt, of which any N are as good as any others.

    Attributes:
        scores: what each of A annotators thinks of them, more being better, shape (A, X, M).
    """

    scores: Array

    @property
    def longest(self) -> int:
        """The largest N."""
        return self.scores.shape[-1]

    def best(self, n: int) -> Best:
        """Return the best of N: the mean over all subsets of N of the M answers, exactly.

            P(the i-th smallest of M is the best) = C(i − 1, N − 1) / C(M, N)

        It is an unbiased estimate, with less spread than that of the first N answers alone.

        Raises:
            InputError: N is not between 1 and M.
        """
        _check_n(n, self.longest)
        below = np.arange(self.longest)
        return Best(np.sort(self.scores, axis=-1), comb(below, n - 1) / comb(self.longest, n))


@dataclass(frozen=True, eq=False)
class Chains:
    """C chains of L answers to each prompt; each answer after the first refines the one before.

    Attributes:
        scores: what each of A annotators thinks of them, more being better, shape (A, X, C, L).
    """

    scores: Array

    @property
    def longest(self) -> int:
        """The largest N."""
        return self.scores.shape[-1]

    def best(self, n: int) -> Best:
        """Return the best among the first N answers of each chain.

        Raises:
            InputError: N is not between 1 and L.
        """
        _check_n(n, self.longest)
        chains = self.scores.shape[-2]
        return Best(self.scores[..., :n].max(axis=-1), np.full(chains, 1.0 / chains))


def preference_of_best(ours: Best, theirs: Best, temperature: float | None = None) -> Array:
    """Return how likely our best answer is preferred to theirs.

        Σ_{k, l} w_k v_l ( [r_k > r′_l] + ½ [r_k = r′_l] )

    Args:
        ours: values of shape (…, K).
        theirs: values of shape (…, L).
        temperature: None for hard preferences; otherwise σ((r − r′) / temperature).

    Returns:
        Shape (…).
    """
    p = credit(ours.values[..., :, None], theirs.values[..., None, :], temperature)
    return np.einsum("...kl,k,l->...", p, ours.weights, theirs.weights)


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve over N = 1 … n, a row an annotator.

    Attributes:
        name: whose.
        annotators: A names.
        per_prompt: the preference for the best of N over the baseline, shape (n, A, X).
        weights: the annotators' shares, shape (A,), summing to one.
        clusters: number of each row's prompt, shape (X,); None where all differ.
    """

    name: str
    annotators: tuple[str, ...]
    per_prompt: Array
    weights: Array
    clusters: NDArray[np.intp] | None = None

    @property
    def average(self) -> Array:
        """The annotators' average for each prompt, shape (n, X)."""
        return np.einsum("nax,a->nx", self.per_prompt, self.weights)

    def estimates(self, bootstrap: Bootstrap | None = None) -> Estimates:
        """Return the average over annotators, shape (n,), with paired bootstrap intervals.

        Paper: SLHF Eq. (13).

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return estimates(self.average, self.clusters, bootstrap)

    def by_annotator(self, bootstrap: Bootstrap | None = None) -> Estimates:
        """Return every annotator's own curve, shape (n, A), with paired bootstrap intervals.

        Paper: SLHF Eq. (12), Tables 6–8.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return estimates(self.per_prompt, self.clusters, bootstrap)

    def gain(self, n: int, annotator: str | None = None, bootstrap: Bootstrap | None = None) -> Estimate:
        """Return how much the best of ``n`` is above the first answer alone, on the same prompts.

        Args:
            n: at least 1.
            annotator: one of the annotators; their average if not given.
            bootstrap: seed, resamples and level of the interval.

        Raises:
            InputError: no such N, no such annotator, or fewer prompts than an interval needs.
        """
        curve = self._of(annotator)
        _check_n(n, len(curve))
        return estimate(curve[n - 1] - curve[0], self.clusters, bootstrap)

    def difference(
        self, other: Curve, n: int, annotator: str | None = None, bootstrap: Bootstrap | None = None
    ) -> Estimate:
        """Return how much this curve is above ``other`` at N = ``n``, on the same prompts.

        Raises:
            InputError: other prompts, no such N or annotator, or fewer prompts than an interval needs.
        """
        mine, theirs = self._of(annotator), other._of(annotator)
        if mine.shape[1] != theirs.shape[1]:
            raise InputError(f"{self.name!r} has {mine.shape[1]} prompts, {other.name!r} {theirs.shape[1]}")
        _check_n(n, min(len(mine), len(theirs)))
        return estimate(mine[n - 1] - theirs[n - 1], self.clusters, bootstrap)

    def as_table(self, bootstrap: Bootstrap | None = None) -> dict[str, Any]:
        """Return the curve's name, its average and every annotator's curve, with intervals.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        mean, each = self.estimates(bootstrap), self.by_annotator(bootstrap)
        numbers = range(len(self.per_prompt))
        rows = {a: [each[i, j].as_dict() for i in numbers] for j, a in enumerate(self.annotators)}
        return {"name": self.name, "average": [mean[i].as_dict() for i in numbers], "annotators": rows}

    def _of(self, annotator: str | None) -> Array:
        if annotator is None:
            return self.average
        if annotator not in self.annotators:
            raise InputError(
                f"no annotator {annotator!r}; there are {', '.join(self.annotators)}."
                f"{suggestion(annotator, self.annotators)}"
            )
        return self.per_prompt[:, self.annotators.index(annotator)]


def best_of_n_curve(
    name: str,
    ours: Independent | Chains,
    baseline: Independent | Chains,
    annotators: Sequence[str],
    *,
    n: int,
    baseline_n: int | None = None,
    weights: Sequence[float] | None = None,
    temperature: float | None = None,
    clusters: NDArray[np.intp] | None = None,
) -> Curve:
    """Compare the best of N answers with the baseline's best of N, for each annotator's own choice of the best.

        p_a(N) = P( max_{i ≤ N} r_a(y_i) > max_{j ≤ N} r_a(b_j) ) + ½ P( = ),    p(N) = Σ_a w_a p_a(N)

    The baseline has N answers as well: against a fixed number of them no curve could fall.

    Paper: SLHF Eq. (12)–(13).
    Departs: the mean over all subsets of the independent answers drawn, where one set of N would do; ties are ½;
    see tests/evaluation/test_best_of_n.py.

    Args:
        name: of the curve.
        ours: scores of the answers, shape (A, X, M) or (A, X, C, L).
        baseline: scores of the baseline's answers.
        annotators: A names.
        n: the largest N.
        baseline_n: the baseline's fixed number of answers; as many as ours if not given.
        weights: the annotators' shares; equal if not given.
        temperature: None for hard preferences; otherwise those of σ((r − r′) / temperature).
        clusters: number of each row's prompt.

    Raises:
        InputError: scores that do not fit each other, or fewer answers than N.
    """
    shape = (len(annotators), ours.scores.shape[1])
    for what, scored in (("answers", ours), ("baseline's answers", baseline)):
        if scored.scores.shape[:2] != shape or not np.isfinite(scored.scores).all():
            raise InputError(
                f"scores of the {what} are finite, a row an annotator and a column a prompt, {shape}; got shape "
                f"{scored.scores.shape}"
            )
    rows = [
        preference_of_best(ours.best(k), baseline.best(k if baseline_n is None else baseline_n), temperature)
        for k in range(1, n + 1)
    ]
    return Curve(name, tuple(annotators), np.array(rows), shares(weights, len(annotators), "annotators"), clusters)


def curve_against_one(
    name: str, ours: Independent | Chains, judge: str, *, n: int, clusters: NDArray[np.intp] | None = None
) -> Curve:
    """Return the curve of a judge without annotators: the best is the answer it prefers most to one of the baseline.

        p(N) = E max_{i ≤ N} p(y_i ≻ b)

    It cannot fall, for the judge chooses against the very answer it then compares with.

    Args:
        name: of the curve.
        ours: the judge's preferences p(y_i ≻ b) in place of scores, shape (1, X, M) or (1, X, C, L).
        judge: the judge's name.
        n: the largest N.
        clusters: number of each row's prompt.

    Raises:
        InputError: values that are no preferences, or fewer answers than N.
    """
    p = ours.scores
    if p.shape[0] != 1 or not ((p >= 0.0) & (p <= 1.0)).all():
        raise InputError(f"preferences lie in [0, 1] and have one row, shape (1, X, …); got shape {p.shape}")
    rows = np.array([ours.best(k).mean() for k in range(1, n + 1)])
    return Curve(name, (judge,), rows, np.ones(1), clusters)


def _check_n(n: int, longest: int) -> None:
    if not 1 <= n <= longest:
        raise InputError(f"N={n}: there are {longest} answers to choose from; draw more, or ask for 1 to {longest}")
