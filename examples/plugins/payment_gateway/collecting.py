"""Collects a payment: written down first, then sent, then written down again, so that no crash makes it happen twice.

1. A payment that succeeded is never sent again, whatever key a repeat brings.
2. While the outcome of an attempt is not known, its own key is used; only after a decline does another key make another attempt.
3. The gateway forgets idempotency keys after a day: an older attempt is looked up before it is repeated.
"""

import logging
import time
from dataclasses import replace
from typing import Any

from .answers import ATTEMPT, PAYMENT_ID, news_of
from .client import Gateway
from .errors import DeclinedError, DifferentPaymentError, OutcomeUnknownError, RefusedError, UnreachableError
from .ledger import Ledger
from .lookup import find_attempt, retrieve
from .payloads import Charge
from .payments import News, Payment, Status, after
from .reporting import Reporter

KEY_LIFE_S = 20 * 3600
"""How long a repeat with the same key is safe at the gateway (24 h), with four hours to spare."""


class Collector:
    """Turns a charge into a payment whose outcome is known, or into an error that says what is known."""

    def __init__(self, gateway: Gateway, ledger: Ledger, reporter: Reporter, logger: logging.Logger) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._reporter = reporter
        self._logger = logger

    async def collect(self, charge: Charge, *, ends: float) -> tuple[Payment, bool]:
        """The payment afterwards, and whether its outcome was known before; `ends` is in seconds of `time.monotonic`."""
        async with self._ledger.holding(charge.payment_id):
            known = await self._ledger.find(charge.payment_id)
            if known is not None:
                _check_same(known, charge)
                known = await self._refreshed(known, ends)
                if known.status in {Status.SUCCEEDED, Status.PENDING} or (known.status, known.key) == (
                    Status.FAILED,
                    charge.key,
                ):
                    return await self._settled(known), True
            return await self._settled(await self._send(charge, known, ends)), False

    async def _refreshed(self, known: Payment, ends: float) -> Payment:
        """What the gateway says now of a payment that it had not finished, or of an attempt too old to repeat."""
        if known.status is Status.PENDING:
            intent: dict[str, Any] | None = await retrieve(
                self._gateway, str(known.transaction_id), seconds=_left(ends)
            )
        elif known.status is Status.SENT and time.time() - known.at > KEY_LIFE_S:
            intent = await find_attempt(self._gateway, known, seconds=_left(ends))
        else:
            return known
        return after(known, news_of(intent)) if intent else known

    async def _send(self, charge: Charge, known: Payment | None, ends: float) -> Payment:
        """Send the charge, or send it again with the key it had."""
        repeated = known is not None and known.status is Status.SENT
        if known is not None and repeated:
            if known.fingerprint != charge.fingerprint:
                raise DifferentPaymentError(
                    payment=charge.payment_id, what="payment method, and the outcome is not known yet"
                )
            charge = replace(charge, key=known.key)
        now = time.time()
        is_young = repeated and known is not None and now - known.at <= KEY_LIFE_S
        payment = Payment.begun(charge, now=known.at if known is not None and is_young else now)
        await self._ledger.save(payment)
        try:
            return after(payment, await self._post(charge, ends))
        except (RefusedError, UnreachableError) as error:
            if repeated:
                raise OutcomeUnknownError(
                    what=f"payment {charge.payment_id}",
                    problem=f"an earlier attempt got no answer, and now: {error}",
                ) from error
            await self._undo(charge, known)
            raise

    async def _post(self, charge: Charge, ends: float) -> News:
        """Make the charge at the gateway; a decline is an outcome like any other."""
        what = f"payment {charge.payment_id}"
        try:
            intent = await self._gateway.post(
                "/v1/payment_intents", _form(charge), key=charge.key, what=what, seconds=_left(ends)
            )
        except DeclinedError as error:
            return _declined(charge, error)
        return news_of(intent)

    async def _undo(self, charge: Charge, known: Payment | None) -> None:
        """Nothing was done: remember what was known before."""
        if known is None:
            await self._ledger.drop(charge.payment_id)
        else:
            await self._ledger.save(known)

    async def _settled(self, payment: Payment) -> Payment:
        """Write down what is known, tell it, and write down that it was told."""
        if payment.is_done:
            return payment
        await self._ledger.save(payment)
        told = await self._reporter.report(payment)
        if told != payment:
            await self._ledger.save(told)
        return told


def _check_same(known: Payment, charge: Charge) -> None:
    """`DifferentPaymentError` where the id stands for another sum."""
    if (known.amount, known.currency) != (charge.amount, charge.currency):
        raise DifferentPaymentError(payment=charge.payment_id, what="amount or currency")


def _form(charge: Charge) -> dict[str, str]:
    """The request; it must be the same for each repeat, or the gateway refuses the key."""
    form = {
        "amount": str(charge.units),
        "currency": charge.currency.lower(),
        "payment_method": charge.token,
        "confirm": "true",
        "off_session": "true",
        f"metadata[{PAYMENT_ID}]": str(charge.payment_id),
        f"metadata[{ATTEMPT}]": charge.key,
    }
    return form | ({"customer": charge.gateway_customer} if charge.gateway_customer else {})


def _declined(charge: Charge, error: DeclinedError) -> News:
    """A decline as news; some gateways tell the transaction with it."""
    intent: dict[str, Any] = error.fields["intent"] or {}
    return News(
        transaction_id=str(intent["id"]) if "id" in intent else None,
        key=charge.key,
        payment_id=charge.payment_id,
        status=Status.FAILED,
        amount=charge.amount,
        currency=charge.currency,
        code=error.fields["code"],
    )


def _left(ends: float) -> float:
    return ends - time.monotonic()
