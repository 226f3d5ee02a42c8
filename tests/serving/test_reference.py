"""The reference page of the server names every field, status, code and setting there is, and the measured table."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from slhf.serving import Budget, Remote, Server
from slhf.serving.chat_request import ASKS_NOTHING, FIELDS
from slhf.serving.openapi import described
from slhf.serving.refine_field import FIELDS as REFINE
from slhf.serving.request_fields import Limits


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "reference" / "serve.md").read_text(encoding="utf-8")


def part(page: str, heading: str) -> str:
    """Return what stands under a heading."""
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def firsts(text: str) -> set[str]:
    """Return the names in the first cells of a page's tables."""
    cells = re.findall(r"^\| ([^|]*) \|", text, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_fields(page: str) -> None:
    found = part(page, "Fields of a request")
    assert firsts(found) == {*FIELDS, *REFINE}
    assert all(f"`{name}`" in found for name in ASKS_NOTHING)


def test_paths_statuses_and_codes(page: str, root: Path) -> None:
    paths = described("m", Limits(), True)["paths"]
    assert not [path for path in paths if path not in page and not path.startswith("/page/")]
    statuses = {status for path in paths.values() for one in path.values() for status in one["responses"]}
    cells = re.findall(r"^\| ([\d, ]+) \|", part(page, "Statuses"), flags=re.MULTILINE)
    assert {status for cell in cells for status in cell.split(", ")} == statuses
    room = (root / "src" / "slhf" / "serving").glob("*.py")
    codes = {code for file in room for code in re.findall(r'code="(\w+)"', file.read_text(encoding="utf-8"))}
    assert not [code for code in codes if f"`{code}`" not in part(page, "Statuses")]


def test_settings_of_a_server(page: str) -> None:
    known = {field.name for kind in (Server, Remote) for field in fields(kind)} - {"server", "budget"}
    renamed = {"calls": "max_calls", "tokens": "max_tokens_spent", "cost": "max_cost"}
    known |= {renamed.get(field.name, field.name) for field in fields(Budget)}
    assert firsts(part(page, "A server's settings")) == known


def test_the_table_is_the_one_that_was_measured(page: str, root: Path) -> None:
    newest = max((root / "benchmarks" / "results").glob("*-serve-fields.md"))
    lines = [line for line in newest.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert len(lines) > 20
    assert "\n".join(lines) in page
