"""Whatever the network and the gateway do, a payment is charged once at most, and what is not known is said to be not known."""

import concurrent.futures
import socket
import threading
import time
from typing import Any

import pytest

PAYMENT = {"id": 301, "customer_id": 1001, "amount": 2990, "currency": "EUR", "token_ref": "pm_55"}


def pay(plugin: Any, **changes: Any) -> Any:
    return plugin.action("process_payment", PAYMENT | changes, hook="payment_requested")


@pytest.mark.parametrize(
    "fault", ["cut", "cut_after", "500", "500_after", "502_after", "503", "429", "409", "garbage_after"]
)
def test_one_fault_is_made_up_for_with_the_same_key(plugin: Any, gateway: Any, fault: str) -> None:
    gateway.faults = [fault]
    if fault == "409":
        gateway.faults = ["409_after"]
    assert pay(plugin)["success"] is True
    assert len(gateway.charges) == 1
    assert len({request["key"] for request in gateway.requests}) == 1


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "hang_after", "garbage_after", "endless_after"])
def test_charge_without_an_answer_is_unknown_and_its_repeat_charges_nothing(
    start: Any, config: Any, gateway: Any, host: Any, fault: str
) -> None:
    plugin = start(config | {"max_retries": 0, "timeout": 1.5})
    gateway.faults = [fault]
    with pytest.raises(Exception, match="not known whether payment 301 was done"):
        pay(plugin)
    assert host.dispatches == []
    assert pay(plugin)["success"] is True
    assert len(gateway.charges) == 1
    assert [one.hook for one in host.dispatches] == ["payment_received"]


def test_repeat_with_another_key_after_an_unknown_charge_uses_the_first(
    start: Any, config: Any, gateway: Any
) -> None:
    plugin = start(config | {"max_retries": 0})
    gateway.faults = ["cut_after"]
    with pytest.raises(Exception, match="not known"):
        pay(plugin, idempotency_key="first")
    assert pay(plugin, idempotency_key="second")["success"] is True
    assert len(gateway.charges) == 1
    assert gateway.requests[-1]["key"] == "first"


def test_another_token_after_an_unknown_charge_is_refused(start: Any, config: Any, gateway: Any) -> None:
    plugin = start(config | {"max_retries": 0})
    gateway.faults = ["cut_after"]
    with pytest.raises(Exception, match="not known"):
        pay(plugin)
    with pytest.raises(Exception, match="another payment method, and the outcome is not known yet"):
        pay(plugin, token_ref="pm_56")
    assert len(gateway.charges) == 1


def test_hanging_gateway_is_told_within_the_deadline_of_the_dispatch(
    start: Any, config: Any, gateway: Any
) -> None:
    plugin = start(config | {"timeout": 60}, deadline_s=3)
    gateway.faults = ["hang"]
    began = time.monotonic()
    with pytest.raises(
        Exception, match=r"not known whether payment 301 was done: it did not answer within 2.\d+ s"
    ):
        pay(plugin)
    assert time.monotonic() - began < 3


