"""Who beats whom: tournaments over text, each rate with its standard error."""

from __future__ import annotations

from slhf.evaluation.intervals import Rate, rate
from slhf.evaluation.tournament import Tournament, tournament

__all__ = ["Rate", "Tournament", "rate", "tournament"]
