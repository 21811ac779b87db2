"""API keys: made, revoked, listed in the database; recognised from memory.

1. A token is given out once, by `create`; the database keeps its hash.
2. Every change moves `api_keys_version` in the same transaction; each process looks at it twice a second and reloads when it moved,
   so it learns of another's changes within a second (while the database answers; until then the keys last seen hold).
3. When a key was last used is written in batches, off the caller's path.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.access.errors import KeyNotFoundError
from isp_plugins.access.key_table import KeyTable, table_of
from isp_plugins.access.principal import Principal
from isp_plugins.access.roles import ROLES
from isp_plugins.access.tokens import hash_of, hint_of, new_token
from isp_plugins.access.views import ApiKeyView, KeyStatus, check_draft, view_of
from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.clock import Clock
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.paging import Page, fetch_page
from isp_plugins.db.tables import ApiKey, Role, SystemMetadata
from isp_plugins.errors import UnauthenticatedError
from isp_plugins.periodic import Periodic

logger = logging.getLogger(__name__)
VERSION = "api_keys_version"
"""The row of `system_metadata` that every change of keys or roles moves."""
POLL_S = 0.5
FLUSH_S = 30.0
"""Pause between writes of `last_used_at`."""


class ApiKeys:
    """The API keys of one database; `open` before and `close` after use."""

    def __init__(self, database: Database, audit: AuditLog, *, clock: Clock) -> None:
        self.database = database
        self._audit = audit
        self._clock = clock
        self._table = KeyTable()
        self._refreshing = asyncio.Lock()
        self._used: set[int] = set()
        self._watch = Periodic(self._look, POLL_S, name="the watch over API keys")
        self._flushed_at = clock.monotonic()

    async def open(self) -> None:
        """Load the keys, and watch for changes that other processes make."""
        await self.refresh()
        self._watch.start()

    async def close(self) -> None:
        """Stop watching and write what is counted."""
        await self._watch.stop()
        await self.flush()

    def authenticate(self, token: str | None, *, source: str | None) -> Principal:
        """Who holds a token; `MissingKeyError`, `UnknownKeyError`, `ExpiredKeyError` or `RevokedKeyError`, each counted."""
        try:
            key = self._table.find(token, self._clock)
        except UnauthenticatedError:
            self._audit.count_refused_authentication(source)
            raise
        self._used.add(key.id)
        return key.principal(source)

    async def create(
        self,
        *,
        name: str,
        role: str,
        actor: Actor,
        plugins: Sequence[str] | None = None,
        hooks: Sequence[str] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKeyView, str]:
        """Make a key and give its token, which cannot be had again; `KeyInvalidError` with every mistake."""
        token = new_token()
        async with self.database.transaction() as session:
            roles = {*ROLES, *(await session.scalars(select(Role.name))).all()}
            now = self._clock.now()
            check_draft(
                name=name,
                role=role,
                roles=roles,
                plugins=plugins,
                hooks=hooks,
                expires_at=expires_at,
                now=now,
            )
            limits = {"plugins": _sorted(plugins), "hooks": _sorted(hooks)}
            key = await self.add(
                session, token, name=name, role=role, actor=actor, expires_at=expires_at, **limits
            )
        await self.refresh()
        return view_of(key, now), token

    async def add(
        self,
        session: AsyncSession,
        token: str,
        *,
        name: str,
        role: str,
        actor: Actor,
        plugins: list[str] | None = None,
        hooks: list[str] | None = None,
        expires_at: datetime | None = None,
    ) -> ApiKey:
        """Write the row of a token's key in the caller's transaction, with its audit entry; `refresh` after the commit."""
        key = ApiKey(
            name=name,
            token_hash=hash_of(token),
            token_hint=hint_of(token),
            role=role,
            plugins=plugins,
            hooks=hooks,
            created_at=self._clock.now(),
            created_by=actor.name,
            expires_at=expires_at,
        )
        session.add(key)
        await session.flush()
        details = {
            "name": name,
            "role": role,
            "plugins": plugins,
            "hooks": hooks,
            "expires_at": expires_at and expires_at.isoformat(),
        }
        await _move_version(session)
        await self._audit.record(
            session, AuditTag.KEY_CREATED, actor, subject=("api_key", str(key.id)), details=details
        )
        return key

    async def revoke(self, key_id: int, actor: Actor) -> ApiKeyView:
        """Take a key back, for good; one already revoked stays as it is. `KeyNotFoundError`."""
        async with self.database.transaction() as session:
            key = (
                await session.scalar(select(ApiKey).where(ApiKey.id == key_id).with_for_update())
                if _fits(key_id)
                else None
            )
            if key is None:
                raise KeyNotFoundError(key_id=key_id)
            if key.revoked_at is None:
                key.revoked_at = self._clock.now()
                await session.flush()
                await _move_version(session)
                await self._audit.record(
                    session,
                    AuditTag.KEY_REVOKED,
                    actor,
                    subject=("api_key", str(key.id)),
                    details={"name": key.name, "role": key.role},
                )
        await self.refresh()
        return view_of(key, self._clock.now())

    async def page(
        self, *, page: int = 1, size: int = 20, role: str | None = None, status: KeyStatus | None = None
    ) -> Page[ApiKeyView]:
        """Keys in the order in which they were made."""
        await self.flush()
        now = self._clock.now()
        statement = select(ApiKey).order_by(ApiKey.id)
        if role is not None:
            statement = statement.where(ApiKey.role == role)
        if status is not None:
            statement = statement.where(_has_status(status, now))
        async with self.database.reading() as session:
            found = await fetch_page(session, statement, page=page, size=size)
        return found.map(lambda key: view_of(key, now))

    async def refresh(self) -> None:
        """Load the keys anew if anybody changed them; one load at a time, so that an older one never ends last."""
        async with self._refreshing, self.database.reading() as session:
            version = (
                await session.scalar(select(SystemMetadata.value).where(SystemMetadata.name == VERSION)) or ""
            )
            if version == self._table.version:
                return
            keys = (await session.scalars(select(ApiKey))).all()
            roles = (await session.scalars(select(Role))).all()
            self._table = table_of(keys, roles, version)

    async def flush(self) -> None:
        """Write when keys were last used, if any were since the last time."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            async with self.database.transaction() as session:
                await session.execute(
                    update(ApiKey).where(ApiKey.id.in_(used)).values(last_used_at=self._clock.now())
                )
        except DatabaseUnavailableError:
            self._used |= used
            logger.warning(
                "the last use of %d API keys waits to be recorded: the database does not answer", len(used)
            )

    async def _look(self) -> None:
        try:
            await self.refresh()
        except DatabaseUnavailableError as error:
            logger.warning("the API keys last seen hold on: %s", error)
            return
        if self._clock.monotonic() - self._flushed_at >= FLUSH_S:
            self._flushed_at = self._clock.monotonic()
            await self.flush()


async def _move_version(session: AsyncSession) -> None:
    """Tell every process that its table of keys is old."""
    await session.execute(
        update(SystemMetadata).where(SystemMetadata.name == VERSION).values(value=secrets.token_hex(8))
    )


def _has_status(status: KeyStatus, now: datetime) -> ColumnElement[bool]:
    expired = and_(ApiKey.expires_at.is_not(None), ApiKey.expires_at <= now)
    match status:
        case KeyStatus.REVOKED:
            return ApiKey.revoked_at.is_not(None)
        case KeyStatus.EXPIRED:
            return and_(ApiKey.revoked_at.is_(None), expired)
        case KeyStatus.ACTIVE:
            return and_(
                ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
            )


def _sorted(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else sorted(set(names))


def _fits(key_id: int) -> bool:
    """Whether an id fits the column: PostgreSQL refuses to compare with a larger one."""
    return 0 < key_id < 2**31
