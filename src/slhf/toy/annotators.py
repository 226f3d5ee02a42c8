"""Five people with different tastes: rules that give any response an integer from 0 to 4.

Helpfulness, correctness and coherence like more; complexity and verbosity like less. They
agree that wrong or garbled answers are bad, and disagree about the form of a good one, so
that a majority of them runs in circles: see :mod:`slhf.toy.game`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slhf.toy.reading import Reading, read_response
from slhf.toy.world import question_of

LOWEST, HIGHEST = 0, 4


@dataclass(frozen=True, slots=True)
class Annotator:
    """One member of the panel.

    Attributes:
        name: the attribute's name in HelpSteer2's schema.
        score: ``(prompt, response, columns) → 0…4`` for any response.
        higher_is_better: False for complexity and verbosity.
    """

    name: str
    score: Callable[[str, str, Mapping[str, Any]], int]
    higher_is_better: bool

    @property
    def lower_is_better(self) -> bool:
        """The opposite of ``higher_is_better``."""
        return not self.higher_is_better

    def utility(self, prompt: str, response: str, columns: Mapping[str, Any]) -> int:
        """Return the score with the sign that makes more better."""
        score = self.score(prompt, response, columns)
        return score if self.higher_is_better else -score


def helpfulness(prompt: str, response: str, columns: Mapping[str, Any]) -> int:
    """How soon a reader has the right answer: 3 at once, 2 soon, 1 late, 0 never; one more for a reason after it.

    Raises:
        InputError: no columns, and the prompt is not one of the embedded world's.
    """
    reading = _read(prompt, response, columns)
    if not (reading.plain and reading.right):
        return 0
    return 3 - _band(reading.place, (0, 3)) + int(reading.times > 1)


def correctness(prompt: str, response: str, columns: Mapping[str, Any]) -> int:
    """Whether the answer is right: 4 stated in full with the method, 3 plain, 2 buried, 1 doubted, 0 wrong.

    Raises:
        InputError: no columns, and the prompt is not one of the embedded world's.
    """
    reading = _read(prompt, response, columns)
    if not reading.right:
        return 0
    if reading.plain:
        return 4 if reading.method and reading.names_topic else 3
    return 1 if reading.hedged else 2


def coherence(prompt: str, response: str, columns: Mapping[str, Any]) -> int:
    """Whether it is one sentence that fits the question and stands by itself.

    4 for a sentence that names its topic, one less if it also tells the method, one less if it
    says its answer twice; 1 for a bare answer; 0 for an "it" that stands for nothing, for no
    sentence and for one that is not true.

    Raises:
        InputError: no columns, and the prompt is not one of the embedded world's.
    """
    reading = _read(prompt, response, columns)
    if not (reading.plain and reading.right) or reading.dangling:
        return 0
    if reading.names_topic:
        return 5 - reading.times - int(reading.method)
    return 1


def complexity(prompt: str, response: str, columns: Mapping[str, Any]) -> int:
    """Effort to follow it: one for dense wording, one for each further clause; 4 if it is no sentence.

    A bare answer is all content and sends its reader back to the question: 3.

    Raises:
        InputError: no columns, and the prompt is not one of the embedded world's.
    """
    reading = _read(prompt, response, columns)
    if not reading.plain:
        return HIGHEST
    if reading.density == 1.0:
        return HIGHEST - 1
    return min(HIGHEST, int(reading.density > 0.36) + reading.clauses - 1)


def verbosity(prompt: str, response: str, columns: Mapping[str, Any]) -> int:
    """Length in words: 0 up to one, 1 up to four, 2 up to seven, 3 up to ten, 4 beyond.

    Raises:
        InputError: no columns, and the prompt is not one of the embedded world's.
    """
    return _band(_read(prompt, response, columns).length, (1, 4, 7, 10))


def _band(value: int, limits: tuple[int, ...]) -> int:
    """Return how many limits ``value`` exceeds."""
    return sum(value > limit for limit in limits)


def _read(prompt: str, response: str, columns: Mapping[str, Any]) -> Reading:
    return read_response(question_of(prompt, columns), response)


ANNOTATORS: tuple[Annotator, ...] = (
    Annotator("helpfulness", helpfulness, higher_is_better=True),
    Annotator("correctness", correctness, higher_is_better=True),
    Annotator("coherence", coherence, higher_is_better=True),
    Annotator("complexity", complexity, higher_is_better=False),
    Annotator("verbosity", verbosity, higher_is_better=False),
)


def annotate(prompt: str, response: str, columns: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Return the five scores by name, as a row of HelpSteer2 has them."""
    return {a.name: a.score(prompt, response, columns or {}) for a in ANNOTATORS}
