"""What a client is told when a server behind this one refuses, fails or stays away."""

from __future__ import annotations

import math

from slhf.errors import BudgetError
from slhf.judges.chat_failure import UnansweredError
from slhf.serving.chat_request import FIELDS
from slhf.serving.request_fields import RequestError

_REFUSALS = (400, 413, 422)  # what the request is to blame for
_AGAIN, _LONGEST = 5, 60  # seconds
_NAMES = {"input_tokens": "messages", "prompt": "messages"}  # by which other servers call a field of the request


def backend_refusal(error: UnansweredError | BudgetError) -> RequestError:
    """Return the refusal that tells of an error: whose fault it is, and whether coming back helps.

    Args:
        error: of a server that was asked, which it names by its address. The key is in none of its words; those on
            the key itself are not passed on.
    """
    if isinstance(error, BudgetError):
        return RequestError(
            "this server has spent what it may spend on the model behind it", status=429, code="insufficient_quota"
        )
    again = min(math.ceil(error.after) or _AGAIN, _LONGEST)
    if error.away:
        message = f"{error.address}, which answers for this server, is not there: {error.reason}; try again later"
        return RequestError(message, status=503, code="backend_down", retry_after=again)
    if error.status == 429:
        message = f"{error.address}, which answers for this server, is busy: {error.reason}"
        return RequestError(message, status=429, code="backend_busy", retry_after=again)
    if error.status in (401, 403):
        message = f"{error.address} does not accept this server's key; whoever runs this server has to set another"
        return RequestError(message, status=502, code="backend_key", retry_after=_LONGEST)
    if error.status in _REFUSALS:
        named = _NAMES.get(error.param or "", error.param)
        param = named if named in FIELDS else None
        message = f"{error.address}, which answers for this server, refuses this: {error.reason}"
        return RequestError(message, param, code="backend_refused")
    message = f"{error.address}, which answers for this server, failed: {error.reason}"
    return RequestError(message, status=502, code="backend_failed", retry_after=again)
