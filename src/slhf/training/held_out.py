"""Compare base, Leader and Follower on held-out prompts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from accelerate.utils import gather_object

from slhf.evaluation.intervals import rate
from slhf.evaluation.tournament import tournament
from slhf.judges.protocol import Judge
from slhf.policies.rollouts import PromptRow, Roller
from slhf.types import Answer, Rollout

EVALUATION = 2**32
"""Step number in the noise key of evaluations, so that they never share noise with training."""

PAIRS = (("leader", "base"), ("follower", "base"), ("follower", "leader"))
"""Who is compared with whom; the first one's rate is reported."""


@dataclass
class HeldOut:
    """Answers of base, Leader and Follower to the same prompts, and how they compare.

    Attributes:
        metrics: means, standard errors and lengths; names without the ``eval_`` prefix.
        samples: a dict a prompt: prompt, base, leader, follower, preference.
    """

    metrics: dict[str, float]
    samples: list[dict[str, Any]]


class Evaluator:
    """Evaluates on one data set; the base's answers are sampled once and kept.

    Args:
        rows: the held-out prompts.
        judge: who prefers.
        base: also compare with the reference's answers.
    """

    def __init__(self, rows: Sequence[PromptRow], judge: Judge, *, base: bool = True):
        self._rows, self._judge, self._base = list(rows), judge, base
        self._base_answers: list[Answer] | None = None

    def run(self, roller: Roller, process: int = 0, processes: int = 1) -> HeldOut:
        """Sample, judge and summarise; every process takes its share of the prompts."""
        start = time.perf_counter()
        mine = self._rows[process::processes]
        if self._base and self._base_answers is None:
            self._base_answers = roller.reference_answers(mine, EVALUATION)
            roller.forget(None)
        rollouts = roller.rollouts(mine, EVALUATION)
        base = self._base_answers if self._base else None
        local = self._compare(rollouts, base)
        everything = gather_object(local) if processes > 1 else local
        everything.sort(key=lambda row: row["row"])
        metrics = _summary(everything)
        metrics["runtime"] = time.perf_counter() - start
        return HeldOut(metrics, everything)

    def _compare(self, rollouts: Sequence[Rollout], base: list[Answer] | None) -> list[dict[str, Any]]:
        leaders = [r.leaders[0] for r in rollouts]
        followers = [r.followers[0][0] for r in rollouts]
        answers = {"leader": leaders, "follower": followers} | ({} if base is None else {"base": base})
        texts = {name: [answer.text for answer in listed] for name, listed in answers.items()}
        columns = [rollout.columns for rollout in rollouts]
        played = tournament(self._judge, [rollout.prompt for rollout in rollouts], texts, columns)
        pairs = [(a, b) for a, b in PAIRS if b in texts]
        results = {f"{a}_vs_{b}": played.per_prompt[played.names.index(a), played.names.index(b)] for a, b in pairs}
        return [
            {
                "row": rollout.row,
                "prompt": rollout.prompt,
                "base": base[i].text if base is not None else None,
                "leader": leaders[i].text,
                "follower": followers[i].text,
                "leader_length": len(leaders[i].tokens),
                "follower_length": len(followers[i].tokens),
                **{name: float(values[i]) for name, values in results.items()},
            }
            for i, rollout in enumerate(rollouts)
        ]


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for name in (f"{a}_vs_{b}" for a, b in PAIRS):
        if name in rows[0]:
            found = rate([row[name] for row in rows])
            metrics |= {name: found.mean, f"{name}_stderr": found.stderr}
    for role in ("leader", "follower"):
        metrics[f"{role}_mean_length"] = float(np.mean([row[f"{role}_length"] for row in rows]))
    return metrics
