"""Installing over HTTP, with real packages: what answers, what is refused, what is left."""

import json
import threading

import pytest

from isp_plugins.cli.sse import events_in, lines_of
from support.installing import install, installed, plugin
from support.server import assert_problem
from support.wheels import make_source


def data_of(server):
    return server.process.folder / "var"


def files_of(server):
    return {
        folder: sorted(path.name for path in (data_of(server) / folder).glob("*"))
        for folder in ("staging", "artifacts", "environments")
    }


def execute(api, found, method, parameters=()):
    body = {"method_name": method, "parameters": list(parameters)}
    return api.post(f"/plugins/{found['id']}/execute", json=body).raise_for_status().json()["result"]


def test_plugins_with_conflicting_dependencies_answer_side_by_side(api, packages):
    old = installed(api, plugin(packages, "needs_old", "dep<2"), auto_enable=True)
    new = installed(api, plugin(packages, "needs_new", "dep>=2"), auto_enable=True)
    assert (old["state"], new["state"]) == ("active", "active")
    assert old["release"]["environment"] != new["release"]["environment"]
    assert [execute(api, old, "version"), execute(api, new, "version")] == ["1.0", "2.0"]
    answer = api.post("/hooks/customer_created/dispatch", json={"payload": {"id": 1}}).json()
    values = {one["plugin"]: one["value"]["dep"] for one in answer["subscriptions"]}
    assert values == {"needs_old": "1.0", "needs_new": "2.0"}
    for found in (old, new):
        api.delete(f"/plugins/{found['id']}").raise_for_status()


def test_installed_plugin_is_shown_with_release_and_hooks(api, packages):
    wheel = plugin(packages, "shown")
    operation = install(api, wheel, configuration={"greeting": "hi", "password": "s3cret"})
    assert operation.status_code == 200
    assert operation.headers["preference-applied"] == "wait=60"
    body = operation.json()
    assert operation.headers["location"] == f"/api/v1/operations/{body['id']}"
    assert (body["state"], body["progress"], body["error"]) == ("succeeded", 1, None)
    assert "s3cret" not in operation.text
    found = api.get(f"/plugins/{body['result']['plugin_id']}").json()
    assert (found["runtime"], found["state"], found["exclusive"]) == ("process", "installed", False)
    assert found["release"]["source"]["name"] == wheel.name
    hooks = api.get(f"/plugins/{found['id']}/hooks").json()["items"]
    assert [hook["hook_name"] for hook in hooks] == ["customer_created"]
    api.delete(f"/plugins/{found['id']}").raise_for_status()


def test_without_prefer_the_answer_is_202_and_events_follow_it_to_its_end(api, packages):
    begun = install(api, plugin(packages, "followed"), wait=None)
    assert begun.status_code == 202
    operation = begun.json()
    with api.stream("GET", f"/operations/{operation['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = list(events_in(lines_of(stream.iter_text())))
    told = [json.loads(event.data) for event in events if event.kind == "operation"]
    assert told[-1]["state"] == "succeeded"
    assert [one["progress"] for one in told] == sorted(one["progress"] for one in told)
    assert json.loads(events[-1].data)["reason"] == "finished"
    api.delete(f"/plugins/{told[-1]['result']['plugin_id']}").raise_for_status()


def test_unresolvable_plugin_is_refused_in_words_and_leaves_nothing(server, api, packages):
    before = files_of(server)
    body = install(api, plugin(packages, "impossible", "dep>=3")).json()
    assert (body["state"], body["error"]["step"]) == ("failed", "resolve")
    assert body["error"]["type"] == "/problems/resolution-impossible"
    assert "dep" in body["error"]["detail"]
    assert files_of(server) == before
    assert not api.get("/plugins/", params={"name": "impossible"}).json()["total"]


def test_plugin_that_does_not_start_leaves_nothing(server, api, packages):
    before = files_of(server)
    wheel = plugin(packages, "refusing")
    body = install(api, wheel, auto_enable=True, configuration={"refuse": True}).json()
    assert (body["state"], body["error"]["step"]) == ("failed", "enable")
    assert body["error"]["status"] == 409
    assert files_of(server) == before
    assert not api.get("/plugins/", params={"name": "refusing"}).json()["total"]


def test_manifest_mistakes_are_told_together_with_their_lines(api, packages):
    manifest = 'name = "bad"\nversion = "one"\nplugin_type = "NONE"\nentry_point = "bad.plugin:Plugin"\n'
    body = install(api, plugin(packages, "bad", manifest=manifest)).json()
    assert body["error"]["type"] == "/problems/manifest-invalid"
    assert {one["path"]: one["line"] for one in body["error"]["errors"]} == {"version": 2, "plugin_type": 3}


def test_cancelled_installation_leaves_nothing(server, api, packages):
    """A build backend that waits holds the installation; its folder is allowed as a local source."""
    before = files_of(server)
    wait = "def before_build():\n    import time\n    time.sleep(300)"
    folder = make_source(server.process.folder / "allowed" / "slow", "slow", extra=wait)
    body = {"source_type": "local", "source_location": str(folder)}
    operation = api.post("/plugins/install", json=body).raise_for_status().json()
    seen = threading.Event()

    def follow():
        with api.stream("GET", f"/operations/{operation['id']}/events", timeout=60) as stream:
            for event in events_in(lines_of(stream.iter_text())):
                if event.kind == "operation" and json.loads(event.data)["steps"][2]["began"]:
                    seen.set()

    following = threading.Thread(target=follow)
    following.start()
    assert seen.wait(60)
    assert api.post(f"/operations/{operation['id']}/cancel").status_code == 202
    following.join(60)
    ended = api.get(f"/operations/{operation['id']}").json()
    assert (ended["state"], ended["error"]["type"]) == ("cancelled", "/problems/operation-cancelled")
    assert files_of(server) == before
    assert assert_problem(api.post(f"/operations/{operation['id']}/cancel"), 409, "operation-ended")


def test_local_folder_is_built_and_installed(server, api):
    folder = make_source(server.process.folder / "allowed" / "local", "local")
    body = {"source_type": "local", "source_location": str(folder), "auto_enable": True}
    answer = api.post("/plugins/install", json=body, headers={"Prefer": "wait=100"}, timeout=120)
    assert answer.json()["state"] == "succeeded", answer.text
    api.delete(f"/plugins/{answer.json()['result']['plugin_id']}").raise_for_status()


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"source_type": "registry", "source_location": "coverage_map"}, 422, "registry-absent"),
        ({"source_type": "local", "source_location": "/etc"}, 403, "local-source-refused"),
        ({"source_type": "upload", "source_location": "x.whl"}, 422, "body-invalid"),
        ({"source_type": "git"}, 422, "body-invalid"),
        ({"source_type": "git", "source_location": "x", "digest": "md5:1"}, 422, "body-invalid"),
        ({"source_type": "git", "source_location": "x", "nonsense": 1}, 422, "body-invalid"),
        ({"source_location": "x"}, 422, "body-invalid"),
    ],
)
def test_what_can_be_refused_at_once_is(api, body, status, slug):
    assert_problem(api.post("/plugins/install", json=body), status, slug)


