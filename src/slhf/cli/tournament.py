"""``slhf tournament``: any number of models and roles against each other, with intervals and ratings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from slhf.cli.options import Json, Names
from slhf.cli.streams import print_json, quiet_stdout, result_console


def tournament(
    *models: Annotated[str, Parameter(show=True)],
    answers: Names = None,
    roles: Names = None,
    judge: str = "toy",
    data: str = "toy",
    split: str | None = "test",
    limit: int = 200,
    samples: int = 1,
    seed: int = 0,
    store: Path = Path("runs/tournament.sqlite"),
    json: Json = False,
) -> None:
    """Let models play each other on the same prompts: how often the row is preferred to the column.

    Example: slhf tournament base=toy runs/quickstart --limit 100

    Parameters
    ----------
    models
        Run folders, model folders, hub names or "toy"; name=path gives one another name.
    answers
        JSONL files with other people's answers, a prompt and an answer a line; name=file names one.
    roles
        The roles every model plays: leader, follower, or both, which it is if not given.
    judge
        A judge's name, or package.module:name.
    data
        Prompts: "toy", "stories", a file, or a hub name.
    split
        Which part of the prompts.
    limit
        At most so many prompts.
    samples
        Answers a prompt.
    seed
        Fixes what is sampled.
    store
        File that keeps every answer and judgement: what it holds is never made again.
    json
        Print tables and ratings as JSON, and nothing else, on stdout.
    """
    from slhf.evaluation import ratings
    from slhf.runs.compare import Contest, compare

    contest = Contest(
        models, answers or (), roles or ("leader", "follower"), judge, data, split, limit, samples, seed
    )  # fmt: skip
    with quiet_stdout():
        played = compare(contest, store)
        rated = ratings(played)
    if json:
        print_json({"prompts": played.per_prompt.shape[2], "table": played.as_table(), **rated.as_dict()})
        return
    _print(played, rated.as_dict())


def _print(played: Any, rated: dict[str, Any]) -> None:
    from rich.table import Table

    console = result_console()
    count = played.per_prompt.shape[2]
    table = Table(title=f"How often the row is preferred to the column, {count} prompts (± standard error)")
    table.add_column("")
    for name in played.names:
        table.add_column(name, justify="right")
    for row in played.names:
        table.add_row(row, *("–" if row == column else str(played.rate(row, column)) for column in played.names))
    console.print(table)
    table = Table("", "Elo", "95 % interval", title="Ratings (Bradley–Terry)")
    for entry in rated["ratings"]:
        table.add_row(entry["name"], f"{entry['elo']:.0f}", f"{entry['low']:.0f} to {entry['high']:.0f}")
    console.print(table)
    if rated["warning"]:
        console.print(rated["warning"], markup=False, soft_wrap=True)
