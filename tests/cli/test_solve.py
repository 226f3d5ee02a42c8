"""``slhf solve``: the paper's example, files, pictures, and input that is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slhf.cli import main

CYCLE = "A,B,C\n.5,.65,.4\n.35,.5,.75\n.6,.25,.5\n"


@pytest.fixture
def slhf(capsys):
    """Run a command in this process; returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


@pytest.fixture
def cycle(tmp_path: Path) -> Path:
    """A file that holds the paper's example with shares .4, .35, .25."""
    path = tmp_path / "cycle.csv"
    path.write_text(CYCLE, encoding="utf-8")
    return path


def solved(slhf, *arguments: str) -> dict:
    """Run ``slhf solve … --json`` and return the one game it solved."""
    code, out, err = slhf("solve", *arguments, "--json")
    assert code == 0, err
    (game,) = json.loads(out)["games"]
    return game


def test_the_papers_example_has_the_papers_answers(slhf):
    game = solved(slhf, "--paradox", ".4", ".35", ".25")
    assert game["majority"]["condorcet_winner"] is None
    (cycle,) = game["majority"]["cycles"]
    assert cycle["actions"] == ["A", "B", "C"]
    assert cycle["margins"] == pytest.approx([0.15, 0.25, 0.1])
    nash = game["concepts"]["nash"]
    assert nash["policy"] == pytest.approx({"A": 0.5, "B": 0.2, "C": 0.3})
    assert nash["exploitability"] <= 1e-10
    stackelberg = game["concepts"]["stackelberg"]
    assert stackelberg["leader"] == {"A": 1.0, "B": 0.0, "C": 0.0}
    assert [max(row, key=row.get) for row in stackelberg["follower"].values()] == ["C", "A", "B"]
    assert stackelberg["gaps"]["duality"] <= 1e-10


def test_pass_at_n_of_equal_shares_is_the_papers(slhf):
    game = solved(slhf, "--paradox", "1", "1", "1", "--attempts", "3")
    first = {name: told["types"] for name, told in game["pass_at_n"].items()}
    for chances in first["stackelberg"].values():
        assert chances == pytest.approx([1 / 3, 2 / 3, 1])
    for chances in first["nash"].values():
        assert chances == pytest.approx([1 / 3, 5 / 9, 19 / 27])


def test_a_file_is_the_same_game_and_its_types_are_not_known(slhf, cycle):
    from_file, from_shares = solved(slhf, str(cycle)), solved(slhf, "--paradox", ".4", ".35", ".25")
    assert "pass_at_n" not in from_file
    assert from_file["majority"]["cycles"][0]["actions"] == from_shares["majority"]["cycles"][0]["actions"]
    nash = [game["concepts"]["nash"]["policy"] for game in (from_file, from_shares)]
    assert nash[0] == pytest.approx(nash[1])


def test_one_concept_and_players_own_taus(slhf):
    game = solved(
        slhf, "--paradox", ".4", ".35", ".25", "--concept", "stackelberg", "--tau-leader", ".05", "--tau-follower", ".1"
    )
    assert list(game["concepts"]) == ["stackelberg"]
    told = game["concepts"]["stackelberg"]
    assert (told["tau_leader"], told["tau_follower"]) == (0.05, 0.1)
    assert 0 < told["leader"]["C"] < told["leader"]["A"] < 1


def test_tables_show_the_policies_the_cycle_and_the_certificates(slhf):
    code, out, err = slhf("solve", "--paradox", ".4", ".35", ".25")
    assert code == 0, err
    assert "A > B > C > A" in out
    for words in ("Condorcet winner: none", "0.5000", "exploitability", "duality", "pass@N", "Stackelberg chain"):
        assert words in out


