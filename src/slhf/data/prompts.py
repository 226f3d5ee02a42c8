"""What a prompt may be, text or a conversation, and the checks it passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slhf.errors import InputError, suggestion

if TYPE_CHECKING:
    from datasets import Dataset

_OTHER_NAMES = ("prompts", "question", "questions", "instruction", "instructions", "query", "input", "text")
_ROLES = ("system", "user", "assistant", "tool")


def checked_prompts(
    rows: Dataset | Iterable[Mapping[str, Any]], source: str = "the data set", column: str = "prompt"
) -> Dataset:
    """Return ``rows`` as a data set whose ``prompt`` column is known to be sound.

    Args:
        rows: a data set, or dicts with a ``prompt`` (text, or messages that end with a user turn)
            and any further columns, which are kept.
        source: what the rows are called in errors.
        column: the column that holds the prompts; it is renamed to ``prompt``.

    Returns:
        A ``datasets.Dataset`` with at least one row.

    Raises:
        InputError: no rows, no such column, or a prompt that is empty, of a wrong type or
            does not end with a user turn; the message names the source and the row.
    """
    from datasets import Dataset

    # read from memory: mapping or slicing such a set writes no cache files anywhere
    data = rows if isinstance(rows, Dataset) else _from_rows(list(rows), source)
    if len(data) == 0:
        raise InputError(f"{source} has no rows; give at least one with a {column!r}")
    if column not in data.column_names:
        near = suggestion(column, data.column_names) or _alias(data.column_names)
        raise InputError(f"{source} has no column {column!r}; it has {', '.join(map(repr, data.column_names))}.{near}")
    if column != "prompt":
        if "prompt" in data.column_names:
            data = data.remove_columns("prompt")
        data = data.rename_column(column, "prompt")
    for number, prompt in enumerate(data["prompt"]):
        check_prompt(prompt, f"{source}, row {number}")
    return data


def _alias(columns: Sequence[str]) -> str:
    found = next((c for c in columns if c.lower() in _OTHER_NAMES), None)
    return f" Is it {found!r}? Then say so with prompt_column={found!r}." if found else ""


def _from_rows(rows: list[Mapping[str, Any]], source: str) -> Dataset:
    from datasets import Dataset

    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InputError(
                f"{source}, row {number}: a row is a dict with a 'prompt', got {type(row).__name__} {row!r}"
            )
        if "prompt" in row:
            check_prompt(row["prompt"], f"{source}, row {number}")
    names = dict.fromkeys(name for row in rows for name in row)  # in the order they first appear
    try:
        return Dataset.from_list([{name: row.get(name) for name in names} for row in rows])
    except Exception as error:  # pyarrow's type errors share no base
        raise InputError(
            f"{source}: the rows do not fit one table: {error}; a column must have one type in every row "
            f"(prompts all text, or all conversations)"
        ) from error


def check_prompt(prompt: Any, where: str) -> None:
    """Refuse a prompt that is empty, of the wrong form, or does not end with a user turn.

    Args:
        prompt: text, or messages.
        where: data set and row, the start of the error message.

    Raises:
        InputError: says what is wrong and where.
    """
    if isinstance(prompt, str):
        if not prompt.strip():
            raise InputError(f"{where}: the prompt is empty; write one or leave the row out")
        return
    if prompt is None:
        raise InputError(f"{where}: there is no prompt; fill the field or leave the row out")
    if not isinstance(prompt, Sequence):
        raise InputError(f"{where}: a prompt is text or a list of messages, got {type(prompt).__name__} {prompt!r}")
    if not prompt:
        raise InputError(f"{where}: the conversation has no turns; give at least a user turn")
    for turn, message in enumerate(prompt):
        _check_turn(message, f"{where}, turn {turn}")
    last = prompt[-1]["role"]
    if last != "user":
        raise InputError(
            f"{where}: the conversation ends with a turn of role {last!r}; the last turn of a prompt must be the user's"
        )
    if not prompt[-1]["content"].strip():
        raise InputError(f"{where}: the last user turn is empty; write what is asked, or drop the turn")


def _check_turn(message: Any, where: str) -> None:
    if not isinstance(message, Mapping) or "role" not in message or "content" not in message:
        raise InputError(f"{where}: a message is a dict with 'role' and 'content', got {message!r}")
    if message["role"] not in _ROLES:
        near = suggestion(str(message["role"]), _ROLES)
        raise InputError(f"{where}: unknown role {message['role']!r}; the roles are {', '.join(_ROLES)}.{near}")
    if not isinstance(message["content"], str):
        raise InputError(
            f"{where}: the content of a message is text, got {type(message['content']).__name__} {message['content']!r}"
        )
