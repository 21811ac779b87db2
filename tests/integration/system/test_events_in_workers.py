"""What events bring reaches a plugin in a worker as it does in process: once, RetryLater, attempts, keys, schedules."""

import pytest

from isp_plugins.actors import Actor, ActorType
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.migrated import migrated
from support.waiting import until

ADA = Actor(ActorType.API_KEY, "1", "ada")
SOURCE = """
from isp_plugin_sdk import RetryLater, event, schedule
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    @event("invoice_paid")
    def book(self, invoice):
        if self.context.attempt == 1:
            raise RetryLater(0.05, "the ledger is locked")
        with self.context.once() as first:
            if first:
                self.context.set("booked", self.context.get("booked", 0) + 1)
        with self.context.once(self.context.idempotency_key) as again:
            self.context.set("again", again)

    @event("invoice_issued")
    async def note(self, invoice):
        async with self.context.aio.once("note") as first:
            if first:
                await self.context.aio.set("noted", invoice["id"])

    @schedule("0 3 * * *")
    def tidy(self, slot):
        self.context.set("tidied", slot)

    def stored(self):
        return {key: self.context.get(key) for key in self.context.list()}
"""


@pytest.fixture(params=["in_process", "process"])
async def plugin(request, tmp_path):
    """A system with an active plugin, in either runtime: (system, id)."""
    folder = tmp_path / "data" / "plugins"
    folder.mkdir(parents=True)
    (folder / "booker.py").write_text(SOURCE)
    settings = Settings(data_dir=migrated(tmp_path / "data"), worker_handshake_timeout=60.0)
    async with PluginSystem.open(settings) as system:
        draft = PluginDraft.of(
            {
                "name": "booker",
                "version": "1.0.0",
                "plugin_type": "BILLING",
                "module_path": "plugins.booker",
                "entry_point": "Plugin",
                "runtime": request.param,
            }
        )
        record = await system.manager.register(draft, ADA)
        await system.manager.enable(record.id, ADA)
        yield system, record.id


async def stored(system, plugin_id):
    return (await system.manager.execute(plugin_id, "stored", {}, ADA)).value


async def test_later_attempt_does_its_work_once(plugin):
    system, plugin_id = plugin
    await system.dispatch("invoice_paid", {"id": 17})
    await until(lambda: system.events.delivered == 1)
    assert await stored(system, plugin_id) == {"booked": 1}
    assert system.events.dead == 0


async def test_awaited_once_keeps_what_belongs_to_it(plugin):
    system, plugin_id = plugin
    for number in (1, 2):
        await system.dispatch("invoice_issued", {"id": number})
    await until(lambda: system.events.delivered == 2)
    assert (await stored(system, plugin_id))["noted"] in {1, 2}  # their order is nobody's: they have no key


async def test_schedule_is_known_and_runs_its_method(plugin):
    system, plugin_id = plugin
    (one,) = system.manager.scheduled()
    assert (one.method, one.cron) == ("tidy", "0 3 * * *")
    await system.manager.run_scheduled(one, {"slot_id": "s"})
    assert await stored(system, plugin_id) == {"tidied": {"slot_id": "s"}}
