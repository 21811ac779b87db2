"""What is wrong with keys, audit trail, clock, kernel and queues, decided from facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.contracts.vocabulary import State
from isp_plugins.lifecycle.doctor.facts import (
    ClockFacts,
    HeadFacts,
    KernelFacts,
    KeyFacts,
    PluginStateFacts,
    ProcessFacts,
    RunningFacts,
)
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.lifecycle.doctor.host_checks import (
    check_audit,
    check_clock,
    check_kernel,
    check_keys,
    check_plugins,
    check_process,
    check_running,
    check_sandbox,
    seconds,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HEAD = HeadFacts(node="local", head_count=7, last_sequence=7, mac_fits=True, seal_fits=True, file_count=7)
KERNEL = KernelFacts("6.1", 4, seccomp=True, namespaces=True)
PROCESS = ProcessFacts(version="1", python=(3, 11, 7), sqlite=(3, 40, 1), open_files=20, open_file_limit=4096)
RUNNING = RunningFacts(
    started_at=NOW, now=NOW + timedelta(hours=3), threads_busy=0, threads_limit=4, abandoned={}, abandoned_limit=8, events_written=5,
    events_refused=0, events_failure=None, logs_waiting=0, logs_size=10, logs_dropped=0,
)  # fmt: skip


def running(**changes):
    return {finding.check: finding for finding in check_running(replace(RUNNING, **changes))}


def statuses(findings):
    return {finding.check: finding.status for finding in findings}


def test_unreadable_secrets_are_counted_by_plugin_and_never_shown():
    _, secrets = check_keys(KeyFacts("secrets.key", ("ab",), {"mailer": 2, "sms": 1}, 9))
    assert secrets.status == "problem"
    assert "3 of 9: 2 of mailer, 1 of sms" in secrets.found


def test_unreadable_ring_is_a_problem_and_secrets_unknown():
    found = statuses(check_keys(KeyFacts("secrets.key", Unread("mode 0644"), Unread("mode 0644"))))
    assert found == {"keys": "problem", "secrets": "unknown"}


def test_ring_that_opens_everything_is_ok():
    assert set(statuses(check_keys(KeyFacts("secrets.key", ("ab",), {}, 3))).values()) == {"ok"}


@pytest.mark.parametrize(
    "change",
    [
        {"head_count": None},
        {"head_count": 6},
        {"mac_fits": False},
        {"seal_fits": False},
        {"seal_fits": None},
        {"file_count": 8},
    ],
)
def test_head_that_does_not_fit_is_a_problem(change):
    assert check_audit([replace(HEAD, **change)]).status == "problem"


@pytest.mark.parametrize("file_count", [None, 5, 7])
def test_file_beside_the_chain_may_lag(file_count):
    assert check_audit([replace(HEAD, file_count=file_count)]).status == "ok"


@pytest.mark.parametrize(("apart", "status"), [(0.9, "ok"), (-5.0, "warning"), (31.0, "problem")])
def test_database_clock_apart_is_told(apart, status):
    assert statuses(check_clock(ClockFacts(0.0, "UTC"), apart))["database clock"] == status


@pytest.mark.parametrize(
    ("drift", "status"), [(-1.9, "ok"), (3.0, "warning"), (-3600.0, "problem"), (Unread("x"), "unknown")]
)
def test_clock_that_jumped_is_told(drift, status):
    assert statuses(check_clock(ClockFacts(drift, "UTC"), 0.0))["clock"] == status


def test_no_difference_has_no_minus():
    assert seconds(-0.01) == "+0.0 s"


def test_kernel_with_everything_is_ok():
    assert statuses(check_kernel(KERNEL)) == {"kernel": "ok", "sandbox": "ok", "lineage": "ok"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"sandbox": Enforcement.REQUIRE}, "ok"),
        ({"sandbox": Enforcement.REQUIRE, "landlock_abi": 0}, "problem"),
        ({"sandbox": Enforcement.BEST_EFFORT, "seccomp": False}, "warning"),
        ({"sandbox": Enforcement.OFF}, "warning"),
        ({"sandbox": Enforcement.REQUIRE, "stays_root": True}, "problem"),
        ({"sandbox": Enforcement.BEST_EFFORT, "stays_root": True}, "warning"),
    ],
)
def test_sandbox_that_is_less_than_asked_for_is_told(change, status):
    assert check_sandbox(replace(KERNEL, **change)).status == status


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"landlock_abi": 0}, "Landlock"),
        ({"seccomp": False}, "seccomp"),
        ({"namespaces": False}, "namespaces"),
        ({"namespaces": Unread("no child")}, "namespaces"),
    ],
)
def test_what_the_kernel_lacks_is_a_warning_that_names_it(change, word):
    found, *_others = check_kernel(replace(KERNEL, **change))
    assert found.status == "warning"
    assert word in found.found.partition("lacking")[2]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "ok"),
        ({"open_files": 3700}, "problem"),
        ({"open_file_limit": 256}, "warning"),
        ({"open_files": Unread("x")}, "ok"),
    ],
)
def test_open_files_are_judged_by_their_limit(change, status):
    assert statuses(check_process(replace(PROCESS, **change)))["open files"] == status


def test_old_sqlite_is_a_problem():
    assert statuses(check_process(replace(PROCESS, sqlite=(3, 34, 0))))["versions"] == "problem"


def test_abandoned_threads_are_named_by_plugin():
    found = running(abandoned={"hanging": 2})["threads"]
    assert found.status == "warning"
    assert "2 of hanging" in found.found


def test_no_free_thread_is_a_warning():
    assert running(threads_busy=4)["threads"].status == "warning"


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, "ok"), ({"events_refused": 1}, "warning"), ({"events_failure": "no room"}, "problem")],
)
def test_event_log_that_cannot_keep_is_told(changes, status):
    assert running(**changes)["event log"].status == status


def test_dropped_log_records_are_a_problem():
    assert running(logs_dropped=3)["log queue"].status == "problem"


def test_what_only_a_server_knows_is_unknown_without_one():
    assert set(statuses(check_running(Unread("none"))).values()) == {"unknown"}


@pytest.mark.parametrize(
    ("state", "wanted", "status"),
    [
        (State.ACTIVE, True, "ok"), (State.DISABLED, False, "ok"), (State.FAILED, True, "problem"), (State.QUARANTINED, False, "problem"),
    ],
)  # fmt: skip
def test_plugin_that_should_run_and_does_not_is_a_problem(state, wanted, status):
    assert check_plugins([PluginStateFacts("mailer", state, wanted)]).status == status


@pytest.mark.parametrize(("lineage", "status"), [(False, "warning"), (Unread("no child"), "unknown")])
def test_who_ends_what_workers_started_is_told(lineage, status):
    assert statuses(check_kernel(replace(KERNEL, lineage=lineage)))["lineage"] == status
