"""A judge by embeddings whose preferences may run in a circle: one forward a response, not one a pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from slhf.errors import InputError, JudgeError
from slhf.judges.reward_text import RewardText
from slhf.judges.reward_weights import SKEW_SETTINGS, RewardModels, classifier, reads_last_token
from slhf.objectives.skew import skew_score
from slhf.types import Comparison


@dataclass(frozen=True)
class SkewFile:
    """What a folder with a skew-symmetric preference model holds; stored beside the weights.

    Attributes:
        pairs: k; a response is embedded as 2k numbers.
        temperature: what the score was divided by in training.
        base: what the adapter stands on: ``toy``, a folder or a hub name; None where all weights are here.
        max_length: longest text, tokens.
    """

    pairs: int
    temperature: float
    base: str | None
    max_length: int

    def save(self, folder: str | Path) -> None:
        """Write the file into ``folder``."""
        Path(folder, SKEW_SETTINGS).write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> SkewFile:
        """Read the file in ``folder``.

        Raises:
            InputError: it is not there, or not such a file.
        """
        path = Path(folder, SKEW_SETTINGS)
        if not path.is_file():
            raise InputError(f"{folder}: the folder holds no skew-symmetric preference model (no {SKEW_SETTINGS})")
        try:
            return cls(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: not the settings of a skew-symmetric preference model ({error})") from error


class SkewJudge:
    """Prefer by a skew-symmetric score of two embeddings.

        p(y ≻ y′ | x) = σ( v(x, y)ᵀ R v(x, y′) / T ),  R = diag([[0, −1], [1, 0]], …)

    Swapping the responses changes the sign of the score, so the answer is antisymmetric whatever the embeddings
    are, and both orders cost nothing.

    Paper: Zhang et al. 2024 (Beyond Bradley–Terry: general preference model).

    Args:
        vectors: embeds a response as 2k numbers, one row of its scores each.
        temperature: T > 0.
        name: shown in tables.

    Raises:
        InputError: an odd number of rows, or a temperature that is not positive.
    """

    def __init__(self, vectors: RewardModels, temperature: float = 1.0, name: str = "skew"):
        if len(vectors.heads) < 2 or len(vectors.heads) % 2:
            raise InputError(f"a skew-symmetric score needs pairs of numbers, got {len(vectors.heads)} a response")
        if not temperature > 0.0:
            raise InputError(f"temperature={temperature}: must be positive")
        self.vectors, self.temperature, self.name = vectors, temperature, name
        self._identity: str | None = None

    @property
    def identity(self) -> str:
        """A text that is the same for the same weights and settings: a hash of both, made when first asked for."""
        if self._identity is None:
            told = f"skew {self.vectors.digest()} {float(self.temperature).hex()}"
            self._identity = hashlib.sha256(told.encode()).hexdigest()
        return self._identity

    def embeddings(self, responses: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Return v of every (prompt, response), shape (N, 2k); each distinct one is read once.

        Raises:
            JudgeError: a number that is not finite.
        """
        found = self.vectors.scores(responses).T
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if bad.size:
            prompt, response = responses[int(bad[0])]
            raise JudgeError(
                f"judge {self.name!r} embeds response {response!r} for prompt {prompt!r} by numbers that are not "
                "finite; its weights are damaged: train it again"
            )
        return found

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Embed each distinct response once, and score every pair.

        Raises:
            JudgeError: an embedding that is not finite.
        """
        return expit(self.log_odds(comparisons))

    def log_odds(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return v(y)ᵀ R v(y′) / T of each comparison, the log-odds of its first response.

        Raises:
            JudgeError: an embedding that is not finite.
        """
        if not comparisons:
            return np.empty(0)
        v = self.embeddings([(c.prompt, c.first) for c in comparisons] + [(c.prompt, c.second) for c in comparisons])
        first, second = torch.from_numpy(v).split(len(comparisons))
        return skew_score(first, second).numpy() / self.temperature


def skew(
    model: str,
    temperature: float | None = None,
    batch_tokens: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
) -> SkewJudge:
    """Load a trained skew-symmetric preference model as a judge.

    Args:
        model: the folder it was saved in, or the run's folder around it.
        temperature: T, what the score is divided by; that of its training if not given.
        batch_tokens: tokens of one forward, padding included; bounds memory. None: 1,024 on a CPU, 8,192 elsewhere.
        dtype: type of the weights, ``float32`` or ``bfloat16``.
        device: where they live; the first GPU if there is one, else the CPU.

    Raises:
        InputError: the folder holds no such model, or it cannot be loaded.
    """
    if dtype not in ("float32", "bfloat16"):
        raise InputError(f"dtype={dtype!r} is not one of float32, bfloat16")
    if batch_tokens is not None and batch_tokens < 1:
        raise InputError(f"batch_tokens={batch_tokens}: must be at least 1")
    folder = Path(model).expanduser()
    folder = folder / "model" if (folder / "model").is_dir() else folder
    found = SkewFile.load(folder)
    loaded, text = _load(folder, found, dtype)
    loaded.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    vectors = RewardModels(loaded, text, skew_heads(found.pairs), batch_tokens, ["skew"])
    return SkewJudge(vectors, found.temperature if temperature is None else temperature)


def skew_heads(pairs: int) -> list[tuple[str, str | None, int]]:
    """Return the 2k columns of a classifier's output that embed a response, as ``RewardModels`` takes them."""
    return [(f"v{number}", None, number) for number in range(2 * pairs)]


def _load(folder: Path, found: SkewFile, dtype: str) -> tuple[Any, RewardText]:
    from transformers import AutoTokenizer

    from slhf import toy

    base = found.base or str(folder)
    text = RewardText(AutoTokenizer.from_pretrained(str(folder)), found.max_length)
    model = classifier(str(toy.model_path()) if base == "toy" else base, 2 * found.pairs, dtype)
    reads_last_token(model, text)
    if found.base is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(folder))
    return model, text
