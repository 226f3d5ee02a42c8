"""What a chain leaves behind: its answers, step by step, and the events on the way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """One sampled token and how likely the model found it.

    Attributes:
        token: its number in the vocabulary.
        logprob: log-probability at temperature 1 and without truncation, nats, however it was sampled.
        top: the likeliest tokens at its place with theirs, likeliest first.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One answer of a chain.

    Attributes:
        number: 0 is the Leader's answer, or the one given; i the i-th refinement.
        text: what was said.
        finish_reason: ``stop`` if the answer ended, ``length`` if it was cut, ``given`` if it came from the caller.
        count: tokens that were sampled for it.
        tokens: these tokens; empty where the text came without (from a server, or from the caller).
        choices: their log-probabilities; empty where nobody asked.
        preferred: P(this answer ≻ the one before it) by the judge; None without judge, and for the first.
        seconds: since the chain began.
    """

    number: int
    text: str
    finish_reason: str
    count: int = 0
    tokens: tuple[int, ...] = ()
    choices: tuple[TokenChoice, ...] = ()
    preferred: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Tasted:
    """How the last answer was chosen for one user.

    Attributes:
        session: whose picks told the taste.
        annotators: each one's name, and how likely the user is like it.
        candidates: the different answers sampled, among which was chosen; empty ones only where all are.
        kept: the place of the one that was kept.
        compare: places of the two whose comparison would tell most about the user; None where there is one alone.
        aside: tokens sampled, in all steps, for answers that were not kept.
    """

    session: str
    annotators: tuple[tuple[str, float], ...]
    candidates: tuple[str, ...]
    kept: int
    compare: tuple[int, int] | None
    aside: int = 0


@dataclass(frozen=True, slots=True)
class Refinement:
    """A whole chain.

    Attributes:
        steps: every answer, in order.
        stopped: why there are no more of them: ``steps``, or what the stop said.
        best: number of the best answer by the judge; None without judge.
        prompt_tokens: tokens of the conversation as the Leader saw it; 0 where they were not counted here.
        taste: how the answers were chosen for one user; None where they were not.
    """

    steps: tuple[Step, ...]
    stopped: str
    best: int | None = None
    prompt_tokens: int = 0
    taste: Tasted | None = None

    @property
    def text(self) -> str:
        """The answer to keep: the best one by the judge, or the last."""
        return self.steps[-1 if self.best is None else self.best].text

    @property
    def count(self) -> int:
        """Tokens sampled in all steps together, those of answers that were not kept too."""
        return sum(step.count for step in self.steps) + (0 if self.taste is None else self.taste.aside)


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """Something was said.

    Attributes:
        step: in which answer.
        text: what became readable with it; may be empty (half a character, or what may yet turn out to be a
            stop text).
        choice: the token with its log-probability, where these were asked for.
    """

    step: int
    text: str
    choice: TokenChoice | None = None


@dataclass(frozen=True, slots=True)
class StepEvent:
    """An answer is complete.

    Attributes:
        step: the answer.
    """

    step: Step


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """The chain is complete; the last event.

    Attributes:
        refinement: all of it.
    """

    refinement: Refinement


Event = TokenEvent | StepEvent | DoneEvent
"""What a stream is made of."""
