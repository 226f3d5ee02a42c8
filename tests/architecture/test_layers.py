"""The rooms: arrows between them go one way, files stay short, dependencies are declared."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "slhf").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

LONGEST_FILE = 300
LONGEST_FUNCTION = 50
"""Lines of a function, its docstring not counted."""

DISTRIBUTION_OF = {"yaml": "pyyaml"}
"""Import names that differ from the name on the package index."""

OPTIONAL = {
    "httpx2",
    "huggingface_hub",
    "jsonschema",
    "jsonschema_specifications",
    "langdetect",
    "lm_eval",
    "nltk",
    "openai",
    "prometheus_client",
    "starlette",
    "tensorboard",
    "trackio",
    "trl",
    "uvicorn",
    "wandb",
}
"""Packages of an extra, imported where they are used and only asked about elsewhere."""


def name(path: Path) -> str:
    """Return a path as people write it, from the project's root."""
    return path.relative_to(ROOT).as_posix()


def test_layer_contract_holds() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE, "one idea a file: this one wants to be two"
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and code_lines(node) > LONGEST_FUNCTION
    ]
    assert not long, f"too long: {', '.join(long)}"


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def imported(tree: ast.AST) -> set[str]:
    """Return the top-level packages a module imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_every_import_is_a_declared_dependency() -> None:
    declared = {
        re.split(r"[^A-Za-z0-9_.-]", entry, maxsplit=1)[0].lower() for entry in PROJECT["project"]["dependencies"]
    }
    used: dict[str, str] = {}
    for path in SOURCES:
        for package in imported(ast.parse(path.read_text(encoding="utf-8"))):
            used.setdefault(DISTRIBUTION_OF.get(package, package).lower(), name(path))
    own = set(sys.stdlib_module_names) | {"slhf"} | OPTIONAL
    undeclared = {f"{package} ({where})" for package, where in used.items() if package not in declared | own}
    unused = declared - set(used) - {"accelerate"}  # transformers.Trainer needs it and does not require it
    assert not undeclared, "imported but not in pyproject's dependencies"
    assert not unused, "in pyproject's dependencies but never imported"


def test_constraints_pin_every_direct_dependency() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    pinned = dict(re.findall(r"^([a-z0-9_.-]+)==(\S+)$", text, flags=re.MULTILINE))
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = PROJECT["project"]["dependencies"] + extras["test"] + extras["docs"] + extras["dev"]
    names = {re.split(r"[^A-Za-z0-9_.-]", entry, maxsplit=1)[0].lower() for entry in wanted} - {"slhf"}
    assert pinned["torch"] == "2.13.0"
    assert not names - set(pinned)


def test_nothing_names_one_machine() -> None:
    """Paths are relative or given by the user: no file of the project may name a folder of one machine."""
    absolute = re.compile(r"""(?<![\w.:/~<-])/(?:home|root|Users|work|tmp|opt|mnt|data)/[\w.-]+""")
    suffixes = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".cff", ".json", ".html", ".j2"}
    skipped = {".venv", ".git", "site", "runs", "results", "dist", "build", ".cache"}
    offenders = [
        f"{name(path)}: {match.group()}"
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and path.suffix in suffixes
        and path != Path(__file__).resolve()
        and not skipped & set(path.relative_to(ROOT).parts)
        for match in absolute.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not offenders
