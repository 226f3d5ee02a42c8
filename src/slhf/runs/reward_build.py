"""From a recipe of reward models to pairs and to the settings of training."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from slhf.data import load_pairs
from slhf.errors import InputError
from slhf.runs.build import build_lora, splits_of
from slhf.runs.reward_recipe import RewardData, RewardRecipe

if TYPE_CHECKING:
    from slhf.training.reward_pairs import RewardPairs
    from slhf.training.reward_setup import RewardTraining
    from slhf.training.skew_training import SkewSettings

log = logging.getLogger(__name__)

VERDICT = "preference"
"""What the reward is called where pairs have one verdict and no attributes."""


def build_pairs(settings: RewardData) -> tuple[RewardPairs, RewardPairs]:
    """Return the training and the held-out pairs of all attributes; a held-out prompt is not trained on.

    Raises:
        InputError: a set cannot be loaded, has no such attribute, or leaves an attribute without pairs.
    """
    train_split, eval_split = splits_of(settings)
    held_out = _pairs(settings, settings.eval or settings.train, eval_split, settings.eval_limit, "held-out")
    train = _pairs(settings, settings.train, train_split, settings.train_limit, "training")
    left = train.without(frozenset(held_out.prompts))
    if len(left) < len(train):
        log.warning("%d pairs are of held-out prompts and left out of training", len(train) - len(left))
    for attribute in left.attributes:
        if not len(left.of(attribute)):
            raise InputError(
                f"every training pair of {attribute!r} is of a held-out prompt; nothing is left to train on"
            )
    return left, held_out


def _pairs(settings: RewardData, source: str, split: str | None, limit: int | None, what: str) -> RewardPairs:
    from slhf.training.reward_pairs import joined

    sets = {
        attribute or VERDICT: load_pairs(
            source,
            split,
            limit,
            attribute=attribute,
            ties=settings.ties,
            invalid=settings.invalid,
            held_out=settings.held_out,
            seed=settings.seed,
        )
        for attribute in settings.attributes or [None]
    }
    return joined(sets, f"the {what} pairs of {source}")


def build_training(recipe: RewardRecipe) -> RewardTraining:
    """Return how the recipe's reward models are trained."""
    from slhf.training.reward_setup import RewardTraining

    return RewardTraining(
        base=recipe.model,
        args=recipe.args,
        lora=build_lora(recipe, "SEQ_CLS"),
        centring=recipe.centring,
        max_length=recipe.max_length,
        robust=recipe.robust,
    )


def build_skew(recipe: RewardRecipe) -> SkewSettings:
    """Return how the recipe's skew-symmetric preference model embeds responses."""
    from slhf.training.skew_training import SkewSettings

    return SkewSettings() if recipe.dimension is None else SkewSettings(pairs=recipe.dimension // 2)
