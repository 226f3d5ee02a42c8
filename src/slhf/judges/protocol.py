"""What a judge is, and the checks every judge's answers pass through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, JudgeError
from slhf.types import Comparison

Preference = Callable[..., Any]
"""A plain callable ``(prompts, first, second) → P(first ≻ second)``, one value a row."""


@runtime_checkable
class Judge(Protocol):
    """Anything that says how likely the first response is preferred to the second."""

    @property
    def name(self) -> str:
        """Short name, shown in tables and reports."""
        ...

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return P(first ≻ second | prompt), one value in [0, 1] a comparison; ties are ½."""
        ...


def preferences(judge: Judge, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
    """Ask ``judge`` about each comparison and check what it answers.

    Two identical responses are a tie and are never sent to the judge.

    Args:
        judge: any object with the ``Judge`` protocol.
        comparisons: B questions.

    Returns:
        P(first ≻ second), float64, shape (B,), every value in [0, 1].

    Raises:
        JudgeError: wrong number of answers, NaN or a value outside [0, 1]; the message
            names the prompt and both responses.
    """
    answer = np.full(len(comparisons), 0.5)
    asked = [i for i, c in enumerate(comparisons) if c.first != c.second]
    if not asked:
        return answer
    raw = np.asarray(judge.prefer([comparisons[i] for i in asked]), dtype=np.float64)
    if raw.shape != (len(asked),):
        raise JudgeError(
            f"judge {judge.name!r} answered with shape {raw.shape} to {len(asked)} comparisons; "
            f"it must return one preference a comparison, shape ({len(asked)},)"
        )
    bad = ~((raw >= 0.0) & (raw <= 1.0))
    if bad.any():
        where = int(np.flatnonzero(bad)[0])
        c = comparisons[asked[where]]
        raise JudgeError(
            f"judge {judge.name!r} answered {raw[where]} to prompt {c.prompt!r}, first {c.first!r}, "
            f"second {c.second!r}; a preference is a probability in [0, 1]"
        )
    answer[asked] = raw
    return answer


class CallableJudge:
    """A judge made from a plain callable ``(prompts, first, second) → P(first ≻ second)``.

    Both orders are asked and averaged, so the answer is antisymmetric whatever the
    callable does:

        p(y ≻ y′) = ½ [ q(y, y′) + 1 − q(y′, y) ]

    Args:
        function: takes three equally long lists of text (and, with ``columns=True``, a
            fourth argument: the list of the prompts' extra columns) and returns one
            probability a row.
        name: shown in tables; the callable's own name if not given.
        columns: pass the extra columns to the callable.
    """

    def __init__(self, function: Preference, name: str | None = None, *, columns: bool = False):
        self._function = function
        self._columns = columns
        self._name = name or getattr(function, "__name__", type(function).__name__)

    @property
    def name(self) -> str:
        """Short name, shown in tables and reports."""
        return self._name

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Ask both orders in one call and average them."""
        both = [*comparisons, *(c.swap() for c in comparisons)]
        arguments: list[Any] = [[c.prompt for c in both], [c.first for c in both], [c.second for c in both]]
        if self._columns:
            arguments.append([dict(c.columns) for c in both])
        raw = np.asarray(self._function(*arguments), dtype=np.float64)
        if raw.shape != (len(both),):
            raise JudgeError(
                f"judge {self.name!r} answered with shape {raw.shape} to {len(both)} comparisons "
                f"(both orders are asked); it must return one preference a comparison, shape ({len(both)},)"
            )
        bad = ~((raw >= 0.0) & (raw <= 1.0))
        if bad.any():
            where = int(np.flatnonzero(bad)[0])
            c = both[where]
            raise JudgeError(
                f"judge {self.name!r} answered {raw[where]} to prompt {c.prompt!r}, first {c.first!r}, "
                f"second {c.second!r}; a preference is a probability in [0, 1]"
            )
        half = len(comparisons)
        return 0.5 * (raw[:half] + 1.0 - raw[half:])


def as_judge(judge: Judge | Preference) -> Judge:
    """Return ``judge`` itself if it has the protocol, or wrap a plain callable.

    Raises:
        InputError: it is neither.
    """
    if isinstance(judge, Judge):
        return judge
    if callable(judge):
        return CallableJudge(judge)
    raise InputError(
        f"a judge is an object with .prefer(comparisons) and .name, or a callable "
        f"(prompts, first, second) -> probabilities; got {type(judge).__name__}"
    )
