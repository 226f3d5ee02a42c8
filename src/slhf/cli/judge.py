"""``slhf judge``: audit a judge, and look into what judges have said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from slhf.cli.options import Json, Names
from slhf.cli.streams import print_json, quiet_stdout, result_console

if TYPE_CHECKING:
    from slhf.runs.judge_audit import Audited, Audits, People

Written = Annotated[Path, Parameter(name=["--output", "-o"])]

judge = App(name="judge", help="Judges: what sways one, what a store holds of them, their judgements as a table.")


@judge.command
def audit(
    name: Annotated[str, Parameter(show=True)],
    /,
    *others: Annotated[str, Parameter(show=True)],
    pairs: str | None = None,
    answers: Names = None,
    split: str = "all",
    limit: int = 500,
    attribute: str | None = None,
    seed: int = 0,
    store: Path = Path("runs/answers.sqlite"),
    json: Json = False,
) -> None:
    """See what sways a judge besides the answers: their order, their length, chance; and whether it agrees with people.

    Example: slhf judge audit judge.yaml --pairs preferences.jsonl --limit 200

    Parameters
    ----------
    name
        A judge's name, package.module:name, or a YAML file of judge settings; LABEL=JUDGE calls it something else.
    others
        Further judges: one table of all of them on the same pairs, and of people where each one's vote is known.
    pairs
        Preference data: "toy", a file, or a hub name; what people preferred is compared with the judge.
    answers
        Instead of pairs, two files of answers, or one of PandaLM's form; name=file names one.
    split
        Which part of the pairs; "all" for all of a file.
    limit
        At most so many pairs.
    attribute
        What decides, where responses are rated on several scales.
    seed
        Fixes the intervals.
    store
        File that keeps every judgement: what it holds is never asked again.
    json
        Print the findings as JSON, and nothing else, on stdout.
    """
    from slhf.cli.bars import playing
    from slhf.evaluation.bootstrap import Bootstrap
    from slhf.runs.judge_audit import AuditJob, audit_judges

    job = AuditJob((name, *others), pairs, answers or (), split, limit, attribute, Bootstrap(seed=seed))
    with playing(store, [], pairs or "") as watch:
        found = audit_judges(job, store, watch)
    if json:
        values = found.as_dict()
        print_json(values if others else {**values["judges"][0], "among_people": values["among_people"]})
    elif others:
        _print_several(found)
    else:
        _print_one(found.judges[0], found.people)


@judge.command
def stats(store: Annotated[Path, Parameter(show=True)], /, *, json: Json = False) -> None:
    """Show how much of each judge a store holds.

    Example: slhf judge stats runs/answers.sqlite

    Parameters
    ----------
    store
        The file an evaluation keeps its judgements in.
    json
        Print the numbers as JSON, and nothing else, on stdout.
    """
    from rich.table import Table

    from slhf.runs.judge_store import store_stats

    found = store_stats(store)
    if json:
        print_json(found.as_dict())
        return
    table = Table("judge", "identity", "judgements", "prompts", "mean", "ties")
    for row in found.judges:
        shares = (f"{row.mean:.3f}", f"{row.ties:.1%}")
        table.add_row(row.judge, row.identity[:12], f"{row.judgements:,}", f"{row.prompts:,}", *shares)
    console = result_console()
    console.print(table)
    counts = ", ".join(f"{count:,} {what}" for what, count in found.counts.items())
    console.print(f"{store}: {counts}; {found.size / 1e6:.1f} MB", markup=False, highlight=False, soft_wrap=True)


@judge.command
def export(store: Annotated[Path, Parameter(show=True)], /, *, output: Written, json: Json = False) -> None:
    """Write all judgements of a store to a Parquet file.

    Example: slhf judge export runs/answers.sqlite --output judgements.parquet

    Parameters
    ----------
    store
        The file an evaluation keeps its judgements in.
    output
        The file to write.
    json
        Print what was written as JSON, and nothing else, on stdout.
    """
    from slhf.runs.judge_store import export_judgements

    with quiet_stdout():
        count = export_judgements(store, output)
    if json:
        print_json({"output": str(output), "judgements": count})
    else:
        result_console().print(
            f"{output}: {count:,} judgements", markup=False, highlight=False, soft_wrap=True
        )  # fmt: skip


def _print_one(one: Audited, people: People | None) -> None:
    from slhf.cli.audit_tables import RULE, audit_table

    assert one.audit is not None  # a judge that is audited alone raises what it is refused for
    console = result_console()
    console.print(audit_table(one.audit, people))
    if people is not None:
        console.print(RULE, soft_wrap=True)
    if not one.audit.below_averaging:
        console.print(
            "This judge cannot be asked one order at a time: that it treats both alike is how it is made.",
            soft_wrap=True,
        )
    _print_spent(one)


def _print_several(found: Audits) -> None:
    from slhf.cli.audit_tables import RULE, brief, judges_table

    console = result_console()
    console.print(judges_table(found))
    if found.people is not None:
        console.print(RULE, soft_wrap=True)
    for one in found.judges:
        if one.refused:
            console.print(f"{one.label}: {brief(one.refused)}", markup=False, highlight=False, soft_wrap=True)
        _print_spent(one, f"{one.label}: ")


def _print_spent(one: Audited, start: str = "") -> None:
    if one.spent is not None:
        said = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in one.spent.items())
        result_console().print(f"{start}{said}", markup=False, highlight=False, soft_wrap=True)
