"""Payloads of the order, service and provisioning hooks; an order's, service's or provisioning job's own id is `id`."""

from typing import Any, Literal, TypedDict

from isp_plugin_sdk.payloads.common import Address, Change, Id, Line, Payload, Plan

Verb = Literal["create", "change", "suspend", "resume", "terminate"]
"""What a provisioning job does to a service."""


class Coverage(TypedDict, total=False):
    """Whether an address can be served, with which technology and at most how fast (Mbit/s)."""

    available: bool
    technology: str | None
    max_speed: float | None


class Order(TypedDict, total=False):
    """The head of an order; `total` in minor units."""

    id: Id
    customer_id: Id | None
    total: int
    currency: str
    channel: str | None
    coupon: str | None


class Overdue(TypedDict, total=False):
    """What is owed and for how many days; `amount` in minor units."""

    amount: int
    currency: str
    days: int


class NetworkParameters(TypedDict, total=False):
    """What is set on the network for a service; `rate` (downstream) and `rate_up` in kbit/s."""

    rate: int
    rate_up: int
    vlan: int | None
    ip: str | None
    ipv6_prefix: str | None
    profile: str | None


class Job(TypedDict, total=False):
    """One piece of provisioning work."""

    id: Id
    verb: Verb
    service_id: Id
    customer_id: Id | None
    targets: list[str]


class ServiceSummary(TypedDict, total=False):
    """What provisioning needs to know of a service."""

    id: Id
    customer_id: Id
    plan_id: Id
    site: str | None
    status: str
    params: NetworkParameters


class TargetResult(TypedDict, total=False):
    """What became of one target; `diff` is what was changed on it."""

    id: str
    result: str
    diff: str | None


class OrderBeforeAccept(Payload, total=False):
    """An order is about to be accepted; a filter may change its lines or reject it."""

    order: Order
    lines: list[Line]
    address: Address
    coverage: Coverage | None


class OrderAccepted(Payload, total=False):
    """An order was accepted."""

    id: Id
    customer_id: Id
    lines: list[Line]


class OrderCancelled(Payload, total=False):
    """An order was cancelled."""

    id: Id
    customer_id: Id


class ServiceCreated(Payload, total=False):
    """A service was created, not yet activated."""

    id: Id
    customer_id: Id
    plan_id: Id
    plan: Plan | None
    site: str | None


class ServiceUpdated(Payload, total=False):
    """Fields of a service were changed."""

    id: Id
    customer_id: Id
    changes: dict[str, Change]


class ServicePlanChanged(Payload, total=False):
    """A service moved to another plan, effective at a moment that may lie ahead."""

    id: Id
    customer_id: Id
    old_plan: Id
    new_plan: Id
    effective_at: str


class ServiceActivated(Payload, total=False):
    """A service was activated."""

    id: Id
    customer_id: Id
    plan_id: Id
    at: str


class ServiceBeforeSuspend(Payload, total=False):
    """A service is about to be suspended; a filter may exempt it or reject."""

    id: Id
    customer_id: Id
    cause: str
    overdue: Overdue | None
    exempt: bool


class ServiceSuspended(Payload, total=False):
    """A service was suspended, until a moment where one is set."""

    id: Id
    customer_id: Id
    cause: str
    until: str | None


class ServiceResumed(Payload, total=False):
    """A suspended service runs again."""

    id: Id
    customer_id: Id
    cause: str


_Postponement = TypedDict("_Postponement", {"from": str, "to": str}, total=False)


class ServicePostponed(_Postponement, Payload, total=False):
    """A service's start moved `from` one moment `to` another."""

    id: Id
    customer_id: Id


class ServiceTerminated(Payload, total=False):
    """A service ended for good; `final_invoice` is the last invoice's id."""

    id: Id
    customer_id: Id
    final_invoice: Id | None


class ProvisioningParameters(Payload, total=False):
    """What will be set on the network for a service; a filter may change the parameters."""

    job: Job
    params: NetworkParameters


class ProvisioningRequested(Payload, total=False):
    """A service must be set up, changed or torn down on the named targets; with `dry_run` only tell what would be done."""

    id: Id
    verb: Verb
    service: ServiceSummary
    targets: list[str]
    idempotency_key: str
    dry_run: bool


class ProvisioningCompleted(Payload, total=False):
    """A provisioning job ended; `partial` when some target was left undone."""

    id: Id
    service_id: Id
    targets: list[TargetResult]
    partial: bool


class ProvisioningFailed(Payload, total=False):
    """A provisioning job failed on a target; `next_retry` is the moment of the next attempt, if there is one."""

    id: Id
    service_id: Id
    target: str
    error: str
    attempt: int
    next_retry: str | None


class ProvisioningDriftFound(Payload, total=False):
    """What is set on a target is not what should be."""

    service_id: Id
    target: str
    expected: dict[str, Any]
    actual: dict[str, Any]


HOOKS: dict[str, type] = {
    "order_before_accept": OrderBeforeAccept,
    "order_accepted": OrderAccepted,
    "order_cancelled": OrderCancelled,
    "service_created": ServiceCreated,
    "service_updated": ServiceUpdated,
    "service_plan_changed": ServicePlanChanged,
    "service_activated": ServiceActivated,
    "service_before_suspend": ServiceBeforeSuspend,
    "service_suspended": ServiceSuspended,
    "service_resumed": ServiceResumed,
    "service_postponed": ServicePostponed,
    "service_terminated": ServiceTerminated,
    "provisioning_parameters": ProvisioningParameters,
    "provisioning_requested": ProvisioningRequested,
    "provisioning_completed": ProvisioningCompleted,
    "provisioning_failed": ProvisioningFailed,
    "provisioning_drift_found": ProvisioningDriftFound,
}
