"""Simulated users of each annotator's taste: how many clicks until an answer appears that is at the top of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slhf.errors import InputError
from slhf.evaluation.bootstrap import FEWEST
from slhf.evaluation.store import Watch, unwatched
from slhf.evaluation.taste_exact import chance_by_click
from slhf.evaluation.taste_sessions import Users, World, run_sessions
from slhf.evaluation.taste_tally import Tally, pooled
from slhf.evaluation.taste_visits import Array, Chained, Independent, Method, Personal, Wanted
from slhf.games import nash_equilibrium, paradox, stackelberg_equilibrium
from slhf.judges import PanelJudge
from slhf.runs.contest import Arena, Contest, arena, setting_text
from slhf.runs.players import model_entries
from slhf.taste import Taste, prior

if TYPE_CHECKING:
    from slhf.reports import Page

TOPS = ("rule", "reference")
"""What a user's top answer is: see :func:`simulate`."""

IID, CHAIN, PERSONAL, UNLEARNED, KNOWN = "i.i.d.", "chain", "personal", "not learning", "user known"
"""Names of the methods."""

_POOL, _REFINED = 10, 5  # Leader's answers, and refinements in a row, of two users whom nobody simulates


@dataclass(frozen=True)
class Clicking:
    """Who clicks, and what is tried.

    Attributes:
        users: of each annotator's taste, in every session.
        session: prompts that a user goes through, one after the other.
        clicks: at most so many a prompt.
        candidates: answers the personal method samples a step.
        ask: it asks a comparison that tells more than this, nats; None never asks.
        lapse: how often, of two answers, a user clicks the one their annotator would never pick.
        top: what a top answer is, one of ``TOPS``; None is ``rule`` where the prompts have one.
    """

    users: int = 1
    session: int = 4
    clicks: int = 12
    candidates: int = 4
    ask: float | None = None
    lapse: float = 0.05
    top: str | None = None

    def __post_init__(self) -> None:
        least = {"users": self.users, "session": self.session, "clicks": self.clicks, "candidates": self.candidates}
        for name, value in least.items():
            if value < 1:
                raise InputError(f"{name}={value}: it must be 1 or more")
        if self.ask is not None and not 0.0 <= self.ask < math.inf:
            raise InputError(f"ask={self.ask}: nats, 0 or more; leave it out to ask nothing")
        if not 0.0 <= self.lapse < 0.5:
            raise InputError(f"lapse={self.lapse}: it is 0 or more and less than 0.5")
        if self.top is not None and self.top not in TOPS:
            raise InputError(f"top={self.top!r} is not one of {', '.join(TOPS)}")

    def methods(self, names: Sequence[str]) -> dict[str, tuple[Method, list[Taste]]]:
        """Return the methods by name, each with what is believed about a user of each annotator at first.

        Two are yardsticks: the personal one that never learns (every pick is taken for chance), and the one that
        knows the user from the start.
        """
        everybody = [prior(names, lapse=self.lapse)] * len(names)
        silent = [prior(names, lapse=0.5)] * len(names)
        known = [prior(names, np.eye(len(names))[k], self.lapse) for k in range(len(names))]
        personal = Personal(self.candidates, math.inf if self.ask is None else self.ask)
        return {
            IID: (Independent(), everybody),
            CHAIN: (Chained(), everybody),
            PERSONAL: (personal, everybody),
            UNLEARNED: (Personal(self.candidates), silent),
            KNOWN: (Personal(self.candidates), known),
        }


@dataclass(frozen=True)
class Simulated:
    """What came of a simulation.

    Attributes:
        setting: judge, prompts, users, and what their top answer is.
        models: a tally a model, by name.
        together: all models' on the same sessions.
    """

    setting: dict[str, Any]
    models: dict[str, Tally]
    together: Tally

    def as_dict(self) -> dict[str, Any]:
        """Return the setting and every figure."""
        each = {name: tally.as_dict() for name, tally in self.models.items()} if len(self.models) > 1 else {}
        return {**self.setting, **self.together.as_dict(), "models": each}

    def page(self) -> Page:
        """Return the page that shows it."""
        from slhf.reports import Page
        from slhf.reports.taste import taste_part

        return Page("Personal taste", [taste_part(self.together)], setting_text(self.setting))


def simulate(
    contest: Contest, models: Sequence[str], clicking: Clicking | None = None, *, watch: Watch = unwatched
) -> Simulated:
    """Let users of each annotator's taste click until they see an answer at the top of it.

    A click shows one answer or asks one comparison. The top is the largest utility u_k(x, ·) of the user's annotator,
    over all well-formed right answers where the data are the embedded world's (``rule``), or over a pool drawn apart
    from everything that is shown (``reference``): of every model, ten answers of the Leader and two more with five
    refinements in a row of each.

    Args:
        contest: what is asked, which panel the users come from, and where everything is kept.
        models: whose Leader answers and whose Follower refines; each for itself, on the same prompts and users.
        clicking: who clicks, and what is tried.
        watch: told how far answering is.

    Raises:
        InputError: no models, a judge that is no :class:`slhf.PanelJudge`, too few sessions for an interval, or prompts
            without a rule for the top answer.
    """
    settings, entries = clicking or Clicking(), model_entries(models)
    if not entries:
        raise InputError("there is nobody to answer: name at least one model")
    top = settings.top or ("rule" if _has_rule(contest) else "reference")
    if top == "rule" and not _has_rule(contest):
        raise InputError("top='rule': only the embedded world with its own panel has one; take top='reference'")
    playing = [(entry.name, role) for entry in entries for role in ("leader", "follower")]
    with arena(contest, entries, playing=playing, watch=watch) as a:
        if not isinstance(a.deciding, PanelJudge):
            raise InputError(
                f"the judge {a.judge.name!r} has no annotators that score by rules, for users to be like; take a "
                "panel: toy, stories, or a PanelJudge of your own"
            )
        groups = _groups(a, settings.session, contest.seed)
        temperature = 1.0 if a.deciding.soft else None
        worlds = {
            entry.name: World(
                a.models[entry.name], a.deciding.annotators, a.prompts, a.columns, a.store, temperature=temperature
            )
            for entry in entries
        }
        levels = _by_rule(a, a.deciding) if top == "rule" else _by_reference(a, list(worlds.values()), settings.users)
        tallies = {name: _tally(world, a.deciding, settings, groups, levels, contest) for name, world in worlds.items()}
        setting = {**a.as_dict(), "sessions": len(groups), "session": settings.session, "users": settings.users}
        setting |= {"candidates": settings.candidates, "ask": settings.ask, "lapse": settings.lapse, "top": top}
        return Simulated(setting, tallies, pooled(list(tallies.values())))


