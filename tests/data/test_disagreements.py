"""HelpSteer2's disagreements: means decide, annotators say how surely; against brute force."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from tests.pair_rows import ROWS, helpsteer2, write

from slhf.cli import main
from slhf.data import load_pairs
from slhf.data.disagreements import people_vote, vote
from slhf.data.helpsteer2 import ATTRIBUTES, PANEL

LESS_IS_BETTER = ("complexity", "verbosity")


def some_rows(seed: int, prompts: int = 30, fewest: int = 2) -> list[dict]:
    """Two or three responses to each prompt, each rated by two to five people."""
    rng = np.random.default_rng(seed)

    def rated() -> list[int]:
        return [int(x) for x in rng.integers(0, 5, rng.integers(fewest, 6))]

    return [
        helpsteer2(f"prompt {i}", f"response {i}.{j}", *(rated() for _ in ATTRIBUTES))
        for i in range(prompts)
        for j in range(rng.integers(2, 4))
    ]


def by_hand(first: list[int], second: list[int], attribute: str) -> float:
    """SciPy's Mann–Whitney U, divided by the number of pairs, where it points the way the means do."""
    from scipy.stats import mannwhitneyu

    sign = -1 if attribute in LESS_IS_BETTER else 1
    share = mannwhitneyu(sign * np.array(first), sign * np.array(second)).statistic / (len(first) * len(second))
    ahead = sign * (np.sum(first) * len(second) - np.sum(second) * len(first))  # whole numbers: no rounding
    return share if (share > 0.5 and ahead > 0) or (share < 0.5 and ahead < 0) else 0.5


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_pairs_are_those_of_brute_force(tmp_path, attribute):
    rows = some_rows(seed=1)
    expected = {}
    for a, b in combinations(rows, 2):
        if a["prompt"] == b["prompt"]:
            p = by_hand(a[attribute], b[attribute], attribute)
            chosen, rejected = (a, b) if p >= 0.5 else (b, a)
            expected[chosen["response"], rejected["response"]] = max(p, 1 - p)
    pairs = load_pairs(write(tmp_path / "d.jsonl", rows), attribute=attribute, ties="half").to_list()
    found = {(pair["chosen"], pair["rejected"]): pair["preference"] for pair in pairs}
    assert found.keys() == expected.keys()
    assert [found[key] for key in expected] == pytest.approx(list(expected.values()), abs=1e-12)
    assert len({round(p, 6) for p in found.values()}) > 10, "soft, and not a few steps"
    lists = {row["response"]: row[attribute] for row in rows}
    sign = -1 if attribute in LESS_IS_BETTER else 1
    for pair in pairs:
        means = np.mean(lists[pair["chosen"]]), np.mean(lists[pair["rejected"]])
        assert (pair["chosen_rating"], pair["rejected_rating"]) == pytest.approx(means)
        assert pair["margin"] == pytest.approx(sign * (means[0] - means[1]))
        assert (pair["chosen_raters"], pair["rejected_raters"]) == (
            len(lists[pair["chosen"]]),
            len(lists[pair["rejected"]]),
        )
        if pair["preference"] > 0.5:
            assert pair["margin"] > 0, "the means decide"


def test_the_cases_by_hand():
    assert people_vote((3, 3, 4), (2, 3, 1), "helpfulness") == pytest.approx(8 / 9), "2½ + 2½ + 3 of 9"
    assert people_vote((4, 0, 0), (1, 1, 1), "helpfulness") == 0.5, "means and annotators disagree"
    assert people_vote((2, 2, 2), (3, 3, 0), "helpfulness") == 0.5, "equal means are a tie"
    assert people_vote((2, 2), (2, 2), "verbosity") == 0.5
    assert people_vote((1, 1), (3, 3), "verbosity") == 1.0, "less is better"
    assert people_vote((1, 1), (3, 3), "correctness") == 0.0
    assert people_vote((3,), (2, 4, 1), "helpfulness") == 1.0, "rated once: the means alone, 3 against 7/3"


def test_swapping_gives_the_rest():
    rng = np.random.default_rng(0)
    for _ in range(300):
        one, two = ({a: tuple(rng.integers(0, 5, rng.integers(1, 5)).tolist()) for a in ATTRIBUTES} for _ in range(2))
        for attribute in (*ATTRIBUTES, PANEL):
            assert vote(one, two, attribute) + vote(two, one, attribute) == pytest.approx(1.0, abs=1e-12)


def test_lists_of_one_are_the_first_form(tmp_path):
    """A rating each, as lists and as numbers: the same pairs."""
    rows = some_rows(seed=3)
    for row in rows:
        row.update({a: row[a][:1] for a in ATTRIBUTES})
    lists = load_pairs(write(tmp_path / "lists.jsonl", rows), attribute=PANEL, ties="half")
    for row in rows:
        row.update({a: row[a][0] for a in ATTRIBUTES})
    numbers = load_pairs(write(tmp_path / "numbers.jsonl", rows), attribute=PANEL, ties="half")
    assert lists.to_list() == numbers.to_list()


def test_the_command_shows_them(tmp_path, capsys):
    path = write(tmp_path / "disagreements.jsonl", some_rows(seed=5))
    assert main(["data", "show", str(path), "--attribute", "verbosity", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["attribute"]) == ("helpsteer2-disagreements", "verbosity")
    assert found["first_unusable"] == ""
    assert {"chosen_raters", "rejected_raters"} <= set(found["columns"])
    write(path, [*ROWS["helpsteer2-disagreements"], helpsteer2("Name a bird.", "Tit", *[[1, 9]] * 5)])
    assert main(["data", "show", str(path)]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "row 2: helpfulness[1] is 9" in shown
    assert main(["data", "show", str(path), "--attribute", "verbose"]) == 2
    assert "Did you mean 'verbosity'?" in " ".join(capsys.readouterr().err.split())
