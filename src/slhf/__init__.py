"""Stackelberg Learning from Human Feedback: a Leader answers, a Follower improves the answer.

The names below are loaded when they are first used, so ``import slhf`` is quick and loads
neither torch nor transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slhf.algorithms import RLOO as RLOO
    from slhf.algorithms import SPPO as SPPO
    from slhf.algorithms import NashMD as NashMD
    from slhf.algorithms import OnlineIPO as OnlineIPO
    from slhf.algorithms import StackelbergGDA as StackelbergGDA
    from slhf.judges import CallableJudge as CallableJudge
    from slhf.judges import Judge as Judge
    from slhf.judges import MatrixJudge as MatrixJudge
    from slhf.judges import PanelJudge as PanelJudge
    from slhf.judges import RuleJudge as RuleJudge
    from slhf.policies import load_policy as load_policy
    from slhf.serving import Refiner as Refiner
    from slhf.training import GameArguments as GameArguments
    from slhf.training import GameTrainer as GameTrainer
    from slhf.types import Comparison as Comparison

__version__ = "0.1.0"

_HOMES = {
    "GameTrainer": "slhf.training",
    "GameArguments": "slhf.training",
    "StackelbergGDA": "slhf.algorithms",
    "RLOO": "slhf.algorithms",
    "NashMD": "slhf.algorithms",
    "OnlineIPO": "slhf.algorithms",
    "SPPO": "slhf.algorithms",
    "load_policy": "slhf.policies",
    "Refiner": "slhf.serving",
    "Comparison": "slhf.types",
    "Judge": "slhf.judges",
    "MatrixJudge": "slhf.judges",
    "RuleJudge": "slhf.judges",
    "PanelJudge": "slhf.judges",
    "CallableJudge": "slhf.judges",
}

__all__ = [
    "GameTrainer",
    "GameArguments",
    "StackelbergGDA",
    "RLOO",
    "NashMD",
    "OnlineIPO",
    "SPPO",
    "load_policy",
    "Refiner",
    "Comparison",
    "Judge",
    "MatrixJudge",
    "RuleJudge",
    "PanelJudge",
    "CallableJudge",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the room it lives in, the first time it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'slhf' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
