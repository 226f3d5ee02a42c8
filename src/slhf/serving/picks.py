"""Picks kept in one SQLite file: what was acknowledged survives whatever comes."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from slhf.errors import InputError, SlhfError
from slhf.evaluation.store_layout import PATIENCE, layout_of, log_ahead, transaction
from slhf.serving.pick import Pick, last_words, preference_rows

_APPLICATION, _VERSION = 0x736C706B, 1  # "slpk", in the file's header

_TABLES = """
CREATE TABLE picks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, prompt TEXT NOT NULL, chosen TEXT NOT NULL,
    rejected TEXT NOT NULL, model TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX picks_of ON picks (session);
CREATE VIEW pairs AS
    SELECT p.id, p.session, p.prompt, p.chosen, r.value AS rejected, p.model, p.at
    FROM picks p JOIN json_each(p.rejected) r;
"""


class NotStoredError(SlhfError):
    """A pick could not be written; the message says why."""


class PickStore:
    """Picks in one SQLite file, which is made with the first of them.

    :meth:`add` returns when the pick is on the disk: neither a killed process nor a power cut takes it away again,
    and none is ever half there. Several processes and threads may add and read at the same time.

    The view ``pairs`` shows each chosen answer beside each rejected one, for people and for other tools.

    Args:
        path: the file.

    Raises:
        InputError: its folder does not exist, or what is there is no such file.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path).expanduser()
        if not self.path.parent.is_dir():
            raise InputError(f"{self.path}: the folder does not exist; make it first")
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        with self._reading():  # what is there and is something else is refused at once
            pass

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> PickStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, pick: Pick) -> int:
        """Store a pick and return its number; it is on the disk then.

        Raises:
            NotStoredError: it could not be written: the disk is full, the file may not be written, and the like.
        """
        prompt = json.dumps(pick.prompt, ensure_ascii=False)
        rejected = json.dumps(pick.rejected, ensure_ascii=False)
        row = (pick.session, prompt, pick.chosen, rejected, pick.model, pick.when)
        query = "INSERT INTO picks (session, prompt, chosen, rejected, model, at) VALUES (?,?,?,?,?,?) RETURNING id"
        try:
            with self._lock, transaction(self._writer()):
                return int(self._writer().execute(query, row).fetchone()[0])
        except (sqlite3.Error, OSError, InputError) as error:
            raise NotStoredError(f"{self.path}: the pick was not stored: {error}") from error

    def rows(self, session: str | None = None) -> Iterator[Pick]:
        """Yield the picks in the order they came, those of one session if it is named.

        Picks that come in the meantime are not among them.
        """
        with self._reading() as connection:
            if connection is not None:
                yield from _picks(connection, session)

    def lines(self) -> Iterator[str]:
        """Yield the preferences as lines of JSON, ready to train on; see :func:`preference_rows`."""
        with self._reading() as connection:
            if connection is not None:
                last = last_words(_picks(connection))
                for row in preference_rows(_picks(connection), last):
                    yield json.dumps(row, ensure_ascii=False) + "\n"

    def export(self, output: str | Path | IO[str]) -> int:
        """Write the preferences as JSONL; return how many there are.

        Args:
            output: a file, which is replaced as a whole or not at all, or a stream of text.

        Raises:
            InputError: the file cannot be written.
        """
        if not isinstance(output, str | Path):
            return _written(self.lines(), output)
        path = Path(output).expanduser()
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w", encoding="utf-8", newline="\n") as stream:
                count = _written(self.lines(), stream)
            temporary.replace(path)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            temporary.unlink(missing_ok=True)
        return count

    def _writer(self) -> sqlite3.Connection:
        if self._connection is None:
            os.close(os.open(self.path, os.O_CREAT, 0o600))  # what people write is nobody else's to read
            connection = _connected(self.path)
            try:
                _prepare(connection, str(self.path))
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give a connection that sees the file as it is now; None where there is none yet."""
        if not self.path.exists():
            yield None
            return
        try:
            with closing(_connected(self.path)) as connection:
                connection.execute("BEGIN")
                yield connection if layout_of(connection, str(self.path), _APPLICATION, (_VERSION,)) else None
        except sqlite3.Error as error:
            raise InputError(f"{self.path} cannot be read as a file of picks: {error}; choose another file") from error


def _connected(path: Path) -> sqlite3.Connection:
    # the lock of whoever uses it keeps two threads apart
    return sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    layout_of(connection, path, _APPLICATION, (_VERSION,))  # before anything about the file is changed
    log_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")  # what is acknowledged is on the disk
    with transaction(connection):
        if layout_of(connection, path, _APPLICATION, (_VERSION,)):
            return  # another process was quicker
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")


def _picks(connection: sqlite3.Connection, session: str | None = None) -> Iterator[Pick]:
    of, values = ("", ()) if session is None else (" WHERE session = ?", (session,))
    query = f"SELECT session, prompt, chosen, rejected, model, at FROM picks{of} ORDER BY id"
    for whose, prompt, chosen, rejected, model, when in connection.execute(query, values):
        yield Pick(whose, json.loads(prompt), chosen, tuple(json.loads(rejected)), model, when)


def _written(lines: Iterator[str], stream: IO[str]) -> int:
    count = 0
    for line in lines:
        stream.write(line)
        count += 1
    return count
