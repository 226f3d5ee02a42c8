"""Losses of the algorithms without a Follower against their published formulas, written out again in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from slhf.algorithms import RLOO, SPPO, NashMD, OnlineIPO
from slhf.objectives import (
    GameBatch,
    ResponseBatch,
    log_ratio,
    nash_md_losses,
    online_ipo_losses,
    rloo_losses,
    sppo_losses,
)
from slhf.objectives.group import group_preferences, over_the_others
from tiny import cyclic_preference

PROMPTS, ANSWERS, TOKENS = 3, 4, 5
TAU = 0.3


def leader(count: int, seed: int = 0) -> ResponseBatch:
    """Random log-probabilities of ragged answers."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, count, TOKENS, generator=generator, dtype=torch.float64)
    mask = (torch.arange(TOKENS) < torch.randint(1, TOKENS + 1, (count, 1), generator=generator)).double()
    cut = torch.randint(0, 2, (count,), generator=generator).double()
    return ResponseBatch((values[0] * mask).requires_grad_(), values[1] * mask, mask, cut)


def group_game(seed: int = 0) -> GameBatch:
    """Three prompts with four answers each that meet each other."""
    p = np.stack([cyclic_preference(list("abcd"), seed=seed + b) for b in range(PROMPTS)])
    return GameBatch({"leader": leader(PROMPTS * ANSWERS, seed)}, torch.from_numpy(p))


def ratios(batch: GameBatch) -> np.ndarray:
    """ℓ[b, g], by plain sums."""
    one = batch.roles["leader"]
    table = ((one.log_probs - one.ref_log_probs) * one.mask).sum(1).detach().numpy()
    return table.reshape(PROMPTS, ANSWERS)


def published_ipo(ratio: np.ndarray, p: np.ndarray) -> float:
    """Mean over pairs and over the draw of who wins of (ℓ_w − ℓ_l − 1/(2τ))²."""
    terms = []
    for b in range(PROMPTS):
        for g, h in combinations(range(ANSWERS), 2):
            for winner, loser in ((g, h), (h, g)):
                terms.append(p[b, winner, loser] * (ratio[b, winner] - ratio[b, loser] - 0.5 / TAU) ** 2)
    return float(np.sum(terms) / (len(terms) / 2))


def published_sppo(ratio: np.ndarray, p: np.ndarray, eta: float) -> float:
    """Mean of (ℓ − η (P̂ − ½))², P̂ the mean over the other answers."""
    terms = []
    for b in range(PROMPTS):
        for g in range(ANSWERS):
            wins = np.mean([p[b, g, h] for h in range(ANSWERS) if h != g])
            terms.append((ratio[b, g] - eta * (wins - 0.5)) ** 2)
    return float(np.mean(terms))


