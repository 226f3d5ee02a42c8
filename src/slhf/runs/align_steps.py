"""The stages of one iteration: sample, label, adversary, update, evaluate; each reads files and writes files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slhf.data.pair_files import write_rows
from slhf.errors import InputError
from slhf.evaluation import Store, Tournament, policy_model, remembered, tournament
from slhf.evaluation.answer_files import read_answers, write_answers
from slhf.evaluation.answers import judged_text, leader_answers
from slhf.judges import judge_from
from slhf.runs.align_checks import IMPLICIT
from slhf.runs.align_data import Row
from slhf.runs.align_lengths import pair_limit
from slhf.runs.align_models import Models, placed
from slhf.runs.align_recipe import AlignRecipe
from slhf.runs.align_rewards import against, kept_rewards
from slhf.runs.align_stages import AFTER, ANSWERS, BASE, COUNTS, MARGINS, PAIRS, RATES, note
from slhf.runs.align_trainer import build_pair_arguments, build_pair_trainer
from slhf.runs.annotation import Annotated, distinct, label_by_judge, label_by_reward

if TYPE_CHECKING:
    from slhf.policies import Sampling

Bars = Callable[[str], list[Any]]
"""Takes what is trained, and returns the callbacks that show it."""

MODEL = "model"
WHOLE = (-1e6, 1e6)


@dataclass(frozen=True)
class Loop:
    """What every stage needs.

    Attributes:
        recipe: the settings.
        store: answers, judgements and rewards that were made already.
        held_out: prompts, with their other columns, of the evaluation.
        models: loads them.
        reference: folder of the SFT model's log-probabilities.
        bars: shows training.
    """

    recipe: AlignRecipe
    store: Store
    held_out: Sequence[Row]
    models: Models
    reference: Path
    bars: Bars


def sample(loop: Loop, model: str, pool: Sequence[Row], folder: Path) -> None:
    """Write answers to an iteration's prompts.

    Args:
        loop: the run.
        model: who answers.
        pool: prompts.
        folder: of the stage.
    """
    settings = loop.recipe.sampling
    prompts = [row["prompt"] for row in pool]
    sampling = sampling_of(settings.temperature, settings.max_new_tokens, settings.top_p)
    answers = answers_of(loop, model, prompts, sampling, settings.answers)
    write_answers(folder / ANSWERS, prompts, answers)


def answers_of(loop: Loop, model: str, prompts: Sequence[Any], sampling: Sampling, samples: int) -> list[list[str]]:
    """Return answers of a model, those that are kept already not generated again."""
    name = BASE if model == loop.recipe.model else Path(model).parent.name.removesuffix(".partial")
    policy, identity = loop.models.policy(model), loop.models.identity(model)
    player = policy_model(name, policy, sampling, seed=loop.recipe.random_seed, identity=identity)
    return leader_answers(player, prompts, loop.store, samples=samples)


def label(loop: Loop, model: str, pool: Sequence[Row], answers: Path, folder: Path) -> None:
    """Write the pairs of an iteration's answers, labelled by the policy itself or by a judge.

    Args:
        loop: the run.
        model: whose answers they are, and who labels by implicit reward.
        pool: prompts with the columns a judge may need.
        answers: file of the answers.
        folder: of the stage.

    Raises:
        InputError: no prompt has two answers that can be told apart.
    """
    prompts = [row["prompt"] for row in pool]
    given = read_answers(answers, prompts)
    if loop.recipe.label.get("name") == IMPLICIT:
        found = by_implicit_reward(loop, model, prompts, given)
    else:
        columns = [{k: v for k, v in row.items() if k != "prompt"} for row in pool]
        judge = remembered(judge_from(loop.recipe.label, f"{loop.recipe.source}: label"), loop.store)
        found = label_by_judge(judge, prompts, given, columns)
    if not found.rows:
        raise InputError(
            f"{answers}: {found.words()}; there is nothing to learn from: raise sampling.temperature, or sample more "
            "answers or prompts"
        )
    write_rows(folder / PAIRS, found.rows)
    note(folder / COUNTS, found.as_dict())


def by_implicit_reward(loop: Loop, model: str, prompts: Sequence[Any], answers: Sequence[Sequence[str]]) -> Annotated:
    """Label answers by the policy's own β log π/π_SFT."""
    kept, counts = distinct(answers)
    r = rewards_of(loop, model, prompts, kept)
    beta = beta_of(loop.recipe.loss)
    return label_by_reward([[beta * value for value in row] for row in r], prompts, kept, counts)


def rewards_of(loop: Loop, model: str, prompts: Sequence[Any], answers: Sequence[Sequence[str]]) -> list[list[float]]:
    """Return log π/π_SFT of answers, nats."""
    policy = loop.models.policy(model)
    if policy.adapters is None:
        policy = against(policy, placed(loop.recipe.model, use_cpu=bool(loop.recipe.args.get("use_cpu"))))
    limit = pair_limit(loop.recipe, policy)
    return kept_rewards(policy, prompts, answers, loop.store, max_length=limit, cache=loop.reference)


