"""Load models by name, path, run folder or object, and write what a run folder needs to be loaded again."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from slhf import toy
from slhf.errors import InputError
from slhf.policies.causal_lm import ROLES, CausalPolicy
from slhf.policies.roles import INSTRUCTION, make_roles

SETTINGS = "slhf.json"
"""File beside the weights that says how the two roles are played."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoleSettings:
    """How a saved model plays its roles; stored beside its weights.

    Attributes:
        roles: ``auto``, ``chat`` or ``plain``.
        instruction: what asks the Follower for an improvement.
        repeat_prompt: plain roles only.
        temperature: sampling temperature it was trained at.
        max_new_tokens: answer length it was trained at.
        adapters: role → adapter name, where each role has its own.
        base_model: what the adapters stand on, for people to read.
    """

    roles: str = "auto"
    instruction: str = INSTRUCTION
    repeat_prompt: bool = True
    temperature: float = 0.9
    max_new_tokens: int = 64
    adapters: dict[str, str] | None = None
    base_model: str | None = None

    def save(self, folder: str | Path) -> None:
        """Write ``slhf.json`` into ``folder``."""
        Path(folder, SETTINGS).write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> RoleSettings:
        """Read ``slhf.json`` from ``folder``; defaults if there is none."""
        path = Path(folder, SETTINGS)
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()


def resolve(name: str | os.PathLike[str]) -> str:
    """Turn a name into something transformers can load: ``toy``, a run folder, a path or a hub name.

    Raises:
        InputError: it looks like a path and nothing is there, or the folder holds no model.
    """
    text = str(name)
    if text == "toy":
        return str(toy.model_path())
    path = Path(text)
    if (path / "model").is_dir():
        return str(path / "model")
    if path.is_dir():
        known = ("config.json", "adapter_config.json")
        nested = any((path / role / "adapter_config.json").is_file() for role in ROLES)
        if not nested and not any((path / file).is_file() for file in known):
            raise InputError(f"{text}: the folder holds no model (no config.json, no adapter_config.json, no model/)")
        return text
    if text.startswith((".", "/", "~")) or text.count("/") != 1 or path.exists():
        raise InputError(
            f"model {text!r}: there is no such folder; give a model folder, a run folder, 'toy', or a hub name "
            "like 'owner/name'"
        )
    return text


def stands_on(name: str | os.PathLike[str]) -> str:
    """Return what an adapter on a model stands on: the base of the one it carries, or the model itself."""
    folder = resolve(name)
    adapters = _adapter_folders(folder)
    if not adapters:
        return str(name)
    base = json.loads(Path(adapters[0][1], "adapter_config.json").read_text())["base_model_name_or_path"]
    return _beside(folder, base) if base else str(name)


def first_model(name: str | os.PathLike[str]) -> str:
    """Return what a model was first trained from: the base of its adapter, or of its run, or of that one's, and so on.

    Raises:
        InputError: a model on the way is no longer there.
    """
    seen = [str(name)]
    while True:
        base = stands_on(seen[-1])
        if base == seen[-1]:
            folder = resolve(base)
            before = RoleSettings.load(folder).base_model
            base = _beside(folder, before) if before else base
        if base in seen:
            return seen[-1]
        seen.append(base)


def load_tokenizer(name: str | os.PathLike[str]) -> Any:
    """Load the tokenizer that belongs to a model."""
    folder = resolve(name)
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"no tokenizer could be loaded from {folder!r}: {_first_line(error)}") from error


def load_model(name: str | os.PathLike[str], *, dtype: str | torch.dtype = "float32") -> Any:
    """Load a causal language model from safetensors; adapters come with their base.

    Args:
        name: ``toy``, a path, a run folder or a hub name.
        dtype: type of the weights. All-weights training wants float32 masters: bf16 weights
            updated in bf16 lose most small updates to rounding.
    """
    folder = resolve(name)
    kind = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    adapters = _adapter_folders(folder)
    if adapters:
        base_name = json.loads(Path(adapters[0][1], "adapter_config.json").read_text())["base_model_name_or_path"]
        if not base_name:
            raise InputError(
                f"{folder!r} does not name the model its adapter stands on; write its folder or hub name as "
                "base_model_name_or_path into adapter_config.json"
            )
        base = load_model(_beside(folder, base_name), dtype=kind)
        model: Any = None
        for adapter, path in adapters:
            if model is None:
                model = PeftModel.from_pretrained(base, path, adapter_name=adapter)
            else:
                model.load_adapter(path, adapter_name=adapter)
        return model
    try:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=kind, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise InputError(f"no model could be loaded from {folder!r}: {_first_line(error)}") from error


