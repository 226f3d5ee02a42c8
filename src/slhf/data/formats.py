"""Which format a data set has, told from its columns alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slhf.data.candidates import Candidates
from slhf.errors import InputError, suggestion

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True, slots=True)
class Need:
    """A column that a format cannot do without.

    Attributes:
        columns: its names; any one will do.
        kinds: what it may hold: text, number, messages, list or object.
    """

    columns: tuple[str, ...]
    kinds: tuple[str, ...]

    def met(self, columns: Mapping[str, str]) -> bool:
        """Tell whether one of the names is there and holds the right kind."""
        return any(columns.get(name) in (*self.kinds, "any") for name in self.columns)

    def __str__(self) -> str:
        return f"{' or '.join(map(repr, self.columns))} ({' or '.join(self.kinds)})"


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write down preferences.

    Attributes:
        name: short; what ``format=`` takes.
        title: for people.
        needs: the columns it is recognised by.
        without: columns it does not have.
        used: columns that are read and not kept.
        prompts: prompts of a batch of rows; takes the batch, the row numbers and the source's name.
        candidates: all comparisons of a data set; takes the data, an attribute or None, and the source's name.
        attributes: what the responses are rated on; empty where there is nothing to choose.
        split_column: a column that names each row's split.
    """

    name: str
    title: str
    needs: tuple[Need, ...]
    used: tuple[str, ...]
    prompts: Callable[[Mapping[str, list[Any]], Sequence[int], str], list[Any]]
    candidates: Callable[[Dataset, str | None, str], Iterator[Candidates]]
    without: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    split_column: str | None = None

    def missing(self, columns: Mapping[str, str]) -> list[str]:
        """Return, in words, what keeps a table from being of this format.

        Args:
            columns: name → kind, see :func:`kinds`.
        """
        lacks = [str(need) for need in self.needs if not need.met(columns)]
        return lacks + [f"no column {name!r}" for name in self.without if name in columns]


def kinds(data: Dataset) -> dict[str, str]:
    """Return what each column holds: text, number, messages, list, object, or any where the file leaves it open."""
    return {name: _kind(feature) for name, feature in data.features.items()}


def _kind(feature: Any) -> str:
    from datasets import LargeList, List, Value

    if isinstance(feature, Value):
        if "string" in feature.dtype:
            return "text"
        return "any" if feature.dtype == "null" else "number"
    if isinstance(feature, List | LargeList):
        inner = feature.feature
        if isinstance(inner, dict):
            return "messages" if {"role", "content"} <= set(inner) else "list"
        return "list" if isinstance(inner, Value | List | LargeList) else "any"
    return "object" if isinstance(feature, dict) else "any"


def recognised(columns: Mapping[str, str], known: Sequence[Format]) -> list[Format]:
    """Return the formats whose columns are all there; none, one or several."""
    return [one for one in known if not one.missing(columns)]


def the_format(data: Dataset, known: Sequence[Format], source: str, name: str | None = None) -> Format:
    """Return the format of a data set.

    Args:
        data: the rows.
        known: the formats there are.
        source: what the data set is called in errors.
        name: a format's name, if the caller knows it; otherwise the columns tell.

    Raises:
        InputError: no such format, no format with these columns, or more than one.
    """
    columns = kinds(data)
    if name is not None:
        return _named(name, columns, known, source)
    found = recognised(columns, known)
    if len(found) == 1:
        return found[0]
    have = ", ".join(f"{column!r} ({kind})" for column, kind in columns.items())
    if found:
        names = ", ".join(one.name for one in found)
        raise InputError(
            f"{source} could be any of the formats {names}: it has the columns {have}; say which with format=…"
        )
    nearest = min(known, key=lambda one: len(one.missing(columns)) / len(one.needs))
    raise InputError(
        f"{source} holds no preferences in a known format: it has the columns {have}. Known are "
        f"{', '.join(one.name for one in known)}. Nearest is {nearest.name} ({nearest.title}); missing there: "
        f"{', '.join(nearest.missing(columns))}{_no_number(data, nearest, columns)}"
    )


def _no_number(data: Dataset, form: Format, columns: Mapping[str, str]) -> str:
    """Return, in words, where a column that should hold numbers holds something else; empty if that is not it."""
    for need in form.needs:
        name = next((name for name in need.columns if columns.get(name) == "text"), None)
        if name is None or need.kinds != ("number",) or need.met(columns):
            continue
        for row, value in enumerate(data[name]):
            if value is not None and not _reads_as_number(value):
                return f". In row {row}, {name} is {value!r}, which is no number"
    return ""


def _reads_as_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _named(name: str, columns: Mapping[str, str], known: Sequence[Format], source: str) -> Format:
    names = [one.name for one in known]
    if name not in names:
        raise InputError(f"there is no format {name!r}; known are {', '.join(names)}.{suggestion(name, names)}")
    chosen = known[names.index(name)]
    lacks = [str(need) for need in chosen.needs if not need.met(columns)]
    if lacks:
        raise InputError(
            f"{source} is not of the format {name}: it lacks {', '.join(lacks)}; it has {', '.join(map(repr, columns))}"
        )
    return chosen
