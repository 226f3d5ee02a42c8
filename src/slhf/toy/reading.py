"""How a rule reads a response: is it one plain sentence that answers, and how is it built?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from slhf.toy.world import Question, claimed, tasks, words

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the five annotators look at.

    Attributes:
        plain: the response is one well-formed sentence that gives one answer, right or wrong.
        right: the response gives the right answer and no other.
        hedged: it says of itself that it may be wrong.
        names_topic: the sentence says what it is about, instead of "it" or the bare answer.
        dangling: it says "it" and never what "it" is.
        method: it says how the answer was found.
        times: how often the sentence states its answer.
        place: number of words before the answer is first stated.
        length: number of words.
        density: share of the words that carry content, 0 for an empty response.
        clauses: number of clauses, counted by commas.
    """

    plain: bool
    right: bool
    hedged: bool
    names_topic: bool
    dangling: bool
    method: bool
    times: int
    place: int
    length: int
    density: float
    clauses: int


FUNCTION_WORDS = frozenset(
    "a an the of in on at by to from than is it its this that there be not and or but so as since because "
    "with for i am plus minus both".split()
)
HEDGES = frozenset("might maybe perhaps think guess unsure doubt".split())


@lru_cache(maxsize=65536)
def read_response(question: Question, response: str) -> Reading:
    """Read ``response`` as an answer to ``question``; never fails, whatever the text."""
    found = words(response)
    content = [word for word in found if word not in FUNCTION_WORDS]
    text = response.strip()
    form = _match(question, text)
    claims = claimed(question, response)
    answers = [v for k, v in form.items() if k in ("bare", "answer", "first") and v]
    plain = bool(form) and len(set(answers)) == 1 and claims == set(answers)
    topic = plain and form.get("subject") not in (None, "it is")
    return Reading(
        plain=plain,
        right=claims == {question.answer.lower()},
        hedged=bool(HEDGES & set(found)),
        names_topic=topic,
        dangling=plain and not topic and "it" in found,
        method=plain and bool(form.get("method")),
        times=len(answers) if plain else 0,
        place=_place(question, found) if plain else len(found),
        length=max(len(found), len(_SPACES.split(text)) if text else 0),
        density=len(content) / len(found) if found else 0.0,
        clauses=1 + text.count(","),
    )


def _match(question: Question, text: str) -> dict[str, str]:
    """Return the parts of a well-formed sentence, in lower case, or nothing.

    A sentence is an answer alone; or "it is" or the question's claim, followed by the answer,
    perhaps after the method; or such a sentence with a method as the reason ("since") of an
    answer given first. A reason that only says the claim again explains nothing.
    """
    if not text or not (text[0].isupper() or text[0].isdigit()):
        return {}
    claim, method = re.escape(question.claim), re.escape(question.method)
    body = rf"(?P<subject>it is|{claim}) (?P<answer>\w+)\."
    for pattern in (
        r"(?P<bare>\w+)\.",
        rf"(?:(?P<method>{method}), )?{body}",
        rf"(?:it is )?(?P<first>\w+), since (?P<method>{method}), {body}",
    ):
        match = re.fullmatch(pattern, text) or re.fullmatch(pattern, text[0].lower() + text[1:])
        if match:
            parts = {name: part for name, part in match.groupdict().items() if part}
            return {name: part.lower() for name, part in parts.items()} if _spelled(question, parts) else {}
    return {}


def _spelled(question: Question, parts: dict[str, str]) -> bool:
    """Say whether every answer is written as the world writes it, SHOUTED ones are not."""
    known = {spelling for word in tasks()[question.task].answers for spelling in (word, word.capitalize())}
    return all(parts[name] in known for name in ("bare", "answer", "first") if name in parts)


def _place(question: Question, found: list[str]) -> int:
    """Return how many words come before the answer, the claim's own words not being answers."""
    claim = words(question.claim)
    answers = claimed(question, " ".join(found))
    skip = next((i for i in range(len(found)) if found[i : i + len(claim)] == claim), len(found))
    for i, word in enumerate(found):
        if word in answers and not skip <= i < skip + len(claim):
            return i
    return len(found)
