"""What sways a judge besides the answers: their order, their length, and chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import IncompleteError, InputError
from slhf.evaluation.bootstrap import FEWEST, Bootstrap, Estimate, clusters_of, estimate, need_prompts
from slhf.evaluation.identity import judge_identity
from slhf.evaluation.length_slope import Slope, length_slope
from slhf.evaluation.people import Agreement, judge_agreement, verdicts
from slhf.evaluation.remembering import remembered
from slhf.evaluation.store import Store
from slhf.judges import Judge, OneOrder, one_order, preferences_or_skips
from slhf.judges.protocol import pace, without_skips
from slhf.types import Comparison

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sway:
    """How preferences for the longer response go, a judge's or people's.

    Attributes:
        longer: mean preference for the longer response, over pairs of different lengths.
        slope: log-odds of preferring a response longer by the root mean square of the differences, in characters.
    """

    longer: Estimate | None
    slope: Slope | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return asdict(self)


@dataclass(frozen=True)
class Audit:
    """What came out; an entry is None where fewer than 10 prompts have something to say about it.

    With q(y, y′) the preference for y where it is shown first, and p = ½ [q(y, y′) + 1 − q(y′, y)]:

    Attributes:
        judge: its name.
        pairs: pairs that were judged in both orders.
        skipped: pairs the judge gave no verdict on.
        below_averaging: True if the judge was asked one order at a time; False if it has no such way, so that
            nothing about the order can be seen.
        first_shown: mean of ½ [q(y, y′) + q(y′, y)], the preference for whatever is shown first; ½ is fair.
        flips: share of pairs on which the verdict (first, second, tie) changes with the order.
        again_same: share of questions that get the same verdict when they are asked again.
        again_difference: mean of |q − q again|.
        ties: share of pairs with p = ½.
        length: how p goes with length.
        agreement: mean of 1 where p and people prefer the same response, ½ where the judge has a tie, else 0; over
            pairs on which people are not tied.
        distance: mean of |p − people's preference|.
        people: how people's preferences go with length.
        excess: mean of p − people's preference for the longer response, over pairs of different lengths.
        voters: how far p agrees with single people, by the rule people are measured against each other by; None where
            their single votes are not known.
    """

    judge: str
    pairs: int
    skipped: int
    below_averaging: bool
    first_shown: Estimate | None
    flips: Estimate | None
    again_same: Estimate | None
    again_difference: Estimate | None
    ties: Estimate | None
    length: Sway
    agreement: Estimate | None = None
    distance: Estimate | None = None
    people: Sway | None = None
    excess: Estimate | None = None
    voters: Agreement | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dict, estimates as dicts of their own."""
        return asdict(self)


def audit(
    judge: Judge,
    comparisons: Sequence[Comparison],
    store: Store,
    people: Sequence[float] | None = None,
    bootstrap: Bootstrap | None = None,
    votes: Sequence[Sequence[float]] | None = None,
) -> Audit:
    """Ask a judge every question in both orders, and once more, and see what its answers depend on.

    Every answer is kept in the store, one order at a time, so an audit that was interrupted goes on.

    Args:
        judge: any judge. One that can be asked one order at a time (:class:`slhf.judges.OneOrder`) is; one that may
            skip questions may.
        comparisons: pairs of different responses, of 10 prompts or more.
        store: where answers are kept.
        people: people's P(first ≻ second), one a comparison, if there is such.
        bootstrap: how intervals are drawn.
        votes: the same by each person who voted, as :func:`slhf.evaluation.people.people_agreement` takes them.

    Raises:
        InputError: fewer than 10 prompts, two responses that are the same, or another number of people's
            preferences or votes; or the judge cannot be told from others.
        JudgeError: the judge's answer is no preference.
    """
    _check(comparisons, people, votes)
    here = _asked(judge, comparisons, store, 0)
    there = _asked(judge, [c.swap() for c in comparisons], store, 0)
    # every other pair the other way round, so that neither response is favoured
    turned = np.arange(len(comparisons)) % 2 == 1
    questions = [c.swap() if t else c for c, t in zip(comparisons, turned, strict=True)]
    again = _asked(judge, questions, store, 1)
    kept = ~np.isnan(here + there)
    if not kept.any():
        raise InputError(f"judge {judge.name!r} gave no verdict on any of {len(comparisons)} pairs; nothing to audit")
    asked = [c for c, k in zip(comparisons, kept, strict=True) if k]
    pairs = _Pairs(asked, here[kept], there[kept], bootstrap)
    found = Audit(
        judge=judge.name,
        pairs=len(asked),
        skipped=len(comparisons) - len(asked),
        below_averaging=isinstance(judge, OneOrder),
        **pairs.of_order(),
        **pairs.of_chance(np.where(turned, there, here)[kept], again[kept]),
        ties=pairs.mean(verdicts(pairs.p) == 0),
        length=pairs.sway(pairs.p),
    )
    if votes is not None:
        said = [v for v, k in zip(votes, kept, strict=True) if k]
        found = replace(found, voters=judge_agreement(pairs.p, said, pairs.prompts, bootstrap))
    if people is None:
        return found
    return replace(found, **pairs.of_people(np.asarray(people, dtype=np.float64)[kept]))


