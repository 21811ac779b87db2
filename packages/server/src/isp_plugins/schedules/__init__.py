"""Runs what is due by the clock: each slot once, on one node, however many there are."""

from isp_plugins.schedules.scheduler import Job, Scheduler, Slot

__all__ = ["Job", "Scheduler", "Slot"]
