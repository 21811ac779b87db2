"""A database that can be switched off, as a network would."""

from contextlib import asynccontextmanager

from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError


class SwitchedDatabase:
    """A real database behind a switch: while `is_on` is false, no transaction begins."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self.is_on = True
        self.tries = 0

    @asynccontextmanager
    async def transaction(self):
        self.tries += 1
        if not self.is_on:
            raise DatabaseUnavailableError(dialect=self.dialect, cause="switched off")
        async with self._database.transaction() as session:
            yield session

    def reading(self):
        return self._database.reading()
