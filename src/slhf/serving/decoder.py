"""A thread that decodes whatever has been handed in, and is gone when there is nothing left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock, Thread

from slhf.policies.engine import Engine
from slhf.serving.batch import Batch
from slhf.serving.jobs import Job


class Decoder:
    """Decodes jobs of one engine together as they come: new ones join between two tokens.

    Args:
        engine: the model.
        max_rows: jobs decoded at once; the others wait their turn, first come, first served.
        most: tokens of a text that the model holds; None if it does not say.
        turn: held while the model computes, by decoders that must not compute at once.
        watch: told how many rows are decoded together, before every token.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_rows: int,
        most: int | None = None,
        turn: Lock | None = None,
        watch: Callable[[int], None] | None = None,
    ):
        self._batch, self._max_rows = Batch(engine, most), max_rows
        self._turn, self._watch = turn or Lock(), watch
        self._waiting: list[Job] = []
        self._lock = Lock()
        self._thread: Thread | None = None

    @property
    def waiting(self) -> int:
        """Jobs that are not being decoded yet."""
        return len(self._waiting)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand in jobs; what comes of them is in their ``done``."""
        with self._lock:
            self._waiting += jobs
            if self._thread is None and jobs:
                self._thread = Thread(target=self._work, name="decoder")
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._waiting = [job for job in self._waiting if not job.done.cancelled()]
                if not self._waiting and not len(self._batch):
                    self._thread = None
                    return
                free = max(self._max_rows - len(self._batch), 0)
                fresh, self._waiting = self._waiting[:free], self._waiting[free:]
            with self._turn:
                self._decode(fresh)

    def _decode(self, fresh: list[Job]) -> None:
        self._batch.admit(fresh)
        if self._watch is not None:
            self._watch(len(self._batch))
        try:
            self._batch.step()
        except Exception as error:  # out of memory, say: those who wait are told, and the next ones may fit
            self._batch.fail(error)
