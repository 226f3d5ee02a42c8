"""Texts as rows of tables: every token once, shared beginnings once, everybody sees what they may see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slhf.judges.reward_attention import Attention
from slhf.judges.reward_rows import Table, tables

texts_of_few_tokens = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=24), min_size=1, max_size=12)


def read_back(table: Table) -> list[list[int]]:
    """The tokens of a table's texts, as the attention of their last tokens sees them."""
    found: dict[int, list[int]] = {}
    for block in table.last:
        for query, keys in zip(block.queries, block.keys, strict=True):
            end = list(keys).index(table.ends[query[0]])
            found[int(query[0])] = [int(table.tokens[row]) for row in keys[: end + 1]]
            assert [int(table.places[row]) for row in keys[: end + 1]] == list(range(end + 1))
    return [found[n] for n in range(len(table.texts))]


@given(texts_of_few_tokens, st.integers(1, 60))
def test_tables_hold_every_text_once_and_keep_to_the_bound(texts, most):
    laid = tables(texts, most)
    assert sorted(int(n) for table in laid for n in table.texts) == list(range(len(texts)))
    for table in laid:
        assert len(table.tokens) <= most or len(table.texts) == 1
        assert read_back(table) == [texts[n] for n in table.texts]


@given(texts_of_few_tokens)
def test_attention_in_blocks_is_attention_of_each_text_alone(texts):
    (table,) = tables(texts, 10_000)
    generator = torch.Generator().manual_seed(len(table.tokens))
    q, k, v = (torch.randn(len(table.tokens), heads, 8, generator=generator) for heads in (4, 2, 2))
    found = Attention(table.blocks, len(table.tokens), q.dtype)(q, k, v)
    ends = torch.from_numpy(table.ends)
    last = Attention(table.last, len(ends), q.dtype)(q[ends], k, v)
    for n, path in enumerate(paths(table)):
        own_k, own_v = (part[path].repeat_interleave(2, dim=1) for part in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q[path], own_k) / 8**0.5
        hidden = torch.ones(len(path), len(path), dtype=torch.bool).triu(1)
        expected = torch.einsum("hqk,khd->qhd", scores.masked_fill(hidden, float("-inf")).softmax(-1), own_v)
        torch.testing.assert_close(found[path], expected.flatten(1), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(last[n], expected[-1].flatten(), atol=1e-5, rtol=1e-5)


def paths(table: Table) -> list[list[int]]:
    """The rows of each text, from its beginning."""
    found: dict[int, list[int]] = {}
    for block in table.last:
        for query, keys in zip(block.queries, block.keys, strict=True):
            rows = [int(row) for row in keys]
            found[int(query[0])] = rows[: rows.index(int(table.ends[query[0]])) + 1]
    return [found[n] for n in range(len(table.texts))]


def test_a_prompt_is_there_once_for_all_its_responses():
    prompt = list(range(100, 120))
    texts = [[*prompt, 1, 2], [*prompt, 3], [*prompt, 1, 4, 5], [7, 8, 9]]
    (table,) = tables(texts, 100)
    assert len(table.tokens) == len(prompt) + (2 + 1 + 2) + 3  # and the 1 that two responses begin with is there once
    assert sorted(table.tokens) == sorted([*prompt, 1, 2, 3, 4, 5, 7, 8, 9])


def test_a_few_tokens_are_not_worth_sharing():
    (table,) = tables([[1, 2, 3, 4], [1, 2, 3, 5]], 100)
    assert len(table.tokens) == 8
    assert all((block.starts == 0).all() for block in table.blocks)


def test_the_same_tokens_twice_are_computed_once():
    text = list(range(30))
    texts = [text, [*text, 31], text]
    (table,) = tables(texts, 100)
    assert len(table.tokens) == 31
    assert read_back(table) == [texts[n] for n in table.texts]


@pytest.mark.parametrize("most", [1, 10])
def test_a_text_longer_than_the_bound_is_a_table_of_its_own(most):
    laid = tables([list(range(20)), list(range(1, 21))], most)
    assert [len(table.tokens) for table in laid] == [20, 20]


def test_padding_stays_below_what_a_call_costs():
    lengths = np.random.default_rng(0).integers(1, 200, 40)
    (table,) = tables([[n] * length for n, length in enumerate(lengths)], 10_000)
    assert sum(len(block.queries) for block in table.blocks) == 40
    assert len(table.blocks) < 40
    for block in table.blocks:
        used = sum(len(set(rows)) ** 2 for rows in block.queries)
        assert block.queries.shape[0] * block.queries.shape[1] ** 2 - used <= 2048 * (len(block.queries) - 1)
