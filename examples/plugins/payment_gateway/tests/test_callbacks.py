"""A callback counts when it is the gateway's, fresh and new; duplicates, late, forged and replayed ones change nothing."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

PAYMENT = {"id": 301, "customer_id": 1001, "amount": 2990, "currency": "EUR", "token_ref": "pm_bank"}


@pytest.fixture
def pending(plugin: Any, gateway: Any) -> Any:
    """A payment that the bank has not decided yet: the gateway's object."""
    return gateway.intents[plugin.action("process_payment", PAYMENT)["transaction_id"]]


def told(host: Any) -> list[str]:
    return [one.hook for one in host.dispatches]


def test_callback_settles_a_pending_payment(call_back: Any, gateway: Any, host: Any, pending: Any) -> None:
    result = call_back("payment_intent.succeeded", gateway.finish(pending["id"]))
    assert result["effect"] == "succeeded"
    (dispatch,) = host.dispatches
    assert (dispatch.hook, dispatch.payload["id"], dispatch.payload["customer_id"]) == (
        "payment_received",
        301,
        1001,
    )


def test_duplicate_callback_is_told_once(call_back: Any, gateway: Any, host: Any, pending: Any) -> None:
    done = gateway.finish(pending["id"])
    call_back("payment_intent.succeeded", done, event_id="evt_1")
    assert call_back("payment_intent.succeeded", done, event_id="evt_1")["duplicate"] is True
    assert told(host) == ["payment_received"]


