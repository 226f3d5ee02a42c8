"""The timing of judges: contenders do the same work, the server keeps its pace, and the tables say what was timed."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from benchmarks.judges import main, markdown
from benchmarks.judges_chat import bare, serving
from benchmarks.judges_panel import build, pairs, panel, plainly, toy_pairs
from benchmarks.models import build_tokenizer

from slhf import toy
from slhf.judges.reward_text import RewardText


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Five tiny adapters, and five heads."""
    return build(tmp_path_factory.mktemp("models"), hidden=32, layers=1)


def test_pairs_are_as_long_and_as_many_as_is_said() -> None:
    for responses, distinct in ((2, 180), (10, 20)):
        found = pairs(90, responses)
        assert len(found) == len({(c.prompt, c.first, c.second) for c in found}) == 90
        assert len({(c.prompt, text) for c in found for text in (c.first, c.second)}) == distinct
    tokens = RewardText(build_tokenizer("tiny"))
    lengths = [len(tokens.tokens(c.prompt, text)) for c in pairs(600, 2) for text in (c.first, c.second)]
    assert 15 <= min(lengths) <= 25
    assert 190 <= max(lengths) <= 208


def test_the_plain_procedure_votes_as_the_panel_does(models) -> None:
    adapters, heads = models
    asked = pairs(20, 4)
    found = panel(adapters).prefer(asked)
    np.testing.assert_allclose(found, plainly(adapters)(asked), atol=1e-12)
    assert len(set(found.round(6))) > 2  # the five do not always agree
    assert panel(heads).prefer(asked).shape == (20,)


def test_embedded_pairs_are_real_and_all_different() -> None:
    found = toy_pairs(1000)
    said = {(row["prompt"], row["response"]) for row in toy.preferences()}
    sides = [(c.prompt, text) for c in found for text in (c.first, c.second)]
    assert len(found) == 1000
    assert len(set(sides)) == 2000
    assert set(sides) <= said


@pytest.mark.parametrize("slots", [1, 4])
def test_the_server_is_never_quicker_than_its_pace(slots) -> None:
    with serving(slots, 0.01) as port:
        began = time.perf_counter()
        bare(port, 40, 2 * slots)
        assert time.perf_counter() - began >= 40 * 0.01 / slots


def test_a_small_run_writes_results_and_tables(tmp_path) -> None:
    small = ["--pairs", "3", "--toys", "4", "--hidden", "32", "--layers", "1", "--kept", "300", "--slots", "2,3"]
    path = main([*small, "--seconds", "0.1", "--rounds", "2", "--results", str(tmp_path)])
    found = json.loads(path.read_text())
    assert [part["differ"] < 1e-12 for part in found["panel"]] == [True] * 3
    assert [part["count"] for part in found["panel"]] == [3, 3, 4]
    assert all(len(one["rounds"]) == 2 for one in found["panel"])
    assert {len(rounds) for rounds in found["kept"]["ways"].values()} == {2}
    assert [(one["slots"], one["limit"], one["questions"]) for one in found["chat"]] == [(2, 100, 10), (3, 150, 16)]
    for one in found["chat"]:
        least = one["questions"] / one["limit"]
        assert all(spent["wall"] > 0.9 * least for rounds in one["spent"].values() for spent in rounds)
    for part in found["panel"]:
        part["rounds"] = [{"adapters": {"cpu": 2.0, "wall": 3.0}, "plain": {"cpu": 5.0, "wall": 6.0}}] * 2
    found["chat"][0]["spent"] = {"bare": [{"cpu": 0.01, "wall": 0.2}], "slhf": [{"cpu": 0.02, "wall": 0.25}]}
    table = markdown(found)
    assert "| adapters | 2.00 | 3.00 | 2.50 | 2.00 |" in table
    assert "| 2 | 100 | 50 | 40 | 40.0% | 80.0% | 2.00 | 500 |" in table
    assert path.with_suffix(".md").is_file()
