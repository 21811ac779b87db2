"""Turns stored rows and versions into values: decrypted where the key ring can, marked as unreadable where it cannot."""

from collections.abc import Callable, Mapping
from typing import Any

from isp_plugins.configuration.cipher import ConfigurationCipher
from isp_plugins.configuration.errors import PluginSecretsUnreadableError
from isp_plugins.configuration.store import VALUE, ciphertext_in
from isp_plugins.configuration.values import StoredValue
from isp_plugins.db.tables.configuration import PluginConfiguration
from isp_plugins.keyring import SecretUnreadableError


class Decoder:
    """Decodes one plugin's stored values and remembers what could not be read."""

    def __init__(self, cipher: ConfigurationCipher, plugin_id: int) -> None:
        self._cipher = cipher
        self._plugin_id = plugin_id
        self._failed: dict[str, SecretUnreadableError] = {}

    def rows(self, rows: Mapping[str, PluginConfiguration]) -> dict[str, StoredValue]:
        """The values of rows of `plugin_configurations`."""
        return {
            key: self._decode(
                key, row.value, row.ciphertext if row.is_encrypted else None, encrypted=row.is_encrypted
            )
            for key, row in rows.items()
        }

    def entries(self, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, StoredValue]:
        """The values of a version's entries."""
        sealed = {key: ciphertext_in(entry) for key, entry in entries.items()}
        return {
            key: self._decode(key, entry.get(VALUE), sealed[key], encrypted=sealed[key] is not None)
            for key, entry in entries.items()
        }

    @property
    def error(self) -> PluginSecretsUnreadableError | None:
        """One error for everything that could not be read so far."""
        if not self._failed:
            return None
        causes = {str(error.fields.get("cause")) for error in self._failed.values()}
        keys = ", ".join(sorted(self._failed))
        error = PluginSecretsUnreadableError(
            plugin_id=self._plugin_id, keys=keys, cause="; ".join(sorted(causes))
        )
        error.__cause__ = next(iter(self._failed.values()))
        return error

    def _decode(self, key: str, value: Any, ciphertext: bytes | None, *, encrypted: bool) -> StoredValue:
        if not encrypted:
            return StoredValue(value)
        try:
            opened = self._cipher.open(self._plugin_id, key, ciphertext or b"")
        except SecretUnreadableError as error:
            self._failed[key] = error
            return StoredValue(None, is_encrypted=True, ciphertext=ciphertext, is_readable=False)
        return StoredValue(opened, is_encrypted=True, ciphertext=ciphertext)


def sealer(cipher: ConfigurationCipher, plugin_id: int) -> Callable[[str, StoredValue], StoredValue]:
    """What encrypts the values of one plugin that must be and are not yet."""

    def seal(key: str, value: StoredValue) -> StoredValue:
        if not value.is_encrypted or value.ciphertext is not None:
            return value
        return StoredValue(
            value.value, is_encrypted=True, ciphertext=cipher.seal(plugin_id, key, value.value)
        )

    return seal
