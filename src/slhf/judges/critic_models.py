"""What critics share: how a model is loaded, how it pads, and what is too long for it."""

from __future__ import annotations

from typing import Any

import torch
import transformers

from slhf.errors import InputError, JudgeError
from slhf.types import Comparison


def loaded(model: str, kind: str, dtype: str, device: str | None, batch_tokens: int | None) -> tuple[Any, Any]:
    """Load a model from safetensors, and its tokenizer.

    Args:
        model: a folder or a hub name.
        kind: the class of transformers that loads it.
        dtype: type of the weights, ``float32`` or ``bfloat16``.
        device: where they live; the first GPU if there is one, else the CPU.
        batch_tokens: only checked, before anything is loaded.

    Raises:
        InputError: there is no such model, or a setting that makes no sense.
    """
    if dtype not in ("float32", "bfloat16"):
        raise InputError(f"dtype={dtype!r} is not one of float32, bfloat16")
    if batch_tokens is not None and batch_tokens < 1:
        raise InputError(f"batch_tokens={batch_tokens}: must be at least 1")
    kinds: Any = getattr(transformers, kind)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        found, info = kinds.from_pretrained(
            model, dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"no critic can be loaded from {model!r}: {first}") from error
    if info["missing_keys"]:
        missing = ", ".join(sorted(info["missing_keys"])[:3])
        raise InputError(f"{model!r} is no trained critic of this kind: its file lacks {missing}")
    return found.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval(), tokenizer


def longest(model: Any, tokenizer: Any) -> int:
    """Return the longest text that a model and its tokenizer say they hold, tokens."""
    held = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(n for n in (held, tokenizer.model_max_length, 1 << 30) if n)


def pad_token(tokenizer: Any) -> int:
    """Return a token to pad with; the mask hides it, so that any will do."""
    named = (getattr(tokenizer, f"{kind}_token_id", None) for kind in ("pad", "eos", "unk"))
    return next((int(token) for token in named if token is not None), 0)


def refuse_long(length: int, most: int, comparison: Comparison) -> None:
    """Refuse a pair that a model would only see a part of.

    Raises:
        JudgeError: the question is longer than the model holds.
    """
    if length > most:
        raise JudgeError(
            f"the question about prompt {comparison.prompt[:200]!r} has {length} tokens, and the critic holds {most}; "
            "lower max_new_tokens, leave long prompts out, or take a critic with a longer context"
        )
