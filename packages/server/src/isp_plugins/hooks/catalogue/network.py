"""Hooks of devices, alarms and outages."""

from isp_plugins.hooks.catalogue.define import Domain

_network = Domain("network")

HOOKS = (
    _network.fact(
        "device_created",
        key="id",
        sample={
            "id": 31,
            "role": "cpe",
            "vendor": "MikroTik",
            "model": "hAP ax2",
            "address": "192.0.2.31",
            "site": "LIS-3",
        },
        tmf="ResourceCreateEvent",
        whmcs="ServerAdd",
    ),
    _network.fact(
        "device_updated",
        key="id",
        sample={"id": 31, "changes": {"address": {"old": "192.0.2.31", "new": "192.0.2.32"}}},
        tmf="ResourceAttributeValueChangeEvent",
        whmcs="ServerEdit",
    ),
    _network.fact(
        "device_removed",
        key="id",
        sample={"id": 31},
        tmf="ResourceDeleteEvent",
        whmcs="ServerDelete",
    ),
    _network.action(
        "device_discovered",
        key="address",
        sample={
            "address": "192.0.2.40",
            "sysobjectid": "1.3.6.1.4.1.14988.1",
            "neighbours": [{"port": "ether1", "name": "core-1", "address": "192.0.2.1"}],
        },
    ),
    _network.fact(
        "device_status_changed",
        key="id",
        deadline_ms=1_000,
        sample={
            "id": 31,
            "old": "up",
            "new": "down",
            "since": "2030-01-31T12:00:00Z",
            "loss": 100.0,
            "rtt_ms": None,
        },
        tmf="ResourceStateChangeEvent",
        uisp="service.outage",
    ),
    _network.filter(
        "device_before_config_push",
        veto=True,
        mutable=(),
        fail_closed=True,  # a push that a broken plugin might have stopped can take a site down
        key="id",
        deadline_ms=10_000,
        sample={
            "id": 31,
            "diff": "+ /ip address add address=192.0.2.32/24",
            "requester": "maria",
            "window": {"start": "2030-01-31T12:00:00Z", "end": "2030-01-31T14:00:00Z"},
        },
    ),
    _network.fact(
        "device_config_pushed",
        key="id",
        sample={"id": 31, "diff_ref": "diffs/12", "rollback_ref": "rollbacks/12"},
        tmf="ResourceAttributeValueChangeEvent",
    ),
    _network.fact(
        "device_backup_completed",
        key="id",
        sample={
            "id": 31,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "changed": True,
        },
    ),
    _network.fact(
        "alarm_raised",
        key="id",
        sample={"id": 61, "device_id": 31, "severity": "major", "probable_cause": "loss of signal"},
        tmf="AlarmCreateEvent",
    ),
    _network.fact(
        "alarm_acknowledged",
        key="id",
        sample={"id": 61, "device_id": 31, "user": "maria"},
        tmf="AckAlarmsCreateEvent",
    ),
    _network.fact(
        "alarm_cleared",
        key="id",
        sample={"id": 61, "device_id": 31, "duration": 842.0},
        tmf="AlarmStateChangeEvent / ClearAlarmsCreateEvent",
    ),
    _network.fact(
        "outage_opened",
        key="id",
        sample={"id": 71, "root_device": 31, "services": [501, 502], "customers": 2},
        tmf="OutageCreateEvent (777)",
        uisp="service.outage",
        whmcs="NetworkIssueAdd",
    ),
    _network.fact(
        "outage_closed",
        key="id",
        sample={"id": 71, "duration": 3600.0, "affected": 2},
        tmf="OutageStateChangeEvent",
        whmcs="NetworkIssueClose",
    ),
)
