"""The embedded world: a small chat model, prompts and preferences that come with the package.

Importing it does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slhf.toy.annotators import ANNOTATORS, Annotator, annotate
from slhf.toy.shipped import model_path, preferences, prompts
from slhf.toy.world import question_of, right


def is_correct(prompt: str | Mapping[str, Any], response: str) -> bool:
    """Say whether ``response`` gives the right answer and no other.

    Args:
        prompt: a row of the data set, or the text of one of this world's prompts.
        response: any text.

    Raises:
        InputError: a text that is not one of this world's prompts.
    """
    if isinstance(prompt, str):
        return right(question_of(prompt), response)
    return right(question_of(str(prompt["prompt"]), prompt), response)


__all__ = [
    "ANNOTATORS", "Annotator", "annotate", "is_correct", "model_path", "preferences", "prompts",
]  # fmt: skip
