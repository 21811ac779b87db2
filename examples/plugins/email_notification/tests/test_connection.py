"""What goes wrong with the mail server is told clearly, in bounded time, and makes the plugin unhealthy."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from isp_plugin_sdk.testing import PluginHarness

CUSTOMER = {"id": 7, "emails": ["ada@example.org"]}
Start = Callable[..., PluginHarness]


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def statuses(harness: PluginHarness) -> dict[str, str]:
    """How each check of the health report ended."""
    return {check["name"]: check["status"] for check in harness.health()["checks"]}


def trouble(harness: PluginHarness) -> str:
    """What a welcome mail fails with, which the health report and `test_connection` tell as well."""
    with pytest.raises(Exception, match="mail server") as caught:
        harness.action("send_customer_welcome_email", CUSTOMER)
    health, tested = harness.health(), harness.test_connection()
    assert health["status"] == "unhealthy"
    assert health["checks"][-1]["message"] == tested["message"] == str(caught.value)
    assert tested["ok"] is False
    return tested["message"]


def test_health_check_connects_encrypts_and_logs_in(start: Start, config: dict[str, Any]) -> None:
    harness = start(config)
    assert harness.health()["status"] == "healthy"
    assert statuses(harness) == {"connection": "pass", "encryption": "pass", "login": "pass"}
    assert harness.test_connection()["ok"] is True


def test_checking_sends_nothing(start: Start, config: dict[str, Any], server: Any) -> None:
    harness = start(config)
    harness.health()
    harness.test_connection()
    assert server.envelopes == []


def test_wrong_password_is_told_without_the_password(start: Start, config: dict[str, Any]) -> None:
    harness = start(config | {"password": "wrong-secret"})
    message = trouble(harness)
    assert "refuses the login of isp: 535" in message
    assert "wrong-secret" not in message
    assert statuses(harness) == {"connection": "pass", "encryption": "pass", "login": "fail"}


def test_server_that_is_away_is_told(start: Start, config: dict[str, Any], free_port: int) -> None:
    harness = start(config | {"smtp_port": free_port})
    assert "cannot be reached: Connection refused" in trouble(harness)
    assert statuses(harness) == {"connection": "fail"}


def test_server_whose_name_is_unknown_is_told(start: Start, config: dict[str, Any]) -> None:
    assert "its name cannot be resolved" in trouble(start(config | {"smtp_server": "mail.invalid"}))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_server_that_never_answers_is_told_in_time(
    start: Start, config: dict[str, Any], silent: int, security: str
) -> None:
    begun = time.monotonic()
    harness = start(config | {"smtp_port": silent, "security": security, "timeout": 0.5})
    with pytest.raises(Exception, match=r"did not answer in time|timed out"):
        harness.action("send_customer_welcome_email", CUSTOMER)
    assert harness.health()["status"] == "unhealthy"
    assert time.monotonic() - begun < 5


def test_deadline_of_the_dispatch_shortens_the_timeout(
    start: Start, config: dict[str, Any], silent: int
) -> None:
    harness = start(config | {"smtp_port": silent, "timeout": 60}, deadline_s=1.0)
    with pytest.raises(Exception, match="did not answer in time"):
        harness.action("send_customer_welcome_email", CUSTOMER)


def test_untrusted_certificate_is_refused(start: Start, config: dict[str, Any], server: Any) -> None:
    harness = start({key: value for key, value in config.items() if key != "ca_file"})
    assert "its certificate is not trusted" in trouble(harness)
    assert statuses(harness) == {"connection": "pass", "encryption": "fail"}
    assert server.envelopes == []


def test_untrusted_certificate_is_refused_with_tls_from_the_first_byte(
    start: Start, config: dict[str, Any], serve: Any, tls: Any
) -> None:
    server = serve(ssl_context=tls)
    harness = start({**config, "ca_file": "", "security": "tls", "smtp_port": server.port})
    assert "its certificate is not trusted" in trouble(harness)


def test_certificate_for_another_name_is_refused(start: Start, config: dict[str, Any]) -> None:
    assert "its certificate is not trusted (IP address mismatch" in trouble(
        start(config | {"smtp_server": "127.0.0.1"})
    )


def test_authority_of_another_server_does_not_help(
    start: Start, config: dict[str, Any], tmp_path: Any
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    assert "its certificate is not trusted" in trouble(start(config | {"ca_file": str(other)}))


def test_server_without_starttls_gets_neither_login_nor_mail(
    start: Start, config: dict[str, Any], serve: Any
) -> None:
    server = serve()
    message = trouble(start(config | {"smtp_port": server.port}))
    assert "it does not offer STARTTLS" in message
    assert server.envelopes == []


def test_tls_against_a_server_that_begins_in_clear_names_the_way_out(
    start: Start, config: dict[str, Any]
) -> None:
    assert "security must be starttls" in trouble(start(config | {"security": "tls"}))


def test_login_at_a_server_without_one_is_told(
    start: Start, config: dict[str, Any], serve: Any, tls: ssl.SSLContext
) -> None:
    server = serve(tls_context=tls, auth_exclude_mechanism=["LOGIN", "PLAIN"])
    assert "refuses the login" in trouble(start(config | {"smtp_port": server.port}))


def test_unencrypted_relay_on_this_machine_is_healthy(start: Start, serve: Any) -> None:
    server = serve()
    config = {
        "smtp_server": "127.0.0.1",
        "smtp_port": server.port,
        "security": "none",
        "from_address": "a@isp.example",
    }
    assert start(config).health()["status"] == "healthy"
