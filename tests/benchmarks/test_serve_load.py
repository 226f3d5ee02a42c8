"""The load on the server: what counts as a fault, and one small run of everything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.serve_client import Reply
from benchmarks.serve_fuzz import markdown as fuzz_table
from benchmarks.serve_load import main, ratios
from benchmarks.serve_mix import Shot, mixed, plain
from benchmarks.serve_storm import Storm, flatness, pace, verdict

ALONE = [Reply(200, ("one two",), 2, 0.1, 0.2, True), Reply(200, ("three",), 1, 0.1, 0.1, True)]


def test_requests_are_all_different_and_of_all_kinds() -> None:
    found = mixed("m", 200, seed=1)
    assert len({json.dumps(body) for body in found}) == 200
    assert {body["refine"]["steps"] for body in found} == {0, 1, 2, 3}
    assert {len(body["messages"]) for body in found} == {1, 3, 7}
    assert 60 < sum("stream" in body for body in found) < 140
    assert found == mixed("m", 200, seed=1) != mixed("m", 200, seed=2)
    assert all("refine" not in body and body["temperature"] == 0 for body in plain("m", 50, seed=1))


def test_what_counts() -> None:
    left = replace(ALONE[0], ended=False, cancelled=True)
    replies = [
        (Shot(0, None), ALONE[0]),
        (Shot(0, None), replace(ALONE[0], texts=("one too",))),  # differs
        (Shot(0, None), replace(ALONE[1])),  # another's
        (Shot(0, 1), replace(left, texts=("one",))),
        (Shot(0, 1), replace(left, texts=("on two",))),  # does not begin like it
        (Shot(1, None), Reply(500, fault="failed")),
        (Shot(1, None), Reply(200, ("thr",))),  # just stops
    ]
    found = verdict(Storm(replies), ALONE)
    counted = {key: found[key] for key in ("sent", "finished", "left", "faults", "lost", "differ", "crossed", "cut")}
    expected = {"sent": 7, "finished": 3, "left": 2, "faults": 1, "lost": 1, "differ": 2, "crossed": 1, "cut": 1}
    assert counted == expected


def test_the_pace_counts_whole_answers_only() -> None:
    found = pace(Storm([(Shot(0, None), ALONE[0]), (Shot(1, None), Reply(500, fault="x"))], seconds=2.0, cpu=0.5))
    assert (found["answers"], found["tokens_s"], found["cpu_ms_answer"], found["tokens_cpu_s"]) == (1, 1.0, 500.0, 4.0)


def test_memory_that_grows_is_told_from_memory_that_does_not() -> None:
    rng = np.random.default_rng(0)
    flat = flatness([(float(t), 500 + rng.normal()) for t in range(120)])
    grows = flatness([(float(t), 500 + t / 6 + rng.normal()) for t in range(120)])
    assert abs(flat["slope_mib_min"]) < 2 * flat["plus_minus"]
    assert abs(grows["slope_mib_min"] - 10) < grows["plus_minus"] < 2


def test_a_ratio_is_of_single_rounds() -> None:
    names = ["a1", "a32", "b1", "b32", "peer"]
    rounds = [
        {name: {"tokens_s": value * k, "tokens_cpu_s": 1.0} for k, name in enumerate(names, 1)} for value in (1, 9)
    ]
    found = ratios(rounds)
    assert found["a32 / a1, tokens_s"] == {"median": 2.0, "low": 2.0, "high": 2.0}
    assert found["b32 / peer, tokens_s"]["median"] == pytest.approx(0.8)


@pytest.mark.slow
def test_everything_once(tmp_path: Path) -> None:
    few = ["--clients", "3", "--seconds", "14", "--requests", "12", "--rounds", "1", "--block", "0.5"]
    path = main([*few, "--client-core", "0", "--results", str(tmp_path)])
    found = json.loads(path.read_text())
    load = found["load"]
    assert (load["faults"], load["lost"], load["differ"], load["cut"], load["alive"]) == (0, 0, 0, 0, True)
    assert load["finished"] > 10
    assert found["blocks"]["equal"]["of"] == 12
    assert "| errors | 0 |" in path.with_suffix(".md").read_text()


def test_the_table_of_attacks_names_what_failed() -> None:
    schema = {"version": "4", "operations": 3, "requests": 10, "failures": ["Server error: GET /"]}
    results = {
        "name": "n",
        "date": "d",
        "by_hand": {"sent": 5, "wrong": ["x: status 500"], "slowest_s": 0.1},
        "slow": {"connections": 2, "cut_off": 2, "slowest_other_s": 0.1},
        "schemathesis": schema,
        "memory_mib": [1.0, 2.0],
        "files": [3, 3],
        "failures_in_log": 1,
        "alive": True,
        "answers_inside": 0,
        "answers_that_differ": 0,
        "left_out": {"a": "b"},
    }
    table = fuzz_table(results)
    assert "| of them answered wrongly, or not | 1 |" in table
    assert "Server error: GET /" in table
