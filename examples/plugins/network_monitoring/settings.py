"""The plugin's configuration as a value, with the rules that a schema cannot tell: devices have ids of their own, and sockets suffice."""

import resource
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .damping import Rules
from .devices import Device
from .errors import DeviceInvalidError, SettingsError

SPARE_FILES = 256
"""File descriptors that are left to the host and its other plugins."""


class Method(Enum):
    """How a device without a port of its own is probed."""

    ICMP = "icmp"
    """An echo request."""
    TCP = "tcp"
    """A connection to `tcp_port`."""


@dataclass(frozen=True)
class Settings:
    """Everything an operator can set; times in seconds."""

    interval: float
    recheck_interval: float
    timeout: float
    concurrency: int
    method: Method
    tcp_port: int
    refused_is_up: bool
    rules: Rules
    announce_first_up: bool
    alarms: bool
    alarm_severity: str
    learn_devices: bool
    devices: Mapping[str, Device]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Settings":
        """Read a complete configuration; `SettingsError` with every device that cannot be watched."""
        return cls(
            interval=float(config.get("interval", 60)),
            recheck_interval=min(float(config.get("recheck_interval", 5)), float(config.get("interval", 60))),
            timeout=float(config.get("timeout", 2)),
            concurrency=min(int(config.get("concurrency", 256)), _sockets()),
            method=Method(config.get("method", "icmp")),
            tcp_port=int(config.get("tcp_port", 22)),
            refused_is_up=config.get("refused_counts_as", "down") == "up",
            rules=Rules(
                failures_down=int(config.get("failures_down", 3)),
                successes_up=int(config.get("successes_up", 2)),
                hold_seconds=float(config.get("hold_seconds", 30)),
            ),
            announce_first_up=bool(config.get("announce_first_up", False)),
            alarms=bool(config.get("alarms", False)),
            alarm_severity=config.get("alarm_severity", "major"),
            learn_devices=bool(config.get("learn_devices", True)),
            devices=_devices(config.get("devices", [])),
        )


def _devices(given: list[Mapping[str, Any]]) -> dict[str, Device]:
    """The devices by their key."""
    found: dict[str, Device] = {}
    mistakes: list[str] = []
    for one in given:
        try:
            device = Device.of(one)
        except DeviceInvalidError as error:
            mistakes.append(str(error))
            continue
        if device.key in found:
            mistakes.append(f"the id {device.key} is there twice")
        found[device.key] = device
    if mistakes:
        raise SettingsError(problem="devices: " + "; ".join(mistakes[:20]))
    return found


def _sockets() -> int:
    """How many sockets this process may have for probes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if soft == resource.RLIM_INFINITY else max(1, soft - SPARE_FILES)
