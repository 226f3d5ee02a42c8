"""What a server counts and writes down: Prometheus figures, and one line of JSON a request."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

log = logging.getLogger("slhf.serving.requests")

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Measures:
    """The figures of one server, in a registry of their own."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self._requests = Counter("slhf_requests", "By HTTP status; 499: the client left", ["status"], registry=own)
        self._seconds = Histogram("slhf_request_seconds", "From a request to its end", buckets=_SECONDS, registry=own)
        self._first = Histogram(
            "slhf_first_text_seconds", "From a request to a stream's first text", buckets=_SECONDS, registry=own
        )
        self._tokens = Counter("slhf_tokens", "Tokens of answered requests", ["kind"], registry=own)
        self._rows = Histogram("slhf_batch_rows", "Answers decoded together, a token", buckets=_ROWS, registry=own)
        self._inside = Gauge("slhf_answers_inside", "Answers that are being made or wait", registry=own)
        self._waiting = Gauge("slhf_answers_waiting", "Answers that wait for a place in the batch", registry=own)

    def watch(self, inside: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Say how to learn how many answers are being made or wait, and how many of them wait."""
        self._inside.set_function(inside)
        self._waiting.set_function(waiting)

    def rows(self, count: int) -> None:
        """Count the answers decoded together for one token."""
        self._rows.observe(count)

    def page(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)

    @contextmanager
    def request(self, id: str) -> Iterator[dict[str, Any]]:
        """Measure one request; the block fills in what is known, ``status`` above all.

        Args:
            id: of the request.

        Yields:
            The line that is written in the end; it holds neither prompt nor answer unless the block puts them there.
        """
        began = time.monotonic()
        line: dict[str, Any] = {"event": "request", "id": id, "status": 499}  # until an answer is sent
        try:
            yield line
        finally:
            seconds = time.monotonic() - began
            if "first_text" in line:
                line["first_text"] = round(line["first_text"] - began, 4)
                self._first.observe(line["first_text"])
            self._requests.labels(str(line["status"])).inc()
            self._seconds.observe(seconds)
            for kind in ("prompt", "completion"):
                self._tokens.labels(kind).inc(line.get(f"{kind}_tokens", 0))
            write({**line, "seconds": round(seconds, 4)})


def write(line: dict[str, Any]) -> None:
    """Write one line of JSON to the log ``slhf.serving.requests``."""
    log.info("%s", json.dumps({"time": round(time.time(), 3), **line}, ensure_ascii=False))


def to_stderr() -> None:
    """Show these lines on stderr, and warnings of the server's library beside them."""
    shown = logging.StreamHandler()
    shown.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(shown)
    log.setLevel(logging.INFO)
    log.propagate = False
