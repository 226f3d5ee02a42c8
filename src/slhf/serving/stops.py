"""When to stop refining: small objects that look at the answers so far.

A stop is anything that can be called with the steps so far and returns a reason (a text, or True) to stop, or
None (or False) to go on. Stops are asked after every answer; of several, the first with a reason counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slhf.errors import InputError
from slhf.serving.steps import Step

Stop = Callable[[Sequence[Step]], str | bool | None]
"""Called with every step so far, the newest last."""


@dataclass(frozen=True)
class UnlessPreferred:
    """Stop when the judge no longer prefers the new answer to the one before.

        p(y_{i+1} ≻ y_i) ≤ threshold

    A tie, ½, stops at the default.

    Args:
        threshold: probability in [0, 1).

    Raises:
        InputError: a threshold outside of that.
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold < 1.0:
            raise InputError(f"threshold={self.threshold}: a probability in [0, 1) is needed")

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """Return ``not preferred``, or None."""
        p = steps[-1].preferred
        return "not preferred" if p is not None and p <= self.threshold else None


@dataclass(frozen=True)
class WhenRepeated:
    """Stop when an answer is the same text as the one before it: a fixed point of what was said.

    Another draw might still differ where the temperature is above 0.
    """

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """Return ``repeated``, or None."""
        return "repeated" if len(steps) > 1 and steps[-1].text == steps[-2].text else None


@dataclass(frozen=True)
class TokenBudget:
    """Begin no further answer once so many tokens are sampled; the answer that reaches it is let finish.

    Args:
        tokens: of all answers together, ≥ 1.

    Raises:
        InputError: a number below 1.
    """

    tokens: int

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise InputError(f"tokens={self.tokens}: a budget is at least 1")

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """Return ``tokens``, or None."""
        return "tokens" if sum(step.count for step in steps) >= self.tokens else None


@dataclass(frozen=True)
class TimeBudget:
    """Begin no further answer after so many seconds; the answer that takes longer is let finish.

    Args:
        seconds: since the chain began, > 0.

    Raises:
        InputError: a number that is not positive.
    """

    seconds: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0.0):
            raise InputError(f"seconds={self.seconds}: a budget is more than 0")

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """Return ``seconds``, or None."""
        return "seconds" if steps[-1].seconds >= self.seconds else None


def reason_to_stop(stops: Sequence[Stop], steps: Sequence[Step]) -> str | None:
    """Return the first reason one of ``stops`` gives, or None.

    >>> reason_to_stop([WhenRepeated(), lambda steps: len(steps) == 2], [Step(0, "a", "stop"), Step(1, "b", "stop")])
    'stop'
    """
    for stop in stops:
        found = stop(steps)
        if found:
            return found if isinstance(found, str) else "stop"
    return None
