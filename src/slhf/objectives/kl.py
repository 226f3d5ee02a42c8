"""Forms of the KL term that a score-function gradient may carry."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from slhf.errors import InputError, suggestion
from slhf.objectives.batch import ResponseBatch

KLForm = Literal["sequence", "reward_to_go", "exact"]
"""``sequence``: log-ratio of the whole response; ``reward_to_go``: of the tokens from t on;
``exact``: full-vocabulary KL of the positions after t, and the gradient of the KL at t itself."""


def check_kl_form(form: str) -> None:
    """Refuse forms of the KL that do not give the gradient of the KL.

    Raises:
        InputError: for k2 and k3 with the reason, for anything else with a suggestion.
    """
    if form in get_args(KLForm):
        return
    if form in ("k2", "k3"):
        raise InputError(
            f"kl={form!r} cannot be part of a signal: multiplied into a score-function gradient its expectation is "
            "near zero close to the reference and points the wrong way, so it does not regularise; use "
            "'reward_to_go' (the k1 log-ratio), 'sequence' or 'exact'"
        )
    raise InputError(f"kl={form!r} is not one of {', '.join(get_args(KLForm))}.{suggestion(form, get_args(KLForm))}")


def total_kl(batch: ResponseBatch, form: KLForm) -> Tensor:
    """One-sample estimate of KL(π ‖ π_ref) of each whole response, (R,), nats, no gradient.

        ℓ = Σ_t log π(y_t) − log π_ref(y_t)      or, ``exact``,      Σ_t KL_t

    Both have the same expectation; the exact form has the lower variance.
    """
    return _tokens(batch, form).sum(dim=1)


def token_kl(batch: ResponseBatch, form: KLForm) -> Tensor:
    """What multiplies ∇ log π(y_t) so that the expectation is ∇ KL(π ‖ π_ref), (R, T), no gradient.

        sequence      c_t = Σ_s ℓ_s
        reward_to_go  c_t = Σ_{s ≥ t} ℓ_s
        exact         c_t = Σ_{s > t} KL_s,   to which ``direct_kl`` adds ∇ KL_t

    Earlier terms do not depend on y_t and drop out in expectation. In the exact form KL_t does
    not depend on y_t either, so charging token t for it has expectation zero; its gradient has
    to be added directly.

    Departs: charging token t for its own log-ratio alone, c_t = ℓ_t, is biased; see
        tests/gradients/test_kl_forms.py.
    """
    tokens = _tokens(batch, form)
    if form == "sequence":
        return tokens.sum(dim=1, keepdim=True) * batch.mask
    to_go = tokens.flip(1).cumsum(1).flip(1)
    return (to_go - tokens if form == "exact" else to_go) * batch.mask


def direct_kl(batch: ResponseBatch, form: KLForm) -> Tensor:
    """The part of the KL whose own gradient is taken, (R,), nats: Σ_t KL_t if exact, else 0."""
    if form != "exact":
        return torch.zeros_like(batch.truncated)
    assert batch.kl is not None
    return (batch.kl * batch.mask).sum(dim=1)


def _tokens(batch: ResponseBatch, form: KLForm) -> Tensor:
    if form == "exact":
        if batch.kl is None:
            raise InputError("kl='exact' needs the full-vocabulary KL at each position; the batch has none")
        return batch.kl.detach() * batch.mask
    return (batch.log_probs.detach() - batch.ref_log_probs) * batch.mask
