"""Releases that a plugin left, as rows: what it held then, and until when the one after it is watched; always in the caller's session."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import Placement, PluginType
from isp_plugins.db.engine import Database
from isp_plugins.db.tables import Plugin, PluginSnapshot
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.snapshots import Snapshot

DESCRIBED = (
    "display_name",
    "description",
    "version",
    "author",
    "module_path",
    "entry_point",
    "config_schema",
    "exclusive",
    "trusted_inline",
)
"""What of a plugin's description a release decides, as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One release that was left for another."""

    id: int
    plugin_id: int
    release_id: int
    successor_id: int
    snapshot: Snapshot = field(repr=False)
    description: Mapping[str, Any]
    """Fields of the plugin's record, as they were."""
    watch_until: datetime | None
    breach: str | None
    why: str | None
    created_at: datetime


async def add(
    session: AsyncSession,
    before: PluginRecord,
    successor_id: int,
    snapshot: Snapshot,
    *,
    now: datetime,
    who: str,
    watch_until: datetime | None,
    why: str | None,
) -> None:
    """Store what a plugin holds as it leaves its release; what was stored of the same release before goes, and every other watch ends."""
    assert before.release is not None  # noqa: S101  only what was installed is left
    table = PluginSnapshot
    await session.execute(delete(table).where(table.release_id == before.release.id))
    await session.execute(
        update(table).where(table.plugin_id == before.id).values(watch_until=None, breach=None)
    )
    values = {
        "plugin_id": before.id,
        "release_id": before.release.id,
        "successor_id": successor_id,
        "content": snapshot.to_bytes(),
        "description": json.dumps(_description(before)).encode(),
        "watch_until": watch_until,
        "why": why,
        "created_at": now,
        "created_by": who,
    }
    await session.execute(insert(table).values(values))


async def of_plugin(session: AsyncSession, plugin_id: int) -> dict[int, Passage]:
    """What a plugin held when it left its releases, by release."""
    found = await session.scalars(select(PluginSnapshot).where(PluginSnapshot.plugin_id == plugin_id))
    return {row.release_id: _passage(row) for row in found}


async def watched(session: AsyncSession) -> Sequence[Passage]:
    """Those whose successor is watched, and still is the plugin's own release."""
    current = select(PluginSnapshot).join(Plugin, Plugin.release_id == PluginSnapshot.successor_id)
    found = await session.scalars(current.where(PluginSnapshot.watch_until.is_not(None)))
    return [_passage(row) for row in found]


async def held_at(session: AsyncSession, passage_id: int) -> Snapshot | None:
    """What a plugin held then, as it is stored now; None where it is not kept any more."""
    content = await session.scalar(select(PluginSnapshot.content).where(PluginSnapshot.id == passage_id))
    return None if content is None else Snapshot.of(content)


async def renew(session: AsyncSession, renewed: Callable[[int, str, bytes], bytes]) -> None:
    """Encrypt every secret in them anew, one snapshot at a time."""
    query = select(PluginSnapshot.id, PluginSnapshot.plugin_id).order_by(PluginSnapshot.id)
    for number, plugin_id in (await session.execute(query)).all():
        if (old := await held_at(session, number)) is None:
            continue
        new = old.renewed(partial(renewed, plugin_id))
        if new is not old:
            values = {"content": new.to_bytes()}
            await session.execute(update(PluginSnapshot).where(PluginSnapshot.id == number).values(values))


async def hold_ciphertext(database: Database) -> bool:
    """Whether any of them holds a secret, so that a lost key must not be replaced by a new one."""
    async with database.reading() as session:
        for number in (await session.scalars(select(PluginSnapshot.id))).all():
            snapshot = await held_at(session, number)
            if snapshot is not None and snapshot.holds_ciphertext:
                return True
    return False


async def mark(session: AsyncSession, passage_id: int, *, breach: str | None) -> None:
    """Store that the successor is to be left, or (None) that it is not watched any more."""
    values: dict[str, Any] = {"breach": breach} if breach else {"watch_until": None}
    await session.execute(update(PluginSnapshot).where(PluginSnapshot.id == passage_id).values(values))


def _description(record: PluginRecord) -> dict[str, Any]:
    return {
        **{name: getattr(record, name) for name in DESCRIBED},
        "config_schema": dict(record.config_schema),
        "plugin_type": record.plugin_type.value,
        "placement": record.placement.value,
        "needs": [[need.kind.value, need.name, need.specifier, need.optional] for need in record.needs],
    }


def _passage(row: PluginSnapshot) -> Passage:
    raw = json.loads(row.description)
    needs = tuple(Dependency(DependencyKind(kind), *rest) for kind, *rest in raw["needs"])
    words = {
        "plugin_type": PluginType(raw["plugin_type"]),
        "placement": Placement(raw.get("placement", Placement.PER_NODE)),
    }
    description = raw | words | {"needs": needs}
    return Passage(
        id=row.id,
        plugin_id=row.plugin_id,
        release_id=row.release_id,
        successor_id=row.successor_id,
        snapshot=Snapshot.of(row.content),
        description=description,
        watch_until=row.watch_until,
        breach=row.breach,
        why=row.why,
        created_at=row.created_at,
    )
