"""Annotators: rewards for one response, and how two rewards become a preference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from slhf.errors import JudgeError
from slhf.types import Comparison

Score = Callable[[str, str, Mapping[str, Any]], float]
"""A reward for one response: ``(prompt, response, columns) → number``."""


@dataclass(frozen=True, slots=True)
class Annotator:
    """One member of a population: a reward for one response, and which way is better.

    Attributes:
        name: short name, shown in tables and errors.
        score: takes (prompt, response, columns) and returns a finite number, any scale.
        lower_is_better: True where a smaller reward is preferred (complexity, verbosity).
    """

    name: str
    score: Score
    lower_is_better: bool = False


def rewards(
    annotators: Sequence[Annotator], comparisons: Sequence[Comparison]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score both responses of every comparison, each distinct response once an annotator.

    Args:
        annotators: A annotators.
        comparisons: B questions.

    Returns:
        Rewards of the first and of the second responses, each of shape (A, B), signed so
        that higher is better.

    Raises:
        JudgeError: a reward that is not a finite number; the message names the annotator,
            the prompt and the response.
    """
    responses: list[tuple[str, str, Mapping[str, Any]]] = []
    place: dict[tuple[str, str], list[int]] = {}

    def index(prompt: str, response: str, columns: Mapping[str, Any]) -> int:
        seen = place.setdefault((prompt, response), [])
        for i in seen:
            if _same(responses[i][2], columns):
                return i
        responses.append((prompt, response, columns))
        seen.append(len(responses) - 1)
        return seen[-1]

    first = [index(c.prompt, c.first, c.columns) for c in comparisons]
    second = [index(c.prompt, c.second, c.columns) for c in comparisons]
    table = np.empty((len(annotators), len(responses)))
    for a, annotator in enumerate(annotators):
        sign = -1.0 if annotator.lower_is_better else 1.0
        table[a] = [sign * _score(annotator, *response) for response in responses]
    return table[:, first], table[:, second]


def credit(
    first: NDArray[np.float64], second: NDArray[np.float64], temperature: float | None = None
) -> NDArray[np.float64]:
    """Turn rewards into the preference of whoever gave them.

        p = [r > r′] + ½ [r = r′],  or softly  p = σ((r − r′) / temperature)

    Paper: SLHF Eq. (11), one summand.
    Departs: the printed ≥ gives a tie to both sides; see tests/judges/test_panel.py.

    Args:
        first: r, rewards of the first responses, any shape.
        second: r′, rewards of the second responses, same shape.
        temperature: None for hard preferences; otherwise > 0, in units of the reward.

    Returns:
        Preferences in [0, 1]; ½ where the rewards are equal.
    """
    if temperature is not None:
        return expit((first - second) / temperature)
    return np.where(first == second, 0.5, (first > second).astype(np.float64))


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    if a is b:
        return True
    try:
        return bool(a == b)
    except ValueError:  # arrays among the columns have no single truth value: score again
        return False


def _score(annotator: Annotator, prompt: str, response: str, columns: Mapping[str, Any]) -> float:
    value = annotator.score(prompt, response, columns)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise JudgeError(
            f"annotator {annotator.name!r} gave {value!r} to response {response!r} for prompt {prompt!r}; "
            f"a reward must be a finite number"
        )
    return number
