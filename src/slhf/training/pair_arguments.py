"""Settings of training on preference pairs that are not the loss's."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from transformers import TrainingArguments

from slhf.errors import InputError


@dataclass
class PairArguments(TrainingArguments):
    """``transformers.TrainingArguments`` and what pairs need beyond them.

    ``per_device_train_batch_size`` counts pairs. All pairs of one optimiser step (batch size × accumulation) are
    trained together, in pieces of at most ``train_chunk_tokens``, which bounds the memory.

    Attributes:
        max_length: a prompt with its response is cut at the end after so many tokens; 0: as many as the model holds.
        max_prompt_length: a longer prompt is an error, found before training starts; 0: no limit but ``max_length``.
        temperature: T > 0 of the distribution whose log-probabilities are taken.
        roles: ``auto`` (chat if there is a chat template), ``chat`` or ``plain``.
        reference: what the model was first trained from, a name or folder, where all weights train. None: what the
            model's folder names as its base, or else the model as it is given.
        reference_cache: folder in which the reference's log-probabilities are kept; may be shared by runs, and
            is never mixed up. None: ``reference`` in ``output_dir``.
        logits_chunk_mib: upper bound on one chunk of float32 logits, MiB; 0 is automatic.
        train_chunk_tokens: tokens (padding included) of one forward–backward inside a step; bounds memory, does not
            change the gradient. 0: on a CPU 1,024, or 8,192 where a loss looks at the whole step first and would
            score it twice in pieces; 16,384 otherwise.
    """

    max_length: int = field(default=1024, metadata={"help": "Prompt and response, tokens; 0: the model's limit."})
    max_prompt_length: int = field(default=0, metadata={"help": "Longest prompt accepted, tokens; 0: max_length."})
    temperature: float = field(default=1.0, metadata={"help": "Temperature of the log-probabilities."})
    roles: str = field(default="auto", metadata={"help": "auto, chat or plain."})
    reference: str | None = field(default=None, metadata={"help": "Reference model, where all weights train."})
    reference_cache: str | None = field(default=None, metadata={"help": "Folder of reference log-probabilities."})
    logits_chunk_mib: float = field(default=0.0, metadata={"help": "Bound on a chunk of logits, MiB; 0 is automatic."})
    train_chunk_tokens: int = field(default=0, metadata={"help": "Tokens of one forward-backward; 0 is automatic."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "Must stay off: columns are read by name."})
    ddp_find_unused_parameters: bool | None = field(default=False, metadata={"help": "See TrainingArguments."})
    greater_is_better: bool | None = field(default=False, metadata={"help": "Losses go down."})
    metric_for_best_model: str | None = field(
        default="eval_loss", metadata={"help": "Any evaluation metric; see slhf.training.metrics."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise InputError(f"temperature={self.temperature}: log-probabilities need a temperature > 0")
        for name in ("max_length", "max_prompt_length", "train_chunk_tokens", "logits_chunk_mib"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)}: must be 0 (see the documentation) or positive")
        if self.remove_unused_columns:
            raise InputError("remove_unused_columns=True would hide the pairs' columns; leave it off")
