"""``slhf align``: from a few labelled pairs, by labels of the model's own and against an adversary."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from slhf.cli.options import Flag, Json, Output
from slhf.cli.streams import print_json, progress_console, quiet_stdout, result_console

if TYPE_CHECKING:
    from rich.table import Table

    from slhf.runs.align_recipe import AlignRecipe
    from slhf.runs.align_run import AlignResult


def align(
    recipe: str,
    /,
    *overrides: Annotated[str, Parameter(show=True)],
    output: Output = None,
    resume: Flag = False,
    dry_run: Flag = False,
    json: Json = False,
) -> None:
    """Align a model from few labelled pairs: it labels its own answers, and learns against an adversary.

    Example: slhf align toy-ssapo iterations=2 loss.epsilon=0.03 --output runs/aligned

    Parameters
    ----------
    recipe
        A file, or the name of a recipe that comes with the package, as toy-ssapo.
    overrides
        Settings to change, key.sub=value, as in seed.share=0.1 or loss=dpo.
    output
        The run's folder; the recipe's output, or runs/NAME, if not given.
    resume
        Go on with the same run where it stopped.
    dry_run
        Check everything that can be checked here, try one step of a small random model, and stop.
    json
        Print the result as JSON, and nothing else, on stdout.
    """
    from slhf.runs.align_recipe import find_align_recipe, load_align_recipe
    from slhf.runs.hub import stay_offline_if_out_of_reach
    from slhf.runs.strict import long_form, override, read_yaml

    values = override(read_yaml(find_align_recipe(recipe)), overrides)
    for key in ("seed", "pool", "evaluation"):
        stay_offline_if_out_of_reach(
            {"model": values.get("model"), "data": long_form(key, values.get(key)).get("data")}
        )
    with quiet_stdout():
        settings = load_align_recipe(recipe, overrides)
    if dry_run:
        _try(settings, json)
        return
    result = _run(settings, output, resume)
    if json:
        print_json(result.as_dict())
        return
    console = result_console()
    console.print(_table(result))
    where = f"Everything is in {result.folder}; open {result.folder / 'report.html'}"
    console.print(f"{result.seconds:.0f} s. {where}", soft_wrap=True)


def _run(settings: AlignRecipe, output: Path | None, resume: bool) -> AlignResult:
    from slhf.cli.align_bars import AlignBars
    from slhf.runs.align_run import align as run
    from slhf.runs.folder import folder_of

    folder = folder_of(settings, output)
    console = progress_console()
    console.print(f"run folder: {folder}", highlight=False)
    shown = AlignBars(console)
    try:
        with quiet_stdout():
            return run(settings, folder, resume=resume, bars=shown.bars, watch=shown.watch)
    except KeyboardInterrupt as interrupt:
        here, file = (shlex.quote(str(path)) for path in (folder, folder / "recipe.yaml"))
        raise KeyboardInterrupt(f"go on with:  slhf align {file} --output {here} --resume") from interrupt
    finally:
        shown.close()


def _table(result: AlignResult) -> Table:
    from rich.table import Table

    table = Table(title="Iterations: new pairs, pairs trained on, the adversary, held-out win rates (± standard error)")
    for heading in ("", "new", "pairs", "λ*", "moved", "over base", "over seed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in result.values["iterations"]:
        worst, rates = row["adversary"], row.get("win_rates", {})
        table.add_row(
            str(row["iteration"]),
            f"{row['new_pairs']['pairs']:,}",
            f"{worst['pairs']:,}",
            f"{worst['multiplier']:.3f}" if worst["epsilon"] else "–",
            f"{worst['moved']:.3f}",
            *(_rate(rates.get(name)) for name in ("base", "seed")),
        )
    return table


def _rate(found: dict[str, Any] | None) -> str:
    return "–" if found is None else f"{found['mean']:.3f} ± {found['stderr']:.3f}"


def _try(settings: AlignRecipe, json: bool) -> None:
    with quiet_stdout():
        from slhf.runs.align_dry_run import align_dry_run

        found = align_dry_run(settings)
    if json:
        print_json({"checked": found.checked, "unchecked": found.unchecked})
        return
    console = result_console()
    for mark, lines in (("in order:   ", found.checked), ("not checked:", found.unchecked)):
        for line in lines:
            console.print(mark, line, markup=False, highlight=False, soft_wrap=True)
