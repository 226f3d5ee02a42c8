"""JSON: every way to write preferences, batches of prompts, and messages that name the entry."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf.errors import InputError
from slhf.games.files import read_preferences
from slhf.games.population import population
from slhf.games.preference_data import paradox
from slhf.games.rankings import from_rankings

CYCLE = [[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]]
NAMES = ("A", "B", "C")


def test_json_matrices(write):
    assert read_preferences(write("p.json", CYCLE)).actions == ("0", "1", "2")
    data = read_preferences(write("p.json", {"description": "…", "actions": NAMES, "p": CYCLE}))
    assert data.actions == NAMES
    np.testing.assert_array_equal(data.p, CYCLE)
    several = read_preferences(write("p.json", [CYCLE, CYCLE]))
    assert several.p.shape == (2, 3, 3)
    assert several.prompts is None


def test_json_votes_and_rankings(write, caplog):
    votes = read_preferences(write("p.json", {"actions": ["A", "B"], "votes": [[0, 3], [1, 0]]}))
    assert votes.p.tolist() == [[0.5, 0.75], [0.25, 0.5]]
    assert votes.votes is not None
    assert votes.votes.tolist() == [[0, 3], [1, 0]]
    given_ = {"actions": NAMES, "rankings": [["A", "B"], {"ranking": ["B", "A"], "count": 3}, {"ranking": ["B"]}]}
    path = write("p.json", given_)
    with caplog.at_level(logging.WARNING):
        rankings = read_preferences(path)
    assert rankings.p.tolist() == [[0.5, 0.25, 0.5], [0.75, 0.5, 0.5], [0.5, 0.5, 0.5]]
    assert rankings.uncompared == 2
    assert rankings.votes is not None
    assert rankings.votes.tolist() == [[0, 1, 0], [3, 0, 0], [0, 0, 0]]
    assert [r.getMessage() for r in caplog.records] == [f"{path}: 2 of 3 pairs were never compared; they get ½"]


def test_json_types_are_a_population(write):
    types = [
        {"name": "a1", "weight": 40, "ranking": ["A", "B", "C"]},
        {"name": "a2", "weight": 35, "ranking": ["B", "C", "A"]},
        {"name": "a3", "weight": 25, "utilities": [0.1, -7, 3]},
    ]
    data, wanted = read_preferences(write("p.json", {"actions": NAMES, "types": types})), paradox([0.4, 0.35, 0.25])
    np.testing.assert_array_equal(data.p, wanted.p)
    assert data.population is not None
    assert wanted.population is not None
    assert data.population.names == wanted.population.names
    np.testing.assert_array_equal(data.population.weights, wanted.population.weights)
    np.testing.assert_array_equal(data.population.favourites(), wanted.population.favourites())
    unnamed = read_preferences(write("p.json", {"types": [{"utilities": [1, 2]}, {"utilities": [2, 1]}]}))
    assert unnamed.population is not None
    assert unnamed.population.names == ("type 1", "type 2")
    assert unnamed.p.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_json_batch_of_prompts(write, caplog):
    prompts = [
        {"prompt": "tea?", "weight": 3, "p": [[0.5, 0.6], [0.4, 0.5]]},
        {"prompt": "coffee?", "weight": 1, "votes": [[0, 0], [0, 0]]},
    ]
    with caplog.at_level(logging.WARNING):
        data = read_preferences(write("p.json", {"actions": ["yes", "no"], "prompts": prompts}))
    assert data.p.tolist() == [[[0.5, 0.6], [0.4, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]
    assert data.prompts == ("tea?", "coffee?")
    assert data.rho is not None
    assert data.rho.tolist() == [0.75, 0.25]
    assert data.population is None
    assert data.votes is None
    assert len(caplog.records) == 1
    assert "1 of 2 pairs" in caplog.records[0].getMessage()


def test_the_same_types_on_every_prompt_stay_a_population(write):
    def prompt(first, second, name="b"):
        return {"types": [{"name": "a", "utilities": first}, {"name": name, "utilities": second}]}

    data = read_preferences(write("p.json", {"prompts": [prompt([1, 2], [2, 1]), prompt([1, 2], [1, 2])]}))
    assert data.prompts == ("prompt 1", "prompt 2")
    assert data.rho is None
    wanted = population([[[1, 2], [2, 1]], [[1, 2], [1, 2]]], names=["a", "b"])
    assert data.population is not None
    np.testing.assert_array_equal(data.population.utilities, wanted.utilities)
    np.testing.assert_array_equal(data.population.weights, wanted.weights)
    np.testing.assert_array_equal(data.p, wanted.preferences())
    others = read_preferences(write("p.json", {"prompts": [prompt([1, 2], [2, 1]), prompt([1, 2], [1, 2], "c")]}))
    assert others.population is None


@given(st.permutations(NAMES))
def test_permuting_the_names_in_a_file_permutes_what_is_read(tmp_path_factory, order):
    path = tmp_path_factory.mktemp("json") / "p.json"
    rankings = [["A", "B", "C"], ["B", "C", "A"], ["C", "A"]]
    path.write_text(json.dumps({"actions": order, "rankings": rankings}), encoding="utf-8")
    index = [NAMES.index(name) for name in order]
    p = from_rankings(rankings, NAMES)
    np.testing.assert_array_equal(read_preferences(path).p, p[np.ix_(index, index)])


def types(*entries):
    return {"actions": ["A", "B"], "types": list(entries)}


BAD_JSON = {
    "not json": ("{'p': 1}", "line 1, column 2: not valid JSON"),
    "number": ("3", "holds the number 3; write an object"),
    "unknown key": ({"action": ["a"], "p": CYCLE}, r"unknown key 'action'.*Did you mean 'actions'\?"),
    "no source": ({"actions": ["a"]}, "none of 'p', 'votes', 'rankings', 'types' is given"),
    "two sources": ({"p": CYCLE, "votes": CYCLE}, "'p' and 'votes' of .* is given; give exactly one"),
    "key twice": ('{"p": [[0.5]], "p": [[0.5]]}', "the key 'p' stands twice"),
    "empty": ({"p": []}, '"p" is empty'),
    "null": ({"p": [[0.5, None], [0.5, 0.5]]}, '"p", row 1, entry 2: null is not a number'),
    "text": ({"p": [[0.5, "0.5"], [0.5, 0.5]]}, '"p", row 1, entry 2: "0.5" is not a number'),
    "true": ({"p": [[0.5, True], [0.0, 0.5]]}, '"p", row 1, entry 2: true is not a number'),
    "huge": ('{"p": [[1' + "0" * 400 + "]]}", "too large"),
    "nan": ('{"p": [[0.5, NaN], [0.5, 0.5]]}', r"p\[0, 1\] = nan .*is not a number"),
    "range": ({"p": [[0.5, 1.5], [-0.5, 0.5]]}, r"p\[0, 1\] = 1.5 .*is outside \[0, 1\]"),
    "not square": ({"p": [[0.5, 0.5, 0.5]]}, '"p", row 1: 3 numbers for 1 rows; a matrix is square'),
    "row is none": ({"p": [[0.5, 0.5], 3]}, '"p", row 2 is the number 3; write a list'),
    "sizes": ([CYCLE, [[0.5]]], "the matrices have different sizes"),
    "names": ({"actions": ["a", "b"], "p": CYCLE}, '2 names in "actions", but "p" has 3'),
    "name twice": (
        {"actions": ["a", "a"], "p": [[0.5, 0.5], [0.5, 0.5]]},
        '"actions": actions 1 and 2 are both called',
    ),
    "name empty": ({"actions": ["a", " "], "p": [[0.5, 0.5], [0.5, 0.5]]}, "the name of action 2 is ' '"),
    "name number": ({"actions": [1, 2], "p": [[0.5, 0.5], [0.5, 0.5]]}, "the name of action 1 is 1; a name is a text"),
    "votes": ({"votes": [[0, -1], [1, 0]]}, r'"votes": votes\[0, 1\] is -1'),
    "own votes": ({"votes": [[2, 1], [1, 0]]}, "over itself"),
    "no actions": ({"rankings": [["A"]]}, r'a ranking needs to know all actions; add "actions"'),
    "missing action": ({"actions": ["A", "B"], "rankings": [["A", "C"]]}, "\"rankings\", entry 1: 'C' is not among"),
    "twice": ({"actions": ["A", "B"], "rankings": [["B", "A"], ["A", "A"]]}, "entry 2: 'A' stands twice"),
    "count": ({"actions": ["A"], "rankings": [{"ranking": ["A"], "count": 0}]}, '"count" is 0'),
    "ranking key": ({"actions": ["A"], "rankings": [{"ranking": ["A"], "counts": 1}]}, "Did you mean 'count'"),
    "ranking text": ({"actions": ["A"], "rankings": ["A"]}, "entry 1: a ranking is a text; write a list"),
    "type is text": (types("A"), "type 1: is a text; write an object"),
    "type key": (types({"rank": ["A"]}), r"unknown key 'rank'.*Did you mean 'ranking'"),
    "type both": (types({"ranking": ["A", "B"], "utilities": [1, 2]}), "give either a"),
    "type short": (types({"ranking": ["B"]}), "type 1: 'A' is not placed"),
    "type utilities": (types({"utilities": [1]}), "1 utilities for 2 actions"),
    "type weight": (
        types({"utilities": [1, 2], "weight": 1}, {"utilities": [1, 2]}),
        'weight" 2 of the types is missing',
    ),
    "type weight text": (types({"utilities": [1, 2], "weight": "1"}), "weight\" 1 of the types is '1'"),
    "type weight negative": (types({"utilities": [1, 2], "weight": -1}), "0 or more"),
    "type name twice": (types(*[{"utilities": [1, 2], "name": "x"}] * 2), "distinct names"),
    "prompts beside": ({"prompts": [], "p": CYCLE}, "'p' stands beside \"prompts\""),
    "no prompts": ({"prompts": []}, '"prompts" is empty'),
    "prompt text": ({"prompts": ["x"]}, "prompt 1: is a text; write an object"),
    "prompt number": ({"prompts": [{"prompt": 3, "p": CYCLE}]}, '"prompt" is the number 3'),
    "prompt sizes": ({"prompts": [{"p": CYCLE}, {"p": [[0.5]]}]}, "prompt 2: 1 actions where prompt 1 has 3"),
    "prompt matrices": ({"prompts": [{"p": [CYCLE, CYCLE]}]}, "give each prompt one matrix"),
    "prompt votes": ({"prompts": [{"p": CYCLE}, {"votes": [[0, -1], [0, 0]]}]}, r"prompt 2: \"votes\": votes\[0, 1\]"),
    "prompt entry": ({"prompts": [{"p": [[0.5, 0.7], [0.7, 0.5]]}]}, r"p\[0, 1\] = 0.7 .* add up to 1.4"),
    "deep": ("[" * 100_000, "without end|not valid JSON"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_bad_json_is_refused(write, case):
    content, message = BAD_JSON[case]
    path = write("p.json", content)
    with pytest.raises(InputError, match=message) as error:
        read_preferences(path)
    assert str(error.value).startswith(str(path))


def test_votes_of_every_prompt_are_kept(write):
    prompts = [{"votes": [[0, 2], [1, 0]]}, {"rankings": [["0", "1"]]}]
    data = read_preferences(write("p.json", {"actions": ["0", "1"], "prompts": prompts}))
    assert data.votes is not None
    assert data.votes.tolist() == [[[0, 2], [1, 0]], [[0, 1], [0, 0]]]
