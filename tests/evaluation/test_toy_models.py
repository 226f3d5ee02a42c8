"""Everything at once on the embedded model, with few prompts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from slhf import toy
from slhf.errors import InputError
from slhf.evaluation import (
    Player,
    Request,
    Store,
    best_of_n_curves,
    cycles,
    leader_answers,
    policy_identity,
    policy_model,
    ratings,
    remembered,
    round_robin,
    transfer,
)
from slhf.judges import toy_panel
from slhf.policies import CausalPolicy, Sampling, load_policy, make_roles
from slhf.policies.chain import chain
from slhf.policies.load import load_model, load_tokenizer

SAMPLING = Sampling((), max_new_tokens=24, temperature=0.9)


@pytest.fixture(scope="module")
def policy():
    return load_policy("toy")


@pytest.fixture(scope="module")
def rows():
    return toy.prompts("validation")[:12]


def test_every_table_and_again_without_the_model(policy, rows, tmp_path):
    prompts, columns = [row["prompt"] for row in rows], rows
    base = policy_model("base", policy, SAMPLING)
    cold = policy_model("cold", policy, replace(SAMPLING, temperature=0.3))

    def tables(store, base, cold):
        judge = remembered(toy_panel(), store)
        players = [Player(base), Player(base, "follower"), Player(cold)]
        table = round_robin(judge, prompts, players, store, columns=columns)
        moved = transfer(judge, prompts, [base, cold], store, sources=[base, cold], columns=columns)
        curves = best_of_n_curves(
            toy_panel(), prompts, base, store, chains=[base], independent=[cold], n=3, columns=columns
        )
        circles = cycles(judge, prompts, leader_answers(base, prompts, store, samples=5), columns)
        return table.per_prompt, moved.per_prompt, *(c.per_prompt for c in curves), circles.triples, table, circles

    with Store(tmp_path / "toy.sqlite") as store:
        *first, table, circles = tables(store, base, cold)
        kept = store.counts()

    def silent(requests):
        raise AssertionError("everything is kept already")

    with Store(tmp_path / "toy.sqlite") as store:
        *again, _, _ = tables(store, replace(base, answer=silent), replace(cold, answer=silent))
        assert store.counts() == kept
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert table.estimates().count == 12
    assert ratings(table).elo.shape == (3,)
    np.testing.assert_allclose(table.per_prompt + table.per_prompt.swapaxes(0, 1), 1.0, atol=1e-12)
    assert 0.0 <= circles.share().low <= circles.share().high <= 1.0


def test_an_answer_does_not_depend_on_what_else_is_asked(policy, rows):
    model = policy_model("base", policy, SAMPLING, max_rows=5)
    requests = [Request(row["prompt"], None, sample) for row in rows for sample in range(2)]
    together = list(model.answer(requests))
    assert together[3:4] == list(model.answer(requests[3:4]))
    assert list(model.answer(requests[::-1])) == together[::-1]
    assert len(set(together)) > len(rows)
    other = policy_model("base", policy, SAMPLING, seed=1)
    assert list(other.answer(requests)) != together


def test_the_follower_sees_what_it_sees_in_a_chain(policy, rows):
    """Without noise (temperature 0) answers and refinements are those of slhf.policies.chain."""
    greedy = replace(SAMPLING, temperature=0.0)
    model = policy_model("base", policy, greedy)
    prompts = [row["prompt"] for row in rows[:4]]
    expected = [[a.text for a in c] for c in chain(policy, prompts, steps=2, sampling=greedy)]
    answers = list(model.answer([Request(x) for x in prompts]))
    chains = [[y] for y in answers]
    for step in (1, 2):
        asked = [Request(x, c[-1], 0, step) for x, c in zip(prompts, chains, strict=True)]
        for c, refined in zip(chains, model.answer(asked), strict=True):
            c.append(refined)
    assert chains == expected


def test_identity_is_of_weights_and_roles(policy):
    again = load_policy("toy")
    assert policy_identity(again) == policy_identity(policy)
    model = load_model("toy")
    next(iter(model.parameters())).data.view(-1)[0] += 1e-6
    assert policy_identity(load_policy(model, load_tokenizer("toy"))) != policy_identity(policy)
    tokenizer = load_tokenizer("toy")
    other = load_policy(load_model("toy"), tokenizer)
    assert policy_identity(other) == policy_identity(policy)
    for kind, instruction in (("chat", "Again!"), ("plain", "Improve the previous answer!")):
        roles = make_roles(tokenizer, other.model, kind=kind, instruction=instruction)
        changed = CausalPolicy(other.model, tokenizer, roles, keep_reference=False)
        assert policy_identity(changed) != policy_identity(policy)


def test_a_prompt_that_is_too_long(policy):
    model = policy_model("base", policy, replace(SAMPLING, max_new_tokens=100_000))
    with pytest.raises(InputError, match=r"as the leader sees it.*lower max_new_tokens"):
        model.answer([Request("Why?")])


def test_a_conversation_needs_a_chat_template(policy, store):
    tokenizer = load_tokenizer("toy")
    tokenizer.chat_template = None
    plain = policy_model("plain", load_policy(load_model("toy"), tokenizer), SAMPLING)
    chat = [{"role": "user", "content": "Why?"}]
    players = [Player(plain), Player(policy_model("base", policy, SAMPLING))]
    with pytest.raises(InputError, match="no chat template"):
        round_robin(toy_panel(), [chat], players, store)
