"""The requests of the load: mixed lengths, steps, temperatures and ways, every one with a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from slhf import toy

STREAM = {"stream": True, "stream_options": {"include_usage": True}}


def prompts() -> list[str]:
    """Return the embedded world's held-out prompts."""
    return [row["prompt"] for row in toy.prompts("test")]


def conversation(rng: random.Random, texts: list[str]) -> list[dict[str, str]]:
    """Return a conversation of one, three or seven turns; the last is the user's."""
    turns = []
    for _ in range(rng.choice([0, 0, 1, 3])):
        turns.append({"role": "user", "content": rng.choice(texts)})
        turns.append({"role": "assistant", "content": "It is so."})
    return [*turns, {"role": "user", "content": rng.choice(texts)}]


def mixed(model: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Return different requests of all kinds: refined 0 to 3 times, streamed or not, one answer or two."""
    rng, texts = random.Random(seed), prompts()
    found: list[dict[str, Any]] = []
    for number in range(count):
        steps = rng.randrange(4)
        body: dict[str, Any] = {
            "model": model,
            "messages": conversation(rng, texts),
            "seed": 1000 * seed + number,
            "temperature": rng.choice([0.0, 0.7, 0.9, 1.3]),
            "max_tokens": rng.choice([4, 16, 32, 48]),
            "refine": {"steps": steps},
        }
        if rng.random() < 0.1:
            body["n"] = 2
        if rng.random() < 0.5:
            body |= STREAM
        found.append(body)
    return found


def plain(model: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Return requests that every server of this protocol knows: the likeliest answer, no field of ours."""
    rng, texts = random.Random(seed), prompts()
    found: list[dict[str, Any]] = []
    for number in range(count):
        body: dict[str, Any] = {
            "model": model,
            "messages": conversation(rng, texts),
            "temperature": 0.0,
            "max_tokens": rng.choice([4, 16, 32, 64]),
        }
        found.append(body | (STREAM if number % 2 else {}))
    return found


@dataclass(frozen=True)
class Shot:
    """One request that is sent.

    Attributes:
        number: which of the different ones.
        leave_after: chunks after which the client leaves; None stays.
    """

    number: int
    leave_after: int | None


def shot(count: int, leaving: float, rng: random.Random) -> Shot:
    """Draw the next request of a client, who leaves before its end with probability ``leaving``."""
    return Shot(rng.randrange(count), rng.randrange(1, 8) if rng.random() < leaving else None)
