"""Every kind of file says what it should, and wrong ones say where, what and what to do."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slhf.errors import InputError
from slhf.games.files import KINDS, read_preferences
from slhf.games.majority import condorcet_winner, cyclic_share, majority_cycles

CYCLE = [[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]]
NAMES = ("A", "B", "C")
ROWS = "0.5 0.65 0.4\n0.35 0.5 0.75\n0.6 0.25 0.5\n"
NAMED_ROWS = "A 0.5 0.65 0.4\nB 0.35 0.5 0.75\nC 0.6 0.25 0.5\n"


def commas(text):
    return text.replace(" ", ",")


@pytest.mark.parametrize(
    ("name", "text", "actions"),
    [
        ("p.txt", ROWS, ("0", "1", "2")),
        ("p.txt", "# made by hand\n\n" + ROWS.replace(" ", "   \t") + "\n\n", ("0", "1", "2")),
        ("p.txt", "A B C\n" + ROWS, NAMES),
        ("p.txt", "A B C\n" + NAMED_ROWS, NAMES),
        ("p.txt", "name A B C\n" + NAMED_ROWS, NAMES),
        ("p.txt", NAMED_ROWS, NAMES),
        ("P.CSV", commas(ROWS), ("0", "1", "2")),
        ("p.csv", commas("A B C\n" + ROWS), NAMES),
        ("p.csv", commas(" A B C\n" + NAMED_ROWS), NAMES),
        ("p.csv", "\ufeff" + commas("A B C\n" + NAMED_ROWS), NAMES),
        ("p.csv", commas(" 0 1 2\n0 0.5 0.65 0.4\n1 0.35 0.5 0.75\n2 0.6 0.25 0.5\n"), ("0", "1", "2")),
        ("p.csv", commas(NAMED_ROWS).replace("\n", "\r\n") + ",,,\r\n", NAMES),
        ("p.csv", commas(NAMED_ROWS).replace("A", '"tea, hot"'), ("tea, hot", "B", "C")),
        ("p.tsv", NAMED_ROWS.replace(" ", "\t").replace("A", "green tea"), ("green tea", "B", "C")),
    ],
)
def test_tables(write, name, text, actions):
    path = write(name, text)
    data = read_preferences(path)
    np.testing.assert_array_equal(data.p, CYCLE)
    assert data.actions == actions
    assert data.source == str(path)
    assert (data.prompts, data.rho, data.population, data.uncompared) == (None, None, None, 0)


def test_one_action_is_a_table(write):
    assert read_preferences(write("p.txt", "0.5\n")).p.tolist() == [[0.5]]
    assert read_preferences(write("p.txt", "only 0.5\n")).actions == ("only",)
    assert read_preferences(write("p.txt", "only\n0.5\n")).actions == ("only",)


names = st.lists(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=6),
    min_size=2,
    max_size=5,
    unique=True,
)


@settings(max_examples=60)
@given(names, st.integers(0, 2**32 - 1))
def test_what_a_writer_of_csv_writes_is_read_back(tmp_path_factory, actions, seed):
    """Oracle: the standard library's writer, with the blank corner that spreadsheets write."""
    n = len(actions)
    upper = np.triu(np.random.default_rng(seed).random((n, n)), 1)
    p = upper + np.tril(1.0 - upper.T, -1) + 0.5 * np.eye(n)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["", *actions])
    writer.writerows([name, *map(repr, row)] for name, row in zip(actions, p.tolist(), strict=True))
    path = tmp_path_factory.mktemp("csv") / "p.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    data = read_preferences(path)
    assert data.actions == tuple(actions)
    np.testing.assert_array_equal(data.p, p)


def test_symmetrise_mends_a_matrix(write):
    path = write("p.csv", "rock,paper\n0.5,0.8\n0.3,0.5\n")
    with pytest.raises(InputError, match=r"p\[0, 1\] = 0.8 \('rock' against 'paper'\).*\+0.1 from 1.*--symmetrise"):
        read_preferences(path)
    np.testing.assert_allclose(read_preferences(path, symmetrise=True).p, [[0.5, 0.75], [0.25, 0.5]], atol=1e-15)


@pytest.mark.parametrize(("name", "text"), [("p.json", "[[0.5, 1.4], [0.2, 0.5]]"), ("p.txt", "0.5 1.4\n0.2 0.5\n")])
def test_symmetrise_hides_no_number_outside_the_range(write, name, text):
    """½ (1.4 + 1 − 0.2) would be 1.1, but ½ (1.4 + 1 − 0.6) = 0.9 would pass."""
    with pytest.raises(InputError, match=r"(in|outside) \[0, 1\]"):
        read_preferences(write(name, text.replace("0.2", "0.6")), symmetrise=True)


