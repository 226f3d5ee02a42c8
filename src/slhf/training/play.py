"""From rollouts to rounds: ask the judge, and put down what was played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slhf.judges.protocol import Judge, preferences
from slhf.objectives import GameBatch
from slhf.training.metrics import Meter
from slhf.types import Comparison, Rollout, Round


def judged(judge: Judge, rollouts: Sequence[Rollout]) -> list[Round]:
    """Compare each Leader answer with each of its refinements, all in one call of the judge.

    Args:
        judge: who prefers.
        rollouts: B prompts with the same numbers G and F of answers and refinements.

    Raises:
        JudgeError: the judge's answer is no preference.
    """
    asked = [
        Comparison(rollout.prompt, answer.text, refinement.text, rollout.columns)
        for rollout in rollouts
        for answer, refinements in zip(rollout.leaders, rollout.followers, strict=True)
        for refinement in refinements
    ]
    shape = (len(rollouts), len(rollouts[0].leaders), len(rollouts[0].followers[0]))
    preferred = preferences(judge, asked).reshape(shape)
    return [Round(rollout, p) for rollout, p in zip(rollouts, preferred, strict=True)]


def describe(meter: Meter, rounds: Sequence[Round]) -> None:
    """Put lengths, and shares of answers that were cut, on the meter."""
    for item in rounds:
        refinements = [answer for group in item.rollout.followers for answer in group]
        for role, answers in (("leader", item.rollout.leaders), ("follower", refinements)):
            meter.add(f"completions/{role}_mean_length", sum(len(a.tokens) for a in answers), len(answers))
            meter.add(f"completions/{role}_truncated", sum(not a.ended for a in answers), len(answers))


def sample_entry(item: Round, step: int) -> dict[str, Any]:
    """Return a round's first pair of answers as a line of ``samples.jsonl``."""
    rollout = item.rollout
    return {
        "step": step,
        "prompt": rollout.prompt,
        "base": None,
        "leader": rollout.leaders[0].text,
        "follower": rollout.followers[0][0].text,
        "preference": float(item.preferences[0, 0]),
    }


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
