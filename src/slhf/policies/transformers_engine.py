"""Any transformers causal model as an engine, through its own forward."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from slhf.policies.engine import Part, Step
from slhf.policies.ragged_cache import RaggedCache, TransformersCacheView


class TransformersEngine:
    """Runs the model's own modules, adapters unmerged; slower than the fused engine, always right.

    Args:
        model: a causal language model (plain or wrapped by PEFT).
        weights: makes the context in which the right weights are active (an adapter, or none).
    """

    def __init__(self, model: Any, weights: Any = nullcontext):
        self._model = model
        self._weights = weights
        plain = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._decoder = plain.get_decoder()
        self._head = plain.get_output_embeddings()
        self._config = plain.config.get_text_config()

    @property
    def device(self) -> torch.device:
        """Where tokens must live."""
        return self._model.device

    @property
    def head_mark(self) -> None:
        """Not known: an adapter may sit on the head."""

    def active(self) -> AbstractContextManager[Any]:
        """Return the context in which this engine's weights are the model's."""
        return self._weights()

    def new_cache(self, rows: int, capacity: int) -> RaggedCache:
        """Return an empty cache of this model's shape."""
        config = self._config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        dtype = self._decoder.get_input_embeddings().weight.dtype
        return RaggedCache(config.num_hidden_layers, rows, heads, head_dim, capacity, dtype, self.device)

    def hidden(self, parts: Sequence[Part]) -> list[Tensor]:
        """Run the decoder on one part after the other and return the last hidden states of each, (n, m, H)."""
        return [self._hidden(part.tokens, part.step, part.cache) for part in parts]

    def _hidden(self, tokens: Tensor, step: Step, cache: RaggedCache) -> Tensor:
        if step.mask is None:
            looked_at = torch.arange(step.width, device=tokens.device)
            allowed = (looked_at <= step.slots.unsqueeze(-1)).unsqueeze(1)
        else:
            allowed = step.mask
        dtype = cache.data.dtype
        bias = torch.zeros(allowed.shape, dtype=dtype, device=tokens.device)
        bias = bias.masked_fill_(~allowed, torch.finfo(dtype).min)
        view = TransformersCacheView(cache)
        view.place(step.slots, step.width)
        with self.active():
            output = self._decoder(
                input_ids=tokens,
                attention_mask=bias,
                position_ids=step.slots,
                past_key_values=view,
                use_cache=True,
            )
        return output.last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the output head to (n, H) hidden states: (n, V)."""
        with self.active():
            return self._head(hidden)
