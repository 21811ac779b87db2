"""Payloads of the billing, invoice and payment hooks; an invoice's, payment's or billing run's own id is `id`."""

from typing import TypedDict

from isp_plugin_sdk.payloads.common import Address, Change, Id, Line, Payload, Period


class InvoicePayment(TypedDict, total=False):
    """A payment booked on an invoice; `amount` in minor units."""

    id: Id
    amount: int
    currency: str
    method: str
    received_at: str


class PaymentMethod(TypedDict, total=False):
    """One way to pay that is offered to a customer."""

    id: str
    name: str
    gateway: str
    url: str | None
    fee: int | None


class CustomerReference(TypedDict, total=False):
    """Whom something is for."""

    id: Id
    kind: str
    country: str | None


class PaymentCandidate(TypedDict, total=False):
    """An invoice that an unmatched payment might be for; `score` from 0 to 1."""

    invoice_id: Id
    customer_id: Id
    amount: int
    score: float


class BillingRunStarted(Payload, total=False):
    """A billing run began."""

    id: Id
    period: Period
    dry_run: bool


class InvoiceItems(Payload, total=False):
    """The items of an invoice about to be drafted; a filter may add, change or drop items."""

    customer_id: Id
    items: list[Line]
    period: Period


class InvoiceTax(Payload, total=False):
    """The lines of an invoice about to be taxed; a filter sets their tax."""

    lines: list[Line]
    address: Address
    tax_id: str | None


class InvoiceNumber(Payload, total=False):
    """The number that the next invoice of a series would get; a filter may replace `next`."""

    series: str
    next: str


class InvoiceDrafted(Payload, total=False):
    """An invoice was drafted; `total` in minor units."""

    id: Id
    customer_id: Id
    total: int
    currency: str


class InvoiceApproved(Payload, total=False):
    """A drafted invoice was approved."""

    id: Id
    customer_id: Id
    approver: str


class InvoiceIssued(Payload, total=False):
    """An invoice was issued; `total` in minor units, `due` a date."""

    id: Id
    customer_id: Id
    number: str
    total: int
    currency: str
    due: str


class InvoiceUpdated(Payload, total=False):
    """Fields of an invoice were changed."""

    id: Id
    customer_id: Id
    changes: dict[str, Change]


class InvoiceDocument(Payload, total=False):
    """An invoice's document was rendered; a filter may replace the reference to its bytes."""

    id: Id
    format: str
    bytes_ref: str


class InvoiceNearDue(Payload, total=False):
    """An invoice is due in a few days."""

    id: Id
    customer_id: Id
    days_left: int
    balance: int
    currency: str


class InvoiceOverdue(Payload, total=False):
    """An invoice is overdue by so many days; `balance` in minor units."""

    id: Id
    customer_id: Id
    days: int
    balance: int
    currency: str


class InvoicePaid(Payload, total=False):
    """An invoice was paid in full."""

    id: Id
    customer_id: Id
    payments: list[InvoicePayment]


class InvoiceCancelled(Payload, total=False):
    """An invoice was cancelled; `credit_note` is the id of the note that did it."""

    id: Id
    customer_id: Id
    credit_note: Id | None


class DunningStepDue(Payload, total=False):
    """A customer's dunning reached a step; `proposed_action` is what the ISP's rules would do."""

    customer_id: Id
    step: int
    invoices: list[Id]
    proposed_action: str


class PaymentMethods(Payload, total=False):
    """The ways to pay that a customer would be offered; a filter may add, change or drop some."""

    methods: list[PaymentMethod]
    customer: CustomerReference
    currency: str


class PaymentRequested(Payload, total=False):
    """A payment must be collected; `amount` in minor units, `token_ref` refers to a stored payment method."""

    id: Id
    customer_id: Id
    invoice_id: Id | None
    amount: int
    currency: str
    token_ref: str
    idempotency_key: str


class PaymentCallbackReceived(Payload, total=False):
    """A payment gateway called back; the body's bytes are kept under `raw_body_ref`."""

    gateway: str
    headers: dict[str, str]
    raw_body_ref: str
    remote_ip: str


class PaymentReceived(Payload, total=False):
    """A payment arrived; `amount` in minor units, `external_id` is the gateway's own."""

    id: Id
    customer_id: Id | None
    amount: int
    currency: str
    method: str
    external_id: str | None


class PaymentFailed(Payload, total=False):
    """A payment failed with the gateway's code; `retry_at` is the next attempt, if there is one."""

    id: Id
    customer_id: Id | None
    amount: int
    currency: str
    code: str
    retry_at: str | None


class PaymentUnmatched(Payload, total=False):
    """A payment could not be matched to an invoice."""

    id: Id
    amount: int
    currency: str
    candidates: list[PaymentCandidate]


class PaymentRefunded(Payload, total=False):
    """A payment was refunded, in full or in part; `amount` in minor units."""

    id: Id
    refund_id: Id
    customer_id: Id | None
    amount: int
    currency: str


class PaymentMethodChanged(Payload, total=False):
    """A customer's stored payment method was added, changed or removed (`op`)."""

    customer_id: Id
    op: str
    brand: str | None
    expires: str | None


HOOKS: dict[str, type] = {
    "billing_run_started": BillingRunStarted,
    "invoice_items": InvoiceItems,
    "invoice_tax": InvoiceTax,
    "invoice_number": InvoiceNumber,
    "invoice_drafted": InvoiceDrafted,
    "invoice_approved": InvoiceApproved,
    "invoice_issued": InvoiceIssued,
    "invoice_updated": InvoiceUpdated,
    "invoice_document": InvoiceDocument,
    "invoice_near_due": InvoiceNearDue,
    "invoice_overdue": InvoiceOverdue,
    "invoice_paid": InvoicePaid,
    "invoice_cancelled": InvoiceCancelled,
    "dunning_step_due": DunningStepDue,
    "payment_methods": PaymentMethods,
    "payment_requested": PaymentRequested,
    "payment_callback_received": PaymentCallbackReceived,
    "payment_received": PaymentReceived,
    "payment_failed": PaymentFailed,
    "payment_unmatched": PaymentUnmatched,
    "payment_refunded": PaymentRefunded,
    "payment_method_changed": PaymentMethodChanged,
}
