"""Configuration on real databases: stored, shown, versioned, rolled back, rotated, conflicting."""

import asyncio
import base64

import pytest
from sqlalchemy import text

from isp_plugins.actors import SYSTEM, Actor, ActorType
from isp_plugins.configuration import (
    MASK,
    ConfigChange,
    ConfigSchema,
    ConfigurationConflictError,
    ConfigurationIncompleteError,
    ConfigurationInvalidError,
    ConfigurationService,
    ConfigurationValueNotFoundError,
    ConfigurationVersionNotFoundError,
    ConfiguredPluginGoneError,
    SetValue,
    Source,
    ciphertext_exists,
)
from isp_plugins.keyring import KeyRing, SecretUnreadableError, new_key
from support.rows import add_plugin

SCHEMA = ConfigSchema.of(
    {
        "host": {"type": "string", "required": True, "description": "Where the mail goes"},
        "port": {"type": "integer", "default": 587},
        "password": {"type": "string", "required": True, "encrypted": True},
    }
)
PASSWORD = "correct-horse-battery"
OPERATOR = Actor(ActorType.API_KEY, "7", "billing")


@pytest.fixture
def service(database, keyring, clock):
    return ConfigurationService(database, keyring, clock=clock)


@pytest.fixture
async def plugin_id(database):
    return await add_plugin(database)


async def save(service, database, plugin_id, schema=SCHEMA, actor=SYSTEM, **values):
    change = ConfigChange(set={key: SetValue(value) for key, value in values.items()})
    return await apply(service, database, plugin_id, change, schema, actor)


async def apply(service, database, plugin_id, change, schema=SCHEMA, actor=SYSTEM):
    candidate = await service.plan(plugin_id, schema, change)
    async with database.transaction() as session:
        return await service.save(session, candidate, actor)


async def dump(database):
    async with database.reading() as session:
        tables = ("plugin_configurations", "configuration_versions")
        return str([(await session.execute(text(f"SELECT * FROM {table}"))).all() for table in tables])


def by_key(entries):
    return {entry.key: entry for entry in entries}


async def test_every_key_of_the_schema_is_shown_stored_or_not(service, database, plugin_id):
    await save(service, database, plugin_id, host="h")
    shown = by_key(await service.entries(plugin_id, SCHEMA))
    assert [(key, entry.value, entry.source) for key, entry in shown.items()] == [
        ("host", "h", Source.STORED),
        ("port", 587, Source.DEFAULT),
        ("password", None, Source.MISSING),
    ]
    assert shown["port"].id is None
    assert shown["host"].description == "Where the mail goes"


async def test_an_entry_says_who_and_when_and_which_version(service, database, plugin_id, clock):
    await save(service, database, plugin_id, actor=OPERATOR, host="h")
    entry = by_key(await service.entries(plugin_id, SCHEMA))["host"]
    assert (entry.version, entry.updated_at, entry.updated_by) == (1, clock.now(), "api_key 7: billing")


async def test_a_secret_is_masked_and_encrypted_at_rest(service, database, plugin_id):
    await save(service, database, plugin_id, host="h", password=PASSWORD)
    shown = by_key(await service.entries(plugin_id, SCHEMA))["password"]
    assert (shown.value, shown.is_encrypted) == (MASK, True)
    assert PASSWORD not in await dump(database)


async def test_the_resolved_configuration_is_decrypted_with_defaults(service, database, plugin_id):
    await save(service, database, plugin_id, host="h", password=PASSWORD)
    assert await service.resolved(plugin_id, SCHEMA) == {"host": "h", "port": 587, "password": PASSWORD}


async def test_an_incomplete_configuration_is_not_resolved(service, database, plugin_id):
    await save(service, database, plugin_id, host="h")
    with pytest.raises(ConfigurationIncompleteError, match="password") as refused:
        await service.resolved(plugin_id, SCHEMA)
    assert [mistake["path"] for mistake in refused.value.details] == ["password"]


