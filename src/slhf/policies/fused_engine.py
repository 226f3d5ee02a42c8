"""Models of the Llama family as a lean engine: merged adapters, fused projections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn
from torch.nn import functional as F

from slhf.policies.engine import Part, Step
from slhf.policies.low_rank import Groups, LowRank
from slhf.policies.matrices import Matrix
from slhf.policies.ragged_cache import RaggedCache

FAMILIES = ("llama", "qwen2", "qwen3", "mistral")
"""Architectures the fused forward is written for; others run through transformers."""

_FEW = 32
"""Rows of a product whose shapes are not rounded: as many as are decoded at once, and each comes again and again."""

_FIXED_ROPE = ("default", "linear", "llama3", "yarn")


def why_not(model: Any) -> str | None:
    """Say why ``model`` cannot run fused, or None if it can."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = plain.config
    if config.model_type not in FAMILIES:
        return f"the architecture {config.model_type!r} has no fused form"
    if getattr(config, "hidden_act", "silu") != "silu":
        return f"the activation is {config.hidden_act!r}, not 'silu'"
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope not in _FIXED_ROPE:
        return f"rope type {rope!r} depends on the length"
    for name, module in plain.named_modules():
        if isinstance(module, BaseTunerLayer):
            if not isinstance(module, LoraLayer) or not isinstance(module.get_base_layer(), nn.Linear):
                return f"the adapter on {name} cannot be merged into a copy"
            if any(getattr(module, "lora_variant", {}).values()) or any(getattr(module, "use_dora", {}).values()):
                return f"the LoRA variant on {name} is not a plain low-rank sum"
            if any(module.lora_bias.values()):
                return f"the LoRA on {name} has a bias"
        elif isinstance(module, AuxiliaryTrainingWrapper):
            return f"the adapter has a copy of {name} (modules_to_save)"
        elif type(module) not in (nn.Linear, nn.Dropout, nn.Identity) and "lora" in type(module).__module__:
            return f"the module {name} is not plain LoRA"
    for layer in plain.get_decoder().layers:
        for module in (layer.self_attn.q_proj, layer.mlp.gate_proj):
            base = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
            if type(base) is not nn.Linear:
                return f"its projections are {type(base).__name__}, not nn.Linear"
    return None


def merged_weight(module: Any, adapter: str | None) -> Tensor:
    """Return W, or W + (α/r) B A if ``module`` carries the LoRA adapter called ``adapter``."""
    layer: Any = module  # the checker would narrow ``module`` to a base class without these attributes
    if not isinstance(module, LoraLayer):
        return layer.weight
    weight = layer.get_base_layer().weight
    if adapter is None or adapter not in layer.lora_A:
        return weight
    return weight + layer.get_delta_weight(adapter).to(weight.dtype)


def _bias(module: Any) -> Tensor | None:
    layer: Any = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
    return layer.bias


