"""Rows that other rows hang on, for tests of one room."""

from datetime import UTC, datetime

from isp_plugins.db.engine import Database
from isp_plugins.db.tables.plugins import Plugin

THEN = datetime(2030, 1, 1, tzinfo=UTC)


async def add_plugin(database: Database, name: str = "mailer") -> int:
    """A registered plugin; its id."""
    async with database.transaction() as session:
        plugin = Plugin(
            name=name,
            display_name=name,
            version="1.0.0",
            plugin_type="CUSTOM",
            module_path=f"plugins.{name}",
            entry_point="Plugin",
            created_at=THEN,
            updated_at=THEN,
        )
        session.add(plugin)
        await session.flush()
        return plugin.id
