"""A backup of a running system, and an installation made of it: whole, verified, and going on where it was."""

import contextlib
import json
import shutil
import signal
import sqlite3
import stat
import subprocess
import tarfile

import pytest

from isp_plugins.actors import HOST
from isp_plugins.audit import AuditTag
from isp_plugins.clock import SystemClock
from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.errors import DataDirectoryUnusableError
from isp_plugins.keyring import KeysMissingError
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.operations import OperationState
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from isp_plugins.system.backup import back_up, restore
from isp_plugins.system.backup.contents import (
    BackupDamagedError,
    BackupTargetError,
    BackupUnreadableError,
    RestoreTargetError,
)
from support.forked import Forked
from support.installing import index, plugin
from support.waiting import until

pytestmark = pytest.mark.timeout(300)
BUSY = """
import os
from app.services.plugin_service import PluginInterface

class Plugin(PluginInterface):
    def pid(self):
        return os.getpid()
"""
SOURCE = """
from pathlib import Path

from isp_plugin_sdk import event
from app.services.plugin_service import PluginInterface

class Plugin(PluginInterface):
    @event("invoice_paid")
    def book(self, invoice):
        with Path(self.config["book"]).open("a") as book:
            book.write(f"{invoice['id']} {self.context.idempotency_key}\\n")
"""
REGISTRATION = {
    "name": "booker",
    "version": "1.0.0",
    "plugin_type": "BILLING",
    "module_path": "plugins.booker",
    "entry_point": "Plugin",
    "config_schema": {
        "book": {"type": "string", "required": True},
        "password": {"type": "string", "encrypted": True},
    },
}


def settings_of(folder, **fields):
    return Settings(data_dir=folder, package_offline="yes", **fields)


async def register(system, book):
    """The plugin that writes down which events it gets; its id."""
    folder = system.settings.data_dir / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "booker.py").write_text(SOURCE)
    record = await system.manager.register(PluginDraft.of(REGISTRATION), HOST)
    values = {"book": SetValue(str(book)), "password": SetValue("hush")}
    await system.manager.configure(record.id, ConfigChange(set=values), HOST)
    await system.manager.enable(record.id, HOST)
    return record.id


async def dispatch(system, *numbers):
    for number in numbers:
        await system.dispatch("invoice_paid", {"id": number, "customer_id": 1, "amount": "1.00"})


def delivered(book):
    """Idempotency keys by invoice, in order."""
    found = {}
    for line in book.read_text().splitlines() if book.exists() else []:
        number, key = line.split()
        found.setdefault(int(number), []).append(key)
    return found


def save(settings, target, *, with_key=True):
    return back_up(settings, target, with_key=with_key, clock=SystemClock())


@pytest.mark.parametrize("how", ["restored", "copied"])
async def test_trying_a_backup_beside_the_running_system_leaves_its_workers_alone(tmp_path, how):
    """A host ends what workers of its data directory left behind as it starts; a copy's host knows nothing of these."""
    old = settings_of(tmp_path / "old", worker_handshake_timeout=60, load_timeout=60, initialize_timeout=60)
    new = settings_of(tmp_path / "new")
    async with PluginSystem.open(old) as system:
        (old.data_dir / "plugins").mkdir()
        (old.data_dir / "plugins" / "busy.py").write_text(BUSY)
        changes = {"name": "busy", "module_path": "plugins.busy", "runtime": "process", "config_schema": {}}
        record = await system.manager.register(PluginDraft.of(REGISTRATION | changes), HOST)
        await system.manager.enable(record.id, HOST)
        before = (await system.manager.execute(record.id, "pid", None, HOST)).value
        if how == "restored":
            save(old, tmp_path / "copy")
            assert not (tmp_path / "copy" / "workers.brand").exists()
            await restore(new, tmp_path / "copy")
        else:
            new.data_dir.mkdir()
            shutil.copy2(old.data_dir / "workers.brand", new.data_dir)
            async with PluginSystem.open(new):
                pass
        assert (await system.manager.execute(record.id, "pid", None, HOST)).value == before


