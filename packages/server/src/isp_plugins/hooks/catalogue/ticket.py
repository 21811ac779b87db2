"""Hooks of tickets and visits."""

from isp_plugins.hooks.catalogue.define import Domain

_ticket = Domain("ticket")

HOOKS = (
    _ticket.filter(
        "ticket_before_create",
        veto=True,
        mutable=("draft",),
        sample={
            "draft": {
                "subject": "No connection",
                "body": "Since this morning.",
                "customer": 1001,
                "channel": "portal",
            }
        },
        whmcs="TicketOpenValidation",
    ),
    _ticket.fact(
        "ticket_created",
        key="id",
        sample={"id": 81, "customer_id": 1001, "subject": "No connection", "priority": "high"},
        tmf="TroubleTicketCreateEvent",
        uisp="ticket.add",
        whmcs="TicketOpen, TicketOpenAdmin",
    ),
    _ticket.fact(
        "ticket_replied",
        key="id",
        sample={"id": 81, "customer_id": 1001, "author": "maria", "public": True},
        tmf="TroubleTicketAttributeValueChangeEvent",
        uisp="ticket.comment",
        whmcs="TicketUserReply, TicketAdminReply",
    ),
    _ticket.fact(
        "ticket_assigned",
        key="id",
        sample={"id": 81, "old": None, "new": "maria"},
        tmf="TroubleTicketAttributeValueChangeEvent",
        uisp="ticket.edit",
        whmcs="TicketFlagged",
    ),
    _ticket.fact(
        "ticket_status_changed",
        key="id",
        sample={"id": 81, "customer_id": 1001, "old": "open", "new": "waiting"},
        tmf="TroubleTicketStatusChangeEvent",
        uisp="ticket.status_change",
        whmcs="TicketStatusChange",
    ),
    _ticket.fact(
        "ticket_information_required",
        key="id",
        sample={"id": 81, "customer_id": 1001, "question": "Is the green light on?"},
        tmf="TroubleTicketInformationRequiredEvent",
    ),
    _ticket.fact(
        "ticket_resolved",
        key="id",
        sample={"id": 81, "customer_id": 1001, "resolution": "cable replaced", "minutes": 95},
        tmf="TroubleTicketResolvedEvent",
        uisp="ticket.status_change",
        whmcs="TicketClose",
    ),
    _ticket.fact(
        "ticket_sla_at_risk",
        key="id",
        sample={"id": 81, "target": "first_reply", "remaining_s": 900.0},
    ),
    _ticket.fact(
        "visit_scheduled",
        key="id",
        sample={
            "id": 91,
            "customer_id": 1001,
            "technician": "rui",
            "window": {"start": "2030-01-31T12:00:00Z", "end": "2030-01-31T14:00:00Z"},
        },
        tmf="WorkOrderStateChangeEvent (697)",
        uisp="job.add / job.edit",
    ),
)
