"""Pairs of responses with a verdict of each attribute, as reward models are trained and tested on them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.judges.reward_text import RewardText
from slhf.policies.roles import as_text


@dataclass(frozen=True, eq=False)
class RewardPairs:
    """P pairs, and what each of A attributes says of them.

    Attributes:
        attributes: A names.
        prompts: x as text, the way judges see it.
        first: y.
        second: y′.
        preference: P(y ≻ y′), shape (P, A); NaN where an attribute says nothing.
    """

    attributes: tuple[str, ...]
    prompts: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    preference: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.prompts)

    def of(self, attribute: str) -> RewardPairs:
        """Return the pairs one attribute says something of, the preferred response first."""
        column = self.preference[:, self.attributes.index(attribute)]
        rows = np.flatnonzero(~np.isnan(column))
        turned = column[rows] < 0.5
        mine = self._rows(rows)
        sides = [(b, a) if t else (a, b) for a, b, t in zip(mine.first, mine.second, turned, strict=True)]
        first, second = tuple(a for a, _ in sides), tuple(b for _, b in sides)
        preferred = np.where(turned, 1.0 - column[rows], column[rows])
        return RewardPairs((attribute,), mine.prompts, first, second, preferred[:, None])

    def without(self, prompts: frozenset[str]) -> RewardPairs:
        """Return the pairs of all other prompts."""
        return self._rows([i for i, prompt in enumerate(self.prompts) if prompt not in prompts])

    def head(self, count: int) -> RewardPairs:
        """Return the first so many pairs."""
        return self._rows(list(range(min(count, len(self)))))

    def _rows(self, rows: Sequence[int] | NDArray[np.intp]) -> RewardPairs:
        prompts, first, second = (tuple(c[i] for i in rows) for c in (self.prompts, self.first, self.second))
        return RewardPairs(self.attributes, prompts, first, second, self.preference[list(rows)])

    def digest(self) -> str:
        """Return a hash of everything."""
        content = hashlib.sha256(repr((self.attributes, self.prompts, self.first, self.second)).encode())
        content.update(np.ascontiguousarray(self.preference).tobytes())
        return content.hexdigest()[:16]

    def rows(self, text: RewardText) -> list[dict[str, Any]]:
        """Return the pairs as tokens: ``chosen_ids``, ``rejected_ids`` and ``labels``, the A preferences."""
        sides = [zip(self.prompts, responses, strict=True) for responses in (self.first, self.second)]
        tokens = text.all_tokens(side for pairs in sides for side in pairs)
        return [
            {"chosen_ids": tokens[x, y], "rejected_ids": tokens[x, other], "labels": p.tolist()}
            for x, y, other, p in zip(self.prompts, self.first, self.second, self.preference, strict=True)
        ]


def joined(sets: Mapping[str, Any], what: str = "the pairs") -> RewardPairs:
    """Put the pairs of several attributes together: a comparison that many have a verdict on is one pair.

    Args:
        sets: attribute → rows with ``prompt``, ``chosen``, ``rejected`` and ``preference``. A comparison that stands
            in a set several times is several pairs.
        what: what they are called in errors.

    Raises:
        InputError: an attribute without pairs, or pairs of a single prompt.
    """
    places: dict[tuple[str, str, str, int], int] = {}
    labels: list[dict[int, float]] = []
    for number, (attribute, rows) in enumerate(sets.items()):
        times: dict[tuple[str, str, str], int] = {}
        for row in rows:
            prompt, chosen, rejected = as_text(row["prompt"]), row["chosen"], row["rejected"]
            low, high = sorted((chosen, rejected))
            pair = (prompt, low, high)
            times[pair] = times.get(pair, 0) + 1
            place = places.setdefault((*pair, times[pair]), len(places))
            if place == len(labels):
                labels.append({})
            labels[place][number] = row["preference"] if chosen == low else 1.0 - row["preference"]
        if not times:
            raise InputError(f"{what}: no pair differs in {attribute!r}; leave the attribute out, or keep ties")
    if len({prompt for prompt, *_ in places}) < 2:
        raise InputError(f"{what}: all pairs are of one prompt; a reward model needs several to learn from")
    preference = np.full((len(places), len(sets)), np.nan)
    for place, verdicts in enumerate(labels):
        for number, p in verdicts.items():
            preference[place, number] = p
    prompts, first, second = (tuple(str(key[i]) for key in places) for i in range(3))
    return RewardPairs(tuple(sets), prompts, first, second, preference)
