"""The typed payloads: one per hook, plain enough that a JSON Schema follows from them."""

import types
import typing

import pytest

from isp_plugin_sdk.payloads import PAYLOADS

PLAIN = {str, int, float, bool, type(None), typing.Any}


def is_plain(kind: typing.Any) -> bool:
    """Whether an annotation is one that a schema can be derived from."""
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return True
    if origin in (list, dict, types.UnionType, typing.Union):
        return all(is_plain(part) for part in typing.get_args(kind))
    if typing.is_typeddict(kind):
        return all(is_plain(part) for part in typing.get_type_hints(kind).values())
    return kind in PLAIN


@pytest.mark.parametrize("hook", PAYLOADS)
def test_payload_is_plain_documented_and_requires_nothing(hook: str) -> None:
    payload = PAYLOADS[hook]
    assert is_plain(payload)
    assert payload.__doc__
    assert payload.__required_keys__ == frozenset()


@pytest.mark.parametrize("hook", PAYLOADS)
def test_payload_class_is_named_after_its_hook(hook: str) -> None:
    assert PAYLOADS[hook].__name__ == "".join(word.capitalize() for word in hook.split("_"))


@pytest.mark.parametrize("hook", PAYLOADS)
def test_payload_may_carry_org_actor_and_reason(hook: str) -> None:
    assert {"org_id", "actor", "reason"} <= PAYLOADS[hook].__optional_keys__


@pytest.mark.parametrize("hook", PAYLOADS)
def test_money_has_a_currency_beside_it(hook: str) -> None:
    keys = PAYLOADS[hook].__optional_keys__
    assert "currency" in keys or not keys & {"amount", "total", "balance", "open_balance", "cost"}


def test_customers_own_id_is_id() -> None:
    assert "id" in PAYLOADS["customer_created"].__optional_keys__
    assert "customer_id" not in PAYLOADS["customer_created"].__optional_keys__


def test_catalogue_has_every_hook() -> None:
    assert len(PAYLOADS) == 117
