"""A payment is charged once with the right amount, refused where it is unclear, and told to the rest of the ISP."""

from typing import Any

import pytest

PAYMENT = {
    "id": 301,
    "customer_id": 1001,
    "amount": 2990,
    "currency": "EUR",
    "token_ref": "methods/pm_55",
    "idempotency_key": "payment-301",
}


def pay(plugin: Any, **changes: Any) -> Any:
    """Dispatch `payment_requested` and return what the subscription gave, or raise what it raised."""
    (outcome,) = plugin.dispatch("payment_requested", PAYMENT | changes).outcomes
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def told(host: Any) -> list[str]:
    """The hooks that the plugin dispatched."""
    return [one.hook for one in host.dispatches]


def test_payment_is_charged(plugin: Any, gateway: Any) -> None:
    result = pay(plugin)
    (charge,) = gateway.charges
    assert (result["success"], result["transaction_id"]) == (True, charge["id"])
    assert (charge["amount"], charge["currency"]) == (2990, "eur")


def test_received_payment_is_told(plugin: Any, gateway: Any, host: Any) -> None:
    pay(plugin)
    (dispatch,) = host.dispatches
    assert dispatch.hook == "payment_received"
    assert dispatch.payload == {
        "id": 301, "customer_id": 1001, "invoice_id": None, "amount": 2990, "currency": "EUR", "method": "card",
        "external_id": gateway.charges[0]["id"],
    }  # fmt: skip


def test_key_of_the_payload_goes_along(plugin: Any, gateway: Any) -> None:
    pay(plugin)
    assert gateway.requests[-1]["key"] == "payment-301"


def test_without_a_key_it_is_made_from_the_payments_id(plugin: Any, gateway: Any) -> None:
    pay(plugin, idempotency_key=None)
    assert gateway.requests[-1]["key"] == "isp-payment-301"


def test_repeated_request_is_charged_once_and_told_once(plugin: Any, gateway: Any, host: Any) -> None:
    first, second = pay(plugin), pay(plugin)
    assert second == first | {"replayed": True}
    assert len(gateway.charges) == 1
    assert told(host) == ["payment_received"]


def test_paid_payment_is_not_charged_again_with_another_key(plugin: Any, gateway: Any) -> None:
    pay(plugin)
    assert pay(plugin, idempotency_key="another")["success"] is True
    assert len(gateway.intents) == 1


def test_id_as_text_is_the_same_payment(plugin: Any, gateway: Any) -> None:
    pay(plugin, idempotency_key=None)
    pay(plugin, idempotency_key=None, id="301")
    assert len(gateway.intents) == 1


@pytest.mark.parametrize("change", [{"amount": 3990}, {"currency": "USD"}])
def test_paid_id_with_another_sum_is_refused(plugin: Any, gateway: Any, change: dict[str, Any]) -> None:
    pay(plugin)
    with pytest.raises(Exception, match="requested before with another amount or currency"):
        pay(plugin, **change)
    assert len(gateway.intents) == 1


def test_decline_is_a_result_and_told(plugin: Any, host: Any) -> None:
    result = pay(plugin, token_ref="pm_declined")
    assert (result["success"], result["code"]) == (False, "insufficient_funds")
    assert told(host) == ["payment_failed"]
    assert host.dispatches[0].payload["code"] == "insufficient_funds"


def test_repeat_of_a_declined_payment_is_no_new_attempt(plugin: Any, gateway: Any, host: Any) -> None:
    pay(plugin, token_ref="pm_declined")
    assert pay(plugin, token_ref="pm_declined")["replayed"] is True
    assert len(gateway.intents) == 1
    assert told(host) == ["payment_failed"]


def test_another_key_after_a_decline_is_a_new_attempt(plugin: Any, gateway: Any, host: Any) -> None:
    pay(plugin, token_ref="pm_declined")
    assert pay(plugin, idempotency_key="payment-301-again")["success"] is True
    assert told(host) == ["payment_failed", "payment_received"]


def test_slow_payment_is_pending_and_not_told_yet(plugin: Any, host: Any) -> None:
    result = pay(plugin, token_ref="pm_bank")
    assert (result["success"], result["status"]) == (False, "pending")
    assert told(host) == []


def test_repeat_of_a_pending_payment_asks_how_it_stands(plugin: Any, gateway: Any, host: Any) -> None:
    transaction = pay(plugin, token_ref="pm_bank")["transaction_id"]
    gateway.finish(transaction)
    assert pay(plugin, token_ref="pm_bank")["success"] is True
    assert told(host) == ["payment_received"]
    assert len(gateway.intents) == 1


@pytest.mark.parametrize("amount", [29.9, "2990", 0, -5, True, None])
def test_amount_that_is_no_integer_above_zero_is_refused(plugin: Any, gateway: Any, amount: Any) -> None:
    with pytest.raises(Exception, match="amount: expected an integer above 0"):
        pay(plugin, amount=amount)
    assert gateway.requests == []


def test_yen_are_not_multiplied(plugin: Any, gateway: Any) -> None:
    pay(plugin, amount=500, currency="JPY")
    assert (gateway.charges[0]["amount"], gateway.charges[0]["currency"]) == (500, "jpy")


