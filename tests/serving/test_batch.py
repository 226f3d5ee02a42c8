"""Decoding together: rows come and go, each gets what it would get alone, and one's fault is its own."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest
import torch
from tests.serving_fixtures import computed_tokens, small_policy

from slhf.policies import CausalPolicy, Sampling
from slhf.policies.decoding import row_noise, sample
from slhf.serving.arrivals import grouped
from slhf.serving.batch import Batch
from slhf.serving.decoder import Decoder
from slhf.serving.jobs import Decoded, Held, Job

LENGTH = 12


def job(policy: CausalPolicy, number: int, **more: Any) -> Job:
    """One of many jobs, each with its own context, length, temperature and noise."""
    rng = np.random.default_rng(number)
    words = rng.choice(["a", "b", "c", "d"], size=rng.integers(1, 9))
    sampling = Sampling(
        policy.roles.end_tokens,
        int(rng.integers(1, LENGTH)),
        temperature=[0.0, 0.7, 1.0, 1.5][number % 4],
        top_p=[1.0, 0.8][number % 2],
    )
    context = policy.roles.leader_context(" ".join(words))
    return Job(context, row_noise((number,), LENGTH), sampling, **more)


def alone(policy: CausalPolicy, one: Job) -> list[int]:
    """The same answer by the sampler the trainer uses."""
    engine = policy.engine("leader")
    cache = engine.new_cache(1, len(one.context) + LENGTH)
    noise = one.noise[None, : one.sampling.max_new_tokens]
    return sample(engine, cache, [one.context], noise, one.sampling)[0].tokens[0]


def run(batch: Batch) -> None:
    while len(batch):
        batch.step()


def fail_together(decoder: Decoder, jobs: list[Job]) -> None:
    """Ask for answers of a model that is out of memory: everybody is told."""
    decoder.submit(jobs)
    for one in jobs:
        with pytest.raises(RuntimeError, match="out of memory"):
            one.done.result(timeout=60)


def test_rows_that_come_and_go_get_what_they_get_alone(small: CausalPolicy) -> None:
    batch = Batch(small.engine("leader"))
    jobs = [job(small, number) for number in range(24)]
    for at in range(0, 24, 3):  # three more before every second token
        batch.admit(jobs[at : at + 3])
        batch.step()
        batch.step()
    run(batch)
    for one in jobs:
        assert one.done.result(timeout=0).tokens == alone(small, one)


def test_contexts_that_begin_alike_are_not_computed_again(small: CausalPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(small.engine("leader"))
    first = job(small, 2, keep=True)
    batch.admit([first])
    run(batch)
    held = first.done.result().held
    assert held is not None
    assert held.tokens == (first.context + first.done.result().tokens)[: len(held.tokens)]
    computed = computed_tokens(monkeypatch)
    again = Batch(small.engine("leader"))
    longer = Job([*held.tokens, 3, 4, 5], row_noise((9,), LENGTH), first.sampling, held=held)
    other = Job([*first.context[:2], 5, 5, 3], row_noise((8,), LENGTH), first.sampling, held=held)
    again.admit([longer, other])
    again.step()
    assert computed == [3, 3]  # what is new of either, and nothing else
    run(again)
    for one in (longer, other):
        assert one.done.result().tokens == alone(small, one)


def test_log_probabilities_are_the_models_own(small: CausalPolicy) -> None:
    """At temperature 1 and untruncated, however the tokens were sampled; by a full forward."""
    batch = Batch(small.engine("leader"))
    jobs = [job(small, number, top_logprobs=number % 4) for number in range(4)]
    batch.admit(jobs)
    run(batch)
    for number, one in enumerate(jobs):
        found = one.done.result()
        with torch.no_grad():
            logits = small.model(torch.tensor([one.context + found.tokens])).logits[0, len(one.context) - 1 : -1]
        logprobs = logits.log_softmax(-1)
        assert [c.token for c in found.choices] == found.tokens
        for place, choice in enumerate(found.choices):
            assert choice.logprob == pytest.approx(float(logprobs[place, choice.token]), abs=1e-5)
            values, index = logprobs[place].topk(number % 4)
            assert [token for token, _ in choice.top] == index.tolist()
            assert [value for _, value in choice.top] == pytest.approx(values.tolist(), abs=1e-5)


def test_a_listener_that_fails_or_has_enough_affects_nobody_else(small: CausalPolicy) -> None:
    def fails(token: int, choice: object) -> bool:
        raise ZeroDivisionError("mine")

    batch = Batch(small.engine("leader"))
    jobs = [job(small, 2), job(small, 6, hear=fails), job(small, 10, hear=lambda *_: True), job(small, 14)]
    batch.admit(jobs)
    run(batch)
    with pytest.raises(ZeroDivisionError, match="mine"):
        jobs[1].done.result()
    assert jobs[2].done.result().tokens == alone(small, jobs[2])[:1]
    for one in (jobs[0], jobs[3]):
        assert one.done.result().tokens == alone(small, one)


def test_the_thread_comes_and_goes(small: CausalPolicy) -> None:
    seen: list[int] = []
    decoder = Decoder(small.engine("leader"), max_rows=5, watch=seen.append)
    before = set(threading.enumerate())
    jobs = [job(small, number) for number in range(16)]
    decoder.submit(jobs[:1])
    decoder.submit(jobs[1:])
    for one in jobs:
        assert one.done.result(timeout=60).tokens == alone(small, one)
    assert max(seen) == 5  # no more at once, though sixteen waited
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_a_cancelled_job_leaves_the_others_alone(small: CausalPolicy) -> None:
    reached, go = threading.Event(), threading.Event()

    def hear(token: int, choice: object) -> bool:
        reached.set()
        return not go.wait(timeout=60)

    decoder = Decoder(small.engine("leader"), max_rows=2)
    never_ends = Sampling((), LENGTH, temperature=1.0)
    slow = Job(small.roles.leader_context("a"), row_noise((1,), LENGTH), never_ends, hear=hear)
    other = job(small, 6)
    waits = job(small, 10)
    decoder.submit([slow, other, waits])
    assert reached.wait(timeout=60)
    assert slow.done.cancel()
    assert waits.done.cancel()
    go.set()
    assert other.done.result(timeout=60).tokens == alone(small, other)
    with pytest.raises(CancelledError):
        slow.done.result()
    after = job(small, 14)
    decoder.submit([after])
    assert after.done.result(timeout=60).tokens == alone(small, after)
    assert decoder.waiting == 0


def test_a_model_that_fails_fails_those_who_wait_and_then_goes_on(small: CausalPolicy) -> None:
    engine = small.engine("leader")
    plain, broken = engine.logits, [True]

    def logits(hidden: torch.Tensor) -> torch.Tensor:
        if broken.pop():
            raise RuntimeError("out of memory")
        broken.append(False)
        return plain(hidden)

    engine.logits = logits  # type: ignore[method-assign]
    decoder = Decoder(engine, max_rows=4)
    fail_together(decoder, [job(small, 2), job(small, 3)])
    broken.append(False)
    second = job(small, 6)
    decoder.submit([second])
    found: Decoded = second.done.result(timeout=60)
    assert found.tokens == alone(small, second)


def test_no_room_for_a_larger_cache_fails_those_who_join_too(small: CausalPolicy) -> None:
    engine = small.engine("leader")
    plain, broken = engine.new_cache, [True]

    def new_cache(rows: int, capacity: int) -> object:
        if broken and broken.pop():
            raise RuntimeError("out of memory")
        return plain(rows, capacity)

    engine.new_cache = new_cache  # type: ignore[method-assign, assignment]
    decoder = Decoder(engine, max_rows=4)
    fail_together(decoder, [job(small, 2), job(small, 3)])
    second = job(small, 6)
    decoder.submit([second])
    assert second.done.result(timeout=60).tokens == alone(small, second)


def test_through_transformers_too() -> None:
    """An engine that runs the model's own forward, as architectures without a fused form do."""
    from slhf.policies.transformers_engine import TransformersEngine

    policy = small_policy()
    engine = TransformersEngine(policy.model)
    batch = Batch(engine)
    jobs = [job(policy, number, keep=True) for number in range(6)]
    batch.admit(jobs[:3])
    batch.step()
    batch.admit(jobs[3:])
    run(batch)
    for one in jobs:
        assert one.done.result().tokens == alone(policy, one)
    held = jobs[2].done.result().held
    assert held is not None
    longer = Job([*held.tokens[:-1], 3, 4], row_noise((9,), LENGTH), jobs[2].sampling, held=held)
    batch.admit([longer])
    run(batch)
    assert longer.done.result().tokens == alone(policy, longer)


