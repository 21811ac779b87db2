"""What a new version makes of a plugin's configuration: its `migrate` is asked, and what it returned becomes a change. Nothing is written.

1. It is given the values that were set, no defaults; a version without `migrate` leaves them as they are.
2. A secret stays one wherever its text turns up, even under a key that the new schema does not call secret.
3. What the operator sends with the upgrade comes last and wins.
4. The result is held against the new schema as a whole: a plugin that runs must be able to run with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.configuration.errors import ConfigurationInvalidError
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.secrets import strings_in
from isp_plugins.configuration.service import secret_keys_in, secrets_in
from isp_plugins.configuration.values import MASK, Candidate, StoredValue, summary_of
from isp_plugins.contracts.runtime import Migrated
from isp_plugins.lifecycle.errors import MigratedConfigurationInvalidError
from isp_plugins.lifecycle.instances import Equipment
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage

_NONE = object()


@dataclass(frozen=True, slots=True)
class Migration:
    """A configuration for the new version, not yet saved, and what it changes."""

    candidate: Candidate
    changes: tuple[Mapping[str, Any], ...] = field(repr=False)
    """`{key, change, before, after}`, secrets masked."""
    asked: bool
    """Whether the version has a `migrate` of its own."""


async def migrate(
    stage: Stage, before: PluginRecord, after: PluginRecord, sent: Mapping[str, Any], *, must_run: bool
) -> Migration:
    """Ask the new version; `MigrateFailedError`, `MigratedConfigurationInvalidError` with every mistake."""
    old, new = ConfigSchema.of(before.config_schema), ConfigSchema.of(after.config_schema)
    now = await stage.configuration.plan(before.id, old, ConfigChange())
    if now.cause is not None:
        raise now.cause
    values = {key: value.value for key, value in now.stored.items()}
    secrets = secrets_in(old, now.stored)
    equipment = Equipment(new, values, secrets, secret_keys_in(old, now.stored, values))
    found = await stage.launcher.migrate(after, equipment, before.version)
    change = _change(found, now.stored, sent, secrets)
    change = replace(change, note=f"upgrade from {before.version} to {after.version}")
    try:
        candidate = await stage.configuration.plan(before.id, new, change)
    except ConfigurationInvalidError as error:
        raise _invalid(after, error.details) from error
    if must_run and candidate.incomplete:
        raise _invalid(after, [dict(mistake) for mistake in candidate.incomplete])
    hidden = secrets | secrets_in(new, candidate.stored)
    return Migration(
        candidate, _shown(now.stored, candidate.stored, old, new, hidden), found.config is not None
    )


def _change(
    found: Migrated, stored: Mapping[str, StoredValue], sent: Mapping[str, Any], secrets: frozenset[str]
) -> ConfigChange:
    """What to set and to remove; only what it was given can it have removed."""
    result = found.given if found.config is None else found.config
    changed = {
        key: SetValue(value, is_encrypted=True if _holds(value, secrets) else None)
        for key, value in result.items()
        if found.given.get(key, _NONE) != value
    }
    own = {key: SetValue(value) for key, value in sent.items()}
    gone = [key for key in found.given if key not in result and key in stored and key not in own]
    return ConfigChange(set=changed | own, remove=gone)


def _holds(value: Any, secrets: frozenset[str]) -> bool:
    return any(text in secrets for text in strings_in(value))


def _shown(
    before: Mapping[str, StoredValue],
    after: Mapping[str, StoredValue],
    old: ConfigSchema,
    new: ConfigSchema,
    secrets: frozenset[str],
) -> tuple[Mapping[str, Any], ...]:
    def shown(stored: Mapping[str, StoredValue], schema: ConfigSchema, key: str) -> Any:
        if key not in stored:
            return None
        one = stored[key]
        hide = one.is_encrypted or schema.is_secret(key) or _holds(one.value, secrets)
        return MASK if hide else one.value

    changes = []
    for key in sorted({*before, *after}):
        if key in before and key in after and before[key].value == after[key].value:
            continue
        kind = "added" if key not in before else "removed" if key not in after else "changed"
        changes.append(
            {
                "key": key,
                "change": kind,
                "before": shown(before, old, key),
                "after": shown(after, new, key),
            }
        )
    return tuple(changes)


def _invalid(after: PluginRecord, mistakes: list[dict[str, Any]]) -> MigratedConfigurationInvalidError:
    return MigratedConfigurationInvalidError(
        name=after.name, version=after.version, summary=summary_of(mistakes), mistakes=mistakes
    )
