"""`PluginStorage`: a key-value store for each plugin, in the product's own database, so that values survive restarts and upgrades.

1. A plugin sees its own keys alone. Keys have 1 to 200 printable characters, values are JSON of at most 256 KiB.
2. A plugin keeps at most 64 MiB in all (`usage` says how that is counted).
3. A write is durable when `set` or `delete` returns.
4. A mark of what was done once is written in one transaction with what belongs to it.
5. `fence` is the token of the lease under which a singleton's instance was started; nothing is written after that lease (`fencing`).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Text, cast, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.clock import Clock
from isp_plugins.contracts.json_values import dotted, encoded, first_problem
from isp_plugins.db.engine import Database
from isp_plugins.db.tables.events import EventMark
from isp_plugins.db.tables.storage import PluginStorageItem
from isp_plugins.storage.errors import (
    StorageFullError,
    StorageKeyInvalidError,
    StoragePluginGoneError,
    StorageValueInvalidError,
    StorageValueTooLargeError,
)
from isp_plugins.storage.fencing import require_lease
from isp_plugins.storage.usage import ROW_BYTES, Usage

MAX_KEY_CHARACTERS = 200
MAX_VALUE_BYTES = 256 * 1024
QUOTA_BYTES = 64 * 1024 * 1024


class PluginStorage:
    """What plugins keep; `quota_bytes` is each plugin's limit."""

    def __init__(self, database: Database, *, clock: Clock, quota_bytes: int = QUOTA_BYTES) -> None:
        self._database = database
        self._clock = clock
        self._quota = quota_bytes
        self._usage = Usage()
        self._bytes = _stored_bytes(database.dialect)
        self._insert = postgresql.insert if database.dialect == "postgresql" else sqlite.insert

    async def get(self, plugin_id: int, key: str) -> Any:
        """The value kept under the key; None where there is none. `StorageKeyInvalidError`."""
        _check_key(key)
        async with self._database.reading() as session:
            return await session.scalar(select(PluginStorageItem.value).where(_is(plugin_id, key)))

    async def set(self, plugin_id: int, key: str, value: Any, *, fence: int | None = None) -> None:
        """Keep a JSON value; an error of `storage.errors` if it cannot be kept, and then the value before stays."""
        _check_key(key)
        _check_value(key, value)
        try:
            async with self._database.transaction() as session:
                await require_lease(session, plugin_id, fence)
                grows_by = await self._set(session, plugin_id, key, value)
        except IntegrityError as error:
            raise StoragePluginGoneError(plugin_id=plugin_id) from error
        self._usage.changed(plugin_id, grows_by)

    async def is_done(self, plugin_id: int, mark: str) -> bool:
        """Whether what this mark names was done. `StorageKeyInvalidError`."""
        _check_key(mark)
        of = (EventMark.plugin_id == plugin_id) & (EventMark.key == mark)
        async with self._database.reading() as session:
            return await session.scalar(select(EventMark.key).where(of)) is not None

    async def do_once(
        self,
        plugin_id: int,
        mark: str,
        writes: Sequence[tuple[str, str, Any]],
        *,
        fence: int | None = None,
    ) -> bool:
        """Set the mark and write, all or nothing; False where the mark is set already, and then nothing is written.

        `writes` are `("set", key, value)` and `("delete", key, None)`. Errors as for `set`.
        """
        _check_key(mark)
        _check(writes)
        grows_by = 0
        try:
            async with self._database.transaction() as session:
                await require_lease(session, plugin_id, fence)
                if not await self._mark(session, plugin_id, mark):
                    return False
                grows_by = await self._write(session, plugin_id, writes)
        except IntegrityError as error:
            raise StoragePluginGoneError(plugin_id=plugin_id) from error
        self._usage.changed(plugin_id, grows_by)
        return True

    async def write_within(
        self,
        session: AsyncSession,
        plugin_id: int,
        marks: Sequence[str],
        writes: Sequence[tuple[str, str, Any]],
        *,
        fence: int | None = None,
    ) -> None:
        """Set marks and write in the caller's transaction; `writes` and errors as for `do_once`."""
        await require_lease(session, plugin_id, fence)
        for mark in marks:
            _check_key(mark)
            await self._mark(session, plugin_id, mark)
        _check(writes)
        self._usage.forget(plugin_id)
        await self._write(session, plugin_id, writes)
        self._usage.forget(plugin_id)

    async def delete(self, plugin_id: int, key: str, *, fence: int | None = None) -> bool:
        """Forget a value; whether there was one."""
        _check_key(key)
        async with self._database.transaction() as session:
            await require_lease(session, plugin_id, fence)
            size = await self._delete(session, plugin_id, key)
        self._usage.changed(plugin_id, -size)
        return size > 0

    async def list(self, plugin_id: int, prefix: str = "") -> list[str]:
        """The plugin's keys that begin with the prefix (upper and lower case differ), sorted by code point."""
        query = select(PluginStorageItem.key).where(PluginStorageItem.plugin_id == plugin_id)
        if prefix:
            # Not LIKE: it ignores case on SQLite and has wildcards of its own.
            _check_key(prefix)
            query = query.where(func.substr(PluginStorageItem.key, 1, len(prefix)) == prefix)
        async with self._database.reading() as session:
            return sorted((await session.scalars(query)).all())

    async def _write(
        self, session: AsyncSession, plugin_id: int, writes: Sequence[tuple[str, str, Any]]
    ) -> int:
        """Write checked values; by how many bytes the plugin's storage grows."""
        grows_by = 0
        for kind, key, value in writes:
            if kind == "set":
                grows_by += await self._set(session, plugin_id, key, value)
            else:
                grows_by -= await self._delete(session, plugin_id, key)
        return grows_by

    async def _mark(self, session: AsyncSession, plugin_id: int, mark: str) -> bool:
        """Set a mark; False where it was set. Two that set it at once wait for each other."""
        row = self._insert(EventMark).values(plugin_id=plugin_id, key=mark, at=self._clock.now().timestamp())
        row = row.on_conflict_do_nothing(index_elements=[EventMark.plugin_id, EventMark.key])
        return await session.scalar(row.returning(EventMark.key)) is not None

    async def _set(self, session: AsyncSession, plugin_id: int, key: str, value: Any) -> int:
        """Write a value; by how many bytes the plugin's storage grows."""
        before = await self._size_of(session, plugin_id, key)
        grows_by = await self._upsert(session, plugin_id, key, value) - before
        await self._check_quota(session, plugin_id, key, grows_by)
        return grows_by

    async def _delete(self, session: AsyncSession, plugin_id: int, key: str) -> int:
        """Forget a value; how many bytes it had."""
        size = await self._size_of(session, plugin_id, key)
        await session.execute(delete(PluginStorageItem).where(_is(plugin_id, key)))
        return size

    async def _check_quota(self, session: AsyncSession, plugin_id: int, key: str, grows_by: int) -> None:
        """Raise `StorageFullError` if the write just made is too much; one that makes the total smaller never is."""
        now = self._clock.monotonic()
        known = self._usage.known(plugin_id, now)
        if grows_by <= 0 or (known is not None and known + grows_by <= self._quota):
            return
        total = select(func.sum(self._bytes)).where(PluginStorageItem.plugin_id == plugin_id)
        used = int(await session.scalar(total) or 0) - grows_by
        self._usage.counted(plugin_id, used, now)
        if used + grows_by > self._quota:
            raise StorageFullError(key=key, used=used, quota=self._quota, needed=grows_by)

    async def _size_of(self, session: AsyncSession, plugin_id: int, key: str) -> int:
        """What is kept under the key now, in bytes as the quota counts them; 0 where there is nothing."""
        return await session.scalar(select(self._bytes).where(_is(plugin_id, key))) or 0

    async def _upsert(self, session: AsyncSession, plugin_id: int, key: str, value: Any) -> int:
        """Write the row and give its size in bytes as the quota counts them."""
        row = self._insert(PluginStorageItem).values(
            plugin_id=plugin_id, key=key, value=value, updated_at=self._clock.now()
        )
        upsert = row.on_conflict_do_update(
            index_elements=[PluginStorageItem.plugin_id, PluginStorageItem.key],
            set_={"value": row.excluded.value, "updated_at": row.excluded.updated_at},
        )
        return await session.scalar(upsert.returning(self._bytes)) or 0


