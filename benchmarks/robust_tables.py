"""From timed cells of the adversary to tables and a curve."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.robust_cells import EPSILON, FLIP_COST, PIECES, PROMPT, RESPONSE, WINDOW

Cell = dict[str, Any]


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of a results file."""
    about, versions = results["machine"], results["machine"]["versions"]
    cells: list[Cell] = results["cells"]
    lines = [
        f"# {results['name']}, {results['date']}",
        "",
        f"{about['cpu']}, {about['cores']} cores, one thread, load {about['load']:.1f} at the start: others use the "
        f"machine too. Python {versions['python']}, NumPy {versions['numpy']}, SciPy {versions['scipy']}.",
        "",
        f"Margins from N(½, 1.5²), window ({WINDOW[0]:g}, {WINDOW[1]:g}), ε = {EPSILON:g}, flips at {FLIP_COST:g}. "
        f"{results['repeats']} repeats in one fresh process a row: best processor time (median).",
        "",
        "## NumPy: value, multiplier, all weights, certificate",
        "",
        "| margins | flips | by sorting, ms | by selection, ms | largest certificate |",
        "|---|---|---|---|---|",
    ]
    exact = {(c["size"], c["flips"], c["method"]): c for c in cells if c["what"] == "exact"}
    for size, flips in dict.fromkeys((size, flips) for size, flips, _ in exact):
        pair = [exact[size, flips, method] for method in ("sort", "select")]
        worst = max(one["certificate"] for one in pair)
        lines.append(f"| {size:,} | {_yes(flips)} | {_ms(pair[0])} | {_ms(pair[1])} | {worst:.1e} |")
    lines += [
        "",
        "## Tensors: forward and backward, float32",
        "",
        "| margins | flips | device | ms |",
        "|---|---|---|---|",
    ]
    for one in (c for c in cells if c["what"] == "tensors"):
        time = f"not run: {one['not_run']}" if "not_run" in one else _ms(one)
        lines.append(f"| {one['size']:,} | {_yes(one['flips'])} | {one['device']} | {time} |")
    lines += _programme([c for c in cells if c["what"] == "programme"], exact)
    lines += _steps([c for c in cells if c["what"] == "step"])
    return "\n".join(lines) + "\n"


def _programme(cells: Sequence[Cell], exact: dict[Any, Cell]) -> list[str]:
    lines = [
        "",
        f"## The linear programme: {PIECES} tangents a pair, HiGHS, solved once",
        "",
        "| margins | solver | programme, s | the same loss here, ms | times faster | values apart "
        "| the smooth loss here, ms | times faster |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in cells:
        smooth = exact.get((one["size"], False, "sort"))
        beside = f"{_ms(smooth)} | {one['cpu'][0] / min(smooth['cpu']):,.0f}" if smooth else "– | –"
        lines.append(
            f"| {one['size']:,} | {one['solver']} | {one['cpu'][0]:.2f} | {_ms(one['ours'])} "
            f"| {one['cpu'][0] / min(one['ours']['cpu']):,.0f} | {one['apart']:.1e} | {beside} |"
        )
    return lines


def _steps(cells: Sequence[Cell]) -> list[str]:
    lines = [
        "",
        f"## Share of a training step: plain DPO, {PROMPT} + {RESPONSE} tokens, everything trained",
        "",
        "| model | pairs | forward and backward, s | the adversary, ms | share |",
        "|---|---|---|---|---|",
    ]
    for one in cells:
        train, weigh = min(one["train"]["cpu"]), min(one["weigh"]["cpu"])
        lines.append(
            f"| {one['size']} | {one['pairs']} | {train:.2f} | {_ms(one['weigh'])} | {100 * weigh / train:.2f} % |"
        )
    return lines


def _ms(one: Cell) -> str:
    best, middle = 1e3 * min(one["cpu"]), 1e3 * statistics.median(one["cpu"])
    return f"{best:.3g} ({middle:.3g})"


def _yes(flips: bool) -> str:
    return "yes" if flips else "no"


def save_curve(results: dict[str, Any], path: Path) -> None:
    """Draw processor time against the number of margins, both axes logarithmic."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from slhf.reports.pictures import save_figure
    from slhf.reports.style import LITERAL, line_look

    curves: dict[str, list[tuple[int, float]]] = {}
    names = {("sort", False): "exact, sorting", ("select", False): "exact, selection", ("select", True): "with flips"}
    for one in results["cells"]:
        if one["what"] == "exact" and (one["method"], one["flips"]) in names:
            name = names[one["method"], one["flips"]]
        elif one["what"] == "tensors" and "not_run" not in one and not one["flips"]:
            name = f"tensors, {one['device']}, with backward"
        elif one["what"] == "programme":
            name = "linear programme, HiGHS"
        else:
            continue
        curves.setdefault(name, []).append((one["size"], min(one["cpu"])))
    with rc_context(LITERAL):
        figure = Figure(figsize=(8.4, 4.2), layout="constrained")
        axes = figure.subplots()
        for number, (name, points) in enumerate(curves.items()):
            colour, marker = line_look(number)
            axes.plot(*zip(*sorted(points), strict=True), color=colour, marker=marker, label=name)
        axes.set(xscale="log", yscale="log", xlabel="margins", ylabel="seconds, one thread")
        axes.grid(visible=True)
        figure.legend(loc="outside right upper", frameon=False)
    save_figure(figure, path)
