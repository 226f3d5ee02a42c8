"""An adapter's part of a projection, scaled where it is small and added in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft.tuners.lora import Linear
from torch import Tensor


class _InPlace:
    """y + B ((α/r) A x) in PEFT's form of a variant.

    PEFT writes y + (α/r) (B A x): two more arrays as large as y in the forward, and one in the backward.
    """

    @staticmethod
    def forward(module: Any, active_adapter: str, x: Tensor, result: Tensor, **_: Any) -> Tensor:
        dropped = module.lora_dropout[active_adapter](x)
        low = module.lora_A[active_adapter](dropped) * module.scaling[active_adapter]
        return result.add_(module.lora_B[active_adapter](low))


@contextmanager
def in_place_sums(model: Any) -> Iterator[None]:
    """Let plain LoRA layers add their part in place; the sum is the same up to rounding.

    Layers of another kind, variants (DoRA say) and adapters with a bias stay as PEFT has them.

    Args:
        model: may be wrapped, and may have no adapters at all.
    """
    changed: list[tuple[Any, str]] = []
    try:
        for module in model.modules():
            if type(module) is Linear:
                changed += _changed(module)
        yield
    finally:
        for layer, name in changed:
            del layer.lora_variant[name]


def _changed(layer: Any) -> list[tuple[Any, str]]:
    names = [name for name in layer.lora_A if name not in layer.lora_variant and not layer.lora_bias[name]]
    layer.lora_variant.update(dict.fromkeys(names, _InPlace))
    return [(layer, name) for name in names]
