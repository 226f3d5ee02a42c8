"""What a run of alignment reads: seed pairs, a pool of prompts, held-out prompts; checked against each other."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slhf.data import load_pairs, load_prompts
from slhf.data.farthest import farthest_first
from slhf.data.splits import prompt_key
from slhf.errors import InputError
from slhf.evaluation.bootstrap import FEWEST
from slhf.runs.align_recipe import AlignRecipe, EvaluationSettings, PoolSettings, SeedSettings
from slhf.types import Prompt

if TYPE_CHECKING:
    from datasets import Dataset

Row = dict[str, Any]

log = logging.getLogger(__name__)

_SEED, _FLIP, _POOL = range(3)  # who draws


@dataclass(frozen=True)
class AlignData:
    """Everything a run reads, prompts all in one form.

    Attributes:
        labelled: all pairs of the seed's source, of which some are taken.
        pool: prompts, with their other columns, of which each iteration takes some.
        held_out: prompts, with their other columns, of the evaluation.
    """

    labelled: list[Row]
    pool: list[Row]
    held_out: list[Row]

    def digest(self) -> str:
        """Return a hash of it all."""
        text = json.dumps([self.labelled, self.pool, self.held_out], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def build_align_data(recipe: AlignRecipe) -> AlignData:
    """Load and check everything.

    Raises:
        InputError: a set cannot be loaded, has no labels or no prompts; a prompt of the seed pairs or of the pool is
            held out; or the pool is too small.
    """
    labelled = _short_enough(_labelled(recipe.seed, recipe.source), recipe)
    pool = [] if recipe.pool is None or not recipe.iterations else _prompts(recipe.pool, None)
    found = recipe.evaluation
    held_out = [] if found is None else _prompts(found, found.limit)
    if found is not None and len({key_of(row["prompt"]) for row in held_out}) < FEWEST:
        raise InputError(
            f"{recipe.source}: evaluation: intervals need at least {FEWEST} different prompts, {found.data!r} gives "
            f"{len(held_out)}; take more, or leave the section out"
        )
    kept_out = {key_of(row["prompt"]) for row in held_out}
    _apart(labelled, kept_out, f"{recipe.source}: seed.data {recipe.seed.data!r}")
    if pool:
        _apart(pool, kept_out, f"{recipe.source}: pool.data {recipe.pool.data!r}")  # type: ignore[union-attr]
    in_one_form([labelled, pool, held_out])
    return AlignData(labelled, pool, held_out)


def key_of(prompt: Prompt) -> str:
    """Return a text that no other prompt has; one user turn is the same prompt as its text."""
    return prompt_key(short_form(prompt))


def short_form(prompt: Any) -> Any:
    """Return a conversation of one user turn as its text, and any other prompt as it is."""
    if not isinstance(prompt, str) and len(prompt) == 1 and prompt[0]["role"] == "user":
        return prompt[0]["content"]
    return prompt


def in_one_form(groups: Sequence[Sequence[Row]]) -> None:
    """Write all prompts as texts where that is possible, else all as conversations: a column has one type.

    Args:
        groups: rows with a ``prompt``, which is replaced.
    """
    rows = [row for group in groups for row in group]
    for row in rows:
        row["prompt"] = short_form(row["prompt"])
    if all(isinstance(row["prompt"], str) for row in rows):
        return
    for row in rows:
        turns = [{"role": "user", "content": row["prompt"]}] if isinstance(row["prompt"], str) else row["prompt"]
        row["prompt"] = [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def seed_count(settings: SeedSettings, there: int, source: str) -> int:
    """Return how many pairs are taken.

    Raises:
        InputError: the share comes to none, or fewer are there than asked for.
    """
    if settings.limit is not None:
        if settings.limit > there:
            raise InputError(f"{source}: seed.limit: {settings.limit} pairs asked for, {there} are there")
        return settings.limit
    count = there if settings.share is None else round(settings.share * there)
    if count < 1:
        raise InputError(f"{source}: seed.share: {settings.share} of {there} pairs is none; take a larger share")
    return count


def random_pairs(labelled: Sequence[Row], count: int, seed: int) -> list[int]:
    """Return the numbers of pairs drawn at random, in rising order."""
    drawn = np.random.default_rng([seed, _SEED]).permutation(len(labelled))[:count]
    return sorted(int(i) for i in drawn)


def farthest_pairs(labelled: Sequence[Row], embeddings: Mapping[str, Any], count: int, seed: int) -> list[int]:
    """Return the numbers of pairs whose prompts lie far apart: one a prompt first, then a second, and so on.

    Args:
        labelled: all pairs.
        embeddings: of every prompt, by :func:`key_of`.
        count: how many.
        seed: draws the prompt to begin with.
    """
    of_prompt: dict[str, list[int]] = {}
    for number, row in enumerate(labelled):
        of_prompt.setdefault(key_of(row["prompt"]), []).append(number)
    keys = list(of_prompt)
    first = int(np.random.default_rng([seed, _SEED]).integers(len(keys)))
    order = farthest_first(np.stack([embeddings[key] for key in keys]), min(count, len(keys)), first)
    chosen: list[int] = []
    turn = 0
    while len(chosen) < count:
        listed = [of_prompt[keys[i]] for i in order]
        chosen += [numbers[turn] for numbers in listed if len(numbers) > turn][: count - len(chosen)]
        turn += 1
    return sorted(chosen)


def flipped(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Return pairs of which a share has its two responses exchanged.

    The order in which pairs are drawn does not depend on the share: what is wrong at one share is wrong at any larger
    one.

    Args:
        rows: pairs.
        share: of them, rounded to a whole number.
        seed: of the draw.
    """
    order = np.random.default_rng([seed, _FLIP]).permutation(len(rows))
    wrong = {int(i) for i in order[: round(share * len(rows))]}
    exchange = {"chosen": "rejected", "rejected": "chosen"}
    return [{**row, **{k: row[v] for k, v in exchange.items()}} if i in wrong else row for i, row in enumerate(rows)]