def _tally(
    world: World, panel: PanelJudge, settings: Clicking, groups: list[list[int]], levels: Array, contest: Contest
) -> Tally:
    names = tuple(annotator.name for annotator in panel.annotators)
    users = Users(names, settings.users, settings.clicks, settings.lapse, contest.seed)
    places = {
        name: run_sessions(world, users, groups, levels, method, beliefs)
        for name, (method, beliefs) in settings.methods(names).items()
    }
    return Tally(places, names, settings.clicks)


def _groups(a: Arena, length: int, seed: int) -> list[list[int]]:
    """Return sessions of so many different prompts, in an order drawn once; what is left over takes no part."""
    different = list({text: x for x, text in reversed(list(enumerate(a.texts)))}.values())
    order = np.random.default_rng(seed).permutation(sorted(different)).tolist()
    groups = [order[i : i + length] for i in range(0, len(order) - length + 1, length)]
    if len(groups) < FEWEST:
        raise InputError(
            f"{len(order)} different prompts make {len(groups)} sessions of {length}, and intervals need {FEWEST}; "
            "take more prompts or shorter sessions"
        )
    return groups


def _has_rule(contest: Contest) -> bool:
    return contest.data == contest.judge == "toy"


def _by_rule(a: Arena, panel: PanelJudge) -> Array:
    """Return the best any well-formed right answer does by each annotator, shape (X, A)."""
    from slhf.toy.game import sentences, utilities
    from slhf.toy.world import question_of

    rows = list(zip(a.texts, a.columns, strict=True))
    return np.array(
        [utilities(x, sentences(question_of(x, row), str(row["answer"])), row).max(axis=0) for x, row in rows],
        dtype=np.float64,
    )


def _by_reference(a: Arena, worlds: Sequence[World], users: int) -> Array:
    """Return the best of a pool drawn apart from what is shown, by each annotator, shape (X, A)."""
    every = range(len(a.prompts))
    for world in worlds:
        world.answers([(x, users, Wanted(None, 0, range(_POOL))) for x in every])
        for chain in range(_POOL // _REFINED):
            copy = users + 1 + chain
            last = [found[0] for found in world.answers([(x, copy, Wanted(None, 0, range(1))) for x in every])]
            for step in range(1, _REFINED + 1):
                wanted = [(x, copy, Wanted(y, step, range(1))) for x, y in zip(every, last, strict=True)]
                last = [found[0] for found in world.answers(wanted)]
    return np.max([[world.utilities(x).max(axis=1) for x in every] for world in worlds], axis=0)


def exact(shares: Sequence[float], clicks: int = 3, candidates: int = 4) -> dict[str, Any]:
    """Return how likely each type's favourite has appeared by the n-th click in Condorcet's paradox, exactly.

    At τ = 0: independent samples of the Nash policy, the Stackelberg chain, the personal choice among samples of
    the same Leader and Follower, and that choice where the user is known; by the code that the simulation runs.

    Paper: SLHF §4.1, pass@N.

    Args:
        shares: α, of the three types.
        clicks: N.
        candidates: samples of the personal method.

    Returns:
        ``{"types": …, "shares": …, "methods": {name: {"each": {type: N numbers}, "average": N numbers}}}``.

    Raises:
        InputError: shares that are none, or numbers that are not positive.
    """
    game = paradox(shares)
    people = game.population
    assert people is not None
    nash, both = nash_equilibrium(game.p).policy, stackelberg_equilibrium(game.p)
    belief = prior(people.names, people.weights, lapse=0.0)
    known = [prior(people.names, row, lapse=0.0) for row in np.eye(len(people.names))]
    ways: dict[str, tuple[Method, Array, list[Taste]]] = {
        f"Nash {IID}": (Independent(), nash, [belief] * 3),
        f"Stackelberg {CHAIN}": (Chained(), both.leader, [belief] * 3),
        f"Stackelberg {PERSONAL}": (Personal(candidates), both.leader, [belief] * 3),
        f"Stackelberg, {KNOWN}": (Personal(candidates), both.leader, known),
    }
    told: dict[str, Any] = {}
    for name, (method, leader, beliefs) in ways.items():
        rows = [
            chance_by_click(method, start, user, leader, both.follower, people.utilities, clicks)
            for user, start in enumerate(beliefs)
        ]
        each = {type_: row.tolist() for type_, row in zip(people.names, rows, strict=True)}
        told[name] = {"each": each, "average": (people.weights @ np.array(rows)).tolist()}
    return {"types": list(people.names), "shares": people.weights.tolist(), "methods": told}
