"""Writes a change of plugins and its audit entries in one transaction, and shows it in the directory in the same step.

1. Nothing is shown before it is committed; nothing committed is shown later than that.
2. Whoever needs a changed plugin has its needs written anew in the same transaction.
3. States that pass (`enabling`, `disabling`) are shown, never written: a killed host leaves none behind. But one: that a node starts by
   itself what may become a singleton meanwhile (`begins`), which counts only while that node lives.
4. Where there may be other nodes (PostgreSQL), a change is refused if one of them changed the plugin since it was read here, and
   they are told of it in the same transaction. What a node reports of a plugin that another one deleted is dropped.
5. A change is refused, too, if it does not fit what others are by then, of which it needs one or is needed by one (`peers`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditOutcome, AuditTag
from isp_plugins.clock import Clock
from isp_plugins.contracts.vocabulary import Placement, State
from isp_plugins.db.engine import Database
from isp_plugins.lifecycle import kept, peers, store
from isp_plugins.lifecycle.dependencies import required_names
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.kept import Part
from isp_plugins.lifecycle.peers import Change
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.releases import ReleaseDraft
from isp_plugins.nodes.notices import Notice, tell

T = TypeVar("T")
Also = Callable[[AsyncSession], Awaitable[Any]]
"""Something else to write in the same transaction."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit entry about a plugin."""

    tag: AuditTag
    actor: Actor
    record: PluginRecord
    details: Mapping[str, Any] = field(default_factory=dict)
    outcome: AuditOutcome = AuditOutcome.DONE


