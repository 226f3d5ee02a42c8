"""Templates that extend and templates that do not, every way to end a turn, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import GenerationConfig, PreTrainedTokenizerFast

from games import metrics, moved, snapshot, trainer
from slhf.errors import InputError, TemplateError
from slhf.policies import ChatRoles, PlainRoles, make_roles
from slhf.policies.roles import as_text, end_tokens
from tiny import model

SPECIAL = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "<|end_of_text|>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
]
TEXT = """Improve the previous answer! Which colour is the sky? Blue. Name two animals. A cat
and a dog Hello there. Good day. What is new? Nothing at all. You are a helpful assistant.
user assistant model system"""

QWEN = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "<bos>{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# the way reasoning models drop their thoughts: an earlier answer looks otherwise than the one being given
SHORTENS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}(earlier) {% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# the marks of turns are plain text that merges with what stands beside it
PLAIN_MARKS = (
    "{% for m in messages %}{{ m['role'] }} {{ m['content'] }}{{ eos_token if m['role'] == 'assistant' }}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant {% endif %}"
)
LAST_ONLY = "<|im_start|>{{ messages[-1]['content'] }}<|im_end|>{% if add_generation_prompt %}<|im_start|>{% endif %}"
NO_ANSWERS = (
    "{% for m in messages if m['role'] != 'assistant' %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% endif %}"
)

TEMPLATES: list[Any] = [
    # template, end token of the tokenizer, what closes an answer
    pytest.param(QWEN, "<|im_end|>", "<|im_end|>", id="qwen"),
    pytest.param(QWEN, "<|endoftext|>", "<|im_end|>", id="qwen-base"),
    pytest.param(LLAMA3, "<|end_of_text|>", "<|eot_id|>", id="llama-3"),
    pytest.param(GEMMA, "<eos>", "<end_of_turn>", id="gemma"),
    pytest.param(CHATML, "<|im_end|>", "<|im_end|>", id="chatml"),
]


def bytes_tokenizer(template: str | None, eos: str | None = "<|im_end|>") -> Any:
    """A byte-level BPE with real merges, and every special token above."""
    inner = Tokenizer(BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    inner.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        [TEXT], BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    )
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=eos, pad_token="<|endoftext|>")
    made.add_special_tokens({"additional_special_tokens": SPECIAL})
    made.chat_template = template
    return made


PROMPTS: list[Any] = [
    "Which animals?",
    [{"role": "user", "content": "Hello there."}],
    [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Good day."},
        {"role": "user", "content": "Name two dogs!"},
    ],
]


def likes_short(prompts: list[str], first: list[str], second: list[str]) -> list[float]:
    return [0.5 + (len(z) - len(y)) / (2.0 + 2.0 * (len(y) + len(z))) for y, z in zip(first, second, strict=True)]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize(("template", "eos", "closing"), TEMPLATES)
def test_real_templates_extend_token_for_token(template: str, eos: str, closing: str, prompt: Any) -> None:
    tok = bytes_tokenizer(template, eos)
    roles = ChatRoles(tok, "Make it better.")
    assert roles.extends
    ids = {name: tok.convert_tokens_to_ids(name) for name in (eos, closing)}
    assert set(roles.end_tokens) == set(ids.values())
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    context = roles.leader_context(prompt)
    assert context == tok.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    text = "A cat\nand two dogs"
    longer = [*messages, {"role": "assistant", "content": text}, {"role": "user", "content": "Make it better."}]
    want = tok.apply_chat_template(longer, add_generation_prompt=True, return_dict=False)
    words = tok.encode(text, add_special_tokens=False)
    ended, cut = [*words, ids[closing]], words
    assert roles.follower_context(prompt, context, ended, text) == want
    assert roles.follower_context(prompt, context, cut, text) == want
    assert roles.answer_tokens(text) == ended
    # another end token stays where it was sampled, and the turn is closed after it
    if eos != closing:
        other = roles.follower_context(prompt, context, [*words, ids[eos]], text)
        at = len(context) + len(words)
        assert other == [*want[:at], ids[eos], *want[at:]]


def test_an_answer_is_continued_as_sampled_not_as_its_text_would_be_tokenised() -> None:
    """'dog' in single bytes stays in single bytes."""
    tok = bytes_tokenizer(QWEN)
    roles = ChatRoles(tok)
    odd = [t for byte in "dog" for t in tok.encode(byte, add_special_tokens=False)]
    assert odd != tok.encode("dog", add_special_tokens=False)
    context = roles.leader_context("Which animals?")
    assert roles.follower_context("Which animals?", context, odd, "dog")[len(context) :][:3] == odd


@pytest.mark.parametrize("template", [SHORTENS, PLAIN_MARKS])
def test_templates_that_change_earlier_turns_take_the_other_route(
    template: str, caplog: pytest.LogCaptureFixture
) -> None:
    tok = bytes_tokenizer(template)
    with caplog.at_level(logging.WARNING):
        roles = ChatRoles(tok)
    assert not roles.extends
    assert caplog.text.count("does not render a longer chat as an extension") == 1
    context = roles.leader_context("Which animals?")
    longer = roles.follower_context("Which animals?", context, [1, 2, 3], "A cat")
    messages = [
        {"role": "user", "content": "Which animals?"},
        {"role": "assistant", "content": "A cat"},
        {"role": "user", "content": "Improve the previous answer!"},
    ]
    assert longer == tok.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert [*context, 1, 2, 3] != longer[: len(context) + 3]


def test_training_with_a_template_that_does_not_extend(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each role is scored on exactly what it was sampled from."""
    tok = bytes_tokenizer(SHORTENS)
    with caplog.at_level(logging.WARNING):
        made = trainer(
            tmp_path,
            tok=tok,
            lm=model(len(tok), layers=2, scale=0.5),
            train=[{"prompt": p} for p in PROMPTS],
            judge=likes_short,
            per_device_train_batch_size=3,
            sampling_dtype="float32",
            max_steps=2,
        )
        before = snapshot(made)
        made.train()
    assert caplog.text.count("does not render") == 1
    assert moved(made, before)
    for line in metrics(tmp_path)[:2]:
        # weights of one: the scored log-probabilities are the sampler's
        assert line["sampling/log_ratio"] < 1e-4
        assert line["sampling/importance_weight"] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("template", "what"), [(LAST_ONLY, "the prompt"), (NO_ANSWERS, "the answer")])
