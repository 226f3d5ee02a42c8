"""The panel of reward models: one base, each response scored once, batches that change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tests.reward_fixtures import WORDS, classifier, save_base
from tests.tiny import tokenizer

from slhf.errors import InputError, JudgeError
from slhf.judges import Judge, preferences
from slhf.judges.registry import judge_from
from slhf.judges.reward_models import RewardPanel, load_reward_models, reward_panel
from slhf.judges.reward_text import RewardText
from slhf.judges.reward_weights import RewardFile, RewardModels
from slhf.types import Comparison

ANSWERS = ("a", "b c", "one two three", "d d d d d d", "c", "new a")
QUESTIONS = [Comparison("say a", a, b) for a in ANSWERS for b in ANSWERS if a != b]


def save_adapters(folder: Path, base: Path, names: tuple[str, ...], seed: int = 0) -> Path:
    """Random adapters on a base, as a training leaves them."""
    for number, name in enumerate(names):
        model = get_peft_model(classifier(), LoraConfig(r=2, target_modules="all-linear", task_type="SEQ_CLS"))
        torch.manual_seed(seed + number)
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if "lora_B" in key or "modules_to_save" in key:
                    parameter.normal_(0.0, 0.5)
        model.peft_config["default"].base_model_name_or_path = str(base)
        model.save_pretrained(str(folder / name), save_embedding_layers=False)
    tokenizer(WORDS).save_pretrained(folder)
    RewardFile("adapters", names, str(base), 64).save(folder)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A saved base."""
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapters(tmp_path_factory, base) -> Path:
    """Three adapters on it."""
    return save_adapters(tmp_path_factory.mktemp("adapters"), base, ("x", "y", "z"))


@pytest.fixture(scope="module")
def heads(tmp_path_factory) -> Path:
    """One model with two heads, all weights."""
    folder = tmp_path_factory.mktemp("heads")
    classifier(2, seed=3).save_pretrained(folder)
    tokenizer(WORDS).save_pretrained(folder)
    RewardFile("heads", ("u", "v"), None, 64).save(folder)
    return folder


def alone(model, text: RewardText, prompt: str, response: str) -> list[float]:
    """The reward of one text in a forward of its own."""
    with torch.no_grad():
        return model(torch.tensor([text.tokens(prompt, response)])).logits[0].tolist()


def test_adapters_on_one_base_score_as_each_by_itself(adapters, base):
    panel = reward_panel(str(adapters))
    assert panel.names == ("x", "y", "z")
    assert len(panel.models) == 1
    found = panel.scores([("say a", answer) for answer in ANSWERS])
    text = RewardText(tokenizer(WORDS))
    for a, name in enumerate(panel.names):
        model = PeftModel.from_pretrained(
            type(classifier()).from_pretrained(base, num_labels=1), str(adapters / name)
        ).eval()
        expected = [alone(model, text, "say a", answer)[0] for answer in ANSWERS]
        np.testing.assert_allclose(found[a], expected, atol=1e-6)
    assert np.ptp(found, axis=0).min() > 1e-3  # the three do differ


def test_heads_score_as_the_model_does(heads):
    panel = reward_panel(str(heads))
    text = RewardText(tokenizer(WORDS))
    found = panel.scores([("say a", answer) for answer in ANSWERS])
    exact = classifier(2, seed=3).double()  # float32 forwards differ from each other by more than from it
    expected = np.array([alone(exact, text, "say a", answer) for answer in ANSWERS]).T
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("tokens", [1, 9, 30, 10_000])
def test_batches_change_nothing(heads, tokens):
    responses = [(prompt, answer) for prompt in ("say a", "say one two three b") for answer in ANSWERS]
    small = reward_panel(str(heads), batch_tokens=tokens).scores(responses)
    np.testing.assert_allclose(small, reward_panel(str(heads)).scores(responses), atol=1e-6)


def test_each_distinct_response_is_scored_once_an_adapter(adapters, monkeypatch):
    panel = reward_panel(str(adapters))
    rows: list[int] = []
    forward = RewardModels._forward
    monkeypatch.setattr(RewardModels, "_forward", lambda self, texts: rows.append(len(texts)) or forward(self, texts))
    panel.prefer(QUESTIONS)
    assert sum(rows) == 3 * len(ANSWERS)


def test_the_vote_is_the_mean_over_rewards(adapters):
    rewards = dict(zip(ANSWERS, reward_panel(str(adapters)).scores([("say a", a) for a in ANSWERS]).T, strict=True))
    for weights in (None, {"y": 1.0, "x": 3.0}):
        w = np.ones(3) / 3 if weights is None else np.array([0.75, 0.25, 0.0])
        hard = reward_panel(str(adapters), weights=weights).prefer(QUESTIONS)
        soft = reward_panel(str(adapters), weights=weights, soft=True).prefer(QUESTIONS)
        for c, p, q in zip(QUESTIONS, hard, soft, strict=True):
            lead = rewards[c.first] - rewards[c.second]
            assert p == pytest.approx(float(w @ (lead > 0)), abs=1e-9)
            assert q == pytest.approx(float(w @ (1 / (1 + np.exp(-lead)))), abs=1e-6)


