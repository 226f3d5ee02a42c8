"""The questions of the embedded world, and the rule that says whether a response is right.

Every question has one answer of one word, a *claim* (the words a full sentence puts before
the answer, ``"3 plus 4 is"``) and a *method* (how one finds out, ``"by counting on fingers"``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from slhf.errors import InputError
from slhf.toy import facts

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


@dataclass(frozen=True, slots=True)
class Task:
    """One family of questions.

    Attributes:
        name: the value of a row's ``task`` column.
        prompts: the ways to ask, with ``{x}``, ``{y}``, ``{z}`` for what is asked about.
        claim: the words of a full sentence before the answer.
        method: three or four words that say how one finds out.
        items: what can be asked, as (what fills x, y, z; the answer).
        answers: words that could be an answer, so that a response names one or none of them.
    """

    name: str
    prompts: tuple[str, ...]
    claim: str
    method: str
    items: tuple[tuple[tuple[str, ...], str], ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt with the columns its checks need."""

    prompt: str
    task: str
    answer: str
    claim: str
    method: str

    def columns(self) -> dict[str, str]:
        """Return the row of the data set."""
        return asdict(self)


def words(text: str) -> list[str]:
    """Return the words of ``text`` in lower case, without punctuation.

    >>> words("It is 7, isn't it?")
    ['it', 'is', '7', "isn't", 'it']
    """
    return _WORD.findall(text.lower())


def sentence(text: str) -> str:
    """Return ``text`` with a capital first letter and a full stop."""
    return text[:1].upper() + text[1:] + "."


_NUMBERS = tuple(str(n) for n in range(1, 62))


def _lookup(table: Mapping[str, str]) -> tuple[tuple[tuple[str, ...], str], ...]:
    return tuple(((key,), value) for key, value in table.items())


def _ring(names: tuple[str, ...], step: int) -> dict[str, str]:
    return {name: names[(i + step) % len(names)] for i, name in enumerate(names)}


def _lists() -> Iterator[tuple[str, str, str]]:
    """Yield every ordered list of three different things."""
    for x in facts.THINGS:
        for y in facts.THINGS:
            for z in facts.THINGS:
                if len({x, y, z}) == 3:
                    yield x, y, z


def _number_tasks() -> Iterator[Task]:
    sums = tuple(((str(a), str(b)), str(a + b)) for a in range(1, 8) for b in range(1, 8))
    yield Task(
        "sum", ("What is {x} plus {y}?", "How much is {x} and {y} together?", "Please add {x} and {y}."),
        "{x} plus {y} is", "by counting on fingers", sums, _NUMBERS,
    )  # fmt: skip
    gaps = tuple(((str(a), str(b)), str(a - b)) for a in range(2, 10) for b in range(1, 9) if b < a)
    yield Task(
        "difference", ("What is {x} minus {y}?", "How much is left of {x} without {y}?", "Please take {y} from {x}."),
        "{x} minus {y} is", "by counting down slowly", gaps, _NUMBERS,
    )  # fmt: skip
    yield Task(
        "after", ("What number comes after {x}?", "Which number follows {x}?", "Please count one up from {x}."),
        "the number after {x} is", "by counting up", tuple(((str(n),), str(n + 1)) for n in range(1, 31)), _NUMBERS,
    )  # fmt: skip
    yield Task(
        "before", ("What number comes before {x}?", "Which number leads to {x}?", "Please count one down from {x}."),
        "the number before {x} is", "by counting down", tuple(((str(n),), str(n - 1)) for n in range(2, 32)), _NUMBERS,
    )  # fmt: skip
    pairs = [(a, b) for a in range(1, 13) for b in range(1, 13) if a != b]
    yield Task(
        "more", ("Which is more, {x} or {y}?", "Please name the larger of {x} and {y}."),
        "{least} is less than", "by comparing both numbers",
        tuple(((str(a), str(b)), str(max(a, b))) for a, b in pairs), _NUMBERS,
    )  # fmt: skip
    yield Task(
        "less", ("Which is less, {x} or {y}?", "Please name the smaller of {x} and {y}."),
        "{most} is more than", "by comparing both numbers",
        tuple(((str(a), str(b)), str(min(a, b))) for a, b in pairs), _NUMBERS,
    )  # fmt: skip


