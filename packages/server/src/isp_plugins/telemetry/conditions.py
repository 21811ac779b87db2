"""What the filters of a search ask of a row, as SQL: what an index answers, and what is compared row by row.

An expression around a column keeps a planner without statistics from choosing that column's index where another is the narrower one.
"""

from datetime import MINYEAR, UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, false, literal, or_

from isp_plugins.telemetry.records import LogFilters, levels_of
from isp_plugins.telemetry.text import storable

ESCAPE = "\\"
LARGEST_ID = 2**31 - 1
"""Beyond what PostgreSQL's integers hold there is no plugin."""

Rows = Any
"""The table's columns, or those of a subquery of it."""
Conditions = list[ColumnElement[bool]]


def indexed(rows: Rows, filters: LogFilters, plugin: int | None) -> Conditions:
    """What the index of the narrowest way in answers: a hook (and the plugin beside it), or a method, or a plugin; and the time."""
    found: Conditions = _times(rows, filters)
    if plugin is not None and (filters.hook is not None or filters.method is None):
        column = rows.plugin_id if filters.hook is None else rows.plugin_id + literal(0)
        found.append(_is_plugin(column, plugin))
    if filters.hook is not None:
        found.append(rows.hook == storable(filters.hook))
    elif filters.method is not None:
        found.append(rows.method == storable(filters.method))
    return found


def is_searched(filters: LogFilters, plugin: int | None) -> bool:
    """Whether rows must be looked at one by one."""
    beside = filters.method is not None and (filters.hook is not None or plugin is not None)
    rest = (filters.q, filters.node, filters.min_duration_ms, filters.has_traceback)
    return beside or any(value is not None for value in rest)


def columns_searched(filters: LogFilters) -> tuple[str, ...]:
    """What `searched` looks at; texts only where they are asked for, since they are long."""
    texts = ("message", "traceback") if filters.q is not None else ()
    return (
        "node",
        "plugin_id",
        "method",
        "duration_ms",
        *(texts or ("traceback",) * (filters.has_traceback is not None)),
    )


def searched(rows: Rows, filters: LogFilters, plugin: int | None) -> Conditions:
    """What `indexed` leaves over."""
    found = _rest(rows, filters)
    if filters.method is not None and filters.hook is not None:
        found.append(rows.method == storable(filters.method))
    elif filters.method is not None and plugin is not None:
        found.append(_is_plugin(rows.plugin_id, plugin))
    return found


def of_request(rows: Rows, filters: LogFilters, plugins: tuple[int, ...] | None) -> Conditions:
    """Everything beside the request."""
    return [*_times(rows, filters), *_words(rows, filters, plugins), *_rest(rows, filters)]


def in_window(rows: Rows, filters: LogFilters, plugins: tuple[int, ...] | None) -> Conditions:
    """Everything, compared row by row: the rows are found by their ids."""
    found = of_request(rows, filters, plugins)
    if filters.request_id is not None:
        found.append(rows.request_id.concat("") == storable(filters.request_id))
    return found


def _words(rows: Rows, filters: LogFilters, plugins: tuple[int, ...] | None) -> Conditions:
    found: Conditions = []
    levels = levels_of(filters)
    if filters.level is not None or filters.only_level is not None:
        found.append(rows.level.concat("").in_([level.value for level in levels]) if levels else false())
    if plugins is not None:
        found.append(or_(*[_is_plugin(rows.plugin_id + literal(0), plugin) for plugin in plugins]))
    for column, value in ((rows.hook, filters.hook), (rows.method, filters.method)):
        if value is not None:
            found.append(column.concat("") == storable(value))
    return found


def _rest(rows: Rows, filters: LogFilters) -> Conditions:
    found: Conditions = []
    if filters.node is not None:
        found.append(rows.node == storable(filters.node))
    if filters.min_duration_ms is not None:
        found.append(rows.duration_ms >= filters.min_duration_ms)
    if filters.has_traceback is not None:
        found.append(rows.traceback.is_not(None) if filters.has_traceback else rows.traceback.is_(None))
    if filters.q is not None:
        pattern = f"%{_escaped(filters.q)}%"
        found.append(
            or_(rows.message.ilike(pattern, escape=ESCAPE), rows.traceback.ilike(pattern, escape=ESCAPE))
        )
    return found


def _times(rows: Rows, filters: LogFilters) -> Conditions:
    found: Conditions = []
    if filters.since is not None:
        found.append(rows.at >= in_utc(filters.since))
    if filters.until is not None:
        found.append(rows.at < in_utc(filters.until))
    return found


def _is_plugin(column: ColumnElement[int], plugin: int) -> ColumnElement[bool]:
    return column == plugin if 0 <= plugin <= LARGEST_ID else false()


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC (which one without a zone is taken for), or the first or last there is where it lies beyond."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except OverflowError:
        return (
            datetime.min.replace(tzinfo=UTC) if moment.year == MINYEAR else datetime.max.replace(tzinfo=UTC)
        )


def _escaped(text: str) -> str:
    """The text with the wildcards of LIKE taken literally."""
    return storable(text).replace(ESCAPE, ESCAPE * 2).replace("%", ESCAPE + "%").replace("_", ESCAPE + "_")
