"""The Nash timings: what they report is what was solved, and ratios are paired by round."""

from __future__ import annotations

import pytest
from benchmarks.games_nash import OURS, markdown, one, summarise


@pytest.mark.parametrize("name", OURS)
def test_a_contender_reports_its_seconds_and_the_exploitability_of_what_it_returned(name: str) -> None:
    record = one(name, actions=12, repeats=2, seed=0)
    assert len(record["seconds"]) == 2
    assert min(record["seconds"]) >= 0.0
    assert -1e-12 <= record["exploitability"] <= 1e-9


def test_ratios_are_paired_by_round_and_tabled() -> None:
    def record(seconds: float) -> dict:
        return {"seconds": [seconds], "first": 1.0, "exploitability": 1e-16, "versions": {"numpy": "2"}}

    rounds = [
        {"slhf": record(1.0), "slhf-tau": record(0.5), "nashpy": record(3.0)},
        {"slhf": record(2.0), "slhf-tau": record(0.5), "nashpy": record(8.0)},
    ]
    summary = summarise(rounds)
    assert summary["nashpy"]["over slhf"] == [3.5, 3.0, 4.0]
    assert summary["nashpy"]["over slhf-tau"] == [11.0, 6.0, 16.0]
    table = markdown(
        {"name": "n", "date": "d", "machine": {"cpu": "c"}, "actions": 12, "rounds": rounds, "summary": summary}
    )
    assert "| nashpy | 5.5000 | 3.50 (3.00–4.00) | 11.00 (6.00–16.00) | 1.0e-16 | 1.00 |" in table
