"""Encrypts what is stored anew: under the newest key of the ring, or because a schema has come to call it a secret.

Present values, every version, and what others keep of a configuration (`also`) are done, so that an old key can be thrown away. What no key of the ring opens is left as it is and
reported: one lost key must not keep all other secrets from being rotated.
"""

import base64
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import null
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.configuration import store
from isp_plugins.configuration.cipher import ConfigurationCipher
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.keyring import SecretUnreadableError

log = logging.getLogger(__name__)
Renew = Callable[[int, str, bytes], bytes]
"""Gives the ciphertext of a plugin's key anew; one that cannot be read comes back as it is."""
Renews = Callable[[AsyncSession, Renew], Awaitable[None]]
"""Renews the ciphertexts that somebody else keeps, in the rotation's own transaction."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How many ciphertexts were renewed, and which could not be: `(plugin id, key)`."""

    rotated: int
    unreadable: tuple[tuple[int, str], ...]


class Rotator:
    """One rotation, in the caller's transaction."""

    def __init__(self, cipher: ConfigurationCipher) -> None:
        self._cipher = cipher
        self._rotated = 0
        self._unreadable: set[tuple[int, str]] = set()

    async def run(self, session: AsyncSession, also: Sequence[Renews] = ()) -> Rotation:
        """Renew every ciphertext that the newest key did not make."""
        for row in await store.encrypted_rows(session):
            row.ciphertext = self._renewed(row.plugin_id, row.key, row.ciphertext or b"")
        async for version in store.encrypted_versions(session):
            version.entries = {
                key: self._entry(version.plugin_id, key, entry) for key, entry in version.entries.items()
            }
            await session.flush()
        for renews in also:
            await renews(session, self._renewed)
        await session.flush()
        unreadable = tuple(sorted(self._unreadable))
        if unreadable:
            log.warning(
                "%d secrets could not be re-encrypted, their key is not in the ring: %s",
                len(unreadable),
                unreadable,
            )
        return Rotation(self._rotated, unreadable)

    def _entry(self, plugin_id: int, key: str, entry: dict[str, Any]) -> dict[str, Any]:
        ciphertext = store.ciphertext_in(entry)
        if ciphertext is None:
            return entry
        return {store.CIPHERTEXT: base64.b64encode(self._renewed(plugin_id, key, ciphertext)).decode()}

    def _renewed(self, plugin_id: int, key: str, ciphertext: bytes) -> bytes:
        if self._cipher.is_newest(ciphertext):
            return ciphertext
        try:
            renewed = self._cipher.renewed(plugin_id, key, ciphertext)
        except SecretUnreadableError:
            self._unreadable.add((plugin_id, key))
            return ciphertext
        self._rotated += 1
        return renewed


async def protect(
    session: AsyncSession, cipher: ConfigurationCipher, plugin_id: int, schema: ConfigSchema
) -> int:
    """Encrypt values kept in clear whose keys the schema calls secret, in every version too; how many there were."""
    count = 0
    for key, row in (await store.rows_of(session, plugin_id)).items():
        if schema.is_secret(key) and not row.is_encrypted:
            row.ciphertext, row.is_encrypted, row.value = cipher.seal(plugin_id, key, row.value), True, null()
            count += 1
    for version in await store.versions_of(session, plugin_id):
        clear = {
            key: entry
            for key, entry in version.entries.items()
            if schema.is_secret(key) and store.ciphertext_in(entry) is None
        }
        if clear:
            sealed = {
                key: base64.b64encode(cipher.seal(plugin_id, key, entry.get(store.VALUE))).decode()
                for key, entry in clear.items()
            }
            version.entries = {
                **version.entries,
                **{key: {store.CIPHERTEXT: text} for key, text in sealed.items()},
            }
            count += len(clear)
    await session.flush()
    return count