class Ledger:
    """Where changes of plugins become true."""

    def __init__(
        self, *, database: Database, audit: AuditLog, directory: PluginDirectory, clock: Clock, node: str
    ) -> None:
        self._database = database
        self._audit = audit
        self._directory = directory
        self._clock = clock
        self._node = node
        self.is_shared = database.dialect == "postgresql"
        """Whether other nodes may be at work on the same plugins."""

    async def load(self) -> list[PluginRecord]:
        """Every stored plugin with what this node reported last."""
        async with self._database.reading() as session:
            return await store.load_all(session, self._node)

    async def look(self, plugin_id: int) -> PluginRecord | None:
        """One plugin as it is stored now, with what this node reported last."""
        async with self._database.reading() as session:
            return next(iter(await store.load_all(session, self._node, plugin_id)), None)

    async def is_down_elsewhere(self, record: PluginRecord) -> bool:
        """Whether another living node shows the plugin as failed or in quarantine; False where there are no others."""
        if not self.is_shared:
            return False
        async with self._database.reading() as session:
            return await store.is_down_elsewhere(session, record.id, self._node)

    async def generations(self) -> dict[int, int]:
        """The stored generation of every plugin, by id."""
        async with self._database.reading() as session:
            return await store.generations(session)

    def show(self, *records: PluginRecord) -> None:
        """Show a state that passes, without writing it."""
        self._directory.put(*records)

    async def register(
        self,
        draft: PluginDraft,
        actor: Actor,
        *,
        also: Callable[[AsyncSession, PluginRecord], Awaitable[Any]],
        release: ReleaseDraft | None = None,
    ) -> PluginRecord:
        """Store a new plugin, with its release where it was installed; `DependencyCycleError`."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            if required := required_names(draft.dependencies):
                await peers.take_turn(session)
                await peers.require_acyclic(session, draft.name, required)
            record = await store.insert_plugin(session, draft, now, release=release, who=actor.name)
            await store.save_instances(session, [record], self._node)
            await store.replace_needs(session, self._directory.seen(record), now)
            await self._save_dependants(session, {record.name: record})
            await also(session, record)
            await self._tell(session, record)
            await self._enter(session, [_arrival(actor, record)])
        self._directory.put(record)
        return self._directory.get(record.id)

    async def commit(
        self,
        *records: PluginRecord,
        entries: Sequence[Entry] = (),
        gone: Sequence[PluginRecord] = (),
        keep: frozenset[Part] = frozenset(),
        also: Iterable[Also] = (),
        forced: bool = False,
    ) -> None:
        """Store these plugins as they are now, and drop those that are gone, all but these parts of them; `forced`: whatever it means to others."""
        changing = [record for record in records if self._is_change(record)]
        async with self._database.transaction() as session:
            await self._begin(session, [*changing, *gone], () if forced else self._changes(changing, gone))
            for record in records:
                await self._save_description(session, record)
            there = await self._save_instances(session, records)
            for record in gone:
                await self._drop(session, record, keep)
            changed: dict[str, PluginRecord | None] = {
                record.name: record for record in records if self._matters(record)
            }
            await self._save_dependants(session, {**changed, **dict.fromkeys(record.name for record in gone)})
            for write in also if len(there) == len(records) else ():
                await write(session)
            await self._tell(session, *changing, *gone)
            await self._enter(session, entries)
        self._directory.drop(*gone)
        self._directory.put(*records)

    async def write(
        self,
        before: PluginRecord,
        work: Callable[[AsyncSession], Awaitable[tuple[T, PluginRecord, Entry]]],
    ) -> T:
        """Do work in a transaction that also stores the plugin as the work leaves it, and an entry that the work makes."""
        async with self._database.transaction() as session:
            await self._begin(session, [before])
            result, after, entry = await work(session)
            await self._save_description(session, after)
            await self._save_instances(session, [after] if self.is_shared else [])
            await self._tell(session, after)
            await self._enter(session, [entry])
        self._directory.put(after)
        return result

    async def report(self, records: Sequence[PluginRecord], entries: Sequence[Entry] = ()) -> None:
        """Store the states of many plugins in one go; they are shown already."""
        if not records:
            return
        async with self._database.transaction() as session:
            await self._save_instances(session, records)
            await store.save_satisfaction(
                session, [record for record in records if record.needs], self._clock.now()
            )
            await self._enter(session, entries)

    async def begins(self, record: PluginRecord) -> bool:
        """Let the other nodes know that this one starts a plugin of every node now; False where it runs once by now, which this node is about to learn."""
        if not self.is_shared:
            return True
        async with self._database.transaction() as session:
            placement = await store.placement(session, record.id)
            if placement is Placement.PER_NODE:
                starting = replace(record, state=State.ENABLING, since=self._clock.now())
                await store.save_instances(session, [starting], self._node)
        return placement is not Placement.SINGLETON

    async def follow(self, record: PluginRecord, also: Iterable[Also] = ()) -> None:
        """Store and show what this node made of a change by another one."""
        async with self._database.transaction() as session:
            if await self._save_instances(session, [record]):
                for write in also:
                    await write(session)
        self._directory.put(record)

    async def enter(self, *entries: Entry) -> None:
        """Write audit entries that go with no other change."""
        async with self._database.transaction() as session:
            await self._enter(session, entries)

    def _is_change(self, record: PluginRecord) -> bool:
        """Whether it says anything else of the plugin than what this node makes of it."""
        return self._directory.get(record.id).generation != record.generation

    def _changes(self, changing: Sequence[PluginRecord], gone: Sequence[PluginRecord]) -> list[Change]:
        """What matters to others, too."""
        after: list[tuple[int, PluginRecord | None]] = [(record.id, record) for record in changing]
        after += [(record.id, None) for record in gone]
        return [Change(self._directory.get(plugin_id), record) for plugin_id, record in after]

    async def _begin(
        self, session: AsyncSession, changing: Sequence[PluginRecord], changes: Sequence[Change] = ()
    ) -> None:
        if any(change.new_needs for change in changes):
            await peers.take_turn(session)
        if self.is_shared and changing:
            before = [self._directory.get(record.id) for record in changing]
            await store.require_unchanged(session, before, peers.relied_on(changes))
        await peers.require_fitting(session, changes)

    async def _tell(self, session: AsyncSession, *changed: PluginRecord) -> None:
        for record in changed:
            await tell(session, Notice(self._node, record.id))

    async def _save_instances(
        self, session: AsyncSession, records: Sequence[PluginRecord]
    ) -> Sequence[PluginRecord]:
        """Store what this node reports of these plugins; gives those that are still there."""
        if self.is_shared and records:
            records = await store.present(session, records)
        await store.save_instances(session, records, self._node)
        return records

    async def _drop(self, session: AsyncSession, record: PluginRecord, keep: frozenset[Part]) -> None:
        if keep:
            await kept.keep(session, record.id, keep, self._clock.now())
        else:
            await store.delete_plugin(session, record.id)

    async def _save_description(self, session: AsyncSession, record: PluginRecord) -> None:
        before = self._directory.get(record.id)
        if before.generation != record.generation:
            await store.update_plugin(session, record)
        if before.needs != record.needs:
            await store.replace_needs(session, self._directory.seen(record), self._clock.now())

    def _matters(self, record: PluginRecord) -> bool:
        """Whether those who need the plugin can see a difference."""
        before = self._directory.get(record.id)
        return (before.state, before.version) != (record.state, record.version) and bool(
            self._directory.needing(record.name)
        )

    async def _save_dependants(
        self, session: AsyncSession, changed: Mapping[str, PluginRecord | None]
    ) -> None:
        gone = {name for name, record in changed.items() if record is None}
        touched = {
            needing.id: needing
            for name in changed
            for needing in self._directory.needing(name)
            if needing.name not in gone
        }
        seen = [
            self._directory.seen(changed.get(needing.name) or needing, changed)
            for needing in touched.values()
        ]
        await store.save_satisfaction(session, seen, self._clock.now())

    async def _enter(self, session: AsyncSession, entries: Iterable[Entry]) -> None:
        for entry in entries:
            subject = ("plugin", str(entry.record.id))
            details = {"plugin": entry.record.name, **entry.details}
            await self._audit.record(
                session, entry.tag, entry.actor, subject=subject, details=details, outcome=entry.outcome
            )


def _arrival(actor: Actor, record: PluginRecord) -> Entry:
    """The entry of a new plugin."""
    if record.release is None:
        return Entry(AuditTag.PLUGIN_REGISTERED, actor, record, {"version": record.version})
    more = {"installed_at": None, "grants": Grants.of_manifest(record.release.manifest).to_table()}
    return Entry(AuditTag.PLUGIN_INSTALLED, actor, record, record.release.to_dict() | more)
