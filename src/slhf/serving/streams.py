"""Asynchronous work: done together, or streamed to code that is not asynchronous."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what each returns; where one fails, or all are cancelled, none goes on."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def iterated(source: Callable[[], AsyncGenerator[T, None]]) -> Iterator[T]:
    """Yield what an asynchronous generator yields, run by a thread; closing the iterator cancels and awaits it."""
    items: SimpleQueue[tuple[Any, BaseException | None, bool]] = SimpleQueue()
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def pump() -> None:
        task = asyncio.current_task()
        assert task is not None  # a coroutine that runs is a task
        ready.set_result((asyncio.get_running_loop(), task))
        async with contextlib.aclosing(source()) as stream:
            async for item in stream:
                items.put((item, None, False))

    def thread() -> None:
        try:
            asyncio.run(pump())
            items.put((None, None, True))
        except BaseException as error:  # whatever it is, it belongs to who reads
            items.put((None, error, True))

    worker = Thread(target=thread, name="stream")
    worker.start()
    try:
        while True:
            item, error, over = items.get()
            if error is not None:
                raise error
            if over:
                return
            yield item
    finally:
        loop, task = ready.result()
        with contextlib.suppress(RuntimeError):  # it may have ended, and its loop with it, just now
            loop.call_soon_threadsafe(task.cancel)
        worker.join()
