"""Real servers on one real PostgreSQL: killed as by a power cut, cut off by the network, and refused for their name."""

import asyncio

import pytest

from support.asking import PER_NODE, asking, both_alive, is_active, is_back, is_cut_off, node, started
from support.commands import run
from support.members import KEYS, REGISTRATION
from support.proxy import tcp_proxy_to

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]


async def test_a_node_that_is_killed_is_missed_and_its_singleton_moves(postgres_url, tmp_path):
    a, b = node(tmp_path, "a", postgres_url), node(tmp_path, "b", postgres_url)
    async with started(a), asking(a, a.admin_key) as on_a:
        poller = await on_a.enabled(REGISTRATION | {"runtime": "process"})
        async with started(b), asking(b, a.admin_key) as on_b:
            assert (await on_a.state(poller), await on_b.state(poller)) == ("active", "standby")
            await asyncio.to_thread(a.kill)
            await on_b.reached(lambda it: is_active(it, poller))
            assert await on_b.nodes() == {"a": "lost", "b": "alive"}
            listed = await asyncio.to_thread(
                run, "nodes", "poller", cwd=b.folder, ISP_PLUGINS_URL=b.url, ISP_PLUGINS_API_KEY=a.admin_key
            )
            assert listed.returncode == 0, listed.stderr
            assert "lost" in listed.stdout
            report = await on_b.json("/doctor")
            assert any("lost: a (silent for" in one["found"] for one in report["findings"])
            await asyncio.to_thread(a.start)
            await on_b.reached(both_alive)
            assert (await on_a.state(poller), await on_b.state(poller)) == ("standby", "active")
            refused = await on_a.http.post(
                f"/plugins/{poller['id']}/execute", json={"method_name": "greet", "parameters": [{}]}
            )
            assert refused.status_code == 409
            assert refused.json()["type"] == "/problems/plugin-elsewhere"


async def test_a_node_that_is_cut_off_serves_what_it_has_and_comes_back(postgres_url, tmp_path):
    a = node(tmp_path, "a", postgres_url)
    async with tcp_proxy_to(postgres_url) as (proxy, url):
        b = node(tmp_path, "b", url)
        async with started(b), asking(b, b.admin_key) as on_b:
            poller = await on_b.enabled(REGISTRATION | {"runtime": "process", "hooks": []})
            await on_b.enabled(PER_NODE)
            async with started(a), asking(a, b.admin_key) as on_a:
                assert await on_a.state(poller) == "standby"
                proxy.cut()
                await on_b.reached(is_cut_off)
                health = (await on_b.http.get(f"{b.url}/healthz")).json()
                assert (health["status"], health["node"], health["is_cut_off"]) == ("alive", "b", True)
                unready = await on_b.http.get(f"{b.url}/readyz")
                assert unready.status_code == 503
                assert "node b is cut off from the database since" in unready.json()["detail"]
                done = await on_b.json("/hooks/customer_created/dispatch", "POST", {"payload": {"id": 7}})
                assert done["subscriptions"][0]["value"] == {"greeted": 7}
                await _keeps_no_event(on_b)
                refused = await on_b.http.put(f"/plugins/{poller['id']}", json={"description": "changed"})
                assert refused.status_code == 503
                assert refused.json()["type"] == "/problems/database-unavailable"
                assert "node b is cut off from it since" in refused.json()["detail"]
                assert await on_b.state(poller) == "standby"
                await on_a.reached(lambda it: is_active(it, poller))
                proxy.mend()
                await on_b.reached(is_back)
                await on_a.reached(both_alive)
                assert (await on_a.state(poller), await on_b.state(poller)) == ("active", "standby")
                await on_b.json(f"/plugins/{poller['id']}", "PUT", {"description": "changed"})
                await _keeps_events_again(on_b)


EVENT = {"payload": {"id": 9, "name": "Ada", "status": "active"}}
KEY = {"Idempotency-Key": "customer-9"}


async def _keeps_no_event(it):
    """A dispatch that owes an event fails, and says why; its key is not taken."""
    for _ in range(2):
        answer = await it.http.post("/hooks/customer_updated/dispatch", json=EVENT, headers=KEY)
        assert answer.status_code == 503, answer.text
        assert answer.json()["type"] == "/problems/database-unavailable"
    plain = await it.http.post("/hooks/customer_updated/dispatch", json=EVENT)
    assert plain.status_code == 503, plain.text
    assert plain.json()["type"] == "/problems/events-not-kept"


async def _keeps_events_again(it):
    async def is_kept(it):
        answer = await it.http.post("/hooks/customer_updated/dispatch", json=EVENT, headers=KEY)
        return answer.is_success

    await it.reached(is_kept)


async def test_a_server_with_a_name_that_is_taken_does_not_start(postgres_url, tmp_path):
    a = node(tmp_path, "a", postgres_url)
    async with started(a):
        other = tmp_path / "other"
        other.mkdir()
        refused = await asyncio.to_thread(
            run, "serve", "--node", "a", "--port", "0", cwd=other,
            ISP_PLUGINS_SECRET_KEYS=KEYS, ISP_PLUGINS_DATABASE_URL=postgres_url,
        )  # fmt: skip
        assert refused.returncode == 1
        assert "A node named a lives already on this database" in refused.stderr
        assert a.url in refused.stderr
