"""Preferences in JSON: an object with exactly one of "p", "votes", "rankings", "types", or "prompts".

::

    {"actions": ["A", "B"], "p": [[0.5, 0.7], [0.3, 0.5]]}
    {"actions": ["A", "B"], "votes": [[0, 7], [3, 0]]}
    {"actions": ["A", "B", "C"], "rankings": [["A", "B", "C"], {"ranking": ["C", ["A", "B"]], "count": 4}]}
    {"actions": ["A", "B"], "types": [{"name": "young", "weight": 0.7, "ranking": ["A", "B"]},
                                      {"name": "old", "weight": 0.3, "utilities": [0.1, 2.5]}]}
    {"actions": ["A", "B"], "prompts": [{"prompt": "…", "weight": 2, "p": …}, {"prompt": "…", "weight": 1, "votes": …}]}

"p" is P(row ≻ column), for one prompt or a list of matrices for several; "votes" counts how often the row was
chosen over the column. A list inside a ranking is a group of ties; a ranking may leave actions out, a type's may
not. Weights are divided by their sum and equal where none are given. "actions" may be left out where no ranking
names them; they are then called "0", "1", …. A bare list is read as "p". "description" may hold any text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slhf.errors import InputError, suggestion
from slhf.games.population import Population, population, shares
from slhf.games.preference_data import PreferenceData, action_names, bounded
from slhf.games.rankings import count_votes, ranking_orders, utilities_of
from slhf.games.simplex import Array
from slhf.games.votes import checked_votes, uncompared, vote_shares

SOURCES = ("p", "votes", "rankings", "types")


def read_json(text: str, where: str) -> PreferenceData:
    """Read preferences written in JSON.

    Args:
        text: the file's contents.
        where: the file's name, for messages.

    Raises:
        InputError: names file and entry.
    """
    value = _loads(text, where)
    if isinstance(value, list):
        value = {"p": value}
    if not isinstance(value, dict):
        raise InputError(f'{where}: holds {_kind(value)}; write an object such as {{"actions": […], "p": [[…], …]}}')
    _known_keys(value, ("actions", "description", *SOURCES, "prompts"), where)
    actions = None
    if "actions" in value:
        actions = action_names(_list(value["actions"], f'{where}: "actions"'), f'{where}: "actions"')
    if "prompts" in value:
        extra = [key for key in SOURCES if key in value]
        if extra:
            raise InputError(f'{where}: {extra[0]!r} stands beside "prompts"; write one for each prompt inside it')
        return _batch(_list(value["prompts"], f'{where}: "prompts"'), actions, where)
    return _single(value, actions, where)


def _single(entry: Mapping[str, Any], actions: tuple[str, ...] | None, where: str) -> PreferenceData:
    given = [key for key in SOURCES if key in entry]
    if len(given) != 1:
        raise InputError(
            f"{where}: {'none' if not given else ' and '.join(map(repr, given))} of {', '.join(map(repr, SOURCES))} is "
            "given; give exactly one"
        )
    key = given[0]
    place = f'{where}: "{key}"'
    value = _list(entry[key], place)
    if not value:
        raise InputError(f"{place} is empty; preferences need at least one entry")
    people = votes = None
    try:
        if key == "p":
            p = _matrices(value, place)
        elif key == "votes":
            votes = checked_votes(_matrices(value, place))
            p = vote_shares(votes)
        elif key == "rankings":
            votes = _votes_of_rankings(value, _needed(actions, place), place)
            p = vote_shares(votes)
        else:
            people = _population(value, actions, place)
            p = people.preferences()
    except InputError as error:
        raise error if str(error).startswith(where) else InputError(f"{place}: {error}") from None
    names = actions or action_names([str(y) for y in range(p.shape[-1])], place)
    if len(names) != p.shape[-1]:
        raise InputError(f'{where}: {len(names)} names in "actions", but {place[len(where) + 2 :]} has {p.shape[-1]}')
    missing = 0 if votes is None else uncompared(votes)
    return PreferenceData(p, names, population=people, source=where, uncompared=missing, votes=votes)


def _batch(entries: Sequence[Any], actions: tuple[str, ...] | None, where: str) -> PreferenceData:
    parts, texts, weights = [], [], []
    for number, entry in enumerate(entries, start=1):
        place = f"{where}: prompt {number}"
        if not isinstance(entry, dict):
            raise InputError(f'{place}: is {_kind(entry)}; write an object such as {{"prompt": "…", "p": [[…], …]}}')
        _known_keys(entry, ("prompt", "weight", "description", *SOURCES), place)
        text = entry.get("prompt", f"prompt {number}")
        if not isinstance(text, str):
            raise InputError(f'{place}: "prompt" is {_kind(text)}; write the prompt as text')
        part = _single(entry, actions, place)
        if part.p.ndim == 3:
            raise InputError(f'{place}: "p" is a list of matrices; give each prompt one matrix')
        if parts and len(part.actions) != len(parts[0].actions):
            raise InputError(
                f"{place}: {len(part.actions)} actions where prompt 1 has {len(parts[0].actions)}; every prompt needs "
                "equally many"
            )
        parts.append(part)
        texts.append(text)
        weights.append(entry.get("weight"))
    if not parts:
        raise InputError(f'{where}: "prompts" is empty; give at least one prompt')
    votes = [part.votes for part in parts if part.votes is not None]
    return PreferenceData(
        np.stack([part.p for part in parts]),
        parts[0].actions,
        prompts=tuple(texts),
        rho=_weights(weights, "the prompts", where),
        population=_same_people([part.population for part in parts]),
        source=where,
        uncompared=sum(part.uncompared for part in parts),
        votes=np.stack(votes) if len(votes) == len(parts) else None,
    )


def _same_people(found: Sequence[Population | None]) -> Population | None:
    """Put the opinions of the same types on every prompt together; None if they are not the same types."""
    people = [one for one in found if one is not None]
    if len(people) < len(found) or any(one.names != people[0].names for one in people):
        return None
    if any(not np.allclose(one.weights, people[0].weights, rtol=0.0, atol=1e-12) for one in people):
        return None
    return population(np.stack([one.utilities for one in people]), people[0].weights, people[0].names)


def _votes_of_rankings(entries: Sequence[Any], actions: tuple[str, ...], place: str) -> Array:
    rankings, counts, places = [], [], []
    for number, entry in enumerate(entries, start=1):
        at = f"{place}, entry {number}"
        if isinstance(entry, dict):
            _known_keys(entry, ("ranking", "count"), at)
        ranking, count = (entry.get("ranking"), entry.get("count", 1)) if isinstance(entry, dict) else (entry, 1)
        rankings.append(_list(ranking, f"{at}: a ranking"))
        if not _is_number(count) or not 0 < count < math.inf:
            raise InputError(f'{at}: "count" is {count!r}; write how many people gave this ranking, more than 0')
        counts.append(float(count))
        places.append(at)
    return count_votes(ranking_orders(rankings, actions, places), len(actions), counts)


def _population(entries: Sequence[Any], actions: tuple[str, ...] | None, place: str) -> Population:
    opinions, weights, names = [], [], []
    for number, entry in enumerate(entries, start=1):
        at = f"{place}, type {number}"
        if not isinstance(entry, dict):
            raise InputError(f'{at}: is {_kind(entry)}; write an object such as {{"name": "…", "ranking": […]}}')
        _known_keys(entry, ("name", "weight", "ranking", "utilities"), at)
        if ("ranking" in entry) == ("utilities" in entry):
            raise InputError(f'{at}: give either a "ranking" or "utilities"')
        opinions.append(_opinion(entry, actions, at))
        if len(opinions[-1]) != len(actions or opinions[0]):
            raise InputError(f"{at}: {len(opinions[-1])} utilities for {len(actions or opinions[0])} actions")
        names.append(str(entry.get("name", f"type {number}")))
        weights.append(entry.get("weight"))
    return population(opinions, _weights(weights, "the types", place), names)


def _opinion(entry: Mapping[str, Any], actions: tuple[str, ...] | None, at: str) -> list[float]:
    if "utilities" in entry:
        return _row(entry["utilities"], f'{at}: "utilities"')
    named = _needed(actions, at)
    orders = ranking_orders([_list(entry["ranking"], f'{at}: "ranking"')], named, [at])
    return utilities_of(orders, named, [at])[0].tolist()


def _weights(given: Sequence[Any], of: str, where: str) -> Array | None:
    if all(weight is None for weight in given):
        return None
    for number, weight in enumerate(given, start=1):
        if not _is_number(weight):
            said = "missing" if weight is None else repr(weight)
            raise InputError(
                f'{where}: "weight" {number} of {of} is {said}; give all of them a number, or none a weight'
            )
    try:
        return shares(given, len(given), of)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _matrices(value: Sequence[Any], place: str) -> Array:
    bounded(len(value[0]) if isinstance(value[0], list) else len(value), place)
    if isinstance(value[0], list) and value[0] and isinstance(value[0][0], list):
        tables = [
            _matrix(_list(t, f"{place}, matrix {k}"), f"{place}, matrix {k}") for k, t in enumerate(value, start=1)
        ]
        if len({table.shape for table in tables}) > 1:
            raise InputError(f"{place}: the matrices have different sizes; every prompt needs equally many actions")
        return np.stack(tables)
    return _matrix(value, place)


def _matrix(value: Sequence[Any], place: str) -> Array:
    rows = [_row(row, f"{place}, row {number}") for number, row in enumerate(value, start=1)]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows):
            raise InputError(f"{place}, row {number}: {len(row)} numbers for {len(rows)} rows; a matrix is square")
    return np.array(rows, dtype=np.float64)


def _row(value: Any, place: str) -> list[float]:
    row = _list(value, place)
    for number, entry in enumerate(row, start=1):
        if not _is_number(entry):
            raise InputError(f"{place}, entry {number}: {json.dumps(entry)[:40]} is not a number")
    try:
        return [float(entry) for entry in row]
    except OverflowError:
        raise InputError(f"{place}: a number is too large") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"{place} is {_kind(value)}; write a list")
    return value


def _needed(actions: tuple[str, ...] | None, place: str) -> tuple[str, ...]:
    if actions is None:
        raise InputError(f'{place}: a ranking needs to know all actions; add "actions": ["…", "…"] to the file')
    return actions


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), f"the number {value}")


def _known_keys(value: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in value:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}; the keys are {', '.join(known)}.{suggestion(key, known)}")


def _loads(text: str, where: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, entry in pairs:
            if key in found:
                raise InputError(f"{where}: the key {key!r} stands twice in one object; keep one")
            found[key] = entry
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{where}: lists within lists without end; a matrix is a list of rows") from None
