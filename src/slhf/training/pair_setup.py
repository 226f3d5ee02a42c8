"""From what a caller passes in to a policy that learns from pairs, and the reference it is measured against."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

from peft import PeftModel

from slhf.algorithms.pair_protocol import PairLoss, PairState
from slhf.errors import InputError
from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.load import RoleSettings, add_adapters, first_model, load_model, load_tokenizer, resolve, stands_on
from slhf.policies.roles import make_roles
from slhf.training import checkpoints
from slhf.training.optimizer import check_precision
from slhf.training.pair_arguments import PairArguments
from slhf.training.pair_rows import Limits, PairRows
from slhf.training.pair_scores import Scorer

WHOLE_STEP = 8192
"""Tokens of one forward on a CPU where a loss looks at the whole step first; 1,024 is faster, but not twice."""


def pair_policy(model: Any, tokenizer: Any, peft_config: Any, args: PairArguments) -> tuple[CausalPolicy, str | None]:
    """Load a model if it came by name, put an adapter on it, and find its reference.

    The reference is the model at the very first: the base of an adapter, also of one that is trained already; where
    all weights train, what ``args.reference`` or the model's own folder names, or else a frozen copy.

    Args:
        model: name, path or model object.
        tokenizer: needed with a model object.
        peft_config: LoRA settings, or None.
        args: roles, reference.

    Returns:
        The policy, and the reference's name where there is one.

    Raises:
        InputError: model, template or adapter cannot be trained on pairs.
    """
    settings, base = RoleSettings(), None
    if isinstance(model, str | Path):
        settings, base = RoleSettings.load(resolve(model)), stands_on(model)
        tokenizer = tokenizer if tokenizer is not None else load_tokenizer(model)
        loaded = load_model(model)
    else:
        loaded = model
    if tokenizer is None:
        raise InputError("a model object needs its tokenizer: pass processing_class=tokenizer")
    loaded, adapters = add_adapters(loaded, peft_config, per_role=False)
    if adapters is not None and len(set(adapters.values())) > 1:
        raise InputError("the model carries an adapter a role; pairs train one: merge the one you mean first")
    check_precision(loaded)
    frozen = None
    if args.reference is not None and isinstance(loaded, PeftModel):
        raise InputError("reference: an adapter's reference is the base it stands on; leave reference out")
    if not isinstance(loaded, PeftModel):
        base = args.reference or (None if base is None else first_model(base))
        if base is not None and base != str(model):
            frozen = load_model(base)
    if args.roles != "auto":
        settings = replace(settings, roles=args.roles)
    roles = make_roles(
        tokenizer,
        loaded,
        kind=settings.roles,
        instruction=settings.instruction,
        repeat_prompt=settings.repeat_prompt,
    )
    policy = CausalPolicy(loaded, tokenizer, roles, adapters=adapters, frozen=frozen)
    policy.settings = settings
    policy.check_head()
    if args.activation_checkpointing and isinstance(loaded, PeftModel):
        loaded.enable_input_require_grads()
    return policy, base


def limits_of(policy: CausalPolicy, args: PairArguments) -> Limits:
    """Return how long texts may be: the arguments' limits, and never more than the model holds."""
    given = [length for length in (args.max_length, policy.max_length) if length]
    return Limits(min(given, default=None), args.max_prompt_length or None)


def scorer_of(policy: CausalPolicy, args: PairArguments, loss: PairLoss) -> Scorer:
    """Return what scores responses, as ``args`` say.

    A loss that looks at a whole step before any gradient scores it twice if it is cut, so its pieces are larger.
    """
    whole = loss.memory is not None and loss.memory.looks_ahead(PairState())
    automatic = WHOLE_STEP if whole and policy.device.type == "cpu" else 0
    return Scorer(
        policy,
        temperature=args.temperature,
        chunk_mib=args.logits_chunk_mib,
        chunk_tokens=args.train_chunk_tokens or automatic,
        cache=args.reference_cache or Path(str(args.output_dir), "reference"),
        arithmetic="bf16" if args.bf16 else "fp16" if args.fp16 else "as stored",
    )


def pair_fingerprint(
    args: PairArguments, loss: PairLoss, policy: CausalPolicy, scorer: Scorer, rows: PairRows, limits: Limits
) -> dict[str, Any]:
    """Return what makes two runs the same run: the settings that matter, the reference and the pairs."""
    settings = dataclasses.asdict(loss) if dataclasses.is_dataclass(loss) else {}  # type: ignore[arg-type]
    more = {f"loss.{name}": value for name, value in settings.items()} | {
        "loss": type(loss).__name__,
        "max_length": limits.length,
        "reference": scorer.reference_digest[:16],
        "train_dataset": rows.digest(),
    }
    return checkpoints.settings_that_matter(args, policy.model, more)
