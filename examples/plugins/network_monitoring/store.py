"""What must survive a restart, in the plugin's storage: learned devices, and each device's status; never a write a probe.

Keys: `devices/<bucket>` and `states/<bucket>`, each an object by device; 64 buckets keep every value small and a change to one write.
"""

import asyncio
import zlib
from collections.abc import Iterable
from typing import Any

from isp_plugin_sdk.context import AsyncPluginContext

from .damping import State, Status
from .devices import Device
from .monitor import Watched

BUCKETS = 64


class Store:
    """Devices and states of one plugin."""

    def __init__(self, storage: AsyncPluginContext) -> None:
        self._storage = storage
        self._learned: dict[str, Device] = {}
        self._dirty: set[int] = set()
        self._lock = asyncio.Lock()
        self.problem: str | None = None
        """Why the last write failed, if it did."""

    async def load(self) -> tuple[dict[str, Device], dict[str, State]]:
        """The learned devices, and every state that is known."""
        devices = {key: Device.of(stored) for key, stored in (await self._all("devices/")).items()}
        self._learned = devices
        return dict(devices), {
            key: State.load(stored) for key, stored in (await self._all("states/")).items()
        }

    async def learn(self, device: Device) -> None:
        """Remember a device; durable when this returns."""
        async with self._lock:
            self._learned[device.key] = device
            await self._write_devices(_bucket(device.key))

    async def forget(self, key: str) -> bool:
        """Forget a learned device; whether there was one."""
        async with self._lock:
            self._dirty.add(_bucket(key))
            if self._learned.pop(key, None) is None:
                return False
            await self._write_devices(_bucket(key))
            return True

    def changed(self, key: str) -> None:
        """A device's state must be written with the next `flush`."""
        self._dirty.add(_bucket(key))

    async def flush(self, watched: Iterable[Watched]) -> None:
        """Write the states that changed; an error leaves them to the next time, and is kept as `problem`."""
        async with self._lock:
            dirty, self._dirty = self._dirty, set()
            if not dirty:
                return
            values: dict[int, dict[str, Any]] = {bucket: {} for bucket in dirty}
            for one in watched:
                bucket = _bucket(one.device.key)
                if bucket in dirty and one.state.status is not Status.UNKNOWN:
                    values[bucket][one.device.key] = one.state.dump()
            try:
                for bucket in sorted(dirty):
                    await self._write("states", bucket, values[bucket])
                    dirty.discard(bucket)
            except Exception as error:  # whatever storage could not do, watching goes on
                self.problem = f"{type(error).__name__}: {error}"
            else:
                self.problem = None
            finally:
                self._dirty |= dirty

    async def _all(self, prefix: str) -> dict[str, Any]:
        """Everything in the buckets of one kind."""
        found: dict[str, Any] = {}
        for key in await self._storage.list(prefix):
            found |= await self._storage.get(key, {})
        return found

    async def _write_devices(self, bucket: int) -> None:
        values = {key: device.dump() for key, device in self._learned.items() if _bucket(key) == bucket}
        await self._write("devices", bucket, values)

    async def _write(self, kind: str, bucket: int, values: dict[str, Any]) -> None:
        key = f"{kind}/{bucket:02x}"
        if values:
            await self._storage.set(key, values)
        else:
            await self._storage.delete(key)


def _bucket(key: str) -> int:
    return zlib.crc32(key.encode()) % BUCKETS
