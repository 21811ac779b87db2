"""What is wrong with gateway, key or configuration is told clearly, in bounded time; checking charges nothing."""

import time
from typing import Any

import pytest


def statuses(plugin: Any) -> dict[str, str]:
    """How each check of the health report ended."""
    return {check["name"]: check["status"] for check in plugin.health()["checks"]}


def test_health_check_asks_the_gateway_with_the_key(plugin: Any, gateway: Any) -> None:
    assert plugin.health()["status"] == "healthy"
    assert statuses(plugin) == {"connection": "pass", "key": "pass", "callbacks": "pass", "payments": "pass"}
    assert plugin.test_connection()["ok"] is True
    assert {request["method"] for request in gateway.requests} == {"GET"}


def test_refused_key_is_told_without_the_key(start: Any, config: Any) -> None:
    plugin = start(config | {"api_key": "sk_live_other"})
    tested = plugin.test_connection()
    assert (tested["ok"], statuses(plugin)["key"]) == (False, "fail")
    assert "refuses the API key (401" in tested["message"]
    assert "sk_live_other" not in str(tested)


def test_gateway_that_is_away_is_unhealthy(start: Any, config: Any) -> None:
    plugin = start(config | {"endpoint": "http://127.0.0.1:9"})
    assert plugin.health()["status"] == "unhealthy"
    assert "cannot be reached" in plugin.test_connection()["message"]


@pytest.mark.parametrize("fault", ["hang", "endless_after"])
def test_gateway_that_hangs_is_told_in_time(start: Any, config: Any, gateway: Any, fault: str) -> None:
    gateway.faults = [fault]
    began = time.monotonic()
    assert start(config | {"timeout": 0.5}).health()["status"] == "unhealthy"
    assert time.monotonic() - began < 3


def test_payment_that_stays_open_degrades_the_plugin(
    start: Any, config: Any, gateway: Any, host: Any
) -> None:
    plugin = start(config | {"timeout": 0.3, "max_retries": 0})
    gateway.faults = ["hang"]
    with pytest.raises(Exception, match="not known"):
        plugin.action("process_payment", {"id": 301, "amount": 5, "currency": "EUR", "token_ref": "pm_1"})
    assert plugin.health()["status"] == "healthy"
    host.storage["open/301"]["at"] -= 4 * 3600
    assert statuses(plugin)["payments"] == "warn"


def test_callback_folder_that_is_away_degrades_the_plugin(start: Any, config: Any) -> None:
    assert statuses(start(config | {"callback_folder": "/nonexistent"}))["callbacks"] == "warn"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"endpoint": "http://api.example.com"}, "the key would be sent unencrypted"),
        ({"endpoint": "https://user:pw@api.example.com"}, "must not hold a login"),
        ({"endpoint": "api.example.com"}, "must be an address like"),
        ({"endpoint": "https://[bad"}, "endpoint is not an address"),
        ({"api_key": "sk with blanks"}, "characters that no key has"),
        ({"api_key": "sk\r\nX-Evil: 1"}, "characters that no key has"),
        ({"currencies": ["XXX"]}, "currencies: currency: expected an ISO 4217 code"),
        ({"ca_file": "/nonexistent.pem"}, "ca_file /nonexistent.pem cannot be read"),
    ],
)
def test_configuration_that_cannot_work_is_refused(
    start: Any, config: Any, change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(Exception, match="cannot be used") as caught:
        start(config | change)
    assert problem in str(caught.value)


def test_untrusted_certificate_is_refused(start: Any, config: Any, gateway: Any) -> None:
    plugin = start(config | {"endpoint": gateway.url.replace("http://", "https://")})
    assert "cannot be reached" in plugin.test_connection()["message"]


def test_key_is_never_logged(plugin: Any, config: Any) -> None:
    plugin.action("process_payment", {"id": 1, "amount": 5, "currency": "EUR", "token_ref": "pm_1"})
    plugin.health()
    assert config["api_key"] not in "".join(plugin.messages)