def test_groups_waste_little_and_never_reach_beyond_the_model(small: CausalPolicy) -> None:
    """Each job is in one group; of what a group computes an eighth is padding at most; no slot lies beyond the last."""
    rng = np.random.default_rng(5)
    for most in (None, 96, 128):
        for _ in range(60):
            room = most or 128
            jobs = []
            for number in range(int(rng.integers(1, 12))):
                length = int(rng.integers(1, room - 4))
                one = job(small, number)
                context = rng.integers(3, 9, length).tolist()
                held = None
                if rng.random() < 0.5:  # what is held begins like the context, up to somewhere
                    tokens = context[: int(rng.integers(1, length + 1))]
                    held = Held(tokens, small.engine("leader").new_cache(1, len(tokens)))
                jobs.append(Job(context, one.noise, Sampling((), min(4, room - length)), held=held))
            found, later = grouped(jobs, most)
            assert not later
            assert sorted(id(one.job) for group in found for one in group.arrivals) == sorted(map(id, jobs))
            for group in found:
                unseen = [one.unseen for one in group.arrivals]
                assert group.chunk == max(unseen)
                assert 7 * group.chunk * len(unseen) <= 8 * sum(unseen)
                furthest = max(one.known for one in group.arrivals) + group.chunk
                assert furthest <= group.room
                assert most is None or furthest <= most
                assert all(one.known + one.unseen == len(one.job.context) for one in group.arrivals)


