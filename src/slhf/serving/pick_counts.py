"""What a file of picks holds, counted; and its preferences as a file to train on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slhf.errors import InputError
from slhf.serving.picks import PickStore


@dataclass(frozen=True)
class PickCounts:
    """What a file of picks holds.

    Attributes:
        picks: how often somebody picked.
        pairs: preferences they come to; each answer that was passed over is one, said twice counts once.
        sessions: how many different ones.
        prompts: how many different ones.
        models: picks by model.
        first: when the first was made, seconds since 1970; None where there is none.
        last: the same of the last.
    """

    picks: int
    pairs: int
    sessions: int
    prompts: int
    models: dict[str, int]
    first: float | None
    last: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return asdict(self)


def count_picks(path: Path) -> PickCounts:
    """Count what a file of picks holds.

    Raises:
        InputError: there is no such file, or it is something else.
    """
    with _opened(path) as store:
        sessions, prompts, models, times = set(), set(), Counter(), []
        for pick in store.rows():
            sessions.add(pick.session)
            prompts.add(json.dumps(pick.prompt))
            models[pick.model] += 1
            times.append(pick.when)
        pairs = sum(1 for _ in store.lines())
    first, last = min(times, default=None), max(times, default=None)
    return PickCounts(len(times), pairs, len(sessions), len(prompts), dict(models.most_common()), first, last)


def export_picks(path: Path, output: Path) -> int:
    """Write the preferences of a file of picks as conversational preference data; return how many there are.

    Args:
        path: the file of picks.
        output: a JSONL file, replaced if it is there.

    Raises:
        InputError: there is no such file of picks, it holds none, or the output cannot be written.
    """
    if output.suffix != ".jsonl":
        raise InputError(f"{output}: preferences are written as JSONL; give a name that ends in .jsonl")
    if not output.parent.is_dir():
        raise InputError(f"{output}: the folder does not exist; make it first")
    with _opened(path) as store:
        if next(store.rows(), None) is None:
            raise InputError(f"{path} holds no picks; they are made on the page of slhf serve")
        return store.export(output)


def _opened(path: Path) -> PickStore:
    if not path.exists():
        raise InputError(f"there is no file of picks {path}; slhf serve makes one, see its option --picks")
    return PickStore(path)
