"""A run's result as terminal tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from slhf.evaluation import Tournament

NAMES = {"base": "base", "leader": "Leader", "follower": "Follower"}


def win_table(result: Tournament) -> Table:
    """Return everybody against everybody: how often the row is preferred to the column."""
    table = Table(title="How often the row is preferred to the column, held-out prompts (± standard error)")
    table.add_column("")
    for name in result.names:
        table.add_column(f"over {NAMES.get(name, name)}", justify="right")
    for row in result.names:
        cells = ["–" if row == column else str(result.rate(row, column)) for column in result.names]
        table.add_row(NAMES.get(row, row), *cells)
    return table


def answers_table(prompts: Sequence[str], columns: Sequence[tuple[str, Sequence[str]]]) -> Table:
    """Return answers side by side, one row a prompt.

    Args:
        prompts: X prompts.
        columns: a heading and X texts for each column.
    """
    table = Table(show_lines=True)
    table.add_column("prompt", ratio=1)
    for heading, _ in columns:
        table.add_column(heading, ratio=1)
    for i, prompt in enumerate(prompts):
        table.add_row(Text(prompt), *(Text(texts[i]) for _, texts in columns))
    return table
