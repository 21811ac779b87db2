"""Reads pages of logs, newest first, without scanning: a million rows later a page costs what it costs today.

1. Every search is cut into one branch per level. A branch fixes the level (and the plugin, the method, or the hook) and is read from the
   end of an index that holds exactly that in the order of the page; the branches are merged. So no combination of a level with a
   plugin, a method or a hook reads more than a page of each level, however rare the level is.
2. With a plugin and a hook, the hook's index is read and the plugin is compared: few plugins share a hook. A request has few rows,
   which are read from its own index. A plugin's name is looked up where the logs are counted.
3. What no index holds (a text, a duration, a node, a traceback, a method beside a hook or a plugin) is looked for in the newest
   `SEARCHED` rows per level that the other filters leave.
4. The total is exact up to `COUNTED`; beyond, it stays there, and pages end there: `until` goes further back.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.engine import Database
from isp_plugins.db.paging import Page
from isp_plugins.db.tables.logs import PluginLog, PluginLogTotals
from isp_plugins.telemetry.conditions import columns_searched, indexed, is_searched, of_request, searched
from isp_plugins.telemetry.errors import LogPageTooDeepError
from isp_plugins.telemetry.records import LogFilters, LogView, levels_of
from isp_plugins.telemetry.text import storable

COUNTED = 10_000
"""How far totals and pages go."""
SEARCHED = 50_000
"""How many rows per level are searched for what no index holds."""
OF_A_REQUEST = 100_000
"""How many rows of one request are looked at."""
NAMESAKES = 20
"""How many plugins that bore one name are looked at, the newest."""
NO_PLUGIN = -1
"""No row has it."""

Branch = Select[datetime, int]
"""Times and ids of rows, newest first."""


async def read_page(database: Database, filters: LogFilters, *, page: int, size: int) -> Page[LogView]:
    """One page, newest first; `LogPageTooDeepError` beyond the newest `COUNTED`."""
    if (page - 1) * size >= COUNTED:
        raise LogPageTooDeepError(page=page, size=size, limit=COUNTED)
    async with database.reading() as session:
        return await read_page_in(session, filters, page=page, size=size)


async def read_page_in(session: AsyncSession, filters: LogFilters, *, page: int, size: int) -> Page[LogView]:
    """One page of a snapshot."""
    if not levels_of(filters):
        return Page([], 0, page, size)
    offset = (page - 1) * size
    plugins = await plugins_of(session, filters)
    ids = (await session.scalars(_ids(filters, plugins, offset=offset, size=size))).all()
    # A page that is not full is the last one, and tells the total itself.
    known = offset + len(ids) if len(ids) < size and (ids or page == 1) else None
    total = known if known is not None else await session.scalar(_count(filters, plugins)) or 0
    return Page(await views(session, ids), min(total, COUNTED), page, size)


async def plugins_of(session: AsyncSession, filters: LogFilters) -> tuple[int, ...] | None:
    """The ids that the filters' plugin id and name mean; None: all."""
    if filters.plugin_name is None:
        return None if filters.plugin_id is None else (filters.plugin_id,)
    named = select(PluginLogTotals.plugin_id).where(
        PluginLogTotals.plugin_name == storable(filters.plugin_name)
    )
    found = (await session.scalars(named.order_by(PluginLogTotals.plugin_id.desc()).limit(NAMESAKES))).all()
    return tuple(one for one in found if filters.plugin_id in {None, one}) or (NO_PLUGIN,)


def _ids(filters: LogFilters, plugins: tuple[int, ...] | None, *, offset: int, size: int) -> Select[int]:
    branches = [_sub(branch.limit(offset + size)) for branch in _branches(filters, plugins)]
    merged = union_all(*branches).subquery()
    return select(merged.c.id).order_by(merged.c.at.desc(), merged.c.id.desc()).offset(offset).limit(size)


def _count(filters: LogFilters, plugins: tuple[int, ...] | None) -> Select[int]:
    # The branches end together. Their order does not matter here, but keeps PostgreSQL's generic plans with the index.
    branches = [_sub(branch.limit(COUNTED)) for branch in _branches(filters, plugins)]
    return select(func.count()).select_from(union_all(*branches).limit(COUNTED).subquery())


def _sub(branch: Branch) -> Branch:
    """SQLite takes an ordered, limited select in a union only as a subquery."""
    inner = branch.subquery()
    return select(inner.c.at, inner.c.id)


def _branches(filters: LogFilters, plugins: tuple[int, ...] | None) -> list[Branch]:
    """One newest-first select of (at, id) per level and plugin; a single one for a request."""
    if filters.request_id is not None:
        return [_branch_of_request(filters, plugins, filters.request_id)]
    return [
        _newest(filters, level, plugin)
        for level in levels_of(filters)
        for plugin in (plugins if plugins is not None else (None,))
    ]


def _branch_of_request(filters: LogFilters, plugins: tuple[int, ...] | None, request_id: str) -> Branch:
    # The limit keeps a planner from reading the subquery through any other index than the request's.
    few = select(PluginLog).where(PluginLog.request_id == storable(request_id)).limit(OF_A_REQUEST).subquery()
    rows = aliased(PluginLog, few)
    found = select(rows.at, rows.id).where(*of_request(rows, filters, plugins))
    return found.order_by(rows.at.desc(), rows.id.desc())


def _newest(filters: LogFilters, level: LogLevel, plugin: int | None) -> Branch:
    wanted = (PluginLog.level == level.value, *indexed(PluginLog, filters, plugin))
    newest = select(PluginLog.at, PluginLog.id).where(*wanted)
    newest = newest.order_by(PluginLog.at.desc(), PluginLog.id.desc())
    if not is_searched(filters, plugin):
        return newest
    columns = [getattr(PluginLog, name) for name in columns_searched(filters)]
    rows = newest.add_columns(*columns).limit(SEARCHED).subquery().c
    found = select(rows.at, rows.id).where(*searched(rows, filters, plugin))
    return found.order_by(rows.at.desc(), rows.id.desc())


async def views(session: AsyncSession, ids: Sequence[int]) -> list[LogView]:
    """The rows with these ids, in this order."""
    rows = (await session.scalars(select(PluginLog).where(PluginLog.id.in_(ids)))).all() if ids else ()
    by_id = {row.id: row for row in rows}
    return [view_of(by_id[found]) for found in ids]


def view_of(row: PluginLog) -> LogView:
    """A row as it is shown."""
    return LogView(
        id=row.id,
        at=row.at,
        node=row.node,
        plugin_id=row.plugin_id,
        plugin_name=row.plugin_name,
        level=LogLevel(row.level),
        message=row.message,
        hook=row.hook,
        method=row.method,
        request_id=row.request_id,
        duration_ms=row.duration_ms,
        traceback=row.traceback,
    )
