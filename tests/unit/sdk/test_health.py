"""A report's status follows from its checks, and a malformed report is told in full."""

from typing import Any

import pytest

from isp_plugin_sdk.health import failed, mistakes_in_report, passed, report, warned


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([], "healthy"),
        ([passed("a")], "healthy"),
        ([passed("a"), warned("b", "slow")], "degraded"),
        ([warned("a", "slow"), failed("b", "away")], "unhealthy"),
    ],
)
def test_status_is_that_of_the_worst_check(checks: list[Any], status: str) -> None:
    assert report(*checks)["status"] == status
    assert mistakes_in_report(report(*checks)) == []


def test_every_mistake_of_a_report_is_told() -> None:
    value = {"status": "fine", "checks": [{"name": "", "status": "ok", "message": 3}, 5]}
    assert [mistake.partition(":")[0] for mistake in mistakes_in_report(value)] == [
        "status",
        "checks[0].name",
        "checks[0].status",
        "checks[0].message",
        "checks[1]",
    ]


@pytest.mark.parametrize("value", [None, "healthy", [], {"status": "healthy", "checks": "none"}])
def test_what_is_no_report_is_a_mistake(value: Any) -> None:
    assert mistakes_in_report(value)
