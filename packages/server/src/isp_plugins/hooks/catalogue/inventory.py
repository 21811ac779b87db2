"""Hooks of inventory and coverage."""

from isp_plugins.hooks.catalogue.define import Domain

_inventory = Domain("inventory")

HOOKS = (
    _inventory.fact(
        "item_assigned",
        key="id",
        sample={"id": 21, "serial": "HW-0001", "mac": "00:53:00:00:00:02", "service_id": 501},
        tmf="ResourceStateChangeEvent",
    ),
    _inventory.fact(
        "stock_low",
        key="sku",
        sample={"sku": "ONT-G1", "left": 4, "threshold": 10},
    ),
    _inventory.filter(
        "site_coverage",
        mutable=("candidates",),
        deadline_ms=2_000,
        sample={
            "address": {
                "street": "Rua Augusta 1",
                "city": "Lisboa",
                "postal_code": "1100-048",
                "country": "PT",
            },
            "geo": {"latitude": 38.7095, "longitude": -9.1364},
            "candidates": [{"site": "LIS-3", "technology": "gpon", "max_speed": 1000, "distance": 120.5}],
        },
        tmf="CheckServiceQualificationStateChangeEvent (645)",
    ),
)
