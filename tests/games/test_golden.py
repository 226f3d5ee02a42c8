"""Small games worked out by hand; each file says how. The first one is a cycle on three items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from slhf.games.files import read_preferences
from slhf.games.majority import (
    condorcet_loser,
    condorcet_winner,
    cyclic_share,
    has_cycle,
    majority_cycles,
    smith_set,
)
from slhf.games.transitivity import transitivity

CASES = sorted((Path(__file__).parent / "golden").glob("*.json"))


def test_the_first_case_is_a_cycle_on_three_items():
    first = json.loads(CASES[0].read_text(encoding="utf-8"))
    assert first["expected"]["cycles"] == [[0, 1, 2]]
    assert len(first["expected"]["p"]) == 3


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden(path, tmp_path):
    case = json.loads(path.read_text(encoding="utf-8"))
    file = tmp_path / "game.json"
    file.write_text(json.dumps(case["input"]), encoding="utf-8")
    data, wanted = read_preferences(file), case["expected"]
    np.testing.assert_allclose(data.p, wanted["p"], rtol=0, atol=1e-15)
    assert data.uncompared == wanted.get("uncompared", 0)
    assert condorcet_winner(data.p) == wanted["condorcet_winner"]
    assert condorcet_loser(data.p) == wanted["condorcet_loser"]
    assert smith_set(data.p) == tuple(wanted["smith_set"])
    cycles = majority_cycles(data.p)
    assert [list(cycle.actions) for cycle in cycles] == wanted["cycles"]
    margins = np.reshape([cycle.margins for cycle in cycles], (-1, 3))
    np.testing.assert_allclose(margins, np.reshape(wanted["margins"], (-1, 3)), rtol=0, atol=1e-15)
    assert cyclic_share(data.p) == wanted["cyclic_share"]
    assert has_cycle(data.p) is wanted["has_cycle"]
    found = transitivity(data.p)
    assert [found.weak, found.moderate, found.strong] == [wanted["weak"], wanted["moderate"], wanted["strong"]]
