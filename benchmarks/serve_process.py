"""Servers as processes of their own: started, watched, made to wait, and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ServerProcess:
    """A server on this machine.

    Args:
        command: that starts it.
        port: where it will listen.
        log: file for what it writes.
        core: the only processor it may use; None lets it use all.
    """

    def __init__(self, command: Sequence[str], port: int, log: Path, core: int | None = None):
        self.port = port
        environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file, env=environment, cwd=log.parent)
        self.pid = self._process.pid
        if core is not None:
            os.sched_setaffinity(self.pid, {core})

    def wait(self, seconds: float = 180.0) -> None:
        """Wait until it answers ``/health``.

        Raises:
            RuntimeError: it has ended, or does not answer in time.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server has ended with {self._process.returncode}")
            with suppress(URLError, OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).read()
                return
            time.sleep(0.1)
        raise RuntimeError(f"the server does not answer within {seconds:g} s")

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self._process.poll() is None

    def cpu(self) -> float:
        """Return processor seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """Return its resident memory, MiB."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE / 2**20

    def files(self) -> int:
        """Return how many files and connections it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Stop it while the block lasts: one that only waits must not cost the others anything."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End it in its own time."""
        if self.alive:
            os.kill(self.pid, signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def running(server: ServerProcess) -> Iterator[ServerProcess]:
    """Wait for a server, and end it after the block."""
    try:
        server.wait()
        yield server
    finally:
        server.end()


def slhf_server(model: str, folder: Path, core: int | None = None, *more: str) -> ServerProcess:
    """Start ``slhf serve``; its files and its log are in ``folder``."""
    port = free_port()
    serve = [sys.executable, "-c", "from slhf.cli import main; main()", "serve", "--model", model, "--name", "m"]
    command = [*serve, "--port", str(port), "--picks", str(folder / "picks.sqlite"), *more]
    return ServerProcess(command, port, folder / f"slhf-{port}.log", core)


def peer_server(program: Path, model: str, folder: Path, core: int | None = None, *more: str) -> ServerProcess:
    """Start ``transformers serve`` of another environment."""
    port = free_port()
    command = [str(program), "serve", model, "--port", str(port), "--host", "127.0.0.1", "--device", "cpu", *more]
    return ServerProcess(command, port, folder / f"peer-{port}.log", core)


class MemoryWatch:
    """Notes a server's memory every second until it is stopped.

    Args:
        server: whose.
    """

    def __init__(self, server: ServerProcess):
        self.seen: list[tuple[float, float]] = []
        self._server, self._over = server, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._over.wait(1.0) and self._server.alive:
            self.seen.append((time.monotonic() - began, self._server.memory()))

    def stop(self) -> list[tuple[float, float]]:
        """Return (second, MiB) of every second."""
        self._over.set()
        self._thread.join()
        return self.seen
