"""Finds at the gateway what was lost on the way back: by its id, or by the metadata that went along."""

from typing import Any
from urllib.parse import quote

from .answers import ATTEMPT, PAYMENT_ID, REFUND_ID, metadata_of
from .client import Gateway
from .payments import Payment

PAGE = 100
MAX_PAGES = 50
MARGIN_S = 600
"""How far the gateway's clock may be from ours, in seconds."""


async def retrieve(gateway: Gateway, transaction_id: str, *, seconds: float) -> dict[str, Any]:
    """A payment intent by its id."""
    return await gateway.get(f"/v1/payment_intents/{quote(transaction_id, safe='')}", seconds=seconds)


async def find_attempt(gateway: Gateway, payment: Payment, *, seconds: float) -> dict[str, Any] | None:
    """The payment intent of an attempt that never got its answer, or None: it never arrived."""
    query: dict[str, Any] = {"limit": PAGE}
    for _ in range(MAX_PAGES):
        page = await gateway.get("/v1/payment_intents", query, seconds=seconds)
        intents = page.get("data") or []
        for intent in intents:
            found = metadata_of(intent)
            if (found.get(PAYMENT_ID), found.get(ATTEMPT)) == (str(payment.id), payment.key):
                return dict(intent)
        if not page.get("has_more") or not intents or intents[-1].get("created", 0) < payment.at - MARGIN_S:
            return None
        query["starting_after"] = intents[-1]["id"]
    raise LookupError(f"the attempt is not among the last {PAGE * MAX_PAGES} payments of the gateway")


async def find_refund(
    gateway: Gateway, payment: Payment, refund_id: str, *, seconds: float
) -> dict[str, Any] | None:
    """A refund of a payment, or None: it never arrived."""
    query = {"payment_intent": payment.transaction_id, "limit": PAGE}
    page = await gateway.get("/v1/refunds", query, seconds=seconds)
    external = payment.refunds[refund_id]["external_id"]
    for refund in page.get("data") or []:
        if refund.get("id") == external or metadata_of(refund).get(REFUND_ID) == refund_id:
            return dict(refund)
    return None