@pytest.mark.parametrize("name", ["copy", "copy.tar", "copy.tar.gz"])
async def test_restored_system_has_everything(name, tmp_path):
    old, new, book = settings_of(tmp_path / "old"), settings_of(tmp_path / "new"), tmp_path / "book"
    async with PluginSystem.open(old) as system:
        await register(system, book)
        made = save(old, tmp_path / name)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0
    for private in ("database.db", "secrets.key"):
        assert mode_in(tmp_path / name, private) == 0o600
    assert made["missing"] == []
    came = await restore(new, tmp_path / name)
    assert came["audit"]["intact"], came
    assert came["unreadable_secrets"] == []
    for private in ("isp-plugins.db", "secrets.key"):
        assert stat.S_IMODE((new.data_dir / private).stat().st_mode) == 0o600
    async with PluginSystem.open(new) as system:
        assert system.directory.by_name("booker").state is State.ACTIVE
        assert (await system.audit.verify()).ok
        tags = [entry.tag for entry in (await system.audit.page()).items]
        assert AuditTag.BACKUP_RESTORED in tags


async def test_what_is_delivered_again_after_a_restore_has_its_old_key(tmp_path):
    """The backup is an hour old: events that it holds come again, those after it are gone, and nobody's key is taken by another event."""
    old, new, book = settings_of(tmp_path / "old"), settings_of(tmp_path / "new"), tmp_path / "book"
    async with PluginSystem.open(old) as system:
        plugin_id = await register(system, book)
        await dispatch(system, 1, 2)
        await until(lambda: list(delivered(book)) == [1, 2])
        (lag,) = await system.event_reader.lag(plugin_id)
        await system.event_operator.pause(lag.subscription_id, HOST)
        await dispatch(system, 3, 4)
        save(old, tmp_path / "copy")
        await system.event_operator.resume(lag.subscription_id, HOST)
        await dispatch(system, 5, 6)
        await until(lambda: list(delivered(book)) == [1, 2, 3, 4, 5, 6])
    before = delivered(book)
    book.unlink()
    await restore(new, tmp_path / "copy")
    async with PluginSystem.open(new) as system:
        await system.event_operator.resume(lag.subscription_id, HOST)
        await dispatch(system, 7, 8)
        await until(lambda: list(delivered(book))[-2:] == [7, 8])
        (after,) = await system.event_reader.lag(plugin_id)
        await until(lambda: _is_settled(system, plugin_id))
    again = delivered(book)
    assert list(again) == [3, 4, 7, 8]
    assert {number: again[number] for number in (3, 4)} == {number: before[number] for number in (3, 4)}
    keys = [key for found in (*before.values(), *again.values()) for key in found]
    assert len(set(keys)) == 8, "an event of the new time never has the key of a lost one"
    assert after.subscription_id == lag.subscription_id


async def _is_settled(system, plugin_id):
    (lag,) = await system.event_reader.lag(plugin_id)
    return lag.waiting == 0


async def test_installed_plugin_comes_back_without_any_network(tmp_path):
    links = index(tmp_path / "links")
    old = settings_of(tmp_path / "old", package_find_links=str(links))
    wheel = plugin(tmp_path / "wheels", "sample")
    source = Source(SourceKind.UPLOAD, str(wheel), name=wheel.name)
    order = InstallOrder(source_type=SourceType.UPLOAD, source=source, accept_grants=True, auto_enable=True)
    async with PluginSystem.open(old) as system:
        begun = await system.installer.begin(order, HOST)
        ended = await system.operations.wait(begun.id, 120)
        assert ended.state is OperationState.SUCCEEDED, ended.error
        save(old, tmp_path / "copy")
    shutil.rmtree(old.data_dir)
    links.rename(tmp_path / "gone")
    assert not (tmp_path / "copy" / "environments").exists()
    new = settings_of(tmp_path / "new")
    await restore(new, tmp_path / "copy")
    async with PluginSystem.open(new) as system:
        record = system.directory.by_name("sample")
        assert record.state is State.ACTIVE, record.cause
        assert (await system.manager.execute(record.id, "version", None, HOST)).value == "2.0"


async def test_key_that_was_kept_apart_is_given_at_the_restore(tmp_path):
    old, new = settings_of(tmp_path / "old"), settings_of(tmp_path / "new")
    async with PluginSystem.open(old) as system:
        await register(system, tmp_path / "book")
        made = save(old, tmp_path / "copy", with_key=False)
    assert not made["with_key"]
    assert not (tmp_path / "copy" / "secrets.key").exists()
    with pytest.raises(KeysMissingError, match="restore again with --key FILE"):
        await restore(settings_of(tmp_path / "without"), tmp_path / "copy")
    came = await restore(new, tmp_path / "copy", key=old.data_dir / "secrets.key")
    assert came["unreadable_secrets"] == []