def _is(plugin_id: int, key: str) -> ColumnElement[bool]:
    return (PluginStorageItem.plugin_id == plugin_id) & (PluginStorageItem.key == key)


def _stored_bytes(dialect: str) -> ColumnElement[int]:
    """The bytes of a row as the quota counts them: the value's JSON as the database has it, the key, and a flat rate."""
    text = cast(PluginStorageItem.value, Text)
    # SQLite's length() of text counts characters; of a blob, bytes.
    octets = func.octet_length(text) if dialect == "postgresql" else func.length(cast(text, LargeBinary))
    return octets + func.length(PluginStorageItem.key) + ROW_BYTES


def _check(writes: Sequence[tuple[str, str, Any]]) -> None:
    for kind, key, value in writes:
        _check_key(key)
        if kind == "set":
            _check_value(key, value)


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        shown = key[:MAX_KEY_CHARACTERS] if isinstance(key, str) else key
        raise StorageKeyInvalidError(key=shown, limit=MAX_KEY_CHARACTERS)


def _check_value(key: str, value: Any) -> None:
    problem = first_problem(value)
    if problem is not None:
        raise StorageValueInvalidError(
            key=key, path=dotted(problem.path) or "its top", problem=problem.message
        )
    size = len(encoded(value))
    if size > MAX_VALUE_BYTES:
        raise StorageValueTooLargeError(key=key, size=size, limit=MAX_VALUE_BYTES)
