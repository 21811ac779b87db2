"""What is installed of a plugin: its releases, as values and as rows, always in the caller's session."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.grants import grants_shown
from isp_plugins.db.tables import Plugin, PluginRelease
from isp_plugins.packages.depot import hold
from isp_plugins.packages.sdk_wheel import DISTRIBUTION
from isp_plugins.packages.values import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDraft:
    """A release that is about to be installed."""

    version: str
    digest: str
    """SHA-256 of the wheel."""
    environment: str
    """Key of the environment."""
    lock: Mapping[str, Any]
    manifest: Mapping[str, Any]
    source: Mapping[str, Any]
    """Where it came from, without credentials."""
    operation_id: int
    """The installation."""
    shared: tuple[int, ...] = ()
    """What of it the depot holds, for other nodes."""

    def provisional(self, now: datetime, who: str) -> "Release":
        """The release as it will be, but for its number."""
        return Release(
            id=0,
            version=self.version,
            digest=self.digest,
            environment=self.environment,
            lock=self.lock,
            manifest=self.manifest,
            source=self.source,
            operation_id=self.operation_id,
            installed_at=now,
            installed_by=who,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a plugin as it is installed."""

    id: int
    version: str
    digest: str
    environment: str
    lock: Mapping[str, Any]
    manifest: Mapping[str, Any]
    source: Mapping[str, Any]
    operation_id: int | None
    installed_at: datetime
    installed_by: str

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it; the manifest's own fields stand with the plugin."""
        return {
            "id": self.id,
            "version": self.version,
            "digest": f"sha256:{self.digest}",
            "source": dict(self.source),
            "environment": self.environment,
            "grants": grants_shown(self.manifest),
            "installed_at": self.installed_at,
            "installed_by": self.installed_by,
        }


@dataclass(frozen=True, slots=True)
class Foundations:
    """What the environment of a release was made of."""

    python: str | None
    """Its Python as in `3.11`; None where the lock does not tell."""
    sdk: str | None
    """The version of its SDK."""


_COLUMNS = tuple(PluginRelease.__table__.c[name] for name in Release.__dataclass_fields__)


async def add(
    session: AsyncSession, plugin_id: int, draft: ReleaseDraft, *, now: datetime, who: str
) -> Release:
    """Store a release and make it the plugin's own; `DepotFileGoneError`."""
    await hold(session, draft.shared)
    values = {
        "plugin_id": plugin_id,
        "version": draft.version,
        "digest": draft.digest,
        "environment": draft.environment,
        "lock": dict(draft.lock),
        "manifest": dict(draft.manifest),
        "source": dict(draft.source),
        "operation_id": draft.operation_id,
        "installed_at": now,
        "installed_by": who,
    }
    stored = await session.execute(insert(PluginRelease).returning(*_COLUMNS), values)
    release = _release(stored.mappings().one())
    await make_current(session, plugin_id, release.id)
    return release


async def make_current(session: AsyncSession, plugin_id: int, release_id: int) -> None:
    """Make a stored release the plugin's own."""
    await session.execute(update(Plugin).where(Plugin.id == plugin_id).values(release_id=release_id))


async def of_plugin(session: AsyncSession, plugin_id: int) -> list[Release]:
    """What is kept of a plugin, newest first."""
    query = select(*_COLUMNS).where(PluginRelease.plugin_id == plugin_id).order_by(PluginRelease.id.desc())
    return [_release(row) for row in (await session.execute(query)).mappings()]


async def prune(session: AsyncSession, plugin_id: int, current: int, keep: int, *, left: int) -> int:
    """Drop all releases but the current one and so many others, the one that was just left and then the newest; how many went."""
    others = [one.id for one in await of_plugin(session, plugin_id) if one.id != current]
    others.sort(key=lambda one: (one == left, one), reverse=True)
    if gone := others[keep:]:
        await session.execute(delete(PluginRelease).where(PluginRelease.id.in_(gone)))
    return len(gone)


async def current(session: AsyncSession, only: int | None = None) -> dict[int, Release]:
    """The release of every plugin, or of this one, that has one, by the release's id."""
    query = select(*_COLUMNS).join(Plugin, Plugin.release_id == PluginRelease.id)
    if only is not None:
        query = query.where(Plugin.id == only)
    return {row["id"]: _release(row) for row in (await session.execute(query)).mappings()}


@dataclass(frozen=True, slots=True)
class InUse:
    """What releases refer to."""

    digests: frozenset[str]
    environments: frozenset[str]
    wheels: frozenset[str]
    """Digests of the wheels in their locks, the SDK's among them."""
    distributions: frozenset[str]
    """Names of the distributions in their locks."""


async def in_use(session: AsyncSession) -> InUse:
    """What any release of any node refers to."""
    columns = (PluginRelease.digest, PluginRelease.environment, PluginRelease.lock)
    rows = (await session.execute(select(*columns))).all()
    return InUse(
        frozenset(row.digest for row in rows),
        frozenset(row.environment for row in rows),
        frozenset().union(*(Lock.of(row.lock).hashes for row in rows)),
        frozenset().union(*(Lock.of(row.lock).names for row in rows)),
    )


async def everything(session: AsyncSession) -> list[Release]:
    """Every release of every plugin."""
    query = select(*_COLUMNS).order_by(PluginRelease.id)
    return [_release(row) for row in (await session.execute(query)).mappings()]


async def foundations(session: AsyncSession) -> dict[int, Foundations]:
    """What the environment of every plugin's own release was made of, by the release's id."""
    query = select(PluginRelease.id, PluginRelease.lock).join(Plugin, Plugin.release_id == PluginRelease.id)
    return {row.id: _foundations(Lock.of(row.lock)) for row in await session.execute(query)}


def _foundations(lock: Lock) -> Foundations:
    sdk = next((one.version for one in lock.requirements if one.name == DISTRIBUTION), None)
    _, _, rest = lock.python.partition("-")
    return Foundations(rest.partition("-")[0] or None, sdk)


def _release(row: RowMapping) -> Release:
    return Release(**{name: row[name] for name in Release.__dataclass_fields__})
