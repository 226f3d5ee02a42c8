"""Who plays: what the judge is asked, what is scored, and what an algorithm without a Follower leaves undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from games import WORDS, distance, lora, rows, samples, trainer, weights
from slhf.algorithms import RLOO, SPPO, NashMD, OnlineIPO
from slhf.errors import InputError, JudgeError
from slhf.judges import PanelJudge
from slhf.judges.annotators import Annotator
from slhf.policies import PromptRow
from slhf.training import passes
from slhf.training.passes import game_batch
from slhf.training.play import judged
from slhf.training.rewards import rewards
from slhf.training.sequences import Pass, tokens_of, two_passes
from slhf.types import Answer, Comparison, Group, Mixture, Rollout, Scored
from tiny import model

ROWS = [PromptRow(i, p, {"wanted": i}) for i, p in enumerate(["a", "d c b a d", "c c", "b"])]
ALGORITHMS: list[Any] = [RLOO(samples=3), NashMD(leader_samples=2), OnlineIPO(tau=0.05), SPPO(eta=20.0, samples=2)]


class Counting:
    """Prefers the longer text by how much, and keeps what it was asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[Comparison] = []

    def prefer(self, comparisons: Any) -> np.ndarray:
        self.asked += comparisons
        return np.array([self.p(c.first, c.second) for c in comparisons])

    @staticmethod
    def p(first: str, second: str) -> float:
        return 0.5 if first == second else 1.0 / (1.0 + np.exp(len(second) - len(first)))

    def rewards(self, responses: Any) -> np.ndarray:
        return np.array([len(text) + columns["wanted"] for _, text, columns in responses], dtype=float)


def rollout(number: int, leaders: list[str], opponents: list[str]) -> Rollout:
    def made(texts: list[str]) -> list[Answer]:
        return [Answer([1], text, True) for text in texts]

    none: list[Any] = [[] for _ in leaders]
    return Rollout(number, f"x{number}", {"wanted": number}, [0], made(leaders), none, none, made(opponents))


PLAYED = [rollout(0, ["a", "bbb", "cc"], ["dddd", "e"]), rollout(1, ["same", "same", "longer"], ["x", "same"])]


def test_in_a_group_two_answers_are_compared_once() -> None:
    judge = Counting()
    rounds = judged(judge, PLAYED, Group())
    assert len(judge.asked) == 3 + 2  # identical texts are a tie without asking
    assert all(c.columns == {"wanted": int(c.prompt[1])} for c in judge.asked)
    for item in rounds:
        texts = [y.text for y in item.rollout.leaders]
        np.testing.assert_allclose(item.preferences, [[Counting.p(y, z) for z in texts] for y in texts])
        assert item.rewards is None


def test_every_answer_meets_every_opponent() -> None:
    for item in judged(Counting(), PLAYED, Mixture(0.5, 2)):
        texts, rivals = ([y.text for y in part] for part in (item.rollout.leaders, item.rollout.opponents))
        np.testing.assert_allclose(item.preferences, [[Counting.p(y, z) for z in rivals] for y in texts])


def test_scores_are_the_judges_own_or_the_panels_mean() -> None:
    def short(prompt: str, text: str, columns: Any) -> float:
        return float(len(text))

    def wanted(prompt: str, text: str, columns: Any) -> float:
        return 10.0 * columns["wanted"]

    panel = PanelJudge([Annotator("short", short, lower_is_better=True), Annotator("wanted", wanted)], [3, 1])
    for judge, want in (
        (Counting(), lambda text, number: len(text) + number),
        (panel, lambda text, number: -0.75 * len(text) + 0.25 * 10.0 * number),
    ):
        for number, item in enumerate(judged(judge, PLAYED, Scored())):
            np.testing.assert_allclose(item.rewards, [want(y.text, number) for y in item.rollout.leaders])
            assert item.preferences.shape == (3, 0)


@pytest.mark.parametrize(
    ("answer", "message"), [([1.0], r"shape \(1,\) to 2 responses"), ([1.0, np.nan], "the reward nan to response 'bb'")]
)
def test_rewards_that_are_none(answer: list[float], message: str) -> None:
    judge = Counting()
    judge.rewards = lambda responses: np.array(answer)  # type: ignore[method-assign]
    with pytest.raises(JudgeError, match=message):
        rewards(judge, [("x", "a", {}), ("x", "bb", {})])


REFUSED: list[Any] = [
    (RLOO(reward="score"), {}, "judge 'likes_b' only compares; scalar rewards need a panel"),
    (RLOO(), {"peft": lora(), "adapters": "per_role"}, "keep an adapter for a Follower that this algorithm never"),
    (NashMD(), {"peft": lora(), "adapters": "per_role"}, "use adapters='shared'"),
]


