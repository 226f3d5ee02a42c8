"""HelpSteer2: one row a response, five attributes, some prompts a conversation in one text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

from slhf.data.candidates import BATCH, Candidates, batches, one_of, rating
from slhf.data.formats import Format, Need
from slhf.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
LOWER_IS_BETTER = ("complexity", "verbosity")
PANEL = "panel"
SCHEMA = ("prompt", "response", *ATTRIBUTES)

_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n?")


def messages(prompt: str) -> list[dict[str, str]]:
    r"""Return a HelpSteer2 prompt as messages.

    A prompt of several turns starts with the user's text; each later turn is opened by a
    marker line ``<extra_id_1>User`` or ``<extra_id_1>Assistant``. An opened but empty
    assistant turn at the end is the answer that is asked for, and is left out.

    >>> messages("Hi\n<extra_id_1>Assistant\nHello!\n<extra_id_1>User\nSing.")[1]
    {'role': 'assistant', 'content': 'Hello!'}
    """
    first, *rest = _TURN.split(prompt)
    turns = [{"role": "user", "content": first}] if first.strip() else []
    turns += [{"role": role.lower(), "content": text} for role, text in zip(rest[::2], rest[1::2], strict=True)]
    if turns and turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
        turns.pop()
    return turns


def prompts(batch: Mapping[str, list[Any]], rows: Sequence[int], source: str) -> list[Any]:
    """Return the prompts of a batch as messages."""
    return [messages(prompt) if isinstance(prompt, str) else prompt for prompt in batch["prompt"]]


def vote(first: Mapping[str, float], second: Mapping[str, float], attribute: str) -> float:
    """Return how an attribute, or all five of them as a panel, votes on two responses.

        p(y ≻ y′) = [r(y) > r(y′)] + ½ [r(y) = r(y′)]

    with −r in place of r for complexity and verbosity, where less is better; the panel's p is the mean over the
    attributes.

    Paper: SLHF Eq. (11) for the panel, Appendix D.1 for the attributes.
    Departs: Eq. (11) as printed counts a tie for both sides; see tests/judges/test_panel.py.

    Args:
        first: r(y), 0 to 4, by attribute.
        second: r(y′).
        attribute: one of the five, or "panel".

    Returns:
        Probability; an attribute alone gives 0, ½ or 1.
    """
    names = ATTRIBUTES if attribute == PANEL else (attribute,)
    ahead = [lead(first[name], second[name], name) for name in names]
    return sum(1.0 if x > 0 else 0.5 if x == 0 else 0.0 for x in ahead) / len(names)


@dataclass(frozen=True, slots=True)
class Scale:
    """How a response's rating on an attribute stands in a row, and how two of them compare.

    Attributes:
        read: takes what stands there, where that is, and the attribute's name; raises InputError.
        level: the rating as one number.
        vote: takes the ratings of y and of y′, as ``read`` returns them, by attribute, and what decides; returns
            P(y ≻ y′).
        raters: how many people rated; None where nobody counts.
    """

    read: Callable[[Any, str, str], Any]
    level: Callable[[Any], float]
    vote: Callable[[Mapping[str, Any], Mapping[str, Any], str], float]
    raters: Callable[[Any], int] | None = None


def lead(first: float, second: float, attribute: str) -> float:
    """Return how far ``first`` is ahead of ``second`` on an attribute, in its points; less is better for some."""
    return second - first if attribute in LOWER_IS_BETTER else first - second


def candidates(data: Dataset, attribute: str | None, source: str, *, scale: Scale) -> Iterator[Candidates]:
    """Yield every pair of responses to the same prompt, compared on one attribute.

    Rows of one prompt may stand anywhere. Each pair is made once, the earlier row first.

    Args:
        data: rows in HelpSteer2's schema.
        attribute: one of the five, "panel" for all together, or None for helpfulness.
        source: what the data set is called in errors.
        scale: how ratings are read and compared.

    Yields:
        Comparisons, in the order in which the prompts first appear.
    """
    chosen = one_of(attribute, (*ATTRIBUTES, PANEL), ATTRIBUTES[0], source)
    names = ATTRIBUTES if chosen == PANEL else (chosen,)
    groups: dict[str, list[int]] = {}
    responses: list[Any] = []
    rated: list[dict[str, Any]] = []
    problems: dict[int, str] = {}
    for rows, batch in batches(data, ("prompt", "response", *names)):
        for at, row in enumerate(rows):
            values, problem = _ratings(batch, at, names, f"{source}, row {row}", scale)
            responses.append(batch["response"][at])
            rated.append(values)
            prompt = batch["prompt"][at]
            if problem:
                problems[row] = problem
            else:
                groups.setdefault(prompt, []).append(row)
    if problems:
        yield _unreadable(problems)
    yield from _paired(groups, responses, rated, chosen, scale)


def one_rating(value: Any, where: str, name: str) -> float:
    """Return a rating from 0 to 4.

    Raises:
        InputError: it is none.
    """
    return rating(value, where, name, low=0, high=4, whole=True)


def _ratings(
    batch: Mapping[str, list[Any]], at: int, names: Sequence[str], where: str, scale: Scale
) -> tuple[dict[str, Any], str]:
    try:
        values = {name: scale.read(batch[name][at], where, name) for name in names}
    except InputError as error:
        return {}, str(error)
    return values, ""


def _unreadable(problems: Mapping[int, str]) -> Candidates:
    none = [None] * len(problems)
    return Candidates(list(problems), none, none, none, none, problems=dict(enumerate(problems.values())))


def _paired(
    groups: Mapping[str, list[int]],
    responses: Sequence[Any],
    rated: Sequence[Mapping[str, Any]],
    attribute: str,
    scale: Scale,
) -> Iterator[Candidates]:
    prompts: list[Any] = []
    pairs: list[tuple[int, int]] = []
    last = len(groups) - 1
    for number, (prompt, rows) in enumerate(groups.items()):
        talk = messages(prompt) if isinstance(prompt, str) else prompt
        for pair in combinations(rows, 2):
            prompts.append(talk)
            pairs.append(pair)
        if len(pairs) >= BATCH or (pairs and number == last):
            yield _candidates(prompts, pairs, responses, rated, attribute, scale)
            prompts, pairs = [], []


def _candidates(
    prompts: list[Any],
    pairs: list[tuple[int, int]],
    responses: Sequence[Any],
    rated: Sequence[Mapping[str, Any]],
    attribute: str,
    scale: Scale,
) -> Candidates:
    alone = attribute != PANEL
    own = ([rated[i][attribute] for i, _ in pairs], [rated[j][attribute] for _, j in pairs]) if alone else ([], [])
    ratings = [scale.level(r) for r in own[0]], [scale.level(r) for r in own[1]]
    sides: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {"rating": ratings} if alone else {}
    if alone and scale.raters is not None:
        sides["raters"] = [scale.raters(r) for r in own[0]], [scale.raters(r) for r in own[1]]
    return Candidates(
        rows=[i for i, _ in pairs],
        prompts=prompts,
        first=[responses[i] for i, _ in pairs],
        second=[responses[j] for _, j in pairs],
        share=[scale.vote(rated[i], rated[j], attribute) for i, j in pairs],
        margin=[lead(a, b, attribute) for a, b in zip(*ratings, strict=True)] if alone else None,
        sides=sides,
        columns={"attribute": [attribute] * len(pairs)},
        second_rows=[j for _, j in pairs],
        names=("response", "response"),
        derived=True,
    )


FORMAT = Format(
    name="helpsteer2",
    title="HelpSteer2's responses: one row a response, five attributes from 0 to 4",
    needs=(
        Need(("prompt",), ("text",)),
        Need(("response",), ("text",)),
        *(Need((name,), ("number",)) for name in ATTRIBUTES),
    ),
    used=SCHEMA,
    prompts=prompts,
    candidates=partial(candidates, scale=Scale(one_rating, float, vote)),
    attributes=(*ATTRIBUTES, PANEL),
)
