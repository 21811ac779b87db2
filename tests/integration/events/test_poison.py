"""An event that kills its host, or its worker, at each attempt ends as a dead letter: an attempt that was cut off counts.

1. What was under way beside it loses that one attempt at most: it is tried alone from then on.
"""

import asyncio
import signal
from contextlib import asynccontextmanager
from pathlib import Path

from isp_plugins import PluginSystem, Settings
from isp_plugins.actors import HOST
from isp_plugins.contracts.hooks import Retry
from isp_plugins.contracts.vocabulary import DeliveryStatus
from isp_plugins.db.engine import Database
from isp_plugins.events.views import EventFilters
from isp_plugins.lifecycle.records import PluginDraft
from support.events import HOOK, Post
from support.forked import AsyncForked
from support.migrated import migrated
from support.rows import add_plugin
from support.waiting import until

TESTS = Path(__file__).parents[2]
THREE = Retry(min_s=0.01, max_s=0.02, attempts=3)


async def _life(*words):
    child = await AsyncForked.start("support.poison_child", *words)
    try:
        async with asyncio.timeout(120):
            return await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


@asynccontextmanager
async def _host(url, keyring):
    """A host in this process, while no other is on the database."""
    database = await Database.open(url)
    post = Post(database, keyring)
    try:
        yield post
    finally:
        await post.close()
        await database.close()


async def test_event_that_kills_its_host_is_a_dead_letter_in_the_end(database_url, keyring, tmp_path):
    async with _host(database_url, keyring) as post:
        plugin = await add_plugin(post.database)
        subscription = await post.subscribe(plugin, None, retry=THREE)
        for number in range(4):
            await post.engine.dispatch(HOOK, {"id": number % 2, "n": number})
    effects = tmp_path / "effects"
    lives = [await _life(database_url, str(tmp_path / "attempts"), str(effects)) for _ in range(4)]
    assert lives == [-signal.SIGKILL] * 3 + [0]
    taken = seen(effects)
    assert [attempt for number, attempt in taken if number == 1] == [1, 2, 3]
    assert numbers(effects) == {0, 1, 2, 3}
    assert not any(number == 3 for number, _ in taken[: taken.index((1, 3))]), "its key was held back"
    async with _host(database_url, keyring) as post:
        found = await post.reader.deliveries(EventFilters(status=DeliveryStatus.DEAD))
    (dead,) = found.items
    assert (dead.subscription_id, dead.attempts) == (subscription, 3)
    assert "was killed or crashed during this attempt" in dead.error


POISONED = """
import os
import signal

from app.services.plugin_service import PluginInterface, event


class Poisoned(PluginInterface):
    def initialize(self):
        return True

    @event("customer_created", retry={{"min_s": 0.01, "max_s": 0.02, "attempts": 3}})
    def take(self, customer):
        self.note({effects!r}, customer)
        if customer["n"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    @event("customer_created", retry={{"min_s": 0.01, "max_s": 0.02, "attempts": 3}})
    def watch(self, customer):
        self.note({effects!r} + ".watched", customer)

    def note(self, path, customer):
        with open(path, "a") as file:
            file.write(f"{{customer['n']}} {{self.context.attempt}}\\n")
"""


async def test_event_that_kills_its_worker_is_a_dead_letter_in_the_end(tmp_path):
    plugins, effects, watched = (
        tmp_path / "data" / "plugins",
        tmp_path / "effects",
        tmp_path / "effects.watched",
    )
    plugins.mkdir(parents=True)
    (plugins / "poisoned.py").write_text(POISONED.format(effects=str(effects)))
    patient = {
        "worker_handshake_timeout": 60.0,
        "load_timeout": 60.0,
        "breaker_pause": 0.1,
        "recovery_backoff_min": 0.05,
    }
    settings = Settings(data_dir=migrated(tmp_path / "data"), sandbox="off", restart_limit=1000, **patient)
    async with PluginSystem.open(settings) as system:
        draft = {
            "name": "poisoned", "version": "1.0.0", "plugin_type": "CUSTOM", "module_path": "plugins.poisoned",
            "entry_point": "Poisoned", "runtime": "process",
        }  # fmt: skip
        plugin = await system.manager.register(PluginDraft.of(draft), HOST)
        await system.manager.enable(plugin.id, HOST)
        for number in range(4):
            await system.dispatch(HOOK, {"id": number % 2, "n": number})

        await until(lambda: numbers(effects) == numbers(watched) == {0, 1, 2, 3}, within=100)
        assert [attempt for number, attempt in seen(effects) if number == 1] == [1, 2, 3]
        innocent = [attempt for number, attempt in seen(effects) if number != 1] + [
            attempt for _, attempt in seen(watched)
        ]
        assert max(innocent) <= 2, "the worker died under one of them twice"
        assert system.events.dead == 1


def seen(file):
    lines = file.read_text().splitlines() if file.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def numbers(file):
    return {number for number, _ in seen(file)}