def test_same_news_in_another_event_is_told_once(
    call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    done = gateway.finish(pending["id"])
    call_back("payment_intent.succeeded", done)
    assert call_back("payment_intent.succeeded", done)["effect"] == "known already"
    assert told(host) == ["payment_received"]


@pytest.mark.parametrize("late", ["processing", "requires_payment_method", "canceled"])
def test_late_callback_does_not_take_a_success_back(
    call_back: Any, gateway: Any, host: Any, pending: Any, late: str
) -> None:
    before = dict(pending, status=late)
    call_back("payment_intent.succeeded", gateway.finish(pending["id"]))
    kind = {"requires_payment_method": "payment_failed"}.get(late, late)
    call_back(f"payment_intent.{kind}", before, created=int(time.time()) - 60)
    assert told(host) == ["payment_received"]
    assert host.storage["settled/301"]["status"] == "succeeded"


def test_success_after_a_failure_counts(call_back: Any, gateway: Any, host: Any, pending: Any) -> None:
    call_back("payment_intent.payment_failed", dict(pending, status="requires_payment_method"))
    call_back("payment_intent.succeeded", gateway.finish(pending["id"]))
    assert told(host) == ["payment_failed", "payment_received"]


def test_late_failure_of_an_earlier_attempt_leaves_the_present_one(
    plugin: Any, call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    failed = dict(pending, status="requires_payment_method")
    call_back("payment_intent.payment_failed", failed)
    plugin.action("process_payment", PAYMENT | {"idempotency_key": "again"})
    call_back("payment_intent.payment_failed", failed)
    assert host.storage["open/301"]["status"] == "pending"
    assert told(host) == ["payment_failed"]


def test_money_that_arrives_twice_is_told_as_unmatched(
    plugin: Any, call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    call_back("payment_intent.payment_failed", dict(pending, status="requires_payment_method"))
    plugin.action("process_payment", PAYMENT | {"idempotency_key": "again", "token_ref": "pm_card"})
    call_back("payment_intent.succeeded", gateway.finish(pending["id"]))
    assert told(host) == ["payment_failed", "payment_received", "payment_unmatched"]


def test_payment_that_nobody_asked_for_is_told_as_unmatched(call_back: Any, host: Any) -> None:
    stranger = {
        "id": "pi_x",
        "object": "payment_intent",
        "amount": 500,
        "amount_received": 500,
        "currency": "jpy",
        "status": "succeeded",
    }
    assert call_back("payment_intent.succeeded", stranger)["effect"] == "unmatched"
    assert host.dispatches[0].payload == {"id": "pi_x", "amount": 500, "currency": "JPY", "candidates": []}


def test_payment_whose_record_was_lost_is_found_by_its_metadata(
    call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    host.storage.clear()
    call_back("payment_intent.succeeded", gateway.finish(pending["id"]))
    assert (told(host), host.dispatches[0].payload["id"]) == (["payment_received"], "301")


def test_host_restarted_between_charge_and_callback_settles(
    plugin: Any, start: Any, config: Any, call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    plugin.stop()
    again = start(config)
    call_back("payment_intent.succeeded", gateway.finish(pending["id"]), to=again)
    assert told(host) == ["payment_received"]


def test_duplicate_after_a_restart_is_known(
    plugin: Any, start: Any, config: Any, call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    done = gateway.finish(pending["id"])
    call_back("payment_intent.succeeded", done, event_id="evt_9")
    plugin.stop()
    assert (
        call_back("payment_intent.succeeded", done, event_id="evt_9", to=start(config))["duplicate"] is True
    )


def test_callback_after_a_lost_answer_settles(
    start: Any, config: Any, call_back: Any, gateway: Any, host: Any
) -> None:
    plugin = start(config | {"max_retries": 0})
    gateway.faults = ["cut_after"]
    with pytest.raises(Exception, match="not known"):
        plugin.action("process_payment", PAYMENT | {"token_ref": "pm_card"})
    (intent,) = gateway.charges
    call_back("payment_intent.succeeded", intent, to=plugin)
    assert plugin.action("process_payment", PAYMENT | {"token_ref": "pm_card"})["success"] is True
    assert (len(gateway.charges), told(host)) == (1, ["payment_received"])


def test_callback_that_could_not_be_told_is_made_up_for(
    call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    host.answer("payment_received", RuntimeError("busy"), {})
    done = gateway.finish(pending["id"])
    call_back("payment_intent.succeeded", done)
    call_back("payment_intent.succeeded", done)
    assert host.storage["settled/301"]["reported"] == "succeeded"


FORGERIES: dict[str, Any] = {
    "no signature": lambda sign, body: {"Content-Type": "application/json"},
    "another secret": lambda sign, body: sign(body, secret="whsec_other"),
    "another body": lambda sign, body: sign(body + b" "),
    "empty signature": lambda sign, body: {"Stripe-Signature": f"t={int(time.time())},v1="},
    "moment moved": lambda sign, body: {
        "Stripe-Signature": sign(body, moment=int(time.time()) - 9999)["Stripe-Signature"].replace(
            f"t={int(time.time()) - 9999}", f"t={int(time.time())}"
        )
    },
    "two moments": lambda sign, body: {"Stripe-Signature": "t=1," + sign(body)["Stripe-Signature"]},
    "no headers": lambda sign, body: "Stripe-Signature",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_callback_changes_nothing(
    call_back: Any, gateway: Any, host: Any, pending: Any, signed: Any, forgery: str
) -> None:
    with pytest.raises(Exception, match="A callback was refused"):
        call_back(
            "payment_intent.succeeded",
            gateway.finish(pending["id"]),
            headers=lambda body: FORGERIES[forgery](signed, body),
        )
    assert told(host) == []
    assert host.storage["open/301"]["status"] == "pending"


@pytest.mark.parametrize("age", [301, 86_400, -400])
def test_replayed_old_callback_is_refused(
    call_back: Any, gateway: Any, host: Any, pending: Any, signed: Any, age: int
) -> None:
    with pytest.raises(Exception, match="replayed, or a clock is wrong"):
        call_back(
            "payment_intent.succeeded",
            gateway.finish(pending["id"]),
            headers=lambda body: signed(body, moment=int(time.time()) - age),
        )
    assert told(host) == []


def test_secret_before_is_accepted_while_it_is_changed(
    start: Any, config: Any, call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    plugin = start(
        config | {"webhook_secret": "whsec_new", "previous_webhook_secret": config["webhook_secret"]}
    )
    call_back("payment_intent.succeeded", gateway.finish(pending["id"]), to=plugin)
    assert told(host) == ["payment_received"]


def test_header_name_in_any_case_is_found(
    call_back: Any, gateway: Any, host: Any, pending: Any, signed: Any
) -> None:
    done = gateway.finish(pending["id"])
    call_back(
        "payment_intent.succeeded",
        done,
        headers=lambda body: {name.lower(): value for name, value in signed(body).items()},
    )
    assert told(host) == ["payment_received"]


def test_without_a_secret_every_callback_is_refused(
    start: Any, config: Any, call_back: Any, pending: Any
) -> None:
    plugin = start({name: value for name, value in config.items() if name != "webhook_secret"})
    with pytest.raises(Exception, match="webhook_secret is not set"):
        call_back("payment_intent.succeeded", pending, to=plugin)


def test_callback_of_another_gateway_is_left_alone(plugin: Any) -> None:
    assert plugin.action("handle_callback", {"gateway": "paypal"}) == {
        "handled": False,
        "reason": "it is another gateway's",
    }


def test_body_is_read_from_the_callback_folder(
    start: Any, config: Any, gateway: Any, host: Any, pending: Any, signed: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    (folder / "callbacks").mkdir(parents=True)
    body = gateway.event("payment_intent.succeeded", gateway.finish(pending["id"]))
    (folder / "callbacks" / "88").write_bytes(body)
    plugin = start(config | {"callback_folder": str(folder)})
    payload = {
        "gateway": "stripe",
        "headers": signed(body),
        "raw_body_ref": "callbacks/88",
        "remote_ip": "198.51.100.7",
    }
    assert plugin.action("handle_callback", payload)["handled"] is True


@pytest.mark.parametrize(
    "reference", ["../secret", "/etc/hostname", "link", "", None, "callbacks", "missing"]
)
def test_body_outside_of_the_callback_folder_is_not_read(
    start: Any, config: Any, signed: Any, tmp_path: Path, reference: Any
) -> None:
    folder = tmp_path / "spool"
    (folder / "callbacks").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"{}")
    (folder / "link").symlink_to(tmp_path / "secret")
    plugin = start(config | {"callback_folder": str(folder)})
    with pytest.raises(Exception, match=r"A callback was refused: (raw_body_ref|its body)"):
        plugin.action(
            "handle_callback", {"gateway": "stripe", "headers": signed(b"{}"), "raw_body_ref": reference}
        )


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"id": 7}', b"\xff", b'{"id": "../x", "type": "a", "data": {"object": {}}}']
)
def test_signed_body_that_is_no_event_is_refused(plugin: Any, signed: Any, body: bytes) -> None:
    payload = {
        "gateway": "stripe",
        "headers": signed(body),
        "raw_body_ref": "data:;base64," + base64.b64encode(body).decode(),
    }
    with pytest.raises(Exception, match="its body is no event"):
        plugin.action("handle_callback", payload)


def test_body_beyond_the_limit_is_refused(plugin: Any, signed: Any) -> None:
    body = json.dumps({"x": "y" * 600_000})
    with pytest.raises(Exception, match=r"has more than|not a readable"):
        plugin.action(
            "handle_callback",
            {"gateway": "stripe", "headers": signed(body.encode()), "raw_body_ref": "data:," + body},
        )


def test_unknown_event_is_acknowledged(call_back: Any, host: Any) -> None:
    assert call_back("customer.created", {"object": "customer"})["effect"] == "ignored"
    assert told(host) == []


def test_refused_callback_is_logged_with_its_sender(plugin: Any, call_back: Any, pending: Any) -> None:
    with pytest.raises(Exception, match="refused"):
        call_back("payment_intent.succeeded", pending, headers=lambda body: {})
    assert "198.51.100.7" in plugin.messages[-1]


def test_old_callbacks_and_payments_are_forgotten(
    plugin: Any, call_back: Any, gateway: Any, host: Any, pending: Any
) -> None:
    call_back(
        "payment_intent.succeeded", gateway.finish(pending["id"]), created=int(time.time()) - 40 * 86_400
    )
    call_back("customer.created", {"object": "customer"})
    host.storage["settled/301"]["at"] -= 200 * 86_400
    assert plugin.call("forget_old", {}) == {"forgotten": 2}
    assert len([key for key in host.storage if key.startswith("callbacks/")]) == 1
