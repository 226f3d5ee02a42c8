"""The benchmark of pairs measures what it says: the pairs' lengths, the ratios, and one tiny run of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.case import Case
from benchmarks.models import build_tokenizer
from benchmarks.pair_step import cases, main, parse, summarise


def test_pairs_have_the_lengths_they_say() -> None:
    case = Case(game="pairs", contender="pair_slhf", size="nano", prompt_tokens=20, new_tokens=12, micro_batch=5)
    tokenizer = build_tokenizer("nano")
    for pair in case.pairs(2):
        context = tokenizer.apply_chat_template(pair["prompt"], add_generation_prompt=True, return_dict=False)
        assert len(context) == 20
        assert [len(pair[side].split()) + 1 for side in ("chosen", "rejected")] == [12, 12]
    varied = Case(**{**case.__dict__, "lengths": "varied"}).pairs(40)
    lengths = [len(pair[side].split()) + 1 for pair in varied for side in ("chosen", "rejected")]
    assert (min(lengths), max(lengths)) == (3, 12)
    assert case.pairs(2) == case.pairs(2)


def test_a_ratio_is_the_peers_median_over_ours() -> None:
    def record(wall: float, peak: float) -> dict:
        return {"steps": [{"wall": wall, "cpu": wall / 2}], "peak_mib": peak, "idle_mib": 100.0}

    rounds = [
        {"pair_slhf": record(1.0, 150.0), "pair_trl": record(3.0, 300.0)},
        {"pair_slhf": record(2.0, 200.0), "pair_trl": record(4.0, 300.0)},
    ]
    found = summarise(rounds)
    assert found["wall_ratio"] == {"median": pytest.approx(3.5 / 1.5), "low": 2.0, "high": 3.0}
    assert found["cpu_ratio"]["median"] == pytest.approx(3.5 / 1.5)
    assert found["memory_ratio"] == {"median": 3.0, "low": 2.0, "high": 4.0}


def test_cells_are_read_and_unknown_contenders_refused(capsys: pytest.CaptureFixture[str]) -> None:
    asked = parse(["--cells", "nano:20:12:varied", "--dtype", "fp32,bf16"])
    assert [(case.size, case.prompt_tokens, case.new_tokens, case.lengths, case.dtype) for case in cases(asked)] == [
        ("nano", 20, 12, "varied", "fp32"),
        ("nano", 20, 12, "varied", "bf16"),
    ]
    with pytest.raises(SystemExit):
        parse(["--contenders", "pair_slfh"])
    assert "pair_slhf, pair_trl" in capsys.readouterr().err


@pytest.mark.slow
def test_a_tiny_run_writes_its_results(tmp_path: Path) -> None:
    settings = ["--cells", "nano:20:12:fixed", "--contenders", "pair_slhf", "--micro-batch", "2", "--rounds", "1"]
    path = main([*settings, "--warmup", "1", "--steps", "2", "--results", str(tmp_path)])
    (block,) = json.loads(path.read_text())["cases"]
    record = block["rounds"][0]["pair_slhf"]
    assert len(record["steps"]) == 2
    assert record["completions"] == 4
    assert all(step["score"] > 0 and step["backward"] > 0 for step in record["steps"])
    assert "| nano, prompts of 20" in path.with_suffix(".md").read_text()
