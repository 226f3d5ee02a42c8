"""§4.1's circle, trained: RLHF, Nash learning and SLHF give three different answers, each the one predicted.

A language model small enough to enumerate answers one prompt with A, B or C. Three types of people judge, A ≻ B ≻ C,
B ≻ C ≻ A and C ≻ A ≻ B, with shares .4, .35 and .25. The trainer only ever sees its own samples and their preferences
or rewards; what it should end at comes from ``slhf.games``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exact_games import paradox
from games import trainer
from slhf.algorithms import RLOO, NashMD, StackelbergGDA
from slhf.games import bradley_terry_rewards, nash_equilibrium, rlhf_policy, stackelberg_equilibrium
from slhf.judges import PanelJudge
from slhf.judges.annotators import Annotator
from tiny import TextMatrixJudge, model, sequence_log_probs, tokenizer

WORDS = ("<end>", "b", "c")
ANSWERS = [[0], [1], [2]]
TEXTS = ["", "b", "c"]
"""A is to end at once, so that there are three answers and no fourth."""

SHARES = (0.4, 0.35, 0.25)
TAU = 0.08
SCALE = 0.6
"""Preference per nat; for Nash learning and for both roles of SLHF."""

TAU_REWARD = 0.5
"""Log-odds per nat, the unit of a Bradley–Terry reward."""

COMPARED = [(1, 2), (2, 0)]
"""The reward is fitted to B against C and C against A; A and B were never compared."""

MIXTURE = 0.05
"""The reference's share in Nash-MD: small, so that its point of rest is nearly the Nash equilibrium."""

P = paradox(*SHARES)
REWARDS = bradley_terry_rewards(P, COMPARED).rewards

ALGORITHMS: dict[str, Any] = {
    "RLHF": RLOO(tau=TAU_REWARD, samples=8, reward="score", kl="exact"),
    "Nash": NashMD(tau=TAU, mixture=MIXTURE, leader_samples=8, mixture_samples=8, kl="exact"),
    "SLHF": StackelbergGDA(tau_leader=TAU, tau_follower=TAU, leader_samples=4, follower_samples=4, kl="exact"),
}


def predicted(leader: np.ndarray, follower: np.ndarray) -> dict[str, np.ndarray]:
    """What each concept answers, from the references of both roles alone."""
    both = stackelberg_equilibrium(P, tau_leader=TAU, tau_follower=TAU, ref_leader=leader, ref_follower=follower)
    return {
        "RLHF": rlhf_policy(REWARDS, tau=TAU_REWARD, ref=leader),
        "Nash": nash_equilibrium(P, tau=TAU, ref=leader).policy,
        "SLHF": both.leader,
        "Follower": both.follower,
    }


def undecided() -> Any:
    """A model that gives A, B and C a third each, whatever it is asked."""
    lm = model(len(WORDS), hidden=32, layers=2, scale=SCALE)
    with torch.no_grad():
        lm.get_output_embeddings().weight.zero_()
    return lm


class Training:
    """One algorithm on the real trainer, and the policies read off the model by enumeration."""

    def __init__(self, folder: Path, concept: str, steps: int):
        scored = Annotator("Bradley–Terry", lambda prompt, text, columns: float(REWARDS[TEXTS.index(text)]))
        self.trainer = trainer(
            folder,
            lm=undecided(),
            tok=tokenizer(WORDS, pad="<end>"),
            judge=PanelJudge([scored]) if concept == "RLHF" else TextMatrixJudge(TEXTS, P),
            train=[{"prompt": "b c"}] * 32,
            algorithm=ALGORITHMS[concept],
            per_device_train_batch_size=32,
            max_steps=steps,
            max_new_tokens=1,
            temperature=1.0,
            roles="plain",
            instruction="b",
            repeat_prompt=False,
            lr_scheduler_type="cosine",
            learning_rate=2e-3,
            logging_steps=100,
            log_completions=0,
            train_chunk_tokens=10_000,
            seed=0,
        )
        roles = self.trainer.policy.roles
        self.leads = roles.leader_context("b c")
        pairs = zip(ANSWERS, TEXTS, strict=True)
        self.follows = [roles.follower_context("b c", self.leads, tokens, text) for tokens, text in pairs]
        with self.trainer.policy.reference() as lm:
            self.reference = self.policies(lm)

    def policies(self, lm: Any) -> tuple[np.ndarray, np.ndarray]:
        """Leader (3,) and Follower (3, 3)."""
        self.trainer.model.eval()
        with torch.no_grad():
            rows = [sequence_log_probs(lm, context, ANSWERS) for context in (self.leads, *self.follows)]
        table = torch.stack(rows).double().exp().numpy()
        np.testing.assert_allclose(table.sum(1), 1.0, atol=1e-5)
        table /= table.sum(1, keepdims=True)
        return table[0], table[1:]


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Total variation."""
    return float(0.5 * np.abs(first - second).sum())


def test_the_three_predictions_differ_and_so_do_their_favourites(tmp_path: Path) -> None:
    found = predicted(*Training(tmp_path, "Nash", 1).reference)
    concepts = ["RLHF", "Nash", "SLHF"]
    assert min(apart(found[a], found[b]) for a in concepts for b in concepts if a < b) > 0.12
    # the reward never saw A beat B, and puts B first; the Leader keeps most with A, the largest type's favourite
    assert [int(np.argmax(found[name])) for name in ("RLHF", "SLHF")] == [1, 0]
    assert found["RLHF"][1] > 0.7
    assert found["SLHF"][0] > 0.5
    # the circle: C beats A, A beats B, B beats C
    np.testing.assert_array_equal(found["Follower"].argmax(1), [2, 0, 1])


@pytest.mark.slow
@pytest.mark.parametrize(("concept", "steps"), [("RLHF", 150), ("Nash", 400), ("SLHF", 300)])
def test_each_algorithm_answers_as_predicted(tmp_path: Path, concept: str, steps: int) -> None:
    training = Training(tmp_path, concept, steps)
    want = predicted(*training.reference)
    assert apart(training.reference[0], want[concept]) > 0.1
    training.trainer.train()
    leader, follower = training.policies(training.trainer.model)
    far = {name: apart(leader, want[name]) for name in ALGORITHMS}
    assert far.pop(concept) <= 0.05
    assert min(far.values()) > 0.1
    if concept == "SLHF":
        assert max(apart(mine, theirs) for mine, theirs in zip(follower, want["Follower"], strict=True)) <= 0.05
