"""The losses of preference pairs by name."""

from __future__ import annotations

from typing import Any

from slhf.algorithms.pair_dpo import CDPO, DPO, IPO, RDPO, PaperLiteral
from slhf.algorithms.pair_protocol import PairLoss
from slhf.algorithms.pair_sgpo import SGPO, Flip, SGPODual
from slhf.algorithms.pair_spa import SPA
from slhf.errors import InputError, suggestion
from slhf.settings import keywords, required, typed

PAIR_LOSSES: dict[str, type] = {
    "dpo": DPO,
    "cdpo": CDPO,
    "rdpo": RDPO,
    "ipo": IPO,
    "spa": SPA,
    "sgpo": SGPO,
    "sgpo_dual": SGPODual,
    "flip": Flip,
    "paper_literal": PaperLiteral,
}
"""Name in a recipe → loss."""


def pair_loss(name: str, where: str = "loss.", **settings: Any) -> PairLoss:
    """Return a loss by its name.

    >>> pair_loss("dpo", beta=0.05)
    DPO(beta=0.05)

    Args:
        name: a key of ``PAIR_LOSSES``.
        where: the start of every message.
        settings: the loss's own; a setting left out has its default.

    Raises:
        InputError: an unknown name or setting, with a suggestion; a value of the wrong type; or one that makes no
            sense.
    """
    if name not in PAIR_LOSSES:
        raise InputError(
            f"{where}name: there is no loss {name!r}; known: {', '.join(PAIR_LOSSES)}."
            f"{suggestion(str(name), PAIR_LOSSES)}"
        )
    kind = PAIR_LOSSES[name]
    values = typed(settings, keywords(kind), where)
    missing = [word for word in required(kind) if word not in values]
    if missing:
        raise InputError(f"{where}{missing[0]}: {name} needs this setting")
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{where}{error}") from error
