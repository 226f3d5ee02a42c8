"""Listening, serving until a signal, and leaving when everybody has been answered."""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from slhf.errors import InputError
from slhf.judges.chat_server import LOOPBACK
from slhf.serving.heads import patient
from slhf.serving.measures import write
from slhf.serving.plain_models import plain_notes
from slhf.serving.remote_player import Remote

KEY = "SLHF_API_KEY"
"""Environment variable of the key that requests must bring."""


def key_for(host: str) -> str | None:
    """Return the key requests must bring, from the environment; None where there is none.

    Raises:
        InputError: there is none, and ``host`` can be reached from other machines.
    """
    key = os.environ.get(KEY, "").strip() or None
    if key is None and host not in LOOPBACK:
        raise InputError(
            f"host {host!r} can be reached from other machines, and there is no key: put one into the environment "
            f"variable {KEY}, or listen on 127.0.0.1"
        )
    return key


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: the address is taken, or is none of this machine's.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"port={port}: a number from 0 (any free one) to 65535 is needed")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InputError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error


def configured(app: Any, drain: float) -> Any:
    """Return how uvicorn is to serve an application; see :func:`serve`."""
    import uvicorn

    return uvicorn.Config(
        app,
        http=cast("Any", patient),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(drain)),
    )


def serve(
    app: Any,
    listener: socket.socket,
    *,
    name: str,
    drain: float,
    picks: Path,
    models: Sequence[str | Remote | None] = (),
) -> None:
    """Serve until SIGTERM or Ctrl-C; then accept nobody, and give those inside time to be answered.

    Args:
        app: ASGI application.
        listener: where.
        name: of the model, for the log.
        drain: seconds those inside have; whoever is not done then is cut off.
        picks: file that keeps what people pick, for the log.
        models: names of those behind it; the log says which were not trained to refine.
    """
    import uvicorn

    config = configured(app, drain)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    write({"event": "listening", "model": name, "url": f"http://{shown}:{port}/v1", "picks": str(picks.resolve())})
    for note in plain_notes(*models):
        write(note)
    # uvicorn repeats the signal once all is done; that it came is no failure
    with suppress(ValueError):  # handlers belong to the main thread; elsewhere there is none to change
        signal.signal(signal.SIGTERM, lambda *_: None)
    # a model and its libraries are a million objects that stay: looking through them again and again for garbage
    # would hold up everybody each time
    gc.collect()
    gc.freeze()
    uvicorn.Server(config).run(sockets=[listener])
    write({"event": "stopped", "model": name})
