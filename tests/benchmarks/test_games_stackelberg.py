"""The Stackelberg benchmark draws preference matrices, times what it says and writes a table."""

from __future__ import annotations

import json

import pytest
from benchmarks.games_stackelberg import games, main

from slhf.games import preference_matrix


@pytest.mark.parametrize(("prompts", "actions"), [(50, 3), (1, 40)])
def test_the_games_are_preference_matrices(prompts: int, actions: int) -> None:
    p = preference_matrix(games(prompts, actions, seed=1))
    assert p.shape == ((prompts, actions, actions) if prompts > 1 else (actions, actions))


def test_a_small_run_writes_results_and_a_table(tmp_path) -> None:
    path = main(["--games", "200", "--actions", "50", "--taus", "0,0.1", "--repeats", "2", "--results", str(tmp_path)])
    assert path is not None
    cells = json.loads(path.read_text())["cells"]
    assert [(c["prompts"], c["actions"], c["tau"]) for c in cells] == [
        (200, 3, 0.0), (1, 50, 0.0), (200, 3, 0.1), (1, 50, 0.1),
    ]  # fmt: skip
    for one in cells:
        assert len(one["wall"]) == len(one["cpu"]) == 2
        assert min(one["wall"]) > 0
        assert 0 <= one["largest_gap"] < 1e-10
        assert one["matrix_mib"] == pytest.approx(one["prompts"] * one["actions"] ** 2 * 8 / 2**20)
    assert path.with_suffix(".md").read_text().count("| 200 | 3 |") == 2
