"""What is sampled is what is scored: ragged rows, cache reuse, every way an answer can end."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from slhf.policies import CausalPolicy, PlainRoles, PromptRow, Roller, Sampling, make_roles
from slhf.policies.fused_engine import FusedEngine
from slhf.policies.transformers_engine import TransformersEngine
from slhf.types import Match, Refined, Rollout
from tiny import CHAT, model, tokenizer

WORDS = ("<end>", "<user>", "<bot>", "a", "b", "c", "d", "Improve", "the", "previous", "answer!", "<stop>", "<pad>")
PROMPTS = ["a", "a b c d a b", "c c", "d a d a d a d a d"]
TEMPERATURE = 0.8


def lora(lm: Any, seed: int = 3) -> Any:
    """An adapter that changes something: random A and B."""
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    tuned = get_peft_model(lm, LoraConfig(r=4, lora_alpha=8, target_modules=targets))
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_" in name:
                parameter.normal_(0.0, 0.2)
    return tuned.eval()


def policy(lm: Any = None, *, pad: str = "<pad>", template: str | None = CHAT, **roles: Any) -> CausalPolicy:
    tok = tokenizer(WORDS, pad=pad, template=template)
    lm = model(len(WORDS), layers=2, scale=0.5) if lm is None else lm
    return CausalPolicy(lm, tok, make_roles(tok, lm, **roles), keep_reference=False)


def rows(prompts: list[str] = PROMPTS) -> list[PromptRow]:
    return [PromptRow(i, p, {}) for i, p in enumerate(prompts)]


def roller(who: CausalPolicy, limit: int = 6, **more: Any) -> Roller:
    sampling = Sampling((), limit, temperature=TEMPERATURE, logprobs=True, min_new_tokens=more.pop("least", 0))
    return Roller(who, sampling, seed=more.pop("seed", 0), **more)


def check_against_full_forward(who: CausalPolicy, rollouts: list[Rollout], limit: int) -> None:
    """The sampler's log-probabilities are those of a plain forward over the whole row, no cache, no padding."""
    ends = who.roles.end_tokens

    def check(context: list[int], answer: Any) -> None:
        with torch.no_grad():
            logits = who.model(torch.tensor([context + answer.tokens])).logits[0, len(context) - 1 : -1]
        want = (logits / TEMPERATURE).log_softmax(-1).gather(1, torch.tensor(answer.tokens).unsqueeze(1)).squeeze(1)
        np.testing.assert_allclose(answer.logprobs, want.numpy(), atol=2e-5)
        assert answer.ended == (answer.tokens[-1] in ends)
        assert not any(t in ends for t in answer.tokens[:-1])
        assert answer.ended or len(answer.tokens) == limit

    for rollout in rollouts:
        for answer, context, refinements in zip(
            rollout.leaders, rollout.follower_contexts, rollout.followers, strict=True
        ):
            check(rollout.leader_context, answer)
            assert context[: len(rollout.leader_context)] == rollout.leader_context
            if who.roles.extends:
                head = rollout.leader_context + answer.tokens
                assert context[: len(head)] == head
            for refinement in refinements:
                check(context, refinement)


