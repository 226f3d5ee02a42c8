"""Checks that the algorithms' settings share."""

from __future__ import annotations

import math
from typing import Any

from slhf.errors import InputError


def check_weights(settings: Any, *names: str) -> None:
    """Raise an ``InputError`` unless each named setting is a finite number ≥ 0."""
    for name in names:
        value = getattr(settings, name)
        if not math.isfinite(value) or value < 0:
            raise InputError(f"{name}={value}: must be a finite number ≥ 0")


def check_positive(settings: Any, *names: str) -> None:
    """Raise an ``InputError`` unless each named setting is a finite number > 0."""
    for name in names:
        value = getattr(settings, name)
        if not math.isfinite(value) or value <= 0:
            raise InputError(f"{name}={value}: must be a finite number > 0")


def check_counts(settings: Any, *names: str, least: int = 1) -> None:
    """Raise an ``InputError`` unless each named setting is a whole number of at least ``least``."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name}={value}: must be a whole number ≥ {least}")
