"""`ConfigurationService`: what the rest of the product asks of plugin configuration.

A change goes in two steps, so that it can be tried on the plugin between them: `plan` makes a candidate and writes nothing, `save`
writes it in the caller's transaction, unless somebody else was faster.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.actors import Actor
from isp_plugins.clock import Clock
from isp_plugins.configuration import store
from isp_plugins.configuration.cipher import ConfigurationCipher
from isp_plugins.configuration.decoding import Decoder, sealer
from isp_plugins.configuration.errors import (
    ConfigurationConflictError,
    ConfigurationIncompleteError,
    ConfigurationInvalidError,
    ConfigurationValueNotFoundError,
    ConfigurationVersionNotFoundError,
    ConfiguredPluginGoneError,
)
from isp_plugins.configuration.planning import Plan, check, plan_change, settle
from isp_plugins.configuration.rotation import Renews, Rotation, Rotator, protect
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.secrets import strings_in
from isp_plugins.configuration.values import (
    Candidate,
    ConfigChange,
    ConfigEntry,
    ConfigVersionView,
    StoredValue,
    summary_of,
)
from isp_plugins.configuration.views import entries_of, name_of, version_view
from isp_plugins.db.engine import Database
from isp_plugins.db.tables.configuration import ConfigurationVersion
from isp_plugins.keyring import KeyRing


class ConfigurationService:
    """Plugin configuration in the database: shown, resolved, changed, versioned, rotated."""

    def __init__(self, database: Database, keyring: KeyRing, *, clock: Clock) -> None:
        self._database = database
        self._cipher = ConfigurationCipher(keyring)
        self._clock = clock

    async def entries(self, plugin_id: int, schema: ConfigSchema) -> list[ConfigEntry]:
        """Every key of the schema, stored or not, then other stored keys; secrets masked, so it works without their key."""
        async with self._database.reading() as session:
            return entries_of(schema, await store.rows_of(session, plugin_id))

    async def key_of(self, plugin_id: int, config_id: int) -> str:
        """The key of the stored row with this id; `ConfigurationValueNotFoundError`."""
        async with self._database.reading() as session:
            rows = await store.rows_of(session, plugin_id)
        for key, row in rows.items():
            if row.id == config_id:
                return key
        raise ConfigurationValueNotFoundError(wanted=f"with id {config_id}")

    async def resolved(self, plugin_id: int, schema: ConfigSchema) -> dict[str, Any]:
        """What the plugin is given: decrypted, defaults filled in; `SecretUnreadableError`, `ConfigurationIncompleteError`."""
        stored, decoder, _ = await self._stored(plugin_id)
        if decoder.error is not None:
            raise decoder.error
        values, violations = check(schema, stored)
        if violations:
            mistakes = [violation.to_dict() for violation in violations]
            raise ConfigurationIncompleteError(
                plugin_id=plugin_id, summary=summary_of(mistakes), mistakes=mistakes
            )
        return values

    async def plan(self, plugin_id: int, schema: ConfigSchema, change: ConfigChange) -> Candidate:
        """What the change would make of the configuration; nothing is written.

        Raises `ConfigurationInvalidError` with every mistake, `ConfigurationValueNotFoundError` for the removal of what is not stored,
        `ConfigurationVersionNotFoundError`. A missing required value is no error here: see `Candidate.require_complete`.
        """
        if change.rollback_to is not None:
            return await self._plan_rollback(plugin_id, schema, change, change.rollback_to)
        stored, decoder, base = await self._stored(plugin_id)
        return _candidate(plugin_id, plan_change(schema, stored, change), decoder, base, change.note)

    def kept(
        self, plugin_id: int, schema: ConfigSchema, entries: Mapping[str, Mapping[str, Any]]
    ) -> Candidate:
        """What was kept of an earlier state, as a start would find it; not to be saved."""
        decoder = Decoder(self._cipher, plugin_id)
        stored = decoder.entries(entries)
        return _candidate(plugin_id, settle(schema, stored, stored, touched=frozenset()), decoder, 0, "")

    async def save(self, session: AsyncSession, candidate: Candidate, actor: Actor) -> int:
        """Write the candidate as a new version and give its number; a candidate that changes nothing writes nothing.

        Raises `ConfigurationConflictError` if the configuration was changed since the plan, `ConfiguredPluginGoneError`.
        """
        plugin_id = candidate.plugin_id
        if not await store.lock_plugin(session, plugin_id):
            raise ConfiguredPluginGoneError(plugin_id=plugin_id)
        newest = await store.newest_version(session, plugin_id)
        if newest != candidate.base_version:
            raise ConfigurationConflictError(expected=candidate.base_version, found=newest)
        if not candidate.changed_keys:
            return newest
        await self._write(session, candidate, newest + 1, name_of(actor))
        return newest + 1

    async def versions(self, plugin_id: int, schema: ConfigSchema | None = None) -> list[ConfigVersionView]:
        """Every version, newest first; their values are shown only where the schema tells which are secret."""
        async with self._database.reading() as session:
            return [version_view(version, schema) for version in await store.versions_of(session, plugin_id)]

    async def secret_values(self, plugin_id: int, schema: ConfigSchema) -> frozenset[str]:
        """The texts and numbers that logs must not show: every one inside a secret, its default too; what cannot be read is left out."""
        stored, _, _ = await self._stored(plugin_id)
        return secrets_in(schema, stored)

    async def rotate(self, session: AsyncSession) -> int:
        """Encrypt every secret, in every version too, with the newest key; how many were renewed."""
        return (await self.rotate_all(session)).rotated

    async def rotate_all(self, session: AsyncSession, also: Sequence[Renews] = ()) -> Rotation:
        """As `rotate`, with what others keep, and which secrets could not be renewed because no key of the ring opens them."""
        return await Rotator(self._cipher).run(session, also)

    async def unreadable_secrets(self) -> list[tuple[int, str]]:
        """Every present secret that no key of the ring opens, by plugin and key."""
        async with self._database.reading() as session:
            rows = await store.encrypted_rows(session)
            found = {row.plugin_id: Decoder(self._cipher, row.plugin_id) for row in rows}
            decoded = [(row.plugin_id, row.key, found[row.plugin_id].rows({row.key: row})) for row in rows]
        return [(plugin, key) for plugin, key, values in decoded if not values[key].is_readable]

    async def protect(self, session: AsyncSession, plugin_id: int, schema: ConfigSchema) -> int:
        """Encrypt what is kept in clear though this (newer) schema calls it secret, in every version too; how many values."""
        return await protect(session, self._cipher, plugin_id, schema)

    async def _stored(self, plugin_id: int) -> tuple[dict[str, StoredValue], Decoder, int]:
        decoder = Decoder(self._cipher, plugin_id)
        async with self._database.reading() as session:
            rows = await store.rows_of(session, plugin_id)
            return decoder.rows(rows), decoder, await store.newest_version(session, plugin_id)

    async def _plan_rollback(
        self, plugin_id: int, schema: ConfigSchema, change: ConfigChange, wanted: int
    ) -> Candidate:
        if change.set or change.remove or change.replace_all:
            mistakes = [
                {
                    "path": "rollback_to",
                    "message": "the way back to a version stands alone, without other changes",
                }
            ]
            raise ConfigurationInvalidError(summary=summary_of(mistakes), mistakes=mistakes)
        stored, _, base = await self._stored(plugin_id)
        decoder = Decoder(self._cipher, plugin_id)
        async with self._database.reading() as session:
            version = await store.version_of(session, plugin_id, wanted) if 0 < wanted <= base else None
        if version is None:
            raise ConfigurationVersionNotFoundError(version=wanted)
        after = decoder.entries(version.entries)
        plan = settle(schema, stored, after, touched=frozenset(filter(schema.knows, after)))
        return _candidate(plugin_id, plan, decoder, base, change.note or f"rollback to version {wanted}")

    async def _write(self, session: AsyncSession, candidate: Candidate, version: int, who: str) -> None:
        seal = sealer(self._cipher, candidate.plugin_id)
        sealed = {key: seal(key, value) for key, value in candidate.stored.items()}
        now = self._clock.now()
        await store.write(
            session, candidate.plugin_id, sealed, candidate.changed_keys, version=version, now=now, who=who
        )
        session.add(
            ConfigurationVersion(
                plugin_id=candidate.plugin_id,
                version=version,
                entries=store.to_entries(sealed),
                changed_keys=list(candidate.changed_keys),
                note=candidate.note,
                created_at=now,
                created_by=who,
            )
        )
        await session.flush()


def secrets_in(schema: ConfigSchema, stored: Mapping[str, StoredValue]) -> frozenset[str]:
    """Every text and number in the secrets among stored values and defaults."""
    values = [
        value.value
        for key, value in stored.items()
        if value.is_readable and (value.is_encrypted or schema.is_secret(key))
    ]
    values += [value for key, value in schema.defaults.items() if schema.is_secret(key)]
    return frozenset(text for value in values for text in strings_in(value))


def secret_keys_in(
    schema: ConfigSchema, stored: Mapping[str, StoredValue], resolved: Mapping[str, Any]
) -> frozenset[str]:
    """Keys of a complete configuration whose values are secret, by the schema or because they are stored encrypted."""
    encrypted = {key for key, value in stored.items() if value.is_encrypted}
    return frozenset(key for key in resolved if key in encrypted or schema.is_secret(key))


def _candidate(plugin_id: int, plan: Plan, decoder: Decoder, base: int, note: str) -> Candidate:
    unreadable = tuple(sorted(key for key, value in plan.stored.items() if not value.is_readable))
    return Candidate(
        plugin_id=plugin_id,
        resolved=plan.resolved,
        stored=plan.stored,
        changed_keys=plan.changed_keys,
        base_version=base,
        missing_required=plan.missing_required,
        incomplete=tuple(violation.to_dict() for violation in plan.incomplete),
        unreadable=unreadable,
        cause=decoder.error if unreadable else None,
        note=note,
    )
