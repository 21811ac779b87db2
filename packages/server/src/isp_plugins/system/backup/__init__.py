"""Backups: everything of an installation in one folder or file, and an installation from it."""

from isp_plugins.system.backup.making import back_up
from isp_plugins.system.backup.restoring import restore

__all__ = ["back_up", "restore"]
