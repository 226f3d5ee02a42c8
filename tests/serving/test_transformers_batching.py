"""Why requests are batched by this package's own decoder: transformers' manager has one seed for everybody."""

from __future__ import annotations

import pytest
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from slhf import toy
from slhf.policies import CausalPolicy, Sampling, load_policy
from slhf.policies.decoding import row_noise
from slhf.serving.batch import Batch
from slhf.serving.jobs import Job

TOKENS = 16
PROMPTS = ("Say a colour.", "Name two animals.", "What is 3 plus 4?", "Write one short line.")


@pytest.fixture(scope="module")
def policy() -> CausalPolicy:
    return load_policy("toy")


def theirs(policy: CausalPolicy, prompts: tuple[str, ...]) -> list[list[int]]:
    """What transformers' continuous batching samples: its seed is a setting of the whole manager."""
    model = AutoModelForCausalLM.from_pretrained(toy.model_path()).eval()
    settings = GenerationConfig(
        do_sample=True, max_new_tokens=TOKENS, eos_token_id=list(policy.roles.end_tokens), pad_token_id=0
    )
    told = model.generate_batch(
        [policy.roles.leader_context(prompt) for prompt in prompts],
        generation_config=settings,
        # left to itself, it takes most of the memory for its cache
        continuous_batching_config=ContinuousBatchingConfig(seed=3, num_blocks=16, page_size=16, max_batch_tokens=64),
        progress_bar=False,
    )
    return [output.generated_tokens for output in told.values()]


def ours(policy: CausalPolicy, prompts: tuple[str, ...]) -> list[list[int]]:
    """What a server's batch samples: a request brings its own noise."""
    sampling = Sampling(policy.roles.end_tokens, TOKENS)
    jobs = [
        Job(policy.roles.leader_context(prompt), row_noise((number,), TOKENS), sampling)
        for number, prompt in enumerate(prompts)
    ]
    batch = Batch(policy.engine("leader"))
    batch.admit(jobs)
    while len(batch):
        batch.step()
    return [job.done.result(timeout=0).tokens for job in jobs]


def test_an_answer_of_transformers_batching_depends_on_who_else_asks(policy: CausalPolicy) -> None:
    """Should this ever fail, its manager could serve: a request would then have a seed of its own."""
    alone, again = theirs(policy, PROMPTS[:1]), theirs(policy, PROMPTS[:1])
    assert alone == again
    assert theirs(policy, PROMPTS)[0] != alone[0]


def test_an_answer_of_this_batch_does_not(policy: CausalPolicy) -> None:
    assert ours(policy, PROMPTS)[0] == ours(policy, PROMPTS[:1])[0]
