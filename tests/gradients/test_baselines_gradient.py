"""The expected gradient of each baseline's loss is that of its objective, enumerated exactly."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from leader_games import mixture_log_probs
from slhf.algorithms import RLOO, SPPO, NashMD, OnlineIPO
from slhf.objectives import GameBatch, ResponseBatch, centred, score, token_kl
from slhf.objectives.group import over_the_others
from slhf.policies import CausalPolicy, PlainRoles
from slhf.policies.rollouts import make_answers
from slhf.training.passes import Scoring, game_batch
from slhf.types import Group, Mixture, Rollout, Round
from tiny import cyclic_preference, model, responses, sequence_log_probs, tokenizer

TEMPERATURE = 0.9


class Game:
    """All answers of a model with three tokens, their preferences and rewards; no Follower."""

    def __init__(self, length: int):
        tok = tokenizer(("<end>", "a", "b"), pad="b")
        lm = model(3, seed=1, hidden=8).double()
        self.policy = CausalPolicy(lm, tok, PlainRoles(tok, "b", repeat_prompt=False))
        with torch.no_grad():  # away from the reference, or every log-ratio would be zero
            for number, parameter in enumerate(lm.parameters()):
                generator = torch.Generator().manual_seed(number)
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        self.lm, self.reference = lm, self.policy._frozen
        self.answers = responses(3, length)
        self.cut = torch.tensor([float(a[-1] != 0) for a in self.answers], dtype=torch.float64)
        self.p = torch.from_numpy(cyclic_preference([str(a) for a in self.answers], seed=3))
        self.rewards = torch.from_numpy(np.random.default_rng(4).normal(size=len(self.answers)))
        self.context = self.policy.roles.leader_context("a a")

    def table(self, exact: bool) -> ResponseBatch:
        """Every answer (Y rows) through the trainer's own scoring, as it is without a Follower."""
        made = make_answers(self.policy, self.answers)
        rounds = [Round(Rollout(0, "a a", {}, self.context, [y], [[]], [[]]), np.array([[0.5]])) for y in made]
        batch = game_batch(self.policy, self.lm, rounds, Scoring(TEMPERATURE, chunk_mib=1e-4, exact_kl=exact))
        assert set(batch.roles) == {"leader"}
        return batch.roles["leader"]

    def mixture(self, beta: float) -> Tensor:
        """μ of every answer, (Y,)."""
        found = [
            mixture_log_probs(self.lm, self.reference, self.context, answer, beta, TEMPERATURE).sum()
            for answer in self.answers
        ]
        return torch.stack(found).exp()

    def objective(self, algorithm: Any, penalty: float, tau: float) -> Tensor:
        """E_{y~π} [what y is worth] − τ KL, differentiable in π only."""
        log_pi = sequence_log_probs(self.lm, self.context, self.answers, TEMPERATURE)
        with torch.no_grad():
            ref = sequence_log_probs(self.reference, self.context, self.answers, TEMPERATURE)
        p = self.p + penalty * (self.cut.unsqueeze(0) - self.cut.unsqueeze(1))
        opponent = algorithm.match.opponent
        if isinstance(opponent, Group):
            worth = p @ log_pi.exp().detach()
        elif isinstance(opponent, Mixture):
            worth = p @ self.mixture(opponent.coefficient)
        else:
            worth = self.rewards - penalty * self.cut
        return (log_pi.exp() * (worth - tau * (log_pi - ref))).sum()


def pick(batch: ResponseBatch, rows: list[int]) -> ResponseBatch:
    kl = None if batch.kl is None else batch.kl[rows]
    return ResponseBatch(batch.log_probs[rows], batch.ref_log_probs[rows], batch.mask[rows], batch.truncated[rows], kl)


