"""Operators are told of plugins that change their health or are quarantined."""

from collections.abc import Callable
from typing import Any

from isp_plugin_sdk.testing import PluginHarness

QUARANTINED = {
    "plugin": "sms",
    "hook": "customer_created",
    "failures": 5,
    "window": 300,
    "until": "2030-01-01T00:10:00Z",
}
UNHEALTHY = {
    "plugin": "sms",
    "old": "healthy",
    "new": "unhealthy",
    "checks": [{"name": "gateway", "status": "fail", "message": "no answer"}],
}
Start = Callable[..., PluginHarness]


def test_quarantine_is_told_to_the_operators(start: Start, config: dict[str, Any], server: Any) -> None:
    harness = start(config | {"alert_addresses": ["noc@isp.example"]})
    (outcome,) = harness.dispatch("plugin_quarantined", QUARANTINED).outcomes
    assert outcome.value["sent"] is True
    assert server.message["To"] == "noc@isp.example"
    assert server.message["Subject"] == "[Fibre Co] sms: quarantined"
    assert "failed 5 times within 300 s and was quarantined" in server.text()


def test_change_of_health_is_told_with_its_checks(start: Start, config: dict[str, Any], server: Any) -> None:
    harness = start(config | {"alert_addresses": ["noc@isp.example"]})
    harness.dispatch("plugin_health_changed", UNHEALTHY)
    assert server.message["Subject"] == "[Fibre Co] sms: unhealthy"
    assert "changed from healthy to unhealthy" in server.text()
    assert "- gateway: fail (no answer)" in server.text()


def test_nobody_to_alert_is_no_error(start: Start, config: dict[str, Any], server: Any) -> None:
    result = start(config).event("send_operator_alert", QUARANTINED)
    assert result == {"sent": False, "reason": "alert_addresses is empty"}
    assert server.envelopes == []


def test_line_ends_in_a_plugins_name_add_no_header(start: Start, config: dict[str, Any], server: Any) -> None:
    harness = start(config | {"alert_addresses": ["noc@isp.example"]})
    harness.event("send_operator_alert", QUARANTINED | {"plugin": "x\r\nBcc: all@example.org"})
    assert server.message["Bcc"] is None
    assert server.envelopes[0].rcpt_tos == ["noc@isp.example"]
