"""Plugins over HTTP: register, list, show, change, delete."""

import httpx

from support.server import assert_problem


def test_registered_plugin_is_shown_as_it_was_described(api, server):
    draft = server.registration(description="A plugin", author="Ada")
    answer = api.post("/plugins/", json=draft)
    assert answer.status_code == 201
    shown = api.get(f"/plugins/{answer.json()['id']}").json()
    assert draft.items() <= shown.items()
    assert (shown["state"], shown["desired"]) == ("registered", "disabled")


def test_path_without_its_last_slash_works_too(api):
    assert api.get("/plugins").status_code == api.get("/plugins/").status_code == 200


def test_list_has_the_shape_of_every_list(api, server):
    server.plugin()
    page = api.get("/plugins/", params={"size": 1}).json()
    assert set(page) == {"items", "total", "page", "size", "pages"}
    assert len(page["items"]) == 1
    assert page["pages"] == page["total"]


def test_list_is_filtered_by_name_type_and_state(api, server):
    plugin = server.plugin(plugin_type="BILLING")
    params = {"name": plugin["name"], "plugin_type": "BILLING", "state": "registered", "desired": "disabled"}
    found = api.get("/plugins/", params=params).json()
    assert [item["id"] for item in found["items"]] == [plugin["id"]]


def test_list_is_sorted_as_asked(api, server):
    server.plugin(), server.plugin()
    names = [
        item["name"] for item in api.get("/plugins/", params={"sort": "-name", "size": 200}).json()["items"]
    ]
    assert names == sorted(names, reverse=True)


def test_unknown_filter_is_refused_with_what_was_meant(api):
    problem = assert_problem(api.get("/plugins/", params={"stat": "active"}), 422, "parameter-unknown")
    assert "state" in problem["errors"][0]["message"]


def test_unknown_sort_field_is_refused(api):
    assert_problem(api.get("/plugins/", params={"sort": "colour"}), 422)


def test_filter_takes_only_values_that_exist(api):
    problem = assert_problem(api.get("/plugins/", params={"state": "sleeping"}), 422)
    assert problem["errors"][0]["path"] == "query.state"


def test_second_plugin_of_a_name_is_refused(api, server):
    draft = server.registration()
    api.post("/plugins/", json=draft).raise_for_status()
    assert_problem(api.post("/plugins/", json=draft), 409, "plugin-name-taken")


def test_all_mistakes_of_a_registration_are_reported_together(api):
    problem = assert_problem(
        api.post("/plugins/", json={"name": "Bad Name", "version": 1, "colour": "red"}), 422
    )
    paths = {mistake["path"] for mistake in problem["errors"]}
    assert {"name", "version", "colour", "plugin_type", "module_path", "entry_point"} <= paths


def test_changed_field_is_kept_and_raises_the_etag(api, server):
    plugin = server.plugin()
    before = api.get(f"/plugins/{plugin['id']}").headers["etag"]
    answer = api.put(f"/plugins/{plugin['id']}", json={"description": "new"})
    assert answer.json()["description"] == "new"
    assert answer.headers["etag"] != before


def test_change_made_on_an_old_etag_is_refused(api, server):
    plugin = server.plugin()
    etag = api.get(f"/plugins/{plugin['id']}").headers["etag"]
    api.put(
        f"/plugins/{plugin['id']}", json={"description": "first"}, headers={"If-Match": etag}
    ).raise_for_status()
    late = api.put(f"/plugins/{plugin['id']}", json={"description": "second"}, headers={"If-Match": etag})
    assert_problem(late, 412, "precondition-failed")
    assert api.get(f"/plugins/{plugin['id']}").json()["description"] == "first"


def test_deleted_plugin_is_gone(api, server):
    plugin = server.plugin()
    answer = api.delete(f"/plugins/{plugin['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(api.get(f"/plugins/{plugin['id']}"), 404, "plugin-not-found")


def test_id_that_is_no_number_is_told_so(api):
    assert "whole number" in assert_problem(api.get("/plugins/my_plugin"), 404, "path-unknown")["detail"]


def test_huge_id_is_not_found(api):
    assert_problem(api.get("/plugins/99999999999999999999"), 404)


def test_paths_of_later_features_are_not_taken_for_ids(api):
    assert_problem(api.get("/plugins/registry"), 404, "path-unknown")


def test_wrong_method_names_the_right_ones(api):
    answer = api.patch("/plugins/1")
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "DELETE, GET, PUT"


def test_request_id_of_the_caller_is_kept(api):
    assert api.get("/me", headers={"X-Request-ID": "billing-42"}).headers["x-request-id"] == "billing-42"


def test_request_id_that_could_do_harm_is_replaced(api):
    assert api.get("/me", headers={"X-Request-ID": "a b<script>"}).headers["x-request-id"] != "a b<script>"


def test_answers_are_neither_sniffed_nor_stored(api):
    headers = api.get("/me").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_server_says_that_it_is_alive_and_ready_without_a_key(server):
    assert httpx.get(f"{server.url}/healthz", timeout=60).json() == {
        "status": "alive", "node": "local", "is_cut_off": False, "cut_off_since": None,
    }  # fmt: skip
    assert httpx.get(f"{server.url}/readyz", timeout=60).json() == {"status": "ready"}


def test_every_kind_of_problem_is_explained_at_its_type(server):
    kinds = httpx.get(f"{server.url}/problems", timeout=60).json()
    one = httpx.get(f"{server.url}{kinds[0]['type']}", timeout=60).json()
    assert one == kinds[0]
    assert_problem(httpx.get(f"{server.url}/problems/nonsense", timeout=60), 404, "problem-unknown")
