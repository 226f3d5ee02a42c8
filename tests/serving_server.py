"""The real server, on a free port of this machine, while a block lasts."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn

from slhf.judges.among import Panel
from slhf.serving import Refiner
from slhf.serving.app import AppSettings, make_app
from slhf.serving.measures import Measures
from slhf.serving.picks import PickStore
from slhf.serving.request_fields import Limits
from slhf.serving.server import configured, listening


class Served:
    """Where a server listens, and raw requests to it."""

    def __init__(self, port: int):
        self.port, self.page = port, f"http://127.0.0.1:{port}/"
        self.url = f"{self.page}v1"

    def raw(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request; ``content_type="…"`` becomes the header ``content-type``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def figures(self) -> list[str]:
        """Return the lines of ``/metrics`` that hold numbers."""
        _, headers, page = self.raw("GET", "/metrics")
        assert headers["content-type"].startswith("text/plain")
        return [line for line in page.decode().splitlines() if not line.startswith("#")]

    def ask(self, **fields: Any) -> tuple[int, dict[str, str], Any]:
        """Send a chat completion of one user turn; a field of None is sent as null."""
        body = {"model": "m", "messages": [{"role": "user", "content": "a b"}], **fields}
        content = json.dumps(body).encode()
        status, headers, found = self.raw("POST", "/v1/chat/completions", content, content_type="application/json")
        return status, headers, json.loads(found)


@contextmanager
def served(
    refiner: Refiner,
    *,
    key: str | None = None,
    limits: Limits | None = None,
    measures: Measures | None = None,
    picks: Path | None = None,
    panel: Panel | None = None,
    **settings: Any,
) -> Iterator[Served]:
    """Serve under the name ``m``; picks are forgotten unless a file for them is named."""
    chosen = AppSettings("m", limits or Limits(judged=refiner.judged), **settings)
    with (
        listening("127.0.0.1", 0) as listener,
        TemporaryDirectory() as folder,
        PickStore(picks or Path(folder, "picks.sqlite")) as store,
    ):
        app = make_app(refiner, chosen, measures or Measures(), key, store, panel)
        server = uvicorn.Server(configured(app, chosen.drain))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(timeout=60)
            assert not thread.is_alive()
