"""The base class: its defaults, and what a host hands over."""

import logging
import sys
import types
from typing import Any

import pytest

from isp_plugin_sdk import PluginContext, PluginInterface
from isp_plugin_sdk.errors import NoHostError
from isp_plugin_sdk.plugin import building, defines


class Documented(PluginInterface):
    """Sends text
    messages.

    Details.
    """

    def activate(self) -> None: ...


def test_defaults_of_a_plugin_that_defines_nothing() -> None:
    plugin = Documented(3, {"a": 1})
    assert (plugin.plugin_id, plugin.config) == (3, {"a": 1})
    assert plugin.initialize() is True
    assert plugin.cleanup() is True
    assert plugin.get_info() == {
        "name": "Documented",
        "version": "unknown",
        "status": "active",
        "description": "Sends text messages.",
    }


def test_version_is_that_of_the_package_around_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("mailer")
    package.__version__ = "2.1.0"  # type: ignore[attr-defined]  # set as a package does
    monkeypatch.setitem(sys.modules, "mailer", package)
    plugin_class = type("Mailer", (PluginInterface,), {"__module__": "mailer.plugin"})
    assert plugin_class(1, {}).get_info()["version"] == "2.1.0"


def test_default_health_check_says_that_it_is_the_default() -> None:
    health: Any = Documented(1, {}).health_check()
    assert health["status"] == "healthy"
    assert "no health check of its own" in health["checks"][0]["message"]


def test_plugin_picks_up_what_the_host_hands_over() -> None:
    context, logger = PluginContext("sms"), logging.getLogger("sms")
    with building(context, logger):
        plugin = Documented(1, {})
    assert (plugin.context, plugin.logger) == (context, logger)


def test_what_the_host_handed_over_ends_with_the_block() -> None:
    with building(PluginContext("sms"), logging.getLogger("sms")):
        pass
    assert Documented(1, {}).context.plugin_name == "Documented"


def test_plugin_without_a_host_says_so_when_it_needs_one() -> None:
    with pytest.raises(NoHostError, match="PluginHarness"):
        Documented(1, {}).context.get("key")


@pytest.mark.parametrize(
    ("method", "there"), [("activate", True), ("configure", False), ("health_check", False)]
)
def test_host_can_tell_what_a_plugin_defines_itself(method: str, there: bool) -> None:
    assert defines(Documented(1, {}), method) is there
    assert defines(Documented, method) is there