def test_form_that_does_not_fit_is_refused_and_its_file_goes(server, api, packages):
    wheel = plugin(packages, "unfit")
    assert_problem(install(api, wheel, auto_enable="perhaps"), 422, "body-invalid")
    assert_problem(install(api, wheel, configuration="not json"), 400, "json-malformed")
    assert_problem(install(api, wheel, source_type="git"), 422, "body-invalid")
    assert_problem(api.post("/plugins/install", data={"name": "x"}, files={}), 415)
    assert files_of(server)["staging"] == []


def test_limited_key_installs_only_what_it_names(server, api, packages):
    wheel = plugin(packages, "limited")
    with server.client(server.key("admin", plugins=["limited"])) as client:
        assert_problem(install(client, wheel), 403, "key-limited")
        assert_problem(install(client, wheel, name="other"), 403, "plugin-not-allowed")
        assert (
            install(client, plugin(packages, "sneaky"), name="limited")
            .json()["error"]["type"]
            .endswith("package-name-mismatch")
        )
        found = installed(client, wheel, name="limited")
        subjects = {one["subject"] for one in client.get("/operations").json()["items"]}
        assert subjects == {"limited"}
    api.delete(f"/plugins/{found['id']}").raise_for_status()
    with server.client(server.key("viewer")) as client:
        assert_problem(install(client, wheel), 403, "scope-missing")


def test_packaged_fields_are_not_changed_by_hand(api, packages):
    found = installed(api, plugin(packages, "fixed"))
    assert_problem(api.put(f"/plugins/{found['id']}", json={"version": "9.9.9"}), 409, "packaged-field")
    api.put(f"/plugins/{found['id']}", json={"log_level": "DEBUG"}).raise_for_status()
    api.delete(f"/plugins/{found['id']}").raise_for_status()


def test_uninstall_plans_exports_keeps_and_finds_again(server, api, packages):
    before = files_of(server)
    wheel = plugin(packages, "kept")
    found = installed(api, wheel, auto_enable=True, configuration={"greeting": "hi", "password": "s3cret"})
    assert execute(api, found, "welcome", [{"id": 1}])["count"] == 1
    plan = api.delete(f"/plugins/{found['id']}", params={"dry_run": "true", "keep": "storage"})
    actions = {part["part"]: part["action"] for part in plan.raise_for_status().json()["parts"]}
    assert actions == {
        "configuration": "drop",
        "storage": "keep",
        "logs": "keep",
        "environment": "drop",
        "artifact": "drop",
        "audit": "keep",
    }
    document = api.get(f"/plugins/{found['id']}/export").raise_for_status().json()
    assert (document["secrets"], document["storage"]) == (["password"], {"count": 1})
    assert_problem(api.delete(f"/plugins/{found['id']}", params={"keep": "hooks"}), 422, "body-invalid")
    params = {"keep": "configuration,storage"}
    assert api.delete(f"/plugins/{found['id']}", params=params).status_code == 204
    assert files_of(server) == before
    assert [one["name"] for one in api.get("/plugins/kept").json()["items"]] == ["kept"]
    shown = api.get("/plugins/kept/kept").raise_for_status().json()
    assert (
        shown
        | {
            "configuration": {"greeting": "hi"},
            "secrets": ["password"],
            "storage": ["count"],
            "configuration_keys": 2,
            "storage_keys": 1,
        }
        == shown
    )
    assert_problem(api.get("/plugins/kept/other"), 404, "kept-plugin-not-found")
    again = installed(api, wheel, auto_enable=True)
    assert again["id"] == found["id"]
    assert execute(api, again, "welcome", [{"id": 1}]) == {"greeting": "hi", "dep": "2.0", "count": 2}
    api.delete(f"/plugins/{found['id']}", params={"keep": "storage"}).raise_for_status()
    assert api.delete("/plugins/kept/kept").status_code == 204
    assert_problem(api.delete("/plugins/kept/kept"), 404, "kept-plugin-not-found")


def test_restart_keeps_an_installed_plugin_running(server, api, packages):
    found = installed(api, plugin(packages, "survivor", "dep<2"), auto_enable=True)
    server.process.kill()
    server.process.start()
    assert api.get(f"/plugins/{found['id']}").json()["state"] == "active"
    assert execute(api, found, "version") == "1.0"
    api.delete(f"/plugins/{found['id']}").raise_for_status()
