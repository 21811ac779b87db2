"""What a plugin says about itself, checked for its shape: health, information, connection test.

1. A health report is `{status, checks: [{name, status, message}]}`; no checks and an empty message are left out by many, and filled in.
2. A malformed report is an unhealthy one that says what is wrong with it, marked as no answer.
3. A connection test tells `{ok, message, ...}`; a bare True or False will do.
"""

from collections.abc import Mapping
from typing import Any

from isp_plugin_sdk.errors import NotJsonError
from isp_plugin_sdk.health import failed, mistakes_in_report
from isp_plugin_sdk.health import report as report_of
from isp_plugin_sdk.values import json_copy


class MalformedError(ValueError):
    """Something else came than the plugin should have returned; the text says what."""


def health(value: Any) -> dict[str, Any]:
    """A complete health report from what `health_check` returned."""
    try:
        report = _object(value)
    except MalformedError as error:
        return unhealthy(f"health_check {error}")
    mistakes = mistakes_in_report(report)
    if mistakes:
        return unhealthy(f"health_check returned a malformed report: {'; '.join(mistakes)}")
    report.pop("answered", None)  # the host's own mark
    return {**report, "checks": [{"message": "", **check} for check in report.get("checks", [])]}


def unhealthy(reason: str) -> dict[str, Any]:
    """The report of a plugin whose health check does not work: `answered` is false."""
    return {**report_of(failed("health_check", reason)), "answered": False}


def info(value: Any) -> dict[str, Any]:
    """What `get_info` returned, which must be a JSON object; raises `MalformedError`."""
    return _object(value)


def connection(value: Any) -> dict[str, Any]:
    """What `test_connection` found."""
    if isinstance(value, bool):
        return {"ok": value, "message": ""}
    try:
        result = _object(value)
    except MalformedError as error:
        return {"ok": False, "message": f"test_connection {error}"}
    if not isinstance(result.get("ok"), bool):
        return {**result, "ok": False, "message": "test_connection returned no `ok` that is True or False"}
    return {"message": "", **result}


def misfit(error: NotJsonError) -> str:
    """Where in a value JSON cannot hold it, and what is there."""
    fields = error.fields
    return f"at {fields['path'] or 'its top'}: expected {fields['expected']}, got {fields['got']}"


def _object(value: Any) -> dict[str, Any]:
    """A private copy of a JSON object."""
    if not isinstance(value, Mapping):
        raise MalformedError(f"returned {type(value).__name__}, expected a dict")
    try:
        copy: dict[str, Any] = json_copy(dict(value), "the result")
    except NotJsonError as error:
        raise MalformedError(f"returned what is not JSON, {misfit(error)}") from None
    return copy
