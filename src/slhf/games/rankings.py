"""Rankings: what people who order actions from best to worst prefer; ties and unranked actions allowed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from slhf.errors import InputError, suggestion
from slhf.games.population import Population, population
from slhf.games.simplex import Array
from slhf.games.votes import from_votes

Order = tuple[tuple[int, ...], ...]
"""A ranking by numbers: groups of tied actions, best group first."""


def from_rankings(
    rankings: Iterable[Iterable], actions: Sequence[Hashable], *, counts: ArrayLike | None = None
) -> Array:
    """Return the share of rankings that put one action above another.

    Someone who ties two actions gives half a vote to each. Someone who does not rank an action gives no vote
    on any pair it belongs to: nothing is known about it, not even that it is worse than the ranked ones.
    Pairs that nobody ranked are ½; see :func:`slhf.games.votes.from_votes`.

    Args:
        rankings: each a sequence of actions, best first; a sequence or set inside it is a group of ties.
        actions: all actions; they name the rows of the result.
        counts: how many people gave each ranking; one each if not given.

    Returns:
        A preference matrix, shape (Y, Y).

    Raises:
        InputError: a ranking that is empty, names an unknown action or one twice; counts that are none.

    >>> from_rankings(["ABC", "BCA", "CAB"], "ABC").round(3)
    array([[0.5  , 0.667, 0.333],
           [0.333, 0.5  , 0.667],
           [0.667, 0.333, 0.5  ]])
    """
    orders = ranking_orders(rankings, actions)
    return from_votes(count_votes(orders, len(actions), _counts(counts, len(orders))))


def ranked_population(
    rankings: Iterable[Iterable],
    actions: Sequence[Hashable],
    *,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Population:
    """Return the population whose types hold the given complete rankings.

    Args:
        rankings: one for each type, best first; a sequence or set inside it is a group of ties.
        actions: all actions; each ranking must place every one of them.
        weights: shares of the types; divided by their sum; equal if not given.
        names: names of the types.

    Raises:
        InputError: as for :func:`from_rankings`, or a ranking that leaves an action out.

    >>> ranked_population(["ABC", ["C", ("A", "B")]], "ABC").favourites()
    array([[ True, False, False],
           [False, False,  True]])
    """
    orders = ranking_orders(rankings, actions)
    return population(utilities_of(orders, actions), weights, names)


def ranking_orders(
    rankings: Iterable[Iterable], actions: Sequence[Hashable], places: Sequence[str] | None = None
) -> list[Order]:
    """Translate rankings of names into groups of numbers.

    Args:
        rankings: each a sequence of actions and groups of tied actions, best first.
        actions: all actions.
        places: where each ranking stands, for messages; "ranking 1", … if not given.

    Raises:
        InputError: a ranking that is empty or no sequence, names an unknown action or one twice.
    """
    known = {action: y for y, action in enumerate(actions)}
    if len(known) != len(actions):
        twice = next(a for a in actions if list(actions).count(a) > 1)
        raise InputError(f"the action {twice!r} is listed twice; give every action a name of its own")
    orders = []
    for number, ranking in enumerate(rankings):
        orders.append(_order(ranking, known, places[number] if places else f"ranking {number + 1}"))
    if not orders:
        raise InputError("there are no rankings; preferences need at least one")
    return orders


def _order(ranking: Iterable, known: dict[Hashable, int], where: str) -> Order:
    if not isinstance(ranking, Iterable):
        raise InputError(f"{where}: a ranking is a list of actions, best first, got {ranking!r}")
    groups: list[tuple[int, ...]] = []
    seen: set[int] = set()
    for entry in ranking:
        tied = isinstance(entry, Iterable) and not isinstance(entry, str)
        group = tuple(_number(action, known, where) for action in (entry if tied else (entry,)))
        if not group:
            raise InputError(f"{where}: a group of ties is empty; name its actions or leave it out")
        for y in group:
            if y in seen:
                raise InputError(f"{where}: {list(known)[y]!r} stands twice; a ranking places an action once")
            seen.add(y)
        groups.append(group)
    if not groups:
        raise InputError(f"{where}: the ranking is empty; name at least one action or leave it out")
    return tuple(groups)


def _number(action: object, known: dict[Hashable, int], where: str) -> int:
    if isinstance(action, Hashable) and action in known:
        return known[action]
    names = [str(name) for name in known]
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    near = "" if str(action).isdecimal() else suggestion(str(action), names)
    raise InputError(f"{where}: {action!r} is not among the {len(names)} actions ({shown}).{near}")


def count_votes(orders: Sequence[Order], actions: int, counts: Sequence[float] | Array) -> Array:
    """Count how often each action stands above each other: one vote, or half a vote each for a tie.

    Returns:
        votes[y, y′], shape (Y, Y), zero on the diagonal and for pairs that nobody ranked.
    """
    votes = np.zeros((actions, actions))
    for order, count in zip(orders, counts, strict=True):
        ranked = np.concatenate(order)
        level = np.repeat(np.arange(len(order)), [len(group) for group in order])
        pairs = (level[:, None] < level[None, :]) + 0.5 * (level[:, None] == level[None, :])
        np.fill_diagonal(pairs, 0.0)
        votes[np.ix_(ranked, ranked)] += count * pairs
    return votes


def complete(order: Order, actions: int) -> bool:
    """Tell whether an order places all of ``actions`` actions."""
    return sum(map(len, order)) == actions


def utilities_of(orders: Sequence[Order], actions: Sequence[Hashable], places: Sequence[str] | None = None) -> Array:
    """Return utilities that agree with complete orders: 0 for the best group, −1 for the next, and so on.

    Raises:
        InputError: an order leaves an action out.
    """
    utilities = np.empty((len(orders), len(actions)))
    for row, order in enumerate(orders):
        if not complete(order, len(actions)):
            placed = {y for group in order for y in group}
            lost = next(action for y, action in enumerate(actions) if y not in placed)
            raise InputError(
                f"{places[row] if places else f'ranking {row + 1}'}: {lost!r} is not placed; a type's ranking places "
                "every action (tie those it does not care about)"
            )
        for level, group in enumerate(order):
            utilities[row, list(group)] = -level
    return utilities


def _counts(counts: ArrayLike | None, rankings: int) -> Array:
    if counts is None:
        return np.ones(rankings)
    try:
        c = np.asarray(counts, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"counts of rankings are numbers: {error}") from None
    if c.shape != (rankings,):
        raise InputError(f"{rankings} rankings need as many counts, got shape {c.shape}")
    if not (c.min() >= 0.0 and c.max() < np.inf):  # NaN fails both
        raise InputError(f"counts of rankings are finite and 0 or more, got {c.tolist()}")
    return c
