"""Jobs whose contexts are computed together before they join a batch."""

from __future__ import annotations

from dataclasses import dataclass

from slhf.serving.jobs import Job

_PREFILL = 16384
"""Tokens of contexts, padding included, that are computed at once."""


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


@dataclass(frozen=True)
class Part:
    """Arrivals whose contexts are computed at once, all padded to the same number of new tokens.

    Attributes:
        arrivals: at least one.
        chunk: new tokens a row, padding included.
        room: slots a row needs, for its padding too.
    """

    arrivals: tuple[Arrival, ...]
    chunk: int
    room: int


def parts(jobs: list[Job], most: int | None) -> list[Part]:
    """Split jobs into parts of 1, 2, 4, … whose chunks have few different lengths.

    A matrix product of a new shape has to be prepared, which takes time, and what is prepared takes memory.

    Args:
        jobs: in any order.
        most: tokens of a text that the model holds; padding stays within. None if it does not say.
    """
    left, found = sorted(map(Arrival, jobs), key=lambda one: one.unseen), list[Part]()
    while left:
        count = 1 << (len(left).bit_length() - 1)
        while (part := _part(tuple(left[:count]), most)) is None:
            count //= 2
        found.append(part)
        del left[:count]
    return found


def _part(arrivals: tuple[Arrival, ...], most: int | None) -> Part | None:
    """Return arrivals as one part; None if that is too much at once, or padding would reach beyond the model."""
    known, unseen = max(one.known for one in arrivals), max(one.unseen for one in arrivals)
    chunk = rounded(unseen) if most is None else min(rounded(unseen), most - known)
    if len(arrivals) > 1 and (chunk < unseen or len(arrivals) * chunk > _PREFILL):
        return None
    return Part(arrivals, chunk, max(known + chunk, *(one.room for one in arrivals)))


def rounded(count: int) -> int:
    """Return the length to which a chunk is padded: 16, 32, 48, 64, 96, 128, 192, and so on.

    >>> [rounded(count) for count in (1, 17, 49, 65, 97, 129)]
    [16, 32, 64, 96, 128, 192]
    """
    step = max(16, 1 << max((count - 1).bit_length() - 2, 0))
    return -(-count // step) * step


def _common(first: list[int], second: list[int]) -> int:
    """Return how many tokens both begin with; the last of ``second`` is always left to compute."""
    most = min(len(first), len(second) - 1)
    return next((i for i in range(most) if first[i] != second[i]), most)
