"""Rows by name: a local file, a folder, or a data set of the hub."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slhf.data.mixed import mixed_as_text
from slhf.data.splits import ALIASES, HELD_OUT, TRAIN
from slhf.errors import InputError, suggestion

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = {
    ".jsonl": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl.gz": "json",
    ".json.gz": "json",
    ".csv.gz": "csv",
}
"""Endings of local files, and the reader of each."""

EMBEDDED = ("toy", "stories")
"""Data sets that come with the package."""

HUB: dict[str, tuple[str, str | None, str | None]] = {
    "helpsteer2": ("nvidia/HelpSteer2", None, None),
    "helpsteer2-disagreements": ("nvidia/HelpSteer2", None, "disagreements"),
    "helpsteer2-preference": ("nvidia/HelpSteer2", None, "preference"),
    "helpsteer3": ("nvidia/HelpSteer3", "preference", None),
    "ultrafeedback": ("openbmb/UltraFeedback", None, None),
    "ultrafeedback-binarized": ("HuggingFaceH4/ultrafeedback_binarized", None, None),
    "tulu3": ("allenai/llama-3.1-tulu-3-8b-preference-mixture", None, None),
    "hh-rlhf": ("Anthropic/hh-rlhf", None, None),
}
"""Short names of data sets on the hub: the full name, the configuration and the folder where these matter."""

PAIRS_SUFFIX = "_prefs"
"""Some data sets keep their preferences in splits named so, train_prefs for train."""


class UnreachableError(InputError):
    """A data set of the hub cannot be reached from this machine, or is not there."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as they stand in a source.

    Attributes:
        data: the rows.
        is_split: whether they are already the wanted split; where they are not, whoever asked splits them.
        splits: the source's own splits and their numbers of rows; empty where it has none.
    """

    data: Dataset
    is_split: bool
    splits: dict[str, int] = field(default_factory=dict)


def open_rows(name: str, split: str | None) -> Rows:
    """Read rows as they stand.

    Args:
        name: a file, a folder, a short name of :data:`HUB`, or a data set's name on the hub.
        split: the part that is wanted, or None.

    Raises:
        InputError: nothing of that name can be read, or it has splits and not this one.
        UnreachableError: a name of the hub's form, owner/name, that cannot be loaded.
    """
    path = Path(name).expanduser()
    ending = _ending(path)
    if ending in FORMATS and (path.is_file() or not path.exists()):
        return Rows(_read_file(path, FORMATS[ending]), is_split=False)
    if path.is_file():
        raise InputError(f"{name}: cannot read a file ending in {ending!r}; known are {', '.join(FORMATS)}")
    return _read_named(path if path.is_dir() else name, split)


def _ending(path: Path) -> str:
    return "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix


def _read_file(path: Path, reader: str) -> Dataset:
    from datasets import Dataset, load_dataset

    if not path.is_file():
        raise InputError(f"there is no data file {path} (looked for {path.resolve()})")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    # The library caches what it reads; a file on disk needs no second copy there.
    with quiet(), tempfile.TemporaryDirectory(prefix="slhf-data-") as cache:
        try:
            data = load_dataset(reader, data_files=str(path), split="train", cache_dir=cache, keep_in_memory=True)
        except Exception as error:  # every reader has errors of its own
            cause = error.__cause__ or error
            raise InputError(f"{path} cannot be read as {reader}: {cause}") from error
    assert isinstance(data, Dataset)  # a split was asked for
    return mixed_as_text(data, path) if reader == "json" else data


def _read_named(source: str | Path, split: str | None) -> Rows:
    """Read a folder, or a data set of the hub."""
    from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

    short = source if isinstance(source, str) else ""
    name, config, folder = HUB.get(short, (str(source), None, None))
    saved = isinstance(source, Path) and any((source / f).is_file() for f in ("state.json", "dataset_dict.json"))
    with quiet():
        try:
            found = load_from_disk(name) if saved else load_dataset(name, config, data_dir=folder)
        except Exception as error:  # the hub's errors share no base
            where = "the folder cannot be read" if isinstance(source, Path) else _unreachable(name)
            kind = UnreachableError if not isinstance(source, Path) and name.count("/") == 1 else InputError
            raise kind(f"no data set {name!r}: {where} ({type(error).__name__}: {error})") from error
    if isinstance(found, Dataset):
        return Rows(found, is_split=False)
    assert isinstance(found, DatasetDict)  # streaming is not asked for
    sizes = {str(part): len(rows) for part, rows in found.items()}
    part, is_split = _part(name, list(sizes), split)
    return Rows(found[part], is_split, sizes if len(sizes) > 1 else {})


def _part(name: str, names: list[str], split: str | None) -> tuple[str, bool]:
    """Return which of a data set's own splits to read, and whether it is the wanted one."""
    training = next((s for s in (TRAIN, TRAIN + PAIRS_SUFFIX) if s in names), names[0])
    if split is None:
        return training, False
    for own in (split, split + PAIRS_SUFFIX):
        if own in names:
            return own, True
    others = [s for s in names if ALIASES.get(s.removesuffix(PAIRS_SUFFIX)) == HELD_OUT]
    if ALIASES.get(split) == HELD_OUT and others:
        return others[0], True
    if split in ALIASES and names == [TRAIN]:
        return TRAIN, False
    raise InputError(
        f"the data set {name!r} has no split {split!r}; it has {', '.join(names)}.{suggestion(split, names)}"
    )


def _unreachable(name: str) -> str:
    near = suggestion(name, [*EMBEDDED, *HUB])
    return (
        f"it is neither embedded ({', '.join(EMBEDDED)}), nor a local file or folder, nor on the hub as far "
        f"as this machine can reach it.{near}"
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Show no progress bars of the data library: a command may be printing JSON."""
    from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

    shown = is_progress_bar_enabled()
    disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            enable_progress_bar()
