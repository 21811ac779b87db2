"""Payloads of the customer hooks; the customer's own id is `id`."""

from typing import Any, Literal, TypedDict

from isp_plugin_sdk.payloads.common import Address, Change, Id, Payload, Plan


class CustomerDraft(TypedDict, total=False):
    """A customer as it is about to be created."""

    name: str
    emails: list[str]
    phones: list[str]
    address: Address
    tax_id: str | None
    custom: dict[str, Any]


class CustomerBeforeCreate(Payload, total=False):
    """A customer is about to be created; a filter may change the draft or reject it."""

    draft: CustomerDraft


class CustomerCreated(Payload, total=False):
    """A customer was created."""

    id: Id
    number: str
    kind: Literal["lead", "home", "business"]
    name: str
    email: str | None
    emails: list[str]
    phones: list[str]
    address: Address | None
    country: str | None
    locale: str | None
    plan: Plan | None
    portal_url: str | None
    custom: dict[str, Any]


class CustomerUpdated(Payload, total=False):
    """Fields of a customer were changed."""

    id: Id
    changes: dict[str, Change]


class CustomerStatusChanged(Payload, total=False):
    """A customer's status changed."""

    id: Id
    old: str
    new: str


class CustomerBeforeDelete(Payload, total=False):
    """A customer is about to be deleted; `open_balance` in minor units."""

    id: Id
    open_balance: int
    currency: str
    services: list[Id]


class CustomerDeleted(Payload, total=False):
    """A customer was deleted, or anonymised where records must stay."""

    id: Id
    number: str
    anonymised: bool


class CustomerMerged(Payload, total=False):
    """Two customers became one: the source's things belong to the target now."""

    source_id: Id
    target_id: Id


class CustomerContactChanged(Payload, total=False):
    """A contact of a customer was added, edited or deleted (`op`)."""

    id: Id
    contact_id: Id
    op: str
    changes: dict[str, Change]


class CustomerInvited(Payload, total=False):
    """A customer was invited to the portal."""

    id: Id
    email: str | None
    emails: list[str]
    portal_url: str
    expires: str


HOOKS: dict[str, type] = {
    "customer_before_create": CustomerBeforeCreate,
    "customer_created": CustomerCreated,
    "customer_updated": CustomerUpdated,
    "customer_status_changed": CustomerStatusChanged,
    "customer_before_delete": CustomerBeforeDelete,
    "customer_deleted": CustomerDeleted,
    "customer_merged": CustomerMerged,
    "customer_contact_changed": CustomerContactChanged,
    "customer_invited": CustomerInvited,
}
