"""One credit rule a file; the trainer is blind to which one it runs."""

from slhf.algorithms.protocol import Algorithm
from slhf.algorithms.stackelberg_gda import StackelbergGDA

__all__ = ["Algorithm", "StackelbergGDA"]
