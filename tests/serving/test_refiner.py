"""The library call: the same answers as the chain, alone or among others, whoever plays and however it stops."""

from __future__ import annotations

import asyncio
import math
import threading
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.serving_fixtures import computed_tokens, small_policy

from games import likes_b
from slhf.errors import InputError, JudgeError
from slhf.judges import CallableJudge
from slhf.policies import CausalPolicy, Sampling, chain
from slhf.serving import (
    DoneEvent,
    Refinement,
    Refiner,
    Step,
    StepEvent,
    TimeBudget,
    TokenBudget,
    TokenEvent,
    UnlessPreferred,
    WhenRepeated,
)
from slhf.serving.stops import reason_to_stop

PROMPTS = ["a", "a b c d", "c c", "b d", "d d d a"]


def drawn(policy: CausalPolicy, prompt: Any, seed: int, **more: Any) -> list[list[int]]:
    (answers,) = chain(policy, [prompt], sampling=Sampling((), 6), seed=seed, **more)
    return [answer.tokens for answer in answers]


def tokens(refinement: Refinement) -> list[list[int]]:
    return [list(step.tokens) for step in refinement.steps]


@pytest.mark.parametrize("per_role", [False, True])
def test_the_answers_are_those_of_the_chain(per_role: bool) -> None:
    policy = small_policy(per_role=per_role)
    refiner = Refiner(policy)
    together = refiner.refine(PROMPTS, steps=3, seed=[5, 6, 7, 8, 9])
    for prompt, seed, found in zip(PROMPTS, [5, 6, 7, 8, 9], together, strict=True):
        assert tokens(found) == drawn(policy, prompt, seed, steps=3)
        assert tokens(refiner.refine(prompt, steps=3, seed=seed)) == tokens(found)
        assert found.stopped == "steps"
        assert found.best is None
        assert found.text == found.steps[-1].text
        assert found.prompt_tokens == len(policy.roles.leader_context(prompt))


def test_the_embedded_model_answers_as_in_its_chain(toy: CausalPolicy) -> None:
    prompts = ["Name three colours.", "What is 2 plus 3?"]
    refiner = Refiner(toy, max_batch=3)
    found = refiner.refine([*prompts, *prompts], steps=2, seed=[1, 2, 3, 4], max_new_tokens=24)
    for number, one in enumerate(found):
        sampling = Sampling((), 24, temperature=toy.settings.temperature)
        (answers,) = chain(toy, [prompts[number % 2]], steps=2, sampling=sampling, seed=number + 1)
        assert [step.text for step in one.steps] == [answer.text for answer in answers]
        assert [step.finish_reason == "stop" for step in one.steps] == [answer.ended for answer in answers]


