"""A judge that reads both responses together: a model on this machine, asked in both orders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.types import Comparison


class Reader(Protocol):
    """A model that reads a prompt and two responses in the order they are shown."""

    def ask(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return q(first, second), how likely the response shown first is preferred, shape (B,), in [0, 1]."""
        ...

    def digest(self) -> str:
        """Return a hash of the weights and all settings that decide an answer."""
        ...


class CriticJudge:
    """Prefer what a model prefers that reads both responses, asked in both orders.

        p(y ≻ y′) = ½ [ q(y, y′) + 1 − q(y′, y) ]

    A leaning towards the response shown first, or last, cancels. Each pair is asked about once, whichever way round
    it comes, so p(y ≻ y′) + p(y′ ≻ y) is 1 to the last bit.

    Args:
        reader: gives q.
        name: shown in tables.
        at_once: comparisons to ask before what it said is kept: a large model takes seconds for each.

    Raises:
        InputError: ``at_once`` below 1.
    """

    def __init__(self, reader: Reader, name: str = "critic", at_once: int = 64):
        if at_once < 1:
            raise InputError(f"at_once={at_once}: at least one comparison is asked at once")
        self.reader, self.name, self.at_once = reader, name, at_once
        self._identity: str | None = None

    @property
    def identity(self) -> str:
        """A text that is the same for the same weights and settings: a hash of both, made when first asked for."""
        if self._identity is None:
            self._identity = hashlib.sha256(f"critic {self.reader.digest()}".encode()).hexdigest()
        return self._identity

    def ask_one_order(self, comparisons: Sequence[Comparison], repeat: int = 0) -> NDArray[np.float64]:
        """Return q(first, second) of each comparison as it stands; asking again changes nothing."""
        return self.reader.ask(comparisons) if comparisons else np.empty(0)

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Ask each distinct pair in both orders, all in one go, and average.

        Raises:
            JudgeError: a pair is too long for the model, or its answer cannot be read.
        """
        if not comparisons:
            return np.empty(0)
        turned = np.array([c.second < c.first for c in comparisons])
        pairs = [c.swap() if turn else c for c, turn in zip(comparisons, turned, strict=True)]
        place: dict[tuple[str, str, str], int] = {}
        where = [place.setdefault((c.prompt, c.first, c.second), len(place)) for c in pairs]
        asked = [Comparison(*pair) for pair in place]
        q = self.reader.ask([*asked, *(c.swap() for c in asked)])
        # the clip takes away rounding only
        p = np.clip(0.5 * (q[: len(asked)] + (1.0 - q[len(asked) :])), 0.0, 1.0)[where]
        p = np.where([c.first == c.second for c in pairs], 0.5, p)
        return np.where(turned, 1.0 - p, p)
