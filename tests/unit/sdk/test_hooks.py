"""Decorators attach data and nothing else."""

import functools
from typing import Any

import pytest

from isp_plugin_sdk import DeclarationInvalidError, PluginInterface, action, event
from isp_plugin_sdk import filter as filter_
from isp_plugin_sdk.hooks import Declaration, FailurePolicy, HookType, declarations


class Base(PluginInterface):
    @action(
        "customer_created",
        priority=5,
        condition="id > 1",
        timeout_ms=50,
        failure_policy="stop",
        own_echo=True,
    )
    def on_customer(self, payload: Any) -> None:
        """Greets.

        More.
        """

    @filter_("invoice_items")
    async def on_items(self, value: Any) -> Any:
        return value

    @action("device_created")
    @event("device_updated", description="both")
    def on_device(self, payload: Any) -> None: ...


def bound(cls: type) -> list[tuple[str, str, str]]:
    """What a class declares, without the details."""
    return [(one.method, one.hook, one.type) for one in declarations(cls)]


def test_declaration_keeps_what_the_decorator_was_given() -> None:
    assert declarations(Base)[0] == Declaration(
        hook="customer_created",
        type=HookType.ACTION,
        method="on_customer",
        priority=5,
        condition="id > 1",
        timeout_ms=50,
        failure_policy=FailurePolicy.STOP,
        own_echo=True,
        description="Greets.",
    )


def test_stacked_decorators_declare_in_the_order_of_their_lines() -> None:
    assert bound(Base)[2:] == [
        ("on_device", "device_created", "action"),
        ("on_device", "device_updated", "event"),
    ]
    assert declarations(Base)[3].description == "both"


def test_subclass_inherits_declarations() -> None:
    class Child(Base):
        @event("customer_created")
        def also(self, payload: Any) -> None: ...

    assert bound(Child) == [*bound(Base), ("also", "customer_created", "event")]


def test_override_keeps_the_declarations_of_what_it_overrides() -> None:
    class Child(Base):
        def on_customer(self, payload: Any) -> None: ...

    assert bound(Child) == bound(Base)


def test_override_with_its_own_decorators_replaces_them() -> None:
    class Child(Base):
        @event("customer_deleted")
        def on_customer(self, payload: Any) -> None: ...

    assert bound(Child)[0] == ("on_customer", "customer_deleted", "event")
    assert len(bound(Child)) == len(bound(Base))


def test_name_set_to_none_is_bound_no_more() -> None:
    class Child(Base):
        on_customer = None  # type: ignore[assignment]  # the way out that is tested

    assert "on_customer" not in [method for method, _, _ in bound(Child)]


def test_wrapping_a_method_does_not_change_the_wrapped_one() -> None:
    def plain(self: Any, payload: Any) -> None: ...

    inner = action("customer_created")(plain)
    outer = event("customer_deleted")(functools.wraps(inner)(lambda self, payload: None))
    assert len(vars(inner)["__isp_declarations__"]) == 1
    assert len(vars(outer)["__isp_declarations__"]) == 2


def test_decorated_method_is_the_function_itself() -> None:
    def plain(self: Any, payload: Any) -> None: ...

    assert action("customer_created")(plain) is plain


def test_all_mistakes_of_a_decorator_are_told_together() -> None:
    with pytest.raises(DeclarationInvalidError) as caught:
        action("Customer-Created", priority=0, condition=" ", timeout_ms=0, failure_policy="retry")
    for word in ("hook:", "priority:", "condition:", "timeout_ms:", "failure_policy:"):
        assert word in str(caught.value)


@pytest.mark.parametrize("priority", [0, 1001, True, 1.5, "1"])
def test_priority_outside_1_to_1000_is_refused(priority: Any) -> None:
    with pytest.raises(DeclarationInvalidError, match="expected 1 to 1000"):
        filter_("invoice_items", priority=priority)


def test_decorator_without_a_hook_says_how_to_write_it() -> None:
    with pytest.raises(DeclarationInvalidError, match='@action\\("customer_created"\\)'):
        action(lambda self, payload: None)  # type: ignore[arg-type]  # the mistake that is tested


def test_same_binding_twice_is_refused() -> None:
    with pytest.raises(DeclarationInvalidError, match="already"):
        action("customer_created")(action("customer_created")(lambda self, payload: None))


def test_what_is_no_method_is_refused() -> None:
    with pytest.raises(DeclarationInvalidError, match="expected a method, got int"):
        action("customer_created")(3)  # type: ignore[type-var]  # the mistake that is tested


def test_event_may_bound_its_retries_and_say_where_it_begins() -> None:
    @event("invoice_paid", retry={"min_s": 5, "attempts": 20}, start_from="2026-01-31T00:00:00+00:00")
    def book(self: Any, payload: Any) -> None: ...

    (one,) = declarations(type("Books", (PluginInterface,), {"book": book}))
    assert (one.retry, one.start_from) == ({"min_s": 5, "attempts": 20}, "2026-01-31T00:00:00+00:00")


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({"retry": 5}, "retry: expected an object of min_s, max_s, attempts or None, got 5"),
        (
            {"retry": {"often": 5}},
            "retry: expected an object of min_s, max_s, attempts or None, got {'often': 5}",
        ),
        ({"retry": {"attempts": 0}}, "retry.attempts: expected 1 to 1,000, got 0"),
        ({"retry": {"attempts": 2.5}}, "retry.attempts: expected 1 to 1,000, got 2.5"),
        ({"retry": {"min_s": True}}, "retry.min_s: expected 0.001 to 604,800, got True"),
        ({"retry": {"min_s": 60, "max_s": 5}}, "retry.min_s: expected at most max_s"),
        ({"start_from": "yesterday"}, "start_from: expected now, beginning or a time with its zone"),
        (
            {"start_from": "2026-01-31T00:00:00"},
            "start_from: expected now, beginning or a time with its zone",
        ),
        ({"start_from": 5}, "start_from: expected now, beginning or a time with its zone"),
    ],
)
def test_event_whose_retries_or_beginning_make_no_sense_is_refused(arguments: Any, mistake: str) -> None:
    with pytest.raises(DeclarationInvalidError) as refused:
        event("invoice_paid", **arguments)
    assert mistake in str(refused.value)
