"""A panel's annotators one by one: who prefers which of several responses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.judges.annotators import Annotator
from slhf.types import Comparison


@runtime_checkable
class Panel(Protocol):
    """A judge whose annotators can be asked one by one: :class:`slhf.PanelJudge`, or a panel of reward models."""

    @property
    def name(self) -> str:
        """Short name, shown in tables and reports."""
        ...

    @property
    def annotators(self) -> tuple[Annotator, ...]:
        """The annotators."""
        ...

    @property
    def weights(self) -> NDArray[np.float64]:
        """Their shares, shape (A,), summing to one."""
        ...

    def per_annotator(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return each annotator's own preference, shape (A, B), in the order of ``annotators``."""
        ...


def as_panel(judge: Any, where: str = "judge") -> Panel:
    """Return a judge that has annotators.

    Args:
        judge: any judge.
        where: the start of the error message.

    Raises:
        InputError: it has none.
    """
    if not isinstance(judge, Panel):
        raise InputError(
            f"{where}: {judge.name!r} has no annotators; name a panel: toy, stories, or a file with reward_panel"
        )
    return judge


def among(panel: Panel, prompt: str, responses: Sequence[str]) -> NDArray[np.float64]:
    """Return the annotators' preferences between all responses to a prompt.

    Args:
        panel: A annotators.
        prompt: as text.
        responses: n of them.

    Returns:
        P[k, i, j] = P_k(i ≻ j), shape (A, n, n), with ½ on the diagonal.

    Raises:
        JudgeError: a score that is not a finite number.
        InputError: what an annotator cannot read.
    """
    n = len(responses)
    found = np.full((len(panel.annotators), n, n), 0.5)
    pairs = list(combinations(range(n), 2))
    if pairs:
        first, second = np.array(pairs).T
        p = panel.per_annotator([Comparison(prompt, responses[i], responses[j]) for i, j in pairs])
        found[:, first, second], found[:, second, first] = p, 1.0 - p
    return found
