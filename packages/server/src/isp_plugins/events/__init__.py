"""Delivers events after their dispatch: durably, at least once, in order for each key."""

from isp_plugins.events.service import DurableEvents

__all__ = ["DurableEvents"]