def slopes(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Central differences."""
    out = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = 1e-5
        out[place] = (function(at + step) - function(at - step)) / 2e-5
    return out


def leader_gradient(loss: torch.Tensor, batch: GameBatch) -> torch.Tensor:
    """Gradient in the log-probabilities, (R, T)."""
    return torch.autograd.grad(loss, batch.roles["leader"].log_probs)[0]


def test_online_ipo_is_the_published_loss_less_a_constant_and_scaled() -> None:
    batch = group_game()
    p, ratio = batch.preferences.numpy(), ratios(batch)
    losses, metrics = online_ipo_losses(batch, tau=TAU)
    pairs = [p[b, g, h] for b in range(PROMPTS) for g, h in combinations(range(ANSWERS), 2)]
    variance = np.mean([q * (1 - q) for q in pairs]) / TAU**2  # of the winner's draw: no part of the gradient
    assert losses["leader"].item() == pytest.approx(TAU / 4 * (published_ipo(ratio, p) - variance))
    want = TAU / 4 * slopes(lambda r: published_ipo(r, p), ratio).reshape(-1, 1)
    got = leader_gradient(losses["leader"], batch)
    np.testing.assert_allclose(got.numpy(), want * batch.roles["leader"].mask.numpy(), atol=1e-8)
    np.testing.assert_allclose(metrics["kl/leader"].numpy(), ratio.mean(1))


def test_sppo_is_the_published_loss_scaled() -> None:
    batch, eta = group_game(), 3.0
    p, ratio = batch.preferences.numpy(), ratios(batch)
    losses, _ = sppo_losses(batch, eta=eta)
    assert losses["leader"].item() == pytest.approx(published_sppo(ratio, p, eta) / (2 * eta))
    want = slopes(lambda r: published_sppo(r, p, eta), ratio).reshape(-1, 1) / (2 * eta)
    got = leader_gradient(losses["leader"], batch)
    np.testing.assert_allclose(got.numpy(), want * batch.roles["leader"].mask.numpy(), atol=1e-8)


def table(policy: torch.Tensor, ref: torch.Tensor, p: torch.Tensor) -> GameBatch:
    """One prompt whose group is every action once, each of one token."""
    ones = torch.ones(len(ref), 1, dtype=torch.float64)
    row = ResponseBatch(policy.unsqueeze(1), ref.unsqueeze(1), ones, torch.zeros(len(ref), dtype=torch.float64))
    return GameBatch({"leader": row}, p.unsqueeze(0))


@pytest.mark.parametrize("loss", ["ipo", "sppo"])
def test_the_minimum_over_a_table_is_the_closed_form(loss: str) -> None:
    """With additive preferences, p = ½ + u − u′, both are least at π ∝ π_ref exp(slope · u), found by LBFGS."""
    u = torch.tensor([0.2, -0.1, 0.05, 0.0, -0.15], dtype=torch.float64)
    p = 0.5 + u.unsqueeze(1) - u.unsqueeze(0)
    ref = torch.tensor([0.1, 0.3, 0.2, 0.25, 0.15], dtype=torch.float64).log()
    count = len(u)
    if loss == "ipo":
        slope = 1.0 / TAU
    else:
        # P̂ − ½ = u · n / (n − 1), as u sums to zero; its target is a distribution only up to a constant
        slope = 2.0 * count / (count - 1)
        assert u.sum().abs() < 1e-12
        ref = ref - torch.logsumexp(ref + slope * u, dim=0)
    target = (ref + slope * u).log_softmax(dim=0)
    theta = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([theta], max_iter=500, tolerance_grad=1e-14, tolerance_change=1e-16)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        batch = table(theta.log_softmax(dim=0), ref, p)
        found = online_ipo_losses(batch, tau=TAU) if loss == "ipo" else sppo_losses(batch, eta=2.0)
        found[0]["leader"].backward()
        return found[0]["leader"]

    for _ in range(3):
        optimiser.step(closure)
    assert float(closure().detach()) < 1e-12
    np.testing.assert_allclose(theta.detach().softmax(0).numpy(), target.exp().numpy(), atol=1e-6)


def test_rloo_written_out() -> None:
    """Three answers of one token: rewards centred by the others, group preferences by one half."""
    log_probs = torch.tensor([[-1.0], [-2.0], [-0.5]], dtype=torch.float64, requires_grad=True)
    ref = torch.tensor([[-1.5], [-1.0], [-0.5]], dtype=torch.float64)  # ℓ = .5, −1, 0
    ones, none = torch.ones_like(ref), torch.zeros(3, dtype=torch.float64)
    p = torch.tensor([[[0.5, 0.9, 0.2], [0.1, 0.5, 0.6], [0.8, 0.4, 0.5]]], dtype=torch.float64)
    roles = {"leader": ResponseBatch(log_probs, ref, ones, none)}
    charge = 0.1 * np.array([0.5 - (-0.5), -1.0 - 0.25, 0.0 - (-0.25)])  # τ (ℓ − mean of the others)

    losses, metrics = rloo_losses(GameBatch(roles, p), tau=0.1)
    (got,) = torch.autograd.grad(losses["leader"], log_probs)
    wins = np.array([0.55, 0.35, 0.6]) - 0.5
    np.testing.assert_allclose(got.squeeze(1).numpy(), -(wins - charge) / 3)
    assert metrics["preference/spread"].item() == pytest.approx(0.1)
    assert metrics["kl/leader"].item() == pytest.approx(-1 / 6)

    rewards = torch.tensor([[3.0, 1.0, 5.0]], dtype=torch.float64)
    losses, metrics = rloo_losses(GameBatch(roles, p[:, :, :0], rewards), tau=0.1)
    (got,) = torch.autograd.grad(losses["leader"], log_probs)
    np.testing.assert_allclose(got.squeeze(1).numpy(), -(np.array([0.0, -3.0, 3.0]) - charge) / 3, atol=1e-12)
    assert metrics["reward/leader"].item() == pytest.approx(3.0)


def test_nash_md_written_out() -> None:
    """One answer of two tokens against two of the mixture, one of them cut."""
    log_probs = torch.tensor([[-1.0, -2.0]], dtype=torch.float64, requires_grad=True)
    ref = torch.tensor([[-1.5, -1.0]], dtype=torch.float64)  # ℓ_t = .5, −1: from each token on −.5, −1
    role = ResponseBatch(log_probs, ref, torch.ones_like(ref), torch.zeros(1, dtype=torch.float64))
    p = torch.tensor([[[0.9, 0.3]]], dtype=torch.float64)
    cut = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    losses, metrics = nash_md_losses(
        GameBatch({"leader": role}, p, opponents_truncated=cut), tau=0.1, truncation_penalty=0.2
    )
    (got,) = torch.autograd.grad(losses["leader"], log_probs)
    np.testing.assert_allclose(got.numpy(), [[-(0.7 - 0.5 + 0.05), -(0.7 - 0.5 + 0.1)]])
    assert metrics["preference/leader_over_mixture"].item() == pytest.approx(0.6)


def test_group_preferences_are_means_over_the_others_and_cut_answers_lose() -> None:
    batch = group_game(5)
    p, cut = batch.preferences.numpy(), batch.roles["leader"].truncated.numpy().reshape(PROMPTS, ANSWERS)
    assert 0 < cut.sum() < cut.size
    adjusted = group_preferences(batch, 0.2)
    wins = over_the_others(adjusted)
    for b in range(PROMPTS):
        for g in range(ANSWERS):
            others = [h for h in range(ANSWERS) if h != g]
            want = np.mean([p[b, g, h] + 0.2 * (cut[b, h] - cut[b, g]) for h in others])
            assert wins[b, g].item() == pytest.approx(want)
    assert torch.allclose(adjusted + adjusted.transpose(1, 2), torch.ones((), dtype=torch.float64))


ALGORITHMS: list[Any] = [
    RLOO(tau=TAU, samples=4),
    RLOO(tau=TAU, samples=4, reward="score"),
    NashMD(tau=TAU, leader_samples=4, mixture_samples=2),
    OnlineIPO(tau=TAU, samples=4, truncation_penalty=0.2),
    SPPO(eta=2.0, samples=4),
]


def any_game(algorithm: Any) -> GameBatch:
    """A batch of the algorithm's match."""
    batch = group_game(2)
    generator = torch.Generator().manual_seed(9)
    if isinstance(algorithm, NashMD):
        p, cut = (torch.rand(PROMPTS, *s, generator=generator, dtype=torch.float64) for s in ((ANSWERS, 2), (2,)))
        return GameBatch(batch.roles, p, opponents_truncated=cut.round())
    if algorithm.match.opponent.__class__.__name__ == "Scored":
        rewards = torch.randn(PROMPTS, ANSWERS, generator=generator, dtype=torch.float64)
        return GameBatch(batch.roles, batch.preferences[:, :, :0], rewards)
    return batch


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_prompts_do_not_mix(algorithm: Any) -> None:
    """What is learnt from a prompt does not depend on the other prompts of the batch."""
    batch = any_game(algorithm)
    whole = batch.roles["leader"]
    losses, metrics = algorithm.losses(batch)
    assert set(losses) == {"leader"} == set(algorithm.role_weights)
    assert all(values.shape == (PROMPTS,) for values in metrics.values())
    together = leader_gradient(losses["leader"], batch)
    for b in range(PROMPTS):
        rows = slice(b * ANSWERS, (b + 1) * ANSWERS)
        leaf = whole.log_probs.detach()[rows].clone().requires_grad_()
        alone = GameBatch(
            {"leader": ResponseBatch(leaf, whole.ref_log_probs[rows], whole.mask[rows], whole.truncated[rows])},
            batch.preferences[b : b + 1],
            None if batch.rewards is None else batch.rewards[b : b + 1],
            None if batch.opponents_truncated is None else batch.opponents_truncated[b : b + 1],
        )
        losses, measured = algorithm.losses(alone)
        torch.testing.assert_close(together[rows] * PROMPTS, leader_gradient(losses["leader"], alone))
        for name, values in metrics.items():
            torch.testing.assert_close(values[b : b + 1], measured[name])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_importance_weighs_each_tokens_gradient(algorithm: Any) -> None:
    """Where the sampler has a precision of its own: the gradient of each token is scaled, the loss's fit is not."""
    batch = any_game(algorithm)
    plain = leader_gradient(algorithm.losses(batch)[0]["leader"], batch)
    one = batch.roles["leader"]
    weight = 0.5 + torch.rand(one.mask.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weighted = ResponseBatch(one.log_probs, one.ref_log_probs, one.mask, one.truncated, importance=weight)
    torch.testing.assert_close(log_ratio(weighted), log_ratio(one))
    again = GameBatch({"leader": weighted}, batch.preferences, batch.rewards, batch.opponents_truncated)
    got = leader_gradient(algorithm.losses(again)[0]["leader"], again)
    torch.testing.assert_close(got, plain * weight)