@pytest.mark.parametrize(("algorithm", "settings", "message"), REFUSED)
def test_matches_that_cannot_be_played(tmp_path: Path, algorithm: Any, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trainer(tmp_path, algorithm=algorithm, **settings)


SETTINGS: list[Any] = [
    (RLOO, {"samples": 1}, "samples=1: must be a whole number ≥ 2"),
    (RLOO, {"reward": "scores"}, "reward='scores' is not one of group, score. Did you mean 'score'"),
    (RLOO, {"kl": "k3"}, "does not regularise"),
    (RLOO, {"tau": -1.0}, "tau=-1.0: must be a finite number ≥ 0"),
    (NashMD, {"mixture": 1.5}, r"mixture=1.5: the reference's share must lie in \[0, 1\]"),
    (NashMD, {"mixture": float("nan")}, "mixture=nan"),
    (NashMD, {"mixture_samples": 0}, "mixture_samples=0: must be a whole number ≥ 1"),
    (NashMD, {"baseline": "hal"}, "Did you mean 'half'"),
    (OnlineIPO, {"tau": 0.0}, "tau=0.0: must be a finite number > 0"),
    (SPPO, {"eta": float("inf")}, "eta=inf: must be a finite number > 0"),
    (SPPO, {"samples": 2.0}, "samples=2.0: must be a whole number"),
]


@pytest.mark.parametrize(("kind", "settings", "message"), SETTINGS)
def test_settings_that_make_no_sense(kind: Any, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**settings)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_follower_is_sampled_or_scored(tmp_path: Path, algorithm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(tmp_path, peft=lora(), algorithm=algorithm)
    seen: list[Pass] = []

    def watched(*given: Any) -> list[Pass]:
        seen.extend(two_passes(*given))
        return two_passes(*given)

    monkeypatch.setattr(passes, "two_passes", watched)
    monkeypatch.setattr(passes, "one_pass", None)
    rounds = made.play(ROWS, 0)
    made._rounds_in_step = len(rounds)
    made.training_step(made.model, rounds)
    assert [list(item.spans) for item in seen] == [["leader"]]
    assert len(seen[0].tokens) == algorithm.match.leaders * len(ROWS)
    for item in rounds:
        assert not any(item.rollout.followers)
        longest = max(len(item.rollout.leader_context) + len(y.tokens) for y in item.rollout.leaders)
        assert tokens_of(item) == (algorithm.match.leaders, longest)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pieces_of_a_batch_give_its_gradient(tmp_path: Path, algorithm: Any) -> None:
    found = []
    for limit in (10_000, 1):
        made = trainer(tmp_path / str(limit), algorithm=algorithm, train_chunk_tokens=limit)
        rounds = made.play(ROWS, 0)
        made._rounds_in_step = len(rounds)
        made.training_step(made.model, rounds)
        found.append(torch.cat([p.grad.flatten() for p in made.model.parameters() if p.grad is not None]))
    assert found[0].norm() > 1e-4
    assert (found[0] - found[1]).norm() / found[0].norm() < 1e-5


@pytest.mark.parametrize("peft", [True, False])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_training_leaves_the_reference_alone(tmp_path: Path, algorithm: Any, peft: bool) -> None:
    """After a few steps the KL is not zero, the reference is the untrained model, and evaluation goes on as ever."""
    made = trainer(
        tmp_path, peft=lora(lora_dropout=0.3) if peft else None, algorithm=algorithm, held_out=rows(3),
        eval_strategy="steps", eval_steps=3,
    )  # fmt: skip
    start = weights(made)
    made.train()
    assert distance(start, weights(made)) > 1e-3
    rounds = made.play(ROWS, 5)
    with torch.no_grad():
        batch = game_batch(made.policy, made.model.eval(), rounds, made._scoring)
    role = batch.roles["leader"]
    assert ((role.log_probs - role.ref_log_probs) * role.mask).abs().max() > 1e-2
    assert set(batch.roles) == {"leader"}
    untouched, item = model(len(WORDS), layers=2, scale=0.5), rounds[1].rollout
    tokens = item.leaders[0].tokens
    with torch.no_grad():
        logits = untouched(torch.tensor([item.leader_context + tokens])).logits[0, len(item.leader_context) - 1 : -1]
    want = (logits / 0.9).log_softmax(-1).gather(1, torch.tensor(tokens).unsqueeze(1)).squeeze(1)
    at = algorithm.match.leaders
    assert torch.allclose(role.ref_log_probs[at, : len(tokens)], want, atol=1e-5)
    last = made.state.log_history[-2]
    assert {"eval_leader_vs_base", "eval_follower_vs_base", "eval_follower_vs_leader"} <= last.keys()
    entries = [entry for entry in samples(tmp_path) if "held_out" not in entry]
    assert entries
    assert all(entry["follower"] == "" and "opponent" in entry for entry in entries)


def test_a_run_on_scores_learns_what_scores_well(tmp_path: Path) -> None:
    """RLOO on a panel's scalar rewards: the share of the word that is rewarded goes up."""
    panel = PanelJudge([Annotator("b", lambda prompt, text, columns: float(text.split().count("b")))])
    made = trainer(tmp_path, judge=panel, algorithm=RLOO(samples=4, reward="score"), max_steps=25)
    made.train()
    gained = [line["reward/leader"] for line in made.state.log_history if "reward/leader" in line]
    assert np.mean(gained[-5:]) > np.mean(gained[:5]) + 0.5
    entry = samples(tmp_path)[0]
    assert entry["preference"] is None
    assert entry["reward"] == entry["leader"].split().count("b")
