"""From several answers a prompt to a pair with a winner: by implicit reward, by a judge, or by the Follower."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.evaluation.answers import judged_text
from slhf.evaluation.remembering import RememberedJudge
from slhf.judges.protocol import preferences_or_skips
from slhf.types import Comparison, Prompt

EMPTY, FEW, ALIKE = "empty answers", "prompts with fewer than two answers", "prompts with identical answers"
TIED, SKIPPED = "prompts with a tie", "prompts the judge skipped"
WORSE = "prompts whose refinement the judge does not prefer"
"""Why something is left out, in words that follow its number; every prompt gives a pair or has one reason."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which of a prompt's answers is chosen.

    Attributes:
        chosen: its number.
        rejected: number of the other one.
        preference: P(chosen ≻ rejected).
        margin: how far the chosen one is ahead: the difference of rewards, or of mean preferences.
    """

    chosen: int
    rejected: int
    preference: float
    margin: float


@dataclass(frozen=True)
class Annotated:
    """Pairs that were made, and what was left out.

    Attributes:
        rows: ``prompt``, ``chosen``, ``rejected``, ``preference`` and ``margin`` a pair.
        left_out: reason → number.
    """

    rows: list[dict[str, Any]]
    left_out: Mapping[str, int] = field(default_factory=dict)

    def words(self) -> str:
        """Return in words how many pairs there are, and what was left out."""
        told = ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.items() if count)
        return f"{len(self.rows):,} pairs" + (f"; left out: {told}" if told else "")

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"pairs": len(self.rows), "left_out": dict(self.left_out)}


def distinct(answers: Sequence[Sequence[str]]) -> tuple[list[list[str]], Counter[str]]:
    """Return each prompt's answers without empty ones and repetitions, and count what that leaves out.

    A prompt with fewer than two different answers has no pair to give.

    Args:
        answers: X lists.

    Returns:
        X lists, empty where there is no pair; and how many empty answers and such prompts there were.
    """
    counts: Counter[str] = Counter({EMPTY: 0, FEW: 0, ALIKE: 0})
    kept = []
    for row in answers:
        full = [text for text in row if text.strip()]
        counts[EMPTY] += len(row) - len(full)
        different = list(dict.fromkeys(full))
        counts[FEW] += len(full) < 2
        counts[ALIKE] += len(different) == 1 and len(full) > 1
        kept.append(different if len(different) > 1 else [])
    return kept, counts


def by_rewards(rewards: Sequence[float]) -> Verdict | None:
    """Choose the answer with the highest reward, and reject the one with the lowest.

    The preference is 1 and not σ of the difference: towards labels as soft as the policy's own belief, its loss has
    no gradient.

    Args:
        rewards: one an answer, of two or more.

    Returns:
        None where all are equal.

    >>> by_rewards([0.5, 2.0, -1.0])
    Verdict(chosen=1, rejected=2, preference=1.0, margin=3.0)
    """
    r = np.asarray(rewards, dtype=np.float64)
    best, worst = int(r.argmax()), int(r.argmin())
    return None if r[best] == r[worst] else Verdict(best, worst, 1.0, float(r[best] - r[worst]))


def by_preferences(p: NDArray[np.float64]) -> Verdict | None:
    """Choose the answer that is preferred to the others most, on average, and reject the one that is least.

        s[y] = mean over y′ ≠ y of p(y ≻ y′)

    Args:
        p: p[y, y′] between M answers, shape (M, M); p + pᵀ = 1.

    Returns:
        None where all are equal, or the two are a tie or stand the other way round between themselves, which happens
        where majorities run in a circle.
    """
    score = (p.sum(axis=1) - 0.5) / (len(p) - 1)
    best, worst = int(score.argmax()), int(score.argmin())
    if score[best] == score[worst] or p[best, worst] <= 0.5:
        return None
    return Verdict(best, worst, float(p[best, worst]), float(score[best] - score[worst]))


def judged(
    judge: RememberedJudge,
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[str]],
    columns: Sequence[Mapping[str, Any]],
) -> list[NDArray[np.float64]]:
    """Ask a judge about every two answers to the same prompt.

    Args:
        judge: who decides.
        prompts: X prompts.
        answers: X lists of different answers.
        columns: the prompts' extra columns.

    Returns:
        X matrices p[y, y′], with ½ on the diagonal and NaN where the judge skipped a comparison.

    Raises:
        JudgeError: an answer that is neither a preference nor a skip.
    """
    asked = [
        (x, i, j, Comparison(judged_text(prompt), row[i], row[j], columns[x]))
        for x, (prompt, row) in enumerate(zip(prompts, answers, strict=True))
        for i, j in combinations(range(len(row)), 2)
    ]
    tables = [np.full((len(row), len(row)), 0.5) for row in answers]
    found = preferences_or_skips(judge, [comparison for *_, comparison in asked])
    for (x, i, j, _), value in zip(asked, found, strict=True):
        tables[x][i, j], tables[x][j, i] = value, 1.0 - value
    return tables


def annotated(
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[str]],
    verdicts: Sequence[Verdict | None],
    counts: Counter[str],
) -> Annotated:
    """Put pairs together.

    Args:
        prompts: X prompts.
        answers: X lists of different answers; those of a prompt without a pair are empty.
        verdicts: one a prompt; None for a tie.
        counts: what was left out before.
    """
    rows = []
    left_out = Counter(counts)
    for prompt, row, verdict in zip(prompts, answers, verdicts, strict=True):
        if verdict is None:
            left_out[TIED] += bool(row)
            continue
        rows.append(
            {
                "prompt": prompt if isinstance(prompt, str) else [dict(turn) for turn in prompt],
                "chosen": row[verdict.chosen],
                "rejected": row[verdict.rejected],
                "preference": verdict.preference,
                "margin": verdict.margin,
            }
        )
    return Annotated(rows, dict(left_out))


def label_by_judge(
    judge: RememberedJudge,
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[str]],
    columns: Sequence[Mapping[str, Any]],
) -> Annotated:
    """Make a pair of each prompt's answers by a judge's preferences.

    Args:
        judge: who decides.
        prompts: X prompts.
        answers: X lists of answers, as sampled.
        columns: the prompts' extra columns.
    """
    kept, counts = distinct(answers)
    tables = judged(judge, prompts, kept, columns)
    skipped = [x for x, table in enumerate(tables) if np.isnan(table).any()]
    counts[SKIPPED] = len(skipped)
    for x in skipped:
        kept[x] = []
    return annotated(
        prompts, kept, [by_preferences(t) if row else None for t, row in zip(tables, kept, strict=True)], counts
    )


def label_by_follower(
    judge: RememberedJudge | None,
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[str]],
    columns: Sequence[Mapping[str, Any]],
) -> Annotated:
    """Make a pair of each prompt's answer and the Follower's refinement of it: the refinement is chosen.

    Args:
        judge: keeps those pairs alone whose refinement it prefers; None keeps all, with a preference of 1.
        prompts: X prompts.
        answers: X lists of an answer and its refinement.
        columns: the prompts' extra columns.
    """
    kept, counts = distinct(answers)
    p = np.ones(len(kept))
    if judge is not None:
        p = np.array([t[1, 0] if len(t) else 1.0 for t in judged(judge, prompts, kept, columns)])
        counts[SKIPPED], counts[WORSE] = int(np.isnan(p).sum()), int((p <= 0.5).sum())
    kept = [row if value > 0.5 else [] for row, value in zip(kept, p, strict=True)]
    verdicts = [Verdict(1, 0, float(v), float(2.0 * v - 1.0)) if row else None for row, v in zip(kept, p, strict=True)]
    return annotated(prompts, kept, verdicts, counts)


def label_by_reward(
    rewards: Sequence[Sequence[float]],
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[str]],
    counts: Counter[str],
) -> Annotated:
    """Make a pair of each prompt's answers by their rewards.

    Args:
        rewards: X lists, one reward an answer.
        prompts: X prompts.
        answers: X lists of different answers, as :func:`distinct` returns them.
        counts: what that left out.
    """
    verdicts = [by_rewards(row) if row else None for row in rewards]
    return annotated(prompts, answers, verdicts, counts)