def _adapter_folders(folder: str) -> list[tuple[str, str]]:
    path = Path(folder)
    if (path / "adapter_config.json").is_file():
        return [("default", folder)]
    return [(role, str(path / role)) for role in ROLES if (path / role / "adapter_config.json").is_file()]


def _beside(folder: str, base: str) -> str:
    """Find an adapter's base; a relative path may also be meant relative to the adapter."""
    if base == "toy" or Path(base).is_dir():
        return base
    near = Path(folder, base)
    return str(near) if near.is_dir() else base


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def add_adapters(model: Any, config: LoraConfig | None, *, per_role: bool) -> tuple[Any, dict[str, str] | None]:
    """Put LoRA on a model: one shared adapter, or one a role on the same base.

    Returns:
        The model and role → adapter name (None when all weights train).

    Raises:
        InputError: one adapter a role was asked for and cannot be had, or there is an adapter already.
    """
    if isinstance(model, PeftModel):
        if config is not None:
            raise InputError(
                "the model already carries an adapter; merge it first (slhf merge), or go on with it: leave "
                "peft_config out, in a recipe lora: null"
            )
        own = all(role in model.peft_config for role in ROLES)
        if per_role and not own:
            raise InputError(
                f"adapters='per_role' needs one adapter called {ROLES[0]!r} and one called {ROLES[1]!r}; the model "
                f"carries {', '.join(map(repr, model.peft_config))}"
            )
        adapters: dict[str, str] = (
            {role: role for role in ROLES} if own else dict.fromkeys(ROLES, str(model.active_adapter))
        )
        for name in dict.fromkeys(adapters.values()):
            if not model.peft_config[name].is_prompt_learning:  # the policy will refuse that
                model.set_requires_grad(name)  # an adapter that was loaded comes frozen
        return model, adapters
    if config is None:
        if per_role:
            raise InputError("adapters='per_role' needs a peft_config: two roles on one base are two LoRA adapters")
        return model, None
    if not per_role:
        return get_peft_model(model, config), dict.fromkeys(ROLES, "default")
    tuned = get_peft_model(model, config, adapter_name=ROLES[0])
    tuned.add_adapter(ROLES[1], config)
    tuned.set_requires_grad(ROLES[1])
    return tuned, {role: role for role in ROLES}


def load_policy(
    model: str | os.PathLike[str] | PreTrainedModel | PeftModel,
    tokenizer: Any = None,
    *,
    dtype: str = "float32",
    device: str | None = None,
) -> CausalPolicy:
    """Load a model, trained here or not, ready to answer and to refine.

    Args:
        model: ``toy``, a path, a run folder, a hub name, or a model object.
        tokenizer: needed with a model object.
        dtype: type of the weights.
        device: where it computes. None: a GPU where there is one; a model object stays where it is.

    Returns:
        A policy; without ``slhf.json`` beside the weights the default roles are used.
    """
    if isinstance(model, str | os.PathLike):
        folder = resolve(model)
        settings = RoleSettings.load(folder)
        tokenizer = tokenizer if tokenizer is not None else load_tokenizer(folder)
        loaded = load_model(folder, dtype=dtype).to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    else:
        if tokenizer is None:
            raise InputError("a model object needs its tokenizer: load_policy(model, tokenizer)")
        given: Any = model  # the checker does not know that torch's own ``to`` is meant
        settings, loaded = RoleSettings(), given if device is None else given.to(device)
    roles = make_roles(
        tokenizer,
        loaded,
        kind=settings.roles,
        instruction=settings.instruction,
        repeat_prompt=settings.repeat_prompt,
    )
    policy = CausalPolicy(loaded.eval(), tokenizer, roles, adapters=settings.adapters, keep_reference=False)
    policy.settings = settings
    return policy
