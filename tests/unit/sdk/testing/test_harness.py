"""The harness plays the host: it calls as the engine does, and fails a test where a plugin breaks a rule."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from isp_plugin_sdk import PluginInterface, Reject, action, event, filter  # noqa: A004  the SDK's own word
from isp_plugin_sdk.testing import (
    BindingError,
    ConfigurationError,
    ConfigureError,
    ConstructionError,
    DeadlineExceededError,
    FakeHost,
    HealthReportError,
    InitializeError,
    LoopBlockedError,
    MethodError,
    NotStartedError,
    PayloadMutatedError,
    PluginHarness,
    ReturnValueError,
)


class Sample(PluginInterface):
    """A plugin that does a bit of everything."""

    released = threading.Event()

    def initialize(self) -> bool:
        self.logger.info("hello from %s", self.context.plugin_name)
        self.where = ""
        return True

    async def activate(self) -> None:
        await self.context.aio.set("activated", True)

    def cleanup(self) -> bool:
        self.context.set("cleaned", True)
        return True

    def configure(self, config: dict[str, Any]) -> bool:
        return config.get("limit", 0) >= 0

    @action("customer_created")
    def count(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.where = threading.current_thread().name
        self.context.set("count", self.context.get("count", 0) + 1)
        return {"request": self.context.request_id is not None, "hook": self.context.hook}

    @action("customer_updated")
    async def forward(self, payload: dict[str, Any]) -> str:
        self.where = threading.current_thread().name
        result = await self.context.aio.dispatch("ticket_created", {"customer_id": payload["id"]})
        return str(result["status"])

    @filter("customer_before_create", priority=2)
    def upper(self, value: dict[str, Any]) -> dict[str, Any]:
        value["draft"]["name"] = value["draft"]["name"].upper()
        return value

    @filter("customer_before_create", priority=1)
    def refuse(self, value: dict[str, Any]) -> None:
        if value["draft"]["name"] == "evil":
            raise Reject("deny list")

    @event("customer_before_create", priority=1)
    def note(self, payload: dict[str, Any]) -> None:
        self.logger.info("saw %s", payload["draft"]["name"])

    @action("stock_low", timeout_ms=50)
    async def hang(self, payload: Any) -> None:
        await asyncio.Event().wait()

    async def block(self, released: Any) -> None:
        Sample.released.wait()

    def mutate(self, payload: dict[str, Any]) -> None:
        payload["tags"][0] = "changed"

    def wrong_value(self, payload: Any) -> Any:
        return {payload}

    def two(self, one: Any, other: Any) -> Any:
        return [one, other]


def test_lifecycle_is_that_of_a_host() -> None:
    host = FakeHost()
    with PluginHarness(Sample, name="sample", host=host) as harness:
        assert harness.messages == ["hello from sample"]
        assert host.storage == {"activated": True}
    assert host.storage["cleaned"] is True


def test_plain_method_runs_in_a_thread_and_may_block() -> None:
    with PluginHarness(Sample) as harness:
        assert harness.action("count", {"id": 1}, hook="customer_created") == {
            "request": True,
            "hook": "customer_created",
        }
        assert harness.plugin.where == "isp-plugin-count"
        assert harness.host.storage["count"] == 1


def test_coroutine_method_runs_on_the_hosts_loop() -> None:
    with PluginHarness(Sample, name="sample") as harness:
        assert harness.action("forward", {"id": 1}) == "completed"
        assert harness.plugin.where == "isp-plugin-harness"
        (record,) = harness.host.dispatches
    assert (record.hook, record.payload, record.chain) == ("ticket_created", {"customer_id": 1}, ("sample",))


def test_action_that_changes_its_payload_fails_the_test() -> None:
    with (
        PluginHarness(Sample) as harness,
        pytest.raises(PayloadMutatedError, match=r"`tags\.0` from 'a' to 'changed'"),
    ):
        harness.action("mutate", {"tags": ["a"]})


def test_filter_works_on_a_copy() -> None:
    value = {"draft": {"name": "ana"}}
    with PluginHarness(Sample) as harness:
        assert harness.filter("upper", value) == {"draft": {"name": "ANA"}}
    assert value == {"draft": {"name": "ana"}}


def test_filter_that_returns_none_keeps_the_value() -> None:
    with PluginHarness(Sample) as harness:
        assert harness.filter("refuse", {"draft": {"name": "ana"}}) == {"draft": {"name": "ana"}}


def test_dispatch_runs_subscriptions_in_order_and_events_last() -> None:
    with PluginHarness(Sample) as harness:
        result = harness.dispatch("customer_before_create", {"draft": {"name": "ana"}})
        assert harness.messages[-1] == "saw ANA"
    assert [one.method for one in result.outcomes] == ["refuse", "upper", "note"]
    assert result.value == {"draft": {"name": "ANA"}}


def test_reject_ends_a_dispatch_that_allows_a_veto() -> None:
    with PluginHarness(Sample) as harness:
        result = harness.dispatch("customer_before_create", {"draft": {"name": "evil"}})
    assert (result.status, result.reason) == ("rejected", "deny list")
    assert [one.status for one in result.outcomes] == ["rejected"]


def test_reject_without_a_veto_is_an_error_like_any_other() -> None:
    with PluginHarness(Sample) as harness:
        result = harness.dispatch("customer_before_create", {"draft": {"name": "evil"}}, veto=False)
    assert result.status == "completed"
    assert [one.status for one in result.outcomes] == ["error", "ok", "ok"]


def test_call_that_hangs_fails_the_test_within_its_own_timeout() -> None:
    with PluginHarness(Sample) as harness, pytest.raises(DeadlineExceededError, match=r"hang had 0\.05 s"):
        harness.dispatch("stock_low", {})


def test_coroutine_method_that_blocks_the_loop_is_found_out() -> None:
    harness = PluginHarness(Sample, deadline_s=0.2)
    harness.start()
    try:
        with pytest.raises(DeadlineExceededError):
            harness.action("block", {})
        with pytest.raises(LoopBlockedError, match="await instead of blocking"):
            harness._runner.close()
    finally:
        Sample.released.set()
        harness.stop()


def test_error_of_a_method_reaches_the_test_as_it_is() -> None:
    with PluginHarness(Sample) as harness, pytest.raises(KeyError, match="id"):
        harness.action("forward", {})


def test_result_that_is_no_json_value_fails_the_test() -> None:
    with PluginHarness(Sample) as harness, pytest.raises(ReturnValueError, match="got set"):
        harness.action("wrong_value", 1)


def test_call_takes_arguments_as_execute_does() -> None:
    with PluginHarness(Sample) as harness:
        assert harness.call("two", 1, other=2) == [1, 2]


@pytest.mark.parametrize("method", ["initialize", "activate", "_private", "missing", "config"])
def test_what_a_host_does_not_call_by_name_is_refused(method: str) -> None:
    with PluginHarness(Sample) as harness, pytest.raises(MethodError):
        harness.call(method)


def test_every_hook_that_cannot_be_bound_is_told_at_start() -> None:
    class Wrong(PluginInterface):
        @action("customer_created")
        def none(self) -> None: ...

        @action("customer_created")
        def two(self, one: Any, other: Any) -> None: ...

    with pytest.raises(BindingError) as caught:
        PluginHarness(Wrong).start()
    assert "none() -> None must take exactly one" in str(caught.value)
    assert "two(" in str(caught.value)


@pytest.mark.parametrize("returned", [False, None])
def test_initialize_must_return_true(returned: Any) -> None:
    class Wrong(PluginInterface):
        def initialize(self) -> Any:
            self.logger.error("no licence")
            return returned

    with pytest.raises(InitializeError, match=f"returned {returned}; the plugin logged: no licence"):
        PluginHarness(Wrong).start()


def test_constructor_that_does_not_call_the_base_is_told() -> None:
    class Wrong(PluginInterface):
        def __init__(self, plugin_id: int, config: dict[str, Any]) -> None: ...

    with pytest.raises(ConstructionError, match="does not call the base"):
        PluginHarness(Wrong).start()


def test_constructor_with_other_arguments_is_told() -> None:
    class Wrong(PluginInterface):
        def __init__(self) -> None: ...

    with pytest.raises(ConstructionError, match="positional argument"):
        PluginHarness(Wrong).start()


def test_configuration_is_completed_and_checked_by_the_schema() -> None:
    schema = {"port": {"type": "integer", "default": 25}, "host": {"type": "string", "required": True}}
    with PluginHarness(Sample, {"host": "h"}, schema=schema) as harness:
        assert harness.plugin.config == {"host": "h", "port": 25}
    with pytest.raises(ConfigurationError, match="host: expected a value, got nothing"):
        PluginHarness(Sample, {}, schema=schema).start()


def test_new_configuration_is_handed_over_unless_refused() -> None:
    with PluginHarness(Sample) as harness:
        harness.configure({"limit": 5})
        assert harness.plugin.config == {"limit": 5}
        with pytest.raises(ConfigureError):
            harness.configure({"limit": -1})
        assert harness.plugin.config == {"limit": 5}


def test_malformed_health_report_fails_the_test() -> None:
    class Wrong(PluginInterface):
        def health_check(self) -> Any:
            return {"status": "ok"}

    with (
        PluginHarness(Wrong) as harness,
        pytest.raises(HealthReportError, match="healthy, degraded, unhealthy, got 'ok'"),
    ):
        harness.health()


def test_harness_that_was_not_started_says_how() -> None:
    with pytest.raises(NotStartedError, match="with PluginHarness"):
        PluginHarness(Sample).call("two", 1, 2)


def test_plugin_of_a_registration_is_loaded_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "greet.py").write_text(
        "from app.services.plugin_service import PluginInterface\n"
        "class Greet(PluginInterface):\n"
        "    def hello(self, payload): return self.config['word'] + payload['name']\n"
    )
    registration = {
        "name": "greet",
        "module_path": "plugins.greet",
        "entry_point": "Greet",
        "config_schema": {"word": {"type": "string", "default": "hi "}},
        "hooks": [{"hook_name": "customer_created", "hook_type": "action", "callback_method": "hello"}],
    }
    with PluginHarness.from_registration(registration, folder=tmp_path) as harness:
        assert harness.dispatch("customer_created", {"name": "Ana"}).outcomes[0].value == "hi Ana"