@pytest.mark.parametrize("soft", [False, True])
def test_swapped_questions_have_complementary_answers(heads, soft):
    judge = judge_from({"name": "reward_panel", "models": str(heads), "soft": soft})
    assert isinstance(judge, Judge)
    p, q = preferences(judge, QUESTIONS), preferences(judge, [c.swap() for c in QUESTIONS])
    np.testing.assert_allclose(p + q, 1.0, atol=1e-12)
    same = [Comparison("say a", "b c", "b c")]
    assert judge.prefer(same)[0] == pytest.approx(0.5)
    assert preferences(judge, []).shape == judge.prefer([]).shape == (0,)


def test_single_responses_are_scored_too(adapters):
    panel = reward_panel(str(adapters), weights={"x": 1.0, "y": 2.0, "z": 1.0})
    scores = panel.scores([("say a", "b c"), ("say a", "d")])
    np.testing.assert_allclose(panel.rewards([("say a", "b c", {}), ("say a", "d", {})]), [0.25, 0.5, 0.25] @ scores)
    assert [a.name for a in panel.annotators] == ["x", "y", "z"]
    assert panel.annotators[1].score("say a", "d", {}) == pytest.approx(scores[1, 1], abs=1e-6)


def test_the_same_weights_have_the_same_identity_and_no_others(adapters, heads, base, tmp_path):
    first = reward_panel(str(adapters)).identity
    torch.manual_seed(99)  # the base's own head is drawn anew, and is not used
    assert reward_panel(str(adapters)).identity == first
    assert reward_panel(str(adapters), batch_tokens=50).identity == first
    other = save_adapters(tmp_path, base, ("x", "y", "z"), seed=7)
    different = [
        reward_panel(str(other)),
        reward_panel(str(adapters), soft=True),
        reward_panel(str(adapters), weights={"x": 1.0, "y": 1.0, "z": 2.0}),
        reward_panel(str(heads)),
        reward_panel([str(adapters), str(heads)]),
    ]
    assert len({first, *(panel.identity for panel in different)}) == 6


def test_several_folders_share_a_base_where_they_can(adapters, heads, base, tmp_path):
    more = save_adapters(tmp_path / "model", base, ("x",), seed=5)
    panel = RewardPanel(load_reward_models([adapters, tmp_path, heads]))
    assert len(panel.models) == 2  # four adapters on one base, and the heads
    assert panel.names == (*(f"{adapters}/{n}" for n in "xyz"), f"{tmp_path}/x", f"{heads}/u", f"{heads}/v")
    responses = [("say a", answer) for answer in ANSWERS]
    expected = [reward_panel(str(f)).scores(responses) for f in (adapters, more, heads)]
    np.testing.assert_allclose(panel.scores(responses), np.concatenate(expected), atol=1e-6)


def test_a_reward_that_is_no_number_is_an_error(heads):
    panel = reward_panel(str(heads))
    with torch.no_grad():
        panel.models[0].model.score.weight[1] = float("nan")
    with pytest.raises(JudgeError, match=r"'v' gave nan to response 'a' for prompt 'say a'"):
        panel.prefer([Comparison("say a", "a", "b")])


def test_what_cannot_be_loaded_is_named(adapters, heads, tmp_path):
    with pytest.raises(InputError, match=r"holds no reward models .*slhf reward train"):
        reward_panel(str(tmp_path))
    with pytest.raises(InputError, match="named twice"):
        reward_panel([str(heads), str(heads)])
    with pytest.raises(InputError, match="at least one output"):
        reward_panel([])
    with pytest.raises(InputError, match=r"no annotator 'w' in the panel of x, y, z"):
        reward_panel(str(adapters), weights={"w": 1.0})
    with pytest.raises(InputError, match="dtype='int8'"):
        reward_panel(str(heads), dtype="int8")
    with pytest.raises(InputError, match="batch_tokens=0"):
        reward_panel(str(heads), batch_tokens=0)
    (tmp_path / "slhf_reward.json").write_text(json.dumps({"form": "towers", "attributes": ["x"]}))
    with pytest.raises(InputError, match="not the settings of reward models"):
        reward_panel(str(tmp_path))
    (tmp_path / "slhf_reward.json").write_text(
        json.dumps({"form": "towers", "attributes": ["x"], "base": None, "max_length": 4})
    )
    with pytest.raises(InputError, match="one of adapters, heads"):
        reward_panel(str(tmp_path))
    RewardFile("heads", ("x",), str(adapters / "x"), 64).save(tmp_path)
    tokenizer(WORDS).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="an adapter is no base"):
        reward_panel(str(tmp_path))
