"""A panel whose annotators are trained reward models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, JudgeError
from slhf.judges.annotators import Annotator, credit
from slhf.judges.panel import shares, shares_by_name
from slhf.judges.reward_text import RewardText
from slhf.judges.reward_weights import (
    RewardFile,
    RewardModels,
    classifier,
    reads_last_token,
)
from slhf.types import Comparison


class RewardPanel:
    """Prefer what most reward models prefer.

        p(y ≻ y′) = Σ_a w_a ( [r_a(y) > r_a(y′)] + ½ [r_a(y) = r_a(y′)] ),  Σ_a w_a = 1

    Paper: SLHF Eq. (11) over the reward models of App. D.1.
    Departs: the printed ≥ gives a tie to both sides; see tests/judges/test_panel.py.

    Args:
        models: reward models, those on one base together.
        weights: the rewards' shares, one each; equal if not given. They are divided by their sum.
        soft: use σ(r_a(y) − r_a(y′)), the model's own probability, in place of the hard vote.
        name: shown in tables.

    Raises:
        InputError: no rewards, or weights that are not shares.
    """

    def __init__(
        self,
        models: Sequence[RewardModels],
        weights: Sequence[float] | None = None,
        soft: bool = False,
        name: str = "reward_panel",
    ):
        self.models, self.soft, self.name = tuple(models), soft, name
        self.names = tuple(n for m in self.models for n in m.names)
        if not self.names:
            raise InputError("a panel needs at least one reward model")
        self.weights = shares(self.names, weights)
        self._identity: str | None = None

    @property
    def identity(self) -> str:
        """A text that is the same for the same weights and settings: a hash of both, made when first asked for."""
        if self._identity is None:
            parts = [model.digest() for model in self.models]
            told = repr((parts, self.soft, self.weights.tolist()))
            self._identity = hashlib.sha256(told.encode()).hexdigest()
        return self._identity

    @property
    def annotators(self) -> tuple[Annotator, ...]:
        """The rewards one by one, for whoever scores single responses."""
        return tuple(Annotator(name, partial(self._one, a)) for a, name in enumerate(self.names))

    def scores(self, responses: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Return every reward of every (prompt, response), shape (A, N); each distinct response is scored once.

        Raises:
            JudgeError: a reward that is not a finite number.
        """
        table = np.concatenate([model.scores(responses) for model in self.models])
        bad = np.argwhere(~np.isfinite(table))
        if bad.size:
            a, n = bad[0]
            prompt, response = responses[n]
            raise JudgeError(
                f"reward model {self.names[a]!r} gave {table[a, n]} to response {response!r} for prompt {prompt!r}; "
                "its weights are damaged: train it again, with a lower learning rate if it was never whole"
            )
        return table

    def per_annotator(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return each reward's own preference, shape (A, B), in the order of ``names``."""
        sides = [(c.prompt, c.first) for c in comparisons] + [(c.prompt, c.second) for c in comparisons]
        table = self.scores(sides)
        return credit(table[:, : len(comparisons)], table[:, len(comparisons) :], 1.0 if self.soft else None)

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return the weighted vote, one value a comparison.

        Raises:
            JudgeError: a reward that is not a finite number.
        """
        if not comparisons:
            return np.empty(0)
        # The clip takes away rounding of the weighted sum only: every vote is in [0, 1].
        return np.clip(self.weights @ self.per_annotator(comparisons), 0.0, 1.0)

    def rewards(self, responses: Sequence[tuple[str, str, Mapping[str, Any]]]) -> NDArray[np.float64]:
        """Return the weighted sum of the rewards of each (prompt, response, columns), shape (B,)."""
        return self.weights @ self.scores([(prompt, response) for prompt, response, _ in responses])

    def _one(self, a: int, prompt: str, response: str, columns: Mapping[str, Any]) -> float:
        return float(self.scores([(prompt, response)])[a, 0])


def reward_panel(
    models: str | list[str],
    weights: dict[str, float] | None = None,
    soft: bool = False,
    batch_tokens: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
) -> RewardPanel:
    """Load reward models as a judge; adapters on the same base share one copy of it.

    Args:
        models: the output of ``slhf reward train``, or several of them.
        weights: shares by the attribute's name, with its folder before it where there are several: ``FOLDER/NAME``;
            equal if not given.
        soft: σ of the difference of rewards in place of hard votes.
        batch_tokens: tokens of one forward, padding included; bounds memory. None: 1,024 on a CPU, 8,192 elsewhere.
        dtype: type of the weights, ``float32`` or ``bfloat16``.
        device: where they live; the first GPU if there is one, else the CPU.

    Raises:
        InputError: a folder holds no reward models, they cannot be loaded, or weights that name none of them.
    """
    import torch

    if dtype not in ("float32", "bfloat16"):
        raise InputError(f"dtype={dtype!r} is not one of float32, bfloat16")
    if batch_tokens is not None and batch_tokens < 1:
        raise InputError(f"batch_tokens={batch_tokens}: must be at least 1")
    folders = [models] if isinstance(models, str) else list(models)
    if not folders:
        raise InputError("models: name at least one output of `slhf reward train`")
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    loaded = load_reward_models(folders, batch_tokens, dtype)
    for one in loaded:
        one.model.to(place)
    given = shares_by_name([name for one in loaded for name in one.names], weights)
    return RewardPanel(loaded, given, soft)


def load_reward_models(
    folders: Sequence[str | Path], batch_tokens: int | None = None, dtype: str = "float32"
) -> list[RewardModels]:
    """Load reward models from run folders or their ``model`` folders; adapters on the same base share it.

    Args:
        folders: the outputs of ``slhf reward train``.
        batch_tokens: tokens of one forward.
        dtype: type of the weights.

    Returns:
        One entry a folder, except that folders of adapters that follow each other on the same base are one.

    Raises:
        InputError: a folder holds no reward models, or they cannot be loaded.
    """
    groups: list[list[tuple[Path, RewardFile]]] = []
    places = [Path(folder).expanduser() for folder in folders]
    if len(set(places)) < len(places):
        raise InputError(f"models: a folder is named twice in {[str(place) for place in places]}")
    for place in places:
        path = place / "model" if (place / "model").is_dir() else place
        found = RewardFile.load(path)
        last = groups[-1][0][1] if groups else None
        together = last is not None and found.form == last.form == "adapters"
        if together and last is not None and (found.base, found.max_length) == (last.base, last.max_length):
            groups[-1].append((path, found))
        else:
            groups.append([(path, found)])
    return [_on_one_base(group, batch_tokens, dtype, len(folders) > 1) for group in groups]


def _on_one_base(
    group: Sequence[tuple[Path, RewardFile]], batch_tokens: int | None, dtype: str, several: bool
) -> RewardModels:
    from peft import PeftModel
    from transformers import AutoTokenizer

    folder, first = group[0]
    text = RewardText(AutoTokenizer.from_pretrained(str(folder)), first.max_length)

    def named(path: Path, attribute: str) -> str:
        run = path.parent if path.name == "model" else path
        return f"{run}/{attribute}" if several else attribute

    labels = 1 if first.form == "adapters" else len(first.attributes)
    model = classifier(_where(first.base or str(folder)), labels, dtype)
    reads_last_token(model, text)
    if first.form == "heads":
        heads: list[tuple[str, str | None, int]] = [(named(folder, a), None, i) for i, a in enumerate(first.attributes)]
        if first.base is not None:
            model = PeftModel.from_pretrained(model, str(folder))
        return RewardModels(model, text, heads, batch_tokens, [first.form])
    adapters = [(path, attribute) for path, found in group for attribute in found.attributes]
    heads = [(named(path, attribute), f"a{number}", 0) for number, (path, attribute) in enumerate(adapters)]
    for (path, attribute), (_, adapter, _) in zip(adapters, heads, strict=True):
        where = str(path / attribute)
        if isinstance(model, PeftModel):
            model.load_adapter(where, adapter_name=str(adapter))
        else:
            model = PeftModel.from_pretrained(model, where, adapter_name=str(adapter))
    return RewardModels(model, text, heads, batch_tokens, [first.form])


def _where(base: str) -> str:
    """Return where a base lies: ``toy`` comes with the package."""
    from slhf import toy

    return str(toy.model_path()) if base == "toy" else base
