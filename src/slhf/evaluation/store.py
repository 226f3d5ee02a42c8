"""What was generated and judged, kept in one SQLite file by the hash of its content, safe to kill at any moment."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from slhf.errors import InputError
from slhf.evaluation.store_layout import PATIENCE, prepare, transaction

_AT_ONCE = 500  # keys a query; SQLite allows more

Watch = Callable[[str, int, int], None]
"""Told what is being made, how many of them there are, and how many are wanted."""


def unwatched(what: str, there: int, wanted: int) -> None:
    """Watch nothing."""


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
    """One judgement: p is P(first ≻ second); judges with one name and other settings differ in ``identity``."""

    judge: str
    prompt: str
    first: str
    second: str
    p: float
    identity: str = ""


@dataclass(frozen=True, slots=True)
class JudgeCounts:
    """What a store holds of one judge.

    Attributes:
        judge: its name.
        identity: what tells it from others with this name; empty where that was not kept.
        judgements: how many.
        prompts: how many different ones they are about.
        mean: of P(first ≻ second). The first is the smaller text, by the order of letters: about ½ in a fair world.
        ties: share of judgements that are ½.
    """

    judge: str
    identity: str
    judgements: int
    prompts: int
    mean: float
    ties: float


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
        watch: told after each batch how far answering or judging is.

    Raises:
        InputError: the file cannot be opened, or was not made by this class.
    """

    def __init__(self, path: str | Path, watch: Watch = unwatched):
        self.path, self.watch = str(path), watch
        if self.path != ":memory:" and not Path(self.path).expanduser().parent.is_dir():
            raise InputError(f"{self.path}: the folder does not exist; make it first")
        where = self.path if self.path == ":memory:" else str(Path(self.path).expanduser())
        try:
            self._connection = sqlite3.connect(where, timeout=PATIENCE, isolation_level=None)
        except sqlite3.Error as error:
            raise InputError(f"{self.path} cannot be opened: {error}") from error
        try:
            prepare(self._connection, self.path)
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
        with transaction(self._connection):
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
        with transaction(self._connection):
            self._texts(text for r in rows.values() for text in (r.prompt, r.first, r.second))
            self._connection.executemany(
                "INSERT OR IGNORE INTO judgements VALUES (?,?,?,?,?,?,?)",
                [
                    (k, r.judge, _digest(r.prompt), _digest(r.first), _digest(r.second), r.p, r.identity)
                    for k, r in rows.items()
                ],
            )
        return self.judgements(rows)

    def keep_scores(self, rows: Mapping[str, StoredScore]) -> dict[str, float]:
        """Keep scores under their keys, all or none, and return what is kept there now."""
        with transaction(self._connection):
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

    def judged(self) -> Iterator[StoredJudgement]:
        """Yield every judgement with its texts, those of one judge side by side, without holding all in memory."""
        query = "SELECT judge, prompt, first, second, p, identity FROM judged ORDER BY judge, identity"
        for row in self._connection.execute(query):
            yield StoredJudgement(*row)

    def judges(self) -> list[JudgeCounts]:
        """Return what there is of each judge, by name and identity."""
        query = (
            "SELECT judge, identity, count(*), count(DISTINCT prompt), avg(p), avg(p = 0.5) FROM judgements "
            "GROUP BY judge, identity ORDER BY judge, identity"
        )
        return [JudgeCounts(*row) for row in self._connection.execute(query)]

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
