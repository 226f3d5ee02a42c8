"""A causal language model with two roles, adapters and a reference."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import nn

from slhf.errors import InputError
from slhf.policies.engine import Engine
from slhf.policies.fused_engine import FusedEngine, why_not
from slhf.policies.logprobs import Head
from slhf.policies.low_rank import LowRank, size
from slhf.policies.roles import Roles
from slhf.policies.transformers_engine import TransformersEngine

log = logging.getLogger(__name__)

ROLES = ("leader", "follower")
"""The two roles, in the order they speak."""


class CausalPolicy:
    """One language model that plays both roles and knows its reference.

    Args:
        model: a transformers causal model, plain (all weights train) or a ``PeftModel``.
        tokenizer: its tokenizer.
        roles: how prompts and answers become tokens.
        adapters: role → adapter name; both the same for a shared adapter; None without PEFT.
        keep_reference: without PEFT, keep a frozen copy of the weights as the reference.
            With PEFT the reference is the base with its adapters off, and costs nothing.
        frozen: without PEFT, a model to keep as the reference in place of that copy.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        roles: Roles,
        *,
        adapters: dict[str, str] | None = None,
        keep_reference: bool = True,
        frozen: Any = None,
    ):
        self.model, self.tokenizer, self.roles = model, tokenizer, roles
        self.adapters = adapters
        self.settings: Any = None
        self._frozen: Any = None
        if isinstance(model, PeftModel):
            self._check_adapters(model)
            self.adapters = adapters or dict.fromkeys(ROLES, str(model.active_adapter))
            # low-rank layers, and modules that an adapter replaces by copies of its own (modules_to_save)
            self._tuned = [m for m in model.modules() if isinstance(m, BaseTunerLayer | AuxiliaryTrainingWrapper)]
        elif frozen is not None:
            self._frozen = frozen.eval().requires_grad_(False)
        elif keep_reference:
            self._frozen = copy.deepcopy(model).eval().requires_grad_(False)
        self._check_context_masks()
        self._told_slow = False

    @staticmethod
    def _check_adapters(model: PeftModel) -> None:
        for name, config in model.peft_config.items():
            if config.is_prompt_learning:
                raise InputError(
                    f"adapter {name!r} is {config.peft_type}; prompt learning has no base to switch back to inside "
                    "one forward: use LoRA"
                )
            if getattr(config, "bias", "none") != "none":
                raise InputError(
                    f"adapter {name!r} trains biases (bias={config.bias!r}), which stay changed when the adapter is "  # type: ignore[attr-defined]
                    "switched off, so the reference would drift; use bias='none'"
                )

    def _check_context_masks(self) -> None:
        config = self.plain.config.get_text_config()
        if getattr(config, "layer_types", None) and any("linear" in t or "mamba" in t for t in config.layer_types):
            raise InputError(f"{config.model_type!r} has layers without a key–value cache, which is not supported")
        window = _window(config)
        if window is not None and window < (getattr(config, "max_position_embeddings", None) or window + 1):
            log.warning(
                "layers of this %s see %d tokens back, which is not supported yet: texts may have %d tokens at most",
                config.model_type,
                window,
                window,
            )

    @property
    def plain(self) -> Any:
        """The transformers model inside any adapter wrapper."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self.model.device

    @property
    def shared(self) -> bool:
        """True if both roles are the same weights, so one pass serves both."""
        return self.adapters is None or len(set(self.adapters.values())) == 1

    @property
    def max_length(self) -> int | None:
        """Longest sequence the model was built for and all its layers see in full, if it says."""
        config = self.plain.config.get_text_config()
        known = (getattr(config, "max_position_embeddings", None), _window(config))
        return min((length for length in known if length), default=None)

    def move(self, device: torch.device | str) -> None:
        """Move a frozen reference to where the model went."""
        if self._frozen is not None:
            self._frozen.to(device)

    @contextmanager
    def playing(self, role: str) -> Iterator[Any]:
        """Make ``role``'s weights the active ones; yields the model."""
        if self.adapters is None or self.shared:
            yield self.model
            return
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        self.model.set_adapter(self.adapters[role])
        # set_adapter freezes every other adapter; both roles train, so put the flags back
        for parameter in trainable:
            parameter.requires_grad_(True)
        yield self.model

    @contextmanager
    def reference(self) -> Iterator[Any]:
        """Yield the reference model: the base with adapters off, or the frozen copy."""
        if not isinstance(self.model, PeftModel):
            if self._frozen is None:
                raise InputError("this policy was loaded without a reference (keep_reference=False)")
            yield self._frozen
            return
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        training = self.model.training
        # dropout in the base would make the reference noisy
        self.model.eval()
        for layer in self._tuned:
            layer.enable_adapters(False)
        try:
            yield self.model
        finally:
            for layer in self._tuned:
                layer.enable_adapters(True)
            for parameter in trainable:
                parameter.requires_grad_(True)
            self.model.train(training)

    def head(self, *, temperature: float, chunk_mib: float, reference: bool = False) -> Head:
        """Return the output head as plain tensors, for log-probabilities in chunks."""
        plain = self._frozen if reference and self._frozen is not None else self.plain
        head = plain.get_output_embeddings()
        return Head(head.weight, getattr(head, "bias", None), temperature, chunk_mib)

    def check_head(self) -> None:
        """Refuse models whose logits are not a plain linear map of the last hidden state.

        Raises:
            InputError: the head carries an adapter, or the model changes its logits afterwards.
        """
        head = self.plain.get_output_embeddings()
        if not isinstance(head, nn.Linear) or isinstance(head, BaseTunerLayer):
            raise InputError(
                f"the output head is {type(head).__name__}, not a plain nn.Linear; leave it out of the adapter's "
                "target_modules and modules_to_save"
            )
        config = self.plain.config.get_text_config()
        changes = {"final_logit_softcapping": None, "logit_scale": 1.0, "logits_scaling": 1.0}
        for name, neutral in changes.items():
            if getattr(config, name, neutral) not in (None, neutral):
                raise InputError(f"{config.model_type!r} applies {name} after its head, which is not supported yet")

    def engine(self, role: str | None, *, dtype: torch.dtype | None = None, held: Engine | None = None) -> Engine:
        """Return an engine that samples as ``role`` (None: the reference) with today's weights.

        Args:
            role: ``leader``, ``follower`` or None.
            dtype: sampling precision; the model's own if None.
            held: an engine returned earlier; its buffers are used again.
        """
        model = self._frozen if role is None and self._frozen is not None else self.model
        reason = why_not(model)
        if reason is None:
            fused = held if isinstance(held, FusedEngine) else FusedEngine(model, dtype)
            fused.refresh(None if role is None or self.adapters is None else self.adapters[role])
            return fused
        if not self._told_slow:
            log.warning("sampling through transformers' own forward (%s); this is slower", reason)
            self._told_slow = True
        return TransformersEngine(model, self.reference if role is None else lambda: self.playing(role))

    def engines(
        self,
        roles: Sequence[str] = ROLES,
        *,
        dtype: torch.dtype | None = None,
        held: Mapping[Any, Engine] | None = None,
    ) -> dict[str, Engine]:
        """Return engines that sample as each of ``roles`` with today's weights; shared weights have one engine.

        Args:
            roles: ``leader``, ``follower`` or both.
            dtype: sampling precision; the model's own if None.
            held: engines returned earlier, a role; their buffers are used again.
        """
        known = held or {}
        if self.shared and roles:
            one = next((known[role] for role in ROLES if role in known), None)
            return dict.fromkeys(roles, self.engine(roles[0], dtype=dtype, held=one))
        return {role: self.engine(role, dtype=dtype, held=known.get(role)) for role in roles}

    def low_rank(self, role: str, base: Engine) -> tuple[FusedEngine, LowRank] | None:
        """Return ``base`` and ``role``'s adapter with today's weights, to be applied beside it.

        None where the policy is more than that (all weights train, modules are saved whole, the head is adapted, the
        base has no fused form), and where the adapter is so large that weights of its own are read faster.

        Args:
            role: ``leader`` or ``follower``.
            base: the reference's engine.
        """
        if self.adapters is None or not isinstance(base, FusedEngine):
            return None
        name = self.adapters[role]
        within = {id(module) for groups in base.groups() for modules in groups.values() for module in modules}
        tuned: list[Any] = [layer for layer in self._tuned if isinstance(layer, LoraLayer)]
        carriers = [layer for layer in tuned if name in layer.lora_A]
        if self.model.peft_config[name].modules_to_save or any(id(layer) not in within for layer in carriers):
            return None
        if 2 * size(base.groups(), name) > sum(layer.get_base_layer().weight.numel() for layer in carriers):
            return None
        return base, LowRank(base.groups(), name, base.dtype, base.device)


def _window(config: Any) -> int | None:
    """Return how many tokens back some layer sees, or None if all layers see everything."""
    kinds = getattr(config, "layer_types", None)
    slides = "sliding_attention" in kinds if kinds else getattr(config, "use_sliding_window", True)
    return getattr(config, "sliding_window", None) if slides else None
