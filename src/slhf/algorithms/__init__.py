"""One credit rule a file; the trainer is blind to which one it runs."""

from slhf.algorithms.nash_md import NashMD
from slhf.algorithms.online_ipo import OnlineIPO
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

__all__ = ["ALGORITHMS", "RLOO", "SPPO", "Algorithm", "NashMD", "OnlineIPO", "StackelbergGDA"]
