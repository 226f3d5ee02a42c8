"""What waits to be sent: together what is there together, in order, and a sign of life in between."""

from __future__ import annotations

import asyncio

import pytest

from slhf.serving.outbox import Outbox


def test_what_is_there_together_is_sent_together_and_an_error_comes_last() -> None:
    async def scene() -> None:
        outbox = Outbox()
        outbox.put(b"a")
        outbox.put(b"b")
        assert await outbox.taken() == b"ab"
        waiting = asyncio.create_task(outbox.taken())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.put(b"c")
        assert await waiting == b"c"
        outbox.put(b"d")
        outbox.close(ZeroDivisionError("first"))
        outbox.close(ValueError("second"))
        outbox.put(b"too late")
        assert await outbox.taken() == b"d"
        with pytest.raises(ZeroDivisionError, match="first"):
            await outbox.taken()

    asyncio.run(scene())


def test_the_end_comes_once_everything_is_taken() -> None:
    async def scene() -> list[bytes | None]:
        outbox = Outbox()
        outbox.put(b"a")
        outbox.close()
        return [await outbox.taken(), await outbox.taken(), await outbox.taken()]

    assert asyncio.run(scene()) == [b"a", None, None]


def test_a_long_silence_is_filled_with_comments() -> None:
    async def scene() -> tuple[list[bytes | None], float]:
        outbox, loop = Outbox(quiet=0.1), asyncio.get_running_loop()
        began = loop.time()
        found = [await outbox.taken(), await outbox.taken()]
        took = loop.time() - began
        outbox.close()
        await asyncio.sleep(0.3)
        return [*found, await outbox.taken()], took

    found, took = asyncio.run(scene())
    assert found == [b": at work\n\n", b": at work\n\n", None]  # and none after the end
    assert took >= 0.2