def adversary(loop: Loop, model: str, rows: Sequence[Row], settings: Mapping[str, Any], folder: Path) -> None:
    """Write every pair's margin under the policy as it is, and what the adversary does with it.

    Args:
        loop: the run.
        model: the policy.
        rows: all pairs the update will train on.
        settings: of the loss the update will use.
        folder: of the stage.
    """
    from slhf.robust import adversary as worst_case

    xi = margins_of(loop, model, rows, settings)
    robust = "epsilon" in settings  # SPA has a window too, of steps
    epsilon = float(settings["epsilon"]) if robust else 0.0
    window = settings.get("window") if robust else WHOLE
    found = worst_case(
        xi,
        window=None if window is None else (float(window[0]), float(window[1])),
        epsilon=epsilon,
        flip_cost=settings.get("flip_cost"),
    )
    moved = np.asarray(found.moved, dtype=float)
    write_rows(
        folder / MARGINS,
        [
            {**row, "margin_before": float(x), "weight": float(w) * len(rows), "moved": float(m)}
            for row, x, w, m in zip(rows, xi, found.weights, moved, strict=True)
        ],
    )
    note(
        folder / COUNTS,
        {
            "pairs": len(rows),
            "loss": settings["name"],
            "epsilon": epsilon,
            "window": None if window in (None, WHOLE) else list(window),
            "value": float(found.value),
            "mean_loss": float(np.logaddexp(0.0, -xi).mean()),
            "multiplier": float(found.multiplier),
            "certificate": float(found.certificate),
            "moved": float(moved.mean()),
            "projected": int(found.projected),
        },
    )


def margins_of(loop: Loop, model: str, rows: Sequence[Row], settings: Mapping[str, Any]) -> np.ndarray:
    """Return ξ = β[log π/π_SFT(chosen) − log π/π_SFT(rejected)] of pairs."""
    sides = [[row["chosen"], row["rejected"]] for row in rows]
    r = rewards_of(loop, model, [row["prompt"] for row in rows], sides)
    return beta_of(settings) * np.array([first - second for first, second in r])


def beta_of(settings: Mapping[str, Any]) -> float:
    """Return a loss's β; 1 for one that has none."""
    return float(settings.get("beta", 1.0))


def update(loop: Loop, model: str, rows: Sequence[Row], folder: Path, *, seeding: bool) -> None:
    """Train the policy on pairs, from its last whole checkpoint if there is one.

    Args:
        loop: the run.
        model: what to start from.
        rows: pairs.
        folder: of the stage.
        seeding: whether it is the seed stage, which has its own loss and arguments.
    """
    from slhf.training.checkpoints import whole_checkpoints

    args = build_pair_arguments(loop.recipe, folder, seeding=seeding, reference_cache=str(loop.reference))
    bars = loop.bars(folder.stem)
    loop.models.forget()
    trainer = build_pair_trainer(loop.recipe, model, rows, args, seeding=seeding, callbacks=bars)
    trainer.train(resume_from_checkpoint=bool(whole_checkpoints(folder)))
    trainer.save_model(str(folder / MODEL))
    del trainer
    settings = loop.recipe.seed_loss if seeding else loop.recipe.loss
    xi = margins_of(loop, str(folder / MODEL), rows, settings)
    write_rows(folder / AFTER, [{"margin_after": float(x)} for x in xi])


def evaluate(loop: Loop, models: Mapping[str, str], earlier: Mapping[str, Path], folder: Path) -> None:
    """Let models answer the held-out prompts, and judge all contenders against each other.

    Args:
        loop: the run.
        models: name → model, of those that have not answered yet.
        earlier: name → file of the answers of those that have.
        folder: of the stage.
    """
    settings = loop.recipe.evaluation
    assert settings is not None
    prompts = [row["prompt"] for row in loop.held_out]
    own = loop.recipe.sampling
    temperature = own.temperature if settings.temperature is None else settings.temperature
    answers = {name: read_answers(file, prompts) for name, file in earlier.items()}
    for name, model in models.items():
        sampling = sampling_of(temperature, own.max_new_tokens, own.top_p)
        answers[name] = answers_of(loop, model, prompts, sampling, settings.samples)
        write_answers(folder / f"{name}.jsonl", prompts, answers[name])
    table = judged_table(loop, prompts, answers)
    note(folder / RATES, {"names": list(table.names), "table": table.as_table(), "prompts": len(prompts)})


def judged_table(loop: Loop, prompts: Sequence[Any], answers: Mapping[str, Sequence[Sequence[str]]]) -> Tournament:
    """Return who beats whom on the held-out prompts, by the recipe's judge."""
    settings = loop.recipe.evaluation
    assert settings is not None
    judge = remembered(judge_from(settings.judge, f"{loop.recipe.source}: evaluation.judge"), loop.store)
    columns = [{k: v for k, v in row.items() if k != "prompt"} for row in loop.held_out]
    return tournament(judge, [judged_text(x) for x in prompts], answers, columns)


def sampling_of(temperature: float, max_new_tokens: int, top_p: float) -> Sampling:
    """Return how answers are sampled; the end tokens come from the roles."""
    from slhf.policies import Sampling

    return Sampling((), max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p)
