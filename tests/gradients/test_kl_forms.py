"""Which forms of the KL give the gradient of the KL, on a model that can be enumerated."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from slhf.errors import InputError
from slhf.objectives import ResponseBatch, direct_kl, token_kl, total_kl
from slhf.objectives.kl import check_kl_form
from tiny import model, responses, sequence_log_probs

CONTEXT = [1, 2]


def setting() -> tuple[torch.nn.Module, ResponseBatch, Tensor, Tensor]:
    lm, reference = model(4, seed=5, hidden=8).double(), model(4, seed=6, hidden=8).double()
    answers = responses(4, 2)
    width = max(map(len, answers))

    def table(which: torch.nn.Module) -> tuple[Tensor, Tensor]:
        rows, dists = [], []
        for answer in answers:
            logits = which(torch.tensor([CONTEXT + answer])).logits[0, len(CONTEXT) - 1 : -1].log_softmax(-1)
            picked = logits.gather(1, torch.tensor(answer).unsqueeze(1)).squeeze(1)
            rows.append(torch.cat([picked, picked.new_zeros(width - len(answer))]))
            dists.append(torch.cat([logits, logits.new_zeros(width - len(answer), 4)]))
        return torch.stack(rows), torch.stack(dists)

    log_probs, p = table(lm)
    with torch.no_grad():
        ref, q = table(reference)
    mask = torch.tensor([[float(t < len(a)) for t in range(width)] for a in answers], dtype=torch.float64)
    kl = (p.exp() * (p - q)).sum(-1) * mask
    cut = torch.zeros(len(answers), dtype=torch.float64)
    want = (log_probs.sum(1).exp() * (log_probs.sum(1) - ref.sum(1))).sum()
    return lm, ResponseBatch(log_probs, ref, mask, cut, kl), log_probs.sum(1).exp().detach(), want


def gradient(value: Tensor, lm: torch.nn.Module) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(lm.parameters()), retain_graph=True)])


@pytest.mark.parametrize("form", ["sequence", "reward_to_go", "exact"])
def test_score_function_gradient_is_the_gradient_of_the_kl(form: str) -> None:
    lm, batch, chance, want = setting()
    surrogate = (token_kl(batch, form) * batch.log_probs).sum(1) + direct_kl(batch, form)
    got = gradient((chance * surrogate).sum(), lm)
    exact = gradient(want, lm)
    # transformers normalises in float32 even in a float64 model
    assert (got - exact).norm() / exact.norm() < 1e-5


@pytest.mark.parametrize("form", ["sequence", "reward_to_go", "exact"])
def test_estimate_of_the_kl_is_unbiased(form: str) -> None:
    _, batch, chance, want = setting()
    assert torch.isclose((chance * total_kl(batch, form)).sum(), want)


def test_charging_a_token_for_its_own_log_ratio_alone_is_biased() -> None:
    lm, batch, chance, want = setting()
    own = (batch.log_probs.detach() - batch.ref_log_probs) * batch.mask
    got = gradient((chance * (own * batch.log_probs).sum(1)).sum(), lm)
    exact = gradient(want, lm)
    assert (got - exact).norm() / exact.norm() > 0.1


def test_exact_kl_without_its_direct_gradient_is_biased() -> None:
    """Replacing ℓ_t by KL_t in reward-to-go and nothing else loses the immediate term."""
    lm, batch, chance, want = setting()
    assert batch.kl is not None
    to_go = (batch.kl.detach() * batch.mask).flip(1).cumsum(1).flip(1)
    got = gradient((chance * (to_go * batch.log_probs).sum(1)).sum(), lm)
    exact = gradient(want, lm)
    assert (got - exact).norm() / exact.norm() > 0.1


def test_k3_as_a_signal_points_the_wrong_way_near_the_reference() -> None:
    """Close to the reference the expected k3 gradient is tiny beside the KL's own."""
    lm, _, _, _ = setting()
    answers = responses(4, 2)
    ref = sequence_log_probs(lm, CONTEXT, answers).detach()
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)).double())
    log_probs = sequence_log_probs(lm, CONTEXT, answers)
    ratio = (ref - log_probs).detach()
    k3 = ratio.exp() - ratio - 1
    exact = gradient((log_probs.exp() * (log_probs - ref)).sum(), lm)
    got = gradient((log_probs.exp().detach() * k3 * log_probs).sum(), lm)
    assert got.norm() / exact.norm() < 0.1


@pytest.mark.parametrize("form", ["k2", "k3"])
def test_k2_and_k3_are_refused_with_the_reason(form: str) -> None:
    with pytest.raises(InputError, match="does not regularise"):
        check_kl_form(form)


def test_unknown_form_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="Did you mean 'reward_to_go'"):
        check_kl_form("reward_to_g")
