"""Every metric a run logs: its name, what it means, its unit; and the meter that averages them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

METRICS: Mapping[str, str] = {
    "loss": "sum of the roles' losses, weighted as trained; near zero and noisy by nature",
    "grad_norm": "norm of the gradient before clipping, at the last step",
    "learning_rate": "the (Leader's) learning rate",
    "preference/leader_over_follower": "mean P(y ≻ y′) of the sampled pairs; below ½ the Follower improves answers",
    "preference/leader_over_mixture": "mean P(y ≻ y′) of the Leader's answers against the mixture's; Nash-MD",
    "preference/spread": "mean |P(y ≻ the others) − ½| within a prompt's answers; zero: nothing to choose among them",
    "reward/leader": "mean scalar reward of the Leader's answers, in the judge's own unit; RLOO on scores",
    "pairs/accuracy": "share of pairs whose margin has the sign of the label, ½ at zero; training on pairs",
    "pairs/margin": "mean ξ = β [log π/π_ref(y_w) − log π/π_ref(y_l)] in the label's direction, β nats",
    "pairs/chosen_log_ratio": "mean log π/π_ref of the chosen responses, nats; falling: they grow less likely too",
    "pairs/rejected_log_ratio": "mean log π/π_ref of the rejected responses, nats",
    "pairs/smoothed": "share of pairs whose label is smoothed as doubtful; SPA",
    "pairs/multiplier": "λ*, what a little more ε would add to the worst case; SGPO and label flips",
    "pairs/moved": "share of pairs that the adversary moves or flips; SGPO and label flips",
    "kl/leader": "estimate of KL(π ‖ π_ref) an answer, nats",
    "kl/follower": "estimate of KL(ω ‖ ω_ref) a refinement, nats",
    "completions/leader_mean_length": "tokens an answer, end token included",
    "completions/follower_mean_length": "tokens a refinement, end token included",
    "completions/leader_truncated": "share of answers cut before an end token",
    "completions/follower_truncated": "share of refinements cut before an end token",
    "completions/mixture_mean_length": "tokens an answer of Nash-MD's mixture, end token included",
    "completions/mixture_truncated": "share of the mixture's answers cut before an end token",
    "sampling/log_ratio": "mean |log π_train − log π_sampler| a token, where sampling has a precision of its own, nats",
    "sampling/importance_weight": "mean truncated importance weight a token, where sampling has a precision of its own",
    "time/generate": "seconds a step spent sampling",
    "time/judge": "seconds a step spent judging after sampling was over",
    "time/train": "seconds a step spent in forward, backward and bookkeeping",
    "eval_leader_vs_base": "mean P(Leader's answer ≻ base's answer) on held-out prompts",
    "eval_follower_vs_base": "mean P(refinement ≻ base's answer) on held-out prompts",
    "eval_follower_vs_leader": "mean P(refinement ≻ the Leader's answer it refines) on held-out prompts",
    "eval_leader_vs_base_stderr": "its standard error over prompts; the other two have theirs likewise",
    "eval_follower_vs_base_stderr": "standard error over prompts",
    "eval_follower_vs_leader_stderr": "standard error over prompts",
    "eval_leader_mean_length": "tokens an answer in the evaluation",
    "eval_follower_mean_length": "tokens a refinement in the evaluation",
    "eval_loss": "loss on held-out pairs; of SGPO and label flips the worst case of these pairs",
    "eval_pairs/accuracy": "share of held-out pairs whose margin has the sign of the label, ½ at zero",
    "eval_pairs/margin": "mean margin of held-out pairs in the label's direction, β nats",
    "eval_pairs/smoothed": "share of held-out pairs that would be smoothed as doubtful; SPA",
    "eval_pairs/moved": "share of held-out pairs that the adversary would move or flip; SGPO and label flips",
    "eval_runtime": "seconds the evaluation took",
    "train_runtime": "seconds this call of train took",
    "epoch": "passes over the training prompts so far",
    "step": "optimiser steps so far",
}
"""Name → meaning. Names that start with ``time/`` or end in ``runtime`` are wall-clock and do not repeat."""


class Meter:
    """Sums and counts of metrics since the last log; adds over processes, survives a checkpoint."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, float] = {}

    def add(self, name: str, total: float, count: float) -> None:
        """Add ``count`` observations that sum to ``total``."""
        self._sums[name] = self._sums.get(name, 0.0) + total
        self._counts[name] = self._counts.get(name, 0.0) + count

    def add_all(self, metrics: Mapping[str, torch.Tensor]) -> None:
        """Add one observation an element of each tensor."""
        for name, values in metrics.items():
            self.add(name, float(values.double().sum()), values.numel())

    def drain(self, accelerator: Any) -> dict[str, float]:
        """Return the means over all processes and start again."""
        names = sorted(self._sums)
        if not names:
            return {}
        both = [[self._sums[name] for name in names], [self._counts[name] for name in names]]
        if accelerator.num_processes > 1:
            total = torch.tensor(both, dtype=torch.float64, device=accelerator.device)
            both = accelerator.reduce(total, reduction="sum").tolist()
        self._sums, self._counts = {}, {}
        return {name: both[0][i] / both[1][i] for i, name in enumerate(names) if both[1][i]}

    def state(self) -> dict[str, dict[str, float]]:
        """Return what a checkpoint has to keep."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Take up what a checkpoint kept."""
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
