"""A judge made from one rule that scores a response."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.judges.annotators import Annotator, Score, credit, rewards
from slhf.types import Comparison


class RuleJudge:
    """Prefer the response with the higher score.

        p(y ≻ y′) = [s > s′] + ½ [s = s′],  or softly  σ((s − s′) / temperature)

    Args:
        score: takes (prompt, response, columns) and returns a finite number.
        temperature: None for hard preferences; otherwise > 0, in units of the score.
        name: shown in tables; the rule's own name if not given.

    Raises:
        InputError: a temperature that is not positive.
    """

    def __init__(self, score: Score, temperature: float | None = None, name: str | None = None):
        if temperature is not None and not temperature > 0.0:
            raise InputError(f"temperature must be positive, got {temperature}; use None for hard preferences")
        self.name = name or getattr(score, "__name__", type(score).__name__)
        self.temperature = temperature
        self._annotator = Annotator(self.name, score)

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Score each distinct response once and compare.

        Raises:
            JudgeError: a score that is not a finite number.
        """
        first, second = rewards([self._annotator], comparisons)
        return credit(first, second, self.temperature)[0]
