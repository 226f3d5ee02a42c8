"""Jobs whose contexts are computed together when they join a batch."""

from __future__ import annotations

from dataclasses import dataclass

from slhf.serving.jobs import Job

_PREFILL = 16384
"""Tokens of contexts, padding included, that are computed at once."""

_WASTE = 8
"""Of so many tokens computed, one may be padding."""


class Arrival:
    """A job whose context is to be computed.

    Attributes:
        known: tokens of its context that need not be computed.
        unseen: the others.
        room: slots it needs until its last token.
    """

    def __init__(self, job: Job):
        self.job = job
        self.known = 0 if job.held is None else _common(job.held.tokens, job.context)
        self.unseen = len(job.context) - self.known
        self.room = len(job.context) + job.sampling.max_new_tokens

    @property
    def tokens(self) -> list[int]:
        """What is to be computed."""
        return self.job.context[self.known :]


@dataclass(frozen=True)
class Group:
    """Arrivals whose contexts are computed as one block, all padded to the same number of new tokens.

    Attributes:
        arrivals: at least one.
    """

    arrivals: tuple[Arrival, ...]

    @property
    def chunk(self) -> int:
        """New tokens a row, padding included."""
        return max(one.unseen for one in self.arrivals)

    @property
    def room(self) -> int:
        """Slots a row needs, for its padding too."""
        return max(max(one.known for one in self.arrivals) + self.chunk, *(one.room for one in self.arrivals))


def grouped(jobs: list[Job], most: int | None) -> tuple[list[Group], list[Job]]:
    """Group as many jobs as are computed at once by how long what is new of them is.

    Args:
        jobs: first come, first served.
        most: tokens of a text that the model holds; padding stays within. None if it does not say.

    Returns:
        Groups whose padding is little, and the jobs that must wait for the next time.
    """
    taken, tokens = list[Arrival](), 0
    for job in jobs:
        arrival = Arrival(job)
        tokens += arrival.unseen + arrival.unseen // (_WASTE - 1)
        if taken and tokens > _PREFILL:
            break
        taken.append(arrival)
    found = list[Group]()
    for arrival in sorted(taken, key=lambda one: one.unseen):
        wider = Group((*found[-1].arrivals, arrival)) if found else None
        if wider is not None and _fits(wider, most):
            found[-1] = wider
        else:
            found.append(Group((arrival,)))
    return found, jobs[len(taken) :]


def _fits(group: Group, most: int | None) -> bool:
    """Tell whether a group's padding is little, and none of it beyond the model's last place."""
    padding = sum(group.chunk - one.unseen for one in group.arrivals)
    furthest = max(one.known for one in group.arrivals) + group.chunk
    return _WASTE * padding <= len(group.arrivals) * group.chunk and (most is None or furthest <= most)


def _common(first: list[int], second: list[int]) -> int:
    """Return how many tokens both begin with; the last of ``second`` is always left to compute."""
    most = min(len(first), len(second) - 1)
    return next((i for i in range(most) if first[i] != second[i]), most)
