"""What stands in the chains for a plugin that is not called just now, and how many of its calls ended well.

1. Open: its subscriptions are skipped with their reason, as one that is switched off; nothing looks at a breaker while a chain runs.
2. Half-open: one call tries, the others are skipped. A try of which nothing was heard for `AGAIN_S` leaves its place to another.
3. While its worker is down, a plugin's subscriptions are skipped with that reason; events are still accepted for it, and it is their
   delivery that is skipped.
4. Ended well is what began and neither failed nor is still under way; nothing is counted for it while chains run.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.calls import CallMode
from isp_plugins.contracts.vocabulary import BreakerState, SkipReason
from isp_plugins.hooks.calls import Call, position
from isp_plugins.hooks.chain import Link
from isp_plugins.hooks.counters import LinkCounters
from isp_plugins.hooks.engine_errors import BreakerOpenError, WorkerDownError
from isp_plugins.hooks.marks import SKIPS
from isp_plugins.hooks.ticker import TICKER

AGAIN_S = 60.0
"""Longer than any call lasts: a caller that was cancelled tells neither failure nor success."""


class Trial:
    """The one try of one plugin; from any thread."""

    def __init__(self) -> None:
        self._taken_at: float | None = None
        self._lock = threading.Lock()

    def take(self) -> None:
        """Be the one that tries; `BreakerOpenError` for everybody else."""
        now = time.monotonic()
        with self._lock:
            if self._taken_at is not None and now - self._taken_at < AGAIN_S:
                raise BreakerOpenError
            self._taken_at = now


Placed = Callable[[Link], Link]
"""What stands in a chain in place of a plugin's own subscription."""


def in_place_of(state: BreakerState) -> Placed | None:
    """What stands in the chains while a plugin's breaker is in this state; None: the plugin's own."""
    if state is BreakerState.OPEN:
        return lambda link: link if link.static else link.but(static=SKIPS[SkipReason.BREAKER_OPEN])
    if state is BreakerState.HALF_OPEN:
        trial = Trial()
        return lambda link: link if link.static else _guarded(link, trial)
    return None


def in_place_of_one_down(link: Link) -> Link:
    """What stands in the chains while a plugin's worker is down."""
    if link.static:
        return link
    return link.but(call=_is_down) if link.is_event else link.but(static=SKIPS[SkipReason.WORKER_DOWN])


def _is_down(_: Any) -> None:
    """Stands in for the callable of an event subscription."""
    raise WorkerDownError


def _guarded(link: Link, trial: Trial) -> Link:
    """The same subscription, called by the one that tries alone."""
    guarded, call = link.but(), link.call
    if call is None:
        return link

    def plain(payload: Any) -> Any:
        trial.take()
        return call(payload)

    async def awaited(payload: Any) -> Any:
        trial.take()
        return await call(payload)

    guarded.call = awaited if link.mode is CallMode.ASYNC else plain
    return guarded


def ended_well(plugin_id: int, counters: Iterable[LinkCounters]) -> int:
    """How many calls into the plugin ended well so far."""
    ended = sum(mine.calls - mine.errors - mine.timeouts for mine in counters)
    return ended - sum(_under_way(call, plugin_id) for call in TICKER.running())


def _under_way(call: Call, plugin_id: int) -> int:
    """How many turns of the plugin a running dispatch has counted that have not ended; that of whoever asks has."""
    if call.finished:
        return 0
    mine = [
        index
        for index, link in enumerate(call.hook_chain.links)
        if link.subscription.plugin_id == plugin_id and link.static is None and not link.is_event
    ]
    if not mine:
        return 0
    asks = call is current_call.get()
    if asks and len(mine) == 1:  # spares the ordinary failure a look at every thread's frames
        return 0
    at = position(call) + asks
    return sum(index >= at for index in mine)
