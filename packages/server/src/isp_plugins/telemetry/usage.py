"""What is kept, was lost and was deleted of each plugin's log, as it is counted beside the records."""

from dataclasses import dataclass, fields

from sqlalchemy import select

from isp_plugins.db.engine import Database
from isp_plugins.db.tables.logs import PluginLogTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginUsage:
    """The counts of one plugin's log, since its first record."""

    plugin_id: int
    plugin_name: str
    records: int
    """How many are kept now."""
    bytes: int
    """What they hold, about."""
    written: int
    """How many were ever stored."""
    dropped: int
    """How many were lost before they could be stored."""
    deleted_by_age: int
    deleted_by_size: int


async def read_usage(database: Database) -> list[PluginUsage]:
    """Every plugin that ever logged, in the order of ids."""
    async with database.reading() as session:
        rows = await session.scalars(select(PluginLogTotals).order_by(PluginLogTotals.plugin_id))
        return [
            PluginUsage(**{field.name: getattr(row, field.name) for field in fields(PluginUsage)})
            for row in rows
        ]
