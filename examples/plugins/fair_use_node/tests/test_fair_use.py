"""Traffic is counted once, each threshold is told once, in order, and nothing is lost with the process."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isp_plugins.conformance.session import call_of, opened
from isp_plugins.conformance.vocabulary import Code, Stage

FOLDER = Path(__file__).parents[1]


async def test_traffic_of_both_directions_is_counted(plugin: Any) -> None:
    assert await plugin.count(100, "a") == {"used": 200, "limit": 1000, "percent": 20}
    assert await plugin.count(150, "b") == {"used": 500, "limit": 1000, "percent": 50}


async def test_record_that_comes_twice_is_counted_once(plugin: Any) -> None:
    await plugin.count(100, "a")
    assert (await plugin.count(100, "a"))["used"] == 200


async def test_services_are_counted_apart(plugin: Any) -> None:
    await plugin.count(100, "a", service=1)
    assert (await plugin.count(10, "a", service="2"))["used"] == 20


async def test_each_threshold_is_told_once_and_in_order(plugin: Any) -> None:
    for number in range(12):
        await plugin.count(50, str(number))
    assert plugin.told == [
        ("quota_threshold_reached", 80),
        ("quota_threshold_reached", 95),
        ("quota_exceeded", "block"),
    ]


async def test_large_step_tells_everything_that_it_passed(plugin: Any) -> None:
    await plugin.count(5000, "a")
    assert [hook for hook, _ in plugin.told] == [
        "quota_threshold_reached",
        "quota_threshold_reached",
        "quota_exceeded",
    ]


async def test_records_of_one_service_at_once_are_all_counted(plugin: Any) -> None:
    calls = [
        plugin.session.invoke("count", {"service_id": 7, "counters": {"in_octets": 10}, "dedupe_key": str(n)})
        for n in range(8)
    ]
    for call in calls:
        await plugin.session.answer_to(call)
    assert (await plugin.session.execute("usage", {"service_id": 7}))["used"] == 80


async def test_new_period_begins_at_nothing_and_tells_again(plugin: Any) -> None:
    await plugin.count(450, "a")
    await plugin.session.value("reset", {"service_id": 501, "cycle": "2030-02"})
    await plugin.count(450, "b")
    assert plugin.told == [("quota_threshold_reached", 80)] * 2


async def test_operator_raises_one_allowance(plugin: Any) -> None:
    await plugin.count(450, "a")
    changed = await plugin.session.execute("set_allowance", {"service_id": 501, "gb": 2e-6})
    assert (changed["limit"], changed["percent"]) == (2000, 45)
    await plugin.count(350, "b")
    assert plugin.told == [("quota_threshold_reached", 80)] * 2


async def test_what_was_counted_but_not_told_is_told_with_the_next_record(
    plugin: Any, as_plugin: Callable[..., Any]
) -> None:
    await plugin.count(450, "a")
    stored = plugin.session.host.storage["service/501"]
    async with opened(plugin.session.options) as session:
        session.host.storage["service/501"] = stored | {
            "told": []
        }  # as if killed between counting and telling
        await session.reach(Stage.ACTIVE)
        again = as_plugin(session)
        await again.count(450, "a")
        assert (again.told, session.host.storage["service/501"]["told"]) == (
            [("quota_threshold_reached", 80)],
            [80],
        )


@pytest.mark.parametrize("gb", [0, -1, "2", True])
async def test_wrong_allowance_is_refused_in_words(plugin: Any, gb: Any) -> None:
    params = {"method": "set_allowance", "parameters": [501, gb], "call": call_of()}
    error = await plugin.session.refused("execute", params, Code.RAISED)
    assert "gb: expected a number above 0" in error["data"]["message"]


async def test_wrong_threshold_stops_it_with_the_reason(options: Callable[..., Any]) -> None:
    async with opened(options({"thresholds": [80, 120]})) as session:
        await session.reach(Stage.GREETED)
        answer = await session.ask("initialize", session.initialize_params(session.options.config))
    assert answer.error is not None
    assert answer.error["data"]["reason"] == "thresholds: expected percents between 0 and 100, got 120"


async def test_manifest_binds_methods_that_there_are(plugin: Any) -> None:
    manifest = tomllib.loads((FOLDER / "plugin.toml").read_text())
    assert {hook["callback_method"] for hook in manifest["hooks"]} <= plugin.session.methods
    assert manifest["command"] == ["node", "main.js"]
