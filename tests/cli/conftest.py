"""The fixtures of runs and evaluations, which live beside this folder because commands need them too."""

from tests.align_fixtures import align_values
from tests.contest_fixtures import ground
from tests.run_fixtures import recipe_file, recipe_values, tiny

__all__ = ["align_values", "ground", "recipe_file", "recipe_values", "tiny"]