def fresh_prompts(recipe: AlignRecipe, pool: Sequence[Row], seeds: Sequence[Row]) -> list[list[Row]]:
    """Return the prompts of each iteration, drawn without replacement from those that no seed pair has.

    Raises:
        InputError: there are too few.
    """
    taken = {key_of(row["prompt"]) for row in seeds}
    left = [row for row in pool if key_of(row["prompt"]) not in taken]
    wanted = sum(recipe.sizes)
    if wanted > len(left):
        raise InputError(
            f"{recipe.source}: pool.size: {recipe.iterations} iterations take {wanted} prompts, {len(left)} are left "
            f"of {len(pool)} when those of the seed pairs are out; take fewer, or another pool"
        )
    order = np.random.default_rng([recipe.random_seed, _POOL]).permutation(len(left))
    drawn = iter(order)
    return [[left[int(next(drawn))] for _ in range(size)] for size in recipe.sizes]


def _labelled(settings: SeedSettings, source: str) -> list[Row]:
    try:
        pairs = load_pairs(
            settings.data,
            settings.split,
            attribute=settings.attribute,
            ties=settings.ties,
            invalid=settings.invalid,
            held_out=settings.held_out,
        )
    except InputError as error:
        raise type(error)(f"{source}: seed: {error}") from error
    return pairs.select_columns(["prompt", "chosen", "rejected", "preference"]).to_list()


def _short_enough(rows: list[Row], recipe: AlignRecipe) -> list[Row]:
    """Leave out pairs of long prompts, where the recipe says so."""
    limit = recipe.seed.max_prompt_length
    if limit is None:
        return rows
    from slhf.policies import load_tokenizer, make_roles

    roles = make_roles(load_tokenizer(recipe.model))
    kept = [row for row in rows if len(roles.leader_context(short_form(row["prompt"]))) <= limit]
    if not kept:
        raise InputError(f"{recipe.source}: seed.max_prompt_length: no pair has a prompt of at most {limit} tokens")
    if len(kept) < len(rows):
        log.warning(
            "%d of %d pairs have prompts of more than %d tokens and are left out",
            len(rows) - len(kept),
            len(rows),
            limit,
        )
    return kept


def _prompts(settings: PoolSettings | EvaluationSettings, limit: int | None) -> list[Row]:
    split = settings.split
    if split is None and isinstance(settings, EvaluationSettings) and not Path(settings.data).is_file():
        split = "held_out"
    found: Dataset = load_prompts(
        settings.data, split, limit, prompt_column=settings.prompt_column, held_out=settings.held_out
    )
    rows: dict[str, Row] = {}
    for row in found.to_list():
        rows.setdefault(key_of(row["prompt"]), row)
    return list(rows.values())


def _apart(rows: Sequence[Row], kept_out: Collection[str], what: str) -> None:
    """Refuse prompts that are held out.

    Raises:
        InputError: there are some.
    """
    shared = [row["prompt"] for row in rows if key_of(row["prompt"]) in kept_out]
    if shared:
        raise InputError(
            f"{what}: {len(shared)} of {len(rows)} prompts are held out for the evaluation, the first "
            f"{shared[0]!r}; name splits or files that do not overlap"
        )
