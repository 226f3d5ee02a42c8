"""Check a data set of prompts before anything long starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slhf.data.prompts import check_prompt
from slhf.errors import InputError, suggestion
from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.rollouts import PromptRow


class PromptRows(Sequence[PromptRow]):
    """A data set as prompt rows: any sequence of mappings with a ``prompt`` column.

    Args:
        dataset: ``datasets.Dataset``, or a list of dicts.
        what: name of the data set in error messages.

    Raises:
        InputError: empty data set, no ``prompt`` column, a prompt that is missing, empty or of the wrong form.
    """

    def __init__(self, dataset: Any, what: str):
        self._dataset = dataset
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise InputError(f"{what}: needs a length and rows by number; got {type(dataset).__name__}")
        if len(dataset) == 0:
            raise InputError(f"{what}: the data set is empty")
        columns = list(getattr(dataset, "column_names", None) or dict(dataset[0]))
        if "prompt" not in columns:
            raise InputError(
                f"{what}: no 'prompt' column; it has {', '.join(map(repr, columns))}.{suggestion('prompt', columns)} "
                "Rename the column that holds the prompts to 'prompt'"
            )
        for number in range(len(dataset)):
            check_prompt(dataset[number].get("prompt"), f"{what}, row {number}")

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row: Mapping[str, Any] = self._dataset[int(index)]
        return PromptRow(int(index), row["prompt"], {k: v for k, v in row.items() if k != "prompt"})


def check_lengths(
    rows: Sequence[PromptRow], policy: CausalPolicy, what: str, *, max_prompt_length: int, max_new_tokens: int
) -> None:
    """Refuse prompts that are too long, or whose two answers would not fit in the model.

    Raises:
        InputError: names the first such row.
    """
    for row in rows:
        context = policy.roles.leader_context(row.prompt)
        if len(context) > max_prompt_length:
            raise InputError(
                f"{what}, row {row.row}: the prompt has {len(context)} tokens, the limit max_prompt_length is "
                f"{max_prompt_length}; shorten it, remove the row, or raise the limit"
            )
        suffix = len(policy.roles.follower_context(row.prompt, context, [], "")) - len(context)
        needed = len(context) + max(suffix, 0) + 2 * max_new_tokens
        if policy.max_length is not None and needed > policy.max_length:
            raise InputError(
                f"{what}, row {row.row}: prompt, answer, instruction and refinement need {needed} tokens, the model "
                f"holds {policy.max_length}; lower max_new_tokens ({max_new_tokens}) or shorten the prompt"
            )
