"""What a payload asks for, checked: a charge or a refund, all mistakes told together.

1. Whatever holds card data is refused before anything else is looked at.
2. The idempotency key is the payload's own, else that of the event that is delivered (the same at every attempt), else made from the
   payment's (the refund's) id: the same request has the same key, always.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import CardDataError, PaymentInvalidError
from .money import checked_amount, checked_currency, to_gateway
from .redaction import card_data_in

Id = int | str
_TOKEN = re.compile(r"[A-Za-z0-9_-]{3,255}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_MAX_ID = 200


@dataclass(frozen=True)
class Charge:
    """One payment to collect."""

    payment_id: Id
    amount: int
    """In ISO 4217 minor units."""
    units: int
    """As the gateway counts."""
    currency: str
    token: str
    """A payment method that the gateway stores."""
    gateway_customer: str | None
    key: str
    customer_id: Id | None
    invoice_id: Id | None

    @property
    def fingerprint(self) -> str:
        """What makes it the same charge; tells nothing about the token."""
        return hashlib.sha256(
            f"{self.amount} {self.currency} {self.token} {self.gateway_customer}".encode()
        ).hexdigest()[:16]


@dataclass(frozen=True)
class RefundRequest:
    """Money to give back; without an amount, all that is left."""

    payment_id: Id
    refund_id: Id
    amount: int | None
    key: str
    transaction_id: str | None
    currency: str | None


class _Reader:
    """Takes values out of a payload and collects what is wrong with them."""

    def __init__(self, payload: Any) -> None:
        if not isinstance(payload, Mapping):
            raise PaymentInvalidError(problem=f"expected an object, got {type(payload).__name__}")
        if where := card_data_in(dict(payload)):
            raise CardDataError(where=where)
        self._payload = payload
        self.mistakes: list[str] = []

    def id(self, name: str) -> Id:
        """An identifier that must be there."""
        return self.optional_id(name, required=True) or 0

    def optional_id(self, name: str, *, required: bool = False) -> Id | None:
        """An identifier."""
        value = self._payload.get(name)
        if value is None and not required:
            return None
        text = isinstance(value, str) and 0 < len(value) <= _MAX_ID and value.isprintable()
        if text or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self.mistakes.append(f"{name}: expected an id (whole number or text), got {value!r}"[:200])
        return None

    def matching(
        self, name: str, pattern: re.Pattern[str], expected: str, *, required: bool = False
    ) -> str | None:
        """A text of one form; its value is not told, since it might be a secret."""
        value = self._payload.get(name)
        if value is None and not required:
            return None
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        self.mistakes.append(
            f"{name}: expected {expected}, got {'nothing' if value is None else 'something else'}"
        )
        return None

    def checked(self, check: Callable[[Any], Any], name: str, fallback: Any) -> Any:
        """A value that a function checks."""
        try:
            return check(self._payload.get(name))
        except PaymentInvalidError as error:
            self.mistakes.append(error.fields["problem"])
            return fallback

    def last_part(self, name: str) -> "_Reader":
        """References may be paths like `methods/pm_1`: only their last part is the gateway's."""
        value = self._payload.get(name)
        if isinstance(value, str):
            self._payload = {**self._payload, name: value.rpartition("/")[2]}
        return self

    def done(self) -> None:
        """Raise what was found."""
        if self.mistakes:
            raise PaymentInvalidError(problem="; ".join(self.mistakes))


def charge_of(payload: Any, *, key_prefix: str, event_key: str | None = None) -> Charge:
    """The charge that a `payment_requested` payload asks for; `PaymentInvalidError`, `CardDataError`."""
    read = _Reader(payload)
    payment_id = read.id("id")
    amount = read.checked(checked_amount, "amount", 1)
    currency = read.checked(checked_currency, "currency", "EUR")
    token = read.last_part("token_ref").matching(
        "token_ref", _TOKEN, "a token of the gateway like pm_123", required=True
    )
    customer = read.matching("gateway_customer", _TOKEN, "a customer of the gateway like cus_123")
    key = read.matching("idempotency_key", _KEY, "1 to 255 visible ASCII characters")
    charge = Charge(
        payment_id=payment_id,
        amount=amount,
        units=0 if read.mistakes else to_gateway(amount, currency),
        currency=currency,
        token=token or "",
        gateway_customer=customer,
        key=key or event_key or f"{key_prefix}-payment-{_ascii(payment_id)}",
        customer_id=read.optional_id("customer_id"),
        invoice_id=read.optional_id("invoice_id"),
    )
    read.done()
    return charge


def refund_of(payload: Any, *, key_prefix: str) -> RefundRequest:
    """The refund that a payload asks for: `id` is the payment's; `PaymentInvalidError`, `CardDataError`."""
    read = _Reader(payload)
    payment_id, refund_id = read.id("id"), read.id("refund_id")
    key = read.matching("idempotency_key", _KEY, "1 to 255 visible ASCII characters")
    whole = payload.get("amount") is None
    request = RefundRequest(
        payment_id=payment_id,
        refund_id=refund_id,
        amount=None if whole else read.checked(checked_amount, "amount", 1),
        key=key or f"{key_prefix}-refund-{_ascii(payment_id)}-{_ascii(refund_id)}",
        transaction_id=read.matching("transaction_id", _TOKEN, "a transaction of the gateway like pi_123"),
        currency=None
        if payload.get("currency") is None
        else read.checked(checked_currency, "currency", None),
    )
    read.done()
    return request


def slug(payment_id: Id) -> str:
    """A payment's id as part of a storage key: readable where it can be, else a digest."""
    return _ascii(payment_id)


def _ascii(value: Id) -> str:
    """An id as short visible ASCII without separators; 7 and "7" are the same payment."""
    text = str(value)
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", text):
        return text
    return "sha256." + hashlib.sha256(text.encode()).hexdigest()
