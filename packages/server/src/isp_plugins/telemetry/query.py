"""Reads pages of logs, newest first, without scanning: a million rows later a page costs what it costs today.

1. Every search is cut into one branch per level. A branch fixes the level (and the plugin, or the hook) and is read from the end of an index
   that holds exactly that in the order of the page; the branches are merged. So no combination of a level with a plugin or a hook reads
   more than a page of each level, however rare the level is.
2. With a plugin and a hook, the hook's index is read and the plugin is compared: few plugins share a hook. A request has few rows,
   which are read from its own index.
3. The total is exact up to `COUNTED`; beyond, it stays there, and pages end there: `until` goes further back.
4. `q` is looked for in the newest `SEARCHED` rows per level that the other filters leave.
"""

from collections.abc import Sequence
from datetime import MINYEAR, UTC, datetime

from sqlalchemy import ColumnElement, Select, false, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.engine import Database
from isp_plugins.db.paging import Page
from isp_plugins.db.tables.logs import PluginLog
from isp_plugins.telemetry.errors import LogPageTooDeepError
from isp_plugins.telemetry.records import LogFilters, LogView, levels_from
from isp_plugins.telemetry.text import storable

COUNTED = 10_000
"""How far totals and pages go."""
SEARCHED = 50_000
"""How many rows per level are searched for a text."""
ESCAPE = "\\"
OF_A_REQUEST = 100_000
"""How many rows of one request are looked at."""
LARGEST_ID = 2**31 - 1
"""Beyond what PostgreSQL's integers hold there is no plugin."""

Rows = type[PluginLog]
Branch = Select[datetime, int]
"""Times and ids of rows, newest first."""


async def read_page(database: Database, filters: LogFilters, *, page: int, size: int) -> Page[LogView]:
    """One page, newest first; `LogPageTooDeepError` beyond the newest `COUNTED`."""
    if (page - 1) * size >= COUNTED:
        raise LogPageTooDeepError(page=page, size=size, limit=COUNTED)
    offset = (page - 1) * size
    async with database.reading() as session:
        ids = (await session.scalars(_ids(filters, offset=offset, size=size))).all()
        # A page that is not full is the last one, and tells the total itself.
        known = offset + len(ids) if len(ids) < size and (ids or page == 1) else None
        total = known if known is not None else await session.scalar(_count(filters)) or 0
        return Page(await _views(session, ids), min(total, COUNTED), page, size)


def _ids(filters: LogFilters, *, offset: int, size: int) -> Select[int]:
    merged = union_all(*[_sub(branch.limit(offset + size)) for branch in _branches(filters)]).subquery()
    return select(merged.c.id).order_by(merged.c.at.desc(), merged.c.id.desc()).offset(offset).limit(size)


def _count(filters: LogFilters) -> Select[int]:
    merged = union_all(*[_sub(branch.limit(COUNTED)) for branch in _branches(filters)]).subquery()
    return select(func.count()).select_from(merged)


def _sub(branch: Branch) -> Branch:
    """SQLite takes an ordered, limited select in a union only as a subquery."""
    inner = branch.subquery()
    return select(inner.c.at, inner.c.id)


def _branches(filters: LogFilters) -> list[Branch]:
    """One newest-first select of (at, id) per level; a single one for a request."""
    if filters.request_id is not None:
        return [_branch_of_request(filters, filters.request_id)]
    return [_searched(filters, _newest(PluginLog, filters, level)) for level in levels_from(filters.level)]


def _branch_of_request(filters: LogFilters, request_id: str) -> Branch:
    # The limit keeps a planner from reading the subquery through any other index than the request's.
    few = select(PluginLog).where(PluginLog.request_id == storable(request_id)).limit(OF_A_REQUEST).subquery()
    rows = aliased(PluginLog, few)
    levels = rows.level.in_([level.value for level in levels_from(filters.level)])
    found = select(rows.at, rows.id).where(levels, *_conditions(rows, filters))
    return _searched(filters, found.order_by(rows.at.desc(), rows.id.desc()), rows)


def _newest(rows: Rows, filters: LogFilters, level: LogLevel) -> Branch:
    wanted = (rows.level == level.value, *_conditions(rows, filters))
    return select(rows.at, rows.id).where(*wanted).order_by(rows.at.desc(), rows.id.desc())


def _searched(filters: LogFilters, newest: Branch, rows: Rows = PluginLog) -> Branch:
    """Those of the newest that hold the text."""
    if filters.q is None:
        return newest
    texts = newest.add_columns(rows.message, rows.traceback).limit(SEARCHED).subquery()
    pattern = f"%{_escaped(filters.q)}%"
    found = or_(
        texts.c.message.ilike(pattern, escape=ESCAPE), texts.c.traceback.ilike(pattern, escape=ESCAPE)
    )
    return select(texts.c.at, texts.c.id).where(found).order_by(texts.c.at.desc(), texts.c.id.desc())


def _conditions(rows: Rows, filters: LogFilters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.plugin_id is not None:
        # The sum keeps a planner without statistics from choosing the plugin's index where the hook's is the narrower one.
        plugin = rows.plugin_id if filters.hook is None else rows.plugin_id + literal(0)
        found.append(plugin == filters.plugin_id if 0 <= filters.plugin_id <= LARGEST_ID else false())
    if filters.hook is not None:
        found.append(rows.hook == storable(filters.hook))
    if filters.since is not None:
        found.append(rows.at >= _in_utc(filters.since))
    if filters.until is not None:
        found.append(rows.at < _in_utc(filters.until))
    return found


def _in_utc(moment: datetime) -> datetime:
    """The moment in UTC (which one without a zone is taken for), or the first or last there is where it lies beyond."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except OverflowError:
        return (
            datetime.min.replace(tzinfo=UTC) if moment.year == MINYEAR else datetime.max.replace(tzinfo=UTC)
        )


async def _views(session: AsyncSession, ids: Sequence[int]) -> list[LogView]:
    rows = (await session.scalars(select(PluginLog).where(PluginLog.id.in_(ids)))).all() if ids else ()
    by_id = {row.id: row for row in rows}
    return [_view(by_id[found]) for found in ids]


def _view(row: PluginLog) -> LogView:
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


def _escaped(text: str) -> str:
    """The text with the wildcards of LIKE taken literally."""
    return storable(text).replace(ESCAPE, ESCAPE * 2).replace("%", ESCAPE + "%").replace("_", ESCAPE + "_")
