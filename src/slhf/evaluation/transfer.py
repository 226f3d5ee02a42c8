"""Transfer: every model as Follower on everybody's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, suggestion
from slhf.evaluation.answers import BATCH, Model, by_name, judged_text, leader_answers, refined_answers
from slhf.evaluation.bootstrap import Bootstrap, Estimate, Estimates, clusters_of, estimate, estimates
from slhf.evaluation.intervals import Rate, rate
from slhf.evaluation.round_robin import keeping
from slhf.evaluation.store import Store
from slhf.judges import Judge, preferences
from slhf.types import Comparison, Prompt

Listed = Sequence[Sequence[str]]
"""Several answers to each prompt."""


@dataclass(frozen=True, eq=False)
class Transfer:
    """How much each Follower improves each source of answers.

    Attributes:
        followers: F names.
        sources: S names.
        per_prompt: P(refinement ≻ the answer it refines), shape (F, S, X); the samples of a prompt are averaged.
        clusters: number of each row's prompt, shape (X,).
    """

    followers: tuple[str, ...]
    sources: tuple[str, ...]
    per_prompt: NDArray[np.float64]
    clusters: NDArray[np.intp]

    def rate(self, follower: str, source: str) -> Rate:
        """Return how often a refinement is preferred to the answer it refines, with its standard error.

        Raises:
            InputError: there is no such Follower, or no such source.
        """
        return rate(self._values(follower, source), self.clusters)

    def estimates(self, bootstrap: Bootstrap | None = None) -> Estimates:
        """Return all rates, shape (F, S), with standard errors and paired bootstrap intervals.

        Paper: SLHF Table 4.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return estimates(self.per_prompt, self.clusters, bootstrap)

    def difference(self, first: str, second: str, source: str, bootstrap: Bootstrap | None = None) -> Estimate:
        """Return by how much ``first`` improves the answers of ``source`` more than ``second`` does.

        Raises:
            InputError: a name that did not take part, or fewer prompts than an interval needs.
        """
        return estimate(self._values(first, source) - self._values(second, source), self.clusters, bootstrap)

    def as_table(self, bootstrap: Bootstrap | None = None) -> list[dict[str, Any]]:
        """Return one dict a Follower: its name, and its estimate on every source.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        found = self.estimates(bootstrap)
        return [
            {"follower": f, "on": {s: found[i, j].as_dict() for j, s in enumerate(self.sources)}}
            for i, f in enumerate(self.followers)
        ]

    def _values(self, follower: str, source: str) -> NDArray[np.float64]:
        for name, names, what in ((follower, self.followers, "Follower"), (source, self.sources, "source")):
            if name not in names:
                raise InputError(f"no {what} {name!r}; there are {', '.join(names)}.{suggestion(name, names)}")
        return self.per_prompt[self.followers.index(follower), self.sources.index(source)]


def transfer(
    judge: Judge,
    prompts: Sequence[Prompt],
    followers: Sequence[Model],
    store: Store,
    *,
    sources: Sequence[Model] = (),
    others: Mapping[str, Listed] | None = None,
    columns: Sequence[Mapping[str, Any]] | None = None,
    samples: int = 1,
    batch: int = BATCH,
) -> Transfer:
    """Let every Follower refine every source's answers, and ask how often that made them better.

        p(y′ ≻ y | x),    y ~ source(·|x),    y′ ~ ω(·|x, y)

    The second answer of a prompting alone (a model that was not trained to refine) is a Follower like any other.

    Paper: SLHF Table 4.

    Args:
        judge: who decides; it is remembered in the store unless it is already.
        prompts: X prompts, text or conversations.
        followers: models that refine.
        store: where answers and judgements are kept.
        sources: models whose first answers are refined.
        others: further sources by name: X lists of answers, other people's from a file say.
        columns: the prompts' extra columns, for the judge.
        samples: answers a prompt of each model among the sources.
        batch: answers generated at once.

    Raises:
        InputError: nobody to refine or nothing to refine, a name twice, or answers to other prompts.
        JudgeError: the judge's answer is no preference.
    """
    given = dict(others or {})
    refining = by_name(followers)
    answering = by_name(sources) if sources else {}
    twice = next((name for name in given if name in answering), None)
    if twice is not None:
        raise InputError(f"two sources of answers are called {twice!r}; give each one its own name")
    if not given and not answering:
        raise InputError("there are no answers to refine; give sources, or others with their answers")
    for name, answers in given.items():
        _check(name, answers, len(prompts))
    listed: dict[str, Listed] = {
        name: leader_answers(model, prompts, store, samples=samples, batch=batch) for name, model in answering.items()
    } | given
    refined = {
        (f, s): refined_answers(model, prompts, answers, store, batch=batch)
        for f, model in refining.items()
        for s, answers in listed.items()
    }
    return transfer_table(keeping(judge, store), [judged_text(x) for x in prompts], listed, refined, columns)


def transfer_table(
    judge: Judge,
    prompts: Sequence[str],
    answers: Mapping[str, Listed],
    refined: Mapping[tuple[str, str], Listed],
    columns: Sequence[Mapping[str, Any]] | None = None,
) -> Transfer:
    """Judge refinements against what they refine.

    Args:
        judge: who decides.
        prompts: X prompts as text.
        answers: by source, X lists of answers.
        refined: by (Follower, source), the refinement of each of the source's answers; all pairs.
        columns: the prompts' extra columns.

    Raises:
        InputError: a pair is missing, or refinements do not match the answers one to one.
        JudgeError: the judge's answer is no preference.
    """
    extra: Sequence[Mapping[str, Any]] = [{}] * len(prompts) if columns is None else columns
    if len(extra) != len(prompts):
        raise InputError(f"{len(extra)} rows of columns for {len(prompts)} prompts")
    names, sources = tuple(dict.fromkeys(f for f, _ in refined)), tuple(answers)
    cells = [(f, s) for f in names for s in sources]
    asked: list[Comparison] = []
    sizes: list[int] = []
    for f, s in cells:
        if (f, s) not in refined:
            raise InputError(f"the answers of {s!r} were not refined by {f!r}; a transfer table needs every pair")
        _check(s, answers[s], len(prompts))
        _check(f"{f} on {s}", refined[f, s], len(prompts))
        for x, (before, after) in enumerate(zip(answers[s], refined[f, s], strict=True)):
            if len(before) != len(after):
                raise InputError(f"{f!r} refined {len(after)} of {len(before)} answers of {s!r} to prompt {x}")
            asked += [Comparison(prompts[x], new, old, extra[x]) for old, new in zip(before, after, strict=True)]
            sizes.append(len(before))
    p = preferences(judge, asked)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)
    means = np.add.reduceat(p, starts) / np.array(sizes)
    return Transfer(names, sources, means.reshape(len(names), len(sources), len(prompts)), clusters_of(prompts))


def _check(name: str, answers: Listed, prompts: int) -> None:
    if len(answers) != prompts:
        raise InputError(f"{name!r} has answers to {len(answers)} prompts, there are {prompts}")
    wrong = next((x for x, row in enumerate(answers) if isinstance(row, str) or not row), None)
    if wrong is not None:
        raise InputError(f"{name!r} has no list of answers to prompt {wrong}; give a list of one or more texts")
