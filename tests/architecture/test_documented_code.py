"""Code shown to readers works: every block marked ``<!-- runs -->`` is run as it stands, Python or command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNS = re.compile(r"<!-- (?:runs|example: \w+) -->\n```python\n(.*?)\n```", flags=re.DOTALL)
COMMANDS = re.compile(r"<!-- runs -->\n```bash\n(.*?)\n```", flags=re.DOTALL)
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

BLOCKS = [
    pytest.param(match.group(1), id=f"{page.relative_to(ROOT).as_posix()}:{number}")
    for page in PAGES
    for number, match in enumerate(RUNS.finditer(page.read_text(encoding="utf-8")), start=1)
]
SHELL_BLOCKS = [
    pytest.param(match.group(1), id=f"{page.relative_to(ROOT).as_posix()}:{number}")
    for page in PAGES
    for number, match in enumerate(COMMANDS.finditer(page.read_text(encoding="utf-8")), start=1)
]


def test_there_are_blocks_to_run() -> None:
    pages = {str(block.id).partition(":")[0] for block in BLOCKS}
    assert pages >= {
        "README.md",
        "docs/how-to/add-a-judge.md",
        "docs/how-to/add-an-algorithm.md",
        "docs/how-to/add-a-dataset.md",
        "docs/tutorial/finite-games.md",
    }


@pytest.mark.parametrize("code", BLOCKS)
def test_block_runs(code: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(code + "\n", encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("lines", SHELL_BLOCKS)
def test_commands_run(lines: str, tmp_path: Path) -> None:
    for line in lines.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "slhf"
        command = [sys.executable, "-m", "slhf.cli", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_block_of_the_tutorial_on_games_is_run() -> None:
    page = (ROOT / "docs" / "tutorial" / "finite-games.md").read_text(encoding="utf-8")
    shown = len(re.findall(r"^```(?:python|bash)$", page, flags=re.MULTILINE))
    assert len(RUNS.findall(page)) + len(COMMANDS.findall(page)) == shown


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short_and_run(path: Path, tmp_path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 200
    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip(), "an example shows something"
