"""Payloads of the RADIUS and address hooks; a session's own id is `id` in `aaa_session_*`, `session_id` elsewhere."""

from typing import Any, Literal, TypedDict

from isp_plugin_sdk.payloads.common import Id, Payload


class SessionTotals(TypedDict, total=False):
    """What a session used in all."""

    in_octets: int
    out_octets: int
    seconds: int


class Session(TypedDict, total=False):
    """A running session, as far as it is known."""

    id: Id
    username: str
    service_id: Id | None
    nas: str
    ip: str | None
    mac: str | None


class Lease(TypedDict, total=False):
    """How long an address is lent."""

    start: str
    end: str | None


class AaaAuthorize(Payload, total=False):
    """A subscriber wants in; a filter sets the attributes of the reply."""

    username: str
    nas: str
    calling_station: str | None
    reply: dict[str, Any]


class AaaRejected(Payload, total=False):
    """A subscriber was refused, for the `count`th time in a row."""

    username: str
    nas: str
    count: int


class AaaSessionStarted(Payload, total=False):
    """A session began."""

    id: Id
    username: str
    service_id: Id | None
    nas: str
    ip: str | None
    mac: str | None


class AaaSessionUpdated(Payload, total=False):
    """A session's counters so far."""

    id: Id
    service_id: Id | None
    in_octets: int
    out_octets: int
    seconds: int


class AaaSessionStopped(Payload, total=False):
    """A session ended."""

    id: Id
    service_id: Id | None
    cause: str
    totals: SessionTotals


class AaaCoaAttributes(Payload, total=False):
    """A change of authorisation is about to be sent; a filter may change its attributes."""

    session: Session
    attributes: dict[str, Any]


class AaaCoaRequested(Payload, total=False):
    """A session must be changed or disconnected."""

    session_id: Id
    kind: Literal["coa", "disconnect"]
    attributes: dict[str, Any]


class AaaCoaFinished(Payload, total=False):
    """The access server answered a change of authorisation."""

    session_id: Id
    ack: bool
    error_cause: str | None


class IpAssigned(Payload, total=False):
    """An address was given to a service."""

    service_id: Id
    address: str
    pool: str | None
    lease: Lease | None


class IpReleased(Payload, total=False):
    """A service gave an address back."""

    service_id: Id
    address: str
    pool: str | None
    lease: Lease | None


HOOKS: dict[str, type] = {
    "aaa_authorize": AaaAuthorize,
    "aaa_rejected": AaaRejected,
    "aaa_session_started": AaaSessionStarted,
    "aaa_session_updated": AaaSessionUpdated,
    "aaa_session_stopped": AaaSessionStopped,
    "aaa_coa_attributes": AaaCoaAttributes,
    "aaa_coa_requested": AaaCoaRequested,
    "aaa_coa_finished": AaaCoaFinished,
    "ip_assigned": IpAssigned,
    "ip_released": IpReleased,
}
