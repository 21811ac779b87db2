"""What the doctor says: findings, and the report that they make.

1. A finding has a status: `ok`, `warning` (works, but look at it), `problem` (does not work), `unknown` (could not be looked at).
2. Every finding that is not ok says what was expected; every warning and problem says the next step.
3. A report is as bad as its worst finding; what could not be looked at is worse than ok, and better than a warning.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any


class FindingStatus(StrEnum):
    """How one check came out."""

    OK = "ok"
    """As it should be."""
    WARNING = "warning"
    """It works, but needs attention."""
    PROBLEM = "problem"
    """It does not work, or loses something."""
    UNKNOWN = "unknown"
    """It could not be looked at; the finding says why."""


class SubjectKind(StrEnum):
    """What a report is about."""

    INSTALLATION = "installation"
    """The host and what it stands on."""
    PLUGIN = "plugin"
    """One plugin: why it does not load."""
    HOOK = "hook"
    """One hook: why a subscription did not run."""


_SEVERITY = (FindingStatus.OK, FindingStatus.UNKNOWN, FindingStatus.WARNING, FindingStatus.PROBLEM)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer; `subject` names the subscription where a report has several."""

    check: str
    status: FindingStatus
    found: str
    expected: str = ""
    next_step: str = ""
    subject: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "check": self.check,
            "status": self.status.value,
            "found": self.found,
            "expected": self.expected or None,
            "next_step": self.next_step or None,
            "subject": self.subject or None,
        }

    def masked(self, mask: Callable[[str], str]) -> "Finding":
        """The same with every text masked."""
        return replace(
            self, found=mask(self.found), expected=mask(self.expected), next_step=mask(self.next_step)
        )

    def about(self, subject: str) -> "Finding":
        """The same, of one subscription."""
        return replace(self, subject=subject)


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands for a fact that could not be read; `why` is a part of a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """Every finding about one subject."""

    kind: SubjectKind
    name: str
    checked_at: datetime
    findings: tuple[Finding, ...]

    @property
    def status(self) -> FindingStatus:
        """The worst of its findings."""
        return worst(finding.status for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "status": self.status.value,
            "checked_at": self.checked_at,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def worst(statuses: Iterable[FindingStatus]) -> FindingStatus:
    """The worst of some; ok where there are none."""
    return max(statuses, key=_SEVERITY.index, default=FindingStatus.OK)


def ok(check: str, found: str) -> Finding:
    """As it should be."""
    return Finding(check, FindingStatus.OK, found)


def warning(check: str, found: str, *, expected: str, next_step: str) -> Finding:
    """Works, but needs attention."""
    return Finding(check, FindingStatus.WARNING, found, expected, next_step)


def problem(check: str, found: str, *, expected: str, next_step: str) -> Finding:
    """Does not work."""
    return Finding(check, FindingStatus.PROBLEM, found, expected, next_step)


def unknown(check: str, why: str, *, expected: str = "", next_step: str = "") -> Finding:
    """Could not be looked at."""
    return Finding(check, FindingStatus.UNKNOWN, f"not checked: {why}", expected, next_step)
