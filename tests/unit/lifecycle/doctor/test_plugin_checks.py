"""Why a plugin does not load, decided from facts, step by step."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from isp_plugins.contracts.vocabulary import Desired, HealthStatus, LogLevel, PluginType, RuntimeKind, State
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind, Satisfaction
from isp_plugins.lifecycle.doctor.code import Kinship, Source
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.lifecycle.doctor.plugin_checks import (
    check_breaker,
    check_configuration,
    check_dependencies,
    check_errors,
    check_health,
    check_module,
    check_state,
    findings_of,
)
from isp_plugins.lifecycle.doctor.plugin_facts import (
    BindingFacts,
    ConfigurationFacts,
    LogLine,
    ModuleFacts,
    PluginFacts,
)
from isp_plugins.lifecycle.records import HealthSummary, PluginRecord

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RECORD = PluginRecord(
    id=3, name="mailer", display_name="Mailer", description="", version="1.0.0", author="", plugin_type=PluginType.CUSTOM,
    module_path="plugins.mailer", entry_point="Plugin", config_schema={}, runtime=RuntimeKind.IN_PROCESS, exclusive=True,
    trusted_inline=False, log_level=LogLevel.INFO, desired=Desired.ENABLED, generation=1, needs=(), created_at=NOW, updated_at=NOW,
    state=State.ACTIVE, since=NOW, health=HealthSummary(HealthStatus.HEALTHY),
)  # fmt: skip
MODULE = ModuleFacts(
    looked_for="plugins/mailer.py", searched=[("/srv", True)], file="/srv/plugins/mailer.py",
    source=Source(None, defined=True, kinship=Kinship.PLUGIN, plugins=("Plugin",)),
)  # fmt: skip
FACTS = PluginFacts(
    record=RECORD, module=MODULE, configuration=ConfigurationFacts(), bindings=[], errors=[], abandoned=0, abandoned_limit=8,
    breaker=None, probe=None,
)  # fmt: skip


def module(**changes):
    return {finding.check: finding for finding in check_module(replace(MODULE, **changes), RECORD)}


def statuses(findings):
    return {finding.check: finding.status for finding in findings}


def test_well_plugin_has_nothing_but_ok():
    assert set(statuses(findings_of(FACTS)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"path_mistake": "a name in it is empty"}, "module"),
        ({"outside": "/etc/passwd"}, "module"),
        ({"file": None}, "module"),
        ({"unreadable": "Permission denied"}, "file"),
        ({"source": Source("line 3: invalid syntax")}, "syntax"),
        ({"source": Source(None)}, "entry point"),
        ({"source": Source(None, defined=True, kinship=Kinship.STRANGER)}, "interface"),
    ],
)
def test_first_step_that_fails_hides_those_after_it(change, check):
    found = module(**change)
    after = list(found).index(check) + 1
    assert found[check].status == "problem"
    assert {finding.status for finding in list(found.values())[after:]} <= {"unknown"}


def test_missing_module_names_what_is_near():
    assert "plugins.mailr" in module(file=None, near=["plugins.mailr"])["module"].next_step


def test_folder_of_the_plugin_path_that_is_gone_is_named():
    assert "/srv (not there)" in module(file=None, searched=[("/srv", False)])["module"].found


def test_extension_module_is_unknown_not_wrong():
    found = module(source=None, is_compiled=True)
    assert {found[check].status for check in ("syntax", "entry point", "interface")} == {"unknown"}


def test_name_that_a_star_import_may_bring_is_unknown():
    assert module(source=Source(None, maybe_defined=True))["entry point"].status == "unknown"


@pytest.mark.parametrize(("optional", "status"), [(False, "problem"), (True, "warning")])
def test_unmet_need_is_as_bad_as_it_is_needed(optional, status):
    need = Satisfaction(
        Dependency(DependencyKind.PYTHON, "httpx", ">=1", optional), False, None, "not installed"
    )
    assert statuses(check_dependencies([need], "mailer")) == {"dependencies": status}


def test_missing_value_names_the_key_and_the_command():
    facts = ConfigurationFacts([{"path": "smtp.host", "message": "a value is required"}])
    found = {finding.check: finding for finding in check_configuration(facts, "mailer")}
    assert found["configuration"].next_step == "isp-plugins config set mailer smtp=VALUE"


def test_bad_schema_hides_the_configuration():
    found = statuses(check_configuration(ConfigurationFacts(schema_mistake="no"), "mailer"))
    assert found == {"schema": "problem", "configuration": "unknown"}


@pytest.mark.parametrize(
    ("binding", "status"), [("valid", "ok"), ("invalid", "problem"), ("unverified", "unknown")]
)
def test_binding_is_told(binding, status):
    bindings = [
        BindingFacts("customer_created", "action", "notify", binding, "no such method", is_active=True)
    ]
    assert statuses(findings_of(replace(FACTS, bindings=bindings)))["subscriptions"] == status


@pytest.mark.parametrize(
    ("state", "desired", "status"),
    [
        (State.ACTIVE, Desired.ENABLED, "ok"), (State.REGISTERED, Desired.DISABLED, "warning"), (State.FAILED, Desired.ENABLED, "problem"),
        (State.FAILED, Desired.DISABLED, "problem"), (State.QUARANTINED, Desired.ENABLED, "problem"),
    ],
)  # fmt: skip
def test_state_is_judged_by_what_is_wanted(state, desired, status):
    assert check_state(replace(RECORD, state=state, desired=desired)).status == status


def test_failed_plugin_tells_cause_tries_and_the_next_one():
    found = check_state(replace(RECORD, state=State.FAILED, cause="no route", failures=3, retry_at=NOW))
    assert "after 3 failed tries" in found.found
    assert "no route" in found.found
    assert "2030-01-01T00:00:00Z" in found.found


def test_open_breaker_is_a_problem():
    assert check_breaker("open since 3 failures", RECORD).status == "problem"


def test_only_the_first_line_of_an_error_is_shown():
    assert "traceback" not in check_errors([LogLine(NOW, "it broke\ntraceback")], RECORD).found


def test_health_check_that_fails_is_a_problem():
    assert check_health(replace(FACTS, probe="it took 5 s")).status == "problem"


def test_health_of_what_does_not_run_is_unknown():
    assert check_health(replace(FACTS, record=replace(RECORD, state=State.DISABLED))).status == "unknown"


def test_unread_facts_are_unknown():
    away = Unread("the database does not answer")
    found = statuses(
        findings_of(replace(FACTS, configuration=away, bindings=away, errors=away, abandoned=away))
    )
    assert {found[check] for check in ("configuration", "subscriptions", "log", "threads")} == {"unknown"}
