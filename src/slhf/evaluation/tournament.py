"""Everybody against everybody, on the same prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, suggestion
from slhf.evaluation.bootstrap import Bootstrap, Estimate, Estimates, clusters_of, estimate, estimates
from slhf.evaluation.intervals import Rate, rate
from slhf.judges import Judge, preferences
from slhf.types import Comparison

Answers = Sequence[str] | Sequence[Sequence[str]]
"""A contender's answers: one text a prompt, or several samples a prompt."""


@dataclass(frozen=True)
class Tournament:
    """The outcome of a round robin.

    Attributes:
        names: the A contenders.
        per_prompt: preference of row over column for each prompt, shape (A, A, X); the
            samples of a prompt are averaged; ½ on the diagonal.
        clusters: number of each row's prompt, shape (X,), where a prompt may come more than
            once; None where all differ.
    """

    names: tuple[str, ...]
    per_prompt: NDArray[np.float64]
    clusters: NDArray[np.intp] | None = None

    def rate(self, first: str, second: str) -> Rate:
        """Return how often ``first`` is preferred to ``second``, with its standard error over prompts.

        Raises:
            InputError: one of them did not take part.
        """
        return rate(self.per_prompt[self._place(first), self._place(second)], self.clusters)

    def estimates(self, bootstrap: Bootstrap | None = None) -> Estimates:
        """Return all rates, shape (A, A), with standard errors and paired bootstrap intervals.

        Paper: SLHF Table 3.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return estimates(self.per_prompt, self.clusters, bootstrap)

    def averages(self, bootstrap: Bootstrap | None = None) -> Estimates:
        """Return each contender's mean rate against all others, shape (A,).

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return estimates(self._against_all(), self.clusters, bootstrap)

    def difference(
        self, first: str, second: str, against: str | None = None, bootstrap: Bootstrap | None = None
    ) -> Estimate:
        """Return by how much ``first`` does better than ``second``, on the same prompts.

        Args:
            first: a contender.
            second: another one.
            against: whose opponents they are; all the others, on average, if not given.
            bootstrap: seed, resamples and level of the interval.

        Raises:
            InputError: one of them did not take part, or fewer prompts than an interval needs.
        """
        values = self._against_all() if against is None else self.per_prompt[:, self._place(against)]
        return estimate(values[self._place(first)] - values[self._place(second)], self.clusters, bootstrap)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean preference of row over column, shape (A, A)."""
        return self.per_prompt.mean(axis=2)

    def as_rows(self) -> list[dict[str, Any]]:
        """Return one dict a contender: its name, and its rate against every other one."""
        return [
            {"name": a, "against": {b: self.rate(a, b).as_dict() for b in self.names if b != a}} for a in self.names
        ]

    def as_table(self, bootstrap: Bootstrap | None = None) -> list[dict[str, Any]]:
        """Return what :meth:`as_rows` returns, with the ends of the intervals.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        found = self.estimates(bootstrap)
        return [
            {"name": a, "against": {b: found[i, j].as_dict() for j, b in enumerate(self.names) if i != j}}
            for i, a in enumerate(self.names)
        ]

    def _against_all(self) -> NDArray[np.float64]:
        return (self.per_prompt.sum(axis=1) - 0.5) / (len(self.names) - 1)

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise InputError(f"no contender {name!r}; there are {', '.join(self.names)}.{suggestion(name, self.names)}")
        return self.names.index(name)


def tournament(
    judge: Judge,
    prompts: Sequence[str],
    contenders: Mapping[str, Answers],
    columns: Sequence[Mapping[str, Any]] | None = None,
) -> Tournament:
    """Let every two contenders be judged on every prompt.

        p[a, b, x] = mean over samples i of a, j of b of P(y_{a,i} ≻ y_{b,j} | x)

    Each pair is asked once; the other half of the table is its complement, so that the order
    in which contenders are listed cannot matter.

    Args:
        judge: who decides.
        prompts: X prompts as text.
        contenders: name → answers in the order of the prompts, one text a prompt or several.
        columns: the prompts' extra columns.

    Raises:
        InputError: fewer than two contenders, or a contender that lacks answers.
        JudgeError: the judge's answer is no preference.
    """
    names = tuple(contenders)
    if len(names) < 2:
        raise InputError(f"a tournament needs at least two contenders, got {list(names)}")
    extra = [{}] * len(prompts) if columns is None else columns
    if len(extra) != len(prompts):
        raise InputError(f"{len(extra)} rows of columns for {len(prompts)} prompts")
    samples = {name: _samples(name, contenders[name], len(prompts)) for name in names}
    pairs = list(combinations(range(len(names)), 2))
    asked: list[Comparison] = []
    sizes: list[int] = []  # comparisons a pair and prompt
    for a, b in pairs:
        for x, prompt in enumerate(prompts):
            mine, theirs = samples[names[a]][x], samples[names[b]][x]
            asked += [Comparison(prompt, y, z, extra[x]) for y in mine for z in theirs]
            sizes.append(len(mine) * len(theirs))
    table = np.full((len(names), len(names), len(prompts)), 0.5)
    if asked:
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)
        means = np.add.reduceat(preferences(judge, asked), starts) / np.array(sizes)
        first, second = np.array(pairs).T
        table[first, second] = means.reshape(len(pairs), len(prompts))
        table[second, first] = 1.0 - table[first, second]
    return Tournament(names, table, clusters_of(prompts))


def _samples(name: str, answers: Answers, count: int) -> list[list[str]]:
    if len(answers) != count:
        raise InputError(f"contender {name!r} has answers to {len(answers)} prompts, there are {count}")
    listed = [[a] if isinstance(a, str) else list(a) for a in answers]
    empty = next((x for x, row in enumerate(listed) if not row), None)
    if empty is not None:
        raise InputError(f"contender {name!r} has no answer to prompt {empty}")
    return listed
