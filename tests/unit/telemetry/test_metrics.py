"""The metrics' text: bounded series, units in names, buckets that add up."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from isp_plugins.contracts.vocabulary import State
from isp_plugins.contracts.worker import ResourceUse
from isp_plugins.telemetry import metrics
from isp_plugins.telemetry.metrics import (
    OTHERS,
    SPECS,
    DatabaseReading,
    EventReadings,
    Kind,
    Readings,
    render,
)
from isp_plugins.telemetry.stats.service import Total
from isp_plugins.telemetry.stats.tally import Key, Tally, of_dispatches
from isp_plugins.telemetry.worker_metrics import WorkerReading


def readings(totals=None, plugins=None, **changes):
    quiet = dict.fromkeys(
        (
            "logs_waiting", "logs_stored", "logs_dropped", "statistics_lost",
        ),
        0,
    ) | {"events": EventReadings()}  # fmt: skip
    return Readings(
        node="local",
        plugins=plugins if plugins is not None else {1: ("mailer", State.ACTIVE)},
        totals=totals or {},
        requests={},
        database=DatabaseReading(dialect="sqlite", transactions=0, connections=0, size=None),
        **quiet | changes,
    )


def total(calls=1, took=()):
    tally = Tally(calls=calls)
    tally.durations.observe(took)
    return Total("", tally, sum(took))


def samples(text):
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_subscriptions_of_one_plugin_and_hook_are_one_series():
    totals = {Key(1, "invoice_issued", kind, "listen"): total(calls=2) for kind in ("action", "event")}
    assert samples(render(readings(totals)))["isp_plugins_calls_total", "invoice_issued", "mailer"] == 4


def test_buckets_add_up_and_the_sum_is_exact():
    totals = {Key(1, "invoice_issued", "action", "listen"): total(calls=3, took=[5e-7, 3e-3, 100.0])}
    found = samples(render(readings(totals)))
    name = "isp_plugins_call_duration_seconds"
    assert found[f"{name}_bucket", "1.024e-06", "mailer"] == 1
    assert found[f"{name}_bucket", "0.004194304", "mailer"] == 2
    assert found[f"{name}_bucket", "+Inf", "mailer"] == found[f"{name}_count", "mailer"] == 3
    assert found[f"{name}_sum", "mailer"] == pytest.approx(100.0030005)


def test_pairs_beyond_the_bound_are_summed_up(monkeypatch):
    monkeypatch.setattr(metrics, "MAX_PAIRS", 3)
    totals = {Key(1, f"hook_{number}", "action", "listen"): total() for number in range(10)}
    found = samples(render(readings(totals)))
    assert found["isp_plugins_calls_total", OTHERS, OTHERS] == 7
    assert sum(name == "isp_plugins_calls_total" for name, *_ in found) == 4


def test_a_plugin_that_is_gone_has_no_series():
    totals = {Key(1, "invoice_issued", "action", "listen"): total()}
    assert "mailer" not in render(readings(totals, plugins={})).decode()


def test_every_state_has_a_series_even_where_no_plugin_is_in_it():
    found = samples(render(readings()))
    assert {name[1]: value for name, value in found.items() if name[0] == "isp_plugins_plugins"} == {
        state.value: float(state is State.ACTIVE) for state in State
    }


def test_dispatches_are_counted_by_hook():
    found = samples(render(readings({of_dispatches("invoice_issued"): total(calls=5)})))
    assert found["isp_plugins_dispatches_total", "invoice_issued"] == 5


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_counters_end_in_total_and_nothing_else_does(spec):
    assert spec.name.endswith("_total") == (spec.kind is Kind.COUNTER)
    assert re.fullmatch(r"isp_plugins_[a-z_]+", spec.name)
    assert spec.help.endswith(".")


def test_label_values_are_escaped():
    text = render(readings({Key(1, 'in"voice\n', "action", "listen"): total()})).decode()
    assert '\\"voice\\n' in text


def test_workers_are_shown_with_what_they_use_and_one_that_is_down_without():
    workers = [
        WorkerReading(plugin="mailer", is_up=True, restarts=2, use=ResourceUse(1.5, 1024, None, 3), deaths={"exited": 2}),
        WorkerReading(plugin="billing", is_up=False, restarts=0, throttled={"log": 7}),
    ]  # fmt: skip
    found = samples(render(readings(workers=workers)))
    mine = {key: value for key, value in found.items() if key[0].startswith("isp_plugins_worker")}
    assert mine == {
        ("isp_plugins_worker_up", "mailer"): 1,
        ("isp_plugins_worker_up", "billing"): 0,
        ("isp_plugins_worker_cpu_seconds_total", "mailer"): 1.5,
        ("isp_plugins_worker_memory_bytes", "mailer"): 1024,
        ("isp_plugins_worker_threads", "mailer"): 3,
        ("isp_plugins_worker_restarts", "mailer"): 2,
        ("isp_plugins_worker_restarts", "billing"): 0,
        ("isp_plugins_worker_deaths_total", "mailer", "exited"): 2,
        ("isp_plugins_worker_throttled_total", "log", "billing"): 7,
    }
