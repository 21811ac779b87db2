"""The gateway's objects as the plugin's values: a payment intent is `News`, a refund is `RefundNews`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .money import from_gateway
from .payments import News, Status
from .redaction import clean

PAYMENT_ID, ATTEMPT, REFUND_ID = "isp_payment_id", "isp_attempt", "isp_refund_id"
"""Names in the metadata that the plugin gives along, and finds its way back by."""
_PENDING = frozenset({"processing", "requires_action", "requires_capture", "requires_confirmation"})


@dataclass(frozen=True)
class RefundNews:
    """What the gateway says of one refund."""

    external_id: str
    transaction_id: str | None
    refund_id: str | None
    amount: int
    """In ISO 4217 minor units."""
    currency: str
    status: str
    """`pending`, `succeeded`, `failed` or `canceled`."""


def news_of(intent: Mapping[str, Any]) -> News:
    """What a payment intent tells."""
    found = metadata_of(intent)
    currency = str(intent.get("currency", "")).upper()
    status = _status(str(intent.get("status")))
    units = intent.get("amount_received") if status is Status.SUCCEEDED else None
    return News(
        transaction_id=_text(intent.get("id")),
        key=_text(found.get(ATTEMPT)),
        payment_id=_text(found.get(PAYMENT_ID)),
        status=status,
        amount=from_gateway(_int(units) or _int(intent.get("amount")), currency),
        currency=currency,
        code=_code(intent) if status is Status.FAILED else None,
    )


def refund_news_of(refund: Mapping[str, Any]) -> RefundNews:
    """What a refund tells."""
    currency = str(refund.get("currency", "")).upper()
    return RefundNews(
        external_id=str(refund.get("id")),
        transaction_id=_text(refund.get("payment_intent")),
        refund_id=_text(metadata_of(refund).get(REFUND_ID)),
        amount=from_gateway(_int(refund.get("amount")), currency),
        currency=currency,
        status=str(refund.get("status") or "pending"),
    )


def metadata_of(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was given along with an object."""
    found = thing.get("metadata")
    return found if isinstance(found, dict) else {}


def _status(status: str) -> Status:
    """A payment intent's status."""
    if status == "succeeded":
        return Status.SUCCEEDED
    return Status.PENDING if status in _PENDING else Status.FAILED


def _code(intent: Mapping[str, Any]) -> str:
    """Why it failed, in the gateway's word."""
    error = intent.get("last_payment_error")
    error = error if isinstance(error, dict) else {}
    fallback = "canceled" if intent.get("status") == "canceled" else "declined"
    return clean(error.get("decline_code") or error.get("code") or fallback)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _int(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
