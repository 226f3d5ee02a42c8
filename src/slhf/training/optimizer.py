"""What trains, in which precision, and how fast."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from transformers import TrainingArguments

from slhf.errors import InputError


def role_groups(
    model: Any,
    adapters: Mapping[str, str],
    weights: Mapping[str, float],
    args: TrainingArguments,
    decaying: Collection[str],
) -> list[dict[str, Any]]:
    """Return optimiser groups that give each role's adapter its own learning rate: η and κ η.

    Args:
        model: carries one adapter a role.
        adapters: role → adapter name.
        weights: role → factor of the learning rate.
        args: η and the weight decay.
        decaying: names of the parameters whose weights decay.
    """
    groups = []
    for role, weight in weights.items():
        mark = f".{adapters[role]}."
        mine = [(name, p) for name, p in model.named_parameters() if p.requires_grad and mark in name]
        for decays in (True, False):
            chosen = [p for name, p in mine if (name in decaying) == decays]
            settings = {"lr": args.learning_rate * weight, "weight_decay": args.weight_decay * decays}
            groups += [{"params": chosen, **settings}] if chosen else []
    return groups


def check_precision(model: Any) -> None:
    """Refuse to train weights kept in half precision.

    Raises:
        InputError: names the first such weight.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16):
            raise InputError(
                f"the trained weight {name} is {parameter.dtype}: most small updates would round to nothing; load "
                "the model in float32 (with bf16=True for the arithmetic), or train a LoRA adapter"
            )
