"""Texts of reward models: the roles' own tokens, one closing token, padding that is told from it."""

from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.reward_fixtures import WORDS, classifier
from tests.tiny import CHAT, tokenizer

from slhf.errors import InputError
from slhf.judges.reward_text import RewardText, padded
from slhf.judges.reward_weights import length_sorted, reads_last_token
from slhf.policies.load import load_tokenizer
from slhf.policies.roles import make_roles

CHAT_WORDS = (*WORDS[:-1], "<user>", "<bot>", "<pad>")


@pytest.mark.parametrize("kind", ["plain", "chat", "toy"])
def test_a_text_is_what_a_policy_would_have_written(kind):
    made = load_tokenizer("toy") if kind == "toy" else tokenizer(CHAT_WORDS, template=CHAT if kind == "chat" else None)
    text, roles = RewardText(made), make_roles(made)
    for prompt, response in (("say a one", "b c"), ("two", "a"), ("say new", "three three d")):
        assert text.tokens(prompt, response) == roles.leader_context(prompt) + roles.answer_tokens(response)


@pytest.mark.parametrize("kind", ["plain", "chat", "pad is end", "no pad", "template without closing"])
def test_the_reward_is_read_at_the_last_token_whatever_the_padding(kind):
    """A batch of unequal lengths gives what each text gives alone, with the end of the text seen."""
    template = {"chat": CHAT, "template without closing": "{% for m in messages %}{{ m['content'] }} {% endfor %}"}
    made = tokenizer(CHAT_WORDS, template=template.get(kind))
    if kind == "pad is end":
        made.pad_token = "<end>"
    if kind == "no pad":
        made.pad_token = None
    text = RewardText(made)
    assert text.padding != text.closing
    model = classifier(2, words=len(CHAT_WORDS), pad_token_id=None)
    reads_last_token(model, text)
    texts = [text.tokens("say a", answer) for answer in ("a", "b b c d", "c one", "two two two two two")]
    assert {t[-1] for t in texts} == {text.closing}
    with torch.no_grad():
        together = model(**padded(texts, text.padding)).logits
        hidden = model.model(torch.tensor([texts[1]])).last_hidden_state[0, -1]
    for row, tokens in zip(together, texts, strict=True):
        with torch.no_grad():
            alone = model(torch.tensor([tokens])).logits[0]
        torch.testing.assert_close(row, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together[1], hidden @ model.score.weight.T, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["plain", "chat"])
def test_texts_split_together_are_what_each_is_alone(kind):
    text = RewardText(tokenizer(CHAT_WORDS, template=CHAT if kind == "chat" else None), max_length=5)
    asked = [("say a one", "b c"), ("two", ""), ("say a one", "b c"), ("", "three three three d")]
    together = text.all_tokens(asked)
    assert list(together) == list(dict.fromkeys(asked))
    assert together == {one: text.tokens(*one) for one in asked}
    assert text.all_tokens([]) == {}


def test_a_tokenizer_without_an_end_token_is_refused():
    made = tokenizer(WORDS)
    made.eos_token = None
    with pytest.raises(InputError, match=r"neither an end token nor .* set tokenizer.eos_token"):
        RewardText(made)


def test_a_long_text_loses_its_beginning_and_says_so_once(caplog):
    text = RewardText(tokenizer(WORDS), max_length=4)
    whole = RewardText(tokenizer(WORDS)).tokens("say one two", "a b")
    with caplog.at_level(logging.WARNING):
        assert text.tokens("say one two", "a b") == whole[-4:]
        text.tokens("say one two three", "a b")
        assert RewardText(tokenizer(WORDS), max_length=6).tokens("say one two", "a b") == whole
    assert [r.message for r in caplog.records] == [
        "a prompt with its response has 6 tokens; of a longer text the last 4 are read (max_length)"
    ]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 100))
def test_batches_hold_every_row_once_and_keep_to_the_bound(lengths, bound):
    batches = length_sorted(lengths, bound)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) * longest <= bound or len(batch) == 1
    firsts = [lengths[batch[0]] for batch in batches]
    assert firsts == sorted(firsts, reverse=True)


def test_no_rows_are_no_batches():
    assert length_sorted([], 10) == []