class FusedEngine:
    """A copy of the weights made for decoding: adapter merged, q·k·v and gate·up in one matrix each.

    The copy is refreshed from the model by ``refresh``; between refreshes it does not follow
    training. Embeddings, norms and head are shared with the model where type and adapter allow.

    Args:
        model: a causal language model that fits, see ``why_not``; plain or wrapped by PEFT.
        dtype: type of the copy; the model's own if None.
    """

    def __init__(self, model: Any, dtype: torch.dtype | None = None):
        plain = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._plain = plain
        self._decoder = plain.get_decoder()
        config = plain.config
        self.dtype = dtype or self._decoder.norm.weight.dtype
        self._eps = config.rms_norm_eps
        self._query_heads = config.num_attention_heads
        self._heads = config.num_key_value_heads
        self._head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._layers: list[dict[str, Tensor | None]] = []
        self._matrices: list[dict[str, Matrix]] = []
        self._head = Matrix(self.dtype, self.device)
        self._rope: tuple[Tensor, Tensor] | None = None

    @property
    def device(self) -> torch.device:
        """Where tokens must live."""
        return self._decoder.norm.weight.device

    @property
    def head_mark(self) -> object | None:
        """Which frozen weight the head is, and its type; None if it trains, carries an adapter or has a bias."""
        return None if self._head.source is None or self._head_bias is not None else (self._head.source, self.dtype)

    @torch.no_grad()
    def refresh(self, adapter: str | None) -> None:
        """Copy the model's current weights, with the named adapter merged (None: the base)."""
        if not self._matrices:
            names = ("qkv", "out", "up", "down")
            self._matrices = [{n: Matrix(self.dtype, self.device) for n in names} for _ in self._decoder.layers]
        self._layers = []
        for layer, groups, held in zip(self._decoder.layers, self.groups(), self._matrices, strict=True):
            for name, modules in groups.items():
                held[name].fill([merged_weight(module, adapter) for module in modules])
            biases = {"qkv_bias": self._joined_bias(groups["qkv"]), "out_bias": self._cast(_bias(*groups["out"]))}
            self._layers.append(self._norms(layer) | biases)
        self._embedding = self._cast(self._decoder.get_input_embeddings().weight)
        self._norm = self._cast(self._decoder.norm.weight)
        head = self._plain.get_output_embeddings()
        self._head.fill([merged_weight(head, adapter)])
        self._head_bias = self._cast(_bias(head))

    def groups(self) -> list[Groups]:
        """Return each layer's projections by the matrix they are stacked in."""
        return [
            {
                "qkv": (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
                "out": (layer.self_attn.o_proj,),
                "up": (layer.mlp.gate_proj, layer.mlp.up_proj),
                "down": (layer.mlp.down_proj,),
            }
            for layer in self._decoder.layers
        ]

    def _cast(self, tensor: Any) -> Any:
        return None if tensor is None else tensor.detach().to(self.dtype)

    def _norms(self, layer: Any) -> dict[str, Any]:
        norms = {"before": layer.input_layernorm, "after": layer.post_attention_layernorm}
        norms["q_norm"] = getattr(layer.self_attn, "q_norm", None)
        norms["k_norm"] = getattr(layer.self_attn, "k_norm", None)
        # detached views, not copies, where the type is the same: they follow full fine-tuning
        return {name: None if norm is None else self._cast(norm.weight) for name, norm in norms.items()}

    def _joined_bias(self, modules: Sequence[nn.Module]) -> Tensor | None:
        biases = [_bias(m) for m in modules]
        return None if biases[0] is None else torch.cat([b.detach() for b in biases]).to(self.dtype)  # type: ignore

    def new_cache(self, rows: int, capacity: int) -> RaggedCache:
        """Return an empty cache of this model's shape."""
        return RaggedCache(
            len(self._decoder.layers), rows, self._heads, self._head_dim, capacity, self.dtype, self.device
        )

    def _rotation(self, slots: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
        if self._rope is None or self._rope[0].shape[0] < capacity:
            everywhere = torch.arange(capacity, device=self.device).unsqueeze(0)
            cos, sin = self._decoder.rotary_emb(self._norm, everywhere)
            half = cos.shape[-1] // 2
            # the sign of rotate_half goes into the table: x·cos + swap_halves(x)·signed_sin
            signed = torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)
            self._rope = (cos[0].to(self.dtype), signed.to(self.dtype))
        return self._rope[0][slots].unsqueeze(1), self._rope[1][slots].unsqueeze(1)

    def hidden(self, parts: Sequence[Part], low_rank: LowRank | None = None) -> list[Tensor]:
        """Run the decoder on all parts in one pass over the weights.

        Args:
            parts: each with rows and a cache of its own.
            low_rank: an adapter for the first part alone.

        Returns:
            The last hidden states of each part, (n, m, H), after the final norm.
        """
        counts = [part.tokens.numel() for part in parts]
        spare = self._spare(sum(counts))
        beyond = torch.zeros(spare, dtype=torch.long, device=self.device)
        slots = torch.cat([*(part.step.slots.flatten() for part in parts), beyond])
        cos, sin = self._rotation(slots, max(part.cache.capacity for part in parts))
        x = F.embedding(torch.cat([*(part.tokens.flatten() for part in parts), beyond]), self._embedding)
        size = (x.shape[-1],)

        adapted = None if low_rank is None else (low_rank, counts[0])
        for number, w in enumerate(self._layers):
            qkv = self._product(number, "qkv", F.rms_norm(x, size, w["before"], self._eps), adapted)
            h = self._attended_by(number, parts, counts, self._rotated(qkv, w, cos, sin), spare)
            x = x + self._product(number, "out", h, adapted)
            up = self._product(number, "up", F.rms_norm(x, size, w["after"], self._eps), adapted)
            gate, up = up.chunk(2, dim=-1)
            x = x + self._product(number, "down", F.silu(gate) * up, adapted)
        x = F.rms_norm(x, size, self._norm, self._eps)
        rows = x.split([*counts, spare])
        return [own.view(*part.tokens.shape, -1) for part, own in zip(parts, rows, strict=False)]

    def _spare(self, count: int) -> int:
        """Return how many rows to add to so many, whose products are thrown away.

        A packed product of a new shape has to be prepared, which takes as long as 20 products: so shapes are few.
        """
        if not self._head.packed or count <= _FEW:
            return 0
        step = max(16, 1 << max(count.bit_length() - 4, 0))
        return -count % step

    def _product(self, layer: int, name: str, x: Tensor, adapted: tuple[LowRank, int] | None) -> Tensor:
        y = self._matrices[layer][name](x, self._layers[layer].get(f"{name}_bias"))
        if adapted is not None:
            low_rank, count = adapted
            low_rank.add(layer, name, x[:count], y[:count])
        return y

    def _rotated(self, qkv: Tensor, w: dict[str, Any], cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of T tokens, each (T, heads, D), the first two rotated to their places."""
        rotated = self._query_heads + self._heads
        qkv = qkv.view(len(qkv), rotated + self._heads, self._head_dim)
        qk = qkv[:, :rotated]
        if w["q_norm"] is not None:
            q = F.rms_norm(qk[:, : self._query_heads], (self._head_dim,), w["q_norm"], self._eps)
            k = F.rms_norm(qk[:, self._query_heads :], (self._head_dim,), w["k_norm"], self._eps)
            qk = torch.cat([q, k], dim=1)
        qk = qk * cos + qk.roll(self._head_dim // 2, dims=-1) * sin
        return qk[:, : self._query_heads], qk[:, self._query_heads :], qkv[:, rotated:]

    def _attended_by(
        self, layer: int, parts: Sequence[Part], counts: list[int], qkv: tuple[Tensor, Tensor, Tensor], spare: int
    ) -> Tensor:
        """Return the attention of each part's tokens, and zeros for the spare rows, (T, query heads · D)."""
        if len(parts) == 1 and not spare:
            return self._attended(layer, parts[0], *qkv)
        ranges = zip(*(rows.split([*counts, spare]) for rows in qkv), strict=True)
        found = [self._attended(layer, part, *own) for part, own in zip(parts, ranges, strict=False)]
        return torch.cat([*found, found[0].new_zeros(spare, found[0].shape[1])])

    def _attended(self, layer: int, part: Part, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Write a part's keys and values and return its attention, (T, query heads · D)."""
        n, m = part.tokens.shape
        q, k, v = (rows.view(n, m, rows.shape[1], self._head_dim).transpose(1, 2) for rows in (q, k, v))
        keys, values = part.cache.write(layer, k, v, part.step.slots, part.step.width)
        h = _attend(q, keys, values, part.step, self._query_heads // self._heads)
        return h.transpose(1, 2).reshape(n * m, -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the output head to (n, H) hidden states: (n, V)."""
        return self._head(hidden, self._head_bias)


def _attend(q: Tensor, keys: Tensor, values: Tensor, step: Step, group: int) -> Tensor:
    """Attention of (n, heads·group, m, D) queries; one key–value head serves ``group`` query heads."""
    n, heads, m, size = q.shape
    if step.causal:
        return F.scaled_dot_product_attention(q, keys, values, is_causal=True, enable_gqa=group > 1)
    if m == 1 and group > 1:
        # the query heads of one group share keys: stack them as rows of one matrix, nothing is repeated
        packed = q.reshape(n, heads // group, group, size)
        mask = None if step.mask is None else step.mask.expand(n, heads // group, group, step.width)
        return F.scaled_dot_product_attention(packed, keys, values, attn_mask=mask).reshape(n, heads, 1, size)
    return F.scaled_dot_product_attention(q, keys, values, attn_mask=step.mask, enable_gqa=group > 1)
