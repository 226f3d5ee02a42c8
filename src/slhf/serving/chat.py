"""Chat completions: one request from its body to its last byte."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from traceback import extract_tb
from typing import Any, TypeVar

from starlette.responses import JSONResponse

from slhf.errors import BudgetError, InputError, SlhfError
from slhf.judges.chat_failure import UnansweredError
from slhf.serving.backend_refusals import backend_refusal
from slhf.serving.chat_bodies import END, Bodies, error_body, event, finish_reason
from slhf.serving.chat_request import ChatRequest, parse_request
from slhf.serving.gate import ClientGoneError, Gate, json_body
from slhf.serving.local_player import TooLongError
from slhf.serving.measures import Measures
from slhf.serving.outbox import Outbox
from slhf.serving.personal import Personal, TasteError
from slhf.serving.refiner import Plan, Refiner
from slhf.serving.request_fields import Limits, RequestError
from slhf.serving.steps import DoneEvent, Event, Refinement, TokenEvent
from slhf.serving.streams import together

T = TypeVar("T")
Work = Coroutine[Any, Any, Refinement]
_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Chat:
    """``/v1/chat/completions`` as an ASGI application.

    Args:
        refiner: answers.
        name: what the model is called.
        limits: what a request may ask for.
        gate: how many are let in.
        measures: where requests are counted.
        max_body: bytes of a request.
        log_text: write prompts and answers into the log.
        personal: chooses for one user where a request asks for that; None where the server has no annotators.
    """

    def __init__(
        self,
        refiner: Refiner,
        name: str,
        limits: Limits,
        gate: Gate,
        measures: Measures,
        *,
        max_body: int,
        log_text: bool,
        personal: Personal | None = None,
    ):
        self._refiner, self._name = refiner, name
        self._limits, self._gate, self._measures = limits, gate, measures
        self._max_body, self._log_text, self._personal = max_body, log_text, personal

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        id = f"chatcmpl-{secrets.token_hex(12)}"
        with self._measures.request(id) as line:
            try:
                body = await json_body(receive, dict(scope["headers"]), self._max_body)
                request = parse_request(body, self._name, self._limits)
                line |= {
                    "model": request.model,
                    "stream": request.stream,
                    "n": request.count,
                    "steps": request.refine.steps,
                }
                if self._log_text:
                    line["prompt"] = request.prompt
                with self._gate.admitted(request.count * self._at_a_step(request)):
                    plan = await self._plan(request)
                    bodies = Bodies(id, int(time.time()), request, self._refiner.token_text)
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
        refine = request.refine
        plan = Plan(request.prompt, refine.steps, refine.answer, (), request.asked)
        if refine.taste is not None and self._personal is not None:
            await self._personal.check(plan)
        return plan

    def _at_a_step(self, request: ChatRequest) -> int:
        """Return how many answers each step of a choice samples."""
        return 1 if request.refine.taste is None or self._personal is None else self._personal.candidates

    def _run(self, request: ChatRequest, plan: Plan, tell: Callable[[Event], None] | None = None) -> Work:
        if request.refine.taste is None or self._personal is None:
            return self._refiner.run(plan, tell)
        return self._personal.run(plan, request.refine.taste, tell)

    async def _refuse(self, error: Exception, line: dict[str, Any], scope: Any, receive: Any, send: Any) -> None:
        refusal = _noted(error, line)
        await refused(refusal, scope, receive, send)

    async def _at_once(
        self, bodies: Bodies, plan: Plan, line: dict[str, Any], scope: Any, receive: Any, send: Any
    ) -> None:
        work = together(self._run(bodies.request, one) for one in _choices(plan, bodies.request.count))
        refinements = await unless_gone(receive, work)
        reply = bodies.whole(refinements)
        line |= {"status": 200, **_used(bodies)}
        if self._log_text:
            line["answers"] = [choice["message"]["content"] for choice in reply["choices"]]
        await JSONResponse(reply)(scope, receive, send)

    async def _streamed(
        self, bodies: Bodies, plan: Plan, line: dict[str, Any], scope: Any, receive: Any, send: Any
    ) -> None:
        outbox = Outbox()
        work = asyncio.create_task(self._said(bodies, plan, line, outbox))
        work.add_done_callback(lambda done: outbox.close(None if done.cancelled() else done.exception()))
        gone = asyncio.create_task(_gone(receive))
        gone.add_done_callback(lambda _: outbox.close(ClientGoneError()))
        begun = False
        try:
            while (said := await outbox.taken()) is not None:
                if not begun:  # what fails before the first event is refused with a status
                    begun = True
                    await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
                await send({"type": "http.response.body", "body": said, "more_body": True})
            line["status"] = 200
            await send({"type": "http.response.body", "body": b""})
        except ClientGoneError:
            raise
        except Exception as error:
            if not begun:
                raise
            # the status is sent already: the stream says it, and ends without its last word
            await send({"type": "http.response.body", "body": event(error_body(_noted(error, line)))})
        finally:
            await _ended(work, gone)
            line |= _used(bodies)

    async def _said(self, bodies: Bodies, plan: Plan, line: dict[str, Any], outbox: Outbox) -> None:
        """Put everything there is to say of one request into its outbox."""
        heads = [bodies.chunk(index, {"role": "assistant", "content": ""}) for index in range(bodies.request.count)]

        async def choice(index: int, one: Plan) -> None:
            def tell(told: Event) -> None:
                try:
                    while heads:  # with the first that is told, be it of a step that is not returned
                        outbox.put(event(heads.pop(0)))
                    for chunk in pieces(bodies, index, told):
                        line.setdefault("first_text", time.monotonic())
                        outbox.put(event(chunk))
                except Exception as error:  # tokens are told by the event loop itself, which would only log it
                    outbox.close(error)

            tell(DoneEvent(await self._run(bodies.request, one, tell)))

        await together(choice(index, one) for index, one in enumerate(_choices(plan, bodies.request.count)))
        if bodies.request.include_usage:
            outbox.put(event(bodies.usage_chunk()))
        outbox.put(END)


def pieces(bodies: Bodies, index: int, told: Event) -> Iterator[dict[str, Any]]:
    """Yield the chunks that tell of an event: the returned answer as content, others only where all are wanted."""
    refine = bodies.request.refine
    if isinstance(told, TokenEvent):
        logprobs = bodies.logprobs(told.step, [] if told.choice is None else [told.choice])
        if refine.gives != "best" and told.step == refine.steps:
            yield bodies.chunk(index, {"content": told.text}, logprobs=logprobs)
        elif refine.gives == "all" and told.text:
            yield bodies.chunk(index, {}, refine={"step": told.step, "content": told.text})
    elif isinstance(told, DoneEvent):
        bodies.usage.add(told.refinement)
        step = bodies.returned(told.refinement)
        if refine.gives == "best" or refine.taste is not None:  # known only now
            yield bodies.chunk(index, {"content": step.text}, logprobs=bodies.logprobs(step.number, step.choices))
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
    if isinstance(error, TasteError):
        return RequestError(str(error), "refine.taste", code="taste_unscored")
    if isinstance(error, TooLongError):
        return RequestError(str(error), "messages", code="context_length_exceeded")
    if isinstance(error, InputError):
        return RequestError(str(error), "messages")
    if isinstance(error, UnansweredError | BudgetError):
        return backend_refusal(error)
    return RequestError(f"the server failed: {type(error).__name__}", status=500, code="server_failed")


def _noted(error: Exception, line: dict[str, Any]) -> RequestError:
    """Return what whoever asked is told of an error, and write into the log's line what helps to find its cause."""
    refusal = as_refusal(error)
    line |= {"status": refusal.status, "error": refusal.code or type(error).__name__}
    if isinstance(error, UnansweredError):
        line |= {"backend": error.address, "backend_status": error.status}
    elif refusal.status >= 500:
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
        await _ended(task, gone)


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, and return when they are over."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
