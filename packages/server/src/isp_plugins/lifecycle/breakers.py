"""Keeps every plugin's circuit breaker: hears of failed calls from any thread, and has the engine skip or try the plugin.

1. A breaker opens in the thread of the call that was one too many: the next dispatch skips the plugin already.
2. What the host itself got wrong (a reload that a call could not wait for, no event loop) is not held against the plugin.
3. A new instance, or a new configuration, begins with a closed breaker; so does a new host.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from isp_plugins.clock import Clock
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import BreakerState
from isp_plugins.hooks.engine_errors import LoopThreadError, NoLoopError, ReloadingError
from isp_plugins.lifecycle.views import BreakerView
from isp_plugins.runtime.breaker import Breaker, BreakerLimits
from isp_plugins.telemetry.tracebacks import words_of

_HOSTS_OWN = (LoopThreadError, NoLoopError, ReloadingError)
_QUIET_PREFIX = "plugin_"
MAX_CAUSE = 500
"""Characters of an error that are kept as the cause."""
MAX_MASKED = 4000
"""Characters of an error that are masked before it is cut, so that no half of a secret is left."""


class Switchboard(Protocol):
    """What breakers ask of the hook engine."""

    def switch(self, plugin_id: int, state: BreakerState) -> None:
        """From the next dispatch on, call the plugin, skip it, or let one call try."""
        ...

    def successes(self, plugin_id: int) -> int:
        """How many calls into the plugin have ended well so far."""
        ...


Changed = Callable[[int, Breaker], None]
"""Told on the loop's thread of a breaker that came into another state."""


class Breakers:
    """The breakers of this node, by plugin; `failed` may be called from any thread, the rest on the loop's."""

    def __init__(
        self,
        switchboard: Switchboard,
        *,
        clock: Clock,
        limits: BreakerLimits,
        mask: Callable[[int, str], str],
    ) -> None:
        self.on_change: Changed = lambda _plugin_id, _breaker: None
        self._switchboard = switchboard
        self._clock = clock
        self._limits = limits
        self._mask = mask
        self._breakers: dict[int, Breaker] = {}
        self._since: dict[int, datetime] = {}
        self._quiet: set[int] = set()
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()

    def failed(self, subscription: Subscription, error: BaseException) -> None:
        """A call raised, was too late, or returned what its hook refuses."""
        if isinstance(error, _HOSTS_OWN):
            return
        plugin_id = subscription.plugin_id
        with self._lock:
            before = self._breakers.get(plugin_id, Breaker())
            if before.state is BreakerState.OPEN:
                return
            successes = self._switchboard.successes(plugin_id)
            after = before.failed(self._clock.monotonic(), successes, self._limits)
            if after.state is BreakerState.OPEN:
                after = replace(after, cause=self._cause(subscription, error))
            if before.state is BreakerState.CLOSED and subscription.hook.startswith(_QUIET_PREFIX):
                self._quiet.add(plugin_id)
            elif before.state is BreakerState.CLOSED:
                self._quiet.discard(plugin_id)
            self._take(plugin_id, before, after)
        if after.state is not before.state:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it the host
                self._loop.call_soon_threadsafe(self._tell, plugin_id, after)

    def tick(self) -> None:
        """Let those try whose pause is over, and close those whose try went well."""
        with self._lock:
            moved = [plugin_id for plugin_id in tuple(self._breakers) if self._look(plugin_id)]
        for plugin_id in moved:
            self._tell(plugin_id, self._breakers.get(plugin_id, Breaker()))

    def reset(self, plugin_id: int) -> None:
        """Begin anew, closed."""
        with self._lock:
            before = self._breakers.pop(plugin_id, Breaker())
            self._since.pop(plugin_id, None)
            self._quiet.discard(plugin_id)
            if before.state is not BreakerState.CLOSED:
                self._switchboard.switch(plugin_id, BreakerState.CLOSED)
        if before.state is not BreakerState.CLOSED:
            self._tell(plugin_id, Breaker())

    def is_quiet(self, plugin_id: int) -> bool:
        """Whether its breaker opened inside a `plugin_*` hook, which is not announced."""
        return plugin_id in self._quiet

    def view(self, plugin_id: int) -> BreakerView:
        """A plugin's breaker, as it is shown."""
        with self._lock:
            breaker = self._breakers.get(plugin_id, Breaker())
            since = self._since.get(plugin_id)
        retry_at = None
        if breaker.state is BreakerState.OPEN:
            left = max(0.0, breaker.ends(self._limits) - self._clock.monotonic())
            retry_at = self._clock.now() + timedelta(seconds=left)
        return BreakerView(breaker.state, since, breaker.cause, breaker.failures, retry_at)

    def _cause(self, subscription: Subscription, error: BaseException) -> str:
        """Which call it was and what it raised, masked, then cut."""
        words = self._mask(subscription.plugin_id, words_of(error)[:MAX_MASKED])[:MAX_CAUSE]
        return f"{subscription.hook} -> {subscription.method} failed: {words}"

    def _look(self, plugin_id: int) -> bool:
        """Move one on in time; whether it came into another state."""
        before = self._breakers[plugin_id]
        if before.state is BreakerState.CLOSED:
            return False
        successes = self._switchboard.successes(plugin_id)
        after = before.looked_at(self._clock.monotonic(), successes, self._limits)
        return self._take(plugin_id, before, after)

    def _take(self, plugin_id: int, before: Breaker, after: Breaker) -> bool:
        self._breakers[plugin_id] = after
        if after.state is before.state:
            return False
        self._since[plugin_id] = self._clock.now()
        self._switchboard.switch(plugin_id, after.state)
        return True

    def _tell(self, plugin_id: int, breaker: Breaker) -> None:
        self.on_change(plugin_id, breaker)
