"""The Python blocks of the specification run as they stand: the copy in docs/ is the contract, this is its proof."""

import re
from pathlib import Path
from typing import Any

import pytest

from isp_plugin_sdk.plugin import PluginInterface
from isp_plugin_sdk.schema import mistakes_in, to_json_schema
from isp_plugin_sdk.testing import PluginHarness, Registration

SPECIFICATION = Path(__file__).parents[2] / "docs" / "specification.md"
HEADING_OR_BLOCK = re.compile(
    r"^(?:#{2,4} (?P<heading>[^\n]+)|```python\n(?P<code>.*?)^```)$", re.MULTILINE | re.DOTALL
)
CUSTOMER = {"id": 7, "name": "Ana"}


def blocks() -> list[tuple[str, str]]:
    """Every Python block with the heading above it."""
    heading, found = "", []
    for match in HEADING_OR_BLOCK.finditer(SPECIFICATION.read_text("utf-8")):
        if match["code"] is None:
            heading = match["heading"]
        else:
            found.append((heading, match["code"]))
    return found


@pytest.fixture(scope="module")
def namespace() -> dict[str, Any]:
    """What the blocks define, run in order in one namespace: the first brings the import line that the examples leave out."""
    names: dict[str, Any] = {"__name__": "specification"}
    for heading, code in blocks():
        exec(compile(code, f"specification.md, {heading}", "exec", dont_inherit=True), names)
    return names


def test_specification_has_the_seven_python_blocks() -> None:
    headings = [heading for heading, _ in blocks()]
    assert headings == [
        "Creating a Plugin",
        "Creating a Plugin",
        "Hook System",
        "Configuration Management",
        "Email Notification Plugin",
        "Payment Gateway Plugin",
        "Network Monitoring Plugin",
    ]


def test_import_line_of_the_specification_gives_the_sdk_base(namespace: dict[str, Any]) -> None:
    assert namespace["PluginInterface"] is PluginInterface


def test_custom_plugin_runs_unchanged(namespace: dict[str, Any]) -> None:
    with PluginHarness(namespace["MyCustomPlugin"], {"my_setting": "x"}) as harness:
        assert harness.plugin.my_setting == "x"
        assert harness.info()["name"] == "My Custom Plugin"
        assert [check["name"] for check in harness.health()["checks"]] == ["configuration", "connectivity"]
        assert harness.messages == ["Plugin initialized successfully"]
    assert harness.messages[-1] == "Plugin cleaned up successfully"


def test_custom_plugin_answers_the_hook_that_the_specification_registers(namespace: dict[str, Any]) -> None:
    registration = namespace["plugin_data"] | {"hooks": [namespace["hook_data"]]}
    with harness_of(registration, namespace) as harness:
        result = harness.dispatch("customer_created", CUSTOMER)
    assert [(one.status, one.value) for one in result.outcomes] == [
        ("ok", {"processed": True, "customer_id": 7})
    ]


def test_default_of_the_registered_schema_reaches_the_plugin(namespace: dict[str, Any]) -> None:
    with harness_of(namespace["plugin_data"], namespace) as harness:
        assert harness.plugin.my_setting == "default_value"


def test_configuration_schema_of_the_specification_is_translated(namespace: dict[str, Any]) -> None:
    schema = to_json_schema(namespace["config_schema"])
    assert schema["required"] == ["api_key"]
    assert schema["properties"]["api_key"]["encrypted"] is True
    assert schema["properties"]["timeout"] == {
        "type": "number",
        "default": 30,
        "description": "Request timeout in seconds",
    }
    assert mistakes_in(namespace["plugin_data"]["config_schema"]) == []


def test_email_plugin_runs_unchanged(namespace: dict[str, Any]) -> None:
    config = {"smtp_server": "mail.example", "username": "u", "password": "p"}
    with PluginHarness(namespace["EmailNotificationPlugin"], config) as harness:
        assert harness.plugin.smtp_port == 587
        assert harness.action("send_customer_welcome_email", CUSTOMER) == {
            "sent": True,
            "message_id": "12345",
        }


def test_payment_plugin_runs_unchanged(namespace: dict[str, Any]) -> None:
    with PluginHarness(
        namespace["PaymentGatewayPlugin"], {"api_key": "k", "endpoint": "https://pay.example"}
    ) as harness:
        assert harness.call("process_payment", {"amount": 100}) == {
            "success": True,
            "transaction_id": "txn_12345",
        }


def test_network_plugin_runs_once_it_has_the_method_left_to_the_reader(namespace: dict[str, Any]) -> None:
    class Monitoring(namespace["NetworkMonitoringPlugin"]):
        started = False

        def start_monitoring(self) -> None:
            self.started = True

    with PluginHarness(Monitoring, {}) as harness:
        assert harness.plugin.started
        assert harness.plugin.monitoring_interval == 60
        assert harness.call("check_device_status", {"id": 1}) == {"status": "online", "response_time": 15}


@pytest.mark.parametrize("name", ["EmailNotificationPlugin", "PaymentGatewayPlugin"])
def test_example_that_defines_little_has_sensible_defaults(namespace: dict[str, Any], name: str) -> None:
    with PluginHarness(namespace[name], {}) as harness:
        assert harness.health()["status"] == "healthy"
        assert harness.info()["name"] == name


def harness_of(registration: dict[str, Any], namespace: dict[str, Any]) -> PluginHarness:
    """A harness for a registration whose class is in the namespace, not in a file."""
    hooks = Registration.hooks_of(registration)
    plugin_class = namespace[registration["entry_point"]]
    return PluginHarness(plugin_class, schema=registration["config_schema"], hooks=hooks)
