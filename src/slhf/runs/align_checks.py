"""Checks of a recipe of alignment that no type can make."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from slhf.errors import InputError, suggestion
from slhf.judges import checked_settings
from slhf.runs.sections import check_ranges, lora_checks
from slhf.settings import typed

IMPLICIT = "implicit"
"""Labels by the policy's own log π/π_SFT."""


def one_of(word: str, known: Collection[str], where: str) -> None:
    """Refuse a word that is none of the known ones.

    Raises:
        InputError: it is not; the closest one is suggested.
    """
    if word not in known:
        raise InputError(f"{where}: {word!r} is not one of {', '.join(known)}.{suggestion(str(word), known)}")


def checked_label(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return who labels: ``{"name": "implicit"}``, which it is if nothing is given, or a judge's settings.

    Raises:
        InputError: no such judge, or settings it does not have.
    """
    if not values or values.get("name") == IMPLICIT:
        return {"name": IMPLICIT} | typed({k: v for k, v in values.items() if k != "name"}, {}, f"{where}.")
    try:
        return checked_settings(values, where)
    except InputError as error:
        hint = suggestion(str(values.get("name")), [IMPLICIT])
        raise InputError(f"{error}{hint or f'; or {IMPLICIT!r}, the policy itself'}") from error


def checked_loss(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a loss's name and all its settings, those that were not given at their defaults.

    Raises:
        InputError: no loss of that name, or settings it does not take.
    """
    if values.get("name") is None:
        raise InputError(f"{where}name: this setting is missing; it says which loss")
    settings = dataclasses.asdict(build_loss(values, where))
    return {"name": values["name"]} | {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}


def build_loss(values: Mapping[str, Any], where: str) -> Any:
    """Return the loss that settings describe.

    Args:
        values: its name, and its own settings.
        where: the start of every error message.
    """
    from slhf.algorithms.pairwise import pair_loss

    settings = dict(values)
    return pair_loss(settings.pop("name"), where, **settings)


def check_whole(recipe: Any) -> None:
    """Refuse a model that is an adapter: alignment puts its own on, and compares with the model it starts from.

    Raises:
        InputError: it is one; or there is no such model.
    """
    from slhf.policies.load import stands_on

    if stands_on(recipe.model) != str(recipe.model):
        raise InputError(
            f"{recipe.source}: model: {recipe.model} is an adapter on another model; make it part of the weights "
            f"first: slhf merge --model {recipe.model} --output merged"
        )


def checked_ranges(recipe: Any, start: str) -> None:
    """Refuse settings that are out of range or do not go together.

    Raises:
        InputError: names the first that is.
    """
    seed, sampling, evaluation = recipe.seed, recipe.sampling, recipe.evaluation
    checks = [
        ("seed.share", seed.share is None or 0 < seed.share <= 1, "must lie above 0 and be at most 1"),
        ("seed.limit", seed.limit is None or seed.limit >= 1, "must be at least 1"),
        ("seed.max_prompt_length", (seed.max_prompt_length or 1) >= 1, "must be at least 1"),
        ("seed.flipped", 0 <= seed.flipped <= 1, "must lie between 0 and 1"),
        ("seed.held_out", 0 < seed.held_out < 1, "must lie between 0 and 1"),
        ("sampling.answers", sampling.answers >= 2, "must be at least 2; a pair needs two answers"),
        ("sampling.temperature", sampling.temperature > 0, "must be positive; at 0 all answers are the same"),
        ("sampling.max_new_tokens", sampling.max_new_tokens >= 1, "must be at least 1"),
        ("sampling.top_p", 0 < sampling.top_p <= 1, "must lie above 0 and be at most 1"),
    ]
    if evaluation is not None:
        checks += [
            ("evaluation.samples", evaluation.samples >= 1, "must be at least 1"),
            ("evaluation.temperature", (evaluation.temperature or 0) >= 0, "must be 0 or more"),
            ("evaluation.held_out", 0 < evaluation.held_out < 1, "must lie between 0 and 1"),
        ]
    check_ranges(recipe, start, [*checks, *lora_checks(recipe.lora)])
    if seed.share is not None and seed.limit is not None:
        raise InputError(f"{start}seed: give share or limit, not both; got {seed.share} and {seed.limit}")
    if recipe.iterations < 0:
        raise InputError(f"{start}iterations: must be 0 or more, got {recipe.iterations}")
    for key in ("seed_loss", "loss"):
        settings = getattr(recipe, key)
        if not recipe.hard and not build_loss(settings, f"{start}{key}.").soft:
            raise InputError(
                f"{start}hard: the {key} {settings['name']!r} takes plain verdicts; leave hard: true, or take dpo"
            )
    _check_pool(recipe, start)


def _check_pool(recipe: Any, start: str) -> None:
    if recipe.iterations and recipe.pool is None:
        raise InputError(
            f"{start}pool: {recipe.iterations} iterations need prompts to label; name them, or iterations: 0"
        )
    if recipe.pool is None or not recipe.iterations:
        return
    sizes = recipe.sizes
    if len(sizes) != recipe.iterations:
        raise InputError(f"{start}pool.size: {len(sizes)} numbers for {recipe.iterations} iterations; give one each")
    if any(isinstance(size, bool) or size < 1 for size in sizes):
        raise InputError(f"{start}pool.size: every iteration takes at least 1 prompt, got {sizes}")
