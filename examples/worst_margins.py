"""What each preference pair weighs once an adversary may move margins, or flip labels.

DPO gives a pair with margin ξ the weight σ(−ξ): the further the policy is from the label, the more it counts,
and a wrong label counts most of all. SGPO trains against the worst law of margins within a distance ε of the
observed one. That worst law is found exactly here, for 2,000 margins, and its weights are printed by margin.

Run it: python examples/worst_margins.py [figure.svg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.special import expit

from slhf.robust import Adversary, adversary

MARGINS = np.sort(np.random.default_rng(0).normal(0.7, 1.3, 2000).clip(-4.0, 4.0))
SHOWN = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
CASES = {
    "DPO": {"window": (-4.0, 4.0), "epsilon": 0.0},
    "window (−4, 4), ε = .2": {"window": (-4.0, 4.0), "epsilon": 0.2},
    "window (−4, 4), ε = 1": {"window": (-4.0, 4.0), "epsilon": 1.0},
    "no window, ε = 1": {"window": (-np.inf, np.inf), "epsilon": 1.0},
    "5 % of labels flipped": {"window": None, "epsilon": 0.05, "flip_cost": 1.0},
}


def at(worst: Adversary, margin: float) -> float:
    """Return N times the weight of the pair whose margin is nearest."""
    return float(worst.weights[np.abs(MARGINS - margin).argmin()]) * MARGINS.size


def main(figure: str | None) -> None:
    """Print the table, and draw it if a file is named."""
    print(f"{'margin':24}" + "".join(f"{margin:8.1f}" for margin in SHOWN) + "   value   λ*    moved")
    solved = {name: adversary(MARGINS, **settings) for name, settings in CASES.items()}
    for name, worst in solved.items():
        row = "".join(f"{at(worst, margin):8.3f}" for margin in SHOWN)
        print(f"{name:24}{row}   {worst.value:.3f}  {worst.multiplier:.3f}  {worst.moved.mean():6.1%}")
        assert abs(worst.certificate) < 1e-12
    same = np.abs(solved["no window, ε = 1"].weights - expit(-MARGINS) / MARGINS.size).max()
    print(f"Without a window the weights are DPO's (largest difference {same:.0e}); the value is DPO's plus ε.")
    if figure:
        draw(solved, Path(figure))


def draw(solved: dict[str, Adversary], path: Path) -> None:
    """Draw weight against margin, a line a case."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from slhf.reports.pictures import save_figure
    from slhf.reports.style import INK, LITERAL, line_look

    with rc_context(LITERAL):
        picture = Figure(figsize=(8.4, 4.0), layout="constrained")
        axes = picture.subplots()
        for number, (name, worst) in enumerate(solved.items()):
            if name == "no window, ε = 1":  # DPO's line
                continue
            dashes = {"color": INK, "linestyle": "--", "linewidth": 1.2, "zorder": 3}  # on top: it is covered elsewhere
            look = dashes if name == "DPO" else {"color": line_look(number)[0], "linewidth": 2.5}
            axes.plot(MARGINS, worst.weights * MARGINS.size, label=name, **look)
        axes.set(xlabel="margin ξ, nats", ylabel="weight, N times −∂V/∂ξ")
        axes.grid(visible=True)
        picture.legend(loc="outside right upper", frameon=False)
    save_figure(picture, path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
