"""Repeated dispatches: the first one with a key runs, the others get its stored result.

1. A key belongs to one caller, one hook and one body; with another body it is refused (`IdempotencyKeyReusedError`).
2. While the first dispatch runs, a second with its key is refused (`DispatchInProgressError`), never run beside it.
3. A result is kept for 24 hours (`idempotency_hours`), whatever the dispatch's status; a dispatch that raised frees its key.
4. A claim whose host died (or whose dispatch was cancelled) frees its key when the host starts again (SQLite: one data directory
   has one host), and otherwise after five minutes. Such a dispatch may have run in part: the repeat runs all of it.
5. A dispatch that ends while the database is away frees its key, or has its result stored, once the database is back (`unsettled`).
6. What has expired is removed now and then by the claims themselves, a little at a time, so that none of them waits for long.
"""

import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Table, and_, delete, null, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.clock import Clock
from isp_plugins.contracts.json_values import first_problem
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.tables import IdempotentDispatch
from isp_plugins.hooks.errors import (
    DispatchInProgressError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
)
from isp_plugins.hooks.unsettled import Unsettled

MAX_KEY = 200
RELEASE_S = 300
"""Seconds after which a claim without a result is taken for its host's death; no dispatch over HTTP may last that long."""
CLEANUP_S = 3600
"""Seconds between two removals of what has expired."""
CLEANUP_BATCH = 500
"""Most that are removed in one transaction."""
_TABLE = cast("Table", IdempotentDispatch.__table__)
_AT = (_TABLE.c.caller, _TABLE.c.key)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a dispatch (`stored` is None), or the result of the one that ran."""

    caller: str
    key: str
    since: datetime
    """When it was claimed; tells this claim from a later one on the same key."""
    stored: Mapping[str, Any] | None = None


_Ended = tuple[Claim, Mapping[str, Any] | None]
"""A claim with its result; None: its dispatch raised."""


class IdempotencyStore:
    """The claims and results of all callers."""

    def __init__(self, database: Database, *, clock: Clock, hours: float) -> None:
        self._database = database
        self._clock = clock
        self._kept = timedelta(hours=hours)
        self._cleaned = -math.inf
        self._unsettled = Unsettled(self._settle)
        self._insert = postgresql.insert if database.dialect == "postgresql" else sqlite.insert

    async def open(self) -> int:
        """Free the keys of dispatches that an earlier life of this host left running (rule 4); returns how many."""
        if self._database.dialect != "sqlite":
            return 0
        async with self._database.transaction() as session:
            return await _run(session, delete(_TABLE).where(_unfinished()))

    async def once(
        self,
        caller: str,
        key: str,
        hook: str,
        digest: bytes,
        dispatch: Callable[[], Awaitable[Mapping[str, Any]]],
    ) -> tuple[Mapping[str, Any], bool]:
        """Dispatch, or return the stored result of the dispatch that did; the flag says that it was repeated. Errors as for `claim`."""
        claim = await self.claim(caller, key, hook, digest)
        if claim.stored is not None:
            return claim.stored, True
        try:
            result = await dispatch()
        except Exception:
            await self._end(claim, None)
            raise
        await self._end(claim, result, must=True)
        return result, False

    async def close(self) -> None:
        """Store what waits for the database, if it is there."""
        await self._unsettled.close()

    async def claim(self, caller: str, key: str, hook: str, digest: bytes) -> Claim:
        """Claim a key; `IdempotencyKeyInvalidError`, `IdempotencyKeyReusedError`, `DispatchInProgressError`."""
        check_key(key)
        await self._unsettled.now()
        async with self._database.transaction() as session:
            await self._clean_now_and_then(session)
            now = self._clock.now()
            values = {"caller": caller, "key": key, "hook": hook, "digest": digest, "created_at": now}
            new = self._insert(_TABLE).values(**values).on_conflict_do_nothing(index_elements=list(_AT))
            if await _run(session, new):
                return Claim(caller, key, now)
            return await self._claim_again(session, values)

    async def finish(self, claim: Claim, result: Mapping[str, Any]) -> None:
        """Store a dispatch's result; nothing happens where the claim was freed meanwhile."""
        await self._settle([(claim, result)])

    async def forget(self, claim: Claim) -> None:
        """Free a key whose dispatch raised."""
        await self._settle([(claim, None)])

    async def _end(self, claim: Claim, result: Mapping[str, Any] | None, *, must: bool = False) -> None:
        """Store how a dispatch ended, now or once the database is back; then, if it must, `DatabaseUnavailableError`."""
        try:
            await self._settle([(claim, result)])
        except DatabaseUnavailableError:
            self._unsettled.add((claim, result))
            if must:
                raise

    async def _settle(self, ended: list[_Ended]) -> None:
        """Store results, and free the keys of claims without one; nothing happens to a claim that was freed meanwhile."""
        async with self._database.transaction() as session:
            for claim, result in ended:
                if result is None:
                    await _run(session, delete(_TABLE).where(_mine(claim), _unfinished()))
                else:
                    value = result if first_problem(result) is None else _storable(result)
                    await _run(session, update(_TABLE).where(_mine(claim)).values(result=value))

    async def cleanup(self) -> int:
        """Remove what has expired; returns how many."""
        removed = CLEANUP_BATCH
        total = 0
        while removed == CLEANUP_BATCH:
            async with self._database.transaction() as session:
                removed = await self._remove_expired(session)
            total += removed
        return total

    async def _claim_again(self, session: AsyncSession, values: Mapping[str, Any]) -> Claim:
        """A key that is there already: its result, its running dispatch, or a claim to take over."""
        caller, key, now = values["caller"], values["key"], values["created_at"]
        found = await session.execute(
            select(_TABLE).where(_TABLE.c.caller == caller, _TABLE.c.key == key).with_for_update()
        )
        row = found.one_or_none()
        if row is None:  # removed between the insert and now
            raise DispatchInProgressError(key=key, release_s=RELEASE_S)
        expired = row.created_at <= now - self._kept
        if not expired and (row.hook, bytes(row.digest)) != (values["hook"], values["digest"]):
            raise IdempotencyKeyReusedError(key=key)
        if not expired and row.result is not None:
            return Claim(caller, key, row.created_at, row.result)
        if not expired and row.created_at > now - timedelta(seconds=RELEASE_S):
            raise DispatchInProgressError(key=key, release_s=RELEASE_S)
        await _run(
            session,
            update(_TABLE).where(_mine(Claim(caller, key, row.created_at))).values(**values, result=null()),
        )
        return Claim(caller, key, now)

    async def _clean_now_and_then(self, session: AsyncSession) -> None:
        """Rule 6."""
        if self._clock.monotonic() - self._cleaned >= CLEANUP_S:
            removed = await self._remove_expired(session)
            if removed < CLEANUP_BATCH:  # else the next claim goes on with it
                self._cleaned = self._clock.monotonic()

    async def _remove_expired(self, session: AsyncSession) -> int:
        oldest = select(*_AT).where(_TABLE.c.created_at <= self._clock.now() - self._kept)
        oldest = oldest.order_by(_TABLE.c.created_at).limit(CLEANUP_BATCH)
        return await _run(session, delete(_TABLE).where(tuple_(*_AT).in_(oldest)))


