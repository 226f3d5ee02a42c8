"""The fixtures of serving, which live beside this folder because the command needs them too."""

from tests.serving_fixtures import small, toy

__all__ = ["small", "toy"]
