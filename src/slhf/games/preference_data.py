"""Preferences together with what is known about them: names, weights, the people they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from slhf.errors import InputError
from slhf.games.population import Population
from slhf.games.rankings import ranked_population
from slhf.games.simplex import Array

MAX_ACTIONS = 20_000
"""The most actions a file may have: their matrix takes 3.2 GB."""


@dataclass(frozen=True, eq=False)
class PreferenceData:
    """Preferences with names.

    Attributes:
        p: P(y ≻ y′), shape (Y, Y), or (X, Y, Y) for X prompts.
        actions: Y names.
        prompts: X prompts, or None without an axis of prompts or where they have no texts.
        rho: weights of the prompts, summing to one; None for equal ones.
        population: the people behind the preferences, where every one of them placed every action.
        source: the file, or whatever they come from.
        uncompared: pairs that nobody compared, whose preference is taken to be ½.
        votes: how often y was chosen over y′, in the shape of ``p``, where the source counts votes or rankings:
            what a Bradley–Terry fit should weigh by.
    """

    p: Array
    actions: tuple[str, ...]
    prompts: tuple[str, ...] | None = None
    rho: Array | None = None
    population: Population | None = None
    source: str = ""
    uncompared: int = 0
    votes: Array | None = None


def paradox(shares: ArrayLike = (1, 1, 1)) -> PreferenceData:
    """Return Condorcet's paradox: three types of people whose majorities run in a circle.

        a₁: A ≻ B ≻ C,   a₂: B ≻ C ≻ A,   a₃: C ≻ A ≻ B
        p(A ≻ B) = 1 − α₂,   p(B ≻ C) = 1 − α₃,   p(A ≻ C) = α₁

    Paper: SLHF §4.1.

    Args:
        shares: α, three numbers, 0 or more; divided by their sum.

    Raises:
        InputError: not three shares.

    >>> paradox([0.4, 0.35, 0.25]).p
    array([[0.5 , 0.65, 0.4 ],
           [0.35, 0.5 , 0.75],
           [0.6 , 0.25, 0.5 ]])
    """
    people = ranked_population(["ABC", "BCA", "CAB"], "ABC", weights=shares, names=["a1", "a2", "a3"])
    return PreferenceData(people.preferences(), ("A", "B", "C"), population=people, source="Condorcet's paradox")


def action_names(given: Sequence[object], where: str) -> tuple[str, ...]:
    """Return names after checking that they are texts, not empty, distinct, and not too many.

    Args:
        given: the names.
        where: file and place, the start of messages.

    Raises:
        InputError: says which name is wrong.
    """
    bounded(len(given), where)
    seen: dict[str, int] = {}
    for number, name in enumerate(given, start=1):
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{where}: the name of action {number} is {name!r}; a name is a text that is not empty")
        if name in seen:
            raise InputError(
                f"{where}: actions {seen[name]} and {number} are both called {name!r}; give every action its own name"
            )
        seen[name] = number
    return tuple(seen)


def bounded(actions: int, where: str) -> None:
    """Refuse more actions than fit into memory, or none.

    Raises:
        InputError: more than 20,000, or none at all.
    """
    if actions > MAX_ACTIONS:
        raise InputError(
            f"{where}: {actions:,} actions; at most {MAX_ACTIONS:,} are read, whose matrix takes 3.2 GB: leave out "
            "those that do not matter"
        )
    if actions < 1:
        raise InputError(f"{where}: there are no actions; preferences need at least one")
