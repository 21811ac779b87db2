"""Against localstripe, a payment API that others wrote: requests are understood, declines and refunds happen, its callbacks verify.

It runs as a process of its own; where it cannot (it listens on IPv6), these tests are skipped, and the double beside this file has to do.
It knows no idempotency keys, so what hangs on them is tested with the double alone.
"""

import base64
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import httpx
import pytest

KEY = "sk_test_12345"
SECRET = "whsec_peer"
PAYMENT = {"id": 301, "amount": 2990, "currency": "EUR"}
STARTS_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def peer() -> Iterator[httpx.Client]:
    """A running localstripe, as the client of somebody who has its key."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "localstripe", "--from-scratch", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", auth=(KEY, ""), trust_env=False, timeout=60
        ) as client:
            wait_for(client, process)
            yield client
    finally:
        process.terminate()
        process.wait(10)


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Return when it answers; skip where it ended instead."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.skip("localstripe cannot run here")
        try:
            client.get("/v1/payment_intents")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("localstripe does not answer")


def method(peer: httpx.Client, number: str) -> str:
    """A stored payment method of that test card; its token."""
    card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123"}
    answer = peer.post("/v1/payment_methods", data={"type": "card"} | card)
    token: str = answer.raise_for_status().json()["id"]
    return token


@pytest.fixture
def plugin(peer: httpx.Client, start: Any) -> Any:
    """The plugin, configured for the peer."""
    return start({"endpoint": str(peer.base_url), "api_key": KEY, "webhook_secret": SECRET})


def test_peer_understands_a_payment(plugin: Any, peer: httpx.Client) -> None:
    result = plugin.action("process_payment", PAYMENT | {"token_ref": method(peer, "4242424242424242")})
    stored = peer.get(f"/v1/payment_intents/{result['transaction_id']}").json()
    assert result["success"] is True
    assert (stored["amount"], stored["currency"], stored["status"]) == (2990, "eur", "succeeded")
    assert stored["metadata"] == {"isp_payment_id": "301", "isp_attempt": "isp-payment-301"}


def test_peers_decline_is_a_result(plugin: Any, peer: httpx.Client) -> None:
    result = plugin.action("process_payment", PAYMENT | {"token_ref": method(peer, "4000000000000341")})
    assert (result["success"], result["code"]) == (False, "card_declined")


def test_peer_understands_a_refund(plugin: Any, peer: httpx.Client) -> None:
    paid = plugin.action("process_payment", PAYMENT | {"token_ref": method(peer, "4242424242424242")})
    result = plugin.call("refund_payment", {"id": 301, "refund_id": 41, "amount": 1000})
    listed = peer.get("/v1/refunds", params={"payment_intent": paid["transaction_id"]}).json()["data"]
    assert [(one["id"], one["amount"]) for one in listed] == [(result["transaction_id"], 1000)]


def test_payment_method_that_the_peer_does_not_know_is_refused(plugin: Any) -> None:
    with pytest.raises(Exception, match="refuses the request, and nothing was done: 404"):
        plugin.action("process_payment", PAYMENT | {"token_ref": "pm_unknown"})


def test_customer_who_must_confirm_is_pending(plugin: Any, peer: httpx.Client) -> None:
    result = plugin.action("process_payment", PAYMENT | {"token_ref": method(peer, "4000002500003155")})
    assert (result["success"], result["status"]) == (False, "pending")


def test_lost_payment_is_found_at_the_peer(plugin: Any, peer: httpx.Client, host: Any) -> None:
    plugin.action(
        "process_payment",
        PAYMENT | {"token_ref": method(peer, "4242424242424242"), "idempotency_key": "lost-301"},
    )
    record = host.storage.pop("settled/301")
    host.storage["open/301"] = record | {"status": "sent", "transaction_id": None, "reported": None}
    assert plugin.call("settle_payments", {}) == {"settled": 1, "open": 0}


def test_health_check_passes_at_the_peer(plugin: Any) -> None:
    assert plugin.health()["status"] == "healthy"


def test_key_that_the_peer_refuses_is_told(peer: httpx.Client, start: Any) -> None:
    assert (
        "refuses the API key"
        in start({"endpoint": str(peer.base_url), "api_key": "wrong"}).test_connection()["message"]
    )


class _Receiver(BaseHTTPRequestHandler):
    """Takes callbacks as an ISP's web server would, and keeps their headers and bytes."""

    received: Queue[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.put((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_peers_signed_callback_is_verified(plugin: Any, peer: httpx.Client) -> None:
    queue: Queue[tuple[dict[str, str], bytes]] = Queue()
    server = HTTPServer(("127.0.0.1", 0), type("Receiver", (_Receiver,), {"received": queue}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    hook = {
        "url": f"http://127.0.0.1:{server.server_port}/",
        "secret": SECRET,
        "events": ["payment_intent.succeeded"],
    }
    peer.post("/_config/webhooks/test", json=hook).raise_for_status()
    paid = plugin.action("process_payment", PAYMENT | {"token_ref": method(peer, "4242424242424242")})
    headers, body = queue.get(timeout=20)
    while json.loads(body)["data"]["object"]["id"] != paid["transaction_id"]:
        headers, body = queue.get(timeout=20)
    server.shutdown()
    server.server_close()
    reference = "data:application/json;base64," + base64.b64encode(body).decode()
    result = plugin.action(
        "handle_callback", {"gateway": "stripe", "headers": headers, "raw_body_ref": reference}
    )
    assert (result["handled"], result["effect"]) == (True, "known already")
