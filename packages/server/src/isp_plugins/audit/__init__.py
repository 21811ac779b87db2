"""The audit trail: who did what, in a chain that shows if anybody changed it."""

from isp_plugins.audit.errors import AuditDetailError
from isp_plugins.audit.log import AuditLog
from isp_plugins.audit.pages import AuditEntryView, AuditFilters
from isp_plugins.audit.tags import AuditOutcome, AuditTag
from isp_plugins.audit.verification import Finding, FindingKind, VerificationReport

__all__ = [
    "AuditDetailError",
    "AuditEntryView",
    "AuditFilters",
    "AuditLog",
    "AuditOutcome",
    "AuditTag",
    "Finding",
    "FindingKind",
    "VerificationReport",
]
