"""Money goes back once for each refund id, and never more than arrived."""

from typing import Any

import pytest

PAYMENT = {"id": 301, "customer_id": 1001, "amount": 2990, "currency": "EUR", "token_ref": "pm_55"}


@pytest.fixture
def paid(plugin: Any, host: Any) -> Any:
    """A payment that was collected."""
    result = plugin.action("process_payment", PAYMENT)
    host.dispatches.clear()
    return result


def refund(plugin: Any, **changes: Any) -> Any:
    return plugin.call("refund_payment", {"id": 301, "refund_id": 41} | changes)


def test_whole_payment_is_refunded_and_told(plugin: Any, gateway: Any, host: Any, paid: Any) -> None:
    result = refund(plugin)
    (made,) = gateway.refunds.values()
    assert (result["success"], result["amount"], result["transaction_id"]) == (True, 2990, made["id"])
    assert host.dispatches[0].payload == {
        "id": 301,
        "refund_id": "41",
        "customer_id": 1001,
        "amount": 2990,
        "currency": "EUR",
    }


def test_repeated_refund_goes_back_once(plugin: Any, gateway: Any, host: Any, paid: Any) -> None:
    assert refund(plugin) == refund(plugin)
    assert (len(gateway.refunds), len(host.dispatches)) == (1, 1)


def test_partial_refunds_add_up_to_the_payment(plugin: Any, paid: Any) -> None:
    refund(plugin, amount=1000)
    with pytest.raises(Exception, match=r"19\.90 EUR are left of it"):
        refund(plugin, refund_id=42, amount=2000)
    assert refund(plugin, refund_id=42)["amount"] == 1990


def test_refund_with_another_amount_is_refused(plugin: Any, paid: Any) -> None:
    refund(plugin, amount=1000)
    with pytest.raises(Exception, match="another amount for refund 41"):
        refund(plugin, amount=500)


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "garbage_after"])
def test_refund_without_an_answer_is_unknown_and_its_repeat_gives_nothing_more(
    start: Any, config: Any, gateway: Any, paid: Any, fault: str
) -> None:
    plugin = start(config | {"max_retries": 0})
    gateway.faults = [fault]
    with pytest.raises(Exception, match="not known whether refund 41 of payment 301 was done"):
        refund(plugin)
    assert refund(plugin)["success"] is True
    assert len(gateway.refunds) == 1


def test_lost_refund_is_found_by_asking(start: Any, config: Any, gateway: Any, host: Any, paid: Any) -> None:
    plugin = start(config | {"max_retries": 0})
    gateway.faults = ["cut_after"]
    with pytest.raises(Exception, match="not known"):
        refund(plugin)
    assert plugin.call("settle_payments", {}) == {"settled": 1, "open": 0}
    assert [one.hook for one in host.dispatches] == ["payment_refunded"]


def test_refund_that_never_arrived_can_be_made_under_another_id(
    start: Any, config: Any, gateway: Any, host: Any, paid: Any
) -> None:
    plugin = start(config | {"max_retries": 0, "timeout": 1})
    gateway.faults = ["hang"]
    with pytest.raises(Exception, match="not known"):
        refund(plugin)
    host.storage["open/301"]["refunds"]["41"]["at"] -= 3700
    plugin.call("settle_payments", {})
    assert refund(plugin, refund_id=42)["success"] is True


def test_payment_that_was_not_collected_is_not_refunded(plugin: Any) -> None:
    plugin.action("process_payment", PAYMENT | {"token_ref": "pm_declined"})
    with pytest.raises(Exception, match="it is failed, so nothing was collected"):
        refund(plugin)


def test_unknown_payment_needs_its_transaction(plugin: Any, host: Any, paid: Any) -> None:
    host.storage.clear()
    with pytest.raises(Exception, match="name its transaction_id"):
        refund(plugin)
    assert refund(plugin, transaction_id=paid["transaction_id"])["success"] is True
    assert [one.hook for one in host.dispatches] == ["payment_refunded"]


def test_transaction_of_another_payment_is_not_refunded(plugin: Any, host: Any, paid: Any) -> None:
    with pytest.raises(Exception, match="is another payment's"):
        refund(plugin, id=302, transaction_id=paid["transaction_id"])


def test_refund_made_by_hand_at_the_gateway_is_told(
    plugin: Any, call_back: Any, gateway: Any, host: Any, paid: Any
) -> None:
    by_hand = {
        "id": "re_9",
        "object": "refund",
        "payment_intent": paid["transaction_id"],
        "amount": 500,
        "currency": "eur",
        "status": "succeeded",
    }
    assert call_back("refund.created", by_hand)["effect"] == "refund succeeded"
    assert host.dispatches[0].payload["refund_id"] == "re_9"
    with pytest.raises(Exception, match=r"24\.90 EUR are left"):
        refund(plugin, amount=2990)


def test_callback_about_an_own_refund_is_told_once(
    plugin: Any, call_back: Any, gateway: Any, host: Any, paid: Any
) -> None:
    refund(plugin)
    (made,) = gateway.refunds.values()
    call_back("refund.updated", made)
    assert [one.hook for one in host.dispatches] == ["payment_refunded"]


def test_refund_that_the_bank_sent_back_is_failed(
    plugin: Any, call_back: Any, gateway: Any, host: Any, paid: Any
) -> None:
    refund(plugin)
    (made,) = gateway.refunds.values()
    call_back("refund.failed", dict(made, status="failed"))
    assert refund(plugin, refund_id=42)["amount"] == 2990


def test_yen_are_refunded_as_yen(plugin: Any, gateway: Any) -> None:
    plugin.action("process_payment", PAYMENT | {"amount": 500, "currency": "JPY"})
    refund(plugin, amount=200)
    assert [one["amount"] for one in gateway.refunds.values()] == [200]
