"""A callback of the gateway: its body found, its signature verified, its content read, in this order.

1. The signature is HMAC-SHA256 over `<t>.<body>` with one of the secrets, in the header `Stripe-Signature: t=<seconds>,v1=<hex>`; compared in
   constant time, over the body's bytes as they came.
2. A signature older (or newer) than the tolerance is refused: it is a replay, or a clock is wrong.
3. Nothing of the body is believed, or even parsed, before that.
4. A body is read from the callback folder alone, whatever the reference says, or from a `data:` reference.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from .errors import CallbackRefusedError

HEADER = "stripe-signature"
MAX_BODY_BYTES = 512 * 1024
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MAX_SIGNATURES = 10


@dataclass(frozen=True)
class Callback:
    """A verified callback."""

    event_id: str
    type: str
    created: int
    """When the gateway made it, in seconds of the epoch."""
    object: Mapping[str, Any]
    """What it is about: a payment intent, a refund, or something else."""


def read_body(reference: Any, folder: Path | None) -> bytes:
    """The bytes that a `raw_body_ref` stands for; blocks. `CallbackRefusedError`."""
    if not isinstance(reference, str) or not reference:
        raise CallbackRefusedError(problem="raw_body_ref is missing")
    if reference.startswith("data:"):
        return _from_data(reference)
    if folder is None:
        raise CallbackRefusedError(problem="raw_body_ref names a file, and callback_folder is not set")
    try:
        file = (folder / reference).resolve()
        if not file.is_relative_to(folder.resolve()) or not file.is_file():
            raise CallbackRefusedError(problem="raw_body_ref names no file in callback_folder")
        with file.open("rb") as stream:
            body = stream.read(MAX_BODY_BYTES + 1)
    except (OSError, ValueError) as error:
        raise CallbackRefusedError(problem=f"its body cannot be read ({type(error).__name__})") from error
    return _limited(body)


def verified(body: bytes, headers: Any, *, secrets: tuple[str, ...], now: float, tolerance: int) -> Callback:
    """The callback, if it is the gateway's and fresh; `CallbackRefusedError`."""
    if not secrets:
        raise CallbackRefusedError(
            problem="webhook_secret is not set, so nobody can tell whether it is the gateway's"
        )
    moment, signatures = _signatures(headers)
    expected = [
        hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex() for secret in secrets
    ]
    if not any(hmac.compare_digest(one, other) for one in expected for other in signatures):
        raise CallbackRefusedError(
            problem="its signature does not fit: forged, changed on the way, or webhook_secret is another"
        )
    if abs(now - moment) > tolerance:
        problem = f"its signature is {now - moment:.0f} s old, and at most {tolerance} s are allowed: replayed, or a clock is wrong"
        raise CallbackRefusedError(problem=problem)
    return _parsed(body)


def _signatures(headers: Any) -> tuple[int, list[str]]:
    """Moment and signatures of the header."""
    found = headers if isinstance(headers, Mapping) else {}
    values = [
        value for name, value in found.items() if str(name).lower() == HEADER and isinstance(value, str)
    ]
    pairs = [part.strip().partition("=")[::2] for part in (values[0] if len(values) == 1 else "").split(",")]
    moments = [value for name, value in pairs if name == "t" and re.fullmatch(r"[0-9]{1,12}", value)]
    signatures = [value for name, value in pairs if name == "v1" and re.fullmatch(r"[0-9a-f]{64}", value)]
    if len(moments) != 1 or not signatures:
        raise CallbackRefusedError(problem="it is not signed (no usable Stripe-Signature header)")
    return int(moments[0]), signatures[:_MAX_SIGNATURES]


def _parsed(body: bytes) -> Callback:
    """The content of a body that is known to be the gateway's."""
    try:
        event = json.loads(body)
        event_id, kind, created, thing = (
            event["id"],
            event["type"],
            event.get("created", 0),
            event["data"]["object"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CallbackRefusedError(problem="it is signed, but its body is no event") from error
    fits = (
        isinstance(event_id, str)
        and _EVENT_ID.fullmatch(event_id)
        and isinstance(kind, str)
        and isinstance(thing, dict)
    )
    if not fits or isinstance(created, bool) or not isinstance(created, int):
        raise CallbackRefusedError(problem="it is signed, but its body is no event")
    return Callback(event_id=event_id, type=kind, created=created, object=thing)


def _from_data(reference: str) -> bytes:
    """The bytes of a `data:` reference (RFC 2397)."""
    head, comma, text = reference[: 2 * MAX_BODY_BYTES].partition(",")
    if not comma or len(reference) > 2 * MAX_BODY_BYTES:
        raise CallbackRefusedError(problem="raw_body_ref is not a readable data: reference")
    try:
        return _limited(
            base64.b64decode(text, validate=True) if head.endswith(";base64") else unquote_to_bytes(text)
        )
    except binascii.Error as error:
        raise CallbackRefusedError(problem="raw_body_ref is not a readable data: reference") from error


def _limited(body: bytes) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise CallbackRefusedError(problem=f"its body has more than {MAX_BODY_BYTES} bytes")
    return body