def check_key(key: str) -> None:
    """`IdempotencyKeyInvalidError` unless it is 1 to 200 printable ASCII characters."""
    if not 1 <= len(key) <= MAX_KEY:
        raise IdempotencyKeyInvalidError(limit=MAX_KEY, got=f"{len(key):,} characters")
    if not (key.isascii() and key.isprintable()):
        raise IdempotencyKeyInvalidError(limit=MAX_KEY, got="other characters")


def digest_of(hook: str, payload: Any, context: Mapping[str, Any] | None = None) -> bytes:
    """SHA-256 of what is dispatched, the same for equal values."""
    text = json.dumps([hook, payload, context or {}], sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).digest()


async def _run(session: AsyncSession, statement: Any) -> int:
    """Execute, and say how many rows it touched."""
    result = cast("CursorResult[Any]", await session.execute(statement))
    return max(result.rowcount, 0)


def _mine(claim: Claim) -> ColumnElement[bool]:
    """This very claim, not a later one on its key."""
    return and_(
        _TABLE.c.caller == claim.caller, _TABLE.c.key == claim.key, _TABLE.c.created_at == claim.since
    )


def _unfinished() -> ColumnElement[bool]:
    return _TABLE.c.result.is_(null())


def _storable(value: Any) -> Any:
    """The nearest value that both databases keep: what is not JSON becomes null or text."""
    if isinstance(value, Mapping):
        return {_text(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, str):
        return _text(value)
    if first_problem(value) is None:
        return value
    return None if isinstance(value, float) else _text(str(value))


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
