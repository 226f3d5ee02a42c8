"""Best-of-N curves of models: from prompts to curves, through the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slhf.errors import InputError
from slhf.evaluation.answers import BATCH, Model, by_name, chain_answers, judged_text, leader_answers
from slhf.evaluation.best_of_n import Chains, Curve, Independent, best_of_n_curve, curve_against_one
from slhf.evaluation.bootstrap import clusters_of
from slhf.evaluation.remembering import Columns, scores
from slhf.evaluation.round_robin import keeping
from slhf.evaluation.store import Store
from slhf.judges import Judge, PanelJudge, preferences
from slhf.types import Comparison, Prompt


def best_of_n_curves(
    panel: PanelJudge,
    prompts: Sequence[Prompt],
    baseline: Model,
    store: Store,
    *,
    chains: Sequence[Model] = (),
    independent: Sequence[Model] = (),
    n: int = 5,
    samples: int = 1,
    drawn: int | None = None,
    baseline_n: int | None = None,
    columns: Sequence[Mapping[str, Any]] | None = None,
    batch: int = BATCH,
) -> list[Curve]:
    """Draw best-of-N curves for refinement chains and for independent samples, for every annotator and averaged.

    Paper: SLHF Eq. (12)–(13), Tables 6–8.

    Args:
        panel: its annotators choose, each for itself, and vote.
        prompts: X prompts, text or conversations.
        baseline: whose first answers the best is compared with.
        store: where answers and scores are kept.
        chains: models whose Follower improves their Leader's answer again and again.
        independent: models whose Leader answers N times; a model may be in both lists.
        n: the largest N.
        samples: C chains a prompt.
        drawn: M ≥ N independent answers a prompt, the baseline's too; N if not given. More of them narrow the
            intervals.
        baseline_n: the baseline's fixed number of answers; as many as ours if not given.
        columns: the prompts' extra columns, for the annotators.
        batch: answers generated at once.

    Returns:
        A curve for each model in ``chains``, called "NAME chain", then for each in ``independent``, "NAME i.i.d.".

    Raises:
        InputError: no models, a name twice in one list, or fewer answers drawn than N.
        JudgeError: a score that is not a finite number.
    """
    many = n if drawn is None else drawn
    if many < max(n, baseline_n or 1):
        raise InputError(f"drawn={many}: the best of {max(n, baseline_n or 1)} answers needs as many; draw more")
    if not chains and not independent:
        raise InputError("there are no models to draw curves of; give chains, independent, or both")
    texts = [judged_text(x) for x in prompts]
    names = tuple(a.name for a in panel.annotators)

    def scored(answers: Sequence[Sequence[str]]) -> np.ndarray:
        return scores(panel.annotators, texts, answers, store, columns=columns)

    def curve(name: str, ours: Independent | Chains) -> Curve:
        return best_of_n_curve(
            name, ours, base, names, n=n, baseline_n=baseline_n, weights=panel.weights.tolist(),
            temperature=1.0 if panel.soft else None, clusters=clusters_of(texts),
        )  # fmt: skip

    base = Independent(scored(leader_answers(baseline, prompts, store, samples=many, batch=batch)))
    curves = []
    for name, model in (by_name(chains) if chains else {}).items():
        found = chain_answers(model, prompts, store, length=n, samples=samples, batch=batch)
        flat = scored([[answer for chain in row for answer in chain] for row in found])
        curves.append(curve(f"{name} chain", Chains(flat.reshape(*flat.shape[:2], samples, n))))
    for name, model in (by_name(independent) if independent else {}).items():
        found = leader_answers(model, prompts, store, samples=many, batch=batch)
        curves.append(curve(f"{name} i.i.d.", Independent(scored(found))))
    return curves


def best_of_n_against(
    judge: Judge,
    prompts: Sequence[Prompt],
    baseline: Model,
    store: Store,
    *,
    chains: Sequence[Model] = (),
    independent: Sequence[Model] = (),
    n: int = 5,
    columns: Sequence[Mapping[str, Any]] | None = None,
    batch: int = BATCH,
) -> list[Curve]:
    """Draw best-of-N curves for a judge without annotators, against one answer of the baseline.

    See :func:`slhf.evaluation.curve_against_one` for what such curves can and cannot show.

    Args:
        judge: who chooses and decides; it is remembered in the store unless it is already.
        prompts: X prompts, text or conversations.
        baseline: whose first answer the best is compared with.
        store: where answers and judgements are kept.
        chains: models whose Follower improves their Leader's answer again and again.
        independent: models whose Leader answers N times.
        n: the largest N.
        columns: the prompts' extra columns, for the judge.
        batch: answers generated at once.

    Returns:
        Curves, named as by :func:`best_of_n_curves`.

    Raises:
        InputError: no models, or a name twice in one list.
        JudgeError: the judge's answer is no preference.
    """
    if not chains and not independent:
        raise InputError("there are no models to draw curves of; give chains, independent, or both")
    texts = [judged_text(x) for x in prompts]
    extra: Columns = [{}] * len(texts) if columns is None else columns
    asked, clusters = keeping(judge, store), clusters_of(texts)
    base = leader_answers(baseline, prompts, store, batch=batch)

    def against(answers: Sequence[Sequence[str]]) -> np.ndarray:
        questions = [
            Comparison(x, y, first[0], row)
            for x, listed, first, row in zip(texts, answers, base, extra, strict=True)
            for y in listed
        ]
        return preferences(asked, questions).reshape(1, len(texts), n)

    curves = []
    for name, model in (by_name(chains) if chains else {}).items():
        found = [row[0] for row in chain_answers(model, prompts, store, length=n, batch=batch)]
        ours = Chains(against(found)[:, :, None, :])
        curves.append(curve_against_one(f"{name} chain", ours, judge.name, n=n, clusters=clusters))
    for name, model in (by_name(independent) if independent else {}).items():
        ours = Independent(against(leader_answers(model, prompts, store, samples=n, batch=batch)))
        curves.append(curve_against_one(f"{name} i.i.d.", ours, judge.name, n=n, clusters=clusters))
    return curves
