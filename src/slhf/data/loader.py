"""One loader for every data set: embedded, a local file, a folder, or a name on the hub."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slhf.data import helpsteer2
from slhf.data.prompts import checked_prompts
from slhf.data.splits import ALIASES, HELD_OUT, TRAIN, split_by_hash
from slhf.errors import InputError, suggestion

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}
"""Endings of local files, and the reader of each."""

EMBEDDED = ("toy", "stories")
"""Data sets that come with the package."""


class UnreachableError(InputError):
    """A data set of the hub cannot be reached from this machine, or is not there."""


def load_prompts(
    source: str | Path,
    split: str | None = None,
    limit: int | None = None,
    *,
    prompt_column: str = "prompt",
    held_out: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Load the prompts of a data set.

    Args:
        source: "toy" or "stories" (embedded), "helpsteer2", a .jsonl, .json, .parquet or .csv
            file, a folder, or a data set's name on the hub.
        split: which part. A data set with splits of its own has these; any other is split by
            the prompts' hash into "train" and "held_out" (also "test", "validation", "eval").
            None: all of a local file; the training part of anything else. "validation" of "toy"
            is a third part: prompts to choose settings on.
        limit: keep only the first so many prompts.
        prompt_column: the column that holds the prompts.
        held_out: expected share of held-out prompts where the data set has no splits.
        seed: of that split.

    Returns:
        A data set with a ``prompt`` column, text or messages, and all other columns. Of data
        in HelpSteer2's schema (one row a response), the distinct prompts as messages.

    Raises:
        InputError: nothing of that name can be loaded, or its rows are no prompts; the
            message names the file and the row.
        UnreachableError: a name of the hub's form, owner/name, that cannot be loaded.
    """
    name = str(source)
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1, got {limit}")
    if name in EMBEDDED:
        data = checked_prompts(_embedded(name, split or TRAIN), f"the data set {name!r}", prompt_column)
    else:
        data, is_split = _open(name, split)
        if helpsteer2.is_helpsteer2(data.column_names) and isinstance(data[0]["prompt"], str):
            data = helpsteer2.unique_prompts(data)
        data = checked_prompts(data, name, prompt_column)
        if split is not None and not is_split:
            data = split_by_hash(data, split, held_out, seed)
    return data if limit is None or limit >= len(data) else data.select(range(limit), keep_in_memory=True)


def _embedded(name: str, split: str) -> Any:
    if split not in ALIASES:
        raise InputError(f"the data set {name!r} has no split {split!r}.{suggestion(split, ALIASES)}")
    if name == "stories":
        from slhf.data.stories import prompts

        return prompts(split)
    from slhf import toy

    if split == "validation":
        return toy.prompts(split)
    return toy.prompts("test" if ALIASES[split] == HELD_OUT else TRAIN)


def _open(name: str, split: str | None) -> tuple[Dataset, bool]:
    """Return the rows, and whether they are already the wanted split."""
    path = Path(name).expanduser()
    if path.suffix in FORMATS and (path.is_file() or not path.exists()):
        return _read_file(path), False
    if path.is_file():
        raise InputError(f"{name}: cannot read a file ending in {path.suffix!r}; known are {', '.join(FORMATS)}")
    return _read_named(path if path.is_dir() else name, split)


def _read_file(path: Path) -> Dataset:
    from datasets import Dataset, load_dataset

    if not path.is_file():
        raise InputError(f"there is no data file {path} (looked for {path.resolve()})")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    # The library caches what it reads; a file on disk needs no second copy there.
    with _quiet(), tempfile.TemporaryDirectory(prefix="slhf-data-") as cache:
        try:
            data = load_dataset(
                FORMATS[path.suffix],
                data_files=str(path),
                split="train",
                cache_dir=cache,
                keep_in_memory=True,
            )
        except Exception as error:  # every reader has errors of its own
            cause = error.__cause__ or error
            raise InputError(f"{path} cannot be read as {FORMATS[path.suffix]}: {cause}") from error
    assert isinstance(data, Dataset)  # a split was asked for
    return data


def _read_named(source: str | Path, split: str | None) -> tuple[Dataset, bool]:
    """Read a folder, or a data set of the hub."""
    from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

    name = helpsteer2.HUB_NAME if source == "helpsteer2" else str(source)
    saved = isinstance(source, Path) and any((source / f).is_file() for f in ("state.json", "dataset_dict.json"))
    with _quiet():
        try:
            found = load_from_disk(name) if saved else load_dataset(name)
        except Exception as error:  # the hub's errors share no base
            where = "the folder cannot be read" if isinstance(source, Path) else _unreachable(name)
            kind = UnreachableError if not isinstance(source, Path) and name.count("/") == 1 else InputError
            raise kind(f"no data set {name!r}: {where} ({type(error).__name__}: {error})") from error
    if isinstance(found, Dataset):
        return found, False
    assert isinstance(found, DatasetDict)  # streaming is not asked for
    names = [str(s) for s in found]
    if split is None:
        return found[TRAIN if TRAIN in found else names[0]], False
    if split in names:
        return found[split], True
    others = [s for s in names if ALIASES.get(s) == HELD_OUT]
    if ALIASES.get(split) == HELD_OUT and others:
        return found[others[0]], True
    if split in ALIASES and names == [TRAIN]:
        return found[TRAIN], False
    raise InputError(
        f"the data set {name!r} has no split {split!r}; it has {', '.join(names)}.{suggestion(split, names)}"
    )


def _unreachable(name: str) -> str:
    near = suggestion(name, [*EMBEDDED, "helpsteer2"])
    return (
        f"it is neither embedded ({', '.join(EMBEDDED)}), nor a local file or folder, nor on the hub as far "
        f"as this machine can reach it.{near}"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Show no progress bars of the data library: a command may be printing JSON."""
    from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

    shown = is_progress_bar_enabled()
    disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            enable_progress_bar()
