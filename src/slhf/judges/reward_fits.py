"""Which reward models the packed forward is written for."""

from __future__ import annotations

from typing import Any

from peft import PeftModel
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.lora import LoraModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import nn

from slhf.cpu import packing_works
from slhf.judges.reward_packed import inner

FAMILIES = ("llama", "qwen2", "qwen3", "mistral")
"""Architectures with this forward; others run through transformers."""

_FIXED_ROPE = ("default", "linear", "llama3", "yarn")


def plain_of(model: Any) -> Any:
    """Return the classifier itself, without what adapters wrap around it."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def projections(layer: Any) -> list[Any]:
    """Return a decoder layer's seven linear layers, with their adapters."""
    attention, mlp = layer.self_attn, layer.mlp
    return [
        *(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        *(mlp.gate_proj, mlp.up_proj, mlp.down_proj),
    ]


def why_not(model: Any, longest: int | None) -> str | None:
    """Say why the packed forward cannot stand for a classifier's own, or None if it can.

    Args:
        model: a sequence classifier, plain or with adapters.
        longest: longest text it will read, tokens; None: any.
    """
    if model.device.type != "cpu":
        return f"the model is on {model.device.type!r}"
    config = model.config
    if config.model_type not in FAMILIES:
        return f"the architecture {config.model_type!r} has no packed form"
    if config.hidden_act != "silu":
        return f"the activation is {config.hidden_act!r}, not 'silu'"
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope not in _FIXED_ROPE:
        return f"rope type {rope!r} depends on the length"
    window = getattr(config, "sliding_window", None)
    if window is not None and (longest is None or longest > window):
        return f"its attention reaches {window} tokens back, and texts may be longer"
    if isinstance(model, PeftModel) and not isinstance(model.base_model, LoraModel):
        return "its adapters are not LoRA"
    return _odd_weights(plain_of(model).model)


def _odd_weights(decoder: Any) -> str | None:
    dtype = decoder.norm.weight.dtype
    if not packing_works(dtype):
        return f"packed products of {dtype} do not work on this machine"
    known = {id(module) for layer in decoder.layers for module in projections(layer)}
    for name, module in decoder.named_modules():
        if id(module) in known:
            reason = _odd_projection(module, dtype)
            if reason is not None:
                return f"{name} {reason}"
        elif isinstance(module, (BaseTunerLayer, AuxiliaryTrainingWrapper)):
            return f"{name} is adapted too"
    return None


def _odd_projection(module: Any, dtype: Any) -> str | None:
    linear = inner(module)
    if type(linear) is not nn.Linear or linear.weight.dtype != dtype:
        return f"is not a linear layer of {dtype}"
    if linear is module:
        return None
    if type(module) is not LoraLinear or module.fan_in_fan_out:
        return "has an adapter that cannot be merged into a copy"
    if any(module.lora_variant.values()) or any(module.use_dora.values()):
        return "has a LoRA variant that is not a plain low-rank sum"
    if any(module.lora_bias.values()):
        return "has a LoRA with a bias"
    return None
