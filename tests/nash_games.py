"""Games that the tests of Nash equilibria share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from slhf.games.simplex import Array

CYCLE = np.array([[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]])
"""§4.1 of the paper with shares (.4, .35, .25)."""


def matrix(above: Array) -> Array:
    """The preference matrix with these entries above the diagonal."""
    upper = np.triu(above, 1)
    p = upper + np.tril(1.0 - upper.T, -1)
    np.fill_diagonal(p, 0.5)
    return p


@st.composite
def games(draw: st.DrawFn, least: int = 1) -> Array:
    """Games of up to 6 actions; some with many ties, so that several equilibria are common."""
    actions, seed = draw(st.integers(least, 6)), draw(st.integers(0, 2**32 - 1))
    levels = draw(st.sampled_from([None, 2, 4, 10]))
    rng = np.random.default_rng(seed)
    above = rng.random((actions, actions)) if levels is None else rng.integers(0, levels + 1, (actions,) * 2) / levels
    return matrix(above)
