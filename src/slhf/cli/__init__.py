"""The ``slhf`` command: parsing and printing only; the work is done elsewhere."""

from __future__ import annotations

from slhf.cli.main import main

__all__ = ["main"]
