"""A recipe of alignment from few labels: seed pairs, prompts to label oneself, losses, and how it is measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from slhf.errors import InputError
from slhf.runs.align_checks import checked_label, checked_loss, checked_ranges, one_of
from slhf.runs.recipe import LoraSettings, find_recipe, shipped_align_recipes
from slhf.runs.sections import arguments, section
from slhf.runs.strict import long_form, override, read_yaml
from slhf.settings import typed

CHOICES, MERGES, STARTS = ("random", "farthest"), ("all", "seed_and_newest", "newest"), ("previous", "sft")


@dataclass(frozen=True)
class SeedSettings:
    """The few pairs that people labelled.

    Attributes:
        data: a set of preferences as ``load_pairs`` names it.
        split: its part; None is all of a local file and the training part of anything else.
        share: take this share of its pairs; all if neither ``share`` nor ``limit`` is given.
        limit: take so many of its pairs.
        choose: ``random``, or ``farthest``: pairs of prompts that lie far apart, by the mean of the SFT model's last
            hidden states.
        attribute: what decides, where responses are rated on several scales.
        ties: as ``load_pairs`` takes it.
        invalid: as ``load_pairs`` takes it.
        max_prompt_length: leave out pairs of longer prompts, tokens; None: a prompt that is too long is an error.
        flipped: exchange the two responses of this share of the pairs, for studies of wrong labels.
        held_out: expected share of held-out prompts where the set has no splits.
    """

    data: str
    split: str | None = None
    share: float | None = None
    limit: int | None = None
    choose: str = "random"
    attribute: str | None = None
    ties: str = "drop"
    invalid: str = "error"
    max_prompt_length: int | None = None
    flipped: float = 0.0
    held_out: float = 0.1


@dataclass(frozen=True)
class PoolSettings:
    """Prompts that nobody labelled; every iteration takes fresh ones, none of the seed pairs'.

    Attributes:
        data: prompts as ``load_prompts`` names them.
        size: prompts an iteration, or a list of one number an iteration.
        split: its part.
        prompt_column: the column that holds the prompts.
        held_out: expected share of held-out prompts where the set has no splits.
    """

    data: str
    size: int | list[int] = 1000
    split: str | None = None
    prompt_column: str = "prompt"
    held_out: float = 0.1


@dataclass(frozen=True)
class SampleSettings:
    """How answers to the pool's prompts are sampled.

    Attributes:
        answers: answers a prompt, two or more; the best and the worst make a pair.
        temperature: above 0.
        max_new_tokens: an answer is cut after so many tokens.
        top_p: sample from the likeliest tokens that together have this probability.
    """

    answers: int = 2
    temperature: float = 0.7
    max_new_tokens: int = 64
    top_p: float = 1.0


@dataclass(frozen=True)
class EvaluationSettings:
    """How every iteration is measured, on prompts it never sees.

    Attributes:
        data: prompts as ``load_prompts`` names them.
        judge: who decides: ``name`` and the judge's own settings, or ``callable``.
        split: their part; "held_out" if None, or all of a local file.
        limit: at most so many prompts.
        samples: answers a prompt.
        temperature: of these answers; that of the sampling if None.
        prompt_column: the column that holds the prompts.
        held_out: expected share of held-out prompts where the set has no splits.
    """

    data: str
    judge: str | dict[str, Any]
    split: str | None = None
    limit: int | None = 200
    samples: int = 1
    temperature: float | None = None
    prompt_column: str = "prompt"
    held_out: float = 0.1


@dataclass(frozen=True)
class AlignRecipe:
    """One run's settings, checked.

    Attributes:
        source: the file they came from, for error messages.
        name: names the run's default folder.
        model: the SFT model everything starts from, and the reference throughout: ``toy``, a path, or a hub name.
        seed: the labelled pairs.
        pool: prompts to label oneself; may be left out with ``iterations: 0``.
        iterations: times to sample, label and update after the seed stage; 0 is training on the seed pairs alone.
        sampling: of answers to the pool's prompts.
        label: ``implicit``, by the policy's own log π/π_SFT, or a judge's settings.
        hard: take chosen responses as preferred for sure; if not, shares of votes and a judge's probabilities stay,
            which some losses do not take.
        merge: what an update trains on: ``all`` pairs so far, ``seed_and_newest``, or ``newest``.
        start: what an update starts from: the ``previous`` policy, or ``sft``, the SFT model again.
        seed_loss: ``name`` of the loss of the seed stage, and its own settings.
        loss: the same of the iterations.
        lora: the adapter, or None to train all weights.
        args: fields of ``PairArguments`` that were given.
        seed_args: those that are different in the seed stage.
        evaluation: how every stage is measured; None for not at all.
        model_config: the model's architecture, for ``--dry-run`` where its files are out of reach.
        description: for people.
        output: the run's folder; ``runs/NAME`` if None.
    """

    source: str
    name: str
    model: str
    seed: SeedSettings
    pool: PoolSettings | None = None
    iterations: int = 3
    sampling: SampleSettings = field(default_factory=SampleSettings)
    label: dict[str, Any] = field(default_factory=dict)
    hard: bool = True
    merge: str = "all"
    start: str = "previous"
    seed_loss: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)
    lora: LoraSettings | None = None
    args: dict[str, Any] = field(default_factory=dict)
    seed_args: dict[str, Any] = field(default_factory=dict)
    evaluation: EvaluationSettings | None = None
    model_config: dict[str, Any] | None = None
    description: str = ""
    output: str | None = None

    @property
    def sizes(self) -> list[int]:
        """Prompts of each iteration."""
        if self.pool is None or not self.iterations:
            return []
        size = self.pool.size
        return list(size) if isinstance(size, list) else [size] * self.iterations

    @property
    def random_seed(self) -> int:
        """What every draw depends on: the ``seed`` of ``args``."""
        return int(self.args.get("seed", 42))  # transformers' own default

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as they are kept beside a run: all but where they came from and go to."""
        values = dataclasses.asdict(self)
        del values["source"], values["output"]
        return values

    def as_yaml(self) -> str:
        """Return the settings as a recipe file that makes the same run again."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True, width=100)


def find_align_recipe(name: str | Path) -> Path:
    """Return the file of a recipe given by path or by the name of one that comes with the package.

    Raises:
        InputError: there is none.
    """
    return find_recipe(name, shipped_align_recipes())


def load_align_recipe(name: str | Path, overrides: Collection[str] = ()) -> AlignRecipe:
    """Read a recipe of alignment and check every setting in it.

    Args:
        name: a file, or the name of a recipe that comes with the package.
        overrides: ``key.sub=value`` assignments, applied before the check.

    Raises:
        InputError: no such file or recipe, an unknown setting, or a value of the wrong type or
            range; the message names the file and the key.
    """
    path = find_align_recipe(name)
    return parse_align_recipe(override(read_yaml(path), overrides), str(path))


def parse_align_recipe(values: Mapping[str, Any], source: str) -> AlignRecipe:
    """Check the settings of a recipe of alignment.

    Args:
        values: the recipe as a mapping.
        source: where it came from, for error messages.

    Raises:
        InputError: a setting is missing, unknown, or of the wrong type or range.
    """
    from slhf.training.pairs import PairArguments

    start = f"{source}: "
    for key, command in (("judge", "slhf train"), ("data", "slhf reward train")):
        if key in values and "seed" not in values:
            raise InputError(f"{start}a recipe with the section {key!r} and no seed is one of {command}")
    parts = ("seed", "pool", "sampling", "label", "seed_loss", "loss", "lora", "args", "seed_args", "evaluation")
    hints = {k: v for k, v in get_type_hints(AlignRecipe).items() if k != "source"}
    known = typed(values, hints | dict.fromkeys(parts, Any), start)
    for key in ("model", "seed"):
        if known.get(key) is None:
            raise InputError(f"{start}the setting {key!r} is missing; a recipe of alignment needs a model and a seed")
    try:
        given = {key: long_form(key, known.pop(key)) for key in parts if known.get(key) is not None}
    except InputError as error:
        raise InputError(f"{start}{error}") from error
    kinds = {"seed": SeedSettings, "pool": PoolSettings, "sampling": SampleSettings, "lora": LoraSettings}
    kinds["evaluation"] = EvaluationSettings
    sections = {key: section(kind, given[key], f"{start}{key}.") for key, kind in kinds.items() if key in given}
    recipe = AlignRecipe(
        source=source,
        label=checked_label(given.get("label", {}), f"{start}label"),
        seed_loss=checked_loss(given.get("seed_loss", {"name": "dpo"}), f"{start}seed_loss."),
        loss=checked_loss(given.get("loss", {"name": "sgpo"}), f"{start}loss."),
        args=arguments(PairArguments, given.get("args", {}), f"{start}args."),
        seed_args=arguments(PairArguments, given.get("seed_args", {}), f"{start}seed_args."),
        **sections,
        **{"name": Path(source).stem, **{k: v for k, v in known.items() if v is not None and k not in parts}},
    )
    for key, known_words in (("merge", MERGES), ("start", STARTS)):
        one_of(getattr(recipe, key), known_words, f"{start}{key}")
    one_of(recipe.seed.choose, CHOICES, f"{start}seed.choose")
    checked_ranges(recipe, start)
    return recipe
