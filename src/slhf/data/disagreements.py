"""HelpSteer2's disagreements: one row a response, each attribute rated by several people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

from slhf.data import helpsteer2
from slhf.data.formats import Format, Need
from slhf.data.helpsteer2 import ATTRIBUTES, PANEL, Scale, lead, one_rating
from slhf.errors import InputError

People = tuple[float, ...]
"""The ratings of one response on one attribute, one an annotator, in no order that means anything."""


def people_vote(first: People, second: People, attribute: str) -> float:
    """Return how surely the people who rated two responses prefer the first on an attribute.

        p = s where (s − ½)(m − m′) > 0, else ½,
        s = mean over annotators i of y and j of y′ of [rᵢ > r′ⱼ] + ½ [rᵢ = r′ⱼ]

    with −r in place of r for complexity and verbosity, where less is better. The means m and m′ decide who is chosen,
    and s, the share of pairs of annotators, how surely. Where the two say different things, or one of them nothing, it
    is a tie. Annotators of two responses need not be the same people, so every one of y meets every one of y′. Where a
    response was rated once only, the means alone count, and p is 0, ½ or 1.

    Args:
        first: ratings of y, 0 to 4.
        second: ratings of y′.
        attribute: one of HelpSteer2's five.

    Returns:
        Probability; swapping the responses gives 1 − p.

    >>> people_vote((3, 3, 4), (2, 3, 1), "helpfulness"), people_vote((4, 0, 0), (1, 1, 1), "helpfulness")
    (0.8888888888888888, 0.5)
    """
    ahead = lead(mean(first), mean(second), attribute)
    if min(len(first), len(second)) < 2:
        return _half_step(ahead)
    share = mean([_half_step(lead(r, s, attribute)) for r, s in product(first, second)])
    return share if (share - 0.5) * ahead > 0 else 0.5


def vote(first: Mapping[str, People], second: Mapping[str, People], attribute: str) -> float:
    """Return :func:`people_vote` on an attribute, or its mean over all five for "panel"."""
    names = ATTRIBUTES if attribute == PANEL else (attribute,)
    return mean([people_vote(first[name], second[name], name) for name in names])


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def _half_step(ahead: float) -> float:
    return 1.0 if ahead > 0 else 0.5 if ahead == 0 else 0.0


def _people(value: Any, where: str, name: str) -> People:
    if not isinstance(value, list | tuple) or not value:
        raise InputError(
            f"{where}: {name} is {value!r}; it is a list of whole numbers from 0 to 4, one an annotator: mend the "
            "field or leave the row out"
        )
    return tuple(one_rating(rating, where, f"{name}[{number}]") for number, rating in enumerate(value))


FORMAT = Format(
    name="helpsteer2-disagreements",
    title="HelpSteer2's disagreements: one row a response, five attributes, each rated by several people",
    needs=(
        Need(("prompt",), ("text",)),
        Need(("response",), ("text",)),
        *(Need((name,), ("list",)) for name in ATTRIBUTES),
    ),
    used=helpsteer2.SCHEMA,
    prompts=helpsteer2.prompts,
    candidates=partial(helpsteer2.candidates, scale=Scale(_people, mean, vote, len)),
    attributes=(*ATTRIBUTES, PANEL),
)
