"""Hooks of billing, invoices and payments."""

from isp_plugins.hooks.catalogue.define import Domain

_billing = Domain("billing")

HOOKS = (
    _billing.fact(
        "billing_run_started",
        key="id",
        sample={
            "id": 24,
            "period": {"start": "2030-02-01", "end": "2030-03-01"},
            "dry_run": False,
            "org_id": 1,
        },
        whmcs="PreInvoicingGenerateInvoiceItems",
    ),
    _billing.filter(
        "invoice_items",
        mutable=("items",),
        fail_closed=True,  # an invoice that lacks items must not be drafted
        key="customer_id",
        sample={
            "customer_id": 1001,
            "items": [
                {
                    "id": 1,
                    "description": "Fibre 200, February",
                    "service_id": 501,
                    "quantity": 1,
                    "unit_price": 2990,
                    "amount": 2990,
                    "tax_rate": 23.0,
                    "currency": "EUR",
                }
            ],
            "period": {"start": "2030-02-01", "end": "2030-03-01"},
        },
        whmcs="AfterInvoicingGenerateInvoiceItems",
    ),
    _billing.filter(
        "invoice_tax",
        mutable=("lines",),
        fail_closed=True,  # an invoice with the wrong tax must not be issued
        sample={
            "lines": [
                {
                    "id": 1,
                    "description": "Fibre 200, February",
                    "service_id": 501,
                    "quantity": 1,
                    "unit_price": 2990,
                    "amount": 2990,
                    "tax_rate": 23.0,
                    "currency": "EUR",
                }
            ],
            "address": {
                "street": "Rua Augusta 1",
                "city": "Lisboa",
                "postal_code": "1100-048",
                "country": "PT",
            },
            "tax_id": "PT123456789",
        },
        whmcs="CartItemsTax",
    ),
    _billing.filter(
        "invoice_number",
        mutable=("next",),
        fail_closed=True,  # numbers have no gaps and no doubles
        key="series",
        sample={"series": "2030", "next": "2030/000123"},
        whmcs="OverrideOrderNumberGeneration",
    ),
    _billing.fact(
        "invoice_drafted",
        key="customer_id",
        sample={"id": 9001, "customer_id": 1001, "total": 2990, "currency": "EUR"},
        tmf="CustomerBillCreateEvent",
        uisp="invoice.add_draft",
        whmcs="InvoiceCreation",
    ),
    _billing.fact(
        "invoice_approved",
        key="customer_id",
        sample={"id": 9001, "customer_id": 1001, "approver": "maria"},
        tmf="CustomerBillStateChangeEvent",
        uisp="invoice.draft_approved",
        whmcs="InvoiceCreated",
    ),
    _billing.fact(
        "invoice_issued",
        key="customer_id",
        sample={
            "id": 9001,
            "customer_id": 1001,
            "number": "2030/000123",
            "total": 2990,
            "currency": "EUR",
            "due": "2030-02-15",
        },
        tmf="CustomerBillCreateEvent",
        uisp="invoice.add",
        whmcs="InvoiceCreated",
    ),
    _billing.fact(
        "invoice_updated",
        key="customer_id",
        sample={
            "id": 9001,
            "customer_id": 1001,
            "changes": {"due": {"old": "2030-02-15", "new": "2030-02-28"}},
        },
        tmf="CustomerBillAttributeValueChangeEvent",
        uisp="invoice.edit",
        whmcs="UpdateInvoiceTotal",
    ),
    _billing.filter(
        "invoice_document",
        mutable=("bytes_ref",),
        key="id",
        deadline_ms=10_000,
        sample={"id": 9001, "format": "pdf", "bytes_ref": "documents/9001.pdf"},
    ),
    _billing.fact(
        "invoice_near_due",
        key="customer_id",
        sample={"id": 9001, "customer_id": 1001, "days_left": 3, "balance": 2990, "currency": "EUR"},
        uisp="invoice.near_due",
        whmcs="InvoicePaymentReminder",
    ),
    _billing.fact(
        "invoice_overdue",
        key="customer_id",
        sample={"id": 9001, "customer_id": 1001, "days": 7, "balance": 2990, "currency": "EUR"},
        tmf="DunningCaseCreateEvent",
        uisp="invoice.overdue",
        whmcs="InvoicePaymentReminder",
    ),
    _billing.fact(
        "invoice_paid",
        key="customer_id",
        sample={
            "id": 9001,
            "customer_id": 1001,
            "payments": [
                {
                    "id": 301,
                    "amount": 2990,
                    "currency": "EUR",
                    "method": "card",
                    "received_at": "2030-01-31T12:00:00Z",
                }
            ],
        },
        tmf="CustomerBillStateChangeEvent(settled)",
        uisp="payment.add",
        whmcs="InvoicePaid",
    ),
    _billing.fact(
        "invoice_cancelled",
        key="customer_id",
        sample={"id": 9001, "customer_id": 1001, "reason": "billed twice", "credit_note": 9002},
        tmf="CustomerBillStateChangeEvent",
        uisp="invoice.delete",
        whmcs="InvoiceCancelled",
    ),
    _billing.action(
        "dunning_step_due",
        key="customer_id",
        sample={"customer_id": 1001, "step": 2, "invoices": [9001], "proposed_action": "suspend"},
        tmf="DunningCaseStateChangeEvent",
        uisp="service.suspend",
    ),
    _billing.filter(
        "payment_methods",
        mutable=("methods",),
        deadline_ms=1_000,
        sample={
            "methods": [{"id": "card", "name": "Card", "gateway": "stripe", "url": None, "fee": None}],
            "customer": {"id": 1001, "kind": "home", "country": "PT"},
            "currency": "EUR",
        },
        uisp="manifest paymentButton",
        whmcs="InvoiceChangeGateway",
    ),
    _billing.action(
        "payment_requested",
        key="id",
        deadline_ms=30_000,
        sample={
            "id": 301,
            "customer_id": 1001,
            "invoice_id": 9001,
            "amount": 2990,
            "currency": "EUR",
            "token_ref": "methods/55",
            "idempotency_key": "payment-301",
        },
        tmf="PaymentCreateEvent",
        whmcs="gateway `_capture`",
    ),
    _billing.action(
        "payment_callback_received",
        key="gateway",
        deadline_ms=10_000,
        sample={
            "gateway": "stripe",
            "headers": {"content-type": "application/json"},
            "raw_body_ref": "callbacks/88",
            "remote_ip": "198.51.100.7",
        },
        whmcs="gateway callback file",
    ),
    _billing.fact(
        "payment_received",
        key="id",
        sample={
            "id": 301,
            "customer_id": 1001,
            "amount": 2990,
            "currency": "EUR",
            "method": "card",
            "external_id": "ch_123",
        },
        tmf="PaymentStateChangeEvent",
        uisp="payment.add",
        whmcs="AddInvoicePayment, AddTransaction",
    ),
    _billing.fact(
        "payment_failed",
        key="id",
        sample={
            "id": 301,
            "customer_id": 1001,
            "amount": 2990,
            "currency": "EUR",
            "code": "card_declined",
            "retry_at": "2030-02-03T12:00:00Z",
        },
        tmf="PaymentStateChangeEvent",
        whmcs="LogTransaction",
    ),
    _billing.fact(
        "payment_unmatched",
        key="id",
        sample={
            "id": 302,
            "amount": 2990,
            "currency": "EUR",
            "candidates": [{"invoice_id": 9001, "customer_id": 1001, "amount": 2990, "score": 0.9}],
        },
        uisp="payment.unmatch",
    ),
    _billing.fact(
        "payment_refunded",
        key="id",
        sample={"id": 301, "refund_id": 41, "customer_id": 1001, "amount": 2990, "currency": "EUR"},
        tmf="RefundCreateEvent",
        uisp="payment.delete",
        whmcs="InvoiceRefunded, ManualRefund",
    ),
    _billing.fact(
        "payment_method_changed",
        key="customer_id",
        sample={"customer_id": 1001, "op": "add", "brand": "visa", "expires": "2032-05"},
        tmf="PaymentMethodStatusChangeEvent",
        uisp="subscription.edit / delete",
        whmcs="CCUpdate",
    ),
)
