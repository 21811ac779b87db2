"""Whether a change of plugins fits what they need and who needs them, as it is stored when the change is committed.

1. A plugin that becomes wanted, or needs something else while it runs, finds what it needs: wanted, and of a version that fits.
2. Nobody who is wanted is left without what it needs: not by a disable or delete, and not by another version.
3. No change closes a circle of needs.
4. On PostgreSQL the row of whatever a change relies on is held until its commit, as is the changed one's, all in the order of ids: of two
   nodes that make two changes of which each would forbid the other, the second one sees the first. Needs are changed one after the other.
   On SQLite transactions are made one after the other as it is.
5. What is only failing, here or on another node, forbids nothing: that is told by health.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.db.tables import Plugin, PluginDependency
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind, cycle_through, fits, shown_cycle
from isp_plugins.lifecycle.errors import DependencyCycleError, PeerUnfitError
from isp_plugins.lifecycle.records import PluginRecord

_TURN = 4_713_000_007_100_001
"""The number of the lock under which needs are changed: of a transaction, and of this product alone."""


@dataclass(frozen=True, slots=True)
class Change:
    """One plugin before and after."""

    before: PluginRecord
    after: PluginRecord | None
    """None: it is gone."""

    @property
    def name(self) -> str:
        """Of the plugin."""
        return self.before.name

    @property
    def new_needs(self) -> bool:
        """Whether it needs something else than before."""
        return self.after is not None and self.after.needs != self.before.needs

    @property
    def relies(self) -> tuple[Dependency, ...]:
        """What has to be there for the change, of other plugins."""
        if self.after is None or not (self._is_wanted_now or (self._runs and self.new_needs)):
            return ()
        return tuple(n for n in self.after.needs if n.kind is DependencyKind.PLUGIN and not n.optional)

    @property
    def leaves(self) -> bool:
        """Whether others may lose by it what they need."""
        return self.goes or (self.after is not None and self.after.version != self.before.version)

    @property
    def goes(self) -> bool:
        """Whether it is not wanted any more."""
        return self.after is None or (
            self.before.desired is Desired.ENABLED and self.after.desired is not Desired.ENABLED
        )

    @property
    def _is_wanted_now(self) -> bool:
        assert self.after is not None  # noqa: S101  asked for of what is not gone
        return self.after.desired is Desired.ENABLED and self.before.desired is not Desired.ENABLED

    @property
    def _runs(self) -> bool:
        return self.after is not None and self.after.state is State.ACTIVE


@dataclass(frozen=True, slots=True)
class Stored:
    """Another plugin, as it is stored."""

    id: int
    desired: Desired
    version: str


@dataclass(frozen=True, slots=True)
class Needing:
    """A plugin that is wanted, and what it needs of a changed one."""

    id: int
    name: str
    need: Dependency


def relied_on(changes: Iterable[Change]) -> set[str]:
    """The plugins that have to be there."""
    return {need.name for change in changes for need in change.relies}


def require_needs(changes: Sequence[Change], peers: Mapping[str, Stored]) -> None:
    """Rule 1; `peers` are the stored plugins of the names of `relied_on`. `PeerUnfitError`."""
    after = {change.name: change.after for change in changes}
    for change in changes:
        for need in change.relies:
            _require_need(change.before, need, peers.get(need.name), after)


def _require_need(
    record: PluginRecord, need: Dependency, stored: Stored | None, after: Mapping[str, PluginRecord | None]
) -> None:
    peer: Stored | PluginRecord | None = after.get(need.name, stored)
    wanted = f"plugin {need.name} {need.specifier}".strip()
    if peer is None:
        what, step = (
            "which is not registered any more",
            f"Install or register {need.name} and enable it first",
        )
    elif not fits(peer.version, need.specifier):
        what = f"which is version {peer.version} now"
        step = f"Bring {need.name} to a version that fits, or {record.name} to one that allows it"
    elif peer.desired is not Desired.ENABLED:
        what, step = "which is disabled now", f"Enable {need.name} first"
    else:
        return
    raise PeerUnfitError(
        name=record.name,
        plugin_id=record.id,
        why=f"it needs {wanted}, {what}",
        next_step=step,
        peer=stored.id if stored is not None else None,
    )


def require_no_loss(changes: Sequence[Change], needing: Iterable[Needing]) -> None:
    """Rule 2; `needing` are the wanted plugins that need a changed one. `PeerUnfitError`."""
    by_name = {change.name: change for change in changes}
    for one in needing:
        if one.name not in by_name:
            _require_kept(by_name[one.need.name], one)


def _require_kept(change: Change, one: Needing) -> None:
    if change.goes:
        why = f"plugin {one.name} is enabled now, and needs it"
        step = f"Disable {one.name} first, or ask for it with cascade=true"
    elif change.after is not None and not fits(change.after.version, one.need.specifier):
        wanted = f"{change.name} {one.need.specifier}"
        why = f"plugin {one.name} is enabled now, and needs {wanted}, which version {change.after.version} is not"
        step = f"Bring {one.name} to a version that allows it, or disable {one.name} first"
    else:
        return
    raise PeerUnfitError(name=change.name, plugin_id=change.before.id, why=why, next_step=step, peer=one.id)


def require_no_circle(name: str, requires: Mapping[str, Sequence[str]]) -> None:
    """Rule 3, of the plugin whose needs are new; `DependencyCycleError`."""
    if circle := cycle_through(name, requires):
        raise DependencyCycleError(cycle=shown_cycle(circle))


# --- what is stored ---


async def require_fitting(session: AsyncSession, changes: Sequence[Change]) -> None:
    """Rules 1 to 3, in the transaction of the changes, whose rows are held already; `PeerUnfitError`, `DependencyCycleError`."""
    if names := relied_on(changes):
        require_needs(changes, await _peers(session, names))
    if left := {change.name for change in changes if change.leaves}:
        require_no_loss(changes, await _needing(session, left))
    for change in changes:
        if change.new_needs and change.after is not None:
            await require_acyclic(session, change.name, change.after.required)


async def require_acyclic(session: AsyncSession, name: str, required: tuple[str, ...]) -> None:
    """Rule 3, for a plugin that is to require these."""
    if required:
        require_no_circle(name, await _requires(session) | {name: required})


async def take_turn(session: AsyncSession) -> None:
    """Change needs as the only one until the commit; comes before any row is held, so that nobody waits in a circle."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})


