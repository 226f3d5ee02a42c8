"""Pairs that cannot be trained on are refused before anything long starts; long ones are cut and counted."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from peft import get_peft_model

from games import WORDS, lora
from pair_games import pair_arguments, pair_rows, pair_trainer
from slhf.algorithms import pair_loss
from slhf.errors import InputError
from slhf.policies.roles import make_roles
from slhf.training import PairTrainer, implicit_rewards
from slhf.training.pair_rows import Limits, PairRows
from tiny import CHAT, model, tokenizer

ROLES = make_roles(tokenizer(WORDS, template=CHAT))
GOOD = {"prompt": "a b", "chosen": "b", "rejected": "c d"}


def rows(data: Any, limits: Limits | None = None, **settings: Any) -> PairRows:
    return PairRows(data, "pairs.jsonl", ROLES, limits or Limits(), **settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": None}, r"pairs.jsonl, row 1: 'chosen' must be text, got NoneType"),
        ({"chosen": [{"role": "assistant", "content": "b"}]}, r"'chosen' must be text, got list.*load_pairs"),
        ({"rejected": "b"}, r"row 1: the chosen and the rejected response are the same"),
        ({"prompt": " "}, r"row 1: the prompt is empty"),
        ({"prompt": [{"role": "assistant", "content": "b"}]}, r"row 1: the conversation ends"),
        ({"prompt_ids": []}, r"row 1: the prompt has no tokens"),
        ({"preference": 1.2}, r"row 1: preference=1.2: .* \[0, 1\]"),
        ({"preference": float("nan")}, r"row 1: preference=nan: must be a finite number"),
        ({"weight": -0.5}, r"row 1: weight=-0.5: must be a finite number ≥ 0"),
        ({"weight": float("nan")}, r"row 1: weight=nan: must be a finite number"),
        ({"weight": "much"}, r"row 1: weight='much': must be a finite number"),
        ({"prompt": "a b c d a b"}, r"row 1: the prompt has 9 tokens, the limit max_prompt_length is 6"),
    ],
)
def test_a_wrong_row_is_named(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows([GOOD, {**GOOD, **change}], Limits(prompt=6))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"pairs.jsonl: there is no pair"),
        (7, r"needs a length and rows by number; got int"),
        ([{"prompt": "a", "chosn": "b", "rejected": "c"}], r"no 'chosen' column; .*Did you mean 'chosn'"),
        ([{"chosen": "a", "rejected": "c"}], r"no 'prompt' column"),
        ([{**GOOD, "weight": 0.0}], r"every weight is 0"),
    ],
)
def test_a_wrong_data_set_is_named(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(data)


def test_soft_preferences_are_refused_by_losses_that_take_plain_verdicts(tmp_path: Path) -> None:
    soft = [{**GOOD, "preference": 0.7}]
    assert rows(soft)[0].preference == 0.7
    for name in ("sgpo", "sgpo_dual", "flip"):
        with pytest.raises(InputError, match=r"train_dataset, row 0: preference=0.7: this loss takes plain verdicts"):
            pair_trainer(tmp_path, loss=pair_loss(name), train=soft)


def test_long_responses_are_cut_at_the_end_and_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    """The prompt has 5 tokens with its template, so 4 are left for a response; one that is cut has no end token."""
    data = [
        {**GOOD, "chosen": "b b b"},
        {**GOOD, "chosen": "b b b b b"},
        {**GOOD, "chosen": "a b c d a", "rejected": "a b c d c"},
    ]
    with caplog.at_level(logging.WARNING):
        found = rows(data, Limits(length=9))
    assert len(caplog.records) == 1
    assert "2 of 3 pairs have a response cut at its end to 9 tokens" in caplog.text
    assert "1 pairs no longer differ" in caplog.text
    end = ROLES.end_tokens[0]
    lengths = [[len(response) for response in row.branches.responses] for row in found]
    assert lengths == [[4, 3], [4, 3], [4, 4]]
    assert [row.branches.responses[0][-1] == end for row in found] == [True, False, False]
    assert len(found[0].branches.prompt) == 5
    with pytest.raises(InputError, match=r"row 0: the prompt has 5 tokens, and max_length is 5, which leaves none"):
        rows(data, Limits(length=5))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"max_length": -1}, "max_length=-1"),
        ({"remove_unused_columns": True}, "remove_unused_columns"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pair_arguments(tmp_path, **settings)


def test_models_that_cannot_be_trained_on_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs its tokenizer"):
        PairTrainer(model(len(WORDS)), pair_loss("dpo"), pair_arguments(tmp_path), pair_rows())
    two = get_peft_model(model(len(WORDS)), lora(), adapter_name="leader")
    two.add_adapter("follower", lora())
    with pytest.raises(InputError, match="carries an adapter a role"):
        pair_trainer(tmp_path, lm=two)
    with pytest.raises(InputError, match="reference: an adapter's reference is the base"):
        pair_trainer(tmp_path, peft=lora(), reference="toy")
    with pytest.raises(InputError, match="there is no such folder"):
        pair_trainer(tmp_path, reference="./nowhere")


def test_training_and_scoring_without_pairs_say_so(tmp_path: Path) -> None:
    made = pair_trainer(tmp_path, peft=lora())
    with pytest.raises(InputError, match="pass eval_dataset"):
        made.evaluate()
    with pytest.raises(InputError, match="pass a data set"):
        made.margins(None)
    made.train_dataset = None
    with pytest.raises(InputError, match="pass train_dataset"):
        made.train()
    policy = made.policy
    for data, message in (
        ([], "no rows to score"),
        ([{"prompt": "a", "answers": ["b"]}, {"prompt": "a", "answers": ["b", "c"]}], "1 to 2 answers"),
        ([{"prompt": "a", "text": "b"}], "row 0: needs 'answers'"),
        ([{"prompt": "a", "answers": [None]}], "row 0: 'answers' must be text"),
    ):
        with pytest.raises(InputError, match=message):
            implicit_rewards(policy, data, 0.1)
    with pytest.raises(InputError, match="beta=0"):
        implicit_rewards(policy, pair_rows(), 0)
