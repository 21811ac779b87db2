"""Hooks of customers."""

from isp_plugins.hooks.catalogue.define import Domain

_customer = Domain("customer")

HOOKS = (
    _customer.filter(
        "customer_before_create",
        veto=True,
        mutable=("draft",),
        sample={
            "draft": {
                "name": "Ana Silva",
                "emails": ["ana@example.com"],
                "phones": ["+351210000000"],
                "address": {
                    "street": "Rua Augusta 1",
                    "city": "Lisboa",
                    "postal_code": "1100-048",
                    "country": "PT",
                },
                "tax_id": "PT123456789",
                "custom": {},
            }
        },
        whmcs="ClientDetailsValidation",
    ),
    _customer.fact(
        "customer_created",
        key="id",
        sample={
            "id": 1001,
            "number": "C-1001",
            "kind": "home",
            "name": "Ana Silva",
            "email": "ana@example.com",
            "emails": ["ana@example.com"],
            "phones": ["+351210000000"],
            "address": {
                "street": "Rua Augusta 1",
                "city": "Lisboa",
                "postal_code": "1100-048",
                "country": "PT",
            },
            "country": "PT",
            "locale": "pt-PT",
            "plan": {
                "id": 12,
                "name": "Fibre 200",
                "speed": 200,
                "speed_up": 100,
                "price": 2990,
                "currency": "EUR",
            },
            "portal_url": "https://portal.example.com",
            "custom": {},
            "org_id": 1,
            "actor": {"type": "user", "id": "7", "plugin": None},
        },
        tmf="CustomerCreateEvent",
        uisp="client.add",
        whmcs="ClientAdd",
    ),
    _customer.fact(
        "customer_updated",
        key="id",
        sample={"id": 1001, "changes": {"email": {"old": "ana@example.com", "new": "ana.silva@example.com"}}},
        tmf="CustomerAttributeValueChangeEvent",
        uisp="client.edit",
        whmcs="ClientEdit",
    ),
    _customer.fact(
        "customer_status_changed",
        key="id",
        sample={"id": 1001, "old": "active", "new": "archived", "reason": "moved away"},
        tmf="CustomerStateChangeEvent",
        uisp="client.archive",
        whmcs="ClientClose",
    ),
    _customer.filter(
        "customer_before_delete",
        veto=True,
        mutable=(),
        fail_closed=True,  # deleting cannot be undone
        key="id",
        sample={"id": 1001, "open_balance": 0, "currency": "EUR", "services": [501]},
        whmcs="PreDeleteClient",
    ),
    _customer.fact(
        "customer_deleted",
        key="id",
        sample={"id": 1001, "number": "C-1001", "anonymised": True},
        tmf="CustomerDeleteEvent",
        uisp="client.delete",
        whmcs="ClientDelete",
    ),
    _customer.fact(
        "customer_merged",
        key="target_id",
        sample={"source_id": 1002, "target_id": 1001},
        whmcs="AfterClientMerge",
    ),
    _customer.fact(
        "customer_contact_changed",
        key="id",
        sample={
            "id": 1001,
            "contact_id": 3,
            "op": "edit",
            "changes": {"phone": {"old": None, "new": "+351210000000"}},
        },
        tmf="IndividualAttributeValueChangeEvent",
        uisp="client.edit",
        whmcs="ContactAdd / Edit / Delete",
    ),
    _customer.fact(
        "customer_invited",
        key="id",
        sample={
            "id": 1001,
            "email": "ana@example.com",
            "emails": ["ana@example.com"],
            "portal_url": "https://portal.example.com/invite",
            "expires": "2030-02-07T12:00:00Z",
        },
        uisp="client.invite",
    ),
)
