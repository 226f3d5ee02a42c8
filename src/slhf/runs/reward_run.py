"""One run from a recipe of reward models to the models, their test on held-out pairs, and their card."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slhf.errors import InputError
from slhf.evaluation.reward_metrics import RewardReport, reward_report
from slhf.runs.folder import MODEL, RESULT, first_process, open_folder, write_json, write_text
from slhf.runs.reward_build import build_pairs, build_skew, build_training
from slhf.runs.reward_card import card
from slhf.runs.reward_recipe import SKEW, RewardRecipe
from slhf.runs.run import versions

if TYPE_CHECKING:
    from slhf.judges.reward_text import RewardText
    from slhf.training.reward_pairs import RewardPairs
    from slhf.training.reward_setup import RewardTraining
    from slhf.training.skew_training import SkewSettings

PAIRS = "pairs.txt"
"""File with a hash of the training pairs."""

ADAPTERS = "training"
"""Folder of checkpoints and metrics, one folder an attribute, where each has an adapter of its own."""

Bars = Callable[[str], list[Any]]
"""Makes the callbacks of one training, given what is trained."""


@dataclass(frozen=True)
class RewardResult:
    """What a finished run leaves.

    Attributes:
        folder: where everything was written.
        reports: attribute → how well its reward predicts held-out pairs; empty in a process that does not write.
        seconds: wall time of this call.
    """

    folder: Path
    reports: dict[str, RewardReport]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return what the command prints with ``--json``."""
        attributes = {name: report.as_dict() for name, report in self.reports.items()}
        return {"attributes": attributes, "seconds": round(self.seconds, 1), "run": str(self.folder)}


def train_reward(
    recipe: RewardRecipe,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    bars: Bars | None = None,
) -> RewardResult:
    """Train reward models or a preference model by a recipe, test on held-out pairs, and write all with a card.

    Args:
        recipe: the settings.
        output: the run's folder; the recipe's own, or ``runs/NAME``, if None.
        resume: go on from the last whole checkpoint of the same run.
        bars: makes the callbacks of each training, a progress bar say.

    Raises:
        InputError: anything wrong with the recipe, the pairs or the folder, before training starts.
    """
    from slhf.training.reward_robust import check_robust
    from slhf.training.reward_setup import check_base

    begin = time.perf_counter()
    training = build_training(recipe)
    train, held_out = build_pairs(recipe.data)
    if recipe.form == "adapters":
        from slhf.training.reward_adapters import check_adapters

        check_adapters(training, train)
    check_robust(training, train)
    check_base(training)
    folder = open_folder(recipe, output, resume=resume)
    _same_pairs(folder, train)
    if not (folder / MODEL).is_dir():
        bars = bars or (lambda what: [])
        if recipe.form == SKEW:
            _skew(training, build_skew(recipe), train, held_out, folder, resume, bars)
        else:
            kind = _adapters if recipe.form == "adapters" else _heads
            kind(training, train, held_out, folder, resume, bars)
    if not first_process():
        return RewardResult(folder, {}, time.perf_counter() - begin)
    reports = (tested_skew if recipe.form == SKEW else tested)(folder / MODEL, held_out)
    result = RewardResult(folder, reports, time.perf_counter() - begin)
    about = {
        "base": recipe.model,
        "form": recipe.form,
        "train_pairs": {a: len(train.of(a)) for a in train.attributes},
        "train_prompts": len(set(train.prompts)),
    }
    if recipe.form == SKEW:
        about["dimension"] = 2 * build_skew(recipe).pairs
    write_json(folder / MODEL / "metrics.json", {**about, "attributes": result.as_dict()["attributes"]})
    write_text(folder / MODEL / "README.md", card(recipe, about, reports))
    write_json(folder / RESULT, {**result.as_dict(), **about, "versions": versions()})
    return result


def _same_pairs(folder: Path, train: RewardPairs) -> None:
    """Mark a run with what it trains on; a model that is half made of other pairs would be neither's.

    Raises:
        InputError: the pairs have changed since the run began.
    """
    mark, digest = folder / PAIRS, train.digest() + "\n"
    if mark.is_file() and mark.read_text(encoding="utf-8") != digest:
        raise InputError(f"{folder} was begun with other pairs than the recipe names now; choose another --output")
    if first_process():
        write_text(mark, digest)


