"""A rate with its standard error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.evaluation.bootstrap import clustered_stderr


@dataclass(frozen=True, slots=True)
class Rate:
    """The mean of one value a prompt, and how far it may be off.

    Attributes:
        mean: mean over the prompts.
        stderr: standard error of the mean; NaN for a single prompt, which says nothing of it.
        count: number of prompts.
    """

    mean: float
    stderr: float
    count: int

    def as_dict(self) -> dict[str, float]:
        """Return ``{"mean": …, "stderr": …}``."""
        values = asdict(self)
        return {key: values[key] for key in ("mean", "stderr")}

    def __str__(self) -> str:
        spread = "?" if math.isnan(self.stderr) else f"{self.stderr:.3f}"
        return f"{self.mean:.3f} ± {spread}"


def rate(values: Sequence[float] | NDArray[np.float64], clusters: NDArray[np.intp] | None = None) -> Rate:
    """Average independent values, one a prompt.

        mean = Σ v / n,   stderr = sqrt( Σ (v − mean)² / (n − 1) / n )

    Args:
        values: n values; several samples of one prompt are averaged first, for they are not
            independent.
        clusters: number of each value's prompt, where a prompt may come more than once; the
            standard error is then clustered by prompt, see :func:`slhf.evaluation.clustered_stderr`.

    Returns:
        The mean and its standard error; the latter is NaN at n = 1.

    Raises:
        InputError: there are no values.
    """
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 1 or v.size == 0:
        raise InputError(f"a rate needs one value a prompt and at least one prompt, got shape {v.shape}")
    if clusters is not None:
        return Rate(float(v.mean()), float(clustered_stderr(v, clusters)), len(np.unique(clusters)))
    spread = float(v.std(ddof=1) / math.sqrt(v.size)) if v.size > 1 else math.nan
    return Rate(float(v.mean()), spread, int(v.size))
