"""Payloads of the usage, quota and inventory hooks; an inventory item's own id is `id`."""

from typing import Any, Literal, TypedDict

from isp_plugin_sdk.payloads.common import Address, Id, Line, Payload, Window


class Geo(TypedDict, total=False):
    """A place in degrees (WGS 84)."""

    latitude: float
    longitude: float


class CoverageCandidate(TypedDict, total=False):
    """One way to serve an address; speed in Mbit/s, distance in metres."""

    site: str
    technology: str
    max_speed: float
    distance: float | None


class UsageRecord(Payload, total=False):
    """A usage record arrived; a filter may correct its counters. `dedupe_key` tells repeats."""

    service_id: Id
    counters: dict[str, int]
    interval: Window
    dedupe_key: str


class UsageRated(Payload, total=False):
    """Usage was priced; a filter may change the price lines."""

    service_id: Id
    quantity: float
    price_lines: list[Line]


class QuotaThresholdReached(Payload, total=False):
    """A service used so many percent of its quota; `used` and `limit` in octets."""

    service_id: Id
    customer_id: Id | None
    percent: float
    used: int
    limit: int


class QuotaExceeded(Payload, total=False):
    """A service used its quota up; `policy` is what the plan wants, `coa` the attributes for it."""

    service_id: Id
    customer_id: Id | None
    policy: Literal["throttle", "block", "charge"]
    coa: dict[str, Any]


class QuotaReset(Payload, total=False):
    """A service's quota began anew."""

    service_id: Id
    cycle: str


class ItemAssigned(Payload, total=False):
    """An inventory item was given to a service."""

    id: Id
    serial: str
    mac: str | None
    service_id: Id


class StockLow(Payload, total=False):
    """Few of an article are left."""

    sku: str
    left: int
    threshold: int


class SiteCoverage(Payload, total=False):
    """Ways to serve an address; a filter may add, change or drop candidates."""

    address: Address
    geo: Geo | None
    candidates: list[CoverageCandidate]


HOOKS: dict[str, type] = {
    "usage_record": UsageRecord,
    "usage_rated": UsageRated,
    "quota_threshold_reached": QuotaThresholdReached,
    "quota_exceeded": QuotaExceeded,
    "quota_reset": QuotaReset,
    "item_assigned": ItemAssigned,
    "stock_low": StockLow,
    "site_coverage": SiteCoverage,
}
