"""Lets another release of a plugin take over, with configuration, subscriptions and stored values, in one transaction; whoever calls holds its lock.

1. One that runs: the other release is started beside it, probed, switched to, and saved; a failure leaves the one that runs.
2. One that does not run: it is only saved.
3. What the release that is left holds is kept in the same transaction, so that there is always a way back.
4. What the new release stores before it is saved is held back until then, and written in the same transaction.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugin_sdk.manifest import Manifest
from isp_plugins.actors import Actor
from isp_plugins.audit import AuditTag
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.values import Candidate
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import LogLevel, State
from isp_plugins.errors import PluginSystemError
from isp_plugins.hooks.records import HookChanges, HookDraft
from isp_plugins.lifecycle import passages, releases, snapshots
from isp_plugins.lifecycle.announcements import Announcement
from isp_plugins.lifecycle.bindings import Bound, standing
from isp_plugins.lifecycle.errors import RollbackFailedError, UpgradeFailedError
from isp_plugins.lifecycle.holding import HeldCalls
from isp_plugins.lifecycle.instances import Equipment
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.passages import Passage
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.releases import Release, ReleaseDraft
from isp_plugins.lifecycle.reloading import Refusal, replace_with
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.updating import check_change


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """A new release that is to take over."""

    after: PluginRecord
    """The plugin as the release describes it."""
    draft: PluginDraft
    release: ReleaseDraft
    candidate: Candidate
    """Its configuration, migrated."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """For the audit entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A kept release that is to take over again, with what the plugin held when it left it."""

    release: Release
    passage: Passage
    why: str | None = None
    """What the present release did wrong; None: an operator asked for it."""


@dataclass(frozen=True, slots=True)
class _Saved:
    """What the transaction made."""

    record: PluginRecord
    subscriptions: tuple[Subscription, ...]


def described(record: PluginRecord, draft: PluginDraft, release: Release) -> PluginRecord:
    """The plugin as a new release describes it; what the operator changed of the present description stays."""
    assert record.release is not None  # noqa: S101  only what was installed is upgraded
    own = PluginDraft.of(Manifest.of(record.release.manifest).registration())
    kept = {
        name: getattr(record, name)
        for name in ("display_name", "description", "author", "trusted_inline", "exclusive", "placement")
        if getattr(record, name) != getattr(own, name)
    }
    fresh = {name: getattr(draft, name) for name in (*passages.DESCRIBED, "plugin_type", "placement")}
    return replace(record, **(fresh | kept), needs=tuple(draft.dependencies), release=release)


async def upgrade(stage: Stage, before: PluginRecord, wanted: Upgrade, actor: Actor) -> PluginRecord:
    """Let a new release take over; `UpgradeFailedError`, `ConfigurationConflictError`, `DependenciesUnsatisfiedError`, `VersionStillNeededError`."""
    after = _moving(stage, before, wanted.after)
    check_change(stage, before, after)
    equipment = None
    if before.state is State.ACTIVE:
        equipment = stage.launcher.equip_with(ConfigSchema.of(after.config_schema), wanted.candidate)
    saving = _Upgrading(stage, before, after, actor, wanted)

    def refusal(cause: str, outcome: str) -> PluginSystemError:
        return UpgradeFailedError(name=before.name, version=after.version, cause=cause, outcome=outcome)

    return await _switch(stage, after, equipment, saving, refusal)


async def take_back(stage: Stage, before: PluginRecord, wanted: Return, actor: Actor) -> PluginRecord:
    """Let a kept release take over again; `RollbackFailedError`, `DependenciesUnsatisfiedError`, `VersionStillNeededError`."""
    description = wanted.passage.description
    after = _moving(stage, before, replace(before, **description, release=wanted.release))
    if wanted.why is None:
        check_change(stage, before, after)
    equipment = None
    if before.state is State.ACTIVE:
        schema = ConfigSchema.of(after.config_schema)
        kept = stage.configuration.kept(before.id, schema, wanted.passage.snapshot.entries)
        equipment = stage.launcher.equip_with(schema, kept)
    saving = _Returning(stage, before, after, actor, wanted)

    def refusal(cause: str, outcome: str) -> PluginSystemError:
        return RollbackFailedError(name=before.name, version=after.version, cause=cause, outcome=outcome)

    return await _switch(stage, after, equipment, saving, refusal)


def _moving(stage: Stage, before: PluginRecord, after: PluginRecord) -> PluginRecord:
    now = stage.clock.now()
    since = now if before.state is State.ACTIVE else before.since
    return replace(after, generation=before.generation).reloaded(now, since=since)


async def _switch(
    stage: Stage, after: PluginRecord, equipment: Equipment | None, saving: "_Saving", refusal: Refusal
) -> PluginRecord:
    if equipment is None:
        record = await saving.save(None)
    else:
        held = stage.launcher.holding(after)
        saving.held = held
        await replace_with(stage, after, replace(equipment, host=held), saving.save_bound, refusal)
        record = saving.settle()
    saving.announce(record)
    return record


class _Saving(ABC):
    """Writes a change of release in one transaction, and shows it."""

    tag: AuditTag
    held: HeldCalls | None = None
    """What an instance of the new release stored before it is saved."""

    def __init__(self, stage: Stage, before: PluginRecord, after: PluginRecord, actor: Actor) -> None:
        self._stage = stage
        self._before = before
        self._after = after
        self._actor = actor
        self._saved: _Saved | None = None

    async def save_bound(self, bound: Bound) -> None:
        """With an instance of the new release."""
        await self.save(bound)

    async def save(self, bound: Bound | None) -> PluginRecord:
        """Everything or nothing."""
        stage = self._stage

        async def write(session: AsyncSession) -> None:
            self._saved = await self._write(session, bound)

        entry = Entry(self.tag, self._actor, self._after, self._details())
        async with self.held.letting_go() if self.held else nullcontext() as held:
            also = [write, held] if held else [write]
            await stage.ledger.commit(self._after, entries=[entry], also=also, forced=self._why() is not None)
        assert self._saved is not None  # noqa: S101  it was committed
        stage.ledger.show(self._saved.record)
        stage.engine.subscribe(self._before.id, self._saved.subscriptions)
        return self._saved.record

    def settle(self) -> PluginRecord:
        """Let the new instance know what it is subscribed to."""
        assert self._saved is not None  # noqa: S101  it was committed
        instance = self._stage.instances[self._before.id]
        instance.record, instance.subscriptions = self._saved.record, self._saved.subscriptions
        return self._saved.record

    def announce(self, record: PluginRecord) -> None:
        """Tell subscribers, and the plugin's log."""
        extra: dict[str, Any] = {
            "from": self._before.version,
            "to": record.version,
            "migrations": [],
            "reason": self._why(),
        }
        self._stage.announcer.announce(Announcement.UPGRADED, record, self._actor, extra)
        told = f"Version {record.version} took over from {self._before.version}."
        why = self._why()
        level = LogLevel.ERROR if why else LogLevel.INFO
        self._stage.launcher.note(record, level, f"{told} {why}" if why else told)

    async def _write(self, session: AsyncSession, bound: Bound | None) -> _Saved:
        stage, number = self._stage, self._before.id
        mine = frozenset(view.id for view in bound.before) if bound else None
        snapshot = await snapshots.take(session, number, mine)
        release = await self._take_over(session, bound)
        now, keep = stage.clock.now(), stage.settings.release_keep
        await passages.add(
            session,
            self._before,
            release.id,
            snapshot,
            now=now,
            who=self._actor.name,
            watch_until=self._watch_until(bound),
            why=self._why(),
        )
        assert self._before.release is not None  # noqa: S101  only what was installed is switched
        await releases.prune(session, number, release.id, keep, left=self._before.release.id)
        record = replace(self._after, release=release)
        if bound is None:
            return _Saved(record, standing(record, await stage.hook_store.list(session, number)))
        subscriptions, invalid = await stage.bindings.rebound(session, record, bound.running)
        return _Saved(replace(record, invalid_hooks=invalid), subscriptions)

    @abstractmethod
    async def _take_over(self, session: AsyncSession, bound: Bound | None) -> Release:
        """Make the release the plugin's present one, with all that goes with it."""

    def _details(self) -> dict[str, Any]:
        return {"from": self._before.version, "to": self._after.version}

    def _watch_until(self, _bound: Bound | None) -> Any:
        return None

    def _why(self) -> str | None:
        return None