async def test_a_candidate_writes_nothing(service, database, plugin_id):
    await service.plan(plugin_id, SCHEMA, ConfigChange(set={"host": SetValue("h")}))
    assert await service.versions(plugin_id) == []


async def test_an_incomplete_candidate_says_so(service, plugin_id):
    candidate = await service.plan(plugin_id, SCHEMA, ConfigChange(set={"host": SetValue("h")}))
    assert candidate.missing_required == ("password",)
    with pytest.raises(ConfigurationIncompleteError):
        candidate.require_complete()


async def test_a_candidate_is_refused_when_somebody_was_faster(service, database, plugin_id):
    slow = await service.plan(plugin_id, SCHEMA, ConfigChange(set={"port": SetValue(25)}))
    await save(service, database, plugin_id, port=26)
    with pytest.raises(ConfigurationConflictError, match="version 0, the present one is 1"):
        async with database.transaction() as session:
            await service.save(session, slow, SYSTEM)
    assert by_key(await service.entries(plugin_id, SCHEMA))["port"].value == 26


async def test_of_many_changes_at_once_one_wins(service, database, plugin_id):
    plans = [
        await service.plan(plugin_id, SCHEMA, ConfigChange(set={"port": SetValue(n)})) for n in range(1, 6)
    ]

    async def try_to_save(candidate):
        async with database.transaction() as session:
            return await service.save(session, candidate, SYSTEM)

    results = await asyncio.gather(*map(try_to_save, plans), return_exceptions=True)
    assert sorted(str(it) if isinstance(it, int) else type(it).__name__ for it in results) == [
        "1",
        *["ConfigurationConflictError"] * 4,
    ]


async def test_a_change_that_changes_nothing_makes_no_version(service, database, plugin_id):
    assert await save(service, database, plugin_id, host="h", password=PASSWORD) == 1
    assert await save(service, database, plugin_id, host="h", password=PASSWORD) == 1
    assert len(await service.versions(plugin_id)) == 1


async def test_a_deleted_plugin_cannot_be_configured(service, database, plugin_id):
    candidate = await service.plan(plugin_id, SCHEMA, ConfigChange(set={"port": SetValue(1)}))
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM plugins"))
    with pytest.raises(ConfiguredPluginGoneError):
        async with database.transaction() as session:
            await service.save(session, candidate, SYSTEM)


async def test_a_value_is_removed(service, database, plugin_id):
    await save(service, database, plugin_id, host="h", port=25)
    assert await apply(service, database, plugin_id, ConfigChange(remove=["port"])) == 2
    assert by_key(await service.entries(plugin_id, SCHEMA))["port"].source is Source.DEFAULT


async def test_a_row_is_found_by_its_id(service, database, plugin_id):
    await save(service, database, plugin_id, host="h", port=25)
    entry = by_key(await service.entries(plugin_id, SCHEMA))["port"]
    assert await service.key_of(plugin_id, entry.id) == "port"
    with pytest.raises(ConfigurationValueNotFoundError):
        await service.key_of(plugin_id + 1, entry.id)


async def test_versions_tell_who_when_and_what(service, database, plugin_id, clock):
    await save(service, database, plugin_id, host="h")
    clock.advance(60)
    await save(service, database, plugin_id, actor=OPERATOR, password=PASSWORD)
    newest, oldest = await service.versions(plugin_id, SCHEMA)
    assert (newest.version, newest.created_by, newest.changed_keys) == (
        2,
        "api_key 7: billing",
        ("password",),
    )
    assert newest.values == {"host": "h", "password": MASK}
    assert (newest.created_at - oldest.created_at).total_seconds() == 60


async def test_versions_show_no_values_without_a_schema(service, database, plugin_id):
    await save(service, database, plugin_id, host="h")
    (version,) = await service.versions(plugin_id)
    assert (version.keys, version.values) == (("host",), {})


