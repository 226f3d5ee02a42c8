"""Games of the Leader alone on models small enough to enumerate: exact mixtures, exact points of rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def token_log_probs(lm: Any, context: list[int], answer: list[int], temperature: float) -> Tensor:
    """log π(· | context, y_<t) at each token of an answer, (T, V), by a full forward."""
    logits = lm(torch.tensor([context + answer])).logits[0, len(context) - 1 : -1]
    return (logits / temperature).log_softmax(-1)


def mixture_log_probs(
    lm: Any, reference: Any, context: list[int], answer: list[int], beta: float, temperature: float
) -> Tensor:
    """log μ(y_t | context, y_<t) of each token of an answer, (T,): normalised geometric mean, token by token."""
    with torch.no_grad():
        mine = token_log_probs(lm, context, answer, temperature).double()
        theirs = token_log_probs(reference, context, answer, temperature).double()
    weights = mine.exp() ** (1.0 - beta) * theirs.exp() ** beta
    mixed = (weights / weights.sum(dim=-1, keepdim=True)).log()
    return mixed.gather(1, torch.tensor(answer).unsqueeze(1)).squeeze(1)


def token_mixture(pi: np.ndarray, ref: np.ndarray, answers: list[list[int]], beta: float) -> np.ndarray:
    """μ over whole answers from π and π_ref over whole answers: mixed token by token."""

    def prefixes(p: np.ndarray) -> dict[tuple[int, ...], float]:
        found: dict[tuple[int, ...], float] = {}
        for probability, answer in zip(p, answers, strict=True):
            for n in range(len(answer) + 1):
                found[tuple(answer[:n])] = found.get(tuple(answer[:n]), 0.0) + probability
        return found

    mine, theirs = prefixes(pi), prefixes(ref)
    raw = {
        s: (mine[s] / mine[s[:-1]]) ** (1.0 - beta) * (theirs[s] / theirs[s[:-1]]) ** beta for s in mine if len(s) > 0
    }
    total: dict[tuple[int, ...], float] = {}
    for s, weight in raw.items():
        total[s[:-1]] = total.get(s[:-1], 0.0) + weight
    return np.array(
        [np.prod([raw[tuple(a[:n])] / total[tuple(a[: n - 1])] for n in range(1, len(a) + 1)]) for a in answers]
    )


def nash_md_rest(
    p: np.ndarray, ref: np.ndarray, answers: list[list[int]], tau: float, beta: float, steps: int = 4000
) -> np.ndarray:
    """π = π_ref exp(P(· ≻ μ(π)) / τ), normalised, by damped iteration; asserts that it has come to rest."""
    pi = ref.copy()
    for _ in range(steps):
        logs = np.log(ref) + p @ token_mixture(pi, ref, answers, beta) / tau
        logs = 0.9 * np.log(pi) + 0.1 * (logs - logs.max())
        pi, last = np.exp(logs - logs.max()), pi
        pi /= pi.sum()
    assert np.abs(pi - last).max() < 1e-10
    return pi
