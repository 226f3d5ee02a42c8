"""Training and held-out prompts, told apart by a hash: no overlap, and no order to depend on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from slhf.errors import InputError, suggestion
from slhf.types import Prompt

if TYPE_CHECKING:
    from datasets import Dataset

TRAIN, HELD_OUT = "train", "held_out"
ALIASES = {"held_out": HELD_OUT, "test": HELD_OUT, "validation": HELD_OUT, "eval": HELD_OUT, "train": TRAIN}
"""Words for the two splits that a recipe may use where a data set brings none of its own."""


def split_by_hash(data: Dataset, split: str, share: float = 0.1, seed: int = 0) -> Dataset:
    """Return the training or the held-out rows of a data set that has no splits.

    A row is held out if its prompt's hash, as a number in [0, 1), is below ``share``; equal
    prompts therefore land on the same side, whatever their order and their number.

    Args:
        data: rows with a ``prompt`` column.
        split: "train", or "held_out" (also "test", "validation", "eval").
        share: expected share of held-out prompts, in (0, 1).
        seed: another seed, another split.

    Raises:
        InputError: an unknown split, a share outside (0, 1), or no row on the wanted side.
    """
    if split not in ALIASES:
        raise InputError(
            f"unknown split {split!r}; a data set without splits of its own has {TRAIN!r} and "
            f"{HELD_OUT!r}.{suggestion(split, ALIASES)}"
        )
    if not 0.0 < share < 1.0:
        raise InputError(f"the held-out share must lie between 0 and 1, got {share}")
    wanted = ALIASES[split] == HELD_OUT
    rows = [i for i, prompt in enumerate(data["prompt"]) if (place(prompt, seed) < share) == wanted]
    if not rows:
        raise InputError(
            f"no prompt falls into the split {split!r} of {len(data)} rows at a held-out share of {share}; "
            f"give more rows, another share or another seed, or name a file for each split"
        )
    return data.select(rows, keep_in_memory=True)


def place(prompt: Prompt | Any, seed: int) -> float:
    """Return the prompt's place in [0, 1): a hash of its text and the seed."""
    text = prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(f"{seed}\n{text}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