def tested(folder: str | Path, held_out: RewardPairs) -> dict[str, RewardReport]:
    """Return how well saved reward models predict pairs they were not trained on.

    Args:
        folder: the models, as saved.
        held_out: pairs of all their attributes.

    Raises:
        InputError: the folder holds no reward models.
    """
    from slhf.judges.reward_models import reward_panel

    panel = reward_panel(str(folder))
    sides = [*zip(held_out.prompts, held_out.first, strict=True), *zip(held_out.prompts, held_out.second, strict=True)]
    place = {side: number for number, side in enumerate(dict.fromkeys(sides))}
    rewards = panel.scores(list(place))
    tokens = panel.models[0].text.all_tokens(place)
    lengths = np.array([len(tokens[side]) for side in place])
    reports = {}
    for attribute in held_out.attributes:
        pairs = held_out.of(attribute)
        chosen = [place[side] for side in zip(pairs.prompts, pairs.first, strict=True)]
        rejected = [place[side] for side in zip(pairs.prompts, pairs.second, strict=True)]
        r = rewards[panel.names.index(attribute)]
        longer = lengths[chosen] - lengths[rejected]
        reports[attribute] = reward_report(r[chosen], r[rejected], pairs.preference[:, 0], longer, pairs.prompts)
    return reports


def tested_skew(folder: str | Path, held_out: RewardPairs) -> dict[str, RewardReport]:
    """Return how well a saved skew-symmetric preference model predicts pairs it was not trained on.

    Its log-odds of the first response stand where the difference of two rewards would.

    Args:
        folder: the model, as saved.
        held_out: pairs of its attribute.

    Raises:
        InputError: the folder holds no such model.
    """
    from slhf.judges.skew import skew
    from slhf.types import Comparison

    judge, (attribute,) = skew(str(folder)), held_out.attributes
    pairs = held_out.of(attribute)
    asked = [Comparison(*texts) for texts in zip(pairs.prompts, pairs.first, pairs.second, strict=True)]
    tokens = judge.vectors.text.all_tokens((c.prompt, y) for c in asked for y in (c.first, c.second))
    lengths = [[len(tokens[c.prompt, y]) for y in (c.first, c.second)] for c in asked]
    lead, longer = judge.log_odds(asked), np.subtract(*np.array(lengths).T)
    return {attribute: reward_report(lead, np.zeros_like(lead), pairs.preference[:, 0], longer, pairs.prompts)}


def _skew(
    training: RewardTraining,
    settings: SkewSettings,
    train: RewardPairs,
    held_out: RewardPairs,
    folder: Path,
    resume: bool,
    bars: Bars,
) -> None:
    from slhf.training.skew_training import save_skew, train_skew

    callbacks = bars("preference model")
    model, text = train_skew(training, settings, train, held_out, folder, resume=resume, callbacks=callbacks)
    if first_process():
        partial = _fresh(folder / f"{MODEL}.partial")
        save_skew(model, text, training, settings, partial)
        partial.rename(folder / MODEL)


def _heads(
    training: RewardTraining, train: RewardPairs, held_out: RewardPairs, folder: Path, resume: bool, bars: Bars
) -> None:
    from slhf.training.reward_heads import train_heads

    model, text = train_heads(training, train, held_out, folder, resume=resume, callbacks=bars("reward heads"))
    if first_process():
        base = None if training.lora is None else training.base
        _save(model, _fresh(folder / f"{MODEL}.partial"), base)
        _finish(folder, "heads", train.attributes, base, text)


def _adapters(
    training: RewardTraining, train: RewardPairs, held_out: RewardPairs, folder: Path, resume: bool, bars: Bars
) -> None:
    from slhf.training.reward_adapters import train_adapter
    from slhf.training.reward_setup import prepared

    text: Any = None
    partial = folder / f"{MODEL}.partial"
    for attribute in train.attributes:
        if (partial / attribute).is_dir():
            continue  # finished before the run was stopped
        place = folder / ADAPTERS / attribute
        pairs, others = train.of(attribute), held_out.of(attribute)
        model, text = train_adapter(training, pairs, others, place, resume=resume, callbacks=bars(attribute))
        if first_process():
            _save(model, _fresh(partial / f"{attribute}.partial"), training.base)
            (partial / f"{attribute}.partial").rename(partial / attribute)
        del model  # the next attribute loads the base again, so that a resumed run draws the same first weights
    if text is None:  # all were finished, and the run was stopped just then
        text = prepared(training, 1, seed=0)[1]
    if first_process():
        _finish(folder, "adapters", train.attributes, training.base, text)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _save(model: Any, folder: Path, base: str | None) -> None:
    """Write weights as safetensors; of an adapter, the base's name and not where it happened to lie."""
    from slhf.training.reward_setup import base_name

    if base is None:
        model.save_pretrained(str(folder))
        return
    for config in model.peft_config.values():
        config.base_model_name_or_path = base_name(base)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # the library's own card; ours says more


def _finish(folder: Path, form: str, attributes: tuple[str, ...], base: str | None, text: RewardText) -> None:
    """Write what belongs beside the weights, and give the folder its name: from here on it is whole."""
    from slhf.judges.reward_weights import RewardFile
    from slhf.training.reward_setup import base_name

    partial = folder / f"{MODEL}.partial"
    text.tokenizer.save_pretrained(str(partial))
    assert text.max_length is not None  # the model's own, if no other was asked for
    RewardFile(form, attributes, None if base is None else base_name(base), text.max_length).save(partial)
    partial.rename(folder / MODEL)
