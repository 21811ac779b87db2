"""Two versions of a plugin whose packages are plain files, and what a test does with them on a bench."""

from sqlalchemy import select

from isp_plugins.db.tables import ConfigurationVersion, PluginConfiguration, PluginHook, PluginStorageItem
from isp_plugins.lifecycle.upgrading import UpgradeOrder
from isp_plugins.operations import OperationState
from support.installing import HOOK
from support.packages import SCHEMA, package

STORES = {"host_calls": ["storage"], "secrets": ["password", "secret"]}
V1 = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def welcome(self, customer):
        return {"version": 1, "greeting": self.config["greeting"]}

    def keep(self, key, value):
        self.context.set(key, value)
        return True
"""
V2 = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    calls = 0

    def initialize(self):
        self.context.set("made_by", 2)
        return True

    def migrate(self, from_version, config):
        assert from_version == "1.0.0", from_version
        return {"salutation": config["greeting"].upper(), "secret": config["password"]}

    def welcome(self, customer):
        Plugin.calls += 1
        if self.config["fails"] and Plugin.calls % 5 == 0:
            raise ValueError("one in five")
        return {"version": 2, "greeting": self.config["salutation"]}

    def health_check(self):
        failing = self.config.get("ill", False)
        check = {"name": "own", "status": "fail" if failing else "pass", "message": "as configured"}
        return {"status": "unhealthy" if failing else "healthy", "checks": [check]}
"""
SCHEMA2 = {
    "salutation": {"type": "string", "required": True},
    "secret": {"type": "string", "encrypted": True},
    "fails": {"type": "boolean", "default": False},
    "ill": {"type": "boolean", "default": False},
}


def first(folder, **more):
    described = {"source": V1, "config_schema": SCHEMA, "hooks": [HOOK], "grants": STORES} | more
    return package(folder, **described)


def second(folder, source=V2, version="2.0.0", **more):
    described = {"config_schema": SCHEMA2, "hooks": [HOOK], "grants": STORES} | more
    return package(folder, version=version, source=source, **described)


async def installed(bench, file=None):
    """Version 1, active, configured, and with something stored."""
    ended = await bench.install(
        file or first(bench.folder),
        auto_enable=True,
        accept_grants=True,
        configuration={"greeting": "hi", "password": "s3cret"},
    )
    assert ended.state is OperationState.SUCCEEDED, ended.error
    record = bench.system.directory.by_name("sample")
    await bench.system.manager.execute(record.id, "keep", ["key", {"n": [1, 2.5, None]}], bench.actor)
    return record.id


async def upgrade(bench, plugin_id, file, *, dry_run=False, allow_downgrade=False, **fields):
    order = UpgradeOrder(
        plugin_id=plugin_id,
        package=bench.order(file, **fields),
        dry_run=dry_run,
        allow_downgrade=allow_downgrade,
    )
    return await bench.ended(await bench.system.upgrader.begin(order, bench.actor))


async def rows(bench, plugin_id):
    """Everything that a snapshot holds, as the database has it."""
    async with bench.system.database.reading() as session:
        return {
            table.__tablename__: [
                dict(row)
                for row in (
                    await session.execute(
                        select(table.__table__)
                        .where(table.__table__.c.plugin_id == plugin_id)
                        .order_by(*table.__table__.primary_key.columns)
                    )
                ).mappings()
            ]
            for table in (PluginConfiguration, ConfigurationVersion, PluginStorageItem, PluginHook)
        }


async def welcome(bench):
    result = await bench.system.dispatch("customer_created", {"id": 7, "name": "Ada"})
    (one,) = result.to_dict()["subscriptions"]
    return one
