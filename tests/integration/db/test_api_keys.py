"""API keys on real databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from isp_plugins.access import (
    ROLES,
    ApiKeys,
    KeyInvalidError,
    KeyNotFoundError,
    KeyStatus,
    RevokedKeyError,
    UnknownKeyError,
)
from isp_plugins.actors import LOCAL
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.db.engine import Database
from isp_plugins.db.tables import ApiKey, Role
from isp_plugins.keyring import KeyRing
from isp_plugins.testing import FakeClock


@pytest.fixture
def audit(database: Database, keyring: KeyRing, clock: FakeClock) -> AuditLog:
    return AuditLog(database, keyring, node="local", clock=clock)


@pytest.fixture
async def keys(database: Database, audit: AuditLog, clock: FakeClock) -> AsyncIterator[ApiKeys]:
    keys = ApiKeys(database, audit, clock=clock)
    await keys.open()
    yield keys
    await keys.close()


async def test_the_seeded_roles_are_those_of_the_code(database: Database) -> None:
    async with database.reading() as session:
        rows = (await session.scalars(select(Role))).all()
    assert {row.name: (set(row.scopes), row.description, row.built_in) for row in rows} == {
        name: (set(role.scopes), role.description, True) for name, role in ROLES.items()
    }


async def test_a_new_key_opens_at_once(keys: ApiKeys) -> None:
    view, token = await keys.create(name="ada", role="operator", actor=LOCAL)
    assert keys.authenticate(token, source=None).actor.id == str(view.id)


async def test_the_token_is_not_in_the_database(keys: ApiKeys, database: Database) -> None:
    _, token = await keys.create(name="ada", role="operator", actor=LOCAL)
    async with database.reading() as session:
        row = (await session.scalars(select(ApiKey))).one()
    assert token not in repr(vars(row))


async def test_a_limited_key_keeps_its_limits(keys: ApiKeys) -> None:
    _, token = await keys.create(
        name="ada", role="operator", actor=LOCAL, plugins=["b", "a", "a"], hooks=["h"]
    )
    principal = keys.authenticate(token, source=None)
    assert (principal.plugins, principal.hooks) == ({"a", "b"}, {"h"})


async def test_a_revoked_key_opens_nothing_from_then_on(keys: ApiKeys) -> None:
    view, token = await keys.create(name="ada", role="operator", actor=LOCAL)
    assert (await keys.revoke(view.id, LOCAL)).status is KeyStatus.REVOKED
    with pytest.raises(RevokedKeyError):
        keys.authenticate(token, source=None)


async def test_revoking_twice_changes_nothing(keys: ApiKeys, clock: FakeClock, audit: AuditLog) -> None:
    view, _ = await keys.create(name="ada", role="operator", actor=LOCAL)
    first = await keys.revoke(view.id, LOCAL)
    clock.advance(60)
    assert (await keys.revoke(view.id, LOCAL)).revoked_at == first.revoked_at
    assert [entry.tag for entry in (await audit.page()).items] == [AuditTag.KEY_REVOKED, AuditTag.KEY_CREATED]


@pytest.mark.parametrize("key_id", [99, 0, -1, 2**31, 2**80])
async def test_a_key_that_is_not_there_cannot_be_revoked(keys: ApiKeys, key_id: int) -> None:
    with pytest.raises(KeyNotFoundError):
        await keys.revoke(key_id, LOCAL)


async def test_a_key_with_mistakes_is_not_made(keys: ApiKeys, audit: AuditLog) -> None:
    with pytest.raises(KeyInvalidError):
        await keys.create(name="", role="root", actor=LOCAL)
    assert (await keys.page()).total == (await audit.page()).total == 0


async def test_another_process_learns_of_changes(
    keys: ApiKeys, database: Database, audit: AuditLog, clock: FakeClock
) -> None:
    elsewhere = ApiKeys(database, audit, clock=clock)
    await elsewhere.open()
    view, token = await keys.create(name="ada", role="operator", actor=LOCAL)
    async with asyncio.timeout(60):
        while not _opens(elsewhere, token):
            await asyncio.sleep(0.01)
    await keys.revoke(view.id, LOCAL)
    async with asyncio.timeout(60):
        while _opens(elsewhere, token):
            await asyncio.sleep(0.01)
    assert not _opens(elsewhere, token)
    await elsewhere.close()


async def test_the_last_use_is_written_in_batches(keys: ApiKeys, clock: FakeClock) -> None:
    _, token = await keys.create(name="ada", role="operator", actor=LOCAL)
    clock.advance(60)
    keys.authenticate(token, source=None)
    (view,) = (await keys.page()).items
    assert view.last_used_at == clock.now()


async def test_a_page_is_filtered_by_role_and_status(keys: ApiKeys, clock: FakeClock) -> None:
    await keys.create(name="a", role="viewer", actor=LOCAL)
    await keys.create(name="b", role="viewer", actor=LOCAL, expires_at=clock.now() + timedelta(seconds=1))
    revoked, _ = await keys.create(name="c", role="operator", actor=LOCAL)
    await keys.revoke(revoked.id, LOCAL)
    clock.advance(1)
    found = {status: [key.name for key in (await keys.page(status=status)).items] for status in KeyStatus}
    assert found == {KeyStatus.ACTIVE: ["a"], KeyStatus.EXPIRED: ["b"], KeyStatus.REVOKED: ["c"]}
    assert [key.name for key in (await keys.page(role="viewer")).items] == ["a", "b"]


async def test_refused_tokens_are_counted_by_source(keys: ApiKeys, audit: AuditLog) -> None:
    for _ in range(3):
        with pytest.raises(UnknownKeyError):
            keys.authenticate("isp_wrong", source="198.51.100.9")
    await audit.flush(everything=True)
    (entry,) = (await audit.page()).items
    assert (entry.subject_id, entry.details["count"]) == ("198.51.100.9", 3)


def _opens(keys: ApiKeys, token: str) -> bool:
    try:
        keys.authenticate(token, source=None)
    except (UnknownKeyError, RevokedKeyError):
        return False
    return True