async def empty_backup(tmp_path):
    old = settings_of(tmp_path / "old")
    async with PluginSystem.open(old, start_plugins=False):
        save(old, tmp_path / "copy")
    return tmp_path / "copy"


async def test_damaged_backup_is_refused_before_anything_is_written(tmp_path):
    copy = await empty_backup(tmp_path)
    (copy / "database.db").write_bytes(b"not what was written")
    with pytest.raises(BackupDamagedError, match=r"database\.db is not what was written"):
        await restore(settings_of(tmp_path / "new"), copy)
    assert not (tmp_path / "new").exists()


async def test_path_that_climbs_out_of_a_backup_is_refused(tmp_path):
    copy = await empty_backup(tmp_path)
    listed = json.loads((copy / "backup.json").read_text())
    listed["files"]["../old/secrets.key"] = "0" * 64
    (copy / "backup.json").write_text(json.dumps(listed))
    with pytest.raises(BackupDamagedError, match="lies outside"):
        await restore(settings_of(tmp_path / "new"), copy)


async def test_nothing_is_overwritten(tmp_path):
    copy = await empty_backup(tmp_path)
    with pytest.raises(BackupTargetError, match="already"):
        save(settings_of(tmp_path / "old"), copy)
    with pytest.raises(RestoreTargetError, match="something in it"):
        await restore(settings_of(tmp_path / "old"), copy)


async def test_what_is_no_backup_is_told(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.tar").write_bytes(b"nothing")
    for name in ("folder", "file.tar"):
        with pytest.raises(BackupUnreadableError):
            await restore(settings_of(tmp_path / "new"), tmp_path / name)


async def test_no_host_starts_on_a_restore_that_was_killed(tmp_path):
    copy = await empty_backup(tmp_path)
    new = settings_of(tmp_path / "new")
    await restore(new, copy)
    (new.data_dir / ".restoring").mkdir()
    with pytest.raises(DataDirectoryUnusableError, match="not restored to its end"):
        async with PluginSystem.open(new, start_plugins=False):
            pass


async def test_restore_that_is_killed_at_any_moment_is_whole_or_starts_nowhere(tmp_path):
    """Killed (-9) ever later, until one comes to its end: before that no host starts on what it left, and emptied it can be restored."""
    copy, new = await empty_backup(tmp_path), settings_of(tmp_path / "new")
    restoring = (
        "import asyncio, sys; from pathlib import Path; from isp_plugins.settings import Settings; from isp_plugins.system.backup import restore; "
        "print('begun', flush=True); asyncio.run(restore(Settings(data_dir=Path(sys.argv[1])), Path(sys.argv[2])))"
    )
    killed, wait_s = 0, 0.002
    while True:
        with Forked("-c", restoring, new.data_dir, copy, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == "begun\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(wait_s)
            child.kill()
            code = child.wait()
        files = {path.name for path in new.data_dir.iterdir()} if new.data_dir.exists() else set()
        if code == 0 or (
            files and ".restoring" not in files
        ):  # it came to its end, and was killed after that
            break
        assert code == -signal.SIGKILL
        killed += 1
        wait_s *= 1.6
        if files:
            with pytest.raises(DataDirectoryUnusableError, match="not restored to its end"):
                async with PluginSystem.open(new, start_plugins=False):
                    pass
            shutil.rmtree(new.data_dir)
    assert killed >= 3
    async with PluginSystem.open(new, start_plugins=False) as system:
        tags = [entry.tag for entry in (await system.audit.page()).items]
    assert tags.count(AuditTag.BACKUP_RESTORED) == 1


async def test_failed_backup_leaves_nothing(tmp_path):
    old = settings_of(tmp_path / "old")
    old.data_dir.mkdir()
    with pytest.raises(BackupTargetError, match="no database"):
        save(old, tmp_path / "copies" / "copy")
    assert not list((tmp_path / "copies").iterdir())


async def test_database_of_a_backup_is_whole_and_needs_no_other_file(tmp_path):
    copy = await empty_backup(tmp_path)
    with sqlite3.connect(f"file:{copy / 'database.db'}?mode=ro&immutable=1", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    assert not list(copy.glob("database.db-*"))


def mode_in(backup, name):
    """The mode of a file of a backup, as whoever unpacks it gets it."""
    if backup.is_dir():
        return stat.S_IMODE((backup / name).stat().st_mode)
    with tarfile.open(backup) as archive:
        return archive.getmember(name).mode
