"""A judge that looks preferences up in a matrix over finitely many responses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError, JudgeError, suggestion
from slhf.games import preference_matrix, symmetrise
from slhf.types import Comparison


class MatrixJudge:
    """Prefer by table: the responses are the actions of a finite game.

        p(y ≻ y′) = P[index(y), index(y′)],  P + Pᵀ = 1

    Args:
        actions: Y distinct responses; a response must equal one of them exactly.
        p: p[y, y′] = P(y ≻ y′), shape (Y, Y), in [0, 1], with p + pᵀ = 1 to 1e-9.
        name: shown in tables.

    Raises:
        InputError: the matrix is not a preference matrix over the actions; the message
            names the entry.
    """

    def __init__(self, actions: Sequence[str], p: ArrayLike, name: str = "matrix"):
        self.actions = tuple(actions)
        self.name = name
        self.p = _checked(self.actions, np.array(p, dtype=np.float64))
        self._index = {action: i for i, action in enumerate(self.actions)}

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Look each comparison up.

        Raises:
            JudgeError: a response is none of the actions.
        """
        first = [self._action(c.prompt, c.first) for c in comparisons]
        second = [self._action(c.prompt, c.second) for c in comparisons]
        return self.p[first, second]

    def _action(self, prompt: str, response: str) -> int:
        if response not in self._index:
            shown = ", ".join(repr(a) for a in self.actions[:8]) + (", …" if len(self.actions) > 8 else "")
            raise JudgeError(
                f"judge {self.name!r} does not know the response {response!r} to prompt {prompt!r}; its "
                f"{len(self.actions)} actions are {shown}.{suggestion(response, self.actions)}"
            )
        return self._index[response]


def _checked(actions: tuple[str, ...], p: NDArray[np.float64]) -> NDArray[np.float64]:
    if not actions:
        raise InputError("a preference matrix needs at least one action")
    if len(set(actions)) != len(actions):
        twice = next(a for a in actions if actions.count(a) > 1)
        raise InputError(f"action {twice!r} is listed more than once; the actions of a matrix must be distinct")
    if p.shape != (len(actions), len(actions)):
        raise InputError(
            f"a preference matrix over {len(actions)} actions has shape ({len(actions)}, {len(actions)}), got {p.shape}"
        )
    return symmetrise(preference_matrix(p, actions=actions))  # removes what the tolerance let through
