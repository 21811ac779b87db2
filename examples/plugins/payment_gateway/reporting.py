"""Tells the ISP's other software what became of a payment, by dispatching the catalogue's hooks; what was told is remembered.

1. Each outcome is told once; where the host ends between telling and remembering, once more, with the same ids.
2. A dispatch that fails is logged and made up for later (next callback, next hour); it never turns a collected payment into an error.
"""

import logging
from dataclasses import replace
from typing import Any

from isp_plugin_sdk.context import AsyncPluginContext

from .payments import News, Payment, Status
from .settings import Settings


class Reporter:
    """Dispatches `payment_received`, `payment_failed`, `payment_refunded` and `payment_unmatched`."""

    def __init__(self, settings: Settings, host: AsyncPluginContext, logger: logging.Logger) -> None:
        self._settings = settings
        self._host = host
        self._logger = logger

    async def report(self, payment: Payment) -> Payment:
        """Tell what was not told yet; the payment with what was told."""
        if payment.status.is_settled and payment.reported is not payment.status:
            hook = "payment_received" if payment.status is Status.SUCCEEDED else "payment_failed"
            if await self._dispatch(hook, self._payload(payment)):
                payment = replace(payment, reported=payment.status)
        for refund_id in payment.unreported_refunds:
            if await self._dispatch("payment_refunded", _refund_payload(payment, refund_id)):
                payment = payment.with_refund(refund_id, reported=True)
        return payment

    async def unmatched(self, news: News) -> bool:
        """Tell of money that belongs to no payment that is known to be open; whether it could be told."""
        self._logger.error(
            "Transaction %s (%d %s) belongs to no open payment",
            news.transaction_id,
            news.amount,
            news.currency,
        )
        payload: dict[str, Any] = {
            "id": news.transaction_id,
            "amount": news.amount,
            "currency": news.currency,
            "candidates": [],
        }
        return await self._dispatch("payment_unmatched", payload)

    def _payload(self, payment: Payment) -> dict[str, Any]:
        """The payload of `payment_received` or `payment_failed`."""
        common = {
            "id": payment.id,
            "customer_id": payment.customer_id,
            "invoice_id": payment.invoice_id,
            "currency": payment.currency,
        }
        if payment.status is Status.SUCCEEDED:
            method = self._settings.method_id
            return common | {
                "amount": payment.received,
                "method": method,
                "external_id": payment.transaction_id,
            }
        return common | {"amount": payment.amount, "code": payment.code, "retry_at": None}

    async def _dispatch(self, hook: str, payload: dict[str, Any]) -> bool:
        """Dispatch a hook; whether the host took it."""
        try:
            await self._host.dispatch(hook, payload)
        except Exception:  # whatever the host could not do, the money has moved already
            self._logger.exception(
                "%s of payment %s could not be dispatched; it will be tried again", hook, payload["id"]
            )
            return False
        return True


def _refund_payload(payment: Payment, refund_id: str) -> dict[str, Any]:
    """The payload of `payment_refunded`."""
    amount = payment.refunds[refund_id]["amount"]
    return {
        "id": payment.id,
        "refund_id": refund_id,
        "customer_id": payment.customer_id,
        "amount": amount,
        "currency": payment.currency,
    }
