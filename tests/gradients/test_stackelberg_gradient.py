"""The expected gradient of the trainer's loss is that of Eq. (5), enumerated exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from slhf.algorithms import StackelbergGDA
from slhf.objectives import GameBatch, ResponseBatch
from slhf.policies import CausalPolicy, PlainRoles
from slhf.policies.rollouts import make_answers
from slhf.training.passes import Scoring, game_batch
from slhf.types import Rollout, Round
from tiny import cyclic_preference, model, responses, sequence_log_probs, tokenizer

TEMPERATURE = 0.9


class Game:
    """All answers of a model with three tokens, their log-probabilities both ways, and the preference."""

    def __init__(self, length: int):
        words = ("<end>", "a", "b")
        self.tokenizer = tokenizer(words, pad="b")
        lm = model(3, seed=1, hidden=8).double()
        self.policy = CausalPolicy(lm, self.tokenizer, PlainRoles(self.tokenizer, "b", repeat_prompt=False))
        with torch.no_grad():  # away from the reference, or every log-ratio would be zero
            for number, parameter in enumerate(lm.parameters()):
                generator = torch.Generator().manual_seed(number)
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        self.lm, self.reference = lm, self.policy._frozen
        self.answers = responses(3, length)
        self.cut = torch.tensor([float(a[-1] != 0) for a in self.answers], dtype=torch.float64)
        self.p = torch.from_numpy(cyclic_preference([str(a) for a in self.answers], seed=3))
        self.context = self.policy.roles.leader_context("a a")
        made = make_answers(self.policy, self.answers)
        self.longer = [self.policy.roles.follower_context("a a", self.context, a.tokens, a.text) for a in made]
        self.made = made

    def tables(self, exact: bool) -> tuple[ResponseBatch, ResponseBatch]:
        """Every leader answer (Y rows) and every refinement (Y·Y rows) through the trainer's own scoring."""
        rounds = [
            Round(Rollout(0, "a a", {}, self.context, [y], [longer], [[z]]), np.array([[0.5]]))
            for y, longer in zip(self.made, self.longer, strict=True)
            for z in self.made
        ]
        scoring = Scoring(TEMPERATURE, chunk_mib=1e-4, exact_kl=exact)
        batch = game_batch(self.policy, self.lm, rounds, scoring)
        first = torch.arange(0, len(rounds), len(self.made))
        return pick(batch.roles["leader"], first), batch.roles["follower"]

    def oracle(self, algorithm: StackelbergGDA) -> tuple[list[Tensor], list[Tensor]]:
        """Gradients of Eq. (5) through the Leader only, and through the Follower only."""
        log_pi = sequence_log_probs(self.lm, self.context, self.answers, TEMPERATURE)
        log_omega = torch.stack([sequence_log_probs(self.lm, c, self.answers, TEMPERATURE) for c in self.longer])
        with torch.no_grad():
            ref_pi = sequence_log_probs(self.reference, self.context, self.answers, TEMPERATURE)
            ref_omega = torch.stack(
                [sequence_log_probs(self.reference, c, self.answers, TEMPERATURE) for c in self.longer]
            )
        p = self.p + algorithm.truncation_penalty * (self.cut.unsqueeze(0) - self.cut.unsqueeze(1))

        def value(lp: Tensor, lo: Tensor, tau_follower: float) -> Tensor:
            omega = lo.exp()
            inner = (omega * (p + tau_follower * (lo - ref_omega))).sum(1)
            return (lp.exp() * (inner - algorithm.tau_leader * (lp - ref_pi))).sum()

        parameters = list(self.lm.parameters())
        kept = algorithm.tau_follower if algorithm.leader_kl_of_follower else 0.0
        leader = torch.autograd.grad(value(log_pi, log_omega.detach(), kept), parameters, retain_graph=True)
        follower = torch.autograd.grad(value(log_pi.detach(), log_omega, algorithm.tau_follower), parameters)
        return list(leader), list(follower)