def test_real_votes_have_a_condorcet_winner(slhf, shared):
    game = solved(slhf, str(shared / "data" / "preflib" / "00035-00000002.soc"))
    winner = game["majority"]["condorcet_winner"]
    assert winner is not None
    assert len(game["majority"]["cycles"]) == 4
    assert game["concepts"]["nash"]["policy"][winner] == pytest.approx(1.0)
    assert game["concepts"]["stackelberg"]["leader"][winner] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_picture_is_drawn(slhf, tmp_path, kind):
    target = tmp_path / f"game.{kind}"
    code, out, err = slhf(
        "solve", "--paradox", ".4", ".35", ".25", "--tau", ".1", "--plot", str(target), "--steps", "50"
    )
    assert code == 0, err
    assert str(target.name) in out.replace("\n", "")
    start = target.read_bytes()[:400]
    assert {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}[kind] in start


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give either a file of preferences or --paradox"),
        (("FILE", "--paradox", ".4", ".35", ".25"), "give either a file of preferences or --paradox"),
        (("FILE", "--concept", "nsah"), "unknown concept 'nsah'.*Did you mean 'nash'"),
        (("FILE", "--tau", "-1"), "tau.* is -1.0.*0 or more"),
        (("FILE", "--ref", ".5", ".5"), r"shape \(2,\)|2 entries a row for 3 actions"),
        (("FILE", "--tau", ".1", "--ref", ".5", ".5", "0"), "is 0 while its tau is 0.1"),
        (("FILE", "--attempts", "0"), "attempts is 0"),
        (("FILE", "--plot", "game.gif"), r"must end in \.png, \.svg, \.pdf"),
        (("FILE", "--plot", "nowhere/game.png"), "folder nowhere does not exist"),
        (("FILE", "--plot", "game.png", "--dynamics", "mirror-decent"), "Did you mean 'mirror-descent'"),
        (("FILE", "--plot", "game.png", "--steps", "0"), "steps is 0"),
        (("FILE", "--plot", "game.png", "--dynamics", "nash-md"), "needs tau > 0.*give a tau"),
        (("missing.csv",), "missing.csv"),
        (("FILE", "--no-such"), "no-such"),
    ],
)
def test_wrong_input_ends_with_2_and_says_what_to_do(slhf, cycle, monkeypatch, arguments, words):
    monkeypatch.chdir(cycle.parent)
    code, out, err = slhf("solve", *(str(cycle) if a == "FILE" else a for a in arguments))
    assert code == 2
    assert out == ""
    assert re.search(words, " ".join(err.replace("│", "").split()))


def test_a_large_tau_is_drawn_with_smaller_steps(slhf, tmp_path):
    target = tmp_path / "game.svg"
    code, _, err = slhf("solve", "--paradox", "1", "1", "1", "--tau", "50", "--plot", str(target), "--steps", "20")
    assert code == 0, err
    assert target.stat().st_size > 0


def test_a_picture_of_several_prompts_is_refused_before_they_are_solved(slhf, tmp_path):
    games = tmp_path / "two.json"
    games.write_text(json.dumps({"p": [[[0.5, 0.7], [0.3, 0.5]], [[0.5, 0.2], [0.8, 0.5]]]}), encoding="utf-8")
    code, out, err = slhf("solve", str(games), "--plot", str(tmp_path / "game.png"))
    assert (code, out) == (2, "")
    assert "holds 2" in err


def test_asymmetric_preferences_are_refused_and_mended_on_request(slhf, tmp_path):
    table = tmp_path / "votes.txt"
    table.write_text("0.5 0.7\n0.4 0.5\n", encoding="utf-8")
    code, _, err = slhf("solve", str(table))
    assert code == 2
    assert "--symmetrise" in err
    assert "1.1" in err
    game = solved(slhf, str(table), "--symmetrise")
    assert game["majority"]["condorcet_winner"] is not None


def test_solving_loads_no_torch():
    program = (
        "import sys; from slhf.cli import main; code = main(['solve', '--paradox', '.4', '.35', '.25', '--json']);"
        "heavy = {'torch', 'transformers', 'datasets', 'matplotlib'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
