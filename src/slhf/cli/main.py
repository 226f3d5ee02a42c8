"""The entry point: commands, exit codes, and what goes to which stream."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from rich.console import Console

from slhf import __version__
from slhf.cli.align import align
from slhf.cli.alpacaeval import alpacaeval
from slhf.cli.annotate import annotate
from slhf.cli.chat import chat
from slhf.cli.cycles import cycles
from slhf.cli.data import data
from slhf.cli.doctor import doctor
from slhf.cli.ifeval import ifeval
from slhf.cli.judge import judge
from slhf.cli.merge import merge
from slhf.cli.mtbench import mtbench
from slhf.cli.picks import picks
from slhf.cli.quickstart import quickstart
from slhf.cli.refine import refine
from slhf.cli.reproduce import reproduce
from slhf.cli.reward import reward
from slhf.cli.scale import scale
from slhf.cli.serve import serve
from slhf.cli.simulate import simulate
from slhf.cli.solve import solve
from slhf.cli.sweep import sweep
from slhf.cli.tournament import tournament
from slhf.cli.train import train
from slhf.cli.transfer import transfer
from slhf.errors import SlhfError

FAILED, INTERRUPTED = 2, 130
"""Exit codes: input that is wrong, and Ctrl-C."""

app = App(
    name="slhf",
    help="Stackelberg Learning from Human Feedback: a Leader answers, a Follower improves the answer.",
    help_epilogue="Start with:  slhf quickstart",
    version=__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for command in (
    quickstart,
    train,
    refine,
    chat,
    serve,
    tournament,
    transfer,
    scale,
    cycles,
    sweep,
    reproduce,
    reward,
    annotate,
    align,
    merge,
    data,
    picks,
    alpacaeval,
    ifeval,
    mtbench,
    judge,
    simulate,
    solve,
    doctor,
):
    app.command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line without the program's name; the process's own if None.

    Returns:
        0; 2 for input that is wrong, with the reason on stderr; 130 after Ctrl-C.
    """
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    # Both are read when torch and tokenizers are first imported, which the commands do.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(tokens, exit_on_error=False, error_console=errors)
    except CycloptsError:
        return FAILED  # the message is printed already, with a suggestion
    except SlhfError as error:
        errors.print(f"[bold red]error:[/] {_plain(str(error))}")
        return FAILED
    except KeyboardInterrupt as interrupt:
        hint = f"; {_plain(str(interrupt))}" if str(interrupt) else ""
        errors.print(f"interrupted{hint}")
        return INTERRUPTED
    return 0


def _plain(text: str) -> str:
    """Keep rich from reading square brackets in a message as markup."""
    return text.replace("[", "\\[")
