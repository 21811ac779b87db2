"""The first admin key, and the way back in when the last one is lost.

1. The first start makes one admin key: its token goes to `<data-dir>/admin.key` (mode 0600) first and its hash into the database
   then. A start killed between the two finds the file and uses the token in it, so no key is ever lost.
2. "First" means that the database never had a key: revoking every key does not bring the admin key back by itself.
3. `recover` makes a new admin key for whoever holds the data directory (`keys create --offline`), and replaces the file.
"""

import asyncio
import stat
from pathlib import Path

from sqlalchemy import func, select

from isp_plugins.access.errors import AdminKeyFileError
from isp_plugins.access.roles import RoleName
from isp_plugins.access.service import ApiKeys
from isp_plugins.access.tokens import is_token, new_token
from isp_plugins.access.views import ApiKeyView
from isp_plugins.actors import LOCAL, SYSTEM
from isp_plugins.db.tables import ApiKey, Role
from isp_plugins.durable_file import write_private

FILE_NAME = "admin.key"


async def ensure_admin_key(keys: ApiKeys, data_dir: Path) -> str | None:
    """The token of the admin key if this start made it, to be shown once; None ever after. `AdminKeyFileError`."""
    path = data_dir / FILE_NAME
    async with keys.database.transaction() as session:
        # Servers that start together on one PostgreSQL take turns here.
        await session.scalar(select(Role).where(Role.name == RoleName.ADMIN).with_for_update())
        if await session.scalar(select(func.count()).select_from(ApiKey)):
            return None
        token = await asyncio.to_thread(_token_in_file, path)
        await keys.add(session, token, name="admin", role=RoleName.ADMIN, actor=SYSTEM)
    await keys.refresh()
    return token


async def recover(keys: ApiKeys, data_dir: Path, *, name: str = "admin") -> tuple[ApiKeyView, str]:
    """A new admin key, its token also in the admin key file; call it with the data directory under lock."""
    view, token = await keys.create(name=name, role=RoleName.ADMIN, actor=LOCAL)
    await asyncio.to_thread(_write, data_dir / FILE_NAME, token)
    return view, token


def _token_in_file(path: Path) -> str:
    """The token that a killed start left in the file, or a fresh one that is in it now."""
    try:
        if not stat.S_IMODE(path.stat().st_mode) & 0o077:
            left = path.read_text(encoding="utf-8").strip()
            if is_token(left):
                return left
    except (OSError, UnicodeDecodeError):
        pass  # None there, or nothing that could be used: it is written anew.
    token = new_token()
    _write(path, token)
    return token


def _write(path: Path, token: str) -> None:
    try:
        write_private(path, token + "\n")
    except OSError as error:
        raise AdminKeyFileError(path=path, cause=error.strerror) from error
