"""Judges and annotators that are never asked the same thing twice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import IncompleteError, InputError, JudgeError
from slhf.evaluation.identity import content_key, fingerprint, judge_identity, row_fingerprint
from slhf.evaluation.store import Store, StoredJudgement, StoredScore, check_texts
from slhf.judges import Annotator, Judge, preferences_or_skips
from slhf.judges.protocol import AT_ONCE, pace, without_skips
from slhf.types import Comparison

Columns = Sequence[Mapping[str, Any]]


class RememberedJudge:
    """A judge whose judgements are kept; made by :func:`remembered`.

    Args:
        judge: who is asked what nobody asked before.
        store: where judgements are kept.
        identity: what tells the judge from all others.
        antisymmetric: one order answers for both.
        batch: comparisons asked and kept at once; known as ``at_once``, so that a mixture of such judges keeps step.
    """

    def __init__(self, judge: Judge, store: Store, identity: str, *, antisymmetric: bool, batch: int):
        self._judge, self._store = judge, store
        self.identity = identity
        self._antisymmetric, self.at_once = antisymmetric, batch

    @property
    def name(self) -> str:
        """The judge's own name."""
        return self._judge.name

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return what is kept, and ask the judge the rest, each question once, batch by batch.

        Raises:
            JudgeError: the judge's answer is no preference; nothing of its batch is kept.
            IncompleteError: the judge stopped, or skipped a comparison; what it did judge is kept.
        """
        return without_skips(self, comparisons, self.prefer_or_skip(comparisons))

    def prefer_or_skip(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return the same, with NaN where the judge skipped a comparison; it is asked again next time.

        Raises:
            JudgeError: as :meth:`prefer`, but for skips.
        """
        swapped = [self._antisymmetric and c.first > c.second for c in comparisons]
        columns = _column_prints([c.columns for c in comparisons])
        keys = [
            content_key("judgement", self.identity, c.prompt, *((c.second, c.first) if s else (c.first, c.second)), row)
            for c, s, row in zip(comparisons, swapped, columns, strict=True)
        ]
        known = self._store.judgements(keys)
        missing = {
            key: c.swap() if s else c for key, c, s in zip(keys, comparisons, swapped, strict=True) if key not in known
        }
        check_texts(text for c in missing.values() for text in (c.prompt, c.first, c.second))
        # the comparisons of one prompt side by side: judges may read each response once a batch
        order = sorted(missing, key=_by_prompt(missing))
        wanted = len(known) + len(missing)
        try:
            for start in range(0, len(order), self.at_once):
                self._store.watch(f"judge {self.name}", len(known), wanted)
                part = order[start : start + self.at_once]
                known |= self._store.judgements(part)  # another process may have been quicker
                known |= self._judged({key: missing[key] for key in part if key not in known})
                self._store.watch(f"judge {self.name}", len(known), wanted)
        except IncompleteError as error:
            p = _oriented(keys, swapped, self._store.judgements(keys))
            error.judge, error.judged = self, {i: float(v) for i, v in enumerate(p) if not math.isnan(v)}
            raise
        return _oriented(keys, swapped, known)

    def _judged(self, questions: Mapping[str, Comparison]) -> dict[str, float]:
        """Ask the judge and keep what it says, also where it stops half way."""
        keys = list(questions)
        try:
            found = preferences_or_skips(self._judge, list(questions.values()))
        except IncompleteError as error:
            if error.judge is self._judge:
                self._keep({keys[i]: p for i, p in error.judged.items()}, questions)
            raise
        return self._keep({key: p for key, p in zip(keys, found, strict=True) if not math.isnan(p)}, questions)

    def _keep(self, found: Mapping[str, float], questions: Mapping[str, Comparison]) -> dict[str, float]:
        rows = {}
        for key, p in found.items():
            c = questions[key]
            rows[key] = StoredJudgement(self.name, c.prompt, c.first, c.second, float(p), self.identity)
        return self._store.keep_judgements(rows)


def remembered(
    judge: Judge,
    store: Store,
    *,
    identity: str | None = None,
    antisymmetric: bool = True,
    batch: int | None = None,
) -> RememberedJudge:
    """Return a judge that answers as ``judge`` does and never asks it the same question twice.

    Judgements are kept under the hash of (the judge's identity, prompt, first, second, columns), so those of
    another judge, or of the same judge with other settings, are never mixed in. A judge's p(y ≻ y′) and
    1 − p(y′ ≻ y) are the same number, so one order is asked, the one with the smaller text first, and
    answers for both.

    Args:
        judge: who is asked.
        store: where its judgements are kept.
        identity: what tells this judge from every other; found by itself where it can be, see
            :func:`slhf.evaluation.judge_identity`.
        antisymmetric: False for something that answers the two orders differently, which the protocol of judges
            does not allow; each order is then kept by itself.
        batch: comparisons asked at once; a killed process loses at most one batch. The judge's own number
            (:class:`slhf.judges.protocol.Paced`) if not given, and 1024 for a judge that has none.

    Raises:
        InputError: the identity is not given and cannot be found.
    """
    batch = pace(judge) if batch is None else batch
    if batch < 1:
        raise InputError(f"batch={batch}: at least one comparison is asked at once")
    found = judge_identity(judge) if identity is None else fingerprint("identity", identity)
    return RememberedJudge(judge, store, found, antisymmetric=antisymmetric, batch=batch)


