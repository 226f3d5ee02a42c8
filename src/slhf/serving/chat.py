"""Chat completions: one request from its body to its last byte."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator
from dataclasses import replace
from traceback import extract_tb
from typing import Any, TypeVar

from starlette.responses import JSONResponse, StreamingResponse

from slhf.errors import InputError, SlhfError
from slhf.policies.chain import Turn
from slhf.serving.chat_bodies import END, Bodies, error_body, event, finish_reason
from slhf.serving.chat_request import ChatRequest, Limits, RequestError, parse_request
from slhf.serving.gate import ClientGoneError, Gate, json_body
from slhf.serving.local_player import LocalPlayer, TooLongError
from slhf.serving.measures import Measures
from slhf.serving.refiner import Plan, Refiner
from slhf.serving.steps import DoneEvent, Event, TokenEvent
from slhf.serving.streams import together

T = TypeVar("T")
_QUIET = 15.0  # seconds of silence in a stream, after which a comment shows that it lives


class Chat:
    """``/v1/chat/completions`` as an ASGI application.

    Args:
        refiner: answers.
        leader: its Leader, a model of this process.
        name: what the model is called.
        limits: what a request may ask for.
        gate: how many are let in.
        measures: where requests are counted.
        max_body: bytes of a request.
        log_text: write prompts and answers into the log.
    """

    def __init__(
        self,
        refiner: Refiner,
        leader: LocalPlayer,
        name: str,
        limits: Limits,
        gate: Gate,
        measures: Measures,
        *,
        max_body: int,
        log_text: bool,
    ):
        self._refiner, self._leader, self._name = refiner, leader, name
        self._limits, self._gate, self._measures = limits, gate, measures
        self._max_body, self._log_text = max_body, log_text

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        id = f"chatcmpl-{secrets.token_hex(12)}"
        with self._measures.request(id) as line:
            try:
                body = await json_body(receive, dict(scope["headers"]), self._max_body)
                request = parse_request(body, self._name, self._limits)
                line |= {"model": request.model, "stream": request.stream, "n": request.count, "steps": request.steps}
                if self._log_text:
                    line["prompt"] = request.prompt
                with self._gate.admitted(request.count):
                    plan = await self._plan(request)
                    bodies = Bodies(id, int(time.time()), request, self._leader.token_text)
                    answer = self._streamed if request.stream else self._at_once
                    await answer(bodies, plan, line, scope, receive, send)
            except asyncio.CancelledError:
                # the server is leaving, and the time to drain is over
                line |= {"status": 503, "error": "server_stopping"}
                if not line.get("stream"):  # a stream has begun already, and just ends
                    leaving = RequestError("the server is being stopped", status=503, code="server_stopping")
                    await refused(leaving, scope, receive, send)
            except ClientGoneError:
                pass  # nobody is left to tell; the log says 499
            except Exception as error:
                await self._refuse(error, line, scope, receive, send)

    async def _plan(self, request: ChatRequest) -> Plan:
        plan = Plan(request.prompt, request.steps, None, (), request.asked)
        # before the first byte of a stream: what does not fit is refused with a status
        await asyncio.to_thread(self._leader.context, Turn(0, plan.prompt), plan.asked)
        return plan

    async def _refuse(self, error: Exception, line: dict[str, Any], scope: Any, receive: Any, send: Any) -> None:
        refusal = _noted(error, line)
        await refused(refusal, scope, receive, send)

    async def _at_once(
        self, bodies: Bodies, plan: Plan, line: dict[str, Any], scope: Any, receive: Any, send: Any
    ) -> None:
        work = together(self._refiner.run(one) for one in _choices(plan, bodies.request.count))
        refinements = await unless_gone(receive, work)
        reply = bodies.whole(refinements)
        line |= {"status": 200, **_used(bodies)}
        if self._log_text:
            line["answers"] = [choice["message"]["content"] for choice in reply["choices"]]
        await JSONResponse(reply)(scope, receive, send)

    async def _streamed(
        self, bodies: Bodies, plan: Plan, line: dict[str, Any], scope: Any, receive: Any, send: Any
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        chunks = self._chunks(bodies, plan, line)
        try:
            await StreamingResponse(chunks, media_type="text/event-stream", headers=headers)(scope, receive, send)
        finally:
            await chunks.aclose()
            line |= _used(bodies)

    async def _chunks(self, bodies: Bodies, plan: Plan, line: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        queue: asyncio.Queue[tuple[int, Event | Exception]] = asyncio.Queue()
        count = bodies.request.count
        tasks = [asyncio.create_task(self._fed(queue, i, one)) for i, one in enumerate(_choices(plan, count))]
        try:
            for index in range(count):
                yield event(bodies.chunk(index, {"role": "assistant", "content": ""}))
            while count:
                try:
                    index, told = await asyncio.wait_for(queue.get(), _QUIET)
                except TimeoutError:
                    yield b": at work\n\n"
                    continue
                if isinstance(told, Exception):
                    raise told
                for chunk in pieces(bodies, index, told):
                    line.setdefault("first_text", time.monotonic())
                    yield event(chunk)
                count -= isinstance(told, DoneEvent)
            if bodies.request.include_usage:
                yield event(bodies.usage_chunk())
            yield END
            line["status"] = 200
        except Exception as error:  # the status is sent already: the stream says it, and ends without its last word
            yield event(error_body(_noted(error, line)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fed(self, queue: asyncio.Queue[tuple[int, Event | Exception]], index: int, plan: Plan) -> None:
        try:
            done = DoneEvent(await self._refiner.run(plan, lambda told: queue.put_nowait((index, told))))
            queue.put_nowait((index, done))
        except Exception as error:
            queue.put_nowait((index, error))


def pieces(bodies: Bodies, index: int, told: Event) -> Iterator[dict[str, Any]]:
    """Yield the chunks that tell of an event: the returned answer as content, others only where all are wanted."""
    request = bodies.request
    if isinstance(told, TokenEvent):
        logprobs = bodies.logprobs([] if told.choice is None else [told.choice])
        if request.gives != "best" and told.step == request.steps:
            yield bodies.chunk(index, {"content": told.text}, logprobs=logprobs)
        elif request.gives == "all" and told.text:
            yield bodies.chunk(index, {}, refine={"step": told.step, "content": told.text})
    elif isinstance(told, DoneEvent):
        bodies.usage.add(told.refinement)
        step = bodies.returned(told.refinement)
        if request.gives == "best":  # known only now
            yield bodies.chunk(index, {"content": step.text}, logprobs=bodies.logprobs(step.choices))
        yield bodies.chunk(index, {}, finish_reason=finish_reason(step), refine=bodies.refine(told.refinement, step))


def _choices(plan: Plan, count: int) -> list[Plan]:
    """Return a plan for each choice; the first draws as if it were alone."""
    return [replace(plan, asked=replace(plan.asked, sample=sample)) for sample in range(count)]


def _used(bodies: Bodies) -> dict[str, int]:
    return {"prompt_tokens": bodies.usage.prompt, "completion_tokens": bodies.usage.completion}


def as_refusal(error: Exception) -> RequestError:
    """Return what whoever asked is told of an error; what others' texts may stand in is left to its kind."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, TooLongError):
        return RequestError(str(error), "messages", code="context_length_exceeded")
    if isinstance(error, InputError):
        return RequestError(str(error), "messages")
    return RequestError(f"the server failed: {type(error).__name__}", status=500, code="server_failed")


def _noted(error: Exception, line: dict[str, Any]) -> RequestError:
    """Return what whoever asked is told of an error, and write into the log's line what helps to find its cause."""
    refusal = as_refusal(error)
    line |= {"status": refusal.status, "error": refusal.code or type(error).__name__}
    if refusal.status >= 500:
        line["cause"] = [
            f"{frame.name} in {frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)
        ]
        if not isinstance(error, SlhfError):  # the package's own messages quote prompts and answers
            line["message"] = str(error)[:500]
    return refusal


async def refused(error: RequestError, scope: Any, receive: Any, send: Any) -> None:
    """Send a refusal."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not read
    await JSONResponse(error_body(error), status_code=error.status, headers=headers)(scope, receive, send)


async def unless_gone(receive: Any, work: Awaitable[T]) -> T:
    """Return what ``work`` returns, and cancel it if the client leaves before.

    Raises:
        ClientGoneError: it has left.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