def _word_tasks() -> Iterator[Task]:
    opposites = {a: b for pair in facts.OPPOSITES for a, b in (pair, pair[::-1])}
    for name, prompts, claim, method, table in (
        ("opposite", ("What is the opposite of {x}?", "Which word means the reverse of {x}?",
                      "Please give the opposite of {x}."), "the opposite of {x} is", "by its meaning", opposites),
        ("colour", ("What colour is {x}?", "Which colour does {x} have?", "Please name the colour of {x}."),
         "the colour of {x} is", "by its look", facts.COLOURS),
        ("material", ("What is a {x} made of?", "Which stuff makes a {x}?", "Please say what a {x} is made of."),
         "a {x} is made of", "by its feel", facts.MATERIALS),
        ("plural", ("What is the plural of {x}?", "How do you call more than one {x}?",
                    "Please give the plural of {x}."), "the plural of {x} is", "by its form", facts.PLURALS),
        ("past", ("What is the past of {x}?", "How do you say {x} for yesterday?", "Please put {x} in the past."),
         "the past of {x} is", "by its tense", facts.PASTS),
        ("capital", ("What is the capital of {x}?", "Which city leads {x}?", "Please name the capital of {x}."),
         "the capital of {x} is", "by the map", facts.CAPITALS),
        ("day_after", ("What day comes after {x}?", "Which day follows {x}?", "Please name the day after {x}."),
         "the day after {x} is", "by the calendar", _ring(facts.DAYS, 1)),
        ("day_before", ("What day comes before {x}?", "Which day leads to {x}?", "Please name the day before {x}."),
         "the day before {x} is", "by the calendar", _ring(facts.DAYS, -1)),
        ("month_after", ("What month comes after {x}?", "Which month follows {x}?",
                         "Please name the month after {x}."),
         "the month after {x} is", "by the calendar", _ring(facts.MONTHS, 1)),
        ("month_before", ("What month comes before {x}?", "Which month leads to {x}?",
                          "Please name the month before {x}."),
         "the month before {x} is", "by the calendar", _ring(facts.MONTHS, -1)),
    ):  # fmt: skip
        yield Task(name, prompts, claim, method, _lookup(table), tuple(dict.fromkeys(table.values())))
    lists = tuple(_lists())
    yield Task(
        "first", ("What is the first word of {x} {y} {z}?", "Which word comes first in {x} {y} {z}?"),
        "the first word there is", "by its place", tuple((w, w[0]) for w in lists), facts.THINGS,
    )  # fmt: skip
    yield Task(
        "last", ("What is the last word of {x} {y} {z}?", "Which word comes last in {x} {y} {z}?"),
        "the last word there is", "by its place", tuple((w, w[-1]) for w in lists), facts.THINGS,
    )  # fmt: skip


@cache
def tasks() -> dict[str, Task]:
    """Return every family of questions by name."""
    return {task.name: task for task in (*_number_tasks(), *_word_tasks())}


def ask(task: Task, item: tuple[tuple[str, ...], str], way: int) -> Question:
    """Return the question that asks about ``item`` in the ``way``-th way."""
    filling, answer = item
    names = dict(zip("xyz", filling, strict=False))
    if task.name in ("more", "less"):
        low, high = sorted(filling, key=int)
        names |= {"least": low, "most": high}
    return Question(task.prompts[way].format(**names), task.name, answer, task.claim.format(**names), task.method)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Task, int], ...]:
    found = []
    for task in tasks().values():
        for way, prompt in enumerate(task.prompts):
            pattern = re.sub(r"\\\{([xyz])\\\}", r"(?P<\1>\\w+)", re.escape(prompt))
            found.append((re.compile(pattern), task, way))
    return tuple(found)


