"""A convex mixture of judges, the same for all prompts or decided by each prompt's columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, JudgeError, suggestion
from slhf.judges.protocol import Judge, pace, preferences
from slhf.judges.registry import JudgeSetting, judge_from
from slhf.types import Comparison


class MixtureJudge:
    """Prefer as several judges do, each with a share.

        p(y ≻ y′ | x) = Σ_j w_j(x) p_j(y ≻ y′ | x),  w_j ≥ 0,  Σ_j w_j = 1

    A mixture of preference functions is one again: antisymmetric, ties ½. It is how a check and a panel's taste
    train together. A judge without a share in a prompt is not asked about it.

    Args:
        judges: J judges by the names that weights and columns use.
        weights: their shares by name, not negative; equal if not given. They are divided by their sum.
        needs: columns by judge: the judge takes part only in prompts that have something in this column, and
            the shares of the others are raised in proportion.
        column: a column that says who counts for its prompt: the name of one judge, or shares by name. Prompts
            with nothing there have the shares of ``weights``.
        name: shown in tables.

    Raises:
        InputError: no judges, a name that is none of theirs, or weights that are not shares.
    """

    def __init__(
        self,
        judges: Mapping[str, Judge],
        weights: Mapping[str, float] | None = None,
        needs: Mapping[str, str] | None = None,
        column: str | None = None,
        name: str = "mixture",
    ):
        if not judges:
            raise InputError("a mixture needs at least one judge")
        self.judges = dict(judges)
        self.name = name
        self.needs = dict(needs or {})
        self.column = column
        for one in self.needs:
            self._known(one, "needs")
        self.weights = self._shares(dict.fromkeys(self.judges, 1.0) if weights is None else weights, "weights")

    @property
    def at_once(self) -> int:
        """How many comparisons to ask before what it said is kept: what its slowest judge likes."""
        return min(map(pace, self.judges.values()))

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Ask each judge what it has a share in, and add.

        Raises:
            JudgeError: a column that names no judge or holds no shares, a prompt for which nobody counts, or a
                judge's answer that is no preference.
        """
        shares = np.array([self._of(c) for c in comparisons]).reshape(len(comparisons), len(self.judges))
        p = np.zeros(len(comparisons))
        for j, judge in enumerate(self.judges.values()):
            asked = np.flatnonzero(shares[:, j]).tolist()
            p[asked] += shares[asked, j] * preferences(judge, [comparisons[i] for i in asked])
        # The clip takes away rounding of the weighted sum only: every summand is in [0, 1].
        return np.clip(p, 0.0, 1.0)

    def _of(self, comparison: Comparison) -> NDArray[np.float64]:
        """Return the shares of one prompt, (J,)."""
        columns, start = comparison.columns, f"judge {self.name!r}, prompt {comparison.prompt!r}: "
        said = None if self.column is None else columns.get(self.column)
        if said is not None:
            try:
                return self._shares({said: 1.0} if isinstance(said, str) else said, f"column {self.column!r}")
            except InputError as error:
                raise JudgeError(f"{start}{error}") from error
        counts = [one not in self.needs or _present(columns.get(self.needs[one])) for one in self.judges]
        left = np.where(counts, self.weights, 0.0)
        if not left.any():
            lacking = ", ".join(sorted({c for c in self.needs.values() if not _present(columns.get(c))}))
            raise JudgeError(
                f"{start}no judge counts here, since it has nothing in {lacking}; give another one a share"
            )
        return left / left.sum()

    def _shares(self, given: Any, what: str) -> NDArray[np.float64]:
        if not isinstance(given, Mapping):
            raise InputError(f"{what}: expected the name of a judge, or shares by name; got {given!r}")
        for one in given:
            self._known(one, what)
        shares = [given.get(one) or 0.0 for one in self.judges]  # a missing key comes as None from a table
        if not all(isinstance(w, int | float) and math.isfinite(w) and w >= 0.0 for w in shares) or not any(shares):
            raise InputError(f"{what}: shares must be finite, not negative and not all zero, got {dict(given)}")
        return np.array(shares, dtype=np.float64) / sum(shares)

    def _known(self, name: str, what: str) -> None:
        if name not in self.judges:
            raise InputError(
                f"{what}: {name!r} is none of the mixture's judges, {', '.join(self.judges)}."
                f"{suggestion(str(name), self.judges)}"
            )


def mixture(
    judges: dict[str, JudgeSetting],
    weights: dict[str, float] | None = None,
    needs: dict[str, str] | None = None,
    column: str | None = None,
) -> MixtureJudge:
    """Mix judges, each with a share: Σ_j w_j(x) p_j(y ≻ y′ | x).

    Args:
        judges: names of your choice, each with a judge as a recipe gives one.
        weights: shares by name; equal if not given.
        needs: columns by name: this judge takes part only where its prompt has something in the column.
        column: a column of the prompts that names the judge that counts, or holds shares by name.

    Raises:
        InputError: a name that is none of the judges', weights that are not shares, or settings a judge refuses.
    """
    made = {one: judge_from(settings, f"judges.{one}") for one, settings in judges.items()}
    return MixtureJudge(made, weights, needs, column)


def _present(value: Any) -> bool:
    return value is not None and not (isinstance(value, str | Sequence | Mapping) and len(value) == 0)