def test_a_template_that_drops_turns_is_refused(tmp_path: Path, template: str, what: str) -> None:
    tok = bytes_tokenizer(template)
    with pytest.raises(TemplateError, match=f"drops {what}.*keeps all turns, or roles='plain'"):
        trainer(tmp_path, tok=tok, lm=model(len(tok)))


@pytest.mark.parametrize("kind", ["chat", "plain"])
def test_instruction_is_configurable(kind: str) -> None:
    tok = bytes_tokenizer(QWEN)
    context: dict[str, str] = {}
    for instruction in ("Improve the previous answer!", "Again, please."):
        roles = make_roles(tok, kind=kind, instruction=instruction)
        start = roles.leader_context("Which animals?")
        context[instruction] = tok.decode(roles.follower_context("Which animals?", start, start[:2], "x"))
        assert instruction in context[instruction]
    assert "Again" not in context["Improve the previous answer!"]


def test_plain_roles_begin_again_with_the_begin_token() -> None:
    tok = bytes_tokenizer(None)
    tok.bos_token = "<bos>"
    roles = make_roles(tok, instruction="")
    assert isinstance(roles, PlainRoles)
    begin, end = tok.convert_tokens_to_ids("<bos>"), tok.eos_token_id
    words = tok.encode("Hello there.", add_special_tokens=False)
    context = roles.leader_context("Hello there.")
    assert context == [begin, *words]
    assert roles.follower_context("Hello there.", context, [5, 6], "x") == [*context, 5, 6, end, *context]
    assert roles.follower_context("Hello there.", context, [5, end], "x") == [*context, 5, end, *context]
    assert roles.answer_tokens("Good day.") == [*tok.encode("Good day.", add_special_tokens=False), end]


def test_plain_roles_need_text_and_a_cue() -> None:
    tok = bytes_tokenizer(None)
    with pytest.raises(InputError, match="conversation but the model has no chat template"):
        make_roles(tok).leader_context(PROMPTS[2])
    with pytest.raises(InputError, match="has no cue"):
        make_roles(tok, instruction="", repeat_prompt=False)


def test_kind_of_roles() -> None:
    assert isinstance(make_roles(bytes_tokenizer(QWEN)), ChatRoles)
    assert isinstance(make_roles(bytes_tokenizer(QWEN), kind="plain"), PlainRoles)
    with pytest.raises(TemplateError, match="needs a tokenizer with a chat template"):
        make_roles(bytes_tokenizer(None), kind="chat")
    with pytest.raises(InputError, match="'auto', 'chat', 'plain'"):
        make_roles(bytes_tokenizer(None), kind="cht")


def test_end_tokens_of_tokenizer_model_and_generation_settings() -> None:
    tok = bytes_tokenizer(QWEN)
    lm = model(len(tok), eos_token_id=7)
    lm.generation_config = GenerationConfig(eos_token_id=[5, 7, 6])
    assert end_tokens(tok, lm) == (tok.eos_token_id, 5, 7, 6)


def test_no_end_token_is_an_error(tmp_path: Path) -> None:
    tok = bytes_tokenizer(None, eos=None)
    lm = model(len(tok), eos_token_id=None)
    lm.generation_config.eos_token_id = None
    with pytest.raises(InputError, match=r"no end token.*set tokenizer.eos_token"):
        trainer(tmp_path, tok=tok, lm=lm)


def test_text_of_a_conversation() -> None:
    assert as_text(PROMPTS[0]) == "Which animals?"
    assert as_text(PROMPTS[1]) == "Hello there."
    assert as_text(PROMPTS[2]) == "User: Hello.\n\nAssistant: Good day.\n\nUser: Name two dogs!"


def test_pad_token_may_be_the_end_token(tmp_path: Path) -> None:
    tok = bytes_tokenizer(QWEN)
    runs = []
    for pad in ("<|im_end|>", "<|endoftext|>"):
        tok.pad_token = pad
        made = trainer(
            tmp_path / pad.strip("<|>"),
            tok=tok,
            lm=model(len(tok), layers=2, scale=0.5, pad_token_id=None),
            train=[{"prompt": p} for p in PROMPTS],
            judge=likes_short,
            per_device_train_batch_size=3,
            max_steps=2,
        )
        before = snapshot(made)
        made.train()
        assert moved(made, before)
        runs.append(torch.cat([p.detach().flatten() for p in made.model.parameters()]))
    assert torch.equal(*runs)
