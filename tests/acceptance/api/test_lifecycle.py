"""Lifecycle over HTTP: enable, disable, reload, execute, health; and two operators at once."""

from concurrent.futures import ThreadPoolExecutor

from support.server import PLUGIN, assert_problem


def test_enabled_plugin_is_active(server):
    assert server.plugin(enabled=True)["state"] == "active"


def test_enable_is_idempotent(api, server):
    plugin = server.plugin(enabled=True)
    again = api.post(f"/plugins/{plugin['id']}/enable").json()
    assert (again["state"], again["since"]) == ("active", plugin["since"])


def test_enable_that_fails_answers_its_cause_and_leaves_the_plugin_disabled(api, server):
    plugin = server.plugin("raise RuntimeError('broken at import')")
    problem = assert_problem(api.post(f"/plugins/{plugin['id']}/enable"), 409)
    assert "broken at import" in problem["detail"]
    after = api.get(f"/plugins/{plugin['id']}").json()
    assert (after["state"], after["desired"]) == ("failed", "disabled")
    assert "broken at import" in after["cause"]


def test_change_of_a_plugin_that_failed_and_is_off_leaves_no_node_behind(api, server):
    plugin = server.plugin()
    api.put(f"/plugins/{plugin['id']}/config", json={"values": {"explode": True}}).raise_for_status()
    assert_problem(api.post(f"/plugins/{plugin['id']}/enable"), 409)
    api.put(f"/plugins/{plugin['id']}/config", json={"values": {"explode": False}}).raise_for_status()
    (here,) = api.get("/nodes").json()["items"]
    assert (here["lag"], here["silent_s"]) == (0, 0)


def test_disabled_plugin_is_not_called_again(api, server):
    plugin = server.plugin(enabled=True)
    server.hook(plugin, "my_hook_off", "welcome")
    assert api.post(f"/plugins/{plugin['id']}/disable").json()["state"] == "disabled"
    result = api.post("/hooks/my_hook_off/dispatch", json={"payload": {}}).json()
    assert not [each for each in result["subscriptions"] if each["status"] == "ok"]


def test_plugin_that_others_need_is_disabled_only_with_cascade(api, server):
    needed = server.plugin(enabled=True)
    needing = server.plugin(enabled=True, dependencies=[{"kind": "plugin", "name": needed["name"]}])
    problem = assert_problem(api.post(f"/plugins/{needed['id']}/disable"), 409, "plugin-still-needed")
    assert needing["name"] in problem["detail"]
    api.post(f"/plugins/{needed['id']}/disable", params={"cascade": "true"}).raise_for_status()
    assert api.get(f"/plugins/{needing['id']}").json()["state"] == "disabled"


def test_reload_runs_new_code(api, server):
    plugin = server.plugin(enabled=True)
    file = server.process.folder / "var" / "plugins" / f"{plugin['name']}.py"
    file.write_text(PLUGIN.replace('"welcomed"', '"rewelcomed"'))
    assert api.post(f"/plugins/{plugin['id']}/reload").json()["state"] == "active"
    answer = api.post(
        f"/plugins/{plugin['id']}/execute",
        json={"method_name": "welcome", "parameters": {"customer": {"id": 1}}},
    )
    assert answer.json()["result"] == {"rewelcomed": 1}


def test_reload_of_a_plugin_that_does_not_run_is_a_conflict(api, server):
    assert_problem(api.post(f"/plugins/{server.plugin()['id']}/reload"), 409)


def test_execute_returns_the_result_and_how_long_it_took(api, server):
    plugin = server.plugin(enabled=True)
    answer = api.post(
        f"/plugins/{plugin['id']}/execute", json={"method_name": "welcome", "parameters": [{"id": 5}]}
    ).json()
    assert answer["result"] == {"welcomed": 5}
    assert answer["duration_ms"] >= 0


def test_execute_refuses_what_is_not_the_plugins_own_public_method(api, server):
    plugin = server.plugin(enabled=True)
    for method in ("initialize", "cleanup", "__init__", "nothing_like_it", "logger", "a.b", "\ud7ff"):
        answer = api.post(f"/plugins/{plugin['id']}/execute", json={"method_name": method, "parameters": {}})
        assert answer.status_code in {409, 422}, (method, answer.text)


def test_execute_that_returns_no_json_is_answered_all_the_same(api, server):
    plugin = server.plugin(enabled=True)
    answer = api.post(f"/plugins/{plugin['id']}/execute", json={"method_name": "weird"})
    assert answer.status_code in {200, 409}, answer.text


def test_health_has_the_specifications_shape(api, server):
    report = api.get(f"/plugins/{server.plugin(enabled=True)['id']}/health").json()
    assert report["status"] == "healthy"
    assert isinstance(report["checks"], list)


def test_health_of_a_plugin_that_does_not_run_is_unknown(api, server):
    assert api.get(f"/plugins/{server.plugin()['id']}/health").json()["status"] in {"unknown", "unhealthy"}


def test_operators_who_enable_disable_and_delete_at_once_leave_a_whole_state(server):
    for _ in range(5):
        plugin = server.plugin()
        path = f"/plugins/{plugin['id']}"
        calls = [
            ("POST", f"{path}/enable"),
            ("POST", f"{path}/disable"),
            ("DELETE", path),
            ("POST", f"{path}/enable"),
            ("POST", f"{path}/reload"),
        ]
        with ThreadPoolExecutor(len(calls)) as pool:
            answers = list(pool.map(lambda call: server.admin.request(*call), calls))
        assert all(answer.status_code in {200, 204, 404, 409} for answer in answers), [
            answer.text for answer in answers
        ]
        assert_problem(server.admin.get(path), 404, "plugin-not-found")


def test_plugin_enabled_by_many_at_once_is_active_once(server):
    plugin = server.plugin()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: server.admin.post(f"/plugins/{plugin['id']}/enable"), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["since"] for answer in answers} == {
        server.admin.get(f"/plugins/{plugin['id']}").json()["since"]
    }
