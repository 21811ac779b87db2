"""The plugins that run on this node, each with what it was started with."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from isp_plugin_sdk.context import HostCalls
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.runtime import RunningPlugin
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.runtime.probes import Probe


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a plugin is started with beside its description."""

    schema: ConfigSchema
    config: Mapping[str, Any] = field(repr=False)
    """Complete, decrypted, defaults filled in."""
    secrets: frozenset[str] = field(repr=False)
    """Texts to mask wherever the plugin could repeat them."""
    secret_keys: frozenset[str] = frozenset()
    """Keys whose values are secret."""
    host: HostCalls | None = field(default=None, repr=False)
    """By what it asks the host, where that is not the ordinary way."""


@dataclass(slots=True, eq=False)
class Instance:
    """One started plugin."""

    record: PluginRecord
    """Its description when it was started."""
    running: RunningPlugin
    equipment: Equipment
    started: float
    """Seconds of the clock's monotonic time."""
    probe: Probe
    subscriptions: tuple[Subscription, ...] = ()
    token: int | None = None
    """Of the lease under which it was started; None: under none."""
    _calls: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def called(self) -> AsyncIterator[RunningPlugin]:
        """Count a call that no hook makes, so that a disable or reload waits for it."""
        self._calls += 1
        self._idle.clear()
        try:
            yield self.running
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def idle(self, limit_s: float) -> None:
        """Wait for the calls under way, at most so many seconds."""
        if not self._calls:
            return
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            return
