"""What the plugin remembers: payments, and which callbacks it has handled, in its storage; so a restart forgets nothing.

Keys: `open/<payment>` until a payment's outcome is known and reported, then `settled/<payment>`; `callbacks/<day>/<event>` for what was handled.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from isp_plugin_sdk.context import AsyncPluginContext

from .callbacks import Callback
from .payloads import Id, slug
from .payments import Payment

CALLBACK_DAYS = 31
"""How long a handled callback is remembered: a gateway repeats one for three days, and by hand for some weeks."""
FORGET_AT_ONCE = 1000
"""How many settled payments one run of `forget` looks at."""


class Ledger:
    """Payments and callbacks of one plugin; every change of a payment happens inside `holding` it."""

    def __init__(self, storage: AsyncPluginContext) -> None:
        self._storage = storage
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @contextlib.asynccontextmanager
    async def holding(self, payment_id: Id) -> AsyncIterator[None]:
        """Let nobody else change this payment."""
        name = slug(payment_id)
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = (lock, users - 1)

    async def find(self, payment_id: Id) -> Payment | None:
        """What is known of a payment."""
        name = slug(payment_id)
        stored = await self._storage.get(f"settled/{name}") or await self._storage.get(f"open/{name}")
        return Payment.load(stored) if stored else None

    async def save(self, payment: Payment) -> None:
        """Remember a payment; it is durable when this returns."""
        name = slug(payment.id)
        if payment.is_done:
            await self._storage.set(f"settled/{name}", payment.dump())
            await self._storage.delete(f"open/{name}")
        else:
            await self._storage.set(f"open/{name}", payment.dump())
            await self._storage.delete(f"settled/{name}")

    async def drop(self, payment_id: Id) -> None:
        """Forget a payment of which the gateway knows nothing."""
        await self._storage.delete(f"open/{slug(payment_id)}")

    async def open_payments(self) -> list[Payment]:
        """Payments whose outcome is not known, or not reported."""
        found = [await self._storage.get(key) for key in await self._storage.list("open/")]
        return [Payment.load(stored) for stored in found if stored]

    async def was_handled(self, callback: Callback) -> bool:
        """Whether this very callback was handled before."""
        return await self._storage.get(_key(callback)) is not None

    async def handled(self, callback: Callback) -> None:
        """Never handle this callback again."""
        await self._storage.set(_key(callback), 1)

    async def forget(self, now: datetime, *, remember_days: int) -> int:
        """Drop callbacks and settled payments that are old enough; how many. Settled payments are gone through bit by bit."""
        oldest = f"callbacks/{_day(now - timedelta(days=CALLBACK_DAYS))}"
        old = [key for key in await self._storage.list("callbacks/") if key < oldest]
        old += await self._old_payments((now - timedelta(days=remember_days)).timestamp())
        for key in old:
            await self._storage.delete(key)
        return len(old)

    async def _old_payments(self, before: float) -> list[str]:
        """Keys of old settled payments among the next ones to look at."""
        keys = await self._storage.list("settled/")
        mark = await self._storage.get("forget_after", "")
        following = [key for key in keys if key > mark][:FORGET_AT_ONCE]
        await self._storage.set("forget_after", following[-1] if len(following) == FORGET_AT_ONCE else "")
        values = [(key, await self._storage.get(key)) for key in following]
        return [key for key, stored in values if stored and stored["at"] < before]


def _key(callback: Callback) -> str:
    """Where it is remembered that a callback was handled; sorted by day, so that old ones are found."""
    return f"callbacks/{_day(datetime.fromtimestamp(max(0, min(callback.created, 32503680000)), UTC))}/{callback.event_id}"


def _day(moment: datetime) -> str:
    return moment.strftime("%Y%m%d")
