"""What a judge is, and the checks every judge's answers pass through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from slhf.errors import IncompleteError, InputError, JudgeError
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


@runtime_checkable
class MaySkip(Protocol):
    """A judge that can say of a comparison that it has no preference to give, not even ½."""

    def prefer_or_skip(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return P(first ≻ second | prompt), one value a comparison; NaN where there is none."""
        ...


AT_ONCE = 1024
"""Comparisons to ask at once of a judge that names no number of its own."""


@runtime_checkable
class Paced(Protocol):
    """A judge so slow, or so dear, that little should be lost when it is interrupted."""

    @property
    def at_once(self) -> int:
        """How many comparisons to ask before what it said is kept."""
        ...


def pace(judge: Judge) -> int:
    """Return how many comparisons to ask a judge before what it said is kept: its own number, or 1024."""
    return judge.at_once if isinstance(judge, Paced) else AT_ONCE


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
        IncompleteError: the judge stopped half way; ``judged`` counts places in ``comparisons``.
    """
    return _asked(judge, judge.prefer, comparisons, gaps=False)


def preferences_or_skips(judge: Judge, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
    """Ask ``judge`` about each comparison, for callers that can do without some.

    Everybody else calls :func:`preferences`, which accepts no gap: there, a judge that skips raises.

    Args:
        judge: any judge; one without ``prefer_or_skip`` never skips.
        comparisons: B questions.

    Returns:
        P(first ≻ second), float64, shape (B,), in [0, 1], and NaN where the judge skipped the comparison.

    Raises:
        JudgeError: an answer that is neither a preference nor a skip.
        IncompleteError: the judge stopped half way; ``judged`` counts places in ``comparisons``.
    """
    if not isinstance(judge, MaySkip):
        return preferences(judge, comparisons)
    return _asked(judge, judge.prefer_or_skip, comparisons, gaps=True)


def without_skips(judge: Judge, comparisons: Sequence[Comparison], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``p`` where every comparison was judged, and raise otherwise.

    Raises:
        IncompleteError: some were skipped; the message names the first, and ``judged`` holds the others.
    """
    skipped = np.flatnonzero(np.isnan(p))
    if not skipped.size:
        return p
    c = comparisons[skipped[0]]
    raise IncompleteError(
        f"judge {judge.name!r} skipped {skipped.size} of {len(comparisons)} comparisons, which cannot be done without "
        f"here; the first has prompt {c.prompt!r}, first {c.first!r}, second {c.second!r}: ask again, or leave its "
        "prompt out",
        judge,
        {i: float(value) for i, value in enumerate(p) if not np.isnan(value)},
    )


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
        raw = self.ask_one_order([*comparisons, *(c.swap() for c in comparisons)])
        half = len(comparisons)
        return 0.5 * (raw[:half] + 1.0 - raw[half:])

    def ask_one_order(self, comparisons: Sequence[Comparison], repeat: int = 0) -> NDArray[np.float64]:
        """Return q(first, second), what the callable says when the responses stand in this order.

        Args:
            comparisons: B questions.
            repeat: asks the same again; it is up to the callable whether it says the same again.

        Raises:
            JudgeError: wrong number of answers, NaN or a value outside [0, 1].
        """
        arguments: list[Any] = [
            [c.prompt for c in comparisons],
            [c.first for c in comparisons],
            [c.second for c in comparisons],
        ]
        if self._columns:
            arguments.append([dict(c.columns) for c in comparisons])
        raw = np.asarray(self._function(*arguments), dtype=np.float64)
        _check(self.name, raw, comparisons, " (both orders count)")
        return raw


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


def _asked(
    judge: Judge,
    ask: Callable[[Sequence[Comparison]], NDArray[np.float64]],
    comparisons: Sequence[Comparison],
    *,
    gaps: bool,
) -> NDArray[np.float64]:
    answer = np.full(len(comparisons), 0.5)
    asked = [i for i, c in enumerate(comparisons) if c.first != c.second]
    if not asked:
        return answer
    questions = [comparisons[i] for i in asked]
    try:
        raw = np.asarray(ask(questions), dtype=np.float64)
    except IncompleteError as error:
        if error.judge is judge:
            error.judged = {asked[i]: p for i, p in error.judged.items()}
        raise
    _check(judge.name, raw, questions, gaps=gaps)
    answer[asked] = raw
    return answer


def _check(
    name: str, raw: NDArray[np.float64], comparisons: Sequence[Comparison], remark: str = "", *, gaps: bool = False
) -> None:
    count = len(comparisons)
    if raw.shape != (count,):
        raise JudgeError(
            f"judge {name!r} answered with shape {raw.shape} to {count} comparisons{remark}; it must return one "
            f"preference a comparison, shape ({count},)"
        )
    bad = ~((raw >= 0.0) & (raw <= 1.0)) & ~(gaps & np.isnan(raw))
    if bad.any():
        where = int(np.flatnonzero(bad)[0])
        c = comparisons[where]
        raise JudgeError(
            f"judge {name!r} answered {raw[where]} to prompt {c.prompt!r}, first {c.first!r}, second {c.second!r}; a "
            "preference is a probability in [0, 1]"
        )