def test_currency_that_the_gateway_counts_otherwise_is_told_in_iso_units(
    plugin: Any, gateway: Any, host: Any
) -> None:
    pay(plugin, amount=500, currency="ISK")
    assert gateway.charges[0]["amount"] == 50_000
    assert host.dispatches[0].payload["amount"] == 500


def test_thousandth_of_a_dinar_is_refused_not_rounded(plugin: Any, gateway: Any) -> None:
    with pytest.raises(Exception, match=r"1\.505 KWD must end in 0"):
        pay(plugin, amount=1505, currency="KWD")
    assert gateway.requests == []


def test_unknown_currency_is_refused(plugin: Any) -> None:
    with pytest.raises(Exception, match="ISO 4217"):
        pay(plugin, currency="EURO")


def test_currency_that_the_operator_does_not_accept_is_refused(start: Any, config: Any, gateway: Any) -> None:
    with pytest.raises(Exception, match="EUR is not among the currencies accepted"):
        pay(start(config | {"currencies": ["USD"]}))
    assert gateway.requests == []


def test_all_mistakes_are_told_together(plugin: Any) -> None:
    with pytest.raises(Exception, match=r"id: expected .*amount: expected .*token_ref: expected"):
        pay(plugin, id=None, amount="x", token_ref=7)


@pytest.mark.parametrize(
    "change",
    [
        {"token_ref": "4242424242424242"},
        {"card": {"number": "4242424242424242"}},
        {"note": "4242 4242 4242 4242"},
        {"extra": [{"cvc": "123"}]},
    ],
)
def test_card_data_is_refused_and_never_repeated(plugin: Any, gateway: Any, change: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="holds card data") as caught:
        pay(plugin, **change)
    assert gateway.requests == []
    assert "4242" not in str(caught.value) + "".join(plugin.messages)


def test_card_number_and_key_in_the_gateways_words_are_not_repeated(
    start: Any, config: Any, host: Any
) -> None:
    plugin = start(config | {"api_key": "sk_live_other"})
    with pytest.raises(Exception, match="refuses the API key") as caught:
        pay(plugin)
    pay_declined = start(config)
    pay(pay_declined, token_ref="pm_declined")
    text = (
        str(caught.value)
        + "".join(plugin.messages + pay_declined.messages)
        + repr(host.dispatches)
        + repr(host.storage)
    )
    assert "sk_live_other" not in text
    assert "4242 4242" not in text


def test_refused_key_leaves_the_payment_open_for_another_try(start: Any, config: Any, gateway: Any) -> None:
    with pytest.raises(Exception, match="refuses the API key"):
        pay(start(config | {"api_key": "sk_live_other"}))
    assert pay(start(config))["success"] is True
    assert len(gateway.charges) == 1


def test_failing_listener_does_not_turn_a_payment_into_an_error(plugin: Any, host: Any, gateway: Any) -> None:
    host.answer("payment_received", RuntimeError("no listener"), {})
    assert pay(plugin)["success"] is True
    assert plugin.call("settle_payments", {}) == {"settled": 1, "open": 0}
    assert told(host) == ["payment_received", "payment_received"]
    assert len(gateway.charges) == 1


def test_method_is_offered_in_accepted_currencies(start: Any, config: Any) -> None:
    plugin = start(config | {"currencies": ["EUR"], "method_name": "Cartão"})
    offer = {"methods": [{"id": "cash"}], "currency": "EUR", "customer": {"id": 1}}
    methods = plugin.filter("offer_payment_methods", offer)["methods"]
    assert methods[1] == {"id": "card", "name": "Cartão", "gateway": "stripe", "url": None, "fee": None}
    assert plugin.filter("offer_payment_methods", offer | {"currency": "USD"})["methods"] == [{"id": "cash"}]


def test_method_is_offered_once(plugin: Any) -> None:
    offer = {"methods": [{"id": "card", "gateway": "stripe"}], "currency": "EUR"}
    assert plugin.filter("offer_payment_methods", offer) == offer


def deliver(plugin: Any, key: str, attempt: int, **changes: Any) -> Any:
    """One attempt at an event, as the host makes it."""
    payload = PAYMENT | {"idempotency_key": None} | changes
    context = {"idempotency_key": key, "attempt": attempt}
    return plugin.event("process_payment", payload, hook="payment_requested", context=context)


def test_key_of_the_event_goes_along(plugin: Any, gateway: Any) -> None:
    deliver(plugin, "0f3a:7", 1)
    assert gateway.requests[-1]["key"] == "0f3a:7"


def test_event_that_is_delivered_again_makes_one_charge(plugin: Any, gateway: Any, host: Any) -> None:
    """Also where the host was killed before anything was written down: then the gateway knows the key."""
    first = deliver(plugin, "0f3a:7", 1)
    host.storage.clear()
    second = deliver(plugin, "0f3a:7", 2)
    assert second["transaction_id"] == first["transaction_id"]
    assert [one["key"] for one in gateway.requests if one["method"] == "POST"] == ["0f3a:7"] * 2
    assert len(gateway.charges) == 1


def test_another_event_after_a_decline_makes_another_attempt(plugin: Any, gateway: Any) -> None:
    assert deliver(plugin, "0f3a:7", 1, token_ref="pm_declined")["success"] is False
    assert deliver(plugin, "0f3a:7", 2)["success"] is False, "the same event: the same answer"
    assert deliver(plugin, "11b2:7", 1)["success"] is True
