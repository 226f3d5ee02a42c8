"""Who beats whom: tournaments over text, each rate with its standard error.

Answers are generated once and judged once: a :class:`Store` keeps both, and everything can be interrupted.
"""

from __future__ import annotations

from slhf.evaluation.answer_files import read_answers, write_answers
from slhf.evaluation.answers import Answerer, Model, Request, ask, chain_answers, leader_answers, refined_answers
from slhf.evaluation.audit import Audit, audit
from slhf.evaluation.best_of_n import (
    Best,
    Chains,
    Curve,
    Independent,
    best_of_n_curve,
    curve_against_one,
    preference_of_best,
)
from slhf.evaluation.bootstrap import (
    Bootstrap,
    Estimate,
    Estimates,
    clustered_stderr,
    clusters_of,
    estimate,
    estimates,
    resampled_means,
)
from slhf.evaluation.identity import fingerprint, judge_identity
from slhf.evaluation.intervals import Rate, rate
from slhf.evaluation.people import Agreement, each_person, judge_agreement, people_agreement
from slhf.evaluation.policies import policy_identity, policy_model
from slhf.evaluation.ratings import Ratings, ratings
from slhf.evaluation.remembering import RememberedJudge, remembered, scores
from slhf.evaluation.round_robin import Player, player_answers, round_robin
from slhf.evaluation.scaling import best_of_n_against, best_of_n_curves
from slhf.evaluation.store import Store
from slhf.evaluation.tournament import Tournament, tournament
from slhf.evaluation.transfer import Transfer, transfer, transfer_table
from slhf.evaluation.transitivity import CycleReport, PreferenceGraph, cycle_report, cycles, preference_graphs

__all__ = [
    "Rate",
    "rate",
    "Bootstrap",
    "Estimate",
    "Estimates",
    "clustered_stderr",
    "clusters_of",
    "estimate",
    "estimates",
    "resampled_means",
    "Store",
    "Audit",
    "audit",
    "Agreement",
    "people_agreement",
    "each_person",
    "judge_agreement",
    "RememberedJudge",
    "remembered",
    "scores",
    "fingerprint",
    "judge_identity",
    "Answerer",
    "Model",
    "Request",
    "ask",
    "leader_answers",
    "refined_answers",
    "chain_answers",
    "policy_model",
    "policy_identity",
    "read_answers",
    "write_answers",
    "Tournament",
    "tournament",
    "Player",
    "player_answers",
    "round_robin",
    "Ratings",
    "ratings",
    "Transfer",
    "transfer",
    "transfer_table",
    "Best",
    "Chains",
    "Curve",
    "Independent",
    "best_of_n_curve",
    "best_of_n_curves",
    "best_of_n_against",
    "curve_against_one",
    "preference_of_best",
    "CycleReport",
    "PreferenceGraph",
    "cycle_report",
    "cycles",
    "preference_graphs",
]
