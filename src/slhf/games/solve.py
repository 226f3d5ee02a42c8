"""Everything there is to say about one preference matrix: who wins, what runs in circles, every solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError, suggestion
from slhf.games.bradley_terry import bradley_terry
from slhf.games.majority import (
    condorcet_loser,
    condorcet_winner,
    cyclic_share,
    majority_cycles,
    smith_set,
)
from slhf.games.nash import nash_equilibrium
from slhf.games.preference_data import PreferenceData
from slhf.games.refinement import pass_at_n, pass_at_n_iid
from slhf.games.rlhf import rlhf_policy
from slhf.games.simplex import Array
from slhf.games.stackelberg import stackelberg_equilibrium
from slhf.games.transitivity import transitivity

Targets = NDArray[np.bool_]
Table = TypeVar("Table", Targets, Array)
Found = tuple[dict[str, Any], Array | None]

CONCEPTS = ("rlhf", "nash", "stackelberg")

LISTED = 300
"""With more actions, cycles are counted, not listed, and triples are not searched for transitivity: both are O(Y³)."""


@dataclass(frozen=True)
class Question:
    """What is asked of a game.

    Attributes:
        concepts: any of ``rlhf``, ``nash``, ``stackelberg``.
        tau: τ of RLHF and Nash, and of a player of Stackelberg whose own is not given.
        tau_leader: τ_L, or None for ``tau``.
        tau_follower: τ_F, or None for ``tau``.
        ref: reference over the actions for everybody, or None for uniform.
        attempts: pass@N is told for N = 1 … attempts.
    """

    concepts: Sequence[str] = CONCEPTS
    tau: float = 0.0
    tau_leader: float | None = None
    tau_follower: float | None = None
    ref: ArrayLike | None = None
    attempts: int = 5

    def __post_init__(self) -> None:
        """Refuse concepts that do not exist."""
        for concept in self.concepts:
            if concept not in CONCEPTS:
                raise InputError(
                    f"unknown concept {concept!r}; there are {', '.join(CONCEPTS)}.{suggestion(concept, CONCEPTS)}"
                )
        if self.attempts < 1:
            raise InputError(f"attempts is {self.attempts}; pass@N needs at least one attempt")


def solve(data: PreferenceData, question: Question | None = None) -> list[dict[str, Any]]:
    """Describe and solve a game, prompt by prompt.

    Args:
        data: preferences with their names.
        question: which concepts, at which τ; all of them at τ = 0 if not given.

    Returns:
        One dict a prompt, of plain numbers, lists and names, ready for JSON: ``majority`` (winner, loser,
        Smith set, cycles with margins, transitivity classes), ``concepts`` (policies with certificates) and,
        where the types of annotators are known, ``pass_at_n``.

    Raises:
        InputError: an unknown concept, a negative τ, a reference that does not fit.
    """
    asked = question or Question()
    batch = data.p if data.p.ndim == 3 else data.p[None]
    prompts = data.prompts or (None,) * len(batch)
    return [
        ({} if prompt is None else {"prompt": prompt}) | _solve_one(batch[x], data, x, asked)
        for x, prompt in enumerate(prompts)
    ]


def _of_prompt(values: Table, x: int) -> Table:
    return values if values.ndim == 2 else values[x]


def _solve_one(p: Array, data: PreferenceData, x: int, asked: Question) -> dict[str, Any]:
    favourites = None if data.population is None else _of_prompt(data.population.favourites(), x)
    wins = p if data.votes is None else _of_prompt(data.votes, x)
    solvers = {"rlhf": partial(_rlhf, wins), "nash": partial(_nash, p), "stackelberg": partial(_stackelberg, p)}
    found: dict[str, Any] = {}
    passes: dict[str, Any] = {}
    for concept in asked.concepts:
        found[concept], chances = solvers[concept](data.actions, favourites, asked)
        if chances is not None and data.population is not None:
            passes[concept] = {
                "types": dict(zip(data.population.names, chances.tolist(), strict=True)),
                "average": (data.population.weights @ chances).tolist(),
            }
    described = {"actions": list(data.actions), "majority": majority(p, data.actions), "concepts": found}
    return described | ({"pass_at_n": passes} if favourites is not None else {})


def majority(p: Array, actions: Sequence[str]) -> dict[str, Any]:
    """Describe who beats whom by majority, with names; ``cycles`` and classes are None for more than 300 actions.

    Args:
        p: preferences, shape (Y, Y).
        actions: Y names.
    """
    winner, loser = condorcet_winner(p), condorcet_loser(p)
    told: dict[str, Any] = {
        "condorcet_winner": None if winner is None else actions[winner],
        "condorcet_loser": None if loser is None else actions[loser],
        "smith_set": [actions[y] for y in smith_set(p)],
        "cyclic_share": float(cyclic_share(p)),
        "cycles": None,
        "stochastic_transitivity": None,
    }
    if len(actions) <= LISTED:
        classes = transitivity(p)
        told["cycles"] = [
            {"actions": [actions[y] for y in cycle.actions], "margins": [float(m) for m in cycle.margins]}
            for cycle in majority_cycles(p)
        ]
        told["stochastic_transitivity"] = {
            "weak": bool(classes.weak),
            "moderate": bool(classes.moderate),
            "strong": bool(classes.strong),
        }
    return told


def named(values: NDArray[Any], actions: Sequence[str]) -> dict[str, float]:
    """Put the actions' names to their numbers."""
    return {action: float(value) for action, value in zip(actions, values, strict=True)}


def _rlhf(wins: Array, actions: Sequence[str], favourites: Targets | None, asked: Question) -> Found:
    fit = bradley_terry(wins)
    policy = rlhf_policy(fit.rewards, tau=asked.tau, ref=asked.ref)
    told = {
        "policy": named(policy, actions),
        "rewards": named(fit.rewards, actions),
        "regularisation": fit.regularisation,
        "tau": asked.tau,
    }
    return told, None if favourites is None else pass_at_n_iid(policy, favourites, asked.attempts)


def _nash(p: Array, actions: Sequence[str], favourites: Targets | None, asked: Question) -> Found:
    nash = nash_equilibrium(p, tau=asked.tau, ref=asked.ref)
    told = {
        "policy": named(nash.policy, actions),
        "value": float(nash.value),
        "exploitability": float(nash.exploitability),
        "unique": bool(nash.unique),
        "tau": asked.tau,
    }
    return told, None if favourites is None else pass_at_n_iid(nash.policy, favourites, asked.attempts)


def _stackelberg(p: Array, actions: Sequence[str], favourites: Targets | None, asked: Question) -> Found:
    tau_leader = asked.tau if asked.tau_leader is None else asked.tau_leader
    tau_follower = asked.tau if asked.tau_follower is None else asked.tau_follower
    solved = stackelberg_equilibrium(
        p, tau_leader=tau_leader, tau_follower=tau_follower, ref_leader=asked.ref, ref_follower=asked.ref
    )
    told = {
        "leader": named(solved.leader, actions),
        "follower": {action: named(row, actions) for action, row in zip(actions, solved.follower, strict=True)},
        "value": solved.value,
        "leader_values": named(solved.leader_values, actions),
        "ties": {
            "leader": int(solved.leader_ties),
            "follower": dict(zip(actions, solved.follower_ties.tolist(), strict=True)),
        },
        "gaps": {"follower": solved.gaps.follower, "leader": solved.gaps.leader, "duality": solved.gaps.duality},
        "tau_leader": tau_leader,
        "tau_follower": tau_follower,
    }
    if favourites is None:
        return told, None
    return told, pass_at_n(solved.leader, solved.follower, favourites, asked.attempts)
