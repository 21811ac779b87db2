"""Payloads of the device, alarm and outage hooks; the device's, alarm's or outage's own id is `id`."""

from typing import TypedDict

from isp_plugin_sdk.payloads.common import Change, Id, Payload, Window


class Neighbour(TypedDict, total=False):
    """A device seen on a port, by LLDP or the like."""

    port: str
    name: str
    address: str | None


class DeviceCreated(Payload, total=False):
    """A device was added."""

    id: Id
    role: str
    vendor: str
    model: str | None
    address: str | None
    site: str | None


class DeviceUpdated(Payload, total=False):
    """Fields of a device were changed."""

    id: Id
    changes: dict[str, Change]


class DeviceRemoved(Payload, total=False):
    """A device was removed."""

    id: Id


class DeviceDiscovered(Payload, total=False):
    """An unknown device answered at an address."""

    address: str
    sysobjectid: str | None
    neighbours: list[Neighbour]


class DeviceStatusChanged(Payload, total=False):
    """A device went up or down, or its link got worse; `loss` in percent, `rtt_ms` in milliseconds."""

    id: Id
    old: str
    new: str
    since: str
    loss: float | None
    rtt_ms: float | None


class DeviceBeforeConfigPush(Payload, total=False):
    """A configuration is about to be pushed to a device; a filter may reject it."""

    id: Id
    diff: str
    requester: str
    window: Window | None


class DeviceConfigPushed(Payload, total=False):
    """A configuration was pushed to a device; the references lead to the difference and to the way back."""

    id: Id
    diff_ref: str
    rollback_ref: str | None


class DeviceBackupCompleted(Payload, total=False):
    """A device's configuration was backed up."""

    id: Id
    sha256: str
    changed: bool


class AlarmRaised(Payload, total=False):
    """An alarm was raised."""

    id: Id
    device_id: Id | None
    severity: str
    probable_cause: str


class AlarmAcknowledged(Payload, total=False):
    """Somebody took an alarm on."""

    id: Id
    device_id: Id | None
    user: str


class AlarmCleared(Payload, total=False):
    """An alarm is over; `duration` in seconds."""

    id: Id
    device_id: Id | None
    duration: float


class OutageOpened(Payload, total=False):
    """An outage began; `customers` is how many it touches."""

    id: Id
    root_device: Id | None
    services: list[Id]
    customers: int


class OutageClosed(Payload, total=False):
    """An outage ended; `duration` in seconds, `affected` is how many customers it touched."""

    id: Id
    duration: float
    affected: int


HOOKS: dict[str, type] = {
    "device_created": DeviceCreated,
    "device_updated": DeviceUpdated,
    "device_removed": DeviceRemoved,
    "device_discovered": DeviceDiscovered,
    "device_status_changed": DeviceStatusChanged,
    "device_before_config_push": DeviceBeforeConfigPush,
    "device_config_pushed": DeviceConfigPushed,
    "device_backup_completed": DeviceBackupCompleted,
    "alarm_raised": AlarmRaised,
    "alarm_acknowledged": AlarmAcknowledged,
    "alarm_cleared": AlarmCleared,
    "outage_opened": OutageOpened,
    "outage_closed": OutageClosed,
}