def scores(
    annotators: Sequence[Annotator],
    prompts: Sequence[str],
    responses: Sequence[Sequence[str]],
    store: Store,
    *,
    columns: Columns | None = None,
    identities: Sequence[str] | None = None,
    batch: int = AT_ONCE,
) -> NDArray[np.float64]:
    """Return what annotators think of several responses to each prompt, scoring each one once ever.

    Args:
        annotators: A annotators.
        prompts: X prompts as text.
        responses: M responses to each prompt.
        store: where scores are kept.
        columns: the prompts' extra columns.
        identities: what tells each annotator from all others; by its settings and code if not given.
        batch: responses scored and kept at once.

    Returns:
        Rewards, shape (A, X, M), signed so that higher is better.

    Raises:
        InputError: different numbers of responses, or of rows.
        JudgeError: a score that is not a finite number.
    """
    extra: Columns = [{}] * len(prompts) if columns is None else columns
    if len(responses) != len(prompts) or len(extra) != len(prompts):
        raise InputError(f"{len(responses)} rows of responses and {len(extra)} of columns for {len(prompts)} prompts")
    sizes = {len(row) for row in responses}
    if len(sizes) != 1 or 0 in sizes:
        raise InputError(f"every prompt needs the same number of responses, at least one; got {sorted(sizes)}")
    names = [fingerprint(a) for a in annotators] if identities is None else list(identities)
    if len(names) != len(annotators):
        raise InputError(f"{len(names)} identities for {len(annotators)} annotators; give one each")
    prints = _column_prints(extra)
    questions = [
        (prompt, response, row, print_)
        for prompt, listed, row, print_ in zip(prompts, responses, extra, prints, strict=True)
        for response in listed
    ]
    check_texts(text for prompt, response, _, _ in questions for text in (prompt, response))
    table = [_scored(a, name, questions, store, batch) for a, name in zip(annotators, names, strict=True)]
    return np.array(table).reshape(len(annotators), len(prompts), -1)


def _scored(annotator: Annotator, identity: str, questions: list[tuple], store: Store, batch: int) -> list[float]:
    keys = [content_key("score", identity, x, y, print_) for x, y, _, print_ in questions]
    known = store.scores(keys)
    missing = {key: q for key, q in zip(keys, questions, strict=True) if key not in known}
    order, wanted = list(missing), len(known) + len(missing)
    for start in range(0, len(order), batch):
        store.watch(f"annotator {annotator.name}", len(known), wanted)
        rows = {}
        for key in order[start : start + batch]:
            prompt, response, row, _ = missing[key]
            value = float(annotator.score(prompt, response, row))
            if not math.isfinite(value):
                raise JudgeError(
                    f"annotator {annotator.name!r} gave {value} to response {response!r} for prompt {prompt!r}; a "
                    "reward must be a finite number"
                )
            rows[key] = StoredScore(annotator.name, prompt, response, value)
        known |= store.keep_scores(rows)
        store.watch(f"annotator {annotator.name}", len(known), wanted)
    sign = -1.0 if annotator.lower_is_better else 1.0
    return [sign * known[key] for key in keys]


def _oriented(keys: Sequence[str], swapped: Sequence[bool], known: Mapping[str, float]) -> NDArray[np.float64]:
    p = np.array([known.get(key, math.nan) for key in keys], dtype=np.float64)
    return np.where(swapped, 1.0 - p, p)


def _column_prints(columns: Columns) -> list[str]:
    """Return a fingerprint of each row's columns; rows are often empty, or the same object many times."""
    names = [id(row) if row else None for row in columns]
    seen: dict[int | None, str] = {}
    for name, row in zip(names, columns, strict=True):
        if name not in seen:
            seen[name] = row_fingerprint(row)
    return [seen[name] for name in names]


def _by_prompt(questions: Mapping[str, Comparison]) -> Any:
    rank: dict[str, int] = {}
    places = {key: (rank.setdefault(c.prompt, len(rank)), i) for i, (key, c) in enumerate(questions.items())}
    return places.__getitem__
