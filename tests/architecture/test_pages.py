"""The documentation agrees with the code: metrics, departures, and the pages in the navigation."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from slhf.training.metrics import METRICS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_every_metric_is_on_its_page() -> None:
    text = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", text, flags=re.MULTILINE))
    assert listed == {name: meaning.replace("|", "\\|") for name, meaning in METRICS.items()}


def test_tests_named_in_docs_and_docstrings_exist() -> None:
    texts = [*DOCS.rglob("*.md"), *(ROOT / "src").rglob("*.py"), ROOT / "CONTRIBUTING.md"]
    named = {
        (match.group(), path.relative_to(ROOT).as_posix())
        for path in texts
        for match in re.finditer(r"tests/[\w/]+\.py", path.read_text(encoding="utf-8"))
    }
    assert named
    assert not {(test, where) for test, where in named if not (ROOT / test).is_file()}


def test_every_departure_in_a_docstring_is_on_the_page() -> None:
    page = (DOCS / "departures.md").read_text(encoding="utf-8")
    missing = {
        test
        for path in (ROOT / "src").rglob("*.py")
        for entry in re.findall(r"Departs:(.*?)(?:\n\s*\n|\"\"\")", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for test in re.findall(r"tests/[\w/]+\.py", entry)
        if test not in page
    }
    assert not missing


def pages(entries: list[dict[str, object]]) -> set[str]:
    """Collect the files a navigation names, at any depth."""
    found: set[str] = set()
    for entry in entries:
        for target in entry.values():
            found |= pages(target) if isinstance(target, list) else {str(target)}
    return found


def test_every_page_is_in_the_navigation() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    real = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert pages(settings["project"]["nav"]) == real


def test_pages_are_finished() -> None:
    """A page that says nothing yet is not published."""
    short = [path.name for path in DOCS.rglob("*.md") if len(path.read_text(encoding="utf-8")) < 400]
    assert not short


def test_the_recipe_shown_is_a_recipe(tmp_path: Path) -> None:
    from slhf.runs.recipe import load_recipe

    page = (DOCS / "reference" / "recipes.md").read_text(encoding="utf-8")
    match = re.search(r"<!-- recipe -->\n```yaml\n(.*?)\n```", page, flags=re.DOTALL)
    assert match
    file = tmp_path / "shown.yaml"
    file.write_text(match.group(1), encoding="utf-8")
    recipe = load_recipe(file)
    assert recipe.algorithm["kappa"] == 5.0
    assert recipe.args["learning_rate"] == 1e-3


@pytest.mark.parametrize(
    "command",
    [
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
    ],
)
def test_every_option_is_on_the_page_of_commands(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from slhf.cli import main

    assert main([*command.split(), "--help"]) == 0
    real = set(re.findall(r"^│[ *]+(--[a-z-]+)|(?<=[A-Z] )(--[a-z-]+)", capsys.readouterr().out, flags=re.MULTILINE))
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    section = page.partition(f"## slhf {command}\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(--[a-z-]+)`", section, flags=re.MULTILINE)) == {a or b for a, b in real}
