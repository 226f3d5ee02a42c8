"""One optimiser step on pairs: what it is made of, and how scores become a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor
from transformers import TrainingArguments

from slhf.algorithms.pair_protocol import Plan
from slhf.objectives.pair_batch import PairBatch
from slhf.training.pair_rows import PairRow
from slhf.training.pair_scores import Scorer


@dataclass
class Step:
    """The pairs of one optimiser step, and what becomes known of them.

    Attributes:
        rows: N pairs.
        pieces: places of the pairs that go through the model together.
        progress: share of the run's steps that are done.
        ahead: the plan needs the margins of all pairs first.
        alone: there is one piece in one process, so its own forward knows them all.
        plan: what the loss is told.
        margins: (N,) by which doubtful pairs are told, filled in as they become known.
    """

    rows: Sequence[PairRow]
    pieces: list[list[int]]
    progress: float
    ahead: bool
    alone: bool
    plan: Plan = field(default_factory=Plan)
    margins: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.margins = torch.zeros(len(self.rows), dtype=torch.float64)


def pair_batch(ratios: Tensor, rows: Sequence[PairRow], extrapolated: Tensor | None) -> PairBatch:
    """Put pairs and their scores together.

    Args:
        ratios: (2 B,) log-ratios of chosen and rejected responses, in turn.
        rows: B pairs.
        extrapolated: (2 B,) the same of the extrapolated policy, or None.
    """
    both = ratios.view(-1, 2)
    chosen, rejected = both.unbind(1)

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=ratios.dtype, device=ratios.device)

    lengths = [[len(response) for response in row.branches.responses] for row in rows]
    return PairBatch(
        chosen=chosen,
        rejected=rejected,
        chosen_tokens=column([float(length[0]) for length in lengths]),
        rejected_tokens=column([float(length[1]) for length in lengths]),
        preference=column([row.preference for row in rows]),
        weight=column([row.weight for row in rows]),
        extrapolated=None if extrapolated is None else extrapolated.view(-1, 2).diff(dim=1).neg().squeeze(1),
    )


def everywhere(margins: Tensor, args: TrainingArguments) -> tuple[Tensor, int]:
    """Return the margins of all processes, one after the other, and where those of this one begin."""
    if args.world_size == 1:
        return margins, 0
    found: list[list[float]] = gather_object([margins.tolist()])
    mine = args.process_index
    return torch.tensor([m for one in found for m in one], dtype=margins.dtype), sum(map(len, found[:mine]))


def scored(
    scorer: Scorer, rows: Sequence[PairRow], args: TrainingArguments, around: Callable[[], AbstractContextManager[Any]]
) -> PairBatch:
    """Score pairs without a gradient, in evaluation mode, each process its share; on the CPU, in float64.

    Args:
        scorer: the policy against its reference.
        rows: any number of pairs.
        args: know the processes.
        around: makes the context of every forward.
    """
    items, world = [row.branches for row in rows], args.world_size
    found = scorer.all_log_ratios([items[i] for i in range(args.process_index, len(items), world)], around)
    if world > 1:
        parts = gather_object([found.view(-1, 2).tolist()])
        found = torch.zeros(len(items), 2, dtype=torch.float64)
        for process, part in enumerate(parts):
            found[process::world] = torch.tensor(part, dtype=torch.float64).view(-1, 2)
    return pair_batch(found.flatten(), rows, None)
