"""Pairs as files that every command reads: Parquet or JSON lines, written in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slhf.errors import InputError, suggestion

ENDINGS = (".parquet", ".jsonl")


def check_rows_file(path: str | Path) -> Path:
    """Refuse a file of rows that cannot be written, before anything long starts.

    Raises:
        InputError: neither ``.parquet`` nor ``.jsonl``, or a folder that does not exist.
    """
    target = Path(path).expanduser()
    if target.suffix not in ENDINGS:
        near = suggestion(target.suffix, ENDINGS)
        raise InputError(f"{path}: the name of a file of pairs ends in {' or '.join(ENDINGS)}.{near}")
    if target.is_dir():
        raise InputError(f"{path} is a folder; name a file")
    if not target.parent.is_dir():
        raise InputError(f"{path}: the folder {target.parent} does not exist; make it first")
    return target


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows of one table in one step: a reader, or a full disk, never meets half of it.

    Args:
        path: a file ending in ``.parquet`` or ``.jsonl``.
        rows: dicts with the same keys; values of a key have one type. At least one row.

    Returns:
        The file.

    Raises:
        InputError: another ending, no such folder, no row, or values of a column that do not fit one type.
    """
    target = check_rows_file(path)
    if not rows:
        raise InputError(f"{path}: there is no row to write")
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        if target.suffix == ".parquet":
            _parquet(temporary, rows)
        else:
            text = "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows)
            temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Return the rows :func:`write_rows` wrote."""
    source = Path(path)
    if source.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(source).to_pylist()
    return [json.loads(line) for line in source.read_text(encoding="utf-8").split("\n") if line]


def _parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pa.Table.from_pylist([dict(row) for row in rows])
    except (TypeError, ValueError) as error:  # the bases of Arrow's errors
        raise InputError(
            f"{path}: the rows do not fit one table: {error}; a column must have one type in every row (prompts all "
            "text, or all conversations)"
        ) from error
    pq.write_table(table, path)
