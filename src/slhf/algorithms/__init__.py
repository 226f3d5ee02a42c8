"""One credit rule a file; the trainer is blind to which one it runs."""

from slhf.algorithms.nash_md import NashMD
from slhf.algorithms.online_ipo import OnlineIPO
from slhf.algorithms.pair_dpo import CDPO, DPO, IPO, RDPO, PaperLiteral
from slhf.algorithms.pair_protocol import PairLoss
from slhf.algorithms.pair_sgpo import SGPO, Flip, SGPODual
from slhf.algorithms.pair_spa import SPA
from slhf.algorithms.pairwise import PAIR_LOSSES, pair_loss
from slhf.algorithms.protocol import Algorithm
from slhf.algorithms.rloo import RLOO
from slhf.algorithms.sppo import SPPO
from slhf.algorithms.stackelberg_gda import StackelbergGDA

ALGORITHMS: dict[str, type] = {
    "stackelberg_gda": StackelbergGDA,
    "rloo": RLOO,
    "nash_md": NashMD,
    "online_ipo": OnlineIPO,
    "sppo": SPPO,
}
"""Name in a recipe → algorithm."""

__all__ = [
    "ALGORITHMS",
    "CDPO",
    "DPO",
    "IPO",
    "PAIR_LOSSES",
    "RDPO",
    "RLOO",
    "SGPO",
    "SPA",
    "SPPO",
    "Algorithm",
    "Flip",
    "NashMD",
    "OnlineIPO",
    "PairLoss",
    "PaperLiteral",
    "SGPODual",
    "StackelbergGDA",
    "pair_loss",
]
