"""A solved game as terminal tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

SHOWN = 12
"""Rows of a table; the rest is in --json."""

_TITLES = {"rlhf": "RLHF", "nash": "Nash", "stackelberg": "Stackelberg"}


def print_game(console: Console, result: Mapping[str, Any]) -> None:
    """Print what :func:`slhf.games.solve` found about one game.

    Args:
        console: where to.
        result: one of its dicts.
    """
    if "prompt" in result:
        console.print(Text(result["prompt"], style="bold"))
    _print_majority(console, result["majority"], len(result["actions"]))
    console.print(_policies(result))
    if "stackelberg" in result["concepts"]:
        console.print(_replies(result["concepts"]["stackelberg"]))
    for name, found in result["concepts"].items():
        console.print(Text(f"{_TITLES[name]}: {_certificate(found)}"), soft_wrap=True)
    if "pass_at_n" in result:
        console.print(_passes(result["pass_at_n"]))


def _print_majority(console: Console, majority: Mapping[str, Any], count: int) -> None:
    winner, loser = majority["condorcet_winner"], majority["condorcet_loser"]
    lines = [
        f"Condorcet winner: {winner or 'none'}; loser: {loser or 'none'}; "
        f"Smith set: {_listed(majority['smith_set'])} of {count} actions",
        f"triples that run in a circle: {majority['cyclic_share']:.1%}",
    ]
    if majority["cycles"] is None:
        lines.append("too many actions to list the circles or to test for transitivity")
    else:
        lines += _circles(majority["cycles"])
        holds = [name for name, held in majority["stochastic_transitivity"].items() if held]
        lines.append(f"stochastic transitivity: {', '.join(holds) or 'not even weak'}")
    console.print(Text("\n".join(lines)), soft_wrap=True)


def _circles(cycles: list[Mapping[str, Any]]) -> list[str]:
    lines = [f"majority cycles of three: {len(cycles)}"]
    for cycle in cycles[:SHOWN]:
        margins = ", ".join(f"{m:+.3f}" for m in cycle["margins"])
        lines.append(f"  {' > '.join([*cycle['actions'], cycle['actions'][0]])}   (margins {margins})")
    if len(cycles) > SHOWN:
        lines.append(f"  … and {len(cycles) - SHOWN} more; --json has them all")
    return lines


def _policies(result: Mapping[str, Any]) -> Table:
    table = Table(title="Policies: how often each action is played")
    table.add_column("action")
    columns: dict[str, Mapping[str, float]] = {}
    for name, found in result["concepts"].items():
        if name == "rlhf":
            columns["reward r̂"] = found["rewards"]
        if name == "stackelberg":
            columns["value v"] = found["leader_values"]
        columns["Stackelberg Leader" if name == "stackelberg" else _TITLES[name]] = (
            found.get("policy") or found["leader"]
        )
    for heading in columns:
        table.add_column(heading, justify="right")
    policies = [found.get("policy") or found["leader"] for found in result["concepts"].values()]
    worth = next(reversed(columns.values())) if len(policies) == 1 else next(iter(columns.values()))
    ranked = sorted(result["actions"], key=lambda action: (-max(policy[action] for policy in policies), -worth[action]))
    for action in ranked[:SHOWN]:
        table.add_row(Text(action), *(f"{values[action]:.4f}" for values in columns.values()))
    _say_rest(table, len(ranked))
    return table


def _replies(found: Mapping[str, Any]) -> Table:
    table = Table(title="The Follower's reply to each action")
    table.add_column("sees")
    table.add_column("replies")
    ranked = sorted(found["leader"], key=lambda action: -found["leader"][action])
    for action in ranked[:SHOWN]:
        reply = sorted(found["follower"][action].items(), key=lambda pair: -pair[1])
        shown = [f"{name} {share:.3f}" for name, share in reply[:5] if share >= 5e-4]
        table.add_row(Text(action), Text(", ".join(shown)))
    _say_rest(table, len(ranked))
    return table


def _certificate(found: Mapping[str, Any]) -> str:
    if "gaps" in found:
        gaps, ties = found["gaps"], found["ties"]
        tied = f"; {ties['leader']} of the Leader's actions tie" if ties["leader"] > 1 else ""
        return (
            f"value {found['value']:.6g}; gaps: Leader {gaps['leader']:.1e}, Follower {gaps['follower']:.1e}, "
            f"duality {gaps['duality']:.1e}{tied}"
        )
    if "exploitability" in found:
        other = "" if found["unique"] else "; others may exist: the one of largest entropy is shown"
        return f"value {found['value']:.6g}; exploitability {found['exploitability']:.1e}{other}"
    weak = f" (regularised by {found['regularisation']:g})" if found["regularisation"] else ""
    return f"the rewards are a Bradley–Terry fit over all pairs{weak}; where p runs in circles, other pairs give others"


def _passes(passes: Mapping[str, Any]) -> Table:
    table = Table(title="pass@N: the chance that N answers contain the favourite of a user of this type")
    table.add_column("user")
    table.add_column("policy")
    attempts = len(next(iter(passes.values()))["average"])
    for n in range(1, attempts + 1):
        table.add_column(f"N={n}", justify="right")
    types = list(next(iter(passes.values()))["types"])
    for user in [*types[:SHOWN], None]:
        for name, chances in passes.items():
            row = chances["average"] if user is None else chances["types"][user]
            label = _TITLES[name] + (" chain" if name == "stackelberg" else ", independent")
            table.add_row(Text(user or "average"), label, *(f"{value:.3f}" for value in row))
    if len(types) > SHOWN:
        table.caption = f"{SHOWN} of {len(types)} types; --json has them all"
    return table


def _say_rest(table: Table, count: int) -> None:
    if count > SHOWN:
        table.caption = f"{SHOWN} of {count} actions; --json has them all"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)})" if len(names) > SHOWN else "")
