"""README tells the truth: its map is the tree, its commands are the ones the checks run."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OUTPUTS = {"site", "runs", "dist", "build", "venv", "wandb"}
"""Folders at the root that tools and runs make; git ignores them."""


def block(marker: str) -> str:
    """Return the code block that follows ``<!-- marker -->``."""
    match = re.search(rf"<!-- {marker} -->\n```\w*\n(.*?)\n```", README, flags=re.DOTALL)
    assert match, f"README.md has no code block under <!-- {marker} -->"
    return match.group(1)


def folders_in_map() -> set[str]:
    """Read the map: an indented list in which a name that ends in ``/`` is a folder."""
    found: set[str] = set()
    parents: dict[int, str] = {}
    for line in block("map").splitlines():
        match = re.match(r"( *)(\S+/)(?:\s|$)", line)
        if not match:
            continue
        depth = len(match.group(1))
        above = [parents[d] for d in sorted(parents) if d < depth]
        parents = {d: p for d, p in parents.items() if d < depth}
        path = (above[-1] if above else "") + match.group(2)
        parents[depth] = path
        found.add(path.rstrip("/"))
    return found


def real_folders() -> set[str]:
    """Return the folders a newcomer sees: those at the root, and the rooms of the package."""
    package = ROOT / "src" / "slhf"
    places = [*(p for p in ROOT.iterdir() if p.name not in OUTPUTS), package, *package.iterdir()]
    return {
        path.relative_to(ROOT).as_posix()
        for path in places
        if path.is_dir() and not path.name.startswith((".", "__")) and any(path.iterdir())
    }


def test_the_map_is_the_tree() -> None:
    assert folders_in_map() == real_folders()


@pytest.mark.parametrize("marker", ["command: quickstart", "command: tests"])
def test_commands_are_one_line_and_use_the_constraints(marker: str) -> None:
    command = block(marker)
    assert "\n" not in command
    assert command.startswith("python3 -m venv .venv && ")
    assert "-c constraints.txt" in command


def test_continuous_integration_runs_readmes_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "tests=$(readme_command tests)" in script
    assert 'step tests bash -c "$tests"' in script
    function = re.search(r"^readme_command\(\) \{\n.*?\n\}", script, flags=re.DOTALL | re.MULTILINE)
    assert function
    for marker in ("tests", "quickstart"):
        done = subprocess.run(
            ["bash", "-c", f"{function.group()}\nreadme_command {marker}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == block(f"command: {marker}")


def test_files_named_in_readme_exist() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_python_in_readme_uses_real_names() -> None:
    import slhf

    tree = ast.parse(block("example: trainer"))
    names = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "slhf"
        for alias in node.names
    ]
    assert names
    assert not [name for name in names if name not in slhf.__all__]
