"""Two time scales, metrics, evaluation, the best checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from games import distance, likes_b, lora, metrics, rows, samples, trainer, weights
from pair_games import pair_rows, pair_trainer
from slhf.algorithms import DPO, RLOO, SGPO, SPA, NashMD, SGPODual, StackelbergGDA
from slhf.judges import PanelJudge
from slhf.judges.annotators import Annotator
from slhf.objectives import GameBatch
from slhf.policies import ROLES
from slhf.policies.rollouts import PromptRow
from slhf.training import METRICS, GameTrainer
from slhf.types import Comparison, Match, Round

ROWS = [PromptRow(i, p, {}) for i, p in enumerate(["a", "d c b a d", "c c", "b"])]


def gradient(made: GameTrainer, rounds: list[Round]) -> dict[str, Tensor]:
    made.model.zero_grad()
    made._rounds_in_step = len(rounds)
    made.training_step(made.model, rounds)
    return {n: p.grad.clone() for n, p in made.model.named_parameters() if p.grad is not None}


@dataclass(frozen=True)
class OneRole:
    """The Stackelberg losses, of one role alone."""

    role: str
    exact_kl: bool = False

    @property
    def match(self) -> Match:
        return Match()

    @property
    def role_weights(self) -> dict[str, float]:
        return {"leader": 1.0, "follower": 1.0}

    def losses(self, batch: GameBatch) -> Any:
        losses, measured = StackelbergGDA(tau_leader=0.1, tau_follower=0.1).losses(batch)
        return {self.role: losses[self.role]}, measured


@pytest.mark.parametrize("role", ROLES)
def test_each_adapter_only_gets_its_own_gradient(tmp_path: Path, role: str) -> None:
    made = trainer(tmp_path, peft=lora(), adapters="per_role", algorithm=OneRole(role))
    found = gradient(made, made.play(ROWS, 0))
    other = next(r for r in ROLES if r != role)
    assert all(f".{role}." in name for name, grad in found.items() if grad.any())
    assert sum(grad.abs().sum() for name, grad in found.items() if f".{role}." in name) > 1e-4
    assert not any(grad.any() for name, grad in found.items() if f".{other}." in name)


def test_kappa_is_the_ratio_of_learning_rates(tmp_path: Path) -> None:
    """Groups of parameters, the schedule kept in step, and the loss itself unweighted."""
    algorithm = StackelbergGDA(kappa=5.0, tau_leader=0.05, tau_follower=0.05)
    made = trainer(
        tmp_path, peft=lora(), adapters="per_role", algorithm=algorithm, lr_scheduler_type="linear", max_steps=4
    )
    made.train()
    names = {id(p): n for n, p in made.model.named_parameters()}
    roles = {}
    for group in made.optimizer.param_groups:
        (role,) = {next(r for r in ROLES if f".{r}." in names[id(p)]) for p in group["params"]}
        roles[role] = group
    assert roles["leader"]["initial_lr"] == pytest.approx(1e-2)
    assert roles["follower"]["initial_lr"] == pytest.approx(5e-2)
    assert len(made.optimizer.param_groups) == 2
    assert sum(len(g["params"]) for g in made.optimizer.param_groups) == sum(
        p.requires_grad for p in made.model.parameters()
    )
    assert [line["learning_rate"] for line in metrics(tmp_path)[:4]] == pytest.approx([1e-2, 7.5e-3, 5e-3, 2.5e-3])
    unweighted = trainer(tmp_path / "b", peft=lora(), adapters="per_role", algorithm=StackelbergGDA(1.0, 0.05, 0.05))
    again = trainer(tmp_path / "c", peft=lora(), adapters="per_role", algorithm=algorithm)
    for a, b in zip(*(gradient(t, t.play(ROWS, 0)).values() for t in (unweighted, again)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("adapter", [True, False])
def test_kappa_weighs_the_followers_loss_where_weights_are_shared(tmp_path: Path, adapter: bool) -> None:
    found = {}
    for kappa in (0.0, 1.0, 4.0):
        algorithm = StackelbergGDA(kappa=kappa, tau_leader=0.05, tau_follower=0.05)
        made = trainer(tmp_path / str(kappa), peft=lora() if adapter else None, algorithm=algorithm)
        found[kappa] = torch.cat([g.flatten() for g in gradient(made, made.play(ROWS, 0)).values()])
    follower = found[1.0] - found[0.0]
    assert follower.norm() > 1e-3
    assert found[0.0].norm() > 1e-3
    torch.testing.assert_close(found[4.0] - found[0.0], 4.0 * follower, atol=1e-5, rtol=1e-4)


def test_weight_decay_is_the_same_for_both_roles(tmp_path: Path) -> None:
    made = trainer(tmp_path, peft=lora(), adapters="per_role", weight_decay=0.3)
    made.create_optimizer()
    assert {g["weight_decay"] for g in made.optimizer.param_groups} == {0.3}


def test_metrics_are_those_documented(tmp_path: Path) -> None:
    """Every name that is logged is documented, and every documented name is logged by some algorithm."""
    seen: set[str] = set()
    panel = PanelJudge([Annotator("short", lambda prompt, text, columns: -float(len(text)))])
    for algorithm, judge in [(None, likes_b), (NashMD(), likes_b), (RLOO(), likes_b), (RLOO(reward="score"), panel)]:
        made = trainer(
            tmp_path / str(len(seen)), peft=lora(), held_out=rows(3), sampling_dtype="bfloat16", judge=judge,
            algorithm=algorithm, eval_strategy="steps", eval_steps=3,
        )  # fmt: skip
        made.train()
        logged = [(name, value) for line in made.state.log_history for name, value in line.items()]
        seen |= {name for name, _ in logged}
        assert all(isinstance(value, int | float) and math.isfinite(value) for _, value in logged)
        if algorithm is not None:
            assert not any("follower" in name and not name.startswith("eval_") for name, _ in logged)
            assert "eval_follower_vs_leader" in dict(logged)
    for loss in (DPO(), SPA(), SGPO(), SGPODual()):
        pairs = pair_trainer(tmp_path / loss.__class__.__name__, loss=loss, peft=lora(), held_out=pair_rows(4, seed=1))
        pairs.train()
        pairs.evaluate()
        seen |= {name for line in pairs.state.log_history for name in line}
    assert seen == set(METRICS)


@pytest.mark.parametrize("every", [1, 2])
def test_logged_means_are_those_of_the_rounds(tmp_path: Path, every: int) -> None:
    """Lengths, cuts and preferences, over all prompts since the last log, whatever the accumulation."""
    made = trainer(
        tmp_path, max_steps=4, logging_steps=every, per_device_train_batch_size=2, gradient_accumulation_steps=3
    )
    played: list[list[Round]] = []
    play = made.play

    def noted(prompts: Any, step: int) -> list[Round]:
        played.append(play(prompts, step))
        return list(played[-1])

    made.play = noted  # type: ignore[method-assign]
    made.train()
    lines = metrics(tmp_path)[:-1]
    assert len(lines) == 4 // every
    for number, line in enumerate(lines):
        rounds = [r for step in played[number * every : (number + 1) * every] for r in step]
        assert len(rounds) == 6 * every
        leaders = [r.rollout.leaders[0] for r in rounds]
        want = np.mean([r.preferences[0, 0] for r in rounds])
        assert line["preference/leader_over_follower"] == pytest.approx(want)
        assert line["completions/leader_mean_length"] == pytest.approx(np.mean([len(a.tokens) for a in leaders]))
        assert line["completions/leader_truncated"] == pytest.approx(np.mean([not a.ended for a in leaders]))


def test_sample_texts(tmp_path: Path) -> None:
    made = trainer(
        tmp_path, held_out=rows(5), max_steps=4, logging_steps=2, log_completions=2, eval_strategy="steps", eval_steps=4
    )
    made.train()
    lines = samples(tmp_path)
    assert [(s["step"], s.get("held_out", False)) for s in lines] == [(2, False)] * 2 + [(4, False)] * 2 + [
        (4, True)
    ] * 2
    assert all({"prompt", "base", "leader", "follower", "preference"} <= s.keys() for s in lines)
    assert all((s["base"] is not None) == s.get("held_out", False) for s in lines)


class ByLength:
    """Prefers the longer text for sure, and keeps what it was asked."""

    name = "length"

    def __init__(self) -> None:
        self.asked: list[Comparison] = []

    def prefer(self, comparisons: list[Comparison]) -> np.ndarray:
        self.asked += comparisons
        return np.array([0.5 + 0.5 * np.sign(len(c.first) - len(c.second)) for c in comparisons])


def test_evaluation_is_what_the_judge_says_of_the_samples(tmp_path: Path) -> None:
    made = trainer(tmp_path, judge=ByLength(), held_out=rows(9))
    made.train()
    result = made.held_out()
    assert [s["prompt"] for s in result.samples] == [row["prompt"] for row in rows(9)]
    for a, b in (("leader", "base"), ("follower", "base"), ("follower", "leader")):
        wins = np.array([0.5 + 0.5 * np.sign(len(s[a]) - len(s[b])) for s in result.samples])
        assert result.metrics[f"{a}_vs_{b}"] == pytest.approx(wins.mean())
        assert result.metrics[f"{a}_vs_{b}_stderr"] == pytest.approx(wins.std(ddof=1) / 3.0)
    again = made.evaluate()
    assert again["eval_leader_vs_base"] == result.metrics["leader_vs_base"]
    assert made.held_out().samples == result.samples


def test_base_answers_are_those_of_the_untrained_model(tmp_path: Path) -> None:
    """Sampled before and after training they are the same; the Leader's are not."""
    early, late = trainer(tmp_path / "a", held_out=rows(9)), trainer(tmp_path / "b", held_out=rows(9), max_steps=8)
    late.train()
    before, after = early.held_out().samples, late.held_out().samples
    assert [s["base"] for s in before] == [s["base"] for s in after]
    assert [s["leader"] for s in before] != [s["leader"] for s in after]


