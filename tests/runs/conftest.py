"""The fixtures of runs, which live beside this folder because commands need them too."""

from tests.run_fixtures import recipe_file, recipe_values, tiny

__all__ = ["recipe_file", "recipe_values", "tiny"]
