"""Hooks of orders, services and provisioning."""

from isp_plugins.hooks.catalogue.define import Domain

_service = Domain("service")

HOOKS = (
    _service.filter(
        "order_before_accept",
        veto=True,
        mutable=("lines",),
        sample={
            "order": {
                "id": 77,
                "customer_id": 1001,
                "total": 2990,
                "currency": "EUR",
                "channel": "portal",
                "coupon": None,
            },
            "lines": [
                {
                    "description": "Fibre 200",
                    "plan_id": 12,
                    "quantity": 1,
                    "unit_price": 2990,
                    "amount": 2990,
                    "currency": "EUR",
                }
            ],
            "address": {
                "street": "Rua Augusta 1",
                "city": "Lisboa",
                "postal_code": "1100-048",
                "country": "PT",
            },
            "coverage": {"available": True, "technology": "gpon", "max_speed": 1000},
        },
        whmcs="ShoppingCartValidateCheckout",
    ),
    _service.fact(
        "order_accepted",
        key="customer_id",
        sample={
            "id": 77,
            "customer_id": 1001,
            "lines": [
                {
                    "description": "Fibre 200",
                    "plan_id": 12,
                    "quantity": 1,
                    "unit_price": 2990,
                    "amount": 2990,
                    "currency": "EUR",
                }
            ],
        },
        tmf="ServiceOrderCreateEvent",
        uisp="quote.add",
        whmcs="AcceptOrder",
    ),
    _service.fact(
        "order_cancelled",
        key="customer_id",
        sample={"id": 77, "customer_id": 1001, "reason": "changed their mind"},
        tmf="ServiceOrderStateChangeEvent",
        uisp="quote.delete",
        whmcs="CancelOrder",
    ),
    _service.fact(
        "service_created",
        key="customer_id",
        sample={
            "id": 501,
            "customer_id": 1001,
            "plan_id": 12,
            "plan": {
                "id": 12,
                "name": "Fibre 200",
                "speed": 200,
                "speed_up": 100,
                "price": 2990,
                "currency": "EUR",
            },
            "site": "LIS-3",
        },
        tmf="ServiceCreateEvent",
        uisp="service.add",
        whmcs="AfterShoppingCartCheckout",
    ),
    _service.fact(
        "service_updated",
        key="customer_id",
        sample={"id": 501, "customer_id": 1001, "changes": {"site": {"old": "LIS-3", "new": "LIS-4"}}},
        tmf="ServiceAttributeValueChangeEvent",
        uisp="service.edit",
        whmcs="ServiceEdit",
    ),
    _service.fact(
        "service_plan_changed",
        key="customer_id",
        sample={
            "id": 501,
            "customer_id": 1001,
            "old_plan": 12,
            "new_plan": 13,
            "effective_at": "2030-02-01T00:00:00Z",
        },
        tmf="ServiceAttributeValueChangeEvent",
        uisp="service.edit",
        whmcs="AfterModuleChangePackage",
    ),
    _service.fact(
        "service_activated",
        key="customer_id",
        sample={"id": 501, "customer_id": 1001, "plan_id": 12, "at": "2030-01-31T12:00:00Z"},
        tmf="ServiceStateChangeEvent(active)",
        uisp="service.activate",
        whmcs="AfterModuleCreate",
    ),
    _service.filter(
        "service_before_suspend",
        veto=True,
        mutable=("exempt",),
        fail_closed=True,  # nobody is cut off because a plugin that might exempt them is broken
        key="customer_id",
        sample={
            "id": 501,
            "customer_id": 1001,
            "cause": "overdue",
            "overdue": {"amount": 5980, "currency": "EUR", "days": 21},
            "exempt": False,
        },
        whmcs="PreModuleSuspend",
    ),
    _service.fact(
        "service_suspended",
        key="customer_id",
        sample={"id": 501, "customer_id": 1001, "cause": "overdue", "until": None},
        tmf="ServiceStateChangeEvent(suspended)",
        uisp="service.suspend",
        whmcs="AfterModuleSuspend",
    ),
    _service.fact(
        "service_resumed",
        key="customer_id",
        sample={"id": 501, "customer_id": 1001, "cause": "paid"},
        tmf="ServiceStateChangeEvent(active)",
        uisp="service.suspend_cancel",
        whmcs="AfterModuleUnsuspend",
    ),
    _service.fact(
        "service_postponed",
        key="customer_id",
        sample={"id": 501, "customer_id": 1001, "from": "2030-02-01T00:00:00Z", "to": "2030-02-15T00:00:00Z"},
        tmf="ServiceAttributeValueChangeEvent",
        uisp="service.postpone",
    ),
    _service.fact(
        "service_terminated",
        key="customer_id",
        sample={"id": 501, "customer_id": 1001, "reason": "moved away", "final_invoice": 9002},
        tmf="ServiceStateChangeEvent(terminated)",
        uisp="service.end, service.archive",
        whmcs="AfterModuleTerminate",
    ),
    _service.filter(
        "provisioning_parameters",
        mutable=("params",),
        fail_closed=True,  # half-made parameters must not reach the network
        sample={
            "job": {"id": 9, "verb": "create", "service_id": 501, "customer_id": 1001, "targets": ["olt-1"]},
            "params": {
                "rate": 200000,
                "rate_up": 100000,
                "vlan": 101,
                "ip": "192.0.2.10",
                "profile": "home-200",
            },
        },
        whmcs="PreModuleCreate (override params)",
    ),
    _service.action(
        "provisioning_requested",
        key="id",
        deadline_ms=30_000,
        sample={
            "id": 9,
            "verb": "create",
            "service": {
                "id": 501,
                "customer_id": 1001,
                "plan_id": 12,
                "site": "LIS-3",
                "status": "pending",
                "params": {
                    "rate": 200000,
                    "rate_up": 100000,
                    "vlan": 101,
                    "ip": "192.0.2.10",
                    "profile": "home-200",
                },
            },
            "targets": ["olt-1"],
            "idempotency_key": "job-9",
            "dry_run": False,
        },
        tmf="ServiceOrderMilestoneEvent",
        whmcs="module CreateAccount etc.",
    ),
    _service.fact(
        "provisioning_completed",
        key="id",
        sample={
            "id": 9,
            "service_id": 501,
            "targets": [{"id": "olt-1", "result": "done", "diff": None}],
            "partial": False,
        },
        tmf="ServiceOrderStateChangeEvent",
        whmcs="AfterModule*",
    ),
    _service.fact(
        "provisioning_failed",
        key="id",
        sample={
            "id": 9,
            "service_id": 501,
            "target": "olt-1",
            "error": "connection refused",
            "attempt": 2,
            "next_retry": "2030-01-31T14:00:00Z",
        },
        tmf="ServiceOrderJeopardyEvent",
        whmcs="AfterModule*Failed",
    ),
    _service.fact(
        "provisioning_drift_found",
        key="service_id",
        sample={"service_id": 501, "target": "olt-1", "expected": {"vlan": 101}, "actual": {"vlan": 1}},
        tmf="ServiceOperatingStatusChangeEvent",
    ),
)
