"""``slhf simulate``: users who click, as the annotators would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from slhf.cli.options import Json, Names
from slhf.cli.streams import print_json, result_console

if TYPE_CHECKING:
    from slhf.runs.taste import Simulated

simulate = App(name="simulate", help="Simulated users: what learning their taste is worth.")


@simulate.command
def taste(
    *,
    model: Names = None,
    paradox: Annotated[tuple[float, float, float] | None, Parameter(negative=())] = None,
    judge: str = "toy",
    data: str = "toy",
    split: str = "test",
    prompts: int = 200,
    session: int = 4,
    users_per_annotator: int = 1,
    clicks: int | None = None,
    candidates: int = 4,
    ask: float | None = None,
    lapse: float = 0.05,
    top: str | None = None,
    seed: int = 0,
    store: Path = Path("runs/answers.sqlite"),
    report: Path | None = None,
    json: Json = False,
) -> None:
    """Count the clicks until a user's top answer appears: independent samples, a plain chain, and a personal one.

    Example: slhf simulate taste --model runs/quickstart --prompts 200 --report runs/taste

    Users have the taste of one annotator of the panel each. A click shows one answer or asks one comparison.

    Parameters
    ----------
    model
        Run folders, model folders, hub names or "toy"; several are each measured on the same users, and together.
    paradox
        Instead of a model, the paper's example, exactly: shares of three types A>B>C, B>C>A and C>A>B.
    judge
        A panel: a judge's name, package.module:name, or a YAML file of judge settings.
    data
        Prompts: "toy", "stories", a file, or a hub name.
    split
        Which part of the prompts; "all" for all prompts of a file.
    prompts
        At most so many prompts.
    session
        Prompts that a user goes through, one after the other; what they picked is remembered from one to the next.
    users_per_annotator
        Users of each annotator's taste at every prompt.
    clicks
        At most so many a prompt; 12 if not given, 3 with --paradox.
    candidates
        Answers the personal method samples a step, of which it shows one.
    ask
        It asks a comparison that tells more than this about the user, nats (0.25, say); nothing if not given.
    lapse
        How often, of two answers, a user clicks the one their annotator would never pick.
    top
        What a user's top answer is: "rule", the best well-formed right answer of the embedded world, or "reference",
        the best of a pool drawn apart; "rule" for the embedded world if not given.
    seed
        Fixes sessions, clicks and what is sampled.
    store
        File that keeps every answer and score: what it holds is never made again.
    report
        Write a page with figures into this folder.
    json
        Print everything as JSON, and nothing else, on stdout.
    """
    from slhf.errors import InputError

    if paradox is not None:
        from slhf.runs.taste import exact

        if model or report:
            raise InputError("--paradox takes neither a model nor a page; leave out --model and --report")
        _tell(exact(paradox, 3 if clicks is None else clicks, candidates), json)
        return
    if not model:
        raise InputError("--model is missing: name a run's folder, or toy; or give --paradox and three shares")
    from slhf.cli.bars import playing, write_page
    from slhf.runs.contest import Contest
    from slhf.runs.taste import Clicking
    from slhf.runs.taste import simulate as run

    with playing(store, model, data) as watch:
        contest = Contest(judge, data, split, prompts, seed=seed, store=store)
        many = 12 if clicks is None else clicks
        clicking = Clicking(users_per_annotator, session, many, candidates, ask, lapse, top)
        found = run(contest, model, clicking, watch=watch)
    if report is not None:
        write_page(found.page(), report)
    if json:
        print_json(found.as_dict())
    else:
        _print(found)


def _tell(found: dict[str, Any], json: bool) -> None:
    if json:
        print_json(found)
        return
    from rich.table import Table

    console = result_console()
    shares = ", ".join(f"{t} {share:.3g}" for t, share in zip(found["types"], found["shares"], strict=True))
    console.print(f"How likely a user's favourite has appeared by the n-th click ({shares})", highlight=False)
    many = len(next(iter(found["methods"].values()))["average"])
    table = Table("", "type", *(f"n = {n + 1}" for n in range(many)))
    for name, told in found["methods"].items():
        for kind, row in {"average": told["average"], **told["each"]}.items():
            table.add_row(name if kind == "average" else "", kind, *(f"{p:.4f}" for p in row))
        table.add_section()
    console.print(table)


def _print(found: Simulated) -> None:
    from rich.table import Table

    from slhf.cli.bars import tell
    from slhf.runs.taste import CHAIN, IID, PERSONAL

    console, tally = result_console(), found.together
    what = "Clicks until a user's top answer appears (± standard error), and how many have seen it by then"
    tell(console, what, found.setting)
    steps = sorted({n for n in (1, 3, 6, tally.limit) if n <= tally.limit})
    table = Table("", "clicks", *(f"by {n}" for n in steps))
    for name in tally.places:
        mean, content = tally.mean(name), tally.content(name)
        table.add_row(
            name, f"{mean.mean:.2f} ± {mean.stderr:.2f}", *(f"{100 * content.mean[n - 1]:.0f} %" for n in steps)
        )
    console.print(table)
    each = Table("users like", *tally.places)
    for k, annotator in enumerate(tally.annotators):
        each.add_row(annotator, *(f"{tally.mean(name, user=k).mean:.2f}" for name in tally.places))
    console.print(each)
    for more, fewer in ((IID, CHAIN), (CHAIN, PERSONAL)):
        gap = tally.difference(more, fewer)
        console.print(f"{more} less {fewer}: {gap.mean:.2f} ± {gap.stderr:.2f} clicks", highlight=False)
