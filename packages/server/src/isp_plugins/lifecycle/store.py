"""Rows to records and back: plugins, their needs, and what this node reports of them; always in the caller's session."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import (
    BindingStatus,
    Desired,
    LogLevel,
    Placement,
    PluginType,
    RuntimeKind,
    State,
)
from isp_plugins.db.tables import NodeRow, Plugin, PluginDependency, PluginHook, PluginInstance
from isp_plugins.lifecycle import releases
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind
from isp_plugins.lifecycle.errors import PluginChangedElsewhereError
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.releases import Release, ReleaseDraft

DESCRIBED = (
    "name",
    "display_name",
    "description",
    "version",
    "author",
    "module_path",
    "entry_point",
    "exclusive",
    "trusted_inline",
)
"""Columns of `plugins` that a record holds as they are."""


async def load_all(session: AsyncSession, node: str, only: int | None = None) -> list[PluginRecord]:
    """Every plugin, or only this one, with its needs and what this node reported last."""

    def of(column: Any, query: Any) -> Any:
        return query if only is None else query.where(column == only)

    present = select(*Plugin.__table__.c).where(Plugin.uninstalled_at.is_(None)).order_by(Plugin.id)
    plugins = (await session.execute(of(Plugin.id, present))).mappings().all()
    installed = await releases.current(session, only)
    needs = await _needs(session, of)
    invalid = await _invalid_hooks(session, of)
    mine = of(
        PluginInstance.plugin_id, select(*PluginInstance.__table__.c).where(PluginInstance.node == node)
    )
    instances = {row["plugin_id"]: row for row in (await session.execute(mine)).mappings()}
    return [
        _record(
            row,
            needs.get(row["id"], ()),
            instances.get(row["id"]),
            invalid.get(row["id"], 0),
            installed.get(row["release_id"]),
        )
        for row in plugins
    ]


async def generations(session: AsyncSession) -> dict[int, int]:
    """The generation of every plugin, by id."""
    present = select(Plugin.id, Plugin.generation).where(Plugin.uninstalled_at.is_(None))
    return {row[0]: row[1] for row in await session.execute(present)}


async def require_unchanged(
    session: AsyncSession, records: Iterable[PluginRecord], beside: Iterable[str] = ()
) -> None:
    """Hold the rows of these plugins until the commit, and those of the names `beside`; `PluginChangedElsewhereError` where another node changed or deleted one of the former."""
    wanted = {record.id: record for record in records}
    rows = select(Plugin.id, Plugin.generation, Plugin.desired, Plugin.version)
    held = or_(Plugin.id.in_(wanted), Plugin.name.in_(sorted(beside)))
    rows = rows.where(held, Plugin.uninstalled_at.is_(None))
    rows = rows.order_by(Plugin.id).with_for_update(key_share=True)
    found = {row.id: row for row in await session.execute(rows)}
    for record in wanted.values():
        row = found.get(record.id)
        if row is None:
            raise PluginChangedElsewhereError(name=record.name, plugin_id=record.id, what="it was deleted")
        if row.generation != record.generation:
            what = f"it is {row.desired} now, in version {row.version}, and its generation is {row.generation} instead of {record.generation}"
            raise PluginChangedElsewhereError(name=record.name, plugin_id=record.id, what=what)


async def present(session: AsyncSession, records: Iterable[PluginRecord]) -> list[PluginRecord]:
    """Those of these plugins that no other node has deleted; their rows stay until the commit."""
    mine = {record.id: record for record in records}
    rows = select(Plugin.id).where(Plugin.id.in_(mine), Plugin.uninstalled_at.is_(None))
    rows = rows.order_by(Plugin.id).with_for_update(read=True, key_share=True)
    return [mine[plugin_id] for plugin_id in await session.scalars(rows)]


async def placement(session: AsyncSession, plugin_id: int) -> Placement | None:
    """Where a plugin runs as of now, which nobody changes until the commit; None: it is gone."""
    row = select(Plugin.placement).where(Plugin.id == plugin_id, Plugin.uninstalled_at.is_(None))
    found = await session.scalar(row.with_for_update(read=True))
    return None if found is None else Placement(found)


async def is_down_elsewhere(session: AsyncSession, plugin_id: int, node: str) -> bool:
    """Whether another living node shows the plugin as failed or in quarantine."""
    statement = (
        select(PluginInstance.node)
        .join(NodeRow, NodeRow.name == PluginInstance.node)
        .where(
            PluginInstance.plugin_id == plugin_id,
            PluginInstance.node != node,
            PluginInstance.state.in_([State.FAILED.value, State.QUARANTINED.value]),
            NodeRow.state == "alive",
        )
    )
    return (await session.execute(statement.limit(1))).first() is not None


async def insert_plugin(
    session: AsyncSession,
    draft: PluginDraft,
    now: datetime,
    *,
    release: ReleaseDraft | None = None,
    who: str = "",
) -> PluginRecord:
    """Store a new plugin and its release, its needs apart; one that was uninstalled and kept comes back under its id."""
    values = {
        **{column: getattr(draft, column) for column in DESCRIBED},
        "plugin_type": draft.plugin_type.value,
        "config_schema": dict(draft.config_schema),
        "runtime": draft.runtime.value,
        "placement": draft.placement.value,
        "log_level": draft.log_level.value,
        "desired": Desired.DISABLED.value,
        "uninstalled_at": None,
        "load_generation": 1,
        "created_at": now,
        "updated_at": now,
    }
    again = (
        update(Plugin)
        .where(Plugin.name == draft.name, Plugin.uninstalled_at.is_not(None))
        .values(**values | {"generation": Plugin.generation + 1, "load_generation": Plugin.generation + 1})
        .returning(*Plugin.__table__.c)
    )
    row = (await session.execute(again)).mappings().one_or_none()
    if row is None:
        new = insert(Plugin).returning(*Plugin.__table__.c)
        row = (await session.execute(new, {**values, "generation": 1})).mappings().one()
    added = await releases.add(session, row["id"], release, now=now, who=who) if release else None
    return _record(row, draft.dependencies, None, 0, added)


async def update_plugin(session: AsyncSession, record: PluginRecord) -> None:
    """Store a plugin's description and what is wanted of it."""
    values = {
        **{column: getattr(record, column) for column in DESCRIBED},
        "plugin_type": record.plugin_type.value,
        "config_schema": dict(record.config_schema),
        "runtime": record.runtime.value,
        "placement": record.placement.value,
        "log_level": record.log_level.value,
        "desired": record.desired.value,
        "generation": record.generation,
        "load_generation": record.load_generation,
        "asked_generation": record.asked_generation,
        "config_generation": record.config_generation,
        "updated_at": record.updated_at,
    }
    await session.execute(update(Plugin).where(Plugin.id == record.id).values(values))


