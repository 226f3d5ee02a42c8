"""PrefLib's files of orders: complete or not, with ties or without.

::

    # NUMBER ALTERNATIVES: 4
    # ALTERNATIVE NAME 1: Tea
    …
    12: 3,{1,4},2

Twelve voters put 3 first, tie 1 and 4, and put 2 last. ``.soc`` and ``.toc`` place every alternative, ``.soi``
and ``.toi`` need not; ``.toc`` and ``.toi`` may have ties. A voter who ties two alternatives gives half a vote
to each. **A voter who does not place an alternative gives no vote on any pair it belongs to**, not even against
those that are placed; a pair that nobody compared is ½, and a warning says how many there are. To read "not
placed" as "worse than all that are", take the ``.toc`` PrefLib publishes beside a ``.soi``, where the rest is
tied at the bottom.

Format: https://preflib.github.io/PrefLib-Jekyll/format
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from slhf.errors import InputError
from slhf.games.population import Population, population
from slhf.games.preference_data import PreferenceData, action_names, bounded
from slhf.games.rankings import Order, complete, count_votes, ranking_orders, utilities_of
from slhf.games.votes import uncompared, vote_shares

_ENTRY = re.compile(r"\s*(?:\{([^{}]*)\}|([^{},]+))\s*(?:,|$)")
_NAME = re.compile(r"ALTERNATIVE NAME\s+(\S+)$")

Header = dict[str, tuple[int, str]]
"""Keys of the header with the line they stand on and what they say."""


def read_preflib(text: str, where: str, kind: str) -> PreferenceData:
    """Read a file of orders.

    Args:
        text: the file's contents.
        where: the file's name, for messages.
        kind: ``soc``, ``soi``, ``toc`` or ``toi``: must orders be complete (c), may they have ties (t)?

    Returns:
        Preferences of a voter drawn at random; with the voters as a population, one type an order, where all
        orders are complete.

    Raises:
        InputError: names file and line.
    """
    header, lines = _split(text, where)
    actions = _alternatives(header, where)
    counts, rankings, places = [], [], []
    for number, line in lines:
        place = f"{where}, line {number}"
        count, ranking = _order_line(line, place)
        counts.append(count)
        rankings.append(ranking)
        places.append(place)
    _agree(header, counts, kind, where)
    numbered = [str(number) for number in range(1, len(actions) + 1)]
    orders = ranking_orders(rankings, numbered, places)
    for order, place in zip(orders, places, strict=True):
        _of_kind(order, len(actions), kind, place)
    votes = count_votes(orders, len(actions), counts)
    people = _people(orders, counts, actions)
    missing = uncompared(votes)
    p = vote_shares(votes)
    return PreferenceData(p, actions, population=people, source=where, uncompared=missing, votes=votes)


def _split(text: str, where: str) -> tuple[Header, list[tuple[int, str]]]:
    header: Header = {}
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            key, colon, value = line[1:].partition(":")
            key = " ".join(key.split()).upper()
            if colon and key in header:
                raise InputError(f"{where}, line {number}: {key} stands here and on line {header[key][0]}; keep one")
            if colon:
                header[key] = (number, value.strip())
        elif line.strip():
            lines.append((number, line.strip()))
    if "NUMBER ALTERNATIVES" not in header:
        raise InputError(
            f"{where}: the header has no line '# NUMBER ALTERNATIVES: …'; files from before 2022 have another header: "
            "take the present one from preflib.org"
        )
    if not lines:
        raise InputError(f"{where}: there is a header but no orders; add lines such as '1: 2,1,3'")
    return header, lines


def _alternatives(header: Header, where: str) -> tuple[str, ...]:
    count = _whole(header, "NUMBER ALTERNATIVES", where)
    bounded(count, where)
    named: dict[int, str] = {}
    for key, (line, name) in header.items():
        match = _NAME.match(key)
        if match and not (match[1].isdecimal() and 1 <= int(match[1]) <= count):
            raise InputError(
                f"{where}, line {line}: a name for alternative {match[1]}, but alternatives are numbered 1 to {count}; "
                "correct it or NUMBER ALTERNATIVES"
            )
        if match:
            named[int(match[1])] = name
    if named and len(named) < count:
        missing = next(k for k in range(1, count + 1) if k not in named)
        raise InputError(
            f"{where}: {len(named)} names for {count} alternatives; add '# ALTERNATIVE NAME {missing}: …', or correct "
            "NUMBER ALTERNATIVES"
        )
    names = [named.get(k, "") or str(k) for k in range(1, count + 1)]
    # Two alternatives of one name do occur; their numbers tell them apart.
    found = Counter(names)
    return action_names([f"{n} [{k}]" if found[n] > 1 else n for k, n in enumerate(names, start=1)], where)


def _order_line(line: str, place: str) -> tuple[int, list[list[str] | str]]:
    before, colon, after = line.partition(":")
    if not colon:
        raise InputError(
            f"{place}: {line[:60]!r} has no colon; an order is written 'voters: alternative,alternative,…'"
        )
    if not (before.strip().isdecimal() and int(before) > 0):
        raise InputError(f"{place}: {before.strip()!r} is no number of voters; write a whole number, 1 or more")
    ranking: list[list[str] | str] = []
    at = 0
    while at < len(after):
        match = _ENTRY.match(after, at)
        if not match:
            raise InputError(
                f"{place}: cannot read {after[at:].strip()[:40]!r}; alternatives are separated by commas, ties stand "
                "in braces: 3,{1,4},2"
            )
        tied, single = match.groups()
        ranking.append(single.strip() if tied is None else [one.strip() for one in tied.split(",") if tied.strip()])
        at = match.end()
    if after.rstrip().endswith(","):
        raise InputError(f"{place}: the order ends in a comma; take it away, or add the alternative that is missing")
    return int(before), ranking


def _of_kind(order: Order, alternatives: int, kind: str, place: str) -> None:
    ties = any(len(group) > 1 for group in order)
    if kind[0] == "s" and ties:
        raise InputError(f"{place}: a tie in a .{kind} file; orders with ties belong in a .t{kind[1:]} file")
    if kind[2] == "c" and not complete(order, alternatives):
        placed = sum(map(len, order))
        raise InputError(
            f"{place}: {placed} of {alternatives} alternatives placed in a .{kind} file; orders that leave some out "
            f"belong in a .{kind[:2]}i file"
        )


def _agree(header: Header, counts: Sequence[int], kind: str, where: str) -> None:
    for key, real, what in (
        ("NUMBER VOTERS", sum(counts), "the orders add up to"),
        ("NUMBER UNIQUE ORDERS", len(counts), "the lines with orders are"),
    ):
        if key in header and _whole(header, key, where) != real:
            line, said = header[key]
            raise InputError(f"{where}, line {line}: {key} is {said}, but {what} {real}; correct the one that is wrong")
    line, said = header.get("DATA TYPE", (0, kind))
    if said.lower() != kind:
        raise InputError(f"{where}, line {line}: DATA TYPE is {said!r}, but the file's name ends in .{kind}; rename it")


def _whole(header: Header, key: str, where: str) -> int:
    line, value = header[key]
    if not value.isdecimal():
        raise InputError(f"{where}, line {line}: {key} is {value!r}; write a whole number")
    return int(value)


def _people(orders: Sequence[Order], counts: Sequence[int], actions: tuple[str, ...]) -> Population | None:
    if not all(complete(order, len(actions)) for order in orders):
        return None
    names = [f"order {k}" for k in range(1, len(orders) + 1)]
    return population(utilities_of(orders, actions), counts, names)
