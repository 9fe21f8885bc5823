"""Many, slow and greedy clients."""

FAULTS: list = []
