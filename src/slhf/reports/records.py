"""Read what a run left in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slhf.errors import InputError


@dataclass(frozen=True)
class Records:
    """A run's files, read.

    Attributes:
        metrics: one dict a line of metrics.jsonl, in order.
        samples: one dict a line of samples.jsonl, in order.
        result: result.json; empty for a run that did not finish.
        recipe: recipe.yaml as text.
    """

    metrics: list[dict[str, Any]]
    samples: list[dict[str, Any]]
    result: dict[str, Any]
    recipe: str

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """Return the steps at which a metric was logged, and its values; the last one logged at a step counts."""
        found = {row["step"]: row[name] for row in self.metrics if name in row and "step" in row}
        steps = sorted(found)
        return steps, [found[step] for step in steps]


def read_records(folder: str | Path) -> Records:
    """Read a run's folder.

    Raises:
        InputError: it holds no metrics, or a file in it is not what it should be; the message
            names the file and the line.
    """
    folder = Path(folder)
    if not (folder / "metrics.jsonl").is_file():
        raise InputError(f"{folder} holds no run: there is no metrics.jsonl in it")
    recipe, result = folder / "recipe.yaml", folder / "result.json"
    return Records(
        metrics=_lines(folder / "metrics.jsonl"),
        samples=_lines(folder / "samples.jsonl"),
        result=_json(result.read_text(encoding="utf-8"), str(result)) if result.is_file() else {},
        recipe=recipe.read_text(encoding="utf-8") if recipe.is_file() else "",
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_json(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object, got {type(value).__name__}")
    return value
