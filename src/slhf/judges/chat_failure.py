"""Requests that brought no reply: whether to send them again, and how long to wait before."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from typing import Any

from slhf.errors import IncompleteError

_AGAIN = {408, 409, 425, 429}
_AWAY = {502, 503, 504}  # said by what stands in front of a server that is down, or still loads its model
_SHOWN = 500  # characters of a server's message


class UnansweredError(IncompleteError):
    """A server refused or failed a request, or stayed away.

    Attributes:
        address: of the server.
        reason: in the server's words, or the network's; without the key.
        status: HTTP status of its last word; None where it had none.
        param: the field of the request that it named; None if it named none.
        after: seconds it asked to wait.
        away: it answered nobody.
    """

    def __init__(self, message: str, address: str, failure: RequestFailure, *, away: bool = False):
        super().__init__(message)
        self.address, self.reason, self.away = address, str(failure), away
        self.status, self.param, self.after = failure.status, failure.param, failure.after


class RequestFailure(Exception):
    """A request that brought no reply.

    Attributes:
        hopeless: sending it again would not help.
        silent: nobody answered, or somebody said that the server is not there.
        after: seconds the server asks to wait.
        billed: the server may have worked on it.
        status: HTTP status of the answer; None where there was none.
        param: the field of the request that the server named.
    """

    def __init__(
        self,
        message: str,
        *,
        hopeless: bool = False,
        silent: bool = False,
        after: float = 0.0,
        billed: bool = False,
        status: int | None = None,
        param: str | None = None,
    ):
        super().__init__(message)
        self.hopeless, self.silent, self.after, self.billed = hopeless, silent, after, billed
        self.status, self.param = status, param


def failure_of(error: Exception, key_env: str) -> RequestFailure | None:
    """Return what an exception of the client library means; None if it is not one.

    Args:
        error: what was raised.
        key_env: the environment variable of the key, for messages.
    """
    import openai

    if isinstance(error, openai.APITimeoutError):
        return RequestFailure("it timed out", silent=True, billed=True)
    if isinstance(error, openai.APIConnectionError):
        return RequestFailure(f"no connection: {error.__cause__ or error}", silent=True)
    if not isinstance(error, openai.APIStatusError):  # an error inside a stream has no status of its own
        return RequestFailure(_said(error.body), billed=True) if isinstance(error, openai.APIError) else None
    status, said = error.status_code, _said(error.body) or error.response.text
    message = f"{status}: {said[:_SHOWN]}" if said else f"{status}"
    if status in (401, 403):
        message += f" (the key is taken from the environment variable {key_env})"
    # a quota that is used up comes back as 429 too, and no waiting refills it
    again = (status in _AGAIN and error.code != "insufficient_quota") or status >= 500
    after = retry_after(error.response.headers, time.time())
    param = error.param if isinstance(error.param, str) else None
    return RequestFailure(message, hopeless=not again, silent=status in _AWAY, after=after, status=status, param=param)


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds a server asks to wait, by ``retry-after-ms`` or ``Retry-After``; 0 if it does not ask.

    Args:
        headers: of the response.
        now: seconds since 1970, for a server that names a date.

    >>> retry_after({"retry-after": "1.5"}, 0.0)
    1.5
    >>> retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 20.0)
    40.0
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return seconds if math.isfinite(seconds) and seconds > 0.0 else 0.0
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return 0.0
    return max(date.timestamp() - now, 0.0)


def _said(body: Any) -> str:
    """Return a server's own words from the body of an error."""
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        said = inner.get("message") or inner.get("detail") if isinstance(inner, Mapping) else inner
        return said if isinstance(said, str) else str(body)
    return body if isinstance(body, str) else ""
