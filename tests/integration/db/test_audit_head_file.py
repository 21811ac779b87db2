"""The head file outside the database: what it proves that the database alone cannot."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from isp_plugins.actors import LOCAL
from isp_plugins.audit import AuditLog, AuditTag, FindingKind
from isp_plugins.db.engine import Database
from isp_plugins.keyring import KeyRing
from isp_plugins.testing import FakeClock


class Node:
    """A node that can be stopped, tampered with and started."""

    def __init__(self, url: str, keyring: KeyRing, clock: FakeClock, head_file: Path) -> None:
        self.url, self.keyring, self.clock, self.head_file = url, keyring, clock, head_file

    async def run(self, entries: int) -> None:
        """Start, record so many entries, and stop."""
        database, audit = await self._open()
        await audit.open()
        for _ in range(entries):
            await audit.record_alone(AuditTag.PLUGIN_ENABLED, LOCAL, subject=("plugin", "1"))
        await audit.close()
        await database.close()

    async def findings(self) -> list[tuple[FindingKind, int | None]]:
        database, audit = await self._open()
        report = await audit.verify()
        await database.close()
        return [(finding.kind, finding.sequence) for finding in report.findings]

    async def change(self, *statements: str) -> None:
        database = await Database.open(self.url)
        async with database.transaction() as session:
            for statement in statements:
                await session.execute(text(statement))
        await database.close()

    async def _open(self) -> tuple[Database, AuditLog]:
        database = await Database.open(self.url)
        return database, AuditLog(
            database, self.keyring, node="local", clock=self.clock, head_file=self.head_file
        )


@pytest.fixture
def node(sqlite_url: str, keyring: KeyRing, clock: FakeClock, tmp_path: Path) -> Node:
    return Node(sqlite_url, keyring, clock, tmp_path / "audit.head")


async def test_a_node_in_good_order_is_whole_over_restarts(node: Node) -> None:
    for _ in range(3):
        await node.run(2)
    assert await node.findings() == []
    assert node.head_file.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_lags_behind_is_fine(node: Node) -> None:
    await node.run(2)
    lagging = node.head_file.read_text()
    await node.run(2)
    node.head_file.write_text(lagging)
    assert await node.findings() == []


async def test_a_file_that_is_not_there_yet_is_fine(node: Node) -> None:
    await node.run(2)
    node.head_file.unlink()
    assert await node.findings() == []


async def test_an_older_copy_of_the_database_is_found(node: Node, tmp_path: Path) -> None:
    file = node.url.removeprefix("sqlite:///")
    await node.run(2)
    shutil.copy(file, tmp_path / "older.db")
    await node.run(2)
    shutil.copy(tmp_path / "older.db", file)
    assert await node.findings() == [(FindingKind.CUT_OFF, 3)]


async def test_running_on_an_older_copy_does_not_hide_it(node: Node, tmp_path: Path) -> None:
    file = node.url.removeprefix("sqlite:///")
    await node.run(2)
    shutil.copy(file, tmp_path / "older.db")
    await node.run(2)
    shutil.copy(tmp_path / "older.db", file)
    for _ in range(3):
        await node.run(4)
    assert await node.findings() == [(FindingKind.CUT_OFF, 3)]


async def test_an_emptied_trail_is_found(node: Node) -> None:
    await node.run(2)
    await node.change("DELETE FROM audit_entries", "DELETE FROM audit_heads")
    assert FindingKind.CUT_OFF in {kind for kind, _ in await node.findings()}


@pytest.mark.parametrize("content", ["", "{}", "[]", "nonsense", '{"node": "local"}', "\xff"])
async def test_a_spoiled_file_is_found_and_stays_found(node: Node, content: str) -> None:
    await node.run(2)
    node.head_file.write_text(content, encoding="latin-1")
    assert await node.findings() == [(FindingKind.FILE_EDITED, None)]
    await node.run(1)
    assert await node.findings() == [(FindingKind.CUT_OFF, 3)]


async def test_an_edited_file_is_found(node: Node) -> None:
    await node.run(2)
    node.head_file.write_text(node.head_file.read_text().replace('"count": 2', '"count": 1'))
    assert await node.findings() == [(FindingKind.FILE_EDITED, None)]