class _Upgrading(_Saving):
    tag = AuditTag.PLUGIN_UPGRADED

    def __init__(
        self, stage: Stage, before: PluginRecord, after: PluginRecord, actor: Actor, wanted: Upgrade
    ) -> None:
        super().__init__(stage, before, after, actor)
        self._wanted = wanted

    async def _take_over(self, session: AsyncSession, bound: Bound | None) -> Release:
        stage, number, wanted = self._stage, self._before.id, self._wanted
        release = await releases.add(
            session, number, wanted.release, now=stage.clock.now(), who=self._actor.name
        )
        if bound is not None:
            await bound.save(session)
        await self._change_hooks(session, number)
        await stage.configuration.save(session, wanted.candidate, self._actor)
        await stage.configuration.protect(session, number, ConfigSchema.of(self._after.config_schema))
        return release

    async def _change_hooks(self, session: AsyncSession, number: int) -> None:
        """What the manifests say differently of subscriptions, where the operator did not say otherwise meanwhile."""
        assert self._before.release is not None  # noqa: S101  only what was installed is upgraded
        old = _by_key(PluginDraft.of(Manifest.of(self._before.release.manifest).registration()).hooks)
        new, store = _by_key(self._wanted.draft.hooks), self._stage.hook_store
        present = {_key(view): view for view in await store.list(session, number)}
        for key in old.keys() - new.keys():
            if key in present and not present[key].declared:
                await store.delete(session, number, present[key].id)
        for key, draft in new.items():
            if key not in present:
                await store.create(session, number, draft)
            elif key in old and not present[key].declared:
                was, now = old[key].to_dict(), draft.to_dict()
                shown = present[key].draft.to_dict()
                values = {n: v for n, v in now.items() if v != was[n] and shown[n] == was[n]}
                if values:
                    await store.update(session, number, present[key].id, HookChanges.of(values))

    def _details(self) -> dict[str, Any]:
        release = self._wanted.release
        told = {"digest": f"sha256:{release.digest}", "source": dict(release.source)}
        keys = list(self._wanted.candidate.changed_keys)
        return super()._details() | told | {"keys": keys} | dict(self._wanted.details)

    def _watch_until(self, bound: Bound | None) -> Any:
        seconds = self._stage.settings.upgrade_watch
        if bound is None or not seconds:
            return None
        return self._stage.clock.now() + timedelta(seconds=seconds)


class _Returning(_Saving):
    tag = AuditTag.PLUGIN_ROLLED_BACK

    def __init__(
        self, stage: Stage, before: PluginRecord, after: PluginRecord, actor: Actor, wanted: Return
    ) -> None:
        super().__init__(stage, before, after, actor)
        self._wanted = wanted

    async def _take_over(self, session: AsyncSession, _bound: Bound | None) -> Release:
        number, release = self._before.id, self._wanted.release
        await releases.make_current(session, number, release.id)
        # Read again: the keys may have been rotated since.
        held = await passages.held_at(session, self._wanted.passage.id) or self._wanted.passage.snapshot
        await snapshots.put_back(session, number, held)
        await self._stage.hook_store.begin_events(session, number)
        return release

    def _details(self) -> dict[str, Any]:
        return super()._details() | ({"cause": self._wanted.why} if self._wanted.why else {})

    def _why(self) -> str | None:
        return self._wanted.why


def _key(view: Any) -> tuple[str, str, str]:
    return (view.hook_name, view.hook_type.value, view.callback_method)


def _by_key(drafts: Sequence[HookDraft]) -> dict[tuple[str, str, str], HookDraft]:
    return {_key(draft): draft for draft in drafts}
