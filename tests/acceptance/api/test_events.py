"""Events over HTTP: kept while the plugin is down, delivered when it is up, looked into, replayed and skipped by who may."""

import pytest

from support.server import assert_problem
from support.waiting import wait_until

PLUGIN = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def take(self, payload):
        if payload.get("poison"):
            raise ValueError("cannot digest")
        with self.context.once() as first:
            self.context.set("count", self.context.get("count", 0) + 1)
        self.context.set("calls", self.context.get("calls", 0) + 1)

    def told(self):
        return {"count": self.context.get("count", 0), "calls": self.context.get("calls", 0)}
"""
HOOK = "customer_created"


@pytest.fixture
def plugin(server):
    made = server.plugin(PLUGIN)
    retry = {"min_s": 0.01, "max_s": 0.02, "attempts": 2}
    made["hook"] = server.hook(made, HOOK, "take", "event", retry=retry)
    yield made
    server.admin.delete(f"/plugins/{made['id']}")


def dispatch(api, **payload):
    answer = api.post(f"/hooks/{HOOK}/dispatch", json={"payload": {"id": 7, **payload}})
    assert answer.status_code == 200, answer.text
    return answer.json()


def lag_of(api, plugin):
    path = f"/plugins/{plugin['id']}/hooks/{plugin['hook']['id']}/lag"
    return api.get(path).raise_for_status().json()


def told(api, plugin):
    answer = api.post(f"/plugins/{plugin['id']}/execute", json={"method_name": "told"})
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def settled(api, plugin):
    lag = lag_of(api, plugin)
    return not lag["waiting"] and not lag["retrying"] and lag


def test_event_waits_for_its_plugin_and_is_replayed_once_it_was_delivered(api, plugin):
    assert dispatch(api)["subscriptions"][-1]["status"] == "queued"
    assert lag_of(api, plugin)["waiting"] == 1
    api.post(f"/plugins/{plugin['id']}/enable").raise_for_status()
    wait_until(lambda: settled(api, plugin))
    (event,) = api.get("/events", params={"subscription_id": plugin["hook"]["id"]}).json()["items"]
    shown = api.get(f"/events/{event['id']}").json()
    assert (shown["payload"], shown["key"]) == ({"id": 7}, "7")
    assert [one["status"] for one in shown["deliveries"] if one["plugin_id"] == plugin["id"]] == ["delivered"]
    body = {"event_ids": [event["id"]], "plugin_id": plugin["id"]}
    assert api.post("/events/replay", json=body | {"dry_run": True}).json()["deliveries"] == 1
    assert api.post("/events/replay", json=body).json() == {
        "deliveries": 1,
        "dry_run": False,
        "sample": [[plugin["hook"]["id"], event["id"]]],
    }
    wait_until(lambda: told(api, plugin) == {"count": 1, "calls": 2})


def test_poison_event_is_a_dead_letter_that_can_be_discarded(api, plugin):
    api.post(f"/plugins/{plugin['id']}/enable").raise_for_status()
    dispatch(api, poison=True)
    dispatch(api)
    wait_until(lambda: lag_of(api, plugin)["dead"] == 1)
    wait_until(lambda: told(api, plugin)["count"] == 1)
    params = {"status": "dead", "plugin_id": plugin["id"]}
    (dead,) = api.get("/events/deliveries", params=params).json()["items"]
    assert (dead["attempts"], dead["error"], len(dead["history"])) == (2, "ValueError: cannot digest", 2)
    body = {"subscription_id": plugin["hook"]["id"]}
    assert api.post(f"/events/{dead['event_id']}/retry", json=body).status_code == 200
    wait_until(lambda: settled(api, plugin) and lag_of(api, plugin)["dead"] == 1)
    assert api.post(f"/events/{dead['event_id']}/discard", json=body).status_code == 200
    assert lag_of(api, plugin)["discarded"] == 1
    assert_problem(api.post(f"/events/{dead['event_id']}/discard", json=body), 409, "event-not-discardable")
    tags = [entry["tag"] for entry in api.get("/audit", params={"size": 200}).json()["items"]]
    assert {"event.retried", "event.discarded"} <= set(tags)


def test_paused_subscription_is_resumed_and_skipped(api, plugin):
    api.post(f"/plugins/{plugin['id']}/enable").raise_for_status()
    path = f"/plugins/{plugin['id']}/hooks/{plugin['hook']['id']}"
    assert api.post(f"{path}/pause").json()["paused_by"]
    dispatch(api)
    assert lag_of(api, plugin)["waiting"] == 1
    assert api.post(f"{path}/seek", json={"to": "now"}).json()["position"] >= 1
    assert api.post(f"{path}/resume").json()["waiting"] == 0
    dispatch(api)
    wait_until(lambda: told(api, plugin)["count"] == 1)


def test_only_who_may_retries(server, plugin):
    with server.client(server.key("viewer")) as viewer, server.client(server.key("operator")) as operator:
        assert viewer.get("/events/lag").status_code == 200
        assert_problem(viewer.post("/events/dead/retry", json={}), 403, "scope-missing")
        assert operator.post("/events/dead/retry", json={"dry_run": True}).status_code == 200
    with server.client(server.key("operator", plugins=["another"])) as limited:
        assert limited.get("/events/lag").json() == {"items": []}
        assert_problem(limited.get("/events"), 403, "key-limited")
        body = {"subscription_id": plugin["hook"]["id"]}
        assert_problem(limited.post("/events/1/retry", json=body), 403, "plugin-not-allowed")


def test_lag_is_followed_as_server_sent_events(api, plugin):
    with api.stream("GET", "/events/stream", params={"plugin_id": plugin["id"]}) as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: lag"
        dispatch(api)
        assert next(line for line in lines if '"waiting":1' in line.replace(" ", ""))


def test_mistakes_are_told(api, plugin):
    assert_problem(api.get("/events/4711000"), 404, "event-not-found")
    assert_problem(api.post("/events/replay", json={}), 422, "event-range-invalid")
    path = f"/plugins/{plugin['id']}/hooks/{plugin['hook']['id']}"
    assert_problem(api.post(f"{path}/seek", json={}), 422, "event-range-invalid")
    body = {"hook_name": HOOK, "hook_type": "event", "callback_method": "other", "retry": {"attempts": 0}}
    assert_problem(api.post(f"/plugins/{plugin['id']}/hooks", json=body), 422)
