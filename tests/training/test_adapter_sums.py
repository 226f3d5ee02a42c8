"""Adapters that add their part in place compute what PEFT computes, and leave the model as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor

from games import WORDS, lora
from slhf.training.adapter_sums import in_place_sums
from tiny import model


def adapted(**settings: Any) -> Any:
    torch.manual_seed(0)
    found = get_peft_model(model(len(WORDS), layers=2, scale=0.5), lora(init_lora_weights=False, **settings))
    return found.double().train()


def outcome(lm: Any) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(1)  # of dropout
    lm.zero_grad()
    logits = lm(input_ids=torch.tensor([[3, 4, 5, 6], [6, 5, 4, 3]])).logits
    logits.square().sum().backward()
    return logits.detach(), {n: p.grad.clone() for n, p in lm.named_parameters() if p.grad is not None}


def variants(lm: Any) -> list[int]:
    return [len(m.lora_variant) for m in lm.modules() if isinstance(m, LoraLayer)]


@pytest.mark.filterwarnings("ignore:`lora_bias=True` was passed")  # such an adapter cannot be merged: not asked here
@pytest.mark.parametrize(
    "settings",
    [{}, {"lora_dropout": 0.5}, {"use_rslora": True}, {"use_dora": True}, {"lora_bias": True}],
    ids=["plain", "dropout", "rslora", "dora", "bias"],
)
def test_values_and_gradients_are_pefts(settings: dict[str, Any]) -> None:
    lm = adapted(**settings)
    logits, gradients = outcome(lm)
    before = variants(lm)
    with in_place_sums(lm):
        plain = not (settings.get("use_dora") or settings.get("lora_bias"))
        assert (variants(lm) == [1] * len(before)) if plain else (variants(lm) == before)
        found, ours = outcome(lm)
    torch.testing.assert_close(found, logits, rtol=1e-12, atol=1e-12)
    assert gradients.keys() == ours.keys()
    assert gradients
    for name, gradient in gradients.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-10, atol=1e-12)
    assert variants(lm) == before


def test_two_adapters_and_an_error_on_the_way() -> None:
    lm = adapted()
    lm.add_adapter("second", lora(init_lora_weights=False, lora_alpha=3))
    lm.double()
    for name in ("default", "second"):
        lm.set_adapter(name)
        logits, _ = outcome(lm)
        with in_place_sums(lm):
            torch.testing.assert_close(outcome(lm)[0], logits, rtol=1e-12, atol=1e-12)
    with pytest.raises(RuntimeError, match="stop"), in_place_sums(lm):
        raise RuntimeError("stop")
    assert not any(variants(lm))


def test_a_model_without_adapters_is_left_alone() -> None:
    lm = model(len(WORDS), layers=1)
    with in_place_sums(lm):
        assert lm(input_ids=torch.tensor([[3, 4]])).logits.isfinite().all()
