"""The part of a page on personal taste: how many clicks until a user's top answer appears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from slhf.evaluation.bootstrap import Estimate, Estimates
from slhf.evaluation.taste_tally import Tally
from slhf.reports.page import Part
from slhf.reports.pictures import Picture
from slhf.reports.style import LITERAL, line_look
from slhf.reports.templates import Html, fill

NOTE = (
    "Simulated users of each annotator's taste click until they see an answer at the top of it. A click shows one "
    "answer or asks one comparison; who has seen no such answer after {limit} clicks counts {more}. Mean ± one "
    "standard error, clustered by session; the bands are 95 % intervals."
)


def taste_part(tally: Tally) -> Part:
    """Return the figure and the tables of simulated users' clicks.

    Args:
        tally: every method's clicks.
    """
    names = list(tally.places)
    figure = taste_figure({name: tally.content(name) for name in names})
    title = "Users who have seen an answer at the top of their taste, by the number of clicks"
    everybody = [[str_of(tally.mean(name)), *_by_click(tally.content(name))] for name in names]
    by = [f"content by {n}" for n in _shown(tally.limit)]
    each = [[str_of(tally.mean(name, user=k)) for k in range(len(tally.annotators))] for name in names]
    along = [[str_of(tally.mean(name, place=place)) for place in range(tally.length)] for name in names]
    places = [f"prompt {n + 1}" for n in range(tally.length)]
    fewer = [[str_of(tally.difference(a, b)) if a != b else "–" for b in names] for a in names]
    blocks = [
        Picture("taste", title, figure),
        _table("", names, ["clicks", *by], everybody, "Clicks, and the share of users who are content by then"),
        _table("", names, names, fewer, "Clicks of the row less those of the column, user by user"),
        _table("", names, tally.annotators, each, "Clicks of the users of each annotator"),
        _table("", names, places, along, "Clicks by the prompt's place in the session"),
    ]
    return Part("Personal taste", blocks, NOTE.format(limit=tally.limit, more=tally.limit + 1))


def taste_figure(content: Mapping[str, Estimates]) -> Figure:
    """Draw the share of users with a top answer against clicks, a line with its interval a method.

    Args:
        content: by the method's name, for n = 1 … N.
    """
    with rc_context(LITERAL):
        figure = Figure(figsize=(8.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for number, (name, rates) in enumerate(content.items()):
            colour, marker = line_look(number)
            at = np.arange(1, len(rates.mean) + 1)
            axes.fill_between(at, rates.low, rates.high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(at, rates.mean, color=colour, marker=marker, markersize=5, linewidth=1.8, label=name)
        axes.set_ylim(0.0, 1.0)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("clicks")
        axes.set_ylabel("users who have seen a top answer")
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        figure.legend(loc="outside right upper", frameon=False)
        return figure


def str_of(found: Estimate) -> str:
    """Return a number of clicks with its standard error."""
    return f"{found.mean:.2f} ± {found.stderr:.2f}".replace("-", "−")


def _by_click(content: Estimates) -> list[str]:
    return [f"{100 * content.mean[n - 1]:.0f} %" for n in _shown(len(content.mean))]


def _shown(limit: int) -> list[int]:
    return sorted({n for n in (1, 2, 3, 6, limit) if n <= limit})


def _table(
    corner: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[str]], caption: str
) -> Html:
    return fill(
        "numbers.html", caption=caption, corner=corner, columns=columns, rows=list(zip(rows, cells, strict=True))
    )
