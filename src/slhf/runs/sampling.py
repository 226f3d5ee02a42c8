"""How a saved model is sampled outside training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slhf.errors import InputError

if TYPE_CHECKING:
    from slhf.policies import CausalPolicy, Sampling


def sampling_of(
    policy: CausalPolicy, *, temperature: float | None = None, max_new_tokens: int | None = None
) -> Sampling:
    """Return the sampling a model was trained with, as stored beside it, or otherwise asked for.

    Raises:
        InputError: a negative temperature, or no room for a token.
    """
    from slhf.policies import Sampling

    if temperature is not None and not temperature >= 0:
        raise InputError(f"temperature must be 0 or more, got {temperature}")
    if max_new_tokens is not None and max_new_tokens < 1:
        raise InputError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
    stored = policy.settings
    return Sampling(
        end_tokens=policy.roles.end_tokens,
        max_new_tokens=stored.max_new_tokens if max_new_tokens is None else max_new_tokens,
        temperature=stored.temperature if temperature is None else temperature,
    )
