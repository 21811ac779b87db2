"""Templates over HTTP: list, add, show, change, render, remove; hostile ones stay in their place."""

import io
import itertools
import time
import zipfile

import pytest

from support.server import assert_problem

BASE = "/plugins/templates"
_numbers = itertools.count(1)


def draft(**changes):
    """A template of a name of its own."""
    variables = [{"name": "name"}, {"name": "class_name", "default": "{{ name | pascal }}"}]
    files = {"{{ name }}/plugin.py": "class {{ class_name }}:\n    pass\n", "run.sh": "#!/bin/sh\n"}
    return {
        "name": f"mine-{next(_numbers)}",
        "description": "Ours",
        "plugin_type": "CUSTOM",
        "variables": variables,
        "files": files,
    } | changes


@pytest.fixture
def mine(api):
    """A template that was added."""
    return api.post(BASE, json=draft()).raise_for_status().json()


def render(api, template, params=None, **variables):
    """Ask for a template's files."""
    return api.post(f"{BASE}/{template}/render", json={"variables": variables}, params=params)


def test_list_shows_what_ships_without_files(api):
    page = api.get(BASE, params={"origin": "shipped"}).json()
    assert page["total"] == 6
    assert "payment_gateway" in [item["name"] for item in page["items"]]
    assert "files" not in page["items"][0]


def test_list_is_filtered(api, mine):
    found = api.get(BASE, params={"q": mine["name"], "origin": "own", "plugin_type": "CUSTOM"}).json()
    assert [item["name"] for item in found["items"]] == [mine["name"]]
    assert_problem(api.get(BASE, params={"orign": "own"}), 422, "parameter-unknown")


def test_added_template_is_shown_as_it_was_made(api, mine):
    shown = api.get(f"{BASE}/{mine['name']}").json()
    assert shown == mine
    assert shown["origin"] == "own"
    assert [(each["name"], each["required"]) for each in shown["variables"]] == [
        ("name", True),
        ("class_name", False),
    ]


def test_shipped_template_shows_files_and_variables(api):
    shown = api.get(f"{BASE}/network_poller").json()
    assert "{{ name }}/plugin.py" in shown["files"]
    assert {variable["name"] for variable in shown["variables"]} >= {"name", "class_name", "port"}


def test_template_is_rendered_as_json(api, mine):
    answer = render(api, mine["name"], name="acme_pay").json()
    assert answer["files"] == {"acme_pay/plugin.py": "class AcmePay:\n    pass\n", "run.sh": "#!/bin/sh\n"}


def test_template_is_rendered_as_a_zip(api, mine):
    answer = render(api, mine["name"], {"format": "zip"}, name="acme_pay")
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="acme_pay.zip"' in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.namelist() == ["acme_pay/acme_pay/plugin.py", "acme_pay/run.sh"]


def test_missing_and_bad_variables_are_refused_together(api, mine):
    problem = assert_problem(render(api, mine["name"], class_name=7, nme="x"), 422, "variables-invalid")
    assert {each["path"] for each in problem["errors"]} == {
        "variables.name",
        "variables.class_name",
        "variables.nme",
    }


def test_bad_template_is_refused_with_every_mistake(api):
    bad = draft(files={"../x": "", "a": "{{ nobody }}"}, variables=[{"name": "a", "pattern": "("}])
    problem = assert_problem(api.post(BASE, json=bad), 422, "template-invalid")
    assert [each["path"] for each in problem["errors"]] == ["variables.0.pattern", "files.../x", "files.a"]


def test_taken_names_are_refused(api, mine):
    for name in (mine["name"], "action"):
        assert_problem(api.post(BASE, json=draft(name=name)), 409, "template-name-taken")


def test_changed_field_stays_and_the_others_too(api, mine):
    changed = api.put(f"{BASE}/{mine['name']}", json={"description": "new"}).raise_for_status().json()
    assert changed["description"] == "new"
    assert changed["files"] == mine["files"]


def test_what_ships_is_neither_changed_nor_removed(api):
    assert_problem(api.put(f"{BASE}/action", json={"description": "x"}), 409, "template-shipped")
    assert_problem(api.delete(f"{BASE}/action"), 409, "template-shipped")


def test_removed_template_is_gone(api, mine):
    assert api.delete(f"{BASE}/{mine['name']}").status_code == 204
    assert_problem(api.get(f"{BASE}/{mine['name']}"), 404, "template-not-found")


def test_fixed_path_wins_over_a_plugins_id(api):
    assert api.get(BASE).json()["items"]
    assert_problem(api.get(f"{BASE}/NoSuchName"), 404, "path-unknown")


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "render"),
        ("{{ name.format.__globals__ }}", "render"),
        ("{% for i in range(10**9) %}x{% endfor %}", "render"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "render-limit"),
        ("{{ 'a' * 10 ** 10 }}", "render-limit"),
    ],
)
def test_hostile_template_is_refused_and_the_server_goes_on(api, text, slug):
    name = api.post(BASE, json=draft(files={"a": text})).raise_for_status().json()["name"]
    begun = time.monotonic()
    assert_problem(render(api, name, name="a1"), 422, slug)
    assert time.monotonic() - begun < 55
    assert api.get(BASE).status_code == 200


def test_name_made_of_variables_cannot_leave_the_folder(api):
    name = api.post(BASE, json=draft(files={"{{ name }}": "x"})).raise_for_status().json()["name"]
    for path in ("../x", "/etc/passwd", "a/../../b", ".git/config"):
        assert_problem(render(api, name, name=path), 422, "render")


def test_body_that_is_no_template_is_refused(api):
    for change in (
        {"files": {}},
        {"files": {"a": 7}},
        {"colour": "red"},
        {"plugin_type": "X"},
        {"variables": {}},
    ):
        assert_problem(api.post(BASE, json=draft(**change)), 422)


def test_viewer_sees_templates_but_changes_and_renders_none(server):
    with server.client(server.key("viewer")) as viewer:
        assert viewer.get(BASE).status_code == 200
        for answer in (
            viewer.post(BASE, json=draft()),
            viewer.delete(f"{BASE}/mine"),
            render(viewer, "action"),
        ):
            assert_problem(answer, 403, "scope-missing")


def test_developer_manages_templates(server):
    with server.client(server.key("developer")) as developer:
        name = developer.post(BASE, json=draft()).raise_for_status().json()["name"]
        assert render(developer, name, name="a1").status_code == 200
        assert developer.delete(f"{BASE}/{name}").status_code == 204


def test_changes_are_in_the_audit_trail(api, mine):
    api.delete(f"{BASE}/{mine['name']}").raise_for_status()
    entries = api.get("/audit", params={"tag": "template", "subject": f"template/{mine['name']}"}).json()[
        "items"
    ]
    assert {entry["tag"] for entry in entries} == {"template.created", "template.deleted"}