def test_soccer_has_six_cyclic_triples_and_no_winner(shared):
    data = read_preferences(shared / "data" / "payoffs" / "soccer.txt")
    assert data.p.shape == (10, 10)
    assert len(majority_cycles(data.p)) == 6
    assert cyclic_share(data.p) == pytest.approx(6 / 120, abs=1e-15)
    assert condorcet_winner(data.p) is None


BAD_TABLES = {
    "empty": ("p.csv", " \n\n", "the file is empty"),
    "only comments": ("p.txt", "# nothing\n", "there are no numbers"),
    "only names": ("p.csv", "a,b\n", "there are names but no numbers"),
    "not square": ("p.csv", "0.5,0.6,0.7\n0.4,0.5,0.1\n", r"p.csv: 2 lines of 3 numbers, not square"),
    "uneven": ("p.txt", "0.5 0.6\n0.4\n", "line 2: 1 number where line 1 has 2"),
    "nan": ("p.csv", "a,b\n0.5,nan\n0.4,0.5\n", r"line 2, entry 2: nan is not in \[0, 1\]"),
    "range": ("p.csv", ",a,b\na,0.5,12\nb,3,0.5\n", r"line 2, entry 3: 12 is not in \[0, 1\].*divide counts"),
    "word": ("p.txt", "0.5 0.6\n0.4 O.5\n", "line 2, entry 2: 'O.5' is not a number"),
    "decimal comma": (
        "p.txt",
        "0.5 0,6\n0.4 0.5\n",
        "line 1, entry 2: '0,6' is not a number; decimals are written with a point",
    ),
    "commas": (
        "p.txt",
        "0.5,0.6,0.7\n0.4,0.5,1\n0.3,0,0.5",
        "line 1, entry 1: '0.5,0.6,0.7' is not a number; .* commas in .csv",
    ),
    "names differ": ("p.csv", ",a,b\na,0.5,0.6\nc,0.4,0.5\n", "line 3: the line is called 'c' where the column is 'b'"),
    "name twice": ("p.csv", "a,a\n0.5,0.6\n0.4,0.5\n", "actions 1 and 2 are both called 'a'"),
    "too few names": ("p.csv", "a,b\nx,0.5\n", "1 names in the first line for 1|not square|called"),
    "decimal commas": ("p.txt", "0,5 0,6\n0,4 0,5\n", "line 1, entry 1: '0,5' is not a number; decimals"),
    "semicolons": ("p.csv", "a,b\n0.5;0.6\n0.4;0.5\n", "line 2, entry 1: '0.5;0.6' is not a number"),
    "quotes": ("p.csv", '"a,b\n0.5,0.6\n', "check the quotation marks"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_refused(write, case):
    name, text, message = BAD_TABLES[case]
    path = write(name, text)
    with pytest.raises(InputError, match=message) as error:
        read_preferences(path)
    assert str(error.value).startswith(str(path))


def test_files_that_are_none(tmp_path, write):
    with pytest.raises(InputError, match=r"unknown kind of file '.xlsx'; the kinds are .json, .csv.*toi"):
        read_preferences(tmp_path / "p.xlsx")
    with pytest.raises(InputError, match=r"unknown kind of file '.jsn'.*Did you mean '.json'\?"):
        read_preferences(tmp_path / "p.jsn")
    with pytest.raises(InputError, match="no ending"):
        read_preferences(tmp_path / "preferences")
    write("breakfast.csv", "0.5")
    with pytest.raises(InputError, match=r"there is no such file\. Did you mean 'breakfast.csv'\?"):
        read_preferences(tmp_path / "brekfast.csv")
    with pytest.raises(InputError, match="there is no such file"):
        read_preferences(tmp_path / "nowhere" / "p.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read_preferences(tmp_path / "folder.csv")
    (tmp_path / "latin.csv").write_bytes("né,0.5".encode("latin-1"))
    with pytest.raises(InputError, match=r"not UTF-8 .* save it as UTF-8"):
        read_preferences(tmp_path / "latin.csv")


def test_every_kind_is_known():
    assert set(KINDS) == {".json", ".csv", ".tsv", ".txt", ".soc", ".soi", ".toc", ".toi"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", ",".join(["0.5"] * 20_002)),
        ("p.json", '{"p": [[' + ",".join(["0.5"] * 20_001) + "]]}"),
        ("p.json", json.dumps({"actions": [str(y) for y in range(20_001)], "rankings": [["1"]]})),
        ("p.soi", "# NUMBER ALTERNATIVES: 20001\n1: 1\n"),
    ],
)
def test_too_many_actions_are_refused_before_memory_runs_out(write, name, text):
    with pytest.raises(InputError, match=r"20,00[12] actions; at most 20,000 are read"):
        read_preferences(write(name, text))
