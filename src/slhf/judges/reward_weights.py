"""Reward models as they lie in a folder, and as they are held in memory: any number of adapters on one base."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, NotTrainedError
from slhf.judges.reward_rows import tables
from slhf.judges.reward_text import RewardText, padded

if TYPE_CHECKING:
    from slhf.judges.reward_forward import PackedClassifier

log = logging.getLogger(__name__)

SETTINGS = "slhf_reward.json"
"""File beside the weights that says what they are."""

SKEW_SETTINGS = "slhf_skew.json"
"""The same beside a skew-symmetric preference model."""

FORMS = ("adapters", "heads")
"""One adapter an attribute on one base, or one model with a head an attribute."""

_WORTH_MERGING = 128
"""Tokens from which on merging an adapter saves more time than it takes: 70 of a large model, 200 of a small one."""


@dataclass(frozen=True)
class RewardFile:
    """What a folder of reward models holds; stored beside the weights.

    Attributes:
        form: ``adapters``, each in a folder of its attribute's name, or ``heads``.
        attributes: A names, in the order of the heads. A higher reward is always preferred.
        base: what adapters stand on: ``toy``, a folder or a hub name; None where all weights are here.
        max_length: longest text, tokens.
    """

    form: str
    attributes: tuple[str, ...]
    base: str | None
    max_length: int

    def save(self, folder: Path) -> None:
        """Write the file into ``folder``."""
        Path(folder, SETTINGS).write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> RewardFile:
        """Read the file in ``folder``.

        Raises:
            NotTrainedError: there is no such folder yet.
            InputError: the file is not there, or not such a file.
        """
        if not Path(folder).exists():
            raise NotTrainedError(f"there are no reward models at {folder}; train them first with `slhf reward train`")
        path = Path(folder, SETTINGS)
        if Path(folder, SKEW_SETTINGS).is_file():
            raise InputError(f"{folder}: the folder holds a preference model: it is the judge 'skew', not rewards")
        if not path.is_file():
            raise InputError(
                f"{folder}: the folder holds no reward models (no {SETTINGS}); name the output of `slhf reward train`"
            )
        try:
            values = json.loads(path.read_text())
            found = cls(**{**values, "attributes": tuple(values["attributes"])})
        except (ValueError, TypeError, KeyError) as error:
            known = ", ".join(f.name for f in fields(cls))
            raise InputError(f"{path}: not the settings of reward models ({error}); they are {known}") from error
        if found.form not in FORMS or not found.attributes:
            raise InputError(f"{path}: the form is one of {', '.join(FORMS)}, and there is at least one attribute")
        return found


class RewardModels:
    """Reward models that share one base, ready to score.

    Args:
        model: a sequence classifier, plain or with adapters.
        text: how texts become tokens.
        heads: for each reward its name, its adapter (None: the model as it is) and its column of the output.
        batch_tokens: tokens of one forward, padding included.
        settings: what else tells these models from others.
    """

    def __init__(
        self,
        model: Any,
        text: RewardText,
        heads: Sequence[tuple[str, str | None, int]],
        batch_tokens: int | None = None,
        settings: Sequence[Any] = (),
    ):
        self.model, self.text = model.eval(), text
        self.heads, self.batch_tokens = tuple(heads), batch_tokens
        self._settings = (*settings, text.max_length)
        self._packed: PackedClassifier | None = None
        self._asked: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        """The rewards' names."""
        return tuple(name for name, _, _ in self.heads)

    def scores(self, responses: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Score responses, each distinct one once, an adapter at a time.

        On a CPU a model of the Llama family is read by ``PackedClassifier``, which keeps one more copy of the weights
        and agrees with the model's own forward up to rounding.

        Args:
            responses: N pairs of prompt and response.

        Returns:
            Rewards, (A, N); more is better.
        """
        place: dict[tuple[int, ...], int] = {}
        texts = self.text.all_tokens(responses)
        rows = {r: place.setdefault(tuple(t), len(place)) for r, t in texts.items()}  # cut to the same: an exact tie
        found = np.empty((len(self.heads), len(place)))
        if not place:
            return found
        read = self._reader([list(tokens) for tokens in place])
        for adapter in dict.fromkeys(adapter for _, adapter, _ in self.heads):
            if adapter is not None:
                self.model.set_adapter(adapter)
            out = read()
            for row, (_, a, column) in enumerate(self.heads):
                if a == adapter:
                    found[row] = out[:, column]
        return found[:, [rows[response] for response in responses]]

    def _reader(self, texts: Sequence[list[int]]) -> Callable[[], NDArray[np.float64]]:
        """Return what reads texts with the adapter that is active then: (N, outputs of the head)."""
        lengths = list(map(len, texts))
        limit = batch_limit(self.model, self.batch_tokens)
        packed = self._packed_classifier()
        several = len({adapter for _, adapter, _ in self.heads}) > 1
        if packed is None or (several and sum(lengths) < _WORTH_MERGING):
            batches = length_sorted(lengths, limit)
            return lambda: self._padded(texts, batches)
        # unless a bound was asked for, two texts fit at least, so that a pair's prompt is read once
        laid = tables(texts, limit if self.batch_tokens else max(limit, 2 * max(lengths)))
        return lambda: packed.scores(laid)

    def _packed_classifier(self) -> PackedClassifier | None:
        """Return the work copy, or None where there can be none, which is said once."""
        device = self.model.device
        if self._asked != device:
            from slhf.judges.reward_fits import why_not
            from slhf.judges.reward_forward import PackedClassifier

            self._asked, reason = device, why_not(self.model, self.text.max_length)
            self._packed = None if reason else PackedClassifier(self.model)
            if reason:
                level = logging.WARNING if device.type == "cpu" else logging.INFO
                log.log(level, "rewards are read through transformers' own forward: %s", reason)
        return self._packed

    def _padded(self, texts: Sequence[list[int]], batches: Sequence[list[int]]) -> NDArray[np.float64]:
        outs = np.concatenate([self._forward([texts[i] for i in batch]) for batch in batches])
        found = np.empty_like(outs)
        found[np.concatenate(batches)] = outs
        return found

    def _forward(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        import torch

        inputs = {k: v.to(self.model.device) for k, v in padded(texts, self.text.padding).items()}
        with torch.inference_mode():
            return self.model(**inputs, use_cache=False).logits.double().cpu().numpy()

    def digest(self) -> str:
        """Return a hash of all weights and settings that decide a reward."""
        return weights_digest(self.model, (self.heads, self._settings))


def weights_digest(model: Any, told: Any) -> str:
    """Return a hash of a model's weights and configuration, and of what else is told.

    Args:
        model: any transformers model, plain or with adapters.
        told: settings that decide what the model says; their ``repr`` counts.
    """
    import torch

    config = model.config.to_dict().items()
    settings = sorted((k, repr(v)) for k, v in config if k not in ("_name_or_path", "transformers_version", "dtype"))
    content = hashlib.sha256(repr((*told, settings)).encode())
    for name, tensor in sorted(model.state_dict().items()):
        if "original_module" in name:  # the head that an adapter replaces: random, and never used
            continue
        content.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        content.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()


def batch_limit(model: Any, batch_tokens: int | None) -> int:
    """Return the bound asked for, or one that suits where the model lives.

    A processor's cache holds the states of about a thousand tokens, and beyond it is slower; a GPU needs more
    to be busy.
    """
    return batch_tokens or (1024 if model.device.type == "cpu" else 8192)


def length_sorted(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group rows into batches of similar length whose size, padding included, is bounded.

    Args:
        lengths: tokens a row.
        batch_tokens: bound on rows × longest row; a single longer row is a batch of its own.

    Returns:
        Row numbers, longest first; every row once.
    """
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def classifier(source: str, labels: int, dtype: str = "float32") -> Any:
    """Load a sequence classifier from safetensors; a head that is not in the file is drawn at random.

    Args:
        source: folder or hub name.
        labels: outputs of the head.
        dtype: type of the weights.

    Raises:
        InputError: there is no such model, it is an adapter without its base, or it has a head of another size.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    if Path(source, "adapter_config.json").is_file():
        raise InputError(f"{source}: an adapter is no base for reward models; merge it into its model first")
    with _quiet():
        try:
            config = AutoConfig.from_pretrained(source)
            if _has_head(config) and config.num_labels != labels:
                raise InputError(
                    f"{source}: the model has a head with {config.num_labels} outputs already, and {labels} are "
                    "wanted; start from the language model it was made of"
                )
            return AutoModelForSequenceClassification.from_pretrained(
                source, num_labels=labels, dtype=getattr(torch, dtype), use_safetensors=True
            )
        except InputError:
            raise
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"no reward model can be made of {source!r}: {str(error).splitlines()[0]}") from error


def _has_head(config: Any) -> bool:
    return any(name.endswith("ForSequenceClassification") for name in config.architectures or ())


def reads_last_token(model: Any, text: RewardText) -> None:
    """Tell a classifier what padding is, so that it reads its reward at a text's last token."""
    model.config.get_text_config().pad_token_id = text.padding


def usable_length(model: Any, wanted: int | None = None) -> int:
    """Return the longest text that is wanted and that the model holds, tokens."""
    held = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(n for n in (wanted, held, 1 << 20) if n)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the report that a language model's file has no reward head: it is why there is a trainer."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
