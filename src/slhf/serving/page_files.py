"""The page at ``/``: a few files that are sent as they are, and what they need to know of the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

HEADERS = {
    # scripts, styles and requests of this server alone; nothing written into the page by a script is ever markup
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Sent with every file of the page."""

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

Endpoint = Callable[[Request], Awaitable[Response]]


def page_routes(settings: dict[str, Any]) -> list[Route]:
    """Return ``/`` and ``/page/…``.

    Args:
        settings: what the page is told of the server; whoever reaches it may read this without a key.
    """
    folder = files("slhf.serving").joinpath("page")
    found = {name: folder.joinpath(name).read_bytes() for name in page_names()}

    async def told(request: Request) -> Response:
        return JSONResponse(settings, headers=HEADERS)

    return [
        Route("/", _file("index.html", found["index.html"]), methods=["GET"]),
        Route("/page/settings.json", told, methods=["GET"]),
        *(Route(f"/page/{name}", _file(name, content), methods=["GET"]) for name, content in found.items()),
    ]


def _file(name: str, content: bytes) -> Endpoint:
    async def send(request: Request) -> Response:
        return Response(content, media_type=_KINDS[name.rpartition(".")[2]], headers=HEADERS)

    return send


def page_names() -> dict[str, str]:
    """Return the names of the page's files and their kinds."""
    found = (file.name for file in files("slhf.serving").joinpath("page").iterdir())
    return {name: _KINDS[kind] for name in sorted(found) if (kind := name.rpartition(".")[2]) in _KINDS}


def is_page(path: str) -> bool:
    """Tell whether a path is the page's, which needs no key."""
    return path == "/" or path.startswith("/page/")
