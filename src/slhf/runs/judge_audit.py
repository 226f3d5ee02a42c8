"""An audit of one judge or several from names: which judges, on which pairs."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from slhf.data import load_pairs
from slhf.errors import IncompleteError, InputError, JudgeError
from slhf.evaluation import Bootstrap, Store
from slhf.evaluation.answers import judged_text
from slhf.evaluation.audit import Audit, audit
from slhf.evaluation.bootstrap import need_prompts
from slhf.evaluation.people import FEWEST_VOTES, Agreement, each_person, people_agreement
from slhf.evaluation.store import Watch, unwatched
from slhf.judges import ChatJudge, Judge
from slhf.runs.answer_sources import read_sources
from slhf.runs.judges import judge_of, named_judges
from slhf.types import Comparison, Prompt

ALL = "all"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditJob:
    """Which judges, on which pairs.

    Attributes:
        judges: each a judge's name, ``package.module:name``, or a file of judge settings; ``LABEL=JUDGE`` gives it
            another name in the table.
        pairs: preference data, as :func:`slhf.data.load_pairs` takes it; with people's preferences.
        answers: instead of pairs, two contenders' answers, as evaluations take them.
        split: which part of the pairs; ``all`` for all of a file.
        limit: at most so many pairs.
        attribute: what decides, where responses are rated on several scales.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: neither pairs nor answers, or both, a limit below 1, or two judges of one name.
    """

    judges: Sequence[str]
    pairs: str | None = None
    answers: Sequence[str] = ()
    split: str = ALL
    limit: int | None = 500
    attribute: str | None = None
    bootstrap: Bootstrap = field(default_factory=Bootstrap)

    def __post_init__(self) -> None:
        if (self.pairs is None) == (not self.answers):
            raise InputError("an audit needs pairs: give --pairs FILE, or --answers with two contenders' files")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1, got {self.limit}")
        named_judges(self.judges)


@dataclass(frozen=True)
class Audited:
    """What came out of one judge, and what it took.

    Attributes:
        label: what the table calls it.
        audit: the findings; None where the judge cannot judge these pairs.
        spent: requests, tokens and so on of a language model; None for other judges.
        refused: why there are no findings; empty where there are.
    """

    label: str
    audit: Audit | None
    spent: dict[str, float] | None
    refused: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the findings, and beside them the label, what was spent, and why there are none."""
        found = {} if self.audit is None else self.audit.as_dict()
        return {"label": self.label, **found, "spent": self.spent, "refused": self.refused or None}


@dataclass(frozen=True)
class People:
    """How far people agree with each other.

    Attributes:
        among: all of them, each in turn against the rest.
        each: one by one, where the same number of people voted on every pair.
    """

    among: Agreement
    each: tuple[Agreement, ...]


@dataclass(frozen=True)
class Audits:
    """What came out of several judges.

    Attributes:
        judges: in the order they were named.
        people: how far people agree with each other; None where single people's votes are not known.
    """

    judges: tuple[Audited, ...]
    people: People | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        people = None if self.people is None else asdict(self.people)
        return {"judges": [one.as_dict() for one in self.judges], "among_people": people}


@dataclass(frozen=True)
class Material:
    """The pairs of an audit, and what people say of them.

    Attributes:
        comparisons: the pairs.
        people: P(first ≻ second) of people together; None where nobody was asked.
        votes: of each person who voted; None where that is not known.
    """

    comparisons: list[Comparison]
    people: list[float] | None = None
    votes: list[list[float]] | None = None

    def part(self, places: Sequence[int]) -> Material:
        """Return some of the pairs."""
        comparisons = [self.comparisons[i] for i in places]
        people = None if self.people is None else [self.people[i] for i in places]
        return Material(comparisons, people, None if self.votes is None else [self.votes[i] for i in places])


