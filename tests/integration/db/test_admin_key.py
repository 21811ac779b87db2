"""The first admin key, and the way back in."""

import asyncio
from pathlib import Path

import pytest

from isp_plugins.access import ApiKeys, ensure_admin_key, recover
from isp_plugins.access.tokens import new_token
from isp_plugins.actors import LOCAL
from isp_plugins.audit import AuditLog
from isp_plugins.db.engine import Database
from isp_plugins.errors import StartupError
from isp_plugins.keyring import KeyRing
from isp_plugins.testing import FakeClock


async def test_the_first_start_makes_the_admin_key(api_keys: ApiKeys, tmp_path: Path) -> None:
    token = await ensure_admin_key(api_keys, tmp_path)
    assert token is not None
    assert (tmp_path / "admin.key").read_text().strip() == token
    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600
    assert api_keys.authenticate(token, source=None).role == "admin"


async def test_the_admin_key_is_made_once(api_keys: ApiKeys, tmp_path: Path) -> None:
    await ensure_admin_key(api_keys, tmp_path)
    assert await ensure_admin_key(api_keys, tmp_path) is None
    assert (await api_keys.page()).total == 1


async def test_a_start_killed_before_the_commit_loses_no_key(api_keys: ApiKeys, tmp_path: Path) -> None:
    left = new_token()
    (tmp_path / "admin.key").write_text(left + "\n")
    (tmp_path / "admin.key").chmod(0o600)
    assert await ensure_admin_key(api_keys, tmp_path) == left
    assert api_keys.authenticate(left, source=None).role == "admin"


@pytest.mark.parametrize(("content", "mode"), [("", 0o600), ("isp_torn", 0o600), ("isp_" + "a" * 43, 0o644)])
async def test_a_torn_or_exposed_file_is_replaced(
    api_keys: ApiKeys, tmp_path: Path, content: str, mode: int
) -> None:
    (tmp_path / "admin.key").write_text(content)
    (tmp_path / "admin.key").chmod(mode)
    token = await ensure_admin_key(api_keys, tmp_path)
    assert token != content
    assert (tmp_path / "admin.key").read_text().strip() == token
    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600


async def test_a_folder_that_cannot_be_written_makes_no_key(api_keys: ApiKeys, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="no key was created"):
        await ensure_admin_key(api_keys, tmp_path / "nowhere")
    assert (await api_keys.page()).total == 0


async def test_revoking_it_does_not_bring_it_back(api_keys: ApiKeys, tmp_path: Path) -> None:
    await ensure_admin_key(api_keys, tmp_path)
    await api_keys.revoke(1, LOCAL)
    assert await ensure_admin_key(api_keys, tmp_path) is None


async def test_a_lost_admin_key_is_recovered(api_keys: ApiKeys, tmp_path: Path) -> None:
    await ensure_admin_key(api_keys, tmp_path)
    view, token = await recover(api_keys, tmp_path)
    assert (view.role, view.created_by) == ("admin", "local")
    assert (tmp_path / "admin.key").read_text().strip() == token


async def test_servers_that_start_together_make_one(
    database: Database, keyring: KeyRing, clock: FakeClock, tmp_path: Path
) -> None:
    keys = [
        ApiKeys(database, AuditLog(database, keyring, node="local", clock=clock), clock=clock)
        for _ in range(4)
    ]
    tokens = await asyncio.gather(*(ensure_admin_key(each, tmp_path) for each in keys))
    assert len([token for token in tokens if token is not None]) == 1
