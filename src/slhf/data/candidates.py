"""What a format hands on: comparisons as they stand in the source, neither checked nor turned round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slhf.errors import InputError, suggestion

if TYPE_CHECKING:
    from datasets import Dataset

BATCH = 2000
"""Source rows read at once."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Comparisons of two responses, in the order of the source.

    Attributes:
        rows: number of the source row each comparison comes from, the row of y.
        prompts: x, text or messages.
        first: y.
        second: y′.
        share: P(y ≻ y′) in [0, 1]; ½ is a tie; None where nobody gave a verdict.
        margin: how far y is ahead on the source's own scale; None where there is none.
        sides: further columns that belong to a response: name → (of y, of y′).
        columns: further columns that belong to the comparison.
        second_rows: the rows of y′ where that is another one; else None.
        names: what the two responses are called in the source, for errors.
        problems: what is wrong with a comparison that cannot be read, by its place in the lists above.
        derived: whether the comparisons were made here, of single responses: two that are alike are then no mistake.
        may_be_empty: whether an empty response is an answer somebody judged.
    """

    rows: Sequence[int]
    prompts: Sequence[Any]
    first: Sequence[Any]
    second: Sequence[Any]
    share: Sequence[float | None]
    margin: Sequence[float | None] | None = None
    sides: Mapping[str, tuple[Sequence[Any], Sequence[Any]]] = field(default_factory=dict)
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    second_rows: Sequence[int] | None = None
    names: tuple[str, str] = ("chosen", "rejected")
    problems: Mapping[int, str] = field(default_factory=dict)
    derived: bool = False
    may_be_empty: bool = False


def sides_of_votes(votes: Sequence[Sequence[float]]) -> dict[str, tuple[Sequence[Any], Sequence[Any]]]:
    """Return single people's votes as a column of both responses: what each person gave to y, and to y′.

    Args:
        votes: of each comparison, P(y ≻ y′) by each person who voted: 0, ½ or 1.
    """
    return {"votes": ([list(v) for v in votes], [[1.0 - p for p in v] for v in votes])}


def batches(data: Dataset, columns: Sequence[str]) -> Iterator[tuple[range, dict[str, list[Any]]]]:
    """Read some columns of a data set, many rows at once.

    Args:
        data: the rows.
        columns: those to read; the others are not touched.

    Yields:
        Row numbers, and a list for each column.
    """
    start = 0
    for batch in data.select_columns(list(columns)).iter(batch_size=BATCH):
        assert isinstance(batch, dict)  # a batch is a dict of columns
        end = start + len(batch[columns[0]])
        yield range(start, end), batch
        start = end


def one_of(attribute: str | None, known: Sequence[str], default: str, what: str) -> str:
    """Return the attribute that is asked for, or the default.

    Raises:
        InputError: the format has no such attribute.
    """
    if attribute is None:
        return default
    if attribute not in known:
        raise InputError(
            f"{what} has no attribute {attribute!r}; it has {', '.join(known)}.{suggestion(attribute, known)}"
        )
    return attribute


def rating(value: Any, where: str, name: str, *, low: float, high: float, whole: bool = False) -> float:
    """Return a rating as a number.

    Args:
        value: as it stands in the source.
        where: data set and row, the start of the error message.
        name: of the field.
        low: the smallest rating there is.
        high: the largest.
        whole: whether ratings are whole numbers.

    Raises:
        InputError: it is no number, not a whole one where it has to be, or off the scale.
    """
    kind = "a whole number" if whole else "a number"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or (whole and value != int(value)):
        raise InputError(
            f"{where}: {name} is {value!r}; it is {kind} from {low:g} to {high:g}: mend the field or leave the row out"
        )
    return float(value)
