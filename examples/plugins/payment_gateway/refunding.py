"""Gives money back, once for each refund id, and never more than arrived."""

import time
from dataclasses import replace
from typing import Any

from .answers import PAYMENT_ID, REFUND_ID, RefundNews, news_of, refund_news_of
from .client import Gateway
from .errors import DeclinedError, DifferentPaymentError, NotRefundableError, RefusedError, UnreachableError
from .ledger import Ledger
from .lookup import retrieve
from .money import to_gateway, written
from .payloads import RefundRequest
from .payments import Payment, Status, after
from .reporting import Reporter

GONE = frozenset({"failed", "canceled"})
"""Where a refund stands when no money goes back."""


class Refunder:
    """Refunds payments that were collected."""

    def __init__(self, gateway: Gateway, ledger: Ledger, reporter: Reporter) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._reporter = reporter

    async def refund(self, request: RefundRequest, *, ends: float) -> dict[str, Any]:
        """Refund and tell how it stands; an error of `errors`."""
        refund_id = str(request.refund_id)
        async with self._ledger.holding(request.payment_id):
            payment = await self._payment(request, ends)
            before = payment.refunds.get(refund_id)
            amount = _amount(payment, request, before)
            if before is None or before["status"] == "sent":
                payment = payment.with_refund(
                    refund_id, amount=amount, at=before["at"] if before else time.time()
                )
                await self._ledger.save(payment)
                payment = await self._send(payment, request, amount, ends, repeated=before is not None)
            payment = await self._reporter.report(payment)
            await self._ledger.save(payment)
        return _result(payment, refund_id)

    async def _payment(self, request: RefundRequest, ends: float) -> Payment:
        """The payment, collected; from the gateway where it is remembered no more."""
        payment = await self._ledger.find(request.payment_id)
        if payment is None and request.transaction_id:
            intent = await retrieve(self._gateway, request.transaction_id, seconds=ends - time.monotonic())
            news = news_of(intent)
            if news.payment_id != str(request.payment_id):
                raise NotRefundableError(
                    payment=request.payment_id,
                    problem=f"transaction {request.transaction_id} is another payment's",
                )
            heard = after(Payment.heard_of(news, request.payment_id, now=time.time()), news)
            payment = replace(heard, reported=heard.status)
        if payment is None:
            raise NotRefundableError(
                payment=request.payment_id, problem="it is not known here; name its transaction_id"
            )
        if payment.status is not Status.SUCCEEDED:
            raise NotRefundableError(
                payment=request.payment_id, problem=f"it is {payment.status}, so nothing was collected"
            )
        return payment

    async def _send(
        self, payment: Payment, request: RefundRequest, amount: int, ends: float, *, repeated: bool
    ) -> Payment:
        """Ask the gateway for it; a refusal that means that nothing was done takes it back."""
        refund_id = str(request.refund_id)
        form = {
            "payment_intent": str(payment.transaction_id),
            "amount": str(to_gateway(amount, payment.currency)),
            f"metadata[{PAYMENT_ID}]": str(payment.id),
            f"metadata[{REFUND_ID}]": refund_id,
        }
        what = f"refund {refund_id} of payment {payment.id}"
        try:
            answer = await self._gateway.post(
                "/v1/refunds", form, key=request.key, what=what, seconds=ends - time.monotonic()
            )
        except (RefusedError, DeclinedError, UnreachableError):
            if not repeated:
                kept = {one: refund for one, refund in payment.refunds.items() if one != refund_id}
                await self._ledger.save(replace(payment, refunds=kept))
            raise
        return with_news(payment, refund_id, refund_news_of(answer))


def with_news(payment: Payment, refund_id: str, news: RefundNews) -> Payment:
    """The payment once the news of a refund is known; one that succeeded may still fail later (the bank sent it back)."""
    before = payment.refunds.get(refund_id)
    if before and before["status"] in GONE:
        return payment
    if before and before["status"] == "succeeded" and news.status not in GONE:
        return payment
    return payment.with_refund(
        refund_id, external_id=news.external_id, amount=news.amount, status=news.status
    )


def _amount(payment: Payment, request: RefundRequest, before: Any) -> int:
    """How much goes back; `NotRefundableError` where that is more than is left."""
    if before is not None and before["status"] not in GONE:
        if request.amount not in {None, before["amount"]}:
            raise DifferentPaymentError(
                payment=request.payment_id, what=f"amount for refund {request.refund_id}"
            )
        return int(before["amount"])
    if before is not None:
        raise NotRefundableError(
            payment=payment.id,
            problem=f"refund {request.refund_id} is {before['status']}; a new try needs a new refund_id",
        )
    left = payment.received - payment.refunded
    amount = left if request.amount is None else request.amount
    if request.currency not in {None, payment.currency}:
        raise NotRefundableError(payment=payment.id, problem=f"it was collected in {payment.currency}")
    if not 0 < amount <= left:
        raise NotRefundableError(
            payment=payment.id, problem=f"{written(left, payment.currency)} are left of it"
        )
    return amount


def _result(payment: Payment, refund_id: str) -> dict[str, Any]:
    """What the caller gets."""
    refund = payment.refunds[refund_id]
    return {
        "success": refund["status"] not in GONE,
        "refund_id": refund_id,
        "transaction_id": refund["external_id"],
        "amount": refund["amount"],
        "currency": payment.currency,
        "status": refund["status"],
    }