def test_gateway_that_is_away_is_told_and_nothing_is_remembered(start: Any, config: Any, host: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        plugin = start(config | {"endpoint": f"http://127.0.0.1:{probe.getsockname()[1]}"})
        with pytest.raises(Exception, match="cannot be reached, and nothing was done"):
            pay(plugin)
    assert host.storage == {}


def test_lasting_refusal_for_too_many_requests_did_nothing(plugin: Any, gateway: Any, host: Any) -> None:
    gateway.faults = ["429"] * 3
    with pytest.raises(Exception, match="nothing was done: it answers 429"):
        pay(plugin)
    assert host.storage == {}


def test_refused_request_is_not_repeated(plugin: Any, gateway: Any) -> None:
    gateway.faults = ["400"]
    with pytest.raises(Exception, match="refuses the request, and nothing was done: 400"):
        pay(plugin)
    assert len(gateway.requests) == 1


def test_redirect_is_not_followed(plugin: Any, gateway: Any) -> None:
    gateway.faults = ["307"]
    with pytest.raises(Exception, match="refuses the request"):
        pay(plugin)
    assert len(gateway.requests) == 1


def test_gateway_that_vanishes_after_an_unknown_charge_leaves_it_unknown(
    start: Any, config: Any, gateway: Any
) -> None:
    gateway.faults = ["cut_after"]
    with pytest.raises(Exception, match="not known"):
        pay(start(config | {"max_retries": 0}))
    with pytest.raises(Exception, match="an earlier attempt got no answer"):
        pay(start(config | {"endpoint": "http://127.0.0.1:9"}))


def test_charge_is_written_down_before_it_is_sent(start: Any, config: Any, gateway: Any, host: Any) -> None:
    plugin = start(config | {"max_retries": 0, "timeout": 1})
    gateway.faults = ["hang"]
    with pytest.raises(Exception, match="not known"):
        pay(plugin)
    assert host.storage["open/301"]["status"] == "sent"
    assert host.storage["open/301"]["key"] == "isp-payment-301"


def test_host_that_ends_in_the_middle_of_a_charge_charges_once(
    start: Any, config: Any, gateway: Any, host: Any
) -> None:
    first = start(config | {"max_retries": 0, "timeout": 1})
    gateway.faults = ["hang_after"]
    with pytest.raises(Exception, match="not known"):
        pay(first)
    first.stop()
    assert pay(start(config))["success"] is True
    assert len(gateway.charges) == 1


def test_lost_answer_is_found_by_asking(start: Any, config: Any, gateway: Any, host: Any) -> None:
    plugin = start(config | {"max_retries": 0})
    gateway.faults = ["cut_after"]
    with pytest.raises(Exception, match="not known"):
        pay(plugin)
    for number in range(150):
        gateway.answer(
            "POST",
            "/v1/payment_intents",
            {"amount": "1", "currency": "eur", "payment_method": "pm_1", "n": str(number)},
            None,
        )
    assert plugin.call("settle_payments", {}) == {"settled": 1, "open": 0}
    assert [one.payload["id"] for one in host.dispatches] == [301]


def test_request_that_never_arrived_is_told_as_failed_after_an_hour(
    start: Any, config: Any, gateway: Any, host: Any
) -> None:
    plugin = start(config | {"max_retries": 0, "timeout": 1})
    gateway.faults = ["hang"]
    with pytest.raises(Exception, match="not known"):
        pay(plugin)
    assert plugin.call("settle_payments", {}) == {"settled": 0, "open": 1}
    host.storage["open/301"]["at"] -= 3700
    assert plugin.call("settle_payments", {}) == {"settled": 1, "open": 0}
    assert (host.dispatches[0].hook, host.dispatches[0].payload["code"]) == (
        "payment_failed",
        "not_collected",
    )


def test_key_that_the_gateway_has_forgotten_is_not_used_before_looking(
    start: Any, config: Any, gateway: Any, host: Any
) -> None:
    plugin = start(config | {"max_retries": 0})
    gateway.faults = ["cut_after"]
    with pytest.raises(Exception, match="not known"):
        pay(plugin)
    host.storage["open/301"]["at"] -= 25 * 3600
    gateway._answers.clear()
    assert pay(plugin)["success"] is True
    assert len(gateway.charges) == 1


def test_payments_do_not_wait_for_each_other(start: Any, config: Any, gateway: Any) -> None:
    plugin = start(config | {"timeout": 5})
    gateway.faults = ["hang"]
    slow = threading.Thread(target=pay, args=(plugin,), kwargs={"id": 1})
    slow.start()
    while not gateway.requests:
        time.sleep(0.005)
    assert pay(plugin, id=2)["success"] is True
    gateway.release.set()
    slow.join()


def test_same_payment_asked_for_twice_at_once_is_charged_once(plugin: Any, gateway: Any, host: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: pay(plugin), range(8)))
    assert all(result["success"] for result in results)
    assert len(gateway.requests) == 1
    assert len(host.dispatches) == 1
