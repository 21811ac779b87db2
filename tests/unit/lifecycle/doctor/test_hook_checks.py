"""Why a subscription did not run, decided from facts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from isp_plugins.contracts.vocabulary import (
    BindingStatus,
    Desired,
    FailurePolicy,
    LogLevel,
    PluginType,
    RuntimeKind,
    SkipReason,
    State,
    SubscriptionType,
)
from isp_plugins.events.views import LagView
from isp_plugins.hooks.catalogue import spec_of
from isp_plugins.hooks.records import HookView
from isp_plugins.lifecycle.doctor.condition import explain
from isp_plugins.lifecycle.doctor.hook_checks import check_hook, check_subscription, findings_of
from isp_plugins.lifecycle.doctor.hook_facts import Counts, HookFacts, SubscriptionFacts
from isp_plugins.lifecycle.records import PluginRecord

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLUGIN = PluginRecord(
    id=3, name="mailer", display_name="Mailer", description="", version="1.0.0", author="", plugin_type=PluginType.CUSTOM,
    module_path="plugins.mailer", entry_point="Plugin", config_schema={}, runtime=RuntimeKind.IN_PROCESS, exclusive=True,
    trusted_inline=False, log_level=LogLevel.INFO, desired=Desired.ENABLED, generation=1, needs=(), created_at=NOW, updated_at=NOW,
    state=State.ACTIVE, since=NOW,
)  # fmt: skip
VIEW = HookView(
    id=1, plugin_id=3, declared=False, binding=BindingStatus.VALID, binding_error=None, created_at=NOW, updated_at=NOW,
    hook_name="customer_created", hook_type=SubscriptionType.ACTION, callback_method="notify",
)  # fmt: skip
ONE = SubscriptionFacts(view=VIEW, plugin=PLUGIN, condition=None, counts=Counts(calls=1), breaker=None)


def hook_of(*chain, **changes):
    facts = HookFacts(
        spec=spec_of("customer_created"), close=(), dispatches=1, given=True, payload_mistakes=(), chain=chain, subscriptions=chain,
    )  # fmt: skip
    return replace(facts, **changes)


def found(one, *before, **changes):
    return {finding.check: finding for finding in check_subscription(one, hook_of(*before, one, **changes))}


def test_subscription_that_runs_has_nothing_but_ok():
    assert {finding.status for finding in findings_of(hook_of(ONE))} == {"ok"}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"plugin": replace(PLUGIN, state=State.FAILED, cause="no route")}, "plugin"),
        ({"view": replace(VIEW, is_active=False)}, "active"),
        ({"view": replace(VIEW, binding=BindingStatus.INVALID, binding_error="no such method")}, "binding"),
        ({"condition": "line 1, column 1: expected a value"}, "condition"),
        ({"condition": explain("total > 100", {"total": 7})}, "condition"),
        ({"condition": explain("total > 100", {})}, "condition"),
        ({"breaker": "failed 5 times in a row"}, "breaker"),
    ],
)
def test_what_keeps_it_from_running_now_is_a_problem(change, check):
    finding = found(replace(ONE, **change))[check]
    assert finding.status == "problem"
    assert finding.expected
    assert finding.next_step


def test_false_condition_of_the_sample_is_a_warning():
    one = replace(ONE, condition=explain("total > 100", {"total": 7}))
    assert found(one, given=False)["condition"].status == "warning"


@pytest.mark.parametrize(
    "reason",
    [
        SkipReason.AFTER_REJECT, SkipReason.AFTER_STOP, SkipReason.AFTER_DEADLINE, SkipReason.OWN_ECHO,
        SkipReason.PLUGIN_STOPPED, SkipReason.BREAKER_OPEN,
    ],
)  # fmt: skip
def test_what_has_kept_it_from_running_is_counted(reason):
    finding = found(replace(ONE, counts=Counts(skips={reason: 3})))["skipped"]
    assert finding.status == "warning"
    assert finding.found.startswith("3 times because")
    assert "{" not in finding.next_step.replace('{"own_echo"', "")


def test_earlier_one_that_rejects_is_named():
    guard = replace(ONE, plugin=replace(PLUGIN, name="guard"), counts=Counts(rejects=2))
    assert "guard.notify (priority 100) has rejected 2 times" in found(ONE, guard)["before it"].found


def test_earlier_failure_matters_only_where_it_stops():
    failing = replace(ONE, counts=Counts(errors=2))
    stopping = replace(failing, view=replace(VIEW, failure_policy=FailurePolicy.STOP))
    assert "before it" not in found(ONE, failing)
    assert "before it" in found(ONE, stopping)


def test_earlier_event_never_ends_a_dispatch():
    event = replace(ONE, view=replace(VIEW, hook_type=SubscriptionType.EVENT), counts=Counts(rejects=1))
    assert "before it" not in found(ONE, event)


def test_busy_threads_are_told():
    assert found(replace(ONE, waits_for_thread=True))["threads"].status == "warning"


def test_failed_calls_are_told_with_the_last_error():
    finding = found(replace(ONE, counts=Counts(calls=4, errors=2, last_error="no route")))["calls"]
    assert finding.status == "warning"
    assert "no route" in finding.found


LAG = LagView(
    subscription_id=1, plugin_id=3, plugin="mailer", hook="customer_created", method="notify", is_active=True, paused_at=None, paused_by=None,
    owner="local", position=5, waiting=0, more=False, oldest_at=None, lag_s=0.0, retrying=0, held_back=0, dead=0, discarded=0,
    delivered_total=5, retried_total=0, dead_total=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "check", "status"),
    [
        ({}, "delivery", "ok"),
        ({"waiting": 3, "lag_s": 1.0}, "delivery", "ok"),
        ({"waiting": 3, "lag_s": 600.0}, "delivery", "warning"),
        ({"waiting": 3, "owner": None}, "delivery", "problem"),
        ({"paused_at": NOW, "paused_by": "ada"}, "paused", "problem"),
        ({"retrying": 2}, "retries", "warning"),
        ({"dead": 2}, "dead letters", "problem"),
    ],
)
def test_why_an_event_was_not_delivered_is_told(change, check, status):
    event = replace(ONE, view=replace(VIEW, hook_type=SubscriptionType.EVENT), lag=replace(LAG, **change))
    assert found(event)[check].status == status


def test_internal_hook_is_not_to_be_dispatched_by_hand():
    facts = hook_of(ONE, spec=spec_of("plugin_enabled"), dispatches=0)
    (dispatches,) = [finding for finding in check_hook(facts) if finding.check == "dispatches"]
    assert "isp-plugins dispatch" not in dispatches.next_step


def test_own_hook_with_subscriptions_is_ok():
    first = next(iter(check_hook(hook_of(ONE, spec=spec_of("my_own_hook")))))
    assert first.status == "ok"
