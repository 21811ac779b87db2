"""Writes a draft of the next migration: what the tables in the code have and the migrations do not make yet.

python tools/new_migration.py 0002 "Events that wait for delivery"
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from isp_plugins.db.engine import Database
from isp_plugins.db.migrate import MIGRATIONS, migrate


async def draft(revision: str, message: str) -> None:
    """Compare the tables with a database made by the present migrations."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/present.db"
        await migrate(url, backup_folder=Path(folder))
        database = await Database.open(url)
        try:
            async with database.transaction() as session:
                await (await session.connection()).run_sync(_write, revision, message)
        finally:
            await database.close()


def _write(connection: Connection, revision: str, message: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    command.revision(config, message, autogenerate=True, rev_id=revision)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the draft; it is to be read, completed and tested by hand."""
    parser = argparse.ArgumentParser(description="Write a draft of the next migration.")
    parser.add_argument("revision", help="the next number, four digits")
    parser.add_argument("message", help="what it does, the first line of its docstring")
    options = parser.parse_args(arguments)
    asyncio.run(draft(options.revision, options.message))
    return 0


if __name__ == "__main__":
    sys.exit(main())
