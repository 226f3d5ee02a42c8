"""What was generated and judged, kept in one SQLite file by the hash of its content, safe to kill at any moment."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from slhf.errors import InputError

_APPLICATION = 0x736C6866  # "slhf", in the file's header
_VERSION = 1
_AT_ONCE = 500  # keys a query; SQLite allows more
_PATIENCE = 60.0  # seconds to wait for another process that writes

_SCHEMA = """
CREATE TABLE texts (digest BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE answers (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, role TEXT NOT NULL, prompt BLOB NOT NULL, previous BLOB,
    sampling TEXT NOT NULL, seed INTEGER NOT NULL, sample INTEGER NOT NULL, step INTEGER NOT NULL, answer BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE judgements (
    key TEXT PRIMARY KEY, judge TEXT NOT NULL, prompt BLOB NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL,
    p REAL NOT NULL CHECK (p BETWEEN 0 AND 1)
) WITHOUT ROWID;
CREATE TABLE scores (
    key TEXT PRIMARY KEY, annotator TEXT NOT NULL, prompt BLOB NOT NULL, response BLOB NOT NULL, score REAL NOT NULL
) WITHOUT ROWID;
CREATE VIEW judged AS
    SELECT j.judge, x.text AS prompt, y.text AS first, z.text AS second, j.p FROM judgements j
    JOIN texts x ON x.digest = j.prompt JOIN texts y ON y.digest = j.first JOIN texts z ON z.digest = j.second;
CREATE VIEW answered AS
    SELECT a.model, a.role, x.text AS prompt, y.text AS previous, a.sampling, a.seed, a.sample, a.step,
           z.text AS answer FROM answers a
    JOIN texts x ON x.digest = a.prompt LEFT JOIN texts y ON y.digest = a.previous JOIN texts z ON z.digest = a.answer;
"""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One generated answer and where it comes from; ``previous`` is None for a Leader's."""

    model: str
    role: str
    prompt: str
    previous: str | None
    sampling: str
    seed: int
    sample: int
    step: int
    answer: str


@dataclass(frozen=True, slots=True)
class StoredJudgement:
    """One judgement: p is P(first ≻ second)."""

    judge: str
    prompt: str
    first: str
    second: str
    p: float


@dataclass(frozen=True, slots=True)
class StoredScore:
    """One annotator's score of one response, as the annotator gave it."""

    annotator: str
    prompt: str
    response: str
    score: float


class Store:
    """Answers, judgements and scores in one SQLite file.

    Every batch is one transaction, so a process that is killed leaves whole batches behind and nothing else.
    The first value kept under a key stays; who comes later with another one is told the first. Several
    processes may read and write at the same time (write-ahead log).

    The views ``answered`` and ``judged`` show the content with its texts, for people and for other tools.

    Args:
        path: the file, made where there is none; ``":memory:"`` keeps everything until the process ends.

    Raises:
        InputError: the file cannot be opened, or was not made by this class.
    """

    def __init__(self, path: str | Path):
        self.path = str(path)
        if self.path != ":memory:" and not Path(self.path).expanduser().parent.is_dir():
            raise InputError(f"{self.path}: the folder does not exist; make it first")
        where = self.path if self.path == ":memory:" else str(Path(self.path).expanduser())
        try:
            self._connection = sqlite3.connect(where, timeout=_PATIENCE, isolation_level=None)
        except sqlite3.Error as error:
            raise InputError(f"{self.path} cannot be opened: {error}") from error
        try:
            self._open()
        except sqlite3.Error as error:
            self._connection.close()
            raise InputError(f"{self.path} is no store of answers and judgements: {error}") from error
        except InputError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answers(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the texts kept under ``keys``; keys without one are left out."""
        return dict(
            self._rows("SELECT a.key, t.text FROM answers a JOIN texts t ON t.digest = a.answer WHERE a.key IN", keys)
        )

    def judgements(self, keys: Iterable[str]) -> dict[str, float]:
        """Return the preferences kept under ``keys``; keys without one are left out."""
        return dict(self._rows("SELECT key, p FROM judgements WHERE key IN", keys))

    def scores(self, keys: Iterable[str]) -> dict[str, float]:
        """Return the scores kept under ``keys``; keys without one are left out."""
        return dict(self._rows("SELECT key, score FROM scores WHERE key IN", keys))

    def keep_answers(self, rows: Mapping[str, StoredAnswer]) -> dict[str, str]:
        """Keep answers under their keys, all or none, and return what is kept there now."""
        with self._transaction():
            self._texts(t for r in rows.values() for t in (r.prompt, r.previous, r.answer) if t is not None)
            self._connection.executemany(
                "INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?,?,?,?)",
                [
                    (key, r.model, r.role, _digest(r.prompt), None if r.previous is None else _digest(r.previous),
                     r.sampling, r.seed, r.sample, r.step, _digest(r.answer))
                    for key, r in rows.items()
                ],
            )  # fmt: skip
        return self.answers(rows)

    def keep_judgements(self, rows: Mapping[str, StoredJudgement]) -> dict[str, float]:
        """Keep judgements under their keys, all or none, and return what is kept there now."""
        with self._transaction():
            self._texts(text for r in rows.values() for text in (r.prompt, r.first, r.second))
            self._connection.executemany(
                "INSERT OR IGNORE INTO judgements VALUES (?,?,?,?,?,?)",
                [(k, r.judge, _digest(r.prompt), _digest(r.first), _digest(r.second), r.p) for k, r in rows.items()],
            )
        return self.judgements(rows)

    def keep_scores(self, rows: Mapping[str, StoredScore]) -> dict[str, float]:
        """Keep scores under their keys, all or none, and return what is kept there now."""
        with self._transaction():
            self._texts(text for r in rows.values() for text in (r.prompt, r.response))
            self._connection.executemany(
                "INSERT OR IGNORE INTO scores VALUES (?,?,?,?,?)",
                [(k, r.annotator, _digest(r.prompt), _digest(r.response), r.score) for k, r in rows.items()],
            )
        return self.scores(rows)

    def counts(self) -> dict[str, int]:
        """Return how many answers, judgements and scores there are."""
        tables = ("answers", "judgements", "scores")
        return {t: int(self._connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0]) for t in tables}

    def _open(self) -> None:
        self._refuse_others()  # before anything about the file is changed
        # full durability against power cuts is not needed: what is lost is computed again
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
            self._connection.execute(f"PRAGMA {pragma}")
        with self._transaction():
            if self._refuse_others():  # another process may have been quicker
                for statement in _SCHEMA.split(";\n"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _refuse_others(self) -> bool:
        """Return True for a new file, False for a store; raise for anything else."""
        # tables first: they come with the header's numbers in one transaction, so where they are, those are too
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application, version = self._pragma("application_id"), self._pragma("user_version")
        if not tables and application in (0, _APPLICATION):
            return True
        if application != _APPLICATION:
            raise InputError(f"{self.path} is another program's database; choose another file")
        if version != _VERSION:
            raise InputError(
                f"{self.path} was made by another version of this package (layout {version}, here {_VERSION}); "
                "choose another file"
            )
        return False

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException:  # an interrupt too: all of a batch is kept, or nothing
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _texts(self, texts: Iterable[str]) -> None:
        rows = [(_digest(text), text) for text in dict.fromkeys(texts)]
        self._connection.executemany("INSERT OR IGNORE INTO texts VALUES (?,?)", rows)

    def _rows(self, query: str, keys: Iterable[str]) -> Iterator[tuple]:
        wanted: Sequence[str] = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            yield from self._connection.execute(f"{query} ({','.join('?' * len(part))})", part)


def check_texts(texts: Iterable[str]) -> None:
    """Refuse texts that cannot be written as UTF-8, before anything long starts.

    Raises:
        InputError: half of a surrogate pair, which some JSON files carry.
    """
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"the text {text!r} cannot be written as UTF-8 ({error.reason} at character {error.start}); mend the "
                "file it comes from"
            ) from None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
