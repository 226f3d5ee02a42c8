"""Everybody against everybody, on the same prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, suggestion
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
    """

    names: tuple[str, ...]
    per_prompt: NDArray[np.float64]

    def rate(self, first: str, second: str) -> Rate:
        """Return how often ``first`` is preferred to ``second``, with its standard error over prompts.

        Raises:
            InputError: one of them did not take part.
        """
        return rate(self.per_prompt[self._place(first), self._place(second)])

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean preference of row over column, shape (A, A)."""
        return self.per_prompt.mean(axis=2)

    def as_rows(self) -> list[dict[str, Any]]:
        """Return one dict a contender: its name, and its rate against every other one."""
        return [
            {"name": a, "against": {b: self.rate(a, b).as_dict() for b in self.names if b != a}} for a in self.names
        ]

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
    asked: list[Comparison] = []
    cells: list[tuple[int, int, int, int]] = []  # (a, b, prompt, number of comparisons)
    for (a, first), (b, second) in combinations(enumerate(names), 2):
        for x, prompt in enumerate(prompts):
            pairs = [(y, z) for y in samples[first][x] for z in samples[second][x]]
            asked += [Comparison(prompt, y, z, extra[x]) for y, z in pairs]
            cells.append((a, b, x, len(pairs)))
    answers = preferences(judge, asked)
    table = np.full((len(names), len(names), len(prompts)), 0.5)
    start = 0
    for a, b, x, count in cells:
        p = answers[start : start + count].mean()
        table[a, b, x], table[b, a, x] = p, 1.0 - p
        start += count
    return Tournament(names, table)


def _samples(name: str, answers: Answers, count: int) -> list[list[str]]:
    if len(answers) != count:
        raise InputError(f"contender {name!r} has answers to {len(answers)} prompts, there are {count}")
    listed = [[a] if isinstance(a, str) else list(a) for a in answers]
    empty = next((x for x, row in enumerate(listed) if not row), None)
    if empty is not None:
        raise InputError(f"contender {name!r} has no answer to prompt {empty}")
    return listed
