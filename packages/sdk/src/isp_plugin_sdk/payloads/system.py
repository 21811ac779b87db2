"""Payloads of the scheduler, notification, report, console and system hooks; a notification's own id is `id`."""

from typing import Any, Literal, TypedDict

from isp_plugin_sdk.payloads.common import Check, Id, Payload


class Attachment(TypedDict, total=False):
    """A file of a notification, by reference."""

    name: str
    content_type: str
    bytes_ref: str


class Entry(TypedDict, total=False):
    """One entry of a menu or a panel."""

    label: str
    url: str
    icon: str | None
    order: int
    plugin: str | None


class UiObject(TypedDict, total=False):
    """What the page is about."""

    type: str
    id: Id


class UiUser(TypedDict, total=False):
    """Who looks at the page."""

    id: Id
    roles: list[str]
    locale: str | None


class SchedulerHourly(Payload, total=False):
    """An hour began; exactly one node dispatches a slot."""

    slot_id: str
    planned_at: str


class SchedulerDaily(Payload, total=False):
    """A day began; exactly one node dispatches a slot."""

    slot_id: str
    planned_at: str


class SchedulerJobFailed(Payload, total=False):
    """A scheduled job failed."""

    job: str
    error: str
    next_run: str | None


class NotificationBeforeSend(Payload, total=False):
    """A notification is about to be sent; a filter may change or reject it."""

    id: Id
    channel: str
    template: str
    recipients: list[str]
    vars: dict[str, Any]
    attachments: list[Attachment]


class NotificationSent(Payload, total=False):
    """A notification was handed to its provider; `cost` in minor units."""

    id: Id
    message_id: str
    channel: str
    provider_id: str | None
    cost: int | None
    currency: str | None


class ReportData(Payload, total=False):
    """A report's rows; a filter may add, change or drop rows."""

    report: str
    filters: dict[str, Any]
    rows: list[dict[str, Any]]


class UiMenu(Payload, total=False):
    """The menu of a page; a filter may add, change or drop entries."""

    zone: Literal["admin", "portal"]
    object: UiObject | None
    entries: list[Entry]
    user: UiUser | None


class UiPanel(Payload, total=False):
    """The panels of a page; a filter may add, change or drop entries."""

    zone: Literal["admin", "portal"]
    object: UiObject | None
    entries: list[Entry]
    user: UiUser | None


class SystemHealth(Payload, total=False):
    """The checks of the whole system; a filter may add its own."""

    checks: list[Check]


class SystemBackup(Payload, total=False):
    """A backup is being made: a plugin adds its own part by reference."""

    set_id: str
    sections: dict[str, Any]


class SystemSettingChanged(Payload, total=False):
    """A setting of the ISP's system changed; secret values are masked."""

    key: str
    old: Any
    new: Any


HOOKS: dict[str, type] = {
    "scheduler_hourly": SchedulerHourly,
    "scheduler_daily": SchedulerDaily,
    "scheduler_job_failed": SchedulerJobFailed,
    "notification_before_send": NotificationBeforeSend,
    "notification_sent": NotificationSent,
    "report_data": ReportData,
    "ui_menu": UiMenu,
    "ui_panel": UiPanel,
    "system_health": SystemHealth,
    "system_backup": SystemBackup,
    "system_setting_changed": SystemSettingChanged,
}
