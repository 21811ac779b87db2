"""Dispatching over HTTP: plain bodies, CloudEvents, idempotency keys, traces; and what the hooks' pages show."""

import uuid

import pytest

from support.server import assert_problem

EVENT = {
    "specversion": "1.0",
    "type": "isp.customer_created.v1",
    "source": "/billing",
    "data": {"id": 7, "name": "Ada"},
}


@pytest.fixture(scope="module")
def plugin(server):
    """An active plugin bound to a few hooks."""
    made = server.plugin(enabled=True)
    server.hook(made, "customer_created", "welcome")
    server.hook(made, "customer_created", "greet", priority=200)
    server.hook(made, "my_failing_hook", "fail")
    server.hook(made, "my_picky_hook", "welcome", conditions='country == "PT"')
    return made


def dispatch(api, hook, payload, **options):
    body = {"payload": payload} | options.pop("body", {})
    return api.post(f"/hooks/{hook}/dispatch", json=body, **options)


def test_dispatch_runs_the_subscriptions_in_order(api, plugin):
    result = dispatch(api, "customer_created", {"id": 7}).json()
    assert result["status"] == "completed"
    assert [each["value"] for each in result["subscriptions"]] == [{"welcomed": 7}, {"greeted": 7}]


def test_dispatch_carries_the_request_id(api, plugin):
    answer = dispatch(api, "customer_created", {}, headers={"X-Request-ID": "mine-1"})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine-1"


def test_traced_dispatch_measures_every_call(api, plugin):
    result = dispatch(api, "customer_created", {}, params={"trace": "true"}).json()
    assert all(each["duration_ms"] is not None for each in result["subscriptions"])
    assert result["duration_ms"] is not None


def test_failing_subscription_is_in_the_answer_which_is_200(api, plugin):
    answer = dispatch(api, "my_failing_hook", {})
    assert answer.status_code == 200
    outcome = answer.json()["subscriptions"][0]
    assert (outcome["status"], outcome["error"]["type"]) == ("error", "ValueError")


def test_condition_skips_and_says_so(api, plugin):
    assert (
        dispatch(api, "my_picky_hook", {"country": "ES"}).json()["subscriptions"][0]["skip_reason"]
        == "condition_false"
    )
    assert dispatch(api, "my_picky_hook", {"country": "PT"}).json()["subscriptions"][0]["status"] == "ok"


def test_hook_that_nobody_subscribes_to_completes(api):
    result = dispatch(api, "nobody_listens", {"a": 1}).json()
    assert (result["status"], result["known"], result["subscriptions"]) == ("completed", False, [])


def test_internal_hook_cannot_be_dispatched_from_outside(api):
    assert_problem(dispatch(api, "plugin_enabled", {}), 403, "internal-hook")


@pytest.mark.parametrize("hook", ["Bad", "1a", "a-b", "a" * 101, "%00", "é"])
def test_name_that_is_no_hooks_is_refused(api, hook):
    assert dispatch(api, hook, {}).status_code in {404, 422}


@pytest.mark.parametrize(
    "body", [[], {}, 1, None, {"payload": {}, "colour": 1}, {"payload": {}, "context": []}, {"context": {}}]
)
def test_body_that_is_no_dispatch_is_refused(api, body):
    assert_problem(api.post("/hooks/customer_created/dispatch", json=body), 422)


def test_unknown_and_wrong_query_parameters_are_refused(api):
    assert_problem(dispatch(api, "customer_created", {}, params={"trase": "true"}), 422, "parameter-unknown")
    assert_problem(dispatch(api, "customer_created", {}, params={"trace": "maybe"}), 422)


def test_structured_cloudevent_is_dispatched(api, plugin):
    event = EVENT | {"id": str(uuid.uuid4())}
    answer = api.post(
        "/hooks/customer_created/dispatch",
        json=event,
        headers={"Content-Type": "application/cloudevents+json"},
    )
    assert answer.json()["subscriptions"][0]["value"] == {"welcomed": 7}


def test_binary_cloudevent_is_dispatched(api, plugin):
    headers = {
        "ce-specversion": "1.0",
        "ce-type": EVENT["type"],
        "ce-source": "/billing",
        "ce-id": str(uuid.uuid4()),
    }
    answer = api.post("/hooks/customer_created/dispatch", json={"id": 8}, headers=headers)
    assert answer.json()["subscriptions"][0]["value"] == {"welcomed": 8}


def test_cloudevent_finds_its_hook_by_its_type(api, plugin):
    event = EVENT | {"id": str(uuid.uuid4())}
    answer = api.post("/events", json=event, headers={"Content-Type": "application/cloudevents+json"})
    assert answer.json()["hook"] == "customer_created"


