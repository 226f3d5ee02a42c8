"""The server's paths: chat completions, picks, models, health, figures, and the page."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slhf.errors import InputError
from slhf.judges.among import Panel
from slhf.serving.chat import Chat, refused
from slhf.serving.chat_bodies import error_body
from slhf.serving.gate import Gate, Guard
from slhf.serving.measures import Measures
from slhf.serving.openapi import described
from slhf.serving.page_files import page_routes
from slhf.serving.personal import Personal, Tastes
from slhf.serving.pick_paths import pick_routes
from slhf.serving.picks import PickStore
from slhf.serving.refine_field import model_names
from slhf.serving.refiner import Refiner
from slhf.serving.request_fields import Limits, RequestError


@dataclass(frozen=True)
class AppSettings:
    """How a model is served.

    Attributes:
        name: what it is called.
        limits: what one request may ask for.
        max_batch: answers made at once.
        max_queue: answers that may wait besides.
        max_body: bytes of a request.
        drain: seconds that requests under way have when the server is told to end.
        log_text: write prompts and answers into the log.
        candidates: answers sampled a step where one is chosen for a user.

    Raises:
        InputError: a number out of range, or a name that cannot be one.
    """

    name: str
    limits: Limits = field(default_factory=Limits)
    max_batch: int = 32
    max_queue: int = 64
    max_body: int = 2**20
    drain: float = 30.0
    log_text: bool = False
    candidates: int = 4

    def __post_init__(self) -> None:
        if not self.name or ":" in self.name or any(character.isspace() for character in self.name):
            raise InputError(f"name={self.name!r}: a model's name has no blanks and no colon; set another with --name")
        least = {
            "max_batch": (self.max_batch, 1),
            "max_queue": (self.max_queue, 0),
            "max_body": (self.max_body, 1),
            "drain": (self.drain, 0),
            "candidates": (self.candidates, 1),
            "max_steps": (self.limits.max_steps, 0),
            "max_choices": (self.limits.max_choices, 1),
            "max_tokens": (1 if self.limits.max_tokens is None else self.limits.max_tokens, 1),
            "steps": (self.limits.steps, 0),
        }
        for name, (value, smallest) in least.items():
            if not smallest <= value < math.inf:
                raise InputError(f"{name}={value}: it must be {smallest} or more")
        if self.limits.steps > self.limits.max_steps:
            raise InputError(f"steps={self.limits.steps} is more than max_steps={self.limits.max_steps}")


def make_app(
    refiner: Refiner,
    settings: AppSettings,
    measures: Measures,
    key: str | None,
    picks: PickStore,
    panel: Panel | None = None,
) -> Any:
    """Return the server as an ASGI application.

    Args:
        refiner: answers.
        settings: how.
        measures: where requests are counted.
        key: that requests must bring, but for ``/health``, ``/openapi.json`` and the page; None asks for none, and
            answers to localhost alone.
        picks: where what people pick is kept.
        panel: whose annotators users are like; None chooses for nobody.

    Raises:
        InputError: nothing limits the answers.
    """
    if settings.limits.max_tokens is None and not all(player.bounded for player in refiner.players):
        raise InputError("the model does not say how long a text it holds; set --max-tokens")
    gate = Gate(settings.max_batch, settings.max_queue)
    personal = None if panel is None else Personal(refiner, Tastes(panel, picks.rows), settings.candidates)
    measures.watch(lambda: gate.inside, lambda: sum(player.waiting for player in refiner.players))
    limits = replace(settings.limits, logprobs=refiner.tells_tokens, taste=panel is not None)
    chat = Chat(
        refiner,
        settings.name,
        limits,
        gate,
        measures,
        max_body=settings.max_body,
        log_text=settings.log_text,
        personal=personal,
    )
    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/models", _models(settings), methods=["GET"]),
        Route("/health", _health(settings.name, refiner, gate), methods=["GET"]),
        Route("/metrics", _metrics(measures), methods=["GET"]),
        Route("/openapi.json", _description(settings.name, limits, key is not None), methods=["GET"]),
        *pick_routes(picks, measures, settings.max_body),
        *page_routes(_for_page(settings, panel is not None)),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _unknown}), key, refused)


Endpoint = Callable[[Request], Awaitable[Response]]


def _models(settings: AppSettings) -> Endpoint:
    created = int(time.time())

    async def models(request: Request) -> Response:
        names = model_names(settings.name, settings.limits)
        listed = [{"id": name, "object": "model", "created": created, "owned_by": "slhf"} for name in names]
        return JSONResponse({"object": "list", "data": listed})

    return models


def _description(name: str, limits: Limits, keyed: bool) -> Endpoint:
    found = described(name, limits, keyed)

    async def description(request: Request) -> Response:
        return JSONResponse(found)

    return description


def _for_page(settings: AppSettings, taste: bool) -> dict[str, Any]:
    limits = settings.limits
    return {"name": settings.name, "judged": limits.judged, "taste": taste, "max_steps": limits.max_steps}


def _health(name: str, refiner: Refiner, gate: Gate) -> Endpoint:
    async def health(request: Request) -> Response:
        roles = zip(("leader", "follower"), refiner.players, strict=False)
        # their words may name servers and keys, which are not everybody's business: only who is away is told
        away = [role for role, player in roles if await player.absent() is not None]
        state = {"status": "degraded", "away": away} if away else {"status": "ok"}
        return JSONResponse({**state, "model": name, "answers_inside": gate.inside})

    return health


def _metrics(measures: Measures) -> Endpoint:
    async def metrics(request: Request) -> Response:
        return Response(measures.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return metrics


async def _unknown(request: Request, error: Exception) -> Response:
    """Answer a path or method that is not there, in the shape of every other error."""
    assert isinstance(error, HTTPException)
    words = {404: f"there is no {request.url.path} here", 405: f"{request.method} is not for {request.url.path}"}
    refusal = RequestError(words.get(error.status_code, error.detail), status=error.status_code)
    return JSONResponse(error_body(refusal), status_code=error.status_code, headers=error.headers)
