"""Tells the ISP's other software of changed devices, by dispatching the catalogue's hooks.

1. The new status is written down before it is told, and that it was told afterwards: a restart in between tells it again, never not at all.
2. Changes of one device are told in order, and only the last where several came meanwhile; different devices do not wait for each other.
3. A dispatch that fails is tried again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from isp_plugin_sdk.context import AsyncPluginContext

from .damping import Status
from .monitor import Watched
from .settings import Settings

AT_ONCE = 8
"""Dispatches under way, at most."""
AGAIN_S = 5.0
"""How long to wait after dispatches that failed."""


class Announcer:
    """A queue of devices whose status was not told yet, and the task that empties it."""

    def __init__(
        self,
        settings: Settings,
        host: AsyncPluginContext,
        *,
        find: Callable[[str], Watched | None],
        changed: Callable[[str], None],
        save: Callable[[], Awaitable[None]],
        logger: logging.Logger,
    ) -> None:
        self._settings = settings
        self._host = host
        self._find = find
        self._changed = changed
        self._save = save
        self._logger = logger
        self._waiting: dict[str, None] = {}
        self._awake = asyncio.Event()
        self.told = 0
        """Changes told since the start."""
        self.problem: str | None = None
        """Why the last dispatch failed, if it did."""

    def tell(self, key: str) -> None:
        """Tell of a device soon."""
        self._waiting[key] = None
        self._awake.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            for key in self._waiting:
                self._changed(key)
            await self._save()
            await self._tell_all()

    async def clear(self, watched: Watched) -> None:
        """Clear the alarm of a device that is not watched any more."""
        if watched.state.alarm is not None:
            await self._host.dispatch("alarm_cleared", _cleared(watched, datetime.now(UTC).timestamp()))

    async def _tell_all(self) -> None:
        """Work off the queue, several at once; what fails comes back later."""
        failed: list[str] = []

        async def work() -> None:
            while self._waiting:
                key = next(iter(self._waiting))
                del self._waiting[key]
                if not await self._tell(key):
                    failed.append(key)

        await asyncio.gather(*(work() for _ in range(min(AT_ONCE, len(self._waiting)))))
        if failed:
            await asyncio.sleep(AGAIN_S)
            for key in failed:
                self.tell(key)

    async def _tell(self, key: str) -> bool:
        """Tell of one device; whether that worked."""
        watched = self._find(key)
        if watched is None:
            return True
        try:
            await self._tell_status(watched)
            if self._settings.alarms:
                await self._tell_alarm(watched)
        except Exception as error:  # whatever the host could not do, it is tried again
            self.problem = f"{type(error).__name__}: {error}"
            self._logger.warning(
                "The change of device %s could not be told: %s", watched.device.label, self.problem
            )
            return False
        finally:
            self._changed(key)
        self.problem = None
        return True

    async def _tell_status(self, watched: Watched) -> None:
        """Dispatch `device_status_changed`, unless there is nothing to say."""
        state = watched.state
        if state.status is state.reported:
            return
        first_up = state.reported is Status.UNKNOWN and state.status is Status.UP
        if not first_up or self._settings.announce_first_up:
            await self._host.dispatch("device_status_changed", _payload(watched))
            self.told += 1
            self._logger.info("Device %s: %s, was %s", watched.device.label, state.status, state.reported)
        watched.state = replace(watched.state, reported=state.status)

    async def _tell_alarm(self, watched: Watched) -> None:
        """Raise or clear the device's alarm."""
        state = watched.state
        if state.reported is Status.DOWN and state.alarm is None:
            alarm = f"network_monitoring/{watched.device.key}/{int(state.since)}"
            cause = {"severity": self._settings.alarm_severity, "probable_cause": "unreachable"}
            await self._host.dispatch("alarm_raised", {"id": alarm, "device_id": watched.device.id} | cause)
            watched.state = replace(watched.state, alarm=alarm)
        elif state.reported is Status.UP and state.alarm is not None:
            await self._host.dispatch("alarm_cleared", _cleared(watched, state.since))
            watched.state = replace(watched.state, alarm=None)


def _payload(watched: Watched) -> dict[str, Any]:
    """The payload of `device_status_changed`."""
    state = watched.state
    return {
        "id": watched.device.id,
        "old": str(state.reported),
        "new": str(state.status),
        "since": datetime.fromtimestamp(state.since, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "loss": state.loss,
        "rtt_ms": state.rtt_ms,
    }


def _cleared(watched: Watched, at: float) -> dict[str, Any]:
    """The payload of `alarm_cleared`; when the alarm began is in its id."""
    alarm = str(watched.state.alarm)
    began = float(alarm.rpartition("/")[2])
    return {"id": alarm, "device_id": watched.device.id, "duration": round(max(0.0, at - began), 3)}
