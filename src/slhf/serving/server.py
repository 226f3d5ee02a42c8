"""Listening, serving until a signal, and leaving when everybody has been answered."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from typing import Any

from slhf.errors import InputError
from slhf.judges.chat_server import LOOPBACK
from slhf.serving.measures import write

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


def serve(app: Any, listener: socket.socket, *, name: str, drain: float) -> None:
    """Serve until SIGTERM or Ctrl-C; then accept nobody, and give those inside time to be answered.

    Args:
        app: ASGI application.
        listener: where.
        name: of the model, for the log.
        drain: seconds those inside have; whoever is not done then is cut off.
    """
    import uvicorn

    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=max(1, round(drain))
    )
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    write({"event": "listening", "model": name, "url": f"http://{shown}:{port}/v1"})
    # uvicorn repeats the signal once all is done; that it came is no failure
    with suppress(ValueError):  # handlers belong to the main thread; elsewhere there is none to change
        signal.signal(signal.SIGTERM, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listener])
    write({"event": "stopped", "model": name})
