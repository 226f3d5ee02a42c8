"""The refinement loop: who speaks after whom, what it is told, and what it refuses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

from games import WORDS
from slhf.errors import InputError
from slhf.policies import CausalPolicy, Sampling, chain, load_policy, make_roles, turns
from slhf.policies.chain import next_turn
from slhf.types import Answer
from tiny import CHAT, model, tokenizer

GREEDY = Sampling((), 6, temperature=0.0)
DRAWN = Sampling((), 6, temperature=1.0)
PROMPTS = ["a", "a b c d", "c c"]


def policy(**roles: Any) -> CausalPolicy:
    tok = tokenizer(WORDS, template=CHAT)
    lm = model(len(WORDS), layers=2, scale=0.5)
    return CausalPolicy(lm, tok, make_roles(tok, lm, **roles), keep_reference=False)


def greedy(who: CausalPolicy, context: list[int], limit: int = 6) -> list[int]:
    """The likeliest answer by a full forward a token."""
    found: list[int] = []
    for _ in range(limit):
        with torch.no_grad():
            found.append(int(who.model(torch.tensor([context + found])).logits[0, -1].argmax()))
        if found[-1] in who.roles.end_tokens:
            break
    return found


def test_each_step_refines_the_answer_before_it() -> None:
    who = policy()
    chains = chain(who, PROMPTS, steps=3, sampling=GREEDY)
    assert [len(c) for c in chains] == [4, 4, 4]
    for prompt, answers in zip(PROMPTS, chains, strict=True):
        start = who.roles.leader_context(prompt)
        assert answers[0].tokens == greedy(who, start)
        for before, after in pairwise(answers):
            longer = who.roles.follower_context(prompt, start, before.tokens, before.text)
            assert after.tokens == greedy(who, longer)


def test_turns_name_who_speaks_and_read_text_where_there_are_no_tokens() -> None:
    who = policy()
    loop = turns("a b", 2)
    first = next(loop)
    assert (first.step, first.role) == (0, "leader")
    assert first.context(who.roles) == who.roles.leader_context("a b")
    second = next_turn(loop, Answer([], "c d", True))
    assert second is not None
    assert (second.step, second.role) == (1, "follower")
    start = who.roles.leader_context("a b")
    read = who.roles.answer_tokens("c d")
    assert second.context(who.roles) == who.roles.follower_context("a b", start, read, "c d")
    third = next_turn(loop, Answer([5, 0], "c", True))
    assert third is not None
    assert third.context(who.roles) == who.roles.follower_context("a b", start, [5, 0], "c")
    assert next_turn(loop, Answer([5, 0], "c", True)) is None
    given = next(turns("a b", 1, Answer([], "d", True)))
    assert (given.step, given.role) == (1, "follower")
    with pytest.raises(InputError, match="cannot be negative"):
        next(turns("a", -1))


def test_no_steps_is_the_leader_alone() -> None:
    assert [len(c) for c in chain(policy(), PROMPTS, steps=0, sampling=GREEDY)] == [1, 1, 1]


def test_somebody_elses_answer_is_refined() -> None:
    who = policy()
    chains = chain(who, PROMPTS, steps=2, answers=["b b", "d", "c a"], sampling=GREEDY)
    for prompt, text, answers in zip(PROMPTS, ["b b", "d", "c a"], chains, strict=True):
        assert answers[0].text == text
        assert len(answers) == 3
        start = who.roles.leader_context(prompt)
        given = who.roles.answer_tokens(text)
        assert answers[1].tokens == greedy(who, who.roles.follower_context(prompt, start, given, text))


def test_tokens_are_told_as_they_come() -> None:
    """Every token, in the order of its answer, and a step only after the one before."""
    told: list[tuple[int, int, int]] = []
    chains = chain(policy(), PROMPTS, steps=2, sampling=DRAWN, on_token=lambda *one: told.append(one))
    for number, answers in enumerate(chains):
        for step, answer in enumerate(answers):
            assert [t for n, s, t in told if (n, s) == (number, step)] == answer.tokens
    assert [s for _, s, _ in told] == sorted(s for _, s, _ in told)
    given: list[tuple[int, int, int]] = []
    chain(policy(), ["a"], steps=1, answers=["b"], sampling=DRAWN, on_token=lambda *one: given.append(one))
    assert {s for _, s, _ in given} == {1}  # a given answer is not told


def test_the_seed_fixes_every_answer() -> None:
    def tokens(seed: int) -> list[list[list[int]]]:
        longer = Sampling((), 12, temperature=1.0)
        return [[a.tokens for a in c] for c in chain(policy(), PROMPTS, steps=2, sampling=longer, seed=seed)]

    assert tokens(3) == tokens(3)
    assert tokens(3) != tokens(4)


def test_self_refinement_by_prompting_needs_no_training() -> None:
    """The untrained model refines what it is given, told so by the Follower's template alone."""
    base = load_policy("toy")
    (answers,) = chain(base, ["Name three colours."], steps=1, sampling=Sampling((), 8, temperature=0.0))
    first, refined = answers
    start = base.roles.leader_context("Name three colours.")
    assert first.tokens == greedy(base, start, 8)
    assert refined.tokens == greedy(
        base, base.roles.follower_context("Name three colours.", start, first.tokens, first.text), 8
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": -1}, "cannot be negative"),
        ({"prompts": []}, "no prompt given"),
        ({"answers": ["a"]}, "1 answers for 3 prompts"),
        ({"sampling": Sampling((), 200)}, r"step 0: context and answer need .* the model holds 128"),
        ({"steps": 2, "sampling": Sampling((), 115, min_new_tokens=115)}, r"step 1: .* the model holds 128"),
    ],
)
def test_what_is_refused(settings: dict, message: str) -> None:
    given = {"prompts": PROMPTS, "sampling": GREEDY, **settings}
    with pytest.raises(InputError, match=message):
        chain(policy(), given.pop("prompts"), **given)
