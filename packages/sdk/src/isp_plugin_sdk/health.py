"""A health report: its shape, helpers that build one, and the check of one that a plugin built itself.

The shape is the specification's: `{"status": "healthy", "checks": [{"name": ..., "status": "pass", "message": ...}]}`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypedDict


class HealthStatus(StrEnum):
    """How well a plugin does."""

    HEALTHY = "healthy"
    """All checks pass."""
    DEGRADED = "degraded"
    """It works, but something needs attention."""
    UNHEALTHY = "unhealthy"
    """It does not do its work."""


class CheckStatus(StrEnum):
    """How one check ended."""

    PASS = "pass"  # noqa: S105  the specification's word, not a password
    """What was checked is well."""
    WARN = "warn"
    """It works, but something needs attention."""
    FAIL = "fail"
    """It does not work."""


class Check(TypedDict):
    """One check of a report."""

    name: str
    status: str
    message: str


class HealthReport(TypedDict):
    """What `health_check` returns."""

    status: str
    checks: list[Check]


def passed(name: str, message: str = "") -> Check:
    """A check that is well."""
    return {"name": name, "status": CheckStatus.PASS.value, "message": message}


def warned(name: str, message: str) -> Check:
    """A check that needs attention."""
    return {"name": name, "status": CheckStatus.WARN.value, "message": message}


def failed(name: str, message: str) -> Check:
    """A check that does not work."""
    return {"name": name, "status": CheckStatus.FAIL.value, "message": message}


def report(*checks: Check) -> HealthReport:
    """The report of some checks: unhealthy where one failed, degraded where one warned, else healthy."""
    found = {check["status"] for check in checks}
    if CheckStatus.FAIL in found:
        status = HealthStatus.UNHEALTHY
    elif CheckStatus.WARN in found:
        status = HealthStatus.DEGRADED
    else:
        status = HealthStatus.HEALTHY
    return {"status": status.value, "checks": list(checks)}


def mistakes_in_report(value: Any) -> list[str]:
    """Everything that is not as it should be in what a `health_check` returned; empty for a good report."""
    if not isinstance(value, Mapping):
        return [f"expected a dict with status and checks, got {type(value).__name__}"]
    mistakes = []
    if value.get("status") not in list(HealthStatus):
        mistakes.append(f"status: expected one of {', '.join(HealthStatus)}, got {value.get('status')!r}")
    checks = value.get("checks", [])
    if not isinstance(checks, (list, tuple)):
        return [*mistakes, f"checks: expected a list, got {type(checks).__name__}"]
    for index, check in enumerate(checks):
        mistakes += [f"checks[{index}]{mistake}" for mistake in _mistakes_in_check(check)]
    return mistakes


def _mistakes_in_check(check: Any) -> list[str]:
    """What is wrong with one check."""
    if not isinstance(check, Mapping):
        return [f": expected a dict with name, status and message, got {type(check).__name__}"]
    mistakes = []
    if not isinstance(check.get("name"), str) or not check["name"]:
        mistakes.append(f".name: expected text, got {check.get('name')!r}")
    if check.get("status") not in list(CheckStatus):
        mistakes.append(f".status: expected one of {', '.join(CheckStatus)}, got {check.get('status')!r}")
    if not isinstance(check.get("message", ""), str):
        mistakes.append(f".message: expected text, got {check.get('message')!r}")
    return mistakes
