"""Pairs as files: what is written is read back, by the loader of preferences too, and never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from slhf.data import load_pairs
from slhf.data.pair_files import check_rows_file, read_rows, write_rows
from slhf.errors import InputError

ROWS = [
    {"prompt": "a\u2028b", "chosen": "yes\n", "rejected": "nö", "preference": 1.0, "margin": 0.25},
    {"prompt": "c", "chosen": '"quoted"', "rejected": "x", "preference": 0.75, "margin": 2.0},
]


@pytest.mark.parametrize("name", ["pairs.parquet", "pairs.jsonl"])
def test_what_is_written_is_read_back_and_loads_as_pairs(tmp_path: Path, name: str) -> None:
    path = write_rows(tmp_path / name, ROWS)
    assert read_rows(path) == ROWS
    loaded = load_pairs(path)
    assert loaded.to_list() == ROWS
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["pairs.parquet", "pairs.jsonl"])
def test_conversations(tmp_path: Path, name: str) -> None:
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Go"},
    ]
    rows = [{"prompt": talk, "chosen": "a", "rejected": "b", "preference": 1.0}]
    assert load_pairs(write_rows(tmp_path / name, rows))["prompt"][0] == talk


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.parquet", ROWS)
    before = path.read_bytes()
    with pytest.raises(InputError, match="do not fit one table"):
        write_rows(path, [*ROWS, {**ROWS[0], "prompt": [{"role": "user", "content": "x"}]}])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["pairs.parquet"]


def test_bad_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.parquet or \.jsonl\. Did you mean '\.jsonl'"):
        check_rows_file(tmp_path / "pairs.json")
    with pytest.raises(InputError, match="does not exist; make it first"):
        check_rows_file(tmp_path / "no" / "pairs.jsonl")
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_rows_file(tmp_path / "x.jsonl")
    with pytest.raises(InputError, match="there is no row"):
        write_rows(tmp_path / "y.jsonl", [])
