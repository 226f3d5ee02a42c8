"""Settings of the pair losses: names, refusals, and what each remembers from step to step."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from slhf.algorithms import PAIR_LOSSES, pair_loss
from slhf.algorithms.pair_protocol import PairState, Plan
from slhf.errors import InputError
from slhf.objectives.pair_batch import PairBatch
from slhf.robust import adversary, dual_value


def pairs(margins: Any, beta: float = 0.1, weight: Any = None, extrapolated: Any = None) -> PairBatch:
    """Pairs with these margins; the rejected response's log-ratio is 0."""
    chosen = torch.as_tensor(margins, dtype=torch.float64) / beta
    ones = torch.ones_like(chosen)
    weight = ones if weight is None else torch.as_tensor(weight, dtype=torch.float64)
    further = None if extrapolated is None else torch.as_tensor(extrapolated, dtype=torch.float64) / beta
    return PairBatch(chosen.requires_grad_(True), 0 * ones, 4 * ones, 2 * ones, ones, weight, further)


def one_step(loss: Any, batch: PairBatch, state: PairState | None = None, progress: float = 0.0) -> Any:
    """What the trainer does with one step: plan, loss, gradient with respect to the margins."""
    state, plan = state or PairState(), Plan()
    if loss.memory is not None:
        ahead = loss.memory.looks_ahead(state)
        plan = loss.memory.plan(state, progress, batch.margins(loss.beta).detach() if ahead else None)
    value, metrics = loss.losses(batch, plan)
    (slope,) = torch.autograd.grad(value, batch.chosen)
    return value.item(), slope / loss.beta, metrics, plan


DRAWN = np.random.default_rng(0).normal(0.4, 1.2, 40)


def test_names_and_defaults() -> None:
    assert set(PAIR_LOSSES) == {"dpo", "cdpo", "rdpo", "ipo", "spa", "sgpo", "sgpo_dual", "flip", "paper_literal"}
    for name in PAIR_LOSSES:
        loss = pair_loss(name)
        assert loss.beta == 0.1
        assert dataclasses.is_dataclass(loss)
        with pytest.raises(dataclasses.FrozenInstanceError):
            loss.beta = 1.0  # type: ignore[misc]
        again = json.loads(json.dumps(dataclasses.asdict(loss)))  # type: ignore[call-overload]
        assert pair_loss(name, **again) == loss


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sgop", {}, r"loss.name: there is no loss 'sgop'; known: dpo.*Did you mean 'sgpo'"),
        ("dpo", {"bta": 0.1}, r"loss.bta: there is no such setting. Did you mean 'beta'"),
        ("dpo", {"beta": 0.0}, r"beta=0.0: must be a finite number > 0"),
        ("ipo", {"beta": -1.0}, r"beta=-1.0"),
        ("spa", {"beta": float("nan")}, r"beta=nan"),
        ("cdpo", {"smoothing": 0.5}, r"smoothing=0.5: .*\[0, 0.5\)"),
        ("rdpo", {"smoothing": -0.1}, r"smoothing=-0.1"),
        ("spa", {"share": 1.5}, r"share=1.5: must lie in \[0, 1\]"),
        ("spa", {"window": 0}, r"window=0: must be a whole number ≥ 1"),
        ("sgpo", {"window": [1.0, -1.0]}, r"window is \(1, -1\); its lower edge comes first"),
        ("sgpo", {"epsilon": -0.1}, r"epsilon is -0.1"),
        ("sgpo", {"window": "wide"}, r"loss.window: expected"),
        ("flip", {"flip_cost": 0.0}, r"flip_cost is 0.0"),
        ("sgpo_dual", {"multiplier": "exakt"}, r"loss.multiplier: expected"),
        ("sgpo_dual", {"buffer": 0}, r"buffer=0"),
        ("sgpo_dual", {"window": [float("-inf"), 1.0]}, r"needs a finite lower end"),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pair_loss(name, **settings)


def test_the_printed_algorithm_is_dpo_with_equal_weights() -> None:
    """Algorithm 1's weights Σ_k s_ik are 1 by its own constraints: same loss, same gradient, bit for bit."""
    literal, dpo = (one_step(pair_loss(name), pairs(DRAWN)) for name in ("paper_literal", "dpo"))
    assert literal[0] == dpo[0]
    assert torch.equal(literal[1], dpo[1])
    robust = one_step(pair_loss("sgpo", epsilon=0.2), pairs(DRAWN))
    assert (robust[1] - dpo[1]).abs().max() > 1e-3  # what the text means is something else


@pytest.mark.parametrize("name", ["sgpo", "sgpo_dual", "flip"])
def test_no_budget_is_dpo(name: str) -> None:
    window = {} if name == "flip" else {"window": (-9.0, 9.0)}
    got = one_step(pair_loss(name, epsilon=0.0, **window), pairs(DRAWN))
    want = one_step(pair_loss("dpo"), pairs(DRAWN))
    assert got[0] == pytest.approx(want[0], abs=1e-12)
    assert torch.allclose(got[1], want[1], rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "ball"),
    [
        ("sgpo", {"window": (-3.0, 3.0), "epsilon": 0.15}),
        ("flip", {"epsilon": 0.15, "flip_cost": 1.0}),
        ("flip", {"epsilon": 0.15, "flip_cost": 1.0, "window": (-3.0, 3.0)}),
    ],
)
def test_the_adversary_of_a_step_is_the_exact_one(name: str, ball: dict) -> None:
    value, slope, metrics, plan = one_step(pair_loss(name, **ball), pairs(DRAWN))
    want = adversary(DRAWN, **{"window": None, **ball})
    assert value == pytest.approx(want.value, abs=1e-12)
    assert torch.allclose(slope, -torch.from_numpy(want.weights), atol=1e-14)
    assert plan.metrics["pairs/multiplier"] == pytest.approx(want.multiplier, abs=1e-12)
    assert plan.metrics["pairs/moved"] == pytest.approx(want.moved.mean(), abs=1e-12)
    assert 0 < plan.metrics["pairs/moved"] < 1
    assert metrics["pairs/accuracy"].shape == (40,)


