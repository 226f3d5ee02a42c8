"""How often a request wants its answer refined, which answer it gets, and whose answer is refined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slhf.errors import suggestion
from slhf.serving.pick import SESSION
from slhf.serving.request_fields import Limits, RequestError, of_type, whole

FIELDS = ("steps", "return", "answer", "taste")
"""Fields of the object ``refine``."""

RETURNS = ("last", "best", "all")


@dataclass(frozen=True)
class Refine:
    """What a request says of refinement, in its model's name and in the object ``refine``.

    Attributes:
        steps: refinements.
        gives: which answer is returned: the ``last``, the ``best``, or ``all``.
        answer: the text that is refined; None asks the Leader for one.
        taste: the session whose picks tell for whom to choose; None chooses for nobody.
    """

    steps: int
    gives: str = "last"
    answer: str | None = None
    taste: str | None = None


def model_names(name: str, limits: Limits) -> list[str]:
    """Return the names a model goes by: itself, the Leader alone, and so many refinements."""
    return [name, f"{name}:leader", *(f"{name}:refine-{steps}" for steps in range(1, limits.max_steps + 1))]


def parse_refine(given: Mapping[str, Any], name: str, limits: Limits) -> Refine:
    """Check a request's model name and its object ``refine``.

    Args:
        given: the fields of the request.
        name: of the model that is served.
        limits: what may be asked for.

    Raises:
        RequestError: no such model (404), an unknown field, or a value that is wrong; the message names it.
    """
    named = _named_steps(given, name, limits)
    refine = of_type(given, "refine", Mapping, 'an object such as {"steps": 2, "return": "last"}') or {}
    for key in refine:
        if key not in FIELDS:
            raise RequestError(
                f"refine.{key}: there is no such field.{suggestion(str(key), FIELDS)} Known are {', '.join(FIELDS)}",
                f"refine.{key}",
                code="unknown_parameter",
            )
    if named is not None and "steps" in refine:
        raise RequestError(
            f"refine.steps: the model name {given['model']!r} says that already; give one of them", "refine.steps"
        )
    answer = _answer(refine)
    usual = limits.steps if answer is None else 1
    steps = whole(refine, "steps", usual, 0, limits.max_steps, "refine.") if named is None else named
    if answer is not None and not 0 < steps <= limits.max_steps:
        raise RequestError(
            "refine.answer: with no refinement the answer would come back as it is; ask for at least one",
            "refine.answer",
        )
    return Refine(steps, _gives(refine, limits), answer, _taste(refine, limits))


def _named_steps(given: Mapping[str, Any], name: str, limits: Limits) -> int | None:
    """Return how often the model's name says to refine; None where it is the plain name."""
    model = of_type(given, "model", str, "a text")
    names = model_names(name, limits)
    if model is None:
        raise RequestError(f"model is missing; it is one of {', '.join(names)}", "model")
    if model not in names:
        raise RequestError(
            f"there is no model {model!r} here.{suggestion(model, names)} The models are {', '.join(names)}",
            "model",
            status=404,
            code="model_not_found",
        )
    place = names.index(model)  # 0 the model itself, 1 the Leader, 2 one refinement, and so on
    return place - 1 if place else None


def _gives(refine: Mapping[str, Any], limits: Limits) -> str:
    gives = refine.get("return", "last")
    if gives not in RETURNS:
        raise RequestError(f"refine.return: {gives!r} is not one of {', '.join(RETURNS)}", "refine.return")
    if gives == "best" and not limits.judged:
        raise RequestError("refine.return: 'best' needs a judge, and the server has none", "refine.return")
    return gives


def _taste(refine: Mapping[str, Any], limits: Limits) -> str | None:
    session = of_type(refine, "taste", str, "a session's name", "refine.")
    if session is None:
        return None
    if not limits.taste:
        raise RequestError(
            "refine.taste needs annotators, and the server has none; it is started with some by --annotators",
            "refine.taste",
            code="unsupported_parameter",
        )
    if not SESSION.fullmatch(session):
        raise RequestError("refine.taste: give 1 to 64 of the characters A–Z a–z 0–9 _ -", "refine.taste")
    if refine.get("return") == "best":
        raise RequestError(
            "refine.return: with refine.taste the user's taste chooses, not the judge; ask for last or all",
            "refine.return",
        )
    return session


def _answer(refine: Mapping[str, Any]) -> str | None:
    answer = of_type(refine, "answer", str, "a text", "refine.")
    if answer is not None and not answer.strip():
        raise RequestError("refine.answer is empty; give the text to refine, or leave it out", "refine.answer")
    return answer
