"""A judge asked by many chains at once: whatever waits is judged in one call."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Lock, Thread

from slhf.errors import InputError, JudgeError
from slhf.judges.protocol import Judge, pace, preferences
from slhf.types import Comparison

_Question = tuple[Comparison, "Future[float]"]


class Desk:
    """Collects comparisons while the judge is busy, and puts them to it together when it is free again.

    Args:
        judge: who is asked; by one thread at a time.
    """

    def __init__(self, judge: Judge):
        self._judge = judge
        self._waiting: list[_Question] = []
        self._lock = Lock()
        self._thread: Thread | None = None

    def ask(self, comparison: Comparison) -> Future[float]:
        """Return P(first ≻ second), once it is known."""
        answer: Future[float] = Future()
        with self._lock:
            self._waiting.append((comparison, answer))
            if self._thread is None:
                # a judge may be slow to answer: who wants to leave does not wait for it
                self._thread = Thread(target=self._work, name="judge", daemon=True)
                self._thread.start()
        return answer

    def _work(self) -> None:
        most = pace(self._judge)
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                taken, self._waiting = self._waiting[:most], self._waiting[most:]
            # one that is cancelled before is not asked; afterwards none can be
            asked = [(comparison, answer) for comparison, answer in taken if answer.set_running_or_notify_cancel()]
            self._judged(asked)

    def _judged(self, asked: list[_Question]) -> None:
        try:
            found = preferences(self._judge, [comparison for comparison, _ in asked])
        except Exception as error:
            if len(asked) == 1:
                asked[0][1].set_exception(_as_judges(error))
                return
            for one in asked:  # whose comparison it was must not be everybody's loss
                self._judged([one])
            return
        for (_, answer), p in zip(asked, found, strict=True):
            answer.set_result(float(p))


def _as_judges(error: Exception) -> Exception:
    """Return an error that says whose it is: what a judge cannot judge is not what whoever asked got wrong."""
    return JudgeError(f"the judge cannot judge this: {error}") if isinstance(error, InputError) else error
