"""The command line: what goes to which stream, with which exit code."""

from __future__ import annotations

import inspect
import json
import re
import resource
import subprocess
import sys

import pytest

from slhf.cli import main
from slhf.cli.main import app

COMMANDS = (
    "quickstart",
    "train",
    "refine",
    "chat",
    "serve",
    "tournament",
    "transfer",
    "scale",
    "cycles",
    "sweep",
    "reproduce",
    "reward train",
    "annotate",
    "align",
    "merge",
    "data show",
    "picks export",
    "picks stats",
    "judge audit",
    "judge stats",
    "judge export",
    "alpacaeval outputs",
    "alpacaeval annotate",
    "alpacaeval win-rate",
    "ifeval",
    "mtbench",
    "simulate taste",
    "solve",
    "doctor",
)


@pytest.fixture
def slhf(capsys):
    """Run a command in this process; returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


def test_help_starts_fast_and_loads_no_torch():
    program = (
        "import sys; from slhf.cli import main; code = main(['--help']);"
        "heavy = {'torch', 'transformers', 'datasets', 'matplotlib', 'scipy'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert all(command.split()[0] in done.stdout for command in COMMANDS)
    # processor time, not the clock: the machine that runs the tests may be busy
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_has_an_example(slhf, command):
    code, out, _ = slhf(*command.split(), "--help")
    assert code == 0
    assert f"Example: slhf {command}" in out
    place = app
    for word in command.split():
        place = place[word]
    function = place.default_command
    assert function is not None
    for option in inspect.signature(function).parameters:
        described = re.search(rf"^ +{option}\n +(\S+ \S+)", function.__doc__ or "", re.MULTILINE)
        assert described, f"{command}: {option} has no help"
        assert described[1] in " ".join(out.replace("│", "").split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], 'Did you mean "train"'),
        (["train"], "requires an argument"),
        (["train", "storys"], "Did you mean 'stories'"),
        (["train", "stories", "--dryrun"], "--dryrun"),
        (["train", "stories", "args.lerning_rate=1"], "Did you mean 'learning_rate'"),
        (["train", "no/such/file.yaml"], "no recipe 'no/such/file.yaml'"),
        (["quickstart", "--steps", "many"], "many"),
        (["refine", "--model", "./nowhere", "--prompt", "x"], "nowhere"),
        (["refine", "--model", "toy", "--prompt", " "], "--prompt is empty"),
    ],
)
def test_wrong_input_exits_2_with_one_message_on_stderr(slhf, arguments, message):
    code, out, err = slhf(*arguments)
    assert code == 2
    assert out == ""
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_square_brackets_in_messages_survive(slhf, tmp_path):
    code, _, err = slhf("train", str(tmp_path / "a[b].yaml"))
    assert code == 2
    assert "a[b].yaml" in err


def test_train_prints_only_json_on_stdout(slhf, recipe_file, tmp_path):
    folder = tmp_path / "run"
    code, out, err = slhf("train", str(recipe_file), "--output", str(folder), "--json")
    assert code == 0, err
    result = json.loads(out)
    assert set(result) == {"win_rates", "seconds", "run"}
    assert set(result["win_rates"]) == {"leader_vs_base", "follower_vs_base", "follower_vs_leader"}
    for rate in result["win_rates"].values():
        assert set(rate) == {"mean", "stderr"}
        assert 0 <= rate["mean"] <= 1
    assert result["run"] == str(folder)
    assert json.loads((folder / "result.json").read_text())["win_rates"] == result["win_rates"]

    code, out, err = slhf("train", str(recipe_file), "--output", str(folder))
    assert code == 2
    assert "continue it with --resume" in err
    code, out, err = slhf("train", str(recipe_file), "args.seed=9", "--output", str(folder), "--resume")
    assert code == 2
    assert "different run (args.seed: 3 there, 9 here)" in err
    code, out, err = slhf("train", str(folder / "recipe.yaml"), "--output", str(folder), "--resume", "--json")
    assert code == 0, err
    assert json.loads(out)["win_rates"] == result["win_rates"]

    code, out, err = slhf("refine", "--model", str(folder), "--prompt", "say a one", "--steps", "2", "--json")
    assert code == 0, err
    answers = json.loads(out)["answers"]
    assert [a["step"] for a in answers] == [0, 1, 2]
    code, out, err = slhf("refine", "--model", str(folder), "--prompt", "say a one", "--steps", "2")
    assert code == 0, err
    assert out.startswith("Leader\n")
    assert "refinement 2\n" in out
    streamed = [part.split("\n", 1)[1].strip() for part in out.strip().split("\n\n")]
    assert [" ".join(s.split()) for s in streamed] == [" ".join(a["text"].split()) for a in answers]


def test_train_shows_a_table(slhf, recipe_file, tmp_path):
    code, out, err = slhf("train", str(recipe_file), "--output", str(tmp_path / "run"))
    assert code == 0, err
    for word in ("over base", "over Leader", "Follower", "±", "report.html"):
        assert word in out


def test_refine_someone_elses_answer(slhf, tiny):
    arguments = ["refine", "--model", str(tiny), "--prompt", "say a", "--answer", "one two", "--seed", "4"]
    code, out, err = slhf(*arguments, "--max-new-tokens", "3", "--json")
    assert code == 0, err
    answers = json.loads(out)["answers"]
    assert answers[0]["text"] == "one two"
    assert len(answers) == 2
    assert json.loads(slhf(*arguments, "--max-new-tokens", "3", "--json")[1])["answers"] == answers
    for wrong in (["--steps", "-1"], ["--temperature", "-1"], ["--max-new-tokens", "0"]):
        code, out, err = slhf(*arguments, *wrong)
        assert code == 2
        assert "error:" in err


def test_dry_run(slhf, recipe_file):
    code, out, err = slhf("train", str(recipe_file), "--dry-run", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["unchecked"] == []
    assert any("one step" in line for line in found["checked"])


def test_interrupt_says_how_to_go_on(slhf, recipe_file, tmp_path, monkeypatch):
    from slhf.training import GameTrainer

    def interrupted(self, *args, **kwargs):
        raise KeyboardInterrupt

    folder = tmp_path / "a run"
    monkeypatch.setattr(GameTrainer, "play", interrupted)
    code, out, err = slhf("train", str(recipe_file), "--output", str(folder))
    assert code == 130
    assert out == ""
    assert f"interrupted; go on with: slhf train '{folder}/recipe.yaml' --output '{folder}' --resume" in " ".join(
        err.split()
    )
    monkeypatch.undo()
    code, _, err = slhf("train", f"{folder}/recipe.yaml", "--output", str(folder), "--resume", "--json")
    assert code == 0, err


def test_doctor(slhf):
    import torch

    code, out, _ = slhf("doctor", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["versions"]["torch"] == torch.__version__
    assert found["threads"]["torch"] == torch.get_num_threads()
    assert "cpu" in found["devices"]
    assert found["extras"]["test"]["installed"] is True
    assert found["extras"]["wandb"]["adds"]
    code, out, _ = slhf("doctor")
    assert code == 0
    assert "report_to=wandb" in " ".join(out.split())


def test_doctor_knows_every_extra():
    from importlib import metadata

    from slhf.cli.doctor import EXTRAS

    assert set(EXTRAS) == set(metadata.metadata("slhf").get_all("Provides-Extra") or [])


@pytest.mark.slow
def test_quickstart_in_miniature(slhf, tmp_path):
    folder = tmp_path / "quick"
    code, out, err = slhf("quickstart", "--steps", "2", "--seed", "5", "--output", str(folder), "--json")
    assert code == 0, err
    result = json.loads(out)
    assert set(result) == {"win_rates", "seconds", "run"}
    assert "Samples side by side" in (folder / "report.html").read_text()
