"""Prompts: one loader for embedded, local and hub data sets, and the checks they pass through."""

from __future__ import annotations

from slhf.data.loader import load_prompts
from slhf.data.prompts import as_text, checked_prompts
from slhf.data.splits import split_by_hash

__all__ = ["as_text", "checked_prompts", "load_prompts", "split_by_hash"]
