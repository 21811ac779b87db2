"""Idempotency keys and subscriptions on both databases, many callers at once."""

import asyncio

import pytest

from isp_plugins.db.tables import Plugin
from isp_plugins.hooks.errors import DispatchInProgressError, SubscriptionExistsError
from isp_plugins.hooks.idempotency import RELEASE_S, IdempotencyStore, digest_of
from isp_plugins.hooks.store import HookDraft, HookStore

DIGEST = digest_of("customer_created", {"id": 1})
DRAFT = HookDraft.of(
    {"hook_name": "customer_created", "hook_type": "action", "callback_method": "on_customer"}
)


async def outcomes(*calls):
    found = await asyncio.gather(*calls, return_exceptions=True)
    return [one for one in found if not isinstance(one, BaseException)], [
        one for one in found if isinstance(one, BaseException)
    ]


async def test_of_many_at_once_one_claims(database, clock):
    store = IdempotencyStore(database, clock=clock, hours=24)
    fresh, refused = await outcomes(*(store.claim("1", "k", "customer_created", DIGEST) for _ in range(8)))
    assert len(fresh) == 1
    assert {type(one) for one in refused} == {DispatchInProgressError}


async def test_of_many_at_once_one_takes_a_dead_claim_over(database, clock):
    store = IdempotencyStore(database, clock=clock, hours=24)
    await store.claim("1", "k", "customer_created", DIGEST)
    clock.advance(RELEASE_S)
    fresh, refused = await outcomes(*(store.claim("1", "k", "customer_created", DIGEST) for _ in range(8)))
    assert len(fresh) == 1
    assert {type(one) for one in refused} == {DispatchInProgressError}


async def test_result_comes_back_as_it_was(database, clock):
    store = IdempotencyStore(database, clock=clock, hours=24)
    result = {"status": "completed", "value": None, "list": [1, 1.5, "é", {"a": True}]}
    claim = await store.claim("1", "k", "customer_created", DIGEST)
    await store.finish(claim, result)
    assert (await store.claim("1", "k", "customer_created", DIGEST)).stored == result
    clock.advance(24 * 3600)
    assert await store.cleanup() == 1


@pytest.fixture
async def plugin(database, clock):
    async with database.transaction() as session:
        row = Plugin(
            name="mailer", display_name="mailer", version="1", plugin_type="CUSTOM", module_path="m", entry_point="E",
            created_at=clock.now(), updated_at=clock.now(),
        )  # fmt: skip
        session.add(row)
        await session.flush()
        return row.id


async def test_of_many_at_once_one_subscribes(database, clock, plugin):
    store = HookStore(clock=clock)

    async def subscribe():
        async with database.transaction() as session:
            return await store.create(session, plugin, DRAFT)

    made, refused = await outcomes(*(subscribe() for _ in range(6)))
    assert len(made) == 1
    assert {type(one) for one in refused} == {SubscriptionExistsError}


async def test_subscription_comes_back_as_it_was(database, clock, plugin):
    store = HookStore(clock=clock)
    async with database.transaction() as session:
        made = await store.create(session, plugin, DRAFT)
    async with database.reading() as session:
        assert await store.get(session, plugin, made.id) == made
