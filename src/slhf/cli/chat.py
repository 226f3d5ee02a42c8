"""``slhf chat``: ask, improve, compare and pick in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slhf.cli.streams import quiet_stdout, result_console
from slhf.errors import InputError, SlhfError

if TYPE_CHECKING:
    from slhf.cli.chat_screen import Screen
    from slhf.runs.talk import Talk


def chat(
    *,
    model: str,
    follower: str | None = None,
    judge: str | None = None,
    picks: Path | None = None,
    session: str | None = None,
    annotators: str | None = None,
    candidates: int = 4,
    seed: int | None = None,
    temperature: float | None = None,
    max_new_tokens: int | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> None:
    """Ask a model in the terminal, have its answers improved, and pick the best.

    Example: slhf chat --model runs/quickstart --picks picks.sqlite

    Write a prompt, then press Enter on an empty line as often as the answer should be improved; /help shows what
    else there is. Nothing that is written goes to the disk but picks, where --picks names a file. Lines may also
    come from a file or another program; then the first mistake ends it.

    Parameters
    ----------
    model
        A run's folder, a model's folder, a hub name, "toy", the address of a server that speaks OpenAI's protocol
        (http://localhost:8000/v1, with #NAME behind it where it serves several models), or a file of its settings.
    follower
        Another model that improves the answers, likewise.
    judge
        Rates each refinement: a judge's name, "module:name", or a file of its settings.
    picks
        File that keeps picks; they are forgotten at the end if not given.
    session
        Name under which picks are kept; a new one if not given.
    annotators
        The panel that your taste is told by: "toy", "stories", "module:name", or a file of settings.
    candidates
        Answers sampled where one is chosen for your taste.
    seed
        Fixes what is sampled; a new one each time if not given.
    temperature
        Sampling temperature, 0 for the likeliest words; the model's own if not given.
    max_new_tokens
        An answer is cut after so many tokens; the model's own number if not given.
    device
        Where the model computes, "cuda" say; a GPU where there is one, if not given.
    dtype
        Type of the weights.
    """
    import secrets

    from slhf.cli.chat_screen import Screen
    from slhf.judges.among import as_panel
    from slhf.runs.judges import judge_of
    from slhf.runs.remote_models import called, model_of
    from slhf.runs.talk import Talk
    from slhf.serving import Asked, Refiner
    from slhf.serving.pick import SESSION
    from slhf.serving.picks import PickStore

    name = secrets.token_hex(8) if session is None else session
    if not SESSION.fullmatch(name):
        raise InputError(f"session={session!r}: give 1 to 64 of the characters A–Z a–z 0–9 _ -")
    drawn = secrets.randbits(63) if seed is None else seed
    asked = Asked(temperature=temperature, max_new_tokens=max_new_tokens, seed=drawn)
    with ExitStack() as stack:
        store = None if picks is None else stack.enter_context(PickStore(picks))
        with quiet_stdout():
            panel = None if annotators is None else as_panel(judge_of(annotators), "annotators")
            rated = None if judge is None else judge_of(judge)
            leader = model_of(model)
            improver = None if follower is None else model_of(follower)
            refiner = Refiner(leader, follower=improver, judge=rated, device=device, dtype=dtype)
        talk = Talk(refiner, called(leader), name, store, panel, candidates, asked)
        _run(talk, Screen(result_console()), interactive=sys.stdin.isatty())


def _run(talk: Talk, screen: Screen, *, interactive: bool) -> None:
    """Obey line after line until there is none, or one says to leave."""
    from slhf.cli.chat_commands import obey

    if interactive:
        screen.note(f"{talk.model}: write a prompt; Enter improves the answer, /help shows the rest, Ctrl-D leaves")
    for line in _lines(interactive):
        if line.split() == ["/quit"]:
            return
        try:
            obey(line, talk, screen)
        except SlhfError as error:
            if not interactive:
                raise
            screen.error(error)
        except KeyboardInterrupt:
            if not interactive:
                raise
            screen.note("stopped; this answer is not kept")


def _lines(interactive: bool) -> Iterator[str]:
    """Yield what is written, line by line; on a terminal it can be edited, and nothing of it is kept on the disk."""
    if not interactive:
        yield from (line.rstrip("\r\n") for line in sys.stdin)
        return
    with suppress(ImportError):
        import readline  # noqa: F401  # input() uses it as soon as it is there
    while True:
        try:
            yield input("> ")
        except EOFError:
            sys.stdout.write("\n")
            return
