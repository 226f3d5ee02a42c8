"""Where the baselines come to rest, on a model small enough to enumerate: RLHF, Nash, and Nash-MD's own point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from games import trainer
from leader_games import nash_md_rest, token_mixture
from slhf.algorithms import RLOO, SPPO, NashMD, OnlineIPO
from slhf.games import exploitability, nash_equilibrium
from slhf.judges import PanelJudge
from slhf.judges.annotators import Annotator
from slhf.policies.rollouts import make_answers
from tiny import TextMatrixJudge, cyclic_preference, model, responses, sequence_log_probs, tokenizer

WORDS = ("<end>", "a", "b")
TAU = 0.1
PROMPT = "b a"


class Play:
    """All answers of at most two tokens, a cyclic preference over them, a reward for each, and the Leader."""

    def __init__(self, folder: Path, algorithm: Any = None, **settings: Any):
        tok = tokenizer(WORDS, pad="<end>")
        self.answers = responses(len(WORDS), 2)
        self.trainer = trainer(
            folder,
            lm=model(len(WORDS), hidden=32),
            tok=tok,
            judge=PanelJudge([Annotator("unused", lambda prompt, text, columns: 0.0)]),
            train=[{"prompt": PROMPT}] * 32,
            algorithm=algorithm,
            per_device_train_batch_size=32,
            max_new_tokens=2,
            temperature=1.0,
            roles="plain",
            repeat_prompt=False,
            instruction="a",
            lr_scheduler_type="cosine",
            learning_rate=3e-3,
            logging_steps=100,
            log_completions=0,
            train_chunk_tokens=10_000,
            seed=0,
            **settings,
        )
        texts = [answer.text for answer in make_answers(self.trainer.policy, self.answers)]
        self.p = cyclic_preference(texts, seed=1)
        self.rewards = np.random.default_rng(2).uniform(0.0, 1.0, len(texts))
        scored = dict(zip(texts, self.rewards, strict=True))
        self.trainer.judge = TextMatrixJudge(texts, self.p)
        if algorithm is not None and getattr(algorithm, "reward", None) == "score":
            self.trainer.judge = PanelJudge([Annotator("table", lambda prompt, text, columns: scored[text])])
        self.context = self.trainer.policy.roles.leader_context(PROMPT)
        with self.trainer.policy.reference() as lm:
            self.ref = self.table(lm)

    def table(self, lm: Any) -> np.ndarray:
        self.trainer.model.eval()
        with torch.no_grad():
            found = sequence_log_probs(lm, self.context, self.answers).double().exp().numpy()
        np.testing.assert_allclose(found.sum(), 1.0, atol=1e-5)
        return found / found.sum()

    def leader(self) -> np.ndarray:
        return self.table(self.trainer.model)

    def rlhf(self) -> np.ndarray:
        """π_ref exp(r / τ), normalised."""
        policy = self.ref * np.exp((self.rewards - self.rewards.max()) / TAU)
        return policy / policy.sum()

    def nash(self) -> np.ndarray:
        return nash_equilibrium(self.p, tau=TAU, ref=self.ref).policy

    def nash_md(self, beta: float) -> np.ndarray:
        return nash_md_rest(self.p, self.ref, self.answers, TAU, beta)


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Total variation."""
    return float(0.5 * np.abs(first - second).sum())


def test_where_nash_md_rests_depends_on_its_mixture(tmp_path: Path) -> None:
    """At β = 0 the Nash equilibrium, at β = 1 the best reply to the reference, in between neither."""
    play = Play(tmp_path)
    nash = play.nash()
    assert apart(play.nash_md(0.0), nash) < 1e-8
    reply = play.ref * np.exp(play.p @ play.ref / TAU)
    assert apart(play.nash_md(1.0), reply / reply.sum()) < 1e-8
    away = [apart(play.nash_md(beta), nash) for beta in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert away == sorted(away)
    assert away[1] > 0.01
    assert exploitability(play.p, play.nash_md(0.75), tau=TAU, ref=play.ref) > 1e-3


def test_a_mixture_over_whole_answers_would_be_a_nash_equilibrium_itself(tmp_path: Path) -> None:
    """One-token answers, where both ways to normalise are one: μ is Nash at τ / (1 − β), π its best reply."""
    p = cyclic_preference(list("abcd"), seed=4)
    ref, beta = np.array([0.1, 0.4, 0.3, 0.2]), 0.75
    answers = [[token] for token in range(4)]
    pi = nash_md_rest(p, ref, answers, TAU, beta)
    mu = token_mixture(pi, ref, answers, beta)
    np.testing.assert_allclose(mu, pi ** (1 - beta) * ref**beta / (pi ** (1 - beta) * ref**beta).sum())
    nash = nash_equilibrium(p, tau=TAU / (1 - beta), ref=ref).policy
    np.testing.assert_allclose(mu, nash, atol=1e-9)
    reply = ref * np.exp(p @ nash / TAU)
    np.testing.assert_allclose(pi, reply / reply.sum(), atol=1e-9)


RUNS: list[Any] = [
    pytest.param(RLOO(tau=TAU, samples=4, reward="score", kl="exact"), "rlhf", id="rloo-on-scores"),
    pytest.param(RLOO(tau=TAU, samples=4, kl="exact"), "nash", id="rloo-in-groups"),
    pytest.param(NashMD(tau=TAU, mixture=0.0, leader_samples=4, mixture_samples=4, kl="exact"), "nash", id="self-play"),
    pytest.param(NashMD(tau=TAU, leader_samples=4, mixture_samples=4, kl="exact"), "nash_md", id="nash-md"),
    pytest.param(OnlineIPO(tau=TAU, samples=4), "nash", id="online-ipo"),
    pytest.param(SPPO(eta=1.0 / TAU, samples=4), "nash", id="sppo"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "rest"), RUNS)
def test_trainer_comes_to_rest_where_the_algorithm_says(tmp_path: Path, algorithm: Any, rest: str) -> None:
    play = Play(tmp_path, algorithm, max_steps=300)
    beta = algorithm.mixture if isinstance(algorithm, NashMD) else 0.0
    targets = {"rlhf": play.rlhf(), "nash": play.nash(), "nash_md": play.nash_md(beta)}
    assert apart(play.leader(), targets[rest]) > 0.2
    play.trainer.train()
    found = {name: apart(play.leader(), target) for name, target in targets.items()}
    assert found[rest] <= 0.05
    # and not where another algorithm would come to rest (at β = 0, Nash-MD is self-play)
    same = {"nash", "nash_md"} if beta == 0.0 and rest != "rlhf" else {rest}
    assert all(distance > 0.05 for name, distance in found.items() if name not in same)
