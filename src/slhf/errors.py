"""Errors whose message says what was wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SlhfError(Exception):
    """Base of every error this package raises on purpose; the message names the remedy."""


class InputError(SlhfError, ValueError):
    """Something the caller passed in is wrong: a row, a field, an option, a file."""


class JudgeError(SlhfError, ValueError):
    """A judge answered with something that is not a preference in [0, 1]."""


class TemplateError(SlhfError, ValueError):
    """A chat template cannot express the two roles."""


class CheckpointError(SlhfError, RuntimeError):
    """A checkpoint could not be written or does not belong to this run."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known word, or an empty string.

    >>> suggestion("kapa", ["kappa", "tau_leader"])
    " Did you mean 'kappa'?"
    >>> suggestion("zzz", ["kappa"])
    ''
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
