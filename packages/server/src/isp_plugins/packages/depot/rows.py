"""The rows of the depot: what it holds, until when each is held, and the parts of files; moments are the database's own.

1. A row is not whole while its file is put; only whole ones are found.
2. A file is held for an hour when it is put, and again in the transaction that lets a release refer to it; so none is dropped in between.
3. Dropping makes the row not whole first, then the object goes, then the row: killed in the middle, the next sweep goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Double, delete, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.tables.depot import DepotChunk, DepotFile
from isp_plugins.errors import UnavailableError

HELD_S = 3600.0
_SQLITE_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_POSTGRES_NOW = "extract(epoch from clock_timestamp())::float8"


class DepotFileGoneError(UnavailableError):
    """The files of this release were dropped from the depot before it was registered, which takes an hour without progress. Install it again."""


@dataclass(frozen=True, slots=True)
class Row:
    """One file of the depot."""

    id: int
    digest: str
    name: str
    bytes: int
    place: str | None


_ROW = (DepotFile.id, DepotFile.digest, DepotFile.name, DepotFile.bytes, DepotFile.place)


def _now(session: AsyncSession) -> ColumnElement[float]:
    name = session.get_bind().dialect.name
    return literal_column(_POSTGRES_NOW if name == "postgresql" else _SQLITE_NOW, Double)


async def hold(session: AsyncSession, ids: Sequence[int]) -> None:
    """Keep these files from being dropped; `DepotFileGoneError` where one is not there any more."""
    wanted = sorted(set(ids))
    if not wanted:
        return
    held = await session.scalars(
        update(DepotFile)
        .where(DepotFile.id.in_(wanted), DepotFile.is_whole)
        .values(held_until=_now(session) + HELD_S)
        .returning(DepotFile.id)
    )
    if sorted(held) != wanted:
        raise DepotFileGoneError


async def begin(session: AsyncSession, digest: str, name: str, size: int, place: str | None) -> int:
    """A row for a file that is about to be put."""
    values = {"digest": digest, "name": name, "bytes": size, "place": place, "is_whole": False}
    statement = insert(DepotFile).values(**values, held_until=_now(session) + HELD_S).returning(DepotFile.id)
    return int((await session.scalars(statement)).one())


async def finish(session: AsyncSession, file_id: int) -> None:
    """It has been put; `DepotFileGoneError` where that took so long that it was dropped."""
    done = await session.scalars(
        update(DepotFile).where(DepotFile.id == file_id).values(is_whole=True).returning(DepotFile.id)
    )
    if done.one_or_none() is None:
        raise DepotFileGoneError


async def find(session: AsyncSession, digest: str) -> list[Row]:
    """The whole files of a digest, oldest first."""
    query = select(*_ROW).where(DepotFile.digest == digest, DepotFile.is_whole).order_by(DepotFile.id)
    return [Row(*row) for row in await session.execute(query)]


async def everything(session: AsyncSession) -> list[Row]:
    """All whole files."""
    query = select(*_ROW).where(DepotFile.is_whole).order_by(DepotFile.id)
    return [Row(*row) for row in await session.execute(query)]


async def condemn(session: AsyncSession, needed: frozenset[str]) -> list[Row]:
    """Take what is not needed, not held, or there twice out of use; everything that is to be dropped now."""
    rows = (
        await session.execute(
            select(*_ROW, DepotFile.is_whole)
            .where(DepotFile.held_until < _now(session))
            .order_by(DepotFile.id)
        )
    ).all()
    first = {row.digest: row.id for row in reversed(await everything(session))}
    gone = [
        row.id
        for row in rows
        if not row.is_whole or row.digest not in needed or first.get(row.digest) != row.id
    ]
    if not gone:
        return []
    statement = (
        update(DepotFile)
        .where(DepotFile.id.in_(gone), DepotFile.held_until < _now(session))
        .values(is_whole=False)
        .returning(*_ROW)
    )
    return [Row(*row) for row in await session.execute(statement)]


async def drop(session: AsyncSession, ids: Sequence[int]) -> None:
    """Delete rows that are out of use, and their parts."""
    await session.execute(delete(DepotFile).where(DepotFile.id.in_(ids), DepotFile.is_whole.is_(False)))


async def add_part(session: AsyncSession, file_id: int, number: int, data: bytes) -> None:
    """Store a part."""
    await session.execute(insert(DepotChunk).values(file_id=file_id, number=number, data=data))


async def part(session: AsyncSession, file_id: int, number: int) -> bytes | None:
    """A part; None behind the last one."""
    query = select(DepotChunk.data).where(DepotChunk.file_id == file_id, DepotChunk.number == number)
    return await session.scalar(query)