def test_too_many_contexts_at_once_wait_for_the_next_token(
    small: CausalPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slhf.serving.arrivals._PREFILL", 20)
    computed = computed_tokens(monkeypatch)
    batch, jobs = Batch(small.engine("leader")), [job(small, number) for number in range(9)]
    batch.admit(jobs)
    steps = []
    while len(batch):
        before = len(computed)
        batch.step()
        steps.append(sum(computed[before:]))
    # one that is longer than allowed goes alone; a token for each row that is there already stands beside
    assert max(steps) <= 20 + len(jobs)
    for one in jobs:
        assert one.done.result(timeout=0).tokens == alone(small, one)


def test_a_model_with_places_of_its_own_is_never_asked_for_one_more() -> None:
    """GPT-2 has a learned vector a place and none beyond; contexts and held ones up to its last place are computed."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from slhf.policies.transformers_engine import TransformersEngine

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=20, n_positions=40, n_embd=16, n_layer=1, n_head=2)
    engine = TransformersEngine(GPT2LMHeadModel(config).eval())
    batch, rng = Batch(engine, most=40), np.random.default_rng(0)
    last = Sampling((), 3, temperature=0.0)
    long = Job(rng.integers(3, 20, 37).tolist(), row_noise((1,), 3), last, keep=True)
    short = Job(rng.integers(3, 20, 21).tolist(), row_noise((2,), 3), last)
    batch.admit([long, short])
    run(batch)
    held = long.done.result().held
    again = Job(held.tokens[:37], row_noise((3,), 3), last, held=held)  # type: ignore[union-attr]
    other = Job(short.context, row_noise((4,), 3), last)
    batch.admit([again, other])
    run(batch)
    assert again.done.result().tokens == long.done.result().tokens
    assert other.done.result().tokens == short.done.result().tokens
