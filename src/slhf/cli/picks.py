"""``slhf picks``: what people picked on the page, counted, and as preferences to train on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from slhf.cli.options import Json
from slhf.cli.streams import print_json, result_console

File = Annotated[Path, Parameter(show=True)]
Written = Annotated[Path, Parameter(name=["--output", "-o"])]

picks = App(name="picks", help="What people picked on the page of slhf serve, counted, and as preferences to train on.")


@picks.command
def export(file: File, /, *, output: Written, json: Json = False) -> None:
    """Write what people picked as conversational preferences, ready to train on.

    Example: slhf picks export picks.sqlite --output pairs.jsonl

    Parameters
    ----------
    file
        The file slhf serve keeps picks in.
    output
        The JSONL file to write.
    json
        Print what was written as JSON, and nothing else, on stdout.
    """
    from slhf.serving.pick_counts import export_picks

    count = export_picks(file, output)
    if json:
        print_json({"output": str(output), "pairs": count})
    else:
        _print(f"{output}: {count:,} pairs")


@picks.command
def stats(file: File, /, *, json: Json = False) -> None:
    """Count what people picked.

    Example: slhf picks stats picks.sqlite

    Parameters
    ----------
    file
        The file slhf serve keeps picks in.
    json
        Print the numbers as JSON, and nothing else, on stdout.
    """
    from slhf.serving.pick_counts import count_picks

    found = count_picks(file)
    if json:
        print_json(found.as_dict())
        return
    models = ", ".join(f"{name} {count:,}" for name, count in found.models.items())
    _print(f"picks     {found.picks:,}" + (f" (by model: {models})" if models else ""))
    _print(f"pairs     {found.pairs:,}")
    _print(f"sessions  {found.sessions:,}")
    _print(f"prompts   {found.prompts:,}")
    if found.first is not None and found.last is not None:
        _print(f"made      {_day(found.first)} to {_day(found.last)}")


def _day(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"


def _print(line: str) -> None:
    result_console().print(line, markup=False, highlight=False, soft_wrap=True)
