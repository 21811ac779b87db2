"""Consent to what a plugin asks for, and what becomes of what it tries beyond that."""

import pytest

from isp_plugins.operations import OperationState
from isp_plugins.runtime.errors import ExecutionFailedError
from support.packages import package

ASKS = {"network": ["mail.example.com:587"], "host_calls": ["storage"], "processes": True}
SOURCE = """
import socket
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def keep(self):
        self.context.set("key", 1)
        return self.context.get("key")

    def connect(self):
        socket.create_connection(("192.0.2.1", 25), 5)
"""


async def test_plugin_that_asks_for_nothing_needs_no_consent(bench):
    assert (await bench.install()).state is OperationState.SUCCEEDED


async def test_plugin_that_asks_for_something_waits_for_consent_and_shows_it(bench):
    ended = await bench.install(package(bench.folder, grants=ASKS))
    assert ended.error["problem"] == "grants-not-accepted"
    assert [mistake["path"] for mistake in ended.error["errors"]] == [
        "grants.network",
        "grants.host_calls",
        "grants.processes",
    ]
    assert "mail.example.com:587" in ended.error["detail"]
    assert "weaker" in ended.error["errors"][2]["message"]
    assert bench.system.directory.find("sample") is None


async def test_accepted_grants_are_in_the_audit_trail(bench):
    ended = await bench.install(package(bench.folder, grants=ASKS), accept_grants=True)
    assert ended.state is OperationState.SUCCEEDED
    page = await bench.system.audit.page()
    (entry,) = [entry for entry in page.items if entry.tag == "plugin.installed"]
    assert entry.details["grants"] == ASKS


async def test_grant_that_no_plugin_can_have_is_refused_even_if_accepted(bench):
    data = str(bench.system.settings.data_dir.absolute())
    file = package(bench.folder, grants={"files": {"read": [data]}})
    ended = await bench.install(file, accept_grants=True)
    assert ended.error["problem"] == "grants-impossible"
    assert "data directory" in ended.error["detail"]


async def test_what_is_not_granted_is_denied_counted_and_audited(bench):
    await bench.install(package(bench.folder, source=SOURCE), auto_enable=True)
    system, record = bench.system, bench.system.directory.by_name("sample")
    for _ in range(3):
        with pytest.raises(ExecutionFailedError, match="not granted"):
            await system.manager.execute(record.id, "keep", None, bench.actor)
    with pytest.raises(ExecutionFailedError, match=r"192\.0\.2\.1:25"):
        await system.manager.execute(record.id, "connect", None, bench.actor)
    assert system.denials.counts == {("sample", "host_call"): 3, ("sample", "connect"): 1}
    await system.audit.flush(everything=True)
    page = await system.audit.page()
    told = {
        entry.details["what"]: (entry.outcome, entry.details["count"], entry.details["grant"])
        for entry in page.items
        if entry.tag == "grant.denied"
    }
    assert told == {
        "storage": ("refused", 3, 'host_calls = ["storage"]'),
        "192.0.2.1:25": ("refused", 1, 'network = ["192.0.2.1:25"]'),
    }


async def test_what_holds_of_the_sandbox_is_told_with_the_health(bench):
    await bench.install(auto_enable=True)
    record = bench.system.directory.by_name("sample")
    report = bench.system.manager.last_health(record.id).to_dict()
    assert report["sandbox"]["level"] in {"full", "partial"}
    assert "system calls" in report["sandbox"]["holds"]


async def test_folder_of_its_own_goes_with_the_plugin(bench):
    await bench.install(auto_enable=True)
    folders = bench.system.settings.data_dir / "workers"
    assert [folder.name for folder in folders.iterdir()] == [str(bench.system.directory.by_name("sample").id)]
    await bench.uninstall()
    assert [*folders.iterdir()] == []
