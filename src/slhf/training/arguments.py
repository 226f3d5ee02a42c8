"""Settings of a training run that are not the algorithm's."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from transformers import TrainingArguments

from slhf.errors import InputError
from slhf.policies.decoding import Sampling
from slhf.policies.roles import INSTRUCTION


@dataclass
class GameArguments(TrainingArguments):
    """``transformers.TrainingArguments`` and what a game needs beyond them.

    ``per_device_train_batch_size`` counts prompts; each brings the algorithm's G answers and
    whatever they meet, G·F refinements say. All prompts of one optimiser step (batch size × accumulation) are sampled
    together and trained in pieces of at most ``train_chunk_tokens``, which bounds the memory.

    Attributes:
        temperature: sampling temperature T > 0; log-probabilities are taken at the same T.
        max_new_tokens: an answer is cut after so many tokens.
        min_new_tokens: no end token before so many tokens; needs ``allow_truncated_sampling``.
        max_prompt_length: a longer prompt is an error, found before training starts.
        instruction: the turn that asks the Follower for an improvement.
        roles: ``auto`` (chat if there is a chat template), ``chat`` or ``plain``.
        repeat_prompt: plain roles: give the prompt again after the instruction.
        adapters: ``shared``, or ``per_role`` for one LoRA adapter a role on one base.
        top_k: truncation of the sampler; needs ``allow_truncated_sampling``.
        top_p: truncation of the sampler; needs ``allow_truncated_sampling``.
        allow_truncated_sampling: accept top_k/top_p/min_new_tokens although the trained log-probabilities
            are then not those of the sampled distribution.
        sampling_dtype: precision of the sampling copy (``bfloat16``); the model's own if None.
            A different one is corrected by truncated importance weights and reported.
        importance_cap: truncation of those weights.
        logits_chunk_mib: upper bound on one chunk of float32 logits, MiB. 0: 8 to 30 on a CPU, by the size of
            the vocabulary (see ``slhf.training.passes.automatic_chunk``), 256 otherwise.
        train_chunk_tokens: tokens (padding included) of one forward–backward inside a micro-batch; bounds
            memory, does not change the gradient. 0: 1,024 on a CPU, 2,048 there in bfloat16, 16,384 otherwise.
        generation_rows: answers decoded at the same time.
        judge_parts: a step's prompts are sampled in so many parts, and each is judged while the next is sampled;
            for judges that answer slowly, a server say. 1 judges after sampling.
        evaluate_base: compare with the reference's answers in evaluations.
        log_completions: sample texts kept at each logging step and evaluation.
    """

    temperature: float = field(default=0.9, metadata={"help": "Sampling temperature."})
    max_new_tokens: int = field(default=64, metadata={"help": "An answer is cut after so many tokens."})
    min_new_tokens: int = field(default=0, metadata={"help": "No end token before so many tokens."})
    max_prompt_length: int = field(default=512, metadata={"help": "Longest prompt accepted, tokens."})
    instruction: str = field(default=INSTRUCTION, metadata={"help": "What asks the Follower for an improvement."})
    roles: str = field(default="auto", metadata={"help": "auto, chat or plain."})
    repeat_prompt: bool = field(default=True, metadata={"help": "Plain roles: repeat the prompt."})
    adapters: str = field(default="shared", metadata={"help": "shared or per_role."})
    top_k: int = field(default=0, metadata={"help": "Sampler truncation; 0 is none."})
    top_p: float = field(default=1.0, metadata={"help": "Sampler truncation; 1 is none."})
    allow_truncated_sampling: bool = field(default=False, metadata={"help": "Accept top_k/top_p in training."})
    sampling_dtype: str | None = field(default=None, metadata={"help": "Precision of the sampling copy."})
    importance_cap: float = field(default=2.0, metadata={"help": "Truncation of importance weights."})
    logits_chunk_mib: float = field(default=0.0, metadata={"help": "Bound on a chunk of logits, MiB; 0 is automatic."})
    train_chunk_tokens: int = field(default=0, metadata={"help": "Tokens of one forward-backward; 0 is automatic."})
    generation_rows: int = field(default=256, metadata={"help": "Answers decoded at the same time."})
    judge_parts: int = field(default=1, metadata={"help": "Parts of a step, each judged beside the next."})
    evaluate_base: bool = field(default=True, metadata={"help": "Compare with the reference in evaluations."})
    log_completions: int = field(default=3, metadata={"help": "Sample texts kept at each log."})
    # every column reaches the judge, so none may be dropped on the way
    remove_unused_columns: bool = field(default=False, metadata={"help": "Must stay off: judges see all columns."})
    ddp_find_unused_parameters: bool | None = field(default=False, metadata={"help": "See TrainingArguments."})
    greater_is_better: bool | None = field(default=True, metadata={"help": "Win rates go up."})
    metric_for_best_model: str | None = field(
        default="eval_follower_vs_base", metadata={"help": "Any evaluation metric; see slhf.training.metrics."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise InputError(f"temperature={self.temperature}: training samples need a temperature > 0")
        if (self.top_k or self.top_p < 1.0 or self.min_new_tokens) and not self.allow_truncated_sampling:
            raise InputError(
                f"top_k={self.top_k}, top_p={self.top_p}, min_new_tokens={self.min_new_tokens}: a sampler that leaves "
                "tokens out is not the distribution whose log-probabilities are trained; leave all three off, or set "
                "allow_truncated_sampling=True"
            )
        for name in ("max_new_tokens", "max_prompt_length", "generation_rows", "judge_parts"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: must be at least 1")
        if not 0 <= self.min_new_tokens <= self.max_new_tokens:
            raise InputError(f"min_new_tokens={self.min_new_tokens}: must lie between 0 and max_new_tokens")
        if self.adapters not in ("shared", "per_role"):
            raise InputError(f"adapters={self.adapters!r} is not one of 'shared', 'per_role'")
        if self.remove_unused_columns:
            raise InputError(
                "remove_unused_columns=True would hide the data set's columns from the judge; leave it off"
            )
        if self.sampling_dtype not in (None, "float32", "bfloat16", "float16"):
            raise InputError(f"sampling_dtype={self.sampling_dtype!r} is not one of 'float32', 'bfloat16', 'float16'")
        if self.logits_chunk_mib < 0 or self.importance_cap <= 0:
            raise InputError("logits_chunk_mib must be 0 (automatic) or positive, importance_cap positive")

    def sampling(self) -> Sampling:
        """Return how answers are sampled; the end tokens come from the roles."""
        return Sampling(
            end_tokens=(),
            max_new_tokens=self.max_new_tokens,
            min_new_tokens=self.min_new_tokens,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            logprobs=self.sampling_dtype is not None,
        )
