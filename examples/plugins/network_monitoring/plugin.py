"""`NetworkMonitoringPlugin`: the specification's example, doing its work."""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.health import HealthReport, report

from . import tcp
from .announcing import Announcer
from .checking import check_all
from .damping import Kind, Result, State, Status
from .devices import Device, checked_id
from .errors import DeviceInvalidError, UnknownDeviceError
from .icmp import Pinger
from .monitor import Monitor
from .settings import Method, Settings
from .store import Store

SAVE_S = 10.0
"""How often states that changed are written, in seconds; a changed status at once."""
TRIED_DEVICES = 5
"""How many devices `test_connection` probes."""
_WORDS = {Kind.REACHED: "online", Kind.MISSED: "offline", Kind.UNTRIED: "unknown"}


class NetworkMonitoringPlugin(PluginInterface):
    """Watches whether devices can be reached, and tells when that changes."""

    async def initialize(self) -> bool:
        """Read the configuration and what was known before; the monitoring starts with `activate`."""
        self._tasks: list[asyncio.Task[None]] = []
        self._settings = settings = Settings.of(self.config)
        self._pinger = Pinger()
        if settings.method is Method.ICMP:
            self._pinger.check()
        self._store = store = Store(self.context.aio)
        self._monitor = Monitor(settings, self._probe, on_change=self._changed, logger=self.logger)
        self._announcer = Announcer(
            settings,
            self.context.aio,
            find=self._monitor.get,
            changed=store.changed,
            save=partial(store.flush, self._monitor.all),
            logger=self.logger,
        )
        await self._remember()
        return True

    async def activate(self) -> None:
        """Start monitoring, once the hooks are live."""
        await self.start_monitoring()

    async def cleanup(self) -> bool:
        """End all background work and write down what is known."""
        if hasattr(self, "_announcer"):
            await self.stop_monitoring()
            await self._store.flush(self._monitor.all)
            self._pinger.close()
        return self._store.problem is None if hasattr(self, "_store") else True

    async def start_monitoring(self) -> dict[str, Any]:
        """Watch the devices in the background; does nothing where that is going on already."""
        if not self._tasks:
            for key in [
                one.device.key for one in self._monitor.all if one.state.status is not one.state.reported
            ]:
                self._announcer.tell(key)
            self._tasks = [
                self._background(self._monitor.run()),
                self._background(self._announcer.run()),
                self._background(self._saving()),
            ]
            self.logger.info("Watching %d devices every %g s", len(self._monitor), self._settings.interval)
        return {"monitoring": True, "devices": len(self._monitor)}

    async def stop_monitoring(self) -> dict[str, Any]:
        """Stop watching until `start_monitoring`, a reload or a restart."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return {"monitoring": False, "devices": len(self._monitor)}

    async def check_device_status(self, device_data: dict[str, Any]) -> dict[str, Any]:
        """Monitor device status: probe one device now, by its `id` or its `address` (and `port`)."""
        watched = self._monitor.get(str(device_data.get("id")))
        if device_data.get("address"):
            device = Device.of({"id": device_data.get("id", device_data["address"]), **device_data})
        elif watched is not None:
            device = watched.device
        else:
            raise UnknownDeviceError(device=device_data.get("id"))
        result = await self._probe(device)
        answer = {
            "status": _WORDS[result.kind],
            "response_time": result.rtt_ms,
            "reason": result.reason or None,
        }
        return answer | {"watched": None if watched is None else str(watched.state.status)}

    async def check_all_devices(self) -> dict[str, Any]:
        """Probe every device now, and tell how they are."""
        await self._monitor.sweep()
        return await self.summary()

    async def summary(self) -> dict[str, Any]:
        """How many devices are up, down and unknown, and the first hundred that are down."""
        counts = Counter(str(one.state.status) for one in self._monitor.all)
        down = [one.device.id for one in self._monitor.all if one.state.status is Status.DOWN]
        return {status.value: counts[status.value] for status in Status} | {
            "devices": len(self._monitor),
            "down_ids": down[:100],
        }

    async def add_device(self, device: dict[str, Any]) -> dict[str, Any]:
        """Watch a new device: for `device_created`."""
        if not self._settings.learn_devices:
            return {"watched": False, "reason": "learn_devices is off"}
        if str(device.get("id")) in self._settings.devices:
            return {"watched": True, "reason": "it is in the configuration"}
        try:
            found = Device.of(device)
        except DeviceInvalidError as error:
            self.logger.warning("%s", error)
            return {"watched": False, "reason": str(error)}
        await self._store.learn(found)
        self._monitor.watch(found)
        return {"watched": True, "reason": None}

    async def update_device(self, device: dict[str, Any]) -> dict[str, Any]:
        """Follow a device to another address: for `device_updated`."""
        changes = device.get("changes") or {}
        if not {"address", "port", "name"} & set(changes):
            return {
                "watched": self._monitor.get(str(device.get("id"))) is not None,
                "reason": "nothing that matters here has changed",
            }
        before = self._monitor.get(str(device.get("id")))
        known: Mapping[str, Any] = before.device.dump() if before else {"id": device.get("id")}
        changed = {
            name: change.get("new") for name, change in changes.items() if name in {"address", "port", "name"}
        }
        if "address" in changed and not changed["address"]:
            return await self.remove_device(device)
        return await self.add_device({**known, **changed})

    async def remove_device(self, device: dict[str, Any]) -> dict[str, Any]:
        """Stop watching a device: for `device_removed`."""
        key = str(checked_id(device.get("id")))
        if key in self._settings.devices:
            return {"watched": True, "reason": "it is in the configuration: remove it there"}
        watched = self._monitor.forget(key)
        await self._store.forget(key)
        if watched is not None:
            await self._announcer.clear(watched)
        return {"watched": False, "reason": None if watched is not None else "it was not watched"}

    async def health_check(self) -> HealthReport:
        """Say whether the monitoring runs, and how far behind it is."""
        ended = [
            str(task.exception() or "cancelled")
            for task in self._tasks
            if task.done() and not task.cancelled()
        ]
        checks = check_all(
            self._settings,
            self._monitor,
            self._announcer,
            self._store,
            ended=ended[0] if ended else None,
            running=bool(self._tasks),
        )
        return report(*checks)

    async def test_connection(self) -> dict[str, Any]:
        """Probe the first few devices; fails where this machine cannot ask."""
        tried = [one.device for one in self._monitor.all][:TRIED_DEVICES]
        results = await asyncio.gather(*(self._probe(device) for device in tried))
        problems = [result.reason for result in results if result.kind is Kind.UNTRIED]
        if problems:
            return {"ok": False, "message": f"Devices cannot be probed: {problems[0]}"}
        answering = sum(result.kind is Kind.REACHED for result in results)
        message = (
            f"{answering} of the first {len(tried)} devices answer"
            if tried
            else "Devices can be probed; none is configured or learned yet"
        )
        return {"ok": True, "message": message}

    async def _probe(self, device: Device) -> Result:
        """Ask one device, once."""
        settings = self._settings
        port = device.port or (settings.tcp_port if settings.method is Method.TCP else None)
        if port is None:
            return await self._pinger.probe(device.address, timeout=settings.timeout)
        return await tcp.probe(
            device.address, port, timeout=settings.timeout, refused_is_up=settings.refused_is_up
        )

    async def _remember(self) -> None:
        """Take up the devices of the configuration and the learned ones, with what was known of them."""
        learned, states = await self._store.load()
        kept = learned if self._settings.learn_devices else {}
        for key, device in {**kept, **self._settings.devices}.items():
            self._monitor.watch(device, states.pop(key, State()))
        for key in states:
            self._store.changed(key)

    def _changed(self, key: str) -> None:
        """A device's status has changed."""
        self._announcer.tell(key)

    async def _saving(self) -> None:
        """Write what has changed, now and then."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self._store.flush(self._monitor.all)

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that outlives the call which started it, and belongs to none."""
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say so where background work ended by itself."""
        if not task.cancelled() and task.exception() is not None:
            self.logger.error("The monitoring ended", exc_info=task.exception())
