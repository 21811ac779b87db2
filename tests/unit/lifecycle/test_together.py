"""Several operators at once: sane answers, never a half-made change."""

import asyncio
from typing import Any

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.errors import ConflictError, NotFoundError
from isp_plugins.lifecycle.errors import PluginNameTakenError
from isp_plugins.lifecycle.locks import PluginLocks
from support.fakes_lifecycle import ADA, House, draft, needs


async def settled(*work: Any) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)


async def test_enabling_and_deleting_at_once_is_answered_sanely(house: House) -> None:
    for _ in range(10):
        plugin = await house.register()
        results = await settled(
            house.manager.enable(plugin.id, ADA),
            house.manager.delete(plugin.id, ADA),
            house.manager.enable(plugin.id, ADA),
        )
        assert all(
            not isinstance(one, Exception) or isinstance(one, NotFoundError | ConflictError)
            for one in results
        )
        assert plugin.id not in house.directory
        assert (house.runtime.alive, house.engine.subscriptions) == ([], {})


async def test_enabling_at_once_starts_once(house: House) -> None:
    plugin = await house.register()
    await asyncio.gather(*(house.manager.enable(plugin.id, ADA) for _ in range(5)))
    assert len(house.runtime.starts) == 1


async def test_registering_one_name_at_once_takes_one(house: House) -> None:
    results = await settled(*(house.manager.register(draft(), ADA) for _ in range(5)))
    assert sum(isinstance(one, PluginNameTakenError) for one in results) == 4


async def test_dependency_cannot_go_while_its_dependant_comes(house: House) -> None:
    base = await house.enabled("base")
    top = await house.register("top", dependencies=needs("base"))
    house.runtime.script("top").hold = hold = asyncio.Event()
    enabling = asyncio.create_task(house.manager.enable(top.id, ADA))
    while house.directory.get(top.id).state is not State.ENABLING:
        await asyncio.sleep(0)
    (refused,) = await settled(house.manager.disable(base.id, ADA))
    hold.set()
    assert isinstance(refused, ConflictError)
    assert (await enabling).state is State.ACTIVE


async def test_dependant_cannot_come_while_its_dependency_goes(house: House) -> None:
    base = await house.enabled("base")
    top = await house.register("top", dependencies=needs("base"))
    results = await settled(house.manager.disable(base.id, ADA), house.manager.enable(top.id, ADA))
    states = {house.directory.get(base.id).state, house.directory.get(top.id).state}
    assert sum(isinstance(one, ConflictError) for one in results) == 1
    assert states in ({State.DISABLED, State.REGISTERED}, {State.ACTIVE})


async def test_many_operations_end_in_a_whole_state(house: House) -> None:
    base = await house.enabled("base")
    top = await house.enabled("top", dependencies=needs("base"))
    manager = house.manager
    await settled(
        *(manager.disable(base.id, ADA, cascade=True) for _ in range(3)),
        *(manager.enable(one.id, ADA) for one in (top, base, top)),
        *(manager.reload(one.id, ADA) for one in (top, base)),
    )
    for record in house.directory:
        runs = len(house.runtime.living(record.name))
        assert (runs, record.id in house.engine.subscriptions) == (
            (1, True) if record.state is State.ACTIVE else (0, False)
        )
        assert (record.desired is Desired.ENABLED) == (record.state is State.ACTIVE)


async def test_locks_are_taken_in_one_order() -> None:
    locks = PluginLocks()
    order: list[int] = []

    async def work(number: int, *ids: int) -> None:
        async with locks.of(*ids):
            order.append(number)
            await asyncio.sleep(0)

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(work(number, *ids) for number, ids in enumerate([(1, 2), (2, 1), (2, 3, 1), (3, 2)]))
        )
    assert sorted(order) == [0, 1, 2, 3]
    assert not locks.held(1)