async def test_a_rollback_is_a_new_version_with_the_old_content(service, database, plugin_id):
    await save(service, database, plugin_id, host="h", password=PASSWORD)
    await save(service, database, plugin_id, host="g", password="another-password", port=25)
    assert await apply(service, database, plugin_id, ConfigChange(rollback_to=1)) == 3
    assert await service.resolved(plugin_id, SCHEMA) == {"host": "h", "port": 587, "password": PASSWORD}
    assert (await service.versions(plugin_id))[0].note == "rollback to version 1"


@pytest.mark.parametrize("version", [-1, 0, 2, 2**70])
async def test_a_rollback_to_what_never_was_is_not_found(service, database, plugin_id, version):
    await save(service, database, plugin_id, host="h")
    with pytest.raises(ConfigurationVersionNotFoundError):
        await service.plan(plugin_id, SCHEMA, ConfigChange(rollback_to=version))


async def test_a_rollback_stands_alone(service, database, plugin_id):
    await save(service, database, plugin_id, host="h")
    with pytest.raises(ConfigurationInvalidError, match="stands alone"):
        await service.plan(plugin_id, SCHEMA, ConfigChange(rollback_to=1, set={"port": SetValue(1)}))


async def test_a_rollback_to_what_the_schema_no_longer_takes_is_refused(service, database, plugin_id):
    await save(service, database, plugin_id, host="h")
    await save(service, database, plugin_id, host="g")
    stricter = ConfigSchema.of({"host": {"type": "string", "enum": ["g"]}})
    with pytest.raises(ConfigurationInvalidError, match="host"):
        await service.plan(plugin_id, stricter, ConfigChange(rollback_to=1))


async def test_a_moved_ciphertext_is_not_handed_to_another_plugin(service, database, plugin_id):
    other = await add_plugin(database, "thief")
    await save(service, database, plugin_id, host="h", password=PASSWORD)
    async with database.transaction() as session:
        await session.execute(text("UPDATE plugin_configurations SET plugin_id = :other"), {"other": other})
    with pytest.raises(SecretUnreadableError, match="moved"):
        await service.resolved(other, SCHEMA)


async def test_with_a_wrong_key_only_plugins_with_secrets_fail(service, database, plugin_id, clock):
    plain = await add_plugin(database, "plain")
    await save(service, database, plugin_id, host="h", password=PASSWORD)
    await save(service, database, plain, ConfigSchema.of({}), color="red")
    lost = ConfigurationService(database, KeyRing.parse(new_key()), clock=clock)
    assert await lost.resolved(plain, ConfigSchema.of({})) == {"color": "red"}
    with pytest.raises(SecretUnreadableError, match=r"\(password\).*not in the key ring"):
        await lost.resolved(plugin_id, SCHEMA)


async def test_with_a_wrong_key_entries_are_still_shown(service, database, plugin_id, clock):
    await save(service, database, plugin_id, host="h", password=PASSWORD)
    lost = ConfigurationService(database, KeyRing.parse(new_key()), clock=clock)
    assert by_key(await lost.entries(plugin_id, SCHEMA))["password"].value == MASK


async def test_with_a_wrong_key_secrets_can_be_set_anew_one_by_one(service, database, plugin_id, clock):
    schema = ConfigSchema.of({key: {"type": "string", "encrypted": True} for key in ("a", "b")})
    await save(service, database, plugin_id, schema, a="first-secret", b="second-secret")
    lost = ConfigurationService(database, KeyRing.parse(new_key()), clock=clock)
    candidate = await lost.plan(plugin_id, schema, ConfigChange(set={"a": SetValue("again")}))
    assert candidate.unreadable == ("b",)
    with pytest.raises(SecretUnreadableError):
        candidate.require_complete()
    await save(lost, database, plugin_id, schema, a="again")
    await save(lost, database, plugin_id, schema, b="too")
    assert await lost.resolved(plugin_id, schema) == {"a": "again", "b": "too"}


