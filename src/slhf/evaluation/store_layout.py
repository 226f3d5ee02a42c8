"""The tables of a store: made in a new file, brought up to date in an old one, refused in another program's."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from slhf.errors import InputError

PATIENCE = 60.0
"""Seconds to wait for another process that writes."""

_APPLICATION = 0x736C6866  # "slhf", in the file's header
_VERSION = 2

_TABLES = """
CREATE TABLE texts (digest BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE answers (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, role TEXT NOT NULL, prompt BLOB NOT NULL, previous BLOB,
    sampling TEXT NOT NULL, seed INTEGER NOT NULL, sample INTEGER NOT NULL, step INTEGER NOT NULL, answer BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE judgements (
    key TEXT PRIMARY KEY, judge TEXT NOT NULL, prompt BLOB NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL,
    p REAL NOT NULL CHECK (p BETWEEN 0 AND 1), identity TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE scores (
    key TEXT PRIMARY KEY, annotator TEXT NOT NULL, prompt BLOB NOT NULL, response BLOB NOT NULL, score REAL NOT NULL
) WITHOUT ROWID;
CREATE VIEW answered AS
    SELECT a.model, a.role, x.text AS prompt, y.text AS previous, a.sampling, a.seed, a.sample, a.step,
           z.text AS answer FROM answers a
    JOIN texts x ON x.digest = a.prompt LEFT JOIN texts y ON y.digest = a.previous JOIN texts z ON z.digest = a.answer;
"""

_JUDGED = """
CREATE VIEW judged AS
    SELECT j.judge, x.text AS prompt, y.text AS first, z.text AS second, j.p, j.identity FROM judgements j
    JOIN texts x ON x.digest = j.prompt JOIN texts y ON y.digest = j.first JOIN texts z ON z.digest = j.second;
"""

_FROM_1 = """
ALTER TABLE judgements ADD COLUMN identity TEXT NOT NULL DEFAULT '';
DROP VIEW judged;
"""


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make a new file a store, and an older store one of this layout.

    Args:
        connection: to the file.
        path: its name, for messages.

    Raises:
        InputError: the file is another program's, or a later version's; it is left as it is.
    """
    layout_of(connection, path, _APPLICATION, (1, _VERSION))  # before anything about the file is changed
    # full durability against power cuts is not needed: what is lost is computed again
    log_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    with transaction(connection):
        found = layout_of(connection, path, _APPLICATION, (1, _VERSION))  # another process may have been quicker
        if found == _VERSION:
            return
        script = _FROM_1 if found == 1 else _TABLES
        for statement in (script + _JUDGED).split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")


def log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite does not wait by itself for another process that does so just now."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Let everything inside be kept, or nothing."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:  # an interrupt too
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def layout_of(connection: sqlite3.Connection, path: str, application: int, versions: Sequence[int]) -> int:
    """Return the layout of a file of ours, 0 for a new file.

    Args:
        connection: to the file.
        path: its name, for messages.
        application: the number in the header of such files.
        versions: layouts that can be read, the newest last.

    Raises:
        InputError: the file is another program's, or a later version's.
    """
    # tables first: they come with the header's numbers in one transaction, so where they are, those are too
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    found, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    if not tables and found in (0, application):
        return 0
    if found != application:
        raise InputError(f"{path} is another program's database; choose another file")
    if version not in versions:
        raise InputError(
            f"{path} was made by another version of this package (layout {version}, here {versions[-1]}); choose "
            "another file"
        )
    return version


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