def test_cloudevent_of_another_hook_is_refused(api):
    event = EVENT | {"id": "1"}
    answer = api.post(
        "/hooks/customer_updated/dispatch",
        json=event,
        headers={"Content-Type": "application/cloudevents+json"},
    )
    assert_problem(answer, 422)


@pytest.mark.parametrize("missing", ["specversion", "type", "source", "id"])
def test_incomplete_cloudevent_is_refused(api, missing):
    event = {name: value for name, value in (EVENT | {"id": "1"}).items() if name != missing}
    assert_problem(
        api.post("/events", json=event, headers={"Content-Type": "application/cloudevents+json"}), 422
    )


def test_repeated_cloudevent_returns_the_first_result(api, plugin):
    event = EVENT | {"id": str(uuid.uuid4())}
    headers = {"Content-Type": "application/cloudevents+json"}
    first, second = (api.post("/events", json=event, headers=headers).json() for _ in range(2))
    assert first == second


def test_repeated_idempotency_key_returns_the_first_result(api, plugin):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, second = (dispatch(api, "customer_created", {"id": 1}, headers=headers) for _ in range(2))
    assert first.json() == second.json()


def test_idempotency_key_with_another_body_is_refused(api, plugin):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    dispatch(api, "customer_created", {"id": 1}, headers=headers)
    assert_problem(
        dispatch(api, "customer_created", {"id": 2}, headers=headers), 409, "idempotency-key-reused"
    )


def test_idempotency_keys_of_two_callers_do_not_meet(api, server, plugin):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    dispatch(api, "customer_created", {"id": 1}, headers=headers)
    with server.client(server.key("caller")) as other:
        assert dispatch(other, "customer_created", {"id": 2}, headers=headers).status_code == 200


def test_overlong_idempotency_key_is_refused(api):
    assert_problem(dispatch(api, "customer_created", {}, headers={"Idempotency-Key": "x" * 1000}), 422)


def test_hooks_are_listed_with_how_many_subscribe(api, plugin):
    found = api.get("/hooks", params={"q": "customer_created", "size": 200}).json()["items"]
    assert next(hook for hook in found if hook["name"] == "customer_created")["subscriptions"] >= 2
    own = api.get("/hooks", params={"subscribed": "true", "size": 200}).json()["items"]
    assert {"my_failing_hook", "customer_created"} <= {hook["name"] for hook in own}


def test_hooks_page_shows_contract_sample_and_chain(api, plugin):
    hook = api.get("/hooks/my_picky_hook").json()
    assert hook["known"] is False
    entry = hook["chain"][0]
    assert (entry["condition"], entry["runs"], entry["method"]) == ('country == "PT"', True, "welcome")
    assert {"calls", "errors"} <= set(entry["counters"])
    known = api.get("/hooks/customer_created").json()
    assert known["schema"]["type"] == "object"
    assert known["sample"]["id"]


def test_subscription_is_changed_and_removed(api, server):
    plugin = server.plugin(enabled=True)
    made = server.hook(plugin, "my_changing_hook", "welcome")
    assert made["binding"] == "valid"
    path = f"/plugins/{plugin['id']}/hooks/{made['id']}"
    assert api.put(path, json={"is_active": False, "priority": 7}).json()["priority"] == 7
    assert dispatch(api, "my_changing_hook", {}).json()["subscriptions"][0]["skip_reason"] == "inactive"
    assert api.delete(path).status_code == 204
    assert_problem(api.delete(path), 404)


def test_method_that_does_not_exist_is_refused_once_the_plugin_runs(api, server):
    plugin = server.plugin(enabled=True)
    body = {"hook_name": "my_hook", "hook_type": "action", "callback_method": "nothing"}
    assert api.post(f"/plugins/{plugin['id']}/hooks", json=body).status_code in {409, 422}


def test_bad_condition_is_refused_with_its_position(api, server):
    body = {"hook_name": "my_hook", "hook_type": "action", "callback_method": "welcome", "conditions": "a +"}
    problem = assert_problem(api.post(f"/plugins/{server.plugin()['id']}/hooks", json=body), 422)
    assert "column" in str(problem)


def test_failure_of_a_dispatch_is_in_the_plugins_log(api, plugin):
    answer = dispatch(api, "my_failing_hook", {})
    found = api.get("/plugins/logs", params={"request_id": answer.headers["x-request-id"]}).json()["items"]
    assert [(line["hook"], line["level"]) for line in found] == [("my_failing_hook", "ERROR")]
