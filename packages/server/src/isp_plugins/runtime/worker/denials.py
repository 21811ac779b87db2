"""Denials on this node: counted for the metric, and told to the audit trail, which sums them up by minute."""

from collections import Counter

from isp_plugins.audit import AuditLog
from isp_plugins.contracts.grants import Denial


class Denials:
    """Takes every denial of every worker; to be called on the event loop."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self.counts: Counter[tuple[str, str]] = Counter()
        """By plugin and kind, since the process began."""

    def add(self, plugin_id: int, plugin_name: str, denial: Denial) -> None:
        """One more."""
        self.counts[plugin_name, denial.kind.value] += 1
        self._audit.count_denied((plugin_id, plugin_name), denial.kind.value, denial.what, denial.grant)
