"""Payloads of the ticket and visit hooks; the ticket's or visit's own id is `id`."""

from typing import TypedDict

from isp_plugin_sdk.payloads.common import Id, Payload, Window


class TicketDraft(TypedDict, total=False):
    """A ticket as it is about to be opened."""

    subject: str
    body: str
    customer: Id | None
    channel: str


class TicketBeforeCreate(Payload, total=False):
    """A ticket is about to be opened; a filter may change the draft or reject it."""

    draft: TicketDraft


class TicketCreated(Payload, total=False):
    """A ticket was opened."""

    id: Id
    customer_id: Id | None
    subject: str
    priority: str


class TicketReplied(Payload, total=False):
    """Somebody replied to a ticket; `public` when the customer can read it."""

    id: Id
    customer_id: Id | None
    author: str
    public: bool


class TicketAssigned(Payload, total=False):
    """A ticket changed hands."""

    id: Id
    old: str | None
    new: str | None


class TicketStatusChanged(Payload, total=False):
    """A ticket's status changed."""

    id: Id
    customer_id: Id | None
    old: str
    new: str


class TicketInformationRequired(Payload, total=False):
    """A ticket waits for the customer's answer."""

    id: Id
    customer_id: Id | None
    question: str


class TicketResolved(Payload, total=False):
    """A ticket was resolved after so many minutes."""

    id: Id
    customer_id: Id | None
    resolution: str
    minutes: int


class TicketSlaAtRisk(Payload, total=False):
    """A ticket will miss a target of its service level in `remaining_s` seconds."""

    id: Id
    target: str
    remaining_s: float


class VisitScheduled(Payload, total=False):
    """A technician's visit was scheduled or moved."""

    id: Id
    customer_id: Id | None
    technician: str
    window: Window


HOOKS: dict[str, type] = {
    "ticket_before_create": TicketBeforeCreate,
    "ticket_created": TicketCreated,
    "ticket_replied": TicketReplied,
    "ticket_assigned": TicketAssigned,
    "ticket_status_changed": TicketStatusChanged,
    "ticket_information_required": TicketInformationRequired,
    "ticket_resolved": TicketResolved,
    "ticket_sla_at_risk": TicketSlaAtRisk,
    "visit_scheduled": VisitScheduled,
}
