"""Lay rounds out as right-padded token rows, and say where each role's response lies in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slhf.types import Answer, Round


@dataclass(frozen=True)
class Span:
    """Where one role's responses lie.

    Attributes:
        rows: (R,) row of each response.
        starts: (R,) index of its first token.
        answers: the R responses.
    """

    rows: np.ndarray
    starts: np.ndarray
    answers: list[Answer]


@dataclass(frozen=True)
class Pass:
    """One forward: token rows, and the roles whose log-probabilities it yields.

    Attributes:
        tokens: (R, L) right-padded token ids.
        spans: role → where its responses lie.
        role: whose weights the forward runs with.
    """

    tokens: np.ndarray
    spans: dict[str, Span]
    role: str


def one_pass(rounds: Sequence[Round], pad: int) -> list[Pass]:
    """Lay out [x, y, instruction, y′]: one row a refinement, both roles in the same forward."""
    rows: list[list[int]] = []
    leader: list[tuple[int, int, Answer]] = []
    follower: list[tuple[int, int, Answer]] = []
    for item in rounds:
        rollout = item.rollout
        for g, answer in enumerate(rollout.leaders):
            leader.append((len(rows), len(rollout.leader_context), answer))
            for refinement in rollout.followers[g]:
                context = rollout.follower_contexts[g]
                follower.append((len(rows), len(context), refinement))
                rows.append(context + refinement.tokens)
    return [Pass(_padded(rows, pad), {"leader": _span(leader), "follower": _span(follower)}, "leader")]


def two_passes(rounds: Sequence[Round], pad: int) -> list[Pass]:
    """Lay out [x, y] and [x, y, instruction, y′] apart: a forward a role; none for a Follower that does not play."""
    leader_rows: list[list[int]] = []
    follower_rows: list[list[int]] = []
    leader: list[tuple[int, int, Answer]] = []
    follower: list[tuple[int, int, Answer]] = []
    for item in rounds:
        rollout = item.rollout
        for g, answer in enumerate(rollout.leaders):
            leader.append((len(leader_rows), len(rollout.leader_context), answer))
            leader_rows.append(rollout.leader_context + answer.tokens)
            for refinement in rollout.followers[g]:
                context = rollout.follower_contexts[g]
                follower.append((len(follower_rows), len(context), refinement))
                follower_rows.append(context + refinement.tokens)
    passes = [Pass(_padded(leader_rows, pad), {"leader": _span(leader)}, "leader")]
    if follower:
        passes.append(Pass(_padded(follower_rows, pad), {"follower": _span(follower)}, "follower"))
    return passes


def tokens_of(item: Round) -> tuple[int, int]:
    """Return how many rows a round takes in one forward, and the length of the longest."""
    rollout = item.rollout
    lengths = [
        len(rollout.follower_contexts[g]) + len(refinement.tokens)
        for g in range(len(rollout.leaders))
        for refinement in rollout.followers[g]
    ] or [len(rollout.leader_context) + len(answer.tokens) for answer in rollout.leaders]
    return len(lengths), max(lengths)


def chunks(rounds: Sequence[Round], limit: int) -> list[list[Round]]:
    """Split rounds into runs of at most ``limit`` padded tokens, longest first; a round stays whole."""
    ordered = sorted(rounds, key=lambda item: tokens_of(item)[1], reverse=True)
    out: list[list[Round]] = []
    width = held = 0
    for item in ordered:
        rows, length = tokens_of(item)
        if not out or (held + rows) * width > limit:
            out.append([])
            width, held = length, 0
        out[-1].append(item)
        held += rows
    return out


def _padded(rows: list[list[int]], pad: int) -> np.ndarray:
    tokens = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = row
    return tokens


def _span(placed: list[tuple[int, int, Answer]]) -> Span:
    return Span(np.array([p[0] for p in placed]), np.array([p[1] for p in placed]), [p[2] for p in placed])
