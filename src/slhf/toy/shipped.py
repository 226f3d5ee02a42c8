"""The files that come with the package."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from slhf.errors import InputError, suggestion

SPLITS = ("train", "validation", "test")


def folder() -> Path:
    """Return the folder of everything the build script made."""
    return Path(__file__).resolve().parent / "assets"


def model_path() -> Path:
    """Return the folder of the embedded model, tokenizer and chat template.

    Raises:
        InputError: the package was installed without its files.
    """
    path = folder() / "model"
    _exists(path / "model.safetensors")
    return path


def prompts(split: str = "train") -> list[dict[str, Any]]:
    """Return the rows of ``"train"``, ``"validation"`` or ``"test"``: prompt, task, answer, claim, method.

    Settings are chosen on validation; test is for the last look.

    Raises:
        InputError: there is no such split.
    """
    if split not in SPLITS:
        raise InputError(
            f"the embedded world has no split {split!r}; it has {', '.join(SPLITS)}.{suggestion(split, SPLITS)}"
        )
    return [dict(row) for row in _rows(f"{split}.jsonl")]


def preferences() -> list[dict[str, Any]]:
    """Return rows in HelpSteer2's schema: prompt, response and five attributes from 0 to 4."""
    return [dict(row) for row in _rows("preferences.jsonl")]


@cache
def _rows(name: str) -> tuple[dict[str, Any], ...]:
    path = folder() / name
    _exists(path)
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def _exists(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"{path} is missing: the package was installed without its files; "
            f"install it again, or make them with: python -m slhf.toy.build --out {folder()}"
        )
