"""The stories recipe does what it says, on the really pretrained model."""

from __future__ import annotations

import pytest

from slhf.runs import load_recipe, run


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_follower_learns_to_please_the_readers(stories, tmp_path):
    """Forty of the recipe's sixty steps, seed 0: Follower over base above .6 by two standard errors."""
    changes = [f"model={stories}", "args.max_steps=40", "args.eval_strategy=no", "args.load_best_model_at_end=false"]
    result = run(load_recipe("stories", [*changes, "args.save_strategy=no"]), tmp_path / "run")
    rate = result.table.rate("follower", "base")
    assert rate.count == 128
    assert rate.mean - 2 * rate.stderr > 0.6
