"""Who prefers: everything that turns comparisons into preferences p(y ≻ y′ | x)."""

from __future__ import annotations

from slhf.judges.annotators import Annotator
from slhf.judges.matrix import MatrixJudge
from slhf.judges.panel import PanelJudge, toy_panel
from slhf.judges.protocol import CallableJudge, Judge, as_judge, preferences
from slhf.judges.registry import JUDGES, imported_judge, named_judge
from slhf.judges.rules import RuleJudge
from slhf.judges.stories import stories_panel

__all__ = [
    "JUDGES",
    "Annotator",
    "CallableJudge",
    "Judge",
    "MatrixJudge",
    "PanelJudge",
    "RuleJudge",
    "as_judge",
    "imported_judge",
    "named_judge",
    "preferences",
    "stories_panel",
    "toy_panel",
]
