"""Configuration over HTTP: values, versions, rollback, secrets."""

from support.server import assert_problem

SECRET = "correct horse"


def entries(api, plugin):
    answer = api.get(f"/plugins/{plugin['id']}/config")
    answer.raise_for_status()
    return {entry["key"]: entry for entry in answer.json()["items"]}


def test_every_key_of_the_schema_is_listed_stored_or_not(api, server):
    found = entries(api, server.plugin())
    assert set(found) == {"smtp_server", "smtp_port", "password", "explode", "refuse"}
    assert (found["smtp_server"]["source"], found["smtp_server"]["value"], found["smtp_server"]["id"]) == (
        "default",
        "localhost",
        None,
    )


def test_created_value_is_stored_with_an_id(api, server):
    plugin = server.plugin()
    answer = api.post(f"/plugins/{plugin['id']}/config", json={"key": "smtp_server", "value": "mail"})
    assert answer.status_code == 201
    assert entries(api, plugin)["smtp_server"] == answer.json()
    assert answer.json()["id"]


def test_value_that_is_stored_already_is_not_created_again(api, server):
    plugin = server.plugin()
    body = {"key": "smtp_server", "value": "mail"}
    api.post(f"/plugins/{plugin['id']}/config", json=body).raise_for_status()
    assert_problem(api.post(f"/plugins/{plugin['id']}/config", json=body), 409, "configuration-exists")


def test_stored_value_is_changed_by_its_id(api, server):
    plugin = server.plugin()
    stored = api.post(f"/plugins/{plugin['id']}/config", json={"key": "smtp_port", "value": 26}).json()
    assert api.put(f"/plugins/{plugin['id']}/config/{stored['id']}", json={"value": 27}).json()["value"] == 27


def test_deleted_value_leaves_the_default(api, server):
    plugin = server.plugin()
    stored = api.post(f"/plugins/{plugin['id']}/config", json={"key": "smtp_port", "value": 26}).json()
    assert api.delete(f"/plugins/{plugin['id']}/config/{stored['id']}").status_code == 204
    assert entries(api, plugin)["smtp_port"]["value"] == 25


def test_value_that_does_not_fit_changes_nothing(api, server):
    plugin = server.plugin()
    values = {"smtp_server": "mail", "smtp_port": 70000}
    problem = assert_problem(
        api.put(f"/plugins/{plugin['id']}/config", json={"values": values}), 422, "configuration-invalid"
    )
    assert problem["errors"][0]["path"] == "smtp_port"
    assert entries(api, plugin)["smtp_server"]["source"] == "default"


def test_secret_is_masked_in_every_answer(api, server):
    plugin = server.plugin()
    path = f"/plugins/{plugin['id']}/config"
    answers = [
        api.put(path, json={"values": {"password": SECRET}}),
        api.get(path),
        api.get(f"{path}/versions"),
        api.put(path, json={"values": {"password": SECRET, "smtp_port": "x"}}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 422]
    assert all(SECRET not in answer.text for answer in answers)
    assert entries(api, plugin)["password"]["value"] == "********"


def test_misspelt_field_with_a_secret_is_not_repeated(api, server):
    answer = api.post(f"/plugins/{server.plugin()['id']}/config", json={"key": "password", "vaule": SECRET})
    assert_problem(answer, 422, "body-invalid")
    assert SECRET not in answer.text


def test_mask_is_never_written_over_a_secret(api, server):
    plugin = server.plugin()
    stored = api.post(f"/plugins/{plugin['id']}/config", json={"key": "password", "value": SECRET}).json()
    answer = api.put(f"/plugins/{plugin['id']}/config/{stored['id']}", json={"value": "********"})
    assert answer.status_code in {200, 422}
    assert len(api.get(f"/plugins/{plugin['id']}/config/versions").json()["items"]) == 1


def test_replace_forgets_what_is_not_named(api, server):
    plugin = server.plugin()
    path = f"/plugins/{plugin['id']}/config"
    api.put(path, json={"values": {"smtp_server": "a", "smtp_port": 1}}).raise_for_status()
    api.put(path, json={"values": {"smtp_port": 2}, "replace": False}).raise_for_status()
    assert entries(api, plugin)["smtp_server"]["value"] == "a"
    api.put(path, json={"values": {"smtp_port": 3}}).raise_for_status()
    assert entries(api, plugin)["smtp_server"]["value"] == "localhost"


def test_rollback_brings_an_earlier_version_back_as_a_new_one(api, server):
    plugin = server.plugin()
    path = f"/plugins/{plugin['id']}/config"
    for port in (1, 2):
        api.put(path, json={"values": {"smtp_port": port}}).raise_for_status()
    api.post(f"{path}/versions/1/rollback").raise_for_status()
    assert entries(api, plugin)["smtp_port"]["value"] == 1
    assert [version["version"] for version in api.get(f"{path}/versions").json()["items"]] == [3, 2, 1]


def test_rollback_to_a_version_that_never_was_is_not_found(api, server):
    answer = api.post(f"/plugins/{server.plugin()['id']}/config/versions/999999999/rollback")
    assert_problem(answer, 404, "configuration-version-not-found")


def test_configuration_of_another_plugin_is_not_found(api, server):
    stored = api.post(
        f"/plugins/{server.plugin()['id']}/config", json={"key": "smtp_port", "value": 26}
    ).json()
    answer = api.put(f"/plugins/{server.plugin()['id']}/config/{stored['id']}", json={"value": 27})
    assert_problem(answer, 404, "configuration-value-not-found")


def test_candidate_that_the_plugin_refuses_is_not_saved(api, server):
    plugin = server.plugin(enabled=True)
    assert_problem(api.put(f"/plugins/{plugin['id']}/config", json={"values": {"explode": True}}), 409)
    assert entries(api, plugin)["explode"]["source"] == "default"
    assert api.get(f"/plugins/{plugin['id']}").json()["state"] == "active"


def test_plugin_tests_its_connection(api, server):
    plugin = server.plugin(enabled=True)
    assert api.post(f"/plugins/{plugin['id']}/config/test-connection").json()["ok"] is True


def test_secrets_are_rotated(api, server):
    plugin = server.plugin()
    api.put(f"/plugins/{plugin['id']}/config", json={"values": {"password": SECRET}}).raise_for_status()
    answer = api.post("/secrets/rotate").raise_for_status().json()
    assert answer["rotated"] >= 1
    assert answer["key_id"]