@pytest.mark.parametrize("samples", [(1, 1), (2, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize("kind", ["plain", "fused", "lora"])
def test_sampled_log_probs_are_those_of_a_full_forward(samples: tuple[int, int], kind: str) -> None:
    lm = model(len(WORDS), layers=2, scale=0.5)
    who = policy(lora(lm) if kind == "lora" else lm)
    assert isinstance(who.engine("leader"), FusedEngine)
    if kind == "plain":
        who.engine = lambda role, **_: TransformersEngine(who.model)  # type: ignore[method-assign]
    rollouts = roller(who).rollouts(rows(), 0, Match(samples[0], Refined(samples[1])))
    assert [len(r.leaders) for r in rollouts] == [samples[0]] * len(PROMPTS)
    assert all(len(f) == samples[1] for r in rollouts for f in r.followers)
    check_against_full_forward(who, rollouts, 6)


def test_answers_end_in_every_way() -> None:
    """Among many samples some end at once (an empty answer), some in the middle, some are cut."""
    who = policy()
    rollouts = roller(who, limit=4).rollouts(rows(PROMPTS * 16), 0)
    lengths = {len(r.leaders[0].tokens) for r in rollouts}
    assert {1, 2, 3, 4} <= lengths
    assert any(not r.leaders[0].ended for r in rollouts)
    assert any(r.leaders[0].text == "" for r in rollouts)
    check_against_full_forward(who, rollouts, 4)


def test_a_cut_answer_is_closed_before_the_instruction() -> None:
    who = policy()
    rollouts = roller(who, limit=3, least=3).rollouts(rows(), 0)
    end, user = WORDS.index("<end>"), WORDS.index("<user>")
    for rollout in rollouts:
        after = rollout.follower_contexts[0][len(rollout.leader_context) + 3 :]
        assert not rollout.leaders[0].ended
        assert after[:2] == [end, user]


def test_an_ended_answer_is_not_closed_twice() -> None:
    who = policy()
    for rollout in roller(who).rollouts(rows(PROMPTS * 8), 0):
        context, answer = rollout.follower_contexts[0], rollout.leaders[0]
        after = context[len(rollout.leader_context) + len(answer.tokens) :]
        if answer.ended:
            assert after[0] == WORDS.index("<user>")


@pytest.mark.parametrize("pad", ["<pad>", "<end>"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_side_and_pad_token_do_not_matter(pad: str, side: str) -> None:
    plain = roller(policy()).rollouts(rows(), 0)
    who = policy(pad=pad)
    who.tokenizer.padding_side = side
    other = roller(who).rollouts(rows(), 0)
    assert [r.leaders[0].tokens for r in other] == [r.leaders[0].tokens for r in plain]
    assert [r.followers[0][0].tokens for r in other] == [r.followers[0][0].tokens for r in plain]


def test_several_end_tokens_all_end_an_answer() -> None:
    lm = model(len(WORDS), layers=2, scale=0.5)
    lm.generation_config.eos_token_id = [0, WORDS.index("<stop>")]
    who = policy(lm)
    assert who.roles.end_tokens == (0, WORDS.index("<stop>"))
    rollouts = roller(who, limit=8).rollouts(rows(PROMPTS * 16), 0)
    last = {r.leaders[0].tokens[-1] for r in rollouts if r.leaders[0].ended}
    assert last == {0, WORDS.index("<stop>")}
    check_against_full_forward(who, rollouts, 8)


@pytest.mark.parametrize("template", [CHAT, None])
def test_an_answer_does_not_depend_on_its_batch(template: str | None) -> None:
    who = policy(template=template)
    together = roller(who).rollouts(rows(), 3, Match(2, Refined(2)))
    alone = [roller(who).rollouts([row], 3, Match(2, Refined(2)))[0] for row in rows()]
    split = roller(who, max_rows=5).rollouts(rows(), 3, Match(2, Refined(2)))
    for other in (alone, split):
        for a, b in zip(together, other, strict=True):
            assert [x.tokens for x in a.leaders] == [x.tokens for x in b.leaders]
            assert [[y.tokens for y in g] for g in a.followers] == [[y.tokens for y in g] for g in b.followers]


def test_seed_step_row_role_and_number_all_change_the_noise() -> None:
    who = policy()
    seen = [
        [
            a.tokens
            for r in roller(who, limit=12, least=12, seed=s).rollouts(rows(["a", "a"]), t, Match(2))
            for a in r.leaders
        ]
        for s, t in [(0, 0), (0, 1), (1, 0)]
    ]
    flat = [tuple(tokens) for group in seen for tokens in group]
    assert len(set(flat)) == len(flat)


def test_models_without_a_fused_form_run_through_transformers(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=2, n_head=2, n_positions=128, eos_token_id=0)
    lm = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.normal_(0.0, 0.3)
    who = policy(lm)
    with caplog.at_level(logging.WARNING):
        rollouts = roller(who).rollouts(rows(), 0, Match(2, Refined(2)))
    assert caplog.text.count("no fused form") == 1  # said once, not once a step
    check_against_full_forward(who, rollouts, 6)


def test_one_adapter_a_role_samples_each_role_with_its_own() -> None:
    lm = lora(model(len(WORDS), layers=2, scale=0.5))
    config = lm.peft_config["default"]
    lm.add_adapter("second", config)
    with torch.no_grad():
        for name, parameter in lm.named_parameters():
            if ".second." in name:
                parameter.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(1))
    tok = tokenizer(WORDS, template=CHAT)
    adapters = {"leader": "default", "follower": "second"}
    who = CausalPolicy(lm.eval(), tok, make_roles(tok, lm), adapters=adapters, keep_reference=False)
    rollout = roller(who).rollouts(rows()[:1], 0)[0]
    contexts = {"leader": rollout.leader_context, "follower": rollout.follower_contexts[0]}
    answers = {"leader": rollout.leaders[0], "follower": rollout.followers[0][0]}
    for role, other in (("leader", "follower"), ("follower", "leader")):
        tokens = torch.tensor([contexts[role] + answers[role].tokens])
        found = {}
        for playing in (role, other):
            with who.playing(playing) as active, torch.no_grad():
                logits = active(tokens).logits[0, len(contexts[role]) - 1 : -1] / TEMPERATURE
            found[playing] = (
                logits.log_softmax(-1).gather(1, torch.tensor(answers[role].tokens).unsqueeze(1)).squeeze(1)
            )
        np.testing.assert_allclose(answers[role].logprobs, found[role].numpy(), atol=2e-5)
        assert not np.allclose(answers[role].logprobs, found[other].numpy(), atol=1e-2)


def test_plain_roles_repeat_the_prompt() -> None:
    tok = tokenizer(WORDS)
    roles = PlainRoles(tok, "Improve", (0,))
    context = roles.leader_context("a b")
    assert roles.follower_context("a b", context, [5, 0], "c") == [3, 4, 5, 0, 7, 3, 4]
    assert roles.follower_context("a b", context, [5, 6], "c d") == [3, 4, 5, 6, 0, 7, 3, 4]
