"""What an audit found, as terminal tables: one judge in full, several side by side with people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from slhf.evaluation.audit import Audit, Sway
    from slhf.evaluation.bootstrap import Estimate
    from slhf.evaluation.people import Agreement
    from slhf.runs.judge_audit import Audits, People

SHOWN = 180
"""Characters of either end of a long reason that are shown."""

RULE = (
    "Agreement counts 1 for the same verdict, ½ for a tie against a side and 0 for opposite sides, for judges and "
    "people alike. The majority is the side with more votes; the others' majority leaves each person out in turn."
)
"""How agreement is counted."""


def audit_table(found: Audit, people: People | None) -> Table:
    """Return one judge's findings, a line each."""
    from rich.table import Table

    skipped = f", {found.skipped} skipped" if found.skipped else ""
    table = Table("", "mean ± standard error", "95 % interval", title=f"{found.judge}: {found.pairs} pairs{skipped}")
    for label, entry in _rows(found, people):
        if entry is None:
            table.add_row(label, "too few prompts", "")
        else:
            table.add_row(label, f"{entry.mean:.3f} ± {entry.stderr:.3f}", f"{entry.low:.3f} to {entry.high:.3f}")
    return table


def judges_table(found: Audits) -> Table:
    """Return several judges side by side, and people above them where their single votes are known."""
    from rich.table import Table

    table = Table(title="Agreement ± standard error \\[95 % interval over prompts]; ½ is fair to what is shown first")
    table.add_column("", no_wrap=True)
    voted = found.people is not None
    headings = ["agrees with a person", "with the others' majority", "with the majority", "more than a person does"]
    own = ["shown first is preferred", "changes with the order", "ties"]
    for heading in ["pairs", *(headings if voted else ["agrees with people"]), *own]:
        table.add_column(heading, justify="right")
    if found.people is not None:
        for label, party in (("people", found.people.among), *_each(found.people)):
            table.add_row(label, f"{party.pairs:,}", *_agreement(party), "", "", _short(party.ties))
        table.add_section()
    for one in found.judges:
        if one.audit is None:
            table.add_row(one.label, "–", "cannot judge them")
            continue
        said = one.audit
        agreed = [_long(said.agreement)] if said.voters is None else _agreement(said.voters)
        order = [_short(said.first_shown), _short(said.flips)] if said.below_averaging else ["", ""]
        table.add_row(one.label, f"{said.pairs:,}", *agreed, *order, _short(said.ties))
    return table


def brief(reason: str) -> str:
    """Return why a judge cannot judge some pairs, without the middle of a long prompt; JSON holds all."""
    return reason if len(reason) <= 2 * SHOWN else f"{reason[:SHOWN]} … {reason[-SHOWN:]}"


def _each(people: People) -> list[tuple[str, Agreement]]:
    return [(f"  person {number}", party) for number, party in enumerate(people.each, start=1)]


def _agreement(party: Agreement) -> list[str]:
    return [_long(party.person), _short(party.others), _short(party.majority), _short(party.beside)]


def _short(entry: Estimate | None) -> str:
    return "" if entry is None else f"{entry.mean:.3f} ± {entry.stderr:.3f}"


def _long(entry: Estimate | None) -> str:
    return "" if entry is None else str(entry).replace("[", "\\[")


def _rows(found: Audit, people: People | None) -> list[tuple[str, Estimate | None]]:
    rows: list[tuple[str, Estimate | None]] = [
        ("what is shown first is preferred (½ is fair)", found.first_shown),
        ("verdict changes with the order", found.flips),
        ("same verdict when asked again", found.again_same),
        ("difference when asked again", found.again_difference),
        ("ties", found.ties),
        *_sway("", found.length),
    ]
    if found.people is None:
        return rows
    rows += [
        ("agrees with people", found.agreement),
        ("distance from people's preference", found.distance),
        *_sway("people: ", found.people),
        ("longer is preferred, more than by people", found.excess),
    ]
    if found.voters is None or people is None:
        return rows
    return [
        *rows,
        ("agrees with one person", found.voters.person),
        ("people: agree with one person", people.among.person),
        ("agrees with the majority of the others", found.voters.others),
        ("people: agree with the majority of the others", people.among.others),
        ("agrees with one person, more than people do", found.voters.beside),
    ]


def _sway(who: str, sway: Sway) -> list[tuple[str, Estimate | None]]:
    rows = [(f"{who}longer is preferred", sway.longer)]
    if sway.slope is not None:
        rows.append((f"{who}log-odds for {sway.slope.unit:.0f} characters more", sway.slope.estimate))
    return rows
