"""The values that configuration is made of: changes asked for, candidates, entries and versions as they are shown.

1. What may hold a secret never shows it in its `repr`.
2. A secret is shown as `MASK`, whatever it holds; a mask is never stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from isp_plugins.configuration.errors import ConfigurationIncompleteError
from isp_plugins.errors import PluginSystemError

MASK = "********"
"""Stands for a secret wherever one is shown."""
MAX_KEY_CHARACTERS = 200
MAX_VALUE_BYTES = 64 * 1024
"""Largest value, in bytes of JSON."""


class Source(StrEnum):
    """Where the value of an entry comes from."""

    STORED = "stored"
    """Somebody set it."""
    DEFAULT = "default"
    """Nobody set it; the schema's default counts."""
    MISSING = "missing"
    """Nobody set it and there is no default."""


@dataclass(frozen=True, slots=True)
class SetValue:
    """A value to store; `is_encrypted` None: as the schema says, else as it is stored now, else in clear."""

    value: Any = field(repr=False)
    is_encrypted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """What somebody wants changed: values and removals, or all keys at once, or the way back to a version."""

    set: Mapping[str, SetValue] = field(default_factory=dict)
    remove: Sequence[str] = ()
    replace_all: bool = False
    """Every stored key that `set` does not name is removed."""
    rollback_to: int | None = None
    """The version whose content becomes the newest; stands alone."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """One stored value, decrypted; `is_readable` is false for a ciphertext that the key ring cannot open."""

    value: Any = field(repr=False)
    is_encrypted: bool = False
    ciphertext: bytes | None = field(default=None, repr=False)
    """What is in the database; None for a secret that is not yet encrypted."""
    is_readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A configuration as a change would leave it: valid as far as it goes, tried by the manager, then saved or forgotten."""

    plugin_id: int
    resolved: Mapping[str, Any] = field(repr=False)
    """What the plugin would be given: decrypted, defaults filled in, without what is unreadable."""
    stored: Mapping[str, StoredValue] = field(repr=False)
    changed_keys: tuple[str, ...]
    base_version: int
    """The version the change was made on; 0: there was none."""
    missing_required: tuple[str, ...] = ()
    """Required keys that neither a value nor a default fills; an enabled plugin may not be left so."""
    incomplete: tuple[Mapping[str, Any], ...] = ()
    """Every reason why the plugin cannot run with it yet, the missing keys among them, as `{path, message, expected, got}`."""
    unreadable: tuple[str, ...] = ()
    """Secrets kept as they are, though the key ring cannot open them."""
    cause: PluginSystemError | None = field(default=None, repr=False)
    """Why they cannot be read."""
    note: str = ""

    def require_complete(self) -> None:
        """Raise what keeps an enabled plugin from running with this: `SecretUnreadableError`, `ConfigurationIncompleteError`."""
        if self.cause is not None:
            raise self.cause
        if self.incomplete:
            mistakes = [dict(mistake) for mistake in self.incomplete]
            raise ConfigurationIncompleteError(
                plugin_id=self.plugin_id, summary=summary_of(mistakes), mistakes=mistakes
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigEntry:
    """One key as it is shown, stored or not; the value (and default) of a secret is the mask."""

    id: int | None
    """The stored row's id; None when nothing is stored."""
    key: str
    value: Any
    is_encrypted: bool
    type: str | None
    required: bool
    default: Any
    description: str
    source: Source
    version: int | None
    """The configuration version that wrote the value."""
    updated_at: datetime | None
    updated_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVersionView:
    """One version as it is shown: who, when and which keys; `values` only where the schema was given, secrets masked."""

    version: int
    created_at: datetime
    created_by: str
    changed_keys: Sequence[str]
    note: str
    keys: Sequence[str]
    values: Mapping[str, Any]


def summary_of(mistakes: Sequence[Mapping[str, Any]], *, most: int = 5) -> str:
    """The mistakes in one line: the first few in full, the rest counted."""
    shown = [f"{mistake['path'] or 'the whole'}: {mistake['message']}" for mistake in mistakes[:most]]
    rest = len(mistakes) - len(shown)
    return "; ".join([*shown, f"and {rest} more"] if rest > 0 else shown)
