"""Progress of a run of alignment: one bar for whatever is done at the moment, training, answering or judging."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback


class AlignBars:
    """Bars that come as their work begins.

    Args:
        console: where to draw.
    """

    def __init__(self, console: Console):
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console)
        self._tasks: dict[str, Any] = {}

    def watch(self, what: str, there: int, wanted: int) -> None:
        """Move the bar of ``what``."""
        self._progress.start()  # not before there is something to show
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what)
        self._progress.update(self._tasks[what], completed=there, total=wanted)

    def bars(self, what: str) -> list[Any]:
        """Return the callbacks that show a training."""
        return [_Steps(self, what)]

    def close(self) -> None:
        """Stop drawing; also after an interrupted run."""
        if self._tasks:
            self._progress.stop()


class _Steps(TrainerCallback):
    """Moves a bar at every step of a training."""

    def __init__(self, bars: AlignBars, what: str):
        self._bars, self._what = bars, what

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the bar, at the step a resumed training starts from."""
        self._bars.watch(self._what, state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Advance."""
        self._bars.watch(self._what, state.global_step, state.max_steps)
