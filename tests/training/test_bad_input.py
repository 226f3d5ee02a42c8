"""Everything that can be wrong is said before training starts, with the row, the option and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from peft import PromptTuningConfig, get_peft_model
from transformers import Gemma2Config, Gemma2ForCausalLM

from games import PROMPTS, WORDS, arguments, lora, rows, trainer
from slhf.algorithms import StackelbergGDA
from slhf.errors import InputError, JudgeError, TemplateError
from slhf.training import GameArguments
from slhf.types import Comparison
from tiny import model


def chat(*turns: tuple[Any, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in turns]


BAD_DATA: list[Any] = [
    pytest.param([], "train_dataset: the data set is empty", id="no rows"),
    pytest.param([{"promt": "a"}], r"no 'prompt' column; it has 'promt'. Did you mean 'promt'\?", id="no column"),
    pytest.param([{"prompt": "a"}, {"prompt": None}], "train_dataset, row 1: there is no prompt", id="missing"),
    pytest.param([{"prompt": "a"}, {"other": 1}], "train_dataset, row 1: there is no prompt", id="absent"),
    pytest.param([{"prompt": "a"}, {"prompt": " \n"}], "train_dataset, row 1: the prompt is empty", id="empty"),
    pytest.param([{"prompt": 3}], "row 0: a prompt is text or a list of messages, got int 3", id="number"),
    pytest.param([{"prompt": []}], "row 0: the conversation has no turns", id="no turns"),
    pytest.param(
        [{"prompt": ["a"]}], "row 0, turn 0: a message is a dict with 'role' and 'content', got 'a'", id="no message"
    ),
    pytest.param([{"prompt": chat(("user", ""))}], "row 0: the last user turn is empty", id="empty turn"),
    pytest.param(
        [{"prompt": chat(("user", "a"), ("assistant", "b"))}],
        "ends with a turn of role 'assistant'; the last turn of a prompt must be the user's",
        id="ends with an answer",
    ),
    pytest.param(
        [{"prompt": "a"}, {"prompt": "a " * 30}],
        "row 1: the prompt has 33 tokens, the limit max_prompt_length is 20; shorten it",
        id="too long",
    ),
    pytest.param(iter([{"prompt": "a"}]), "needs a length and rows by number", id="a stream"),
]


@pytest.mark.parametrize(("data", "message"), BAD_DATA)
def test_data(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trainer(tmp_path, train=data, max_prompt_length=20)


def test_held_out_data_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="eval_dataset, row 0: the prompt is empty"):
        trainer(tmp_path, held_out=[{"prompt": ""}])
    made = trainer(tmp_path)
    with pytest.raises(InputError, match="evaluation needs held-out prompts: pass eval_dataset"):
        made.evaluate()
    with pytest.raises(InputError, match="eval_dataset, row 0: the prompt has"):
        made.evaluate([{"prompt": "a " * 600}])


def test_training_needs_prompts(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    made.train_dataset = None
    with pytest.raises(InputError, match="training needs prompts: pass train_dataset"):
        made.train()


def test_two_answers_that_do_not_fit_in_the_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row 0: .* need \d+ tokens, the model holds 128; lower max_new_tokens"):
        trainer(tmp_path, max_new_tokens=60)


SETTINGS: list[Any] = [
    ({"temperature": 0.0}, "temperature=0.0: training samples need a temperature > 0"),
    ({"temperature": float("nan")}, "temperature=nan"),
    ({"top_k": 5}, "top_k=5.*allow_truncated_sampling=True"),
    ({"top_p": 0.9}, "top_p=0.9.*allow_truncated_sampling=True"),
    ({"min_new_tokens": 2}, "min_new_tokens=2.*allow_truncated_sampling=True"),
    ({"max_new_tokens": 0}, "max_new_tokens=0: must be at least 1"),
    ({"min_new_tokens": 9, "allow_truncated_sampling": True}, "min_new_tokens=9: must lie between 0 and max_new"),
    ({"adapters": "both"}, "adapters='both' is not one of 'shared', 'per_role'"),
    ({"sampling_dtype": "int8"}, "sampling_dtype='int8' is not one of"),
    ({"remove_unused_columns": True}, "hide the data set's columns from the judge"),
    ({"logits_chunk_mib": -1}, "must be 0 .automatic. or positive"),
]


@pytest.mark.parametrize(("settings", "message"), SETTINGS)
def test_arguments(tmp_path: Path, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arguments(tmp_path, **settings)


def test_truncated_sampling_by_name(tmp_path: Path) -> None:
    args = arguments(tmp_path, top_k=5, top_p=0.9, min_new_tokens=1, allow_truncated_sampling=True)
    assert (args.sampling().top_k, args.sampling().top_p, args.sampling().min_new_tokens) == (5, 0.9, 1)


def test_unknown_arguments(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="temperatur"):
        GameArguments(output_dir=str(tmp_path), temperatur=1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="kapa"):
        StackelbergGDA(kapa=1.0)  # type: ignore[call-arg]


ALGORITHMS: list[Any] = [
    ({"kl": "k3"}, "does not regularise"),
    ({"kl": "k2"}, "does not regularise"),
    ({"kl": "exat"}, "Did you mean 'exact'"),
    ({"baseline": "leave_one"}, "Did you mean 'leave_one_out'"),
    ({"kappa": -1.0}, "kappa=-1.0: must be a finite number"),
    ({"tau_leader": float("inf")}, "tau_leader=inf"),
    ({"follower_samples": 0}, "follower_samples=0: must be a whole number ≥ 1"),
    ({"leader_samples": 1.5}, "leader_samples=1.5"),
]


@pytest.mark.parametrize(("settings", "message"), ALGORITHMS)
def test_algorithm(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        StackelbergGDA(**settings)


def prompt_tuned() -> Any:
    return get_peft_model(model(len(WORDS)), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))


def softcapped() -> Any:
    config = Gemma2Config(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, eos_token_id=0, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    return Gemma2ForCausalLM(config)


MODELS: list[Any] = [
    pytest.param(lambda: {"lm": model(len(WORDS)).bfloat16()}, "is torch.bfloat16: most small updates", id="bf16"),
    pytest.param(lambda: {"peft": lora(bias="all")}, r"trains biases \(bias='all'\)", id="lora bias"),
    pytest.param(lambda: {"lm": prompt_tuned()}, "prompt learning has no base to switch back to", id="prompt tuning"),
    pytest.param(
        lambda: {"peft": lora(target_modules=["q_proj", "lm_head"])},
        "the output head is Linear, not a plain nn.Linear; leave it out",
        id="lora on the head",
    ),
    pytest.param(lambda: {"peft": lora(modules_to_save=["lm_head"])}, "the output head is", id="head saved"),
    pytest.param(lambda: {"lm": softcapped()}, "applies final_logit_softcapping after its head", id="softcap"),
    pytest.param(lambda: {"adapters": "per_role"}, "needs a peft_config", id="per role without lora"),
    pytest.param(
        lambda: {"adapters": "per_role", "peft": lora(), "activation_checkpointing": True},
        "would recompute the Leader's forward with the Follower's weights",
        id="per role with checkpointing",
    ),
    pytest.param(
        lambda: {"roles": "chat", "template": None}, "needs a tokenizer with a chat template", id="no template"
    ),
    pytest.param(lambda: {"lm": "./nothing/here"}, "there is no such folder", id="no model"),
    pytest.param(lambda: {"judge": 3}, "a judge is an object with .prefer", id="no judge"),
]


@pytest.mark.parametrize(("given", "message"), MODELS)
def test_model(tmp_path: Path, given: Any, message: str) -> None:
    with pytest.raises((InputError, TemplateError), match=message):
        trainer(tmp_path, **given())


def test_a_half_precision_base_under_an_adapter_is_fine(tmp_path: Path) -> None:
    made = trainer(tmp_path, lm=model(len(WORDS)).bfloat16(), peft=lora())
    assert {p.dtype for p in made.model.parameters() if p.requires_grad} == {torch.float32}


class Judging:
    """A judge that answers what it is told to."""

    name = "strange"

    def __init__(self, answer: Any):
        self._answer = answer

    def prefer(self, comparisons: list[Comparison]) -> np.ndarray:
        return np.asarray(self._answer(comparisons))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda asked: [0.5] * (len(asked) + 1), r"judge 'strange' answered with shape \(\d+,\) to \d+ comparisons"),
        (lambda asked: [float("nan")] * len(asked), "answered nan to prompt 'only one', first '.*', second '.*'"),
        (lambda asked: [1.5] * len(asked), "answered 1.5 to prompt 'only one'"),
    ],
)
@pytest.mark.parametrize("plain", [False, True])
def test_judge(tmp_path: Path, answer: Any, message: str, plain: bool) -> None:
    """Nothing is trained on a preference that is none, and the message names prompt and responses."""
    judge = Judging(answer)
    if plain:

        def strange(prompts: list[str], first: list[str], second: list[str]) -> Any:
            return answer(prompts)

        judge = strange  # type: ignore[assignment]
    made = trainer(tmp_path, judge=judge, train=[{"prompt": "only one"}] * 4)
    before = [p.detach().clone() for p in made.model.parameters()]
    with pytest.raises(JudgeError, match=message):
        made.train()
    assert all(torch.equal(a, b) for a, b in zip(before, made.model.parameters(), strict=True))


def test_extra_columns_reach_the_judge(tmp_path: Path) -> None:
    """From a list of dicts and from a data set, with text and with conversations."""
    seen: list[tuple[str, Any]] = []

    def noted(asked: list[Comparison]) -> list[float]:
        seen.extend((c.prompt, dict(c.columns)) for c in asked)
        return [0.5] * len(asked)

    conversational = [{"prompt": chat(("user", row["prompt"])), "wanted": row["wanted"]} for row in rows(4)]
    for data in (rows(4), Dataset.from_list(rows(4)), Dataset.from_list(conversational), conversational):
        seen.clear()
        folder = tmp_path / str(len(list(tmp_path.glob("*"))))
        trainer(folder, judge=Judging(noted), train=data, max_steps=3).train()
        assert seen
        assert set(map(str, seen)) <= {str((PROMPTS[i], {"wanted": i % 3})) for i in range(4)}


def test_output_folder_of_an_earlier_run(tmp_path: Path) -> None:
    settings = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}
    trainer(tmp_path, **settings).train()
    with pytest.raises(InputError, match="already holds checkpoint-4; resume it with resume_from_checkpoint=True"):
        trainer(tmp_path, **settings).train()


CHANGED: list[Any] = [
    ({"learning_rate": 0.5}, r"args.learning_rate: 0.01 there, 0.5 here"),
    ({"algorithm": StackelbergGDA(kappa=3.0, tau_leader=0.05, tau_follower=0.05)}, "algorithm.kappa: 2.0 there, 3.0"),
    ({"train": [{"prompt": "a b"}] * 8}, "train_dataset: "),
    ({"seed": 8}, "args.seed: 7 there, 8 here"),
    ({"instruction": "Again"}, "args.instruction: 'Improve the previous answer!' there, 'Again' here"),
    ({"per_device_train_batch_size": 2}, "args.per_device_train_batch_size: 4 there, 2 here"),
    ({"judge": lambda x, y, z: [0.5] * len(x)}, "judge: 'likes_b' there, '<lambda>' here"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    trainer(folder, save_strategy="steps", save_steps=2).train()
    return folder


@pytest.mark.parametrize(("changed", "message"), CHANGED)
def test_resuming_with_changed_settings(finished: Path, changed: dict, message: str) -> None:
    made = trainer(finished, save_strategy="steps", save_steps=2, **changed)
    with pytest.raises(InputError, match=rf"belongs to a different run \(.*{message}"):
        made.train(resume_from_checkpoint=True)


def test_nothing_to_resume(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(InputError, match="nothing to resume: no whole checkpoint"):
        trainer(tmp_path).train(resume_from_checkpoint=True)
    with pytest.raises(InputError, match="not a whole checkpoint"):
        trainer(tmp_path).train(resume_from_checkpoint=str(tmp_path))


def test_checkpoints_of_something_else_are_never_touched(tmp_path: Path) -> None:
    """A folder that another trainer wrote is an error, not something to tidy up."""
    theirs = tmp_path / "checkpoint-500"
    theirs.mkdir()
    (theirs / "model.safetensors").write_bytes(b"weeks of work")
    for resume in (None, True):
        with pytest.raises(InputError, match="holds checkpoint-500, which is not a checkpoint of this trainer"):
            trainer(tmp_path).train(resume_from_checkpoint=resume)
    assert (theirs / "model.safetensors").read_bytes() == b"weeks of work"
