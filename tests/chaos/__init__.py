"""Faults made to happen against a running stack, and the proof that nothing was lost, doubled or mixed up."""
