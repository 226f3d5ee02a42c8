"""One pick: the answer somebody liked best among several, and the preferences it states."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from slhf.errors import InputError
from slhf.policies.roles import as_messages
from slhf.serving.asking import checked_prompt
from slhf.types import Prompt

MOST_REJECTED = 64
"""Answers that may be rejected with one pick."""

SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a session's name looks like."""

_MOST_MODEL = 200  # characters


@dataclass(frozen=True, slots=True)
class Pick:
    """One answer somebody liked best among those on the screen.

    Attributes:
        session: whose, as far as anybody tells: 1 to 64 of the characters A–Z a–z 0–9 _ -.
        prompt: the conversation that was answered; a lone user turn is the same as its text.
        chosen: the answer.
        rejected: what else was there, 1 to 64 texts; one named twice counts once.
        model: who answered.
        when: seconds since 1970.

    Raises:
        InputError: one of these is something else, or the chosen answer is among the rejected.
    """

    session: str
    prompt: Prompt
    chosen: str
    rejected: tuple[str, ...]
    model: str
    when: float

    def __post_init__(self) -> None:
        if not (isinstance(self.session, str) and SESSION.fullmatch(self.session)):
            raise InputError(f"session={self.session!r}: give 1 to 64 of the characters A–Z a–z 0–9 _ -")
        object.__setattr__(self, "prompt", checked_prompt(self.prompt, "prompt"))
        _checked("chosen", self.chosen)
        for number, text in enumerate(self.rejected):
            _checked(f"rejected[{number}]", text)
            if text == self.chosen:
                raise InputError(f"rejected[{number}] is the chosen answer; leave it out")
        object.__setattr__(self, "rejected", tuple(dict.fromkeys(self.rejected)))
        if not 1 <= len(self.rejected) <= MOST_REJECTED:
            raise InputError(f"rejected: {len(self.rejected)} answers; a pick is made among 2 to {MOST_REJECTED + 1}")
        _checked("model", self.model)
        if len(self.model) > _MOST_MODEL:
            raise InputError(f"model: {len(self.model)} characters; a model's name has at most {_MOST_MODEL}")
        if not math.isfinite(self.when):
            raise InputError(f"when={self.when}: a number of seconds is needed")

    def row(self, rejected: str) -> dict[str, Any]:
        """Return the preference over one rejected answer as a row of conversational preference data."""
        # what OpenAI calls the developer is the system to everybody else
        turns = [
            {"role": "system" if turn["role"] == "developer" else turn["role"], "content": turn["content"]}
            for turn in as_messages(self.prompt)
        ]
        return {
            "prompt": turns,
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
        }

    def between(self, rejected: str) -> bytes:
        """Return a hash of what was decided over one rejected answer, the same whichever of the two was chosen."""
        decided = [self.session, self.prompt, sorted((self.chosen, rejected))]
        return hashlib.sha256(json.dumps(decided).encode()).digest()


def last_words(picks: Iterable[Pick]) -> dict[bytes, int]:
    """Return, for everything that was decided, the place of the pick that decided it last."""
    return {pick.between(text): place for place, pick in enumerate(picks) for text in pick.rejected}


def preference_rows(picks: Iterable[Pick], last: dict[bytes, int]) -> Iterator[dict[str, Any]]:
    """Yield each (chosen, rejected) as a row of conversational preference data, in the order of the picks.

    Whoever picks twice between the same two answers to the same prompt is heard once, the last time.

    Args:
        picks: the same as ``last`` was made of.
        last: see :func:`last_words`; the picks are gone through twice, so that they need not be held in memory.
    """
    for place, pick in enumerate(picks):
        yield from (pick.row(text) for text in pick.rejected if last[pick.between(text)] == place)


def _checked(name: str, text: Any) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{name}: a text is needed, not {text!r}")
    checked_prompt(text, name)  # half a character is no text
