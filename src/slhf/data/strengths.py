"""HelpSteer2's and HelpSteer3's preferences: two responses, and how strongly each of several people prefers one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slhf.data.candidates import Candidates, batches, rating, sides_of_votes
from slhf.data.formats import Format, Need
from slhf.data.helpsteer2 import messages
from slhf.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

NEITHER = -100
"""What an annotator writes who finds neither response valid; counts as no vote."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a data set keeps what.

    Attributes:
        prompt: column of the prompt.
        first: column of the first response.
        second: column of the second.
        strength: column of the overall strength, −3 (the first is much better) to 3 (the second is).
        votes: column of the single annotators' verdicts, a list; may be missing.
        vote: field of a verdict that holds its strength.
    """

    prompt: str
    first: str
    second: str
    strength: str
    votes: str
    vote: str


HELPSTEER2 = Fields(
    "prompt", "response_1", "response_2", "preference_strength", "all_preferences_unprocessed", "strength"
)
HELPSTEER3 = Fields("context", "response1", "response2", "overall_preference", "individual_preference", "score")


def share_of_votes(strengths: Sequence[float]) -> float | None:
    """Return the share of annotators who prefer the first response.

        p(y ≻ y′) = mean of [s < 0] + ½ [s = 0] over the strengths s; −100 is no vote

    >>> share_of_votes([-2, 1, 0]), share_of_votes([-100])
    (0.5, None)

    Args:
        strengths: −3 (the first is much better) to 3 (the second is), one an annotator.

    Returns:
        Probability, or None where nobody voted.
    """
    votes = _votes(strengths)
    return sum(votes) / len(votes) if votes else None


def _votes(strengths: Sequence[float]) -> list[float]:
    return [1.0 if s < 0 else 0.5 if s == 0 else 0.0 for s in strengths if s != NEITHER]


def _reader(fields: Fields) -> Callable[[Dataset, str | None, str], Iterator[Candidates]]:
    """Return the function that reads comparisons from these fields."""

    def candidates(data: Dataset, attribute: str | None, source: str) -> Iterator[Candidates]:
        optional = [name for name in (fields.votes,) if name in data.column_names]
        for rows, batch in batches(data, (fields.prompt, fields.first, fields.second, fields.strength, *optional)):
            yield _candidates(batch, rows, source, fields)

    return candidates


def _candidates(batch: Mapping[str, list[Any]], rows: range, source: str, fields: Fields) -> Candidates:
    said: list[Sequence[float]] = []
    margins: list[float] = []
    problems: dict[int, str] = {}
    for at, row in enumerate(rows):
        try:
            overall, strengths = _strengths(batch, at, f"{source}, row {row}", fields)
        except InputError as error:
            problems[at] = str(error)
            overall, strengths = 0.0, []
        said.append(strengths)
        margins.append(-overall)
    return Candidates(
        rows=rows,
        prompts=_prompts(fields)(batch, rows, source),
        first=batch[fields.first],
        second=batch[fields.second],
        share=[share_of_votes(strengths) for strengths in said],
        margin=margins,
        sides={"position": ([1] * len(rows), [2] * len(rows))} | sides_of_votes([_votes(s) for s in said]),
        names=(fields.first, fields.second),
        problems=problems,
    )


def _strengths(batch: Mapping[str, list[Any]], at: int, where: str, fields: Fields) -> tuple[float, list[float]]:
    """Return the overall strength and every annotator's; the overall one alone where there are no others."""
    overall = rating(batch[fields.strength][at], where, fields.strength, low=-3, high=3)
    votes = batch[fields.votes][at] if fields.votes in batch else None
    if not votes:
        return overall, [overall]
    strengths: list[float] = []
    for number, vote in enumerate(votes):
        value = vote.get(fields.vote) if isinstance(vote, Mapping) else None
        name = f"{fields.votes}[{number}].{fields.vote}"
        strengths.append(NEITHER if value == NEITHER else rating(value, where, name, low=-3, high=3, whole=True))
    return overall, strengths


def _prompts(fields: Fields) -> Callable[[Mapping[str, list[Any]], Sequence[int], str], list[Any]]:
    """Return the function that reads prompts, as messages."""

    def prompts(batch: Mapping[str, list[Any]], rows: Sequence[int], source: str) -> list[Any]:
        return [messages(x) if isinstance(x, str) else x for x in batch[fields.prompt]]

    return prompts


def _format(name: str, title: str, fields: Fields, prompt_kind: str, more: tuple[str, ...] = ()) -> Format:
    return Format(
        name=name,
        title=title,
        needs=(
            Need((fields.prompt,), (prompt_kind,)),
            Need((fields.first,), ("text",)),
            Need((fields.second,), ("text",)),
            Need((fields.strength,), ("number",)),
        ),
        used=(fields.prompt, fields.first, fields.second, fields.strength, fields.votes, *more),
        prompts=_prompts(fields),
        candidates=_reader(fields),
        split_column="split",
    )


FORMAT_2 = _format(
    "helpsteer2-preference",
    "HelpSteer2's preferences: two responses, a strength from −3 to 3 an annotator",
    HELPSTEER2,
    "text",
    ("three_most_similar_preferences",),
)
FORMAT_3 = _format(
    "helpsteer3",
    "HelpSteer3's preferences: a conversation, two responses, a score from −3 to 3 an annotator",
    HELPSTEER3,
    "messages",
)