async def delete_plugin(session: AsyncSession, plugin_id: int) -> None:
    """Drop a plugin and everything that hangs on it; logs and audit stay."""
    await session.execute(delete(Plugin).where(Plugin.id == plugin_id))


async def save_instances(session: AsyncSession, records: Iterable[PluginRecord], node: str) -> None:
    """Store what this node reports of these plugins."""
    rows = [_instance(record, node) for record in records]
    if not rows:
        return
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = make(PluginInstance)
    changed = {
        column: statement.excluded[column] for column in rows[0] if column not in {"plugin_id", "node"}
    }
    await session.execute(
        statement.on_conflict_do_update(index_elements=["plugin_id", "node"], set_=changed), rows
    )


async def replace_needs(session: AsyncSession, record: PluginRecord, now: datetime) -> None:
    """Store what a plugin declares to need, and how it is met; `record` comes from the directory."""
    await session.execute(delete(PluginDependency).where(PluginDependency.plugin_id == record.id))
    rows = [
        {
            "plugin_id": record.id,
            "kind": found.dependency.kind.value,
            "name": found.dependency.name,
            "specifier": found.dependency.specifier,
            "optional": found.dependency.optional,
            "is_satisfied": found.satisfied,
            "found": found.found,
            "checked_at": now,
        }
        for found in record.dependencies
    ]
    if rows:
        await session.execute(insert(PluginDependency), rows)


async def save_satisfaction(session: AsyncSession, records: Iterable[PluginRecord], now: datetime) -> None:
    """Store how these plugins' needs are met; the records come from the directory. In the order of ids, so that nodes do not wait in a circle."""
    for record in sorted(records, key=lambda record: record.id):
        for found in record.dependencies:
            need = found.dependency
            mine = (
                PluginDependency.plugin_id == record.id,
                PluginDependency.kind == need.kind.value,
                PluginDependency.name == need.name,
            )
            values = {"is_satisfied": found.satisfied, "found": found.found, "checked_at": now}
            await session.execute(update(PluginDependency).where(*mine).values(values))


async def _needs(session: AsyncSession, of: Callable[[Any, Any], Any]) -> dict[int, tuple[Dependency, ...]]:
    found: dict[int, list[Dependency]] = {}
    columns = (
        PluginDependency.plugin_id,
        PluginDependency.kind,
        PluginDependency.name,
        PluginDependency.specifier,
        PluginDependency.optional,
    )
    query = of(PluginDependency.plugin_id, select(*columns).order_by(PluginDependency.id))
    for plugin_id, kind, name, specifier, optional in await session.execute(query):
        found.setdefault(plugin_id, []).append(Dependency(DependencyKind(kind), name, specifier, optional))
    return {plugin_id: tuple(needs) for plugin_id, needs in found.items()}


async def _invalid_hooks(session: AsyncSession, of: Callable[[Any, Any], Any]) -> dict[int, int]:
    invalid = PluginHook.binding == BindingStatus.INVALID.value
    counted = select(PluginHook.plugin_id, func.count()).where(invalid).group_by(PluginHook.plugin_id)
    return {row[0]: row[1] for row in await session.execute(of(PluginHook.plugin_id, counted))}


def _record(
    row: RowMapping,
    needs: Sequence[Dependency],
    instance: Mapping[Any, Any] | None,
    invalid_hooks: int,
    release: Release | None,
) -> PluginRecord:
    report = instance or {
        "state": (State.INSTALLED if release else State.REGISTERED).value,
        "since": row["created_at"],
        "cause": None,
        "failures": 0,
        "retry_at": None,
    }
    return PluginRecord(
        id=row["id"],
        **{column: row[column] for column in DESCRIBED},
        plugin_type=PluginType(row["plugin_type"]),
        config_schema=row["config_schema"],
        runtime=RuntimeKind(row["runtime"]),
        placement=Placement(row["placement"]),
        log_level=LogLevel(row["log_level"]),
        desired=Desired(row["desired"]),
        generation=row["generation"],
        load_generation=row["load_generation"],
        asked_generation=row["asked_generation"],
        config_generation=row["config_generation"],
        needs=tuple(needs),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        state=State(report["state"]),
        since=report["since"],
        cause=report["cause"],
        failures=report["failures"],
        retry_at=report["retry_at"],
        invalid_hooks=invalid_hooks,
        release=release,
    )


def _instance(record: PluginRecord, node: str) -> dict[str, Any]:
    return {
        "plugin_id": record.id,
        "node": node,
        "state": record.state.value,
        "generation": record.behind.generation if record.behind else record.generation,
        "version": record.behind.version if record.behind else record.version,
        "cause": record.cause,
        "failures": record.failures,
        "since": record.since,
        "retry_at": record.retry_at,
    }