async def _peers(session: AsyncSession, names: Iterable[str]) -> dict[str, Stored]:
    columns = select(Plugin.name, Plugin.id, Plugin.desired, Plugin.version)
    present = columns.where(Plugin.name.in_(sorted(names)), Plugin.uninstalled_at.is_(None))
    return {
        row.name: Stored(row.id, Desired(row.desired), row.version) for row in await session.execute(present)
    }


async def _needing(session: AsyncSession, names: Iterable[str]) -> list[Needing]:
    wanted = _required(PluginDependency.name.in_(sorted(names)), Plugin.desired == Desired.ENABLED.value)
    found = []
    for row in await session.execute(wanted):
        need = Dependency(DependencyKind.PLUGIN, row.needed, row.specifier)
        found.append(Needing(row.id, row.name, need))
    return found


async def _requires(session: AsyncSession) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in await session.execute(_required()):
        found[row.name] = (*found.get(row.name, ()), row.needed)
    return found


def _required(*where: Any) -> Any:
    """What plugins require of each other, in the order of ids."""
    columns = (Plugin.id, Plugin.name, PluginDependency.name.label("needed"), PluginDependency.specifier)
    statement = select(*columns).join(PluginDependency, PluginDependency.plugin_id == Plugin.id)
    of_plugins = (
        PluginDependency.kind == DependencyKind.PLUGIN.value,
        PluginDependency.optional.is_(False),
        Plugin.uninstalled_at.is_(None),
    )
    return statement.where(*of_plugins, *where).order_by(Plugin.id, PluginDependency.id)
