"""The score-function loss, and the two ways a response's log-probability enters a loss."""

from __future__ import annotations

from torch import Tensor

from slhf.objectives.baselines import Baseline, centred
from slhf.objectives.batch import ResponseBatch
from slhf.objectives.kl import KLForm, direct_kl, token_kl


def score(batch: ResponseBatch, signal: Tensor) -> Tensor:
    """Return the mean over responses of Σ_t sg(signal_t) log π(y_t), a scalar.

    Args:
        batch: R responses of at most T tokens.
        signal: (R, T) or (R, 1); no gradient flows into it.
    """
    weight = signal.detach() * batch.mask
    if batch.importance is not None:
        weight = weight * batch.importance
    return (weight * batch.log_probs).sum(dim=1).mean()


def regularised_loss(
    batch: ResponseBatch, reward: Tensor, *, tau: float, kl: KLForm, baseline: Baseline = "leave_one_out"
) -> Tensor:
    """Loss whose expected gradient is that of −( E_π r − τ KL(π ‖ π_ref) ), a scalar.

        loss = −mean Σ_t sg(r − τ c_t − b) log π(y_t) + τ mean KL_direct

    with c_t from ``token_kl``. The reward of one answer may not depend on the other answers of its prompt,
    or the baseline ``leave_one_out`` would be biased; see ``rloo_losses`` for where it does.

    Args:
        batch: R = B·G responses.
        reward: (B, G) r, one an answer; no gradient flows into it.
        tau: τ ≥ 0, reward per nat.
        kl: form of the KL term.
        baseline: ½, or the other answers of the same prompt.
    """
    signal = reward.reshape(-1, 1) - tau * token_kl(batch, kl)
    prompts, answers = reward.shape
    return -score(batch, centred(signal, (prompts, answers), baseline)) + tau * direct_kl(batch, kl).mean()


def log_ratio(batch: ResponseBatch) -> Tensor:
    """Return ℓ = log π(y) − log π_ref(y) of each whole response, (R,), nats; differentiable.

    Where sampler and policy differ, each token's gradient carries its importance weight; the value does not.
    """
    ratio = ((batch.log_probs - batch.ref_log_probs) * batch.mask).sum(dim=1)
    if batch.importance is None:
        return ratio
    weighted = (batch.importance * batch.mask * batch.log_probs).sum(dim=1)
    return ratio.detach() + weighted - weighted.detach()
