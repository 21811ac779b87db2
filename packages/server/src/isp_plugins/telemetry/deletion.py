"""Deletes a batch of log records and counts it, in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BindParameter, Select, Update, bindparam, case, delete, func, select, union_all, update

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.engine import Database
from isp_plugins.db.tables.logs import PluginLog, PluginLogTotals
from isp_plugins.telemetry.buffer import ROW_BYTES

TEXT_BYTES = func.length(PluginLog.message) + func.length(func.coalesce(PluginLog.traceback, ""))
NEWEST = select(func.max(PluginLog.id)).scalar_subquery()


class DeletedBecause(StrEnum):
    """Why records were deleted."""

    AGE = "age"
    SIZE = "size"


async def delete_older(database: Database, before: datetime, most: int) -> int:
    """Delete at most so many records from before a moment, the oldest first; returns how many."""
    oldest = (
        select(PluginLog.id)
        .where(PluginLog.at < before, PluginLog.id < NEWEST)
        .order_by(PluginLog.at)
        .limit(most)
    )
    return await _delete(database, oldest, DeletedBecause.AGE)


async def delete_oldest(database: Database, plugin_id: int, most: int) -> int:
    """Delete at most so many of a plugin's records, the oldest first; returns how many."""
    branches = []
    for level in LogLevel:
        oldest = select(PluginLog.at, PluginLog.id).where(
            PluginLog.plugin_id == plugin_id, PluginLog.level == level.value, PluginLog.id < NEWEST
        )
        branch = oldest.order_by(PluginLog.at, PluginLog.id).limit(most).subquery()
        branches.append(select(branch.c.at, branch.c.id))
    merged = union_all(*branches).subquery()
    found = select(merged.c.id).order_by(merged.c.at, merged.c.id).limit(most)
    return await _delete(database, found, DeletedBecause.SIZE)


async def newest_moment(database: Database) -> datetime | None:
    """The time of the record with the highest id; None where there is none."""
    async with database.reading() as session:
        return await session.scalar(select(PluginLog.at).order_by(PluginLog.id.desc()).limit(1))


async def _delete(database: Database, ids: Select[int], because: DeletedBecause) -> int:
    chosen = delete(PluginLog).where(PluginLog.id.in_(ids))
    async with database.transaction() as session:
        connection = await session.connection()
        gone = (
            await connection.execute(chosen.returning(PluginLog.id, PluginLog.plugin_id, TEXT_BYTES))
        ).all()
        if gone:
            await connection.execute(_count(because), _counts(gone))
    return len(gone)


def _count(because: DeletedBecause) -> Update:
    """Take deleted records off their plugin's counts."""
    totals, reason = PluginLogTotals, f"deleted_by_{because}"
    through: BindParameter[int] = bindparam("through")
    return (
        update(totals)
        .where(totals.plugin_id == bindparam("plugin"))
        .values(
            {
                "records": totals.records - bindparam("gone"),
                "bytes": totals.bytes - bindparam("held"),
                reason: getattr(totals, reason) + bindparam("gone"),
                "deleted_through": case(
                    (totals.deleted_through < through, through), else_=totals.deleted_through
                ),
            }
        )
    )


def _counts(gone: Sequence[Any]) -> list[dict[str, int]]:
    """What the deleted records (id, plugin, text) were, per plugin, in the order of ids as everybody counts."""
    found: dict[int, dict[str, int]] = {}
    for row_id, plugin_id, text_bytes in gone:
        count = found.setdefault(plugin_id, {"plugin": plugin_id, "gone": 0, "held": 0, "through": 0})
        count["gone"] += 1
        count["held"] += text_bytes + ROW_BYTES
        count["through"] = max(count["through"], row_id)
    return [found[plugin_id] for plugin_id in sorted(found)]
