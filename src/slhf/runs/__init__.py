"""Runs: a recipe, the folder it fills, and the order of things in between."""

from __future__ import annotations

from slhf.runs.recipe import Recipe, load_recipe, shipped_recipes
from slhf.runs.run import RunResult, run

__all__ = ["Recipe", "RunResult", "load_recipe", "run", "shipped_recipes"]