@cache
def _answers(name: str) -> dict[tuple[str, ...], str]:
    return dict(tasks()[name].items)


@cache
def _parse(prompt: str) -> tuple[Task, tuple[tuple[str, ...], str], int]:
    """Return the family, the item that is asked about, and the way of asking."""
    for pattern, task, way in _patterns():
        if match := pattern.fullmatch(prompt.strip()):
            filling = tuple(match[name] for name in "xyz"[: len(match.groupdict())])
            if filling in _answers(task.name):
                return task, (filling, _answers(task.name)[filling]), way
    raise InputError(
        f"prompt {prompt!r} is not a question of the embedded world, so its answer cannot be checked by rule; "
        "take prompts from slhf.toy.prompts(), or use another judge"
    )


def read(prompt: str) -> Question:
    """Return the question behind a prompt of this world.

    >>> read("What is 3 plus 4?").answer
    '7'

    Raises:
        InputError: the prompt is not one of this world's, so no rule can check its answer.
    """
    return ask(*_parse(prompt))


def fact(prompt: str) -> tuple[str, ...]:
    """Return what a prompt asks about, however it is worded.

    >>> fact("What is 3 plus 4?") == fact("Please add 3 and 4.")
    True

    Raises:
        InputError: the prompt is not one of this world's.
    """
    task, item, _ = _parse(prompt)
    return (task.name, *item[0])


def question_of(prompt: str, columns: Mapping[str, Any] | None = None) -> Question:
    """Return the question of a row: from its columns if they are there, else from the prompt's text."""
    given = [str((columns or {}).get(name) or "") for name in ("task", "answer", "claim", "method")]
    return Question(prompt, *given) if all(given) and given[0] in tasks() else read(prompt)


def claimed(question: Question, response: str) -> set[str]:
    """Return the answers a response gives, in lower case, beyond repeating the question's own words."""
    text = f" {' '.join(words(response))} "
    for known in (question.claim, question.method):
        text = text.replace(f" {' '.join(words(known))} ", " | ")
    possible = _possible(question.task)
    return {word for word in text.split() if word in possible}


@cache
def _possible(task: str) -> frozenset[str]:
    return frozenset(word.lower() for word in tasks()[task].answers)


def right(question: Question, response: str) -> bool:
    """Say whether a response gives the right answer and no other.

    >>> right(read("What is 3 plus 4?"), "3 plus 4 is 7.")
    True
    >>> right(read("What is 3 plus 4?"), "It is 7 or 8.")
    False
    """
    return claimed(question, response) == {question.answer.lower()}


_SHARES = {"first": 0.11, "last": 0.11, "more": 0.09, "less": 0.09}


def questions(generator: np.random.Generator, size: int) -> list[Question]:
    """Draw ``size`` different questions, families in proportion to how much they have to ask.

    Args:
        generator: source of the draw.
        size: how many.

    Returns:
        Questions in random order; the four families that hardly run out hold a tenth each, or nearly.
    """
    rest = [
        ask(task, item, way)
        for task in tasks().values()
        if task.name not in _SHARES
        for item in task.items
        for way in range(len(task.prompts))
    ]
    most = len(rest) + sum(int(share * size) for share in _SHARES.values())
    if size > min(most, 2 * len(rest)):
        raise InputError(f"the embedded world has no {size} different questions; ask for fewer")
    chosen: dict[str, Question] = {}
    for name, share in _SHARES.items():
        task = tasks()[name]
        wanted = len(chosen) + int(share * size)
        while len(chosen) < wanted:
            item = task.items[int(generator.integers(len(task.items)))]
            asked = ask(task, item, int(generator.integers(len(task.prompts))))
            chosen[asked.prompt] = asked
    missing = size - len(chosen)
    chosen |= {rest[i].prompt: rest[i] for i in generator.permutation(len(rest))[:missing]}
    everything = list(chosen.values())
    return [everything[i] for i in generator.permutation(len(everything))]
