"""Scalar rewards from a judge: its own, or its panel's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, JudgeError
from slhf.judges import Judge, PanelJudge
from slhf.judges import annotators as members
from slhf.types import Comparison

Response = tuple[str, str, Mapping[str, Any]]
"""What is scored: prompt, response, the prompt's extra columns."""


@runtime_checkable
class Scorer(Protocol):
    """A judge that can also score one response by itself."""

    def rewards(self, responses: Sequence[Response]) -> NDArray[np.float64]:
        """Return one finite number a response, higher is better, shape (B,)."""
        ...


def check_scorer(judge: Judge) -> None:
    """Refuse a judge that cannot score one response.

    Raises:
        InputError: it compares only.
    """
    if not isinstance(judge, Scorer | PanelJudge):
        raise InputError(
            f"judge {judge.name!r} only compares; scalar rewards need a panel of annotators "
            "(PanelJudge([Annotator(name, score)]) makes one of a single rule) or a judge with "
            "rewards(responses) -> numbers"
        )


def rewards(judge: Judge, responses: Sequence[Response]) -> NDArray[np.float64]:
    """Score responses one by one.

        r(x, y) = Σ_a w_a r_a(x, y)        for a panel; r_a is negated where lower is better

    Annotators' rewards are added as they come, so those on a larger scale count for more.

    Args:
        judge: a panel, or a judge with ``rewards``.
        responses: B of them.

    Returns:
        (B,) rewards, float64.

    Raises:
        InputError: the judge compares only.
        JudgeError: a reward that is not a finite number.
    """
    check_scorer(judge)
    if isinstance(judge, PanelJudge):
        # a comparison of a response with itself: the panel's scoring takes comparisons
        alone = [Comparison(prompt, text, text, columns) for prompt, text, columns in responses]
        return judge.weights @ members.rewards(judge.annotators, alone)[0]
    assert isinstance(judge, Scorer)
    found = np.asarray(judge.rewards(responses), dtype=np.float64)
    if found.shape != (len(responses),):
        raise JudgeError(
            f"judge {judge.name!r} gave rewards of shape {found.shape} to {len(responses)} responses; "
            f"it must return one number a response, shape ({len(responses)},)"
        )
    bad = np.flatnonzero(~np.isfinite(found))
    if bad.size:
        prompt, text, _ = responses[int(bad[0])]
        raise JudgeError(
            f"judge {judge.name!r} gave the reward {found[bad[0]]} to response {text!r} for prompt {prompt!r}; "
            "a reward must be a finite number"
        )
    return found
