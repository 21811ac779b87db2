"""Random secrets, random mistakes: no secret is ever shown, and what was saved comes back."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isp_plugins.actors import SYSTEM
from isp_plugins.configuration import ConfigChange, ConfigSchema, ConfigurationService, SetValue
from isp_plugins.db.engine import Database
from isp_plugins.errors import PluginSystemError
from isp_plugins.keyring import KeyRing, new_key
from isp_plugins.testing import FakeClock
from support.rows import add_plugin

SCHEMA = ConfigSchema.of(
    {
        "token": {"type": "string", "encrypted": True, "minLength": 8, "pattern": "^[a-z0-9]*$"},
        "login": {
            "type": "object",
            "properties": {"user": {"type": "string"}, "password": {"type": "string", "encrypted": True}},
        },
        "port": {"type": "integer"},
    }
)
secrets = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=10, max_size=24)
ports = st.integers(0, 9) | st.text("xyz", max_size=3)


@pytest.fixture
def in_database(sqlite_url):
    """Runs one example on a plugin of its own (hypothesis has no asynchronous examples)."""

    def run(example):
        async def work():
            database = await Database.open(sqlite_url)
            try:
                await example(database, await add_plugin(database, f"p{new_key()}"))
            finally:
                await database.close()

        asyncio.run(work())

    return run


async def save(service, database, plugin_id, change):
    candidate = await service.plan(plugin_id, SCHEMA, change)
    async with database.transaction() as session:
        await service.save(session, candidate, SYSTEM)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=secrets, wrong=secrets, password=secrets, port=ports, unknown=secrets)
def test_no_secret_is_in_an_entry_a_version_or_an_error(in_database, token, wrong, password, port, unknown):
    async def example(database, plugin_id):
        service = ConfigurationService(database, KeyRing.parse(new_key()), clock=FakeClock())
        await save(service, database, plugin_id, ConfigChange(set={"token": SetValue(token)}))
        shown = []
        values = {
            "token": SetValue(wrong.upper()),
            "login": SetValue({"password": password, unknown: 1}),
            "port": SetValue(port),
        }
        try:
            await save(service, database, plugin_id, ConfigChange(set=values))
        except PluginSystemError as error:
            shown += [str(error), error.details, repr(error)]
        lost = ConfigurationService(database, KeyRing.parse(new_key()), clock=FakeClock())
        try:
            await lost.resolved(plugin_id, SCHEMA)
        except PluginSystemError as error:
            shown += [str(error), error.details]
        shown += [
            await service.entries(plugin_id, SCHEMA),
            await service.versions(plugin_id, SCHEMA),
            await service.versions(plugin_id),
        ]
        for secret in (token, wrong, wrong.upper(), password, unknown):
            assert secret not in repr(shown)

    in_database(example)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(st.tuples(secrets, st.integers(0, 9)), min_size=1, max_size=4),
    rotations=st.integers(0, 2),
    data=st.data(),
)
def test_rotations_and_rollbacks_give_back_what_was_saved(in_database, history, rotations, data):
    target = data.draw(st.integers(1, len(history)))

    async def example(database, plugin_id):
        keys = [new_key()]
        saved = {}
        for token, port in history:
            service = ConfigurationService(database, KeyRing.parse(",".join(keys)), clock=FakeClock())
            await save(
                service,
                database,
                plugin_id,
                ConfigChange(set={"token": SetValue(token), "port": SetValue(port)}),
            )
            saved[(await service.versions(plugin_id))[0].version] = {"token": token, "port": port}
        for _ in range(rotations):
            keys.insert(0, new_key())
            service = ConfigurationService(database, KeyRing.parse(",".join(keys)), clock=FakeClock())
            async with database.transaction() as session:
                await service.rotate(session)
        service = ConfigurationService(database, KeyRing.parse(keys[0]), clock=FakeClock())
        wanted = min(target, max(saved))
        await save(service, database, plugin_id, ConfigChange(rollback_to=wanted))
        assert await service.resolved(plugin_id, SCHEMA) == saved[wanted]

    in_database(example)
