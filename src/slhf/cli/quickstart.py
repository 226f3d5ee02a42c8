"""``slhf quickstart``: the main job, on the world that comes with the package."""

from __future__ import annotations

from slhf.cli.options import Json, Output
from slhf.cli.streams import print_json, result_console

SHOWN, REFINEMENTS = 3, 2


def quickstart(*, seed: int = 0, steps: int | None = None, output: Output = None, json: Json = False) -> None:
    """Train a Leader and a Follower on the embedded world, compare them, and write a report.

    Example: slhf quickstart --seed 1 --output runs/first

    Parameters
    ----------
    seed
        Fixes sampling, data order and the adapter's initial weights.
    steps
        Optimiser steps; the recipe's number if not given.
    output
        The run's folder; a fresh one under runs/ if not given.
    json
        Print the win rates as JSON, and nothing else, on stdout.
    """
    from slhf.cli.tables import answers_table, win_table
    from slhf.cli.training import train_with_bar
    from slhf.runs import load_recipe
    from slhf.runs.folder import fresh_folder

    changes = [f"args.seed={seed}"] + ([] if steps is None else [f"args.max_steps={steps}"])
    recipe = load_recipe("quickstart", changes)
    result = train_with_bar(recipe, output or fresh_folder("runs/quickstart"), resume=False)
    if json:
        print_json(result.as_dict())
        return
    console = result_console()
    console.print(win_table(result.table))
    prompts, chains = _refined(result.folder / "model", result.samples[:SHOWN], seed)
    headings = ["base", "Leader", "refined once", *(f"refined {n} times" for n in range(2, REFINEMENTS + 1))]
    base = [str(row["base"]) for row in result.samples[:SHOWN]]
    columns = [base, *zip(*chains, strict=True)]
    console.print(answers_table(prompts, list(zip(headings, columns, strict=True))))
    console.print(
        f"{result.seconds:.0f} s. Everything is in {result.folder}; open {result.folder / 'report.html'}",
        soft_wrap=True,
    )
    console.print(
        f'Ask it yourself:  slhf refine --model {result.folder} --prompt "{prompts[0]}" --steps 3', soft_wrap=True
    )


def _refined(model: object, samples: list[dict[str, object]], seed: int) -> tuple[list[str], list[list[str]]]:
    from slhf.policies import chain, load_policy
    from slhf.runs.sampling import sampling_of

    policy = load_policy(str(model))
    prompts = [str(row["prompt"]) for row in samples]
    answers = chain(policy, prompts, steps=REFINEMENTS, sampling=sampling_of(policy), seed=seed)
    return prompts, [[answer.text for answer in row] for row in answers]
