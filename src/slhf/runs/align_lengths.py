"""Whether every prompt of a run of alignment fits into the model with its answers, found before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slhf.errors import InputError
from slhf.runs.align_data import AlignData, Row
from slhf.runs.align_recipe import AlignRecipe

if TYPE_CHECKING:
    from slhf.policies import CausalPolicy


def pair_limit(recipe: AlignRecipe, policy: CausalPolicy) -> int | None:
    """Return how many tokens a prompt and its response may have in training; longer responses are cut."""
    from slhf.training.pair_arguments import PairArguments

    given = (recipe.args.get("max_length", PairArguments.max_length), policy.max_length)
    return min((length for length in given if length), default=None)


def check_lengths(recipe: AlignRecipe, policy: CausalPolicy, data: AlignData) -> None:
    """Refuse prompts that would fail later.

    Args:
        recipe: the settings.
        policy: the SFT model.
        data: all that is read.

    Raises:
        InputError: a prompt of pool or evaluation that leaves no room for its answer, or one of the seed pairs that
            leaves none for a response; the message names it.
    """
    held, longest = policy.max_length, recipe.sampling.max_new_tokens
    if held is not None:
        remedy = "leave it out, or lower sampling.max_new_tokens"
        for section, rows in (("pool", data.pool), ("evaluation", data.held_out)):
            _check(policy, rows, held - longest, f"{recipe.source}: {section}", f"and an answer {longest} more", remedy)
    limit = pair_limit(recipe, policy)
    if limit is not None:
        remedy = f"seed.max_prompt_length={limit // 2}, say, leaves such pairs out"
        _check(policy, data.labelled, limit - 1, f"{recipe.source}: seed", "and a response at least one", remedy)
        # the pool's prompts are those of later pairs
        remedy = "leave it out, or raise args.max_length"
        _check(policy, data.pool, limit - 1, f"{recipe.source}: pool", "and a response at least one", remedy)


def _check(policy: CausalPolicy, rows: Sequence[Row], room: int, where: str, more: str, remedy: str) -> None:
    for row in rows:
        try:
            needed = len(policy.roles.leader_context(row["prompt"]))
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if not 0 < needed <= room:
            raise InputError(
                f"{where}: the prompt {row['prompt']!r:.200} has {needed} tokens, {more}; it may have {room}: {remedy}"
            )
