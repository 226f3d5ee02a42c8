"""One self-contained page a run: curves, table, samples, settings."""

from __future__ import annotations

from slhf.reports.run_report import write_report

__all__ = ["write_report"]
