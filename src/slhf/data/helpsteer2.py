"""HelpSteer2: one row a response, five attributes, some prompts a conversation in one text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
SCHEMA = ("prompt", "response", *ATTRIBUTES)
HUB_NAME = "nvidia/HelpSteer2"

_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n?")


def is_helpsteer2(columns: Iterable[str]) -> bool:
    """Tell whether the columns are those of HelpSteer2: prompt, response and the five attributes."""
    return set(SCHEMA) <= set(columns)


def messages(prompt: str) -> list[dict[str, str]]:
    r"""Return a HelpSteer2 prompt as messages.

    A prompt of several turns starts with the user's text; each later turn is opened by a
    marker line ``<extra_id_1>User`` or ``<extra_id_1>Assistant``. An opened but empty
    assistant turn at the end is the answer that is asked for, and is left out.

    >>> messages("Hi\n<extra_id_1>Assistant\nHello!\n<extra_id_1>User\nSing.")[1]
    {'role': 'assistant', 'content': 'Hello!'}
    """
    first, *rest = _TURN.split(prompt)
    turns = [{"role": "user", "content": first}] if first.strip() else []
    turns += [{"role": role.lower(), "content": text} for role, text in zip(rest[::2], rest[1::2], strict=True)]
    if turns and turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
        turns.pop()
    return turns


def unique_prompts(data: Dataset) -> Dataset:
    """Return HelpSteer2's distinct prompts as conversations, in the order they first appear.

    The responses and their attributes are left out: training samples its own. Other columns
    are kept as they stand beside a prompt's first response.
    """
    from datasets import Dataset

    kept = [name for name in data.column_names if name not in SCHEMA]
    seen: dict[str, dict[str, Any]] = {}
    for row in data:
        assert isinstance(row, dict)  # iterating a data set gives rows
        seen.setdefault(row["prompt"], {name: row[name] for name in kept})
    return Dataset.from_list([{"prompt": messages(p), **rest} for p, rest in seen.items()])
