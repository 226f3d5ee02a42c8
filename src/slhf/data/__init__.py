"""Prompts: one loader for embedded, local and hub data sets, and the checks they pass through."""

from __future__ import annotations

from slhf.data.loader import UnreachableError, load_prompts
from slhf.data.prompts import checked_prompts
from slhf.data.splits import split_by_hash

__all__ = ["UnreachableError", "checked_prompts", "load_prompts", "split_by_hash"]
