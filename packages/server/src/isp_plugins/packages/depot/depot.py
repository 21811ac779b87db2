"""Puts files where all nodes find them, by digest, and brings them from there; in parts in the database, or in an object store.

1. What is fetched has the digest that was asked for, or it is not used.
2. A file is put once: whoever finds it there holds it.
3. Memory holds one part at a time.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.engine import Database
from isp_plugins.packages.depot import rows
from isp_plugins.packages.depot.objects import Objects
from isp_plugins.packages.errors import DepotFileDamagedError, DepotUnreachableError
from isp_plugins.packages.values import Stored
from isp_plugins.settings import Settings

PART_BYTES = 1024 * 1024
logger = logging.getLogger(__name__)


def open_depot(settings: Settings, database: Database) -> "Depot | None":
    """The depot that the settings name; None where there is none: on SQLite, unless one is asked for."""
    chosen = settings.depot or ("database" if database.dialect == "postgresql" else "none")
    if chosen == "none":
        return None
    return Depot(database, None if chosen == "database" else Objects(chosen))


class Depot:
    """The files that nodes share."""

    def __init__(self, database: Database, objects: Objects | None = None) -> None:
        self._database = database
        self._objects = objects

    @property
    def shown(self) -> str:
        """Where it is, without credentials."""
        return self._objects.shown if self._objects else "the database"

    async def put(self, digest: str, file: Path) -> int:
        """Hold a file that is there, or put it; the id of its row. `DepotUnreachableError`."""
        async with self._database.transaction() as session:
            if there := await rows.find(session, digest):
                await rows.hold(session, [there[0].id])
                return there[0].id
            size = (await asyncio.to_thread(file.stat)).st_size
            place = f"{digest}/{secrets.token_hex(8)}-{file.name}" if self._objects else None
            file_id = await rows.begin(session, digest, file.name, size, place)
        if self._objects and place:
            await self._objects.write(place, file)
        else:
            await self._write_parts(file_id, file)
        async with self._database.transaction() as session:
            await rows.finish(session, file_id)
        return file_id

    async def fetch(self, digest: str, folder: Path) -> Path | None:
        """The file in a folder, under its own name; None where the depot has none. `DepotFileDamagedError`, `DepotUnreachableError`."""
        async with self._database.reading() as session:
            there = await rows.find(session, digest)
        problem: DepotFileDamagedError | DepotUnreachableError | None = None
        for row in there:
            try:
                return await self._fetch(row, folder)
            except (DepotFileDamagedError, DepotUnreachableError) as error:
                problem = error  # another node may have put it, too
        if problem is not None:
            raise problem
        return None

    async def contents(self) -> tuple[Stored, ...]:
        """What is there."""
        async with self._database.reading() as session:
            return tuple(Stored(row.digest, row.name, row.bytes) for row in await rows.everything(session))

    async def sweep(self, needed: Callable[[AsyncSession], Awaitable[frozenset[str]]]) -> int:
        """Drop what no release needs and nobody holds; the bytes that went."""
        async with self._database.transaction() as session:
            condemned = await rows.condemn(session, await needed(session))
        if not condemned:
            return 0
        for row in condemned:
            if row.place and self._objects:
                await self._objects.drop(row.place)
        async with self._database.transaction() as session:
            await rows.drop(session, [row.id for row in condemned])
        return sum(row.bytes for row in condemned)

    async def _fetch(self, row: rows.Row, folder: Path) -> Path:
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        target = folder / Path(row.name).name
        try:
            await self._receive(row, target)
        except BaseException:
            target.unlink(missing_ok=True)  # nobody takes half a file for a whole one
            raise
        return target

    async def _receive(self, row: rows.Row, target: Path) -> None:
        """Write what comes into a file; `DepotFileDamagedError`."""
        seen = hashlib.sha256()
        with target.open("wb") as file:
            async for data in self._parts(row):
                seen.update(data)
                await asyncio.to_thread(file.write, data)
        if (found := seen.hexdigest()) != row.digest:
            raise DepotFileDamagedError(name=row.name, place=self.shown, digest=row.digest, found=found)

    def _parts(self, row: rows.Row) -> AsyncIterator[bytes]:
        if row.place is None:
            return self._read_parts(row.id)
        if self._objects is None:
            raise DepotUnreachableError(
                place="the object store",
                cause=f"ISP_PLUGINS_DEPOT does not name the one that holds {row.name}",
            )
        return self._objects.read(row.place)

    async def _write_parts(self, file_id: int, path: Path) -> None:
        with path.open("rb") as file:
            number = 0
            while data := await asyncio.to_thread(file.read, PART_BYTES):
                async with self._database.transaction() as session:
                    await rows.add_part(session, file_id, number, data)
                number += 1

    async def _read_parts(self, file_id: int) -> AsyncIterator[bytes]:
        number = 0
        while True:
            async with self._database.reading() as session:
                data = await rows.part(session, file_id, number)
            if data is None:
                return
            yield data
            number += 1
