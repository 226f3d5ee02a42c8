"""Baselines leave the expected gradient alone, and never mix prompts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slhf.errors import InputError
from slhf.objectives import GameBatch, ResponseBatch, half, leave_one_out, stackelberg_losses
from slhf.objectives.baselines import check_baseline


@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_leave_one_out_is_the_mean_of_the_others(count: int, groups: int, seed: int) -> None:
    signal = torch.randn(groups, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    got = leave_one_out(signal)
    for g in range(groups):
        for n in range(count):
            others = [m for m in range(count) if m != n]
            assert torch.allclose(got[g, n], signal[g, others].mean(dim=0))


def test_a_group_of_one_falls_back_to_one_half() -> None:
    signal = torch.randn(5, 1, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(leave_one_out(signal), torch.full_like(signal, 0.5))
    assert torch.equal(half(signal), torch.full_like(signal, 0.5))


def test_unknown_baseline_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="Did you mean 'leave_one_out'"):
        check_baseline("leave_on_out")


def game(prompts: int, answers: int, refinements: int, seed: int = 0) -> GameBatch:
    generator = torch.Generator().manual_seed(seed)

    def responses(count: int) -> ResponseBatch:
        values = torch.randn(2, count, 4, generator=generator, dtype=torch.float64)
        mask = (torch.arange(4) < torch.randint(1, 5, (count, 1), generator=generator)).double()
        zeros = torch.zeros(count, dtype=torch.float64)
        return ResponseBatch((values[0] * mask).requires_grad_(), values[1] * mask, mask, zeros)

    return GameBatch(
        {"leader": responses(prompts * answers), "follower": responses(prompts * answers * refinements)},
        torch.rand(prompts, answers, refinements, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize(("answers", "refinements"), [(1, 1), (3, 1), (1, 3), (2, 2)])
def test_prompts_do_not_mix(answers: int, refinements: int) -> None:
    """What is learnt from a prompt does not depend on the other prompts of the batch."""
    batch = game(3, answers, refinements)
    settings = {"tau_leader": 0.1, "tau_follower": 0.2}
    together, _ = stackelberg_losses(batch, **settings)
    (together["leader"] + together["follower"]).backward()
    for number in range(3):
        parts = {}
        for role, a_prompt in (("leader", answers), ("follower", answers * refinements)):
            whole = batch.roles[role]
            rows = slice(number * a_prompt, (number + 1) * a_prompt)
            leaf = whole.log_probs.detach()[rows].clone().requires_grad_()
            parts[role] = ResponseBatch(leaf, whole.ref_log_probs[rows], whole.mask[rows], whole.truncated[rows])
        alone, _ = stackelberg_losses(GameBatch(parts, batch.preferences[number : number + 1]), **settings)
        (alone["leader"] + alone["follower"]).backward()
        for role, a_prompt in (("leader", answers), ("follower", answers * refinements)):
            rows = slice(number * a_prompt, (number + 1) * a_prompt)
            assert torch.allclose(batch.roles[role].log_probs.grad[rows] * 3, parts[role].log_probs.grad)


def test_signals_are_those_of_the_formula() -> None:
    """One token an answer, two answers, two refinements: written out by hand."""
    ll, lr = torch.tensor([[-1.0], [-2.0]], dtype=torch.float64), torch.tensor([[-1.5], [-1.0]], dtype=torch.float64)
    fl = torch.tensor([[-1.0], [-0.5], [-2.0], [-3.0]], dtype=torch.float64)
    fr = torch.tensor([[-2.0], [-0.5], [-1.0], [-3.5]], dtype=torch.float64)
    p = torch.tensor([[[0.2, 0.6], [0.9, 0.5]]], dtype=torch.float64)
    leaves = {"leader": ll.requires_grad_(), "follower": fl.requires_grad_()}
    batch = GameBatch(
        {
            "leader": ResponseBatch(leaves["leader"], lr, torch.ones_like(lr), torch.zeros(2, dtype=torch.float64)),
            "follower": ResponseBatch(leaves["follower"], fr, torch.ones_like(fr), torch.zeros(4, dtype=torch.float64)),
        },
        p,
    )
    losses, metrics = stackelberg_losses(batch, tau_leader=0.1, tau_follower=0.2)
    (losses["leader"] + losses["follower"]).backward()
    # ℓ_L = .5, −1; ℓ_F = 1, 0, −1, .5; s_F = p + .2 ℓ_F = .4, .6, .7, .6; s_L = mean s_F − .1 ℓ_L = .45, .75
    leader = torch.tensor([[0.45 - 0.75], [0.75 - 0.45]], dtype=torch.float64)
    follower = torch.tensor([[0.4 - 0.6], [0.6 - 0.4], [0.7 - 0.6], [0.6 - 0.7]], dtype=torch.float64)
    assert torch.allclose(leaves["leader"].grad, -leader / 2)
    assert torch.allclose(leaves["follower"].grad, follower / 4)
    assert torch.allclose(metrics["kl/leader"], torch.tensor([-0.25], dtype=torch.float64))
    assert torch.allclose(metrics["kl/follower"], torch.tensor([0.125], dtype=torch.float64))
    assert torch.allclose(metrics["preference/leader_over_follower"], torch.tensor([0.55], dtype=torch.float64))


def test_a_cut_answer_costs_its_side_and_both_cut_costs_nobody() -> None:
    from slhf.objectives import truncation_adjusted

    p = torch.tensor([[[0.5, 0.5], [0.5, 0.5]]])
    leader_cut, follower_cut = torch.tensor([[[1.0], [0.0]]]), torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    want = torch.tensor([[[0.5, 0.3], [0.7, 0.5]]])
    assert torch.allclose(truncation_adjusted(p, leader_cut, follower_cut, 0.2), want)
