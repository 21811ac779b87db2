"""What the doctor says of a worker: alive or not, what it uses, how one died last; each with the next step."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from isp_plugins.contracts.vocabulary import State
from isp_plugins.contracts.worker import Death, DeathReason, ResourceUse
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.lifecycle.doctor.worker_checks import check_worker
from isp_plugins.lifecycle.views import BreakerView
from isp_plugins.lifecycle.worker_views import WorkerView
from isp_plugins.runtime.worker.resources import Limit, LimitSource, Resource

NOW = datetime(2030, 1, 1, tzinfo=UTC)
VIEW = WorkerView(
    plugin_id=3,
    name="mailer",
    state=State.ACTIVE,
    pid=4711,
    started_at=NOW,
    uptime_s=12.0,
    restarts=2,
    sample=None,
    limits=(Limit(Resource.MEMORY, 512, LimitSource.OPERATOR),),
    warnings=(),
    throttled={},
    breaker=BreakerView(),
)
DEATH = Death(
    plugin_id=3,
    plugin_name="mailer",
    version="1.2.0",
    pid=4710,
    started_at=NOW,
    died_at=NOW,
    reason=DeathReason.LIMIT,
    exit_code=None,
    signal="SIGKILL",
    detail="It used 600 MiB.",
    log_tail=(),
    usage=ResourceUse(),
)


def checked(view: WorkerView | None = VIEW, death: Death | Unread | None = None, state: State = State.ACTIVE):
    return {finding.check: finding for finding in check_worker(view, death, state, "mailer")}


def test_plugin_in_process_has_no_findings() -> None:
    assert checked(None) == {}


def test_well_worker_has_nothing_but_ok() -> None:
    assert [finding.status for finding in checked().values()] == ["ok", "ok", "ok"]


def test_warnings_and_throttling_are_told() -> None:
    view = replace(VIEW, warnings=("its worker uses 98 % of a core",), throttled={"log": 4})
    found = checked(view)["resources"]
    assert found.status == "warning"
    assert found.found == "its worker uses 98 % of a core; it was slowed down 4 times: log"
    assert "512 MiB of memory" in found.expected


def test_active_plugin_without_a_process_is_a_problem() -> None:
    assert checked(replace(VIEW, pid=None))["worker"].status == "problem"


def test_worker_of_a_failed_plugin_is_not_looked_for() -> None:
    found = checked(replace(VIEW, pid=None), DEATH, State.FAILED)
    assert (found["worker"].status, found["deaths"].status) == ("unknown", "warning")


@pytest.mark.parametrize("reason", list(DeathReason))
def test_last_death_says_how_of_which_version_and_what_to_do(reason: DeathReason) -> None:
    found = checked(death=replace(DEATH, reason=reason))["deaths"]
    assert all(words in found.found for words in ("1.2.0", reason.value, "SIGKILL", "It used 600 MiB."))
    assert found.next_step
    assert "{" not in found.next_step


def test_deaths_that_cannot_be_read_are_unknown() -> None:
    assert checked(death=Unread("the database is gone"))["deaths"].status == "unknown"
