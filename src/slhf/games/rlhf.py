"""RLHF in closed form: the policy that maximises a reward, at a price for leaving the reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slhf.errors import InputError
from slhf.games.game import reference
from slhf.games.game import tau as checked_tau
from slhf.games.simplex import Array, reply


def rlhf_policy(rewards: ArrayLike, *, tau: float, ref: ArrayLike | None = None) -> Array:
    """Return the RLHF policy.

        π(y | x) ∝ π_ref(y | x) exp(r(x, y) / τ)

    and for τ = 0 the actions with the largest reward (within 1e-12), uniformly.

    Paper: SLHF Eq. (3).

    Args:
        rewards: r, shape (Y,) or (X, Y), such as :func:`slhf.games.bradley_terry` fits.
        tau: τ ≥ 0, reward per nat.
        ref: π_ref, shape (Y,) or (X, Y); uniform if not given.

    Returns:
        Distributions in the shape of ``rewards``.

    Raises:
        InputError: rewards that are not finite numbers, τ < 0, or a reference that does not fit.

    >>> rlhf_policy([1.0, 0.0], tau=1 / np.log(3))
    array([0.75, 0.25])
    """
    try:
        r = np.asarray(rewards, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"rewards are a table of numbers, all rows equally long: {error}") from None
    if r.ndim not in (1, 2) or 0 in r.shape:
        raise InputError(f"rewards have shape (Y,), or (X, Y) for X prompts; got shape {r.shape}")
    if not np.isfinite(r).all():
        where = [int(k) for k in np.argwhere(~np.isfinite(r))[0]]
        raise InputError(f"rewards{where} is {r[tuple(where)]}; every action needs a finite reward")
    price = checked_tau(tau)
    given = reference(ref, r.shape, "ref", price)
    with np.errstate(divide="ignore"):
        return reply(r, given, np.log(given), price)[0]
