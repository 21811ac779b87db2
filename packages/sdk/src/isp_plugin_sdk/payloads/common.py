"""What payloads of several domains share: the base with org, actor and reason, and the values inside them.

1. Identifiers are whatever the ISP's own system uses: whole numbers or strings (`Id`).
2. Money is an integer in minor units (cents) beside an ISO 4217 `currency`.
3. Moments are RFC 3339 strings with an offset; dates are `YYYY-MM-DD`; durations name their unit (`_s`, `_ms`, `days`).
"""

from typing import Any, TypedDict

Id = int | str
"""An identifier of the ISP's own system."""


class Actor(TypedDict, total=False):
    """Who caused what the hook tells about; `plugin` is the plugin's name where one acted."""

    type: str
    id: Id | None
    plugin: str | None


class Payload(TypedDict, total=False):
    """What every payload carries where it is known."""

    org_id: Id | None
    actor: Actor | None
    reason: str | None


class Change(TypedDict, total=False):
    """One field's value before and after."""

    old: Any
    new: Any


class Period(TypedDict, total=False):
    """A span of dates, `start` included, `end` excluded."""

    start: str
    end: str


class Window(TypedDict, total=False):
    """A span of moments."""

    start: str
    end: str


class Address(TypedDict, total=False):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    street: str
    street2: str | None
    city: str
    postal_code: str
    region: str | None
    country: str
    latitude: float | None
    longitude: float | None


class Plan(TypedDict, total=False):
    """A tariff; speeds in Mbit/s."""

    id: Id
    name: str
    speed: float
    speed_up: float
    price: int
    currency: str


class Line(TypedDict, total=False):
    """One line of an order or an invoice; prices in minor units, `tax_rate` in percent."""

    id: Id
    description: str
    plan_id: Id | None
    service_id: Id | None
    quantity: float
    unit_price: int
    amount: int
    tax_rate: float | None
    tax_amount: int | None
    currency: str


class Check(TypedDict, total=False):
    """One check of a health report."""

    name: str
    status: str
    message: str
