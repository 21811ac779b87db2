"""Runs plugins in worker processes, and watches what they use."""
