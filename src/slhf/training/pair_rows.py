"""Check a data set of preference pairs before anything long starts, and turn it into tokens."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slhf.data.prompts import check_prompt
from slhf.errors import InputError, suggestion
from slhf.policies.branches import Branches
from slhf.policies.roles import Roles

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PairRow:
    """One pair on its way to the policy.

    Attributes:
        row: index in the data set.
        branches: the prompt, and the chosen and the rejected response.
        preference: P(chosen ≻ rejected).
        weight: how much it counts.
    """

    row: int
    branches: Branches
    preference: float
    weight: float


@dataclass(frozen=True)
class Limits:
    """How long a text may be.

    Attributes:
        length: tokens of a prompt with its response; a longer response is cut at its end. None: no limit.
        prompt: tokens of a prompt; a longer one is an error. None: no limit of its own.
    """

    length: int | None = None
    prompt: int | None = None


class PairRows(Sequence[PairRow]):
    """A data set as pairs of token rows.

    Args:
        dataset: rows with ``prompt``, ``chosen``, ``rejected``, and if need be ``preference`` and ``weight``; the
            token columns ``prompt_ids``, ``chosen_ids`` and ``rejected_ids`` go before the texts.
        what: name of the data set in error messages.
        roles: turns texts into tokens.
        limits: how long they may be.
        soft: preferences other than 1 are accepted.

    Raises:
        InputError: names the data set and the first row that is wrong.
    """

    def __init__(self, dataset: Any, what: str, roles: Roles, limits: Limits, *, soft: bool = True):
        _check_columns(dataset, what)
        self._rows: list[PairRow] = []
        cut = alike = 0
        for number in range(len(dataset)):
            row, where = dict(dataset[number]), f"{what}, row {number}"
            whole = pair_branches(row, roles, where)
            kept = cut_to(whole, limits, where)
            cut += sum(map(len, whole.responses)) != sum(map(len, kept.responses))
            alike += kept.responses[0] == kept.responses[1]
            preference = _number(row, "preference", where)
            if not 0.0 <= preference <= 1.0:
                raise InputError(f"{where}: preference={preference}: P(chosen ≻ rejected) must lie in [0, 1]")
            if not soft and preference != 1.0:
                raise InputError(
                    f"{where}: preference={preference}: this loss takes plain verdicts, 1 for the chosen response; "
                    "round them when the pairs are made (load_pairs(..., ties='drop') leaves ties out), or take dpo"
                )
            weight = _number(row, "weight", where)
            if weight < 0:
                raise InputError(f"{where}: weight={weight}: must be a finite number ≥ 0")
            self._rows.append(PairRow(number, kept, preference, weight))
        if not any(row.weight for row in self._rows):
            raise InputError(f"{what}: every weight is 0, so nothing would be learned")
        if cut:
            log.warning(
                "%s: %d of %d pairs have a response cut at its end to %s tokens with its prompt (max_length); a cut "
                "response has no end token%s",
                what,
                cut,
                len(self._rows),
                limits.length,
                f", and {alike} pairs no longer differ and teach nothing" if alike else "",
            )

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    @property
    def longest_response(self) -> int:
        """Tokens of the longest response."""
        return max(len(response) for row in self._rows for response in row.branches.responses)

    def digest(self) -> str:
        """Return a hash of tokens, preferences and weights."""
        found = hashlib.sha256()
        for row in self._rows:
            found.update(repr((row.branches.prompt, row.branches.responses, row.preference, row.weight)).encode())
        return found.hexdigest()[:16]


def pair_branches(row: Mapping[str, Any], roles: Roles, where: str) -> Branches:
    """Return the tokens of a pair, whole.

    Args:
        row: ``prompt`` or ``prompt_ids``; ``chosen`` and ``rejected``, or both with ``_ids``.
        roles: turns texts into tokens.
        where: data set and row, for messages.

    Raises:
        InputError: something is missing or of the wrong form, or the two responses are the same.
    """
    chosen, rejected = (response_tokens(row, side, roles, where) for side in ("chosen", "rejected"))
    if chosen == rejected:
        raise InputError(f"{where}: the chosen and the rejected response are the same; leave the row out")
    return Branches(prompt_tokens(row, roles, where), (chosen, rejected))


def prompt_tokens(row: Mapping[str, Any], roles: Roles, where: str) -> tuple[int, ...]:
    """Return the tokens a response continues: ``prompt_ids`` as they are, or ``prompt`` through the roles."""
    ids = row.get("prompt_ids")
    if ids is None:
        check_prompt(row.get("prompt"), where)
        ids = roles.leader_context(row["prompt"])
    if not len(ids):
        raise InputError(f"{where}: the prompt has no tokens; a response needs at least one token before it")
    return tuple(int(t) for t in ids)


def response_tokens(row: Mapping[str, Any], side: str, roles: Roles, where: str) -> tuple[int, ...]:
    """Return the tokens of a response: the column ``…_ids`` as it is, or the text with its end token."""
    ids = row.get(f"{side}_ids")
    if ids is not None:
        return tuple(int(t) for t in ids)
    return text_tokens(row.get(side), side, roles, where)


def text_tokens(text: Any, what: str, roles: Roles, where: str) -> tuple[int, ...]:
    """Return the tokens of a response that is text, its end token included.

    Raises:
        InputError: it is no text.
    """
    if not isinstance(text, str):
        hint = "; slhf.data.load_pairs turns conversations into text" if isinstance(text, list | tuple) else ""
        raise InputError(f"{where}: {what!r} must be text, got {type(text).__name__} {text!r:.60}{hint}")
    return tuple(roles.answer_tokens(text))


def cut_to(whole: Branches, limits: Limits, where: str) -> Branches:
    """Cut responses at their ends so that each fits with its prompt.

    Raises:
        InputError: the prompt is too long.
    """
    prompt = len(whole.prompt)
    if limits.prompt is not None and prompt > limits.prompt:
        raise InputError(
            f"{where}: the prompt has {prompt} tokens, the limit max_prompt_length is {limits.prompt}; shorten it, "
            "remove the row, or raise the limit"
        )
    if limits.length is None:
        return whole
    if prompt >= limits.length:
        raise InputError(
            f"{where}: the prompt has {prompt} tokens, and max_length is {limits.length}, which leaves none for a "
            "response; shorten it, remove the row, or raise the limit"
        )
    return Branches(whole.prompt, tuple(response[: limits.length - prompt] for response in whole.responses))


def _check_columns(dataset: Any, what: str) -> None:
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise InputError(f"{what}: needs a length and rows by number; got {type(dataset).__name__}")
    if len(dataset) == 0:
        raise InputError(f"{what}: there is no pair")
    columns = list(getattr(dataset, "column_names", None) or dict(dataset[0]))
    for name in ("prompt", "chosen", "rejected"):
        if name not in columns and f"{name}_ids" not in columns:
            raise InputError(
                f"{what}: no {name!r} column; it has {', '.join(map(repr, columns))}.{suggestion(name, columns)} "
                "slhf.data.load_pairs makes pairs of most formats"
            )


def _number(row: Mapping[str, Any], name: str, where: str) -> float:
    value = row.get(name)
    value = 1.0 if value is None else value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: {name}={value!r}: must be a finite number")
    return number
