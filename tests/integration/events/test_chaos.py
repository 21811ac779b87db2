"""Whatever is killed by kill -9 (workers, servers, PostgreSQL), an isolated plugin gets every event, in order, and `once` holds."""

import asyncio
import os

import pytest

from support.chaos import chaos
from support.postgres_crash import crashing_postgres

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]


async def assert_every_event_arrives(folder, *, nodes, events, kills, seed, within):
    with crashing_postgres() as postgres, chaos(postgres, folder, nodes=nodes, seed=seed) as one:
        await asyncio.gather(one.dispatch(events), one.kill(kills, events))
        await one.check(events, within)
        assert sum(one.kills.values()) >= kills - 1
        print(dict(one.kills), len(one.seen()), "effects")


@pytest.mark.parametrize("nodes", [1, 2])
async def test_isolated_plugin_gets_every_event_whatever_is_killed(tmp_path, nodes):
    await assert_every_event_arrives(tmp_path, nodes=nodes, events=36, kills=3, seed=nodes, within=240)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("nodes", [1, 2])
async def test_isolated_plugin_gets_every_event_under_hundreds_of_kills(tmp_path, nodes):
    """`SOAK_EVENTS` and `SOAK_KILLS` make it shorter or longer."""
    events, kills = (
        int(os.environ.get(name, given)) for name, given in (("SOAK_EVENTS", "100000"), ("SOAK_KILLS", "500"))
    )
    await assert_every_event_arrives(
        tmp_path, nodes=nodes, events=events, kills=kills, seed=events + nodes, within=1800
    )
