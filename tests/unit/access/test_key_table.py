"""Recognising tokens from memory."""

from datetime import timedelta

import pytest

from isp_plugins.access import ExpiredKeyError, MissingKeyError, RevokedKeyError, Scope, UnknownKeyError
from isp_plugins.access.key_table import SOURCES_KEPT, KeyTable, table_of
from isp_plugins.access.tokens import hash_of
from isp_plugins.db.tables import ApiKey, Role
from isp_plugins.testing import FakeClock

TOKEN = "isp_" + "a" * 43


def table(**changes: object) -> KeyTable:
    values = {
        "id": 7,
        "name": "ada",
        "token_hash": hash_of(TOKEN),
        "token_hint": "isp_aaaaaa",
        "role": "viewer",
    }
    return table_of([ApiKey(**(values | changes))], [], "1")


def test_a_known_token_gives_its_key(clock: FakeClock) -> None:
    principal = table().find(TOKEN, clock).principal("192.0.2.1")
    assert (principal.actor.id, principal.actor.name, principal.actor.source) == ("7", "ada", "192.0.2.1")


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_is_a_missing_key(clock: FakeClock, token: str | None) -> None:
    with pytest.raises(MissingKeyError):
        table().find(token, clock)


@pytest.mark.parametrize(
    "token", ["isp_", TOKEN[:-1], TOKEN + "a", TOKEN.upper(), "\ud800", "\x00", "x" * 1_000_000]
)
def test_any_other_token_is_unknown(clock: FakeClock, token: str) -> None:
    with pytest.raises(UnknownKeyError):
        table().find(token, clock)


def test_expired_key_is_rejected(clock: FakeClock) -> None:
    keys = table(expires_at=clock.now() + timedelta(seconds=1))
    keys.find(TOKEN, clock)
    clock.advance(1)
    with pytest.raises(ExpiredKeyError, match=r"'ada' \(isp_aaaaaa\.\.\.\) expired at 2030-01-01T00:00:01"):
        keys.find(TOKEN, clock)


def test_revoked_key_is_rejected(clock: FakeClock) -> None:
    with pytest.raises(RevokedKeyError, match="was revoked at 2030"):
        table(revoked_at=clock.now(), expires_at=clock.now()).find(TOKEN, clock)


def test_no_error_repeats_the_token(clock: FakeClock) -> None:
    with pytest.raises(RevokedKeyError) as raised:
        table(revoked_at=clock.now()).find(TOKEN, clock)
    assert TOKEN not in str(raised.value)


def test_a_built_in_role_means_what_this_version_says(clock: FakeClock) -> None:
    edited = Role(name="viewer", scopes=["keys:manage"])
    key = ApiKey(id=1, name="a", token_hash=hash_of(TOKEN), token_hint="", role="viewer")
    assert Scope.KEYS_MANAGE not in table_of([key], [edited], "1").find(TOKEN, clock).scopes


def test_a_role_of_the_operators_own_has_the_scopes_of_its_row(clock: FakeClock) -> None:
    key = ApiKey(id=1, name="a", token_hash=hash_of(TOKEN), token_hint="", role="logger")
    own = Role(name="logger", scopes=["logs:read"])
    assert table_of([key], [own], "1").find(TOKEN, clock).scopes == {Scope.LOGS_READ}


def test_a_limited_admin_cannot_make_keys(clock: FakeClock) -> None:
    assert Scope.KEYS_MANAGE not in table(role="admin", plugins=["a"]).find(TOKEN, clock).scopes


def test_many_sources_do_not_fill_the_memory(clock: FakeClock) -> None:
    key = table().find(TOKEN, clock)
    for number in range(10 * SOURCES_KEPT):
        key.principal(f"source {number}")
    assert len(key._principals) <= SOURCES_KEPT
