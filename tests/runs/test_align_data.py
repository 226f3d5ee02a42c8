"""What a run of alignment reads is checked before anything long starts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from slhf.data.pair_files import read_rows, write_rows
from slhf.errors import InputError
from slhf.runs.align_data import (
    build_align_data,
    farthest_pairs,
    flipped,
    fresh_prompts,
    in_one_form,
    key_of,
    random_pairs,
    seed_count,
)
from slhf.runs.align_recipe import SeedSettings, parse_align_recipe


def recipe(values, **changes):
    """The recipe with some settings changed: ``seed__limit=3`` is ``seed.limit``."""
    values = json.loads(json.dumps(values))
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            values[section][key] = value
        else:
            values[section] = value
    return parse_align_recipe(values, "t.yaml")


def test_pools_are_fresh(align_values):
    made = recipe(align_values)
    data = build_align_data(made)
    seeds = [data.labelled[i] for i in random_pairs(data.labelled, 12, 5)]
    pools = fresh_prompts(made, data.pool, seeds)
    assert [len(pool) for pool in pools] == [14, 10]
    drawn = [row["prompt"] for pool in pools for row in pool]
    assert len(set(drawn)) == 24
    held_out = {row["prompt"] for row in data.held_out}
    assert not set(drawn) & ({row["prompt"] for row in seeds} | held_out)
    assert fresh_prompts(made, data.pool, seeds) == pools
    assert fresh_prompts(recipe(align_values, args__seed=6), data.pool, seeds) != pools


def test_prompts_of_seed_pairs_are_left_out_of_the_pool(align_values):
    made = recipe(align_values, pool__data=align_values["seed"]["data"], pool__size=[6, 6])
    data = build_align_data(made)
    seeds = data.labelled[:12]
    taken = {row["prompt"] for row in seeds}
    assert not taken & {row["prompt"] for pool in fresh_prompts(made, data.pool, seeds) for row in pool}
    short = recipe(align_values, pool__data=align_values["seed"]["data"], pool__size=[7, 6])
    with pytest.raises(InputError, match=r"t\.yaml: pool\.size: 2 iterations take 13 prompts, 12 are left of 24"):
        fresh_prompts(short, data.pool, seeds)


def test_held_out_prompts_are_refused(align_values, tmp_path):
    with pytest.raises(InputError, match=r"pool\.data .*: 16 of 16 prompts are held out for the evaluation, the first"):
        build_align_data(recipe(align_values, pool__data=align_values["evaluation"]["data"]))
    rows = [{"prompt": [{"role": "user", "content": "new a a"}], "chosen": "x", "rejected": "y", "preference": 1.0}]
    mixed = write_rows(tmp_path / "talk.jsonl", rows)
    with pytest.raises(InputError, match=r"seed\.data .*: 1 of 1 prompts are held out"):
        build_align_data(recipe(align_values, seed__data=str(mixed)))


@pytest.mark.parametrize(
    ("section", "lines", "message"),
    [
        (
            "seed",
            [{"prompt": "a", "response": "b"}],
            r"t\.yaml: seed: .* holds no preferences in a known format.*missing there: 'chosen'",
        ),
        ("seed", [{"prompt": "a", "chosen": "b", "rejected": "b"}], "are the same text"),
        ("seed", [], r"t\.yaml: seed: .*wrong\.jsonl is empty"),
        ("pool", [], r"wrong\.jsonl is empty"),
        ("pool", [{"prompt": " "}], "the prompt is empty"),
        ("evaluation", [{"prompt": "only one"}], r"t\.yaml: evaluation: intervals need at least 10"),
    ],
)
def test_files_that_cannot_be_used(align_values, tmp_path, section, lines, message):
    path = tmp_path / "wrong.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=message):
        build_align_data(recipe(align_values, **{f"{section}__data": str(path)}))


def test_how_many_seed_pairs():
    assert seed_count(SeedSettings("x"), 30, "r") == 30
    assert seed_count(SeedSettings("x", share=0.05), 3982, "r") == 199
    with pytest.raises(InputError, match="is none; take a larger share"):
        seed_count(SeedSettings("x", share=0.01), 20, "r")
    with pytest.raises(InputError, match="31 pairs asked for, 30 are there"):
        seed_count(SeedSettings("x", limit=31), 30, "r")


def test_wrong_labels_are_nested():
    rows = [{"prompt": str(i), "chosen": "yes", "rejected": "no"} for i in range(50)]
    wrong = {
        share: {row["prompt"] for row in flipped(rows, share, seed=1) if row["chosen"] == "no"}
        for share in (0.0, 0.1, 0.4, 1.0)
    }
    assert [len(found) for found in wrong.values()] == [0, 5, 20, 50]
    assert wrong[0.1] < wrong[0.4] < wrong[1.0]
    assert all({row["chosen"], row["rejected"]} == {"yes", "no"} for row in flipped(rows, 0.4, seed=1))


def test_farthest_pairs_take_every_prompt_before_any_twice():
    rng = np.random.default_rng(0)
    rows = [{"prompt": f"p{i % 7}"} for i in range(20)]
    embeddings = {f"p{i}": rng.normal(size=3) for i in range(7)}
    for count in (1, 5, 7, 12, 20):
        chosen = farthest_pairs(rows, embeddings, count, seed=2)
        assert len(set(chosen)) == count
        times = Counter(rows[i]["prompt"] for i in chosen)
        assert max(times.values()) - min(times.get(f"p{i}", 0) for i in range(7)) <= 1


def test_prompts_in_one_form(tmp_path: Path):
    one = [{"role": "user", "content": "Hi"}]
    two = [*one, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go"}]
    assert key_of(one) == key_of("Hi") != key_of(two)
    texts = [{"prompt": one}, {"prompt": "Hello"}]
    in_one_form([texts])
    assert [row["prompt"] for row in texts] == ["Hi", "Hello"]
    mixed = [{"prompt": "Hi"}, {"prompt": two}]
    in_one_form([mixed])
    assert [row["prompt"] for row in mixed] == [one, two]
    assert read_rows(write_rows(tmp_path / "mixed.parquet", mixed)) == mixed
