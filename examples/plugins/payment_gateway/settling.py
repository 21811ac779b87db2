"""Finds out what became of payments and refunds whose outcome is not known: from callbacks, and by asking the gateway.

1. What a callback says counts by the rules of `payments`, so duplicates and late ones change nothing.
2. An attempt that the gateway does not know an hour later never arrived: nothing was collected.
"""

import logging
import time
from dataclasses import replace

from .answers import news_of, refund_news_of
from .callbacks import Callback
from .client import Gateway
from .errors import PaymentError
from .ledger import Ledger
from .lookup import find_attempt, find_refund, retrieve
from .payloads import Id
from .payments import News, Payment, Status, after, is_second_collection
from .refunding import with_news
from .reporting import Reporter

NEVER_ARRIVED_S = 3600
NOT_COLLECTED = "not_collected"
"""The code of a payment whose request never reached the gateway."""
_TELLING = frozenset(
    f"payment_intent.{word}"
    for word in ("succeeded", "payment_failed", "processing", "requires_action", "canceled")
)
_REQUEST_S = 20.0


class Settler:
    """Brings open payments to their end."""

    def __init__(self, gateway: Gateway, ledger: Ledger, reporter: Reporter, logger: logging.Logger) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._reporter = reporter
        self._logger = logger

    async def hear(self, callback: Callback, *, ends: float) -> str:
        """Take in a verified callback; what it did, in a word or two."""
        if callback.type in _TELLING and callback.object.get("object") == "payment_intent":
            return await self._hear_of_payment(news_of(callback.object))
        if callback.object.get("object") == "refund":
            return await self._hear_of_refund(callback, ends)
        return "ignored"

    async def settle(self, *, ends: float) -> dict[str, int]:
        """Ask for everything open, while there is time; how many were settled, and how many are left."""
        waiting = await self._ledger.open_payments()
        settled = 0
        for payment in waiting:
            if time.monotonic() > ends:
                break
            try:
                settled += await self._settle(payment.id, ends)
            except (PaymentError, LookupError) as error:
                self._logger.warning("Payment %s is still open: %s", payment.id, error)
        return {"settled": settled, "open": len(waiting) - settled}

    async def _settle(self, payment_id: Id, ends: float) -> bool:
        """Ask for one payment; whether it is done now."""
        async with self._ledger.holding(payment_id):
            known = await self._ledger.find(payment_id)
            if known is None or known.is_done:
                return True
            seconds = min(_REQUEST_S, ends - time.monotonic())
            payment = await self._asked(known, seconds)
            for refund_id in [
                one for one, refund in payment.refunds.items() if refund["status"] in {"sent", "pending"}
            ]:
                payment = await self._asked_for_refund(payment, refund_id, seconds)
            payment = await self._reporter.report(payment)
            if payment != known:
                await self._ledger.save(payment)
            return payment.is_done

    async def _asked(self, payment: Payment, seconds: float) -> Payment:
        """What the gateway says of a payment that is not settled."""
        if payment.status.is_settled:
            return payment
        if payment.transaction_id:
            return after(
                payment, news_of(await retrieve(self._gateway, payment.transaction_id, seconds=seconds))
            )
        intent = await find_attempt(self._gateway, payment, seconds=seconds)
        if intent is not None:
            return after(payment, news_of(intent))
        if time.time() - payment.at < NEVER_ARRIVED_S:
            return payment
        return replace(payment, status=Status.FAILED, code=NOT_COLLECTED)

    async def _asked_for_refund(self, payment: Payment, refund_id: str, seconds: float) -> Payment:
        """What the gateway says of a refund that is not settled."""
        refund = await find_refund(self._gateway, payment, refund_id, seconds=seconds)
        if refund is not None:
            return with_news(payment, refund_id, refund_news_of(refund))
        if time.time() - payment.refunds[refund_id]["at"] < NEVER_ARRIVED_S:
            return payment
        return payment.with_refund(refund_id, status="failed")

    async def _hear_of_payment(self, news: News) -> str:
        """A payment intent changed."""
        if news.payment_id is None:
            return await self._unmatched(news)
        async with self._ledger.holding(news.payment_id):
            known = await self._ledger.find(news.payment_id)
            payment = known or Payment.heard_of(news, news.payment_id, now=time.time())
            if is_second_collection(payment, news):
                return await self._unmatched(news)
            changed = after(payment, news)
            if changed == known and changed.is_done:
                return "known already"
            await self._keep(changed)
            return str(changed.status)

    async def _hear_of_refund(self, callback: Callback, ends: float) -> str:
        """A refund was made or changed, perhaps by hand at the gateway."""
        news = refund_news_of(callback.object)
        if news.transaction_id is None:
            return "ignored"
        intent = news_of(await retrieve(self._gateway, news.transaction_id, seconds=ends - time.monotonic()))
        if intent.payment_id is None:
            return "ignored"
        async with self._ledger.holding(intent.payment_id):
            known = await self._ledger.find(intent.payment_id)
            payment = after(known or Payment.heard_of(intent, intent.payment_id, now=time.time()), intent)
            refund_id = news.refund_id or news.external_id
            changed = with_news(payment, refund_id, news)
            if changed != known:
                await self._keep(changed)
            return f"refund {changed.refunds[refund_id]['status']}"

    async def _keep(self, payment: Payment) -> None:
        """Write down, tell, write down that it was told."""
        await self._ledger.save(payment)
        told = await self._reporter.report(payment)
        if told != payment:
            await self._ledger.save(told)

    async def _unmatched(self, news: News) -> str:
        """Money that no payment waits for."""
        if news.status is not Status.SUCCEEDED:
            return "ignored"
        if not await self._reporter.unmatched(news):
            raise PaymentNotToldError(transaction=news.transaction_id)
        return "unmatched"


class PaymentNotToldError(PaymentError):
    """Transaction {transaction} could not be handed on as payment_unmatched; the gateway will call back again."""
