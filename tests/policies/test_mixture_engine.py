"""The mixture really mixes: token by token, at the sampling temperature, with a cache for either model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from peft import get_peft_model

from games import WORDS, lora
from leader_games import mixture_log_probs, token_log_probs
from slhf.policies import CausalPolicy, PromptRow, Roller, Sampling, make_roles
from slhf.policies.engine import Engine, extend
from slhf.policies.mixture_engine import BaseAndAdapter, MixtureEngine, TwoModels
from slhf.policies.transformers_engine import TransformersEngine
from slhf.types import Match, Mixture
from tiny import CHAT, model, tokenizer

T = 0.8
PROMPTS = ["a", "a b c d a b", "c c", "d a d a d a d a d"]


def policy(kind: str, scale: float = 0.2) -> tuple[CausalPolicy, Any]:
    """A trained-looking policy, and its untrained twin as the oracle of the reference."""
    tok, lm = tokenizer(WORDS, template=CHAT), model(len(WORDS), layers=2, scale=0.5)
    twin = model(len(WORDS), layers=2, scale=0.5).double()
    if kind != "full":
        lm = get_peft_model(lm, lora(r=1) if kind == "beside" else lora())
    # in float64, or rounding would be all that is left to see at 1e-6
    who = CausalPolicy(lm.double(), tok, make_roles(tok, lm))
    perturb(who, scale)
    if kind == "transformers":
        who.engine = lambda role, **_: TransformersEngine(  # type: ignore[method-assign]
            who.model, who.reference if role is None else lambda: who.playing(role)
        )
    who.model.eval()
    return who, twin


def perturb(who: CausalPolicy, scale: float, seed: int = 3) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in who.model.parameters():
            if parameter.requires_grad:
                parameter.add_(scale * torch.randn(parameter.shape, generator=generator))


def distribution(engine: Engine, context: list[int], prefix: list[int]) -> torch.Tensor:
    """softmax(logits / T) after a context fed at once and a prefix fed token by token."""
    cache = engine.new_cache(1, len(context) + len(prefix))
    with torch.inference_mode():
        hidden = extend(engine, cache, [context])
        for token in prefix:
            hidden = extend(engine, cache, [[token]])
        return (engine.logits(hidden)[0] / T).softmax(-1)


@pytest.mark.parametrize("kind", ["full", "lora", "beside", "transformers"])
@pytest.mark.parametrize("beta", [0.0, 0.25, 0.75, 1.0])
def test_each_token_is_drawn_from_the_normalised_geometric_mean(kind: str, beta: float) -> None:
    who, twin = policy(kind)
    base = who.engine(None)
    adapted = who.low_rank("leader", base) if kind == "beside" else None
    assert (adapted is None) == (kind != "beside")
    pair = TwoModels(who.engine("leader"), base) if adapted is None else BaseAndAdapter(*adapted)
    engine = MixtureEngine(pair, beta)
    context = who.roles.leader_context("a b c")
    for prefix in ([], [3], [4, 5], [6, 6, 3]):
        with torch.no_grad():
            pi = token_log_probs(who.model, context, [*prefix, 0], T)[-1].double().exp()
            ref = token_log_probs(twin, context, [*prefix, 0], T)[-1].double().exp()
        assert (pi - ref).abs().max() > 1e-2  # training has moved it
        want = pi ** (1.0 - beta) * ref**beta
        got = distribution(engine, context, prefix).double()
        assert (got - want / want.sum()).abs().max() < 1e-6
        if beta in (0.0, 1.0):
            assert (got - (ref if beta else pi)).abs().max() < 1e-6
        else:
            assert min((got - pi).abs().max(), (got - ref).abs().max()) > 1e-3


@pytest.mark.parametrize("kind", ["full", "lora", "beside", "transformers"])
def test_sampled_answers_carry_the_mixtures_log_probabilities(kind: str) -> None:
    """Ragged prompts, copies, rows that end early, all against full forwards; again after another training step."""
    who, twin = policy(kind)
    sampling = Sampling((), 6, temperature=T, logprobs=True)
    roller = Roller(who, sampling, seed=0)
    assert (who.low_rank("leader", who.engine(None)) is None) == (kind != "beside")  # that way is taken where it pays
    rows = [PromptRow(i, p, {}) for i, p in enumerate(PROMPTS)]
    for step in range(2):
        rollouts = roller.rollouts(rows, step, Match(2, Mixture(0.6, 3)))
        lengths = set()
        for rollout in rollouts:
            assert (len(rollout.leaders), len(rollout.opponents)) == (2, 3)
            assert rollout.followers == [[], []]
            for beta, answers in ((0.0, rollout.leaders), (0.6, rollout.opponents)):
                for answer in answers:
                    want = mixture_log_probs(who.model, twin, rollout.leader_context, answer.tokens, beta, T)
                    np.testing.assert_allclose(answer.logprobs, want.numpy(), atol=2e-5)
                    lengths.add(len(answer.tokens))
        assert len(lengths) > 2
        perturb(who, 0.1, seed=4)


def test_an_opponent_does_not_depend_on_its_batch() -> None:
    who, _ = policy("lora")
    rows = [PromptRow(i, p, {}) for i, p in enumerate(PROMPTS)]
    match, sampling = Match(1, Mixture(0.5, 2)), Sampling((), 6, temperature=T)
    together = Roller(who, sampling, seed=0).rollouts(rows, 3, match)
    split = Roller(who, sampling, seed=0, max_rows=3).rollouts(rows, 3, match)
    alone = [Roller(who, sampling, seed=0).rollouts([row], 3, match)[0] for row in rows]
    for other in (split, alone):
        assert [[a.tokens for a in r.opponents] for r in other] == [[a.tokens for a in r.opponents] for r in together]
    # noise of its own: not the Leader's, and not the same for both
    drawn = [tuple(a.tokens) for r in together for a in [*r.leaders, *r.opponents]]
    assert len(set(drawn)) > len(PROMPTS)
