"""Delivers events after their dispatch; in memory for now."""

from isp_plugins.events.memory import MemoryEvents

__all__ = ["MemoryEvents"]
