"""A configuration that cannot work is refused when it is set, and the one before stays in force."""

from collections.abc import Callable
from typing import Any

import pytest

from isp_plugin_sdk.schema import mistakes_in, to_json_schema
from isp_plugin_sdk.testing import ConfigurationError, PluginHarness

CONFIG = {"smtp_server": "mail.isp.example", "from_address": "hello@isp.example"}
Start = Callable[..., PluginHarness]


def test_schema_has_no_mistakes_and_the_specifications_default(registration: dict[str, Any]) -> None:
    assert mistakes_in(registration["config_schema"]) == []
    fields = to_json_schema(registration["config_schema"])["properties"]
    assert fields["smtp_port"]["default"] == 587
    assert [key for key, field in fields.items() if field.get("encrypted")] == ["password"]


def test_plugin_starts_with_the_least_configuration_and_no_server(start: Start) -> None:
    assert start(CONFIG).messages == ["Sending mail through mail.isp.example:587"]


@pytest.mark.parametrize(
    "changes", [{"smtp_port": 0}, {"security": "ssl"}, {"timeout": 0}, {"smtp_server": ""}, {"unknown": 1}]
)
def test_value_that_the_schema_refuses_never_reaches_the_plugin(
    start: Start, changes: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        start(CONFIG | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"username": "isp"}, "password is missing"),
        ({"password": "p"}, "username is missing"),
        ({"username": "isp", "password": "p", "security": "none"}, "the password would be sent unencrypted"),
        ({"from_address": "a@b.example\r\nBcc: x@y.example"}, "is not an e-mail address"),
        ({"from_address": "nobody"}, "is not an e-mail address"),
        ({"reply_to": "a b@isp.example"}, "is not an e-mail address"),
        ({"alert_addresses": ["noc@isp.example", "x"]}, "is not an e-mail address"),
        ({"templates": {"welcome_text": "{% if %}"}}, "template welcome_text cannot be used: line 1"),
        (
            {"templates": {"welcome_text": "{{ custmer.name }}"}},
            "it uses custmer; there are company, customer, portal_url",
        ),
    ],
)
def test_values_that_do_not_fit_together_are_refused(
    start: Start, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        start(CONFIG | changes)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_login_may_be_unencrypted_on_this_machine(start: Start, host: str) -> None:
    harness = start(CONFIG | {"smtp_server": host, "username": "isp", "password": "p", "security": "none"})
    assert harness.plugin.config["security"] == "none"


def test_new_configuration_takes_effect_while_running(
    start: Start, config: dict[str, Any], server: Any
) -> None:
    harness = start(CONFIG)
    harness.configure(config)
    harness.action("send_customer_welcome_email", {"id": 1, "emails": ["ada@example.org"]})
    assert len(server.envelopes) == 1


def test_refused_configuration_leaves_the_old_one_in_force(
    start: Start, config: dict[str, Any], server: Any
) -> None:
    harness = start(config)
    with pytest.raises(Exception, match="line 1"):
        harness.configure(config | {"smtp_server": "mail.invalid", "templates": {"welcome_text": "{{"}})
    harness.action("send_customer_welcome_email", {"id": 1, "emails": ["ada@example.org"]})
    assert len(server.envelopes) == 1


@pytest.mark.parametrize(
    "source",
    [
        "{{ customer.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ customer.update({'a': 1}) }}",
    ],
)
def test_template_cannot_leave_its_sandbox(
    start: Start, config: dict[str, Any], server: Any, source: str
) -> None:
    harness = start(config | {"templates": {"welcome_text": source}})
    with pytest.raises(Exception, match="welcome_text cannot be used: SecurityError"):
        harness.action("send_customer_welcome_email", {"id": 1, "emails": ["ada@example.org"]})
    assert server.envelopes == []
