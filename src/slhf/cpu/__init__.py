"""What a processor needs to be fast: weights in its own order, and memory that is not given back at once."""

from slhf.cpu.memory import keep_freed_memory
from slhf.cpu.packed import pack, packed_linear, packing_works

__all__ = ["keep_freed_memory", "pack", "packed_linear", "packing_works"]
