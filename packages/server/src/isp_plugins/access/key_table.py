"""The table of keys in memory: who a token belongs to, without a question to the database.

1. Looking up is one SHA-256 and one dictionary access; what an attacker could time is the hash of a 256-bit random token.
2. The table is replaced whole, never changed, so that a look-up sees one state of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from isp_plugins.access.errors import ExpiredKeyError, MissingKeyError, RevokedKeyError, UnknownKeyError
from isp_plugins.access.principal import Principal
from isp_plugins.access.roles import ROLES, effective_scopes
from isp_plugins.access.scopes import Scope
from isp_plugins.access.tokens import MAX_TOKEN_CHARS, hash_of
from isp_plugins.actors import Actor, ActorType
from isp_plugins.clock import Clock
from isp_plugins.db.tables import ApiKey, Role

SOURCES_KEPT = 64
"""Principals kept ready per key, one for each address it comes from."""


@dataclass(slots=True)
class KnownKey:
    """One key, ready to be recognised."""

    id: int
    name: str
    role: str
    hint: str
    scopes: frozenset[Scope]
    plugins: frozenset[str] | None
    hooks: frozenset[str] | None
    expires_at: datetime | None
    revoked_at: datetime | None
    _principals: dict[str | None, Principal] = field(default_factory=dict)

    def principal(self, source: str | None) -> Principal:
        """The caller that holds this key, at that address."""
        principal = self._principals.get(source)
        if principal is None:
            if len(self._principals) >= SOURCES_KEPT:
                self._principals.clear()
            actor = Actor(ActorType.API_KEY, str(self.id), self.name, source)
            principal = self._principals[source] = Principal(
                actor, self.role, self.scopes, self.plugins, self.hooks
            )
        return principal


class KeyTable:
    """Every key by the hash of its token, as of one version of the database's keys."""

    def __init__(self, keys: Iterable[tuple[bytes, KnownKey]] = (), *, version: str = "") -> None:
        self._by_hash = dict(keys)
        self.version = version

    def find(self, token: str | None, clock: Clock) -> KnownKey:
        """The key of a token, if it opens anything; an `UnauthenticatedError` that says why if not."""
        if not token:
            raise MissingKeyError
        key = self._by_hash.get(hash_of(token)) if len(token) <= MAX_TOKEN_CHARS else None
        if key is None:
            raise UnknownKeyError
        if key.revoked_at is not None:
            raise RevokedKeyError(name=key.name, hint=key.hint, revoked_at=_shown(key.revoked_at))
        if key.expires_at is not None and key.expires_at <= clock.now():
            raise ExpiredKeyError(name=key.name, hint=key.hint, expired_at=_shown(key.expires_at))
        return key


def table_of(keys: Iterable[ApiKey], roles: Iterable[Role], version: str) -> KeyTable:
    """The table that the rows mean; a built-in role's scopes are this version's own, whatever its row says."""
    scopes: dict[str, Any] = {role.name: role.scopes for role in roles} | {
        name: role.scopes for name, role in ROLES.items()
    }
    return KeyTable(((key.token_hash, _known(key, scopes)) for key in keys), version=version)


def _known(key: ApiKey, scopes: dict[str, Any]) -> KnownKey:
    limited = key.plugins is not None or key.hooks is not None
    return KnownKey(
        id=key.id,
        name=key.name,
        role=key.role,
        hint=key.token_hint,
        scopes=effective_scopes(scopes.get(key.role, ()), limited=limited),
        plugins=None if key.plugins is None else frozenset(key.plugins),
        hooks=None if key.hooks is None else frozenset(key.hooks),
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