def test_evaluation_without_a_base(tmp_path: Path) -> None:
    made = trainer(tmp_path, held_out=rows(4), evaluate_base=False)
    found = made.evaluate()
    assert "eval_follower_vs_leader" in found
    assert not any("vs_base" in name for name in found)


@pytest.mark.parametrize("settings", [{}, {"peft": True}, {"peft": True, "adapters": "per_role"}])
def test_the_best_checkpoint_is_loaded_at_the_end(tmp_path: Path, settings: dict) -> None:
    """By eval_leader_vs_base, which the test says is best after the second of four steps."""
    given = {**settings, "peft": lora() if settings.get("peft") else None}
    made = trainer(
        tmp_path, held_out=rows(3), max_steps=4, eval_strategy="steps", eval_steps=1, save_strategy="steps",
        save_steps=1, save_total_limit=2, load_best_model_at_end=True, metric_for_best_model="eval_leader_vs_base",
        **given,
    )  # fmt: skip
    held_out, script = made.held_out, {1: 0.4, 2: 0.9, 3: 0.6, 4: 0.5}
    during: dict[int, dict[str, Tensor]] = {}

    def scripted(dataset: Any = None) -> Any:
        result = held_out(dataset)
        result.metrics["leader_vs_base"] = script[made.state.global_step]
        during[made.state.global_step] = weights(made)
        return result

    made.held_out = scripted  # type: ignore[method-assign]
    made.train()
    assert made.state.best_metric == 0.9
    assert Path(str(made.state.best_model_checkpoint)).name == "checkpoint-2"
    assert {p.name for p in tmp_path.glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-4"}
    assert distance(weights(made), during[2]) == 0.0
    assert distance(weights(made), during[4]) > 1e-4
    stored = {k: v for f in (tmp_path / "checkpoint-2").rglob("*.safetensors") for k, v in load_file(f).items()}
    assert stored


def test_the_same_seed_trains_the_same_model(tmp_path: Path) -> None:
    """Adapter, data order and samples all follow from args.seed, whatever was drawn before."""
    torch.manual_seed(123)
    one = trainer(tmp_path / "a", peft=lora(lora_dropout=0.1))
    one.train()
    torch.manual_seed(456)
    two = trainer(tmp_path / "b", peft=lora(lora_dropout=0.1))
    two.train()
    other = trainer(tmp_path / "c", peft=lora(lora_dropout=0.1), seed=8)
    other.train()
    assert distance(weights(one), weights(two)) == 0.0
    assert distance(weights(one), weights(other)) > 1e-3