async def test_rotation_renews_present_and_past_secrets(database, plugin_id, clock):
    old, new = new_key(), new_key()
    service = ConfigurationService(database, KeyRing.parse(old), clock=clock)
    await save(service, database, plugin_id, host="h", password=PASSWORD)
    await save(service, database, plugin_id, password="another-password")
    both = ConfigurationService(database, KeyRing.parse(f"{new},{old}"), clock=clock)
    async with database.transaction() as session:
        assert await both.rotate(session) == 3
        assert await both.rotate(session) == 0
    only_new = ConfigurationService(database, KeyRing.parse(new), clock=clock)
    await apply(only_new, database, plugin_id, ConfigChange(rollback_to=1))
    assert (await only_new.resolved(plugin_id, SCHEMA))["password"] == PASSWORD


async def test_rotation_leaves_and_reports_what_it_cannot_read(service, database, plugin_id, clock):
    await save(service, database, plugin_id, host="h", password=PASSWORD)
    lost = ConfigurationService(database, KeyRing.parse(new_key()), clock=clock)
    async with database.transaction() as session:
        rotation = await lost.rotate_all(session)
    assert (rotation.rotated, rotation.unreadable) == (0, ((plugin_id, "password"),))
    assert (await service.resolved(plugin_id, SCHEMA))["password"] == PASSWORD


async def test_a_schema_that_calls_a_value_secret_later_hides_it_at_once(service, database, plugin_id):
    await save(service, database, plugin_id, ConfigSchema.of({}), password=PASSWORD)
    assert by_key(await service.entries(plugin_id, SCHEMA))["password"].value == MASK
    (version,) = await service.versions(plugin_id, SCHEMA)
    assert version.values == {"password": MASK}


async def test_protecting_encrypts_what_was_kept_in_clear_and_its_versions(service, database, plugin_id):
    await save(service, database, plugin_id, ConfigSchema.of({}), password=PASSWORD, host="h")
    async with database.transaction() as session:
        assert await service.protect(session, plugin_id, SCHEMA) == 2
    assert PASSWORD not in await dump(database)
    assert (await service.resolved(plugin_id, SCHEMA))["password"] == PASSWORD


async def test_secret_values_are_known_for_masking(service, database, plugin_id):
    schema = ConfigSchema.of(
        {
            "login": {"type": "object", "encrypted": True},
            "name": {"type": "string"},
            "pin": {"type": "string", "encrypted": True, "default": "31415"},
        }
    )
    await save(
        service, database, plugin_id, schema, login={"user": "ada", "codes": [123456, True]}, name="public"
    )
    assert await service.secret_values(plugin_id, schema) == {"ada", "123456", "31415"}


async def test_ciphertext_is_found_in_present_and_past(service, database, plugin_id):
    assert not await ciphertext_exists(database)
    decoy = {"ciphertext": base64.b64encode(b"x").decode()}
    await save(service, database, plugin_id, ConfigSchema.of({}), decoy=decoy)
    assert not await ciphertext_exists(database)
    await save(
        service,
        database,
        plugin_id,
        ConfigSchema.of({"password": {"type": "string", "encrypted": True}}),
        password=PASSWORD,
    )
    assert await ciphertext_exists(database)
    await apply(service, database, plugin_id, ConfigChange(remove=["password"]))
    assert await ciphertext_exists(database)


async def test_json_values_survive_the_database(service, database, plugin_id):
    schema = ConfigSchema.of({})
    values = {
        "null": None,
        "list": [1, 2.5, "x", {"a": None}],
        "empty": {},
        "text": "ünïcode 😀",
        "false": False,
        "big": 2**63 - 1,
    }
    await save(service, database, plugin_id, schema, **values)
    assert await service.resolved(plugin_id, schema) == values


async def test_a_rollback_keeps_what_the_schema_no_longer_names_from_the_plugin(service, database, plugin_id):
    await save(service, database, plugin_id, ConfigSchema.of({}), host="h", old=1, password=PASSWORD)
    await save(service, database, plugin_id, host="g")
    await apply(service, database, plugin_id, ConfigChange(rollback_to=1))
    assert await service.resolved(plugin_id, SCHEMA) == {"host": "h", "port": 587, "password": PASSWORD}