def test_weights_multiply_gradients_of_the_adversary_too() -> None:
    weight = np.random.default_rng(1).uniform(0, 2, 40)
    plain = one_step(pair_loss("sgpo", epsilon=0.15), pairs(DRAWN))
    weighted = one_step(pair_loss("sgpo", epsilon=0.15), pairs(DRAWN, weight=weight))
    assert torch.allclose(weighted[1], torch.from_numpy(weight) * plain[1], atol=1e-15)
    dual = one_step(pair_loss("sgpo_dual", epsilon=0.15), pairs(DRAWN, weight=weight))
    dual_plain = one_step(pair_loss("sgpo_dual", epsilon=0.15), pairs(DRAWN))
    assert torch.allclose(dual[1], torch.from_numpy(weight) * dual_plain[1], atol=1e-15)


def test_the_dual_loss_at_its_first_step_is_the_adversarys_value() -> None:
    """λ from the step's own margins: same value; the gradient differs in the one pair that is moved in part."""
    ball: dict[str, Any] = {"window": (-3.0, 3.0), "epsilon": 0.15}
    value, slope, metrics, _ = one_step(pair_loss("sgpo_dual", **ball), pairs(DRAWN))
    want = adversary(DRAWN, **ball)
    assert value == pytest.approx(want.value, abs=1e-10)
    whole = (want.moved < 1e-9) | (want.moved > 1 - 1e-9)
    assert whole.sum() >= 39
    assert torch.allclose(slope[whole], -torch.from_numpy(want.weights)[whole], atol=1e-12)
    assert (metrics["pairs/moved"].numpy()[whole] == (want.moved[whole] > 0.5)).all()


def test_the_dual_remembers_the_newest_margins_and_settles_its_multiplier_over_them() -> None:
    ball: dict[str, Any] = {"window": (-3.0, 3.0), "epsilon": 0.1}
    loss: Any = pair_loss("sgpo_dual", buffer=25, **ball)
    state = PairState()
    assert loss.memory.looks_ahead(state)
    for part in np.split(DRAWN, 4):
        state = loss.memory.after(state, torch.from_numpy(part))
        state = PairState.restored(json.loads(json.dumps(state.plain())))  # as through a checkpoint
    assert not loss.memory.looks_ahead(state)
    assert state.recent == (tuple(DRAWN[-25:]),)
    assert state.multiplier == pytest.approx(adversary(DRAWN[-25:], **ball).multiplier, abs=1e-12)
    assert loss.memory.plan(state, 0.5, None).numbers["multiplier"] == state.multiplier


def test_a_learned_multiplier_walks_down_the_dual_loss() -> None:
    ball: dict[str, Any] = {"window": (-3.0, 3.0), "epsilon": 0.3}
    loss: Any = pair_loss("sgpo_dual", multiplier="learned", rate=0.05, **ball)
    best = adversary(DRAWN, **ball)
    state = PairState(multiplier=0.1)
    for _ in range(200):
        state = loss.memory.after(state, torch.from_numpy(DRAWN))
    assert state.recent == ()
    assert state.multiplier is not None
    assert dual_value(DRAWN, state.multiplier, **ball) == pytest.approx(best.value, abs=2e-3)
    assert dual_value(DRAWN, 0.1, **ball) > best.value + 0.05


def test_spa_doubts_the_lowest_margins_of_the_last_steps() -> None:
    loss: Any = pair_loss("spa", window=3, share=0.25, start=0.2, smoothing=0.1)
    state = PairState()
    for step in np.arange(20.0).reshape(5, 4):
        state = loss.memory.after(state, torch.from_numpy(step))
    assert state.recent == tuple(tuple(step) for step in np.arange(8.0, 20.0).reshape(3, 4))
    batch = pairs([0.0, 10.7, 10.8, 30.0])
    threshold = np.quantile(np.arange(8.0, 20.0), 0.25)
    assert 10.7 < threshold < 10.8
    _, _, metrics, plan = one_step(loss, batch, state, progress=0.2)
    assert plan.numbers["threshold"] == threshold
    assert metrics["pairs/smoothed"].tolist() == [1.0, 1.0, 0.0, 0.0]
    early = one_step(loss, batch, state, progress=0.19)[2]
    assert early["pairs/smoothed"].sum() == 0
    assert one_step(loss, batch, PairState(), progress=0.5)[2]["pairs/smoothed"].sum() == 0


def test_spa_tells_doubt_by_the_extrapolated_margins_where_there_are_any() -> None:
    loss: Any = pair_loss("spa", share=0.5, extrapolation=0.3)
    assert loss.memory.extrapolation == 0.3
    state = PairState(((0.0, 1.0, 2.0),))
    batch = pairs([5.0, -5.0], extrapolated=[-1.0, 4.0])
    assert one_step(loss, batch, state, progress=0.9)[2]["pairs/smoothed"].tolist() == [1.0, 0.0]


def test_ipo_by_token_takes_means() -> None:
    batch = pairs([0.8, -0.4])  # 4 chosen tokens, log-ratio of the rejected 0
    value = one_step(pair_loss("ipo", per_token=True), batch)[0]
    h = np.array([8.0, -4.0]) / 4
    assert value == pytest.approx(np.mean((h - 5.0) ** 2), abs=1e-12)
    assert one_step(pair_loss("ipo"), batch)[0] == pytest.approx(np.mean((4 * h - 5.0) ** 2), abs=1e-12)
