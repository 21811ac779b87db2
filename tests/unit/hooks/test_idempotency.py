"""Repeated dispatches return the stored result."""

import pytest

from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.hooks.errors import (
    DispatchInProgressError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
)
from isp_plugins.hooks.idempotency import CLEANUP_S, MAX_KEY, RELEASE_S, IdempotencyStore, digest_of
from support.unreliable import SwitchedDatabase
from support.waiting import until

HOOK = "customer_created"
DIGEST = digest_of(HOOK, {"id": 1})
OTHER = digest_of(HOOK, {"id": 2})
RESULT = {"status": "completed", "value": {"id": 1}}


@pytest.fixture
def store(sqlite_database, clock):
    return IdempotencyStore(sqlite_database, clock=clock, hours=24)


async def finished(store, key="k", caller="1"):
    claim = await store.claim(caller, key, HOOK, DIGEST)
    await store.finish(claim, RESULT)
    return claim


async def test_first_claim_is_fresh(store):
    assert (await store.claim("1", "k", HOOK, DIGEST)).stored is None


async def test_repeat_gets_the_stored_result(store):
    await finished(store)
    assert (await store.claim("1", "k", HOOK, DIGEST)).stored == RESULT


async def test_repeat_beside_the_running_first_is_refused(store):
    await store.claim("1", "k", HOOK, DIGEST)
    with pytest.raises(DispatchInProgressError):
        await store.claim("1", "k", HOOK, DIGEST)


@pytest.mark.parametrize(("hook", "digest"), [(HOOK, OTHER), ("customer_updated", DIGEST)])
async def test_same_key_for_another_dispatch_is_refused(store, hook, digest):
    await finished(store)
    with pytest.raises(IdempotencyKeyReusedError):
        await store.claim("1", "k", hook, digest)


async def test_keys_of_two_callers_are_apart(store):
    await finished(store)
    assert (await store.claim("2", "k", HOOK, OTHER)).stored is None


async def test_result_is_kept_for_its_hours(store, clock):
    await finished(store)
    clock.advance(24 * 3600 - 1)
    assert (await store.claim("1", "k", HOOK, DIGEST)).stored == RESULT
    clock.advance(1)
    assert (await store.claim("1", "k", HOOK, OTHER)).stored is None


async def test_dispatch_that_raised_frees_its_key(store):
    async def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.once("1", "k", HOOK, DIGEST, fail)
    assert (await store.claim("1", "k", HOOK, DIGEST)).stored is None


async def test_once_runs_once(store):
    runs = []

    async def dispatch():
        runs.append(1)
        return RESULT

    assert await store.once("1", "k", HOOK, DIGEST, dispatch) == (RESULT, False)
    assert await store.once("1", "k", HOOK, DIGEST, dispatch) == (RESULT, True)
    assert runs == [1]


async def test_claim_of_a_dead_host_is_released_after_its_bound(store, clock):
    await store.claim("1", "k", HOOK, DIGEST)
    clock.advance(RELEASE_S - 1)
    with pytest.raises(DispatchInProgressError):
        await store.claim("1", "k", HOOK, DIGEST)
    clock.advance(1)
    assert (await store.claim("1", "k", HOOK, DIGEST)).stored is None


async def test_late_result_of_a_released_claim_is_not_stored(store, clock):
    old = await store.claim("1", "k", HOOK, DIGEST)
    clock.advance(RELEASE_S)
    await store.claim("1", "k", HOOK, DIGEST)
    await store.finish(old, RESULT)
    await store.forget(old)
    with pytest.raises(DispatchInProgressError):
        await store.claim("1", "k", HOOK, DIGEST)


async def test_start_frees_what_an_earlier_life_left_running(store, sqlite_database, clock):
    await store.claim("1", "running", HOOK, DIGEST)
    await finished(store)
    assert await IdempotencyStore(sqlite_database, clock=clock, hours=24).open() == 1
    assert (await store.claim("1", "running", HOOK, DIGEST)).stored is None
    assert (await store.claim("1", "k", HOOK, DIGEST)).stored == RESULT


async def test_cleanup_removes_what_has_expired(store, clock):
    await finished(store, "old")
    clock.advance(24 * 3600)
    await finished(store, "new")
    await finished(store, "newer")
    assert await store.cleanup() == 0
    clock.advance(24 * 3600)
    assert await store.cleanup() == 2


async def test_claims_clean_up_now_and_then(store, clock):
    await finished(store, "old")
    clock.advance(24 * 3600 + CLEANUP_S)
    await store.claim("1", "new", HOOK, DIGEST)
    assert await store.cleanup() == 0


