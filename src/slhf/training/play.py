"""From rollouts to rounds: ask the judge, and put down what was played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.judges.protocol import Judge, preferences
from slhf.objectives import GameBatch
from slhf.training.metrics import Meter
from slhf.training.rewards import rewards
from slhf.types import Answer, Comparison, Group, Mixture, Opponent, Rollout, Round, Scored


def judged(judge: Judge, rollouts: Sequence[Rollout], opponent: Opponent) -> list[Round]:
    """Compare each Leader answer with what it meets, all in one call of the judge.

    Args:
        judge: who prefers.
        rollouts: B prompts of the same match.
        opponent: whom the Leader's answers meet; two answers of a group are compared once.

    Raises:
        JudgeError: the judge's answer is no preference.
    """
    if isinstance(opponent, Scored):
        return _scored(judge, rollouts)
    if isinstance(opponent, Group):
        return _within_groups(judge, rollouts)
    met = [[r.opponents] * len(r.leaders) if isinstance(opponent, Mixture) else r.followers for r in rollouts]
    asked = [
        (rollout, answer, other)
        for rollout, rivals in zip(rollouts, met, strict=True)
        for answer, others in zip(rollout.leaders, rivals, strict=True)
        for other in others
    ]
    shape = (len(rollouts), len(rollouts[0].leaders), len(met[0][0]))
    preferred = _preferences(judge, asked).reshape(shape)
    return [Round(rollout, p) for rollout, p in zip(rollouts, preferred, strict=True)]


def _within_groups(judge: Judge, rollouts: Sequence[Rollout]) -> list[Round]:
    count = len(rollouts[0].leaders)
    first, second = np.triu_indices(count, 1)
    asked = [(r, r.leaders[g], r.leaders[h]) for r in rollouts for g, h in zip(first, second, strict=True)]
    found = _preferences(judge, asked).reshape(len(rollouts), -1)
    table = np.full((len(rollouts), count, count), 0.5)
    table[:, first, second], table[:, second, first] = found, 1.0 - found
    return [Round(rollout, p) for rollout, p in zip(rollouts, table, strict=True)]


def _scored(judge: Judge, rollouts: Sequence[Rollout]) -> list[Round]:
    count = len(rollouts[0].leaders)
    asked = [(r.prompt, answer.text, r.columns) for r in rollouts for answer in r.leaders]
    found = rewards(judge, asked).reshape(len(rollouts), count)
    nothing = np.empty((count, 0))
    return [Round(rollout, nothing, r) for rollout, r in zip(rollouts, found, strict=True)]


def _preferences(judge: Judge, asked: Sequence[tuple[Rollout, Answer, Answer]]) -> NDArray[np.float64]:
    return preferences(judge, [Comparison(r.prompt, y.text, z.text, r.columns) for r, y, z in asked])


def describe(meter: Meter, rounds: Sequence[Round]) -> None:
    """Put lengths, and shares of answers that were cut, on the meter."""
    for item in rounds:
        rollout = item.rollout
        refinements = [answer for group in rollout.followers for answer in group]
        for who, answers in (("leader", rollout.leaders), ("follower", refinements), ("mixture", rollout.opponents)):
            if answers:
                meter.add(f"completions/{who}_mean_length", sum(len(a.tokens) for a in answers), len(answers))
                meter.add(f"completions/{who}_truncated", sum(not a.ended for a in answers), len(answers))


def sample_entry(item: Round, step: int) -> dict[str, Any]:
    """Return a round's first answer and what it met as a line of ``samples.jsonl``."""
    rollout = item.rollout
    entry = {
        "step": step,
        "prompt": rollout.prompt,
        "base": None,
        "leader": rollout.leaders[0].text,
        "follower": rollout.followers[0][0].text if rollout.followers[0] else "",
    }
    if item.rewards is not None:
        return entry | {"preference": None, "reward": float(item.rewards[0])}
    if rollout.followers[0]:
        return entry | {"preference": float(item.preferences[0, 0])}
    place, rival = (0, rollout.opponents[0]) if rollout.opponents else (1, rollout.leaders[1])
    return entry | {"opponent": rival.text, "preference": float(item.preferences[0, place])}


def held_out_entry(row: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Return a row of an evaluation as a line of ``samples.jsonl``."""
    texts = {name: row[name] for name in ("prompt", "base", "leader", "follower")}
    return {"step": step, **texts, "preference": 1.0 - row["follower_vs_leader"], "held_out": True}


def describe_weights(meter: Meter, batch: GameBatch) -> None:
    """Where sampling has a precision of its own, put on the meter how far it is from the policy."""
    for response in batch.roles.values():
        if response.importance is not None and response.sampler_log_ratio is not None:
            count = float(response.mask.sum())
            meter.add("sampling/importance_weight", float(response.importance.sum()), count)
            meter.add("sampling/log_ratio", float(response.sampler_log_ratio.abs().sum()), count)
