"""A hook engine over a real event log: subscriptions of plain functions, on either database."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

from isp_plugins.actors import HOST
from isp_plugins.audit import AuditLog
from isp_plugins.clock import SystemClock
from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.hooks import Retry
from isp_plugins.contracts.vocabulary import BindingStatus
from isp_plugins.db.engine import Database
from isp_plugins.events import DurableEvents
from isp_plugins.events.operating import EventOperator
from isp_plugins.events.reading import EventReader
from isp_plugins.hooks.engine import HookEngine
from isp_plugins.hooks.records import HookDraft
from isp_plugins.hooks.store import HookStore, subscriptions_of
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.storage import PluginStorage
from support.hooks import Notes, own_specs
from support.rows import add_plugin
from support.waiting import until

HOOK = "customer_created"
QUICK = Retry(min_s=0.01, max_s=0.02, attempts=3)


class Post:
    """One node: an engine, its events, and what plugins were called with."""

    def __init__(self, database, keyring, *, node="local", **options):
        self.database = database
        self.events = DurableEvents(database, node=node, **options)
        self.engine = HookEngine(
            threads=DaemonThreads(16), events=self.events, observer=Notes(), specs=own_specs
        )
        self.engine.on_change = self.events.changed
        self.store = HookStore(clock=SystemClock())
        self.reader = EventReader(database)
        self.operator = EventOperator(
            database, AuditLog(database, keyring, node=node, clock=SystemClock()), self.events
        )
        self.storage = PluginStorage(database, clock=SystemClock())
        self.calls = {}
        """Plugins by id: their subscriptions."""

    async def open(self):
        await self.events.open(self.engine)

    async def close(self):
        await self.events.close()

    async def subscribe(self, plugin_id, call, *, hook=HOOK, retry=QUICK, **fields):
        """An event subscription of a function; its id."""
        method = fields.pop("callback_method", f"on_{hook}")
        draft = HookDraft(
            hook_name=hook, hook_type="event", callback_method=method, retry=_plain(retry), **fields
        )
        async with self.database.transaction() as session:
            view = await self.store.create(session, plugin_id, draft)
        self.bind(plugin_id, view, call)
        return view.id

    def bind(self, plugin_id, view, call):
        """Let the engine call it; None: its plugin does not run."""
        (one,) = subscriptions_of([view], plugin_name=f"plugin{plugin_id}")
        mode = CallMode.ASYNC if asyncio.iscoroutinefunction(call) else CallMode.THREAD
        made = replace(one, callee=Callee(call, mode) if call else None, binding=BindingStatus.VALID)
        mine = self.calls.setdefault(plugin_id, {})
        mine[view.id] = made
        self.engine.subscribe(plugin_id, tuple(mine.values()))

    async def stop(self, plugin_id):
        """The plugin is disabled."""
        await self.engine.unsubscribe(plugin_id, drain_timeout=5)

    def start(self, plugin_id):
        """The plugin is enabled again."""
        self.engine.subscribe(plugin_id, tuple(self.calls[plugin_id].values()))

    async def lag(self, subscription_id):
        return next(lag for lag in await self.reader.lag() if lag.subscription_id == subscription_id)

    async def settled(self, *, within=60.0):
        """Wait until nothing waits and nothing is retried."""

        async def nothing():
            return all(not (one.waiting or one.retrying or one.held_back) for one in await self.reader.lag())

        await until(nothing, within=within)


def _plain(retry):
    return None if retry is None else {"min_s": retry.min_s, "max_s": retry.max_s, "attempts": retry.attempts}


@asynccontextmanager
async def post_office(database, keyring, **options):
    """A node with one plugin."""
    post = Post(database, keyring, **options)
    await post.open()
    post.plugin = await add_plugin(database)
    try:
        yield post
    finally:
        await post.close()


class Inbox:
    """What a plugin has seen, with the context of each call."""

    def __init__(self):
        self.seen = []
        self.contexts = []

    async def take(self, payload):
        from isp_plugin_sdk.context import current_call

        self.contexts.append(dict(current_call.get().context))
        self.seen.append(payload)

    @property
    def numbers(self):
        return [payload["n"] for payload in self.seen]


__all__ = ["HOOK", "HOST", "QUICK", "Database", "Inbox", "Post", "post_office", "time", "until"]
