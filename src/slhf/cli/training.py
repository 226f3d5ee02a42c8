"""What ``quickstart`` and ``train`` share: run a recipe with a bar, and turn Ctrl-C into a way on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from slhf.cli.streams import progress_console, quiet_stdout

if TYPE_CHECKING:
    from slhf.runs import Recipe, RunResult


def train_with_bar(recipe: Recipe, output: Path | None, resume: bool) -> RunResult:
    """Run a recipe with a progress bar on stderr.

    Raises:
        KeyboardInterrupt: after Ctrl-C; its message says how to go on.
    """
    from slhf.cli.progress import ProgressBar
    from slhf.runs import run
    from slhf.runs.folder import folder_of

    folder = folder_of(recipe, output)
    console = progress_console()
    console.print(f"run folder: {folder}", highlight=False)
    bar = ProgressBar(console)
    try:
        with quiet_stdout():
            return run(recipe, folder, resume=resume, callbacks=[bar])
    except KeyboardInterrupt as interrupt:
        here = shlex.quote(str(folder))
        recipe_file = shlex.quote(str(folder / "recipe.yaml"))
        raise KeyboardInterrupt(f"go on with:  slhf train {recipe_file} --output {here} --resume") from interrupt
    finally:
        bar.close()
