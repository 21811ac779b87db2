"""The doctor where no server runs, or none can start: every case is a report, never a traceback; nothing is made."""

import sqlite3

import pytest

from isp_plugins.actors import HOST
from isp_plugins.clock import SystemClock
from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.db.errors import DataDirectoryInUseError
from isp_plugins.keyring import new_key
from isp_plugins.lifecycle.doctor.doctor import examine_offline
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem

DRAFT = {
    "name": "mailer", "version": "1", "plugin_type": "CUSTOM", "module_path": "plugins.mailer", "entry_point": "Plugin",
    "config_schema": {"token": {"type": "string", "encrypted": True}},
}  # fmt: skip


@pytest.fixture
def own(tmp_path):
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
async def used(own):
    """A data directory on which a server ran, and stored a secret."""
    async with PluginSystem.open(own) as system:
        plugin = await system.manager.register(PluginDraft.of(DRAFT), HOST)
        change = ConfigChange(set={"token": SetValue("hunter2hunter2")})
        await system.manager.configure(plugin.id, change, HOST)
    return own


async def examined(settings):
    report = await examine_offline(settings, SystemClock())
    return {finding.check: finding for finding in report.findings}


async def test_directory_that_a_server_used_is_well(used):
    found = await examined(used)
    checks = ("database", "schema", "integrity", "keys", "secrets", "audit trail")
    assert {check: found[check].found for check in checks if found[check].status != "ok"} == {}
    assert found["threads"].status == "unknown"


async def test_missing_directory_is_told_and_not_made(own):
    found = await examined(own)
    assert found["folders"].status == "problem"
    assert not own.data_dir.exists()


async def test_empty_directory_stays_empty_but_for_the_lock(own):
    own.data_dir.mkdir(mode=0o700)
    found = await examined(own)
    assert found["database"].status == "unknown"
    assert [file.name for file in own.data_dir.iterdir()] == ["host.lock"]


async def test_damaged_database_is_a_finding(used):
    (used.data_dir / "isp-plugins.db").write_bytes(b"\xa5" * 100_000)
    found = await examined(used)
    assert found["database"].status == "problem"
    assert {found[check].status for check in ("secrets", "audit trail", "database clock")} == {"unknown"}


async def test_wrong_key_names_the_plugin_and_not_the_secret(used):
    (used.data_dir / "secrets.key").write_text(new_key() + "\n")
    found = await examined(used)
    assert "1 of 1: 1 of mailer" in found["secrets"].found
    assert "hunter2" not in str(found)


async def test_lost_key_is_a_problem_and_none_is_made(used):
    (used.data_dir / "secrets.key").unlink()
    found = await examined(used)
    assert found["keys"].status == "problem"
    assert not (used.data_dir / "secrets.key").exists()


async def test_exposed_key_is_a_problem(used):
    (used.data_dir / "secrets.key").chmod(0o644)
    found = await examined(used)
    assert {found["keys"].status, found["private files"].status} == {"problem"}


async def test_newer_database_is_not_opened(used):
    with sqlite3.connect(used.data_dir / "isp-plugins.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE system_metadata SET value = '9999' WHERE name = 'compatible_from'")
    connection.close()
    found = await examined(used)
    assert found["schema"].status == "problem"
    assert found["write latency"].status == "unknown"


async def test_running_server_refuses_another_look(own):
    async with PluginSystem.open(own):
        with pytest.raises(DataDirectoryInUseError):
            await examine_offline(own, SystemClock())


async def test_unreachable_postgresql_is_a_finding(own, tmp_path):
    url = "postgresql://nobody@127.0.0.1:9/none"
    settings = Settings(data_dir=tmp_path, database_url=url, secret_keys=new_key())
    assert (await examined(settings))["database"].status == "problem"
