"""Reports: sums by plugin, hook and subscription, and who stands out."""

import pytest

from isp_plugins.telemetry.stats.meter import LastRun
from isp_plugins.telemetry.stats.report import Material, detail, overview
from isp_plugins.telemetry.stats.tally import Key, Tally, of_dispatches

MAILER, GATEWAY = 1, 2
WELCOME = Key(MAILER, "customer_created", "action", "welcome")
BILL = Key(GATEWAY, "customer_created", "action", "bill")
CHARGE = Key(GATEWAY, "invoice_issued", "action", "charge")


def tally(calls, errors=0, took=0.001, **more):
    made = Tally(calls=calls, errors=errors, **more)
    made.durations.observe([took] * calls)
    return made


@pytest.fixture
def material():
    frame = {
        WELCOME: tally(10, skips={"condition_false": 2}),
        BILL: tally(4, errors=3, took=0.5),
        CHARGE: tally(6, errors=1, took=0.01),
        of_dispatches("customer_created"): Tally(calls=12),
    }
    lasts = {WELCOME: LastRun(100.0), BILL: LastRun(90.0, "ValueError: no", 90.0), CHARGE: LastRun(95.0)}
    return Material(frame, lasts, {MAILER: "mailer", GATEWAY: "gateway"}, {WELCOME: 7})


def test_a_plugin_is_the_sum_of_its_subscriptions(material):
    found = {line["plugin"]: (line["calls"], line["errors"]) for line in overview(material, top=5)["plugins"]}
    assert found == {"mailer": (10, 0), "gateway": (10, 4)}


def test_a_hook_is_the_sum_of_its_subscriptions_and_has_its_dispatches(material):
    found = {line["hook"]: (line["dispatches"], line["calls"]) for line in overview(material, top=5)["hooks"]}
    assert found == {"customer_created": (12, 14), "invoice_issued": (0, 6)}


def test_dispatches_are_no_calls(material):
    assert overview(material, top=5)["totals"]["calls"] == 20


def test_the_slowest_come_first(material):
    assert [line["method"] for line in overview(material, top=2)["top_slow"]] == ["bill", "charge"]


def test_those_that_never_failed_are_not_among_the_failing(material):
    assert [line["method"] for line in overview(material, top=5)["top_failing"]] == ["bill", "charge"]


def test_a_plugin_shows_each_subscription_with_its_id(material):
    lines = detail(material, MAILER, top=5)["subscriptions"]
    assert [(line["method"], line["subscription_id"], line["skips"]) for line in lines] == [
        ("welcome", 7, {"condition_false": 2})
    ]


def test_percentiles_of_a_sum_come_from_all_its_calls(material):
    totals = detail(material, GATEWAY, top=5)["totals"]
    assert totals["p50_ms"] == pytest.approx(10, rel=0.05)
    assert totals["p99_ms"] == pytest.approx(500, rel=0.05)


def test_the_last_error_of_a_plugin_is_the_latest_of_its_subscriptions(material):
    totals = detail(material, GATEWAY, top=5)["totals"]
    assert (totals["last_error"], totals["last_run"].timestamp()) == ("ValueError: no", 95.0)


def test_a_last_run_shows_although_the_window_is_empty(material):
    quiet = Material({}, material.lasts, material.names, material.ids)
    lines = detail(quiet, MAILER, top=5)["subscriptions"]
    assert [(line["calls"], line["last_run"].timestamp()) for line in lines] == [(0, 100.0)]


def test_a_busy_minute_weighs_by_its_calls_not_by_its_samples():
    quiet, busy = Tally(calls=10), Tally(calls=160)
    quiet.durations.observe([1.0] * 10)
    busy.durations.observe([0.001] * 10)
    both = Tally()
    both.add(quiet.weighted())
    both.add(busy.weighted())
    assert both.durations.percentile(0.9) == pytest.approx(0.001, rel=0.05)
    assert both.durations.total == 170


def test_what_a_reader_may_not_see_is_in_no_sum(material):
    mine = material.only(lambda key: key.plugin_id == MAILER)
    assert overview(mine, top=5)["totals"]["calls"] == 10
    assert [line["plugin"] for line in overview(mine, top=5)["plugins"]] == ["mailer"]
