"""The doctor: says of an installation, a plugin or a hook what was found, what was expected, and what to do next.

Checks are pure functions over facts (`disk`, `keys`, `host`, `plugin_checks`, `hook_checks`); gatherers (`gather_*`, `kernel`, `code`) read
the facts and never call a plugin, but for its health check when that is asked for.
"""

from isp_plugins.lifecycle.doctor.doctor import Doctor
from isp_plugins.lifecycle.doctor.findings import Finding, FindingStatus, Report

__all__ = ["Doctor", "Finding", "FindingStatus", "Report"]
