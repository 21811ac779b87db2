"""Brings plugins up and calls into them, wherever they run."""