def test_a_conversation_of_several_turns(small: CausalPolicy) -> None:
    turns = [
        {"role": "user", "content": "a b"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]
    assert tokens(Refiner(small).refine(turns, steps=2)) == drawn(small, turns, 0, steps=2)
    one = [{"role": "user", "content": "a b"}]
    assert tokens(Refiner(small).refine(one, steps=1)) == drawn(small, "a b", 0, steps=1)


def test_a_given_answer_is_refined(small: CausalPolicy) -> None:
    found = Refiner(small).refine("a b", steps=2, answer="d c")
    assert found.steps[0] == Step(0, "d c", "given")
    assert tokens(found)[1:] == drawn(small, "a b", 0, steps=2, answers=["d c"])[1:]
    both = Refiner(small).refine(["a b", "c"], steps=1, answer=["d c", "a"])
    assert [one.steps[0].text for one in both] == ["d c", "a"]


def test_another_follower_reads_the_leaders_text() -> None:
    leader, follower = small_policy(0), small_policy(1)
    found = Refiner(leader, follower=follower).refine("a b", steps=2, seed=3)
    first = drawn(leader, "a b", 3, steps=0)
    assert tokens(found)[:1] == first
    text = found.steps[0].text
    assert tokens(found)[1:] == drawn(follower, "a b", 3, steps=2, answers=[text])[1:]


def test_what_two_steps_have_in_common_is_computed_once(small: CausalPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    widths = computed_tokens(monkeypatch)
    found = Refiner(small).refine("a b c d", steps=2, seed=4)
    assert tokens(found) == drawn(small_policy(), "a b c d", 4, steps=2)
    start = small.roles.leader_context("a b c d")
    contexts = [start]
    for step in found.steps[:2]:
        contexts.append(small.roles.follower_context("a b c d", start, list(step.tokens), step.text))
    # of the first refinement: the Leader's last token, and what stands between the two
    unseen = len(contexts[1]) - len(start) - (found.steps[0].count - 1)
    # of the second: everything after the conversation but what the two answers begin with alike
    after_prompt = [contexts[1][len(start) :], contexts[2][len(start) :]]
    alike = next(i for i, (one, two) in enumerate(zip(*after_prompt, strict=False)) if one != two)
    prefills = [len(start), unseen, len(after_prompt[1]) - alike]
    decoded = [[1] * (step.count - 1) for step in found.steps]
    assert widths == [width for first, rest in zip(prefills, decoded, strict=True) for width in (first, *rest)]


def test_a_stream_is_the_same_in_pieces(small: CausalPolicy) -> None:
    refiner = Refiner(small)
    events = list(refiner.stream("a b c d", steps=2, seed=4, top_logprobs=2))
    whole = refiner.refine("a b c d", steps=2, seed=4, top_logprobs=2)
    done = events[-1]
    assert isinstance(done, DoneEvent)
    assert tokens(done.refinement) == tokens(whole)
    for step in whole.steps:
        told = [e for e in events if isinstance(e, TokenEvent) and e.step == step.number]
        assert "".join(e.text for e in told) == step.text
        assert tuple(e.choice for e in told if e.choice is not None) == step.choices
        assert len(step.choices) == step.count - (step.finish_reason == "stop")
    kinds = [e.step.number for e in events if isinstance(e, StepEvent)]
    assert kinds == [0, 1, 2]


def test_a_stop_text_ends_each_answer_and_the_follower_reads_what_is_left(small: CausalPolicy) -> None:
    plain = Refiner(small).refine("a", steps=1, seed=1, temperature=0.0)
    word = next(word for word in plain.steps[0].text.split()[1:] if word)
    found = Refiner(small).refine("a", steps=1, seed=1, temperature=0.0, stop_texts=(word,))
    left = plain.steps[0].text.partition(word)[0].strip()
    assert found.steps[0].text == left
    assert found.steps[0].finish_reason == "stop"
    (answers,) = chain(small, ["a"], steps=1, answers=[left], sampling=Sampling((), 6, temperature=0.0))
    assert found.steps[1].text == answers[1].text.partition(word)[0].strip()


def test_a_closed_stream_stops_the_model(small: CausalPolicy) -> None:
    stream = Refiner(small).stream("a", steps=40, temperature=1.0)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name in ("decoder", "stream"):
            thread.join(timeout=60)
            assert not thread.is_alive()


def test_cancelling_stops_the_model(small: CausalPolicy) -> None:
    refiner = Refiner(small, max_batch=2)

    async def given_up() -> None:
        await asyncio.wait_for(refiner.arefine(PROMPTS, steps=100_000), timeout=0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(given_up())
    for thread in threading.enumerate():
        if thread.name == "decoder":
            thread.join(timeout=60)
            assert not thread.is_alive()
    assert tokens(refiner.refine("a", steps=1)) == drawn(small, "a", 0, steps=1)


def test_asynchronously(small: CausalPolicy) -> None:
    async def streamed() -> list[Any]:
        return [event async for event in Refiner(small).astream("a b", steps=1)]

    events = asyncio.run(streamed())
    assert tokens(events[-1].refinement) == drawn(small, "a b", 0, steps=1)

    async def from_a_running_loop() -> Any:
        return Refiner(small).refine("a b", steps=1)  # as in a notebook

    assert tokens(asyncio.run(from_a_running_loop())) == drawn(small, "a b", 0, steps=1)


def test_the_judge_rates_each_step_and_keeps_the_best(small: CausalPolicy) -> None:
    judge = CallableJudge(likes_b)
    for found, prompt in zip(Refiner(small, judge=judge).refine(PROMPTS, steps=5, seed=2), PROMPTS, strict=True):
        texts = [step.text for step in found.steps]
        assert found.steps[0].preferred is None
        for i in range(1, 6):
            expected = 0.5 if texts[i] == texts[i - 1] else likes_b([prompt], [texts[i]], [texts[i - 1]])[0]
            assert found.steps[i].preferred == pytest.approx(expected, abs=1e-12)
        # a preference by a score has no circles: the best is the first of the highest score
        against = [likes_b([prompt], [text], ["a"])[0] for text in texts]
        assert found.best == int(np.argmax(np.round(against, 9)))
        assert found.text == texts[found.best]


def test_the_best_is_champion_in_the_order_of_the_chain(small: CausalPolicy) -> None:
    """Every later answer is preferred to the one before and loses to all before that: a circle."""
    order: list[str] = []

    def circle(prompts: list[str], first: list[str], second: list[str]) -> list[float]:
        def p(one: str, two: str) -> float:
            return 0.9 if order.index(one) - order.index(two) in (1, -2, -3, -4) else 0.1

        return [p(one, two) for one, two in zip(first, second, strict=True)]

    seed = next(s for s in range(50) if len({x.text for x in Refiner(small).refine("a b", steps=4, seed=s).steps}) == 5)
    order += [step.text for step in Refiner(small).refine("a b", steps=4, seed=seed).steps]
    found = Refiner(small, judge=circle).refine("a b", steps=4, seed=seed)
    assert [step.preferred for step in found.steps[1:]] == pytest.approx([0.9] * 4)
    # 1 beats 0; 2 beats 1; 3 beats 2; 4 beats 3, though all of 2, 3 and 4 lose to 0
    assert found.best == 4


def test_it_stops_when_the_judge_no_longer_prefers(small: CausalPolicy) -> None:
    for threshold in (0.3, 0.5, 0.8):
        whole = Refiner(small, judge=likes_b).refine("a b", steps=8, seed=2)
        found = Refiner(small, judge=likes_b).refine("a b", steps=8, seed=2, stop=UnlessPreferred(threshold))
        first = next((s.number for s in whole.steps[1:] if s.preferred is not None and s.preferred <= threshold), None)
        assert first is not None
        assert tokens(found) == tokens(whole)[: first + 1]
        assert found.stopped == "not preferred"


def test_other_reasons_to_stop(small: CausalPolicy) -> None:
    greedy = Refiner(small).refine("a b", steps=60, temperature=0.0, stop=WhenRepeated())
    assert greedy.stopped == "repeated"
    assert greedy.steps[-1].text == greedy.steps[-2].text
    assert all(before.text != after.text for before, after in pairwise(greedy.steps[:-1]))
    spent = Refiner(small).refine("a b", steps=60, stop=TokenBudget(20))
    assert spent.stopped == "tokens"
    assert spent.count >= 20 > spent.count - spent.steps[-1].count
    late = Refiner(small).refine("a b", steps=100_000, stop=[WhenRepeated(), TimeBudget(0.05)], seed=1)
    assert late.stopped in ("seconds", "repeated")
    mine = Refiner(small).refine("a b", steps=9, stop=lambda steps: "enough" if len(steps) == 3 else None)
    assert (mine.stopped, len(mine.steps)) == ("enough", 3)


def test_stops_look_at_the_newest_step_alone() -> None:
    one, two = Step(0, "x", "stop", count=3, seconds=1.0), Step(1, "y", "stop", count=4, preferred=0.5, seconds=2.0)
    assert reason_to_stop([TimeBudget(2.0)], [one]) is None
    assert reason_to_stop([TimeBudget(2.0)], [one, two]) == "seconds"
    assert reason_to_stop([TokenBudget(8), UnlessPreferred(0.4)], [one, two]) is None
    assert reason_to_stop([TokenBudget(7), UnlessPreferred()], [one, two]) == "tokens"
    assert reason_to_stop([UnlessPreferred(), TokenBudget(7)], [one, two]) == "not preferred"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"messages": " "}, "the prompt is empty"),
        ({"messages": "a \ud800"}, "half a character .* at place 2"),
        ({"messages": []}, "give a text, a list of turns, or a list of conversations"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\].content: a text is needed, not a NoneType"),
        ({"messages": [{"role": "bot", "content": "a"}]}, r"messages\[0\].role: 'bot' is not one of"),
        ({"messages": [{"role": "user", "content": "a", "name": "x"}]}, r"messages\[0\].name: a turn has a role"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, r"the last turn is by 'assistant'"),
        ({"messages": ["a", ""]}, "conversation 1: messages: the prompt is empty"),
        ({"messages": "a " * 120}, r"step 0: context and answer need .* the model holds 128"),
        ({"steps": -1}, "cannot be negative"),
        ({"steps": 1.5}, "a whole number is needed"),
        ({"stop_texts": "ab"}, "give a tuple of texts"),
        ({"answer": " "}, "answer is empty"),
        ({"temprature": 1.0}, "temprature: there is no such setting. Did you mean 'temperature'?"),
        ({"temperature": math.nan}, "a temperature is 0 or more"),
        ({"top_p": 0.0}, "top_p=0.0"),
        ({"max_new_tokens": 0}, "at least one token"),
        ({"seed": -1}, "both are 0 or more"),
        ({"stop": UnlessPreferred()}, "needs a judge"),
        ({"messages": ["a", "b"], "seed": [1]}, "seed: give one for each of the 2 conversations"),
        ({"messages": ["a", "b"], "answer": "c"}, "answer: give one for each of the 2 conversations"),
        ({"stop_texts": ("",)}, "an empty text would end every answer"),
    ],
)
def test_what_is_refused(small: CausalPolicy, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Refiner(small).refine(**{"messages": "a", **wrong})


def test_a_judge_that_fails_fails_the_chain_alone(small: CausalPolicy) -> None:
    def picky(prompts: list[str], first: list[str], second: list[str]) -> list[float]:
        return [2.0 if prompt == "c c" else 0.7 for prompt in prompts]

    refiner = Refiner(small, judge=picky)

    async def all_of_them() -> list[Any]:
        plans = [refiner.plan(prompt, steps=2) for prompt in PROMPTS]
        return await asyncio.gather(*map(refiner.run, plans), return_exceptions=True)

    found = asyncio.run(all_of_them())
    assert [isinstance(one, JudgeError) for one in found] == [prompt == "c c" for prompt in PROMPTS]
