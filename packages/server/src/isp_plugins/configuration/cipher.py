"""Encrypts configuration values on the key ring, each bound to its plugin and key.

A ciphertext that is moved to another plugin or another key does not decrypt, so nobody who can write the table can make the host hand
one plugin's secret to another.
"""

from typing import Any

import orjson

from isp_plugins.contracts.json_values import encoded
from isp_plugins.keyring import KeyRing


class ConfigurationCipher:
    """Seals and opens the values of configuration; the plaintext is the value's JSON."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring

    def seal(self, plugin_id: int, key: str, value: Any) -> bytes:
        """Encrypt a JSON value with the newest key."""
        return self._keyring.encrypt(encoded(value), bound_to=bound_to(plugin_id, key))

    def open(self, plugin_id: int, key: str, ciphertext: bytes) -> Any:
        """Decrypt a value; `SecretUnreadableError` without its key, or if the ciphertext belongs elsewhere."""
        return orjson.loads(self._keyring.decrypt(ciphertext, bound_to=bound_to(plugin_id, key)))

    def is_newest(self, ciphertext: bytes) -> bool:
        """Whether the newest key made the ciphertext."""
        return self._keyring.key_id_of(ciphertext) == self._keyring.newest_id

    def renewed(self, plugin_id: int, key: str, ciphertext: bytes) -> bytes:
        """The same value under the newest key; `SecretUnreadableError`."""
        where = bound_to(plugin_id, key)
        return self._keyring.encrypt(self._keyring.decrypt(ciphertext, bound_to=where), bound_to=where)


def bound_to(plugin_id: int, key: str) -> str:
    """Where a ciphertext belongs, as its additional authenticated data."""
    return f"configuration/{plugin_id}/{key}"
