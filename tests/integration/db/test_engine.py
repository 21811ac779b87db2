"""Transactions on real databases."""

from sqlalchemy import select

from isp_plugins.db.engine import Database
from isp_plugins.db.tables import Role, SystemMetadata


async def test_a_transaction_commits_when_its_block_ends(database: Database) -> None:
    async with database.transaction() as session:
        session.add(SystemMetadata(name="a", value="1"))
    async with database.reading() as session:
        assert await session.scalar(select(SystemMetadata.value).where(SystemMetadata.name == "a")) == "1"


async def test_the_built_in_roles_are_seeded(database: Database) -> None:
    async with database.reading() as session:
        assert len((await session.scalars(select(Role))).all()) == 5
