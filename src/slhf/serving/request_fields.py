"""Fields of a request, one at a time: of the right type, within bounds, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class RequestError(Exception):
    """A request that is refused.

    Attributes:
        status: HTTP status.
        message: what was wrong, and the remedy.
        param: the field it is about.
        code: a word for programs.
        retry_after: seconds after which it may go better; None where it never will.
    """

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        status: int = 400,
        code: str | None = None,
        retry_after: int | None = None,
    ):
        super().__init__(message)
        self.status, self.message, self.param = status, message, param
        self.code, self.retry_after = code, retry_after


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes:
        steps: refinements where a request names no number.
        max_steps: refinements at most.
        max_tokens: new tokens an answer, at most; None leaves it to the model's length.
        max_choices: answers at most (``n``).
        judged: there is a judge, so that ``best`` means something.
        taste: there are annotators, so that ``taste`` means something.
        logprobs: the models tell log-probabilities.
    """

    steps: int = 1
    max_steps: int = 8
    max_tokens: int | None = None
    max_choices: int = 8
    judged: bool = False
    taste: bool = False
    logprobs: bool = True


def of_type(given: Mapping[str, Any], field: str, kind: Any, words: str, where: str = "") -> Any:
    """Return a field's value, None where it is not given.

    Args:
        given: the fields of one object.
        field: its name.
        kind: what the value must be an instance of.
        words: the same, for people.
        where: what stands before the name in a message, ``refine.`` say.

    Raises:
        RequestError: a value of another type.
    """
    value = given.get(field)
    if value is not None and not isinstance(value, kind):
        raise RequestError(f"{where}{field}: {words} is needed, not {value!r}", f"{where}{field}")
    return value


def whole(given: Mapping[str, Any], field: str, default: int, least: int, most: int, where: str = "") -> int:
    """Return a whole number from ``least`` to ``most``, ``default`` where none is given; see :func:`of_type`.

    Raises:
        RequestError: anything else.
    """
    value = given.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RequestError(
            f"{where}{field}: a whole number from {least} to {most} is needed, not {value!r}", f"{where}{field}"
        )
    return value


def real(given: Mapping[str, Any], field: str, most: float) -> float | None:
    """Return a number from 0 to ``most``, None where none is given.

    Raises:
        RequestError: anything else.
    """
    value = given.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= most:
        raise RequestError(f"{field}: a number from 0 to {most:g} is needed, not {value!r}", field)
    return float(value)
