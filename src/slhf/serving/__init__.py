"""Refinement for everyone: the library call, and the same behind an OpenAI-compatible server."""

from slhf.judges.chat_budget import Budget
from slhf.judges.chat_server import Server
from slhf.serving.asking import Asked
from slhf.serving.refiner import Refiner
from slhf.serving.remote_player import Remote
from slhf.serving.steps import DoneEvent, Refinement, Step, StepEvent, TokenChoice, TokenEvent
from slhf.serving.stops import TimeBudget, TokenBudget, UnlessPreferred, WhenRepeated

__all__ = [
    "Asked",
    "Budget",
    "DoneEvent",
    "Refinement",
    "Refiner",
    "Remote",
    "Server",
    "Step",
    "StepEvent",
    "TimeBudget",
    "TokenBudget",
    "TokenChoice",
    "TokenEvent",
    "UnlessPreferred",
    "WhenRepeated",
]