def expected_loss(game: Game, algorithm: Any) -> Tensor:
    """Sum over every outcome of its (fixed) probability times the loss there."""
    table = game.table(algorithm.exact_kl)
    pi = table.log_probs.sum(1).exp().detach()
    assert torch.isclose(pi.sum(), torch.ones((), dtype=torch.float64))
    count, match = len(game.answers), algorithm.match
    rivals = match.opponent.count if isinstance(match.opponent, Mixture) else 0
    mu = game.mixture(match.opponent.coefficient) if rivals else pi
    total = torch.zeros((), dtype=torch.float64)
    for drawn in itertools.product(range(count), repeat=match.leaders + rivals):
        ys, zs = list(drawn[: match.leaders]), list(drawn[match.leaders :])
        met = ys if isinstance(match.opponent, Group) else zs
        batch = GameBatch(
            {"leader": pick(table, ys)},
            game.p[ys][:, met].unsqueeze(0),
            rewards=None if met else game.rewards[ys].unsqueeze(0),
            opponents_truncated=game.cut[zs].unsqueeze(0),
        )
        total = total + pi[ys].prod() * mu[zs].prod() * algorithm.losses(batch)[0]["leader"]
    return total


def gradient(value: Tensor, game: Game) -> Tensor:
    found = torch.autograd.grad(value, list(game.lm.parameters()), retain_graph=True)
    return torch.cat([g.flatten() for g in found])


CASES: list[Any] = [
    # length, algorithm; answers of one token are truncated or empty, so only length 2 tells the forms of KL apart
    (2, RLOO(tau=0.2)),
    (2, RLOO(tau=0.2, kl="sequence", truncation_penalty=0.3)),
    (2, RLOO(tau=0.2, kl="exact")),
    (1, RLOO(tau=0.2, samples=4)),
    (2, RLOO(tau=0.2, reward="score")),
    (2, RLOO(tau=0.2, reward="score", kl="exact", samples=3, truncation_penalty=0.3)),
    (2, NashMD(tau=0.2, mixture=0.75)),
    (2, NashMD(tau=0.2, mixture=0.25, kl="exact", truncation_penalty=0.3)),
    (2, NashMD(tau=0.2, mixture=0.0)),
    (1, NashMD(tau=0.2, leader_samples=2, mixture_samples=2)),
    (2, NashMD(tau=0.2, mixture=1.0, baseline="half", leader_samples=2)),
    (2, OnlineIPO(tau=0.2)),
    (1, OnlineIPO(tau=0.2, samples=4, truncation_penalty=0.3)),
    (2, SPPO(eta=5.0, samples=3)),
    (2, SPPO(eta=5.0, samples=2, truncation_penalty=0.3)),
]


@pytest.mark.parametrize(("length", "algorithm"), CASES)
def test_expected_gradient_is_that_of_the_objective(length: int, algorithm: Any) -> None:
    game = Game(length)
    tau = 1.0 / algorithm.eta if isinstance(algorithm, SPPO) else algorithm.tau
    want = -gradient(game.objective(algorithm, algorithm.truncation_penalty, tau), game)
    got = gradient(expected_loss(game, algorithm), game)
    assert want.norm() > 1e-3
    assert (got - want).norm() / want.norm() < 1e-5


def test_the_kl_term_is_part_of_it() -> None:
    """The same objective without τ has another gradient: the cases above see the KL."""
    game, algorithm = Game(2), RLOO(tau=0.2)
    with_kl, without = (gradient(game.objective(algorithm, 0.0, tau), game) for tau in (0.2, 0.0))
    assert (with_kl - without).norm() / without.norm() > 0.1


@pytest.mark.parametrize("samples", [2, 3])
def test_the_others_preferences_are_no_baseline_for_preferences(samples: int) -> None:
    """Leave-one-out over group preferences makes the reward k / (k − 1) times as large, so τ as much smaller."""

    class Naive(RLOO):
        def losses(self, batch: GameBatch) -> Any:
            leader, (prompts, answers, _) = batch.roles["leader"], batch.preferences.shape
            signal = over_the_others(batch.preferences).view(-1, 1) - self.tau * token_kl(leader, self.kl)
            return {"leader": -score(leader, centred(signal, (prompts, answers), "leave_one_out"))}, {}

    game, naive = Game(2), Naive(tau=0.2, samples=samples)
    got = gradient(expected_loss(game, naive), game)
    larger = samples / (samples - 1)
    swollen = -larger * gradient(game.objective(naive, 0.0, 0.2 / larger), game)
    assert (got - swollen).norm() / swollen.norm() < 1e-5
    want = -gradient(game.objective(naive, 0.0, 0.2), game)
    assert (got - want).norm() / want.norm() > 0.1
