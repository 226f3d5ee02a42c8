"""Side-by-side timings of one optimiser step, each contender in a process of its own."""
