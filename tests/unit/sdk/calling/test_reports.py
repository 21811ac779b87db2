"""What a plugin says about itself, checked."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk.calling.reports import MalformedError, connection, health, info
from isp_plugin_sdk.health import mistakes_in_report

GOOD = {"status": "healthy", "checks": [{"name": "a", "status": "pass", "message": "fine"}]}


def message_of(report):
    assert report["status"] == "unhealthy"
    return report["checks"][0]["message"]


def test_good_report_passes_unchanged():
    assert health(GOOD) == GOOD


def test_missing_checks_and_messages_are_filled_in():
    assert health({"status": "degraded"}) == {"status": "degraded", "checks": []}
    assert (
        health({"status": "healthy", "checks": [{"name": "a", "status": "pass"}]})["checks"][0]["message"]
        == ""
    )


def test_further_fields_are_kept():
    assert health({**GOOD, "queue": 3})["queue"] == 3


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (None, "returned NoneType, expected a dict"),
        ("healthy", "returned str, expected a dict"),
        ({}, "status: expected one of healthy, degraded, unhealthy"),
        ({"status": "fine", "checks": []}, "'fine'"),
        ({"status": "healthy", "checks": "none"}, "checks: expected a list"),
        ({"status": "healthy", "checks": ["a"]}, "checks[0]"),
        ({"status": "healthy", "checks": [{"name": "a", "status": "ok"}]}, "checks[0].status"),
        ({"status": "healthy", "since": datetime.now(UTC)}, "got datetime"),
    ],
)
def test_malformed_report_is_unhealthy_with_the_reason(report, reason):
    assert reason in message_of(health(report))


@given(
    st.recursive(
        st.none() | st.text() | st.floats(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["status", "checks", "name"]), x),
    )
)
def test_whatever_comes_the_answer_is_a_good_report(value):
    assert mistakes_in_report(health(value)) == []


def test_report_is_a_copy():
    original = {"status": "healthy", "checks": []}
    report = health(original)
    original["checks"].append("later")
    assert report["checks"] == []


def test_info_must_be_an_object():
    with pytest.raises(MalformedError, match="returned list, expected a dict"):
        info([])


@pytest.mark.parametrize("found", [True, False])
def test_bare_answer_of_a_connection_test_is_enough(found):
    assert connection(found) == {"ok": found, "message": ""}


def test_connection_test_keeps_what_it_tells():
    assert connection({"ok": True, "latency_ms": 3}) == {"ok": True, "message": "", "latency_ms": 3}


@pytest.mark.parametrize("value", [None, "ok", {"ok": "yes"}, {}, {"ok": object()}])
def test_malformed_connection_test_is_not_ok(value):
    result = connection(value)
    assert result["ok"] is False
    assert result["message"].startswith("test_connection returned")