async def test_claims_clean_up_a_little_at_a_time(store, clock, monkeypatch):
    monkeypatch.setattr("isp_plugins.hooks.idempotency.CLEANUP_BATCH", 2)
    for number in range(5):
        await finished(store, f"old {number}")
    clock.advance(24 * 3600 + CLEANUP_S)
    await store.claim("1", "new", HOOK, DIGEST)
    await store.claim("1", "newer", HOOK, DIGEST)
    assert await store.cleanup() == 1


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY + 1), "a\nb", "é", "\x00"])
async def test_key_that_is_none_is_refused(store, key):
    with pytest.raises(IdempotencyKeyInvalidError):
        await store.claim("1", key, HOOK, DIGEST)


async def test_result_that_is_not_quite_json_is_stored_all_the_same(store):
    claim = await store.claim("1", "k", HOOK, DIGEST)
    await store.finish(claim, {"a": float("nan"), "b": "x\0y", "c": [2**70], "d": "\ud800", "e": {"f": (1,)}})
    stored = (await store.claim("1", "k", HOOK, DIGEST)).stored
    assert stored == {"a": None, "b": "x\ufffdy", "c": [str(2**70)], "d": "?", "e": {"f": [1]}}


def test_digest_does_not_care_for_the_order_of_fields():
    assert digest_of(HOOK, {"a": 1, "b": 2}) == digest_of(HOOK, {"b": 2, "a": 1})
    assert (
        len(
            {
                digest_of(HOOK, {"a": 1}),
                digest_of(HOOK, {"a": True}),
                digest_of(HOOK, {"a": 1}, {"c": 1}),
                digest_of("x", {"a": 1}),
            }
        )
        == 4
    )


class Away:
    """A dispatch during which the database goes away."""

    def __init__(self, switched, *, fails):
        self._switched, self._fails = switched, fails
        self.runs = 0

    async def __call__(self):
        self.runs += 1
        if self.runs == 1:
            self._switched.is_on = False
            if self._fails:
                raise DatabaseUnavailableError(dialect="sqlite", cause="away")
        return RESULT


@pytest.fixture
async def switched(sqlite_database):
    return SwitchedDatabase(sqlite_database)


async def test_key_of_a_dispatch_that_failed_while_the_database_was_away_is_free_when_it_is_back(
    switched, clock
):
    store, dispatch = IdempotencyStore(switched, clock=clock, hours=24), Away(switched, fails=True)
    with pytest.raises(DatabaseUnavailableError, match="away"):
        await store.once("1", "k", HOOK, DIGEST, dispatch)
    with pytest.raises(DatabaseUnavailableError):
        await store.once("1", "k", HOOK, DIGEST, dispatch)
    switched.is_on = True
    assert await store.once("1", "k", HOOK, DIGEST, dispatch) == (RESULT, False)
    assert dispatch.runs == 2
    await store.close()


async def test_result_that_could_not_be_stored_is_stored_when_the_database_is_back(switched, clock):
    store, dispatch = IdempotencyStore(switched, clock=clock, hours=24), Away(switched, fails=False)
    with pytest.raises(DatabaseUnavailableError):
        await store.once("1", "k", HOOK, DIGEST, dispatch)
    switched.is_on = True
    assert await store.once("1", "k", HOOK, DIGEST, dispatch) == (RESULT, True)
    assert dispatch.runs == 1
    await store.close()


async def test_other_nodes_can_repeat_it_too_once_the_database_is_back(switched, sqlite_database, clock):
    store, dispatch = IdempotencyStore(switched, clock=clock, hours=24), Away(switched, fails=True)
    other = IdempotencyStore(sqlite_database, clock=clock, hours=24)
    with pytest.raises(DatabaseUnavailableError, match="away"):
        await store.once("1", "k", HOOK, DIGEST, dispatch)
    with pytest.raises(DispatchInProgressError):
        await other.claim("1", "k", HOOK, DIGEST)
    switched.is_on = True
    await until(lambda: not len(store._unsettled))
    assert (await other.claim("1", "k", HOOK, DIGEST)).stored is None
    await store.close()


async def test_what_is_unsettled_at_the_end_is_left_to_its_time(switched, clock):
    store, dispatch = IdempotencyStore(switched, clock=clock, hours=24), Away(switched, fails=True)
    with pytest.raises(DatabaseUnavailableError):
        await store.once("1", "k", HOOK, DIGEST, dispatch)
    await store.close()
    switched.is_on = True
    clock.advance(RELEASE_S)
    assert (await store.claim("1", "k", HOOK, DIGEST)).stored is None
