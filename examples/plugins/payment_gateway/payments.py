"""What is known of a payment, and how news changes it: pure rules over values.

1. `succeeded` is final: no failure, however late or repeated, takes it back.
2. `failed` may still become `succeeded`: the money arrived after all.
3. News of an attempt that is not the present one counts only where it says that the money arrived.
4. What is reported is what a hook was dispatched for; each outcome of a payment is reported once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from .payloads import Charge, Id

NEW_REFUND: Mapping[str, Any] = {
    "external_id": None,
    "amount": 0,
    "status": "sent",
    "reported": False,
    "at": 0.0,
}
"""A refund as it is stored: the gateway's id, the amount in minor units, where it stands, whether its hook was dispatched, when it began."""


class Status(StrEnum):
    """Where a payment stands."""

    SENT = "sent"
    """A request is on its way or was lost: whether it was charged is not known."""
    PENDING = "pending"
    """The gateway has it, and will tell (a bank transfer, a customer who must confirm)."""
    SUCCEEDED = "succeeded"
    """The money was collected."""
    FAILED = "failed"
    """It was declined or cancelled; nothing was collected."""

    @property
    def is_settled(self) -> bool:
        """Whether the outcome is known."""
        return self in {Status.SUCCEEDED, Status.FAILED}


@dataclass(frozen=True)
class News:
    """What the gateway says of one attempt."""

    transaction_id: str | None
    key: str | None
    """The attempt's idempotency key, as its metadata has it."""
    payment_id: Id | None
    status: Status
    amount: int
    """In ISO 4217 minor units."""
    currency: str
    code: str | None = None
    """Why it failed."""


@dataclass(frozen=True)
class Payment:
    """One payment as it is stored."""

    id: Id
    key: str
    amount: int
    currency: str
    fingerprint: str
    status: Status
    customer_id: Id | None = None
    invoice_id: Id | None = None
    transaction_id: str | None = None
    code: str | None = None
    collected: int | None = None
    """What arrived, in minor units."""
    reported: Status | None = None
    refunds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By refund id, each as `NEW_REFUND`."""
    at: float = 0.0
    """When the present attempt began, in seconds of the epoch."""

    @classmethod
    def begun(cls, charge: Charge, *, now: float) -> Self:
        """A first or new attempt, about to be sent."""
        return cls(
            id=charge.payment_id,
            key=charge.key,
            amount=charge.amount,
            currency=charge.currency,
            fingerprint=charge.fingerprint,
            status=Status.SENT,
            customer_id=charge.customer_id,
            invoice_id=charge.invoice_id,
            at=now,
        )

    @classmethod
    def heard_of(cls, news: News, payment_id: Id, *, now: float) -> Self:
        """A payment that only the gateway still knows."""
        return cls(
            id=payment_id,
            key=news.key or "",
            amount=news.amount,
            currency=news.currency,
            fingerprint="",
            status=Status.SENT,
            at=now,
        )

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `dump` wrote."""
        reported = stored.get("reported")
        changed = {"status": Status(stored["status"]), "reported": Status(reported) if reported else None}
        return cls(**{**stored, **changed})

    def dump(self) -> dict[str, Any]:
        """As a JSON value."""
        return asdict(self)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to learn or to tell."""
        under_way = any(refund["status"] in {"sent", "pending"} for refund in self.refunds.values())
        return (
            self.status.is_settled
            and self.reported is self.status
            and not self.unreported_refunds
            and not under_way
        )

    @property
    def unreported_refunds(self) -> list[str]:
        """Refunds that succeeded and were not told yet."""
        return [
            one
            for one, refund in self.refunds.items()
            if refund["status"] == "succeeded" and not refund["reported"]
        ]

    @property
    def refunded(self) -> int:
        """What was given back or is about to be, in minor units."""
        return sum(
            refund["amount"]
            for refund in self.refunds.values()
            if refund["status"] not in {"failed", "canceled"}
        )

    @property
    def received(self) -> int:
        """What was collected, in minor units."""
        return self.collected if self.collected is not None else self.amount

    def with_refund(self, refund_id: str, **changes: Any) -> Self:
        """With one refund added or changed."""
        before = self.refunds.get(refund_id, NEW_REFUND)
        return replace(self, refunds={**self.refunds, refund_id: {**before, **changes}})


def after(payment: Payment, news: News) -> Payment:
    """The payment once the news is known; the same object where it changes nothing."""
    if payment.status is Status.SUCCEEDED:
        return payment
    if news.status is Status.SUCCEEDED:
        return replace(
            payment,
            status=Status.SUCCEEDED,
            transaction_id=news.transaction_id,
            code=None,
            collected=news.amount,
        )
    if not is_present_attempt(payment, news) or payment.status is Status.FAILED:
        return payment
    changed = replace(
        payment,
        status=news.status,
        transaction_id=news.transaction_id or payment.transaction_id,
        code=news.code,
    )
    return payment if changed == payment else changed


def is_present_attempt(payment: Payment, news: News) -> bool:
    """Whether the news is about the attempt that the payment is at."""
    if payment.transaction_id is not None and news.transaction_id is not None:
        return payment.transaction_id == news.transaction_id
    return news.key == payment.key


def is_second_collection(payment: Payment, news: News) -> bool:
    """Whether the money arrived a second time, in another transaction."""
    return (
        payment.status is Status.SUCCEEDED
        and news.status is Status.SUCCEEDED
        and payment.transaction_id is not None
        and news.transaction_id != payment.transaction_id
    )
