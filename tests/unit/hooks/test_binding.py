"""Whether a subscription fits its hook and its plugin."""

import pytest

from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.vocabulary import BindingStatus, HookKind, SubscriptionType
from isp_plugins.errors import InvalidInputError
from isp_plugins.hooks.binding import check, kind_of
from isp_plugins.hooks.catalogue import spec_of
from isp_plugins.hooks.errors import BindingInvalidError
from isp_plugins.hooks.records import HookChanges, HookDraft

ACTION, FILTER, EVENT = SubscriptionType
RAW = {"hook_name": "customer_created", "hook_type": "action", "callback_method": "on_customer"}


class NoSuchMethodError(InvalidInputError):
    """{method} is not a method of Mailer. Perhaps you mean on_customer."""


class OneMethod:
    """A running plugin with the method `on_customer` alone."""

    def callee(self, method):
        if method != "on_customer":
            raise NoSuchMethodError(method=method)
        return Callee(print, CallMode.THREAD)


def draft(**changes):
    return HookDraft.of(RAW | changes)


def paths(fit):
    return [one["path"] for one in fit.mistakes]


def test_binding_is_unverified_before_the_plugin_was_loaded():
    assert check(draft()).status is BindingStatus.UNVERIFIED


def test_binding_to_a_running_plugin_is_valid_and_ready_to_call():
    fit = check(draft(), invoker=OneMethod())
    assert (fit.status, fit.error) == (BindingStatus.VALID, None)
    assert fit.callee.call is print


def test_missing_method_is_invalid_with_the_one_that_was_meant():
    fit = check(draft(callback_method="on_custmer"), invoker=OneMethod())
    assert (fit.status, fit.callee) == (BindingStatus.INVALID, None)
    assert fit.error == "on_custmer is not a method of Mailer. Perhaps you mean on_customer."


@pytest.mark.parametrize(
    ("hook", "kind", "fits"),
    [
        ("customer_created", "action", True),
        ("customer_created", "event", True),
        ("customer_created", "filter", False),
        ("customer_before_create", "filter", True),
        ("customer_before_create", "event", True),
        ("customer_before_create", "action", False),
        ("hook_of_ours", "action", True),
        ("hook_of_ours", "filter", True),
        ("hook_of_ours", "event", True),
        ("plugin_enabled", "event", True),
    ],
)
def test_type_fits_the_hooks_kind(hook, kind, fits):
    assert (check(draft(hook_name=hook, hook_type=kind)).status is not BindingStatus.INVALID) is fits


def test_misfit_of_type_says_what_fits():
    (one,) = check(draft(hook_name="customer_before_create")).mistakes
    assert one["message"] == "expected filter or event, got 'action'; customer_before_create is a filter hook"


@pytest.mark.parametrize(
    ("earlier", "kind", "fits"),
    [
        ([ACTION], "filter", False),
        ([FILTER], "action", False),
        ([EVENT], "filter", True),
        ([EVENT, FILTER], "action", False),
        ([FILTER], "event", True),
        ([ACTION], "action", True),
        ([FILTER], "filter", True),
    ],
)
def test_own_hook_takes_what_its_earlier_subscriptions_are(earlier, kind, fits):
    fit = check(draft(hook_name="hook_of_ours", hook_type=kind), earlier=earlier)
    assert (fit.status is not BindingStatus.INVALID) is fits


def test_catalogued_hook_does_not_care_for_earlier_subscriptions():
    assert check(draft(), earlier=[FILTER]).status is BindingStatus.UNVERIFIED


def test_kind_of_an_own_hook_is_settled_by_the_oldest():
    own = spec_of("hook_of_ours")
    assert kind_of(own, []) is HookKind.ACTION
    assert kind_of(own, [EVENT, FILTER, ACTION]) is HookKind.FILTER
    assert kind_of(spec_of("customer_created"), [FILTER]) is HookKind.ACTION


def test_all_mistakes_are_told_at_once():
    bad = {
        "hook_name": "Customer Created",
        "hook_type": "filtr",
        "callback_method": "_secret",
        "priority": 0,
        "description": 5,
        "conditions": "a &&",
        "timeout_ms": 0,
        "failure_policy": "explode",
        "own_echo": "yes",
        "is_active": 1,
        "priorty": 3,
    }
    with pytest.raises(BindingInvalidError) as caught:
        HookDraft.of(bad)
    assert {one["path"] for one in caught.value.details} == set(bad)


def test_what_is_required_is_told():
    with pytest.raises(BindingInvalidError) as caught:
        HookDraft.of({})
    assert [one["path"] for one in caught.value.details] == ["hook_name", "hook_type", "callback_method"]


def test_mistakes_of_values_kind_and_method_come_together():
    made = HookDraft(hook_name="customer_created", hook_type=FILTER, callback_method="gone", priority=0)
    assert paths(check(made, invoker=OneMethod())) == ["priority", "hook_type", "callback_method"]


@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "cleanup",
        "health_check",
        "get_info",
        "configure",
        "activate",
        "__init__",
        "a.b",
        "9a",
        "",
    ],
)
def test_lifecycle_and_private_names_are_never_bound(method):
    with pytest.raises(BindingInvalidError):
        draft(callback_method=method)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", 1001),
        ("priority", True),
        ("priority", 1.5),
        ("priority", None),
        ("timeout_ms", -1),
        ("timeout_ms", 600_001),
        ("conditions", ""),
        ("conditions", "a\x00 == 1"),
        ("conditions", 5),
        ("description", "x" * 20_001),
        ("description", "\ud800"),
        ("hook_name", "a" * 101),
        ("hook_name", None),
    ],
)
def test_value_out_of_bounds_is_refused(field, value):
    with pytest.raises(BindingInvalidError) as caught:
        draft(**{field: value})
    assert [one["path"] for one in caught.value.details] == [field]


def test_bad_condition_is_told_with_its_position():
    with pytest.raises(BindingInvalidError, match="line 1, column 5: expected a value, got the end"):
        draft(conditions="a &&")


def test_null_takes_condition_and_timeout_away():
    assert HookChanges.of({"conditions": None, "timeout_ms": None}).values == {
        "conditions": None,
        "timeout_ms": None,
    }


def test_changes_are_read_like_drafts():
    with pytest.raises(BindingInvalidError):
        HookChanges.of({"priority": 0, "declared": False})


def test_draft_reads_back_what_it_tells():
    made = draft(priority=5, conditions="id > 1")
    assert HookDraft.of(made.to_dict()) == made