def pick(batch: ResponseBatch, rows: Tensor) -> ResponseBatch:
    kl = None if batch.kl is None else batch.kl[rows]
    return ResponseBatch(batch.log_probs[rows], batch.ref_log_probs[rows], batch.mask[rows], batch.truncated[rows], kl)


def expected_gradients(game: Game, algorithm: StackelbergGDA) -> dict[str, tuple[list[Tensor], float]]:
    """Sum over every outcome of its probability times the gradient of the trainer's loss there."""
    leader, follower = game.tables(algorithm.exact_kl)
    pi = leader.log_probs.sum(1).exp().detach()
    count = len(game.answers)
    omega = follower.log_probs.sum(1).exp().detach().view(count, count)
    assert torch.allclose(omega.sum(1), torch.ones(count, dtype=torch.float64))
    g, f = algorithm.leader_samples, algorithm.follower_samples
    total = {"leader": torch.zeros((), dtype=torch.float64), "follower": torch.zeros((), dtype=torch.float64)}
    for ys in itertools.product(range(count), repeat=g):
        for zs in itertools.product(range(count), repeat=g * f):
            first = [ys[i // f] for i in range(g * f)]
            chance = pi[list(ys)].prod() * omega[first, list(zs)].prod()
            rows = torch.tensor([y * count + z for y, z in zip(first, zs, strict=True)])
            batch = GameBatch(
                {"leader": pick(leader, torch.tensor(ys)), "follower": pick(follower, rows)},
                game.p[first, list(zs)].view(1, g, f),
            )
            losses, _ = algorithm.losses(batch)
            total = {role: total[role] + chance * losses[role] for role in total}
    parameters = list(game.lm.parameters())
    return {role: torch.autograd.grad(total[role], parameters, retain_graph=True) for role in total}  # type: ignore


CASES = [
    # length, settings
    (2, {}),
    (2, {"kl": "sequence"}),
    (2, {"kl": "exact"}),
    (2, {"leader_kl_of_follower": False}),
    (2, {"baseline": "half"}),
    (2, {"truncation_penalty": 0.3}),
    (2, {"follower_samples": 2}),
    (2, {"follower_samples": 2, "kl": "exact"}),
    (1, {"leader_samples": 2, "follower_samples": 2}),
    (1, {"leader_samples": 3}),
    (1, {"leader_samples": 2, "follower_samples": 2, "kl": "exact", "baseline": "half"}),
]


@pytest.mark.parametrize(("length", "settings"), CASES)
def test_expected_gradient_is_that_of_equation_5(length: int, settings: dict) -> None:
    algorithm = StackelbergGDA(tau_leader=0.2, tau_follower=0.3, **settings)
    game = Game(length)
    oracle = dict(zip(("leader", "follower"), game.oracle(algorithm), strict=True))
    mine = expected_gradients(game, algorithm)
    # the Leader ascends Eq. (5): its loss is minus the objective; the Follower descends it
    for role, sign in (("leader", -1.0), ("follower", 1.0)):
        want = torch.cat([sign * t.flatten() for t in oracle[role]])
        got = torch.cat([t.flatten() for t in mine[role]])
        assert want.norm() > 1e-3
        assert (got - want).norm() / want.norm() < 1e-5


def test_printed_equation_10_is_not_the_gradient() -> None:
    """Dropping τ_F ℓ_F from the Leader's signal, as printed, changes the expected gradient."""
    game = Game(2)
    want, _ = game.oracle(StackelbergGDA(tau_leader=0.2, tau_follower=0.3))
    paper = StackelbergGDA(tau_leader=0.2, tau_follower=0.3, leader_kl_of_follower=False)
    got = torch.cat([t.flatten() for t in expected_gradients(game, paper)["leader"]])
    target = -torch.cat([t.flatten() for t in want])
    assert (got - target).norm() / target.norm() > 0.05