def audit_judges(job: AuditJob, store: str | Path, watch: Watch = unwatched) -> Audits:
    """Audit judges on the same pairs; what the store holds is not asked again.

    Among several, a judge that cannot judge these pairs is told with its reason, and the others go on; one alone, or
    all of them, is an error. A judge that stops half way, for its budget or its server, stops everything.

    Args:
        job: which judges, on which pairs.
        store: SQLite file of judgements; made if it is not there.
        watch: told how far it is.

    Raises:
        InputError: no such judge, no such pairs, or too few of them.
        JudgeError: a judge's answer is no preference, or it stopped.
    """
    judges = {label: judge_of(text) for label, text in named_judges(job.judges).items()}
    material = material_of(job)
    need_prompts(len({c.prompt for c in material.comparisons}))
    people = _people(material, job.bootstrap)
    if str(store) != ":memory:":
        Path(store).parent.mkdir(parents=True, exist_ok=True)
    with Store(store, watch) as kept:
        found = tuple(_audited(label, one, material, kept, job, len(judges) > 1) for label, one in judges.items())
    if all(one.audit is None for one in found):
        raise InputError(f"none of the {len(found)} judges can judge these pairs; {found[0].label}: {found[0].refused}")
    return Audits(found, people)


def _audited(label: str, judge: Judge, material: Material, store: Store, job: AuditJob, several: bool) -> Audited:
    try:
        found = audit(judge, material.comparisons, store, material.people, job.bootstrap, material.votes)
    except IncompleteError:
        raise  # what was judged is kept, and the same command goes on
    except (InputError, JudgeError) as error:
        if not several:
            raise
        return Audited(label, None, _spent(judge), str(error))
    return Audited(label, found, _spent(judge))


def _people(material: Material, bootstrap: Bootstrap) -> People | None:
    if material.votes is None:
        return None
    prompts = [c.prompt for c in material.comparisons]
    among = people_agreement(material.votes, prompts, bootstrap)
    return People(among, tuple(each_person(material.votes, prompts, bootstrap)))


def material_of(job: AuditJob) -> Material:
    """Return the pairs of an audit, without those whose responses are the same, and what people say of them.

    Raises:
        InputError: they cannot be read, or there are none.
    """
    found = _from_pairs(job) if job.pairs is not None else Material(_from_answers(job))
    told_apart = [i for i, c in enumerate(found.comparisons) if c.first != c.second]
    if len(told_apart) < len(found.comparisons):
        log.warning(
            "%d of %d pairs have the same response twice, and are left out",
            len(found.comparisons) - len(told_apart),
            len(found.comparisons),
        )
    kept = told_apart[: job.limit]
    if not kept:
        raise InputError("there is no pair of different responses to audit the judge with")
    return found.part(kept)


def _from_pairs(job: AuditJob) -> Material:
    assert job.pairs is not None  # who calls has looked
    split = None if job.split == ALL else job.split
    rows = load_pairs(job.pairs, split, job.limit, attribute=job.attribute, ties="half", invalid="drop").to_list()
    used = ("prompt", "chosen", "rejected", "preference", "chosen_votes", "rejected_votes")
    comparisons = [
        Comparison(
            judged_text(row["prompt"]), row["chosen"], row["rejected"], {k: v for k, v in row.items() if k not in used}
        )
        for row in rows
    ]
    return Material(comparisons, [float(row["preference"]) for row in rows], _votes(rows))


def _votes(rows: Sequence[Mapping[str, Any]]) -> list[list[float]] | None:
    """Return people's single votes, where some pair has more than one."""
    votes: list[list[float]] = [list(row.get("chosen_votes") or ()) for row in rows]
    return votes if any(len(v) >= FEWEST_VOTES for v in votes) else None


def _from_answers(job: AuditJob) -> list[Comparison]:
    sources = read_sources(job.answers)
    if len(sources) != 2:
        names = ", ".join(source.name for source in sources)
        raise InputError(f"an audit needs the answers of two contenders, got {len(sources)} ({names})")
    first, second = sources
    shared = [prompt for prompt in first.found if prompt in second.found]
    if not shared:
        raise InputError(f"{first.name} and {second.name} have no prompt in common")
    return [
        Comparison(judged_text(_prompt(prompt)), y, z)
        for prompt in shared
        for y, z in zip(first.found[prompt], second.found[prompt], strict=False)
    ]


def _prompt(text: str) -> Prompt:
    """Return the conversation that a prompt kept as one text stands for, or the text."""
    if not text.startswith("[{"):
        return text
    try:
        turns = json.loads(text)
    except json.JSONDecodeError:
        return text
    return turns if all(isinstance(t, dict) and {"role", "content"} <= t.keys() for t in turns) else text


def _spent(judge: Judge) -> dict[str, float] | None:
    return judge.spent.as_dict() if isinstance(judge, ChatJudge) else None
