"""PrefLib's four kinds of orders: real breakfasts, small files by hand, and wrong ones."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf.errors import InputError
from slhf.games.files import read_preferences
from slhf.games.majority import condorcet_winner, majority_cycles

HEADER = (
    "# FILE NAME: x\n# NUMBER ALTERNATIVES: 4\n# ALTERNATIVE NAME 1: Tea\n"
    "# ALTERNATIVE NAME 2: Milk: hot\n# ALTERNATIVE NAME 3: Água\n# ALTERNATIVE NAME 4: Cola\n"
)


@pytest.mark.parametrize(
    ("number", "cycles", "winner"),
    [("00000002", 4, "Danish pastry"), ("00000004", 2, "Buttered toast and jelly"), ("00000005", 4, "Buttered toast")],
)
def test_breakfasts(shared, number, cycles, winner):
    """The cycle counts are those published with the data; the winner is checked against the file's own lines."""
    path = shared / "data" / "preflib" / f"00035-{number}.soc"
    data = read_preferences(path)
    assert len(data.actions) == 15
    assert len(majority_cycles(data.p)) == cycles
    best = condorcet_winner(data.p)
    assert best is not None
    assert data.uncompared == 0
    assert data.population is not None
    np.testing.assert_allclose(data.population.preferences(), data.p, rtol=0, atol=1e-14)
    orders = [line.split(": ") for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    votes = [(int(count), order.split(",").index) for count, order in orders]
    for other in set(range(15)) - {best}:
        above = sum(n for n, at in votes if at(str(best + 1)) < at(str(other + 1)))
        assert data.p[best, other] == pytest.approx(above / 42, abs=1e-15)
        assert above > 21
    assert data.actions[best] == winner


def test_complete_strict_orders(write):
    text = HEADER + "# DATA TYPE: soc\n# NUMBER VOTERS: 4\n# NUMBER UNIQUE ORDERS: 2\n3: 1,2,3,4\n1: 4, 3, 2, 1\n"
    data = read_preferences(write("x.soc", text))
    assert data.actions == ("Tea", "Milk: hot", "Água", "Cola")
    np.testing.assert_array_equal(data.p, np.triu(np.full((4, 4), 0.5), 1) + np.full((4, 4), 0.25) + 0.25 * np.eye(4))
    assert data.population is not None
    assert data.population.weights.tolist() == [0.75, 0.25]
    assert data.population.names == ("order 1", "order 2")
    assert data.population.favourites().tolist() == [[True, False, False, False], [False, False, False, True]]


def test_ties_are_half_a_vote_each(write):
    data = read_preferences(write("x.toc", HEADER + "1: {1,2},{3, 4}\n1: 2,{1,3,4}\n"))
    assert data.p.tolist() == [[0.5, 0.25, 0.75, 0.75], [0.75, 0.5, 1, 1], [0.25, 0, 0.5, 0.5], [0.25, 0, 0.5, 0.5]]
    assert data.population is not None
    assert data.population.favourites()[0].tolist() == [True, True, False, False]


def test_who_does_not_place_both_gives_no_vote(write, caplog):
    """1–2: one each way; 1–3 and 2–3 once; 4 never placed beside another: three pairs at ½."""
    path = write("x.soi", HEADER + "1: 1,2,3\n1: 2,1\n5: 4\n")
    with caplog.at_level(logging.WARNING):
        data = read_preferences(path)
    assert data.p.tolist() == [[0.5, 0.5, 1, 0.5], [0.5, 0.5, 1, 0.5], [0, 0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]
    assert data.population is None
    assert data.uncompared == 3
    assert [r.getMessage() for r in caplog.records] == [f"{path}: 3 of 6 pairs were never compared; they get ½"]


def test_incomplete_orders_with_ties(write):
    data = read_preferences(write("x.toi", HEADER + "2: {4,1},2\n1: 2,{1}\n1: {1,2,3,4}\n"))
    # 1 against 2: two voters for 1, one for 2, one tie
    assert data.p[0, 1] == pytest.approx(2.5 / 4, abs=1e-15)
    assert data.p[0, 3] == 0.5
    assert data.p[3, 1] == pytest.approx(2.5 / 3, abs=1e-15)
    assert data.uncompared == 0


def test_complete_orders_in_a_file_for_incomplete_ones_are_a_population(write):
    assert read_preferences(write("x.toi", HEADER + "1: {4,1},2,3\n")).population is not None


def test_names_may_be_missing_or_stand_twice(write):
    assert read_preferences(write("x.soc", "# NUMBER ALTERNATIVES: 2\n1: 2,1\n")).actions == ("1", "2")
    twice = "# NUMBER ALTERNATIVES: 3\n" + "".join(f"# ALTERNATIVE NAME {k}: {n}\n" for k, n in enumerate("aba", 1))
    assert read_preferences(write("x.soc", twice + "1: 2,1,3\n")).actions == ("a [1]", "b", "a [3]")


@given(st.permutations([1, 2, 3, 4]), st.permutations([1, 2, 3, 4]))
def test_permuting_the_numbers_permutes_the_preferences(tmp_path_factory, first, second):
    """Renumber the alternatives by ``first``: rows and columns move along."""
    folder = tmp_path_factory.mktemp("preflib")

    def read(order):
        path = folder / "x.soi"
        path.write_text(f"# NUMBER ALTERNATIVES: 4\n2: {','.join(map(str, order))}\n1: 1\n", encoding="utf-8")
        return read_preferences(path).p

    p, renumbered = read(second), read([first[k - 1] for k in second])
    index = np.array(first) - 1
    np.testing.assert_array_equal(renumbered[np.ix_(index, index)], p)


BAD = {
    "no header": ("soc", "4\n1,Tea\n", "no line '# NUMBER ALTERNATIVES: …'; files from before 2022"),
    "no orders": ("soc", HEADER, "there is a header but no orders"),
    "bad number": (
        "soc",
        "# NUMBER ALTERNATIVES: four\n1: 1\n",
        "line 1: NUMBER ALTERNATIVES is 'four'; write a whole",
    ),
    "none": ("soc", "# NUMBER ALTERNATIVES: 0\n1: 1\n", "there are no actions"),
    "names fewer": ("soc", "# NUMBER ALTERNATIVES: 2\n# ALTERNATIVE NAME 2: b\n1: 2,1\n", "1 names for 2 .*NAME 1"),
    "names more": ("soc", HEADER + "# ALTERNATIVE NAME 5: e\n1: 1,2,3,4\n", "line 7: a name for alternative 5"),
    "header twice": (
        "soc",
        HEADER + "# NUMBER ALTERNATIVES: 4\n1: 1,2,3,4\n",
        "line 7: NUMBER ALTERNATIVES stands here",
    ),
    "voters": (
        "soc",
        HEADER + "# NUMBER VOTERS: 5\n1: 1,2,3,4\n",
        "line 7: NUMBER VOTERS is 5, but the orders add up to 1",
    ),
    "orders": ("soc", HEADER + "# NUMBER UNIQUE ORDERS: 2\n1: 1,2,3,4\n", "UNIQUE ORDERS is 2, but .* are 1"),
    "kind": ("toc", HEADER + "# DATA TYPE: soi\n1: 1,2,3,4\n", "DATA TYPE is 'soi', but the file's name ends in .toc"),
    "no colon": ("soc", HEADER + "1,2,3,4\n", "line 7: '1,2,3,4' has no colon"),
    "bad count": ("soc", HEADER + "one: 1,2,3,4\n", "line 7: 'one' is no number of voters"),
    "zero count": ("soc", HEADER + "0: 1,2,3,4\n", "line 7: '0' is no number of voters"),
    "fraction": ("soc", HEADER + "1.5: 1,2,3,4\n", "line 7: '1.5' is no number of voters"),
    "missing": ("soc", HEADER + "1: 1,2,3,4\n1: 1,2,3,5\n", r"line 8: '5' is not among the 4 actions \(1, 2, 3, 4\)"),
    "name": ("soc", HEADER + "1: Tea,2,3,4\n", "line 7: 'Tea' is not among"),
    "twice": ("soc", HEADER + "1: 1,2,3,2\n", "line 7: '2' stands twice"),
    "tie": ("soc", HEADER + "1: 1,{2,3},4\n", r"line 7: a tie in a .soc file; .* belong in a .toc file"),
    "tie incomplete": ("soi", HEADER + "1: {2,3}\n", r"belong in a .toi file"),
    "incomplete": ("soc", HEADER + "1: 1,2,3\n", r"line 7: 3 of 4 alternatives placed in a .soc file.*in a .soi file"),
    "incomplete ties": ("toc", HEADER + "1: {1,2},3\n", r"in a .toi file"),
    "empty order": ("soi", HEADER + "1:\n", "line 7: the ranking is empty"),
    "empty tie": ("toi", HEADER + "1: 1,{}\n", "line 7: a group of ties is empty"),
    "open brace": ("toc", HEADER + "1: 1,{2,3,4\n", r"line 7: cannot read '\{2,3,4'"),
    "nested": ("toc", HEADER + "1: {1,{2,3}},4\n", "line 7: cannot read"),
    "no comma": ("toc", HEADER + "1: {1,2}3,4\n", r"line 7: cannot read '\{1,2\}3,4'"),
    "two commas": ("soi", HEADER + "1: 1,,2\n", "line 7: cannot read ',2'"),
    "last comma": ("soi", HEADER + "1: 1,2,\n", "line 7: the order ends in a comma"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused(write, case):
    kind, text, message = BAD[case]
    path = write(f"x.{kind}", text)
    with pytest.raises(InputError, match=message) as error:
        read_preferences(path)
    assert str(error.value).startswith(str(path))
