"""An empty database as the first start would make it, copied to where a host will look for it: most tests are not about migrations."""

import asyncio
import atexit
import functools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from isp_plugins.db.migrate import migrate

NAME = "isp-plugins.db"
"""What `Settings` calls the database in a data directory."""


@functools.cache
def migrated_file() -> Path:
    """A migrated, empty SQLite file of this process; copy it, never open it."""
    folder = Path(tempfile.mkdtemp(prefix="migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / NAME
    with ThreadPoolExecutor(1) as pool:  # a loop of its own, away from the tests' loops
        pool.submit(lambda: asyncio.run(migrate(f"sqlite:///{file}", backup_folder=folder))).result()
    return file


def migrated(data_dir: Path) -> Path:
    """Make the data directory, unless it is there, with a copy in it, unless it has a database."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = data_dir / NAME
    if not database.exists():
        shutil.copyfile(migrated_file(), database)
        database.chmod(0o600)
    return data_dir
