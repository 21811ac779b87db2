"""Hooks of usage and quotas."""

from isp_plugins.hooks.catalogue.define import Domain

_usage = Domain("usage")

HOOKS = (
    _usage.filter(
        "usage_record",
        mutable=("counters",),
        key="service_id",
        deadline_ms=500,
        sample={
            "service_id": 501,
            "counters": {"in_octets": 1048576, "out_octets": 52428800},
            "interval": {"start": "2030-01-31T12:00:00Z", "end": "2030-01-31T14:00:00Z"},
            "dedupe_key": "501/2030-01-31T12",
        },
        whmcs="UsageUpdate / MetricProvider",
    ),
    _usage.filter(
        "usage_rated",
        mutable=("price_lines",),
        fail_closed=True,  # a wrong price must not be billed
        key="service_id",
        sample={
            "service_id": 501,
            "quantity": 12.5,
            "price_lines": [
                {
                    "description": "Extra traffic",
                    "quantity": 12.5,
                    "unit_price": 10,
                    "amount": 125,
                    "currency": "EUR",
                }
            ],
        },
        whmcs="MetricProvider",
    ),
    _usage.fact(
        "quota_threshold_reached",
        key="service_id",
        sample={
            "service_id": 501,
            "customer_id": 1001,
            "percent": 80.0,
            "used": 858993459200,
            "limit": 1073741824000,
        },
        tmf="BucketAttributeValueChangeEvent (654)",
    ),
    _usage.action(
        "quota_exceeded",
        key="service_id",
        sample={
            "service_id": 501,
            "customer_id": 1001,
            "policy": "throttle",
            "coa": {"Filter-Id": "throttled"},
        },
    ),
    _usage.fact(
        "quota_reset",
        key="service_id",
        sample={"service_id": 501, "cycle": "2030-02"},
    ),
)