class _Pairs:
    """Pairs judged in both orders, and means over them."""

    def __init__(self, asked: Sequence[Comparison], here: Array, there: Array, bootstrap: Bootstrap | None):
        self.prompts = [c.prompt for c in asked]
        self.longer = np.array([len(c.first) - len(c.second) for c in asked], dtype=np.float64)
        self.here, self.there = here, there
        self.p = 0.5 * (here + (1.0 - there))
        self._bootstrap = bootstrap

    def mean(self, values: NDArray[Any], where: NDArray[np.bool_] | None = None) -> Estimate | None:
        """Return the mean over some pairs; None if they come from too few prompts."""
        chosen = np.ones(len(self.prompts), dtype=bool) if where is None else where
        clusters = clusters_of([x for x, c in zip(self.prompts, chosen, strict=True) if c])
        if len(np.unique(clusters)) < FEWEST:
            return None
        return estimate(values[chosen].astype(np.float64), clusters, self._bootstrap)

    def sway(self, preference: Array) -> Sway:
        for_longer = np.where(self.longer > 0, preference, 1.0 - preference)
        shown = self.mean(for_longer, self.longer != 0)
        if shown is None:
            return Sway(None, None)
        return Sway(shown, length_slope(self.longer, preference, self.prompts, self._bootstrap))

    def of_order(self) -> dict[str, Any]:
        return {
            "first_shown": self.mean(0.5 * (self.here + self.there)),
            "flips": self.mean(verdicts(self.here) != verdicts(1.0 - self.there)),
        }

    def of_chance(self, once: Array, again: Array) -> dict[str, Any]:
        told = ~np.isnan(again)
        return {
            "again_same": self.mean(verdicts(once) == verdicts(again), told),
            "again_difference": self.mean(np.abs(once - again), told),
        }

    def of_people(self, people: Array) -> dict[str, Any]:
        toward_longer = np.sign(self.longer)
        return {
            "agreement": self.mean(0.5 * (1.0 + verdicts(self.p) * verdicts(people)), verdicts(people) != 0),
            "distance": self.mean(np.abs(self.p - people)),
            "people": self.sway(people),
            "excess": self.mean(toward_longer * (self.p - people), self.longer != 0),
        }


class _InOneOrder:
    """A judge asked in one order, as a judge that answers the two orders differently."""

    def __init__(self, judge: Judge, repeat: int):
        self._judge, self._repeat = judge, repeat
        self.name = f"{judge.name} (one order{', again' if repeat else ''})"
        self.identity = f"{judge_identity(judge)} in one order, {repeat}"

    def prefer(self, comparisons: Sequence[Comparison]) -> Array:
        return without_skips(self, comparisons, self.prefer_or_skip(comparisons))

    def prefer_or_skip(self, comparisons: Sequence[Comparison]) -> Array:
        try:
            return one_order(self._judge, comparisons, self._repeat)
        except IncompleteError as error:
            if error.judge is self._judge:
                error.judge = self  # what it judged are this judge's preferences
            raise


def _asked(judge: Judge, comparisons: Sequence[Comparison], store: Store, repeat: int) -> Array:
    view = remembered(_InOneOrder(judge, repeat), store, antisymmetric=False, batch=pace(judge))
    return preferences_or_skips(view, comparisons)


def _check(
    comparisons: Sequence[Comparison], people: Sequence[float] | None, votes: Sequence[Sequence[float]] | None
) -> None:
    same = next((i for i, c in enumerate(comparisons) if c.first == c.second), None)
    if same is not None:
        raise InputError(f"pair {same}: both responses are the same; leave out pairs that nobody can tell apart")
    need_prompts(len({c.prompt for c in comparisons}))
    if votes is not None and len(votes) != len(comparisons):
        raise InputError(f"people's votes on {len(votes)} pairs, and there are {len(comparisons)}; give one list each")
    if people is None:
        return
    if len(people) != len(comparisons):
        raise InputError(f"{len(people)} of people's preferences for {len(comparisons)} pairs; give one each")
    wrong = next((i for i, p in enumerate(people) if not 0.0 <= p <= 1.0), None)
    if wrong is not None:
        raise InputError(f"pair {wrong}: people's preference is {people[wrong]}; it is a number from 0 to 1")
