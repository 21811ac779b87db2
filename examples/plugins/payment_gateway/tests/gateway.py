"""A payment gateway on a loopback port: keeps payments and refunds, replays idempotency keys, declines, signs callbacks, and misbehaves when told to.

1. A key that comes again gets the stored answer, whatever it was; with other parameters, 400.
2. Faults are queued by the test and used up one a request; `*_after` means that the request was carried out before things went wrong.
"""

import contextlib
import hashlib
import hmac
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY = "sk_test_4242secret"
SECRET = "whsec_test"
DECLINED, SLOW, CHALLENGED = "pm_declined", "pm_bank", "pm_3ds"


class Gateway:
    """The gateway's books, and what it will do wrong next."""

    def __init__(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.release = threading.Event()
        self.handled = threading.Event()
        self.url = ""
        self._answers: dict[str, tuple[dict[str, str], int, dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def charges(self) -> list[dict[str, Any]]:
        """Payments that moved money."""
        return [one for one in self.intents.values() if one["status"] == "succeeded"]

    def answer(
        self, method: str, path: str, form: dict[str, str], key: str | None
    ) -> tuple[int, dict[str, Any]]:
        """Carry a request out, once for each key."""
        with self._lock:
            if method == "GET":
                return self._read(path, form)
            if key in self._answers:
                known, status, body = self._answers[key]
                return (
                    (status, body)
                    if known == form
                    else (400, _error("idempotency_error", "Keys for idempotent requests..."))
                )
            status, body = self._refund(form) if path == "/v1/refunds" else self._charge(form)
            if key is not None:
                self._answers[key] = (form, status, json.loads(json.dumps(body)))
            self.handled.set()
            return status, body

    def finish(self, intent_id: str, status: str = "succeeded") -> dict[str, Any]:
        """What the bank or the customer decided; the intent."""
        intent = self.intents[intent_id]
        intent["status"] = status
        if status == "succeeded":
            intent["amount_received"] = intent["amount"]
        return intent

    def event(
        self, kind: str, thing: dict[str, Any], *, event_id: str | None = None, created: int | None = None
    ) -> bytes:
        """The body of a callback."""
        moment = int(time.time()) if created is None else created
        body = {
            "id": event_id or f"evt_{next(self._numbers)}",
            "type": kind,
            "created": moment,
            "data": {"object": thing},
        }
        return json.dumps(body, indent=2).encode()

    def _charge(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        method = form["payment_method"]
        status = {DECLINED: "requires_payment_method", SLOW: "processing", CHALLENGED: "requires_action"}.get(
            method, "succeeded"
        )
        intent = {
            "id": f"pi_{next(self._numbers)}",
            "object": "payment_intent",
            "amount": int(form["amount"]),
            "amount_received": int(form["amount"]) if status == "succeeded" else 0,
            "currency": form["currency"],
            "created": int(time.time()),
            "status": status,
            "metadata": {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")},
        }
        self.intents[intent["id"]] = intent
        if method != DECLINED:
            return 200, intent
        intent["last_payment_error"] = {"code": "card_declined", "decline_code": "insufficient_funds"}
        error = _error(
            "card_error", "Your card 4242 4242 4242 4242 has insufficient funds.", code="card_declined"
        )
        error["error"] |= {"decline_code": "insufficient_funds", "payment_intent": intent}
        return 402, error

    def _refund(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        intent = self.intents.get(form["payment_intent"])
        if intent is None or intent["status"] != "succeeded":
            return 400, _error("invalid_request_error", "There is nothing to refund.")
        refund = {
            "id": f"re_{next(self._numbers)}",
            "object": "refund",
            "payment_intent": intent["id"],
            "amount": int(form["amount"]),
            "currency": intent["currency"],
            "status": "succeeded",
            "metadata": {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")},
        }
        self.refunds[refund["id"]] = refund
        return 200, refund

    def _read(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/refunds":
            return 200, {
                "data": [
                    one for one in self.refunds.values() if one["payment_intent"] == query["payment_intent"]
                ]
            }
        if path == "/v1/payment_intents":
            newest = list(reversed(self.intents.values()))
            ids = [one["id"] for one in newest]
            start = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
            page = newest[start : start + int(query["limit"])]
            return 200, {"data": page, "has_more": start + len(page) < len(newest)}
        intent = self.intents.get(path.rpartition("/")[2])
        return (200, intent) if intent else (404, _error("invalid_request_error", "No such payment_intent."))


def signed(body: bytes, *, secret: str = SECRET, moment: int | None = None) -> dict[str, str]:
    """The headers that the gateway sends with a callback."""
    when = int(time.time()) if moment is None else moment
    mac = hmac.new(secret.encode(), b"%d." % when + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={when},v1={mac}", "Content-Type": "application/json"}


def _error(kind: str, message: str, **more: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message} | more}


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    gateway: Gateway

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._serve(dict(parse_qsl(body.decode(), keep_blank_values=True)))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _serve(self, form: dict[str, str]) -> None:
        gateway, address = self.gateway, urlsplit(self.path)
        key = self.headers.get("Idempotency-Key")
        given = form or dict(parse_qsl(address.query))
        gateway.requests.append(
            {
                "method": self.command,
                "path": address.path,
                "form": given,
                "key": key,
                "headers": dict(self.headers),
            }
        )
        fault = gateway.faults.pop(0) if gateway.faults else ""
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            return self._send(
                401,
                _error(
                    "invalid_request_error", f"Invalid API Key provided: {self.headers.get('Authorization')}"
                ),
            )
        if fault in {"cut", "hang", "429"} or fault.startswith("5"):
            return self._fail(fault)
        status, body = gateway.answer(self.command, address.path, given, key)
        if fault:
            return self._fail(fault)
        return self._send(status, body)

    def _fail(self, fault: str) -> None:
        """Do what the test asked for, instead of an answer."""
        kind = fault.removesuffix("_after")
        if kind == "cut":
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        elif kind == "hang":
            self.gateway.release.wait(20)
            self.close_connection = True
        elif kind == "garbage":
            self._write(200, b"<html>maintenance</html>")
        elif kind == "endless":
            self._drip()
        else:
            self._send(int(kind), _error("api_error", "Something went wrong."))

    def _drip(self) -> None:
        """One byte now and then, so that no single read ever times out."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while not self.gateway.release.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()

    def _send(self, status: int, body: dict[str, Any]) -> None:
        self._write(status, json.dumps(body).encode())

    def _write(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    """A server whose threads end with it; a client that hangs up is nothing to print."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hung up."""


@contextmanager
def running() -> Iterator[Gateway]:
    """A gateway that answers until the block ends."""
    gateway = Gateway()
    handler = type("Handler", (_Handler,), {"gateway": gateway})
    server = _Server(("127.0.0.1", 0), handler)
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
